"""Publications of tables that differ: what a reader of both can subtract, checked by those who know the tables.

Other groupings of ages, years or names, with and without a list, lists merged, levels left out, other covariates, a year
later. Which figures are parts of which is told by names (`mse.disclosure.nested`); where these do not tell, since levels
or lists have other names, the tables are compared history by history.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np

from mse.disclosure.attack import suppressed_too_well
from mse.disclosure.common import MOST_CELLS, Common, left, weights_of
from mse.disclosure.count_tables import UNKNOWN, list_key, pair_key
from mse.disclosure.groupings import atoms_of, is_rest, matched
from mse.disclosure.jointly import Known
from mse.disclosure.kept import Kept, exact
from mse.disclosure.nested import Figure, Pair, Sheet
from mse.disclosure.repeated import unpacked
from mse.disclosure.subtracting import Linked
from mse.disclosure.suppression import Protected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mse._typing import FloatArray, IntArray
    from mse.disclosure.cells import Key, Publication
    from mse.disclosure.groupings import Grouping
    from mse.disclosure.nested import Difference
    from mse.disclosure.rules import Rules

#: Share of its persons by which a level may differ from those of the other table that it is made of, counted by history.
_LIKE = 0.1
#: Share of the persons who may have come or gone: at least, more for each history, at most; how much both counts.
_CAME, _BOTH = (0.1, 0.05, 0.5), 5.0
#: Levels of which sums are tried, and lists.
_MOST_TRIED, _MOST_MERGED = 10, 6


@dataclass(frozen=True, eq=False)
class Told:
    """A small number of persons that two publications tell together: where, and how many."""

    label: str
    persons: int


def told_between(
    runs: Sequence[Mapping[str, Any]], run: Mapping[str, Any], rules: Rules
) -> Iterator[Told]:
    """Find the small numbers of persons by which figures of a run differ from those of earlier ones.

    runs, run: with their tables, and what was shown of them
    """
    names = ("lists", "levels", "patterns", "low", "shown", "printed")
    if any(all(before.get(name) == run.get(name) for name in names) for before in runs):
        # What was published just so before is no news.
        return
    ours = Kept.of(run, rules)
    known = {
        (each.at, each.low, each.high)
        for before in runs
        if all(before.get(name) == run[name] for name in ("lists", "levels"))
        for each in Kept.of(before, rules).sheet.figures
    }
    lower, upper = rules.protection
    for before in _distinct(runs):
        theirs = Kept.of(before, rules)
        pair = _paired(theirs, ours)
        short = _Compared(theirs, ours, pair)
        if not pair.related(short.apart):
            continue
        linked = Linked(pair, short.holds)
        for label, persons, ends in _small(linked, short, known, rules):
            if suppressed_too_well(*ends(), upper, max(upper - lower, 1)):
                yield Told(label, persons)
        printed = [each.get("printed") for each in (before, run)]
        yield from _in_common(Common(pair, (theirs, ours), apart=short.moved), printed, rules)


def _in_common(common: Common, printed: Sequence[str | None], rules: Rules) -> Iterator[Told]:
    """Solve everything that was printed of both tables for small counts that neither tells by itself.

    printed: counts and figures of estimates of each run, as they are kept
    """
    if common.size > MOST_CELLS or any((each.patterns < 0).any() for each in common.tables):
        return
    lower, upper = rules.protection
    spread = [common.spread(second) for second in (False, True)]
    known = [
        _rows(table, text, each)
        for table, text, each in zip(common.tables, printed, spread, strict=True)
    ]
    both, seen = known[0] + known[1], set()
    for table, each in zip(common.tables, spread, strict=True):
        for at, persons in table.hidden(rules):
            weights = weights_of(table, at) @ each
            if weights.tobytes() in seen:
                continue
            seen.add(weights.tobytes())
            narrow = [
                suppressed_too_well(*left(weights, one), upper, max(upper - lower, 1))
                for one in (both, *known)
            ]
            if narrow[0] and not any(narrow[1:]):
                yield Told(Figure(at, 0, 0).label, persons)


def _rows(table: Kept, printed: str | None, spread: FloatArray) -> Known:
    """Write what was printed of a table as sums of common cells."""
    rows = [(weights_of(table, each.at) @ spread, each.low, each.high) for each in table.shown]
    found = Known.of(rows, spread.shape[1])
    if printed is None:
        return found
    own = unpacked(printed)
    agrees = own.weights.shape[1] == spread.shape[0]
    return found + Known(own.weights @ spread, own.low, own.high) if agrees else found


def _small(
    linked: Linked, short: _Compared, known: set[Any], rules: Rules
) -> Iterator[tuple[str, int, Callable[[], tuple[float, float]]]]:
    """Give small differences, and small figures that either publication hides, with what is left of them.

    known: figures that were published of such a table before
    """
    for each in linked.pair.differences():
        news = {(one.at, one.low, one.high) for one in (each.more if each.turned else each.less)}
        persons = abs(short.net(each))
        if 0 < persons < rules.threshold and not news <= known:
            yield each.label, persons, partial(linked.difference, each)
    for second, sheet in ((False, linked.pair.one), (True, linked.pair.other)):
        for figure in chain.from_iterable(sheet.families.values()):
            persons = short.persons(figure, second=second) if math.isinf(figure.high) else 0
            if 0 < persons < rules.threshold:
                yield figure.label, persons, partial(_more_than_alone, linked, figure, second)


def _more_than_alone(linked: Linked, figure: Figure, second: bool) -> tuple[float, float]:
    """Compute what both publications leave of a figure; nothing new where its own leaves no more."""
    both = linked.figure(figure, second=second)
    nothing = Sheet(None, {}, ())
    sheet = linked.pair.other if second else linked.pair.one
    alone = Linked(Pair(sheet, nothing), linked.holds).figure(figure, second=False)
    return (0.0, math.inf) if alone == both else both


def _distinct(runs: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Give runs with a table of known counts; of the same figures of the same table one."""
    seen: list[Any] = []
    names = ("lists", "levels", "patterns", "low", "shown")
    for run in runs:
        if exact(run):
            key = [run.get(name) for name in names]
            if key not in seen:
                seen.append(key)
                yield run


# What was shown of a table, kept as JSON -----------------------------------------------------------


def shown_of(protected: Iterable[object], run: Mapping[str, Any]) -> dict[str, Any]:
    """Write down which numbers of persons things show or suppress, and between which counts each lies."""
    publications = {
        id(each.publication): each.publication for each in protected if isinstance(each, Protected)
    }
    found: dict[str, Any] = {}
    table = Kept.of_table(run) if exact(run) else None
    for each in publications.values():
        for at, low, high in _shown(each, run):
            # Another table in the same report is another one: its counts are not of these persons.
            most = math.inf if high is None else high
            if table is None or low <= table.by_history(at, ())[0] <= most:
                found[repr(at)] = [[list(pair) for pair in at], low, high]
    return {"shown": [*found.values()]} if publications else {}


def _shown(
    publication: Publication, run: Mapping[str, Any]
) -> Iterator[tuple[Any, float, float | None]]:
    places = _places(run)
    low, high = publication.bounds()
    for at in np.flatnonzero(publication.shown):
        place = places(publication.keys[at])
        if place is not None:
            yield place, float(low[at]), float(high[at]) if math.isfinite(high[at]) else None


def _places(run: Mapping[str, Any]) -> Any:
    """Say by key on which axes of a table a count has which levels; None of what is no such thing."""
    lists: Sequence[str] = run["lists"]
    named = {list_key(name): ((name, "1"),) for name in lists}
    named |= {
        pair_key(*names): tuple(sorted((name, "1") for name in names))
        for names in combinations(lists, 2)
    }

    def place(key: Key) -> tuple[tuple[str, str], ...] | None:
        if key in named:
            return named[key]
        if len(key) == 1 and key[0][0] == "history":
            entries = str(key[0][1])
            if len(entries) != len(lists) or "?" in entries:
                return None
            return tuple(sorted(zip(lists, entries, strict=True)))
        if any(not isinstance(each, tuple) or len(each) != 2 for each in key):
            return None
        levels = run["levels"]
        own = tuple(sorted((str(name), str(level)) for name, level in key))
        known = all(
            name in levels and (level in levels[name] or level == UNKNOWN) for name, level in own
        )
        return own if known else None

    return place


@dataclass(frozen=True, eq=False)
class _Compared:
    """How figures of two tables differ, history by history on the lists that both have."""

    one: Kept
    other: Kept
    pair: Pair

    @cached_property
    def moved(self) -> bool:
        """Whether persons came or went between: figures of the same persons differ."""
        return any(self.net(each) for each in self.pair.differences() if each.same)

    @cached_property
    def _lists(self) -> list[str]:
        return [name for name in self.one.lists if name in self.other.lists]

    @cached_property
    def _known(self) -> dict[tuple[bool, Any], IntArray]:
        return {}

    def _of(self, figures: Iterable[Figure], *, second: bool) -> IntArray:
        table, total = (
            (self.other if second else self.one),
            np.zeros(2 ** len(self._lists), np.int64),
        )
        for each in figures:
            key = (second, each.at)
            if key not in self._known:
                self._known[key] = table.by_history(each.at, self._lists)
            total = total + self._known[key]
        return total

    def _change(self, each: Difference) -> tuple[IntArray, IntArray]:
        less = self._of(each.less, second=not each.turned)
        return self._of(each.more, second=each.turned) - less, less

    def net(self, each: Difference) -> int:
        """By how many persons figures differ."""
        return int(self._change(each)[0].sum())

    def persons(self, figure: Figure, *, second: bool) -> int:
        """Count the persons of a figure."""
        return int(self._of([figure], second=second).sum())

    def holds(self, each: Difference) -> bool:
        """Whether figures of the same persons are equal, or a part is no more than the whole."""
        net = self.net(each)
        return net == 0 if each.same else net >= 0

    def apart(self, each: Difference) -> tuple[float, float]:
        """By how many persons figures contradict that they are of the same persons, and of how many."""
        change, less = self._change(each)
        persons = float(max(less.sum(), (less + change).sum()))
        if each.same:
            # Some may have come, or a level may have gone, the more of them the more histories tell so; that some came and
            # others went, where that is no correction, is so of other persons.
            both = float(min(change.clip(0).sum(), (-change).clip(0).sum()))
            many = min(_CAME[0] + _CAME[1] * (len(change) - 1), _CAME[2])
            return _BOTH * both + max(float(abs(change.sum())) - many * persons, 0.0), persons
        wrong = np.abs(change) if each.filled else (-change).clip(0)
        # Who is on no list that both have is in the table with more lists alone.
        return float(wrong[1:].sum()), persons


# Which levels and lists are which, where names do not tell ------------------------------------------


def _paired(one: Kept, other: Kept) -> Pair:
    """Compare two tables; what names leave open, by counts."""
    lists = [name for name in one.lists if name in other.lists]
    names, groupings = matched(one.sheet.levels, other.sheet.levels), {}
    renamed: dict[str, str] = {}
    free = [name for name in one.levels if name not in names]
    tried = [
        *names.items(),
        *product(free, (each for each in other.levels if each not in names.values())),
    ]
    for name, there in tried:
        known = name in names
        if not known and (name in renamed or there in renamed.values()):
            continue
        atoms = atoms_of(one.sheet.levels[name], other.sheet.levels[there])
        found = _recognized(
            ({each: one.by_history([(name, each)], lists) for each in atoms[0]}),
            ({each: other.by_history([(there, each)], lists) for each in atoms[1]}),
            atoms,
        )
        if found is not None and (known or _shares_all(found)):
            groupings[name] = found
            renamed |= {} if known else {name: there}
    return Pair(one.sheet, other.sheet, groupings, renamed, _merged(one, other, lists))


def _shares_all(groupings: tuple[Grouping, Grouping]) -> bool:
    """Whether all levels of one of two groupings are made of levels of the other."""
    own, others = (frozenset(chain.from_iterable(each.values())) for each in groupings)
    return own == others


def _recognized(
    one: Mapping[str, IntArray], other: Mapping[str, IntArray], atoms: tuple[Grouping, Grouping]
) -> tuple[Grouping, Grouping] | None:
    """Find levels that are sums of levels of the other table, of those that no name tells; None where there are none.

    one, other: (2**L,) of each level, persons by history
    """
    named = [
        {name: each for name, each in grouping.items() if not is_rest(name)} for grouping in atoms
    ]
    both = [frozenset(chain.from_iterable(each.values())) for each in named]
    if any(isinstance(each, tuple) for each in both[0] | both[1]):
        return None
    free = [
        [name for name, each in own.items() if not each & others]
        for own, others in ((named[0], both[1]), (named[1], both[0]))
    ]
    # Whether "other" has those of a name that only the other table has, its name does not tell.
    rest = [[name for name in grouping if is_rest(name)] for grouping in atoms]
    free = [free[0] + rest[0] * bool(free[1]), free[1] + rest[1] * bool(free[0])]
    found, some = (dict(atoms[0]), dict(atoms[1])), False
    for here, there in ((0, 1), (1, 0)):
        counts = (one, other)
        for name in free[here]:
            left = [each for each in free[there] if found[there][each] == atoms[there][each]]
            parts = _sum_of(counts[here][name], {each: counts[there][each] for each in left})
            if parts and found[here][name] == atoms[here][name]:
                found[here][name] = frozenset(
                    chain.from_iterable(atoms[there][each] for each in parts)
                )
                some = True
    return found if some else None


def _sum_of(wanted: IntArray, others: Mapping[str, IntArray]) -> tuple[str, ...]:
    """Find levels whose sum is nearly the same, history by history; none where there are none."""
    names = sorted(others, key=lambda name: -int(others[name].sum()))[:_MOST_TRIED]
    return _nearest(wanted, names, lambda parts: np.sum([others[each] for each in parts], axis=0))


def _merged(one: Kept, other: Kept, lists: Sequence[str]) -> dict[str, frozenset[str]]:
    """Find lists that are several lists of the other table together: nearly the same persons are on them."""
    found: dict[str, frozenset[str]] = {}
    for own, others in ((one, other), (other, one)):
        free = [name for name in others.lists if name not in own.lists][:_MOST_MERGED]
        made = {*chain.from_iterable(found.values())}
        for name in (each for each in own.lists if each not in others.lists and each not in made):
            parts = _nearest(own.on_any([name], lists), free, partial(others.on_any, lists=lists))
            if parts:
                found[name] = frozenset(parts)
    return found


def _nearest(
    wanted: IntArray, names: Sequence[str], together: Callable[[tuple[str, ...]], IntArray]
) -> tuple[str, ...]:
    """Find names of which the persons together are the fewest off; none where these are too many."""
    best: tuple[str, ...] = ()
    least = _LIKE * float(wanted.sum())
    for parts in chain.from_iterable(combinations(names, size + 1) for size in range(len(names))):
        off = float(np.abs(wanted - together(parts)).sum())
        if off < least:
            best, least = parts, off
    return best
