"""Which columns of a sheet are lists, persons, registers, counts and covariates, and what has to be asked."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import narwhals as nw
import pandas as pd

from mse.data import doubts
from mse.data.checks import Problems, check_unknown, listed
from mse.data.codings import Entries, membership, word_of
from mse.data.columns import list_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse.data.read_options import ReadOptions
    from mse.data.sources import Sheet

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


def roles_of(options: ReadOptions) -> dict[str, str]:
    """Columns by the role of registrations that they have."""
    names = ("person", "register", "period", "date", "received", "case", "place")
    return {role: name for role in names if (name := getattr(options, role)) is not None}


def _is_na(value: Any) -> bool:
    """Whether an entry is none, as data frames have it."""
    return value is None or value is pd.NA or value is pd.NaT or value != value


class Finder:
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
            and not self.histories()
        ):
            self._find_registrations()  # whose registers the lists are
            o = self.options
        histories = self.histories()
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

    def histories(self) -> str | None:
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
        used = {*o.lists, *self._taken(), self.histories()}
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
