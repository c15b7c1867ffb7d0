"""What was seen: counts of persons by the lists they are on."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mse import _subsets, _views
from mse._drawing import Drawn
from mse._frozen import FrozenDict
from mse.errors import InvalidTableError
from mse.intake import frame as _frame
from mse.intake import histories as _histories
from mse.intake import records as _records
from mse.intake.counts import UNBOUNDED
from mse.intake.info import Margins, TableInfo
from mse.intake.names import check_unknown
from mse.intake.observations import Observations
from mse.intake.operating import Operating, settled
from mse.intake.parts import check_parts
from mse.intake.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from mse._typing import IntArray, Level

__all__ = ["UNBOUNDED", "CaptureTable", "Margins", "TableInfo"]


@dataclass(frozen=True, eq=False, repr=False)
class CaptureTable(Drawn):
    """Counts of observed persons by capture history: who is on which lists, by covariates.

    Make one with `from_frame`, `from_records`, `from_counts`, `from_array` or `from_margins`. Each row of
    the table is a count, exact or within bounds, of the persons with one pattern. Entries of a pattern
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
        `mse.table.UNBOUNDED` where there is no upper bound. Patterns without persons are not kept.
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
        return (type(self)._of, (_subsets.observations(self), self.info, self.margins))

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        lists: Sequence[str],
        covariates: Sequence[str] = (),
        count: str | tuple[str, str] | None = None,
        *,
        operating: Operating | None = None,
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
        return cls._of(_frame.from_frame(frame, lists, covariates, count, operating))

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
            _records.from_records(
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
        return cls._of(_histories.from_counts(counts, lists))

    @classmethod
    def from_margins(cls, list_totals: Mapping[str, int], union: int) -> CaptureTable:
        """Hold published list totals and the number of persons on at least one list.

        Examples
        --------
        >>> import mse
        >>> mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110).n_observed
        110
        """
        totals, union = _histories.from_margins(list_totals, union)
        none = np.zeros(0, dtype=np.int64)
        seen = Observations(
            tuple(totals), {}, none.reshape(0, len(totals)), none.copy(), none.copy()
        )
        return cls._of(seen, margins=Margins(totals, union))

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
        return cls._of(_histories.from_array(counts, lists, covariates or {}, operating))

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
        return _subsets.dense_counts(self)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the data as hexadecimal digits; equal tables have equal fingerprints."""
        axes = [self.lists, list(self.covariates.items())]
        margins = self.margins and [list(self.margins.list_totals.values()), self.margins.union]
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
        return _views.html_of(self)

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
        return _views.frame_of(self)

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
        return _views.overlaps_of(self)

    def keep_lists(self, names: Sequence[str]) -> CaptureTable:
        """Keep some lists, in the order given, and the persons on at least one of them.

        Examples
        --------
        >>> import mse
        >>> mse.load_dataset("artificial_3").keep_lists(["B", "A"])
        CaptureTable(lists: B, A; 76 observed)
        """
        return self._of(*_subsets.kept_lists(self, names))

    def drop_lists(self, names: Sequence[str]) -> CaptureTable:
        """Leave lists out, and the persons on no other list."""
        return self._of(*_subsets.without_lists(self, names))

    def merge_lists(self, groups: Mapping[str, Sequence[str]]) -> CaptureTable:
        """Replace groups of lists by the list of persons on any of them, at the place of the first.

        Examples
        --------
        >>> import mse
        >>> mse.load_dataset("uk").merge_lists({"PFNCA": ["PF", "NCA"]}) == mse.load_dataset("uk_5")
        True
        """
        return self._of(*_subsets.merged_lists(self, groups))

    def not_operating(self, name: str, /, **levels: object) -> CaptureTable:
        """Say that a list did not operate in some strata, such as `("care", year=[2018, 2019])`.

        Membership is unknown there, not 0. Persons who were only on that list there are set aside, with a
        warning. `with_operating` says the same the other way round.
        """
        return self._of(_subsets.silenced(self, name, levels), self.info)

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
        return self._of(_subsets.said_again(self, operating), self.info)

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
        return self._of(*_subsets.selected(self, levels))

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
        return {level: self._of(*part) for level, part in _subsets.split(self, covariate).items()}

    def collapse(self, *covariates: str) -> CaptureTable:
        """Sum over covariates.

        Examples
        --------
        >>> import mse
        >>> mse.load_dataset("scotland_pwid").collapse("sex", "age")
        CaptureTable(lists: S1, S2, S3, S4; region (2); 5,670 observed)
        """
        return self._of(*_subsets.collapsed(self, covariates))

    def with_info(self, **changes: Any) -> CaptureTable:
        """Describe the same data otherwise, such as `with_info(name="pilot")`."""
        problems = Problems()
        check_unknown(
            list(changes), [part.name for part in fields(TableInfo)], "field of `info`", problems
        )
        problems.check()
        return self._of(_subsets.observations(self), replace(self.info, **changes), self.margins)

    def with_counts(self, counts: IntArray) -> CaptureTable:
        """Put other exact counts, int64 of shape `shape`, on the same lists and covariates.

        For resampling and simulation: nothing is checked but the shape, the type, and that nobody is on
        no list. Lists and levels may be empty. Where a list is said not to operate its memberships are
        unknown again.
        """
        dense = _subsets.checked_counts(self, counts)
        patterns, persons = _histories.patterns_of(dense)
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
        return _views.described(self)

    def summary(self) -> str:
        """Give the same text as `describe`."""
        return _views.described(self)
