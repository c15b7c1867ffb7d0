"""What drives a change of registered persons: how much, where, and how far by size and by share registered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mse.disclosure import Protected
from mse.messages import MARK
from mse.monitoring.result import ACROSS_SCOPES
from mse.reporting.figures import drivers_figure
from mse.words.content import Block, Cell, Column, Section
from mse.words.estimates import at_length

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.driving import Contribution, Drivers
    from mse.monitoring.draws import Figure as Estimated
    from mse.reporting.context import Context

__all__ = ["driven"]

#: Contributions of a group at a register that are printed, the largest ones.
MOST_ROWS = 12


def driven(context: Context) -> Section:
    """Say what drives the changes that were asked about; under rules of disclosure of groups, of what the monitor shows."""
    say = context.say
    blocks: list[Block] = []
    for each in context.given.drivers:
        if context.hides and not isinstance(each, Protected):
            # Parts of a change are differences of counts, which only the monitor of the same groups protects.
            blocks.append(context.left_out("heading.drivers"))
        else:
            blocks += _of(context, each)
    return Section("drivers", say("heading.drivers"), tuple(blocks))


def _of(context: Context, found: Drivers) -> Iterator[Block]:
    say, whole, most = context.say, found.of(), found.leading
    if not math.isnan(whole.change + most.change):
        yield context.paragraph(
            "drivers.lead",
            first=str(found.first),
            last=str(found.last),
            before=say.number(whole.first),
            after=say.number(whole.last),
            change=say.signed(whole.change),
            where=named(context, most),
            most=say.signed(most.change),
        )
    if isinstance(found, Protected):
        yield context.paragraph("drivers.protected", "note")
    rows = [*found.largest[:MOST_ROWS], *found.contributions[len(found.largest) :]]
    level = say.level(found.level)
    columns = [
        (Column(say("drivers.where")), lambda each: Cell(named(context, each))),
        (Column(say("column.change"), figures=True), lambda each: _counted(context, each)),
        (
            Column(say("drivers.by_size", level=level), True),
            lambda each: _part(context, each, each.by_size),
        ),
        (
            Column(say("drivers.by_share", level=level), True),
            lambda each: _part(context, each, each.by_share),
        ),
    ]
    ends = {"first": str(found.first), "last": str(found.last)}
    rest = context.rest(found.largest, MOST_ROWS)
    yield context.table(say("caption.drivers", **ends), columns, rows, rest)
    if context.pictures:
        yield from drivers_figure(context, found)
    yield context.paragraph("drivers.read")
    key = at_length(found.given)
    if say.has(key):
        yield context.paragraph(key)


def named(context: Context, each: Contribution) -> str:
    """Name a group, a register, both, or everybody."""
    parts = [f"{name} {level}" for name, level in each.group.items()]
    return ", ".join([*parts, *filter(None, [each.register])]) or context.say("drivers.everybody")


def _counted(context: Context, each: Contribution) -> Cell:
    if math.isnan(each.change):
        return Cell(MARK)
    return Cell(context.say.signed(each.change), each.change)


def _part(context: Context, each: Contribution, part: Estimated) -> Cell:
    """Write a part of a change, its interval before its point."""
    say = context.say
    if each.status == "suppressed":
        return Cell(MARK)
    if math.isnan(part.point):
        known = each.status == ACROSS_SCOPES
        return Cell(say("status.across_scopes" if known else "status.not_estimable"))
    grid = say.grid(part.low, part.high, -math.inf)
    point = say("number.point", value=say.signed(grid.point(part.point)))
    if math.isnan(part.low):
        return Cell(point, part.point)
    low, high = (
        say.signed(end) if math.isfinite(end) else say("number.without_bound")
        for end in grid.ends(part.low, part.high)
    )
    return Cell(f"{say('number.span', low=low, high=high)} ({point})", part.point)
