"""How often each person was seen in one register, with covariates of any kind."""

from __future__ import annotations

import hashlib
import html
import json
import math
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from mse._drawing import Drawn
from mse._typing import FrozenDict
from mse.data.checks import Problems, as_names, check_unknown, listed
from mse.data.columns import count_column, factor, factorize, read_columns
from mse.data.kinds import NoLists
from mse.data.patterns import TableInfo
from mse.errors import InvalidTableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Level
    from mse.data.checks import Voice

#: What the register is called where nobody names it.
REGISTER = "register"
#: A count beyond is no number of times that a person was seen.
MOST_TIMES = 1_000_000


@dataclass(frozen=True, eq=False, repr=False)
class CountTable(NoLists, Drawn):
    """Counts of how often each person was seen in one register; those never seen are not in it.

    Make one with `from_frame`, `from_records` or `from_frequencies`. Rows that agree in everything are one.
    Tables are equal when they hold the same data; `info` does not matter for that.

    Attributes
    ----------
    register : str
        Name of the register.
    times : int64 array, shape (R,)
        How often the persons of each row were seen; 1 or more. Read only.
    persons : int64 array, shape (R,)
        Persons of each row. Read only.
    columns : mapping of str to array, shape (R,)
        Covariates: positions of levels (int64) of the categorical ones, numbers (float64) of the others.
    covariates : mapping of str to tuple
        Levels of each categorical covariate, in order.
    clusters : int64 array, shape (R,), or None
        Which persons came in together, by household or case.
    info : TableInfo
        Name, population, period, source.

    Raises
    ------
    InvalidTableError
        With all problems of the data in `.problems`.

    Examples
    --------
    >>> import mse
    >>> table = mse.CountTable.from_frequencies({1: 1645, 2: 183, 3: 37, 4: 13, 5: 1, 6: 1})
    >>> table
    CountTable(register; 1,880 observed, 2,185 times)
    """

    #: Who takes such a table.
    _meant_for: ClassVar[str] = (
        "mse.SingleRegister and mse.SingleRegisterSearch take it, alone, in mse.compare and in mse.bootstrap."
    )
    #: Of every table: nothing in it is known in part, and it has no margins.
    is_complete: ClassVar[bool] = True
    margins: ClassVar[None] = None

    register: str
    times: IntArray
    persons: IntArray
    columns: Mapping[str, IntArray | FloatArray] = FrozenDict()
    covariates: Mapping[str, tuple[Level, ...]] = FrozenDict()
    clusters: IntArray | None = None
    info: TableInfo = field(default_factory=TableInfo)

    def __post_init__(self) -> None:
        parts = [self.times, *self.columns.values()]
        parts += [] if self.clusters is None else [self.clusters]
        problems = Problems()
        if any(len(each) != len(self.persons) for each in parts):
            problems.add(
                "The parts of a CountTable differ in length: expected one entry for each row."
            )
        elif not len(self.times) or int(np.min(self.times)) < 1 or int(np.min(self.persons)) < 0:
            problems.add(
                "Expected rows of persons seen once or more; use from_frame, which says what is wrong."
            )
        unknown = [name for name in self.covariates if name not in self.columns]
        if unknown:
            problems.add(f"There are levels of {listed(unknown)}, of which there is no column.")
        problems.check()
        rows, persons = _distinct([*parts], self.persons)
        held = [np.ascontiguousarray(each[rows]) for each in parts]
        for each in (persons, *held):
            each.setflags(write=False)
        columns = dict(zip(self.columns, held[1:], strict=False))
        put = object.__setattr__
        put(self, "times", held[0].astype(np.int64, copy=False))
        put(self, "persons", persons)
        put(self, "columns", FrozenDict(columns))
        put(
            self,
            "covariates",
            FrozenDict({name: tuple(each) for name, each in self.covariates.items()}),
        )
        put(self, "clusters", None if self.clusters is None else held[-1])

    # Making one ------------------------------------------------------------------------------------

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        count: str,
        covariates: Sequence[str] = (),
        *,
        persons: str | None = None,
        categorical: Sequence[str] = (),
        cluster: str | None = None,
        register: str = REGISTER,
        voice: Voice | None = None,
    ) -> CountTable:
        """Read a frame of persons, or of counts with the number of persons that have them.

        Parameters
        ----------
        frame : pandas, polars or pyarrow data frame
            A row for each person or, with `persons`, for each kind of persons.
        count : str
            Column that says how often the person was seen: whole numbers, 1 or more.
        covariates : sequence of str
            Columns of covariates. Numbers are continuous, everything else is a category.
        persons : str, optional
            Column with the number of persons of each row.
        categorical : sequence of str
            Covariates that are categories although they are numbers, such as years.
        cluster : str, optional
            Column that says which persons came in together: a household, a case. It is not kept but as
            groups.
        register : str
            Name of the register.
        voice : Voice, optional
            How problems are told.

        Returns
        -------
        CountTable

        Raises
        ------
        InvalidTableError
            For counts that are missing, zero, negative or fractional, and covariates that are missing, each
            with the number of rows.

        Examples
        --------
        >>> import mse, pandas as pd
        >>> frame = pd.DataFrame(
        ...     {"times": [1, 2, 1], "sex": ["f", "m", "m"], "age": [31.0, 22.0, 40.0]}
        ... )
        >>> mse.CountTable.from_frame(frame, "times", ["sex", "age"], register="police")
        CountTable(police; sex (2), age; 3 observed, 4 times)
        """
        problems = Problems(voice)
        names = as_names(covariates, "covariates", problems)
        as_category = as_names(categorical, "categorical", problems)
        check_unknown(as_category, names, "covariate", problems)
        roles = [count, *names, *([persons] if persons else []), *([cluster] if cluster else [])]
        if len(set(roles)) < len(roles):
            twice = sorted({str(name) for name in roles if roles.count(name) > 1})
            problems.add(f"A column has two roles: {listed(twice)}. Name each column once.")
        found = read_columns(frame, roles, problems)
        problems.check()
        times = _times(found[count], count, problems)
        weights = np.ones(len(times), np.int64)
        if persons is not None:
            weights = _exactly(found[persons], persons, problems)
        return cls._of(
            times,
            weights,
            {name: found[name] for name in names},
            as_category,
            None if cluster is None else (found[cluster], cluster),
            register,
            problems,
        )

    @classmethod
    def from_records(
        cls,
        records: Any,
        person: str,
        covariates: Sequence[str] = (),
        *,
        categorical: Sequence[str] = (),
        cluster: str | None = None,
        register: str = REGISTER,
    ) -> CountTable:
        """Count the registrations of each person.

        Parameters
        ----------
        records : pandas, polars or pyarrow data frame
            A row for each time that somebody was seen.
        person : str
            Column that identifies the person. It is not kept.
        covariates, categorical, cluster, register
            As of `from_frame`; a person has one value of each.

        Returns
        -------
        CountTable

        Raises
        ------
        InvalidTableError
            Where persons are missing, or have several values of a covariate: with how many.

        Examples
        --------
        >>> import mse, pandas as pd
        >>> records = pd.DataFrame({"id": ["x", "y", "x"], "sex": ["f", "m", "f"]})
        >>> mse.CountTable.from_records(records, "id", ["sex"]).frequencies
        {1: 1, 2: 1}
        """
        problems = Problems()
        names = as_names(covariates, "covariates", problems)
        as_category = as_names(categorical, "categorical", problems)
        check_unknown(as_category, names, "covariate", problems)
        roles = [person, *names, *([cluster] if cluster else [])]
        found = read_columns(records, roles, problems)
        problems.check()
        who, _ = factorize(found[person], person, problems)
        if (who < 0).any():
            problems.add(
                f"Column {person!r} names nobody in {problems.voice.place(who < 0)}: every registration needs its "
                "person. Leave out those that cannot be linked, and say so."
            )
            problems.check()
        _, first = np.unique(who, return_index=True)
        for name in roles[1:]:
            codes, _ = factorize(found[name], name, problems)
            several = np.unique(who[codes != codes[first][who]]).size
            if several:
                problems.add(
                    f"Column {name!r} has several values for {several:,} of {len(first):,} persons: expected one "
                    "for each, as at the first registration for instance. Settle it before counting."
                )
        held = {name: found[name].iloc[first] for name in roles[1:]}
        together = None if cluster is None else (held[cluster], cluster)
        times = np.bincount(who).astype(np.int64)
        weights = np.ones(len(times), np.int64)
        columns = {name: held[name] for name in names}
        return cls._of(times, weights, columns, as_category, together, register, problems)

    @classmethod
    def from_frequencies(
        cls, frequencies: Mapping[int, int], *, register: str = REGISTER
    ) -> CountTable:
        """Take how many persons were seen once, twice, and so on.

        Parameters
        ----------
        frequencies : mapping of int to int
            Persons by how often they were seen: ``{1: 1645, 2: 183}``.
        register : str
            Name of the register.

        Returns
        -------
        CountTable

        Raises
        ------
        InvalidTableError
            If counts or numbers of persons are no whole numbers.
        """
        if not hasattr(frequencies, "items") or not len(frequencies):
            msg = f"Expected persons by how often they were seen, {{1: 41, 2: 5}}; got {frequencies!r:.80}."
            raise InvalidTableError(msg)
        frame = pd.DataFrame(
            {"times": [*frequencies], "persons": [*frequencies.values()]}, dtype=object
        )
        return cls.from_frame(frame, "times", persons="persons", register=register)

    @classmethod
    def _of(
        cls,
        times: IntArray,
        persons: IntArray,
        found: Mapping[str, pd.Series[Any]],
        categorical: Sequence[str],
        cluster: tuple[pd.Series[Any], str] | None,
        register: str,
        problems: Problems,
    ) -> CountTable:
        """Code covariates, and refuse what is missing."""
        columns: dict[str, Any] = {}
        covariates: dict[str, tuple[Level, ...]] = {}
        for name, column in found.items():
            numbers = _numbers(column) if name not in categorical else None
            if numbers is None:
                coded = factor(column, name, problems)
                columns[name], covariates[name], missing = (
                    coded.codes,
                    coded.levels,
                    coded.codes < 0,
                )
            else:
                columns[name], missing = numbers, ~np.isfinite(numbers)
            _refuse_missing(missing, name, problems)
        groups = None
        if cluster is not None:
            groups, _ = factorize(*cluster, problems)
            _refuse_missing(groups < 0, cluster[1], problems)
        problems.check()
        keep = persons > 0
        if not keep.any():
            raise InvalidTableError(
                "The table has nobody in it: expected at least one person who was seen."
            )
        return cls(
            str(register),
            times[keep],
            persons[keep],
            {name: each[keep] for name, each in columns.items()},
            covariates,
            None if groups is None else groups[keep],
        )

    # What it holds ---------------------------------------------------------------------------------

    @property
    def lists(self) -> tuple[str, ...]:
        """The register alone, as tables of lists have it."""
        return (self.register,)

    @property
    def n_observed(self) -> int:
        """Persons seen at least once."""
        return int(self.persons.sum())

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the continuous covariates."""
        return tuple(name for name in self.columns if name not in self.covariates)

    @property
    def frequencies(self) -> dict[int, int]:
        """Persons by how often they were seen."""
        known, where = np.unique(self.times, return_inverse=True)
        counts = np.bincount(where, self.persons, len(known)).astype(np.int64)
        return dict(zip(known.tolist(), counts.tolist(), strict=True))

    def strata(self, names: Sequence[str]) -> tuple[IntArray, dict[str, tuple[Level, ...]]]:
        """Which combination of levels of categorical covariates each row is in, in C order, and the levels.

        names : sequence of str
            Categorical covariates.
        """
        levels = {name: self.covariates[name] for name in names}
        groups = np.zeros(len(self.times), np.int64)
        for name, each in levels.items():
            groups = groups * len(each) + self.columns[name].astype(np.int64)
        return groups, levels

    def frame(self) -> pd.DataFrame:
        """Covariates by row, categories with their levels in order: for formulas, not for output."""
        held: dict[str, Any] = {}
        for name, column in self.columns.items():
            held[name] = column
            if name in self.covariates:
                levels = pd.Index([*self.covariates[name]])
                held[name] = pd.Categorical.from_codes(column.astype(np.int64), categories=levels)
        return pd.DataFrame(held, index=range(len(self.times)))

    def to_frame(self) -> pd.DataFrame:
        """Persons by how often they were seen, one row each: ``times``, ``persons``."""
        return pd.DataFrame(self.frequencies.items(), columns=["times", "persons"])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the data as hexadecimal digits; equal tables have equal fingerprints."""
        axes = [
            self.register,
            [*self.columns],
            [[*map(str, each)] for each in self.covariates.values()],
        ]
        digest = hashlib.sha256(json.dumps(axes).encode())
        together = () if self.clusters is None else (self.clusters,)
        for array in (self.times, self.persons, *self.columns.values(), *together):
            digest.update(array.astype("<f8").tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CountTable):
            return NotImplemented
        return self is other or self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), tuple(getattr(self, part.name) for part in fields(self)))

    def __repr__(self) -> str:
        shown = [
            f"{name} ({len(self.covariates[name])})" if name in self.covariates else name
            for name in self.columns
        ]
        held = f"{', '.join(shown)}; " if shown else ""
        seen = int(self.times @ self.persons)
        return f"CountTable({self.register}; {held}{self.n_observed:,} observed, {seen:,} times)"

    # Parts of it -----------------------------------------------------------------------------------

    def with_info(self, **changes: Any) -> CountTable:
        """Describe the same data otherwise, such as `with_info(name="pilot")`."""
        problems = Problems()
        known = [part.name for part in fields(TableInfo)]
        check_unknown(list(changes), known, "field of `info`", problems)
        problems.check()
        return replace(self, info=replace(self.info, **changes))

    def where(self, **levels: Any) -> CountTable:
        """Take the persons with these levels, one level or several of each categorical covariate named.

        Examples
        --------
        >>> import mse
        >>> mse.load_dataset("irregular_migrants").where(gender="female").n_observed
        398
        """
        keep = np.ones(len(self.times), np.bool_)
        for name, asked in levels.items():
            known = self._levels(name)
            several = isinstance(asked, list | tuple | set | frozenset | range)
            wanted = [*asked] if several else [asked]
            unknown = [each for each in wanted if each not in known]
            if unknown:
                raise InvalidTableError(
                    f"{name!r} has no level {listed(unknown)}: its levels are {listed(known, 12)}."
                )
            keep &= np.isin(self.columns[name], [known.index(each) for each in wanted])
        scope = "; ".join(f"{name}: {asked}" for name, asked in levels.items())
        return self._part(keep, self.columns, ", ".join(filter(None, (self.info.scope, scope))))

    def by(self, covariate: str) -> dict[Level, CountTable]:
        """Make a table for each level of a categorical covariate, without that covariate.

        Examples
        --------
        >>> import mse
        >>> {
        ...     name: t.n_observed
        ...     for name, t in mse.load_dataset("irregular_migrants").by("gender").items()
        ... }
        {'female': 398, 'male': 1482}
        """
        rest = {name: each for name, each in self.columns.items() if name != covariate}
        return {
            level: self._part(self.columns[covariate] == code, rest, f"{covariate}: {level}")
            for code, level in enumerate(self._levels(covariate))
            if (self.columns[covariate] == code).any()
        }

    def collapse(self, *covariates: str) -> CountTable:
        """Leave out covariates; persons who are alike in the others are one row.

        Examples
        --------
        >>> import mse
        >>> [*mse.load_dataset("irregular_migrants").collapse("reason", "nation").covariates]
        ['gender', 'age']
        """
        problems = Problems()
        check_unknown([*covariates], [*self.columns], "covariate", problems)
        problems.check()
        kept = {name: each for name, each in self.columns.items() if name not in covariates}
        levels = {name: each for name, each in self.covariates.items() if name in kept}
        return replace(self, columns=kept, covariates=levels)

    def _levels(self, name: str) -> tuple[Level, ...]:
        problems = Problems()
        check_unknown([name], [*self.covariates], "categorical covariate", problems)
        problems.check()
        return self.covariates[name]

    def _part(self, keep: BoolArray, columns: Mapping[str, Any], scope: str) -> CountTable:
        """Take some rows with some of the covariates, whose levels are those that somebody has."""
        if not keep.any():
            raise InvalidTableError(f"Nobody is left with {scope}: expected at least one person.")
        held, covariates = {}, {}
        for name, column in columns.items():
            held[name] = column[keep]
            if name in self.covariates:
                used, codes = np.unique(held[name], return_inverse=True)
                held[name] = codes.astype(np.int64)
                covariates[name] = tuple(self.covariates[name][int(each)] for each in used)
        together = None if self.clusters is None else self.clusters[keep]
        info = replace(self.info, scope=scope)
        return CountTable(
            self.register, self.times[keep], self.persons[keep], held, covariates, together, info
        )

    # In words --------------------------------------------------------------------------------------

    def describe(self) -> str:
        """Tell who was seen how often, as text.

        Examples
        --------
        >>> import mse
        >>> print(
        ...     mse.CountTable.from_frequencies({1: 40, 2: 7, 3: 1}, register="police").describe()
        ... )
        One register: police
          observed: 48 persons, 57 times
          seen once: 40, twice: 7, three times or more: 1
        """
        info, found = self.info, self.frequencies
        more = sum(persons for times, persons in found.items() if times > 2)
        lines = [
            ": ".join(part for part in ("One register", info.name or self.register) if part),
            *(
                f"  population: {each}"
                for each in [", ".join(filter(None, (info.population, info.period)))]
                if each
            ),
            f"  observed: {self.n_observed:,} persons, {int(self.times @ self.persons):,} times",
            f"  seen once: {found.get(1, 0):,}, twice: {found.get(2, 0):,}, three times or more: {more:,}",
        ]
        lines += [f"  {name}: {listed(levels, 8)}" for name, levels in self.covariates.items()]
        lines += [f"  {name}: a number" for name in self.numbers]
        if self.clusters is not None:
            lines.append(f"  in {len(np.unique(self.clusters)):,} clusters")
        lines += [f"  source: {info.source}"] if info.source else []
        return "\n".join(lines)

    def summary(self) -> str:
        """Give the same text as `describe`."""
        return self.describe()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.describe())}</pre>"


def _distinct(columns: Sequence[Any], persons: Any) -> tuple[IntArray, IntArray]:
    """Find a row of each kind, in the order of their entries, and count its persons."""
    weights = np.asarray(persons, dtype=np.int64)
    order = np.lexsort([np.asarray(each) for each in reversed(columns)])
    changes = np.zeros(len(order), np.bool_)
    changes[0] = True
    for each in columns:
        held = np.asarray(each)[order]
        changes[1:] |= held[1:] != held[:-1]
    group = np.cumsum(changes) - 1
    sums = np.zeros(int(group[-1]) + 1, np.int64)
    np.add.at(sums, group, weights[order])
    return order[changes], sums


def _exactly(column: pd.Series[Any], name: str, problems: Problems) -> IntArray:
    """Read whole numbers; a count within bounds is none."""
    low, high = count_column(column, name, problems)
    vague = low != high
    if vague.any():
        problems.add(
            f"Column {name!r} holds bounds such as '<5' in {problems.voice.place(vague)}: expected exact counts. "
            "Ask the source for them."
        )
    return low


def _times(column: pd.Series[Any], name: str, problems: Problems) -> IntArray:
    """Read how often persons were seen."""
    times = _exactly(column, name, problems)
    if (times == 0).any():
        problems.add(
            f"Column {name!r} holds 0 in {problems.voice.place(times == 0)}: a register holds those who were seen, "
            "once or more, and how many were never seen is what is asked. Leave these rows out; if they are "
            "known persons of another source, that is a second list: use a CaptureTable."
        )
    if (times > MOST_TIMES).any():
        problems.add(
            f"Column {name!r} holds numbers above {MOST_TIMES:,} in {problems.voice.place(times > MOST_TIMES)}: "
            "expected how often a person was seen. Is it an identifier?"
        )
    return np.maximum(times, 1)


def _numbers(column: pd.Series[Any]) -> FloatArray | None:
    """Read a continuous covariate, NaN where it is missing; None of a category."""
    if isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(column):
        return None
    if not pd.api.types.is_numeric_dtype(column):
        return None
    found = column.to_numpy(dtype=np.float64, na_value=math.nan)
    return np.asarray(found, dtype=np.float64)


def _refuse_missing(missing: BoolArray, name: str, problems: Problems) -> None:
    if missing.any():
        problems.add(
            f"Column {name!r} is not known in {int(missing.sum()):,} of {len(missing):,} rows: expected a value in "
            "each, since leaving them out would leave out their persons. Impute them several times, or make "
            "'unknown to the register' a level of its own."
        )
