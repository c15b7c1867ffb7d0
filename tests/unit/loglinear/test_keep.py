"""Terms that a search has in every model."""

from itertools import combinations

import numpy as np
import pytest

import mse
from mse.errors import ModelError
from mse.loglinear.paths import smallest_model

KEEP = ("S1*region", "S2*S4")


@pytest.fixture(scope="module")
def table() -> mse.CaptureTable:
    return mse.load_dataset("scotland_pwid").collapse("age", "sex")


@pytest.fixture(scope="module")
def kept() -> mse.LogLinearSearch:
    return mse.LogLinearSearch(strategy="stepwise", keep=KEEP)


def test_every_model_that_is_tried_has_them(kept, table) -> None:
    fit = kept.fit(table)
    smallest = smallest_model(table, KEEP)
    tried = [fit._source.structure(i) for i in range(fit.n_models)]
    assert fit.n_models > 5
    assert all(smallest <= model for model in tried)
    free = mse.LogLinearSearch(strategy="stepwise").fit(table)
    assert not smallest <= free._source.structure(0)


def test_the_best_of_them_is_found(kept, table) -> None:
    fit = kept.fit(table)
    further = ["S1*S2", "S1*S3", "S1*S4", "S2*S3", "S3*S4", "S2*region", "S3*region", "S4*region"]
    models = [
        " + ".join([*KEEP, "S3", *(term for i, term in enumerate(further) if code >> i & 1)])
        for code in range(2 ** len(further))
    ]
    fits = [mse.LogLinear(model).fit(table) for model in models]
    assert fit.bic == pytest.approx(min(each.bic for each in fits if each.status == "ok"), abs=1e-8)


def test_so_has_every_replicate(kept, table, rng) -> None:
    shares = table.counts.ravel() / table.n_observed
    drawn = rng.multinomial(table.n_observed, shares, size=5)
    found = kept.fit(table).refitter()(drawn.astype(float))
    for counts, hidden in zip(drawn, found.hidden, strict=True):
        alone = kept.fit(table.with_counts(counts.reshape(table.shape)))
        np.testing.assert_allclose(hidden.sum(), alone.population.hidden, rtol=1e-7)


def test_everything_may_be_kept(table) -> None:
    pairs = [f"{a}*{b}" for a, b in combinations([*table.lists, "region"], 2)]
    search = mse.LogLinearSearch(strategy="stepwise", keep=pairs)
    fit = search.fit(table)
    assert fit.n_models == 1
    assert fit.structure == mse.LogLinear("all two-way").fit(table).structure
    found = fit.refitter()(table.counts.reshape(1, -1).astype(float))
    assert found.hidden.shape == (1, 2)


def test_interactions_of_three_may_be_kept(table) -> None:
    search = mse.LogLinearSearch(strategy="stepwise", keep="S1*S2*region")
    assert search.keep == ("S1*S2*region",)
    fit = search.fit(table)
    assert (0, 1, 4) in fit.structure
    again = fit.refitter()(table.counts.reshape(1, -1).astype(float))
    np.testing.assert_allclose(again.hidden.sum(), fit.population.hidden, rtol=1e-7)


def test_lists_alone() -> None:
    table = mse.load_dataset("kosovo")
    search = mse.LogLinearSearch(strategy="stepwise", keep=["EXH*OSCE"])
    fit = search.fit(table)
    assert (0, 2) in fit.structure
    again = fit.refitter()(table.counts.reshape(1, -1).astype(float))
    np.testing.assert_allclose(again.hidden.sum(), fit.population.hidden, rtol=1e-7)


@pytest.mark.parametrize(
    "settings", [{}, {"strategy": "stepwise", "criterion": "pvalue"}], ids=["all", "pvalue"]
)
def test_searches_that_cannot(settings) -> None:
    with pytest.raises(ModelError, match=r"keep=.* goes with a search step by step"):
        mse.LogLinearSearch(keep=KEEP, **settings)


def test_a_name_that_is_none(table) -> None:
    with pytest.raises(ModelError, match="Unknown in the model: 'sex'"):
        mse.LogLinearSearch(strategy="stepwise", keep=["S1*sex"]).fit(table)
