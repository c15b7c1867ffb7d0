"""Closed-population models and sample coverage, against figures of other programs and of papers.

Tolerances: totals 1e-6 relative, since R's ``glm`` stops at a relative change of 1e-8 in the deviance;
deviance and criteria 1e-6 absolute. Published totals are whole persons.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mse

REFERENCE = json.loads((Path(__file__).parent / "values" / "closed_population.json").read_text())
TOTAL = 1e-6
CRITERION = 1e-6

pytestmark = pytest.mark.reference


def named(kind: str) -> list:
    return [
        pytest.param(
            row, id=f"{row['dataset']}-{row['model']}-{row['heterogeneity'] or 'homogeneous'}"
        )
        for row in REFERENCE[kind]["models"]
    ]


def fitted(row: dict, **options: bool):
    estimator = mse.ClosedPopulation(row["model"], row["heterogeneity"], ordered=True, **options)
    return estimator.fit(mse.load_dataset(row["dataset"]))


@pytest.mark.parametrize("row", named("maximum_likelihood"))
def test_maximum_likelihood(row: dict) -> None:
    fit = fitted(row)
    assert fit.status == "ok"
    assert fit.population.total == pytest.approx(row["total"], rel=TOTAL)
    assert fit.df_residual == row["df_residual"]
    for name in ("deviance", "aic", "bic"):
        assert getattr(fit, name) == pytest.approx(row[name], abs=CRITERION)


@pytest.mark.parametrize("row", named("bias_corrected"))
def test_bias_corrected(row: dict) -> None:
    fit = fitted(row, bias_corrected=True)
    assert fit.population.total == pytest.approx(row["total"], rel=TOTAL)
    assert fit.population.interval_kind == "lognormal"


@pytest.mark.parametrize(
    "row", REFERENCE["sample_coverage"]["estimates"], ids=lambda row: row["dataset"]
)
def test_sample_coverage(row: dict) -> None:
    fit = mse.SampleCoverage().fit(mse.load_dataset(row["dataset"]))
    if "sample_coverage" in row:
        assert round(fit.sample_coverage, 3) == row["sample_coverage"]
    for name in {"independent", "high", "low"} & row.keys():
        assert round(fit.estimates[name]) == row[name]
