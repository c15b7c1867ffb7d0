"""Sensitivity: the estimate under other lists, other assumptions and other models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mse.monitoring.wording import SUPPRESSED
from mse.refitting import GIVEN_MODEL, RESELECTED
from mse.reporting.content import Block, Cell, Column, Paragraph, Section, Table, inline
from mse.reporting.figures import sensitivity_figure
from mse.sensitivity import HighestOrder, LeaveOneOut, MergedLists, NearModels, OddsRatio

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping
    from typing import Any, TypeAlias

    import pandas as pd

    from mse._result import Result
    from mse.reporting.context import Context

    Row: TypeAlias = Mapping[Hashable, Any]

__all__ = ["sensitivity"]

#: Rows beyond this many are left out, and said to be.
MOST_ROWS = 40


def sensitivity(context: Context) -> Section:
    """Show how the estimate moves when what cannot be known is varied."""
    say = context.say
    parts = []
    for i, found in enumerate(context.given.sensitivities, start=1):
        name, builder = _BUILDERS[type(found)]
        blocks: list[Block] = [Paragraph(inline(say(f"sensitivity.{name}")))]
        if context.hides and _gives_away(context, found):
            what = say(f"heading.{name}")
            blocks.append(Paragraph(inline(say("disclosure.left_out", what=what)), "note"))
        else:
            blocks += builder(context, found)
        if context.pictures:
            blocks += sensitivity_figure(context, found)
        parts.append(Section(f"sensitivity-{i}", say(f"heading.{name}"), tuple(blocks)))
    return Section("sensitivity", say("heading.sensitivity"), sections=tuple(parts))


def _gives_away(context: Context, found: Result) -> bool:
    """Whether scenarios could not be shown even as factors: suppressed counts follow from them."""
    if any(each.status == SUPPRESSED for each in context.given.populations):
        return True
    if isinstance(found, NearModels):
        return True
    lists = len(context.given.lists)
    # From two lists the overlap can be computed, whatever is done with the estimate.
    fewest = lists - isinstance(found, LeaveOneOut | MergedLists)
    return fewest <= 2


def _left_out(context: Context, found: LeaveOneOut) -> Iterator[Block]:
    say = context.say
    frame = found.to_frame(context.level)
    head = [(say("column.left_out"), lambda row: _name(context, row["left_out"]))]
    if not context.hides:
        head.append((say("column.only_there"), lambda row: say.count_cell(int(row["only_there"]))))
    if not context.hides:
        yield from _extent(context, frame, "sensitivity.extent_lists")
    yield _table(context, frame, say("caption.left_out"), head, found.whole.total)


def _merged(context: Context, found: MergedLists) -> Iterator[Block]:
    say = context.say
    frame = found.to_frame(context.level)
    head = [(say("column.merged"), lambda row: _pair(context, row))]
    if not context.hides:
        yield from _extent(context, frame, "sensitivity.extent_pairs")
    yield _table(context, frame, say("caption.merged"), head, found.whole.total)


def _order(context: Context, found: HighestOrder) -> Iterator[Block]:
    say = context.say
    head = [("xi", lambda row: Cell(say.general(row["xi"]), row["xi"]))]
    total = found.population.total
    yield _table(context, found.to_frame(), say("caption.highest_order"), head, total)


def _odds(context: Context, found: OddsRatio) -> Iterator[Block]:
    say = context.say
    head = [
        (say("column.lists"), lambda row: _pair(context, row)),
        (say("column.odds"), lambda row: Cell(say.general(row["odds_ratio"]), row["odds_ratio"])),
    ]
    base = next((each.hidden for each in found.scenarios if each.value == 1), math.nan)
    total = found.table.n_observed + base
    yield _table(context, found.to_frame(), say("caption.odds_ratio"), head, total)


def _near(context: Context, found: NearModels) -> Iterator[Block]:
    say = context.say
    frame = found.to_frame()
    near = say("models.near", within=say.general(found.within), criterion=found.criterion)
    low, high = context.persons(found.low), context.persons(found.high)
    if found.n_models == 1:
        text = say("models.one", near=near, total=say.number(low))
    elif found.n_models:
        n = say.number(found.n_models)
        text = say("models.range", n=n, near=near, span=say.span(low, high))
    else:
        text = say("models.none", near=near)
    if found.n_not_estimable:
        text += " " + say.counted("models.failed", found.n_not_estimable)
    yield Paragraph(inline(text))
    yield Paragraph(inline(say("models.alike")))
    columns = [Column(say("column.model"))]
    if not context.hides:
        columns.append(Column(say("column.difference", criterion=found.criterion), figures=True))
    columns += [Column(say("column.point"), figures=True), Column(say("column.status"))]
    rows = []
    for row in frame.head(MOST_ROWS).to_dict("records"):
        cells = [Cell(str(row["model"]), str(row["model"]))]
        if not context.hides:
            cells.append(say.decimal_cell(row["difference"]))
        cells += [context.count_cell(row["total"]), say.status_cell(row["status"])]
        rows.append(tuple(cells))
    yield Table(say("caption.near"), tuple(columns), tuple(rows), _rest(context, frame))


_BUILDERS: dict[type[Result], tuple[str, Callable[[Context, Any], Iterator[Block]]]] = {
    LeaveOneOut: ("left_out", _left_out),
    MergedLists: ("merged", _merged),
    HighestOrder: ("highest_order", _order),
    OddsRatio: ("odds_ratio", _odds),
    NearModels: ("near", _near),
}


def _table(
    context: Context,
    frame: pd.DataFrame,
    caption: str,
    head: list[tuple[str, Callable[[Row], Cell]]],
    base: float,
) -> Table:
    """Make a table of scenarios: what was varied, then interval, point, factor and status."""
    say = context.say
    columns = [Column(name, figures=i > 0) for i, (name, _) in enumerate(head)]
    if not context.hides:
        columns.append(Column(context.interval_heading, figures=True))
        columns.append(Column(say("column.point"), figures=True))
        columns.append(Column(say("column.interval_kind")))
    columns += [Column(say("column.factor"), figures=True), Column(say("column.status"))]
    rows = []
    for row in frame.head(MOST_ROWS).to_dict("records"):
        cells = [make(row) for _, make in head]
        if not context.hides:
            cells.append(context.span_cell(row["low"], row["high"]))
            cells.append(context.count_cell(row["total"]))
            cells.append(_kind(context, row))
        cells += [say.decimal_cell(round(row["total"] / base, 2)), say.status_cell(row["status"])]
        rows.append(tuple(cells))
    notes = (*_rest(context, frame), *_granted(context, frame))
    if context.hides:
        notes = (*notes, say("disclosure.factors"))
    return Table(caption, tuple(columns), tuple(rows), notes)


def _kind(context: Context, row: Row) -> Cell:
    """Name the kind of interval of a row and what it takes for granted."""
    kind = str(row["interval_kind"])
    if not kind or math.isnan(row["low"]):
        return Cell("-")
    return Cell(context.kind_named(kind, str(row.get("given", ""))), kind)


def _granted(context: Context, frame: pd.DataFrame) -> Iterator[str]:
    """Say where the intervals of a table take more for granted than the one of the answer."""
    if context.hides or frame["low"].isna().all():
        return
    if "given" not in frame:
        yield context.say("sensitivity.given_value")
        return
    chosen = {each.interval_given for each in context.given.populations[:1]}
    if GIVEN_MODEL in set(frame["given"]) and RESELECTED in chosen:
        yield context.say("sensitivity.given_model")


def _rest(context: Context, frame: pd.DataFrame) -> tuple[str, ...]:
    rest = len(frame) - MOST_ROWS
    return (context.say.counted("table.more_rows", rest),) if rest > 0 else ()


def _name(context: Context, name: str) -> Cell:
    return Cell(name, name) if name else Cell(context.say("sensitivity.no_list"), "")


def _pair(context: Context, row: Row) -> Cell:
    if not row["list_a"]:
        return Cell(context.say("sensitivity.no_pair"), "")
    return Cell(context.say.listed([row["list_a"], row["list_b"]]))


def _extent(context: Context, frame: pd.DataFrame, key: str) -> Iterator[Block]:
    """Say how far apart the totals are; the first row is that of the whole table."""
    totals = [float(total) for total in frame["total"].iloc[1:] if not math.isnan(total)]
    if totals:
        span = context.say.span(context.persons(min(totals)), context.persons(max(totals)))
        yield Paragraph(inline(context.say(key, span=span)))
