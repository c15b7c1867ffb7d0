"""What a monitor tells: figures by period, shares by group, and changes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from mse._drawing import draws
from mse.errors import ModelError
from mse.monitoring import Monitor
from mse.monitoring.result import ends_of
from mse.plots import _canvas as draw
from mse.plots._canvas import BLUE, GRAY, SKY, SMALL, Head, Look, finite, ink, width_of
from mse.plots._rows import Row, Rows, draw_rows
from mse.plots.words import Words

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from matplotlib.axes import Axes

    from mse._typing import BoolArray, FloatArray, Level

Quantity: TypeAlias = Literal["total", "hidden", "coverage", "rate"]

#: The axis ends at so many times the largest point; an interval that goes further has an arrow.
_FAR = 3.0
#: Inches of a picture of one trend, and of each panel of several.
_SIZE, _PANEL = (7.0, 4.0), (2.6, 1.9)
_UNITS = {
    "total": "total_persons",
    "hidden": "hidden_persons",
    "coverage": "coverage",
    "rate": "rate",
}


@draws(Monitor)
def trend(
    monitor: Monitor,
    *,
    ax: Axes | None = None,
    quantity: Quantity = "total",
    group: str | None = None,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw a figure by period with its intervals; for a group a panel for each of its levels.

    The line breaks where the scope of the registers changes, and where a period has no estimate.

    Parameters
    ----------
    monitor : Monitor
        What `mse.monitor` found.
    ax : Axes, optional
        Where to draw; a new figure by default. With a group it is divided into panels.
    quantity : {"total", "hidden", "coverage", "rate"}, default "total"
        What is drawn. With ``"total"`` the registered persons are too.
    group : str, optional
        One of the groups of the monitor; everybody by default.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
        With a group its ``child_axes`` are the panels.

    Raises
    ------
    ModelError
        If the monitor does not have the group or the quantity.

    Examples
    --------
    >>> import mse
    >>> table = mse.simulate.netherlands(years=range(2013, 2016)).draw(seed=1).table()
    >>> monitor = mse.monitor(
    ...     table.collapse("form", "sex", "age", "nationality"), replicates=50, seed=1
    ... )
    >>> ax = mse.plots.trend(monitor)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['2013', '2014', '2015']
    """
    text = Words(words)
    _check(monitor, quantity, group)
    unit, title = text(_UNITS[quantity]), text(f"title_{quantity}", period=monitor.period)
    frames, titles, columns, size, margin = [monitor.periods], [""], 1, _SIZE, 0.9
    if group is not None:
        whole, levels = monitor.by_period[group], monitor.joint.strata.levels[group]
        frames = [whole[whole[group] == level] for level in levels]
        titles, columns, margin = [str(level) for level in levels], min(len(levels), 4), 0.3
        rows = math.ceil(len(levels) / columns)
        size = (max(columns * _PANEL[0], 5.0) + 0.8, rows * _PANEL[1] + 1.6)
        unit, title = draw.wrapped(unit, 24), f"{title}, {group}"
    head = Head(title, _lines(monitor, quantity, text), monitor.population.info)
    least = size[0] if group is not None else 0.0
    with draw.canvas(ax, size, margin, least=least) as (drawn, room):
        places = [drawn] if group is None else draw.panels(drawn, titles, columns, left=0.85)
        top = _top(pd.concat(frames), quantity)
        for place, frame in zip(places, frames, strict=True):
            place.set_ylim(0, top)
            _draw(place, monitor, frame, quantity, text)
        places[0].set_ylabel(unit)
        draw.headed(drawn, head, text, room)
    return drawn


def _check(monitor: Monitor, quantity: str, group: str | None) -> None:
    if quantity not in get_args(Quantity):
        known = ", ".join(map(repr, get_args(Quantity)))
        raise ModelError(f"quantity={quantity!r} is not known; expected one of {known}.")
    if quantity == "rate" and not monitor.has_rates:
        raise ModelError("The monitor has no rates: give it the numbers of inhabitants, rates=...")
    if group is not None and group not in monitor.group_names:
        known = ", ".join(map(repr, monitor.group_names)) or "none"
        raise ModelError(f"The monitor has no group {group!r}; it has {known}.")


def _lines(monitor: Monitor, quantity: str, words: Words) -> tuple[str, ...]:
    breaks = [
        words("scope_break", first=first, last=last, scope=monitor.scopes[last])
        for first, last in monitor.breaks
    ]
    level = words.level(monitor.level)
    return (
        words("trend_bands", level=level, given=words.given(monitor.joint.given)),
        words("trend_observed") if quantity == "total" else "",
        words("trend_preliminary") if monitor.preliminary else "",
        *breaks,
    )


def _columns(frame: pd.DataFrame, quantity: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Take the low ends, the high ends and the points of a quantity."""
    low, high, point = (frame[name].to_numpy(np.float64) for name in (*ends_of(quantity), quantity))
    return low, high, point


def _top(frame: pd.DataFrame, quantity: str) -> float:
    """Where the axis ends."""
    low, high, point = _columns(frame, quantity)
    observed = frame["observed"].to_numpy(np.float64) if quantity == "total" else point
    base = max(finite(low, point, observed), default=1.0) or 1.0
    top = 1.08 * min(max(finite(high, [base])), _FAR * base)
    return min(top, 1.0) if quantity == "coverage" else top


def _draw(ax: Axes, monitor: Monitor, frame: pd.DataFrame, quantity: str, words: Words) -> None:
    """Draw bands, points, intervals as far as the axis goes, and the words for what is missing."""
    low, high, point = _columns(frame, quantity)
    places = np.arange(len(point), dtype=np.float64)
    if quantity == "total":
        observed = frame["observed"].to_numpy(np.float64)
        ax.plot(places, observed, "s", ls="--", ms=4, color=GRAY, lw=1, gid="observed")
    for run in _runs(monitor, point):
        ax.fill_between(places[run], low[run], high[run], color=SKY, alpha=0.35, lw=0, gid="band")
    known = list(monitor.levels)
    early = np.array([each in monitor.preliminary for each in known])
    for run in _runs(monitor, point):
        _line(ax, places[run], point[run], early[run])
    ax.plot(
        places[~early],
        point[~early],
        "o",
        ms=4.5,
        color=BLUE,
        mec="white",
        mew=0.6,
        zorder=4,
        gid="point",
    )
    ax.plot(
        places[early],
        point[early],
        "o",
        ms=4.5,
        color="white",
        mec=BLUE,
        mew=1.2,
        zorder=4,
        gid="preliminary",
    )
    for first, _ in monitor.breaks:
        ax.axvline(known.index(first) + 0.5, color=ink(), lw=0.9, ls=(0, (4, 3)), gid="break")
    thin: Look = {"lw": 1, "solid_capstyle": "projecting"}
    for place, status in enumerate(frame["status"]):
        if math.isnan(point[place]):
            # A rate may be unknown though the total is known.
            unknown = status in ("ok", "boundary")
            said = words("unknown") if unknown else words.status(str(status))
            _write_status(ax, place, said)
        else:
            ends = low[place], high[place]
            draw.interval(ax, place, ends, upright=True, strokes=(5, 1), arrow=6, **thin)
    _name_periods(ax, [str(each) for each in monitor.levels])
    draw.number_axis(ax.yaxis, words, kind="share" if quantity == "coverage" else "number")


def _line(ax: Axes, places: FloatArray, point: FloatArray, early: BoolArray) -> None:
    """Draw the line of a run of periods, dashed where it leads to a preliminary one."""
    last = int(np.argmax(early)) if early.any() else len(early)
    ax.plot(places[:last], point[:last], color=BLUE, lw=1.4, gid="line")
    begin = max(last - 1, 0)
    ax.plot(
        places[begin:], point[begin:], color=BLUE, lw=1.4, ls=(0, (3, 2)), gid="line_preliminary"
    )


def _runs(monitor: Monitor, point: FloatArray) -> list[list[int]]:
    """Periods that a line may connect: estimable, and of one scope."""
    ends = {first for first, _ in monitor.breaks}
    runs: list[list[int]] = [[]]
    for place, level in enumerate(monitor.levels):
        if math.isnan(point[place]):
            runs.append([])
            continue
        runs[-1].append(place)
        if level in ends:
            runs.append([])
    return [run for run in runs if run]


def _write_status(ax: Axes, place: int, said: str) -> None:
    look: Look = {"rotation": 90, "ha": "center", "va": "bottom", "style": "italic", "color": ink()}
    across = ax.get_xaxis_transform()
    ax.text(place, 0.04, said, transform=across, fontsize=SMALL - 1, gid="status", **look)


def _name_periods(ax: Axes, names: list[str]) -> None:
    """Name as many periods as there is room for, the last one always."""
    ax.set_xlim(-0.4, len(names) - 0.6)
    room = draw.inches(ax)[0] / len(names)
    step = math.ceil(1.3 * width_of(names, SMALL) / room)
    places = list(range(len(names) - 1, -1, -step))[::-1]
    ax.set_xticks(places, [names[place] for place in places], fontsize=SMALL)


def coverage(
    monitor: Monitor,
    *,
    ax: Axes | None = None,
    group: str | None = None,
    period: Level | None = None,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the share of the estimated total that is registered, by group.

    Parameters
    ----------
    monitor : Monitor
        What `mse.monitor` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    group : str, optional
        One of the groups; by default all, one after the other, or the periods where there is none.
    period : level, optional
        The period. By default all together, or the last one where their scopes differ.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If the monitor does not have the group or period.

    Examples
    --------
    >>> import mse
    >>> table = mse.simulate.netherlands(years=range(2014, 2016)).draw(seed=1).table()
    >>> table = table.collapse("form", "age", "nationality")
    >>> ax = mse.plots.coverage(mse.monitor(table, groups=["sex"], replicates=50, seed=1))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['sex: female', 'sex: male']
    """
    text = Words(words)
    _check(monitor, "coverage", group)
    if period is not None and period not in monitor.levels:
        known = ", ".join(map(str, monitor.levels))
        raise ModelError(f"The monitor has no {monitor.period} {period!r}; it has {known}.")
    if period is None and monitor.breaks and not monitor.across_scopes:
        period = monitor.levels[-1]
    rows = [
        Row.of(f"{name}: {row[name]}", row, "coverage")
        for name in (monitor.group_names if group is None else (group,))
        for row in _by_level(monitor, name, period).to_dict("records")
    ]
    when = "" if period is None or not rows else f"{monitor.period} {period}"
    if not rows:
        frame = monitor.periods
        rows = [
            Row.of(str(row[monitor.period]), row, "coverage") for row in frame.to_dict("records")
        ]
    how = Rows(text, monitor.level, "linear", "share", "coverage", marks=(0.0,), most=1.0)
    lines = (when, _intervals(monitor, text))
    head = Head(text("title_coverage_groups"), lines, monitor.population.info)
    return draw_rows(ax, rows, how, head)


def _intervals(monitor: Monitor, words: Words) -> str:
    """Say what the intervals are."""
    level, given = words.level(monitor.level), words.given(monitor.joint.given)
    return words("intervals_given", level=level, given=given)


def _by_level(monitor: Monitor, group: str, period: Level | None) -> pd.DataFrame:
    if period is None:
        return monitor.groups[group]
    frame = monitor.by_period[group]
    return frame[frame[monitor.period] == period]


def changes(
    monitor: Monitor,
    *,
    ax: Axes | None = None,
    group: str | None = None,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw how many times the total of a period is that of an earlier one, and how likely a rise is.

    Parameters
    ----------
    monitor : Monitor
        What `mse.monitor` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    group : str, optional
        One of the groups, each level by itself; everybody by default.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If the monitor does not have the group, or has one period only.

    Examples
    --------
    >>> import mse
    >>> table = mse.simulate.netherlands(years=range(2014, 2016)).draw(seed=1).table()
    >>> table = table.collapse("form", "sex", "age", "nationality")
    >>> ax = mse.plots.changes(mse.monitor(table, replicates=50, seed=1))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['2014 to 2015']
    """
    text = Words(words)
    _check(monitor, "total", group)
    rows = [_change(row, group, text) for row in monitor.changes(group).to_dict("records")]
    if not rows:
        raise ModelError("The monitor has one period only: there is no change to draw.")
    how = Rows(
        text,
        monitor.level,
        kind="ratio",
        unit="change_axis",
        heading="change_said",
        guide={"x": 1, "lw": 0.9, "gid": "none"},
    )
    lines = (text("change_explained"), _intervals(monitor, text))
    return draw_rows(ax, rows, how, Head(text("title_changes"), lines, monitor.population.info))


def _change(row: Mapping[Hashable, Any], group: str | None, words: Words) -> Row:
    label = words("range", low=row["first"], high=row["last"])
    label = label if group is None else f"{row[group]}: {label}"
    rise = words("rise", share=words.share(float(row["rise"])))
    return replace(Row.of(label, row, "ratio"), more=rise)
