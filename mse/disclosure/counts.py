"""Frames of counts made fit to leave: cross tables with totals, and long frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mse._result import Result, layout
from mse._text import Section
from mse.disclosure.cells import Book
from mse.disclosure.protected import Protected, publish
from mse.disclosure.publication import Publication
from mse.disclosure.rules import MARK
from mse.errors import InvalidTableError
from mse.intake.problems import Problems, listed, near, rows_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse.disclosure.cells import Cells, Key
    from mse.disclosure.rules import Rules

__all__ = [
    "ProtectedCounts",
    "cells_of_frame",
    "has_marks",
    "printed",
    "protect_counts",
    "stacked",
]

#: What stands in place of a count in tables of all sorts.
_MARKS = ("", "x", "X", ".", "*", "-", "\u2013")


@dataclass(frozen=True, eq=False, repr=False)
class ProtectedCounts(Result, Protected):
    """A frame of counts, fit to leave.

    Attributes
    ----------
    frame : DataFrame
        In the form that was given; suppressed counts are missing, others rounded. A long frame has a
        further column ``suppressed``.
    mask : DataFrame or Series of bool
        Where counts are suppressed: like a cross table, or one value a row of a long frame.
    """

    frame: pd.DataFrame
    mask: pd.DataFrame | pd.Series
    publication: Publication

    def marked(self, mark: str = MARK) -> pd.DataFrame:
        """Write the frame as text, with a mark in place of what is suppressed."""
        text = self.frame.astype(object).map(_written)
        if isinstance(self.mask, pd.DataFrame):
            return text.mask(self.mask, mark)
        blank = self.frame.columns[self.frame.isna().any(axis=0)]
        for name in blank:
            text[name] = text[name].mask(self.mask & self.frame[name].isna(), mark)
        return text.drop(columns="suppressed")

    def to_frame(self) -> pd.DataFrame:
        """Give the frame."""
        return self.frame.copy()

    def __repr__(self) -> str:
        return f"<ProtectedCounts: {len(self.suppressed):,} counts suppressed>"

    def _sections(self) -> list[Section]:
        text = self.marked()
        if isinstance(self.mask, pd.DataFrame):
            text = text.reset_index(names="" if text.index.name is None else str(text.index.name))
        rows = [list(map(str, row)) for row in text.itertuples(index=False, name=None)]
        table = layout([str(name) for name in text.columns], rows)
        return [Section("Counts", verbatim=table, paragraphs=(self.note,) if self.note else ())]


def _written(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return "-"
    if isinstance(value, float | np.floating):
        return "-" if np.isnan(value) else f"{value:,.10g}"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)


def protect_counts(
    frame: pd.DataFrame,
    rules: Rules,
    *,
    by: Sequence[str] | None = None,
    count: str = "n",
    total: str = "total",
    persons: Sequence[str] = (),
    others: Sequence[str] = (),
    largest: str | None = None,
) -> ProtectedCounts:
    """Suppress and round a frame of counts of persons.

    Parameters
    ----------
    frame : DataFrame
        A cross table of counts, its index and columns the categories; or with ``by`` a long frame, one
        row a cell. Cells that are missing have nobody.
    rules : Rules
        What is to be protected.
    by : sequence of str, optional
        Columns of categories of a long frame.
    count : str, default "n"
        Column of the counts of a long frame.
    total : str, default "total"
        The category that stands for all of them: totals must be in the frame if they are published.
    persons, others : sequence of str
        Further columns of a long frame that go with the count: they are blank where it is suppressed,
        and elsewhere ``persons`` (estimated numbers) are rounded. Nothing else is checked of them.
    largest : str, optional
        Column of a long frame with the largest contribution to the count by one contributor, in the
        units of the count; for the rule on dominance. It does not leave.

    Returns
    -------
    ProtectedCounts

    Raises
    ------
    InvalidTableError
        With every problem found: counts that are missing, negative or not whole; cells that occur
        twice; parts that add up to more than their total.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> frame = pd.DataFrame({"f": [3, 30, 33], "m": [40, 25, 65], "total": [43, 55, 98]})
    >>> frame.index = ["2014", "2015", "total"]
    >>> table = mse.disclosure.protect_counts(frame, mse.disclosure.Rules(threshold=10))
    >>> table.marked()
            f   m total
    2014    x   x    43
    2015    x   x    55
    total  33  65    98
    """
    if by is None:
        cells, keys = cells_of_frame(stacked(frame), rules, ["row", "column"], "n", total)
        publication = publish(cells, rules)
        shape = frame.shape
        values = pd.array(_values(publication, keys), dtype="Int64")
        mask = _gone(publication, keys).reshape(shape)
        columns = [values[at :: shape[1]] for at in range(shape[1])]
        shown = pd.DataFrame(dict(enumerate(columns)), index=frame.index)
        shown.columns = frame.columns
        marks = pd.DataFrame(mask, index=frame.index, columns=frame.columns)
        return ProtectedCounts(shown, marks, publication)
    cells, keys = cells_of_frame(frame, rules, by, count, total, largest)
    publication = publish(cells, rules)
    return _long(frame, publication, keys, count, persons, others, drop=largest)


def _long(
    frame: pd.DataFrame,
    publication: Publication,
    keys: Sequence[Key],
    count: str,
    persons: Sequence[str],
    others: Sequence[str],
    *,
    drop: str | None,
) -> ProtectedCounts:
    """Write what is published into a long frame."""
    mask = pd.Series(_gone(publication, keys), index=frame.index)
    shown = frame.drop(columns=[drop] if drop else [])
    shown[count] = pd.array(_values(publication, keys), dtype="Int64")
    for name in persons:
        rounded = frame[name].astype("float64").map(publication.rules.rounded)
        shown[name] = rounded.mask(mask)
    for name in others:
        shown[name] = frame[name].mask(mask)
    return ProtectedCounts(shown.assign(suppressed=mask), mask, publication)


def _values(publication: Publication, keys: Iterable[Key]) -> list[int | None]:
    return [publication.value(key) for key in keys]


def _gone(publication: Publication, keys: Sequence[Key]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return publication.suppressed[[publication.places[key] for key in keys]]


def stacked(frame: pd.DataFrame) -> pd.DataFrame:
    """Make a long frame of a cross table, row by row."""
    if frame.index.has_duplicates or frame.columns.has_duplicates:
        raise InvalidTableError(
            "Rows or columns of the cross table bear the same name twice: expected each once."
        )
    rows = [(row, column) for row in frame.index for column in frame.columns]
    long = pd.DataFrame(rows, columns=["row", "column"], dtype=object)
    return long.assign(n=frame.to_numpy(dtype=object).ravel())


# From a frame to cells ---------------------------------------------------------------------------


def cells_of_frame(
    frame: pd.DataFrame,
    rules: Rules,
    by: Sequence[str],
    count: str,
    total: str,
    largest: str | None = None,
) -> tuple[Cells, list[Key]]:
    """Read the cells of a long frame and the sums among them; and the name of the cell of each row."""
    _check_columns(frame, [*by, count, *([largest] if largest else [])])
    counts = _numbers(frame[count])
    keys = _keys(frame, by, total)
    unsafe = np.zeros(len(frame), dtype=np.bool_)
    if largest is not None and rules.dominance is not None:
        unsafe = frame[largest].to_numpy(np.float64) > rules.dominance * counts
    book = Book()
    for key, number, never in zip(keys, counts, unsafe, strict=True):
        book.add(key, int(number), unsafe=bool(never))
    _sums(book, keys, by)
    return book.cells(), keys


def has_marks(frame: pd.DataFrame, by: Sequence[str] | None, count: str) -> bool:
    """Whether a frame has marks or gaps in place of some counts."""
    values = frame if by is None else frame[[count]]
    return bool(values.map(_is_mark).to_numpy().any())


def printed(
    frame: pd.DataFrame,
    rules: Rules,
    *,
    by: Sequence[str] | None = None,
    count: str = "n",
    total: str = "total",
) -> Publication:
    """Read a frame as it was printed, whoever made it: what a reader knows of it.

    Parameters
    ----------
    frame, by, count, total
        As of `protect_counts`; counts may be missing, or a mark. Parts are taken to be all there are.
    rules : Rules
        What is to be protected. Counts are taken to be rounded if all are multiples of the base.
    """
    if by is None:
        frame, by, count = stacked(frame), ["row", "column"], "n"
    _check_columns(frame, [*by, count])
    gone = frame[count].map(_is_mark).to_numpy(dtype=np.bool_)
    counts = _numbers(frame[count].mask(gone, 0))
    keys = _keys(frame, by, total)
    book = Book(complete=True)
    for key, number in zip(keys, counts, strict=True):
        book.add(key, int(number))
    _sums(book, keys, by)
    cells = book.cells()
    if np.any(counts % rules.base):
        rules = replace(rules, base=1)
    shown = np.where(gone, -1, cells.counts)
    return Publication(cells.keys, shown, cells.shown, gone, cells.sums, cells.groups, rules)


def _is_mark(value: Any) -> bool:
    return value in _MARKS if isinstance(value, str) else bool(pd.isna(value))


def _keys(frame: pd.DataFrame, by: Sequence[str], total: str) -> list[Key]:
    """Name the cell of each row; each cell once."""
    keys: list[Key] = [
        tuple((name, level) for name, level in zip(by, row, strict=True) if level != total)
        for row in frame[list(by)].to_numpy(dtype=object)
    ]
    twice = pd.Index(keys, tupleize_cols=False).duplicated()
    if twice.any():
        raise InvalidTableError(
            f"{rows_text(twice)}: the cell occurs before. Expected one row for each combination of "
            f"{listed(by)}; sum the rows first."
        )
    return keys


def _sums(book: Book, keys: Sequence[Key], by: Sequence[str]) -> None:
    """Note every total whose parts are there, split by one or more of the categories."""
    names = [(key, frozenset(name for name, _ in key)) for key in keys]
    everything = frozenset(by)
    split: dict[tuple[Key, frozenset[str]], list[Key]] = {}
    for key, fixed in names:
        for size in range(1, len(fixed) + 1):
            for gone in combinations(sorted(fixed), size):
                parent = tuple(pair for pair in key if pair[0] not in gone)
                split.setdefault((parent, frozenset(gone)), []).append(key)
    for key, fixed in names:
        for size in range(1, len(everything - fixed) + 1):
            for further in combinations(sorted(everything - fixed), size):
                parts = split.get((key, frozenset(further)))
                if parts:
                    book.sum(key, parts, group=size == 1)


def _check_columns(frame: pd.DataFrame, names: Sequence[str]) -> None:
    problems = Problems()
    columns = list(map(str, frame.columns))
    for name in names:
        if name not in frame:
            problems.add(
                f"The frame has no column {name!r}: there are {listed(columns, 12)}.{near(name, columns)}"
            )
    problems.check()


def _numbers(counts: pd.Series) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Read counts; all problems at once."""
    problems = Problems()
    numbers = pd.to_numeric(counts, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    known = ~np.isnan(numbers)
    for bad, what in (
        (~known, "is missing or not a number"),
        (known & (numbers < 0), "is negative"),
        (known & (numbers != np.floor(numbers)), "is not whole"),
    ):
        if bad.any():
            problems.add(f"{rows_text(bad)}: the count {what}; expected whole numbers of persons.")
    problems.check()
    return numbers.astype(np.int64)
