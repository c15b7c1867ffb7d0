"""The option `--disclosure`: rules applied to whatever leaves through the command line."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from typer.testing import CliRunner

import mse
from mse._notice import ChangingLine
from mse.cli import app
from tests.json_schemas import validator

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

RUN = CliRunner()

COUNTS = """a,b,c,year,sex,n
1,0,0,2014,f,40
0,1,0,2014,f,30
0,0,1,2014,f,25
1,1,0,2014,f,19
1,0,1,2014,f,18
1,0,0,2014,m,35
0,1,0,2014,m,30
0,0,1,2014,m,20
0,1,1,2014,m,16
1,0,0,2015,f,60
0,1,0,2015,f,50
0,0,1,2015,f,40
1,1,0,2015,f,22
1,1,1,2015,m,4
1,0,0,2015,m,2
0,0,1,2015,m,1
"""
MODEL = "a*year + b*year + c*year + year*sex"
ESTIMATE = ("estimate", "--covariates", "year,sex", "--model", MODEL)
COMPARE = ("compare", "--covariates", "year,sex", "--model", MODEL)
MONITOR = ("monitor", "--groups", "sex", "--model", MODEL, "--replicates", "100", "--workers", "1")
#: The persons of 2015 and male, 7, and what the total of 2015 less the women would give.
SMALL = 7


@pytest.fixture(autouse=True)
def _nothing_is_said_of_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChangingLine, "show", lambda *_: None)


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    path = tmp_path / "counts.csv"
    path.write_text(COUNTS, encoding="utf-8")
    return path


def run(command: tuple[str, ...], path: Path, *options: str) -> Result:
    name, *rest = command
    arguments = [
        name,
        str(path),
        "--lists",
        "a,b,c",
        "--count",
        "n",
        "--seed",
        "1",
        *rest,
        *options,
    ]
    result = RUN.invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize(
    ("command", "schema"), [(ESTIMATE, "population"), (COMPARE, "comparison"), (MONITOR, "monitor")]
)
def test_json_follows_the_rules(command: tuple[str, ...], schema: str, counts: Path) -> None:
    result = run(command, counts, "--format", "json", "--disclosure", "cbs")
    assert result.exit_code == 0
    assert result.stderr == ""
    data = json.loads(result.stdout)
    validator(schema).validate(data)
    assert data["disclosure"]["rules"] == "cbs"
    assert "year 2015, sex m" in data["disclosure"]["suppressed"]
    observed = [int(n) for n in re.findall(r'"observed": (\d+)', result.stdout)]
    assert observed
    assert all(n % 5 == 0 and n >= 10 for n in observed)
    assert not re.search(r'"table": "[0-9a-f]{64}"', result.stdout)


@pytest.mark.parametrize("command", [ESTIMATE, COMPARE, MONITOR])
def test_text_follows_the_rules(command: tuple[str, ...], counts: Path) -> None:
    text = run(command, counts, "--disclosure", "cbs").stdout
    assert "DISCLOSURE CONTROL" in text
    assert "Disclosure rules cbs" in " ".join(text.split())
    assert "nan" not in text
    lines = [line for line in text.splitlines() if line.split()[:2] == ["2015", "m"]]
    assert all(set(line.split()[2:]) <= {"x", "suppressed"} for line in lines)
    assert bool(lines) == (command is not COMPARE)


def test_csv_follows_the_rules(counts: Path) -> None:
    frame = pd.read_csv(
        StringIO(run(ESTIMATE, counts, "--format", "csv", "--disclosure", "cbs").stdout)
    )
    assert (frame[["observed", "hidden", "total", "low", "high"]] % 5 == 0).all(axis=None)
    frame = pd.read_csv(
        StringIO(run(COMPARE, counts, "--format", "csv", "--disclosure", "cbs").stdout)
    )
    assert {"deviance", "aic", "bic"}.isdisjoint(frame)
    options = ("--format", "csv", "--disclosure", "cbs")
    frame = pd.read_csv(StringIO(run(MONITOR, counts, *options).stdout))
    gone = frame[frame["status"] == "suppressed"]
    assert len(gone)
    assert gone[["total", "low", "high"]].isna().all(axis=None)
    # A count may leave where the estimate that goes with it may not.
    assert (gone["observed"].dropna() % 5 == 0).all()
    frame = pd.read_csv(StringIO(run(MONITOR, counts, *options, "--changes").stdout))
    assert frame.loc[frame["status"] == "suppressed", ["difference", "rise"]].isna().all(axis=None)


@pytest.mark.parametrize("command", [ESTIMATE, COMPARE, MONITOR])
def test_without_the_option_small_counts_are_pointed_out(
    command: tuple[str, ...], counts: Path
) -> None:
    silent = run(command, counts, "--disclosure", "none", "--format", "json")
    plain = run(command, counts, "--format", "json")
    assert silent.stderr == ""
    assert "of fewer than 10 persons" in plain.stderr
    assert "--disclosure cbs" in plain.stderr
    assert plain.stdout == silent.stdout
    assert "disclosure" not in json.loads(plain.stdout)


def test_large_counts_are_not_pointed_out() -> None:
    result = RUN.invoke(app, ["estimate", "kosovo", "--model", "main"])
    assert result.stderr == ""


def test_rules_from_a_file(counts: Path, tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text("threshold = 5\nbase = 10\n", encoding="utf-8")
    data = json.loads(run(ESTIMATE, counts, "--format", "json", "--disclosure", str(path)).stdout)
    assert data["disclosure"]["rules"] == "ours"
    assert data["observed"] % 10 == 0
    assert data["disclosure"]["suppressed"] == []


def test_rules_are_checked_before_the_work_starts(counts: Path) -> None:
    result = run(ESTIMATE, counts, "--disclosure", "cbss")
    assert result.exit_code == 2
    assert "no disclosure rules 'cbss'" in result.stderr
    assert result.stdout == ""


def test_level_is_published(counts: Path) -> None:
    options = ("--format", "json", "--disclosure", "cbs", "--level", "0.925")
    data = json.loads(run(ESTIMATE, counts, *options).stdout)
    assert 0.925 in [row["level"] for row in data["interval"]["levels"]]
    assert "92.5% interval" in run(ESTIMATE, counts, *options[2:]).stdout


def test_two_lists(counts: Path) -> None:
    arguments = ["compare", str(counts), "--lists", "a,b", "--covariates", "year,sex"]
    two = counts.with_name("two.csv")
    two.write_text("a,b,n\n1,0,60\n0,1,50\n1,1,4\n", encoding="utf-8")
    arguments = ["compare", str(two), "--lists", "a,b", "--count", "n", "--disclosure", "cbs"]
    result = RUN.invoke(app, arguments)
    assert result.exit_code == 0
    assert "115 on at least one list" in result.stdout
    assert not re.search(r"\d+ to \d+", result.stdout)


def test_a_comparison_draws_from_the_key_and_is_noted(counts: Path, tmp_path: Path) -> None:
    private = tmp_path / "inside.json"
    options = ("--disclosure", "cbs", "--private", str(private), "--format", "json")
    first = run(COMPARE, counts, *options)
    assert first.exit_code == 0, first.stderr
    kept = json.loads(private.read_text())["runs"]
    assert [each["published"]["schema"] for each in kept] == ["mse.comparison/1"]
    assert run(COMPARE, counts, *options).stdout == first.stdout


def test_warnings_on_the_error_stream_name_no_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import warnings

    from mse.cli.options import plain_errors
    from mse.errors import MSEWarning
    from mse.messages import Message

    said = Message("reason.below_observed", total=3.0, observed=12)
    for rules, shown in (("cbs", False), (None, True)):
        with plain_errors(rules):
            warnings.warn(said, MSEWarning, stacklevel=1)
            warnings.warn("plain words with 12 persons", MSEWarning, stacklevel=1)
        assert ("12" in capsys.readouterr().err) == shown


def test_a_report_is_noted_and_checked_against_the_next(tmp_path: Path) -> None:
    private = tmp_path / "inside.json"
    command = (
        "report",
        "--summed",
        "--covariates",
        "year",
        "--replicates",
        "100",
        "--workers",
        "1",
        "--no-figures",
    )
    options = (
        "--disclosure",
        "cbs",
        "--private",
        str(private),
        "--estimator",
        "LogLinear('a*year+b*year+c*year')",
    )
    for at, late in enumerate((40, 44)):
        path = tmp_path / f"{late}.csv"
        path.write_text(COUNTS.replace("2014,f,40", f"2014,f,{late}"), encoding="utf-8")
        told = run((*command, "-o", str(tmp_path / "report.md")), path, *options)
        assert told.exit_code == 0, told.stderr
        kept = json.loads(private.read_text())["runs"]
        assert len(kept) == at + 1
        assert kept[at]["published"]["schema"] == "mse.report/1"
        assert sum(kept[at]["low"]) == sum(kept[0]["low"])


@pytest.fixture
def registrations(tmp_path: Path) -> Path:
    """Rows of registrations, in one of which the identifier of somebody stands for the register."""
    rows, person = [], 0
    counts = {"a": 70, "b": 60, "c": 50, "ab": 22, "ac": 18, "bc": 16, "abc": 14}
    for year in (2014, 2015):
        for lists, persons in counts.items():
            for _ in range(persons):
                person += 1
                rows += [(f"SECRET{person:04d}", each, year) for each in lists]
    rows[7] = (rows[7][0], "SECRET0007", rows[7][2])
    path = tmp_path / "registrations.csv"
    pd.DataFrame(rows, columns=["id", "source", "year"]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("named", ["estimate", "compare", "monitor", "report"])
def test_a_value_that_is_a_list_by_mistake_is_not_printed(
    named: str, registrations: Path, tmp_path: Path
) -> None:
    roles = ("--person", "id", "--register", "source", "--disclosure", "cbs")
    model = () if named == "report" else ("--model", "main" if named != "monitor" else "a*year + b")
    file = tmp_path / "out.json"
    found = RUN.invoke(app, [named, str(registrations), *roles, *model, "-o", str(file)])
    assert found.exit_code == 2
    assert "'source' has 1 value of fewer than 10 persons" in found.stderr
    assert "SECRET" not in found.output + found.stderr
    assert not file.exists()


def test_lists_that_are_named_are_those_that_there_are(registrations: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(registrations)
    path = tmp_path / "corrected.csv"
    rows[rows["source"].str.len() == 1].to_csv(path, index=False)
    roles = ("--person", "id", "--register", "source", "--disclosure", "cbs", "--model", "main")
    for lists in ((), ("--lists", "a,b,c")):
        found = RUN.invoke(app, ["estimate", str(path), *roles, *lists])
        assert found.exit_code == 0, found.output
    # A small list that somebody named is one.
    few = rows[(rows["source"] != "c") | rows["id"].isin(rows.loc[rows["source"] == "c", "id"][:3])]
    few[few["source"].str.len() == 1].to_csv(path, index=False)
    assert RUN.invoke(app, ["estimate", str(path), *roles]).exit_code == 2
    assert RUN.invoke(app, ["estimate", str(path), *roles, "--lists", "a,b,c"]).exit_code == 0


def test_all_that_draws_does_so_from_the_secret_key(
    counts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The seed that an estimator has by itself is 1: everybody can draw again with it.
    seeds, fit = [], mse.DecomposableGraphs.fit
    monkeypatch.setattr(
        mse.DecomposableGraphs,
        "fit",
        lambda self, table: (seeds.append(self.seed), fit(self, table))[1],
    )
    asked = ("--count", "n", "--covariates", "", "--ignore", "year,sex", "--summed")
    file = str(tmp_path / "out.json")
    for name in ("estimate", "compare", "report"):
        for text in ("DecomposableGraphs()", "DecomposableGraphs(seed=7)"):
            given = ("--lists", "a,b,c", *asked, "--estimator", text, "--disclosure", "cbs")
            quick = () if name != "report" else ("--replicates", "100", "--no-figures")
            found = RUN.invoke(app, [name, str(counts), *given, *quick, "-o", file])
            assert found.exit_code == 0, found.output
    assert len({*seeds}) >= 6
    assert min(seeds) > 2**64


def test_a_protected_comparison_holds_no_seed() -> None:
    estimators = [mse.DecomposableGraphs(seed=2**100), mse.LogLinear("main")]
    comparison = mse.compare(mse.load_dataset("korea"), estimators)
    safe = mse.disclosure.protect(comparison, "cbs")
    assert [getattr(fit.estimator, "seed", None) for fit in safe.fits] == [1, None]
    assert str(2**100) not in repr(vars(safe))
