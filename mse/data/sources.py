"""Where tables come from: files of many kinds, databases and data frames, as columns under names."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import importlib
import io
import lzma
import re
import sqlite3
import sys
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd

from mse.data.checks import Voice, listed, near
from mse.data.text_files import Row, decoded, headed, text_rows
from mse.errors import InvalidTableError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse.data.read_options import ReadOptions


@dataclass(frozen=True, eq=False)
class Sheet:
    """Columns under names, before anybody knows what they mean.

    Attributes
    ----------
    frame : pandas data frame, or a narwhals lazy frame
        Of a text file or a sheet all entries are text, but for numbers with decimals.
    kind : str
        What it was read from, in words.
    voice : Voice
        How its rows are numbered.
    notes : tuple of str
        How it is written, and what was left out.
    delimiter : str
        Of a text file.
    codes : mapping of str to Series
        Of columns whose entries were replaced by their labels, the entries.
    as_text : bool
        Whether numbers in it were text.
    """

    frame: Any
    kind: str
    voice: Voice
    notes: tuple[str, ...] = ()
    delimiter: str = ""
    codes: dict[str, pd.Series[Any]] = field(default_factory=dict)
    as_text: bool = False

    @property
    def lazy(self) -> bool:
        """Whether the data are somewhere else."""
        return isinstance(self.frame, nw.LazyFrame)


def sheet_of(source: Any, options: ReadOptions, *, command: bool) -> Sheet:
    """Read a source.

    source: a path, "-" for standard input, bytes, an open file, or a data frame of any kind
    options: how it is written
    command: whether the reader is at the command line
    Raises InvalidTableError: where it cannot be read, or in two ways
    Raises MissingDependencyError: where a package is missing, with the extra that has it
    """
    if isinstance(source, str) and source == "-":
        return _of_bytes(sys.stdin.buffer.read(), "standard input", options, command=command)
    if isinstance(source, bytes | bytearray):
        return _of_bytes(bytes(source), "bytes", options, command=command)
    if isinstance(source, str | Path):
        return _of_path(Path(source), options, command=command)
    if hasattr(source, "read") and hasattr(source, "seek"):
        held = source.read()
        data = held.encode() if isinstance(held, str) else bytes(held)
        return _of_bytes(data, "the file", options, command=command)
    return _of_frame(source, command=command)


# Data frames --------------------------------------------------------------------------------------


def _of_frame(source: Any, *, command: bool) -> Sheet:
    """Take a frame, eager or lazy; columns with numbers for names are named by them."""
    library = type(source).__module__.partition(".")[0]
    if isinstance(source, pd.DataFrame):
        if source.columns.map(str).has_duplicates:
            msg = "Names of columns of the frame occur twice: rename them."
            raise InvalidTableError(msg)
        names = [str(name) for name in source.columns]
        named = source if names == [*source.columns] else source.set_axis(names, axis=1)
        plain = source.index.name is None and pd.api.types.is_integer_dtype(source.index.dtype)
        rows = source.index.to_numpy(dtype=np.int64) if plain else None
        return Sheet(named, "a pandas data frame", Voice(command=command, rows=rows))
    try:
        with warnings.catch_warnings():
            # Narwhals 2 announces that Dask will have a package of its own.
            warnings.filterwarnings("ignore", "Dask support is moving", FutureWarning)
            wrapped = nw.from_native(source)
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        msg = (
            f"The data are of type {library}.{type(source).__qualname__}: expected the name of a file, or a "
            "pandas, polars, pyarrow, DuckDB or Dask frame. Try `pandas.DataFrame(data)` first."
        )
        raise InvalidTableError(msg) from error
    if isinstance(wrapped, nw.LazyFrame):
        voice = Voice(command=command, numbered=False)
        return Sheet(wrapped, f"a lazy frame ({library})", voice)
    return Sheet(source, f"a data frame ({library})", Voice(command=command))


# Files --------------------------------------------------------------------------------------------

_COMPRESSED = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ": lzma.decompress}
_REFUSED = {
    b"%PDF": "a PDF: copy the table into a spreadsheet and save it as CSV",
    b"<": "HTML or XML, whatever its name says: open it in Excel and save it as a workbook or CSV",
    b"{": "JSON: make a data frame of it, with `pandas.read_json`",
    b"[": "JSON: make a data frame of it, with `pandas.read_json`",
    b"RDX": "an R data file: save it in R with write.csv(x, file, row.names = FALSE)",
    b"X\n\x00": "an R data file: save it in R with write.csv(x, file, row.names = FALSE)",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: decompress it, or use gzip",
}
_STATISTICS = {
    ".dta": ("Stata", "read_dta"),
    ".sav": ("SPSS", "read_sav"),
    ".zsav": ("SPSS", "read_sav"),
    ".por": ("SPSS", "read_por"),
    ".sas7bdat": ("SAS", "read_sas7bdat"),
    ".xpt": ("SAS", "read_xport"),
}


def _of_path(path: Path, options: ReadOptions, *, command: bool) -> Sheet:
    """Read a file by what it begins with, and its suffix where that does not tell."""
    try:
        with path.open("rb") as handle:
            start = handle.read(16)
    except OSError as error:
        reason = "there is no such file" if not path.exists() else error.strerror or "an error"
        msg = f"{str(path)!r} cannot be read: {reason}."
        raise InvalidTableError(msg) from None
    suffix = path.suffix.lower()
    if start.startswith(b"PAR1") or suffix in (".parquet", ".pq"):
        return _parquet(path, options, command=command)
    if start.startswith((b"ARROW1", b"FEA1")):
        return _arrow(path, command=command)
    if start.startswith(b"SQLite format 3\x00"):
        return _sqlite(path, options, command=command)
    if start[8:12] == b"DUCK":
        return _duckdb(path, options, command=command)
    if suffix in _STATISTICS:
        return _statistics(path, suffix, command=command)
    return _of_bytes(path.read_bytes(), path.name, options, command=command)


def _of_bytes(data: bytes, name: str, options: ReadOptions, *, command: bool) -> Sheet:
    """Read a workbook or text, compressed or not."""
    notes: list[str] = []
    for magic, decompress in _COMPRESSED.items():
        if data.startswith(magic):
            try:
                data = decompress(data)
            except (OSError, EOFError, lzma.LZMAError) as error:
                msg = f"{name} is a compressed file that is broken or cut off: fetch it again."
                raise InvalidTableError(msg) from error
            notes.append("compressed")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _archive(data, name, options, command=command)
    if data.startswith(b"PAR1"):
        return _parquet(io.BytesIO(data), options, command=command)
    if data.startswith(b"ARROW1"):
        return _arrow(io.BytesIO(data), command=command)
    for magic, what in _REFUSED.items():
        if data.lstrip().startswith(magic):
            msg = f"{name} is {what}."
            raise InvalidTableError(msg)
    if not data.strip():
        msg = f"{name} cannot be read: it is empty. Expected names of columns, and rows of data below them."
        raise InvalidTableError(msg)
    voice = Voice(command=command, unit="line")
    text, encoding = decoded(data, options.encoding)
    rows, delimiter, found = text_rows(text, options, voice)
    notes += [*found, f"encoding {encoding.removesuffix('-sig')}"]
    return _sheet_of_rows(rows, "a text file", options, voice, notes, delimiter=delimiter)


def _archive(data: bytes, name: str, options: ReadOptions, *, command: bool) -> Sheet:
    """Read a workbook, or the one file in a zip archive."""
    if data.startswith(b"PK"):
        try:
            archive = zipfile.ZipFile(io.BytesIO(data))
        except zipfile.BadZipFile:
            msg = f"{name} is a workbook or archive that is broken or cut off: fetch it again."
            raise InvalidTableError(msg) from None
        inside = [each for each in archive.namelist() if not each.endswith("/")]
        if not any(each.startswith("xl/") or each == "content.xml" for each in inside):
            files = [each for each in inside if not each.startswith("__MACOSX")]
            if len(files) != 1:
                msg = f"{name} holds {len(files)} files: take the one with the table out of it."
                raise InvalidTableError(msg)
            return _of_bytes(archive.read(files[0]), files[0], options, command=command)
    return _workbook(data, name, options, command=command)


def _sheet_of_rows(
    rows: Sequence[Row],
    kind: str,
    options: ReadOptions,
    voice: Voice,
    notes: list[str],
    *,
    delimiter: str = "",
) -> Sheet:
    """Make columns of rows of cells, under the names of the header."""
    names, body = headed(rows, options, voice, notes)
    columns = zip(*(cells for _, cells in body), strict=True)
    frame = pd.DataFrame(
        {
            name: pd.Series(list(column), dtype=object)
            for name, column in zip(names, columns, strict=True)
        }
    )
    numbers = np.array([number for number, _ in body], dtype=np.int64)
    voice = Voice(command=voice.command, rows=numbers, unit=voice.unit)
    return Sheet(frame, kind, voice, tuple(notes), delimiter, as_text=True)


# Workbooks ----------------------------------------------------------------------------------------

#: A format that shows leading zeros, such as 0000.
_PADDED = re.compile(r'^("[^"]*"|\\.|[^0#?])*0{2,}(?![.0#?,])[^0#?]*$')
#: From here on a workbook has lost the last digits of a number.
_EXACT = 10**15


def _workbook(data: bytes, name: str, options: ReadOptions, *, command: bool) -> Sheet:
    """Read one sheet of a workbook."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        asked = [options.sheet] if options.sheet in book.sheet_names else book.sheet_names
        held = {sheet: _cells(book, sheet) for sheet in asked}
        filled = {
            s: cells for s, cells in held.items() if any(c != "" for row in cells for c in row)
        }
    except (CalamineError, OSError, ValueError) as error:
        msg = f"{name} cannot be read as a workbook ({error}): open it in Excel and save it again, without a password."
        raise InvalidTableError(msg) from error
    voice = Voice(command=command, unit="row")
    names = book.sheet_names
    if options.sheet is not None and options.sheet not in names:
        msg = f"There is no sheet {options.sheet!r}: there are {listed(names, 12)}.{near(options.sheet, names)}"
        raise InvalidTableError(msg)
    if len(filled) != 1:
        said = voice.option("sheet", next(iter(filled), "name"))
        msg = (
            f"{name} has {len(filled)} sheets with data ({listed(filled, 12)}): say which, as in {said}."
            if filled
            else f"{name} has no sheet with data."
        )
        raise InvalidTableError(msg)
    sheet, cells = next(iter(filled.items()))
    if data.startswith(b"PK"):
        _check_xml(data, names.index(sheet), sheet)
    rows = [(number, [_cell(c) for c in row]) for number, row in enumerate(cells, start=1)]
    made = _sheet_of_rows(rows, "a workbook", options, voice, [f"sheet {sheet!r}"])
    if data.startswith(b"PK"):
        _check_merged(data, names.index(sheet), made)
        return _padding_checked(made, data, sheet)
    return made


def _cells(book: Any, sheet: str) -> list[list[Any]]:
    return list(book.get_sheet_by_name(sheet).to_python(skip_empty_area=False))


def _cell(value: Any) -> Any:
    """Write a cell as it is shown: whole numbers and dates as text."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    if isinstance(value, dt.datetime):
        return (value.date() if value.time() == dt.time() else value).isoformat()
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return str(value)
    return value


def _check_xml(data: bytes, position: int, sheet: str) -> None:
    """Refuse what a workbook shows otherwise than it is read: hidden rows, formulas without a result."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    part = _part_of_sheet(archive, position)
    if part is None:
        return
    xml = archive.read(part).decode("utf-8", "replace")
    hidden = len(re.findall(r'<row\b[^>]*\bhidden="(?:1|true)"', xml))
    if hidden:
        msg = (
            f"{hidden:,} row{'s' * (hidden > 1)} of the sheet {sheet!r} {'are' if hidden > 1 else 'is'} hidden, perhaps by a filter: show what counts, "
            "delete the rest, and save the workbook."
        )
        raise InvalidTableError(msg)
    empty = [
        kind
        for kind, inside in re.findall(r"<c\b([^>]*)>(.*?)</c>", xml, re.DOTALL)
        if "<f" in inside and not re.search(r"<v>[^<]", inside) and 't="str"' not in kind
    ]
    if empty:
        msg = (
            f"{len(empty):,} cells of the sheet {sheet!r} hold formulas whose results are not saved: open the "
            "workbook in Excel and save it."
        )
        raise InvalidTableError(msg)


def _check_merged(data: bytes, position: int, made: Sheet) -> None:
    """Refuse cells that were merged below the header: all but the first would be empty."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    part = _part_of_sheet(archive, position)
    xml = "" if part is None else archive.read(part).decode("utf-8", "replace")
    first = 0 if made.voice.rows is None else int(made.voice.rows.min())
    ends = re.findall(r'<mergeCell\b[^>]*\bref="[A-Z]+\d+:[A-Z]+(\d+)"', xml)
    merged = sum(int(end) >= first for end in ends)
    if merged:
        msg = (
            f"Cells are merged in {merged:,} places below the names of the columns, so that only the first of "
            "them holds the value: unmerge them, fill each cell, and save the workbook."
        )
        raise InvalidTableError(msg)


def _part_of_sheet(archive: zipfile.ZipFile, position: int) -> str | None:
    """Find the part of a workbook (.xlsx) that holds a sheet."""
    try:
        book = archive.read("xl/workbook.xml").decode("utf-8", "replace")
        links = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
        sheet = re.findall(r"<(?:\w+:)?sheet\b[^>]*>", book)[position]
        key = re.search(r'\b\w+:id="([^"]+)"', sheet)
        for link in re.findall(r"<Relationship\b[^>]*>", links):
            if (
                key
                and f'Id="{key[1]}"' in link
                and (target := re.search(r'Target="([^"]+)"', link))
            ):
                part = target[1].lstrip("/")
                return part if part in archive.namelist() else f"xl/{part}"
    except (KeyError, IndexError):
        pass
    return None


def _padding_checked(made: Sheet, data: bytes, sheet: str) -> Sheet:
    """Note columns whose numbers are shown with leading zeros, which only their format has."""
    try:
        styles = zipfile.ZipFile(io.BytesIO(data)).read("xl/styles.xml").decode("utf-8", "replace")
    except (KeyError, zipfile.BadZipFile):
        return made
    formats = re.findall(r'formatCode="([^"]*)"', styles)
    if not any(_PADDED.match(each.replace("&quot;", '"').split(";")[0]) for each in formats):
        return made
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    padded: dict[int, int] = {}
    numbers = set() if made.voice.rows is None else set(made.voice.rows.tolist())
    for row in book[sheet].iter_rows():
        for cell in row:
            value = cell.value
            if (
                isinstance(value, int | float)
                and cell.row in numbers
                and _PADDED.match(str(cell.number_format).split(";")[0])
            ):
                padded[cell.column] = padded.get(cell.column, 0) + 1
    heads = list(made.frame.columns)
    positions = _positions(book[sheet], heads)
    marked = {heads[positions.index(c)]: n for c, n in padded.items() if c in positions}
    made.frame.attrs["padded"] = marked
    return made


def _positions(sheet: Any, heads: list[str]) -> list[int]:
    """Columns of a sheet, counted from 1, that have these heads."""
    for row in sheet.iter_rows(values_only=True):
        words = [" ".join(str(cell).split()) if cell is not None else "" for cell in row]
        if all(head in words or head == f"column {i}" for i, head in enumerate(heads, start=1)):
            return [words.index(h) + 1 if h in words else int(h.split()[1]) for h in heads]
    return list(range(1, len(heads) + 1))


# Columns with types: Parquet, Arrow, statistics packages, databases -------------------------------


def _needed(options: ReadOptions, names: Sequence[str]) -> list[str] | None:
    """Columns that the options name; None for all, where roles have to be found."""
    o = options
    single = (o.person, o.register, o.period, o.date, o.received, o.case, o.place)
    said = [*o.lists, *(o.covariates or ()), *o.count, *(name for name in single if name)]
    if not o.lists and not (o.person and o.register):
        return None
    chosen = [name for name in names if name in said or name == "synthetic"]
    return chosen if all(n in names for n in said if not (o.register and n in o.lists)) else None


def _parquet(path: Any, options: ReadOptions, *, command: bool) -> Sheet:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        names = list(file.schema_arrow.names)
        frame = _to_pandas(file.read(columns=_needed(options, names)))
    except (OSError, pa.ArrowException, ValueError) as error:
        msg = "The Parquet file cannot be read: it is broken, or is none, whatever its name says."
        raise InvalidTableError(msg) from error
    return Sheet(frame, "a Parquet file", Voice(command=command), (f"{len(names)} columns",))


def _arrow(path: Any, *, command: bool) -> Sheet:
    import pyarrow as pa
    import pyarrow.feather as feather

    try:
        frame = _to_pandas(feather.read_table(path))
    except (OSError, pa.ArrowException, ValueError) as error:
        msg = "The Arrow file cannot be read: it is broken, or is none, whatever its name says."
        raise InvalidTableError(msg) from error
    return Sheet(frame, "an Arrow file", Voice(command=command))


def _to_pandas(table: Any) -> pd.DataFrame:
    """Make a pandas frame; whole numbers stay so where some are missing, and an index becomes columns."""
    frame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    return pd.DataFrame(frame.rename(columns=str) if not frame.columns.has_duplicates else frame)


def _statistics(path: Path, suffix: str, *, command: bool) -> Sheet:
    """Read a file of Stata, SPSS or SAS, with labels in place of codes."""
    program, function = _STATISTICS[suffix]
    package = needed_package("pyreadstat", f"{program} files")
    try:
        frame, meta = getattr(package, function)(str(path))
    except (package.ReadstatError, OSError, ValueError) as error:
        msg = f"{path.name} cannot be read as a file of {program}: save it again, or as CSV."
        raise InvalidTableError(msg) from error
    codes, columns = {}, {}
    for name in frame.columns:
        labels = meta.variable_value_labels.get(name)
        columns[name] = frame[name]
        if labels and (labeled := _labeled(frame[name], labels)) is not None:
            codes[name], columns[name] = frame[name], labeled
    said = (f"labels in place of codes: {', '.join(codes)}",) if codes else ()
    frame = pd.DataFrame(columns)
    return Sheet(
        frame, f"a file of {program}", Voice(command=command, rows=np.arange(1, len(frame) + 1)), said,
        codes=codes,
    )  # fmt: skip


def _labeled(column: pd.Series[Any], labels: dict[Any, str]) -> pd.Series[Any] | None:
    """Labels of the codes of a column, if each code that occurs has one of its own."""
    held = list(column.dropna().unique())
    if not held or not all(code in labels for code in held):
        return None
    texts = [str(labels[code]).strip() for code in held]
    return column.map(labels).astype(object) if len(set(texts)) == len(texts) else None


def needed_package(name: str, what: str) -> Any:
    """Import a package of the extra `files`, or say that it is missing and how to have it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = (
            f"Reading {what} needs the package {name}, which is in the extra files: "
            'pip install "multiple-systems[files]".'
        )
        raise MissingDependencyError(msg) from error


def _sqlite(path: Path, options: ReadOptions, *, command: bool) -> Sheet:
    """Read a table, or the rows of a query, without writing to the file."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            found = connection.execute(
                "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%'"
            )
            query = _query_of(options, [name for (name,) in found], command=command)
            cursor = connection.execute(query)
            names = [str(each[0]) for each in cursor.description or ()]
            rows = cursor.fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        msg = f"The query of {path.name} failed: {error}."
        raise InvalidTableError(msg) from error
    if not rows or len(set(names)) < len(names):
        msg = (
            "The query gives no rows."
            if not rows
            else "The query gives columns of one name: rename them."
        )
        raise InvalidTableError(msg)
    columns = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {n: pd.Series(list(c), dtype=object) for n, c in zip(names, columns, strict=True)}
    )
    voice = Voice(command=command, rows=np.arange(1, len(frame) + 1))
    return Sheet(frame, "an SQLite database", voice, (f"query: {query}",))


def _duckdb(path: Path, options: ReadOptions, *, command: bool) -> Sheet:
    """Read a table, or the rows of a query, which DuckDB counts itself."""
    duckdb = needed_package("duckdb", "DuckDB files")
    try:
        connection = duckdb.connect(str(path), read_only=True)
        names = [
            row[0]
            for row in connection.sql("select table_name from information_schema.tables").fetchall()
        ]
        query = _query_of(options, names, command=command)
        relation = connection.sql(query)
    except duckdb.Error as error:
        msg = f"The query of {path.name} failed: {str(error).splitlines()[0]}."
        raise InvalidTableError(msg) from error
    voice = Voice(command=command, numbered=False)
    return Sheet(nw.from_native(relation), "a DuckDB database", voice, (f"query: {query}",))


def _query_of(options: ReadOptions, tables: Sequence[str], *, command: bool) -> str:
    """Take the query that was given, or one for the table that was named or is the only one."""
    asked = options.query or (tables[0] if len(tables) == 1 else None)
    if asked is None:
        said = Voice(command=command).option("query", tables[0] if tables else "select ...")
        msg = f"The database has {len(tables)} tables ({listed(tables, 12)}): say which, as in {said}, or a query."
        raise InvalidTableError(msg)
    if asked in tables:
        quoted = asked.replace('"', '""')
        return f'select * from "{quoted}"'
    if not re.match(r"\s*(select|with|from)\b", asked, re.IGNORECASE):
        msg = f"`query` is no table and no query: expected a table ({listed(tables, 12)}) or SQL that begins with select."
        raise InvalidTableError(msg)
    return asked
