"""How often 95% intervals hold the true size of a population, on made-up populations.

    python -m benchmarks.calibration                 every design; writes the results
    python -m benchmarks.calibration "4 positive"    some designs; prints them
    python -m benchmarks.calibration --table         writes docs/calibration.md from the results

World number w of design number d is drawn by ``default_rng([SEED, d, w])``, and so is the bootstrap of
it: any single world can be looked at again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from dataclasses import replace
from math import inf, isnan, nan, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

import mse
from benchmarks.designs import DESIGNS, EVERYTHING, PAIRS, STEPS, Design
from benchmarks.tables import markdown_table, replace_between_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse.intervals import IntervalMethod

SEED = 20260101
LEVEL = 0.95
#: Worlds in one task of a worker.
CHUNK = 10

HOME = Path(__file__).resolve().parents[1]
RESULTS = HOME / "benchmarks" / "results" / "calibration.json"
PAGE = HOME / "docs" / "calibration.md"

METHODS = {
    "true model": "profile, the true model given",
    "profile": "profile, given the chosen model",
    "bca": "BCa, model re-selected",
    "percentile": "percentile, model re-selected",
    "mixture": "averaged, mixture of profiles",
    "buckland": "averaged, Buckland",
}
SEARCH_WORDS = {EVERYTHING: "all models", PAIRS: "all pairwise models", STEPS: "stepwise"}


def measure_world(number: int, world: int) -> dict[str, Any]:
    """Draw one world of a design, and estimate its size by every method.

    Parameters
    ----------
    number : int
        Position of the design in `DESIGNS`.
    world : int
        Number of the world.

    Returns
    -------
    dict
        ``status``, ``total``, ``average``, ``chosen`` (whether the true model was), ``observed``,
        and ``intervals`` with the ends by method: NaN where a method gives none.
    """
    design = DESIGNS[number]
    rng = np.random.default_rng([SEED, number, world])
    table = design.simulate(rng)
    fit = design.search.fit(table)
    outcome: dict[str, Any] = {
        "status": fit.status,
        "observed": table.n_observed,
        "total": fit.population.total,
        "average": nan,
        "chosen": fit.model == design.model,
        "intervals": {},
    }
    if design.model:
        true = mse.LogLinear(design.model).fit(table).population
        outcome["intervals"]["true model"] = true.interval(LEVEL)
    if fit.status not in ("ok", "boundary"):
        return outcome
    average = fit.average()
    outcome["average"] = average.total
    for method, interval in _intervals(design, fit, average, rng).items():
        outcome["intervals"][method] = interval.interval(LEVEL)
    return outcome


def _intervals(
    design: Design,
    fit: mse.loglinear.LogLinearSearchFit,
    average: mse.PopulationEstimate,
    rng: np.random.Generator,
) -> dict[str, IntervalMethod]:
    """Interval by method; one bootstrap serves both of its forms."""
    found = mse.bootstrap(
        design.search, fit.table, design.replicates, seed=rng, n_jobs=1, progress=False
    )
    bca, mixture = found.uncertainty, average.uncertainty
    return {
        "profile": fit.population.uncertainty,
        "bca": bca,
        "percentile": replace(bca, kind="percentile"),
        "mixture": mixture,
        "buckland": replace(mixture, form="buckland"),
    }


def measure_worlds(number: int, worlds: Sequence[int]) -> list[dict[str, Any]]:
    """Measure some worlds of a design on one thread; a missing interval is counted, not announced."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", mse.MSEWarning)
        return [measure_world(number, world) for world in worlds]


def coverage_error(hits: int, worlds: int) -> float:
    """Monte Carlo standard error of a coverage, with two hits and two misses added.

    So that it is not 0 where every interval holds the truth (Agresti & Coull 1998, American
    Statistician 52, 119-126).
    """
    share = (hits + 2) / (worlds + 4)
    return sqrt(share * (1 - share) / (worlds + 4))


def summarize_method(ends: np.ndarray[Any, Any], persons: int) -> dict[str, Any]:
    """Summarize the intervals of one method: ends (W, 2), NaN where there is none."""
    worlds = len(ends)
    missing = np.isnan(ends[:, 0])
    low, high = np.where(missing[:, None], 0.0, ends).T
    hits = int(((low <= persons) & (persons <= high) & ~missing).sum())
    given = ~missing
    median = np.median((high - low)[given]) if given.any() else nan
    return {
        "worlds": worlds,
        "coverage": hits / worlds if worlds else nan,
        "error": coverage_error(hits, worlds),
        "below": float((given & (high < persons)).sum()) / max(worlds, 1),
        "above": float((given & (low > persons)).sum()) / max(worlds, 1),
        "missing": int(missing.sum()),
        "infinite": float((given & (high == inf)).sum()) / max(worlds, 1),
        "median_width": float(median),
    }


def summarize(design: Design, outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Summarize the worlds of a design: coverage over those in which the search had an answer."""
    estimable = [o for o in outcomes if o["status"] in ("ok", "boundary")]
    totals = np.asarray([o["total"] for o in estimable])
    averages = np.asarray([o["average"] for o in estimable])
    methods = {}
    for method in METHODS:
        if method == "true model" and not design.model:
            continue
        ends = [o["intervals"].get(method, (nan, nan)) for o in estimable]
        methods[method] = summarize_method(
            np.asarray(ends, dtype=float).reshape(-1, 2), design.persons
        )
    return {
        "design": design.name,
        "about": design.about,
        "persons": design.persons,
        "lists": design.n_lists,
        "classes": [[share, list(margins)] for share, margins in design.classes],
        "odds": dict(design.odds),
        "model": design.model,
        "search": SEARCH_WORDS[design.search],
        "replicates": design.replicates,
        "worlds": len(outcomes),
        "hidden_share": float(design.probabilities.flat[0]),
        "mean_observed": float(np.mean([o["observed"] for o in outcomes])),
        "not_estimable": len(outcomes) - len(estimable),
        "boundary": sum(o["status"] == "boundary" for o in outcomes),
        "true_model_chosen": sum(o["chosen"] for o in outcomes) / len(outcomes),
        "total": _point_summary(totals, design.persons),
        "average": _point_summary(averages, design.persons),
        "methods": methods,
    }


def _point_summary(totals: np.ndarray[Any, Any], persons: int) -> dict[str, float]:
    """Relative bias of a point estimate: of its mean and median, and its root mean squared error."""
    off = totals / persons - 1
    return {
        "mean_bias": float(off.mean()),
        "median_bias": float(np.median(off)),
        "rmse": float(np.sqrt(np.mean(off**2))),
    }


def run_design(number: int, n_jobs: int) -> dict[str, Any]:
    """Measure all worlds of a design."""
    design = DESIGNS[number]
    start = time.perf_counter()
    chunks = [range(i, min(i + CHUNK, design.worlds)) for i in range(0, design.worlds, CHUNK)]
    parts = Parallel(n_jobs=n_jobs)(delayed(measure_worlds)(number, chunk) for chunk in chunks)
    summary = summarize(design, [outcome for part in parts for outcome in part])
    summary["seconds"] = round(time.perf_counter() - start, 1)
    return summary


def nulls(value: Any) -> Any:
    """Write what is not a finite number as null, since JSON has no word for it."""
    if isinstance(value, dict):
        return {key: nulls(each) for key, each in value.items()}
    if isinstance(value, list):
        return [nulls(each) for each in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None if isnan(value) else "inf"
    return value


def write_results(summaries: Sequence[dict[str, Any]], seconds: float) -> None:
    """Write the results as they stand; an interrupted study keeps its finished designs."""
    RESULTS.parent.mkdir(exist_ok=True)
    content = {
        "level": LEVEL,
        "seed": SEED,
        "version": mse.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(seconds),
        "designs": list(summaries),
    }
    RESULTS.write_text(json.dumps(nulls(content), indent=1) + "\n", encoding="utf-8")


# The page -----------------------------------------------------------------------------------------


def percent(value: float, digits: int = 0) -> str:
    """Write a share in percent."""
    return f"{100 * value:.{digits}f}"


def design_table(content: dict[str, Any]) -> str:
    """Tell what each design is."""
    rows = [
        (
            d["design"],
            d["about"],
            f"{d['persons']:,}",
            f"{d['mean_observed']:,.0f}",
            d["model"] or "none",
            f"{d['search']}, {d['replicates']}",
            d["worlds"],
        )
        for d in content["designs"]
    ]
    head = ("design", "what it stands for", "N", "observed", "true model", "search, replicates")
    return markdown_table((*head, "worlds"), rows, align="llrrllr")


def coverage_table(content: dict[str, Any]) -> str:
    """Coverage of each method, with its Monte Carlo standard error."""
    rows = []
    for d in content["designs"]:
        cells = [d["methods"].get(method) for method in METHODS]
        rows.append((d["design"], *(_coverage_cell(cell) for cell in cells)))
    return markdown_table(("design", *METHODS.values()), rows, align="l" + "r" * len(METHODS))


def _coverage_cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "-"
    return f"{percent(cell['coverage'], 1)} ± {percent(cell['error'], 1)}"


def width_table(content: dict[str, Any]) -> str:
    """Median width of each method, in persons."""
    rows = []
    for d in content["designs"]:
        cells = [d["methods"].get(method) for method in METHODS]
        widths = ["-" if c is None else _persons(c["median_width"]) for c in cells]
        rows.append((d["design"], f"{d['persons']:,}", *widths))
    head = ("design", "N", *METHODS.values())
    return markdown_table(head, rows, align="lr" + "r" * len(METHODS))


def _persons(value: float | str | None) -> str:
    if value is None:
        return "-"
    return "∞" if value == "inf" else f"{value:,.0f}"


def answer_table(content: dict[str, Any]) -> str:
    """Points, and what had no answer or no end."""
    rows = []
    for d in content["designs"]:
        methods = d["methods"]
        rows.append(
            (
                d["design"],
                percent(d["true_model_chosen"]) if d["model"] else "-",
                f"{100 * d['total']['median_bias']:+.1f}",
                f"{100 * d['total']['mean_bias']:+.1f}",
                percent(d["total"]["rmse"], 1),
                f"{100 * d['average']['median_bias']:+.1f}",
                f"{100 * d['average']['mean_bias']:+.1f}",
                percent(d["average"]["rmse"], 1),
                percent(d["not_estimable"] / d["worlds"], 1),
                percent(methods["profile"]["infinite"], 1),
                percent(methods["bca"]["infinite"], 1),
                percent(methods["percentile"]["infinite"], 1),
                percent(methods["mixture"]["infinite"], 1),
                sum(m["missing"] for name, m in methods.items() if name != "true model"),
            )
        )
    head = (
        "design",
        "true model chosen, %",
        "best: median bias, %",
        "mean bias, %",
        "RMSE, %",
        "average: median bias, %",
        "mean bias, %",
        "RMSE, %",
        "not estimable, %",
        "∞: profile, %",
        "BCa, %",
        "percentile, %",
        "mixture, %",
        "intervals missing",
    )
    return markdown_table(head, rows, align="l" + "r" * 13)


def sides_table(content: dict[str, Any]) -> str:
    """On which side of the interval the truth lies when it is missed."""
    names = ("profile", "bca", "percentile", "mixture", "buckland")
    rows = []
    for d in content["designs"]:
        cells = [d["methods"][name] for name in names]
        rows.append(
            (d["design"], *(f"{percent(c['below'], 1)} / {percent(c['above'], 1)}" for c in cells))
        )
    return markdown_table(("design", *(METHODS[n] for n in names)), rows, align="lrrrrr")


def write_page() -> None:
    """Put the tables into the page; the words between them are written by hand."""
    content = json.loads(RESULTS.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    parts = {
        "designs": design_table(content),
        "coverage": coverage_table(content),
        "sides": sides_table(content),
        "width": width_table(content),
        "answers": answer_table(content),
        "run": (
            f"Run of {content['date']}, seed {content['seed']}, {content['seconds'] / 60:.0f} "
            "minutes on two cores."
        ),
    }
    for mark, text in parts.items():
        page = replace_between_marks(page, mark, text)
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
    known = [design.name for design in DESIGNS]
    unknown = sorted(set(options.designs) - set(known))
    if unknown:
        parser.error(f"unknown design {unknown[0]!r}; the designs are: {', '.join(known)}")
    start, summaries = time.perf_counter(), []
    for number, name in enumerate(known):
        if options.designs and name not in options.designs:
            continue
        summaries.append(run_design(number, options.jobs))
        print(f"{name}: {summaries[-1]['seconds']} s", file=sys.stderr, flush=True)
        if not options.designs:
            write_results(summaries, time.perf_counter() - start)
    content = nulls({"designs": summaries})
    print(coverage_table(content), width_table(content), answer_table(content), sep="\n\n")
    if not options.designs:
        write_page()


if __name__ == "__main__":
    main()
