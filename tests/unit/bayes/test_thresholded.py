"""ThresholdedLogLinear: what is retained, what is reported, what is refused."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import mse
from mse.bayes.thresholded import in_doubt, prior_precision
from tests.chance import FAR, same_median

pytestmark = pytest.mark.mcmc

QUICK = mse.ThresholdedLogLinear(draws=1000)


@pytest.fixture(scope="module")
def fit():
    return QUICK.fit(mse.load_dataset("kosovo"))


def test_effects_say_what_is_retained(fit) -> None:
    effects = fit.effects
    assert list(effects.columns) == ["mean", "sd", "z", "mcse", "term", "retained"]
    assert len(effects) == 6
    np.testing.assert_allclose(effects["z"], effects["mean"] / effects["sd"])
    assert (effects["retained"] == (effects["z"].abs() >= 2)).all()
    assert fit.retained == tuple(effects.index[effects["retained"]])
    assert fit.model == "[12,13,14,23,34]"
    assert fit.structure == mse.LogLinear(fit.model).fit(fit.table).structure


def test_chains_are_diagnosed_in_both_models(fit) -> None:
    assert list(fit.diagnostics.index) == ["log N", "log N, all effects"]
    assert fit.diagnostics["r_hat"].max() < 1.02
    assert fit.diagnostics["ess_bulk"].min() > 400
    names = fit.chains.coords["coefficient"]
    assert names[0] == "intercept"
    assert len(names) == fit.chains.draws["coefficients"].shape[2] == 10


def test_interval_is_given_the_model(fit) -> None:
    p = fit.population
    assert (p.interval_kind, p.interval_given) == ("credible", "given the model")
    assert p.total == np.median(fit.chains.flat("N"))


def test_same_seed_same_answer_other_seed_another() -> None:
    table = mse.load_dataset("korea")
    totals = [replace(QUICK, seed=seed).fit(table).chains.flat("N") for seed in (1, 1, 2)]
    assert (totals[0] == totals[1]).all()
    assert (totals[0] != totals[2]).any()


def test_threshold_of_zero_retains_all_and_a_high_one_none() -> None:
    table = mse.load_dataset("korea")
    assert replace(QUICK, threshold=0.0).fit(table).model == "[12,13,23]"
    assert replace(QUICK, threshold=100.0).fit(table).model == "[1,2,3]"


def test_triples_bring_their_pairs() -> None:
    fit = replace(QUICK, max_order=3, threshold=1.0).fit(mse.load_dataset("kosovo"))
    triples = [term for term in fit.structure.terms if len(term) == 3]
    assert len(fit.effects) == 10
    assert triples
    assert all(len(name.split(":")) in (2, 3) for name in fit.retained)


def test_an_effect_at_the_threshold_is_named_in_a_warning() -> None:
    table = mse.load_dataset("korea")
    z = QUICK.fit(table).effects["z"].iloc[0]
    at_the_edge = replace(QUICK, threshold=abs(float(z)))
    with pytest.warns(mse.ConvergenceWarning, match="Within Monte Carlo error of the threshold"):
        fit = at_the_edge.fit(table)
    assert in_doubt(fit.effects, at_the_edge.threshold) == [fit.effects["term"].iloc[0]]
    assert fit.doubt in fit.population.warnings


def test_order_of_levels_makes_no_difference() -> None:
    table = mse.load_dataset("spina_bifida")
    name, levels = next(iter(table.covariates.items()))
    order = [2, 0, 1]
    turned = mse.CaptureTable.from_array(
        table.counts[..., order], table.lists, {name: [levels[i] for i in order]}
    )
    one, other = QUICK.fit(table), QUICK.fit(turned)
    assert one.model == other.model
    # Different draws of the same posterior.
    a, b = one.effects.sort_index(), other.effects.sort_index()
    assert ((a["z"] - b["z"]).abs() <= FAR * np.hypot(a["mcse"], b["mcse"])).all()
    assert same_median(one.chains, other.chains)


def test_prior_makes_levels_exchangeable() -> None:
    """Differences of independent effects: any two levels are equally far apart."""
    covariance = np.linalg.inv(prior_precision([(), (0,), (1,), (0, 1)], (2, 4), 0.7, 1e4))[
        -3:, -3:
    ]
    differences = [covariance[0, 0], covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]]
    np.testing.assert_allclose(differences, 0.7**2)


def test_lists_without_any_overlap_are_not_estimable() -> None:
    table = mse.load_dataset("artificial_3")
    alone = table.with_counts(np.where(np.indices(table.shape).sum(axis=0) == 1, table.counts, 0))
    fit = QUICK.fit(alone)
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")
    assert np.isnan(fit.population.total)
    assert fit.effects.empty
    with pytest.raises(mse.ModelError, match="Nothing can be predicted"):
        fit.posterior_predictive()


def test_a_list_without_anybody_plays_no_part() -> None:
    table = mse.load_dataset("kosovo")
    without = table.with_counts(np.where(np.indices(table.shape)[3] == 0, table.counts, 0))
    fit = QUICK.fit(without)
    assert fit.status == "ok"
    assert fit.model.endswith(",4]")
    assert "Nobody is on HRW" in fit.population.warnings[0]
    assert fit.posterior_predictive(20).replicated.shape == (20, 15)


def test_posterior_predictive_tables_look_like_the_data(fit) -> None:
    assert fit.posterior_predictive(500).p_value > 0.01


def test_prior_sensitivity_tries_priors_and_thresholds() -> None:
    quick = replace(QUICK, draws=200)
    with warnings.catch_warnings():
        # Of so few draws some are near the threshold, or few.
        warnings.simplefilter("ignore", mse.ConvergenceWarning)
        frame = quick.fit(mse.load_dataset("korea")).prior_sensitivity().to_frame()
    assert len(frame) == 7
    assert frame["total"].gt(123).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_order": 4}, "max_order=4"),
        ({"hidden": "median"}, "hidden='median'"),
        ({"threshold": -1}, "threshold=-1"),
        ({"interaction_sd": 0}, "interaction_sd=0"),
        ({"draws": 10}, "draws=10"),
    ],
)
def test_options_are_checked(options, message) -> None:
    with pytest.raises(mse.ModelError, match=message):
        mse.ThresholdedLogLinear(**options)


def test_tables_known_in_part_or_of_two_lists_are_refused() -> None:
    with pytest.raises(mse.ModelError, match="known in part"):
        QUICK.fit(mse.CaptureTable.from_margins({"a": 5, "b": 6, "c": 4}, 12))
    with pytest.raises(mse.ModelError, match="2 lists and max_order is 2"):
        QUICK.fit(mse.load_dataset("kosovo").keep_lists(["EXH", "OSCE"]))


def test_a_stratum_without_anybody_is_not_the_priors_to_fill() -> None:
    counts = np.zeros((2, 2, 2, 4), dtype=int)
    counts[1, 0, 0], counts[0, 1, 0], counts[0, 0, 1] = (
        (80, 36, 36, 0),
        (44, 24, 24, 0),
        (56, 20, 20, 0),
    )
    counts[1, 1, 0], counts[1, 0, 1], counts[0, 1, 1] = (
        (24, 12, 12, 0),
        (20, 4, 4, 0),
        (16, 4, 4, 0),
    )
    strata = {"place": ["A", "B"], "sex": ["f", "m"]}
    table = mse.CaptureTable.from_array(counts.reshape(2, 2, 2, 2, 2), ["a", "b", "c"], strata)
    fit = mse.ThresholdedLogLinear(draws=1000).fit(table)
    p = fit.population
    assert "place:sex" in fit.retained
    assert (p.status, p.limit) == ("not_estimable", "zero")
    assert p.by["status"].tolist() == ["ok", "ok", "ok", "not_estimable"]
    assert np.isnan(p.total)
    # Without the interaction the model ties the stratum to the others, and it has an estimate.
    tied = mse.ThresholdedLogLinear(threshold=99.0, draws=1000).fit(table).population
    assert tied.status == "ok"
    assert tied.by["low"][3] <= tied.by["total"][3] <= tied.by["high"][3]
