"""Independence of many lists: list totals and observed histories in place of cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mse
from mse.loglinear import fit as fits
from mse.loglinear import paths


def drawn(
    n_lists: int, persons: int, chance: float, spread: float = 0.0, seed: int = 7
) -> mse.CaptureTable:
    rng = np.random.default_rng(seed)
    chances = chance * (0.5 + rng.random(n_lists)) * np.exp(spread * rng.normal(size=(persons, 1)))
    records = rng.random((persons, n_lists)) < chances
    names = [f"list{i}" for i in range(n_lists)]
    frame = pd.DataFrame(records[records.any(axis=1)].astype(int), columns=names)
    return mse.CaptureTable.from_frame(frame, lists=names)


@pytest.mark.parametrize("interval", ["profile", "lognormal"])
def test_they_answer_as_the_cells_do(monkeypatch: pytest.MonkeyPatch, interval: str) -> None:
    table, model = drawn(6, 800, 0.15), mse.LogLinear("main", interval=interval)
    by_cells = model.fit(table)
    monkeypatch.setattr(fits, "MANY_CELLS", 1)
    found = model.fit(table)
    assert type(found) is not type(by_cells)
    assert found.status == by_cells.status
    for name in ("n_parameters", "df_residual", "deviance", "aic", "aicc", "bic"):
        assert getattr(found, name) == pytest.approx(getattr(by_cells, name), rel=1e-9), name
    assert found.standard_error == pytest.approx(by_cells.standard_error, rel=1e-9)
    assert found.population.total == pytest.approx(by_cells.population.total, rel=1e-9)
    assert found.population.interval(0.9) == pytest.approx(
        by_cells.population.interval(0.9), rel=1e-6
    )
    np.testing.assert_allclose(found.coefficients, by_cells.coefficients, rtol=1e-8)
    np.testing.assert_allclose(found.fitted, by_cells.fitted, rtol=1e-8)


def test_thirty_lists_are_fitted_and_bootstrapped() -> None:
    table = drawn(30, 5000, 0.03)
    fit = mse.LogLinear("main").fit(table)
    totals = table.patterns.T @ table.low
    size = fit.population.total
    # The likelihood equation: those missed are as many as the product of the chances to miss a list.
    assert size - table.n_observed == pytest.approx(size * np.prod(1 - totals / size), rel=1e-9)
    # One world: an interval of 95% would miss in one of twenty.
    assert fit.population.interval(0.9999)[0] < 5000 < fit.population.interval(0.9999)[1]
    assert "5" in fit.summary()
    drawn_anew = mse.bootstrap(mse.LogLinear("main"), table, replicates=100, seed=1)
    low, high = drawn_anew.interval(0.95)
    assert low < size < high
    with pytest.raises(mse.ModelError, match="do not fit in memory"):
        _ = fit.fitted


def test_a_search_of_many_lists_gives_up_no_model_that_matters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen model, path and range are those of fitting every model; what is left out is far off."""
    search, small = mse.LogLinearSearch(strategy="stepwise"), paths.SMALL_TABLE
    fewer = 0
    for seed in (7, 8, 9):
        table = drawn(9, 1500, 0.15, spread=0.7, seed=seed)
        monkeypatch.setattr(paths, "SMALL_TABLE", small)
        found = search.fit(table)
        monkeypatch.setattr(paths, "SMALL_TABLE", 2**20)
        everything = search.fit(table)
        assert found.model == everything.model
        pd.testing.assert_frame_equal(found.path, everything.path, rtol=1e-9)
        assert found.model_range == everything.model_range
        fewer += everything.n_models - found.n_models
        left_out = everything.models[~everything.models["model"].isin(found.models["model"])]
        assert (left_out["bic"] > everything.bic + paths.FAR_FROM_BEST).all()
        average = everything.average().total
        assert found.average().total == pytest.approx(average, rel=1e-4)
    # Of some tables all are near; not of all of them.
    assert fewer > 0


def test_what_cannot_be_estimated_has_a_status() -> None:
    names = [f"list{i}" for i in range(24)]
    counts = {format(1 << i, "024b"): 5 for i in range(24)}
    fit = mse.LogLinear("main").fit(mse.CaptureTable.from_counts(counts, lists=names))
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")
    assert fit.reason
    assert np.isnan(fit.population.total)
