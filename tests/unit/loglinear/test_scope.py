"""Tables with thousands of strata: every stratum answered for, nothing lost, hopeless terms left out."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.loglinear.paths import MANY_PARAMETERS, within_reach
from mse.models.terms import HierarchicalModel, parse_model


def many(rng: np.random.Generator, n_places: int, n_months: int, persons: int) -> mse.CaptureTable:
    """Return four lists over months and the places where somebody was seen, from most of which few."""
    where = [rng.choice(n_places, size=persons, p=rng.dirichlet(np.full(n_places, 0.7)))]
    where.append(rng.integers(n_months, size=persons))
    reach = np.array([0.25, 0.2, 0.15, 0.1]) * np.where(where[1] % 2, 2.5, 1.0)[:, None]
    cells = [*(rng.random((persons, 4)) < reach).T.astype(int), *where]
    shape = (2, 2, 2, 2, n_places, n_months)
    counts = np.bincount(np.ravel_multi_index(cells, shape), minlength=np.prod(shape)).reshape(
        shape
    )
    counts[0, 0, 0, 0] = 0
    counts = counts[..., counts.sum(axis=(0, 1, 2, 3, 5)) > 0, :]
    levels = {"place": [f"p{i}" for i in range(counts.shape[4])], "month": list(range(n_months))}
    return mse.CaptureTable.from_array(counts, lists=list("abcd"), covariates=levels)


@pytest.fixture(scope="module")
def table() -> mse.CaptureTable:
    """Return over 2,000 strata, in many of which nobody was seen."""
    found = many(np.random.default_rng(5), 240, 12, 9000)
    assert found.n_strata > 2000
    return found


def assert_nothing_is_lost(fit, table: mse.CaptureTable) -> None:
    p = fit.population
    seen = table.counts.sum(axis=(0, 1, 2, 3)).ravel()
    np.testing.assert_array_equal(p.by["observed"], seen)
    assert p.margin("month")["observed"].sum() == p.observed == table.n_observed
    known = p.by["status"] != "not_estimable"
    assert p.by["hidden"].notna().tolist() == known.tolist()
    if p.status in ("ok", "boundary"):
        assert known.all()
        assert p.by["hidden"].sum() == pytest.approx(p.hidden)
        assert p.margin("place")["total"].sum() == pytest.approx(p.total)


@pytest.mark.parametrize(
    "model",
    [
        "main",
        "a*month + b*month + c*month + d*month + place",
        "a*b + a*c + a*d + b*c + b*d + c*d + place + month",
        "a*place + b + c + d + month",
        "a + b + c + d + place*month",
    ],
)
def test_every_stratum_of_thousands_is_answered_for(table, model: str) -> None:
    fit = mse.LogLinear(model).fit(table)
    assert_nothing_is_lost(fit, table)
    if "place*month" in model:  # each stratum stands alone: those without anybody have no estimate
        nobody = fit.population.by["observed"] == 0
        assert (fit.population.by["status"][nobody] == "not_estimable").all()
        assert (fit.population.by["status"][~nobody] == "boundary").all()
        assert fit.reason.startswith("Not estimable in (place=")
    elif "*place" not in model:
        assert fit.status == "ok"


def test_a_search_over_thousands_of_strata(table) -> None:
    fit = mse.LogLinearSearch(strategy="stepwise").fit(table)
    assert_nothing_is_lost(fit, table)
    assert fit.status == "ok"
    assert "month" in fit.model.split(" + ")[0]
    assert fit.population.total == pytest.approx(9000, rel=0.15)


def test_terms_out_of_reach_would_not_have_been_chosen(rng, monkeypatch) -> None:
    table = many(rng, 40, 12, 500)
    search = mse.LogLinearSearch(strategy="stepwise")
    everything = search.fit(table)
    monkeypatch.setattr("mse.loglinear.paths.MANY_PARAMETERS", 50)
    fit = search.fit(table)
    assert fit.n_models < everything.n_models
    assert not any("place*month" in model for model in fit.models["model"])
    assert fit.model == everything.model
    near = everything.models["bic"] <= everything.models["bic"].min() + 10
    assert set(everything.models["model"][near]) <= set(fit.models["model"])


def scope_of(table: mse.CaptureTable, text: str) -> HierarchicalModel:
    return parse_model(text, table.lists, tuple(table.covariates))


def test_small_scopes_stay_as_they_are(rng) -> None:
    table = many(rng, 5, 4, 500)
    main, scope = scope_of(table, "main"), scope_of(table, "all two-way")
    assert scope.n_parameters(table.shape) < MANY_PARAMETERS
    assert within_reach(table, main, scope, "bic", {}, margin=0.0) is scope


def test_a_trend_brings_a_long_covariate_within_reach(rng, monkeypatch) -> None:
    monkeypatch.setattr("mse.loglinear.paths.MANY_PARAMETERS", 20)
    table = many(rng, 2, 400, 300)
    main, scope = scope_of(table, "main"), scope_of(table, "all two-way")
    by_level = within_reach(table, main, scope, "bic", {}, margin=0.0)
    by_trend = within_reach(table, main, scope, "bic", {"month": 1}, margin=0.0)
    months = table.n_lists + 1
    assert (0, months) not in by_level
    assert (0, months) in by_trend


def with_an_empty_year() -> tuple[mse.CaptureTable, mse.CaptureTable]:
    """Return a table whose lists depend on each other by year, and the same with a year of nobody."""
    rng = np.random.default_rng(2)
    n = 4000
    year = rng.integers(4, size=n)
    on = rng.random((n, 3)) < np.array([0.3, 0.25, 0.2]) * np.where(year > 1, 2.0, 0.7)[:, None]
    on[:, 1] |= on[:, 0] & (rng.random(n) < 0.4)
    counts = np.zeros((2, 2, 2, 5), dtype=np.int64)
    np.add.at(counts, (*on.T.astype(int), year), 1)
    counts[0, 0, 0] = 0
    years = [2016, 2017, 2018, 2019, 2020]
    return tuple(
        mse.CaptureTable.from_array(counts[..., :size], list("abc"), {"year": years[:size]})
        for size in (4, 5)
    )


@pytest.mark.parametrize("criterion", ["bic", "aic"])
def test_a_year_of_nobody_does_not_hinder_the_search(criterion) -> None:
    without, table = with_an_empty_year()
    search = mse.LogLinearSearch(criterion, "stepwise")
    expected, fit = search.fit(without), search.fit(table)
    assert "a*b" in expected.model
    assert fit.model == expected.model
    assert fit.status == "not_estimable"
    assert "year=2020" in fit.reason
    assert fit.reason.endswith("with table.where(...).")
    assert not any("None of the" in text for text in fit.population.warnings)
    by = fit.population.by
    assert by["status"].tolist() == ["boundary"] * 4 + ["not_estimable"]
    np.testing.assert_allclose(by["hidden"][:4], expected.population.by["hidden"], rtol=1e-8)
    counts = table.counts.ravel()[None].astype(float)
    again = fit.refitter()(counts)
    np.testing.assert_allclose(again.hidden[0, :4], by["hidden"][:4], rtol=1e-6)
    assert (again.limits[0] == 0).tolist() == [True] * 4 + [False]


def test_the_monitor_of_a_year_of_nobody_chooses_the_model_for_the_others() -> None:
    without, table = with_an_empty_year()
    settings = {"period": "year", "replicates": 30, "seed": 1}
    expected, found = mse.monitor(without, **settings), mse.monitor(table, **settings)
    one, other = expected.to_frame(), found.to_frame()
    np.testing.assert_allclose(other["total"][:4], one["total"][:4], rtol=1e-8)
    assert "year 2020" in found.summary()


@pytest.mark.filterwarnings("ignore:.* set aside")
def test_nor_where_a_list_did_not_operate() -> None:
    search = mse.LogLinearSearch(strategy="stepwise")
    expected, fit = (search.fit(t.not_operating("c", year=2019)) for t in with_an_empty_year())
    assert "a*b" in expected.model
    assert fit.model == expected.model
    assert not any("None of the" in text for text in fit.population.warnings)
    by = fit.population.by
    assert by["status"].tolist()[-1] == "not_estimable"
    np.testing.assert_allclose(by["hidden"][:4], expected.population.by["hidden"], rtol=1e-5)
    row = fit.resampled()
    totals = fit.refitter()(row[None]).hidden[0] + row.reshape(-1, 5).sum(axis=0)
    np.testing.assert_allclose(totals[:4], by["total"][:4], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*(set aside|said not to have operated)")
def test_terms_out_of_reach_of_a_table_known_in_part_are_left_out_too(rng, monkeypatch) -> None:
    monkeypatch.setattr("mse.loglinear.paths.MANY_PARAMETERS", 50)
    table = many(rng, 40, 12, 500).not_operating("d", month=[11])
    main, scope = scope_of(table, "main"), scope_of(table, "all two-way")
    reached = within_reach(table, main, scope, "bic", {}, margin=0.0)
    assert (table.n_lists, table.n_lists + 1) not in reached
    assert (0, table.n_lists + 1) in reached
