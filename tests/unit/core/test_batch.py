from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm

from mse.core.existence import LIMITS
from mse.core.fitting import (
    BOUNDARY,
    NOT_ESTIMABLE,
    OK,
    STATUSES,
    fit_model,
    fit_models,
)
from mse.core.hidden_variance import hidden_covariance
from mse.core.newton import make_design
from tests.existence_oracle import classify, design_matrix


def random_table(shape, n_lists, terms, mean, seed):
    """Poisson counts from a random model with these terms, and the cells of its parameters."""
    rng = np.random.default_rng(seed)
    matrix = design_matrix(shape, terms)
    b = rng.normal(scale=0.5, size=matrix.shape[1])
    b[0] = np.log(mean)
    counts = rng.poisson(np.exp(matrix @ b)).astype(float)
    counts[: counts.size >> n_lists] = 0
    return counts, matrix, matrix.argmax(axis=0)


def all_two_way(n_axes):
    return ((), *tuple(t for r in (1, 2) for t in combinations(range(n_axes), r)))


CASES = [
    ((2, 2, 2, 2), 4, 40.0),
    ((2, 2, 2, 3), 3, 60.0),
    ((2, 2, 2, 2, 3), 3, 60.0),
]


@pytest.mark.parametrize(("shape", "n_lists", "mean"), CASES)
def test_equals_a_generic_glm(shape, n_lists, mean) -> None:
    counts, matrix, cells = random_table(shape, n_lists, all_two_way(len(shape)), mean, 1)
    design = make_design(shape, n_lists, cells)
    fit = fit_model(counts, np.ones(cells.size, dtype=bool), design)
    assert STATUSES[fit.status] == "ok"
    seen = design.observable
    glm = sm.GLM(counts[seen], matrix[seen], family=sm.families.Poisson()).fit(tol=1e-14)
    # Both stop at rounding: statsmodels at a relative change of 1e-14 in the deviance.
    np.testing.assert_allclose(fit.means[seen], glm.fittedvalues, rtol=1e-8)
    np.testing.assert_allclose(fit.hidden, np.exp(matrix[~seen] @ glm.params), rtol=1e-8)
    assert fit.deviance == pytest.approx(glm.deviance, abs=1e-8)
    covariance = matrix[~seen] @ glm.cov_params() @ matrix[~seen].T
    np.testing.assert_allclose(hidden_covariance(fit, design).matrix(), covariance, rtol=1e-6)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize(
    ("shape", "n_lists"), [((2, 2, 2), 3), ((2, 2, 2, 2), 4), ((2, 2, 3), 2), ((2, 2, 2, 3), 3)]
)
def test_sparse_tables_agree_with_linear_programs(shape, n_lists, seed) -> None:
    terms = all_two_way(len(shape))
    if seed % 2 and n_lists > 2:
        terms += tuple(combinations(range(len(shape)), 3))[: seed % 3]
    counts, matrix, cells = random_table(shape, n_lists, terms, 1.2, seed)
    if counts.sum() == 0:
        counts[-1] = 1
    design = make_design(shape, n_lists, cells)
    fit = fit_model(counts, np.ones(cells.size, dtype=bool), design)
    face, limits = classify(matrix, counts, design.n_hidden)
    np.testing.assert_array_equal(fit.face[design.observable], face)
    assert [LIMITS[code] for code in fit.limits] == limits
    if any(limit != "finite" for limit in limits):
        assert fit.status == NOT_ESTIMABLE
    else:
        assert fit.status in (OK, BOUNDARY)
    assert np.isnan(fit.hidden).tolist() == [limit != "finite" for limit in limits]
    # The extended estimate reproduces the sufficient statistics and vanishes off its face.
    seen = design.observable
    np.testing.assert_allclose(matrix[seen].T @ fit.means[seen], matrix.T @ counts, atol=1e-6)
    assert (fit.means[seen][~face] == 0).all()


def test_many_fits_equal_single_ones() -> None:
    shape, cells = (2, 2, 2, 2), np.arange(15)
    rng = np.random.default_rng(5)
    tables = rng.poisson(3.0, size=(3, 16)).astype(float)
    tables[:, 0] = 0
    design = make_design(shape, 4, cells)
    subsets = [[0, 1, 2, 4, 8], [0, 1, 2, 4, 8, 3, 5], list(range(15))]
    members = np.zeros((3, 15), dtype=bool)
    for row, subset in zip(members, subsets, strict=True):
        row[subset] = True
    many = fit_models(tables, members, design)
    for t, counts in enumerate(tables):
        for m, member in enumerate(members):
            one = fit_model(counts, member, design)
            assert one.status == many.status[t, m]
            np.testing.assert_array_equal(one.hidden, many.hidden[t, m])
            assert one.deviance == many.deviance[t, m]


def test_no_persons_at_all_is_not_estimable() -> None:
    design = make_design((2, 2, 2), 3, np.array([0, 1, 2, 4]))
    fit = fit_model(np.zeros(8), np.ones(4, dtype=bool), design)
    assert STATUSES[fit.status] == "not_estimable"
    assert np.isnan(fit.hidden).all()
