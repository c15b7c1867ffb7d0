"""Whether figures with a better grade are nearer the truth, on populations of known size.

The worlds are those of `benchmarks.truth`, as they come and once more with ten times as many members of whom 20 to 60 % are on
some list. What the rules of grades look at is written down of each, so that thresholds can be chosen on some kinds of worlds
and judged on others without estimating anything again.

    python -m benchmarks.graded_worlds draw --worlds 20     writes benchmarks/results/graded_worlds.jsonl, a line a world
    python -m benchmarks.graded_worlds calibrate            bounds that suit the kinds of even position in the list
    python -m benchmarks.graded_worlds judge                the tables of docs/grades.md, on the kinds of odd position

Bounds are round numbers, the loosest with which in the first kinds nine of ten totals of grade A are within a factor 1.25 of
the truth, of B 1.5, of C 2.25. Whether the interval allows for people who differ, and whether reports are still to come, is
a matter of rule and not of these worlds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import warnings
from dataclasses import replace
from itertools import product
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from threadpoolctl import threadpool_limits

import mse
from benchmarks.tables import markdown_table, replace_between_marks
from benchmarks.truth.__main__ import table_for
from benchmarks.truth.worlds import KINDS, Kind, Scale, World, draw_world
from mse.answer.grades import LETTERS, RULES, Known, apart, letters, widths
from mse.leaning import Leaning

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "graded_worlds.jsonl"
PAGE = ROOT / "docs" / "grades.md"
REPLICATES = 200
#: Figures of a world that are numbers, or nothing.
FIGURES = (
    "observed",
    "total",
    "low",
    "high",
    "low_alike",
    "high_alike",
    "range_low",
    "range_high",
    "allowing",
    "persons",
)
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


#: Factors of the truth within which nine of ten totals of a grade should be.
WITHIN = (1.25, 1.5, 2.25)
#: Round numbers among which bounds are chosen.
WIDTHS, PERSONS, MODELS = (
    (1.25, 1.5, 2, 2.5, 3, 4, 5, 7, 10),
    (10, 20, 50, 100, 200, 500),
    (1.1, 1.25, 1.5, 2, 3, 5),
)


class Seen(NamedTuple):
    """What is known of one world's total, and how far it is from the truth."""

    kind: str
    known: Known
    width: float
    error: float
    held: bool
    alike_held: bool


def seen() -> list[Seen]:
    """Read what was written down of the worlds."""
    return [_seen(json.loads(line)) for line in RESULT.read_text(encoding="utf-8").splitlines()]


def _seen(row: dict[str, Any]) -> Seen:
    figures = {name: math.nan if row[name] is None else float(row[name]) for name in FIGURES}
    totals = [figures[name] for name in ("total", "range_low", "range_high", "allowing")]
    persons = min(figures["persons"], figures["observed"])
    known = Known(persons, apart(totals), float(row["allowing"] is None))
    truth = row["truth"]
    ends = [(figures[f"low{end}"], figures[f"high{end}"]) for end in ("", "_alike")]
    held, alike = (low - 0.5 <= truth <= high + 0.5 for low, high in ends)
    ratio = float(widths(*ends[0]).item())
    return Seen(row["kind"], known, ratio, abs(math.log(figures["total"] / truth)), held, alike)


def halves() -> tuple[list[Seen], list[Seen]]:
    """Part the worlds: kinds on which bounds are chosen, and kinds on which they are judged."""
    names = list(dict.fromkeys(kind.name for kind in KINDS))
    found = [each for each in seen() if not math.isnan(each.error)]
    return tuple([each for each in found if names.index(each.kind) % 2 == odd] for odd in (0, 1))  # type: ignore[return-value]


def calibrate() -> None:
    """Choose bounds, the best grade first: the loosest that keep nine of ten errors within the factor asked for."""
    left, _ = halves()
    for within in WITHIN:
        best: tuple[int, Any] = (0, None)
        for wide, few, apart_by in product(WIDTHS, PERSONS, MODELS):
            inside = [
                each
                for each in left
                if each.width <= wide
                and not each.known.persons < few
                and not each.known.models > apart_by
            ]
            if len(inside) < 10:
                continue
            off = np.quantile([each.error for each in inside], 0.9)
            if off <= math.log(within) and len(inside) > best[0]:
                best = len(inside), (wide, few, apart_by, float(off))
        print(
            f"within {within}: {best[0]} of {len(left)} worlds; width, persons, models, 90 % of errors {best[1]}"
        )
        if best[1]:
            wide, few, apart_by, _ = best[1]
            left = [
                each
                for each in left
                if not (
                    each.width <= wide
                    and not each.known.persons < few
                    and not each.known.models > apart_by
                )
            ]


def judge() -> None:
    """Write the tables of the page."""
    chosen, judged = halves()
    page = PAGE.read_text(encoding="utf-8")
    rows = []
    for name, worlds in (("chosen on", chosen), ("judged on", judged)):
        graded = letters(
            [each.width for each in worlds],
            [each.width for each in worlds],
            [each.known for each in worlds],
        )
        for letter in LETTERS:
            of = [each for each, found in zip(worlds, graded, strict=True) if found == letter]
            rows.append([name, letter, *_figures(of)])
    head = [
        "kinds",
        "grade",
        "worlds",
        "median error",
        "9 of 10 within",
        "interval holds N",
        "ratio of ends",
    ]
    page = replace_between_marks(page, "grades", markdown_table(head, rows, align="llrrrrr"))
    rows = []
    for name in ("width", "persons", "models"):
        values = [each.width if name == "width" else getattr(each.known, name) for each in judged]
        marks = RULES[name].marks(values)
        for mark, letter in enumerate(LETTERS):
            of = [each for each, found in zip(judged, marks, strict=True) if found == mark]
            rows.append([name, letter, *_figures(of)])
    page = replace_between_marks(
        page, "criteria", markdown_table(["criterion", "mark", *head[2:]], rows, align="llrrrrr")
    )
    rows = []
    for letter in LETTERS:
        both = zip(
            judged,
            letters([1.0] * len(judged), [e.width for e in judged], [e.known for e in judged]),
            strict=True,
        )
        of = [each for each, found in both if found == letter]
        rows.append(
            [
                letter,
                str(len(of)),
                *(
                    f"{np.mean([getattr(e, n) for e in of]):.0%}" if of else "-"
                    for n in ("held", "alike_held")
                ),
            ]
        )
    page = replace_between_marks(
        page,
        "alike",
        markdown_table(
            ["grade", "worlds", "headline holds N", "alike holds N"], rows, align="lrrr"
        ),
    )
    bounds = [
        [
            rule.name,
            *(f"{'at least' if rule.at_least else 'at most'} {bound:g}" for bound in rule.bounds),
            rule.why,
        ]
        for rule in RULES.values()
    ]
    head = ["criterion", "A", "B", "C", "what it is, and why"]
    page = replace_between_marks(page, "rules", markdown_table(head, bounds, align="lrrrl"))
    PAGE.write_text(page, encoding="utf-8")


def _figures(of: list[Seen]) -> list[str]:
    """Say how far the totals of some worlds are from the truth."""
    if not of:
        return ["0", *["-"] * 4]
    errors = [each.error for each in of]
    return [
        str(len(of)),
        f"{math.expm1(float(np.median(errors))):.0%}",
        f"factor {math.exp(float(np.quantile(errors, 0.9))):.2f}",
        f"{np.mean([each.held for each in of]):.0%}",
        f"{float(np.median([each.width for each in of])):.1f}",
    ]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graded_worlds", description=__doc__)
    parser.add_argument("what", choices=["draw", "calibrate", "judge"])
    parser.add_argument("--worlds", type=int, default=20)
    asked = parser.parse_args()
    {"draw": lambda: draw(asked), "calibrate": calibrate, "judge": judge}[asked.what]()


if __name__ == "__main__":
    main()
