"""What a reader knows of counts that are shown, and of those that are not."""

from __future__ import annotations

import numpy as np
import pytest

from mse.disclosure import Rules, rules
from mse.disclosure.cells import known_bounds, published, round_counts
from tests.unit.disclosure.systems import cross


@pytest.mark.parametrize("base", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("threshold", [0, 4, 10])
@pytest.mark.parametrize("zeros_safe", [True, False])
def test_bounds_hold_exactly_the_counts_that_are_shown_so(
    base: int, threshold: int, zeros_safe: bool
) -> None:
    chosen = Rules(threshold=threshold, base=base, zeros_safe=zeros_safe)
    counts = np.array([n for n in range(60) if not chosen.unsafe(n)])
    values = round_counts(counts, chosen)
    low, high = known_bounds(values, chosen)
    for value, least, most in zip(values[values < 45], low, high, strict=False):
        same = counts[values == value]
        assert (least, most) == (same.min(), same.max())


def test_a_publication_holds_no_suppressed_count() -> None:
    cells = cross(np.array([[3, 40], [50, 60]]))
    publication = published(cells, cells.counts < 10, rules("cbs"))
    assert 3 not in publication.counts
    assert publication.value(()) == 155
    assert publication.value(cells.keys[0]) is None
    low, high = publication.bounds()
    # Zeros may be suppressed against group disclosure, so a mark may hide nobody.
    assert (low[0], high[0]) == (0, np.inf)
    low, _ = published(cells, cells.counts < 10, Rules(threshold=10)).bounds()
    assert low[0] == 1
