"""Maps from normal deviates onto the posteriors of log-linear models.

The map onto the posterior of one model is theta = m + L'^-1 (s z), with m and (L L')^-1 mean and covariance
of the normal distribution that is nearest to the posterior in the sense of variational inference, and a
scale s for each coordinate, so that the density falls along it as a normal one does (Geweke 1989, Econometrica 57,
1317-1339, section 4, has two). With z standard normal, exp(log weight) is the density of the posterior over that
of theta: its mean is the marginal likelihood of the model, and samplers in the coordinates z see a target that is
nearly the same for all models.
"""

from __future__ import annotations

from math import lgamma, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core.lattice import superset_sum
from mse.core.model_average.density import (
    LARGEST_LOG_MEAN,
    LOG_2PI,
    Room,
    Target,
    choose_effects,
    log_density,
    make_room,
)
from mse.core.newton import cholesky, cholesky_solve, gather, information, spread
from mse.core.partly_known import Likelihood, complete, curvature

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray

#: A mode is found when a Newton step would raise the log density by no more than this.
FINE_RISE = 1e-10
#: Newton's method takes some 5 steps; damped phases of sparse tables some 20.
MAX_EVALUATIONS = 200
#: A halved Newton step this short changes nothing.
SHORTEST_STEP = 2.0**-40
#: Newton steps from the mode towards the nearest normal distribution, and the change of a log mean that ends
#: them: a map need not be exact. Each goes half the way in the variances, which would overshoot.
CENTERINGS, CENTERED = 8, 0.01
#: Outer node of the Gauss-Hermite rule of three nodes, whose weights are 2/3 and 1/6.
NODE = sqrt(3.0)
#: How far a map has been worked out: to Laplace's approximation, or to the end.
ROUGH, WHOLE = 1, 2
#: Bounds of the scales, for densities that are far from normal.
SMALLEST_SCALE, LARGEST_SCALE = 0.5, 2.0


class Maps(NamedTuple):
    """Maps onto the posteriors of several models, one in each slot.

    members: (slots, T) bool, terms of the model
    size: (slots,), number of parameters p; 0 where no map was found
    chosen: (slots, U), its effects
    center: (slots, U), mean of the nearest normal distribution, in the order of `chosen`
    factor: (slots, U, U), Cholesky factor L of its precision, lower triangle
    scale: (slots, U), scales of the coordinates
    log_volume: (slots,), of the terms of the model
    constant: (slots,), log of (2 pi)^(p/2) det(scales) / det L
    evidence: (slots,), approximate log marginal likelihood: a rule of three nodes along each
        coordinate
    rough: (slots,), Laplace's approximation of it; -inf where no mode was found
    level: (slots,), what there is: nothing (0), `ROUGH`, or `WHOLE`
    """

    members: BoolArray
    size: IntArray
    chosen: IntArray
    center: FloatArray
    factor: FloatArray
    scale: FloatArray
    log_volume: FloatArray
    constant: FloatArray
    evidence: FloatArray
    rough: FloatArray
    level: IntArray


def make_maps(target: Target, slots: int) -> Maps:
    """Allocate maps for some number of models."""
    size, n_terms = target.penalty.shape[0], target.scope.free.size
    log_volume, constant, evidence, rough = (np.zeros(slots) for _ in range(4))
    return Maps(
        np.zeros((slots, n_terms), dtype=np.bool_),
        np.zeros(slots, dtype=np.int64),
        np.zeros((slots, size), dtype=np.int64),
        np.zeros((slots, size)),
        np.zeros((slots, size, size)),
        np.zeros((slots, size)),
        log_volume,
        constant,
        evidence,
        rough,
        np.zeros(slots, dtype=np.int64),
    )


@kernel
def _start(target, chosen, p, room):  # type: ignore[no-untyped-def]
    """One weighted least-squares step from the counts, with a unit information prior."""
    design, weights, right = target.likelihood.design, room.means, room.done.counts
    for c in range(weights.size):
        weights[c] = target.start[c]
        right[c] = weights[c] * np.log(weights[c]) if weights[c] > 0.0 else 0.0
    _sums(weights, right, target, chosen, p, room)
    for i in range(p):
        room.trial[i] = gather(right, design, chosen[i])
        for j in range(i + 1):
            room.matrix[i, j] += target.penalty[chosen[i], chosen[j]]
    found = cholesky(room.matrix, p)
    cholesky_solve(room.matrix, p, room.trial)
    return found


@kernel
def _sums(weights, right, target, chosen, p, room):  # type: ignore[no-untyped-def]
    design = target.likelihood.design
    superset_sum(weights, design.shape)
    superset_sum(right, design.shape)
    information(weights, design, chosen, p, room.matrix)


@kernel
def _derivatives(target, likelihood, p, trace, room):  # type: ignore[no-untyped-def]
    """Score and lower triangle of minus the second derivatives at b, whose means are in the room.

    `matrix` may be indefinite where the likelihood is not concave or v is not given; `whole`, that of
    the completed counts under the v that fits b best, never is. With the expected excess `trace` of the variance
    S of uncertain coefficients over that of their means, v is taken as given.
    """
    curvature(room.means, likelihood, room.done, room.score, room.whole, room.matrix)
    square = trace
    for i in range(p):
        room.pull[i] = 0.0
        for j in range(p):
            room.pull[i] += target.penalty[likelihood.kept[i], likelihood.kept[j]] * room.b[j]
        square += room.pull[i] * room.b[i]
    strength, bend = 1.0 / max(target.prior[0], 1e-300), 0.0
    if target.prior[0] <= 0.0:
        strength = (target.prior[1] + p - 1) / (target.prior[2] + square)
        bend = 2.0 * strength / (target.prior[2] + square) if trace == 0.0 else 0.0
    for i in range(p):
        room.score[i] -= strength * room.pull[i]
        for j in range(i + 1):
            held = strength * target.penalty[likelihood.kept[i], likelihood.kept[j]]
            room.whole[i, j] += held
            room.matrix[i, j] += held - bend * room.pull[i] * room.pull[j]


@kernel
def _factor(p, room):  # type: ignore[no-untyped-def]
    """Factor `matrix`, or where it is not positive definite put that of `whole` in its place."""
    if cholesky(room.matrix, p):
        return True
    for i in range(p):
        for j in range(i + 1):
            room.matrix[i, j] = room.whole[i, j]
    return cholesky(room.matrix, p)


@kernel
def _go(start, step, t, p, end):  # type: ignore[no-untyped-def]
    """Go from a start along a step."""
    for i in range(p):
        end[i] = start[i] + t * step[i]


@kernel
def _newton_step(p, room):  # type: ignore[no-untyped-def]
    """Compute the step from b and put its end into the trial; the rise that the slope promises."""
    rise = 0.0
    for i in range(p):
        room.step[i] = room.score[i]
    cholesky_solve(room.matrix, p, room.step)
    for i in range(p):
        rise += room.step[i] * room.score[i]
    _go(room.b, room.step, 1.0, p, room.trial)
    return rise


@kernel
def _spread_back(factor, p, x):  # type: ignore[no-untyped-def]
    """Solve L'y = x in place."""
    for i in range(p - 1, -1, -1):
        x[i] /= factor[i, i]
        for k in range(i):
            x[k] -= factor[i, k] * x[i]


@kernel
def _half_variances(design, chosen, p, room, half):  # type: ignore[no-untyped-def]
    """Half the variance of each log mean under the factor in `matrix`; that of S beyond that of the means."""
    along, trace = room.done.counts, 0.0
    for c in range(half.size):
        half[c] *= 0.5
    for i in range(p):
        for k in range(i):
            room.step[k] = 0.0
        room.step[i] = 1.0
        _spread_back(room.matrix, i + 1, room.step)
        spread(room.step, design, chosen, i + 1, along)
        once, twice = 0.0, 0.0
        for c in range(half.size):
            once += along[c]
            twice += along[c] * along[c]
            half[c] += 0.25 * along[c] * along[c]
        trace += twice / half.size - (once / half.size) ** 2
    return trace


@kernel
def _smooth(likelihood, p, trace, room, half):  # type: ignore[no-untyped-def]
    """Set means of log-normal variables, and what they complete the counts to; the excess variance of S."""
    trace = 0.5 * (trace + _half_variances(likelihood.design, likelihood.kept, p, room, half))
    spread(room.b, likelihood.design, likelihood.kept, p, room.means)
    for c in range(half.size):
        room.means[c] = np.exp(min(room.means[c] + half[c], LARGEST_LOG_MEAN))
    complete(room.means, likelihood, room.done)
    return trace


@kernel
def _limited_step(likelihood, p, room):  # type: ignore[no-untyped-def]
    """Take the step, shortened where it changes a log mean by more than 1; how much it would."""
    spread(room.step, likelihood.design, likelihood.kept, p, room.means)
    longest = 0.0
    for c in range(room.means.size):
        longest = max(longest, abs(room.means[c]))
    _go(room.b, room.step, 1.0 / max(longest, 1.0), p, room.b)
    return longest


@kernel
def _settle(target, likelihood, steps, log_volume, room, half):  # type: ignore[no-untyped-def]
    """Climb from the trial to the mode by damped Newton steps, and go on to the nearest normal distribution.

    The mean and covariance of the latter solve the equations of a mode with the means of log-normal variables in
    place of exp(x'b) (Challis & Barber 2013, JMLR 14, 2239-2286, section 3.2). A few steps are enough for a map.
    They end up in `b`, the covariance as the Cholesky factor of its inverse in `matrix`.

    Returns whether all went well, and the log density at the mode less log det L there.
    """
    p, value, rise, t = likelihood.kept.size, -np.inf, 0.0, 1.0
    trace, centerings = 0.0, 0
    half[:] = 0.0
    for _ in range(MAX_EVALUATIONS):
        if centerings == 0:
            moved = log_density(room.trial, target, likelihood.kept, p, log_volume, room)
            # Rounding of the sum hides rises smaller than this.
            slack = 1e-13 * max(abs(moved), 1.0)
            if not moved >= value + 0.1 * t * rise - slack and t > SHORTEST_STEP:
                t *= 0.5
                _go(room.b, room.step, t, p, room.trial)
                continue
            value, t = moved, 1.0
            _go(room.trial, room.step, 0.0, p, room.b)
        else:
            trace = _smooth(likelihood, p, trace, room, half)
        _derivatives(target, likelihood, p, trace, room)
        if not _factor(p, room):
            return False, -np.inf
        rise = _newton_step(p, room)
        if centerings > 0:
            centerings += 1
            if _limited_step(likelihood, p, room) < CENTERED or centerings > steps:
                return True, value
        elif rise <= FINE_RISE:
            for i in range(p):
                value -= np.log(room.matrix[i, i])
            if steps == 0:
                return True, value
            centerings = 1
    return False, -np.inf


@kernel
def find_centers(target, models, maps, first, steps, room):  # type: ignore[no-untyped-def]
    """Find the normal distributions that are nearest to the posteriors of some models.

    Parameters
    ----------
    target : Target
        The posterior.
    models : bool array (M, T)
        Terms of the models.
    maps : Maps
        Receives them ...
    first : int
        ... in this slot and those behind it, with all scales 1.
    steps : int
        From the mode towards the center; with 0 Laplace's approximation is all that is of use.
    room : Room
        Is written to.
    """
    seen, half = target.likelihood, np.zeros(room.means.size)
    for m in range(models.shape[0]):
        slot = first + m
        chosen = maps.chosen[slot]
        for t in range(models.shape[1]):
            maps.members[slot, t] = models[m, t]
        p, log_volume = choose_effects(models[m], target.scope, chosen)
        own = Likelihood(
            seen.base,
            seen.seen,
            seen.inside,
            seen.unseen,
            seen.hidden,
            seen.design,
            chosen[:p],
            seen.levels,
        )
        found, height = False, -np.inf
        if _start(target, chosen, p, room):
            found, height = _settle(target, own, steps, log_volume, room, half)
        maps.size[slot], maps.log_volume[slot] = p if found else 0, log_volume
        maps.rough[slot], maps.level[slot] = height + 0.5 * p * LOG_2PI, ROUGH
        maps.constant[slot] = 0.5 * p * LOG_2PI if found else -np.inf
        for i in range(p):
            maps.center[slot, i], maps.scale[slot, i] = room.b[i], 1.0
            maps.constant[slot] -= np.log(room.matrix[i, i]) if found else 0.0
            for j in range(i + 1):
                maps.factor[slot, i, j] = room.matrix[i, j]


@kernel
def _fit_coordinate(target, maps, slot, i, height, room):  # type: ignore[no-untyped-def]
    """Set the scale of a coordinate; log of the integral along it over that of a normal density."""
    p, chosen = maps.size[slot], maps.chosen[slot]
    for k in range(p):
        room.step[k] = 0.0
    room.step[i] = 1.0
    _spread_back(maps.factor[slot], i + 1, room.step)
    fall, integral = 0.0, 2.0 / 3.0
    for side in range(2):
        for k in range(p):
            room.trial[k] = maps.center[slot, k] + (2 * side - 1) * NODE * room.step[k]
        there = log_density(room.trial, target, chosen, p, maps.log_volume[slot], room)
        fall += height - there
        integral += np.exp(min(there - height + 0.5 * NODE**2, LARGEST_LOG_MEAN)) / 6.0
    scale = NODE / np.sqrt(fall) if fall > 0.0 else LARGEST_SCALE
    maps.scale[slot, i] = min(max(scale, SMALLEST_SCALE), LARGEST_SCALE)
    return np.log(integral)


@kernel
def fit_scales(target, maps, first, count, room):  # type: ignore[no-untyped-def]
    """Set the scales of maps, and the approximate evidence.

    Parameters
    ----------
    target : Target
        The posterior.
    maps : Maps
        Changed ...
    first, count : int
        ... in so many slots from this one on.
    room : Room
        Is written to.
    """
    for slot in range(first, first + count):
        p, chosen = maps.size[slot], maps.chosen[slot]
        height = log_density(maps.center[slot], target, chosen, p, maps.log_volume[slot], room)
        maps.evidence[slot], maps.level[slot] = height + maps.constant[slot], WHOLE
        for i in range(p):
            maps.evidence[slot] += _fit_coordinate(target, maps, slot, i, height, room)
            maps.constant[slot] += np.log(maps.scale[slot, i])


def work_out(target: Target, models: BoolArray, maps: Maps, first: int, room: Room) -> None:
    """Work out the maps onto the posteriors of some models.

    Parameters
    ----------
    target : Target
        The posterior.
    models : bool array (M, T)
        Terms of the models.
    maps : Maps
        Receives the maps ...
    first : int
        ... in this slot and those behind it.
    room : Room
        Is written to.
    """
    find_centers(target, models, maps, first, CENTERINGS, room)
    fit_scales(target, maps, first, len(models), room)


@kernel
def log_weight(z, target, maps, slot, room):  # type: ignore[no-untyped-def]
    """Log density of the posterior over that of theta where z is standard normal.

    z: (U,) float64, coordinates by effect; those that the model lacks are not read
    target, maps, slot: the posterior, and where the map of the model is
    room: Room, receives theta in `b`, in the order of the model's effects, and the means
    """
    p, chosen = maps.size[slot], maps.chosen[slot]
    if p == 0:
        return -np.inf
    value = maps.constant[slot]
    for i in range(p):
        own = z[chosen[i]]
        value += 0.5 * own * own
        room.b[i] = maps.scale[slot, i] * own
    _spread_back(maps.factor[slot], p, room.b)
    for i in range(p):
        room.b[i] += maps.center[slot, i]
    return value + log_density(room.b, target, chosen, p, maps.log_volume[slot], room)


# Marginal likelihoods of log-linear models by importance sampling ---------------------------------
# Coordinates z are drawn from a mixture of the standard normal distribution and of a multivariate t distribution,
# whose tails keep the weights bounded (Hesterberg 1995, Technometrics 37, 185-194), and mapped onto the posterior of a
# model (`mse.core.model_average.maps`). The mean of the weights estimates the marginal likelihood without bias; their
# variance gives its error.

#: Share of the t distribution in the mixture, and its degrees of freedom.
HEAVY_SHARE, HEAVY_DF = 0.1, 5


@kernel
def _log_mixture(square, p):  # type: ignore[no-untyped-def]
    """Log density of the mixture over that of the standard normal distribution, at squared length."""
    log_t = lgamma(0.5 * (HEAVY_DF + p)) - lgamma(0.5 * HEAVY_DF)
    log_t -= 0.5 * p * np.log(0.5 * HEAVY_DF) + 0.5 * (HEAVY_DF + p) * np.log1p(square / HEAVY_DF)
    ratio = log_t + 0.5 * square
    # So far out, where one draw in 10^5 to 10^6 falls, the normal part does not show, and the power overflows.
    if ratio > 600.0:
        return np.log(HEAVY_SHARE) + ratio
    return np.log(1.0 - HEAVY_SHARE + HEAVY_SHARE * np.exp(ratio))


@kernel
def weigh(target, maps, counts, sums, room, rng):  # type: ignore[no-untyped-def]
    """Draw from the maps of some models and sum the weights.

    target: Target, the posterior
    maps: Maps, the maps; those of the first models are used
    counts: (M,) int64, draws for each of them
    sums: (M, 2) float64, receives the sums of the weights over the approximate evidence of the map,
        and of their squares
    room: Room, is written to
    rng: numpy.random.Generator, draws
    """
    z = np.zeros(maps.center.shape[1])
    for slot in range(counts.size):
        p, chosen = maps.size[slot], maps.chosen[slot]
        for _ in range(counts[slot]):
            stretch = 1.0
            if rng.random() < HEAVY_SHARE:
                square = 0.0
                for _ in range(HEAVY_DF):
                    square += rng.standard_normal() ** 2
                stretch = np.sqrt(HEAVY_DF / square)
            square = 0.0
            for i in range(p):
                z[chosen[i]] = stretch * rng.standard_normal()
                square += z[chosen[i]] ** 2
            value = log_weight(z, target, maps, slot, room) - _log_mixture(square, p)
            weight = np.exp(value - maps.evidence[slot])
            sums[slot, 0] += weight
            sums[slot, 1] += weight * weight


def laplace(target: Target, models: BoolArray) -> FloatArray:
    """Laplace's approximation of log marginal likelihoods.

    target: the posterior
    models: (M, T) bool, terms of the models
    Returns (M,), but for a constant that all models share; -inf where no mode was found
    """
    maps = make_maps(target, len(models))
    find_centers(target, models, maps, 0, 0, make_room(target))
    return maps.rough


def sample_weights(
    target: Target, models: BoolArray, counts: IntArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Sum weights of draws from the maps of some models.

    target: the posterior
    models: (M, T) bool, terms of the models
    counts: (M,), draws of each
    rng: draws
    Returns sums: (M, 2), of the weights over exp(scale), and of their squares
    Returns scale: (M,), log scale; -inf where no mode was found
    """
    maps, room = make_maps(target, len(models)), make_room(target)
    work_out(target, models, maps, 0, room)
    sums = np.zeros((len(models), 2))
    weigh(target, maps, np.where(maps.size > 0, counts, 0), sums, room, rng)
    return sums, np.where(maps.size > 0, maps.evidence, -np.inf)
