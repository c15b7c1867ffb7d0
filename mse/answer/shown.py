"""Results shown: sections of words, laid out as text and as HTML."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mse._drawing import Drawn
from mse._saving import Saved
from mse.messages import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

_WIDTH = 88


_Wording = TypeVar("_Wording", bound="Callable[..., Any]")

#: What says a kind of result in words, by class.
_WORDINGS: dict[type, Callable[..., Any]] = {}


def words_for(kind: type) -> Callable[[_Wording], _Wording]:
    """Register what says results of a class in words; the class names the module as ``_words``."""

    def register(wording: _Wording) -> _Wording:
        _WORDINGS[kind] = wording
        return wording

    return register


def in_words(result: Any, **asked: Any) -> Any:
    """Say a result in words, by a layer that its class knows nothing of."""
    import_module(result._words)
    return next(_WORDINGS[each] for each in type(result).__mro__ if each in _WORDINGS)(
        result, **asked
    )


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part of a summary, before it is laid out as text or HTML."""

    heading: str
    rows: tuple[tuple[str, str], ...] = ()
    paragraphs: tuple[str, ...] = ()
    bullets: tuple[str, ...] = ()
    verbatim: str = ""


def filled(*sections: Section) -> list[Section]:
    """Leave out sections in which there is nothing to read."""
    return [
        part for part in sections if part.rows or part.paragraphs or part.bullets or part.verbatim
    ]


def persons(value: float) -> str:
    """Return a number of persons as it is printed: rounded, with thousands marked."""
    if math.isnan(value):
        return "not estimable"
    if math.isinf(value):
        return "no upper bound"
    return f"{value:,.0f}"


def bounded(text: str, *, lower_bound: bool, most: bool = False) -> str:
    """Write "at least" before a figure of a lower bound, "at most" before one that falls as it rises."""
    return f"at {'most' if most else 'least'} {text}" if lower_bound else text


def registered(value: float) -> str:
    """Return a count of persons as it is printed; a mark for one that is not shown."""
    return MARK if math.isnan(value) else persons(value)


def as_text(sections: Iterable[Section]) -> str:
    """Sections as plain text of at most 88 columns, tables excepted."""
    return "\n\n".join(_section_text(section) for section in sections)


def _section_text(section: Section) -> str:
    lines = [section.heading.upper()]
    width = max((len(label) for label, _ in section.rows), default=0)
    for label, value in section.rows:
        lines.append(_wrap(value, f"  {label:<{width}}  ", " " * (width + 4)))
    lines += [_wrap(paragraph, "  ", "  ") for paragraph in section.paragraphs]
    lines += [_wrap(bullet, "  - ", "    ") for bullet in section.bullets]
    if section.verbatim:
        lines.append(textwrap.indent(section.verbatim, "  "))
    return "\n".join(lines)


def _wrap(text: str, first: str, rest: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_html(sections: Iterable[Section]) -> str:
    """Sections as HTML that stands by itself in a notebook cell."""
    return "<div>" + "".join(_section_html(section) for section in sections) + "</div>"


def _section_html(section: Section) -> str:
    parts = [f"<h4>{escape(section.heading)}</h4>"]
    if section.rows:
        cells = "".join(
            f"<tr><th style='text-align:left'>{escape(label)}</th>"
            f"<td style='text-align:left'>{escape(value)}</td></tr>"
            for label, value in section.rows
        )
        parts.append(f"<table>{cells}</table>")
    parts += [f"<p>{escape(paragraph)}</p>" for paragraph in section.paragraphs]
    if section.bullets:
        items = "".join(f"<li>{escape(bullet)}</li>" for bullet in section.bullets)
        parts.append(f"<ul>{items}</ul>")
    if section.verbatim:
        parts.append(f"<pre>{escape(section.verbatim)}</pre>")
    return "".join(parts)


class Result(Drawn, Saved):
    """What all results of an analysis can do; a class gives its ``_sections``, and whom to cite."""

    references: ClassVar[tuple[str, ...]] = ()

    def _sections(self) -> list[Section]:
        raise NotImplementedError

    def summary(self) -> str:
        """Put the result in words, intervals before points."""
        return as_text(self._sections())

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return as_html(self._sections())


def span(low: float, high: float) -> str:
    """Write an interval of numbers of persons."""
    if math.isnan(low):
        return "-"
    return f"{persons(low)} to {'no bound' if math.isinf(high) else persons(high)}"


def share(value: float, digits: int = 1) -> str:
    """Write a share as a percentage."""
    return "-" if math.isnan(value) else f"{100 * value:.{digits}f}%"


def layout(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay cells out in columns of fixed width.

    Examples
    --------
    >>> print(layout(["list", "total"], [["police", "1,204"], ["care", "-"]]))
    list    total
    police  1,204
    care    -
    """
    body = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[at]) for row in body) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in body
    )


def with_table(
    headings: tuple[str, str], head: Sequence[str], rows: Iterable[Sequence[str]], *paragraphs: str
) -> list[Section]:
    """Put paragraphs in a section, and a table in one below it."""
    first, second = headings
    return [Section(first, paragraphs=paragraphs), Section(second, verbatim=layout(head, rows))]


# Frames as CSV ------------------------------------------------------------------------------------

#: With these a cell begins that a spreadsheet takes for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(frame: pd.DataFrame) -> str:
    r"""Write a frame as CSV in which no text is a formula: an apostrophe before it makes it plain text.

    Examples
    --------
    >>> import pandas as pd
    >>> csv_text(pd.DataFrame({"list": ["=1+1", "police"], "n": [-3, 4]}))
    "list,n\n'=1+1,-3\npolice,4\n"
    """

    def plain(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        # A carriage return would end the row for some readers.
        return ("'" if value.startswith(_FORMULA) else "") + value.replace("\r", " ")

    return frame.map(plain).rename(columns=plain).to_csv(index=False)
