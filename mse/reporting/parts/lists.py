"""The lists with their sources, and how they overlap."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mse.reporting.figures import histories_figure, overlaps_figure
from mse.words.content import (
    Block,
    Bullets,
    Cell,
    Column,
    Paragraph,
    Section,
    Table,
    inline,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence
    from typing import Any

    from mse.diagnostics import Overlaps
    from mse.reporting.context import Context, Counts

__all__ = ["lists", "overlaps"]

#: Overlaps of more lists than this are listed by pair.
MOST_IN_MATRIX = 12
#: Pairs beyond this many are left to the figure.
MOST_PAIRS = 60


def lists(context: Context) -> Section:
    """Tell of each list what it is and how many it holds."""
    say = context.say
    parts = [
        Section(f"lists-{i}", _name(context, counts, i), tuple(_lists_of(context, counts)))
        for i, counts in enumerate(context.counts, start=1)
    ]
    if len(parts) == 1:
        return Section("lists", say("heading.lists"), parts[0].blocks)
    return Section("lists", say("heading.lists"), sections=tuple(parts))


def overlaps(context: Context) -> Section:
    """Tell who is on several lists: what every estimate is read from."""
    say = context.say
    parts = []
    for i, counts in enumerate(context.counts, start=1):
        blocks = [*_overlaps_of(context, counts)]
        parts.append(Section(f"overlaps-{i}", _name(context, counts, i), tuple(blocks)))
    pairs = tuple(_pairs(context, each) for each in context.given.overlaps)
    if len(parts) == 1:
        return Section("overlaps", say("heading.overlaps"), (*parts[0].blocks, *pairs))
    return Section("overlaps", say("heading.overlaps"), pairs, tuple(parts))


def _name(context: Context, counts: Counts, i: int) -> str:
    info = counts.info
    return info.scope or info.name or context.say("question.table", n=context.say.number(i))


def _lists_of(context: Context, counts: Counts) -> Iterator[Block]:
    say, info = context.say, counts.info
    described = any(info.list_descriptions.get(name) for name in counts.lists)
    columns = [Column(say("column.list"))]
    if described:
        columns.append(Column(say("column.description")))
    columns.append(Column(say("column.registered"), figures=True))
    columns.append(Column(say("column.share_of_registered"), figures=True))
    if counts.alone:
        columns.append(Column(say("column.only_there"), figures=True))
    rows = []
    for name in counts.lists:
        row = [Cell(name, name)]
        if described:
            said = context.described(info.list_descriptions.get(name, ""), info)
            row.append(Cell(said.text, said.text or None, said.language))
        size = counts.sizes[name]
        row += [
            context.observed_cell(size),
            say.share_cell(size / counts.observed if counts.observed else math.nan),
        ]
        if counts.alone:
            row.append(context.observed_cell(counts.alone[name]))
        rows.append(tuple(row))
    text = say(
        "lists.intro", n=say.number(len(counts.lists)), observed=context.counted(counts.observed)
    )
    yield Paragraph(inline(text))
    notes = (say("lists.not_additive"), *_note(context, rows))
    yield Table(say("caption.lists"), tuple(columns), tuple(rows), notes)


def _note(context: Context, rows: Sequence[tuple[Cell, ...]]) -> tuple[str, ...]:
    """Say what the mark of a suppressed count means, where there is one."""
    mark = context.say("disclosure.mark")
    marked = any(cell.text == mark for row in rows for cell in row[1:])
    return (context.say("disclosure.marked"),) if marked else ()


# Overlaps ----------------------------------------------------------------------------------------


def _overlaps_of(context: Context, counts: Counts) -> Iterator[Block]:
    say = context.say
    if counts.overlaps is None:
        yield Paragraph(inline(say("overlaps.unknown")))
        return
    if counts.by_number:
        yield Paragraph(inline(say("overlaps.intro")))
        yield Bullets(
            tuple(
                inline(say.counted("overlaps.on", i, persons=say.counted("count.persons", n)))
                for i, n in counts.by_number.items()
                if n
            )
        )
    if len(counts.lists) <= MOST_IN_MATRIX:
        yield _matrix(context, counts)
    else:
        yield _pair_list(context, counts)
    if not counts.is_complete:
        yield Paragraph(inline(say("overlaps.partial")), "note")
    if context.pictures:
        yield from overlaps_figure(context, counts)
        yield from histories_figure(context, counts)


def _matrix(context: Context, counts: Counts) -> Table:
    say = context.say
    columns = [Column(say("column.list")), *(Column(name, figures=True) for name in counts.lists)]
    rows = [
        (
            Cell(name, name),
            *(context.observed_cell(counts.both(name, other)) for other in counts.lists),
        )
        for name in counts.lists
    ]
    notes = (say("overlaps.diagonal"), *_note(context, rows))
    return Table(say("caption.overlaps"), tuple(columns), tuple(rows), notes)


def _pair_list(context: Context, counts: Counts) -> Table:
    """List the pairs with the most persons in common, where a matrix would be too wide to read."""
    say = context.say
    pairs = [
        (first, second, counts.both(first, second))
        for i, first in enumerate(counts.lists)
        for second in counts.lists[i + 1 :]
    ]
    pairs.sort(key=lambda pair: -1.0 if math.isnan(pair[2]) else pair[2], reverse=True)
    rows = [
        (Cell(say.listed(pair[:2])), context.observed_cell(pair[2])) for pair in pairs[:MOST_PAIRS]
    ]
    notes = [*_note(context, rows)]
    if len(pairs) > MOST_PAIRS:
        notes.append(say.counted("table.more_rows", len(pairs) - MOST_PAIRS))
    columns = (Column(say("column.lists")), Column(say("column.on_both"), figures=True))
    return Table(say("caption.overlaps"), columns, tuple(rows), tuple(notes))


def _pairs(context: Context, found: Overlaps) -> Block:
    """Say what independence expects of each pair, and their odds ratios."""
    say = context.say
    if context.hides:
        return Paragraph(inline(say("disclosure.left_out", what=say("caption.pairs"))), "note")
    columns = (
        Column(say("column.lists")),
        Column(say("column.on_both"), figures=True),
        Column(say("column.expected"), figures=True),
        Column(say("column.odds_interval", level=say.level(found.level)), figures=True),
        Column(say("column.odds"), figures=True),
        Column(say("column.chapman"), figures=True),
    )
    rows = tuple(_pair_row(context, row) for row in found.to_frame().to_dict("records"))
    return Table(say("caption.pairs"), columns, rows, (say("overlaps.pairs_note"),))


def _pair_row(context: Context, row: Mapping[Hashable, Any]) -> tuple[Cell, ...]:
    say = context.say
    names = (row["list_a"], row["list_b"])
    return (
        Cell(say.listed(names)),
        say.count_cell(row["both"]),
        say.decimal_cell(row["expected"], 1),
        Cell(say.decimal_span(row["low"], row["high"], 2), (row["low"], row["high"])),
        say.decimal_cell(row["odds_ratio"]),
        context.count_cell(row["chapman"]),
    )
