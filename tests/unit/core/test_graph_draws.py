"""Draws of hidden counts, cell probabilities and tables: against exact distributions and means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, nbinom

from mse.core.decomposable.chain import (
    cell_probabilities,
    draw_hidden,
    draw_pairs,
    predicted_tables,
    reverse_bits,
)
from mse.core.decomposable.graphs import adjacency
from mse.core.decomposable.posterior import average, tail
from mse.core.decomposable.scores import distribution, panel_grid, to_coefficients
from tests.chance import FAR, RARE
from tests.unit.core.test_decomposable import problem_of, reciprocal, scores_of
from tests.unit.core.test_hidden_grid import log_density


@pytest.mark.parametrize(("size", "p"), [(9.0, 0.001), (3.0, 0.2)])
def test_hidden_counts_follow_their_density(rng, size, p) -> None:
    grid = panel_grid(0, 200_000, lambda start: (1 + start) * 0.4)
    out = np.empty(20_000, dtype=np.int64)
    draw_hidden(rng, grid, to_coefficients(), log_density(grid.nodes, size, p), out)
    exact = nbinom(size, p)
    # Spread evenly over its share of the unit interval, a discrete variable is uniform.
    shares = exact.cdf(out - 1) + rng.random(out.size) * exact.pmf(out)
    assert kstest(shares, "uniform").pvalue > RARE


def test_pairs_of_graph_and_hidden_count(rng) -> None:
    scores = scores_of(problem_of([0, 30, 41, 3, 17, 2, 0, 1], 3, 0.125, reciprocal))
    found = average(scores, tail(scores, 1.0).decay)
    graphs, hidden = draw_pairs(scores, found.probability, found.panels, 20_000, rng)
    shares = np.bincount(graphs, minlength=8) / graphs.size
    error = np.sqrt(found.probability / graphs.size)
    assert (np.abs(shares - found.probability) < FAR * error + 1e-4).all()
    spelled = distribution(found.grid, found.log_density)
    cumulative = np.append(0.0, np.cumsum(spelled.mass))
    at = np.searchsorted(spelled.last, hidden)
    uniform = cumulative[at] + rng.random(at.size) * spelled.mass[at]
    assert kstest(uniform, "uniform").pvalue > RARE


@pytest.mark.parametrize(
    ("edges", "joined"), [(0b111, [(0, 1, 2)]), (0, [(0,), (1,), (2,)]), (0b101, [(0, 1), (1, 2)])]
)
def test_cell_probabilities_have_the_posterior_mean_of_each_clique(rng, edges, joined) -> None:
    counts = np.asarray([8.0, 5.0, 1.0, 3.0, 0.0, 2.0, 6.0, 1.0])
    drawn = np.empty((4000, 8))
    for own in drawn:
        cell_probabilities(rng, adjacency(edges, 3), counts, 0.5, own)
    assert drawn.sum(axis=1) == pytest.approx(np.ones(4000))
    weights = counts + 0.5
    for clique in joined:
        inside = sum(1 << v for v in clique)
        for cell in {c & inside for c in range(8)}:
            of_cell = (np.arange(8) & inside) == cell
            expected = weights[of_cell].sum() / weights.sum()
            spread = np.sqrt(expected / (weights.sum() + 1) / 4000)
            assert abs(drawn[:, of_cell].sum(axis=1).mean() - expected) < FAR * spread
    if edges == 0b101:  # independent given list 2
        cube = drawn.reshape(-1, 2, 2, 2)
        odds = cube[:, 0, :, 0] * cube[:, 1, :, 1] / (cube[:, 0, :, 1] * cube[:, 1, :, 0])
        assert odds == pytest.approx(np.ones_like(odds))


def test_predicted_tables_are_in_the_order_of_the_library(rng) -> None:
    # Everybody is on list 1 alone, of three: history 100, the cell with index 4.
    problem = problem_of([0, 500, 0, 0, 0, 0, 0, 0], 3, 0.01, reciprocal)
    near = np.repeat(adjacency(0b111, 3)[None], 200, axis=0)
    tables = predicted_tables(problem, near, np.full(200, 300), rng)
    assert tables.shape == (200, 8)
    assert (tables.sum(axis=1) == 800).all()
    assert tables[:, 4].mean() == pytest.approx(500, abs=10)
    assert tables[:, 0].mean() == pytest.approx(300, abs=10)


def test_reversed_bits_are_an_involution() -> None:
    for n_bits in (2, 5):
        back = reverse_bits(n_bits)
        assert (back[back] == np.arange(1 << n_bits)).all()
