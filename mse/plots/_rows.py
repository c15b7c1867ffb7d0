"""Rows of estimates, one under the other: each with its interval, its point or its status."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mse.plots._canvas import (
    BLUE,
    FONT,
    GRAY,
    PALE,
    SMALL,
    Head,
    canvas,
    finite,
    headed,
    ink,
    interval_across,
    is_log,
    limits_of,
    number_axis,
    said_at,
    width_of,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

    from mse.plots._canvas import Scale
    from mse.plots.words import Words

__all__ = ["Row", "Rows", "picture_of"]

#: Letters in a line of a label, and rows beyond which they are drawn closer.
_LABEL, _MANY_ROWS = 34, 20
#: Inches of the axis in a figure of our own.
_WIDTH = 4.2
#: Mark of an estimate on the boundary of its model.
BOUNDARY = "\N{DEGREE SIGN}"


@dataclass(frozen=True, slots=True)
class Row:
    """An estimate in a row.

    Parameters
    ----------
    label : str
        What it is of.
    point, low, high : float
        NaN where there is none; `high` may be infinite.
    status : str
        As of an estimate; empty for a row in which something else is drawn.
    observed : float
        Persons observed; NaN where that is not shown.
    style : tuple of str
        Color, and marker of the point.
    said : str
        What stands at the right; by default the interval and the point.
    lower_bound : bool
        Whether the point is a lower bound: then it reads "at least", and points to the right.
    """

    label: str
    point: float
    low: float
    high: float
    status: str = "ok"
    observed: float = math.nan
    style: tuple[str, str] = (BLUE, "o")
    said: str | None = None
    lower_bound: bool = False

    @property
    def marker(self) -> str:
        """Marker of the point."""
        return ">" if self.lower_bound else self.style[1]


@dataclass(frozen=True)
class Rows:
    """How rows are drawn.

    Parameters
    ----------
    words : Words
        The language.
    scale : {"auto", "linear", "log"}
        Of the axis.
    kind : {"number", "share", "ratio"}
        What the numbers are.
    heading : str
        Over the text at the right.
    band : tuple of float
        An interval to compare with, drawn behind all rows.
    marks : tuple of float
        Further numbers that the axis has to hold.
    unit : str
        Key of the words along the axis.
    most : float
        An end that the axis does not pass: 1 for shares.
    """

    words: Words
    scale: Scale = "auto"
    kind: str = "number"
    heading: str = ""
    band: tuple[float, float] = (math.nan, math.nan)
    marks: tuple[float, ...] = ()
    unit: str = "total_persons"
    most: float = math.inf

    def said(self, row: Row) -> str:
        """Put a row in text, the interval before the point."""
        if row.said is not None:
            return row.said
        if math.isnan(row.point) and math.isnan(row.low):
            return ""
        write = {"number": self.words.number, "share": self._share, "ratio": self.words.ratio}
        one = write[self.kind]
        if math.isnan(row.low):
            span = self.words("no_interval")
        elif math.isinf(row.high):
            span = self.words("at_least", low=one(row.low))
        else:
            span = self.words("range", low=one(row.low), high=one(row.high))
        if math.isnan(row.point):
            return span
        point = self.words.bounded(one(row.point), lower_bound=row.lower_bound)
        return f"{span} ({point}){BOUNDARY if row.status == 'boundary' else ''}"

    def footnotes(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Explain the mark of estimates on the boundary, where there are any."""
        some = any(row.status == "boundary" and math.isfinite(row.point) for row in rows)
        return (f"{BOUNDARY} {self.words('status_boundary')}",) if some else ()

    def _share(self, value: float) -> str:
        return self.words.share(value, 0 if value >= 0.1 else 1)


def _labels(rows: Sequence[Row]) -> list[str]:
    return [wrapped(row.label, _LABEL) for row in rows]


def _size_of(rows: Sequence[Row], how: Rows) -> tuple[float, float]:
    """Find a size for a figure of some rows, in inches."""
    lines = [label.count("\n") + 1 for label in _labels(rows)]
    least = 0.24 if len(rows) > _MANY_ROWS else 0.34
    height = len(rows) * max(least, 0.07 + 0.155 * max(lines, default=1))
    return width_of(_labels(rows)) + _room_of(rows, how) + 0.4, max(height, 0.7) + 1.5


def _room_of(rows: Sequence[Row], how: Rows) -> float:
    """Inches for a line of the title in a figure of our own: the axis and the text at its right."""
    return _WIDTH + width_of([how.heading, *(how.said(row) for row in rows)], SMALL)


@contextmanager
def picture_of(ax: Axes | None, rows: Sequence[Row], how: Rows, head: Head) -> Iterator[Axes]:
    """Draw rows with a title, and give the Axes for more."""
    own = ax is None
    known = [row for row in rows if math.isfinite(row.point)]
    if known and all(row.status == "boundary" for row in known):
        # What is true of every row is said once.
        rows = [replace(row, status="ok") if row in known else row for row in rows]
        note: tuple[str, ...] = (how.words("all_boundary"),) if head.status != "boundary" else ()
    else:
        note = how.footnotes(rows)
    with canvas(ax, _size_of(rows, how)) as drawn:
        _draw_rows(drawn, rows, how)
        room = _room_of(rows, how) if own else None
        lift = 1.6 * SMALL if how.heading else 6.0
        headed(drawn, replace(head, lines=(*head.lines, *note)), how.words, room=room, lift=lift)
        drawn.set_xlabel(how.words(how.unit))
        yield drawn


def _draw_rows(ax: Axes, rows: Sequence[Row], how: Rows) -> None:
    """Draw rows from the top down; the interval of each, and an arrow where it has no bound.

    Rows without an estimate hold the word for their status.
    """
    log = _set_axis(ax, rows, how)
    if not math.isnan(how.band[0]):
        ax.axvspan(how.band[0], min(how.band[1], ax.get_xlim()[1]), color=PALE, lw=0, zorder=0)
    for place, row in enumerate(rows):
        _draw_row(ax, place, row, how.words)
        if math.isfinite(row.observed) and (row.observed > 0 or not log):
            ax.plot(row.observed, place, "|", ms=9, mew=1.6, color=ink(), gid="observed")
    _label_rows(ax, rows, how)


def _set_axis(ax: Axes, rows: Sequence[Row], how: Rows) -> bool:
    ends = [each for row in rows for each in (row.low, row.high, row.point, row.observed)]
    values = finite(ends, how.band, how.marks)
    log = is_log(how.scale, values)
    low, high = limits_of(values, log=log)
    if not log and low < 0 <= min(values, default=0.0):
        low = 0.0
    if any(row.high == math.inf for row in rows):
        high = high * (high / low) ** 0.08 if log else high + 0.08 * (high - low)
    ax.set_xscale("log" if log else "linear")
    ax.set_xlim(low, min(high, how.most))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    number_axis(ax.xaxis, how.words, log=log, kind=how.kind)
    return log


def _draw_row(ax: Axes, place: int, row: Row, words: Words) -> None:
    if not math.isnan(row.low):
        _draw_interval(ax, place, row)
    elif not math.isnan(row.point):
        # Hollow: a point without its interval is not to be taken for one with.
        ax.plot(row.point, place, row.marker, ms=6, mfc="none", mec=row.style[0], gid="point")
    elif row.status:
        _draw_status(ax, place, row, words)


def _draw_interval(ax: Axes, place: int, row: Row) -> None:
    color = row.style[0]
    interval_across(ax, place, (row.low, row.high), color=color)
    if row.low <= row.point <= ax.get_xlim()[1]:
        ax.plot(row.point, place, row.marker, ms=6.5, mfc=color, mec="white", mew=0.8, gid="point")


def _draw_status(ax: Axes, place: int, row: Row, words: Words) -> None:
    ax.annotate(
        words.status(row.status) or words("no_interval"),
        (0.01, place),
        xycoords=ax.get_yaxis_transform(),
        va="center",
        style="italic",
        fontsize=SMALL,
        color=ink(),
        bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 1},
        gid="status",
    )


def _label_rows(ax: Axes, rows: Sequence[Row], how: Rows) -> None:
    """Name the rows at the left, and put them in text at the right."""
    ax.set_yticks(range(len(rows)), _labels(rows), fontsize=FONT)
    ax.tick_params(axis="y", length=0)
    for name in ("left", "right"):
        ax.spines[name].set_visible(False)
    for place, row in enumerate(rows):
        ax.axhline(place, color=PALE, lw=0.5, zorder=-1)
        across = ax.get_yaxis_transform()
        said_at(ax, how.said(row), (1, place), (6, 0), xycoords=across, va="center", gid="figures")
    if how.heading:
        said_at(ax, how.heading, (1, 1), (6, 0), xycoords="axes fraction", va="bottom", color=GRAY)
