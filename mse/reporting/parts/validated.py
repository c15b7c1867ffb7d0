"""Validation: the lists as populations of known size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mse.reporting.content import Block, Cell, Column, Facts, Paragraph, Section, Table, inline

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping
    from typing import Any

    from mse.reporting.context import Context
    from mse.validation import Validation

__all__ = ["validation"]

#: Rows beyond this many are left out, and said to be.
MOST_ROWS = 60


def validation(context: Context) -> Section:
    """Say how well the methods find populations of known size."""
    say = context.say
    blocks: list[Block] = []
    for each in context.given.validations:
        blocks += _of(context, each)
    return Section("validation", say("heading.validation"), tuple(blocks))


def _of(context: Context, found: Validation) -> Iterator[Block]:
    say = context.say
    yield Paragraph(inline(say("validation.intro")))
    names = {repr(each): i for i, each in enumerate(found.estimators, start=1)}
    yield Facts(tuple((say("validation.method", n=str(i)), inline(n)) for n, i in names.items()))
    summed = found.by_estimator().reset_index().to_dict("records")
    columns = (
        Column(say("column.method")),
        Column(say("column.lists")),
        Column(say("column.estimated"), figures=True),
        Column(say("column.log_bias"), figures=True),
        Column(say("column.covered"), figures=True),
        Column(say("column.too_low"), figures=True),
        Column(say("column.too_high"), figures=True),
    )
    rows = tuple(_summed_row(context, row, names) for row in summed)
    yield Table(say("caption.validation"), columns, rows)
    yield _lists(context, found, names)


def _summed_row(
    context: Context, row: Mapping[Hashable, Any], names: Mapping[str, int]
) -> tuple[Cell, ...]:
    say = context.say
    covered = say(
        "validation.of", n=say.number(row["n_covered"]), of=say.number(row["n_intervals"])
    )
    bias = row["mean_log_bias"]
    return (
        Cell(str(names[row["estimator"]]), row["estimator"]),
        say.count_cell(int(row["n_lists"])),
        say.count_cell(int(row["n_estimated"])),
        Cell(say.signed(bias, 2), None if math.isnan(bias) else bias),
        Cell(covered, int(row["n_covered"])),
        say.count_cell(int(row["n_under"])),
        say.count_cell(int(row["n_over"])),
    )


def _lists(context: Context, found: Validation, names: Mapping[str, int]) -> Block:
    say = context.say
    if context.hides:
        what = say("caption.validation_lists")
        return Paragraph(inline(say("disclosure.left_out", what=what)), "note")
    columns = (
        Column(say("column.method")),
        Column(say("column.list")),
        Column(say("column.truth"), figures=True),
        Column(say("column.interval", level=say.level(found.level)), figures=True),
        Column(say("column.point"), figures=True),
        Column(say("column.verdict")),
    )
    frame = found.to_frame()
    rows = []
    for row in frame.head(MOST_ROWS).to_dict("records"):
        miss = row["miss"] or ("held" if row["covered"] is True else "")
        verdict = say(f"validation.{miss}") if miss else say.status_cell(row["status"]).text
        rows.append(
            (
                Cell(str(names[row["estimator"]]), row["estimator"]),
                Cell(row["list"], row["list"]),
                say.count_cell(int(row["truth"])),
                say.span_cell(row["low"], row["high"]),
                say.count_cell(row["estimate"]),
                Cell(verdict, miss or row["status"]),
            )
        )
    rest = len(frame) - MOST_ROWS
    notes = (say.counted("table.more_rows", rest),) if rest > 0 else ()
    return Table(say("caption.validation_lists"), columns, tuple(rows), notes)
