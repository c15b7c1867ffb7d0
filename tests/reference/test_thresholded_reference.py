"""Thresholded effects against another implementation: retained sets, and quantiles of the total.

The reference figures are quantiles of one chain of 100,000 draws of a random-walk Metropolis sampler
(MultipleSystemsEstimation 1.2.0; its figures, none of its code). They hold n + exp(intercept): for korea
the Poisson number of hidden persons would move the 2.5% quantile by 1.5, six of its standard errors
(`test_published_figures_are_of_the_mean`). The refit has the same prior as the first fit.

How Monte Carlo error was judged: a published quantile at probability q has, under the posterior, a true
level of q with standard error sqrt(q (1 - q) / ess). A random walk in d dimensions has at best 0.33 / d
effective draws for each of its draws (Roberts & Rosenthal 2001, Statistical Science 16, 351-367); half
of that was assumed, and five standard errors allowed. Our own error, of 40,000 draws that are as
good as independent, is added.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mse
from tests.chance import FAR

pytestmark = pytest.mark.reference

ROWS = json.loads((Path(__file__).parent / "values" / "thresholded.json").read_text())["rows"]
DRAWS = 10_000


@pytest.fixture(scope="module", params=ROWS, ids=[row["dataset"] for row in ROWS])
def row(request):
    return request.param


def tolerance(probability: float, n_coefficients: int) -> float:
    effective = 0.5 * 0.33 / n_coefficients * 100_000
    return FAR * np.sqrt(probability * (1 - probability) * (1 / effective + 1 / (4 * DRAWS)))


def test_retained_effects_and_quantiles(row) -> None:
    table = mse.load_dataset(row["dataset"])
    fit = mse.ThresholdedLogLinear(hidden="mean", draws=DRAWS).fit(table)
    assert set(fit.retained) == set(row["retained"])
    totals = fit.chains.flat("N")
    size = fit.chains.draws["coefficients"].shape[2]
    for name, published in row["quantiles"].items():
        probability = float(name.rstrip("%")) / 100
        assert (totals < published).mean() == pytest.approx(
            probability, abs=tolerance(probability, size)
        )


def test_published_figures_are_of_the_mean() -> None:
    korea = next(row for row in ROWS if row["dataset"] == "korea")
    # The level is 0.045; so many draws that it does not come down to the tolerance by chance.
    fit = mse.ThresholdedLogLinear(hidden="persons", draws=4 * DRAWS).fit(mse.load_dataset("korea"))
    level = (fit.chains.flat("N") < korea["quantiles"]["2.5%"]).mean()
    assert level > 0.025 + tolerance(0.025, 6)
