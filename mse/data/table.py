"""What was seen: counts of persons by the lists they are on."""

from __future__ import annotations

import hashlib
import html
import json
import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mse._drawing import Drawn
from mse._saving import Saved
from mse._typing import FrozenDict
from mse.data import readers
from mse.data.checks import Problems, as_names, check_names, check_unknown, listed
from mse.data.codings import Entries
from mse.data.columns import UNBOUNDED
from mse.data.operating import (
    Operating,
    check_entries,
    doubted_places,
    nowhere_of,
    positions,
    read_operating,
    settled,
    silent_places,
    spread_out,
)
from mse.data.patterns import Margins, Observations, TableInfo, distinct, total
from mse.data.readers import check_parts
from mse.errors import InvalidTableError, MSEWarning

if TYPE_CHECKING:
    from mse._typing import BoolArray, IntArray, Level
    from mse.data.operating import Said


@dataclass(frozen=True, eq=False, repr=False)
class CaptureTable(Drawn, Saved):
    """Counts of observed persons by capture history: who is on which lists, by covariates.

    Make one with `mse.read`, or from what is at hand with `from_frame`, `from_records`, `from_counts`,
    `from_array`, `from_overlaps` or `from_margins`. Each row of the table is a count, exact or within bounds, of the persons with one pattern. Entries of a pattern
    that are not known (-1) stand for every value they may have, so the count is over the sum of those
    cells. Tables are equal when they hold the same data; `info` does not matter for that.

    Attributes
    ----------
    lists : tuple of str
        Names of the K lists.
    covariates : mapping of str to tuple
        Levels of each of the D covariates, in order. Read only.
    patterns : int64 array, shape (R, K + D)
        For each list 1 (on it), 0 (not on it) or -1 (not known); for each covariate the position of its
        level or -1. Rows differ and are sorted. Somebody reported each person: a row without a 1 has
        two unknown memberships or more, of which one is a 1. Read only.
    low, high : int64 arrays, shape (R,), persons
        At least and at most so many persons; equal when the count is exact; `high` is
        `mse.data.table.UNBOUNDED` where there is no upper bound. Patterns without persons are not kept.
    margins : Margins or None
        The published totals, for a table made with `from_margins`, which has no patterns.
    info : TableInfo
        Name, population, period, source.
    operating : int8 array, shape (K, S), or None
        What was said about where lists operated: 1 where a list did, 0 where it did not, -1 where
        nothing is said; None where nothing is said at all. Made of what `with_operating` takes. Read only.

    Raises
    ------
    InvalidTableError
        With all problems of the data in `.problems`.

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_counts({"10": 41, "01": 5, "11": 3}, lists=["a", "b"])
    >>> table
    CaptureTable(lists: a, b; 49 observed)
    >>> table.counts.tolist()
    [[0, 5], [41, 3]]
    """

    lists: tuple[str, ...]
    covariates: Mapping[str, tuple[Level, ...]]
    patterns: IntArray
    low: IntArray
    high: IntArray
    margins: Margins | None = None
    info: TableInfo = field(default_factory=TableInfo)
    operating: npt.NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        seen = check_parts(
            self.lists, self.covariates, self.patterns, self.low, self.high, self.operating
        )
        if self.margins is not None and (
            len(seen.patterns) or tuple(self.margins.list_totals) != seen.lists
        ):
            msg = (
                "A table of margins has no patterns and a total for each list: use `from_margins`."
            )
            raise InvalidTableError(msg)
        self._hold(seen, self.margins, self.info)

    def _hold(self, seen: Observations, margins: Margins | None, info: TableInfo) -> None:
        for array in (seen.patterns, seen.low, seen.high, seen.operating):
            if array is not None:
                array.flags.writeable = False
        values = (
            seen.lists,
            FrozenDict(seen.covariates),
            seen.patterns,
            seen.low,
            seen.high,
            margins,
            info,
            seen.operating,
        )
        for part, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, part.name, value)

    @classmethod
    def _of(
        cls, seen: Observations, info: TableInfo | None = None, margins: Margins | None = None
    ) -> CaptureTable:
        """Make a table of observations that are known to be in order."""
        table = object.__new__(cls)
        table._hold(seen, margins, info or TableInfo())
        return table

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers rebuild the table: arrays come out of a pickle writable, and caches need not travel.
        return (type(self)._of, (observations(self), self.info, self.margins))

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        lists: Sequence[str],
        covariates: Sequence[str] = (),
        count: str | tuple[str, str] | None = None,
        *,
        operating: Operating | None = None,
        blank: Literal["0", "unknown"] | None = None,
    ) -> CaptureTable:
        """Count the persons of a data frame with a column for each list.

        Parameters
        ----------
        frame : pandas, polars or pyarrow data frame
            One row for each person, or with `count` one row for each cell of the table.
        lists : sequence of str
            Columns that hold 1/0, True/False or "1"/"0". Somebody reported each person: where all
            known memberships are 0, one of the unknown ones is a 1.
        covariates : sequence of str
            Columns of categories. Levels are sorted; pandas categories keep their order. NaN, None, ""
            and "unknown" (any case) mean not known, here and in the lists.
        count : str or pair of str, optional
            Column of whole numbers of persons, or of strings such as "<5" (0 to 4 persons) or "5-9"; or
            the columns of the lower and upper bounds (no upper bound where that is missing).
        operating : "everywhere" or mapping, optional
            Where lists operated, see `with_operating`; inferred where it is not said.
        blank : {"0", "unknown"}, optional
            What a missing entry in a list column means: not on the list, or not known. It is not known where
            the column holds a 0 as well; where it holds none, that has to be said.

        Returns
        -------
        CaptureTable
            Explicit zeros change nothing.

        Raises
        ------
        InvalidTableError
            With every problem found in the data.

        Examples
        --------
        >>> import mse, pandas as pd
        >>> df = pd.DataFrame({"a": [1, 1, 0], "b": [0, 1, 1], "n": [41, 3, 5]})
        >>> mse.CaptureTable.from_frame(df, lists=["a", "b"], count="n").n_observed
        49
        """
        if blank not in (None, "0", "unknown"):
            raise InvalidTableError(f"blank={blank!r}: expected '0' or 'unknown'.")
        entries = Entries(blank=blank)
        return cls._of(
            readers.from_frame(frame, lists, covariates, count, operating, entries=entries)
        )

    @classmethod
    def from_records(
        cls,
        frame: Any,
        person: str,
        register: str,
        period: str | None = None,
        covariates: Sequence[str] = (),
        *,
        registers: Sequence[str] | None = None,
        operating: Operating | None = None,
    ) -> CaptureTable:
        """Count persons from registrations, one row for each report of a person to a register.

        Parameters
        ----------
        frame : pandas, polars or pyarrow data frame
            The registrations. Identifiers do not stay in the table.
        person, register : str
            Columns of the identifier of the person and the name of the register.
        period : str, optional
            Column, such as the year. A person counts once in each period, which becomes a covariate.
        covariates : sequence of str
            Columns. A value that is missing in one record and known in another of the same unit is known.
        registers : sequence of str, optional
            Names of the lists in order; without it the registers found, sorted.
        operating : "everywhere" or mapping, optional
            Where lists operated, see `with_operating`. Without it every list did everywhere: who has no
            registration in a register is not on it.

        Returns
        -------
        CaptureTable
            Its lists are the registers; its covariates are the period, then `covariates`.

        Raises
        ------
        InvalidTableError
            With every problem found in the data.

        Warns
        -----
        InconsistentRecordsWarning
            When covariates disagree within a unit, and are unknown there.

        Examples
        --------
        >>> import mse, pandas as pd
        >>> df = pd.DataFrame({"id": ["p", "p", "q"], "source": ["care", "police", "care"]})
        >>> mse.CaptureTable.from_records(df, person="id", register="source").overlaps()
                care  police
        care       2       1
        police     1       1
        """
        return cls._of(
            readers.from_records(
                frame,
                person,
                register,
                period=period,
                covariates=covariates,
                registers=registers,
                operating=operating,
            )
        )

    @classmethod
    def from_counts(cls, counts: Mapping[str, int], lists: Sequence[str]) -> CaptureTable:
        """Read counts by capture history; the first character is the first list.

        Examples
        --------
        >>> import mse
        >>> mse.CaptureTable.from_counts({"100": 41, "010": 5, "101": 7}, lists=["a", "b", "c"])
        CaptureTable(lists: a, b, c; 53 observed)
        """
        return cls._of(readers.from_counts(counts, lists))

    @classmethod
    def from_margins(cls, list_totals: Mapping[str, int], union: int) -> CaptureTable:
        """Hold published list totals and the number of persons on at least one list.

        Examples
        --------
        >>> import mse
        >>> mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110).n_observed
        110
        """
        totals, union = readers.from_margins(list_totals, union)
        none = np.zeros(0, dtype=np.int64)
        seen = Observations(
            tuple(totals), {}, none.reshape(0, len(totals)), none.copy(), none.copy()
        )
        return cls._of(seen, margins=Margins(totals, union))

    @classmethod
    def from_overlaps(
        cls, overlaps: Mapping[Any, int], lists: Sequence[str] | None = None
    ) -> CaptureTable:
        """Read published overlaps: persons on a group of lists, whatever else they are on.

        Parameters
        ----------
        overlaps : mapping
            Groups of lists, as tuples or as text with ``&`` between names, to persons. With all
            intersections the cells are their differences, exactly. With fewer, such as pairs only, the
            cells are not known: the table holds the figures, and estimators say why there is no estimate.
        lists : sequence of str, optional
            Names of the lists, in order; otherwise in the order in which they are named.

        Raises
        ------
        InvalidTableError
            With every problem found, such as an overlap that is larger than the one it is part of.

        Examples
        --------
        >>> import mse
        >>> mse.CaptureTable.from_overlaps({"a": 44, "b": 8, "a & b": 3})
        CaptureTable(lists: a, b; 49 observed)
        """
        return cls._of(*readers.from_overlaps(overlaps, lists))

    @classmethod
    def from_array(
        cls,
        counts: npt.ArrayLike,
        lists: Sequence[str],
        covariates: Mapping[str, Sequence[Level]] | None = None,
        *,
        operating: Operating | None = None,
    ) -> CaptureTable:
        """Read a dense table of shape (2,)*K + (number of levels of each covariate,), in persons.

        The cells of persons on no list must be 0. Levels stay as given, also those without persons.
        `operating` says where lists operated, see `with_operating`.

        Examples
        --------
        >>> import mse
        >>> mse.CaptureTable.from_array([[0, 5], [41, 3]], lists=["a", "b"]).n_observed
        49
        """
        return cls._of(readers.from_array(counts, lists, covariates or {}, operating))

    @property
    def n_lists(self) -> int:
        """Number of lists, K."""
        return len(self.lists)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the lists, then of the covariates."""
        return (*self.lists, *self.covariates)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the dense table: 2 for each list, then the number of levels of each covariate."""
        return (2,) * self.n_lists + tuple(len(levels) for levels in self.covariates.values())

    @property
    def n_cells(self) -> int:
        """Number of cells, those of persons on no list included."""
        return math.prod(self.shape)

    @property
    def n_strata(self) -> int:
        """Number of combinations of levels of the covariates; 1 without covariates."""
        return math.prod(len(levels) for levels in self.covariates.values())

    @cached_property
    def n_observed(self) -> int:
        """Persons on at least one list; at least so many when counts are known within bounds."""
        return self.margins.union if self.margins is not None else int(self.low.sum())

    @cached_property
    def is_complete(self) -> bool:
        """Whether every count is exact, every pattern fully known, and no list is said not to operate."""
        exact = np.array_equal(self.low, self.high)
        silent = self.operating is not None and bool((self.operating == 0).any())
        return self.margins is None and exact and not silent and not np.any(self.patterns < 0)

    @cached_property
    def counts(self) -> IntArray:
        """Persons in each cell, int64 of shape `shape`, read only; see `is_complete`.

        Rows that are partly known have no place in it and are left out.

        Raises
        ------
        InvalidTableError
            If it would have more than 2**26 cells, or only margins are known.
        """
        return dense_counts(self)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the data as hexadecimal digits; equal tables have equal fingerprints."""
        axes = [self.lists, list(self.covariates.items())]
        margins = self.margins and [list(self.margins.list_totals.values()), self.margins.union]
        if self.margins is not None and self.margins.overlaps is not None:
            margins = [margins, sorted(self.margins.overlaps.items())]
        digest = hashlib.sha256(json.dumps([axes, margins]).encode())
        for array in (self.patterns, self.low, self.high):
            digest.update(array.astype("<i8").tobytes())
        if self.operating is not None:
            digest.update(self.operating.tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CaptureTable):
            return NotImplemented
        return self is other or self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        few = self.n_lists <= 8
        lists = f"lists: {', '.join(self.lists)}" if few else f"{self.n_lists} lists"
        groups = ", ".join(f"{name} ({len(levels)})" for name, levels in self.covariates.items())
        return (
            f"CaptureTable({lists}; {groups + '; ' if groups else ''}{self.n_observed:,} observed)"
        )

    def _repr_html_(self) -> str:
        return html_of(self)

    def to_frame(self) -> pd.DataFrame:
        """Make one row for each pattern, with the count `n`, or `n_low` and `n_high`.

        Lists are Int64 columns (NA where not known), covariates are categorical. `from_frame` reads it
        back, but for what was said about where lists operated. For a table of margins the rows are the
        lists and, last, their union.

        Examples
        --------
        >>> import mse
        >>> mse.CaptureTable.from_counts({"10": 41, "11": 3}, lists=["a", "b"]).to_frame()
           a  b   n
        0  1  0  41
        1  1  1   3
        """
        return frame_of(self)

    def overlaps(self) -> pd.DataFrame:
        """Count the persons known to be on both lists of each pair; on the diagonal, on each list.

        Examples
        --------
        >>> import mse
        >>> mse.load_dataset("artificial_3").overlaps()
            A   B   C
        A  46   6   0
        B   6  36   0
        C   0   0  20
        """
        return overlaps_of(self)

    def keep_lists(self, names: Sequence[str]) -> CaptureTable:
        """Keep some lists, in the order given, and the persons on at least one of them.

        Examples
        --------
        >>> import mse
        >>> mse.load_dataset("artificial_3").keep_lists(["B", "A"])
        CaptureTable(lists: B, A; 76 observed)
        """
        return self._of(*kept_lists(self, names))

    def drop_lists(self, names: Sequence[str]) -> CaptureTable:
        """Leave lists out, and the persons on no other list."""
        return self._of(*without_lists(self, names))

    def merge_lists(self, groups: Mapping[str, Sequence[str]]) -> CaptureTable:
        """Replace groups of lists by the list of persons on any of them, at the place of the first.

        Examples
        --------
        >>> import mse
        >>> mse.load_dataset("uk").merge_lists({"PFNCA": ["PF", "NCA"]}) == mse.load_dataset("uk_5")
        True
        """
        return self._of(*merged_lists(self, groups))

    def not_operating(self, name: str, /, **levels: object) -> CaptureTable:
        """Say that a list did not operate in some strata, such as `("care", year=[2018, 2019])`.

        Membership is unknown there, not 0. Persons who were only on that list there are set aside, with a
        warning. `with_operating` says the same the other way round.
        """
        return self._of(silenced(self, name, levels), self.info)

    def with_operating(self, operating: Operating | None) -> CaptureTable:
        """Say where lists operated.

        Parameters
        ----------
        operating : "everywhere" or mapping
            `"everywhere"` for all lists; or for each list that is named `"everywhere"`, the levels with
            which it operated, `{"year": [2014, 2015], "region": "north"}` (a covariate that is not named
            may have any level), or a list of such mappings, of which one must hold. None takes back
            what was said; of lists that are not named what was said before stays.

        Returns
        -------
        CaptureTable
            Where a list operated an unknown membership is missing at random. Where it did not, membership
            is unknown, whatever the data hold, and persons on no other list are set aside, with a warning.

        Raises
        ------
        InvalidTableError
            With every problem found in the statement.

        Notes
        -----
        Where nothing is said it is inferred, when a table is estimated, from who lacks the list: a list of
        which nobody's membership is known in a stratum is taken not to have operated there. `describe` and
        the warnings of the estimate tell where, and on how many persons that rests. Two persons may lack a
        list by chance.

        Examples
        --------
        >>> import mse, pandas as pd
        >>> df = pd.DataFrame({"a": [1, 1, 0, 1, 1], "b": [0, 1, 1, 1, None], "n": [9, 4, 6, 3, 2]})
        >>> df["year"] = [2014, 2014, 2014, 2014, 2015]
        >>> df = df.drop(index=3)
        >>> table = mse.CaptureTable.from_frame(df, ["a", "b"], ["year"], count="n")
        >>> print(table.describe().splitlines()[-1].strip())
        not operating b in year=2015 (of 2 persons), as inferred: nobody's membership is known there
        >>> table.with_operating({"b": "everywhere"}).operating.tolist()
        [[-1, -1], [1, 1]]
        """
        return self._of(said_again(self, operating), self.info)

    def where(self, **levels: object) -> CaptureTable:
        """Select the persons with the given levels, such as `year=2015` or `year=[2014, 2015]`.

        One level drops the covariate; a collection keeps it, with the levels chosen. Persons whose level
        is not known are left out, with a warning.

        Examples
        --------
        >>> import mse
        >>> mse.load_dataset("spina_bifida").where(ethnicity="caucasian")
        CaptureTable(lists: S1, S2, S3; 583 observed)
        """
        return self._of(*selected(self, levels))

    def by(self, covariate: str) -> dict[Level, CaptureTable]:
        """Make a table for each level of a covariate, without that covariate.

        Examples
        --------
        >>> import mse
        >>> {
        ...     name: t.n_observed
        ...     for name, t in mse.load_dataset("scotland_pwid").by("region").items()
        ... }
        {'GGC': 1498, 'Rest': 4172}
        """
        return {level: self._of(*part) for level, part in split(self, covariate).items()}

    def collapse(self, *covariates: str) -> CaptureTable:
        """Sum over covariates.

        Examples
        --------
        >>> import mse
        >>> mse.load_dataset("scotland_pwid").collapse("sex", "age")
        CaptureTable(lists: S1, S2, S3, S4; region (2); 5,670 observed)
        """
        return self._of(*collapsed(self, covariates))

    def with_info(self, **changes: Any) -> CaptureTable:
        """Describe the same data otherwise, such as `with_info(name="pilot")`."""
        problems = Problems()
        check_unknown(
            list(changes), [part.name for part in fields(TableInfo)], "field of `info`", problems
        )
        problems.check()
        return self._of(observations(self), replace(self.info, **changes), self.margins)

    def with_counts(self, counts: IntArray) -> CaptureTable:
        """Put other exact counts, int64 of shape `shape`, on the same lists and covariates.

        For resampling and simulation: nothing is checked but the shape, the type, and that nobody is on
        no list. Lists and levels may be empty. Where a list is said not to operate its memberships are
        unknown again.
        """
        dense = checked_counts(self, counts)
        patterns, persons = readers.patterns_of(dense)
        seen = Observations(
            self.lists, dict(self.covariates), patterns, persons, persons, self.operating
        )
        if self.operating is not None and not self.operating.all():
            return self._of(settled(seen), self.info)
        table = self._of(seen, self.info)
        table.__dict__["counts"] = dense
        return table

    def describe(self) -> str:
        """Tell totals, overlaps and strata as text.

        Examples
        --------
        >>> import mse
        >>> print(
        ...     mse.CaptureTable.from_counts(
        ...         {"10": 41, "01": 5, "11": 4}, lists=["a", "b"]
        ...     ).describe()
        ... )
        Capture table
          observed      50 persons on 2 lists
          lists         a 45 (90.0%), b 9 (18.0%)
          persons on    46 on 1, 4 on 2 of the lists
        """
        return described(self)

    def summary(self) -> str:
        """Give the same text as `describe`."""
        return described(self)


# Tables made from tables: fewer lists, merged lists, selected or summed strata --------------------

# 2**26 cells of 8 bytes are 512 MB; models of tables that large are out of reach anyway.
MAX_CELLS = 2**26


def kept_lists(table: CaptureTable, names: object) -> tuple[Observations, TableInfo]:
    """Keep the persons on at least one of the named lists, seen by these lists only."""
    problems = Problems()
    lists = as_names(names, "list", problems)
    check_unknown(lists, table.lists, "list", problems)
    check_names(lists, (), problems)
    problems.check()
    _check_cells_known(table, "keep_lists")
    axes = [table.lists.index(name) for name in lists]
    others = np.delete(table.patterns[:, : table.n_lists], axes, axis=1)
    # Who is known to be on none of the other lists is on one of these.
    seen = (table.patterns[:, axes] == 1).any(axis=1) | (others == 0).all(axis=1)
    columns = [*axes, *range(table.n_lists, len(table.axes))]
    patterns = table.patterns[seen][:, columns]
    info = _narrowed(table.info, lists)
    if not seen.all():
        info = _scoped(info, f"persons on {', '.join(lists)}")
    said = None if table.operating is None else table.operating[axes]
    return _counted(table, lists, table.covariates, patterns, seen, said=said), info


def without_lists(table: CaptureTable, names: object) -> tuple[Observations, TableInfo]:
    """Leave lists out, and the persons on no other list."""
    problems = Problems()
    lists = as_names(names, "list", problems)
    check_unknown(lists, table.lists, "list", problems)
    problems.check()
    return kept_lists(table, [name for name in table.lists if name not in lists])


def merged_lists(
    table: CaptureTable, groups: Mapping[str, Sequence[str]]
) -> tuple[Observations, TableInfo]:
    """Replace each group of lists by one list of the persons on any of them."""
    problems = Problems()
    old = _merge_groups(table, groups, problems)
    problems.check()
    _check_cells_known(table, "merge_lists")
    new_of = {name: new for new, names in old.items() for name in names}
    lists = tuple(dict.fromkeys(new_of.get(name, name) for name in table.lists))
    check_names(lists, list(table.covariates), problems)
    problems.check()
    columns, said, nowhere = [], [], nowhere_of(observations(table))
    for name in lists:
        axes = [table.lists.index(part) for part in old.get(name, (name,))]
        # Nobody was on a part that did not operate, where another did.
        absent = nowhere[:, axes] & ~nowhere[:, axes].all(axis=1, keepdims=True)
        parts = np.where(absent, 0, table.patterns[:, axes])
        # On any: known if one is known to hold the person, or all are known not to.
        columns.append(np.where((parts == 1).any(1), 1, np.where((parts < 0).any(1), -1, 0)))
        if table.operating is not None:
            said.append(somewhere(table.operating[axes]))
    patterns = np.column_stack([*columns, table.patterns[:, table.n_lists :]]).astype(np.int64)
    told = table.info.list_descriptions
    words = {
        name: "; ".join(told[part] for part in old.get(name, (name,)) if part in told)
        for name in lists
    }
    info = replace(
        table.info, list_descriptions={name: text for name, text in words.items() if text}
    )
    every = np.ones(len(patterns), dtype=bool)
    held = np.stack(said) if said else None
    return _counted(table, lists, table.covariates, patterns, every, said=held), info


def _merge_groups(
    table: CaptureTable, groups: object, problems: Problems
) -> dict[str, tuple[str, ...]]:
    if not isinstance(groups, Mapping) or not groups:
        problems.add(
            f"`merge_lists` was given {groups!r}: expected a mapping from new names to lists, such as "
            f'{{"merged": {list(table.lists[:2])!r}}}.'
        )
        return {}
    old = {str(new): as_names(names, "list", problems) for new, names in groups.items()}
    mentioned = [name for names in old.values() for name in names]
    check_unknown(list(dict.fromkeys(mentioned)), table.lists, "list", problems)
    twice = sorted({name for name in mentioned if mentioned.count(name) > 1})
    if twice:
        problems.add(f"{listed(twice)} would be merged twice: name each list in one group.")
    for new, names in old.items():
        if not names:
            problems.add(f"The group {new!r} names no lists: name the lists to merge.")
        if new in table.lists and new not in names:
            problems.add(
                f"The new name {new!r} is that of a list outside its group: choose another name, or add "
                f"{new!r} to the group."
            )
    return old


def selected(
    table: CaptureTable, chosen: Mapping[str, object], *, quiet: bool = False
) -> tuple[Observations, TableInfo]:
    """Keep the persons with the chosen levels; a covariate of which one is chosen is dropped."""
    problems = Problems()
    check_unknown(list(chosen), list(table.covariates), "covariate", problems)
    problems.check()
    positions_of = {
        name: positions(name, table.covariates[name], value, problems)
        for name, value in chosen.items()
    }
    problems.check()
    rows = np.ones(len(table.patterns), dtype=bool)
    patterns = table.patterns.copy()
    covariates = dict(table.covariates)
    for name, wanted in positions_of.items():
        axis = table.axes.index(name)
        remap = np.full(len(covariates[name]) + 1, -1)
        remap[wanted] = np.arange(len(wanted))
        patterns[:, axis] = remap[table.patterns[:, axis]]
        if not quiet:
            _warn_left_out(table, name, rows & (table.patterns[:, axis] < 0))
        rows &= patterns[:, axis] >= 0
        covariates[name] = tuple(covariates[name][i] for i in wanted)
    dropped = [name for name, value in chosen.items() if not _is_collection(value)]
    kept = [axis for axis, name in enumerate(table.axes) if name not in dropped]
    info = table.info
    for name in positions_of:
        info = _scoped(info, f"{name} = {', '.join(str(level) for level in covariates[name])}")
    left = {name: levels for name, levels in covariates.items() if name not in dropped}
    return _counted(
        table, table.lists, left, patterns[rows][:, kept], rows, said=_said_of(table, positions_of)
    ), info


def _said_of(table: CaptureTable, wanted: Mapping[str, list[int]]) -> Said | None:
    """Select what was said about the strata with the chosen levels."""
    if table.operating is None:
        return None
    said = spread_out(table.operating, table.covariates)
    for axis, name in enumerate(table.covariates, start=1):
        if name in wanted:
            said = said.take(wanted[name], axis=axis)
    return said.reshape(table.n_lists, -1)


def _is_collection(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str | bytes)


def _warn_left_out(table: CaptureTable, name: str, rows: BoolArray) -> None:
    persons = int(table.low[rows].sum())
    if persons:
        warnings.warn(
            f"{persons:,} persons whose {name!r} is not known are left out of the selection. Estimates "
            "from the whole table use them.",
            MSEWarning,
            stacklevel=4,
        )


def split(table: CaptureTable, name: str) -> dict[Level, tuple[Observations, TableInfo]]:
    """Select each level of a covariate in turn."""
    problems = Problems()
    check_unknown([name], list(table.covariates), "covariate", problems)
    problems.check()
    _warn_left_out(table, name, table.patterns[:, table.axes.index(name)] < 0)
    levels, axis = table.covariates[name], table.axes.index(name)
    left = {other: known for other, known in table.covariates.items() if other != name}
    kept = [i for i in range(len(table.axes)) if i != axis]
    # Sorted once: of thousands of levels each has few rows.
    order = np.argsort(table.patterns[:, axis], kind="stable")
    ends = np.searchsorted(table.patterns[order, axis], np.arange(len(levels) + 1))
    found = {}
    for i, level in enumerate(levels):
        rows = order[ends[i] : ends[i + 1]]
        said = _said_of(table, {name: [i]})
        part = _counted(table, table.lists, left, table.patterns[rows][:, kept], rows, said=said)
        found[level] = part, _scoped(table.info, f"{name} = {level}")
    return found


def silenced(table: CaptureTable, name: str, chosen: Mapping[str, object]) -> Observations:
    """Turn membership of a list into unknown for the persons with the chosen levels."""
    problems = Problems()
    check_unknown([name], table.lists, "list", problems)
    check_unknown(list(chosen), list(table.covariates), "covariate", problems)
    problems.check()
    _check_cells_known(table, "not_operating")
    chosen_levels = [
        positions(axis, levels, chosen[axis], problems) if axis in chosen else range(len(levels))
        for axis, levels in table.covariates.items()
    ]
    problems.check()
    check_entries(table.n_lists, table.n_strata)
    said = np.full((table.n_lists, table.n_strata), -1, dtype=np.int8)
    if table.operating is not None:
        said[:] = table.operating
    # With the dots it is a view also where there is no covariate.
    spread_out(said, table.covariates)[table.lists.index(name), ...][np.ix_(*chosen_levels)] = 0
    return settled(replace(observations(table), operating=said), stacklevel=4)


def said_again(table: CaptureTable, operating: object) -> Observations:
    """Say where lists operated; what was said of others stays."""
    _check_cells_known(table, "with_operating")
    said = read_operating(operating, table.lists, table.covariates)
    if said is not None and table.operating is not None:
        named = np.any(said >= 0, axis=1)
        said = np.where(named[:, None], said, table.operating)
    return settled(replace(observations(table), operating=said), stacklevel=4)


def observations(table: CaptureTable) -> Observations:
    """Take what a table holds, but for margins and its description."""
    covariates = dict(table.covariates)
    return Observations(
        table.lists, covariates, table.patterns, table.low, table.high, table.operating
    )


def collapsed(table: CaptureTable, names: Sequence[str]) -> tuple[Observations, TableInfo]:
    """Sum over covariates."""
    problems = Problems()
    if not names:
        problems.add(f"No covariate to sum over: name one or more of {listed(table.covariates)}.")
    check_unknown(names, list(table.covariates), "covariate", problems)
    problems.check()
    kept = [axis for axis, name in enumerate(table.axes) if name not in names]
    covariates = {name: levels for name, levels in table.covariates.items() if name not in names}
    every = np.ones(len(table.patterns), dtype=bool)
    said = table.operating
    if said is not None:
        axes = tuple(i for i, name in enumerate(table.covariates, start=1) if name in names)
        whole = np.moveaxis(spread_out(said, table.covariates), axes, range(len(axes)))
        said = somewhere(whole.reshape(-1, *whole.shape[len(axes) :])).reshape(table.n_lists, -1)
    patterns = table.patterns[:, kept]
    return _counted(table, table.lists, covariates, patterns, every, said=said), table.info


def somewhere(said: Said) -> Said:
    """Sum over the first axis: a list operated that did so in one part, and did not if it did in none."""
    unsaid = np.where((said < 0).any(axis=0), -1, 0)
    return np.where((said > 0).any(axis=0), 1, unsaid).astype(np.int8)


def _counted(
    table: CaptureTable,
    lists: tuple[str, ...],
    covariates: Mapping[str, tuple[Level, ...]],
    patterns: IntArray,
    rows: BoolArray | IntArray,
    *,
    said: Said | None,
) -> Observations:
    """Add up patterns that became equal."""
    low, high = table.low[rows], table.high[rows]
    if len(patterns):
        sizes = [2] * len(lists) + [len(levels) for levels in covariates.values()]
        group = distinct(list(patterns.T), sizes)
        patterns = patterns[group.first]
        low, high = total(group, low, high)
    if said is not None and (said < 0).all():
        said = None
    return settled(Observations(lists, dict(covariates), patterns, low, high, said), stacklevel=5)


def _check_cells_known(table: CaptureTable, method: str) -> None:
    if table.margins is not None:
        msg = (
            f"`{method}` needs to know which persons are on which lists, and this table holds only the "
            "list totals and their union. Build a new table with `from_margins` from the figures of the "
            "lists you want."
        )
        raise InvalidTableError(msg)


def _scoped(info: TableInfo, words: str) -> TableInfo:
    """Note in the description which persons a derived table is about."""
    return replace(info, scope="; ".join(part for part in (info.scope, words) if part))


def _narrowed(info: TableInfo, lists: Sequence[str]) -> TableInfo:
    told = info.list_descriptions
    return replace(info, list_descriptions=FrozenDict({n: told[n] for n in lists if n in told}))


def dense_counts(table: CaptureTable) -> IntArray:
    """Lay out the exact counts of fully known patterns as a tensor, read only."""
    if table.margins is not None:
        msg = "The counts of this table are not known, only its list totals and their union are."
        raise InvalidTableError(msg)
    if table.n_cells > MAX_CELLS:
        msg = (
            f"The dense table would have {table.n_cells:,} cells, more than {MAX_CELLS:,}: leave out or "
            "merge lists, collapse covariates, or work with `patterns`, `low` and `high`."
        )
        raise InvalidTableError(msg)
    known = (table.patterns >= 0).all(axis=1) & (table.low == table.high)
    dense = np.zeros(table.shape, dtype=np.int64)
    dense[tuple(table.patterns[known].T)] = table.low[known]
    dense.flags.writeable = False
    return dense


def checked_counts(table: CaptureTable, counts: IntArray) -> IntArray:
    """Copy a tensor of counts for the lists and covariates of a table, read only."""
    dense = np.array(counts)
    fits = dense.shape == table.shape and dense.dtype.kind in "iu"
    if not fits or dense[(0,) * table.n_lists].any():
        msg = (
            f"The counts have shape {dense.shape} and dtype {dense.dtype}: expected integers of shape "
            f"{table.shape}, with 0 for the persons on no list."
        )
        raise InvalidTableError(msg)
    dense = dense.astype(np.int64, copy=False)
    dense.flags.writeable = False
    return dense


# A table shown: as a data frame, as overlaps, as text ---------------------------------------------

SHOWN_PAIRS = SHOWN_PLACES = 6


def frame_of(table: CaptureTable) -> pd.DataFrame:
    """Make one row per pattern; for margins one per list, and one for the union."""
    if table.margins is not None:
        return _margins_frame(table, table.margins)
    columns: dict[str, object] = {
        name: _nullable(table.patterns[:, axis]) for axis, name in enumerate(table.lists)
    }
    for axis, (name, levels) in enumerate(table.covariates.items(), start=table.n_lists):
        categories = pd.Index(list(levels))
        columns[name] = pd.Categorical.from_codes(
            table.patterns[:, axis].tolist(), categories=categories
        )
    if bool(np.all(table.low == table.high)):
        columns["n"] = table.low.copy()
    else:
        columns["n_low"] = table.low.copy()
        columns["n_high"] = _nullable(np.where(table.high == UNBOUNDED, -1, table.high))
    return pd.DataFrame(columns)


def _nullable(values: IntArray) -> pd.arrays.IntegerArray:
    """Replace -1 by NA."""
    return pd.arrays.IntegerArray(values.astype(np.int64), values < 0)


def _margins_frame(table: CaptureTable, margins: Margins) -> pd.DataFrame:
    # Without published overlaps the last row, with no list known, is the union.
    groups = (
        [*margins.overlaps] if margins.overlaps is not None else [*((n,) for n in table.lists), ()]
    )
    rows = np.array([[1 if name in group else -1 for name in table.lists] for group in groups])
    columns: dict[str, object] = {name: _nullable(rows[:, i]) for i, name in enumerate(table.lists)}
    published = [*margins.list_totals.values(), margins.union]
    counts = published if margins.overlaps is None else [*margins.overlaps.values()]
    columns["n"] = np.array(counts, dtype=np.int64)
    return pd.DataFrame(columns)


def overlaps_of(table: CaptureTable) -> pd.DataFrame:
    """Count the persons known to be on both lists of each pair; NA where only margins are known."""
    if table.margins is not None:
        totals = np.array(list(table.margins.list_totals.values()), dtype=np.int64)
        values, unknown = np.diag(totals), ~np.eye(table.n_lists, dtype=bool)
        for pair, count in (table.margins.overlaps or {}).items():
            if len(pair) == 2:
                at = [table.lists.index(name) for name in pair]
                values[np.ix_(at, at)] += count * (1 - np.eye(2, dtype=np.int64))
                unknown[np.ix_(at, at)] = False
    else:
        member = (table.patterns[:, : table.n_lists] == 1).astype(np.int64)
        values = member.T @ (member * table.low[:, None])
        unknown = np.zeros(values.shape, dtype=bool)
    columns = {
        name: pd.arrays.IntegerArray(values[:, i].copy(), unknown[:, i].copy())
        for i, name in enumerate(table.lists)
    }
    return pd.DataFrame(columns, index=pd.Index(table.lists))


def described(table: CaptureTable) -> str:
    """Tell what the table holds, in lines of text."""
    info = table.info
    subject = ", ".join(part for part in (info.population, info.period) if part)
    lines = [": ".join(part for part in ("Capture table", info.name) if part)]
    rows = [
        ("population", subject),
        ("scope", info.scope),
        *_contents(table),
        ("source", info.source),
    ]
    lines += [f"  {label:<14}{text}" for label, text in rows if text]
    return "\n".join(lines)


def _contents(table: CaptureTable) -> list[tuple[str, str]]:
    totals = np.diag(overlaps_of(table).to_numpy(dtype=np.int64, na_value=0))
    n = max(table.n_observed, 1)
    named = (f"{name} {k:,} ({k / n:.1%})" for name, k in zip(table.lists, totals, strict=True))
    rows = [
        ("observed", _size(table)),
        ("lists", ", ".join(named)),
    ]
    if table.margins is not None:
        if table.margins.overlaps is not None:
            return [
                ("observed", f"at least {_size(table)}"),
                *rows[1:],
                (
                    "overlaps",
                    f"{len(table.margins.overlaps)} published; not all of them, so no cells",
                ),
            ]
        return [*rows, ("overlaps", "not known, only the list totals and their union are")]
    rows += [("persons on", _by_number(table)), ("no overlap", _empty_pairs(table))]
    strata = (
        f"{name} ({', '.join(str(level) for level in levels[:6])}{', ...' if len(levels) > 6 else ''})"
        for name, levels in table.covariates.items()
    )
    return [
        *rows,
        ("covariates", ", ".join(strata)),
        ("known partly", _partly_known(table)),
        ("not operating", _not_operating(table)),
        ("operating", _perhaps_operating(table)),
    ]


def _size(table: CaptureTable) -> str:
    return f"{table.n_observed:,} person{'s' * (table.n_observed != 1)} on {table.n_lists} lists"


def _by_number(table: CaptureTable) -> str:
    number = (table.patterns[:, : table.n_lists] == 1).sum(axis=1)
    persons = np.bincount(number, weights=table.low, minlength=2)
    parts = [f"{int(count):,} on {k}" for k, count in enumerate(persons) if k and count]
    known = ", ".join(parts) + (" of the lists" if parts else "")
    nameless = f"{int(persons[0]):,} on lists that are not known" if persons[0] else ""
    return "; ".join(part for part in (known, nameless) if part)


def _empty_pairs(table: CaptureTable) -> str:
    overlaps = overlaps_of(table).to_numpy(dtype=np.int64)
    rows, columns = np.triu_indices(table.n_lists, k=1)
    empty = np.flatnonzero(overlaps[rows, columns] == 0)
    pairs = [f"{table.lists[rows[i]]} and {table.lists[columns[i]]}" for i in empty[:SHOWN_PAIRS]]
    more = _more(len(empty) - SHOWN_PAIRS)
    return "; ".join(pairs) + more


def _more(pairs: int) -> str:
    return f"; {pairs} pair{'s' * (pairs != 1)} more" if pairs > 0 else ""


def _partly_known(table: CaptureTable) -> str:
    parts = []
    for axis, name in enumerate(table.axes):
        persons = int(table.low[table.patterns[:, axis] < 0].sum())
        if persons:
            parts.append(f"{name} unknown for {persons:,} person{'s' * (persons != 1)}")
    intervals = int((table.low != table.high).sum())
    if intervals:
        parts.append(f"{intervals:,} counts within bounds")
    return "; ".join(parts)


def _not_operating(table: CaptureTable) -> str:
    """Where lists did not operate, and on how many persons that rests where nobody said so."""
    parts = []
    for name, places in silent_places(table):
        said = [place.name or "every stratum" for place in places if place.said]
        guessed = [str(place) for place in places if not place.said]
        if said:
            parts.append(f"{name} in {_first(said)}")
        if guessed:
            parts.append(
                f"{name} in {_first(guessed)}, as inferred: nobody's membership is known there"
                if any(place.name for place in places)
                else f"{name}, as inferred: nobody's membership is known"
            )
    return "; ".join(parts)


def _perhaps_operating(table: CaptureTable) -> str:
    """Where lists are taken to operate, with nobody known to be on them but those who must be."""
    return "; ".join(
        f"{name} {'in ' if doubt.places[0].name else ''}{_first([str(each) for each in doubt.places])}, "
        f"as inferred from {doubt.persons:,} persons whom no list that is known reported"
        for name, doubt in doubted_places(table)
    )


def _first(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_PLACES} more" if len(names) > SHOWN_PLACES else ""
    return ", ".join(names[:SHOWN_PLACES]) + more


def html_of(table: CaptureTable) -> str:
    """Show the description and the first rows of the table in a notebook."""
    shown = frame_of(table).head(20)
    body = shown.to_html(index=False, border=0, na_rep="unknown")
    left = len(table.patterns) - len(shown)
    more = f"<p>and {left:,} row{'s' * (left != 1)} more</p>" if left > 0 else ""
    return f"<pre>{html.escape(described(table))}</pre>{body}{more}"
