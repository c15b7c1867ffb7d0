"""What holds for closed-population models and sample coverage on any table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mse
from mse.classical.closed_fits import by_list, exchangeable
from mse.core.dense import fit_dense

pytestmark = pytest.mark.property

CORRECTIONS = (False, True, "leverages")
LIKELIHOOD = mse.ClosedPopulation.all(ordered=True)
COVERAGE = [mse.SampleCoverage(variant) for variant in ("independent", "high", "low")]


@st.composite
def tables(draw: st.DrawFn, least: int = 3, most: int = 4, largest: int = 30) -> mse.CaptureTable:
    n_lists = draw(st.integers(least, most))
    n_cells = 2**n_lists
    # Half of the cells empty, on average: sparse tables are where things go wrong.
    sizes = st.one_of(st.just(0), st.integers(0, largest))
    counts = draw(st.lists(sizes, min_size=n_cells - 1, max_size=n_cells - 1))
    lists = [f"list{i}" for i in range(n_lists)]
    everything = mse.CaptureTable.from_counts({"1" * n_lists: 1}, lists=lists)
    return everything.with_counts(np.array([0, *counts]).reshape((2,) * n_lists))


def same(a: mse.PopulationEstimate, b: mse.PopulationEstimate, factor: float = 1.0) -> None:
    assert (a.status, a.limit) == (b.status, b.limit)
    if math.isnan(a.total):
        assert math.isnan(b.total)
    else:
        assert b.total == pytest.approx(factor * a.total, rel=1e-6)


@pytest.mark.parametrize("corrected", CORRECTIONS)
@given(table=tables(), data=st.data())
@settings(max_examples=10)
def test_order_of_lists_changes_nothing(
    corrected: bool | str, table: mse.CaptureTable, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(table.n_lists)))
    turned = table.with_counts(np.transpose(table.counts, order))
    for estimator in [*mse.ClosedPopulation.all(bias_corrected=corrected), *COVERAGE]:
        same(estimator.fit(table).population, estimator.fit(turned).population)


@given(tables())
@settings(max_examples=25)
def test_ten_times_the_table_is_ten_times_the_total(table: mse.CaptureTable) -> None:
    tenfold = table.with_counts(10 * table.counts)
    for estimator in [*LIKELIHOOD, *COVERAGE]:
        a, b = estimator.fit(table), estimator.fit(tenfold)
        same(a.population, b.population, 10.0)
        if isinstance(estimator, mse.ClosedPopulation):
            assert b.deviance == pytest.approx(10 * a.deviance, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("corrected", CORRECTIONS)
@given(table=tables())
@settings(max_examples=12)
def test_estimates_are_numbers_or_have_a_reason(
    corrected: bool | str, table: mse.CaptureTable
) -> None:
    for estimator in [
        *mse.ClosedPopulation.all(ordered=True, bias_corrected=corrected),
        *COVERAGE,
    ]:
        fit = estimator.fit(table)
        p = fit.population
        assert fit.status in ("ok", "boundary", "not_estimable")
        assert (fit.status == "ok") == (not fit.reason)
        assert math.isnan(p.total) == (fit.status == "not_estimable")
        assert not p.total <= table.n_observed
        assert (fit.limit == "finite") == (fit.status != "not_estimable")


@given(tables(largest=12))
@settings(max_examples=15)
def test_intervals_hold_the_estimate(table: mse.CaptureTable) -> None:
    for estimator in LIKELIHOOD:
        p = estimator.fit(table).population
        if p.uncertainty is None:
            continue
        low, high = p.interval(0.95)
        wide = p.interval(0.99)
        assert table.n_observed <= low <= p.total <= high
        assert wide[0] <= low
        assert high <= wide[1]


@given(tables(least=2))
@settings(max_examples=25)
def test_models_are_nested(table: mse.CaptureTable) -> None:
    deviance = {each.name: each.fit(table).deviance for each in LIKELIHOOD}
    for form in ("Chao", "Poisson", "Darroch", "Gamma"):
        for small, large in (
            ("M0", f"Mh {form}"),
            ("Mt", f"Mth {form}"),
            (f"Mh {form}", f"Mth {form}"),
        ):
            assert deviance[large] <= deviance[small] + 1e-6
    assert deviance["Mt"] <= deviance["M0"] + 1e-6
    assert deviance["Mbh"] <= deviance["Mb"] + 1e-6


@given(tables(least=2, most=3))
@settings(max_examples=25)
def test_classes_by_number_of_lists_are_the_cells_of_a_symmetric_model(
    table: mse.CaptureTable,
) -> None:
    # M0 on the cells, written out by hand, against M0 on the numbers of lists.
    patterns, counts = table.patterns[table.low > 0], table.low[table.low > 0].astype(float)
    cells = by_list(patterns, counts, None, table.lists)
    rows = np.column_stack([np.ones(len(cells.captures)), cells.captures])
    symmetric = cells.design._replace(
        rows=rows, hidden=np.array([1.0, 0.0]), nonnegative=np.zeros(2, dtype=bool)
    )
    full = fit_dense(cells.counts, symmetric)
    classes = exchangeable(patterns, counts, None)
    assert fit_dense(classes.counts, classes.design).limit == full.limit
    fit = mse.ClosedPopulation("M0").fit(table)
    assert fit.deviance == pytest.approx(full.deviance, abs=1e-7)
    if not math.isnan(full.hidden):
        assert fit.population.hidden == pytest.approx(full.hidden, rel=1e-8)
