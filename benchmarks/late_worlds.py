"""Whether a nowcast holds what the table says later on, and the truth, while registrations are still to come.

SYNTHETIC Dutch worlds of 2011 to 2015, of six registers; world w is drawn with seed w, and so is everything else.

* ``late``: registrations come in 1 to 9 months after the event, stretched by list and year (standard deviation .15 on
  the log scale); the nowcast is of the last day of 2015, when some 58 % of that year's are in;
* ``not_in``: everything is in but one register of 2015, another one from world to world.

Each is estimated three ways by `mse.monitor`: from the table as it will be (``complete``), from the table as it stands,
read as if it were complete (``as_if``), and from the nowcast. Intervals take people for alike (``alike``), or allow
for people who differ (``headline``).

    python -m benchmarks.late_worlds                      writes benchmarks/results/late_worlds.json and the table of
                                                          docs/howto/late.md
    python -m benchmarks.late_worlds --worlds 10          fewer worlds
    python -m benchmarks.late_worlds --headline --worlds 30    with the headline intervals
    python -m benchmarks.late_worlds --table              only writes the table again
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np

import mse
from benchmarks.tables import markdown_table, replace_between_marks

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "late_worlds.json"
PAGE = ROOT / "docs" / "howto" / "late.md"
YEARS, LAST, REPLICATES, IMPUTATIONS = range(2011, 2016), 2015, 200, 10
DRIFT = 0.15
COVARIATES = ("form", "sex", "age", "nationality")


def studied(seed: int, cases: list[str], *, headline: bool) -> list[dict[str, Any]]:
    """Draw a world, and hold nowcasts of its last year against the complete table and the truth."""
    warnings.simplefilter("ignore")
    late = mse.simulate.Late(drift=DRIFT)
    simulation = mse.simulate.netherlands(years=YEARS, late=late).draw(seed)
    records = simulation.records.rename(columns={"pseudonym": "person"})
    table = simulation.table().collapse(*COVARIATES)
    truth = simulation.truth[simulation.truth["year"] == LAST]
    final = estimated(table, seed, headline=headline)
    found = []
    for case in cases:
        absent = {table.lists[seed % table.n_lists]: LAST} if case == "not_in" else {}
        nowcast = mse.nowcast(
            records,
            f"{LAST}-12-31",
            lists=table.lists,
            received="received" if case == "late" else None,
            not_in=absent,
            imputations=IMPUTATIONS,
            seed=seed,
        )
        report = estimated(nowcast, seed, headline=headline)
        period = report.late.periods[LAST]
        found.append({
            "case": case, "seed": seed, "headline": headline, "absent": next(iter(absent), ""),
            "persons": int(truth["persons"].sum()), "registered": table.where(year=LAST).n_observed,
            "complete": total_of(final), "nowcast": total_of(report),
            "as_if": total_of(estimated(nowcast.table, seed, headline=headline)),
            "so_far": period.registered, "expected": period.expected, "later": period.later,
        })  # fmt: skip
    return found


def estimated(thing: Any, seed: int, *, headline: bool) -> Any:
    """Monitor a table or a nowcast."""
    return mse.monitor(
        thing, replicates=REPLICATES, seed=seed, n_jobs=1, progress=False, heterogeneity=headline
    )


def total_of(report: Any) -> tuple[float, ...]:
    """Point and ends of the interval of the last year."""
    return tuple(report.cells[LAST, ()].figures["total"])


def write_table(found: list[dict[str, Any]]) -> None:
    """Write the tables of the page."""
    rows = []
    for case, headline in dict.fromkeys((each["case"], each["headline"]) for each in found):
        of = [each for each in found if (each["case"], each["headline"]) == (case, headline)]
        final = [each["complete"][0] for each in of]
        width = np.median([each["complete"][2] / each["complete"][1] for each in of])
        for name in ("nowcast", "as_if", "complete"):
            ends = [each[name][1:] for each in of]
            held = np.mean([low <= f <= high for (low, high), f in zip(ends, final, strict=True)])
            true = np.mean(
                [low <= e["persons"] <= high for (low, high), e in zip(ends, of, strict=True)]
            )
            off = np.median([abs(np.log(e[name][0] / f)) for e, f in zip(of, final, strict=True)])
            ratio = np.median([high / low for low, high in ends])
            rows.append(
                [case, "headline" if headline else "alike", str(len(of)), name, f"{held:.0%}", f"{true:.0%}",
                 f"{ratio:.2f}", f"{ratio / width:.2f}", f"{np.expm1(off):.0%}"]
            )  # fmt: skip
    head = ["what is missing", "intervals", "worlds", "read", "later figure held", "truth held", "high / low",
            "of the complete one", "off, median"]  # fmt: skip
    page = replace_between_marks(
        PAGE.read_text(encoding="utf-8"), "worlds", markdown_table(head, rows, align="llrlrrrrr")
    )
    rows = []
    for case in dict.fromkeys(each["case"] for each in found):
        of = [each for each in found if each["case"] == case and not each["headline"]]
        counted = np.mean([e["expected"][1] <= e["registered"] <= e["expected"][2] for e in of])
        later = np.mean([e["later"][1] <= e["complete"][0] <= e["later"][2] for e in of])
        so_far = np.median([e["so_far"] / e["registered"] for e in of])
        wide = [np.median([e[name][2] / e[name][1] for e in of]) for name in ("expected", "later")]
        rows.append(
            [case, str(len(of)), f"{so_far:.0%}", f"{counted:.0%}", f"{wide[0]:.2f}", f"{later:.0%}", f"{wide[1]:.2f}"]
        )  # fmt: skip
    head = ["what is missing", "worlds", "registered so far", "registered in the end held", "high / low",
            "later figure in its own interval", "high / low"]  # fmt: skip
    page = replace_between_marks(page, "foreseen", markdown_table(head, rows, align="lrrrrrr"))
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--case", nargs="+", default=["late", "not_in"])
    parser.add_argument("--headline", action="store_true")
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    known = (
        json.loads(asked.result.read_text(encoding="utf-8"))["found"]
        if asked.result.exists()
        else []
    )
    done = {(each["case"], each["seed"], each["headline"]) for each in known}
    seeds = range(asked.first, asked.first + asked.worlds)
    for seed in seeds if not asked.table else ():
        cases = [each for each in asked.case if (each, seed, asked.headline) not in done]
        if cases:
            known += studied(seed, cases, headline=asked.headline)
            record = {"date": str(date.today()), "machine": "2 cores", "found": known}
            asked.result.write_text(json.dumps(record, default=float), encoding="utf-8")
    if asked.result == RESULT:
        write_table(known)


if __name__ == "__main__":
    main()
