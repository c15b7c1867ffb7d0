"""Log-linear models with real-valued columns on an explicit design: existence and fit.

The kernels of the lattice know indicators only. Models of unequal catchability have columns such as
the number of lists a person is on, but few parameters, so here the design is written out.

Rows stand for observable cells, or for classes of cells with one mean: row r has design x(r), a
size m(r) and mean ``m(r) exp(x(r)'b)``. Some coefficients may be bound to be nonnegative, for
instance the curvature of a lower bound model. As in `mse.core.existence`, a direction d with
``x(r)'d = 0`` wherever somebody was seen and ``x(r)'d <= 0`` elsewhere, here also ``d >= 0`` for the
bounded coefficients, never lowers the likelihood; the rows that all such directions leave alone are
the facial set (Fienberg & Rinaldo 2012, Annals of Statistics 40, 996-1023). Columns are real, so this
is decided by linear programs on rows scaled to 1, not by integer arithmetic.
"""

from __future__ import annotations

from math import exp, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import qr, solve_triangular

from mse.core.batch import BOUNDARY, NOT_CONVERGED, NOT_ESTIMABLE, OK
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO
from mse.core.explicit_fit import Rows, deviance_of, fit_rows
from mse.core.newton import START_COUNT

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray

#: Slopes of scaled rows below this are zero: their rounding errors are of the order of 1e-14.
SLOPE_TOLERANCE = 1e-9
#: Directions and slopes that a linear program returns are told from zero by this; the solver's own
#: tolerance is 1e-7 on rows scaled to 1.
PROGRAM_TOLERANCE = 1e-6
#: A fit is finished when no log mean would change by more than this: Newton's error after the step
#: is of the order of its square.
STEP_TOLERANCE = 1e-7
MAX_ITERATIONS = 500
#: Beyond this an exponential in the search for a step length is not worth computing.
_LARGE_STEP = 30.0


class DenseDesign(NamedTuple):
    """A table and a model, written out.

    Attributes
    ----------
    rows : float64 array (R, P)
        Design row of each observable cell, or class of cells.
    log_sizes : float64 array (R,)
        Log of the number of cells in each class.
    hidden : float64 array (P,)
        Design row of the unobservable cell.
    nonnegative : bool array (P,)
        Coefficients bound to be at least zero.
    """

    rows: FloatArray
    log_sizes: FloatArray
    hidden: FloatArray
    nonnegative: BoolArray


class DenseFit(NamedTuple):
    """One model on one table.

    Attributes
    ----------
    status : int
        Code of `mse.core.batch.STATUSES`.
    limit : int
        Code of `mse.core.existence.LIMITS`.
    hidden : float
        Persons on no list; NaN where not estimable.
    variance : float
        Variance of the log hidden count, bounds that are reached taken as given.
    deviance : float
        Over the rows, at the supremum of the likelihood.
    means : float64 array (R,)
        Extended maximum likelihood means, persons.
    face : bool array (R,)
        The facial set.
    coefficients : float64 array (P,)
        Log scale; NaN for columns that the facial set does not determine.
    """

    status: int
    limit: int
    hidden: float
    variance: float
    deviance: float
    means: FloatArray
    face: BoolArray
    coefficients: FloatArray

    @property
    def kept(self) -> IntArray:
        """Positions of the columns that were fitted."""
        return np.flatnonzero(~np.isnan(self.coefficients))


# Linear algebra ----------------------------------------------------------------------------------


def null_space(rows: FloatArray) -> FloatArray:
    """Directions that no row sees, (P, m) float64, in columns.

    In echelon form: some m rows are those of the identity, and what is an integer in exact
    arithmetic is one here. So the slopes of indicator columns are exact, and linear programs whose
    only solutions lie on an edge do not lose them to rounding.
    """
    # The triangular factor has the null space of the rows, and only P rows.
    triangle = np.asarray(np.linalg.qr(rows, mode="r"))
    _, singular, right = np.linalg.svd(triangle, full_matrices=True)
    cut = 10 * max(rows.shape) * np.finfo(np.float64).eps * singular.max(initial=0.0)
    basis = np.asarray(right[int((singular > cut).sum()) :].T)
    if basis.shape[1] == 0:
        return basis
    _, pivots = qr(basis.T, mode="r", pivoting=True)
    basis = basis @ np.linalg.inv(basis[pivots[: basis.shape[1]]])
    whole = np.rint(basis)
    return np.asarray(np.where(np.abs(basis - whole) < SLOPE_TOLERANCE, whole, basis))


def independent_columns(rows: FloatArray, first: BoolArray) -> IntArray:
    """Positions of a largest set of independent columns, those marked `first` preferred."""
    triangle = np.asarray(np.linalg.qr(rows, mode="r"))
    basis = np.zeros((triangle.shape[0], 0))
    kept = []
    for j in [*np.flatnonzero(first), *np.flatnonzero(~first)]:
        column = triangle[:, j]
        # Twice is enough (Giraud, Langou & Rozloznik 2005).
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > SLOPE_TOLERANCE * float(np.linalg.norm(column)):
            basis = np.column_stack([basis, rest / length])
            kept.append(j)
    return np.asarray(sorted(kept), dtype=np.int64)


def _slopes(rows: FloatArray, basis: FloatArray) -> FloatArray:
    """Slope of each row along each direction, scaled to 1 where it is not zero."""
    slopes = np.asarray(rows @ basis)
    noise = SLOPE_TOLERANCE * np.abs(rows).max(axis=1, initial=0.0)
    slopes[np.abs(slopes) <= noise[:, None]] = 0.0
    largest = np.abs(slopes).max(axis=1, initial=0.0)
    return slopes / np.where(largest > 0, largest, 1.0)[:, None]


def _scaled(design: DenseDesign, seen: BoolArray) -> DenseDesign:
    """Bring the columns to one size where somebody was seen; none of the answers depends on it."""
    scale = np.abs(design.rows[seen]).max(axis=0, initial=0.0)
    everywhere = np.abs(design.rows).max(axis=0, initial=0.0)
    scale = np.where(scale > 0, scale, np.where(everywhere > 0, everywhere, 1.0))
    # Powers of two leave integers exact.
    scale = np.exp2(np.rint(np.log2(scale)))
    return design._replace(rows=design.rows / scale, hidden=design.hidden / scale)


# Existence ---------------------------------------------------------------------------------------


def facial_set(seen: BoolArray, design: DenseDesign) -> BoolArray:
    """Rows whose extended maximum likelihood mean is positive.

    Parameters
    ----------
    seen : bool array (R,)
        Rows in which somebody was seen.
    design : DenseDesign
        The model, its columns of one size.
    """
    basis = null_space(design.rows[seen])
    if basis.shape[1] == 0:
        return np.ones(seen.size, dtype=np.bool_)
    from scipy.optimize import linprog

    slopes = _slopes(design.rows, basis)
    slopes[seen] = 0.0
    _, first, where = np.unique(np.round(slopes, 9), axis=0, return_index=True, return_inverse=True)
    unique = slopes[first]
    m, q = basis.shape[1], len(unique)
    bounds = _slopes(np.eye(len(design.hidden))[design.nonnegative], basis)
    # Of all rows, as many as possible go down, by up to 1: a cone has a direction with them all.
    answer = linprog(
        np.concatenate([np.zeros(m), -np.ones(q)]),
        A_ub=np.block([[unique, np.eye(q)], [-bounds, np.zeros((len(bounds), q))]]),
        b_ub=np.zeros(q + len(bounds)),
        bounds=[(None, None)] * m + [(0, 1)] * q,
        method="highs",
    )
    if answer.x is None:
        raise ArithmeticError("the linear program of the facial set was not solved")
    inside = answer.x[m:] < 0.5
    return np.asarray(inside[where.ravel()])


def hidden_limit(face: BoolArray, design: DenseDesign) -> int:
    """Where the hidden count goes: a code of `mse.core.existence.LIMITS`.

    Parameters
    ----------
    face : bool array (R,)
        The facial set.
    design : DenseDesign
        The model, its columns of one size.
    """
    free = null_space(design.rows[face])
    slope = _slopes(design.hidden[None, :], free)[0]
    if not slope.any():
        return FINITE
    from scipy.optimize import linprog

    # Directions that leave the face alone and lower, or leave alone, everything else.
    outside = _slopes(design.rows[~face], free)
    bounds = _slopes(np.eye(len(design.hidden))[design.nonnegative], free)
    moves = []
    for sign in (1.0, -1.0):
        answer = linprog(
            -sign * slope,
            A_ub=np.vstack([outside, -bounds]),
            b_ub=np.zeros(len(outside) + len(bounds)),
            bounds=[(-1, 1)] * slope.size,
            method="highs",
        )
        if answer.fun is None:
            raise ArithmeticError("the linear program of the hidden count was not solved")
        moves.append(-answer.fun > PROGRAM_TOLERANCE)
    if moves[0] == moves[1]:
        return INDETERMINATE
    return INFINITE if moves[0] else ZERO


# Maximum likelihood ------------------------------------------------------------------------------


def _newton_step(
    information: FloatArray, score: FloatArray, b: FloatArray, bounded: BoolArray
) -> FloatArray:
    """Maximize the quadratic model of the likelihood with the bounded coefficients kept nonnegative.

    The free coefficients are eliminated; what remains is a nonnegative least-squares problem in
    the Cholesky factor of the Schur complement (Lawson & Hanson 1974, chapter 23).
    """
    if not bounded.any():
        return np.asarray(np.linalg.solve(information, score))
    from scipy.optimize import nnls

    free = ~bounded
    cross = information[np.ix_(free, bounded)]
    inner = np.linalg.solve(information[np.ix_(free, free)], np.column_stack([cross, score[free]]))
    schur = information[np.ix_(bounded, bounded)] - cross.T @ inner[:, :-1]
    right = score[bounded] - cross.T @ inner[:, -1] + schur @ b[bounded]
    factor = np.linalg.cholesky(schur)
    target, _ = nnls(factor.T, solve_triangular(factor, right, lower=True))
    step = np.empty_like(b)
    step[bounded] = target - b[bounded]
    step[free] = inner[:, -1] - inner[:, :-1] @ step[bounded]
    return step


def _damping(means: FloatArray, change: FloatArray, gain: float) -> float:
    # Along the step the likelihood rises by t * gain - sum mu (exp(t a) - 1 - t a), and gain is at
    # least the sum of mu a^2; with every t a <= 1 a full step then needs no search.
    t, largest = 1.0, float(change.max())
    while t * largest > 1.0:
        if t * largest < _LARGE_STEP:
            loss = float(means @ (np.expm1(t * change) - t * change))
            if t * gain - loss > 0.1 * t * gain:
                break
        t *= 0.5
    return t


def _start(counts: FloatArray, rows: FloatArray, log_sizes: FloatArray) -> FloatArray:
    """Coefficients from one weighted least-squares step at the counts themselves."""
    weight = np.maximum(counts, 0.0) + START_COUNT
    root = np.sqrt(weight)
    target = root * (np.log(weight) - log_sizes)
    return np.asarray(np.linalg.lstsq(rows * root[:, None], target, rcond=None)[0])


def maximize(
    counts: FloatArray, design: DenseDesign, start: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Maximize the Poisson likelihood over all rows of a design of full rank.

    Parameters
    ----------
    counts : float64 array (R,)
        Persons; need not be whole, nor positive where their sufficient statistics allow it.
    design : DenseDesign
        The model; its columns are independent.
    start : float64 array (P,), optional
        Where to begin.

    Returns
    -------
    coefficients : float64 array (P,)
    means : float64 array (R,)

    Raises
    ------
    ArithmeticError
        Where Newton's method did not get to a maximum.
    """
    try:
        return _maximize(counts, design, start)
    except ArithmeticError:
        if design.nonnegative.any():
            raise
    # Counts of very different sizes need coordinates of their own.
    fit = fit_rows(counts, Rows(design.rows, design.rows[:0], design.log_sizes))
    return fit.coefficients, np.exp(fit.log_means)


def _maximize(
    counts: FloatArray, design: DenseDesign, start: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Maximize the likelihood in the coordinates of the design."""
    scale = np.abs(design.rows).max(axis=0)
    rows, bounded = design.rows / scale, design.nonnegative
    if start is None:
        b = np.zeros(scale.size)
        b[~bounded] = _start(counts, rows[:, ~bounded], design.log_sizes)
    else:
        b = start * scale
    for _ in range(MAX_ITERATIONS):
        means = np.exp(np.minimum(design.log_sizes + rows @ b, 700.0))
        information = rows.T @ (rows * means[:, None])
        score = rows.T @ (counts - means)
        try:
            step = _newton_step(information, score, b, bounded)
        except (np.linalg.LinAlgError, RuntimeError) as error:
            raise ArithmeticError(f"the information matrix is singular: {error}") from error
        change = rows @ step
        b += _damping(means, change, float(score @ step)) * step
        if not np.isfinite(change).all():
            break
        if np.abs(change).max() <= STEP_TOLERANCE:
            return b / scale, np.exp(design.log_sizes + rows @ b)
    raise ArithmeticError("Newton's method did not reach the maximum of the likelihood")


def _log_variance(means: FloatArray, design: DenseDesign, coefficients: FloatArray) -> float:
    """Variance of the log hidden count, from the information in the coefficients not at a bound."""
    free = ~(design.nonnegative & (coefficients == 0))
    scale = np.abs(design.rows[:, free]).max(axis=0)
    rows = design.rows[:, free] / scale
    hidden = design.hidden[free] / scale
    return float(hidden @ np.linalg.solve(rows.T @ (rows * means[:, None]), hidden))


def restricted(design: DenseDesign, face: BoolArray, kept: IntArray) -> DenseDesign:
    """Keep some rows and columns of a design."""
    return DenseDesign(
        design.rows[np.ix_(face, kept)],
        design.log_sizes[face],
        design.hidden[kept],
        design.nonnegative[kept],
    )


def fit_dense(counts: FloatArray, design: DenseDesign) -> DenseFit:
    """Fit a model to a table: facial set, means, deviance, hidden count.

    Parameters
    ----------
    counts : float64 array (R,)
        Persons, nonnegative.
    design : DenseDesign
        The model.
    """
    seen = counts > 0
    means = np.zeros(counts.size)
    coefficients = np.full(design.hidden.size, nan)
    try:
        scaled = _scaled(design, seen)
        face = facial_set(seen, scaled)
        limit = hidden_limit(face, scaled)
        kept = independent_columns(scaled.rows[face], ~design.nonnegative)
        part = restricted(design, face, kept)
        if kept.size:
            coefficients[kept], means[face] = maximize(counts[face], part)
    except ArithmeticError:
        face = np.ones(counts.size, dtype=np.bool_)
        return DenseFit(NOT_CONVERGED, INDETERMINATE, nan, nan, nan, means, face, coefficients)
    deviance = deviance_of(counts[face], means[face])
    if limit != FINITE:
        return DenseFit(NOT_ESTIMABLE, limit, nan, nan, deviance, means, face, coefficients)
    status = OK if face.all() and kept.size == design.hidden.size else BOUNDARY
    hidden = exp(float(part.hidden @ coefficients[kept]))
    variance = _log_variance(means[face], part, coefficients[kept])
    return DenseFit(status, limit, hidden, variance, deviance, means, face, coefficients)


def refit_dense(counts: FloatArray, design: DenseDesign, fit: DenseFit) -> tuple[float, float]:
    """Fit the same model to modified counts.

    Parameters
    ----------
    counts : float64 array (R,)
        Persons, modified; those outside the facial set are not read.
    design : DenseDesign
        The model.
    fit : DenseFit
        An estimable fit to the counts as they were observed.

    Returns
    -------
    hidden : float
        Persons on no list.
    variance : float
        Variance of its log.

    Raises
    ------
    ArithmeticError
        Where the modified counts have no maximum.
    """
    part = restricted(design, fit.face, fit.kept)
    coefficients, means = maximize(counts[fit.face], part, fit.coefficients[fit.kept])
    hidden = exp(float(part.hidden @ coefficients))
    return hidden, _log_variance(means, part, coefficients)
