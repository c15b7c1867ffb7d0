"""Heat map of pairs of lists: who is on both, and the odds ratio of being on one and on the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from mse._drawing import draws
from mse.answer.intervals import DEFAULT_LEVEL
from mse.data.columns import UNBOUNDED
from mse.data.table import CaptureTable
from mse.diagnostics import Overlaps, overlaps
from mse.errors import ModelError
from mse.plots import _canvas as draw
from mse.plots._canvas import BLUE, FONT, GRAY, PALE, SMALL, Head, Look, ink, said_at, width_of
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
_WHITE = (1.0, 1.0, 1.0)


class _Cell(NamedTuple):
    """One cell: its text, how it is filled, and whether it is to stand out."""

    text: str
    color: tuple[float, float, float] = _WHITE
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
    names = [draw.wrapped(name, _NAME) for name in data.lists]
    cells = _cells(data, found, text)
    side, wide = data.n_lists * _CELL, width_of(names)
    size = (max(side + wide + 0.5, 4.4), side * 0.8 + 0.5 * wide + 1.6)
    lines = [text("overlap_below")]
    if found is not None:
        lines.append(text("overlap_above", level=text.level(found.level)))
    lines.append(_summed(data, text))
    margin = size[0] - max(side + 0.2, 3.4)
    with draw.canvas(ax, size, margin, least=size[0]) as (drawn, room):
        _draw_cells(drawn, cells)
        _name_axes(drawn, names)
        draw.headed(drawn, Head(text("title_overlaps"), lines, data.info), text, room)
    return drawn


def _cells(
    table: CaptureTable, found: Overlaps | None, words: Words
) -> dict[tuple[int, int], _Cell]:
    """Fill the cells, by row and column."""
    both = table.overlaps().to_numpy(dtype=np.float64, na_value=np.nan)
    sizes = np.diag(both)
    diagonal = [_Cell(words.number(size), (0.9, 0.9, 0.9), bold=True) for size in sizes]
    cells = {(i, i): cell for i, cell in enumerate(diagonal)}
    for i, j in zip(*np.tril_indices(len(both), k=-1), strict=True):
        cells[int(i), int(j)] = _overlap_cell(both[i, j], min(sizes[i], sizes[j]), words)
    for row in [] if found is None else found.to_frame().to_dict("records"):
        place = table.lists.index(row["list_a"]), table.lists.index(row["list_b"])
        cells[place] = _ratio_cell(row["odds_ratio"], row["low"], row["high"], words)
    return cells


def _overlap_cell(both: float, smaller: float, words: Words) -> _Cell:
    if math.isnan(both):
        return _Cell("?")
    if both == 0:
        return _Cell("0", hatch="xxx", bold=True)
    share = both / smaller
    text = f"{words.number(both)}\n{words.share(share, 0 if share >= 0.1 else 1)}"
    return _Cell(text, _shade(_SHARED, math.sqrt(share)))


def _ratio_cell(ratio: float, low: float, high: float, words: Words) -> _Cell:
    if math.isnan(ratio):
        return _Cell("\N{EN DASH}")
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
    width, height = (side / n for side in draw.inches(ax))
    letters: Look = {"ha": "center", "va": "center", "color": "black"}
    for (row, column), cell in sorted(cells.items()):
        look: Look = {"fc": cell.color, "ec": "white", "zorder": 1, "lw": 0.8}
        box: Look | None = None
        if cell.hatch:
            look |= {"ec": GRAY, "zorder": 2, "hatch": cell.hatch}
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **look))
        first, _, second = cell.text.partition("\n")
        size, up = _fitting(first, FONT, width, height), 0.17 if second else 0.0
        look = {"weight": "bold" if cell.bold else "normal", "bbox": box, "gid": "value"}
        ax.text(column, row - up, first, size=size, **look, **letters)
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
    level = width_of(names) < 0.9 * draw.inches(ax)[0] / len(names)
    climbing: Look = {} if level else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(names)), names, fontsize=FONT, **climbing)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


# UpSet plot of capture histories: how many persons on which lists, and on no other (Lex, A., Gehlenborg,
# N., Strobelt, H., Vuillemot, R. & Pfister, H., 2014, IEEE Transactions on Visualization and Computer
# Graphics 20, 1983-1992) --------------------------------------------------------------------------

Order: TypeAlias = Literal["size", "lists"]

#: Inches of a row and a column of the matrix, of the bars over it, and of those beside it.
_ROW, _COLUMN, _OVER, _BESIDE = 0.27, 0.27, 2.0, 1.1
#: Letters in a line of the name of a list, beside the histories.
_LETTERS = 26
#: Columns narrower than this many inches have their counts written upright.
_NARROW = 0.42


class _Histories(NamedTuple):
    """Histories with somebody in them."""

    patterns: IntArray  # (R, K), 1, 0 or -1 (not known) for each list
    low: FloatArray  # (R,) persons
    high: FloatArray  # infinite where there is no bound

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
    names = [draw.wrapped(name, _LETTERS) for name in table.lists]
    wide = max(_BESIDE + width_of(names) + 0.5 + max(len(shown.low), 4) * _COLUMN, 5.0)
    tall = _OVER + table.n_lists * _ROW
    lines = (_extent(table, found, text), _left_out(found, shown, text), _summed(table, text))
    with draw.canvas(ax, (wide + 0.3, tall + 1.2), 0.3, least=wide) as (drawn, room):
        matrix, over, beside = _panels(drawn, names, tall)
        _draw_matrix(matrix, shown, names)
        _draw_counts(over, shown, text)
        _draw_totals(beside, table, text)
        draw.headed(drawn, Head(text("title_histories"), lines, table.info), text, room)
    return drawn


def _histories(table: CaptureTable) -> _Histories:
    lists = table.patterns[:, : table.n_lists]
    patterns, which = np.unique(lists, axis=0, return_inverse=True)
    high = np.where(table.high == UNBOUNDED, np.inf, table.high.astype(np.float64))
    sums = [np.bincount(which.ravel(), each, len(patterns)) for each in (table.low, high)]
    return _Histories(patterns, *(np.asarray(each, dtype=np.float64) for each in sums))


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
    known, possible = words.number(len(found.low) - partly), words.number(2**table.n_lists - 1)
    said = words("histories_extent", number=number, histories=known, possible=possible)
    return f"{said}; {words('histories_partly', number=words.number(partly))}" if partly else said


def _left_out(found: _Histories, shown: _Histories, words: Words) -> str:
    rest = len(found.low) - len(shown.low)
    persons = words.number(found.low.sum() - shown.low.sum())
    return words.counted("histories_left_out", rest, persons=persons) if rest else ""


def _summed(table: CaptureTable, words: Words) -> str:
    return words("summed_over", names=", ".join(table.covariates)) if table.covariates else ""


def _panels(ax: Axes, names: list[str], tall: float) -> tuple[Axes, Axes, Axes]:
    """Divide the place of the Axes among matrix, counts and totals."""
    width, _ = draw.inches(ax)
    beside = min(_BESIDE / width, 0.2)
    start = min(beside + (width_of(names) + 0.25) / width, 0.6)
    share = min(len(names) * _ROW / tall, 0.75)
    ax.set_axis_off()
    return (
        ax.inset_axes((start, 0, 1 - start, share)),
        ax.inset_axes((start, share + 0.02, 1 - start, 0.98 - share)),
        ax.inset_axes((0, 0, beside, share)),
    )


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
    ax.set_xlim(-0.6, max(len(shown.low), 1) - 0.4)
    ax.set_yticks(range(n), names, fontsize=FONT)
    ax.set_xticks([])
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)


def _draw_counts(ax: Axes, shown: _Histories, words: Words) -> None:
    if not shown.low.size:
        ax.set_axis_off()
        return
    places = np.arange(len(shown.low))
    ax.bar(places, shown.low, width=0.66, color=BLUE, gid="low")
    tops = np.where(np.isinf(shown.high), shown.low, shown.high)
    at = np.flatnonzero(tops > shown.low)
    look: Look = {"facecolor": "none", "edgecolor": GRAY, "hatch": "/////", "lw": 0.6}
    ax.bar(places[at], (tops - shown.low)[at], 0.66, shown.low[at], gid="high", **look)
    ax.set_ylim(0, float(tops.max(initial=1.0)) * 1.22)
    ax.set_xlim(-0.6, len(places) - 0.4)
    ax.set_xticks([])
    ax.set_ylabel(words("persons"))
    draw.number_axis(ax.yaxis, words)
    _write_counts(ax, shown, tops, words)


def _write_counts(ax: Axes, shown: _Histories, tops: FloatArray, words: Words) -> None:
    """Write the counts over the bars: upright where they would meet."""
    said = [
        words.number(low) if low == high else words.span(low, high)
        for low, high in zip(shown.low, shown.high, strict=True)
    ]
    upright = draw.inches(ax)[0] / max(len(said), 4) < max(_NARROW, width_of(said, SMALL))
    turned: Look = {"rotation": 90, "fontsize": SMALL - 1} if upright else {}
    for place, (text, top) in enumerate(zip(said, tops, strict=True)):
        said_at(ax, text, (place, top), (0, 3), ha="center", va="bottom", gid="count", **turned)


def _draw_totals(ax: Axes, table: CaptureTable, words: Words) -> None:
    """Draw the bars of the lists, growing to the left, with their numbers."""
    totals = np.diag(table.overlaps().to_numpy(dtype=np.float64, na_value=0.0))
    ax.barh(range(len(totals)), totals, height=0.6, color=GRAY, gid="list")
    ax.set_xlim(float(totals.max(initial=1.0)) * 1.75, 0)
    ax.set_ylim(len(totals) - 0.5, -0.5)
    for place, total in enumerate(totals.tolist()):
        text = words.number(total)
        said_at(ax, text, (total, place), (-3, 0), ha="right", va="center", gid="total")
    ax.set(xticks=[], yticks=[])
    ax.set_title(words("persons_on_list"), fontsize=SMALL, loc="right", pad=2)
    ax.spines[:].set_visible(False)
