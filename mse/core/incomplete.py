"""Maximum likelihood from counts over sets of cells: EM, then Newton, from several starts.

The likelihood is that of `mse.core.observed`. It is not concave, so the search starts from several ways
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
from scipy.linalg import cho_solve

from mse.core._compiled import interpreted
from mse.core.ascent import (
    FINISHED,
    NO_INFORMATION,
    RECEDING,
    Climb,
    Data,
    basis_at,
    climb,
    curvature_at,
    empty_completion,
    factor_of,
    make_likelihood,
    means_at,
)
from mse.core.batch import BOUNDARY, NOT_CONVERGED, NOT_ESTIMABLE, OK, ModelFit, fit_model
from mse.core.exact import SAFE, UNLIMITED
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO, facial_set
from mse.core.newton import (
    CERTIFIED,
    Design,
    Workspace,
    make_workspace,
    n_parameters,
    newton,
)
from mse.core.observed import (
    Likelihood,
    Observations,
    complete,
    dual_gap,
    restricted,
    stratum_totals,
    truncated_poisson,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray

    Limits = np.ndarray[tuple[int], np.dtype[np.int8]]

#: EM stops when no log mean changes by more than this, or after so many steps: Newton's method
#: is faster from there on.
EM_TOLERANCE, EM_STEPS = 1e-3, 25
#: Maxima this close in log likelihood are of the same height.
SAME_HEIGHT = 1e-7
#: Relative difference of totals beyond which two maxima are two answers.
SAME_TOTAL = 1e-4
#: Perturbed starts, and the seed that makes them the same in every run.
N_PERTURBED, PERTURBATION_SEED = 2, 20150
#: Added to the fully known counts where they give the first split.
SPLIT_COUNT = 0.1
#: Times that cells may be set to zero in one search.
MAX_ROUNDS = 20
#: Entries this small beside their row are rounding: half the digits of a double.
ROUNDING = 1e-7
#: The saturated likelihood is found to this accuracy, which no test of fit notices, or not at all.
SATURATED_GAP, SATURATED_STEPS = 1e-5, 20_000
#: Marks cells of which no limit is asked.
NOT_ASKED = 9


class IncompleteFit(NamedTuple):
    """One model on a table of which some is known in part.

    Attributes
    ----------
    status : int
        Code of `mse.core.batch.STATUSES`.
    limits : int8 array (S,)
        Limits of the strata, codes of `mse.core.existence.LIMITS`.
    value : float
        Log likelihood but for the factorials of exact counts.
    hidden : float64 array (S,)
        Persons that were not counted: in unseen cells, and beyond the lower bounds of counts within
        bounds. NaN where the limit is not finite.
    covariance : float64 array (S, S)
        Covariance of the totals of the strata given the data; NaN where not finite.
    means : float64 array (C,)
        Fitted means of all cells; unseen ones NaN where not estimable.
    counts : float64 array (C,)
        The observed persons spread over the cells.
    expected : float64 array (R,)
        Expected persons of each observation.
    face : bool array (C,)
        Observable cells with a positive mean.
    kept : int64 array
        Positions in the design of the parameters that were fitted.
    coefficients : float64 array
        Their values, log scale.
    vanishing : int64 array
        Positions of the parameters at minus infinity.
    undetermined : int64 array
        Positions of the parameters that hang on a direction about which the data say nothing.
    rank : int
        Number of directions of the parameters about which they say something.
    others : float64 array
        Totals of the other, lower maxima that were found.
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


def _expect_and_fit(
    problem: Likelihood, b: FloatArray, design: Design, kept: IntArray
) -> tuple[FloatArray, float]:
    """Run EM from coefficients b until it is slow; the coefficients and the last change."""
    work = make_workspace(design)
    work.chosen[: kept.size] = kept
    work.face[:] = problem.inside
    done, change = empty_completion(problem), np.inf
    means = means_at(b, problem)
    for _ in range(EM_STEPS):
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
    return b, change


def _fit_completed(
    counts: FloatArray, b: FloatArray, design: Design, work: Workspace
) -> FloatArray | None:
    """M step: coefficients of the fit to completed counts, or None where Newton did not end."""
    p = b.size
    work.b[:p] = b
    if newton(counts, design, work, p, np.inf, np.inf) != CERTIFIED:
        return None
    return work.b[:p].copy()


def ascend(data: Data, counts: FloatArray) -> tuple[ModelFit, Climb] | None:
    """Search from one completion of the counts.

    Parameters
    ----------
    data : Data
        What was seen.
    counts : float64 array (C,)
        Persons by cell to start from.

    Returns
    -------
    ModelFit, Climb or None
        The face and the parameters on it, with where the search ended; None where the completed
        counts could not be fitted.
    """
    everything = np.ones(n_parameters(data.design), dtype=np.bool_)
    fit = fit_model(counts, everything, data.design)
    if fit.status == NOT_CONVERGED:
        return None
    end = _search(data, fit, may_recede=True)
    for _ in range(MAX_ROUNDS):
        if end.code != RECEDING:
            break
        smaller = fit_model(np.where(end.receding, 0.0, end.done.counts), everything, data.design)
        found = None
        if smaller.face.sum() < fit.face.sum() and _holds(data, smaller):
            found = _search(data, smaller, may_recede=True)
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


def _search(data: Data, fit: ModelFit, *, may_recede: bool) -> Climb:
    problem = make_likelihood(data, fit.face, fit.kept)
    b, _ = _expect_and_fit(problem, fit.coefficients, data.design, fit.kept)
    return climb(problem, b, may_recede=may_recede)


def _starts(data: Data, weights: Sequence[FloatArray] | None = None) -> Iterator[FloatArray]:
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

    Parameters
    ----------
    data : Data
        What was seen, and the model. Every observation needs a possible cell.
    weights : sequence of float64 arrays (C,), optional
        Weights by which each start spreads the counts over their cells; several of its own by default.

    Returns
    -------
    IncompleteFit
    """
    if data.base.sum() + data.seen.low.sum() <= 0:
        # Every count may be zero, and that is what the likelihood likes best.
        return _no_fit(data, NOT_ESTIMABLE, ZERO)
    ends = [end for counts in _starts(data, weights) if (end := ascend(data, counts)) is not None]
    if not ends:
        return _no_fit(data, NOT_CONVERGED, INDETERMINATE)
    fit, best = max(ends, key=lambda end: end[1].value)
    if best.code != FINISHED:
        return _no_fit(data, NOT_CONVERGED, INDETERMINATE)
    return _describe(data, fit, best, [end for _, end in ends if end.code == FINISHED])


def _no_fit(data: Data, status: int, limit: int) -> IncompleteFit:
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


def _describe(data: Data, fit: ModelFit, best: Climb, ends: list[Climb]) -> IncompleteFit:
    """Read limits, totals and their covariance off the best maximum."""
    problem = make_likelihood(data, fit.face, fit.kept)
    n_strata, p = data.design.n_hidden, fit.kept.size
    gradient, spread = np.zeros((n_strata, p)), np.zeros((n_strata, n_strata))
    hidden = stratum_totals(best.means, problem, best.done, gradient, spread)
    known = _known_from(problem, best, gradient)
    limits = _limits(data, fit)
    limits[known.blank & (limits == FINITE)] = INDETERMINATE
    limits[_ambiguous(data, best, ends) & (limits == FINITE)] = INDETERMINATE
    unknown = limits != FINITE
    covariance = np.where(unknown | unknown[:, None], np.nan, known.covariance + spread)
    lost = problem.unseen & unknown[np.arange(best.means.size) % n_strata]
    return IncompleteFit(
        status=_status(data, fit, known, bool(unknown.any())),
        limits=limits,
        value=best.value,
        hidden=np.where(unknown, np.nan, hidden),
        covariance=covariance,
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

    covariance: FloatArray  # (S, S) by the delta method
    blank: BoolArray  # (S,) totals that hang on a direction without information
    open: BoolArray  # (p,) parameters that do
    rank: int


def _known_from(problem: Likelihood, end: Climb, gradient: FloatArray) -> _Known:
    n_strata, p = gradient.shape
    factor = factor_of(curvature_at(problem, end.means, end.done)[2])
    if factor is not None:
        rows = np.asarray(gradient @ cho_solve((factor, True), gradient.T))
        return _Known(rows, np.zeros(n_strata, np.bool_), np.zeros(p, np.bool_), p)
    basis = basis_at(problem, end.means, end.done)
    informed = basis.shares > NO_INFORMATION
    along = gradient @ basis.vectors
    inner = along[:, informed]
    return _Known(
        (inner / basis.shares[informed]) @ inner.T,
        _hangs_on(along, ~informed),
        _hangs_on(basis.vectors, ~informed),
        int(informed.sum()),
    )


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
    of_cells = np.full(design.observable.size, NOT_ASKED, dtype=np.int8)
    of_cells[unseen] = FINITE
    positive = (data.base > 0) | (fit.face & _reached(data, fit.face))
    _exact_limits(positive, design, of_cells)
    limits = of_cells[:n_strata].copy()
    for code in (INFINITE, INDETERMINATE):
        limits[unseen[of_cells[unseen] == code] % n_strata] = code
    return limits


def _reached(data: Data, face: BoolArray) -> BoolArray:
    """Cells of the face that may hold persons of some observation."""
    reached = np.zeros(face.size, dtype=np.bool_)
    boxes = restricted(data.seen, face).boxes
    reached[boxes[boxes >= 0]] = True
    return reached


def _exact_limits(positive: BoolArray, design: Design, limits: Limits) -> None:
    """Find the limits of unseen cells, in place."""
    everything = np.arange(n_parameters(design))
    keep = np.zeros(everything.size, dtype=np.bool_)
    counts, asked = positive.astype(np.float64), limits.copy()
    integers = np.zeros(0, dtype=np.int64)
    face = design.observable.copy()
    if facial_set(counts, face, design, everything, integers, SAFE, keep, limits) < 0:
        limits[:] = asked
        face, unbounded = design.observable.copy(), integers.astype(np.object_)
        interpreted(facial_set)(
            counts, face, design, everything, unbounded, UNLIMITED, keep, limits
        )


def saturated_value(data: Data) -> float:
    """Largest log likelihood when every observable cell has a mean of its own.

    It is found by EM, and concave, so that a bound on what is left to gain is at hand. No other
    observation shares cells with a count within bounds, which therefore stands alone.

    Parameters
    ----------
    data : Data
        What was seen; of the model only the observable cells matter.

    Returns
    -------
    float
        As `IncompleteFit.value`; NaN where EM did not come within `SATURATED_GAP`.
    """
    vague = data.seen.low != data.seen.high
    bounds = zip(data.seen.low[vague].tolist(), data.seen.high[vague].tolist(), strict=True)
    alone = sum(_highest_probability(low, high) for low, high in bounds)
    none = np.where(vague, 0, data.seen.low)
    data = data._replace(seen=data.seen._replace(low=none, high=none))
    problem = make_likelihood(data, data.design.observable, np.zeros(1, dtype=np.int64))
    done, means = empty_completion(problem), next(_starts(data))
    for _ in range(SATURATED_STEPS):
        value = float(complete(means, problem, done))
        if dual_gap(means, problem, done) <= SATURATED_GAP:
            return value + alone
        means = done.counts.copy()
    return float("nan")


def _highest_probability(low: int, high: int) -> float:
    """Log of the largest probability that a Poisson variable can have between bounds."""
    if low == 0 or high == np.iinfo(np.int64).max:
        return 0.0
    from scipy.optimize import brentq

    mean = brentq(lambda x: truncated_poisson(x, low, high)[1] - x, float(low), float(high))
    return float(truncated_poisson(mean, low, high)[0] - mean)
