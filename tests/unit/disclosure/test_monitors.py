"""Monitors: figures by period and group that are fit to leave, and nothing behind them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import mse
from mse.disclosure import ProtectedMonitor, Rules, attack, protect_monitor, rules
from tests.json_schemas import validator

if TYPE_CHECKING:
    from mse.monitoring import Monitor

CBS = rules("cbs")
MODEL = mse.LogLinear("police*year + care*year + kmar*year + year*sex")


@pytest.fixture(scope="module")
def table() -> mse.CaptureTable:
    counts = np.zeros((2, 2, 2, 3, 2), dtype=int)
    counts[1, 0, 0] = [[60, 40], [50, 30], [40, 3]]
    counts[0, 1, 0] = [[40, 30], [30, 25], [22, 2]]
    counts[0, 0, 1] = [[20, 10], [20, 15], [12, 2]]
    counts[1, 1, 0] = [[16, 14], [13, 12], [12, 1]]
    counts[1, 1, 1] = [[1, 0], [1, 0], [1, 0]]
    # All but the small group: so many that what leaves of the others does not hang on the draws.
    counts[..., :2, :] *= 5
    counts[..., 2, 0] *= 5
    covariates = {"year": [2014, 2015, 2016], "sex": ["f", "m"]}
    return mse.CaptureTable.from_array(counts, ["police", "care", "kmar"], covariates)


@pytest.fixture(scope="module")
def monitor(table: mse.CaptureTable) -> Monitor:
    people = {2014: 1_000_000, 2015: 1_000_000, 2016: 1_000_000}
    return mse.monitor(
        table, groups=["sex"], estimator=MODEL, replicates=40, seed=1, rates=people, n_jobs=1
    )


@pytest.fixture(scope="module")
def safe(monitor: Monitor) -> ProtectedMonitor:
    return protect_monitor(monitor, CBS)


def test_small_groups_have_no_figures(monitor: Monitor, safe: ProtectedMonitor) -> None:
    small = {key for key, cell in monitor.cells.items() if CBS.unsafe(cell.observed)}
    assert small
    gone = {key for key, cell in safe.cells.items() if cell.status == "suppressed"}
    assert small < gone
    frame = safe.to_frame()
    lost = frame[frame["status"] == "suppressed"]
    figures = ["observed", "low", "high", "total", "hidden", "coverage", "infinite", "undetermined"]
    assert lost[figures].isna().all(axis=None)
    assert not attack(safe)["exposed"].any()


def test_other_figures_are_rounded_and_agree(monitor: Monitor, safe: ProtectedMonitor) -> None:
    shown = safe.periods
    raw = monitor.periods
    assert (shown["observed"] % 5 == 0).all()
    np.testing.assert_allclose(shown["total"], shown["observed"].astype(float) + shown["hidden"])
    steps = [CBS.step(high - low, 0) for low, high in zip(raw["low"], raw["high"], strict=True)]
    assert (np.abs(shown["total"] - raw["total"]) <= np.array(steps) / 2).all()
    assert (shown["low"] <= raw["low"]).all()
    assert (shown["high"] >= raw["high"]).all()
    np.testing.assert_allclose(
        shown["rate"], shown["total"] / 10, err_msg="per 100,000 of a million"
    )
    assert safe.group_names == ("sex",)
    assert list(safe.groups) == ["sex"]


def test_changes_follow_from_what_is_published(safe: ProtectedMonitor) -> None:
    totals = safe.periods.set_index("year")["total"]
    change = safe.change(2014, 2015)
    assert change.difference.point == totals[2015] - totals[2014]
    assert change.ratio.point == round(totals[2015] / totals[2014], 3)
    assert 0 <= change.rise <= 1
    frame = safe.changes("sex")
    lost = frame[frame["status"] == "suppressed"]
    assert len(lost)
    assert lost[["difference", "ratio", "rise", "total_last"]].isna().all(axis=None) or (
        lost[["difference", "ratio", "rise"]].isna().all(axis=None)
    )


def test_no_draw_is_left(safe: ProtectedMonitor, monitor: Monitor) -> None:
    assert safe.replicates == monitor.replicates == 40
    assert safe.joint.totals.size == 0
    assert all(cell.draws.size == 0 for cell in safe.cells.values())
    assert not safe.joint.strata.observed.any()
    assert safe.population.draws is None
    assert safe.population.stratum_draws is None
    assert "table" not in safe.population.provenance


def test_groups_are_told_apart_when_files_are_read(safe: ProtectedMonitor) -> None:
    assert attack([safe.to_dict()], CBS).query("what == 'difference'").empty


def test_json_and_text(safe: ProtectedMonitor) -> None:
    data = json.loads(safe.to_json())
    validator("monitor").validate(data)
    assert data["disclosure"]["rules"] == "cbs"
    assert data["disclosure"]["suppressed"] == list(safe.suppressed)
    text = safe.summary()
    assert "not shown, to protect persons" in text
    assert "DISCLOSURE CONTROL" in text
    assert "nan" not in text
    assert "not estimable" not in text
    assert "suppressed" in repr(safe)
    assert pd.isna(safe.by_period["sex"]["observed"]).any()


@pytest.mark.plot
def test_pictures_are_drawn_from_what_is_published(safe: ProtectedMonitor) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots()
    try:
        safe.plot(ax=axes)
        grouped = mse.plots.trend(safe, group="sex")
        assert grouped.figure is not None
    finally:
        plt.close("all")
    del figure


def test_two_lists(table: mse.CaptureTable) -> None:
    two = table.keep_lists(["police", "care"])
    model = mse.LogLinear("police*year + care*year + year*sex")
    found = mse.monitor(two, groups=["sex"], estimator=model, replicates=20, seed=1, n_jobs=1)
    hidden = protect_monitor(found, CBS)
    assert hidden.periods["total"].isna().all()
    assert hidden.periods["observed"].notna().all()
    assert "x" in hidden.summary()


def test_without_rules_figures_are_those_of_the_monitor(monitor: Monitor) -> None:
    same = protect_monitor(monitor, Rules())
    pd.testing.assert_frame_equal(
        same.periods[["total", "low", "high"]], monitor.periods[["total", "low", "high"]]
    )
    assert same.change(2014, 2016).difference == monitor.change(2014, 2016).difference
