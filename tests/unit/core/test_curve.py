"""Curves of the log likelihood of N, and the profile intervals read off them (fault A5)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import gammaln

import mse
from mse.core.profile import FunctionCurve, orderings


def two_list_profile(counts: dict[str, int], total: float) -> float:
    """Log likelihood of N for two independent lists, closed form: chances n1 / N and n2 / N."""
    n1, n2 = counts["10"] + counts["11"], counts["01"] + counts["11"]
    n = sum(counts.values())
    value = gammaln(total + 1) - gammaln(total - n + 1)
    for size in (n1, n2):
        rest = (total - size) * math.log1p(-size / total) if total > size else 0.0
        value += size * math.log(size / total) + rest
    return float(value)


# The first is fault A5: its highest point is where nobody is hidden, beyond one standard error.
TABLES = [
    {"01": 1, "10": 2, "11": 9},
    {"01": 1, "10": 1, "11": 30},
    {"01": 2, "10": 3, "11": 40},
    {"01": 1, "10": 9, "11": 4},
    {"01": 40, "10": 30, "11": 20},
    {"01": 5, "10": 400, "11": 3},
    {"01": 10**6, "10": 2, "11": 10**6},
]


@pytest.mark.parametrize("counts", TABLES)
def test_ends_are_those_of_the_closed_form(counts: dict[str, int]) -> None:
    n, drop = sum(counts.values()), 1.920729410347062
    grid = n + np.concatenate([[0], np.geomspace(1e-6, 1e5, 20001)])
    values = np.array([two_list_profile(counts, total) for total in grid])
    best = int(values.argmax())
    cut = values[best] - drop

    def excess(total: float) -> float:
        return two_list_profile(counts, total) - cut

    high = brentq(excess, grid[best], n + 1e6, xtol=1e-10)
    low = n if excess(n) >= 0 else brentq(excess, n, grid[best], xtol=1e-10)
    table = mse.CaptureTable.from_counts(counts, lists=["a", "b"])
    found = mse.LogLinear("main").fit(table).population.interval(0.95)
    # The grid misses its maximum by a thousandth of the hidden count, a millionth of likelihood.
    assert found == pytest.approx((low, high), abs=2e-5 * (high - n))


def test_upper_end_of_the_published_case() -> None:
    table = mse.CaptureTable.from_counts(TABLES[0], lists=["a", "b"])
    for fit in (mse.LogLinear("main").fit(table), mse.ClosedPopulation("Mt").fit(table)):
        assert fit.population.interval(0.95)[1] == pytest.approx(13.652, abs=5e-4)


def test_margins_have_the_curve_of_the_table() -> None:
    margins = mse.CaptureTable.from_margins({"a": 11, "b": 10}, union=12)
    interval = mse.LogLinear("main").fit(margins).population.interval(0.95)
    assert interval[1] == pytest.approx(13.652, abs=5e-4)


@pytest.mark.parametrize("peak", [-9.0, -2.0, 0.0, 3.0, 14.0, 29.0])
@pytest.mark.parametrize("spread", [1e-3, 0.3, 2.0])
def test_the_highest_point_is_found_wherever_it_is(peak: float, spread: float) -> None:
    curve = FunctionCurve(lambda x: -((x - peak) ** 2), 10.0, math.exp(2.5), spread)
    assert curve.mode == pytest.approx(peak, abs=1e-4)
    low, high = curve.ends(1.0)
    assert low == pytest.approx(10 + math.exp(peak - 1), rel=1e-8)
    assert high == pytest.approx(10 + math.exp(peak + 1), rel=1e-8)


def test_a_curve_that_rises_to_nobody_hidden_has_its_peak_there() -> None:
    curve = FunctionCurve(lambda x: -math.exp(x), 10.0, 5.0, 0.5)
    low, high = curve.ends(1.0)
    assert low == 10.0
    assert high == pytest.approx(11.0, abs=1e-5)


def test_a_curve_lost_in_rounding_is_an_error() -> None:
    noise = np.random.default_rng(1)
    curve = FunctionCurve(lambda x: -((x - 1) ** 2) + noise.normal(), 10.0, 5.0, 0.5)
    with pytest.raises(ArithmeticError, match="too few digits"):
        curve.ends(1e-3)


@pytest.mark.parametrize(("n", "hidden"), [(3.0, 0.5), (15.0, 2.0), (1e3, 40.0), (1e5, 0.0)])
def test_orderings_against_logs_of_factorials(n: float, hidden: float) -> None:
    def plain(x: float) -> float:
        return float(gammaln(x + 1) - (x * math.log(x) if x else 0.0) + x)

    assert orderings(n, hidden) == pytest.approx(plain(n + hidden) - plain(hidden), abs=1e-8)
