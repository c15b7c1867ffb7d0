"""Speed and mixing of BayesianLogLinear, and enumeration against long reversible jump.

    nice python -m benchmarks.bench_bayesian_loglinear
                                     writes benchmarks/results/bayesian_loglinear.json

Processor seconds of one core, compilation excluded:

* reversible jump on `scotland_pwid`, cells of persons on S4 only upper bounds, all two-way terms: a warm-up of 1,000
  iterations with nothing known beforehand and 10,000 iterations of one chain, the whole fit, persons drawn;
* fits of four tables with the default settings (all models enumerated) and by reversible jump, for several seeds, with
  R-hat and effective sample sizes of log N from four chains with over-dispersed starts;
* the modes of `netherlands_5` and `scotland_pwid`, and how often chains cross between them;
* inclusion probabilities by enumeration against those of long chains that go term by term and know no probability of
  any model beforehand, in units of their joint standard error.
"""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np

import mse
from mse.bayes import log_linear_sampling
from mse.bayes.log_linear_models import all_models, enumerate_models
from mse.bayes.log_linear_setting import make_setting
from mse.core.bayes_loglinear_chain import start_run, take_draws, warm_up

RESULTS = Path(__file__).parent / "results" / "bayesian_loglinear.json"
TABLES = {"kosovo": 3, "uk": 2, "netherlands": 2, "netherlands_5": 2}
SEEDS = (1, 2, 3)
#: Iterations of the chains that enumeration is compared with, and between their draws.
LONG, THIN = 400_000, 20
UNIT = np.asarray([1.0, 0.0, 0.0])


def upper_bounds() -> mse.CaptureTable:
    """Read the cells of persons on S4 only of `scotland_pwid` as upper bounds."""
    table = mse.load_dataset("scotland_pwid")
    only = (table.patterns[:, :4] == [0, 0, 0, 1]).all(axis=1)
    return replace(table, low=np.where(only, 0, table.low))


def jumping() -> dict[str, Any]:
    """Time 10,000 iterations of reversible jump on `scotland_pwid`; the best of five rounds."""
    table = upper_bounds()
    estimator = mse.BayesianLogLinear(prior="sabanes-bove-held", chains=1, draws=2500, thin=4)
    seconds = []
    for seed in range(6):
        start = time.process_time()
        fit = replace(estimator, seed=seed).fit(table)
        seconds.append(time.process_time() - start)
    return {
        "what": "scotland_pwid, a warm-up of 1,000 iterations and 10,000 more of one chain, the whole fit",
        "bar": 2.0,
        "seconds": round(min(seconds[1:]), 2),
        "all_rounds": [round(each, 2) for each in seconds[1:]],
        "models_drawn": len(fit.models),
    }


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
    log_linear_sampling.THREADED = 10**9
    warnings.simplefilter("ignore", mse.ConvergenceWarning)
    mse.BayesianLogLinear(draws=100, warmup=100).fit(mse.load_dataset("korea"))
    with joblib.parallel_config(n_jobs=1):
        results: dict[str, Any] = {"reversible jump": jumping(), "mixing": [], "modes": []}
        print(results["reversible jump"], flush=True)
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


if __name__ == "__main__":
    main()
