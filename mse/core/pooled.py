"""Density and gradient of a log-linear model whose coefficients vary over strata around common values.

The expected persons of history c in stratum s are Lambda_s p_s(c), with p_s(c) proportional to
exp(x(c)'theta_s) over all histories, the hidden one included, and effects theta_s of single lists and of
pairs of lists. With pi_s the probability of the histories that can be seen,

    u_s = log(Lambda_s pi_s)                                 expected persons in sight, log scale
    u_s - log pi_s ~ N(level - log pi + size effects, tau^2)  sizes; pi at the common effects
    theta_s = common effects + effects of the levels of each covariate + deviation of the stratum

Two choices keep the geometry plain for a sampler. u_s is sampled itself where a stratum has data, and by
its standardized distance from the prior where it has next to none (Papaspiliopoulos, Roberts & Skold 2007,
Statistical Science 22, 59-73). And the level is that of persons in sight, which the data determine, not
that of all.

Counts over sets of cells enter as in `mse.core.observed`. Everything is one pass over the strata: subset
sums for the predictors, superset sums for the gradient. A sampler tries points where an exponential leaves
the range of a double; what is divided by zero there is NaN, which it turns away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.lattice import subset_sum, superset_sum
from mse.core.newton import LARGEST_LOG
from mse.core.observed import truncated_poisson
from mse.core.pooled_effects import Effects, effects_back, effects_of

if TYPE_CHECKING:
    from mse._typing import FloatArray

#: Prior standard deviation of the log odds of a kind of record against fully known ones.
KIND_SCALE = 2.0


#: Means of counts beyond this are out of range: the series of a count within bounds counts in 64 bits.
LARGEST_COUNT = 1e17


class Cells(NamedTuple):
    """Means of the cells at a point."""

    logs: FloatArray  # (S, C) log means, hidden cells included
    shares: FloatArray  # (S, C) means over that of all cells in sight
    u: FloatArray  # (S,) log expected persons in sight
    coverage: FloatArray  # (S,) log pi
    common: FloatArray  # (C,) shares at the common effects


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _weights(theta, cells, shape, observable, logs, e):  # type: ignore[no-untyped-def]
    """Write x(c)'theta less its largest value, and e, the exponential of that over its sum in sight.

    Returns the logs of the sum in sight and of that over the sum of all.
    """
    top = 0.0
    for c in range(e.size):
        logs[c] = 0.0
    for j in range(theta.size):
        logs[cells[j]] = theta[j]
    subset_sum(logs, shape)
    for c in range(e.size):
        top = max(top, logs[c])
    seen, everything = 0.0, 0.0
    for c in range(e.size):
        logs[c] -= top
        e[c] = np.exp(logs[c])
        everything += e[c]
        if observable[c]:
            seen += e[c]
    for c in range(e.size):
        e[c] /= seen
    return np.log(seen), np.log(seen / everything)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def log_means(point, data, effects, cells):  # type: ignore[no-untyped-def]
    """Work out the log means of all cells.

    Parameters
    ----------
    point : Parameters
        Where.
    data : Pooled
        What is known.
    effects : Effects
        Of `effects_of`.
    cells : Cells
        Receives them.

    Returns
    -------
    float
        The log pi of the common effects where all lists operate.
    """
    n_cells = cells.logs.shape[1]
    anywhere = np.ones(n_cells, dtype=np.bool_)
    anywhere[0] = False
    spare = np.zeros(n_cells)
    usual = _weights(effects.common, data.cells, data.shape, anywhere, spare, cells.common)[1]
    for s in range(cells.u.size):
        log_seen, cells.coverage[s] = _weights(
            effects.theta[s],
            data.cells,
            data.shape,
            data.observable[s],
            cells.logs[s],
            cells.shares[s],
        )
        if data.width[s] > 0.0:
            u = data.anchor[s] + data.width[s] * point.r[s]
        else:
            location = point.level[0] - usual + effects.size[s]
            u = location + cells.coverage[s] + point.scales[0] * point.r[s]
        cells.u[s] = u
        for c in range(n_cells):
            cells.logs[s, c] += u - log_seen
    return usual


@nb.njit(cache=True, nogil=True, error_model="numpy")
def log_shares(z, out):  # type: ignore[no-untyped-def]
    """Log shares of the kinds of records; the odds of each to the first are log-normal."""
    n = out.size
    top = 0.0
    out[0] = 0.0
    for k in range(1, n):
        out[k] = KIND_SCALE * z[z.size - n + k]
        top = max(top, out[k])
    total = 0.0
    for k in range(n):
        total += np.exp(out[k] - top)
    for k in range(n):
        out[k] -= top + np.log(total)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _complete(logs, data, shares, completed, by_kind):  # type: ignore[no-untyped-def]
    """Log likelihood of all counts but for the total mean; counts completed, by cell and by kind."""
    value = 0.0
    for i in range(completed.size):
        if completed[i] > 0.0:
            value += completed[i] * (logs[i] + shares[0])
            by_kind[0] += completed[i]
    for o in range(data.low.size):
        total = 0.0
        for k in range(data.first_box[o], data.first_box[o + 1]):
            if data.boxes[k] >= 0:
                total += np.exp(min(logs[data.boxes[k]], LARGEST_LOG))
        share = shares[data.kind[o]]
        if not 0.0 < total < LARGEST_COUNT:
            return np.nan
        if data.low[o] == data.high[o]:
            persons = float(data.low[o])
            value += persons * (np.log(total) + share)
        else:
            gain, persons, _ = truncated_poisson(total * np.exp(share), data.low[o], data.high[o])
            value += gain
        by_kind[data.kind[o]] += persons
        for k in range(data.first_box[o], data.first_box[o + 1]):
            if data.boxes[k] >= 0:
                mean = np.exp(min(logs[data.boxes[k]], LARGEST_LOG))
                completed[data.boxes[k]] += persons * mean / total
    return value


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _size_slopes(away, tau, centered, persons):  # type: ignore[no-untyped-def]
    """Log prior of a stratum's size, and slopes by its location (and log pi), tau and r in widths.

    ``away`` is its standardized distance from the prior, ``persons`` the slope of the likelihood by u.
    """
    if centered:
        slope = away / tau
        return -0.5 * away * away - np.log(tau), slope, (away * away - 1.0) / tau, persons - slope
    return -0.5 * away * away, persons, away * persons, tau * persons - away


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _stratum_back(completed, persons, by_coverage, coverage, shares, observable, g):  # type: ignore[no-untyped-def]
    """Write the slope of a stratum's terms by its predictors."""
    within = by_coverage * np.exp(coverage)
    for c in range(g.size):
        g[c] = -within * shares[c]
        if observable[c]:
            g[c] += completed[c] - (persons - by_coverage) * shares[c]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def density(point, data, gradient):  # type: ignore[no-untyped-def]
    """Log likelihood plus the log prior of sizes, but for constants, and its gradient.

    The priors of ``level``, ``scales`` and ``z`` are not in it.

    Parameters
    ----------
    point : Parameters
        Where.
    data : Pooled
        What is known.
    gradient : Parameters
        Zeros; receives the gradient.
    """
    n_strata, n_cells = data.counts.shape
    effects, slope, cells = make_effects(data), make_effects(data), make_cells(data)
    completed = data.counts.copy()
    kinds, by_kind = np.zeros(data.n_kinds[0]), np.zeros(data.n_kinds[0])
    effects_of(point, data, effects)
    usual = log_means(point, data, effects, cells)
    log_shares(point.z, kinds)
    value = _complete(cells.logs.ravel(), data, kinds, completed.ravel(), by_kind)
    for k in range(1, kinds.size):
        rise = by_kind[k] - np.exp(kinds[k]) * by_kind.sum()
        gradient.z[gradient.z.size - kinds.size + k] += KIND_SCALE * rise
    g, tau = np.zeros(n_cells), point.scales[0]
    for s in range(n_strata):
        persons = 0.0
        for c in range(n_cells):
            persons += completed[s, c]
        mass = np.exp(min(cells.u[s], LARGEST_LOG))
        location = point.level[0] - usual + effects.size[s]
        away = (cells.u[s] - cells.coverage[s] - location) / tau
        centered = data.width[s] > 0.0
        prior, by_location, by_tau, by_r = _size_slopes(away, tau, centered, persons - mass)
        value += prior - mass
        gradient.scales[0] += by_tau
        gradient.r[s] += by_r * (data.width[s] if centered else 1.0)
        gradient.level[0] += by_location
        slope.size[s] = by_location
        _stratum_back(
            completed[s],
            persons,
            by_location,
            cells.coverage[s],
            cells.shares[s],
            data.observable[s],
            g,
        )
        superset_sum(g, data.shape)
        for j in range(data.cells.size):
            slope.theta[s, j] = g[data.cells[j]]
    # The log pi of the common effects is taken off every location.
    factor = np.exp(usual)
    for c in range(n_cells):
        g[c] = -gradient.level[0] * cells.common[c] * ((1.0 if c > 0 else 0.0) - factor)
    superset_sum(g, data.shape)
    for j in range(data.cells.size):
        slope.common[j] = g[data.cells[j]]
    effects_back(point, data, slope, gradient)
    return value


@nb.njit(cache=True, nogil=True, error_model="numpy")
def make_effects(data):  # type: ignore[no-untyped-def]
    """Allocate effects of all strata."""
    n_strata, n_effects = data.counts.shape[0], data.cells.size
    return Effects(np.zeros((n_strata, n_effects)), np.zeros(n_strata), np.zeros(n_effects))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def make_cells(data):  # type: ignore[no-untyped-def]
    """Allocate means of all cells."""
    size = data.counts.shape
    u, coverage = np.zeros(size[0]), np.zeros(size[0])
    return Cells(np.zeros(size), np.zeros(size), u, coverage, np.zeros(size[1]))
