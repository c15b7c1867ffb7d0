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

from mse.core.batch import NOT_CONVERGED, NOT_ESTIMABLE, fit_one
from mse.core.empty_strata import determined, without_persons
from mse.core.exact_check import ExactCheck
from mse.core.existence import INDETERMINATE
from mse.core.lattice import subset_sum, superset_sum
from mse.core.newton import (
    PIVOT_TOLERANCE,
    Design,
    cholesky,
    first_cell,
    gather,
    information,
    make_workspace,
    n_parameters,
)
from mse.core.selection import penalty_of

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray

#: Terms that are fitted at a step.
SCREENED = 5
#: Largest argument of the exponential in a rise of the deviance: beyond it no term would leave.
LARGEST_LOSS = 30.0
#: By how much a diagonal is raised where rounding hides that its matrix is positive definite.
LIFT = 100 * PIVOT_TOLERANCE
#: A statistic approximates a change in deviance; terms whose approximate criterion is worse than
#: that of the current model by more than this are not fitted.
SLACK = 4.0


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
def _gain_of_one(score, information):  # type: ignore[no-untyped-def]
    """Fall in deviance if one parameter enters, as of a Poisson count with that score and variance.

    To second order it is score^2 / information, which is far too much for a strong positive
    interaction and too little for a pair of lists that share nobody.
    """
    after = max(information + score, 0.0)
    return 2.0 * ((after * np.log(after / information) if after > 0.0 else 0.0) - score)


@nb.njit(cache=True, nogil=True)
def _loss_of_one(b, information):  # type: ignore[no-untyped-def]
    """Rise in deviance if one parameter of value b leaves, likewise; b^2 information to second order."""
    return 2.0 * information * (b - 1.0 + np.exp(min(-b, LARGEST_LOSS)))


@nb.njit(cache=True, nogil=True)
def _entering(state, work, p, first, last):  # type: ignore[no-untyped-def]
    """Approximate the fall in deviance if the parameters first..last-1 enter the model."""
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
    plain, bent = 0.0, 0.0
    for i in range(d):
        if block[i, i] > PIVOT_TOLERANCE * state.full[first + i, first + i]:
            plain += score[i] ** 2 / block[i, i]
            bent += _gain_of_one(score[i], block[i, i])
    # One by one the parameters tell how far the quadratic form of all is from the deviance.
    return _quadratic(block, d, score) * (bent / plain if plain > 0.0 else 1.0)


@nb.njit(cache=True, nogil=True)
def _leaving(state, work, p, inverse, first, last):  # type: ignore[no-untyped-def]
    """Approximate the rise in deviance if the parameters first..last-1 leave the model."""
    d = 0
    rows = np.zeros(last - first, dtype=np.int64)
    for k in range(p):
        if first <= work.chosen[k] < last:
            rows[d] = k
            d += 1
    block, b = np.zeros((d, d)), np.zeros(d)
    plain, bent = 0.0, 0.0
    for i in range(d):
        b[i] = state.b[work.chosen[rows[i]]]
        for j in range(i + 1):
            total = 0.0
            for k in range(p):
                total += inverse[rows[i], k] * inverse[rows[j], k]
            block[i, j] = total
        plain += b[i] ** 2 / block[i, i]
        bent += _loss_of_one(b[i], 1.0 / block[i, i])
    return _quadratic(block, d, b) * (bent / plain if plain > 0.0 else 1.0)


@nb.njit(cache=True, nogil=True)
def _relative(observed, expected):  # type: ignore[no-untyped-def]
    if observed <= 0.0:
        return expected
    return observed * np.log(observed / expected) - observed + expected if expected > 0.0 else 0.0


@nb.njit(cache=True, nogil=True)
def _gain_of_margin(seen, fitted, term):  # type: ignore[no-untyped-def]
    """Fall in deviance from scaling the means to the observed margin of a pair of axes.

    It is one step of iterative proportional fitting, so a bound from below on what the term brings.

    Parameters
    ----------
    seen, fitted : float64 arrays (C,)
        Superset sums of the counts, and of the means.
    term : int64 array (6,)
        A row of `ranges`, see `search_jointly`.
    """
    left, right, n_left, n_right = term[2], term[3], term[4], term[5]
    total, rest, rest_fitted = 0.0, seen[0], fitted[0]
    for j in range(1, n_right + 1):
        column, column_fitted = seen[j * right], fitted[j * right]
        for i in range(1, n_left + 1):
            column -= seen[i * left + j * right]
            column_fitted -= fitted[i * left + j * right]
        total += _relative(column, column_fitted)
        rest -= column
        rest_fitted -= column_fitted
    for i in range(1, n_left + 1):
        row, row_fitted = seen[i * left], fitted[i * left]
        rest -= row
        rest_fitted -= row_fitted
        for j in range(1, n_right + 1):
            cell, cell_fitted = seen[i * left + j * right], fitted[i * left + j * right]
            total += _relative(cell, cell_fitted)
            row -= cell
            row_fitted -= cell_fitted
        total += _relative(row, row_fitted)
    return 2.0 * (total + _relative(rest, rest_fitted))


@nb.njit(cache=True, nogil=True)
def _missing_effects(design, work, p, state, first, last, marks):  # type: ignore[no-untyped-def]
    """Count, for every cell, the parameters first..last-1 of the model in it that are not fitted."""
    fitted = np.zeros(last - first, dtype=np.bool_)
    for k in range(p):
        if first <= work.chosen[k] < last:
            fitted[work.chosen[k] - first] = True
    for c in range(marks.size):
        marks[c] = 0.0
    any_missing = False
    for u in range(first, last):
        if state.member[u] and not fitted[u - first]:
            marks[first_cell(design, u)] += 1.0
            any_missing = True
    if any_missing:
        subset_sum(marks, design.shape)
    return any_missing


@nb.njit(cache=True, nogil=True)
def _return_of_cells(design, work, p, state, ranges):  # type: ignore[no-untyped-def]
    """Add the rise in deviance from cells that are at zero because of one term alone.

    Their counts are zero, and without the term their means would be about those that the other
    parameters give them.
    """
    everything, marks = np.zeros(work.means.size), np.zeros(work.means.size)
    if not _missing_effects(design, work, p, state, 0, state.member.size, everything):
        return
    for t in range(ranges.shape[0]):
        first, last = ranges[t, 0], ranges[t, 1]
        if not state.inside[t]:
            continue
        if _missing_effects(design, work, p, state, first, last, marks):
            for c in range(marks.size):
                if marks[c] > 0.0 and marks[c] == everything[c] and design.observable[c]:
                    state.change[t] += 2.0 * work.means[c]


@nb.njit(cache=True, nogil=True)
def _factor(work, p, state):  # type: ignore[no-untyped-def]
    """Factor the information of the parameters of a fit, which is positive definite.

    Where rounding hides that, as it does for counts of very different sizes, the diagonal is raised:
    the statistics only say which terms are worth fitting.
    """
    for lift in (0.0, LIFT):
        for i in range(p):
            for j in range(i + 1):
                u, v = work.chosen[i], work.chosen[j]
                work.matrix[i, j] = state.full[max(u, v), min(u, v)]
            work.matrix[i, i] *= 1.0 + lift
        if cholesky(work.matrix, p):
            return True
    return False


@nb.njit(cache=True, nogil=True)
def screen(counts, design, work, p, ranges, state):  # type: ignore[no-untyped-def]
    """Approximate the change in deviance for every term; False where the information is singular.

    Parameters
    ----------
    counts : float64 array (C,)
        Persons by cell.
    design, work, p
        A fit, see `mse.core.newton`: ``means`` of all cells, ``face``, ``chosen``.
    ranges : int64 array (T, 6)
        See `search_jointly`.
    state : Search
        ``b``, and ``full`` and ``score`` over all parameters; receives ``change``.
    """
    if not _factor(work, p, state):
        return False
    inverse = np.zeros((p, p))  # row i is column i of L^-1, so that products of rows give H^-1
    for i in range(p):
        inverse[i, i] = 1.0
        _forward_solve(work.matrix, p, inverse[i])
    seen, fitted = counts.copy(), np.where(work.face, work.means, 0.0)
    superset_sum(seen, design.shape)
    superset_sum(fitted, design.shape)
    for t in range(ranges.shape[0]):
        first, last = ranges[t, 0], ranges[t, 1]
        if state.inside[t]:
            state.change[t] = _leaving(state, work, p, inverse, first, last)
        else:
            gain = _entering(state, work, p, first, last)
            if ranges[t, 2] > 0:
                gain = max(gain, _gain_of_margin(seen, fitted, ranges[t]))
            state.change[t] = -gain
    _return_of_cells(design, work, p, state, ranges)
    return True


@nb.njit(cache=True, nogil=True)
def _slopes(counts, design, work, state):  # type: ignore[no-untyped-def]
    """Score and information over all parameters at a fit."""
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


@nb.njit(cache=True, nogil=True)
def _flip(state, ranges, t):  # type: ignore[no-untyped-def]
    state.inside[t] = not state.inside[t]
    for u in range(ranges[t, 0], ranges[t, 1]):
        state.member[u] = state.inside[t]


@nb.njit(cache=True, nogil=True)
def _best_flip(  # type: ignore[no-untyped-def]
    counts, sums, state, ranges, size, value, kind, design, work, asked, hidden, limits, excused
):
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
            asked,
            hidden,
            limits,
        )
        _flip(state, ranges, t)
        usable = status <= NOT_ESTIMABLE and determined(limits, excused)
        if usable and deviance + penalty < best_value:
            best, best_value = t, deviance + penalty
            _remember(work, p, state.trial)
    return best, best_value


@nb.njit(cache=True, nogil=True)
def _search_one(counts, main, ranges, kind, design, work, asked, state, hidden, limits):  # type: ignore[no-untyped-def]
    """Search one table; the status of the last fit."""
    cold = np.zeros(0)
    sums = counts.copy()
    superset_sum(sums, design.shape)
    for u in range(main.size):
        state.member[u] = main[u]
    for t in range(ranges.shape[0]):
        state.inside[t] = False
    # No model can say anything of a level that nobody has, so none is worse for it.
    excused = without_persons(counts, design.shape, design.n_hidden)
    start = cold
    while True:
        status, p, deviance = fit_one(
            counts, sums, state.member, start, np.inf, design, work, asked, hidden, limits
        )
        if status == NOT_CONVERGED:
            return status
        _remember(work, p, state.b)
        size = 0
        for u in range(main.size):
            size += state.member[u]
        usable = status <= NOT_ESTIMABLE and determined(limits, excused)
        value = deviance + penalty_of(kind, size, sums[0]) if usable else np.inf
        _slopes(counts, design, work, state)
        if not screen(counts, design, work, p, ranges, state):
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
            asked,
            trial_hidden,
            trial_limits,
            excused,
        )
        if t < 0:
            return status
        _flip(state, ranges, t)
        start = state.trial.copy()


@nb.njit(cache=True, nogil=True)
def _search_many(tables, main, ranges, kind, design, work, asked, state, out):  # type: ignore[no-untyped-def]
    for t in range(tables.shape[0]):
        status = _search_one(
            tables[t], main, ranges, kind, design, work, asked, state, out.hidden[t], out.limits[t]
        )
        out.failed[t] = status == NOT_CONVERGED
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
        Parameters of every model: the constant, the main effects, terms that are kept.
    ranges : int64 array (T, 6)
        Parameters and cells of each other two-way term, see `mse.loglinear.designs.TableDesign.ranges`.
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
    work = make_workspace(design)
    with ExactCheck(design, work) as check:
        _search_many(tables, main, ranges, kind, design, work, check.asked, state, out)
    return out
