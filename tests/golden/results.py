"""Groups of what is made from fits: comparisons, checks, sensitivity, monitors, reports, disclosure."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from typer.testing import CliRunner

import mse
from tests.golden import tables
from tests.golden.encoding import encode
from tests.golden.records import of_chain, of_population

Record = dict[str, Any]
Case = tuple[str, Callable[[], Record]]
#: Workers of everything that takes a number of them; no answer depends on it.
JOBS = int(os.environ.get("GOLDEN_JOBS", "1"))
DAY = dt.date(2026, 1, 31)
RULES = mse.disclosure.Rules(threshold=5, base=5)
SOFTWARE = ("numpy", "scipy", "pandas", "numba", "pymc", "nutpie", "arviz", "statsmodels")


def of_result(result: Any) -> Record:
    """Keep a result that has a frame and a summary."""
    return {"frame": encode(result.to_frame()), "summary": lines(result.summary())}


def lines(text: str) -> list[str]:
    """Split a text into lines, without what depends on where it was written."""
    return without_versions(text).splitlines()


@cache
def _versions() -> re.Pattern[str]:
    """Match the version of any software."""
    numbers = {mse.__version__, platform.python_version()}
    for name in (*SOFTWARE, "multiple-systems"):
        with suppress(PackageNotFoundError):
            numbers.add(version(name))
    any_of = "|".join(map(re.escape, sorted(numbers, key=len, reverse=True)))
    return re.compile(rf"(?<![\d.,])(?:{any_of})(?![\d.,]*\d)")


def without_versions(text: str) -> str:
    """Take the versions of software out of a text."""
    text = _versions().sub("VERSION", text)
    system = f"{platform.system()} {platform.machine()}"
    return text.replace(system, "SYSTEM").replace(system.replace("_", "\\_"), "SYSTEM")


# Side by side ------------------------------------------------------------------------------------


def usual(table: mse.CaptureTable) -> list[Any]:
    """Choose some estimators of a table with three lists or more."""
    chosen = [mse.LogLinear("main"), mse.LogLinear("all two-way", "lognormal")]
    stepwise = mse.LogLinearSearch("bic", "stepwise")
    if table.covariates:
        return [*chosen, stepwise]
    return [*chosen, stepwise, mse.SampleCoverage(), mse.ClosedPopulation("Mth")]


def comparisons() -> Iterator[Case]:
    """Compare estimators, and validate them on lists of known size."""
    for name in ("kosovo", "uk", "new_orleans", "apart", "spina_bifida", "in_part"):
        table = tables.load(name)
        chosen = usual(table) if name != "in_part" else [mse.LogLinear("main + year + sex")]
        yield f"compare {name}", lambda t=table, c=chosen: of_result(mse.compare(t, c))
    for name in ("kosovo", "netherlands", "western_us", "new_orleans"):
        table = tables.load(name)
        yield f"validate {name}", lambda t=table: of_validation(t)


def of_validation(table: mse.CaptureTable) -> Record:
    """Keep a validation."""
    found = mse.validate(table, usual(table), n_jobs=JOBS)
    return {**of_result(found), "by_estimator": encode(found.by_estimator())}


def diagnostics() -> Iterator[Case]:
    """Check tables and fits: fit, residuals, influence, overlaps, the usual worries."""
    look = mse.diagnostics
    for name in ("kosovo", "korea", "uk", "spina_bifida", "one_pair_empty", "apart"):
        table = tables.load(name)
        search = mse.LogLinearSearch("bic", "stepwise")
        fixed = mse.LogLinear("main" if not table.covariates else "main + ethnicity")
        yield f"overlaps {name}", lambda t=table: of_result(look.overlaps(t, level=0.9))
        for each in (search, fixed) if name != "uk" else (fixed,):
            told = f"{name} {type(each).__name__}"
            fit = partial(each.fit, table)
            if name != "apart":  # which fits exactly: residuals are rounding
                yield f"residuals {told}", lambda f=fit: of_rows(look.residuals(f()))
            yield f"influence {told}", lambda f=fit: of_rows(look.influence(f()))
            yield (
                f"goodness {told}",
                lambda f=fit: of_result(look.goodness_of_fit(f(), replicates=49, seed=1)),
            )
            yield f"check {told}", lambda t=table, f=fit: of_checks(look.check(t, f(), seed=1))
        yield f"check {name}", lambda t=table: of_checks(look.check(t))
    anew = mse.LogLinearSearch().fit(tables.load("kosovo"))
    yield "influence kosovo, chosen anew", lambda: of_rows(look.influence(anew, reselect=True))


def of_rows(result: Any) -> Record:
    """Keep a result by history. The rows of its summary are left out: those that tie stand in any order."""
    record = of_result(result)
    told = [each for each in record["summary"] if not re.match(r"\s*[01]{2,}\s", each)]
    return {**record, "summary": told}


def of_checks(found: Any) -> Record:
    """Keep the usual worries."""
    return {"checks": [[each.name, each.passed, each.text, each.seed] for each in found]}


def sensitivity() -> Iterator[Case]:
    """Vary lists, models and assumptions."""
    vary = mse.sensitivity
    for name in ("kosovo", "korea", "netherlands", "spina_bifida", "one_pair_empty"):
        table = tables.load(name)
        search: Any = mse.LogLinearSearch("bic", "stepwise")
        fixed: Any = mse.LogLinear("main" if not table.covariates else "main + ethnicity")
        yield f"model_range {name}", lambda t=table, e=search: of_result(vary.model_range(e.fit(t)))
        for each in (search, fixed):
            told = f"{name} {type(each).__name__}"
            yield (
                f"highest_order {told}",
                lambda t=table, e=each: of_result(vary.highest_order(e.fit(t))),
            )
            yield (
                f"leave_one_out {told}",
                lambda t=table, e=each: of_result(vary.leave_one_out(e, t)),
            )
        yield f"merge {name}", lambda t=table, e=fixed: of_result(vary.merge(e, t))
        yield f"odds_ratio {name}", lambda t=table: of_odds(t)


def of_odds(table: mse.CaptureTable) -> Record:
    """Vary the odds ratio of the first two lists."""
    model = "main" if not table.covariates else "main + ethnicity"
    return of_result(mse.sensitivity.odds_ratio(table, pair=table.lists[:2], model=model))


# Disclosure --------------------------------------------------------------------------------------


def disclosure() -> Iterator[Case]:
    """Protect tables, estimates, comparisons, counts and monitors; check and attack them."""
    shield = mse.disclosure
    every = {"cbs": shield.rules("cbs"), "own": RULES}
    for told, rules in every.items():
        yield f"rules {told}", lambda r=rules: {"sentence": r.sentence(), "repr": repr(r)}
        for name in ("korea", "kosovo", "spina_bifida", "by_year_and_sex"):
            table = tables.load(name)
            yield (
                f"table {name} {told}",
                lambda t=table, r=rules: of_protected(shield.protect_table(t, r)),
            )
        for name in ("kosovo", "spina_bifida"):
            yield f"estimate {name} {told}", lambda n=name, r=rules: of_protected_estimate(n, r)
        yield f"comparison {told}", lambda r=rules: of_protected_comparison(r)
        yield f"counts {told}", lambda r=rules: of_protected_counts(r)
        yield f"monitor {told}", lambda r=rules: of_protected_monitor(r)
        yield f"together {told}", lambda r=rules: of_together(r)


def of_protected(thing: Any) -> Record:
    """Keep what may leave, and what was suppressed."""
    return {
        "note": encode(thing.note),
        "suppressed": encode(thing.suppressed),
        "summary": lines(thing.summary()),
        "frame": encode(thing.to_frame()),
    }


def of_protected_estimate(name: str, rules: Any) -> Record:
    """Keep an estimate that is fit to leave."""
    table = tables.load(name)
    estimate = mse.LogLinearSearch("bic", "stepwise").fit(table).population
    shielded = mse.disclosure.protect_population(estimate, rules, table=table)
    check = mse.disclosure.check(estimate, rules)
    return {
        **of_protected(shielded),
        "json": encode(shielded.to_dict()),
        "check": encode(check.to_frame()),
        "check_summary": lines(check.summary()),
    }


def of_protected_comparison(rules: Any) -> Record:
    """Keep a comparison that is fit to leave."""
    compared = mse.compare(tables.load("korea"), [mse.LogLinear("main"), mse.LogLinearSearch()])
    shielded = mse.disclosure.protect_comparison(compared, rules)
    return {**of_protected(shielded), "json": encode(shielded.to_dict())}


def cross() -> pd.DataFrame:
    """Make a cross table with totals."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.poisson(rng.gamma(0.6, 20, (4, 4))), columns=list("wxyz"))
    frame.index = pd.Index([2014, 2015, 2016, 2017]).astype(str)
    frame["total"] = frame.sum(axis=1)
    frame.loc["total"] = frame.sum()
    return frame


def of_protected_counts(rules: Any) -> Record:
    """Keep counts that are fit to leave, and what an attack finds of them."""
    shielded = mse.disclosure.protect_counts(cross(), rules)
    attacked = mse.disclosure.attack(shielded)
    marked = shielded.marked().astype(str)
    return {
        "note": encode(shielded.note),
        "suppressed": encode(shielded.suppressed),
        "marked": encode(marked),
        "attack": encode(attacked),
    }


def of_protected_monitor(rules: Any) -> Record:
    """Keep a monitor that is fit to leave."""
    table = tables.load("by_year_and_sex")
    shielded = mse.disclosure.protect_monitor(monitored(), rules, table=table)
    return {**of_protected(shielded), "json": encode(shielded.to_dict())}


def of_together(rules: Any) -> Record:
    """Keep several things that are fit to leave together."""
    table = tables.load("spina_bifida")
    things = [table, mse.LogLinear("main + ethnicity").fit(table).population]
    shielded = mse.disclosure.protect_together(things, rules)
    return {f"thing {i}": of_protected(each) for i, each in enumerate(shielded)}


# Worlds and monitors -----------------------------------------------------------------------------


@cache
def monitored() -> Any:
    """Monitor a made table by year and sex."""
    model = mse.LogLinear("police*year + police*sex + kmar*year + care*sex + year*sex")
    return mse.monitor(
        tables.load("by_year_and_sex"),
        groups=["sex"],
        estimator=model,
        replicates=60,
        seed=1,
        resampling="multinomial",
        n_jobs=JOBS,
    )


@cache
def world() -> Any:
    """Draw a small Netherlands, in which some lists stop in one year."""
    years = (2016, 2017, 2018)
    made = mse.simulate.netherlands(years=years, scale=0.25, dropout=True, missing=0.02)
    return made.draw(seed=4)


def worlds() -> Iterator[Case]:
    """Draw worlds with a known truth, and tables from models."""
    yield "netherlands", lambda: of_simulation(world())
    flawed = mse.simulate.netherlands(
        years=[2012, 2013], study="2021", scale=0.1, linkage=0.1, overcoverage={"police": 0.1}
    )
    yield "netherlands with flaws", lambda: of_simulation(flawed.draw(seed=1))
    suppressed = mse.simulate.netherlands(years=2015, scale=0.2, suppress=5)
    yield "netherlands suppressed", lambda: of_simulation(suppressed.draw(seed=2))
    people = mse.simulate.population(
        {"a": 0.3, "b": 0.2, "c": 0.25},
        size=400,
        covariates={"sex": {"f": 0.7, "m": 0.3}},
        dependence={"a:b": 2.0},
    )
    yield "population", lambda: of_simulation(people.draw(seed=3))
    yield "world as text", lambda: {"json": encode(people.to_dict())}
    chances = {"100": 0.1, "010": 0.1, "001": 0.05, "110": 0.02, "101": 0.02, "011": 0.01}
    chances |= {"111": 0.01, "000": 0.69}
    yield (
        "tables",
        lambda: {
            "tables": [
                encode(each.counts.ravel())
                for each in mse.simulate.tables(chances, N=500, size=4, seed=1)
            ]
        },
    )


def of_simulation(drawn: Any) -> Record:
    """Keep what came of one draw."""
    records = drawn.records
    table = drawn.table()
    return {
        "n_records": len(records),
        "first": encode(records.head(10).astype(str)),
        "truth": encode(drawn.truth.tail(30)),
        "total": encode(drawn.total),
        "fingerprint": table.fingerprint,
        "described": lines(table.describe()),
    }


def monitors() -> Iterator[Case]:
    """Monitor made tables and small worlds."""
    yield "by year and sex", lambda: of_monitor(monitored())
    table = tables.load("by_year_and_sex")
    ask = partial(mse.monitor, replicates=40, seed=2, n_jobs=JOBS, resampling="multinomial")
    rates = {2016: 1_000_000, 2017: 1_100_000, 2018: 1_200_000}
    options: dict[str, dict[str, Any]] = {
        "searched, rates": {"rates": rates, "groups": ["sex"]},
        "trend": {"trend": {"year": 1}},
        "aic": {"criterion": "aic", "level": 0.8},
        "scopes": {"scope": {2016: "old", 2017: "old", 2018: "new"}},
        "across scopes": {"scope": {2016: "old", 2017: "old", 2018: "new"}, "across_scopes": True},
    }
    for told, each in options.items():
        yield told, lambda o=each: of_monitor(ask(table, **o))
    silent, empty = tables.load("not_operating"), tables.load("empty_stratum")
    fixed = mse.LogLinear("police*year + kmar*year + care + sex")
    yield (
        "list that did not operate",
        lambda: of_points(ask(silent, estimator=fixed, replicates=20, resampling="population")),
    )
    apart = mse.LogLinear("police*year + police*sex + care*year + care*sex + year*sex")
    yield "empty stratum", lambda: of_monitor(ask(empty, groups=["sex"], estimator=apart))
    yield "netherlands", lambda: of_monitor(ask(netherlands(), estimator=mse.LogLinear(BY_YEAR)))


BY_YEAR = (
    "border_police*year + inspectorate*year + others*year + police*year"
    " + residential_care + regional_coordinators"
)


def netherlands() -> mse.CaptureTable:
    """Make a table of the world by year."""
    table = world().table()
    others = [each for each in table.covariates if each != "year"]
    return table.collapse(*others)


def of_points(found: Any) -> Record:
    """Keep what a monitor does not read off draws, which are drawn from the last digit of a fit."""
    data = of_monitor(found)
    points = [{k: _point(v) for k, v in cell.items()} for cell in data["cells"]]
    return {"cells": points, "notes": data["notes"], "model": data["model"], "given": data["given"]}


def _point(value: Any) -> Any:
    """Take the point of a figure with an interval."""
    return value["point"] if isinstance(value, dict) and "point" in value else value


def of_monitor(found: Any) -> Record:
    """Keep all figures of a monitor, and its words."""
    data = encode(found.to_dict())
    data.pop("assumptions", None)
    data["provenance"].pop("version", None)
    return {**data, "text": lines(found.summary())}


# Reports -----------------------------------------------------------------------------------------


@cache
def reportable(name: str) -> list[Any]:
    """Make the results that a report is made of."""
    table = tables.load(name)
    if name == "by_year_and_sex":
        return [monitored()]
    if name in ("in_part", "apart"):
        model = "main + year + sex" if name == "in_part" else "main"
        return [mse.LogLinear(model).fit(table), table]
    model = "main" if not table.covariates else "main + ethnicity"
    search = mse.LogLinearSearch("bic", "stepwise")
    fits = [search.fit(table), mse.LogLinear(model).fit(table)]
    drawn = mse.bootstrap(search, table, 40, "multinomial", seed=1, n_jobs=JOBS)
    checks = [*mse.diagnostics.check(table, fits[0], seed=1), mse.diagnostics.overlaps(table)]
    if name == "spina_bifida":
        return [drawn, *fits, *checks]
    varied = [
        mse.sensitivity.leave_one_out(search, table),
        mse.sensitivity.highest_order(fits[0]),
        mse.sensitivity.model_range(fits[0]),
        mse.validate(table, fits[1].estimator),
    ]
    return [drawn, *fits, *checks, *varied]


def reports(name: str) -> Iterator[Case]:
    """Write reports in two languages, with and without rules of disclosure."""
    for language in ("en", "nl"):
        for rules in ("none", "cbs"):
            yield (
                f"{language} {rules}",
                lambda s=language, r=rules: {"text": lines(written(name, s, r, "md"))},
            )
    if name == "korea":
        for rules in ("none", "cbs"):
            yield (
                f"json {rules}",
                lambda r=rules: json.loads(without_versions(written(name, "en", r, "json"))),
            )


def written(name: str, language: str, rules: str, form: str) -> str:
    """Write a report and read it back."""
    with tempfile.TemporaryDirectory() as folder:
        path = mse.write_report(
            reportable(name),
            Path(folder) / f"report.{form}",
            language=language,
            disclosure=rules,
            date=DAY,
            figures=False,
        )
        return path.read_text(encoding="utf-8")


# Words, and the command line ---------------------------------------------------------------------


def words() -> Iterator[Case]:
    """Keep everything that answers of each method say, their JSON included."""
    from tests.estimators import ALL_ESTIMATORS, load

    chains = (mse.LatentClasses, mse.BayesianLogLinear, mse.ThresholdedLogLinear)
    for estimator, name in ALL_ESTIMATORS:
        if not isinstance(estimator, chains):
            yield f"{estimator!r} {name}", lambda e=estimator, n=name: of_words(e.fit(load(n)))
    for name in ("margins", "in_part", "empty_stratum", "apart", "bounded"):
        table = tables.load(name)
        model = "main" + "".join(f" + {each}" for each in table.covariates)
        yield f"{name} {model}", lambda t=table, m=model: of_words(mse.LogLinear(m).fit(t))
    for name in (*tables.PLAIN, *tables.WITH_COVARIATES, *tables.MADE_STRATA, *tables.MADE_IN_PART):
        yield f"table {name}", lambda n=name: of_table(tables.load(n))
    yield "datasets", lambda: {"frame": encode(mse.list_datasets())}


def of_words(fit: Any) -> Record:
    """Keep the words and the JSON of a fit."""
    data = encode(fit.population.to_dict(levels=(0.95,)))
    data["provenance"].pop("version", None)
    back = mse.PopulationEstimate.from_json(fit.population.to_json())
    return {
        "repr": repr(fit),
        "summary": lines(fit.summary()),
        "json": data,
        "read_back": of_population(back) if back.uncertainty is None else encode(back.interval()),
    }


def of_table(table: mse.CaptureTable) -> Record:
    """Keep what a table says of itself."""
    overlaps = encode(table.overlaps()) if table.margins is None and table.is_complete else None
    return {
        "fingerprint": table.fingerprint,
        "described": lines(table.describe()),
        "overlaps": overlaps,
        "observed": table.n_observed,
    }


def commands() -> Iterator[Case]:
    """Run the command line."""
    asked = {
        "estimate": ["estimate", "korea", "--interval", "profile"],
        "estimate json": [
            "estimate",
            "spina_bifida",
            "--seed",
            "1",
            "--replicates",
            "20",
            "--format",
            "json",
        ],
        "estimate one model": [
            "estimate",
            "kosovo",
            "--model",
            "[12,13,4]",
            "--interval",
            "profile",
        ],
        "compare": ["compare", "korea"],
        "datasets": ["datasets"],
        "simulate": [
            "simulate",
            "netherlands",
            "--seed",
            "1",
            "--years",
            "2015",
            "--suppress",
            "5",
        ],
    }
    for told, words_said in asked.items():
        yield told, lambda w=words_said: of_command(w)


def of_command(asked: list[str]) -> Record:
    """Keep what a command writes and how it ends."""
    from mse.cli import app

    result = CliRunner().invoke(app, asked, env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    text = lines(result.stdout)
    return {"status": result.exit_code, "output": text[:120], "n_lines": len(text)}


# Markov chains -----------------------------------------------------------------------------------


def chains() -> Iterator[Case]:
    """Run short chains of the Bayesian estimators on a few tables."""
    asked: list[tuple[Any, str]] = [
        (mse.ThresholdedLogLinear(draws=300, chains=2), "korea"),
        (mse.ThresholdedLogLinear(threshold=4.5, draws=300, chains=2, hidden="mean"), "kosovo"),
        (mse.ThresholdedLogLinear(draws=200, chains=2), "spina_bifida"),
        (mse.ThresholdedLogLinear(), "apart"),
        (mse.BayesianLogLinear(draws=150, chains=2, warmup=50, thin=2), "korea"),
        (
            mse.BayesianLogLinear(strategy="reversible-jump", draws=150, chains=2, warmup=100),
            "kosovo",
        ),
        (mse.LatentClasses(classes=2, draws=150, thin=2, warmup=150, chains=2), "korea"),
        (mse.DecomposableGraphs(exact=False, draws=200, chains=2), "kosovo"),
        (mse.PooledLogLinear(draws=100, tune=150, chains=2), "spina_bifida"),
    ]
    for estimator, name in asked:
        yield (
            f"{estimator!r} {name}",
            lambda e=estimator, n=name: of_chain(e.fit(tables.load(n))),
        )


RESULTS: dict[str, Callable[[], Iterator[Case]]] = {
    f"results-{each.__name__}": each
    for each in (
        comparisons,
        diagnostics,
        sensitivity,
        disclosure,
        worlds,
        monitors,
        words,
        commands,
        chains,
    )
}
for _name in ("korea", "spina_bifida", "by_year_and_sex", "in_part", "apart"):
    RESULTS[f"report-{_name}"] = partial(reports, _name)
