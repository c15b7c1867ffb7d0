"""The first screen: the answer, what it is of, and what it rests on; at the end what could not be estimated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mse.answer.goodness import fit_warnings
from mse.disclosure import Protected
from mse.disclosure.scrubbing import withheld_from
from mse.reporting.figures import population_figure
from mse.reporting.parts.estimates import spread_of
from mse.reporting.parts.graded import graded_in
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
from mse.words.estimates import at_length, fit_record
from mse.words.monitors import SUPPRESSED, lost_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mse.answer.population import PopulationEstimate
    from mse.answer.shown import Section as Summarized
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
        key = "answer.no_estimate" if not context.given.reached else "answer.reached"
        blocks.append(context.paragraph(key, "lead"))
    blocks += _worries(context)
    if context.say.rounds and (
        context.given.monitors or any(each.first.is_given for each in groups)
    ):
        blocks.append(context.paragraph("answer.rounded", "note"))
    if len(groups) == 1 and groups[0].first.is_given and context.pictures:
        blocks += population_figure(context, groups[0].population)
    return Section("answer", context.say("heading.answer"), tuple(blocks))


def _of_group(context: Context, group: Group) -> Iterator[Block]:
    population = group.population
    yield Paragraph(_lead(context, group), "lead")
    if population.status == SUPPRESSED:
        return
    if group.first.is_given:
        yield Facts(tuple(_key_facts(context, group)), key=True)
        yield Paragraph(_rests(context, population))
        for text in fit_warnings(fit_record(population), len(population.lists)):
            yield Paragraph(inline(context.say.said(text)), "warning")
        yield from _disagreement(context, group)
    else:
        yield Paragraph(_because(context, population.limit), "warning")


def _lead(context: Context, group: Group) -> Inline:
    say, population = context.say, group.population
    fields: dict[str, Any] = {
        "subject": context.subject(population.info),
        "observed": context.counted(population.observed),
    }
    if population.status == SUPPRESSED:
        return say.rich("answer.suppressed", **fields)
    if not group.first.is_given:
        return say.rich("answer.lead_none", none=Text(say("answer.none"), strong=True), **fields)
    low, high = population.interval(context.level)
    if math.isnan(low) or math.isnan(high):
        total = context.bounded(population, say.number(population.total))
        point = Text(f"{total[:1].upper()}{total[1:]}", strong=True)
        return say.rich("answer.lead_point", point=point, **fields)
    span = Text(say.span(low, high, population.observed), strong=True)
    key = "answer.lead_bound" if population.lower_bound else "answer.lead"
    return say.rich(key, span=span, level=say.level(context.level), **fields)


def _because(context: Context, limit: str) -> Inline:
    """Say in plain words why there is no estimate."""
    say = context.say
    key = f"limit.{limit}" if say.has(f"limit.{limit}") else "limit.failed"
    link = Text(say("answer.see_missing"), link="missing")
    return say.rich("answer.because", reason=say(key), link=link)


def _line(context: Context, group: Group) -> Inline:
    """One of several tables in one line."""
    scope = group.info.scope or group.info.name
    return inline(_lead(context, group), f" ({scope})" if scope else "")


def _key_facts(context: Context, group: Group) -> Iterator[Fact]:
    say, population = context.say, group.population
    n, down = population.observed, -population.lower_bound
    low, high = population.interval(context.level)
    yield fact(say("fact.observed"), context.observed_cell(n))
    if not math.isnan(low):
        hidden, grid = say.span_cell(low - n, high - n), say.grid(low - n, high - n)
        point = context.bounded(population, say.number(grid.point(population.hidden, down)))
        yield fact(say("fact.hidden"), hidden, _point(context, point))
        if low > 0:
            share = say.share_span_cell(n / high, n / low)
            shown = say.share(population.coverage, say.share_grid(n / high, n / low), -down)
            point = context.bounded(population, shown, most=True)
            yield fact(say("fact.share"), share, _point(context, point))
    total = say.count_cell(population.total, context.grid(population), down)
    yield fact(say("fact.point"), context.bounded_cell(population, total))
    if population.allowing is not None and not math.isnan(low):
        alike = say.span_cell(*population.interval(context.level, "alike"), n)
        yield fact(say("fact.alike_interval", level=say.level(context.level)), alike)
    yield say("fact.grade"), graded_in(context, population.grade)


def _point(context: Context, value: str) -> str:
    return f" ({context.say('number.point', value=value)})"


def _rests(context: Context, population: PopulationEstimate) -> Inline:
    say = context.say
    link = Text(say("answer.assumptions"), link="assumptions")
    rests = f"answer.{'register_' * (len(population.lists) == 1)}rests"
    key = at_length(population.interval_given).replace("conditions.", f"{rests}_")
    method = say.said(population.method)
    return say.rich(key if say.has(key) else rests, method=method, assumptions=link)


def _disagreement(context: Context, group: Group) -> Iterator[Block]:
    """Say how far other models and methods are from the interval, where they leave it."""
    population, say = group.population, context.say
    low, high = population.interval(context.level)
    spread = population.model_range
    if spread is not None and spread.n_models > 1 and not low <= spread.low <= spread.high <= high:
        yield context.paragraph(
            "answer.models_disagree",
            "warning",
            models=say("count.models", n=spread.n_models),
            within=spread.within,
            criterion=spread.criterion,
            span=context.range(context.persons(spread.low), context.persons(spread.high)),
        )
    others = spread_of(group.estimates)
    if others is not None and not low <= others[0] <= others[1] <= high:
        text = say("answer.methods_disagree", span=context.range(*others))
        yield _linked(text, Text(say("answer.see_comparison"), link="others"))


def _linked(text: str, link: Text) -> Block:
    return Paragraph(inline(text, " ", link), "warning")


def _worries(context: Context) -> Iterator[Block]:
    """Count the checks that give reason to worry; say what is made up."""
    say, checks = context.say, context.given.checks
    failed = sum(each.passed is False for each in checks)
    if failed:
        text = say("answer.worries", n=failed, checks=len(checks))
        yield _linked(text, Text(say("answer.see_diagnostics"), link="worries"))
    info = context.given.info
    if info is not None and "SYNTHETIC" in f"{info.population} {info.notes}":
        yield context.paragraph("answer.synthetic", "warning")


def question(context: Context) -> Section:
    """Say what is asked: population, period, scope, and where the table is from."""
    say, info = context.say, context.given.info
    if info is None:
        return Section("question", say("heading.question"))
    rows: list[Fact] = [(say("fact.question"), _asked(context))]
    for name in ("population", "period", "scope", "source"):
        text = getattr(info, name)
        if text or name != "scope":
            said = context.described(text, info) if text else say("question.not_stated")
            rows.append((say(f"fact.{name}"), inline(said)))
    return Section("question", say("heading.question"), (Facts(tuple(rows)),))


def _asked(context: Context) -> Inline:
    info, say = context.given.info, context.say
    subject = context.subject(info) if info is not None else inline(say("question.anybody"))
    if context.given.monitors:
        monitor = context.given.monitors[0]
        names = say.listed([monitor.period, *monitor.group_names])
        return say.rich("question.monitor", subject=subject, period=names)
    one = len(context.given.lists) == 1
    return say.rich(f"question.total{'_register' * one}", subject=subject)


# Results of kinds that the report knows nothing of: their own summaries ---------------------------


def further(context: Context) -> Section:
    """Give the sections of further results as they are."""
    say, others = context.say, context.given.others
    notes: list[Block] = []
    if context.hides:
        # Nobody can tell which counts stand in a text that was not protected.
        lost = [type(each).__name__ for each in others if not isinstance(each, Protected)]
        if lost:
            notes = [context.paragraph("disclosure.left_out", "note", what=say.listed(lost))]
        others = tuple(each for each in others if isinstance(each, Protected))
    parts = tuple(
        Section(f"further-{i}-{j}", context.named(part.heading), tuple(_blocks(context, part)))
        for i, result in enumerate(others, start=1)
        for j, part in enumerate(result._sections(), start=1)
    )
    return Section("further", say("heading.further"), tuple(notes), parts)


def _blocks(context: Context, part: Summarized) -> Iterator[Block]:
    said = context.say.said
    if part.rows:
        yield Facts(tuple((name, inline(said(text))) for name, text in part.rows))
    yield from (Paragraph(inline(said(text))) for text in part.paragraphs)
    if part.bullets:
        yield Bullets(tuple(inline(said(text)) for text in part.bullets))
    if part.verbatim:
        yield Verbatim(part.verbatim, "" if context.say.code == SOURCE else SOURCE)


# What could not be estimated, and why -------------------------------------------------------------

#: Strata named in one line.
MOST_NAMED = 12
#: Lines beyond this many are counted.
MOST_LINES = 30


def missing(context: Context) -> Section:
    """List what the data do not determine: methods, strata, models, scenarios."""
    say = context.say
    items = [*{plain(line): line for line in _lines(context)}.values()]
    if items:
        rest = context.rest(items, MOST_LINES, "missing.more")
        shown = (*items[:MOST_LINES], *(inline(text) for text in rest))
        blocks: tuple[Block, ...] = (context.paragraph("missing.intro"), Bullets(shown))
        return Section("missing", say("heading.missing"), blocks)
    hidden = any(each.status == SUPPRESSED for each in context.given.populations)
    key = "missing.suppressed" if hidden else "missing.nothing"
    blocks = (context.paragraph(key),) if context.given.estimates else ()
    return Section("missing", say("heading.missing"), blocks)


def _lines(context: Context) -> Iterator[Inline]:
    say = context.say
    for group in context.given.groups:
        for each in group.estimates:
            if not each.is_given:
                reason = say.said(each.population.reason)
                method = context.method(each.population)
                yield say.rich("missing.method", method=method, reason=reason)
        yield from _strata(context, group.population)
        spread = group.population.model_range
        if spread is not None and spread.n_not_estimable:
            near = say("models.near", within=spread.within, criterion=spread.criterion)
            yield inline(say("missing.models", n=spread.n_not_estimable, near=near))
    for monitor in context.given.monitors:
        for name, cell in lost_cells(monitor):
            yield say.rich("missing.cell", cell=name, reason=say.said(cell.reason))
    yield from _scenarios(context)
    for found in context.given.validations:
        for row in found.to_frame().to_dict("records"):
            if math.isnan(row["estimate"]) and not context.hides:
                reason = say.said(row["reason"])
                yield say.rich("missing.validation", list=row["list"], reason=reason)


def _strata(context: Context, population: PopulationEstimate) -> Iterator[Inline]:
    """Name the strata that are not estimable, by where the hidden number goes."""
    strata, say = population.strata, context.say
    if strata is None:
        return
    lost: dict[str, list[str]] = {}
    for cell, status, limit in zip(strata.cells, strata.status, strata.limit, strict=True):
        if status not in ("ok", "boundary", SUPPRESSED):
            why = f"status.{status}" if limit == "finite" else f"limit.{limit}"
            lost.setdefault(why, []).append(" ".join(map(str, cell)))
    for key, names in lost.items():
        shown = say.listed(names, MOST_NAMED)
        yield inline(say("missing.strata", n=len(names), names=shown, reason=say(key)))


def _scenarios(context: Context) -> Iterator[Inline]:
    for found in context.given.sensitivities:
        if not isinstance(found, LeaveOneOut | MergedLists):
            continue
        key = "missing.left_out" if isinstance(found, LeaveOneOut) else "missing.merged"
        for variant in found.variants:
            if math.isnan(variant.trial.total):
                reason = context.say.said(withheld_from(variant.trial.reason, context.rules))
                lists = context.say.listed(variant.lists)
                yield context.say.rich(key, lists=lists, reason=reason)


# The assumptions, in plain language ---------------------------------------------------------------


def assumptions(context: Context) -> Section:
    """Say what the estimate rests on."""
    heading, populations = context.say("heading.assumptions"), context.given.populations
    if not populations:
        return Section("assumptions", heading)
    blocks = (context.paragraph("assumptions.intro"), _assumed(context, populations[0].assumptions))
    return Section("assumptions", heading, blocks)


def further_assumptions(context: Context) -> Section:
    """Say what the other estimates rest on beside these, each assumption once."""
    heading, populations = context.say("heading.further_assumptions"), context.given.populations
    own = set(populations[0].assumptions) if populations else set()
    rest = dict.fromkeys(
        text for each in populations[1:] for text in each.assumptions if text not in own
    )
    blocks = (context.paragraph("assumptions.further"), _assumed(context, rest)) if rest else ()
    return Section("further-assumptions", heading, blocks)


def _assumed(context: Context, texts: Iterable[str]) -> Bullets:
    return Bullets(tuple(inline(context.say.said(text)) for text in dict.fromkeys(texts)))
