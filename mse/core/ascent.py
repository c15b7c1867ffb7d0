"""Newton's method on the likelihood of counts over sets of cells.

The observed information (Louis 1982, JRSS B 44, 226-233) is diagonalized against that of the complete
data where it is not positive definite. In that basis its eigenvalues are the shares of the
information that were observed: one for a direction about which nothing is missing, zero for one
that the data do not determine, negative where the point is no maximum. A step of EM takes the slope in
each direction as it is, Newton's step divides it by the share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, eigh

from mse.core.lattice import levels_of
from mse.core.newton import LARGEST_LOG, MAX_ITERATIONS, cholesky, spread
from mse.core.observed import Completion, Likelihood, Observations, complete, curvature, restricted

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design

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

    Attributes
    ----------
    base : float64 array (C,)
        Persons of fully known histories with exact counts.
    seen : Observations
        The others.
    design : Design
        Axes and parameters; its `observable` may leave out more cells than those of the
        empty history, such as those of persons only on lists that did not operate.
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

    Parameters
    ----------
    data : Data
        What was seen.
    face : bool array (C,)
        Observable cells that are not fitted as zero.
    kept : int64 array (p,)
        Positions of the parameters.
    hidden : float
        Persons known to be in unseen cells.
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
    """Cholesky factor, or None where the matrix is not clearly positive definite."""
    factor = np.tril(matrix)
    return factor if cholesky(factor, len(factor)) else None


def _direction(
    problem: Likelihood, means: FloatArray, done: Completion
) -> tuple[FloatArray, FloatArray, Basis | None]:
    """Score and an uphill step; Newton's where the likelihood is concave."""
    score, whole, matrix = curvature_at(problem, means, done)
    factor = factor_of(matrix)
    if factor is not None:
        return score, cho_solve((factor, True), score), None
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

    Parameters
    ----------
    problem : Likelihood
        What is maximized.
    b : float64 array (p,)
        Start.
    may_recede : bool
        Stop when cells of the face lose their persons without end.

    Returns
    -------
    Climb
        `FINISHED` at a maximum, `RECEDING`, or `EXHAUSTED`.
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
