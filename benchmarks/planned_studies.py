"""What `mse.plan` predicts, beside what studies of the same design find.

Designs (three to six lists, 200 to 4,000 persons, shares of 2 to 30 %, pairs of lists that depend, persons who
differ, missed links) are drawn at random. Each is planned. Then worlds of the design are drawn person by
person with `mse.simulate`, links missed and all, and their tables are estimated as `mse.estimate` does by default, but
with a search step by step, 100 bootstrap replicates and the interval that takes people for alike. Design d is drawn with seed d.

    python -m benchmarks.planned_studies                writes benchmarks/results/planned_studies.json and the tables
                                                        of docs/howto/planning.md
    python -m benchmarks.planned_studies --designs 20   fewer designs
    python -m benchmarks.planned_studies --more         only what is missing of a study that was cut short
    python -m benchmarks.planned_studies --plan         plans the designs again, beside the studies that were done
    python -m benchmarks.planned_studies --table        only writes the tables again

Besides there are sparse designs, of three or four lists and 60 to 400 persons, of which only the chance that
nothing is estimable is looked at.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from joblib import Parallel, delayed

import mse
from benchmarks.tables import markdown_table, replace_between_marks
from mse import planning

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "planned_studies.json"
PAGE = ROOT / "docs" / "howto" / "planning.md"
#: Worlds of a design: for the chance that nothing is estimable, and those of them with an interval.
WORLDS, INTERVALS, REPLICATES = 30, 7, 100
#: Designs from this seed on are sparse; so many of them there are.
SPARSE, SPARSE_DESIGNS = 1000, 60
SEARCH = mse.LogLinearSearch(strategy="stepwise")
#: Lists of the designs: few have six, which take long.
LISTS = (3, 3, 3, 3, 4, 4, 4, 3, 4, 5, 3, 3, 4, 3, 4, 4, 3, 4, 5, 6)


def design(seed: int) -> dict[str, Any]:
    """Draw a design."""
    rng = np.random.default_rng([2025, seed])
    sparse = seed >= SPARSE
    names = [f"list_{k}" for k in range(3 + seed % 2 if sparse else LISTS[seed % len(LISTS)])]
    low, high = (0.01, 0.1) if sparse else (0.02, 0.3)
    shares = np.exp(rng.uniform(math.log(low), math.log(high), len(names)))
    fewest, most = (60, 400) if sparse else (200, 4000)
    pairs = {"list_0:list_1": float(rng.choice([0.5, 2.0, 4.0]))} if rng.random() < 0.5 else {}
    return {
        "lists": dict(zip(names, shares.round(3).tolist(), strict=True)),
        "N": float(round(math.exp(rng.uniform(math.log(fewest), math.log(most))))),
        "dependence": pairs,
        "heterogeneity": float(rng.choice([0.0, 0.0, 0.5, 1.0])),
        "missed": float(rng.choice([0.0, 0.0, 0.1])),
    }


def world(asked: dict[str, Any]) -> mse.simulate.World:
    """Make the world of a design; persons who differ are of seven kinds, of equal numbers."""
    from scipy.special import ndtri

    spread, names = asked["heterogeneity"], asked["lists"]
    visible = spread * ndtri((np.arange(7) + 0.5) / 7)
    visible *= spread / visible.std() if spread else 1.0
    odds = {
        f"{name}:kind={at}": float(np.exp(each))
        for name in names
        for at, each in enumerate(visible)
        if spread
    }
    kinds = {"kind": dict.fromkeys(range(7), 1 / 7)} if spread else None
    return mse.simulate.population(
        names,
        asked["N"],
        covariates=kinds,
        dependence=asked["dependence"] | odds,
        linkage=asked["missed"],
    )


def table_of(simulation: mse.simulate.Simulation) -> mse.CaptureTable | None:
    """Count persons by lists alone; None where fewer than two lists have anybody."""
    try:
        table = simulation.table()
    except mse.InvalidTableError:
        return None
    return table.collapse(*table.covariates) if table.covariates else table


def planned(asked: dict[str, Any], seed: int) -> planning.Outlook:
    """Plan a design, as `mse.plan` does, without what more could be spent on it."""
    names = ("N", "dependence", "heterogeneity", "missed")
    drawn = planning._design_of(asked["lists"], *(asked[name] for name in names))
    rng = np.random.default_rng(seed).spawn(1)[0]
    refitter = planning._refitter(SEARCH, drawn.lists)
    return planning._outlook(planning.PLANNED, drawn, refitter, 0.95, 100, rng)


def studied(seed: int) -> dict[str, Any]:
    """Plan a design, and do studies of it."""
    asked = design(seed)
    made, none, unbounded, widths, held, read = world(asked), 0, 0, [], [], 0
    for turn in range(WORLDS):
        simulation = made.draw(seed=1000 * seed + turn)
        table = table_of(simulation)
        if table is None or SEARCH.fit(table).status not in ("ok", "boundary"):
            none += 1
            continue
        if read == (0 if seed >= SPARSE else INTERVALS):
            continue
        read += 1
        low, high = mse.bootstrap(SEARCH, table, REPLICATES, seed=turn).interval(0.95)
        if math.isfinite(high):
            widths.append(math.log(high / low))
            held.append(low <= asked["N"] <= high)
        else:
            unbounded += 1
    return {
        "seed": seed,
        "design": asked,
        "found_width": float(np.median(widths)) if widths else math.nan,
        "found_no_estimate": none / WORLDS,
        "found_unbounded": unbounded / read if read else math.nan,
        "found_covered": float(np.mean(held)) if held else math.nan,
        "widths": len(widths),
        **predicted(seed),
    }


def predicted(seed: int) -> dict[str, Any]:
    """Write down what is predicted of a design."""
    first = planned(design(seed), seed)
    names = ("width", "no_estimate", "unbounded", "covered")
    return {name: getattr(first, name) for name in names}


def write_tables(found: list[dict[str, Any]]) -> None:
    """Write the tables of the page."""
    known = [each for each in found if each["widths"] >= 3 and math.isfinite(each["width"])]
    ratios = {
        k: np.array(
            [
                each["width"] / each["found_width"]
                for each in known
                if len(each["design"]["lists"]) in k
            ]
        )
        for k in ((3,), (4,), (5, 6), (3, 4, 5, 6))
    }
    rows = [
        [
            " or ".join(map(str, k)) if len(k) < 4 else "all",
            str(each.size),
            *(f"{q:.2f}" for q in np.quantile(each, [0.05, 0.5, 0.95])),
            f"{(np.abs(each - 1) <= 1 / 3).mean():.0%}",
        ]
        for k, each in ratios.items()
    ]
    head = ["lists", "designs", "5 %", "median", "95 %", "within a third"]
    page = PAGE.read_text(encoding="utf-8")
    page = replace_between_marks(page, "widths", markdown_table(head, rows, align="lrrrrr"))
    sparse = [each for each in found if each["seed"] >= SPARSE]
    order = sorted(sparse, key=lambda each: (each["no_estimate"], each["seed"]))
    fifths = np.array_split(np.arange(len(order)), 5)
    rows = [
        [
            str(at + 1),
            *(
                f"{np.mean([order[i][name] for i in part]):.2f}"
                for name in ("no_estimate", "found_no_estimate")
            ),
        ]
        for at, part in enumerate(fifths)
    ]
    head = ["fifth of designs", "predicted", "found"]
    page = replace_between_marks(page, "chances", markdown_table(head, rows, align="lrr"))
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--designs", type=int, default=200)
    for name in ("--more", "--plan", "--table"):
        parser.add_argument(name, action="store_true")
    asked = parser.parse_args()
    kept = asked.more or asked.plan or asked.table
    found = json.loads(RESULT.read_text(encoding="utf-8"))["found"] if kept else []
    if asked.plan:
        again = _each(predicted, [each["seed"] for each in found])
        found = [each | new for each, new in zip(found, again, strict=True)]
        _write(found)
    elif not asked.table:
        seeds = [*range(SPARSE, SPARSE + SPARSE_DESIGNS), *range(asked.designs)]
        known = {each["seed"] for each in found}
        for each in _each(studied, [seed for seed in seeds if seed not in known]):
            found.append(each)
            _write(found)
    write_tables(found)


def _each(task: Any, seeds: list[int]) -> Any:
    return Parallel(n_jobs=2, return_as="generator")(delayed(task)(seed) for seed in seeds)


def _write(found: list[dict[str, Any]]) -> None:
    record = {"date": str(date.today()), "machine": "2 cores", "found": found}
    RESULT.write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
