"""Counts that belong together: cells, and which of them are sums of which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import sparse

from mse.errors import InvalidTableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mse._typing import BoolArray, IntArray

__all__ = ["REST", "Book", "Cells", "Key"]

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
