"""Sets of N under bounds, and where a threshold is crossed."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

import mse
from mse.bounding import DIFFERING, HIGHEST
from mse.errors import ModelError
from mse.loglinear import LogLinear
from tests.chance import RARE

TWO = mse.CaptureTable.from_counts({"10": 60, "01": 100, "11": 40}, ["a", "b"])


@cache
def kosovo() -> mse.CaptureTable:
    return mse.load_dataset("kosovo")


def test_two_lists_by_hand() -> None:
    frame = mse.bounds(TWO, odds_ratio=(0.5, 3), highest=(0.5, 3), model="main").to_frame()
    # m00 = ratio * n10 n01 / n11 (Gerritse, van der Heijden & Bakker 2015), 150 at independence.
    for row in frame.to_dict("records"):
        assert (row["smallest"], row["largest"]) == pytest.approx((200 + 75, 200 + 450))
        assert row["low"] < row["smallest"] < row["largest"] < row["high"]


def test_interval_of_the_set_is_made_of_the_outermost_ends() -> None:
    table = kosovo()
    found = mse.bounds(table, pair=("EXH", "OSCE"), odds_ratio=(0.5, 2), model="main", level=0.9)
    ends = mse.sensitivity.odds_ratio(
        table, (0.5, 2), pair=("EXH", "OSCE"), model="main", level=0.9
    ).to_frame()
    (_, pair) = found.sets
    assert pair.ends == pytest.approx((ends["low"].min(), ends["high"].max()))
    assert pair.totals == pytest.approx((ends["total"].min(), ends["total"].max()))


def test_wider_bounds_hold_narrower_ones() -> None:
    for one, other in zip(
        mse.bounds(kosovo(), model="main").sets,
        mse.bounds(kosovo(), model="main", highest=(0.25, 4), odds_ratio=(0.25, 4)).sets,
        strict=True,
    ):
        assert other.totals[0] < one.totals[0] < one.totals[1] < other.totals[1]
        assert other.ends[0] < one.ends[0] < one.ends[1] < other.ends[1]


def test_at_the_tipping_point_the_total_is_the_threshold() -> None:
    threshold = 9_000
    found = mse.tipping_points(kosovo(), threshold, model="[12,3,4]")
    assert not found.above
    for each in found.points:
        if len(each.pair) == 2:
            there = mse.sensitivity.odds_ratio(
                kosovo(), (each.point,), pair=each.pair, model="[12,3,4]"
            ).to_frame()
            assert there["total"].item() == pytest.approx(threshold, rel=1e-4)
            near = mse.sensitivity.odds_ratio(
                kosovo(), (each.interval,), pair=each.pair, model="[12,3,4]"
            ).to_frame()
            assert near["high"].item() == pytest.approx(threshold, rel=1e-3)
            # The interval gets there before the point does.
            assert each.modeled < each.interval < each.point
    whole = next(each for each in found.points if each.what == HIGHEST)
    hidden = LogLinear("[12,3,4]").fit(kosovo()).population.hidden
    assert whole.point == pytest.approx((threshold - 4400) / hidden, rel=1e-4)
    differing = next(each for each in found.points if each.what == DIFFERING)
    # People alike, all pairs and triples free: the total is above already.
    assert math.isnan(differing.point)


def test_people_who_differ_bring_it_there() -> None:
    found = mse.tipping_points(kosovo(), 15_000, model="main", pair=("EXH", "OSCE"))
    differing = next(each for each in found.points if each.what == DIFFERING)
    estimator = mse.HeterogeneousLogLinear(mean=math.log(differing.point), sd=0.02, draws=4000)
    assert differing.point > 1
    there = estimator.fit(kosovo()).population
    # Both totals are medians of so many draws.
    error = math.sqrt(math.pi / 2 / len(there.draws)) * np.std(np.log(there.draws))
    assert error < 0.005
    assert abs(math.log(there.total / 15_000)) < 4 * math.sqrt(2) * error


def test_what_cannot_bring_it_there_says_so() -> None:
    found = mse.tipping_points(TWO, 205, model="main")
    told = " ".join(map(str, found.said()))
    assert "stays above 205 unless the odds ratio of a and b is below" in told
    assert "However far people differ" in told
    far = mse.tipping_points(TWO, 1e9, model="main")
    assert far.to_frame()["tips_at"].isna().all()


def test_words_and_pictures() -> None:
    found = mse.tipping_points(TWO, 400, model="main")
    assert "unless the odds ratio of a and b is above 1.3; the model has 1" in " ".join(
        found.summary().split()
    )
    assert "275 to" not in found.summary()
    bounds = mse.bounds(TWO, model="main")
    assert "275 to 500" in bounds.summary()
    for ax in (found.plot(), bounds.plot()):
        assert ax.get_title(loc="left") or ax.figure is not None


def test_bad_requests() -> None:
    with pytest.raises(ModelError, match="above the 200 who are registered"):
        mse.tipping_points(TWO, 150)
    with pytest.raises(ModelError, match="two positive numbers"):
        mse.bounds(TWO, highest=(2, 1))
    with pytest.raises(ModelError, match="two different lists"):
        mse.bounds(TWO, pair=("a", "c"), model="main")
    nothing = mse.CaptureTable.from_counts({"10": 5, "01": 10}, ["a", "b"])
    with pytest.raises(ModelError, match="no estimate"):
        mse.tipping_points(nothing, 100, model="main")
    frame = mse.bounds(nothing, model="main").to_frame()
    assert frame["smallest"].isna().all()
    assert set(frame["status"]) == {"not_estimable"}


def test_coverage_of_the_set() -> None:
    # Two lists, odds ratio 1 between: the set under 0.5 to 2 is n + (0.5 to 2) m00 of the expected counts.
    rng = np.random.default_rng(5)
    p, q, size = 0.4, 0.3, 1_000
    seen = size * (1 - (1 - p) * (1 - q))
    missed = size - seen
    held = 0
    for _ in range(100):
        a, b = rng.random(size) < p, rng.random(size) < q
        counts = {"10": (a & ~b).sum(), "01": (~a & b).sum(), "11": (a & b).sum()}
        (low, high) = (
            mse.bounds(
                mse.CaptureTable.from_counts({k: int(v) for k, v in counts.items()}, ["a", "b"]),
                model="main",
            )
            .sets[1]
            .ends
        )
        held += low <= seen + 0.5 * missed and seen + 2 * missed <= high
    assert held >= binom.ppf(RARE, 100, 0.95)
