"""The command `mse read`, and the options of reading in every command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app

if TYPE_CHECKING:
    from click.testing import Result

RUN = CliRunner()
QUICK = ("--replicates", "100", "--seed", "1", "--workers", "1", "--no-figures")

#: Persons by clinic, shelter and court; the court writes only who was there.
ROWS = [
    (1, 1, 1, 9),
    (1, 1, None, 41),
    (1, 0, 1, 17),
    (1, 0, None, 640),
    (0, 1, 1, 22),
    (0, 1, None, 410),
    (0, 0, 1, 215),
]
HEAD = ("clinic", "shelter", "court", "n")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: object, status: int = 0) -> Result:
    found = RUN.invoke(app, [str(each) for each in arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == status, found.output
    return found


def write_workbook(name: str) -> None:
    book = openpyxl.Workbook()
    for row in (HEAD, *ROWS):
        book.active.append(row)
    book.save(name)


def write_text(name: str, mark: str = ",") -> None:
    rows = [HEAD, *ROWS]
    text = "\n".join(mark.join("" if c is None else str(c) for c in row) for row in rows)
    Path(name).write_text(text + "\n", encoding="utf-8")


def offered(text: str) -> list[list[str]]:
    """Commands that the output offers."""
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("  mse ")]


def test_from_a_workbook_of_1_and_blank_to_a_report_in_two_commands() -> None:
    write_workbook("our persons.xlsx")
    first = run("read", "our persons.xlsx", status=2).stdout
    for part in ("lists: clinic, shelter, court", "persons: the column n", "'court' holds no 0"):
        assert part in first
    not_on_it, not_known = offered(first)
    assert not_on_it[-2:] == ["--blank", "0"]
    assert not_known[-2:] == ["--blank", "unknown"]
    run(*not_on_it, *QUICK, "-o", "a.json")
    facts = json.loads(Path("a.json").read_text(encoding="utf-8"))
    assert "1,354" in json.dumps(facts)


def test_what_is_certain_offers_the_report_at_once() -> None:
    write_text("a.csv", ";")
    said = run("read", "a.csv", "--blank", "0").stdout
    assert "1,354 persons" in said
    assert "columns parted by semicolon" in said
    (command,) = offered(said)
    assert command == ["report", "a.csv", "--options", "a.toml"]
    run(*command, *QUICK)
    assert Path("a-report.html").exists()


def test_options_are_a_file_that_every_command_takes() -> None:
    write_text("a.csv")
    run("read", "a.csv", "--blank", "0", "-o", "how.toml")
    estimate = ("--interval", "profile", "--format", "json")
    # The values of the file of faults: best by BIC, and all pairs of lists.
    found = json.loads(run("estimate", "a.csv", "--options", "how.toml", *estimate).stdout)
    assert found["model"] == "[23,1]"
    assert found["total"] == pytest.approx(7_534.3, abs=0.05)
    found = json.loads(run("estimate", "how.toml", "--model", "all two-way", *estimate).stdout)
    assert found["total"] == pytest.approx(34_466.3, abs=0.05)
    assert "1,354" in run("compare", "how.toml", "--model", "main").stdout
    assert mse.read("how.toml").n_observed == 1_354


def test_monitor_takes_the_same_options() -> None:
    rows = ["P;Q;jaar;n"]
    for year in (2014, 2015):
        rows += [f"ja;nee;{year};1.040", f"nee;ja;{year};731", f"ja;ja;{year};319"]
    Path("b.csv").write_text("\n".join(rows), encoding="utf-8")
    run("read", "b.csv", "--period", "jaar", "--lists", "P,Q", "--count", "n")
    text = run(
        "monitor", "b.csv", "--options", "b.toml", "--replicates", 100, "--workers", 1
    ).stdout
    assert "2,090" in text
    assert "2014 to 2015" in text


def test_advice_is_for_the_command_line() -> None:
    write_text("a.csv")
    said = run("estimate", "a.csv", "--lists", "clinic,shelter,court", "--count", "n", status=2)
    assert "--blank 0" in said.stderr
    assert "`" not in said.stderr
    said = run("estimate", "a.csv", status=2)
    assert "Perhaps --lists clinic,shelter,court --count n" in said.stderr


def test_nothing_is_written_where_nothing_is_known() -> None:
    Path("a.csv").write_bytes(b"%PDF")
    assert "PDF" in run("read", "a.csv", status=2).stderr
    assert not list(Path().glob("*.toml"))
    assert run("read", "korea", "-o", "-").stdout.startswith("the dataset korea")


def test_identifiers_are_in_no_output() -> None:
    rows = [f"SECRET{i:03d},{name}" for i in range(60) for name in ("a", "b")[: 1 + i % 2]]
    Path("r.csv").write_text("pseudonym,register\n" + "\n".join([*rows, "SECRET999,b"]))
    found = run("read", "r.csv")
    assert "SECRET" not in found.output
    assert "SECRET" not in Path("r.toml").read_text(encoding="utf-8")
    for wrong in (
        ("--lists", "pseudonym,register"),
        ("--person", "register", "--register", "pseudonym"),
    ):
        found = run("estimate", "r.csv", *wrong, status=2)
        assert "SECRET" not in found.output
