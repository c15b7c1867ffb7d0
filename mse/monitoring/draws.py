"""One joint set of draws of the totals of all strata, from which every figure is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.errors import ModelError
from mse.intervals import TOO_FEW, holding, order_quantile
from mse.resampling import bootstrap

if TYPE_CHECKING:
    from mse._strata import Strata
    from mse._typing import FloatArray, Seed
    from mse.estimators import Estimator
    from mse.population import PopulationEstimate
    from mse.redrawing import Resampling
    from mse.table import CaptureTable

__all__ = ["Figure", "JointDraws", "figure", "joint_draws"]


class Figure(NamedTuple):
    """A point with its interval; NaN where there is none, infinite where an end has no bound."""

    point: float = nan
    low: float = nan
    high: float = nan


def figure(
    point: float, draws: FloatArray, level: float, least: float = -inf, most: float = inf
) -> Figure:
    """Put an interval of percentiles to a point, of which the point is always a part.

    Parameters
    ----------
    point : float
        The figure; without it (NaN) there is no interval, nor is there one from fewer than 20 draws.
    draws : float64 array (M,)
        Its draws: infinite ones count as such, and NaN, which may be anything, towards both ends.
    level : float
        Level of the interval.
    least, most : float, optional
        Bounds that the figure cannot pass.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.arange(1.0, 102.0)
    >>> figure(50.0, draws, 0.5)
    Figure(point=50.0, low=26.0, high=76.0)
    >>> figure(50.0, np.append(draws, [np.nan] * 9), 0.9, least=0)
    Figure(point=50.0, low=0.0, high=inf)
    """
    if np.isnan(point) or draws.size < TOO_FEW:
        return Figure(float(point))
    unknown = np.isnan(draws)
    low = order_quantile(np.where(unknown, -inf, draws), (1 - level) / 2)
    high = order_quantile(np.where(unknown, inf, draws), (1 + level) / 2)
    low, high = holding(low, high, float(point))
    return Figure(float(point), max(low, float(least)), min(high, float(most)))


@dataclass(frozen=True, eq=False)
class JointDraws:
    """Totals of all strata in every replicate.

    Attributes
    ----------
    population : PopulationEstimate
        The estimate of all strata together.
    strata : Strata
        Its parts.
    totals : float64 array (M, S)
        Totals of the replicates, persons: infinite where the hidden count has no bound, NaN where
        the replicate does not determine it.
    given : str
        What intervals from the draws take for granted.
    """

    population: PopulationEstimate
    strata: Strata
    totals: FloatArray
    given: str

    def __post_init__(self) -> None:
        self.totals.setflags(write=False)


def joint_draws(
    estimator: Estimator,
    table: CaptureTable,
    *,
    replicates: int,
    resampling: Resampling,
    seed: Seed,
    n_jobs: int | None,
    progress: bool | None,
) -> JointDraws:
    """Draw the totals of all strata together, by `mse.bootstrap`.

    Where some strata are not estimable, so that there is no total, the others are drawn all the same.

    Raises
    ------
    ModelError
        If the estimator knows no strata.
    """
    population = bootstrap(
        estimator,
        table,
        replicates,
        resampling,
        "percentile",
        seed,
        n_jobs=n_jobs,
        progress=progress,
    )
    strata = population.strata
    if strata is None:
        reason = f" {population.reason}" if population.reason else ""
        raise ModelError(
            f"{estimator!r} gives no estimates by period and group.{reason} Use an estimator of "
            "lists and covariates together, such as mse.LogLinearSearch(strategy='stepwise')."
        )
    draws = population.stratum_draws
    totals = np.zeros((0, len(strata.cells))) if draws is None else draws.to_numpy(np.float64)
    # Of the strata: where one has no estimate, the total has no interval that could tell.
    given = getattr(strata.intervals, "given", population.interval_given)
    return JointDraws(population, strata, totals.copy(), given)
