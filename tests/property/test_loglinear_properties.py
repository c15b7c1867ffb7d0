"""Properties of log-linear estimates that hold for any table."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mse
from mse.models.catalogue import catalogue

if TYPE_CHECKING:
    from mse.models.terms import HierarchicalModel

pytestmark = pytest.mark.property

NAMES = ["a", "b", "c", "d"]


def tables(n_lists: int, largest: int = 30) -> st.SearchStrategy[mse.CaptureTable]:
    """Tables of any counts, empty cells and empty lists included."""

    def build(counts: np.ndarray) -> mse.CaptureTable:
        counts = counts.copy()
        counts.flat[0] = 0
        return mse.CaptureTable.from_counts({"1" * n_lists: 1}, lists=NAMES[:n_lists]).with_counts(
            counts
        )

    return arrays(np.int64, (2,) * n_lists, elements=st.integers(0, largest)).map(build)


def models(n_lists: int) -> st.SearchStrategy[HierarchicalModel]:
    found = catalogue(n_lists)
    return st.integers(0, len(found) - 1).map(lambda i: found.model(i, NAMES[:n_lists]))


def close(left: mse.PopulationEstimate, right: mse.PopulationEstimate, factor: float = 1) -> None:
    assert (left.status, left.limit) == (right.status, right.limit)
    if left.status in ("ok", "boundary"):
        # Newton stops at relative steps of 1e-6, that is at errors of 1e-12 times the condition.
        assert left.hidden == pytest.approx(right.hidden / factor, rel=1e-6)


@settings(deadline=None, max_examples=60)
@given(tables(4), models(4), st.sampled_from(list(permutations(range(4)))))
def test_the_order_of_the_lists_changes_nothing(table, model, order) -> None:
    moved = mse.CaptureTable.from_counts({"1111": 1}, lists=[NAMES[i] for i in order]).with_counts(
        table.counts.transpose(order)
    )
    close(
        mse.LogLinear(str_with_names(model)).fit(table).population,
        mse.LogLinear(str_with_names(model)).fit(moved).population,
    )


def str_with_names(model: HierarchicalModel) -> str:
    return " + ".join("*".join(model.axes[i] for i in term) for term in model.generators)


@settings(deadline=None, max_examples=60)
@given(tables(4), models(4), st.integers(2, 50))
def test_a_multiple_of_a_table_scales_the_estimate(table, model, factor) -> None:
    name = str_with_names(model)
    close(
        mse.LogLinear(name).fit(table).population,
        mse.LogLinear(name).fit(table.with_counts(table.counts * factor)).population,
        factor,
    )


@settings(deadline=None, max_examples=60)
@given(tables(3), models(3))
def test_no_number_without_an_estimate_and_intervals_hold_the_point(table, model) -> None:
    p = mse.LogLinear(str_with_names(model)).fit(table).population
    if p.status in ("ok", "boundary"):
        assert p.hidden >= 0
        assert p.limit == "finite"
        low, high = p.interval(0.95)
        assert p.observed <= low <= p.total <= high or p.hidden < 1
    else:
        assert np.isnan(p.total)
        assert np.isnan(p.interval()).all()
        assert p.reason


@settings(deadline=None, max_examples=40)
@given(tables(2))
def test_two_independent_lists_are_lincoln_petersen(table) -> None:
    counts = table.counts
    p = mse.LogLinear("main").fit(table).population
    if counts[1, 1] > 0 and counts[0, 1] > 0 and counts[1, 0] > 0:
        expected = counts[0, 1] * counts[1, 0] / counts[1, 1]
        assert p.hidden == pytest.approx(expected, rel=1e-9)
    else:
        assert p.status in ("not_estimable", "boundary")


@settings(deadline=None, max_examples=40)
@given(tables(4), st.sampled_from(["bic", "aic", "aicc"]))
def test_a_search_is_the_best_of_single_fits(table, criterion) -> None:
    assume(table.n_observed > 0)
    fit = mse.LogLinearSearch(criterion=criterion).fit(table)
    rows = fit.models[fit.models["status"].isin(["ok", "boundary"])]
    if len(rows) == 0:
        assert fit.status in ("not_estimable", "not_converged")
        return
    best = rows.iloc[0]
    assert best[criterion] == rows[criterion].min()
    single = mse.LogLinear(fit.model).fit(table)
    assert single.population.total == pytest.approx(fit.population.total, rel=1e-9)
    assert getattr(single, criterion) == pytest.approx(best[criterion], abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(
    arrays(np.int64, (2, 2, 2, 3), elements=st.integers(0, 20)),
    st.sampled_from(["all two-way", "main", "a*b + b*c + a*s", "a*s + b*s + c*s"]),
    st.permutations(range(3)),
)
def test_the_order_of_the_levels_changes_nothing(counts, model, order) -> None:
    counts = counts.copy()
    counts[0, 0, 0] = 0
    ones = np.ones_like(counts)
    ones[0, 0, 0] = 0

    def table_of(levels: str, cells: np.ndarray) -> mse.CaptureTable:
        covariates = {"s": list(levels)}
        template = mse.CaptureTable.from_array(ones, lists=["a", "b", "c"], covariates=covariates)
        return template.with_counts(cells)

    table = table_of("xyz", counts)
    moved = table_of("".join("xyz"[i] for i in order), counts[..., order])
    left = mse.LogLinear(model).fit(table).population
    right = mse.LogLinear(model).fit(moved).population
    close(left, right)
    assert [left.strata.limit[i] for i in order] == list(right.strata.limit)
    for i, j in enumerate(order):
        if left.strata.limit[j] == "finite":
            assert left.strata.hidden[j] == pytest.approx(right.strata.hidden[i], rel=1e-6)
