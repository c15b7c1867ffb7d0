"""Classical estimators on small random tables of every kind: a number with its interval, or a status."""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
import pytest

import mse

pytestmark = pytest.mark.property

#: By correction for bias, which has no say in whether an estimate exists.
ANY = [
    mse.ClosedPopulation.all(ordered=True, bias_corrected=how) for how in (False, True, "leverages")
]
TWO = [mse.LincolnPetersen(), mse.Chapman()]
THREE = [mse.SampleCoverage(each) for each in ("automatic", "independent", "high", "low")]


def random_table(rng: np.random.Generator) -> mse.CaptureTable:
    """Two to five lists: zeros, ones, few occupied cells, or counts over four orders of magnitude."""
    n_lists = int(rng.integers(2, 6))
    size = 2**n_lists - 1
    occupied = np.zeros(size)
    occupied[rng.integers(0, size, 3)] = rng.integers(1, 30, 3)
    kinds = (
        rng.integers(0, 3, size),
        rng.poisson(rng.exponential(3), size),
        np.where(rng.random(size) < 0.7, 0, rng.integers(0, 40, size)),
        np.where(rng.random(size) < 0.5, 0, 10 ** rng.uniform(0, 4, size)),
        occupied,
    )
    counts = np.append(0, kinds[rng.integers(len(kinds))]).astype(np.int64)
    lists = [f"l{k}" for k in range(n_lists)]
    template = mse.CaptureTable.from_counts({"1" * n_lists: 1}, lists=lists)
    return template.with_counts(counts.reshape((2,) * n_lists))


def fault(estimator, table: mse.CaptureTable) -> str:
    """Say what is wrong with an answer; empty if nothing is."""
    fit = estimator.fit(table)
    p = fit.population
    known = p.status in ("ok", "boundary")
    low, high = p.interval()
    if p.status == "not_converged":
        return "not converged"
    if not (known == (p.limit == "finite") == math.isfinite(p.total) == (not math.isnan(low))):
        return f"{p.status}, {p.limit}, {p.total}, {low} to {high}"
    if (p.status != "ok") != bool(p.reason):
        return f"{p.status} because {p.reason!r}"
    if not known:
        return ""
    if not p.hidden > 0:
        return f"hidden {p.hidden}"
    if not table.n_observed <= low <= p.total * (1 + 1e-9) <= high * (1 + 2e-9):
        return f"{p.total} in {low} to {high}, observed {table.n_observed}"
    return ""


@pytest.mark.parametrize("size", [36, pytest.param(4000, marks=pytest.mark.slow)])
def test_every_answer_is_a_number_with_its_interval_or_a_status(size) -> None:
    """The quick run corrects each table in one way, in turn."""
    rng = np.random.default_rng(size)
    found = []
    for i in range(size):
        table = random_table(rng)
        own = TWO if table.n_lists == 2 else THREE
        asked = ANY if size > 1000 else ANY[i % 3 : i % 3 + 1]
        for estimator in [*chain(*asked), *own]:
            wrong = fault(estimator, table)
            if wrong:
                found.append((estimator, table.counts.ravel().tolist(), wrong))
    assert not found


def test_an_interval_that_reaches_beyond_what_doubles_tell_apart() -> None:
    # Walking out to e^30 times the estimate, the observed persons are lost in the total.
    counts = np.array([0, 5824, 151, 0, 5, 0, 2, 604]).reshape(2, 2, 2)
    template = mse.CaptureTable.from_counts({"111": 1}, lists=list("abc"))
    for model in ("Mh", "Mth"):
        fit = mse.ClosedPopulation(model, heterogeneity="gamma").fit(template.with_counts(counts))
        low, high = fit.population.interval()
        assert 6586 <= low <= fit.population.total <= high


def test_a_hidden_number_next_to_none_has_an_interval() -> None:
    # Under a gamma form the fitted hidden count is 3e-14; 1 less the other shares is rounding error.
    counts = np.zeros(32, dtype=np.int64)
    filled = [1, 2, 3, 5, 7, 13, 14, 16, 19, 23, 24, 25, 26, 27, 31]
    counts[filled] = [2, 14, 7, 259, 5, 413, 1, 75, 749, 3, 1, 7733, 179, 11, 4]
    template = mse.CaptureTable.from_counts({"11111": 1}, lists=list("abcde"))
    table = template.with_counts(counts.reshape((2,) * 5))
    for model in ("Mh", "Mth"):
        p = mse.ClosedPopulation(model, heterogeneity="gamma").fit(table).population
        low, high = p.interval()
        assert low == 9456
        assert 9456 < high < 9457
