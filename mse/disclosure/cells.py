"""Counts that belong together: cells, and which of them are sums of which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import sparse

from mse.errors import InvalidTableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.disclosure.rules import Rules

#: First word in the name of a cell that holds those of a total who are in none of its parts.
REST = "rest"

#: What a cell is called: pairs of a name and a level, such as ``(("year", 2015), ("sex", "f"))``.
Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Cells:
    """All counts that a publication shows or gives away, N cells, and the M sums among them.

    Attributes
    ----------
    keys : tuple
        Names of the cells.
    counts : int64 array (N,), persons
        What is to be protected.
    shown : bool array (N,)
        Whether a cell is printed; the others are what a reader might compute.
    sums : sparse float64 array (M, N)
        One row for each sum: 1 at the total and -1 at its parts, so that ``sums @ counts == 0``.
    groups : int64 array (G, 2)
        Pairs of a part and a total in which no part may hold nearly everybody.
    unsafe : bool array (N,)
        Cells that may not be shown whatever their count.
    """

    keys: tuple[Key, ...]
    counts: IntArray
    shown: BoolArray
    sums: sparse.csr_array
    groups: IntArray
    unsafe: BoolArray


class Book:
    """Notes down cells and sums, and makes `Cells` of them.

    Parameters
    ----------
    complete : bool, default False
        Whether parts are taken to be all there are, although they may not add up: because some are
        suppressed or rounded.

    Examples
    --------
    >>> book = Book()
    >>> for key, count in {"f": 7, "m": 30, "all": 37}.items():
    ...     book.add(key, count)
    >>> book.sum("all", ["f", "m"])
    >>> (book.cells().sums @ book.cells().counts).tolist()
    [0.0]
    """

    def __init__(self, *, complete: bool = False) -> None:
        self._complete = complete
        self._counts: dict[Key, int] = {}
        self._shown: dict[Key, bool] = {}
        self._unsafe: dict[Key, bool] = {}
        self._sums: dict[tuple[Key, frozenset[Key]], None] = {}
        self._groups: dict[tuple[Key, Key], None] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._counts

    def add(self, key: Key, count: int, *, shown: bool = True, unsafe: bool = False) -> None:
        """Note a cell; one that is noted twice is shown if it is shown anywhere.

        Two different counts for it are an ``InvalidTableError``.
        """
        if self._counts.get(key, count) != count:
            raise InvalidTableError(
                f"The count of {key!r} is {self._counts[key]:,} in one place and {count:,} in another: "
                "expected the same persons everywhere. Protect what is about others by itself."
            )
        self._counts[key] = int(count)
        self._shown[key] = shown or self._shown.get(key, False)
        self._unsafe[key] = unsafe or self._unsafe.get(key, False)

    def holds(self, total: Key, parts: Iterable[Key]) -> bool:
        """Whether parts add up to no more than a total."""
        return sum(self._counts[part] for part in parts) <= self._counts[total]

    def sum(self, total: Key, parts: Iterable[Key], *, group: bool = False) -> None:
        """Note that a cell is the sum of others, and whether no part may hold nearly all of it.

        What the parts lack of the total is noted as a cell that is not shown. Parts that add up to
        more are an ``InvalidTableError``.
        """
        members = list(dict.fromkeys(parts))
        if group and len(members) > 1:
            self._groups |= dict.fromkeys((part, total) for part in members)
        rest = 0
        if not self._complete:
            rest = self._counts[total] - sum(self._counts[part] for part in members)
        if rest < 0:
            raise InvalidTableError(
                f"The total {total!r} is {self._counts[total]:,}, but its parts add up to "
                f"{self._counts[total] - rest:,}: expected no more than the total."
            )
        if rest:
            key = (REST, total, tuple(members))
            self.add(key, rest, shown=False)
            members.append(key)
        if members != [total]:
            self._sums[total, frozenset(members)] = None

    def group(self, part: Key, total: Key) -> None:
        """Note that a cell may not hold nearly all of another one."""
        self._groups[part, total] = None

    def cells(self) -> Cells:
        """Put everything noted into arrays."""
        at = {key: index for index, key in enumerate(self._counts)}
        rows = sparse.lil_array((len(self._sums), len(at)))
        for row, (total, parts) in enumerate(self._sums):
            for part in parts:
                rows[row, at[part]] -= 1.0
            rows[row, at[total]] += 1.0
        pairs = [(at[part], at[total]) for part, total in self._groups]
        return Cells(
            tuple(at),
            np.array(list(self._counts.values()), dtype=np.int64),
            np.array(list(self._shown.values()), dtype=np.bool_),
            rows.tocsr(),
            np.array(pairs, dtype=np.int64).reshape(-1, 2),
            np.array(list(self._unsafe.values()), dtype=np.bool_),
        )


# What is published of some cells, and nothing else: all that a reader, or an attacker, has --------


@dataclass(frozen=True, eq=False)
class Publication:
    """Cells as they leave: rounded, suppressed, or not shown at all.

    Attributes
    ----------
    keys : tuple
        Names of the cells.
    counts : int64 array (N,), persons
        As they are printed, rounded; -1 where nothing is.
    shown, suppressed : bool arrays (N,)
        Which cells have a place in the output, and in which of those stands a mark.
    sums : sparse array (M, N)
        As of `Cells`.
    groups : int64 array (G, 2)
        As of `Cells`.
    rules : Rules
        What the reader knows of how it was made.
    """

    keys: tuple[Key, ...]
    counts: IntArray
    shown: BoolArray
    suppressed: BoolArray
    sums: sparse.csr_array
    groups: IntArray
    rules: Rules

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the cells as text."""
        return tuple(map(label, self.keys))

    @cached_property
    def places(self) -> dict[Key, int]:
        """Positions of the cells by name."""
        return {key: position for position, key in enumerate(self.keys)}

    def value(self, key: Key) -> int | None:
        """Look up a published count; None where a mark stands."""
        position = self.places[key]
        return None if self.counts[position] < 0 else int(self.counts[position])

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Compute what each cell may hold by itself: two arrays (N,), persons."""
        low, high = known_bounds(self.counts, self.rules)
        # Where no zero is ever suppressed, a mark says that there is somebody.
        floor = 1.0 if self.rules.zeros_safe and self.rules.group is None else 0.0
        low[self.suppressed], high[self.suppressed] = floor, np.inf
        low[~self.shown], high[~self.shown] = 0.0, np.inf
        return low, high


def known_bounds(values: IntArray, rules: Rules) -> tuple[FloatArray, FloatArray]:
    """Compute which counts lead to published values.

    values: (N,), persons, rounded counts
    rules: a reader knows them: nothing from 1 to below the threshold is ever shown
    Returns (N,), persons, smallest and largest count

    Examples
    --------
    >>> import numpy as np
    >>> from mse.disclosure import rules
    >>> low, high = known_bounds(np.array([0, 10, 15]), rules("cbs"))
    >>> low.tolist(), high.tolist()
    ([0.0, 10.0, 13.0], [0.0, 12.0, 17.0])
    """
    low = np.maximum(values - rules.base // 2, 0).astype(np.float64)
    high = (values + (rules.base - 1) // 2).astype(np.float64)
    least = float(max(rules.threshold, 1))
    somebody = (values > 0) | rules.unsafe(0)
    # A printed zero stands for nobody, unless a count from the threshold on would round to it.
    nobody = ~somebody & (high < least)
    raised = np.maximum(low, least)
    # What was printed against the rules is known as well as anything else.
    return np.where(somebody & (raised <= high), raised, low), np.where(nobody, 0.0, high)


def published(cells: Cells, suppressed: BoolArray, rules: Rules) -> Publication:
    """Publish cells, those that are suppressed without their counts."""
    values = round_counts(cells.counts, rules)
    values[suppressed | ~cells.shown] = -1
    return Publication(cells.keys, values, cells.shown, suppressed, cells.sums, cells.groups, rules)


def round_counts(counts: IntArray, rules: Rules) -> IntArray:
    """Round counts of persons, half up, to the base."""
    return (counts + rules.base // 2) // rules.base * rules.base


def label(key: Key) -> str:
    """Write the name of a cell, a tuple of pairs of a name and a level, as text.

    Examples
    --------
    >>> label((("year", 2015), ("sex", "f"))), label(())
    ('year 2015, sex f', 'total')
    """
    if key and key[0] == REST:
        return f"persons in {label(key[1])} but in none of its parts"
    return ", ".join(f"{name} {level}" for name, level in key) or "total"
