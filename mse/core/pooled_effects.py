"""Strata around common values: the effects of each stratum from standard normal coordinates, and back.

The effects of a stratum are the common ones, those of the levels it has on each covariate, and its own
deviation. Common effects are sampled in rotated coordinates of which the first moves all of them together,
since that is the direction about which the data say least. Levels are exchangeable, or follow a random walk;
their effects sum to 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray


class Pooled(NamedTuple):
    """What is known, and how strata hang together.

    Attributes
    ----------
    shape : int64 array (K,)
        Two levels for each list.
    counts : float64 array (S, C)
        Persons of fully known histories with exact counts.
    observable : bool array (S, C)
        Histories that can be seen in a stratum.
    anchor, width : float64 arrays (S,)
        Where u_s lies and how wide, log scale; width 0 where the distance from the prior is sampled.
    place : int64 array (B, S)
        Level of each stratum on each of the B covariates.
    first : int64 array (B + 1,)
        Where the levels of each covariate start among all levels.
    steps : float64 array (sum of levels,)
        Standard deviation of the step to each level of a random walk in units of its scale, 0 for the
        first; negative throughout where levels are exchangeable.
    sized : bool array (B,)
        Whether sizes vary with the levels of the covariate.
    deviating : bool array (1,)
        Whether strata deviate from the sum of the effects of their levels.
    cells : int64 array (P,)
        History of each effect: single lists, then pairs.
    rate_prior : float64 array (2,)
        Prior mean and standard deviation of the common effects of single lists, log odds of being on
        one if on no other.
    first_box, boxes, low, high, kind : int64 arrays
        Counts over sets of cells as in `mse.core.observed.Observations`, cells in the order of `counts`;
        and the kind of record of each by the entries it lacks, fully known ones being 0.
    n_kinds : int64 array (1,)
        Kinds of records whose shares are parameters; 1 where they do not matter.
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


class Parameters(NamedTuple):
    """A point, or a gradient at one.

    Attributes
    ----------
    level : float64 array (1,)
        Location of the log expected persons in sight of a stratum.
    scales : float64 array
        tau; the scale of the common effects of pairs; for each covariate the scale of sizes (if sized), of
        all lists together, of each list, and of pairs; of deviations that of all lists and of each.
    z : float64 array
        Standard normal coordinates: common effects of lists, of pairs; for each covariate levels x (size
        if sized, all lists, each list, each pair); strata x (all lists, each list) if deviating; kinds
        of records but the first.
    r : float64 array (S,)
        u_s from its anchor in widths, or its standardized distance from the prior.
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _block(data, b):  # type: ignore[no-untyped-def]
    """Levels of a covariate, coordinates of each, and scales."""
    sized = 1 if data.sized[b] else 0
    n_levels = data.first[b + 1] - data.first[b]
    return n_levels, sized + 1 + data.cells.size, sized + 2 + data.shape.size


@nb.njit(cache=True, nogil=True, error_model="numpy")
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
def effects_of(point, data, out):  # type: ignore[no-untyped-def]
    """Put the effects of every stratum together.

    Parameters
    ----------
    point : Parameters
        Where.
    data : Pooled
        How strata hang together.
    out : Effects
        Receives them.
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
def effects_back(point, data, slope, gradient):  # type: ignore[no-untyped-def]
    """Turn gradients with respect to effects into those of the parameters.

    Parameters
    ----------
    point : Parameters
        Where.
    data : Pooled
        How strata hang together.
    slope : Effects
        Slopes by the effects of strata; ``common`` beside what the common effects do there.
    gradient : Parameters
        The slopes by scales and z are added to it.
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
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
