"""A table as the posterior over log-linear models sees it, and what draws from it say about the table."""

from __future__ import annotations

from itertools import combinations
from math import prod
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from scipy.stats import poisson

from mse._progress import track
from mse.core.existence import FINITE, INDETERMINATE
from mse.core.fitting import fit_models
from mse.core.model_average.chain import (
    ADDING,
    DROPPING,
    Run,
    make_catalog,
    may_change,
    met,
    scout,
    start_run,
    take_draws,
    warm_up,
    with_catalog,
)
from mse.core.model_average.density import LARGEST_LOG_MEAN, Scope, Target, make_target
from mse.core.model_average.maps import WHOLE, Maps, laplace, sample_weights
from mse.core.partly_known_fit import fit_incomplete, make_likelihood
from mse.errors import ModelError
from mse.loglinear.design import TableDesign, table_design
from mse.loglinear.partly_known import look_at, make_data, whole_persons
from mse.models.terms import HierarchicalModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.partly_known_fit import Data
    from mse.data.table import CaptureTable
    from mse.models.terms import Term


# The models that a Bayesian average runs over, and their posterior probabilities by ---------------

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

    table: lists and covariates
    max_order: axes of a term at most
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

    terms: by size and then by position, without the constant
    shape: levels of each axis
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

    target: the posterior
    seed: of the draws
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


# A table as the posterior over log-linear models sees it, and what draws from it say about --------

#: Means held at a time when draws are turned into persons.
MEANS_AT_ONCE = 2**22
#: Models whose existence is examined where each takes a search of its own.
SEARCHED = 12


class Setting(NamedTuple):
    """A table and the models of it.

    Attributes
    ----------
    largest : HierarchicalModel
        Contains all models.
    layout : TableDesign
        Its parameters.
    data : Data
        What was seen.
    target : Target
        The posterior.
    """

    largest: HierarchicalModel
    layout: TableDesign
    data: Data
    target: Target

    @property
    def n_strata(self) -> int:
        """Number of strata S."""
        return self.layout.core.n_hidden

    @property
    def sums(self) -> bool:
        """Whether some counts are sums over several cells."""
        return bool((np.diff(self.data.seen.first) > 1).any())


def make_setting(table: CaptureTable, max_order: int, prior: FloatArray) -> Setting:
    """Lay out a table for models of interactions up to some order.

    table: any table but one of margins
    max_order: axes of a term at most
    prior: (3,), as of `mse.core.model_average.density.Target`
    Raises ModelError: if the table cannot be taken
    """
    if table.margins is not None:
        raise ModelError(
            "The table holds list totals and their union only, from which no interaction can be told. "
            "Use LogLinear('main'), or a table of capture histories."
        )
    largest = largest_model(table, max_order)
    layout = table_design(table, largest, {})
    seen = look_at(table)
    data, n_kinds = make_data(seen, layout.core._replace(observable=seen.observable))
    if n_kinds > 1:
        raise ModelError(
            "The table has counts within bounds beside records that lack the entry of a list or "
            "covariate, which BayesianLogLinear cannot take together. Use LogLinear, or collapse the "
            "covariate, or replace the bounds by counts."
        )
    everything = np.arange(len(layout.terms))
    likelihood = make_likelihood(data, seen.observable.copy(), everything)
    target = make_target(likelihood, make_scope(largest.terms[1:], table.shape), prior)
    return Setting(largest, layout, data, target)


def members_by_parameter(setting: Setting, members: BoolArray) -> BoolArray:
    """Which parameters models have, (M, U), from their terms (M, T)."""
    sizes = np.diff(setting.target.scope.starts)
    constant = np.ones((len(members), 1), dtype=np.bool_)
    return np.hstack([constant, np.repeat(members, sizes, axis=1)])


def model_of(setting: Setting, members: BoolArray) -> HierarchicalModel:
    """Build the model with some terms, (T,)."""
    terms = setting.largest.terms[1:]
    chosen = tuple(term for term, inside in zip(terms, members, strict=True) if inside)
    return type(setting.largest)(setting.largest.axes, setting.largest.n_lists, chosen)


def cell_means(setting: Setting, coefficients: FloatArray) -> FloatArray:
    """Means of all cells, persons: (M, C) from coefficients (M, U), absent ones 0."""
    design = setting.layout.core
    out = np.zeros((len(coefficients), design.observable.size))
    out[:, design.cells] = coefficients
    tensor = out.reshape(-1, *design.shape.tolist())
    for axis in range(1, tensor.ndim):
        levels = np.moveaxis(tensor, axis, 0)
        levels[1:] += levels[:1]
    return np.asarray(np.exp(np.minimum(out, LARGEST_LOG_MEAN)))


def batches(setting: Setting, coefficients: FloatArray) -> Iterator[FloatArray]:
    """Yield means of all cells for some draws at a time."""
    size = max(MEANS_AT_ONCE // setting.layout.core.observable.size, 1)
    for start in range(0, len(coefficients), size):
        yield cell_means(setting, coefficients[start : start + size])


class Persons(NamedTuple):
    """Persons by stratum in each draw.

    Attributes
    ----------
    observed : int64 array (S,)
        Persons taken as observed: exactly where strata are known, in proportion to the posterior means
        where they are not, the lower bounds of counts within bounds.
    hidden : float64 array (M, S)
        All others.
    """

    observed: IntArray
    hidden: FloatArray


def draw_persons(setting: Setting, coefficients: FloatArray, rng: np.random.Generator) -> Persons:
    """Draw the persons who were not counted exactly, given coefficients.

    setting: table and models
    coefficients: (M, U), posterior draws
    rng: draws
    """
    seen, unseen = setting.data.seen, setting.target.likelihood.unseen
    found = []
    low = np.zeros(setting.n_strata)
    for means in batches(setting, coefficients):
        drawn = rng.poisson(np.where(unseen, means, 0.0))
        persons = drawn.reshape(len(means), -1, setting.n_strata).sum(axis=1).astype(np.float64)
        for o in range(seen.low.size):
            shares, total = _shares(setting, means, o)
            count = bounded_poisson(total, int(seen.low[o]), int(seen.high[o]), rng)
            persons += _allot(count, shares, rng)
            low += float(seen.low[o]) * shares.sum(axis=0) / len(coefficients)
        found.append(persons)
    exact = setting.data.base.reshape(-1, setting.n_strata).sum(axis=0)
    observed = exact.astype(np.int64) + whole_persons(low)
    return Persons(observed, np.concatenate(found) + exact - observed)


def _shares(setting: Setting, means: FloatArray, o: int) -> tuple[FloatArray, FloatArray]:
    """Chances of the strata of an observation, (M, S), and its mean, (M,)."""
    seen = setting.data.seen
    cells = seen.boxes[seen.first[o] : seen.first[o + 1]]
    cells = cells[cells >= 0]
    strata = cells % setting.n_strata
    total = means[:, cells].sum(axis=1)
    shares = np.zeros((len(means), setting.n_strata))
    for stratum in np.unique(strata):
        shares[:, stratum] = means[:, cells[strata == stratum]].sum(axis=1) / total
    return shares, total


def _allot(count: FloatArray, shares: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Spread persons over strata: all to one where the others have no share."""
    if np.count_nonzero(shares.any(axis=0)) == 1:
        return np.asarray(count[:, None] * shares.any(axis=0))
    return rng.multinomial(count.astype(np.int64), shares).astype(np.float64)


def bounded_poisson(mean: FloatArray, low: int, high: int, rng: np.random.Generator) -> FloatArray:
    """Draw Poisson variables between bounds, by inversion.

    mean: (M,), means without bounds
    low, high: bounds, both included
    rng: draws
    """
    if low == high:
        return np.full(mean.size, float(low))
    # From the side where the distribution function keeps its digits.
    below = mean < low
    ends = np.where(
        below,
        np.stack([poisson.sf(high, mean), poisson.sf(low - 1, mean)]),
        np.stack([poisson.cdf(low - 1, mean), poisson.cdf(high, mean)]),
    )
    u = ends[0] + (ends[1] - ends[0]) * rng.random(mean.size)
    with np.errstate(invalid="ignore"):
        drawn = np.where(below, poisson.isf(u, mean), poisson.ppf(u, mean))
    # Where all of it is below the smallest double, the nearest bound is all that is left.
    drawn = np.where(np.isfinite(drawn) & (ends[1] > 0), drawn, np.where(below, low, high))
    return np.asarray(np.clip(drawn, low, high))


def existence(setting: Setting, members: BoolArray) -> tuple[IntArray, IntArray]:
    """Whether the data determine the hidden numbers within models.

    Whether the likelihood of counts of single cells has a maximum depends only on which of them are
    certain to be positive: so counts within bounds stand for their lower ones.

    setting: table and models
    members: (M, T) bool, terms of the models, the ones that matter first
    Returns status: (M,), codes of `mse.core.fitting.STATUSES`; -1 where it was not examined
    Returns limits: (M, S), codes of `mse.core.existence.LIMITS`
    """
    kept = members_by_parameter(setting, members)
    if setting.sums:
        return _searched(setting, kept)
    counts = setting.data.base.copy()
    seen = setting.data.seen
    counts[seen.boxes[seen.first[:-1]]] += seen.low
    fits = fit_models(counts[None], kept, setting.layout.core)
    return fits.status[0].astype(np.int64), fits.limits[0].astype(np.int64)


def _searched(setting: Setting, kept: BoolArray) -> tuple[IntArray, IntArray]:
    """Examine some models of sums over cells by maximizing their likelihood."""
    status = np.full(len(kept), -1, dtype=np.int64)
    limits = np.full((len(kept), setting.n_strata), INDETERMINATE, dtype=np.int64)
    for m, own in enumerate(kept[:SEARCHED]):
        cells = setting.data.design.cells[own]
        design = setting.data.design._replace(
            cells=cells, union=setting.data.design.union[np.ix_(own, own)]
        )
        fit = fit_incomplete(setting.data._replace(design=design))
        status[m], limits[m] = fit.status, fit.limits
    limits[status < 0] = FINITE
    return status, limits


# Chains over log-linear models: starts, warm-up, what they learn from each other, draws -----------

#: Share of the moves between models that go to a model whose probability is roughly known. More is better as long
#: as such moves are accepted; the others reach models that are not. Where fewer than one in ten are accepted the
#: share is lower in proportion, but not below the last one.
JUMPS, JUMPS_AMONG_ALL, ACCEPTED, FEWEST_JUMPS = 0.6, 0.9, 0.1, 0.1
#: Temperature of the first half of a warm-up by reversible jump, which only scouts: differences of four units of log
#: probability then look like one, so that chains pass through models between modes.
HOT = 4.0
#: Models met in the warm-up to which chains jump later: so many, and so near the best in log probability.
MOST_MODELS, REACH = 4096, 14.0
#: Models one term away from those that are within this distance of the best are looked at as well: those of so many
#: models at a time, between so many, and as many as so many operations of a Newton step allow.
WINDOW, AT_ONCE, NEIGHBORS, OPERATIONS = 9.0, 64, (500, 6000), 6e7
#: Iterations of all chains for each neighbor that is looked at: preparing should not take longer than sampling.
PREPARED = 5
#: Cells from which on chains go into threads.
THREADED = 24
#: Draws between two looks at whether the user wants to stop.
CHUNK = 500


class Sampled(NamedTuple):
    """Draws of all chains.

    Attributes
    ----------
    members : bool array (chains, draws, T)
        Terms of the models.
    coefficients : float64 array (chains, draws, U)
        Log scale, 0 where the model has none.
    moves : int64 array (chains, 3, 2)
        Proposed and accepted moves: term by term, within a model, to a known model.
    """

    members: BoolArray
    coefficients: FloatArray
    moves: IntArray


def sample_models(
    target: Target,
    enumerated: Enumerated | None,
    schedule: tuple[int, int, int],
    seeds: Sequence[np.random.SeedSequence],
) -> Sampled:
    """Draw models and coefficients from their posterior.

    target: the posterior
    enumerated: probabilities of all models, to propose models by; else chains find out by
        reversible jump
    schedule: iterations of the warm-up, iterations to a draw, draws of each chain
    seeds: one for each chain
    """
    warmup, thin, draws = schedule
    runs = _starts(target, draws, seeds)
    if enumerated is None:
        _all(runs, lambda run: scout(run, warmup // 2, HOT))
        runs = _shared(runs, 0)
        _all(runs, lambda run: warm_up(run, warmup // 4))
        runs = _shared(runs, _affordable(target, len(runs) * (warmup + thin * draws)))
        _forget_moves(runs)
        _all(runs, lambda run: warm_up(run, warmup - warmup // 2 - warmup // 4))
        _suit_jumps(runs)
    else:
        known = np.flatnonzero(enumerated.probability > 0)
        catalog = make_catalog(
            enumerated.members[known], np.log(enumerated.probability[known]), JUMPS_AMONG_ALL
        )
        runs = [with_catalog(run, catalog) for run in runs]
        _all(runs, lambda run: warm_up(run, warmup))
    _forget_moves(runs)
    for start in track(range(0, draws, CHUNK), -(-draws // CHUNK), "Sampling models"):
        count = min(CHUNK, draws - start)
        _all(runs, lambda run, first=start, n=count: take_draws(run, thin, first, n))  # type: ignore[misc]
    return Sampled(
        np.stack([run.parts.record.members for run in runs]),
        np.stack([run.parts.record.coefficients for run in runs]),
        np.stack([run.parts.state.tally for run in runs]),
    )


def _starts(target: Target, draws: int, seeds: Sequence[np.random.SeedSequence]) -> list[Run]:
    """Start chains at the smallest model, the largest one, and random ones in between."""
    runs = []
    for chain, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        chance = {0: 0.0, 1: 1.0}.get(chain, 0.5)
        runs.append(start_run(target, _random_model(target.scope, chance, rng), draws, rng))
    return runs


def _random_model(scope: Scope, chance: float, rng: np.random.Generator) -> BoolArray:
    """Add each term that may be added with the same chance, lower ones first."""
    members = ~scope.free
    for t in np.flatnonzero(scope.free):
        needed = scope.facets[t][scope.facets[t] >= 0]
        members[t] = members[needed].all() and rng.random() < chance
    return np.asarray(members)


def _all(runs: Sequence[Run], work: Callable[[Run], None]) -> None:
    """Do the same to all chains, each in a thread: kernels do not hold the interpreter."""
    from joblib import Parallel, delayed

    # Chains are changed in place, so that workers must share their memory. Small tables take less time
    # than handing them to a thread does.
    n_jobs = -1 if runs[0].parts.room.means.size >= THREADED else 1
    Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(work)(run) for run in runs)


def _forget_moves(runs: Sequence[Run]) -> None:
    for run in runs:
        run.parts.state.tally[:] = 0


def _suit_jumps(runs: Sequence[Run]) -> None:
    """Jump less where jumps are seldom accepted, as they are when no list of models holds most of the posterior."""
    proposed, accepted = sum(run.parts.state.tally[2] for run in runs)
    for run in runs:
        share = run.parts.catalog.share
        if proposed:
            share[0] = np.clip(JUMPS * accepted / proposed / ACCEPTED, FEWEST_JUMPS, JUMPS)


def _affordable(target: Target, iterations: int) -> int:
    """Neighbors to look at: fewer where a model takes more operations, or where chains are short."""
    design, size = target.likelihood.design, target.penalty.shape[0]
    operations = target.start.size * design.shape.size + size**3 / 3
    most = int(np.clip(OPERATIONS / operations, *NEIGHBORS))
    return min(most, iterations // PREPARED)


def _shared(runs: Sequence[Run], n_neighbors: int) -> list[Run]:
    """Tell all chains which models any of them has met, and of how many of their neighbors they should know."""
    known = [met(run) for run in runs]
    pooled = Maps._make(np.concatenate(parts) for parts in zip(*known, strict=True))
    # Of several chains' maps of a model one that was worked out in full.
    full_first = np.argsort(-pooled.level, kind="stable")
    _, first = np.unique(pooled.members[full_first], axis=0, return_index=True)
    rows = full_first[first]
    value = np.where(pooled.level == WHOLE, pooled.evidence, pooled.rough)[rows]
    if not np.isfinite(value).any():
        return list(runs)
    maps = Maps._make(each[rows[_nearest(value)]] for each in pooled)
    members, value = _with_neighbors(runs[0].parts.target, pooled.members[rows], value, n_neighbors)
    near = _nearest(value)
    catalog = make_catalog(members[near], value[near], JUMPS)
    return [with_catalog(run, catalog, maps) for run in runs]


def _nearest(value: FloatArray) -> IntArray:
    """Positions of the values that are near the best, the best first; ties in the order given."""
    order = np.argsort(-value, kind="stable")
    return np.asarray(order[value[order] >= value.max() - REACH][:MOST_MODELS])


def _with_neighbors(
    target: Target, members: BoolArray, value: FloatArray, budget: int
) -> tuple[BoolArray, FloatArray]:
    """Add so many models that are one term away, those of the best models first."""
    found = {row.tobytes(): float(v) for row, v in zip(members, value, strict=True)}
    looked_at: set[bytes] = set()
    while budget > 0:
        best = max(found.values())
        near = [key for key, v in found.items() if v >= best - WINDOW and key not in looked_at]
        chosen = sorted(near, key=lambda key: (-found[key], key))[:AT_ONCE]
        looked_at.update(chosen)
        fresh = {key for each in chosen for key in _neighbors(target.scope, each)} - found.keys()
        if not chosen:
            break
        keys = sorted(fresh)[:budget]
        budget -= len(keys)
        if keys:
            rows = np.frombuffer(b"".join(keys), dtype=np.bool_).reshape(len(keys), -1)
            found.update(zip(keys, laplace(target, rows.copy()).tolist(), strict=True))
    keys = sorted(found)
    rows = np.frombuffer(b"".join(keys), dtype=np.bool_).reshape(len(keys), -1)
    return rows, np.asarray([found[key] for key in keys])


def _neighbors(scope: Scope, model: bytes) -> list[bytes]:
    """Models with one term more or less."""
    members = np.frombuffer(model, dtype=np.bool_).copy()
    found = []
    for t in np.flatnonzero(scope.free):
        if may_change(members, scope, int(t), ADDING + DROPPING):
            members[t] = not members[t]
            found.append(members.tobytes())
            members[t] = not members[t]
    return found
