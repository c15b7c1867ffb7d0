"""Type aliases used throughout the library."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

#: One level of a categorical covariate: a year, a sex, an age group.
Level: TypeAlias = Hashable

#: Whether the data determine the hidden count inside the model. Estimates are `suppressed` only by
#: `mse.disclosure`, which says nothing about the data.
Status: TypeAlias = Literal["ok", "boundary", "not_estimable", "not_converged", "suppressed"]
#: Where the hidden count goes as the likelihood approaches its supremum.
Limit: TypeAlias = Literal["finite", "infinite", "zero", "indeterminate"]

Seed: TypeAlias = int | np.random.Generator | None


# A read-only dictionary that can be hashed and pickled --------------------------------------------

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(Mapping[K, V]):
    """A mapping that cannot be changed after it was made.

    `types.MappingProxyType` would do, but it can be neither pickled (work is sent to other
    processes) nor hashed (settings are compared and remembered).

    Parameters
    ----------
    items : mapping, optional
        What to hold; copied, order kept.

    Examples
    --------
    >>> from mse._typing import FrozenDict
    >>> FrozenDict({"year": (2014, 2015)})["year"]
    (2014, 2015)
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        self._items: dict[K, V] = dict(items or {})

    def __getitem__(self, key: K) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[type[FrozenDict[K, V]], tuple[dict[K, V]]]:
        return (type(self), (self._items,))
