"""Differences between files: what the numbers of persons in several publications tell together, read as by a stranger."""

from __future__ import annotations

import math
from itertools import chain, combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.disclosure.cells import known_bounds
from mse.disclosure.nested import Figure, Pair, Sheet
from mse.disclosure.subtracting import Linked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse.disclosure.nested import Difference
    from mse.disclosure.printed import Counted
    from mse.disclosure.rules import Rules

#: Differences and marks of two publications that are looked at.
_MOST = 60
#: Share of the persons who may be on lists alone that another publication does not have.
_ONLY = 0.4


class Left(NamedTuple):
    """What is left of a count: from ``low`` to ``high`` persons."""

    cell: str
    what: str
    low: float
    high: float
    why: str


def differing(counted: Sequence[Counted], rules: Rules) -> Iterator[Left]:
    """Subtract what several publications say of the same persons, as far as the names of lists and levels tell.

    By other groupings of ages, years or names, with and without lists, of more or fewer levels, and later again.
    """
    sheets = _sheets(counted, rules)
    found: dict[str, Left] = {}
    for (file, one), (another, other) in combinations(sheets, 2):
        pair = Pair(one, other)
        # Within one file everybody is in the total of it, so only lists make a difference.
        if (file == another and one.lists == other.lists) or not pair.related(_contradicted):
            continue
        for row in _left(pair, rules):
            known = found.get(row.cell, row)
            found[row.cell] = min(known, row, key=lambda one: one.high - one.low)
    yield from found.values()


def _left(pair: Pair, rules: Rules) -> Iterator[Left]:
    """Compute what two publications leave of their differences, and of what stands a mark for in either."""
    upper = rules.protection[1]
    near = [each for each in pair.differences() if _printed(each) and each.ends[0] < upper]
    linked = Linked(pair, _holds)
    for each in sorted(near, key=lambda one: one.ends[1] - one.ends[0])[:_MOST]:
        low, high = linked.difference(each)
        if low < upper:
            yield Left(each.label, "difference", low, high, "two publications differ by it")
    for second, sheet in ((False, pair.one), (True, pair.other)):
        marks = [
            one for one in chain.from_iterable(sheet.families.values()) if math.isinf(one.high)
        ]
        for mark in marks[:_MOST]:
            low, high = linked.figure(mark, second=second)
            if high < upper:
                yield Left(mark.label, "difference", low, high, "sums and another publication")


def _holds(each: Difference) -> bool:
    """Whether printed figures can be of the same persons, or one of them a part of the other."""
    more, less = (sum(one.low for one in part) for part in (each.more, each.less))
    return more == less if each.same else each.ends[1] > 0


def _printed(each: Difference) -> bool:
    """Whether what was printed differs: where it does not there may be nobody."""
    more, less = (sum(one.low + one.high for one in part) for part in (each.more, each.less))
    return math.isfinite(more + less) and more > less


def _contradicted(each: Difference) -> tuple[float, float]:
    """By how many persons a difference contradicts that its figures are of the same persons, and of how many."""
    more, less = (sum(one.low for one in part) for part in (each.more, each.less))
    ends = [sum(one.high for one in part) for part in (each.more, each.less)]
    if not all(map(math.isfinite, ends)):
        return 0.0, 0.0
    wrong = more - less if each.same else max(less - ends[0], 0.0)
    if each.filled and not each.same:
        # Of a table without a list that had nearly everybody a stranger need not think that it is of the same persons.
        wrong += max(more - less - _ONLY * more, 0.0)
    return wrong, max(more, less)


def _sheets(counted: Sequence[Counted], rules: Rules) -> list[tuple[int, Sheet]]:
    """Put together what each file says of persons on some lists."""
    found: dict[tuple[int, tuple[str, ...]], list[Counted]] = {}
    for each in counted:
        found.setdefault((each.file, each.lists), []).append(each)
    sheets = []
    for (file, lists), members in found.items():
        levels: dict[str, dict[str, None]] = {}
        for each in members:
            for name, level in each.at:
                if name not in lists:
                    levels.setdefault(name, {})[level] = None
        printed = np.array([each.persons for each in members])
        # Counts are taken to be rounded if all are multiples of the base.
        exact = bool(np.any(printed[np.isfinite(printed)] % rules.base))
        figures = {tuple(sorted(each.at)): _figure(each, rules, exact) for each in members}
        # Places in a model are no names of lists.
        named = lists if lists and not all(name.isdigit() for name in lists) else None
        known = {name: tuple(each) for name, each in levels.items()}
        sheets.append((file, Sheet(named, known, tuple(figures.values()))))
    return sheets


def _figure(each: Counted, rules: Rules, exact: bool) -> Figure:
    at = tuple(sorted(each.at))
    if math.isnan(each.persons):
        return Figure(at, float(rules.zeros_safe and rules.group is None), math.inf)
    if exact:
        return Figure(at, each.persons, each.persons)
    low, high = known_bounds(np.array([each.persons], dtype=np.int64), rules)
    return Figure(at, float(low[0]), float(high[0]))
