"""The stepwise search over lists and covariates that is repeated in every replicate."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import mse
from mse.core.lattice import superset_sum
from mse.core.search import _gain_of_margin, search_jointly
from mse.loglinear.design import table_design
from mse.models.terms import parse_model


def sparse_table(seed: int, scale: float, *kept: str) -> mse.CaptureTable:
    """Synthetic registrations by year and some covariates, with pairs of lists that share nobody."""
    world = mse.simulate.netherlands(years=range(2015, 2020), scale=scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = world.draw(seed).table()
    return table.collapse(*(name for name in table.covariates if name not in ("year", *kept)))


def pairs_in_scope(table: mse.CaptureTable) -> list[tuple[int, ...]]:
    scope = parse_model("all two-way", table.lists, tuple(table.covariates))
    return [term for term in scope.terms if len(term) == 2]


@pytest.mark.parametrize("criterion", ["bic", "aic"])
@pytest.mark.parametrize(
    ("seed", "scale", "kept"), [(1, 1.0, ("form",)), (2, 0.3, ("form",)), (3, 0.1, ("form", "age"))]
)
def test_a_replicate_with_the_counts_of_the_table_finds_the_model_of_the_table(
    criterion, seed, scale, kept
) -> None:
    table = sparse_table(seed, scale, *kept)
    fit = mse.LogLinearSearch(criterion, "stepwise").fit(table)
    again = fit.refitter()
    counts = table.counts.ravel()[None].astype(np.float64)
    found = search_jointly(counts, again.main, again.ranges, again.kind, again.design)
    chosen = {
        pair for pair, is_in in zip(pairs_in_scope(table), found.members[0], strict=True) if is_in
    }
    assert chosen == {term for term in fit.structure.terms if len(term) == 2}
    assert found.hidden.sum() == pytest.approx(fit.population.hidden, rel=1e-6)


def test_scaling_to_a_margin_bounds_what_its_term_brings() -> None:
    table = sparse_table(3, 0.3, "form")
    counts = table.counts.ravel().astype(np.float64)
    main = mse.LogLinear("main").fit(table)
    scope = parse_model("all two-way", table.lists, tuple(table.covariates))
    pairs = pairs_in_scope(table)
    ranges = table_design(table, scope, {}).ranges(pairs)
    seen, fitted = counts.copy(), np.where(main._design.observable, main.fitted.ravel(), 0.0)
    superset_sum(seen, main._design.shape)
    superset_sum(fitted, main._design.shape)
    largest = 0.0
    for pair, row in zip(pairs, ranges, strict=True):
        larger = mse.LogLinear(main.structure.with_term(pair)).fit(table)
        axes = tuple(set(range(len(table.shape))) - set(pair))
        margins = (counts.reshape(table.shape).sum(axes), _observed(main).sum(axes))
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.where(margins[0] > 0, margins[0] * np.log(margins[0] / margins[1]), 0.0)
        bound = _gain_of_margin(seen, fitted, row)
        assert bound == pytest.approx(2 * parts.sum(), rel=1e-9, abs=1e-8)
        assert bound <= main.deviance - larger.deviance + 1e-8
        largest = max(largest, bound)
    assert largest > 100


def _observed(fit) -> np.ndarray:
    means = np.where(fit._design.observable, fit.fitted.ravel(), 0.0)
    return means.reshape(fit.table.shape)
