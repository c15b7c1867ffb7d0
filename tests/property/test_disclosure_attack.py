"""Whatever the table: nothing that was suppressed can be computed within the protection limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mse.disclosure import Rules, rules
from mse.disclosure.attack import attack_publication
from mse.disclosure.suppression import publish
from tests.unit.disclosure.systems import capture, capture_cells, cross, sparse_counts

if TYPE_CHECKING:
    import pandas as pd

    from mse.disclosure.cells import Cells

pytestmark = pytest.mark.property

RULES = (
    rules("cbs"),
    Rules(threshold=10),
    Rules(threshold=5, base=3),
    Rules(threshold=10, zeros_safe=False),
    Rules(threshold=10, group=0.8),
    Rules(threshold=10, limits=(2, 15)),
    Rules(base=5),
)


def exposed(cells: Cells, chosen: Rules) -> pd.DataFrame:
    """Attack the publication of some cells, and hold what is found against the truth."""
    publication = publish(cells, chosen)
    found = attack_publication(publication)
    counts = dict(zip(publication.labels, cells.counts.tolist(), strict=True))
    of_counts = found[found["what"] != "share"]
    truth = of_counts["cell"].map(counts)
    # An interval that the truth is not in would make all of this meaningless.
    assert (of_counts["low"] <= truth).all()
    assert (of_counts["high"] >= truth).all()
    assert (publication.counts[publication.suppressed] == -1).all()
    small = of_counts[np.array([chosen.unsafe(int(count)) for count in truth], dtype=bool)]
    assert (small["high"] >= chosen.protection[1]).all()
    return found[found["exposed"].astype(bool)]


def attacked(kind: str, seeds: range) -> list[int]:
    """Seeds of the tables of which an attack finds a count."""
    bad = []
    for seed in seeds:
        rng = np.random.default_rng([seed, len(kind)])
        chosen = RULES[seed % len(RULES)]
        if len(exposed(cells_of(kind, rng, chosen), chosen)):
            bad.append(seed)
    return bad


def cells_of(kind: str, rng: np.random.Generator, chosen: Rules) -> Cells:
    if kind.startswith("capture tables"):
        return capture_cells(capture(rng, 4 if "four" in kind else 3), chosen)
    if kind == "two-way":
        return cross(sparse_counts(rng, tuple(rng.integers(2, 4, 2))))
    three = sparse_counts(rng, tuple(rng.integers(2, 4, 3)))
    return cross(three, None if kind == "three-way, all margins" else (3, 1, 0))


@pytest.mark.parametrize(
    ("kind", "tables"),
    [
        ("two-way", 42),
        ("three-way, margins of one", 14),
        ("three-way, all margins", 7),
        ("capture tables", 35),
    ],
)
def test_attack_finds_nothing(kind: str, tables: int) -> None:
    assert attacked(kind, range(tables)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "tables"),
    [
        ("two-way", 700),
        ("three-way, margins of one", 700),
        ("three-way, all margins", 70),
        ("capture tables, up to four lists", 210),
    ],
)
def test_attack_finds_nothing_in_many_tables(kind: str, tables: int) -> None:
    assert attacked(kind, range(1000, 1000 + tables)) == []


def test_attack_finds_what_primary_suppression_alone_gives_away() -> None:
    found = 0
    for seed in range(30):
        cells = cross(sparse_counts(np.random.default_rng(seed), (3, 3)))
        once = replace(RULES[1], secondary=False)
        publication = publish(cells, once)
        found += bool(attack_publication(publication)["exposed"].astype(bool).any())
    # Where two small counts or none are in every row and column, nothing more is needed: in 1 of 12.
    assert found >= 15


def test_whole_counts_are_attacked_where_fractions_hide_them() -> None:
    # Three-way tables with all two-way margins: linear programs allow halves of persons.
    rng = np.random.default_rng(11)
    for _ in range(3):
        counts = rng.integers(0, 25, (3, 2, 2))
        assert len(exposed(cross(counts), Rules(threshold=10))) == 0
