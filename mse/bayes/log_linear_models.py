"""The models that a Bayesian average runs over, and their posterior probabilities by enumeration."""

from __future__ import annotations

from itertools import combinations
from math import prod
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from mse.core.bayes_loglinear import Scope
from mse.core.bayes_loglinear_evidence import laplace, sample_weights
from mse.model import HierarchicalModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.bayes_loglinear import Target
    from mse.notation import Term
    from mse.table import CaptureTable

T = TypeVar("T")

#: Models that together have less than this probability by Laplace's approximation keep that one.
NEGLIGIBLE = 1e-3
#: Draws for each of the others at first, fewer where that would be most of what all may have in the end.
FIRST_DRAWS, MOST_DRAWS = 100, 400_000
#: Rounds of draws: the error of the first ones is itself uncertain.
ROUNDS = 4
#: Standard error of the probability of a model that is aimed at.
AIM = 2e-3
#: Least standard error of the log marginal likelihoods that were not sampled.
UNSAMPLED_ERROR = 0.05
#: Numbers that the maps of one chunk of models hold at most.
CHUNK_NUMBERS = 2**21


def largest_model(table: CaptureTable, max_order: int) -> HierarchicalModel:
    """Find the model with all terms of up to some axes that say something about the hidden cells.

    Terms of all lists do not: with them the hidden cells are fitted freely.

    Parameters
    ----------
    table : CaptureTable
        Lists and covariates.
    max_order : int
        Axes of a term at most.
    """
    axes, lists = range(len(table.axes)), set(range(table.n_lists))
    terms: list[Term] = [(axis,) for axis in axes]
    for size in range(2, max_order + 1):
        terms += [
            term
            for term in combinations(axes, size)
            if not lists.issubset(term) and all(table.shape[axis] > 1 for axis in term)
        ]
    return HierarchicalModel(table.axes, table.n_lists, tuple(terms))


def make_scope(terms: Sequence[Term], shape: Sequence[int]) -> Scope:
    """Describe the terms that models choose from to the kernels.

    Parameters
    ----------
    terms : sequence of tuple of int
        By size and then by position, without the constant.
    shape : sequence of int
        Levels of each axis.
    """
    position = {term: t for t, term in enumerate(terms)}
    sizes = [prod(shape[axis] - 1 for axis in term) for term in terms]
    facets = np.full((len(terms), max(len(term) for term in terms)), -1, dtype=np.int64)
    log_volume = np.zeros(len(terms))
    for t, term in enumerate(terms):
        if len(term) > 1:
            found = [position[facet] for facet in combinations(term, len(term) - 1)]
            facets[t, : len(found)] = found
        # Of the products of inner products, one factor for each axis, see below.
        log_volume[t] = 0.5 * sum(
            _log_determinant(shape[axis])
            * prod(shape[other] - 1 for other in term if other != axis)
            for axis in term
        )
    return Scope(
        np.concatenate([[1], 1 + np.cumsum(sizes)]).astype(np.int64),
        facets,
        np.asarray([len(term) > 1 for term in terms]),
        log_volume,
    )


def _log_determinant(n_levels: int) -> float:
    """Log determinant of the covariance of the indicators of all levels of an axis but the first."""
    return -n_levels * float(np.log(n_levels))


def count_models(scope: Scope, most: int) -> int:
    """Count the hierarchical models, up to one more than some number of them."""
    return len(_grow(scope, most))


def all_models(scope: Scope) -> BoolArray:
    """List all hierarchical models between the main effects and the largest model, (M, T)."""
    return _grow(scope, None)


def _grow(scope: Scope, most: int | None) -> BoolArray:
    found = ~scope.free[None]
    for t in np.flatnonzero(scope.free):
        needed = scope.facets[t][scope.facets[t] >= 0]
        more = found[found[:, needed].all(axis=1)]
        more[:, t] = True
        found = np.concatenate([found, more])
        if most is not None and len(found) > most:
            return found[: most + 1]
    return found


class Enumerated(NamedTuple):
    """Posterior probabilities of all models.

    Attributes
    ----------
    members : bool array (M, T)
        Terms of the models.
    probability : float64 array (M,)
        Posterior probabilities.
    variance : float64 array (M,)
        Of the estimates of the log marginal likelihoods.
    """

    members: BoolArray
    probability: FloatArray
    variance: FloatArray

    @property
    def error(self) -> FloatArray:
        """Numerical standard errors of the probabilities (the delta method)."""
        p, v = self.probability, self.variance
        return np.asarray(p * np.sqrt((1 - 2 * p) * v + p**2 @ v))

    def share(self, of: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Probabilities of sets of models, with numerical standard errors.

        Parameters
        ----------
        of : bool array (M, Q)
            Which models are in which set.
        """
        inside = of.astype(np.float64)
        share = self.probability @ inside
        weight = self.probability**2 * self.variance
        variance = (1 - share) ** 2 * (weight @ inside) + share**2 * (weight @ (1 - inside))
        return share, np.sqrt(variance)


class _Sums(NamedTuple):
    """Sums of weights of some models, from so many draws each."""

    weights: FloatArray  # (M, 2) weights over exp(scale), and their squares
    scale: FloatArray  # (M,)
    draws: IntArray  # (M,)

    @property
    def log_mean(self) -> FloatArray:
        """Estimates of the log marginal likelihoods."""
        mean = np.maximum(self.weights[:, 0], 1e-300) / self.draws
        return np.asarray(np.where(self.weights[:, 0] > 0, np.log(mean) + self.scale, -np.inf))

    @property
    def variance(self) -> FloatArray:
        """Their variances."""
        once = np.maximum(self.weights[:, 0], 1e-300) / self.draws
        twice = self.weights[:, 1] / self.draws
        return np.asarray(np.maximum(twice / once**2 - 1, 0.0) / self.draws)


def enumerate_models(target: Target, seed: np.random.SeedSequence) -> Enumerated:
    """Compute the posterior probabilities of all models.

    Laplace's approximation finds the models that matter; importance sampling corrects it there, with more
    draws where the error of the probabilities asks for them.

    Parameters
    ----------
    target : Target
        The posterior.
    seed : SeedSequence
        Of the draws.
    """
    members = all_models(target.scope)
    parts = _in_chunks(target, lambda rows, _: laplace(target, members[rows]), len(members))
    rough = np.concatenate(parts)
    order = np.argsort(-rough, kind="stable")
    share = np.exp(rough[order] - rough[order[0]])
    n_first = int(np.searchsorted(np.cumsum(share), (1 - NEGLIGIBLE) * share.sum())) + 1
    first = np.sort(order[:n_first])
    seeds = seed.spawn(ROUNDS)
    each_draws = int(max(min(FIRST_DRAWS, MOST_DRAWS // (2 * first.size)), 2))
    sums = _sample(target, members[first], np.full(first.size, each_draws), seeds[0])
    for each in seeds[1:]:
        wanted = _further_draws(sums)
        again = np.flatnonzero(wanted)
        if again.size == 0:
            break
        more = _sample(target, members[first[again]], wanted[again], each)
        sums.weights[again] += more.weights
        sums.draws[again] += more.draws
    return _combine(members, rough, first, sums)


def _in_chunks(target: Target, work: Callable[[IntArray, int], T], n_models: int) -> list[T]:
    """Apply work to chunks of models in threads; the chunks do not depend on the number of these."""
    from joblib import Parallel, delayed

    size = int(max(min(CHUNK_NUMBERS // target.penalty.size, 512), 1))
    starts = range(0, n_models, size)
    chunks = [np.arange(start, min(start + size, n_models)) for start in starts]
    if len(chunks) == 1:
        return [work(chunks[0], 0)]
    tasks = (delayed(work)(rows, i) for i, rows in enumerate(chunks))
    found: list[T] = Parallel(n_jobs=-1, prefer="threads")(tasks)
    return found


def _sample(
    target: Target, models: BoolArray, draws: IntArray, seed: np.random.SeedSequence
) -> _Sums:
    """Sum weights of draws from the maps of models."""
    # More seeds than chunks: how many there are is settled elsewhere.
    seeds = seed.spawn(len(models))

    def work(rows: IntArray, chunk: int) -> tuple[FloatArray, FloatArray]:
        rng = np.random.default_rng(seeds[chunk])
        return sample_weights(target, models[rows], draws[rows], rng)

    parts = _in_chunks(target, work, len(models))
    weights = np.concatenate([part[0] for part in parts])
    return _Sums(weights, np.concatenate([part[1] for part in parts]), draws)


def _further_draws(sums: _Sums) -> IntArray:
    """Draws for which the errors of the probabilities are as small as is aimed at."""
    p = np.exp(sums.log_mean - sums.log_mean.max())
    p /= p.sum()
    wanted = sums.variance * sums.draws * (p * (1 - p) / AIM) ** 2 - sums.draws
    wanted = np.where(wanted > 0.1 * sums.draws, wanted, 0.0)
    left = MOST_DRAWS - int(sums.draws.sum())
    wanted *= min(1.0, max(left, 0) / max(float(wanted.sum()), 1.0))
    return np.floor(wanted).astype(np.int64)


def _combine(members: BoolArray, rough: FloatArray, first: IntArray, sums: _Sums) -> Enumerated:
    """Put sampled marginal likelihoods together with approximate ones, corrected by what these lack."""
    found = np.isfinite(sums.log_mean) & np.isfinite(rough[first])
    weight = np.exp(rough[first[found]] - rough.max())
    lacking = (sums.log_mean - rough[first])[found]
    mean = float(np.average(lacking, weights=weight))
    spread = float(np.average((lacking - mean) ** 2, weights=weight))
    evidence = rough + mean
    variance = np.full(len(members), max(spread, UNSAMPLED_ERROR**2))
    evidence[first], variance[first] = sums.log_mean, sums.variance
    p = np.exp(evidence - evidence.max())
    return Enumerated(members, p / p.sum(), variance)
