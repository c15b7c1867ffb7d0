"""Posterior of graphs and of the hidden count from chains over graphs."""

from __future__ import annotations

from math import log1p
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from mse.core.graph_posterior import STEP, GraphPosterior, Scores, panel_length, share
from mse.core.graphs import decompose
from mse.core.hidden_grid import HiddenGrid, panel_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import FloatArray, IntArray
    from mse.core.decomposable import Problem
    from mse.core.graph_chain import GraphChain

__all__ = ["chain_grid", "frequencies", "pooled"]

#: A log prior this far below its maximum ends what can have any probability.
_OUTRUN = 1e4


def chain_grid(problem: Problem, first: int, last: int) -> HiddenGrid:
    """Panels that are short enough for the scores of any graph.

    Notes
    -----
    A score is a sum of c_j log(h + j). In u = log h each term bends by h j / (h + j)^2 at most, a
    quarter or less, and those with a negative c_j come from the windows between the persons off a
    clique and off its separator: one for each list but a first one, no longer than the list.
    """
    persons = [
        problem.counts[problem.histories >> k & 1 == 1].sum() for k in range(problem.n_lists)
    ]
    n, windows = problem.n_observed, sum(persons) - max(persons)
    log_at = np.arange(log1p(first), log1p(last) + 1, STEP)
    at = np.expm1(log_at)
    bends = windows * np.where(at < n, 0.25, at * n / (at + n) ** 2)
    prior = np.stack([problem.log_prior(n + np.expm1(log_at + d)) for d in (-STEP, 0, STEP)])
    # Where a prior has fallen so far nothing makes up for it.
    matters = prior[1] > prior[1].max() - _OUTRUN
    bends += np.where(matters, np.maximum(2 * prior[1] - prior[0] - prior[2], 0), 0) / STEP**2
    return panel_grid(first, last, lambda start: panel_length(at, bends, start))


def pooled(
    chains: Sequence[GraphChain], problem: Problem, log_odds: float
) -> tuple[Scores, IntArray, FloatArray]:
    """Put the graphs of several chains together.

    Parameters
    ----------
    chains : sequence of GraphChain
        Of equal length.
    problem : Problem
        Histories and prior.
    log_odds : float
        Prior log odds of a pair to be joined.

    Returns
    -------
    scores : Scores
        The distinct graphs.
    which : int64 array (chains, D)
        Position of the graph of each draw.
    log_density : float64 array (G,)
        Of the hidden count, averaged over all draws.
    """
    near = np.concatenate([chain.near for chain in chains])
    distinct, which = np.unique(near, axis=0, return_inverse=True)
    members = np.zeros((len(distinct), 2 * problem.n_lists), dtype=np.int64)
    for graph, terms in zip(distinct, members, strict=True):
        decompose(graph, terms)
    sets, places = np.unique(np.append(0, np.abs(members)), return_inverse=True)
    terms = np.sign(members) * places[1:].reshape(members.shape)
    priors = log_odds * np.bitwise_count(distinct).sum(axis=1) / 2
    with np.errstate(divide="ignore"):
        log_density = np.log(np.mean([chain.density for chain in chains], axis=0))
    scores = Scores(problem, sets, np.asarray(terms, dtype=np.int32), priors)
    return scores, which.reshape(len(chains), -1).astype(np.int64), log_density


def frequencies(
    scores: Scores, which: IntArray, log_density: FloatArray, grid: HiddenGrid, outside: FloatArray
) -> GraphPosterior:
    """Posterior from the frequencies of graphs in chains.

    Parameters
    ----------
    scores, which, log_density
        As of `pooled`.
    grid : HiddenGrid
        Support of the chains.
    outside : float64 array (M,)
        Log mass of each graph beyond it, as of `mse.core.graph_posterior.mass_beyond`.
    """
    probability = np.bincount(which.ravel(), minlength=len(scores.terms)) / which.size
    log_odds = outside - scores.sums(grid)[0]
    beyond = share(float(logsumexp(log_odds, b=probability)), 0.0)
    return GraphPosterior(probability, grid, log_density, grid, beyond)
