"""Searches and bootstraps over lists and covariates: 12,288 cells, 141 two-way parameters; two cores.

    python -m pytest -q benchmarks/bench_joint.py

The bars hold for the whole search, thousands of candidate fits, and for 1,000 parametric replicates of
the model that it chose.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import mse
from benchmarks.harness import measure

SHAPE = (2,) * 6 + (6, 2, 2, 4, 2)
REPLICATES = 1000
BAR = 30.0
WHERE = "6 lists and 5 covariates, 12,288 cells"


@cache
def persons() -> tuple[np.ndarray[Any, np.dtype[np.int64]], tuple[str, ...]]:
    """Draw 60,000 persons on six lists whose reach varies with two of the five covariates."""
    rng = np.random.default_rng(1)
    n = 60_000
    covariates = [
        rng.choice(levels, size=n, p=rng.dirichlet(np.full(levels, 5.0))) for levels in SHAPE[6:]
    ]
    lists = []
    for k, reach in enumerate((0.35, 0.10, 0.06, 0.06, 0.04, 0.03)):
        chance = (
            reach
            * (1 + 0.3 * (covariates[0] % 3 == k % 3))
            * (1 + 0.4 * (covariates[1] == 1) * (k % 2))
        )
        lists.append(rng.random(n) < chance)
    lists[2] |= lists[0] & (rng.random(n) < 0.05)
    cells = np.ravel_multi_index([*(each.astype(int) for each in lists), *covariates], SHAPE)
    counts = np.bincount(cells, minlength=int(np.prod(SHAPE))).reshape(SHAPE)
    counts[(0,) * 6] = 0
    return counts, tuple(f"v{i}" for i in range(len(SHAPE) - 6))


def table(n_covariates: int = 5) -> mse.CaptureTable:
    """Make the table anew, with the first covariates only."""
    counts, names = persons()
    levels = {name: list(range(size)) for name, size in zip(names, SHAPE[6:], strict=True)}
    whole = mse.CaptureTable.from_array(counts, lists=list("abcdef"), covariates=levels)
    return whole.collapse(*names[n_covariates:]) if n_covariates < 5 else whole


@cache
def chosen() -> str:
    """Find the model that the search chooses, once."""
    return mse.LogLinearSearch(strategy="stepwise").fit(table()).model


@pytest.mark.benchmark(group="joint search")
@pytest.mark.parametrize("criterion", ["bic", "aic"])
def test_search(benchmark: Any, criterion: Any) -> None:
    search = mse.LogLinearSearch(criterion=criterion, strategy="stepwise")
    what = f"stepwise search by {criterion.upper()}: {WHERE}"
    fit = measure(benchmark, search.fit, lambda: (table(),), what=what, rounds=3, bar=BAR)
    benchmark.extra_info["count"] = fit.n_models
    assert fit.n_models > 300


@pytest.mark.benchmark(group="joint search")
@pytest.mark.parametrize("resampling", ["parametric", "multinomial"])
def test_bootstrap_of_the_chosen_model(benchmark: Any, resampling: Any) -> None:
    estimator = mse.LogLinear(chosen())
    population = measure(
        benchmark,
        lambda data: mse.bootstrap(
            estimator,
            data,
            REPLICATES,
            resampling,
            "percentile",
            seed=1,
            n_jobs=2,
            progress=False,
        ),
        lambda: (table(),),
        what=f"{REPLICATES:,} {resampling} replicates of the chosen model",
        rounds=2,
        bar=BAR,
        count=REPLICATES,
    )
    assert len(population.draws) == REPLICATES


@pytest.mark.benchmark(group="joint search")
def test_bootstrap_of_the_search(benchmark: Any) -> None:
    search = mse.LogLinearSearch(strategy="stepwise")
    population = measure(
        benchmark,
        lambda data: mse.bootstrap(
            search, data, 100, "multinomial", "percentile", seed=1, n_jobs=2, progress=False
        ),
        lambda: (table(),),
        what="100 replicates, the search repeated in each of them",
        rounds=1,
        count=100,
    )
    assert len(population.draws) == 100


@pytest.mark.benchmark(group="cost against covariates")
@pytest.mark.parametrize("n_covariates", [1, 2, 3, 4, 5])
def test_cost_against_cells(benchmark: Any, n_covariates: int) -> None:
    model = mse.LogLinear("all two-way")
    what = f"6 lists, {n_covariates} covariate{'s' * (n_covariates > 1)}, all two-way"
    fit = measure(benchmark, model.fit, lambda: (table(n_covariates),), what=what, rounds=9)
    benchmark.extra_info.update(cells=fit.table.n_cells, parameters=fit.n_parameters)


@pytest.mark.benchmark(group="cost of a search against covariates")
@pytest.mark.parametrize("n_covariates", [1, 2, 3, 4, 5])
def test_cost_of_a_search_against_cells(benchmark: Any, n_covariates: int) -> None:
    search = mse.LogLinearSearch(strategy="stepwise")
    what = f"6 lists, {n_covariates} covariate{'s' * (n_covariates > 1)}, stepwise by BIC"
    fit = measure(benchmark, search.fit, lambda: (table(n_covariates),), what=what, rounds=3)
    benchmark.extra_info.update(
        cells=fit.table.n_cells, parameters=fit.n_parameters, count=fit.n_models
    )
