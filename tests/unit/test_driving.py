"""What drives a change of registered persons."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import mse
import mse.reporting
from mse.answer.intervals import order_quantile
from mse.errors import ModelError
from mse.reporting import build_report

MODEL = mse.LogLinear("police*year*sex + care*year*sex")


@cache
def table() -> mse.CaptureTable:
    counts = np.zeros((2, 2, 2, 2), dtype=int)
    counts[1, 0] = [[60, 30], [60, 170]]
    counts[0, 1] = [[40, 50], [30, 55]]
    counts[1, 1] = [[20, 10], [20, 12]]
    axes = {"year": [2014, 2015], "sex": ["f", "m"]}
    return mse.CaptureTable.from_array(counts, ["police", "care"], axes)


def swapped() -> mse.CaptureTable:
    """As many persons in each stratum, of lists in another order."""
    counts = np.zeros((2, 2, 2, 2), dtype=int)
    counts[1:] = table().counts[1:]
    counts[0, 1] = table().counts[0, 1]
    return mse.CaptureTable.from_array(
        counts.swapaxes(0, 1), ["care", "police"], table().covariates
    )


def monitor(**asked: Any) -> Any:
    return mse.monitor(table(), groups=["sex"], estimator=MODEL, replicates=150, seed=1, **asked)


@cache
def found() -> Any:
    return mse.drivers(monitor(), table(), 2014, 2015)


def test_parts_are_those_computed_by_hand() -> None:
    # Men: Lincoln-Petersen totals of 40 x 60 / 10 and 182 x 67 / 12; half of those on both lists to each.
    first, last = 40 * 60 / 10, 182 * 67 / 12
    m = 35.0, 176.0
    each = found().of("police", sex="m")
    assert (each.first, each.last, each.change) == (*m, 141.0)
    by_size = (last - first) * (m[0] / first + m[1] / last) / 2
    assert each.by_size.point == pytest.approx(by_size)
    assert each.by_share.point == pytest.approx(141 - by_size)
    assert each.by_size.low < by_size < each.by_size.high
    assert found().leading == each


def test_contributions_add_up() -> None:
    frame = found().to_frame()
    inner = frame[frame["register"].notna() & frame["sex"].notna()]
    whole = found().of()
    assert whole.change == table().where(year=2015).n_observed - table().where(year=2014).n_observed
    for name in ("change", "by_size", "by_share"):
        point = whole.change if name == "change" else getattr(whole, name).point
        assert inner[name].sum() == pytest.approx(point)
        men = inner[inner["sex"] == "m"][name].sum()
        own = found().of(sex="m")
        assert men == pytest.approx(own.change if name == "change" else getattr(own, name).point)
    assert (frame["by_size"] + frame["by_share"]).tolist() == pytest.approx(
        frame["change"].tolist()
    )
    assert (frame["by_size_low"] + frame["by_share_high"]).tolist() == pytest.approx(
        frame["change"].tolist()
    )


def test_intervals_are_those_of_the_draws_of_both_periods() -> None:
    report = monitor()
    draws = report.population.stratum_draws
    n = {2014: 90.0, 2015: 237.0}
    sizes = {year: np.maximum(draws[year, "m"].to_numpy(), n[year]) for year in n}
    by_hand = (sizes[2015] - sizes[2014]) * (n[2014] / sizes[2014] + n[2015] / sizes[2015]) / 2
    each = found().of(sex="m").by_size
    assert each.low == pytest.approx(order_quantile(by_hand, 0.025))
    assert each.high == pytest.approx(order_quantile(by_hand, 0.975))


def test_the_headline_holds_what_takes_people_for_alike() -> None:
    report = monitor(heterogeneity=True)
    wide = mse.drivers(report, table(), 2014, 2015)
    alike = mse.drivers(report.alike, table(), 2014, 2015)
    for one, other in zip(wide.contributions, alike.contributions, strict=True):
        assert one.by_size.low <= other.by_size.low <= other.by_size.high <= one.by_size.high


def test_rules_of_one_group_are_a_break_for_it_and_for_everybody() -> None:
    rules = {"sex=m": {2015: "narrower scheme"}}
    report = monitor(group_rules=rules)
    assert report.change(2014, 2015, sex="f").status == "ok"
    for where in ({}, {"sex": "m"}):
        with pytest.raises(ModelError, match="narrower scheme"):
            report.change(2014, 2015, **where)
    assert report.at(None, sex="m").status == "across_scopes"
    assert report.at(None, sex="f").status == "ok"
    statuses = report.changes("sex").set_index("sex")["status"]
    assert statuses.to_dict() == {"f": "ok", "m": "across_scopes"}
    with pytest.raises(ModelError, match="different scope"):
        mse.contrast(report, "[year=2015] / [year=2014]")
    assert mse.contrast(report, "[year=2015, sex=f] / [year=2015, sex=m]").point > 0
    broken = mse.drivers(report, table(), 2014, 2015)
    assert broken.of("police", sex="m").status == broken.of().status == "across_scopes"
    assert np.isnan(broken.of().by_size.point)
    assert broken.of().change == found().of().change
    assert broken.of(sex="f").by_size == found().of(sex="f").by_size
    assert "rules of registration changed" in " ".join(report.warnings)
    assert "across scopes" in broken.summary()
    asked = mse.drivers(monitor(group_rules=rules, across_scopes=True), table(), 2014, 2015)
    assert asked.of().by_size == found().of().by_size


def test_words() -> None:
    text = found().summary()
    assert "sex m, police" in text
    assert "+141" in text
    assert "-" in found().to_frame().to_string()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"last": 2016}, "no year 2016"),
        ({"by": "age"}, "expected groups"),
        ({"by": "year"}, "expected groups"),
        ({"by": ["sex", "sex"]}, "each once"),
        ({"last": 2014}, "expected two periods"),
        ({"table": mse.load_dataset("korea")}, "not the one of the monitor"),
        ({"table": swapped()}, "not the one of the monitor"),
    ],
)
def test_what_is_not_there_is_refused(asked: dict[str, Any], told: str) -> None:
    given = {"report": monitor(), "table": table(), "first": 2014, "last": 2015} | asked
    with pytest.raises(ModelError, match=told):
        mse.drivers(**given)


def test_rules_name_groups_and_periods_of_the_table() -> None:
    with pytest.raises(ModelError, match="Did you mean 'sex=m'"):
        monitor(group_rules={"sexm": {2015: "x"}})
    with pytest.raises(ModelError, match="no year"):
        monitor(group_rules={"sex=m": {2020: "x"}})
    with pytest.raises(ModelError, match="no contribution of sex x"):
        found().of(sex="x")


# Shown -------------------------------------------------------------------------------------------


def test_the_largest_come_first_and_are_of_a_group_at_a_register() -> None:
    shown = found().largest
    assert len(shown) == 4
    assert all(each.group and each.register for each in shown)
    changes = [abs(each.change) for each in shown]
    assert changes == sorted(changes, reverse=True)


def test_the_picture_has_a_row_for_each_and_marks_at_the_changes() -> None:
    ax = found().plot(most=3)
    marks = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "change"]
    assert marks == [each.change for each in found().largest[:3]]
    labels = [each.get_text().replace("\n", " ") for each in ax.get_yticklabels()]
    assert labels == [each.label for each in found().largest[:3]]
    with pytest.raises(ModelError, match="1 or more"):
        found().plot(most=0)


@pytest.mark.parametrize(("language", "said"), [("en", "By size"), ("nl", "Door omvang")])
def test_a_report_tells_drivers_in_both_languages(language: str, said: str) -> None:
    report = build_report([monitor(), table(), found()], language=language, figures=False)
    section = next(each for each in report.sections if each.id == "drivers")
    shown = next(each for each in section.blocks if hasattr(each, "columns"))
    assert shown.columns[2].heading.startswith(said)
    assert shown.rows[0][0].text == found().leading.label
    assert shown.rows[0][1].value == found().leading.change


def test_under_rules_a_report_has_the_drivers_of_what_its_monitor_shows() -> None:
    results = [monitor(), table(), found()]
    report = build_report(results, disclosure="cbs", figures=False)
    section = next(each for each in report.sections if each.id == "drivers")
    shown = next(each for each in section.blocks if hasattr(each, "rows"))
    assert len(shown.rows) == len({str(each.group) for each in found().contributions})
    # Without the monitor nobody knows which counts stand in them.
    report = build_report([table(), found()], disclosure="cbs", figures=False)
    section = next(each for each in report.sections if each.id == "drivers")
    assert len(section.blocks) == 1
    assert not hasattr(section.blocks[0], "rows")
