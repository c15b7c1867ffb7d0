"""Averages over hierarchical log-linear models against figures of conting 1.7.

Figures: `bict` of the R package conting 1.7 (Overstall & King 2014, Journal of Statistical Software 58(7)),
one chain each; run for this library, no code of that package is used here. They have Monte Carlo errors of their
own, which the runs do not report. What is known of them:

* Each iteration proposes, half of the time, to add or drop one of T interactions, and takes the move with at most
  the probability of the odds. The indicator of an interaction of posterior odds o < 1 then has an
  autocorrelation time of 4 T / (1 + o) iterations or more.
* Hidden counts are imputed. Given one model, such a chain has an autocorrelation time of 245 iterations for N of
  `scotland_pwid`, also where coefficients are drawn exactly given the imputed table (measured by a chain of 30,000
  with independent coefficients: mean 23,106; importance sampling gives 23,078).

So the 90,000 draws of `spina_bifida` (6 interactions, few hidden) are taken for 900 independent ones, and the 4,500
of `scotland_pwid` (21 interactions) for 50 of interactions and 18 of N. Bounds are five standard errors.
The posterior of `scotland_pwid` has a second mode at 16,000 persons, models without S1:S3, of probability 0.056; a
chain that moves term by term reaches it too seldom for the lower tail of N to be compared.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mse
from mse.core.model_average.maps import sample_weights
from tests.chance import FAR, error_of_mean

pytestmark = [pytest.mark.reference, pytest.mark.mcmc]

SPINA_BIFIDA = {
    "S1:S2": 0.268089,
    "S1:S3": 0.229667,
    "S1:ethnicity": 0.251378,
    "S2:S3": 1.0,
    "S2:ethnicity": 0.027589,
    "S3:ethnicity": 0.0325,
}
SPINA_BIFIDA_MEAN = 727.865333
SPINA_BIFIDA_QUANTILES = {0.025: 683, 0.25: 710, 0.5: 725, 0.75: 742, 0.975: 792}

SCOTLAND = {
    "S1:S2": 0.080222,
    "S1:S3": 0.951111,
    "S1:S4": 0.1,
    "S1:region": 0.135556,
    "S1:sex": 0.122,
    "S1:age": 1,
    "S2:S3": 0.037111,
    "S2:S4": 1,
    "S2:region": 0.078222,
    "S2:sex": 1,
    "S2:age": 1,
    "S3:S4": 0.172222,
    "S3:region": 1,
    "S3:sex": 0.200444,
    "S3:age": 1,
    "S4:region": 0.051778,
    "S4:sex": 0.064444,
    "S4:age": 0.048667,
    "region:sex": 0.015778,
    "region:age": 1,
    "sex:age": 1,
}
SCOTLAND_MEAN = 22342.379333
SCOTLAND_QUARTILES = {0.25: 21174.25, 0.5: 22398.5, 0.75: 23541}


def upper_bounds() -> mse.CaptureTable:
    """Read the cells of persons on S4 only of `scotland_pwid` as upper bounds."""
    table = mse.load_dataset("scotland_pwid")
    only = (table.patterns[:, :4] == [0, 0, 0, 1]).all(axis=1)
    return replace(table, low=np.where(only, 0, table.low))


def quantile_errors(draws: np.ndarray, levels: list[float], size: int) -> np.ndarray:
    """Compute standard errors of quantiles of so many independent draws, from spacings."""
    at = np.asarray(levels)
    step = np.sqrt(at * (1 - at) / size)
    low, high = (np.quantile(draws, np.clip(at + s * step, 0.001, 0.999)) for s in (-1, 1))
    return (high - low) / 2


def test_spina_bifida_with_unit_information() -> None:
    fit = mse.BayesianLogLinear().fit(mse.load_dataset("spina_bifida"))
    size = 900
    assert list(fit.inclusion.index) == list(SPINA_BIFIDA)
    theirs = np.asarray(list(SPINA_BIFIDA.values()))
    ours = fit.inclusion["probability"].to_numpy()
    error = np.sqrt(ours * (1 - ours) / size) + fit.inclusion["error"].to_numpy() + 1e-4
    assert (np.abs(ours - theirs) < FAR * error).all()
    draws = fit.chains.flat("N")
    assert abs(draws.mean() - SPINA_BIFIDA_MEAN) < FAR * draws.std() / np.sqrt(size)
    levels = list(SPINA_BIFIDA_QUANTILES)
    difference = np.quantile(draws, levels) - list(SPINA_BIFIDA_QUANTILES.values())
    assert (np.abs(difference) < FAR * quantile_errors(draws, levels, size) + 1).all()
    assert fit.population.total == np.median(draws)


@pytest.fixture(scope="module")
def scotland():
    estimator = mse.BayesianLogLinear(prior="sabanes-bove-held", draws=600, thin=5)
    return estimator.fit(upper_bounds())


def test_scotland_with_upper_bounds(scotland) -> None:
    assert not scotland.enumerated
    assert (scotland.diagnostics["r_hat"] < 1.02).all()
    assert list(scotland.inclusion.index) == list(SCOTLAND)
    theirs = np.asarray(list(SCOTLAND.values()))
    ours = scotland.inclusion["probability"].to_numpy()
    error = np.sqrt(ours * (1 - ours) / 50) + scotland.inclusion["error"].to_numpy() + 1e-3
    assert (np.abs(ours - theirs) < FAR * error).all()
    draws = scotland.chains.flat("N")
    assert abs(draws.mean() - SCOTLAND_MEAN) < FAR * draws.std() / np.sqrt(18)
    levels = list(SCOTLAND_QUARTILES)
    difference = np.quantile(draws, levels) - list(SCOTLAND_QUARTILES.values())
    assert (np.abs(difference) < FAR * quantile_errors(draws, levels, 18)).all()


def test_scotland_has_two_modes_that_chains_cross(scotland) -> None:
    """Log marginal likelihoods of two models from an independent NumPy program, 20,000 draws each.

    The best model within each mode: 22,902.927 and 22,900.021, standard errors 0.009, N 23,078 and 16,027.
    """
    names = list(scotland.inclusion.index)
    without = scotland.chains.draws["present"][:, :, names.index("S1:S3")] == 0
    assert without.mean() == pytest.approx(0.056, abs=FAR * error_of_mean(without))
    # Every chain goes there, and comes back.
    assert (np.diff(without, axis=1).sum(axis=1) >= 2).all()
    totals = scotland.chains.draws["N"]
    for inside, median in ((without, 16_200), (~without, 23_150)):
        # The medians are given to 50 persons.
        found = float(np.median(totals[inside]))
        error = error_of_mean(inside * ((totals < found) - 0.5)) / inside.mean()
        step = np.quantile(totals[inside], 0.5 + error) - np.quantile(totals[inside], 0.5 - error)
        assert found == pytest.approx(median, abs=FAR * step / 2 + 50)
    target, largest = scotland._setting.target, scotland._setting.largest
    inside = scotland._ranked.members
    pair = inside[:, [largest.term_name(term) for term in largest.terms[1:]].index("S1:S3")]
    best = inside[[np.argmax(pair), np.argmin(pair)]]
    sums, scale = sample_weights(target, best, np.full(2, 4000), np.random.default_rng(1))
    upper, lower = np.log(sums[:, 0]) + scale
    errors = np.sqrt(np.maximum(4000 * sums[:, 1] / sums[:, 0] ** 2 - 1, 0.0) / 4000)
    error = np.hypot(0.009 * np.sqrt(2), np.linalg.norm(errors))
    assert error < 0.1
    assert upper - lower == pytest.approx(22_902.927 - 22_900.021, abs=FAR * error)
