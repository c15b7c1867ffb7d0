"""`CaptureTable.from_frame`: any data frame, individual or aggregated, and everything it may hold."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mse.data.columns import UNBOUNDED
from mse.data.table import CaptureTable
from mse.errors import InvalidTableError

LISTS = ["a", "b"]


def aggregated(**changes: Any) -> pd.DataFrame:
    columns = {"a": [1, 1, 0], "b": [0, 1, 1], "n": [41, 3, 5]} | changes
    return pd.DataFrame({name: column for name, column in columns.items() if column is not None})


def problems_of(*args: Any, **kwargs: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidTableError) as caught:
        CaptureTable.from_frame(*args, **kwargs)
    return caught.value.problems


def problem_of(*args: Any, **kwargs: Any) -> str:
    problems = problems_of(*args, **kwargs)
    assert len(problems) == 1, problems
    return problems[0]


TABLE = CaptureTable.from_counts({"10": 41, "11": 3, "01": 5}, LISTS)


class TestSameTable:
    def test_persons_and_counts(self) -> None:
        frame = aggregated()
        persons = frame.loc[frame.index.repeat(frame["n"]), LISTS].sample(frac=1, random_state=1)
        assert CaptureTable.from_frame(frame, LISTS, count="n") == TABLE
        assert CaptureTable.from_frame(persons, LISTS) == TABLE

    def test_explicit_zeros(self) -> None:
        frame = aggregated(a=[1, 1, 0, 0], b=[0, 1, 1, 0], n=[41, 3, 5, 0])
        assert CaptureTable.from_frame(frame, LISTS, count="n") == TABLE
        # Printed tables have the unobservable history without a count.
        frame["n"] = [41, 3, 5, None]
        assert CaptureTable.from_frame(frame, LISTS, count="n") == TABLE

    @pytest.mark.parametrize(
        "values",
        [
            ([True, True, False], [False, True, True]),
            ([1.0, 1.0, 0.0], [0.0, 1.0, 1.0]),
            (["1", "1", "0"], ["0", "1", " 1"]),
            (np.array([1, 1, 0], dtype=np.uint8), np.array([0, 1, 1], dtype=bool)),
            ([1, True, "0"], [0, "1", 1.0]),
            (pd.Categorical([1, 1, 0]), pd.Categorical(["0", "1", "1"])),
            (pd.array([1, 1, 0], dtype="Int64"), pd.array([False, True, True], dtype="boolean")),
        ],
    )
    def test_membership(self, values: tuple[Any, Any]) -> None:
        frame = aggregated(a=values[0], b=values[1])
        assert CaptureTable.from_frame(frame, LISTS, count="n") == TABLE

    @pytest.mark.parametrize(
        "counts",
        [
            [41.0, 3.0, 5.0],
            ["41", "3 ", "5.0"],
            [decimal.Decimal(41), 3, "5"],
            np.array([41, 3, 5], dtype=np.uint16),
            pd.array([41, 3, 5], dtype="Int64"),
            pd.Categorical([41, 3, 5]),
        ],
    )
    def test_counts(self, counts: Any) -> None:
        assert CaptureTable.from_frame(aggregated(n=counts), LISTS, count="n") == TABLE

    def test_the_frame_is_not_changed(self) -> None:
        frame = aggregated(a=["1", "1", "unknown"], sex=["f", "", None])
        before = frame.copy(deep=True)
        CaptureTable.from_frame(frame, LISTS, ["sex"], "n")
        pd.testing.assert_frame_equal(frame, before)

    def test_index_and_other_columns_do_not_matter(self) -> None:
        frame = aggregated(other=[None, None, None])
        frame.index = pd.Index([7, 7, 7])
        assert CaptureTable.from_frame(frame, LISTS, count="n") == TABLE

    def test_a_single_covariate_needs_no_list(self) -> None:
        frame = aggregated(sex=["f", "m", "f"])
        one = CaptureTable.from_frame(frame, LISTS, "sex", "n")
        assert one == CaptureTable.from_frame(frame, LISTS, ["sex"], ("n",))  # type: ignore[arg-type]


def frames() -> dict[str, Any]:
    data: dict[str, list[Any]] = {
        "a": [1, 1, 0, None, 1],
        "b": [0, None, 1, 1, 1],
        "c": [True, False, None, True, True],
        "year": [2014, 2015, None, 2014, 2015],
        "sex": ["f", "m", None, "Unknown", ""],
        "n": [3, 4, 5, 6, 7],
    }
    table = pa.table(data)
    polars = pl.DataFrame(data)
    return {
        "pandas": pd.DataFrame(data),
        "pandas nullable": pd.DataFrame(data).convert_dtypes(),
        "pandas object": pd.DataFrame(data, dtype=object),
        "pandas arrow": table.to_pandas(types_mapper=pd.ArrowDtype),
        "polars": polars,
        "polars categories": polars.with_columns(
            pl.col("sex").replace("Unknown", None).replace("", None).cast(pl.Categorical)
        ),
        "pyarrow": table,
        "pyarrow dictionary": table.set_column(4, "sex", table["sex"].dictionary_encode()),
    }


class TestLibraries:
    @pytest.mark.parametrize("kind", list(frames()))
    def test_all_lead_to_the_same_table(self, kind: str) -> None:
        table = CaptureTable.from_frame(frames()[kind], ["a", "b", "c"], ["year", "sex"], "n")
        assert dict(table.covariates) == {"year": (2014, 2015), "sex": ("f", "m")}
        assert table.patterns.tolist() == [
            [-1, 1, 1, 0, -1],
            [0, 1, -1, -1, -1],
            [1, -1, 0, 1, 1],
            [1, 0, 1, 0, 0],
            [1, 1, 1, 1, -1],
        ]
        assert table.low.tolist() == [6, 5, 4, 3, 7]

    def test_order_of_pandas_categories_is_kept(self) -> None:
        age = pd.Categorical(["young", "old", "old"], categories=["young", "old", "very old"])
        table = CaptureTable.from_frame(aggregated(age=age), LISTS, ["age"], "n")
        # Nobody is very old, so that is no level.
        assert table.covariates["age"] == ("young", "old")

    def test_order_of_polars_enum_is_kept(self) -> None:
        frame = pl.from_pandas(aggregated(age=["young", "old", "old"]))
        ordered = frame.with_columns(pl.col("age").cast(pl.Enum(["young", "old"])))
        loose = frame.with_columns(pl.col("age").cast(pl.Categorical))
        assert CaptureTable.from_frame(ordered, LISTS, ["age"], "n").covariates["age"] == (
            "young",
            "old",
        )
        assert CaptureTable.from_frame(loose, LISTS, ["age"], "n").covariates["age"] == (
            "old",
            "young",
        )

    def test_lazy_frames_are_sent_back(self) -> None:
        assert "`.collect()`" in problem_of(pl.LazyFrame({"a": [1], "b": [1]}), LISTS)

    @pytest.mark.parametrize("data", [{"a": [1], "b": [1]}, [[1, 1]], None, np.ones((2, 2)), "x"])
    def test_other_data_are_sent_back(self, data: object) -> None:
        assert "expected a pandas, polars or pyarrow data frame" in problem_of(data, LISTS)

    def test_columns_of_one_name(self) -> None:
        frame = pd.DataFrame([[1, 0, 1]], columns=["a", "a", "b"])
        assert "Rename" in problem_of(frame, LISTS)


class TestLevels:
    @pytest.mark.parametrize(
        ("values", "levels"),
        [
            ([10, 9, 2], (2, 9, 10)),
            (["10", "9", "2"], ("10", "2", "9")),
            ([2014.0, None, 2010.0], (2010, 2014)),
            ([1.5, 2.0, None], (1.5, 2.0)),
            ([True, False, None], (False, True)),
            ([2014, "before", 2010], (2010, 2014, "before")),
            (pd.to_datetime(["2015-03-01", "2014-01-01", None]), ("2014-01-01", "2015-03-01")),
            ([dt.date(2014, 1, 1), None, None], ("2014-01-01",)),
            (pd.PeriodIndex(["2014", "2013", "2014"], freq="Y"), ("2013", "2014")),
            (pd.cut([5, 30, 17], [0, 18, 99]), ("(0, 18]", "(18, 99]")),
            ([decimal.Decimal(3), decimal.Decimal(1), None], (1, 3)),
            ([b"x".decode(), "UNKNOWN ", " "], ("x",)),
        ],
    )
    def test_are_sorted_plain_values(self, values: Any, levels: tuple[object, ...]) -> None:
        table = CaptureTable.from_frame(aggregated(group=values), LISTS, ["group"], "n")
        assert table.covariates["group"] == levels
        assert [type(level) for level in table.covariates["group"]] == [type(v) for v in levels]

    def test_levels_without_persons_are_not_kept(self) -> None:
        frame = aggregated(year=[2014, 2015, 2016], n=[3, 0, 5])
        table = CaptureTable.from_frame(frame, LISTS, ["year"], "n")
        assert table.covariates["year"] == (2014, 2016)
        assert table.patterns[:, 2].tolist() == [1, 0]

    @pytest.mark.parametrize(
        ("values", "found"),
        [
            ([[1], [2], [3]], "cannot be compared"),
            ([(1,), (2,), (3,)], r"\(1,\)"),
            ([b"x", b"y", b"x"], "bytes"),
            ([np.inf, 1.0, 2.0], "inf"),
        ],
    )
    def test_what_cannot_be_a_level(self, values: list[Any], found: str) -> None:
        with pytest.raises(InvalidTableError, match=found):
            CaptureTable.from_frame(aggregated(group=values), LISTS, ["group"], "n")

    def test_a_covariate_that_is_never_known(self) -> None:
        problem = problem_of(aggregated(sex=[None, "", "unknown"]), LISTS, ["sex"], "n")
        assert "'sex' is not known for anybody" in problem


class TestIntervals:
    @pytest.mark.parametrize(
        ("text", "bounds"),
        [
            ("<5", (0, 4)),
            ("< 5", (0, 4)),
            ("<=4", (0, 4)),
            ("≤ 4", (0, 4)),
            ("5-9", (5, 9)),
            ("5 – 9", (5, 9)),  # noqa: RUF001
            ("7", (7, 7)),
        ],
    )
    def test_strings(self, text: str, bounds: tuple[int, int]) -> None:
        table = CaptureTable.from_frame(aggregated(n=["41", text, "5"]), LISTS, count="n")
        held = dict(
            zip(
                map(tuple, table.patterns.tolist()),
                zip(table.low, table.high, strict=True),
                strict=True,
            )
        )
        assert held[1, 1] == bounds

    def test_below_one_is_zero(self) -> None:
        frame = aggregated(a=[1, 1, 0], n=["41", "<1", "5"])
        assert len(CaptureTable.from_frame(frame, LISTS, count="n").patterns) == 2

    def test_two_columns(self) -> None:
        frame = aggregated(n=None, low=[41, 0, 5], high=[41, 4, None])
        table = CaptureTable.from_frame(frame, LISTS, count=("low", "high"))
        assert table.low.tolist() == [5, 41, 0]
        assert table.high.tolist() == [UNBOUNDED, 41, 4]
        frame["high"] = [41, 4, np.inf]
        assert CaptureTable.from_frame(frame, LISTS, count=("low", "high")) == table

    def test_equal_columns_are_exact(self) -> None:
        frame = aggregated(high=[41, 3, 5])
        assert CaptureTable.from_frame(frame, LISTS, count=("n", "high")) == TABLE

    def test_crossed_bounds(self) -> None:
        frame = aggregated(high=[41, 2, 5])
        assert "below the lower bound 'n' in row 1" in problem_of(frame, LISTS, count=("n", "high"))

    def test_a_list_of_suppressed_counts_only_is_not_empty(self) -> None:
        frame = aggregated(a=[1, 0], b=[0, 1], n=["41", "<5"])
        assert CaptureTable.from_frame(frame, LISTS, count="n").n_observed == 41


class TestProblems:
    def test_negative_count(self) -> None:
        problem = problem_of(aggregated(n=[41, -3, 5]), LISTS, count="n")
        assert "'n' holds -3 (negative) in row 1" in problem
        assert "Correct" in problem

    def test_fractional_count(self) -> None:
        assert "1.5 (fractional) in row 0" in problem_of(
            aggregated(n=[1.5, 3, 5]), LISTS, count="n"
        )

    @pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", "unknown"])
    def test_missing_count(self, missing: object) -> None:
        frame = aggregated(n=pd.Series([41, missing, 5], dtype=object))
        assert "in row 1: every row needs a count" in problem_of(frame, LISTS, count="n")

    @pytest.mark.parametrize("count", ["many", "-", "1e3", ">5", "9-5", [1], dt.date(2014, 1, 1)])
    def test_unreadable_count(self, count: object) -> None:
        frame = aggregated(n=pd.Series([41, count, 5], dtype=object))
        with pytest.raises(InvalidTableError, match=r"unreadable|cannot be compared"):
            CaptureTable.from_frame(frame, LISTS, count="n")

    def test_truth_values_are_no_counts(self) -> None:
        assert "truth value" in problem_of(aggregated(n=[True, True, True]), LISTS, count="n")

    @pytest.mark.parametrize(
        "count", [2**63, 2**63 - 1, 10**30, 1e19, np.inf, "<99999999999999999999"]
    )
    def test_count_that_overflows(self, count: object) -> None:
        frame = aggregated(n=pd.Series([41, count, 5], dtype=object))
        assert "overflow" in problem_of(frame, LISTS, count="n")

    def test_unsigned_count_that_overflows(self) -> None:
        frame = aggregated(n=np.array([41, 2**64 - 1, 5], dtype=np.uint64))
        assert "overflow" in problem_of(frame, LISTS, count="n")

    def test_total_that_overflows(self) -> None:
        frame = aggregated(n=[2**62, 2**62, 5])
        assert "add up to 9,223,372,036,854,775,813" in problem_of(frame, LISTS, count="n")

    def test_upper_bounds_that_overflow(self) -> None:
        frame = aggregated(high=[2**62, 2**62, 5])
        assert "add up to" in problem_of(frame, LISTS, count=("n", "high"))

    def test_duplicate_cells(self) -> None:
        frame = aggregated(
            a=[1, 1, 0, 1], b=[0, 1, 1, 0], n=[41, 3, 5, 6], sex=["f", "f", "m", "f"]
        )
        problem = problem_of(frame, LISTS, ["sex"], "n")
        assert "duplicate cells, given again in row 3" in problem
        assert "history 10, sex 'f'" in problem
        assert "groupby" in problem

    def test_unknown_columns(self) -> None:
        problems = problems_of(aggregated(sex=["f", "m", "f"]), ["a", "B"], ["sx"], "N")
        assert [p.split(":")[0] for p in problems] == [
            "There is no column 'B'",
            "There is no column 'sx'",
            "There is no column 'N'",
        ]
        assert "Did you mean 'b'?" in problems[0]
        assert "Did you mean 'sex'?" in problems[1]

    def test_a_list_with_nobody_on_it(self) -> None:
        frame = aggregated(c=[0, 0, 0])
        assert "Nobody is on list 'c'" in problem_of(frame, [*LISTS, "c"], count="n")
        frame = aggregated(c=[0, 0, 1], n=[41, 3, 0])
        assert "Nobody is on list 'c'" in problem_of(frame, [*LISTS, "c"], count="n")

    def test_nobody_at_all(self) -> None:
        assert "no persons" in problem_of(aggregated(n=[0, 0, 0]), LISTS, count="n")

    @pytest.mark.parametrize(("lists", "found"), [(["a"], "only one list, 'a'"), ([], "no list")])
    def test_too_few_lists(self, lists: list[str], found: str) -> None:
        assert found in problem_of(aggregated(), lists, count="n")

    def test_forty_lists(self) -> None:
        lists = [f"list_{i}" for i in range(40)]
        frame = pd.DataFrame(np.eye(40, dtype=int), columns=lists)
        problem = problem_of(frame, lists)
        assert "40 lists: at most 30" in problem
        assert "Merge" in problem

    def test_thirty_lists(self) -> None:
        lists = [f"list_{i}" for i in range(30)]
        frame = pd.DataFrame(np.eye(30, dtype=int), columns=lists)
        frame["group"] = np.arange(30)
        frame["region"] = np.arange(30)[::-1]
        frame["town"] = [f"t{i}" for i in range(30)]
        table = CaptureTable.from_frame(frame, lists, ["group", "region", "town"])
        assert table.n_observed == 30
        assert (table.patterns[:, :30].sum(axis=1) == 1).all()
        rows = [tuple(row) for row in table.patterns.tolist()]
        assert rows == sorted(rows)

    def test_persons_on_no_list(self) -> None:
        frame = aggregated(a=[1, 1, 0, 0], b=[0, 1, 1, 0], n=[41, 3, 5, 9])
        problem = problem_of(frame, LISTS, count="n")
        assert "persons on no list in row 3" in problem
        assert "write 0" in problem
        assert "on no list in row 3" in problem_of(frame, LISTS)

    def test_persons_on_no_list_for_certain(self) -> None:
        frame = aggregated(a=[1, 1, 0], b=[0, 1, 0], n=[41, 3, 9])
        assert "There are persons on no list in row 2" in problem_of(frame, LISTS, count="n")

    def test_empty_frames(self) -> None:
        assert "no rows" in problem_of(aggregated().head(0), LISTS, count="n")
        assert "no rows" in problems_of(pd.DataFrame(), LISTS)[-1]

    def test_list_columns_with_other_values(self) -> None:
        frame = aggregated(a=["present", "absent", "present"], b=[0, 2, 1])
        first, second = problems_of(frame, LISTS, count="n")
        assert "List column 'a' holds 2 other texts in 3 rows (0, 1, 2)" in first
        assert "present" not in first
        assert "(frame['b'] > 0)" in second

    def test_list_columns_of_lists(self) -> None:
        frame = aggregated(a=[[1], [1], [0]])
        assert any("cannot be compared" in p for p in problems_of(frame, LISTS, count="n"))

    def test_names(self) -> None:
        assert "occur twice" in problem_of(aggregated(), ["a", "b", "a"], count="n")
        assert "both as a list and as a covariate" in problem_of(aggregated(), LISTS, ["b"], "n")
        frame = aggregated().rename(columns={"a": "police*care"})
        problem = problem_of(frame, ["police*care", "b"], count="n")
        assert "holds '*'" in problem
        assert "'police_care'" in problem
        frame = aggregated().rename(columns={"a": "  "})
        assert "blank" in problem_of(frame, ["  ", "b"], count="n")
        frame = aggregated().rename(columns={"a": "a "})
        assert "begins or ends with a space" in problem_of(frame, ["a ", "b"], count="n")
        frame = aggregated().rename(columns={"a": 1})
        assert any("not strings" in p for p in problems_of(frame, [1, "b"], count="n"))
        assert "name of a column of counts" in problems_of(aggregated(), ["a", "b", "n"])[0]
        assert "expected the names" in problems_of(aggregated(), 3)[0]

    def test_count_argument(self) -> None:
        assert "expected the name of a column" in problem_of(aggregated(), LISTS, count=3)
        assert "expected the name of a column" in problem_of(aggregated(), LISTS, count=("n", 1))
        assert any("both as the count" in p for p in problems_of(aggregated(), LISTS, ["n"], "n"))

    def test_all_problems_are_told_at_once(self) -> None:
        frame = aggregated(a=[1, 1, 0, 1, 0], b=[0, 0, 0, 0, 0], n=[1.5, -1, 3, None, None])
        problems = problems_of(frame, LISTS, count="n")
        for found in [
            "negative",
            "fractional",
            "no count in row 3",
            "on no list in row 2",
            "duplicate",
        ]:
            assert any(found in problem for problem in problems), found
        assert any("list 'b'" in problem for problem in problems)

    def test_counts_are_checked_where_lists_are_wrong(self) -> None:
        problems = problems_of(aggregated(a=[1, 7, 0], n=[-1, 3, 5]), LISTS, count="n")
        assert len(problems) == 2


def test_a_column_that_was_an_index_is_a_column() -> None:
    frame = pd.DataFrame({"a": [1, 0, 1], "b": [0, 1, 1], "n": [5, 6, 3]}, index=["f", "m", "f"])
    arrow = pa.Table.from_pandas(frame)
    table = CaptureTable.from_frame(arrow, ["a", "b"], ["__index_level_0__"], "n")
    assert table.covariates["__index_level_0__"] == ("f", "m")
