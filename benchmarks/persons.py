"""Whether intervals of estimators of persons hold the truth, in populations drawn by assumption.

    python -m benchmarks.persons STUDY FIRST LAST FILE     # doubly-robust 0 300 found.csv
    python -m benchmarks.persons sum FILE...
    python -m benchmarks.persons speed

Worlds FIRST to LAST - 1 are drawn, each with its number as seed, and written to the file. ``sum`` prints a row a
setting: the share of worlds with an estimate, the share of their 95 % intervals that hold the truth with its Monte
Carlo standard error, the mean relative bias, and the mean width over the truth. The results are in
``docs/persons_calibration.md``.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import mse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LISTS = ["a", "b"]
Found = tuple[str, float, float, tuple[float, float]]


def logistic(values: Any) -> Any:
    """Turn logits into chances."""
    return 1 / (1 + np.exp(-values))


def seen(rng: np.random.Generator, chances: Any, **columns: Any) -> pd.DataFrame:
    """Draw memberships with chances (N, K), and keep the persons on a list."""
    on = rng.random(chances.shape) < chances
    names = LISTS if chances.shape[1] == 2 else ["a", "b", "c"]
    frame = pd.DataFrame({**dict(zip(names, on.T.astype(int), strict=True)), **columns})
    return frame[on.any(axis=1)]


def read(population: Any) -> tuple[float, tuple[float, float]]:
    """Take the point and the interval of an estimate."""
    return population.total, population.interval()


# Worlds ------------------------------------------------------------------------------------------

N = 4000


def doubly_robust(rng: np.random.Generator) -> Iterator[Found]:
    """Either model, both or neither wrong: the wrong one sees a covariate that says nothing."""
    x, noise = rng.normal(size=N), rng.normal(size=N)
    frame = seen(rng, logistic(np.column_stack([-0.4 + 0.7 * x, -0.6 + 0.7 * x])), x=x, noise=noise)
    table = mse.PersonTable.from_frame(frame, LISTS, ["x", "noise"])
    for name, formula in (
        ("both right", ("x", "x")),
        ("first wrong", ("noise", "x")),
        ("second wrong", ("x", "noise")),
        ("both wrong", ("noise", "noise")),
    ):
        yield name, N, *read(mse.DoublyRobust(formula).fit(table).population)


def boosting(rng: np.random.Generator) -> Iterator[Found]:
    """A form that no formula names, learned."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    size = 20_000
    x, z = rng.uniform(-2, 2, size), rng.uniform(-2, 2, size)
    bend = 1.2 * np.abs(x) - 0.8 * (x * z > 0)
    frame = seen(rng, logistic(np.column_stack([-1.0 + bend, -1.3 + bend])), x=x, z=z)
    table = mse.PersonTable.from_frame(frame, LISTS, ["x", "z"])
    small = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, min_samples_leaf=50)
    for name, estimator in (
        ("boosting", mse.DoublyRobust(learner="boosting")),
        ("boosting at its word", mse.DoublyRobust(learner="boosting", alike=0)),
        ("60 trees", mse.DoublyRobust(learner=small)),
        ("60 trees at their word", mse.DoublyRobust(learner=small, alike=0)),
        ("logistic (wrong)", mse.DoublyRobust()),
    ):
        yield f"x and z bend, {name}", size, *read(estimator.fit(table).population)


def six(rng: np.random.Generator) -> Iterator[Found]:
    """Six covariates, three of which say nothing, and logistic chances, learned by boosting."""
    size = 6000
    x = rng.normal(size=(size, 6))
    level = 0.5 * x[:, 0] + 0.4 * x[:, 1] - 0.3 * x[:, 2]
    columns = {f"x{at}": x[:, at] for at in range(6)}
    frame = seen(rng, logistic(np.column_stack([-0.6 + level, -0.9 + level])), **columns)
    table = mse.PersonTable.from_frame(frame, LISTS, [*columns])
    for name, estimator in (
        ("boosting", mse.DoublyRobust(learner="boosting")),
        ("boosting at its word", mse.DoublyRobust(learner="boosting", alike=0)),
        ("logistic", mse.DoublyRobust()),
    ):
        yield f"six covariates, {name}", size, *read(estimator.fit(table).population)


def huggins_alho(
    rng: np.random.Generator,
) -> Iterator[Found]:
    """The right formula, one without the covariate, and a bootstrap."""
    size = 2500
    x = rng.normal(size=size)
    chances = logistic(np.column_stack([-1.4 + 0.7 * x, -1.6 + 0.5 * x, -1.9 + 0.9 * x]))
    table = mse.PersonTable.from_frame(seen(rng, chances, x=x), ["a", "b", "c"], ["x"])
    yield "formula right", size, *read(mse.HugginsAlho("x", "by list").fit(table).population)
    yield "covariate left out", size, *read(mse.HugginsAlho().fit(table).population)
    drawn = mse.bootstrap(mse.HugginsAlho("x", "by list"), table, 200, seed=1, progress=False)
    yield "formula right, bootstrap", size, *read(drawn)


def clusters(rng: np.random.Generator) -> Iterator[Found]:
    """Victims who come by case: a case is found whole, or its persons one by one."""
    sizes = rng.integers(1, 8, 800)
    case = np.repeat(np.arange(sizes.size), sizes)
    x = rng.normal(size=case.size)
    for name, share in (("found whole", 1.0), ("half of them found whole", 0.5)):
        whole = rng.random(sizes.size) < share
        p = logistic(
            np.array([-0.8, -1.0]) + 0.5 * rng.normal(size=sizes.size)[:, None] * [1, 1] * 0
        )
        by_case = rng.random((sizes.size, 2)) < p
        alone = rng.random((case.size, 2)) < p[case]
        on = np.where(whole[case][:, None], by_case[case], alone)
        frame = pd.DataFrame({"a": on[:, 0] * 1, "b": on[:, 1] * 1, "x": x, "case": case})[
            on.any(axis=1)
        ]
        table = mse.PersonTable.from_frame(frame, LISTS, ["x"], cluster="case")
        free = table.clustered_by(None)
        for estimator in (mse.HugginsAlho("x"), mse.DoublyRobust()):
            title = f"{type(estimator).__name__}, {name}"
            yield f"{title}, clusters ignored", case.size, *read(estimator.fit(free).population)
            yield f"{title}, clusters respected", case.size, *read(estimator.fit(table).population)


def clusters_drawn(
    rng: np.random.Generator,
) -> Iterator[Found]:
    """Cases that are found whole, by a bootstrap of persons and one of cases."""
    sizes = rng.integers(1, 8, 400)
    case = np.repeat(np.arange(sizes.size), sizes)
    on = (rng.random((sizes.size, 2)) < logistic(np.array([-0.8, -1.0])))[case]
    frame = pd.DataFrame({"a": on[:, 0] * 1, "b": on[:, 1] * 1, "case": case})[on.any(axis=1)]
    table = mse.PersonTable.from_frame(frame, LISTS, cluster="case")
    for name, each in (("persons", table.clustered_by(None)), ("clusters", table)):
        drawn = mse.bootstrap(mse.HugginsAlho(), each, 200, seed=1, progress=False)
        yield f"bootstrap of {name}", case.size, *read(drawn)


def imputed(rng: np.random.Generator) -> Iterator[Found]:
    """A covariate that three in ten lack, more often those on one list only; imputed properly, 5 times."""
    size, m = 3000, 5
    x = rng.normal(size=size)
    frame = seen(rng, logistic(np.column_stack([-0.7 + 0.9 * x, -1.0 + 0.9 * x])), x=x)
    both = (frame["a"] + frame["b"]).to_numpy() == 2
    lacking = rng.random(len(frame)) < np.where(both, 0.2, 0.35)
    tables = []
    for _ in range(m):
        filled = frame["x"].to_numpy().copy()
        for here in frame.groupby(["a", "b"]).indices.values():
            known, gone = here[~lacking[here]], here[lacking[here]]
            # Normal given the history, with its mean and variance drawn from their posterior.
            values = filled[known]
            variance = values.var(ddof=1) * (len(known) - 1) / rng.chisquare(len(known) - 1)
            middle = rng.normal(values.mean(), math.sqrt(variance / len(known)))
            filled[gone] = rng.normal(middle, math.sqrt(variance), len(gone))
        tables.append(mse.PersonTable.from_frame(frame.assign(x=filled), LISTS, ["x"]))
    fits = [mse.HugginsAlho("x").fit(table) for table in tables]
    yield "pooled over 5 imputations", size, *read(mse.pool(fits))
    yield "the first imputation alone", size, *read(fits[0].population)
    whole = mse.PersonTable.from_frame(frame[~lacking], LISTS, ["x"])
    yield "only persons who lack nothing", size, *read(mse.HugginsAlho("x").fit(whole).population)
    full = mse.PersonTable.from_frame(frame, LISTS, ["x"])
    yield "nothing lacking", size, *read(mse.HugginsAlho("x").fit(full).population)


def linked(rng: np.random.Generator) -> Iterator[Found]:
    """Links that are true with known chances, drawn 20 times: replicates observe different persons."""
    size, m = 3000, 20
    on = rng.random((size, 2)) < [0.35, 0.3]
    both = int(on.all(axis=1).sum())
    first, second = (int(on[:, k].sum()) for k in (0, 1))
    for name, (a, b) in (("some doubt", (8.0, 1.0)), ("much doubt", (2.0, 1.0))):
        # Of candidates whose chance of being true is Beta(a, b), these are the chances of true and false ones.
        false = min(rng.negative_binomial(both, a / (a + b)), first - both, second - both)
        chances = np.r_[rng.beta(a + 1, b, both), rng.beta(a, b + 1, false)]
        fits = [
            mse.LogLinear("main").fit(_two_lists(first, second, int(links)))
            for links in (rng.random((m, chances.size)) < chances).sum(axis=1)
        ]
        yield f"{name}, pooled over {m} linkages", size, *read(mse.pool(fits))
        likely = mse.LogLinear("main").fit(_two_lists(first, second, int((chances > 0.5).sum())))
        yield f"{name}, links likelier than not", size, *read(likely.population)
        known = mse.LogLinear("main").fit(_two_lists(first, second, both))
        yield f"{name}, true links known", size, *read(known.population)


def _two_lists(first: int, second: int, both: int) -> mse.CaptureTable:
    """Make a table of two lists of which so many persons are on both."""
    histories = {"11": both, "10": first - both, "01": second - both}
    return mse.CaptureTable.from_counts(histories, lists=LISTS)


def reach(rng: np.random.Generator) -> Iterator[Found]:
    """Suspects who come before a prosecutor, or not, with censoring and links that are missed."""
    size, within, missed = 400, 180.0, 0.15
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 500, size), "D")
    for name, share in (("half reached", 0.5), ("few reached", 0.06), ("nearly all reached", 0.97)):
        wait = rng.exponential(90.0, size).round()
        comes, kept = rng.random(size) < share, rng.random(size) >= missed
        truth = share * (1 - math.exp(-(within + 0.5) / 90.0))
        person = np.arange(size)
        group = pd.DataFrame({"person": person, "start": start})
        register = pd.DataFrame({"person": person, "date": start + pd.to_timedelta(wait, "D")})[
            comes & kept
        ]
        ends = {"until": pd.Timestamp("2021-08-01")}
        register = register[register["date"] <= ends["until"]]
        audit = int(rng.binomial(200, missed)), 200
        for title, given in (
            ("missed links ignored", 0.0),
            ("rate stated", missed),
            ("rate of 200 audited", audit),
        ):
            row = mse.reach(group, register, within, missed=given, **ends).to_frame().iloc[0]
            yield f"{name}, {title}", truth, row["share"], (row["low"], row["high"])


# Running -----------------------------------------------------------------------------------------

STUDIES: dict[str, Callable[[np.random.Generator], Iterator[Any]]] = {
    "doubly-robust": doubly_robust,
    "boosting": boosting,
    "six": six,
    "huggins-alho": huggins_alho,
    "clusters": clusters,
    "clusters-drawn": clusters_drawn,
    "imputed": imputed,
    "linked": linked,
    "reach": reach,
}


COLUMNS = ["setting", "truth", "point", "low", "high"]


def worlds_of(name: str, first: int, last: int, file: Path) -> None:
    """Draw worlds, each with a seed of its own, and write what was found, world by world."""
    for seed in range(first, last):
        found = STUDIES[name](np.random.default_rng(seed))
        rows = [(setting, truth, point, *ends) for setting, truth, point, ends in found]
        frame = pd.DataFrame(rows, columns=COLUMNS)
        frame.to_csv(file, mode="a", header=False, index=False)


def summed(files: list[Path]) -> pd.DataFrame:
    """Sum up what was found."""
    frame = pd.concat(pd.read_csv(file, names=COLUMNS) for file in files)
    frame["known"] = frame["point"].notna()
    frame["holds"] = (frame["low"] <= frame["truth"]) & (frame["truth"] <= frame["high"])
    frame["bias"] = frame["point"] / frame["truth"] - 1
    frame["width"] = (frame["high"] - frame["low"]) / frame["truth"]
    found = frame[frame["known"]].groupby("setting", sort=False)
    shown = found[["holds", "bias", "width"]].mean()
    shown.insert(1, "error", np.sqrt(shown["holds"] * (1 - shown["holds"]) / found.size()))
    shown.insert(0, "estimated", frame.groupby("setting", sort=False)["known"].mean())
    shown.insert(0, "worlds", frame.groupby("setting", sort=False).size())
    return shown


def speed() -> None:
    """Time `DoublyRobust` with scikit-learn's histogram gradient boosting on 50,000 persons and 3 lists."""
    rng = np.random.default_rng(1)
    size = 100_000
    x, z = rng.normal(size=size), rng.normal(size=size)
    chances = logistic(np.column_stack([-1.2 + 0.5 * x, -1.4 + 0.5 * z, -1.6 + 0.5 * x]))
    frame = seen(rng, chances, x=x, z=z).head(50_000)
    table = mse.PersonTable.from_frame(frame, ["a", "b", "c"], ["x", "z"])
    for estimator in (
        mse.DoublyRobust(learner="boosting"),
        mse.DoublyRobust(),
        mse.HugginsAlho("x + z", "by list"),
    ):
        start = time.perf_counter(), time.process_time()
        population = estimator.fit(table).population
        took = time.perf_counter() - start[0], time.process_time() - start[1]
        print(f"{took[0]:.1f} s, {took[1]:.1f} s of one processor: {population!r}", flush=True)


def main() -> None:
    """Run one study, part of it, or sum up the parts."""
    name, *further = sys.argv[1:]
    if name == "speed":
        return speed()
    if name == "sum":
        print(summed([*map(Path, further)]).round(4).to_string())
        return None
    first, last, file = int(further[0]), int(further[1]), Path(further[2])
    worlds_of(name, first, last, file)
    return None


if __name__ == "__main__":
    main()
