"""Heat map of pairs of lists: who is on both, and the odds ratio of being on one and on the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mse._drawing import draws
from mse.diagnostics import Overlaps, overlaps
from mse.intervals import DEFAULT_LEVEL
from mse.plots._canvas import (
    FONT,
    GRAY,
    SMALL,
    Head,
    canvas,
    headed,
    inches,
    width_of,
    wrapped,
)
from mse.plots.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mse.table import CaptureTable

__all__ = ["overlap_heatmap"]

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
