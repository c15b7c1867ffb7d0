"""Random tables under rules of disclosure: what an attack leaves before and after, and what is kept.

Each world is a table of 2 to 6 lists with 0 to 2 covariates; every third has periods and is monitored. Its
estimates, counts and monitor are published twice: as earlier versions did (numbers of persons rounded to the
base, everything else as it is), and through the gate. Two attackers read them. The stranger reads the files, in
a format for each world in turn, as `mse check` does. The insider knows besides how each figure moves with a person more in each
cell, and solves everything that was printed for every suppressed small count. Of one count of a
world tables are looked for that, estimated anew, would be published with the same totals. Deliberate leaks have to be found in every world.

    python -m benchmarks.disclosure_attacks 500 --rules cbs
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import mse
from mse.answer.population import jsonable
from mse.comparing import Comparison, default_estimator
from mse.disclosure import Rules, attack, protect_together, rules
from mse.disclosure.estimates import ProtectedFit
from mse.disclosure.jointly import Known, Raw, System, figures_of, system_of
from mse.leaning import Leaning
from mse.reporting.context import Remembered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse.answer.protocols import Estimator
    from mse.monitoring import Monitor

RESULTS = Path(__file__).parent / "results" / "disclosure_attacks.json"
LEVELS = (0.5, 0.8, 0.95, 0.99)
#: Bayesian estimators that take seconds; those that sample for minutes are left out.
BAYESIAN = ("HeterogeneousLogLinear()", "DecomposableGraphs()")
#: Formats, one a world in turn.
FORMS = ("json", "txt", "csv", "html")
#: The stranger reads what earlier versions published of one world in so many.
SOME = 5
#: Cells up to which tables that are estimated anew have whole persons from the start.
WHOLE = 15
#: Suppressed counts of a world that the insider looks at.
MOST = 6


@dataclass
class Tally:
    """What was found over all worlds.

    Attributes
    ----------
    worlds, monitors, estimates, published : int
        Tables, those with a monitor, estimates with a number, and those of them that leave.
    stranger_before, stranger_after : Counter
        Worlds in which files give a count away, by the kind of attack.
    insider : Counter
        Suppressed small counts that were looked at, and those of which less than the protection limits is
        left: by everything printed ``before``, and ``after``.
    anew : Counter
        Published totals of tables that the insider is left with: ``same`` as printed, or ``other``.
    controls, controls_found : int
        Deliberate leaks, and those that were found.
    safe, safe_near : int
        Totals that lean on more than twice the threshold, and those published within 2 %.
    intervals, shorter, widened : int, int, float
        Published intervals, those shorter than they were at some level, and the sum of the ratios of widths.
    cells, cells_shown : int
        Counts of lists and pairs, and those that are shown.
    figures, figures_shown : int
        Figures of periods and groups, and those that are shown.
    leaks : list of int
        Seeds of worlds in which something was given away after the gate.
    """

    worlds: int = 0
    monitors: int = 0
    estimates: int = 0
    published: int = 0
    stranger_before: Counter[str] = field(default_factory=Counter)
    stranger_after: Counter[str] = field(default_factory=Counter)
    insider: Counter[str] = field(default_factory=Counter)
    anew: Counter[str] = field(default_factory=Counter)
    controls: int = 0
    controls_found: int = 0
    safe: int = 0
    safe_near: int = 0
    intervals: int = 0
    shorter: int = 0
    widened: float = 0.0
    cells: int = 0
    cells_shown: int = 0
    figures: int = 0
    figures_shown: int = 0
    leaks: list[int] = field(default_factory=list)


def world(random: np.random.Generator, *, periods: bool) -> mse.CaptureTable:
    """Draw a table: persons of a few kinds, some lists that avoid or seek each other's persons."""
    lists = int(random.integers(2, 5 if periods else 7))
    shape: tuple[int, ...] = ()
    if periods:
        shape = (int(random.integers(3, 7)), *([2] * int(random.integers(0, 2))))
    elif lists <= 4:
        shape = tuple(int(random.integers(2, 4)) for _ in range(int(random.integers(0, 3))))
    persons = int(np.exp(random.uniform(np.log(150), np.log(8000))))
    chances = random.uniform(0.03, 0.5, (max(math.prod(shape), 1), lists))
    strata = random.integers(0, len(chances), persons)
    on = random.random((persons, lists)) < chances[strata]
    if lists > 2:
        on[:, 1] |= on[:, 0] & (random.random(persons) < random.uniform(0, 0.3))
    names = list("abcdef"[:lists])
    frame = pd.DataFrame(on.astype(int), columns=names)
    levels = np.unravel_index(strata, shape) if shape else ()
    axes = ["year", "sex"] if periods else ["x0", "x1"]
    for name, codes in zip(axes, levels, strict=False):
        frame[name] = codes + 2014 if name == "year" else [f"v{code}" for code in codes]
    frame = frame[frame[names].any(axis=1)]
    return mse.CaptureTable.from_frame(frame, lists=names, covariates=axes[: len(shape)])


def chosen(table: mse.CaptureTable, *, bayes: bool) -> list[Estimator | str]:
    """Choose estimators: independence, all pairs, searches, a closed form, and the classical ones."""
    steps = "stepwise" if table.n_lists > 4 or table.covariates else None
    models = ["main"] if table.n_lists == 2 else ["main", "all two-way"]
    found: list[Any] = [default_estimator(table, model=model) for model in models]
    found += ["Chapman()", "LincolnPetersen()"] if table.n_lists == 2 else []
    if table.n_lists > 2:
        block = "".join(str(at + 1) for at in range(table.n_lists - 1))
        found += [mse.LogLinear(f"[{block},{table.n_lists}]")] if not table.covariates else []
        found += [
            default_estimator(table, criterion=criterion, strategy=steps)  # type: ignore[arg-type]
            for criterion in ("bic", "aic")
        ]
        found += ["SampleCoverage()"] if not table.covariates and table.n_lists < 5 else []
    return [*found, *(BAYESIAN if bayes else ())]


def compared(table: mse.CaptureTable, *, bayes: bool) -> Comparison:
    """Fit all estimators that suit; intervals are computed once, since they are asked for many times."""
    fits: list[Any] = []
    for each in chosen(table, bayes=bayes):
        try:
            fits += mse.compare(table, [each]).fits
        except mse.MSEError:
            continue
    kept = []
    for fit in fits:
        method = fit.population.uncertainty
        known = replace(fit.population, uncertainty=None if method is None else Remembered(method))
        kept.append(ProtectedFit(fit.estimator, known, table))  # type: ignore[arg-type]
    return Comparison(table, tuple(kept))


def monitored(table: mse.CaptureTable) -> Monitor | None:
    """Monitor the years: every list has its own share in each, and nothing else is related."""
    if "year" not in table.covariates:
        return None
    others = [name for name in table.covariates if name != "year"]
    model = " + ".join([*(f"{name}*year" for name in table.lists), *(f"year*{x}" for x in others)])
    return mse.monitor(
        table, groups=others, estimator=mse.LogLinear(model), replicates=100, seed=1, n_jobs=1
    )


# Before: what earlier versions published ----------------------------------------------------------


def before(estimate: mse.PopulationEstimate, held: Rules) -> dict[str, Any]:
    """Publish as earlier versions did: rounded to the base, exact otherwise."""
    data = estimate.to_dict()
    for row in [data, *(data["interval"] or {"levels": ()})["levels"]]:
        for name in ("observed", "total", "low", "high", "hidden"):
            if isinstance(row.get(name), int | float):
                row[name] = held.rounded(row[name])
    data["strata"] = None
    data["provenance"] = {}
    return {**data, "disclosure": {"base": held.base}}


def figures_before(estimate: mse.PopulationEstimate, system: System, step: float) -> Known:
    """Figures of an estimate that is rounded to a base and no further, as the insider reads them."""
    moves = Leaning(estimate, system.table).moves()
    members = system.stratum(())
    if moves is None or members is None or not np.all(np.isfinite(moves)):
        return Known.of((), len(system.counts))
    names = () if estimate.strata is None else estimate.strata.names
    ends = tuple(estimate.alike.interval(level) for level in LEVELS)
    raw = Raw(estimate.total, ends)
    return figures_of(system.spread(moves, names), members, system.counts, raw, step)


# Attacks ------------------------------------------------------------------------------------------


def counts_of(safe: Any) -> dict[str, Any]:
    """Counts of lists and pairs as they leave; overlaps without a place are not there."""
    lists = list(safe.list_totals.index)
    known = {name: _plain(safe.list_totals[name]) for name in lists}
    placed = set(safe.publication.labels)
    for at, name in enumerate(lists):
        for other in lists[:at]:
            value = _plain(safe.overlaps.loc[name, other])
            if value is not None or f"on both {other} and {name}" in placed:
                known[f"{other} & {name}"] = value
    return known


def _plain(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def files_of(things: Sequence[Any], counts: dict[str, Any], form: str, at: Path) -> Iterator[Path]:
    """Write everything in one of the formats."""
    for number, thing in enumerate(things):
        path = at / f"{number}.{form}"
        if form == "json":
            text = json.dumps(jsonable(thing.to_dict() | {"counts": counts}))
        elif form == "csv":
            text = thing.to_frame().reset_index().to_csv(index=False)
        else:
            text = thing.summary() if form == "txt" else thing._repr_html_()
        path.write_text(text, encoding="utf-8")
        yield path


def exposed(found: pd.DataFrame) -> list[str]:
    """Kinds of attack by which a count is given away."""
    return list(found[found["exposed"].astype(bool)]["what"].unique()) if len(found) else []


def stranger(things: Sequence[Any], counts: dict[str, Any], form: str, held: Rules) -> list[str]:
    """Read the files of one format together."""
    with tempfile.TemporaryDirectory() as folder:
        return exposed(attack([*files_of(things, counts, form, Path(folder))], held))


def told(system: System) -> tuple[int, int]:
    """Count the small counts that were looked at, and those of which too little is left."""
    # Some of the whole table and some of its strata.
    keys = [*system.targets][:: -(-len(system.targets) // MOST) or 1]
    left = [(system.left(key), system.limits(key)) for key in keys]
    return len(keys), sum(a[0] > b[0] + 0.01 or a[1] < b[1] - 0.01 for a, b in left)


def anew(
    system: System, comparison: Comparison, shown: Any, random: np.random.Generator
) -> Iterator[str]:
    """Look for tables with few and with many persons in a small count that would be published just so.

    Each table of the insider is estimated anew; what the totals differ from what was printed corrects the next one.
    """
    table, keys = system.table, [*system.targets]
    if table.covariates or table.n_lists > 5 or not keys:
        return
    fits = []
    for fit, safe in zip(comparison.fits, shown.populations, strict=True):
        model, moves = fit.population.model, Leaning(fit.population, table).moves()
        if model and moves is not None and not math.isnan(safe.total):
            fits.append((mse.LogLinear(model), fit.population, safe, moves))
    key = keys[int(random.integers(len(keys)))]
    weights, (lower, upper) = system.targets[key], system.limits(key)
    counts = Known.of(system.printed(), len(system.counts))
    for ends in ((0.0, lower), (upper, math.inf)):
        yield (
            "same"
            if _same(system, fits, counts, Known.of([(weights, *ends)], len(weights)))
            else "other"
        )


def _same(system: System, fits: Sequence[Any], counts: Known, wanted: Known) -> bool:
    """Whether some table within printed counts and a wish has all totals as they were printed."""
    known, size = counts + wanted, len(system.counts)
    off = np.zeros(len(fits))
    for _ in range(6):
        rows = []
        for error, (_, raw, safe, moves) in zip(off, fits, strict=True):
            members = 1.0 + raw.hidden * moves
            middle, half = (
                members @ system.counts + safe.total - raw.total - error,
                safe.rounded_to / 2,
            )
            rows.append((members, middle - 0.8 * half, middle + 0.8 * half))
        cells = (known + Known.of(rows, size)).table(wanted.weights[0], system.counts, WHOLE)
        if cells is None:
            return False
        cells = np.round(cells)
        if not known.agrees(cells):
            continue
        text = {f"{at + 1:0{system.table.n_lists}b}": int(n) for at, n in enumerate(cells) if n > 0}
        other = mse.CaptureTable.from_counts(text, lists=list(system.table.lists))
        again = np.array([model.fit(other).population.total for model, *_ in fits])
        told = np.array([safe.total for _, _, safe, _ in fits])
        if np.all(
            np.abs(again - told) <= np.array([each[2].rounded_to for each in fits]) / 2 + 1e-6
        ):
            return True
        lines = [
            raw.total + (1.0 + raw.hidden * moves) @ (cells - system.counts)
            for _, raw, _, moves in fits
        ]
        off = again - np.array(lines)
    return False


def one(seed: int, held: Rules, tally: Tally, *, bayes: bool) -> None:
    """Publish one table both ways, attack, and count what is kept."""
    random = np.random.default_rng(seed)
    table = world(random, periods=seed % 3 == 2)
    comparison, monitor = compared(table, bayes=bayes), monitored(table)
    given = [comparison, *([] if monitor is None else [monitor])]
    safe, shown, *more = protect_together([table, *given], held, levels=LEVELS)
    counts = counts_of(safe)
    tally.worlds += 1
    tally.monitors += monitor is not None
    tally.cells += len(counts)
    tally.cells_shown += sum(n is not None for n in counts.values())
    form = FORMS[seed % len(FORMS)]
    kinds = {*stranger([shown, *more], counts, form, held), *exposed(attack(safe))}
    tally.stranger_after.update([*kinds, *(["any"] if kinds else [])])
    raw = [each for each in comparison.populations if each.status in ("ok", "boundary")]
    if seed % SOME == 0:
        found = attack([{**before(each, held), "counts": counts} for each in raw], held)
        kinds = {*exposed(found)}
        tally.stranger_before.update(["worlds", *kinds, *(["any"] if kinds else [])])
    system = system_of(safe.publication, table)
    if system is not None:
        looked, short = told(system)
        tally.insider.update(looked=looked, after=short, worlds_after=short > 0)
        tally.anew.update(anew(system, comparison, shown, random))
        unguarded = System(safe.publication, table)
        for each in raw:
            unguarded.note(figures_before(each, unguarded, float(held.base)))
        _, short = told(unguarded)
        tally.insider.update(before=short, worlds_before=short > 0)
    control(system, held, random, tally)
    kept(comparison, shown, table, held, tally)
    for each in more:
        rows = each.to_frame()
        tally.figures += len(rows)
        tally.figures_shown += int(rows["total"].notna().sum())


def control(system: System | None, held: Rules, random: np.random.Generator, tally: Tally) -> None:
    """Leak a small count by a figure that moves with it alone; now and then an overlap, by a closed form."""
    if tally.worlds % SOME == 0:
        closed_form(held, random, tally)
    if system is not None and system.targets:
        key, weights = next(iter(system.targets.items()))
        lower, upper = system.limits(key)
        count = float(weights @ system.counts)
        if upper - lower > 1:
            tally.controls += 1
            system.note(
                Known.of([(2.5 * weights, 2.5 * count - 0.5, 2.5 * count + 0.5)], len(weights))
            )
            tally.controls_found += told(system)[1] > 0


def closed_form(held: Rules, random: np.random.Generator, tally: Tally) -> None:
    """Leak an overlap of a few by a closed form."""
    overlap = int(random.integers(1, max(held.threshold - 1, 2)))
    cells = {"100": 900, "010": 760, "110": 310, "001": 640, "101": overlap}
    table = mse.CaptureTable.from_counts(cells, lists=list("abc"))
    leak = mse.LogLinear("[12,3]").fit(table).population.to_dict()
    tally.controls += 1
    tally.controls_found += bool(exposed(attack([leak], held)))


def kept(
    comparison: Comparison, shown: Any, table: mse.CaptureTable, held: Rules, tally: Tally
) -> None:
    """Count what is kept of estimates and intervals."""
    for estimate, protected in zip(comparison.populations, shown.populations, strict=True):
        if estimate.status not in ("ok", "boundary"):
            continue
        tally.estimates += 1
        there = not math.isnan(protected.total)
        tally.published += there
        if Leaning(estimate, table).persons() > 2 * held.threshold:
            tally.safe += 1
            tally.safe_near += there and abs(protected.total / estimate.total - 1) <= 0.02
        if there and protected.interval_kind:
            tally.intervals += 1
            given, left = estimate.interval(0.95), protected.interval(0.95)
            tally.widened += (left[1] - left[0]) / max(given[1] - given[0], 1.0)
            tally.shorter += any(
                protected.interval(level)[0] > max(estimate.interval(level)[0], protected.observed)
                or protected.interval(level)[1] < estimate.interval(level)[1]
                for level in LEVELS
            )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", type=int, nargs="?", default=500)
    parser.add_argument("--rules", default="cbs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first world")
    parser.add_argument("--bayes", type=int, default=0, help="worlds with Bayesian estimators too")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of the results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    held, tally, begin = rules(options.rules), Tally(), time.process_time()
    for seed in range(options.first, options.first + options.worlds):
        was = (tally.insider["after"], tally.stranger_after["any"])
        one(seed, held, tally, bayes=seed < options.first + options.bayes)
        if (tally.insider["after"], tally.stranger_after["any"]) != was:
            tally.leaks.append(seed)
        spent = {"rules": held.name, "seconds": round(time.process_time() - begin, 1)}
        text = json.dumps(spent | vars(tally), indent=1)
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
