"""Poisson fits on design rows that are written out, whatever the sizes of the counts.

The information matrix of counts from 1 to 1e9 has entries of all these sizes in the coordinates of a
hierarchical model, and rounding of the large ones drowns what the small cells say. Here a fit works in
coordinates of its own: the log means of p cells, the *basis*, chosen greedily as the cells with the
largest means whose rows are independent. The row of any other cell is a combination of rows of basis
cells with means at least as large (else that cell would have been chosen: the greedy algorithm
for matroids, Edmonds 1971, Mathematical Programming 1, 127-136), with coefficients that do not depend on
the means. So the information matrix, scaled by the means of the basis, is the identity plus a positive
semidefinite matrix of bounded entries: it is well conditioned for every set of means, and each step is
known to nearly all digits. That weighted least squares can be solved so accurately in spite of
weights of all sizes is known (Stewart 1989, Linear Algebra and its Applications 112, 189-193).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import xlogy

from mse.core.newton import LARGEST_LOG, SMALL_RATIO, misfit, spread

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray
    from mse.core.newton import Design

#: Coefficients of rows are ratios of small whole numbers; smaller ones are rounding errors of zero.
ZERO_COEFFICIENT = 1e-9
#: Log ratio of a mean to a smaller one in its basis from which the basis is chosen anew; the condition
#: grows with that ratio.
STALE_RATIO = 4.0
#: Added to each count for a start, so that empty cells have a logarithm.
START_COUNT = 0.1
#: As of `mse.core.newton`: Newton's error after a step is of the order of its square.
STEP_TOLERANCE = 1e-6
#: An overshooting log mean comes down by one in a step, and means differ by e^700 at most.
MAX_ITERATIONS = 2000
#: Newton steps from a fit to one with another hidden total.
MOST_CHANGES = 300
#: Eigenvalues of a scaled matrix below this are rounding.
LEAST_CURVATURE = 1e-13
#: Relative rounding of a sum: rises within it are none.
ROUNDED_SUM = 1e-13
#: Entries of rows beyond which no table is written out: 160 MB.
MOST_ENTRIES = 20_000_000
#: Beyond this an exponential in the search for a step length is not worth computing.
LARGE_STEP = 30.0


class Rows(NamedTuple):
    """A model on explicit cells.

    seen: (R, p), design rows of the cells in the likelihood; their rank is p
    hidden: (Q, p), rows of other cells whose means are wanted
    offset: (R,), known part of each log mean in the likelihood
    """

    seen: FloatArray
    hidden: FloatArray
    offset: FloatArray


class Basis(NamedTuple):
    """Coordinates: the log means, less their offsets, of p cells."""

    cells: IntArray  # (p,)
    seen: FloatArray  # (R, p) rows in these coordinates
    hidden: FloatArray  # (Q, p)


class Changes(NamedTuple):
    """How far log means have moved from a fit."""

    seen: FloatArray  # (R,)
    hidden: FloatArray  # (Q,)


class ExplicitFit(NamedTuple):
    """A maximum of the likelihood.

    log_means: (R,)
    log_hidden: (Q,)
    coefficients: (p,), in the coordinates of the design
    basis: well-conditioned coordinates at the maximum
    """

    log_means: FloatArray
    log_hidden: FloatArray
    coefficients: FloatArray
    basis: Basis


def design_rows(design: Design, chosen: IntArray, cells: IntArray) -> FloatArray:
    """Write out the design rows of some cells, (cells, parameters) float64."""
    rows = np.zeros((cells.size, chosen.size))
    column, one = np.zeros(design.observable.size), np.ones(1)
    for j in range(chosen.size):
        spread(one, design, chosen[j : j + 1], 1, column)
        rows[:, j] = column[cells]
    return rows


def explicit_rows(
    design: Design,
    chosen: IntArray,
    seen: IntArray,
    hidden: IntArray | None = None,
    offset: FloatArray | None = None,
) -> Rows:
    """Write out a model on some cells of a table.

    design: axes and parameters
    chosen: (p,), parameters of the model
    seen, hidden: cells in the likelihood, and others whose means are wanted; by default none
    offset: (R,), known part of the log means of the former; by default zero
    """
    others = np.zeros(0, dtype=np.int64) if hidden is None else hidden
    return Rows(
        design_rows(design, chosen, seen),
        design_rows(design, chosen, others),
        np.zeros(seen.size) if offset is None else offset,
    )


def heaviest_basis(rows: Rows, log_weights: FloatArray) -> Basis:
    """Choose the independent rows with the largest weights and write all rows in terms of them.

    rows: the model
    log_weights: (R,), log of what each row weighs
    Raises ArithmeticError: where no p rows are independent
    """
    p = rows.seen.shape[1]
    order = np.argsort(-log_weights, kind="stable")
    cells: list[int] = []
    # What is an entry and what is rounding does not depend on the units of the columns.
    largest = np.abs(rows.seen).max(axis=0, initial=0.0)
    scaled = rows.seen / np.exp2(np.rint(np.log2(np.where(largest > 0, largest, 1.0))))
    reduced, pivots = np.zeros((p, p)), np.zeros(p, dtype=np.int64)
    for c in order:
        k = len(cells)
        if k == p:
            break
        row = scaled[c] - scaled[c, pivots[:k]] @ reduced[:k]
        pivot = int(np.argmax(np.abs(row)))
        if abs(row[pivot]) <= ZERO_COEFFICIENT * np.abs(scaled[c]).max(initial=0.0):
            continue
        reduced[k] = row / row[pivot]
        reduced[:k] -= np.outer(reduced[:k, pivot], reduced[k])
        pivots[k] = pivot
        cells.append(int(c))
    if len(cells) < p:
        raise ArithmeticError("the design rows are not independent")
    chosen = np.asarray(cells, dtype=np.int64)
    inverse = np.linalg.inv(rows.seen[chosen])
    seen = _tidy(rows.seen @ inverse)
    rank_of = np.empty(log_weights.size, dtype=np.int64)
    rank_of[order] = np.arange(order.size)
    # A row depends on basis rows before it alone; what rounding leaves of others would be magnified.
    seen[rank_of[:, None] < rank_of[chosen][None]] = 0.0
    seen[chosen] = np.eye(p)
    return Basis(chosen, seen, _tidy(rows.hidden @ inverse))


def _tidy(coefficients: FloatArray) -> FloatArray:
    """Clear rounding from coefficients that are whole numbers, zero above all."""
    whole = np.rint(coefficients)
    near = np.abs(coefficients - whole) < ZERO_COEFFICIENT
    return np.asarray(np.where(near, whole, coefficients))


def scaled_rows(basis: Basis, log_means: FloatArray) -> FloatArray:
    """Square roots of the information: rows times the root of their mean over that of the basis cell."""
    ratio = 0.5 * (log_means[:, None] - log_means[basis.cells][None])
    return np.asarray(
        np.where(basis.seen != 0.0, basis.seen, 0.0) * np.exp(np.minimum(ratio, 300.0))
    )


def _is_stale(basis: Basis, log_means: FloatArray) -> bool:
    ratio = log_means[:, None] - log_means[basis.cells][None]
    return bool((ratio[basis.seen != 0.0] > STALE_RATIO).any())


def _start_at(b: FloatArray, rows: Rows) -> tuple[Basis, FloatArray]:
    """Basis and coordinates of known coefficients."""
    predictor = rows.seen @ b
    basis = heaviest_basis(rows, predictor + rows.offset)
    return basis, np.asarray(predictor[basis.cells])


def _start(counts: FloatArray, rows: Rows) -> tuple[Basis, FloatArray]:
    """Basis and coordinates from one weighted least-squares step at the counts themselves."""
    # Counts that a correction of the bias has changed may be below zero.
    weight = np.maximum(counts, 0.0) + START_COUNT
    basis = heaviest_basis(rows, np.log(weight))
    root = np.sqrt(weight)
    scaled = scaled_rows(basis, np.log(weight))
    target = root * (np.log(weight) - rows.offset)
    found = np.linalg.solve(scaled.T @ scaled, scaled.T @ target)
    return basis, np.asarray(found / root[basis.cells])


def _step(counts: FloatArray, basis: Basis, log_means: FloatArray) -> tuple[FloatArray, float]:
    """Newton step in the coordinates of a basis, and the decrement."""
    scaled = scaled_rows(basis, log_means)
    root = np.exp(0.5 * log_means)
    score = scaled.T @ (counts / root - root)
    step = np.linalg.solve(scaled.T @ scaled, score)
    return np.asarray(step / root[basis.cells]), float(score @ step)


def damping(means: FloatArray, change: FloatArray, decrement: float) -> float:
    """Choose the share of a Newton step to take, as `mse.core.newton.damping` does."""
    t, largest = 1.0, float(change.max(initial=0.0))
    while t * largest > 1.0:
        if t * largest < LARGE_STEP:
            loss = float(means @ (np.expm1(t * change) - t * change))
            if t * decrement - loss > 0.1 * t * decrement:
                break
        t *= 0.5
    return t


def half_covariance_of(rows: Rows, log_means: FloatArray) -> FloatArray:
    """Columns (p, Q) whose products are the covariance of the log means of the hidden cells.

    It is that by the inverse information.

    rows: the model
    log_means: (R,), where the information is taken
    """
    basis = heaviest_basis(rows, log_means)
    scaled = scaled_rows(basis, log_means)
    hidden = basis.hidden * np.exp(-0.5 * log_means[basis.cells])
    factor = np.linalg.cholesky(scaled.T @ scaled)
    return np.asarray(solve_triangular(factor, hidden.T, lower=True))


def rise_of_deviance(means: FloatArray, change: FloatArray) -> float:
    """Half of what the deviance rises by when fitted log means change within their model.

    At a maximum of the likelihood sum n a = sum m a for every change a that the model allows, so the rise
    sum m (exp(a) - 1) - n a is one of terms m (exp(a) - 1 - a), none of which is negative. The
    difference of two deviances would be lost in their rounding where they are large.
    """
    a = np.where(np.abs(change) <= SMALL_RATIO, change, 0.0)
    series = a * a * (0.5 + a * (1 / 6 + a * (1 / 24 + a / 120)))
    direct = np.expm1(np.minimum(change, LARGEST_LOG)) - change
    return float(means @ np.where(np.abs(change) <= SMALL_RATIO, series, direct))


def deviance_of(counts: FloatArray, means: FloatArray) -> float:
    """Poisson deviance of positive means, summed from terms that are not negative."""
    ratio = (counts - means) / means
    small = np.abs(ratio) <= SMALL_RATIO
    a = np.where(small, ratio, 0.0)
    series = a * a * (0.5 - a * (1 / 6 - a * (1 / 12 - a / 20)))
    direct = xlogy(1.0 + ratio, 1.0 + ratio) - ratio
    return float(2.0 * (means @ np.where(small, series, direct)))


def fit_rows(counts: FloatArray, rows: Rows, start: FloatArray | None = None) -> ExplicitFit:
    """Maximize the Poisson likelihood of rows of full rank for which a maximum exists.

    counts: (R,), persons; need not be whole, nor positive where their sufficient statistics allow
        it
    rows: the model
    start: (p,), coefficients to start from; by default it starts from the counts
    Raises ArithmeticError: where the rows are not independent, or Newton's method did not end
    """
    basis, b = _start(counts, rows) if start is None else _start_at(start, rows)
    for _ in range(MAX_ITERATIONS):
        log_means = basis.seen @ b + rows.offset
        if not np.abs(log_means).max() <= LARGEST_LOG:
            # Nothing that a double can hold: there is no maximum, or none that could be written down.
            break
        if _is_stale(basis, log_means):
            basis = heaviest_basis(rows, log_means)
            b = log_means[basis.cells] - rows.offset[basis.cells]
        try:
            step, decrement = _step(counts, basis, log_means)
        except np.linalg.LinAlgError:
            break
        change, hidden = basis.seen @ step, basis.hidden @ step
        largest = max(np.abs(change).max(), np.abs(hidden).max(initial=0.0))
        if not np.isfinite(largest):
            break
        if largest <= STEP_TOLERANCE:
            b = b + step
            coefficients = np.linalg.solve(rows.seen[basis.cells], b)
            log_means = basis.seen @ b + rows.offset
            return ExplicitFit(log_means, basis.hidden @ b, np.asarray(coefficients), basis)
        b = b + damping(np.exp(log_means), change, decrement) * step
    raise ArithmeticError("Newton's method did not reach the maximum of the likelihood")


def changes_with_total(means: Changes, rows: Rows, total: float, start: Changes) -> Changes:
    """Move a fit to the maximum that it has with some persons in all hidden cells together.

    means: fitted means of the cells in the likelihood, and of the hidden cells
    rows: the model
    total: persons in the hidden cells, positive
    start: log means to start from, less those of the fit
    Returns log means at the new maximum, less those of the fit
    Raises ArithmeticError: where Newton's method did not end
    """
    at, value = start, _height(means, start, total)
    for _ in range(MOST_CHANGES):
        try:
            step = _step_with_total(means, rows, total, at)
        except np.linalg.LinAlgError:
            break
        largest = float(max(np.abs(step.seen).max(), np.abs(step.hidden).max()))
        if not np.isfinite(largest):
            break
        t = min(1.0, LARGE_STEP / largest) if largest > 0 else 1.0
        while True:
            moved = Changes(at.seen + t * step.seen, at.hidden + t * step.hidden)
            new = _height(means, moved, total)
            if new <= value * (1 + ROUNDED_SUM) or t * largest <= STEP_TOLERANCE:
                break
            t /= 2
        at, value = moved, new
        if largest <= STEP_TOLERANCE:
            return at
    raise ArithmeticError(f"no fit with {total:g} hidden persons was found")


def _height(means: Changes, at: Changes, total: float) -> float:
    """Half of the deviance with the hidden total as one more count, less that of the fit without it."""
    unseen = float(means.hidden @ np.exp(at.hidden))
    return rise_of_deviance(means.seen, at.seen) + float(misfit(total, unseen))


def _step_with_total(means: Changes, rows: Rows, total: float, at: Changes) -> Changes:
    """Newton step of log means with a hidden total.

    The information is that of the cells one by one, less `total` times the covariance of the hidden rows
    under the split (Louis 1982, JRSS B 44, 226-233); where what is left of it is rounding, or
    negative, the step is shorter.
    """
    seen, hidden = means.seen * np.exp(at.seen), means.hidden * np.exp(at.hidden)
    unseen, n_seen = float(hidden.sum()), seen.size
    together = Rows(np.vstack([rows.seen, rows.hidden]), rows.hidden[:0], rows.offset)
    log_weights = np.log(np.concatenate([seen, hidden]))
    basis = heaviest_basis(together, log_weights)
    scaled = scaled_rows(basis, log_weights)
    # The fit reproduces the sufficient statistics, so its means do for the counts.
    residual = np.concatenate([-means.seen * np.expm1(at.seen), hidden * (total / unseen - 1)])
    score = scaled.T @ (residual * np.exp(-0.5 * log_weights))
    root = np.sqrt(hidden)
    apart = scaled[n_seen:] - np.outer(root, root @ scaled[n_seen:]) / unseen
    values, vectors = np.linalg.eigh(scaled.T @ scaled - total / unseen * (apart.T @ apart))
    values = np.maximum(np.abs(values), LEAST_CURVATURE)
    step = vectors @ ((vectors.T @ score) / values) / np.exp(0.5 * log_weights[basis.cells])
    change = basis.seen @ step
    return Changes(change[:n_seen], change[n_seen:])
