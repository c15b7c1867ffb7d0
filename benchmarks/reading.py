"""Ten million registrations with two covariates, counted where they live: time and memory.

python -m benchmarks.reading make FILE      write the registrations as Parquet
python -m benchmarks.reading duckdb FILE    read them through DuckDB
python -m benchmarks.reading polars FILE    read them through a lazy frame of polars
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 10_000_000


def make(path: str) -> None:
    """Write registrations of six million persons in five registers and years."""
    rng = np.random.default_rng(1)
    person = rng.integers(0, 6_000_000, ROWS)
    registers = np.array(["police", "border", "care", "labour", "others"])
    columns = {
        "person": person,
        "register": registers[rng.integers(0, 5, ROWS)],
        "year": (2014 + rng.integers(0, 5, ROWS)).astype(np.int16),
        "sex": np.array(["f", "m"])[person % 2],
        "age": np.array(["minor", "young", "old"])[person % 3],
    }
    pq.write_table(pa.table(columns), path)


def frame_of(library: str, path: str) -> Any:
    if library == "polars":
        import polars as pl

        return pl.scan_parquet(path)
    import duckdb

    return duckdb.sql(f"from '{path}'")


def main() -> None:
    task, path = sys.argv[1:]
    if task == "make":
        make(path)
        return
    start = time.perf_counter()
    import mse

    table = mse.read(
        frame_of(task, path),
        person="person",
        register="register",
        period="year",
        covariates=["sex", "age"],
    )
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{task}: {table.n_observed:,} persons in periods, {len(table.patterns):,} patterns")
    print(
        f"{time.perf_counter() - start:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of processor time, "
        f"imports included; at most {used.ru_maxrss / 1e6:.2f} GB"
    )


if __name__ == "__main__":
    main()
