"""The monitor: how many per period and group, is it rising, what share is registered."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from mse.monitoring.draws import PER
from mse.monitoring.result import ACROSS_SCOPES
from mse.reporting.figures import coverage_figure, group_figure, trend_figure
from mse.words.content import (
    Block,
    Bullets,
    Cell,
    Column,
    Facts,
    Paragraph,
    Section,
    Table,
    Text,
    inline,
)
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mse._typing import Level
    from mse.monitoring import Monitor
    from mse.monitoring.draws import Figure as Estimated
    from mse.monitoring.result import Cell as Figures
    from mse.monitoring.result import Change
    from mse.reporting.context import Context
    from mse.words.content import Inline

__all__ = ["monitor_answer", "monitored"]

#: More rows than this are cut off, and said to be.
MOST_ROWS = 80
#: Changes between neighboring periods, the last ones.
MOST_CHANGES = 15


def monitor_answer(context: Context, monitor: Monitor) -> Iterator[Block]:
    """Say how many in the last period with an estimate, and what changed since the first."""
    say = context.say
    known = [each for each in monitor.levels if not math.isnan(monitor.cells[each, ()].total)]
    if not known:
        subject = context.subject(monitor.population.info)
        observed = context.counted(monitor.population.observed)
        none = Text(say("answer.none"), strong=True)
        lead = say.rich("answer.lead_none", none=none, subject=subject, observed=observed)
        yield Paragraph(lead, "lead")
        return
    yield Paragraph(_lead(context, monitor, known[-1]), "lead")
    yield Facts(tuple(_key_facts(context, monitor, known)), key=True)
    method = context.sentences.say(monitor.population.method)
    link = Text(say("answer.assumptions"), link="assumptions")
    yield Paragraph(
        say.rich(
            "monitor.rests", method=method, draws=say.number(monitor.replicates), assumptions=link
        )
    )
    if monitor.population.lower_bound:
        yield Paragraph(inline(say("monitor.bound")), "warning")
    if monitor.breaks and not monitor.across_scopes:
        where = ", ".join(f"{a} {say('list.last')} {b}" for a, b in monitor.breaks)
        yield Paragraph(inline(say("monitor.break", where=where)), "warning")


def _lead(context: Context, monitor: Monitor, period: Level) -> Inline:
    say, cell = context.say, monitor.cells[period, ()]
    total = cell.figures["total"]
    span = say.span(total.low, total.high)
    if math.isnan(total.low):
        span = say.number(total.point)
    return say.rich(
        "monitor.lead",
        span=Text(span, strong=True),
        level=say.level(monitor.level),
        period=str(period),
        subject=context.subject(monitor.population.info),
        observed=context.counted(cell.observed),
    )


def _key_facts(
    context: Context, monitor: Monitor, known: list[Level]
) -> Iterator[tuple[str, Inline]]:
    say = context.say
    first, last = known[0], known[-1]
    cell = monitor.cells[last, ()]
    yield say("monitor.fact_registered", period=str(last)), inline(context.counted(cell.observed))
    share = cell.figures["coverage"]
    if not math.isnan(share.low):
        yield say("monitor.fact_share", period=str(last)), inline(_share(context, share))
    if first != last:
        change = monitor.compare(first, last, ())
        label = say("monitor.fact_change", first=str(first), last=str(last))
        yield label, inline(_short(context, monitor, change))


def _share(context: Context, each: Estimated) -> str:
    say = context.say
    if math.isnan(each.low):
        return say.percent(each.point)
    point = say("number.point", value=say.percent(each.point))
    return f"{say.share_span(each.low, each.high)} ({point})"


def monitored(context: Context) -> Section:
    """Give all figures of the monitors."""
    say = context.say
    sections: list[Section] = []
    for i, monitor in enumerate(context.given.monitors, start=1):
        sections += _sections(context, monitor, i)
    full = tuple(each for each in sections if not each.is_empty)
    return Section("monitor", say("heading.monitor"), sections=full)


def _sections(context: Context, monitor: Monitor, i: int) -> Iterator[Section]:
    say = context.say
    rows = [(monitor.cells[each, ()], [each]) for each in monitor.levels]
    blocks: list[Block] = [_table(context, monitor, rows, [monitor.period])]
    if context.pictures:
        blocks += trend_figure(context, monitor)
    heading = say("monitor.by_period", period=monitor.period)
    yield Section(f"monitor-periods-{i}", heading, tuple(blocks))
    changes = tuple(_changes(context, monitor))
    if changes:
        blocks = [Bullets(changes)]
        yield Section(f"monitor-changes-{i}", say("monitor.rising"), tuple(blocks))
    seen = tuple(_seen(context, monitor))
    if seen:
        blocks = [Bullets(seen)]
        if context.pictures:
            blocks += coverage_figure(context, monitor)
        yield Section(f"monitor-share-{i}", say("monitor.share"), tuple(blocks))
    for j, name in enumerate(monitor.group_names, start=1):
        heading = say("monitor.by_group", group=name)
        yield Section(f"monitor-group-{i}-{j}", heading, tuple(_group(context, monitor, name)))
    scopes = tuple(_scopes(context, monitor))
    if scopes:
        yield Section(f"monitor-scopes-{i}", say("monitor.scopes"), (Bullets(scopes),))
    given = _given(context, monitor)
    notes = tuple(context.translated(each) for each in monitor.notes)
    said: tuple[Block, ...] = (Paragraph(inline(given)), *([Bullets(notes)] if notes else []))
    yield Section(f"monitor-given-{i}", say("monitor.granted"), said)


def _given(context: Context, monitor: Monitor) -> str:
    key = f"given.{monitor.joint.given.replace(' ', '_')}"
    joint = context.say("monitor.joint", draws=context.say.number(monitor.replicates))
    return f"{joint} {context.say(key)}" if context.say.has(key) else joint


# Tables ------------------------------------------------------------------------------------------


def _table(
    context: Context, monitor: Monitor, rows: list[tuple[Figures, list[Level]]], names: list[str]
) -> Table:
    say = context.say
    level = say.level(monitor.level)
    # Inhabitants may be known by period and not by group.
    rates = any(math.isfinite(cell.inhabitants) for cell, _ in rows)
    columns = [
        *(Column(name) for name in names),
        Column(say("column.registered"), figures=True),
        Column(say("column.total_interval", level=level), figures=True),
        Column(say("column.point"), figures=True),
        Column(say("column.share_interval", level=level), figures=True),
        Column(say("column.point"), figures=True),
    ]
    if rates:
        columns += [
            Column(say("column.rate", per=say.number(PER), level=level), figures=True),
            Column(say("column.point"), figures=True),
        ]
    body = tuple(_row(context, cell, labels, rates=rates) for cell, labels in rows[:MOST_ROWS])
    notes = []
    if len(rows) > MOST_ROWS:
        notes.append(say.counted("table.more_rows", len(rows) - MOST_ROWS))
    if any(cell.status == SUPPRESSED for cell, _ in rows):
        notes.append(say("disclosure.marked"))
    caption = say("caption.monitor", names=say.listed(names))
    return Table(caption, tuple(columns), body, tuple(notes))


def _row(context: Context, cell: Figures, labels: list[Level], *, rates: bool) -> tuple[Cell, ...]:
    say = context.say
    head = [Cell(str(each), str(each)) for each in labels]
    registered = context.observed_cell(cell.observed)
    total, share, rate = (cell.figures[name] for name in ("total", "coverage", "rate"))
    if math.isnan(total.point):
        blank = [Cell("-")] * (3 + 2 * rates)
        return (*head, registered, say.status_cell(cell.status), *blank)
    found = [
        say.span_cell(total.low, total.high),
        say.count_cell(total.point),
        say.share_span_cell(share.low, share.high),
        say.share_cell(share.point),
    ]
    if rates:
        span = Cell(say.decimal_span(rate.low, rate.high), _ends(rate))
        found += [span, say.decimal_cell(rate.point, 1)]
    return (*head, registered, *found)


def _ends(each: Estimated) -> tuple[float | None, float | None]:
    low, high = (end if math.isfinite(end) else None for end in (each.low, each.high))
    return low, high


def _group(context: Context, monitor: Monitor, name: str) -> Iterator[Block]:
    levels = monitor.joint.strata.levels[name]
    everything = context.say("monitor.all")
    rows: list[tuple[Figures, list[Level]]] = [
        (monitor.cells[None, ((name, each),)], [each, everything]) for each in levels
    ]
    rows += [
        (monitor.cells[period, ((name, each),)], [each, period])
        for each in levels
        for period in monitor.levels
    ]
    yield _table(context, monitor, rows, [name, monitor.period])
    if context.pictures:
        yield from group_figure(context, monitor, name)
    if len(monitor.levels) > 1:
        yield Bullets(
            tuple(
                inline(f"{each}: ", _change(context, monitor, change))
                for each in levels
                for change in [
                    monitor.compare(monitor.levels[0], monitor.levels[-1], ((name, each),))
                ]
            )
        )


# Sentences ---------------------------------------------------------------------------------------


def _changes(context: Context, monitor: Monitor) -> Iterator[Inline]:
    levels = monitor.levels
    pairs = list(itertools.pairwise(levels))
    if len(levels) > 2:
        pairs.append((levels[0], levels[-1]))
    for first, last in pairs[-MOST_CHANGES:]:
        yield inline(_change(context, monitor, monitor.compare(first, last, ())))


def _change(context: Context, monitor: Monitor, change: Change) -> str:
    say = context.say
    between = say("change.between", first=str(change.first), last=str(change.last))
    if change.status == ACROSS_SCOPES:
        return f"{between}: {say('change.scopes')}"
    if change.status == SUPPRESSED:
        return f"{between}: {say('status.suppressed')}."
    text = f"{between}: {_short(context, monitor, change)}."
    if not math.isnan(change.difference.low):
        text += " " + say("change.rise", probability=say.probability(change.rise))
    if change.undetermined:
        text += " " + say(
            "change.undetermined",
            n=say.number(change.undetermined),
            draws=say.number(monitor.replicates),
        )
    return text


def _short(context: Context, monitor: Monitor, change: Change) -> str:
    """Give the verdict and the interval of a change."""
    say = context.say
    if change.status == ACROSS_SCOPES:
        return say("change.scopes_short")
    if math.isnan(change.difference.point):
        return say("change.none", status=say(f"status.{change.status}"))
    if math.isnan(change.difference.low):
        return say("change.point", point=_relative(context, change.ratio.point))
    verdict = say("change.unclear", level=say.level(monitor.level))
    if change.difference.low > 0:
        verdict = say("change.up")
    elif change.difference.high < 0:
        verdict = say("change.down")
    low, high, point = (
        _relative(context, each)
        for each in (change.ratio.low, change.ratio.high, change.ratio.point)
    )
    return say("change.text", verdict=verdict, low=low, high=high, point=point)


def _relative(context: Context, ratio: float) -> str:
    say = context.say
    if math.isnan(ratio):
        return say("change.anything")
    if math.isinf(ratio):
        return say("change.unbounded")
    percent = round(100 * (ratio - 1))
    if percent == 0:
        return say("change.same")
    key = "change.more" if percent > 0 else "change.fewer"
    return say(key, percent=say("number.percent", value=say.number(abs(percent))))


def _seen(context: Context, monitor: Monitor) -> Iterable[Inline]:
    say = context.say
    known = [each for each in monitor.levels if not math.isnan(monitor.cells[each, ()].coverage)]
    for each in dict.fromkeys([*known[:1], *known[-1:]]):
        cell = monitor.cells[each, ()]
        share = _share(context, cell.figures["coverage"])
        yield inline(say("monitor.seen", period=str(each), share=share))
    if len(known) < 2:
        return
    found = monitor.compare(known[0], known[-1], ()).coverage_difference
    if not math.isnan(found.low):
        low, high, point = (
            say.signed(100 * each, 1) for each in (found.low, found.high, found.point)
        )
        first, last = str(known[0]), str(known[-1])
        yield inline(
            say("monitor.seen_change", first=first, last=last, low=low, high=high, point=point)
        )


def _scopes(context: Context, monitor: Monitor) -> Iterator[Inline]:
    if not monitor.breaks:
        return
    say, info = context.say, monitor.population.info
    for each in [monitor.levels[0], *(after for _, after in monitor.breaks)]:
        scope = context.described(monitor.scopes[each], info)
        yield say.rich("monitor.scope", period=str(each), scope=scope)
    key = "monitor.across" if monitor.across_scopes else "monitor.not_across"
    yield inline(say(key))
