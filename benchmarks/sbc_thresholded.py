"""Simulation-based calibration of the sampler behind ThresholdedLogLinear.

    nice python -m benchmarks.sbc_thresholded          writes benchmarks/results/sbc_thresholded.json

Parameters are drawn from the prior of the sampler with variances that allow tables to be drawn (the
default variance of 1e4 of an intercept on the log scale does not), counts are Poisson, and the ranks of
the true coefficients and of the hidden number are tested for uniformity. The negative controls must fail:
a prior in the sampler that is half as wide as that of the worlds, and means of the hidden cell in place
of hidden persons.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ranks import rank, uniformity
from mse.core.newton import make_design
from mse.core.thresholded import Target, cell_means, draw, find_mode
from mse.models.terms import parse_model

RESULTS = Path(__file__).parent / "results" / "sbc_thresholded.json"
SEED = 51
#: One less than a multiple of the bins.
DRAWS, WARMUP = 99, 150
#: Prior standard deviations of the worlds: intercept, main effects, interactions.
SPREADS = (2.0, 1.0, 1.0)
#: With a hidden mean beyond this nothing is seen that could be wrong, and doubles end.
LARGEST = 1e15


def prior(n_lists: int, shrink: float = 1.0) -> tuple[Any, Any, Any]:
    """Design of the pairwise model, prior standard deviations, and counts of zero."""
    lists = tuple("ABCDEFGH"[:n_lists])
    model = parse_model("all two-way", lists)
    shape = (2,) * n_lists
    design = make_design(shape, n_lists, model.parameters(shape))
    sizes = np.asarray([min(len(term), 2) for term in model.terms])
    return design, shrink * np.asarray(SPREADS)[sizes], np.zeros(design.observable.size)


def ranks_of_worlds(
    n_lists: int, worlds: int, seed: int, *, shrink: float = 1.0, persons: bool = True
) -> np.ndarray:
    """Ranks of each coefficient, and last of the hidden number: (worlds, p + 1).

    Parameters
    ----------
    n_lists, worlds, seed : int
        Size of the tables, number of them, seed.
    shrink : float, default 1.0
        Prior of the sampler over that of the worlds.
    persons : bool, default True
        Whether hidden persons are drawn, rather than their mean taken.
    """
    design, sd, zeros = prior(n_lists)
    precision = np.diag((shrink * sd) ** -2.0)
    chosen = np.arange(sd.size)
    found = np.zeros((worlds, sd.size + 1), dtype=np.int64)
    for w in range(worlds):
        rng = np.random.default_rng([seed, n_lists, w])
        true = sd * rng.standard_normal(sd.size)
        everywhere = np.ones(zeros.size, dtype=np.bool_)
        blank = Target(zeros, everywhere, design, chosen, precision)
        counts = rng.poisson(np.minimum(cell_means(true[None], blank)[0], LARGEST)).astype(float)
        target = Target(counts, design.observable, design, chosen, precision)
        coefficients, means, _ = draw(rng, target, find_mode(target), DRAWS, WARMUP)
        hidden = np.minimum(means[:, 0], LARGEST)
        if persons:
            hidden = rng.poisson(hidden).astype(float)
        for i in range(sd.size):
            found[w, i] = rank(true[i], coefficients[:, i], rng)
        found[w, -1] = rank(counts[0], hidden, rng)
    return found


def report(n_lists: int, worlds: int, **options: Any) -> dict[str, Any]:
    """Uniformity of the intercept, the first main effect, the first interaction, and the hidden number."""
    ranks = ranks_of_worlds(n_lists, worlds, SEED, **options)
    columns = {"intercept": 0, "main effect": 1, "interaction": n_lists + 1, "hidden": -1}
    return {name: uniformity(ranks[:, i], DRAWS) for name, i in columns.items()}


def main() -> None:
    """Measure, and write the results."""
    start = time.process_time()
    results: dict[str, Any] = {
        "3 lists": report(3, 10_000),
        "5 lists": report(5, 4_000),
        "negative control: prior half as wide": report(3, 2_000, shrink=0.5),
        "negative control: mean for persons": report(3, 10_000, persons=False),
    }
    for name, found in results.items():
        print(name, {key: f"{value['p_value']:.2g}" for key, value in found.items()})
    results["seconds"] = round(time.process_time() - start, 1)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
