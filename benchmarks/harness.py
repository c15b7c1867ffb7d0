"""What the benchmarks share: an empty memory, one core, clocks, and other processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import mse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOME = Path(__file__).resolve().parents[1]


def forget() -> None:
    """Empty every cache of the library, so that nothing is left of earlier fits."""
    for name, module in list(sys.modules.items()):
        if name == "mse" or name.startswith("mse."):
            for value in list(vars(module).values()):
                clear = getattr(value, "cache_clear", None)
                if callable(clear):
                    clear()


def measure(
    benchmark: Any,
    call: Callable[..., Any],
    make_arguments: Callable[[], tuple[Any, ...]],
    *,
    what: str,
    rounds: int = 5,
    bar: float | None = None,
    count: int | None = None,
) -> Any:
    """Time a call on fresh arguments with everything forgotten, after one round to warm up.

    Parameters
    ----------
    benchmark : fixture
        Of pytest-benchmark: keeps wall clock times.
    call : callable
        What to time.
    make_arguments : callable
        Builds its arguments anew for each round; not timed.
    what : str
        The row of the table in the documentation.
    rounds : int, default 5
        How often; the shortest counts, since other work on the machine only adds.
    bar : float, optional
        Seconds it may take.
    count : int, optional
        Fits in one call.
    """
    busy: list[float] = []

    def setup() -> tuple[tuple[Any, ...], dict[str, Any]]:
        forget()
        return make_arguments(), {}

    def timed(*arguments: Any) -> Any:
        start = time.process_time()
        result = call(*arguments)
        busy.append(time.process_time() - start)
        return result

    result = benchmark.pedantic(timed, setup=setup, rounds=rounds, warmup_rounds=1, iterations=1)
    benchmark.extra_info.update(what=what, bar=bar, count=count, processor=min(busy))
    return result


def measure_outside(
    benchmark: Any,
    seconds: Callable[[], float],
    *,
    what: str,
    rounds: int,
    bar: float | None = None,
) -> None:
    """Time another process: `seconds` runs it and tells how long the part took that counts."""
    taken, busy = [], []
    for _ in range(rounds):
        before = processor_time_of_children()
        taken.append(seconds())
        busy.append(processor_time_of_children() - before)
    benchmark.extra_info.update(what=what, bar=bar, seconds=min(taken), process=min(busy))
    # pytest-benchmark keeps a test only if it timed something; what counts stands beside it.
    benchmark.pedantic(lambda: None, rounds=1)


def processor_time_of_children() -> float:
    """Processor time of the processes that this one started and that have ended, in seconds."""
    used = os.times()
    return used.children_user + used.children_system


def run_python(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run another interpreter that finds this checkout; its standard output."""
    variables = {**os.environ, "PYTHONPATH": str(HOME), **(environment or {})}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=variables,
        cwd=HOME,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def run_json(script: str) -> Any:
    """Run a script in a fresh interpreter; what it prints, read as JSON."""
    return json.loads(run_python("-c", script))


def table_of_lists(n_lists: int, persons: int = 50_000, seed: int = 1) -> mse.CaptureTable:
    """Draw independent lists that each see a tenth to a third of the persons; dense counts."""
    rng = np.random.default_rng(seed)
    cells = np.zeros(persons, dtype=np.int64)
    for chance in np.linspace(0.10, 0.33, n_lists):
        cells = 2 * cells + (rng.random(persons) < chance)
    counts = np.bincount(cells, minlength=2**n_lists)
    counts[0] = 0
    return mse.CaptureTable.from_array(
        counts.reshape((2,) * n_lists), [f"list {i + 1}" for i in range(n_lists)]
    )


def table_with_covariates(persons: int = 50_000, seed: int = 1) -> mse.CaptureTable:
    """Draw six lists and covariates of 6, 2, 2, 4 and 2 levels, all of which matter."""
    rng = np.random.default_rng(seed)
    levels = {"year": 6, "sex": 2, "minor": 2, "form": 4, "national": 2}
    columns = [rng.integers(size, size=persons) for size in levels.values()]
    lean = sum(0.1 * column for column in columns) - 0.5
    on = [(rng.random(persons) < 1 / (1 + np.exp(1.5 - lean))).astype(np.int64) for _ in range(6)]
    shape = (2,) * 6 + tuple(levels.values())
    cells = np.ravel_multi_index((*on, *columns), shape)
    counts = np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)
    counts[(0,) * 6] = 0
    covariates = {name: tuple(range(size)) for name, size in levels.items()}
    return mse.CaptureTable.from_array(counts, [f"list {i + 1}" for i in range(6)], covariates)


def table_of_dependent_lists(
    n_lists: int, persons: int = 50_000, seed: int = 1
) -> mse.CaptureTable:
    """Draw lists of which neighbors share persons, or avoid the same ones, and two kinds of persons."""
    rng = np.random.default_rng(seed)
    reached = 1 + 0.8 * (rng.random(persons) < 0.3)
    cells, before = np.zeros(persons, dtype=np.int64), np.zeros(persons, dtype=np.bool_)
    for number, chance in enumerate(np.linspace(0.10, 0.33, n_lists)):
        drawn = rng.random(persons) < np.clip(chance * reached * (1 + 0.5 * before), 0, 1)
        before = drawn if number % 3 else np.zeros_like(drawn)
        cells = 2 * cells + drawn
    counts = np.bincount(cells, minlength=2**n_lists)
    counts[0] = 0
    return mse.CaptureTable.from_array(
        counts.reshape((2,) * n_lists), [f"list {i + 1}" for i in range(n_lists)]
    )
