"""Two publications of the same persons: what an attacker computes of both, without the private bundle and with it.

Each world is a register of persons on three or four lists, by age, nationality and sex, of which a table is published twice:
``groupings`` of ages (other bounds) or of nationalities (merged, and others put under "other"); ``lists``, without one or two
merged; ``levels``, without one; ``margins`` of other covariates; ``same``, another model and other levels of
intervals; ``later``, with a few more persons. Each publication is protected by itself, counts and an estimate together. The
insider knows how both tables are made of the same persons, and solves all that was printed of both, counts and estimates, for
every small number of persons that either hides, and for every small difference between two printed ones. The stranger reads the
files, as `mse check` does. With the bundle what waits is taken as it was, and what it refuses is not published.

    python -m benchmarks.disclosure_twice 140
    python -m benchmarks.disclosure_twice --unrelated 400
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.optimize import linprog

import mse
from benchmarks.disclosure_attacks import LEVELS, counts_of, exposed, files_of, world
from mse.disclosure import Bundle, Rules, attack, protect_together, rules
from mse.disclosure.attack import suppressed_too_well
from mse.disclosure.between import told_between
from mse.disclosure.differing import differing
from mse.disclosure.jointly import Known, system_of
from mse.disclosure.kept import Kept
from mse.disclosure.printed import Counted
from mse.disclosure.waiting import noted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RESULTS = Path(__file__).parent / "results" / "disclosure_twice.json"
KINDS = ("groupings", "lists", "levels", "margins", "same", "later", "others")
#: Lower bounds of the ages that the register tells apart, and nationalities.
AGES = (0, 12, 18, 23, 40, 65)
NATIONS = ("Dutch", "Polish", "Syrian", "Turkish")
#: Cells of the insider up to which a pair is solved; small numbers that are looked at of a pair.
MOST_CELLS, MOST = 600, 60


@dataclass(frozen=True)
class Made:
    """How a table is made of the register.

    Attributes
    ----------
    lists : dict of str to tuple of str
        Each list, and those of the register that it is made of.
    groups : dict of str to tuple
        Each covariate: a column of the register, and the level of each of its values; None leaves persons out.
    late : bool
        Whether those who were registered late are in it.
    model : str
    levels : tuple of float
        Of the intervals.
    """

    lists: dict[str, tuple[str, ...]]
    groups: dict[str, tuple[str, dict[Any, str | None]]]
    late: bool = True
    model: str = "main"
    levels: tuple[float, ...] = LEVELS

    def frame(self, register: pd.DataFrame) -> pd.DataFrame:
        """Give lists and covariates of those who are in the table, with the places of their rows."""
        found = {name: register[[*parts]].max(axis=1) for name, parts in self.lists.items()}
        inside = pd.DataFrame(found).any(axis=1) & (self.late | (register["late"] == 0))
        for name, (column, levels) in self.groups.items():
            found[name] = register[column].map(levels)
            inside &= found[name].notna()
        named = {name: each for name, each in found.items() if not name.startswith("_")}
        return pd.DataFrame(named)[inside]

    def table(self, register: pd.DataFrame) -> mse.CaptureTable:
        """Make the table."""
        names = [name for name in self.groups if not name.startswith("_")]
        return mse.CaptureTable.from_frame(
            self.frame(register), lists=[*self.lists], covariates=names
        )


@dataclass
class Tally:
    """What was found, by kind of pair.

    Attributes
    ----------
    pairs : Counter
        Pairs of publications.
    looked : Counter
        Small numbers of persons that the insider looked at.
    told, told_pairs : Counter
        Those that are told by both publications together and by neither alone, and pairs with any.
    stranger : Counter
        Pairs of files that `mse check` reads as giving a count away.
    stranger_wrong : Counter
        Those among them of which the insider finds nothing told.
    refused, waited : Counter
        Second publications that the bundle refuses, and those in which strata wait.
    cautious : Counter
        Second publications that are refused though the insider finds nothing told.
    told_with, told_pairs_with : Counter
        The same as ``told`` and ``told_pairs`` with the bundle.
    seeds : dict of int to list of str
        Worlds in which anything is told with the bundle, or refused without need.
    """

    pairs: Counter[str] = field(default_factory=Counter)
    looked: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    told_pairs: Counter[str] = field(default_factory=Counter)
    stranger: Counter[str] = field(default_factory=Counter)
    stranger_wrong: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    waited: Counter[str] = field(default_factory=Counter)
    cautious: Counter[str] = field(default_factory=Counter)
    told_with: Counter[str] = field(default_factory=Counter)
    told_pairs_with: Counter[str] = field(default_factory=Counter)
    seeds: dict[int, list[str]] = field(default_factory=dict)


# Worlds -------------------------------------------------------------------------------------------


def register_of(random: np.random.Generator, few: int) -> pd.DataFrame:
    """Draw persons on lists; of some ages and nationalities, and of those registered late, there are few."""
    persons, lists = int(np.exp(random.uniform(np.log(400), np.log(5000)))), list("abc")
    lists += ["d"] if random.random() < 0.4 else []
    found = pd.DataFrame(
        {name: random.random(persons) < random.uniform(0.15, 0.5) for name in lists}
    ).astype(int)
    shares = random.dirichlet(np.ones(len(AGES)) * 4)
    found["age"] = random.choice(AGES, persons, p=shares)
    found["nation"] = random.choice(NATIONS, persons, p=[0.5, 0.1, 0.25, 0.15])
    found["sex"] = random.choice(["f", "m"], persons, p=[0.55, 0.45])
    found["late"] = 0
    found = found[found[lists].any(axis=1)].reset_index(drop=True)
    # A band of ages and a nationality of few, and few on the last list alone.
    for column, value, other in (("age", 18, 40), ("nation", "Polish", "Dutch")):
        rows = found.index[found[column] == value]
        found.loc[rows[few:], column] = other
    alone = found.index[found[lists[:-1]].sum(axis=1) == 0]
    found = found.drop(alone[few:]).reset_index(drop=True)
    found.loc[random.choice(len(found), few, replace=False), "late"] = 1
    return found


def cut(bounds: Sequence[int]) -> dict[Any, str | None]:
    """Group ages at some bounds."""
    ends = [0, *bounds]
    names = [f"{low}-{high - 1}" for low, high in pairwise(ends)] + [f"{ends[-1]}+"]
    return {age: names[int(np.searchsorted(ends, age, side="right")) - 1] for age in AGES}


def merged(apart: Sequence[str], rest: str = "other") -> dict[Any, str | None]:
    """Keep some nationalities apart, and put the others together."""
    return {each: each if each in apart else rest for each in NATIONS}


def pair_of(kind: str, random: np.random.Generator, lists: Sequence[str]) -> tuple[Made, Made]:
    """Draw two ways to publish a register."""
    every, age = {name: (name,) for name in lists}, ("age", cut([18, 40]))
    sex: tuple[str, dict[Any, str | None]] = ("sex", {"f": "f", "m": "m"})
    some = {"sex": sex} if random.random() < 0.4 else {}
    if kind == "groupings" and random.random() < 0.6:
        bounds = [[18], [23], [18, 40], [23, 40], [12, 18, 65], [12, 23], [40]]
        one, other = random.choice(len(bounds), 2, replace=False)
        makes = [{"age": ("age", cut(bounds[each])), **some} for each in (one, other)]
        return Made(every, makes[0]), Made(every, makes[1])
    if kind == "groupings":
        ways = [merged(["Dutch"]), merged(["Dutch", "Polish"]), merged(["Syrian"]), merged(NATIONS)]
        ways += [{**merged(NATIONS), "Polish": "A", "Dutch": "A", "Syrian": "B", "Turkish": "B"}]
        one, other = random.choice(len(ways), 2, replace=False)
        groups = [{"nation": ("nation", ways[each]), **some} for each in (one, other)]
        return Made(every, groups[0]), Made(every, groups[1])
    if kind == "lists":
        fewer = {name: (name,) for name in lists[:-1]}
        if random.random() < 0.4:
            fewer = {name: (name,) for name in lists[:-2]} | {"joint": tuple(lists[-2:])}
        return Made(every, some), Made(fewer, some)
    if kind == "levels":
        nation = {each: each for each in NATIONS}
        without = {**nation, random.choice(["Polish", "Turkish"]): None}
        name = "nation" if random.random() < 0.5 else "_nation"
        return Made(every, {name: ("nation", nation), **some}), Made(
            every, {name: ("nation", without), **some}
        )
    if kind == "margins":
        ways = [{"sex": sex}, {"age": age}, {"sex": sex, "age": age}, {}]
        one, other = random.choice(len(ways), 2, replace=False)
        return Made(every, ways[one]), Made(every, ways[other])
    if kind == "same":
        return Made(every, some), Made(every, some, model="all two-way", levels=(0.9, 0.95, 0.99))
    if kind == "others":
        three = {name: (name,) for name in lists[:3]}
        return Made(three, {"sex": sex}), Made(three, {"sex": sex})
    return Made(every, some, late=False), Made(every, some)


# Published, and attacked --------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """One publication: its table, what leaves, and all of it as sums of the insider's cells."""

    table: mse.CaptureTable
    counts: Any
    estimate: Any
    known: Known
    hidden: list[tuple[str, np.ndarray]]
    shown: list[tuple[str, np.ndarray]]


def published(table: mse.CaptureTable, made: Made, cells: pd.DataFrame, held: Rules) -> Published:
    """Protect a table with an estimate, and write everything down on the cells of the insider."""
    model = made.model
    if table.covariates and model == "main":
        own = [f"{name}*{each}" for name in table.lists for each in table.covariates]
        model = " + ".join([*own, "*".join(table.covariates)])
    fit = mse.LogLinear(model).fit(table)
    counts, estimate = protect_together([table, fit.population], held, levels=made.levels)
    system = system_of(counts.publication, table)
    assert system is not None
    spread = incidence(table, made, cells)
    known = system.known
    shown = [
        (str(key), system._weights[key] @ spread)
        for at, key in enumerate(counts.publication.keys)
        if key in system._weights
        and counts.publication.shown[at]
        and not counts.publication.suppressed[at]
    ]
    hidden = [(str(key), weights @ spread) for key, weights in system.targets.items()]
    own = Known(known.weights @ spread, known.low, known.high)
    return Published(table, counts, estimate, own, hidden, shown)


def incidence(table: mse.CaptureTable, made: Made, cells: pd.DataFrame) -> np.ndarray:
    """Tell which cell of a table each cell of the insider is a part of: (O, J)."""
    frame = made.frame(cells)
    strata = table.shape[table.n_lists :]
    spread = np.zeros((math.prod(table.shape) - math.prod(strata), len(cells)))
    codes = [frame[name].to_numpy() for name in table.lists]
    there = np.ones(len(frame), dtype=bool)
    for name, levels in table.covariates.items():
        own = frame[name].map({str(each): at for at, each in enumerate(levels)}).fillna(-1)
        there &= own.to_numpy() >= 0
        codes.append(own.to_numpy(dtype=np.int64))
    at = np.ravel_multi_index([code[there].astype(int) for code in codes], table.shape)
    spread[at - math.prod(strata), frame.index.to_numpy()[there]] = 1.0
    return spread


def left(weights: np.ndarray, known: Known) -> tuple[float, float]:
    """Compute the fewest and the most persons of a sum of cells that agree with what is known."""
    ends = []
    for sign in (1.0, -1.0):
        low, high = np.isfinite(known.low), np.isfinite(known.high)
        found = linprog(
            sign * weights,
            A_ub=np.vstack([known.weights[high], -known.weights[low]]),
            b_ub=np.concatenate([known.high[high] + 1e-6, -known.low[low] + 1e-6]),
            method="highs",
        )
        ends.append(sign * found.fun if found.status == 0 else math.inf if sign < 0 else 0.0)
    return math.ceil(ends[0] - 1e-4), math.floor(ends[1] + 1e-4) if ends[1] < math.inf else math.inf


def asked(one: Published, other: Published, counts: np.ndarray, held: Rules) -> Iterator[Any]:
    """Small numbers of persons: those that either hides, and differences between two that are printed."""
    seen = set()
    for name, weights in (*one.hidden, *other.hidden):
        if weights.tobytes() not in seen:
            seen.add(weights.tobytes())
            yield name, weights
    for first, second in ((one, other), (other, one)):
        for name, weights in first.shown:
            for less, part in second.shown:
                gap = weights - part
                small = gap.min() >= 0 and gap.any() and held.unsafe(int(gap @ counts))
                if small and gap.tobytes() not in seen:
                    seen.add(gap.tobytes())
                    yield f"{name} and not {less}", gap


def told(
    one: Published, other: Published, counts: np.ndarray, held: Rules
) -> tuple[int, list[str]]:
    """Count what the insider looks at, and name what both tell and neither does."""
    lower, upper = held.protection
    both, found, looked = one.known + other.known, [], 0
    some = [each for each in asked(one, other, counts, held) if each[1] @ counts > 0]
    for name, weights in some[:: -(-len(some) // MOST) or 1]:
        looked += 1
        if _narrow(weights, both, lower, upper) and not any(
            _narrow(weights, each.known, lower, upper) for each in (one, other)
        ):
            found.append(f"{name}: {int(weights @ counts)}")
    return looked, found


def _narrow(weights: np.ndarray, known: Known, lower: int, upper: int) -> bool:
    return bool(suppressed_too_well(*left(weights, known), upper, max(upper - lower, 1)))


def cells_of(one: Made, other: Made, lists: Sequence[str]) -> pd.DataFrame:
    """List all cells that the two tables can tell apart: histories, values of columns, registered late or not."""
    columns = sorted({column for made in (one, other) for column, _ in made.groups.values()})
    values: dict[str, Sequence[Any]] = dict.fromkeys(lists, (0, 1))
    known: dict[str, Sequence[Any]] = {"age": AGES, "nation": NATIONS, "sex": ("f", "m")}
    values |= {name: known[name] for name in columns}
    values["late"] = (0, 1) if one.late != other.late else (0,)
    rows = [row for row in product(*values.values()) if any(row[: len(lists)])]
    return pd.DataFrame(rows, columns=[*values])


def persons_in(cells: pd.DataFrame, register: pd.DataFrame) -> np.ndarray:
    """Count the persons of the register in each cell."""
    names = [name for name in cells if name != "late" or cells["late"].any()]
    known = register.groupby(names).size()
    return np.array([known.get(row, 0) for row in cells[names].itertuples(index=False, name=None)])


def files(one: Published, other: Published, held: Rules) -> bool:
    """Whether the stranger, who reads both in JSON, finds a count given away."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for at, each in enumerate((one, other)):
            place = Path(folder) / str(at)
            place.mkdir()
            paths += [*files_of([each.estimate], counts_of(each.counts), "json", place)]
        return bool(exposed(attack(paths, held)))


def pair(seed: int, held: Rules, tally: Tally) -> None:
    """Publish a register twice, without the bundle and with it, and attack both."""
    random = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    register = register_of(random, int(random.integers(2, 16)))
    lists = [name for name in "abcd" if name in register]
    one, other = pair_of(kind, random, lists)
    cells = cells_of(one, other, lists)
    second = register
    # Other persons have nothing to do with the first ones.
    second = register_of(random, int(random.integers(2, 16))) if kind == "others" else register
    if len(cells) > MOST_CELLS:
        return
    first = published(one.table(register), one, cells, held)
    again = published(other.table(second), other, cells, held)
    counts = persons_in(cells, register)
    looked, found = (0, []) if kind == "others" else told(first, again, counts, held)
    tally.pairs[kind] += 1
    tally.looked[kind] += looked
    tally.told[kind] += len(found)
    tally.told_pairs[kind] += bool(found)
    read = files(first, again, held)
    tally.stranger[kind] += read
    tally.stranger_wrong[kind] += read and not found
    bundle = Bundle.at(None).with_run(
        first.estimate.to_dict(), held, first.table, None, [first.counts, first.estimate]
    )
    table, waits = bundle.held(again.table, held)
    tally.waited[kind] += bool(waits)
    if waits:
        again = published(table, other, cells, held)
    try:
        bundle.with_run(again.estimate.to_dict(), held, table, None, [again.counts, again.estimate])
    except mse.ModelError as error:
        tally.refused[kind] += 1
        tally.cautious[kind] += not found
        if not found:
            tally.seeds[seed] = [str(error)[:300]]
        return
    if waits:
        # What waits is as it was: those registered late are in neither.
        found = []
    tally.told_with[kind] += len(found)
    tally.told_pairs_with[kind] += bool(found)
    if found:
        tally.seeds[seed] = found[:10]


def unrelated(pairs: int, held: Rules) -> dict[str, int]:
    """Count pairs of random tables of other persons, of the same names, that are taken to tell of each other."""
    found = {"pairs": pairs, "bundle": 0, "files": 0}
    for seed in range(pairs):
        runs = [
            noted(world(np.random.default_rng(2 * seed + at + 1000), periods=seed % 3 == 2))
            for at in (0, 1)
        ]
        found["bundle"] += bool([*told_between(runs[:1], runs[1], held)])
        counted = []
        for file, run in enumerate(runs):
            for each in Kept.of(run, held).shown:
                middle = held.rounded((each.low + each.high) / 2)
                counted.append(Counted(file, tuple(run["lists"]), each.at, middle))
        rows = differing(counted, held)
        found["files"] += any(row.low >= 1 and row.high < held.protection[1] for row in rows)
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=int, nargs="?", default=120)
    parser.add_argument("--rules", default="cbs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first pair")
    parser.add_argument(
        "--unrelated", type=int, default=0, help="so many pairs of other persons instead"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of the results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    held, tally, begin = rules(options.rules), Tally(), time.process_time()
    if options.unrelated:
        print(json.dumps(unrelated(options.unrelated, held)))
        return
    for seed in range(options.first, options.first + options.pairs):
        pair(seed, held, tally)
        spent = {"rules": held.name, "seconds": round(time.process_time() - begin, 1)}
        text = json.dumps(spent | vars(tally), indent=1)
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
