"""How often intervals of PooledLogLinear hold the truth, by persons registered in a stratum.

    nice python -m benchmarks.pooled_coverage          writes benchmarks/results/pooled_coverage.json
                                                       and the table of docs/methods/pooled.md
    python -m benchmarks.pooled_coverage 60 1          draws 60 worlds of each design, in one process
    python -m benchmarks.pooled_coverage --table       writes the page from the results

Sixty places and four lists, in two designs. In "as assumed" sizes, effects of lists and of pairs are normal on
the log scale, as the model has it. In "misspecified" it is wrong in ways that registers are: sizes
have a heavier tail than a log-normal distribution; list D does not operate in every fifth place, and the
table does not say so; in each place another share of those on A is referred to B; and a third of the persons is
twice as visible to lists A and C (odds).

Fits have 2 chains of 500 draws instead of 4 of 1,500, the other settings are the defaults.
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
from joblib import Parallel, delayed

import mse
from benchmarks.bench_pooled import LISTS, effects, histories

RESULTS = Path(__file__).parent / "results" / "pooled_coverage.json"
PAGE = Path(__file__).parents[1] / "docs" / "methods" / "pooled.md"
SEED = 71
STRATA = 60
LEVELS = (0.5, 0.8, 0.95)
SETTINGS = mse.PooledLogLinear(draws=500, tune=500, chains=2)
#: Worlds between two writes of the results.
BATCH = 10
GROUPS = {"0": (0, 0), "1 to 3": (1, 3), "3": (3, 3), "4 to 20": (4, 20), "over 20": (21, 10**9)}


def as_assumed(rng: np.random.Generator) -> np.ndarray:
    """Draw everybody by history, (2, 2, 2, 2, S), from a hierarchy such as the model's."""
    sizes = 12 * np.exp(1.4 * rng.standard_normal(STRATA))
    people = rng.poisson(sizes[:, None] * histories(effects(rng, STRATA)))
    return np.asarray(people.T.reshape(2, 2, 2, 2, STRATA))


def misspecified(rng: np.random.Generator) -> np.ndarray:
    """Draw everybody by history, (2, 2, 2, 2, S), person by person."""
    sizes = rng.poisson(12 * np.exp(1.1 * np.clip(rng.standard_t(4, STRATA), -4, 4)))
    rates = np.asarray([-0.8, -1.5, -1.2, -1.8]) + 0.4 * rng.standard_normal((STRATA, 4))
    rates[rng.random(STRATA) < 0.2, 3] = -np.inf
    referred = rng.beta(1.5, 4, STRATA)
    people = np.zeros((2, 2, 2, 2, STRATA), dtype=np.int64)
    for s, size in enumerate(sizes):
        visible = rng.random((size, 1)) < 1 / 3
        odds = np.exp(rates[s] + np.log(2) * visible * np.asarray([1, 0, 1, 0]))
        on = rng.random((size, 4)) < odds / (1 + odds)
        on[:, 1] |= on[:, 0] & (rng.random(size) < referred[s])
        np.add.at(people[..., s], tuple(on.T.astype(np.int64)), 1)
    return people


DESIGNS = {"as assumed": as_assumed, "misspecified": misspecified}


def ends(draws: np.ndarray, level: float) -> np.ndarray:
    """Equal-tailed interval of each column, (2, ...), whole persons."""
    return np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0, method="nearest")


def world(design: str, number: int) -> dict[str, Any]:
    """Draw a world, fit it, and see which intervals hold the truth."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng([SEED, list(DESIGNS).index(design), number])
    people = DESIGNS[design](rng)
    truth = people.reshape(-1, STRATA).sum(axis=0)
    people[0, 0, 0, 0] = 0
    table = mse.CaptureTable.from_array(people, LISTS, {"place": list(range(STRATA))})
    start = time.process_time()
    fit = SETTINGS.fit(table)
    seen = people.reshape(-1, STRATA).sum(axis=0)
    total, each = fit.chains.flat("N"), fit.chains.flat("hidden") + seen
    found: dict[str, Any] = {"seen": seen.tolist(), "truth": truth.tolist(), "by_level": {}}
    for level in LEVELS:
        low, high = ends(each, level)
        a, b = ends(total, level)
        found["by_level"][str(level)] = {
            "strata": ((low <= truth) & (truth <= high)).tolist(),
            "total": bool(a <= truth.sum() <= b),
            "low": low.tolist(),
            "high": high.tolist(),
        }
    found["ratio"] = float(np.median(total) / truth.sum())
    found["ratio_high"] = float(np.quantile(total, 0.975) / truth.sum())
    found["medians"] = np.median(each, axis=0).tolist()
    found["r_hat"] = float(fit.diagnostics["r_hat"].max())
    found["diverging"] = int(fit.chains.stats["diverging"].sum())
    found["processor_seconds"] = time.process_time() - start
    return found


def summarize(worlds: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares of intervals that hold the truth, by group of strata and of the total."""
    seen = np.concatenate([w["seen"] for w in worlds])
    truth = np.concatenate([w["truth"] for w in worlds])
    points = np.concatenate([w["medians"] for w in worlds])
    of_world = np.repeat(np.arange(len(worlds)), STRATA)
    groups = {}
    for name, (least, most) in GROUPS.items():
        inside = (seen >= least) & (seen <= most)
        row: dict[str, Any] = {"strata": int(inside.sum())}
        for level in LEVELS:
            held = np.concatenate([w["by_level"][str(level)]["strata"] for w in worlds])
            low = np.concatenate([w["by_level"][str(level)]["low"] for w in worlds])[inside]
            high = np.concatenate([w["by_level"][str(level)]["high"] for w in worlds])[inside]
            # Strata of one world share what was learned of the common effects.
            by_world = [held[inside & (of_world == i)] for i in range(len(worlds))]
            shares = np.asarray([each.mean() for each in by_world if each.size])
            row[str(level)] = {
                "coverage": round(float(held[inside].mean()), 3),
                "standard_error": round(float(shares.std(ddof=1) / np.sqrt(shares.size)), 3),
                "mean_low": round(float(low.mean()), 1),
                "mean_high": round(float(high.mean()), 1),
            }
        row["mean_truth"] = round(float(truth[inside].mean()), 2)
        row["mean_point"] = round(float(points[inside].mean()), 2)
        groups[name] = row
    total = {
        str(level): round(float(np.mean([w["by_level"][str(level)]["total"] for w in worlds])), 3)
        for level in LEVELS
    }
    return {
        "worlds": len(worlds),
        "groups": groups,
        "total": total,
        "median_point_over_truth": round(float(np.median([w["ratio"] for w in worlds])), 3),
        "median_upper_end_over_truth": round(
            float(np.median([w["ratio_high"] for w in worlds])), 3
        ),
        "highest_r_hat": round(max(w["r_hat"] for w in worlds), 3),
        "r_hat_by_world": [round(w["r_hat"], 3) for w in worlds],
        "diverging_by_world": [w["diverging"] for w in worlds],
        "processor_seconds": round(sum(w["processor_seconds"] for w in worlds)),
        "share_r_hat_above_1.01": round(float(np.mean([w["r_hat"] > 1.01 for w in worlds])), 2),
    }


def rows(results: dict[str, Any]) -> list[str]:
    """Lay the results out as a table."""
    heads = ["design", "registered", "strata", "50%", "80%", "95%"]
    heads += ["mean truth", "mean point", "mean 95% interval"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for design, found in results.items():
        for name, row in found["groups"].items():
            shares = " | ".join(f"{row[str(level)]['coverage']:.1%}" for level in LEVELS)
            reach = row["0.95"]
            lines.append(
                f"| {design} | {name} | {row['strata']:,} | {shares} | {row['mean_truth']:.1f} | "
                f"{row['mean_point']:.1f} | {reach['mean_low']:.1f} to {reach['mean_high']:.1f} |"
            )
        shares = " | ".join(f"{found['total'][str(level)]:.0%}" for level in LEVELS)
        lines.append(f"| {design} | total | {found['worlds']} worlds | {shares} | | | |")
    return lines


def write_page(results: dict[str, Any]) -> None:
    """Put the table between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    marks = re.compile(r"(?<=<!-- coverage -->\n)(.*?)(?=<!-- end of coverage -->)", re.DOTALL)
    body = "\n" + "\n".join(rows(results)) + "\n\n"
    PAGE.write_text(marks.sub(lambda _: body, text), encoding="utf-8")


def main() -> None:
    """Measure, and write the results after every batch of worlds."""
    if sys.argv[1:] == ["--table"]:
        write_page(json.loads(RESULTS.read_text()))
        return
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    found: dict[str, list[dict[str, Any]]] = {design: [] for design in DESIGNS}
    results: dict[str, Any] = {}
    for start in range(0, worlds, BATCH):
        for design, so_far in found.items():
            clock = time.time()
            numbers = range(start, min(start + BATCH, worlds))
            so_far.extend(Parallel(n_jobs=jobs)(delayed(world)(design, i) for i in numbers))
            results[design] = summarize(so_far)
            print(design, len(so_far), f"{time.time() - clock:.0f} s", flush=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_page(results)


if __name__ == "__main__":
    main()
