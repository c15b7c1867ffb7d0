"""What pictures are drawn on: figures, colors, titles, axes of numbers."""

from __future__ import annotations

import math
import textwrap
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.optimize import isotonic_regression

from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from mse._typing import FloatArray
    from mse.data.patterns import TableInfo
    from mse.plots.words import Words

#: How a picture shows numbers of persons along an axis.
Scale: TypeAlias = Literal["auto", "linear", "log"]
#: Properties of a mark or a text, by the names of matplotlib.
Look: TypeAlias = dict[str, Any]

# Colors of Okabe & Ito (2008, "Color universal design"): told apart by most color-blind readers.
# Nothing is told by color alone.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, GRAY = "#56B4E9", "#D55E00", "#808080"
#: A tint of gray, on light paper and on dark.
PALE = (0.5, 0.5, 0.5, 0.28)
#: What tells series apart: color and marker together.
SERIES = ((BLUE, "o"), (RED, "s"), (GREEN, "^"), (PURPLE, "D"), (ORANGE, "v"), (SKY, "P"))

FONT = 9.0
SMALL = 8.0
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "font.size": FONT,
    "axes.labelsize": FONT,
    "axes.titlesize": FONT + 2,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": FONT,
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

# Pictures in a document ---------------------------------------------------------------------------

#: Inches of a picture in a document: on a phone its letters are still large enough to read.
NARROW = 4.8
#: Inches that a title takes over figures of a fixed size.
_TITLE = 0.8
_CAPTION: ContextVar[list[str] | None] = ContextVar("caption", default=None)


@contextmanager
def captioned() -> Iterator[list[str]]:
    """Draw narrow, without titles: what they would say beside the title and whom it is about is gathered."""
    said: list[str] = []
    token = _CAPTION.set(said)
    try:
        yield said
    finally:
        _CAPTION.reset(token)


def is_captioned() -> bool:
    """Whether a caption beside the picture says what it is."""
    return _CAPTION.get() is not None


@contextmanager
def canvas(
    ax: Axes | None, size: tuple[float, float], margin: float, *, least: float = NARROW
) -> Iterator[tuple[Axes, float]]:
    """Give the Axes to draw on, of the caller or of a new figure, and the inches of a line of a title.

    A new figure has a size in inches, of which a title leaves out a margin; in a document it is made as
    narrow as goes. The style holds inside only; the settings of the caller are as before afterwards.
    """
    import matplotlib as mpl

    # Outside the style: the first figure loads the backend, which in notebooks switches interactive
    # drawing on; inside, that setting would be put back, and later pictures would not be shown.
    if is_captioned():
        size = min(size[0], max(least, NARROW)), size[1] - _TITLE
    figure = _new_figure(size) if ax is None else None
    with mpl.rc_context(_STYLE):
        drawn: Axes = figure.add_subplot() if figure else ax  # type: ignore[assignment]
        drawn.spines[["top", "right"]].set_visible(False)
        yield drawn, size[0] - margin if figure else inches(drawn)[0]


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


class Head(NamedTuple):
    """What stands over a picture: its title, and sentences under it, of which empty ones are left out."""

    title: str
    lines: Sequence[str] = ()
    info: TableInfo | None = None  # what the data are about
    status: str = "ok"  # of the estimate, named where it is another one


def headed(ax: Axes, head: Head, words: Words, room: float, *, lift: float = 6.0) -> None:
    """Put a title over Axes, in lines of so many inches, so many points above them."""
    caption = _CAPTION.get()
    if caption is not None:
        status = (words.status(head.status),) if head.status != "ok" else ()
        caption += [each for each in (*status, *head.lines) if each]
        head = Head("")
    title, text = _texts(head, words, room)
    height = _LINE * SMALL * (text.count("\n") + 1) + 3 if text else 0.0
    if text:
        look: Look = {"va": "bottom", "linespacing": 1.2, "gid": "subtitle"}
        said_at(ax, text, (0, 1), (0, lift), xycoords="axes fraction", **look)
    ax.set_title(title, loc="left", fontweight="bold", pad=lift + height, y=1.0)


def _texts(head: Head, words: Words, room: float) -> tuple[str, str]:
    """Break the title, and what stands below it, into lines for so many inches."""
    label = words("synthetic") if head.info is not None and is_synthetic(head.info) else ""
    title = ": ".join(part for part in (label, head.title) if part)
    title = f"{title} ({words.status(head.status)})" if head.status != "ok" else title
    letters = max(room, 1.0) * _INCH / _LETTER
    subject = about(head.info) if head.info is not None else ""
    narrow, wide = (
        max(int(each), _NARROWEST) for each in (0.9 * letters / (FONT + 2), letters / SMALL)
    )
    below = [wrapped(line, wide) for line in (subject, *head.lines) if line]
    return wrapped(title, narrow), "\n".join(below)


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


def limits_of(values: Iterable[float], *, log: bool, pad: float = 0.06) -> tuple[float, float]:
    """Room for some figures along an axis."""
    known = [each for each in finite(values) if each > 0 or not log]
    if not known:
        return (1.0, 10.0) if log else (0.0, 1.0)
    low, high = min(known), max(known)
    if log:
        reach = max(math.log(high / low), 0.2)
        return low * math.exp(-pad * reach), high * math.exp(pad * reach)
    reach = (high - low) or max(abs(high), 1.0)
    return low - pad * reach, high + pad * reach


def scaled(
    axes: Axes, name: Literal["x", "y"], limits: tuple[float, float], words: Words, *, log: bool
) -> None:
    """Give an axis its scale, limits and numbers of persons."""
    axes.set(**{f"{name}scale": "log" if log else "linear", f"{name}lim": limits})
    number_axis(axes.xaxis if name == "x" else axes.yaxis, words, log=log)


def number_axis(axis: Axis, words: Words, *, log: bool = False, kind: str = "number") -> None:
    """Let an axis of set limits show numbers, shares or ratios, few enough for labels not to meet."""
    from matplotlib import ticker

    write = {"number": words.shortest, "share": words.share, "ratio": words.ratio}[kind]
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(ticker.NullFormatter())
    low, high = sorted(axis.get_view_interval())
    if not log:
        axis.set_major_locator(ticker.MaxNLocator(4 if is_captioned() else 6, steps=[1, 2, 5, 10]))
        return
    decades = math.log10(high / low)
    if decades < 0.7:
        axis.set_major_locator(ticker.MaxNLocator(4, steps=[1, 2, 5, 10]))
    elif decades < 2.2:
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if decades < 1.6 else (1, 3)))
    else:
        axis.set_major_locator(ticker.LogLocator(numticks=6))
    axis.set_minor_locator(ticker.NullLocator())


def spread_apart(places: npt.ArrayLike, gap: float) -> FloatArray:
    """Move places as little as needed for neighbors to be a gap apart, keeping their order.

    Examples
    --------
    >>> spread_apart([1.0, 1.0, 5.0], 1.0).tolist()
    [0.5, 1.5, 5.0]
    """
    wanted = np.asarray(places, dtype=np.float64)
    order, steps = np.argsort(wanted, kind="stable"), gap * np.arange(wanted.size)
    # A run of labels at equal gaps stands around the mean of where they belong.
    wanted[order] = isotonic_regression(wanted[order] - steps).x + steps
    return wanted


def panels(ax: Axes, words: Sequence[str], columns: int, *, left: float) -> list[Axes]:
    """Divide the place of Axes into titled panels, row by row, with inches at the left for numbers."""
    width, height = inches(ax)
    rows = math.ceil(len(words) / columns)
    letters = max(int(width / columns * _INCH / (_LETTER * SMALL)), 8)
    titles = [wrapped(word, letters) for word in words]
    lines = max(title.count("\n") + 1 for title in titles)
    across, above, below = left / width, 0.16 * lines / height, 0.08 / height
    wide, tall = (1 - across) / columns, 1 / rows
    ax.set_axis_off()
    found = []
    for i, title in enumerate(titles):
        row, column = divmod(i, columns)
        corner = across + column * wide, 1 - (row + 1) * tall + below
        panel = ax.inset_axes((*corner, wide - 0.2 / width, tall - above - below))
        last = row == rows - 1 or i + columns >= len(titles)
        panel.tick_params(labelleft=column == 0, labelbottom=last)
        panel.set_title(title, fontsize=SMALL, loc="left", pad=3)
        found.append(panel)
    return found


# Marks that pictures share: intervals with their ends, and texts at an offset from a place --------


def interval(
    ax: Axes,
    place: float,
    ends: tuple[float, float],
    *,
    upright: bool = False,
    color: str = BLUE,
    strokes: tuple[float, float] = (8.0, 1.6),
    arrow: float = 7.0,
    **line: Any,
) -> None:
    """Draw an interval at a place on Axes of set limits, unless it is NaN.

    Its ends are strokes, of so many points in length and width, or an arrow where it leaves the axis.
    """
    low, high = ends
    if math.isnan(low):
        return

    def draw(values: Sequence[float], *style: str, **look: Any) -> None:
        across = values, [place] * len(values)
        ax.plot(*(across[::-1] if upright else across), *style, color=color, **look)

    last = (ax.get_ylim() if upright else ax.get_xlim())[1]
    draw([low, min(high, last)], gid="interval", **{"lw": 2, "solid_capstyle": "butt", **line})
    long, wide = strokes
    known = [low] if high > last else [low, high]
    draw(known, "_" if upright else "|", ms=long, mew=wide, gid="end")
    if high > last:
        draw([last], "^" if upright else ">", ms=arrow, clip_on=False, gid="unbounded")


def said_at(
    ax: Axes, text: str, place: tuple[float, float], offset: tuple[float, float], **look: Any
) -> None:
    """Write a small text at an offset, in points, from a place."""
    given: Look = {"textcoords": "offset points", "fontsize": SMALL, "color": ink()}
    ax.annotate(text, place, xytext=offset, annotation_clip=False, **(given | look))


def status_instead(ax: Axes, status: str, words: Words, **look: Any) -> None:
    """Write the status where a picture would be."""
    said = words.status(status) or words("no_interval")
    look |= {"transform": ax.transAxes, "ha": "center", "style": "italic", "gid": "status"}
    ax.text(0.5, 0.5, said, **look)
