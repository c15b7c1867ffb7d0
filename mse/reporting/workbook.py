"""A report as a workbook: a sheet for each table, and one for the figures behind each picture."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from typing import TYPE_CHECKING, cast

from mse.words.content import Cell, Facts, Figure, Table, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

    from mse.words.catalogue import Language
    from mse.words.content import Column, Fact, Report, Section, Value


def as_workbook(report: Report, language: Language) -> bytes:
    """Lay a report out as an Excel file; it holds what the report holds and nothing else.

    The same report gives the same bytes: the file says that it was made on the day of the report.

    report: what it holds
    language: words around it
    """
    from openpyxl import Workbook

    book = Workbook()
    first: list[list[Value]] = [[plain(report.title)], [report.subtitle], [report.date], []]
    contents = cast("Worksheet", book.active)
    contents.title = language("document.contents")[:_MOST]
    for number, (section, block) in enumerate(_tables(report.sections), start=1):
        name = f"{number} {section.id}"[:_MOST]
        _write(book.create_sheet(name), _sheet(block, language))
        first.append([name, section.heading, block.caption])
    _write(contents, first)
    return _saved(book, dt.datetime.fromisoformat(report.date))


#: Letters of the name of a sheet, by the format.
_MOST = 31


def _tables(sections: tuple[Section, ...]) -> Iterator[tuple[Section, Table]]:
    """Go through the tables, those behind pictures and the lists of facts, with their sections."""
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Table):
                yield section, block
            elif isinstance(block, Figure) and block.data is not None:
                yield section, block.data
            elif isinstance(block, Facts):
                rows = tuple(_fact(row) for row in block.rows)
                yield section, Table(section.heading, (), rows)
        yield from _tables(section.sections)


def _fact(row: Fact) -> tuple[Cell, ...]:
    return Cell(row[0]), Cell(plain(row[1]), row[2] if len(row) == 3 else None)


def _sheet(table: Table, language: Language) -> Iterator[list[Value]]:
    """Make the rows of a sheet: its caption, headings, rows with each interval in two columns, notes."""
    width = max((len(row) for row in table.rows), default=len(table.columns))
    spans = [any(isinstance(row[at].value, tuple) for row in table.rows) for at in range(width)]
    yield [table.caption]
    if table.columns:
        heads = zip(table.columns, spans, strict=True)
        yield [each for column, wide in heads for each in _head(column, wide, language)]
    for row in table.rows:
        yield [each for cell, wide in zip(row, spans, strict=True) for each in _values(cell, wide)]
    for note in table.notes:
        yield [note]


def _head(column: Column, wide: bool, language: Language) -> list[Value]:
    ends = ("document.low", "document.high")
    return [f"{column.heading}, {language(end)}" for end in ends] if wide else [column.heading]


def _values(cell: Cell, wide: bool) -> list[Value]:
    """Give a figure as a number, an interval as its two ends, anything else as it is read."""
    if isinstance(cell.value, tuple):
        return list(cell.value)
    found = cell.value if isinstance(cell.value, int | float) else cell.text
    return [found, None] if wide else [found]


def _write(sheet: Worksheet, rows: Iterable[list[Value]]) -> None:
    """Write rows; a text stays a text, whatever it begins with."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    for i, row in enumerate(rows, start=1):
        for j, value in enumerate(row, start=1):
            if isinstance(value, str):
                written = sheet.cell(i, j, ILLEGAL_CHARACTERS_RE.sub("", value))
                written.data_type = "s"
            else:
                sheet.cell(i, j, value)


#: Time of every part of the file: the first that such an archive can hold.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CORE = "docProps/core.xml"


def _saved(book: Workbook, made: dt.datetime) -> bytes:
    """Write the file, without the time at which that happens."""
    book.properties.created = made
    first, last = io.BytesIO(), io.BytesIO()
    book.save(first)
    stamp = made.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with (
        zipfile.ZipFile(first) as written,
        zipfile.ZipFile(last, "w", zipfile.ZIP_DEFLATED) as fixed,
    ):
        for name in written.namelist():
            data = written.read(name)
            if name == _CORE:
                data = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, data)
            part = zipfile.ZipInfo(name, _EPOCH)
            part.compress_type, part.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            fixed.writestr(part, data)
    return last.getvalue()
