"""Figures published or computed by other programs, reproduced.

Tolerances: totals 1e-6 relative, since R's ``glm`` stops at a relative change of 1e-8 in the deviance;
criteria 1e-5 absolute; ends of profile intervals 0.05 % (0.1 % below 200 persons, where
Rcapture's rounding of the likelihood shows).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mse

REFERENCE = json.loads((Path(__file__).parent / "values" / "loglinear.json").read_text())
TOTAL = 1e-6
CRITERION = 1e-5


def named(rows: list[dict], *keys: str) -> list:
    return [pytest.param(row, id="-".join(str(row[key]) for key in keys)) for row in rows]


@pytest.mark.parametrize("row", named(REFERENCE["single_models"], "dataset", "model"))
def test_single_model(row: dict) -> None:
    fit = mse.LogLinear(row["model"]).fit(mse.load_dataset(row["dataset"]))
    assert fit.population.total == pytest.approx(row["total"], rel=TOTAL)
    for name in ("deviance", "aic", "bic"):
        assert getattr(fit, name) == pytest.approx(row[name], abs=CRITERION)
    assert fit.df_residual == row["df_residual"]
    accuracy = 1e-3 if row["profile_95"][1] < 200 else 5e-4
    assert fit.population.interval(0.95) == pytest.approx(tuple(row["profile_95"]), rel=accuracy)


@pytest.mark.parametrize("dataset", REFERENCE["all_models"])
def test_every_hierarchical_model(dataset: str) -> None:
    table = mse.load_dataset(dataset)
    models = mse.LogLinearSearch().fit(table).models.set_index("model")
    expected = REFERENCE["all_models"][dataset]["models"]
    assert set(models.index) == {row[0] for row in expected}
    for model, limit, n_parameters, total, deviance in expected:
        found = models.loc[model]
        assert found.limit == limit
        assert found.n_parameters == n_parameters
        if total is None:
            assert found.status == "not_estimable"
            assert found.total != found.total
            assert mse.LogLinear(model).fit(table).population.to_dict()["total"] is None
        else:
            assert found.status in ("ok", "boundary")
            assert found.total == pytest.approx(total, rel=TOTAL)
            assert found.deviance == pytest.approx(deviance, abs=CRITERION)


@pytest.mark.parametrize("dataset", REFERENCE["limit_counts"])
def test_counts_by_limit(dataset: str) -> None:
    models = mse.LogLinearSearch(max_order=4).fit(mse.load_dataset(dataset)).models
    assert models["limit"].value_counts().to_dict() == REFERENCE["limit_counts"][dataset]["counts"]
    estimable = models["limit"] == "finite"
    assert models.loc[estimable, "total"].notna().all()
    assert models.loc[~estimable, "total"].isna().all()


@pytest.mark.parametrize("row", named(REFERENCE["best_by_bic"], "dataset", "max_order"))
def test_best_by_bic(row: dict) -> None:
    fit = mse.LogLinearSearch(max_order=row["max_order"]).fit(mse.load_dataset(row["dataset"]))
    models = fit.models.set_index("model")
    for model, total, bic in row["top"]:
        assert models.loc[model, "total"] == pytest.approx(total, rel=TOTAL)
        assert models.loc[model, "bic"] == pytest.approx(bic, abs=CRITERION)
    estimable = models[models["status"].isin(["ok", "boundary"])]
    assert fit.model == estimable.index[0]
    assert estimable["bic"].is_monotonic_increasing
    assert fit.bic <= min(bic for _, _, bic in row["top"]) + CRITERION


@pytest.mark.parametrize("row", named(REFERENCE["stepwise_p_value"], "dataset", "threshold"))
def test_stepwise_by_p_value(row: dict) -> None:
    search = mse.LogLinearSearch(
        criterion="pvalue", strategy="stepwise", threshold=row["threshold"]
    )
    fit = search.fit(mse.load_dataset(row["dataset"]))
    assert fit.population.total == pytest.approx(row["total"], rel=TOTAL)
    values = fit.coefficients
    finite = [name for name in values.index if ":" in name and abs(values[name]) < float("inf")]
    chosen = {frozenset(name.split(":")) for name in finite}
    assert chosen == {frozenset(name.split(":")) for name in row["finite_terms"]}
    assert fit.models["model"].iloc[0] == fit.model
