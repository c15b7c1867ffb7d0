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

from math import exp, expm1, log, log1p, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import qr, solve_triangular
from scipy.special import betaln, gammaln, xlog1py, xlogy

from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO
from mse.core.explicit_fit import Rows, deviance_of, fit_rows
from mse.core.fitting import BOUNDARY, NOT_CONVERGED, NOT_ESTIMABLE, OK
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

    rows: (R, P), design row of each observable cell, or class of cells
    log_sizes: (R,), log of the number of cells in each class
    hidden: (P,), design row of the unobservable cell
    nonnegative: (P,) bool, coefficients bound to be at least zero
    """

    rows: FloatArray
    log_sizes: FloatArray
    hidden: FloatArray
    nonnegative: BoolArray


class DenseFit(NamedTuple):
    """One model on one table.

    status: code of `mse.core.fitting.STATUSES`
    limit: code of `mse.core.existence.LIMITS`
    hidden: persons on no list; NaN where not estimable
    variance: variance of the log hidden count, bounds that are reached taken as given
    deviance: over the rows, at the supremum of the likelihood
    means: (R,), extended maximum likelihood means, persons
    face: (R,) bool, the facial set
    coefficients: (P,), log scale; NaN for columns that the facial set does not determine
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

    seen: (R,) bool, rows in which somebody was seen
    design: the model, its columns of one size
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

    face: (R,) bool, the facial set
    design: the model, its columns of one size
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


def newton_step(
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

    counts: (R,), persons; need not be whole, nor positive where their sufficient statistics allow
        it
    design: the model; its columns are independent
    start: (P,), where to begin
    Returns coefficients: (P,)
    Returns means: (R,)
    Raises ArithmeticError: where Newton's method did not get to a maximum
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
            step = newton_step(information, score, b, bounded)
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

    counts: (R,), persons, nonnegative
    design: the model
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

    counts: (R,), persons, modified; those outside the facial set are not read
    design: the model
    fit: an estimable fit to the counts as they were observed
    Returns hidden: persons on no list
    Returns variance: variance of its log
    Raises ArithmeticError: where the modified counts have no maximum
    """
    part = restricted(design, fit.face, fit.kept)
    coefficients, means = maximize(counts[fit.face], part, fit.coefficients[fit.kept])
    hidden = exp(float(part.hidden @ coefficients))
    return hidden, _log_variance(means, part, coefficients)


# First-order bias of the hidden count under the models of `mse.core.dense`, and fits without ------
# With :math:`h` the leverages of the rows of a Poisson model with log link, the coefficients have the bias
# :math:`-I^{-1} X'h / 2` (Cordeiro & McCullagh 1991, JRSS B 53, 629-643), and the hidden count, the
# exponential of :math:`x_0'\beta`, the relative bias of that plus half the variance of its log. Both vanish
# in the solution of the score equation
#
# .. math:: X'(n - \mu(\beta)) + \tfrac12 X'h(\beta) - \tfrac12 x_0 = 0,
#
# with the leverages at the solution itself (Firth 1993, Biometrika 80, 27-38; the last term corrects the
# exponential as well). For two independent lists every leverage is 1 and the total is that of Chapman (1951).

#: Refits to leverages of the refit before; each gains one digit or more where somebody overlaps.
MOST_CORRECTIONS = 200
#: Relative change of the hidden count at which they end.
CHANGE = 1e-10


class FirstOrder(NamedTuple):
    """What first-order theory says of a fit.

    leverages: (R,), of the rows; they add up to the number of coefficients
    variance: of the log hidden count
    bias: of the hidden count, as a share of it
    """

    leverages: FloatArray
    variance: float
    bias: float


def first_order(design: DenseDesign, means: FloatArray) -> FirstOrder:
    """Compute leverages, variance and bias at fitted means.

    design: columns of full rank, none at a bound
    means: (R,), fitted persons
    """
    scale = np.abs(design.rows).max(axis=0)
    rows, hidden = design.rows / scale, design.hidden / scale
    orthogonal, triangle = np.linalg.qr(rows * np.sqrt(means)[:, None])
    leverages = (orthogonal**2).sum(axis=1)
    half = solve_triangular(triangle, hidden, trans="T")
    toward = solve_triangular(triangle, half)
    variance = float(half @ half)
    return FirstOrder(leverages, variance, (variance - float(toward @ (rows.T @ leverages))) / 2)


def unbounded(design: DenseDesign, fit: DenseFit) -> tuple[DenseDesign, FloatArray]:
    """Keep what a fit determines, its coefficients at a bound taken as given, and their values."""
    free = [j for j in fit.kept if not (design.nonnegative[j] and fit.coefficients[j] == 0)]
    part = restricted(design, fit.face, np.asarray(free, dtype=np.int64))
    return part._replace(nonnegative=np.zeros(len(free), dtype=np.bool_)), fit.coefficients[free]


def bias_of(design: DenseDesign, fit: DenseFit) -> float:
    """First-order bias of the hidden count of a maximum likelihood fit, persons."""
    part, _ = unbounded(design, fit)
    return fit.hidden * first_order(part, fit.means[fit.face]).bias


def refit_unbiased(counts: FloatArray, design: DenseDesign, fit: DenseFit) -> tuple[float, float]:
    """Solve the score equation that leaves no first-order bias of the hidden count.

    counts: (R,), persons
    design: the model
    fit: an estimable fit to them
    Returns hidden: persons on no list
    Returns variance: variance of its log
    Raises ArithmeticError: where there is no solution
    """
    part, coefficients = unbounded(design, fit)
    means, hidden = fit.means[fit.face], fit.hidden
    # Persons to take away whose sufficient statistics are those of half a hidden person.
    half = np.linalg.lstsq(part.rows.T, part.hidden / 2, rcond=None)[0]
    for _ in range(MOST_CORRECTIONS):
        theory = first_order(part, means)
        modified = counts[fit.face] + theory.leverages / 2 - half
        coefficients, means = maximize(modified, part, coefficients)
        before, hidden = hidden, exp(float(part.hidden @ coefficients))
        if abs(hidden - before) <= CHANGE * hidden:
            return hidden, first_order(part, means).variance
    raise ArithmeticError("the leverages and the fit did not come to agree")


# Profile likelihood of the population size under the models of `mse.core.dense`, and its ends -----


def log_orderings(observed: float, hidden: float) -> float:
    """Compute ``lgamma(N + 1) - lgamma(N - n + 1)`` without losing the difference of large numbers."""
    return float(gammaln(observed) - betaln(hidden + 1, observed))


def profile_dense(
    counts: FloatArray, design: DenseDesign, fit: DenseFit, log_hidden: float
) -> float:
    """Compute the profile log likelihood of N (Cormack 1992, Biometrics 48, 567-576).

    counts: (R,), persons
    design: the model
    fit: an estimable fit; each evaluation starts there
    log_hidden: log of the number of persons on no list
    Raises ArithmeticError: where the inner fit did not converge
    """
    hidden = exp(log_hidden)
    part = restricted(design, fit.face, fit.kept)
    known = np.append(counts[fit.face], hidden)
    full = DenseDesign(
        np.vstack([part.rows, part.hidden]),
        np.append(part.log_sizes, 0.0),
        part.hidden,
        part.nonnegative,
    )
    _, means = maximize(known, full, fit.coefficients[fit.kept])
    total = float(known.sum())
    # The logs of shares include the sizes of the classes, which are the same for every N. The
    # means add up to N, so a large hidden share is 1 less the others, which keeps its digits; a small
    # one would drown in the rounding of the others.
    shares = means[:-1] / total
    seen = known[:-1] > 0
    none = log(means[-1] / total) if 2 * hidden < total else log1p(-float(shares.sum()))
    kernel = float(known[:-1][seen] @ np.log(shares[seen])) + hidden * none
    # Not the total less the hidden ones, which far out are all of it.
    return log_orderings(float(known[:-1].sum()), hidden) + kernel


# Removal models: how many are left when first captures fall off from occasion to occasion ---------
# Each occasion catches a share p = 1 - q of those not caught before, so the expected numbers of first
# captures are ``m q^(j-1)`` on the occasions j = 1, ..., J, and ``m q^J / (1 - q)`` are never caught
# (Zippin 1956, Biometrics 12, 163-189). Their number n and the sum s of the occasions of first capture are
# sufficient.

#: Refits to the correction at the refit before.
MOST_REFITS = 200


class Removal(NamedTuple):
    """First captures on J occasions.

    caught: persons caught, n
    summed: sum over them of the occasion of first capture, from 1 to J
    occasions: number of occasions J
    before: persons caught before, on an occasion with a probability of its own
    """

    caught: float
    summed: float
    occasions: int
    before: float = 0.0


def removal_limit(data: Removal) -> int:
    """Where the number never caught goes: a code of `mse.core.existence.LIMITS`.

    The mean occasion of first capture is that of a geometric variable truncated at J. It is 1 only
    for q = 0, and (J + 1) / 2 or more only for q >= 1 (Otis et al. 1978, Wildlife Monographs 62,
    section on removal models).
    """
    if data.occasions < 2 or data.caught <= 0:
        return INDETERMINATE
    if data.summed <= data.caught:
        return ZERO
    return FINITE if 2 * data.summed < data.caught * (data.occasions + 1) else INFINITE


def log_passing(data: Removal) -> float:
    """Maximum likelihood estimate of log q, for a finite limit."""
    from scipy.optimize import brentq

    later = np.arange(data.occasions, dtype=np.float64)
    wanted = (data.summed - data.caught) / data.caught

    def excess(b: float) -> float:
        weights = np.exp(b * later)
        return float(later @ weights / weights.sum()) - wanted

    # The mean of j - 1 is at most 1 / (1 - q) - 1, hence at q = wanted / 2 it is too small.
    low = log(min(wanted / 2, 0.1))
    return float(brentq(excess, low, 0.0, xtol=1e-15, rtol=1e-14))


def removal_hidden(data: Removal, b: float) -> float:
    """Persons never caught, for log q = b."""
    return data.caught / expm1(-data.occasions * b)


def removal_variance(data: Removal, b: float) -> float:
    """Variance of the total, persons squared, by the delta method.

    Poisson information in (log m, log q), plus the Poisson variance of the hidden count itself
    (Cormack & Jupp 1991, Biometrika 78, 911-916).
    """
    later = np.arange(data.occasions, dtype=np.float64)
    weights = np.exp(b * later)
    means = data.caught * weights / weights.sum()
    rows = np.column_stack([np.ones_like(later), later])
    hidden = removal_hidden(data, b)
    slope = hidden * np.asarray([1.0, data.occasions + 1 / expm1(-b)])
    return float(hidden + slope @ np.linalg.solve(rows.T @ (rows * means[:, None]), slope))


def removal_correction(data: Removal, b: float) -> float:
    r"""By how much to lower the sum of the occasions for a hidden count without first-order bias.

    Given n, the hidden count is n r(b) with :math:`r = q^J / (1 - q^J)`, and b solves m(b) = s / n - 1
    with m the mean of the truncated geometric distribution, whose variance is m'(b). To second order
    in s its bias is that of a sum raised by

    .. math:: c = \frac12 \left(\frac{r''}{r'} - \frac{m''}{m'}\right)
        = \frac12 \left(J (1 + 2 r) - \frac{\kappa_3}{\kappa_2}\right),

    :math:`\kappa` the second and third cumulants of that distribution.

    data: first captures
    b: log q
    """
    later = np.arange(data.occasions, dtype=np.float64)
    shares = np.exp(b * later)
    shares /= shares.sum()
    away = later - later @ shares
    skewness = float((away**3) @ shares) / float((away**2) @ shares)
    ratio = removal_hidden(data, b) / data.caught
    return 0.5 * (data.occasions * (1 + 2 * ratio) - skewness)


def removal_bias(data: Removal, b: float) -> float:
    """First-order bias of the hidden count, persons, for log q = b."""
    later = np.arange(data.occasions, dtype=np.float64)
    shares = np.exp(b * later)
    shares /= shares.sum()
    spread = float((later - later @ shares) ** 2 @ shares)
    ratio = removal_hidden(data, b) / data.caught
    return removal_correction(data, b) * data.occasions * ratio * (1 + ratio) / spread


def unbiased_log_passing(data: Removal) -> float:
    """Log q for which the hidden count has no first-order bias; NaN where no first captures are left."""
    b = log_passing(data)
    for _ in range(MOST_REFITS):
        modified = data._replace(summed=data.summed - removal_correction(data, b))
        if removal_limit(modified) != FINITE:
            return nan
        before, b = b, log_passing(modified)
        if abs(b - before) <= 1e-10 * abs(b):
            return b
    return nan


def profile_removal(data: Removal, log_hidden: float) -> float:
    """Profile log likelihood of N (Cormack 1992, Biometrics 48, 567-576) for a removal model.

    data: first captures
    log_hidden: log of the number of persons never caught
    """
    hidden = exp(log_hidden)
    remaining = data.caught + hidden
    total = remaining + data.before
    # Each person is tried until caught; those never caught on all occasions.
    trials = data.summed + data.occasions * hidden
    value = log_orderings(data.caught + data.before, hidden)
    value += float(xlogy(data.caught, data.caught / trials))
    value += float(xlog1py(trials - data.caught, -data.caught / trials))
    value += float(xlogy(data.before, data.before / total))
    return value + float(xlog1py(remaining, -data.before / total))
