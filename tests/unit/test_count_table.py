"""Counts of one register: reading, refusing, taking parts."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mse
from mse.errors import InvalidTableError

FRAME = pd.DataFrame(
    {
        "times": [1, 2, 1, 3, 1],
        "sex": ["f", "m", "m", "f", "f"],
        "age": [31.0, 22.0, 40.0, 31.0, 31.0],
        "case": ["a", "a", "b", "c", "b"],
    }
)


def table(frame: object = FRAME, **settings: object) -> mse.CountTable:
    return mse.CountTable.from_frame(frame, "times", ["sex", "age"], **settings)  # type: ignore[arg-type]


def test_persons_records_and_frequencies_are_one_table() -> None:
    records = FRAME.assign(id=range(5)).loc[FRAME.index.repeat(FRAME["times"])]
    from_records = mse.CountTable.from_records(
        records.sample(frac=1, random_state=1), "id", ["sex", "age"]
    )
    assert from_records == table()
    summed = FRAME.groupby(["times", "sex", "age"], as_index=False).size()
    assert table(summed, persons="size") == table()
    plain = mse.CountTable.from_frame(FRAME, "times")
    assert mse.CountTable.from_frequencies({1: 3, 2: 1, 3: 1}) == plain
    assert plain.frequencies == {1: 3, 2: 1, 3: 1}


def test_every_kind_of_frame_and_order_is_one_table() -> None:
    assert table(pl.from_pandas(FRAME)) == table()
    assert table(pa.Table.from_pandas(FRAME)) == table()
    assert table(FRAME.sample(frac=1, random_state=2)) == table()
    assert hash(table()) == hash(table(FRAME.iloc[::-1]))
    assert pickle.loads(pickle.dumps(table(cluster="case"))) == table(cluster="case")  # noqa: S301


def test_numbers_are_numbers_unless_they_are_categories() -> None:
    assert table().numbers == ("age",)
    assert table(categorical=["age"]).covariates["age"] == (22, 31, 40)
    assert repr(table()) == "CountTable(register; sex (2), age; 5 observed, 8 times)"


def test_persons_do_not_show() -> None:
    said = table(cluster="case").describe() + repr(table()) + table()._repr_html_()
    assert "22" not in said
    assert table().to_frame().columns.tolist() == ["times", "persons"]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1, 0, 2, 1, 1], "holds 0 in row 1"),
        ([1, -1, 2, 1, 1], "negative"),
        ([1, 1.5, 2, 1, 1], "fractional"),
        ([1, None, 2, 1, 1], "holds no count"),
        ([1, "<5", 2, 1, 1], "bounds such as"),
        ([1, "often", 2, 1, 1], "unreadable"),
        ([1, 9_000_000_000, 2, 1, 1], "an identifier"),
    ],
)
def test_counts_that_are_none_are_refused(times: list[object], message: str) -> None:
    with pytest.raises(InvalidTableError, match=message):
        table(FRAME.assign(times=pd.Series(times, dtype=object)))


def test_missing_covariates_are_refused_with_how_many() -> None:
    holes = FRAME.assign(sex=["f", None, "m", None, "f"], age=[1.0, np.nan, 2.0, 3.0, 4.0])
    with pytest.raises(InvalidTableError) as caught:
        table(holes)
    assert len(caught.value.problems) == 2
    assert "2 of 5 rows" in caught.value.problems[0]


def test_contradictions_are_refused_with_how_many() -> None:
    records = pd.DataFrame({"id": ["x", "x", "y"], "sex": ["f", "m", "m"]})
    with pytest.raises(InvalidTableError, match="several values for 1 of 2 persons"):
        mse.CountTable.from_records(records, "id", ["sex"])
    with pytest.raises(InvalidTableError, match="names nobody"):
        mse.CountTable.from_records(records.assign(id=["x", None, "y"]), "id")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mse.CountTable.from_frame(FRAME, "tims"), "tims"),
        (lambda: mse.CountTable.from_frame(FRAME, "times", ["times"]), "two roles"),
        (lambda: table(categorical=["colour"]), "colour"),
        (lambda: mse.CountTable.from_frame(FRAME.iloc[:0], "times"), "no rows"),
        (lambda: mse.CountTable.from_frequencies({}), "how often"),
        (lambda: mse.CountTable.from_frequencies({1: 0}), "nobody in it"),
        (lambda: mse.CountTable.from_frequencies({1: -3}), "negative"),
        (lambda: mse.CountTable.from_frame([1, 2], "times"), "data frame"),
        (lambda: table().where(sex="x"), "no level 'x'"),
        (lambda: table().by("age"), "categorical covariate"),
    ],
)
def test_what_cannot_be_read_is_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidTableError, match=message):
        call()


def test_parts() -> None:
    parts = table(cluster="case").by("sex")
    assert {level: each.n_observed for level, each in parts.items()} == {"f": 3, "m": 2}
    assert parts["f"].clusters is not None
    assert table().where(sex="f").covariates["sex"] == ("f",)
    assert table().where(sex="f").info.scope == "sex: f"


def test_a_file_is_read_with_the_options_of_every_command(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "counts.csv"
    path.write_text("keer;leeftijd;sekse;n\n1;31,5;v;3\n2;22;m;1\n", encoding="utf-8")
    found = mse.read(
        path, times_seen="keer", covariates=["leeftijd", "sekse"], count="n", decimal=","
    )
    assert found.numbers == ("leeftijd",)
    assert found.frame()["leeftijd"].tolist() == [31.5, 22.0]
    assert found.n_observed == 4
    with pytest.raises(InvalidTableError, match="one register"):
        mse.read(path, times_seen="keer", lists=["sekse"])
    with pytest.raises(InvalidTableError, match="keren"):
        mse.read(path, times_seen="keren")
