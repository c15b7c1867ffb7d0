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
