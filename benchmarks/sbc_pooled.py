"""Simulation-based calibration of PooledLogLinear.

    nice python -m benchmarks.sbc_pooled              writes benchmarks/results/sbc_pooled.json
                                                      and the table of docs/methods/pooled.md
    python -m benchmarks.sbc_pooled 150 60 30 --jobs 1  draws 150 complete and 60 coarsened worlds, and 30
                                                      for each negative control
    python -m benchmarks.sbc_pooled --table           writes the page from the results

Worlds are drawn from the prior (`mse.core.pooled.prior_points`): three lists, four years (a random
walk) and three places. In half of them all is seen; in the others records lack the place, the third list
did not operate in the second year, and counts of the last place below five are published as such. Ranks of
the true totals and of parameters are tested for uniformity. Negative controls: a sampler that believes
strata to be ten times less different than they are, and the means of hidden cells for hidden persons.
"""

from __future__ import annotations

import argparse
import json
import re
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed

import mse
from benchmarks.ranks import rank, uniformity
from mse.bayes.pooled_posterior import Layout, lay_out, sample
from mse.core.pooled import KIND_SCALE, cell_means, common_coefficients, populations, prior_points

if TYPE_CHECKING:
    from mse._typing import FloatArray

RESULTS = Path(__file__).parent / "results" / "sbc_pooled.json"
PAGE = Path(__file__).parents[1] / "docs" / "methods" / "pooled.md"
SEED = 53
LISTS, YEARS, PLACES = 3, (2018, 2019, 2020, 2022), ("A", "B", "C")
STRATA = len(YEARS) * len(PLACES)
#: Every sixth of these draws is taken, which makes them as good as independent.
DRAWS, THIN, TUNE = 594, 6, 300
RANKED = DRAWS // THIN
SETTINGS = mse.PooledLogLinear(
    time="year",
    rate=(-1.0, 0.7),
    dependence=0.4,
    variation=0.4,
    dependence_variation=0.2,
    size_variation=0.5,
    draws=DRAWS,
    tune=TUNE,
    chains=1,
)
#: Prior of the level: some 30 persons in sight of a stratum.
LEVEL = np.asarray([np.log(30.0), 0.4])
QUANTITIES = ("total", "one stratum", "change", "level", "spread of sizes", "dependence", "rate")


def blank() -> mse.CaptureTable:
    """Make a complete table with one person in each cell that can be seen."""
    counts = np.ones((2,) * LISTS + (len(YEARS), len(PLACES)), dtype=np.int64)
    counts[0, 0, 0] = 0
    return mse.CaptureTable.from_array(counts, ["A", "B", "C"], {"year": YEARS, "place": PLACES})


def prepared(table: mse.CaptureTable, shrink: float = 1.0) -> Layout:
    """Lay a table out, with the prior of the worlds and not one centred at the data."""
    variations = {
        name: getattr(SETTINGS, name) * shrink for name in ("variation", "size_variation")
    }
    found = lay_out(replace(SETTINGS, **variations), table)
    return replace(found, prior=found.prior._replace(level=LEVEL))


def coarsened(counts: np.ndarray, rng: np.random.Generator) -> mse.CaptureTable:
    """Lose the place of some records, a list in a year, and small counts of a place."""
    # Odds from the prior of the model.
    lacking = rng.binomial(counts, 1 / (1 + np.exp(KIND_SCALE * rng.standard_normal())))
    found: dict[tuple[int, ...], list[int]] = {}

    def add(pattern: list[int], low: int, high: int) -> None:
        bounds = found.setdefault(tuple(pattern), [0, 0])
        bounds[0] += low
        bounds[1] += high

    for cell in np.ndindex(counts.shape):
        kept, lost = int((counts - lacking)[cell]), int(lacking[cell])
        pattern = list(cell)
        if cell[LISTS] == 1:
            pattern[2] = -1
        if not any(each == 1 for each in pattern[:LISTS]):
            continue
        add([*pattern[:-1], -1], lost, lost)
        add(pattern, kept, kept)
    for pattern, bounds in found.items():
        if pattern[-1] == 2 and bounds[0] < 5:
            bounds[:] = [0, 4]
    rows = [(pattern, *bounds) for pattern, bounds in sorted(found.items()) if bounds[1] > 0]
    patterns, low, high = zip(*rows, strict=True)
    covariates = {"year": YEARS, "place": PLACES}
    arrays = (np.asarray(each, dtype=np.int64) for each in (patterns, low, high))
    return mse.CaptureTable(("A", "B", "C"), covariates, *arrays)


def figures(totals: FloatArray, points: FloatArray, layout: Layout) -> FloatArray:
    """Quantities that are ranked, (M, Q)."""
    by_year = totals.reshape(-1, len(YEARS), len(PLACES)).sum(axis=2)
    common = common_coefficients(points, layout.prior, layout.data)
    columns = [
        totals.sum(axis=1),
        totals[:, 4],
        by_year[:, -1] - by_year[:, 0],
        points[:, 0],
        points[:, 1],
        common[:, LISTS:].mean(axis=1),
        common[:, 0],
    ]
    return np.column_stack(columns)


def ranks_of_world(
    world: int,
    coarse: bool,
    shrink: float = 1.0,
    persons: bool = True,
    settings: mse.PooledLogLinear = SETTINGS,
) -> list[int]:
    """Draw a world from the prior, and rank its figures among posterior draws, every sixth of them."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng([SEED, world, int(coarse)])
    template = prepared(blank())
    point = prior_points(rng, 1, template.prior, STRATA)
    means = cell_means(point, template.prior, template.uncentered)[0]
    shape = (2,) * LISTS + (len(YEARS), len(PLACES))
    people = rng.poisson(means.T).reshape(shape)
    true = figures(people.reshape(-1, STRATA).sum(axis=0)[None].astype(float), point, template)
    seen = people.copy()
    seen[0, 0, 0] = 0
    table = coarsened(seen, rng) if coarse else blank().with_counts(seen)
    layout = prepared(table, shrink)
    chain = sample(replace(settings, seed=world + 1), layout).points[0, ::THIN]
    people_drawn = populations(rng, chain, layout.prior, layout.data)
    totals = people_drawn.observed + people_drawn.hidden
    if not persons:
        hidden = cell_means(chain, layout.prior, layout.data) * ~layout.data.observable
        totals = layout.data.counts.sum(axis=1) + hidden.sum(axis=2)
    drawn = figures(totals, chain, layout)
    return [rank(true[0, i], drawn[:, i], rng) for i in range(len(QUANTITIES))]


def timed(world: int, **options: Any) -> tuple[list[int], float]:
    """Ranks of a world, and the processor time they took, seconds."""
    start = time.process_time()
    return ranks_of_world(world, **options), time.process_time() - start


def report(worlds: int, jobs: int, **options: Any) -> dict[str, Any]:
    """Uniformity of the ranks of each figure."""
    tasks = (delayed(timed)(world, **options) for world in range(worlds))
    found, seconds = zip(*Parallel(n_jobs=jobs)(tasks), strict=True)
    ranks = np.asarray(found, dtype=np.int64)
    # One more than the ranked draws is a multiple of the bins.
    figures = {name: uniformity(ranks[:, i], RANKED, 10) for i, name in enumerate(QUANTITIES)}
    return {"worlds": worlds, "processor_seconds": round(sum(seconds)), **figures}


def rows(results: dict[str, Any]) -> list[str]:
    """Lay the results out as a table."""
    heads = ["worlds", "number", *QUANTITIES, "processor s"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, part in sorted(results.items(), key=lambda each: "control" in each[0]):
        cells = [name, str(part["worlds"])]
        for figure in QUANTITIES:
            found = part[figure]
            cells.append(f"{found['p_value_ks']:.2g} / {found['p_value']:.2g}")
        lines.append(f"| {' | '.join([*cells, str(part['processor_seconds'])])} |")
    return lines


def write_page(results: dict[str, Any]) -> None:
    """Put the table between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    marks = re.compile(r"(?<=<!-- ranks -->\n)(.*?)(?=<!-- end of ranks -->)", re.DOTALL)
    body = "\n" + "\n".join(rows(results)) + "\n\n"
    PAGE.write_text(marks.sub(lambda _: body, text), encoding="utf-8")


def main() -> None:
    """Measure, and write the results of each part as it ends."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("worlds", nargs="*", type=int, help="complete, coarsened, each control")
    asked.add_argument("--jobs", type=int, default=2)
    asked.add_argument("--table", action="store_true")
    options = asked.parse_args()
    if options.table:
        write_page(json.loads(RESULTS.read_text()))
        return
    complete, coarsened, controls = (options.worlds + [240, 240, 120][len(options.worlds) :])[:3]
    parts: dict[str, tuple[int, dict[str, Any]]] = {
        "negative control: strata ten times less different": (
            controls,
            {"coarse": False, "shrink": 0.1},
        ),
        "negative control: mean for persons": (controls, {"coarse": False, "persons": False}),
        "coarsened": (coarsened, {"coarse": True}),
        "complete": (complete, {"coarse": False}),
    }
    results: dict[str, Any] = {}
    for name, (size, how) in parts.items():
        start = time.time()
        results[name] = report(size, options.jobs, **how)
        said = {key: f"{results[name][key]['p_value_ks']:.2g}" for key in QUANTITIES}
        print(name, said, f"{time.time() - start:.0f} s", flush=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_page(results)


if __name__ == "__main__":
    main()
