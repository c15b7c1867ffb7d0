"""Latent classes against another implementation, and the modes of a posterior that has two.

The reference figures are quantiles of chains of 1.02 million sweeps of a Gibbs sampler (LCMCR 0.4.14; its
figures, none of its code), one row a seed, with at most 10 and at most 20 classes, which on these tables
makes no difference. Its Monte Carlo error is read off the spread of its chains on kosovo, ours off
effective sample sizes; four standard errors of the difference are allowed.

On netherlands_5 those chains disagree: five stay near 48,000, one is found near 126,000 and yields 7
effective draws. Here every chain crosses between the two, and spends some two thirds of its time above
(`benchmarks/bench_mixing.py` has the same share from chains without jumps, and from tempered ones).
Below 80,000, which chains that stay there never leave, the figures are those of the five.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from arviz_stats.base import array_stats

import mse

pytestmark = [pytest.mark.reference, pytest.mark.mcmc]

ROWS = json.loads((Path(__file__).parent / "values" / "latent_classes.json").read_text())["rows"]
QUANTILES = {"q025": 0.025, "median": 0.5, "q975": 0.975}
#: Between the modes of netherlands_5.
BETWEEN = 80_000


def chains_of(dataset: str) -> list[dict[str, float]]:
    return next(row["chains"] for row in ROWS if row["dataset"] == dataset)


@pytest.fixture(scope="module")
def kosovo():
    return mse.LatentClasses(thin=5).fit(mse.load_dataset("kosovo"))


@pytest.fixture(scope="module")
def netherlands_5():
    return mse.LatentClasses(thin=5).fit(mse.load_dataset("netherlands_5"))


@pytest.mark.parametrize("name", QUANTILES)
def test_quantiles_of_kosovo(kosovo, name) -> None:
    published = np.log([chain[name] for chain in chains_of("kosovo")])
    draws = np.log(kosovo.chains.draws["N"])
    own = float(array_stats.mcse(draws, method="quantile", prob=QUANTILES[name]))
    theirs = published.std(ddof=1) / np.sqrt(published.size)
    found = np.quantile(draws, QUANTILES[name])
    assert found == pytest.approx(published.mean(), abs=4 * np.hypot(own, theirs))


def test_chains_cross_between_the_modes_of_netherlands_5(netherlands_5) -> None:
    diagnosis = netherlands_5.diagnostics.loc["log N"]
    assert diagnosis["r_hat"] <= 1.01
    assert diagnosis["ess_bulk"] >= 400
    above = netherlands_5.chains.draws["N"] > BETWEEN
    assert (np.abs(np.diff(above.astype(int), axis=1)).sum(axis=1) > 50).all()
    # 0.68 with a standard error of 0.01 by chains that do not jump; four of ours beside it.
    error = float(array_stats.mcse(above.astype(float), method="mean"))
    assert above.mean() == pytest.approx(0.68, abs=4 * np.hypot(error, 0.01))


@pytest.mark.parametrize("name", QUANTILES)
def test_lower_mode_of_netherlands_5_is_where_published_chains_stay(netherlands_5, name) -> None:
    # The chain of the other mode and one with next to nothing but its start are left out.
    published = [c[name] for c in chains_of("netherlands_5") if c["ess"] > 200]
    draws = netherlands_5.chains.flat("N")
    below = draws[draws < BETWEEN]
    found = np.quantile(below, QUANTILES[name])
    # One in a dozen draws is as good as independent: 5% for the tails, 2% for the median.
    assert found == pytest.approx(np.mean(published), rel=0.02 if name == "median" else 0.05)
