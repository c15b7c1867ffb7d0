"""The check: every violation by name, and none in what was protected."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mse
from mse.disclosure import Rules, check, protect, protect_counts, rules

CBS = rules("cbs")


@pytest.fixture
def table() -> mse.CaptureTable:
    counts = np.zeros((2, 2, 2, 2), dtype=int)
    counts[1, 0, 0], counts[0, 1, 0], counts[0, 0, 1] = [60, 4], [50, 30], [40, 20]
    counts[1, 1, 0], counts[1, 1, 1] = [12, 3], [2, 1]
    return mse.CaptureTable.from_array(counts, ["a", "b", "c"], {"sex": ["f", "m"]})


def found(thing: object, chosen: Rules = CBS, **options: object) -> dict[str, list[str]]:
    frame = check(thing, chosen, **options).to_frame()
    return frame.groupby("rule")["where"].agg(list).to_dict()


def test_tables(table: mse.CaptureTable) -> None:
    violations = found(table)
    assert "history 111" in violations["threshold"]
    assert violations["rounding"] == ["counts"]


def test_frames() -> None:
    frame = pd.DataFrame({"sex": ["f", "m", "total"], "n": [95, 2, 100]})
    violations = found(frame, by=["sex"])
    assert violations["threshold"] == ["sex m"]
    assert violations["group"] == ["sex f of total"]
    assert violations["difference"] == ["persons in total but in none of its parts"]
    frame["most"] = [90, 1, 60]
    assert "dominance" in found(frame, by=["sex"], largest="most")


def test_estimates(table: mse.CaptureTable) -> None:
    estimate = mse.LogLinear("a*sex + b*sex + c*sex", "lognormal").fit(table).population
    violations = found(estimate)
    assert violations["traces"] == ["provenance"]
    assert violations["rounding"] == ["counts", "estimates"]
    small = found(estimate, Rules(threshold=100))
    # The model leans on the overlaps, which are fewer than a hundred persons.
    assert small["derived"] == ["total, hidden and coverage", "log-linear model"]


def test_comparisons_name_measures_of_fit(table: mse.CaptureTable) -> None:
    comparison = mse.compare(table, [mse.LogLinear("a*sex + b*sex + c*sex", "lognormal")])
    assert "deviance, AIC and BIC" in found(comparison)["traces"]


def test_two_lists() -> None:
    table = mse.CaptureTable.from_counts({"10": 60, "01": 50, "11": 4}, lists=["a", "b"])
    estimate = mse.Chapman().fit(table).population
    assert "Chapman" in found(estimate, table=table)["derived"][0]


def test_what_was_protected_has_no_violation(table: mse.CaptureTable) -> None:
    estimate = mse.LogLinear("a*sex + b*sex + c*sex", "lognormal").fit(table).population
    for thing in (table, estimate):
        result = check(protect(thing, CBS), CBS)
        assert result.passed
        assert "None." in result.summary()


def test_an_attack_that_succeeds_is_a_violation() -> None:
    frame = pd.DataFrame({"f": [3, 30], "m": [40, 25], "total": [43, 55]}, index=["2014", "2015"])
    once = protect_counts(frame, Rules(threshold=10, secondary=False))
    result = check(once, CBS)
    assert not result.passed
    assert [each.rule for each in result.violations] == ["attack"]
    assert "it can be computed" in result.summary()
    assert repr(result) == "<DisclosureCheck: 1 violations of the rules cbs>"


def test_monitors(table: mse.CaptureTable) -> None:
    model = mse.LogLinear("a*sex + b*sex + c*sex", "lognormal")
    report = mse.monitor(table, "sex", estimator=model, replicates=10, seed=1, n_jobs=1)
    assert "counts" in found(report)["rounding"]
    assert check(protect(report, CBS), CBS).passed


def test_long_lists_are_cut() -> None:
    frame = pd.DataFrame({"place": range(50), "n": 3})
    result = check(frame, CBS, by=["place"])
    assert len(result.violations) == 51
    assert "and 21 more" in result.summary()


def test_nothing_asked_for_nothing_found(table: mse.CaptureTable) -> None:
    assert check(table, rules("none")).passed


def test_things_that_hold_no_counts() -> None:
    with pytest.raises(mse.ModelError, match="cannot be protected"):
        check(3, CBS)
    with pytest.raises(mse.ModelError, match="cannot be protected"):
        protect(3, CBS)  # type: ignore[call-overload]


def test_seeds_that_can_be_guessed(table: mse.CaptureTable) -> None:
    model = mse.LogLinear("a*sex + b*sex + c*sex")
    usual = mse.bootstrap(model, table, 20, seed=1, n_jobs=1)
    assert "seed" in found(usual, table=table)["traces"]
    secret = mse.bootstrap(model, table, 20, seed=mse.disclosure.Bundle.at(None).seed(1), n_jobs=1)
    assert "seed" not in found(secret, table=table)["traces"]


def test_covariates_that_are_identifiers_are_refused() -> None:
    rows = [{"a": 1, "b": n % 2, "client": f"person {n}", "n": 1 + n % 3 // 2} for n in range(60)]
    made = mse.CaptureTable.from_frame(
        pd.DataFrame(rows), lists=["a", "b"], covariates=["client"], count="n"
    )
    with pytest.raises(mse.ModelError, match="looks like an identifier") as raised:
        protect(made, CBS)
    assert "person 1" not in str(raised.value)
