"""Draws of a total, from a bootstrap or a posterior: where they lie, and the interval they give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mse._drawing import draws
from mse.bayes.fit import BayesianFit
from mse.bootstrapped import BootstrappedFit
from mse.errors import ModelError
from mse.intervals import DEFAULT_LEVEL, check_level
from mse.plots._canvas import (
    BLUE,
    SKY,
    Head,
    Scale,
    canvas,
    check_scale,
    finite,
    headed,
    ink,
    limits_of,
    number_axis,
)
from mse.plots._marks import interval_across, status_instead
from mse.plots.sizes import method_of, population_of
from mse.plots.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mse._typing import FloatArray
    from mse.estimators import Fit
    from mse.population import PopulationEstimate

__all__ = ["density"]

#: Draws outside these quantiles are counted and not drawn: one among thousands may be a billion.
_TAILS = (0.001, 0.995)
#: The axis is logarithmic where the drawn totals differ by more than this factor.
_WIDE = 10.0
_BINS = 50
#: The axis follows the interval up to so many times the last bar.
_FAR = 2.0
_SIZE = (7.0, 4.0)


@draws(BootstrappedFit, BayesianFit)
def density(
    population: PopulationEstimate | Fit,
    *,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    scale: Scale = "auto",
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the draws of a total as a histogram, over the interval that is read off them.

    Draws far out in the tails are counted and not drawn, and so are those without bound.

    Parameters
    ----------
    population : PopulationEstimate or Fit
        An estimate with draws, of a bootstrap or a posterior.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the interval.
    scale : {"auto", "linear", "log"}, default "auto"
        Of the totals; by default logarithmic where the tails are long.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
        With the word for the status, and no bars, where there is no estimate.

    Raises
    ------
    ModelError
        If the estimate has no draws.

    Examples
    --------
    >>> import mse
    >>> p = mse.bootstrap(mse.LogLinear("main"), mse.load_dataset("kosovo"), 100, seed=1)
    >>> ax = mse.plots.density(p)
    >>> bool(0.97 < sum(bar.get_height() for bar in ax.patches) <= 1)
    True
    """
    text, found = Words(words), population_of(population)
    check_level(level)
    check_scale(scale)
    known = math.isfinite(found.total)
    if known and (found.draws is None or not found.draws.size):
        raise ModelError(
            f"{found!r} has no draws; expected the answer of mse.bootstrap, or of a Bayesian fit."
        )
    lines = [method_of(found), found.reason if not known else _said(found, level, text)]
    with canvas(ax, _SIZE) as drawn:
        drawn.set_xlabel(text("total_persons"))
        if known and found.draws is not None:
            lines += _draw_histogram(drawn, found.draws[~np.isnan(found.draws)], scale, text)
            _set_axis(drawn, found, level, text)
            _draw_interval(drawn, found, level)
            lines.append(text("line_observed", number=text.number(found.observed)))
        else:
            status_instead(drawn, found.status, text)
        head = Head(text("title_density"), tuple(lines), found.info, found.status)
        headed(drawn, head, text, room=None if ax is not None else _SIZE[0] - 0.8)
    return drawn


def _said(found: PopulationEstimate, level: float, words: Words) -> str:
    span = f"{words.span(*found.interval(level))} ({words.number(found.total)})"
    kind = f"{words.kind(found.interval_kind, level)}: {span}"
    return "; ".join(part for part in (kind, words.given(found.interval_given)) if part)


def _draw_histogram(ax: Axes, values: FloatArray, scale: Scale, words: Words) -> list[str]:
    """Draw the bars; give sentences on what is not in them."""
    bounded = values[np.isfinite(values)]
    if not bounded.size:
        return _left_out(values, bounded, bounded, words)
    low, high = np.quantile(bounded, _TAILS)
    shown = bounded[(bounded >= low) & (bounded <= high)]
    log = scale == "log" or (scale == "auto" and high > _WIDE * low > 0)
    edges = _edges(shown, log=log)
    heights, _ = np.histogram(shown, edges)
    ax.set_xscale("log" if log else "linear")
    # Shares of all draws: those without bound, and those beyond the axis, are missing in the sum.
    ax.bar(
        edges[:-1],
        heights / values.size,
        np.diff(edges),
        align="edge",
        color=SKY,
        edgecolor=BLUE,
        lw=0.5,
        gid="draws",
    )
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylabel(words("draws_axis"))
    number_axis(ax.yaxis, words, log=False, kind="share")
    return _left_out(values, bounded, shown, words)


def _left_out(
    values: FloatArray, bounded: FloatArray, shown: FloatArray, words: Words
) -> list[str]:
    """Count the draws that are not drawn."""
    lines, of = [], words.number(values.size)
    if bounded.size < values.size:
        lines.append(
            words.counted("draws_infinite_one", "draws_infinite", values.size - bounded.size, of=of)
        )
    if shown.size < bounded.size:
        span = words.span(float(shown.min()), float(shown.max()))
        lines.append(
            words.counted(
                "draws_beyond_one", "draws_beyond", bounded.size - shown.size, of=of, range=span
            )
        )
    return lines


def _set_axis(ax: Axes, found: PopulationEstimate, level: float, words: Words) -> None:
    """Make room for the registered persons, and for the interval unless it reaches far beyond."""
    low, high = found.interval(level)
    start, end = ax.get_xlim()
    reach = max(end, high) if high <= _FAR * end else end
    log = ax.get_xscale() == "log"
    ends = finite([start, reach, low, float(found.observed), min(found.total, _FAR * end)])
    ax.set_xlim(*limits_of(ends, log=log, pad=0.03))
    number_axis(ax.xaxis, words, log=log)
    ax.axvline(found.observed, color=ink(), ls=":", lw=1, gid="observed")


def _edges(values: FloatArray, *, log: bool) -> FloatArray:
    """Edges of bars: even on the scale of the axis, and never narrower than a person."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1:
        return np.asarray([low - 0.5, high + 0.5])
    if log:
        return np.geomspace(low, high, _BINS + 1)
    width = 2 * float(np.subtract(*np.quantile(values, [0.75, 0.25]))) / values.size ** (1 / 3)
    # Freedman & Diaconis would smooth several peaks away, the square root keeps them.
    number = max(math.sqrt(values.size), (high - low) / max(width, 1.0))
    return np.linspace(low, high, math.ceil(min(number, _BINS, high - low)) + 1)


def _draw_interval(ax: Axes, found: PopulationEstimate, level: float) -> None:
    """Draw the interval below the bars."""
    low, high = found.interval(level)
    top = ax.get_ylim()[1]
    place, end = -0.07 * top, ax.get_xlim()[1]
    ax.set_ylim(-0.14 * top, top)
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= top])
    ax.axhline(0, color=ink(), lw=0.8)
    interval_across(ax, place, (low, high), color=ink())
    if found.total <= end:
        ax.plot(found.total, place, "o", ms=6.5, color=BLUE, mec="white", gid="point")
