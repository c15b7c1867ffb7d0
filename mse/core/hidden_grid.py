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
    sums = _shares(grid, log_density)
    cumulative = np.cumsum(sums)
    i = min(int(np.searchsorted(cumulative, probability)), sums.size - 1)
    first, last, mass = _bins(grid, i, log_density, float(sums[i]))
    reached = cumulative[i] - sums[i] + np.cumsum(mass)
    j = min(int(np.searchsorted(reached, probability)), mass.size - 1)
    missing = max(reached[j] - probability, 0.0) / mass[j] if mass[j] > 0 else 0.0
    return int(last[j] - int(missing * (last[j] - first[j] + 1)))


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
