"""Profile likelihood of the population size, with the interval that is read off it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri

from mse._drawing import draws
from mse.errors import ModelError
from mse.intervals import DEFAULT_LEVEL, check_level
from mse.loglinear import LogLinearFit, LogLinearSearchFit
from mse.plots._canvas import (
    BLUE,
    PALE,
    Head,
    canvas,
    headed,
    ink,
    is_log,
    limits_of,
    number_axis,
)
from mse.plots._marks import interval_across, said_at, status_instead
from mse.plots.sizes import method_of
from mse.plots.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mse._typing import FloatArray
    from mse.core.curve import LikelihoodCurve

__all__ = ["profile_likelihood"]

#: Points at which the curve is evaluated, even in persons, and as many even in logs.
_POINTS = 41
#: Level to whose ends the curve is drawn, unless that of the interval is higher.
_OUTER = 0.99
#: Log of how many times the estimate the curve is followed where it has no end.
_FOLLOWED = math.log(20.0)
_SIZE = (7.0, 4.2)


@draws(LogLinearFit)
def profile_likelihood(
    fit: LogLinearFit | LogLinearSearchFit,
    *,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the profile log likelihood of N, and the interval in which it is close to its maximum.

    Parameters
    ----------
    fit : LogLinearFit or LogLinearSearchFit
        A log-linear model; of a search the best one, as if it had been known beforehand.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the interval.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
        With the word for the status, and no curve, where there is no estimate.

    Raises
    ------
    ModelError
        If the fit is not of a log-linear model.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea"))
    >>> ax = mse.plots.profile_likelihood(fit)
    >>> interval = next(line for line in ax.lines if line.get_gid() == "interval")
    >>> interval.get_xdata().round().tolist() == [round(end) for end in fit.population.interval()]
    True
    """
    text = Words(words)
    check_level(level)
    best = fit.best if isinstance(fit, LogLinearSearchFit) else fit
    if not isinstance(best, LogLinearFit):
        raise ModelError(f"{fit!r} has no profile likelihood; expected a fit of LogLinear.")
    population = best.population
    known = population.hidden > 0
    lines = [method_of(population)]
    with canvas(ax, _SIZE) as drawn:
        drawn.set_xlabel(text("total_persons"))
        drawn.set_ylabel(text("likelihood_axis"))
        if known:
            ends = _draw_curve(drawn, best, level, text)
            said = f"{text.kind('profile', level)}: {text.span(*ends)}"
            lines += [f"{said} ({text.number(population.total)}); {text('given_model')}"]
        else:
            status_instead(drawn, population.status, text)
            lines += [population.reason]
        head = Head(text("title_likelihood"), tuple(lines), population.info, best.status)
        headed(drawn, head, text, room=None if ax is not None else _SIZE[0] - 0.8)
    return drawn


def _draw_curve(ax: Axes, fit: LogLinearFit, level: float, words: Words) -> tuple[float, float]:
    curve = fit.profile_curve()
    n, drop = curve.observed, float(chdtri(1, 1 - level)) / 2
    outer = max(drop * 1.3, float(chdtri(1, 1 - _OUTER)) / 2)
    low, high = curve.ends(drop)
    grid = np.union1d(
        _grid(curve, outer), [math.log(end - n) for end in (low, high) if n < end < math.inf]
    )
    heights = np.asarray([_height(curve, each) for each in grid])
    totals = n + np.exp(grid)
    log = is_log("auto", [float(totals[0]), float(totals[-1])])
    ax.set_xscale("log" if log else "linear")
    ax.set_xlim(*limits_of([float(totals[0]), float(totals[-1])], log=log, pad=0.02))
    number_axis(ax.xaxis, words, log=log)
    ax.set_ylim(-1.08 * outer, 0.12 * outer)
    number_axis(ax.yaxis, words, log=False)
    # The ends are on the grid, but for rounding.
    inside = (totals >= low * (1 - 1e-9)) & (totals <= high * (1 + 1e-9))
    ax.fill_between(totals, -1.08 * outer, heights, where=inside, color=PALE, lw=0, gid="inside")
    ax.plot(totals, heights, color=BLUE, lw=1.8, gid="curve")
    interval_across(ax, -drop, (low, high), color=ink(), tall=12)
    ax.plot(fit.population.total, 0, "o", ms=6, color=BLUE, clip_on=False, gid="point")
    said = words("likelihood_cut", level=words.level(level), drop=words.ratio(drop))
    said_at(ax, said, (fit.population.total, -drop), (0, -4), ha="center", va="top")
    return low, high


def _grid(curve: LikelihoodCurve, drop: float) -> FloatArray:
    """Log hidden counts along the curve, down to a drop on both sides."""
    low, high = curve.ends(drop)
    first = math.log(low - curve.observed) if low > curve.observed else curve.floor
    last = curve.mode + _FOLLOWED
    if math.isfinite(high):
        last = math.log(high - curve.observed)
    evenly = np.linspace(math.exp(first), math.exp(last), _POINTS)
    return np.union1d(np.log(evenly), np.linspace(first, last, _POINTS))


def _height(curve: LikelihoodCurve, log_hidden: float) -> float:
    try:
        return curve(log_hidden) - curve.peak
    except ArithmeticError:
        return math.nan
