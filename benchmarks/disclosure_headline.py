"""The answer of `mse.estimate` under rules of disclosure: what is kept of it, and what it tells.

Each world is a table of `disclosure_attacks` without periods. Its counts and its answer, the total, the intervals that
allow for people who differ and those that take them for alike, leave in one publication. Counted are totals within 2 % of
what they were, of those that lean on more than twice the threshold; intervals shorter than they were; strata. The
stranger reads the files as `mse check` does; the insider solves everything that was printed for every small count; and of
tables of one stratum others are looked for, with as few persons in a small count as the limits ask and with as many,
that are estimated anew and would be printed with the same total and the same ends of the intervals of the posterior.

    python -m benchmarks.disclosure_headline 200 --rules cbs
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

import mse
from benchmarks.disclosure_attacks import (
    FORMS,
    LEVELS,
    MOST,
    counts_of,
    stranger,
    told,
    world,
)
from mse.disclosure import Rules, protect_together, rules
from mse.disclosure.jointly import Known, System, system_of
from mse.leaning import Leaning
from mse.registry import estimator_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import FloatArray

RESULTS = Path(__file__).parent / "results" / "disclosure_headline.json"
#: Lists of tables that are estimated anew; tables on the way before it is given up.
MOST_LISTS, STEPS = 4, 12
#: Seeds of which one could be the secret one.
SEEDS = 8


@dataclass
class Tally:
    """What was found.

    Attributes
    ----------
    worlds : int
        Tables with a total.
    kept : Counter
        Totals by what they lean on: ``large``, on more than twice the threshold, ``few`` and ``small``; of each those
        ``published`` and ``near``, within 2 %; ``rows`` of strata.
    shorter : int
        Intervals shorter than they were.
    stranger, insider : Counter
        Kinds of findings in files; small counts ``looked`` at, and those of which too little is ``told``.
    anew : Counter
        Whether a table was found that would be published just so.
    leaks : dict of int to list of str
        Worlds in which anything was found, and what.
    """

    worlds: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    shorter: int = 0
    stranger: Counter[str] = field(default_factory=Counter)
    insider: Counter[str] = field(default_factory=Counter)
    anew: Counter[str] = field(default_factory=Counter)
    leaks: dict[int, list[str]] = field(default_factory=dict)


def one(seed: int, held: Rules, tally: Tally) -> None:
    """Publish one table and its answer, count what is kept, and attack."""
    random = np.random.default_rng(seed)
    table = world(random, periods=False)
    try:
        given = mse.estimate(table, seed=int(random.integers(2**31)), replicates=200)
    except mse.MSEError:
        return
    if not math.isfinite(given.total):
        return
    safe, shown = protect_together([table, given], held, levels=LEVELS)
    tally.worlds += 1
    keep(given, shown, table, held, tally)
    form = FORMS[seed % len(FORMS)]
    kinds = stranger([shown], counts_of(safe), form, held)
    tally.stranger.update(kinds)
    system = system_of(safe.publication, table)
    if system is not None:
        looked, short = told(system)
        tally.insider.update(looked=looked, told=short)
        kinds += ["insider"] * bool(short)
        if shown.status != "suppressed" and not table.covariates and table.n_lists <= MOST_LISTS:
            tally.anew.update(anew(system, given, shown))
    if kinds:
        tally.leaks[seed] = kinds


def keep(given: Any, shown: Any, table: mse.CaptureTable, held: Rules, tally: Tally) -> None:
    """Count what is kept of the answer and of its strata."""
    persons = Leaning(given.alike, table).persons()
    kind = "few" if persons < held.threshold else "small"
    kind = "large" if persons > 2 * held.threshold else kind
    tally.kept[kind] += 1
    if shown.status != "suppressed":
        near = abs(shown.total / given.total - 1) <= 0.02
        tally.kept.update([f"{kind} published", *([f"{kind} near"] if near else [])])
        tally.shorter += sum(_shorter(given, shown, level) for level in LEVELS)
    for names in [(each,) for each in table.covariates] if given.strata is not None else []:
        rows, left = given.margin(*names), shown.margin(*names)
        out = left["total"].notna()
        tally.kept.update({"rows": len(rows), "rows published": int(out.sum())})
        low = left["low"].to_numpy() > np.maximum(rows["low"], left["observed"].astype(float))
        tally.shorter += int((out & (low | (left["high"] < rows["high"]))).sum())


def _shorter(given: Any, shown: Any, level: float) -> bool:
    """Whether either interval that is shown leaves out a part of what it was."""
    found = []
    for kind in (None, "alike"):
        (low, high), (first, last) = given.interval(level, kind), shown.interval(level, kind)
        found.append(first > max(low, shown.observed) or last < high)
    return any(found)


# Tables that would be published just so ------------------------------------------------------------


def anew(system: System, given: Any, shown: Any) -> Iterator[str]:
    """Look for tables with few and with many persons in each small count that would be published just so."""
    if given.allowing is None:
        return
    figures = Figures(system, given, shown)
    counts = Known.of(system.printed(), len(system.counts))
    for key in [*system.targets][:: -(-len(system.targets) // MOST) or 1]:
        weights, (lower, upper) = system.targets[key], system.limits(key)
        for ends in ((0.0, lower), (upper, math.inf)):
            wanted = counts + Known.of([(weights, *ends)], len(weights))
            yield "same" if _same(system.counts, figures, wanted) else "other"


class Figures:
    """What is printed of an answer and can be computed anew: two totals, and the ends of the wider intervals."""

    def __init__(self, system: System, given: Any, shown: Any) -> None:
        self.lists, self.model = list(system.table.lists), given.model
        own = estimator_of(str(given.allowing.provenance["estimator"]))
        # The draws have a secret seed: of what chance adds the insider knows how much it may be.
        self.wide = [replace(own, seed=at) for at in range(SEEDS)]  # type: ignore[type-var]
        low, high = [], []
        for safe in (shown.alike, shown.allowing):
            step = safe.rounded_to
            low.append(safe.total - step / 2)
            high.append(safe.total + step / 2)
        for level in LEVELS:
            ends = given.allowing.interval(level)
            step = shown.rules.step_of_ends(*ends, shown.allowing.rounded_to)
            for half, end in enumerate(shown.allowing.interval(level)):
                cut = not half and end <= shown.observed
                low.append(-math.inf if cut else end - step * half)
                high.append(end + step * (1 - half))
        self.low, self.high = np.array(low), np.array(high)

    def at(self, counts: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Compute the least and the most of the figures of other counts, (F,), and how persons move them, (F, O)."""
        text = {f"{at + 1:0{len(self.lists)}b}": int(n) for at, n in enumerate(counts) if n > 0}
        table = mse.CaptureTable.from_counts(text, lists=self.lists)
        n, drawn = float(table.n_observed), []
        narrow = mse.LogLinear(self.model).fit(table).population
        for each in self.wide:
            wide = each.fit(table).population
            ends = [end for level in LEVELS for end in wide.interval(level)]
            drawn.append([narrow.total, wide.total, *ends])
        moves = [Leaning(each, table).moves() for each in (narrow, wide)]
        values = np.array(drawn)
        if any(each is None for each in moves) or not np.isfinite(values).all():
            raise mse.ModelError("There is no such estimate.")
        middle = values.mean(axis=0)
        own = [moves[0], *[moves[1]] * (values.shape[1] - 1)]
        rows = [1.0 + (value - n) * each for value, each in zip(middle, own, strict=True)]
        return values.min(axis=0), values.max(axis=0), np.array(rows)


def _same(start: FloatArray, figures: Figures, known: Known) -> bool:
    """Whether some table within printed counts and a wish has all figures as they were printed.

    From table to table each step takes the figures for linear about the last one, and stays as near to it as it can.
    """
    counts, best = start, math.inf
    for _ in range(STEPS):
        try:
            least, most, rows = figures.at(counts)
        except mse.MSEError:
            return False
        beyond = np.maximum(figures.low - most, least - figures.high)
        if known.agrees(counts) and beyond.max() <= 1e-6:
            return True
        found = _nearest(counts, known, (rows, figures.low - most, figures.high - least))
        if found is None or (np.array_equal(found, counts) and beyond.max() >= best):
            return False
        counts, best = found, float(beyond.max())
    return False


def _nearest(
    counts: FloatArray, known: Known, lines: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray | None:
    """Find whole numbers of persons that agree with what is known, near others, and break as few lines as can be."""
    rows, low, high = lines
    size, more = len(counts), len(rows)
    nothing, one = np.zeros((len(known.low), size + more)), np.eye(size)
    apart, off = np.zeros((size, more)), np.eye(more)
    base, scale = rows @ counts, np.maximum(high - low, 1.0)
    scale = np.where(np.isfinite(scale), scale, 1.0)
    # Persons, how far each count is from where it was, and how far each figure is beyond what was printed.
    above, below = np.full(size, np.inf), np.full(more, np.inf)
    constraints = LinearConstraint(
        np.block(
            [
                [known.weights, nothing],
                [one, -one, apart],
                [one, one, apart],
                [rows, np.zeros((more, size)), -off * scale[:, None]],
                [rows, np.zeros((more, size)), off * scale[:, None]],
            ]
        ),
        np.concatenate([known.low, -above, counts, -below, base + low + 0.05 * scale]),
        np.concatenate([known.high, counts, above, base + high - 0.05 * scale, below]),
    )
    cost = np.concatenate([np.zeros(size), 1.0 / np.sqrt(counts + 1.0), np.full(more, 1_000.0)])
    whole = (np.arange(len(cost)) < size).astype(np.int64)
    options = {"node_limit": 20_000, "mip_rel_gap": 0.2}
    found = milp(
        cost,
        constraints=constraints,
        bounds=Bounds(0.0, np.inf),
        integrality=whole,
        options=options,
    )
    return None if found.x is None else np.round(found.x[:size])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", type=int, nargs="?", default=200)
    parser.add_argument("--rules", default="cbs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first world")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of the results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    held, tally, begin = rules(options.rules), Tally(), time.process_time()
    for seed in range(options.first, options.first + options.worlds):
        one(seed, held, tally)
        spent = {"rules": held.name, "seconds": round(time.process_time() - begin, 1)}
        text = json.dumps(spent | vars(tally), indent=1)
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
