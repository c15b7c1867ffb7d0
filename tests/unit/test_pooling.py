"""Replicates combined: Rubin's rules, replicates without an estimate, strata and draws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student

import mse
from mse.answer.intervals import LognormalInterval
from mse.answer.population import Strata


def estimate(
    hidden: float, se: float, observed: int = 100, **further: object
) -> mse.PopulationEstimate:
    interval = LognormalInterval(hidden, se, observed)
    return mse.PopulationEstimate(observed, hidden, "ok", "finite", "", "made", interval, **further)


def pair(both: int) -> mse.PopulationEstimate:
    table = mse.CaptureTable.from_counts({"10": 50, "01": 40, "11": both}, lists=["a", "b"])
    return mse.LincolnPetersen().fit(table).population


def test_the_rules_of_rubin() -> None:
    hidden, se = np.array([100.0, 120.0, 150.0]), np.array([20.0, 30.0, 25.0])
    p = mse.pool([estimate(*each) for each in zip(hidden, se, strict=True)])
    logs, within = np.log(hidden), np.log1p((se / hidden) ** 2).mean()
    between = (1 + 1 / 3) * logs.var(ddof=1)
    df = 2 * (1 + within / between) ** 2
    half = student.ppf(0.975, df) * np.sqrt(within + between)
    assert p.hidden == pytest.approx(np.exp(logs.mean()))
    assert p.interval() == pytest.approx(
        tuple(100 + np.exp(logs.mean() + half * np.array([-1, 1])))
    )
    made = p.provenance["pooled"]
    assert (made["within"], made["between"], made["degrees_of_freedom"]) == pytest.approx(
        (within, between, df)
    )


def test_replicates_that_agree_change_nothing() -> None:
    one = estimate(100.0, 20.0)
    p = mse.pool([one] * 4)
    assert (p.total, *p.interval()) == pytest.approx((one.total, *one.interval()))


def test_a_replicate_without_an_estimate_is_reported_and_counts() -> None:
    known = [pair(20)] * 39
    p = mse.pool([*known, pair(0)])
    assert p.status == "boundary"
    assert p.reason.startswith(
        "In 1 of 40 replicates there is no estimate: Nobody is on both lists"
    )
    # One in forty beyond any number is all that the upper end of a 95 % interval leaves out.
    assert p.interval(0.95)[1] == np.inf
    assert np.isfinite(p.interval(0.9)[1])
    assert p.interval(0.9)[1] > mse.pool(known).interval(0.9)[1]
    assert p.provenance["pooled"]["statuses"] == {"ok": 39, "not_estimable": 1}
    back = mse.PopulationEstimate.from_json(p.to_json())
    assert back.interval(0.95) == pytest.approx(p.interval(0.95))


def test_no_replicate_with_an_estimate() -> None:
    p = mse.pool([pair(0), pair(0)])
    assert (p.status, p.limit) == ("not_estimable", "infinite")
    assert "None of the 2 replicates" in p.summary()


def test_a_total_below_what_other_replicates_observe() -> None:
    tables = [
        mse.CaptureTable.from_counts({"10": 30, "01": 20, "11": n}, lists=["a", "b"])
        for n in (300, 303, 309)
    ]
    each = [mse.LincolnPetersen().fit(table).population for table in tables]
    assert each[0].total < np.mean([one.observed for one in each])
    p = mse.pool(each)
    # Beside the 350 that are observed in every replicate.
    logs = np.log([one.total - 350 for one in each])
    assert p.total == pytest.approx(350 + np.exp(logs.mean()))
    assert p.observed == round(np.mean([one.observed for one in each]))
    low, high = p.interval()
    assert p.observed <= low < p.total < high


def test_no_end_lies_below_the_observed_persons_however_far_replicates_differ() -> None:
    tables = [
        mse.CaptureTable.from_counts({"10": 30, "01": 20, "11": n}, lists=["a", "b"])
        for n in (60, 70, 150)
    ]
    p = mse.pool([mse.LincolnPetersen().fit(table) for table in tables])
    for level in (0.5, 0.95):
        low, high = p.interval(level)
        assert p.observed <= low <= p.total <= high


def test_replicates_in_which_nobody_is_hidden_count_at_the_observed_number() -> None:
    p = mse.LincolnPetersen().fit(
        mse.CaptureTable.from_counts({"10": 30, "01": 20, "11": 60}, lists=["a", "b"])
    )
    nobody = replace(p.population, hidden=0.0)
    found = mse.pool([p.population, nobody])
    assert found.hidden == pytest.approx(p.population.hidden)
    assert found.interval()[0] == 110
    assert mse.pool([nobody, nobody]).hidden == 0


def test_strata_sum_to_the_total_and_draws_stay_joint() -> None:
    rng = np.random.default_rng(1)
    found = []
    for shift in rng.normal(0, 0.2, 6):
        frame = (
            mse.load_dataset("spina_bifida")
            .where(ethnicity=["caucasian", "afro-american"])
            .to_frame()
        )
        frame["n"] = np.maximum(np.round(frame["n"] * np.exp(shift * frame["S3"])), 1).astype(int)
        table = mse.CaptureTable.from_frame(frame, ["S1", "S2", "S3"], ["ethnicity"], count="n")
        fit = mse.LogLinear("S1*S3 + S2 + ethnicity")
        found.append(mse.bootstrap(fit, table, 60, seed=1))
    p = mse.pool(found)
    assert p.by["total"].sum() == pytest.approx(p.total)
    assert p.by["observed"].sum() == p.observed
    assert p.stratum_draws.sum(axis=1).to_numpy() == pytest.approx(p.draws)
    assert len(p.draws) == 6 * 60
    # Replicates observe others than their mean: all are beside the fewest.
    hidden = p.draws - min(each.observed for each in found)
    spread = np.var(np.log(hidden))
    made = p.provenance["pooled"]
    assert spread == pytest.approx(made["within"] + made["between"], rel=0.25)
    assert "mean, rounded" in p.warnings[-1]


def test_strata_without_draws_have_intervals_of_both_variances() -> None:
    def split(hidden: list[float]) -> mse.PopulationEstimate:
        part = Strata(
            {"sex": ("f", "m")},
            np.array([60, 40]),
            np.array(hidden),
            ("ok",) * 2,
            ("finite",) * 2,
            np.diag([9.0, 16.0]),
        )
        return estimate(sum(hidden), 5.0, strata=part)

    p = mse.pool([split([50.0, 70.0]), split([60.0, 70.0]), split([55.0, 76.0])])
    covariance = p.strata.covariance.matrix()
    assert covariance[0, 0] == pytest.approx(9 + 4 / 3 * 25)
    assert p.by["low"].notna().all()


@pytest.mark.parametrize(
    ("given", "word"),
    [([], "0 estimates"), ([pair(20)], "1 estimates"), ([pair(20), estimate(5.0, 1.0)], "lists")],
)
def test_what_cannot_be_pooled(given: list, word: str) -> None:
    with pytest.raises(mse.ModelError, match=word):
        mse.pool(given)


@pytest.mark.parametrize("df", [4.0, math.inf])
@pytest.mark.parametrize("se", [0.0, 0.7])
def test_ends_beyond_which_replicates_lie_are_the_limits(df: float, se: float) -> None:
    from mse.answer.intervals import PooledInterval

    low, high = PooledInterval(5.0, se, df, 20, above=0.3, below=0.4).interval(0.95)
    assert (low, high) == (20.0, math.inf)
    low, high = PooledInterval(5.0, 0.7, df, 20, below=0.8).interval(0.95)
    assert 20.0 == low < 25.0 < high < math.inf


def test_what_is_no_estimate_is_refused_in_words() -> None:
    fit = mse.LincolnPetersen().fit(
        mse.CaptureTable.from_counts({"10": 50, "01": 40, "11": 18}, lists=["a", "b"])
    )
    with pytest.raises(mse.ModelError, match="There are 1 estimates"):
        mse.pool(fit)
    for wrong in (["a", "b"], [fit.table, fit.table], [fit, None]):
        with pytest.raises(mse.ModelError, match="something to pool of type"):
            mse.pool(wrong)


def test_a_stratum_that_some_replicates_do_not_determine_has_no_finite_interval() -> None:
    def of(both: int) -> mse.PopulationEstimate:
        counts = np.zeros((2, 2, 2), dtype=np.int64)
        counts[1, 0], counts[0, 1], counts[1, 1] = 50, 40, (12, both)
        table = mse.CaptureTable.from_array(counts, ["a", "b"], {"sex": ["f", "m"]})
        return mse.LogLinear("a*sex + b*sex").fit(table).population

    rows = mse.pool([of(both) for both in (10, 11, 12, 13, 0)]).by.set_index("sex")
    assert rows["status"].to_dict() == {"f": "ok", "m": "boundary"}
    assert np.isfinite(rows.loc["f", ["total", "low", "high"]].astype(float)).all()
    # In one of five it is unbounded: the spread of the others is not all that is not known.
    assert np.isfinite(rows.loc["m", "total"])
    assert not np.isfinite(rows.loc["m", "high"])
    assert (mse.pool([of(both) for both in (10, 11, 12, 13)]).by["status"] == "ok").all()
