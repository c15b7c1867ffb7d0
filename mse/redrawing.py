"""Persons drawn anew: the tables that a bootstrap refits.

What is estimated is N, and n of the N persons are known. A replicate that draws n persons again, n fixed,
leaves out the chance in how many of the N are registered: its draws have the variance of the hidden number
given n, and the variance N p0 / (1 - p0) is missing. So by default the estimated population is drawn:
N-hat persons over the observed histories and the history of those on no list, who are then forgotten
(Buckland & Garthwaite 1991, Biometrics 47, 255-268, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np

from mse.data.persons import PersonTable
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import FloatArray, IntArray
    from mse.answer.protocols import Fit
    from mse.data.table import CaptureTable

Resampling: TypeAlias = Literal["population", "multinomial", "parametric"]
#: Ways to draw persons again, and what each is called in words.
RESAMPLING: dict[str, str] = {
    "population": "N-hat persons drawn anew, over the observed histories and the hidden ones",
    "multinomial": "the registered persons drawn again, their number fixed",
    "parametric": "N-hat persons drawn anew, from the fitted means",
}
#: Histories of which a person is left out for the acceleration of BCa; of more a sample is taken, so
#: that this does not take longer than the replicates.
MOST_LEFT_OUT = 1000
#: Numbers of one batch of draws, 32 MB: replicates take no more memory, however many there are.
MOST_NUMBERS = 2**22
#: From so many strata on, with up to so many persons to a cell that somebody is in, persons are drawn one by
#: one: a table of 1,000 strata in a tenth of the time.
MANY_STRATA, FEW_TO_A_CELL = 512, 16
#: Most persons of one draw: beyond it a double does not tell whole numbers apart.
MOST_PERSONS = 2.0**53
#: A probability between bounds that rounding of distribution functions near 1 would swamp.
TINY = 1e-9


class LeftOut(NamedTuple):
    """Tables without one person of a history.

    Attributes
    ----------
    whole : float64 array (W,)
        Counts of all persons.
    columns : tuple of int64 arrays, length R
        Columns that each table has one person less in.
    weights : float64 array (R,)
        Persons that each stands for.
    """

    whole: FloatArray
    columns: tuple[IntArray, ...]
    weights: FloatArray

    def tables(self, start: int, stop: int) -> FloatArray:
        """Make some of the tables, (stop - start, W)."""
        columns = self.columns[start:stop]
        found = np.repeat(self.whole[None], len(columns), axis=0)
        for row, each in zip(found, columns, strict=True):
            row[each] -= 1
        return found


class Drawing(Protocol):
    """Draws the counts of replicates as a refitter takes them; can be sent to a worker."""

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[FloatArray]:
        """Draw counts, (B, W), in parts of at most `MOST_NUMBERS` numbers, or one table."""
        ...

    def registered(self, counts: FloatArray) -> FloatArray:
        """Count the registered persons of drawn counts by stratum, (B, S)."""

    def left_out(self, rng: np.random.Generator) -> LeftOut:
        """Leave out one registered person after the other, for a jackknife."""


def parts(size: int, width: int) -> Iterator[slice]:
    """Cut rows of a width into parts of at most `MOST_NUMBERS` numbers, or one row."""
    rows = max(MOST_NUMBERS // max(width, 1), 1)
    for start in range(0, size, rows):
        yield slice(start, min(start + rows, size))


@runtime_checkable
class DrawsItself(Protocol):
    """A fit to something else than a complete table, which knows how its persons are drawn."""

    def drawing(self, resampling: Resampling) -> Drawing:
        """Return what draws the counts that its refitter takes."""


def drawing_of(fit: Fit, table: CaptureTable, resampling: Resampling) -> Drawing:
    """Decide what the replicates of a fit to a table are drawn from.

    A stratum without an estimate has no hidden persons to draw: its registered ones are drawn again, as
    many as there are.
    """
    if isinstance(fit, DrawsItself):
        return fit.drawing(resampling)
    if isinstance(table, PersonTable):
        return persons_drawing(fit, table, resampling)
    if not table.is_complete:
        raise ModelError(
            f"{type(fit).__name__} does not say how to draw records again that are known in part. Use a "
            "complete table, or mse.LogLinear with interval='lognormal'."
        )
    counts = table.counts.reshape(-1, table.n_strata).T.astype(np.float64)
    if resampling == "multinomial":
        return CellDrawing(counts, counts)
    hidden = hidden_by_stratum(fit, table)
    if resampling == "parametric":
        return CellDrawing(counts, _fitted_means(fit, table, hidden), apart=True)
    persons = counts.copy()
    persons[:, 0] = hidden
    return CellDrawing(counts, persons, apart=True)


def hidden_by_stratum(fit: Fit, table: CaptureTable) -> FloatArray:
    """Estimated hidden persons by stratum, (S,); 0 where there is no estimate."""
    population = fit.population
    hidden = [population.hidden] if population.strata is None else population.strata.hidden
    if len(hidden) != table.n_strata:
        # An estimate of the whole says nothing about where its hidden persons are: as the registered.
        seen = table.counts.reshape(-1, table.n_strata).sum(axis=0)
        hidden = population.hidden * seen / max(seen.sum(), 1)
    return np.nan_to_num(np.asarray(hidden, dtype=np.float64))


def _fitted_means(fit: Fit, table: CaptureTable, hidden: FloatArray) -> FloatArray:
    """Fitted means by stratum and history, (S, H), the hidden ones in front."""
    fitted = getattr(fit, "fitted", None)
    if fitted is None:
        raise ModelError(
            f"{fit.estimator!r} has no fitted means, from which resampling='parametric' draws; use "
            "resampling='population'."
        )
    means = np.asarray(fitted, dtype=np.float64).reshape(-1, table.n_strata).T.copy()
    means[:, 0] = hidden
    return np.nan_to_num(means)


def whole(persons: FloatArray, size: int, rng: np.random.Generator) -> IntArray:
    """Round numbers of persons at random, up with the probability of their fraction: (size, ...)."""
    persons = np.minimum(persons, MOST_PERSONS)
    floor = np.floor(persons)
    up = rng.random((size, *persons.shape)) < persons - floor
    return np.asarray(floor.astype(np.int64) + up)


def shares(persons: FloatArray) -> FloatArray:
    """Persons as shares of their sum along the last axis; of nobody, all in the first place."""
    sums = persons.sum(axis=-1, keepdims=True)
    first = np.zeros(persons.shape[-1])
    first[0] = 1.0
    return np.where(sums > 0, persons / np.where(sums > 0, sums, 1.0), first)


@dataclass(frozen=True, eq=False)
class CellDrawing:
    """Draws complete tables of S strata and H histories, of which nobody registered has history 0."""

    observed: FloatArray = field(repr=False)  # (S, H) registered persons
    persons: FloatArray = field(
        repr=False
    )  # (S, H) whom to draw from, with the hidden ones or without
    apart: bool = False  # whether each stratum is drawn by itself, as many persons as it has

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[FloatArray]:
        """Draw counts, (B, C), persons by cell."""
        persons = self.persons if self.apart else self.persons.reshape(1, -1)
        sizes = np.full((size, 1), round(float(persons.sum())))
        if self.apart:
            sizes = whole(persons.sum(axis=1), size, rng)
        if self._is_thin:
            yield from self._one_by_one(rng, sizes)
            return
        chances = shares(persons)
        for part in parts(size, persons.size):
            drawn = rng.multinomial(sizes[part], chances).reshape(-1, *self.persons.shape)
            counts = drawn.transpose(0, 2, 1).astype(np.float64)
            counts[:, 0] = 0.0
            yield counts.reshape(len(counts), -1)

    @property
    def _is_thin(self) -> bool:
        """Whether there are many strata with few persons, who are those registered and hidden ones."""
        if not self.apart or len(self.persons) < MANY_STRATA:
            return False
        few = self.persons.sum() < FEW_TO_A_CELL * np.count_nonzero(self.persons)
        return bool(few and np.array_equal(self.persons[:, 1:], self.observed[:, 1:]))

    def _one_by_one(self, rng: np.random.Generator, sizes: IntArray) -> Iterator[FloatArray]:
        """Draw numbers of persons (B, S) from the registered ones of each stratum and the hidden ones."""
        n_strata, n_histories = self.persons.shape
        seen, everybody = self.observed.sum(axis=1), self.persons.sum(axis=1)
        cells = np.arange(n_strata)[:, None] + n_strata * np.arange(n_histories)
        who = np.repeat(cells.ravel(), self.observed.ravel().astype(np.int64))
        first = np.cumsum(seen) - seen
        for part in parts(len(sizes), self.persons.size):
            counts = np.empty((part.stop - part.start, self.persons.size))
            for row, size in zip(counts, sizes[part], strict=True):
                place = rng.random(int(size.sum())) * np.repeat(everybody, size)
                registered = place < np.repeat(seen, size)
                drawn = (np.repeat(first, size) + np.floor(place))[registered].astype(np.int64)
                row[:] = np.bincount(who[drawn], minlength=row.size)
            yield counts

    def registered(self, counts: FloatArray) -> FloatArray:
        """Count the registered persons by stratum, (B, S)."""
        return np.asarray(counts.reshape(len(counts), -1, len(self.observed)).sum(axis=1))

    def left_out(self, rng: np.random.Generator) -> LeftOut:
        """Leave out one person of each nonempty history and stratum."""
        return without_one(self.observed.T.ravel(), rng)


def persons_drawing(fit: Fit, table: PersonTable, resampling: Resampling) -> PersonDrawing:
    """Draw persons of a table anew, with or without the hidden ones."""
    if resampling == "parametric":
        raise ModelError(
            f"{fit.estimator!r} has no means by cell, from which resampling='parametric' draws; use "
            "resampling='population'."
        )
    hidden = 0.0 if resampling == "multinomial" else fit.population.hidden
    units = np.unique(table.units, return_inverse=True)[1]
    hidden_units = hidden * (int(units.max()) + 1) / table.n_observed
    return PersonDrawing(table.counts, units, table.strata, table.n_strata, hidden_units)


@dataclass(frozen=True, eq=False)
class PersonDrawing:
    """Draws units, persons or clusters of them, from those that were seen and hidden ones.

    Clusters that nobody saw are taken to be as large as the others, so there are fewer than hidden persons.
    """

    persons: IntArray = field(repr=False)  # (R,)
    units: IntArray = field(repr=False)  # (R,) which unit each row is of
    strata: IntArray = field(repr=False)  # (R,)
    n_strata: int
    hidden: float  # units

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[FloatArray]:
        """Draw counts, (B, R), persons by row."""
        seen = int(self.units.max()) + 1
        chances = shares(np.append(np.ones(seen), self.hidden))
        for part in parts(size, self.persons.size):
            sizes = whole(np.asarray(seen + self.hidden), part.stop - part.start, rng)
            drawn = rng.multinomial(sizes, chances)[:, self.units]
            yield np.asarray(drawn * self.persons, dtype=np.float64)

    def registered(self, counts: FloatArray) -> FloatArray:
        """Count the persons by stratum, (B, S)."""
        found = np.zeros((len(counts), self.n_strata))
        np.add.at(found.T, self.strata, counts.T)
        return found

    def left_out(self, rng: np.random.Generator) -> LeftOut:
        """Leave out one unit after the other; of more than `MOST_LEFT_OUT`, of a sample of them."""
        n_units = int(self.units.max()) + 1
        chosen = np.arange(n_units)
        if n_units > MOST_LEFT_OUT:
            chosen = np.sort(rng.choice(n_units, MOST_LEFT_OUT, replace=False))
        order = np.argsort(self.units, kind="stable")
        ends = np.searchsorted(self.units[order], np.arange(n_units + 1))
        columns = tuple(order[ends[unit] : ends[unit + 1]] for unit in chosen)
        weights = np.full(len(chosen), n_units / len(chosen))
        return LeftOut(self.persons.astype(np.float64), columns, weights)


@dataclass(frozen=True, eq=False)
class PatternDrawing:
    """Draws records of which some are known in part, as they are.

    V patterns, with a count known within bounds, are imputed from their fitted means in each replicate.
    """

    # (W,) registered persons by pattern, padded to whole rows of strata; expected ones where vague.
    persons: FloatArray = field(repr=False)
    hidden: FloatArray = field(repr=False)  # (S,) in cells that nobody can see; empty if not drawn
    vague: IntArray = field(repr=False)  # (V,)
    means: FloatArray = field(repr=False)  # (V,)
    low: IntArray = field(repr=False)  # (V,)
    high: IntArray = field(repr=False)  # (V,)
    n_strata: int

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[FloatArray]:
        """Draw counts, (B, W), persons by pattern."""
        one = np.append(self.hidden, self.persons)
        for part in parts(size, one.size):
            rows = part.stop - part.start
            persons = np.repeat(one[None], rows, axis=0)
            if self.vague.size:
                imputed = truncated_poisson(self.means, self.low, self.high, rows, rng)
                persons[:, self.hidden.size + self.vague] = imputed
            sums = persons.sum(axis=1)
            sizes = np.floor(sums).astype(np.int64) + (rng.random(rows) < sums % 1)
            drawn = rng.multinomial(sizes, shares(persons))
            yield np.asarray(drawn[:, self.hidden.size :], dtype=np.float64)

    def registered(self, counts: FloatArray) -> FloatArray:
        """Sum the columns, (B, S), to which a refitter's hidden counts make the totals."""
        return np.asarray(counts.reshape(len(counts), -1, self.n_strata).sum(axis=1))

    def left_out(self, rng: np.random.Generator) -> LeftOut:
        """Leave out one person of each nonempty pattern."""
        return without_one(self.persons, rng)


def truncated_poisson(
    means: FloatArray, low: IntArray, high: IntArray, size: int, rng: np.random.Generator
) -> FloatArray:
    """Draw Poisson variables between bounds, by the inverse of their distribution functions: (B, V)."""
    from scipy.stats import poisson

    below, until = poisson.cdf(low - 1, means), poisson.cdf(high, means)
    levels = below + (until - below) * rng.random((size, means.size))
    drawn = np.clip(poisson.ppf(levels, means), low, high)
    # Where bounds are so far in the tail that no probability is left, the persons are at the nearer one.
    return np.asarray(np.where(until - below > TINY, drawn, np.clip(np.rint(means), low, high)))


def without_one(counts: FloatArray, rng: np.random.Generator) -> LeftOut:
    """Take one person out of each nonempty column; of more than `MOST_LEFT_OUT`, of a sample of persons."""
    columns = np.flatnonzero(counts > 0)
    weights = counts[columns]
    if columns.size > MOST_LEFT_OUT:
        persons = rng.choice(columns, size=MOST_LEFT_OUT, p=weights / weights.sum())
        columns, drawn = np.unique(persons, return_counts=True)
        weights = drawn * (counts.sum() / MOST_LEFT_OUT)
    return LeftOut(counts, tuple(columns[:, None]), weights)


@dataclass(frozen=True, eq=False)
class MarginsDrawing:
    """Draws list totals and their union, by drawing persons from independent lists."""

    totals: IntArray = field(repr=False)  # (K,) as published
    union: int  # persons on any list
    hidden: float  # persons, estimated
    registered_only: bool = False  # whether only persons on a list are drawn, their number fixed

    @property
    def _chances(self) -> FloatArray:
        return np.asarray(self.totals / (self.union + self.hidden), dtype=np.float64)

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[FloatArray]:
        """Draw counts, (B, K + 1): list totals, then the union."""
        yield self._draw_seen(rng, size) if self.registered_only else self._draw(rng, size)

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        """Put persons on one list after the other, those on an earlier list and those on none apart."""
        nowhere = whole(np.asarray(self.union + self.hidden), size, rng)
        somewhere = np.zeros_like(nowhere)
        totals = []
        for chance in self._chances:
            new = rng.binomial(nowhere, chance)
            totals.append(rng.binomial(somewhere, chance) + new)
            nowhere, somewhere = nowhere - new, somewhere + new
        return np.column_stack([*totals, somewhere]).astype(np.float64)

    def _draw_seen(self, rng: np.random.Generator, size: int) -> FloatArray:
        """Draw persons on some list: first the first list each is on, then the later ones."""
        chances = self._chances
        first = chances * np.cumprod(np.append(1.0, 1 - chances[:-1]))
        starts = rng.multinomial(self.union, shares(first), size=size)
        totals = starts.copy()
        for k in range(1, chances.size):
            totals[:, k] += rng.binomial(starts[:, :k].sum(axis=1), chances[k])
        return np.column_stack([totals, starts.sum(axis=1)]).astype(np.float64)

    def registered(self, counts: FloatArray) -> FloatArray:
        """Persons on any list, (B, 1)."""
        return counts[:, -1:]

    def left_out(self, rng: np.random.Generator) -> LeftOut:
        """Leave out one of `MOST_LEFT_OUT` persons whose lists are drawn: nobody published them."""
        chances = self._chances
        on = rng.random((4 * MOST_LEFT_OUT, chances.size)) < chances
        on = on[on.any(axis=1)][:MOST_LEFT_OUT]
        histories, drawn = np.unique(on, axis=0, return_counts=True)
        whole_table = np.append(self.totals, self.union).astype(np.float64)
        columns = tuple(np.append(np.flatnonzero(each), each.size) for each in histories)
        return LeftOut(whole_table, columns, drawn * (self.union / max(drawn.sum(), 1)))
