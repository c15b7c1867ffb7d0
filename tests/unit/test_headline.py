"""The headline interval allows for people who differ; the other takes them for alike."""

from __future__ import annotations

import json
import math
from functools import cache

import numpy as np
import pytest

import mse
from mse.answer.population import encode_population
from mse.errors import ModelError
from tests.json_schemas import validator


@cache
def kosovo() -> mse.PopulationEstimate:
    return mse.estimate(mse.load_dataset("kosovo"), model="[123,14,34]")


@cache
def by_region() -> mse.PopulationEstimate:
    table = mse.load_dataset("scotland_pwid").collapse("sex", "age")
    return mse.estimate(table, model="S1*region + S2*region + S3*region + S4*region")


def test_two_intervals_and_which_is_which() -> None:
    p = kosovo()
    assert p.interval(0.95) == p.interval(0.95, given="heterogeneity")
    assert p.interval_kind == "credible"
    assert "differ" in p.interval_given
    assert p.alike.interval(0.95) == p.interval(0.95, given="alike")
    assert p.alike.interval_kind == "profile"
    alone = mse.estimate(mse.load_dataset("kosovo"), model="[123,14,34]", heterogeneity=False)
    assert alone.interval(0.95) == p.alike.interval(0.95)
    assert alone.total == p.total
    assert alone.alike is alone


def test_the_headline_holds_the_other() -> None:
    for p in (kosovo(), by_region()):
        for level in (0.5, 0.95):
            (low, high), (first, last) = p.interval(level), p.interval(level, given="alike")
            assert low <= first < last <= high
            wide, narrow = (
                (p.margin(*p.strata.names, level=level, given=each) for each in (None, "alike"))
                if p.strata
                else (None, None)
            )
            if wide is not None and narrow is not None:
                assert (wide["low"] <= narrow["low"]).all()
                assert (wide["high"] >= narrow["high"]).all()


def test_the_headline_of_a_monitor_holds_the_other() -> None:
    table = mse.simulate.netherlands(years=range(2014, 2017)).draw(seed=1).table()
    monitor = mse.monitor(
        table.collapse("form", "sex", "age", "nationality"), replicates=50, seed=1, n_jobs=1
    )
    assert "differ" in monitor.joint.given
    for key, cell in monitor.cells.items():
        for name, figure in cell.figures.items():
            other = monitor.alike.cells[key].figures[name]
            if name != "rate":
                assert (
                    figure.low
                    <= other.low
                    <= other.point
                    == figure.point
                    <= other.high
                    <= figure.high
                )
    change, alike = monitor.change(2014, 2016), monitor.alike.change(2014, 2016)
    assert change.ratio.low <= alike.ratio.low <= alike.ratio.high <= change.ratio.high
    data = monitor.to_dict()
    assert data["alike"]["cells"][0]["total"]["low"] >= data["cells"][0]["total"]["low"]


def test_where_the_two_part_the_answer_says_so() -> None:
    table = mse.load_dataset("hiv_rome")
    p = mse.estimate(table, interval="profile")
    parted = p.allowing is not None and p.allowing.total > p.interval(0.95, given="alike")[1]
    assert parted == any("do not use it alone" in each for each in p.warnings)
    assert parted
    q = mse.estimate(mse.load_dataset("congenital"), interval="profile")
    assert q.allowing is not None
    parted = q.allowing.total > q.interval(0.95, given="alike")[1]
    assert parted == any("do not use it alone" in each for each in q.warnings)


def test_point_is_inside_both() -> None:
    for p in (kosovo(), by_region()):
        for given in ("heterogeneity", "alike"):
            low, high = p.interval(0.8, given=given)
            assert p.observed <= low <= p.total <= high


def test_an_assumption_can_be_replaced() -> None:
    more = mse.estimate(
        mse.load_dataset("kosovo"),
        model="[123,14,34]",
        heterogeneity=mse.HeterogeneousLogLinear(mean=1.0, sd=0.2),
    )
    assert more.interval(0.95)[1] > kosovo().interval(0.95)[1]
    assert more.alike.interval(0.95) == kosovo().alike.interval(0.95)
    with pytest.raises(ModelError, match="HeterogeneousLogLinear"):
        mse.estimate(mse.load_dataset("kosovo"), model="main", heterogeneity="much")  # type: ignore[arg-type]


def test_unknown_word_is_an_error() -> None:
    with pytest.raises(ModelError, match="'heterogeneity' or 'alike'"):
        kosovo().interval(0.95, given="all")  # type: ignore[arg-type]


def test_parts_show_the_headline_and_offer_the_other() -> None:
    p = by_region()
    assert p.by is not None
    wide, narrow = p.margin("region"), p.margin("region", given="alike")
    assert p.by.equals(wide)
    assert (wide["total"] == narrow["total"]).all()
    assert (wide["high"] > narrow["high"]).all()
    assert narrow.equals(p.alike.by)
    assert (wide["low"] <= wide["total"]).all()
    assert (wide["high"] >= wide["total"]).all()


def test_json_keeps_both() -> None:
    for p in (kosovo(), by_region()):
        data = json.loads(p.to_json())
        assert data["schema"] == "mse.population/2"
        validator("population").validate(data)
        assert data["interval"]["kind"] == "credible"
        assert data["alike"]["interval"]["kind"] == p.alike.interval_kind
        again = mse.PopulationEstimate.from_json(p.to_json())
        for given in ("heterogeneity", "alike"):
            assert again.interval(0.95, given=given) == pytest.approx(p.interval(0.95, given=given))
        assert again.to_json() == p.to_json()


def test_json_of_the_first_version_is_read() -> None:
    data = encode_population(kosovo().alike, (0.5, 0.95), draws=False)
    assert data.pop("alike") is None
    assert data.pop("allowing") is None
    # Nor had figures grades.
    del data["grade"], data["support"]
    data["schema"] = "mse.population/1"
    again = mse.PopulationEstimate.from_dict(data)
    assert again.interval(0.95) == pytest.approx(kosovo().alike.interval(0.95))
    assert math.isnan(again.interval(0.95, given="heterogeneity")[0])


def test_probability_above_a_number() -> None:
    p = kosovo()
    assert p.probability_above(p.observed - 1) == 1.0
    assert p.probability_above(1e9) == 0.0
    low, high = p.allowing.interval(0.9) if p.allowing else (0, 0)
    assert p.probability_above(low) == pytest.approx(0.95, abs=0.01)
    assert p.probability_above(high) == pytest.approx(0.05, abs=0.01)
    # A profile likelihood has no draws.
    assert math.isnan(p.probability_above(low, given="alike"))


def test_nothing_is_put_around_what_is_not_estimable() -> None:
    table = mse.CaptureTable.from_counts({"100": 20, "010": 30, "001": 10}, ["a", "b", "c"])
    p = mse.estimate(table, model="main")
    assert p.status == "not_estimable"
    assert p.allowing is None
    assert np.isnan(p.interval(0.95)).all()


def test_where_it_cannot_be_given_the_answer_says_so() -> None:
    table = mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
    p = mse.estimate(table, model="main")
    assert p.interval_kind == "profile"
    assert any("takes people for alike" in each for each in p.warnings)


def test_protected_estimates_have_both() -> None:
    table = mse.load_dataset("scotland_pwid").collapse("sex", "age")
    strict = mse.disclosure.rules("cbs")
    safe = mse.disclosure.protect_population(by_region(), strict, table=table)
    wide, narrow = safe.margin("region"), safe.margin("region", given="alike")
    assert (wide["high"] > narrow["high"]).all()
    assert safe.interval(0.95)[1] > safe.alike.interval(0.95)[1]
    again = safe.to_dict()
    assert again["allowing"] is not None


def test_the_default_answer_is_an_estimator() -> None:
    table = mse.load_dataset("kosovo").keep_lists(["EXH", "ABA", "OSCE"])
    ask = mse.Default(replicates=30)
    assert ask == mse.Default(replicates=30)
    assert "heterogeneity=True" in repr(ask)
    found = mse.compare(table, [ask, mse.LogLinear("main")])
    frame = found.to_frame()
    p = mse.estimate(table, replicates=30, seed=1)
    assert tuple(frame.iloc[0][["low", "high"]]) == p.interval(0.95)
    assert tuple(frame.iloc[0][["low_alike", "high_alike"]]) == p.interval(0.95, given="alike")
    rows = mse.validate(table, [ask, mse.Default(30, heterogeneity=False)]).to_frame()
    wide, narrow = rows.iloc[:3], rows.iloc[3:]
    assert (wide["low"].to_numpy() <= narrow["low"].to_numpy()).all()
    assert (wide["high"].to_numpy() >= narrow["high"].to_numpy()).all()


def test_none_by_name_takes_people_for_alike() -> None:
    table = mse.load_dataset("korea")
    plain = mse.estimate(table, model="main", heterogeneity=False)
    for named in ("none", "None", "no"):
        assert mse.estimate(table, model="main", heterogeneity=named).to_dict() == plain.to_dict()
    assert mse.LogLinear("main", heterogeneity="none") == mse.LogLinear("main")
    search = mse.LogLinearSearch(heterogeneity=("none", "darroch"))
    assert search == mse.LogLinearSearch(heterogeneity=(None, "darroch"))
    assert mse.LogLinearSearch(heterogeneity="none") == mse.LogLinearSearch()
    with pytest.raises(mse.ModelError, match="'none'"):
        mse.estimate(table, model="main", heterogeneity=0.5)
