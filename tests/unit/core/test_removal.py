"""Removal models: closed forms of two occasions, and the likelihood written out."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from mse.core.dense import (
    Removal,
    log_passing,
    profile_removal,
    removal_hidden,
    removal_limit,
    removal_variance,
)
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO


def removal(*first_captures: int, before: int = 0) -> Removal:
    u = np.array(first_captures, dtype=float)
    return Removal(u.sum(), float(u @ np.arange(1, u.size + 1)), u.size, before)


@pytest.mark.parametrize(("first", "second"), [(10, 4), (300, 299), (50, 1)])
def test_two_occasions_in_closed_form(first: int, second: int) -> None:
    # Seber (1982, section 7.2): N = u1^2 / (u1 - u2), variance u1^2 u2^2 (u1 + u2) / (u1 - u2)^4.
    data = removal(first, second)
    assert removal_limit(data) == FINITE
    b = log_passing(data)
    assert exp(b) == pytest.approx(second / first)
    total = first**2 / (first - second)
    assert data.caught + removal_hidden(data, b) == pytest.approx(total)
    variance = first**2 * second**2 * (first + second) / (first - second) ** 4
    assert removal_variance(data, b) == pytest.approx(variance)


@pytest.mark.parametrize(
    ("first_captures", "limit"),
    [
        ((5, 0, 0), ZERO),
        ((5, 5, 5), INFINITE),
        ((1, 2, 9), INFINITE),
        ((0, 0, 0), INDETERMINATE),
        ((7,), INDETERMINATE),
        ((5, 4, 5), INFINITE),
        ((6, 4, 5), FINITE),
    ],
)
def test_limits(first_captures, limit) -> None:
    assert removal_limit(removal(*first_captures)) == limit


def direct(u: np.ndarray, hidden: float, before: int) -> float:
    """Write the multinomial likelihood out and maximize it over p by a general optimizer."""
    n, j = u.sum(), np.arange(u.size)
    total = n + hidden

    def minus(p: float) -> float:
        caught = u @ (np.log(p) + j * np.log1p(-p))
        return -float(caught + hidden * u.size * np.log1p(-p))

    best = minimize_scalar(
        minus, bounds=(1e-9, 1 - 1e-9), method="bounded", options={"xatol": 1e-12}
    )
    value = gammaln(total + before + 1) - gammaln(hidden + 1) - best.fun
    if before:
        share = before / (before + total)
        value += before * np.log(share) + total * np.log(1 - share)
    return float(value)


@pytest.mark.parametrize("before", [0, 12])
def test_profile_is_the_maximum_over_p(before: int) -> None:
    u = np.array([16.0, 24, 9, 9, 6, 4])
    data = removal(*u.astype(int), before=before)
    for hidden in (0.5, 13.0, 400.0):
        expected = direct(u, hidden, before)
        assert profile_removal(data, log(hidden)) == pytest.approx(expected, abs=1e-7)


def test_profile_is_flat_far_out_and_keeps_its_digits() -> None:
    data = removal(9, 8, 8, 7)
    far = [profile_removal(data, x) for x in (25.0, 30.0, 38.0)]
    assert np.ptp(far) < 1e-6
