"""Log-linear models over lists and covariates, against figures computed in R.

The synthetic table is in ``values/joint_example.csv``. Tolerances: totals 1e-6 relative (R's ``glm``
stops at 1e-8 in the deviance), steps of a path as printed, to 0.1.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mse

VALUES = Path(__file__).parent / "values"
REFERENCE = json.loads((VALUES / "joint.json").read_text())


@pytest.fixture(scope="module")
def synthetic() -> mse.CaptureTable:
    frame = pd.read_csv(VALUES / "joint_example.csv")
    return mse.CaptureTable.from_frame(
        frame[frame["n"] > 0], lists=list("ABCD"), covariates=["year", "sex", "form"], count="n"
    )


@pytest.mark.parametrize("row", REFERENCE["synthetic"], ids=lambda row: f"trend={row['trend']}")
def test_stepwise_path(row: dict, synthetic) -> None:
    fit = mse.LogLinearSearch(strategy="stepwise", trend=row["trend"]).fit(synthetic)
    path = fit.path
    assert path["change"].tolist() == ["start", *(step for step, _ in row["path"][1:])]
    assert path["total"].tolist() == pytest.approx([t for _, t in row["path"]], abs=0.051)
    assert fit.population.total == pytest.approx(row["total"], rel=1e-6)
    by_year = fit.population.margin("year").set_index("year")["total"].to_dict()
    if row["fitted"]:
        years = fit.fitted.sum(axis=(0, 1, 2, 3, 5, 6))
        by_year = dict(zip(by_year, years.tolist(), strict=True))
    assert by_year == pytest.approx({int(k): v for k, v in row["by_year"].items()}, rel=1e-6)


@pytest.mark.parametrize("row", REFERENCE["bundled"], ids=lambda row: row["dataset"])
def test_bundled_tables(row: dict) -> None:
    table = mse.load_dataset(row["dataset"])
    for model in ("main", "all two-way"):
        if row[model] is None:
            continue
        fit = mse.LogLinear(model).fit(table)
        assert fit.population.total == pytest.approx(row[model]["total"], rel=1e-6)
        assert fit.deviance == pytest.approx(row[model]["deviance"], abs=1e-5)
        assert fit.aic == pytest.approx(row[model]["aic"], abs=1e-5)
    fit = mse.LogLinearSearch(strategy="stepwise").fit(table)
    assert fit.population.total == pytest.approx(row["stepwise_total"], rel=1e-6)
    chosen = {
        frozenset(fit.structure.term_name(term).split(":"))
        for term in fit.structure.terms
        if len(term) == 2
    }
    assert chosen == {frozenset(term.split(":")) for term in row["stepwise_terms"]}
    assert fit.population.by["total"].sum() == pytest.approx(fit.population.total)


def test_all_two_way_of_spina_bifida_is_not_estimable_in_one_stratum() -> None:
    p = mse.LogLinear("all two-way").fit(mse.load_dataset("spina_bifida")).population
    assert p.status == "not_estimable"
    assert np.isnan(p.total)
    assert p.by["total"].notna().any()
