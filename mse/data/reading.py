"""One reader for every table: what was understood of a source, and the table that it makes."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import narwhals as nw
import numpy as np
import pandas as pd

from mse.data import doubts, lazy_frames, readers
from mse.data.checks import Problems, Voice, check_unknown, listed
from mse.data.codings import Entries, decimal_numbers, membership, plain_numbers, word_of
from mse.data.columns import count_column, list_columns, read_columns
from mse.data.count_table import REGISTER, CountTable
from mse.data.datasets import list_datasets, load_dataset
from mse.data.persons import PersonTable
from mse.data.read_options import ReadOptions
from mse.data.roles import SYNTHETIC, Finder, roles_of
from mse.data.sources import Sheet, sheet_of
from mse.data.table import CaptureTable
from mse.errors import InvalidTableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, eq=False)
class Reading:
    r"""What was understood of a source, before anything is estimated.

    Attributes
    ----------
    options : ReadOptions
        The options with which the source can be read again, those that were found out among them.
    kind : str
        What was read, such as "a workbook".
    notes : tuple of str
        How it is written, which roles its columns have, and what was left out and why.
    questions : tuple of str
        What has to be said before there is a table.
    table : CaptureTable, CountTable, PersonTable or None
        None where there are questions.
    sheet : Sheet or None
        The columns; None of a dataset.
    unused : tuple of str
        Columns, or covariates of a dataset, that were summed over.
    found : tuple of str
        Of the notes those about roles that nobody named.

    Examples
    --------
    >>> import mse
    >>> read = mse.Reading.of(b"police;care;n\n1;0;41\n0;1;5\n1;1;3\n")
    >>> print(read.summary())
    a text file, 3 rows of cells, 49 persons
      columns parted by semicolon
      encoding utf-8
      lists: police, care (columns of yes and no)
      persons: the column n
    """

    options: ReadOptions
    kind: str
    notes: tuple[str, ...]
    questions: tuple[str, ...] = ()
    table: Any = None
    sheet: Sheet | None = None
    unused: tuple[str, ...] = ()
    found: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, source: Any, options: ReadOptions | str | Path | None = None, /, **settings: Any
    ) -> Reading:
        """Understand a source; `source`, `options` and settings as for `mse.read`."""
        return understood(source, options, settings)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the source."""
        return () if self.sheet is None else tuple(nw.from_native(self.sheet.frame).columns)

    @property
    def is_synthetic(self) -> bool:
        """Whether `mse simulate` made it up."""
        return SYNTHETIC in self.columns

    def summary(self) -> str:
        """Say what was understood, as text, and what has to be said before there is a table."""
        head = self.kind
        if self.sheet is not None and not self.sheet.lazy:
            head += f", {len(self.sheet.frame):,} rows"
            head += {"cells": " of cells", "registrations": " of registrations"}.get(
                self.options.shape or "", ""
            )
        if self.table is not None:
            head += f", {self.table.n_observed:,} persons"
        text = "\n  ".join([head, *self.notes])
        if self.questions:
            text += "\n\n" + "\n  - ".join(["Before there is a table:", *self.questions])
        return text

    def registrations(self) -> pd.DataFrame:
        """Rows of registrations under the names of their roles, identifiers among them.

        Raises
        ------
        InvalidTableError
            If the source holds no registrations, or they live in a database.
        """
        if self.sheet is None or self.options.shape != "registrations" or self.sheet.lazy:
            msg = "There are no registrations here: read a source with `person` and `register`."
            raise InvalidTableError(msg)
        roles = {name: role for role, name in roles_of(self.options).items()}
        frame: pd.DataFrame = self.sheet.frame[[*roles, *(self.options.covariates or ())]].rename(
            columns=roles
        )
        for name in ("date", "received"):
            if name in frame:
                frame[name] = dates(frame[name], roles_of(self.options)[name])
        return frame


def read(source: Any, options: ReadOptions | str | Path | None = None, /, **settings: Any) -> Any:
    r"""Read a table from a file, a database, a data frame or the name of a dataset.

    Parameters
    ----------
    source : path, "-", bytes or data frame
        CSV and other text, Excel, Parquet and Arrow files, compressed or not; files of Stata, SPSS and
        SAS, SQLite and DuckDB (with the extra `files`); frames of pandas, polars and pyarrow, and lazy
        ones of polars, DuckDB and Dask, which are counted where the data live. A file of options (.toml)
        may name its source.
    options : ReadOptions or path, optional
        Options, or a file of them, as ``mse read FILE`` writes it.
    **settings
        The fields of `mse.data.read_options.ReadOptions`: `lists`, `covariates`, `count`, `person`,
        `register`, `period`, `blank` and so on. They go before `options`.

    Returns
    -------
    CaptureTable or, with `times_seen`, CountTable or, with `individual`, PersonTable
        What is not said is found out where there is one reading of the source.

    Raises
    ------
    InvalidTableError
        With every problem found, and where the source has two readings: with the option that says which.
    MissingDependencyError
        When a package is needed that is not there; the message names the extra that has it.

    Examples
    --------
    >>> import mse
    >>> mse.read(b"police;care;n\nja;nee;41\nnee;ja;5\nja;ja;3\n").n_observed
    49
    >>> mse.read("artificial_3", lists=["A", "B"])
    CaptureTable(lists: A, B; 76 observed)
    """
    found = understood(source, options, settings)
    if found.table is None:
        raise InvalidTableError(found.questions)
    return found.table


def understood(
    source: Any,
    options: ReadOptions | str | Path | None,
    settings: Mapping[str, Any],
    *,
    command: bool = False,
) -> Reading:
    """Understand a source, and make its table where there is one reading of it.

    source, options, settings: as for `read`
    command: whether the reader is at the command line, so that advice names its options
    """
    if isinstance(source, CaptureTable | CountTable | PersonTable):
        return Reading(ReadOptions(), "a table", (), table=source)
    if isinstance(options, str | Path):
        options, _ = ReadOptions.from_toml(options)
    chosen = options or ReadOptions()
    if isinstance(source, str | Path) and str(source).lower().endswith(".toml"):
        chosen, named = ReadOptions.from_toml(source)
        if named is None:
            msg = f"{source} names no source: add a line such as source = 'persons.csv'."
            raise InvalidTableError(msg)
        source = named
    chosen = chosen.but(settings)
    if isinstance(source, str) and source in dataset_names():
        return _of_dataset(source, chosen, command=command)
    if isinstance(source, str) and "\n" in source.strip():
        # Not repeated: it may hold identifiers.
        raise InvalidTableError(
            "The source is a text of several lines, and neither the name of a file nor of a dataset: for a table in a "
            "text give its bytes, as in text.encode()."
        )
    if isinstance(source, str | Path) and source != "-" and not os.path.exists(source):
        close = difflib.get_close_matches(str(source).lower(), dataset_names(), n=1)
        hint = f" Did you mean the dataset {close[0]!r}?" if close else ""
        raise InvalidTableError(
            f"{str(source)!r} is neither a bundled dataset nor a file.{hint} "
            f"`mse{' ' if command else '.list_'}datasets{'' if command else '()'}` lists the datasets."
        )
    return _understood(sheet_of(source, chosen, command=command), chosen)


def dataset_names() -> list[str]:
    """List the names of the bundled datasets."""
    return [str(name) for name in list_datasets()["name"]]


def _of_dataset(name: str, options: ReadOptions, *, command: bool) -> Reading:
    """Load a bundled dataset, with some of its lists and covariates if they are named."""
    voice = Voice(command=command)
    table = load_dataset(name)
    others = replace(options, lists=(), covariates=None, period=None)
    if others != ReadOptions():
        given = ", ".join(
            voice.option(one.split(" = ")[0]) for one in others.to_toml().splitlines()
        )
        msg = f"{given} is for files; the bundled dataset {name} has its counts already."
        raise InvalidTableError(msg)
    if options.covariates is not None:
        keep = [*options.covariates, *([options.period] if options.period else [])]
        problems = Problems(voice)
        check_unknown(keep, list(table.covariates), f"covariate of {name}", problems)
        problems.check()
        dropped = [each for each in table.covariates if each not in keep]
        table = table.collapse(*dropped) if dropped else table
    table = table.keep_lists(options.lists) if options.lists else table
    notes = tuple(line.strip() for line in table.describe().splitlines()[1:])
    unused = tuple(each for each in load_dataset(name).covariates if each not in table.covariates)
    return Reading(options, f"the dataset {name}", notes, table=table, unused=unused)


def _understood(sheet: Sheet, options: ReadOptions) -> Reading:
    """Find the roles of the columns of a sheet, and make its table."""
    if options.times_seen:
        return _counted(sheet, options)
    finder = Finder(sheet, options)
    finder.find()
    notes, chosen = (*sheet.notes, *finder.notes), finder.options
    table, questions = None, tuple(finder.questions)
    if not questions:
        try:
            table = (_one_by_one if chosen.individual else _table)(sheet, chosen, finder)
        except InvalidTableError as error:
            questions = error.problems
    if isinstance(table, CaptureTable) and chosen.shape == "cells":
        questions = tuple(doubts.of_sums(_with_unused(sheet, chosen, finder, table)))
        table = None if questions else table
    held = () if table is None else tuple(_held(table))
    unsaid = not (options.lists or options.register or options.person)
    return Reading(
        chosen,
        sheet.kind,
        (*notes, *held),
        questions,
        table,
        sheet,
        tuple(finder.unused),
        tuple(finder.notes) if unsaid else (),
    )


def _counted(sheet: Sheet, options: ReadOptions) -> Reading:
    """Make the table of how often persons were seen in one register."""
    frame = sheet.frame.collect().to_native() if sheet.lazy else sheet.frame
    names = options.covariates or ()
    wrong = {
        "lists": options.lists,
        "person": options.person,
        "period": options.period,
        "a second count": options.count[1:],
    }
    try:
        if any(wrong.values()):
            given = ", ".join(name for name, value in wrong.items() if value)
            raise InvalidTableError(
                f"{sheet.voice.option('times_seen')} is for one register, and {given} for several: leave one out. "
                "Registrations are counted by CountTable.from_records(...)."
            )
        if sheet.as_text:
            entries = Entries(
                unknown=options.unknown,
                decimal=options.decimal,
                thousands=options.thousands,
                delimiter=sheet.delimiter,
            )
            own = [name for name in names if name in frame and name not in options.categorical]
            frame = frame.assign(**_measured(sheet, own, entries))
        table = CountTable.from_frame(
            frame,
            str(options.times_seen),
            names,
            persons=options.count[0] if options.count else None,
            categorical=options.categorical,
            cluster=options.case,
            register=options.register or REGISTER,
            voice=sheet.voice,
        )
    except InvalidTableError as error:
        return Reading(options, sheet.kind, sheet.notes, error.problems, None, sheet)
    held = tuple(line.strip() for line in table.describe().splitlines()[1:])
    return Reading(options, sheet.kind, (*sheet.notes, *held), (), table, sheet)


def _measured(sheet: Sheet, names: Iterable[str], entries: Entries) -> dict[str, pd.Series[Any]]:
    """Read columns of text as numbers where they are; what is a number in some rows only is asked."""
    problems = Problems(sheet.voice)
    option = sheet.voice.option
    found = {}
    for name in names:
        column = sheet.frame[name]
        numbers = decimal_numbers([v for v in column.unique() if isinstance(v, str)], entries)
        if numbers == "ambiguous":
            problems.add(
                f"In column {name!r} a mark may stand for thousands or before decimals: say "
                f"{option('thousands', '.')} or {option('thousands', ',')} for thousands, {option('decimal', '.')} or "
                f"{option('decimal', ',')} for decimals."
            )
        elif numbers == "mixed":
            problems.add(
                f"Column {name!r} holds numbers in some rows and something else in others: expected one or the other. "
                f"Correct it; if its values are categories, name it with {option('categorical')}, and words for what is "
                f"not known with {option('unknown')}."
            )
        elif not isinstance(numbers, str):
            found[name] = column.map(numbers).astype(float)
    problems.check()
    return found


def _held(table: CaptureTable | PersonTable) -> Iterator[str]:
    """Levels of the covariates, which are numbers, and what is known in part."""
    if isinstance(table, PersonTable):
        known = table.levels
        for name in table.covariates:
            yield f"{name}: {listed(known[name], 8) if name in known else 'a number of each person'}"
        return
    for name, levels in table.covariates.items():
        yield f"{name}: {listed(levels, 8)}"
    for line in table.describe().splitlines():
        if line.startswith(("  known partly", "  not operating")):
            yield " ".join(line.split())


# The table ----------------------------------------------------------------------------------------


def _table(sheet: Sheet, options: ReadOptions, finder: Finder) -> CaptureTable:
    """Make the table of a sheet whose columns are known."""
    if options.shape == "overlaps":
        return _overlaps(sheet, options, finder.entries)
    if sheet.lazy:
        return _counted_there(sheet, options, finder.entries)
    frame = _prepared(sheet, options, finder)
    if options.shape == "registrations":
        seen = readers.from_records(
            frame,
            person=str(options.person),
            register=str(options.register),
            period=options.period,
            covariates=_further(options),
            registers=options.lists or None,
            entries=finder.entries,
            voice=sheet.voice,
        )
    else:
        seen = readers.from_frame(
            frame,
            options.lists,
            _axes(options),
            _count(options),
            person=options.person,
            summed=options.summed,
            drop_unlisted=options.drop_unlisted,
            entries=finder.entries,
            voice=sheet.voice,
        )
    return _labeled(CaptureTable._of(seen), SYNTHETIC in finder.names)


def _with_unused(
    sheet: Sheet, options: ReadOptions, finder: Finder, table: CaptureTable
) -> CaptureTable:
    """Make the table by the columns too that are summed over: totals among their levels would count twice."""
    if not (finder.unused and options.count):
        return table
    try:
        further = (*(options.covariates or ()), *finder.unused)
        return _table(sheet, replace(options, covariates=further), finder)
    except InvalidTableError:
        return table


def _one_by_one(sheet: Sheet, options: ReadOptions, finder: Finder) -> PersonTable:
    """Make the table of persons with covariates of their own, of a sheet whose columns are known."""
    if options.shape not in ("persons", "registrations"):
        option = sheet.voice.option
        raise InvalidTableError(
            f"{option('individual')} is for rows that are persons or their registrations, and here a row is a count: "
            f"leave out {option('individual')}, or {option('count')} and {option('shape')}."
        )
    if sheet.lazy:
        sheet = replace(sheet, frame=sheet.frame.collect().to_native())
    frame = _prepared(sheet, options, finder)
    names = _further(options)
    if sheet.as_text:
        own = [name for name in names if name not in options.categorical]
        frame = frame.assign(**_measured(sheet, own, finder.entries))
    periods = [options.period] if options.period else []
    told: dict[str, Any] = {
        "categorical": [*periods, *options.categorical],
        "cluster": options.case,
        "entries": finder.entries,
        "voice": sheet.voice,
    }
    if options.shape == "registrations":
        told["categorical"] = options.categorical
        table = PersonTable.from_records(
            frame,
            str(options.person),
            str(options.register),
            names,
            period=options.period,
            registers=options.lists or None,
            **told,
        )
    else:
        table = PersonTable.from_frame(
            frame,
            options.lists,
            _axes(options),
            person=options.person,
            drop_unlisted=options.drop_unlisted,
            **told,
        )
    return _labeled(table, SYNTHETIC in finder.names)


_Table = TypeVar("_Table", CaptureTable, PersonTable)


def _labeled(table: _Table, synthetic: bool) -> _Table:
    """Keep the label of data that `mse simulate` made up: its column ``synthetic``."""
    if not synthetic or SYNTHETIC in (*table.lists, *table.covariates):
        return table
    return table.with_info(
        population="SYNTHETIC persons, made up by mse simulate",
        notes="SYNTHETIC DATA: these figures are about nobody.",
    )


def _further(options: ReadOptions) -> list[str]:
    """Covariates but for the period, which registrations have by itself."""
    return [name for name in options.covariates or () if name != options.period]


def _axes(options: ReadOptions) -> list[str]:
    """Covariates of rows of persons or cells, the period first where it is named."""
    return [*([options.period] if options.period else []), *_further(options)]


def _count(options: ReadOptions) -> str | tuple[str, str] | None:
    counts = options.count
    return (counts[0], counts[1]) if len(counts) == 2 else counts[0] if counts else None


def _prepared(sheet: Sheet, options: ReadOptions, finder: Finder) -> Any:
    """Give columns the form in which they are read: lists by codes or labels, text as numbers where it is one."""
    histories = finder.histories()
    if not (sheet.as_text or sheet.codes or histories):
        return sheet.frame
    frame = sheet.frame.copy(deep=False)
    if histories is not None:
        letters = frame[histories].astype(str)
        for i, name in enumerate(options.lists):
            frame[name] = letters.str[i]
    for name in options.lists if options.shape != "registrations" else ():
        if name in sheet.codes and -2 in membership(finder.values(name), finder.entries)[0]:
            frame[name] = sheet.codes[name]
    if sheet.as_text:
        for name in {*(options.covariates or ()), *roles_of(options).values()}:
            frame[name] = _as_labels(
                frame[name], whole=name not in (options.person, options.register, options.case)
            )
        _check_blank_rows(frame, sheet, options)
    return frame


def _as_labels(column: pd.Series[Any], *, whole: bool) -> pd.Series[Any]:
    """Text without what programs write for nothing; as whole numbers where all are written as such."""
    texts = {value: word_of(value) == "" for value in column.unique()}
    known = [str(value) for value, empty in texts.items() if not empty]
    numbers = whole and known and all(re.fullmatch(r"0|-?[1-9]\d{0,14}", text) for text in known)
    if whole and known and all(re.fullmatch(r"(0|-?[1-9]\d{0,14})\.0", text) for text in known):
        return column.map(
            {v: None if empty else int(float(v)) for v, empty in texts.items()}
        ).astype(object)
    made = {
        value: None if empty else int(value) if numbers else value for value, empty in texts.items()
    }
    return pd.Series([made[value] for value in column], index=column.index, dtype=object)


def _check_blank_rows(frame: pd.DataFrame, sheet: Sheet, options: ReadOptions) -> None:
    """Refuse counts of which no list is told, as in a row of totals."""
    if options.shape != "cells" or options.blank == "0":
        return
    blank = np.all([[word_of(v) == "" for v in frame[name]] for name in options.lists], axis=0)
    if blank.any() and (
        options.blank is None or (len(frame) - blank.sum() > 0 and _is_sum(frame, blank, options))
    ):
        msg = (
            f"No list is told in {sheet.voice.place(blank)}, as in a row of totals: leave totals out of the file. If "
            f"these are persons whose lists are not known, say {sheet.voice.option('blank', 'unknown')}."
        )
        raise InvalidTableError(msg)


def _is_sum(frame: pd.DataFrame, blank: Any, options: ReadOptions) -> bool:
    numbers = pd.to_numeric(frame[options.count[0]], errors="coerce").fillna(0)
    return bool(numbers[blank].sum() == numbers[~blank].sum())


def _counted_there(sheet: Sheet, options: ReadOptions, entries: Entries) -> CaptureTable:
    """Count a lazy frame where it lives, and make a table of its patterns."""
    names = sheet.frame.collect_schema().names()
    if options.shape == "registrations":
        roles = {
            r: n for r, n in roles_of(options).items() if r in ("person", "register", "period")
        }
        further = _further(options)
        frame = lazy_frames.units(sheet.frame, roles, further, entries, sheet.voice, options.lists)
        made = {*roles.values(), *further, lazy_frames.COUNT}
        lists = options.lists or tuple(sorted(n for n in map(str, frame.columns) if n not in made))
        counts: tuple[str, ...] = (lazy_frames.COUNT,)
    else:
        if options.person is not None:
            msg = (
                "Rows of one person in a lazy frame have to be made one first: group the frame by the person, "
                "with the largest entry of each list."
            )
            raise InvalidTableError(msg)
        lists, counts = options.lists, options.count or (lazy_frames.COUNT,)
        frame = lazy_frames.grouped(sheet.frame, [*lists, *_axes(options)], options.count)
    seen = readers.from_frame(
        frame,
        lists,
        _axes(options),
        counts,
        summed=options.summed or not options.count,
        drop_unlisted=options.drop_unlisted,
        entries=entries,
        voice=replace(sheet.voice, unit="row" if options.count else "pattern"),
    )
    return _labeled(CaptureTable._of(seen), SYNTHETIC in names)


def _overlaps(sheet: Sheet, options: ReadOptions, entries: Entries) -> CaptureTable:
    """Read published counts of persons on some lists, whatever else they are on."""
    problems = Problems(sheet.voice)
    columns = read_columns(sheet.frame, [*options.lists, *options.count], problems)
    problems.check()
    if len(options.count) != 1:
        msg = f"Overlaps need one column of counts: {sheet.voice.option('count')}."
        raise InvalidTableError(msg)
    on = list_columns(
        {name: columns[name] for name in options.lists}, problems, replace(entries, blank="0")
    )
    low, high = count_column(columns[options.count[0]], options.count[0], problems, entries=entries)
    if (low != high).any():
        problems.add("Overlaps within bounds make no cells: expected exact counts.")
    problems.check()
    overlaps: dict[tuple[str, ...], int] = {}
    for row, count in enumerate(low.tolist()):
        key = tuple(
            name for name, member in zip(options.lists, on, strict=True) if member[row] == 1
        )
        if key in overlaps:
            problems.add("The same lists are given twice: expected one row for each overlap.")
        overlaps[key] = count
    problems.check()
    return CaptureTable.from_overlaps(overlaps, options.lists)


#: Dates of which nobody asks what is the day and what the month.
_YEAR_FIRST = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y%m%d")
_MONTH_NAMED = ("%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%d%b%Y", "%B %d, %Y")
#: Dutch months that are not written as in English.
_MONTHS = {
    rf"\b{dutch}\b": english
    for dutch, english in {
        "januari": "january",
        "februari": "february",
        "maart": "march",
        "mrt": "mar",
        "mei": "may",
        "juni": "june",
        "juli": "july",
        "augustus": "august",
        "oktober": "october",
        "okt": "oct",
    }.items()
}


def dates(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    """Dates of a column, by the one order of day and month that reads all of them."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        # The day that the register has, whatever the time elsewhere.
        return pd.Series(column.dt.tz_localize(None))
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column
    texts = column.where(column.notna(), "").astype(str).str.strip()
    known = texts[texts != ""]
    named = texts.str.lower().replace(_MONTHS, regex=True)
    for form, written in (*product(_YEAR_FIRST, (texts,)), *product(_MONTH_NAMED, (named,))):
        found = pd.to_datetime(written, format=form, errors="coerce")
        if found[known.index].notna().all():
            return found
    parts = known.str.replace(r"[./]", "-", regex=True)
    both = [
        pd.to_datetime(parts, format=form, errors="coerce") for form in ("%d-%m-%Y", "%m-%d-%Y")
    ]
    fits = [each for each in both if each.notna().all()]
    if len(fits) == 1 or (len(fits) == 2 and fits[0].equals(fits[1])):
        return fits[0].reindex(column.index)
    what = "may be day-month or month-day" if fits else "are not all dates"
    msg = f"The entries of column {name!r} {what}: write dates as 2016-03-31."
    raise InvalidTableError(msg)


def day_of(value: Any) -> pd.Timestamp | None:
    """One date, read as a column of dates is; None where it is none, or day and month may be exchanged."""
    try:
        found = dates(pd.Series([value]), "").iloc[0]
    except InvalidTableError:
        return None
    return None if pd.isna(found) else pd.Timestamp(found)


def frame_of(source: Any, *, command: bool = False) -> pd.DataFrame:
    """Columns of figures beside a table, such as inhabitants: whole numbers where all entries are."""
    sheet = sheet_of(source, ReadOptions(), command=command)
    frame = pd.DataFrame(nw.from_native(sheet.frame, eager_only=True).to_pandas())
    if not sheet.as_text:
        return frame
    entries = Entries(delimiter=sheet.delimiter)
    made: dict[Any, pd.Series[Any]] = {}
    for name in frame.columns:
        texts = [str(value) for value in frame[name].unique() if isinstance(value, str)]
        marks = plain_numbers(texts, entries)
        plain = frame[name].map(lambda value, marks=marks: marks.get(value, value))
        made[name] = _as_labels(plain, whole=True)
    return pd.DataFrame(made)
