"""DecomposableGraphs: sums over all graphs, and chains over graphs.

    python -m pytest -q benchmarks/bench_decomposable.py

Each round is a fit and its estimate, intervals and draws included, with everything forgotten: the
graphs of six and seven lists are read from the user's cache directory, where the first round has left
them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mse
from benchmarks.harness import measure


def estimated(table: mse.CaptureTable) -> mse.PopulationEstimate:
    """Fit, and ask for everything."""
    fit = mse.DecomposableGraphs().fit(table)
    fit.population.interval()
    assert len(fit.graphs) > 0
    assert len(fit.edges) > 0
    return fit.population


def seven_lists() -> mse.CaptureTable:
    """Draw a table of 7 lists with some 8,000 persons of three kinds, as large as the Dutch one."""
    rng = np.random.default_rng(7)
    persons = 20_000
    chances = rng.uniform(0.02, 0.15, 7) * np.exp(rng.normal(0.0, 0.7, (3, 7)))
    lists = rng.random((persons, 7)) < chances[rng.integers(3, size=persons)]
    lists[:, 1] |= lists[:, 0] & (rng.random(persons) < 0.3)
    counts = np.bincount(lists @ (1 << np.arange(7)[::-1]), minlength=128)
    counts[0] = 0
    return mse.CaptureTable.from_array(counts.reshape((2,) * 7), list("ABCDEFG"))


def smaller_new_orleans() -> mse.CaptureTable:
    """Leave out one list of eight: few persons, so that very many graphs are likely."""
    table = mse.load_dataset("new_orleans")
    return table.keep_lists(table.lists[:7])


TABLES = {
    "5 lists, `netherlands_5`: 822 graphs": (lambda: mse.load_dataset("netherlands_5"), 0.1, 9),
    "5 lists, `uk_5`: 822 graphs": (lambda: mse.load_dataset("uk_5"), 0.1, 9),
    "6 lists, `netherlands`: 18,154 graphs": (lambda: mse.load_dataset("netherlands"), 1.0, 5),
    "6 lists, `uk`: 18,154 graphs": (lambda: mse.load_dataset("uk"), 1.0, 5),
    "7 lists, 8,000 persons: 617,675 graphs": (seven_lists, 20.0, 3),
    "7 lists of `new_orleans`: 617,675 graphs": (smaller_new_orleans, 20.0, 3),
    "8 lists, `new_orleans`: 4 chains of 1,000 draws": (
        lambda: mse.load_dataset("new_orleans"),
        None,
        2,
    ),
}


@pytest.mark.benchmark(group="decomposable graphs")
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("what", TABLES)
def test_decomposable_graphs(benchmark: Any, what: str) -> None:
    make, bar, rounds = TABLES[what]
    found = measure(benchmark, estimated, lambda: (make(),), what=what, rounds=rounds, bar=bar)
    assert found.status == "ok"
