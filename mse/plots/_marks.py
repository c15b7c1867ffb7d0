"""Marks that pictures share: intervals with their ends, and texts at an offset from a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mse.plots._canvas import SMALL, ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mse.plots.words import Words

__all__ = ["interval_across", "said_at", "status_instead"]


def interval_across(
    ax: Axes, place: float, ends: tuple[float, float], *, color: str, tall: float = 8.0
) -> None:
    """Draw an interval at a height: its ends as strokes, an arrow where it leaves the axis.

    Parameters
    ----------
    ax : Axes
        Its horizontal limits are set.
    place : float
        The height.
    ends : tuple of float
        Low and high end, which may be infinite.
    color : str
        Of all of it.
    tall : float
        Points of the strokes.
    """
    low, high = ends
    last = ax.get_xlim()[1]
    line: dict[str, Any] = {"color": color, "lw": 2, "solid_capstyle": "butt"}
    ax.plot([low, min(high, last)], [place, place], gid="interval", **line)
    strokes = [low] if high > last else [low, high]
    ax.plot(strokes, [place] * len(strokes), "|", ms=tall, mew=1.6, color=color, gid="end")
    if high > last:
        ax.plot(last, place, ">", ms=7, color=color, clip_on=False, gid="unbounded")


def said_at(
    ax: Axes, text: str, place: tuple[float, float], offset: tuple[float, float], **look: Any
) -> None:
    """Write a small text at an offset, in points, from a place."""
    ax.annotate(
        text,
        place,
        xytext=offset,
        textcoords="offset points",
        annotation_clip=False,
        **{"fontsize": SMALL, "color": ink(), **look},
    )


def status_instead(ax: Axes, status: str, words: Words) -> None:
    """Write the status where a picture would be."""
    ax.set_xticks([])
    ax.set_yticks([])
    said = words.status(status) or words("no_interval")
    ax.text(0.5, 0.5, said, transform=ax.transAxes, ha="center", style="italic", gid="status")
