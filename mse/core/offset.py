"""Log-linear fits with an offset: means exp(x(c)'b + o(c)) with o(c) known.

An offset fixes what the data cannot tell: an interaction at a chosen value, or a factor between a
hidden cell and its prediction. It multiplies the means by positive constants, so whether the
estimate exists, and which hidden counts the data determine, is as without it: those are questions about
the counts and the design alone (Fienberg & Rinaldo 2012, Annals of Statistics 40, 996-1023,
section 3). Fits here start from an estimable fit without the offset.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from mse.core.batch import log_hidden_covariance
from mse.core.curve import FunctionCurve, orderings
from mse.core.explicit_fit import damping, explicit_rows, fit_rows, rise_of_deviance
from mse.core.lattice import superset_sum
from mse.core.newton import (
    LARGEST_LOG,
    MAX_ITERATIONS,
    STEP_TOLERANCE,
    Design,
    gather,
    information,
    misfit,
    spread,
)

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.batch import ModelFit
    from mse.core.explicit_fit import Rows

#: Cells times parameters up to which a table is written out, where no sizes of counts do harm.
FEW_ENTRIES = 200_000


class OffsetFit(NamedTuple):
    """A fit with an offset.

    Attributes
    ----------
    coefficients : float64 array (p,)
        Coefficients of the parameters that were kept, log scale.
    means : float64 array (C,)
        Means of all cells, hidden ones included; 0 outside the face.
    """

    coefficients: FloatArray
    means: FloatArray


class _Problem(NamedTuple):
    counts: FloatArray  # (C,)
    offset: FloatArray  # (C,)
    inside: BoolArray  # (C,) cells in the likelihood
    kept: IntArray  # (p,) positions of the parameters
    design: Design
    rows: Rows | None  # of the cells in the likelihood, where the table is not too large for them


def _problem(
    counts: FloatArray, offset: FloatArray, inside: BoolArray, fit: ModelFit, design: Design
) -> _Problem:
    cells = np.flatnonzero(inside)
    rows = None
    if cells.size * fit.kept.size <= FEW_ENTRIES:
        rows = explicit_rows(design, fit.kept, cells, offset=offset[cells])
    return _Problem(counts, offset, inside, fit.kept, design, rows)


def _predictor(b: FloatArray, problem: _Problem) -> FloatArray:
    predictor = np.zeros(problem.counts.size)
    spread(b, problem.design, problem.kept, b.size, predictor)
    return predictor


def _information(weights: FloatArray, problem: _Problem) -> FloatArray:
    sums, p = weights.copy(), problem.kept.size
    superset_sum(sums, problem.design.shape)
    matrix = np.zeros((p, p))
    information(sums, problem.design, problem.kept, p, matrix)
    return np.asarray(matrix + np.tril(matrix, -1).T)


def _maximize(b: FloatArray, problem: _Problem) -> tuple[FloatArray, FloatArray]:
    """Maximize the likelihood by Newton's method: coefficients, log means of all cells."""
    if problem.rows is not None:
        b = fit_rows(problem.counts[problem.inside], problem.rows, b).coefficients
        return b, _predictor(b, problem) + problem.offset
    eta = _predictor(b, problem) + problem.offset
    for _ in range(MAX_ITERATIONS):
        mu = np.where(problem.inside, np.exp(np.minimum(eta, LARGEST_LOG)), 0.0)
        residual = np.where(problem.inside, problem.counts, 0.0) - mu
        score = _transposed(residual, problem)
        try:
            step = cho_solve(cho_factor(_information(mu, problem)), score)
        except LinAlgError as error:
            raise ArithmeticError(f"the information matrix is singular: {error}") from error
        slope = _predictor(step, problem)
        if np.abs(slope).max() <= STEP_TOLERANCE:
            return b + step, eta + slope
        inside = np.where(problem.inside, slope, 0.0)
        share = damping(mu, inside, float(score @ step))
        b, eta = b + share * step, eta + share * slope
    raise ArithmeticError("no fit with this offset was found")


def _transposed(weights: FloatArray, problem: _Problem) -> FloatArray:
    """X'w over the parameters of the problem."""
    sums = weights.copy()
    superset_sum(sums, problem.design.shape)
    return np.asarray([gather(sums, problem.design, u) for u in problem.kept])


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
    b, eta = _maximize(fit.coefficients, problem)
    hidden = np.arange(counts.size) < design.n_hidden
    return OffsetFit(b, np.where(fit.face | hidden, np.exp(eta), 0.0))


def hidden_variance(found: OffsetFit, fit: ModelFit, design: Design) -> float:
    """Variance of the hidden total, persons squared.

    The delta method on the log scale plus the Poisson variance of the counts themselves (Cormack & Jupp
    1991, Biometrika 78, 911-916).
    """
    hidden = found.means[: design.n_hidden]
    # The gradient of the log hidden counts, weighted by them, is that of the hidden total.
    covariance = log_hidden_covariance(fit, design, found.means)
    return float(hidden @ covariance @ hidden + hidden.sum())


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
    spread_of_log = hidden_variance(found, fit, design) ** 0.5 / found.means[0]
    inside = fit.face.copy()
    inside[0] = True
    n, completed = float(counts.sum()), counts.copy()
    problem = _problem(completed, offset, inside, fit, design)
    b = found.coefficients

    first = b
    means, change = found.means[fit.face], np.zeros(counts.size)

    def value(log_hidden: float) -> float:
        nonlocal b
        completed[0] = hidden = exp(log_hidden)
        b, _ = _maximize(b, problem)
        change[:] = _predictor(b - first, problem)
        unseen = found.means[0] * exp(change[0])
        rise = rise_of_deviance(means, change[fit.face])
        return orderings(n, hidden) - rise - float(misfit(hidden, unseen))

    return FunctionCurve(value, n, float(found.means[0]), spread_of_log).ends(drop)
