"""One register: figures of singleRcapture, of statsmodels, and of formulas by hand."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mse

VALUES = Path(__file__).parent / "values"
STORED: dict[str, Any] = json.loads((VALUES / "single_register.json").read_text(encoding="utf-8"))
ROWS = STORED["rows"]
#: Where that program leaves weights out of the variance, see `SingleRegister`.
AS_THERE = {"oiztgeom", "zotgeom"}

pytestmark = pytest.mark.reference


@cache
def table_of(data: str) -> mse.CountTable:
    if data == "migrants":
        return mse.load_dataset("irregular_migrants")
    frame = pd.read_csv(VALUES / "farm_submissions.csv")
    return mse.CountTable.from_frame(frame, "submissions", ["log_size", "log_distance", "kind"])


def fit_of(row: dict[str, Any], **settings: Any) -> Any:
    estimator = mse.SingleRegister(row["family"], row["formula"], row["inflation"], **settings)
    return estimator.fit(table_of(row["data"]))


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row['code']}-{row['formula']}-{row['data']}"
)
class TestEachRow:
    def test_total_and_likelihood(self, row: dict[str, Any]) -> None:
        fit = fit_of(row)
        assert fit.population.total == pytest.approx(row["total"], rel=1e-5)
        assert fit.log_likelihood == pytest.approx(row["log_likelihood"], abs=1e-4)
        assert fit.aic == pytest.approx(row["aic"], abs=2e-4)

    def test_intervals(self, row: dict[str, Any]) -> None:
        there = {"variance": "singleRcapture"} if row["code"] in AS_THERE else {}
        for kind in ("normal", "lognormal"):
            fit = fit_of(row, interval=kind, **there)
            assert fit.population.interval_kind == kind
            assert fit.population.interval(0.95) == pytest.approx(row[f"{kind}_95"], rel=1e-4)
        assert fit.variance == pytest.approx(row["variance"], rel=2e-4)

    def test_coefficients(self, row: dict[str, Any]) -> None:
        # That program stops at 1e-8 of its deviance.
        found = fit_of(row).coefficients["estimate"]
        assert found.tolist() == pytest.approx(row["coefficients"], abs=2e-4)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["code"] in AS_THERE], ids=lambda r: r["formula"]
)
def test_the_variance_has_weights(row: dict[str, Any]) -> None:
    # Of who was seen: sum of q / p^2 over those in the shape, as for every other family.
    fit, there = fit_of(row), fit_of(row, variance="singleRcapture")
    assert fit.variance > there.variance


def _by_finite_differences(inflation: str) -> tuple[float, float, float]:
    """Variance of the geometric total from formulas by hand: of the parameters, and of who was seen with and without weights."""
    times, persons = map(np.array, zip(*table_of("migrants").frequencies.items(), strict=True))
    n, more = persons.sum(), persons[times > 1].sum()

    def chances(theta: np.ndarray) -> tuple[float, float, np.ndarray]:
        share = np.exp(theta[0]) / (1 + np.exp(theta[0]))
        f = (1 - share) * share ** np.append(0, times)
        return f[0], (1 - share) * share, f[1:]

    def likelihood(theta: np.ndarray) -> float:
        f0, f1, f = chances(theta)
        if inflation == "zero_one":
            return float(np.sum((persons * np.log(f / (1 - f0 - f1)))[times > 1]))
        ones = 1 / (1 + np.exp(-theta[1]))
        seen = np.where(times == 1, ones, 0) + (1 - ones) * f
        return float(np.sum(persons * np.log(seen / (1 - (1 - ones) * f0))))

    def total(theta: np.ndarray) -> float:
        f0, f1, _ = chances(theta)
        if inflation == "zero_one":
            return float(n + more * f0 / (1 - f0 - f1))
        return float(n / (1 - f0 / (1 + np.exp(theta[1]))))

    size = 1 if inflation == "zero_one" else 2
    fit = mse.SingleRegister("geometric", inflation=inflation).fit(table_of("migrants"))  # type: ignore[arg-type]
    theta = fit.coefficients["estimate"].to_numpy()[:size]
    steps = 1e-4 * np.eye(size)
    slope = np.array([(total(theta + h) - total(theta - h)) / 2e-4 for h in steps])
    bend = (
        np.array(
            [
                [
                    likelihood(theta + g + h)
                    - likelihood(theta + g - h)
                    - likelihood(theta - g + h)
                    + likelihood(theta - g - h)
                    for h in steps
                ]
                for g in steps
            ]
        )
        / 4e-8
    )
    fitted = float(slope @ np.linalg.solve(-bend, slope))
    assert fit.population.total == pytest.approx(total(theta), rel=1e-8)
    f0, f1, _ = chances(theta)
    if inflation == "zero_one":
        stands = (1 - f1) / (1 - f0 - f1)
        return fitted, more * (f0 + f1) * stands**2, total(theta) - n + more
    hidden = f0 / (1 + np.exp(theta[1]))
    return fitted, n * hidden / (1 - hidden) ** 2, n * hidden / (1 - hidden)


@pytest.mark.parametrize("inflation", ["before", "zero_one"])
def test_which_part_of_the_variance_has_no_weights_there(inflation: str) -> None:
    fitted, weighted, bare = _by_finite_differences(inflation)
    for variance, sampled in (("complete", weighted), ("singleRcapture", bare)):
        settings: Any = {"inflation": inflation, "variance": variance}
        found = mse.SingleRegister("geometric", **settings).fit(table_of("migrants"))
        assert found.variance == pytest.approx(fitted + sampled, rel=1e-4)


def test_the_weighted_part_is_the_variance_of_who_is_seen() -> None:
    # Of N persons n are seen, each with chance p; then n / p varies by N q / p. What is estimated of it is linear in n.
    table = table_of("migrants")
    fit = mse.SingleRegister("geometric", inflation="before").fit(table)
    n, N = table.n_observed, fit.population.total
    p = n / N
    rng = np.random.default_rng(1)
    varied = float(np.var(rng.binomial(round(N), p, 400_000) / p))
    _, weighted, bare = _by_finite_differences("before")
    # Monte Carlo error of a variance from so many draws: 0.2 %.
    assert weighted == pytest.approx(varied, rel=0.01)
    assert bare < 0.5 * varied


def test_closed_forms() -> None:
    table = table_of("migrants")
    plain = mse.SingleRegister("one_inflated_chao", bias_corrected=False).fit(table).population
    assert plain.total == pytest.approx(1880 + 2 / 9 * 183**3 / 37**2)
    assert plain.total == pytest.approx(2874.8, abs=0.05)
    corrected = mse.SingleRegister("one_inflated_chao").fit(table).population
    assert round(corrected.total) == 2784
    assert corrected.lower_bound
    chao = mse.SingleRegister("chao").fit(table).population
    assert chao.total == pytest.approx(1880 + 1645**2 / (2 * 183))


def test_the_negative_binomial_at_its_edge_is_a_status() -> None:
    fit = mse.SingleRegister("negative_binomial").fit(table_of("migrants"))
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")
    assert np.isnan(fit.population.total)
    assert "infinitely many" in fit.reason


@pytest.mark.parametrize(("family", "alpha"), [("poisson", False), ("negative_binomial", True)])
@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.ConvergenceWarning")
def test_statsmodels_fits_the_same(family: str, alpha: bool) -> None:
    from statsmodels.discrete.truncated_model import (
        TruncatedLFNegativeBinomialP,
        TruncatedLFPoisson,
    )

    rng = np.random.default_rng(5)
    x = rng.normal(size=4000)
    mean = np.exp(0.3 + 0.5 * x)
    times = rng.poisson(mean * rng.gamma(1.5, 1 / 1.5, x.size) if alpha else mean)
    seen = times > 0
    frame = pd.DataFrame({"times": times[seen], "x": x[seen]})
    ours = mse.SingleRegister(family, "x").fit(mse.CountTable.from_frame(frame, "times", ["x"]))  # type: ignore[arg-type]
    kind = TruncatedLFNegativeBinomialP if alpha else TruncatedLFPoisson
    design = np.column_stack([np.ones(seen.sum()), frame["x"]])
    theirs = kind(frame["times"].to_numpy(), design).fit(
        disp=0, maxiter=500, method="bfgs", gtol=1e-8
    )
    assert ours.log_likelihood == pytest.approx(theirs.llf, abs=1e-4)
    found = ours.coefficients["estimate"].to_numpy()
    if alpha:
        found = np.append(found[:2], np.exp(found[2]))
    assert found == pytest.approx(theirs.params, abs=2e-3)
