"""Persons with covariates of their own, from files, at the command line, in checks, validation and reports."""

from __future__ import annotations

import json
import math
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app
from mse.data.codings import Entries, decimal_numbers
from mse.reporting import build_report
from mse.reporting.context import gather
from mse.reporting.usual import usual_results

if TYPE_CHECKING:
    from pathlib import Path

LISTS = ["police", "kmar", "care"]


@cache
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    age = rng.normal(30, 8, 900).round(1)
    data = {
        name: (rng.random(900) < 1 / (1 + np.exp(-(a + 0.05 * (age - 30))))).astype(int)
        for name, a in zip(LISTS, (-0.3, -0.6, -0.8), strict=True)
    }
    drawn = pd.DataFrame(data).assign(age=age, sex=rng.choice(["f", "m"], 900))
    return drawn[drawn[LISTS].any(axis=1)].reset_index(drop=True)


@cache
def table() -> mse.PersonTable:
    return mse.PersonTable.from_frame(frame(), LISTS, ["age", "sex"])


@pytest.fixture
def rows(tmp_path: Path) -> str:
    frame().to_csv(tmp_path / "rows.csv", index=False)
    return str(tmp_path / "rows.csv")


READ: dict[str, Any] = {"lists": LISTS, "covariates": ["age", "sex"], "individual": True}


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


# Reading -----------------------------------------------------------------------------------------


def test_a_file_gives_the_table_of_its_frame(rows: str) -> None:
    assert mse.read(rows, **READ) == table()
    found = mse.Reading.of(rows, **READ)
    assert "age: a number of each person" in found.summary()
    assert "sex: 'f', 'm'" in found.summary()
    again = mse.Reading.of(rows, found.options)
    assert again.table == table()


def test_registrations_give_the_same_table() -> None:
    long = frame().reset_index(names="id").melt(["id", "age", "sex"], LISTS, "register", "on")
    told = {"person": "id", "register": "register", "lists": LISTS, "covariates": ["age", "sex"]}
    assert mse.read(long[long["on"] == 1], individual=True, **told) == table()


def test_a_period_is_a_category_and_rows_of_a_person_that_disagree_are_missing() -> None:
    text = b"id;from;age;year\n1;a;17,5;2014\n1;b;17,5;2014\n2;b;20;2015\n3;a;31;2015\n"
    told = {"person": "id", "register": "from", "covariates": ["age"], "period": "year"}
    found = mse.read(text, individual=True, **told)
    assert found.levels == {"year": (2014, 2015)}
    assert sorted(found.covariates["age"]) == [17.5, 20, 31]
    with (
        pytest.warns(mse.InconsistentRecordsWarning),
        pytest.raises(mse.InvalidTableError, match="missing of 1 of 3 persons"),
    ):
        mse.read(text.replace(b"b;17,5", b"b;18"), individual=True, **told)


def test_rows_of_one_person_become_one() -> None:
    text = b"id,a,b,age\n1,1,0,20\n1,0,1,20\n2,1,0,30\n3,0,1,5\n"
    found = mse.read(text, person="id", lists=["a", "b"], covariates=["age"], individual=True)
    assert found.n_observed == 3
    assert found.counted().counts.tolist() == [[0, 1], [1, 1]]


def test_words_of_lists_and_cases_are_read() -> None:
    text = b"politie;zorg;leeftijd;zaak\nja;nee;17,5;a\nnee;ja;31,0;b\nja;ja;22;b\n"
    found = mse.read(text, individual=True, covariates=["leeftijd"], case="zaak")
    assert sorted(found.covariates["leeftijd"]) == [17.5, 22, 31]
    assert (found.cluster, len(np.unique(found.clusters))) == ("zaak", 2)


def test_categories_that_are_numbers_are_named(rows: str) -> None:
    found = mse.read(rows, **READ, categorical=["age"])
    assert "age" in found.levels


@pytest.mark.parametrize(
    ("text", "told", "match"),
    [
        ("a,b,n\n1,0,4\n0,1,5\n1,1,2\n", {"count": "n"}, "persons or their registrations"),
        ("a,b,x\n1,0,4\n0,1,5\n1,1,\n", {"covariates": ["x"]}, "missing of 1 of 3 persons"),
        ("a,b,x\n1,0,4\n0,1,5\n1,1,old\n", {"covariates": ["x"]}, "numbers in some rows"),
        ("a;b;x\n1;0;1.250\n0;1;2.500\n1;1;3\n", {"covariates": ["x"]}, "thousands or before dec"),
        ("a,b,x\n1,0,4\n0,1,5\n0,0,2\n1,1,3\n", {"covariates": ["x"]}, "on no list"),
    ],
)
def test_what_is_not_certain_is_asked(text: str, told: dict[str, Any], match: str) -> None:
    with pytest.raises(mse.InvalidTableError, match=match):
        mse.read(text.encode(), lists=["a", "b"], individual=True, **told)


def test_an_identifier_is_no_category() -> None:
    named = frame().assign(name=[f"person {i}" for i in range(len(frame()))])
    with pytest.raises(mse.InvalidTableError, match="as an identifier of persons") as error:
        mse.PersonTable.from_frame(named, LISTS, ["name"])
    assert "person 1" not in str(error.value)


@pytest.mark.parametrize(
    ("texts", "delimiter", "expected"),
    [
        (["1.250", "0.500"], ";", {"1.250": 1.25, "0.500": 0.5}),
        (["1.250", "2.500"], ",", {"1.250": 1.25, "2.500": 2.5}),
        (["1,250", "2,500"], ";", {"1,250": 1.25, "2,500": 2.5}),
        (["1,250", "2,500"], ",", "ambiguous"),
        (["1.250,5", "2"], ";", {"1.250,5": 1250.5, "2": 2.0}),
        (["1e-3", "-2.5"], ",", {"1e-3": 0.001, "-2.5": -2.5}),
        (["12", "<5"], ",", "mixed"),
        (["0-17", "18-24"], ",", "words"),
        (["0363", "0599"], ",", "words"),
        (["0363", "1680"], ",", "mixed"),
        ([], ",", "words"),
    ],
)
def test_marks_before_decimals(texts: list[str], delimiter: str, expected: object) -> None:
    assert decimal_numbers(texts, Entries(delimiter=delimiter)) == expected


def test_what_is_not_known_is_no_number() -> None:
    found = decimal_numbers(["3", "onbekend", ""], Entries())
    assert math.isnan(found["onbekend"])
    assert math.isnan(found[""])


def test_counts_of_one_register_have_numbers_with_decimals_too() -> None:
    text = b"times,age\n1,1.750\n2,2.250\n3,22\n"
    found = mse.read(text, times_seen="times", covariates=["age"])
    assert [each for each in found.columns.values() if hasattr(each, "levels")] == []
    with pytest.raises(mse.InvalidTableError, match="numbers in some rows"):
        mse.read(text + b"1,<2\n", times_seen="times", covariates=["age"])


# Answers -----------------------------------------------------------------------------------------


def test_an_estimate_needs_an_estimator_that_is_named() -> None:
    estimator = mse.HugginsAlho("age + sex")
    named = mse.estimate(table(), estimator=estimator)
    own = estimator.fit(table()).population
    assert named.interval() == own.interval()
    drawn = mse.estimate(
        table(), estimator=estimator, interval="percentile", replicates=100, seed=1
    )
    assert drawn.total == own.total
    assert drawn.interval() != own.interval()
    with pytest.raises(mse.ModelError, match=r"HugginsAlho\('age \+ sex'\)"):
        mse.estimate(table())


def test_all_estimators_are_those_of_lists_and_of_persons() -> None:
    compared = mse.compare(table(), "all").to_frame()
    assert {"LogLinear('main')", "HugginsAlho('age + sex')", "DoublyRobust('age + sex')"} <= {
        *compared.index
    }


def test_checks_look_at_the_lists_and_at_the_estimate() -> None:
    fit = mse.HugginsAlho("age").fit(table())
    found = {each.name: each.passed for each in mse.diagnostics.check(table(), fit)}
    lists = {each.name: each.passed for each in mse.diagnostics.check(table().counted())}
    assert found == lists | {"the data determine an estimate": True}
    other = mse.HugginsAlho("age").fit(table().keep_lists(LISTS[:2]))
    with pytest.raises(mse.ModelError, match="another table"):
        mse.diagnostics.check(table(), other)


def test_each_list_is_a_population_of_known_size() -> None:
    estimators = [mse.HugginsAlho("age"), mse.HugginsAlho(), mse.LogLinear("main")]
    found = mse.validate(table(), estimators).to_frame()
    lists = mse.validate(table().counted(), [mse.LogLinear("main")]).to_frame()
    assert found["estimate"][6:].tolist() == lists["estimate"].tolist()
    for name in LISTS:
        truth, *own = found[found["list"] == name][["truth", "estimate"]].iloc[0]
        on = frame()[frame()[name] == 1]
        others = [each for each in LISTS if each != name]
        seen = mse.PersonTable.from_frame(on[on[others].any(axis=1)], others, ["age"])
        assert truth == len(on)
        expected = mse.HugginsAlho("age").fit(seen).population.total
        assert own == [pytest.approx(expected, rel=1e-9)]


def test_a_report_puts_estimators_of_persons_beside_the_answer() -> None:
    found = usual_results(table(), replicates=100, seed=1, progress=False)
    of_lists = mse.estimate(table().counted(), replicates=100, seed=1, progress=False)
    assert found[0].interval() == of_lists.interval()
    text = build_report(found, figures=False).to_dict()
    assert "Huggins-Alho" in json.dumps(text)
    # One answer: estimators of persons are of the same persons, and not of another table.
    (group,) = gather(found).groups
    assert {"HugginsAlho", "DoublyRobust", "LogLinear"} <= {
        each.estimator.partition("(")[0] for each in group.estimates
    }


# The command line --------------------------------------------------------------------------------


def test_an_estimator_of_persons_is_given_persons(rows: str) -> None:
    asked = ["--lists", ",".join(LISTS), "--covariates", "age,sex"]
    told = run("estimate", rows, *asked, "--estimator", "HugginsAlho('age')", "--format", "json")
    assert told.exit_code == 0, told.output
    expected = mse.HugginsAlho("age").fit(table()).population.total
    assert json.loads(told.stdout)["total"] == pytest.approx(expected)
    both = ["--estimator", "DoublyRobust('age')", "--estimator", "LogLinear('main')"]
    compared = run("compare", rows, *asked, *both, "--format", "csv")
    assert compared.exit_code == 0, compared.output
    assert len(compared.stdout.strip().splitlines()) == 3


def test_without_an_estimator_it_is_asked(rows: str) -> None:
    asked = ["--lists", ",".join(LISTS), "--covariates", "age,sex", "--individual"]
    told = run("estimate", rows, *asked)
    assert told.exit_code == 2
    assert "HugginsAlho('age + sex')" in told.output


def test_a_monitor_is_of_lists(rows: str) -> None:
    asked = ["--lists", ",".join(LISTS), "--period", "sex", "--individual"]
    told = run("monitor", rows, *asked)
    assert told.exit_code == 2
    assert "is a PersonTable, and a CaptureTable of overlapping lists is expected" in " ".join(
        told.output.split()
    )


def test_what_is_missing_is_told_as_the_command_line_can_mend_it(tmp_path: Path) -> None:
    lacking = frame().assign(age=frame()["age"].where(np.arange(len(frame())) > 6))
    lacking.to_csv(tmp_path / "rows.csv", index=False)
    asked = ["--lists", ",".join(LISTS), "--covariates", "age"]
    told = run("estimate", str(tmp_path / "rows.csv"), *asked, "--estimator", "HugginsAlho('age')")
    assert told.exit_code == 2
    assert "missing of 7 of" in " ".join(told.output.split())
    assert "Leave these persons out of the file" in " ".join(told.output.split())


def test_under_rules_small_categories_do_not_show(rows: str, tmp_path: Path) -> None:
    few = frame().assign(sex=["x" if i < 4 else "m" for i in range(len(frame()))])
    few.to_csv(rows, index=False)
    asked = ["--lists", ",".join(LISTS), "--covariates", "age,sex", "--disclosure", "cbs"]
    asked += ["--private", str(tmp_path / "inside.bundle"), "--format", "json"]
    told = run("estimate", rows, *asked, "--estimator", "HugginsAlho('age + sex')")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["total"] is not None
    assert all(each["observed"] is None for each in found["strata"]["cells"])


def test_a_table_read_is_read_already() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mse.read(table()) is table()


def test_persons_of_a_level() -> None:
    women = table().where(sex="f")
    assert women == mse.PersonTable.from_frame(
        frame()[frame()["sex"] == "f"], LISTS, ["age", "sex"]
    )
    assert women.levels == {"sex": ("f",)}
    assert women.info.scope == "sex: f"
    assert table().where(sex=["f", "m"]) == table()
    with pytest.raises(mse.InvalidTableError, match="no level of 'sex' 'x'"):
        table().where(sex="x")
    with pytest.raises(mse.InvalidTableError, match="no covariate with categories 'age'"):
        table().where(age=30)


def test_a_year_in_one_file_takes_persons(
    rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["--lists", ",".join(LISTS), "--covariates", "age,sex", "--individual"]
    assert run("init", rows, *asked, "-o", "year.toml").exit_code == 0
    path = tmp_path / "year.toml"
    said = path.read_text().replace("replicates = 1000", "replicates = 100")
    said = said.replace("[method]", "[method]\nestimators = [\"HugginsAlho('age')\"]")
    path.write_text(said.replace("figures = true", "figures = false"))
    told = run("run", "year.toml")
    assert told.exit_code == 0, told.output
    assert "Huggins-Alho" in (tmp_path / "results" / "report.html").read_text()
    assert run("verify", "results").exit_code == 0
