"""Fits in the log means of the heaviest cells, against decimal arithmetic of sixty digits."""

from __future__ import annotations

import numpy as np
import pytest

from mse.core.explicit_fit import (
    ExplicitFit,
    Rows,
    deviance_of,
    explicit_rows,
    fit_rows,
    half_covariance_of,
    heaviest_basis,
    rise_of_deviance,
    scaled_rows,
)
from mse.core.newton import make_design
from tests.precise_fit import log_mean, precise_fit
from tests.unit.core.test_batch import all_two_way, random_table

FOUR = np.array([u for u in range(16) if u.bit_count() <= 2])


def four_lists(largest: float, seed: int) -> tuple[np.ndarray, Rows]:
    """Return counts of four lists from 1 to `largest`, log-uniform, and the model of all pairs."""
    rng = np.random.default_rng(seed)
    counts = np.floor(np.exp(rng.random(15) * np.log(largest)))
    design = make_design((2, 2, 2, 2), 4, FOUR)
    return counts, explicit_rows(design, np.arange(11), np.arange(1, 16), np.arange(1))


def precise(counts: np.ndarray, rows: Rows, fit: ExplicitFit) -> tuple[list[float], float]:
    b = precise_fit(counts, rows.seen.astype(int), fit.coefficients)
    seen = [log_mean(row, b) for row in rows.seen.astype(int)]
    return seen, log_mean(rows.hidden[0].astype(int), b)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("largest", [1e3, 1e9, 1e15])
def test_agrees_with_sixty_digits(largest: float, seed: int) -> None:
    counts, rows = four_lists(largest, seed)
    fit = fit_rows(counts, rows)
    seen, hidden = precise(counts, rows, fit)
    # Log means near 30 have an absolute rounding error near 1e-14, the hidden one that of many sums.
    np.testing.assert_allclose(fit.log_means, seen, atol=1e-12)
    assert fit.log_hidden[0] == pytest.approx(hidden, abs=1e-11)


@pytest.mark.parametrize("seed", range(6))
def test_information_is_well_conditioned_whatever_the_means(seed: int) -> None:
    _, rows = four_lists(1e3, 0)
    log_means = np.random.default_rng(seed).uniform(-60, 60, 15)
    basis = heaviest_basis(rows, log_means)
    scaled = scaled_rows(basis, log_means)
    values = np.linalg.eigvalsh(scaled.T @ scaled)
    assert values[0] >= 1 - 1e-12
    assert values[-1] <= 1 + 4 * np.abs(basis.seen).max() ** 2 * 11
    np.testing.assert_allclose(basis.seen @ rows.seen[basis.cells], rows.seen, atol=1e-12)


def test_dependent_rows_are_an_error() -> None:
    rows = Rows(np.array([[1.0, 0], [1, 0], [2, 0]]), np.zeros((0, 2)), np.zeros(3))
    with pytest.raises(ArithmeticError, match="not independent"):
        fit_rows(np.array([1.0, 2, 3]), rows)


def test_offset_and_start_lead_to_the_same_maximum() -> None:
    counts, rows = four_lists(1e4, 3)
    offset = np.random.default_rng(1).normal(size=15)
    shifted = rows._replace(offset=offset)
    fit = fit_rows(counts, shifted)
    again = fit_rows(counts, shifted, fit.coefficients + 0.3)
    np.testing.assert_allclose(again.log_means, fit.log_means, atol=1e-11)
    np.testing.assert_allclose(rows.seen.T @ np.exp(fit.log_means), rows.seen.T @ counts, rtol=1e-9)


def test_covariance_is_the_inverse_information() -> None:
    counts, matrix, cells = random_table((2, 2, 2, 2), 4, all_two_way(4), 40.0, 1)
    rows = Rows(matrix[1:], matrix[:1], np.zeros(15))
    log_means = np.log(counts[1:] + 1)
    expected = matrix[0] @ np.linalg.solve(
        (matrix[1:].T * (counts[1:] + 1)) @ matrix[1:], matrix[0]
    )
    assert float(
        half_covariance_of(rows, log_means)[:, 0] @ half_covariance_of(rows, log_means)[:, 0]
    ) == pytest.approx(expected, rel=1e-9)
    assert len(cells) == 11


def test_deviances_are_never_negative_and_keep_their_digits() -> None:
    means = np.array([1e9, 3.0, 2.0])
    assert deviance_of(means, means) == 0.0
    near = means * (1 + np.array([1e-12, -1e-12, 0]))
    assert 0 < deviance_of(near, means) == pytest.approx(1e-15, rel=1e-3)
    assert deviance_of(np.array([0.0, 3.0, 2.0]), means) == pytest.approx(2e9)
    plain = 2 * (5 * np.log(5 / 3) - 5 + 3)
    assert deviance_of(np.array([5.0]), np.array([3.0])) == pytest.approx(plain, rel=1e-14)
    change = np.array([1e-9, -1e-9, 0.5])
    small = 1e9 * 0.5e-18 + 3 * 0.5e-18
    assert rise_of_deviance(means, change) == pytest.approx(small + 2 * (np.expm1(0.5) - 0.5))
    assert rise_of_deviance(means[:2], change[:2]) == pytest.approx(small, rel=1e-8)


def test_no_maximum_is_an_error() -> None:
    rows = Rows(np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1]]), np.zeros((0, 3)), np.zeros(3))
    with pytest.raises(ArithmeticError, match="did not reach"):
        fit_rows(np.array([3.0, 2.0, 0.0]), rows)
