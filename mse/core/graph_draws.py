"""Draws under decomposable graphs: hidden counts, and whole tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba as nb
import numpy as np

from mse.core.graphs import eliminate
from mse.core.hidden_grid import to_coefficients

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray
    from mse.core.decomposable import Problem
    from mse.core.graph_posterior import Scores
    from mse.core.hidden_grid import HiddenGrid

__all__ = ["cell_probabilities", "draw_hidden", "draw_pairs", "predicted_tables", "reverse_bits"]

#: Log of how far a density may rise between two nodes of a panel, or beside the outermost: nodes
#: are at most a fifth of a standard deviation apart, which allows for 0.005, and 0.02 in the tail.
_SLACK = 0.05


@nb.njit(cache=True, nogil=True)
def _series(coefficients, y):  # type: ignore[no-untyped-def]
    """Sum of Legendre polynomials at y, by Clenshaw's recurrence."""
    later = 0.0
    latest = 0.0
    for k in range(coefficients.size - 1, 0, -1):
        factor = (2 * k + 1) / (k + 1)
        later, latest = (
            coefficients[k] + factor * y * later - (k + 1) / (k + 2) * latest,
            later,
        )
    return coefficients[0] + y * later - 0.5 * latest


@nb.njit(cache=True, nogil=True)
def _within(rng, first, last, values, to_series):  # type: ignore[no-untyped-def]
    """Draw an integer of one panel from log densities at its nodes."""
    count = last - first + 1
    peak = values.max()
    if values.size == count:
        left = rng.random() * np.exp(values - peak).sum()
        for k in range(count):
            left -= np.exp(values[k] - peak)
            if left < 0:
                return first + k
        return last
    coefficients = to_series @ values
    while True:
        at = first + np.int64(rng.random() * count)
        y = (2.0 * at - (first + last)) / count
        if np.log(rng.random()) < _series(coefficients, y) - peak - _SLACK:
            return at


@nb.njit(cache=True, nogil=True)
def draw_hidden(rng, grid, to_series, log_density, out):  # type: ignore[no-untyped-def]
    """Draw hidden counts from a density that is known at the nodes of a grid.

    Parameters
    ----------
    rng : numpy.random.Generator
        Changed by use.
    grid : HiddenGrid
        Panels.
    to_series : float64 array (16, 16)
        As of `mse.core.hidden_grid.to_coefficients`.
    log_density : float64 array (G,)
        At the nodes.
    out : int64 array (M,)
        Receives the draws.
    """
    n_panels = grid.first.size
    peak = log_density.max()
    cumulative = np.zeros(n_panels)
    total = 0.0
    for i in range(n_panels):
        for g in range(grid.start[i], grid.start[i + 1]):
            total += grid.weights[g] * np.exp(log_density[g] - peak)
        cumulative[i] = total
    for m in range(out.size):
        i = min(np.searchsorted(cumulative, rng.random() * total, side="right"), n_panels - 1)
        values = log_density[grid.start[i] : grid.start[i + 1]]
        out[m] = _within(rng, grid.first[i], grid.last[i], values, to_series)


@nb.njit(cache=True, nogil=True)
def cell_probabilities(rng, near, counts, delta, out):  # type: ignore[no-untyped-def]
    """Draw the probabilities of all cells from their posterior under a graph.

    Parameters
    ----------
    rng : numpy.random.Generator
        Changed by use.
    near : int64 array (K,)
        Neighbors of each list.
    counts : float64 array (2**K,)
        Persons by history, as sets of lists; the hidden ones first.
    delta : float
        Of each cell.
    out : float64 array (2**K,)
        Receives the probabilities.

    Notes
    -----
    In the reverse of a perfect elimination each list depends on the neighbors that came before it
    only, with a beta distribution for each combination of those (Dawid & Lauritzen 1993, section 6.2:
    the hyper-Dirichlet law is strong hyper-Markov, also in a posterior).
    """
    n_lists = near.size
    order = np.zeros(n_lists, dtype=np.int64)
    separators = np.zeros(n_lists, dtype=np.int64)
    eliminate(near, order, separators)
    out[:] = 1.0
    for step in range(n_lists):
        own = 1 << order[step]
        family = separators[step] | own
        margin = np.zeros(counts.size)
        for cell in range(counts.size):
            margin[cell & family] += counts[cell] + delta
        share = np.zeros(counts.size)
        for cell in range(counts.size):
            if cell & family == cell and not cell & own:
                share[cell] = rng.beta(margin[cell | own], margin[cell])
        for cell in range(counts.size):
            on = share[cell & separators[step]]
            out[cell] *= on if cell & own else 1.0 - on


def draw_pairs(
    scores: Scores,
    probability: FloatArray,
    panels: HiddenGrid,
    size: int,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray]:
    """Draw graphs and hidden counts together.

    Parameters
    ----------
    scores : Scores
        Graphs and data.
    probability : float64 array (M,)
        Of the graphs.
    panels : HiddenGrid
        Support of the hidden count.
    size : int
        Number of draws.
    rng : numpy.random.Generator
        Changed by use.

    Returns
    -------
    graphs, hidden : int64 arrays (size,)
        Position of each graph, and persons.
    """
    cumulative = np.cumsum(probability)
    graphs = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
    graphs = np.minimum(graphs, probability.size - 1).astype(np.int64)
    hidden = np.empty(size, dtype=np.int64)
    distinct, which, times = np.unique(graphs, return_inverse=True, return_counts=True)
    densities = scores.densities(distinct, panels.nodes)
    for i, count in enumerate(times):
        own = np.empty(count, dtype=np.int64)
        draw_hidden(rng, panels, to_coefficients(), densities[i], own)
        hidden[which == i] = own
    return graphs, hidden


def predicted_tables(
    problem: Problem, near: IntArray, hidden: IntArray, rng: np.random.Generator
) -> IntArray:
    """Draw tables from the posterior predictive distribution.

    Parameters
    ----------
    problem : Problem
        Histories and prior.
    near : int64 array (M, K)
        Neighbors of each list in the graph of each table.
    hidden : int64 array (M,)
        Hidden persons of each.
    rng : numpy.random.Generator
        Changed by use.

    Returns
    -------
    int64 array (M, C)
        Persons by cell in C order.
    """
    counts = np.zeros(1 << problem.n_lists)
    counts[problem.histories] = problem.counts
    chances = np.empty((len(near), counts.size))
    for own, graph, count in zip(chances, near, hidden, strict=True):
        counts[0] = count
        cell_probabilities(rng, graph, counts, problem.delta, own)
    chances /= chances.sum(axis=1, keepdims=True)
    tables = rng.multinomial(hidden + round(problem.n_observed), chances)
    return np.asarray(tables[:, reverse_bits(problem.n_lists)], dtype=np.int64)


def reverse_bits(n_bits: int) -> IntArray:
    """Position among sets of lists of each cell in C order, (2**K,).

    Examples
    --------
    >>> reverse_bits(2).tolist()
    [0, 2, 1, 3]
    """
    cells = np.arange(1 << n_bits)
    bits = cells[:, None] >> np.arange(n_bits) & 1
    return np.asarray(bits @ (1 << np.arange(n_bits)[::-1]), dtype=np.int64)
