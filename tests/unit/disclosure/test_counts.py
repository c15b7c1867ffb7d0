"""Frames of counts: what leaves, what is said of mistakes, and what cannot be computed back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mse
from mse.disclosure import ProtectedCounts, Rules, attack, protect_counts, rules

TEN = Rules(threshold=10)
LONG = pd.DataFrame(
    {
        "year": [2014, 2014, 2015, 2015, "total", "total", 2014, 2015, "total"],
        "sex": ["f", "m", "f", "m", "f", "m", "total", "total", "total"],
        "n": [3, 40, 30, 25, 33, 65, 43, 55, 98],
        "estimated": [9.7, 81.2, 66.4, 50.0, 76.1, 131.2, 90.9, 116.4, 207.3],
        "note": list("abcdefghi"),
    }
)


def wide() -> pd.DataFrame:
    frame = pd.DataFrame({"f": [3, 30], "m": [40, 25]}, index=["2014", "2015"])
    frame["total"] = frame.sum(axis=1)
    frame.loc["total"] = frame.sum()
    return frame


def test_cross_tables_and_long_frames_are_one_thing() -> None:
    crossed = protect_counts(wide(), TEN)
    long = protect_counts(LONG, TEN, by=["year", "sex"])
    assert len(crossed.suppressed) == len(long.suppressed) == 4
    assert crossed.mask.to_numpy().sum() == long.mask.sum() == 4
    assert crossed.frame.loc["total"].tolist() == [33, 65, 98]
    assert pd.isna(crossed.frame.loc["2014", "f"])
    assert not attack(crossed)["exposed"].any()
    assert not attack(long)["exposed"].any()


def test_the_frame_that_was_given_is_left_alone() -> None:
    before = wide()
    frame = before.copy()
    protect_counts(frame, rules("cbs"))
    pd.testing.assert_frame_equal(frame, before)


def test_figures_beside_a_count_go_with_it() -> None:
    found = protect_counts(
        LONG,
        Rules(threshold=10, base=5),
        by=["year", "sex"],
        persons=["estimated"],
        others=["note"],
    )
    shown = found.frame
    assert shown.loc[shown["suppressed"], ["n", "estimated", "note"]].isna().all(axis=None)
    assert shown.loc[8, ["n", "estimated", "note"]].tolist() == [100, 205.0, "i"]
    assert (shown["estimated"].dropna() % 5 == 0).all()
    text = found.marked()
    assert (text.loc[found.mask, ["n", "estimated", "note"]] == "x").all(axis=None)
    assert "x" in found.summary()
    assert "suppressed" in found.summary()
    assert "suppressed (x)" in found._repr_html_()


def test_text_of_cross_tables() -> None:
    found = protect_counts(wide(), rules("cbs"))
    text = found.summary()
    assert "3" not in text.split("DISCLOSURE")[0].replace("35", "").replace("2014", "")[:40]
    assert repr(found).startswith("<ProtectedCounts:")
    assert found.to_frame().equals(found.frame)


def test_without_rules_nothing_changes() -> None:
    found = protect_counts(wide(), rules("none"))
    assert found.frame.to_numpy().tolist() == wide().to_numpy().tolist()
    assert found.note == ""
    assert found.suppressed == ()


def test_totals_that_are_not_published_protect_nothing_further() -> None:
    frame = pd.DataFrame({"f": [3, 30], "m": [40, 25]}, index=["2014", "2015"])
    assert len(protect_counts(frame, TEN).suppressed) == 1


def test_parts_without_their_remainder() -> None:
    # 4 persons are of neither sex: the total and the parts would give them away.
    frame = pd.DataFrame({"sex": ["f", "m", "total"], "n": [40, 30, 74]})
    found = protect_counts(frame, TEN, by=["sex"])
    assert found.suppressed
    assert not attack(found)["exposed"].any()


def test_totals_by_two_categories_without_those_by_one() -> None:
    rows = [(y, s, 20 + 3 * i) for i, (y, s) in enumerate([(1, "f"), (1, "m"), (2, "f")])]
    rows += [(2, "m", 4), ("total", "total", 73)]
    frame = pd.DataFrame(rows, columns=["year", "sex", "n"])
    found = protect_counts(frame, TEN, by=["year", "sex"])
    assert len(found.suppressed) == 2


def test_dominance() -> None:
    frame = pd.DataFrame({"region": ["a", "b", "c"], "n": [100, 80, 60], "most": [70, 20, 20]})
    found = protect_counts(frame, rules("cbs"), by=["region"], largest="most")
    assert found.mask.tolist() == [True, False, False]
    assert "most" not in found.frame


@pytest.mark.parametrize(
    ("frame", "parts"),
    [
        (LONG.drop(columns="n"), ["no column 'n'"]),
        (LONG.assign(n=[-1, 2.5, None, 1, 1, 1, 1, 1, 1]), ["negative", "not whole", "missing"]),
        (pd.concat([LONG, LONG.head(1)]), ["occurs before"]),
        (LONG.assign(n=[300, *LONG["n"][1:]]), ["parts add up to"]),
    ],
)
def test_mistakes(frame: pd.DataFrame, parts: list[str]) -> None:
    with pytest.raises(mse.InvalidTableError) as error:
        protect_counts(frame, TEN, by=["year", "sex"])
    for part in parts:
        assert part in str(error.value)


def test_cross_tables_have_one_name_for_each_row() -> None:
    frame = wide()
    frame.index = ["2014", "2014", "total"]
    with pytest.raises(mse.InvalidTableError, match="same name twice"):
        protect_counts(frame, TEN)


def test_no_count_is_left_in_what_is_protected() -> None:
    frame = wide()
    frame.loc["2014", "f"] = 7
    frame.loc[["2014", "total"], "total"] += 4
    frame.loc["total", "f"] += 4
    found = protect_counts(frame, TEN)
    assert isinstance(found, ProtectedCounts)
    publication = found.publication
    assert 7 not in publication.counts
    assert 7 not in np.asarray(publication.bounds())
