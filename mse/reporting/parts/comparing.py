"""Methods side by side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mse._goodness import fits_poorly, short_p
from mse._text import fit_record
from mse.reporting.content import (
    Block,
    Bullets,
    Cell,
    Column,
    Paragraph,
    Section,
    Table,
    inline,
    plain,
)
from mse.reporting.figures import methods_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse.population import PopulationEstimate
    from mse.reporting.context import Context
    from mse.reporting.evidence import Estimated, Group

__all__ = ["comparison", "method_table", "spread_of"]


def comparison(context: Context) -> Section:
    """Put the methods that were tried on one table side by side."""
    say = context.say
    several = [group for group in context.given.groups if len(group.estimates) > 1]
    parts = [
        Section(f"comparison-{i}", _name(context, group, i), tuple(_blocks(context, group)))
        for i, group in enumerate(several, start=1)
    ]
    if len(parts) == 1:
        return Section("comparison", say("heading.comparison"), parts[0].blocks)
    return Section("comparison", say("heading.comparison"), sections=tuple(parts))


def _name(context: Context, group: Group, i: int) -> str:
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
    if context.pictures and any(each.is_given for each in group.estimates):
        yield from methods_figure(context, group)
    given = dict.fromkeys(_granted(context, group))
    if given:
        yield Paragraph(inline(say("comparison.granted")))
        yield Bullets(tuple(inline(text) for text in given))


def _granted(context: Context, group: Group) -> Iterator[str]:
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
        rows.append(
            (
                Cell(plain(method), each.estimator or plain(method), method[0].language),
                say.span_cell(low, high),
                say.count_cell(population.total) if not math.isnan(population.total) else Cell("-"),
                Cell(context.kind(population), population.interval_kind or None),
                _fit_cell(context, population),
                say.status_cell(population.status),
            )
        )
    return Table(say("caption.comparison"), columns, tuple(rows))
