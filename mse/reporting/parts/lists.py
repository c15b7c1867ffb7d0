"""The lists with their sources, and how they overlap."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

from mse.messages import MARK
from mse.reporting.context import from_row, label
from mse.reporting.figures import histories_figure
from mse.words.content import Block, Bullets, Cell, Column, Section, Table, inline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.diagnostics import Overlaps
    from mse.reporting.context import Context, Counts, Shown

__all__ = ["lists", "overlaps"]

#: Overlaps of more lists than this are listed by pair.
MOST_IN_MATRIX = 12
#: Pairs beyond this many are left to the figure.
MOST_PAIRS = 60


def lists(context: Context) -> Section:
    """Tell of each list what it is and how many it holds."""
    parts = ((_lists_of(context, each), ()) for each in context.counts)
    return context.by_table("lists", (each.info for each in context.counts), parts)


def overlaps(context: Context) -> Section:
    """Tell who is on several lists: what every estimate is read from."""
    parts = ((_overlaps_of(context, each), ()) for each in context.counts)
    pairs = tuple(_pairs(context, each) for each in context.given.overlaps)
    return context.by_table("overlaps", (each.info for each in context.counts), parts, pairs)


def _lists_of(context: Context, counts: Counts) -> Iterator[Block]:
    say, info = context.say, counts.info

    def described(name: str) -> Cell:
        said = context.described(info.list_descriptions.get(name, ""), info)
        return Cell(said.text, said.text or None, said.language)

    def share(name: str) -> Cell:
        observed = counts.observed
        return say.share_cell(counts.sizes[name] / observed if observed else math.nan)

    columns = [context.words("list", label)]
    if any(info.list_descriptions.get(name) for name in counts.lists):
        columns.append(context.words("description", described))
    columns += [
        context.figures("registered", lambda name: context.observed_cell(counts.sizes[name])),
        context.figures("share_of_registered", share),
    ]
    if counts.alone:
        alone = counts.alone
        columns.append(
            context.figures("only_there", lambda name: context.observed_cell(alone[name]))
        )
    observed = context.counted(counts.observed)
    yield context.paragraph("lists.intro", n=len(counts.lists), observed=observed)
    yield _marked(context, "lists", columns, counts.lists, ("lists.not_additive",))
    if context.pictures:
        yield from histories_figure(context, counts)


def _marked(
    context: Context,
    name: str,
    columns: list[Shown],
    rows: object,
    notes: tuple[str, ...] = (),
    more: tuple[str, ...] = (),
) -> Table:
    """Make a table of counts, and say what the mark of a suppressed one means, where there is one."""
    made = context.table(context.say(f"caption.{name}"), columns, rows)  # type: ignore[arg-type]
    marked = any(cell.text == MARK for row in made.rows for cell in row[1:])
    said = (*map(context.say, notes), *context.marked(suppressed=marked), *more)
    return Table(made.caption, made.columns, made.rows, said)


# Overlaps ----------------------------------------------------------------------------------------


def _overlaps_of(context: Context, counts: Counts) -> Iterator[Block]:
    say = context.say
    if counts.overlaps is None:
        yield context.paragraph("overlaps.unknown")
        return
    if counts.by_number:
        yield context.paragraph("overlaps.intro")
        said = (
            say("overlaps.on", n=i, persons=say("count.persons", n=n))
            for i, n in counts.by_number.items()
            if n
        )
        yield Bullets(tuple(map(inline, said)))
    few = len(counts.lists) <= MOST_IN_MATRIX
    yield _matrix(context, counts) if few else _pair_list(context, counts)
    if not counts.is_complete:
        yield context.paragraph("overlaps.partial", "note")


def _matrix(context: Context, counts: Counts) -> Table:
    rows = [(name, *(counts.both(name, other) for other in counts.lists)) for name in counts.lists]
    columns = [context.words("list", from_row(0))]
    columns += [
        (Column(name, figures=True), from_row(i, context.observed_cell))
        for i, name in enumerate(counts.lists, start=1)
    ]
    return _marked(context, "overlaps", columns, rows, ("overlaps.diagonal",))


def _pair_list(context: Context, counts: Counts) -> Table:
    """List the pairs with the most persons in common, where a matrix would be too wide to read."""
    pairs = [(pair, counts.both(*pair)) for pair in combinations(counts.lists, 2)]
    pairs.sort(key=lambda pair: -1.0 if math.isnan(pair[1]) else pair[1], reverse=True)
    columns = [
        context.words("lists", lambda pair: Cell(context.say.listed(pair[0]))),
        context.figures("on_both", from_row(1, context.observed_cell)),
    ]
    more = context.rest(pairs, MOST_PAIRS)
    return _marked(context, "overlaps", columns, pairs[:MOST_PAIRS], more=more)


def _pairs(context: Context, found: Overlaps) -> Block:
    """Say what independence expects of each pair, and their odds ratios."""
    say = context.say
    if context.hides:
        return context.left_out("caption.pairs")
    columns = [
        context.words("lists", lambda row: Cell(say.listed((row["list_a"], row["list_b"])))),
        context.figures("on_both", from_row("both", say.count_cell)),
        context.figures("expected", lambda row: say.decimal_cell(row["expected"], 1)),
        context.figures(
            "odds_interval",
            lambda row: say.decimal_span_cell(row["low"], row["high"], 2),
            level=say.level(found.level),
        ),
        context.figures("odds", from_row("odds_ratio", say.decimal_cell)),
        context.figures("chapman", from_row("chapman", context.count_cell)),
    ]
    notes = (say("overlaps.pairs_note"),)
    return context.table(say("caption.pairs"), columns, found.to_frame(), notes)
