"""What a stranger reads from a published report: every number in its files, and every mark of its pictures.

A report leaves as HTML, Markdown, JSON and a workbook. `numbers` reads all figures out of one of them, those in
pictures, alternative texts, attributes and properties of the file among them; `marks` measures a picture, and turns
places of bars, lines and points back into figures by the numbers at its ticks; `unexplained` names what is neither
rounded by the rules nor computed of figures that are.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
import zipfile
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np

from mse.disclosure.jointly import magnitude
from mse.disclosure.printed import number_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# Not of shares, which are looked at where they have a place, and not of versions.
_NUMBER = re.compile(
    r"(?<![\w.,])(?:\d{1,3}(?:[.,\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)(?![\w%]|[.,]\d)"
)
_PICTURE = re.compile(r"data:image/svg\+xml;base64,([\w+/=]+)")
#: Persons, relatively, within which a mark stands at a figure: the digits of coordinates allow that.
_CLOSE = 1e-4
#: Share of what is between the outermost figures by which an axis goes beyond them.
_PAD = 0.06
#: Headings of columns of which the figures are settings or follow from the model alone.
_SETTINGS = frozenset(
    {
        "Parameters",
        "xi",
        "Odds ratio",
        "Kansverhouding (odds ratio)",
        "Lists",
        "Estimated",
        "Interval covers",
        "Too low",
        "Too high",
    }
    | {"Parameters", "Lijsten", "Geschat", "Binnen interval", "Te laag", "Te hoog"}
)


# Every text of a file -----------------------------------------------------------------------------


class _Texts(HTMLParser):
    """Gathers words and attributes of HTML or SVG, comments among them; not style and script."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("style", "script")
        told = ("alt", "title", "content", "data-low", "data-high", "aria-label", "data-head")
        self.found += [value or "" for name, value in attrs if name in told]
        self.found += [value or "" for name, value in attrs if name == "src"]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)

    def handle_comment(self, data: str) -> None:
        self.found.append(data)


def pictures(data: bytes, form: str) -> list[str]:
    """Take the pictures out of a file, as text of SVG."""
    if form == "json":
        return [each["svg"] for each in _blocks(json.loads(data)) if each.get("svg")]
    found = _PICTURE.findall(data.decode("utf-8", "replace"))
    return [base64.b64decode(each).decode() for each in found]


def texts(data: bytes, form: str) -> Iterator[str]:
    """Go through all texts of a file, those of its pictures and of its properties among them."""
    if form == "xlsx":
        yield from _of_workbook(data)
        return
    for svg in pictures(data, form):
        yield from (each.strip() for each in re.findall(r"(?s)<!--(.*?)-->", svg))
        yield from re.findall(r"(?s)<(?:title|desc|dc:\w+|text)[^>]*>([^<]+)<", svg)
    if form == "json":
        yield from _strings(json.loads(data))
    elif form == "html":
        reader = _Texts()
        # A long name may be broken within.
        reader.feed(_PICTURE.sub("", data.decode()).replace("<wbr>", ""))
        yield from reader.found
    else:
        yield _PICTURE.sub("", data.decode())


def _of_workbook(data: bytes) -> Iterator[str]:
    from openpyxl import load_workbook

    for sheet in load_workbook(io.BytesIO(data)).worksheets:
        yield sheet.title.lstrip("0123456789 ")
        for row in sheet.iter_rows():
            yield from (repr(cell.value) for cell in row if isinstance(cell.value, int | float))
            # Names of sheets begin with a number.
            said = (cell.value for cell in row if isinstance(cell.value, str))
            yield from (re.sub(r"^\d+ (?=[\w-]+$)", "", each) for each in said)
            yield from (cell.comment.text for cell in row if cell.comment)
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        for name in parts.namelist():
            if name.startswith("docProps") or "comment" in name:
                part = re.sub(r"(?s)<AppVersion>.*?</AppVersion>", "", parts.read(name).decode())
                yield re.sub(r"<[^>]*>", " ", part)


def _strings(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for name, each in data.items():
            yield from () if name == "svg" else _strings(each)
    elif isinstance(data, list):
        for each in data:
            yield from _strings(each)
    elif isinstance(data, str):
        yield data
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield repr(data)


#: Numbers that are of no persons: of counts that have no place, of models that were tried, names of methods.
_OTHER = re.compile(
    r"\d+ (?:of|van de) \d+ (?:counts|aantallen)|(?:among|uit) [\d.,]+|SHA-\d+|T00:00:00Z|UTF-8|ISO \d+"
)


def numbers(data: bytes, form: str) -> set[float]:
    """Read every number out of a file."""
    said = (_OTHER.sub("", text) for text in texts(data, form))
    return {number_of(each) for text in said for each in _NUMBER.findall(text)}


def where(data: bytes, form: str, number: float) -> str:
    """Say where a number stands in a file, a few words around it."""
    for text in (_OTHER.sub("", each) for each in texts(data, form)):
        for each in _NUMBER.finditer(text):
            if number_of(each[0]) == number:
                return text[max(each.start() - 40, 0) : each.end() + 20].replace("\n", " ")
    return ""


# Figures with a place: cells and facts ------------------------------------------------------------


def _blocks(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        if "type" in data:
            yield data
        for each in data.values():
            yield from _blocks(each)
    elif isinstance(data, list):
        for each in data:
            yield from _blocks(each)


def figures(report: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Go through the figures for machines of a report as JSON, each with its heading."""
    for block in _blocks(report):
        if block["type"] == "table":
            for row in block["rows"]:
                for heading, cell in zip(block["columns"], row, strict=True):
                    yield from ((heading, each) for each in _ends(cell["value"]))
        elif block["type"] == "facts":
            for row in block["rows"]:
                yield from ((row["name"], each) for each in _ends(row["value"]))


def of_workbook(data: bytes) -> Iterator[tuple[str, float]]:
    """Go through the figures of a workbook, each with the name of its sheet and what stands above it."""
    from openpyxl import load_workbook

    for sheet in load_workbook(io.BytesIO(data)).worksheets:
        head: list[Any] = []
        for row in sheet.iter_rows(values_only=True):
            if not head or all(each is None or isinstance(each, str) for each in row):
                head = list(row)
            for heading, each in zip(head, row, strict=False):
                if isinstance(each, int | float) and not isinstance(each, bool):
                    yield str(heading), float(each)


def _ends(value: Any) -> list[float]:
    each = value if isinstance(value, list) else [value]
    return [float(one) for one in each if isinstance(one, int | float) and one is not True]


# Pictures -----------------------------------------------------------------------------------------


class Mark(NamedTuple):
    """A mark of a picture: its name, and the figure it stands at."""

    name: str
    value: float


@dataclass(frozen=True)
class _Axis:
    """An axis of numbers: which coordinate it is of, and how a figure follows from a place."""

    across: bool
    slope: float
    start: float
    log: bool

    def value(self, place: tuple[float, float]) -> float:
        """Turn a place into a figure."""
        found = self.start + self.slope * place[0 if self.across else 1]
        return math.exp(found) if self.log else found


_TAG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_PLACE = re.compile(r"[ML]\s*([-\d.e]+)[ ,]([-\d.e]+)")


def marks(svg: str, levels: Collection[float] = ()) -> Iterator[Mark]:
    """Measure a picture: the figure at which each end of a line, corner of a bar and point stands.

    levels: numbers that are names, such as years: an axis of them shows no figures
    """
    labels = dict(_tick_labels(svg))
    root = ET.fromstring(svg)
    for axes in root.iter(f"{_TAG}g"):
        if not axes.get("id", "").startswith("axes_"):
            continue
        for axis in _axes(axes, labels, levels):
            # In place of a figure that is not there its status is written.
            for name, place in _places(axes):
                yield Mark(name, axis.value(place))


def _tick_labels(svg: str) -> Iterator[tuple[str, float]]:
    """Read the number at each tick: it stands in a comment before the outlines of its letters."""
    found = re.findall(r'(?s)<g id="([xy]tick_\d+)">.*?<!-- (.*?) -->', svg)
    for at, (name, text) in enumerate(found):
        number = re.fullmatch(r"([\d.,\u202f]+)\s*(%|k|m|million|mln)?", text.strip())
        if number:
            scale = {"%": 0.01, None: 1.0, "k": 1e3}.get(number[2], 1e6)
            yield f"{name}/{_nth(found, at)}", number_of(number[1]) * scale


def _nth(found: list[tuple[str, str]], at: int) -> int:
    """Tell ticks of the same name in several panels apart."""
    return sum(name == found[at][0] for name, _ in found[:at])


def _axes(axes: ET.Element, labels: dict[str, float], levels: Collection[float]) -> Iterator[_Axis]:
    seen: dict[str, int] = {}
    for across, start in ((True, "xtick_"), (False, "ytick_")):
        points = []
        for tick in axes.iter(f"{_TAG}g"):
            name = tick.get("id", "")
            if not name.startswith(start):
                continue
            nth = seen.get(name, 0)
            seen[name] = nth + 1
            use = next(tick.iter(f"{_TAG}use"), None)
            if use is not None and use.get("x") and f"{name}/{nth}" in labels:
                place = float(use.get("x" if across else "y", "0"))
                points.append((place, labels[f"{name}/{nth}"]))
        names = all(value in levels for _, value in points)
        found = None if names or len(points) < 2 else _fitted(points, across=across)
        if found is not None:
            yield found


def _fitted(points: Iterable[tuple[float, float]], *, across: bool) -> _Axis | None:
    """Find the scale on which the numbers at ticks are."""
    place, value = map(np.array, zip(*points, strict=True))
    for log in (False, True):
        if log and value.min() <= 0:
            continue
        goal = np.log(value) if log else value
        slope, start = np.polyfit(place, goal, 1)
        if np.abs(start + slope * place - goal).max() <= 1e-4 * np.ptp(goal):
            return _Axis(across, float(slope), float(start), log)
    return None


def _places(axes: ET.Element) -> Iterator[tuple[str, tuple[float, float]]]:
    """Go through the places of marks, with their names; not those of ticks, letters and the frame."""
    for group in axes:
        name = group.get("id", "")
        frame = name.startswith(("matplotlib.axis", "patch_", "text_")) and not _named(name)
        if frame or name.startswith(("axes_", "status")):
            continue
        shapes = {
            path.get("id", ""): path.get("d", "")
            for defs in group.iter(f"{_TAG}defs")
            for path in defs.iter(f"{_TAG}path")
        }
        for each in group.iter():
            shape = each.get("d", "")
            if each.tag == f"{_TAG}path" and each.get("id", "") not in shapes:
                yield from ((name, (float(x), float(y))) for x, y in _PLACE.findall(shape))
            elif each.tag == f"{_TAG}use" and each.get("x"):
                x, y = float(each.get("x", "0")), float(each.get("y", "0"))
                used = shapes.get(each.get(_LINK, "#")[1:], "")
                # A band is drawn once, at a place of its own; a point is a small shape around each place.
                if name == "band":
                    yield from (
                        (name, (x + float(a), y + float(b))) for a, b in _PLACE.findall(used)
                    )
                else:
                    yield name, (x, y)


def _named(name: str) -> bool:
    return not re.fullmatch(r"(matplotlib\.axis|patch|text)_?\d+", name)


# What follows from the rules ----------------------------------------------------------------------


def is_rounded(value: float, base: float) -> bool:
    """Whether it is a multiple of what rules round persons to."""
    return abs(value / base - round(value / base)) < 1e-9


def unexplained(
    found: Iterable[tuple[str, float]],
    base: int,
    settings: Collection[float] = (),
    *,
    digits: float = 1e-9,
) -> list[tuple[str, float]]:
    """Name figures that are neither rounded, nor settings, nor computed of rounded ones.

    found: headings and figures
    base: persons to whose multiples the rules round
    settings: figures that everybody knows: years, cells of the table
    digits: how exactly a figure must be computed of others
    """
    given = [*found]
    known = np.unique([each for _, each in given if is_rounded(each, base) and each > 0])
    ratios = np.unique((known[:, None] / known).ravel()) if len(known) else np.zeros(1)
    factors = {magnitude(each) for each in np.geomspace(0.01, 1e6, 900)}
    lost = []
    for heading, value in given:
        known_to_all = heading in _SETTINGS or value in settings
        plain = known_to_all or is_rounded(value, base) or value in factors
        if not plain and not _among(value, ratios, digits):
            lost.append((heading, value))
    return lost


def _among(value: float, ratios: Any, digits: float) -> bool:
    """Whether a share is a ratio of published figures, or one rounded to three decimals."""
    for each in (value, 1 - value, -value):
        at = int(np.searchsorted(ratios, each))
        near = ratios[max(at - 1, 0) : at + 1]
        if near.size and np.abs(near - each).min() <= digits:
            return True
    return abs(value * 1000 - round(value * 1000)) < 1e-6 and abs(value) <= 10


def off_the_grid(
    svg: str, published: Collection[float], base: int, levels: Collection[float] = ()
) -> list[Mark]:
    """Name the marks of a picture that stand at no figure that was published, nor at a multiple of the base.

    The ends of an axis lie beyond the outermost figures by a share of what is between them: those are measured too.
    """
    known = np.sort(np.array([*published, 0.0]))
    found = [*marks(svg, levels)]
    values = np.array([each.value for each in found])
    spread = np.ptp(values) if len(values) else 1.0
    lost = []
    for mark, value in zip(found, values, strict=True):
        far = min(_distance(each, known, base) for each in (value, *_within_frame(value, values)))
        if far > _CLOSE * max(abs(value), 0.01 * spread):
            lost.append(mark)
    return lost


def _within_frame(value: float, values: Any) -> Iterator[float]:
    """Find the outermost figure of which an end of an axis would be this value."""
    low, high = values.min(), values.max()
    if value in (low, high):
        room = _PAD * (high - low) / (1 + 2 * _PAD)
        # Some axes begin at nothing and have room at one end only.
        yield from (value + room, value - room, value / (1 + _PAD))


def _distance(value: float, known: Any, base: int) -> float:
    at = int(np.searchsorted(known, value))
    near = known[max(at - 1, 0) : at + 1]
    grid = abs(value - base * round(value / base)) if value >= base - 0.5 else math.inf
    return min(float(np.abs(near - value).min()), grid)
