"""From a table and priors to the posterior over decomposable graphs, exact or from chains."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.polynomial import legendre

from mse._progress import track
from mse.core.decomposable import Problem
from mse.core.graph_chain import GraphChain, Walk, walk_graphs
from mse.core.graph_posterior import (
    FARTHEST,
    GraphPosterior,
    Scores,
    Tail,
    average,
    cut,
    mass_beyond,
    tail,
)
from mse.core.graph_sampled import chain_grid, frequencies, pooled
from mse.core.graphs import decomposable_graphs
from mse.core.hidden_grid import to_coefficients
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import FloatArray, IntArray
    from mse.bayes.decomposable import DecomposableGraphs
    from mse.core.hidden_grid import HiddenGrid
    from mse.table import CaptureTable

__all__ = ["Learned", "Visits", "learn", "prepare"]

#: Copies of a chain, and the power of the posterior in the last: with eight of them half of the
#: exchanges are made on the bundled tables, and from a twentieth on the moves are nearly free.
_POWERS = np.geomspace(1.0, 0.05, 8)
#: A log prior of N may be this far from a polynomial of degree 15 in a panel.
_SMOOTH = 1e-6


class Visits(NamedTuple):
    """Draws of the chains.

    Attributes
    ----------
    graphs, hidden : int64 arrays (chains, draws)
        Position of each graph, and hidden persons.
    log_mass : float64 array (chains, draws)
        Log posterior mass of the graph, up to a constant.
    """

    graphs: IntArray
    hidden: IntArray
    log_mass: FloatArray


@dataclass(frozen=True, eq=False)
class Learned:
    """Posterior over graphs and hidden counts.

    Attributes
    ----------
    scores : Scores
        Graphs and data.
    tail : Tail
        How the scores of the graphs end.
    posterior : GraphPosterior
        Probabilities, exact or as frequencies.
    visits : Visits or None
        Draws of the chains; None where all graphs were summed over.
    """

    scores: Scores
    tail: Tail
    posterior: GraphPosterior
    visits: Visits | None

    @property
    def unbounded(self) -> float:
        """Probability of graphs under which the likelihood does not fall as N grows."""
        return float(self.posterior.probability[self.tail.surprises == 0].sum())

    @property
    def support(self) -> tuple[int, int]:
        """Smallest and largest hidden count."""
        grid = self.posterior.grid
        return int(grid.first[0]), int(grid.last[-1])


def prepare(estimator: DecomposableGraphs, table: CaptureTable) -> Problem:
    """Put together histories and priors."""
    n_lists = table.n_lists
    kept = table.low > 0
    bits = 1 << np.arange(n_lists, dtype=np.int64)
    delta = 2.0**-n_lists if estimator.delta is None else float(estimator.delta)
    return Problem(
        n_lists,
        np.ascontiguousarray(table.patterns[kept] @ bits, dtype=np.int64),
        table.low[kept].astype(np.float64),
        delta,
        _log_prior(estimator),
    )


def _log_prior(estimator: DecomposableGraphs) -> Callable[[FloatArray], FloatArray]:
    prior = estimator.prior
    if prior == "reciprocal":
        return _reciprocal
    if prior == "uniform":
        return np.zeros_like
    return _Asked(prior)


@dataclass(frozen=True)
class _Asked:
    """Log prior that the user gave, with a check of what it answers."""

    function: Callable[[FloatArray], FloatArray]

    def __call__(self, total: FloatArray) -> FloatArray:
        found = np.asarray(self.function(total), dtype=np.float64)
        if found.shape != total.shape or not np.isfinite(found).all():
            raise ModelError(
                "The log prior of N must give a finite number for every total, in an array of the same "
                f"shape; for {total.size:,} totals from {total.min():,.0f} to {total.max():,.0f} it "
                f"gave shape {found.shape} with {np.isfinite(found).sum()} finite numbers. Bounds of "
                "N are set with hidden_from and hidden_max."
            )
        return found


def _reciprocal(total: FloatArray) -> FloatArray:
    return -np.log(total)


def _prior_decay(estimator: DecomposableGraphs, problem: Problem) -> float:
    """How fast the prior of N falls: as N to the power of minus this."""
    if isinstance(estimator.prior, str):
        return 1.0 if estimator.prior == "reciprocal" else 0.0
    far = problem.log_prior(np.asarray([FARTHEST / 2, FARTHEST]))
    return float(far[0] - far[1]) / log(2)


def learn(estimator: DecomposableGraphs, table: CaptureTable, *, exact: bool) -> Learned:
    """Find the posterior, by summing over all graphs or by walking among them."""
    problem = prepare(estimator, table)
    find = _exact if exact else _sampled
    learned = find(estimator, problem, _prior_decay(estimator, problem))
    if not isinstance(estimator.prior, str):
        _check_smooth(learned.posterior, problem)
    return learned


def _log_odds(estimator: DecomposableGraphs) -> float:
    return log(estimator.edge_probability) - log(1 - estimator.edge_probability)


def _exact(estimator: DecomposableGraphs, problem: Problem, prior_decay: float) -> Learned:
    graphs = decomposable_graphs(problem.n_lists)
    # The last one has all edges.
    chosen = slice(None) if estimator.complete else slice(-1)
    priors = np.bitwise_count(graphs.edges[chosen]) * _log_odds(estimator)
    sets = np.arange(1 << problem.n_lists, dtype=np.int64)
    scores = Scores(problem, sets, graphs.terms[chosen], priors)
    ending = tail(scores, prior_decay)
    last = None if estimator.hidden_max is None else int(estimator.hidden_max)
    found = average(scores, ending.decay, int(estimator.hidden_from), last)
    return Learned(scores, ending, found, None)


def _sampled(estimator: DecomposableGraphs, problem: Problem, prior_decay: float) -> Learned:
    last = FARTHEST if estimator.hidden_max is None else int(estimator.hidden_max)
    grid = chain_grid(problem, int(estimator.hidden_from), last)
    sweep = problem.n_lists * (problem.n_lists - 1)
    walk = Walk(_POWERS, _log_odds(estimator), estimator.complete, sweep)
    chains = _chains(estimator, problem, grid, walk)
    scores, which, log_density = pooled(chains, problem, walk.log_odds)
    ending = tail(scores, prior_decay)
    outside = mass_beyond(scores, ending.decay, last)
    found = frequencies(scores, which, log_density, grid, outside)
    if estimator.hidden_max is None:
        shorter, density, beyond = cut(grid, log_density, found.beyond)
        found = GraphPosterior(found.probability, shorter, density, shorter, beyond)
    return Learned(scores, ending, found, _visits(chains, which))


def _chains(
    estimator: DecomposableGraphs, problem: Problem, grid: HiddenGrid, walk: Walk
) -> list[GraphChain]:
    """Run the chains in threads, from starts between no edges and all of them."""
    from joblib import Parallel, delayed

    n_chains = estimator.chains
    starts = np.linspace(0.0, 1.0, n_chains)
    seeds = np.random.SeedSequence(estimator.seed).spawn(n_chains)
    tasks = (
        delayed(walk_graphs)(
            problem, grid, walk, estimator.draws, np.random.default_rng(seed), start=float(start)
        )
        for seed, start in zip(seeds, starts, strict=True)
    )
    found = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(tasks)
    return list(track(found, n_chains, "Chains over graphs"))


def _visits(chains: list[GraphChain], which: IntArray) -> Visits:
    hidden = np.stack([chain.hidden for chain in chains])
    return Visits(which, hidden, np.stack([chain.log_mass for chain in chains]))


def _check_smooth(posterior: GraphPosterior, problem: Problem) -> None:
    """Raise `ModelError` if a prior bends more within a panel than its nodes can see."""
    panels = posterior.panels
    long = np.diff(panels.start) != panels.last - panels.first + 1
    for i in np.flatnonzero(long):
        own = panels.nodes[panels.start[i] : panels.start[i + 1]]
        values = problem.log_prior(problem.n_observed + own)
        between = (own[1:] + own[:-1]) / 2
        count = panels.last[i] - panels.first[i] + 1
        at = (2 * between - (panels.first[i] + panels.last[i])) / count
        expected = legendre.legval(at, to_coefficients() @ values)
        gap = np.abs(problem.log_prior(problem.n_observed + between) - expected).max()
        if gap > _SMOOTH:
            raise ModelError(
                f"The log prior of N is not smooth between N = {problem.n_observed + own[0]:,.0f} and "
                f"{problem.n_observed + own[-1]:,.0f} (a polynomial misses it by {gap:.2g}). Give a "
                "smooth function of N, and bounds of N by hidden_from and hidden_max."
            )
