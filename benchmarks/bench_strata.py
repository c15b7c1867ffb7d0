"""Fits and searches over hundreds to thousands of thin strata: places by months, few persons in each.

python -m pytest -q benchmarks/bench_strata.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mse
from benchmarks.harness import measure

MODELS = {
    "independent lists": "main",
    "pairs of lists": "a*b + a*c + a*d + b*c + b*d + c*d + place + month",
    "lists by month": "a*month + b*month + c*month + d*month + place",
    "a list by place": "a*place + b + c + d + month",
    "each stratum alone": "a + b + c + d + place*month",
}


def table(n_places: int) -> mse.CaptureTable:
    """Return four lists over twelve months and the places where somebody was seen, mostly few."""
    rng = np.random.default_rng(5)
    persons = 25 * n_places
    place = rng.choice(n_places, size=persons, p=rng.dirichlet(np.full(n_places, 0.7)))
    month = rng.integers(12, size=persons)
    reach = np.array([0.25, 0.2, 0.15, 0.1]) * np.where(month % 2, 2.5, 1.0)[:, None]
    on = (rng.random((persons, 4)) < reach).T.astype(int)
    shape = (2, 2, 2, 2, n_places, 12)
    cells = np.ravel_multi_index([*on, place, month], shape)
    counts = np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)
    counts[(0,) * 4] = 0
    counts = counts[..., counts.sum(axis=(0, 1, 2, 3, 5)) > 0, :]
    names = {"place": list(range(counts.shape[4])), "month": list(range(12))}
    return mse.CaptureTable.from_array(counts, lists=list("abcd"), covariates=names)


@pytest.mark.benchmark(group="cost against strata")
@pytest.mark.parametrize("n_places", [35, 140, 420])
@pytest.mark.parametrize("name", [*MODELS, "search"])
def test_cost_against_strata(benchmark: Any, n_places: int, name: str) -> None:
    search = mse.LogLinearSearch(strategy="stepwise")
    estimator = search if name == "search" else mse.LogLinear(MODELS[name])
    fit = measure(
        benchmark,
        lambda data: estimator.fit(data).population,
        lambda: (table(n_places),),
        what=f"4 lists, {n_places} places, 12 months: {name}",
        rounds=2,
    )
    benchmark.extra_info.update(strata=len(fit.by))
    assert fit.by["observed"].sum() == fit.observed
