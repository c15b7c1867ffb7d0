"""Rows of estimates, one under the other: each with its interval, its point or its status."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mse.answer.rounding import Grid
from mse.monitoring.result import ends_of
from mse.plots import _canvas as draw
from mse.plots._canvas import BLUE, GRAY, PALE, SMALL, Head, Look, finite, ink, said_at
from mse.plots.words import grid_of, share_grid_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes

    from mse.plots._canvas import Scale
    from mse.plots.words import Words

__all__ = ["Row", "Rows", "draw_rows"]

#: Letters in a line of a label, and rows beyond which they are drawn closer.
_LABEL, _SHORT, _MANY_ROWS = 34, 26, 20
#: Inches of the axis in a figure of our own.
_WIDTH = 4.2
#: Mark of an estimate on the boundary of its model.
BOUNDARY = "\N{DEGREE SIGN}"


@dataclass(frozen=True, slots=True)
class Row:
    """An estimate in a row; what is NaN is not there."""

    label: str
    point: float = math.nan
    low: float = math.nan
    high: float = math.nan  # may be infinite
    status: str = "ok"  # as of an estimate; empty for a row in which something else is drawn
    observed: float = math.nan  # persons
    style: tuple[str, str] = (BLUE, "o")  # color, and marker of the point
    said: str | None = None  # what stands at the right; by default the interval and the point
    more: str = ""  # what is said after these
    lower_bound: bool = (
        False  # whether the point is one: it reads "at least", and points to the right
    )
    grid: Grid | None = None  # what it is rounded to; by default what its interval bears

    @classmethod
    def of(cls, label: str, record: Mapping[Any, Any], quantity: str = "total") -> Row:
        """Read a quantity in a row of a frame; of a total with the persons observed."""
        low, high = (record[end] for end in ends_of(quantity))
        observed = record["observed"] if quantity == "total" else math.nan
        return cls(label, record[quantity], low, high, record["status"], observed)


@dataclass(frozen=True)
class Rows:
    """How rows are drawn."""

    words: Words
    level: float = math.nan  # of the intervals, named over the text at the right
    scale: Scale = "auto"
    kind: str = "number"  # what the numbers are: "number", "share" or "ratio"
    unit: str = "total_persons"  # key of the words along the axis
    heading: str = "interval_point"  # key of those over the text at the right
    band: tuple[float, float] = (math.nan, math.nan)  # drawn behind all rows, to compare with
    guide: Mapping[str, Any] = field(default_factory=dict)  # an upright dotted line
    cuts: Sequence[int] = ()  # rows over which there is a line
    marks: Sequence[float] = ()  # further numbers that the axis has to hold
    most: float = math.inf  # an end that it does not pass: 1 for shares

    @property
    def head(self) -> str:
        """What stands over the text at the right."""
        known = not math.isnan(self.level)
        return self.words(self.heading, level=self.words.level(self.level)) if known else ""

    def said(self, row: Row) -> str:
        """Put a row in text, the interval before the point."""
        if row.said is not None:
            return row.said
        if math.isnan(row.point) and math.isnan(row.low):
            return ""
        words, grid = self.words, self._grid(row)
        one = {"number": words.number, "share": self._share, "ratio": words.ratio}[self.kind]
        low, high = grid.ends(row.low, row.high)
        if math.isnan(row.low):
            span = words("no_interval")
        elif math.isinf(row.high):
            span = words("at_least", low=one(low))
        else:
            span = words("range", low=one(low), high=one(high))
        if not math.isnan(row.point):
            point = one(grid.point(row.point, -row.lower_bound))
            point = words.bounded(point, lower_bound=row.lower_bound)
            span = f"{span} ({point}){BOUNDARY if row.status == 'boundary' else ''}"
        return f"{span}, {row.more}" if row.more else span

    def _grid(self, row: Row) -> Grid:
        """Take what a row is rounded to: estimated persons and shares, and nothing else."""
        if row.grid is not None:
            return row.grid
        if self.kind == "share":
            return share_grid_of(row.low, row.high)
        known = self.kind == "number" and self.unit == Rows.unit
        return grid_of(row.low, row.high, row.observed) if known else Grid()

    def _share(self, value: float) -> str:
        return self.words.share(value, 0 if value >= 0.1 else 1)


def _labels(rows: Sequence[Row], how: Rows) -> list[str]:
    """Names of the rows; in a narrow picture with what else stands at the right under them."""
    if not draw.is_captioned():
        return [draw.wrapped(row.label, _LABEL) for row in rows]
    both = (f"{draw.wrapped(row.label, _SHORT)}\n{how.said(row)}".rstrip() for row in rows)
    return list(both)


def draw_rows(
    ax: Axes | None,
    rows: Sequence[Row],
    how: Rows,
    head: Head,
    more: Callable[[Axes], None] | None = None,
) -> Axes:
    """Draw rows from the top down with a title, then what more there is to draw among them.

    Each has its interval, with an arrow where that has no bound; without an estimate the word for its
    status.
    """
    rows, note = _noted(rows, how, head)
    labels = _labels(rows, how)
    lines = max((label.count("\n") + 1 for label in labels), default=1)
    least = 0.24 if len(rows) > _MANY_ROWS else 0.34
    height = max(len(rows) * max(least, 0.07 + 0.155 * lines), 0.7) + 1.5
    margin = draw.width_of(labels) + 0.4
    wide = _WIDTH + draw.width_of([how.head, *(how.said(row) for row in rows)], SMALL)
    with draw.canvas(ax, (margin + wide, height), margin) as (drawn, room):
        _draw_all(drawn, rows, how)
        head = head._replace(lines=(*head.lines, note))
        draw.headed(drawn, head, how.words, room, lift=1.6 * SMALL if how.head else 6.0)
        drawn.set_xlabel(how.words(how.unit))
        if how.guide:
            drawn.axvline(color=ink(), ls=":", **how.guide)
        for place in how.cuts:
            drawn.axhline(place - 0.5, color=GRAY, lw=0.6)
        if more is not None:
            more(drawn)
    return drawn


def _noted(rows: Sequence[Row], how: Rows, head: Head) -> tuple[Sequence[Row], str]:
    """Explain the mark of estimates on the boundary; what is true of every row is said once."""
    known = [row for row in rows if math.isfinite(row.point)]
    marked = [row for row in known if row.status == "boundary"]
    if not marked:
        return rows, ""
    if len(marked) < len(known):
        return rows, f"{BOUNDARY} {how.words('status_boundary')}"
    rows = [replace(row, status="ok") if row in known else row for row in rows]
    return rows, how.words("all_boundary") if head.status != "boundary" else ""


def _draw_all(ax: Axes, rows: Sequence[Row], how: Rows) -> None:
    log = _set_axis(ax, rows, how)
    if not math.isnan(how.band[0]):
        ax.axvspan(how.band[0], min(how.band[1], ax.get_xlim()[1]), color=PALE, lw=0, zorder=0)
    for place, row in enumerate(rows):
        _draw_row(ax, place, row, how.words)
        if math.isfinite(row.observed) and (row.observed > 0 or not log):
            ax.plot(row.observed, place, "|", ms=9, mew=1.6, color=ink(), gid="observed")
    _label_rows(ax, rows, how)


def _set_axis(ax: Axes, rows: Sequence[Row], how: Rows) -> bool:
    """Make room for all rows; whether the axis is logarithmic."""
    ends = [each for row in rows for each in (row.low, row.high, row.point, row.observed)]
    values = finite(ends, how.band, how.marks, [how.guide["x"]] if how.guide else [])
    log = draw.is_log(how.scale, values)
    low, high = draw.limits_of(values, log=log)
    if not log and low < 0 <= min(values, default=0.0):
        low = 0.0
    if any(row.high == math.inf for row in rows):
        high = high * (high / low) ** 0.08 if log else high + 0.08 * (high - low)
    ax.set(xscale="log" if log else "linear", xlim=(low, min(high, how.most)))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    draw.number_axis(ax.xaxis, how.words, log=log, kind=how.kind)
    return log


def _draw_row(ax: Axes, place: int, row: Row, words: Words) -> None:
    color, marker = row.style
    marker = ">" if row.lower_bound else marker
    if not math.isnan(row.low):
        draw.interval(ax, place, (row.low, row.high), color=color)
        if row.low <= row.point <= ax.get_xlim()[1]:
            ax.plot(row.point, place, marker, ms=6.5, mfc=color, mec="white", mew=0.8, gid="point")
    elif not math.isnan(row.point):
        # Hollow: a point without its interval is not to be taken for one with.
        ax.plot(row.point, place, marker, ms=6, mfc="none", mec=color, gid="point")
    elif row.status:
        said = words.status(row.status) or words("no_interval")
        box: Look = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 1}
        look: Look = {"va": "center", "style": "italic", "bbox": box, "gid": "status"}
        across = ax.get_yaxis_transform()
        said_at(ax, said, (0.01, place), (0, 0), xycoords=across, **look)


def _label_rows(ax: Axes, rows: Sequence[Row], how: Rows) -> None:
    """Name the rows at the left, and put them in text at the right."""
    ax.set_yticks(range(len(rows)), _labels(rows, how), fontsize=draw.FONT)
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "right"]].set_visible(False)
    across = ax.get_yaxis_transform()
    for place, row in enumerate(rows):
        ax.axhline(place, color=PALE, lw=0.5, zorder=-1)
        if not draw.is_captioned():
            look: Look = {"va": "center", "gid": "figures"}
            said_at(ax, how.said(row), (1, place), (6, 0), xycoords=across, **look)
    if how.head and not draw.is_captioned():
        said_at(ax, how.head, (1, 1), (6, 0), xycoords="axes fraction", va="bottom", color=GRAY)
