"""Log-linear fits with an offset: means exp(x(c)'b + o(c)) with o(c) known.

An offset fixes what the data cannot tell: an interaction at a chosen value, or a factor between a
hidden cell and its prediction. It multiplies the means by positive constants, so whether the
estimate exists, and which hidden counts the data determine, is as without it: those are questions about
the counts and the design alone (Fienberg & Rinaldo 2012, Annals of Statistics 40, 996-1023,
section 3). Fits here start from an estimable fit without the offset.
"""

from __future__ import annotations

from math import exp, lgamma, log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from mse.core.curve import FunctionCurve
from mse.core.lattice import subset_sum, superset_sum
from mse.core.newton import LARGEST_LOG, MAX_ITERATIONS, STEP_TOLERANCE, Design

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.batch import ModelFit

#: A halved Newton step this short changes no mean by more than rounding: the point is the maximum.
SHORTEST_STEP = 2.0**-40


class OffsetFit(NamedTuple):
    """A fit with an offset.

    Attributes
    ----------
    coefficients : float64 array (p,)
        Coefficients of the parameters that were kept, log scale.
    means : float64 array (C,)
        Means of all cells, hidden ones included; 0 outside the face.
    value : float
        Kernel of the log likelihood, ``sum n log mu - mu`` over the cells in the likelihood.
    """

    coefficients: FloatArray
    means: FloatArray
    value: float


class _Problem(NamedTuple):
    counts: FloatArray  # (C,)
    offset: FloatArray  # (C,)
    inside: BoolArray  # (C,) cells in the likelihood
    cells: IntArray  # (p,) cells of the parameters
    union: IntArray  # (p, p)
    shape: IntArray  # (d,)


def _problem(
    counts: FloatArray, offset: FloatArray, inside: BoolArray, fit: ModelFit, design: Design
) -> _Problem:
    kept = fit.kept
    union = design.union[np.ix_(kept, kept)]
    return _Problem(counts, offset, inside, design.cells[kept], union, design.shape)


def _predictor(b: FloatArray, problem: _Problem) -> FloatArray:
    predictor = np.zeros(problem.counts.size)
    predictor[problem.cells] = b
    subset_sum(predictor, problem.shape)
    return predictor


def _kernel(eta: FloatArray, problem: _Problem) -> float:
    inside = problem.inside
    mu = np.exp(np.minimum(eta[inside], LARGEST_LOG))
    return float(problem.counts[inside] @ eta[inside] - mu.sum())


def _information(weights: FloatArray, problem: _Problem) -> FloatArray:
    sums = weights.copy()
    superset_sum(sums, problem.shape)
    return np.where(problem.union >= 0, sums[problem.union], 0.0)


def _maximize(b: FloatArray, problem: _Problem) -> tuple[FloatArray, FloatArray, float]:
    """Maximize the kernel by Newton's method with halved steps: coefficients, predictor, value."""
    eta = _predictor(b, problem) + problem.offset
    value = _kernel(eta, problem)
    for _ in range(MAX_ITERATIONS):
        mu = np.where(problem.inside, np.exp(np.minimum(eta, LARGEST_LOG)), 0.0)
        score = np.where(problem.inside, problem.counts, 0.0) - mu
        superset_sum(score, problem.shape)
        step = cho_solve(cho_factor(_information(mu, problem)), score[problem.cells])
        slope = _predictor(step, problem)
        t, moved = 1.0, _kernel(eta + slope, problem)
        if np.abs(slope).max() <= STEP_TOLERANCE:
            return b + step, eta + slope, moved
        # The kernel is concave: where a full step lowers it, a shorter one raises it.
        while not moved >= value and t > SHORTEST_STEP:
            t /= 2
            moved = _kernel(eta + t * slope, problem)
        b, eta, value = b + t * step, eta + t * slope, moved
    raise ArithmeticError("no fit with this offset was found")


def fit_with_offset(
    counts: FloatArray, offset: FloatArray, fit: ModelFit, design: Design
) -> OffsetFit:
    """Maximize the Poisson likelihood of a model with an offset.

    Parameters
    ----------
    counts : float64 array (C,)
        Persons by cell, 0 on unobservable cells.
    offset : float64 array (C,)
        Known part of each log mean.
    fit : ModelFit
        An estimable fit of the same model to the same counts without the offset.
    design : Design
        Axes and parameters.

    Raises
    ------
    ArithmeticError
        Where Newton's method did not end.
    """
    problem = _problem(counts, offset, fit.face, fit, design)
    b, eta, value = _maximize(fit.coefficients, problem)
    hidden = np.arange(counts.size) < design.n_hidden
    means = np.where(fit.face | hidden, np.exp(eta), 0.0)
    return OffsetFit(b, means, value)


def hidden_variance(found: OffsetFit, fit: ModelFit, design: Design) -> float:
    """Variance of the hidden total, persons squared.

    The delta method on the log scale plus the Poisson variance of the counts themselves (Cormack & Jupp
    1991, Biometrika 78, 911-916).
    """
    nothing = np.zeros(found.means.size)
    problem = _problem(nothing, nothing, fit.face, fit, design)
    matrix = _information(np.where(fit.face, found.means, 0.0), problem)
    hidden = found.means[: design.n_hidden]
    # The gradient of the hidden total: X'w with weight w on the hidden cells.
    gradient = np.zeros(found.means.size)
    gradient[: design.n_hidden] = hidden
    superset_sum(gradient, design.shape)
    gradient = gradient[problem.cells]
    return float(gradient @ cho_solve(cho_factor(matrix), gradient) + hidden.sum())


def offset_profile_interval(
    counts: FloatArray, offset: FloatArray, fit: ModelFit, design: Design, drop: float
) -> tuple[float, float]:
    """Find the profile likelihood interval of N under an offset, for a table without strata.

    With one hidden cell the multinomial likelihood of N is that of a Poisson fit to the counts
    with N - n persons in that cell (Cormack 1992, Biometrics 48, 567-576).

    Parameters
    ----------
    counts, offset, fit, design
        As of `fit_with_offset`; one hidden cell.
    drop : float
        Half the chi-squared quantile of the level wanted.

    Returns
    -------
    low, high : float
        Persons, n <= low <= high; `high` is infinite where the likelihood stays above the cut.

    Raises
    ------
    ArithmeticError
        Where an inner fit did not end.
    """
    found = fit_with_offset(counts, offset, fit, design)
    spread = hidden_variance(found, fit, design) ** 0.5 / found.means[0]
    inside = fit.face.copy()
    inside[0] = True
    n, completed = float(counts.sum()), counts.copy()
    problem = _problem(completed, offset, inside, fit, design)
    b = found.coefficients

    def value(log_hidden: float) -> float:
        nonlocal b
        completed[0] = hidden = exp(log_hidden)
        b, _, kernel = _maximize(b, problem)
        total = n + hidden
        return lgamma(total + 1) - lgamma(hidden + 1) + kernel + total - total * log(total)

    return FunctionCurve(value, n, float(found.means[0]), spread).ends(drop)
