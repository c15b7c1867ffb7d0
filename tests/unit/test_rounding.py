"""Figures rounded to what their interval bears."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mse.answer.rounding import GRAIN, Grid, nearest, outward, step_of
from mse.words.catalogue import language_of

SAY = replace(language_of("en"), rounds=True)
PERSONS = st.floats(0.0, 1e9)


@given(PERSONS, PERSONS, st.floats(0.0, 1.0))
def test_an_interval_is_never_shortened_and_hardly_lengthened(
    one: float, other: float, share: float
) -> None:
    low, high = sorted((one, other))
    least = share * low
    grid = Grid.of(low, high, least=least)
    shown = grid.ends(low, high)
    noise = 1e-6 * max(high, 1.0)
    assert shown[0] <= low + noise
    assert shown[1] >= high - noise
    assert shown[0] >= min(least, low)
    for end, was in zip(shown, (low, high), strict=True):
        # A step is a twentieth of the width, and of the figure, or one person.
        assert abs(end - was) <= max(GRAIN * min(high - low, was), 1.0) + noise


@given(PERSONS, PERSONS, st.floats(0.0, 1.0))
def test_a_point_stays_within_its_interval(one: float, other: float, share: float) -> None:
    low, high = sorted((one, other))
    point = low + share * (high - low)
    grid = Grid.of(low, high)
    first, last = grid.ends(low, high)
    assert first - 1 <= grid.point(point) <= last + 1
    assert grid.point(point, -1) <= point + 1e-6 * max(point, 1.0)
    assert grid.point(point, 1) >= point - 1e-6 * max(point, 1.0)


@given(st.floats(1e-3, 1e12), st.sampled_from([1.0, 5.0, 0.001]))
def test_a_step_is_one_two_or_five_times_a_power_of_ten(width: float, unit: float) -> None:
    step = step_of(width, unit) / unit
    assert step == 1 or step * unit <= GRAIN * width * (1 + 1e-12)
    assert float(f"{step:e}".split("e")[0]) in (1, 2, 5)


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((4_210.0, 9_873.0), "4,200 to 10,000"),
        ((34_228.0, 282_792.0), "34,000 to 290,000"),
        ((120.0, 124.0), "120 to 124"),
        ((0.0, 3.4), "0 to 4"),
        ((1_243.2, math.inf), "at least 1,200, no upper bound"),
        ((math.nan, math.nan), "no interval"),
        # What is round already stays, whatever the last digit of a division says.
        ((4_200.0, 10_000.0), "4,200 to 10,000"),
    ],
)
def test_intervals(ends: tuple[float, float], shown: str) -> None:
    assert SAY.span(*ends) == shown
    assert SAY.span_cell(*ends).value == tuple(
        each if math.isfinite(each) else None for each in ends
    )


def test_no_end_falls_below_those_who_are_registered() -> None:
    assert SAY.span(1_243.2, 1_990.0, 1_242.0) == "1,242 to 2,000"
    assert SAY.span(1_243.2, math.inf, 1_239.0) == "at least 1,243, no upper bound"


def test_a_point_whose_interval_has_no_end_is_no_finer_than_what_is_above_the_registered() -> None:
    grid = Grid.of(1_243.2, math.inf, least=1_239.0)
    assert (grid.point(1_243.2, -1), grid.point(5_437.0), grid.point(1_239.0)) == (1243, 5400, 1239)


def test_shares_and_rates() -> None:
    assert SAY.share_span(0.029, 0.241) == "2.9% to 25%"
    assert SAY.share_span(0.982, 0.991) == "98.2% to 99.1%"
    assert SAY.share_span(0.5, 0.999) == "50% to 100%"
    assert SAY.share(0.5149, SAY.share_grid(0.3, 0.7)) == "52%"
    assert SAY.rate_span_cell(234.2, 1_123.9).text == "230 to 1,140"
    assert SAY.rate_cell(2.34, 1.1, 4.0).text == "2.3"


def test_without_rounding_nothing_is() -> None:
    plain = language_of("en")
    assert plain.span(4_210.0, 9_873.0) == "4,210 to 9,873"
    assert plain.share(0.5149, plain.share_grid(0.3, 0.7)) == "51.5%"
    assert Grid().point(1.234) == 1.234
    assert math.isnan(Grid(2.0).point(math.nan))
    assert nearest(math.inf, 2.0) == math.inf
    assert outward(-math.inf, math.inf, 5.0) == (-math.inf, math.inf)
