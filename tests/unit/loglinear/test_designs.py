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


YEARS = (2010, 2011, 2012, 2014, 2015, 2016, 2017, 2019)


def year_table(years: tuple, seed: int = 3, lists: int = 3):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(40, size=(*(2,) * lists, len(years)))
    counts[(0,) * lists] = 0
    return mse.CaptureTable.from_array(counts, list("abcd")[:lists], {"year": list(years)})


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_coefficients_are_those_of_orthonormal_polynomials(degree: int) -> None:
    table = year_table(YEARS)
    fit = mse.LogLinear("a*b*year + c*year", trend={"year": degree}).fit(table)
    places = np.asarray(YEARS, dtype=float) - np.mean(YEARS)
    basis, rest = np.linalg.qr(np.vander(places, degree + 1, increasing=True))
    basis = (basis * np.sign(np.diag(rest)))[:, 1:]
    np.testing.assert_allclose(fit._layout.trends[3].values(), basis.T, atol=1e-12)
    cells = np.stack(np.unravel_index(np.arange(64), table.shape), axis=1)
    columns = {}
    for name in fit.coefficients.index:
        column = np.ones(64)
        for part in name.split(":"):
            if part.startswith("year^"):
                column = column * basis[cells[:, 3], int(part[5:]) - 1]
            elif part != "intercept":
                column = column * cells[:, "abc".index(part)]
        columns[name] = column[8:]
    matrix = np.column_stack(list(columns.values()))
    glm = sm.GLM(table.counts.ravel()[8:], matrix, family=sm.families.Poisson()).fit(tol=1e-14)
    np.testing.assert_allclose(fit.coefficients.to_numpy(), glm.params, atol=1e-8)
    np.testing.assert_allclose(fit.fitted.ravel()[8:], glm.fittedvalues, rtol=1e-8)


def test_years_in_the_thousands_and_high_degrees_lose_no_digits() -> None:
    years = tuple(range(2010, 2020))
    factor = mse.LogLinear("a*year + b*year + c*year").fit(year_table(years))
    trend = mse.LogLinear("a*year + b*year + c*year", trend={"year": 9}).fit(year_table(years))
    assert (factor.status, trend.status) == ("ok", "ok")
    np.testing.assert_allclose(trend.fitted, factor.fitted, rtol=1e-8)


@pytest.mark.parametrize("levels", [("2010", "2012", "2015"), (2010.0, 2012.0, 2015.0)])
def test_levels_that_read_as_numbers_lie_where_these_do(levels: tuple) -> None:
    model, trend = "a*year + b*year + c", {"year": 1}
    other = mse.LogLinear(model, trend=trend).fit(year_table(levels))
    same = mse.LogLinear(model, trend=trend).fit(year_table((2010, 2012, 2015)))
    np.testing.assert_allclose(other.coefficients, same.coefficients)
    even = mse.LogLinear(model, trend=trend).fit(year_table(("early", "later", "late")))
    assert abs(even.deviance - same.deviance) > 1e-6


def test_a_pair_without_overlap_under_a_trend() -> None:
    table = year_table((2014, 2015, 2017))
    counts = table.counts.copy()
    counts[1, 1] = 0
    fit = mse.LogLinear("a*b*year + c*year", trend={"year": 1}).fit(table.with_counts(counts))
    assert fit.status == "boundary"
    assert fit.coefficients["a:b"] == -np.inf
    assert np.isfinite(fit.coefficients[["intercept", "a", "b", "year^1", "c:year^1"]]).all()
    assert "a:b" in fit.reason


def test_two_trends_together() -> None:
    rng = np.random.default_rng(5)
    counts = rng.poisson(50, size=(2, 2, 4, 3))
    counts[0, 0] = 0
    table = mse.CaptureTable.from_array(
        counts, ["a", "b"], {"year": [2014, 2015, 2016, 2019], "age": [10, 20, 40]}
    )
    model = "a*year*age + b*year + b*age"
    both = mse.LogLinear(model, trend={"year": 3, "age": 2}).fit(table)
    factor = mse.LogLinear(model).fit(table)
    np.testing.assert_allclose(both.fitted, factor.fitted, rtol=1e-7)
    # Means over the levels: the constant is the average log mean of the hidden cells.
    average = np.log(both.fitted[0, 0]).mean()
    assert both.coefficients["intercept"] == pytest.approx(average, abs=1e-7)


@pytest.mark.parametrize(
    ("trend", "said"),
    [
        (2, "expected a mapping"),
        ({"year": "two"}, "from 1 to 2. Without a trend"),
        ({"year": True}, "whole number"),
        ({"sex": 2}, "with 2 levels"),
    ],
)
def test_trends_that_cannot_be(trend: object, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        mse.LogLinear("all two-way", trend=trend).fit(joint_table())  # type: ignore[arg-type]


def test_a_trend_of_one_level_or_of_levels_too_uneven() -> None:
    with pytest.raises(ModelError, match="one level only"):
        mse.LogLinear("all two-way", trend={"year": 1}).fit(year_table((2015,)))
    uneven = year_table((2010.123, 2011.7, 2013.99, 2019.0125))
    with pytest.raises(ModelError, match="choose a lower degree"):
        mse.LogLinear("all two-way", trend={"year": 3}).fit(uneven)
