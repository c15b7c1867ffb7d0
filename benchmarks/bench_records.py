"""Time of `CaptureTable.from_records` on millions of registrations.

Makes registrations of made-up persons by 10 registers over 6 years, with sex, age group and form of
exploitation, all of them strings, some of them missing. Every registration carries its own copy of the
covariates, as register extracts do.

    python benchmarks/bench_records.py --rows 5000000 --frame pandas
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from typing import Any

# One core is what is promised; the variables must be set before numpy and pyarrow are loaded.
for variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "ARROW_NUM_THREADS",
    "POLARS_MAX_THREADS",
):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

import mse  # noqa: E402

REGISTERS = [f"register_{i:02d}" for i in range(10)]
COVARIATES: dict[str, list[str | None]] = {
    "sex": ["female", "male", None],
    "age": ["0-11", "12-17", "18-22", "23-29", "30-39", "40+", None],
    "form": ["sexual", "labor", "criminal", "other", "unknown"],
}


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
    if kind == "object":
        return frame.astype(object)
    if kind == "polars":
        import polars as pl

        return pl.from_pandas(frame)
    if kind == "pyarrow":
        import pyarrow as pa

        return pa.Table.from_pandas(frame, preserve_index=False)
    return frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument(
        "--frame", choices=["pandas", "object", "polars", "pyarrow"], default="pandas"
    )
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    # Numbers stay on one core even where a library starts threads of its own.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    frame = converted(registrations(options.rows), options.frame)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds, busy = [], []
    for _ in range(options.repeats):
        start, worked = time.perf_counter(), time.process_time()
        table = mse.CaptureTable.from_records(
            frame,
            person="person",
            register="register",
            period="year",
            covariates=list(COVARIATES),
        )
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - worked)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = (" ".join(f"{second:.2f}" for second in part) for part in (seconds, busy))
    print(f"{table}\n{options.rows:,} rows, {options.frame}: {wall} s ({cpu} s of processor time)")
    print(f"peak memory {peak:,.0f} MB, of which {before:,.0f} MB before the first call")


if __name__ == "__main__":
    main()
