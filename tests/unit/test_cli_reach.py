"""The command `mse reach`."""

from __future__ import annotations

import json
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mse.cli import app
from tests.json_schemas import validator

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

RUN = CliRunner()


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    rng = np.random.default_rng(3)
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, 300), "D")
    sex = ["f"] * 150 + ["m"] * 140 + ["x"] * 10
    pd.DataFrame({"who": [f"p{i}" for i in range(300)], "begin": start, "sex": sex}).to_csv(
        tmp_path / "group.csv", index=False
    )
    wait = pd.to_timedelta(rng.exponential(150, 300).round(), "D")
    first = pd.DataFrame(
        {"who": [f"p{i}" for i in range(300)], "day": start + wait, "phase": "suspected"}
    )
    later = first[::2].assign(phase="convicted", day=first["day"][::2] + pd.Timedelta("40D"))
    pd.concat([first, later]).to_csv(tmp_path / "register.csv", index=False)
    return str(tmp_path / "group.csv"), str(tmp_path / "register.csv")


COLUMNS = ("--person", "who", "--start", "begin", "--date", "day", "--stage", "phase")
STAGED = (*COLUMNS, "--stages", "suspected,convicted", "--until", "2021-12-31")


def run(files: tuple[str, str], *options: str) -> Result:
    return RUN.invoke(app, ["reach", *files, *options])


def test_shares_by_group_and_stage(files: tuple[str, str]) -> None:
    found = run(files, *STAGED, "--by", "sex", "--missed", "12/300", "--format", "csv")
    assert found.exit_code == 0, found.stderr
    frame = pd.read_csv(StringIO(found.stdout))
    assert frame[["stage", "sex", "observed"]].to_numpy().tolist()[:3] == [
        ["suspected", "f", 150],
        ["suspected", "m", 140],
        ["suspected", "x", 10],
    ]
    curve = run(files, *STAGED, "--format", "csv", "--curve")
    assert len(pd.read_csv(StringIO(curve.stdout))) == 50


def test_text_and_json(files: tuple[str, str]) -> None:
    text = run(files, *STAGED, "--within", "26W", "--since", "previous").stdout
    assert "REACHED WITHIN 182 DAYS" in text
    assert "REACHED SOONER" in text
    assert "p1" not in text
    found = run(files, *STAGED, "--within", "90", "--format", "json")
    data = json.loads(found.stdout)
    validator("reach").validate(data)
    assert data["within"] == 90


@pytest.mark.parametrize(("language", "word"), [("en", "Of the group"), ("nl", "Van de groep")])
def test_a_report(files: tuple[str, str], tmp_path: Path, language: str, word: str) -> None:
    target = tmp_path / "report.html"
    picture = tmp_path / "reach.svg"
    options = (*COLUMNS, "--report", str(target), "--language", language, "--plot", str(picture))
    found = run(files, *[each for each in options if each not in ("--stage", "phase")])
    assert found.exit_code == 0, found.stderr
    text = target.read_text(encoding="utf-8")
    assert word in text
    assert "<figure" in text
    assert picture.stat().st_size > 1000


def test_under_rules_shares_of_enough_persons_leave(files: tuple[str, str], tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    options = ("--by", "sex", "--disclosure", "cbs", "--format", "json", "--report", str(target))
    found = run(files, *STAGED, *options)
    assert found.exit_code == 0, found.stderr
    data = json.loads(found.stdout)
    validator("reach").validate(data)
    shown = {(row["where"]["stage"], row["where"]["sex"]): row for row in data["reached"]}
    assert shown["suspected", "f"]["observed"] == 150
    assert shown["suspected", "x"]["share"] is None
    assert data["curves"] == []
    text = target.read_text(encoding="utf-8")
    assert "each step of a curve is a person" in text
    assert "sooner" not in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--disclosure", "cbs", "--curve"), "each step of a curve is a person"),
        (("--disclosure", "cbs", "--plot", "a.png"), "each step of a curve is a person"),
        (("--plot", "a.xls"), "expected a file ending in"),
        (("--report", "a.doc"), "suffix"),
        (("--missed", "many"), "not understood"),
        (("--missed", "12/x"), "not understood"),
        (("--within", "soon"), "expected a time"),
        (("--by", "nothing"), "nothing"),
        (("--language", "fr"), "fr"),
    ],
)
def test_what_is_wrong_is_one_line(
    files: tuple[str, str], options: tuple[str, ...], said: str
) -> None:
    found = run(files, *STAGED, *options)
    assert found.exit_code == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_standard_input_holds_one_file() -> None:
    found = run(("-", "-"), *STAGED)
    assert found.exit_code == 2
    assert "one file" in found.stderr
