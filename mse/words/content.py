"""What a report holds, before it is laid out: sections of paragraphs, lists, tables and figures.

Builders make it from results, renderers turn it into HTML, Markdown or JSON. Nothing here knows where
a sentence came from or how it will look, so that all forms of a report hold the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

REPORT_SCHEMA = "mse.report/1"


@dataclass(frozen=True, slots=True)
class Text:
    """A run of words; with its language where that is not the report's, and the section it leads to."""

    text: str
    language: str = ""
    strong: bool = False
    link: str = ""


#: One line of running text.
Inline: TypeAlias = tuple[Text, ...]


def inline(*parts: str | Text | Inline) -> Inline:
    """Join words to one line of text.

    Examples
    --------
    >>> plain(inline("estimated ", Text("100 to 200", strong=True)))
    'estimated 100 to 200'
    """
    runs: list[Text] = []
    for part in parts:
        if isinstance(part, tuple):
            runs.extend(part)
        elif part:
            runs.append(Text(part) if isinstance(part, str) else part)
    return tuple(runs)


def plain(text: Inline) -> str:
    """Take the words only."""
    return "".join(run.text for run in text)


#: What a paragraph is: the answer, what must not be overlooked, or small print.
Role: TypeAlias = Literal["", "lead", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    text: Inline
    role: Role = ""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of lines."""

    items: tuple[Inline, ...]


#: What a figure is for machines: a number, a text, or the ends of an interval; None where there is none.
Value: TypeAlias = "float | int | str | tuple[float | None, float | None] | None"
#: A name, what it is in words, and where it is a figure what it is for machines.
Fact: TypeAlias = "tuple[str, Inline] | tuple[str, Inline, Value]"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are; ``key`` facts stand out."""

    rows: tuple[Fact, ...]
    key: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, and whether it holds figures."""

    heading: str
    figures: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: as it is read, as it is counted, and its language where it is another one."""

    text: str
    value: Value = None
    language: str = ""


def fact(name: str, cell: Cell, more: str = "") -> Fact:
    """Make a fact of a figure, with words after it."""
    return name, inline(cell.text, more), cell.value


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column names the rows."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    #: Whether its columns are steps between which a reader may move.
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture, and what can be seen in it in words; without the picture the words stand alone."""

    caption: str
    alt: str
    svg: str = field(repr=False, default="")
    #: The figures behind it, for the workbook.
    data: Table | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text that keeps its lines, in the language in which it was made."""

    text: str
    language: str = ""


Block: TypeAlias = "Paragraph | Bullets | Facts | Table | Figure | Verbatim"


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part of a report, with further parts below it; those of the appendix are folded."""

    id: str
    heading: str
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()
    appendix: bool = False

    def walk(self) -> Iterator[Block]:
        """Go through all blocks in the order in which they are read."""
        yield from self.blocks
        for section in self.sections:
            yield from section.walk()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read."""
        return next(self.walk(), None) is None


@dataclass(frozen=True, slots=True)
class Report:
    """A report: what its readers find, in one language, with the name of its rules of disclosure."""

    title: Inline
    subtitle: str
    language: str
    date: str
    disclosure: str
    sections: tuple[Section, ...]
    #: Results as they leave, where rules ask for something: they stay inside.
    protected: tuple[Any, ...] = field(default=(), repr=False, compare=False)

    @property
    def front(self) -> tuple[Section, ...]:
        """The sections that are meant to be read, in a few pages."""
        return tuple(each for each in self.sections if not each.appendix)

    @property
    def appendix(self) -> tuple[Section, ...]:
        """The sections to look things up in."""
        return tuple(each for each in self.sections if each.appendix)

    def walk(self) -> Iterator[Block]:
        """Go through all blocks in the order in which they are read."""
        for section in self.sections:
            yield from section.walk()

    def to_dict(self) -> dict[str, Any]:
        """Write the report as a dictionary for JSON, schema ``mse.report/1``."""
        return {
            "schema": REPORT_SCHEMA,
            "title": _runs(self.title),
            "subtitle": self.subtitle,
            "language": self.language,
            "date": self.date,
            "disclosure": self.disclosure,
            "sections": [_section(each) for each in self.sections],
        }


def _section(section: Section) -> dict[str, Any]:
    return {
        "id": section.id,
        "heading": section.heading,
        "blocks": [_block(each) for each in section.blocks],
        "sections": [_section(each) for each in section.sections],
    }


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Paragraph(text, role):
            return {"type": "paragraph", "role": role, "text": _runs(text)}
        case Bullets(items):
            return {"type": "bullets", "items": [_runs(each) for each in items]}
        case Facts(rows, key):
            return {"type": "facts", "key": key, "rows": [_fact(row) for row in rows]}
        case Table(caption, columns, rows, notes, _):
            return {
                "type": "table",
                "caption": caption,
                "columns": [each.heading for each in columns],
                "rows": [[_cell(cell) for cell in row] for row in rows],
                "notes": list(notes),
            }
        case Figure(caption, alt, svg, _):
            return {"type": "figure", "caption": caption, "alt": alt, "svg": svg}
        case Verbatim(text, language):
            return {"type": "verbatim", "text": text, "language": language}


def _fact(row: Fact) -> dict[str, Any]:
    value = row[2] if len(row) == 3 else None
    return {"name": row[0], "text": _runs(row[1]), "value": _value(value)}


def _cell(cell: Cell) -> dict[str, Any]:
    return {"text": cell.text, "value": _value(cell.value)} | _foreign(cell)


def _value(value: Value) -> Any:
    """Give a value as JSON can hold it: what is no finite number is nothing."""
    if isinstance(value, tuple):
        return [_value(end) for end in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _runs(text: Inline) -> list[dict[str, str]]:
    """Write words with their language where it differs; strength and links are matters of layout."""
    return [{"text": run.text} | _foreign(run) for run in text]


def _foreign(words: Text | Cell) -> dict[str, str]:
    return {"language": words.language} if words.language else {}
