"""Models close to the best one."""

from __future__ import annotations

import pytest

import mse
from mse.sensitivity import model_range


@pytest.fixture(scope="module")
def fit():
    return mse.LogLinearSearch().fit(mse.load_dataset("uk_5"))


def test_it_is_the_range_of_the_search(fit) -> None:
    assert model_range(fit).range == fit.model_range == fit.population.model_range


def test_within_is_a_distance_from_the_best(fit) -> None:
    near = model_range(fit, within=1)
    frame = near.to_frame()
    assert (near.n_models, near.n_not_estimable) == (3, 0)
    assert (near.low, near.high) == (frame["total"].min(), frame["total"].max())
    assert frame["difference"].between(0, 1).all()
    assert frame["model"].tolist() == ["[123,25,34]", "[123,34,5]", "[12,13,23,25,34]"]
    assert model_range(fit, within=0).n_models == 1
    assert model_range(fit, within=1e9).n_models == fit.models["total"].notna().sum()


def test_models_that_determine_nothing_are_counted() -> None:
    fit = mse.LogLinearSearch().fit(mse.load_dataset("artificial_3"))
    near = model_range(fit)
    assert near.n_not_estimable > 0
    assert near.range == fit.model_range
    assert near.to_frame()["total"].isna().sum() == near.n_not_estimable


def test_other_criteria() -> None:
    table = mse.load_dataset("kosovo")
    near = model_range(mse.LogLinearSearch(criterion="aic").fit(table), within=4)
    assert near.criterion == "AIC"
    assert near.to_frame()["difference"].is_monotonic_increasing
    path = mse.LogLinearSearch(criterion="pvalue", strategy="stepwise").fit(table)
    assert model_range(path).criterion == "BIC"
    assert model_range(path).to_frame()["difference"].min() == 0


def test_the_frame_is_a_copy(fit) -> None:
    near = model_range(fit, within=1)
    frame = near.to_frame()
    frame["total"] = 0.0
    assert near.to_frame()["total"].min() > 0


def test_one_model_has_no_range() -> None:
    table = mse.load_dataset("kosovo")
    with pytest.raises(mse.ModelError, match="one model only"):
        model_range(mse.LogLinear("main").fit(table))
    with pytest.raises(mse.ModelError, match="at least 0"):
        model_range(mse.LogLinearSearch().fit(table), within=-1)


def test_result_shows_itself(fit) -> None:
    near = model_range(fit)
    assert "between 10,546 and 34,083" in near.summary()
    assert near._repr_html_().startswith("<div>")
    assert repr(near) == "<NearModels: 41 within 10 of the best BIC>"
