"""Nowcasts, revisions, what drives a change, and plans under rules: what leaves of each, and what does not."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import mse
from mse.disclosure import protect, rules
from mse.plots import drivers as draw_drivers
from mse.plots import plan as draw_plan

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

CBS = rules("cbs")


@cache
def records() -> pd.DataFrame:
    world = mse.simulate.netherlands(years=range(2013, 2016), late=True)
    return world.draw(seed=1).records.rename(columns={"pseudonym": "person"})


@cache
def nowcast(date: str) -> mse.Nowcast:
    return mse.nowcast(records(), date, imputations=3, seed=1)


@cache
def yearly() -> mse.CaptureTable:
    """Two years by sex and region."""
    counts = np.zeros((2, 2, 2, 2, 2), dtype=int)
    counts[1, 0], counts[0, 1], counts[1, 1] = 150, 100, 50
    counts[:, :, 1, 1, 1] += counts[:, :, 1, 1, 1] // 2
    counts[:, :, 1, 0, 1] = [[0, 4], [3, 2]]
    axes = {"year": [2014, 2015], "sex": ["f", "m"], "region": ["n", "s"]}
    return mse.CaptureTable.from_array(counts, ["police", "care"], axes)


@cache
def monitored() -> mse.Monitor:
    model = mse.LogLinear(
        "police*year + police*sex + care*year + care*sex + year*sex + year*sex*region"
    )
    return mse.monitor(yearly(), groups=["sex", "region"], estimator=model, replicates=60, seed=1)


# Nowcasts -----------------------------------------------------------------------------------------


def test_a_nowcast_leaves_as_counts_and_forecasts_that_are_rounded() -> None:
    found = nowcast("2015-12-31")
    safe = protect(found, "cbs")
    assert isinstance(safe, mse.Nowcast)
    before, after = found.registered().iloc[0], safe.registered().iloc[0]
    assert after["registered"] == CBS.rounded(before["registered"])
    for name in ("expected", "low", "high"):
        assert after[name] % CBS.base == 0
        assert after[name] != before[name]
    assert after["low"] <= before["low"] <= before["high"] <= after["high"]
    shares = safe.to_frame().filter(like="in: ").iloc[0]
    assert np.allclose(shares * 20, np.round(shares * 20))
    assert len(safe.table.low) == len(safe.completed) == 0
    text = safe.summary() + repr(safe) + safe._repr_html_()
    assert f"{found.table.n_observed:,}" not in text
    assert f"{before['registered']:,}" not in text
    with pytest.raises(mse.ModelError, match=r"level 0\.9 are not published"):
        safe.registered(0.9)


def test_a_period_with_few_persons_so_far_is_withheld() -> None:
    few = mse.disclosure.Rules(threshold=900, base=5)
    found = nowcast("2015-12-31")
    assert found.registered()["registered"][0] < 900
    safe = protect(found, few)
    assert safe.registered().drop(columns="year").isna().all(axis=None)
    assert safe.to_frame().drop(columns="year").isna().all(axis=None)
    assert "2015  x" in safe.summary()


# Revisions ----------------------------------------------------------------------------------------


@cache
def revisions() -> mse.Revisions:
    return mse.revisions(
        mse.monitor(nowcast(date), estimator=mse.LogLinear("main"), replicates=60, seed=1)
        for date in ("2014-12-31", "2015-12-31")
    )


def test_of_revisions_it_is_told_whether_figures_held_and_no_figure_is() -> None:
    found = revisions()
    safe = protect(found, "cbs")
    frame = safe.to_frame()
    assert list(frame) == ["period", "as_of", "preliminary", "inside", "foreseen"]
    assert frame["inside"].tolist() == found.to_frame()["inside"].tolist()
    text = safe.summary() + safe._repr_html_()
    for each in found.parts:
        for figure in (each.registered, each.registered_later, each.later, *each.total):
            assert f"{figure:,.0f}" not in text
    assert "No figure of two dates is shown" in text
    few = mse.disclosure.Rules(threshold=1000, base=5)
    assert min(each.registered for each in found.parts) < 1000
    assert None in [each.inside for each in protect(found, few).parts]


# What drives a change -----------------------------------------------------------------------------


def test_what_drives_a_change_is_computed_of_what_its_monitor_shows() -> None:
    report = monitored()
    found = mse.drivers(report, yearly(), 2014, 2015, by="sex")
    safe = protect(found, "cbs", monitor=report, table=yearly())
    shown = mse.disclosure.protect_monitor(report, "cbs", table=yearly())
    assert {each.register for each in safe.contributions} == {""}
    assert [each.label for each in safe.contributions] == ["sex f", "sex m", "everybody"]
    for each in safe.contributions:
        where = dict(each.group)
        first, last = (shown.at(year, **where) for year in (2014, 2015))
        assert (each.first, each.last) == (first.observed, last.observed)
        assert each.by_size.point + each.by_share.point == pytest.approx(each.change)
        assert each.by_size.low <= each.by_size.point <= each.by_size.high
        own = found.of(**where)
        assert each.by_size.low <= own.by_size.low
        assert own.by_size.high <= each.by_size.high
        assert each.by_size.low % CBS.base == each.by_size.high % CBS.base == 0
        if where:
            point = (last.total - first.total) * (first.coverage + last.coverage) / 2
            assert each.by_size.point == pytest.approx(point)
    assert draw_drivers(safe, most=2).get_yticklabels()
    assert "police" not in safe.summary()
    with pytest.raises(mse.ModelError, match=r"give the monitor.*monitor=monitor"):
        protect(found, "cbs")


def test_a_group_of_which_a_period_is_withheld_has_no_change() -> None:
    report = monitored()
    found = mse.drivers(report, yearly(), 2014, 2015, by=["sex", "region"])
    safe = protect(found, "cbs", monitor=report, table=yearly())
    # The monitor shows no groups of two covariates.
    assert all(math.isnan(each.change) for each in safe.contributions[:-1])
    assert safe.to_frame()["by_size"].isna().all()
    assert not math.isnan(safe.of().change)
    few = mse.disclosure.Rules(threshold=700, base=5)
    by_sex = mse.drivers(report, yearly(), 2014, 2015, by="sex")
    withheld = protect(by_sex, few, monitor=report, table=yearly())
    assert {each.status for each in withheld.contributions} == {"suppressed"}
    assert "x" in withheld.summary()


# Plans --------------------------------------------------------------------------------------------


@cache
def planned(name: str) -> mse.Plan:
    return mse.plan(mse.load_dataset(name), tables=40, seed=1)


def test_a_plan_of_a_table_leaves_where_its_estimate_may() -> None:
    found = planned("kosovo")
    fit = mse.LogLinearSearch(strategy="stepwise").fit(mse.load_dataset("kosovo"))
    assert pytest.approx(fit.population.total) == found.N
    safe = protect(found, "cbs")
    estimate = protect(fit.population, "cbs", table=mse.load_dataset("kosovo"))
    assert estimate.total == safe.N
    first, more, reach = safe.outlooks
    assert first.registered == estimate.observed
    assert math.isnan(reach.registered)
    for own, each in zip(found.outlooks, safe.outlooks, strict=True):
        assert math.isnan(each.overlapping)
        assert {value % CBS.base for value in (each.total, each.low, each.high)} == {0}
        assert each.low <= own.low <= own.high <= each.high
        assert round(each.width * 20) == pytest.approx(each.width * 20)
    assert more.registered % 50 == 0
    assert "overlapping" not in safe.to_frame()
    assert draw_plan(safe).get_yticklabels()
    for text in (safe.summary(), safe._repr_html_(), repr(safe)):
        assert f"{found.outlooks[0].overlapping:,.0f}" not in text


def test_a_plan_of_a_table_of_which_no_estimate_may_leave_is_withheld_with_a_sentence() -> None:
    # Two lists overlap in few persons: the size of the plan is the closed form of them.
    counts = {"10": 200, "01": 150, "11": 4}
    table = mse.CaptureTable.from_counts(counts, lists=["police", "care"])
    found = mse.plan(table, tables=40, seed=1)
    n_police, n_care = 204, 154
    assert pytest.approx(n_police * n_care / 4) == found.N
    safe = protect(found, "cbs")
    assert math.isnan(safe.N)
    figures = safe.to_frame().drop(columns=["scenario", "lists"])
    assert figures.isna().all(axis=None)
    assert "give away how many persons are on both" in safe.summary()
    assert f"{found.N:,.0f}" not in safe.summary() + repr(safe)


def test_a_plan_of_shares_holds_nobody() -> None:
    found = mse.plan({"police": 0.3, "care": 0.2, "other": 0.2}, 500, tables=40, seed=1)
    assert protect(found, "cbs") is found
    with pytest.raises(mse.ModelError, match="may leave as it is"):
        mse.disclosure.protect_plan(found, "cbs")


# Reports ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "nl"])
def test_reports_show_what_was_protected_and_name_what_was_not(
    tmp_path: Path, language: Any
) -> None:
    report = monitored()
    results = [
        report,
        yearly(),
        mse.drivers(report, yearly(), 2014, 2015, by="sex"),
        revisions(),
        planned("kosovo"),
        mse.plan({"police": 0.3, "care": 0.2, "other": 0.2}, 731, tables=40, seed=1),
    ]
    path = tmp_path / "report.md"
    mse.write_report(results, path, disclosure="cbs", language=language)
    text = path.read_text(encoding="utf-8")
    said = {
        "en": ("Of groups alone", "No figure of two dates is shown", "is expected on"),
        "nl": ("Alleen van groepen", "Geen cijfer van twee datums", ""),
    }[language]
    assert said[0] in text
    assert said[1] in text
    assert "sex f" in text
    overlapping = planned("kosovo").outlooks[0].overlapping
    assert f"{overlapping:,.0f}" not in text
    # Of a text that nothing protected nobody knows what stands in it.
    assert "731" not in text
