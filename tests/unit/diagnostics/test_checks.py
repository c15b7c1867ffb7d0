"""Warnings in plain words: each is raised by a table that deserves it, and by no other."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.diagnostics import CheckResult, check

FINE = mse.CaptureTable.from_counts(
    {"100": 300, "010": 250, "001": 280, "110": 102, "101": 118, "011": 96, "111": 41},
    lists=["P", "Q", "E"],
)
NAMES = [
    "overlap of lists",
    "one list carries the estimate",
    "small histories",
    "persons on one list only",
    "one person more or less",
    "the data determine an estimate",
    "the model fits",
]


def verdicts(table: mse.CaptureTable, estimator: object = None) -> dict[str, CheckResult]:
    fit = None if estimator is None else estimator.fit(table)
    return {each.name: each for each in check(table, fit, seed=1)}


def test_a_table_without_worries() -> None:
    found = verdicts(FINE, mse.LogLinear("main"))
    assert list(found) == NAMES
    assert {name: each.passed for name, each in found.items()} == dict.fromkeys(NAMES, True)
    assert [each.name for each in check(FINE)] == NAMES[:4]
    found = check(FINE)
    assert all(each.passed for each in found)
    assert repr(found) == "<Checks: 4 worries gone through, reason for 0>"
    assert found.to_frame()["name"].tolist() == NAMES[:4]
    assert found.summary().count("nothing found") == len(found) == 4


def test_pairs_without_overlap_are_named() -> None:
    found = verdicts(mse.load_dataset("netherlands"))["overlap of lists"]
    assert found.passed is False
    assert "inspectorate and border_police" in found.text
    assert "2 of 15 pairs" in found.text
    lonely = verdicts(mse.load_dataset("artificial_3"))["overlap of lists"]
    assert "No one of C is on any other list" in lonely.text
    many = verdicts(mse.load_dataset("new_orleans"))["overlap of lists"]
    assert "12 pairs more" in many.text


def test_a_list_that_carries_the_estimate_is_named() -> None:
    search = mse.LogLinearSearch(criterion="pvalue", strategy="stepwise")
    found = verdicts(mse.load_dataset("netherlands_5"), search)["one list carries the estimate"]
    assert found.passed is False
    assert "Without police the estimated total is 3.94 times" in found.text


def test_a_list_that_holds_the_overlaps_is_named() -> None:
    table = mse.CaptureTable.from_counts(
        {"100": 30, "010": 25, "001": 28, "110": 10, "101": 11, "011": 1}, lists=["P", "Q", "E"]
    )
    found = verdicts(table)["one list carries the estimate"]
    assert found.passed is False
    assert "21 of the 22 persons on two lists or more are on P" in found.text


def test_two_lists_both_carry_it() -> None:
    table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    found = verdicts(table, mse.Chapman())
    assert found["one list carries the estimate"].passed is None
    assert found["the model fits"].passed is None


def test_a_method_for_these_lists_only_is_not_judged() -> None:
    class OfThree(mse.LogLinear):
        def fit(self, table: mse.CaptureTable) -> object:
            if table.n_lists != 3:
                raise mse.ModelError("three lists, please")
            return super().fit(table)

    found = verdicts(FINE, OfThree())["one list carries the estimate"]
    assert found.passed is None
    assert "cannot be asked of fewer" in found.text


def test_a_model_loses_the_list_that_is_left_out() -> None:
    # What the README asks: that the model names a list is no reason to give no estimate without it.
    table = mse.load_dataset("netherlands_5")
    model = mse.LogLinear("police*regional_coordinators + main")
    found = verdicts(table, model)["one list carries the estimate"]
    assert "gives no estimate" not in found.text
    assert "factor of at most 1.71" in found.text
    # Two lists that depend on each other are not asked for a total; that is no worry about the third.
    three = verdicts(FINE, mse.LogLinear("P*Q + E"))["one list carries the estimate"]
    assert three.passed is True
    assert "gives no estimate" not in three.text


def test_small_histories_are_named() -> None:
    found = verdicts(mse.load_dataset("new_orleans"), mse.LogLinear("main"))["small histories"]
    assert found.passed is False
    assert "A and C and G only (1): +12%" in found.text


def test_small_overlaps_without_a_fit() -> None:
    table = mse.CaptureTable.from_counts(
        {"100": 30, "010": 25, "001": 28, "110": 2, "101": 1, "011": 2}, lists=["P", "Q", "E"]
    )
    found = verdicts(table)["small histories"]
    assert found.passed is False
    assert found.text.startswith("5 of the 5")
    none = mse.CaptureTable.from_counts({"10": 5, "01": 10}, lists=["a", "b"])
    assert "no overlap at all" in verdicts(none)["small histories"].text


def test_an_answer_that_hangs_on_one_person_is_named() -> None:
    found = verdicts(mse.load_dataset("kosovo"), mse.LogLinearSearch())["one person more or less"]
    assert found.passed is False
    assert "ABA and HRW only (31): +79%" in found.text


def test_one_list_only() -> None:
    found = verdicts(mse.load_dataset("uk"))["persons on one list only"]
    assert found.passed is False
    assert "2,492 of 2,744 persons (91%)" in found.text
    assert "The estimate rests on the other 252" in found.text


def test_no_estimate() -> None:
    table = mse.load_dataset("artificial_3")
    found = verdicts(table, mse.LogLinear("[12,13,23]"))
    assert found["the data determine an estimate"].passed is False
    assert found["the data determine an estimate"].text
    assert found["small histories"].passed is None
    assert found["one person more or less"].passed is None


def test_poor_fit_and_no_test_of_fit() -> None:
    kosovo = mse.load_dataset("kosovo")
    poor = verdicts(kosovo, mse.LogLinear("main"))["the model fits"]
    assert poor.passed is False
    assert "Deviance 245.9 on 10 degrees of freedom" in poor.text
    saturated = verdicts(kosovo, mse.LogLinear("all three-way"))["the model fits"]
    assert saturated.passed is None
    sparse = verdicts(mse.load_dataset("korea"), mse.LogLinear("[12,23]"))["the model fits"]
    assert "bootstrap" in sparse.text


def test_covariates() -> None:
    table = mse.load_dataset("spina_bifida").where(ethnicity=["caucasian", "afro-american"])
    found = verdicts(table, mse.LogLinear("all two-way"))
    assert list(found) == NAMES
    assert found["persons on one list only"].text.startswith("351 of 619")


def test_nobody() -> None:
    empty = FINE.with_counts(np.zeros((2, 2, 2), dtype=np.int64))
    assert verdicts(empty)["persons on one list only"].passed is None


def test_the_fit_must_be_of_the_table() -> None:
    with pytest.raises(mse.ModelError, match="another table"):
        check(FINE, mse.LogLinear("main").fit(mse.load_dataset("korea")))


def test_a_check_shows_itself() -> None:
    found = CheckResult("overlap", False, "None.")
    assert str(found) == found.summary() == "overlap: LOOK INTO IT. None."
    assert found.to_frame().to_dict("records") == [
        {"name": "overlap", "passed": False, "text": "None."}
    ]
    assert "not judged" in str(CheckResult("a", None, "b"))
    with pytest.raises(AttributeError):
        found.passed = True


def test_the_test_of_fit_can_be_had_again() -> None:
    table = mse.load_dataset("netherlands_5")
    fit = mse.LogLinear("main").fit(table)
    first, again = (check(table, fit)[-1] for _ in range(2))
    assert first == again
    assert first.seed == 1
    assert "p <= 0.001 (bootstrap, seed 1)" in first.text
    other = check(table, fit, seed=5)[-1]
    assert (other.seed, "seed 5" in other.text) == (5, True)


def test_a_check_without_a_warning_is_no_assurance() -> None:
    found = verdicts(FINE, mse.LogLinear("main"))
    assert "fine" not in " ".join(each.summary() for each in found.values())
    assert "nothing found" in found["overlap of lists"].summary()
    assert "No test of fit sees those on no list" in found["the model fits"].text


def test_a_chosen_model_is_tested_too_kindly_and_says_so() -> None:
    found = verdicts(mse.load_dataset("kosovo"), mse.LogLinearSearch())["the model fits"]
    assert "too kind after selection" in found.text
    assert "Deviance 9.3 on 4 degrees of freedom, p = 0.054" in found.text
