"""Does the monitor's default find the truth? Clean synthetic Dutch worlds with a known one.

Worlds of `mse.simulate.netherlands` (SYNTHETIC) without any flaw are monitored with `mse.monitor` as it
comes, and with the search that it falls back to, in which all pairs of lists are searched like other terms:

* five years, 2014 to 2018, by year alone and by year and form of exploitation;
* three years, 2014 to 2016 and 2016 to 2018, by year alone;
* what a user types: ``mse simulate netherlands --seed S | mse monitor``, ten years, two commands.

For each the study counts how far the total over all years is off, how often 95 % intervals hold the yearly
totals and the changes between neighboring years, and how wide they are. World S is drawn with seed S, and so
are its replicates.

    python -m benchmarks.monitor_worlds                        writes benchmarks/results/monitor_worlds.json
                                                               and docs/monitor_worlds.md
    python -m benchmarks.monitor_worlds --seeds 41 60          other worlds
    python -m benchmarks.monitor_worlds --arms "five years, by year" --replicates 200
    python -m benchmarks.monitor_worlds --more                 runs what is missing of a study cut short
    python -m benchmarks.monitor_worlds --table                only writes the tables of the page again
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import warnings
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from joblib import Parallel, delayed

import mse
from benchmarks.dropout import coverage, row_of
from benchmarks.tables import markdown_table, replace_between_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "monitor_worlds.json"
PAGE = ROOT / "docs" / "monitor_worlds.md"
#: What is counted: totals more than this many fold off.
FOLDS = (1.8, 2.5)


class Arm(NamedTuple):
    """Worlds and how they are monitored."""

    years: range
    kept: tuple[str, ...] = ("year",)
    model: str = "default"
    piped: bool = False


ARMS = {
    "five years, by year": Arm(range(2014, 2019)),
    "five years, by year and form": Arm(range(2014, 2019), ("year", "form")),
    "three years from 2014, by year": Arm(range(2014, 2017)),
    "three years from 2016, by year": Arm(range(2016, 2019)),
    "ten years, piped": Arm(range(2010, 2020), piped=True),
    "five years, by year, pairs searched": Arm(range(2014, 2019), model="pairs searched"),
    "five years, by year and form, pairs searched": Arm(
        range(2014, 2019), ("year", "form"), "pairs searched"
    ),
}


def one_case(seed: int, name: str, replicates: int) -> dict[str, Any]:
    """Monitor one world."""
    start, arm = _seconds(), ARMS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = mse.simulate.netherlands(years=arm.years).draw(seed)
        truth = drawn.truth.groupby("year")["persons"].sum()
        figures = piped(seed, replicates) if arm.piped else asked(drawn, arm, seed, replicates)
    true = {str(year): float(truth[year]) for year in arm.years}
    true |= {
        f"{last} / {first}": float(truth[last] / truth[first])
        for first, last in pairwise(arm.years)
    }
    true["all"] = float(truth.sum())
    rows = {key: row_of(true[key], figure) for key, figure in figures.items()}
    return {
        "seed": seed,
        "arm": name,
        "seconds": round(_seconds() - start, 2),
        "figures": {key: row for key, row in rows.items() if row is not None},
    }


def _seconds() -> float:
    """Processor time of this process and of those that it waited for."""
    return sum(os.times()[:4])


def asked(
    drawn: mse.simulate.Simulation, arm: Arm, seed: int, replicates: int
) -> dict[str, mse.monitoring.draws.Figure]:
    """Ask the library."""
    table = drawn.table()
    table = table.collapse(*(name for name in table.covariates if name not in arm.kept))
    search = None
    if arm.model != "default":
        keep = [f"{name}*year" for name in table.lists]
        search = mse.LogLinearSearch(strategy="stepwise", keep=keep)
    found = mse.monitor(table, estimator=search, replicates=replicates, seed=seed, n_jobs=1)
    figures = {str(year): found.cells[year, ()].figures["total"] for year in arm.years}
    for first, last in pairwise(arm.years):
        figures[f"{last} / {first}"] = found.compare(first, last).ratio
    # A sum over years of one scope, as the worlds have one definition of the population.
    return figures | {"all": found.at().figures["total"]}


def piped(seed: int, replicates: int) -> dict[str, mse.monitoring.draws.Figure]:
    """Type two commands, and read the figures off the JSON; they give no sum over the years."""
    code = "from mse.cli import main; main()"
    made = subprocess.run(
        [sys.executable, "-c", code, "simulate", "netherlands", "--seed", str(seed)],
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    options = ["--replicates", replicates, "--seed", seed, "--workers", 1, "--format", "json"]
    told = subprocess.run(
        [sys.executable, "-c", code, "monitor", *map(str, options)],
        input=made.stdout,
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    data = json.loads(told.stdout)
    figures = {
        str(cell["period"]): _figure(cell["total"]) for cell in data["cells"] if not cell["group"]
    }
    for change in data["changes"]:
        if change["last"] == change["first"] + 1:
            figures[f"{change['last']} / {change['first']}"] = _figure(change["ratio"])
    points = [figures[str(year)].point for year in ARMS["ten years, piped"].years]
    return figures | {"all": mse.monitoring.draws.Figure(float(np.sum(points)))}


def _figure(each: dict[str, Any]) -> mse.monitoring.draws.Figure:
    ends = [math.nan if each[key] is None else float(each[key]) for key in ("point", "low", "high")]
    if each["unbounded"]:
        ends[2] = math.inf
    return mse.monitoring.draws.Figure(*ends)


# Tables -------------------------------------------------------------------------------------------


def arm_rows(rows: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Worlds of an arm, with an estimate or not."""
    return [row for row in rows if row["arm"] == name]


def is_total(key: str) -> bool:
    """Whether a figure is that of one year."""
    return key.isdigit()


def cases_of(rows: Sequence[dict[str, Any]], *, totals: bool) -> list[list[Any]]:
    """Yearly totals, or changes, of all worlds."""
    return [
        case
        for row in rows
        for key, case in row["figures"].items()
        if key != "all" and is_total(key) == totals
    ]


def held(rows: Sequence[dict[str, Any]], *, totals: bool) -> str:
    """Coverage with its Monte Carlo error, worlds as the units: years of one world go together."""
    shares = [coverage(cases) for row in rows if (cases := cases_of([row], totals=totals))]
    error = float(np.std(shares)) / math.sqrt(len(shares))
    return f"{100 * np.mean(shares):.0f}% (±{100 * error:.0f})"


def width(rows: Sequence[dict[str, Any]]) -> str:
    """Median of high / low of the yearly totals."""
    ratios = [
        math.inf if case[3] is None else case[3] / case[2] for case in cases_of(rows, totals=True)
    ]
    return f"{np.median(ratios):.2g}"


def result_table(rows: Sequence[dict[str, Any]]) -> str:
    """Write all arms, one row each."""
    lines = []
    for name, arm in ARMS.items():
        mine = arm_rows(rows, name)
        known = [row for row in mine if "all" in row["figures"]]
        if not known:
            continue
        ratios = np.asarray([row["figures"]["all"][1] / row["figures"]["all"][0] for row in known])
        folds = np.exp(np.abs(np.log(ratios)))
        years = [sum(coverage([case]) for case in cases_of([row], totals=True)) for row in known]
        lines.append(
            (
                name,
                f"{len(known)} of {len(mine)}",
                f"{100 * (np.median(ratios) - 1):+.0f}%",
                *(int((folds > fold).sum()) for fold in FOLDS),
                f"{folds.max():.2f}",
                f"{np.quantile(folds, 0.9):.2f}",
                held(known, totals=True),
                held(known, totals=False),
                f"{np.median(years):g} of {len(arm.years)}",
                width(known),
                f"{np.median([row['seconds'] for row in mine]):.1f} s",
            )
        )
    head = (
        "worlds",
        "with an estimate",
        "median error",
        *(f"over {fold}-fold" for fold in FOLDS),
        "worst",
        "90% within",
        "yearly totals held",
        "changes held",
        "years held, median",
        "high / low",
        "processor time",
    )
    return markdown_table(head, lines, align="lrrrrrrrrrrr")


def write_page() -> None:
    """Put the table into the page."""
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    run = content["run"]
    said = f"Run of {run['date']} on {run['machine']}, {run['replicates']} replicates."
    page = PAGE.read_text(encoding="utf-8")
    page = replace_between_marks(page, "worlds", f"{said}\n\n{result_table(content['rows'])}")
    PAGE.write_text(page, encoding="utf-8")


def measure(options: argparse.Namespace) -> None:
    """Run the study, or what is left of it; results are kept as they come."""
    first, last = options.seeds
    wanted = [(seed, name) for seed in range(first, last + 1) for name in options.arms]
    rows: list[dict[str, Any]] = []
    if options.more and RESULT.exists():
        rows = json.loads(RESULT.read_text(encoding="utf-8"))["rows"]
    done = {(row["seed"], row["arm"]) for row in rows}
    jobs = (delayed(one_case)(*case, options.replicates) for case in wanted if case not in done)
    run = {
        "date": date.today().isoformat(),
        "replicates": options.replicates,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }
    RESULT.parent.mkdir(exist_ok=True)
    for row in Parallel(n_jobs=options.workers, return_as="generator_unordered")(jobs):
        rows.append(row)
        rows.sort(key=lambda each: (list(ARMS).index(each["arm"]), each["seed"]))
        lines = ",\n".join(json.dumps(each) for each in rows)
        text = f'{{"run": {json.dumps(run)},\n"rows": [\n{lines}\n]}}\n'
        RESULT.write_text(text, encoding="utf-8")


def main() -> None:
    """Run the study and write its results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=(1, 40), metavar=("FIRST", "LAST"))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--more", action="store_true", help="keep results, run what is missing")
    parser.add_argument("--table", action="store_true", help="only write the page again")
    parser.add_argument("--print", action="store_true", help="print the table, leave the page")
    options = parser.parse_args()
    if not options.table:
        measure(options)
    if options.print:
        print(result_table(json.loads(RESULT.read_text(encoding="utf-8"))["rows"]))
    else:
        write_page()


if __name__ == "__main__":
    main()
