"""Bias of the totals of closed-population models, without and with the corrections.

Worlds of N persons, each on every list with chance p, from the model that is fitted. Run as

    python -m benchmarks.bias_correction [worlds]

which prints the table of docs/methods/closed_population.md. Means are over the worlds in which the total
without correction is estimable, the same for every column.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np

import mse

#: Model, form, lists K, chance p, persons N.
DESIGNS = (
    ("Mt", None, 3, 0.25, 100),
    ("Mt", None, 4, 0.1, 300),
    ("Mt", None, 4, 0.2, 100),
    ("Mt", None, 4, 0.3, 100),
    ("Mt", None, 5, 0.15, 100),
    ("Mt", None, 8, 0.05, 300),
    ("Mt", None, 8, 0.1, 300),
    ("M0", None, 4, 0.2, 100),
    ("M0", None, 8, 0.3, 100),
    ("Mh", "darroch", 5, 0.3, 200),
    ("Mh", "poisson", 5, 0.3, 200),
    ("Mh", "gamma", 5, 0.3, 200),
    ("Mth", "darroch", 4, 0.3, 200),
    ("Mth", "poisson", 4, 0.4, 200),
    ("Mb", None, 5, 0.25, 200),
    ("Mb", None, 4, 0.7, 50),
    ("Mbh", None, 5, 0.3, 200),
)
CORRECTIONS = (False, True, "leverages")


def measure(design: tuple, worlds: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean errors of the totals, their standard errors, and the share of worlds that are warned of."""
    model, form, n_lists, p, n = design
    rng = np.random.default_rng([n_lists, n, round(1000 * p)])
    names = [f"l{k}" for k in range(n_lists)]
    template = mse.CaptureTable.from_counts({"1" * n_lists: 1}, lists=names)
    errors, warned = [], []
    for _ in range(worlds):
        counts = np.zeros((2,) * n_lists, dtype=np.int64)
        np.add.at(counts, tuple((rng.random((n, n_lists)) < p).astype(int).T), 1)
        counts[(0,) * n_lists] = 0
        table = template.with_counts(counts)
        fits = [
            mse.ClosedPopulation(model, form, how, ordered=True).fit(table) for how in CORRECTIONS
        ]
        totals = [fit.population.total for fit in fits]
        if not np.isnan(totals[0]):
            errors.append(np.asarray(totals) - n)
            warned.append(any("adds to the bias" in w for w in fits[1].population.warnings))
    found = np.asarray(errors)
    kept = found[~np.isnan(found).any(axis=1)]
    lost = 1 - len(kept) / worlds
    if lost:
        print(f"  (no estimate in {lost:.1%} of the worlds)", file=sys.stderr)
    return kept.mean(axis=0), kept.std(axis=0) / np.sqrt(len(kept)), float(np.mean(warned))


def main() -> None:
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    warnings.simplefilter("ignore")
    print("| model | K | p | N | none | published | leverages | warned, % |")
    print("|---|---|---|---|---|---|---|---|")
    for design in DESIGNS:
        model, form, n_lists, p, n = design
        mean, error, warned = measure(design, worlds)
        cells = " | ".join(f"{m:+.1f} ({e:.1f})" for m, e in zip(mean, error, strict=True))
        name = f"{model} {form.capitalize()}" if form else model
        print(f"| {name} | {n_lists} | {p} | {n} | {cells} | {100 * warned:.0f} |", flush=True)


if __name__ == "__main__":
    main()
