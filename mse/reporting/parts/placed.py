"""Places: who can be among those with most, ranks with their intervals, and regions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mse.monitoring.draws import PER
from mse.monitoring.places import TOP
from mse.reporting.context import from_row
from mse.reporting.figures import places_figure
from mse.words.catalogue import finite
from mse.words.content import Block, Bullets, Cell, Column, Paragraph, Section, Table, inline
from mse.words.places import cautions, said_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from mse.monitoring.places import Places
    from mse.reporting.context import Context, Shown

#: More rows than this are cut off, and said to be.
MOST_FIRST, MOST_ROWS = 20, 80


def placed(context: Context) -> Section:
    """Say who can be among the places with most, and show them."""
    return Section("places", context.say("places.heading"), tuple(_first(context)))


def _first(context: Context) -> Iterator[Block]:
    say = context.say
    for places in _all(context):
        yield from (Paragraph(inline(say.said(each))) for each in said_of(places))
        frame = places.ranking()
        last = int(np.flatnonzero(frame["candidate"]).max(initial=0)) + 1
        shown = frame.head(min(MOST_FIRST, max(TOP, last)))
        yield _ranking(context, places, shown)
        if context.pictures and frame["rank"].notna().any():
            yield places_figure(context, places)
        yield Bullets(tuple(inline(say.said(each)) for each in cautions(places)))


def placed_further(context: Context) -> Section:
    """Show regions, and every place in the last period."""
    blocks = [block for places in _all(context) for block in _further(context, places)]
    return Section("places-further", context.say("places.heading"), tuple(blocks))


def _all(context: Context) -> Iterator[Places]:
    return (each.places for each in context.given.monitors if each.places is not None)


def _further(context: Context, places: Places) -> Iterator[Block]:
    say, period = context.say, places.monitor.period
    if places.regions:
        regions = places.by_region()
        head: list[Shown] = [(Column(say("places.column_region")), from_row("region"))]
        yield _figures(context, places, regions, [*head, _when(context, places)], "regions")
    frame = places.to_frame()
    names: list[Shown] = [(Column(places.name), from_row(places.name)), _when(context, places)]
    yield _figures(context, places, frame, names, "places", period=period)


def _when(context: Context, places: Places) -> Shown:
    period, everything = places.monitor.period, context.say("monitor.all")
    return Column(period), lambda row: Cell(everything if row[period] is None else str(row[period]))


def _figures(
    context: Context,
    places: Places,
    frame: pd.DataFrame,
    names: list[Shown],
    key: str,
    **fields: Any,
) -> Table:
    say, level = context.say, context.say.level(places.monitor.level)

    def total(row: dict[str, Any]) -> Cell:
        if math.isnan(row["total"]):
            return say.status_cell(row["status"])
        return say.span_cell(row["low"], row["high"], row["registered"])

    def rate(row: dict[str, Any]) -> Cell:
        return say.rate_span_cell(row["rate_low"], row["rate_high"])

    def point(row: dict[str, Any]) -> Cell:
        return say.count_cell(row["total"], say.grid(row["low"], row["high"], row["registered"]))

    columns = [*names, context.figures("registered", lambda row: say.count_cell(row["registered"]))]
    columns += [context.figures("total_interval", total, level=level)]
    columns += [context.figures("point", point)]
    if places.monitor.has_rates:
        columns.append(context.figures("rate", rate, per=say.number(PER), level=level))
    rows = frame.to_dict(orient="records")
    caption = say(f"places.caption_{key}", **fields)
    return context.table(caption, columns, rows[:MOST_ROWS], context.rest(rows, MOST_ROWS))


def _ranking(context: Context, places: Places, frame: pd.DataFrame) -> Table:
    say, level = context.say, context.say.level(places.monitor.level)
    known = places.ranking(by="registered").set_index(places.name)["rank"]

    def total(row: dict[str, Any]) -> Cell:
        each = places.at(row[places.name]).figures["total"]
        return (
            say.status_cell("not_estimable")
            if math.isnan(each.point)
            else say.span_cell(each.low, each.high, row["registered"])
        )

    def rank(value: Any) -> Cell:
        return Cell("-") if value is None or value != value else Cell(str(value), int(value))

    def ranks(low: float, high: float) -> Cell:
        # Ranks are not rounded.
        return Cell(say.decimal_span(low, high, 0), (finite(low), finite(high)))

    columns: list[Shown] = [
        (Column(places.name), from_row(places.name)),
        context.figures("registered", lambda row: say.count_cell(row["registered"])),
        _own(context, "by_registered", lambda row: rank(known[row[places.name]])),
        context.figures("total_interval", total, level=level),
        _own(context, "rank", lambda row: rank(row["rank"])),
        _own(
            context,
            "ranks",
            lambda row: ranks(row["rank_low"], row["rank_high"]),
            level=level,
        ),
        _own(context, "top", lambda row: Cell(say.probability(row["top"]), row["top"]), top=TOP),
    ]
    return context.table(
        say("places.caption_ranking"), columns, frame.to_dict(orient="records"), ()
    )


def _own(context: Context, key: str, cell: Any, **fields: Any) -> Shown:
    return Column(context.say(f"places.column_{key}", **fields), figures=True), cell
