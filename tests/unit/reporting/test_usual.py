"""What is usually reported of a table."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.comparing import usual_estimators
from mse.diagnostics import CheckResult, Overlaps
from mse.reporting.usual import usual_results
from mse.sensitivity import HighestOrder, LeaveOneOut, NearModels


def kinds(found: list[object]) -> set[type]:
    return {type(each) for each in found}


def test_everything_of_a_plain_table(korea: list[object]) -> None:
    assert isinstance(korea[0], mse.PopulationEstimate)
    assert kinds(korea) >= {CheckResult, Overlaps, HighestOrder, LeaveOneOut, NearModels}
    assert korea[0].interval_given == "a prior on how people differ and lists depend"
    assert korea[0].alike.interval_given == "the model re-selected in every replicate"


def test_the_same_seed_gives_the_same_figures() -> None:
    table = mse.load_dataset("korea")
    first, second = (usual_results(table, replicates=20, seed=3)[0] for _ in range(2))
    assert first.interval() == second.interval()


def test_two_lists_have_the_classical_methods() -> None:
    table = mse.CaptureTable.from_counts({"11": 12, "10": 41, "01": 28}, lists=["a", "b"])
    found = usual_results(table, replicates=20, seed=1)
    methods = [each.population.method for each in found if hasattr(each, "population")]
    assert methods[:2] == [
        "Lincoln-Petersen, two independent lists",
        "Chapman, two independent lists",
    ]
    assert LeaveOneOut not in kinds(found)


def test_margins_allow_independence_only() -> None:
    found = usual_results(mse.CaptureTable.from_margins({"a": 53, "b": 70, "c": 40}, union=130))
    assert [type(each) for each in found] == [mse.PopulationEstimate]
    assert found[0].model == "[1,2,3]"


def test_with_covariates_searches_are_not_repeated_for_single_persons() -> None:
    said: list[str] = []
    table = mse.load_dataset("spina_bifida")
    found = usual_results(table, replicates=20, seed=1, announce=said.append)
    assert len(said) == 4
    check = {each.name: each for each in found if isinstance(each, CheckResult)}
    assert check["one person more or less"].passed is not None


def test_nothing_estimable_has_no_sensitivity(apart: mse.CaptureTable) -> None:
    found = usual_results(apart, replicates=20, seed=1)
    assert found[0].status == "not_estimable"
    assert kinds(found).isdisjoint({HighestOrder, LeaveOneOut})


def test_large_tables_are_checked_by_themselves() -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(2.0, size=(2,) * 9)
    counts[(0,) * 9] = 0
    table = mse.CaptureTable.from_array(counts, list("abcdefghi"))
    from mse.reporting.usual import _checks

    names = [each.name for each in _checks(table, mse.LogLinear("main").fit(table), None, 1)]
    assert "the model fits" not in names


@pytest.mark.parametrize(("name", "number"), [("korea", 6), ("spina_bifida", 5)])
def test_the_usual_estimators(name: str, number: int) -> None:
    assert len(usual_estimators(mse.load_dataset(name))) == number
