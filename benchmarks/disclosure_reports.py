"""Reports of random tables under rules of disclosure, read back from every file and every picture.

Each world of `disclosure_attacks` is reported as ``mse report --disclosure`` does: estimates beside each other, a
monitor, checks, overlaps, scenarios, models of searches, pictures. The HTML, Markdown, JSON and workbook are read by
the stranger, each by itself and all together; every figure for machines has to be rounded or computed of rounded ones;
no exact count and no figure before it was rounded stands anywhere; what stands in one form stands in JSON; and the
marks of all pictures are measured. The insider solves everything that the report tells for small counts.

    python -m benchmarks.disclosure_reports 20 --rules seven
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import mse
from benchmarks.disclosure_attacks import compared, exposed, monitored, told, world
from benchmarks.published_files import (
    figures,
    numbers,
    of_workbook,
    off_the_grid,
    pictures,
    texts,
    unexplained,
    where,
)
from mse.disclosure import Rules, attack, rules
from mse.disclosure.jointly import system_of
from mse.reporting.building import build_report
from mse.reporting.writing import FORMS, as_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.comparing import Comparison
    from mse.words.content import Report

RESULTS = Path(__file__).parent / "results" / "disclosure_reports.json"
#: Exact counts below are told by too many other numbers: those are looked for where figures have a place.
LEAST = 31


@dataclass
class Found:
    """What was found over all reports.

    Attributes
    ----------
    reports, files, pictures, marks, figures : int
        Reports, their files, pictures and marks in them, figures for machines.
    stranger : Counter
        Reports that give a count away, by the kind of attack.
    insider : Counter
        Small counts that were ``looked`` at, and those of which too little is ``told``.
    odd : Counter
        Figures that are neither rounded nor computed of rounded ones, by their heading.
    exact, elsewhere, off : int
        Exact counts or unrounded figures, numbers that are not in JSON, marks at no published figure.
    seeds : dict of int to list of str
        Worlds in which anything was found, and what.
    """

    reports: int = 0
    files: int = 0
    pictures: int = 0
    figures: int = 0
    stranger: Counter[str] = field(default_factory=Counter)
    insider: Counter[str] = field(default_factory=Counter)
    odd: Counter[str] = field(default_factory=Counter)
    exact: int = 0
    elsewhere: int = 0
    off: int = 0
    seeds: dict[int, list[str]] = field(default_factory=dict)


def evidence(table: mse.CaptureTable, comparison: Comparison, *, seed: int) -> Iterator[Any]:
    """Gather what is usually reported: a bootstrap first, then the rest."""
    first = comparison.fits[0]
    try:
        yield mse.bootstrap(first.estimator, table, 60, seed=seed, n_jobs=1, progress=False)
    except mse.MSEError:
        yield first.population
    yield comparison
    yield mse.diagnostics.overlaps(table)
    fit = mse.LogLinear("main").fit(table)
    yield mse.diagnostics.check(table, fit, seed=1)
    for make in (
        lambda: mse.sensitivity.leave_one_out(mse.LogLinear("main"), table),
        lambda: mse.sensitivity.merge(mse.LogLinear("main"), table),
        lambda: mse.sensitivity.highest_order(fit),
        lambda: mse.sensitivity.odds_ratio(table),
        lambda: mse.validate(table, [mse.LogLinear("main")]),
        lambda: mse.diagnostics.residuals(fit),
        lambda: mse.diagnostics.influence(fit),
        lambda: mse.diagnostics.goodness_of_fit(fit, replicates=20, seed=1),
    ):
        try:
            yield make()
        except mse.MSEError:
            continue


def secrets(table: mse.CaptureTable, comparison: Comparison, base: int) -> set[float]:
    """Write down what must not stand anywhere: exact counts, and figures before they were rounded."""
    counts = [float(table.n_observed), *map(float, table.low)]
    both = table.overlaps().to_numpy(dtype=np.float64)
    counts += both.ravel().tolist()
    for name in table.covariates:
        rest = [each for each in table.covariates if each != name]
        counts += _margin(table, rest)
    told = {each for each in counts if each >= LEAST and each % base}
    for population in comparison.populations:
        if population.status in ("ok", "boundary"):
            ends = [end for level in (0.5, 0.8, 0.95, 0.99) for end in population.interval(level)]
            for each in (population.total, population.hidden, *ends):
                if math.isfinite(each) and each >= LEAST:
                    told |= {float(round(each, digits)) for digits in (0, 1, 2)}
    return {each for each in told if abs(each / base - round(each / base)) > 1e-9}


def _margin(table: mse.CaptureTable, rest: list[str]) -> list[float]:
    one = table.collapse(*rest) if rest else table
    codes = one.patterns[:, one.n_lists]
    return np.bincount(codes, one.low).astype(float).tolist()


def searched(report: Report, table: mse.CaptureTable, comparison: Comparison, base: int) -> Any:
    """Look through all files of a report; yields what is wrong with them, in words."""
    data = {form: as_bytes(report, form) for form in FORMS}
    content = json.loads(data["json"])
    given = [*figures(content), *of_workbook(data["xlsx"])]
    known = {value for _, value in given}
    found: list[str] = []
    levels = {float(each) for part in table.covariates.values() for each in part if _is_year(each)}
    levels.add(float(table.n_cells))
    odd = unexplained(given, base, levels)
    found += [f"odd {heading}: {value}" for heading, value in odd]
    here = {form: numbers(each, form) for form, each in data.items()}
    secret = secrets(table, comparison, base)
    words = here["html"] | here["md"] | here["json"] | here["xlsx"]
    for each in sorted((words & secret) - _vocabulary(content) - levels):
        told = next(filter(None, (where(data[form], form, each) for form in data)), "")
        found.append(f"exact {each}: {told}")
    traces = [table.fingerprint[:12], *map(repr, _seeds(comparison))]
    for form, each in data.items():
        said = " ".join(texts(each, form))
        found += [f"trace in {form}: {trace}" for trace in traces if trace in said]
        found += [f"seed in {form}: {trace}" for trace in re.findall(r"\w*seed\w*=\d+", said)]
    ratios = {round(each, 6) for each in known}
    for form in ("html", "md", "xlsx"):
        more = {each for each in here[form] - here["json"] if round(each, 6) not in ratios}
        found += [f"{form} alone {each}" for each in sorted(more)]
    for form in ("html", "json", "md"):
        for svg in pictures(data[form], form):
            found += [
                f"mark {each.name} {each.value:.6g}"
                for each in off_the_grid(svg, known, base, levels)
            ]
    return data, given, found


def _seeds(comparison: Comparison) -> Iterator[int]:
    """Seeds that are long enough to be told from other numbers."""
    for fit in comparison.fits:
        seed = getattr(fit.estimator, "seed", 0)
        if isinstance(seed, int) and seed > 1000:
            yield seed


def _is_year(level: object) -> bool:
    return isinstance(level, int | float)


def _vocabulary(content: dict[str, Any]) -> set[float]:
    """Numbers of versions, publications, settings and conventions: they are of no table."""
    kept = [each for each in content["sections"] if each["id"] == "citation"]
    account = next((each for each in content["sections"] if each["id"] == "account"), None)
    if account is not None:
        kept += [each for each in account["sections"] if each["id"] == "account-software"]
    return numbers(json.dumps(kept).encode(), "json")


def one(seed: int, held: Rules, tally: Found) -> None:
    """Report one world, and look through its files."""
    random = np.random.default_rng(seed)
    table = world(random, periods=seed % 3 == 2)
    comparison, monitor = compared(table, bayes=False), monitored(table)
    results = [*evidence(table, comparison, seed=seed), *([] if monitor is None else [monitor])]
    report = build_report(results, disclosure=held, language="nl" if seed % 2 else "en")
    data, given, found = searched(report, table, comparison, held.base)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"report.{form}") for form in data]
        for path, each in zip(paths, data.values(), strict=True):
            path.write_bytes(each)
        kinds = {kind for path in paths for kind in exposed(attack([path], held))}
        kinds |= set(exposed(attack(paths, held)))
    tally.reports += 1
    tally.files += len(data)
    tally.figures += len(given)
    tally.pictures += len(pictures(data["json"], "json"))
    tally.stranger.update([*kinds, *(["any"] if kinds else [])])
    tally.odd.update(each.split(":")[0] for each in found if each.startswith("odd"))
    tally.exact += sum(each.startswith("exact") for each in found)
    tally.elsewhere += sum(" alone " in each for each in found)
    tally.off += sum(each.startswith("mark") for each in found)
    found += [f"stranger {kind}" for kind in sorted(kinds)]
    first = next((each for each in report.protected if hasattr(each, "publication")), None)
    system = None if first is None else system_of(first.publication, table)
    if system is not None:
        looked, short = told(system)
        tally.insider.update(looked=looked, told=short)
        found += ["insider"] * bool(short)
    if found:
        tally.seeds[seed] = found[:40]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", type=int, nargs="?", default=100)
    parser.add_argument("--rules", default="cbs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first world")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of the results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    held, tally, begin = rules(options.rules), Found(), time.process_time()
    for seed in range(options.first, options.first + options.worlds):
        one(seed, held, tally)
        spent = {"rules": held.name, "seconds": round(time.process_time() - begin, 1)}
        text = json.dumps(spent | vars(tally), indent=1)
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
