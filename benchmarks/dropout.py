"""What a list that stops reporting does to yearly totals: missing by design against zeros.

Simulated Dutch worlds (SYNTHETIC, known truth) are estimated by two log-linear models over lists,
year and form of exploitation, from three tables of the same persons. ``steady``: all two-way terms
but those of list and year, so that a list reaches the same share of each form in every year; and
``all two-way``. The tables:

* ``full``: every list reports in every year;
* ``unknown``: in 2018 three lists dropped out, and membership of them is unknown in that year;
* ``zeros``: the same drop-out, with nobody on these lists in that year.

For each the study counts how often 95 % intervals hold the true yearly totals, the true ratio of 2018 to
2017, and how far the estimates are off. Intervals are log-normal, from the (observed) information.

    python -m benchmarks.dropout --worlds 60

writes ``benchmarks/results/dropout.json`` and the tables of ``docs/dropout.md``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import warnings
from datetime import date
from itertools import combinations, product
from pathlib import Path
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from joblib import Parallel, delayed

import mse

YEARS = (2015, 2016, 2017, 2018, 2019)
FIRST, LAST = 2017, 2018
Z = 1.959963984540054
ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "dropout.json"
PAGE = ROOT / "docs" / "dropout.md"
HANDLINGS = ("full", "unknown", "zeros")
MODELS = ("steady", "all two-way")


def terms(table: mse.CaptureTable, model: str) -> str:
    """Write a model for the lists of a table."""
    if model == "all two-way":
        return model
    pairs = [f"{a}*{b}" for a, b in combinations(table.lists, 2)]
    return " + ".join([*pairs, *(f"{each}*form" for each in table.lists), "year*form"])


def tables_of(seed: int) -> tuple[dict[str, mse.CaptureTable], dict[int, float]]:
    """Return the three tables of one world, by year and form, and its true yearly totals."""
    complete = mse.simulate.netherlands(years=YEARS).draw(seed)
    dropped = mse.simulate.netherlands(years=YEARS, dropout=mse.simulate.Dropout()).draw(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tables = {
            "full": complete.table(),
            "unknown": dropped.table(dropped="unknown"),
            "zeros": dropped.table(dropped="zeros"),
        }
    kept = {name: t.collapse("sex", "age", "nationality") for name, t in tables.items()}
    return kept, complete.truth.groupby("year")["persons"].sum().to_dict()


def yearly(p: mse.PopulationEstimate) -> tuple[np.ndarray, np.ndarray] | None:
    """Yearly totals and the covariance of the hidden counts by year, or None without an estimate."""
    if math.isnan(p.total) or p.strata is None or p.strata.covariance is None:
        return None
    n_years = len(YEARS)
    by_year = (p.strata.observed + p.strata.hidden).reshape(n_years, -1).sum(axis=1)
    covariance = p.strata.covariance.reshape(n_years, -1, n_years, p.strata.hidden.size // n_years)
    return by_year, covariance.sum(axis=(1, 3))


def one_world(seed: int) -> list[dict[str, Any]]:
    """Estimate one world three ways."""
    tables, truth = tables_of(seed)
    rows = []
    for model, (name, table) in product(MODELS, tables.items()):
        estimate = mse.LogLinear(terms(table, model), interval="lognormal").fit(table).population
        found = yearly(estimate)
        row: dict[str, Any] = {"seed": seed, "model": model, "handling": name}
        row["estimable"] = found is not None
        if found is not None:
            totals, covariance = found
            frame = estimate.margin("year").set_index("year")
            row["years"] = {
                year: [
                    truth[year],
                    frame.loc[year, "total"],
                    frame.loc[year, "low"],
                    frame.loc[year, "high"],
                ]
                for year in YEARS
            }
            i, j = YEARS.index(FIRST), YEARS.index(LAST)
            log_ratio = math.log(totals[j] / totals[i])
            se = math.sqrt(
                covariance[i, i] / totals[i] ** 2
                + covariance[j, j] / totals[j] ** 2
                - 2 * covariance[i, j] / (totals[i] * totals[j])
            )
            ends = [math.exp(log_ratio - Z * se), math.exp(log_ratio + Z * se)]
            row["change"] = [truth[LAST] / truth[FIRST], math.exp(log_ratio), *ends]
        rows.append(row)
    return rows


def coverage(cases: list[list[float]]) -> tuple[float, float, float, float]:
    """Share of intervals that hold the truth, its standard error, median log error, median width."""
    held = np.asarray([low <= truth <= high for truth, _, low, high in cases])
    error = np.asarray([math.log(point / truth) for truth, point, _, _ in cases])
    width = np.asarray([high / low for _, _, low, high in cases])
    share = float(held.mean())
    return (
        share,
        math.sqrt(share * (1 - share) / held.size),
        float(np.median(error)),
        float(np.median(width)),
    )


def table_text(rows: list[dict[str, Any]]) -> str:
    """Coverage table in Markdown."""
    lines = [
        (
            "| quantity | model | handling | worlds | coverage of 95 % intervals | median error "
            "| median high / low |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    done = [row for row in rows if row["estimable"]]
    for what in [*YEARS, "change"]:
        for model, name in product(MODELS, HANDLINGS):
            mine = [row for row in done if (row["handling"], row["model"]) == (name, model)]
            if not mine:
                lines.append(f"| {what} | {model} | {name} | 0 | - | - | - |")
                continue
            cases = [row["change"] if what == "change" else row["years"][what] for row in mine]
            share, error, bias, width = coverage(cases)
            label = f"{LAST} / {FIRST}" if what == "change" else f"total {what}"
            lines.append(
                f"| {label} | {model} | {name} | {len(cases)} | {share:.2f} ± {error:.2f} "
                f"| {math.expm1(bias):+.0%} | {width:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run the study and write its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    jobs = (delayed(one_world)(seed) for seed in range(1, options.worlds + 1))
    rows = [row for world in Parallel(n_jobs=options.workers)(jobs) for row in world]
    run = {
        "date": date.today().isoformat(),
        "worlds": options.worlds,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"run": run, "rows": rows}, indent=1, default=float) + "\n")
    lost = {
        f"{model}, {name}": sum(
            not row["estimable"] for row in rows if (row["model"], row["handling"]) == (model, name)
        )
        for model, name in product(MODELS, HANDLINGS)
    }
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition("<!-- results -->")
    tail = rest.partition("<!-- end of results -->")[2]
    text = (
        f"\nRun of {run['date']} on {run['machine']}: {run['worlds']} worlds. Without an estimate: "
        + "; ".join(f"{name}: {count}" for name, count in lost.items())
        + f".\n\n{table_text(rows)}\n"
    )
    PAGE.write_text(
        f"{head}<!-- results -->\n{text}\n<!-- end of results -->{tail}", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
