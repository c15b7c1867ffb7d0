"""Two publications of the same persons: which figures of one are parts of figures of the other.

A figure is a number of persons at some levels of covariates, and on some lists. Where figures of one table, or a sum of
such, are a part of a figure of another one, by ages, by years, by names of levels, or since it has fewer lists, the
difference is a number of persons as well, although neither table shows it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from mse.disclosure.groupings import JOINED, Atoms, atoms_of, matched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mse.disclosure.groupings import Grouping

#: Figures of a publication that are compared with those of others, the most summed ones first.
MOST = 400
#: Share of the persons by which two tables may differ and still be of the same persons.
_APART = 0.1
_ON: dict[str, Atoms] = {"0": frozenset("0"), "1": frozenset("1")}


class Figure(NamedTuple):
    """A number of persons that was published.

    Attributes
    ----------
    at : tuple of pair of str
        Axes and levels: covariates with a level, lists with "1" or "0"; those not named are summed over.
    low, high : float
        Between which it lies, as far as a reader knows.
    """

    at: tuple[tuple[str, str], ...]
    low: float
    high: float

    @property
    def label(self) -> str:
        """Name it as text."""
        return ", ".join(f"{name} {level}" for name, level in self.at) or "total"


@dataclass(frozen=True, eq=False)
class Sheet:
    """The figures of one table that were published together.

    Attributes
    ----------
    lists : tuple of str or None
        Persons are on at least one of them; None where they are not named.
    levels : mapping of str to tuple of str
        All levels of each covariate.
    figures : tuple of Figure
    """

    lists: tuple[str, ...] | None
    levels: Mapping[str, tuple[str, ...]]
    figures: tuple[Figure, ...]

    @cached_property
    def families(self) -> dict[frozenset[str], list[Figure]]:
        """Figures by the axes of which they have a level: those of one family share nobody."""
        found: dict[frozenset[str], list[Figure]] = defaultdict(list)
        for each in sorted(self.figures, key=lambda figure: len(figure.at))[:MOST]:
            found[frozenset(name for name, _ in each.at)].append(each)
        return dict(found)


class Difference(NamedTuple):
    """Persons in one figure, or sum of figures, and not in another one.

    Attributes
    ----------
    more, less : tuple of Figure
        Figures of either table; their sums are subtracted.
    turned : bool
        Whether ``more`` is of the second table.
    same : bool
        Whether both are of the same persons, as far as their names tell.
    filled : bool
        Whether both have the same levels, as far as names tell: only lists can make a difference.
    without : tuple of str
        Lists that only the larger one has.
    """

    more: tuple[Figure, ...]
    less: tuple[Figure, ...]
    turned: bool
    same: bool
    filled: bool
    without: tuple[str, ...]

    @property
    def ends(self) -> tuple[float, float]:
        """Between how many persons it is."""
        more, less = (
            (sum(each.low for each in part), sum(each.high for each in part))
            for part in (self.more, self.less)
        )
        return max(more[0] - less[1], 0.0), max(more[1] - less[0], 0.0)

    @property
    def label(self) -> str:
        """Name those persons as text."""
        more, less = (
            " or ".join(each.label for each in part[:3]) + " ..." * (len(part) > 3)
            for part in (self.more, self.less)
        )
        if self.same and more == less:
            return "added between two publications" + f": {more}" * (more != "total")
        if self.without and self.filled and more == less:
            return f"on {' or '.join(self.without)} only" + f": {more}" * (more != "total")
        return f"in {more} of one publication and not in {less} of another"


@dataclass(frozen=True, eq=False)
class Pair:
    """Two publications, compared.

    Attributes
    ----------
    one, other : Sheet
    groupings : mapping of str to pair of mapping
        Beside what names tell: atoms of the levels of a covariate of the first one in both.
    renamed : mapping of str to str
        Beside what names tell: covariates of the first one, and what they are called in the second.
    merged : mapping of str to frozenset of str
        Beside what names tell: lists of one that are several lists of the other together.
    """

    one: Sheet
    other: Sheet
    groupings: Mapping[str, tuple[Grouping, Grouping]] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    merged: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def covariates(self) -> dict[str, str]:
        """Covariates of the first one that the second has, and what they are called there."""
        return matched(self.one.levels, self.other.levels) | dict(self.renamed)

    @cached_property
    def atoms(self) -> tuple[dict[str, Grouping], dict[str, Grouping]]:
        """Atoms of the levels of each axis that both tables have, in both, by its name in the first one."""
        both: tuple[dict[str, Grouping], dict[str, Grouping]] = ({}, {})
        for name, there in self.covariates.items():
            known = self.groupings.get(name)
            own = known or atoms_of(self.one.levels[name], self.other.levels[there])
            for side, each in zip(both, own, strict=True):
                side[name] = each
        lists = [set(sheet.lists or ()) for sheet in (self.one, self.other)]
        shared = (lists[0] & lists[1]) | {
            name for name in self.parts if name in lists[0] | lists[1]
        }
        for side in both:
            side.update(dict.fromkeys(shared, _ON))
        return both

    @cached_property
    def _every(self) -> tuple[dict[str, Atoms], dict[str, Atoms]]:
        """Atoms of all levels of each covariate, in both tables.

        Of names that only one of them has it is not known which is which: they are taken to be of the same persons.
        """
        both: tuple[dict[str, Atoms], dict[str, Atoms]] = ({}, {})
        for name in self.covariates:
            own, others = (
                frozenset(chain.from_iterable(side[name].values())) for side in self.atoms
            )
            unknown = own - others and others - own
            if unknown and not any(isinstance(each, tuple) for each in own | others):
                own = others = own | others
            both[0][name], both[1][name] = own, others
        return both

    @cached_property
    def parts(self) -> dict[str, frozenset[str]]:
        """Lists that are several lists of the other table together, by their names or as is known."""
        found = dict(self.merged)
        for own, others in ((self.one, self.other), (self.other, self.one)):
            known = set(others.lists or ()) - set(own.lists or ())
            for name in set(own.lists or ()) - set(others.lists or ()):
                parts = {part for part in JOINED.split(name) if part}
                if len(parts) > 1 and parts <= known:
                    found[name] = frozenset(parts)
        return found

    def _lists(self, sheet: Sheet) -> set[str]:
        """Give the lists of a table, with what merged ones are made of, and what they make."""
        own = set(sheet.lists or ())
        parts = chain.from_iterable(self.parts[name] for name in own if name in self.parts)
        return own | {*parts} | {name for name, parts in self.parts.items() if parts <= own}

    def differences(self) -> Iterator[Difference]:
        """Give every figure, or sum of figures, that is a part of a figure of the other table."""
        seen: set[tuple[frozenset[Figure], frozenset[Figure]]] = set()
        for turned in (False, True):
            for found in self._of(turned=turned):
                # What is subtracted from what does not tell two comparisons of the same persons apart.
                key = frozenset(found.more), frozenset(found.less)
                key = key if found.turned else (key[1], key[0])
                if key not in seen:
                    seen.add(key)
                    yield found

    def _of(self, *, turned: bool) -> Iterator[Difference]:
        """Compare each figure of one table with the families of the other; ``turned``: of the second one."""
        whole, cut = (self.other, self.one) if turned else (self.one, self.other)
        regions = [(each, _Region(self, each, turned)) for each in _figures(whole)]
        families = [
            (names, [(each, _Region(self, each, not turned)) for each in family])
            for names, family in cut.families.items()
        ]
        lists = [self._lists(sheet) for sheet in (whole, cut)]
        for figure, region in regions:
            for _, family in families:
                inside = [(each, own) for each, own in family if own.inside(region)]
                around = [(each, own) for each, own in family if own.touches(region)]
                holds = bool(around) and region.covered(around)
                parts, whole_of = (
                    tuple(each for each, _ in inside),
                    tuple(each for each, _ in around),
                )
                if inside and holds and parts == whole_of:
                    yield self._same((figure,), parts, turned=turned)
                    continue
                if inside:
                    extra = tuple(sorted(lists[0] - lists[1])) if cut.lists and whole.lists else ()
                    filled = region.filled(inside)
                    yield Difference((figure,), parts, turned, False, filled, extra)
                if holds:
                    extra = tuple(sorted(lists[1] - lists[0])) if cut.lists and whole.lists else ()
                    filled = not region.alone and all(own.at_levels_of(region) for _, own in around)
                    yield Difference(whole_of, (figure,), not turned, False, filled, extra)

    @staticmethod
    def _same(own: tuple[Figure, ...], others: tuple[Figure, ...], *, turned: bool) -> Difference:
        sizes = [sum(each.low for each in part) for part in (own, others)]
        if sizes[0] >= sizes[1]:
            return Difference(own, others, turned, True, True, ())
        return Difference(others, own, not turned, True, True, ())

    def related(self, short: Callable[[Difference], tuple[float, float]]) -> bool:
        """Whether both tables can be of the same persons, by all figures that should not differ by much.

        short: by how many persons figures contradict that the one is a part of the other, and of how many
        """
        known = [*self.differences()]
        same = [each for each in known if each.same]
        by_lists = [each for each in known if each.filled and not each.same]
        for kind in (same, by_lists) if same or by_lists else (known,):
            found = [short(each) for each in kind]
            if sum(each[0] for each in found) > _APART * sum(each[1] for each in found):
                return False
        return True


def _figures(sheet: Sheet) -> Iterator[Figure]:
    return chain.from_iterable(sheet.families.values())


class _Region:
    """Whom a figure is of, on the axes that both tables have."""

    def __init__(self, pair: Pair, figure: Figure, turned: bool) -> None:
        sheet, other = (pair.other, pair.one) if turned else (pair.one, pair.other)
        atoms, here = pair.atoms[turned], dict(figure.at)
        called = pair.covariates if turned else {name: name for name in pair.covariates}
        self.axes = frozenset(here)
        self.shared: dict[str, Atoms] = {}
        for name, grouping in atoms.items():
            own = called.get(name, name)
            if name in called:
                every = pair._every[turned][name]
                self.shared[name] = grouping.get(here[own], frozenset()) if own in here else every
            else:
                self.shared[name] = _on(name, here, pair.parts)
        names = {called.get(name, name) for name in atoms}
        #: Levels of axes that the other table does not have.
        self.alone = {name: level for name, level in here.items() if name not in names}
        self.lists = None if sheet.lists is None else pair._lists(sheet)
        self.others = None if other.lists is None else pair._lists(other)
        self.on = {name for name in sheet.lists or () if here.get(name) == "1"}
        self.counts = {name: len(levels) for name, levels in sheet.levels.items()}

    def _within_lists(self) -> bool:
        """Whether whoever is in it is on a list of the other table."""
        if self.lists is None or self.others is None:
            return True
        return self.lists <= self.others or bool(self.on & self.others)

    def inside(self, whole: _Region) -> bool:
        """Whether all of it is in a figure of the other table, by what it is called."""
        return not whole.alone and self._within_lists() and self.at_levels_of(whole)

    def at_levels_of(self, whole: _Region) -> bool:
        """Whether all its levels are those of a figure of the other table."""
        return all(own <= whole.shared[name] for name, own in self.shared.items())

    def touches(self, part: _Region) -> bool:
        """Whether it may share anybody with a figure of the other table."""
        return all(own & part.shared[name] for name, own in self.shared.items())

    def covered(self, around: Sequence[tuple[Figure, _Region]]) -> bool:
        """Whether all of it is in some figures of one family of the other table together."""
        return self._within_lists() and self.filled(around)

    def filled(self, others: Sequence[tuple[Figure, _Region]]) -> bool:
        """Whether figures of one family of the other table have all of its levels: only lists can make a difference."""
        first, size = others[0][1], 1
        for name in first.axes:
            levels = {dict(figure.at)[name] for figure, _ in others}
            wanted = first.counts.get(name, 2) if name in first.alone else len(levels)
            if len(levels) < wanted:
                return False
            size *= len(levels)
        return size == len(others) and all(
            own <= frozenset(chain.from_iterable(each.shared[name] for _, each in others))
            for name, own in self.shared.items()
        )


def _on(name: str, here: Mapping[str, str], parts: Mapping[str, frozenset[str]]) -> Atoms:
    """Whether persons of a figure are on a list, on one of those it is made of, or on neither."""
    if name in here:
        return _ON[here[name]]
    members = parts.get(name, frozenset())
    if any(here.get(each) == "1" for each in members):
        return _ON["1"]
    if members and all(here.get(each) == "0" for each in members):
        return _ON["0"]
    return _ON["0"] | _ON["1"]
