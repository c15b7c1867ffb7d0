"""Sums over integers by panels: against sums, and against scipy's distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import nbinom

from mse.core.decomposable.scores import (
    ORDER,
    SHORT,
    _partial_sum,
    distribution,
    integer_grid,
    panel_grid,
    panel_sums,
    quantile,
    quantiles,
    to_coefficients,
)


def log_density(hidden: np.ndarray, size: float, p: float) -> np.ndarray:
    """Negative binomial, also between the integers."""
    choose = gammaln(hidden + size) - gammaln(hidden + 1) - gammaln(size)
    return choose + size * np.log(p) + hidden * np.log1p(-p)


@pytest.mark.parametrize("count", [1, SHORT, SHORT + 1, 1000, 5001])
def test_polynomials_are_summed_exactly(count) -> None:
    grid = panel_grid(7, 6 + count, lambda _: count)
    assert grid.nodes.size == (count if count <= SHORT else ORDER)
    integers = np.arange(7, 7 + count, dtype=np.float64)
    for power in (0, 1, 6, ORDER - 1):
        expected = ((integers / (7 + count)) ** power).sum()
        found = panel_sums(grid, (grid.nodes / (7 + count)) ** power)
        assert found == pytest.approx([expected], rel=1e-11)


def test_panels_follow_each_other_to_the_end() -> None:
    grid = panel_grid(0, 10_000, lambda start: 1 + start // 3)
    assert grid.first[0] == 0
    assert grid.last[-1] == 10_000
    assert (grid.first[1:] == grid.last[:-1] + 1).all()
    assert grid.weights.sum() == pytest.approx(10_001)
    assert np.diff(grid.start).max() <= SHORT
    every = integer_grid(3, 5_000)
    assert (every.nodes == np.arange(3, 5_001)).all()
    assert (every.first[1:] == every.last[:-1] + 1).all()


@pytest.mark.parametrize(("size", "p"), [(12.0, 0.002), (0.7, 0.01), (400.0, 1e-4)])
def test_distribution_function_and_quantiles(size, p) -> None:
    exact = nbinom(size, p)
    last = int(exact.ppf(1 - 1e-12)) * 2
    grid = panel_grid(0, last, lambda start: (1 + start) * 0.15)
    density = log_density(grid.nodes, size, p) + 500.0
    found = distribution(grid, density)
    assert found.first[0] == 0
    assert found.last[-1] == last
    assert (found.first[1:] == found.last[:-1] + 1).all()
    assert np.cumsum(found.mass) == pytest.approx(exact.cdf(found.last), abs=1e-8)
    for probability in (0.001, 0.025, 0.3, 0.5, 0.975, 0.999):
        assert abs(quantile(grid, density, probability) - exact.ppf(probability)) <= 1


def test_quantiles_of_every_integer_are_exact() -> None:
    exact = nbinom(5.0, 0.05)
    grid = integer_grid(0, 3000)
    density = log_density(grid.nodes, 5.0, 0.05)
    for probability in np.linspace(0.01, 0.99, 50):
        assert quantile(grid, density, probability) == exact.ppf(probability)
    assert quantile(grid, density, 1.0) <= 3000


def test_quantiles_of_several_densities_at_once() -> None:
    grid = panel_grid(0, 500_000, lambda start: (1 + start) * 0.15)
    sizes = (2.0, 30.0, 300.0)
    densities = np.stack([log_density(grid.nodes, size, 0.005) for size in sizes])
    asked = np.asarray([0.0, 0.025, 0.5, 0.975, 1.0])
    found = quantiles(grid, to_coefficients(), densities, asked)
    for row, density, size in zip(found, densities, sizes, strict=True):
        assert [quantile(grid, density, p) for p in asked] == row.tolist()
        assert row[1:4] == pytest.approx(nbinom(size, 0.005).ppf(asked[1:4]), abs=1)
        assert row[0] == 0


@pytest.mark.parametrize("count", [65, 3000])
def test_sums_of_a_series_over_the_first_integers(count) -> None:
    series = np.asarray([1.0, 0.4, -0.3, 0.2, -0.1])
    at = (2 * np.arange(count) - (count - 1)) / count
    sums = np.cumsum(np.polynomial.legendre.legval(at, series))
    found = [_partial_sum(series, count, n) for n in range(1, count + 1)]
    assert found == pytest.approx(sums, abs=1e-5 * 65 / count)
