"""What estimators leave under rules of disclosure that `disclosure_attacks` does not ask: other data, other methods.

``registers``: all families from how often persons were seen in one register. The insider knows how each total and each
end of an interval moves with one person more seen so often, by asking again, and solves all of them for those who
were seen so often that they are few. ``persons``: logistic and doubly robust estimators from persons with covariates.
``samplers``: posteriors that take long: latent classes, averages over log-linear models, thresholded coefficients, chains
over graphs, strata around common values. All are published as JSON, text, CSV and HTML and as a report, whose files and
pictures are read as in `disclosure_reports`; the insider solves the counts and the closed forms beside the posteriors.

    python -m benchmarks.disclosure_others registers 60 --rules five
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import mse
from benchmarks.disclosure_attacks import FORMS, LEVELS, compared, counts_of, stranger, told, world
from benchmarks.disclosure_reports import searched
from mse.comparing import Comparison
from mse.disclosure import Rules, protect, protect_together, rules
from mse.disclosure.jointly import Known, system_of
from mse.reporting.building import build_report

if TYPE_CHECKING:
    from collections.abc import Callable

#: Settings of the samplers: short, since what leaves is rounded more coarsely than chance moves it.
SAMPLERS = (
    "LatentClasses(classes=3, draws=100, seed=987654321)",
    "BayesianLogLinear(draws=100, seed=987654321)",
    "ThresholdedLogLinear(draws=100, seed=987654321)",
    "DecomposableGraphs(exact=False, draws=200, seed=987654321)",
)
#: Of tables with covariates.
POOLED = "PooledLogLinear(draws=100, tune=100, chains=2, seed=987654321)"


@dataclass
class Found:
    """What was found: see `disclosure_attacks.Tally` and `disclosure_reports.Found`.

    Attributes
    ----------
    worlds, estimates, published : int
        Tables, estimates with a number, and those that leave.
    insider : Counter
        Small counts that were ``looked`` at, and those of which too little is ``told``.
    stranger, odd : Counter
        Tables in which files give a count away, and what is wrong with figures of reports, by kind.
    seeds : dict of int to list of str
        Worlds in which anything was found, and what.
    """

    worlds: int = 0
    estimates: int = 0
    published: int = 0
    insider: Counter[str] = field(default_factory=Counter)
    stranger: Counter[str] = field(default_factory=Counter)
    odd: Counter[str] = field(default_factory=Counter)
    seeds: dict[int, list[str]] = field(default_factory=dict)


def read(seed: int, given: Comparison, safe: Any, counts: Any, held: Rules, tally: Found) -> None:
    """Let the stranger read the files, and look through the report."""
    kinds = {kind for form in FORMS for kind in stranger([safe], counts, form, held)}
    table: Any = given.table
    lists = table.counted() if isinstance(table, mse.PersonTable) else table
    report = build_report(given, disclosure=held, figures=not isinstance(table, mse.PersonTable))
    found = [*kinds]
    if isinstance(lists, mse.CaptureTable):
        found += searched(report, lists, given, held.base)[-1]
    tally.stranger.update(kinds)
    tally.odd.update(each.split()[0] for each in found)
    tally.worlds += 1
    tally.estimates += sum(each.status in ("ok", "boundary") for each in given.populations)
    tally.published += sum(not math.isnan(each.total) for each in safe.populations)
    if found:
        tally.seeds[seed] = found[:20]


# One register -------------------------------------------------------------------------------------


def seen(random: np.random.Generator) -> dict[int, int]:
    """Draw how many were seen how often: persons who are alike, or differ."""
    size, mean = int(np.exp(random.uniform(np.log(200), np.log(20000)))), random.uniform(0.15, 1.6)
    shape = random.uniform(0.5, 4)
    alike = random.random() < 0.5
    times = (
        random.poisson(mean, size)
        if alike
        else random.negative_binomial(shape, 1 / (1 + mean / shape), size)
    )
    known, persons = np.unique(times[times > 0], return_counts=True)
    return dict(zip(known.tolist(), persons.tolist(), strict=True))


def asked(counts: dict[int, int]) -> dict[str, Any]:
    """All families: the total and the ends of its intervals."""
    return {
        repr(fit.estimator): np.array(
            [fit.population.total, *(end for at in LEVELS for end in fit.population.interval(at))]
        )
        for fit in mse.compare(mse.CountTable.from_frequencies(counts), "all").fits
        if fit.status in ("ok", "boundary")
    }


def register(seed: int, held: Rules, tally: Found) -> None:
    """Publish all families of one register, and solve them for those who were seen often."""
    found = seen(np.random.default_rng(seed))
    if len(found) < 2:
        return
    given = mse.compare(mse.CountTable.from_frequencies(found), "all")
    safe: Any = protect(given, held, levels=LEVELS)
    read(seed, given, safe, {}, held, tally)
    persons = np.array([*found.values()], dtype=np.float64)
    known = _told_by(found, given, safe, held)
    for at, count in enumerate(persons):
        if not held.unsafe(int(count)):
            continue
        weights = np.eye(len(persons))[at]
        least, most = held.protection
        ends = []
        for sign, end in ((1, min(least, count)), (-1, max(most, count))):
            wish = (weights, 0.0, end) if sign > 0 else (weights, end, np.inf)
            ends.append((known + Known.of([wish], len(persons))).table(weights) is not None)
        tally.insider.update(looked=1, told=not all(ends))
        if not all(ends):
            tally.seeds.setdefault(seed, []).append(f"seen {[*found][at]} times: {int(count)}")


def _told_by(found: dict[int, int], given: Comparison, safe: Any, held: Rules) -> Known:
    """Write down what was printed, as sums of cells: each figure by how it moves with one person more."""
    before = asked(found)
    more = [asked({**found, times: n + 1}) for times, n in found.items()]
    persons = np.array([*found.values()], dtype=np.float64)
    half, rows = held.base / 2, []
    observed = safe.populations[0].observed
    if observed == observed:
        rows.append((np.ones(len(persons)), observed - half, observed + half))
    for fit, each in zip(given.fits, safe.populations, strict=True):
        name, step = repr(fit.estimator), each.rounded_to
        if math.isnan(each.total) or any(name not in one for one in more):
            continue
        printed = [(each.total - step / 2, each.total + step / 2)]
        for level in LEVELS if each.interval_kind else ():
            low, high = each.interval(level)
            cut, grid = (
                low <= each.observed,
                held.step_of_ends(*fit.population.interval(level), step),
            )
            printed += [(-np.inf, np.inf) if cut else (low, low + grid), (high - grid, high)]
        for place, ends in enumerate(printed):
            value = before[name][place]
            moves = np.array([one[name][place] for one in more]) - value
            if np.isfinite(value) and np.all(np.isfinite(moves)):
                rows.append((moves, *(float(moves @ persons) + end - value for end in ends)))
    return Known.of(rows, len(persons))


# Persons, and posteriors that take long -----------------------------------------------------------


def person(seed: int, held: Rules, tally: Found) -> None:
    """Publish estimators from persons with covariates."""
    random = np.random.default_rng(seed)
    size, lists = int(random.integers(200, 3000)), int(random.integers(2, 5))
    age, sex = random.normal(40, 10, size), random.choice(["f", "m"], size)
    level = random.uniform(-2.5, -0.5, lists) + 0.04 * (age[:, None] - 40)
    on = random.random((size, lists)) < 1 / (1 + np.exp(-level))
    names = list("abcd"[:lists])
    frame = pd.DataFrame(on.astype(int), columns=names).assign(age=age, sex=sex)
    table = mse.PersonTable.from_frame(frame[on.any(axis=1)], names, ["age", "sex"])
    fits: list[Any] = []
    for each in (
        "HugginsAlho('age')",
        "HugginsAlho('sex')",
        "DoublyRobust('age')",
        "HugginsAlho()",
    ):
        try:
            fits += mse.compare(table, [each]).fits
        except mse.MSEError:
            continue
    given = Comparison(table, tuple(fits))  # type: ignore[arg-type]
    read(seed, given, protect(given, held, levels=LEVELS), {}, held, tally)


def sampled(seed: int, held: Rules, tally: Found) -> None:
    """Publish posteriors beside closed forms, and solve what was printed."""
    random = np.random.default_rng(seed)
    table = world(random, periods=False)
    while not 3 <= table.n_lists <= 4 or math.prod(table.shape) > 64:
        table = world(random, periods=False)
    fits: list[Any] = [*compared(table, bayes=False).fits[:2]]
    for text in (POOLED,) if table.covariates else SAMPLERS:
        try:
            fits += mse.compare(table, [text]).fits
        except mse.MSEError as error:
            tally.odd.update([f"refused: {type(error).__name__}"])
    given = Comparison(table, tuple(fits))
    parts, safe = protect_together([table, given], held, levels=LEVELS)
    read(seed, given, safe, counts_of(parts), held, tally)
    system = system_of(parts.publication, table)
    if system is not None:
        looked, short = told(system)  # type: ignore[arg-type]
        tally.insider.update(looked=looked, told=short)


KINDS: dict[str, Callable[[int, Rules, Found], None]] = {
    "registers": register,
    "persons": person,
    "samplers": sampled,
}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=[*KINDS])
    parser.add_argument("worlds", type=int, nargs="?", default=30)
    parser.add_argument("--rules", default="cbs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first world")
    parser.add_argument("--output", type=Path, default=None, help="file of the results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    held, tally, begin = rules(options.rules), Found(), time.process_time()
    results = Path(__file__).parent / "results" / f"disclosure_{options.kind}.json"
    for seed in range(options.first, options.first + options.worlds):
        KINDS[options.kind](seed, held, tally)
        spent = {"rules": held.name, "seconds": round(time.process_time() - begin, 1)}
        text = json.dumps(spent | vars(tally), indent=1)
        (options.output or results).write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
