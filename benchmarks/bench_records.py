"""Time and memory of `CaptureTable.from_records` on five million registrations.

Registrations of made-up persons by 10 registers over 6 years, with sex, age group and form of
exploitation, all of them strings, some of them missing. Every registration carries its own copy of the
covariates, as register extracts do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mse
from benchmarks.harness import measure, run_json

ROWS = 5_000_000
REGISTERS = [f"register_{i:02d}" for i in range(10)]
COVARIATES: dict[str, list[str | None]] = {
    "sex": ["female", "male", None],
    "age": ["0-11", "12-17", "18-22", "23-29", "30-39", "40+", None],
    "form": ["sexual", "labor", "criminal", "other", "unknown"],
}

MEMORY = """
import json
from benchmarks.bench_records import read, registrations
from benchmarks.memory import memory_of_process
read(registrations(1000))
frame = registrations({rows})
before = memory_of_process("VmRSS")
read(frame)
print(json.dumps(memory_of_process("VmHWM") - before))
"""


def registrations(rows: int, seed: int = 1) -> pd.DataFrame:
    """Make registrations, about two for each person in a year."""
    rng = np.random.default_rng(seed)
    persons = max(rows // 3, 1)
    names = "P" + pd.Series(rng.permutation(10 * persons)[:persons]).astype("str").str.zfill(9)
    person = rng.integers(persons, size=rows)
    years = np.array([str(year) for year in range(2010, 2016)], dtype=object)
    columns: dict[str, Any] = {
        "person": names.to_numpy()[person],
        "register": np.array(REGISTERS, dtype=object)[rng.integers(len(REGISTERS), size=rows)],
        # Two years for each person, so that units hold several registrations.
        "year": years[(person + 3 * rng.integers(2, size=rows)) % len(years)],
    }
    for name, levels in COVARIATES.items():
        of_person = rng.integers(len(levels), size=persons)
        columns[name] = np.array(levels, dtype=object)[of_person[person]]
    return pd.DataFrame(columns)


def converted(frame: pd.DataFrame, kind: str) -> Any:
    """Give the registrations as another kind of frame."""
    if kind == "pandas, object columns":
        return frame.astype(object)
    if kind == "polars":
        import polars as pl

        return pl.from_pandas(frame)
    if kind == "pyarrow":
        import pyarrow as pa

        return pa.Table.from_pandas(frame, preserve_index=False)
    return frame


def read(frame: Any) -> mse.CaptureTable:
    """Make the table."""
    return mse.CaptureTable.from_records(
        frame, person="person", register="register", period="year", covariates=list(COVARIATES)
    )


@pytest.mark.benchmark(group="registrations")
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("kind", ["pandas", "pandas, object columns", "polars", "pyarrow"])
def test_from_records(benchmark: Any, kind: str) -> None:
    frame = converted(registrations(ROWS), kind)
    table = measure(
        benchmark,
        read,
        lambda: (frame,),
        what=f"`from_records`, {ROWS:,} rows, 10 registers, 3 covariates ({kind})",
        rounds=2,
        bar=10.0,
    )
    assert table.n_lists == len(REGISTERS)


@pytest.mark.benchmark(group="memory")
def test_memory_of_from_records(benchmark: Any) -> None:
    # Timed only so that the row is kept: the figure is the memory.
    benchmark.pedantic(lambda: None, rounds=1)
    beyond = run_json(MEMORY.format(rows=ROWS))
    benchmark.extra_info["memory"] = {
        "what": f"`from_records`, {ROWS:,} rows (pandas), beyond the rows themselves",
        "beyond": beyond,
    }
