"""Draws of a total, from a bootstrap or a posterior: where they lie, and the interval they give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import chdtri

from mse._drawing import draws
from mse.answer.intervals import DEFAULT_LEVEL, check_level
from mse.bayes.base import BayesianFit
from mse.comparing import BootstrappedFit
from mse.errors import ModelError
from mse.loglinear import LogLinearFit, LogLinearSearchFit
from mse.plots import _canvas as draw
from mse.plots._canvas import BLUE, GRAY, PALE, SKY, Head, Look, Scale, finite, ink
from mse.plots.sizes import method_of, population_of
from mse.plots.words import Words, grid_of, shared_grid
from mse.sensitivity import NearModels, model_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mse._typing import FloatArray
    from mse.answer.population import PopulationEstimate
    from mse.answer.protocols import Fit
    from mse.core.profile import LikelihoodCurve
    from mse.data.patterns import TableInfo

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
    draw.check_scale(scale)
    known, drew = math.isfinite(found.total), found.drawn()
    if known and (drew is None or not drew.size):
        raise ModelError(
            f"{found!r} has no draws; expected the answer of mse.bootstrap, or of a Bayesian fit."
        )
    lines = [method_of(found), found.reason if not known else _said(found, level, text)]
    with draw.canvas(ax, _SIZE, 0.8) as (drawn, room):
        drawn.set_xlabel(text("total_persons"))
        if known and drew is not None:
            lines += _draw_histogram(drawn, drew[~np.isnan(drew)], scale, text)
            _set_axis(drawn, found, level, text)
            _draw_interval(drawn, found, level)
            lines.append(text("line_observed", number=text.number(found.observed)))
        else:
            _write_status(drawn, found.status, text)
        draw.headed(drawn, Head(text("title_density"), lines, found.info, found.status), text, room)
    return drawn


def _said(found: PopulationEstimate, level: float, words: Words) -> str:
    ends, bound = found.interval(level), found.lower_bound
    grid = grid_of(*ends, found.observed)
    point = words.bounded(words.number(grid.point(found.total, -bound)), lower_bound=bound)
    span = f"{words.span(*ends, grid)} ({point})"
    kind = f"{words.kind(found.interval_kind, level)}: {span}"
    said = "; ".join(filter(None, (kind, words.given(found.interval_given))))
    if found.allowing is None:
        return said
    ends = found.interval(level, "alike")
    alike = words.span(*ends, grid_of(*ends, found.observed))
    return f"{said}; {words('line_alike', range=alike)}"


def _write_status(ax: Axes, status: str, words: Words) -> None:
    ax.set(xticks=[], yticks=[])
    draw.status_instead(ax, status, words)


def _draw_histogram(ax: Axes, values: FloatArray, scale: Scale, words: Words) -> list[str]:
    """Draw the bars; give sentences on what is not in them."""
    bounded = values[np.isfinite(values)]
    lines, of = [], words.number(values.size)
    if bounded.size < values.size:
        lines = [words.counted("draws_infinite", values.size - bounded.size, of=of)]
    if not bounded.size:
        return lines
    low, high = np.quantile(bounded, _TAILS)
    shown = bounded[(bounded >= low) & (bounded <= high)]
    log = scale == "log" or (scale == "auto" and high > _WIDE * low > 0)
    edges = _edges(shown, log=log)
    # Shares of all draws: those without bound, and those beyond the axis, are missing in the sum.
    heights = np.histogram(shown, edges)[0] / values.size
    ax.set_xscale("log" if log else "linear")
    look: Look = {"align": "edge", "color": SKY, "edgecolor": BLUE, "lw": 0.5, "gid": "draws"}
    ax.bar(edges[:-1], heights, np.diff(edges), **look)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylabel(words("draws_axis"))
    draw.number_axis(ax.yaxis, words, kind="share")
    if shown.size < bounded.size:
        span = words.span(float(shown.min()), float(shown.max()))
        lines.append(words.counted("draws_beyond", bounded.size - shown.size, of=of, range=span))
    return lines


def _set_axis(ax: Axes, found: PopulationEstimate, level: float, words: Words) -> None:
    """Make room for the registered persons, and for the interval unless it reaches far beyond."""
    low, high = found.interval(level)
    start, end = ax.get_xlim()
    reach = max(end, high) if high <= _FAR * end else end
    log = ax.get_xscale() == "log"
    ends = [start, reach, low, float(found.observed), min(found.total, _FAR * end)]
    draw.scaled(ax, "x", draw.limits_of(ends, log=log, pad=0.03), words, log=log)
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
    top = ax.get_ylim()[1]
    place, end = -0.07 * top, ax.get_xlim()[1]
    ax.set_ylim((-0.14 if found.allowing is None else -0.21) * top, top)
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= top])
    ax.axhline(0, color=ink(), lw=0.8)
    draw.interval(ax, place, found.interval(level), color=ink())
    if found.allowing is not None:
        draw.interval(ax, 2 * place, found.interval(level, "alike"), color=GRAY)
    if found.total <= end:
        ax.plot(found.total, place, "o", ms=6.5, color=BLUE, mec="white", gid="point")


# Profile likelihood of the population size, with the interval that is read off it -----------------

#: Points at which the curve is evaluated, even in persons, and as many even in logs.
_POINTS = 41
#: Level to whose ends the curve is drawn, unless that of the interval is higher.
_OUTER = 0.99
#: Log of how many times the estimate the curve is followed where it has no end.
_FOLLOWED = math.log(20.0)
_CURVE_SIZE = (7.0, 4.2)


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
    lines = [method_of(population)]
    with draw.canvas(ax, _CURVE_SIZE, 0.8) as (drawn, room):
        drawn.set_xlabel(text("total_persons"))
        drawn.set_ylabel(text("likelihood_axis"))
        if population.hidden > 0:
            ends = _draw_curve(drawn, best, level, text)
            grid = grid_of(*ends, population.observed)
            said = f"{text.kind('profile', level)}: {text.span(*ends, grid)}"
            total = text.number(grid.point(population.total))
            lines += [f"{said} ({total}); {text('given_model')}"]
        else:
            _write_status(drawn, population.status, text)
            lines += [population.reason]
        head = Head(text("title_likelihood"), lines, population.info, best.status)
        draw.headed(drawn, head, text, room)
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
    reach = [float(totals[0]), float(totals[-1])]
    log = draw.is_log("auto", reach)
    draw.scaled(ax, "x", draw.limits_of(reach, log=log, pad=0.02), words, log=log)
    draw.scaled(ax, "y", (-1.08 * outer, 0.12 * outer), words, log=False)
    # The ends are on the grid, but for rounding.
    inside = (totals >= low * (1 - 1e-9)) & (totals <= high * (1 + 1e-9))
    ax.fill_between(totals, -1.08 * outer, heights, where=inside, color=PALE, lw=0, gid="inside")
    ax.plot(totals, heights, color=BLUE, lw=1.8, gid="curve")
    draw.interval(ax, -drop, (low, high), color=ink(), strokes=(12, 1.6))
    ax.plot(fit.population.total, 0, "o", ms=6, color=BLUE, clip_on=False, gid="point")
    said = words("likelihood_cut", level=words.level(level), drop=words.ratio(drop))
    draw.said_at(ax, said, (fit.population.total, -drop), (0, -4), ha="center", va="top")
    return low, high


def _grid(curve: LikelihoodCurve, drop: float) -> FloatArray:
    """Log hidden counts along the curve, down to a drop on both sides."""
    low, high = curve.ends(drop)
    first = math.log(low - curve.observed) if low > curve.observed else curve.floor
    last = math.log(high - curve.observed) if high < math.inf else curve.mode + _FOLLOWED
    evenly = np.linspace(math.exp(first), math.exp(last), _POINTS)
    return np.union1d(np.log(evenly), np.linspace(first, last, _POINTS))


def _height(curve: LikelihoodCurve, log_hidden: float) -> float:
    try:
        return curve(log_hidden) - curve.peak
    except ArithmeticError:
        return math.nan


# Uncertainty about the model: the criterion of each model of a search against its total -----------

#: Models with at least this weight have their interval drawn, at most so many of them.
_WEIGHT, _INTERVALS = 0.01, 15
#: Models named, and the longest name that is written out rather than the place among the models.
_NAMED, _LONG = 8, 40
#: Points of area of a model without weight, and of one with all of it.
_SMALLEST, _LARGEST = 10.0, 320.0
_MODELS_SIZE = (8.0, 5.2)


class _Models(NamedTuple):
    """Models near the best one, (M,): names, totals, criteria less the best one's, and weights."""

    names: list[str]
    totals: FloatArray
    differences: FloatArray
    weights: FloatArray
    near: NearModels
    ends: dict[int, tuple[float, float]]  # intervals of the heaviest, by place
    info: TableInfo | None


@draws(LogLinearSearchFit, NearModels)
def model_uncertainty(
    fit: LogLinearSearchFit | NearModels | Any,
    *,
    ax: Axes | None = None,
    within: float = 10.0,
    level: float = DEFAULT_LEVEL,
    scale: Scale = "auto",
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the models of a search: how much worse than the best one, and the total of each.

    The area of a point is the weight of its model, proportional to exp(-difference / 2). Models with
    1% of the weight or more have their interval, given the model. Those that determine no total are
    crosses at the right, and counted.

    Parameters
    ----------
    fit : LogLinearSearchFit or NearModels
        A search, or what `mse.sensitivity.model_range` found in one; of the latter the intervals of the
        models are not known.
    ax : Axes, optional
        Where to draw; a new figure by default.
    within : float, default 10
        Models so close to the best criterion count as near: the range of their totals is shaded. Models
        up to twice as far are drawn.
    level : float, default 0.95
        Level of the intervals.
    scale : {"auto", "linear", "log"}, default "auto"
        Of the totals.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If the fit is not of a search.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    >>> ax = mse.plots.model_uncertainty(fit, within=2)
    >>> low, high = (line.get_xdata() for line in ax.lines if line.get_gid() == "range")
    """
    text = Words(words)
    check_level(level)
    models = _models(fit, within, level)
    with draw.canvas(ax, _MODELS_SIZE, 1.2) as (drawn, room):
        _set_axes(drawn, models, scale, text)
        _draw_range(drawn, models)
        _draw_models(drawn, models)
        _name_models(drawn, models, text)
        head = Head(text("title_models"), _lines(models, level, text), models.info)
        draw.headed(drawn, head, text, room)
    return drawn


def _models(fit: Any, within: float, level: float) -> _Models:
    near = fit if isinstance(fit, NearModels) else model_range(fit, within)
    shown = near if isinstance(fit, NearModels) else model_range(fit, 2 * within)
    frame = shown.to_frame()
    if frame.empty:
        raise ModelError("There is no model to draw: the search has none with a criterion.")
    totals, differences = (frame[name].to_numpy(np.float64) for name in ("total", "difference"))
    weights = np.where(np.isnan(totals), 0.0, np.exp(-0.5 * differences))
    weights /= weights.sum() or 1.0
    names = frame["model"].tolist()
    ends: dict[int, tuple[float, float]] = {}
    if isinstance(fit, LogLinearSearchFit):
        for i in _heavy(weights, _INTERVALS):
            ends[i] = fit.fit_named(names[i]).population.interval(level)
    table = getattr(fit, "table", None)
    return _Models(names, totals, differences, weights, near, ends, getattr(table, "info", None))


def _heavy(weights: FloatArray, most: int) -> list[int]:
    """Places of the heaviest models."""
    order = np.argsort(-weights, kind="stable")[:most]
    return [int(i) for i in order if weights[i] >= _WEIGHT]


def _lines(models: _Models, level: float, words: Words) -> tuple[str, ...]:
    near = models.near
    span = words.span(near.low, near.high) if near.n_models else words("status_not_estimable")
    if near.n_models == 1:
        span = words.number(shared_grid().point(near.low))
    asked: Look = {"within": f"{near.within:g}", "criterion": near.criterion, "range": span}
    missing = int(np.isnan(models.totals).sum())
    return (
        words.counted("models_near", near.n_models, **asked),
        words("models_area", criterion=near.criterion),
        words("models_intervals", level=words.level(level)) if models.ends else "",
        words.counted("models_missing", missing) if missing else "",
    )


def _set_axes(ax: Axes, models: _Models, scale: Scale, words: Words) -> None:
    values = finite(models.totals, *models.ends.values())
    log = draw.is_log(scale, values)
    low, high = draw.limits_of(values, log=log)
    if any(math.isinf(end) for _, end in models.ends.values()):
        high = high * 1.3 if log else high + 0.15 * (high - low)
    draw.scaled(ax, "x", (low if log else max(low, 0.0), high), words, log=log)
    worst, best = float(models.differences.max()), min(float(models.differences.min()), 0.0)
    reach = max(worst - best, 1.0)
    draw.scaled(ax, "y", (worst + 0.06 * reach, best - 0.08 * reach), words, log=False)
    ax.set_xlabel(words("total_persons"))
    ax.set_ylabel(words("models_difference", criterion=models.near.criterion))


def _draw_range(ax: Axes, models: _Models) -> None:
    near = models.near
    if near.n_models > 1:
        ax.axvspan(near.low, near.high, color=PALE, lw=0, zorder=0, gid="range")
        for end in (near.low, near.high):
            ax.axvline(end, color=GRAY, lw=0.8, ls=":", zorder=0, gid="range")
    if models.differences.max() > near.within:
        ax.axhline(near.within, color=GRAY, lw=0.8, ls="--", zorder=0, gid="within")


def _draw_models(ax: Axes, models: _Models) -> None:
    """Draw points with their intervals; those without a total are marked beside the axis."""
    thin: Look = {"lw": 1.1, "solid_capstyle": "projecting"}
    for i, ends in models.ends.items():
        place = models.differences[i]
        draw.interval(ax, place, ends, color=ink(), strokes=(6, 1), arrow=6, **thin)
    known = np.isfinite(models.totals)
    sizes = _SMALLEST + (_LARGEST - _SMALLEST) * models.weights[known]
    look: Look = {"c": BLUE, "alpha": 0.75, "edgecolors": "white", "linewidths": 0.6, "zorder": 3}
    ax.scatter(models.totals[known], models.differences[known], sizes, gid="models", **look)
    missing = models.differences[~known]
    if missing.size:
        look = {"ms": 4.5, "color": ink(), "clip_on": False, "gid": "not_estimable"}
        across = ax.get_yaxis_transform()
        ax.plot(np.full(missing.size, 1.02), missing, "x", transform=across, **look)


def _name_models(ax: Axes, models: _Models, words: Words) -> None:
    """Write the names of the heaviest models at the right, with lines that lead to them."""
    chosen = _heavy(models.weights, _NAMED)
    bottom, top = ax.get_ylim()
    gap = 0.17 * (bottom - top) / draw.inches(ax)[1]
    places = draw.spread_apart(models.differences[chosen], gap)
    line: Look = {"arrowstyle": "-", "lw": 0.5, "color": GRAY, "shrinkA": 0, "shrinkB": 5}
    look: Look = {"textcoords": ax.get_yaxis_transform(), "va": "center", "arrowprops": line}
    for i, place in zip(chosen, places, strict=True):
        name = models.names[i]
        if len(name) > _LONG:
            name = words("model_number", number=words.number(i + 1))
        said = f"{name}  {words.share(float(models.weights[i]))}"
        where = models.totals[i], models.differences[i]
        draw.said_at(ax, said, where, (1.05, place), gid="name", **look)
