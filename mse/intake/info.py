"""Where a table comes from, and totals without cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mse._frozen import FrozenDict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Margins", "TableInfo"]


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
        Persons on at least one list.
    """

    list_totals: Mapping[str, int]
    union: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "list_totals", FrozenDict(self.list_totals))
