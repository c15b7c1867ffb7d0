"""A read-only dictionary that can be hashed and pickled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

__all__ = ["FrozenDict"]

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
    >>> from mse._frozen import FrozenDict
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
