"""Draws from the posterior of Poisson log-linear models, against a design matrix and known targets."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.optimize import check_grad

from benchmarks.ranks import uniformity
from benchmarks.sbc_thresholded import DRAWS, ranks_of_worlds
from mse.core.newton import make_design
from mse.core.thresholded import Target, cell_means, draw, find_mode, log_posterior
from mse.models.terms import parse_model
from tests.chance import FAR, RARE

#: A sound sampler fails a test of uniformity this rarely, and seeds are fixed.
FOUND_OUT = 1e-4


def matrix(n_lists):
    cells = np.array(list(product((0, 1), repeat=n_lists)))
    pairs = [cells[:, i] * cells[:, j] for i, j in combinations(range(n_lists), 2)]
    return np.column_stack([np.ones(len(cells)), cells, *pairs]).astype(float)


def target(counts, sd=(10.0, 10.0, 1.0)):
    n_lists = int(np.log2(len(counts)))
    model = parse_model("all two-way", "ABCDEFGH"[:n_lists])
    design = make_design((2,) * n_lists, n_lists, model.parameters((2,) * n_lists))
    spread = np.asarray(sd)[[min(len(term), 2) for term in model.terms]]
    everything = np.arange(design.cells.size)
    face = design.observable
    return Target(np.asarray(counts, float), face, design, everything, np.diag(spread**-2))


KOREA = target([0, 27, 14, 2, 37, 1, 21, 3])


def value_of(b, given=KOREA):
    return log_posterior(np.asarray(b, float), given, np.zeros(given.counts.size), np.zeros(b.size))


def test_density_is_that_of_the_design_matrix(rng) -> None:
    X = matrix(3)[1:]
    b = rng.normal(size=7)
    means, gradient = np.zeros(8), np.zeros(7)
    found = log_posterior(b, KOREA, means, gradient)
    expected = KOREA.counts[1:] @ X @ b - np.exp(X @ b).sum() - b @ KOREA.precision @ b / 2
    assert found == pytest.approx(expected)
    np.testing.assert_allclose(means, np.exp(matrix(3) @ b))
    np.testing.assert_allclose(cell_means(b[None], KOREA)[0, 1:], np.exp(X @ b))


def test_gradient_is_that_of_the_density(rng) -> None:
    def slope(b):
        gradient = np.zeros(7)
        log_posterior(b, KOREA, np.zeros(8), gradient)
        return gradient

    # Differences of the density are exact to the square root of a double's precision.
    assert check_grad(value_of, slope, rng.normal(size=7)) < 1e-4


@pytest.mark.parametrize("counts", [KOREA.counts, [0, 1, 0, 0, 0, 0, 0, 0], [0] * 8])
def test_mode_is_a_peak(counts, rng) -> None:
    given = target(counts)
    mode = find_mode(given)
    assert mode.converged
    top = value_of(mode.coefficients, given)
    for _ in range(20):
        assert value_of(mode.coefficients + 0.01 * rng.normal(size=7), given) < top


def test_draws_have_the_moments_of_the_posterior() -> None:
    """One list more than none: two coefficients, integrated on a grid."""
    design = make_design((2, 2), 2, np.array([0, 2, 1]))
    precision = np.diag([0.25, 1.0, 1e8])  # the third coefficient is next to 0
    counts = np.array([0.0, 4.0, 1.0, 2.0])
    given = Target(counts, design.observable, design, np.arange(3), precision)
    a, b = np.linspace(-6, 6, 401), np.linspace(-6, 6, 401)
    cells = {1: a[:, None] + 0 * b, 2: a[:, None] + b, 3: a[:, None] + b}
    log = -(a[:, None] ** 2) / 8 - b**2 / 2
    for cell, eta in cells.items():
        log = log + counts[cell] * eta - np.exp(eta)
    weight = np.exp(log - log.max())
    weight /= trapezoid(trapezoid(weight, b), a)
    mean = trapezoid(trapezoid(weight * a[:, None], b), a)
    square = trapezoid(trapezoid(weight * a[:, None] ** 2, b), a)
    coefficients, hidden, stats = draw(
        np.random.default_rng(3), given, find_mode(given), n_draws=20_000, n_warmup=300
    )
    # 20,000 draws that are as good as independent.
    error = FAR * np.sqrt((square - mean**2) / 20_000)
    assert coefficients[:, 0].mean() == pytest.approx(mean, abs=error)
    assert coefficients[:, 0].std() == pytest.approx(np.sqrt(square - mean**2), abs=error)
    np.testing.assert_allclose(hidden[:, 0], np.exp(coefficients[:, 0]))
    assert 0.7 < stats[:, 0].mean() < 0.98


def test_same_generator_same_draws() -> None:
    mode = find_mode(KOREA)
    runs = [draw(np.random.default_rng(1), KOREA, mode, 50, 50)[0] for _ in range(2)]
    assert (runs[0] == runs[1]).all()


@pytest.mark.mcmc
def test_ranks_of_true_values_are_uniform() -> None:
    ranks = ranks_of_worlds(3, 1000, seed=8)
    for column in (0, 1, 4, -1):
        assert uniformity(ranks[:, column], DRAWS)["p_value"] > RARE


@pytest.mark.mcmc
def test_negative_control_wrong_prior_is_found_out() -> None:
    ranks = ranks_of_worlds(3, 300, seed=8, shrink=0.5)
    assert uniformity(ranks[:, 0], DRAWS)["p_value"] < FOUND_OUT
