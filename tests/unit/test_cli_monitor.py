"""The command `mse monitor`: input, options, output, exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app
from tests.json_schemas import validator

if TYPE_CHECKING:
    from pathlib import Path

RUN = CliRunner()

COUNTS = """a,b,c,year,sex,n
1,0,0,2014,f,40
0,1,0,2014,f,30
0,0,1,2014,f,25
1,1,0,2014,f,9
1,0,1,2014,f,8
0,1,1,2014,m,16
1,0,0,2014,m,35
0,1,0,2014,m,30
0,0,1,2014,m,20
1,0,0,2015,f,60
0,1,0,2015,f,50
0,0,1,2015,f,40
1,1,0,2015,f,12
1,0,1,2015,m,11
0,1,1,2015,m,13
1,0,0,2015,m,44
0,1,0,2015,m,32
0,0,1,2015,m,26
1,1,1,2015,m,3
1,0,0,2016,f,70
0,1,0,2016,m,64
0,0,1,2016,f,50
1,1,0,2016,f,15
1,0,1,2016,m,10
0,1,1,2016,f,12
1,1,1,2016,f,2
"""
OPTIONS = (
    "--lists",
    "a,b,c",
    "--covariates",
    "sex",
    "--count",
    "n",
    "--replicates",
    100,
    "--seed",
    1,
    "--workers",
    1,
)


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    path = tmp_path / "counts.csv"
    path.write_text(COUNTS, encoding="utf-8")
    return path


def run(*args: object, status: int = 0, stdin: str | None = None) -> str:
    """Run the command and return its standard output, or with another status its errors."""
    result = RUN.invoke(app, ["monitor", *map(str, args)], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.stdout if status == 0 else result.stderr


def registrations() -> str:
    """Write the counts as one row for each registration."""
    rows, person = [], 0
    for row in pd.read_csv(StringIO(COUNTS)).to_dict(orient="records"):
        for _ in range(row["n"]):
            person += 1
            rows += [
                {"id": f"p{person}", "source": name, "year": row["year"], "sex": row["sex"]}
                for name in "abc"
                if row[name]
            ]
    return pd.DataFrame(rows).to_csv(index=False)


def test_text_of_a_file(counts: Path) -> None:
    text = run(counts, "--groups", "sex", *OPTIONS)
    for part in ("IS IT RISING?", "WHAT SHARE DO WE SEE?", "BY SEX", "2014 to 2016"):
        assert part in text


def test_json_is_that_of_the_library(counts: Path) -> None:
    data = json.loads(run(counts, "--groups", "sex", *OPTIONS, "--format", "json"))
    validator("monitor").validate(data)
    table = mse.CaptureTable.from_frame(
        pd.read_csv(counts), ["a", "b", "c"], ["year", "sex"], count="n"
    )
    found = mse.monitor(table, groups=["sex"], replicates=100, seed=1)
    assert data == json.loads(found.to_json())


def test_csv(counts: Path, tmp_path: Path) -> None:
    target = tmp_path / "figures.csv"
    arguments = [counts, "--groups", "sex", *OPTIONS, "--format", "csv"]
    assert run(*arguments, "--output", target) == ""
    frame = pd.read_csv(target)
    assert len(frame) == 3 + 6 + 2
    assert frame["period"].dropna().unique().tolist() == [2014, 2015, 2016]
    changes = pd.read_csv(StringIO(run(*arguments, "--changes")))
    assert len(changes) == 3 * 3
    assert changes.columns[:4].tolist() == ["first", "last", "group", "group_level"]
    assert changes["rise"].between(0, 1).all()


def test_places(counts: Path, tmp_path: Path) -> None:
    """Sex stands for the place: the columns, regions and words are those of places."""
    regions = tmp_path / "regions.csv"
    regions.write_text("sex,region\nf,north\nm,south\n", encoding="utf-8")
    table = ("--lists", "a,b,c", "--count", "n", "--replicates", 100, "--seed", 1, "--workers", 1)
    asked = (counts, "--place", "sex", "--regions", regions, "--estimator", "joint", *table)
    text = run(*asked)
    for part in ("PLACES: SEX", "BY REGION", "north", "DO NOT SAY"):
        assert part in text
    frame = pd.read_csv(StringIO(run(*asked, "--format", "csv", "--places")))
    assert len(frame) == 2 * (3 + 1)
    assert {"sex", "region", "year", "registered", "low", "high", "total"} <= set(frame)
    error = run(*asked, "--format", "csv", "--places", "--disclosure", "cbs", status=2)
    assert "no --disclosure" in error
    assert "expected --place" in run(counts, *OPTIONS, "--places", status=2)


def test_registrations_make_the_same_table(counts: Path) -> None:
    persons = ("--person", "id", "--register", "source", "--groups", "sex")
    settings = ("--replicates", 100, "--seed", 1, "--workers", 1, "--format", "json")
    data = json.loads(run("-", *persons, *settings, stdin=registrations()))
    other = json.loads(run(counts, "--groups", "sex", *OPTIONS, "--format", "json"))
    assert data["lists"] == ["a", "b", "c"]
    assert data["cells"] == other["cells"]
    assert "p17" not in json.dumps(data)


def test_rates(counts: Path, tmp_path: Path) -> None:
    path = tmp_path / "inhabitants.csv"
    path.write_text("year,population\n2014,1000000\n2015,1100000\n2016,1200000\n", encoding="utf-8")
    out = run(counts, *OPTIONS, "--inhabitants", path, "--format", "csv")
    frame = pd.read_csv(StringIO(out))
    assert frame["rate"].to_list() == pytest.approx(
        (frame["total"] / frame["population"] * 1e5).to_list()
    )


def test_a_scope_break(counts: Path) -> None:
    data = json.loads(run(counts, *OPTIONS, "--scope-break", "2016=newer", "--format", "json"))
    validator("monitor").validate(data)
    assert [each["scope"] for each in data["periods"]] == ["before 2016", "before 2016", "newer"]
    assert [each["status"] for each in data["changes"]] == ["ok", "across_scopes", "across_scopes"]
    arguments = (counts, *OPTIONS, "--scope-break", 2016, "--across-scopes", "--format", "json")
    data = json.loads(run(*arguments))
    assert {each["status"] for each in data["changes"]} == {"ok"}


def test_a_scope_column(tmp_path: Path) -> None:
    frame = pd.read_csv(StringIO(COUNTS))
    frame["rules"] = ["older" if year < 2015 else "newer" for year in frame["year"]]
    path = tmp_path / "scopes.csv"
    frame.to_csv(path, index=False)
    data = json.loads(run(path, *OPTIONS, "--scope-column", "rules", "--format", "json"))
    assert data["breaks"] == [[2014, 2015]]


def test_trend_model_and_criterion(counts: Path) -> None:
    def said(*arguments: object) -> str:
        data = json.loads(run(counts, *OPTIONS, *arguments, "--format", "json"))
        return str(data["provenance"]["estimator"])

    assert "trend={'year': 1}" in said("--trend", "year=1", "--criterion", "aic")
    assert "criterion='aic'" in said("--trend", "year=1", "--criterion", "aic")
    assert said("--model", "a*year + b + c + sex").startswith(
        "LogLinear(model='a*year + b + c + sex'"
    )


def test_of_a_dataset() -> None:
    arguments = ("--period", "region", "--groups", "sex", "--replicates", 100, "--workers", 1)
    text = run("scotland_pwid", *arguments, "--seed", 1)
    assert "GGC to Rest" in text


def test_nothing_estimable_is_status_3() -> None:
    rows = "a,b,year,n\n1,0,2014,5\n0,1,2014,6\n1,0,2015,5\n0,1,2015,7\n"
    arguments = ("-", "--lists", "a,b", "--count", "n", "--model", "a*year + b*year")
    assert "nothing is estimable" in run(*arguments, "--replicates", 100, status=3, stdin=rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scope-break", "1999"), "'1999' is no year in the table"),
        (("--scope-break", "2016", "--scope-column", "sex"), "leave out one"),
        (("--trend", "year"), "expected a covariate and a degree"),
        (("--period", "yaer"), "yaer"),
        (("--model", "main", "--criterion", "aic"), "leave out one"),
        (("--criterion", "pvalue"), "covariates"),
        (("--level", "95"), "level"),
        (("--person", "id"), "--person is given without --register"),
        (("--register", "source"), "--register is given without --person"),
        (("--person", "id", "--register", "source"), "--count is for tables of counts"),
        (("--groups", "sex", "--scope-column", "sex"), "a group and the scope"),
        (("--inhabitants", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_bad_input_is_status_2(counts: Path, arguments: tuple[str, ...], message: str) -> None:
    found = run(counts, *OPTIONS, *arguments, status=2)
    assert message in " ".join(found.split())


def mse_command(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mse", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PIPED = ("--person", "pseudonym", "--register", "register", "--period", "year")


def simulated(*options: str) -> str:
    """Registrations of made-up persons, as the command writes them."""
    made_up = RUN.invoke(app, ["simulate", "netherlands", *options, "--seed", "1"])
    assert made_up.exit_code == 0, made_up.stderr
    return made_up.stdout


def test_pipe_from_the_simulation() -> None:
    made_up = mse_command("simulate", "netherlands", "--years", "2014-2015", "--seed", "1")
    few = ("--replicates", "100", "--seed", "1", "--workers", "1")
    text = mse_command("monitor", "-", *PIPED, *few, stdin=made_up)
    assert "SYNTHETIC" in text
    assert "SYN-" not in text
    assert "2014 to 2015" in text


def test_pipe_from_the_simulation_needs_no_options() -> None:
    made_up = simulated("--years", "2014-2015")
    few = ("--replicates", "100", "--seed", "1", "--workers", "1", "--format", "csv")
    by_name = run("-", *PIPED, *few, stdin=made_up)
    assert run(*few, stdin=made_up) == by_name
    assert len(pd.read_csv(StringIO(by_name))) == 2


def test_other_input_without_options_is_asked_about() -> None:
    assert "Name the list columns with --lists" in run(stdin=COUNTS, status=2)
    assert "columns of - are: a, b, c, year" in " ".join(run("-", stdin=COUNTS, status=2).split())


@pytest.mark.fixed_seed  # a world in which somebody was registered all the same
def test_pipe_with_lists_that_dropped_out_and_missing_covariates() -> None:
    made_up = simulated("--dropout", "--missing", "0.05", "--years", "2017-2018")
    silent = ("residential_care", "regional_coordinators", "others")
    options = [part for name in silent for part in ("--not-operating", f"{name}=2018")]
    # The search of such tables is that of `test_faults_monitor.py`.
    others = "border_police + inspectorate + residential_care + regional_coordinators + others"
    text = run(
        *("-", *PIPED, *options, "--groups", "sex", "--format", "json"),
        *("--model", f"police*year + {others} + sex"),
        *("--replicates", "100", "--seed", "1", "--workers", "1"),
        stdin=made_up,
    )
    data = json.loads(text)
    validator("monitor").validate(data)
    assert [each["period"] for each in data["periods"]] == [2017, 2018]
    told = "residential_care did not operate in year=2018, as was said"
    assert any(told in note for note in data["warnings"])


def test_a_list_that_did_not_operate(counts: Path) -> None:
    model = "a*year + b + c + sex"
    arguments = ("--not-operating", "c=2015,2016", "--model", model, "--format", "json")
    text = run(counts, *OPTIONS, *arguments)
    table = mse.CaptureTable.from_frame(
        pd.read_csv(counts), ["a", "b", "c"], ["year", "sex"], count="n"
    )
    with pytest.warns(mse.MSEWarning, match="set aside"):
        table = table.not_operating("c", year=[2015, 2016])
    found = mse.monitor(table, estimator=mse.LogLinear(model), replicates=100, seed=1)
    assert json.loads(text)["cells"] == json.loads(found.to_json())["cells"]
    for wrong, told in (("c", "expected"), ("c=2013", "expected"), ("d=2015", "no list 'd'")):
        assert told in run(counts, *OPTIONS, "--not-operating", wrong, status=2)


# Late reports ------------------------------------------------------------------------------------

DATED = (
    *("--person", "pseudonym", "--register", "register", "--period", "year", "--date", "date"),
    *("--received", "received", "--model", "police*year + care*year + other*year"),
    *("--replicates", "100", "--seed", "1", "--workers", "1"),
)


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lists = {"police": 0.25, "care": 0.2, "other": 0.15}
    years = {"year": {2014: 0.5, 2015: 0.5}}
    world = mse.simulate.population(lists, 3000, covariates=years, late=True)
    path = tmp_path_factory.mktemp("late") / "registrations.csv"
    world.draw(1).records.to_csv(path, index=False)
    return path


def test_the_last_periods_are_completed_after_a_date(dated: Path) -> None:
    data = json.loads(run(dated, *DATED, "--as-of", "2015-12-31", "--format", "json"))
    assert not list(validator("monitor").iter_errors(data))
    (late,) = data["late"]["periods"]
    assert (late["period"], data["late"]["as_of"]) == (2015, "2015-12-31")
    assert late["expected"]["point"] > 1.2 * late["observed"]
    text = run(dated, *DATED, "--as-of", "2015-12-31", "--not-in", "care=2015")
    assert "2015 (preliminary)" in text
    assert "nothing of care is in yet" in " ".join(text.split())
    assert "HOW FIGURES MOVED" not in text


def test_several_dates_show_how_figures_moved(dated: Path) -> None:
    # In the order of time, however they are written.
    dates = ("--as-of", "2016-12-31", "--as-of", "31 December 2015", "--as-of", "2016-12-31")
    text = run(dated, *DATED, *dates)
    assert "no figure is preliminary" in " ".join(text.split())
    moved = text.split("HOW FIGURES MOVED")[1]
    assert "2015, as of 2015-12-31: between" in moved
    # Under rules it is told whether they held, and no figure.
    text = run(dated, *DATED, *dates, "--disclosure", "cbs").split("HOW FIGURES MOVED")[1]
    assert "2015, as of 2015-12-31: figures are not shown" in text
    assert "No figure of two dates is shown" in " ".join(text.split())
    assert "point estimate" not in text


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--not-in", "care=2015"], "name it with --as-of"),
        (["--as-of", "2015-12-31", "--not-operating", "care=2015"], "leave one of them out"),
        (["--as-of", "2015-12-31", "--not-in", "care=2018"], "names the year '2018'"),
        (["--as-of", "2015-06-30"], "is not over"),
    ],
)
def test_dates_that_do_not_go_together_are_refused(
    dated: Path, options: list[str], wrong: str
) -> None:
    found = RUN.invoke(app, ["monitor", str(dated), *DATED, *options])
    assert found.exit_code == 2
    assert wrong in " ".join(found.stderr.split())


def test_a_nowcast_waits_where_too_few_came_since_it_was_published(
    dated: Path, tmp_path: Path
) -> None:
    asked = (*DATED, "--disclosure", "cbs", "--private", tmp_path / "bundle.json")
    run(dated, *asked, "--as-of", "2015-12-31")
    # How many come in some days hangs on the data: some days later it is a few.
    for day in range(1, 10):
        later = ("--as-of", f"2016-01-0{day}")
        found = RUN.invoke(app, ["monitor", *map(str, (dated, *asked, *later))])
        if found.exit_code:
            break
    assert found.exit_code == 2
    assert "fewer persons came or went than may be shown" in " ".join(found.stderr.split())


# What drives a change ----------------------------------------------------------------------------


def test_drivers_are_told_at_the_command_line(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_text(COUNTS, encoding="utf-8")
    asked = [
        "monitor",
        str(source),
        "--count",
        "n",
        "--lists",
        "a,b,c",
        "--groups",
        "sex",
        "--replicates",
        "100",
        "--seed",
        "1",
    ]
    told = RUN.invoke(app, [*asked, "--drivers", "2014:2015"])
    assert told.exit_code == 0, told.output
    assert "WHAT DRIVES THE CHANGE FROM 2014 TO 2015" in told.output
    frame = pd.read_csv(
        StringIO(RUN.invoke(app, [*asked, "--drivers", "2014:2015", "--format", "csv"]).output)
    )
    assert {"sex", "register", "change", "by_size", "by_share"} <= set(frame.columns)
    assert frame["register"].notna().any()
    ruled = [*asked, "--drivers", "2014:2015", "--disclosure", "cbs", "--format", "csv"]
    frame = pd.read_csv(StringIO(RUN.invoke(app, ruled).output))
    assert frame["register"].isna().all()
    assert set(frame["sex"].dropna()) == {"f", "m"}
    assert (frame[["first", "last", "change"]].to_numpy() % 5 == 0).all()
    ruled = RUN.invoke(
        app, [*asked, "--drivers", "2014:2015", "--group-rule", "sex=f:2015=narrower scheme"]
    )
    assert "across scopes" in ruled.output


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--groups", "sex", "--drivers", "2014"], "two periods"),
        (["--drivers", "2014:2015"], "no --groups"),
        (["--groups", "sex", "--drivers", "2014:2015", "--format", "json"], "--format json"),
        (["--groups", "sex", "--drivers", "2014:2099"], "2099"),
        (["--groups", "sex", "--group-rule", "sex=f"], "not understood"),
        (["--groups", "sex", "--group-rule", "sex=q:2015=x"], "no group of the table"),
    ],
)
def test_drivers_that_cannot_be_told_are_refused(
    tmp_path: Path, more: list[str], said: str
) -> None:
    source = tmp_path / "t.csv"
    source.write_text(COUNTS, encoding="utf-8")
    told = RUN.invoke(
        app,
        ["monitor", str(source), "--count", "n", "--lists", "a,b,c", "--replicates", "100", *more],
    )
    assert told.exit_code == 2
    assert said in " ".join(told.output.split())
