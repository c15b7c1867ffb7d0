"""Posterior of hidden persons when people differ and lists depend on each other, neither fully told by data.

The log mean of history x in stratum s is

    alpha_s + sum_j beta_sj x_j + sum over pairs u_ij x_i x_j + sum over triples u_ijk x_i x_j x_k.

People who differ along one scale raise all interactions of a pair alike: with normal scores u_ij = tau, the
variance of the score among those on no list, and nothing of higher order (Darroch, Fienberg, Glonek & Junker
1993, JASA 88, 1137-1148, section 3). What lists have to do with each other raises or lowers single ones. So

    u_ij ~ N(tau, omega^2),  tau ~ N(m, s^2),    u_ijk ~ N(kappa, omega^2),  kappa ~ N(0, t^2),

and omega has equal prior weight at the points of a grid on the log scale. Given omega the log posterior is
concave (for records known in part: nearly so); it is taken as normal about its mode (Laplace's method,
Tierney & Kadane 1986, JASA 81, 82-86), and the grid is weighted by the evidence that this gives.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from mse.core._threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import BoolArray, FloatArray, IntArray

#: Orders of the interactions that take part.
ORDERS = (2, 3)
#: Newton steps, and the squared length of one, in standard deviations, at which the mode is found.
MAX_STEPS, SETTLED = 200, 1e-12
#: Shares of a step below this are no step.
SHORTEST = 1e-9
#: Largest log mean: beyond it nothing is counted.
LARGEST_LOG = 60.0
#: Means beyond this are drawn as they are: a Poisson number would not fit into 64 bits.
LARGEST_MEAN = 1e15


class Records(NamedTuple):
    """What was seen.

    counts: (C,) persons of each cell that are fully known; strata are the fastest axis
    owner, boxes: (E,) entries: a count that is over several cells, and one of its cells
    persons: (O,) those counts
    observable: (C,) cells of persons on a list that operated
    n_strata: S
    """

    counts: FloatArray
    owner: IntArray
    boxes: IntArray
    persons: FloatArray
    observable: BoolArray
    n_strata: int


class Columns(NamedTuple):
    """Columns of the design beside the constants of the strata.

    rows: (C, p)
    flat: (p,) standard deviation of independent normal priors with mean 0; 0 for interactions
    order: (p,) number of lists of an interaction, 0 for other columns
    """

    rows: FloatArray
    flat: FloatArray
    order: IntArray


class Scales(NamedTuple):
    """The prior: see the head of the module."""

    mean: float  # m
    sd: float  # s
    triples: float  # t
    spreads: FloatArray  # the grid of omega
    sizes: float  # standard deviation of the log sizes of strata about their mean


class Mixture(NamedTuple):
    """The posterior of the coefficients: constants of strata first, then those of the columns.

    modes: (G, S + p), factors: (G, S + p, S + p) lower Cholesky factors of the precisions; of the grid
    weights: (G,)
    completed: (C,) observed persons by cell, counts over several cells spread by the model
    converged: whether every mode was found
    """

    modes: FloatArray
    factors: FloatArray
    weights: FloatArray
    completed: FloatArray
    converged: bool


class _Normal(NamedTuple):
    """The normal distribution about a mode."""

    mode: FloatArray
    factor: FloatArray
    log_evidence: float
    completed: FloatArray


def interactions(n_lists: int, orders: Sequence[int] = ORDERS) -> tuple[FloatArray, IntArray]:
    """Make the columns of all interactions of these orders, (2^K, q), and their orders."""
    histories = (np.arange(2**n_lists)[:, None] >> np.arange(n_lists)[::-1]) & 1
    terms = [term for order in orders for term in combinations(range(n_lists), order)]
    columns = [histories[:, term].prod(axis=1) for term in terms]
    found = np.column_stack(columns) if columns else np.zeros((len(histories), 0))
    return found.astype(np.float64), np.asarray([len(term) for term in terms], dtype=np.int64)


@one_thread
def posterior(records: Records, columns: Columns, scales: Scales) -> Mixture | None:
    """Find the posterior of the coefficients; None where there is no mode anywhere on the grid."""
    start, found = None, []
    for spread in scales.spreads:
        prior = _prior(records, columns, scales, spread)
        normal = _normal_about_mode(records, columns, prior, start)
        if normal is not None:
            start = normal.mode
            found.append(normal)
    if not found:
        return None
    evidence = np.asarray([each.log_evidence for each in found])
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    return Mixture(
        np.stack([each.mode for each in found]),
        np.stack([each.factor for each in found]),
        weights,
        np.einsum("g,gc->c", weights, np.stack([each.completed for each in found])),
        converged=len(found) == scales.spreads.size,
    )


def draw_coefficients(found: Mixture, size: int, rng: np.random.Generator) -> FloatArray:
    """Draw from the mixture, (size, S + p), its parts one after the other."""
    # Of each part its share of the draws, rounded at random: less noise than by chance.
    edges = np.floor(np.cumsum(found.weights) * size + rng.random()).astype(np.int64)
    edges[-1] = size
    drawn = []
    for mode, factor, n in zip(found.modes, found.factors, np.diff(edges, prepend=0), strict=True):
        noise = rng.standard_normal((mode.size, max(int(n), 0)))
        drawn.append(mode + solve_triangular(factor, noise, trans="T", lower=True).T)
    return np.concatenate(drawn)[:size]


def hidden_of(
    coefficients: FloatArray, records: Records, columns: Columns, rng: np.random.Generator
) -> FloatArray:
    """Draw the hidden persons of each stratum, (M, S), given coefficients (M, S + p)."""
    s = records.n_strata
    means = np.zeros((len(coefficients), s))
    for cell in np.flatnonzero(~records.observable):
        stratum = cell % s
        logs = coefficients[:, stratum] + coefficients[:, s:] @ columns.rows[cell]
        means[:, stratum] += np.exp(np.minimum(logs, LARGEST_LOG))
    drawn = rng.poisson(np.minimum(means, LARGEST_MEAN)).astype(np.float64)
    return np.where(means < LARGEST_MEAN, drawn, means)


def means_of(coefficients: FloatArray, columns: Columns, n_strata: int) -> FloatArray:
    """Compute the means of all cells, (M, C), given coefficients."""
    constants = np.tile(coefficients[:, :n_strata], len(columns.rows) // n_strata)
    logs = constants + coefficients[:, n_strata:] @ columns.rows.T
    return np.asarray(np.exp(np.minimum(logs, LARGEST_LOG)))


def moved_by_persons(
    found: Mixture, records: Records, columns: Columns
) -> tuple[FloatArray, FloatArray]:
    """Compute how a person more in each cell moves the logarithm of the hidden means, (C, S), and these, (S,).

    With independent Poisson counts the derivative of a posterior mean to a count is its posterior covariance with the
    logarithm of the mean of that cell: within each normal distribution of the mixture to first order about its
    mode, and between their modes.
    """
    s, size = records.n_strata, len(columns.rows)
    strata = np.arange(size) % s
    design = np.concatenate([np.eye(s)[strata], columns.rows], axis=1)
    logs, hidden, inside = [], [], np.zeros((size, s))
    for mode, factor, weight in zip(found.modes, found.factors, found.weights, strict=True):
        log_means = np.minimum(design @ mode, LARGEST_LOG)
        unseen = np.where(records.observable, 0.0, np.exp(log_means))
        sums = np.maximum(np.bincount(strata, unseen, s), np.finfo(float).tiny)
        gradient = np.zeros((s, design.shape[1]))
        np.add.at(gradient, strata, (unseen / sums[strata])[:, None] * design)
        inside += weight * design @ cho_solve((factor, True), gradient.T)
        logs.append(log_means)
        hidden.append(np.log(sums))
    away = np.stack(logs) - found.weights @ np.stack(logs)
    apart = np.stack(hidden) - found.weights @ np.stack(hidden)
    between = np.einsum("g,gc,gs->cs", found.weights, away, apart)
    return inside + between, np.exp(found.weights @ np.stack(hidden))


class _Prior(NamedTuple):
    mean: FloatArray  # (S + p,)
    precision: FloatArray  # (S + p, S + p)
    log_det: float


def _prior(records: Records, columns: Columns, scales: Scales, spread: float) -> _Prior:
    """Put the prior together: sizes of strata about a common flat one, flat effects, interactions."""
    s, order = records.n_strata, columns.order
    covariance = np.diag(np.concatenate([np.full(s, scales.sizes**2), columns.flat**2]))
    covariance[:s, :s] += FLAT**2
    at = s + np.flatnonzero(order > 0)
    covariance[at, at] = spread**2
    for kind, common in ((2, scales.sd), (3, scales.triples)):
        at = s + np.flatnonzero(order == kind)
        covariance[np.ix_(at, at)] += common**2
    mean = np.concatenate([np.zeros(s), np.where(order == 2, scales.mean, 0.0)])
    factor = cho_factor(covariance, lower=True)
    precision = cho_solve(factor, np.eye(len(mean)))
    return _Prior(mean, precision, -2 * float(np.log(np.diag(factor[0])).sum()))


#: Standard deviation of effects that the data alone are to determine.
FLAT = 30.0


def _normal_about_mode(
    records: Records, columns: Columns, prior: _Prior, start: FloatArray | None
) -> _Normal | None:
    """Find the mode by Newton's method; None where it is not found."""
    b = _start(records, prior) if start is None else start.copy()
    value, means = _log_posterior(b, records, columns, prior)
    for _ in range(MAX_STEPS):
        residual = _completed(means, records) - np.where(records.observable, means, 0.0)
        gradient = _sums(residual, columns, records.n_strata) - prior.precision @ (b - prior.mean)
        factor, concave = _curvature(means, records, columns, prior)
        step = cho_solve((factor, True), gradient)
        length, share = float(gradient @ step), 1.0
        if length < SETTLED:
            return (
                _described(b, value, factor, _completed(means, records), prior) if concave else None
            )
        while True:
            tried, at = _log_posterior(b + share * step, records, columns, prior)
            if tried >= value - 1e-12 * abs(value):
                break
            share /= 2
            if share < SHORTEST:
                return None
        b, value, means = b + share * step, tried, at
    return None


def _curvature(
    means: FloatArray, records: Records, columns: Columns, prior: _Prior
) -> tuple[FloatArray, bool]:
    """Factor the negative second derivatives, or where these are not positive those of complete counts."""
    weights = np.where(records.observable, means, 0.0)
    complete = _gram(weights, columns, records.n_strata) + prior.precision
    if records.persons.size:
        try:
            return _factor(complete - _missing(means, records, columns)), True
        except np.linalg.LinAlgError:
            return _factor(complete), False
    return _factor(complete), True


def _factor(matrix: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)


def _start(records: Records, prior: _Prior) -> FloatArray:
    """Begin where the observable cells are filled evenly."""
    n = records.counts.sum() + records.persons.sum()
    b = prior.mean.copy()
    b[: records.n_strata] = np.log((n + 1.0) / max(int(records.observable.sum()), 1))
    return b


def _log_posterior(
    b: FloatArray, records: Records, columns: Columns, prior: _Prior
) -> tuple[float, FloatArray]:
    """Evaluate the log posterior, but for a constant, and the means of all cells."""
    s = records.n_strata
    log_means = np.minimum(
        np.tile(b[:s], len(columns.rows) // s) + columns.rows @ b[s:], LARGEST_LOG
    )
    means = np.exp(log_means)
    away = b - prior.mean
    value = records.counts @ log_means - means[records.observable].sum()
    if records.persons.size:
        sums = np.bincount(records.owner, means[records.boxes], records.persons.size)
        value += records.persons @ np.log(sums)
    return float(value - away @ prior.precision @ away / 2), means


def _completed(means: FloatArray, records: Records) -> FloatArray:
    """Spread each count that is over several cells in proportion to their means (the E step of EM)."""
    if not records.persons.size:
        return records.counts
    at = means[records.boxes]
    sums = np.bincount(records.owner, at, records.persons.size)
    spread = (records.persons / sums)[records.owner] * at
    return records.counts + np.bincount(records.boxes, spread, means.size)


def _sums(values: FloatArray, columns: Columns, s: int) -> FloatArray:
    """Sum cells by stratum, and over each column."""
    return np.concatenate([values.reshape(-1, s).sum(axis=0), columns.rows.T @ values])


def _gram(weights: FloatArray, columns: Columns, s: int) -> FloatArray:
    """Compute the information of complete counts."""
    weighted = columns.rows * weights[:, None]
    p = weighted.shape[1]
    found = np.zeros((s + p, s + p))
    found[np.arange(s), np.arange(s)] = weights.reshape(-1, s).sum(axis=0)
    found[s:, :s] = weighted.reshape(-1, s, p).sum(axis=0).T
    found[:s, s:] = found[s:, :s].T
    found[s:, s:] = columns.rows.T @ weighted
    return found


def _described(
    b: FloatArray, value: float, factor: FloatArray, completed: FloatArray, prior: _Prior
) -> _Normal:
    """Compute the evidence at the mode."""
    evidence = value + prior.log_det / 2 - float(np.log(np.diag(factor)).sum())
    return _Normal(b, factor, evidence, completed)


def _missing(means: FloatArray, records: Records, columns: Columns) -> FloatArray:
    """Compute the information that counts over several cells lack (Louis 1982, JRSS B 44, 226-233)."""
    s, p = records.n_strata, columns.rows.shape[1]
    at = means[records.boxes]
    n = records.persons.size
    share = at / np.bincount(records.owner, at, n)[records.owner]
    weights = records.persons[records.owner] * share
    spread = np.bincount(records.boxes, weights, means.size).astype(np.float64)
    average = np.zeros((n, s + p))
    np.add.at(average, (records.owner, records.boxes % s), share)
    np.add.at(average[:, s:], records.owner, share[:, None] * columns.rows[records.boxes])
    within: FloatArray = _gram(spread, columns, s) - average.T @ (
        records.persons[:, None] * average
    )
    return within
