"""Mixing of the sampler behind LatentClasses, and the weights of the modes of netherlands_5.

    nice python -m benchmarks.bench_mixing          writes benchmarks/results/mixing_latent_classes.json

R-hat, effective sample sizes and seconds with the default settings, on one core with compilation
excluded, for four tables and several seeds. Then the share of the upper mode of netherlands_5 by chains
that do not jump at all (they cross by themselves, seldom) and by parallel tempering with two ladders
(Swendsen & Wang 1986; Geyer 1991): two other ways to the same posterior, each of them much slower.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np

import mse
from mse.bayes import latent_classes_sampling
from mse.bayes.latent_classes import _target
from mse.core.latent_classes import FAST, caught_share, make_workspace, missed_share
from mse.core.latent_classes_chain import FIRST_STEP, LENGTH, run, scatter
from mse.core.latent_classes_jumps import no_atlas
from mse.core.latent_classes_moves import MAX_STEPS, exchange, make_state, regroup, travel

RESULTS = Path(__file__).parent / "results" / "mixing_latent_classes.json"
TABLES = ("kosovo", "uk", "netherlands", "netherlands_5")
SEEDS = (1, 2, 3)
#: Between the modes of netherlands_5 lie about 80,000 persons; hidden over observed persons there.
BETWEEN = 80_000
#: Sweeps of chains that do not jump, and of tempered ones.
PLAIN, TEMPERED = 300_000, 100_000
LADDERS = ((1.0, 0.8, 0.64, 0.5, 0.4), (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.13))
QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)


def diagnosis(draws: np.ndarray) -> dict[str, float]:
    """R-hat and effective sample sizes of the logs of draws (chains, M)."""
    from arviz_stats.base import array_stats

    return {
        "r_hat": round(float(array_stats.rhat(np.log(draws))), 4),
        "ess_bulk": round(float(array_stats.ess(np.log(draws)))),
        "ess_tail": round(float(array_stats.ess(np.log(draws), method="tail", prob=(0.05, 0.95)))),
    }


def crossings(draws: np.ndarray) -> dict[str, Any]:
    """How often chains go from one mode to the other, and their share above."""
    above = draws > BETWEEN
    return {
        "above": round(float(above.mean()), 3),
        "above_by_chain": above.mean(axis=1).round(3).tolist(),
        "crossings_by_chain": np.abs(np.diff(above.astype(int), axis=1)).sum(axis=1).tolist(),
    }


def default_run(name: str, seed: int) -> dict[str, Any]:
    """Fit a table with the default settings."""
    table = mse.load_dataset(name)
    start = time.process_time()
    fit = mse.LatentClasses(seed=seed).fit(table)
    seconds = time.process_time() - start
    draws = fit.chains.draws["N"]
    found: dict[str, Any] = {"table": name, "seed": seed, **diagnosis(draws)}
    found["seconds"] = round(seconds, 2)
    found["ess_per_second"] = round(found["ess_bulk"] / seconds)
    found["quantiles"] = np.quantile(draws, QUANTILES).round().tolist()
    found["jumps_accepted"] = round(float(fit.chains.stats["jumps"].mean()), 4)
    if name == "netherlands_5":
        found |= crossings(draws)
    return found


def plain_chains(chains: int = 4) -> dict[str, Any]:
    """Run chains on netherlands_5 that do not jump."""
    table = mse.load_dataset("netherlands_5")
    target = _target(mse.LatentClasses(), table)
    start = time.process_time()
    odds = []
    for chain in range(chains):
        rng = np.random.default_rng([11, chain])
        theta = scatter(rng, target)
        options = {"n_draws": 3000, "thin": 1, "adapt": True}
        warm, step = run(rng, theta, target, no_atlas(), FIRST_STEP, **options)
        kept, _ = run(
            rng, warm.theta[-1].copy(), target, no_atlas(), step, n_draws=PLAIN // 20, thin=20
        )
        odds.append(kept.odds[:, 0])
    seconds = time.process_time() - start
    return summarize("no jumps", np.asarray(odds), table.n_observed, seconds)


def summarize(method: str, odds: np.ndarray, observed: int, seconds: float) -> dict[str, Any]:
    """Share of the upper mode from draws of hidden over observed persons (chains, M)."""
    totals = observed * (1.0 + odds)
    found = {"method": method, **diagnosis(totals), **crossings(totals)}
    found["quantiles"] = np.quantile(totals, QUANTILES).round().tolist()
    # Of a share, from the effective size of its own indicator.
    from arviz_stats.base import array_stats

    found["mcse_above"] = round(float(array_stats.mcse((totals > BETWEEN).astype(float))), 4)
    return found | {"seconds": round(seconds, 1)}


@nb.njit(**FAST)
def _temper(rng, theta, cold, targets, powers, steps, adapt, odds):  # type: ignore[no-untyped-def]
    """Parallel tempering; the first level is the posterior, and also makes Gibbs moves."""
    n_levels = powers.size
    work = make_workspace(cold)
    for m in range(odds.size):
        for level in range(n_levels):
            target = targets[level]
            state = make_state(theta[level].copy(), target, work)
            if level == 0:
                state = regroup(rng, state, target, work)
            state, _ = exchange(rng, state, target, work)
            size = steps[level] * (0.8 + 0.4 * rng.random())
            n_steps = min(max(int(2.0 * LENGTH * rng.random() / steps[level]), 1), MAX_STEPS)
            state, probability = travel(rng, state, target, work, size, n_steps)
            theta[level] = state.theta
            if adapt:
                steps[level] *= np.exp((probability - 0.75) / (10.0 + m) ** 0.6)
        # Even and odd pairs of neighbors in turn (Syed et al. 2022, JRSS B 84, 321-350).
        for level in range(m % 2, n_levels - 1, 2):
            here = make_state(theta[level].copy(), cold, work).likelihood
            there = make_state(theta[level + 1].copy(), cold, work).likelihood
            if np.log(rng.random()) < (powers[level] - powers[level + 1]) * (there - here):
                kept = theta[level].copy()
                theta[level] = theta[level + 1]
                theta[level + 1] = kept
        make_state(theta[0].copy(), cold, work)
        odds[m] = missed_share(work, 0) / caught_share(work, 0)


def tempered_chains(ladder: tuple[float, ...], chains: int = 4) -> dict[str, Any]:
    """Temper the likelihood of netherlands_5: its counts times a power."""
    table = mse.load_dataset("netherlands_5")
    cold = _target(mse.LatentClasses(), table)
    data = cold.histories
    targets = tuple(
        cold._replace(
            histories=data._replace(counts=data.counts * power, observed=data.observed * power)
        )
        for power in ladder
    )
    start = time.process_time()
    odds = np.zeros((chains, TEMPERED))
    for chain in range(chains):
        rng = np.random.default_rng([12, len(ladder), chain])
        theta = np.stack([scatter(rng, cold) for _ in ladder])
        steps = np.full(len(ladder), FIRST_STEP)
        arguments = (rng, theta, cold, targets, np.asarray(ladder), steps)
        _temper(*arguments, True, np.zeros(3000))
        _temper(*arguments, False, odds[chain])
    seconds = time.process_time() - start
    method = "tempering, powers " + ", ".join(map(str, ladder))
    return summarize(method, odds[:, ::20].copy(), table.n_observed, seconds)


def main() -> None:
    """Measure, and write the results."""
    # Chains one after the other: seconds of one core.
    latent_classes_sampling.THREADED = 10**15
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mse.ConvergenceWarning)
        mse.LatentClasses(draws=100, warmup=100).fit(mse.load_dataset("korea"))
    results: dict[str, Any] = {"default": [], "modes of netherlands_5": []}
    for name in TABLES:
        for seed in SEEDS:
            results["default"].append(default_run(name, seed))
            print(results["default"][-1])
    for found in (plain_chains(), *(tempered_chains(ladder) for ladder in LADDERS)):
        results["modes of netherlands_5"].append(found)
        print(found)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
