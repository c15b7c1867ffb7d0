"""Newton's method for the Poisson likelihood of a hierarchical model, without a design matrix.

For counts n(c) over the cells of a face and parameters b, log means are the subset sum of b,
the score is X'(n - mu) and the information X'diag(mu)X; both are superset sums read at the
cells of the parameters and at their unions (see `mse.core.lattice`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.lattice import observable_cells, subset_sum, superset_sum, unions

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray

#: How a Newton iteration ended.
CERTIFIED, UNDECIDED, EXHAUSTED, SURPASSED = 0, 1, 2, 3

#: A fit is finished when no fitted mean, observable or hidden, would change by more than this
#: fraction. Newton's error after the step is of the order of its square, below rounding.
STEP_TOLERANCE = 1e-6
#: Smallest ratio of a Cholesky pivot to its diagonal that counts as a nonsingular information
#: matrix: it leaves six digits of a double to the step, and the certificate needs one.
PIVOT_TOLERANCE = 1e-10
#: A step that lowers some log mean by about one per iteration while the decrement is already
#: small is what a diverging fit looks like; the exact check then decides.
RECEDING_STEP = -0.8
RECEDING_DECREMENT = 1e-2
#: Added to each count for the least-squares start, so that empty cells have a logarithm.
START_COUNT = 0.1
#: Newton converges quadratically; damped phases of a sparse table take some 20 iterations.
MAX_ITERATIONS = 200
#: Largest argument of an exponential that stays finite.
LARGEST_LOG = 700.0


class Design(NamedTuple):
    """A table's axes and the parameters that models on it choose from.

    Attributes
    ----------
    shape : int64 array (d,)
        Levels of each axis; their product is C.
    observable : bool array (C,)
        Cells that can be seen.
    n_hidden : int
        The first `n_hidden` cells (on no list, one for each stratum) cannot.
    cells : int64 array (U,)
        Cell of each parameter, the constant (cell 0) first.
    union : int64 array (U, U)
        Cell of the union of two parameters, `CONFLICT` where there is none.
    """

    shape: IntArray
    observable: BoolArray
    n_hidden: int
    cells: IntArray
    union: IntArray


class Workspace(NamedTuple):
    """Arrays that one fit writes to, reused from fit to fit."""

    means: FloatArray  # (C,)
    sums: FloatArray  # (C,)
    step: FloatArray  # (C,)
    b: FloatArray  # (U,)
    h: FloatArray  # (U,)
    score: FloatArray  # (U,)
    matrix: FloatArray  # (U, U)
    chosen: IntArray  # (U,) positions of the parameters in the fit
    face: BoolArray  # (C,) cells in the likelihood


def make_design(shape: tuple[int, ...], n_lists: int, cells: IntArray) -> Design:
    """Describe the table and the parameters that its models choose from.

    Parameters
    ----------
    shape : tuple of int
        Levels of each axis, the lists first.
    n_lists : int
        Number of lists K.
    cells : int64 array (U,)
        Cells of the parameters, the constant first.
    """
    axes = np.asarray(shape, dtype=np.int64)
    observable = observable_cells(axes, n_lists)
    return Design(axes, observable, observable.size >> n_lists, cells, unions(cells, axes))


def make_workspace(design: Design) -> Workspace:
    """Allocate the arrays for fits on a design."""
    n_cells, n_parameters = design.observable.size, design.cells.size
    return Workspace(
        means=np.zeros(n_cells),
        sums=np.zeros(n_cells),
        step=np.zeros(n_cells),
        b=np.zeros(n_parameters),
        h=np.zeros(n_parameters),
        score=np.zeros(n_parameters),
        matrix=np.zeros((n_parameters, n_parameters)),
        chosen=np.zeros(n_parameters, dtype=np.int64),
        face=design.observable.copy(),
    )


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def cholesky(matrix, p):  # type: ignore[no-untyped-def]
    """Factor the leading p x p block in place (lower triangle); False where it is singular."""
    for i in range(p):
        diagonal = matrix[i, i]
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                if not total > PIVOT_TOLERANCE * diagonal:
                    return False
                matrix[i, i] = np.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    return True


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def cholesky_solve(factor, p, x):  # type: ignore[no-untyped-def]
    """Solve for the factored matrix, in place."""
    for i in range(p):
        total = x[i]
        for k in range(i):
            total -= factor[i, k] * x[k]
        x[i] = total / factor[i, i]
    for i in range(p - 1, -1, -1):
        x[i] /= factor[i, i]
        for k in range(i):
            x[k] -= factor[i, k] * x[i]


@nb.njit(cache=True, nogil=True)
def information(sums, union, chosen, p, matrix):  # type: ignore[no-untyped-def]
    """Write the lower triangle of X'WX, read from the superset sums of the weights W."""
    for i in range(p):
        row = union[chosen[i]]
        for j in range(i + 1):
            cell = row[chosen[j]]
            matrix[i, j] = sums[cell] if cell >= 0 else 0.0


@nb.njit(cache=True, nogil=True)
def spread(x, cells, chosen, p, shape, out):  # type: ignore[no-untyped-def]
    """Put coefficients on their cells and take the subset sum: the linear predictor."""
    for c in range(out.size):
        out[c] = 0.0
    for i in range(p):
        out[cells[chosen[i]]] = x[i]
    subset_sum(out, shape)


@nb.njit(cache=True, nogil=True)
def means_of(design, work, p):  # type: ignore[no-untyped-def]
    """Set the means of every cell, hidden ones included, from the coefficients."""
    spread(work.b, design.cells, work.chosen, p, design.shape, work.means)
    for c in range(work.means.size):
        work.means[c] = np.exp(min(work.means[c], LARGEST_LOG))


@nb.njit(cache=True, nogil=True)
def least_squares_start(counts, design, work, p):  # type: ignore[no-untyped-def]
    """Start from one weighted least-squares step at means n + START_COUNT; False if singular."""
    sums, right = work.sums, work.step
    for c in range(counts.size):
        weight = counts[c] + START_COUNT if work.face[c] else 0.0
        sums[c] = weight
        right[c] = weight * np.log(weight) - START_COUNT if work.face[c] else 0.0
    superset_sum(sums, design.shape)
    superset_sum(right, design.shape)
    information(sums, design.union, work.chosen, p, work.matrix)
    for i in range(p):
        work.b[i] = right[design.cells[work.chosen[i]]]
    if not cholesky(work.matrix, p):
        return False
    cholesky_solve(work.matrix, p, work.b)
    return True


@nb.njit(cache=True, nogil=True)
def newton_step(counts, design, work, p):  # type: ignore[no-untyped-def]
    """Compute the step h, its effect on every log mean, and the decrement; NaN if singular."""
    sums, residual = work.sums, work.step
    for c in range(counts.size):
        sums[c] = work.means[c] if work.face[c] else 0.0
        residual[c] = counts[c] - work.means[c] if work.face[c] else 0.0
    superset_sum(sums, design.shape)
    superset_sum(residual, design.shape)
    information(sums, design.union, work.chosen, p, work.matrix)
    for i in range(p):
        work.score[i] = work.h[i] = residual[design.cells[work.chosen[i]]]
    if not cholesky(work.matrix, p):
        return np.nan
    cholesky_solve(work.matrix, p, work.h)
    decrement = 0.0
    for i in range(p):
        decrement += work.score[i] * work.h[i]
    spread(work.h, design.cells, work.chosen, p, design.shape, work.step)
    return decrement


@nb.njit(cache=True, nogil=True)
def damping(work, decrement, largest):  # type: ignore[no-untyped-def]
    """Choose the share of a Newton step to take, so that the likelihood rises.

    Along the step it rises by t * decrement - sum mu (exp(t a) - 1 - t a). With every t a <= 1 that is
    at least 0.28 t * decrement, so a full step then needs no search.
    """
    t = 1.0
    while t * largest > 1.0:
        if t * largest < 30.0:
            loss = 0.0
            for c in range(work.means.size):
                if work.face[c]:
                    a = t * work.step[c]
                    loss += work.means[c] * (np.exp(a) - 1.0 - a)
            if t * decrement - loss > 0.1 * t * decrement:
                break
        t *= 0.5
    return t


@nb.njit(cache=True, nogil=True)
def step_range(design, work):  # type: ignore[no-untyped-def]
    """Smallest and largest change of a log mean on the face, and the largest of a hidden one."""
    smallest, largest, hidden = 0.0, 0.0, 0.0
    for c in range(work.face.size):
        if work.face[c]:
            largest = max(largest, work.step[c])
            smallest = min(smallest, work.step[c])
        elif c < design.n_hidden:
            hidden = max(hidden, abs(work.step[c]))
    return smallest, largest, hidden


@nb.njit(cache=True, nogil=True)
def deviance_of(counts, work):  # type: ignore[no-untyped-def]
    """Deviance of the current means over the cells of the face."""
    total = 0.0
    for c in range(counts.size):
        if work.face[c]:
            total += work.means[c] - counts[c]
            if counts[c] > 0.0:
                total += counts[c] * np.log(counts[c] / work.means[c])
    return 2.0 * total


@nb.njit(cache=True, nogil=True)
def deviance_below(counts, work):  # type: ignore[no-untyped-def]
    """Bound the smallest deviance of the model from below, after a Newton step was computed.

    With step a, m = mu (1 + a) reproduces the sufficient statistics. If it is nonnegative, no
    parameters have a log likelihood above sum m log m - m (weak duality: each term of
    m eta - exp(eta) is largest at eta = log m), so the deviance can fall by no more than
    2 sum mu ((1 + a) log(1 + a) - a) below its present value.
    """
    gap = 0.0
    for c in range(counts.size):
        if work.face[c]:
            a = work.step[c]
            if a < -1.0:
                return 0.0
            if a > -1.0:
                gap += work.means[c] * ((1.0 + a) * np.log1p(a) - a)
            else:
                gap += work.means[c]
    return max(deviance_of(counts, work) - 2.0 * gap, 0.0)


@nb.njit(cache=True, nogil=True)
def newton(counts, design, work, p, patience, ceiling):  # type: ignore[no-untyped-def]
    """Maximize the Poisson likelihood over the cells of a face.

    The Newton step h solves H h = X'(n - mu). Were n' = mu (1 + X h), then X'n' = X'n exactly, so
    if every entry of 1 + X h is positive the sufficient statistics lie inside the cone of
    the design and the estimate exists with all means positive (Fienberg & Rinaldo 2012, section
    3). A fit that ends with all steps below `STEP_TOLERANCE` carries that certificate; in a
    diverging fit the step of the vanishing cells tends to -1 and never gets there.

    Parameters
    ----------
    counts : float64 array (C,)
        Persons; only the cells of the face are read.
    design : Design
        Axes and parameters.
    work : Workspace
        ``face`` and the first p of ``chosen`` and ``b`` are the question and the start; ``b``,
        ``means`` and ``matrix`` (Cholesky factor of the information at the last step) the answer.
    p : int
        Number of parameters.
    patience : int
        Iterations before a receding fit is handed to the exact check.
    ceiling : float
        The fit is of no interest if its deviance is above this; infinite if it always is.

    Returns
    -------
    int
        `CERTIFIED`, `UNDECIDED` (receding or singular), `EXHAUSTED`, or `SURPASSED` where the
        deviance is certain to end above the ceiling.
    """
    means_of(design, work, p)
    for iteration in range(1, MAX_ITERATIONS + 1):
        decrement = newton_step(counts, design, work, p)
        if np.isnan(decrement):
            return UNDECIDED
        if ceiling < np.inf and deviance_below(counts, work) > ceiling:
            return SURPASSED
        smallest, largest, hidden = step_range(design, work)
        t = damping(work, decrement, largest)
        for i in range(p):
            work.b[i] += t * work.h[i]
        if max(largest, -smallest, hidden) <= STEP_TOLERANCE:
            means_of(design, work, p)
            return CERTIFIED
        for c in range(counts.size):
            work.means[c] *= np.exp(min(t * work.step[c], LARGEST_LOG))
        if iteration >= patience and smallest < RECEDING_STEP and decrement < RECEDING_DECREMENT:
            return UNDECIDED
    return EXHAUSTED
