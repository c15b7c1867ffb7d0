"""The monitor in plain words: how many, is it rising, what share do we see."""

from __future__ import annotations

import itertools
from math import isinf, isnan
from typing import TYPE_CHECKING, Final

from mse.answer.shown import (
    Section,
    filled,
    layout,
    persons,
    registered,
    share,
    span,
    words_for,
)
from mse.messages import MARK, SOURCE, Message
from mse.monitoring.draws import PER
from mse.monitoring.result import ACROSS_SCOPES, Cell, Monitor
from mse.words.catalogue import language_of
from mse.words.estimates import ANYBODY, data_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mse._typing import Level
    from mse.monitoring.draws import Figure
    from mse.monitoring.result import Change
    from mse.words.catalogue import Language

#: More rows than this are left to `to_frame()`.
_MAX_ROWS = 60
#: More comparisons than this are left to `changes()`.
MAX_CHANGES = 15

#: Status of a figure that `mse.disclosure` took out.
SUPPRESSED: Final = "suppressed"
_WHY = {ACROSS_SCOPES: "across scopes", SUPPRESSED: MARK}
_EN = language_of(SOURCE)

_GIVEN = {
    "a prior on how people differ and lists depend": (
        "All figures come from the same draws of a posterior. The intervals allow for people who differ in "
        "how visible they are and for lists that depend on each other, in the same way in each period but "
        "for what the table shows. The table tells of that in part only; the rest is a prior, calibrated on "
        "simulated populations and judged on others and on real ones."
    ),
    "the model re-selected in every replicate": (
        "All figures come from the same replicates, in each of which the model was selected anew. The "
        "intervals hold the chance in who came onto the lists and the choice among the models "
        "searched. They rest on the assumptions named."
    ),
    "the method repeated in every replicate": (
        "All figures come from the same replicates, in each of which the method was repeated. The "
        "intervals hold the chance in who came onto the lists and whatever the method reads off the "
        "data. They rest on the assumptions named."
    ),
    "given the model": (
        "All figures come from the same replicates of one model, as if it had been known beforehand "
        "to be right. The intervals hold the chance in who came onto the lists, not the uncertainty "
        "about the model, and rest on the assumptions named."
    ),
}


# What summaries and reports say alike ------------------------------------------------------------


def compared(monitor: Monitor) -> Iterator[Change]:
    """Go through changes of everybody: between neighboring periods, the last ones, and from first to last."""
    levels = monitor.levels
    pairs = list(itertools.pairwise(levels))
    if len(levels) > 2:
        pairs.append((levels[0], levels[-1]))
    for first, last in pairs[-MAX_CHANGES:]:
        yield monitor.compare(first, last, ())


def compared_by(monitor: Monitor, name: str) -> Iterator[tuple[Level, Change]]:
    """Go through changes over the whole time, of each level of a group."""
    first, last = monitor.levels[0], monitor.levels[-1]
    if first != last:
        for each in monitor.joint.strata.levels[name]:
            yield each, monitor.compare(first, last, ((name, each),))


def rows_by(monitor: Monitor, name: str) -> list[tuple[Cell, Level, Level]]:
    """Figures of each level of a group: over all periods, None, and then by period."""
    groups = {each: ((name, each),) for each in monitor.joint.strata.levels[name]}
    whole = [(monitor.cells[None, group], None, each) for each, group in groups.items()]
    return whole + [
        (monitor.cells[period, group], period, each)
        for each, group in groups.items()
        for period in monitor.levels
    ]


def known_periods(monitor: Monitor, name: str = "total") -> list[Level]:
    """Periods of which a figure is estimated."""
    return [each for each in monitor.levels if not isnan(getattr(monitor.cells[each, ()], name))]


def scope_starts(monitor: Monitor) -> list[Level]:
    """Periods with which a scope begins, where there are several."""
    return [monitor.levels[0], *(after for _, after in monitor.breaks)] if monitor.breaks else []


def lost_cells(monitor: Monitor) -> Iterator[tuple[str, Cell]]:
    """Name the figures that the data do not determine."""
    for cell in monitor.cells.values():
        if isnan(cell.total) and cell.status not in (ACROSS_SCOPES, SUPPRESSED):
            labels = [f"{name} {each}" for name, each in cell.where.items()]
            labels += [] if cell.period is None else [f"{monitor.period} {cell.period}"]
            yield ", ".join(labels), cell


def period_name(say: Language, monitor: Monitor, period: Level) -> str:
    """Name a period, and mark it where it is preliminary."""
    return say("late.period", period=period) if period in monitor.preliminary else str(period)


def late_messages(monitor: Monitor) -> Iterator[Message]:
    """Say what is still to come of each preliminary period, and what may become of its figures."""
    late = monitor.late
    if late is None:
        return
    if not late.periods:
        yield Message("late.nothing_due", as_of=late.as_of)
        return
    yield Message("late.as_of", as_of=late.as_of, periods=tuple(map(str, late.periods)))
    for period, each in late.periods.items():
        name = str(period)
        if isnan(each.expected.point):
            yield Message("late.registered_withheld", period=name)
            continue
        point, low, high = each.expected
        yield Message(
            "late.registered",
            period=name,
            registered=each.registered,
            low=low,
            high=high,
            point=point,
        )
        if not isnan(each.later.low):
            yield Message("late.later", period=name, low=each.later.low, high=each.later.high)
        partly = {k: v for k, v in each.shares.items() if k not in each.not_in and v < 1}
        if partly:
            shares = tuple(Message("late.share", list=k, share=v) for k, v in partly.items())
            yield Message("late.shares", period=name, shares=shares)
        if each.not_in:
            yield Message("late.not_in", period=name, names=each.not_in)
    yield Message("late.so_far")
    if any(0 < v < 1 for each in late.periods.values() for v in each.shares.values()):
        yield Message("late.rests")


def verdict(say: Language, monitor: Monitor, change: Change) -> str:
    """Say whether a change is a rise, a fall, or neither clearly."""
    if change.difference.low > 0:
        return say("change.up")
    if change.difference.high < 0:
        return say("change.down")
    return say("change.unclear", level=say.level(monitor.level))


def relative(say: Language, ratio: float) -> str:
    """Say how many more or fewer a ratio of totals means."""
    if isnan(ratio):
        return say("change.anything")
    if isinf(ratio):
        return say("change.unbounded")
    percent = round(100 * (ratio - 1))
    if percent == 0:
        return say("change.same")
    key = "change.more" if percent > 0 else "change.fewer"
    return say(key, percent=say("number.percent", value=say.number(abs(percent))))


# Sections of the summary -------------------------------------------------------------------------


@words_for(Monitor)
def monitor_sections(monitor: Monitor) -> list[Section]:
    """All parts of the summary, in the order in which they are read."""
    population = monitor.population
    percent = _EN.level(monitor.level)
    rows = [(monitor.cells[each, ()], [period_name(_EN, monitor, each)]) for each in monitor.levels]
    return filled(
        Section("Question", paragraphs=(_question(monitor),)),
        Section(_EN("late.heading"), bullets=tuple(late_messages(monitor))),
        Section(
            f"How many? Estimated by {monitor.period}, {percent} intervals",
            verbatim=_table(monitor, rows),
        ),
        Section(
            f"The same if people were alike, apart from what is modeled, {percent} intervals",
            verbatim="" if monitor.alike is monitor else _alike(monitor),
        ),
        Section("What keeps the grades from being better", bullets=tuple(_graded(monitor))),
        Section("Is it rising?", bullets=tuple(_change(monitor, c) for c in compared(monitor))),
        Section("What share do we see?", bullets=tuple(_seen(monitor))),
        *(_group(monitor, name) for name in monitor.group_names),
        Section("Scope of the registers", bullets=tuple(_scopes(monitor))),
        Section("Not estimated", bullets=tuple(_missing(monitor))),
        Section(
            "What the intervals take for granted",
            paragraphs=(*_conditions(monitor.joint.given), *_conditions_alike(monitor)),
        ),
        Section("What was modeled, and what was summed over", bullets=monitor.notes),
        Section("Method", rows=_method(monitor)),
        Section("Assumptions", bullets=population.assumptions),
        Section("Warnings", bullets=monitor.warnings),
        Section("Data", rows=data_rows(population)),
    )


def _question(monitor: Monitor) -> str:
    subject = monitor.population.info.population or ANYBODY
    groups = f" and by {', '.join(monitor.group_names)}" if monitor.group_names else ""
    return (
        f"How many were there per {monitor.period}{groups}, on a list or on none: {subject}? Is it "
        "rising, and what share is registered? Those on no list were not seen: they are presumed, and "
        f"their number is estimated. The lists: {', '.join(monitor.population.lists)}."
    )


# How many ----------------------------------------------------------------------------------------


def _table(monitor: Monitor, rows: Sequence[tuple[Cell, Sequence[Level]]], *names: str) -> str:
    head = [monitor.period, *names][-len(rows[0][1]) :] if rows else []
    head = [*head, "registered", "estimated total", "point", "share registered", "point"]
    if monitor.has_rates:
        head += [f"per {PER:,}", "point"]
    shown = (
        [*map(str, labels), *_figures(monitor, cell), cell.grade.letter or _total(cell)[-1]]
        for cell, labels in rows
    )
    return layout([*head, "grade"], [*shown])


def _alike(monitor: Monitor) -> str:
    """Lay out the totals by period that take people for alike."""
    rows = [
        [period_name(_EN, monitor, each), *_total(monitor.alike.cells[each, ()])]
        for each in monitor.levels
    ]
    return layout([monitor.period, "estimated total", "point"], rows)


def _graded(monitor: Monitor) -> Iterator[str]:
    """Say the grade of each period, and why it is no better."""
    for each in monitor.levels:
        found = monitor.cells[each, ()].grade
        if found.reasons:
            yield f"{each}: {_EN.graded(found)}"


def _total(cell: Cell) -> list[str]:
    """Write the interval and the point of a total, or why there is none."""
    total = cell.figures["total"]
    if isnan(total.point):
        blank = MARK if cell.status == SUPPRESSED else "-"
        return [_WHY.get(cell.status, cell.status.replace("_", " ")), blank]
    return [span(total.low, total.high), persons(total.point)]


def _figures(monitor: Monitor, cell: Cell) -> list[str]:
    total, coverage, rate = (cell.figures[name] for name in ("total", "coverage", "rate"))
    if isnan(total.point):
        why, blank = _total(cell)
        return [registered(cell.observed), why, *([blank] * (3 + 2 * monitor.has_rates))]
    found = [
        registered(cell.observed),
        *_total(cell),
        _share_span(coverage),
        share(coverage.point),
    ]
    return found + ([_rate_span(rate), _decimal(rate.point)] if monitor.has_rates else [])


def _share_span(each: Figure) -> str:
    return "-" if isnan(each.low) else f"{share(each.low)} to {share(each.high)}"


def _rate_span(each: Figure) -> str:
    if isnan(each.low):
        return "-"
    return f"{_decimal(each.low)} to {'no bound' if isinf(each.high) else _decimal(each.high)}"


def _decimal(value: float) -> str:
    return "-" if isnan(value) else f"{value:,.1f}"


def _group(monitor: Monitor, name: str) -> Section:
    found = rows_by(monitor, name)
    rows = [
        (cell, ["all" if period is None else period_name(_EN, monitor, period), each])
        for cell, period, each in found
    ]
    text = _table(monitor, rows[:_MAX_ROWS], name)
    if len(rows) > _MAX_ROWS:
        text += f"\n... and {len(rows) - _MAX_ROWS:,} more rows: see to_frame()."
    changes = tuple(f"{each}: {_change(monitor, c)}" for each, c in compared_by(monitor, name))
    heading = f"By {name}, estimated, {_EN.level(monitor.level)} intervals"
    return Section(heading, verbatim=text, bullets=changes)


# Is it rising ------------------------------------------------------------------------------------


def _change(monitor: Monitor, change: Change) -> str:
    between = " to ".join(period_name(_EN, monitor, each) for each in (change.first, change.last))
    if change.status == ACROSS_SCOPES:
        return f"{between}: not compared, the scopes differ."
    if change.status == SUPPRESSED:
        return f"{between}: not shown, to protect persons."
    if isnan(change.difference.point):
        return f"{between}: not estimated, {change.status.replace('_', ' ')}."
    if isnan(change.difference.low):
        return f"{between}: estimated {relative(_EN, change.ratio.point)}, without an interval."
    text = (
        f"{between}: {verdict(_EN, monitor, change)}. Between {relative(_EN, change.ratio.low)} and "
        f"{relative(_EN, change.ratio.high)}, estimated {relative(_EN, change.ratio.point)}; the probability "
        f"of a rise is {_EN.probability(change.rise)}."
    )
    if change.undetermined:
        text += f" In {change.undetermined:,} of {monitor.replicates:,} draws the change is not determined."
    return f"{text} {change.reason}".rstrip()


# What share --------------------------------------------------------------------------------------


def _seen(monitor: Monitor) -> Iterable[str]:
    known = known_periods(monitor, "coverage")
    for each in dict.fromkeys([*known[:1], *known[-1:]]):
        cell = monitor.cells[each, ()]
        coverage = cell.figures["coverage"]
        if isnan(coverage.low):
            yield f"{each}: estimated {share(coverage.point)}, without an interval."
            continue
        yield (
            f"{period_name(_EN, monitor, each)}: between {share(coverage.low)} and {share(coverage.high)} of the estimated total "
            f"was registered, estimated {share(coverage.point)} ({persons(cell.observed)} persons)."
        )
    if len(known) < 2:
        return
    change = monitor.compare(known[0], known[-1], ())
    found = change.coverage_difference
    if not isnan(found.low):
        low, high, point = (f"{100 * each:+.1f}" for each in (found.low, found.high, found.point))
        yield (
            f"{known[0]} to {known[-1]}: the registered share changed by between {low} and {high} "
            f"percentage points, estimated {point}."
        )


@words_for(Cell)
def cell_sentences(cell: Cell) -> str:
    """Say what share of some part of the population is registered, and how many there are."""
    parts = [] if cell.period is None else [str(cell.period)]
    if cell.preliminary and parts:
        parts = [_EN("late.period", period=cell.period)]
    for name, levels in cell.where.items():
        many = levels if isinstance(levels, tuple) else (levels,)
        parts.append(f"{name} {' or '.join(map(str, many))}")
    where = ", ".join(parts) or "Everybody"
    total, coverage = cell.figures["total"], cell.figures["coverage"]
    if isnan(total.point):
        why = _WHY.get(cell.status, cell.status.replace("_", " "))
        return f"{where}: not estimated, {why}. {cell.reason} {_registered(cell)}"
    if isnan(total.low):
        return (
            f"{where}: estimated {share(coverage.point)} registered, of {persons(total.point)} persons, "
            f"without an interval. {_registered(cell)}"
        )
    return (
        f"{where}: between {share(coverage.low)} and {share(coverage.high)} of the estimated total was "
        f"registered, estimated {share(coverage.point)}. {_registered(cell)} Estimated in total: between "
        f"{span(total.low, total.high).replace(' to ', ' and ')} persons, point {persons(total.point)}."
    )


def _registered(cell: Cell) -> str:
    return f"Registered: {registered(cell.observed)} persons."


# Conditions --------------------------------------------------------------------------------------


def _conditions(given: str) -> tuple[str, ...]:
    if not given:
        return ()
    return (_GIVEN.get(given, f"All figures come from the same draws, {given}."),)


def _conditions_alike(monitor: Monitor) -> tuple[str, ...]:
    """Say the same of the intervals that take people for alike, where others are the headline."""
    if monitor.alike is monitor:
        return ()
    said = (_EN("conditions.alike"), *_conditions(monitor.alike.joint.given))
    return (" ".join(said),)


def _scopes(monitor: Monitor) -> Iterable[str]:
    yield from (f"From {each}: {monitor.scopes[each]}." for each in scope_starts(monitor))
    if monitor.breaks and not monitor.across_scopes:
        where = ", ".join(f"{before} and {after}" for before, after in monitor.breaks)
        yield (
            f"Figures before and after a change of scope (between {where}) are not compared or added. "
            "To do so all the same, ask with across_scopes=True."
        )


def _missing(monitor: Monitor) -> Iterable[str]:
    lost = [*lost_cells(monitor)]
    yield from (f"{name}: {cell.reason}" for name, cell in lost[:MAX_CHANGES])
    if len(lost) > MAX_CHANGES:
        yield f"{len(lost) - MAX_CHANGES:,} more: see to_frame()."


def _method(monitor: Monitor) -> tuple[tuple[str, str], ...]:
    population = monitor.population
    rows = (
        ("Method", population.method),
        ("Model", population.model),
        ("Totals", "lower bounds: at least so many" * population.lower_bound),
        ("Draws", f"{monitor.replicates:,}" if monitor.replicates else ""),
        ("Status", "" if population.status == "ok" else population.reason),
    )
    return tuple(row for row in rows if row[1])
