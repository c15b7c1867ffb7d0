"""Assumptions that cannot be tested, varied: closed forms, invariances, intervals."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.answer.intervals import lognormal_interval
from mse.sensitivity import highest_order, odds_ratio

TWO = mse.CaptureTable.from_counts({"10": 86, "01": 73, "11": 49}, lists=["P", "Q"])
XI = (0.5, 1.0, 2.0)


def kosovo() -> mse.CaptureTable:
    return mse.load_dataset("kosovo")


# The highest interaction -------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["main", "[12,34]", "all two-way"])
def test_hidden_is_divided_by_xi_for_any_model(model: str) -> None:
    fit = mse.LogLinear(model).fit(kosovo())
    frame = highest_order(fit).to_frame()
    np.testing.assert_allclose(frame["hidden"], fit.population.hidden / frame["xi"], rtol=1e-9)
    np.testing.assert_allclose(frame["total"], frame["observed"] + frame["hidden"])


def test_xi_of_one_is_the_fit_itself() -> None:
    fit = mse.LogLinear("all two-way").fit(kosovo())
    row = highest_order(fit, (1,), level=0.9).to_frame().iloc[0]
    assert row["interval_kind"] == "profile"
    assert (row["low"], row["high"]) == pytest.approx(fit.population.interval(0.9), rel=1e-6)


def test_intervals_of_others_are_scaled() -> None:
    fit = mse.LogLinear("main", interval="lognormal").fit(kosovo())
    low, high = fit.population.interval()
    row = highest_order(fit, (2,)).to_frame().iloc[0]
    assert row["interval_kind"] == "lognormal, scaled"
    assert (row["low"], row["high"]) == pytest.approx(
        (4400 + (low - 4400) / 2, 4400 + (high - 4400) / 2)
    )


def test_profile_and_scaled_intervals_are_close_where_counting_error_is_small() -> None:
    fit = mse.LogLinear("all three-way").fit(kosovo())
    exact = highest_order(fit, XI).to_frame()
    scaled = highest_order(fit.population, XI).to_frame()
    # The hidden count's own Poisson error is 1% of it, its estimate's 35%: the two differ by the
    # penalty for N in the multinomial likelihood only, some 1% of the ends.
    np.testing.assert_allclose(exact[["low", "high"]], scaled[["low", "high"]], rtol=0.02)


def test_search_and_covariates() -> None:
    search = mse.LogLinearSearch().fit(kosovo())
    assert highest_order(search, (1,)).to_frame()["total"][0] == pytest.approx(
        search.population.total, rel=1e-9
    )
    table = mse.load_dataset("spina_bifida").where(ethnicity=["caucasian", "afro-american"])
    fit = mse.LogLinear("all two-way").fit(table)
    frame = highest_order(fit, XI).to_frame()
    np.testing.assert_allclose(frame["hidden"] * frame["xi"], fit.population.hidden, rtol=1e-9)
    assert frame["interval_kind"].tolist() == ["profile, scaled", "profile", "profile, scaled"]


def test_not_estimable_stays_not_estimable() -> None:
    table = mse.CaptureTable.from_counts({"10": 5, "01": 10}, lists=["a", "b"])
    found = highest_order(mse.LogLinear("main").fit(table))
    assert found.to_frame()["total"].isna().all()
    assert set(found.to_frame()["limit"]) == {"infinite"}
    assert "not_estimable" in found.summary()


@pytest.mark.parametrize("xi", [(), (0,), (1, -2), (float("inf"),), (float("nan"),)])
def test_factors_must_be_positive(xi: tuple[float, ...]) -> None:
    with pytest.raises(mse.ModelError, match="xi has"):
        highest_order(mse.LincolnPetersen().fit(TWO), xi)


# The odds ratio of a pair ------------------------------------------------------------------------


def test_two_lists_are_the_closed_form() -> None:
    frame = odds_ratio(TWO).to_frame()
    hidden = frame["odds_ratio"] * 86 * 73 / 49
    np.testing.assert_allclose(frame["hidden"], hidden, rtol=1e-9)
    np.testing.assert_allclose(frame["coverage"], 208 / (208 + hidden))
    np.testing.assert_allclose(frame["coverage_P"], 135 / (208 + hidden))
    np.testing.assert_allclose(frame["coverage_Q"], 122 / (208 + hidden))
    assert ((frame["low"] < frame["total"]) & (frame["total"] < frame["high"])).all()


def test_ratio_of_one_is_the_model_without_the_pair() -> None:
    found = odds_ratio(kosovo(), (1,), pair=("HRW", "EXH"), model="all two-way").to_frame().iloc[0]
    fit = mse.LogLinear("[12,13,23,24,34]").fit(kosovo())
    assert (found["list_a"], found["list_b"], found["model"]) == ("EXH", "HRW", fit.model)
    assert found["total"] == pytest.approx(fit.population.total, rel=1e-9)
    assert (found["low"], found["high"]) == pytest.approx(fit.population.interval(), rel=1e-6)


def test_estimated_odds_ratio_gives_back_the_larger_model() -> None:
    fit = mse.LogLinear("all two-way").fit(kosovo())
    ratio = float(np.exp(fit.coefficients["EXH:OSCE"]))
    found = odds_ratio(kosovo(), (ratio,), pair=("EXH", "OSCE"), model="all two-way").to_frame()
    assert found["total"][0] == pytest.approx(fit.population.total, rel=1e-7)


def test_every_pair_in_turn_and_hidden_rises_with_the_ratio() -> None:
    frame = odds_ratio(kosovo(), (0.5, 1, 2)).to_frame()
    pairs = frame.groupby(["list_a", "list_b"])
    assert len(pairs) == 6
    assert all(group["hidden"].is_monotonic_increasing for _, group in pairs)
    main = mse.LogLinear("main").fit(kosovo()).population.total
    np.testing.assert_allclose(frame.loc[frame["odds_ratio"] == 1, "total"], main, rtol=1e-9)


def test_order_of_lists_changes_nothing() -> None:
    table = kosovo()
    turned = table.keep_lists(table.lists[::-1])
    pair = ("ABA", "HRW")
    one = odds_ratio(table, (0.5, 3), pair=pair).to_frame()
    other = odds_ratio(turned, (0.5, 3), pair=pair).to_frame()
    np.testing.assert_allclose(one["total"], other["total"], rtol=1e-9)
    np.testing.assert_allclose(one["coverage_ABA"], other["coverage_ABA"], rtol=1e-9)


def test_ten_times_the_persons_are_ten_times_the_total() -> None:
    table = kosovo()
    tenfold = table.with_counts(10 * table.counts)
    one, ten = (odds_ratio(each, (0.5, 3)).to_frame()["total"] for each in (table, tenfold))
    np.testing.assert_allclose(10 * one, ten, rtol=1e-9)


def test_covariates_need_a_model_and_give_lognormal_intervals() -> None:
    table = mse.load_dataset("spina_bifida").where(ethnicity=["caucasian", "afro-american"])
    with pytest.raises(mse.ModelError, match="ethnicity"):
        odds_ratio(table, model="S1 + S2 + S3")
    model = "S1*ethnicity + S2*ethnicity + S3*ethnicity"
    found = odds_ratio(table, (1, 2), pair=("S1", "S2"), model=model).to_frame()
    fit = mse.LogLinear(model, interval="lognormal").fit(table)
    assert found["total"][0] == pytest.approx(fit.population.total, rel=1e-9)
    expected = lognormal_interval(fit.population.hidden, fit.standard_error, 0.95, table.n_observed)
    assert (found["low"][0], found["high"][0]) == pytest.approx(expected, rel=1e-9)
    assert found["total"][1] > found["total"][0]


def test_no_overlap_is_not_estimable_at_any_ratio() -> None:
    table = mse.CaptureTable.from_counts({"10": 5, "01": 10}, lists=["a", "b"])
    found = odds_ratio(table)
    frame = found.to_frame()
    assert frame["total"].isna().all()
    assert set(frame["status"]) == {"not_estimable"}
    assert set(frame["limit"]) == {"infinite"}
    assert frame["reason"].str.len().min() > 0
    assert "not_estimable" in found.summary()


@pytest.mark.parametrize("pair", [("P",), ("P", "P"), ("P", "R"), "PQ?", ("P", "Q", "Q")])
def test_a_pair_is_two_lists(pair: object) -> None:
    with pytest.raises(mse.ModelError, match="expected two different lists of the table: P, Q"):
        odds_ratio(TWO, pair=pair)


def test_results_show_themselves() -> None:
    for found in (odds_ratio(TWO), highest_order(mse.LincolnPetersen().fit(TWO))):
        assert found.summary() == str(found)
        assert found._repr_html_().startswith("<div>")
        assert repr(found).startswith("<")
        with pytest.raises(AttributeError):
            found.level = 0.5


# Counts of 700 beside ones, on which fits with an offset used to fail (fault A8).
HOSTILE = {
    "0010": 12, "0011": 12, "1110": 700, "1010": 1, "0111": 12, "1111": 3,
    "0110": 1, "1011": 700, "1000": 700, "0001": 3, "1100": 12,
}  # fmt: skip
LARGE = {"001": 3, "010": 40_000_000, "011": 2, "100": 5, "101": 1, "110": 10**9, "111": 77}


@pytest.mark.parametrize(
    ("counts", "estimator"),
    [
        (HOSTILE, mse.LogLinearSearch()),
        (HOSTILE, mse.LogLinear("main")),
        (HOSTILE, mse.LogLinear("all two-way")),
        (LARGE, mse.LogLinear("main")),
        (LARGE, mse.LogLinear("all two-way")),
        (LARGE, mse.LogLinearSearch()),
    ],
)
def test_hostile_tables_have_a_curve(counts, estimator) -> None:
    lists = list("abcd")[: len(next(iter(counts)))]
    fit = estimator.fit(mse.CaptureTable.from_counts(counts, lists=lists))
    frame = highest_order(fit).to_frame()
    assert (frame["status"] == fit.status).all()
    np.testing.assert_allclose(frame["hidden"], fit.population.hidden / frame["xi"], rtol=1e-9)
    assert (frame["low"] >= frame["observed"]).all()
    assert (frame["low"] < frame["high"]).all()
    # As xi falls everything rises.
    assert (np.diff(frame["low"]) <= 0).all()
    assert (np.diff(frame["high"]) <= 0).all()
    at_one = frame[frame["xi"] == 1].iloc[0]
    assert (at_one["low"], at_one["high"]) == pytest.approx(fit.population.interval(), rel=1e-9)
    ratios = odds_ratio(fit.table).to_frame()
    assert ratios["total"].notna().all() or set(ratios["status"]) > {"ok"}


def test_a_fit_that_is_not_found_is_a_status(monkeypatch) -> None:
    fit = mse.LogLinear("main").fit(kosovo())

    def fail(*_: object) -> None:
        raise ArithmeticError("no way up")

    monkeypatch.setattr("mse.sensitivity.fit_with_offset", fail)
    frame = highest_order(fit).to_frame()
    assert set(frame["status"]) == {"not_converged"}
    assert frame["total"].isna().all()
    assert "no way up" in frame["reason"][0]
