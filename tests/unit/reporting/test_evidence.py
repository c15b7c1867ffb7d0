"""Results sorted for a report."""

from __future__ import annotations

from typing import Any

import pytest

import mse
from mse.errors import ModelError
from mse.reporting.context import gather

TABLE = mse.CaptureTable.from_counts({"11": 12, "10": 41, "01": 28}, lists=["a", "b"])
FIT = mse.LincolnPetersen().fit(TABLE)


def test_a_fit_brings_its_table() -> None:
    found = gather(FIT)
    assert found.tables == (TABLE,)
    assert found.groups[0].population.observed == 81
    assert found.groups[0].fit is FIT


def test_an_estimate_alone_has_none() -> None:
    found = gather(FIT.population)
    assert found.tables == ()
    assert found.groups[0].fit is None


def test_a_table_beside_an_estimate_is_its_table() -> None:
    found = gather([FIT.population, TABLE])
    assert found.groups[0].table == TABLE


def test_nested_and_named_results_are_found_once() -> None:
    comparison = mse.compare(TABLE, [mse.Chapman()])
    found = gather({"first": FIT, "second": [comparison, [FIT, comparison.fits[0]]]})
    assert [each.population.method for each in found.estimates] == [
        FIT.population.method,
        comparison.fits[0].population.method,
    ]


def test_estimates_of_different_tables_are_kept_apart() -> None:
    other = mse.LincolnPetersen().fit(
        mse.CaptureTable.from_counts({"11": 5, "10": 4, "01": 2}, lists=["a", "b"])
    )
    assert [len(group.estimates) for group in gather([FIT, other, FIT]).groups] == [1, 1]


def test_the_fit_of_a_bootstrapped_estimate_is_found_beside_it() -> None:
    estimator = mse.LogLinearSearch()
    table = mse.load_dataset("korea")
    fit = estimator.fit(table)
    p = mse.bootstrap(estimator, table, 20, seed=1)
    assert gather([p, fit]).groups[0].fit is fit


def test_all_kinds_are_sorted(korea: list[Any], monitored: Any) -> None:
    validation = mse.validate(mse.load_dataset("korea"), [mse.LogLinear("main")])
    fit = mse.LogLinear("main").fit(mse.load_dataset("korea"))
    further = mse.diagnostics.goodness_of_fit(fit, replicates=0)
    found = gather([korea, monitored, validation, further])
    assert len(found.monitors) == len(found.validations) == len(found.diagnostics) == 1
    assert len(found.checks) == 7
    assert len(found.sensitivities) == 3
    assert len(found.overlaps) == 1
    assert found.others == ()


@pytest.mark.parametrize("wrong", [3, "fit", None, [FIT, object()], mse.Chapman()])
def test_what_cannot_be_reported_is_named(wrong: object) -> None:
    with pytest.raises(ModelError, match="A report cannot be made from"):
        gather(wrong)


def test_nothing_is_an_error() -> None:
    with pytest.raises(ModelError, match="nothing to report"):
        gather([])
