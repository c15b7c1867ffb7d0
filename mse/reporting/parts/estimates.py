"""The estimate: total, hidden, share registered, by stratum, and how far models disagree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from mse._goodness import fit_in_words
from mse._text import dependence_in_words, fit_record, kind_of_parts
from mse.monitoring.wording import SUPPRESSED
from mse.reporting.content import (
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
)
from mse.reporting.figures import (
    draws_figure,
    graph_figure,
    models_figure,
    population_figure,
    strata_figure,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence
    from typing import Any

    from mse.intervals import ModelRange
    from mse.population import PopulationEstimate
    from mse.reporting.context import Context
    from mse.reporting.evidence import Group

__all__ = ["estimates"]

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
        yield fact(say("fact.total_point"), say.count_cell(population.total))
        if not math.isnan(low):
            hidden = say.span_cell(low - n, high - n)
            yield fact(say("fact.hidden_interval", level=level), hidden)
        yield fact(say("fact.hidden_point"), say.count_cell(population.hidden))
        if low > 0 and not math.isnan(high):
            share = say.share_span_cell(n / high, n / low)
            yield fact(say("fact.share_interval", level=level), share)
        yield fact(say("fact.share_point"), say.share_cell(population.coverage))
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
    if not kind:
        return ()
    return (context.say("strata.intervals", given=context.kind_named(kind, given)),)


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
