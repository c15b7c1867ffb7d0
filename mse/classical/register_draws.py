"""Persons of one register drawn anew, and fits repeated on them.

A replicate is one row of numbers: the persons of each row of the table, and behind them, for a parametric
bootstrap, how often each person drawn from the model was seen. So a refit is a fit with other weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.stats import nbinom, poisson

from mse.answer.protocols import Refits
from mse.core.existence import FINITE, INDETERMINATE, LIMITS
from mse.core.truncated import Seen, chances, hidden_each, stands_for
from mse.core.truncated_fit import EXTREME
from mse.redrawing import LeftOut, parts, shares, whole, without_one

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse._typing import FloatArray, IntArray, Limit
    from mse.core.truncated_fit import Ended


class ByGroup(NamedTuple):
    """Hidden persons by stratum, NaN where they are not estimable, and where they go."""

    hidden: FloatArray
    limits: tuple[Limit, ...]


def by_group(shape: str, seen: Seen, ended: Ended, groups: IntArray, n_groups: int) -> ByGroup:
    """Sum hidden persons over strata; where means vanish in some strata the others keep their numbers."""
    if ended.limit != "finite" and np.isnan(ended.theta).any():
        return ByGroup(np.full(n_groups, np.nan), (ended.limit,) * n_groups)
    persons = np.where(stands_for(shape, seen.times), seen.persons, 0.0)
    each, _ = hidden_each(seen.design, ended.theta, shape)
    standing = persons * np.where(persons > 0, each, 0.0)
    hidden = np.bincount(groups, standing, n_groups).astype(np.float64)
    finite: Limit = "finite"
    if ended.limit == finite:
        return ByGroup(hidden, (finite,) * n_groups)
    vanished = (seen.design @ ended.theta[:-2] < -EXTREME) & (persons > 0)
    lost = np.bincount(groups, vanished, n_groups) > 0
    limits = tuple(ended.limit if each else finite for each in lost)
    return ByGroup(np.where(lost, np.nan, hidden), limits)


@dataclass(frozen=True, eq=False)
class RowDrawing:
    """Draws persons over the rows of a table and the hidden ones, who are then forgotten.

    Parameters
    ----------
    persons : (R,)
        Persons of each row.
    groups : (R,)
        Their strata, of which each is drawn by itself.
    hidden : (S,)
        Hidden persons of each stratum; none where those seen are drawn again, their number fixed.
    clusters : (R,), optional
        Clusters, which are drawn as a whole, over all strata.
    """

    persons: FloatArray = field(repr=False)
    groups: IntArray = field(repr=False)
    hidden: FloatArray = field(repr=False)
    clusters: IntArray | None = field(default=None, repr=False)

    @property
    def members(self) -> IntArray:
        """Cluster of each row, numbered from 0."""
        return np.asarray(np.unique(np.asarray(self.clusters), return_inverse=True)[1], np.int64)

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[FloatArray]:
        """Draw persons by row, (B, R)."""
        for part in parts(size, self.persons.size):
            rows = part.stop - part.start
            if self.clusters is None:
                yield self._persons(rng, rows)
            else:
                yield self._clusters(rng, rows)

    def _persons(self, rng: np.random.Generator, size: int) -> FloatArray:
        drawn = np.empty((size, self.persons.size))
        for group, hidden in enumerate(self.hidden):
            inside = np.flatnonzero(self.groups == group)
            everybody = np.append(self.persons[inside], hidden)
            sizes = whole(np.asarray(everybody.sum()), size, rng)
            drawn[:, inside] = rng.multinomial(sizes, shares(everybody))[:, :-1]
        return drawn

    def _clusters(self, rng: np.random.Generator, size: int) -> FloatArray:
        members = self.members
        n = int(members.max()) + 1
        unseen = n * float(self.hidden.sum() / self.persons.sum())
        sizes = whole(np.asarray(n + unseen), size, rng)
        drawn = rng.multinomial(sizes, shares(np.append(np.ones(n), unseen)))[:, :-1]
        return np.asarray(drawn[:, members] * self.persons)

    def registered(self, counts: FloatArray) -> FloatArray:
        """Count the persons seen by stratum, (B, S)."""
        inside = self.groups[:, None] == np.arange(len(self.hidden))
        return np.asarray(counts @ inside)

    def left_out(self, rng: np.random.Generator) -> LeftOut:
        """Leave out one person of each row, or one cluster."""
        if self.clusters is None:
            return without_one(self.persons, rng)
        members = self.members
        columns = tuple(np.flatnonzero(members == each) for each in range(int(members.max()) + 1))
        return LeftOut(self.persons, columns, np.ones(len(columns)))


@dataclass(frozen=True, eq=False)
class ModelDrawing:
    """Draws how often each of the N-hat persons is seen, from a fitted model.

    Parameters
    ----------
    rows : RowDrawing
        Those who were seen.
    fit : SingleRegisterFit
        The model.
    """

    rows: RowDrawing = field(repr=False)
    fit: Any = field(repr=False)

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[FloatArray]:
        """Draw times by person behind zeros, (B, R + M); 0 for those never seen."""
        places, there = self.fit.expected_persons
        theta, matrix, shape = (
            self.fit.ended.theta,
            self.fit.design.matrix,
            self.fit.estimator.shape,
        )
        seen = there / (1 + hidden_each(matrix, theta, shape)[0][places])
        more = 1 - chances(matrix, theta, shape, 1)[places, 0]
        mean, dispersion = np.exp(matrix @ theta[:-2])[places], float(np.exp(theta[-2]))
        first = self.rows.persons.size
        for part in parts(size, first + places.size):
            found = np.zeros((part.stop - part.start, first + places.size))
            for each in found[:, first:]:
                each[rng.random(places.size) < seen] = 1
                several = np.flatnonzero((each > 0) & (rng.random(places.size) < more))
                each[several] = _twice_or_more(mean[several], dispersion, rng)
            yield found

    def registered(self, counts: FloatArray) -> FloatArray:
        """Count the persons seen by stratum, (B, S)."""
        first, (places, _) = self.rows.persons.size, self.fit.expected_persons
        inside = self.fit.design.groups[places][:, None] == np.arange(len(self.rows.hidden))
        drawn = (counts[:, first:] > 0) @ inside.astype(np.float64)
        return np.asarray(self.rows.registered(counts[:, :first]) + drawn)

    def left_out(self, rng: np.random.Generator) -> LeftOut:
        """Leave out one person of each row of the table."""
        found = self.rows.left_out(rng)
        nobody = np.zeros(len(self.fit.expected_persons[0]))
        return found._replace(whole=np.append(found.whole, nobody))


def _twice_or_more(mean: FloatArray, dispersion: float, rng: np.random.Generator) -> FloatArray:
    """Draw counts of two or more, by the inverse of their distribution function."""
    law: Any = poisson(mean)
    if dispersion > 0:
        law = nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    below = law.cdf(1)
    return np.asarray(np.maximum(law.ppf(below + (1 - below) * rng.random(mean.size)), 2.0))


@dataclass(frozen=True, eq=False)
class RegisterRefitter:
    """Repeats fits on other persons, and takes the best of several.

    Parameters
    ----------
    fits : sequence of SingleRegisterFit
        What is repeated, to the same table with the same covariates; a parametric bootstrap draws from the
        first.
    given : str
        What intervals from it take for granted.
    criterion : str
        By which the best is chosen, ``"aic"`` or ``"bic"``.
    """

    fits: Sequence[Any] = field(repr=False)
    given: str
    criterion: str = "bic"
    releases_gil: bool = True
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to replicates, (B, W)."""
        found = [self._best(*self._seen(each)) for each in counts]
        limits = [[LIMITS.index(limit) for limit in each.limits] for each, _, _ in found]
        return Refits(
            np.stack([each.hidden for each, _, _ in found]),
            np.asarray(limits, np.int8),
            np.asarray([failed for _, failed, _ in found], np.bool_),
            np.asarray([at for _, _, at in found], np.int64),
            np.zeros((len(counts), 0)),
        )

    def _seen(self, replicate: FloatArray) -> tuple[Seen, IntArray]:
        """Rows of a replicate with somebody in them, and their strata."""
        design, n_rows = self.fits[0].design, len(self.fits[0].table.times)
        found = np.bincount(design.place, replicate[:n_rows], len(design.times))
        persons: FloatArray = found.astype(np.float64)
        places, times = np.arange(len(persons)), design.times
        if replicate.size > n_rows:
            drawn = replicate[n_rows:].astype(np.int64)
            places = np.append(places, self.fits[0].expected_persons[0])
            times, persons = np.append(times, drawn), np.append(persons, np.ones(drawn.size))
            persons[times == 0] = 0.0
        used = np.flatnonzero(persons)
        return Seen(design.matrix[places[used]], times[used], persons[used]), design.groups[
            places[used]
        ]

    def _best(self, seen: Seen, groups: IntArray) -> tuple[ByGroup, bool, int]:
        """Repeat every fit, and choose as the search did."""
        known = math.log(max(float(seen.persons.sum()), 1.0))
        best, least = None, math.inf
        for at, fit in enumerate(self.fits):
            found, ended = fit.repeated(seen, groups)
            failed = not ended.converged
            limits = [INDETERMINATE if failed else LIMITS.index(each) for each in found.limits]
            estimable = all(each == FINITE for each in limits)
            price = 2.0 if self.criterion == "aic" else known
            score = price * fit.n_parameters - 2 * ended.log_likelihood if estimable else math.inf
            if best is None or score < least:
                best, least = (found, failed, at), score
        assert best is not None  # there is one fit at least
        return best
