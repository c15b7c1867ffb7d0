from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

import mse
from mse.errors import ModelError
from tests.existence_oracle import classify, design_matrix


def joint_table(seed: int = 0, mean: float = 30.0, years: tuple = (2014, 2015, 2017)):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(mean, size=(2, 2, 2, len(years), 2))
    counts[0, 0, 0] = 0
    return mse.CaptureTable.from_array(
        counts, lists=["a", "b", "c"], covariates={"year": list(years), "sex": ["f", "m"]}
    )


def trend_matrix(table, terms, degree):
    """Design by hand: orthonormal polynomials of the year in place of its indicator columns."""
    shape = table.shape
    years = np.asarray(table.covariates["year"], dtype=float)
    basis = np.linalg.qr(np.vander(years - years.mean(), degree + 1, increasing=True))[0][:, 1:]
    cells = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    columns = []
    for term in terms:
        parts = [np.ones((len(cells), 1))]
        for axis in term:
            if axis == 3:
                parts.append(basis[cells[:, 3]])
            else:
                levels = np.arange(1, shape[axis])
                parts.append((cells[:, axis][:, None] == levels).astype(float))
        block = parts[0]
        for part in parts[1:]:
            block = (block[:, :, None] * part[:, None, :]).reshape(len(cells), -1)
        columns.append(block)
    return np.hstack(columns)


@pytest.mark.parametrize("model", ["main", "all two-way", "a*year*sex + b*c + b*year"])
@pytest.mark.parametrize("degree", [1, 2])
def test_a_trend_is_a_glm_with_orthogonal_polynomials(model: str, degree: int) -> None:
    table = joint_table()
    fit = mse.LogLinear(model, trend={"year": degree}).fit(table)
    matrix = trend_matrix(table, fit.structure.terms, degree)
    assert fit.n_parameters == matrix.shape[1]
    seen = np.arange(len(matrix)) >= 6
    counts = table.counts.ravel().astype(float)
    glm = sm.GLM(counts[seen], matrix[seen], family=sm.families.Poisson()).fit(tol=1e-14)
    # Both stop at rounding.
    np.testing.assert_allclose(fit.fitted.ravel()[seen], glm.fittedvalues, rtol=1e-8)
    np.testing.assert_allclose(
        fit.fitted.ravel()[~seen], np.exp(matrix[~seen] @ glm.params), rtol=1e-7
    )
    assert fit.deviance == pytest.approx(glm.deviance, abs=1e-8)


def test_the_highest_degree_is_the_factor() -> None:
    table = joint_table(years=(2014, 2015, 2016, 2018))
    factor = mse.LogLinear("all two-way").fit(table)
    trend = mse.LogLinear("all two-way", trend={"year": 3}).fit(table)
    np.testing.assert_allclose(trend.fitted, factor.fitted, rtol=1e-8)
    assert trend.population.interval() == pytest.approx(factor.population.interval(), rel=1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_existence_with_trends_agrees_with_linear_programs(seed: int) -> None:
    table = joint_table(seed, mean=0.5)
    fit = mse.LogLinear("all two-way", trend={"year": 1}).fit(table)
    # Whole-number scores span the same space as any others, and keep the program exact.
    terms = fit.structure.terms
    factor = design_matrix(table.shape, terms)
    scores = np.asarray(table.covariates["year"]) - 2014
    columns, k = [], 0
    for term in terms:
        sizes = [table.shape[axis] - 1 for axis in term]
        block = factor[:, k : k + int(np.prod(sizes))].reshape(len(factor), *sizes)
        k += int(np.prod(sizes))
        if 3 in term:
            block = np.tensordot(np.moveaxis(block, 1 + term.index(3), -1), scores[1:], 1)
        columns.append(block.reshape(len(factor), -1))
    counts = table.counts.ravel().astype(float)
    face, limits = classify(np.hstack(columns), counts, 6)
    np.testing.assert_array_equal(fit._fit.face[6:], face)
    strata = fit.population.strata
    assert list(strata.limit) == limits


def test_names_and_messages() -> None:
    fit = mse.LogLinear("a*year + b*sex + c", trend={"year": 2}).fit(joint_table())
    names = list(fit.coefficients.index)
    assert names[0] == "intercept"
    assert {"year^1", "year^2", "a:year^1", "a:year^2", "b:sex=m"} <= set(names)
    assert hash(fit.estimator) == hash(mse.LogLinear("a*year + b*sex + c", trend={"year": 2}))
    with pytest.raises(ModelError, match="year, sex"):
        mse.LogLinear("main", trend={"yaer": 1}).fit(joint_table())
    with pytest.raises(ModelError, match="from 1 to 2"):
        mse.LogLinear("main", trend={"year": 3}).fit(joint_table())
