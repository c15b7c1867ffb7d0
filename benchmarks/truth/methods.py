"""Methods that the yardstick knows by name: from a table to a total and a 95 % interval."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import isnan

import mse

LEVEL = 0.95
#: Replicates of the bootstraps: as many as the measurement has time for.
REPLICATES = 200

Answer = tuple[float | None, float | None, float | None]
Method = Callable[[mse.CaptureTable, int], mse.PopulationEstimate]


def _fitted(make: Callable[[], object]) -> Method:
    return lambda table, _: make().fit(table).population  # type: ignore[attr-defined]


#: By name: a function of a table and a seed.
METHODS: dict[str, Method] = {
    "default": lambda table, seed: mse.estimate(table, seed=seed, replicates=REPLICATES, n_jobs=1),
    "default, people alike": lambda table, seed: mse.estimate(
        table, seed=seed, replicates=REPLICATES, n_jobs=1, heterogeneity=False
    ),
    "heterogeneity": _fitted(mse.HeterogeneousLogLinear),
    "BIC, profile": _fitted(mse.LogLinearSearch),
    "AIC, profile": _fitted(lambda: mse.LogLinearSearch(criterion="aic")),
    "stepwise by p-value": _fitted(
        lambda: mse.LogLinearSearch(criterion="pvalue", strategy="stepwise")
    ),
    "independence": _fitted(lambda: mse.LogLinear("main")),
    "all pairs": _fitted(lambda: mse.LogLinear("all two-way")),
    "Chao's bound": _fitted(lambda: mse.ClosedPopulation("Mth", heterogeneity="chao")),
    "M_th, Darroch": _fitted(lambda: mse.ClosedPopulation("Mth", heterogeneity="darroch")),
    "M_th, gamma": _fitted(lambda: mse.ClosedPopulation("Mth", heterogeneity="gamma")),
    "M_th, Poisson": _fitted(lambda: mse.ClosedPopulation("Mth", heterogeneity="poisson")),
    "sample coverage": _fitted(mse.SampleCoverage),
    "thresholded effects": _fitted(mse.ThresholdedLogLinear),
    "decomposable graphs": _fitted(mse.DecomposableGraphs),
    "Bayesian log-linear": _fitted(mse.BayesianLogLinear),
    "latent classes": _fitted(lambda: mse.LatentClasses(progress=False)),
}


def answer(method: Method, table: mse.CaptureTable, seed: int) -> Answer:
    """Ask a method; nothing where it gives no estimate, no upper end where that has no bound."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = method(table, seed)
        except (mse.ModelError, mse.InvalidTableError):
            return None, None, None
    low, high = found.interval(LEVEL)
    if isnan(found.total) or isnan(low):
        return None, None, None
    return found.total, low, (None if high == float("inf") else high)
