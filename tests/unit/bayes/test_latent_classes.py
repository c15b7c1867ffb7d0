"""Latent classes: settings, tables, statuses, the same answer from any number of workers, classes."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import mse
from benchmarks.ranks import uniformity
from benchmarks.sbc_latent_classes import ranks_of_worlds
from mse.bayes import latent_classes
from mse.bayes.latent_classes import Length, mixture
from mse.core.latent_classes.density import Priors
from tests.chance import FAR, RARE, error_of_quantile, same_median

#: Settled on small tables in a tenth of a second.
QUICK = mse.LatentClasses(classes=3, draws=400, thin=4, warmup=320, chains=2)
#: A test of uniformity that a wrong posterior is to fail has a p-value below this.
FOUND_OUT = 1e-4


@pytest.fixture(scope="module")
def korea():
    return QUICK.fit(mse.load_dataset("korea"))


@pytest.fixture(scope="module")
def shared():
    """Two strata with the same two classes, in other shares and of another size."""
    rng = np.random.default_rng(3)
    counts = np.zeros((2, 2, 2, 2, 2), dtype=np.int64)
    chances = np.array([[0.8, 0.7, 0.75, 0.6], [0.15, 0.25, 0.1, 0.3]])
    for s, sizes in enumerate([(300, 400), (60, 1400)]):
        for size, chance in zip(sizes, chances, strict=True):
            members = (rng.random((size, 4)) < chance).astype(int)
            np.add.at(counts, (*members.T, s), 1)
    counts[0, 0, 0, 0] = 0
    table = mse.CaptureTable.from_array(
        counts, lists=["a", "b", "c", "d"], covariates={"sex": ("f", "m")}
    )
    return replace(QUICK, strata="shared", draws=800).fit(table)


# Settings and tables -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"classes": 0}, "classes=0"),
        ({"draws": 50}, "draws=50"),
        ({"thin": 0.5}, "thin=0.5"),
        ({"warmup": 10}, "warmup=10"),
        ({"alpha": (0.0, 1.0)}, "alpha="),
        ({"alpha": 0.25}, "two positive"),
        ({"capture": (0.1, 1.0)}, "0.5 or more"),
        ({"capture": (1.0,)}, "two positive"),
        ({"strata": "apart"}, "'shared'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, word) -> None:
    with pytest.raises(mse.ModelError, match=word):
        mse.LatentClasses(**settings)


def test_settings_given_as_lists_are_hashable() -> None:
    assert hash(mse.LatentClasses(alpha=[1, 2])) == hash(mse.LatentClasses(alpha=(1, 2)))


def test_covariates_ask_what_to_do() -> None:
    with pytest.raises(mse.ModelError, match=r"table\.by.*collapse.*strata=\"shared\""):
        mse.LatentClasses().fit(mse.load_dataset("spina_bifida"))


def test_partly_known_tables_are_refused_with_ways_out() -> None:
    table = mse.CaptureTable.from_margins({"a": 5, "b": 7}, union=10)
    with pytest.raises(mse.ModelError, match="LogLinear"):
        mse.LatentClasses().fit(table)


@pytest.mark.parametrize(
    ("counts", "limit", "word"),
    [
        ({"100": 5, "010": 7, "001": 3}, "infinite", "more than one list"),
        ({"110": 5, "010": 7}, "indeterminate", "Two lists"),
        ({"100": 5}, "indeterminate", "Only 1"),
    ],
)
def test_what_the_data_do_not_determine_is_a_status(counts, limit, word) -> None:
    table = mse.CaptureTable.from_counts(
        {"110": 1, "101": 1, "011": 1, **counts}, lists=["a", "b", "c"]
    )
    dense = np.zeros((2, 2, 2), dtype=np.int64)
    for history, n in counts.items():
        dense[tuple(map(int, history))] = n
    fit = QUICK.fit(table.with_counts(dense))
    assert (fit.status, fit.limit) == ("not_estimable", limit)
    assert word in fit.reason
    assert np.isnan(fit.population.total)
    with pytest.raises(mse.ModelError, match="Nothing was sampled"):
        _ = fit.classes


def test_one_class_is_independence() -> None:
    table = mse.load_dataset("kosovo")
    p = replace(QUICK, classes=1).fit(table).population
    independent = mse.LogLinear("main").fit(table).population
    low, high = independent.interval(0.95)
    # The flat priors hardly move a posterior of 4,400 persons.
    assert p.total == pytest.approx(independent.total, rel=0.01)
    assert p.interval(0.95) == pytest.approx((low, high), rel=0.02)
    two = table.keep_lists(["EXH", "OSCE"])
    assert replace(QUICK, classes=1).fit(two).status == "ok"


def test_a_list_that_nobody_is_on_changes_nothing(korea) -> None:
    counts = korea.table.counts
    wider = np.zeros((2, 2, 2, 2), dtype=np.int64)
    wider[:, 0] = counts
    table = mse.CaptureTable.from_counts(
        {"1000": 1, "0100": 1, "0010": 1, "0001": 1}, lists=["b", "empty", "c", "d"]
    ).with_counts(wider)
    fit = QUICK.fit(table)
    assert (fit.chains.draws["N"] == korea.chains.draws["N"]).all()
    assert "empty" in fit.population.warnings[0]
    assert fit.posterior_predictive(20).replicated.sum(axis=0).shape == (15,)


# Chains --------------------------------------------------------------------------------------------


def test_the_number_of_workers_changes_nothing(korea, monkeypatch) -> None:
    monkeypatch.setattr(latent_classes, "THREADED", 0)
    parallel = QUICK.fit(korea.table)
    for name, draws in korea.chains.draws.items():
        assert (parallel.chains.draws[name] == draws).all()


def test_a_bar_changes_nothing_but_the_screen(korea) -> None:
    shown = replace(QUICK, progress=True).fit(korea.table)
    assert shown.estimator == QUICK
    assert (shown.chains.draws["N"] == korea.chains.draws["N"]).all()


# With so few draws R-hat is near its bound by chance, on either side of it; the comparison below
# allows for that.
@pytest.mark.filterwarnings("ignore::mse.errors.ConvergenceWarning")
def test_another_seed_gives_other_draws_of_the_same_posterior(korea) -> None:
    other = replace(QUICK, seed=2).fit(korea.table)
    assert not (other.chains.draws["N"] == korea.chains.draws["N"]).all()
    assert same_median(other.chains, korea.chains)


def test_short_chains_are_warned_about() -> None:
    with pytest.warns(mse.ConvergenceWarning, match="have not settled"):
        fit = mse.LatentClasses(draws=100, warmup=100, chains=1, thin=1).fit(
            mse.load_dataset("kosovo")
        )
    assert fit.status == "ok"
    assert "settled" in fit.population.warnings[0]


def test_chains_that_disagree_give_no_number(korea, monkeypatch) -> None:
    sampled = korea._sampled
    apart = sampled._replace(hidden=sampled.hidden * np.array([1, 50])[:, None, None])
    monkeypatch.setattr(latent_classes, "sample", lambda *_, **__: apart)
    with pytest.warns(mse.ConvergenceWarning, match="different places"):
        fit = QUICK.fit(korea.table)
    assert fit.status == "not_converged"
    assert np.isnan(fit.population.total)
    assert np.isnan(fit.population.interval()[0])


# What is learned -----------------------------------------------------------------------------------


def test_classes_are_told(korea) -> None:
    classes = korea.classes
    assert list(classes.columns[:6:3]) == ["observed", "weight"]
    assert {"b", "c_low", "d_high"} <= set(classes.columns)
    assert classes["observed"].is_monotonic_decreasing
    assert (classes["weight_low"] <= classes["weight"]).all()
    assert (classes["d"] <= classes["d_high"]).all()
    assert korea.n_classes.sum() == pytest.approx(1)
    assert korea.n_classes.index.max() <= 3
    assert (korea.chains.flat("alpha") > 0).all()
    weights = korea.class_weights["weight"]
    np.testing.assert_allclose(weights, classes["weight"])


def test_strata_share_classes_and_add_up(shared) -> None:
    p = shared.population
    by = p.by.set_index("sex")
    assert by["total"].sum() == pytest.approx(p.total)
    totals = np.log(p.stratum_draws)
    assert (abs(np.median(totals, axis=0) - np.log([700, 1460])) < FAR * totals.std()).all()
    assert list(by["total"]) == pytest.approx(np.exp(np.median(totals, axis=0)), rel=0.05)
    assert p.stratum_draws.sum(axis=1).to_numpy() == pytest.approx(p.draws)
    assert shared.class_weights.columns.get_level_values(0).tolist() == ["f", "m"]
    assert list(shared.class_weights.index) == list(shared.classes.index)
    assert "sex" in shared.posterior_predictive(50).to_frame()


def test_classes_have_the_weights_of_the_world_they_were_drawn_from(shared) -> None:
    # Whoever is often on the first list may be in one class or in two; together they have this weight.
    weights, chances = mixture(shared._sampled.theta.reshape(-1, 16), shared._target)
    often = (weights * (chances[:, :1] > 0.475)).sum(axis=2)
    assert (abs(np.median(often, axis=0) - [3 / 7, 60 / 1460]) < FAR * often.std(axis=0)).all()
    told = shared.class_weights[shared.classes["a"] > 0.475].sum()
    assert (abs(told - np.median(often, axis=0)) < FAR * often.std(axis=0)).all()


@pytest.mark.parametrize("classes", [1, 3])
def test_a_stratum_without_anybody_has_no_estimate(classes) -> None:
    # Nobody seen in C: N of C is left to p(N), which is not proper there.
    counts = np.zeros((2, 2, 2, 3), dtype=int)
    counts[1, 0, 0], counts[0, 1, 0], counts[0, 0, 1] = (20, 9, 0), (11, 6, 0), (14, 5, 0)
    counts[1, 1, 0], counts[1, 0, 1], counts[0, 1, 1] = (6, 3, 0), (5, 1, 0), (4, 1, 0)
    table = mse.CaptureTable.from_array(counts, ["a", "b", "c"], {"place": ["A", "B", "C"]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mse.ConvergenceWarning)
        shared = replace(QUICK, classes=classes, strata="shared")
        fit, other = shared.fit(table), shared.fit(table.where(place=["A", "B"]))
    p, without = fit.population, other.population
    assert (p.status, p.limit) == ("not_estimable", "indeterminate")
    assert "place=C" in p.reason
    assert p.by["status"].tolist() == ["ok", "ok", "not_estimable"]
    assert p.by.loc[2, ["hidden", "total", "low", "high"]].isna().all()
    assert not any("taken as 0" in each for each in p.warnings)
    # The other strata are as if it were not there, but for other draws.
    rng = np.random.default_rng(1)
    for s in range(2):
        # Whole persons are spread over the unit above them, so that quantiles have an error.
        hidden = [each.chains.draws["hidden"][:, :, s] for each in (fit, other)]
        draws = [np.log(each + 0.5 + rng.random(each.shape)) for each in hidden]
        error = np.hypot(*map(error_of_quantile, draws))
        assert abs(np.median(draws[0]) - np.median(draws[1])) <= FAR * error
    assert not without.by["total"].isna().any()


def test_predicted_tables_tell_a_model_that_fits_from_one_that_does_not() -> None:
    table = mse.load_dataset("kosovo")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mse.ConvergenceWarning)
        check = replace(QUICK, classes=5).fit(table).posterior_predictive(300)
    assert check.p_value > 0.05
    assert check.cells.size == 15
    assert replace(QUICK, classes=1).fit(table).posterior_predictive(300).p_value < 0.05


def test_other_priors_are_tried(korea) -> None:
    names = list(korea._other_priors())
    assert "alpha ~ Gamma(1, 1)" in names
    assert len(names) == 6
    other = {"alpha ~ Gamma(1, 1)": replace(QUICK, alpha=(1.0, 1.0))}
    frame = korea.prior_sensitivity(other).to_frame()
    assert list(frame.index) == ["as asked for", "alpha ~ Gamma(1, 1)"]
    assert frame.loc["as asked for", "total"] == korea.population.total


def test_draws_go_to_arviz(korea) -> None:
    data = korea.to_arviz()
    assert data["posterior"]["alpha"].shape == (2, 400)
    assert data["sample_stats"]["jumps"].shape == (2, 400)


# Calibration ---------------------------------------------------------------------------------------

SHORT = Length(chains=1, draws=59, thin=12, warmup=160)


@pytest.mark.mcmc
def test_ranks_of_true_values_are_uniform() -> None:
    for ranks in ranks_of_worlds(3, 2, 25, 120, length=SHORT).values():
        assert uniformity(ranks, SHORT.draws, n_bins=10)["p_value"] > RARE


@pytest.mark.mcmc
def test_negative_control_another_prior_is_found_out() -> None:
    ranks = ranks_of_worlds(3, 2, 25, 60, length=SHORT, priors=Priors(on=16.0))
    assert uniformity(ranks["first list"], SHORT.draws, n_bins=10)["p_value"] < FOUND_OUT
