"""Factors of many levels, eliminated level by level, against fits with all parameters in one matrix."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.core import newton

MODELS = (
    "a*b + c + d + place",
    "a*place + b*place + c + d",
    "a*b + c*place + d",
    "a*b*c + a*place + d",
)


@pytest.fixture
def eliminated(monkeypatch) -> None:
    """Eliminate factors of three levels, which are held in one matrix otherwise."""
    monkeypatch.setattr(newton, "MANY_EFFECTS", 1)
    monkeypatch.setattr(newton, "MANY_LEVELS", 3)


def drawn(rng: np.random.Generator, levels: int, mean: float) -> mse.CaptureTable:
    counts = np.zeros((2, 2, 2, 2, levels), dtype=np.int64)
    # A list that nobody is on is refused.
    while not all(counts.take(1, axis).any() for axis in range(4)):
        size = rng.gamma(1.0, mean, size=levels)
        counts = rng.poisson(size * rng.uniform(0.2, 1.0, size=(2, 2, 2, 2, 1)))
        counts[0, 0, 0, 0] = 0
    places = [f"p{i:03d}" for i in range(levels)]
    return mse.CaptureTable.from_array(counts, ["a", "b", "c", "d"], {"place": places})


def by_matrix(table: mse.CaptureTable, model: str) -> mse.PopulationEstimate:
    return mse.LogLinear(model).fit(table).population


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("mean", [0.4, 4.0])
def test_fits_are_those_of_one_matrix(model, mean, request) -> None:
    rng = np.random.default_rng(3)
    tables = [drawn(rng, 7, mean) for _ in range(20)]
    expected = [mse.LogLinear(model).fit(table) for table in tables]
    known = [fit.population for fit in expected]
    request.getfixturevalue("eliminated")
    for table, fit, before in zip(tables, expected, known, strict=True):
        other = mse.LogLinear(model).fit(table)
        after = other.population
        # Which of several open parameters is named hangs on the order in which they are eliminated.
        assert (other.status, other.limit) == (fit.status, fit.limit)
        assert other.deviance == pytest.approx(fit.deviance, rel=1e-8, abs=1e-8)
        assert after.total == pytest.approx(before.total, rel=1e-8, nan_ok=True)
        assert other.standard_error == pytest.approx(fit.standard_error, rel=1e-7, nan_ok=True)
        frame, whole = after.by, before.by
        assert frame["status"].tolist() == whole["status"].tolist()
        for column in ("hidden", "low", "high"):
            np.testing.assert_allclose(frame[column], whole[column], rtol=1e-6)


def test_intervals_of_the_total_are_those_of_one_matrix(request) -> None:
    tables = [drawn(np.random.default_rng(seed), 9, 6.0) for seed in (5, 6, 7, 8)]
    expected = [by_matrix(table, MODELS[0]).interval(0.95) for table in tables]
    request.getfixturevalue("eliminated")
    found = [by_matrix(table, MODELS[0]).interval(0.95) for table in tables]
    # Some table may have no estimate, by both.
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.isfinite(expected).any()


def test_searches_choose_what_they_choose_in_one_matrix(request) -> None:
    rng = np.random.default_rng(8)
    tables = [drawn(rng, 6, 8.0) for _ in range(4)]
    search = mse.LogLinearSearch(strategy="stepwise")
    expected = [search.fit(table) for table in tables]
    models = [(fit.model, fit.bic) for fit in expected]
    request.getfixturevalue("eliminated")
    for table, (model, bic) in zip(tables, models, strict=True):
        found = search.fit(table)
        assert found.model == model
        assert found.bic == pytest.approx(bic, rel=1e-9)


def test_replicates_are_those_of_one_matrix(request) -> None:
    table = drawn(np.random.default_rng(2), 5, 8.0)
    fit = mse.LogLinear(MODELS[0]).fit(table)
    tables = (
        np.random.default_rng(1)
        .poisson(table.counts.ravel(), size=(6, table.n_cells))
        .astype(float)
    )
    tables[:, : table.n_strata] = 0
    expected = fit.refitter()(tables)
    request.getfixturevalue("eliminated")
    found = mse.LogLinear(MODELS[0]).fit(table).refitter()(tables)
    np.testing.assert_allclose(found.hidden, expected.hidden, rtol=1e-7)
    assert (found.limits == expected.limits).all()


def test_a_thousand_places_need_no_matrix_over_them(monkeypatch) -> None:
    table = drawn(np.random.default_rng(4), 1000, 1.5)
    counts = table.counts.copy()
    counts[1, 0, 0, 0] += 1  # somebody in each place
    table = table.with_counts(counts)

    def refuse(*_: object) -> None:
        raise AssertionError("a matrix over all parameters was asked for")

    monkeypatch.setattr(newton, "unions", refuse)
    found = by_matrix(table, MODELS[0])
    assert found.status in ("ok", "boundary")
    assert len(found.by) == 1000
    assert found.by["hidden"].sum() == pytest.approx(found.hidden)


def test_thousands_of_places_apart_are_those_of_each_alone() -> None:
    rng = np.random.default_rng(5)
    counts = rng.poisson(25.0 * rng.uniform(0.5, 1.0, size=(2, 2, 2, 2, 3000)))
    counts[0, 0, 0, 0] = 0
    # No closed form: three pairs of three lists, each at every place.
    model = "a*b*place + b*c*place + a*c*place + d*place"
    whole = mse.CaptureTable.from_array(counts, list("abcd"), {"place": range(3000)})
    found = by_matrix(whole, model)
    assert found.status == "ok"
    for place in range(0, 3000, 100):
        one = mse.CaptureTable.from_array(counts[..., place], list("abcd"))
        alone = mse.LogLinear("a*b + b*c + a*c + d").fit(one).population
        assert found.by["hidden"].iloc[place] == pytest.approx(alone.hidden, rel=1e-9)
