"""The first screen: the answer, what it is of, and what it rests on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mse.answer.goodness import fit_warnings
from mse.monitoring.result import ACROSS_SCOPES
from mse.reporting.parts.estimates import spread_of
from mse.reporting.parts.monitored import monitor_answer
from mse.sensitivity import LeaveOneOut, MergedLists
from mse.words.catalogue import SOURCE
from mse.words.content import (
    Block,
    Bullets,
    Fact,
    Facts,
    Paragraph,
    Section,
    Text,
    Verbatim,
    fact,
    inline,
    plain,
)
from mse.words.estimates import fit_record
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.answer.population import PopulationEstimate
    from mse.answer.shown import Section as Summarized
    from mse.monitoring import Monitor
    from mse.reporting.context import Context, Group
    from mse.words.content import Inline


def answer(context: Context) -> Section:
    """Say the answer, the interval first."""
    blocks: list[Block] = []
    for monitor in context.given.monitors:
        blocks += monitor_answer(context, monitor)
    groups = context.given.groups
    if len(groups) == 1:
        blocks += _of_group(context, groups[0])
    elif groups:
        blocks.append(Bullets(tuple(_line(context, group) for group in groups)))
    if not blocks:
        blocks.append(Paragraph(inline(context.say("answer.no_estimate")), "lead"))
    blocks += _worries(context)
    return Section("answer", context.say("heading.answer"), tuple(blocks))


def _of_group(context: Context, group: Group) -> Iterator[Block]:
    population = group.population
    yield Paragraph(_lead(context, group), "lead")
    if population.status == SUPPRESSED:
        return
    if group.first.is_given:
        yield Facts(tuple(_key_facts(context, group)), key=True)
        yield Paragraph(_rests(context, population))
        yield from _fit(context, population)
        yield from _disagreement(context, group)
    else:
        yield Paragraph(_because(context, population.limit), "warning")


def _lead(context: Context, group: Group) -> Inline:
    say, population = context.say, group.population
    subject = context.subject(population.info)
    observed = context.counted(population.observed)
    if population.status == SUPPRESSED:
        return say.rich("answer.suppressed", subject=subject)
    if not group.first.is_given:
        none = Text(say("answer.none"), strong=True)
        return say.rich("answer.lead_none", none=none, subject=subject, observed=observed)
    low, high = population.interval(context.level)
    if math.isnan(low) or math.isnan(high):
        total = context.bounded(population, say.number(population.total))
        point = Text(f"{total[:1].upper()}{total[1:]}", strong=True)
        return say.rich("answer.lead_point", point=point, subject=subject, observed=observed)
    return say.rich(
        "answer.lead_bound" if population.lower_bound else "answer.lead",
        span=Text(say.span(low, high), strong=True),
        level=say.level(context.level),
        subject=subject,
        observed=observed,
    )


def _because(context: Context, limit: str) -> Inline:
    """Say in plain words why there is no estimate."""
    say = context.say
    key = f"limit.{limit}" if say.has(f"limit.{limit}") else "limit.failed"
    link = Text(say("answer.see_missing"), link="missing")
    return say.rich("answer.because", reason=say(key), link=link)


def _line(context: Context, group: Group) -> Inline:
    """One of several tables in one line."""
    lead = _lead(context, group)
    scope = group.info.scope or group.info.name
    return inline(lead, f" ({scope})") if scope else lead


def _key_facts(context: Context, group: Group) -> Iterator[Fact]:
    say, population = context.say, group.population
    n = population.observed
    low, high = population.interval(context.level)
    yield fact(say("fact.observed"), context.observed_cell(n))
    if not math.isnan(low):
        hidden = say.span_cell(low - n, high - n)
        point = context.bounded(population, say.number(population.hidden))
        yield fact(say("fact.hidden"), hidden, _point(context, point))
        if low > 0:
            share = say.share_span_cell(n / high, n / low)
            point = context.bounded(population, say.percent(population.coverage), most=True)
            yield fact(say("fact.share"), share, _point(context, point))
    total = context.bounded_cell(population, say.count_cell(population.total))
    yield fact(say("fact.point"), total)


def _point(context: Context, value: str) -> str:
    return f" ({context.say('number.point', value=value)})"


def _rests(context: Context, population: PopulationEstimate) -> Inline:
    say = context.say
    link = Text(say("answer.assumptions"), link="assumptions")
    key = f"answer.rests_{population.interval_given.replace(' ', '_')}"
    if not say.has(key):
        key = "answer.rests"
    return say.rich(key, method=context.sentences.say(population.method), assumptions=link)


def _disagreement(context: Context, group: Group) -> Iterator[Block]:
    """Say how far other models and methods are from the interval, where they leave it."""
    population, say = group.population, context.say
    low, high = population.interval(context.level)
    spread = population.model_range
    if spread is not None and spread.n_models > 1 and not low <= spread.low <= spread.high <= high:
        found = say.span(context.persons(spread.low), context.persons(spread.high))
        text = say(
            "answer.models_disagree",
            models=say.counted("count.models", spread.n_models),
            within=say.general(spread.within),
            criterion=spread.criterion,
            span=found,
        )
        yield Paragraph(inline(text), "warning")
    others = spread_of(group.estimates)
    if others is not None and not low <= others[0] <= others[1] <= high:
        text = say("answer.methods_disagree", span=say.span(*others))
        link = Text(say("answer.see_comparison"), link="comparison")
        yield Paragraph(inline(text, " ", link), "warning")


def _fit(context: Context, population: PopulationEstimate) -> Iterator[Block]:
    """Say that the model does not fit, or that nothing in the data can test it."""
    for text in fit_warnings(fit_record(population), len(population.lists)):
        yield Paragraph(context.translated(text), "warning")


def _worries(context: Context) -> Iterator[Block]:
    """Count the checks that give reason to worry; say what is made up."""
    say, checks = context.say, context.given.checks
    failed = sum(each.passed is False for each in checks)
    if failed:
        text = say.counted("answer.worries", failed, checks=say.number(len(checks)))
        link = Text(say("answer.see_diagnostics"), link="diagnostics")
        yield Paragraph(inline(text, " ", link), "warning")
    info = context.given.info
    if info is not None and "SYNTHETIC" in f"{info.population} {info.notes}":
        yield Paragraph(inline(say("answer.synthetic")), "warning")


def question(context: Context) -> Section:
    """Say what is asked: population, period, scope, and where the table is from."""
    say, info = context.say, context.given.info
    rows: list[Fact] = []
    if info is None:
        return Section("question", say("heading.question"))
    rows.append((say("fact.question"), _asked(context)))
    for name in ("population", "period", "scope", "source"):
        text = getattr(info, name)
        if not text and name == "scope":
            continue
        said = context.described(text, info) if text else Text(say("question.not_stated"))
        rows.append((say(f"fact.{name}"), inline(said)))
    if info.notes:
        rows.append((say("fact.notes"), inline(context.described(info.notes, info))))
    lists = say.listed(context.given.lists, 40)
    rows.append((say("fact.lists"), inline(lists)))
    return Section("question", say("heading.question"), (Facts(tuple(rows)),))


def _asked(context: Context) -> Inline:
    info, say = context.given.info, context.say
    subject = context.subject(info) if info is not None else inline(say("question.anybody"))
    if context.given.monitors:
        monitor = context.given.monitors[0]
        names = say.listed([monitor.period, *monitor.group_names])
        return say.rich("question.monitor", subject=subject, period=names)
    return say.rich("question.total", subject=subject)


# Results of kinds that the report knows nothing of: their own summaries ---------------------------


def further(context: Context) -> Section:
    """Give the summaries of further results as they are."""
    say = context.say
    parts: list[Section] = []
    if context.hides and context.given.others:
        # Nobody can tell which counts stand in a text.
        names = say.listed(type(each).__name__ for each in context.given.others)
        note = Paragraph(inline(say("disclosure.left_out", what=names)), "note")
        return Section("further", say("heading.further"), (note,))
    for i, result in enumerate(context.given.others, start=1):
        for j, part in enumerate(result._sections(), start=1):
            heading = context.named(part.heading)
            parts.append(Section(f"further-{i}-{j}", heading, tuple(_blocks(context, part))))
    return Section("further", say("heading.further"), sections=tuple(parts))


def _blocks(context: Context, part: Summarized) -> Iterator[Block]:
    language = "" if context.say.code == SOURCE else SOURCE
    if part.rows:
        yield Facts(tuple((name, context.translated(text)) for name, text in part.rows))
    yield from (Paragraph(context.translated(text)) for text in part.paragraphs)
    if part.bullets:
        yield Bullets(tuple(context.translated(text) for text in part.bullets))
    if part.verbatim:
        yield Verbatim(part.verbatim, language)


# What could not be estimated, and why -------------------------------------------------------------

#: Strata named in one line.
MOST_NAMED = 12
#: Lines beyond this many are counted.
MOST_LINES = 30


def missing(context: Context) -> Section:
    """List what the data do not determine: methods, strata, models, scenarios."""
    say = context.say
    lines = {plain(line): line for line in _lines(context)}
    items = list(lines.values())
    if not items:
        hidden = any(each.status == SUPPRESSED for each in context.given.populations)
        key = "missing.suppressed" if hidden else "missing.nothing"
        text = say(key) if context.given.estimates else ""
        said = (Paragraph(inline(text)),) if text else ()
        return Section("missing", say("heading.missing"), said)
    rest = len(items) - MOST_LINES
    shown = items[:MOST_LINES]
    if rest > 0:
        shown.append(inline(say("missing.more", n=say.number(rest))))
    blocks = (Paragraph(inline(say("missing.intro"))), Bullets(tuple(shown)))
    return Section("missing", say("heading.missing"), blocks)


def _lines(context: Context) -> Iterator[Inline]:
    for group in context.given.groups:
        for each in group.estimates:
            if not each.is_given:
                reason = context.sentences.say(each.population.reason)
                yield context.say.rich(
                    "missing.method", method=context.method(each.population), reason=reason
                )
        yield from _strata(context, group.population)
        yield from _models(context, group.population)
    for monitor in context.given.monitors:
        yield from _monitored(context, monitor)
    yield from _scenarios(context)
    for found in context.given.validations:
        for row in found.to_frame().to_dict("records"):
            if math.isnan(row["estimate"]) and not context.hides:
                reason = context.sentences.say(row["reason"])
                yield context.say.rich("missing.validation", list=row["list"], reason=reason)


def _strata(context: Context, population: PopulationEstimate) -> Iterator[Inline]:
    """Name the strata that are not estimable, by where the hidden number goes."""
    strata = population.strata
    if strata is None:
        return
    say = context.say
    lost: dict[str, list[str]] = {}
    for cell, status, limit in zip(strata.cells, strata.status, strata.limit, strict=True):
        if status not in ("ok", "boundary", SUPPRESSED):
            name = " ".join(map(str, cell))
            lost.setdefault(
                f"status.{status}" if limit == "finite" else f"limit.{limit}", []
            ).append(name)
    for key, names in lost.items():
        yield inline(
            say.counted(
                "missing.strata", len(names), names=say.listed(names, MOST_NAMED), reason=say(key)
            )
        )


def _models(context: Context, population: PopulationEstimate) -> Iterator[Inline]:
    spread = population.model_range
    if spread is not None and spread.n_not_estimable:
        say = context.say
        near = say("models.near", within=say.general(spread.within), criterion=spread.criterion)
        text = say.counted("missing.models", spread.n_not_estimable, near=near)
        yield inline(text)


def _monitored(context: Context, monitor: Monitor) -> Iterator[Inline]:
    for cell in monitor.cells.values():
        if math.isnan(cell.total) and cell.status not in (ACROSS_SCOPES, SUPPRESSED):
            labels = [f"{name} {each}" for name, each in cell.where.items()]
            labels += [] if cell.period is None else [f"{monitor.period} {cell.period}"]
            reason = context.sentences.say(cell.reason)
            yield context.say.rich("missing.cell", cell=", ".join(labels), reason=reason)


def _scenarios(context: Context) -> Iterator[Inline]:
    for found in context.given.sensitivities:
        if not isinstance(found, LeaveOneOut | MergedLists):
            continue
        key = "missing.left_out" if isinstance(found, LeaveOneOut) else "missing.merged"
        for variant in found.variants:
            if math.isnan(variant.trial.total):
                reason = context.sentences.say(variant.trial.reason)
                lists = context.say.listed(variant.lists)
                yield context.say.rich(key, lists=lists, reason=reason)


# The assumptions, in plain language ---------------------------------------------------------------


def assumptions(context: Context) -> Section:
    """Say what the estimates rest on, each assumption once."""
    say = context.say
    populations = context.given.populations
    if not populations:
        return Section("assumptions", say("heading.assumptions"))
    own = tuple(dict.fromkeys(populations[0].assumptions))
    further = dict.fromkeys(
        text for each in populations[1:] for text in each.assumptions if text not in own
    )
    blocks: list[Block] = [
        Paragraph(inline(say("assumptions.intro"))),
        Bullets(tuple(context.translated(text) for text in own)),
    ]
    if further:
        blocks.append(Paragraph(inline(say("assumptions.further"))))
        blocks.append(Bullets(tuple(context.translated(text) for text in further)))
    return Section("assumptions", say("heading.assumptions"), tuple(blocks))
