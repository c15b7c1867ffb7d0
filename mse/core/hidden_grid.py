"""Sums over hidden counts: every integer where there are few, panels of nodes where there are many.

A posterior of the hidden count h is a smooth function on a wide range of integers. The range is cut
into panels. In a short panel every integer is a node with weight 1. In a long one the sum over its
integers a, ..., b is

    sum_h f(h) = sum_j W_j f(x_j),    W_j = w_j sum_k (2k + 1) / 2 P_k(x_j) S_k,

with the 16 nodes and weights (x_j, w_j) of Gauss and Legendre on [a - 1/2, b + 1/2], Legendre
polynomials P_k, and S_k the sum of P_k over the integers. It is exact for polynomials of degree 15,
and up to the (tiny) difference between a sum and an integral for those of degree 31.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np
from numpy.polynomial import legendre

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import FloatArray, IntArray

__all__ = [
    "Distribution",
    "HiddenGrid",
    "distribution",
    "integer_grid",
    "panel_grid",
    "panel_sums",
    "quantile",
    "quantiles",
    "to_coefficients",
]

#: Nodes of a long panel.
ORDER = 16
#: Panels up to this length have every integer as a node: below it the integers are so far apart,
#: measured in panels, that a sum differs visibly from an integral.
SHORT = 64
#: Up to this length polynomials are summed over a panel one integer at a time.
_SUMMED = 2048
#: Integers per panel where all integers are nodes.
_BLOCK = 1024
#: Integers of a panel that are told apart in a distribution; a bin of a longer panel is 1/1000
#: of a standard deviation of the posterior or less.
_BINS = 4096
#: A panel with less than this share of the probability is left as one bin.
_NEGLIGIBLE = 1e-13


class HiddenGrid(NamedTuple):
    """Panels of hidden counts with nodes and weights.

    Attributes
    ----------
    first, last : int64 array (Q,)
        First and last integer of each panel; panels follow each other without gaps.
    start : int64 array (Q + 1,)
        Position of the first node of each panel.
    nodes : float64 array (G,)
        Hidden counts, integers in short panels.
    weights : float64 array (G,)
        How many integers each node stands for.
    """

    first: IntArray
    last: IntArray
    start: IntArray
    nodes: FloatArray
    weights: FloatArray


class Distribution(NamedTuple):
    """Probability by bins of consecutive hidden counts, mostly single ones.

    Attributes
    ----------
    first, last : int64 array (Z,)
        First and last integer of each bin.
    mass : float64 array (Z,)
        Probability of each bin.
    """

    first: IntArray
    last: IntArray
    mass: FloatArray


def integer_grid(first: int, last: int) -> HiddenGrid:
    """Make every integer from first to last a node."""
    starts = np.arange(first, last + 1, _BLOCK, dtype=np.int64)
    ends = np.minimum(starts + _BLOCK - 1, last)
    nodes = np.arange(first, last + 1, dtype=np.float64)
    offsets = np.append(starts, last + 1) - first
    return HiddenGrid(starts, ends, offsets, nodes, np.ones(nodes.size))


def panel_grid(first: int, last: int, length: Callable[[int], float]) -> HiddenGrid:
    """Cut a range of hidden counts into panels.

    Parameters
    ----------
    first, last : int
        The range, both ends included.
    length : function
        Wanted length of the panel that starts at a hidden count; at least `SHORT` is taken.
    """
    starts, ends, nodes, weights = [], [], [], []
    while first <= last:
        end = min(first + max(int(length(first)), SHORT) - 1, last)
        starts.append(first)
        ends.append(end)
        where, weight = _panel(first, end)
        nodes.append(where)
        weights.append(weight)
        first = end + 1
    offsets = np.cumsum([0, *(part.size for part in nodes)])
    return HiddenGrid(
        np.asarray(starts, dtype=np.int64),
        np.asarray(ends, dtype=np.int64),
        offsets.astype(np.int64),
        np.concatenate(nodes),
        np.concatenate(weights),
    )


def _panel(first: int, last: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of one panel."""
    count = last - first + 1
    if count <= SHORT:
        return np.arange(first, last + 1, dtype=np.float64), np.ones(count)
    at, _ = _gauss()
    return (first + last) / 2 + count / 2 * at, _weights(count)


@lru_cache(maxsize=1)
def _gauss() -> tuple[FloatArray, FloatArray]:
    at, weights = legendre.leggauss(ORDER)
    return np.asarray(at), np.asarray(weights)


@lru_cache(maxsize=1)
def to_coefficients() -> FloatArray:
    """Values at the nodes to coefficients of Legendre polynomials, (ORDER, ORDER)."""
    at, weights = _gauss()
    degrees = np.arange(ORDER) + 0.5
    return np.asarray((legendre.legvander(at, ORDER - 1) * weights[:, None] * degrees).T)


@lru_cache(maxsize=4096)
def _weights(count: int) -> FloatArray:
    """Weights that sum a polynomial over ``count`` equally spaced integers."""
    if count <= _SUMMED:
        middle = (2 * np.arange(count) - (count - 1)) / count
        sums = legendre.legvander(middle, ORDER - 1).sum(axis=0)
    else:
        # Sum minus integral by Euler and Maclaurin (midpoint form), of even degree k: -h/24 times
        # the change of the slope, and 7 h^3/5760 times that of the third derivative; what follows
        # is below 1e-10 from here on.
        k, h = np.arange(ORDER), 2 / count
        slope = k * (k + 1) / 2
        bend = (k - 2) * (k - 1) * k * (k + 1) * (k + 2) * (k + 3) / 48
        sums = -h / 12 * slope + 7 * h**3 / 2880 * bend
        sums[1::2] = 0.0
        sums[0] = count
    return np.asarray(sums @ to_coefficients())


def panel_sums(grid: HiddenGrid, values: FloatArray) -> FloatArray:
    """Sum a function, given at the nodes, over the integers of each panel: (Q,)."""
    return np.add.reduceat(grid.weights * values, grid.start[:-1])


def distribution(grid: HiddenGrid, log_density: FloatArray) -> Distribution:
    """Spell out a distribution that is known at the nodes.

    Parameters
    ----------
    grid : HiddenGrid
        Where.
    log_density : float64 array (G,)
        Log probability of a single hidden count at each node, up to a constant.

    Returns
    -------
    Distribution
        Sums to 1. Single integers, but for panels of next to no probability and for panels of more
        than 4096 integers.
    """
    sums = _shares(grid, log_density)
    parts = [_bins(grid, i, log_density, float(total)) for i, total in enumerate(sums)]
    first, last, mass = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Distribution(first, last, mass)


def quantile(grid: HiddenGrid, log_density: FloatArray, probability: float) -> int:
    """Find the smallest hidden count whose distribution function reaches a probability.

    Parameters
    ----------
    grid, log_density
        As of `distribution`.
    probability : float
        Between 0 and 1.
    """
    return int(
        quantiles(grid, to_coefficients(), log_density[None], np.asarray([probability]))[0, 0]
    )


@nb.njit(cache=True, nogil=True)
def quantiles(grid, to_series, log_densities, probabilities):  # type: ignore[no-untyped-def]
    """Find quantiles of several densities.

    Parameters
    ----------
    grid : HiddenGrid
        Where.
    to_series : float64 array (16, 16)
        As of `to_coefficients`.
    log_densities : float64 array (M, G)
        At the nodes, each up to a constant.
    probabilities : float64 array (P,)
        Between 0 and 1.

    Returns
    -------
    int64 array (M, P)
    """
    n_panels = grid.first.size
    found = np.zeros((len(log_densities), probabilities.size), dtype=np.int64)
    cumulative = np.zeros(n_panels + 1)
    for m in range(len(log_densities)):
        density = np.exp(log_densities[m] - log_densities[m].max())
        for i in range(n_panels):
            part = slice(grid.start[i], grid.start[i + 1])
            cumulative[i + 1] = cumulative[i] + (grid.weights[part] * density[part]).sum()
        for k in range(probabilities.size):
            wanted = probabilities[k] * cumulative[-1]
            i = min(np.searchsorted(cumulative[1:], wanted), n_panels - 1)
            values = density[grid.start[i] : grid.start[i + 1]]
            count = grid.last[i] - grid.first[i] + 1
            missing = wanted - cumulative[i]
            found[m, k] = grid.first[i] + _reaching(values, count, missing, to_series)
    return found


@nb.njit(cache=True, nogil=True)
def _reaching(values, count, wanted, to_series):  # type: ignore[no-untyped-def]
    """Find the integer of a panel, from 0, at which the sum of a density reaches a value."""
    if values.size == count:
        total = 0.0
        for at in range(count - 1):
            total += values[at]
            if total >= wanted:
                return at
        return count - 1
    series = to_series @ values
    low, high = np.int64(0), np.int64(count - 1)
    while low < high:
        middle = (low + high) // 2
        if _partial_sum(series, count, middle + 1) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


@nb.njit(cache=True, nogil=True)
def _partial_sum(series, count, n):  # type: ignore[no-untyped-def]
    """Sum of a Legendre series over the first n of ``count`` integers of a panel.

    The integral to half a step behind, with Euler and Maclaurin's first correction:
    sum = integral / h - h/24 (change of slope).
    """
    h = 2.0 / count
    y = n * h - 1.0
    # P_k and its slope by recurrence; the integral of P_k is (P_k+1 - P_k-1) / (2k + 1).
    before, now, slope_before, slope = 1.0, y, 0.0, 1.0
    integral = series[0] * (y + 1.0)
    change = 0.0
    for k in range(1, series.size):
        after = ((2 * k + 1) * y * now - k * before) / (k + 1)
        integral += series[k] * (after - before) / (2 * k + 1)
        # At -1 the slope is k (k + 1) / 2 with the sign of -(-1)^k.
        change += series[k] * (slope + (k * (k + 1) / 2 if k % 2 == 0 else -k * (k + 1) / 2))
        slope_before, slope = slope, slope_before + (2 * k + 1) * now
        before, now = now, after
    return integral / h - h / 24.0 * change


def _shares(grid: HiddenGrid, log_density: FloatArray) -> FloatArray:
    """Probability of each panel."""
    sums = panel_sums(grid, np.exp(log_density - log_density.max()))
    return np.asarray(sums / sums.sum())


def _bins(
    grid: HiddenGrid, i: int, log_density: FloatArray, total: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Bins of panel i of a given probability: first integer, last integer, probability."""
    first, last = int(grid.first[i]), int(grid.last[i])
    values = log_density[grid.start[i] : grid.start[i + 1]]
    count = last - first + 1
    if total < _NEGLIGIBLE:
        return np.asarray([first]), np.asarray([last]), np.asarray([total])
    edges = first + np.arange(min(count, _BINS) + 1, dtype=np.int64) * count // min(count, _BINS)
    if values.size < count:
        middle = (edges[:-1] + edges[1:] - 1) / 2
        at = (2 * middle - (first + last)) / count
        values = np.asarray(legendre.legval(at, to_coefficients() @ values), dtype=np.float64)
    mass = np.exp(values - values.max()) * np.diff(edges)
    return edges[:-1], edges[1:] - 1, mass * (total / mass.sum())
