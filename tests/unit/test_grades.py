"""Grades of figures: the rules, what is graded, and what a grade may not tell."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mse
from mse._typing import FrozenDict
from mse.answer.grades import LETTERS, RULES, Known, grade, letters, widths
from mse.disclosure import protect, rules
from mse.messages import Message, catalogue_of
from mse.monitoring.draws import Figure
from mse.monitoring.result import Late, LatePeriod
from tests.json_schemas import validator

CBS = rules("cbs")


@cache
def table() -> mse.CaptureTable:
    counts = np.zeros((2, 2, 2, 2, 2), dtype=int)
    ways = {(1, 0, 0): 300, (0, 1, 0): 260, (0, 0, 1): 280, (1, 1, 0): 60, (1, 0, 1): 66}
    ways |= {(0, 1, 1): 54, (1, 1, 1): 15}
    for way, n in ways.items():
        counts[way] = [[n, n // 2], [n + 9, n // 3]]
    return mse.CaptureTable.from_array(
        counts, ["a", "b", "c"], {"year": [2014, 2015], "sex": ["f", "m"]}
    )


@cache
def estimate() -> mse.PopulationEstimate:
    return mse.estimate(table().collapse("year"), replicates=60, seed=1)


@cache
def report() -> Any:
    return mse.monitor(table(), groups=["sex"], replicates=60, seed=1)


# The rules ---------------------------------------------------------------------------------------

FIGURES = st.floats(1.0, 1e6)
UNKNOWN = st.one_of(st.just(math.nan), st.floats(1.0, 1e4))


@given(UNKNOWN, UNKNOWN, UNKNOWN, st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0]))
def test_the_grade_is_the_worst_mark_and_reasons_say_which(
    ratio: float, persons: float, models: float, allowance: float, late: float
) -> None:
    known = Known(persons, models, allowance, late)
    found = grade(100.0, ratio, known)
    assert found.letter == max(found.marks.values())
    assert [found.letter] == letters([100.0], [ratio], [known])
    worst = [name for name, mark in found.marks.items() if mark == found.letter]
    assert len(found.reasons) == (0 if found.letter == "A" else len(worst))
    # What nothing is known of has no mark, but for an interval that there is none of.
    assert ("persons" in found.marks) is not math.isnan(persons)
    assert found.marks["width"] == ("D" if math.isnan(ratio) else found.marks["width"])


@given(st.floats(1.0, 100.0), st.floats(1.0, 100.0), st.floats(0.0, 500.0), st.floats(0.0, 500.0))
def test_nothing_gets_better_by_being_wider_or_by_fewer_persons(
    one: float, other: float, few: float, many: float
) -> None:
    wide, narrow = max(one, other), min(one, other)
    few, many = min(few, many), max(few, many)
    known = Known(many, 1.0, 0.0)
    assert grade(1.0, narrow, known).letter <= grade(1.0, wide, known).letter
    assert grade(1.0, narrow, known).letter <= grade(1.0, narrow, Known(few, 1.0, 0.0)).letter
    assert (
        grade(1.0, 1.1, Known(many, narrow, 0.0)).letter
        <= grade(1.0, 1.1, Known(many, wide, 0.0)).letter
    )


def test_bounds_themselves_are_within() -> None:
    for rule in RULES.values():
        for mark, bound in enumerate(rule.bounds):
            assert int(rule.marks([bound])[0]) <= mark
        step = -1e-9 if rule.at_least else 1e-9
        assert int(rule.marks([rule.bounds[-1] + step])[0]) == len(LETTERS) - 1
        assert int(rule.marks([math.nan])[0]) == -1
        assert rule.why


def test_a_figure_that_there_is_not_has_no_grade() -> None:
    assert grade(math.nan, 2.0, Known()).letter == ""
    assert grade(math.nan, 2.0, Known()).to_dict() is None
    assert str(grade(math.nan, 2.0, Known())) == ""
    assert letters([math.nan, 1.0], [1.0, math.inf], [Known(), Known()]) == ["", "D"]


def test_widths_of_other_levels_are_those_of_95_percent() -> None:
    # Of a log-normal interval exactly.
    z = {0.8: 1.2815515655446004, 0.95: 1.959963984540054}
    low, high = (np.exp(sign * z[0.8] * 0.3) for sign in (-1, 1))
    assert widths(low, high, 0.8) == pytest.approx(np.exp(2 * z[0.95] * 0.3))
    assert widths(0.0, 0.0) == 1.0
    assert math.isnan(widths(math.nan, 3.0))


def test_every_reason_is_said_in_every_language() -> None:
    known = Known(3, 9.0, 1.0, 1.0)
    for found in (
        grade(10.0, 30.0, known),
        grade(10.0, math.inf, Known(1, math.inf, 1.0, bound=True)),
        grade(10.0, math.nan, Known()),
        grade(10.0, 1.0, Known(allowance=1.0, preliminary=1.0)),
    ):
        for each in found.reasons:
            assert isinstance(each, Message)
            assert catalogue_of("nl").translated(each) not in (None, str(each))


# What is graded ----------------------------------------------------------------------------------


def test_total_strata_and_sums_have_grades() -> None:
    p = estimate()
    assert p.grade.letter in LETTERS
    assert set(p.grade.marks) == set(RULES)
    frame = p.margin("sex")
    assert frame["grade"].tolist() == [each.letter for each in p.grades("sex")]
    assert p.to_frame()["grade"].item() == p.grade.letter
    assert p.to_frame()["grade_reason"].item() == " ".join(p.grade.reasons)
    # The interval that takes people for alike cannot have the mark of one that allows for them.
    assert p.grade.marks["allowance"] == "A"
    assert p.alike.grade.marks["allowance"] == LETTERS[int(RULES["allowance"].marks([1.0])[0])]


def test_grades_are_read_back_and_files_without_them_too() -> None:
    p = estimate()
    data = p.to_dict()
    validator("population").validate(data)
    assert data["grade"]["grade"] == p.grade.letter
    assert [cell["grade"]["grade"] for cell in data["strata"]["cells"]] == p.by["grade"].tolist()
    again = mse.PopulationEstimate.from_json(p.to_json())
    assert again.grade == p.grade
    assert again.support == p.support
    del data["grade"], data["support"]
    for cell in data["strata"]["cells"]:
        del cell["grade"]
    old = mse.PopulationEstimate.from_dict(data)
    assert "persons" not in old.grade.marks
    assert old.grade.letter <= p.grade.letter


def test_years_groups_and_changes_have_grades() -> None:
    found = report()
    data = found.to_dict()
    validator("monitor").validate(data)
    for cell in found.cells.values():
        assert cell.grade.letter in LETTERS
        assert cell.grade.marks["persons"] in LETTERS
    assert found.to_frame()["grade"].tolist() == [
        each.grade.letter for each in found.cells.values()
    ]
    change = found.compare(2014, 2015)
    assert data["changes"][0]["grade"] == json.loads(json.dumps(change.grade.to_dict()))
    assert found.all_changes()["grade"].iloc[0] == change.grade.letter
    # A change rests on the fewer persons of both periods.
    cells = [found.cells[year, ()] for year in (2014, 2015)]
    assert change.known.persons == min(each.known.persons for each in cells)


def test_a_year_leans_on_the_persons_that_its_strata_do() -> None:
    found = report()
    names = found.joint.strata.names
    assert set(found.population.support) >= {(), ("year",), ("sex",), ("year", "sex")}
    assert names == ("year", "sex")
    for (period, group), cell in found.cells.items():
        if period is not None and group:
            place = found.levels.index(period) * 2 + ["f", "m"].index(group[0][1])
            assert cell.known.persons == found.population.support["year", "sex"][place]
    # Another part of the population is graded without.
    assert math.isnan(found.at(sex=["f", "m"]).known.persons)
    assert "persons" not in found.at(sex=["f", "m"]).grade.marks


def test_preliminary_periods_are_no_better_than_the_rule_says() -> None:
    to_come = LatePeriod(100, Figure(120.0, 110.0, 130.0), Figure(), FrozenDict(), ())
    found = replace(report(), late=Late("2015-12-31", FrozenDict({2015: to_come})))
    late = found._cell(2015, ())
    assert late.grade.marks["preliminary"] == LETTERS[int(RULES["preliminary"].marks([1.0])[0])]
    assert found._cell(2014, ()).grade.marks["preliminary"] == "A"
    assert found._cell(None, (("sex", "f"),)).known.preliminary == 1.0


# What a grade may not tell -----------------------------------------------------------------------


def test_under_rules_grades_are_computed_of_what_leaves() -> None:
    thing = table().collapse("year")
    safe = protect(estimate(), CBS, table=thing)
    assert not safe.support
    data = safe.to_dict()
    assert data["support"] == []
    assert {each["criterion"] for each in data["grade"]["marks"]} <= set(RULES) - {"persons"}
    # From the published figures alone anybody computes the same.
    low, high = safe.interval()
    totals = [safe.total, *([] if safe.allowing is None else [safe.allowing.total])]
    if safe.model_range is not None:
        totals += [safe.model_range.low, safe.model_range.high]
    allowance = float(safe.allowing is None)
    known = Known(models=max(totals) / min(totals), allowance=allowance)
    assert safe.grade == grade(safe.total, high / low, known)


def test_under_rules_a_monitor_tells_no_number_of_persons_by_its_grades() -> None:
    safe = protect(report(), CBS, table=table())
    cells = [each for each in safe.cells.values() if not math.isnan(each.total)]
    assert cells
    for cell in cells:
        assert math.isnan(cell.known.persons)
        assert math.isnan(cell.differing)
        total = cell.published["total"]
        known = Known(allowance=cell.known.allowance)
        assert cell.grade == grade(total.point, total.high / total.low, known)
    change = safe.compare(2014, 2015)
    assert math.isnan(change.known.persons)
    assert math.isnan(change.known.models)
    for cell in safe.cells.values():
        if math.isnan(cell.total):
            assert cell.grade.letter == ""
