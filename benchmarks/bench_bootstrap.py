"""Bootstrap with the model re-selected in every replicate, on two cores."""

from __future__ import annotations

from typing import Any

import pytest

import mse
from benchmarks.harness import measure

REPLICATES = 1000
BY_P_VALUE = mse.LogLinearSearch(criterion="pvalue", strategy="stepwise")
CASES = [
    ("netherlands_5", mse.LogLinearSearch(), 90.0, "all 6,893 models of `netherlands_5`"),
    ("kosovo", mse.LogLinearSearch(), 2.0, "all 113 models of `kosovo`"),
    ("uk", BY_P_VALUE, 15.0, "stepwise by p-value on `uk`, 6 lists"),
    ("uk", mse.LogLinearSearch(), None, "all 32,768 pairwise models of `uk`"),
    ("uk", mse.LogLinearSearch(strategy="stepwise"), None, "stepwise by BIC on `uk`, 6 lists"),
]


@pytest.mark.benchmark(group="bootstrap")
@pytest.mark.parametrize("n_jobs", [2, 1])
@pytest.mark.parametrize(("dataset", "estimator", "bar", "what"), CASES)
def test_bootstrap(
    benchmark: Any,
    n_jobs: int,
    dataset: str,
    estimator: mse.LogLinearSearch,
    bar: float | None,
    what: str,
) -> None:
    population = measure(
        benchmark,
        lambda table: mse.bootstrap(
            estimator, table, REPLICATES, seed=1, n_jobs=n_jobs, progress=False
        ),
        lambda: (mse.load_dataset(dataset),),
        what=what,
        rounds=3,
        bar=bar if n_jobs == 2 else None,
        count=REPLICATES,
    )
    benchmark.extra_info["n_jobs"] = n_jobs
    assert len(population.draws) == REPLICATES
