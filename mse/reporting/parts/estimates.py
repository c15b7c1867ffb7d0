"""The estimate: total, hidden, share registered, by stratum, and how far models disagree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from mse.answer.goodness import fit_in_words, fits_poorly, short_p
from mse.reporting.figures import (
    draws_figure,
    graph_figure,
    methods_figure,
    models_figure,
    population_figure,
    strata_figure,
)
from mse.words.content import (
    Block,
    Bullets,
    Cell,
    Column,
    Fact,
    Facts,
    Paragraph,
    Section,
    Table,
    fact,
    inline,
    plain,
)
from mse.words.estimates import dependence_in_words, fit_record, kind_of_parts
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence
    from typing import Any

    from mse.answer.intervals import ModelRange
    from mse.answer.population import PopulationEstimate
    from mse.reporting.context import Context, Estimated, Group

#: More strata than this are shown by one covariate at a time.
MOST_STRATA = 24
#: More levels than this are cut off, and said to be.
MOST_LEVELS = 60


def estimates(context: Context) -> Section:
    """Give the estimate of each table, its strata, and what its interval takes for granted."""
    say = context.say
    groups = context.given.groups
    parts = [
        Section(f"estimate-{i}", _name(context, group, i), *_of_group(context, group, i))
        for i, group in enumerate(groups, start=1)
    ]
    if len(parts) == 1:
        return Section("estimate", say("heading.estimate"), parts[0].blocks, parts[0].sections)
    return Section("estimate", say("heading.estimate"), sections=tuple(parts))


def _name(context: Context, group: Group, i: int) -> str:
    info = group.info
    return info.scope or info.name or context.say("question.table", n=context.say.number(i))


def _of_group(
    context: Context, group: Group, i: int
) -> tuple[tuple[Block, ...], tuple[Section, ...]]:
    population, say = group.population, context.say
    blocks: list[Block] = [Facts(tuple(_rows(context, population)))]
    conditions = context.conditions(population)
    if conditions:
        blocks.append(Paragraph(conditions))
    if context.pictures and group.first.is_given:
        blocks += population_figure(context, population)
        blocks += draws_figure(context, population)
        # It shows odds ratios and sizes of lists to the person.
        blocks += [] if context.hides else graph_figure(context, group)
    sections = [
        Section(f"models-{i}", say("heading.models"), tuple(_models(context, group))),
        Section(f"strata-{i}", say("heading.strata"), tuple(_strata(context, population))),
        Section(f"notes-{i}", say("heading.warnings"), tuple(_warnings(context, population))),
    ]
    return tuple(blocks), tuple(each for each in sections if not each.is_empty)


def _rows(context: Context, population: PopulationEstimate) -> Iterator[Fact]:
    """Figures and method, each interval before its point."""
    say, n = context.say, population.observed
    level = say.level(context.level)
    low, high = population.interval(context.level)
    yield fact(say("fact.observed"), context.observed_cell(n))
    if not math.isnan(population.total):
        kind = f" ({context.kind(population)})"
        if not math.isnan(low):
            yield fact(say("fact.total_interval", level=level), say.span_cell(low, high), kind)
        total = context.bounded_cell(population, say.count_cell(population.total))
        yield fact(say("fact.total_point"), total)
        if not math.isnan(low):
            hidden = say.span_cell(low - n, high - n)
            yield fact(say("fact.hidden_interval", level=level), hidden)
        hidden = context.bounded_cell(population, say.count_cell(population.hidden))
        yield fact(say("fact.hidden_point"), hidden)
        if low > 0 and not math.isnan(high):
            share = say.share_span_cell(n / high, n / low)
            yield fact(say("fact.share_interval", level=level), share)
        share = say.share_cell(population.coverage)
        yield fact(say("fact.share_point"), context.bounded_cell(population, share, most=True))
        if population.lower_bound:
            yield say("fact.bound"), inline(say("estimate.bound"))
    yield say("fact.method"), context.translated(population.method)
    if population.model:
        yield say("fact.model"), inline(population.model)
    dependence = _dependence(context, population)
    if dependence:
        yield say("fact.dependence"), inline(dependence)
    record = fit_record(population)
    if record is not None:
        yield say("fact.fit"), context.translated(fit_in_words(record))
    yield say("fact.status"), inline(context.status(population))
    if population.reason:
        yield say("fact.reason"), context.translated(population.reason)


def _dependence(context: Context, population: PopulationEstimate) -> str:
    """Say which lists the model lets depend on each other."""
    found = dependence_in_words(population.model, population.lists)
    if found.startswith("none:"):
        return context.say("estimate.independent")
    return found.replace(" with ", f" {context.say('list.with')} ")


def _models(context: Context, group: Group) -> Iterator[Block]:
    spread, say = group.population.model_range, context.say
    if spread is None or spread.n_models == 1:
        return
    yield Paragraph(inline(_range_text(context, spread)))
    low, high = group.population.interval(context.level)
    if spread.low < low or spread.high > high:
        yield Paragraph(inline(say("models.wider")), "warning")
    yield Paragraph(inline(say("models.alike")))
    if context.pictures and not context.hides:
        yield from models_figure(context, group)


def _range_text(context: Context, spread: ModelRange) -> str:
    say = context.say
    near = say("models.near", within=say.general(spread.within), criterion=spread.criterion)
    failed = ""
    if spread.n_not_estimable:
        failed = " " + say.counted("models.failed", spread.n_not_estimable)
    if spread.n_models == 0:
        return say("models.none", near=near) + failed
    low, high = context.persons(spread.low), context.persons(spread.high)
    return (
        say("models.range", n=say.number(spread.n_models), near=near, span=say.span(low, high))
        + failed
    )


def _warnings(context: Context, population: PopulationEstimate) -> Iterator[Block]:
    items = tuple(
        context.translated(each) for each in population.warnings if each != population.reason
    )
    if items:
        yield Bullets(items)


# Strata ------------------------------------------------------------------------------------------


def _strata(context: Context, population: PopulationEstimate) -> Iterator[Block]:
    strata = population.strata
    if strata is None:
        return
    say = context.say
    chosen: list[tuple[str, ...]] = [(name,) for name in strata.names]
    if len(strata.names) > 1 and len(strata.cells) <= MOST_STRATA:
        chosen.append(strata.names)
    for names in chosen:
        frame = population.margin(*names, level=context.level)
        yield _strata_table(context, frame, names, _granted(context, population))
        if context.pictures and len(names) == 1 and frame["total"].notna().any():
            yield from strata_figure(context, population, names[0], frame)
    if len(strata.names) > 1 and len(strata.cells) > MOST_STRATA:
        yield Paragraph(inline(say("strata.too_many", n=say.number(len(strata.cells)))), "note")


def _granted(context: Context, population: PopulationEstimate) -> tuple[str, ...]:
    """Say what the intervals by group take for granted, which need not be that of the total."""
    kind, given = kind_of_parts(population)
    bound = (context.say("strata.bound"),) if population.lower_bound else ()
    if not kind:
        return bound
    return (context.say("strata.intervals", given=context.kind_named(kind, given)), *bound)


def _strata_table(
    context: Context, frame: pd.DataFrame, names: Sequence[str], granted: tuple[str, ...]
) -> Table:
    say = context.say
    columns = (
        *(Column(str(name)) for name in names),
        Column(say("column.registered"), figures=True),
        Column(context.interval_heading, figures=True),
        Column(say("column.total_point"), figures=True),
        Column(say("column.hidden_point"), figures=True),
        Column(say("column.share_point"), figures=True),
        Column(say("column.status")),
    )
    rows = tuple(
        _strata_row(context, row, names) for row in frame.head(MOST_LEVELS).to_dict("records")
    )
    notes = [*granted] if frame["low"].notna().any() else []
    if len(frame) > MOST_LEVELS:
        notes.append(say.counted("table.more_rows", len(frame) - MOST_LEVELS))
    if (frame["status"] == SUPPRESSED).any():
        notes.append(say("disclosure.marked"))
    return Table(say("caption.strata", names=say.listed(names)), columns, rows, tuple(notes))


def _strata_row(
    context: Context, row: Mapping[Hashable, Any], names: Sequence[str]
) -> tuple[Cell, ...]:
    say = context.say
    observed = math.nan if pd.isna(row["observed"]) else float(row["observed"])
    figures = (
        say.span_cell(row["low"], row["high"]),
        say.count_cell(row["total"]),
        say.count_cell(row["hidden"]),
        say.share_cell(row["coverage"]),
    )
    if row["status"] == SUPPRESSED:
        figures = (Cell(say("disclosure.mark")),) * len(figures)  # type: ignore[assignment]
    return (
        *(Cell(str(row[name]), str(row[name])) for name in names),
        context.observed_cell(observed),
        *figures,
        say.status_cell(row["status"]),
    )


# Methods side by side -----------------------------------------------------------------------------


def comparison(context: Context) -> Section:
    """Put the methods that were tried on one table side by side."""
    say = context.say
    several = [group for group in context.given.groups if len(group.estimates) > 1]
    parts = [
        Section(f"comparison-{i}", _method_name(context, group, i), tuple(_blocks(context, group)))
        for i, group in enumerate(several, start=1)
    ]
    if len(parts) == 1:
        return Section("comparison", say("heading.comparison"), parts[0].blocks)
    return Section("comparison", say("heading.comparison"), sections=tuple(parts))


def _method_name(context: Context, group: Group, i: int) -> str:
    info = group.info
    return info.scope or info.name or context.say("question.table", n=context.say.number(i))


def spread_of(estimates: Sequence[Estimated]) -> tuple[float, float] | None:
    """Smallest and largest total, where there are several."""
    totals = [each.population.total for each in estimates if each.is_given]
    return (min(totals), max(totals)) if len(totals) > 1 else None


def _blocks(context: Context, group: Group) -> Iterator[Block]:
    say = context.say
    two = any(len(each.population.lists) == 2 for each in group.estimates)
    yield Paragraph(inline(say("comparison.intro_two" if two else "comparison.intro")))
    spread = spread_of(group.estimates)
    if spread is not None:
        low, high = spread
        text = say(
            "comparison.spread",
            n=say.number(sum(each.is_given for each in group.estimates)),
            span=say.span(low, high),
            factor=say.general(high / low, 2 if high >= 1.1 * low else 3),
        )
        yield Paragraph(inline(text))
    yield method_table(context, group.estimates)
    if any(each.is_given and each.population.lower_bound for each in group.estimates):
        yield Paragraph(inline(say("comparison.bound")))
    if context.pictures and any(each.is_given for each in group.estimates):
        yield from methods_figure(context, group)
    given = dict.fromkeys(_granted_to_all(context, group))
    if given:
        yield Paragraph(inline(say("comparison.granted")))
        yield Bullets(tuple(inline(text) for text in given))


def _granted_to_all(context: Context, group: Group) -> Iterator[str]:
    """Say of each kind of interval what it takes for granted."""
    for each in group.estimates:
        said = plain(context.conditions(each.population))
        if said:
            kind = context.kind(each.population, brief=True)
            kind = f"{kind[:1].upper()}{kind[1:]}"
            yield context.say("comparison.granted_by", kind=kind, text=said)


def _fit_cell(context: Context, population: PopulationEstimate) -> Cell:
    """Say in a cell how the model that an estimate names fits."""
    record, say = fit_record(population), context.say
    if record is None:
        return Cell("-")
    if not record["df"]:
        return Cell(say("fit.untested"))
    key = "fit.poor" if fits_poorly(record) else "fit.p"
    return Cell(say(key, p=say.localized(short_p(record["p_value"]))), record["p_value"])


def method_table(context: Context, estimates: Sequence[Estimated]) -> Table:
    """Make a table with a row for each estimate, intervals before points."""
    say = context.say
    columns = (
        Column(say("column.method")),
        Column(context.interval_heading, figures=True),
        Column(say("column.point"), figures=True),
        Column(say("column.interval_kind")),
        Column(say("column.fit")),
        Column(say("column.status")),
    )
    rows = []
    for each in estimates:
        population = each.population
        method = context.method(population)
        low, high = population.interval(context.level)
        total = context.bounded_cell(population, say.count_cell(population.total))
        rows.append(
            (
                Cell(plain(method), each.estimator or plain(method), method[0].language),
                say.span_cell(low, high),
                Cell("-") if math.isnan(population.total) else total,
                Cell(context.kind(population), population.interval_kind or None),
                _fit_cell(context, population),
                say.status_cell(population.status),
            )
        )
    return Table(say("caption.comparison"), columns, tuple(rows))
