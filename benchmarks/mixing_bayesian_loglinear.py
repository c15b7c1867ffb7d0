"""Mixing of BayesianLogLinear, and enumeration against long reversible jump.

    nice python -m benchmarks.mixing_bayesian_loglinear
                                     writes benchmarks/results/mixing_bayesian_loglinear.json
                                     and the last tables of docs/mixing.md
    python -m benchmarks.mixing_bayesian_loglinear --table
                                     writes docs/mixing.md from the results

Processor seconds of one core, compilation excluded:

* fits of four tables with the default settings (all models enumerated) and by reversible jump, for several seeds, with
  R-hat and effective sample sizes of log N from four chains with over-dispersed starts;
* the modes of `netherlands_5` and `scotland_pwid`, and how often chains cross between them;
* inclusion probabilities by enumeration against those of long chains that go term by term and know no probability of
  any model beforehand, in units of their joint standard error.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np

import mse
from benchmarks.bench_bayesian_loglinear import upper_bounds
from mse.bayes import model_average_posterior
from mse.bayes.model_average_posterior import all_models, enumerate_models, make_setting
from mse.core.model_average.chain import start_run, take_draws, warm_up

RESULTS = Path(__file__).parent / "results" / "mixing_bayesian_loglinear.json"
PAGE = Path(__file__).parents[1] / "docs" / "mixing.md"
WAYS = {"auto": "all enumerated", "reversible-jump": "reversible jump"}
TABLES = {"kosovo": 3, "uk": 2, "netherlands": 2, "netherlands_5": 2}
SEEDS = (1, 2, 3)
#: Iterations of the chains that enumeration is compared with, and between their draws.
LONG, THIN = 400_000, 20
UNIT = np.asarray([1.0, 0.0, 0.0])


def mixing(name: str, order: int, strategy: str, seed: int) -> dict[str, Any]:
    """Fit a table and diagnose its chains."""
    table = mse.load_dataset(name)
    start = time.process_time()
    fit = mse.BayesianLogLinear(max_order=order, strategy=strategy, seed=seed).fit(table)  # type: ignore[arg-type]
    seconds = time.process_time() - start
    found = fit.diagnostics.loc["log N"]
    draws = fit.chains.draws["N"]
    return {
        "table": name,
        "max_order": order,
        "strategy": strategy,
        "seed": seed,
        "seconds": round(seconds, 2),
        "r_hat": round(float(found["r_hat"]), 4),
        "ess_bulk": round(float(found["ess_bulk"])),
        "ess_tail": round(float(found["ess_tail"])),
        "quantiles": np.quantile(draws, [0.025, 0.25, 0.5, 0.75, 0.975]).round().tolist(),
        "largest_error": round(float(fit.models["error"].max()), 4),
        "left_to_prior": round(float(fit._existence.left_to_prior), 4),  # type: ignore[union-attr]
    }


def modes(table: mse.CaptureTable, between: float, **settings: Any) -> dict[str, Any]:
    """Share of the upper mode, and crossings of each chain."""
    fit = mse.BayesianLogLinear(**settings).fit(table)
    totals = fit.chains.draws["N"]
    above = totals > between
    found = fit.diagnostics.loc["log N"]
    return {
        "table": table.info.name,
        "strategy": "auto" if fit.enumerated else "reversible-jump",
        "between": between,
        "share_above": above.mean(axis=1).round(3).tolist(),
        "crossings": np.abs(np.diff(above.astype(int), axis=1)).sum(axis=1).tolist(),
        "medians": [float(np.median(totals[~above])), float(np.median(totals[above]))],
        "r_hat": round(float(found["r_hat"]), 4),
        "ess_bulk": round(float(found["ess_bulk"])),
    }


def agreement(name: str, order: int) -> dict[str, Any]:
    """Compare enumeration with four long chains that go term by term."""
    from arviz_stats.base import array_stats

    target = make_setting(mse.load_dataset(name), order, UNIT).target
    exact = enumerate_models(target, np.random.SeedSequence(1))
    share, error = exact.share(exact.members[:, target.scope.free])
    models = all_models(target.scope)
    found = []
    for chain in range(4):
        rng = np.random.default_rng([17, chain])
        run = start_run(target, models[[0, -1][chain % 2]], LONG // THIN, rng)
        warm_up(run, LONG // 20)
        take_draws(run, THIN, 0, LONG // THIN)
        found.append(run.parts.record.members[:, target.scope.free])
    inside = np.stack(found).astype(np.float64)
    counted = inside.mean(axis=(0, 1))
    moved = np.flatnonzero((counted > 1e-3) & (counted < 1 - 1e-3))
    monte_carlo = np.asarray(
        [array_stats.mcse(inside[:, :, j], method="mean") for j in moved], dtype=np.float64
    )
    scores = (share[moved] - counted[moved]) / np.hypot(error[moved], monte_carlo)
    return {
        "table": name,
        "models": len(models),
        "interactions_compared": int(moved.size),
        "largest_difference": round(float(np.abs(share - counted).max()), 4),
        "largest_score": round(float(np.abs(scores).max(initial=0.0)), 2),
        "largest_error_enumerated": round(float(error.max()), 4),
        "largest_error_counted": round(float(monte_carlo.max(initial=0.0)), 4),
    }


def main() -> None:
    """Measure, and write the results."""
    model_average_posterior.THREADED = 10**9
    warnings.simplefilter("ignore", mse.ConvergenceWarning)
    mse.BayesianLogLinear(draws=100, warmup=100).fit(mse.load_dataset("korea"))
    with joblib.parallel_config(n_jobs=1):
        results: dict[str, Any] = {"mixing": [], "modes": []}
        for name, order in TABLES.items():
            for strategy in ("auto", "reversible-jump"):
                for seed in SEEDS:
                    results["mixing"].append(mixing(name, order, strategy, seed))
                    print(results["mixing"][-1], flush=True)
        held = {"prior": "sabanes-bove-held"}
        results["modes"] = [
            modes(mse.load_dataset("netherlands_5"), 80_000),
            modes(mse.load_dataset("netherlands_5"), 80_000, strategy="reversible-jump"),
            modes(upper_bounds(), 18_500, **held),
        ]
        print(results["modes"], flush=True)
        results["enumeration against reversible jump"] = [
            agreement(name, order)
            for name, order in (("spina_bifida", 2), ("kosovo", 3), ("netherlands_5", 2))
        ]
    print(results["enumeration against reversible jump"], flush=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_page(results)


def table_of_runs(results: dict[str, Any]) -> str:
    """Write R-hat, effective sample sizes, seconds and quantiles as a table."""
    lines = [
        "| table | models | seed | R-hat | bulk ESS | tail ESS | seconds | 2.5% | median | 97.5% |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in results["mixing"]:
        low, _, median, _, high = run["quantiles"]
        lines.append(
            f"| `{run['table']}` | {WAYS[run['strategy']]} | {run['seed']} | {run['r_hat']:.4f} | "
            f"{run['ess_bulk']:,} | {run['ess_tail']:,} | {run['seconds']:.1f} | {low:,.0f} | "
            f"{median:,.0f} | {high:,.0f} |"
        )
    return "\n".join(lines)


def table_of_modes(results: dict[str, Any]) -> str:
    """Write the shares of the upper modes and how often chains cross as a table."""
    lines = [
        "| table | models | between | median below | median above | share above, by chain | crossings, by chain |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in results["modes"]:
        shares = ", ".join(f"{share:.2f}" for share in run["share_above"])
        crossings = ", ".join(map(str, run["crossings"]))
        below, above = run["medians"]
        lines.append(
            f"| `{run['table']}` | {WAYS[run['strategy']]} | {run['between']:,} | {below:,.0f} | "
            f"{above:,.0f} | {shares} | {crossings} |"
        )
    return "\n".join(lines)


def write_page(results: dict[str, Any]) -> None:
    """Put the tables into the page, between their marks."""
    text = PAGE.read_text(encoding="utf-8")
    tables = {"loglinear": table_of_runs(results), "loglinear modes": table_of_modes(results)}
    for name, table in tables.items():
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        text = f"{before}<!-- {name} -->\n\n{table}\n\n{end}{after}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if "--table" in sys.argv:
        write_page(json.loads(RESULTS.read_text(encoding="utf-8")))
    else:
        main()
