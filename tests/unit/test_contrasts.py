"""Figures of several parts of the population, by expression."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

import mse
from mse.errors import ModelError


@cache
def table() -> mse.CaptureTable:
    rng = np.random.default_rng(4)
    sizes = np.array([[300, 500], [600, 500]])
    counts = np.zeros((2, 2, 2, 2), dtype=int)
    for i, j in np.ndindex(2, 2):
        a, b = rng.random(sizes[i, j]) < 0.4, rng.random(sizes[i, j]) < 0.5
        for x, y in ((0, 1), (1, 0), (1, 1)):
            counts[x, y, i, j] = ((a == x) & (b == y)).sum()
    axes = {"year": [2014, 2015], "sex": ["f", "m"]}
    return mse.CaptureTable.from_array(counts, ["police", "care"], axes)


@cache
def estimate() -> mse.PopulationEstimate:
    model = "police*year + police*sex + care*year + care*sex + year*sex"
    return mse.bootstrap(mse.LogLinear(model), table(), 300, seed=1)


def test_point_and_draws_are_those_of_the_parts() -> None:
    p = estimate()
    found = mse.contrast(p, "([year=2015, sex=f] - [year=2014, sex=f]) / [] > 0.1", level=0.9)
    frame = p.by.set_index(["year", "sex"])["total"] if p.by is not None else None
    assert frame is not None
    point = (frame[2015, "f"] - frame[2014, "f"]) / frame.sum()
    assert found.point == pytest.approx(point)
    draws = p.stratum_draws
    assert draws is not None
    by_hand = (draws[2015, "f"] - draws[2014, "f"]) / draws.sum(axis=1)
    low, high = np.quantile(by_hand, [0.05, 0.95], method="inverted_cdf")
    # Order statistics of 300 draws, counted from either end.
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    assert found.probability == pytest.approx((by_hand > 0.1).mean())


def test_a_total_of_everybody_has_the_interval_of_the_total() -> None:
    p = estimate()
    both = mse.contrast(p, "[sex=f|m]")
    assert both.point == pytest.approx(p.total)
    assert (both.low, both.high) == pytest.approx(p.interval(0.95), rel=0.01)
    assert math.isnan(both.probability)


def test_headline_and_the_other() -> None:
    p = mse.estimate(table(), model="police*year + care*year + year*sex", heterogeneity=True)
    wide = mse.contrast(p, "[year=2015] - [year=2014]")
    assert "differ" in wide.given
    with pytest.raises(ModelError, match="no draws by stratum"):
        mse.contrast(p, "[year=2015] - [year=2014]", given="alike")


def test_monitor() -> None:
    model = mse.LogLinear("police*year + care*year + year*sex")
    monitor = mse.monitor(table(), groups=["sex"], estimator=model, replicates=100, seed=1)
    found = mse.contrast(monitor, "[year=2015] / [year=2014] > 1")
    change = monitor.change(2014, 2015)
    assert found.point == pytest.approx(change.ratio.point)
    assert (found.low, found.high) == pytest.approx((change.ratio.low, change.ratio.high))
    assert found.probability == pytest.approx(change.rise)
    broken = mse.monitor(
        table(), estimator=model, replicates=100, seed=1, scope={2014: "older", 2015: "newer"}
    )
    with pytest.raises(ModelError, match="different scope"):
        mse.contrast(broken, "[year=2015] / [year=2014]")


def test_the_headline_is_that_of_the_changes_of_a_monitor() -> None:
    monitor = mse.monitor(table(), replicates=100, seed=1)
    found = mse.contrast(monitor, "[year=2015] / [year=2014]")
    ratio = monitor.change(2014, 2015).ratio
    assert monitor.alike is not monitor
    assert (found.low, found.point, found.high) == pytest.approx(
        (ratio.low, ratio.point, ratio.high)
    )
    alike = mse.contrast(monitor, "[year=2015] / [year=2014]", given="alike")
    assert found.low <= alike.low <= alike.high <= found.high


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("[year=2013]", "no level '2013'"),
        ("[yaer=2014]", "Did you mean 'year'"),
        ("[2014]", "not understood"),
        ("[year=2014] ** 2", "not understood"),
        ("__import__('os')", "not understood"),
        ("[year=2014] < 1 < 2", "not understood"),
        ("[year=2014] +", "not understood"),
        ("x + [year=2014]", "not understood"),
    ],
)
def test_what_is_not_understood_is_refused(expression: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        mse.contrast(estimate(), expression)


def test_words() -> None:
    text = mse.contrast(estimate(), "[year=2015] / [year=2014] > 1").summary()
    assert "Probability that it holds" in text
    with pytest.raises(ModelError, match="no strata"):
        mse.contrast(mse.LogLinear("main").fit(mse.load_dataset("korea")).population, "[]")
