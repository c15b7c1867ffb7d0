"""What Bayesian fits share: draws to an answer, diagnostics, checks, ArviZ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import mse
from mse.bayes.chains import Chains, concern, diagnose, disagreement
from mse.bayes.fit import BayesianFit, Undetermined, announce, shared_out
from mse.bayes.intervals import CredibleInterval, GridInterval


@dataclass(frozen=True)
class Guess:
    """Lognormal draws around a centre: an estimator without a likelihood."""

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
    method = "guess"

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
    assert p.interval(0.9) == tuple(np.quantile(draws, [0.05, 0.95]))
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


def test_strata_without_a_median_share_the_rest_evenly() -> None:
    assert shared_out(3.0, np.array([[0.0, 9.0], [0.0, 0.0], [0.0, 0.0]])).tolist() == [1.5, 1.5]


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
