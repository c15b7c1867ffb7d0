"""Fits with an offset, against closed forms, another program and brute force."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize
from scipy.special import gammaln

from mse.core.fitting import fit_model
from mse.core.newton import make_design
from mse.core.profile import (
    ProfileCurve,
    fit_with_offset,
    hidden_variance_given_offset,
    offset_profile_interval,
)
from tests.unit.core.test_batch import all_two_way, random_table

TWO = np.array([0.0, 73.0, 86.0, 49.0])
SHAPE_LISTS = [((2, 2, 2), 3), ((2, 2, 2, 2), 4), ((2, 2, 2, 3), 3)]


def two_lists(counts: np.ndarray):
    design = make_design((2, 2), 2, np.array([0, 1, 2]))
    return design, fit_model(counts, np.ones(3, dtype=bool), design)


def problem(shape: tuple[int, ...], n_lists: int, seed: int = 1):
    terms = all_two_way(len(shape))
    counts, matrix, cells = random_table(shape, n_lists, terms, 40.0, seed)
    design = make_design(shape, n_lists, cells)
    return counts, matrix, design, fit_model(counts, np.ones(cells.size, dtype=bool), design)


@pytest.mark.parametrize("ratio", [0.01, 0.5, 1.0, 2.0, 300.0])
def test_two_lists_are_the_closed_form(ratio: float) -> None:
    design, fit = two_lists(TWO)
    offset = np.array([0, 0, 0, np.log(ratio)])
    found = fit_with_offset(TWO, offset, fit, design)
    hidden = ratio * TWO[1] * TWO[2] / TWO[3]
    assert found.means[0] == pytest.approx(hidden, rel=1e-9)
    variance = hidden**2 * (1 / TWO[1:]).sum() + hidden
    assert hidden_variance_given_offset(found, fit, design) == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize(("shape", "n_lists"), SHAPE_LISTS)
def test_no_offset_is_the_ordinary_fit(shape: tuple[int, ...], n_lists: int) -> None:
    counts, _, design, fit = problem(shape, n_lists)
    found = fit_with_offset(counts, np.zeros(counts.size), fit, design)
    np.testing.assert_allclose(found.means, fit.means, rtol=1e-9)


# Three lists with all pairs leave no degrees of freedom, on which the other program stumbles.
@pytest.mark.parametrize(("shape", "n_lists"), SHAPE_LISTS[1:])
def test_offset_agrees_with_a_general_program(shape: tuple[int, ...], n_lists: int) -> None:
    counts, matrix, design, fit = problem(shape, n_lists)
    offset = np.random.default_rng(3).normal(0, 1, counts.size)
    found = fit_with_offset(counts, offset, fit, design)
    seen = design.observable
    glm = sm.GLM(counts[seen], matrix[seen], family=sm.families.Poisson(), offset=offset[seen]).fit(
        tol=1e-12, maxiter=200
    )
    means = np.exp(matrix @ glm.params + offset)
    np.testing.assert_allclose(found.means, means, rtol=1e-6)
    gradient = matrix[: design.n_hidden].T @ means[: design.n_hidden]
    variance = gradient @ glm.cov_params() @ gradient + means[: design.n_hidden].sum()
    assert hidden_variance_given_offset(found, fit, design) == pytest.approx(variance, rel=1e-5)


def test_profile_without_offset_is_the_ordinary_profile() -> None:
    counts, _, design, fit = problem((2, 2, 2, 2), 4)
    found = offset_profile_interval(counts, np.zeros(counts.size), fit, design, 1.92)
    assert found == pytest.approx(ProfileCurve(counts, fit, design, 0.3).ends(1.92), rel=1e-6)


def test_profile_with_offset_against_brute_force() -> None:
    design, fit = two_lists(TWO)
    offset = np.array([-0.4, 0.0, 0.0, 0.7])
    matrix = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    n = TWO.sum()

    def log_likelihood(total: float) -> float:
        def negative(b: np.ndarray) -> float:
            eta = matrix @ b + offset
            log_p = eta - np.log(np.exp(eta).sum())
            return -(TWO @ log_p + (total - n) * log_p[0])

        best = minimize(negative, np.zeros(2), method="BFGS", options={"gtol": 1e-8})
        return float(gammaln(total + 1) - gammaln(total - n + 1) - best.fun)

    low, high = offset_profile_interval(TWO, offset, fit, design, 1.92)
    totals = np.linspace(low, high, 400)
    peak = max(log_likelihood(total) for total in totals)
    assert log_likelihood(low) == pytest.approx(peak - 1.92, abs=1e-3)
    assert log_likelihood(high) == pytest.approx(peak - 1.92, abs=1e-3)


def test_boundary_fit_keeps_its_zeros() -> None:
    counts = np.array([0.0, 30, 25, 8, 40, 0, 9, 0])  # nobody is on the first and third list
    cells = np.array([0, 1, 2, 4, 5])
    design = make_design((2, 2, 2), 3, cells)
    fit = fit_model(counts, np.ones(5, dtype=bool), design)
    offset = np.log(2.0) * np.array([0, 0, 0, 1, 0, 0, 0, 1.0])
    found = fit_with_offset(counts, offset, fit, design)
    assert found.means[5] == 0
    assert found.means[7] == 0
    on = fit.face
    assert found.means[on].sum() == pytest.approx(counts.sum(), rel=1e-9)
