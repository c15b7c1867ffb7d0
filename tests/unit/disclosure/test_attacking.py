"""The attack by itself: what it finds in publications that were made badly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mse
from mse.disclosure import Rules, attack, check, protect_counts, rules
from mse.disclosure.attack import attack_publication
from mse.disclosure.cells import published
from tests.unit.disclosure.systems import cross


def test_a_count_alone_in_its_row_is_computed() -> None:
    cells = cross(np.array([[3, 40], [30, 25]]))
    alone = cells.counts == 3
    found = attack_publication(published(cells, alone, Rules(threshold=10)))
    assert found[["low", "high", "why"]].to_numpy().tolist() == [[3, 3, "it can be computed"]]


def test_counts_that_must_be_small_are_found() -> None:
    # Two marks in a row whose total is 11 hide from 1 to 10 persons each; with 10, at most 9.
    for total, expected in ((11, False), (10, True)):
        cells = cross(np.array([[3, total - 3]]), sizes=(2, 0))
        marks = np.array([True, True, False])
        found = attack_publication(published(cells, marks, Rules(threshold=10)))
        assert found["exposed"].any() == expected


def test_rounding_tells_more_where_sums_do() -> None:
    # 7 + 7 = 14 is published as 5 + 5 = 15: neither can be less than 6.
    cells = cross(np.array([[7, 7]]), sizes=(2, 0))
    found = attack_publication(published(cells, np.zeros(3, dtype=bool), Rules(base=5)))
    assert found[["what", "low", "high"]].to_numpy().tolist() == [["rounded", 6, 7]] * 2
    assert found["exposed"].all()


def test_shares_are_attacked() -> None:
    cells = cross(np.array([[95, 5], [40, 30]]))
    chosen = Rules(threshold=4, group=0.9)
    found = attack_publication(published(cells, np.zeros(9, dtype=bool), chosen))
    assert found["what"].tolist() == ["share"]
    assert found["cell"].tolist() == ["0 0, 1 0 of 0 0"]


def test_implied_counts_are_attacked() -> None:
    frame = pd.DataFrame({"sex": ["f", "m", "total"], "n": [40, 30, 74]})
    once = protect_counts(frame, Rules(threshold=10, secondary=False), by=["sex"])
    found = attack(once)
    assert found[["what", "low", "high", "exposed"]].to_numpy().tolist() == [
        ["implied", 4, 4, True]
    ]


def test_what_was_not_protected_cannot_be_attacked() -> None:
    with pytest.raises(mse.ModelError, match="tells no rules"):
        attack(mse.load_dataset("korea"))  # type: ignore[arg-type]
    with pytest.raises(mse.ModelError, match="tells no rules"):
        attack(pd.DataFrame({"n": [3]}))


def test_frames_that_were_protected_by_hand() -> None:
    frame = pd.DataFrame({"f": ["x", 30, 33], "m": [40, 25, 65], "total": [43, 55, 98]})
    frame.index = ["2014", "2015", "total"]
    found = attack(frame, Rules(threshold=10))
    assert found[["cell", "low", "high"]].to_numpy().tolist() == [["row 2014, column f", 3, 3]]
    assert check(frame, Rules(threshold=10)).to_frame()["rule"].tolist() == ["attack"]
    frame = frame.replace({40: None, 30: ".", 25: "*"})
    assert not attack(frame, Rules(threshold=10))["exposed"].any()
    assert check(frame, Rules(threshold=10)).passed


def test_long_frames_that_were_protected_by_hand() -> None:
    frame = pd.DataFrame({"sex": ["f", "m", "total"], "n": [None, 35, 40]})
    found = attack(frame, rules("cbs"), by=["sex"])
    # Rounded to 5, the total is 38 to 42 and the men are 33 to 37.
    counts = found[found["what"] == "suppressed"]
    assert counts[["low", "high"]].to_numpy().tolist() == [[1, 9]] or counts["exposed"].all()
    exact = frame.assign(n=[None, 36, 40])
    assert attack(exact, rules("cbs"), by=["sex"])["low"].iloc[0] == 4
    printed_small = frame.assign(n=[None, 5, 40])
    violations = check(printed_small, rules("cbs"), by=["sex"]).to_frame()
    assert "threshold" in violations["rule"].tolist()


def test_a_publication_that_was_changed_is_found_out() -> None:
    cells = cross(np.array([[30, 40], [30, 25]]))
    whole = published(cells, cells.counts == 30, Rules(threshold=10))
    values = whole.counts.copy()
    values[-1] += 50
    with pytest.raises(mse.ModelError, match="No counts agree"):
        attack_publication(replace(whole, counts=values))
