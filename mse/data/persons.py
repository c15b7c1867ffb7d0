"""Persons by the lists they are on, with covariates of any kind."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from mse._typing import FrozenDict
from mse.data.checks import Problems, as_names, check_names, check_unknown
from mse.data.codings import PLAIN
from mse.data.columns import Factor, factor, list_columns, read_columns
from mse.data.kinds import NoLists
from mse.data.patterns import TableInfo
from mse.data.readers import once_each, warn_unlisted
from mse.data.registrations import check_no_identifier, coded_records
from mse.data.table import CaptureTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Level
    from mse.data.checks import Voice
    from mse.data.codings import Entries


@dataclass(frozen=True, eq=False, repr=False)
class PersonTable(NoLists):
    """Observed persons by the lists they are on, with covariates that may be continuous.

    Make one with `from_frame`. Where every covariate is a category a `CaptureTable` says the same, and
    `counted` gives it. Persons stay inside: no text or JSON of the library shows a row.

    Attributes
    ----------
    lists : tuple of str
        Names of the K lists.
    on : bool array, shape (R, K)
        Who is on which list; everybody on one at least. Read only.
    covariates : mapping
        By name a float64 array, shape (R,), of numbers, or a `mse.data.columns.Factor` of categories.
    counts : int64 array, shape (R,), persons
        Persons that each row stands for: 1, but in replicates of a bootstrap. Read only.
    clusters : int64 array, shape (R,), or None
        Number of the cluster of each person, such as the case of a victim.
    cluster : str
        What the clusters are; empty where there are none.
    info : TableInfo
        Name, population, period, source.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> df = pd.DataFrame({"a": [1, 1, 0], "b": [0, 1, 1], "age": [17.5, 31, 22]})
    >>> mse.PersonTable.from_frame(df, lists=["a", "b"], covariates=["age"])
    PersonTable(lists: a, b; age; 3 observed)
    """

    #: Who takes such a table.
    _meant_for: ClassVar[str] = (
        "Name an estimator that takes persons, mse.HugginsAlho or mse.DoublyRobust; table.counted() is the table of "
        "its lists alone."
    )

    lists: tuple[str, ...]
    on: BoolArray
    covariates: Mapping[str, FloatArray | Factor]
    counts: IntArray
    clusters: IntArray | None = None
    cluster: str = ""
    info: TableInfo = field(default_factory=TableInfo)

    def __post_init__(self) -> None:
        object.__setattr__(self, "covariates", FrozenDict(self.covariates))
        codes = (
            each.codes if isinstance(each, Factor) else each for each in self.covariates.values()
        )
        for array in (self.on, self.counts, self.clusters, *codes):
            if array is not None:
                array.flags.writeable = False

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        lists: Sequence[str],
        covariates: Sequence[str] = (),
        *,
        categorical: Sequence[str] = (),
        cluster: str | None = None,
        person: str | None = None,
        drop_unlisted: bool = False,
        entries: Entries = PLAIN,
        voice: Voice | None = None,
    ) -> PersonTable:
        """Take the persons of a data frame with a column for each list.

        Parameters
        ----------
        frame : pandas, polars or pyarrow data frame
            One row for each person.
        lists : sequence of str
            Columns that hold 1/0, True/False or "1"/"0".
        covariates : sequence of str
            Columns of numbers, which are taken as numbers, or of categories.
        categorical : sequence of str
            Covariates that are categories although they are numbers, such as years.
        cluster : str, optional
            Column that says which persons come together: the case of a victim, the household. Intervals then
            take clusters, not persons, as independent. Its values do not stay in the table.
        person : str, optional
            Column of an identifier: rows of one person are one person, on every list of any of them. It is not
            kept.
        drop_unlisted : bool
            Whether persons on none of the lists are left out, with a warning.
        entries : Entries, optional
            How entries are written.
        voice : Voice, optional
            How problems are told.

        Returns
        -------
        PersonTable

        Raises
        ------
        InvalidTableError
            With every problem found: a missing value among them, with the number of persons.
        """
        problems = Problems(voice)
        names = as_names(lists, "list", problems)
        further = as_names(covariates, "covariate", problems)
        check_names(names, further, problems)
        problems.check()
        axes = [*further, *([cluster] if cluster and cluster not in further else [])]
        every = [*names, *axes, *([person] if person else [])]
        columns = read_columns(frame, every, problems)
        problems.check()
        members = list_columns({name: columns[name] for name in names}, problems, entries)
        factors = {name: factor(columns[name], name, problems, entries) for name in axes}
        problems.check()
        if person is not None:
            members, factors = once_each(columns[person], person, members, factors, problems)
        if drop_unlisted:
            nowhere = np.all([member == 0 for member in members], axis=0)
            warn_unlisted(nowhere, problems)
            members = [member[~nowhere] for member in members]
            factors = {n: Factor(each.codes[~nowhere], each.levels) for n, each in factors.items()}
        return cls._of(names, further, members, factors, categorical, cluster, problems)

    @classmethod
    def from_records(
        cls,
        records: Any,
        person: str,
        register: str,
        covariates: Sequence[str] = (),
        *,
        period: str | None = None,
        categorical: Sequence[str] = (),
        cluster: str | None = None,
        registers: Sequence[str] | None = None,
        entries: Entries = PLAIN,
        voice: Voice | None = None,
    ) -> PersonTable:
        """Take the persons of a data frame with a row for each registration.

        Parameters
        ----------
        records : pandas, polars or pyarrow data frame
            One row for each time that a register reported a person.
        person, register : str
            Columns of the identifier of the person, which is not kept, and of the register.
        covariates : sequence of str
            Columns of numbers, which are taken as numbers, or of categories: the same in all rows of a person.
        period : str, optional
            Column of the period: a person in two periods counts twice. It is a category.
        categorical, cluster, entries, voice
            As for `from_frame`.
        registers : sequence of str, optional
            Names of all registers, in the order wanted.

        Returns
        -------
        PersonTable

        Raises
        ------
        InvalidTableError
            With every problem found: a missing value among them, with the number of persons.

        Warns
        -----
        InconsistentRecordsWarning
            Where the rows of a person say different things, which are missing then.

        Examples
        --------
        >>> import mse, pandas as pd
        >>> rows = {"id": [1, 1, 2, 3], "from": ["a", "b", "a", "b"], "age": [17.5, 17.5, 31, 22]}
        >>> mse.PersonTable.from_records(pd.DataFrame(rows), "id", "from", ["age"])
        PersonTable(lists: a, b; age; 3 observed)
        """
        problems = Problems(voice)
        further = as_names(covariates, "covariate", problems)
        problems.check()
        axes = [*further, *([cluster] if cluster and cluster not in further else [])]
        coded = coded_records(
            records,
            person,
            register,
            period=period,
            covariates=axes,
            registers=registers,
            entries=entries,
            voice=voice,
        )
        members, codes = coded.columns[: len(coded.lists)], coded.columns[len(coded.lists) :]
        factors = {
            name: Factor(each, coded.levels[name])
            for name, each in zip(coded.levels, codes, strict=True)
        }
        periods = () if period is None else (period,)
        return cls._of(
            coded.lists,
            [*periods, *further],
            members,
            factors,
            [*periods, *categorical],
            cluster,
            problems,
        )

    @classmethod
    def _of(
        cls,
        lists: Sequence[str],
        covariates: Sequence[str],
        members: Sequence[Any],
        factors: Mapping[str, Factor],
        categorical: Sequence[str],
        cluster: str | None,
        problems: Problems,
    ) -> PersonTable:
        """Put the memberships (-1 not known) and covariates of persons together, all of them known."""
        categories = as_names(categorical, "categorical", problems)
        check_unknown(categories, covariates, "covariate", problems)
        problems.check()
        on = _memberships(lists, members, problems)
        values = {
            name: _covariate(factors[name], name, name in categories, problems)
            for name in covariates
        }
        clusters = None if cluster is None else _clusters(factors[cluster], cluster, problems)
        problems.check()
        ones = np.ones(len(on), dtype=np.int64)
        return cls(tuple(lists), on, values, ones, clusters, cluster or "")._in_order()

    def _in_order(self) -> PersonTable:
        """Order the rows by what they hold, so that their order tells and changes nothing."""
        columns = [*self.on.T, *self._codes()]
        rows = np.lexsort(columns[::-1])
        taken = self._rows(rows)
        if taken.clusters is not None:
            taken = replace(taken, clusters=pd.factorize(taken.clusters)[0].astype(np.int64))
        return taken

    def _codes(self) -> list[Any]:
        """Numbers of the covariates by row."""
        return [
            each.codes if isinstance(each, Factor) else each for each in self.covariates.values()
        ]

    def _rows(self, rows: Any) -> PersonTable:
        """Take some rows."""
        covariates = {
            name: Factor(each.codes[rows], each.levels) if isinstance(each, Factor) else each[rows]
            for name, each in self.covariates.items()
        }
        clusters = None if self.clusters is None else self.clusters[rows]
        return replace(
            self,
            on=self.on[rows],
            covariates=covariates,
            counts=self.counts[rows],
            clusters=clusters,
        )

    # What it holds -------------------------------------------------------------------------------

    @property
    def n_lists(self) -> int:
        """Number of lists, K."""
        return len(self.lists)

    @property
    def n_observed(self) -> int:
        """Observed persons."""
        return int(self.counts.sum())

    @property
    def shape(self) -> tuple[int]:
        """Number of rows."""
        return (len(self.counts),)

    @property
    def levels(self) -> dict[str, tuple[Level, ...]]:
        """Levels of the covariates that are categories."""
        return {n: each.levels for n, each in self.covariates.items() if isinstance(each, Factor)}

    @property
    def n_strata(self) -> int:
        """Number of combinations of levels; 1 where no covariate is a category."""
        return math.prod(map(len, self.levels.values()))

    @property
    def strata(self) -> IntArray:
        """Which combination of levels each row is in, in C order, (R,)."""
        found = np.zeros(len(self.counts), dtype=np.int64)
        for each in self.covariates.values():
            if isinstance(each, Factor):
                found = found * len(each.levels) + each.codes
        return found

    @property
    def units(self) -> IntArray:
        """Which rows come together: the clusters, or each row by itself, (R,)."""
        return np.arange(len(self.counts)) if self.clusters is None else self.clusters

    @property
    def frame(self) -> pd.DataFrame:
        """Covariates as a data frame, for formulas: a row a person, so keep it inside."""
        return pd.DataFrame(
            {
                name: pd.Categorical.from_codes(each.codes, pd.Index([*each.levels]))
                if isinstance(each, Factor)
                else each
                for name, each in self.covariates.items()
            },
            index=range(len(self.counts)),
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the data as hexadecimal digits; equal tables have equal fingerprints."""
        names = [self.lists, [*self.covariates], list(self.levels.items()), self.cluster]
        digest = hashlib.sha256(json.dumps(names, default=str).encode())
        further = () if self.clusters is None else (self.clusters,)
        for array in (self.on, self.counts, *self._codes(), *further):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PersonTable) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        known = self.levels
        shown = (f"{n} ({len(known[n])})" if n in known else n for n in self.covariates)
        parts = [
            f"lists: {', '.join(self.lists)}",
            ", ".join(shown),
            f"{self.n_observed:,} observed",
        ]
        if self.clusters is not None:
            parts.append(f"{len(np.unique(self.clusters)):,} clusters by {self.cluster}")
        return f"PersonTable({'; '.join(filter(None, parts))})"

    # Tables made of it ---------------------------------------------------------------------------

    def counted(self, *names: str) -> CaptureTable:
        """Count the persons by capture history, and by covariates that are categories.

        Parameters
        ----------
        *names : str
            Covariates to keep; without any the table has lists alone.

        Returns
        -------
        CaptureTable

        Examples
        --------
        >>> import mse, pandas as pd
        >>> df = pd.DataFrame({"a": [1, 1, 0], "b": [0, 1, 1], "age": [17.5, 31, 22]})
        >>> mse.PersonTable.from_frame(df, ["a", "b"], ["age"]).counted().counts.tolist()
        [[0, 1], [1, 1]]
        """
        problems = Problems()
        check_unknown(names, [*self.levels], "covariate with categories", problems)
        problems.check()
        kept = {name: self._factor(name) for name in names}
        columns = np.column_stack([self.on, *(each.codes for each in kept.values())])
        patterns, place = np.unique(columns.astype(np.int64), axis=0, return_inverse=True)
        persons = np.bincount(place.ravel(), self.counts, len(patterns)).astype(np.int64)
        levels = {name: each.levels for name, each in kept.items()}
        return CaptureTable(self.lists, levels, patterns, persons, persons.copy(), info=self.info)

    def where(self, **levels: Any) -> PersonTable:
        """Take the persons with these levels, one level or several of each covariate with categories named.

        Examples
        --------
        >>> import mse, pandas as pd
        >>> df = pd.DataFrame({"a": [1, 1, 0], "b": [0, 1, 1], "sex": ["f", "m", "f"]})
        >>> mse.PersonTable.from_frame(df, ["a", "b"], ["sex"]).where(sex="f").n_observed
        2
        """
        problems, known = Problems(), self.levels
        check_unknown([*levels], [*known], "covariate with categories", problems)
        problems.check()
        keep = np.ones(len(self.counts), np.bool_)
        for name, asked in levels.items():
            several = isinstance(asked, list | tuple | set | frozenset | range)
            wanted = [*asked] if several else [asked]
            check_unknown(wanted, known[name], f"level of {name!r}", problems)
            chosen = [code for code, level in enumerate(known[name]) if level in wanted]
            keep &= np.isin(self._factor(name).codes, chosen)
        problems.check()
        kept = self._rows(keep)
        factors = {name: _used(kept._factor(name)) for name in known}
        said = "; ".join(f"{name}: {asked}" for name, asked in levels.items())
        scope = ", ".join(filter(None, (self.info.scope, said)))
        return replace(kept, covariates={**kept.covariates, **factors}).with_info(scope=scope)

    def _factor(self, name: str) -> Factor:
        """Take a covariate that is a category."""
        found = self.covariates[name]
        assert isinstance(found, Factor)
        return found

    def members_of(self, name: str) -> PersonTable:
        """Take the persons on a list who are on another one too, by the other lists."""
        problems = Problems()
        check_unknown([name], self.lists, "list", problems)
        problems.check()
        members = self._rows(self.on[:, self.lists.index(name)])
        return members.keep_lists([each for each in self.lists if each != name])

    def keep_lists(self, names: Sequence[str]) -> PersonTable:
        """Keep some lists, in the order given, and the persons on at least one of them."""
        problems = Problems()
        wanted = as_names(names, "list", problems)
        check_unknown(wanted, self.lists, "list", problems)
        problems.check()
        on = self.on[:, [self.lists.index(name) for name in wanted]]
        kept = replace(self, lists=wanted, on=on)
        return kept._rows(on.any(axis=1))._in_order()

    def clustered_by(self, name: str | None) -> PersonTable:
        """Take the levels of a covariate as the clusters, or None to take persons as independent."""
        if name is None:
            return replace(self, clusters=None, cluster="")
        problems = Problems()
        check_unknown([name], [*self.levels], "covariate with categories", problems)
        problems.check()
        return replace(self, clusters=self._factor(name).codes.copy(), cluster=name)

    def with_counts(self, counts: IntArray) -> PersonTable:
        """Keep the rows that stand for somebody, each for as many persons as given, (R,)."""
        kept = np.asarray(counts) > 0
        return replace(self, counts=np.asarray(counts, dtype=np.int64))._rows(kept)

    def with_info(self, **changes: Any) -> PersonTable:
        """Change what is said about the table: name, population, period, source, notes."""
        return replace(self, info=replace(self.info, **changes))


def _used(each: Factor) -> Factor:
    """Keep the levels that somebody has."""
    present, codes = np.unique(each.codes, return_inverse=True)
    return Factor(codes.astype(np.int64), tuple(each.levels[code] for code in present))


def _memberships(lists: Sequence[str], members: Sequence[Any], problems: Problems) -> BoolArray:
    """Who is on which list, all of it known, and everybody on one."""
    entries = np.column_stack(members) if members else np.zeros((0, 0))
    for name, unknown in zip(lists, (entries < 0).sum(axis=0), strict=True):
        if unknown:
            problems.add(
                f"Whether {unknown:,} of {len(entries):,} persons are on the list {name!r} is not known: "
                f"expected 1 or 0. {_impute(problems)}."
            )
    nowhere = int((entries == 0).all(axis=1).sum())
    if nowhere:
        problems.add(
            f"{nowhere:,} of {len(entries):,} persons are on no list: nobody can be observed there, their "
            "number is what is estimated. Leave them out, or correct them."
        )
    return np.asarray(entries == 1)


def _covariate(each: Factor, name: str, category: bool, problems: Problems) -> FloatArray | Factor:
    """Numbers as numbers, anything else as categories; what is missing is a problem."""
    missing, persons = int((each.codes < 0).sum()), len(each.codes)
    if missing:
        problems.add(
            f"Covariate {name!r} is missing of {missing:,} of {persons:,} persons: expected a "
            f"value of each. {_impute(problems)}."
        )
        return each
    if not category and {type(level) for level in each.levels} <= {int, float}:
        return np.array(each.levels, dtype=np.float64)[each.codes]
    check_no_identifier(each.levels, persons, name, "covariate", problems)
    return each


def _impute(problems: Problems) -> str:
    """Say what to do where something is not known."""
    if problems.voice.command:
        return "Leave these persons out of the file and say so, or combine imputations in Python with mse.pool"
    return (
        "Impute them several times and combine the answers with mse.pool([...]), or leave these persons out and "
        "say so"
    )


def _clusters(each: Factor, name: str, problems: Problems) -> IntArray:
    """Give clusters numbers."""
    missing = int((each.codes < 0).sum())
    if missing:
        problems.add(
            f"The cluster {name!r} is missing of {missing:,} of {len(each.codes):,} persons: give those who came "
            "alone a value of their own."
        )
    return each.codes.copy()
