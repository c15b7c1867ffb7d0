"""What a study may be expected to find."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mse
from mse.errors import ModelError
from mse.planning import _design_of, as_linked
from mse.simulate.cells import member_of

LISTS = {"police": 0.25, "care": 0.2, "other": 0.1}


def test_two_lists_have_the_width_of_the_asymptotic_interval() -> None:
    design = {"a": 0.3, "b": 0.25}
    plans = [mse.plan(design, 4000, estimator="LincolnPetersen()", seed=each) for each in range(12)]
    # Variance of log N-hat of two independent lists, Sekar & Deming 1949: q1 q2 / (N p1 p2).
    width = 2 * 1.959964 * math.sqrt(0.7 * 0.75 / (4000 * 0.3 * 0.25))
    widths = [each["as planned"].width for each in plans]
    # That of one plan varies by some 8 %, since few tables are drawn again.
    assert np.mean(widths) == pytest.approx(width, rel=0.15)
    found = plans[0]
    assert found["as planned"].registered == pytest.approx(4000 * (1 - 0.7 * 0.75))
    assert found["as planned"].overlapping == pytest.approx(4000 * 0.3 * 0.25)
    assert np.mean([each["as planned"].covered for each in plans]) > 0.87


def test_two_lists_without_overlap_have_no_estimate() -> None:
    found = mse.plan({"a": 0.05, "b": 0.05}, 400, estimator="LincolnPetersen()", seed=1)
    # Nobody is on both with the probability exp(-1).
    assert found["as planned"].no_estimate == pytest.approx(math.exp(-1), abs=0.15)
    larger = mse.plan({"a": 0.05, "b": 0.05}, 400, estimator="LincolnPetersen()", reach=4, seed=1)
    assert larger["larger overlap"].no_estimate < 0.05


def test_persons_who_differ_make_a_narrow_interval_wrong() -> None:
    alike = mse.plan(LISTS, 4000, estimator="LogLinear('main')", seed=2)
    differ = mse.plan(LISTS, 4000, heterogeneity=1.2, estimator="LogLinear('main')", seed=2)
    first, second = alike["as planned"], differ["as planned"]
    assert second.total < 0.8 * first.total
    assert second.covered < 0.1 < 0.75 < first.covered
    assert second.overlapping > first.overlapping


@pytest.mark.parametrize("heterogeneity", [0.0, 0.9])
def test_scenarios_have_the_shares_that_were_asked_for(heterogeneity: float) -> None:
    design = _design_of(LISTS, 1000, {"police:care": 3.0}, heterogeneity, 0.0)
    assert design.reached == pytest.approx(list(LISTS.values()))
    more = design.with_one_more(0.15)
    assert more.reached == pytest.approx([*LISTS.values(), 0.15])
    assert more.cells.reshape(8, 2, -1).sum(axis=1) == pytest.approx(design.cells)
    reaching = design.reaching(1.5)
    assert reaching.reached == pytest.approx(1.5 * np.array(list(LISTS.values())), rel=1e-6)
    given = reaching.cells.reshape(2, 2, 2, -1)
    odds = given[1, 1] * given[0, 0] / given[1, 0] / given[0, 1]
    assert odds == pytest.approx(np.full(odds.shape, 3.0), rel=1e-5)


def test_missed_links_as_the_simulator_misses_them() -> None:
    expected = as_linked(3, 0.2)
    # Of a person on all lists: both further registrations kept, one lost, or both.
    assert expected[[7, 6, 5, 4], 7] == pytest.approx([0.64, 0.16, 0.16, 0.04])
    assert expected[[2, 1], 7] == pytest.approx([0.2, 0.2])
    # As many registrations as there were.
    on = member_of(3).sum(axis=1)
    assert on @ expected == pytest.approx(on)
    world = mse.simulate.population(LISTS, 40_000, linkage=0.3)
    counts = world.draw(seed=3).table().counts.ravel()
    design = _design_of(LISTS, 40_000, None, 0.0, 0.3)
    assert np.abs(counts - design.expected)[1:].max() < 5 * math.sqrt(design.expected.max())


def test_a_table_is_planned_as_its_best_model_has_it() -> None:
    table = mse.load_dataset("kosovo")
    design = _design_of(table, None, None, 0.0, 0.0)
    fit = mse.LogLinearSearch(strategy="stepwise").fit(table)
    assert design.cells.sum() == pytest.approx(fit.population.total)
    assert design.cells[1:, 0] == pytest.approx(fit.fitted.ravel()[1:])
    linked = _design_of(table, 9000, None, 0.0, 0.1)
    assert linked.cells.sum() == pytest.approx(9000)
    assert linked.expected[1:] == pytest.approx(design.expected[1:], abs=1e-6)


def test_the_answer_shown() -> None:
    found = mse.plan(LISTS, 500, missed=0.1, tables=40, seed=1)
    frame = found.to_frame()
    names = ["as planned", "one more list", "larger overlap", "no missed links"]
    assert frame["scenario"].tolist() == names
    assert frame["ratio"].tolist() == pytest.approx(np.exp(frame["width"]).tolist())
    assert "500 persons" in found.summary()
    again = mse.plan(LISTS, 500, missed=0.1, tables=40, seed=1, n_jobs=2)
    assert again.to_frame().equals(frame)
    with pytest.raises(ModelError, match="no scenario 'more'"):
        found["more"]


def test_nothing_to_expect_is_no_number() -> None:
    nothing = mse.plan({"a": 0.004, "b": 0.004}, 200, estimator="LincolnPetersen()", seed=1)
    assert nothing["as planned"].no_estimate > 0.9
    assert math.isnan(nothing["as planned"].width)
    assert "-" in nothing.summary()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"design": LISTS}, "N is missing"),
        ({"design": LISTS, "N": 500, "tables": 3}, "40 or more"),
        ({"design": LISTS, "N": 500, "missed": 2}, "missed links"),
        ({"design": LISTS, "N": 500, "heterogeneity": -1}, "from 0 to 5"),
        ({"design": LISTS, "N": 500, "more": 0.0}, "one more list"),
        ({"design": mse.load_dataset("korea"), "N": 100}, "more than the 123"),
        ({"design": mse.load_dataset("korea"), "heterogeneity": 1.0}, "said by N"),
    ],
)
def test_what_contradicts_itself_is_refused(asked: dict[str, object], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        mse.plan(**asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "asked", [{"reach": 0.5}, {"reach": 1}, {"tables": "a"}, {"tables": 50.5}, {"estimator": 3}]
)
def test_what_cannot_be_planned_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(mse.ModelError, match="expected"):
        mse.plan({"a": 0.2, "b": 0.1}, 2000, **asked)


def test_tables_of_hardly_anybody_are_not_taken_for_unbounded() -> None:
    found = mse.plan({"a": 0.2, "b": 0.1, "c": 0.05}, 10, tables=40, seed=1)["larger overlap"]
    assert found.unbounded < 0.1
    assert found.low < found.high
