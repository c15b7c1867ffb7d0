"""Marginal likelihoods of log-linear models by importance sampling.

Coordinates z are drawn from a mixture of the standard normal distribution and of a multivariate t distribution,
whose tails keep the weights bounded (Hesterberg 1995, Technometrics 37, 185-194), and mapped onto the posterior of a
model (`mse.core.bayes_loglinear_maps`). The mean of the weights estimates the marginal likelihood without bias; their
variance gives its error.
"""

from __future__ import annotations

from math import lgamma
from typing import TYPE_CHECKING

import numba as nb
import numpy as np

from mse.core.bayes_loglinear import make_room
from mse.core.bayes_loglinear_maps import find_centers, log_weight, make_maps, work_out

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.bayes_loglinear import Target

#: Share of the t distribution in the mixture, and its degrees of freedom.
HEAVY_SHARE, HEAVY_DF = 0.1, 5


@nb.njit(cache=True, nogil=True)
def _log_mixture(square, p):  # type: ignore[no-untyped-def]
    """Log density of the mixture over that of the standard normal distribution, at squared length."""
    log_t = lgamma(0.5 * (HEAVY_DF + p)) - lgamma(0.5 * HEAVY_DF)
    log_t -= 0.5 * p * np.log(0.5 * HEAVY_DF) + 0.5 * (HEAVY_DF + p) * np.log1p(square / HEAVY_DF)
    ratio = log_t + 0.5 * square
    # So far out, where one draw in 10^5 to 10^6 falls, the normal part does not show, and the power overflows.
    if ratio > 600.0:
        return np.log(HEAVY_SHARE) + ratio
    return np.log(1.0 - HEAVY_SHARE + HEAVY_SHARE * np.exp(ratio))


@nb.njit(cache=True, nogil=True)
def weigh(target, maps, counts, sums, room, rng):  # type: ignore[no-untyped-def]
    """Draw from the maps of some models and sum the weights.

    Parameters
    ----------
    target : Target
        The posterior.
    maps : Maps
        The maps; those of the first models are used.
    counts : int64 array (M,)
        Draws for each of them.
    sums : float64 array (M, 2)
        Receives the sums of the weights over the approximate evidence of the map, and of their squares.
    room : Room
        Is written to.
    rng : numpy.random.Generator
        Draws.
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

    Parameters
    ----------
    target : Target
        The posterior.
    models : bool array (M, T)
        Terms of the models.

    Returns
    -------
    float64 array (M,)
        But for a constant that all models share; -inf where no mode was found.
    """
    maps = make_maps(target, len(models))
    find_centers(target, models, maps, 0, 0, make_room(target))
    return maps.rough


def sample_weights(
    target: Target, models: BoolArray, counts: IntArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Sum weights of draws from the maps of some models.

    Parameters
    ----------
    target : Target
        The posterior.
    models : bool array (M, T)
        Terms of the models.
    counts : int64 array (M,)
        Draws of each.
    rng : numpy.random.Generator
        Draws.

    Returns
    -------
    sums : float64 array (M, 2)
        Of the weights over exp(scale), and of their squares.
    scale : float64 array (M,)
        Log scale; -inf where no mode was found.
    """
    maps, room = make_maps(target, len(models)), make_room(target)
    work_out(target, models, maps, 0, room)
    sums = np.zeros((len(models), 2))
    weigh(target, maps, np.where(maps.size > 0, counts, 0), sums, room, rng)
    return sums, np.where(maps.size > 0, maps.evidence, -np.inf)
