"""Counts of one register: how often persons were seen, observed and fitted, and what family they look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from mse._drawing import draws
from mse.answer.intervals import DEFAULT_LEVEL, check_level
from mse.classical.register_search import SingleRegisterSearchFit
from mse.classical.single_register import SingleRegisterFit
from mse.data.count_table import CountTable
from mse.plots import _canvas as draw
from mse.plots._canvas import BLUE, PALE, RED, Head, ink
from mse.plots.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

_SIZE = (6.4, 4.2)
#: Counts beyond are drawn as one.
_MOST = 12


@draws(SingleRegisterFit, SingleRegisterSearchFit)
def counts(
    fit: SingleRegisterFit | SingleRegisterSearchFit | Any,
    *,
    ax: Axes | None = None,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw how many persons were seen once, twice, ... as bars, and how many the model expects as points.

    Parameters
    ----------
    fit : SingleRegisterFit or SingleRegisterSearchFit
        A fit; of a search the best one.
    ax : Axes, optional
        Where to draw; a new figure by default.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
        Persons on a logarithmic scale. Counts that the family does not look at have no point; those from 12
        on are one bar.

    Examples
    --------
    >>> import mse
    >>> fit = mse.SingleRegister("geometric").fit(mse.load_dataset("irregular_migrants"))
    >>> len(mse.plots.counts(fit).patches)
    6
    """
    text = Words(words)
    best = fit.fits[0] if isinstance(fit, SingleRegisterSearchFit) else fit
    frame = best.fitted
    frame = frame.assign(times=frame["times"].clip(upper=_MOST)).groupby("times").sum(min_count=1)
    places = frame.index.to_numpy()
    lines = (
        str(best.estimator.method.name),
        text("counts_formula", formula=best.estimator.formula),
    )
    head = Head(text("title_counts"), lines, best.table.info)
    with draw.canvas(ax, _SIZE, 0.5) as (drawn, room):
        drawn.bar(
            places,
            frame["observed"],
            color=PALE,
            edgecolor=ink(),
            linewidth=0.6,
            label=text("observed"),
        )
        drawn.plot(places, frame["fitted"], "o", color=BLUE, label=text("counts_fitted"))
        drawn.set_yscale("log")
        drawn.set_ylim(bottom=0.5)
        names = [text.number(each) for each in places]
        if len(frame) == _MOST:
            names[-1] = draw.wrapped(text("counts_or_more", number=names[-1]), 4)
        drawn.set_xticks(places, names)
        drawn.set_xlabel(text("counts_times"))
        drawn.set_ylabel(text("persons"))
        drawn.legend(frameon=False)
        draw.number_axis(drawn.yaxis, text, log=True)
        draw.headed(drawn, head, text, room)
    return drawn


@draws(CountTable)
def ratios(
    table: CountTable,
    *,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the ratios of neighboring counts, which tell a Poisson from rates that differ and from inflated ones.

    The ratio at y is (y + 1) f(y + 1) / f(y), persons seen y + 1 and y times. Under a Poisson it is the mean at
    every y; rates that differ make it rise, under a gamma distribution in a straight line; ones that are
    inflated push down the first (Boehning, Baksh, Lerdsuwansri & Gallagher 2013, Journal
    of Computational and Graphical Statistics 22, 135-155).

    Parameters
    ----------
    table : CountTable
        Counts; covariates are summed over.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the intervals of the ratios, log-normal.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> ax = mse.plots.ratios(mse.load_dataset("irregular_migrants"))
    >>> len(ax.lines) > 0
    True
    """
    check_level(level)
    text, found = Words(words), table.frequencies
    places = np.array([y for y in found if y + 1 in found and y < _MOST], dtype=float)
    here, there = (np.array([found[int(y) + k] for y in places], dtype=float) for k in (0, 1))
    ratio = (places + 1) * there / here
    factor = np.exp(float(ndtri((1 + level) / 2)) * np.sqrt(1 / here + 1 / there))
    lines = (text("ratios_read"), text("interval", level=text.level(level)))
    head = Head(text("title_ratios"), lines, table.info)
    with draw.canvas(ax, _SIZE, 0.5) as (drawn, room):
        ends = np.array([ratio - ratio / factor, ratio * factor - ratio])
        drawn.errorbar(places, ratio, ends, fmt="o", color=BLUE, ecolor=RED, capsize=3)
        drawn.set_xticks(places, [text.number(each) for each in places])
        drawn.set_xlabel(text("counts_times"))
        drawn.set_ylabel(text("ratios_axis"))
        drawn.set_yscale("log")
        draw.number_axis(drawn.yaxis, text, log=True, kind="ratio")
        draw.headed(drawn, head, text, room)
    return drawn
