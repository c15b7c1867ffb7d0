"""Mixing of the sampler behind PooledLogLinear.

    nice python -m benchmarks.bench_pooled          writes benchmarks/results/mixing_pooled.json
                                                    and the table of docs/methods/pooled.md
    python -m benchmarks.bench_pooled "50 places"   measures one table anew
    python -m benchmarks.bench_pooled --table       writes the page from the results

R-hat and effective sample sizes with the default settings, of the log of the total and of the hidden
persons of every stratum (plus one, since there may be none), on synthetic tables from five strata to 500.
Compilation is excluded.
"""

from __future__ import annotations

import json
import re
import sys
import time
import warnings
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from arviz_stats.base import array_stats

import mse
from mse.core.lattice import subset_sum

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).parent / "results" / "mixing_pooled.json"
PAGE = Path(__file__).parents[1] / "docs" / "methods" / "pooled.md"
SEEDS = (1, 2)
LISTS = ("A", "B", "C", "D")
#: Common effects: rare to be on a list; two pairs go together, one apart.
RATES = np.asarray([-1.2, -1.8, -1.5, -2.2])
PAIRS = np.asarray([0.8, 0.0, 0.0, 0.4, -0.3, 0.0])


def histories(theta: np.ndarray) -> np.ndarray:
    """Probabilities of the 16 histories, (S, 16), from effects of lists and pairs (S, 10)."""
    bits = [8, 4, 2, 1]
    cells = [*bits, *(a + b for i, a in enumerate(bits) for b in bits[i + 1 :])]
    found = np.zeros((len(theta), 16))
    found[:, cells] = theta
    for row in found:
        subset_sum(row, np.full(4, 2, dtype=np.int64))
    weights = np.exp(found)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def draw_counts(rng: np.random.Generator, sizes: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Draw the registered persons, (2, 2, 2, 2, S)."""
    counts = rng.poisson(sizes[:, None] * histories(theta))
    counts[:, 0] = 0
    return np.asarray(counts.T.reshape(2, 2, 2, 2, -1))


def effects(rng: np.random.Generator, strata: int, spread: float = 0.4) -> np.ndarray:
    """Effects of lists and of pairs that vary over strata, (S, 10)."""
    common = np.concatenate([RATES, PAIRS])
    own = rng.standard_normal((strata, 10)) * np.r_[np.full(4, spread), np.full(6, 0.15)]
    together = 0.5 * spread * rng.standard_normal((strata, 1)) * (np.arange(10) < 4)
    return np.asarray(common + own + together)


def places(strata: int, median: float, spread: float) -> mse.CaptureTable:
    """Make a table of exchangeable places whose sizes are log-normal."""
    rng = np.random.default_rng([7, strata])
    sizes = median * np.exp(spread * rng.standard_normal(strata))
    counts = draw_counts(rng, sizes, effects(rng, strata))
    return mse.CaptureTable.from_array(counts, LISTS, {"place": list(range(strata))})


def years() -> mse.CaptureTable:
    """Make a table of ten years, one of them missing, by twelve places; rates and sizes drift."""
    rng = np.random.default_rng(8)
    n_years, n_places = 10, 12
    walk = np.cumsum(0.15 * rng.standard_normal((n_years, 10)), axis=0) * (np.arange(10) < 4)
    drift = np.cumsum(0.1 * rng.standard_normal(n_years))
    theta = (walk[:, None] + effects(rng, n_places)[None]).reshape(-1, 10)
    logs = np.log(40) + drift[:, None] + rng.standard_normal(n_places)[None]
    counts = draw_counts(rng, np.exp(logs).ravel(), theta)
    levels = {"year": [*range(2010, 2016), *range(2017, 2021)], "place": list("ABCDEFGHIJKL")}
    return mse.CaptureTable.from_array(counts.reshape(2, 2, 2, 2, n_years, n_places), LISTS, levels)


def known_in_part() -> mse.CaptureTable:
    """Make a table with suppressed counts, records that lack a list or the place, and an idle list."""
    rng = np.random.default_rng(9)
    strata = 40
    sizes = 60 * np.exp(rng.standard_normal(strata))
    counts = draw_counts(rng, sizes, effects(rng, strata))
    found: dict[tuple[int, ...], list[int]] = {}
    for cell in product((0, 1), (0, 1), (0, 1), (0, 1), range(strata)):
        n = int(counts[cell])
        lost, placeless = rng.binomial(n, [0.1, 0.05])
        idle = (*cell[:3], -1 if cell[4] % 8 == 7 else cell[3], cell[4])
        for pattern, persons in (
            (idle, max(n - lost - placeless, 0)),
            ((*idle[:2], -1, *idle[3:]), lost),
            ((*idle[:4], -1), min(placeless, n - lost)),
        ):
            if persons and any(each == 1 for each in pattern[:4]):
                bounds = found.setdefault(tuple(map(int, pattern)), [0, 0])
                bounds[0] += int(persons)
                bounds[1] += int(persons)
    for pattern, bounds in found.items():
        # Places with an even number publish counts below five as such.
        if pattern[4] >= 0 and pattern[4] % 2 == 0 and bounds[1] < 5:
            bounds[:] = [0, 4]
    patterns, low, high = zip(*((p, *b) for p, b in sorted(found.items())), strict=True)
    arrays = (np.asarray(each, dtype=np.int64) for each in (patterns, low, high))
    return mse.CaptureTable(LISTS, {"place": tuple(range(strata))}, *arrays)


def municipalities() -> mse.CaptureTable:
    """Make a table such as in the unit tests: six places, one with three persons, one with none."""
    from tests.unit.bayes.test_pooled import municipalities

    counts = municipalities((60, 40, 25, 12, 3, 0))
    lists = ["police", "care", "other"]
    return mse.CaptureTable.from_array(counts, lists, {"place": list("ABCDEF")})


TABLES: dict[str, tuple[Callable[[], mse.CaptureTable], dict[str, Any]]] = {
    "6 places, 3 lists": (municipalities, {}),
    "50 places": (lambda: places(50, 60.0, 1.0), {}),
    "500 places": (lambda: places(500, 12.0, 1.8), {}),
    "10 years x 12 places": (years, {"time": "year"}),
    "40 places, known in part": (known_in_part, {}),
}


def worst(draws: np.ndarray) -> dict[str, float]:
    """Highest R-hat and lowest effective sample sizes of figures (chains, M, F)."""
    columns = [draws[:, :, i] for i in range(draws.shape[2])]
    return {
        "r_hat": round(max(float(array_stats.rhat(each)) for each in columns), 4),
        "ess_bulk": round(min(float(array_stats.ess(each)) for each in columns)),
        "ess_tail": round(
            min(float(array_stats.ess(e, method="tail", prob=(0.05, 0.95))) for e in columns)
        ),
    }


def measure(name: str, seed: int, **changes: Any) -> dict[str, Any]:
    """Fit a table with the default settings."""
    make, options = TABLES[name]
    table = make()
    estimator = mse.PooledLogLinear(seed=seed, **(options | changes))
    wall, processor = time.perf_counter(), time.process_time()
    fit = estimator.fit(table)
    found = {
        "table": name,
        "seed": seed,
        "strata": table.n_strata,
        "registered": table.n_observed,
        "total": worst(np.log(fit.chains.draws["N"])[:, :, None]),
        "strata_worst": worst(np.log1p(fit.chains.draws["hidden"])),
        "scales_worst": worst(np.log(fit.chains.draws["scale"])),
    }
    found["wall_seconds"] = round(time.perf_counter() - wall, 1)
    found["processor_seconds"] = round(time.process_time() - processor, 1)
    found["diverging"] = int(fit.chains.stats["diverging"].sum())
    found["mean_steps"] = round(float(fit.chains.stats["n_steps"].mean()), 1)
    found["quantiles"] = np.quantile(fit.chains.flat("N"), [0.025, 0.5, 0.975]).round().tolist()
    return found


def rows(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Lay the results out as a table."""
    heads = ["table", "seed", "registered", "R-hat, total", "ESS, total", "R-hat, strata"]
    heads += ["ESS, strata", "ESS, spreads", "diverging", "wall s", "processor s"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in TABLES:
        for each in results.get(name, []):
            total, strata = each["total"], each["strata_worst"]
            spreads = each["scales_worst"]["ess_bulk"]
            lines.append(
                f"| {name} | {each['seed']} | {each['registered']:,} | {total['r_hat']:.4f} | "
                f"{total['ess_bulk']:,} | {strata['r_hat']:.4f} | {strata['ess_bulk']:,} | "
                f"{spreads:,} | {each['diverging']} | {each['wall_seconds']:.0f} | {each['processor_seconds']:.0f} |"
            )
    return lines


def write_page(results: dict[str, Any]) -> None:
    """Put the table between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    marks = re.compile(r"(?<=<!-- mixing -->\n)(.*?)(?=<!-- end of mixing -->)", re.DOTALL)
    body = "\n" + "\n".join(rows(results)) + "\n\n"
    PAGE.write_text(marks.sub(lambda _: body, text), encoding="utf-8")


def main() -> None:
    """Measure, and write the results."""
    asked = sys.argv[1:] or list(TABLES)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if asked != ["--table"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mse.ConvergenceWarning)
            measure("6 places, 3 lists", 1, draws=50, tune=100)
            for seed, name in product(SEEDS, asked):
                others = [each for each in results.get(name, []) if each["seed"] != seed]
                found = measure(name, seed)
                results[name] = sorted([*others, found], key=lambda each: each["seed"])
                print(rows({name: [found]})[-1], flush=True)
                RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_page(results)


if __name__ == "__main__":
    main()
