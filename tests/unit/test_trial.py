"""Estimators tried on tables that may not suit them."""

from __future__ import annotations

import math

import pytest

import mse
from mse.comparing import attempt, check_estimator, skipped

TWO = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])


def test_an_answer_is_passed_on() -> None:
    trial = attempt(mse.LincolnPetersen(), TWO)
    assert (trial.status, trial.reason, trial.total) == ("ok", "", 30.0)
    row = trial.row(0.9)
    assert (row["low"], row["high"]) == trial.population.interval(0.9)
    assert (row["level"], row["interval_kind"]) == (0.9, "lognormal")


def test_what_cannot_be_asked_has_a_reason() -> None:
    trial = attempt(mse.LogLinear("[123]"), TWO)
    assert trial.status == "not_applicable"
    assert trial.population is None
    assert trial.reason
    assert math.isnan(trial.total)
    assert trial.cells(0.95) == ["-", "-", "not_applicable"]
    assert skipped("no").row(0.95)["reason"] == "no"


def test_other_errors_are_not_hidden() -> None:
    class Broken:
        def fit(self, _: object) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        attempt(Broken(), TWO)


@pytest.mark.parametrize("wrong", [mse.Chapman, "main", None])
def test_what_is_no_estimator_is_refused(wrong: object) -> None:
    with pytest.raises(mse.ModelError, match="not an estimator"):
        check_estimator(wrong)
