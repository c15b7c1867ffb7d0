"""What everything that leaves of one table tells together: counts and estimates as one system of whole numbers.

A person more in cell x moves a hidden number h by h g_x (see `leaning`), so the total by 1 + h g_x, and the
end of an interval, whose width goes with one over the root of what it leans on, by 1 + e g_x (1 +- log(e/h) / 2)
for the end at a hidden number of e, or by 1 + e g_x where a prior makes most of the width. So each printed figure confines a weighted sum of the cells, to within what
it may have been rounded from. Of every small count some table has to be left that has as few persons, and one that
has as many, as the protection limits ask, as far as the printed counts alone leave it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csc_array

from mse._typing import FrozenDict
from mse.answer.intervals import DEFAULT_LEVEL
from mse.answer.rounding import nearest
from mse.data.count_table import CountTable
from mse.data.table import CaptureTable
from mse.disclosure.cells import REST, known_bounds
from mse.disclosure.count_tables import UNKNOWN, history_key, list_key, pair_key
from mse.errors import MSEError
from mse.leaning import cell_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mse._typing import FloatArray, IntArray
    from mse.answer.population import PopulationEstimate
    from mse.disclosure.cells import Key, Publication
    from mse.disclosure.rules import Rules
    from mse.leaning import Leaning

#: Cells up to which persons are whole; with more there are so many tables that fractions tell no less.
_WHOLE_CELLS = 7
#: Cells up to which a system is made; branches after which a table that was not found is taken not to be there.
_MOST_CELLS, _MOST_NODES = 4_000, 5_000
#: Cells of one register up to which its estimator is asked again with one person more in each.
_MOST_ASKED = 500
#: Persons within which a figure agrees.
_SLACK = 1e-4


@dataclass(frozen=True, eq=False)
class Known:
    """Weighted sums of cells, and what a reader knows of each.

    Attributes
    ----------
    weights : float64 array (R, O)
    low, high : float64 arrays (R,), persons
    """

    weights: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, rows: Iterable[tuple[FloatArray, float, float]], size: int) -> Known:
        """Put rows of weights and bounds together, of so many cells."""
        known = [*rows]
        weights = np.array([row[0] for row in known]).reshape(len(known), size)
        low, high = (np.array([row[at] for row in known], dtype=np.float64) for at in (1, 2))
        return cls(weights, low, high)

    def __add__(self, other: Known) -> Known:
        return Known(
            np.vstack([self.weights, other.weights]),
            np.concatenate([self.low, other.low]),
            np.concatenate([self.high, other.high]),
        )

    def agrees(self, counts: FloatArray) -> bool:
        """Whether a table would have been printed so."""
        values = self.weights @ counts
        return bool(np.all((values >= self.low - _SLACK) & (values <= self.high + _SLACK)))

    def table(
        self, cost: FloatArray, near: FloatArray | None = None, most: int = _WHOLE_CELLS
    ) -> FloatArray | None:
        """Find counts that agree, (O,), of the smallest cost; None where none is found.

        cost: (O,), of a person in each cell
        near: (O,), counts that it is to differ from as little as can be, relatively; in place of the cost
        most: cells up to which persons are whole
        """
        size, whole = len(cost), len(cost) <= most
        weights, low, high = self.weights, self.low, self.high
        if near is not None:
            # Beside each count how far off it is at least: that need not be whole.
            one, none = np.eye(size), np.zeros_like(weights)
            weights = np.block([[weights, none], [one, -one], [one, one]])
            low = np.concatenate([low, np.full(size, -np.inf), near])
            high = np.concatenate([high, near, np.full(size, np.inf)])
            cost = np.concatenate([np.zeros(size), 1.0 / np.sqrt(near + 1.0)])
        found = milp(
            cost,
            constraints=LinearConstraint(csc_array(weights), low, high),
            bounds=Bounds(0.0, np.inf),
            integrality=(whole * (np.arange(len(cost)) < size)).astype(np.int64),
            # Nodes, not seconds: the same table is always published in the same way. Simplifying takes longer
            # than solving where nothing is whole.
            options={"node_limit": _MOST_NODES, "presolve": whole},
        )
        if found.x is None:
            return None
        counts = np.asarray(found.x[:size])
        counts = np.round(counts) if whole else np.maximum(counts, 0.0)
        return counts if self.agrees(counts) else None


#: A small count, and whether a table is wanted that has as few persons in it (1) or as many (-1).
Wish: TypeAlias = "tuple[Key, int]"


@dataclass(eq=False)
class System:
    """All that was printed of a table, and of each small count tables that agree with it.

    Attributes
    ----------
    publication : Publication
        Counts as they leave.
    table : CaptureTable
        The table, complete.
    """

    #: Whether a figure of which it is not known how it moves with the cells is withheld.
    strict: ClassVar[bool] = False

    publication: Publication
    table: Any
    #: Small counts that are not shown, and which cells they are the sum of.
    targets: dict[Key, FloatArray] = field(default_factory=dict)
    _limits: dict[Wish, float] = field(default_factory=dict)
    _settled: set[Wish] = field(default_factory=set)
    #: Wishes that were not granted once, the last one first: these are asked before the others.
    _hard: list[Wish] = field(default_factory=list)
    #: Tables that agree with everything noted so far; between them they grant every wish.
    _tables: list[FloatArray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts, self._own = self._laid_out()
        size = len(self.counts)
        sums = self._sums()
        strata = {
            key: weights
            for key in self.publication.keys
            if key not in sums and (weights := self.stratum(key)) is not None
        }
        self._weights = sums | strata
        self._counted = self.known = Known.of(self.printed(), size)
        rules, shown = self.publication.rules, self._shown()
        # Of each stratum these are nowhere printed, and some are small.
        parts = {
            key + own: there * weights
            for key, there in strata.items()
            for own, weights in sums.items()
            if key
        }
        for key, weights in (self._weights | parts).items():
            if key not in shown and rules.unsafe(int(weights @ self.counts)):
                self.targets[key] = weights

    def printed(self) -> Iterator[tuple[FloatArray, float, float]]:
        """Give the cells of each count that has a place in the output, and what is known of it."""
        printed, rules = self.publication, self.publication.rules
        low, high = known_bounds(printed.counts, rules)
        # A mark says that there is somebody, where no zero is ever suppressed.
        floor = float(rules.zeros_safe and rules.group is None)
        for at, key in enumerate(printed.keys):
            if key in self._weights and printed.shown[at]:
                ends = (floor, math.inf) if printed.suppressed[at] else (low[at], high[at])
                yield (self._weights[key], *ends)

    def _shown(self) -> set[Key]:
        printed = self.publication
        there = printed.shown & ~printed.suppressed
        return {key for key, yes in zip(printed.keys, there, strict=True) if yes}

    # What is left of small counts -----------------------------------------------------------------

    def limits(self, key: Key) -> tuple[float, float]:
        """Find how few and how many persons must be left of a small count: no more than printed counts alone leave."""
        for sign in (1, -1):
            self._settle((key, sign))
        return self._limit((key, 1)), self._limit((key, -1))

    def _limit(self, wish: Wish) -> float:
        """How few or many are asked for, by the rules if nothing else is known."""
        if wish not in self._limits:
            (key, sign), ends = wish, self.publication.rules.protection
            count = float(self.targets[key] @ self.counts)
            self._limits[wish] = min(ends[0], count) if sign > 0 else max(ends[1], count)
        return self._limits[wish]

    def _settle(self, wish: Wish) -> bool:
        """Ask for no more than the printed counts alone leave; whether that is less than before."""
        if wish in self._settled:
            return False
        self._settled.add(wish)
        weights, sign, limit = self.targets[wish[0]], wish[1], self._limit(wish)
        ends = (limit, math.inf) if sign > 0 else (0.0, limit)
        some = (self._counted + Known.of([(weights, *ends)], len(weights))).table(sign * weights)
        self._limits[wish] = float(weights @ (self.counts if some is None else some))
        return abs(self._limits[wish] - limit) > _SLACK

    def _wished(self, wishes: Sequence[Wish]) -> Known:
        rows = []
        for wish in wishes:
            ends = (0.0, self._limit(wish)) if wish[1] > 0 else (self._limit(wish), math.inf)
            rows.append((self.targets[wish[0]], *ends))
        return Known.of(rows, len(self.counts))

    def tells(self, figures: Known) -> Key | None:
        """Name a small count that further figures would tell too well; None if there is none, and they are noted."""
        known = self.known + figures
        tables = [each for each in self._tables if figures.agrees(each)]
        others = [[(key, sign) for key in self.targets] for sign in (1, -1)]
        for wishes in (*([each] for each in self._hard), *others):
            told = self._grant(wishes, known, tables)
            if told is not None:
                self._hard = [told, *(each for each in self._hard if each != told)]
                return told[0]
        self.known, self._tables = known, tables
        return None

    def _grant(self, wishes: Sequence[Wish], known: Known, tables: list[FloatArray]) -> Wish | None:
        """Find tables that agree, for all wishes at once or for each half of them; name one that nothing grants."""
        left = self._left_over(wishes, tables)
        if not left:
            return None
        wanted = self._wished(left)
        # Near the counts, where the first order is right.
        some = (known + wanted).table(wanted.weights[0], near=self.counts)
        if some is not None:
            tables.append(some)
            return None
        if len(left) > 1:
            half = len(left) // 2
            halves = (self._grant(each, known, tables) for each in (left[:half], left[half:]))
            return next((told for told in halves if told is not None), None)
        return self._grant(left, known, tables) if self._settle(left[0]) else left[0]

    def _left_over(self, wishes: Sequence[Wish], tables: Sequence[FloatArray]) -> list[Wish]:
        """Wishes that no table grants yet."""
        if not tables:
            return [*wishes]
        weights = np.array([self.targets[key] for key, _ in wishes])
        values = weights.reshape(len(wishes), -1) @ np.array(tables).T
        return [
            wish
            for wish, row in zip(wishes, values, strict=True)
            if not np.any(wish[1] * (row - self._limit(wish)) <= _SLACK)
        ]

    def note(self, figures: Known) -> None:
        """Note figures whatever they tell, as an attacker does."""
        self.known += figures
        self._tables = [each for each in self._tables if figures.agrees(each)]

    def left(self, key: Key) -> tuple[float, float]:
        """Compute the fewest and the most persons that are left of a small count, within its limits."""
        weights, (lower, upper) = self.targets[key], self.limits(key)
        known, ends = self.known + Known.of([(weights, lower, upper)], len(weights)), []
        for sign in (1, -1):
            # A table beyond the limit will do; there may be none that is just at it.
            ready = [self.counts, *self._tables]
            some = known.table(sign * weights)
            ready += [] if some is None else [some]
            ends.append(sign * min(sign * float(weights @ each) for each in ready))
        return max(ends[0], lower), min(ends[1], upper)

    def spread(self, moves: FloatArray, covariates: Iterable[str]) -> FloatArray:
        """Give each cell of the table what one of the table by some covariates has.

        moves: of each observed cell of that table
        """
        table, names = self.table, set(covariates)
        kept = [at for at, axis in enumerate(table.axes) if at < table.n_lists or axis in names]
        shape = [table.shape[at] for at in kept]
        places = np.ravel_multi_index(tuple(self._own[kept]), shape)
        found: FloatArray = moves[places - math.prod(shape[table.n_lists :])]
        return found

    def observed(self, key: Key) -> float:
        """Count the persons of a stratum; NaN of what is no such thing."""
        members = self.stratum(key)
        return math.nan if members is None else float(members @ self.counts)

    def written(
        self, leaning: Leaning, raw: Mapping[Key, Raw]
    ) -> dict[Key, Callable[[float], Known]]:
        """Write figures as sums of cells, by the persons to whose multiples they are rounded; those that can be."""
        strata = leaning.estimate.strata
        names = () if strata is None else strata.names
        found: dict[Key, Callable[[float], Known]] = {}
        for key, figures in raw.items():
            moves = leaning.moves(None if strata is None else members_of(leaning.estimate, key))
            members = self.stratum(key)
            if moves is not None and members is not None and np.all(np.isfinite(moves)):
                spread = self.spread(moves, names)
                found[key] = partial(
                    figures_of,
                    spread,
                    members,
                    self.counts,
                    figures,
                    rules=self.publication.rules,
                    parallel=leaning.parallel,
                )
        return found

    # Which cells there are, and which of them a count is the sum of ---------------------------------

    def _laid_out(self) -> tuple[FloatArray, IntArray]:
        """Persons in each cell, (O,), and its place on each axis, (A, O)."""
        counts, shape = cell_counts(self.table), self.table.shape
        places = np.stack(np.unravel_index(np.arange(math.prod(shape)), shape))
        return counts, places[:, -len(counts) :]

    def _sums(self) -> dict[Key, FloatArray]:
        """Histories, totals of lists and overlaps: what may be small, printed or not."""
        lists, names = self._own[: self.table.n_lists] == 1, self.table.lists
        found: dict[Key, FloatArray] = {}
        for row in list(product((0, 1), repeat=len(names)))[1:]:
            found[history_key(row)] = (lists == np.array(row)[:, None]).all(axis=0).astype(float)
        found |= {list_key(name): lists[at].astype(float) for at, name in enumerate(names)}
        for one, other in combinations(range(len(names)), 2):
            found[pair_key(names[one], names[other])] = (lists[one] & lists[other]).astype(float)
        return found

    def stratum(self, key: Key) -> FloatArray | None:
        """Cells of some levels of covariates; None of what is no such thing."""
        chosen = np.ones(len(self.counts))
        if key and key[0] == REST:
            return None
        for name, level in key:
            levels: Sequence[Any] = self.table.covariates.get(name, ())
            if level not in levels or level == UNKNOWN or name not in self._axes:
                return None
            chosen *= self._own[self._axes.index(name)] == levels.index(level)
        return chosen

    @property
    def _axes(self) -> tuple[str, ...]:
        axes: tuple[str, ...] = self.table.axes
        return axes


class RegisterSystem(System):
    """The same of one register: its cells are how often persons were seen, in each stratum that is published.

    The total and its interval together tell those seen once and twice, and so those seen more often.
    """

    strict: ClassVar[bool] = True

    @cached_property
    def _axes(self) -> tuple[str, ...]:
        named = {each[0] for key in self.publication.keys if key[:1] != (REST,) for each in key}
        return ("times", *(name for name in self.table.covariates if name in named))

    def _laid_out(self) -> tuple[FloatArray, IntArray]:
        table = self.table
        self._times, at = np.unique(table.times, return_inverse=True)
        groups, levels = table.strata(self._axes[1:])
        shape = (len(self._times), *map(len, levels.values()))
        counts = np.zeros((shape[0], math.prod(shape[1:])))
        np.add.at(counts, (at, groups), table.persons)
        there = np.broadcast_to(counts.sum(axis=0) > 0, counts.shape).ravel()
        places = np.stack(np.unravel_index(np.arange(counts.size), shape))
        return counts.ravel()[there], places[:, there]

    def _sums(self) -> dict[Key, FloatArray]:
        """Persons seen so many times, and so many times or more."""
        found: dict[Key, FloatArray] = {}
        for at, times in enumerate(self._times.tolist()):
            found[(("times seen", times),)] = (self._own[0] == at).astype(float)
            found[(("times seen", f"{times} or more"),)] = (self._own[0] >= at).astype(float)
        return found

    def written(
        self, leaning: Leaning, raw: Mapping[Key, Raw]
    ) -> dict[Key, Callable[[float], Known]]:
        """Write figures as sums of cells: the estimator is asked again with one person more in each."""
        if len(self.counts) > _MOST_ASKED:
            return {}
        moves = _asked_again(leaning.estimate, self.table, raw, self._one_more())
        found: dict[Key, Callable[[float], Known]] = {}
        for key, figures in raw.items():
            members, (moved, *widths) = self.stratum(key), moves[key]
            if members is not None and np.isfinite([moved, *widths]).all():
                found[key] = partial(
                    figures_of,
                    moved,
                    members,
                    self.counts,
                    figures,
                    rules=self.publication.rules,
                    widths=tuple(widths),
                )
        return found

    def _one_more(self) -> Iterator[CountTable]:
        """Give the table with one person more in each cell, like another one there, or in its stratum."""
        table = self.table
        groups, levels = table.strata(self._axes[1:])
        shape = tuple(map(len, levels.values()))
        for at, *own in self._own.T.tolist():
            times, group = self._times[at], np.ravel_multi_index(tuple(own), shape) if own else 0
            alike = np.flatnonzero((groups == group) & (table.times == times))
            row = alike[0] if len(alike) else np.flatnonzero(groups == group)[0]
            columns = {name: np.append(each, each[row]) for name, each in table.columns.items()}
            yield replace(
                table,
                times=np.append(table.times, times),
                persons=np.append(table.persons, 1),
                columns=FrozenDict(columns),
                clusters=None,
            )


def _asked_again(
    estimate: PopulationEstimate,
    table: CountTable,
    keys: Iterable[Key],
    tables: Iterable[CountTable],
) -> dict[Key, FloatArray]:
    """How the logarithms of a hidden number and of both halves of its interval differ in other tables, (3, O)."""
    from mse.registry import estimator_of

    text = estimate.provenance.get("chosen", estimate.provenance.get("estimator", ""))
    keys = list(keys)
    try:
        estimator = estimator_of(str(text))
        before = _logs(estimator.fit(table).population, keys)  # type: ignore[arg-type]
        after = [_logs(estimator.fit(each).population, keys) for each in tables]  # type: ignore[arg-type]
    except MSEError:
        return {key: np.full((3, 1), math.nan) for key in keys}
    return {key: np.column_stack([each[key] - before[key] for each in after]) for key in keys}


def _logs(estimate: PopulationEstimate, keys: Sequence[Key]) -> dict[Key, FloatArray]:
    """Logarithms of hidden numbers, and of how far the ends of their intervals are from them on that scale."""
    low, high = estimate.interval(DEFAULT_LEVEL)
    rows: dict[Key, Any] = {
        (): {"observed": estimate.observed, "hidden": estimate.hidden, "low": low, "high": high}
    }
    for names in dict.fromkeys(tuple(name for name, _ in key) for key in keys if key):
        for row in estimate.margin(*names).to_dict(orient="records"):
            rows[tuple((name, row[name]) for name in names)] = row
    found = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for key in keys:
            row = rows[key]
            hidden, *ends = np.log(
                [row["hidden"], *(row[end] - row["observed"] for end in ("low", "high"))]
            )
            found[key] = np.array([hidden, *(np.log(abs(end - hidden)) for end in ends)])
    return found


_SYSTEMS: WeakKeyDictionary[Publication, System] = WeakKeyDictionary()


def system_of(publication: Publication, table: CaptureTable | CountTable | None) -> System | None:
    """Find the system of a publication, one for all that leaves with it; None where there is no complete table."""
    if not publication.rules.suppresses or not publication.rules.secondary:
        return None
    kind = RegisterSystem if isinstance(table, CountTable) else System
    if isinstance(table, CaptureTable):
        if not table.is_complete or table.margins is not None:
            return None
        if math.prod(table.shape) > _MOST_CELLS:
            return None
    elif kind is System:
        return None
    if publication not in _SYSTEMS:
        _SYSTEMS[publication] = kind(publication, table)
    return _SYSTEMS[publication]


def figures_of(
    moves: FloatArray,
    members: FloatArray,
    counts: FloatArray,
    raw: Raw,
    step: float,
    *,
    rules: Rules | None = None,
    widths: tuple[FloatArray, ...] | None = None,
    parallel: bool = False,
) -> Known:
    """Write the figures of an estimate, as they are printed, as sums of cells.

    moves: (O,), how a person more in each cell moves the logarithm of the hidden number
    members: (O,), 1 for the cells of its observed persons
    counts: (O,), the table
    raw: the figures before they are rounded
    step: persons to whose multiples they are rounded, the ends of intervals outward
    rules: by which ends of wider intervals are rounded further; without them all are rounded alike
    widths: two of (O,), how a person more moves the logarithm of each half of the interval; by default that of one
        over the root of what the hidden number leans on
    parallel: whether the ends move as the hidden number does
    """
    observed = float(members @ counts)
    hidden = raw.total - observed
    if not math.isfinite(hidden) or hidden <= 0:
        return Known.of((), len(counts))
    point = nearest(raw.total, step)
    ends_of_point = point - step / 2, point + step / 2
    known = [(raw.total, hidden * moves, *ends_of_point)] if raw.point else []
    whole = [(raw.total, hidden * np.expm1(moves), *ends_of_point)] if raw.point else []
    for ends in raw.ends:
        grid = step if rules is None else rules.step_of_ends(*ends, step)
        for end, half in zip(ends, (0, 1), strict=True):
            there = end - observed
            # An end that is cut off at the observed number, or has no bound, says nothing else.
            if math.isfinite(end) and there > 0:
                apart = math.log(there / hidden)
                if parallel:
                    moved = moves
                elif widths is None:
                    moved = max(1.0 + (2 * half - 1) * abs(apart) / 2.0, 0.0) * moves
                else:
                    moved = moves + apart * widths[half]
                at = math.ceil(end / grid) * grid if half else math.floor(end / grid) * grid
                printed = at - grid * half, at + grid * (1 - half)
                known.append((end, there * moved, *printed))
                whole.append((end, there * np.expm1(moved), *printed))
    rows = [(members + moved, low - value, high - value) for value, moved, low, high in known]
    if widths is not None:
        # Of few persons one more moves a figure by a good part of itself: a reader may know by how many persons.
        rows += [(members + by, low - value, high - value) for value, by, low, high in whole]
    return Known.of(
        ((each, float(each @ counts) + a, float(each @ counts) + b) for each, a, b in rows),
        len(counts),
    )


def members_of(estimate: PopulationEstimate, key: Key) -> list[int]:
    """Find the strata that a key sums over."""
    assert estimate.strata is not None
    names = estimate.strata.names
    wanted = [(names.index(name), level) for name, level in key]
    return [
        at
        for at, cell in enumerate(estimate.strata.cells)
        if all(cell[place] == level for place, level in wanted)
    ]


class Raw(NamedTuple):
    """A total before it is rounded, and the ends of its intervals at the levels that are published.

    point: whether the total leaves with them
    """

    total: float
    ends: tuple[tuple[float, float], ...]
    point: bool = True


def magnitude(factor: float) -> float:
    """Round a factor to one of ten steps in every power of ten, a quarter apart.

    Examples
    --------
    >>> [magnitude(each) for each in (0.93, 1.07, 1.3, 2.2, 13.0)]
    [1.0, 1.0, 1.3, 2.0, 12.6]
    """
    if not math.isfinite(factor) or factor <= 0:
        return factor
    return float(round(10.0 ** (round(10.0 * math.log10(factor)) / 10.0), 1 if factor > 0.5 else 2))
