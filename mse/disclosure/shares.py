"""Printed shares of a known group turned back into counts: of one table, and of several of one group together."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mse.disclosure.cells import Book, known_bounds, label
from mse.disclosure.suppression import range_of
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse.disclosure.cells import Key
    from mse.disclosure.printed import Share
    from mse.disclosure.rules import Rules

#: What the parts of a group are called.
_PART = "part"
#: Persons within which a product is a whole number.
_CLOSE = 1e-6


class Left(NamedTuple):
    """What is left of a count: from ``low`` to ``high`` persons."""

    cell: str
    what: str
    low: float
    high: float
    why: str


def counts_of_shares(shares: Sequence[Share], rules: Rules) -> Iterator[Left]:
    """Compute what printed shares leave of who was reached, who was not, and who stopped where.

    Tables by sex and by year of one group have one sum: what one of them hides the other may tell. Those within the
    same time are taken to be of one group, unless their sums contradict each other.
    """
    times = dict.fromkeys(each.within for each in shares if not math.isnan(each.within))
    only = next(iter(times)) if len(times) == 1 else math.nan
    groups: dict[float, list[Share]] = {}
    for each in shares:
        groups.setdefault(only if math.isnan(each.within) else each.within, []).append(each)
    for members in groups.values():
        yield from _agreeing(members, rules)


def _agreeing(members: Sequence[Share], rules: Rules) -> Sequence[Left]:
    """Bound counts by the sums that agree: of all tables, of those within the largest, or of each by itself."""
    tables = dict.fromkeys(each.table for each in members)
    sizes = {
        table: sum(each.persons for each in members if each.table == table) for table in tables
    }
    largest = max(tables, key=lambda table: (not math.isnan(sizes[table]), sizes[table]))
    # Who is in no group of a table, since it is not known in which, is in the largest one.
    for whole in (None, largest):
        with suppress(ModelError):
            return [*_left(members, rules, whole)]
    found: list[Left] = []
    for table in tables:
        with suppress(ModelError):
            found += _left([each for each in members if each.table == table], rules, None)
    return found


def _left(members: Sequence[Share], rules: Rules, largest: int | None) -> Iterator[Left]:
    """Bound each count by everything that is printed.

    largest: the table that has everybody; all have without it
    """
    known, book = _bounds(members, rules), Book(complete=True)
    for key in known:
        book.add(key, 0)
    for key in [key for key in known if not key or key[-1][0] != _PART]:
        book.sum(key, [_part(key, "reached"), _part(key, "not reached")])
    stages = dict.fromkeys(each.stage for each in members)
    for table, whole, parts in _tables(members):
        if largest not in (None, table):
            parts.append(_note_rest(book, known, whole, parts[0]))
        for part in ("", "reached", "not reached"):
            book.sum(_part(whole, part), [_part(one, part) for one in parts])
    for before, after in pairwise(stages):
        for where in dict.fromkeys(each.where for each in members):
            _note_stop(book, known, where, (before, after), members)
    cells = book.cells()
    ends = np.array([known[key] for key in cells.keys])
    for at, key in enumerate(cells.keys):
        low, high = range_of(at, cells.sums, ends[:, 0], ends[:, 1])
        if high < rules.protection[1] or math.isinf(ends[at, 1]):
            yield Left(label(key), "share", low, high, "shares of a known group, and their sums")


def _note_rest(book: Book, known: dict[Key, tuple[float, float]], whole: Key, one: Key) -> Key:
    """Note those who are in no group of a table."""
    names = [name for name, _ in one if name != "stage"]
    rest = ((", ".join(names), "not known"), *whole)
    for part in ("", "reached", "not reached"):
        known[_part(rest, part)] = (0.0, math.inf)
        book.add(_part(rest, part), 0)
    book.sum(rest, [_part(rest, "reached"), _part(rest, "not reached")])
    return rest


def _tables(members: Sequence[Share]) -> Iterator[tuple[int, Key, list[Key]]]:
    """Put together the groups of each table and stage, whose sum is everybody."""
    found: dict[Any, list[Key]] = {}
    for each in members:
        names = tuple(name for name, _ in each.where)
        found.setdefault((each.table, names, each.stage), []).append(_key(each.where, each.stage))
    for (table, names, stage), parts in found.items():
        if names and len(parts) > 1:
            yield table, _key((), stage), parts


def _note_stop(
    book: Book,
    known: dict[Key, tuple[float, float]],
    where: tuple[tuple[str, str], ...],
    stages: tuple[str, str],
    members: Sequence[Share],
) -> None:
    """Note who reached one stage and not the next, where both are of the same persons."""
    sizes = [
        each.persons
        for stage in stages
        for each in members
        if each.where == where and each.stage == stage
    ]
    if len(sizes) != 2 or sizes[0] != sizes[1]:
        return
    first, last = (_key(where, stage) for stage in stages)
    stopped = _part(first, "no further")
    known[stopped] = (0.0, math.inf)
    book.add(stopped, 0)
    book.sum(_part(first, "reached"), [_part(last, "reached"), stopped])
    book.sum(_part(last, "not reached"), [_part(first, "not reached"), stopped])


def _bounds(members: Sequence[Share], rules: Rules) -> dict[Key, tuple[float, float]]:
    """Compute what is known of each count by itself: of groups, and of everybody in each stage."""
    found: dict[Key, tuple[float, float]] = {}
    printed = np.array([each.persons for each in members if not math.isnan(each.persons)])
    # Counts are taken to be rounded if all are multiples of the base.
    held = replace(rules, base=1) if np.any(printed % rules.base) else rules
    for each in members:
        for key in (_key((), each.stage), _key(each.where, each.stage)):
            for part in ("", "reached", "not reached"):
                found.setdefault(_part(key, part), (0.0, math.inf))
        key = _key(each.where, each.stage)
        if math.isnan(each.persons):
            continue
        found[key] = _within(found[key], _counted(each.persons, each.persons, held))
        if math.isnan(each.low):
            continue
        ends = [each.persons * share * each.kept for share in (each.low, each.high)]
        inside = _part(key, "reached")
        found[inside] = _within(found[inside], _reached(ends[0], ends[1], each, held))
    return found


def _reached(low: float, high: float, each: Share, rules: Rules) -> tuple[float, float]:
    """Compute which counts lead to a printed share: multiples of the base where there is one that does."""
    first = math.ceil(low / rules.base - _CLOSE) * rules.base
    last = math.floor(high / rules.base + _CLOSE) * rules.base
    if first > last:
        return float(math.floor(low)), float(math.ceil(high))
    ends = _counted(float(first), float(last), rules)
    # A share that is cut off at 1 leaves open how many more than the group were found.
    return (ends[0], math.inf) if each.high >= 1 else ends


def _counted(low: float, high: float, rules: Rules) -> tuple[float, float]:
    """Compute which counts are rounded to printed ones."""
    ends = known_bounds(np.array([low, high], dtype=np.int64), rules)
    return float(ends[0][0]), float(ends[1][1])


def _within(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return max(one[0], other[0]), min(one[1], other[1])


def _key(where: tuple[tuple[str, str], ...], stage: str) -> Key:
    return (*where, *([("stage", stage)] if stage else []))


def _part(key: Key, part: str) -> Any:
    return (*key, (_PART, part)) if part else key
