"""One reader for every table: what was understood of a source, and the table that it makes."""

from __future__ import annotations

import difflib
import math
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import narwhals as nw
import numpy as np
import pandas as pd

from mse.data import doubts, lazy_frames, readers
from mse.data.checks import Problems, Voice, check_unknown, listed
from mse.data.codings import Entries, membership, plain_numbers, word_of
from mse.data.columns import count_column, list_columns, read_columns
from mse.data.count_table import REGISTER, CountTable
from mse.data.datasets import list_datasets, load_dataset
from mse.data.read_options import ReadOptions
from mse.data.sources import Sheet, sheet_of
from mse.data.table import CaptureTable
from mse.errors import InvalidTableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mse.data.patterns import Observations

#: Names of columns that are taken for what they say, in English, Dutch, French and German.
COUNTS = ("n", "count", "counts", "aantal", "nombre", "anzahl", "freq", "frequency")
PERSONS = (
    "person",
    "person_id",
    "personid",
    "pseudonym",
    "persoon",
    "persoonsnummer",
    "client_id",
    "clientnummer",
)
REGISTERS = ("register", "source", "list", "bron", "registratie", "lijst", "quelle")
#: Names that identifiers often have.
IDENTIFIERS = (
    *PERSONS,
    *("id", "ids", "nr", "client", "klant", "bsn", "rinpersoon", "pseudoniem", "key", "uuid"),
    *("name", "naam", "nom", "nummer", "number", "respondent", "dossier", "subject", "patient"),
    *("victim", "slachtoffer", "deelnemer", "participant", "identifier", "case", "zaak"),
)
#: Ends of such names, as in clientnr.
IDENTIFIER_ENDS = ("id", "nr", "nummer", "number", "naam", "name")
#: Parts of names of columns of 0 and 1 that are rather a characteristic of persons than a list.
TRAITS = re.compile(
    r"(?i)(^|_|\b)(sex|gender|geslacht|sexe|geschlecht|male|female|man|vrouw|woman|homme|femme|minor|adult|"
    r"minderjarig\w*|meerderjarig\w*|dutch|foreign|deceased|overleden|age|leeftijd|year|jaar|child|kind)(\b|_|$)"
)
#: Different entries of a column of a lazy frame that are looked at.
LOOKED_AT = 5_000
#: Of an identifier in rows of persons: more rows of each than that are those of a group.
MOST_ROWS_EACH = 20
#: Different entries from which on a column is not looked at as one of yes and no and something else.
MOST_WORDS = 9
#: The column by which `mse simulate` labels what it made up.
SYNTHETIC = "synthetic"


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
    table : CaptureTable, CountTable or None
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
    CaptureTable or, with `times_seen`, CountTable
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
    if isinstance(source, CaptureTable | CountTable):
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
    finder = _Finder(sheet, options)
    finder.find()
    notes, chosen = (*sheet.notes, *finder.notes), finder.options
    table, questions = None, tuple(finder.questions)
    if not questions:
        try:
            table = _table(sheet, chosen, finder)
        except InvalidTableError as error:
            questions = error.problems
    if table is not None and chosen.shape == "cells":
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
    if sheet.as_text:
        entries = Entries(decimal=options.decimal, thousands=options.thousands)
        frame = frame.assign(
            **{name: _as_numbers(frame[name], entries) for name in names if name in frame}
        )
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


def _as_numbers(column: pd.Series[Any], entries: Entries) -> pd.Series[Any]:
    """Read a column of text as numbers where all of it is."""
    texts = [value for value in column.unique() if isinstance(value, str) and value.strip()]
    plain = {text: text.strip().replace(entries.decimal or ".", ".") for text in texts}
    plain |= plain_numbers(texts, entries)
    found = pd.to_numeric(column.map(lambda value: plain.get(value, value)), errors="coerce")
    blank = column.isna() | column.map(lambda value: isinstance(value, str) and not value.strip())
    return column if (found.isna() & ~blank).any() else found.astype(float)


def _held(table: CaptureTable) -> Iterator[str]:
    """Levels of the covariates, and what is known in part."""
    for name, levels in table.covariates.items():
        yield f"{name}: {listed(levels, 8)}"
    for line in table.describe().splitlines():
        if line.startswith(("  known partly", "  not operating")):
            yield " ".join(line.split())


def roles_of(options: ReadOptions) -> dict[str, str]:
    """Columns by the role of registrations that they have."""
    names = ("person", "register", "period", "date", "received", "case", "place")
    return {role: name for role in names if (name := getattr(options, role)) is not None}


# Roles of columns ---------------------------------------------------------------------------------


def _is_na(value: Any) -> bool:
    """Whether an entry is none, as data frames have it."""
    return value is None or value is pd.NA or value is pd.NaT or value != value


class _Finder:
    """Finds what the columns of a sheet are; what has two readings becomes a question.

    sheet: the columns
    options: what was said about them
    """

    def __init__(self, sheet: Sheet, options: ReadOptions) -> None:
        self.sheet, self.options, self.voice = sheet, options, sheet.voice
        self.names = (
            sheet.frame.collect_schema().names()
            if sheet.lazy
            else [str(name) for name in nw.from_native(sheet.frame, eager_only=True).columns]
        )
        self.notes: list[str] = []
        self.unused: list[str] = []
        self.questions: list[str] = []
        self.entries = Entries(
            options.yes,
            options.no,
            options.unknown,
            options.blank,  # type: ignore[arg-type]
            options.decimal,
            options.thousands,
            sheet.delimiter,
        )
        self.said_persons = options.shape == "persons"
        self._words: dict[str, list[Any]] = {}

    def find(self) -> None:
        """Find roles that were not named, and look at what was left out."""
        o = self.options
        self._check_named()
        if self.questions:
            return
        if not o.register and o.shape != "registrations" and not o.lists:
            self._find_lists()
        elif o.shape == "registrations" and not (o.person and o.register):
            self._ask_roles("Registrations need a person and a register")
        o = self.options
        shape = o.shape or ("registrations" if o.register else "cells" if o.count else "persons")
        self.options = replace(o, shape=shape)
        if self.questions:
            return
        self._look_at_rest()

    # What is there

    def values(self, name: str) -> list[Any]:
        """Distinct entries of a column."""
        if name not in self._words:
            try:
                held = self._column(name).unique()
                self._words[name] = [value for value in held.tolist() if not _is_na(value)]
            except TypeError:
                self._words[name] = []
        return self._words[name]

    def _check_named(self) -> None:
        o, problems, v = self.options, Problems(self.voice), self.voice
        person, register, count = v.option("person"), v.option("register"), v.option("count")
        if o.register and not o.person:
            self.questions.append(
                f"{register} is given without {person}: registrations need both columns."
            )
        elif o.person and not o.register and o.count:
            self.questions.append(
                f"{person} is given without {register}, and with {count} rows are no persons: leave one out."
            )
        elif o.register and o.count:
            self.questions.append(
                f"{count} is for tables of counts; with {person} and {register} every row is one."
            )
        if self.questions:
            return
        if (
            o.lists
            and not o.register
            and not set(o.lists) & set(self.names)
            and not self._histories()
        ):
            self._find_registrations()  # whose registers the lists are
            o = self.options
        histories = self._histories()
        lists = () if o.register or o.shape == "registrations" or histories else o.lists
        if lists and not self.sheet.lazy and not set(lists) & set(self.names):
            told = (
                doubts.of_short_histories(name, self.values(name), len(lists))
                for name in self.names
            )
            self.questions += filter(None, told)
            lists = () if self.questions else lists
        named = [*lists, *(o.covariates or ()), *o.count, *roles_of(o).values()]
        check_unknown(list(dict.fromkeys(named)), self.names, "column", problems)
        self.questions += problems.found

    def _histories(self) -> str | None:
        """Find the column of histories, such as 101, where the lists that are named are no columns."""
        o = self.options
        if self.sheet.lazy or len(o.lists) < 2 or o.register or set(o.lists) & set(self.names):
            return None
        for name in self.names:
            held = self.values(name)
            if held and all(
                isinstance(v, str) and len(v) == len(o.lists) and not set(v) - {"0", "1"}
                for v in held
            ):
                return name
        return None

    def _taken(self) -> set[str]:
        o = self.options
        return {*(o.covariates or ()), *o.count, *roles_of(o).values(), *o.ignore, SYNTHETIC}

    # What is found out

    def _find_lists(self) -> None:
        """Take the columns of yes and no for lists, or find registrations."""
        o = self.options
        if not o.count and o.shape in (None, "cells", "overlaps") and not o.person:
            named = [n for n in self.names if n.strip().casefold() in COUNTS and n not in o.ignore]
            if len(named) == 1:
                self.options = o = replace(o, count=(named[0],))
        found, doubtful, constant = self._flags()
        if len(found) >= 2:
            traits = [name for name in found if TRAITS.search(name)]
            lists = [name for name in found if name not in traits]
            if traits:
                said = self.voice.names("lists", lists or found)
                self.questions.append(
                    f"The columns of yes and no are {listed(found, 12)}, of which {listed(traits)} may rather "
                    f"be a characteristic of persons than a list: say which are lists, as in {said}."
                )
            o = self.options
            self._ask_alike(found)
            for name in self.names:
                if name not in {*found, *self._taken()} and len(self.values(name)) < MOST_WORDS:
                    told = doubts.of_third_words(name, self.values(name), self.entries, self.voice)
                    self.questions += [told] * bool(told)
            over = set(self.names) - {*found, *self._taken()}
            self.options = replace(
                o, lists=tuple(found), summed=bool(o.summed or (o.count and over))
            )
            self.notes.append(f"lists: {', '.join(found)} (columns of yes and no)")
            if constant:
                self.notes.append(f"no list: {', '.join(constant)} the same in every row")
        elif not self._find_registrations():
            alike = self._alike({*found, *doubtful, *constant})
            self._ask_lists(found, [*doubtful, *constant, *alike])

    def _ask_alike(self, found: Sequence[str]) -> None:
        """Ask about lists that are one list in several years, or the same twice."""
        told = [doubts.of_years(found, self.voice)]
        if not self.sheet.lazy:
            told.append(doubts.of_twins({name: self._column(name) for name in found}, self.voice))
        self.questions += filter(None, told)

    def _flags(self) -> tuple[list[str], list[str], list[str]]:
        """Columns of yes and no; of two values that may be yes and no; and those with one of them."""
        found, doubtful, constant = [], [], []
        for name in self.names:
            if name in self._taken():
                continue
            values = self.values(name)
            codes, doubt = membership(values, self.entries, (), name)
            if name in self.sheet.codes and -2 in codes:
                codes, doubt = membership(
                    self.sheet.codes[name].dropna().unique().tolist(), self.entries
                )
            held = set(codes) - {-1}
            empty = len(values) and self._has_blank(name)
            if doubt or (len(values) < MOST_WORDS and {0, 1, -2} <= set(codes)):
                doubtful.append(name)
            elif held == {0, 1} or (held == {1} and empty):
                found.append(name)
            elif held and held <= {0, 1}:
                constant.append(name)
        return found, doubtful, constant

    def _alike(self, known: set[str]) -> list[str]:
        """Find columns of the same two or three words, which may mean yes and no."""
        by_words: dict[frozenset[str], list[str]] = {}
        for name in self.names:
            words = frozenset(word_of(value) or "" for value in self.values(name)) - {""}
            if name not in known | self._taken() and 0 < len(words) <= 3:
                by_words.setdefault(words, []).append(name)
        most = max(by_words.values(), key=len, default=[])
        return most if len(most) > 1 else []

    def _has_blank(self, name: str) -> bool:
        return bool(self._column(name).isna().any()) or any(
            word_of(v) == "" for v in self.values(name)
        )

    def _find_registrations(self) -> bool:
        """Take columns that are called person and register for what they say."""
        o = self.options
        by_name = {name.strip().casefold(): name for name in self.names if name not in o.ignore}
        person = o.person or next((by_name[n] for n in PERSONS if n in by_name), None)
        register = next((by_name[n] for n in REGISTERS if n in by_name), None)
        if person is None or register is None or o.count or o.shape in ("cells", "persons"):
            return False
        self.options = replace(o, person=person, register=register)
        self.notes.append(f"registrations: a row for each report of a {person} to a {register}")
        years = [by_name[n] for n in ("year", "period", "jaar", "periode", "jahr") if n in by_name]
        if o.period is None and years and SYNTHETIC not in self.names:
            self.questions.append(
                f"Is {years[0]!r} the period? Say {self.voice.option('period', years[0])} to count a person once in "
                f"each, or {self.voice.option('ignore', years[0])} to count each once over all."
            )
        return True

    def _ask_roles(self, why: str) -> None:
        v = self.voice
        self.questions.append(
            f"{why}: name {v.option('lists')} (columns of yes and no), or {v.option('person')} and "
            f"{v.option('register')} where every row is a registration; the columns are: "
            f"{', '.join(self.names)}."
        )

    def _ask_lists(self, found: Sequence[str], doubtful: Sequence[str]) -> None:
        v = self.voice
        perhaps = [name for name in self.names if name in {*found, *doubtful}]
        near_by = f"; perhaps {v.names('lists', perhaps)}" if len(perhaps) > 1 else ""
        self.questions.append(
            f"There {'is 1 column' if len(found) == 1 else f'are {len(found)} columns'} of yes and no, and at least two lists are needed. Name the list "
            f"columns with {v.option('lists')}; the columns are: {', '.join(self.names)}{near_by}. Where every "
            f"row is a registration, name {v.option('person')} and {v.option('register')}."
            + (
                f" If the names stand in another {v.unit}, say which: {v.option('header', '2', quoted=False)}."
                if self.sheet.as_text
                else ""
            )
            + doubts.of_overlaps({name: self.values(name) for name in self.names}, v)
            + doubts.of_filled([name for name in self.names if self._has_blank(name)], v)
        )
        problems = Problems(v)
        list_columns({name: self._column(name) for name in doubtful}, problems, self.entries)
        self.questions += problems.found

    def _column(self, name: str) -> pd.Series[Any]:
        """Entries of a column; of a lazy frame those that differ, if they are few enough to look at."""
        if self.sheet.lazy:
            found = self.sheet.frame.select(name).unique().head(LOOKED_AT).collect()
        else:
            found = nw.from_native(self.sheet.frame, eager_only=True)
        return cast("pd.Series[Any]", found[name].to_pandas())

    # What is left out

    def _look_at_rest(self) -> None:
        """Say which columns are not used, and ask about those that may change who is counted."""
        o = self.options
        used = {*o.lists, *self._taken(), self._histories()}
        rest = [name for name in self.names if name not in used]
        self.unused = rest
        if o.count:
            self.notes.append(f"persons: the column {', '.join(o.count)}")
        if rest:
            self.notes.append(
                f"not used: {', '.join(rest)} (name covariates with {self.voice.option('covariates')})"
            )
        if o.shape == "persons":
            if o.person is None:
                self.notes.append("persons: one row each")
                self._ask_identifier(rest)
            else:
                self.notes.append(f"persons: rows with the same {o.person} are one person")
            self._ask_count(rest)
        if o.person and not self.sheet.lazy:
            reports = [len(self.values(n)) for n in (o.register, o.period) if n]
            self.questions += doubts.of_persons(
                self._column(o.person), o.person, math.prod(reports), self.voice
            )
        if o.shape in ("cells", "overlaps"):
            self._ask_totals([*rest, *(o.covariates or ())])
        if o.period:
            told = doubts.of_days(o.period, self.values(o.period), self.voice)
            self.questions += [told] * bool(told)
        for name in [] if self.sheet.lazy else {*(o.covariates or ()), *filter(None, [o.period])}:
            told = doubts.of_gaps(name, self._column(name), self.voice)
            self.questions += [told] * bool(told)
        self._ask_text(o)

    def _ask_identifier(self, rest: Sequence[str]) -> None:
        """Ask about identifiers that occur more than once: counted by row, their persons count twice."""
        for name in rest:
            words = set(re.split(r"[\s_.-]+", name.casefold()))
            if not (words & {*IDENTIFIERS} or name.casefold().endswith(IDENTIFIER_ENDS)):
                continue
            again, different = self._repeated(name)
            if different * MOST_ROWS_EACH < again:
                continue  # so few cannot be told apart from groups
            if again:
                self.questions.append(
                    f"Column {name!r} may be an identifier, and {again:,} of its entries occur before: are these "
                    f"the same persons? Say {self.voice.option('person', name)} to count each once, or "
                    f"{self.voice.option('ignore', name)} if every row is another person."
                )

    def _repeated(self, name: str) -> tuple[int, int]:
        """Count the entries of a column that occur before, and the different ones."""
        if self.sheet.lazy:
            known = self.sheet.frame.filter(~nw.col(name).is_null())
            counted = known.select(
                nw.len().alias("rows"), nw.col(name).n_unique().alias("different")
            )
            rows, different = counted.collect().rows()[0]
            return int(rows - different), int(different)
        texts = self._column(name).dropna().astype(str).str.strip()
        again = int(texts[texts != ""].duplicated().sum())
        return again, int((texts != "").sum()) - again

    def _ask_count(self, rest: Sequence[str]) -> None:
        """Ask about a column that may hold counts which nobody named."""
        if self.said_persons:
            return
        numbers = [name for name in rest if self._counts(name)]
        called = [name for name in numbers if name.strip().casefold() in COUNTS]
        once = bool(numbers) and not self.sheet.lazy and self._each_once(rest, numbers)
        for name in called or (numbers[:1] if once else []):
            others = [each for each in numbers if each != name]
            parts = f" Columns {listed(others, 6)} hold numbers too: add up what are parts of one number."
            self.questions.append(
                f"Column {name!r} may hold the number of persons of each row: say "
                f"{self.voice.option('count', name)} if it does, or {self.voice.option('ignore', name)} if every "
                f"row is one person.{parts * bool(others and not called)}"
            )
        for name in [] if once or called else numbers:
            if len(self.values(name)) < MOST_WORDS and not TRAITS.search(name):
                told = doubts.of_many(name, self.values(name), self.voice)
                self.questions += [told] * bool(told)
        shares = [name for name in rest if name not in numbers]
        if shares and not numbers and not self.sheet.lazy and self._each_once(rest, shares):
            held = {name: self.values(name) for name in shares}
            self.questions += doubts.of_shares(held, self.voice)

    def _each_once(self, rest: Sequence[str], numbers: Sequence[str]) -> bool:
        """Whether every row has another combination of lists and of what else there is, as in a table of counts."""
        frame = nw.from_native(self.sheet.frame, eager_only=True).to_pandas()
        few = [n for n in rest if n not in numbers and 2 * len(self.values(n)) <= len(frame)]
        keys = [
            n for n in (*self.options.lists, *(self.options.covariates or ()), *few) if n in frame
        ]
        return len(frame) > 2 and bool(keys) and not frame[keys].astype(str).duplicated().any()

    def _counts(self, name: str) -> bool:
        """Whether a column holds whole numbers, some of them above 1, as counts are."""
        words = [word_of(value) or "" for value in self.values(name)]
        whole = [word for word in words if re.fullmatch(r"\d{1,12}", word)]
        years = all(1900 <= int(word) <= 2100 for word in whole)
        return (
            bool(words)
            and len(whole) == len([w for w in words if w])
            and not years
            and any(int(w) > 1 for w in whole)
        )

    def _ask_totals(self, columns: Sequence[str]) -> None:
        """Refuse rows of totals beside the rows that they are totals of."""
        for name in columns:
            held = {str(v).strip().casefold() for v in self.values(name) if isinstance(v, str)}
            if held & doubts.TOTALS and len(held - doubts.TOTALS - {""}) > 0:
                self.questions.append(
                    f"Column {name!r} has rows of totals beside the rows that they add up, so that persons would "
                    "count twice: leave these rows out of the file, or, if it is a level like others, give "
                    "it another name."
                )

    def _ask_text(self, o: ReadOptions) -> None:
        """Ask about entries that programs have changed: lost digits, NA that may be a code."""
        if not self.sheet.as_text:
            return
        named = [*(o.covariates or ()), *roles_of(o).values()]
        padded = self.sheet.frame.attrs.get("padded", {})
        for name in dict.fromkeys(named):
            if name in padded:
                self.questions.append(
                    f"Column {name!r} holds {padded[name]:,} numbers that Excel shows with leading zeros, by "
                    'their format: the zeros are not in the cells. Make them text, with =TEXT(A2,"0000") '
                    "pasted as values, or save the sheet as CSV, which has what is shown."
                )
            texts = [v for v in self.values(name) if isinstance(v, str)]
            large = any(isinstance(v, float) and abs(v) >= 10**15 for v in self.values(name))
            if large or any(re.fullmatch(r"\d[.,]\d+E\+\d+", text) for text in texts):
                self.questions.append(
                    f"Column {name!r} holds long numbers whose last digits a spreadsheet has dropped, so that "
                    "different ones became one: make the column text at its source and export it again."
                )
            codes = [text for text in texts if re.fullmatch(r"[A-Z]{2}", text)]
            others = [text for text in texts if text and text != "NA"]
            if "NA" in texts and others and len(codes) > len(others) and "NA" not in o.unknown:
                self.questions.append(
                    f"Column {name!r} holds codes of two letters, and NA may be one of them or mean not known: say "
                    f"{self.voice.option('unknown', 'NA')} if it means not known, or write the code another way."
                )


# The table ----------------------------------------------------------------------------------------


def _table(sheet: Sheet, options: ReadOptions, finder: _Finder) -> CaptureTable:
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
    return _labeled(seen, SYNTHETIC in finder.names)


def _with_unused(
    sheet: Sheet, options: ReadOptions, finder: _Finder, table: CaptureTable
) -> CaptureTable:
    """Make the table by the columns too that are summed over: totals among their levels would count twice."""
    if not (finder.unused and options.count):
        return table
    try:
        further = (*(options.covariates or ()), *finder.unused)
        return _table(sheet, replace(options, covariates=further), finder)
    except InvalidTableError:
        return table


def _labeled(seen: Observations, synthetic: bool) -> CaptureTable:
    """Keep the label of data that `mse simulate` made up: its column ``synthetic``."""
    table = CaptureTable._of(seen)
    if not synthetic or SYNTHETIC in table.axes:
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


def _prepared(sheet: Sheet, options: ReadOptions, finder: _Finder) -> Any:
    """Give columns the form in which they are read: lists by codes or labels, text as numbers where it is one."""
    histories = finder._histories()
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
    return _labeled(seen, SYNTHETIC in names)


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


def dates(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    """Dates of a column, by the one order of day and month that reads all of them."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        # The day that the register has, whatever the time elsewhere.
        return pd.Series(column.dt.tz_localize(None))
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column
    texts = column.where(column.notna(), "").astype(str).str.strip()
    known = texts[texts != ""]
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y%m%d"):
        found = pd.to_datetime(texts, format=form, errors="coerce")
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
