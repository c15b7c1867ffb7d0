"""Log-linear fits: whole catalogues, large tables, cost against size, and the first run."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from typing import Any

import numpy as np
import pytest

import mse
from benchmarks.harness import (
    measure,
    measure_outside,
    run_json,
    run_python,
    table_of_lists,
    table_with_covariates,
)
from mse.models.catalogue import catalogue

ALL_PAIRS = mse.LogLinear("all two-way")

#: Memory of one fit of all pairs of 20 lists: beyond `import mse`, and beyond the packages and
#: compiled code that a fit uses, which a small fit loads.
MEMORY = """
import json, mse
from benchmarks.memory import memory_of_process
bare = memory_of_process("VmRSS")
from benchmarks.harness import table_of_lists
model = mse.LogLinear("all two-way")
model.fit(table_of_lists(4)).status
loaded = memory_of_process("VmRSS")
fit = model.fit(table_of_lists(20))
assert fit.status == "ok"
peak = memory_of_process("VmHWM")
print(json.dumps([peak - bare, peak - loaded]))
"""

IMPORT = """
import json, time
start = time.perf_counter()
import mse
bare = time.perf_counter() - start
mse.estimate, mse.LogLinearSearch, mse.load_dataset
print(json.dumps([bare, time.perf_counter() - start]))
"""


def load(name: str) -> Any:
    """Make a function that reads a bundled table anew."""
    return lambda: (mse.load_dataset(name),)


def glm_seconds(design: np.ndarray[Any, Any], counts: np.ndarray[Any, Any], rounds: int) -> float:
    """Time of one Poisson GLM fit by statsmodels, its design matrix given; the shortest."""
    import statsmodels.api as sm

    best = np.inf
    for _ in range(rounds):
        start = time.process_time()
        sm.GLM(counts, design, family=sm.families.Poisson()).fit()
        best = min(best, time.process_time() - start)
    return best


def design_of(table: mse.CaptureTable, model: str = "all two-way") -> np.ndarray[Any, Any]:
    """Build the matrix that the library avoids: observable cells by parameters."""
    shape = table.shape
    structure = mse.LogLinear(model).fit(table).structure
    parameters = np.stack(np.unravel_index(structure.parameters(shape), shape))
    cells = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape))
    inside = (parameters[:, None] == 0) | (parameters[:, None] == cells[:, :, None])
    return inside.all(axis=0)[np.prod(shape[table.n_lists :], dtype=int) :].astype(float)


def glm_seconds_of_catalogue(table: mse.CaptureTable, max_order: int | None, sample: int) -> float:
    """Time that statsmodels would take for a catalogue, from every so-manieth of its models."""
    models = catalogue(table.n_lists, max_order)
    full = design_of(table, _largest(table.n_lists, max_order))
    counts = table.counts.ravel()[1:].astype(float)
    chosen = np.linspace(0, len(models) - 1, sample).astype(int)
    # Both have the same order of terms: by size, then by position, after the constant.
    total = 0.0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for i in chosen:
            member = np.concatenate([[True], models.members[i]])
            total += glm_seconds(full[:, member], counts, 2)
    return total / sample * len(models)


def _largest(n_lists: int, max_order: int | None) -> str:
    order = n_lists - 1 if max_order is None else max_order
    return {2: "all two-way", 3: "all three-way", 4: "all four-way"}[order]


@pytest.mark.benchmark(group="catalogues")
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize(
    ("dataset", "max_order", "bar"), [("uk", 2, 1.5), ("netherlands_5", None, 1.0)]
)
def test_catalogue(benchmark: Any, dataset: str, max_order: int | None, bar: float) -> None:
    count = len(catalogue(mse.load_dataset(dataset).n_lists, max_order))
    fit = measure(
        benchmark,
        mse.LogLinearSearch().fit,
        load(dataset),
        what=f"{count:,} models of `{dataset}`, existence included",
        rounds=9,
        bar=bar,
        count=count,
    )
    assert fit.n_models == count
    seconds = glm_seconds_of_catalogue(mse.load_dataset(dataset), max_order, 60)
    benchmark.extra_info["glm"] = seconds


@pytest.mark.benchmark(group="catalogues")
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize(("dataset", "bar"), [("uk", 1.5), ("netherlands_5", 1.0)])
def test_catalogue_with_its_table_of_models(benchmark: Any, dataset: str, bar: float) -> None:
    fit = mse.LogLinearSearch().fit(mse.load_dataset(dataset))
    measure(
        benchmark,
        lambda table: mse.LogLinearSearch().fit(table).models,
        load(dataset),
        what=f"the same of `{dataset}`, and `fit.models` written out",
        rounds=9,
        bar=bar,
        count=fit.n_models,
    )


@pytest.mark.benchmark(group="large tables")
@pytest.mark.usefixtures("one_core")
def test_twenty_lists(benchmark: Any) -> None:
    counts = table_of_lists(20)
    fit = measure(
        benchmark,
        ALL_PAIRS.fit,
        lambda: (counts.with_counts(counts.counts),),
        what="all pairs of 20 lists: 1,048,575 cells, 211 parameters",
        rounds=3,
        bar=2.0,
        count=1,
    )
    assert fit.status == "ok"


@pytest.mark.benchmark(group="memory")
@pytest.mark.parametrize("loaded", [False, True])
def test_memory_of_twenty_lists(benchmark: Any, loaded: bool) -> None:
    # Timed only so that the row is kept: the figure is the memory.
    benchmark.pedantic(lambda: None, rounds=1)
    since = "the packages and compiled code that a fit uses" if loaded else "`import mse` alone"
    benchmark.extra_info["memory"] = {
        "what": f"all pairs of 20 lists, the table included, beyond {since}",
        "bar": 300,
        "beyond": run_json(MEMORY)[int(loaded)],
    }


@pytest.mark.benchmark(group="large tables")
@pytest.mark.usefixtures("one_core")
def test_lists_by_covariates(benchmark: Any) -> None:
    table = table_with_covariates()
    fit = measure(
        benchmark,
        ALL_PAIRS.fit,
        lambda: (table.with_counts(table.counts),),
        what="6 lists by 6 x 2 x 2 x 4 x 2 levels, all two-way: 12,096 cells, 141 parameters",
        rounds=20,
        bar=0.030,
        count=1,
    )
    assert fit.n_parameters == 141
    assert fit.status == "ok"
    counts = table.counts.ravel()[table.n_strata :].astype(float)
    benchmark.extra_info["glm"] = glm_seconds(design_of(table), counts, 2)


@pytest.mark.benchmark(group="cost against cells")
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("n_lists", [6, 8, 10, 12, 14, 16, 18, 20])
def test_cells(benchmark: Any, n_lists: int) -> None:
    table = table_of_lists(n_lists)
    fit = measure(
        benchmark,
        ALL_PAIRS.fit,
        lambda: (table.with_counts(table.counts),),
        what=f"{n_lists} lists, all two-way",
        rounds=20 if n_lists <= 14 else 3,
    )
    benchmark.extra_info.update(cells=table.n_cells - 1, parameters=fit.n_parameters)
    # Beyond this the matrix alone takes more memory than the machine should give.
    if n_lists <= 14:
        counts = table.counts.ravel()[1:].astype(float)
        benchmark.extra_info["glm"] = glm_seconds(design_of(table), counts, 2)


@pytest.mark.benchmark(group="cost against parameters")
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("model", ["main", "all two-way", "all three-way", "all four-way"])
def test_parameters(benchmark: Any, model: str) -> None:
    # So many persons that every interaction of four lists has been seen.
    table = table_of_lists(12, persons=2_000_000)
    fit = measure(
        benchmark,
        mse.LogLinear(model).fit,
        lambda: (table.with_counts(table.counts),),
        what=f"12 lists, {model}",
        rounds=5,
    )
    benchmark.extra_info.update(cells=table.n_cells - 1, parameters=fit.n_parameters)
    if fit.n_parameters < 500:
        counts = table.counts.ravel()[1:].astype(float)
        benchmark.extra_info["glm"] = glm_seconds(design_of(table, model), counts, 2)


@pytest.mark.benchmark(group="start")
def test_import(benchmark: Any) -> None:
    measure_outside(
        benchmark,
        lambda: run_json(IMPORT)[0],
        what="`import mse`",
        rounds=5,
        bar=1.0,
    )


@pytest.mark.benchmark(group="start")
def test_import_of_what_an_estimate_needs(benchmark: Any) -> None:
    measure_outside(
        benchmark,
        lambda: run_json(IMPORT)[1],
        what="the same, and the names that an estimate needs",
        rounds=5,
    )


@pytest.mark.benchmark(group="start")
def test_first_estimate(benchmark: Any) -> None:
    with tempfile.TemporaryDirectory() as cache:
        environment = {"NUMBA_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}

        def estimate() -> float:
            start = time.perf_counter()
            said = run_python("-m", "mse", "estimate", "netherlands", environment=environment)
            assert "8,234" in said
            return time.perf_counter() - start

        measure_outside(
            benchmark,
            estimate,
            what="first `mse estimate netherlands`, compilation included",
            rounds=1,
            bar=60.0,
        )
        assert any(name for _, _, files in os.walk(cache) for name in files)
        benchmark.extra_info["again"] = estimate()
