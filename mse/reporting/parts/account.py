"""The methodological account: every setting, seed, version, and the models that were tried."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from mse._versions import PACKAGES, release
from mse.answer.goodness import fit_in_words
from mse.answer.population import publications
from mse.answer.protocols import settings_of
from mse.disclosure.estimates import models_shown
from mse.errors import ModelError
from mse.registry import estimator_of
from mse.reporting.context import from_row, label
from mse.words.catalogue import SOURCE
from mse.words.content import (
    Block,
    Bullets,
    Cell,
    Column,
    Fact,
    Facts,
    Section,
    Text,
    fact,
    inline,
)
from mse.words.estimates import fit_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.answer.population import PopulationEstimate
    from mse.disclosure.estimates import ProtectedPopulation
    from mse.reporting.context import Context, Counts, Estimated
    from mse.words.content import Inline

#: Models of a search that are shown, the best ones.
MOST_MODELS = 25
#: Columns of a model table, as far as it has them; figures are written with so many decimals.
_MODEL_COLUMNS = {
    "model": None,
    "n_parameters": 0,
    "deviance": 2,
    "df_adjusted": 0,
    "df_residual": 0,
    "aic": 2,
    "aicc": 2,
    "bic": 2,
    "total": 0,
    "status": None,
    "limit": None,
}


def account(context: Context) -> Section:
    """Say how it was done, for those who check or repeat it."""
    say = context.say
    parts = [
        Section("account-data", say("account.data"), tuple(_data(context))),
        *_estimators(context),
        Section("account-models", say("account.models"), tuple(_models(context))),
        Section("account-software", say("account.software"), (Facts(tuple(_software(context))),)),
        Section("account-conventions", say("account.conventions"), tuple(_conventions(context))),
        Section("account-disclosure", say("account.disclosure"), tuple(_disclosure(context))),
    ]
    full = tuple(each for each in parts if not each.is_empty)
    return Section("account", say("heading.account"), sections=full)


# Data --------------------------------------------------------------------------------------------


def _data(context: Context) -> Iterator[Block]:
    for counts in context.counts:
        yield Facts(tuple(_table_facts(context, counts)))
    if context.counts and not context.hides:
        yield context.paragraph("account.fingerprint_words", "note")


def _table_facts(context: Context, counts: Counts) -> Iterator[Fact]:
    say, info = context.say, counts.info
    if info.name:
        yield say("account.table"), inline(info.name)
    if info.notes:
        yield say("fact.notes"), inline(context.described(info.notes, info))
    yield say("fact.lists"), inline(say.listed(counts.lists, 40))
    for name, levels in counts.covariates.items():
        yield say("account.covariate", name=name), inline(say.listed(map(str, levels), 30))
    yield fact(say("account.cells"), say.count_cell(counts.n_cells))
    yield fact(say("fact.observed"), context.observed_cell(counts.observed))
    complete = say("account.complete" if counts.is_complete else "account.incomplete")
    yield say("account.completeness"), inline(complete)
    if context.hides:
        # Whoever knows all but a few cells could try out which ones give the fingerprint.
        yield say("account.fingerprint"), inline(say("disclosure.fingerprint"))
    else:
        yield say("account.fingerprint"), inline(counts.fingerprint)


# Settings ----------------------------------------------------------------------------------------


def _estimators(context: Context) -> Iterator[Section]:
    """One section for each distinct estimator, with all its settings."""
    say = context.say
    seen: set[str] = set()
    for i, each in enumerate(context.given.estimates, start=1):
        rows = tuple(_settings(context, each))
        text = "".join(f"{name}{''.join(run.text for run in value)}" for name, value in rows)
        if text in seen:
            continue
        seen.add(text)
        blocks: list[Block] = [Facts(rows)]
        heading = say("account.estimator", n=i, method=context.named(each.population.method))
        yield Section(f"account-method-{i}", heading, tuple(blocks))


def _settings(context: Context, each: Estimated) -> Iterator[tuple[str, Inline]]:
    say, population = context.say, each.population
    estimator = each.fit.estimator if each.fit is not None else _known(each.estimator)
    if estimator is not None and is_dataclass(estimator):
        yield say("account.class"), inline(type(estimator).__name__)
        for name, value in settings_of(estimator):
            if name.endswith("seed") and context.hides:
                continue
            yield name, inline(_setting(context, value))
    elif each.estimator:
        yield say("account.class"), inline(each.estimator)
    if population.model:
        yield say("fact.model"), inline(population.model)
    if population.interval_kind:
        yield say("account.interval"), inline(context.kind(population))
    limit = f"limit_name.{population.limit}"
    yield say("fact.status"), inline(f"{say(f'status.{population.status}')} ({say(limit)})")
    record = fit_record(population)
    if record is not None:
        yield say("fact.fit"), inline(say.said(fit_in_words(record)))
    for name, value in _flat(population.provenance, ""):
        if name not in ("estimator", "table", "software") and not name.startswith("fit."):
            yield _label(context, name), inline(_setting(context, value))


def _known(text: str) -> object | None:
    """Make an estimator of its text, where it is one that is known."""
    try:
        return estimator_of(text)
    except ModelError:
        return None


def _flat(data: Mapping[str, Any], start: str) -> Iterator[tuple[str, Any]]:
    """Provenance, the names of nested values joined by dots."""
    for key, value in data.items():
        if hasattr(value, "items"):
            yield from _flat(value, f"{start}{key}.")
        elif value is not None:
            yield f"{start}{key}", value


def _label(context: Context, name: str) -> str:
    key = f"provenance.{name.rpartition('.')[2]}"
    return context.say(key) if context.say.has(key) else name


def _setting(context: Context, value: object) -> str:
    """Write a setting, without the marks of a programming language."""
    say = context.say
    match value:
        case None | "" | () | []:
            return say("account.unset")
        case bool():
            return say("rule.yes" if value else "rule.no")
        case float():
            return say.general(value)
        case tuple() | list():
            return "; ".join(_setting(context, each) for each in value)
        case Mapping():
            return "; ".join(f"{name}: {_setting(context, each)}" for name, each in value.items())
    return str(value)


# Models ------------------------------------------------------------------------------------------


def _models(context: Context) -> Iterator[Block]:
    say = context.say
    for group in context.given.groups:
        for each in group.estimates:
            frame = getattr(each.fit, "models", None)
            if not isinstance(frame, pd.DataFrame) or "model" not in frame:
                continue
            known = [name for name in _MODEL_COLUMNS if name in frame]
            if "df_adjusted" in known:
                # One number of degrees of freedom: that of the tests of fit.
                known.remove("df_residual")
            notes = [
                *([say("account.df")] if "df_adjusted" in known else []),
                *context.rest(frame, MOST_MODELS, "account.more_models"),
            ]
            rows = frame.head(MOST_MODELS)
            if context.rules.suppresses:
                known = ["model", "n_parameters", "total", "status"]
                publication = cast("ProtectedPopulation", each.population).publication
                lost, rows = len(rows), models_shown(rows, group.table, publication)
                lost -= len(rows)
                notes = [say("disclosure.models")]
                notes += [say("disclosure.models_lost", n=lost)] if lost else []
            key = "caption.models_shown" if context.rules.suppresses else "caption.models"
            caption = say(key, method=context.named(each.population.method))
            if rows.empty:
                yield context.left_out(
                    "caption.models", method=context.named(each.population.method)
                )
                continue
            columns = [
                (
                    Column(say(f"column.{name}"), figures=_MODEL_COLUMNS[name] is not None),
                    from_row(name, partial(_model_cell, context, each.population, name)),
                )
                for name in known
            ]
            yield context.table(caption, columns, rows, notes)


def _model_cell(context: Context, population: PopulationEstimate, name: str, value: Any) -> Cell:
    say, digits = context.say, _MODEL_COLUMNS[name]
    if name == "model":
        return Cell(context.modeled(population, str(value)), str(value))
    if name == "status":
        return say.status_cell(str(value))
    if name == "limit":
        return Cell(say(f"limit_name.{value}"), str(value))
    if digits is None:
        return label(value)
    if isinstance(value, float) and math.isnan(value):
        return Cell("-")
    if name == "total":
        return context.count_cell(float(value), context.grid())
    return say.decimal_cell(float(value), digits) if digits else say.count_cell(int(value))


# Software, conventions, disclosure ---------------------------------------------------------------


def _software(context: Context) -> Iterator[tuple[str, Inline]]:
    say = context.say
    made = {
        f"{each.provenance['software']} {each.provenance['version']}"
        for each in context.given.populations
        if {"software", "version"} <= set(each.provenance)
    }
    if made:
        yield say("account.made_with"), inline(", ".join(sorted(made)))
    yield say("account.reported_with"), inline(f"multiple-systems {release('multiple-systems')}")
    yield "Python", inline(f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    for name in PACKAGES:
        found = release(name)
        if found:
            yield name, inline(found)


def _conventions(context: Context) -> Iterator[Block]:
    names = ["hidden", "existence", "status", "criteria", "levels"]
    if not context.rules.active:
        names.append("words")
    if context.given.monitors:
        names.append("monitor")
    yield Bullets(tuple(inline(context.say(f"convention.{name}")) for name in names))


def _disclosure(context: Context) -> Iterator[Block]:
    say, rules = context.say, context.rules
    if not rules.active:
        yield context.paragraph("disclosure.none")
        return
    yield context.paragraph("disclosure.applied", name=rules.name)
    yield Facts(tuple(_rules(context)))
    for each in context.counts:
        yield context.paragraph("disclosure.counts", n=each.suppressed, of=each.shown)
    yield Bullets(tuple(inline(say(f"disclosure.{name}")) for name in ("limits", "functions")))


def _rules(context: Context) -> Iterator[tuple[str, Inline]]:
    say, rules = context.say, context.rules
    for part in fields(rules):
        value = getattr(rules, part.name)
        if value in (None, "") or part.name == "name":
            continue
        key = f"rule.{part.name}"
        if isinstance(value, bool):
            text = say("rule.yes" if value else "rule.no")
        elif isinstance(value, float):
            text = say.percent(value, 0)
        else:
            text = say.number(value) if isinstance(value, int) else str(value)
        yield say(key) if say.has(key) else part.name, inline(text)


# How to cite: the data, the estimate, the software, and the publications behind the methods -------


def citation(context: Context, title: Inline, date: str) -> Section:
    """Say what to cite when a figure of this report is used."""
    say, info = context.say, context.given.info
    release_of = release("multiple-systems")
    software = say("cite.software_text", version=release_of)
    rows = [(say("cite.report"), say.rich("cite.report_text", title=title, date=date))]
    if info is not None and info.source:
        rows.append((say("cite.data"), inline(context.described(info.source, info))))
    rows.append((say("cite.software"), inline(software)))
    blocks: list[Block] = [context.paragraph("cite.intro"), Facts(tuple(rows))]
    language = "" if say.code == SOURCE else SOURCE
    given = context.given
    behind = chain(*(each.references for each in (*given.sensitivities, *given.validations)))
    found = sorted({*publications(given.populations), *behind})
    if found:
        blocks.append(context.paragraph("cite.methods"))
        blocks.append(Bullets(tuple(inline(Text(text, language)) for text in found)))
    return Section("citation", say("heading.citation"), tuple(blocks))
