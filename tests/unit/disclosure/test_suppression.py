"""Which counts are suppressed, against the cheapest choice that enumeration finds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mse.disclosure import Rules, rules
from mse.disclosure.attack import attack_publication
from mse.disclosure.cells import published
from mse.disclosure.suppression import _Program, choose, primary
from tests.unit.disclosure.systems import cross

TEN = Rules(threshold=10)


def safe(cells: object, suppressed: np.ndarray, chosen: Rules) -> bool:
    found = attack_publication(published(cells, suppressed, chosen))  # type: ignore[arg-type]
    return not found["exposed"].astype(bool).any()


@pytest.mark.parametrize("seed", range(4))
def test_no_cheaper_choice_is_safe(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(10, 40, (2, 3))
    counts[0, 0] = 4
    cells = cross(counts)
    chosen = choose(cells, TEN)
    costs = _Program(cells, TEN).costs
    assert safe(cells, chosen, TEN)
    free = np.flatnonzero(~primary(cells, TEN))
    # Within the gap that the program may leave.
    bar = costs[chosen].sum() / 1.06
    for pattern in product((False, True), repeat=len(free)):
        other = primary(cells, TEN).copy()
        other[free] = pattern
        if costs[other].sum() < bar:
            assert not safe(cells, other, TEN)


def test_nothing_is_suppressed_without_need() -> None:
    assert not choose(cross(np.full((3, 3), 20)), TEN).any()
    assert not choose(cross(np.array([[3, 4], [5, 6]])), Rules()).any()


def test_rounding_protects_so_that_less_is_suppressed() -> None:
    counts = np.array([[4, 60, 70, 80], [50, 60, 70, 80]])
    exact, rounded = choose(cross(counts), TEN), choose(cross(counts), rules("cbs"))
    assert rounded.sum() < exact.sum()


def test_zeros_are_suppressed_against_group_disclosure_only() -> None:
    counts = np.array([[40, 0], [30, 35]])
    zero = 1
    assert not choose(cross(counts), TEN)[zero]
    assert choose(cross(counts), Rules(threshold=10, group=0.9))[zero]


def test_all_in_one_part_by_definition_is_no_disclosure() -> None:
    # The margin has one level: that everybody is in it gives nobody away.
    assert not choose(cross(np.array([[40], [50]])), Rules(threshold=10, group=0.9)).any()


def test_same_table_same_choice() -> None:
    counts = np.random.default_rng(5).integers(0, 30, (4, 4))
    np.testing.assert_array_equal(choose(cross(counts), TEN), choose(cross(counts), TEN))


def test_unsafe_margins_are_suppressed() -> None:
    cells = cross(np.array([[1, 2], [30, 40]]))
    suppressed = choose(cells, TEN)
    counts = dict(zip(cells.keys, suppressed, strict=True))
    assert counts[(0, 0),]
    assert safe(cells, suppressed, TEN)


def test_tables_too_large_for_the_cheapest_choice_are_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mse.disclosure.suppression._TURNS", 1)
    cells = cross(np.random.default_rng(8).integers(0, 40, (3, 3, 2)))
    assert safe(cells, choose(cells, TEN), TEN)
