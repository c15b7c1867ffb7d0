"""Chains over graphs: against sums over all of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from mse.core.decomposable import chain as graph_chain
from mse.core.decomposable.chain import Walk, chain_grid, frequencies, pooled, walk_graphs
from mse.core.decomposable.graphs import decomposable_graphs, neighbors
from mse.core.decomposable.posterior import FARTHEST, average, mass_beyond, tail
from mse.core.decomposable.scores import quantile, set_constant
from tests.chance import FAR, error_of_quantile
from tests.unit.core.test_decomposable import problem_of, reciprocal, scores_of

#: 1-2 and 3-4 depend on each other; few overlaps, so that many graphs are likely.
COUNTS = [0, 30, 41, 9, 27, 2, 3, 1, 25, 4, 2, 0, 11, 0, 1, 0]
POWERS = np.geomspace(1.0, 0.2, 3)


@pytest.fixture
def problem():
    return problem_of(COUNTS, 4, 1 / 16, reciprocal)


def run(problem, walk, n_draws=1500, n_chains=2, last=FARTHEST):
    grid = chain_grid(problem, 0, last)
    chains = [
        walk_graphs(problem, grid, walk, n_draws, np.random.default_rng(seed), start=float(seed))
        for seed in range(n_chains)
    ]
    return grid, chains


@pytest.mark.mcmc
@pytest.mark.parametrize(("log_odds", "complete"), [(0.0, True), (-1.0, False)])
def test_frequencies_are_probabilities(problem, log_odds, complete) -> None:
    walk = Walk(POWERS, log_odds, complete, 12)
    grid, chains = run(problem, walk)
    scores, which, log_density = pooled(chains, problem, log_odds)
    outside = mass_beyond(scores, tail(scores, 1.0).decay, FARTHEST)
    found = frequencies(scores, which, log_density, grid, outside)
    every = scores_of(problem, log_odds)
    if not complete:
        every = every.chosen(np.arange(60))
    exact = average(every, tail(every, 1.0).decay)
    known = {tuple(row): p for row, p in zip(every.terms.tolist(), exact.probability, strict=True)}
    members = np.sign(scores.terms) * scores.sets[np.abs(scores.terms)]
    # A few hundred independent draws are left of 3,000.
    for row, probability in zip(members.tolist(), found.probability, strict=True):
        p = known.pop(tuple(row[:7]))
        assert abs(probability - p) < 5 * np.sqrt(p * (1 - p) / 400) + 0.003
    assert sum(known.values()) < 0.02
    hidden = np.log1p([chain.hidden for chain in chains])
    for q in (0.1, 0.5, 0.9):
        expected = quantile(exact.grid, exact.log_density, q)
        # Whole persons beside; densities of the graphs visited are no less exact than draws.
        near = FAR * error_of_quantile(hidden, q) + 1 / (1 + expected)
        assert abs(np.quantile(hidden, q) - np.log1p(expected)) <= near
        assert abs(np.log1p(quantile(grid, log_density, q)) - np.log1p(expected)) <= near
    assert found.beyond == pytest.approx(exact.beyond, abs=1e-8)
    for chain in chains:
        assert 0 < chain.accepted < 1
        assert ((chain.exchanged > 0.2) & (chain.exchanged < 1)).all()


def test_masses_of_visited_graphs_are_sums_of_scores(problem, monkeypatch) -> None:
    # So few slots that most scores and masses are computed again and again.
    monkeypatch.setattr(graph_chain, "_KEPT_SCORES", 3000)
    monkeypatch.setattr(graph_chain, "_KEPT_MASSES", 8)
    walk = Walk(np.asarray([1.0, 0.3]), 0.0, True, 12)
    grid, chains = run(problem, walk, n_draws=200, n_chains=1, last=100_000)
    scores, which, _ = pooled(chains, problem, 0.0)
    assert scores.sums(grid)[0][which[0]] == pytest.approx(chains[0].log_mass, abs=1e-8)
    assert chains[0].hidden.max() <= 100_000
    near = [neighbors(scores.terms[g], scores.sets, 4) for g in which[0]]
    assert (np.stack(near) == chains[0].near).all()


def test_a_grid_for_chains_resolves_every_graph(problem) -> None:
    every = scores_of(problem)
    masses = every.sums(chain_grid(problem, 0, 50_000))[0]
    exact = average(every, tail(every, 1.0).decay, 0, 50_000).probability
    assert np.exp(masses - logsumexp(masses)) == pytest.approx(exact, rel=1e-9, abs=1e-25)


def test_constants_of_sets_are_the_same_in_both_places(problem) -> None:
    data = graph_chain._data(problem, chain_grid(problem, 0, 100))
    for members in range(1, 16):
        assert graph_chain._constant(data, members) == pytest.approx(set_constant(problem, members))


def test_chains_start_far_apart() -> None:
    problem = problem_of(np.arange(64) % 5, 6, 1 / 64, reciprocal)
    still = Walk(np.ones(1), 0.0, True, 0)
    grid = chain_grid(problem, 0, 1000)
    edges = []
    for start in (0.0, 0.5, 1.0):
        rng = np.random.default_rng(1)
        chain = walk_graphs(problem, grid, still, 100, rng, start=start)
        edges.append(int(np.bitwise_count(chain.near[0]).sum()) // 2)
    assert edges[0] == 0
    assert 0 < edges[1] < 15
    assert edges[2] == 15
    assert decomposable_graphs(6).edges.size == 18_154
