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

from typing import TYPE_CHECKING

import numpy as np

from mse.core._threads import one_thread
from mse.core.ascent import (
    FINISHED,
    RECEDING,
    Climb,
    Data,
    climb,
    empty_completion,
    make_likelihood,
    means_at,
)
from mse.core.batch import NOT_CONVERGED, NOT_ESTIMABLE, ModelFit, fit_model
from mse.core.existence import INDETERMINATE, ZERO
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
    truncated_poisson,
)
from mse.core.solution import SAME_HEIGHT, IncompleteFit, describe, no_fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mse._typing import FloatArray, IntArray

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
    if newton(counts, design, work, p, np.inf, np.inf) != CERTIFIED:
        return None
    return work.b[:p].copy()


def ascend(
    data: Data, counts: FloatArray, near: FloatArray | None = None
) -> tuple[ModelFit, Climb] | None:
    """Search from one completion of the counts.

    Parameters
    ----------
    data : Data
        What was seen.
    counts : float64 array (C,)
        Persons by cell to start from.
    near : float64 array (P,), optional
        Coefficients near the maximum, of a neighboring model.

    Returns
    -------
    ModelFit, Climb or None
        The face and the parameters on it, with where the search ended; None where the completed
        counts could not be fitted.
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

    Parameters
    ----------
    data : Data
        What was seen, and the model. Every observation needs a possible cell.
    completions : iterable of float64 arrays (C,)
        Persons by cell, from which each search starts.
    near : float64 array (P,), optional
        Coefficients near the maximum, of a neighboring model.
    covariance : bool
        Whether the covariance is wanted.

    Returns
    -------
    IncompleteFit
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
