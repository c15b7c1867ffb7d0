"""Two years without change: how often the monitor's intervals hold each year, their difference and their sum.

    python -m benchmarks.monitor_periods              every design; writes the results and the page
    python -m benchmarks.monitor_periods "N = 400, p = .6"
    python -m benchmarks.monitor_periods --table      writes docs/calibration.md from the results

Each year has the same number of persons, fixed, on independent lists. The probability of a rise says, of
worlds in which nothing changed, how often it is beyond the 2.5 % tails: 5 % if it means what it says.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

import mse
from benchmarks.calibration import coverage_error, nulls, percent
from benchmarks.tables import markdown_table, replace_between_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED = 20261129
YEARS = (2014, 2015)
CHUNK = 10
HOME = Path(__file__).resolve().parents[1]
RESULTS = HOME / "benchmarks" / "results" / "monitor_periods.json"
PAGE = HOME / "docs" / "calibration.md"


@dataclass(frozen=True)
class Periods:
    """Two years of the same size.

    Parameters
    ----------
    name : str
        Short and unique.
    persons : int
        N of each year.
    chances : tuple of float
        Probability of being on each list.
    model : str
        Given model; empty for the default of the monitor.
    worlds, replicates : int
        How many of each.
    """

    name: str
    persons: int
    chances: tuple[float, ...]
    model: str = "a*year + b*year + c*year"
    worlds: int = 1000
    replicates: int = 500

    def draw(self, rng: np.random.Generator) -> mse.CaptureTable:
        """Draw both years."""
        cells = np.asarray(1.0)
        for chance in self.chances:
            cells = np.multiply.outer(cells, [1 - chance, chance])
        counts = rng.multinomial(self.persons, cells.ravel(), size=len(YEARS)).T
        counts[0] = 0
        shape = (2,) * len(self.chances) + (len(YEARS),)
        names = "abcdef"[: len(self.chances)]
        return mse.CaptureTable.from_array(counts.reshape(shape), list(names), {"year": YEARS})


DESIGNS = (
    Periods("N = 400, p = .6", 400, (0.6,) * 3),
    Periods("N = 400, p = .3", 400, (0.3,) * 3),
    Periods("N = 1,000, p = .12", 1000, (0.12,) * 3),
    Periods("four lists, N = 400, p = .6", 400, (0.6,) * 4, ""),
    Periods("four lists, N = 400, p = .3", 400, (0.3,) * 4, ""),
    Periods("four lists, N = 1,000, p = .12", 1000, (0.12,) * 4, ""),
)


def measure_world(number: int, world: int) -> dict[str, Any]:
    """Draw a world and ask the monitor; what it held."""
    design = DESIGNS[number]
    rng = np.random.default_rng([SEED, number, world])
    table = design.draw(rng)
    report = mse.monitor(
        table,
        estimator=mse.LogLinear(design.model) if design.model else None,
        replicates=design.replicates,
        seed=rng,
        n_jobs=1,
        progress=False,
    )
    cells = [report.at(year).figures["total"] for year in YEARS]
    both, change = report.at().figures["total"], report.change(*YEARS)
    # A figure that is not estimable (NaN) holds nothing.
    return {
        "years": [each.low <= design.persons <= each.high for each in cells],
        "sum": both.low <= 2 * design.persons <= both.high,
        "difference": change.difference.low <= 0 <= change.difference.high,
        "rise": change.rise,
        "estimate": not np.isnan(both.point),
        "widths": [each.high / each.low if each.low > 0 else nan for each in (*cells, both)],
    }


def measure_worlds(number: int, worlds: Sequence[int]) -> list[dict[str, Any]]:
    """Measure some worlds on one thread."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", mse.MSEWarning)
        return [measure_world(number, world) for world in worlds]


def run_design(number: int, jobs: int) -> dict[str, Any]:
    """Measure all worlds of a design; one without an estimate is a miss."""
    design, start = DESIGNS[number], time.perf_counter()
    chunks = [range(i, min(i + CHUNK, design.worlds)) for i in range(0, design.worlds, CHUNK)]
    parts = Parallel(n_jobs=jobs)(delayed(measure_worlds)(number, chunk) for chunk in chunks)
    worlds = [world for part in parts for world in part]
    held = {
        "year": [each for world in worlds for each in world["years"]],
        "difference": [world["difference"] for world in worlds],
        "sum": [world["sum"] for world in worlds],
    }
    rises = np.asarray([world["rise"] for world in worlds])
    beyond = int(((rises < 0.025) | (rises > 0.975)).sum())
    return {
        "design": design.name,
        "model": design.model or "default",
        "worlds": design.worlds,
        "replicates": design.replicates,
        "seconds": round(time.perf_counter() - start, 1),
        "no_estimate": sum(not world["estimate"] for world in worlds),
        "median_ratio": float(np.nanmedian([world["widths"][2] for world in worlds])),
        "coverage": {name: sum(each) / len(each) for name, each in held.items()},
        # Both years of a world count as one draw, to be on the safe side.
        "error": {name: coverage_error(sum(each), len(each)) for name, each in held.items()},
        "rise_beyond": beyond / design.worlds,
        "rise_error": coverage_error(beyond, design.worlds),
    }


def periods_table(content: dict[str, Any]) -> str:
    """Coverage of years, difference and sum, and of what the probability of a rise says."""
    rows = []
    for d in content["designs"]:
        cells = [
            f"{percent(d['coverage'][name], 1)} ± {percent(d['error'][name], 1)}"
            for name in ("year", "difference", "sum")
        ]
        rise = f"{percent(d['rise_beyond'], 1)} ± {percent(d['rise_error'], 1)}"
        ratio = d["median_ratio"]
        ends = "∞" if ratio in (None, "inf") else f"{ratio:.2f}"
        model = f"`{d['model']}`" if "*" in d["model"] else d["model"]
        rows.append((d["design"], model, d["worlds"], *cells, rise, ends, d["no_estimate"]))
    head = ("two years of", "model", "worlds", "each year", "difference", "sum")
    more = ("P(rise) beyond its 2.5 % tails", "ratio of ends, sum", "no estimate")
    return markdown_table((*head, *more), rows, align="llrrrrrrr")


def write_page() -> None:
    """Put the table into the page."""
    content = json.loads(RESULTS.read_text(encoding="utf-8"))
    page = replace_between_marks(
        PAGE.read_text(encoding="utf-8"), "periods", periods_table(content)
    )
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("designs", nargs="*", help="names of designs; all of them if left out")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--table", action="store_true", help="only write the page again")
    options = parser.parse_args()
    if options.table:
        write_page()
        return
    unknown = set(options.designs) - {design.name for design in DESIGNS}
    if unknown:
        parser.error(f"unknown designs: {', '.join(sorted(unknown))}")
    summaries = []
    for number, design in enumerate(DESIGNS):
        if options.designs and design.name not in options.designs:
            continue
        summaries.append(run_design(number, options.jobs))
        print(f"{design.name}: {summaries[-1]['seconds']} s", file=sys.stderr, flush=True)
    content = {
        "seed": SEED,
        "version": mse.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "designs": summaries,
    }
    print(periods_table(nulls(content)))
    if not options.designs:
        RESULTS.write_text(json.dumps(nulls(content), indent=1) + "\n", encoding="utf-8")
        write_page()


if __name__ == "__main__":
    main()
