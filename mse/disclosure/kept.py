"""A table of the private bundle as it was kept, and which of its numbers of persons were shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np

from mse.disclosure.cells import known_bounds, round_counts
from mse.disclosure.count_tables import UNKNOWN, default_margins
from mse.disclosure.nested import MOST, Figure, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mse._typing import IntArray
    from mse.disclosure.rules import Rules

#: Lists up to which histories are looked at, and small counts of a table.
_MOST_HISTORIES, _MOST_HIDDEN = 6, 60


def exact(run: Mapping[str, Any]) -> bool:
    """Whether the table of a run is known, history by history."""
    return bool(run.get("patterns")) and bool(run["low"] == run["high"])


def _figure(at: Sequence[Sequence[str]], low: float, high: float | None) -> Figure:
    return Figure(
        tuple((name, level) for name, level in at), low, math.inf if high is None else high
    )


@dataclass(frozen=True, eq=False)
class Kept:
    """A table of a run: its histories and levels, how many have them, and what was shown."""

    lists: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    patterns: IntArray
    counts: IntArray
    shown: tuple[Figure, ...]

    @classmethod
    def of(cls, run: Mapping[str, Any], rules: Rules) -> Kept:
        """Read a run; of one that does not say what it showed list totals and all margins that may be shown."""
        bare = cls.of_table(run)
        shown = (
            tuple(_figure(*each) for each in run["shown"])
            if "shown" in run
            else tuple(bare._presumed(rules))
        )
        return replace(bare, shown=shown)

    @classmethod
    def of_table(cls, run: Mapping[str, Any]) -> Kept:
        """Read the table of a run alone."""
        lists = tuple(run["lists"])
        levels = {name: tuple(each) for name, each in run["levels"].items()}
        patterns = np.array(run["patterns"], dtype=np.int64).reshape(-1, len(lists) + len(levels))
        return cls(lists, levels, patterns, np.array(run["low"], dtype=np.int64), ())

    @cached_property
    def sheet(self) -> Sheet:
        """What was shown, to be compared."""
        levels = {
            name: (*each, *([UNKNOWN] if (self._codes(name) < 0).any() else []))
            for name, each in self.levels.items()
        }
        return Sheet(self.lists, levels, self.shown)

    def _presumed(self, rules: Rules) -> Iterator[Figure]:
        places: list[Any] = [(), *(((name, "1"),) for name in self.lists)]
        for names in default_margins(self.levels):
            cells = product(*(self.levels[name] for name in names))
            places += [tuple(sorted(zip(names, cell, strict=True))) for cell in cells]
        for at in places[:MOST]:
            count = int(self.counts[self._in(at)].sum())
            if not rules.unsafe(count):
                printed = round_counts(np.array([count]), rules)
                low, high = known_bounds(printed, rules)
                yield Figure(at, float(low[0]), float(high[0]))

    def hidden(self, rules: Rules) -> Iterator[tuple[tuple[tuple[str, str], ...], int]]:
        """Give histories, lists and overlaps of few, of everybody and of each group with a place, and small groups."""
        there = {each.at for each in self.shown if math.isfinite(each.high)}
        lists = {*self.lists}
        groups = [each.at for each in self.shown if lists.isdisjoint(name for name, _ in each.at)]
        entries = (
            product("01", repeat=len(self.lists)) if len(self.lists) <= _MOST_HISTORIES else ()
        )
        own: list[tuple[tuple[str, str], ...]] = [
            (),
            *(((name, "1"),) for name in self.lists),
            *(((one, "1"), (other, "1")) for one, other in combinations(self.lists, 2)),
            *(tuple(zip(self.lists, row, strict=True)) for row in entries if "1" in row),
        ]
        found: dict[tuple[tuple[str, str], ...], int] = {}
        for group, on in product(dict.fromkeys([(), *groups]), own):
            at = tuple(sorted((*group, *on)))
            persons = int(self.by_history(at, ())[0])
            if at not in there and 0 < persons < rules.threshold:
                found[at] = persons
        yield from [*found.items()][:: -(-len(found) // _MOST_HIDDEN) or 1]

    def _codes(self, name: str) -> IntArray:
        axes = [*self.lists, *self.levels]
        codes: IntArray = self.patterns[:, axes.index(name)]
        return codes

    def _in(self, at: Iterable[tuple[str, str]]) -> Any:
        """Which patterns have some levels."""
        found = np.ones(len(self.patterns), dtype=np.bool_)
        for name, level in at:
            known: Sequence[str] = ("0", "1") if name in self.lists else self.levels[name]
            found &= self._codes(name) == (known.index(level) if level in known else -1)
        return found

    def by_history(self, at: Iterable[tuple[str, str]], lists: Sequence[str]) -> IntArray:
        """Count the persons at some levels by who is on which of some lists: (2**L,); on a merged one, on any of it."""
        inside = self._in(at)
        places = np.zeros(int(inside.sum()), dtype=np.int64)
        for name in lists:
            places = 2 * places + (self._codes(name)[inside] == 1)
        return np.bincount(places, self.counts[inside], 2 ** len(lists)).astype(np.int64)

    def on_any(self, names: Iterable[str], lists: Sequence[str]) -> IntArray:
        """Count the persons on any of some lists, by history on others."""
        without = [each for each in names if each in self.lists]
        some = np.any([self._codes(name) == 1 for name in without], axis=0)
        places = np.zeros(len(self.patterns), dtype=np.int64)
        for name in lists:
            places = 2 * places + (self._codes(name) == 1)
        return np.bincount(places[some], self.counts[some], 2 ** len(lists)).astype(np.int64)
