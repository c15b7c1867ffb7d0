"""Rows of codes counted: each different pattern once, in order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mse._typing import FrozenDict
from mse.data.columns import UNBOUNDED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import IntArray, Level

# Keys stay below this, so that one more factor cannot overflow before it is noticed.
KEY_LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class Observations:
    """What was seen: counts of persons over sets of cells.

    Attributes
    ----------
    lists : tuple of str
        Names of the K lists.
    covariates : dict of str to tuple
        Levels of the D covariates, in order.
    patterns : int64 array, shape (R, K + D)
        Row by row 0, 1 or -1 (unknown) for each list, a level or -1 (unknown) for each covariate;
        rows differ and are in lexicographic order.
    low, high : int64 arrays, shape (R,)
        Persons at least and at most.
    operating : int8 array, shape (K, S), optional
        What was said about lists, see `mse.data.operating`.
    """

    lists: tuple[str, ...]
    covariates: dict[str, tuple[Level, ...]]
    patterns: IntArray
    low: IntArray
    high: IntArray
    operating: npt.NDArray[np.int8] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are the same, found.

    Attributes
    ----------
    first : int64 array, shape (G,)
        A row of each group; the groups are in lexicographic order of their entries.
    member : int64 array, shape (R,)
        Group of each row.
    """

    first: IntArray
    member: IntArray


def distinct(columns: Sequence[npt.NDArray[Any]], sizes: Sequence[int]) -> Group:
    """Group equal rows of integer codes, without sorting the rows.

    columns: (R,), codes from -1 to `size - 1`
    sizes: number of codes of each column, -1 not counted

    Examples
    --------
    >>> import numpy as np
    >>> from mse.data.patterns import distinct
    >>> distinct([np.array([1, 0, 1]), np.array([-1, 1, -1])], [2, 2]).member
    array([1, 0, 1])
    """
    rows = len(columns[0])
    key = np.zeros(rows, dtype=np.int64)
    bound = 1
    for column, size in zip(columns, sizes, strict=True):
        if bound * (size + 1) > KEY_LIMIT:
            # Ranks keep the order and are never more than the rows.
            codes, uniques = pd.factorize(key, sort=True)
            key, bound = codes.astype(np.int64, copy=False), len(uniques)
        key *= size + 1
        key += column
        key += 1
        bound *= size + 1
    codes, uniques = pd.factorize(key)
    order = np.argsort(uniques)
    rank = np.empty(len(uniques), dtype=np.int64)
    rank[order] = np.arange(len(uniques))
    member = rank[codes]
    first = np.empty(len(uniques), dtype=np.int64)
    first[member[::-1]] = np.arange(rows)[::-1]
    return Group(first, member)


def rows_of(columns: Sequence[npt.NDArray[Any]], rows: IntArray) -> IntArray:
    """Take the patterns of the given rows, shape (G, number of columns)."""
    return np.stack([column[rows].astype(np.int64) for column in columns], axis=1)


def total(group: Group, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """Sum the bounds within each group; without an upper bound where one member has none."""
    size = len(group.first)
    sums = np.zeros((2, size), dtype=np.int64)
    np.add.at(sums[0], group.member, low)
    endless = high == UNBOUNDED
    np.add.at(sums[1], group.member, np.where(endless, 0, high))
    sums[1, group.member[endless]] = UNBOUNDED
    return sums[0], sums[1]


def without_unused_levels(seen: Observations) -> Observations:
    """Leave out the levels that no pattern has, such as those of explicit zeros only."""
    n_lists = len(seen.lists)
    patterns = seen.patterns.copy()
    covariates = {}
    for axis, (name, levels) in enumerate(seen.covariates.items(), start=n_lists):
        column = patterns[:, axis]
        used = np.bincount(column[column >= 0], minlength=len(levels)) > 0
        # Order is kept, so the rows stay sorted; the last entry serves the code -1.
        patterns[:, axis] = np.append(np.where(used, np.cumsum(used) - 1, -1), -1)[column]
        covariates[name] = tuple(level for level, use in zip(levels, used, strict=True) if use)
    return replace(seen, covariates=covariates, patterns=patterns)


# Where a table comes from, and totals without cells -----------------------------------------------


@dataclass(frozen=True)
class TableInfo:
    """Where a table comes from and whom it is about.

    Attributes
    ----------
    name, population, period, source, notes : str
        Short name, whom the lists cover, when, the publication, what to beware of.
    scope : str
        Which part of the population; tables made with `where` or `keep_lists` say so here.
    list_descriptions : mapping of str to str
        What each list is.
    """

    name: str = ""
    population: str = ""
    period: str = ""
    scope: str = ""
    source: str = ""
    notes: str = ""
    list_descriptions: Mapping[str, str] = field(default_factory=FrozenDict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "list_descriptions", FrozenDict(self.list_descriptions))


@dataclass(frozen=True)
class Margins:
    """Published totals of a table whose cells are not known.

    Attributes
    ----------
    list_totals : mapping of str to int
        Persons on each list.
    union : int
        Persons on at least one list; where overlaps are known, at least so many.
    overlaps : mapping of tuple of str to int, or None
        Persons on all lists of a group, whatever else they are on; None where the union was published.
    """

    list_totals: Mapping[str, int]
    union: int
    overlaps: Mapping[tuple[str, ...], int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "list_totals", FrozenDict(self.list_totals))
        if self.overlaps is not None:
            object.__setattr__(self, "overlaps", FrozenDict(self.overlaps))
