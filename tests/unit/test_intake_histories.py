"""`from_counts`, `from_array` and `from_margins`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mse.data.table import CaptureTable
from mse.errors import InvalidTableError

LISTS = ["a", "b", "c"]


def problems_of(make: Any, *args: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidTableError) as caught:
        make(*args)
    return caught.value.problems


def problem_of(make: Any, *args: Any) -> str:
    problems = problems_of(make, *args)
    assert len(problems) == 1, problems
    return problems[0]


class TestCounts:
    def test_first_character_is_the_first_list(self) -> None:
        table = CaptureTable.from_counts({"100": 41, "011": 5}, LISTS)
        assert table.counts[1, 0, 0] == 41
        assert table.counts[0, 1, 1] == 5

    def test_zeros_change_nothing(self) -> None:
        some = CaptureTable.from_counts({"100": 41, "011": 5}, LISTS)
        every = {f"{i:03b}": 0 for i in range(8)} | {"011": 5, "100": 41}
        assert CaptureTable.from_counts(every, LISTS) == some

    def test_intervals_and_numpy_counts(self) -> None:
        table = CaptureTable.from_counts({"100": np.int64(41), "010": 3.0, "111": "<5"}, LISTS)  # type: ignore[dict-item]
        assert table.low.tolist() == [3, 41, 0]
        assert table.high.tolist() == [3, 41, 4]

    @pytest.mark.parametrize(
        ("counts", "found"),
        [
            ({"100": 41, "011": -5}, "history '011' is -5 (negative)"),
            ({"100": 41, "011": 1.5}, "(fractional)"),
            ({"100": 41, "011": None}, "(missing)"),
            ({"100": 41, "011": float("nan")}, "(missing)"),
            ({"100": 41, "011": 2**63}, "(overflow)"),
            ({"100": 2**62, "011": 2**62}, "add up to"),
            ({"100": 41, "011": "x"}, "(unreadable)"),
            ({"100": 41, "011": 5, "10": 3}, "has 2 characters and there are 3 lists"),
            ({"100": 41, "011": 5, "102": 3}, "holds '2'"),
            ({"100": 41, "011": 5, "1?0": 3}, "holds '?'"),
            ({"100": 41, "011": 5, 10: 3}, "write '010'"),
            ({"100": 41, "011": 5, "000": 3}, "on no list"),
            ({"100": 41, "010": 5}, "Nobody is on list 'c'"),
            ({"100": 0, "010": 0}, "no persons"),
            ({}, "empty"),
            ([("100", 41)], "expected a mapping"),
        ],
    )
    def test_problems(self, counts: Any, found: str) -> None:
        assert any(found in p for p in problems_of(CaptureTable.from_counts, counts, LISTS))

    def test_all_at_once(self) -> None:
        problems = problems_of(
            CaptureTable.from_counts, {"10": -1, "0x": 4, "00": 3, "100": 2}, ["a", "a"]
        )
        assert len(problems) == 5

    def test_lists(self) -> None:
        assert "only one list" in problem_of(CaptureTable.from_counts, {"1": 3}, ["a"])
        forty = [f"l{i}" for i in range(40)]
        assert "40 lists" in problem_of(CaptureTable.from_counts, {"1" * 40: 3}, forty)


class TestArray:
    def test_reads_dense_tables(self) -> None:
        frame = pd.DataFrame(
            {"a": [1, 1, 0], "b": [0, 1, 1], "year": [2014, 2014, 2015], "n": [4, 3, 5]}
        )
        table = CaptureTable.from_frame(frame, ["a", "b"], ["year"], "n")
        assert CaptureTable.from_array(table.counts, ["a", "b"], table.covariates) == table
        floats = table.counts.astype(float).tolist()
        assert CaptureTable.from_array(floats, ["a", "b"], {"year": [2014, 2015]}) == table

    def test_levels_stay_as_given(self) -> None:
        counts = np.zeros((2, 2, 3), dtype=int)
        counts[1, 1, 2] = 4
        table = CaptureTable.from_array(counts, ["a", "b"], {"age": np.array(["y", "m", "o"])})
        assert table.covariates["age"] == ("y", "m", "o")
        assert table.counts.tolist() == counts.tolist()

    @pytest.mark.parametrize(
        ("counts", "found"),
        [
            ([[0, 5], [-1, 3]], "-1 (negative) in 1 cells, first at index (1, 0)"),
            ([[0, 5.5], [1, 3]], "(fractional)"),
            ([[0, np.nan], [1, 3]], "(missing)"),
            ([[0, 1e19], [1, 3]], "(overflow)"),
            ([[0, 2**70], [1, 3]], "dtype object"),
            ([[0, "5"], ["1", "3"]], "dtype <U"),
            ([[False, True], [True, True]], "dtype bool"),
            ([[9, 5], [1, 3]], "on no list hold 9"),
            ([[0, 5], [0, 0]], "Nobody is on list 'a'"),
            ([[0, 2**62], [2**62, 0]], "add up to"),
            ([0, 5, 1, 3], "shape (4,): expected (2, 2)"),
        ],
    )
    def test_problems(self, counts: Any, found: str) -> None:
        assert any(found in p for p in problems_of(CaptureTable.from_array, counts, ["a", "b"]))

    @pytest.mark.parametrize(
        ("covariates", "found"),
        [
            ({"year": [2014, 2014]}, "each once"),
            ({"year": []}, "at least one"),
            ({"year": "2014"}, "expected a sequence"),
            ({"year": [2014, None]}, "hold None"),
            ({"year": [2014, "unknown"]}, "hold 'unknown'"),
            ({"year": [2014, float("nan")]}, "hold nan"),
            ({"a": [2014, 2015]}, "both as a list and as a covariate"),
            (["year"], "expected a mapping"),
        ],
    )
    def test_problems_of_levels(self, covariates: Any, found: str) -> None:
        counts = np.ones((2, 2, 2), dtype=int)
        counts[0, 0] = 0
        problems = problems_of(CaptureTable.from_array, counts, ["a", "b"], covariates)
        assert any(found in problem for problem in problems)


class TestMargins:
    def test_are_held(self) -> None:
        table = CaptureTable.from_margins({"a": 53, "b": np.int64(70)}, union=110.0)  # type: ignore[arg-type]
        assert table.margins is not None
        assert dict(table.margins.list_totals) == {"a": 53, "b": 70}
        assert (table.margins.union, table.lists) == (110, ("a", "b"))

    @pytest.mark.parametrize(
        ("totals", "union", "found"),
        [
            ({"a": 53, "b": 120}, 110, "'b' has 120 persons and the union 110"),
            ({"a": 53, "b": 50}, 110, "cannot be larger than their sum"),
            ({"a": 53, "b": 0}, 53, "Nobody is on list 'b'"),
            ({"a": 53, "b": -1}, 110, "list 'b' is -1 (negative)"),
            ({"a": 53, "b": 70}, None, "the union is None (missing)"),
            ({"a": 53, "b": "<5"}, 55, "expected an exact number"),
            ({"a": 53}, 53, "only one list"),
            ({}, 53, "empty"),
            ([53, 70], 110, "expected a mapping"),
            ({"a b ": 53, "b": 70}, 110, "ends with a space"),
        ],
    )
    def test_problems(self, totals: Any, union: Any, found: str) -> None:
        assert any(found in p for p in problems_of(CaptureTable.from_margins, totals, union))
