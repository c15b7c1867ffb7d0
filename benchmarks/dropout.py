"""What a list that stops reporting does to the figures of the monitor: missing by design against zeros.

Simulated Dutch worlds (SYNTHETIC, known truth) are monitored with `mse.monitor` over lists, year and form
of exploitation, from three tables of the same persons:

* ``full``: every list reports in every year;
* ``unknown``: in 2018 three lists dropped out, and membership of them is unknown in that year;
* ``zeros``: the same drop-out, with nobody else on these lists in that year.

Five ways to estimate, all from one joint set of bootstrap draws as `mse.monitor` makes it:

* ``steady``: all pairs of lists, every list by form, year by form: a list reaches the same share of
  each form in every year;
* ``changing``: the same, and the lists that never stopped may reach more or less from year to year;
* ``all two-way``: every list may;
* ``default``: that of `mse.monitor`, a stepwise search by BIC repeated in every replicate among models in
  which every list that operated in all years may reach more or less from year to year;
* ``free search``: the same search without that condition.

For each the study counts how often 95 % intervals hold the true totals, changes between years, registered
shares (coverage ratios) and changes of these, how far the estimates are off, and what the probability of
a rise says. World w is drawn with seed w, and so are its replicates.

    python -m benchmarks.dropout              writes benchmarks/results/dropout.json and docs/dropout.md
    python -m benchmarks.dropout --worlds 5   fewer worlds of each model
    python -m benchmarks.dropout --more       runs what is missing of a study that was cut short
    python -m benchmarks.dropout --table      only writes the tables of docs/dropout.md again
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
import warnings
from datetime import date
from itertools import combinations, pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from joblib import Parallel, delayed

import mse
from benchmarks.tables import markdown_table, replace_between_marks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse.monitoring.draws import Figure

#: In the first series care organizations reach about the same share of victims throughout; in the second
#: they lose a third of their reports in 2019, for reasons of their own.
SERIES = {"2014 to 2018": range(2014, 2019), "2015 to 2019": range(2015, 2020)}
STOPPED = 2018
REPLICATES = 200
ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "dropout.json"
PAGE = ROOT / "docs" / "dropout.md"
HANDLINGS = {"full": "full data", "unknown": "missing by design", "zeros": "zeros"}
#: Worlds of each series and model: a search, or an effect that nobody saw, takes many times longer.
WORLDS = {
    ("2014 to 2018", "changing"): 60,
    ("2014 to 2018", "steady"): 30,
    ("2014 to 2018", "all two-way"): 30,
    ("2014 to 2018", "default"): 20,
    ("2014 to 2018", "free search"): 20,
    ("2015 to 2019", "changing"): 50,
    ("2015 to 2019", "steady"): 100,
}
#: The series and model of the short table.
ADVISED = ("2014 to 2018", "changing")
#: A probability of a rise below this, or above the rest of it, is read as certain.
CERTAIN = 0.025


def estimator_of(table: mse.CaptureTable, model: str) -> Any:
    """Build the estimator, None for the default one."""
    if model == "default":
        return None
    if model == "free search":
        return mse.LogLinearSearch(strategy="stepwise")
    if model == "all two-way":
        return mse.LogLinear(model)
    terms = [f"{a}*{b}" for a, b in combinations(table.lists, 2)]
    terms += [*(f"{each}*form" for each in table.lists), "year*form"]
    if model == "changing":
        stopped = mse.simulate.Dropout().lists
        terms += [f"{each}*year" for each in table.lists if each not in stopped]
    return mse.LogLinear(" + ".join(terms))


def table_of(
    seed: int, years: Sequence[int], handling: str
) -> tuple[mse.CaptureTable, dict[int, int]]:
    """One table of a world, by year and form, and the world's true yearly totals."""
    dropout = None if handling == "full" else mse.simulate.Dropout()
    drawn = mse.simulate.netherlands(years=years, dropout=dropout).draw(seed)
    table = drawn.table(dropped="unknown" if handling == "unknown" else "zeros")
    truth = drawn.truth.groupby("year")["persons"].sum()
    return table.collapse("sex", "age", "nationality"), {year: int(truth[year]) for year in years}


def one_case(seed: int, series: str, model: str, handling: str) -> dict[str, Any]:
    """Monitor one table of one world."""
    start, years = time.process_time(), SERIES[series]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table, truth = table_of(seed, years, handling)
        found = mse.monitor(
            table, estimator=estimator_of(table, model), replicates=REPLICATES, seed=seed, n_jobs=1
        )
    figures = {}
    shares = {year: found.cells[year, ()].observed / truth[year] for year in years}
    for year in years:
        cell = found.cells[year, ()].figures
        figures[f"total {year}"] = row_of(truth[year], cell["total"])
        figures[f"share {year}"] = row_of(shares[year], cell["coverage"])
    rises = {}
    for first, last in pairwise(years):
        change = found.change(first, last)
        figures[f"total {last} / {first}"] = row_of(truth[last] / truth[first], change.ratio)
        figures[f"share {last} - {first}"] = row_of(
            shares[last] - shares[first], change.coverage_difference
        )
        if not math.isnan(change.rise):
            rises[f"{first} {last}"] = [bool(truth[last] > truth[first]), change.rise]
    return {
        "seed": seed,
        "years": series,
        "model": model,
        "handling": handling,
        "status": found.cells[STOPPED, ()].status,
        "seconds": round(time.process_time() - start, 2),
        "figures": {name: row for name, row in figures.items() if row is not None},
        "rises": rises,
    }


def row_of(truth: float, found: Figure) -> list[Any] | None:
    """Truth, point, low, high, short enough to keep; ends without bound as None; None if no estimate."""
    if math.isnan(found.point):
        return None
    ends = [float(f"{each:.6g}") if math.isfinite(each) else None for each in found]
    return [float(f"{truth:.6g}"), *ends]


# Tables -------------------------------------------------------------------------------------------


def coverage(cases: Sequence[Sequence[Any]]) -> float:
    """Share of intervals that hold the truth."""
    held = [
        (low is None or low <= truth) and (high is None or truth <= high)
        for truth, _, low, high in cases
    ]
    return float(np.mean(held))


def error(name: str, cases: Sequence[Sequence[Any]]) -> str:
    """Median error: of a difference in percentage points, of other figures in percent of the truth."""
    points = np.asarray([[case[0], case[1]] for case in cases], dtype=np.float64)
    if " - " in name:
        return f"{100 * np.median(points[:, 1] - points[:, 0]):+.1f} pp"
    return f"{100 * np.median(points[:, 1] / points[:, 0] - 1):+.0f}%"


def width(name: str, cases: Sequence[Sequence[Any]]) -> str:
    """Median of high / low, or of high - low in percentage points."""
    if " - " in name:
        return f"{100 * np.median([case[3] - case[2] for case in cases]):.1f} pp"
    ratios = [math.inf if case[3] is None else case[3] / max(case[2], 1e-9) for case in cases]
    return f"{np.median(ratios):.2g}" if np.isfinite(np.median(ratios)) else "no bound"


def chosen(
    rows: Iterable[dict[str, Any]], arm: tuple[str, str], handling: str
) -> list[dict[str, Any]]:
    """Results of one series and model on one kind of table."""
    return [
        row for row in rows if (row["years"], row["model"], row["handling"]) == (*arm, handling)
    ]


def cases_of(rows: Iterable[dict[str, Any]], name: str) -> list[list[Any]]:
    """One figure in all worlds that have it."""
    return [row["figures"][name] for row in rows if name in row["figures"]]


def short_table(rows: list[dict[str, Any]]) -> str:
    """Write the answer in three rows."""
    names = [
        f"total {STOPPED}",
        f"total {STOPPED} / {STOPPED - 1}",
        f"share {STOPPED}",
    ]
    head = ["2018 read as", "worlds"]
    head += [f"{word} {STOPPED}" for word in ("total", "change 2017 to", "share registered")]
    lines = []
    for handling, words in HANDLINGS.items():
        mine = chosen(rows, ADVISED, handling)
        entries = []
        for name in names:
            cases = cases_of(mine, name)
            entries.append(f"{100 * coverage(cases):.0f}% (off by {error(name, cases)})")
        lines.append((words, len(mine), *entries))
    return markdown_table(head, lines, align="lrrrr")


def model_table(rows: list[dict[str, Any]], arm: tuple[str, str]) -> str:
    """Every figure of one series under one model."""
    if not any(chosen(rows, arm, handling) for handling in HANDLINGS):
        return "None of these worlds was drawn in this run."
    years = SERIES[arm[0]]
    names = [f"total {year}" for year in years]
    names += [f"total {last} / {first}" for first, last in pairwise(years)]
    names += [f"share {year}" for year in years]
    names += [f"share {last} - {first}" for first, last in pairwise(years)]
    lines = []
    for name in names:
        line = [name]
        for handling in HANDLINGS:
            cases = cases_of(chosen(rows, arm, handling), name)
            line.append(
                f"{coverage(cases):.2f}, {error(name, cases)}, {width(name, cases)}"
                if cases
                else "-"
            )
        lines.append(line)
    return markdown_table(("figure", *HANDLINGS.values()), lines, align="lrrr")


def rise_table(rows: list[dict[str, Any]]) -> str:
    """Show what the probability of a rise says of the change into the year without the lists."""
    lines = []
    key = f"{STOPPED - 1} {STOPPED}"
    for arm, handling in product(WORLDS, HANDLINGS):
        rises = [row["rises"][key] for row in chosen(rows, arm, handling) if key in row["rises"]]
        if not rises:
            continue
        rose = np.asarray([each for each, _ in rises])
        chance = np.asarray([each for _, each in rises])
        sure = (chance < CERTAIN) | (chance > 1 - CERTAIN)
        wrong = sure & ((chance > 0.5) != rose)
        entries = (len(rises), f"{chance.mean():.2f}", f"{sure.mean():.2f}", f"{wrong.mean():.2f}")
        lines.append((*arm, HANDLINGS[handling], *map(str, entries)))
    head = (
        "years",
        "model",
        "2018 read as",
        "worlds",
        "mean probability",
        "certain",
        "certain and wrong",
    )
    return markdown_table(head, lines, align="lllrrrr")


def worlds_table(rows: list[dict[str, Any]]) -> str:
    """How many worlds, how many without an estimate, and the time of one."""
    lines = []
    for arm, handling in product(WORLDS, HANDLINGS):
        mine = chosen(rows, arm, handling)
        if not mine:
            continue
        lost = sum(row["status"] not in ("ok", "boundary") for row in mine)
        seconds = float(np.median([row["seconds"] for row in mine]))
        lines.append((*arm, HANDLINGS[handling], len(mine), lost, f"{seconds:.1f} s"))
    head = ("years", "model", "2018 read as", "worlds", "without 2018", "processor time")
    return markdown_table(head, lines, align="lllrrr")


def write_page() -> None:
    """Put the tables into the page."""
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    run, rows = content["run"], content["rows"]
    page = PAGE.read_text(encoding="utf-8")
    said = f"Run of {run['date']} on {run['machine']}, {run['replicates']} replicates."
    parts = {
        "short": short_table(rows),
        "run": f"{said}\n\n{worlds_table(rows)}",
        "rises": rise_table(rows),
    }
    parts |= {
        f"figures, {years}, {model}": model_table(rows, (years, model)) for years, model in WORLDS
    }
    for mark, text in parts.items():
        page = replace_between_marks(page, mark, text)
    PAGE.write_text(page, encoding="utf-8")


def measure(worlds: int | None, workers: int, *, more: bool) -> None:
    """Run the study, or what is left of it; results are kept as they come."""
    cases = [
        (seed, *arm, handling)
        for arm, most in WORLDS.items()
        for seed in range(1, min(most, worlds or most) + 1)
        for handling in HANDLINGS
    ]
    # All arms advance together, so that a study that is cut short has some worlds of each.
    cases.sort(key=lambda case: case[0] / WORLDS[case[1], case[2]])
    rows: list[dict[str, Any]] = []
    if more:
        rows = json.loads(RESULT.read_text(encoding="utf-8"))["rows"]
        done = {(row["seed"], row["years"], row["model"], row["handling"]) for row in rows}
        cases = [case for case in cases if case not in done]
    run = {
        "date": date.today().isoformat(),
        "replicates": REPLICATES,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }
    jobs = (delayed(one_case)(*case) for case in cases)
    RESULT.parent.mkdir(exist_ok=True)
    found = Parallel(n_jobs=workers, return_as="generator_unordered")(jobs)
    for kept, row in enumerate(found, start=1):
        rows.append(row)
        if kept % 5 == 0 or kept == len(cases):
            rows.sort(
                key=lambda each: (each["years"], each["model"], each["handling"], each["seed"])
            )
            lines = ",\n".join(json.dumps(each) for each in rows)
            text = f'{{"run": {json.dumps(run)},\n"rows": [\n{lines}\n]}}\n'
            RESULT.write_text(text, encoding="utf-8")


def main() -> None:
    """Run the study and write its results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--worlds", type=int, help="of each model, at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--more", action="store_true", help="keep results, run what is missing")
    parser.add_argument("--table", action="store_true", help="only write the page again")
    options = parser.parse_args()
    if not options.table:
        measure(options.worlds, options.workers, more=options.more)
    write_page()


if __name__ == "__main__":
    main()
