"""Marginal likelihoods of decomposable graphs: against integrals, enumeration and exact identities."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import comb, exp, factorial, lgamma, log, prod

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss

from mse.core.decomposable.graphs import adjacency, decomposable_graphs
from mse.core.decomposable.posterior import Scores, tail
from mse.core.decomposable.scores import (
    Problem,
    base_row,
    log_gamma_ratio,
    score,
    set_rows,
    set_tables,
)


def flat(total: np.ndarray) -> np.ndarray:
    return np.zeros_like(total)


def reciprocal(total: np.ndarray) -> np.ndarray:
    return -np.log(total)


def problem_of(counts, n_lists: int, delta: float, prior=flat) -> Problem:
    """From counts by set of lists; what is at the empty set, the hidden persons, is left out."""
    counts = np.asarray(counts, dtype=np.float64)
    seen = np.flatnonzero(counts[1:]) + 1
    return Problem(n_lists, seen.astype(np.int64), counts[seen], delta, prior)


def scores_of(problem: Problem, log_odds: float = 0.0) -> Scores:
    graphs = decomposable_graphs(problem.n_lists)
    priors = np.bitwise_count(graphs.edges) * log_odds
    return Scores(problem, np.arange(1 << problem.n_lists), graphs.terms, priors)


def log_probability(counts, n_lists: int, graph: int, delta: float) -> float:
    """Log p(counts | their sum, graph), hidden persons at the empty set included."""
    problem = problem_of(counts, n_lists, delta)
    hidden = np.asarray([float(counts[0])])
    rows = set_rows(*set_tables(problem, np.arange(1 << n_lists)), problem.total, hidden)
    terms = decomposable_graphs(n_lists).terms[graph]
    out = np.empty(1)
    score(terms, rows, base_row(problem, hidden), 0.0, out)
    # Constants in the hidden count are left out of scores: the factorials of the observed counts.
    return float(out[0]) - sum(lgamma(count + 1) for count in counts[1:])


def test_ratios_of_gamma_functions_keep_their_digits() -> None:
    for x in (0.0, 0.3, 5.0, 31.5, 32.5, 1e3, 1e7, 1e12):
        steps = log(prod(x + 0.25 + k for k in range(6)))
        assert log_gamma_ratio(x, 6.25, 0.25) == pytest.approx(steps, rel=1e-13, abs=1e-13)
    assert log_gamma_ratio(1e12, 8000.0, 0.0) == pytest.approx(8000 * log(1e12), rel=1e-6)


def tables(total: int, n_cells: int):
    """Every way to spread persons over cells."""
    for bars in combinations(range(total + n_cells - 1), n_cells - 1):
        ends = (-1, *bars, total + n_cells - 1)
        yield [b - a - 1 for a, b in pairwise(ends)]


@pytest.mark.parametrize("delta", [0.125, 1.0])
def test_probabilities_of_all_tables_sum_to_one_under_each_graph(delta) -> None:
    every = list(tables(3, 8))
    assert len(every) == comb(10, 7)
    for graph in range(8):
        total = sum(exp(log_probability(counts, 3, graph, delta)) for counts in every)
        assert total == pytest.approx(1.0, rel=1e-12)


def test_complete_graph_with_a_uniform_prior_makes_all_tables_equally_likely() -> None:
    for counts in ([2, 0, 1, 0, 0, 3, 0, 1], [0, 0, 0, 0, 0, 0, 7, 0], [1, 1, 1, 0, 1, 1, 1, 1]):
        assert exp(log_probability(counts, 3, 7, 1.0)) == pytest.approx(1 / comb(7 + 7, 7))


def beta_moment(first: int, second: int, shape: float) -> float:
    """Mean of t^first (1 - t)^second under Beta(shape, shape), by quadrature: a polynomial."""
    at, weights = leggauss(40)
    t, w = (at + 1) / 2, weights / 2
    density = (t * (1 - t)) ** (shape - 1)
    return float((w * density * t**first * (1 - t) ** second).sum() / (w * density).sum())


def test_integral_over_the_parameters_of_a_path() -> None:
    # Graph 12, 23: list 2 first, then 1 and 3 given 2; bits 0, 1, 2 of a cell are lists 1, 2, 3.
    counts = [4, 2, 1, 3, 0, 1, 2, 5]
    x = np.asarray(counts).reshape(2, 2, 2)  # axes 3, 2, 1
    delta = 1.0
    value = beta_moment(x[:, 1].sum(), x[:, 0].sum(), 4 * delta)
    for on_2 in (0, 1):
        value *= beta_moment(x[:, on_2, 1].sum(), x[:, on_2, 0].sum(), 2 * delta)
        value *= beta_moment(x[1, on_2].sum(), x[0, on_2].sum(), 2 * delta)
    value *= factorial(sum(counts)) / prod(factorial(count) for count in counts)
    graph = decomposable_graphs(3).edges.tolist().index(0b101)
    assert exp(log_probability(counts, 3, graph, delta)) == pytest.approx(value, rel=1e-12)


def test_independent_lists_are_betas() -> None:
    counts = [3, 2, 0, 1, 4, 1, 0, 2]
    x = np.asarray(counts).reshape(2, 2, 2)
    value = factorial(sum(counts)) / prod(factorial(count) for count in counts)
    for axis in range(3):
        on = int(x.take(1, axis=axis).sum())
        value *= beta_moment(on, sum(counts) - on, 4.0)
    assert exp(log_probability(counts, 3, 0, 1.0)) == pytest.approx(value, rel=1e-12)


def parts(members: int, near) -> int:
    """Count the connected parts of a graph between the lists of a set, by walking."""
    left, found = members, 0
    while left:
        found += 1
        reached = left & -left
        while True:
            grown = reached
            for v, neighbors in enumerate(near):
                if reached >> v & 1:
                    grown |= int(neighbors) & members
            if grown == reached:
                break
            reached = grown
        left &= ~reached
    return found


@pytest.mark.parametrize(("n_lists", "prior", "power"), [(3, reciprocal, 1.0), (4, flat, 0.0)])
def test_tails_of_scores(rng, n_lists, prior, power) -> None:
    counts = rng.poisson(3.0, 1 << n_lists)
    problem = problem_of(counts, n_lists, 0.3, prior)
    scores = scores_of(problem)
    found = tail(scores, power)
    for graph, edges in enumerate(decomposable_graphs(n_lists).edges):
        near = adjacency(edges, n_lists)
        seen = zip(problem.histories, problem.counts, strict=True)
        surprises = sum(n * (parts(int(each), near) - 1) for each, n in seen)
        assert found.surprises[graph] == surprises
    far = np.asarray([2.0**38, 2.0**39])
    slopes = np.diff(scores.densities(np.arange(scores.priors.size), far), axis=1)[:, 0] / log(2)
    assert -slopes - 1 == pytest.approx(found.decay, abs=1e-5)
    assert found.surprises[-1] == 0
    assert found.decay[-1] == pytest.approx(0.3 * (2**n_lists - 1) - 1 + power)
