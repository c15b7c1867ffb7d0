"""Which counts to suppress: those that are unsafe, and further ones that keep them from being computed.

The further ones are chosen by an integer program with cuts (Fischetti and Salazar-Gonzalez 2000): the
program proposes what to suppress; every count that would then be known too well is found by a linear
program, the attack, whose prices say which suppressions could have helped; that becomes a condition
of the next proposal.

References
----------
Fischetti, M. and Salazar-Gonzalez, J. J. (2000). Models and algorithms for optimizing cell suppression
in tabular data with linear constraints. Journal of the American Statistical Association 95, 916-928.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from mse.disclosure.cells import known_bounds, published, round_counts
from mse.disclosure.rules import MARK
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.disclosure.cells import Cells, Publication
    from mse.disclosure.rules import Rules


# What can be computed of a count from the sums that it is part of, by linear and integer ----------

#: HiGHS holds constraints to 1e-7 of a person; counts are whole, so this tells them apart with ease.
WHOLE = 1e-5
#: Up to so many cells an integer program costs less than preparing a linear one.
_FEW = 60
#: Statuses of `linprog` and `milp`.
_DONE, _UNBOUNDED = 0, 3


@dataclass(frozen=True, eq=False)
class Extreme:
    """Smallest value of a sum of counts that agrees with everything known.

    Attributes
    ----------
    value : float
        Persons; -inf where there is no bound.
    counts : float64 array (N,) or None
        Counts that attain it; None where there is no bound.
    low_price, high_price : float64 arrays (N,)
        How much the value would fall if the lower bound of a cell were one person lower, or its upper
        bound one higher; 0 or more. Of the linear program.
    """

    value: float
    counts: FloatArray | None
    low_price: FloatArray
    high_price: FloatArray

    @property
    def whole(self) -> bool:
        """Whether whole counts attain the value."""
        return self.counts is not None and bool(
            np.all(np.abs(self.counts - np.round(self.counts)) < WHOLE)
        )


def least(
    weights: FloatArray, sums: sparse.csr_array, low: FloatArray, high: FloatArray
) -> Extreme:
    """Minimize ``weights @ counts`` over counts within bounds whose sums are right.

    weights: (N,), what is minimized
    sums: (M, N), as of `Cells`: ``sums @ counts == 0``
    low, high: (N,), persons, bounds of each count
    Returns of the linear program, whose counts need not be whole
    Raises ModelError: if no counts agree with what is known
    """
    # The types of SciPy know neither sparse matrices nor arrays of bounds here; its code does.
    found = linprog(  # type: ignore[call-overload]
        weights,
        A_eq=sums,
        b_eq=np.zeros(sums.shape[0]),
        bounds=np.column_stack([low, high]),
        method="highs",
        # Without presolving, a program that has no end says so rather than "infeasible or unbounded".
        options={"presolve": False},
    )
    if found.status == _UNBOUNDED:
        nothing = np.zeros(len(weights))
        return Extreme(-inf, None, nothing, nothing)
    if found.status != _DONE:
        raise ModelError(
            f"No counts agree with what was published ({found.message.strip()}): the totals are not "
            "those of the parts, or something was changed after it was protected."
        )
    return Extreme(
        float(found.fun),
        np.asarray(found.x, dtype=np.float64),
        np.maximum(found.lower.marginals, 0.0),
        np.maximum(-found.upper.marginals, 0.0),
    )


def least_whole(
    weights: FloatArray, sums: sparse.csr_array, low: FloatArray, high: FloatArray
) -> Extreme:
    """Minimize as `least`, over whole counts; there are no prices then."""
    nothing = np.zeros(len(weights))
    found = milp(
        weights,
        constraints=LinearConstraint(sums, 0.0, 0.0),
        bounds=Bounds(low, high),
        integrality=np.ones(len(weights), dtype=np.int64),
    )
    if found.x is not None:
        counts = np.round(found.x)
        return Extreme(float(weights @ counts), counts, nothing, nothing)
    # No bound, or no counts: the linear program tells which.
    least(weights, sums, low, high)
    return Extreme(-inf, None, nothing, nothing)


def least_unpriced(
    weights: FloatArray, sums: sparse.csr_array, low: FloatArray, high: FloatArray
) -> Extreme:
    """Minimize as `least`, where prices are not asked for: over whole counts if that is quick."""
    quick = len(weights) <= _FEW
    return least_whole(weights, sums, low, high) if quick else least(weights, sums, low, high)


def range_of(
    cell: int, sums: sparse.csr_array, low: FloatArray, high: FloatArray
) -> tuple[float, float]:
    """Compute the smallest and largest whole count that one cell may have.

    cell: position of the cell
    sums, low, high: as of `least`

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> sums = sparse.csr_array([[-1.0, -1.0, 1.0]])  # two parts, and their total of 9
    >>> range_of(0, sums, np.array([1.0, 1.0, 9.0]), np.array([np.inf, np.inf, 9.0]))
    (1.0, 8.0)
    """
    weights = np.zeros(len(low))
    ends = []
    for sign in (1.0, -1.0):
        weights[cell] = sign
        found = least_unpriced(weights, sums, low, high)
        if found.counts is not None and not found.whole:
            found = least_whole(weights, sums, low, high)
        ends.append(sign * found.value)
    return float(np.round(ends[0])), float(np.round(ends[1]))


# What a reader must not be able to tell of counts, as demands on what stays possible --------------


@dataclass(frozen=True, eq=False)
class Form:
    """A weighted sum of counts.

    Attributes
    ----------
    at, weights : int64 and float64 arrays
        Its cells.
    enough : float
        How small it need become at most; looking further is of no use.
    """

    at: IntArray
    weights: FloatArray
    enough: float = -inf

    def dense(self, size: int) -> FloatArray:
        """Write the weights out for all cells: float64 array (size,)."""
        weights = np.zeros(size)
        weights[self.at] = self.weights
        return weights

    def capped(
        self, low: FloatArray, high: FloatArray, extra: float = 0.0
    ) -> tuple[FloatArray, FloatArray]:
        """Tighten bounds so that a form of one cell ends where it is small enough, less ``extra``."""
        if len(self.at) > 1:
            return low, high
        cell, low, high = int(self.at[0]), low.copy(), high.copy()
        if self.weights[0] > 0:
            low[cell] = max(low[cell], self.enough - extra)
        else:
            high[cell] = min(high[cell], extra - self.enough)
        return low, high


@dataclass(frozen=True, eq=False)
class Demand:
    """The smallest values of some forms must add up to ``need`` at most, for all a reader knows.

    Attributes
    ----------
    forms : tuple of Form
        One: a count, less or more of it, or a share. Two: how far its range reaches, down and up.
    need : float
        Persons.
    when : int
        Cell that the demand is about: it holds only if that one is suppressed; -1: always.
    """

    forms: tuple[Form, ...]
    need: float
    when: int = -1


class Knowledge:
    """What a reader knows of each count if it is shown, and if it is not.

    Attributes
    ----------
    low, high : float64 arrays (N,), persons
        Bounds of counts that are shown.
    floor : float64 array (N,), persons
        Lower bounds of those that are not; there is no upper one.
    shown : bool array (N,)
        Cells that have a place in the output at all.
    """

    def __init__(self, cells: Cells, rules: Rules) -> None:
        self.low, self.high = known_bounds(round_counts(cells.counts, rules), rules)
        # One who knew which marks hide nobody would know more than any reader: to be safe.
        floor = 1.0 if rules.zeros_safe else 0.0
        self.floor = np.where(cells.shown & (cells.counts > 0), floor, 0.0)
        self.shown = cells.shown

    def when(self, suppressed: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Bounds if these cells are suppressed: two float64 arrays (N,)."""
        hidden = suppressed | ~self.shown
        return np.where(hidden, self.floor, self.low), np.where(hidden, np.inf, self.high)

    def used(self, counts: FloatArray) -> BoolArray:
        """Find the cells that must be suppressed for a reader to think these counts possible."""
        return self.shown & ((counts < self.low - WHOLE) | (counts > self.high + WHOLE))


def primary(cells: Cells, rules: Rules) -> BoolArray:
    """Find the cells that may not be shown for their own sake: bool array (N,)."""
    return _small(cells, rules) | cells.unsafe


def _small(cells: Cells, rules: Rules) -> BoolArray:
    small = cells.counts < rules.threshold
    return small & (cells.counts > 0) if rules.zeros_safe else small


def demands_on(cells: Cells, rules: Rules, known: Knowledge) -> list[Demand]:
    """List everything that a reader must not be able to tell, what always holds first."""
    found = [*_limits(cells, rules, known), *_shares(cells, rules, known)]
    if rules.threshold <= 1 and rules.base > 1:
        found += _roundings(cells, rules)
    return [*found, *_widths(cells, rules)]


def _down(cell: int, enough: float) -> Form:
    return Form(np.array([cell]), np.array([1.0]), enough)


def _up(cell: int, enough: float) -> Form:
    return Form(np.array([cell]), np.array([-1.0]), -enough)


def _limits(cells: Cells, rules: Rules, known: Knowledge) -> Iterator[Demand]:
    """Of a count below the threshold nothing within the protection limits can be ruled out."""
    lower, upper = rules.protection
    bounds = known.when(np.ones(len(cells.counts), dtype=np.bool_))
    totals = (cells.sums > 0).sum(axis=0) > 0
    for cell in np.flatnonzero(_small(cells, rules)):
        count = float(cells.counts[cell])
        down = _down(int(cell), min(float(lower), count))
        if totals[cell]:
            # Each mark hides somebody, so a total of three marks cannot be less than three.
            weights = down.dense(len(cells.counts))
            fewest = least(weights, cells.sums, *bounds).value
            down = _down(int(cell), max(down.enough, fewest))
        up = _up(int(cell), max(float(upper), count))
        yield Demand((down,), down.enough)
        yield Demand((up,), up.enough)


def _widths(cells: Cells, rules: Rules) -> Iterator[Demand]:
    """No suppressed count can be told to within the width of the protection limits, or to be small."""
    lower, upper = rules.protection
    width = max(upper - lower, 1)
    for cell in np.flatnonzero(cells.shown & ~_small(cells, rules)):
        count = float(cells.counts[cell])
        forms = _down(int(cell), count - width), _up(int(cell), count + width)
        yield Demand(forms, -float(width), int(cell))
        if count < upper:
            up = _up(int(cell), float(upper))
            yield Demand((up,), up.enough, int(cell))


def _shares(cells: Cells, rules: Rules, known: Knowledge) -> Iterator[Demand]:
    """No part holds nearly all of a total, as far as a reader can tell; where that can be had."""
    if rules.group is None:
        return
    bounds = known.when(np.ones(len(cells.counts), dtype=np.bool_))
    for part, total in cells.groups:
        if cells.counts[part] > rules.group * cells.counts[total]:
            form = Form(np.array([part, total]), np.array([1.0, -rules.group]))
            # A part that is the total by its very meaning cannot be kept from being it.
            if least(form.dense(len(cells.counts)), cells.sums, *bounds).value <= WHOLE:
                yield Demand((form,), 0.0)


def _roundings(cells: Cells, rules: Rules) -> Iterator[Demand]:
    """Where rounding alone protects small counts: sums do not tell them all the same."""
    width = told_width(rules)
    rounded = round_counts(cells.counts, rules)
    for cell in np.flatnonzero(cells.shown & (rounded <= rules.base) & (cells.counts > 0)):
        count = float(cells.counts[cell])
        forms = _down(int(cell), count - width), _up(int(cell), count + width)
        yield Demand(forms, -float(width))


def told_width(rules: Rules) -> int:
    """How many persons apart the ends of what a small rounded count may be have to stay."""
    return max(rules.base // 2, 1)


# Probing a choice of what to suppress: which demands it does not meet, and what would help --------

#: A row and a number: ``row @ suppressed >= number`` must hold.
Condition: TypeAlias = "tuple[FloatArray, float]"

#: Prices below this are rounding errors of the linear program.
_NO_PRICE = 1e-9
#: Persons asked for beyond a demand where fractions of persons meet it and whole ones do not.
_MOST_EXTRA = 64


class Probe:
    """Looks for demands that a choice of cells to suppress does not meet.

    Parameters
    ----------
    cells : Cells
        Counts and sums.
    known : Knowledge
        What a reader knows.
    demands : sequence of Demand
        What must stay possible.
    forced : bool array (N,)
        Cells that are suppressed in every choice.
    """

    def __init__(
        self, cells: Cells, known: Knowledge, demands: Sequence[Demand], forced: BoolArray
    ) -> None:
        self.cells, self.known, self.demands, self.forced = cells, known, demands, forced
        self.size = len(cells.counts)
        self.extra = np.zeros(len(demands))
        forms = [form for demand in demands for form in demand.forms]
        self.first = np.cumsum([0, *(len(demand.forms) for demand in demands)])
        rows = sparse.lil_array((len(forms), self.size))
        for row, form in enumerate(forms):
            rows[row, form.at] = form.weights
        self.rows = rows.tocsr()
        # Counts that some choice made possible: the cells they need suppressed, or shown; their forms.
        self.used = np.zeros((0, self.size), dtype=np.bool_)
        self.barred = np.zeros((0, self.size), dtype=np.bool_)
        self.values = np.zeros((0, len(forms)))

    def conditions(self, suppressed: BoolArray) -> list[Condition]:
        """Find conditions that this choice breaks; none if it meets all demands."""
        self.suppressed = suppressed
        self.bounds = self.known.when(suppressed)
        self._settle()
        unmet = self._unmet()
        # What is suppressed to protect others may not be suppressed next time: that comes last.
        always = [number for number in unmet if self.demands[number].when < 0]
        found = [each for number in always for each in self._probe(number)]
        if not found:
            found = [each for number in unmet for each in self._probe(number)]
        return found

    def _unmet(self) -> list[int]:
        """Find the demands of which it is not known that they are met."""
        return [number for number in range(len(self.demands)) if not self._met(number)]

    def _met(self, number: int) -> bool:
        demand = self.demands[number]
        if demand.when >= 0 and not self.suppressed[demand.when]:
            return True
        if not len(self.values):
            return False
        rows = slice(self.first[number], self.first[number + 1])
        against = np.where(self.suppressed, self.barred, self.used)
        possible = ~np.any(against, axis=1)
        if not possible.any():
            return False
        return bool(self.values[possible, rows].min(axis=0).sum() <= demand.need + WHOLE)

    def _remember(self, found: Extreme) -> None:
        if found.counts is not None and found.whole:
            self.used = np.vstack([self.used, self.known.used(found.counts)])
            # A mark may say that there is somebody where a rounded count of 0 does not.
            barred = self.known.shown & (found.counts < self.known.floor - WHOLE)
            self.barred = np.vstack([self.barred, barred])
            self.values = np.vstack([self.values, np.asarray(self.rows @ found.counts)])

    def _settle(self) -> None:
        """Meet many demands at once where that can be done, downward and upward."""
        for sign in (1.0, -1.0):
            left = len(self.demands) + 1
            while True:
                unmet = self._unmet()
                if not unmet or len(unmet) >= left:
                    break
                left = len(unmet)
                low, high = self.bounds
                weights = np.zeros(self.size)
                for form in (form for number in unmet for form in self.demands[number].forms):
                    if len(form.at) == 1 and form.weights[0] == sign:
                        low, high = form.capped(low, high)
                        weights[form.at] = sign
                self._remember(least_unpriced(weights, self.cells.sums, low, high))

    def _probe(self, number: int) -> list[Condition]:
        """Attack one demand: what the choice lacks, or counts that show that it lacks nothing."""
        demand = self.demands[number]
        if self._met(number):
            return []
        while self.extra[number] <= _MOST_EXTRA:
            extra = self.extra[number]
            found = [self._least(form, extra) for form in demand.forms]
            if sum(each.value for each in found) > demand.need - extra + WHOLE:
                row, right = self._priced(demand, demand.need - extra, found)
                if row.max() > 0:
                    return [(row, right)]
                break
            if self._whole(demand, found):
                return []
            # Whole counts lack something that prices do not tell: ask fractions for more.
            self.extra[number] = 2 * extra + 1
        return [(np.where(self.suppressed | ~self.known.shown, 0.0, 1.0), 1.0)]

    def _least(self, form: Form, extra: float) -> Extreme:
        bounds = form.capped(*self.bounds, extra)
        return least(form.dense(self.size), self.cells.sums, *bounds)

    def _whole(self, demand: Demand, found: Sequence[Extreme]) -> bool:
        """Whether whole counts meet the demand as well."""
        value = 0.0
        for form, each in zip(demand.forms, found, strict=True):
            best = each
            if each.counts is not None and not each.whole:
                bounds = form.capped(*self.bounds)
                best = least_whole(form.dense(self.size), self.cells.sums, *bounds)
            self._remember(best)
            value += best.value
        return value <= demand.need + WHOLE

    def _priced(self, demand: Demand, need: float, found: Sequence[Extreme]) -> Condition:
        """Turn the prices of the attack into a condition on what is suppressed.

        The prices bound the value from below whatever is suppressed: it falls by at most the price
        times what the bound of a cell gives way. So the cells that give way must make up for what is
        missing, ``lack``.
        """
        known, shown = self.known, self.known.shown
        low_price = np.sum([each.low_price for each in found], axis=0)
        high_price = np.sum([each.high_price for each in found], axis=0)
        gain = np.where(shown, low_price * (known.low - known.floor), 0.0)
        gain[shown & (high_price > _NO_PRICE)] = np.inf
        value = low_price @ np.where(shown, known.low, known.floor)
        value -= high_price @ np.where(shown, known.high, 0.0)
        certain = self.forced.copy()
        if demand.when >= 0:
            certain[demand.when] = True
        lack = value - need - gain[certain].sum()
        gain[certain | (np.abs(gain) < _NO_PRICE)] = 0.0
        # Of a count that is shown as 0 a mark tells more: that there is somebody.
        loss = -gain[gain < 0].sum()
        row = np.minimum(gain, lack + loss)
        if demand.when < 0:
            return row, lack
        row[demand.when] = -(lack + loss)
        return row, -loss


# Which counts to suppress: those that are unsafe, and further ones that keep them from being ------

#: A proposal within this share of the cheapest one will do: what it costs is convention anyway.
_GAP = 0.05
#: Totals are what readers look for first: suppressing one costs as much as this many parts.
_TOTAL_COST = 3.0
#: Zeros are suppressed only against group disclosure, where nothing else would do.
_ZERO_COST = 50.0
#: Proposals before the search for the cheapest choice is given up for one that is found sooner.
_TURNS = 8


def choose(cells: Cells, rules: Rules) -> BoolArray:
    """Choose the cells to suppress.

    cells: the counts and their sums
    rules: what is to be protected
    Returns (N,) bool, True where a mark stands in place of the count

    Examples
    --------
    >>> from mse.disclosure import Rules
    >>> from mse.disclosure.cells import Book
    >>> book = Book()
    >>> for key, count in {"f": 7, "m": 30, "other": 12, "all": 49}.items():
    ...     book.add(key, count)
    >>> book.sum("all", ["f", "m", "other"])
    >>> choose(book.cells(), Rules(threshold=10)).tolist()
    [True, False, True, False]
    """
    unsafe = primary(cells, rules) & cells.shown
    if not rules.secondary or not rules.active:
        return unsafe
    known = Knowledge(cells, rules)
    probe = Probe(cells, known, demands_on(cells, rules, known), unsafe)
    program = _Program(cells, rules)
    proposal, turns = unsafe, 0
    while found := probe.conditions(proposal):
        turns += 1
        program.add(found)
        # What is suppressed stays so once the search has taken long, so that it ends.
        proposal = program.solve(proposal if turns > _TURNS else unsafe)
        if np.array_equal(proposal, program.usable):
            break
    return proposal


class _Program:
    """The cheapest choice that meets all conditions found so far."""

    def __init__(self, cells: Cells, rules: Rules) -> None:
        totals = (cells.sums > 0).sum(axis=0) > 0
        costs = np.log2(2.0 + cells.counts) * np.where(totals, _TOTAL_COST, 1.0)
        costs[cells.counts == 0] *= _ZERO_COST
        # Ties are broken by position, so that the same table is always published the same way.
        self.costs = np.where(cells.shown, costs + 1e-6 * np.arange(len(costs)), 0.0)
        zeros = (cells.counts == 0) & rules.zeros_safe & (rules.group is None)
        self.usable = cells.shown & ~zeros
        self.rows: list[sparse.csr_array] = []
        self.right: list[float] = []
        if rules.base == 1:
            self.add(_bridges(cells, self.usable))

    def add(self, conditions: Iterable[Condition]) -> None:
        """Note conditions ``row @ suppressed >= right``."""
        for row, right in conditions:
            self.rows.append(sparse.csr_array(row.reshape(1, -1)))
            self.right.append(right)

    def solve(self, forced: BoolArray) -> BoolArray:
        """Find the cheapest choice that holds some cells; all usable ones, if none will do."""
        found = milp(
            self.costs,
            constraints=LinearConstraint(sparse.vstack(self.rows), np.array(self.right), np.inf),
            bounds=Bounds(forced.astype(np.float64), self.usable.astype(np.float64)),
            integrality=np.ones(len(self.costs), dtype=np.int64),
            options={"mip_rel_gap": _GAP},
        )
        return self.usable.copy() if found.x is None else np.asarray(found.x > 0.5)


def _bridges(cells: Cells, usable: BoolArray) -> Iterator[Condition]:
    """Where counts are exact: one suppressed count alone in a sum would be known."""
    for start, end in zip(cells.sums.indptr[:-1], cells.sums.indptr[1:], strict=True):
        members = cells.sums.indices[start:end]
        if not np.all(cells.shown[members]):
            continue
        candidates = members[usable[members]]
        for cell in candidates:
            row = np.zeros(len(cells.counts))
            row[candidates] = 1.0
            row[cell] = -1.0
            yield row, 0.0


# What everything that is fit to leave has in common -----------------------------------------------


class Protected:
    """A thing fit to leave: it holds what is published, and no count that is not.

    Attributes
    ----------
    publication : Publication
        The counts as they leave, and what a reader knows of them; for `attack`.
    """

    publication: Publication

    @property
    def rules(self) -> Rules:
        """The rules it was protected under."""
        return self.publication.rules

    @property
    def suppressed(self) -> tuple[str, ...]:
        """Labels of the suppressed counts."""
        found = zip(self.publication.labels, self.publication.suppressed, strict=True)
        return tuple(name for name, gone in found if gone)

    @property
    def note(self) -> str:
        """Say for the reader what was done; empty if the rules ask for nothing."""
        if not self.rules.active:
            return ""
        number, shown = len(self.suppressed), int(self.publication.shown.sum())
        done = (
            f"{number:,} of {shown:,} counts {'is' if number == 1 else 'are'} suppressed ({MARK})."
        )
        return f"{self.rules.sentence()} {done if number else 'No count had to be suppressed.'}"


def publish(cells: Cells, rules: Rules) -> Publication:
    """Choose what to suppress, and publish the rest."""
    return published(cells, choose(cells, rules), rules)
