"""The private bundle: a secret key for the draws, and what was published before."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app
from mse.disclosure import Bundle, Rules, protect

if TYPE_CHECKING:
    from pathlib import Path

TEN = Rules(threshold=10)
COUNTS = {"110": 40, "101": 50, "011": 30, "111": 20, "001": 3, "100": 60, "010": 70}


def published(table: mse.CaptureTable) -> dict[str, object]:
    return protect(mse.LogLinear("main").fit(table).population, TEN, table=table).to_dict()


@pytest.fixture
def table() -> mse.CaptureTable:
    return mse.CaptureTable.from_counts(COUNTS, lists=["a", "b", "c"])


def test_keys_are_secret_and_kept(tmp_path: Path, table: mse.CaptureTable) -> None:
    path = tmp_path / "inside.json"
    bundle = Bundle.at(path).with_run(published(table), TEN, table, 1)
    again = Bundle.at(path)
    assert again.key == bundle.key
    assert again.seed(1) == bundle.seed(1) != Bundle.at(None).seed(1)
    assert again.seed(1).bit_length() > 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"{bundle.key:x}" not in repr(bundle)
    kept = json.loads(path.read_text())["runs"][0]
    assert kept["fingerprint"] == table.fingerprint
    assert sum(kept["low"]) == 273


def test_without_a_list_the_difference_would_tell(tmp_path: Path, table: mse.CaptureTable) -> None:
    bundle = Bundle.at(tmp_path / "inside.json").with_run(published(table), TEN, table, None)
    part = table.keep_lists(["a", "b"])
    with pytest.raises(mse.ModelError, match="how many persons are on c only"):
        bundle.with_run(published(part), TEN, part, None)
    # The same again is no news.
    assert len(bundle.with_run(published(table), TEN, table, None).runs) == 2


def test_a_year_later_few_were_added(table: mse.CaptureTable) -> None:
    bundle = Bundle.at(None).with_run(published(table), TEN, table, None)
    later = mse.CaptureTable.from_counts({**COUNTS, "100": 64}, lists=["a", "b", "c"])
    with pytest.raises(mse.ModelError, match="added between two publications"):
        bundle.with_run(published(later), TEN, later, None)
    many = mse.CaptureTable.from_counts({**COUNTS, "100": 94}, lists=["a", "b", "c"])
    bundle.with_run(published(many), TEN, many, None)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    for text in ('{"schema": "mse.population/1"}', "[" * 100_000, "no"):
        path.write_text(text)
        with pytest.raises(mse.ModelError, match="no private bundle"):
            Bundle.at(path)


def test_the_command_draws_with_the_key(tmp_path: Path) -> None:
    path = tmp_path / "inside.json"
    base = ["estimate", "kosovo", "--disclosure", "cbs", "--seed", "1", "--replicates", "100"]
    base += ["--workers", "1", "--format", "json"]
    first = CliRunner().invoke(app, [*base, "--private", str(path)])
    assert first.exit_code == 0, first.output
    second = CliRunner().invoke(app, [*base, "--private", str(path)])
    assert second.stdout == first.stdout
    assert "seed" not in first.stdout
    run = json.loads(path.read_text())["runs"][0]
    assert run["seed"] == 1
    refused = CliRunner().invoke(app, ["estimate", "kosovo", "--private", str(path)])
    assert refused.exit_code == 2
    assert "name rules" in refused.output


def test_estimators_that_draw_are_given_the_key(table: mse.CaptureTable) -> None:
    bundle = Bundle.at(None)
    first, second = bundle.keyed(["LatentClasses()", mse.LogLinear("main")], table, 1)
    assert getattr(first, "seed") == bundle.seed(1) != bundle.seed(2)  # noqa: B009
    assert second == mse.LogLinear("main")
