"""Mixing of the sampler behind LatentClasses, and the weights of the modes of netherlands_5.

    nice python -m benchmarks.bench_mixing          writes benchmarks/results/mixing_latent_classes.json
                                                    and the tables of docs/mixing.md
    python -m benchmarks.bench_mixing shape         measures one part anew: default, modes or shape
    python -m benchmarks.bench_mixing --table       writes docs/mixing.md from the results

R-hat, effective sample sizes and seconds with the default settings, on one core with compilation
excluded, for four tables and several seeds. Then the share of the upper mode of netherlands_5 by chains
that do not jump at all (they cross by themselves, seldom) and by parallel tempering with two ladders
(Swendsen & Wang 1986; Geyer 1991): two other ways to the same posterior, each of them much slower.
"""

from __future__ import annotations

import json
import re
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import mse
from mse.bayes import latent_classes
from mse.bayes.latent_classes import _target, describe_classes, relabel
from mse.core._compiled import kernel
from mse.core.latent_classes.chain import (
    FIRST_STEP,
    LENGTH,
    MAX_STEPS,
    exchange,
    make_state,
    no_atlas,
    regroup,
    run,
    scatter,
    travel,
)
from mse.core.latent_classes.density import FAST, caught_share, make_workspace, missed_share

RESULTS = Path(__file__).parent / "results" / "mixing_latent_classes.json"
PAGE = Path(__file__).parents[1] / "docs" / "mixing.md"
TABLES = ("kosovo", "uk", "netherlands", "netherlands_5")
SEEDS = (1, 2, 3)
#: Between the modes of netherlands_5 lie about 80,000 persons; hidden over observed persons there.
BETWEEN = 80_000
#: Sweeps of chains that do not jump, and of tempered ones.
PLAIN, TEMPERED = 300_000, 80_000
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


@kernel(**FAST)
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


def default_runs() -> list[dict[str, Any]]:
    """Fit all tables with all seeds."""
    found = []
    for name in TABLES:
        for seed in SEEDS:
            found.append(default_run(name, seed))
            print(found[-1])
    return found


def other_ways() -> list[dict[str, Any]]:
    """Measure the share of the upper mode without jumps, and by tempering."""
    found = []
    for way in (
        plain_chains,
        *(lambda ladder=ladder: tempered_chains(ladder) for ladder in LADDERS),
    ):
        found.append(way())
        print(found[-1])
    return found


def shape() -> dict[str, Any]:
    """Histogram of log N on netherlands_5, and the classes of each mode."""
    table = mse.load_dataset("netherlands_5")
    fit = mse.LatentClasses(draws=3000).fit(table)
    totals = fit.chains.draws["N"]
    edges = np.geomspace(32_000, 640_000, 31)
    counts = np.histogram(totals, edges)[0]
    found: dict[str, Any] = {
        "edges": edges.round().tolist(),
        "shares": (counts / totals.size).tolist(),
    }
    for name, mask in (("lower", totals < BETWEEN), ("upper", totals >= BETWEEN)):
        part = fit._sampled._replace(
            theta=fit._sampled.theta[mask][None],
            hidden=fit._sampled.hidden[mask][None],
            stats=fit._sampled.stats[mask][None],
        )
        frame = describe_classes(relabel(part, fit._target), table.lists)
        found[name] = {
            "quantiles": np.quantile(totals[mask], QUANTILES).round().tolist(),
            "classes": frame.round(4).to_dict(orient="records"),
        }
    return found


PARTS = {"default": default_runs, "modes": other_ways, "shape": shape}


def main() -> None:
    """Measure, and write the results."""
    asked = sys.argv[1:] or list(PARTS)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if asked != ["--table"]:
        # Chains one after the other: seconds of one core.
        latent_classes.THREADED = 10**15
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mse.ConvergenceWarning)
            mse.LatentClasses(draws=100, warmup=100).fit(mse.load_dataset("korea"))
        for name in asked:
            results[name] = PARTS[name]()
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_page(results)


# The page ------------------------------------------------------------------------------------------


def rows_of_runs(results: dict[str, Any]) -> list[str]:
    """Lay the default runs out as a table."""
    lines = [
        "| table | seed | R-hat | bulk ESS | tail ESS | seconds | ESS a second | 2.5% | median | 97.5% |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in results["default"]:
        low, _, middle, _, high = each["quantiles"]
        lines.append(
            f"| `{each['table']}` | {each['seed']} | {each['r_hat']:.4f} | {each['ess_bulk']:,.0f} | "
            f"{each['ess_tail']:,.0f} | {each['seconds']:.1f} | {each['ess_per_second']:,} | "
            f"{low:,.0f} | {middle:,.0f} | {high:,.0f} |"
        )
    return lines


def rows_of_ways(results: dict[str, Any]) -> list[str]:
    """Lay the shares of the upper mode out as a table."""
    lines = [
        "| way | share above 80,000 | by chain | R-hat | bulk ESS | seconds |",
        "|---|---|---|---|---|---|",
    ]
    own = [each for each in results["default"] if each["table"] == "netherlands_5"]
    ways = [({**each, "method": f"default, seed {each['seed']}"}) for each in own]
    for each in ways + results["modes"]:
        error = f" (standard error {each['mcse_above']:.3f})" if "mcse_above" in each else ""
        chains = ", ".join(f"{share:.2f}" for share in each["above_by_chain"])
        lines.append(
            f"| {each['method']} | {each['above']:.3f}{error} | {chains} | {each['r_hat']:.3f} | "
            f"{each['ess_bulk']:,.0f} | {each['seconds']:.0f} |"
        )
    return lines


def bars(results: dict[str, Any]) -> list[str]:
    """Draw the histogram of log N in text."""
    found = results["shape"]
    top = max(found["shares"])
    lines = ["```text"]
    for low, share in zip(found["edges"], found["shares"], strict=False):
        lines.append(f"{low:>9,.0f}  {'#' * round(60 * share / top)}".rstrip())
    return [*lines, "```"]


def rows_of_classes(results: dict[str, Any]) -> list[str]:
    """Lay the classes of the modes out as a table."""
    first = results["shape"]["lower"]["classes"][0]
    lists = [name for name in first if f"{name}_low" in first][2:]
    lines = [
        f"| mode | class | observed | share of N | {' | '.join(lists)} |",
        f"|---|---|---|---|{'---|' * len(lists)}",
    ]
    for mode in ("lower", "upper"):
        for k, each in enumerate(results["shape"][mode]["classes"], start=1):
            chances = " | ".join(f"{each[name]:.3f}" for name in lists)
            lines.append(
                f"| {mode} | {k} | {each['observed']:,.0f} | {each['weight']:.3f} | {chances} |"
            )
    return lines


def write_page(results: dict[str, Any]) -> None:
    """Put the tables between their marks."""
    text = PAGE.read_text(encoding="utf-8")
    parts = {
        "runs": rows_of_runs,
        "ways": rows_of_ways,
        "shape": bars,
        "classes": rows_of_classes,
    }
    for name, lay_out in parts.items():
        marks = re.compile(rf"(?<=<!-- {name} -->\n)(.*?)(?=<!-- end of {name} -->)", re.DOTALL)
        body = "\n" + "\n".join(lay_out(results)) + "\n\n"
        text = marks.sub(lambda _, body=body: body, text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
