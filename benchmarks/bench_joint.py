"""Time of searches and bootstraps over lists and covariates: 12,288 cells, 141 two-way parameters.

    python -m pytest benchmarks/bench_joint.py --benchmark-only -o addopts= -p no:doctest

Bars on two cores: the whole search under 30 s, 1,000 parametric replicates of the chosen model under
30 s. Here one core does 100 replicates; ten times the time is that of 1,000.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mse

SHAPE = (2,) * 6 + (6, 2, 2, 4, 2)


@pytest.fixture(scope="module")
def table() -> mse.CaptureTable:
    """Return 60,000 persons on six lists whose reach varies with two of the five covariates."""
    rng = np.random.default_rng(1)
    persons = 60_000
    covariates = [
        rng.choice(levels, size=persons, p=rng.dirichlet(np.full(levels, 5.0)))
        for levels in SHAPE[6:]
    ]
    lists = []
    for k, reach in enumerate((0.35, 0.10, 0.06, 0.06, 0.04, 0.03)):
        chance = (
            reach
            * (1 + 0.3 * (covariates[0] % 3 == k % 3))
            * (1 + 0.4 * (covariates[1] == 1) * (k % 2))
        )
        lists.append(rng.random(persons) < chance)
    lists[2] |= lists[0] & (rng.random(persons) < 0.05)
    cells = np.ravel_multi_index([*(each.astype(int) for each in lists), *covariates], SHAPE)
    counts = np.bincount(cells, minlength=int(np.prod(SHAPE))).reshape(SHAPE)
    counts[(0,) * 6] = 0
    names = {f"v{i}": list(range(levels)) for i, levels in enumerate(SHAPE[6:])}
    return mse.CaptureTable.from_array(counts, lists=list("abcdef"), covariates=names)


def test_fit_of_all_two_way_terms(benchmark: Any, table: mse.CaptureTable) -> None:
    fit = benchmark(mse.LogLinear("all two-way").fit, table)
    assert fit.n_parameters == 141


def test_search(benchmark: Any, table: mse.CaptureTable) -> None:
    search = mse.LogLinearSearch(strategy="stepwise")
    fit = benchmark.pedantic(search.fit, args=(table,), rounds=3, warmup_rounds=1)
    assert fit.n_models > 300


@pytest.mark.parametrize("what", ["chosen model, parametric", "search repeated"])
def test_a_hundred_replicates(benchmark: Any, table: mse.CaptureTable, what: str) -> None:
    search = mse.LogLinearSearch(strategy="stepwise").fit(table)
    means = np.nan_to_num(search.fitted.ravel())
    tables = (
        np.random.default_rng(2)
        .multinomial(round(means.sum()), means / means.sum(), size=100)
        .astype(float)
    )
    tables[:, : table.n_strata] = 0
    refit = search.best.refitter() if what.startswith("chosen") else search.refitter()
    refit(tables[:1])
    found = benchmark.pedantic(refit, args=(tables,), rounds=1)
    assert not found.failed.any()


@pytest.mark.parametrize("n_covariates", [1, 2, 3, 4, 5])
def test_cost_against_cells(benchmark: Any, table: mse.CaptureTable, n_covariates: int) -> None:
    smaller = table.collapse(*list(table.covariates)[n_covariates:]) if n_covariates < 5 else table
    benchmark.extra_info["cells"] = smaller.n_cells
    benchmark(mse.LogLinear("all two-way").fit, smaller)


def thin_table(n_places: int) -> mse.CaptureTable:
    """Return four lists over places, from most of which few persons come, and twelve months."""
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


@pytest.mark.parametrize("n_places", [35, 140, 420])
@pytest.mark.parametrize(
    "model",
    [
        "main",
        "a*b + a*c + a*d + b*c + b*d + c*d + place + month",
        "a*month + b*month + c*month + d*month + place",
        "a*place + b + c + d + month",
        "a + b + c + d + place*month",
        "search",
    ],
)
def test_cost_against_thin_strata(benchmark: Any, n_places: int, model: str) -> None:
    table = thin_table(n_places)
    search = mse.LogLinearSearch(strategy="stepwise")
    estimator = search if model == "search" else mse.LogLinear(model)
    benchmark.extra_info |= {"strata": table.n_strata, "cells": table.n_cells}
    answer = benchmark.pedantic(
        lambda: estimator.fit(table).population.by, rounds=2, warmup_rounds=1
    )
    assert answer["observed"].sum() == table.n_observed
