"""Mixing of the chains over graphs behind DecomposableGraphs, beside the sums that they stand for.

    nice python -m benchmarks.mixing_decomposable     writes benchmarks/results/mixing_decomposable.json

Tables of up to seven lists are summed over all graphs by default; here they are sampled as well, with the
default settings, four chains that start between no edges and all of them. Eight, ten and twelve lists are
sampled twice, with different seeds.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import mse

RESULTS = Path(__file__).parent / "results" / "mixing_decomposable.json"
TABLES = ("kosovo", "uk_5", "netherlands_5", "uk", "netherlands")
#: Lists, persons, typical chance of being on one, spread of it between kinds of persons.
WORLDS = ((8, 20_000, 0.05, 0.7), (10, 20_000, 0.1, 1.2), (12, 50_000, 0.03, 0.7))


def made_up(n_lists: int, persons: int, chance: float, spread: float) -> mse.CaptureTable:
    """Draw persons of three kinds; the first list refers a third of its persons to the second."""
    rng = np.random.default_rng(n_lists)
    chances = chance * np.exp(rng.uniform(-1.1, 1.1, n_lists) + rng.normal(0, spread, (3, n_lists)))
    lists = rng.random((persons, n_lists)) < np.minimum(chances, 0.9)[rng.integers(3, size=persons)]
    lists[:, 1] |= lists[:, 0] & (rng.random(persons) < 0.3)
    counts = np.bincount(lists @ (1 << np.arange(n_lists)[::-1]), minlength=2**n_lists)
    counts[0] = 0
    names = [f"list {k + 1}" for k in range(n_lists)]
    return mse.CaptureTable.from_array(counts.reshape((2,) * n_lists), names)


def sampled(table: mse.CaptureTable, seed: int = 1) -> tuple[dict[str, Any], Any]:
    """Run the chains, and say how they went."""
    start = time.process_time()
    fit = mse.DecomposableGraphs(exact=False, seed=seed).fit(table)
    taken = time.process_time() - start
    found = fit.diagnostics.loc["log N"]
    return {
        "r_hat": round(float(found["r_hat"]), 4),
        "ess_bulk": round(float(found["ess_bulk"])),
        "ess_tail": round(float(found["ess_tail"])),
        "processor_seconds": round(taken, 1),
        "median": fit.population.total,
        "interval": list(fit.population.interval()),
    }, fit


def main() -> None:
    """Measure, and write the results."""
    # Compilation is not measured.
    mse.DecomposableGraphs(exact=False, chains=4, draws=400).fit(mse.load_dataset("kosovo"))
    results: dict[str, Any] = {}
    for name in TABLES:
        table = mse.load_dataset(name)
        results[name], fit = sampled(table)
        exact = mse.DecomposableGraphs().fit(table)
        gap = np.abs(fit.edges["probability"] - exact.edges["probability"]).max()
        results[name]["exact_median"] = exact.population.total
        results[name]["exact_interval"] = list(exact.population.interval())
        results[name]["largest_gap_of_a_pair"] = round(float(gap), 4)
        print(name, results[name], flush=True)
    others = {"new_orleans": mse.load_dataset("new_orleans")}
    others |= {f"{world[0]} lists, made up": made_up(*world) for world in WORLDS}
    for name, table in others.items():
        runs = [sampled(table, seed) for seed in (1, 2)]
        gap = np.abs(runs[0][1].edges["probability"] - runs[1][1].edges["probability"]).max()
        results[name] = {
            "runs": [run[0] for run in runs],
            "largest_gap_of_a_pair": round(float(gap), 4),
        }
        print(name, results[name], flush=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
