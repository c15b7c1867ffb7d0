"""PooledLogLinear: sensible answers for small strata, all kinds of tables, both samplers."""

from __future__ import annotations

import json
import pickle
import warnings
from dataclasses import FrozenInstanceError, replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom

import mse
from benchmarks.sbc_pooled import QUANTITIES, SETTINGS, THIN, ranks_of_world
from mse.answer.protocols import Estimator, Fit
from mse.bayes.pooled_posterior import _start, lay_out
from mse.core.pooled import log_posterior
from mse.loglinear.partly_known import whole_persons
from tests.chance import FAR, RARE, same_median

pytestmark = pytest.mark.mcmc

QUICK = mse.PooledLogLinear(draws=400, tune=400, chains=2)
#: Some 300 effective draws or more, with which R-hat is below 1.1 but for once in a million.
SETTLED = replace(QUICK, draws=1200)
LISTS = ["police", "care", "other"]
#: Registered persons by municipality, about: one with three, one with none.
SIZES = (60, 40, 25, 12, 3, 0, 30, 8, 18, 45)
PLACES = list("ABCDEFGHIJ")


def municipalities(sizes=SIZES) -> np.ndarray:
    """Give counts (2, 2, 2, S) of three lists with one pair that goes together, as they are expected."""
    cells = np.array(list(product((0, 1), repeat=3)))
    log = cells @ np.array([-0.6, -0.9, -1.0]) + 0.5 * cells[:, 0] * cells[:, 1]
    share = np.exp(log) / np.exp(log[1:]).sum()
    share[0] = 0
    counts = np.stack([whole_persons(n * share).astype(int) for n in sizes], axis=1)
    return counts.reshape(2, 2, 2, len(sizes))


def fitted(estimator, table):
    """Fit with few draws, about which there is something to say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mse.ConvergenceWarning)
        return estimator.fit(table)


def table_of(counts, **covariates) -> mse.CaptureTable:
    return mse.CaptureTable.from_array(counts, LISTS, covariates)


def known_strata(table) -> np.ndarray:
    """Count the registered persons whose stratum is known, (S,)."""
    levels = table.patterns[:, table.n_lists :]
    known = (levels >= 0).all(axis=1)
    counts = np.zeros(table.shape[table.n_lists :])
    np.add.at(counts, tuple(levels[known].T), table.low[known])
    return counts.ravel()


@pytest.fixture(scope="module")
def table():
    return table_of(municipalities(), place=PLACES)


@pytest.fixture(scope="module")
def fit(table):
    return fitted(SETTLED, table)


def test_conforms(fit, table) -> None:
    assert isinstance(QUICK, Estimator)
    assert isinstance(fit, Fit)
    assert hash(QUICK) == hash(replace(QUICK))
    with pytest.raises(FrozenInstanceError):
        fit.table = None
    p = fit.population
    assert (p.status, p.limit, p.reason) == (fit.status, fit.limit, fit.reason)
    assert p.observed == table.n_observed
    low, high = p.interval(0.95)
    assert p.observed <= low <= p.total <= high
    text = p.to_json(draws=True)
    data = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert json.loads(mse.PopulationEstimate.from_json(text).to_json(draws=True)) == data
    back = pickle.loads(pickle.dumps(fit))  # noqa: S301
    assert back.population.total == p.total
    assert fit._repr_html_().count("<table") >= 1


def test_strata_add_up(fit) -> None:
    p = fit.population
    assert p.by["total"].sum() == pytest.approx(p.total)
    assert p.by["observed"].tolist() == list(SIZES)
    np.testing.assert_allclose(p.stratum_draws.sum(axis=1), p.draws)
    assert p.total == np.median(p.draws)


def test_a_stratum_of_three_persons_has_a_sensible_answer(fit) -> None:
    by = fit.population.by.set_index("place")
    three, many = by.loc["E"], by.loc["A"]
    assert 3 <= three["low"] < three["total"] < three["high"] < 60
    # In proportion it is far less certain than a stratum with many.
    assert three["high"] / three["total"] > 1.3 * many["high"] / many["total"]
    # And less than if everybody had the share registered of all strata together, known for sure.
    coverage = fit.population.coverage
    hidden = nbinom(3 + 1, coverage).ppf([0.025, 0.975])
    # Draws are whole persons, and some hundreds of them leave an end uncertain by one.
    assert three["high"] - three["low"] > np.diff(hidden)[0] - 2


def test_a_stratum_without_anybody_has_hidden_persons_and_is_named(fit) -> None:
    nobody = fit.population.by.set_index("place").loc["F"]
    assert nobody["observed"] == 0
    assert 0 <= nobody["low"] <= nobody["total"] < nobody["high"] < 60
    assert any(
        "Nobody is registered in 1 of 10 strata (place=F)" in w for w in fit.population.warnings
    )


def test_chains_agree_and_hold_what_was_learned(fit) -> None:
    assert fit.status == "ok"
    assert fit.diagnostics.index[0] == "log N"
    assert "log N of place=A" in fit.diagnostics.index
    assert fit.diagnostics["r_hat"].max() < 1.1
    assert fit.diagnostics["ess_bulk"].min() > 100
    draws = fit.chains.draws
    assert draws["rate"].shape == (2, 1200, 3)
    assert draws["dependence"].shape == (2, 1200, 3)
    assert draws["scale"].shape[2] == len(fit.chains.coords["scales"])
    assert fit.chains.coords["pair"] == ["police:care", "police:other", "care:other"]
    assert set(fit.chains.stats) == {"diverging", "n_steps"}


def test_arviz_holds_the_posterior(fit) -> None:
    found = fit.to_arviz()
    assert found.posterior["rate"].dims == ("chain", "draw", "list")
    assert found.posterior["hidden"].sizes["stratum"] == 10


def test_posterior_predictive_tables(fit, table) -> None:
    check = fit.posterior_predictive(200)
    assert check.replicated.shape == (200, table.n_cells - table.n_strata)
    assert check.p_value > 0.01


def test_same_seed_same_draws_and_few_draws_are_warned_of(table) -> None:
    short = replace(QUICK, draws=50, tune=100, chains=1)
    with pytest.warns(mse.ConvergenceWarning, match="The chains"):
        first = short.fit(table)
    assert (fitted(short, table).chains.flat("N") == first.chains.flat("N")).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mse.ConvergenceWarning)
        found = first.prior_sensitivity({"other seed": replace(short, seed=2)}).to_frame()
    assert found.index.tolist() == ["as asked for", "other seed"]
    other = fitted(replace(short, seed=2), table)
    assert (other.chains.flat("N") != first.chains.flat("N")).any()


def test_pymc_samples_the_same_posterior(table) -> None:
    # Narrow priors make short trajectories: PyMC's operations are interpreted.
    narrow = replace(QUICK, rate=(-1.0, 0.5), dependence=0.3, variation=0.2, size_variation=1.0)
    short = {"draws": 50, "tune": 100, "chains": 1, "target_accept": 0.65}
    other = fitted(replace(narrow, sampler="pymc", **short), table)
    fit = fitted(narrow, table)
    mine, theirs = np.log(fit.chains.flat("N")), np.log(other.chains.flat("N"))
    # Means of some 12 effective draws.
    assert theirs.mean() == pytest.approx(mine.mean(), abs=FAR * mine.std() / np.sqrt(12))
    assert set(other.chains.stats) == {"diverging", "n_steps"}


def test_model_in_pymc_has_the_density_that_is_sampled(table) -> None:
    layout = lay_out(QUICK, table)
    # PyMC has every effect in its non-centered form.
    prior = layout.prior._replace(degree=np.zeros_like(layout.prior.degree))
    with QUICK.pymc_model(table) as model:
        density = model.compile_logp(mode="FAST_COMPILE")
        slope = model.compile_dlogp(mode="FAST_COMPILE")
    found, slopes = [], []
    for seed in (1, 2):
        x = _start(layout, seed)
        gradient = np.zeros(x.size)
        a, b, c = layout.prior.cuts
        point = {"level": x[:a], "scales_log__": x[a:b], "z": x[b:c], "r": x[c:]}
        found.append(log_posterior(x, prior, layout.data, gradient) - density(point))
        slopes.append((gradient, slope(point)))
    assert found[0] == pytest.approx(found[1])
    for mine, theirs in slopes:
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)


def test_prior_predictive_says_what_the_prior_expects(fit) -> None:
    check = fit.prior_predictive(300)
    frame = check.to_frame()
    assert list(frame.index[:3]) == ["total", "registered", "share registered"]
    assert frame.loc["registered", "observed"] == fit.table.n_observed
    assert np.isnan(frame.loc["total", "observed"])
    assert frame.loc["share registered", "high"] <= 1
    assert check.surprises == ()
    assert "Every observed figure is one that it can produce." in " ".join(check.summary().split())
    far = replace(QUICK, rate=(-20.0, 0.1)).prior_predictive(fit.table, 200)
    assert "police:care" in far.surprises
    assert "It did not expect" in " ".join(far.summary().split())


def test_years_follow_each_other_and_records_may_lack_entries() -> None:
    """Unknown covariates, a list that did not operate, suppressed counts, uneven years, all at once."""
    rng = np.random.default_rng(5)
    rows = []
    for year, place, history in product((2015, 2016, 2018), "AB", product((0, 1), repeat=3)):
        n = int(rng.poisson(12 / (1 + 2 * sum(history))))
        if any(history) and n:
            lists = dict(zip(LISTS, history, strict=True))
            if year == 2016:
                lists["other"] = None
            if not any(lists.values()):
                continue
            count = "<5" if place == "B" and n < 5 else str(n)
            rows.append({**lists, "year": year, "place": place, "n": count})
            if history == (1, 0, 0):
                rows.append({**lists, "year": year, "place": None, "n": "3"})
    frame = pd.DataFrame(rows).drop_duplicates(subset=[*LISTS, "year", "place"])
    table = mse.CaptureTable.from_frame(frame, LISTS, ["year", "place"], "n")
    assert not table.is_complete
    fit = fitted(replace(QUICK, time="year", draws=600, tune=200), table)
    p = fit.population
    assert fit.status == "ok"
    assert p.interval()[0] >= table.n_observed
    # Persons without a place are in another one in each draw, and never among the hidden ones.
    hidden, known = fit.chains.flat("hidden"), known_strata(table)
    assert (hidden >= 0).all()
    totals = p.stratum_draws.to_numpy()
    assert (totals >= known + hidden).all()
    assert ((totals - hidden).std(axis=0) > 0).any()
    np.testing.assert_array_equal((totals - hidden).sum(axis=1), table.n_observed)
    np.testing.assert_array_equal(totals.sum(axis=1), p.draws)
    assert p.by["observed"].sum() == table.n_observed
    assert p.by["hidden"].sum() == pytest.approx(p.hidden)
    assert (p.by["hidden"] >= 0).all()
    assert "all lists by stratum" in fit.chains.coords["scales"]
    assert lay_out(fit.estimator, table).data.n_kinds.tolist() == [2]
    # Steps over two years are sqrt(2) times as wide.
    assert lay_out(fit.estimator, table).data.steps[:3] == pytest.approx([0, 1, np.sqrt(2)])
    with pytest.raises(mse.ModelError, match="complete tables"):
        fit.posterior_predictive()


def test_nobody_on_two_lists_is_not_estimable() -> None:
    counts = municipalities()
    counts[np.indices((2, 2, 2)).sum(axis=0) > 1] = 0
    fit = QUICK.fit(table_of(counts, place=PLACES))
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")
    assert np.isnan(fit.population.total)
    assert "two of the 3 lists" in fit.reason
    with pytest.raises(mse.ModelError, match="Nothing can be predicted"):
        fit.posterior_predictive()


def test_order_of_lists_and_levels_makes_no_difference(fit) -> None:
    order = [2, 5, 9, 0, 4, 8, 1, 3, 7, 6]
    turned = np.moveaxis(municipalities(), (0, 1, 2), (2, 0, 1))[..., order]
    lists = [LISTS[1], LISTS[2], LISTS[0]]
    table = mse.CaptureTable.from_array(turned, lists, {"place": [PLACES[i] for i in order]})
    other = fitted(QUICK, table)
    # Different draws of the same posterior.
    assert same_median(other.chains, fit.chains)


def test_priors_to_compare_with(fit) -> None:
    others = fit._other_priors()
    assert len(others) == 6
    assert all(other != fit.estimator for other in others.values())


def test_true_values_rank_anywhere_among_draws() -> None:
    """A short version of benchmarks/sbc_pooled.py: worlds known in part, and a prior that is wrong."""
    short, ranked = replace(SETTINGS, draws=19 * THIN, tune=100), 19
    ranks = [ranks_of_world(world, coarse=True, settings=short) for world in range(6)]
    wrong = [ranks_of_world(world, False, shrink=0.02, settings=short) for world in range(6)]
    means = (np.mean(ranks, axis=0) + 0.5) / (ranked + 1)
    # A sum of six uniform numbers is below x with probability x^6 / 6!: here once in a million.
    rare = (720 * RARE / 2) ** (1 / 6) / 6
    np.testing.assert_allclose(means, 0.5, atol=0.5 - rare)
    # Of the control nearly all are at an end, where uniform ones are with probability 0.2.
    far = np.asarray(wrong)[:, QUANTITIES.index("spread of sizes")]
    assert np.isin(far, [0, 1, ranked - 1, ranked]).sum() >= 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "stan"}, "sampler='stan'"),
        ({"rate": (0.0, -1.0)}, "a mean and a positive"),
        ({"dependence": 0}, "dependence=0"),
        ({"target_accept": 1.0}, "target_accept=1.0"),
        ({"draws": 5}, "draws=5"),
    ],
)
def test_options_are_checked(options, message) -> None:
    with pytest.raises(mse.ModelError, match=message):
        mse.PooledLogLinear(**options)


def test_tables_that_cannot_be_pooled_are_refused(table) -> None:
    with pytest.raises(mse.ModelError, match="no covariates"):
        QUICK.fit(table.collapse("place"))
    with pytest.raises(mse.ModelError, match="margins only"):
        QUICK.fit(mse.CaptureTable.from_margins({"a": 5, "b": 6, "c": 4}, 12))
    with pytest.raises(mse.ModelError, match="Did you mean 'place'"):
        replace(QUICK, time="plac").fit(table)
