"""The monitor: figures by period and group from one joint set of draws."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from math import inf, isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import norm

import mse
from mse.loglinear import LogLinear, LogLinearSearch
from mse.monitoring.draws import figure
from mse.monitoring.monitor_table import default_choice
from mse.monitoring.result import probability_of_rise
from tests.chance import FAR, error_of_end, error_of_share
from tests.json_schemas import validator

if TYPE_CHECKING:
    from mse.monitoring import Monitor

YEARS = (2014, 2015, 2016)
#: Two independent lists by year: on the first only, on the second only, on both.
SEEN = ((60, 40, 20), (90, 70, 30), (80, 50, 20))
BY_YEAR = LogLinear("a*year + b*year")


def two_lists() -> mse.CaptureTable:
    counts = np.zeros((2, 2, len(YEARS)), dtype=np.int64)
    for at, (first, second, both) in enumerate(SEEN):
        counts[1, 0, at], counts[0, 1, at], counts[1, 1, at] = first, second, both
    return mse.CaptureTable.from_array(counts, ["a", "b"], {"year": YEARS})


def three_lists(seed: int = 3, **covariates: Any) -> mse.CaptureTable:
    """Persons on three independent lists, by year and sex."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((2, 2, 2, len(YEARS), 2), dtype=np.int64)
    for at, persons in enumerate((500, 400, 700)):
        for sex, share in enumerate((0.6, 0.4)):
            on = (rng.random((round(persons * share), 3)) < (0.3, 0.25, 0.2)).astype(int)
            for row in on[on.any(axis=1)]:
                counts[(*row, at, sex)] += 1
    return mse.CaptureTable.from_array(
        counts, ["a", "b", "c"], {"year": YEARS, "sex": ("f", "m")} | covariates
    )


@pytest.fixture(scope="module")
def plain() -> Monitor:
    return mse.monitor(two_lists(), estimator=BY_YEAR, replicates=2000, seed=1)


@pytest.fixture(scope="module")
def grouped() -> Monitor:
    rates = {2014: 1_000_000, 2015: 1_100_000, 2016: 1_200_000}
    return mse.monitor(three_lists(), groups=["sex"], replicates=200, seed=1, rates=rates)


# Closed form -------------------------------------------------------------------------------------


def test_points_are_those_of_lincoln_and_petersen(plain: Monitor) -> None:
    frame = plain.periods
    totals = [(f + b) * (s + b) / b for f, s, b in SEEN]
    np.testing.assert_allclose(frame["total"], totals, rtol=1e-9)
    np.testing.assert_array_equal(frame["observed"], [sum(each) for each in SEEN])
    np.testing.assert_allclose(frame["hidden"], frame["total"] - frame["observed"])
    np.testing.assert_allclose(frame["coverage"], frame["observed"] / frame["total"])


def test_intervals_are_as_wide_as_theory_says(plain: Monitor) -> None:
    # Variance of log N for two independent lists and a multinomial draw of all observed persons:
    # log N = log(n1) + log(n2) - log(b), by the delta method for Poisson cells.
    def variance(first: int, second: int, both: int) -> float:
        n1, n2 = first + both, second + both
        weights = np.array([1 / n1, 1 / n2, 1 / n1 + 1 / n2 - 1 / both])
        return float(weights**2 @ np.array([first, second, both]))

    # That the number of observed persons in all years is fixed cancels in a ratio.
    spread = np.sqrt(variance(*SEEN[0]) + variance(*SEEN[1]))
    change = plain.change(2014, 2015)
    z = norm.ppf(0.975)
    expected = 400 / 240 * np.exp([-z * spread, z * spread])
    # Percentiles of 2,000 draws, of a quantity that is not quite normal on the log scale.
    near = FAR * error_of_end(spread, 2000) + 0.02
    np.testing.assert_allclose([change.ratio.low, change.ratio.high], expected, rtol=near)
    assert change.difference.point == pytest.approx(160)
    assert change.ratio.point == pytest.approx(400 / 240)
    assert change.rise == pytest.approx(norm.cdf(np.log(400 / 240) / spread), abs=0.02)


def test_total_agrees_with_the_margin_of_the_estimate(grouped: Monitor) -> None:
    margin = grouped.population.margin("year")
    for name in ("observed", "hidden", "total", "coverage", "low", "high"):
        np.testing.assert_allclose(grouped.periods[name], margin[name])
    margin = grouped.population.margin("year", "sex")
    np.testing.assert_allclose(grouped.by_period["sex"]["total"], margin["total"])
    np.testing.assert_allclose(
        grouped.groups["sex"]["total"], grouped.population.margin("sex")["total"]
    )


def test_groups_add_up_to_periods(grouped: Monitor) -> None:
    by_year = grouped.by_period["sex"].groupby("year")[["observed", "hidden", "total"]].sum()
    np.testing.assert_allclose(by_year, grouped.periods[["observed", "hidden", "total"]])


# Joint draws -------------------------------------------------------------------------------------


def test_a_ratio_from_joint_draws_is_narrower_than_from_independent_ones() -> None:
    # With the capture probabilities in common, what is uncertain about them cancels in the ratio.
    found = mse.monitor(two_lists(), estimator=LogLinear("main"), replicates=1000, seed=2)
    change = found.change(2014, 2015)
    first, last = (found.cells[each, ()].draws for each in (2014, 2015))
    apart = np.random.default_rng(1).permutation(last) / first
    low, high = np.quantile(apart, [0.025, 0.975])
    assert np.corrcoef(first, last)[0, 1] > 0.2
    assert change.ratio.high - change.ratio.low < 0.95 * (high - low)


def test_a_period_does_not_change_from_itself(plain: Monitor) -> None:
    change = plain.change(2014, 2014)
    assert tuple(change.difference) == (0.0, 0.0, 0.0)
    assert tuple(change.ratio) == (1.0, 1.0, 1.0)
    assert change.rise == 0.5


def test_turning_a_change_around(plain: Monitor) -> None:
    forth, back = plain.change(2014, 2015), plain.change(2015, 2014)
    assert forth.difference.point == -back.difference.point
    assert forth.rise == pytest.approx(1 - back.rise)
    # The order statistic below one tail is one draw off that of the other.
    draws = plain.cells[2015, ()].draws - plain.cells[2014, ()].draws
    ends = sorted([forth.difference.low, -back.difference.high])
    assert ((draws > ends[0]) & (draws < ends[1])).sum() <= 1


def test_same_seed_same_figures() -> None:
    def frame(n_jobs: int) -> pd.DataFrame:
        found = mse.monitor(two_lists(), estimator=BY_YEAR, replicates=60, seed=5, n_jobs=n_jobs)
        return found.to_frame()

    pd.testing.assert_frame_equal(frame(1), frame(2))


def test_selection_is_repeated_by_default(grouped: Monitor) -> None:
    assert grouped.joint.given == "a prior on how people differ and lists depend"
    assert grouped.alike.joint.given == "the model re-selected in every replicate"
    assert "selected anew" in " ".join(grouped.summary().split())


def test_probability_of_a_rise_counts_ties_and_the_undetermined_half() -> None:
    assert probability_of_rise(np.array([1.0, inf, -inf, -1.0])) == 0.5
    assert probability_of_rise(np.array([nan, nan])) == 0.5
    assert probability_of_rise(np.array([0.0, 1.0])) == 0.75
    assert isnan(probability_of_rise(np.array([])))


# Draws without bound -----------------------------------------------------------------------------


def test_ends_among_infinite_draws_are_infinite() -> None:
    draws = np.r_[np.arange(1.0, 96.0), np.full(5, inf)]
    assert figure(50.0, draws, 0.95).high == inf
    # Draw 90.1 of 100, counted from 1: between the ninetieth and the next.
    assert figure(50.0, draws, 0.80).high == pytest.approx(90.1)
    assert figure(50.0, -draws, 0.95).low == -inf


def test_undetermined_draws_count_towards_both_ends() -> None:
    draws = np.r_[np.arange(1.0, 96.0), np.full(5, nan)]
    assert figure(50.0, draws, 0.95)[1:] == (-inf, inf)
    assert figure(50.0, draws, 0.80)[1:] == pytest.approx((5.9, 90.1))
    assert figure(50.0, draws, 0.95, least=0.0).low == 0.0
    assert isnan(figure(nan, draws, 0.95).low)


def test_periods_with_few_overlaps_have_no_upper_bound() -> None:
    counts = two_lists().counts.copy()
    counts[1, 1] = (2, 2, 30)
    table = mse.CaptureTable.from_array(counts, ["a", "b"], {"year": YEARS})
    found = mse.monitor(table, estimator=BY_YEAR, replicates=2000, seed=1)
    frame = found.periods.set_index("year")
    assert frame.loc[2014, "high"] == inf
    assert frame.loc[2014, "coverage_low"] == 0.0
    # A Poisson count with mean 2 is zero in 13.5 % of the draws.
    error = error_of_share(0.135, 2000)
    assert frame.loc[2014, "infinite"] / 2000 == pytest.approx(0.135, abs=FAR * error)
    change = found.change(2014, 2015)
    assert (change.difference.low, change.difference.high) == (-inf, inf)
    assert (change.ratio.low, change.ratio.high) == (0.0, inf)
    first, last = (found.cells[each, ()].draws for each in (2014, 2015))
    assert change.undetermined == (np.isinf(first) & np.isinf(last)).sum() > 0
    assert isinstance(found.to_json(), str)
    validator("monitor").validate(found.to_dict())
    assert "not determined" in found.summary()
    assert "no bound" in found.summary()


# Not estimable -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broken() -> Monitor:
    """Have a period in which nobody is on both lists."""
    counts = two_lists().counts.copy()
    counts[1, 1, 1] = 0
    table = mse.CaptureTable.from_array(counts, ["a", "b"], {"year": YEARS})
    return mse.monitor(table, estimator=BY_YEAR, replicates=2000, seed=1)


def test_one_period_without_estimate_leaves_the_others(broken: Monitor) -> None:
    frame = broken.periods.set_index("year")
    assert isnan(frame.loc[2015, "total"])
    assert isnan(frame.loc[2015, "low"])
    assert frame.loc[2015, "observed"] == 160
    assert frame.loc[2015, "status"] == "not_estimable"
    assert frame.loc[2015, "limit"] == "infinite"
    assert "no upper limit" in frame.loc[2015, "reason"]
    assert frame.loc[2014, "total"] == pytest.approx(240)
    assert frame.loc[2014, "low"] < 240 < frame.loc[2014, "high"]
    assert frame.loc[2014, "reason"] == ""


def test_changes_with_such_a_period(broken: Monitor) -> None:
    frame = broken.changes().set_index(["first", "last"])
    assert list(frame.index) == [(2014, 2015), (2015, 2016), (2014, 2016)]
    assert isnan(frame.loc[(2014, 2015), "difference"])
    assert isnan(frame.loc[(2014, 2015), "rise"])
    assert frame.loc[(2014, 2015), "status"] == "not_estimable"
    assert frame.loc[(2014, 2016), "status"] == "boundary"
    assert frame.loc[(2014, 2016), "difference"] == pytest.approx(350 - 240)


def test_it_says_so(broken: Monitor) -> None:
    text = " ".join(broken.summary().split())
    assert "NOT ESTIMATED - year 2015: The data set no upper limit" in text
    assert broken.has_estimate
    validator("monitor").validate(broken.to_dict())


def test_draws_of_what_is_left_agree_with_the_bootstrap(broken: Monitor, plain: Monitor) -> None:
    lost = broken.periods.set_index("year").loc[2014, ["low", "high"]]
    whole = plain.periods.set_index("year").loc[2014, ["low", "high"]]
    # The persons of one year come of fewer in all; of a skewed total the upper end is less certain.
    spread = np.log(plain.cells[2014, ()].draws).std()
    near = FAR * 1.5 * np.sqrt(2) * error_of_end(spread, 2000) + 0.02
    np.testing.assert_allclose(lost.astype(float), whole.astype(float), rtol=near)


def test_nothing_estimable() -> None:
    counts = two_lists().counts.copy()
    counts[1, 1] = 0
    table = mse.CaptureTable.from_array(counts, ["a", "b"], {"year": YEARS})
    found = mse.monitor(table, estimator=BY_YEAR, replicates=20, seed=1)
    assert not found.has_estimate
    assert found.periods["total"].isna().all()
    assert found.changes()["rise"].isna().all()
    assert found.summary()
    validator("monitor").validate(found.to_dict())


def test_a_sum_with_a_lost_stratum_names_it() -> None:
    counts = three_lists().counts.copy()
    table = mse.CaptureTable.from_array(counts, ["a", "b", "c"], dict(three_lists().covariates))
    counts[:, :, :, 1, 0] = 0
    counts[1, 0, 0, 1, 0] = 40
    table = table.with_counts(counts)
    found = mse.monitor(
        table, groups=["sex"], estimator=LogLinear("a*year*sex + b*year*sex + c*year*sex"),
        replicates=20, seed=1,
    )  # fmt: skip
    reason = found.periods.set_index("year").loc[2015, "reason"]
    assert "In 1 of 2 strata (year=2015, sex=f)" in reason
    assert not isnan(found.by_period["sex"].set_index(["year", "sex"]).loc[(2015, "m"), "total"])


def test_a_period_without_persons() -> None:
    counts = three_lists().counts.copy()
    counts[..., 1, :] = 0
    found = mse.monitor(three_lists().with_counts(counts), replicates=20, seed=1)
    frame = found.periods.set_index("year")
    assert frame.loc[2015, "observed"] == 0
    assert isnan(frame.loc[2015, "coverage"])
    assert len(found.summary()) > 0


def test_without_draws_there_are_points() -> None:
    found = mse.monitor(two_lists(), estimator=BY_YEAR, replicates=5, seed=1)
    bare = replace(found, joint=replace(found.joint, totals=np.zeros((0, 3)), given=""))
    assert bare.periods["low"].isna().all()
    assert isnan(bare.change(2014, 2015).rise)
    assert bare.change(2014, 2015).difference.point == pytest.approx(160)
    assert "without an interval" in bare.summary()
    validator("monitor").validate(bare.to_dict())


# Scopes ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scoped() -> Monitor:
    return mse.monitor(
        three_lists(), groups=["sex"], replicates=40, seed=1,
        scope={2014: "older", 2015: "older", 2016: "newer"},
    )  # fmt: skip


def test_changes_across_scopes_are_refused(scoped: Monitor) -> None:
    with pytest.raises(mse.ModelError, match=r"2015 and 2016 .*older; newer.*across_scopes=True"):
        scoped.change(2015, 2016)
    with pytest.raises(mse.ModelError, match="different scope"):
        scoped.change(2014, 2016, sex="f")
    assert scoped.change(2014, 2015).status == "ok"


def test_estimates_within_scopes_are_given(scoped: Monitor) -> None:
    assert scoped.periods["total"].notna().all()
    assert scoped.periods["scope"].tolist() == ["older", "older", "newer"]
    assert scoped.breaks == ((2015, 2016),)
    frame = scoped.changes()
    assert frame["status"].tolist() == ["ok", "across_scopes", "across_scopes"]
    assert frame["rise"].isna().tolist() == [False, True, True]
    # A sum over the periods would mix scopes as well.
    assert scoped.groups["sex"]["total"].isna().all()
    assert set(scoped.groups["sex"]["status"]) == {"across_scopes"}
    assert "not compared, the scopes differ" in scoped.summary()
    validator("monitor").validate(scoped.to_dict())


def test_comparing_across_scopes_has_to_be_asked_for(scoped: Monitor) -> None:
    found = mse.monitor(
        three_lists(), replicates=40, seed=1, scope={2016: "newer"}, across_scopes=True
    )
    change = found.change(2015, 2016)
    assert change.status == "ok"
    assert change.reason == "Across scopes: before 2016; newer."
    assert any("scope changes between 2015 and 2016" in each for each in found.warnings)
    np.testing.assert_allclose(found.periods["total"], scoped.periods["total"])


def test_scopes_by_their_starts_and_from_the_table() -> None:
    table = two_lists().with_info(scope="the old registers")

    def scopes(scope: Any) -> list[str]:
        found = mse.monitor(table, estimator=BY_YEAR, replicates=5, seed=1, scope=scope)
        return list(found.scopes.values())

    assert scopes({2016: "new"}) == ["the old registers", "the old registers", "new"]
    assert scopes(None) == ["the old registers"] * 3
    assert scopes({}) == ["the old registers"] * 3


def test_a_scope_may_be_a_covariate() -> None:
    frame = three_lists().to_frame()
    frame["year"] = frame["year"].astype(int)
    frame["scope_of_year"] = np.where(frame["year"] < 2016, "older", "newer")
    table = mse.CaptureTable.from_frame(
        frame, ["a", "b", "c"], ["year", "sex", "scope_of_year"], "n"
    )
    found = mse.monitor(table, replicates=20, seed=1, scope="scope_of_year")
    assert list(found.scopes.values()) == ["older", "older", "newer"]
    assert "scope_of_year" not in found.joint.strata.names
    frame.loc[0, "scope_of_year"] = "newer" if frame.loc[0, "year"] < 2016 else "older"
    table = mse.CaptureTable.from_frame(
        frame, ["a", "b", "c"], ["year", "sex", "scope_of_year"], "n"
    )
    with pytest.raises(mse.InvalidTableError, match="holds persons of the scopes"):
        mse.monitor(table, replicates=20, seed=1, scope="scope_of_year")


def test_a_trend_across_a_break_is_warned_of() -> None:
    found = mse.monitor(
        three_lists(), estimator=LogLinearSearch(strategy="stepwise", trend={"year": 1}),
        replicates=10, seed=1, scope={2016: "newer"},
    )  # fmt: skip
    assert any("smooth trend" in each for each in found.warnings)


# Rates -------------------------------------------------------------------------------------------


def test_rates_per_100_000(grouped: Monitor) -> None:
    frame = grouped.periods.set_index("year")
    row = frame.loc[2015]
    assert row["rate"] == pytest.approx(row["total"] / 11)
    assert row["rate_low"] == pytest.approx(row["low"] / 11)
    assert row["rate_high"] == pytest.approx(row["high"] / 11)
    # Inhabitants by group were not given.
    assert grouped.by_period["sex"]["rate"].isna().all()
    assert "per 100,000" in grouped.summary()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_rates_by_group_come_from_a_frame(make: Any) -> None:
    rows = {
        # As text, as CSV readers may give it.
        "year": ["2014", "2014", "2015", "2015", "2016"],
        "sex": ["f", "m", "f", "m", "f"],
        "population": [500_000, 400_000, 510_000, 410_000, 520_000],
    }
    found = mse.monitor(three_lists(), groups=["sex"], replicates=10, seed=1, rates=make(rows))
    frame = found.periods.set_index("year")
    assert frame["population"].tolist()[:2] == [900_000, 920_000]
    assert isnan(frame.loc[2016, "rate"])
    by = found.by_period["sex"].set_index(["year", "sex"])
    assert by.loc[(2016, "f"), "rate"] == pytest.approx(by.loc[(2016, "f"), "total"] / 5.2)
    over = found.groups["sex"].set_index("sex")
    assert over.loc["f", "population"] == 1_530_000
    assert isnan(over.loc["m", "rate"])


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({2014: -1}, "population of 2014 is -1"),
        ({2014: "many"}, "expected a positive number"),
        (pd.DataFrame({"year": [2014], "people": [5]}), "'people', which is no covariate"),
        (pd.DataFrame({"sex": ["f"], "population": [5]}), "no column 'year'"),
        (pd.DataFrame({"year": [1, 1], "population": [5, 5]}), "two rows for 1"),
        (17, "expected a mapping"),
    ],
)
def test_wrong_inhabitants(rates: Any, message: str) -> None:
    with pytest.raises(mse.MSEError, match=message):
        mse.monitor(two_lists(), estimator=BY_YEAR, replicates=5, rates=rates)


# Shapes, names -----------------------------------------------------------------------------------


def test_frames(grouped: Monitor) -> None:
    frame = grouped.to_frame()
    # Three periods, two sexes in each, and two sexes over all.
    assert len(frame) == 3 + 6 + 2
    assert frame["period"].tolist()[:3] == [2014, 2015, 2016]
    assert frame["group"].isna().sum() == 3
    assert grouped.changes("sex")["sex"].tolist() == ["f"] * 3 + ["m"] * 3
    assert grouped.change(2014, 2016, sex="m").where == {"sex": "m"}


def test_json_follows_its_schema(grouped: Monitor) -> None:
    data = json.loads(grouped.to_json())
    validator("monitor").validate(data)
    assert data["schema"] == "mse.monitor/2"
    assert len(data["cells"]) == 11
    assert len(data["changes"]) == 9
    point = data["cells"][0]["total"]["point"]
    assert point == pytest.approx(grouped.periods["total"].iloc[0])


def test_summary_puts_intervals_before_points(grouped: Monitor) -> None:
    text = grouped.summary()
    head = next(line for line in text.splitlines() if "estimated total" in line)
    assert head.index("estimated total") < head.index("point")
    for part in ("IS IT RISING?", "WHAT SHARE DO WE SEE?", "presumed", "BY SEX", "ASSUMPTIONS"):
        assert part in text
    assert "the probability of a rise is" in " ".join(text.split())
    assert grouped._repr_html_().startswith("<div>")
    assert str(grouped) == text
    assert "3 levels of year, groups sex" in repr(grouped)


def test_results_are_frozen(grouped: Monitor) -> None:
    with pytest.raises(FrozenInstanceError):
        grouped.level = 0.5  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        grouped.joint.totals[0, 0] = 1
    frame = grouped.periods
    frame["total"] = 0.0
    assert (grouped.periods["total"] > 0).all()


def test_one_period() -> None:
    table = two_lists().where(year=[2014])
    found = mse.monitor(table, estimator=LogLinear("main"), replicates=20, seed=1)
    assert found.changes().empty
    assert "2014" in found.summary()


def test_one_period_is_searched_as_the_table_without_it() -> None:
    table = by_year((0.3, 0.3, 0.3), {2017: 500, 2018: 500}, seed=2).where(year=[2018])
    found = mse.monitor(table, replicates=20, seed=1)
    lists = LogLinearSearch(strategy="stepwise").fit(table.collapse("year"))
    assert found.periods["total"].item() == pytest.approx(lists.population.total)
    assert found.periods["low"].item() < found.periods["high"].item()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"period": "yaer"}, "no covariate 'yaer' .*Did you mean 'year'"),
        ({"groups": ["sx"]}, "no covariate 'sx' to be the group"),
        ({"groups": ["year"]}, "a covariate twice"),
        ({"groups": ["sex", "sex"]}, "a covariate twice"),
        ({"level": 1.5}, "level"),
        ({"scope": {1999: "old"}}, "names 1999, which no year"),
        ({"scope": "sexe"}, "no covariate beside the year"),
        ({"scope": "sex", "groups": ["sex"]}, "a group and the scope"),
        ({"estimator": mse.Chapman()}, "covariates"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(mse.ModelError, match=message):
        mse.monitor(three_lists(), **{"replicates": 5, "seed": 1} | arguments)


def test_wrong_changes(grouped: Monitor) -> None:
    with pytest.raises(mse.ModelError, match="no level 1999"):
        grouped.change(1999, 2014)
    with pytest.raises(mse.ModelError, match="no group 'form'"):
        grouped.change(2014, 2015, form="sexual")
    with pytest.raises(mse.ModelError, match="no level 'x'"):
        grouped.change(2014, 2015, sex="x")
    with pytest.raises(mse.ModelError, match="no group 'form'"):
        grouped.changes("form")


def test_a_covariate_with_the_name_of_a_column_of_figures() -> None:
    table = mse.CaptureTable.from_array(
        two_lists().counts[..., None].repeat(2, axis=-1), ["a", "b"],
        {"year": YEARS, "status": ("x", "y")},
    )  # fmt: skip
    with pytest.raises(mse.ModelError, match="name of a column of the results"):
        mse.monitor(table, groups=["status"])


# Tables known in part ---------------------------------------------------------------------------


def registrations(*kept: str) -> tuple[mse.CaptureTable, pd.DataFrame]:
    """SYNTHETIC persons: care silent in 2018, some covariates missing; and the truth."""
    world = mse.simulate.netherlands(years=range(2016, 2020), dropout=True, missing=0.05)
    drawn = world.draw(seed=4)
    table = drawn.table(dropped="unknown")
    return table.collapse(*(each for each in table.covariates if each not in kept)), drawn.truth


@pytest.mark.fixed_seed  # twenty draws of one world
def test_a_list_that_dropped_out_and_missing_covariates() -> None:
    table, truth = registrations("year", "form")
    rates = dict.fromkeys(range(2016, 2020), 17000000)
    found = mse.monitor(table, groups=["form"], replicates=20, seed=1, rates=rates)
    periods = found.periods
    assert periods["observed"].sum() == table.n_observed
    # In some worlds a year is not determined, and says so.
    known = periods["total"].notna().to_numpy()
    assert known.sum() >= 3
    assert (known == periods["status"].isin(["ok", "boundary"])).all()
    assert (periods["low"] <= periods["high"])[known].all()
    assert periods["rate"].to_numpy() == pytest.approx(periods["total"] / 170, nan_ok=True)
    by_form = found.by_period["form"].groupby("year")
    np.testing.assert_allclose(by_form["total"].sum(min_count=4)[known], periods["total"][known])
    np.testing.assert_allclose(by_form["observed"].sum(), periods["observed"])
    if known[1] and known[2]:
        change = found.change(2017, 2018)
        assert 0 <= change.rise <= 1
        assert change.difference.low < change.difference.high
    assert found.alike.joint.given == "the model re-selected in every replicate"
    assert "not exactly" in found.summary().replace("\n", " ")
    # Twenty draws say little, and the interval still is where the truth is.
    true = truth.groupby("year")["persons"].sum().to_numpy()
    assert (periods["low"] / 3 < true)[known].all()
    assert (true < 3 * periods["high"])[known].all()


@pytest.mark.fixed_seed  # a world that has such strata
def test_strata_that_are_estimable_beside_others_that_are_not() -> None:
    """Every list changes from year to year, and in 2018 three of them are silent."""
    table, _ = registrations("year", "form")
    fit = LogLinear("all two-way").fit(table)
    assert fit.status == "not_estimable"
    found = mse.monitor(table, estimator=LogLinear("all two-way"), replicates=20, seed=1)
    years = found.periods.set_index("year")
    assert years["status"].to_dict()[2018] == "not_estimable"
    assert isnan(years.loc[2018, "total"])
    others = years.drop(2018)
    assert (others["low"] < others["total"]).all()
    assert (others["total"] < others["high"] * 1.5).all()


# Any part of the population ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def detailed() -> Monitor:
    rng = np.random.default_rng(8)
    counts = rng.poisson(30, size=(2, 2, 2, 2, 3))
    counts[0, 0] = 0
    table = mse.CaptureTable.from_array(
        counts, ["a", "b"], {"year": (2014, 2015), "sex": ("f", "m"), "form": ("x", "y", "z")}
    )
    model = LogLinear("a*year + b*year + a*sex + b*form + year*sex + form*sex")
    rates = pd.DataFrame(
        {"year": [2014, 2014, 2015, 2015], "sex": list("fmfm"), "population": [1e6, 2e6, 3e6, 4e6]}
    )
    return mse.monitor(table, groups=["sex"], estimator=model, replicates=100, seed=1, rates=rates)


def test_any_part_of_the_population_in_one_call(detailed: Monitor) -> None:
    cell = detailed.at(2015, sex="f", form=["x", "z"])
    names = detailed.joint.strata.names
    frame = pd.DataFrame(detailed.joint.strata.cells, columns=names)
    chosen = (frame["year"] == 2015) & (frame["sex"] == "f") & frame["form"].isin(["x", "z"])
    draws = detailed.joint.totals[:, np.flatnonzero(chosen)].sum(axis=1)
    np.testing.assert_allclose(cell.draws, draws)
    by = detailed.population.by.set_index(list(names))
    assert cell.total == pytest.approx(by.loc[[(2015, "f", "x"), (2015, "f", "z")], "total"].sum())
    shares = cell.figures["coverage"]
    assert 0 < shares.low <= shares.point <= shares.high < 1
    assert str(cell).startswith("2015, sex f, form x or z: between ")
    assert f"Registered: {cell.observed} persons." in str(cell)
    assert isnan(cell.figures["rate"].point)


def test_a_part_that_is_a_group_is_the_same_cell(detailed: Monitor) -> None:
    assert detailed.at(2014, sex="m").to_row(rates=True) == pytest.approx(
        detailed.cells[2014, (("sex", "m"),)].to_row(rates=True), nan_ok=True
    )
    both = detailed.at(2014, sex=("f", "m"))
    everybody = detailed.cells[2014, ()]
    assert both.total == pytest.approx(everybody.total)
    assert both.figures["rate"] == pytest.approx(everybody.figures["rate"])
    whole = detailed.at()
    assert whole.total == pytest.approx(detailed.population.total)
    assert str(whole).startswith("Everybody: ")


def test_changes_of_any_part(detailed: Monitor) -> None:
    change = detailed.change(2014, 2015, sex="f", form="x")
    first, last = (detailed.at(year, sex="f", form="x") for year in (2014, 2015))
    assert change.ratio.point == pytest.approx(last.total / first.total)
    assert change.rise == probability_of_rise(last.draws - first.draws)
    assert (
        detailed.change(2014, 2015, sex=["f"]).ratio == detailed.change(2014, 2015, sex="f").ratio
    )


def test_wrong_parts(detailed: Monitor) -> None:
    for where, message in (
        ({"from": "x"}, "no group 'from'.*Did you mean 'form'"),
        ({"form": ["x", "w"]}, "form has no level 'w'"),
        ({"year": 2014}, "first argument"),
    ):
        with pytest.raises(mse.ModelError, match=message):
            detailed.at(2015, **where)
    with pytest.raises(mse.ModelError, match="no level 2013"):
        detailed.at(2013)


def test_a_protected_monitor_shows_no_other_part(detailed: Monitor) -> None:
    safe = mse.disclosure.protect(detailed, mse.disclosure.Rules(threshold=5, base=5))
    assert safe.at(2015, sex="f") is safe.cells[2015, (("sex", "f"),)]
    with pytest.raises(mse.ModelError, match="published and nothing else"):
        safe.at(2015, sex="f", form="x")
    with pytest.raises(mse.ModelError, match="published and nothing else"):
        safe.change(2014, 2015, form="x")
    assert safe.change(2014, 2015, sex="f") is safe.between[2014, 2015, (("sex", "f"),)]


# The models that are searched by default ----------------------------------------------------------


def by_year(shares: tuple[float, ...], years: dict[int, int], seed: int) -> mse.CaptureTable:
    """Draw independent lists, each of which reaches a sixth more from the third year on."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((2,) * len(shares) + (len(years),), dtype=np.int64)
    for y, persons in enumerate(years.values()):
        reach = np.asarray(shares) * (7 / 6 if y >= 2 else 1)
        on = rng.random((persons, len(shares))) < reach
        np.add.at(counts, (*on.T.astype(int), y), 1)
        counts[(0,) * len(shares) + (y,)] = 0
    return mse.CaptureTable.from_array(counts, list("ABC"), {"year": list(years)})


@pytest.mark.fixed_seed  # a world in which the free search goes wrong; benchmarks have the rate
def test_lists_that_reach_more_are_not_taken_for_a_rise() -> None:
    table = by_year((0.2, 0.1, 0.1), dict.fromkeys(range(2014, 2018), 3000), seed=2)
    report = mse.monitor(table, replicates=100, seed=1)
    change = report.change(2014, 2017)
    assert change.ratio.low < 1 < change.ratio.high
    assert 0.1 < change.rise < 0.9
    assert all(f"{each}*year" in report.population.model for each in "ABC")
    # What this guards against: a criterion leaves the shares constant, and the change is certain.
    free = mse.monitor(
        table, estimator=LogLinearSearch(strategy="stepwise"), replicates=100, seed=1
    )
    assert free.change(2014, 2017).ratio.low > 1


def test_a_list_silent_in_some_period_has_no_term_with_it() -> None:
    table = by_year((0.3, 0.3, 0.3), {2017: 500, 2018: 500, 2019: 500}, seed=2)
    with pytest.warns(mse.MSEWarning, match="set aside"):
        silent = table.not_operating("C", year=2018)
    search = default_choice(silent, "year", "bic").estimator
    assert search == mse.LogLinearSearch(strategy="stepwise", keep=["A*year", "B*year"])
    report = mse.monitor(silent, replicates=20, seed=1)
    # Of two lists of 0.3 the log of a total of 500 has a standard error of 0.104; a third list helps.
    assert (abs(np.log(report.periods["total"] / 500)) < FAR * 0.104 + 0.1).all()


def test_a_criterion_may_be_asked_for() -> None:
    table = by_year((0.3, 0.3, 0.3), {2017: 500, 2018: 500}, seed=2)
    search = default_choice(table, "year", "aic", {"year": 1}).estimator
    assert (search.criterion, dict(search.trend)) == ("aic", {"year": 1})
    assert search.keep == ("A*year", "B*year", "C*year")
