"""The private bundle: a secret key for the draws, and what was published before."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app
from mse.disclosure import Bundle, Rules, protect, rules
from mse.disclosure.repeated import together
from mse.disclosure.waiting import noted

if TYPE_CHECKING:
    from pathlib import Path

TEN, CBS = Rules(threshold=10), rules("cbs")
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


def test_one_estimate_after_another_tells_what_each_does_not() -> None:
    counts = {"100": 298, "010": 192, "110": 98, "001": 178, "101": 3, "011": 80, "111": 14}
    table = mse.CaptureTable.from_counts(counts, lists=["a", "b", "c"])
    runs: list[dict[str, Any]] = []

    def publish(model: str, table: mse.CaptureTable = table) -> None:
        shown = protect(mse.LogLinear(model).fit(table).population, CBS, table=table)
        run = noted(table)
        runs.append(run | together(runs, run, table, [shown]))

    for model in ("[12,3]", "[13,2]", "[23,1]", "main"):
        publish(model)
    with pytest.raises(mse.ModelError, match="this tells how many persons are history 101"):
        publish("[12,13]")
    # The same again is no news, and of another table nothing was said.
    publish("main")
    publish("[12,13]", mse.CaptureTable.from_counts({**counts, "010": 292}, lists=list("abc")))


def test_what_was_printed_is_kept_with_a_run(tmp_path: Path, table: mse.CaptureTable) -> None:
    path = tmp_path / "inside.json"
    shown = protect(mse.LogLinear("main").fit(table).population, TEN, table=table)
    Bundle.at(path).with_run(shown.to_dict(), TEN, table, None, [shown])
    again = Bundle.at(path).with_run(shown.to_dict(), TEN, table, None, [shown])
    assert all(run["printed"] for run in again.runs)


def test_a_year_later_few_were_added(table: mse.CaptureTable) -> None:
    bundle = Bundle.at(None).with_run(published(table), TEN, table, None)
    later = mse.CaptureTable.from_counts({**COUNTS, "100": 64}, lists=["a", "b", "c"])
    with pytest.raises(mse.ModelError, match="added between two publications"):
        bundle.with_run(published(later), TEN, later, None)
    many = mse.CaptureTable.from_counts({**COUNTS, "100": 94}, lists=["a", "b", "c"])
    bundle.with_run(published(many), TEN, many, None)


def by_year(late: int = 0, moved: int = 0) -> mse.CaptureTable:
    counts = np.array([[[0, 0], [70, 90]], [[60, 80], [40, 50]]])
    counts[1, 0, 0] += late
    counts[[1, 0, 1], [0, 1, 1], 0] += moved * np.array([-1, -1, 1])
    return mse.CaptureTable.from_array(counts, ["a", "b"], {"year": [2018, 2019]})


@pytest.mark.parametrize(
    ("late", "moved", "waits"),
    [(0, 0, 0), (3, 0, 1), (9, 0, 1), (10, 0, 0), (0, 4, 1), (-3, 0, 1), (25, 12, 0), (15, 12, 1)],
)
def test_years_that_changed_little_wait(tmp_path: Path, late: int, moved: int, waits: int) -> None:
    path = tmp_path / "inside.json"
    Bundle.at(path).with_run({}, TEN, by_year(), None)
    later = by_year(late, moved)
    held, names = Bundle.at(path).held(later, TEN)
    assert names == ("2018",) * waits
    assert (held.counts == (by_year() if waits else later).counts).all()
    # That they may wait is said always: that one does would be a small count.
    assert "since they were last published" in held.info.notes


def test_a_new_year_and_other_axes_do_not_wait() -> None:
    bundle = Bundle.at(None).with_run({}, TEN, by_year().where(year=[2018]), None)
    held, names = bundle.held(by_year(3), TEN)
    assert names == ("2018",)
    assert held.where(year=[2019]).n_observed == by_year().where(year=[2019]).n_observed
    other = by_year(3).collapse("year")
    assert bundle.held(other, TEN) == (other, ())
    assert bundle.held(by_year(3), mse.disclosure.rules("none")) == (by_year(3), ())


def test_a_monitor_of_the_next_year_passes_the_bundle(tmp_path: Path) -> None:
    def files(late: int) -> Path:
        path = tmp_path / f"{late}.csv"
        by_year(late).to_frame().to_csv(path, index=False)
        return path

    base = [
        "--lists",
        "a,b",
        "--count",
        "n",
        "--replicates",
        "100",
        "--workers",
        "1",
        "--seed",
        "1",
    ]
    base += ["--disclosure", "cbs", "--private", str(tmp_path / "inside.json"), "--format", "json"]
    base += ["--heterogeneity", "no", "--model", "a*year + b*year"]
    first = CliRunner().invoke(app, ["monitor", str(files(0)), *base])
    again = CliRunner().invoke(app, ["monitor", str(files(4)), *base])
    assert first.exit_code == again.exit_code == 0, again.stderr
    assert "1 of 2 strata" in again.stderr
    assert "of 2 strata" not in again.stdout
    shown = [json.loads(each.stdout) for each in (first, again)]
    assert shown[0]["periods"] == shown[1]["periods"]
    assert shown[0]["changes"] == shown[1]["changes"]


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
