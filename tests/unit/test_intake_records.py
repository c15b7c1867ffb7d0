"""`CaptureTable.from_records`: registrations linked by person and period."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mse.data.table import CaptureTable
from mse.errors import InconsistentRecordsWarning, InvalidTableError


def records() -> pd.DataFrame:
    return pd.DataFrame(
        [
            ("p1", "police", 2014, "f", "young"),
            ("p1", "care", 2014, None, "young"),
            ("p1", "care", 2014, "f", "young"),
            ("p1", "police", 2015, "f", "young"),
            ("p2", "care", 2014, "m", None),
            ("p3", "kmar", 2015, "unknown", "old"),
            ("p3", "police", 2015, "", "old"),
            ("p4", "care", 2015, "f", "old"),
        ],
        columns=["id", "source", "year", "sex", "age"],
    )


KEYS = {"person": "id", "register": "source"}


def problems_of(frame: Any, **kwargs: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidTableError) as caught:
        CaptureTable.from_records(frame, **(KEYS | kwargs))
    return caught.value.problems


def problem_of(frame: Any, **kwargs: Any) -> str:
    problems = problems_of(frame, **kwargs)
    assert len(problems) == 1, problems
    return problems[0]


class TestUnits:
    def test_without_period_the_unit_is_the_person(self) -> None:
        table = CaptureTable.from_records(records(), **KEYS)
        assert table.lists == ("care", "kmar", "police")
        assert table == CaptureTable.from_counts({"101": 1, "100": 2, "011": 1}, table.lists)

    def test_with_a_period_it_is_the_person_in_it(self) -> None:
        table = CaptureTable.from_records(records(), **KEYS, period="year")
        assert dict(table.covariates) == {"year": (2014, 2015)}
        assert table.n_observed == 5
        assert table.collapse("year") == CaptureTable.from_counts(
            {"101": 1, "001": 1, "100": 2, "011": 1}, table.lists
        )

    def test_a_known_value_stands_for_a_missing_one(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = CaptureTable.from_records(
                records(), **KEYS, period="year", covariates=["sex", "age"]
            )
        assert table.axes == ("care", "kmar", "police", "year", "sex", "age")
        assert table.patterns.tolist() == [
            [0, 0, 1, 1, 0, 1],
            [0, 1, 1, 1, -1, 0],
            [1, 0, 0, 0, 1, -1],
            [1, 0, 0, 1, 0, 0],
            [1, 0, 1, 0, 0, 1],
        ]
        assert table.low.tolist() == [1] * 5

    def test_values_that_disagree_become_unknown(self) -> None:
        frame = records()
        frame.loc[2, ["sex", "age"]] = ["m", "old"]
        frame.loc[6, "age"] = "young"
        with pytest.warns(InconsistentRecordsWarning) as caught:
            table = CaptureTable.from_records(
                frame, **KEYS, period="year", covariates=["sex", "age"]
            )
        assert len(caught) == 1
        assert "'sex' in 1, 'age' in 2 of 5 units" in str(caught[0].message)
        assert caught[0].filename == __file__
        row = table.patterns[(table.patterns[:, [0, 2]] == 1).all(axis=1)]
        assert row.tolist() == [[1, 0, 1, 0, -1, -1]]

    def test_disagreement_between_periods_is_none(self) -> None:
        frame = records()
        frame.loc[3, "age"] = "old"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            CaptureTable.from_records(frame, **KEYS, period="year", covariates=["age"])
        with pytest.warns(InconsistentRecordsWarning, match="'age' in 1 of 4 units"):
            CaptureTable.from_records(frame, **KEYS, covariates=["age"])

    def test_disagreement_everywhere_leaves_nothing_known(self) -> None:
        frame = pd.DataFrame({"id": [1, 1], "source": ["a", "b"], "sex": ["f", "m"]})
        with (
            pytest.warns(InconsistentRecordsWarning),
            pytest.raises(InvalidTableError, match="'sex' is not known for anybody"),
        ):
            CaptureTable.from_records(frame, **KEYS, covariates=["sex"])

    def test_repeated_registrations_count_once(self) -> None:
        frame = records()
        twice = pd.concat([frame, frame]).sample(frac=1, random_state=2)
        arguments: dict[str, Any] = {**KEYS, "period": "year", "covariates": ["sex", "age"]}
        assert CaptureTable.from_records(twice, **arguments) == CaptureTable.from_records(
            frame, **arguments
        )

    def test_is_the_table_of_the_persons(self) -> None:
        rng = np.random.default_rng(3)
        wide = pd.DataFrame(rng.integers(2, size=(500, 4)), columns=list("abcd"))
        wide["sex"] = rng.choice(["f", "m"], size=500)
        wide = wide[wide[list("abcd")].any(axis=1)].reset_index(names="id")
        long = wide.melt(["id", "sex"], var_name="source").query("value == 1")
        assert CaptureTable.from_records(
            long, **KEYS, covariates=["sex"]
        ) == CaptureTable.from_frame(wide, list("abcd"), ["sex"])

    @pytest.mark.parametrize("ids", [[10**15, 10**15 + 1], [0, 5], [2.5, 7.0], ["x", "y"]])
    def test_any_identifier(self, ids: list[Any]) -> None:
        frame = pd.DataFrame({"id": [ids[0], ids[1], ids[0]], "source": ["a", "a", "b"]})
        assert CaptureTable.from_records(frame, **KEYS) == CaptureTable.from_counts(
            {"10": 1, "11": 1}, ["a", "b"]
        )

    def test_many_periods_for_few_records(self) -> None:
        # More persons x periods than a table of flags is worth.
        frame = pd.DataFrame(
            {
                "id": [f"p{i}" for i in range(200)] * 2,
                "source": ["a"] * 200 + ["b"] * 200,
                "day": list(range(200)) * 2,
            }
        )
        table = CaptureTable.from_records(frame, **KEYS, period="day")
        assert table.shape == (2, 2, 200)
        assert table.collapse("day") == CaptureTable.from_counts({"11": 200}, ["a", "b"])

    def test_no_identifier_stays(self) -> None:
        table = CaptureTable.from_records(
            records(), **KEYS, period="year", covariates=["sex", "age"]
        )
        assert b"p3" not in table.__reduce__()[1][0].patterns.tobytes()
        assert "p3" not in repr(table.__dict__)


class TestRegisters:
    def test_order_given(self) -> None:
        table = CaptureTable.from_records(records(), **KEYS, registers=["police", "kmar", "care"])
        assert table.lists == ("police", "kmar", "care")
        assert table == CaptureTable.from_records(records(), **KEYS).keep_lists(table.lists)

    def test_order_of_categories(self) -> None:
        frame = records()
        frame["source"] = pd.Categorical(
            frame["source"], categories=["police", "none", "kmar", "care"]
        )
        assert CaptureTable.from_records(frame, **KEYS).lists == ("police", "kmar", "care")

    def test_numbers_become_names(self) -> None:
        frame = pd.DataFrame({"id": [1, 1, 2], "source": [10, 9, 9]})
        assert CaptureTable.from_records(frame, **KEYS).lists == ("9", "10")

    def test_unknown_registers(self) -> None:
        problems = problems_of(records(), registers=["police", "kmr", "care"])
        assert "no register 'kmar'" in problems[0]
        assert "Did you mean 'kmr'" in problems[0]
        assert "row 5" in problems[1]
        assert "Nobody is on list 'kmr'" in problems[2]

    def test_more_than_thirty(self) -> None:
        frame = pd.DataFrame({"id": range(80), "source": [f"s{i}" for i in range(40)] * 2})
        assert "40 lists: at most 30" in problem_of(frame)

    def test_only_one(self) -> None:
        assert "only one list, 'care'" in problem_of(records().query("source == 'care'"))


class TestProblems:
    def test_missing_persons_registers_and_periods(self) -> None:
        frame = records().astype({"year": "object"})
        frame.loc[0, "id"] = None
        frame.loc[[1, 2], "source"] = ["", None]
        frame.loc[3, "year"] = "unknown"
        person, register, period = problems_of(frame, period="year")
        assert "'id' names no person in row 0" in person
        assert "'source' names no register in 2 rows (1, 2)" in register
        assert "'year' names no period in row 3" in period

    @pytest.mark.parametrize("blank", ["", " ", "unknown", "Unknown", "UNKNOWN"])
    @pytest.mark.parametrize("dtype", ["str", "object", "category"])
    def test_persons_without_a_name_are_not_one_person(self, blank: str, dtype: str) -> None:
        frame = records()
        frame.loc[[1, 4], "id"] = blank
        assert "2 rows (1, 4)" in problem_of(frame.astype({"id": dtype}))

    def test_unknown_columns(self) -> None:
        problems = problems_of(records(), person="ID", period="years")
        assert "Did you mean 'id'" in problems[0]
        assert "Did you mean 'year'" in problems[1]

    def test_a_column_in_two_roles(self) -> None:
        problem = problem_of(records(), period="year", covariates=["year"])
        assert "named as `period` and as `covariates`" in problem

    def test_a_role_that_is_no_name(self) -> None:
        assert any("`person` is 3" in problem for problem in problems_of(records(), person=3))

    def test_a_register_named_as_a_covariate(self) -> None:
        frame = records().replace({"source": {"kmar": "sex"}})
        assert "both as a list and as a covariate" in problem_of(frame, covariates=["sex"])

    def test_empty(self) -> None:
        assert "no rows" in problem_of(records().head(0))

    def test_no_frame(self) -> None:
        assert "expected a pandas" in problem_of([("p1", "police")])

    def test_unhashable(self) -> None:
        frame = records()
        frame["sex"] = [["f"]] * len(frame)
        assert "cannot be compared" in problem_of(frame, covariates=["sex"])


@pytest.mark.parametrize("kind", ["polars", "polars categories", "pyarrow", "object"])
def test_libraries_agree(kind: str) -> None:
    frame = records()
    other: Any = {
        "polars": lambda: pl.from_pandas(frame),
        "polars categories": lambda: pl.from_pandas(frame).with_columns(
            pl.col("source").cast(pl.Categorical)
        ),
        "pyarrow": lambda: pa.Table.from_pandas(frame),
        "object": lambda: frame.astype(object),
    }[kind]()
    arguments: dict[str, Any] = {**KEYS, "period": "year", "covariates": ["sex", "age"]}
    assert CaptureTable.from_records(other, **arguments) == CaptureTable.from_records(
        frame, **arguments
    )
