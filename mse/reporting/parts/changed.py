"""What changed since the last run, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.reporting.context import from_row
from mse.since import COLUMNS
from mse.words.catalogue import EXACT
from mse.words.content import Block, Bullets, Column, Paragraph, Section, inline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.answer.rounding import Grid
    from mse.reporting.context import Context
    from mse.since import Since

__all__ = ["changed"]


def changed(context: Context) -> Section:
    """Say what differs from the last run, and put the figures of both beside each other."""
    blocks = [block for each in context.given.since for block in _of(context, each)]
    return Section("changed", context.say("heading.changed"), tuple(blocks))


def _grid(context: Context, found: Since) -> Grid:
    """Take what the interval of the last step bears: steps have none of their own."""
    now = (each.after for each in found.figures if each.after is not None)
    last = next((each for each in now if each.total == found.steps[-1].total), None)
    return EXACT if last is None else context.say.grid(last.low, last.high, last.observed)


def _of(context: Context, found: Since) -> Iterator[Block]:
    say = context.say
    yield from (Paragraph(inline(text)) for text in found.told(say))
    for cause in found.causes:
        yield Paragraph(inline(say(f"changed.cause_{cause}")))
        said = (each.told(say) for each in found.of(cause))
        yield Bullets(tuple(map(inline, said)))
    if found.steps:
        yield context.paragraph("changed.steps")
        # Without rules only: a run under rules that suppress has no steps.
        grid = _grid(context, found)
        rows = (
            f"{say(f'changed.step_{each.what}')}: {say.number(grid.point(each.total))}"
            for each in found.steps
        )
        yield Bullets(tuple(map(inline, rows)))
    if found.figures:
        columns = [
            (Column(say(f"changed.column_{name}"), figures=at > 0), from_row(at))
            for at, name in enumerate(COLUMNS)
        ]
        # Figures that were published: protected and rounded there.
        cells = [each.cells(say) for each in found.figures]
        yield context.table(say("changed.figures"), columns, cells)
