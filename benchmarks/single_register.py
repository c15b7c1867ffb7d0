"""Do intervals from one register cover the truth: under each family's own truth, and under another.

    python benchmarks/single_register.py                 1,000 worlds of each kind, log-normal intervals
    python benchmarks/single_register.py --worlds 200    fewer
    python benchmarks/single_register.py --clusters      clusters ignored and respected, by the bootstrap
    python benchmarks/single_register.py --variances     estimated variances over that of the totals, both formulas

Each world has N persons, at least 500 of whom are seen. A world without an estimate counts for the share
without one, and not for coverage.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

import mse

LEVEL = 0.95


@dataclass(frozen=True)
class World:
    """How often each of N persons is seen."""

    persons: int
    mean: float
    dispersion: float = 0.0
    ones: float = 0.0
    order: str = ""
    slope: float = 0.0

    def draw(self, rng: np.random.Generator) -> pd.DataFrame:
        """Draw the persons who are seen."""
        x = rng.normal(size=self.persons)
        mean = self.mean * np.exp(self.slope * x)
        if self.dispersion:
            mean = mean * rng.gamma(1 / self.dispersion, self.dispersion, self.persons)
        times = rng.poisson(mean)
        inflated = rng.random(self.persons) < self.ones
        if self.order == "before":
            times[inflated] = 1
        elif self.order == "after":
            times[inflated & (times > 0)] = 1
        elif self.order == "hurdle_before":
            while (times == 1).any():
                again = times == 1
                times[again] = rng.poisson(mean[again])
            times[inflated] = 1
        frame = pd.DataFrame({"times": times, "x": x})
        return frame[frame["times"] > 0]


@dataclass(frozen=True)
class Case:
    """A truth and what is fitted to it."""

    name: str
    world: World
    estimator: Any
    bound: bool = field(default=False)


POISSON = World(2000, 0.5)
GEOMETRIC = World(2000, 0.6, 1.0)
NEGBIN = World(4000, 1.2, 0.6)
BEFORE = World(2500, 0.9, 0.0, 0.15, "before")
AFTER = World(2500, 0.9, 0.0, 0.3, "after")
HURDLE = World(2500, 1.2, 0.0, 0.3, "hurdle_before")
S = mse.SingleRegister
CASES = [
    Case("Poisson", POISSON, S("poisson")),
    Case("Poisson, a covariate", World(2000, 0.5, slope=0.5), S("poisson", "x")),
    Case("geometric", GEOMETRIC, S("geometric")),
    Case("geometric, a covariate", World(2000, 0.6, 1.0, slope=0.5), S("geometric", "x")),
    Case("ones before truncation, Poisson", BEFORE, S("poisson", inflation="before")),
    Case("ones after truncation, Poisson", AFTER, S("poisson", inflation="after")),
    Case(
        "ones before truncation, geometric",
        World(4000, 0.9, 1.0, 0.1, "before"),
        S("geometric", inflation="before"),
    ),
    Case("hurdle before truncation, Poisson", HURDLE, S("poisson", inflation="hurdle_before")),
    Case("negative binomial", NEGBIN, S("negative_binomial")),
    Case("Zelterman, Poisson truth", POISSON, S("zelterman")),
    Case("Chao, Poisson truth", POISSON, S("chao")),
    Case("zero-one truncated, ones before", BEFORE, S("poisson", inflation="zero_one")),
    Case("one-inflated Chao, Poisson truth", World(2500, 0.9), S("one_inflated_chao")),
    Case("*ones before, fitted by* Poisson", BEFORE, S("poisson")),
    Case("*ones before, fitted by* Chao", BEFORE, S("chao")),
    Case("*Poisson, fitted by* ones before", World(2500, 0.9), S("poisson", inflation="before")),
    Case("*Poisson, fitted by* ones after", World(2500, 0.9), S("poisson", inflation="after")),
    Case("*geometric, fitted by* Poisson", GEOMETRIC, S("poisson")),
    Case("*geometric, fitted by* Chao", GEOMETRIC, S("chao")),
]


def of_case(case: Case, worlds: int, seed: int) -> dict[str, Any]:
    rngs = np.random.default_rng(seed).spawn(worlds)
    covered = below = above = none = 0
    totals, widths, seen = [], [], []
    truth = case.world.persons
    for rng in rngs:
        frame = case.world.draw(rng)
        seen.append(len(frame))
        covariates = ["x"] if "x" in case.estimator.formula else []
        table = mse.CountTable.from_frame(frame, "times", covariates)
        p = case.estimator.fit(table).population
        low, high = p.interval(LEVEL)
        if math.isnan(low):
            none += 1
            continue
        covered += low <= truth <= high
        below, above = below + (high < truth), above + (low > truth)
        totals.append(p.total / truth)
        widths.append((high - low) / truth)
    known = worlds - none
    return {
        "truth, fitted": case.name,
        "seen, at least": min(seen),
        "no estimate": none / worlds,
        "median total / N": float(np.median(totals)),
        "width / N": float(np.median(widths)),
        "coverage": covered / known,
        "too low": below / known,
        "too high": above / known,
    }


def of_clusters(worlds: int, replicates: int, seed: int) -> list[dict[str, Any]]:
    """Households that are seen together or not at all, drawn as persons and as households."""
    rows = []
    for cluster, name in (
        (None, "clusters of 1 to 5, ignored"),
        ("case", "clusters of 1 to 5, respected"),
    ):
        covered = 0
        for rng in np.random.default_rng(seed).spawn(worlds):
            sizes = rng.integers(1, 6, 500)
            times = np.repeat(rng.poisson(0.7, 500), sizes)
            frame = pd.DataFrame({"times": times, "case": np.repeat(np.arange(500), sizes)})
            table = mse.CountTable.from_frame(frame[times > 0], "times", cluster=cluster)
            p = mse.bootstrap(
                S("poisson"),
                table,
                replicates,
                seed=int(rng.integers(2**31)),
                n_jobs=1,
                progress=False,
            )
            low, high = p.interval(LEVEL)
            expected = times.size
            covered += low <= expected <= high
        rows.append({"truth, fitted": name, "coverage": covered / worlds})
    return rows


#: Worlds in which much of the variance is chance in who is seen, and those of the migrants.
_SEEN_MUCH = World(3000, 3.0, 1.0, 0.1, "before")
_MIGRANTS = World(5317, 0.298, 1.0, 0.161, "before")


def of_variances(worlds: int, seed: int) -> list[dict[str, Any]]:
    """Compare variances by the whole formula, and with the weights left out, with what totals vary by."""
    rows = []
    for world, name in ((_SEEN_MUCH, "mean 3"), (_MIGRANTS, "as of the migrants")):
        for inflation in ("before", "zero_one"):
            found: dict[str, list[float]] = {"total": [], "complete": [], "singleRcapture": []}
            held = {"complete": 0, "singleRcapture": 0}
            for rng in np.random.default_rng(seed).spawn(worlds):
                table = mse.CountTable.from_frame(world.draw(rng), "times")
                for variance in held:
                    fit = S("geometric", inflation=inflation, variance=variance).fit(table)
                    low, high = fit.population.interval(LEVEL)
                    held[variance] += low <= world.persons <= high
                    found[variance].append(fit.variance)
                found["total"].append(fit.population.total)
            varied = float(np.var(found["total"], ddof=1))
            for variance, covered in held.items():
                ratio = float(np.mean(found[variance])) / varied
                row = {"truth": name, "inflation": inflation, "variance": variance}
                rows.append({**row, "ratio": ratio, "coverage": covered / worlds})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--clusters", action="store_true")
    parser.add_argument("--variances", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    asked = parser.parse_args()
    began = time.perf_counter()
    rows = of_clusters(asked.worlds, asked.replicates, asked.seed) if asked.clusters else []
    rows += of_variances(asked.worlds, asked.seed) if asked.variances else []
    for at, case in enumerate([] if asked.clusters or asked.variances else CASES):
        if asked.only not in case.name:
            continue
        rows.append(of_case(case, asked.worlds, asked.seed + at))
        print(
            {k: (round(v, 3) if isinstance(v, float) else v) for k, v in rows[-1].items()},
            flush=True,
        )
    print(pd.DataFrame(rows).round(3).to_string(index=False))
    print(f"{asked.worlds:,} worlds each, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
