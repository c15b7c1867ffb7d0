"""The estimator that allows for people who differ."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.errors import ModelError


def total_range(estimator: mse.HeterogeneousLogLinear, name: str) -> tuple[float, float]:
    return estimator.fit(mse.load_dataset(name)).population.interval(0.95)


def test_interval_holds_the_ground_truth_of_kosovo() -> None:
    # 13,149 deaths in the memory book of the Humanitarian Law Center: its count for the same months is a
    # little over 10,000, and Ball et al. (2002) estimated 10,356.
    low, high = total_range(mse.HeterogeneousLogLinear(), "kosovo")
    assert low < 10_356 < high
    assert high / low < 3


def test_more_heterogeneity_is_more_hidden() -> None:
    less, more = (
        mse.HeterogeneousLogLinear(mean=mean, sd=0.05).fit(mse.load_dataset("uk")).population.total
        for mean in (0.0, 1.0)
    )
    assert more > 1.5 * less


def test_people_alike_and_lists_independent_give_the_independence_model() -> None:
    alike = mse.HeterogeneousLogLinear(
        mean=0.0, sd=1e-4, triples=1e-4, dependence=(1e-4, 1e-4), draws=20_000
    ).fit(mse.load_dataset("uk"))
    main = mse.LogLinear("main").fit(mse.load_dataset("uk"))
    assert alike.population.total == pytest.approx(main.population.total, rel=0.01)
    spread = np.std(np.log(alike.chains.flat("hidden")))
    assert spread == pytest.approx(main.standard_error / main.population.hidden, rel=0.05)


def test_order_of_lists_and_levels_makes_no_difference() -> None:
    table = mse.load_dataset("spina_bifida")
    turned = table.keep_lists([*reversed(table.lists)])
    asked = mse.HeterogeneousLogLinear(draws=20_000)
    one, two = asked.fit(table).population, asked.fit(turned).population
    assert two.total == pytest.approx(one.total, rel=0.03)


def test_strata_add_up() -> None:
    found = mse.HeterogeneousLogLinear().fit(mse.load_dataset("scotland_pwid")).population
    assert found.by["total"].sum() == pytest.approx(found.total)
    assert found.by["observed"].sum() == found.observed
    assert (found.by["low"] <= found.by["total"]).all()
    assert (found.by["total"] <= found.by["high"]).all()
    assert found.stratum_draws is not None
    assert found.stratum_draws.sum(axis=1).to_numpy() == pytest.approx(found.draws)


def test_tables_known_in_part() -> None:
    table = mse.load_dataset("scotland_pwid")
    with pytest.warns(mse.MSEWarning, match="set aside"):
        silent = table.not_operating("S4", region=table.covariates["region"][0])
    found = mse.HeterogeneousLogLinear().fit(silent).population
    whole = mse.HeterogeneousLogLinear().fit(table).population
    assert found.status == "ok"
    ratio = [np.divide(*reversed(each.interval(0.95))) for each in (found, whole)]
    assert ratio[0] > 0.9 * ratio[1]
    assert found.by["observed"].sum() == found.observed


def test_no_overlap_is_not_estimable() -> None:
    table = mse.CaptureTable.from_counts({"100": 20, "010": 30, "001": 10}, ["a", "b", "c"])
    found = mse.HeterogeneousLogLinear().fit(table).population
    assert (found.status, found.limit) == ("not_estimable", "infinite")
    assert np.isnan(found.total)
    assert found.reason


def test_two_lists_say_that_the_prior_decides() -> None:
    table = mse.load_dataset("kosovo").keep_lists(["EXH", "OSCE"])
    found = mse.HeterogeneousLogLinear().fit(table).population
    assert found.status == "ok"
    assert any("the prior alone" in each for each in found.warnings)


def test_margins_are_refused() -> None:
    table = mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
    with pytest.raises(ModelError, match="capture histories"):
        mse.HeterogeneousLogLinear().fit(table)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("sd", 0.0), ("triples", -1.0), ("dependence", (1.0, 0.5)), ("draws", 10), ("mean", np.inf)],
)
def test_settings_are_checked(setting: str, value: object) -> None:
    with pytest.raises(ModelError, match=setting):
        mse.HeterogeneousLogLinear(**{setting: value})  # type: ignore[arg-type]


def test_predicted_tables_look_like_the_observed_one() -> None:
    fit = mse.HeterogeneousLogLinear().fit(mse.load_dataset("kosovo"))
    assert fit.posterior_predictive(400).p_value > 1e-4
    sensitivity = fit.prior_sensitivity()
    assert "people alike" in str(sensitivity)
