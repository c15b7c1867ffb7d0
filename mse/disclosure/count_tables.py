"""Capture tables made fit to leave: histories, list totals, overlaps and strata together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mse._typing import FrozenDict
from mse.answer.shown import Result, Section, layout
from mse.data.checks import Problems, listed, near, rows_text
from mse.data.persons import PersonTable
from mse.data.table import CaptureTable
from mse.disclosure.cells import Book, Publication
from mse.disclosure.rules import MARK
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.suppression import Protected, publish
from mse.disclosure.typed import released_columns
from mse.errors import InvalidTableError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mse._typing import IntArray
    from mse.data.reading import Reading
    from mse.disclosure.cells import Cells, Key
    from mse.disclosure.rules import AnyRules, Rules

#: Parts of a table that can be published.
PARTS = ("lists", "overlaps", "histories", "strata")

#: Strata of all covariates together are left out when there are more than this.
_MOST_STRATA = 2000
#: Covariates with up to so many levels are no identifiers, however few persons there are.
_FEW_LEVELS = 20
#: Histories of nobody have a row of their own, where that is to be hidden, up to so many lists.
_MOST_LISTS = 8
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False, repr=False)
class ProtectedTable(Result, Protected):
    """What a capture table holds, fit to leave.

    Attributes
    ----------
    observed : int or None
        Persons on at least one list; None if that is suppressed.
    list_totals : Series of Int64
        Persons on each list; missing where suppressed.
    overlaps : DataFrame of Int64
        Persons on both lists of each pair, list totals on the diagonal; missing where suppressed.
    histories : DataFrame
        Summed over covariates: 1, 0 or missing (not known) for each list, ``n`` and ``suppressed``.
        Histories without a row have nobody.
    strata : mapping of tuple of str to DataFrame
        Persons by covariates: a column for each, ``n`` and ``suppressed``.
    """

    observed: int | None
    list_totals: pd.Series
    overlaps: pd.DataFrame
    histories: pd.DataFrame
    strata: Mapping[tuple[str, ...], pd.DataFrame]
    publication: Publication

    def to_frame(self) -> pd.DataFrame:
        """Give the histories."""
        return released_columns(self.histories.copy(), list(self.list_totals.index), self.rules)

    def __repr__(self) -> str:
        return f"<ProtectedTable: {len(self.list_totals)} lists, {len(self.suppressed):,} counts suppressed>"

    def _sections(self) -> list[Section]:
        total = MARK if self.observed is None else f"{self.observed:,}"
        sections = [
            Section("Registered", paragraphs=(f"{total} on at least one list.",)),
            Section("Persons on both lists of each pair", verbatim=_text(self.overlaps)),
            Section("Persons by capture history", verbatim=_text(self.histories, index=False)),
        ]
        sections += [
            Section(f"Persons by {' and '.join(names)}", verbatim=_text(frame, index=False))
            for names, frame in self.strata.items()
        ]
        return [*sections, Section("Disclosure control", paragraphs=(self.note,))]


def _text(frame: pd.DataFrame, *, index: bool = True) -> str:
    if "suppressed" in frame:
        marked = frame["n"].astype(object).mask(frame["suppressed"], MARK)
        frame = frame.assign(n=marked).drop(columns="suppressed")
        return frame.astype(object).where(frame.notna(), "?").to_string(index=index)
    return frame.astype(object).where(frame.notna(), MARK).to_string(index=index)


def protect_table(
    table: CaptureTable,
    rules: AnyRules,
    *,
    margins: Iterable[Sequence[str]] | None = None,
    parts: Sequence[str] = PARTS,
) -> ProtectedTable:
    """Suppress and round what a capture table holds.

    Parameters
    ----------
    table : CaptureTable
        The table. Counts within bounds are suppressed, whatever their bounds.
    rules : Rules, str or path
        What is to be protected.
    margins : iterable of sequence of str, optional
        By which covariates persons are shown; by default each covariate by itself, and all together
        where that makes no more than 2,000 strata. The table of histories by stratum does not leave.
    parts : sequence of str
        Which parts are published: of ``lists`` (their totals), ``overlaps``, ``histories`` and
        ``strata``. The others are missing, and cannot be computed from those that are there.

    Returns
    -------
    ProtectedTable
        All its parts are protected together: it may be published whole.

    Raises
    ------
    ModelError
        If a covariate or part is not known; if zeros are not safe and there are more than eight lists.

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("artificial_3")
    >>> safe = mse.disclosure.protect_table(table, mse.disclosure.Rules(threshold=10))
    >>> safe.overlaps.astype(object).where(safe.overlaps.notna(), "x")
        A  B   C
    A  46  x   0
    B   x  x   0
    C   0  0  20
    """
    rules = rules_of(rules)
    chosen = checked_margins(table, margins) if "strata" in parts else ()
    book = Book()
    note_table(book, table, rules, chosen, parts)
    return table_with(table, publish(book.cells(), rules), chosen)


def table_with(
    table: CaptureTable, publication: Publication, margins: Sequence[tuple[str, ...]]
) -> ProtectedTable:
    """Protect a table whose counts are published already."""
    totals = [publication.value(list_key(name)) for name in table.lists]
    return ProtectedTable(
        observed=publication.value(()),
        list_totals=pd.Series(totals, index=pd.Index(table.lists), dtype="Int64"),
        overlaps=_overlaps(table, publication),
        histories=_histories(table, publication),
        strata=FrozenDict({names: _strata(table, publication, names) for names in margins}),
        publication=publication,
    )


def refuse_identifiers(covariates: Mapping[str, Sequence[object]], persons: int) -> None:
    """Refuse covariates with nearly as many values as there are persons: their levels are about somebody each.

    Raises ModelError: with names and numbers, and no value

    Examples
    --------
    >>> refuse_identifiers({"year": [2014, 2015], "client": list(range(300))}, 310)
    Traceback (most recent call last):
    mse.errors.ModelError: The covariate 'client' has 300 values among 310 persons: ...
    """
    for name, levels in covariates.items():
        if len(levels) > max(_FEW_LEVELS, persons / 2):
            raise ModelError(
                f"The covariate {name!r} has {len(levels):,} values among {persons:,} persons: it looks like an "
                "identifier, whose values may not leave. Sum over it, collapse(), or name coarser levels."
            )


def refuse_unnamed_lists(read: Reading, rules: Rules, option: str = "--lists") -> None:
    """Refuse lists that are values of a column, which nobody named, and on which fewer persons are than may be shown.

    What is in a column by mistake, an identifier or the name of somebody, would be printed as the name of a list.

    read: what was understood of rows of registrations; of other rows lists are columns, which have names
    option: with which lists are named
    Raises ModelError: with numbers, and no value
    """
    column, table = read.options.register, read.table
    if not rules.suppresses or read.options.lists or column is None:
        return
    table = table.counted() if isinstance(table, PersonTable) else table
    if not isinstance(table, CaptureTable):
        return
    on = table.low @ (table.patterns[:, : table.n_lists] == 1)
    small = sum(rules.unsafe(int(n)) for n in on)
    if small:
        some = "1 value" if small == 1 else f"{small:,} values"
        raise ModelError(
            f"Column {column!r} has {some} of fewer than {rules.threshold} persons, which would be printed as the name "
            f"of a list: an identifier, perhaps, or a name. Name the lists that there are with {option}; rows of others "
            "have to be corrected, or left out."
        )


def default_margins(covariates: Mapping[str, Sequence[object]]) -> tuple[tuple[str, ...], ...]:
    """By which covariates persons are shown: each by itself, and all together."""
    names = tuple(covariates)
    strata = np.prod([len(levels) for levels in covariates.values()])
    together = (names,) if len(names) > 1 and strata <= _MOST_STRATA else ()
    return (*together, *((name,) for name in names))


def checked_margins(
    table: CaptureTable, margins: Iterable[Sequence[str]] | None = None
) -> tuple[tuple[str, ...], ...]:
    """By which covariates persons of a table are shown."""
    if margins is None:
        return default_margins(table.covariates)
    chosen = tuple((each,) if isinstance(each, str) else tuple(each) for each in margins if each)
    unknown = [name for names in chosen for name in names if name not in table.covariates]
    if unknown:
        raise ModelError(
            f"The table has no covariate {unknown[0]!r}: expected {listed(table.covariates, 12)}."
        )
    return chosen


# From a table to cells ---------------------------------------------------------------------------


def list_key(name: str) -> Key:
    """Name the cell of those on a list."""
    return (("list", name),)


def pair_key(first: str, second: str) -> Key:
    """Name the cell of those on both of two lists."""
    return (("on both", f"{first} and {second}"),)


def history_key(row: Iterable[int]) -> Key:
    """Name the cell of a capture history."""
    return (("history", "".join("?" if entry < 0 else str(entry) for entry in row)),)


def note_table(
    book: Book,
    table: CaptureTable,
    rules: Rules,
    margins: Sequence[tuple[str, ...]],
    parts: Sequence[str] = PARTS,
) -> None:
    """Note everything that is shown of a table, and histories in any case."""
    wrong = [part for part in parts if part not in PARTS]
    if wrong:
        raise ModelError(f"A table has no part {wrong[0]!r}: expected some of {listed(PARTS)}.")
    refuse_identifiers(table.covariates, table.n_observed)
    book.add((), table.n_observed)
    if table.margins is not None:
        _note_margins(book, table)
        return
    _note_histories(book, table, rules, parts)
    for names in margins:
        _note_strata(book, table, names)
    for names, fewer in product(margins, margins):
        if set(fewer) < set(names):
            cells = _stratum_keys(table, names)
            for key in _stratum_keys(table, fewer):
                members = [cell for cell in cells if set(key) <= set(cell)]
                book.sum(key, members, group=len(names) == len(fewer) + 1)


def _note_margins(book: Book, table: CaptureTable) -> None:
    """Note list totals and their union: persons on several lists make the former add up to more."""
    totals = table.margins.list_totals if table.margins is not None else {}
    for name, total in totals.items():
        book.add(list_key(name), total)
        book.sum((), [list_key(name)])
    together: Key = (("all lists", "counted once for each"),)
    book.add(together, sum(totals.values()), shown=False)
    book.sum(together, [list_key(name) for name in totals])
    book.sum(together, [()])


def _note_histories(
    book: Book, table: CaptureTable, rules: Rules, shown_parts: Sequence[str]
) -> None:
    shown = table.patterns[:, : table.n_lists]
    inexact = table.low != table.high
    names: dict[Key, tuple[int, ...]] = {}
    counts: dict[Key, int] = {}
    vague: dict[Key, bool] = {}
    if rules.unsafe(0) and table.n_lists > _MOST_LISTS:
        raise ModelError(
            f"The rules do not let zeros be shown, and {table.n_lists} lists make too many histories of "
            f"nobody to hide: expected at most {_MOST_LISTS} lists. Merge or leave out lists."
        )
    if table.n_lists <= _MOST_LISTS and (rules.group is not None or rules.unsafe(0)):
        for row in list(product((0, 1), repeat=table.n_lists))[1:]:
            names[history_key(row)], counts[history_key(row)] = row, 0
    for row, low, unsure in zip(shown.tolist(), table.low.tolist(), inexact, strict=True):
        key = history_key(row)
        names[key] = tuple(row)
        counts[key] = counts.get(key, 0) + low
        vague[key] = vague.get(key, False) or bool(unsure)
    for key, count in counts.items():
        book.add(key, count, shown="histories" in shown_parts, unsafe=vague.get(key, False))
    book.sum((), counts)
    _note_lists(book, table, names, counts, shown_parts)


def _note_lists(
    book: Book,
    table: CaptureTable,
    names: Mapping[Key, tuple[int, ...]],
    counts: Mapping[Key, int],
    shown_parts: Sequence[str],
) -> None:
    """Note list totals and overlaps, as sums of histories."""
    for size, part in ((1, "lists"), (2, "overlaps")):
        for positions in combinations(range(table.n_lists), size):
            parts = [key for key, row in names.items() if all(row[at] == 1 for at in positions)]
            key = _key_of(table, positions)
            total = sum(counts[each] for each in parts)
            book.add(key, total, shown=part in shown_parts)
            book.sum(key, parts)
            for at in positions if size == 2 else ():
                book.group(key, list_key(table.lists[at]))


def _key_of(table: CaptureTable, positions: Sequence[int]) -> Key:
    named = [table.lists[at] for at in positions]
    return list_key(named[0]) if len(named) == 1 else pair_key(named[0], named[1])


def _levels(table: CaptureTable, name: str) -> list[object]:
    """Levels of a covariate, the unknown one last if there is anybody."""
    codes = table.patterns[:, table.axes.index(name)]
    return [*table.covariates[name], *([UNKNOWN] if np.any(codes < 0) else [])]


def _stratum_keys(table: CaptureTable, names: Sequence[str]) -> list[Key]:
    levels = [_levels(table, name) for name in names]
    return [tuple(zip(names, cell, strict=True)) for cell in product(*levels)]


def _note_strata(book: Book, table: CaptureTable, names: tuple[str, ...]) -> None:
    sizes = [len(_levels(table, name)) for name in names]
    counts: IntArray = np.zeros(sizes, dtype=np.int64)
    codes = [table.patterns[:, table.axes.index(name)] for name in names]
    np.add.at(counts, tuple(codes), table.low)
    keys = _stratum_keys(table, names)
    for key, count in zip(keys, counts.ravel().tolist(), strict=True):
        book.add(key, count)
    book.sum((), keys, group=len(names) == 1)


# What is shown -----------------------------------------------------------------------------------


def _overlaps(table: CaptureTable, publication: Publication) -> pd.DataFrame:
    lists = table.lists
    values: dict[str, list[int | None]] = {name: [None] * len(lists) for name in lists}
    for at, name in enumerate(lists):
        values[name][at] = publication.value(list_key(name))
        for other in range(at) if table.margins is None else ():
            value = publication.value(pair_key(lists[other], name))
            values[name][other] = values[lists[other]][at] = value
    return pd.DataFrame(values, index=pd.Index(lists), dtype="Int64")


def _histories(table: CaptureTable, publication: Publication) -> pd.DataFrame:
    rows = []
    for key, gone, shown in zip(
        publication.keys, publication.suppressed, publication.shown, strict=True
    ):
        history = _history_of(key) if shown else ""
        if history and (gone or publication.value(key) or not publication.rules.zeros_safe):
            entries = [None if entry == "?" else int(entry) for entry in history]
            rows.append([*entries, publication.value(key), bool(gone)])
    frame = pd.DataFrame(rows, columns=[*table.lists, "n", "suppressed"])
    kinds = dict.fromkeys([*table.lists, "n"], "Int64") | {"suppressed": "bool"}
    return frame.astype(kinds)


def _history_of(key: Key) -> str:
    """Read the history in the name of a cell; empty if it is none."""
    return str(key[0][1]) if len(key) == 1 and key[0][0] == "history" else ""


def _strata(table: CaptureTable, publication: Publication, names: tuple[str, ...]) -> pd.DataFrame:
    keys = _stratum_keys(table, names)
    rows = [[level for _, level in key] for key in keys]
    values = [publication.value(key) for key in keys]
    frame = pd.DataFrame(rows, columns=list(names))
    gone = [bool(publication.suppressed[publication.places[key]]) for key in keys]
    return frame.assign(n=pd.array(values, dtype="Int64"), suppressed=gone)


# Frames of counts made fit to leave: cross tables with totals, and long frames --------------------

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
    rules: AnyRules,
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
    rules : Rules, str or path
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
    rules = rules_of(rules)
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

    frame, by, count, total: As of `protect_counts`; counts may be missing, or a mark. Parts are
        taken to be all there are.
    rules: What is to be protected. Counts are taken to be rounded if all are multiples of the base.
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
