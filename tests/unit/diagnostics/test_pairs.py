"""Overlaps and odds ratios of pairs of lists."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

import mse
from mse.diagnostics import overlaps

THREE = mse.CaptureTable.from_counts(
    {"100": 69, "010": 55, "001": 63, "110": 21, "101": 17, "011": 18, "111": 28},
    lists=["P", "Q", "E"],
)


def test_odds_ratio_by_hand_and_by_another_program() -> None:
    row = overlaps(THREE).to_frame().set_index(["list_a", "list_b"]).loc["P", "Q"]
    # Persons on E: on both 28, on P 17, on Q 18, on neither 63.
    four = np.array([[28, 17], [18, 63]]) + 0.5
    other = sm.stats.Table2x2(four)
    assert row["odds_ratio"] == pytest.approx(other.oddsratio)
    assert (row["low"], row["high"]) == pytest.approx(other.oddsratio_confint(0.05))
    assert row["n_others"] == 126
    assert row[["n_a", "n_b", "both"]].tolist() == [135, 122, 49]
    assert row["chapman"] == pytest.approx(136 * 123 / 50 - 1)


def test_both_and_expected() -> None:
    frame = overlaps(mse.load_dataset("kosovo")).to_frame()
    table = mse.load_dataset("kosovo")
    counts = table.overlaps()
    fitted = mse.LogLinear("main").fit(table).fitted
    for row in frame.to_dict("records"):
        assert row["both"] == counts.loc[row["list_a"], row["list_b"]]
        axes = table.lists.index(row["list_a"]), table.lists.index(row["list_b"])
        on_both = np.take(np.take(fitted, 1, axis=axes[1]), 1, axis=axes[0])
        assert row["expected"] == pytest.approx(on_both.sum())


def test_independent_lists_have_ratio_one_and_the_expected_overlap() -> None:
    counts = np.full((2, 2, 2), 100)
    counts[0, 0, 0] = 0
    table = mse.CaptureTable.from_array(counts, lists=["a", "b", "c"])
    frame = overlaps(table).to_frame()
    np.testing.assert_allclose(frame["odds_ratio"], 1)
    np.testing.assert_allclose(frame["expected"], frame["both"], rtol=1e-9)


def test_two_lists_have_no_odds_ratio() -> None:
    table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    row = overlaps(table).to_frame().iloc[0]
    assert math.isnan(row["odds_ratio"])
    assert row["n_others"] == 0
    assert row["expected"] == pytest.approx(5)


def test_no_overlap_stays_finite() -> None:
    frame = overlaps(mse.load_dataset("artificial_3")).to_frame()
    assert frame["both"].tolist() == [6, 0, 0]
    assert np.isfinite(frame[["odds_ratio", "low", "high", "chapman"]]).all(axis=None)


def test_order_of_lists_changes_nothing() -> None:
    columns = ["both", "expected", "odds_ratio", "low", "high", "chapman"]
    one = overlaps(THREE).to_frame()
    other = overlaps(THREE.keep_lists(["E", "Q", "P"])).to_frame()
    np.testing.assert_allclose(
        one[columns].sort_values("both"), other[columns].sort_values("both"), rtol=1e-9
    )


def test_covariates_are_summed_over() -> None:
    table = mse.load_dataset("spina_bifida")
    one, other = overlaps(table).to_frame(), overlaps(table.collapse("ethnicity")).to_frame()
    assert one.equals(other)


def test_partly_known_tables_are_refused() -> None:
    with pytest.raises(mse.ModelError, match="known in part"):
        overlaps(mse.CaptureTable.from_margins({"a": 9, "b": 8}, union=14))
    with pytest.raises(mse.ModelError, match="level"):
        overlaps(THREE, level=2)


def test_result_shows_itself() -> None:
    found = overlaps(THREE)
    assert "P and Q" in found.summary()
    assert found._repr_html_().startswith("<div>")
    assert repr(found) == "<Overlaps of 3 lists>"
    two = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    assert overlaps(two).summary()
