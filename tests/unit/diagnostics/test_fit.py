"""Goodness of fit and residuals, against closed forms and another program."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import mse
from mse.diagnostics import goodness_of_fit, residuals
from tests.chance import FAR, RARE, error_of_share

KOSOVO = mse.load_dataset("kosovo")


def independent(n: int, shares: list[float], rng: np.random.Generator) -> mse.CaptureTable:
    member = rng.random((n, len(shares))) < shares
    counts = np.zeros((2,) * len(shares), dtype=np.int64)
    np.add.at(counts, tuple(member.T.astype(int)), 1)
    counts[(0,) * len(shares)] = 0
    return mse.CaptureTable.from_array(counts, lists=[f"L{i}" for i in range(len(shares))])


@pytest.mark.parametrize("model", ["main", "[12,34]", "[123,14,34]"])
def test_statistics_by_hand(model: str) -> None:
    fit = mse.LogLinear(model).fit(KOSOVO)
    found = goodness_of_fit(fit, replicates=0)
    n, mu = KOSOVO.counts.ravel()[1:], fit.fitted.ravel()[1:]
    assert found.deviance == pytest.approx(fit.deviance)
    assert found.deviance == pytest.approx(2 * (n * np.log(n / mu) - n + mu).sum())
    assert found.pearson == pytest.approx(((n - mu) ** 2 / mu).sum())
    assert found.df == fit.df_residual == 15 - fit.n_parameters
    assert found.p_deviance == pytest.approx(stats.chi2.sf(found.deviance, found.df))
    assert found.p_pearson == pytest.approx(stats.chi2.sf(found.pearson, found.df))
    assert math.isnan(found.p_bootstrap)
    assert found.p_value == found.p_deviance


def test_empty_cells_leave_the_test() -> None:
    fit = mse.LogLinear("all two-way").fit(mse.load_dataset("netherlands"))
    found = goodness_of_fit(fit, replicates=0)
    assert found.df == fit.df_adjusted < fit.df_residual
    assert math.isfinite(found.pearson)


def test_a_saturated_model_cannot_be_tested() -> None:
    fit = mse.LogLinear("all three-way").fit(KOSOVO)
    found = goodness_of_fit(fit, replicates=19, seed=1)
    assert found.df == 0
    assert all(math.isnan(p) for p in (found.p_deviance, found.p_bootstrap, found.p_value))
    assert found.replicates == 0
    assert "no data can contradict it" in found.summary()


def test_bootstrap_repeats_with_the_seed_and_agrees_with_chi_squared_where_cells_are_full() -> None:
    fit = mse.LogLinear("[123,14,34]").fit(KOSOVO)
    found = goodness_of_fit(fit, replicates=1999, seed=1)
    assert found.to_frame().equals(goodness_of_fit(fit, replicates=1999, seed=1).to_frame())
    assert not found.sparse
    # Both tests are exact in large samples; the bootstrap has its Monte Carlo error beside it.
    near = 0.005 + FAR * error_of_share(0.05, 1999)
    assert found.p_bootstrap == pytest.approx(found.p_deviance, abs=near)
    assert found.p_bootstrap_pearson == pytest.approx(found.p_pearson, abs=near)
    assert (found.replicates, found.n_failed) == (1999, 0)


def test_bootstrap_rejects_a_true_model_as_often_as_it_says(rng: np.random.Generator) -> None:
    bootstrap, chi_squared = [], []
    for _ in range(150):
        fit = mse.LogLinear("main").fit(independent(150, [0.2, 0.15, 0.2, 0.1, 0.15, 0.1], rng))
        found = goodness_of_fit(fit, replicates=79, seed=rng)
        bootstrap.append(found.p_bootstrap)
        chi_squared.append(found.p_deviance)
    rejected = sum(p <= 0.1 for p in bootstrap)
    assert stats.binomtest(rejected, 150, 0.1).pvalue > RARE
    # The negative control: chi-squared p-values of such sparse tables do not keep their level.
    rejected = sum(p <= 0.1 for p in chi_squared)
    assert stats.binomtest(rejected, 150, 0.1).pvalue < 0.01


def test_a_sparse_table_goes_by_the_bootstrap() -> None:
    fit = mse.LogLinear("main").fit(mse.load_dataset("new_orleans"))
    found = goodness_of_fit(fit, replicates=199, seed=1)
    assert found.sparse
    assert found.p_value == found.p_bootstrap != found.p_deviance
    assert goodness_of_fit(fit, replicates=0).p_value == found.p_deviance
    assert "go by the bootstrap" in found.summary()


def test_a_fit_without_an_estimate_can_be_tested() -> None:
    fit = mse.LogLinear("[12,13,23]").fit(mse.load_dataset("artificial_3"))
    assert fit.status == "not_estimable"
    found = goodness_of_fit(fit, replicates=19, seed=1)
    assert math.isfinite(found.deviance)


def test_of_a_search_the_best_model_is_tested() -> None:
    search = mse.LogLinearSearch().fit(KOSOVO)
    found = goodness_of_fit(search, replicates=0)
    assert found.model == search.model
    assert found.deviance == search.deviance


@pytest.mark.parametrize("model", ["main", "[123,14,34]"])
def test_residuals_square_to_the_statistics(model: str) -> None:
    fit = mse.LogLinear(model).fit(KOSOVO)
    frame, found = residuals(fit).to_frame(), goodness_of_fit(fit, replicates=0)
    assert (frame["pearson"] ** 2).sum() == pytest.approx(found.pearson)
    assert (frame["deviance"] ** 2).sum() == pytest.approx(found.deviance)
    apart = frame[frame["pearson"].abs() > 1e-6]  # fitted margins are exact up to rounding
    for kind in ("pearson", "deviance", "anscombe"):
        assert (np.sign(apart[kind]) == np.sign(apart["observed"] - apart["fitted"])).all()
    # All kinds are the same to first order.
    small = frame[frame["pearson"].abs() < 1]
    np.testing.assert_allclose(small["anscombe"], small["deviance"], atol=0.02)
    np.testing.assert_allclose(small["freeman_tukey"], small["deviance"], atol=0.06)


def test_residuals_are_of_every_history_once() -> None:
    fit = mse.LogLinear("main").fit(KOSOVO)
    frame = residuals(fit).to_frame()
    assert frame["history"].tolist() == [f"{i:04b}" for i in range(1, 16)]
    counts = [KOSOVO.counts[tuple(int(d) for d in history)] for history in frame["history"]]
    assert frame["observed"].tolist() == counts


def test_residuals_by_covariate() -> None:
    table = mse.load_dataset("spina_bifida")
    frame = residuals(mse.LogLinear("main").fit(table)).to_frame()
    assert len(frame) == 7 * 3
    assert frame["observed"].sum() == table.n_observed
    by = frame.groupby("ethnicity")["observed"].sum()
    assert by["caucasian"] == table.where(ethnicity="caucasian").n_observed


def test_a_mean_of_zero_has_no_residual() -> None:
    table = mse.CaptureTable.from_counts(
        {"100": 40, "010": 30, "001": 20, "110": 6, "011": 5}, lists=["A", "B", "C"]
    )
    frame = residuals(mse.LogLinear("[12,13,2]".replace(",2]", ",23]")).fit(table)).to_frame()
    zero = frame.set_index("history").loc["101"]
    assert (zero["observed"], zero["fitted"]) == (0, 0)
    assert math.isnan(zero["pearson"])


def test_other_fits_are_refused() -> None:
    table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    fit = mse.Chapman().fit(table)
    for ask in (goodness_of_fit, residuals):
        with pytest.raises(mse.ModelError, match="no fitted counts by history"):
            ask(fit)
    with pytest.raises(mse.ModelError, match="replicates=-1"):
        goodness_of_fit(mse.LogLinear("main").fit(table), replicates=-1)


def test_results_show_themselves() -> None:
    fit = mse.LogLinear("main").fit(KOSOVO)
    found = goodness_of_fit(fit, replicates=19, seed=1)
    assert "245.94" in found.summary()
    assert "< 0.001" in found.summary()
    assert repr(found) == "<GoodnessOfFit of [1,2,3,4]: deviance 245.94 on 10 df>"
    left = residuals(fit)
    assert "THE 12 LARGEST OF 15" in left.summary()
    assert left._repr_html_().startswith("<div>")
    with pytest.raises(AttributeError):
        found.deviance = 0.0


def test_the_p_value_is_the_same_when_it_is_asked_again() -> None:
    fit = mse.LogLinear("main").fit(mse.load_dataset("new_orleans_5"))
    found = goodness_of_fit(fit, replicates=99)
    assert found.seed == 1
    assert found.p_bootstrap == goodness_of_fit(fit, replicates=99).p_bootstrap
    assert set(found.to_frame()["seed"]) == {1}
    assert "99 replicates, seed 1" in found.summary()
    # A seed that nobody named is drawn and kept: the p-value can be had again.
    drawn = goodness_of_fit(fit, replicates=99, seed=None)
    assert isinstance(drawn.seed, int)
    assert goodness_of_fit(fit, replicates=99, seed=drawn.seed).p_bootstrap == drawn.p_bootstrap
    assert goodness_of_fit(fit, replicates=99, seed=np.random.default_rng(1)).seed is None
    assert goodness_of_fit(fit, replicates=0).seed is None


@pytest.mark.parametrize(("replicates", "floor"), [(99, "<= 0.010"), (19, "<= 0.050")])
def test_a_p_value_at_its_floor_says_so(replicates: int, floor: str) -> None:
    fit = mse.LogLinear("main").fit(mse.load_dataset("netherlands_5"))
    found = goodness_of_fit(fit, replicates=replicates)
    assert found.p_bootstrap == found.least_p == 1 / (1 + replicates)
    assert floor in found.summary()


def test_both_numbers_of_degrees_of_freedom_are_named() -> None:
    fit = mse.LogLinear("all two-way").fit(mse.load_dataset("netherlands"))
    found = goodness_of_fit(fit, replicates=0)
    assert (found.df, found.df_residual) == (fit.df_adjusted, fit.df_residual)
    assert f"they would be {fit.df_residual} (df_residual)" in " ".join(found.summary().split())
    plain = goodness_of_fit(mse.LogLinear("main").fit(KOSOVO), replicates=0)
    assert "df_residual" not in plain.summary()
