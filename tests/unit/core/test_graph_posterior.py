"""Averages over graphs: against sums written out, over few integers and over many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp

from mse.core.decomposable import posterior as module
from mse.core.decomposable.graphs import decomposable_graphs
from mse.core.decomposable.posterior import FARTHEST, average, mass_beyond, tail
from mse.core.decomposable.scores import distribution, quantile
from tests.unit.core.test_decomposable import problem_of, reciprocal, scores_of

COUNTS = {
    "three": (3, [0, 41, 5, 6, 5, 54, 0, 12]),
    "four": (4, [0, 30, 41, 3, 17, 2, 0, 1, 25, 4, 6, 2, 3, 0, 1, 0]),
    "tiny": (3, [0, 1, 1, 0, 2, 1, 0, 0]),
}


def written_out(n_lists: int, counts, delta: float, hidden) -> np.ndarray:
    """Log scores of all graphs at all hidden counts, from the formula: (M, G)."""
    x = np.repeat(np.asarray(counts, dtype=float)[None], hidden.size, axis=0)
    x[:, 0] = hidden
    total = x.sum(axis=1)
    alpha = delta * 2.0**n_lists

    def margin(members: int) -> np.ndarray:
        cell = delta * 2.0 ** (n_lists - members.bit_count())
        groups = [
            np.flatnonzero((np.arange(x.shape[1]) & members) == c) for c in range(members + 1)
        ]
        sums = [x[:, group].sum(axis=1) for group in groups if group.size]
        parts = sum(gammaln(each + cell) - gammaln(cell) for each in sums)
        return gammaln(alpha) - gammaln(alpha + total) + parts

    rows = np.zeros((decomposable_graphs(n_lists).edges.size, hidden.size))
    for graph, terms in enumerate(decomposable_graphs(n_lists).terms):
        rows[graph] = gammaln(total + 1) - gammaln(hidden + 1) - np.log(total)
        rows[graph] += sum(np.sign(term) * margin(abs(int(term))) for term in terms if term)
    return rows


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("every", [True, False])
def test_given_support(name, every, monkeypatch) -> None:
    n_lists, counts = COUNTS[name]
    if not every:
        monkeypatch.setattr(module, "_EVERY_INTEGER", 0)
    problem = problem_of(counts, n_lists, 0.1, reciprocal)
    scores = scores_of(problem, log_odds=-0.4)
    hidden = np.arange(2, 4001)
    expected = written_out(n_lists, counts, 0.1, hidden) + scores.priors[:, None]
    found = average(scores, tail(scores, 1.0).decay, 2, 4000)
    assert (found.grid.nodes.size == hidden.size) == every
    masses = logsumexp(expected, axis=1)
    probability = np.exp(masses - logsumexp(masses))
    assert found.probability == pytest.approx(probability, rel=1e-9, abs=1e-30)
    spelled = distribution(found.grid, found.log_density)
    exact = np.exp(logsumexp(expected, axis=0) - logsumexp(expected))
    assert np.cumsum(spelled.mass) == pytest.approx(np.cumsum(exact)[spelled.last - 2], abs=1e-9)


@pytest.mark.parametrize("name", COUNTS)
def test_whole_range_and_what_is_beyond(name) -> None:
    n_lists, counts = COUNTS[name]
    scores = scores_of(problem_of(counts, n_lists, 0.1, reciprocal))
    decay = tail(scores, 1.0).decay
    whole = average(scores, decay)
    bounded = average(scores, decay, 0, 100_000)
    assert whole.beyond < 1e-8
    below = distribution(whole.grid, whole.log_density)
    above = below.mass[below.first > 100_000].sum()
    assert bounded.beyond == pytest.approx(above, rel=0.05, abs=2e-9)
    inside = average(scores, decay, 0, 100)
    assert inside.grid.nodes.size == 101
    exact = below.mass[below.last <= 100]
    assert distribution(inside.grid, inside.log_density).mass == pytest.approx(
        exact / exact.sum(), rel=1e-8
    )
    assert inside.beyond == pytest.approx(1 - exact.sum(), rel=1e-7)


def test_support_that_starts_far_out() -> None:
    n_lists, counts = COUNTS["three"]
    scores = scores_of(problem_of(counts, n_lists, 0.125, reciprocal))
    found = average(scores, tail(scores, 1.0).decay, 5000, 5010)
    expected = logsumexp(written_out(n_lists, counts, 0.125, np.arange(5000, 5011)), axis=1)
    assert found.probability == pytest.approx(np.exp(expected - logsumexp(expected)), rel=1e-9)


def test_improper_posteriors_have_everything_beyond() -> None:
    scores = scores_of(problem_of(COUNTS["three"][1], 3, 0.125))
    decay = tail(scores, 0.0).decay
    assert decay[-1] < 0
    assert average(scores, decay).beyond == 1.0
    assert average(scores, decay, 0, 500).beyond == 1.0
    assert mass_beyond(scores, decay, FARTHEST)[-1] == np.inf


def test_sharp_posteriors_of_large_tables_are_resolved(monkeypatch) -> None:
    # A standard deviation of half a percent of the hidden count.
    rng = np.random.default_rng(3)
    p = np.asarray([0.3, 0.5, 0.4])
    lists = rng.random((200_000, 3)) < p
    counts = np.bincount(lists @ (1 << np.arange(3)), minlength=8)
    scores = scores_of(problem_of(counts, 3, 0.125, reciprocal))
    decay = tail(scores, 1.0).decay
    panels = average(scores, decay, 0, 200_000)
    monkeypatch.setattr(module, "_EVERY_INTEGER", 0)
    nodes = average(scores, decay, 0, 200_000)
    assert nodes.grid.nodes.size < 3000
    assert nodes.probability == pytest.approx(panels.probability, rel=1e-8)
    for q in (0.025, 0.5, 0.975):
        assert quantile(nodes.grid, nodes.log_density, q) == quantile(
            panels.grid, panels.log_density, q
        )
    assert abs(quantile(nodes.grid, nodes.log_density, 0.5) / counts[0] - 1) < 0.02
