"""Uncertainty about the model: the criterion of each model of a search against its total."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mse._drawing import draws
from mse.errors import ModelError
from mse.intervals import DEFAULT_LEVEL, check_level
from mse.loglinear import LogLinear, LogLinearSearchFit
from mse.plots._canvas import (
    BLUE,
    GRAY,
    PALE,
    SMALL,
    Head,
    canvas,
    finite,
    headed,
    inches,
    ink,
    is_log,
    limits_of,
    number_axis,
    spread_apart,
)
from mse.plots.words import Words
from mse.sensitivity import NearModels, model_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from mse._typing import FloatArray
    from mse.plots._canvas import Scale
    from mse.table import TableInfo

__all__ = ["model_uncertainty"]

#: Models with at least this weight have their interval drawn, at most so many of them.
_WEIGHT, _INTERVALS = 0.01, 15
#: Models named, and the longest name that is written out rather than the place among the models.
_NAMED, _LONG = 8, 40
#: Points of area of a model without weight, and of one with all of it.
_SMALLEST, _LARGEST = 10.0, 320.0
_SIZE = (8.0, 5.2)


@dataclass(frozen=True, eq=False)
class _Models:
    """Models near the best one, their weights, and the intervals of the heaviest."""

    frame: pd.DataFrame
    near: NearModels
    weights: FloatArray
    ends: dict[int, tuple[float, float]]
    info: TableInfo | None = None

    @property
    def totals(self) -> FloatArray:
        return self.frame["total"].to_numpy(np.float64)

    @property
    def differences(self) -> FloatArray:
        return self.frame["difference"].to_numpy(np.float64)


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
    with canvas(ax, _SIZE) as drawn:
        _set_axes(drawn, models, scale, text)
        _draw_range(drawn, models)
        _draw_models(drawn, models)
        _draw_not_estimable(drawn, models)
        _name_models(drawn, models, text)
        head = Head(text("title_models"), _lines(models, level, text), models.info)
        headed(drawn, head, text, room=None if ax is not None else _SIZE[0] - 1.2)
    return drawn


def _models(fit: Any, within: float, level: float) -> _Models:
    near = fit if isinstance(fit, NearModels) else model_range(fit, within)
    shown = near if isinstance(fit, NearModels) else model_range(fit, 2 * within)
    frame = shown.to_frame()
    if frame.empty:
        raise ModelError("There is no model to draw: the search has none with a criterion.")
    estimable = frame["total"].notna().to_numpy()
    weights = np.where(estimable, np.exp(-0.5 * frame["difference"].to_numpy(np.float64)), 0.0)
    weights /= weights.sum() or 1.0
    ends: dict[int, tuple[float, float]] = {}
    if isinstance(fit, LogLinearSearchFit):
        heavy = np.argsort(-weights, kind="stable")[:_INTERVALS]
        for i in heavy[weights[heavy] >= _WEIGHT].tolist():
            ends[i] = _interval(fit, str(frame["model"].iloc[i]), level)
    table = getattr(fit, "table", None)
    return _Models(frame, near, weights, ends, None if table is None else table.info)


def _interval(fit: LogLinearSearchFit, model: str, level: float) -> tuple[float, float]:
    estimator = LogLinear(model, fit.estimator.interval, fit.estimator.trend)
    return estimator.fit(fit.table).population.interval(level)


def _lines(models: _Models, level: float, words: Words) -> tuple[str, ...]:
    near = models.near
    span = words.span(near.low, near.high) if near.n_models else words("status_not_estimable")
    if near.n_models == 1:
        span = words.number(near.low)
    first = words.counted(
        "models_near_one",
        "models_near",
        near.n_models,
        within=f"{near.within:g}",
        criterion=near.criterion,
        range=span,
    )
    missing = int(np.isnan(models.totals).sum())
    return (
        first,
        words("models_area", criterion=near.criterion),
        words("models_intervals", level=words.level(level)) if models.ends else "",
        words.counted("models_missing_one", "models_missing", missing) if missing else "",
    )


def _set_axes(ax: Axes, models: _Models, scale: Scale, words: Words) -> None:
    values = finite(models.totals, *models.ends.values())
    log = is_log(scale, values)
    low, high = limits_of(values, log=log)
    if any(math.isinf(end) for _, end in models.ends.values()):
        high = high * 1.3 if log else high + 0.15 * (high - low)
    ax.set_xscale("log" if log else "linear")
    ax.set_xlim(low if log else max(low, 0.0), high)
    number_axis(ax.xaxis, words, log=log)
    worst, best = float(models.differences.max()), min(float(models.differences.min()), 0.0)
    reach = max(worst - best, 1.0)
    ax.set_ylim(worst + 0.06 * reach, best - 0.08 * reach)
    number_axis(ax.yaxis, words, log=False)
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
    end = ax.get_xlim()[1]
    for i, (low, high) in models.ends.items():
        if math.isnan(low):
            continue
        place = models.differences[i]
        ax.plot([low, min(high, end)], [place] * 2, color=ink(), lw=1.1, zorder=2, gid="interval")
        caps = [low, high] if high <= end else [low]
        ax.plot(caps, [place] * len(caps), "|", ms=6, color=ink(), zorder=2, gid="end")
        if high > end:
            ax.plot(end, place, ">", ms=6, color=ink(), clip_on=False, gid="unbounded")
    known = np.isfinite(models.totals)
    ax.scatter(
        models.totals[known],
        models.differences[known],
        s=_SMALLEST + (_LARGEST - _SMALLEST) * models.weights[known],
        c=BLUE,
        alpha=0.75,
        edgecolors="white",
        linewidths=0.6,
        zorder=3,
        gid="models",
    )


def _draw_not_estimable(ax: Axes, models: _Models) -> None:
    """Mark models without a total beside the axis."""
    missing = models.differences[np.isnan(models.totals)]
    if not missing.size:
        return
    across = ax.get_yaxis_transform()
    ax.plot(
        np.full(missing.size, 1.02),
        missing,
        "x",
        ms=4.5,
        color=ink(),
        transform=across,
        clip_on=False,
        gid="not_estimable",
    )


def _name_models(ax: Axes, models: _Models, words: Words) -> None:
    """Write the names of the heaviest models at the right, with lines that lead to them."""
    heavy = np.argsort(-models.weights, kind="stable")[:_NAMED]
    chosen = heavy[models.weights[heavy] >= _WEIGHT].tolist()
    bottom, top = ax.get_ylim()
    gap = 0.17 * (bottom - top) / inches(ax)[1]
    places = spread_apart([float(models.differences[i]) for i in chosen], gap)
    for i, place in zip(chosen, places, strict=True):
        name = str(models.frame["model"].iloc[i])
        if len(name) > _LONG:
            name = words("model_number", number=words.number(i + 1))
        ax.annotate(
            f"{name}  {words.share(float(models.weights[i]))}",
            (models.totals[i], models.differences[i]),
            xytext=(1.05, place),
            textcoords=ax.get_yaxis_transform(),
            va="center",
            fontsize=SMALL,
            color=ink(),
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": GRAY, "shrinkA": 0, "shrinkB": 5},
            gid="name",
        )
