"""A sparse table of lists and covariates of which generic software reports hundreds of millions.

``values/sparse_joint.csv`` is SYNTHETIC: 403 persons drawn from independent lists that reach some years
and forms better than others, in a world of 3,000. Few are on two lists, and some pairs of lists share
nobody in some year or form. Where a Poisson regression is asked for such interactions it stops at
some large coefficient and predicts hidden persons from it.
"""

from __future__ import annotations

import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import mse
from mse.models.terms import parse_model

pytestmark = pytest.mark.reference

#: More persons than the world could have, a thousand times over.
ABSURD = 1e7


@pytest.fixture(scope="module")
def sparse() -> mse.CaptureTable:
    frame = pd.read_csv(Path(__file__).parent / "values" / "sparse_joint.csv")
    return mse.CaptureTable.from_frame(frame, list("abcd"), ["year", "sex", "form"], "n")


def generic_total(table: mse.CaptureTable, model: str) -> float:
    """Total of a Poisson regression on the observable cells by statsmodels."""
    structure = parse_model(model, table.lists, tuple(table.covariates))
    cells = np.array(list(product(*map(range, table.shape))))
    columns = [
        np.all(cells[:, list(term)] == levels, axis=1)
        for term in structure.terms
        for levels in product(*(range(1, table.shape[axis]) for axis in term))
    ]
    matrix = np.array(columns, dtype=float).T
    seen = cells[:, : table.n_lists].any(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A coefficient without a bound grows by one a step.
        generic = sm.GLM(table.counts.ravel()[seen], matrix[seen], family=sm.families.Poisson())
        fit = generic.fit(maxiter=30)
    return table.n_observed + float(np.exp(matrix[~seen] @ fit.params).sum())


def test_all_two_way_terms(sparse) -> None:
    assert generic_total(sparse, "all two-way") > ABSURD
    fit = mse.LogLinear("all two-way").fit(sparse)
    assert (fit.status, fit.limit) == ("not_estimable", "indeterminate")
    assert np.isnan(fit.population.total)
    assert np.isnan(fit.population.interval()).all()
    assert "form=x" in fit.reason
    assert "d:year=2015" in fit.reason


def test_the_aic_path_leads_there_and_the_search_says_so(sparse) -> None:
    search = mse.LogLinearSearch("aic", "stepwise").fit(sparse)
    first = search.models.iloc[0]
    assert first["status"] == "not_estimable"
    assert first["limit"] in ("infinite", "indeterminate")
    assert np.isnan(first["total"])
    assert generic_total(sparse, first["model"]) > ABSURD
    # It is listed first, and another one is chosen.
    assert search.model != first["model"]
    assert search.status == "ok"
    assert search.population.total < 3 * 3000
    assert first["model"] in search.warnings[0]
    assert first["model"] in " ".join(search.population.summary().split())


def test_the_stratum_and_the_reason_are_named(sparse) -> None:
    models = mse.LogLinearSearch("aic", "stepwise").fit(sparse).models
    best = models[models["limit"] == "infinite"].iloc[0]["model"]
    fit = mse.LogLinear(best).fit(sparse)
    assert fit.reason.startswith("Not estimable in form=x. ")
    assert "grows without bound" in fit.reason
    by = fit.population.by.set_index("form")
    assert (by.loc["x", "status"] == "not_estimable").all()
    assert (by.loc[["y", "z"], "limit"] == "finite").all()
    assert by.loc[["y", "z"], "total"].notna().all()


def test_no_replicate_gives_an_absurd_total(sparse) -> None:
    p = mse.bootstrap(
        mse.LogLinearSearch("aic", "stepwise"), sparse, 60, interval="percentile", seed=1
    )
    finite = p.draws[np.isfinite(p.draws)]
    assert finite.size > 40
    assert finite.max() < ABSURD
