"""What estimators declare of themselves, and where it is shown."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

import mse
from mse.answer.method import LOWER_BOUND, STANDARD_ASSUMPTIONS, Method
from mse.answer.population import answer, publications
from mse.answer.protocols import Answered
from mse.reporting import build_report
from tests.json_schemas import validator

KOSOVO = mse.load_dataset("kosovo")
CHAO = mse.ClosedPopulation("Mth", heterogeneity="chao")


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("estimator", "dataset", "expected"),
    [
        (CHAO, "kosovo", True),
        (mse.ClosedPopulation("Mh", bias_corrected=True), "kosovo", True),
        (mse.ClosedPopulation("Mth", heterogeneity="darroch"), "kosovo", False),
        (mse.ClosedPopulation("M0"), "kosovo", False),
        (mse.SampleCoverage(), "hepatitis_a", True),
        (mse.SampleCoverage("low"), "korea", True),
        (mse.SampleCoverage("high"), "korea", False),
        (mse.LogLinear(), "kosovo", False),
    ],
    ids=str,
)
def test_which_totals_are_lower_bounds(estimator: Any, dataset: str, expected: bool) -> None:
    p = estimator.fit(mse.load_dataset(dataset)).population
    assert p.lower_bound is expected
    assert p.to_frame()["lower_bound"].tolist() == [expected]
    assert ("at least" in repr(p)) is expected
    assert sum("lower bound" in each for each in p.warnings) == expected


def test_a_method_has_the_usual_assumptions_with_its_own_on_dependence() -> None:
    own = Method("own", "Lists depend on each other as the moon does.")
    assert own.assumptions[2] == "Lists depend on each other as the moon does."
    assert [each for each in own.assumptions if each not in STANDARD_ASSUMPTIONS] == [
        own.dependence
    ]


def test_an_answer_carries_what_is_declared() -> None:
    class Declared:
        method = Method("declared", references=("B (2000).", "A (1990)."), lower_bound=LOWER_BOUND)

    p = answer(Declared(), KOSOVO, 10.0, "boundary", "finite", "On the edge.", warnings=["Last."])
    assert p.warnings == ("On the edge.", LOWER_BOUND, "Last.")
    assert (p.method, p.references, p.lower_bound) == ("declared", ("B (2000).", "A (1990)."), True)
    assert publications([p]) == ("A (1990).", "B (2000).")
    none = answer(Declared(), KOSOVO, 10.0, "not_estimable", "zero", "Nobody.")
    assert none.warnings == ()


def test_publications_are_those_of_the_method_and_of_the_interval() -> None:
    p = mse.LogLinear().fit(KOSOVO).population
    assert any("Cormack, R. M. (1992)" in each for each in publications([p]))
    drawn = mse.bootstrap(mse.LogLinear(), KOSOVO, 30, seed=1)
    assert not any("Cormack" in each for each in publications([drawn]))
    assert any("Silverman, B. W., Chan, L." in each for each in publications([drawn]))
    by_steps = mse.LogLinearSearch("pvalue", "stepwise").fit(KOSOVO).population
    assert any("Chan, L." in each for each in by_steps.references)


def test_files_from_before_are_read() -> None:
    p = CHAO.fit(KOSOVO).population
    data = p.to_dict()
    validator("population").validate(data)
    assert mse.PopulationEstimate.from_dict(data).lower_bound
    older = {key: value for key, value in data.items() if key not in ("lower_bound", "references")}
    validator("population").validate(older)
    back = mse.PopulationEstimate.from_json(json.dumps(older))
    assert (back.total, back.lower_bound, back.references) == (p.total, False, ())


def test_a_bound_stays_one_under_rules_of_disclosure() -> None:
    p = CHAO.fit(KOSOVO).population
    safe = mse.disclosure.protect(p, mse.disclosure.rules("cbs"))
    assert safe.lower_bound
    assert "(at least), point" in safe.summary()
    assert safe.to_dict()["references"] == p.to_dict()["references"]


def test_strata_of_a_bound_are_bounds() -> None:
    table = mse.load_dataset("spina_bifida")
    p = mse.LogLinear("S1*S2 + S3 + ethnicity").fit(table).population
    assert "ESTIMATED, 95%" in p.summary()
    assert "ESTIMATED (AT LEAST), 95%" in replace(p, lower_bound=True).summary()


@pytest.mark.plot
def test_pictures_point_to_the_right_of_a_bound() -> None:
    ax = mse.compare(KOSOVO, [CHAO, mse.LogLinear()]).plot()
    points = [line for line in ax.lines if line.get_gid() == "point"]
    assert [line.get_marker() for line in points] == [">", "o"]
    said = [each.get_text() for each in ax.texts if each.get_gid() == "figures"]
    assert ["(at least " in each for each in said] == [True, False]
    single = CHAO.fit(KOSOVO).plot()
    assert sum("(at least " in each.get_text() for each in single.texts) == 2


def test_left_out_lists_and_comparisons_call_it_a_bound() -> None:
    found = mse.sensitivity.leave_one_out(CHAO, KOSOVO)
    assert f"at least {found.whole.total:,.0f}" in found.summary()
    text = flat(mse.compare(KOSOVO, [CHAO, mse.LogLinear()]).summary())
    assert 'Where a total reads "at least", it is a lower bound' in text
    assert "lower bound" not in mse.compare(KOSOVO, [mse.LogLinear()]).summary()


@pytest.mark.parametrize(("language", "said"), [("en", "lower bounds"), ("nl", "ondergrenzen")])
def test_a_monitor_of_bounds_says_so(language: str, said: str) -> None:
    @dataclass(frozen=True)
    class Bound:
        """A log-linear model, declared a lower bound."""

        def fit(self, table: mse.CaptureTable) -> Answered:
            p = mse.LogLinear("a*year + b*year").fit(table).population
            return Answered(self, table, replace(p, lower_bound=True))

    counts = [[[0, 0], [9, 15]], [[8, 17], [14, 13]]]
    table = mse.CaptureTable.from_array(counts, ["a", "b"], {"year": [2014, 2015]})
    found = mse.monitor(table, estimator=Bound(), replicates=20, seed=1, n_jobs=1)
    assert "lower bounds" in found.summary()
    assert said in str(build_report([found], language=language, figures=False))
