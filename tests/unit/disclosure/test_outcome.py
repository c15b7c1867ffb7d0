"""What a checker is given: why cells are suppressed, and the attack in the form of acro's results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app
from mse.disclosure import Rules, acro_outcome, protect, rules, suppressions
from mse.disclosure.jointly import magnitude
from mse.disclosure.scrubbing import info_shown

if TYPE_CHECKING:
    from pathlib import Path

CBS, TEN = rules("cbs"), Rules(threshold=10)


@pytest.fixture
def table() -> mse.CaptureTable:
    counts = {"110": 40, "101": 50, "011": 30, "111": 4, "001": 60, "100": 60, "010": 70}
    return mse.CaptureTable.from_counts(counts, lists=list("abc"))


def test_why_each_count_is_suppressed(table: mse.CaptureTable) -> None:
    found = suppressions(table, TEN).set_index("cell")
    assert set(found.index) == set(protect(table, TEN).suppressed)
    assert found.loc["history 111", "why"] == "own count"
    others = found[found["why"] != "own count"]
    assert len(others)
    assert (others["why"] == "complement").all()
    assert others["of"].str.contains("total|list|on both").all()


def test_a_small_part_of_a_year_and_the_one_that_would_tell_it() -> None:
    rows = [
        {"a": 1, "b": on, "sex": sex, "n": n}
        for on, sex, n in [
            (1, "f", 3),
            (0, "f", 4),
            (1, "m", 40),
            (0, "m", 50),
            (1, "x", 20),
            (0, "x", 25),
        ]
    ]
    frame = pd.DataFrame([*rows, {"a": 0, "b": 1, "sex": "m", "n": 60}])
    made = mse.CaptureTable.from_frame(frame, lists=["a", "b"], covariates=["sex"], count="n")
    found = suppressions(made, TEN).set_index("cell")
    assert found.loc["sex f", "why"] == "own count"
    assert found.loc["sex x"].tolist() == ["complement", "total"]


def test_the_attack_as_acro_reads_it(tmp_path: Path) -> None:
    leak = mse.CaptureTable.from_counts(
        {"100": 900, "010": 760, "110": 310, "001": 640, "101": 3}, lists=list("abc")
    )
    path = tmp_path / "estimate.json"
    path.write_text(mse.LogLinear("[12,3]").fit(leak).population.to_json(), encoding="utf-8")
    data = json.loads(acro_outcome([path], CBS, tmp_path / "out").read_text(encoding="utf-8"))
    record = data["results"]["output_0"]
    fields = "uid status type properties files outcome command summary timestamp comments exception"
    assert set(record) == set(fields.split())
    assert record["status"] == "fail"
    outcome = pd.DataFrame.from_dict(record["outcome"])
    assert outcome["exposed"].any()
    assert record["files"][0]["sdc"]["summary"]["threshold"] == int(outcome["exposed"].sum())
    assert (tmp_path / "out" / "estimate.json").exists()


def test_the_command_writes_it(tmp_path: Path, table: mse.CaptureTable) -> None:
    path = tmp_path / "safe.json"
    safe = protect(mse.LogLinear("main").fit(table).population, CBS, table=table)
    path.write_text(safe.to_json(), encoding="utf-8")
    result = CliRunner().invoke(app, ["check", str(path), "--acro", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert data["results"]["output_0"]["status"] == "pass"


def test_notes_leave_without_sentences_that_hold_numbers() -> None:
    info = mse.load_dataset("kosovo").info
    assert "7,395" in info.notes
    shown = info_shown(info, CBS)
    assert not any(each.isdigit() for each in shown.notes)
    assert info_shown(info, Rules(base=5)) == info
    p = protect(mse.LogLinear("main").fit(mse.load_dataset("kosovo")).population, CBS)
    assert "7,395" not in json.dumps(p.to_dict())


def test_factors_are_orders_of_magnitude() -> None:
    told = [magnitude(at / 100) for at in range(10, 1000)]
    assert told == sorted(told)
    assert len(set(told)) == 21
