"""Huggins-Alho against VGAM on a synthetic table, and against what must be the same in other ways."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

import mse
from tests.estimators import VALUES, load

pytestmark = pytest.mark.reference
# VGAM stops at 1e-7 of the deviance and prints ten digits; its standard errors are asked to 1e-4.
REL = 1e-4
HELD = json.loads((VALUES / "individual_example.json").read_text("utf-8"))


@pytest.mark.parametrize("row", HELD["rows"], ids=lambda row: f"{row['formula']}, {row['slopes']}")
def test_figures_of_vgam(row: dict) -> None:
    fit = mse.HugginsAlho(row["formula"], row["slopes"]).fit(load("persons"))
    assert fit.population.total == pytest.approx(row["total"], rel=REL)
    assert math.sqrt(fit.variance) == pytest.approx(row["se"], rel=REL)
    assert fit.log_likelihood == pytest.approx(row["log_likelihood"], abs=1e-4)


def expanded(table: mse.CaptureTable) -> mse.PersonTable:
    """Make a row of each person of a table."""
    frame = table.to_frame()
    frame = frame.loc[frame.index.repeat(frame["n"])].drop(columns="n")
    return mse.PersonTable.from_frame(frame, table.lists, [*table.covariates])


@pytest.mark.parametrize("name", ["kosovo", "korea", "hepatitis_a", "artificial_3", "uk"])
def test_without_covariates_it_is_the_log_linear_model_of_independence(name: str) -> None:
    table = mse.load_dataset(name)
    counted = mse.LogLinear("main").fit(table)
    fit = mse.HugginsAlho().fit(expanded(table))
    assert fit.population.total == pytest.approx(counted.population.total, rel=1e-8)
    assert fit.status == counted.status
    assert expanded(table).counted() == table


def test_categories_alone_are_the_model_of_the_capture_table() -> None:
    table = mse.load_dataset("spina_bifida").where(ethnicity=["caucasian", "afro-american"])
    lists, (group,) = table.lists, table.covariates
    model = " + ".join(f"{name}*{group}" for name in lists)
    counted = mse.LogLinear(model).fit(table).population
    by_list = mse.HugginsAlho(f"C({group})", slopes="by list").fit(expanded(table)).population
    assert by_list.total == pytest.approx(counted.total, rel=1e-8)
    assert by_list.by["hidden"].to_numpy() == pytest.approx(
        counted.by["hidden"].to_numpy(), rel=1e-7
    )


def test_doubly_robust_with_groups_alone_is_lincoln_petersen_in_each() -> None:
    table = mse.load_dataset("spina_bifida").where(ethnicity=["caucasian", "afro-american"])
    table = table.keep_lists(["S1", "S2"])
    (group,) = table.covariates
    fit = mse.DoublyRobust(folds=1, floor=1e-6).fit(expanded(table)).population
    apart = [mse.LincolnPetersen().fit(each).population.hidden for each in table.by(group).values()]
    assert fit.by["hidden"].to_numpy() == pytest.approx(np.array(apart), rel=1e-7)
    crossed = mse.DoublyRobust().fit(expanded(table)).population
    assert crossed.hidden == pytest.approx(sum(apart), rel=0.1)


def test_variance_is_the_one_of_sekar_and_deming() -> None:
    # Two independent lists, one group: both estimators have the textbook variance.
    frame = pd.DataFrame({"a": [1] * 130 + [0] * 60, "b": [0] * 90 + [1] * 100})
    table = mse.PersonTable.from_frame(frame, ["a", "b"])
    known = mse.LincolnPetersen().fit(table.counted())
    assert mse.HugginsAlho().fit(table).variance == pytest.approx(known.variance, rel=1e-9)
    assert mse.DoublyRobust(folds=1).fit(table).variance == pytest.approx(known.variance, rel=1e-9)


def test_a_group_that_is_all_on_a_list_has_no_estimate_as_in_the_capture_table() -> None:
    table = mse.load_dataset("spina_bifida")
    model = "S1*ethnicity + S2*ethnicity + S3*ethnicity"
    counted = mse.LogLinear(model).fit(table).population
    fit = mse.HugginsAlho("ethnicity", slopes="by list").fit(expanded(table)).population
    assert (fit.status, fit.limit) == (counted.status, counted.limit) == ("not_estimable", "zero")
    columns = ["observed", "hidden"]
    assert fit.by[columns].to_numpy() == pytest.approx(
        counted.by[columns].to_numpy(), rel=1e-7, nan_ok=True
    )
