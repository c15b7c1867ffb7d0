"""A known group and how far it gets."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

import mse
from mse.data.reading import dates, day_of
from mse.reaching import share_of, shares_reached
from tests.json_schemas import validator

DAY = pd.Timestamp("2020-01-01")


def group(n: int, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"person": [f"p{i}" for i in range(n)], "start": DAY, **columns})


def register(days: dict[int, float], **columns: object) -> pd.DataFrame:
    who = [f"p{i}" for i in days]
    when = DAY + pd.to_timedelta([*days.values()], "D")
    return pd.DataFrame({"person": who, "date": when, **columns})


def test_without_censoring_it_is_a_share_with_its_wilson_interval() -> None:
    found = mse.reach(group(200), register({i: i for i in range(30)}), until="2021-01-01")
    row = found.to_frame().iloc[0]
    assert row["share"] == pytest.approx(0.15)
    known = proportion_confint(30, 200, method="wilson")
    assert (row["low"], row["high"]) == pytest.approx(known)
    assert found.sizes["followed"][0] == 200
    at_ten = found.curves[found.curves["days"] == 7.5]
    assert at_ten["share"].item() == pytest.approx(8 / 200)


def test_who_is_followed_for_less_counts_until_then() -> None:
    # By hand: of 4, one reached on day 1, one lost on day 2, one reached on day 3.
    days, event = np.array([1.0, 2.0, 3.0, 9.0]), np.array([True, False, True, False])
    found = shares_reached(days, event, np.array([0.5, 1.0, 3.0]), 0.0, 0.95)
    assert [each.point for each in found] == pytest.approx([0.0, 0.25, 1 - 0.75 * 0.5])


def test_missed_links_raise_the_share_and_widen_the_interval() -> None:
    data = group(200), register({i: i for i in range(60)})
    plain, stated, audited = (
        mse.reach(*data, missed=missed, until="2021-01-01").to_frame().iloc[0]
        for missed in (0, 0.2, (40, 200))
    )
    assert stated["share"] == audited["share"] == pytest.approx(plain["share"] / 0.8)
    assert (stated["low"], stated["high"]) == pytest.approx(
        (plain["low"] / 0.8, plain["high"] / 0.8)
    )
    assert audited["low"] < stated["low"]
    assert audited["high"] > stated["high"]


def test_nobody_and_everybody() -> None:
    nobody = (
        mse.reach(group(50), register({99: 5}), until="2021-01-01", missed=(3, 90))
        .to_frame()
        .iloc[0]
    )
    assert (nobody["share"], nobody["low"]) == (0, 0)
    assert 0.05 < nobody["high"] < 0.2
    every = mse.reach(
        group(50), register(dict.fromkeys(range(50), 5)), until="2021-01-01", missed=0.1
    )
    assert every.to_frame()["share"].item() == 1
    assert every.to_frame()["high"].item() == 1


def test_stages_are_reached_in_their_order() -> None:
    events = pd.concat(
        [
            register({0: 10, 1: 20, 2: 30}, stage="suspected"),
            register({1: 40, 3: 50}, stage="convicted"),
        ]
    )
    stages = ["suspected", "prosecuted", "convicted"]
    found = mse.reach(group(10), events, stages=stages, until="2021-01-01").to_frame()
    assert found["share"].tolist() == pytest.approx([0.4, 0.2, 0.2])
    then = mse.reach(
        group(10), events, stages=stages, since="previous", until="2021-01-01", missed=0.2
    )
    frame = then.to_frame()
    assert frame["observed"].tolist() == [10, 4, 2]
    # Who is missed is missed at all stages: the second share is of those who were found.
    assert frame["share"].tolist() == pytest.approx([0.5, 0.5, 1.0])
    assert "of those who reached the stage before" in then.summary().lower()


def test_groups_and_dates_before_the_start() -> None:
    members = group(4, sex=["f", "f", "m", "m"])
    events = register({0: -5, 1: 3, 2: 400})
    ignored = mse.reach(members, events, by=["sex"], until="2022-01-01").to_frame()
    assert ignored.set_index("sex")["share"].to_dict() == {"f": 0.5, "m": 0.0}
    counted = mse.reach(
        members, events, by=["sex"], until="2022-01-01", earlier="counted"
    ).to_frame()
    assert counted.set_index("sex")["share"].to_dict() == {"f": 1.0, "m": 0.0}


def test_each_persons_own_end() -> None:
    members = group(3, end=DAY + pd.to_timedelta([10, 100, 400], "D"))
    found = mse.reach(members, register({0: 20, 1: 50}), "180D", until="end")
    # The first is no longer followed on day 10; what is registered later does not count.
    assert found.to_frame()["share"].item() == pytest.approx(0.5)


def test_errors_count_and_name_nobody() -> None:
    members = pd.concat([group(3), group(1)]).assign(start=[DAY, None, DAY, DAY])
    with pytest.raises(mse.InvalidTableError, match="missing in 1 of 4 rows"):
        mse.reach(members, register({0: 1}))
    with pytest.raises(mse.InvalidTableError, match="1 rows more than persons") as caught:
        mse.reach(pd.concat([group(3), group(1)]), register({0: 1}))
    assert "p0" not in str(caught.value)
    with pytest.raises(mse.InvalidTableError, match="other stages"):
        mse.reach(group(2), register({0: 1}, stage="heard"), stages=["convicted"])
    for wrong in (
        {"within": "soon"},
        {"missed": 1.0},
        {"missed": (5, 3)},
        {"since": "then"},
        {"earlier": "x"},
    ):
        with pytest.raises(mse.ModelError, match="expected"):
            mse.reach(group(2), register({0: 1}), **wrong)
    with pytest.raises(mse.InvalidTableError, match="start is after"):
        mse.reach(group(2), register({0: 1}), until="2019-01-01")


def test_what_it_shows_has_no_persons() -> None:
    found = mse.reach(group(30), register({i: i for i in range(9)}), until="2021-01-01")
    assert "p1" not in repr(found) + found.summary() + found.curves.to_csv()
    # A curve at set times, not at those at which somebody was reached.
    assert len(found.curves) == 25


def test_shares_of_each_quarter() -> None:
    found = mse.reach(
        group(100), register({i: 4 * i for i in range(50)}), 180.3, until="2021-01-01"
    )
    frame = found.by_time()
    assert frame["days"].tolist() == pytest.approx([45.075, 90.15, 135.225, 180.3])
    assert frame["share"].tolist() == pytest.approx([0.12, 0.23, 0.34, 0.46])
    assert "sooner" in found.summary().lower()


def test_its_json_is_of_the_schema() -> None:
    found = mse.reach(
        group(4, sex=[*"ffmm"]), register({0: 3}), by=["sex"], missed=(1, 9), until="2021-01-01"
    )
    data = json.loads(json.dumps(found.to_dict()))
    validator("reach").validate(data)
    assert [row["where"] for row in data["reached"]] == [{"sex": "f"}, {"sex": "m"}]
    assert len(data["curves"]) == 50


@pytest.mark.parametrize("name", ["stage", "days", "share", "observed"])
def test_a_column_of_groups_named_like_a_result_is_refused(name: str) -> None:
    with pytest.raises(mse.InvalidTableError, match="rename"):
        mse.reach(group(4, **{name: [*"ffmm"]}), register({0: 3}), by=[name])


# What leaves --------------------------------------------------------------------------------------

CBS = mse.disclosure.rules("cbs")


def safe_of(found: mse.reaching.Reach, rules: mse.disclosure.Rules = CBS) -> pd.DataFrame:
    return mse.disclosure.protect(found, rules).to_frame()


def test_what_leaves_is_made_of_rounded_counts_alone() -> None:
    # 203 persons, of whom 61 were reached: 205 and 60 are all that a reader is told.
    one, other = (
        safe_of(
            mse.reach(group(n), register({i: 5 + i % 90 for i in range(k)}), until="2021-01-01")
        )
        for n, k in ((203, 61), (205, 59))
    )
    assert one["share"].item() == 60 / 205
    pd.testing.assert_frame_equal(one, other)
    low, high = (
        proportion_confint(58, 207, method="wilson")[0],
        proportion_confint(62, 203, method="wilson")[1],
    )
    assert (one["low"].item(), one["high"].item()) == pytest.approx((low, high))


@pytest.mark.parametrize("reached", [3, 9, 194, 191])
def test_few_and_nearly_all_are_not_shown(reached: int) -> None:
    found = mse.reach(group(200), register(dict.fromkeys(range(reached), 5)), until="2021-01-01")
    row = safe_of(found).iloc[0]
    assert row[["observed", "share", "low", "high"]].isna().all()
    assert mse.disclosure.check(found, CBS).violations


def test_who_stops_at_a_stage_cannot_be_computed() -> None:
    # 40 and 36 of 100: that four stop at the first stage would be told by two shares.
    events = pd.concat(
        [register(dict.fromkeys(range(n), 9), stage=name) for name, n in (("a", 40), ("b", 36))]
    )
    found = mse.reach(group(100), events, stages=["a", "b"], until="2021-01-01")
    safe = mse.disclosure.protect(found, mse.disclosure.Rules(threshold=10))
    assert safe.to_frame()["share"].isna().any()
    assert not mse.disclosure.attack(safe)["exposed"].any()


def test_who_was_not_followed_does_not_leave() -> None:
    members = group(120, end=DAY + pd.to_timedelta([400] * 100 + [50] * 20, "D"))
    found = mse.reach(members, register(dict.fromkeys(range(30), 20)), until="end")
    assert found.cohort[["persons", "reached"]].to_numpy().tolist() == [[100, 30]]
    assert safe_of(found)["observed"].tolist() == [100]
    assert "followed for all of the time" in mse.disclosure.protect(found, CBS).summary()


def test_there_is_no_curve_under_rules() -> None:
    found = mse.reach(group(200), register(dict.fromkeys(range(60), 5)), until="2021-01-01")
    safe = mse.disclosure.protect(found, CBS)
    validator("reach").validate(json.loads(json.dumps(safe.to_dict())))
    assert safe.to_dict()["curves"] == []
    with pytest.raises(mse.ModelError, match="no curve"):
        mse.plots.reach(safe)
    assert mse.disclosure.protect(safe, CBS) is safe
    assert mse.disclosure.protect(found, mse.disclosure.rules("none")) is found


def test_links_that_few_were_of_do_not_leave() -> None:
    data = group(200), register(dict.fromkeys(range(60), 5))
    few = mse.reach(*data, missed=(3, 90), until="2021-01-01")
    with pytest.raises(mse.ModelError, match="state the share"):
        mse.disclosure.protect(few, CBS)
    enough = mse.disclosure.protect(mse.reach(*data, missed=(12, 298), until="2021-01-01"), CBS)
    assert enough.missed == (10, 300)


def test_an_identifier_is_no_group() -> None:
    members = group(60, case=[f"c{i}" for i in range(60)])
    found = mse.reach(members, register({0: 5}), by=["case"], until="2021-01-01")
    with pytest.raises(mse.ModelError, match="identifier"):
        mse.disclosure.protect(found, CBS)


# What cannot be meant -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "missed", [None, "a", True, (1,), (1, 2, 3), (1.5, 3), (3, float("nan")), float("nan"), [5, 3]]
)
def test_missed_links_that_cannot_be(missed: object) -> None:
    with pytest.raises(mse.ModelError, match="expected a share below 1"):
        mse.reach(group(4), register({0: 1}), missed=missed, until="2021-01-01")  # type: ignore[arg-type]


def test_a_list_of_two_is_a_pair() -> None:
    assert mse.reach(group(4), register({0: 1}), missed=[1, 9], until="2021-01-01").missed == (1, 9)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"by": ["sex", "sex"]}, "named twice"),
        ({"by": ["person"]}, "tells persons apart"),
        ({"stages": ["a", "a"]}, "named twice"),
        ({"stages": ["a", ""]}, "no name"),
    ],
)
def test_names_that_cannot_be(options: dict[str, list[str]], said: str) -> None:
    with pytest.raises(mse.InvalidTableError, match=said):
        mse.reach(
            group(4, sex=[*"ffmm"]), register({0: 1}, stage="a"), until="2021-01-01", **options
        )  # type: ignore[arg-type]


def test_persons_in_two_ways_of_writing() -> None:
    numbers = group(4).assign(person=range(4))
    with pytest.raises(mse.InvalidTableError, match="numbers in the group and text"):
        mse.reach(numbers, register({0: 1}), until="2021-01-01")


def test_more_groups_than_persons() -> None:
    members = group(60, a=range(60), b=range(60))
    with pytest.raises(mse.InvalidTableError, match="3,600 combinations of 60 persons"):
        mse.reach(members, register({0: 1}), by=["a", "b"], until="2021-01-01")


def test_dates_with_a_time_zone_are_those_of_the_register() -> None:
    plain = mse.reach(group(4), register({0: 20, 1: 200}), until="2021-01-01").to_frame()
    zoned = group(4).assign(start=DAY.tz_localize("Europe/Amsterdam"))
    later = register({0: 20, 1: 200})
    later["date"] = later["date"].dt.tz_localize("Europe/Amsterdam")
    until = pd.Timestamp("2021-01-01", tz="Europe/Amsterdam")
    pd.testing.assert_frame_equal(mse.reach(zoned, later, until=until).to_frame(), plain)


def test_more_reached_than_missed_links_leave_room_for() -> None:
    found = mse.reach(
        group(200), register(dict.fromkeys(range(190), 5)), missed=0.5, until="2021-01-01"
    )
    assert found.contradicted
    assert "leave room for" in found.summary()
    fine = mse.reach(
        group(200), register(dict.fromkeys(range(60), 5)), missed=0.5, until="2021-01-01"
    )
    assert not fine.contradicted


@pytest.mark.parametrize("level", ["a", None, True, 95])
def test_levels_that_cannot_be(level: object) -> None:
    with pytest.raises(mse.ModelError, match="level of an interval"):
        mse.reach(group(4), register({0: 1}), level=level, until="2021-01-01")  # type: ignore[arg-type]


def test_times_are_days_and_weeks_and_nothing_else() -> None:
    members, events = group(3), register({0: 20, 1: 50})

    def within(asked: Any) -> float:
        return mse.reach(members, events, asked, until="2022-01-01").within

    # Text without a unit once was billionths of a second, and 6m minutes.
    assert within("180") == within("180D") == within(180) == 180
    assert within("26W") == within("26 w") == within(pd.Timedelta("182D")) == 182
    assert within(dt.timedelta(days=1.5)) == within(np.timedelta64(36, "h")) == 1.5
    for wrong in ("6m", "6M", "12h", "-3", "1 2", True, None, math.inf):
        with pytest.raises(mse.ModelError, match="expected a time in days or weeks"):
            within(wrong)


def test_one_date_has_its_year_first() -> None:
    members, events = group(3), register({0: 20, 1: 50})
    found = [
        mse.reach(members, events, 10, until=until).cohort["persons"].item()
        for until in ("2020-01-31", "31-01-2020", dt.date(2020, 1, 31), pd.Timestamp("2020-01-31"))
    ]
    assert found == [3] * 4
    # 1 February, or 2 January.
    for wrong in ("01-02-2021", 2021, "soon", pd.NaT):
        with pytest.raises(mse.ModelError, match="the year first"):
            mse.reach(members, events, until=wrong)


def test_persons_in_another_spelling_are_not_silently_nobody() -> None:
    members, events = group(300), register(dict.fromkeys(range(100), 20))
    for spelled in (
        events.assign(person=events["person"].str.upper()),
        events.assign(person=events["person"] + " "),
    ):
        with pytest.raises(
            mse.InvalidTableError, match="100 are in the register but for spaces"
        ) as e:
            mse.reach(members, spelled)
        assert "p1" not in str(e.value).lower().replace("100", "")
    numbers = members.assign(person=[str(each) for each in range(300)])
    with pytest.raises(mse.InvalidTableError, match=r"or \.0 behind a number"):
        mse.reach(numbers, events.assign(person=[f"{each}.0" for each in range(100)]))
    # Two that differ by chance are two.
    other = pd.concat([events, events.tail(1).assign(person="P200")])
    assert mse.reach(members, other, until="2021-01-01").cohort["reached"].item() == 100


@pytest.mark.parametrize("n", [20, 23, 57, 198])
def test_ends_under_rules_hold_what_rounding_of_both_counts_hides(n: int) -> None:
    for k in range(n + 1):
        size, inside = (5 * ((each + 2) // 5) for each in (n, k))
        found = share_of(min(inside, size), size, 0.0, 0.95, (2, 2))
        low, high = proportion_confint(k, n, method="wilson")
        assert found.low <= low + 1e-9
        assert found.high >= high - 1e-9


@pytest.mark.parametrize("blank", ["", " ", "unknown", None])
def test_entries_for_nobody_are_no_person(blank: str | None) -> None:
    members = group(3).assign(person=["p0", "p1", blank])
    events = register({0: 5, 1: 6}).assign(person=["p0", blank])
    with pytest.raises(mse.InvalidTableError, match="names no person") as caught:
        mse.reach(members, events, until="2021-01-01")
    assert len(caught.value.problems) == 2


def test_identifiers_that_lost_their_last_digits_are_refused() -> None:
    members = group(2).assign(person=[123456789012345678, 123456789012345679])
    events = register({0: 5}).assign(person=[1.23456789012345678e17])
    with pytest.raises(mse.InvalidTableError, match="floating-point numbers of 2"):
        mse.reach(members, events, until="2021-01-01")


@pytest.mark.parametrize(
    "text",
    ["31 December 2015", "31 december 2015", "31-Dec-2015", "31dec2015", "December 31, 2015"],
)
def test_months_that_are_named_are_read(text: str) -> None:
    assert day_of(text) == pd.Timestamp("2015-12-31")
    column = pd.Series([text, text.lower().replace("december", "november").replace("31", "30")])
    assert dates(column, "date").iloc[0] == pd.Timestamp("2015-12-31")


def test_dutch_months_are_read() -> None:
    column = pd.Series(["1 mei 2016", "5 maart 2016", "31 oktober 2015"])
    assert dates(column, "date").dt.strftime("%Y-%m-%d").tolist() == [
        "2016-05-01",
        "2016-03-05",
        "2015-10-31",
    ]
    assert day_of("1-2-2014") is None
