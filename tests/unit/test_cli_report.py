"""The command ``mse report``: one command from data to a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mse.cli import app
from tests.json_schemas import validator

RUN = CliRunner()

ROWS = """police,care,border,year,n
1,0,0,2023,410
0,1,0,2023,120
0,0,1,2023,55
1,1,0,2023,40
1,0,1,2023,9
0,1,1,2023,6
1,1,1,2023,3
1,0,0,2024,450
0,1,0,2024,130
1,1,0,2024,44
"""
QUICK = ("--replicates", "100", "--seed", "1", "--no-figures")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*args: object, status: int = 0, stdin: str | None = None) -> Any:
    result = RUN.invoke(app, ["report", *map(str, args)], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def facts(path: str) -> dict[str, Any]:
    """Figures of the first screen, by name."""
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    validator("report").validate(data)
    block = next(each for each in data["sections"][0]["blocks"] if each["type"] == "facts")
    return {row["name"]: row["value"] for row in block["rows"]}


def test_a_bundled_dataset_in_one_command() -> None:
    assert (
        run("korea", *QUICK[:-1]).stdout
        == "the report is in korea-report.html and its workbook in korea-report.xlsx\n"
    )
    text = Path("korea-report.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "is the estimated total (95% interval)" in text
    assert text.count("data:image/svg+xml") >= 6


def test_an_own_file_in_one_command() -> None:
    Path("my.csv").write_text(ROWS, encoding="utf-8")
    found = run("my.csv", *QUICK)
    for words in ("lists: police, care, border", "persons: the column n", "not used: year"):
        assert words in found.stderr
    assert found.stdout == "the report is in my-report.html and its workbook in my-report.xlsx\n"
    text = Path("my-report.html").read_text(encoding="utf-8")
    assert "1,267 of them are registered" in text


def test_covariates_population_and_dutch() -> None:
    Path("my.csv").write_text(ROWS, encoding="utf-8")
    options = ("--about", "vermoedelijke slachtoffers", "--when", "2023-2024")
    named = ("--covariates", "year", "--language", "nl", "--format", "md")
    run("my.csv", *named, *options, "--data-source", "eigen telling", *QUICK)
    text = Path("my-report.md").read_text(encoding="utf-8")
    assert "# Geschat aantal vermoedelijke slachtoffers, 2023-2024" in text
    assert "**Geschat naar year**" in text
    assert "eigen telling" in text


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_standard_output(form: str) -> None:
    rows = "a,b,n\n1,0,41\n0,1,28\n1,1,12\n"
    out = run("-", "--format", form, "-o", "-", *QUICK, stdin=rows).stdout
    assert out.startswith({"html": "<!DOCTYPE", "md": "# ", "json": "{"}[form])


def test_the_suffix_of_the_output_says_the_form() -> None:
    run("korea", "--output", "out.json", *QUICK)
    assert facts("out.json")["Registered, on at least one list"] == 123


def test_rows_of_persons_need_no_count() -> None:
    rows = "id,a,b,sex\n" + "p1,1,0,f\n" * 41 + "p2,0,1,m\n" * 28 + "p3,1,1,f\n" * 12
    Path("persons.csv").write_text(rows, encoding="utf-8")
    said = run("persons.csv", "-o", "out.json", *QUICK).stderr
    assert "persons: one row each" in said
    assert "not used: id, sex" in said
    assert facts("out.json")["Registered, on at least one list"] == 81
    assert "p1" not in Path("out.json").read_text(encoding="utf-8")


def test_a_column_of_counts_under_another_name_is_asked_for() -> None:
    Path("my.csv").write_text("a,b,persons\n1,0,41\n0,1,28\n1,1,12\n", encoding="utf-8")
    said = run("my.csv", *QUICK, status=2).stderr
    assert "--count persons" in said
    assert not Path("my-report.html").exists()


def test_columns_that_cannot_be_told_apart_are_asked_for() -> None:
    Path("my.csv").write_text("x,y,n\n2,3,41\n4,5,6\n", encoding="utf-8")
    said = run("my.csv", *QUICK, status=2).stderr
    assert "Name the list columns with --lists; the columns are: x, y, n" in said


def test_a_constant_column_is_no_list() -> None:
    rows = "all,a,b,n\n1,1,0,41\n1,0,1,28\n1,1,1,12\n"
    Path("my.csv").write_text(rows, encoding="utf-8")
    said = run("my.csv", *QUICK).stderr
    assert "lists: a, b (" in said
    assert "all the same in every row" in said


def test_named_lists_are_taken_at_their_word() -> None:
    Path("my.csv").write_text(ROWS, encoding="utf-8")
    options = ("--lists", "police,care", "--covariates", "year", "--count", "n")
    said = run("my.csv", *options, *QUICK, status=2).stderr
    assert "duplicate" in said


def test_further_estimators_stand_beside_the_usual_ones() -> None:
    named = ("--estimator", "SampleCoverage('low')", "--estimator", "LogLinear('main')")
    run("korea", *QUICK, *named, "-o", "r.md", "--language", "nl")
    text = Path("r.md").read_text(encoding="utf-8")
    table = text.partition("### Andere ")[2].partition("\n### ")[0]
    assert ". steekproefdekking |" in table
    assert "| ten minste " in table
    assert table.count(". onafhankelijke lijsten |") == 1


def test_nothing_estimable_is_status_3_and_a_report() -> None:
    Path("apart.csv").write_text("a,b,c,n\n1,0,0,5\n0,1,0,6\n0,0,1,7\n", encoding="utf-8")
    said = run("apart.csv", *QUICK, status=3).stderr
    assert "nothing is estimable" in said
    assert "No total can be estimated" in Path("apart-report.html").read_text(encoding="utf-8")


def test_disclosure_rules_by_name_and_file() -> None:
    run("diabetes", "-o", "cbs.json", "--disclosure", "cbs", *QUICK)
    assert facts("cbs.json")["Registered, on at least one list"] == 2070
    Path("office.toml").write_text("base = 100\n", encoding="utf-8")
    run("korea", "-o", "office.json", "--disclosure", "office.toml", *QUICK)
    assert facts("office.json")["Registered, on at least one list"] == 100


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--language", "xx"), "no catalogue"),
        (("--disclosure", "cbz"), "cbs"),
        (("-o", "report.pdf"), ".html, .md, .json or .xlsx"),
        (("--level", "2"), "between 0 and 1"),
        (("--estimator", "Chapmann()"), "Did you mean Chapman?"),
        (("--estimator", "Chapman()"), "is for two lists"),
    ],
)
def test_wrong_options_are_found_before_the_work(options: tuple[str, str], words: str) -> None:
    said = run("korea", *options, status=2).stderr
    assert words in said
    assert "estimating" not in said


def test_synthetic_data_stay_labeled() -> None:
    rows = "synthetic,a,b,n\nyes,1,0,41\nyes,0,1,28\nyes,1,1,12\n"
    Path("my.csv").write_text(rows, encoding="utf-8")
    run("my.csv", *QUICK)
    assert "SYNTHETIC" in Path("my-report.html").read_text(encoding="utf-8")
