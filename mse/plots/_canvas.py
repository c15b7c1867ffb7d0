"""What pictures are drawn on: figures, colors, titles, axes of numbers."""

from __future__ import annotations

import math
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from mse.data.patterns import TableInfo
    from mse.plots.words import Words

#: How a picture shows numbers of persons along an axis.
Scale: TypeAlias = Literal["auto", "linear", "log"]

# Colors of Okabe & Ito (2008, "Color universal design"): told apart by most color-blind readers.
# Nothing is told by color alone.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, GRAY = "#56B4E9", "#D55E00", "#808080"
#: A tint of gray, on light paper and on dark.
PALE = (0.5, 0.5, 0.5, 0.28)
#: What tells series apart: color, marker and line style together.
SERIES = (
    (BLUE, "o", "-"),
    (RED, "s", "--"),
    (GREEN, "^", "-."),
    (PURPLE, "D", ":"),
    (ORANGE, "v", (0, (5, 1, 1, 1, 1, 1))),
    (SKY, "P", (0, (3, 1))),
)

FONT = 9.0
SMALL = 8.0
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "font.size": FONT,
    "axes.labelsize": FONT,
    "axes.titlesize": FONT + 2,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": FONT,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.6,
}
#: Room around what is drawn in a figure, in inches.
_PAD = 0.08
#: Width of an average letter of the standard font, in ems: DejaVu Sans, mixed case.
_LETTER = 0.56
_INCH = 72.0
#: Beyond this ratio of the largest to the smallest figure an axis is logarithmic.
_MANY_TIMES = 20.0
#: Height of a line, in ems.
_LINE = 1.25
#: Fewest letters in a line of a title.
_NARROWEST = 24


@contextmanager
def canvas(ax: Axes | None, size: tuple[float, float]) -> Iterator[Axes]:
    """Give the Axes to draw on: those of the caller, or new ones in a figure of a size in inches.

    The style holds inside only; the settings of the caller are as before afterwards.
    """
    import matplotlib as mpl

    # Outside the style: the first figure loads the backend, which in notebooks switches interactive
    # drawing on; inside, that setting would be put back, and later pictures would not be shown.
    figure = _new_figure(size) if ax is None else None
    with mpl.rc_context(_STYLE):
        if ax is None:
            ax = figure.add_subplot()  # type: ignore[union-attr]
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        yield ax


def _new_figure(size: tuple[float, float]) -> Figure:
    import matplotlib.pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return plt.figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=_PAD, w_pad=_PAD))


def ink() -> str:
    """Color of text, by the caller's settings."""
    import matplotlib as mpl

    return str(mpl.rcParams["text.color"])


def width_of(texts: Iterable[str], size: float = FONT) -> float:
    """Estimate the width of the longest line of some texts, in inches."""
    letters = max((len(line) for text in texts for line in text.split("\n")), default=0)
    return letters * _LETTER * size / _INCH


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of Axes, in inches, before any layout."""
    box = ax.get_window_extent()
    dpi = ax.figure.dpi
    return float(box.width / dpi), float(box.height / dpi)


def wrapped(text: str, letters: int) -> str:
    """Break a text into lines, at spaces and after underscores where a word is too long."""
    pieces = [
        piece
        for line in text.split("\n")
        for piece in textwrap.wrap(line, letters, break_long_words=False, break_on_hyphens=False)
    ]
    return "\n".join(part for piece in pieces for part in _cut(piece, letters))


def _cut(text: str, letters: int) -> Iterator[str]:
    """Cut a long word after its underscores."""
    while len(text) > letters and "_" in text[:letters]:
        at = text.rindex("_", 0, letters) + 1
        yield text[:at]
        text = text[at:]
    yield text


# Titles ------------------------------------------------------------------------------------------


def is_synthetic(info: TableInfo) -> bool:
    """Whether the data say of themselves that they are made up."""
    said = (info.name, info.population, info.source, info.notes, info.scope)
    return any("synthetic" in each.lower() for each in said)


def about(info: TableInfo) -> str:
    """Say whom a picture is about: population, period, scope."""
    parts = (info.population or info.name, info.period, info.scope)
    shown = [part for i, part in enumerate(parts) if part and part not in "; ".join(parts[:i])]
    return "; ".join(shown)


@dataclass(frozen=True, slots=True)
class Head:
    """What stands over a picture.

    Parameters
    ----------
    title : str
        What the picture shows.
    lines : tuple of str
        Sentences under it; empty ones are left out.
    info : TableInfo, optional
        What the data are about.
    status : str
        Status of the estimate, named where it is not ``ok``.
    """

    title: str
    lines: tuple[str, ...] = ()
    info: TableInfo | None = None
    status: str = "ok"


def headed(
    ax: Axes, head: Head, words: Words, *, room: float | None = None, lift: float = 6.0
) -> None:
    """Put a title over Axes: the label of synthetic data, the title, the status; lines below it.

    Without ``room``, inches that a line has, it is as wide as the Axes; ``lift`` is how many points
    above them it starts.
    """
    room = inches(ax)[0] if room is None else room
    title, text = _texts(head, words, room)
    height = _LINE * SMALL * (text.count("\n") + 1) + 3 if text else 0.0
    if text:
        ax.annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, lift),
            textcoords="offset points",
            va="bottom",
            fontsize=SMALL,
            linespacing=1.2,
            color=ink(),
            annotation_clip=False,
            gid="subtitle",
        )
    ax.set_title(title, loc="left", fontweight="bold", pad=lift + height, y=1.0)


def _texts(head: Head, words: Words, room: float) -> tuple[str, str]:
    """Break the title, and what stands below it, into lines for so many inches."""
    label = words("synthetic") if head.info is not None and is_synthetic(head.info) else ""
    title = ": ".join(part for part in (label, head.title) if part)
    title = f"{title} ({words.status(head.status)})" if head.status != "ok" else title
    letters = max(room, 1.0) * _INCH / _LETTER
    subject = about(head.info) if head.info is not None else ""
    below = [
        wrapped(line, max(int(letters / SMALL), _NARROWEST))
        for line in (subject, *head.lines)
        if line
    ]
    return wrapped(title, max(int(0.9 * letters / (FONT + 2)), _NARROWEST)), "\n".join(below)


def height_of(head: Head, words: Words, room: float) -> float:
    """Inches that a title takes over Axes, with lines of so many inches."""
    title, below = _texts(head, words, room)
    points = _LINE * ((title.count("\n") + 1) * (FONT + 2) + (below.count("\n") + 1) * SMALL)
    return points / _INCH + 0.3


# Axes of numbers ---------------------------------------------------------------------------------


def finite(*values: Iterable[float]) -> list[float]:
    """Gather the finite numbers."""
    return [float(each) for part in values for each in part if math.isfinite(each)]


def check_scale(scale: str) -> None:
    """Raise `ModelError` for a scale that is not known."""
    if scale not in ("auto", "linear", "log"):
        raise ModelError(f"scale={scale!r} is not known; expected 'auto', 'linear' or 'log'.")


def is_log(scale: Scale, values: Iterable[float]) -> bool:
    """Whether an axis is to be logarithmic: figures that differ many times."""
    check_scale(scale)
    positive = [each for each in finite(values) if each > 0]
    if scale != "auto" or not positive:
        return scale == "log" and bool(positive)
    return max(positive) > _MANY_TIMES * min(positive)


def limits_of(values: Sequence[float], *, log: bool, pad: float = 0.06) -> tuple[float, float]:
    """Room for some figures along an axis."""
    known = [each for each in finite(values) if each > 0] if log else finite(values)
    if not known:
        return (1.0, 10.0) if log else (0.0, 1.0)
    low, high = min(known), max(known)
    if log:
        reach = max(math.log(high / low), 0.2)
        return low * math.exp(-pad * reach), high * math.exp(pad * reach)
    reach = (high - low) or max(abs(high), 1.0)
    return low - pad * reach, high + pad * reach


def number_axis(axis: Axis, words: Words, *, log: bool, kind: str = "number") -> None:
    """Let an axis show numbers in the language, at few enough places for labels not to meet.

    Parameters
    ----------
    axis : Axis
        ``ax.xaxis`` or ``ax.yaxis``, its scale and limits set.
    words : Words
        The language.
    log : bool
        Whether it is logarithmic.
    kind : {"number", "share", "ratio"}
        What the numbers are.
    """
    from matplotlib import ticker

    write = {"number": _shortest(words), "share": words.share, "ratio": words.ratio}[kind]
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(ticker.NullFormatter())
    low, high = sorted(axis.get_view_interval())
    if not log:
        axis.set_major_locator(ticker.MaxNLocator(6, steps=[1, 2, 5, 10]))
        return
    decades = math.log10(high / low)
    if decades < 0.7:
        axis.set_major_locator(ticker.MaxNLocator(4, steps=[1, 2, 5, 10]))
    elif decades < 2.2:
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if decades < 1.6 else (1, 3)))
    else:
        axis.set_major_locator(ticker.LogLocator(numticks=6))
    axis.set_minor_locator(ticker.NullLocator())


def _shortest(words: Words) -> Any:
    def write(value: float) -> str:
        """Whole numbers; fractions only where the axis needs them."""
        whole = abs(value - round(value)) < 1e-6 * max(abs(value), 1.0)
        return words.number(value) if whole or abs(value) >= 100 else words.ratio(value)

    return write


def spread_apart(places: Sequence[float], gap: float) -> list[float]:
    """Move places as little as needed for neighbors to be a gap apart, keeping their order.

    Examples
    --------
    >>> spread_apart([1.0, 1.0, 5.0], 1.0)
    [0.5, 1.5, 5.0]
    """
    order = np.argsort(np.asarray(places, dtype=np.float64), kind="stable")
    groups: list[list[float]] = []
    for value in np.asarray(places, dtype=np.float64)[order]:
        # Each group is a run of labels at equal gaps around the mean of where they belong.
        groups.append([float(value)])
        while len(groups) > 1 and _first(groups[-1], gap) < _last(groups[-2], gap) + gap:
            last = groups.pop()
            groups[-1] += last
    spread = [_first(group, gap) + i * gap for group in groups for i in range(len(group))]
    result = [0.0] * len(spread)
    for position, value in zip(order, spread, strict=True):
        result[position] = value
    return result


def _first(group: Sequence[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _last(group: Sequence[float], gap: float) -> float:
    return _first(group, gap) + gap * (len(group) - 1)


def panels(
    ax: Axes, number: int, columns: int, *, left: float = 0.6, words: Sequence[str] = ()
) -> list[Axes]:
    """Divide the place of Axes into panels of one scale, row by row.

    Parameters
    ----------
    ax : Axes
        Its own frame is hidden.
    number, columns : int
        Panels in all, and in a row.
    left : float
        Inches for the numbers at the left of each row.
    words : sequence of str
        Titles of the panels.
    """
    width, height = inches(ax)
    rows = math.ceil(number / columns)
    titles = [
        wrapped(word, max(int(width / columns * _INCH / (_LETTER * SMALL)), 8)) for word in words
    ]
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    across, above, below = left / width, 0.16 * lines / height, 0.08 / height
    wide, tall = (1 - across) / columns, 1 / rows
    ax.set_axis_off()
    found = []
    for i in range(number):
        row, column = divmod(i, columns)
        place = (
            across + column * wide,
            1 - (row + 1) * tall + below,
            wide - 0.2 / width,
            tall - above - below,
        )
        panel = ax.inset_axes(place)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        panel.tick_params(
            labelleft=column == 0, labelbottom=row == rows - 1 or i + columns >= number
        )
        if titles:
            panel.set_title(titles[i], fontsize=SMALL, loc="left", pad=3)
        found.append(panel)
    return found


# Marks that pictures share: intervals with their ends, and texts at an offset from a place --------


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
