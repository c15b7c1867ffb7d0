"""Tables of the last periods while registrations are still to come, and what becomes of their figures."""

from __future__ import annotations

import json
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mse
from mse._schemas import schema
from mse.data.reading import Reading
from mse.messages import catalogue_of
from mse.words.monitors import late_messages

ON = "2015-12-31"
MODEL = mse.LogLinear(
    "police*care + police*other + care*other + police*year + care*year + other*year"
)


@cache
def population(**asked: Any) -> Any:
    lists = {"police": 0.25, "care": 0.2, "other": 0.15}
    years = {"year": {2013: 0.35, 2014: 0.35, 2015: 0.3}, "sex": {"f": 0.6, "m": 0.4}}
    return mse.simulate.population(
        lists, 6000, covariates=years, dependence={"police:care": 2}, late=True, **asked
    )


@cache
def world(**asked: Any) -> Any:
    return population(**asked).draw(seed=3)


@cache
def records() -> pd.DataFrame:
    return world().records.rename(columns={"pseudonym": "person"})


def now(date: str = ON, frame: pd.DataFrame | None = None, **asked: Any) -> mse.Nowcast:
    asked = {"imputations": 6, "seed": 1} | asked
    return mse.nowcast(records() if frame is None else frame, date, **asked)


@cache
def found() -> mse.Nowcast:
    return now(covariates=("sex",))


@cache
def monitored() -> Any:
    model = mse.LogLinear(MODEL.model + " + sex*year + police*sex + care*sex + other*sex")
    return mse.monitor(found(), groups=["sex"], estimator=model, replicates=120, seed=1)


# The tables --------------------------------------------------------------------------------------


def test_what_is_in_is_what_was_received_until_the_date() -> None:
    known = records()[records()["received"] <= ON]
    expected = mse.CaptureTable.from_records(known, "person", "register", "year")
    assert now().table == expected
    assert now().preliminary == (2015,)


def test_the_whole_day_counts() -> None:
    timed = records().copy()
    timed["received"] = (timed["received"] + pd.Timedelta("14h")).dt.tz_localize("Europe/Amsterdam")
    assert now(frame=timed).table == now().table == now(pd.Timestamp(f"{ON} 09:00")).table
    day = str(records()["received"].max().date())
    assert now(None).as_of == day


def test_what_is_in_stays_and_complete_periods_are_as_they_are() -> None:
    for table in found().completed:
        assert table.where(year=[2013, 2014]) == found().table.where(year=[2013, 2014])
        assert table.where(year=2015).n_observed >= found().table.where(year=2015).n_observed
        # Nobody leaves a list.
        now_on = np.diag(found().table.where(year=2015).overlaps())
        assert (np.diag(table.where(year=2015).overlaps()) >= now_on).all()


def test_registered_persons_of_the_end_are_foreseen() -> None:
    final = records().query("year == 2015")["person"].nunique()
    row = found().registered().iloc[0]
    so_far = records()[records()["received"] <= ON].query("year == 2015")["person"].nunique()
    assert row["registered"] == so_far < 0.75 * final
    assert row["low"] < final < row["high"]
    assert row["high"] / row["low"] < 1.5


def test_nothing_is_drawn_where_everything_is_in() -> None:
    late = now("2017-12-31")
    assert late.preliminary == late.completed == ()
    report = mse.monitor(late, estimator=MODEL, replicates=60, seed=1)
    plain = mse.monitor(late.table, estimator=MODEL, replicates=60, seed=1)
    pd.testing.assert_frame_equal(report.periods.drop(columns="preliminary"), plain.periods)
    assert report.preliminary == ()
    assert "no figure is preliminary" in report.summary()


def test_the_same_seed_draws_the_same_tables_and_another_others() -> None:
    assert now(seed=5).completed == now(seed=5).completed
    assert now(seed=5).completed != now(seed=6).completed


def test_order_of_rows_and_names_of_lists_say_nothing() -> None:
    turned = records().sample(frac=1, random_state=1)
    assert now(frame=turned).table == now().table
    expected = now().registered()["expected"]
    assert now(frame=turned).registered()["expected"].to_numpy() == pytest.approx(expected)


def test_a_list_that_is_not_in_is_completed_from_earlier_periods() -> None:
    missing = now("2017-12-31", not_in={"care": 2015}, imputations=20)
    assert missing.preliminary == (2015,)
    assert missing.shares[2015] == {"care": 0.0, "other": 1.0, "police": 1.0}
    assert missing.table.where(year=2015).drop_lists(["care"]).n_observed == (
        missing.table.where(year=2015).n_observed
    )
    drawn = [
        int(each.where(year=2015).overlaps().loc["care", "care"]) for each in missing.completed
    ]
    true = int(now("2017-12-31").table.where(year=2015).overlaps().loc["care", "care"])
    assert min(drawn) < true < max(drawn)
    row = missing.registered().iloc[0]
    assert row["low"] < records().query("year == 2015")["person"].nunique() < row["high"]


def test_without_dates_of_receipt_a_list_may_still_be_missing() -> None:
    plain = records().drop(columns=["date", "received"])
    missing = now(frame=plain, received=None, not_in={"police": [2015]})
    assert missing.preliminary == (2015,)
    both = now("2017-12-31", not_in={"police": 2015})
    assert missing.table == both.table


def test_unknown_covariates_stay_unknown_where_all_is_in() -> None:
    some = records().copy()
    some.loc[some.index[::7], "sex"] = None
    found_ = now(frame=some, covariates=["sex"])
    early = found_.table.where(year=2013).patterns[:, -1]
    assert (early == -1).any()
    for table in found_.completed:
        assert table.where(year=2013) == found_.table.where(year=2013)
        # What is drawn is known.
        assert (table.where(year=2015).patterns[:, -1] >= 0).all()


def test_periods_need_not_be_years() -> None:
    quarters = records().copy()
    quarters["year"] = quarters["date"].dt.to_period("Q").astype(str)
    quarters = quarters[quarters["date"] >= "2014-01-01"]
    found_ = now(frame=quarters)
    # Reports are late by up to nine months.
    assert found_.preliminary == ("2015Q2", "2015Q3", "2015Q4")


def test_registrations_of_a_file_are_taken_with_their_roles() -> None:
    text = records().to_csv(index=False).encode()
    options = {"person": "person", "register": "register", "period": "year"}
    read = Reading.of(text, **options, date="date", received="received", covariates=["sex"])
    assert mse.nowcast(read, ON, imputations=2, seed=1).table == found().table
    unclear = Reading.of(b"a,b\n1,2\n")
    with pytest.raises(mse.InvalidTableError):
        mse.nowcast(unclear, ON)
    undated = Reading.of(text, **options)
    with pytest.raises(mse.ModelError, match="no date is known"):
        mse.nowcast(undated, not_in={"care": 2015})


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({"imputations": 1}, "imputations=1: expected a whole number, 2 or more"),
        ({"settled": 0}, "settled=0: expected a whole number, 1 or more"),
        ({"not_in": {"cara": 2015}}, "'cara', which is on no registration"),
        ({"not_in": {"care": 2018}}, "names the year 2018 for care"),
        (
            {"not_in": {"police": 2015, "care": 2015, "other": 2015}},
            "leaves nothing of the year 2015",
        ),
        ({"not_in": ["care"]}, "expected lists and their periods"),
        ({"seed": "x"}, "expected a whole number, 0 or more, a generator"),
        ({"date": None}, "takes both"),
        ({"as_of": "soon"}, "expected a date such as"),
        # 1 February, or 2 January.
        ({"as_of": "01-02-2016"}, "the year first"),
        ({"as_of": 2016}, "the year first"),
        ({"as_of": "2010-01-01"}, "Nothing came in until 2010-01-01"),
        ({"as_of": "2015-11-30"}, "the year 2015 is not over"),
        ({"received": None, "as_of": None}, "no date is known"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, Any], wrong: str) -> None:
    settings = {"as_of": ON, "imputations": 2} | asked
    with pytest.raises((mse.ModelError, mse.InvalidTableError), match=wrong):
        mse.nowcast(records(), settings.pop("as_of"), **settings)


def test_dates_that_cannot_be_are_refused_with_their_number() -> None:
    turned = records().rename(columns={"date": "received", "received": "date"})
    with pytest.raises(mse.InvalidTableError, match=r"[\d,]+ rows were received before the event"):
        now(frame=turned)
    empty = records().copy()
    empty.loc[empty.index[:3], "received"] = None
    with pytest.raises(mse.InvalidTableError, match="'received' is empty in 3 rows"):
        now(frame=empty)


def test_a_list_that_is_silent_though_it_should_not_be_is_told() -> None:
    silent = records().query("not (year == 2015 and register == 'police')")
    (warning,) = now(frame=silent).warnings
    assert warning.key == "remark.nothing_in"
    assert "not_in={'police': 2015}" in warning
    assert "not_in={'police': 2015}" in catalogue_of("nl").translated(warning)


def test_no_person_is_in_what_is_shown() -> None:
    shown = "".join([repr(found()), found().summary(), found().to_frame().to_string()])
    assert "SYN-" not in shown


# The monitor -------------------------------------------------------------------------------------


def test_preliminary_periods_are_marked_everywhere() -> None:
    report = monitored()
    assert report.preliminary == (2015,)
    assert report.periods["preliminary"].tolist() == [False, False, True]
    assert report.to_frame().query("period == 2015")["preliminary"].all()
    assert "2015 (preliminary)" in report.summary()
    assert str(report.at(2015)).startswith("2015 (preliminary):")
    assert str(report.at(2014)).startswith("2014:")
    data = json.loads(report.to_json())
    assert [each["preliminary"] for each in data["cells"]] == [
        each["period"] in (2015, None) for each in data["cells"]
    ]
    (late,) = data["late"]["periods"]
    assert late["period"] == 2015
    assert late["observed"] == report.at(2015).observed


def test_json_follows_the_schema() -> None:
    validate = pytest.importorskip("jsonschema").validate
    validate(json.loads(monitored().to_json()), schema("monitor"))


def test_observed_persons_are_those_so_far_and_totals_hold_those_to_come() -> None:
    report, late = monitored(), monitored().late.periods[2015]
    assert (
        report.at(2015).observed
        == late.registered
        == int(found().registered()["registered"].iloc[0])
    )
    figures = report.at(2015).figures
    assert figures["total"].low >= late.expected.low * 0.9 > late.registered
    assert figures["total"].point == pytest.approx(
        figures["hidden"].point + report.at(2015).observed
    )
    parts = [report.at(2015, sex=each).figures["total"].point for each in ("f", "m")]
    assert sum(parts) == pytest.approx(figures["total"].point)


def test_draws_are_those_of_each_completed_table() -> None:
    report = monitored()
    assert report.replicates == 20 * len(found().completed)
    points = [
        report_.cells[2015, ()].total
        for report_ in (
            mse.monitor(each, estimator=MODEL, replicates=20, seed=1)
            for each in (table.collapse("sex") for table in found().completed)
        )
    ]
    later = report.late.periods[2015].later
    assert later.low < min(points)
    assert max(points) < later.high


def test_over_worlds_the_later_figure_is_held_and_its_point_is_nearer() -> None:
    # A point that reads the table as complete is nearer in one world of nine, by chance.
    held, off = [], []
    for seed in range(12):
        frame = population().draw(seed=seed).records.rename(columns={"pseudonym": "person"})
        later = yearly(MODEL.fit(mse.nowcast(frame, "2017-12-31", seed=1).table))
        known = now(frame=frame, imputations=10)
        early = mse.monitor(known, estimator=MODEL, replicates=100, seed=1)
        low, high = early.at(2015).figures["total"][1:]
        figures = early.late.periods[2015].later
        held.append(low < later < high and figures.low < later < figures.high)
        points = early.at(2015).total, yearly(MODEL.fit(known.table))
        off.append(np.abs(np.log(np.array(points) / later)))
    assert sum(held) >= 10
    as_found, as_complete = np.mean(off, axis=0)
    assert as_found < as_complete


def yearly(fit: Any) -> float:
    """Take the total of 2015."""
    return float(fit.population.margin("year").set_index("year").loc[2015, "total"])


def test_registered_so_far_is_not_held_against_registered() -> None:
    report = monitored()
    assert np.isnan(report.change(2014, 2015).coverage_difference.point)
    assert not np.isnan(report.change(2013, 2014).coverage_difference.point)
    assert not np.isnan(report.change(2014, 2015).difference.low)
    with pytest.raises(mse.ModelError, match="2015 is preliminary"):
        mse.drivers(report, found().table, 2014, 2015, by="sex")


def test_a_period_that_is_not_that_of_the_nowcast_is_refused() -> None:
    with pytest.raises(mse.ModelError, match="The nowcast is by year"):
        mse.monitor(found(), period="sex")


def test_intervals_may_allow_for_people_who_differ() -> None:
    report = mse.monitor(
        now(imputations=2), estimator=MODEL, replicates=40, seed=1, heterogeneity=True
    )
    wide, alike = (each.at(2015).figures["total"] for each in (report, report.alike))
    assert wide.low <= alike.low
    assert wide.high >= alike.high
    assert report.alike.preliminary == (2015,)


def test_what_is_to_come_is_said_in_every_language() -> None:
    messages = [*late_messages(monitored())]
    keys = {each.key for each in messages}
    assert {"late.as_of", "late.registered", "late.later", "late.shares", "late.rests"} <= keys
    dutch = catalogue_of("nl")
    said = [dutch.translated(each) for each in messages]
    assert all(text and text != each for text, each in zip(said, messages, strict=True))
    late = monitored().late.periods[2015]
    assert f"{late.registered:,}" in messages[1]


def test_reports_mark_preliminary_periods(tmp_path: Any) -> None:
    for language, word in (("en", "preliminary"), ("nl", "voorlopig")):
        path = tmp_path / f"{language}.md"
        mse.write_report([monitored()], path, language=language, figures=False)
        text = path.read_text(encoding="utf-8")
        assert f"2015 ({word})" in text
        assert f"2014 ({word})" not in text


def test_pictures_mark_preliminary_periods() -> None:
    ax = mse.plots.trend(monitored())
    hollow = [line for line in ax.lines if line.get_gid() == "preliminary"]
    assert [line.get_xdata().tolist() for line in hollow] == [[2]]
    dashed = [line for line in ax.lines if line.get_gid() == "line_preliminary"]
    assert [line.get_xdata().tolist() for line in dashed] == [[1, 2]]


def test_under_rules_of_disclosure_counts_are_those_that_are_published() -> None:
    rules = mse.disclosure.rules("cbs")
    safe = mse.disclosure.protect(monitored(), rules, table=found().table)
    late = safe.late.periods[2015]
    assert late.registered % rules.base == 0
    if safe.at(2015).status != "suppressed":
        raw = monitored().late.periods[2015]
        assert late.expected.low <= raw.expected.low
        assert late.expected.high >= raw.expected.high
    data = json.loads(safe.to_json())["late"]
    assert data["periods"][0]["observed"] == late.registered
    assert set(safe.periods["preliminary"]) == {True, False}


def test_what_is_suppressed_has_no_forecast() -> None:
    rules = mse.disclosure.rules("cbs")
    tiny = records().groupby("year").head(9)  # fewer persons than may be shown
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mse.MSEWarning)
        report = mse.monitor(now(frame=tiny), estimator=MODEL, replicates=40, seed=1)
    safe = mse.disclosure.protect(report, rules, table=now(frame=tiny).table)
    assert safe.at(2015).status == "suppressed"
    late = safe.late.periods[2015]
    assert np.isnan(late.expected.point)
    assert all(np.isnan(share) for share in late.shares.values())
    data = json.loads(safe.to_json())["late"]["periods"][0]
    assert data["expected"]["point"] is data["later"]["low"] is data["in"][0]["share"] is None
    text = " ".join(safe.summary().split())
    assert "2015: how many are registered so far is not shown" in text


# Revisions ---------------------------------------------------------------------------------------


@cache
def revised() -> Any:
    return mse.revisions(
        mse.monitor(now(date, imputations=4), estimator=MODEL, replicates=80, seed=1)
        for date in ("2016-12-31", "2014-12-31", "2015-12-31")
    )


def test_each_period_is_told_as_it_stood() -> None:
    parts = [(each.period, each.as_of, each.preliminary) for each in revised().parts]
    assert parts == [
        (2013, "2014-12-31", False),
        (2013, "2015-12-31", False),
        (2014, "2014-12-31", True),
        (2014, "2015-12-31", False),
        (2015, "2015-12-31", True),
    ]
    frame = revised().to_frame()
    last = frame.iloc[-1]
    assert last["registered"] < last["registered_later"]
    assert last["revision"] == pytest.approx(last["later"] / last["total"] - 1)
    assert last["inside"] == (last["low"] <= last["later"] <= last["high"])
    assert np.isnan(frame["expected_low"].iloc[0])
    assert frame["foreseen"].iloc[0] is None


def test_revisions_are_said_in_every_language() -> None:
    (section,) = revised()._sections()
    dutch = catalogue_of("nl")
    for each in (*section.paragraphs, *section.bullets):
        assert dutch.translated(each)
    assert "as of 2014-12-31" in section.bullets[0]


def test_reports_under_rules_show_no_figure_of_two_dates(tmp_path: Any) -> None:
    path = tmp_path / "report.md"
    mse.write_report([monitored(), revised()], path, figures=False, disclosure="cbs")
    text = path.read_text(encoding="utf-8")
    assert "No figure of two dates is shown" in text
    for each in revised().parts:
        assert f"{each.total.point:,.0f}" not in text
        assert f"point estimate {each.later:,.0f}" not in text


def test_monitors_without_dates_are_refused() -> None:
    plain = mse.monitor(found().table.collapse("sex"), estimator=MODEL, replicates=40, seed=1)
    with pytest.raises(mse.ModelError, match="expected nowcasts"):
        mse.revisions([plain, monitored()])
    with pytest.raises(mse.ModelError, match="expected nowcasts"):
        mse.revisions([monitored()])
