from __future__ import annotations

import pytest
from scipy.stats import poisson

from mse.core.stepwise import smaller_tail


@pytest.mark.parametrize("mean", [1e-9, 0.3, 1.0, 7.5, 300.0, 4000.0])
@pytest.mark.parametrize("m", [0, 1, 2, 8, 290, 310, 4100])
def test_smaller_tail_is_scipys(m: int, mean: float) -> None:
    expected = min(poisson.cdf(m, mean), poisson.sf(m - 1, mean))
    # Rounding of the larger tail, which is 1 minus the smaller one.
    assert smaller_tail(float(m), mean) == pytest.approx(expected, rel=1e-9, abs=1e-15)
