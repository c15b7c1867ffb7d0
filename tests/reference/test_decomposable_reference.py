"""Averages over decomposable graphs as dga 2.0.2 computes them.

The figures are sums over the same integers, so only rounding differs: probabilities to 1e-9 relative
(the bar is 1e-6), quantiles exactly.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mse

REFERENCE = json.loads((Path(__file__).parent / "values" / "decomposable.json").read_text())
RELATIVE = 1e-9


def canonical(cliques: str) -> str:
    """Larger cliques first, then by position, as the library writes them."""
    sets = cliques.strip("[]").split(",")
    return "[" + ",".join(sorted(sets, key=lambda each: (-len(each), each))) + "]"


@pytest.mark.reference
@pytest.mark.parametrize(
    "row", REFERENCE["rows"], ids=lambda row: f"{row['dataset']}-{row['hidden_max']}"
)
def test_graphs_and_quantiles(row: dict) -> None:
    table = mse.load_dataset(row["dataset"])
    fit = mse.DecomposableGraphs(hidden_from=1, hidden_max=row["hidden_max"]).fit(table)
    found = fit.graphs.set_index("model")["probability"]
    for graph in row["graphs"]:
        expected = pytest.approx(graph["probability"], rel=RELATIVE)
        assert found[canonical(graph["cliques"])] == expected
    assert list(found.index[:3]) == [canonical(each["cliques"]) for each in row["graphs"][:3]]
    posterior = fit.posterior
    assert (posterior["low"] == posterior["high"]).all()
    mean = (posterior["low"] * posterior["probability"]).sum()
    assert mean == pytest.approx(row["mean"], rel=RELATIVE)
    assert fit.population.total == row["median"]
    assert fit.population.interval(0.95) == (row["q025"], row["q975"])
