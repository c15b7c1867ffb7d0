"""Published bootstrap intervals, reproduced within Monte Carlo error.

How the error was judged. An end of a BCa interval is a quantile of the draws at a level q that
depends on the bias correction z0. Published ends rest on 1,000 replicates, ours on 2,000, and both are
random in two ways: z0 is estimated, with standard error sqrt(q0 (1 - q0) / M) / density(z0), and the
draw read off at level q has in truth a level of distribution Beta(k, M + 1 - k) with k = q M. Each
published end must lie between our draws at levels that are exceeded with probability 3e-5 (four
standard deviations) on either side. Where that level is beyond our last draw there is no bound: an
end that the authors read off one of their last draws is not reproducible better.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, norm

import mse
from mse.resampling import BootstrapInterval, bca_levels, order_quantile

REFERENCE = json.loads((Path(__file__).parent / "values" / "bootstrap.json").read_text())
PUBLISHED, OURS = 1000, 2000


TAIL = 3e-5


def uncertain_level(level: float, n_draws: int, tail: float) -> float:
    """Bound on the true level of the draw that is read off at a level."""
    k = min(max(level * n_draws, 1e-3), n_draws)
    return float(beta.ppf(tail, k, n_draws + 1 - k))


def band(interval: BootstrapInterval, tail: float) -> tuple[float, float]:
    """Totals between which the published end at this tail level must lie."""
    z0 = interval.bias_correction
    q0 = norm.cdf(z0)
    error = np.sqrt(q0 * (1 - q0) * (1 / PUBLISHED + 1 / OURS)) / norm.pdf(z0)
    ends = []
    for bound, beyond in ((TAIL, -np.inf), (1 - TAIL, np.inf)):
        shifted = z0 + norm.ppf(bound) * error
        level = float(bca_levels(np.asarray([tail]), shifted, interval.acceleration)[0])
        level = uncertain_level(uncertain_level(level, PUBLISHED, bound), OURS, bound)
        within = 1 / OURS < level < 1 - 1 / OURS
        ends.append(order_quantile(interval.draws, level) if within else beyond)
    return ends[0], ends[1]


def as_published(search: mse.LogLinearSearch, dataset: str, seed: int) -> mse.PopulationEstimate:
    """Resample as published: the registered persons drawn again, their number fixed, and BCa."""
    return mse.bootstrap(search, mse.load_dataset(dataset), OURS, "multinomial", "bca", seed)


@pytest.fixture(scope="module")
def stepwise():
    search = mse.LogLinearSearch(criterion="pvalue", strategy="stepwise", threshold=0.02)
    found = {}

    def run(dataset: str):
        if dataset not in found:
            found[dataset] = as_published(search, dataset, 11)
        return found[dataset]

    return run


@pytest.mark.parametrize(
    "row", REFERENCE["stepwise_bca"], ids=lambda r: f"{r['dataset']}-{r['source'].split(',')[0]}"
)
def test_stepwise_bca(row: dict, stepwise) -> None:
    p = stepwise(row["dataset"])
    assert p.total == pytest.approx(row["total"], rel=1e-6)
    # The totals behind the constant agree to 1e-9; cubes and cancellation cost some of it.
    assert p.uncertainty.acceleration == pytest.approx(row["acceleration"], rel=1e-6)
    for tail, end in row["ends"].items():
        low, high = band(p.uncertainty, float(tail))
        # R's own fits stop at 1e-6 or so, which shows where the draws are discrete.
        assert low * (1 - 1e-5) <= end <= high * (1 + 1e-5), (tail, low, end, high)


@pytest.mark.parametrize("name", REFERENCE["bic_bca_95"]["limits"])
def test_bic_bca(name: str) -> None:
    dataset, _, order = name.partition("_order_")
    search = mse.LogLinearSearch(max_order=int(order) if order else None)
    p = as_published(search, dataset, 12)
    published = REFERENCE["bic_bca_95"]["limits"][name]
    for tail, end in zip((0.025, 0.975), published, strict=True):
        low, high = band(p.uncertainty, tail)
        assert low - 1 <= end <= high + 1, (tail, low, end, high)  # printed in whole persons
