"""Published or independently computed figures on sensitivity, reproduced.

Tolerances: 1e-6 relative, the accuracy to which the figures are given; whole persons where those
were printed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mse

REFERENCE = json.loads((Path(__file__).parent / "values" / "sensitivity.json").read_text())
pytestmark = pytest.mark.reference


def test_highest_interaction_relaxed() -> None:
    row = REFERENCE["highest_order"]
    fit = mse.LogLinear("all three-way").fit(mse.load_dataset(row["dataset"]))
    found = mse.sensitivity.highest_order(fit, row["xi"]).to_frame()
    np.testing.assert_allclose(found["total"], row["total"], rtol=1e-6)


def test_highest_interaction_by_hand() -> None:
    table = mse.load_dataset("kosovo")
    n_lists = np.indices(table.shape).sum(axis=0)
    odd = table.counts[n_lists % 2 == 1].astype(float).prod()
    even = table.counts[(n_lists % 2 == 0) & (n_lists > 0)].astype(float).prod()
    fit = mse.LogLinear("all three-way").fit(table)
    found = mse.sensitivity.highest_order(fit).to_frame()
    np.testing.assert_allclose(found["hidden"], odd / even / found["xi"], rtol=1e-9)


def test_one_list_left_out_moves_the_stepwise_answer_tenfold() -> None:
    row = REFERENCE["leave_one_out"]
    search = mse.LogLinearSearch(criterion="pvalue", strategy="stepwise", threshold=0.02)
    found = mse.sensitivity.leave_one_out(search, mse.load_dataset(row["dataset"])).to_frame()
    without = found.loc[found["left_out"] != "", "total"]
    assert without.min() == pytest.approx(row["low"], abs=0.5)
    assert without.max() == pytest.approx(row["high"], abs=0.5)
    assert found["total"][0] == pytest.approx(121522, abs=0.5)


def test_pairs_of_the_dutch_table_disagree() -> None:
    # The published figures: about 7,000 for the closest pair, about 1,000,000 for the most distant.
    frame = mse.diagnostics.overlaps(mse.load_dataset("netherlands")).to_frame()
    pairs = frame.set_index(["list_a", "list_b"])["chapman"]
    assert pairs.idxmin() == ("residential_care", "others")
    assert pairs.min() == pytest.approx(7_000, rel=0.01)
    assert pairs.idxmax() == ("border_police", "regional_coordinators")
    assert pairs.max() == pytest.approx(1_000_000, rel=0.01)
    both = frame.set_index(["list_a", "list_b"])["both"]
    assert both["border_police", "police"] == 44
    assert both["inspectorate", "border_police"] == 0
