"""Simulation-based calibration of DecomposableGraphs, summed over all graphs and by chains.

    nice python -m benchmarks.sbc_decomposable     writes benchmarks/results/sbc_decomposable.json

A world has N from a distribution proportional to 1/N on a range, a graph from all decomposable ones,
cell probabilities from their hyper-Dirichlet distribution, and multinomial histories. Worlds in which
nobody is seen are left out, which a condition on the data may do. Ranks of the true N among posterior
draws are tested for uniformity, and the posterior probabilities that pairs of lists depend on each other
against how often they do. The negative controls must fail: a posterior with 16 times the prior weight,
and one that takes lists as independent.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

import mse
from benchmarks.ranks import rank, uniformity
from mse.core.decomposable.graphs import adjacency, decomposable_graphs, list_pairs

RESULTS = Path(__file__).parent / "results" / "sbc_decomposable.json"
SEED = 1997
#: One less than a multiple of the bins of a histogram of ranks.
DRAWS = 99
#: Range of N.
RANGE = (50, 5000)


def prior_probabilities(near: np.ndarray, delta: float, rng: np.random.Generator) -> np.ndarray:
    """Draw cell probabilities under a graph: tensor (2,) * K.

    Lists are taken in an order of maximum cardinality search, in which the earlier neighbors of each
    are joined to each other (Tarjan & Yannakakis 1984), and depend on those.
    """
    n_lists = near.size
    chances = np.ones((2,) * n_lists)
    done: list[int] = []
    while len(done) < n_lists:
        left = [v for v in range(n_lists) if v not in done]
        v = max(left, key=lambda each: sum(near[each] >> u & 1 for u in done))
        parents = [u for u in done if near[v] >> u & 1]
        weight = delta * 2.0 ** (n_lists - len(parents) - 1)
        shape = [2 if u in parents else 1 for u in range(n_lists)]
        on = rng.beta(weight, weight, size=shape)
        chances = chances * np.concatenate([1 - on, on], axis=v)
        done.append(v)
    return chances


def world(
    n_lists: int, rng: np.random.Generator, delta: float
) -> tuple[mse.CaptureTable, int, np.ndarray] | None:
    """Draw a table, its true N, and which pairs are joined; None if nobody is seen."""
    graphs = decomposable_graphs(n_lists).edges
    edges = graphs[rng.integers(graphs.size)]
    totals = np.arange(RANGE[0], RANGE[1] + 1)
    total = int(rng.choice(totals, p=(1 / totals) / (1 / totals).sum()))
    chances = prior_probabilities(adjacency(edges, n_lists), delta, rng).ravel()
    counts = rng.multinomial(total, chances / chances.sum())
    counts[0] = 0
    if counts.sum() == 0:
        return None
    somebody = mse.CaptureTable.from_counts({"1" * n_lists: 1}, lists=list("ABCDEFG"[:n_lists]))
    table = somebody.with_counts(counts.reshape((2,) * n_lists))
    joined = edges >> np.arange(len(list_pairs(n_lists))) & 1
    return table, total, joined


def calibrate(n_lists: int, worlds: int, estimator: mse.DecomposableGraphs) -> dict[str, Any]:
    """Ranks of N, and posterior probabilities of pairs against the truth.

    Parameters
    ----------
    n_lists, worlds : int
        Size of the tables, and how many.
    estimator : DecomposableGraphs
        What is calibrated; its support is set to the range of N.
    """
    ranks, gaps = [], []
    for w in range(worlds):
        rng = np.random.default_rng([SEED, n_lists, w])
        drawn = world(n_lists, rng, 2.0**-n_lists)
        if drawn is None:
            continue
        table, total, joined = drawn
        n = table.n_observed
        support = {"hidden_from": max(RANGE[0] - n, 0), "hidden_max": RANGE[1] - n}
        with warnings.catch_warnings():
            # Chains of a hundred draws are too short to be diagnosed.
            warnings.simplefilter("ignore", mse.ConvergenceWarning)
            fit = replace(estimator, draws=DRAWS + 1, chains=1, seed=w, **support).fit(table)
        ranks.append(rank(total, fit.chains.flat("N")[1:], rng))
        probability = fit.edges["probability"].to_numpy()
        gaps.append((joined - probability).sum())
    z = float(np.sum(gaps) / np.std(gaps) / np.sqrt(len(gaps)))
    return {
        "hidden": uniformity(np.asarray(ranks), DRAWS),
        "pairs": {"z": round(z, 2), "p_value": float(2 * norm.sf(abs(z)))},
    }


def designs(size: int) -> dict[str, Any]:
    """List what is measured, with numbers of worlds in proportion to ``size``."""
    exact, chains = mse.DecomposableGraphs(), mse.DecomposableGraphs(exact=False)
    return {
        "3 lists": (3, 10 * size, exact),
        "4 lists": (4, 10 * size, exact),
        "5 lists": (5, 5 * size, exact),
        "4 lists, chains": (4, 2 * size, chains),
        "negative control: prior 16 times as heavy": (3, 4 * size, replace(exact, delta=2.0)),
        "negative control: independent lists": (
            3,
            4 * size,
            replace(exact, edge_probability=1e-12),
        ),
    }


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--size", type=int, default=300, help="worlds of a design, times a constant"
    )
    start = time.process_time()
    results: dict[str, Any] = {}
    for name, (n_lists, worlds, estimator) in designs(parser.parse_args().size).items():
        found = calibrate(n_lists, worlds, estimator)
        print(name, {key: f"{each['p_value']:.2g}" for key, each in found.items()}, flush=True)
        results[name] = found
    results["seconds"] = round(time.process_time() - start, 1)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
