"""Sensitivity of an estimate: to each list, to pairs merged, to priors, to what no data can tell."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mse._drawing import draws
from mse.answer.intervals import DEFAULT_LEVEL
from mse.bayes.checks import PriorSensitivity
from mse.bounding import DIFFERING, HIGHEST, Bounds, TippingPoints
from mse.contrasts import Contrast
from mse.planning import Plan
from mse.plots import _canvas as draw
from mse.plots._canvas import BLUE, RED, SKY, SMALL, Head, finite, ink
from mse.plots._rows import Row, Rows, draw_rows
from mse.plots.words import Words
from mse.sensitivity import HighestOrder, LeaveOneOut, MergedLists, OddsRatio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from mse._typing import FloatArray
    from mse.plots._canvas import Scale

#: Inches of a curve, and of each panel of many.
_SIZE, _PANEL = (6.5, 4.0), (1.9, 1.75)
_MOST_COLUMNS = 7
#: The axis ends at so many times the largest point; an interval that goes further has an arrow.
_FAR = 5.0
#: From here on a contrast is written as persons, below it as a ratio.
_PERSONS = 20


@draws(LeaveOneOut)
def leave_one_out(
    result: LeaveOneOut,
    *,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    scale: Scale = "auto",
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the estimate without each list, beside that from all of them.

    Parameters
    ----------
    result : LeaveOneOut
        What `mse.sensitivity.leave_one_out` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the intervals.
    scale : {"auto", "linear", "log"}, default "auto"
        Of the axis; by default logarithmic where the figures differ many times.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> found = mse.sensitivity.leave_one_out(mse.LogLinear("main"), mse.load_dataset("korea"))
    >>> [label.get_text() for label in mse.plots.leave_one_out(found).get_yticklabels()]
    ['all lists', 'without b', 'without c', 'without d']
    """
    text = Words(words)
    frame = result.to_frame(level)
    names = [
        text("without", name=name) if name else text("all_lists") for name in frame["left_out"]
    ]
    head = Head(text("title_left_out"), info=result.table.info)
    return _draw_rows(ax, frame, names, Rows(text, level, scale), head)


@draws(MergedLists)
def merged_lists(
    result: MergedLists,
    *,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    scale: Scale = "auto",
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the estimate with pairs of lists merged, beside that with the lists apart.

    Parameters
    ----------
    result : MergedLists
        What `mse.sensitivity.merge` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the intervals.
    scale : {"auto", "linear", "log"}, default "auto"
        Of the axis; by default logarithmic where the figures differ many times.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> found = mse.sensitivity.merge(mse.LogLinear("main"), mse.load_dataset("korea"))
    >>> [label.get_text() for label in mse.plots.merged_lists(found).get_yticklabels()]
    ['all lists apart', 'b or c', 'b or d', 'c or d']
    """
    text = Words(words)
    frame = result.to_frame(level)
    names = [
        text("either", first=first, second=second) if first else text("lists_apart")
        for first, second in zip(frame["list_a"], frame["list_b"], strict=True)
    ]
    head = Head(text("title_merged"), info=result.table.info)
    return _draw_rows(ax, frame, names, Rows(text, level, scale), head)


@draws(PriorSensitivity)
def prior_sensitivity(
    result: PriorSensitivity,
    *,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    scale: Scale = "auto",
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the estimate under other priors, beside that under the prior asked for.

    Parameters
    ----------
    result : PriorSensitivity
        What ``fit.prior_sensitivity()`` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the intervals.
    scale : {"auto", "linear", "log"}, default "auto"
        Of the axis; by default logarithmic where the figures differ many times.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
    """
    text = Words(words)
    frame = result.to_frame(level).assign(observed=result.table.n_observed)
    head = Head(text("title_priors"), info=result.table.info)
    return _draw_rows(ax, frame, list(map(str, result.priors)), Rows(text, level, scale), head)


def _draw_rows(
    ax: Axes | None, frame: pd.DataFrame, names: Sequence[str], how: Rows, head: Head
) -> Axes:
    """Draw rows over a band, the interval of the first of them."""
    words = how.words
    rows = [Row.of(name, row) for name, row in zip(names, frame.to_dict("records"), strict=True)]
    rows[0] = replace(rows[0], style=(RED, "D"))
    lines = (
        words("band_of_first", name=names[0]),
        _kinds(frame, how.level, words),
        words("mark_observed"),
    )
    how = replace(how, band=(rows[0].low, rows[0].high))
    return draw_rows(ax, rows, how, head._replace(lines=lines))


def _kinds(frame: pd.DataFrame, level: float, words: Words) -> str:
    """Say what the intervals are and what they take for granted; empty where there is none."""
    known = frame.dropna(subset="low")
    said = (
        ", ".join(filter(None, (words.kind(kind, level), words.given(given))))
        for kind, given in zip(known["interval_kind"], known["given"], strict=True)
    )
    kinds = "; ".join(dict.fromkeys(said))
    return words("intervals_are", kinds=kinds) if kinds else ""


# Curves: an assumption varied ----------------------------------------------------------------------


@draws(HighestOrder)
def highest_order(
    result: HighestOrder,
    *,
    ax: Axes | None = None,
    scale: Scale = "auto",
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the estimate as the assumption on the interaction of all lists is relaxed.

    Parameters
    ----------
    result : HighestOrder
        What `mse.sensitivity.highest_order` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    scale : {"auto", "linear", "log"}, default "auto"
        Of the totals; by default logarithmic where they differ many times.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea"))
    >>> ax = mse.plots.highest_order(mse.sensitivity.highest_order(fit))
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['0.50', '0.67', '1.00', '1.50', '2.00']
    """
    text, found = Words(words), result.population
    lines = (text("xi_explained"), _bands(result.level, text))
    head = Head(text("title_highest_order"), lines, found.info, found.status)
    with draw.canvas(ax, _SIZE, 0.9) as (drawn, room):
        _draw_curves([drawn], [result.to_frame()], "xi", scale, text)
        drawn.set_xlabel(text("xi"))
        drawn.set_ylabel(text("total_persons"))
        draw.headed(drawn, head, text, room)
    return drawn


@draws(OddsRatio)
def odds_ratio(
    result: OddsRatio,
    *,
    ax: Axes | None = None,
    scale: Scale = "auto",
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the estimate as the odds ratio of two lists is set: a panel for each pair.

    Parameters
    ----------
    result : OddsRatio
        What `mse.sensitivity.odds_ratio` found.
    ax : Axes, optional
        Where to draw, divided into panels; a new figure by default.
    scale : {"auto", "linear", "log"}, default "auto"
        Of the totals; by default logarithmic where they differ many times.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
        Its ``child_axes`` are the panels.

    Examples
    --------
    >>> import mse
    >>> found = mse.sensitivity.odds_ratio(mse.load_dataset("korea"))
    >>> [panel.get_title(loc="left") for panel in mse.plots.odds_ratio(found).child_axes]
    ['b, c', 'b, d', 'c, d']
    """
    text = Words(words)
    frame = result.to_frame()
    by_pair = frame.groupby(["list_a", "list_b"], sort=False)
    pairs = {f"{first}, {second}": own for (first, second), own in by_pair}
    columns = min(len(pairs), _MOST_COLUMNS, max(3, math.ceil(math.sqrt(1.4 * len(pairs)))))
    rows = math.ceil(len(pairs) / columns)
    size = (max(columns * _PANEL[0], 4.5) + 1.0, rows * _PANEL[1] + 1.7)
    lines = (text("odds_explained"), _bands(result.level, text))
    head = Head(text("title_odds_ratio"), lines, result.table.info)
    with draw.canvas(ax, size, 0.3, least=size[0]) as (drawn, room):
        places = draw.panels(drawn, list(pairs), columns, left=0.75)
        _draw_curves(places, list(pairs.values()), "odds_ratio", scale, text)
        # At the left of all rows, at their middle.
        across = drawn.transAxes
        drawn.text(0, 0.5, text("total_persons"), transform=across, rotation=90, va="center")
        draw.headed(drawn, head, text, room)
    return drawn


# What would have to be true ------------------------------------------------------------------------


@draws(Bounds)
def bounds(
    result: Bounds, *, ax: Axes | None = None, words: Mapping[str, str] | None = None
) -> Axes:
    """Draw all totals under bounds on what no data tell, a row for each quantity.

    Parameters
    ----------
    result : Bounds
        What `mse.bounds` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
    """
    text, found = Words(words), result.population
    rows = []
    for each in result.sets:
        name = ", ".join(each.pair) or text("highest")
        label = text("bounded", name=name, least=text.ratio(each.least), most=text.ratio(each.most))
        rows.append(Row(label, low=each.ends[0], high=each.ends[1], status=each.status))

    def thick(drawn: Axes) -> None:
        for place, each in enumerate(result.sets):
            draw.interval(drawn, place, each.totals, strokes=(0, 0), lw=5, color=SKY)

    how = Rows(text, result.level, marks=(float(found.observed), found.total))
    head = Head(text("title_bounds"), (text("bounds_explained"),), found.info)
    return draw_rows(ax, rows, replace(how, guide={"x": found.total}), head, thick)


@draws(TippingPoints)
def tipping_points(
    result: TippingPoints, *, ax: Axes | None = None, words: Mapping[str, str] | None = None
) -> Axes:
    """Draw the values at which the total passes the threshold, a row for each quantity.

    Parameters
    ----------
    result : TippingPoints
        What `mse.tipping_points` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
    """
    text, found = Words(words), result.population
    names = {HIGHEST: text("highest"), DIFFERING: text("differing")}
    rows = []
    for each in result.points:
        ends = sorted(one for one in (each.point, each.interval) if not math.isnan(one))
        low, high = (ends[0], ends[-1]) if ends else (math.nan, math.nan)
        said = text.ratio(each.point) if not math.isnan(each.point) else text("tipping_never")
        label = names.get(each.what, ", ".join(each.pair))
        rows.append(Row(label, each.point, low, high, status="ok" if ends else "", said=said))

    def modeled(drawn: Axes) -> None:
        for place, each in enumerate(result.points):
            drawn.plot(each.modeled, place, "x", color=ink(), ms=5, gid="modeled")

    marks = (0.9, 1.1, *(each.modeled for each in result.points))
    how = Rows(text, scale="log", kind="ratio", unit="tipping_axis", marks=marks)
    title = text("title_tipping", threshold=text.number(result.threshold))
    head = Head(title, (text("tipping_explained"),), found.info)
    return draw_rows(ax, rows, replace(how, guide={"x": 1.0}), head, modeled)


@draws(Contrast)
def contrast(
    result: Contrast, *, ax: Axes | None = None, words: Mapping[str, str] | None = None
) -> Axes:
    """Draw a figure of several parts of the population with its interval.

    Parameters
    ----------
    result : Contrast
        What `mse.contrast` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
    """
    text = Words(words)
    row = Row(result.expression, result.point, result.low, result.high)
    kind = "number" if abs(result.point) >= _PERSONS else "ratio"
    how = Rows(text, result.level, "linear", kind=kind, unit="contrast_axis")
    head = Head(text("title_contrast"), (text.given(result.given),))
    return draw_rows(ax, [row], how, head)


@draws(Plan)
def plan(result: Plan, *, ax: Axes | None = None, words: Mapping[str, str] | None = None) -> Axes:
    """Draw what a study may be expected to find, a row for each scenario.

    Parameters
    ----------
    result : Plan
        What `mse.plan` expects.
    ax : Axes, optional
        Where to draw; a new figure by default.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> found = mse.plan({"police": 0.3, "care": 0.2, "other": 0.2}, 500, tables=40, seed=1)
    >>> [label.get_text() for label in mse.plots.plan(found).get_yticklabels()]
    ['as planned', 'one more list', 'larger overlap']
    """
    text = Words(words)
    rows = [
        Row(
            text(f"plan_{each.scenario.replace(' ', '_')}"),
            each.total,
            each.low,
            each.high,
            observed=each.registered,
            status="not_estimable" if math.isnan(each.total) else "ok",
            more=text(
                "plan_chances", none=text.share(each.no_estimate), held=_held(each.covered, text)
            ),
        )
        for each in result.outlooks
    ]
    rows[0] = replace(rows[0], style=(RED, "D"))
    how = Rows(text, result.level, guide={"x": result.N})
    head = Head(text("title_plan", size=text.number(result.N)), (text("plan_explained"),))
    return draw_rows(ax, rows, how, head)


def _held(covered: float, words: Words) -> str:
    return words("no_interval") if math.isnan(covered) else words.share(covered)


def _bands(level: float, words: Words) -> str:
    return words("trend_bands", level=words.level(level), given=words("given_model"))


def _draw_curves(
    places: Sequence[Axes], frames: Sequence[pd.DataFrame], name: str, scale: Scale, words: Words
) -> None:
    """Draw totals over values of an assumption, all panels with one axis of totals."""
    whole = pd.concat(frames)
    points = finite(whole["total"])
    values = [*points, *finite(whole["low"])]
    if points:
        values += [min(end, _FAR * max(points)) for end in finite(whole["high"])]
    log = draw.is_log(scale, values)
    low, high = draw.limits_of(values, log=log)
    for place, frame in zip(places, frames, strict=True):
        draw.scaled(place, "y", (low if log else max(low, 0.0), high), words, log=log)
        _draw_curve(place, frame, name, words)


def _draw_curve(ax: Axes, frame: pd.DataFrame, name: str, words: Words) -> None:
    """Draw totals over values of an assumption, with the intervals of each."""
    values = frame[name].to_numpy(np.float64)
    low, high, point = (frame[each].to_numpy(np.float64) for each in ("low", "high", "total"))
    end = ax.get_ylim()[1]
    ax.set_xscale("log")
    ax.set_xlim(values.min() / 1.15, values.max() * 1.15)
    ax.axvline(1, color=ink(), ls=":", lw=0.9, gid="assumption")
    _name_values(ax, values, words)
    known = ~np.isnan(point)
    if not known.any():
        draw.status_instead(ax, str(frame["status"].iloc[0]), words, fontsize=SMALL)
        return
    at, bottom, top, point = values[known], low[known], np.minimum(high, end)[known], point[known]
    ax.fill_between(at, bottom, top, color=SKY, alpha=0.35, lw=0, gid="band")
    ax.vlines(at, bottom, top, color=BLUE, lw=1.1, gid="interval")
    ax.plot(at, point, "o-", ms=4.5, color=BLUE, mec="white", mew=0.6, gid="point")
    for value in values[known & (high > end)]:
        ax.plot(value, end, "^", ms=6, color=BLUE, clip_on=False, gid="unbounded")


def _name_values(ax: Axes, values: FloatArray, words: Words) -> None:
    """Name as many values as there is room for, 1 before all."""
    from matplotlib import ticker

    reach = math.log(ax.get_xlim()[1] / ax.get_xlim()[0])
    room = reach * 1.15 * draw.width_of([words.ratio(0.25)], SMALL) / draw.inches(ax)[0]
    chosen: list[float] = []
    for value in sorted(values.tolist(), key=lambda each: (each != 1, -abs(math.log(each)))):
        if all(abs(math.log(value / other)) > room for other in chosen):
            chosen.append(value)
    ax.xaxis.set_minor_locator(ticker.NullLocator())
    ax.set_xticks(sorted(chosen), [words.ratio(each) for each in sorted(chosen)], fontsize=SMALL)
