"""Heat map of pairs of lists: who is on both, and the odds ratio of being on one and on the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from mse._drawing import draws
from mse.answer.intervals import DEFAULT_LEVEL
from mse.data.columns import UNBOUNDED
from mse.data.table import CaptureTable
from mse.diagnostics import Overlaps, overlaps
from mse.errors import ModelError
from mse.plots._canvas import (
    BLUE,
    FONT,
    GRAY,
    PALE,
    SMALL,
    Head,
    canvas,
    headed,
    inches,
    ink,
    number_axis,
    said_at,
    width_of,
    wrapped,
)
from mse.plots.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mse._typing import FloatArray, IntArray

#: Inches of a cell in a figure of our own, and letters in a line of the name of a list.
_CELL, _NAME = 0.8, 20
#: Smallest letters, in points.
_SMALLEST = 4.5
#: Odds ratios from here on, and below its inverse, have the full color.
_STRONG = 20.0
#: Ends of the shades: share of the smaller list, and odds ratios below and above 1.
_SHARED, _BELOW, _ABOVE = (86, 180, 233), (230, 159, 0), (140, 120, 200)


@dataclass(frozen=True, slots=True)
class _Cell:
    """One cell: its text, how it is filled, and whether it is to stand out."""

    text: str
    color: tuple[float, float, float]
    hatch: str = ""
    bold: bool = False


@draws(Overlaps)
def overlap_heatmap(
    table: CaptureTable | Overlaps,
    *,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the pairs of lists: persons on both below the diagonal, odds ratios above it.

    On the diagonal are the persons on each list; pairs that nobody is on are hatched. The share is of
    the smaller list. Odds ratios are those of `mse.diagnostics.overlaps`, with their intervals, and
    bold where these leave out 1.

    Parameters
    ----------
    table : CaptureTable or Overlaps
        A table, or what `mse.diagnostics.overlaps` found in one. Of a table that is known in part
        there are no odds ratios.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the intervals, of a table.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> ax = mse.plots.overlap_heatmap(mse.load_dataset("korea"))
    >>> [text.get_text() for text in ax.texts if text.get_gid() == "value"][:3]
    ['77', '160', '2.52']
    """
    text = Words(words)
    data = table.table if isinstance(table, Overlaps) else table
    found = table if isinstance(table, Overlaps) else None
    if found is None and data.is_complete:
        found = overlaps(data, level=level)
    names = [wrapped(name, _NAME) for name in data.lists]
    cells = _cells(data, found, text)
    side = data.n_lists * _CELL
    size = (side + width_of(names) + 0.5, side * 0.8 + 0.5 * width_of(names) + 1.6)
    room = None if ax is not None else size[0] - width_of(names) - 0.3
    with canvas(ax, (max(size[0], 4.4), size[1])) as drawn:
        _draw_cells(drawn, cells)
        _name_axes(drawn, names)
        lines = [text("overlap_below")]
        if found is not None:
            lines.append(text("overlap_above", level=text.level(found.level)))
        lines.append(
            text("summed_over", names=", ".join(data.covariates)) if data.covariates else ""
        )
        head = Head(text("title_overlaps"), tuple(lines), data.info)
        headed(drawn, head, text, room=room and max(room, 3.4))
    return drawn


def _cells(
    table: CaptureTable, found: Overlaps | None, words: Words
) -> dict[tuple[int, int], _Cell]:
    """Fill the cells, by row and column."""
    both = table.overlaps().to_numpy(dtype=np.float64, na_value=np.nan)
    sizes = np.diag(both)
    cells = {
        (i, i): _Cell(words.number(sizes[i]), (0.9, 0.9, 0.9), bold=True) for i in range(len(both))
    }
    for i, j in zip(*np.tril_indices(len(both), k=-1), strict=True):
        cells[int(i), int(j)] = _overlap_cell(both[i, j], min(sizes[i], sizes[j]), words)
    rows = [] if found is None else found.to_frame().to_dict("records")
    places = {name: i for i, name in enumerate(table.lists)}
    for row in rows:
        place = places[row["list_a"]], places[row["list_b"]]
        cells[place] = _ratio_cell(row["odds_ratio"], row["low"], row["high"], words)
    return cells


def _overlap_cell(both: float, smaller: float, words: Words) -> _Cell:
    if math.isnan(both):
        return _Cell("?", (1.0, 1.0, 1.0))
    if both == 0:
        return _Cell("0", (1.0, 1.0, 1.0), hatch="xxx", bold=True)
    share = both / smaller
    text = f"{words.number(both)}\n{words.share(share, 0 if share >= 0.1 else 1)}"
    return _Cell(text, _shade(_SHARED, math.sqrt(share)))


def _ratio_cell(ratio: float, low: float, high: float, words: Words) -> _Cell:
    if math.isnan(ratio):
        return _Cell("\N{EN DASH}", (1.0, 1.0, 1.0))
    strength = min(abs(math.log(ratio)) / math.log(_STRONG), 1.0)
    span = words("range", low=words.ratio(low), high=words.ratio(high))
    color = _shade(_ABOVE if ratio > 1 else _BELOW, strength)
    return _Cell(f"{words.ratio(ratio)}\n{span}", color, bold=low > 1 or high < 1)


def _shade(color: tuple[int, int, int], strength: float) -> tuple[float, float, float]:
    """Mix a color with white; light enough at full strength for black letters."""
    red, green, blue = (1 - 0.85 * strength * (1 - part / 255) for part in color)
    return red, green, blue


def _draw_cells(ax: Axes, cells: Mapping[tuple[int, int], _Cell]) -> None:
    from matplotlib.patches import Rectangle

    n = 1 + max(row for row, _ in cells)
    width, height = (side / n for side in inches(ax))
    for (row, column), cell in sorted(cells.items()):
        place = (column - 0.5, row - 0.5)
        edge = GRAY if cell.hatch else "white"
        look: dict[str, Any] = {"fc": cell.color, "ec": edge, "hatch": cell.hatch, "lw": 0.8}
        ax.add_patch(Rectangle(place, 1, 1, zorder=2 if cell.hatch else 1, **look))
        first, _, second = cell.text.partition("\n")
        letters: dict[str, Any] = {"ha": "center", "va": "center", "color": "black"}
        if cell.hatch:
            letters["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        size = _fitting(first, FONT, width, height)
        bold = "bold" if cell.bold else "normal"
        up = 0.17 if second else 0.0
        ax.text(column, row - up, first, size=size, weight=bold, gid="value", **letters)
        if second:
            size = _fitting(second, SMALL - 1, width, height)
            ax.text(column, row + 0.2, second, size=size, gid="span", **letters)
    ax.set_xlim(-0.5, n - 0.5)
    ax.set_ylim(n - 0.5, -0.5)


def _fitting(text: str, size: float, width: float, height: float) -> float:
    """Points of letters with which a text fits into a cell of so many inches."""
    fitting = min(0.92 * width / max(width_of([text], 1.0), 1e-9), 28 * height)
    return max(min(size, fitting), _SMALLEST)


def _name_axes(ax: Axes, names: list[str]) -> None:
    ax.set_yticks(range(len(names)), names, fontsize=FONT)
    # Short names of few lists stand level; others climb, so that they do not meet.
    level = width_of(names) < 0.9 * inches(ax)[0] / len(names)
    kwargs = (
        {"rotation": 0} if level else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    )
    ax.set_xticks(range(len(names)), names, fontsize=FONT, **kwargs)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


# UpSet plot of capture histories: how many persons on which lists, and on no other ----------------
# References
# ----------
# Lex, A., Gehlenborg, N., Strobelt, H., Vuillemot, R. and Pfister, H. (2014). UpSet: visualization of
# intersecting sets. IEEE Transactions on Visualization and Computer Graphics 20, 1983-1992.

Order: TypeAlias = Literal["size", "lists"]

#: Inches of a row and a column of the matrix, of the bars over it, and of those beside it.
_ROW, _COLUMN, _OVER, _BESIDE = 0.27, 0.27, 2.0, 1.1
#: Letters in a line of the name of a list.
_NAME = 26
#: Columns narrower than this many inches have their counts written upright.
_NARROW = 0.42


@dataclass(frozen=True)
class _Histories:
    """Histories with somebody in them.

    Attributes
    ----------
    patterns : int64 array (R, K)
        1, 0 or -1 (not known) for each list.
    low, high : float64 array (R,)
        Persons; `high` is infinite where there is no bound.
    """

    patterns: IntArray
    low: FloatArray
    high: FloatArray

    def __len__(self) -> int:
        return len(self.low)

    def take(self, order: IntArray) -> _Histories:
        return _Histories(self.patterns[order], self.low[order], self.high[order])


@draws(CaptureTable)
def upset(
    table: CaptureTable,
    *,
    ax: Axes | None = None,
    order: Order = "size",
    most: int = 40,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw how many persons have each capture history: bars over a matrix of lists.

    Covariates are summed over. Memberships that are not known are question marks; counts within
    bounds are hatched between them.

    Parameters
    ----------
    table : CaptureTable
        Any table; of margins the list totals are drawn.
    ax : Axes, optional
        Where to draw, in its place: its own axes are hidden. A new figure by default.
    order : {"size", "lists"}, default "size"
        Most frequent histories first, or those on fewest lists.
    most : int, default 40
        Histories drawn at most, the most frequent; how many are left out is written.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
        Its ``child_axes`` are the matrix, the counts of histories and the totals of lists.

    Raises
    ------
    ModelError
        If an option is not known.

    Examples
    --------
    >>> import mse
    >>> ax = mse.plots.upset(mse.load_dataset("korea"))
    >>> matrix, counts, totals = ax.child_axes
    >>> [round(bar.get_height()) for bar in counts.patches[:3]]
    [54, 41, 12]
    """
    if order not in ("size", "lists") or most < 1:
        raise ModelError(
            f"order={order!r}, most={most!r}; expected order 'size' or 'lists' and most of at least 1."
        )
    text = Words(words)
    found = _histories(table)
    shown = _ordered(found, order, most)
    names = [wrapped(name, _NAME) for name in table.lists]
    wide = _BESIDE + width_of(names) + 0.5 + max(len(shown), 4) * _COLUMN
    tall = _OVER + table.n_lists * _ROW
    lines = (_extent(table, found, text), _left_out(found, shown, text), _summed(table, text))
    room = None if ax is not None else max(wide, 5.0)
    with canvas(ax, (max(wide, 5.0) + 0.3, tall + 1.2)) as drawn:
        matrix, over, beside = _panels(drawn, names, tall)
        _draw_matrix(matrix, shown, names)
        _draw_counts(over, shown, text)
        _draw_totals(beside, table, text)
        headed(drawn, Head(text("title_histories"), lines, table.info), text, room=room)
    return drawn


def _histories(table: CaptureTable) -> _Histories:
    lists = table.patterns[:, : table.n_lists]
    patterns, which = np.unique(lists, axis=0, return_inverse=True)
    high = np.where(table.high == UNBOUNDED, np.inf, table.high.astype(np.float64))
    size = len(patterns)
    where = which.ravel()
    low, top = np.zeros(size), np.zeros(size)
    np.add.at(low, where, table.low)
    np.add.at(top, where, high)
    return _Histories(patterns, low, top)


def _ordered(found: _Histories, order: Order, most: int) -> _Histories:
    largest = found.take(np.argsort(-found.low, kind="stable")[:most])
    if order == "size":
        return largest
    number = (largest.patterns == 1).sum(axis=1)
    return largest.take(np.lexsort((-largest.low, number)))


def _extent(table: CaptureTable, found: _Histories, words: Words) -> str:
    number = words.number(table.n_observed)
    if table.margins is not None:
        return words("only_margins", number=number)
    partly = int((found.patterns == -1).any(axis=1).sum())
    said = words(
        "histories_extent",
        number=number,
        histories=words.number(len(found) - partly),
        possible=words.number(2**table.n_lists - 1),
    )
    return f"{said}; {words('histories_partly', number=words.number(partly))}" if partly else said


def _left_out(found: _Histories, shown: _Histories, words: Words) -> str:
    rest = len(found) - len(shown)
    persons = found.low.sum() - shown.low.sum()
    if not rest:
        return ""
    return words.counted(
        "histories_left_out_one", "histories_left_out", rest, persons=words.number(persons)
    )


def _summed(table: CaptureTable, words: Words) -> str:
    return words("summed_over", names=", ".join(table.covariates)) if table.covariates else ""


# Panels ------------------------------------------------------------------------------------------


def _panels(ax: Axes, names: list[str], tall: float) -> tuple[Axes, Axes, Axes]:
    """Divide the place of the Axes among matrix, counts and totals."""
    width, _ = inches(ax)
    beside = min(_BESIDE / width, 0.2)
    start = min(beside + (width_of(names) + 0.25) / width, 0.6)
    share = min(len(names) * _ROW / tall, 0.75)
    ax.set_axis_off()
    matrix = ax.inset_axes((start, 0, 1 - start, share))
    over = ax.inset_axes((start, share + 0.02, 1 - start, 0.98 - share))
    totals = ax.inset_axes((0, 0, beside, share))
    return matrix, over, totals


def _draw_matrix(ax: Axes, shown: _Histories, names: list[str]) -> None:
    n = len(names)
    for place in range(0, n, 2):
        ax.axhspan(place - 0.5, place + 0.5, color=PALE, lw=0, zorder=0)
    columns, rows = np.nonzero(shown.patterns == 0)
    ax.plot(columns, rows, "o", ms=4, mfc="none", mec=GRAY, mew=0.6, gid="off")
    columns, rows = np.nonzero(shown.patterns == 1)
    ax.plot(columns, rows, "o", ms=7, color=ink(), gid="on")
    for column, row in zip(*np.nonzero(shown.patterns == -1), strict=True):
        ax.text(column, row, "?", ha="center", va="center", fontsize=FONT, gid="unknown")
    for column, pattern in enumerate(shown.patterns):
        on = np.flatnonzero(pattern == 1)
        if on.size > 1:
            ax.plot([column] * 2, [on.min(), on.max()], color=ink(), lw=1.6, gid="joined")
    ax.set_ylim(n - 0.5, -0.5)
    ax.set_xlim(-0.6, max(len(shown), 1) - 0.4)
    ax.set_yticks(range(n), names, fontsize=FONT)
    ax.set_xticks([])
    ax.tick_params(axis="y", length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _draw_counts(ax: Axes, shown: _Histories, words: Words) -> None:
    if not len(shown):
        ax.set_axis_off()
        return
    places = np.arange(len(shown))
    ax.bar(places, shown.low, width=0.66, color=BLUE, gid="low")
    bounded = np.where(np.isinf(shown.high), shown.low, shown.high)
    spread = np.flatnonzero(bounded > shown.low)
    ax.bar(
        places[spread],
        (bounded - shown.low)[spread],
        bottom=shown.low[spread],
        width=0.66,
        facecolor="none",
        edgecolor=GRAY,
        hatch="/////",
        lw=0.6,
        gid="high",
    )
    top = float(bounded.max(initial=1.0))
    ax.set_ylim(0, top * 1.22)
    ax.set_xlim(-0.6, max(len(shown), 1) - 0.4)
    ax.set_xticks([])
    ax.set_ylabel(words("persons"))
    number_axis(ax.yaxis, words, log=False)
    _write_counts(ax, shown, bounded, words)


def _write_counts(ax: Axes, shown: _Histories, tops: FloatArray, words: Words) -> None:
    """Write the counts over the bars: upright where they would meet."""
    said = [
        words.number(low) if low == high else words.span(low, high)
        for low, high in zip(shown.low, shown.high, strict=True)
    ]
    upright = inches(ax)[0] / max(len(shown), 4) < max(_NARROW, width_of(said, SMALL))
    look: dict[str, Any] = {"ha": "center", "va": "bottom", "gid": "count"}
    if upright:
        look |= {"rotation": 90, "fontsize": SMALL - 1}
    for place, (text, top) in enumerate(zip(said, tops, strict=True)):
        said_at(ax, text, (place, top), (0, 3), **look)


def _draw_totals(ax: Axes, table: CaptureTable, words: Words) -> None:
    """Draw the bars of the lists, growing to the left, with their numbers."""
    totals = np.diag(table.overlaps().to_numpy(dtype=np.float64, na_value=0.0))
    ax.barh(range(len(totals)), totals, height=0.6, color=GRAY, gid="list")
    ax.set_xlim(float(totals.max(initial=1.0)) * 1.75, 0)
    ax.set_ylim(len(totals) - 0.5, -0.5)
    for place, total in enumerate(totals.tolist()):
        text = words.number(total)
        said_at(ax, text, (total, place), (-3, 0), ha="right", va="center", gid="total")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(words("persons_on_list"), fontsize=SMALL, loc="right", pad=2)
    for spine in ax.spines.values():
        spine.set_visible(False)
