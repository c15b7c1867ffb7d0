"""Capture tables: histories, list totals, overlaps and strata protected together."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.disclosure import Rules, attack, protect_table, rules

TEN = Rules(threshold=10)


@pytest.fixture
def table() -> mse.CaptureTable:
    counts = np.zeros((2, 2, 2, 3, 2), dtype=int)
    counts[1, 0, 0] = [[60, 40], [50, 30], [40, 3]]
    counts[0, 1, 0] = [[40, 30], [30, 25], [22, 2]]
    counts[0, 0, 1] = [[20, 10], [20, 15], [12, 2]]
    counts[1, 1, 0] = [[6, 4], [3, 2], [2, 0]]
    counts[1, 1, 1] = [[1, 0], [1, 0], [0, 0]]
    covariates = {"year": [2014, 2015, 2016], "sex": ["f", "m"]}
    return mse.CaptureTable.from_array(counts, ["police", "care", "kmar"], covariates)


def test_everything_is_protected_together(table: mse.CaptureTable) -> None:
    safe = protect_table(table, TEN)
    assert not attack(safe)["exposed"].any()
    gone = set(safe.suppressed)
    assert {"history 111", "on both police and kmar", "year 2016, sex m"} <= gone
    assert safe.observed == table.n_observed
    assert list(safe.strata) == [("year", "sex"), ("year",), ("sex",)]
    assert safe.strata["year", "sex"]["suppressed"].sum() >= 4


def test_published_counts_are_those_of_the_table(table: mse.CaptureTable) -> None:
    safe = protect_table(table, TEN)
    shown = safe.overlaps.notna().to_numpy()
    np.testing.assert_array_equal(
        safe.overlaps.to_numpy(dtype=float, na_value=-1)[shown],
        table.overlaps().to_numpy(dtype=float)[shown],
    )
    years = safe.strata["year",].dropna()
    counts = table.counts.sum(axis=(0, 1, 2, 4))
    assert (
        dict(zip(years["year"], years["n"], strict=True)).items()
        <= dict(zip((2014, 2015, 2016), counts.tolist(), strict=True)).items()
    )


def test_rounded_counts_are_multiples(table: mse.CaptureTable) -> None:
    safe = protect_table(table, rules("cbs"))
    assert (safe.histories["n"].dropna() % 5 == 0).all()
    assert (safe.list_totals.dropna() % 5 == 0).all()
    assert "x" in safe.summary()
    assert safe.to_frame().equals(safe.histories)
    assert "3 lists" in repr(safe)


def test_parts_that_are_left_out_cannot_be_computed(table: mse.CaptureTable) -> None:
    safe = protect_table(table, TEN, parts=["lists", "strata"])
    assert len(safe.histories) == 0
    assert safe.overlaps.to_numpy(dtype=float, na_value=np.nan)[0, 1:].tolist() != [1, 2]
    assert safe.overlaps.isna().to_numpy()[~np.eye(3, dtype=bool)].all()
    found = attack(safe)
    assert not found["exposed"].any()
    assert "history 111" in found.loc[found["what"] == "implied", "cell"].tolist()


def test_list_totals_of_two_lists_give_the_overlap_away() -> None:
    table = mse.CaptureTable.from_counts({"10": 60, "01": 50, "11": 4}, lists=["a", "b"])
    safe = protect_table(table, TEN, parts=["lists"])
    # Both totals and the number of persons on either would be 4 persons on both.
    assert safe.list_totals.isna().any() or safe.observed is None
    assert not attack(safe)["exposed"].any()


def test_margins_can_be_chosen(table: mse.CaptureTable) -> None:
    safe = protect_table(table, TEN, margins=["sex"])
    assert list(safe.strata) == [("sex",)]
    with pytest.raises(mse.ModelError, match="no covariate 'age'"):
        protect_table(table, TEN, margins=[["age"]])
    with pytest.raises(mse.ModelError, match="no part 'cells'"):
        protect_table(table, TEN, parts=["cells"])


def test_nested_lists_are_group_disclosure() -> None:
    table = mse.CaptureTable.from_counts({"10": 200, "11": 50, "01": 2}, lists=["police", "care"])
    safe = protect_table(table, Rules(threshold=10, group=0.9))
    # 50 of the 52 persons in care are known to the police: the share must not be told.
    assert {"on both police and care", "list care"} & set(safe.suppressed)
    assert not attack(safe)["exposed"].any()
    bare = protect_table(table, Rules(threshold=0, group=0.9, secondary=False))
    assert "share" in attack(bare)["what"].tolist()


def test_zeros_that_are_not_safe() -> None:
    table = mse.CaptureTable.from_counts(
        {"100": 30, "010": 40, "001": 50, "110": 3}, ["a", "b", "c"]
    )
    safe = protect_table(table, Rules(threshold=10, zeros_safe=False))
    histories = safe.histories.set_index(["a", "b", "c"])
    assert len(histories) == 7
    assert histories.loc[(1, 1, 1), "suppressed"]
    assert not attack(safe)["exposed"].any()
    many = mse.CaptureTable.from_counts({"1" * 9: 30}, list("abcdefghi"))
    with pytest.raises(mse.ModelError, match="at most 8 lists"):
        protect_table(many, Rules(threshold=10, zeros_safe=False))


def test_margins_only() -> None:
    table = mse.CaptureTable.from_margins({"a": 53, "b": 70, "c": 6}, union=110)
    safe = protect_table(table, TEN)
    assert safe.suppressed[0] == "list c"
    assert safe.observed == 110
    assert not attack(safe)["exposed"].any()
    # 4 persons are not on the list a.
    table = mse.CaptureTable.from_margins({"a": 106, "b": 70}, union=110)
    assert protect_table(table, TEN).suppressed


def test_counts_within_bounds_and_unknown_entries() -> None:
    frame = mse.load_dataset("korea").to_frame()
    frame["n_low"], frame["n_high"] = frame["n"], frame["n"]
    frame.loc[frame["n"] > 40, "n_high"] += 3
    frame.loc[0, frame.columns[0]] = None
    table = mse.CaptureTable.from_frame(
        frame, lists=list(frame.columns[:3]), count=("n_low", "n_high")
    )
    safe = protect_table(table, TEN)
    inexact = int((table.low != table.high).sum())
    assert safe.histories["suppressed"].sum() >= inexact > 0
    assert "?" in safe.summary()


def test_unknown_levels_are_a_stratum() -> None:
    frame = mse.load_dataset("spina_bifida").to_frame()
    frame["ethnicity"] = frame["ethnicity"].astype(object)
    frame.loc[frame.index[-4:], "ethnicity"] = None
    lists = ["S1", "S2", "S3"]
    frame = frame.groupby([*lists, "ethnicity"], dropna=False, as_index=False)["n"].sum()
    table = mse.CaptureTable.from_frame(frame, lists, ["ethnicity"], count="n")
    safe = protect_table(table, TEN)
    assert "unknown" in safe.strata["ethnicity",]["ethnicity"].tolist()
    assert not attack(safe)["exposed"].any()


@pytest.mark.parametrize("name", ["netherlands", "uk", "scotland_pwid", "new_orleans"])
def test_bundled_tables(name: str) -> None:
    assert not attack(protect_table(mse.load_dataset(name), rules("cbs")))["exposed"].any()
