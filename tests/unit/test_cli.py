"""The command line: input, output, exit status."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from io import StringIO
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import mse
from mse.cli import app
from tests.json_schemas import validator

if TYPE_CHECKING:
    from pathlib import Path

RUN = CliRunner()

ROWS = """P,Q,E,n
1,0,0,69
0,1,0,55
0,0,1,63
1,1,0,21
1,0,1,17
0,1,1,18
1,1,1,28
"""

#: Three lists that share nobody.
APART = "a,b,c,n\n1,0,0,5\n0,1,0,6\n0,0,1,7\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "hepatitis.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def flat(text: str) -> str:
    return " ".join(text.split())


def run(*args: object, status: int = 0, stdin: str | None = None) -> str:
    """Run the command and return its standard output, or with another status its errors."""
    result = RUN.invoke(app, [str(arg) for arg in args], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.stdout if status == 0 else result.stderr


# Estimates ---------------------------------------------------------------------------------------


def test_estimate_of_a_dataset_says_what_a_reader_needs() -> None:
    text = run("estimate", "kosovo")
    for part in (
        "4,400",
        "10,356",
        "re-selected in every replicate",
        "selected anew in every replicate",
        "Closed population",
        "BIC",
    ):
        assert part in flat(text) or part in text.lower()
    assert "Ball" in text


def test_estimate_of_a_file_is_that_of_the_table(rows: Path) -> None:
    p = mse.estimate(
        mse.CaptureTable.from_frame(pd.read_csv(rows), lists=["P", "Q", "E"], count="n"), seed=4
    )
    options = ("--lists", "P,Q,E", "--count", "n", "--seed", "4", "--format", "json")
    text = run("estimate", rows, *options)
    data = json.loads(text)
    validator("population").validate(data)
    expected = json.loads(p.to_json())
    expected["provenance"]["seed"] = 4
    assert data == expected


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_one_row_per_person(tmp_path: Path, suffix: str) -> None:
    frame = pd.read_csv(StringIO(ROWS))
    persons = frame.loc[frame.index.repeat(frame["n"]), ["P", "Q", "E"]]
    path = tmp_path / f"persons{suffix}"
    if suffix == ".csv":
        persons.to_csv(path, index=False)
    else:
        persons.to_parquet(path)
    data = json.loads(run("estimate", path, "--lists", "P, Q, E", "--format", "json"))
    assert data["observed"] == 271


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_standard_input_and_separators(separator: str) -> None:
    text = "\ufeff" + ROWS.replace(",", separator)
    out = run("estimate", "-", "--lists", "P,Q,E", "--count", "n", "--format", "csv", stdin=text)
    frame = pd.read_csv(StringIO(out))
    assert frame.shape[0] == 1
    assert frame.loc[0, "observed"] == 271


def test_one_model(rows: Path) -> None:
    arguments = ["estimate", rows, "--lists", "P,Q,E", "--count", "n", "--format", "json"]
    data = json.loads(run(*arguments, "--model", "main"))
    assert data["model"] == "[1,2,3]"
    assert data["model_range"] is None


def test_a_search_with_settings(rows: Path) -> None:
    arguments = ["estimate", rows, "--lists", "P,Q,E", "--count", "n", "--format", "json"]
    data = json.loads(
        run(*arguments, "--criterion", "aic", "--strategy", "stepwise", "--max-order", 2)
    )
    assert data["provenance"]["estimator"] == repr(
        mse.LogLinearSearch(criterion="aic", strategy="stepwise", max_order=2)
    )


def test_level_seed_and_output_file(rows: Path, tmp_path: Path) -> None:
    target = tmp_path / "estimate.json"
    arguments = ["estimate", rows, "--lists", "P,Q,E", "--count", "n", "--format", "json"]
    assert run(*arguments, "--level", 0.925, "--seed", 7, "--output", target) == ""
    data = json.loads(target.read_text(encoding="utf-8"))
    assert data["provenance"]["seed"] == 7
    assert 0.925 in [row["level"] for row in data["interval"]["levels"]]
    p = mse.PopulationEstimate.from_json(target.read_text(encoding="utf-8"))
    assert p.interval(0.925)[0] > p.interval(0.95)[0]


def test_lists_of_a_dataset_can_be_chosen() -> None:
    data = json.loads(run("estimate", "kosovo", "--lists", "EXH,ABA,HRW", "--format", "json"))
    assert data["lists"] == ["EXH", "ABA", "HRW"]


def test_covariates_of_a_dataset_can_be_chosen() -> None:
    searched = run("estimate", "spina_bifida", "--interval", "profile", "--format", "json")
    assert json.loads(searched)["model"] == "S2*S3 + S1 + ethnicity"
    data = json.loads(run("estimate", "spina_bifida", "--covariates", "", "--format", "json"))
    assert data["observed"] == 621
    data = json.loads(run("estimate", "spina_bifida", "--model", "all two-way", "--format", "json"))
    validator("population").validate(data)
    assert [each["name"] for each in data["strata"]["covariates"]] == ["ethnicity"]


def test_output_holds_no_rows_of_persons(tmp_path: Path) -> None:
    path = tmp_path / "persons.csv"
    path.write_text(
        "name,a,b\nSecret One,1,0\nSecret Two,0,1\nSecret Three,1,1\n", encoding="utf-8"
    )
    for form in ("text", "json", "csv"):
        result = RUN.invoke(app, ["estimate", str(path), "--lists", "a,b", "--format", form])
        assert result.exit_code == 0
        assert "Secret" not in result.output


# Nothing estimable -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_nothing_estimable_is_status_3_with_the_reason(form: str) -> None:
    arguments = ["estimate", "-", "--lists", "a,b,c", "--count", "n", "--format", form]
    result = RUN.invoke(app, [*arguments, "--model", "main"], input=APART)
    assert result.exit_code == 3
    assert result.stderr.startswith("mse: nothing is estimable. ")
    reason = result.stderr.removeprefix("mse: nothing is estimable. ").strip()
    assert len(reason) > 20
    assert reason[:40] in flat(result.stdout)


def test_comparison_of_nothing_estimable_is_status_3() -> None:
    text = run("compare", "-", "--lists", "a,b,c", "--count", "n", status=3, stdin=APART)
    assert "nothing is estimable" in text


# Comparisons and datasets ------------------------------------------------------------------------


def test_compare_by_default_shows_several_methods(rows: Path) -> None:
    out = run("compare", rows, "--lists", "P,Q,E", "--count", "n", "--format", "csv")
    frame = pd.read_csv(StringIO(out))
    assert len(frame) == 6
    assert frame.columns[0] == "estimator"
    text = run("compare", rows, "--lists", "P,Q,E", "--count", "n")
    assert "estimates of the total lie between" in flat(text)


def test_compare_two_lists_shows_the_classics() -> None:
    two = "P,Q,n\n1,0,86\n0,1,73\n1,1,49\n"
    arguments = ["compare", "-", "--lists", "P,Q", "--count", "n", "--format", "csv"]
    frame = pd.read_csv(StringIO(run(*arguments, stdin=two)))
    assert frame["estimator"].tolist()[:2] == ["LincolnPetersen()", "Chapman()"]
    assert frame["total"].round().tolist()[:3] == [336.0, 334.0, 336.0]
    # Drawn from a posterior.
    assert frame["total"][3] == pytest.approx(417, rel=0.03)


def test_compare_chosen_models_and_searches() -> None:
    text = run(
        "compare", "kosovo", "--model", "main", "--model", "[12,34]", "--criterion", "aic",
        "--format", "json", "--seed", 3,
    )  # fmt: skip
    data = json.loads(text)
    validator("comparison").validate(data)
    assert [each["population"]["model"] for each in data["estimates"]][:2] == [
        "[1,2,3,4]",
        "[12,34]",
    ]
    assert data["seed"] == 3


def test_compare_settings_of_a_search_without_a_search() -> None:
    message = run("compare", "kosovo", "--model", "main", "--max-order", 2, status=2)
    assert "--criterion" in message


def test_datasets() -> None:
    text = run("datasets")
    assert "netherlands" in text
    assert "8,234" in text
    assert "by ethnicity" in text
    assert "presumed victims" in text
    rows = json.loads(run("datasets", "--format", "json"))
    assert {"netherlands", "uk", "kosovo"} <= {row["name"] for row in rows}
    frame = pd.read_csv(StringIO(run("datasets", "--format", "csv")))
    assert frame["name"].tolist() == [row["name"] for row in rows]


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["estimate", "nederland"], "Did you mean the dataset 'netherlands'?"),
        (["estimate", "missing.csv", "--lists", "a,b"], "neither a bundled dataset nor a file"),
        (["estimate", "missing.parquet", "--lists", "a,b"], "neither a bundled dataset nor a file"),
        (["estimate", "kosovo", "--model", "[19]"], "9"),
        (["estimate", "kosovo", "--model", "main", "--criterion", "aic"], "leave out one"),
        (["estimate", "kosovo", "--level", "95"], "between 0 and 1"),
        (["estimate", "kosovo", "--count", "n"], "--count is for files"),
        (["estimate", "kosovo", "--lists", "EXH,ABBA"], "ABBA"),
        (["estimate", "kosovo", "--covariates", "year"], "year"),
        (["estimate", "kosovo", "--output", "/no/such/folder/x.json"], "cannot be written"),
        (["compare", "kosovo", "--model", "EXH*"], ""),
    ],
)
def test_bad_input_is_status_2_with_a_message(arguments: list[str], message: str) -> None:
    error = run(*arguments, status=2)
    assert error.startswith("mse: ")
    assert message in flat(error)
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("a,b,n\n1,0,-5\n0,1,3\n", "negative"),
        ("a,b,n\n1,0,2.5\n0,1,3\n", "2.5"),
        ("a,b,n\n1,0,5\n1,0,3\n0,1,2\n", ""),
        ("a,c,n\n1,0,5\n", "b"),
        ('a,b,n\n1,0,"5\n', ""),
    ],
)
def test_bad_data_are_status_2_with_a_message(text: str, message: str) -> None:
    error = run("estimate", "-", "--lists", "a,b", "--count", "n", status=2, stdin=text)
    assert error.startswith("mse: ")
    assert message in error


def test_lists_must_be_named_for_a_file(rows: Path) -> None:
    assert "columns of" in run("estimate", rows, status=2)
    assert "3 columns" in run("estimate", rows, "--lists", "P,Q", "--count", "a,b,c", status=2)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00garbage", b"PAR1 is not parquet"], ids=["encoding", "parquet"]
)
def test_unreadable_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("x.parquet" if content.startswith(b"PAR1") else "x.csv")
    path.write_bytes(content)
    assert "cannot be read" in run("estimate", path, "--lists", "a,b", status=2)
    assert "cannot be read" in run("estimate", tmp_path, "--lists", "a,b", status=2)


def test_a_file_that_is_not_there_is_status_2() -> None:
    assert "nowhere.csv" in run("estimate", "nowhere.csv", "--lists", "a,b", status=2)


# As a process ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["estimate", "kosovo", "--interval", "profile", "--format", "json"], 0),
        (["estimate", "kosovo", "--format", "xml"], 2),
        (["estimate", "-", "--lists", "a,b,c", "--count", "n", "--model", "main"], 3),
    ],
    ids=str,
)
def test_exit_status_of_the_process(arguments: list[str], status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mse", *arguments],
        input=APART,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    if status == 0:
        assert json.loads(done.stdout)["total"] == pytest.approx(10356.5, abs=0.1)
    if status == 3:
        assert "nothing is estimable" in done.stderr


# Where lists operated ----------------------------------------------------------------------------

YEARS = """a,b,s,n
1,0,u,4
0,1,u,3
1,1,u,8
1,,v,2
"""
BY_S = ("-", "--lists", "a,b", "--covariates", "s", "--count", "n", "--model", "a + b + s")


@pytest.mark.parametrize(
    ("options", "hidden", "said"),
    [
        ((), 2.25, "That is inferred"),
        (("--operating", "b=everywhere"), 1.5, ""),
        (("--operating", "everywhere"), 1.5, ""),
        (("--operating", "b=u", "--operating", "b=s:v"), 1.5, ""),
        (("--operating", "b=s:u"), 2.25, "b did not operate in s=v, as was said"),
        (("--not-operating", "b=v"), 2.25, "b did not operate in s=v, as was said"),
    ],
)
def test_where_lists_operated(options: tuple[str, ...], hidden: float, said: str) -> None:
    data = json.loads(run("estimate", *BY_S, *options, "--format", "json", stdin=YEARS))
    assert data["hidden"] == pytest.approx(hidden)
    told = [each for each in data["warnings"] if "operat" in each]
    assert (len(told) == 1 and said in told[0]) if said else not told


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("b", "expected a list and where"),
        ("b=x", "Levels are: s: 'u', 'v'"),
        ("b=t:u", "Levels are: s: 'u', 'v'"),
        ("c=everywhere", "There is no list 'c'"),
        ("c=u", "There is no list 'c'"),
    ],
)
def test_where_lists_operated_is_understood_or_refused(option: str, told: str) -> None:
    text = flat(run("estimate", *BY_S, "--operating", option, status=2, stdin=YEARS))
    assert told in text


def test_levels_need_a_covariate(rows: Path) -> None:
    told = run(
        "compare", rows, *["--lists", "P,Q,E", "--count", "n", "--operating", "P=x"], status=2
    )
    assert "there is no covariate" in told


def test_compare_is_told_where_lists_operated() -> None:
    options = (*BY_S, "--operating", "b=everywhere", "--format", "json")
    data = json.loads(run("compare", *options, stdin=YEARS))
    assert data["estimates"][0]["population"]["hidden"] == pytest.approx(1.5)


# What people try first ---------------------------------------------------------------------------


def commands() -> dict[str, Any]:
    return typer.main.get_command(app).commands


def test_version_and_short_help() -> None:
    assert RUN.invoke(app, ["--version"]).stdout == f"mse {mse.__version__}\n"
    for each in ([], ["estimate"]):
        found = [RUN.invoke(app, [*each, name]).stdout for name in ("-h", "--help")]
        assert found[0] == found[1] != ""


def test_every_help_has_an_example_that_names_options_there_are() -> None:
    for name, command in commands().items():
        words = shlex.split(command.epilog.removeprefix("Example: mse "))
        assert words[0] == name
        known = {option for each in command.params for option in each.opts}
        assert {each for each in words if each.startswith("-")} <= known


def test_one_name_for_one_thing() -> None:
    kinds: dict[str, set[str]] = {}
    for command in commands().values():
        for each in command.params:
            for option in each.opts:
                kinds.setdefault(option, set()).add(each.name)
    for option in ("--output", "-o", "--workers", "--n-jobs", "--period", "--seed", "--disclosure"):
        assert len(kinds[option]) == 1, option
    assert all(
        "-o" in option.opts
        for command in commands().values()
        for option in command.params
        if "--output" in option.opts
    )
