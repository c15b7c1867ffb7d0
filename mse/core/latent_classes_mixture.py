"""Mixtures of normal distributions: fitted by EM, drawn from, and their density.

The fit starts from points far apart, each with the points that are nearest to it, over coordinates
that are standardized. It is meant for proposals: near the optimum is enough.
"""

from __future__ import annotations

from math import exp, log, log1p, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.latent_classes import FAST

if TYPE_CHECKING:
    from mse._typing import FloatArray

#: Iterations of EM.
ITERATIONS = 20
#: Share of the correlations that a component with few points gives up, and the least variance of
#: any direction relative to the spread of all points.
SHRINKAGE, RIDGE = 0.01, 1e-7
#: Responsibilities below this are not added up.
NEGLIGIBLE = 1e-6


class Mixture(NamedTuple):
    """A mixture of C normal distributions in d coordinates.

    Attributes
    ----------
    log_shares : float64 array (C,)
        Log of the shares of the components, less their log determinants of the factors.
    cumulative : float64 array (C,)
        Shares of the components, added up.
    means : float64 array (C, d)
        Means.
    factors : float64 array (C, d, d)
        Lower Cholesky factors of the covariances; what is above the diagonal is not read.
    """

    log_shares: FloatArray
    cumulative: FloatArray
    means: FloatArray
    factors: FloatArray


def blank(n_components: int, d: int) -> Mixture:
    """Allocate a mixture."""
    return Mixture(
        np.zeros(n_components),
        np.zeros(n_components),
        np.zeros((n_components, d)),
        np.zeros((n_components, d, d)),
    )


@nb.njit(**FAST)
def log_sum(a, b):  # type: ignore[no-untyped-def]
    """Compute log(exp(a) + exp(b)) for a or b finite."""
    return max(a, b) + log1p(exp(-abs(a - b)))


@nb.njit(**FAST)
def _log_component(x, c, mixture, z):  # type: ignore[no-untyped-def]
    """Log density of a component, but for its share and determinant; z is overwritten."""
    total = 0.0
    for i in range(x.size):
        value = x[i] - mixture.means[c, i]
        for j in range(i):
            value -= mixture.factors[c, i, j] * z[j]
        z[i] = value / mixture.factors[c, i, i]
        total += z[i] * z[i]
    return -0.5 * (total + x.size * log(2.0 * pi))


@nb.njit(**FAST)
def log_density(x, mixture):  # type: ignore[no-untyped-def]
    """Log density of the mixture."""
    z = np.empty(x.size)
    value = -np.inf
    for c in range(mixture.cumulative.size):
        one = _log_component(x, c, mixture, z)
        value = log_sum(mixture.log_shares[c] + one, value)
    return value


@nb.njit(**FAST)
def draw_point(rng, mixture, x):  # type: ignore[no-untyped-def]
    """Draw from the mixture."""
    c, u = 0, rng.random()
    while c < mixture.cumulative.size - 1 and u > mixture.cumulative[c]:
        c += 1
    z = np.empty(x.size)
    for i in range(x.size):
        z[i] = rng.standard_normal()
        x[i] = mixture.means[c, i]
        for j in range(i + 1):
            x[i] += mixture.factors[c, i, j] * z[j]


@nb.njit(**FAST)
def _expect(points, mixture, parts):  # type: ignore[no-untyped-def]
    """Write the responsibilities of the components (M, C)."""
    x, z = np.empty(points.shape[1]), np.empty(points.shape[1])
    for m in range(points.shape[0]):
        for i in range(x.size):
            x[i] = points[m, i]
        total = -np.inf
        for c in range(parts.shape[1]):
            parts[m, c] = mixture.log_shares[c] + _log_component(x, c, mixture, z)
            total = log_sum(parts[m, c], total)
        for c in range(parts.shape[1]):
            parts[m, c] = exp(parts[m, c] - total)


@nb.njit(**FAST)
def _factor(factors, c):  # type: ignore[no-untyped-def]
    """Cholesky factor of a covariance, lower triangle in place; half its log determinant."""
    value = 0.0
    for i in range(factors.shape[1]):
        for j in range(i + 1):
            total = factors[c, i, j]
            for k in range(j):
                total -= factors[c, i, k] * factors[c, j, k]
            # Coordinates are standardized: what is below the ridge is rounding.
            factors[c, i, j] = sqrt(max(total, RIDGE)) if i == j else total / factors[c, j, j]
        value += log(factors[c, i, i])
    return value


@nb.njit(**FAST)
def _add_spread(points, m, part, mean, covariance):  # type: ignore[no-untyped-def]
    """Add a point to the lower triangle of a covariance."""
    for i in range(mean.size):
        first = part * (points[m, i] - mean[i])
        for j in range(i + 1):
            covariance[i, j] += first * (points[m, j] - mean[j])


@nb.njit(**FAST)
def _maximize(points, parts, mixture):  # type: ignore[no-untyped-def]
    """Write the mixture given the responsibilities; shares are not added up yet."""
    n_points, d = points.shape
    means, factors = mixture.means, mixture.factors
    for c in range(parts.shape[1]):
        size = 1e-9
        mean, covariance = np.zeros(d), np.zeros((d, d))
        for m in range(n_points):
            if parts[m, c] > NEGLIGIBLE:
                size += parts[m, c]
                for i in range(d):
                    mean[i] += parts[m, c] * points[m, i]
        for i in range(d):
            mean[i] /= size
        for m in range(n_points):
            if parts[m, c] > NEGLIGIBLE:
                _add_spread(points, m, parts[m, c], mean, covariance)
        keep = 1.0 - SHRINKAGE * d / (size + d)
        for i in range(d):
            means[c, i] = mean[i]
            for j in range(i):
                factors[c, i, j] = covariance[i, j] * keep / size
            factors[c, i, i] = covariance[i, i] / size + RIDGE
        mixture.cumulative[c] = size / n_points
        mixture.log_shares[c] = log(size / n_points) - _factor(factors, c)


@nb.njit(**FAST)
def _scatter(rng, points, parts):  # type: ignore[no-untyped-def]
    """Start from points far apart (Arthur & Vassilvitskii 2007); each goes to the nearest of them."""
    n_points = points.shape[0]
    nearest, home = np.full(n_points, np.inf), np.zeros(n_points, np.int64)
    at = int(rng.random() * n_points)
    for c in range(parts.shape[1]):
        total = 0.0
        for m in range(n_points):
            distance = 0.0
            for i in range(points.shape[1]):
                distance += (points[m, i] - points[at, i]) ** 2
            if distance < nearest[m]:
                nearest[m], home[m] = distance, c
            total += nearest[m]
        left, at = rng.random() * total, 0
        while at < n_points - 1 and left > nearest[at]:
            left -= nearest[at]
            at += 1
    for m in range(n_points):
        for c in range(parts.shape[1]):
            parts[m, c] = 1.0 if home[m] == c else 0.0


@nb.njit(**FAST)
def _fit(rng, points, parts, mixture):  # type: ignore[no-untyped-def]
    """EM from scattered starts, over standardized points; writes responsibilities and mixture."""
    _scatter(rng, points, parts)
    _maximize(points, parts, mixture)
    for _ in range(ITERATIONS):
        _expect(points, mixture, parts)
        _maximize(points, parts, mixture)


def fit_mixture(rng: np.random.Generator, points: FloatArray, n_components: int) -> Mixture:
    """Fit a mixture to points.

    Parameters
    ----------
    rng : numpy.random.Generator
        For the start.
    points : float64 array (M, d)
        The points.
    n_components : int
        Number of components C.

    Returns
    -------
    Mixture
    """
    center, scale = points.mean(axis=0), points.std(axis=0) + np.finfo(np.float64).tiny
    found = blank(n_components, points.shape[1])
    _fit(rng, (points - center) / scale, np.zeros((len(points), n_components)), found)
    return Mixture(
        found.log_shares - np.log(scale).sum(),
        np.cumsum(found.cumulative),
        found.means * scale + center,
        found.factors * scale[:, None],
    )
