"""DecomposableGraphs: answers, statuses, what can be asked of a fit, and what cannot be asked at all."""

from __future__ import annotations

import math
import pickle
import warnings

import numpy as np
import pytest
from scipy.stats import kstest, norm

import mse
from benchmarks.sbc_decomposable import calibrate
from mse.bayes.decomposable import share
from mse.core.decomposable.posterior import FARTHEST
from tests.chance import FAR, RARE, error_of_mean, error_of_quantile


@pytest.fixture(scope="module")
def kosovo():
    return mse.load_dataset("kosovo")


@pytest.fixture(scope="module")
def fit(kosovo):
    return mse.DecomposableGraphs().fit(kosovo)


def table_of(counts: dict[str, int]) -> mse.CaptureTable:
    lists = list("ABCDEFGHI")[: len(next(iter(counts)))]
    return mse.CaptureTable.from_counts(counts, lists=lists)


def around(total: np.ndarray) -> np.ndarray:
    """Log prior: some 10,000, give or take a fifth."""
    return norm.logpdf(np.log(total), np.log(10_000), 0.2) - np.log(total)


# The answer ---------------------------------------------------------------------------------------


def test_point_is_the_median_of_the_stated_posterior(fit) -> None:
    posterior = fit.posterior
    assert posterior["probability"].sum() == pytest.approx(1.0)
    assert (posterior["low"].to_numpy()[1:] == posterior["high"].to_numpy()[:-1] + 1).all()
    cumulative = posterior["probability"].cumsum()
    assert fit.population.total == posterior["high"][int(np.searchsorted(cumulative, 0.5))]
    low, high = fit.population.interval(0.8)
    inside = (posterior["low"] >= low) & (posterior["high"] <= high)
    assert posterior["probability"][inside].sum() == pytest.approx(0.8, abs=1e-3)
    assert fit.support[0] == 0
    assert posterior["low"][0] == fit.table.n_observed
    assert posterior["high"].iloc[-1] == fit.table.n_observed + fit.support[1]
    assert 0 < fit.tail_mass < 1e-9
    assert fit.population.interval_kind == "credible"


def test_draws_come_from_the_posterior(fit) -> None:
    draws = fit.population.draws
    assert draws.size == 4000
    totals = fit.posterior["high"].to_numpy(float)
    cumulative = fit.posterior["probability"].cumsum().to_numpy()

    def distribution_function(x):
        return np.interp(x, totals, cumulative)

    assert kstest(draws, distribution_function).pvalue > RARE
    assert (mse.DecomposableGraphs().fit(fit.table).population.draws == draws).all()
    other = mse.DecomposableGraphs(seed=2, draws=500, chains=2).fit(fit.table).population
    assert other.draws.size == 1000
    assert other.total == fit.population.total


def test_graphs_and_edges_tell_the_same(fit) -> None:
    graphs, edges = fit.graphs, fit.edges
    assert len(graphs) == 61
    assert graphs["probability"].is_monotonic_decreasing
    assert graphs["probability"].sum() == pytest.approx(1.0)
    assert graphs.loc[0, "model"] == "[123,134]"
    assert (graphs["low"] <= graphs["median"]).all()
    assert (graphs["median"] <= graphs["high"]).all()
    complete = graphs.set_index("model").loc["[1234]"]
    assert not complete["bounded"]
    assert fit.unbounded == pytest.approx(graphs["probability"][~graphs["bounded"]].sum())
    names = fit.table.lists
    assert edges.index[0] == f"{names[0]}:{names[1]}"
    with_first_pair = graphs["model"].str.contains("12")
    expected = graphs["probability"][with_first_pair].sum()
    assert edges["probability"].iloc[0] == pytest.approx(expected)
    assert 0.4 < edges["prior"].iloc[0] < 0.5
    joined = fit.chains.flat("joined").mean(axis=0)
    assert joined == pytest.approx(edges["probability"].to_numpy(), abs=0.05)


def test_words(fit) -> None:
    first = fit.summary().splitlines()[0]
    assert first.startswith("61 decomposable graphs summed over; most probable: [123,134] 98.6%")
    assert "decomposable graph" in " ".join(fit.population.assumptions)
    assert repr(fit) == "<DecomposableGraphsFit: ok>"
    assert share(1.0) == "more than 99.9%"


def test_fits_can_be_sent_elsewhere(fit, kosovo) -> None:
    for each in (fit, mse.DecomposableGraphs(prior=around).fit(kosovo)):
        back = pickle.loads(pickle.dumps(each))  # noqa: S301
        assert back.population.interval() == each.population.interval()
        assert back.graphs.equals(each.graphs)


# Priors -------------------------------------------------------------------------------------------


def test_the_complete_graph_can_be_left_out() -> None:
    korea = mse.load_dataset("korea")
    with_it = mse.DecomposableGraphs().fit(korea)
    without = mse.DecomposableGraphs(complete=False).fit(korea)
    assert "[123]" in set(with_it.graphs["model"])
    assert "[123]" not in set(without.graphs["model"])
    kept = with_it.graphs.set_index("model")["probability"].drop("[123]")
    left = without.graphs.set_index("model")["probability"]
    assert left[kept.index].to_numpy() == pytest.approx((kept / kept.sum()).to_numpy(), rel=1e-6)
    assert without.population.interval()[1] < with_it.population.interval()[1]
    assert any("do not bound the total" in each for each in with_it.population.warnings)


def test_sparser_graphs_by_edge_probability(kosovo) -> None:
    edges = mse.DecomposableGraphs(edge_probability=0.1).fit(kosovo).edges
    assert (edges["prior"] < 0.1).all()
    even = mse.DecomposableGraphs().fit(kosovo).graphs.set_index("model")["probability"]
    odd = mse.DecomposableGraphs(edge_probability=0.1).fit(kosovo).graphs
    odd = odd.set_index("model")["probability"]
    # [123,34] has one edge fewer than [123,134]: its odds grow by 9.
    ratio = (odd["[123,34]"] / odd["[123,134]"]) / (even["[123,34]"] / even["[123,134]"])
    assert ratio == pytest.approx(9.0, rel=1e-6)


def test_priors_of_the_total(kosovo) -> None:
    bounded = {"hidden_max": 40_000}
    reciprocal = mse.DecomposableGraphs(**bounded).fit(kosovo)
    asked = mse.DecomposableGraphs(prior=lambda total: 3.0 - np.log(total), **bounded).fit(kosovo)
    assert asked.population.interval() == reciprocal.population.interval()
    uniform = mse.DecomposableGraphs(prior="uniform", **bounded).fit(kosovo)
    flat = mse.DecomposableGraphs(prior=np.zeros_like, **bounded).fit(kosovo)
    assert flat.population.interval() == uniform.population.interval()
    assert uniform.population.total > reciprocal.population.total
    informed = mse.DecomposableGraphs(prior=around).fit(kosovo)
    assert informed.population.total < reciprocal.population.total
    assert informed.tail_mass < 1e-9
    low, high = informed.population.interval()
    wide = reciprocal.population.interval()
    assert high - low < wide[1] - wide[0]


def test_a_prior_with_a_sharp_peak_is_resolved(kosovo) -> None:
    def sharp(total):
        return norm.logpdf(total, 9000.0, 40.0)

    everywhere = mse.DecomposableGraphs(prior=sharp).fit(kosovo)
    every_integer = mse.DecomposableGraphs(prior=sharp, hidden_max=20_000).fit(kosovo)
    assert everywhere.population.interval() == every_integer.population.interval()
    assert everywhere.graphs["probability"].to_numpy() == pytest.approx(
        every_integer.graphs["probability"].to_numpy(), rel=1e-8, abs=1e-20
    )


def test_priors_that_cannot_be_used(kosovo) -> None:
    def stepped(total):
        return np.where(total > 9000, 0.0, -3.0)

    def short(_total):
        return np.zeros(3)

    with pytest.raises(
        mse.ModelError, match=r"not smooth between N = .* hidden_from and hidden_max"
    ):
        mse.DecomposableGraphs(prior=stepped).fit(kosovo)
    with pytest.raises(mse.ModelError, match="finite number for every total"):
        mse.DecomposableGraphs(prior=lambda total: -np.inf * total).fit(kosovo)
    with pytest.raises(mse.ModelError, match=r"gave shape \(3,\)"):
        mse.DecomposableGraphs(prior=short).fit(kosovo)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delta": 0.0}, "delta=0.0: expected a positive number"),
        ({"delta": float("nan")}, "delta=nan"),
        ({"edge_probability": 1.0}, "edge_probability=1.0: expected"),
        ({"prior": "jeffreys"}, "'reciprocal', 'uniform' or a function"),
        ({"prior": "uniform"}, "no posterior is proper"),
        ({"hidden_from": -1}, "bounded to -1 to None"),
        ({"hidden_from": 10, "hidden_max": 5}, "bounded to 10 to 5"),
        ({"hidden_max": FARTHEST}, "whole numbers with 0 <= hidden_from"),
        ({"hidden_max": 99.5}, "bounded to 0 to 99.5"),
        ({"draws": 50}, "draws=50: expected a whole number, 100 or more"),
        ({"chains": 0}, "chains=0"),
    ],
)
def test_settings_that_make_no_sense(settings, message) -> None:
    with pytest.raises(mse.ModelError, match=message):
        mse.DecomposableGraphs(**settings)


# Support ------------------------------------------------------------------------------------------


def test_a_bound_that_cuts_off_probability_is_reported() -> None:
    fit = mse.DecomposableGraphs(hidden_max=20_000).fit(mse.load_dataset("uk_5"))
    assert fit.support == (0, 20_000)
    assert fit.tail_mass == pytest.approx(0.5168, abs=1e-3)
    assert any("51.7% of the posterior probability" in each for each in fit.population.warnings)
    free = mse.DecomposableGraphs().fit(mse.load_dataset("uk_5"))
    assert not free.population.warnings
    above = free.posterior["probability"][free.posterior["low"] > 20_000 + 2744].sum()
    assert above == pytest.approx(fit.tail_mass, abs=1e-3)


def test_support_may_start_above_zero() -> None:
    korea = mse.load_dataset("korea")
    fit = mse.DecomposableGraphs(hidden_from=1).fit(korea)
    assert fit.posterior["low"][0] == 124
    assert fit.population.total > mse.DecomposableGraphs().fit(korea).population.total


# No answer ----------------------------------------------------------------------------------------


def test_lists_without_overlap_determine_nothing() -> None:
    table = table_of({"100": 40, "010": 30, "001": 50})
    fit = mse.DecomposableGraphs().fit(table)
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")
    assert fit.unbounded == pytest.approx(1.0)
    p = fit.population
    assert np.isnan(p.total)
    assert p.draws is None
    assert "no overlap that was seen speaks against any total" in p.reason
    assert "More persons on several lists are needed" in p.reason
    # The posterior itself is there to look at.
    assert fit.graphs["probability"].sum() == pytest.approx(1.0)
    without = mse.DecomposableGraphs(complete=False).fit(table)
    assert without.status == "not_estimable"


def test_where_the_complete_graph_has_most_of_the_probability() -> None:
    table = mse.load_dataset("hepatitis_a")
    fit = mse.DecomposableGraphs().fit(table)
    assert (fit.status, fit.limit) == ("not_estimable", "indeterminate")
    assert "complete=False leaves it out" in fit.reason
    assert mse.DecomposableGraphs(complete=False).fit(table).status == "ok"


def test_nobody_at_all(kosovo) -> None:
    fit = mse.DecomposableGraphs().fit(kosovo.with_counts(np.zeros_like(kosovo.counts)))
    assert (fit.status, fit.limit, fit.reason) == (
        "not_estimable",
        "indeterminate",
        "Nobody is on any list.",
    )
    assert fit.population.observed == 0
    assert fit.summary()
    with pytest.raises(mse.ModelError, match="no posterior: Nobody"):
        _ = fit.graphs


def test_a_posterior_that_is_not_proper() -> None:
    uk = mse.load_dataset("uk_5")  # nobody is on LA and GP alone
    fit = mse.DecomposableGraphs(prior="uniform", complete=False).fit(uk)
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")
    assert "do not add up to a finite number" in fit.reason
    assert fit.tail_mass == 1.0
    bounded = mse.DecomposableGraphs(prior="uniform", complete=False, hidden_max=50_000).fit(uk)
    assert bounded.status == "ok"
    assert any("more than 99.9% of the posterior" in each for each in bounded.population.warnings)
    kosovo = mse.load_dataset("kosovo")
    assert mse.DecomposableGraphs(prior="uniform", complete=False).fit(kosovo).status == "ok"
    heavy = mse.DecomposableGraphs(prior="uniform", delta=0.5).fit(kosovo)
    assert heavy.status == "ok"


def test_tables_of_another_kind() -> None:
    with pytest.raises(mse.ModelError, match=r"takes no covariates .* table\.by"):
        mse.DecomposableGraphs().fit(mse.load_dataset("spina_bifida"))
    margins = mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
    with pytest.raises(mse.ModelError, match="every count and every list membership"):
        mse.DecomposableGraphs().fit(margins)
    with pytest.raises(mse.ModelError, match="exact=True sums over all graphs of at most 7 lists"):
        mse.DecomposableGraphs(exact=True).fit(mse.load_dataset("new_orleans"))
    many = mse.CaptureTable.from_counts(
        {"1" * 21: 3, "1" + "0" * 20: 4}, lists=list("ABCDEFGHIJKLMNOPQRSTU")
    )
    with pytest.raises(mse.ModelError, match="has 21 lists"):
        mse.DecomposableGraphs().fit(many)


def test_a_list_with_nobody_on_it() -> None:
    korea = mse.load_dataset("korea")
    counts = np.zeros((2, 2, 2, 2), dtype=np.int64)
    counts[..., 0] = korea.counts
    somebody = mse.CaptureTable.from_counts({"1111": 1}, lists=[*korea.lists, "none"])
    table = somebody.with_counts(counts)
    fit = mse.DecomposableGraphs().fit(table)
    assert fit.status == "ok"
    assert (fit.edges.filter(like="none", axis=0)["probability"] < fit.edges["prior"].min()).all()


# Chains -------------------------------------------------------------------------------------------


@pytest.mark.mcmc
def test_chains_agree_with_the_sum_over_all_graphs() -> None:
    table = mse.load_dataset("australia")
    exact = mse.DecomposableGraphs().fit(table)
    settings = mse.DecomposableGraphs(exact=False, draws=1500, chains=2)
    fit = settings.fit(table)
    assert fit.status == "ok"
    assert fit.diagnostics.loc["log N", "r_hat"] < 1.02
    assert fit.diagnostics.loc["log N", "ess_bulk"] > 500
    # Sums over the graphs that were visited are no less exact than draws.
    draws = np.log(fit.chains.draws["N"])
    for p, found, known in (
        (0.025, fit.population.interval()[0], exact.population.interval()[0]),
        (0.5, fit.population.total, exact.population.total),
        (0.975, fit.population.interval()[1], exact.population.interval()[1]),
    ):
        assert abs(np.log(found / known)) <= FAR * error_of_quantile(draws, p)
    joined = [error_of_mean(each) for each in np.moveaxis(fit.chains.draws["joined"], 2, 0)]
    away = fit.edges["probability"] - exact.edges["probability"]
    assert (away.abs() <= FAR * np.array(joined) + 1e-3).all()
    assert fit.edges["prior"].isna().all()
    assert fit.graphs["model"][0] == exact.graphs["model"][0]
    assert fit.graphs["median"][0] == exact.graphs["median"][0]
    assert "visited by chains" in fit.summary()
    again = settings.fit(table)
    assert (again.population.draws == fit.population.draws).all()
    assert again.population.interval() == fit.population.interval()
    check = fit.posterior_predictive(200)
    assert check.p_value > 0.01
    expected = mse.DecomposableGraphs(hidden_max=3000).fit(table)
    bounded = [
        mse.DecomposableGraphs(exact=False, hidden_max=3000, draws=1500, chains=2, seed=seed)
        for seed in range(6)
    ]
    # One chain is off by 9 % of it: a few graphs have nearly all of what lies beyond.
    found = [each.fit(table) for each in bounded]
    beyond = np.mean([each.tail_mass for each in found])
    assert beyond == pytest.approx(expected.tail_mass, rel=FAR * 0.09 / math.sqrt(6))
    assert found[0].posterior["high"].max() == 3000 + table.n_observed


@pytest.mark.mcmc
def test_eight_lists_are_sampled() -> None:
    table = mse.load_dataset("new_orleans")
    fit = mse.DecomposableGraphs(draws=300, chains=2).fit(table)
    assert fit.status == "ok"
    assert 800 < fit.population.total < 1100
    assert len(fit.edges) == 28
    assert fit.chains.stats["lp"].shape == (2, 300)


@pytest.mark.mcmc
def test_chains_that_are_too_short_say_so() -> None:
    table = mse.load_dataset("australia")
    with pytest.warns(mse.ConvergenceWarning, match="effective draws|different places"):
        mse.DecomposableGraphs(exact=False, draws=100, chains=1).fit(table)


# Checks -------------------------------------------------------------------------------------------


def test_predicted_histories(fit) -> None:
    check = fit.posterior_predictive(500, seed=3)
    frame = check.to_frame()
    assert len(frame) == 15
    assert check.p_value > 0.05
    assert frame["expected"].to_numpy() == pytest.approx(
        frame["observed"].to_numpy(), rel=0.15, abs=6
    )
    again = fit.posterior_predictive(500, seed=3)
    assert (again.replicated == check.replicated).all()
    with pytest.raises(mse.ModelError, match="Ask for fewer draws"):
        fit.posterior_predictive(10**8)


def test_a_table_that_the_graphs_do_not_predict() -> None:
    # Two kinds of persons: all lists depend on each other, and the complete graph is left out.
    # In one world of ten some graph meets the table all the same.
    found = []
    for seed in range(7):
        rng = np.random.default_rng(seed)
        chances = np.where(rng.random(20_000) < 0.4, 0.7, 0.1)[:, None]
        x = rng.random((20_000, 4)) < chances
        counts = np.bincount(x[x.any(axis=1)] @ (8, 4, 2, 1), minlength=16)
        table = mse.CaptureTable.from_array(counts.reshape(2, 2, 2, 2), list("ABCD"))
        fit = mse.DecomposableGraphs(complete=False).fit(table)
        found.append(fit.posterior_predictive(300).p_value)
    assert np.median(found) < 0.05


def test_prior_sensitivity(fit) -> None:
    frame = fit.prior_sensitivity().to_frame()
    assert frame.index[0] == "as asked for"
    assert frame.loc["as asked for", "total"] == fit.population.total
    assert {"delta half as large", "complete graph left out"} <= set(frame.index)
    assert "uniform prior of N, complete graph left out" in frame.index
    assert (frame["status"] == "ok").all()
    without = mse.DecomposableGraphs(complete=False, hidden_max=40_000, prior="uniform")
    other = without.fit(fit.table).prior_sensitivity().to_frame()
    assert {"complete graph taken in", "prior of N proportional to 1/N"} <= set(other.index)
    bounded = mse.DecomposableGraphs(complete=False).fit(fit.table).prior_sensitivity().to_frame()
    assert {"complete graph taken in", "uniform prior of N"} <= set(bounded.index)


def test_arviz(fit) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        data = fit.to_arviz()
    posterior = data["posterior"]
    assert posterior["N"].shape == (4, 1000)
    assert posterior["joined"].dims[-1] == "pair"
    assert list(posterior["pair"].values) == list(fit.edges.index)


# Calibration: benchmarks/sbc_decomposable.py is the long version ----------------------------------


@pytest.mark.mcmc
@pytest.mark.parametrize(("n_lists", "worlds"), [(3, 200), (4, 100)])
def test_ranks_of_true_totals_are_uniform(n_lists, worlds) -> None:
    found = calibrate(n_lists, worlds, mse.DecomposableGraphs())
    assert found["hidden"]["p_value"] > RARE
    assert found["hidden"]["p_value_ks"] > RARE
    assert found["pairs"]["p_value"] > RARE


@pytest.mark.mcmc
def test_a_wrong_posterior_fails_the_same_test() -> None:
    heavy = calibrate(3, 200, mse.DecomposableGraphs(delta=2.0))
    assert heavy["hidden"]["p_value_ks"] < 1e-3
    independent = calibrate(3, 400, mse.DecomposableGraphs(edge_probability=1e-12))
    assert independent["hidden"]["p_value_ks"] < 1e-3
