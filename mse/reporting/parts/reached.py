"""A known group: which share of it was reached, how soon, and how far it got."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mse.disclosure.reached import ProtectedReach
from mse.messages import MARK
from mse.reporting.context import from_row
from mse.reporting.figures import reach_figure
from mse.words.content import Block, Bullets, Cell, Column, Section, inline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from mse.reaching import Reach
    from mse.reporting.context import Context, Row, Shown

#: More rows than this are cut off, and said to be.
MOST_ROWS = 48


def reached(context: Context) -> Section:
    """Say which share of each known group was reached; under rules the shares at the end alone."""
    blocks = [block for each in context.given.reached for block in _of(context, each)]
    return Section("reached", context.say("heading.reached"), tuple(blocks))


def _of(context: Context, found: Reach) -> Iterator[Block]:
    say, frame = context.say, found.to_frame()
    days, level = say.general(found.within, 6), say.level(found.level)
    first = frame.iloc[0]
    if len(frame) == 1 and not math.isnan(first["share"]):
        span = say.share_span(first["low"], first["high"])
        share = say.percent(first["share"])
        yield context.paragraph(
            "reached.lead_start", "lead", share=share, days=days, level=level, span=span
        )
    hidden = isinstance(found, ProtectedReach)
    marked = context.marked(suppressed=hidden and bool(frame["share"].isna().any()))
    notes = (*context.rest(frame, MOST_ROWS), *marked)
    caption = say(f"reached.end_{found.since}", days=days)
    persons = _figures(context, "persons", lambda row: context.observed_cell(row["observed"]))
    columns = [*_named(context, found), *_shares(context, level), persons]
    yield context.table(caption, columns, frame.head(MOST_ROWS), notes)
    if hidden:
        yield context.paragraph("reached.no_curve", "note")
    else:
        if context.pictures:
            yield from reach_figure(context, found)
        yield _sooner(context, found, level)
    yield Bullets(tuple(inline(text) for text in _rests(context, found)))


def _sooner(context: Context, found: Reach, level: str) -> Block:
    """Make a table of the shares within each quarter of the time."""
    frame = found.by_time()
    frame = frame[frame["days"] < found.within]
    days = _figures(context, "days", from_row("days", lambda value: _days(context, value)))
    columns = [*_named(context, found), days, *_shares(context, level)]
    rest = context.rest(frame, MOST_ROWS)
    return context.table(context.say("reached.sooner"), columns, frame.head(MOST_ROWS), rest)


def _days(context: Context, value: float) -> Cell:
    return Cell(context.say.general(value, 6), value)


def _named(context: Context, found: Reach) -> list[Shown]:
    """Make columns that say which stage and group."""
    staged = found.stages != ("",)
    stage = [(Column(context.say("reached.stage")), from_row("stage"))] * staged
    return [*stage, *context.named_columns(found.by)]


def _shares(context: Context, level: str) -> list[Shown]:
    """Make columns of a share, its interval before its point."""
    say = context.say

    def span(row: Row) -> Cell:
        known = not math.isnan(row["share"])
        return (
            say.share_span_cell(row["low"], row["high"]) if known else Cell(say.percent(math.nan))
        )

    def point(row: Row) -> Cell:
        hidden = math.isnan(row["share"]) and math.isnan(row.get("observed", 0.0))
        return Cell(MARK) if hidden else say.share_cell(row["share"])

    return [
        _figures(context, "interval", span, level=level),
        _figures(context, "point", point),
    ]


def _figures(context: Context, key: str, cell: Callable[[Any], Cell], **fields: str) -> Shown:
    return Column(context.say(f"reached.{key}", **fields), figures=True), cell


def _rests(context: Context, found: Reach) -> Iterator[str]:
    """Say what the shares rest on."""
    say, missed = context.say, found.missed
    if isinstance(missed, tuple):
        yield say("reached.links_looked", lost=missed[0], looked=missed[1])
    elif missed:
        yield say("reached.links_stated", share=say.percent(missed))
    else:
        yield say("reached.links_none")
    if found.contradicted:
        yield say("reached.contradicted")
    yield say("reached.false")
    yield say("reached.followed" if isinstance(found, ProtectedReach) else "reached.shorter")
    if found.stages != ("",):
        yield say("reached.stages")
