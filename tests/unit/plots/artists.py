"""What is on a picture: marks by what they stand for, and texts that run into each other."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from matplotlib.text import Text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox


def marked(ax: Axes, gid: str) -> list[Any]:
    """Artists of some Axes that stand for something, in the order in which they were drawn."""
    found: list[Artist] = [*ax.lines, *ax.patches, *ax.collections, *ax.texts]
    return [each for each in found if each.get_gid() == gid]


def spans(ax: Axes) -> list[tuple[float, float]]:
    """Read the ends of the intervals across."""
    return [tuple(map(float, line.get_xdata())) for line in marked(ax, "interval")]  # type: ignore[misc]


def xs(ax: Axes, gid: str) -> list[float]:
    """Places across of marks of one kind."""
    return [float(value) for line in marked(ax, gid) for value in line.get_xdata()]


def said(ax: Axes, gid: str) -> list[str]:
    """Texts of one kind."""
    return [text.get_text() for text in marked(ax, gid)]


def rows(ax: Axes) -> list[str]:
    """Names of the rows."""
    return [label.get_text() for label in ax.get_yticklabels()]


def title(ax: Axes) -> str:
    """Read the title, on one line."""
    return " ".join(ax.get_title(loc="left").split())


def subtitle(ax: Axes) -> str:
    """Read what stands below the title, on one line."""
    return " ".join(" ".join(said(ax, "subtitle")).split())


def collisions(ax: Axes) -> list[tuple[str, str]]:
    """Pairs of texts of a whole figure that run into each other, or out of the figure."""
    figure: Any = ax.figure
    figure.canvas.draw()
    boxes = [
        (text.get_text(), text.get_window_extent())
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible() and text.get_rotation() % 90 == 0
        if id(text) not in _beyond(figure.findobj(_has_axes))
    ]
    frame = figure.bbox
    outside = [(text, "the edge") for text, box in boxes if not _inside(box, frame)]
    meeting = [
        (first, second)
        for (first, one), (second, other) in combinations(boxes, 2)
        if _depth(one, other) > 1.5
    ]
    return [*outside, *meeting]


def _has_axes(artist: Artist) -> bool:
    return hasattr(artist, "xaxis")


def _beyond(axes: list[Any]) -> set[int]:
    """Labels of ticks that are not drawn: outside the limits, or of axes that are off."""
    hidden: set[int] = set()
    for ax in axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high or not ax.axison:
                    hidden |= {id(tick.label1), id(tick.label2)}
            if not ax.axison:
                hidden |= {id(axis.label), id(axis.offsetText)}
    return hidden


def _inside(box: Bbox, frame: Bbox) -> bool:
    return bool(
        box.x0 >= frame.x0 - 1
        and box.y0 >= frame.y0 - 1
        and box.x1 <= frame.x1 + 1
        and box.y1 <= frame.y1 + 1
    )


def _depth(one: Bbox, other: Bbox) -> float:
    """Pixels by which two boxes overlap, in the direction in which they do less."""
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    up = min(one.y1, other.y1) - max(one.y0, other.y0)
    return float(min(across, up))
