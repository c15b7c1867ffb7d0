"""BayesianLogLinear: reversible jump on a large table, and enumeration of all models.

    python -m pytest -q benchmarks/bench_bayesian_loglinear.py

Each round is a fit and its estimate, intervals and interactions included, with everything forgotten. Reversible jump on
`scotland_pwid` is one chain with a warm-up of 1,000 iterations, nothing known beforehand, and 10,000 more; the cells
of persons on S4 only are upper bounds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mse
from benchmarks.harness import measure

ONE_CHAIN = mse.BayesianLogLinear(prior="sabanes-bove-held", chains=1, draws=2500, thin=4)


def upper_bounds() -> mse.CaptureTable:
    """Read the cells of persons on S4 only of `scotland_pwid` as upper bounds."""
    table = mse.load_dataset("scotland_pwid")
    only = (table.patterns[:, :4] == [0, 0, 0, 1]).all(axis=1)
    return replace(table, low=np.where(only, 0, table.low))


def estimated(estimator: mse.BayesianLogLinear, table: mse.CaptureTable) -> mse.PopulationEstimate:
    """Fit, and ask for everything."""
    fit = estimator.fit(table)
    fit.population.interval()
    assert len(fit.models) > 0
    assert len(fit.inclusion) > 0
    return fit.population


FITS = {
    "`scotland_pwid`, 10,000 iterations of reversible jump": (ONE_CHAIN, upper_bounds, 2.0, 9),
    "`kosovo`, interactions of three: 113 models": (
        mse.BayesianLogLinear(max_order=3),
        lambda: mse.load_dataset("kosovo"),
        None,
        5,
    ),
    "`netherlands_5`: 1,024 models": (
        mse.BayesianLogLinear(),
        lambda: mse.load_dataset("netherlands_5"),
        None,
        5,
    ),
    "`netherlands`: 32,768 models": (
        mse.BayesianLogLinear(),
        lambda: mse.load_dataset("netherlands"),
        None,
        2,
    ),
}


@pytest.mark.benchmark(group="averages over log-linear models")
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("what", FITS)
def test_average(benchmark: Any, what: str) -> None:
    estimator, make, bar, rounds = FITS[what]
    found = measure(
        benchmark, estimated, lambda: (estimator, make()), what=what, rounds=rounds, bar=bar
    )
    assert found.status == "ok"
