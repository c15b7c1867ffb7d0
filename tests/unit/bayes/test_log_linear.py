"""BayesianLogLinear: the posterior over models, what is read off it, and what it is asked of."""

from __future__ import annotations

import pickle
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest

import mse
from benchmarks.sbc_bayesian_loglinear import FIT, Worlds, calibrate
from mse.bayes.model_average import BayesianLogLinearFit
from mse.bayes.model_average_posterior import bounded_poisson, cell_means, make_setting
from tests.chance import FAR, RARE, error_of_mean, same_median

QUICK = mse.BayesianLogLinear(draws=500, warmup=200)


@pytest.fixture(scope="module")
def kosovo() -> mse.CaptureTable:
    return mse.load_dataset("kosovo")


@pytest.fixture(scope="module")
def fit(kosovo):
    return replace(QUICK, max_order=3).fit(kosovo)


@pytest.fixture(scope="module")
def strata():
    return QUICK.fit(mse.load_dataset("spina_bifida"))


def test_models_and_interactions_are_consistent(fit) -> None:
    models, inclusion = fit.models, fit.inclusion
    assert fit.enumerated
    assert models["probability"].is_monotonic_decreasing
    assert models["probability"].sum() == pytest.approx(1.0, abs=1e-3)
    assert models["draws"].sum() == fit.chains.flat("N").size
    assert models["model"].is_unique
    assert fit.model == models["model"][0] == fit.structure.notation()
    assert (models["error"] < 0.01).all()
    # Half of the models with a triple have it; a pair is in all models with its triples besides.
    assert inclusion.loc["EXH:ABA:OSCE", "prior"] == pytest.approx(18 / 113)
    with_pair = models["model"].str.contains("24")
    assert inclusion.loc["ABA:HRW", "probability"] >= models["probability"][with_pair].sum() - 1e-6
    present = fit.chains.flat("present").mean(axis=0)
    # Counted in draws, and computed.
    error = np.hypot(
        [error_of_mean(each) for each in np.moveaxis(fit.chains.draws["present"], 2, 0)],
        inclusion["error"],
    )
    assert (np.abs(present - inclusion["probability"]) <= FAR * error + 2e-3).all()


def test_medians_within_models_are_those_of_their_draws(fit) -> None:
    names = list(fit.inclusion.index)
    best = [fit.structure.term_name(term) for term in fit.structure.terms if len(term) > 1]
    present = fit.chains.flat("present").astype(bool)
    inside = (present == np.isin(names, best)).all(axis=1)
    totals = fit.chains.flat("N")
    assert fit.models["draws"][0] == inside.sum()
    assert fit.models["total"][0] == np.median(totals[inside])
    assert fit.population.total == np.median(totals)


def test_strata_and_their_draws_add_up(strata) -> None:
    p = strata.population
    np.testing.assert_array_equal(p.stratum_draws.sum(axis=1), p.draws)
    assert p.by["total"].sum() == pytest.approx(p.total)
    assert p.margin("ethnicity")["observed"].sum() == p.observed
    assert list(p.by["observed"]) == [583, 36, 2]
    assert (strata.chains.flat("hidden") >= 0).all()


@pytest.mark.mcmc
def test_reversible_jump_gives_the_same_answer_as_enumeration(strata) -> None:
    jumping = mse.BayesianLogLinear(strategy="reversible-jump", warmup=1000).fit(strata.table)
    assert not jumping.enumerated
    assert (jumping.diagnostics["r_hat"] < 1.02).all()
    exact, counted = strata.inclusion, jumping.inclusion
    error = np.hypot(exact["error"], counted["error"]) + 1e-4
    assert ((exact["probability"] - counted["probability"]).abs() < FAR * error + 2e-3).all()
    assert counted["prior"].unique() == [0.5]
    assert same_median(jumping.chains, strata.chains)
    assert jumping.models["probability"].sum() == pytest.approx(1.0)
    assert (jumping.moves["to_known_model"] > 0.5).all()


@pytest.mark.mcmc
def test_workers_make_no_difference(monkeypatch) -> None:
    from mse.bayes import model_average_posterior as posterior

    monkeypatch.setattr(posterior, "THREADED", 1)
    monkeypatch.setattr(posterior, "CHUNK_NUMBERS", 2000)
    table = mse.load_dataset("korea")
    for strategy in ("enumerate", "reversible-jump"):
        estimator = replace(QUICK, strategy=strategy, draws=300)
        with joblib.parallel_config(n_jobs=1):
            alone = estimator.fit(table)
        with joblib.parallel_config(n_jobs=3):
            shared = estimator.fit(table)
        np.testing.assert_array_equal(alone.chains.draws["N"], shared.chains.draws["N"])
        pd.testing.assert_frame_equal(alone.models, shared.models)


def test_another_seed_gives_other_draws_and_the_same_answer(kosovo) -> None:
    one, two = (replace(QUICK, seed=seed).fit(kosovo) for seed in (1, 2))
    assert (one.chains.draws["N"] != two.chains.draws["N"]).any()
    assert same_median(one.chains, two.chains)


def test_order_of_lists_makes_no_difference(kosovo) -> None:
    there = QUICK.fit(kosovo)
    back = QUICK.fit(kosovo.keep_lists(kosovo.lists[::-1]))
    assert same_median(there.chains, back.chains)
    renamed = {":".join(reversed(name.split(":"))): name for name in back.inclusion.index}
    found = back.inclusion.rename({name: old for old, name in renamed.items()})
    ours = there.inclusion
    found = found.loc[ours.index]
    error = np.hypot(found["error"], ours["error"])
    assert ((found["probability"] - ours["probability"]).abs() <= FAR * error + 1e-4).all()


# What the data cannot tell -----------------------------------------------------------------------


def test_lists_without_overlap_have_a_posterior_but_no_estimate() -> None:
    table = mse.CaptureTable.from_counts({"100": 30, "010": 20, "001": 10}, ["a", "b", "c"])
    fit = QUICK.fit(table)
    p = fit.population
    assert (p.status, p.limit) == ("not_estimable", "infinite")
    assert np.isnan(p.total)
    assert "the prior decides" in p.reason
    assert set(fit.models["status"]) == {"not_estimable"}
    # The posterior itself is proper, and can be looked at.
    assert np.isfinite(fit.chains.draws["N"]).all()


def test_a_share_of_the_models_that_the_prior_decides_is_mentioned() -> None:
    counts = {"100": 30, "010": 20, "001": 10, "110": 5}
    p = QUICK.fit(mse.CaptureTable.from_counts(counts, ["a", "b", "c"])).population
    assert p.status == "ok"
    assert any("prior_sensitivity" in warning for warning in p.warnings)
    assert not QUICK.fit(mse.load_dataset("kosovo")).population.warnings


def test_two_lists_have_one_model() -> None:
    table = mse.CaptureTable.from_counts({"11": 40, "10": 60, "01": 80}, ["a", "b"])
    fit = QUICK.fit(table)
    assert list(fit.models["model"]) == ["[1,2]"]
    assert fit.inclusion.empty
    assert fit.population.total == pytest.approx(120 * 100 / 40, rel=0.05)
    assert replace(QUICK, strategy="reversible-jump").fit(table).status == "ok"


def crossed(last: tuple[int, ...]) -> mse.CaptureTable:
    """Two places by two sexes; `last` are the histories of the fourth stratum."""
    counts = np.zeros((2, 2, 2, 4), dtype=int)
    counts[1, 0, 0], counts[0, 1, 0], counts[0, 0, 1] = (20, 9, 9, 0), (11, 6, 6, 0), (14, 5, 5, 0)
    counts[1, 1, 0], counts[1, 0, 1], counts[0, 1, 1] = (6, 3, 3, 0), (5, 1, 1, 0), (4, 1, 1, 0)
    counts[1, 0, 0, 3], counts[0, 1, 0, 3], counts[1, 1, 0, 3] = last
    strata = {"place": ["A", "B"], "sex": ["f", "m"]}
    return mse.CaptureTable.from_array(counts.reshape(2, 2, 2, 2, 2), ["a", "b", "c"], strata)


def test_a_stratum_without_anybody_is_not_the_priors_to_fill() -> None:
    # Place by sex is in nearly all models, and under it the hidden number of the empty stratum is 0.
    fit = mse.BayesianLogLinear(draws=800).fit(crossed((0, 0, 0)))
    p = fit.population
    assert (p.status, p.limit) == ("not_estimable", "zero")
    assert "place=B, sex=m" in p.reason
    assert p.by["status"].tolist() == ["ok", "ok", "ok", "not_estimable"]
    assert p.by["hidden"].isna().tolist() == [False, False, False, True]
    likely = mse.LogLinear("a + b + c + place*sex").fit(crossed((0, 0, 0))).population
    ends = p.by.loc[:2, ["low", "high"]].to_numpy()
    assert (ends[:, 0] < likely.by["total"][:3]).all()
    assert (likely.by["total"][:3] < ends[:, 1]).all()


def test_an_empty_level_is_named_by_every_model() -> None:
    counts = crossed((0, 0, 0)).collapse("sex").counts.copy()
    counts[..., 1] = 0
    table = mse.CaptureTable.from_array(counts, ["a", "b", "c"], {"place": ["A", "B"]})
    p = mse.BayesianLogLinear(draws=500).fit(table).population
    assert p.status == "not_estimable"
    assert p.by["status"].tolist() == ["ok", "not_estimable"]


def test_nobody() -> None:
    table = mse.load_dataset("kosovo").with_counts(np.zeros((2, 2, 2, 2), dtype=np.int64))
    fit = QUICK.fit(table)
    assert fit.status == "not_estimable"
    assert fit.models.empty
    assert fit.inclusion.empty
    assert fit.moves.empty
    assert repr(fit)
    with pytest.raises(mse.ModelError, match="Nobody was observed"):
        fit.posterior_predictive()


# Tables known in part ----------------------------------------------------------------------------

ROWS = {
    "police": [1, 0, 1, 1, 0, 1, 1],
    "care": [0, 1, 1, 0, 1, 1, 0],
    "sex": ["f", "f", "f", "m", "m", "m", None],
}


def partly(n: list[object], rows: int = 7) -> mse.CaptureTable:
    frame = pd.DataFrame(ROWS).assign(n=n).head(rows)
    return mse.CaptureTable.from_frame(frame, ["police", "care"], ["sex"], "n")


def test_counts_over_several_cells() -> None:
    fit = QUICK.fit(partly([30, 24, 21, 19, 8, 3, 5]))
    p = fit.population
    assert p.observed == 110
    assert p.by["observed"].sum() == 110
    np.testing.assert_array_equal(p.stratum_draws.sum(axis=1), p.draws)
    assert p.draws.min() >= 110
    assert any("not concave" in warning for warning in p.warnings)
    exact = QUICK.fit(partly([30, 24, 21, 19, 8, 3, 0], 6)).population
    # Five more persons of the commonest history.
    assert exact.total < p.total < 1.25 * exact.total


def test_counts_within_bounds() -> None:
    # The totals to be told apart differ by three percent; with 500 draws that is five standard errors.
    longer = replace(QUICK, draws=2000)
    fit = longer.fit(partly(["30", "24", "21", "19", "8", "<5", "0"], 6))
    p = fit.population
    assert p.observed == 102
    assert p.draws.min() >= 102
    assert p.by["observed"].sum() == 102
    low, high = (longer.fit(partly([30, 24, 21, 19, 8, n, 0], 6)).population for n in (1, 4))
    assert high.total < p.total < max(low.interval()[1], p.interval()[1])
    with pytest.raises(mse.ModelError, match="exact counts"):
        fit.posterior_predictive()


def test_what_cannot_be_taken_says_what_to_do() -> None:
    with pytest.raises(mse.ModelError, match="collapse the covariate"):
        QUICK.fit(partly(["30", "24", "21", "19", "8", "<5", "5"]))
    margins = mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
    with pytest.raises(mse.ModelError, match=r"LogLinear\('main'\)"):
        QUICK.fit(margins)
    many = mse.load_dataset("scotland_pwid")
    with pytest.raises(mse.ModelError, match="reversible-jump"):
        replace(QUICK, strategy="enumerate").fit(many)


def test_bounded_draws_keep_to_their_bounds_and_their_distribution() -> None:
    rng = np.random.default_rng(1)
    for mean, low, high in ((50.0, 0, 20), (3.0, 5, 9), (4.0, 0, 2**62), (1e5, 2, 3), (1e-9, 4, 9)):
        drawn = bounded_poisson(np.full(4000, mean), low, high, rng)
        assert drawn.min() >= low
        assert drawn.max() <= high
        k = np.arange(low, min(high, low + 100) + 1)
        logs = k * np.log(mean) - np.cumsum(np.log(np.maximum(k, 1)))
        weight = np.exp(logs - logs.max())
        expected = (k * weight).sum() / weight.sum()
        spread = np.sqrt(((k - expected) ** 2 * weight).sum() / weight.sum())
        assert abs(drawn.mean() - expected) <= FAR * spread / np.sqrt(4000) + 1e-9


# Around the answer -------------------------------------------------------------------------------


def test_priors_are_compared(kosovo) -> None:
    for prior, n in (("unit-information", 6), ("sabanes-bove-held", 5)):
        estimator = replace(QUICK, prior=prior, draws=200)
        found = estimator.fit(kosovo).prior_sensitivity()
        assert len(found.priors) == n
        frame = found.to_frame()
        assert frame["total"].notna().all()
        # Independent lists estimate half of what models with interactions do.
        assert frame.loc["independent lists", "total"] < 0.7 * frame["total"].iloc[0]


def test_larger_interactions_are_a_prior_to_compare_where_there_are_any() -> None:
    larger = "interactions up to order 3"
    for table, there in (("korea", False), ("kosovo", True), ("spina_bifida", True)):
        counts = mse.load_dataset(table)
        setting = make_setting(counts, 2, np.asarray([1.0, 0.0, 0.0]))
        fit = BayesianLogLinearFit(QUICK, counts, setting, None)
        assert (larger in fit._other_priors()) is there


def test_predicted_histories(kosovo, fit) -> None:
    assert fit.posterior_predictive(400).p_value > 0.05
    independent = replace(QUICK, max_order=1).fit(kosovo)
    assert independent.posterior_predictive(400).p_value < 0.01


def test_to_arviz(fit, strata) -> None:
    posterior = strata.to_arviz().posterior
    assert posterior["N"].shape == (4, 500)
    assert list(posterior["interaction"].values) == list(strata.inclusion.index)
    assert posterior["hidden"].shape == (4, 500, 3)
    assert fit.to_arviz().posterior["coefficients"].shape == (4, 500, 15)


def test_cell_means_follow_from_coefficients(strata) -> None:
    setting = make_setting(strata.table, 2, np.asarray([1.0, 0.0, 0.0]))
    coefficients = strata.chains.flat("coefficients")[:50]
    means = cell_means(setting, coefficients)
    assert means.shape == (50, 24)
    names = list(strata.chains.coords["coefficient"])
    np.testing.assert_allclose(np.log(means[:, 0]), coefficients[:, 0])
    first = names.index("S1")
    np.testing.assert_allclose(np.log(means[:, 12] / means[:, 0]), coefficients[:, first])


def test_fits_can_be_pickled(strata) -> None:
    back = pickle.loads(pickle.dumps(strata))  # noqa: S301
    pd.testing.assert_frame_equal(back.models, strata.models)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("prior", "flat"),
        ("strategy", "guess"),
        ("variance", 0.0),
        ("shape", -1.0),
        ("rate", np.inf),
        ("max_order", 0),
        ("draws", 10),
        ("chains", 0),
        ("thin", 1.5),
        ("warmup", -1),
    ],
)
def test_settings_are_checked(setting, value) -> None:
    with pytest.raises(mse.ModelError, match=setting):
        replace(QUICK, **{setting: value})


# Calibration: benchmarks/sbc_bayesian_loglinear.py is the long version -----------------------------


@pytest.mark.mcmc
def test_ranks_of_true_values_are_uniform() -> None:
    jumping = replace(FIT, strategy="reversible-jump")
    for worlds in (Worlds(3), Worlds(3, vague=True)):
        found = calibrate(worlds, 60, jumping)
        assert min(each["p_value_ks"] for each in found.values()) > RARE


@pytest.mark.mcmc
def test_ranks_under_a_wrong_prior_are_not_uniform() -> None:
    found = calibrate(Worlds(3), 40, replace(FIT, variance=0.1))
    assert found["spread"]["p_value_ks"] < 1e-4
