"""Estimates: what is left of them, what is rounded, and what could give counts away."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import mse
from mse.comparing import Comparison
from mse.disclosure import (
    ProtectedPopulation,
    Rules,
    attack,
    protect,
    protect_comparison,
    protect_population,
    protect_together,
    rules,
)
from mse.disclosure.estimates import ProtectedStrata
from mse.messages import Message
from tests.json_schemas import validator

if TYPE_CHECKING:
    from pathlib import Path

CBS = rules("cbs")
TEN = Rules(threshold=10)
MODEL = "police*year + care*year + kmar*year + year*sex"


@pytest.fixture(scope="module")
def table() -> mse.CaptureTable:
    counts = np.zeros((2, 2, 2, 3, 2), dtype=int)
    counts[1, 0, 0] = [[60, 40], [50, 30], [40, 3]]
    counts[0, 1, 0] = [[40, 30], [30, 25], [22, 2]]
    counts[0, 0, 1] = [[20, 10], [20, 15], [12, 2]]
    counts[1, 1, 0] = [[16, 14], [13, 12], [12, 1]]
    counts[1, 1, 1] = [[1, 0], [1, 0], [1, 0]]
    covariates = {"year": [2014, 2015, 2016], "sex": ["f", "m"]}
    return mse.CaptureTable.from_array(counts, ["police", "care", "kmar"], covariates)


@pytest.fixture(scope="module")
def estimate(table: mse.CaptureTable) -> mse.PopulationEstimate:
    return mse.LogLinear(MODEL).fit(table).population


def test_strata_of_few_persons_have_no_figures(estimate: mse.PopulationEstimate) -> None:
    safe = protect_population(estimate, TEN)
    frame = safe.by
    assert frame is not None
    gone = frame["observed"].isna()
    assert gone.any()
    assert frame.loc[gone, ["hidden", "total", "coverage", "low", "high"]].isna().all(axis=None)
    assert (frame.loc[gone, "status"] == "suppressed").all()
    assert not attack(safe)["exposed"].any()
    # What is missing of the totals is missing there too.
    assert frame.loc[gone, "total"].isna().all()


def test_figures_follow_from_what_is_published(estimate: mse.PopulationEstimate) -> None:
    safe = protect_population(estimate, CBS)
    for frame in (safe.to_frame(), safe.margin("year"), safe.margin("sex", level=0.5)):
        known = frame[frame["total"].notna()]
        assert len(known)
        for name in ("observed", "hidden", "total", "low", "high"):
            assert (known[name].astype(float) % 5 == 0).all()
        observed = known["observed"].astype(float)
        np.testing.assert_allclose(known["total"], observed + known["hidden"])
        np.testing.assert_allclose(known["coverage"], observed / known["total"], atol=6e-4)
        assert (known["low"] >= observed).all()
    total = estimate.total
    low, high = estimate.interval(0.95)
    assert safe.rounded_to == CBS.step(high - low, estimate.hidden) > CBS.base
    assert abs(safe.total - total) <= safe.rounded_to / 2
    for level in (0.5, 0.8, 0.95, 0.99):
        ends, given = safe.interval(level), estimate.interval(level)
        assert ends[0] <= given[0] < ends[0] + safe.rounded_to
        assert ends[1] - safe.rounded_to < given[1] <= ends[1]
        assert [end % safe.rounded_to for end in ends] == [0, 0]


def test_nothing_by_which_counts_could_be_tried_out(estimate: mse.PopulationEstimate) -> None:
    safe = protect_population(estimate, CBS)
    assert "table" in estimate.provenance
    assert "table" not in safe.provenance
    assert safe.draws is None
    assert safe.stratum_draws is None
    assert isinstance(safe.strata, ProtectedStrata)
    assert safe.strata.covariance is None
    assert estimate.provenance["table"] not in safe.to_json()


def test_json(estimate: mse.PopulationEstimate) -> None:
    safe = protect_population(estimate, CBS)
    data = json.loads(safe.to_json())
    validator("population").validate(data)
    assert data["disclosure"]["suppressed"] == list(safe.suppressed)
    assert data["strata"]["covariance"] is None
    gone = [cell for cell in data["strata"]["cells"] if cell["observed"] is None]
    assert len(gone) == 4
    for cell in gone:
        figures = {key: cell[key] for key in cell if key not in ("levels", "status", "unbounded")}
        assert set(figures.values()) == {None}
    back = mse.PopulationEstimate.from_json(safe.to_json())
    assert back.total == safe.total
    assert back.strata is None


def test_text_and_html_mark_what_is_missing(estimate: mse.PopulationEstimate) -> None:
    safe = protect_population(estimate, CBS)
    text = safe.summary()
    lines = [line.split() for line in text.splitlines() if "suppressed" in line and "2016" in line]
    assert [line[2:] for line in lines] == [["x"] * 7 + ["suppressed"]] * 2
    assert "DISCLOSURE CONTROL" in text
    assert "cbs" in safe._repr_html_()
    assert "suppressed" in repr(safe)
    assert str(safe) == text


def test_margins_and_levels_that_are_not_published(estimate: mse.PopulationEstimate) -> None:
    safe = protect_population(estimate, CBS, margins=["year"], levels=[0.95])
    assert safe.by is None
    assert safe.strata is not None
    assert np.isnan(safe.strata.observed.astype(float)).all()
    with pytest.raises(mse.ModelError, match="not published"):
        safe.margin("sex")
    with pytest.raises(mse.ModelError, match="not published"):
        safe.margin("year", level=0.8)
    validator("population").validate(safe.to_dict())


def test_few_persons_altogether() -> None:
    table = mse.CaptureTable.from_counts({"100": 3, "010": 2, "001": 2, "110": 1}, ["a", "b", "c"])
    found = mse.LogLinear("main").fit(table).population
    safe = protect_population(found, TEN)
    assert math.isnan(safe.observed)
    assert math.isnan(safe.total)
    assert safe.status == "suppressed"
    data = json.loads(safe.to_json())
    validator("population").validate(data)
    assert data["observed"] is None
    assert "x: not shown" in safe.summary()
    with pytest.raises(mse.ModelError, match="suppressed"):
        mse.PopulationEstimate.from_dict(data)


def test_two_lists_give_the_overlap_away() -> None:
    table = mse.CaptureTable.from_counts({"10": 60, "01": 50, "11": 4}, lists=["a", "b"])
    found = mse.LincolnPetersen().fit(table).population
    # The overlap is the hidden number times the total, over the variance: 4.0.
    low, high = found.interval(0.95)
    spread = math.log((high - found.observed) / found.hidden) / 1.959964
    variance = found.hidden**2 * math.expm1(spread**2)
    assert low < found.total < high
    assert found.total * found.hidden / variance == pytest.approx(4, abs=0.05)
    for given in (None, table):
        safe = protect_population(found, CBS, table=given)
        assert safe.observed == 115
        assert math.isnan(safe.total)
        assert "two lists" in safe.reason.lower()
    large = mse.CaptureTable.from_counts({"10": 60, "01": 50, "11": 40}, lists=["a", "b"])
    shown = protect_population(mse.Chapman().fit(large).population, CBS, table=large)
    assert shown.status == "ok"


def test_two_lists_by_stratum() -> None:
    counts = np.zeros((2, 2, 2), dtype=int)
    counts[1, 0], counts[0, 1], counts[1, 1] = [60, 50], [40, 30], [30, 4]
    table = mse.CaptureTable.from_array(counts, ["a", "b"], {"year": [2014, 2015]})
    found = mse.LogLinear("a*year + b*year").fit(table).population
    safe = protect_population(found, CBS, table=table)
    assert safe.by is not None
    assert safe.by["observed"].notna().all()
    assert safe.by["total"].isna().all()


def test_what_is_not_estimable_stays_so() -> None:
    apart = mse.CaptureTable.from_counts({"100": 50, "010": 60, "001": 70}, ["a", "b", "c"])
    found = mse.LogLinear("main").fit(apart).population
    safe = protect_population(found, CBS)
    assert safe.status == found.status == "not_estimable"
    assert safe.observed == 180
    validator("population").validate(safe.to_dict())
    hidden = protect_population(found, Rules(threshold=5, zeros_safe=False))
    assert "Nobody" not in hidden.reason


def test_sentences_name_no_count(estimate: mse.PopulationEstimate) -> None:
    told = replace(
        estimate,
        warnings=(
            Message("reason.below_observed", total=12.5, observed=estimate.observed),
            Message("reason.chains_apart", name="[12,3] year=2014", r_hat=1.02),
            f"Of the {estimate.observed:,} observed, 3.4% are in 2015.",
        ),
    )
    formula, chains, words = protect_population(told, CBS).warnings
    assert formula == "The formula puts the total at x, below the x observed."
    assert "(R-hat x of [12,3] year=2014; 1.00 is full agreement)" in chains
    # Nobody can tell which numbers in words of somebody else are counts.
    assert words == Message("withheld.remark")


def test_how_often_chance_leaves_no_overlap_is_not_told() -> None:
    # With 3 persons on both lists one replicate in twenty has nobody there.
    table = mse.CaptureTable.from_counts(
        {"100": 30, "010": 40, "001": 35, "110": 3, "011": 20, "101": 20}, ["a", "b", "c"]
    )
    found = mse.bootstrap(mse.LogLinear("all two-way"), table, 60, seed=1)
    if found.status in ("ok", "boundary"):
        assert "infinite" in found.provenance["bootstrap"]
    safe = protect_population(found, CBS)
    assert {"infinite", "zero", "redrawn"}.isdisjoint(safe.provenance.get("bootstrap", {}))
    assert set(safe.provenance) <= {"software", "version", "estimator", "bootstrap"}
    assert "seed" not in safe.to_json()


def test_rules_that_ask_for_nothing(estimate: mse.PopulationEstimate) -> None:
    assert protect(estimate, rules("none")) is estimate
    same = protect_population(estimate, rules("none"))
    assert same.total == estimate.total
    assert same.interval(0.9) == estimate.interval(0.9)
    assert same.note == ""


def test_estimates_read_from_json(estimate: mse.PopulationEstimate) -> None:
    back = mse.PopulationEstimate.from_json(estimate.to_json(levels=[0.95]))
    safe = protect_population(back, CBS)
    assert safe.interval(0.95) == protect_population(estimate, CBS).interval(0.95)
    assert [row["level"] for row in safe.to_dict()["interval"]["levels"]] == [0.95]


# Comparisons -------------------------------------------------------------------------------------


def test_comparisons(table: mse.CaptureTable) -> None:
    comparison = mse.compare(table, [mse.LogLinear(MODEL), mse.LogLinear(MODEL, "lognormal")])
    safe = protect_comparison(comparison, CBS)
    assert isinstance(safe, Comparison)
    assert all(isinstance(each, ProtectedPopulation) for each in safe.populations)
    frame = safe.to_frame()
    assert {"deviance", "aic", "bic", "n_parameters"}.isdisjoint(frame)
    assert (frame["total"] % 5 == 0).all()
    validator("comparison").validate(json.loads(json.dumps(safe.to_dict())))
    assert safe.table.n_observed == 0
    assert safe.table.lists == table.lists
    assert "DISCLOSURE CONTROL" in safe.summary()
    assert "cbs" in safe._repr_html_()
    assert [fit.status for fit in safe.fits] == ["ok", "ok"]
    assert [fit.limit for fit in safe.fits] == ["finite", "finite"]
    assert [fit.reason for fit in safe.fits] == ["", ""]
    assert not attack(safe)["exposed"].any()


def test_comparisons_of_two_lists() -> None:
    table = mse.CaptureTable.from_counts({"10": 60, "01": 50, "11": 4}, lists=["a", "b"])
    safe = protect_comparison(mse.compare(table, [mse.LincolnPetersen(), mse.Chapman()]), CBS)
    assert safe.to_frame()["total"].isna().all()
    assert "x" in safe.summary()


# Together ----------------------------------------------------------------------------------------


def test_things_together_hide_the_same(
    table: mse.CaptureTable, estimate: mse.PopulationEstimate
) -> None:
    comparison = mse.compare(table, [mse.LogLinear(MODEL)])
    safe = protect_together([table, estimate, comparison], CBS, levels=[0.95])
    assert len({each.suppressed for each in safe}) == 1
    assert not attack(safe[0])["exposed"].any()
    # Three lists, and small histories: beside estimates only totals of lists are shown.
    assert len(safe[0].histories) == 0
    assert safe[0].list_totals.notna().any()


def test_things_about_others_are_not_protected_together(
    table: mse.CaptureTable, estimate: mse.PopulationEstimate
) -> None:
    with pytest.raises(mse.InvalidTableError, match="same persons"):
        protect_together([estimate, table.where(year=2015)], CBS)
    with pytest.raises(mse.ModelError, match="cannot be protected"):
        protect_together([object()], CBS)


def test_estimates_beside_large_counts_leave_them() -> None:
    table = mse.load_dataset("kosovo")
    safe, _ = protect_together([table, mse.LogLinear("main").fit(table).population], CBS)
    assert len(safe.histories) == 15
    assert not safe.suppressed


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "at least 490 persons: those registered"), ("nl", "ten minste 490 personen")],
)
def test_what_is_withheld_is_at_least_what_is_registered(
    tmp_path: Path, language: str, said: str
) -> None:
    # 497 are registered, and 495 is printed, which 493 would be as well.
    counts = {"10": 300, "01": 193, "11": 4}
    table = mse.CaptureTable.from_counts(counts, lists=["police", "care"])
    fit = mse.LogLinear("main").fit(table)
    safe = protect_population(fit.population, CBS, table=table)
    assert safe.status == "suppressed"
    assert safe.observed == 495
    assert "at least 490 persons" in safe.reason
    assert "at least 490 persons" in safe.summary()
    assert "at least 490 persons" in safe.to_dict()["reason"]
    path = tmp_path / "report.md"
    mse.write_report(fit, path, disclosure="cbs", language=language)  # type: ignore[arg-type]
    assert said in path.read_text(encoding="utf-8")
    # It holds in strata and periods that are withheld, and nothing is told of a count that is not printed.
    few = {"10": 4, "01": 3, "11": 1}
    tiny = mse.LogLinear("main").fit(mse.CaptureTable.from_counts(few, lists=["police", "care"]))
    assert "at least" not in protect_population(tiny.population, CBS).reason
