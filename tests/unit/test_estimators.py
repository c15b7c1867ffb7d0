"""The default estimator, and estimators side by side."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from mse.answer.intervals import LognormalInterval
from mse.answer.population import PopulationEstimate
from mse.answer.protocols import Estimator, Fit
from mse.classical.sample_coverage import SampleCoverage
from mse.classical.two_lists import Chapman, LincolnPetersen
from mse.comparing import Comparison, compare, default_estimator
from mse.data.datasets import load_dataset
from mse.data.table import CaptureTable
from mse.errors import ModelError
from mse.estimating import estimate
from mse.loglinear import LogLinear, LogLinearSearch
from tests.json_schemas import validator

if TYPE_CHECKING:
    from mse._typing import Limit, Status


@dataclass(frozen=True)
class FixedFit:
    estimator: Any
    table: CaptureTable
    population: PopulationEstimate

    @property
    def status(self) -> Status:
        return self.population.status

    @property
    def limit(self) -> Limit:
        return self.population.limit

    @property
    def reason(self) -> str:
        return self.population.reason


@dataclass(frozen=True)
class Fixed:
    """An estimator that hides the same number of persons behind every table."""

    hidden: float

    def fit(self, table: CaptureTable) -> FixedFit:
        known = math.isfinite(self.hidden)
        population = PopulationEstimate(
            observed=table.n_observed,
            hidden=self.hidden,
            status="ok" if known else "not_estimable",
            limit="finite" if known else "infinite",
            reason="" if known else "it hides everybody",
            method="fixed",
            uncertainty=LognormalInterval(self.hidden, 5.0, table.n_observed) if known else None,
            lists=table.lists,
            info=table.info,
        )
        return FixedFit(self, table, population)


TWO = CaptureTable.from_counts({"10": 86, "01": 73, "11": 49}, lists=["P", "Q"])
THREE = CaptureTable.from_counts(
    {"100": 69, "010": 55, "001": 63, "110": 21, "101": 17, "011": 18, "111": 28},
    lists=["P", "Q", "E"],
)


def with_covariate() -> CaptureTable:
    counts = np.arange(1, 17).reshape(2, 2, 2, 2)
    counts[0, 0, 0] = 0
    return CaptureTable.from_array(counts, lists=["a", "b", "c"], covariates={"sex": ("f", "m")})


def many_lists(number: int) -> CaptureTable:
    rng = np.random.default_rng(1)
    counts = rng.poisson(4.0, size=(2,) * number)
    counts[(0,) * number] = 0
    return CaptureTable.from_array(counts, lists=[f"list{at}" for at in range(number)])


# The default -------------------------------------------------------------------------------------


def test_small_tables_are_searched_exhaustively_by_bic() -> None:
    search = default_estimator(THREE)
    assert search == LogLinearSearch(criterion="bic", strategy="exhaustive", max_order=None)
    assert default_estimator(many_lists(6)) == search


def test_large_tables_are_searched_step_by_step() -> None:
    assert default_estimator(many_lists(7)) == LogLinearSearch(criterion="bic", strategy="stepwise")


def test_p_values_are_searched_step_by_step() -> None:
    expected = LogLinearSearch(criterion="pvalue", strategy="stepwise")
    assert default_estimator(THREE, criterion="pvalue") == expected


def test_a_named_model_takes_the_place_of_the_search() -> None:
    assert default_estimator(THREE, model="main") == LogLinear("main")
    assert default_estimator(with_covariate(), model="all two-way") == LogLinear("all two-way")


@pytest.mark.parametrize(
    "settings", [{"criterion": "aic"}, {"strategy": "stepwise"}, {"max_order": 2}], ids=str
)
def test_a_model_and_a_search_contradict_each_other(settings: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="leave out one"):
        default_estimator(THREE, model="main", **settings)


def test_covariates_are_searched_step_by_step() -> None:
    table = load_dataset("spina_bifida")
    p = estimate(table, interval="profile")
    fit = LogLinearSearch(criterion="bic", strategy="stepwise").fit(table)
    assert p.total == fit.population.total
    assert p.by["total"].sum() == pytest.approx(p.total)
    with pytest.raises(ModelError, match=r"ethnicity.*stepwise.*table\.by.*table\.collapse"):
        LogLinearSearch().fit(table)


def test_margins_have_no_default() -> None:
    margins = CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
    with pytest.raises(ModelError, match=r'LogLinear\("main"\)'):
        estimate(margins)


def test_estimate_of_hepatitis_a() -> None:
    p = estimate(THREE)
    fit = LogLinearSearch(criterion="bic").fit(THREE)
    assert p.total == fit.population.total
    assert p.interval_kind == "credible"
    assert p.interval_given == "a prior on how people differ and lists depend"
    assert p.alike.interval_kind == "percentile"
    assert p.alike.interval_given == "the model re-selected in every replicate"
    for given in ("heterogeneity", "alike"):
        low, high = p.interval(given=given)
        assert low < p.total < high
    conditional = estimate(THREE, interval="profile", heterogeneity=False)
    assert conditional.interval() == fit.population.interval()
    assert conditional.interval_given == "given the model"
    assert p.model_range is not None
    assert (p.model_range.criterion, p.model_range.within) == ("BIC", 10.0)
    near = fit.models[fit.models["bic"] <= fit.models["bic"].min() + 10]["total"]
    assert p.model_range.low == pytest.approx(near.min())
    assert p.model_range.high == pytest.approx(near.max())


def test_json_of_a_real_estimate_reads_back_the_same() -> None:
    p = estimate(load_dataset("kosovo"))
    data = json.loads(p.to_json())
    validator("population").validate(data)
    again = PopulationEstimate.from_dict(data)
    assert again.summary() == p.summary()
    assert again.interval(0.99) == p.interval(0.99)
    assert again.to_json() == p.to_json()


def test_json_of_real_strata_reads_back_the_same() -> None:
    p = estimate(load_dataset("scotland_pwid"), model="all two-way")
    again = PopulationEstimate.from_json(p.to_json())
    assert p.by is not None
    pd.testing.assert_frame_equal(again.by, p.by)
    # Sums of strata need draws where the interval is read off these.
    assert again.margin("sex", "age")["low"].isna().all()
    written = PopulationEstimate.from_json(p.to_json(draws=True))
    pd.testing.assert_frame_equal(written.margin("sex", "age"), p.margin("sex", "age"))
    pd.testing.assert_frame_equal(
        again.margin("sex", "age", given="alike"), p.margin("sex", "age", given="alike")
    )
    assert p.by["total"].sum() == pytest.approx(p.total, rel=1e-9)


def test_estimate_of_one_model() -> None:
    p = estimate(THREE, model="main")
    assert p.total == pytest.approx(388.5, abs=0.5)  # Chao et al. (2001), independence
    assert p.model_range is None


def test_two_lists_are_never_answered_by_a_classical_formula_silently() -> None:
    p = estimate(TWO)
    assert "log-linear" in p.method
    assert p.total == pytest.approx(LincolnPetersen().fit(TWO).population.total, rel=1e-9)


def test_lincoln_petersen_is_the_independent_log_linear_model() -> None:
    # Another formula, another program: the same maximum, the same log-normal interval.
    ours = LincolnPetersen().fit(TWO)
    theirs = LogLinear("main", interval="lognormal").fit(TWO)
    assert ours.population.total == pytest.approx(theirs.population.total, rel=1e-9)
    np.testing.assert_allclose(ours.population.interval(), theirs.population.interval(), rtol=1e-9)


@pytest.mark.parametrize("counts", [(5, 6, 0), (0, 6, 3), (5, 0, 3), (0, 0, 3), (0, 6, 0)], ids=str)
def test_lincoln_petersen_and_the_log_linear_model_agree_on_what_is_estimable(
    counts: tuple[int, int, int],
) -> None:
    first, second, both = counts
    table = TWO.with_counts(np.array([[0, second], [first, both]]))
    ours, theirs = LincolnPetersen().fit(table), LogLinear("main").fit(table)
    assert (ours.status, ours.limit) == (theirs.status, theirs.limit)


# Side by side ------------------------------------------------------------------------------------


def test_compare_keeps_order_and_fits() -> None:
    estimators = [Fixed(10.0), Chapman(), Fixed(math.nan), Fixed(10.0)]
    c = compare(TWO, estimators)
    assert [fit.estimator for fit in c.fits] == estimators
    assert c.table is TWO
    assert all(isinstance(fit, Fit) for fit in c.fits)


def test_comparison_as_a_frame() -> None:
    frame = compare(TWO, [Fixed(10.0), Fixed(math.nan)]).to_frame(0.8)
    assert frame.index.tolist() == ["Fixed(10.0)", "Fixed(nan)"]
    assert frame.columns.tolist() == [
        "method", "model", "observed", "hidden", "total", "low", "high", "interval_kind", "given",
        "status", "limit", "reason", "lower_bound", "n_parameters", "deviance", "aic", "bic",
    ]  # fmt: skip
    assert frame["total"].tolist()[0] == 218.0
    assert (frame["low"].iloc[0], frame["high"].iloc[0]) == LognormalInterval(
        10.0, 5.0, 208
    ).interval(0.8)
    assert frame[["hidden", "total", "low", "high"]].iloc[1].isna().all()
    assert frame["reason"].iloc[1] == "it hides everybody"


def test_comparison_in_words() -> None:
    text = " ".join(compare(TWO, [Fixed(10.0), Fixed(218.0), Fixed(math.nan)]).summary().split())
    assert "208 on at least one list" in text
    assert "The 2 estimates of the total lie between 218 and 426, a factor of 2 apart." in text
    assert "fixed: not estimable. it hides everybody." in text
    assert "conditional on the model" in text
    assert text.index("95% interval") < text.index("point")


def test_comparison_of_nothing_estimable_in_words() -> None:
    text = compare(TWO, [Fixed(math.nan)]).summary()
    assert "no interval" in text
    assert "factor" not in text


def test_comparison_as_json_and_html() -> None:
    c = compare(TWO, [Fixed(10.0), Fixed(math.nan), LincolnPetersen()])
    text = json.dumps(c.to_dict(), allow_nan=False)
    validator("comparison").validate(json.loads(text))
    assert "<table" in c._repr_html_() or "<pre" in c._repr_html_()
    assert repr(c).startswith("<Comparison of 3 estimators: Fixed")
    assert str(c) == c.summary()
    assert isinstance(c, Comparison)


@pytest.mark.parametrize(
    ("estimators", "message"),
    [
        ([], "nothing to compare"),
        ([Chapman], "parentheses"),
        (["main"], "not an estimator"),
        (Chapman(), "list"),
    ],
)
def test_what_cannot_be_compared(estimators: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        compare(TWO, estimators)


def test_an_estimator_for_other_tables_is_named() -> None:
    with pytest.raises(ModelError, match=r"^Chapman\(\) cannot be asked of this table"):
        compare(THREE, [LogLinear("main"), Chapman()])


@pytest.mark.parametrize("estimator", [LogLinear("main"), LogLinearSearch(), Chapman()], ids=repr)
def test_estimators_follow_the_protocol(estimator: Estimator) -> None:
    assert isinstance(estimator, Estimator)
    assert hash(estimator) == hash(estimator)


def test_comparison_shows_criteria_where_there_are_any() -> None:
    table = load_dataset("korea")
    frame = compare(table, [LogLinear("main"), SampleCoverage()]).to_frame()
    fit = LogLinear("main").fit(table)
    assert frame["bic"].iloc[0] == fit.bic
    assert frame["n_parameters"].iloc[0] == 4
    assert frame[["aic", "bic", "deviance"]].iloc[1].isna().all()
