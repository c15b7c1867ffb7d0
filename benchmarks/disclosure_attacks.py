"""Random tables under rules of disclosure: what an attack leaves before and after, and what is kept.

Each world is a table of 2 to 6 lists with 0 to 2 covariates. Its estimates by the usual estimators are
published twice: as earlier versions did (numbers of persons rounded to the base, everything else as it is), and
through the gate. Both are attacked, together with the counts of lists and pairs as they are protected.

    python -m benchmarks.disclosure_attacks 500 --rules cbs
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mse
from mse.comparing import usual_estimators
from mse.disclosure import Rules, attack, protect_together, rules
from mse.disclosure.leaning import Leaning
from mse.disclosure.protecting import ProtectedPopulation, ProtectedTable

RESULTS = Path(__file__).parent / "results" / "disclosure_attacks.json"


@dataclass
class Tally:
    """What was found over all worlds.

    Attributes
    ----------
    worlds, estimates, published : int
        Tables, estimates with a number, and those of them that leave.
    exposed_before, exposed_after : Counter
        Tables in which a count is given away, by the kind of attack.
    safe, safe_near : int
        Totals that lean on more than twice the threshold, and those published within 2 %.
    intervals, shorter : int
        Published intervals, and those that are shorter than they were at some level.
    cells, cells_shown : int
        Counts of lists and pairs, and those that are shown.
    """

    worlds: int = 0
    estimates: int = 0
    published: int = 0
    exposed_before: Counter[str] = field(default_factory=Counter)
    exposed_after: Counter[str] = field(default_factory=Counter)
    safe: int = 0
    safe_near: int = 0
    intervals: int = 0
    shorter: int = 0
    cells: int = 0
    cells_shown: int = 0


def world(random: np.random.Generator) -> mse.CaptureTable:
    """Draw a table: persons of a few kinds, some lists that avoid or seek each other's persons."""
    lists = int(random.integers(2, 7))
    covariates = int(random.integers(0, 3)) if lists <= 4 else 0
    shape = tuple(int(random.integers(2, 4)) for _ in range(covariates))
    persons = int(np.exp(random.uniform(np.log(150), np.log(8000))))
    chances = random.uniform(0.03, 0.5, (max(int(np.prod(shape)), 1), lists))
    strata = random.integers(0, len(chances), persons)
    on = random.random((persons, lists)) < chances[strata]
    if lists > 2:
        on[:, 1] |= on[:, 0] & (random.random(persons) < random.uniform(0, 0.3))
    names = list("abcdef"[:lists])
    frame = pd.DataFrame(on.astype(int), columns=names)
    levels = np.unravel_index(strata, shape) if shape else ()
    axes = [f"x{at}" for at in range(covariates)]
    for name, codes in zip(axes, levels, strict=True):
        frame[name] = [f"v{code}" for code in codes]
    frame = frame[frame[names].any(axis=1)]
    return mse.CaptureTable.from_frame(frame, lists=names, covariates=axes)


def fitted(table: mse.CaptureTable) -> list[mse.PopulationEstimate]:
    """Estimate by the usual estimators and a few closed forms."""
    found = [*usual_estimators(table)]
    if not table.covariates and table.n_lists > 2:
        block = "".join(str(at + 1) for at in range(table.n_lists - 1))
        found.append(mse.LogLinear(f"[{block},{table.n_lists}]"))
    estimates = []
    for estimator in found:
        try:
            population = estimator.fit(table).population
        except mse.MSEError:
            continue
        if population.status in ("ok", "boundary"):
            estimates.append(population)
    return estimates


def before(estimate: mse.PopulationEstimate, held: Rules) -> dict[str, Any]:
    """Publish as earlier versions did: rounded to the base, exact otherwise."""
    data = estimate.to_dict()
    for row in [data, *(data["interval"] or {"levels": ()})["levels"]]:
        for name in ("observed", "total", "low", "high", "hidden"):
            if isinstance(row.get(name), int | float):
                row[name] = held.rounded(row[name])
    data["strata"] = None
    data["provenance"] = {}
    return {**data, "disclosure": {"base": held.base}}


def counts_of(safe: ProtectedTable) -> dict[str, Any]:
    """Counts of lists and pairs as they leave; overlaps without a place are not there."""
    lists = list(safe.list_totals.index)
    known = {name: _plain(safe.list_totals[name]) for name in lists}
    placed = set(safe.publication.labels)
    for at, name in enumerate(lists):
        for other in lists[:at]:
            value = _plain(safe.overlaps.loc[name, other])
            if value is not None or f"on both {other} and {name}" in placed:
                known[f"{other} & {name}"] = value
    return known


def _plain(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def one(table: mse.CaptureTable, held: Rules, tally: Tally) -> None:
    """Publish one table both ways, attack, and count what is kept."""
    estimates = fitted(table)
    safe, *shown = protect_together([table, *estimates], held)
    assert isinstance(safe, ProtectedTable)
    counts = counts_of(safe)
    tally.worlds += 1
    tally.cells += len(counts)
    tally.cells_shown += sum(n is not None for n in counts.values())
    for name, things in (
        ("before", [before(each, held) for each in estimates]),
        ("after", [each.to_dict() for each in shown]),  # type: ignore[attr-defined]
    ):
        found = attack([{**each, "counts": counts} for each in things], held)
        if name == "after":
            found = pd.concat([found, attack(safe)]) if len(found) else attack(safe)
        kinds = found[found["exposed"].astype(bool)]["what"].unique()
        getattr(tally, f"exposed_{name}").update([*kinds, *(["any"] if len(kinds) else [])])
    for estimate, protected in zip(estimates, shown, strict=True):
        assert isinstance(protected, ProtectedPopulation)
        tally.estimates += 1
        there = not math.isnan(protected.total)
        tally.published += there
        if Leaning(estimate, table).persons() > 2 * held.threshold:
            tally.safe += 1
            tally.safe_near += there and abs(protected.total / estimate.total - 1) <= 0.02
        if there and protected.interval_kind:
            tally.intervals += 1
            tally.shorter += any(
                protected.interval(level)[0] > max(estimate.interval(level)[0], protected.observed)
                or protected.interval(level)[1] < estimate.interval(level)[1]
                for level in (0.5, 0.8, 0.95, 0.99)
            )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", type=int, nargs="?", default=500)
    parser.add_argument("--rules", default="cbs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first world")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    held, tally, begin = rules(options.rules), Tally(), time.process_time()
    for seed in range(options.first, options.first + options.worlds):
        one(world(np.random.default_rng(seed)), held, tally)
    spent = {"rules": held.name, "seconds": round(time.process_time() - begin, 1)}
    data = spent | vars(tally)
    RESULTS.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(data, indent=1))


if __name__ == "__main__":
    main()
