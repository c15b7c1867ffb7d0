"""Whether figures with a better grade are nearer the truth, on populations of known size.

The worlds are those of `benchmarks.truth`, as they come and once more with ten times as many members of whom 20 to 60 % are on
some list. What the rules of grades look at is written down of each, so that thresholds can be chosen on some kinds of worlds
and judged on others without estimating anything again.

    python -m benchmarks.graded_worlds draw --worlds 20     writes benchmarks/results/graded_worlds.jsonl, a line a world
    python -m benchmarks.graded_worlds judge                the tables of docs/grades.md
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

from threadpoolctl import threadpool_limits

import mse
from benchmarks.truth.__main__ import table_for
from benchmarks.truth.worlds import KINDS, Kind, Scale, World, draw_world
from mse.leaning import Leaning

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "graded_worlds.jsonl"
REPLICATES = 200
#: Ten times as many members, of whom more are on lists.
LARGE = Scale(members=(10_000, 100_000), registered=(0.20, 0.60))
#: First number of the worlds, none of which was looked at before.
FIRST = 12_000


def kinds() -> Iterator[tuple[str, Kind]]:
    """Go through the kinds of worlds, by size."""
    for kind in KINDS:
        yield "as it comes", kind
    for kind in KINDS:
        if kind.scale == Scale():
            yield "large", replace(kind, scale=LARGE)


def looked_at(world: World, size: str) -> dict[str, Any]:
    """Estimate a world, and write down what grades may look at, with the truth."""
    table = table_for(world)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = mse.estimate(
            table, seed=world.number, replicates=REPLICATES, n_jobs=1, progress=False
        )
        leaning = Leaning(found, table)
        held = {
            "persons": leaning.persons(),
            "smallest_overlap": leaning.smallest_overlap(),
        }
    spread, wide = found.model_range, found.allowing
    (low, high), (first, last) = found.interval(), found.interval(given="alike")
    figures = {
        "observed": found.observed, "total": found.total, "low": low, "high": high, "low_alike": first,
        "high_alike": last, "range_low": spread and spread.low, "range_high": spread and spread.high,
        "n_models": spread and spread.n_models, "n_lost": spread and spread.n_not_estimable,
        "allowing": wide and wide.total, **held,
    }  # fmt: skip
    known = {
        name: None if each is None else (each if isfinite(each) else str(each))
        for name, each in figures.items()
    }
    return {
        "kind": world.kind, "size": size, "number": world.number, "lists": len(world.lists), "truth": world.total,
        "status": found.status, "parted": any("intervals_part" in getattr(w, "key", "") for w in found.warnings), **known,
    }  # fmt: skip


def draw(asked: argparse.Namespace) -> None:
    """Draw worlds that are not in the file, number by number, and add a line for each."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    lines = RESULT.read_text(encoding="utf-8").splitlines() if RESULT.exists() else []
    done = {(row["kind"], row["size"], row["number"]) for row in map(json.loads, lines)}
    with RESULT.open("a", encoding="utf-8") as file:
        for number in range(FIRST, FIRST + asked.worlds):
            for size, kind in kinds():
                if (kind.name, size, number) not in done:
                    file.write(json.dumps(looked_at(draw_world(kind, number), size)) + "\n")
                    file.flush()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graded_worlds", description=__doc__)
    parser.add_argument("what", choices=["draw"])
    parser.add_argument("--worlds", type=int, default=20)
    asked = parser.parse_args()
    draw(asked)


if __name__ == "__main__":
    main()
