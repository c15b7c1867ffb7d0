"""Ranges of counts by linear and integer programs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

import mse
from mse.disclosure.suppression import least, least_whole, range_of

INF = np.inf


def test_prices_say_what_a_bound_is_worth() -> None:
    # x + y = z with z known: the least x rises with what y may be at most.
    sums = sparse.csr_array([[-1.0, -1.0, 1.0]])
    found = least(np.array([1.0, 0, 0]), sums, np.array([0.0, 0, 9]), np.array([INF, 5, 9]))
    assert found.value == pytest.approx(4)
    assert found.whole
    assert found.high_price.tolist() == pytest.approx([0, 1, 0])
    assert found.low_price[2] == pytest.approx(1)


def test_no_bound_and_no_counts() -> None:
    sums = sparse.csr_array([[-1.0, -1.0, 1.0]])
    low = np.zeros(3)
    assert least(np.array([0.0, 0, -1]), sums, low, np.full(3, INF)).value == -INF
    assert least_whole(np.array([0.0, 0, -1]), sums, low, np.full(3, INF)).value == -INF
    impossible = (np.array([5.0, 5, 0]), np.array([INF, INF, 9]))
    for solve in (least, least_whole):
        with pytest.raises(mse.ModelError, match="No counts agree"):
            solve(np.array([1.0, 0, 0]), sums, *impossible)


def test_whole_counts_where_fractions_reach_further() -> None:
    # x + y = 1, y + z = 1, x + z = 1 has only halves; with t = x + y + z between 1 and 2, whole z.
    sums = sparse.csr_array(
        [[-1.0, -1.0, 0.0, 1.0, 0.0], [0.0, -1.0, -1.0, 1.0, 0.0], [-1.0, 0.0, -1.0, 0.0, 1.0]]
    )
    low, high = np.array([0.0, 0, 0, 1, 1]), np.array([INF, INF, INF, 1, 2])
    assert range_of(2, sums, low, high) == (1, 1)
    fraction = least(np.array([0.0, 0, 1, 0, 0]), sums, low, high)
    assert not fraction.whole


def test_range_agrees_with_enumeration(rng: np.random.Generator) -> None:
    sums = sparse.csr_array([[-1.0, -1.0, -1.0, 1.0], [-1.0, 0.0, -1.0, 0.0]][:1])
    for _ in range(20):
        low = np.array([*rng.integers(0, 4, 3), 0], dtype=float)
        high = low + rng.integers(0, 5, 4)
        low[3], high[3] = low[:3].sum() + 1, low[:3].sum() + 4
        every = [
            (x, y, z)
            for x in range(int(low[0]), int(high[0]) + 1)
            for y in range(int(low[1]), int(high[1]) + 1)
            for z in range(int(low[2]), int(high[2]) + 1)
            if low[3] <= x + y + z <= high[3]
        ]
        if every:
            expected = (min(e[1] for e in every), max(e[1] for e in every))
            assert range_of(1, sums, low, high) == expected
