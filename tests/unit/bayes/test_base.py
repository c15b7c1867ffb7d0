"""What Bayesian fits share: draws to an answer, diagnostics, checks, ArviZ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import mse
from mse.answer.method import Method
from mse.bayes.base import (
    BayesianFit,
    Chains,
    CredibleInterval,
    GridInterval,
    Undetermined,
    announce,
    concern,
    diagnose,
    disagreement,
    shared_out,
)


@dataclass(frozen=True)
class Guess:
    """Lognormal draws around a centre: an estimator without a likelihood."""

    method = Method("guess")

    centre: float = 100.0
    spread: float = 0.0
    draws: int = 500

    def fit(self, table: mse.CaptureTable) -> GuessFit:
        rng = np.random.default_rng(1)
        size = (4, self.draws, table.n_strata)
        hidden = self.centre * rng.lognormal(0.0, 0.2, size)
        hidden *= np.exp(self.spread * np.arange(4))[:, None, None]
        totals = hidden.sum(axis=2) + table.n_observed
        chains = Chains(
            {"N": totals, "hidden": hidden},
            coords={"stratum": range(table.n_strata)},
            dims={"hidden": ("stratum",)},
            stats={"accepted": np.ones(size[:2])},
        )
        return announce(GuessFit(self, table, chains))


@dataclass(frozen=True, eq=False, repr=False)
class GuessFit(BayesianFit):
    estimator: Guess
    table: mse.CaptureTable
    drawn: Chains

    @property
    def chains(self) -> Chains:
        return self.drawn

    def _predict(self, size, rng):
        return rng.poisson(np.maximum(self.table.counts.ravel(), 0.1), (size, self.table.n_cells))

    def _other_priors(self):
        return {"another centre": Guess(centre=200.0)}


@pytest.fixture
def fit():
    return Guess().fit(mse.load_dataset("kosovo"))


def test_point_is_the_median_and_interval_holds_quantiles(fit) -> None:
    draws = fit.chains.flat("N")
    p = fit.population
    assert p.total == np.median(draws)
    assert p.interval(0.9) == pytest.approx(tuple(np.quantile(draws, [0.05, 0.95])), rel=1e-12)
    assert p.interval_kind == "credible"
    assert (p.draws == draws).all()


def test_strata_add_up_to_the_median_of_the_total() -> None:
    p = Guess().fit(mse.load_dataset("spina_bifida")).population
    assert p.by["total"].sum() == pytest.approx(p.total)
    assert (p.by["low"] < p.by["total"]).all()
    assert (p.by["total"] < p.by["high"]).all()
    assert p.stratum_draws.sum(axis=1).to_numpy() == pytest.approx(p.draws)
    back = mse.PopulationEstimate.from_json(p.to_json())
    assert back.by["total"].tolist() == pytest.approx(p.by["total"].tolist())


def inside(points: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    low, high = np.quantile(hidden, [0.025, 0.975], axis=0, method="inverted_cdf")
    return (points >= low) & (points <= high)


def test_points_of_many_small_strata_are_scaled_means() -> None:
    # Two cities of 100 and 300 places of .6 hidden: medians of the places are 0 and their sum is 180.
    rng = np.random.default_rng(1)
    hidden = rng.poisson([100.0] * 2 + [0.6] * 300, (4000, 302)).astype(float)
    total = float(np.median(hidden.sum(axis=1)))
    points = shared_out(total, hidden)
    assert points.sum() == pytest.approx(total)
    # Means of 4,000 draws have standard errors of 0.16 and 0.012; five of them, over 302 strata.
    assert points[:2] == pytest.approx([100.0, 100.0], abs=5 * 0.16 + 0.5)
    assert points[2:] == pytest.approx(0.6, abs=5 * 0.0125)
    assert inside(points, hidden).all()
    means = hidden.mean(axis=0)
    assert points == pytest.approx(means * total / means.sum())


def test_a_stratum_of_infinite_mean_leaves_the_others_alone() -> None:
    # Cauchy-like tails: the mean of the draws is far above all but few of them.
    rng = np.random.default_rng(2)
    wild = 500.0 * np.exp(np.minimum(3.0 * rng.standard_t(2, 4000), 500.0))
    hidden = np.column_stack([rng.poisson(100.0, 4000), rng.poisson(40.0, 4000), wild])
    total = float(np.median(hidden.sum(axis=1)))
    points = shared_out(total, hidden)
    assert points.sum() == pytest.approx(total)
    assert inside(points, hidden).all()
    assert points[:2] == pytest.approx([100.0, 40.0], rel=0.15)
    with_infinity = np.where(wild > np.quantile(wild, 0.999), np.inf, wild)
    hidden[:, 2] = with_infinity
    again = shared_out(float(np.median(hidden.sum(axis=1))), hidden)
    assert again == pytest.approx(points, rel=1e-9)


def test_rare_events_keep_their_share_and_their_interval() -> None:
    # 1,000 places in which one draw of 50 has a person: each has the interval 0 to 0.
    class Places(GuessFit):
        pass

    rng = np.random.default_rng(3)
    hidden = rng.poisson([100.0] * 2 + [0.02] * 1000, (4, 500, 1002)).astype(float)
    counts = np.zeros((2, 2, 1002), dtype=int)
    counts[1, 1] = 1
    places = {"place": [f"p{i}" for i in range(1002)]}
    table = mse.CaptureTable.from_array(counts, ["a", "b"], places)
    chains = Chains({"N": hidden.sum(axis=2) + table.n_observed, "hidden": hidden})
    p = Places(Guess(), table, chains).population
    by = p.by
    assert by["total"].sum() == pytest.approx(p.total)
    assert by["hidden"][:2].tolist() == pytest.approx([100.0, 100.0], abs=3)
    assert by["hidden"][2:].sum() == pytest.approx(20.0, abs=1.5)
    assert (by["low"] <= by["total"]).all()
    assert (by["total"] <= by["high"]).all()
    assert (by["high"][2:] < 3).all()


def test_no_draw_with_a_hidden_person_gives_points_of_zero() -> None:
    assert shared_out(0.0, np.zeros((5, 3))).tolist() == [0.0, 0.0, 0.0]
    assert shared_out(0.0, np.array([[0.0, 9.0], [0.0, 0.0], [0.0, 0.0]])).tolist() == [0.0, 0.0]


def test_strata_left_to_the_prior_have_no_estimate_and_the_others_keep_theirs() -> None:
    class Partly(GuessFit):
        @property
        def _lost(self):
            return {1: "indeterminate"}

    whole = Guess().fit(mse.load_dataset("spina_bifida"))
    p = Partly(whole.estimator, whole.table, whole.drawn).population
    assert (p.status, p.limit) == ("not_estimable", "indeterminate")
    assert np.isnan([p.total, *p.interval()]).all()
    assert "Nobody was observed in" in p.reason
    kept = p.by["status"] == "ok"
    assert (~kept).sum() == 1
    assert p.by.loc[~kept, ["hidden", "low", "high"]].isna().all(axis=None)
    assert (p.by.loc[kept, "low"] < p.by.loc[kept, "total"]).all()
    assert p.stratum_draws.iloc[:, 1].isna().all()
    back = mse.PopulationEstimate.from_json(p.to_json(draws=True))
    assert back.by["total"].tolist() == pytest.approx(p.by["total"].tolist(), nan_ok=True)


def test_chains_that_agree_raise_no_concern(fit) -> None:
    row = fit.diagnostics.loc["log N"]
    assert row["r_hat"] < 1.01
    assert row["ess_bulk"] > 1000
    assert not concern(fit.diagnostics)
    assert fit.population.warnings == ()


def test_chains_apart_give_a_status_and_no_number() -> None:
    with pytest.warns(mse.ConvergenceWarning, match="different places"):
        fit = Guess(spread=0.5).fit(mse.load_dataset("kosovo"))
    p = fit.population
    assert p.status == "not_converged"
    assert np.isnan([p.total, *p.interval()]).all()
    assert p.draws is None
    assert "R-hat" in p.reason


def test_few_draws_are_named() -> None:
    with pytest.warns(mse.ConvergenceWarning, match=r"effective draws \(at least 400"):
        fit = Guess(draws=50).fit(mse.load_dataset("kosovo"))
    assert fit.population.status == "ok"
    assert "more draws" in fit.population.warnings[0]


def test_constant_draws_are_not_diagnosed() -> None:
    chains = Chains({"N": np.full((4, 100), 7.0), "hidden": np.zeros((4, 100, 1))})
    row = diagnose(chains, ["log N"]).loc["log N"]
    assert row.isna().all()
    assert not disagreement(diagnose(chains, ["log N"]))


def test_undetermined_fit_has_no_number(fit) -> None:
    class Silent(GuessFit):
        @property
        def _undetermined(self):
            return Undetermined("indeterminate", "The lists share nobody.")

    p = Silent(fit.estimator, fit.table, fit.drawn).population
    assert (p.status, p.limit, p.reason) == (
        "not_estimable",
        "indeterminate",
        "The lists share nobody.",
    )
    assert np.isnan(p.total)


def test_predictive_check_by_history(fit) -> None:
    check = fit.posterior_predictive(draws=400, seed=3)
    frame = check.to_frame()
    assert len(frame) == 15
    assert (frame["low"] <= frame["expected"]).all()
    assert check.p_value > 0.2
    assert "look like the observed one" in check.summary()
    assert (fit.posterior_predictive(draws=400, seed=3).replicated == check.replicated).all()


def test_predictive_check_finds_a_wrong_model(fit) -> None:
    class Flat(GuessFit):
        def _predict(self, size, rng):
            n = self.table.n_cells
            return rng.poisson(self.table.n_observed / n, (size, n))

    check = Flat(fit.estimator, fit.table, fit.drawn).posterior_predictive()
    assert check.p_value == 0.0
    assert "seldom" in check.summary()


def test_prior_sensitivity_starts_with_the_prior_asked_for(fit) -> None:
    frame = fit.prior_sensitivity().to_frame()
    assert frame.index.tolist() == ["as asked for", "another centre"]
    assert frame["total"].iloc[0] == fit.population.total
    assert frame["total"].iloc[1] > frame["total"].iloc[0]
    assert "95% interval" in fit.prior_sensitivity({"wide": Guess(spread=0.01)}).summary()


def test_arviz_holds_the_draws(fit) -> None:
    data = fit.to_arviz()
    posterior = data["posterior"]
    assert posterior["N"].shape == (4, 500)
    assert posterior["hidden"].dims == ("chain", "draw", "stratum")
    assert float(posterior["N"].median()) == fit.population.total
    assert data["sample_stats"]["accepted"].shape == (4, 500)
    assert int(data["observed_data"]["counts"].sum()) == fit.table.n_observed
    assert "estimator" in data.attrs


def test_intervals_from_draws_and_from_a_grid_agree() -> None:
    totals = np.arange(1.0, 1001.0)
    grid = GridInterval(totals, np.cumsum(np.full(1000, 0.001)))
    drawn = CredibleInterval(totals)
    assert grid.interval(0.5) == pytest.approx(drawn.interval(0.5), abs=1.5)
    assert grid.kind == drawn.kind == "credible"
    with pytest.raises(mse.ModelError):
        grid.interval(1.0)
