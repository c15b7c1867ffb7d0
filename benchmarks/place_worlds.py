"""How often `mse.monitor(..., place=...)` holds the truth of places, and names those with most.

    nice python -m benchmarks.place_worlds draw          appends worlds to benchmarks/results/place_worlds.jsonl
    python -m benchmarks.place_worlds draw 10 --first 5  ten of each kind, from the fifth on
    python -m benchmarks.place_worlds draw 5 --calibrate the kinds that settings were chosen on
    python -m benchmarks.place_worlds table              what came of them, and the table of docs/place_worlds.md
    python -m benchmarks.place_worlds beyond             where models of pairs come out too high
    python -m benchmarks.place_worlds large              300 places over 5 years: seconds and effective draws

Sixty places, three years, four lists, a median of twelve persons in a place and year. Two kinds of worlds served
to choose settings; the four others judge, ten worlds each:

* capture: places differ more in how lists work, and in how visible their persons are, than the prior expects
* dependence: lists depend on each other, and by how much differs between places
* skewed: sizes have the tails of a t distribution of 3 degrees of freedom; a third of the persons has three times
  the odds of being on any list
* changing: sizes and lists change by place and year

Beyond these, "coupled": in some places all lists hang together more than in others, by as much for every pair. There
log-linear models of pairs come out too high, whatever they pool.

Compared with the registered persons over the national share registered, by year, of the log-linear model that a
stepwise search by BIC finds; and with Chapman's estimator of the largest list against all others, in each place
and year with overlap, that share elsewhere.
"""

from __future__ import annotations

import argparse
import json
import re
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import mse

RESULTS = Path(__file__).parent / "results" / "place_worlds.jsonl"
PAGE = Path(__file__).parents[1] / "docs" / "place_worlds.md"
LISTS = {"police": 0.3, "care": 0.15, "inspectorate": 0.1, "other": 0.1}
USUAL = {"police:care": 1.8, "care:other": 0.7}
KINDS: dict[str, dict[str, Any]] = {
    "usual": {"dependence": USUAL},
    "visible": {"dependence": USUAL, "tail": 5.0, "visible": 2.0},
    "capture": {"dependence": USUAL, "variation": 0.7, "together": 0.5},
    "dependence": {
        "dependence": {"police:care": 3.0, "police:inspectorate": 2.0, "care:other": 0.5},
        "dependence_variation": 0.4,
    },
    "skewed": {"dependence": USUAL, "tail": 3.0, "spread": 1.1, "visible": 3.0},
    "changing": {"dependence": USUAL, "yearly": 0.25, "local": 0.4},
    "coupled": {"dependence": USUAL, "coupling": 0.4},
}
#: Where log-linear models of pairs are wrong, pooled or not: shown, and no judge.
BEYOND = ("coupled",)
CALIBRATED = ("usual", "visible")
#: The usual answer with 2 chains of 400 draws instead of 4 of 1,500.
SETTINGS = mse.PooledLogLinear(time="year", draws=400, tune=300, chains=2)
#: Registered persons of a place in a year.
CLASSES = {"0": (0, 0), "1 to 3": (1, 3), "4 to 20": (4, 20), "over 20": (21, 10**9)}
TOP = 10


def draw(kind: str, number: int, **changes: Any) -> tuple[mse.CaptureTable, np.ndarray]:
    """Draw a table and the persons of each place and year, (places, years); all places are in the table."""
    design = {**KINDS[kind], **changes, "seed": 1000 * (1 + list(KINDS).index(kind)) + number}
    cells = mse.simulate.places(LISTS, **design).cells
    people = np.random.default_rng([7, design["seed"]]).poisson(cells.expected).astype(np.int64)
    shape = tuple(len(levels) for levels in cells.covariates.values())
    truth = people.sum(axis=0).reshape(shape)
    people[0] = 0
    counts = people.reshape(*(2,) * len(LISTS), *shape)
    return mse.CaptureTable.from_array(counts, tuple(LISTS), cells.covariates), truth


def national_share(table: mse.CaptureTable) -> np.ndarray:
    """Share registered by year, (years,), of the model that a search over lists and years finds."""
    search = mse.LogLinearSearch(criterion="bic", strategy="stepwise")
    found = search.fit(table.collapse("place")).population
    return np.asarray(found.strata.observed / (found.strata.observed + found.strata.hidden))


def chapman(table: mse.CaptureTable, fallback: np.ndarray) -> np.ndarray:
    """Chapman's estimate of the largest list against all others by place and year; the fallback elsewhere."""
    counts = np.moveaxis(table.counts, list(table.lists).index("police"), 0)
    by = counts.reshape(2, -1, *fallback.shape)
    alone, both, others = by[1, 0], by[1, 1:].sum(axis=0), by[0].sum(axis=0)
    found = (alone + both + 1) * (both + others + 1) / (both + 1) - 1
    return np.where(both > 0, found, fallback)


def first_ones(persons: np.ndarray) -> set[int]:
    """Places with most persons; those that are equal to the last of them are among them."""
    least = np.sort(persons)[::-1][min(TOP, persons.size) - 1]
    return set(np.flatnonzero((persons >= least) & (persons > 0)).tolist())


def effective(draws: np.ndarray) -> float:
    """Lowest effective number of draws of figures (chains, M, F)."""
    from arviz_stats.base import array_stats

    return min(float(array_stats.ess(draws[:, :, i])) for i in range(draws.shape[2]))


def world(kind: str, number: int) -> dict[str, Any]:
    """Draw a world, ask for its places, and keep what was said beside the truth."""
    table, truth = draw(kind, number)
    start = time.process_time()
    found = mse.monitor(table, place="place", estimator=SETTINGS)
    spent = time.process_time() - start
    frame = found.places.to_frame()
    each = frame[frame["year"].notna()]
    order = lambda name: each[name].to_numpy(float).reshape(truth.shape[::-1]).T  # noqa: E731
    whole = frame[frame["year"].isna()]
    seen = order("registered")
    shared = seen / national_share(table)[None]
    medians = np.median(found.joint.totals, axis=0).reshape(truth.shape)
    estimates = {
        "places": order("total"),
        "medians": medians,
        "national share": shared,
        "Chapman": chapman(table, shared),
    }
    levels = list(found.places.levels)
    spans = {str(year): truth[:, i] for i, year in enumerate(table.covariates["year"])} | {
        "all": truth.sum(axis=1)
    }
    tops = {}
    for (name, true), period in zip(spans.items(), [*table.covariates["year"], None], strict=True):
        named = {levels.index(place) for place in found.places.candidates(period)}
        tops[name] = {
            "held": first_ones(true) <= named,
            "candidates": len(named),
            "first": len(first_ones(true)),
        }
    errors = {
        name: float(np.median(np.abs(np.log1p(value) - np.log1p(truth))))
        for name, value in estimates.items()
    }
    whole_errors = {
        name: float(np.median(np.abs(np.log1p(v.sum(1)) - np.log1p(truth.sum(1)))))
        for name, v in estimates.items()
    }
    low, high = order("low"), order("high")
    national = found.periods
    return {
        "kind": kind,
        "number": number,
        "seen": seen.astype(int).ravel().tolist(),
        "truth": truth.ravel().tolist(),
        "low": low.ravel().tolist(),
        "high": high.ravel().tolist(),
        "whole": {name: whole[name].tolist() for name in ("registered", "low", "high", "total")},
        "national": [
            bool(a <= t <= b)
            for a, b, t in zip(national["low"], national["high"], truth.sum(0), strict=True)
        ],
        "tops": tops,
        "errors": errors,
        "whole_errors": whole_errors,
        "adds_up": float(abs(order("total").sum() - national["total"].sum())),
        "r_hat_warned": any("R-hat" in str(w) for w in found.warnings),
        "processor_seconds": round(spent, 1),
    }


def held(found: list[dict[str, Any]]) -> dict[str, list[bool]]:
    """Whether intervals hold the truth, by persons registered in a place and year, and in a place."""
    by: dict[str, list[bool]] = {}
    for each in found:
        years = len(each["truth"]) // len(each["whole"]["low"])
        whole_truth = np.reshape(each["truth"], (-1, years)).sum(axis=1).tolist()
        parts = [
            ("place and year", each["seen"], each["truth"], each["low"], each["high"]),
            (
                "place",
                each["whole"]["registered"],
                whole_truth,
                each["whole"]["low"],
                each["whole"]["high"],
            ),
        ]
        for what, seen, truth, low, high in parts:
            for n, true, a, b in zip(seen, truth, low, high, strict=True):
                name = next(k for k, (least, most) in CLASSES.items() if least <= n <= most)
                by.setdefault(f"{what}: {name}", []).append(bool(a <= true <= b))
    return by


def rows(worlds: list[dict[str, Any]]) -> list[str]:
    """Lay the results out as a table, a column for each kind of world."""
    kinds = [kind for kind in KINDS if any(w["kind"] == kind for w in worlds)]
    of = {kind: [w for w in worlds if w["kind"] == kind] for kind in kinds}
    of["the four that judge"] = [w for w in worlds if w["kind"] not in (*CALIBRATED, *BEYOND)]
    lines = [f"| | {' | '.join(of)} |", "|---" * (len(of) + 1) + "|"]

    def line(name: str, figures: list[str]) -> None:
        lines.append(f"| {name} | {' | '.join(figures)} |")

    line("worlds", [str(len(each)) for each in of.values()])
    shares = {name: held(each) for name, each in of.items()}
    for what in ("place and year", "place"):
        for name in CLASSES:
            found = [each.get(f"{what}: {name}", []) for each in shares.values()]
            line(
                f"{what}, {name} registered",
                [f"{np.mean(x):.1%} of {len(x):,}" if x else "-" for x in found],
            )
    national = [np.mean([w["national"] for w in each]) for each in of.values()]
    line("total of a year", [f"{each:.0%}" for each in national])
    for what, span in (("all years", ["all"]), ("single years", None)):
        tops = [
            [w["tops"][k] for w in each for k in (span or sorted(set(w["tops"]) - {"all"}))]
            for each in of.values()
        ]
        line(
            f"top ten among the candidates, {what}",
            [f"{sum(t['held'] for t in x)} of {len(x)}" for x in tops],
        )
        line(
            f"candidates, median, {what}",
            [f"{np.median([t['candidates'] for t in x]):.0f}" for x in tops],
        )
    for what, key in (("place and year", "errors"), ("place", "whole_errors")):
        for name in ("places", "national share", "Chapman"):
            line(
                f"median error of log(1 + N), {what}: {name}",
                [f"{np.median([w[key][name] for w in each]):.3f}" for each in of.values()],
            )
        best = [
            sum(w[key]["places"] < min(w[key]["national share"], w[key]["Chapman"]) for w in each)
            for each in of.values()
        ]
        line(
            f"worlds with less error than both, {what}",
            [f"{n} of {len(each)}" for n, each in zip(best, of.values(), strict=True)],
        )
    line(
        "processor seconds of a world, median",
        [f"{np.median([w['processor_seconds'] for w in each]):.0f}" for each in of.values()],
    )
    return lines


def write_page() -> None:
    """Put the table between its marks."""
    found = {(w["kind"], w["number"]): w for w in map(json.loads, RESULTS.read_text().splitlines())}
    lines = rows(list(found.values()))
    print("\n".join(lines))
    if PAGE.exists():
        text = PAGE.read_text(encoding="utf-8")
        marks = re.compile(r"(?<=<!-- worlds -->\n)(.*?)(?=<!-- end of worlds -->)", re.DOTALL)
        PAGE.write_text(
            marks.sub(lambda _: "\n" + "\n".join(lines) + "\n\n", text), encoding="utf-8"
        )


def large() -> None:
    """Fit 300 places over 5 years with the usual settings."""
    table, truth = draw("usual", 0, places=300, years=(2020, 2021, 2022, 2023, 2024))
    mse.PooledLogLinear(time="year", draws=50, tune=100, chains=1).fit(
        draw("usual", 0, places=5)[0]
    )
    wall, start = time.perf_counter(), time.process_time()
    fit = mse.PooledLogLinear(time="year").fit(table)
    chains = fit.chains
    spent = time.process_time() - start, time.perf_counter() - wall
    spreads = np.log(chains.draws["scale"])
    print(
        f"{table.n_observed:,} registered in {table.n_strata:,} strata, {spent[0]:.0f} s of processor time, {spent[1]:.0f} s"
    )
    print(
        f"effective draws: total {effective(np.log(chains.draws['N'])[:, :, None]):.0f}, spreads {effective(spreads):.0f}"
    )
    for i, name in enumerate(chains.coords["scales"]):
        print(f"  {name}: {effective(spreads[:, :, i : i + 1]):.0f}")
    low, high = np.quantile(chains.flat("N"), [0.025, 0.975])
    print(f"total {low:,.0f} to {high:,.0f}, truth {truth.sum():,}")
    print(
        f"steps {chains.stats['n_steps'].mean():.0f}, diverging {chains.stats['diverging'].sum():.0f}"
    )


def beyond() -> None:
    """Fit all pairs of lists, nationally, to the expected counts of coupled worlds: no chance, only bias."""
    for number in range(4):
        design = {**KINDS["coupled"], "seed": 1000 * (1 + list(KINDS).index("coupled")) + number}
        people = mse.simulate.places(LISTS, **design).cells.expected.sum(axis=1)
        # A thousand of each, so that rounding to persons does not matter.
        counts = (1000 * people).round().astype(np.int64)
        counts[0] = 0
        table = mse.CaptureTable.from_array(counts.reshape(2, 2, 2, 2), tuple(LISTS))
        found = mse.LogLinear("all two-way").fit(table).population.total
        print(f"coupled {number}: {found / (1000 * people.sum()):.2f} times the truth")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["draw", "table", "large", "beyond"])
    parser.add_argument("worlds", nargs="?", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--kinds", nargs="*", help="of these kinds alone")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.what == "draw":
        judges = [kind for kind in KINDS if kind not in (*CALIBRATED, *BEYOND)]
        usual = list(CALIBRATED) if asked.calibrate else judges
        kinds = asked.kinds or usual
        with RESULTS.open("a", encoding="utf-8") as file:
            for number in range(asked.first, asked.first + asked.worlds):
                for kind in kinds:
                    found = world(kind, number)
                    file.write(json.dumps(found) + "\n")
                    file.flush()
                    print(
                        kind,
                        number,
                        found["processor_seconds"],
                        found["tops"]["all"],
                        found["errors"],
                        flush=True,
                    )
    elif asked.what == "large":
        large()
    elif asked.what == "beyond":
        beyond()
    else:
        write_page()


if __name__ == "__main__":
    main()
