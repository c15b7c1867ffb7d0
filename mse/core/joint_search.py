"""Stepwise search over lists and covariates, for many tables: two-way terms added and dropped.

The search of every replicate would fit some fifty models at each of some twenty steps. Here one
information matrix over all parameters gives the score statistic of every term outside the model
(Rao 1948; the fall in deviance to second order) and the Wald statistic of every term inside (the
rise). Only the few terms with the best approximate criterion are fitted, and the best of these
fits is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.batch import BOUNDARY, NOT_CONVERGED, OVERFLOWED, fit_one
from mse.core.exact import SAFE
from mse.core.existence import INDETERMINATE
from mse.core.lattice import superset_sum
from mse.core.newton import (
    PIVOT_TOLERANCE,
    Design,
    cholesky,
    gather,
    information,
    make_workspace,
    n_parameters,
)
from mse.core.selection import penalty_of

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray

#: Terms that are fitted at a step.
SCREENED = 3
#: A statistic approximates a change in deviance; terms whose approximate criterion is worse than
#: that of the current model by more than this are not fitted.
SLACK = 2.0


class JointPaths(NamedTuple):
    """Ends of the searches of B tables with Q strata.

    Attributes
    ----------
    hidden : float64 array (B, Q)
        Persons on no list; NaN where not estimable.
    limits : int8 array (B, Q)
        Where the hidden counts go.
    failed : bool array (B,)
        Tables on which a fit of the chosen path failed.
    members : bool array (B, T)
        Terms of the chosen models.
    """

    hidden: FloatArray
    limits: np.ndarray[tuple[int, int], np.dtype[np.int8]]
    failed: BoolArray
    members: BoolArray


class Search(NamedTuple):
    """Arrays of one search: the model, and what the next step knows of it."""

    member: BoolArray  # (P,)
    inside: BoolArray  # (T,) terms in the model
    b: FloatArray  # (P,) coefficients, 0 outside
    trial: FloatArray  # (P,)
    change: FloatArray  # (T,) approximate change in deviance if the term is flipped
    full: FloatArray  # (P, P) information over all parameters
    score: FloatArray  # (P,)


@nb.njit(cache=True, nogil=True)
def _remember(work, p, into):  # type: ignore[no-untyped-def]
    for u in range(into.size):
        into[u] = 0.0
    for k in range(p):
        into[work.chosen[k]] = work.b[k]


@nb.njit(cache=True, nogil=True)
def _forward_solve(factor, p, x):  # type: ignore[no-untyped-def]
    for i in range(p):
        total = x[i]
        for k in range(i):
            total -= factor[i, k] * x[k]
        x[i] = total / factor[i, i]


@nb.njit(cache=True, nogil=True)
def _quadratic(matrix, d, x):  # type: ignore[no-untyped-def]
    """Return x'M^-1 x over the directions in which M is not singular."""
    total = 0.0
    used = np.ones(d, dtype=np.bool_)
    for i in range(d):
        diagonal = matrix[i, i]
        for j in range(i + 1):
            if not used[j]:
                matrix[i, j] = 0.0
                continue
            value = matrix[i, j]
            for k in range(j):
                value -= matrix[i, k] * matrix[j, k]
            if i == j:
                if value <= PIVOT_TOLERANCE * diagonal:
                    used[i] = False
                    break
                matrix[i, i] = np.sqrt(value)
            else:
                matrix[i, j] = value / matrix[j, j]
        if not used[i]:
            continue
        for k in range(i):
            x[i] -= matrix[i, k] * x[k]
        x[i] /= matrix[i, i]
        total += x[i] * x[i]
    return total


@nb.njit(cache=True, nogil=True)
def _score_statistic(state, work, p, first, last):  # type: ignore[no-untyped-def]
    """Fall in deviance, to second order, if the parameters first..last-1 enter the model."""
    d = last - first
    columns = np.zeros((d, p))
    block, score = np.zeros((d, d)), np.zeros(d)
    for i in range(d):
        u = first + i
        for k in range(p):
            v = work.chosen[k]
            columns[i, k] = state.full[max(u, v), min(u, v)]
        _forward_solve(work.matrix, p, columns[i])
        score[i] = state.score[u]
        for j in range(i + 1):
            total = state.full[u, first + j]
            for k in range(p):
                total -= columns[i, k] * columns[j, k]
            block[i, j] = total
    return _quadratic(block, d, score)


@nb.njit(cache=True, nogil=True)
def _wald_statistic(state, work, p, inverse, first, last):  # type: ignore[no-untyped-def]
    """Rise in deviance, to second order, if the parameters first..last-1 leave the model."""
    d = 0
    rows = np.zeros(last - first, dtype=np.int64)
    for k in range(p):
        if first <= work.chosen[k] < last:
            rows[d] = k
            d += 1
    block, b = np.zeros((d, d)), np.zeros(d)
    for i in range(d):
        b[i] = state.b[work.chosen[rows[i]]]
        for j in range(i + 1):
            total = 0.0
            for k in range(p):
                total += inverse[rows[i], k] * inverse[rows[j], k]
            block[i, j] = total
    return _quadratic(block, d, b)


@nb.njit(cache=True, nogil=True)
def _approximate(counts, design, work, p, ranges, state):  # type: ignore[no-untyped-def]
    """Approximate the change in deviance for every term; False where the information is singular."""
    sums, residual = work.sums, work.step
    for c in range(counts.size):
        sums[c] = work.means[c] if work.face[c] else 0.0
        residual[c] = counts[c] - work.means[c] if work.face[c] else 0.0
    superset_sum(sums, design.shape)
    superset_sum(residual, design.shape)
    size = state.score.size
    information(sums, design, np.arange(size), size, state.full)
    for u in range(size):
        state.score[u] = gather(residual, design, u)
    for i in range(p):
        for j in range(i + 1):
            u, v = work.chosen[i], work.chosen[j]
            work.matrix[i, j] = state.full[max(u, v), min(u, v)]
    if not cholesky(work.matrix, p):
        return False
    inverse = np.zeros((p, p))  # row i is column i of L^-1, so that products of rows give H^-1
    for i in range(p):
        inverse[i, i] = 1.0
        _forward_solve(work.matrix, p, inverse[i])
    for t in range(ranges.shape[0]):
        first, last = ranges[t, 0], ranges[t, 1]
        if state.inside[t]:
            state.change[t] = _wald_statistic(state, work, p, inverse, first, last)
        else:
            state.change[t] = -_score_statistic(state, work, p, first, last)
    return True


@nb.njit(cache=True, nogil=True)
def _flip(state, ranges, t):  # type: ignore[no-untyped-def]
    state.inside[t] = not state.inside[t]
    for u in range(ranges[t, 0], ranges[t, 1]):
        state.member[u] = state.inside[t]


@nb.njit(cache=True, nogil=True)
def _best_flip(counts, sums, state, ranges, size, value, kind, design, work, like, hidden, limits):  # type: ignore[no-untyped-def]
    """Fit the most promising flips; the best one below `value`, or -1, and its criterion."""
    best, best_value = -1, value
    for t in range(ranges.shape[0]):
        change = ranges[t, 1] - ranges[t, 0]
        after = size - change if state.inside[t] else size + change
        penalty = penalty_of(kind, after, sums[0]) - penalty_of(kind, size, sums[0])
        state.change[t] += penalty
    for _ in range(min(SCREENED, ranges.shape[0])):
        t = int(np.argmin(state.change))
        if state.change[t] > SLACK:
            break
        state.change[t] = np.inf
        _flip(state, ranges, t)
        p_all = 0
        for u in range(state.member.size):
            p_all += state.member[u]
        penalty = penalty_of(kind, p_all, sums[0])
        status, p, deviance = fit_one(
            counts,
            sums,
            state.member,
            state.b,
            best_value - penalty,
            design,
            work,
            like,
            SAFE,
            hidden,
            limits,
        )
        _flip(state, ranges, t)
        if status <= BOUNDARY and deviance + penalty < best_value:
            best, best_value = t, deviance + penalty
            _remember(work, p, state.trial)
    return best, best_value


@nb.njit(cache=True, nogil=True)
def _search_one(counts, main, ranges, kind, design, work, state, hidden, limits):  # type: ignore[no-untyped-def]
    """Search one table; the status of the last fit."""
    like, cold = np.zeros(0, dtype=np.int64), np.zeros(0)
    sums = counts.copy()
    superset_sum(sums, design.shape)
    for u in range(main.size):
        state.member[u] = main[u]
    for t in range(ranges.shape[0]):
        state.inside[t] = False
    start = cold
    while True:
        status, p, deviance = fit_one(
            counts, sums, state.member, start, np.inf, design, work, like, SAFE, hidden, limits
        )
        if status in (OVERFLOWED, NOT_CONVERGED):
            return status
        _remember(work, p, state.b)
        size = 0
        for u in range(main.size):
            size += state.member[u]
        value = deviance + penalty_of(kind, size, sums[0]) if status <= BOUNDARY else np.inf
        if not _approximate(counts, design, work, p, ranges, state):
            return status
        trial_hidden, trial_limits = hidden.copy(), limits.copy()
        t, _ = _best_flip(
            counts,
            sums,
            state,
            ranges,
            size,
            value,
            kind,
            design,
            work,
            like,
            trial_hidden,
            trial_limits,
        )
        if t < 0:
            return status
        _flip(state, ranges, t)
        start = state.trial.copy()


@nb.njit(cache=True, nogil=True)
def _search_many(tables, main, ranges, kind, design, work, state, out):  # type: ignore[no-untyped-def]
    for t in range(tables.shape[0]):
        status = _search_one(
            tables[t], main, ranges, kind, design, work, state, out.hidden[t], out.limits[t]
        )
        out.failed[t] = status in (OVERFLOWED, NOT_CONVERGED)
        for k in range(state.inside.size):
            out.members[t, k] = state.inside[k]


def search_jointly(
    tables: FloatArray, main: BoolArray, ranges: IntArray, kind: int, design: Design
) -> JointPaths:
    """Search every table from the main effects.

    Parameters
    ----------
    tables : float64 array (B, C)
        Counts of persons, 0 on unobservable cells.
    main : bool array (P,)
        Parameters of the constant and the main effects.
    ranges : int64 array (T, 2)
        First parameter of each two-way term, and the one behind its last.
    kind : int
        Code of the criterion, see `mse.core.selection.CRITERIA`.
    design : Design
        Axes and parameters of all terms.

    Returns
    -------
    JointPaths
    """
    n_tables, size, n_terms = len(tables), n_parameters(design), len(ranges)
    out = JointPaths(
        np.full((n_tables, design.n_hidden), np.nan),
        np.full((n_tables, design.n_hidden), INDETERMINATE, dtype=np.int8),
        np.zeros(n_tables, dtype=np.bool_),
        np.zeros((n_tables, n_terms), dtype=np.bool_),
    )
    state = Search(
        main.copy(),
        np.zeros(n_terms, dtype=np.bool_),
        np.zeros(size),
        np.zeros(size),
        np.zeros(n_terms),
        np.zeros((size, size)),
        np.zeros(size),
    )
    _search_many(tables, main, ranges, kind, design, make_workspace(design), state, out)
    return out
