"""Pictures of tables, fits and results, drawn with matplotlib.

Every function takes what it draws, then keywords only:

``ax``
    The Axes to draw on. Without it a new figure of a suitable size is made with pyplot, so that
    notebooks show it. The function returns the Axes; figures are saved with
    ``ax.figure.savefig(...)``. On your own figures use ``layout="constrained"``: titles and labels
    then find their room.
``words``
    Other words for the picture, a translation for instance: a mapping from keys of `ENGLISH` to
    texts, ``words={"observed": "geregistreerd", "thousands": "."}``. It may hold some keys or all.
    Names of lists, of methods and of levels of covariates are those of the data.
``level``
    The level of intervals, where they are not part of what is drawn.

The same pictures are the ``.plot()`` of the objects: ``table.plot()``, ``fit.plot(ax=ax)``.

Intervals are drawn wherever there are any, and end in an arrow where they have no bound; what is
not estimable is written as such; data that are synthetic say so in the title. Nothing is told by
color alone. A picture computes nothing that the object does not know, but for the profile
likelihood, which is evaluated along its axis.
"""

from __future__ import annotations

from mse.plots.checks import influence, predictive_check, residuals, validation
from mse.plots.densities import density, model_uncertainty, profile_likelihood
from mse.plots.dependence import dependence_graph
from mse.plots.driven import drivers
from mse.plots.pairs import overlap_heatmap, upset
from mse.plots.ranks import ranks
from mse.plots.reached import reach
from mse.plots.repeats import counts, ratios
from mse.plots.scenarios import (
    bounds,
    contrast,
    highest_order,
    leave_one_out,
    merged_lists,
    odds_ratio,
    plan,
    prior_sensitivity,
    tipping_points,
)
from mse.plots.sizes import estimate, forest, strata
from mse.plots.trends import changes, coverage, trend
from mse.plots.words import ENGLISH

__all__ = [
    "ENGLISH",
    "bounds",
    "changes",
    "contrast",
    "counts",
    "coverage",
    "density",
    "dependence_graph",
    "drivers",
    "estimate",
    "forest",
    "highest_order",
    "influence",
    "leave_one_out",
    "merged_lists",
    "model_uncertainty",
    "odds_ratio",
    "overlap_heatmap",
    "plan",
    "predictive_check",
    "prior_sensitivity",
    "profile_likelihood",
    "ranks",
    "ratios",
    "reach",
    "residuals",
    "strata",
    "tipping_points",
    "trend",
    "upset",
    "validation",
]


def __dir__() -> list[str]:
    return sorted(__all__)
