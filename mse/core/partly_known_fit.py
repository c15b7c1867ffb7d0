"""Maximum likelihood from counts over sets of cells: EM, then Newton, from several starts.

The likelihood is that of `mse.core.partly_known`. It is not concave, so the search starts from several ways
of spreading the counts over their cells. Each start is improved by EM, whose M step is the fit
of the completed counts, and finished by Newton's method on the observed-data likelihood itself with
the observed information of Louis (1982, JRSS B 44, 226-233). In the basis that diagonalizes that information
against that of the complete data its eigenvalues are the shares of the information that were observed:
one for a direction about which nothing is missing, zero for one that the data do not determine,
negative where the point is no maximum.

Whether a maximum exists is decided exactly only for the counts as completed. At the solution, cells
that lose their persons without end are set to zero and that check is repeated (recession); directions
without information, and maxima of the same height, decide the rest (rank). This is a statement about the
solution that was found, not the exact one that complete counts allow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, eigh
from scipy.linalg.lapack import dpotrs

from mse.core._threads import one_thread
from mse.core.exact_check import find_face
from mse.core.existence import (
    FINITE,
    INDETERMINATE,
    INFINITE,
    NOT_ASKED,
    ZERO,
    ask_partners,
    empty_strata,
    hear_partners,
)
from mse.core.fitting import BOUNDARY, NOT_CONVERGED, NOT_ESTIMABLE, OK, ModelFit, fit_model
from mse.core.lattice import levels_of, subset_sum, superset_sum
from mse.core.newton import (
    CERTIFIED,
    LARGEST_LOG,
    MAX_ITERATIONS,
    Design,
    Workspace,
    cholesky,
    first_cells,
    make_workspace,
    n_parameters,
    newton,
    single_effects,
    spread,
)
from mse.core.partly_known import (
    Completion,
    Likelihood,
    Observations,
    complete,
    curvature,
    dual_gap,
    restricted,
    stratum_totals,
    truncated_poisson,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray

    Limits = np.ndarray[tuple[int], np.dtype[np.int8]]


# Newton's method on the likelihood of counts over sets of cells -----------------------------------
# The observed information (Louis 1982, JRSS B 44, 226-233) is diagonalized against that of the complete
# data where it is not positive definite. In that basis its eigenvalues are the shares of the
# information that were observed: one for a direction about which nothing is missing, zero for one
# that the data do not determine, negative where the point is no maximum. A step of EM takes the slope in
# each direction as it is, Newton's step divides it by the share.

#: How a search ended.
FINISHED, RECEDING, EXHAUSTED = 0, 1, 2

#: A fit is finished when a Newton step changes no log mean by more than this ...
FINE_STEP = 1e-10
#: ... or by no more than this where rounding keeps it from shrinking.
ROUNDING_STEP = 1e-6
#: Observed shares of the information below this are rounding: sums over cells keep 13 digits.
NO_INFORMATION = 1e-9
#: A slope along a direction without information that is more than rounding.
STEEP = 1e-5
#: A Newton step lowers the log mean of a cell that loses its persons by one, or by 1/m where the
#: likelihood is flat to order m in it.
RECEDING_SLOPE = -0.3
#: Means this small beside the largest one are next to zero where the information is singular.
VANISHED = 1e-10
#: Receding cells are set to zero once all that is left to gain is this much log likelihood.
RECEDING_DECREMENT = 1e-6
#: Largest change of a log mean in one step: the quadratic model says nothing beyond.
LONGEST_STEP = 3.0
#: A halved step this short changes no mean by more than rounding.
SHORTEST_STEP = 2.0**-40
#: Times that a saddle point may be left in one search.
MAX_ROUNDS = 20


class Data(NamedTuple):
    """What was seen, and the model.

    base: (C,), persons of fully known histories with exact counts
    seen: the others
    design: axes and parameters; its `observable` may leave out more cells than those of the empty
        history, such as those of persons only on lists that did not operate
    """

    base: FloatArray
    seen: Observations
    design: Design


class Climb(NamedTuple):
    """Where one search ended."""

    code: int
    b: FloatArray  # (p,)
    means: FloatArray  # (C,), 0 outside face and unseen cells
    value: float
    done: Completion
    receding: BoolArray  # (C,)


class Basis(NamedTuple):
    """Directions with their shares of the information; orthonormal for complete data."""

    shares: FloatArray  # (p,)
    vectors: FloatArray  # (p, p)


def make_likelihood(data: Data, face: BoolArray, kept: IntArray, hidden: float = 0.0) -> Likelihood:
    """Describe the likelihood of some parameters on the cells of a face.

    data: what was seen
    face: (C,) bool, observable cells that are not fitted as zero
    kept: (p,), positions of the parameters
    hidden: persons known to be in unseen cells
    """
    design = data.design
    unseen = ~design.observable
    return Likelihood(
        data.base,
        restricted(data.seen, face),
        face | unseen if hidden > 0 else face.copy(),
        unseen,
        float(hidden),
        design,
        kept,
        levels_of(design.cells, design.shape),
    )


def _predictor(b: FloatArray, problem: Likelihood) -> FloatArray:
    eta = np.zeros(problem.base.size)
    spread(b, problem.design, problem.kept, b.size, eta)
    return eta


def means_at(b: FloatArray, problem: Likelihood) -> FloatArray:
    """Means of the cells of the face and of the unseen ones, 0 elsewhere."""
    means = np.exp(np.minimum(_predictor(b, problem), LARGEST_LOG))
    return np.asarray(np.where(problem.inside | problem.unseen, means, 0.0))


def empty_completion(problem: Likelihood) -> Completion:
    """Allocate a completion."""
    size = problem.seen.low.size
    return Completion(np.zeros(problem.base.size), np.zeros(size), np.zeros(size))


def basis_at(problem: Likelihood, means: FloatArray, done: Completion) -> Basis:
    """Directions of the information at the current means."""
    _, whole, matrix = curvature_at(problem, means, done)
    return Basis(*eigh(matrix, whole))


def curvature_at(
    problem: Likelihood, means: FloatArray, done: Completion
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Score, complete-data information and observed information."""
    p = problem.kept.size
    score, whole, matrix = np.zeros(p), np.zeros((p, p)), np.zeros((p, p))
    curvature(means, problem, done, score, whole, matrix)
    return score, whole, matrix


def factor_of(matrix: FloatArray) -> FloatArray | None:
    """Cholesky factor below the diagonal, or None where the matrix is not clearly positive definite."""
    factor = matrix.copy()
    return factor if cholesky(factor, len(factor)) else None


def _solved(factor: FloatArray, right: FloatArray) -> FloatArray:
    """Solve for the factored matrix. Without the checks of `cho_solve`, which take several times as long."""
    return np.asarray(dpotrs(factor, right, lower=1)[0]) if factor.size else right


def _direction(
    problem: Likelihood, means: FloatArray, done: Completion
) -> tuple[FloatArray, FloatArray, Basis | None]:
    """Score and an uphill step; Newton's where the likelihood is concave."""
    score, whole, matrix = curvature_at(problem, means, done)
    factor = factor_of(matrix)
    if factor is not None:
        return score, _solved(factor, score), None
    basis = Basis(*eigh(matrix, whole))
    slopes = basis.vectors.T @ score
    flat = np.abs(basis.shares) <= NO_INFORMATION
    # Share one is EM's step; without information and without a slope there is nowhere to go.
    shares = np.where(flat, 1.0, np.abs(basis.shares))
    slopes[flat & (np.abs(slopes) <= STEEP)] = 0.0
    return score, basis.vectors @ (slopes / shares), basis


def _line_search(
    problem: Likelihood, b: FloatArray, step: FloatArray, rise: float, value: float
) -> tuple[FloatArray, FloatArray, Completion, float]:
    """Take the step, halved until the likelihood rises by a tenth of what the slope promises."""
    done, t = empty_completion(problem), 1.0
    while True:
        moved = b + t * step
        means = means_at(moved, problem)
        new = complete(means, problem, done)
        # Rounding of the sum hides rises smaller than this.
        slack = 1e-14 * max(abs(value), 1.0)
        if new >= value + 0.1 * t * rise - slack or t <= SHORTEST_STEP:
            return moved, means, done, float(new)
        t /= 2


def climb(problem: Likelihood, b: FloatArray, *, may_recede: bool = True) -> Climb:
    """Maximize the likelihood by Newton's method from coefficients b.

    problem: what is maximized
    b: (p,), start
    may_recede: stop when cells of the face lose their persons without end
    Returns `FINISHED` at a maximum, `RECEDING`, or `EXHAUSTED`
    """
    means, done = means_at(b, problem), empty_completion(problem)
    value = float(complete(means, problem, done))
    nothing = np.zeros(means.size, dtype=np.bool_)
    before, rounds = np.inf, 0
    for _ in range(MAX_ITERATIONS):
        try:
            score, step, basis = _direction(problem, means, done)
        except LinAlgError:
            # Some mean is so small that the information about it is lost in rounding.
            vanished = problem.inside & (means < VANISHED * means.max())
            code = RECEDING if may_recede and vanished.any() else EXHAUSTED
            return Climb(code, b, means, value, done, vanished)
        slope = np.where(problem.inside | problem.unseen, _predictor(step, problem), 0.0)
        longest, rise = float(np.abs(slope).max(initial=0.0)), float(score @ step)
        receding = problem.inside & (slope < RECEDING_SLOPE)
        if may_recede and rise < RECEDING_DECREMENT and receding.any():
            return Climb(RECEDING, b, means, value, done, receding)
        if longest > LONGEST_STEP:
            step, rise = step * (LONGEST_STEP / longest), rise * (LONGEST_STEP / longest)
        b, means, done, value = _line_search(problem, b, step, rise, value)
        if longest <= FINE_STEP or (longest <= ROUNDING_STEP and longest >= 0.5 * before):
            away = _way_up(problem, b, basis, value)
            if away is None or rounds == MAX_ROUNDS:
                return Climb(FINISHED, b, means, value, done, nothing)
            b, means, done, value = away
            rounds += 1
        before = longest
    return Climb(EXHAUSTED, b, means, value, done, nothing)


def _way_up(
    problem: Likelihood, b: FloatArray, basis: Basis | None, value: float
) -> tuple[FloatArray, FloatArray, Completion, float] | None:
    """Leave a saddle point along its direction of most negative information; None at a maximum."""
    if basis is None or basis.shares[0] >= -NO_INFORMATION:
        return None
    slope = _predictor(basis.vectors[:, 0], problem)
    step = basis.vectors[:, 0] / np.abs(slope).max()
    best = None
    for length in (0.5, -0.5, 0.05, -0.05):
        done = empty_completion(problem)
        moved = b + length * step
        means = means_at(moved, problem)
        new = float(complete(means, problem, done))
        if new > value:
            best, value = (moved, means, done, new), new
    return best


# What a maximum of the likelihood of counts over sets of cells says about the totals --------------
# Whether it exists is decided exactly only for the counts as completed. At the solution directions
# without information, and maxima of the same height, decide the rest. This is a statement about the
# solution that was found, not the exact one that complete counts allow.

#: Maxima this close in log likelihood are of the same height.
SAME_HEIGHT = 1e-7
#: Relative difference of totals beyond which two maxima are two answers.
SAME_TOTAL = 1e-4
#: Entries this small beside their row are rounding: half the digits of a double.
ROUNDING = 1e-7


class IncompleteFit(NamedTuple):
    """One model on a table of which some is known in part.

    status: code of `mse.core.fitting.STATUSES`
    limits: (S,) int8, limits of the strata, codes of `mse.core.existence.LIMITS`
    value: log likelihood but for the factorials of exact counts
    hidden: (S,), Persons that were not counted: in unseen cells, and beyond the lower bounds of
        counts within bounds. NaN where the limit is not finite.
    covariance: (S, S) or (0, 0), Covariance of the totals of the strata given the data; NaN where
        not finite. Empty where it was not asked for.
    means: (C,), fitted means of all cells; unseen ones NaN where not estimable
    counts: (C,), the observed persons spread over the cells
    expected: (R,), expected persons of each observation
    face: (C,) bool, observable cells with a positive mean
    kept: positions in the design of the parameters that were fitted
    coefficients: their values, log scale
    vanishing: positions of the parameters at minus infinity
    undetermined: positions of the parameters that hang on a direction about which the data say
        nothing
    rank: number of directions of the parameters about which they say something
    others: totals of the other, lower maxima that were found
    """

    status: int
    limits: Limits
    value: float
    hidden: FloatArray
    covariance: FloatArray
    means: FloatArray
    counts: FloatArray
    expected: FloatArray
    face: BoolArray
    kept: IntArray
    coefficients: FloatArray
    vanishing: IntArray
    undetermined: IntArray
    rank: int
    others: FloatArray


def no_fit(data: Data, status: int, limit: int) -> IncompleteFit:
    """Say that there is nothing to describe."""
    n_strata = data.design.n_hidden
    zero = status == NOT_ESTIMABLE
    nothing = np.zeros(0, dtype=np.int64)
    return IncompleteFit(
        status=status,
        limits=np.full(n_strata, limit, dtype=np.int8),
        value=0.0 if zero else np.nan,
        hidden=np.full(n_strata, np.nan),
        covariance=np.full((n_strata, n_strata), np.nan),
        means=np.where(data.design.observable & zero, 0.0, np.nan),
        counts=data.base.copy(),
        expected=data.seen.low.astype(np.float64),
        face=np.zeros(data.base.size, dtype=np.bool_),
        kept=nothing,
        coefficients=np.zeros(0),
        vanishing=nothing,
        undetermined=nothing,
        rank=0,
        others=np.zeros(0),
    )


def describe(
    data: Data, fit: ModelFit, best: Climb, ends: list[Climb], *, covariance: bool = True
) -> IncompleteFit:
    """Read limits, totals and their covariance off the best maximum.

    data: what was seen, and the model
    fit: face of the best maximum, and the parameters on it
    best: that maximum
    ends: all maxima that were found
    covariance: whether the covariance is wanted
    """
    problem = make_likelihood(data, fit.face, fit.kept)
    n_strata = data.design.n_hidden
    hidden, known = _totals_known(problem, best, covariance=covariance)
    limits = _limits(data, fit)
    limits[known.blank & (limits == FINITE)] = INDETERMINATE
    limits[_ambiguous(data, best, ends) & (limits == FINITE)] = INDETERMINATE
    unknown = limits != FINITE
    if covariance:
        known.covariance[unknown | unknown[:, None]] = np.nan
    lost = problem.unseen & unknown[np.arange(best.means.size) % n_strata]
    return IncompleteFit(
        status=_status(data, fit, known, bool(unknown.any())),
        limits=limits,
        value=best.value,
        hidden=np.where(unknown, np.nan, hidden),
        covariance=known.covariance,
        means=np.where(lost, np.nan, best.means),
        counts=best.done.counts,
        expected=best.done.expected,
        face=fit.face,
        kept=fit.kept,
        coefficients=best.b,
        vanishing=fit.vanishing,
        undetermined=fit.kept[known.open],
        rank=known.rank,
        others=_lower_maxima(data, best, ends),
    )


def _status(data: Data, fit: ModelFit, known: _Known, unknown: bool) -> int:
    if unknown:
        return NOT_ESTIMABLE
    whole = fit.kept.size == n_parameters(data.design) and not known.open.any()
    return OK if whole and np.array_equal(fit.face, data.design.observable) else BOUNDARY


def _totals(end: Climb, data: Data) -> FloatArray:
    """Persons of each stratum, seen or not, as one search has it."""
    persons = np.where(data.design.observable, end.done.counts, end.means)
    return np.asarray(persons.reshape(-1, data.design.n_hidden).sum(axis=0))


def _ambiguous(data: Data, best: Climb, ends: list[Climb]) -> BoolArray:
    """Strata of which maxima of the same height have different totals."""
    totals, found = _totals(best, data), np.zeros(data.design.n_hidden, dtype=np.bool_)
    for end in ends:
        if end.value > best.value - SAME_HEIGHT:
            found |= np.abs(_totals(end, data) - totals) > SAME_TOTAL * totals
    return found


def _lower_maxima(data: Data, best: Climb, ends: list[Climb]) -> FloatArray:
    """Totals of the maxima that are lower than the best."""
    lower = [end for end in ends if end.value <= best.value - SAME_HEIGHT]
    totals = np.asarray([_totals(end, data).sum() for end in lower])
    total = _totals(best, data).sum()
    return np.unique(np.round(totals[np.abs(totals - total) > SAME_TOTAL * total], 6))


class _Known(NamedTuple):
    """What the observed information says about the totals."""

    covariance: FloatArray  # (S, S) by the delta method, or (0, 0)
    blank: BoolArray  # (S,) totals that hang on a direction without information
    open: BoolArray  # (p,) parameters that do
    rank: int


def _totals_known(
    problem: Likelihood, end: Climb, *, covariance: bool
) -> tuple[FloatArray, _Known]:
    """Hidden persons by stratum, and what is known of them."""
    n_strata, p = problem.design.n_hidden, problem.kept.size
    factor = factor_of(curvature_at(problem, end.means, end.done)[2])
    certain = np.zeros(n_strata, np.bool_), np.zeros(p, np.bool_), p
    exact = np.array_equal(problem.seen.low, problem.seen.high)
    if factor is not None and exact and not covariance:
        unseen = np.where(problem.unseen, end.means, 0.0).reshape(-1, n_strata).sum(axis=0)
        return np.asarray(unseen), _Known(np.zeros((0, 0)), *certain)
    gradient, spread = np.zeros((n_strata, p)), np.zeros((n_strata, n_strata))
    hidden = stratum_totals(end.means, problem, end.done, gradient, spread)
    if factor is not None:
        spread += gradient @ _solved(factor, gradient.T)
        return hidden, _Known(spread, *certain)
    basis = basis_at(problem, end.means, end.done)
    informed = basis.shares > NO_INFORMATION
    along = gradient @ basis.vectors
    inner = along[:, informed]
    spread += (inner / basis.shares[informed]) @ inner.T
    blank, open_ = _hangs_on(along, ~informed), _hangs_on(basis.vectors, ~informed)
    return hidden, _Known(spread, blank, open_, int(informed.sum()))


def _hangs_on(along: FloatArray, chosen: BoolArray) -> BoolArray:
    """Rows with more than rounding along the chosen directions."""
    size = np.sqrt((along**2).sum(axis=1))
    most = np.abs(along[:, chosen]).max(axis=1, initial=0.0)
    return np.asarray(most > ROUNDING * size)


def _limits(data: Data, fit: ModelFit) -> Limits:
    """Limits of the strata for the counts as completed, exactly."""
    design = data.design
    n_strata = design.n_hidden
    if fit.kept.size == n_parameters(design):
        return np.zeros(n_strata, dtype=np.int8)
    unseen = np.flatnonzero(~design.observable)
    of_cells = np.full(design.observable.size, ZERO, dtype=np.int8)
    of_cells[unseen] = FINITE
    positive = (data.base > 0) | (fit.face & _reached(data, fit.face))
    _exact_limits(positive, fit, design, of_cells)
    limits = of_cells[:n_strata].copy()
    # Nobody is on no list at all, and somebody unseen: everybody is put on lists that did not operate.
    elsewhere = np.zeros(n_strata, dtype=np.bool_)
    elsewhere[unseen[of_cells[unseen] == FINITE] % n_strata] = True
    limits[elsewhere & (limits == ZERO)] = INDETERMINATE
    for code in (INFINITE, INDETERMINATE):
        limits[unseen[of_cells[unseen] == code] % n_strata] = code
    return limits


def _reached(data: Data, face: BoolArray) -> BoolArray:
    """Cells of the face that may hold persons of some observation."""
    reached = np.zeros(face.size, dtype=np.bool_)
    boxes = restricted(data.seen, face).boxes
    reached[boxes[boxes >= 0]] = True
    return reached


def _exact_limits(positive: BoolArray, fit: ModelFit, design: Design, limits: Limits) -> None:
    """Find the limits of unseen cells, those that are `FINITE` on entry, in place."""
    counts = positive.astype(np.float64)
    sums = counts.copy()
    superset_sum(sums, design.shape)
    lost = single_effects(design) & (sums[first_cells(design)] <= 0.0)
    effects = first_cells(design)[lost]
    marks = np.zeros(counts.size)
    marks[effects] = 1.0
    subset_sum(marks, design.shape)
    empty = marks > 0.0
    limits[(limits == FINITE) & empty] = NOT_ASKED
    partner = np.zeros(limits.size, dtype=np.int64)
    empty_strata(marks, effects, design, limits, partner)
    ask_partners(limits, partner)
    rest = design.observable & ~empty
    if fit.kept.size < int((~lost).sum()) or not np.array_equal(fit.face, rest):
        _by_algebra(counts, rest, design, np.flatnonzero(~lost), limits, partner)
    hear_partners(limits, partner)
    if (limits == NOT_ASKED).any():
        answers = np.where(limits == NOT_ASKED, FINITE, NOT_ASKED).astype(np.int8)
        everything = np.arange(n_parameters(design))
        nobody = np.full(limits.size, -1)
        _by_algebra(counts, design.observable, design, everything, answers, nobody)
        limits[limits == NOT_ASKED] = answers[limits == NOT_ASKED]


def _by_algebra(
    counts: FloatArray,
    cells: BoolArray,
    design: Design,
    chosen: IntArray,
    limits: Limits,
    partner: IntArray,
) -> None:
    """Decide the limits of some unseen cells in whole numbers, those that are `FINITE` on entry."""
    limits[:] = find_face(counts, cells, design, chosen, limits, partner).limits


# Maximum likelihood from counts over sets of cells: EM, then Newton, from several starts ----------

#: EM stops when no log mean changes by more than this, or after so many steps: Newton's method
#: is faster from there on, and many more steps lead to where cells have almost vanished.
EM_TOLERANCE, EM_STEPS = 1e-3, 5
#: Steps of EM from the counts as a neighboring model completes them.
NEAR_STEPS = 1
#: Perturbed starts, and the seed that makes them the same in every run.
N_PERTURBED, PERTURBATION_SEED = 2, 20150
#: Added to the fully known counts where they give the first split.
SPLIT_COUNT = 0.1
#: Times that cells may be set to zero in one search.
MAX_ROUNDS = 20
#: The saturated likelihood is found to this accuracy, which no test of fit notices, or not at all.
SATURATED_GAP, SATURATED_STEPS = 1e-5, 20_000


def _expect_and_fit(
    problem: Likelihood, b: FloatArray, design: Design, kept: IntArray, steps: int
) -> FloatArray:
    """Run EM from coefficients b until it is slow; the coefficients."""
    work = make_workspace(design)
    work.chosen[: kept.size] = kept
    work.face[:] = problem.inside
    done, means = empty_completion(problem), means_at(b, problem)
    for _ in range(steps):
        complete(means, problem, done)
        new = _fit_completed(done.counts, b, design, work)
        if new is None:
            break
        moved = means_at(new, problem)
        filled = (means > 0) & (moved > 0)
        change = float(np.abs(np.log(moved[filled] / means[filled])).max(initial=0.0))
        b, means = new, moved
        if change <= EM_TOLERANCE:
            break
    return b


def _fit_completed(
    counts: FloatArray, b: FloatArray, design: Design, work: Workspace
) -> FloatArray | None:
    """M step: coefficients of the fit to completed counts, or None where Newton did not end."""
    p = b.size
    work.b[:p] = b
    if newton(counts, design, work, p, np.inf, np.inf, MAX_ITERATIONS)[0] != CERTIFIED:
        return None
    return work.b[:p].copy()


def ascend(
    data: Data, counts: FloatArray, near: FloatArray | None = None
) -> tuple[ModelFit, Climb] | None:
    """Search from one completion of the counts.

    data: what was seen
    counts: (C,), persons by cell to start from
    near: (P,), coefficients near the maximum, of a neighboring model
    Returns the face and the parameters on it, with where the search ended; None where the completed
        counts could not be fitted
    """
    everything = np.ones(n_parameters(data.design), dtype=np.bool_)
    fit = fit_model(counts, everything, data.design, near)
    if fit.status == NOT_CONVERGED:
        return None
    steps = EM_STEPS if near is None else NEAR_STEPS
    end = _search(data, fit, steps)
    for _ in range(MAX_ROUNDS):
        if end.code != RECEDING:
            break
        smaller = fit_model(np.where(end.receding, 0.0, end.done.counts), everything, data.design)
        found = None
        if smaller.face.sum() < fit.face.sum() and _holds(data, smaller):
            found = _search(data, smaller, steps)
        if found is None or found.value < end.value - SAME_HEIGHT:
            # Not an approach to the boundary after all.
            return fit, climb(make_likelihood(data, fit.face, fit.kept), end.b, may_recede=False)
        fit, end = smaller, found
    return fit, end


def _holds(data: Data, fit: ModelFit) -> bool:
    """Whether a fit leaves a cell to every observation that has persons."""
    boxes = restricted(data.seen, fit.face).boxes
    owner = np.repeat(np.arange(data.seen.low.size), np.diff(data.seen.first))
    held = np.bincount(owner[boxes >= 0], minlength=data.seen.low.size) > 0
    return fit.status != NOT_CONVERGED and bool((held | (data.seen.low == 0)).all())


def _search(data: Data, fit: ModelFit, steps: int) -> Climb:
    problem = make_likelihood(data, fit.face, fit.kept)
    return climb(problem, _expect_and_fit(problem, fit.coefficients, data.design, fit.kept, steps))


def starts_of(data: Data, weights: Sequence[FloatArray] | None = None) -> Iterator[FloatArray]:
    """Ways of spreading the counts: as the fully known persons, evenly, and at random."""
    seen, size = data.seen, data.base.size
    endless = seen.high == np.iinfo(np.int64).max
    high = np.where(endless, seen.low, seen.high)
    # A count within bounds starts in the middle, one without upper bound just above the lower one.
    persons = np.where(endless, seen.low + 1.0, (seen.low + high) / 2.0)
    if weights is None:
        rng = np.random.default_rng(PERTURBATION_SEED)
        random = [rng.exponential(size=size) + SPLIT_COUNT for _ in range(N_PERTURBED)]
        weights = [data.base + SPLIT_COUNT, np.ones(size), *random]
    for weight in weights if seen.low.size else weights[:1]:
        yield data.base + spread_over(weight, persons, seen)


def spread_over(weight: FloatArray, persons: FloatArray, seen: Observations) -> FloatArray:
    """Spread the persons of each observation over its cells in proportion to weights, (C,)."""
    inside = seen.boxes >= 0
    owner = np.repeat(np.arange(persons.size), np.diff(seen.first))[inside]
    cells = seen.boxes[inside]
    totals = np.bincount(owner, weight[cells], minlength=persons.size)
    # Nobody is spread where there is no weight.
    totals = np.where(totals > 0, totals, 1.0)
    shares = persons[owner] * weight[cells] / totals[owner]
    return np.bincount(cells, shares, minlength=weight.size).astype(np.float64)


def fit_incomplete(data: Data, weights: Sequence[FloatArray] | None = None) -> IncompleteFit:
    """Fit a model to counts over sets of cells.

    data: What was seen, and the model. Every observation needs a possible cell.
    weights: (C,), weights by which each start spreads the counts over their cells; several of its
        own by default
    """
    return fit_from(data, starts_of(data, weights))


@one_thread
def fit_from(
    data: Data,
    completions: Iterable[FloatArray],
    near: FloatArray | None = None,
    *,
    covariance: bool = True,
) -> IncompleteFit:
    """Fit a model to counts over sets of cells, from counts of cells to start with.

    data: What was seen, and the model. Every observation needs a possible cell.
    completions: (C,), persons by cell, from which each search starts
    near: (P,), coefficients near the maximum, of a neighboring model
    covariance: whether the covariance is wanted
    """
    if data.base.sum() + data.seen.low.sum() <= 0:
        # Every count may be zero, and that is what the likelihood likes best.
        return no_fit(data, NOT_ESTIMABLE, ZERO)
    ends = [end for counts in completions if (end := ascend(data, counts, near)) is not None]
    if not ends:
        return no_fit(data, NOT_CONVERGED, INDETERMINATE)
    fit, best = max(ends, key=lambda end: end[1].value)
    if best.code != FINISHED:
        return no_fit(data, NOT_CONVERGED, INDETERMINATE)
    finished = [end for _, end in ends if end.code == FINISHED]
    return describe(data, fit, best, finished, covariance=covariance)


def saturated_value(data: Data) -> float:
    """Largest log likelihood when every observable cell has a mean of its own.

    It is found by EM, and concave, so that a bound on what is left to gain is at hand. No other
    observation shares cells with a count within bounds, which therefore stands alone.

    data: what was seen; of the model only the observable cells matter
    Returns as `IncompleteFit.value`; NaN where EM did not come within `SATURATED_GAP`
    """
    vague = data.seen.low != data.seen.high
    bounds = zip(data.seen.low[vague].tolist(), data.seen.high[vague].tolist(), strict=True)
    alone = sum(_highest_probability(low, high) for low, high in bounds)
    none = np.where(vague, 0, data.seen.low)
    data = data._replace(seen=data.seen._replace(low=none, high=none))
    problem = make_likelihood(data, data.design.observable, np.zeros(1, dtype=np.int64))
    done, means = empty_completion(problem), next(starts_of(data))
    for _ in range(SATURATED_STEPS):
        value = float(complete(means, problem, done))
        if dual_gap(means, problem, done) <= SATURATED_GAP:
            return value + alone
        means = done.counts.copy()
    return float("nan")


def deviance_from(saturated: float, value: float) -> float:
    """Twice a fall in log likelihood; never below zero, as the first is found to `SATURATED_GAP` only."""
    fall = 2.0 * (saturated - value)
    return max(fall, 0.0)


def _highest_probability(low: int, high: int) -> float:
    """Log of the largest probability that a Poisson variable can have between bounds."""
    if low == 0 or high == np.iinfo(np.int64).max:
        return 0.0
    from scipy.optimize import brentq

    mean = brentq(lambda x: truncated_poisson(x, low, high)[1] - x, float(low), float(high))
    return float(truncated_poisson(mean, low, high)[0] - mean)
