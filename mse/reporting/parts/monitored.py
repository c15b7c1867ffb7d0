"""The monitor: how many per period and group, is it rising, what share is registered."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from mse.messages import MARK
from mse.monitoring.draws import PER
from mse.monitoring.result import ACROSS_SCOPES
from mse.reporting.context import from_row
from mse.reporting.figures import by_period_figure
from mse.reporting.parts.graded import graded_in
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
    Text,
    inline,
)
from mse.words.estimates import at_length
from mse.words.monitors import (
    SUPPRESSED,
    compared,
    compared_by,
    known_periods,
    late_messages,
    period_name,
    relative,
    rows_by,
    scope_starts,
    verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mse._typing import Level
    from mse.monitoring import Monitor
    from mse.monitoring.draws import Figure as Estimated
    from mse.monitoring.result import Cell as Figures
    from mse.monitoring.result import Change
    from mse.reporting.context import Context, Shown
    from mse.words.content import Inline

__all__ = ["monitor_answer", "monitored", "monitored_further"]

#: More rows than this are cut off, and said to be.
MOST_ROWS = 80


def monitor_answer(context: Context, monitor: Monitor) -> Iterator[Block]:
    """Say how many in the last period with an estimate, and what changed since the first."""
    say = context.say
    known = known_periods(monitor)
    if not known:
        subject = context.subject(monitor.population.info)
        if SUPPRESSED in {cell.status for cell in monitor.cells.values()}:
            # That it is withheld does not say that the data determine nothing.
            yield Paragraph(say.rich("answer.suppressed", subject=subject), "lead")
            return
        observed = context.counted(monitor.population.observed)
        none = Text(say("answer.none"), strong=True)
        lead = say.rich("answer.lead_none", none=none, subject=subject, observed=observed)
        yield Paragraph(lead, "lead")
        return
    yield Paragraph(_lead(context, monitor, known[-1]), "lead")
    if monitor.preliminary:
        yield Paragraph(inline(say.said(next(late_messages(monitor)))), "warning")
    yield Facts(tuple(_key_facts(context, monitor, known)), key=True)
    method = say.said(monitor.population.method)
    link = Text(say("answer.assumptions"), link="assumptions")
    draws = say.number(monitor.replicates)
    yield Paragraph(say.rich("monitor.rests", method=method, draws=draws, assumptions=link))
    if monitor.population.lower_bound:
        yield context.paragraph("monitor.bound", "warning")
    if monitor.breaks and not monitor.across_scopes:
        where = ", ".join(f"{a} {say('list.last')} {b}" for a, b in monitor.breaks)
        yield context.paragraph("monitor.break", "warning", where=where)


def _lead(context: Context, monitor: Monitor, period: Level) -> Inline:
    say, cell = context.say, monitor.cells[period, ()]
    total = cell.figures["total"]
    bare = math.isnan(total.low)
    span = say.number(total.point) if bare else say.span(total.low, total.high, cell.observed)
    return say.rich(
        "monitor.lead",
        span=Text(span, strong=True),
        level=say.level(monitor.level),
        period=period_name(say, monitor, period),
        subject=context.subject(monitor.population.info),
        observed=context.counted(cell.observed),
    )


def _key_facts(context: Context, monitor: Monitor, known: list[Level]) -> Iterator[Fact]:
    say, (first, last) = context.say, (known[0], known[-1])
    cell = monitor.cells[last, ()]
    name = period_name(say, monitor, last)
    yield say("monitor.fact_registered", period=name), inline(context.counted(cell.observed))
    share = cell.figures["coverage"]
    if not math.isnan(share.low):
        yield say("monitor.fact_share", period=name), inline(_share(context, share))
    if first != last:
        change = _short(context, monitor, monitor.compare(first, last, ()))
        yield say("monitor.fact_change", first=first, last=name), inline(change)
    yield say("monitor.fact_grade", period=name), graded_in(context, cell.grade)


def _share(context: Context, each: Estimated) -> str:
    say = context.say
    if math.isnan(each.low):
        return say.percent(each.point)
    shown = say.share(each.point, say.share_grid(each.low, each.high))
    point = say("number.point", value=shown)
    return f"{say.share_span(each.low, each.high)} ({point})"


def monitored(context: Context) -> Section:
    """Give the figures of the monitors by period."""
    return _gathered(context, "monitor", _sections)


def monitored_further(context: Context) -> Section:
    """Give the figures of the monitors by group, and what all of them take for granted."""
    return _gathered(context, "monitor_further", _further)


def _gathered(
    context: Context, name: str, sections: Callable[[Context, Monitor, int], Iterator[Section]]
) -> Section:
    """Put the sections of all monitors together."""
    found = (
        section
        for i, monitor in enumerate(context.given.monitors, start=1)
        for section in sections(context, monitor, i)
        if not section.is_empty
    )
    heading = context.say(f"heading.{name}")
    return Section(name.replace("_", "-"), heading, sections=tuple(found))


def _sections(context: Context, monitor: Monitor, i: int) -> Iterator[Section]:
    say = context.say

    def part(name: str, heading: str, *blocks: Block) -> Section:
        return Section(f"monitor-{name}-{i}", heading, blocks)

    def drawn(blocks: Iterator[Block]) -> Iterator[Block]:
        return blocks if context.pictures else iter(())

    changes = (_change(context, monitor, each) for each in compared(monitor))
    rows: list[tuple[Figures, list[Level]]] = [
        (monitor.cells[each, ()], [period_name(say, monitor, each)]) for each in monitor.levels
    ]
    late = _bullets(inline(say.said(each)) for each in late_messages(monitor))
    yield part("late", say("late.heading"), *late)
    table = _table(context, monitor, rows, [monitor.period])
    heading = say("monitor.by_period", period=monitor.period)
    yield part(
        "periods", heading, table, *drawn(by_period_figure(context, monitor, "trend", "total"))
    )
    yield part("changes", say("monitor.rising"), *_bullets(map(inline, changes)))
    seen = _bullets(_seen(context, monitor))
    if seen:
        figure = drawn(by_period_figure(context, monitor, "coverage", "coverage"))
        yield part("share", say("monitor.share"), *seen, *figure)


def _further(context: Context, monitor: Monitor, i: int) -> Iterator[Section]:
    say = context.say
    for j, name in enumerate(monitor.group_names, start=1):
        heading = say("monitor.by_group", group=name)
        yield Section(f"monitor-group-{i}-{j}", heading, tuple(_group(context, monitor, name)))
    scopes = _bullets(_scopes(context, monitor))
    yield Section(f"monitor-scopes-{i}", say("monitor.scopes"), scopes)
    notes = _bullets(inline(say.said(each)) for each in monitor.notes)
    given = (Paragraph(inline(_given(context, monitor))), *notes)
    yield Section(f"monitor-given-{i}", say("monitor.granted"), given)


def _bullets(items: Iterator[Inline]) -> tuple[Block, ...]:
    """Make a list of lines, where there are any."""
    found = tuple(items)
    return (Bullets(found),) if found else ()


def _given(context: Context, monitor: Monitor) -> str:
    key = at_length(monitor.joint.given)
    joint = context.say("monitor.joint", draws=monitor.replicates)
    return f"{joint} {context.say(key)}" if context.say.has(key) else joint


# Tables ------------------------------------------------------------------------------------------


def _table(
    context: Context, monitor: Monitor, rows: list[tuple[Figures, list[Level]]], names: list[str]
) -> Table:
    say = context.say
    level = say.level(monitor.level)

    def of(
        name: str, make: Callable[[Estimated], Cell]
    ) -> Callable[[tuple[Figures, object]], Cell]:
        """Make a cell of a figure; where there is no estimate, its status stands in the first one."""

        def cell(row: tuple[Figures, object]) -> Cell:
            if not math.isnan(row[0].figures["total"].point):
                return make(row[0].figures[name])
            return say.status_cell(row[0].status) if make is total else Cell("-")

        return cell

    def total(each: Estimated) -> Cell:
        return say.span_cell(each.low, each.high)

    def alike(row: tuple[Figures, object]) -> Cell:
        cell = row[0]
        other = monitor.alike.cells[cell.period, tuple(cell.where.items())]
        return total(other.figures["total"]) if math.isfinite(other.total) else Cell("-")

    columns: list[Shown] = [
        (Column(name), from_row(1, from_row(at))) for at, name in enumerate(names)
    ]
    columns += [
        context.figures("registered", lambda row: context.observed_cell(row[0].observed)),
        context.words(
            "grade",
            lambda row: (
                Cell(MARK) if row[0].status == SUPPRESSED else say.grade_cell(row[0].grade.letter)
            ),
        ),
        context.figures("total_interval", of("total", total), level=level),
        *(
            [context.figures("alike_interval", alike, level=level)]
            if monitor.alike is not monitor
            else []
        ),
        context.figures("point", of("total", partial(_point_cell, context))),
        context.figures(
            "share_interval",
            of("coverage", lambda each: say.share_span_cell(each.low, each.high)),
            level=level,
        ),
        context.figures("point", of("coverage", partial(_share_cell, context))),
    ]
    # Inhabitants may be known by period and not by group.
    if any(math.isfinite(cell.inhabitants) for cell, _ in rows):
        rate = of("rate", lambda each: say.rate_span_cell(each.low, each.high))
        middle = of("rate", lambda each: say.rate_cell(each.point, each.low, each.high))
        columns.append(context.figures("rate", rate, per=say.number(PER), level=level))
        columns.append(context.figures("point", middle))
    suppressed = any(cell.status == SUPPRESSED for cell, _ in rows)
    notes = (*context.rest(rows, MOST_ROWS), *context.marked(suppressed=suppressed))
    caption = say("caption.monitor", names=say.listed(names))
    return context.table(caption, columns, rows[:MOST_ROWS], notes)


def _point_cell(context: Context, each: Estimated) -> Cell:
    return context.say.count_cell(each.point, context.say.grid(each.low, each.high))


def _share_cell(context: Context, each: Estimated) -> Cell:
    return context.say.share_cell(each.point, context.say.share_grid(each.low, each.high))


def _group(context: Context, monitor: Monitor, name: str) -> Iterator[Block]:
    everything = context.say("monitor.all")
    rows: list[tuple[Figures, list[Level]]] = [
        (cell, [each, everything if period is None else period_name(context.say, monitor, period)])
        for cell, period, each in rows_by(monitor, name)
    ]
    yield _table(context, monitor, rows, [name, monitor.period])
    yield from _bullets(
        inline(f"{each}: ", _change(context, monitor, change))
        for each, change in compared_by(monitor, name)
    )


# Sentences ---------------------------------------------------------------------------------------


def _change(context: Context, monitor: Monitor, change: Change) -> str:
    say = context.say
    first, last = (period_name(say, monitor, each) for each in (change.first, change.last))
    between = say("change.between", first=first, last=last)
    if change.status == ACROSS_SCOPES:
        return f"{between}: {say('change.scopes')}"
    if change.status == SUPPRESSED:
        return f"{between}: {say('status.suppressed')}."
    parts = [f"{between}: {_short(context, monitor, change)}."]
    if not math.isnan(change.difference.low):
        parts.append(say("change.rise", probability=say.probability(change.rise)))
    if change.undetermined:
        fields = {"n": change.undetermined, "draws": monitor.replicates}
        parts.append(say("change.undetermined", **fields))
    return " ".join(parts)


def _short(context: Context, monitor: Monitor, change: Change) -> str:
    """Give the verdict and the interval of a change."""
    say = context.say
    if change.status == ACROSS_SCOPES:
        return say("change.scopes_short")
    if math.isnan(change.difference.point):
        return say("change.none", status=say(f"status.{change.status}"))
    point, low, high = (relative(say, each) for each in change.ratio)
    if math.isnan(change.difference.low):
        return say("change.point", point=point)
    found = verdict(say, monitor, change)
    return say("change.text", verdict=found, low=low, high=high, point=point)


def _seen(context: Context, monitor: Monitor) -> Iterator[Inline]:
    say = context.say
    known = known_periods(monitor, "coverage")
    for each in dict.fromkeys([*known[:1], *known[-1:]]):
        share = _share(context, monitor.cells[each, ()].figures["coverage"])
        yield inline(say("monitor.seen", period=period_name(say, monitor, each), share=share))
    if len(known) < 2:
        return
    first, last = known[0], known[-1]
    found = monitor.compare(first, last, ()).coverage_difference
    if not math.isnan(found.low):
        point, low, high = (say.signed(100 * each, 1) for each in found)
        ends = {"first": first, "last": last, "low": low, "high": high}
        yield inline(say("monitor.seen_change", **ends, point=point))


def _scopes(context: Context, monitor: Monitor) -> Iterator[Inline]:
    say, info = context.say, monitor.population.info
    for each in scope_starts(monitor):
        scope = context.described(monitor.scopes[each], info)
        yield say.rich("monitor.scope", period=str(each), scope=scope)
    if monitor.breaks:
        yield inline(say("monitor.across" if monitor.across_scopes else "monitor.not_across"))
