"""Posterior density of `mse.core.pooled` for a sampler, populations from its draws, and prior draws.

A sampler moves y = z (s / s_0)^a instead of a standard normal coordinate z of `mse.core.pooled_effects`, with
s the scale of its effect and s_0 a usual value of that: 0 is the non-centered form, 1 the centered one, and
what data say much about should be near 1 (Papaspiliopoulos, Roberts & Skold 2003, Bayesian Statistics 7,
307-326). The posterior is the same for any a.
"""

from __future__ import annotations

from math import lgamma
from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.newton import LARGEST_LOG
from mse.core.pooled import density, log_means, log_shares, make_cells, make_effects
from mse.core.pooled_effects import Parameters, common_effects, effects_of

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray
    from mse.core.pooled_effects import Pooled

#: Largest mean of a Poisson draw: 64 bits hold what comes of it.
LARGEST_MEAN = 1e17


class Prior(NamedTuple):
    """Priors of the parameters that are not standard normal.

    Attributes
    ----------
    level : float64 array (2,)
        Mean and standard deviation of the level, log persons.
    scales : float64 array
        Scale of the half-normal prior of each scale.
    cuts : int64 array (3,)
        Where scales, z and r start in a point: level, log scales, y, r, one after the other.
    owner : int64 array (Z,)
        The scale of the effect of each coordinate; -1 where there is none.
    degree : float64 array (Z,)
        The power a of each; 0 where there is no scale.
    usual : float64 array
        Log of s_0 of each scale.
    """

    level: FloatArray
    scales: FloatArray
    cuts: IntArray
    owner: IntArray
    degree: FloatArray
    usual: FloatArray


class Populations(NamedTuple):
    """Persons by stratum in each draw.

    Attributes
    ----------
    observed : float64 array (M, S)
        Registered persons. Those whose stratum is not known are in another one in each draw, so that only
        the sum over strata is the same in all; of a count within bounds it is the lower one.
    hidden : float64 array (M, S)
        All others: on no list there, or beyond the lower bound of a count.
    expected : float64 array (S,)
        Registered persons, those of partly known records in the strata where they are expected.
    """

    observed: FloatArray
    hidden: FloatArray
    expected: FloatArray


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _parameters(x, prior):  # type: ignore[no-untyped-def]
    cuts = prior.cuts
    scales = np.zeros(cuts[1] - cuts[0])
    for i in range(scales.size):
        scales[i] = np.exp(min(x[cuts[0] + i], LARGEST_LOG))
    z = x[cuts[1] : cuts[2]].copy()
    for i in range(z.size):
        if prior.degree[i] > 0.0:
            z[i] *= np.exp(-_log_width(x, prior, i))
    return Parameters(x[: cuts[0]], scales, z, x[cuts[2] :])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _log_width(x, prior, i):  # type: ignore[no-untyped-def]
    """Log of y over z."""
    scale = prior.owner[i]
    away = max(min(x[prior.cuts[0] + scale] - prior.usual[scale], LARGEST_LOG), -LARGEST_LOG)
    return prior.degree[i] * away


@nb.njit(cache=True, nogil=True, error_model="numpy")
def log_posterior(x, prior, data, gradient):  # type: ignore[no-untyped-def]
    """Log posterior density, but for a constant, and its gradient.

    Parameters
    ----------
    x : float64 array
        Level, log scales, y and r.
    prior : Prior
        Priors of level and scales, and what y is.
    data : Pooled
        What is known.
    gradient : float64 array
        Receives the gradient.
    """
    cuts = prior.cuts
    point = _parameters(x, prior)
    for i in range(x.size):
        gradient[i] = 0.0
    slopes = Parameters(
        gradient[: cuts[0]],
        gradient[cuts[0] : cuts[1]],
        gradient[cuts[1] : cuts[2]],
        gradient[cuts[2] :],
    )
    value = density(point, data, slopes)
    for i in range(cuts[0], cuts[1]):
        # Half-normal, and the Jacobian of the logarithm.
        scale = point.scales[i - cuts[0]]
        squared = (scale / prior.scales[i - cuts[0]]) ** 2
        value += x[i] - 0.5 * squared
        gradient[i] = gradient[i] * scale + 1.0 - squared
    away = (x[0] - prior.level[0]) / prior.level[1]
    value -= 0.5 * away * away
    gradient[0] -= away / prior.level[1]
    for i in range(point.z.size):
        z, at = point.z[i], cuts[1] + i
        value -= 0.5 * z * z
        gradient[at] -= z
        if prior.degree[i] > 0.0:
            # A larger scale makes z smaller at the same y, and y more dispersed.
            width, scale = _log_width(x, prior, i), cuts[0] + prior.owner[i]
            value -= width
            gradient[scale] -= prior.degree[i] * (z * gradient[at] + 1.0)
            gradient[at] *= np.exp(-width)
    return value


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _truncated_draw(rng, mean, low, high):  # type: ignore[no-untyped-def]
    """Poisson number given that it is between bounds: its terms are passed outwards from the largest."""
    mode = min(max(np.floor(mean), float(low)), float(high))
    top = mode * np.log(mean) - lgamma(mode + 1.0)
    # The largest term of probability 1 times the sum of all over it is the sum; draw below that sum.
    total, k, term = 1.0, mode, 1.0
    while k < high and term > 1e-18:
        k += 1.0
        term *= mean / k
        total += term
    k, term = mode, 1.0
    while k > low and term > 1e-18:
        term *= k / mean
        k -= 1.0
        total += term
    rest = rng.random() * total - 1.0
    if rest <= 0.0 or top == -np.inf:
        return mode
    k, term = mode, 1.0
    while k < high and term > 1e-18:
        k += 1.0
        term *= mean / k
        rest -= term
        if rest <= 0.0:
            return k
    k, term = mode, 1.0
    while k > low:
        term *= k / mean
        k -= 1.0
        rest -= term
        if rest <= 0.0:
            return k
    return k


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _share_out(rng, persons, o, logs, total, data, into):  # type: ignore[no-untyped-def]
    """Draw the strata of persons of an observation, in proportion to the means."""
    n_cells, left = data.counts.shape[1], total
    for k in range(data.first_box[o], data.first_box[o + 1]):
        if data.boxes[k] >= 0 and persons > 0:
            mean = np.exp(min(logs[data.boxes[k]], LARGEST_LOG))
            here = rng.binomial(persons, mean / left) if mean < left else persons
            into[data.boxes[k] // n_cells] += here
            persons -= here
            left -= mean


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _allot(rng, o, kinds, logs, data, out, seen):  # type: ignore[no-untyped-def]
    """Draw the persons of an observation: the registered ones, and those beyond its lower bound."""
    total = 0.0
    for k in range(data.first_box[o], data.first_box[o + 1]):
        if data.boxes[k] >= 0:
            total += np.exp(min(logs[data.boxes[k]], LARGEST_LOG))
    n_cells = data.counts.shape[1]
    for k in range(data.first_box[o], data.first_box[o + 1]):
        if data.boxes[k] >= 0:
            mean = np.exp(min(logs[data.boxes[k]], LARGEST_LOG))
            seen[data.boxes[k] // n_cells] += data.low[o] * mean / total
    _share_out(rng, data.low[o], o, logs, total, data, out[0])
    if data.low[o] < data.high[o]:
        mean = total * np.exp(kinds[data.kind[o]])
        persons = np.int64(_truncated_draw(rng, mean, data.low[o], data.high[o]))
        _share_out(rng, persons - data.low[o], o, logs, total, data, out[1])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _populations(rng, points, prior, data, drawn, seen):  # type: ignore[no-untyped-def]
    effects, cells = make_effects(data), make_cells(data)
    kinds = np.zeros(data.n_kinds[0])
    n_strata, n_cells = data.counts.shape
    for m in range(points.shape[0]):
        point = _parameters(points[m], prior)
        effects_of(point, data, effects)
        log_means(point, data, effects, cells)
        log_shares(point.z, kinds)
        for s in range(n_strata):
            mean = 0.0
            for c in range(n_cells):
                drawn[0, m, s] += data.counts[s, c]
                if not data.observable[s, c]:
                    mean += np.exp(min(cells.logs[s, c], LARGEST_LOG))
            drawn[1, m, s] += rng.poisson(min(mean, LARGEST_MEAN))
        logs = cells.logs.ravel()
        for o in range(data.low.size):
            _allot(rng, o, kinds, logs, data, drawn[:, m], seen[m])


def populations(
    rng: np.random.Generator, points: FloatArray, prior: Prior, data: Pooled
) -> Populations:
    """Draw a population for each point: everybody in each stratum, seen or not.

    Parameters
    ----------
    rng : numpy.random.Generator
        Randomness.
    points : float64 array (M, dim)
        Level, log scales, y and r.
    prior : Prior
        Says where they are.
    data : Pooled
        What is known. Persons whose stratum is not known are shared out at random in proportion to the
        means, those counted within bounds drawn between them.

    Returns
    -------
    Populations
    """
    n_strata = data.counts.shape[0]
    drawn = np.zeros((2, len(points), n_strata))
    seen = np.zeros((len(points), n_strata))
    _populations(rng, points, prior, data, drawn, seen)
    return Populations(drawn[0], drawn[1], data.counts.sum(axis=1) + seen.mean(axis=0))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _common(points, prior, data, out):  # type: ignore[no-untyped-def]
    for m in range(points.shape[0]):
        common_effects(_parameters(points[m], prior), data, out[m])


def common_coefficients(points: FloatArray, prior: Prior, data: Pooled) -> FloatArray:
    """Compute common effects of lists, then of pairs, (M, P), log scale; see `populations`."""
    found = np.zeros((len(points), data.cells.size))
    _common(points, prior, data, found)
    return found


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _means(points, prior, data, means):  # type: ignore[no-untyped-def]
    effects, cells = make_effects(data), make_cells(data)
    for m in range(points.shape[0]):
        point = _parameters(points[m], prior)
        effects_of(point, data, effects)
        log_means(point, data, effects, cells)
        for s in range(means.shape[1]):
            for c in range(means.shape[2]):
                means[m, s, c] = np.exp(min(cells.logs[s, c], LARGEST_LOG))


def cell_means(points: FloatArray, prior: Prior, data: Pooled) -> FloatArray:
    """Means of all cells at some points, (M, S, C), persons; parameters as of `populations`."""
    means = np.zeros((len(points), *data.counts.shape))
    _means(points, prior, data, means)
    return means


def prior_points(rng: np.random.Generator, size: int, prior: Prior, n_strata: int) -> FloatArray:
    """Draw points from the prior, for data in which no stratum has a width (see `Pooled`).

    Parameters
    ----------
    rng : numpy.random.Generator
        Randomness.
    size : int
        Points M to draw.
    prior : Prior
        The prior.
    n_strata : int
        Strata S.

    Returns
    -------
    float64 array (M, dim)
    """
    points = rng.standard_normal((size, int(prior.cuts[2]) + n_strata))
    points[:, 0] = prior.level[0] + prior.level[1] * points[:, 0]
    at = slice(prior.cuts[0], prior.cuts[1])
    points[:, at] = np.log(np.abs(points[:, at]) * prior.scales)
    away = points[:, at] - prior.usual
    points[:, prior.cuts[1] : prior.cuts[2]] *= np.exp(prior.degree * away[:, prior.owner])
    return points
