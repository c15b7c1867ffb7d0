"""Draws from the posterior of a Poisson log-linear model with a Gaussian prior.

For counts n(c) over the cells of a face, log means x(c)'b and a prior N(0, P^-1) of b, the log density

    sum over the face of  n(c) x(c)'b - exp(x(c)'b)   -   b'P b / 2

is strictly concave. Newton's method finds its mode and, with the Cholesky factor L of the negative
second derivatives there, coordinates z = L'(b - mode) in which it is about standard normal. Hamiltonian
Monte Carlo in these coordinates (Neal 2011, in Brooks et al., Handbook of Markov Chain Monte Carlo,
chapter 5) with trajectories of about a quarter of a period gives draws that are all but independent; the
step is adapted in the warm-up by dual averaging (Hoffman & Gelman 2014, JMLR 15, 1593-1623, section 3.2).
Linear predictors and gradients are subset and superset sums, so no design matrix is built.
"""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core.lattice import superset_sum
from mse.core.newton import (
    LARGEST_LOG,
    MAX_ITERATIONS,
    STEP_TOLERANCE,
    cholesky,
    cholesky_solve,
    gather,
    information,
    spread,
)

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design

#: Share of proposals to accept: on normal targets the efficiency is flat from 0.65 to 0.9 (Beskos et
#: al. 2013, Bernoulli 19, 1501-1534), and skewed ones like smaller steps.
TARGET_ACCEPTANCE = 0.85
#: A quarter of the period of a standard normal target, where a trajectory forgets its start.
QUARTER = pi / 2
#: Most leapfrog steps of one trajectory: far beyond what a preconditioned target needs.
MAX_STEPS = 64
#: Constants of dual averaging as recommended by Hoffman & Gelman (2014).
_GAMMA, _OFFSET, _DECAY = 0.05, 10.0, 0.75


class Target(NamedTuple):
    """A posterior to draw from.

    counts: (C,), persons; only the cells of the face are read
    face: (C,) bool, cells in the likelihood
    design: axes and parameters
    chosen: (p,), positions of the parameters in the model
    precision: (p, p), inverse prior covariance of the parameters; their prior means are 0
    """

    counts: FloatArray
    face: BoolArray
    design: Design
    chosen: IntArray
    precision: FloatArray


class Mode(NamedTuple):
    """Where a posterior is highest.

    coefficients: (p,), the mode, log scale
    factor: (p, p), lower Cholesky factor of the negative second derivatives there
    converged: whether Newton's method got there
    """

    coefficients: FloatArray
    factor: FloatArray
    converged: bool


@kernel
def log_posterior(b, target, means, gradient):  # type: ignore[no-untyped-def]
    """Evaluate the log density, but for a constant, its gradient, and the means of all cells.

    b: (p,) float64, coefficients, log scale
    target: Target, the posterior
    means: (C,) float64, receives the means of all cells, persons
    gradient: (p,) float64, receives the gradient
    """
    residual = np.zeros(means.size)
    spread(b, target.design, target.chosen, b.size, means)
    value = 0.0
    for c in range(means.size):
        predictor = means[c]
        means[c] = np.exp(min(predictor, LARGEST_LOG))
        if target.face[c]:
            value += target.counts[c] * predictor - means[c]
            residual[c] = target.counts[c] - means[c]
    superset_sum(residual, target.design.shape)
    for i in range(b.size):
        pull = 0.0
        for j in range(b.size):
            pull += target.precision[i, j] * b[j]
        gradient[i] = gather(residual, target.design, target.chosen[i]) - pull
        value -= 0.5 * b[i] * pull
    return value


@kernel
def _curvature(means, target, matrix):  # type: ignore[no-untyped-def]
    """Write the lower triangle of the negative second derivatives."""
    weights = np.where(target.face, means, 0.0)
    superset_sum(weights, target.design.shape)
    p = target.chosen.size
    information(weights, target.design, target.chosen, p, matrix)
    for i in range(p):
        for j in range(i + 1):
            matrix[i, j] += target.precision[i, j]


@kernel
def _climb(target, b, matrix):  # type: ignore[no-untyped-def]
    """Newton's method with halving from ``b``, in place; whether it converged."""
    p = b.size
    means, gradient, other = np.zeros(target.counts.size), np.zeros(p), np.zeros(p)
    value = log_posterior(b, target, means, gradient)
    for _ in range(MAX_ITERATIONS):
        _curvature(means, target, matrix)
        if not cholesky(matrix, p):
            return False
        step = gradient.copy()
        cholesky_solve(matrix, p, step)
        decrement = gradient @ step
        # A quarter of the squared step in standard deviations; the error after it is its square.
        if decrement <= STEP_TOLERANCE**2:
            return True
        share = 1.0
        while True:
            proposed = log_posterior(b + share * step, target, means, other)
            if proposed >= value + 0.1 * share * decrement:
                break
            share *= 0.5
            # The gain is below the rounding of the value: this is the top.
            if share * decrement <= 1e-14 * abs(value):
                proposed = log_posterior(b, target, means, gradient)
                return True
        b += share * step
        gradient[:] = other
        value = proposed
    return False


def find_mode(target: Target) -> Mode:
    """Find the mode of a posterior by Newton's method.

    target: the posterior
    """
    p = target.chosen.size
    b, matrix = np.zeros(p), np.zeros((p, p))
    n_cells = max(int(target.face.sum()), 1)
    b[0] = np.log(target.counts[target.face].sum() / n_cells + 1.0)
    converged = bool(_climb(target, b, matrix))
    return Mode(b, np.tril(matrix), converged)


@kernel
def _back(factor, z, out):  # type: ignore[no-untyped-def]
    """Solve L' out = z."""
    for i in range(z.size - 1, -1, -1):
        total = z[i]
        for k in range(i + 1, z.size):
            total -= factor[k, i] * out[k]
        out[i] = total / factor[i, i]


@kernel
def _forward(factor, x):  # type: ignore[no-untyped-def]
    """Solve L x = x, in place."""
    for i in range(x.size):
        total = x[i]
        for k in range(i):
            total -= factor[i, k] * x[k]
        x[i] = total / factor[i, i]


@kernel
def _at(z, target, center, factor, b, means, gradient):  # type: ignore[no-untyped-def]
    """Log density and gradient in the coordinates z; coefficients and means as a by-product."""
    _back(factor, z, b)
    b += center
    value = log_posterior(b, target, means, gradient)
    _forward(factor, gradient)
    return value


@kernel
def run_chain(rng, target, center, factor, start, n_warmup, coefficients, hidden, stats):  # type: ignore[no-untyped-def]
    """Run one chain of Hamiltonian Monte Carlo.

    rng: numpy.random.Generator, of this chain
    target: Target, the posterior
    center, factor: (p,) and (p, p) float64, of `Mode`
    start: (p,) float64, first state, in standard deviations from the mode
    n_warmup: int, draws in which the step is adapted; they are not kept
    coefficients: (M, p) float64, receives the draws, log scale
    hidden: (M, Q) float64, receives the means of the hidden cells, persons
    stats: (M, 2) float64, receives the probability of acceptance and the log density
    """
    p = center.size
    z, b = start.copy(), np.zeros(p)
    means, gradient = np.zeros(target.counts.size), np.zeros(p)
    value = _at(z, target, center, factor, b, means, gradient)
    kept_b, kept_hidden = b.copy(), means[: hidden.shape[1]].copy()
    log_step = np.log(1.0 / p**0.25)
    anchor, slack, averaged = np.log(10.0) + log_step, 0.0, 0.0
    for m in range(-n_warmup, coefficients.shape[0]):
        length = QUARTER * (0.5 + rng.random())
        step = np.exp(log_step if m < 0 else averaged)
        n_steps = min(max(int(np.ceil(length / step)), 1), MAX_STEPS)
        momentum = rng.standard_normal(p)
        energy = value - 0.5 * (momentum @ momentum)
        new, slope = z.copy(), gradient.copy()
        new_value = value
        for _ in range(n_steps):
            momentum += 0.5 * step * slope
            new += step * momentum
            new_value = _at(new, target, center, factor, b, means, slope)
            momentum += 0.5 * step * slope
        change = new_value - 0.5 * (momentum @ momentum) - energy
        # A trajectory that left the range of a double is rejected: NaN compares as false.
        probability = min(1.0, np.exp(min(change, 0.0))) if change > -np.inf else 0.0
        if rng.random() < probability:
            z, gradient, value = new, slope, new_value
            kept_b[:] = b
            kept_hidden[:] = means[: hidden.shape[1]]
        if m < 0:
            t = m + n_warmup + 1.0
            slack += (TARGET_ACCEPTANCE - probability - slack) / (t + _OFFSET)
            log_step = anchor - np.sqrt(t) / _GAMMA * slack
            averaged += t**-_DECAY * (log_step - averaged)
        else:
            coefficients[m] = kept_b
            hidden[m] = kept_hidden
            stats[m, 0], stats[m, 1] = probability, value


def draw(
    rng: np.random.Generator, target: Target, mode: Mode, n_draws: int, n_warmup: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw one chain from a start that is twice as dispersed as the posterior.

    rng: of this chain
    target: the posterior
    mode: its mode
    n_draws, n_warmup: draws to keep, and to adapt the step in before
    Returns coefficients: (M, p), log scale
    Returns hidden: (M, Q), means of the hidden cells, persons
    Returns stats: (M, 2), probability of acceptance, and log density
    """
    p = target.chosen.size
    coefficients = np.zeros((n_draws, p))
    hidden = np.zeros((n_draws, target.design.n_hidden))
    stats = np.zeros((n_draws, 2))
    start = 2.0 * rng.standard_normal(p)
    run_chain(
        rng,
        target,
        mode.coefficients,
        mode.factor,
        start,
        n_warmup,
        coefficients,
        hidden,
        stats,
    )
    return coefficients, hidden, stats


@kernel
def _means(coefficients, target, means):  # type: ignore[no-untyped-def]
    for m in range(means.shape[0]):
        spread(coefficients[m], target.design, target.chosen, target.chosen.size, means[m])
        for c in range(means.shape[1]):
            means[m, c] = np.exp(min(means[m, c], LARGEST_LOG)) if target.face[c] else 0.0


def cell_means(coefficients: FloatArray, target: Target) -> FloatArray:
    """Means of the cells of the face, persons, and 0 elsewhere.

    coefficients: (M, p), log scale
    target: the posterior they are from
    Returns (M, C)
    """
    means = np.zeros((len(coefficients), target.counts.size))
    _means(coefficients, target, means)
    return means
