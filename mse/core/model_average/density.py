"""Posterior density of the coefficients of hierarchical log-linear models.

Means are exp(x(c)'b). The prior of b leaves the constant flat and gives the rest, in sum-to-zero
contrasts with design X over all n cells, the normal distribution N(0, v n (X'X)^-1): unit information for
v = 1 (Ntzoufras, Dellaportas & Forster 2003, Journal of Statistical Planning and Inference 111, 165-180),
or v inverse gamma (a/2, b/2) (Sabanes Bove & Held 2011, Bayesian Analysis 6, 387-410; Overstall & King
2014, Statistical Methodology 19, 90-102). Then b'X'Xb / n is the variance S of the log means over the cells, so
that the prior depends on the log means alone, whatever the coding of levels, and v is integrated out in closed
form. Coefficients here are those of `mse.core.newton`, differences from the first level.
"""

from __future__ import annotations

from math import lgamma, log, pi
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core.lattice import levels_of, unions
from mse.core.newton import spread
from mse.core.partly_known import Completion, Likelihood, complete

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design

#: Log means are cut off here, e^43 persons: the largest that fit into 64 bits.
LARGEST_LOG_MEAN = 43.0
#: Added to counts for the least-squares start.
START_COUNT = 0.5

LOG_2PI = log(2 * pi)


class Scope(NamedTuple):
    """The terms that models choose from.

    starts: (T + 1,), term t has the effects ``starts[t]`` to ``starts[t + 1] - 1`` of the design
    facets: (T, F), terms with one axis less that a model with term t must have; -1 in unused places
    free: (T,) bool, terms that a model may lack
    log_volume: (T,), half the log determinant of the term's block of X'X/n in the coding of the
        design
    """

    starts: IntArray
    facets: IntArray
    free: BoolArray
    log_volume: FloatArray


class Target(NamedTuple):
    """The posterior over models and their coefficients.

    likelihood: what was seen; ``kept`` holds every effect of the scope
    scope: the terms
    penalty: (U, U), b'(penalty)b is the variance S of the log means over the cells
    prior: (3,), v, or 0 where it is inverse gamma (a/2, b/2); a; b
    start: (C,), counts of observable cells for the least-squares start; 0 elsewhere
    """

    likelihood: Likelihood
    scope: Scope
    penalty: FloatArray
    prior: FloatArray
    start: FloatArray


class Room(NamedTuple):
    """Arrays that evaluations write to."""

    means: FloatArray  # (C,)
    done: Completion
    b: FloatArray  # (U,)
    trial: FloatArray  # (U,)
    step: FloatArray  # (U,)
    score: FloatArray  # (U,)
    pull: FloatArray  # (U,) penalty times b
    matrix: FloatArray  # (U, U)
    whole: FloatArray  # (U, U)
    chosen: IntArray  # (U,)


def make_target(likelihood: Likelihood, scope: Scope, prior: FloatArray) -> Target:
    """Put a likelihood and a prior together.

    likelihood: what was seen
    scope: the terms; their effects are those of the likelihood's design
    prior: (3,), as of `Target`
    """
    design = likelihood.design
    base = likelihood.base + START_COUNT
    seen = likelihood.seen
    for o in range(seen.low.size):
        cells = seen.boxes[seen.first[o] : seen.first[o + 1]]
        cells = cells[cells >= 0]
        # Halfway between the bounds, but not far above the lower one where the upper one is far.
        most = min(float(seen.high[o]), 10.0 * float(seen.low[o]) + 1000.0)
        base[cells] += (float(seen.low[o]) + most) / 2 / max(cells.size, 1)
    return Target(
        likelihood,
        scope,
        penalty_matrix(design),
        prior,
        np.where(likelihood.inside, base, 0.0),
    )


def penalty_matrix(design: Design) -> FloatArray:
    """Matrix of the variance of log means over all cells as a quadratic form of the effects, (U, U)."""
    levels = levels_of(design.cells, design.shape)
    share = np.where(levels > 0, 1.0 / design.shape, 1.0).prod(axis=1)
    union = unions(design.cells, design.shape)
    both = levels_of(np.maximum(union, 0), design.shape)
    joint = np.where(both > 0, 1.0 / design.shape, 1.0).prod(axis=2)
    return np.asarray(np.where(union < 0, 0.0, joint) - np.outer(share, share))


def make_room(target: Target) -> Room:
    """Allocate the arrays for evaluations."""
    size, n_cells = target.penalty.shape[0], target.start.size
    n_seen = target.likelihood.seen.low.size
    done = Completion(np.zeros(n_cells), np.zeros(n_seen), np.zeros(n_seen))
    return Room(
        np.zeros(n_cells),
        done,
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros((size, size)),
        np.zeros((size, size)),
        np.zeros(size, dtype=np.int64),
    )


@kernel
def log_prior(square, size, log_volume, prior):  # type: ignore[no-untyped-def]
    """Log prior density of the coefficients but for the flat constant.

    square: float, variance S of the log means over the cells
    size: int, number of coefficients but for the constant
    log_volume: float, of the terms of the model
    prior: (3,) float64, as of `Target`
    """
    if prior[0] > 0.0:
        return log_volume - 0.5 * size * (LOG_2PI + np.log(prior[0])) - 0.5 * square / prior[0]
    shape, rate = prior[1], prior[2]
    value = lgamma(0.5 * (shape + size)) - lgamma(0.5 * shape) + 0.5 * shape * np.log(rate)
    value -= 0.5 * size * np.log(np.pi) + 0.5 * (shape + size) * np.log(rate + square)
    return value + log_volume


@kernel
def choose_effects(members, scope, chosen):  # type: ignore[no-untyped-def]
    """List the effects of a model, the constant first; their number and the log volume."""
    chosen[0] = 0
    p, log_volume = 1, 0.0
    for t in range(members.size):
        if members[t]:
            log_volume += scope.log_volume[t]
            for u in range(scope.starts[t], scope.starts[t + 1]):
                chosen[p] = u
                p += 1
    return p, log_volume


@kernel
def log_density(b, target, chosen, p, log_volume, room):  # type: ignore[no-untyped-def]
    """Evaluate the log posterior density but for a constant that all models share.

    b: float64 array, at least (p,), coefficients, log scale
    target: Target, the posterior
    chosen: int64 array, at least (p,), the effects of the model
    p: int, their number
    log_volume: float, of the terms of the model
    room: Room, receives means and completed counts
    """
    means = room.means
    spread(b, target.likelihood.design, chosen, p, means)
    average, square = 0.0, 0.0
    for c in range(means.size):
        average += means[c]
    average /= means.size
    for c in range(means.size):
        square += (means[c] - average) ** 2
        means[c] = np.exp(min(means[c], LARGEST_LOG_MEAN))
    value = complete(means, target.likelihood, room.done)
    return value + log_prior(square / means.size, p - 1, log_volume, target.prior)
