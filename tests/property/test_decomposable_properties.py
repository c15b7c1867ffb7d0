"""What is true of an average over decomposable graphs on any table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mse

EVERYTHING = mse.DecomposableGraphs()


@st.composite
def tables(draw, n_lists: int = 4) -> mse.CaptureTable:
    """Complete tables with somebody on every list."""
    cell = st.sampled_from([0, 0, 1, 2, 5, 30, 200])
    counts = draw(st.lists(cell, min_size=2**n_lists - 1, max_size=2**n_lists - 1))
    tensor = np.asarray([0, *counts]).reshape((2,) * n_lists)
    tensor[(1,) * n_lists] += 1
    return mse.CaptureTable.from_array(tensor, list("ABCDEFG"[:n_lists]))


def cliques(model: str, names: str) -> frozenset[str]:
    return frozenset(
        "".join(sorted(names[int(k) - 1] for k in each)) for each in model[1:-1].split(",")
    )


def by_cliques(fit, names: str) -> dict[frozenset[str], float]:
    rows = zip(fit.graphs["model"], fit.graphs["probability"], strict=True)
    return {cliques(model, names): probability for model, probability in rows}


@pytest.mark.property
@settings(max_examples=25)
@given(table=tables(), order=st.permutations(range(4)))
def test_order_of_lists_changes_nothing(table, order) -> None:
    names = "".join("ABCD"[k] for k in order)
    turned = mse.CaptureTable.from_array(table.counts.transpose(order), list(names))
    one, other = EVERYTHING.fit(table), EVERYTHING.fit(turned)
    assert one.status == other.status
    expected, found = by_cliques(one, "ABCD"), by_cliques(other, names)
    assert set(expected) == set(found)
    for each, probability in expected.items():
        assert found[each] == pytest.approx(probability, rel=1e-7, abs=1e-30)
    if one.status == "ok":
        # The sum over graphs runs in another order, and a quantile may sit on a step.
        a, b = (fit.population.interval(0.9) for fit in (one, other))
        assert a == pytest.approx(b, abs=1, rel=1e-7)


@pytest.mark.property
@settings(max_examples=25)
@given(table=tables(3), high=st.integers(1, 3000))
def test_every_integer_and_panels_agree(table, high) -> None:
    bounded = mse.DecomposableGraphs(hidden_max=high).fit(table)
    free = EVERYTHING.fit(table)
    inside = free.posterior[free.posterior["high"] <= table.n_observed + high]
    share = inside["probability"].sum()
    if share > 1e-6 and inside["high"].iloc[-1] == table.n_observed + high:
        assert 1 - share == pytest.approx(bounded.tail_mass, rel=1e-5, abs=1e-8)
        # The rows of the two may lie at other totals where panels are narrow, so distribution functions are
        # compared, at the totals that both have; those from panels are exact to 1e-9
        # (tests/unit/core/test_graph_posterior.py).
        one, other = (
            frame.groupby("high")["probability"].sum().cumsum()
            for frame in (bounded.posterior, inside)
        )
        shared = one.index.intersection(other.index)
        assert len(shared) >= 0.99 * len(other)
        assert one[shared].to_numpy() == pytest.approx(
            other[shared].to_numpy() / share, rel=1e-6, abs=2e-9 / share
        )


@pytest.mark.property
@settings(max_examples=25)
@given(table=tables(3))
def test_estimates_are_consistent(table) -> None:
    fit = EVERYTHING.fit(table)
    p = fit.population
    assert fit.graphs["probability"].sum() == pytest.approx(1)
    assert 0 <= fit.unbounded <= 1 + 1e-12
    assert (fit.status == "ok") == (fit.unbounded <= 0.5)
    assert np.isnan(p.total) == (fit.status != "ok")
    assert ((fit.edges["probability"] >= 0) & (fit.edges["probability"] <= 1 + 1e-12)).all()
    if fit.status == "ok":
        low, high = p.interval()
        assert table.n_observed <= low <= p.total <= high
