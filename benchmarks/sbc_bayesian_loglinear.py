"""Simulation-based calibration of BayesianLogLinear.

    nice python -m benchmarks.sbc_bayesian_loglinear
                                     writes benchmarks/results/sbc_bayesian_loglinear.json

A model is drawn from the uniform prior, coefficients from theirs, and a table given both. The flat prior
of the intercept cannot be drawn from. But with it the observed persons n say nothing about the other
coefficients, and given n the expected number of observed persons is Gamma(n, 1): so worlds have a fixed
n, cells are multinomial, and the hidden persons are Poisson with that expected number times the odds of not
being seen. Where counts of some cells are only known within bounds n is that of the others, and the true counts of
these cells are drawn as hidden ones are; the bounds are a fixed partition of the counts. Where the levels of a
covariate are lost, each person's is lost with the same probability, whatever the history.

The negative controls must fail: a prior of a quarter of the variance, and counts within bounds taken for
their lower bounds.
"""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import mse
from benchmarks.ranks import rank, uniformity
from mse.bayes import model_average_posterior
from mse.bayes.model_average_posterior import cell_means
from mse.models.catalogue import catalogue

RESULTS = Path(__file__).parent / "results" / "sbc_bayesian_loglinear.json"
SEED = 53
#: One less than a multiple of the bins.
DRAWS = 99
#: Bounds that counts are known within: 0 to 4, 5 to 9, and so on.
BOUNDS = np.asarray([0, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 2**62])
#: Shape and rate of the inverse gamma distribution of the variance.
HYPER = (6.0, 6.0)
#: Settings of the fits: chains that need not be long, and draws far enough apart.
FIT = mse.BayesianLogLinear(chains=1, draws=100, warmup=300, thin=8)


class Worlds(NamedTuple):
    """What tables are drawn from."""

    n_lists: int
    levels: tuple[int, ...] = ()  # of each covariate
    observed: int = 100
    order: int = 2  # of the largest interaction; above 2 without covariates
    hyper: tuple[float, float] | None = None  # shape and rate, else unit information
    vague: bool = False  # counts of persons on the last list only are known within bounds
    lost: float = 0.0  # share of the persons whose level of the last covariate is not known

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tables."""
        return (2,) * self.n_lists + self.levels


def contrasts(shape: tuple[int, ...], term: tuple[int, ...]) -> np.ndarray:
    """Orthogonal contrasts of a term over all cells, of mean square 1."""
    columns = np.ones((1, 1))
    for axis, size in enumerate(shape):
        own = np.ones((size, 1))
        if axis in term:
            basis, _ = np.linalg.qr(np.hstack([own, np.eye(size)[:, 1:]]))
            own = basis[:, 1:] * np.sqrt(size)
        columns = np.kron(columns, own)
    return columns


def draw_world(worlds: Worlds, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
    """Draw a table, and what is true of it."""
    shape = worlds.shape
    chosen = draw_interactions(worlds, rng)
    terms = [*((axis,) for axis in range(len(shape))), *chosen]
    sd = 1.0
    if worlds.hyper is not None:
        sd = float(np.sqrt(worlds.hyper[1] / 2 / rng.gamma(worlds.hyper[0] / 2)))
    design = np.hstack([contrasts(shape, term) for term in terms])
    logs = design @ (sd * rng.standard_normal(design.shape[1]))
    counts = draw_counts(worlds, np.exp(logs - logs.max()), rng)
    n_strata = int(np.prod(worlds.levels))
    true = {
        "hidden": float(counts[:n_strata].sum()),
        "interactions": float(len(chosen)),
        "first pair": float((0, 1) in chosen),
        "spread": float(logs.std()),
    }
    table = make_table(worlds, counts)
    if worlds.lost:
        table = lose_levels(table, worlds.lost, rng)
    if worlds.vague:
        true["hidden"] += counts.sum() - counts[:n_strata].sum() - table.n_observed
    return table, true


def draw_interactions(worlds: Worlds, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Draw a hierarchical model: all are equally likely."""
    if worlds.order == 2:
        pairs = combinations(range(len(worlds.shape)), 2)
        lists = set(range(worlds.n_lists))
        return [pair for pair in pairs if not lists.issubset(pair) and rng.random() < 0.5]
    known = catalogue(worlds.n_lists, worlds.order)
    members = known.members[rng.integers(len(known))]
    chosen = zip(known.terms, members, strict=True)
    return [term for term, inside in chosen if inside and len(term) > 1]


def draw_counts(worlds: Worlds, means: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw counts by cell: a fixed number of persons in the cells that are known exactly."""
    cells = np.arange(means.size)
    n_strata = int(np.prod(worlds.levels))
    history = cells // n_strata
    exact = (history > 1) if worlds.vague else (history > 0)
    counts = np.zeros(means.size, dtype=np.int64)
    share = means[exact].sum()
    counts[exact] = rng.multinomial(worlds.observed, means[exact] / share)
    expected = rng.gamma(worlds.observed) * means[~exact] / share
    counts[~exact] = rng.poisson(np.minimum(expected, 1e15))
    return counts


def make_table(worlds: Worlds, counts: np.ndarray) -> mse.CaptureTable:
    """Make a table of the observable cells."""
    lists = tuple("ABCDEFGH"[: worlds.n_lists])
    covariates = {f"x{i}": tuple(range(size)) for i, size in enumerate(worlds.levels)}
    seen = counts.copy().reshape(worlds.shape)
    seen[(0,) * worlds.n_lists] = 0
    # A list that nobody is on would be an error in a table of the user's.
    anybody = np.ones(worlds.shape, dtype=np.int64)
    anybody[(0,) * worlds.n_lists] = 0
    table = mse.CaptureTable.from_array(anybody, lists, covariates).with_counts(seen)
    if not worlds.vague:
        return table
    patterns = np.argwhere(np.ones(worlds.shape, dtype=bool))
    patterns = patterns[patterns[:, : worlds.n_lists].any(axis=1)]
    low = seen[tuple(patterns.T)]
    last = patterns[:, : worlds.n_lists].sum(axis=1) == patterns[:, worlds.n_lists - 1]
    place = np.searchsorted(BOUNDS, low, side="right")
    high = np.where(last, BOUNDS[place] - 1, low)
    low = np.where(last, BOUNDS[place - 1], low)
    kept = high > 0
    return replace(table, patterns=patterns[kept], low=low[kept], high=high[kept])


def lose_levels(
    table: mse.CaptureTable, share: float, rng: np.random.Generator
) -> mse.CaptureTable:
    """Lose the level of the last covariate of some persons."""
    gone = rng.binomial(table.low, share)
    unknown = table.patterns.copy()
    unknown[:, -1] = -1
    patterns, which = np.unique(np.vstack([table.patterns, unknown]), axis=0, return_inverse=True)
    n = np.zeros(len(patterns), dtype=np.int64)
    np.add.at(n, which.ravel(), np.concatenate([table.low - gone, gone]))
    kept = n > 0
    return replace(table, patterns=patterns[kept], low=n[kept], high=n[kept])


def ranks_of_worlds(
    worlds: Worlds, number: int, fit: mse.BayesianLogLinear, *, as_lower: bool = False
) -> dict[str, np.ndarray]:
    """Ranks of true values among posterior draws.

    Parameters
    ----------
    worlds : Worlds
        What tables are drawn from.
    number : int
        How many.
    fit : BayesianLogLinear
        What is calibrated.
    as_lower : bool, default False
        Take counts within bounds for their lower ones: wrong, for a negative control.
    """
    found: dict[str, list[int]] = {}
    for w in range(number):
        rng = np.random.default_rng([SEED, worlds.n_lists, len(worlds.levels), w])
        table, true = draw_world(worlds, rng)
        if as_lower:
            table = replace(table, high=table.low)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mse.MSEWarning)
            posterior = replace(fit, seed=w).fit(table)
        draws = posterior.chains.draws
        values = {
            "hidden": draws["N"][0] - table.n_observed,
            "interactions": draws["n_interactions"][0],
            "first pair": draws["present"][0, :, 0],
            "spread": spread(posterior, draws["coefficients"][0]),
        }
        for name, value in true.items():
            found.setdefault(name, []).append(rank(value, values[name][:DRAWS], rng))
    return {name: np.asarray(ranks) for name, ranks in found.items()}


def spread(posterior: Any, coefficients: np.ndarray) -> np.ndarray:
    """Compute the standard deviation of the log means over the cells."""
    return np.log(cell_means(posterior._setting, coefficients)).std(axis=1)


def calibrate(
    worlds: Worlds, number: int, fit: mse.BayesianLogLinear = FIT, *, as_lower: bool = False
) -> dict[str, Any]:
    """Uniformity of the ranks of each figure."""
    fit = replace(fit, max_order=worlds.order)
    if worlds.hyper is not None:
        shape, rate = worlds.hyper
        fit = replace(fit, prior="sabanes-bove-held", shape=shape, rate=rate)
    ranks = ranks_of_worlds(worlds, number, fit, as_lower=as_lower)
    return {name: uniformity(values, DRAWS) for name, values in ranks.items()}


def studies() -> dict[str, tuple[Worlds, int, mse.BayesianLogLinear]]:
    """Worlds, how many, and settings of the fits."""
    jumping = replace(FIT, strategy="reversible-jump")
    third_order, bounded = Worlds(4, order=3), Worlds(3, (3,), vague=True)
    vague_variance = Worlds(3, hyper=HYPER)
    return {
        "3 lists, enumerated": (Worlds(3), 1000, FIT),
        "3 lists, reversible jump": (Worlds(3), 1000, jumping),
        "4 lists, interactions of three, enumerated": (third_order, 100, FIT),
        "4 lists, interactions of three, reversible jump": (third_order, 1000, jumping),
        "3 lists, variance inverse gamma (3, 3), enumerated": (vague_variance, 100, FIT),
        "3 lists, variance inverse gamma (3, 3), reversible jump": (vague_variance, 1000, jumping),
        "3 lists and 3 levels, counts within bounds, enumerated": (bounded, 100, FIT),
        "3 lists and 3 levels, counts within bounds, reversible jump": (bounded, 1000, jumping),
        "3 lists and 3 levels, a fifth of them lost, reversible jump": (
            Worlds(3, (3,), lost=0.2),
            1000,
            jumping,
        ),
        "negative control: a quarter of the variance": (
            Worlds(3),
            100,
            replace(FIT, variance=0.25),
        ),
        "negative control: lower bounds as counts": (bounded, 100, jumping),
    }


def main() -> None:
    """Measure, and write the results."""
    model_average_posterior.THREADED = 10**9
    start = time.process_time()
    results: dict[str, Any] = {}
    for name, (worlds, number, fit) in studies().items():
        found = calibrate(worlds, number, fit, as_lower="as counts" in name)
        print(name, {key: f"{value['p_value']:.2g}" for key, value in found.items()}, flush=True)
        results[name] = found
        results["seconds"] = round(time.process_time() - start, 1)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
