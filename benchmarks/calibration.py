"""How often 95% intervals hold the true size of a population, on made-up populations.

    python -m benchmarks.calibration                 every design; writes the results
    python -m benchmarks.calibration --study dense   one study: designs, dense or pairs
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
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

import mse
from benchmarks.designs import (
    DENSE,
    DESIGNS,
    EVERYTHING,
    PAIRS,
    PAIRS_DEPENDENT,
    STEPS,
    DependentPairs,
    Design,
)
from benchmarks.tables import markdown_table, replace_between_marks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse.answer.intervals import IntervalMethod

SEED = 20260101
LEVEL = 0.95
#: Worlds in one task of a worker.
CHUNK = 10

HOME = Path(__file__).resolve().parents[1]
RESULTS = HOME / "benchmarks" / "results" / "calibration.json"
PAGE = HOME / "docs" / "calibration.md"

#: Ways to read the ends off draws, of the population and of the registered persons alone (n fixed).
KINDS = ("percentile", "bca", "basic")
METHODS = {
    "true model": "profile, the true model given",
    "profile": "profile, given the chosen model",
    "percentile": "percentile (default)",
    "bca": "BCa",
    "basic": "basic",
    "fixed percentile": "percentile, n fixed",
    "fixed bca": "BCa, n fixed",
    "mixture": "averaged, mixture of profiles",
    "buckland": "averaged, Buckland",
}
SEARCH_WORDS = {EVERYTHING: "all models", PAIRS: "all pairwise models", STEPS: "stepwise"}


class Study(NamedTuple):
    """Designs that are simulated together, the marks of their tables, and the methods in these.

    Methods in `earlier` are not measured again: their rows are those of an earlier run on the same
    worlds, by the name that they had there.
    """

    designs: tuple[Design | DependentPairs, ...]
    number: int
    results: Path
    prefix: str
    methods: tuple[str, ...]
    earlier: Mapping[str, str] = MappingProxyType({})


#: Of the run with n fixed, when that was the default: averages take hours of profiles.
EARLIER = RESULTS.with_name("calibration_fixed.json")
_EARLIER = {
    "fixed percentile": "percentile",
    "fixed bca": "bca",
    "mixture": "mixture",
    "buckland": "buckland",
}
_BOOTSTRAPS = ("profile", "percentile", "bca", "basic", "fixed percentile", "fixed bca")
STUDIES = {
    "designs": Study(DESIGNS, 0, RESULTS, "", tuple(METHODS), MappingProxyType(_EARLIER)),
    "dense": Study(
        DENSE,
        1,
        RESULTS.with_name("calibration_dense.json"),
        "dense ",
        ("true model", *_BOOTSTRAPS),
    ),
    "pairs": Study(
        PAIRS_DEPENDENT, 2, RESULTS.with_name("calibration_pairs.json"), "pairs ", _BOOTSTRAPS
    ),
}


def measure_world(study: str, number: int, world: int) -> dict[str, Any]:
    """Draw one world of a design, and estimate its size by every method.

    Parameters
    ----------
    study : str
        Key of `STUDIES`.
    number : int
        Position of the design in its study.
    world : int
        Number of the world.

    Returns
    -------
    dict
        ``status``, ``persons``, ``total``, ``chosen`` (whether the true model was), ``observed``, and ``intervals`` with the ends by method: NaN where a method gives none.
    """
    of = STUDIES[study]
    design = of.designs[number]
    # The first study keeps the worlds that it had before there were others.
    key = [SEED, number, world] if of.number == 0 else [SEED, of.number, number, world]
    rng = np.random.default_rng(key)
    table, persons = design.world(rng)
    fit = design.search.fit(table)
    outcome: dict[str, Any] = {
        "status": fit.status,
        "persons": persons,
        "observed": table.n_observed,
        "total": fit.population.total,
        "chosen": fit.model == design.model,
        "intervals": {},
    }
    if design.model:
        true = mse.LogLinear(design.model).fit(table).population
        outcome["intervals"]["true model"] = true.interval(LEVEL)
    if fit.status not in ("ok", "boundary"):
        return outcome
    intervals = {"profile": fit.population.uncertainty}
    fixed = design.fixed_worlds is None or world < design.fixed_worlds
    fixed = fixed and "fixed bca" not in of.earlier
    intervals |= _bootstraps(design, fit.table, rng, fixed=fixed)
    for method, interval in intervals.items():
        outcome["intervals"][method] = interval.interval(LEVEL)
    return outcome


def _bootstraps(
    design: Design | DependentPairs,
    table: mse.CaptureTable,
    rng: np.random.Generator,
    *,
    fixed: bool,
) -> dict[str, IntervalMethod]:
    """Interval by method; one bootstrap serves all of its forms."""
    found: dict[str, IntervalMethod] = {}
    for scheme, prefix in (("population", ""), ("multinomial", "fixed ")):
        if scheme == "multinomial" and not fixed:
            continue
        p = mse.bootstrap(
            *(design.search, table, design.replicates, scheme, "bca", rng),
            n_jobs=1,
            progress=False,
        )
        found |= {f"{prefix}{kind}": replace(p.uncertainty, kind=kind) for kind in KINDS}
    return found


def measure_worlds(study: str, number: int, worlds: Sequence[int]) -> list[dict[str, Any]]:
    """Measure some worlds of a design on one thread; a missing interval is counted, not announced."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", mse.MSEWarning)
        return [measure_world(study, number, world) for world in worlds]


def coverage_error(hits: int, worlds: int) -> float:
    """Monte Carlo standard error of a coverage, with two hits and two misses added.

    So that it is not 0 where every interval holds the truth (Agresti & Coull 1998, American
    Statistician 52, 119-126).
    """
    share = (hits + 2) / (worlds + 4)
    return sqrt(share * (1 - share) / (worlds + 4))


def summarize_method(ends: np.ndarray[Any, Any], persons: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Summarize the intervals of one method: ends (W, 2), NaN where there is none; truths (W,)."""
    worlds = len(ends)
    missing = np.isnan(ends[:, 0])
    low, high = np.where(missing[:, None], 0.0, ends).T
    hits = int(((low <= persons) & (persons <= high) & ~missing).sum())
    given = ~missing
    median = np.median((high - low)[given]) if given.any() else nan
    ratio = np.median((high / np.maximum(low, 1))[given]) if given.any() else nan
    return {
        "worlds": worlds,
        "coverage": hits / worlds if worlds else nan,
        "error": coverage_error(hits, worlds),
        "below": float((given & (high < persons)).sum()) / max(worlds, 1),
        "above": float((given & (low > persons)).sum()) / max(worlds, 1),
        "missing": int(missing.sum()),
        "infinite": float((given & (high == inf)).sum()) / max(worlds, 1),
        "median_width": float(median),
        "median_ratio": float(ratio),
    }


def summarize(
    study: Study, design: Design | DependentPairs, outcomes: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Summarize the worlds of a design: coverage over those in which the search had an answer."""
    estimable = [o for o in outcomes if o["status"] in ("ok", "boundary")]
    persons = np.asarray([o["persons"] for o in estimable])
    totals = np.asarray([o["total"] for o in estimable]) / persons
    methods = {}
    for method in study.methods:
        if method in study.earlier or (method == "true model" and not design.model):
            continue
        # A method that was not tried in some worlds is judged on the others.
        tried = [i for i, o in enumerate(estimable) if method in o["intervals"]]
        ends = [estimable[i]["intervals"][method] for i in tried]
        methods[method] = summarize_method(
            np.asarray(ends, dtype=float).reshape(-1, 2), persons[tried]
        )
    known = isinstance(design, Design)
    return {
        "design": design.name,
        "about": design.about,
        "persons": design.persons if known else None,
        "lists": design.n_lists,
        "classes": [[s, list(m)] for s, m in design.classes] if known else [],
        "odds": dict(design.odds) if known else {},
        "model": design.model,
        "search": SEARCH_WORDS[design.search],
        "replicates": design.replicates,
        "worlds": len(outcomes),
        "mean_persons": float(np.mean([o["persons"] for o in outcomes])),
        "mean_observed": float(np.mean([o["observed"] for o in outcomes])),
        "not_estimable": len(outcomes) - len(estimable),
        "boundary": sum(o["status"] == "boundary" for o in outcomes),
        "true_model_chosen": sum(o["chosen"] for o in outcomes) / len(outcomes),
        "total": _point_summary(totals),
        "methods": methods,
    }


def _point_summary(shares: np.ndarray[Any, Any]) -> dict[str, float]:
    """Relative bias of a point estimate: of its mean and median, and its root mean squared error."""
    off = shares - 1
    return {
        "mean_bias": float(off.mean()),
        "median_bias": float(np.median(off)),
        "rmse": float(np.sqrt(np.mean(off**2))),
    }


def run_design(study: str, number: int, n_jobs: int) -> dict[str, Any]:
    """Measure all worlds of a design."""
    design = STUDIES[study].designs[number]
    start = time.perf_counter()
    chunks = [range(i, min(i + CHUNK, design.worlds)) for i in range(0, design.worlds, CHUNK)]
    parts = Parallel(n_jobs=n_jobs)(
        delayed(measure_worlds)(study, number, chunk) for chunk in chunks
    )
    outcomes = [outcome for part in parts for outcome in part]
    summary = summarize(STUDIES[study], design, outcomes)
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


def write_results(study: Study, summaries: Sequence[dict[str, Any]], seconds: float) -> None:
    """Write the results as they stand; an interrupted study keeps its finished designs."""
    study.results.parent.mkdir(exist_ok=True)
    content = {
        "level": LEVEL,
        "seed": SEED,
        "version": mse.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(seconds),
        "designs": list(summaries),
    }
    study.results.write_text(json.dumps(nulls(content), indent=1) + "\n", encoding="utf-8")


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


def coverage_table(content: dict[str, Any], methods: Sequence[str]) -> str:
    """Coverage of each method, with its Monte Carlo standard error."""
    rows = []
    for d in content["designs"]:
        cells = [d["methods"].get(method) for method in methods]
        rows.append((d["design"], _hidden(d), *(_coverage_cell(cell) for cell in cells)))
    head = ("design", "hidden", *(METHODS[method] for method in methods))
    return markdown_table(head, rows, align="lr" + "r" * len(methods))


def _hidden(design: dict[str, Any]) -> str:
    """Persons on no list, on average."""
    hidden = design["mean_persons"] - design["mean_observed"]
    return f"{hidden:,.1f}" if hidden < 10 else f"{hidden:,.0f}"


def _coverage_cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "-"
    return f"{percent(cell['coverage'], 1)} ± {percent(cell['error'], 1)}"


def width_table(content: dict[str, Any], methods: Sequence[str]) -> str:
    """Median width of each method, in persons."""
    rows = []
    for d in content["designs"]:
        cells = [d["methods"].get(method) for method in methods]
        widths = ["-" if c is None else _persons(c["median_width"]) for c in cells]
        rows.append((d["design"], f"{d['mean_persons']:,.0f}", *widths))
    head = ("design", "N", *(METHODS[method] for method in methods))
    return markdown_table(head, rows, align="lr" + "r" * len(methods))


def _persons(value: float | str | None) -> str:
    if value is None:
        return "-"
    if value == "inf":
        return "∞"
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def answer_table(content: dict[str, Any]) -> str:
    """Points, and how often the true model is chosen."""
    rows = [
        (
            d["design"],
            percent(d["true_model_chosen"]) if d["model"] else "-",
            f"{100 * d['total']['median_bias']:+.1f}",
            f"{100 * d['total']['mean_bias']:+.1f}",
            percent(d["total"]["rmse"], 1),
            f"{100 * d['average']['median_bias']:+.1f}",
            f"{100 * d['average']['mean_bias']:+.1f}",
            percent(d["average"]["rmse"], 1),
        )
        for d in content["designs"]
    ]
    head = (
        "design",
        "true model chosen, %",
        "best: median bias, %",
        "mean bias, %",
        "RMSE, %",
        "average: median bias, %",
        "mean bias, %",
        "RMSE, %",
    )
    return markdown_table(head, rows, align="l" + "r" * 7)


def ends_table(content: dict[str, Any], methods: Sequence[str]) -> str:
    """Worlds without an estimate, and without an upper end."""
    rows = []
    for d in content["designs"]:
        cells = [d["methods"].get(method) for method in methods]
        shares = ["-" if c is None else percent(c["infinite"], 1) for c in cells]
        missing = sum(m["missing"] for name, m in d["methods"].items() if name != "true model")
        rows.append((d["design"], percent(d["not_estimable"] / d["worlds"], 1), *shares, missing))
    names = [f"∞: {METHODS[method]}" for method in methods]
    head = ("design", "no estimate", *names, "intervals missing")
    return markdown_table(head, rows, align="lr" + "r" * len(methods) + "r")


def sides_table(content: dict[str, Any], methods: Sequence[str]) -> str:
    """On which side of the interval the truth lies when it is missed."""
    rows = []
    for d in content["designs"]:
        cells = [d["methods"].get(name) for name in methods]
        sides = [
            "-" if c is None else f"{percent(c['below'], 1)} / {percent(c['above'], 1)}"
            for c in cells
        ]
        rows.append((d["design"], *sides))
    head = ("design", *(METHODS[method] for method in methods))
    return markdown_table(head, rows, align="l" + "r" * len(methods))


def write_page() -> None:
    """Put the tables into the page; the words between them are written by hand."""
    page = PAGE.read_text(encoding="utf-8")
    for study in STUDIES.values():
        if study.results.exists():
            page = _with_tables(page, study)
    PAGE.write_text(page, encoding="utf-8")


def _with_tables(page: str, study: Study) -> str:
    """Put the tables of one study into the page."""
    content = json.loads(study.results.read_text(encoding="utf-8"))
    if study.earlier:
        _add_earlier(content, study.earlier)
    methods = study.methods
    interval = [method for method in methods if method != "true model"]
    bounded = [method for method in interval if method not in ("buckland", "basic")]
    parts = {
        "coverage": coverage_table(content, methods),
        "sides": sides_table(content, interval),
        "width": width_table(content, methods),
        "ends": ends_table(content, bounded),
        "run": (
            f"Run of {content['date']}, seed {content['seed']}, {content['seconds'] / 60:.0f} "
            "minutes on two cores."
        ),
    }
    if study.earlier:
        parts |= {"designs": design_table(content), "answers": answer_table(content)}
    for mark, text in parts.items():
        if f"<!-- {study.prefix}{mark} -->" in page:
            page = replace_between_marks(page, f"{study.prefix}{mark}", text)
    return page


def _add_earlier(content: dict[str, Any], names: Mapping[str, str]) -> None:
    """Add rows of the earlier run on the same worlds."""
    before = json.loads(EARLIER.read_text(encoding="utf-8"))
    by_name = {d["design"]: d for d in before["designs"]}
    for d in content["designs"]:
        old = by_name[d["design"]]
        d["average"] = old["average"]
        d["methods"] |= {name: old["methods"][there] for name, there in names.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("designs", nargs="*", help="names of designs; all of them if left out")
    parser.add_argument("--study", choices=STUDIES, help="one study; all of them if left out")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--table", action="store_true", help="only write the page again")
    options = parser.parse_args()
    if options.table:
        write_page()
        return
    known = [design.name for study in STUDIES.values() for design in study.designs]
    unknown = sorted(set(options.designs) - set(known))
    if unknown:
        parser.error(f"unknown design {unknown[0]!r}; the designs are: {', '.join(known)}")
    for name in [options.study] if options.study else STUDIES:
        run_study(name, options.designs, options.jobs)
    if not options.designs:
        write_page()


def run_study(name: str, chosen: Sequence[str], jobs: int) -> None:
    """Run the designs of a study; all of them are kept, some of them printed."""
    study, start, summaries = STUDIES[name], time.perf_counter(), []
    for number, design in enumerate(study.designs):
        if chosen and design.name not in chosen:
            continue
        summaries.append(run_design(name, number, jobs))
        print(f"{design.name}: {summaries[-1]['seconds']} s", file=sys.stderr, flush=True)
        if not chosen:
            write_results(study, summaries, time.perf_counter() - start)
    if summaries and chosen:
        content = nulls({"designs": summaries})
        tables = coverage_table(content, study.methods), width_table(content, study.methods)
        print(*tables, ends_table(content, study.methods), sep="\n\n")


if __name__ == "__main__":
    main()
