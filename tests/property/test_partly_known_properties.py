"""Tables known in part, of all kinds: an estimate, a status with a reason, or an error with advice."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mse

COUNTS = st.one_of(
    st.integers(0, 60).map(str), st.sampled_from(["<5", "<10", "5-9", "1-4", "20-29"])
)


@st.composite
def tables(draw: st.DrawFn) -> mse.CaptureTable | None:
    """Draw a table with unknown memberships and levels, bounds, and a word on where lists operated."""
    n_lists, n_covariates = draw(st.integers(2, 3)), draw(st.integers(0, 1))
    entry = st.sampled_from([0, 1, None, 0, 1])
    row = st.tuples(*[entry] * n_lists, *[st.sampled_from(["u", "v", None])] * n_covariates, COUNTS)
    rows: list[Any] = draw(st.lists(row, min_size=3, max_size=9))
    rows = [r for r in rows if any(e != 0 for e in r[:n_lists])]
    lists, covariates = list("abc"[:n_lists]), ["x"][:n_covariates]
    frame = pd.DataFrame(rows, columns=[*lists, *covariates, "n"], dtype=object)
    frame = frame.drop_duplicates(subset=[*lists, *covariates])
    operating = draw(st.sampled_from([None, "everywhere", {"a": "everywhere"}]))
    try:
        return mse.CaptureTable.from_frame(
            frame, lists, covariates, "n", operating=operating, blank="unknown"
        )
    except mse.InvalidTableError:
        return None


@pytest.mark.property
@given(tables())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_estimate_or_a_status(table: mse.CaptureTable | None) -> None:
    if table is None:
        return
    assert table.describe()
    for fit in (mse.LogLinear("main").fit(table), mse.LogLinear("all two-way").fit(table)):
        p = fit.population
        assert (p.status in ("ok", "boundary")) == (p.hidden == p.hidden)
        assert p.reason or p.status == "ok"
    found = mse.estimate(table, replicates=20, seed=1)
    assert found.observed == table.n_observed
    if found.status in ("ok", "boundary"):
        low, high = found.interval(0.95)
        # Fewer than twenty replicates that determine a total give no interval, and say so.
        without = any("no interval" in each for each in found.warnings)
        assert table.n_observed <= low <= high or (low != low and without)
    assert found.to_json()
