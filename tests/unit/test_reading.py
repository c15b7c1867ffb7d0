"""Files as people have them: each is read right, or refused with advice, and none is counted wrong."""

from __future__ import annotations

import gzip
import io
import itertools
import sqlite3
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import dask.dataframe as dd
import duckdb
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyreadstat
import pytest

import mse
from mse.data.codings import Entries, membership, plain_numbers
from mse.errors import InvalidTableError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LISTS = ["P", "Q", "E"]
NAMES = [*LISTS, "n"]
CELLS = [
    (0, 0, 1, 63),
    (0, 1, 0, 55),
    (0, 1, 1, 18),
    (1, 0, 0, 69),
    (1, 0, 1, 17),
    (1, 1, 0, 21),
    (1, 1, 1, 28),
]
TABLE = mse.CaptureTable.from_counts({"".join(map(str, row[:3])): row[3] for row in CELLS}, LISTS)
PERSONS = [row[:3] for row in CELLS for _ in range(row[3])]
REPORTS = [
    (f"{number:04d}", name)
    for number, row in enumerate(PERSONS)
    for name, on in zip(LISTS, row, strict=True)
    if on
]


def text(mark: str = ",", yes: str = "1", no: str = "0", head: str = "P,Q,E,n") -> str:
    """Write the cells as text."""
    rows = [[yes if on else no for on in row[:3]] + [str(row[3])] for row in CELLS]
    return "\n".join([head.replace(",", mark), *(mark.join(row) for row in rows), ""])


def lines(head: str, rows: Any) -> str:
    return "\n".join([head, *(",".join(map(str, row)) for row in rows), ""])


def workbook(rows: Any, change: Callable[[Any, Any], object] | None = None) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    if change is not None:
        change(book, book.active)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def zipped(content: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("cells.csv", content)
    return target.getvalue()


def overlaps() -> str:
    rows = []
    for size in (1, 2, 3):
        for group in itertools.combinations(range(3), size):
            persons = sum(row[3] for row in CELLS if all(row[i] for i in group))
            rows.append([*("1" if i in group else "" for i in range(3)), persons])
    return lines("P,Q,E,n", rows)


def problem_of(source: Any, **options: Any) -> str:
    with pytest.raises(InvalidTableError) as caught:
        mse.read(source, **options)
    return str(caught.value)


# Forty shapes and more: those with one reading -----------------------------------------------------

#: What a file is, and the options without which it has two readings.
RIGHT: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "commas": (text(), {}),
    "semicolons": (text(";"), {}),
    "tabs": (text("\t"), {}),
    "bars": (text("|"), {}),
    "spaces between columns": (text(" "), {}),
    "spaces around cells": (text(" , "), {}),
    "carriage returns": (text().replace("\n", "\r"), {}),
    "windows lines": (text().replace("\n", "\r\n"), {}),
    "byte order mark": ("\ufeff" + text(), {}),
    "utf-16": (text("\t").encode("utf-16"), {}),
    "utf-16 without mark": (text("\t").encode("utf-16-le"), {}),
    "cp1252": (("Größe\n" + text()).encode("cp1252"), {}),
    "sep line": ("sep=;\n" + text(";"), {}),
    "title and empty rows": ("Tabel 3;;;\n;;;\n" + text(";") + ";;;\n;;;\n", {}),
    "title of one cell": ("Table 3: persons by list\n\n" + text(), {}),
    "repeated header": (text() + "P,Q,E,n\n", {}),
    "quotes": (text('","').replace("\n", '"\n"').join('""').removesuffix('""'), {}),
    "delimiter at the end": (text().replace("\n", ",\n"), {}),
    "names of rows, as R has them": (
        lines('"P","Q","E","n"', [(f'"{i}"', *row) for i, row in enumerate(CELLS)]),
        {},
    ),
    "index of pandas": (pd.DataFrame(CELLS, columns=NAMES).to_csv(), {}),
    "gzip": (gzip.compress(text().encode()), {}),
    "zip": (zipped(text()), {}),
    "ja nee": (text(yes="ja", no="nee"), {}),
    "Yes No": (text(yes="Yes", no="No"), {}),
    "oui non": (text(yes="oui", no="non"), {}),
    "JA NEIN": (text(yes="JA", no="NEIN"), {}),
    "TRUE FALSE": (text(yes="TRUE", no="FALSE"), {}),
    "T F": (text(yes="T", no="F"), {}),
    "J N": (text(yes="J", no="N"), {}),
    "O N": (text(yes="O", no="N"), {}),
    "x 0": (text(yes="x"), {}),
    "decimal commas": (text(";", yes="1,0", no="0,0"), {}),
    "x blank": (text(yes="x", no=""), {"blank": 0}),
    "1 blank": (text(no=""), {"blank": "0"}),
    "1 NA": (text(no="NA"), {"blank": "0"}),
    "1 2": (text(no="2"), {"yes": 1, "no": 2}),
    "2 1": (text(yes="2", no="1"), {"yes": "2", "no": "1"}),
    "other words": (text(yes="present", no="absent"), {"lists": LISTS, "yes": "present", "no": "absent", "count": "n"}),
    "numbers of registrations": (text(yes="3"), {"lists": LISTS, "yes": ">0", "count": "n"}),
    "dates of registration": (
        text(yes="2016-03-01", no=""),
        {"lists": LISTS, "yes": "*", "blank": 0, "count": "n"},
    ),
    "own name where ticked": (
        lines("P,Q,E,n", [[*(n if on else "" for n, on in zip(LISTS, row[:3], strict=True)), row[3]] for row in CELLS]),
        {"blank": 0},
    ),
    "no header": (text().partition("\n")[2], {"columns": NAMES}),
    "header passed over": (text(head="a,a,b,b"), {"columns": NAMES, "header": 1}),
    "histories": (
        lines("history,n", [("".join(map(str, row[:3])), row[3]) for row in CELLS]),
        {"lists": LISTS, "count": "n"},
    ),
    "persons": (lines("P,Q,E", PERSONS), {}),
    "persons with identifiers": (
        lines("id,P,Q,E", [(f"{i:04d}", *row) for i, row in enumerate(PERSONS)]),
        {},
    ),
    "persons twice": (
        lines("id,P,Q,E", [(i, *row) for i, row in [*enumerate(PERSONS), (0, PERSONS[0])]]),
        {"person": "id"},
    ),
    "registrations": (lines("person,register", REPORTS), {"lists": LISTS}),
    "overlaps": (overlaps(), {"shape": "overlaps", "lists": LISTS, "count": "n"}),
    "workbook": (workbook([NAMES, *CELLS]), {}),
    "workbook with a title and an empty column": (
        workbook([["Report 3"], [], [None, *NAMES], *([None, *row] for row in CELLS)]),
        {},
    ),
    "workbook of truth values": (
        workbook([NAMES, *([*map(bool, row[:3]), row[3]] for row in CELLS)]),
        {},
    ),
    "workbook of 1 and blank": (
        workbook([NAMES, *([on or None for on in row] for row in CELLS)]),
        {"blank": 0},
    ),
    "workbook of two sheets": (
        workbook([NAMES, *CELLS], lambda book, _: book.create_sheet("notes").append(["x"])),
        {"sheet": "Sheet"},
    ),
    "workbook of text": (workbook([NAMES, *([str(c) for c in row] for row in CELLS)]), {}),
}  # fmt: skip


@pytest.mark.parametrize("shape", list(RIGHT))
def test_is_read_right(shape: str) -> None:
    content, options = RIGHT[shape]
    data = content.encode() if isinstance(content, str) else content
    read = mse.Reading.of(data, **options)
    assert read.questions == ()
    assert read.table == TABLE
    # What was understood reads the same again.
    assert mse.read(data, read.options) == TABLE


@pytest.mark.parametrize(
    ("shape", "option"),
    [
        (shape, name)
        for shape, (_, options) in RIGHT.items()
        for name in options
        if name in ("blank", "yes", "columns", "person", "sheet") and shape not in ("1 2", "2 1")
    ],
)
def test_two_readings_are_refused_without_the_option_that_says_which(
    shape: str, option: str
) -> None:
    content, options = RIGHT[shape]
    data = content.encode() if isinstance(content, str) else content
    found = problem_of(data, **{name: value for name, value in options.items() if name != option})
    assert f"`{option}" in found or "`header=" in found


# Those with two readings, or none ------------------------------------------------------------------


def padded(_: Any, sheet: Any) -> None:
    for row in sheet.iter_rows(min_row=2, max_col=1):
        row[0].number_format = "0000"


def merged(_: Any, sheet: Any) -> None:
    sheet.merge_cells("A1:E1")
    sheet.merge_cells("E3:E5")


def hidden(_: Any, sheet: Any) -> None:
    sheet.row_dimensions[3].hidden = True


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "count forgotten": (text(), {"lists": LISTS}, "count='n'"),
    "count under another name": (text(head="P,Q,E,k"), {}, "count='k'"),
    "row of totals": (text() + "Total,,,271\n", {}, "totals"),
    "row of totals without a word": (text() + ",,,271\n", {}, "line 9"),
    "row of totals, blank unknown": (text() + ",,,271\n", {"blank": "unknown"}, "totals"),
    "row of totals, blank not on it": (text(no="") + ",,,271\n", {"blank": 0}, "line 9"),
    "totals as a level": (
        lines("P,Q,n,sex", [(1, 0, 4, "f"), (0, 1, 5, "m"), (1, 1, 2, "f"), (1, 0, 4, "total")]),
        {"covariates": ["sex"], "lists": ["P", "Q"], "count": "n"},
        "totals",
    ),
    "footnote": (text() + "Source: own count\n", {}, "line 9"),
    "names twice": (text(head="P,P,E,n"), {}, "columns 1, 2"),
    "marks that may be decimals": (
        lines("P;Q;n", ["1;0;2.000", "0;1;1.000", "1;1;3.000"]).replace(",", ""),
        {},
        "`thousands='.'`",
    ),
    "dots in a file with commas": (
        lines("P,Q,n", [(1, 0, "1.204"), (0, 1, 731), (1, 1, 19)]), {}, "`thousands='.'`",
    ),
    "x beside 1": (
        lines("P,Q,n", [(1, 0, 5), (0, 1, 6), (1, 1, 7), ("x", 1, 2)]),
        {"lists": ["P", "Q"], "count": "n"},
        "`yes`",
    ),
    "a characteristic of 0 and 1": (
        lines("P,Q,female,n", [(1, 0, 1, 5), (0, 1, 0, 6), (1, 1, 1, 7)]), {}, "lists=['P', 'Q']",
    ),
    "person and register exchanged": (
        lines("person,register", REPORTS), {"person": "register", "register": "person"}, "exchanged",
    ),
    "registers in two spellings": (
        lines("person,register", [*REPORTS, ("0000", "p")]),
        {"person": "person", "register": "register"},
        "capitals",
    ),
    "registrations by year": (
        lines("pseudonym,register,year", [(p, r, 2016) for p, r in REPORTS]), {}, "period='year'",
    ),
    "identifiers that a spreadsheet cut": (
        lines("person,register", [("1.23457E+11", "P"), ("2.5E+11", "Q"), ("2.5E+11", "P")]),
        {"person": "person", "register": "register"},
        "digits",
    ),
    "codes of countries": (
        lines("P,Q,land,n", [(1, 0, "NA", 5), (0, 1, "NL", 6), (1, 1, "BE", 7)]),
        {"lists": ["P", "Q"], "covariates": ["land"], "count": "n"},
        "unknown='NA'",
    ),
    "workbook with padded numbers": (
        workbook([("person", "register"), *((int(p), r) for p, r in REPORTS)], padded),
        {"person": "person", "register": "register"},
        "leading zeros",
    ),
    "workbook with hidden rows": (workbook([NAMES, *CELLS], hidden), {}, "hidden"),
    "workbook with merged cells": (
        workbook([["Title"], [*NAMES, "year"], *((*row, 2014) for row in CELLS)], merged), {}, "merged",
    ),
    "registers in one entry": (
        lines("person,register", [*REPORTS, ("0000", "P/Q")]),
        {"person": "person", "register": "register"},
        "several registers",
    ),
    "columns named, one too few": (
        lines("", [(f"k{i}", *row) for i, row in enumerate(CELLS)]), {"columns": NAMES}, "has 4",
    ),
    "workbook with formulas not computed": (
        workbook([NAMES, *((*row[:3], f"={row[3]}+0") for row in CELLS)]), {}, "formulas",
    ),
    "a third word": (text(yes="ja", no="nee").replace("nee", "deels", 1), {}, "unknown='...'"),
    "a third word for not applicable": (
        text(yes="ja", no="nee").replace("nee", "n.v.t.", 1), {}, "`ignore='P'`",
    ),
    "a code for not known": (text().replace("0,0,1", "9,0,1"), {}, "`ignore='P'`"),
    "shares in place of counts": (
        lines("P,Q,E,pct", [(*row[:3], f"{100 * row[3] / 271:.1f}%") for row in CELLS]), {}, "holds shares",
    ),
    "shares that add up to one": (
        lines("P;Q;E;deel", [";".join(f"{each}" for each in (*row[:3], f"{row[3] / 271:.4f}".replace(".", "|"))) for row in CELLS])
        .replace(",", "").replace("|", ","),
        {},
        "holds shares",
    ),
    "counts in two columns": (
        lines("P,Q,E,mannen,vrouwen", [(*row, row[3] + 1) for row in CELLS]), {}, "add up what are parts",
    ),
    "a list that says how often": (
        lines("P,Q,E", [(*row[:2], row[2] * (1 + i % 2)) for i, row in enumerate(PERSONS)]), {}, "`yes='>0'`",
    ),
    "one identifier for nobody": (
        lines("person,register", [(p if i % 7 else "000", r) for i, (p, r) in enumerate(REPORTS)]),
        {"lists": LISTS},
        "for nobody",
    ),
    "identifiers in two spellings": (
        lines("person,register", [(f"{'Aa'[i % 2]}{p}", r) for i, (p, r) in enumerate(REPORTS)]),
        {"lists": LISTS},
        "upper and lower case",
    ),
    "identifiers as numbers with decimals": (
        lines("person,register", [(f"{int(p)}{'.0' * (r == 'P')}", r) for p, r in REPORTS]),
        {"lists": LISTS},
        ".0 behind",
    ),
    "a period of days": (
        lines("person,register,day", [(p, r, f"2014-03-{1 + i % 28:02d}") for i, (p, r) in enumerate(REPORTS)]),
        {"person": "person", "register": "register", "period": "day"},
        "on every day",
    ),
    "levels at the head of their rows": (
        lines("year,P,Q,E,n", [(year * (i == 0), *row) for year in ("2014", "2015") for i, row in enumerate(CELLS)]),
        {"covariates": ["year"]},
        "fill each level down",
    ),
    "a list twice": (lines("P,Q,E,P.1,n", [(*row[:3], row[0], row[3]) for row in CELLS]), {}, "ignore='P.1'"),
    "lists of two years side by side": (
        lines("P_2014,Q_2014,P_2015,Q_2015", [(*row[:2], row[2], row[0]) for row in PERSONS]), {}, "several years",
    ),
    "totals under another name in a column that is summed over": (
        "P,Q,sex,n\n1,0,m,10\n0,1,m,8\n1,1,m,3\n1,0,f,11\n0,1,f,9\n1,1,f,4\n1,0,mf,21\n0,1,mf,17\n1,1,mf,7\n",
        {},
        "as many persons as all others together",
    ),
    "totals under another name": (
        lines(
            "sex,P,Q,E,n",
            [(sex, *row[:3], n) for row in CELLS for sex, n in (("man", row[3]), ("vrouw", 9), ("mv", row[3] + 9))],
        ),
        {"covariates": ["sex"]},
        "as a total has",
    ),
    "histories without their zeros": (
        lines("history,n", [(int("".join(map(str, row[:3]))), row[3]) for row in CELLS]),
        {"lists": LISTS, "count": "n"},
        "'001'",
    ),
    "overlaps as a square": (
        lines("lijst,P,Q,E", [("P", 135, 49, 45), ("Q", 49, 122, 46), ("E", 45, 46, 126)]), {}, "shape='overlaps'",
    ),
    "names where somebody is on a list": (
        lines("P,Q,E", [[f"k{i}" * on for on in row] for i, row in enumerate(PERSONS)]), {}, "`yes='*'`",
    ),
    "either delimiter": ("a;b,c\n1;0,5\n0;1,6\n", {}, "delimiter"),
    "quote that does not end": (text().replace("0,0,1", '"0,0,1'), {}, "cannot be read"),
    "pdf": (b"%PDF-1.7", {}, "PDF"),
    "html": (b"<html><table></table></html>", {}, "HTML"),
    "json": (b'[{"P": 1}]', {}, "JSON"),
    "R data": (gzip.compress(b"RDX3\nX\n"), {}, "write.csv"),
    "nothing": (b"", {}, "empty"),
    "header only": (b"P,Q,n\n", {}, "no rows of data"),
    "binary": (bytes(range(256)) * 8, {}, "no text"),
    "zip cut off": (zipped(text())[:60], {}, "broken"),
    "gzip cut off": (gzip.compress(text().encode())[:30], {}, "broken"),
}  # fmt: skip


@pytest.mark.parametrize("shape", list(REFUSED))
def test_is_refused_with_advice(shape: str) -> None:
    content, options, advice = REFUSED[shape]
    found = problem_of(content.encode() if isinstance(content, str) else content, **options)
    assert advice in found


def test_advice_on_third_words_can_be_followed() -> None:
    said = text(yes="ja", no="nee").replace("nee", "deels", 1)
    table = mse.read(said.encode(), lists=LISTS, count="n", unknown="deels")
    assert table.lists == tuple(LISTS)
    assert table.n_observed == TABLE.n_observed
    assert not table.is_complete
    known = said.replace("deels", "niet bekend")
    assert mse.read(known.encode()) == table
    assert mse.read(known.encode()).lists == tuple(LISTS)


def test_advice_on_lists_that_say_how_often_can_be_followed() -> None:
    rows = [(*row[:2], row[2] * (1 + i % 2)) for i, row in enumerate(PERSONS)]
    assert mse.read(lines("P,Q,E", rows).encode(), lists=LISTS, yes=">0") == TABLE


def test_what_has_a_reason_is_not_asked() -> None:
    # Lists that were named, characteristics, and identifiers that differ as they should.
    wide = lines("P_2014,P_2015", [row[:2] for row in PERSONS if any(row[:2])])
    assert mse.read(wide.encode(), lists=["P_2014", "P_2015"]).n_lists == 2
    traits = lines(
        "P,Q,E,roker", [(*row, ("ja", "nee", "soms")[i % 3]) for i, row in enumerate(PERSONS)]
    )
    assert mse.read(traits.encode(), covariates=["roker"]).n_observed == TABLE.n_observed
    assert mse.read(traits.encode(), ignore=["roker"]) == TABLE
    case = lines("person,register", [(f"{p}{'aB'[int(p) % 2]}", r) for p, r in REPORTS])
    assert mse.read(case.encode(), lists=LISTS) == TABLE


def test_a_text_of_several_lines_is_not_repeated() -> None:
    with pytest.raises(InvalidTableError, match="encode") as caught:
        mse.read("id,P,Q\nSECRET1,1,0\n")
    assert "SECRET" not in str(caught.value)


def test_forty_shapes_and_more() -> None:
    assert len(RIGHT) >= 32
    assert len(RIGHT) + len(REFUSED) >= 40


# Numbers, words and labels -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "mark", "persons"),
    [
        (["2.000", "731", "1.204"], ";", 3_935),
        (["1.204.000", "1.000", "2.000"], ",", 1_207_000),
        (["2 000", "1 204", "731"], ";", 3_935),
        (["1.204,00", "731,00", "2.000,00"], ";", 3_935),
        (["12.0", "5.0", "731.0"], ",", 748),
        (["12,00", "5,00", "731,00"], ";", 748),
        (["<5", "12", "5-9"], ";", 17),
    ],
)
def test_marks_in_numbers(entries: list[str], mark: str, persons: int) -> None:
    rows = zip(["1", "0", "1"], ["0", "1", "1"], entries, strict=True)
    content = "\n".join(mark.join(row) for row in [("P", "Q", "n"), *rows])
    assert mse.read(content.encode()).n_observed == persons


def test_marks_by_option() -> None:
    content = b"P;Q;n\n1;0;2.000\n0;1;1.000\n1;1;3.000\n"
    assert mse.read(content, thousands=".").n_observed == 6_000
    assert mse.read(content, decimal=".").n_observed == 6
    assert plain_numbers(["1,5"], Entries()) == {}


def test_identifiers_and_labels_are_text() -> None:
    rows = [("001", "P", "0363"), ("1", "Q", "0363"), ("5e3", "P", "0599"), ("5000", "Q", "0599")]
    table = mse.read(
        lines("person,register,place", rows).encode(),
        person="person", register="register", covariates=["place"],
    )  # fmt: skip
    assert table.n_observed == 4
    assert table.covariates["place"] == ("0363", "0599")


def test_whole_numbers_are_numbers_where_nothing_is_lost() -> None:
    rows = [(1, 0, 5, 2014), (0, 1, 6, 2015), (1, 1, 7, "")]
    options: dict[str, Any] = {"lists": ["P", "Q"], "count": "n", "covariates": ["year"]}
    assert mse.read(lines("P,Q,n,year", rows).encode(), **options).covariates["year"] == (
        2014,
        2015,
    )
    rows = [(1, 0, 5, "2014.0"), (0, 1, 6, "2015.0"), (1, 1, 7, "")]
    assert mse.read(lines("P,Q,n,year", rows).encode(), **options).covariates["year"] == (
        2014,
        2015,
    )


def test_f_is_false_only_beside_t() -> None:
    assert membership(["t", "f"], Entries())[0] == [1, 0]
    assert membership(["m", "f"], Entries())[0] == [-2, -2]
    assert membership(["o", "1"], Entries())[0] == [-2, 1]


def test_rows_are_numbered_as_the_file_has_them() -> None:
    content = "Title\n\n" + text().replace("1,1,0,21", "1,1,0,-21")
    assert "line 9" in problem_of(content.encode())
    book = workbook([["Title"], [], NAMES, *CELLS[:-1], (1, 1, 1, -28)])
    assert "row 10" in problem_of(book)


def test_no_entry_of_a_column_is_told() -> None:
    rows = lines("id,reg,n", [(f"PSEUDO{i}", f"r{i % 2}", 1 + i) for i in range(9)]).encode()
    for options in (
        {"lists": ["id", "reg"]},
        {"lists": ["id", "reg"], "count": "n"},
        {"lists": ["reg", "n"], "count": "id"},
        {"person": "reg", "register": "id"},
        {"person": "n", "register": "reg", "lists": ["id", "x"]},
    ):
        assert "PSEUDO" not in problem_of(rows, **options)
    headless = rows.partition(b"\n")[2]
    assert "PSEUDO" not in problem_of(headless)


def test_unlisted_persons_are_left_out_where_that_is_said() -> None:
    rows = lines("P,Q,R", [(1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1)]).encode()
    assert "drop_unlisted" in problem_of(rows, lists=["P", "Q"])
    with pytest.warns(mse.MSEWarning, match="on none of the lists: line 5"):
        assert mse.read(rows, lists=["P", "Q"], drop_unlisted=True).n_observed == 3


# Files of programs, databases, frames --------------------------------------------------------------

FRAME = pd.DataFrame(CELLS, columns=NAMES)


def test_parquet_and_arrow(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "a.parquet")
    FRAME.to_feather(tmp_path / "a.arrow")
    assert mse.read(tmp_path / "a.parquet") == TABLE
    assert mse.read(str(tmp_path / "a.arrow")) == TABLE
    assert mse.read((tmp_path / "a.parquet").read_bytes()) == TABLE


def test_statistics_packages(tmp_path: Path) -> None:
    coded = FRAME.assign(**{name: 2 - FRAME[name] for name in LISTS})
    labels: dict[str, Any] = {name: {1: "Ja", 2: "Nee"} for name in LISTS}
    pyreadstat.write_dta(FRAME, str(tmp_path / "a.dta"))
    pyreadstat.write_sav(FRAME, str(tmp_path / "a.sav"))
    pyreadstat.write_xport(FRAME, str(tmp_path / "a.xpt"))
    pyreadstat.write_sav(coded, str(tmp_path / "labels.sav"), variable_value_labels=labels)
    pyreadstat.write_sav(coded, str(tmp_path / "codes.sav"))
    for name in ("a.dta", "a.sav", "a.xpt", "labels.sav"):
        assert mse.read(tmp_path / name, lists=LISTS, count="n") == TABLE
    assert "`yes='1'`" in problem_of(tmp_path / "codes.sav")
    assert mse.read(tmp_path / "codes.sav", yes=1, no=2) == TABLE


def test_labels_that_say_neither_leave_the_codes(tmp_path: Path) -> None:
    labels: dict[str, Any] = {name: {1: f"in {name}", 0: "elsewhere"} for name in LISTS}
    pyreadstat.write_sav(FRAME, str(tmp_path / "a.sav"), variable_value_labels=labels)
    assert mse.read(tmp_path / "a.sav", lists=LISTS, count="n") == TABLE


def test_databases(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        FRAME.to_sql("cells", connection, index=False)
        FRAME.to_sql("others", connection, index=False)
    connection.close()
    assert "query" in problem_of(tmp_path / "a.db")
    assert mse.read(tmp_path / "a.db", query="cells") == TABLE
    assert mse.read(tmp_path / "a.db", query="select * from others where n > 0") == TABLE
    assert "select" in problem_of(tmp_path / "a.db", query="delete from cells")
    connection = duckdb.connect(str(tmp_path / "a.duckdb"))
    connection.execute("create table cells as select * from FRAME")
    connection.close()
    assert mse.read(tmp_path / "a.duckdb") == TABLE
    assert mse.read(tmp_path / "a.duckdb", query="from cells where n > 20").n_observed < 271


def test_a_package_that_is_missing_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyreadstat.write_sav(FRAME, str(tmp_path / "a.sav"))
    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    with pytest.raises(MissingDependencyError, match=r"multiple-systems\[files\]"):
        mse.read(tmp_path / "a.sav")


def registrations() -> pd.DataFrame:
    rows = [
        (person, name, 2014 + int(person) % 2, "f" if int(person) % 3 else "m", "young")
        for person, name in REPORTS
    ]
    frame = pd.DataFrame(rows, columns=["person", "register", "year", "sex", "age"])
    frame.loc[::7, "sex"] = None
    frame.loc[5::50, "age"] = "old"
    frame.loc[8::31, "age"] = "unknown"
    return frame


FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
    "polars, lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "duckdb": duckdb.from_df,
    "dask": lambda frame: dd.from_pandas(frame, npartitions=3),
}


@pytest.mark.parametrize("library", list(FRAMES))
def test_frames_give_one_table(library: str) -> None:
    make = FRAMES[library]
    named: dict[str, Any] = {"lists": LISTS, "count": "n"}
    assert mse.read(make(FRAME), **named) == TABLE
    assert mse.read(make(FRAME)) == TABLE
    assert mse.read(make(pd.DataFrame(PERSONS, columns=LISTS)), lists=LISTS) == TABLE
    words = FRAME.replace({name: {0: "nee", 1: "ja"} for name in LISTS})
    assert mse.read(make(words), **named) == TABLE
    blank = FRAME.astype(dict.fromkeys(LISTS, "Int64"))
    blank[LISTS] = blank[LISTS].where(blank[LISTS] == 1)
    assert "blank='0'" in problem_of(make(blank), **named)
    assert mse.read(make(blank), **named, blank=0) == TABLE


@pytest.mark.parametrize("library", list(FRAMES))
def test_registrations_in_frames_give_one_table(library: str) -> None:
    options: dict[str, Any] = {
        "person": "person", "register": "register", "period": "year", "covariates": ["sex", "age"],
    }  # fmt: skip
    with pytest.warns(mse.InconsistentRecordsWarning) as expected:
        table = mse.CaptureTable.from_records(registrations(), **options)
    with pytest.warns(mse.InconsistentRecordsWarning) as found:
        assert mse.read(FRAMES[library](registrations()), **options) == table
    assert str(found[0].message) == str(expected[0].message)
    missing = registrations()
    missing.loc[3, "person"] = None
    assert "names no person" in problem_of(FRAMES[library](missing), **options)
    swapped = options | {"person": "register", "register": "person"}
    assert "0001" not in problem_of(FRAMES[library](registrations()), **swapped)


def test_large_parts_are_counted_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = registrations().drop(columns=["age"])
    options: dict[str, Any] = {"person": "person", "register": "register", "covariates": ["sex"]}
    whole = mse.read(frame, **options)
    monkeypatch.setattr("mse.data.lazy_frames.PART", 1)
    monkeypatch.setattr("mse.data.lazy_frames.FEW_LEVELS", 0)
    for library in ("polars, lazy", "duckdb", "dask"):
        assert mse.read(FRAMES[library](frame), **options) == whole
        numbers = frame.assign(person=frame["person"].astype(int) - 5)
        assert mse.read(FRAMES[library](numbers), **options) == whole


def test_identifiers_in_lazy_frames_that_occur_twice_are_asked_about() -> None:
    rows = [(i, *row) for i, row in [*enumerate(PERSONS), (0, PERSONS[0])]]
    frame = pl.DataFrame(rows, schema=["id", *LISTS], orient="row").lazy()
    assert "`person='id'`" in problem_of(frame, lists=LISTS)
    assert mse.read(frame, lists=LISTS, ignore="id").n_observed == 272


def test_cells_given_twice_are_refused_wherever_they_live() -> None:
    twice = pd.concat([FRAME, FRAME])
    for make in FRAMES.values():
        assert "duplicate cells" in problem_of(make(twice), lists=LISTS, count="n")
        assert mse.read(make(twice), lists=LISTS, count="n", summed=True).n_observed == 542


def test_an_open_file_and_integer_names() -> None:
    assert mse.read(io.StringIO(text())) == TABLE
    assert mse.read(io.BytesIO(text().encode())) == TABLE
    numbered = FRAME.set_axis(range(4), axis=1)
    assert mse.read(numbered, lists=[0, 1, 2], count=3).counts.tolist() == TABLE.counts.tolist()


# Options, roles, registrations ---------------------------------------------------------------------


def test_options_are_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text(no=""), encoding="utf-8")
    read = mse.Reading.of(tmp_path / "a.csv", blank=0)
    options = tmp_path / "a.toml"
    options.write_text(f'source = "a.csv"\n{read.options.to_toml()}\n', encoding="utf-8")
    assert mse.read(options) == TABLE
    assert mse.read(tmp_path / "a.csv", options) == TABLE
    assert mse.read(tmp_path / "a.csv", read.options) == TABLE
    with pytest.raises(InvalidTableError, match="Did you mean 'lists'"):
        mse.read(tmp_path / "a.csv", list=["P"])
    options.write_text("lists = 'P\n", encoding="utf-8")
    with pytest.raises(InvalidTableError, match="cannot be read"):
        mse.read(options)


@pytest.mark.parametrize(
    "options",
    [
        {"shape": "wide"}, {"blank": "1"}, {"count": ["a", "b", "c"]}, {"delimiter": "--"}, {"lists": {"a", "b"}},
        {"header": -1}, {"drop_unlisted": "yes"}, {"encoding": 8}, {"lists": 2.5},
    ],
)  # fmt: skip
def test_options_that_mean_nothing(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidTableError, match="expected"):
        mse.ReadOptions(**options)


def test_registrations_keep_the_columns_for_what_comes_later() -> None:
    rows = [("01", "P", 2016, "31-03-2016", "2016-04-02", "k1"), ("01", "Q", 2016, "01-04-2016", "", "k2"), ("1", "Q", 2016, "", "", "k3")]  # fmt: skip
    read = mse.Reading.of(
        lines("who,src,year,day,in,dossier", rows).encode(),
        person="who", register="src", period="year", date="day", received="in", case="dossier",
    )  # fmt: skip
    found = read.registrations()
    assert list(found) == ["person", "register", "period", "date", "received", "case"]
    assert found["person"].tolist() == ["01", "01", "1"]
    assert found["date"].tolist()[:2] == [pd.Timestamp(2016, 3, 31), pd.Timestamp(2016, 4, 1)]
    assert read.table is not None
    assert read.table.n_observed == 2
    rows = [("01", "P", "03-04-2016"), ("02", "Q", "05-04-2016"), ("02", "P", "05-04-2016")]
    read = mse.Reading.of(
        lines("who,src,day", rows).encode(), person="who", register="src", date="day"
    )
    with pytest.raises(InvalidTableError, match="day-month or month-day"):
        read.registrations()


def test_summary_says_what_was_understood() -> None:
    content = ("Title\n\n" + text(";", head="P;Q;E;n").replace("63", "<5")).encode()
    said = mse.Reading.of(content).summary()
    for part in (
        "7 rows of cells",
        "semicolon",
        "title",
        "lists: P, Q, E",
        "persons: the column n",
    ):
        assert part in said
    assert "counts within bounds" in said


def test_datasets_by_name() -> None:
    assert mse.read("artificial_3") == mse.load_dataset("artificial_3")
    with pytest.raises(InvalidTableError, match="Did you mean the dataset 'kosovo'"):
        mse.read("kosvo")
    with pytest.raises(InvalidTableError, match="is for files"):
        mse.read("kosovo", count="n")


def test_estimators_say_how_data_are_read() -> None:
    model = mse.LogLinear("main")
    for call in (
        mse.estimate,
        lambda data: mse.compare(data, [model]),
        lambda data: mse.bootstrap(model, data, 20),
        lambda data: mse.validate(data, [model]),
        mse.monitor,
    ):
        with pytest.raises(InvalidTableError, match=r"mse\.read\(data, lists="):
            call(FRAME)
    assert mse.estimate("korea", model="main").observed == 123


# Overlaps, and what tables are made of by hand -----------------------------------------------------


def test_overlaps_of_all_lists_are_cells() -> None:
    published = {
        "a": 542,
        "b": 574,
        "c": 598,
        "a & b": 70,
        ("c", "a"): 155,
        "b&c": 103,
        "a&b&c": 57,
    }
    table = mse.CaptureTable.from_overlaps(published)
    assert table.counts.ravel().tolist() == [0, 397, 458, 46, 374, 98, 13, 57]


def test_overlaps_of_pairs_are_a_status_and_never_cells() -> None:
    published = {"a": 542, "b": 574, "c": 598, "a & b": 70, "a & c": 155, "b & c": 103}
    table = mse.CaptureTable.from_overlaps(published, ["c", "b", "a"])
    assert table.lists == ("c", "b", "a")
    assert len(table.patterns) == 0
    assert table.overlaps().loc["a", "c"] == 155
    assert "at least 1,386 persons" in table.describe()
    found = mse.estimate(table)
    assert found.status == "not_estimable"
    assert "1,386 persons or more" in found.reason
    assert table != mse.CaptureTable.from_margins({"c": 598, "b": 574, "a": 542}, union=1386)


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ({"a": 5, "b": 4, "a & b": 6}, "cannot be larger"),
        ({"a": 5, "a & b": 3}, "total of list 'b' is missing"),
        ({"a": 5, "b": 5, "c": 5, "a&b": 5, "a&c": 5, "b&c": 0, "a&b&c": 0}, "contradict"),
        ({"a": 5, "b": 4, "a & b": "<5"}, "exact"),
        ({"a": 5, "b": 4, 7: 3}, "tuple of names"),
        ({}, "empty"),
    ],
)
def test_overlaps_that_cannot_be(published: dict[Any, Any], message: str) -> None:
    with pytest.raises(InvalidTableError, match=message):
        mse.CaptureTable.from_overlaps(published)


def test_counts_as_frames_and_other_programs_give_them() -> None:
    counts = pd.DataFrame(PERSONS, columns=LISTS).groupby(LISTS).size().to_dict()
    assert mse.CaptureTable.from_counts(counts, LISTS) == TABLE
    for nobody in (None, float("nan"), 0):
        counts[0, 0, 0] = nobody
        assert mse.CaptureTable.from_counts(counts, LISTS) == TABLE
    dense = TABLE.counts.astype(float)
    dense[0, 0, 0] = float("nan")
    assert mse.CaptureTable.from_array(dense, LISTS) == TABLE


@pytest.mark.parametrize(
    "make",
    [
        lambda: mse.CaptureTable.from_counts({"10": 10**400, "01": 1, "11": 1}, ["a", "b"]),
        lambda: mse.CaptureTable.from_counts({"10": 1, "01": 1, "11": 1}, {"a", "b"}),
        lambda: mse.CaptureTable.from_array([[0, 1], [1]], ["a", "b"]),
        lambda: mse.CaptureTable.from_frame(FRAME, {"P", "Q"}, count="n"),
        lambda: mse.CaptureTable.from_frame(pa.Table.from_pandas(FRAME), [("P",), ("Q",)], count="n"),
        lambda: mse.CaptureTable.from_records(pa.Table.from_pandas(FRAME), ("P",), "Q"),
        lambda: mse.CaptureTable.from_records(
            pd.DataFrame({"id": [2.0**53, 2.0**53 + 2], "s": ["a", "b"]}), "id", "s"
        ),
        lambda: mse.CaptureTable.from_counts({"10": 1, "01": 1}, ["a\ud800", "b"]),
    ],
)  # fmt: skip
def test_what_no_table_is_made_of(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidTableError):
        make()


def test_arrow_dictionaries_of_numbers_with_gaps() -> None:
    year = pa.array([2014, None, 2015, 2014, 2015, 2014, 2014]).dictionary_encode()
    frame = pa.Table.from_pandas(FRAME).append_column("year", year)
    table = mse.CaptureTable.from_frame(frame, LISTS, ["year"], "n")
    assert table.covariates["year"] == (2014, 2015)


def test_no_warning_comes_of_reading() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mse.read(text().encode())
        mse.read(workbook([NAMES, *CELLS]))
