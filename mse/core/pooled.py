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

Counts over sets of cells enter as in `mse.core.partly_known`. Everything is one pass over the strata: subset
sums for the predictors, superset sums for the gradient. A sampler tries points where an exponential leaves
the range of a double; what is divided by zero there is NaN, which it turns away.
"""

from __future__ import annotations

from math import lgamma
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core.lattice import subset_sum, superset_sum
from mse.core.newton import LARGEST_LOG
from mse.core.partly_known import truncated_poisson

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray

#: Spreads below this are as good as none, and what effects are in units of them is lost in rounding: the density
#: has steps there that no gradient shows, and a chain that got there on its way from its start did not come back.
LEAST_SCALE = 1e-6
#: How far below that a log spread gets, as a standard deviation.
SOFT = 0.2


# Strata around common values: the effects of each stratum from standard normal coordinates, -------
# The effects of a stratum are the common ones, those of the levels it has on each covariate, and its own
# deviation. Common effects are sampled in rotated coordinates of which the first moves all of them together,
# since that is the direction about which the data say least. Levels are exchangeable, or follow a random walk;
# their effects sum to 0.


class Pooled(NamedTuple):
    """What is known, and how strata hang together.

    shape: (K,), two levels for each list
    counts: (S, C), persons of fully known histories with exact counts
    observable: (S, C) bool, histories that can be seen in a stratum
    anchor, width: (S,), where u_s lies and how wide, log scale; width 0 where the distance from the
        prior is sampled
    place: (B, S), level of each stratum on each of the B covariates
    first: (B + 1,), where the levels of each covariate start among all levels
    steps: (sum of levels,), standard deviation of the step to each level of a random walk in units
        of its scale, 0 for the first; negative throughout where levels are exchangeable
    sized: (B,) bool, whether sizes vary with the levels of the covariate
    deviating: (1,) bool, whether strata deviate from the sum of the effects of their levels
    cells: (P,), history of each effect: single lists, then pairs
    rate_prior: (2,), prior mean and standard deviation of the common effects of single lists, log
        odds of being on one if on no other
    first_box, boxes, low, high, kind: counts over sets of cells as in
        `mse.core.partly_known.Observations`, cells in the order of `counts`; and the kind of record
        of each by the entries it lacks, fully known ones being 0
    n_kinds: (1,), kinds of records whose shares are parameters; 1 where they do not matter
    sums: (S, P), persons of `counts` on each single list, and on each pair, whatever else
    """

    shape: IntArray
    counts: FloatArray
    observable: BoolArray
    anchor: FloatArray
    width: FloatArray
    place: IntArray
    first: IntArray
    steps: FloatArray
    sized: BoolArray
    deviating: BoolArray
    cells: IntArray
    rate_prior: FloatArray
    first_box: IntArray
    boxes: IntArray
    low: IntArray
    high: IntArray
    kind: IntArray
    n_kinds: IntArray
    sums: FloatArray


class Parameters(NamedTuple):
    """A point, or a gradient at one.

    level: (1,), location of the log expected persons in sight of a stratum
    scales: tau; the scale of the common effects of pairs; for each covariate the scale of sizes (if
        sized), of all lists together, of each list, and of pairs; of deviations that of all lists
        and of each
    z: standard normal coordinates: common effects of lists, of pairs; for each covariate levels x
        (size if sized, all lists, each list, each pair); strata x (all lists, each list) if
        deviating; kinds of records but the first
    r: (S,), u_s from its anchor in widths, or its standardized distance from the prior
    """

    level: FloatArray
    scales: FloatArray
    z: FloatArray
    r: FloatArray


class Effects(NamedTuple):
    """Effects by stratum, or gradients with respect to them."""

    theta: FloatArray  # (S, P)
    size: FloatArray  # (S,) size effects
    common: FloatArray  # (P,)


@kernel(error_model="numpy")
def rotate(x):  # type: ignore[no-untyped-def]
    """Reflect coordinates in place so that the first one moves all entries alike; its own inverse."""
    n = x.size
    if n < 2:
        return
    share = 1.0 / np.sqrt(n)
    # Householder: v = e_1 - 1/sqrt(n), v'v = 2 - 2/sqrt(n).
    along = x[0]
    for i in range(n):
        along -= share * x[i]
    along *= 2.0 / (2.0 - 2.0 * share)
    for i in range(n):
        x[i] += along * share
    x[0] -= along


@kernel(error_model="numpy")
def vary(z, steps):  # type: ignore[no-untyped-def]
    """Turn standard normal coordinates (L, W), in place, into effects that sum to 0 over levels.

    Exchangeable levels keep variance 1; a random walk has steps of the given standard deviations.
    """
    n = z.shape[0]
    walk = steps[0] >= 0.0
    factor = 1.0 if walk else np.sqrt(n / max(n - 1.0, 1.0))
    for j in range(z.shape[1]):
        mean = 0.0
        for i in range(n):
            if walk:
                z[i, j] = steps[i] * z[i, j] + (z[i - 1, j] if i > 0 else 0.0)
            mean += z[i, j]
        mean /= n
        for i in range(n):
            z[i, j] = factor * (z[i, j] - mean)


@kernel(error_model="numpy")
def vary_transposed(g, steps):  # type: ignore[no-untyped-def]
    """Turn a gradient with respect to effects, in place, into one with respect to coordinates."""
    n = g.shape[0]
    walk = steps[0] >= 0.0
    factor = 1.0 if walk else np.sqrt(n / max(n - 1.0, 1.0))
    for j in range(g.shape[1]):
        mean = 0.0
        for i in range(n):
            mean += g[i, j]
        mean /= n
        for i in range(n - 1, -1, -1):
            g[i, j] = factor * (g[i, j] - mean)
            if walk and i + 1 < n:
                g[i, j] += g[i + 1, j]
        if walk:
            for i in range(n):
                g[i, j] *= steps[i]


@kernel(error_model="numpy")
def _spread_effects(unit, scales, sized, n_lists, theta, size):  # type: ignore[no-untyped-def]
    """Effects of levels (L, P) and (L,) from unit effects (L, W) and their scales."""
    start = 1 if sized else 0
    for i in range(unit.shape[0]):
        size[i] = scales[0] * unit[i, 0] if sized else 0.0
        for k in range(n_lists):
            theta[i, k] = scales[start] * unit[i, start]
            theta[i, k] += scales[start + 1 + k] * unit[i, start + 1 + k]
        for q in range(n_lists, theta.shape[1]):
            theta[i, q] = scales[start + 1 + n_lists] * unit[i, start + 1 + q]


@kernel(error_model="numpy")
def _collect_effects(unit, scales, sized, n_lists, theta, size, g_unit, g_scales):  # type: ignore[no-untyped-def]
    """Turn gradients with respect to effects into those of unit effects (L, W) and scales."""
    start = 1 if sized else 0
    for i in range(unit.shape[0]):
        if sized:
            g_unit[i, 0] = scales[0] * size[i]
            g_scales[0] += unit[i, 0] * size[i]
        together = 0.0
        for k in range(n_lists):
            together += theta[i, k]
            g_unit[i, start + 1 + k] = scales[start + 1 + k] * theta[i, k]
            g_scales[start + 1 + k] += unit[i, start + 1 + k] * theta[i, k]
        g_unit[i, start] = scales[start] * together
        g_scales[start] += unit[i, start] * together
        for q in range(n_lists, theta.shape[1]):
            g_unit[i, start + 1 + q] = scales[start + 1 + n_lists] * theta[i, q]
            g_scales[start + 1 + n_lists] += unit[i, start + 1 + q] * theta[i, q]


@kernel(error_model="numpy")
def _block(data, b):  # type: ignore[no-untyped-def]
    """Levels of a covariate, coordinates of each, and scales."""
    sized = 1 if data.sized[b] else 0
    n_levels = data.first[b + 1] - data.first[b]
    return n_levels, sized + 1 + data.cells.size, sized + 2 + data.shape.size


@kernel(error_model="numpy")
def common_effects(point, data, common):  # type: ignore[no-untyped-def]
    """Write the common effects, (P,), of lists and then of pairs."""
    n_effects, n_lists = data.cells.size, data.shape.size
    for j in range(n_effects):
        common[j] = point.z[j]
    rotate(common[:n_lists])
    rotate(common[n_lists:])
    for j in range(n_effects):
        if j < n_lists:
            common[j] = data.rate_prior[0] + data.rate_prior[1] * common[j]
        else:
            common[j] *= point.scales[1]


@kernel(error_model="numpy")
def effects_of(point, data, out):  # type: ignore[no-untyped-def]
    """Put the effects of every stratum together.

    point: Parameters, where
    data: Pooled, how strata hang together
    out: Effects, receives them
    """
    n_effects, n_lists = data.cells.size, data.shape.size
    common_effects(point, data, out.common)
    for s in range(out.size.size):
        out.size[s] = 0.0
        for j in range(n_effects):
            out.theta[s, j] = out.common[j]
    z_at, scale_at = n_effects, 2
    for b in range(data.sized.size):
        n, width, n_scales = _block(data, b)
        unit = point.z[z_at : z_at + n * width].copy().reshape((n, width))
        vary(unit, data.steps[data.first[b] : data.first[b + 1]])
        theta, size = np.zeros((n, n_effects)), np.zeros(n)
        scales = point.scales[scale_at : scale_at + n_scales]
        _spread_effects(unit, scales, data.sized[b], n_lists, theta, size)
        for s in range(out.size.size):
            level = data.place[b, s]
            out.size[s] += size[level]
            for j in range(n_effects):
                out.theta[s, j] += theta[level, j]
        z_at, scale_at = z_at + n * width, scale_at + n_scales
    if data.deviating[0]:
        own = point.scales[scale_at:]
        for s in range(out.size.size):
            at = z_at + s * (n_lists + 1)
            for k in range(n_lists):
                out.theta[s, k] += own[0] * point.z[at] + own[1 + k] * point.z[at + 1 + k]


@kernel(error_model="numpy")
def _common_back(point, data, slope, gradient):  # type: ignore[no-untyped-def]
    n_effects, n_lists = data.cells.size, data.shape.size
    unrotated = slope.common.copy()
    for s in range(slope.size.size):
        for j in range(n_effects):
            unrotated[j] += slope.theta[s, j]
    pairs = point.z[n_lists:n_effects].copy()
    rotate(pairs)
    for q in range(pairs.size):
        gradient.scales[1] += pairs[q] * unrotated[n_lists + q]
    for j in range(n_effects):
        unrotated[j] *= data.rate_prior[1] if j < n_lists else point.scales[1]
    rotate(unrotated[:n_lists])
    rotate(unrotated[n_lists:])
    for j in range(n_effects):
        gradient.z[j] += unrotated[j]


@kernel(error_model="numpy")
def effects_back(point, data, slope, gradient):  # type: ignore[no-untyped-def]
    """Turn gradients with respect to effects into those of the parameters.

    point: Parameters, where
    data: Pooled, how strata hang together
    slope: Effects, slopes by the effects of strata; ``common`` beside what the common effects do
        there
    gradient: Parameters, the slopes by scales and z are added to it
    """
    n_effects, n_lists = data.cells.size, data.shape.size
    _common_back(point, data, slope, gradient)
    z_at, scale_at = n_effects, 2
    for b in range(data.sized.size):
        n, width, n_scales = _block(data, b)
        steps = data.steps[data.first[b] : data.first[b + 1]]
        unit = point.z[z_at : z_at + n * width].copy().reshape((n, width))
        vary(unit, steps)
        theta, size = np.zeros((n, n_effects)), np.zeros(n)
        for s in range(slope.size.size):
            level = data.place[b, s]
            size[level] += slope.size[s]
            for j in range(n_effects):
                theta[level, j] += slope.theta[s, j]
        g_unit = np.zeros((n, width))
        _collect_effects(
            unit,
            point.scales[scale_at : scale_at + n_scales],
            data.sized[b],
            n_lists,
            theta,
            size,
            g_unit,
            gradient.scales[scale_at : scale_at + n_scales],
        )
        vary_transposed(g_unit, steps)
        flat = g_unit.ravel()
        for i in range(flat.size):
            gradient.z[z_at + i] += flat[i]
        z_at, scale_at = z_at + n * width, scale_at + n_scales
    if data.deviating[0]:
        _deviations_back(point, slope, n_lists, z_at, scale_at, gradient)


@kernel(error_model="numpy")
def _deviations_back(point, slope, n_lists, z_at, scale_at, gradient):  # type: ignore[no-untyped-def]
    for s in range(slope.size.size):
        at, together = z_at + s * (n_lists + 1), 0.0
        for k in range(n_lists):
            own = slope.theta[s, k]
            together += own
            gradient.z[at + 1 + k] += point.scales[scale_at + 1 + k] * own
            gradient.scales[scale_at + 1 + k] += point.z[at + 1 + k] * own
        gradient.z[at] += point.scales[scale_at] * together
        gradient.scales[scale_at] += point.z[at] * together


# Density and gradient of a log-linear model whose coefficients vary over strata around ------------

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


@kernel(error_model="numpy")
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


@kernel(error_model="numpy")
def usual_coverage(effects, data, logs, common):  # type: ignore[no-untyped-def]
    """Log pi of the common effects where all lists operate; `common` receives the shares, `logs` is overwritten."""
    anywhere = np.ones(common.size, dtype=np.bool_)
    anywhere[0] = False
    return _weights(effects.common, data.cells, data.shape, anywhere, logs, common)[1]


@kernel(error_model="numpy")
def log_means(point, data, effects, cells):  # type: ignore[no-untyped-def]
    """Work out the log means of all cells.

    point: Parameters, where
    data: Pooled, what is known
    effects: Effects, of `effects_of`
    cells: Cells, receives them
    Returns float, the log pi of the common effects where all lists operate
    """
    n_cells = cells.logs.shape[1]
    usual = usual_coverage(effects, data, np.zeros(n_cells), cells.common)
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


@kernel(error_model="numpy")
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


@kernel(error_model="numpy")
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


@kernel(error_model="numpy")
def _size_slopes(away, tau, centered, persons):  # type: ignore[no-untyped-def]
    """Log prior of a stratum's size, and slopes by its location (and log pi), tau and r in widths.

    ``away`` is its standardized distance from the prior, ``persons`` the slope of the likelihood by u.
    """
    if centered:
        slope = away / tau
        return -0.5 * away * away - np.log(tau), slope, (away * away - 1.0) / tau, persons - slope
    return -0.5 * away * away, persons, away * persons, tau * persons - away


@kernel(error_model="numpy")
def _stratum_back(completed, persons, by_coverage, coverage, shares, observable, g):  # type: ignore[no-untyped-def]
    """Write the slope of a stratum's terms by its predictors."""
    within = by_coverage * np.exp(coverage)
    for c in range(g.size):
        g[c] = -within * shares[c]
        if observable[c]:
            g[c] += completed[c] - (persons - by_coverage) * shares[c]


@kernel(error_model="numpy")
def _history_weights(theta, cells, sums, w):  # type: ignore[no-untyped-def]
    """Write exp(x(c)'theta) of every history, as products; returns the sum of theta times the sums of counts."""
    value = 0.0
    for c in range(w.size):
        w[c] = 1.0
    for j in range(theta.size):
        w[cells[j]] = np.exp(theta[j])
        value += sums[j] * theta[j]
    bit = 1
    while bit < w.size:
        for c in range(w.size):
            if c & bit:
                w[c] *= w[c ^ bit]
        bit <<= 1
    return value


@kernel(error_model="numpy")
def _completely_known(point, data, effects, usual, slope, gradient):  # type: ignore[no-untyped-def]
    """Do what `_partly_known` does for data without counts over sets of cells: no log of a cell is needed.

    The weights of the histories of a stratum are products of the exponentials of its effects, and counts enter
    by their sums over lists and pairs.
    """
    n_strata, n_cells = data.counts.shape
    n_effects, tau = data.cells.size, point.scales[0]
    value, w = 0.0, np.empty(n_cells)
    for s in range(n_strata):
        value += _history_weights(effects.theta[s], data.cells, data.sums[s], w)
        seen, everything, persons = 0.0, 0.0, 0.0
        for c in range(n_cells):
            everything += w[c]
            persons += data.counts[s, c]
            if data.observable[s, c]:
                seen += w[c]
        coverage = np.log(seen / everything)
        centered = data.width[s] > 0.0
        location = point.level[0] - usual + effects.size[s]
        if centered:
            u = data.anchor[s] + data.width[s] * point.r[s]
        else:
            u = location + coverage + tau * point.r[s]
        mass, away = np.exp(min(u, LARGEST_LOG)), (u - coverage - location) / tau
        prior, by_location, by_tau, by_r = _size_slopes(away, tau, centered, persons - mass)
        value += prior - mass + persons * (u - np.log(seen))
        gradient.scales[0] += by_tau
        gradient.r[s] += by_r * (data.width[s] if centered else 1.0)
        gradient.level[0] += by_location
        slope.size[s] = by_location
        in_sight, anywhere = (persons - by_location) / seen, by_location / everything
        for c in range(n_cells):
            w[c] *= anywhere + (in_sight if data.observable[s, c] else 0.0)
        superset_sum(w, data.shape)
        for j in range(n_effects):
            slope.theta[s, j] = data.sums[s, j] - w[data.cells[j]]
    return value


@kernel(error_model="numpy")
def _partly_known(point, data, effects, slope, gradient):  # type: ignore[no-untyped-def]
    """Log density but for priors, and slopes by the effects and sizes of strata."""
    n_strata, n_cells = data.counts.shape
    cells, completed = make_cells(data), data.counts.copy()
    kinds, by_kind = np.zeros(data.n_kinds[0]), np.zeros(data.n_kinds[0])
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
    return value


@kernel(error_model="numpy")
def density(point, data, gradient):  # type: ignore[no-untyped-def]
    """Log likelihood plus the log prior of sizes, but for constants, and its gradient.

    The priors of ``level``, ``scales`` and ``z`` are not in it.

    point: Parameters, where
    data: Pooled, what is known
    gradient: Parameters, zeros; receives the gradient
    """
    effects, slope = make_effects(data), make_effects(data)
    effects_of(point, data, effects)
    spare, common = np.zeros(data.counts.shape[1]), np.zeros(data.counts.shape[1])
    usual = usual_coverage(effects, data, spare, common)
    if data.low.size == 0:
        value = _completely_known(point, data, effects, usual, slope, gradient)
    else:
        value = _partly_known(point, data, effects, slope, gradient)
    # The log pi of the common effects is taken off every location.
    factor = np.exp(usual)
    for c in range(common.size):
        spare[c] = -gradient.level[0] * common[c] * ((1.0 if c > 0 else 0.0) - factor)
    superset_sum(spare, data.shape)
    for j in range(data.cells.size):
        slope.common[j] = spare[data.cells[j]]
    effects_back(point, data, slope, gradient)
    return value


@kernel(error_model="numpy")
def make_effects(data):  # type: ignore[no-untyped-def]
    """Allocate effects of all strata."""
    n_strata, n_effects = data.counts.shape[0], data.cells.size
    return Effects(np.zeros((n_strata, n_effects)), np.zeros(n_strata), np.zeros(n_effects))


@kernel(error_model="numpy")
def make_cells(data):  # type: ignore[no-untyped-def]
    """Allocate means of all cells."""
    size = data.counts.shape
    u, coverage = np.zeros(size[0]), np.zeros(size[0])
    return Cells(np.zeros(size), np.zeros(size), u, coverage, np.zeros(size[1]))


# Posterior density of `mse.core.pooled` for a sampler, populations from its draws, and prior ------
# A sampler moves y = z (s / s_0)^a instead of a standard normal coordinate z of `mse.core.pooled`, with
# s the scale of its effect and s_0 a usual value of that: 0 is the non-centered form, 1 the centered one, and
# what data say much about should be near 1 (Papaspiliopoulos, Roberts & Skold 2003, Bayesian Statistics 7,
# 307-326). The posterior is the same for any a.

#: Largest mean of a Poisson draw: 64 bits hold what comes of it.
LARGEST_MEAN = 1e17


class Prior(NamedTuple):
    """Priors of the parameters that are not standard normal.

    level: (2,), mean and standard deviation of the level, log persons
    scales: scale of the half-normal prior of each scale
    cuts: (3,), where scales, z and r start in a point: level, log scales, y, r, one after the other
    owner: (Z,), the scale of the effect of each coordinate; -1 where there is none
    degree: (Z,), the power a of each; 0 where there is no scale
    usual: log of s_0 of each scale
    """

    level: FloatArray
    scales: FloatArray
    cuts: IntArray
    owner: IntArray
    degree: FloatArray
    usual: FloatArray


class Populations(NamedTuple):
    """Persons by stratum in each draw.

    observed: (M, S), Registered persons. Those whose stratum is not known are in another one in
        each draw, so that only the sum over strata is the same in all; of a count within bounds it
        is the lower one.
    hidden: (M, S), all others: on no list there, or beyond the lower bound of a count
    expected: (S,), registered persons, those of partly known records in the strata where they are
        expected
    """

    observed: FloatArray
    hidden: FloatArray
    expected: FloatArray


@kernel(error_model="numpy")
def parameters(x, prior):  # type: ignore[no-untyped-def]
    """Take a point of a sampler apart, into what `density` takes."""
    cuts = prior.cuts
    scales = np.zeros(cuts[1] - cuts[0])
    for i in range(scales.size):
        scales[i] = np.exp(min(x[cuts[0] + i], LARGEST_LOG))
    z = x[cuts[1] : cuts[2]].copy()
    for i in range(z.size):
        if prior.degree[i] > 0.0:
            z[i] *= np.exp(-log_width(x, prior, i))
    return Parameters(x[: cuts[0]], scales, z, x[cuts[2] :])


@kernel(error_model="numpy")
def log_width(x, prior, i):  # type: ignore[no-untyped-def]
    """Log of y over z."""
    scale = prior.owner[i]
    away = max(min(x[prior.cuts[0] + scale] - prior.usual[scale], LARGEST_LOG), -LARGEST_LOG)
    return prior.degree[i] * away


@kernel(error_model="numpy")
def log_posterior(x, prior, data, gradient):  # type: ignore[no-untyped-def]
    """Log posterior density, but for a constant, and its gradient.

    x: float64 array, level, log scales, y and r
    prior: Prior, priors of level and scales, and what y is
    data: Pooled, what is known
    gradient: float64 array, receives the gradient
    """
    cuts = prior.cuts
    point = parameters(x, prior)
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
        # Half-normal, and the Jacobian of the logarithm; of what is as good as none, only so far.
        scale = point.scales[i - cuts[0]]
        squared = (scale / prior.scales[i - cuts[0]]) ** 2
        value += x[i] - 0.5 * squared
        gradient[i] = gradient[i] * scale + 1.0 - squared
        below = min(x[i] - np.log(LEAST_SCALE), 0.0) / SOFT
        value -= 0.5 * below * below
        gradient[i] -= below / SOFT
    away = (x[0] - prior.level[0]) / prior.level[1]
    value -= 0.5 * away * away
    gradient[0] -= away / prior.level[1]
    for i in range(point.z.size):
        z, at = point.z[i], cuts[1] + i
        value -= 0.5 * z * z
        gradient[at] -= z
        if prior.degree[i] > 0.0:
            # A larger scale makes z smaller at the same y, and y more dispersed.
            width, scale = log_width(x, prior, i), cuts[0] + prior.owner[i]
            value -= width
            gradient[scale] -= prior.degree[i] * (z * gradient[at] + 1.0)
            gradient[at] *= np.exp(-width)
    return value


@kernel(error_model="numpy")
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


@kernel(error_model="numpy")
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


@kernel(error_model="numpy")
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


@kernel(error_model="numpy")
def _populations(rng, points, prior, data, drawn, seen):  # type: ignore[no-untyped-def]
    effects, cells = make_effects(data), make_cells(data)
    kinds = np.zeros(data.n_kinds[0])
    n_strata, n_cells = data.counts.shape
    for m in range(points.shape[0]):
        point = parameters(points[m], prior)
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

    rng: randomness
    points: (M, dim), level, log scales, y and r
    prior: says where they are
    data: What is known. Persons whose stratum is not known are shared out at random in proportion
        to the means, those counted within bounds drawn between them.
    """
    n_strata = data.counts.shape[0]
    drawn = np.zeros((2, len(points), n_strata))
    seen = np.zeros((len(points), n_strata))
    _populations(rng, points, prior, data, drawn, seen)
    return Populations(drawn[0], drawn[1], data.counts.sum(axis=1) + seen.mean(axis=0))


@kernel(error_model="numpy")
def _common(points, prior, data, out):  # type: ignore[no-untyped-def]
    for m in range(points.shape[0]):
        common_effects(parameters(points[m], prior), data, out[m])


def common_coefficients(points: FloatArray, prior: Prior, data: Pooled) -> FloatArray:
    """Compute common effects of lists, then of pairs, (M, P), log scale; see `populations`."""
    found = np.zeros((len(points), data.cells.size))
    _common(points, prior, data, found)
    return found


@kernel(error_model="numpy")
def _means(points, prior, data, means):  # type: ignore[no-untyped-def]
    effects, cells = make_effects(data), make_cells(data)
    for m in range(points.shape[0]):
        point = parameters(points[m], prior)
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

    rng: randomness
    size: points M to draw
    prior: the prior
    n_strata: strata S
    Returns (M, dim)
    """
    points = rng.standard_normal((size, int(prior.cuts[2]) + n_strata))
    points[:, 0] = prior.level[0] + prior.level[1] * points[:, 0]
    at = slice(prior.cuts[0], prior.cuts[1])
    points[:, at] = np.log(np.abs(points[:, at]) * prior.scales)
    away = points[:, at] - prior.usual
    points[:, prior.cuts[1] : prior.cuts[2]] *= np.exp(prior.degree * away[:, prior.owner])
    return points
