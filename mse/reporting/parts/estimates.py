"""The estimate: total, hidden, share registered, by stratum, and how far models disagree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mse.answer.goodness import fit_in_words, fits_poorly
from mse.disclosure.scrubbing import without_seeds
from mse.messages import MARK
from mse.reporting.context import from_row
from mse.reporting.figures import methods_figure, strata_figure
from mse.words.catalogue import EXACT
from mse.words.content import (
    Block,
    Bullets,
    Cell,
    Fact,
    Facts,
    Paragraph,
    Section,
    Table,
    Text,
    fact,
    inline,
    plain,
)
from mse.words.estimates import (
    figures,
    fit_record,
    further_warnings,
    kind_of_parts,
    range_said,
)
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from mse.answer.intervals import ModelRange
    from mse.answer.population import PopulationEstimate
    from mse.answer.rounding import Grid
    from mse.reporting.context import Context, Estimated, Group
    from mse.sensitivity import NearModels
    from mse.words.catalogue import Language

#: More strata than this are shown by one covariate at a time.
MOST_STRATA = 24
#: More levels than this are cut off, and said to be.
MOST_LEVELS = 60
#: Covariates of which there is a picture.
MOST_DRAWN = 3


def estimates(context: Context) -> Section:
    """Give the estimate of each table, its strata, and what its interval takes for granted."""
    groups = context.given.groups
    parts = (_of_group(context, group, i) for i, group in enumerate(groups, start=1))
    return context.by_table("estimate", (each.info for each in groups), parts)


def _of_group(
    context: Context, group: Group, i: int
) -> tuple[tuple[Block, ...], tuple[Section, ...]]:
    population, say = group.population, context.say
    blocks: list[Block] = [Facts(tuple(_rows(context, population)))]
    conditions = context.conditions(population)
    if conditions:
        blocks.append(Paragraph(conditions))
    sections = [
        Section(f"models-{i}", say("heading.models"), tuple(_models(context, group))),
        Section(f"strata-{i}", say("heading.strata"), tuple(_strata(context, population))),
        Section(f"notes-{i}", say("heading.warnings"), tuple(_warnings(context, population))),
    ]
    return tuple(blocks), tuple(each for each in sections if not each.is_empty)


def _rows(context: Context, population: PopulationEstimate) -> Iterator[Fact]:
    """Figures and method, each interval before its point."""
    say = context.say
    yield fact(say("fact.observed"), context.observed_cell(population.observed))
    if not math.isnan(population.total):
        yield from _figures(context, population)
    record = fit_record(population)
    said: dict[str, str | Text] = {
        "method": say.said(population.method),
        "dependence": context.modeled(population),
        "fit": "" if record is None else say.said(fit_in_words(record)),
        "status": say(f"status.{population.status}"),
        "reason": say.said(population.reason) if population.reason else "",
        "grade": say.graded(population.grade) if population.grade.letter else "",
    }
    yield from ((say(f"fact.{name}"), inline(text)) for name, text in said.items() if text)


def _figures(context: Context, population: PopulationEstimate) -> Iterator[Fact]:
    """Total, hidden number and share registered, without intervals that there are none of."""
    for part, name, cell in figures(context.say, population, context.level):
        if part.endswith("point"):
            most = part == "share_point"
            yield fact(name, context.bounded_cell(population, cell, most=most))
        elif cell.value != (None, None):
            which = {"total_interval": population, "alike_interval": population.alike}.get(part)
            yield fact(name, cell, "" if which is None else f" ({context.kind(which)})")
    if population.lower_bound:
        yield context.say("fact.bound"), inline(context.say("estimate.bound"))


def _models(context: Context, group: Group) -> Iterator[Block]:
    spread = group.population.model_range
    if spread is None or spread.n_models == 1:
        return
    yield range_paragraph(context, spread)
    low, high = group.population.interval(context.level)
    if spread.low < low or spread.high > high:
        yield context.paragraph("models.wider", "warning")
    yield context.paragraph("models.alike")


def range_paragraph(context: Context, spread: ModelRange | NearModels) -> Block:
    """Say how far the totals of the models near the best one reach."""
    say, low, high = context.say, context.persons(spread.low), context.persons(spread.high)
    grid = context.grid()
    first, *rest = range_said(say, spread, low, high, grid)
    if spread.n_models == 1:
        near = say("models.near", within=spread.within, criterion=spread.criterion)
        first = say("models.only", near=near, total=say.number(grid.point(low)))
    return Paragraph(inline(" ".join([first, *rest])))


def _warnings(context: Context, population: PopulationEstimate) -> Iterator[Block]:
    said = further_warnings(population)
    if said:
        yield Bullets(tuple(inline(context.say.said(each)) for each in said))


# Strata ------------------------------------------------------------------------------------------


def _strata(context: Context, population: PopulationEstimate) -> Iterator[Block]:
    strata = population.strata
    if strata is None:
        return
    chosen: list[tuple[str, ...]] = [(name,) for name in strata.names]
    several = len(strata.names) > 1
    if several and len(strata.cells) <= MOST_STRATA:
        chosen.append(strata.names)
    kind, given = kind_of_parts(population)
    granted = [context.say("strata.intervals", given=context.kind_named(kind, given))] * bool(kind)
    if population.lower_bound:
        granted.append(context.say("strata.bound"))
    for names in chosen:
        frame = population.margin(*names, level=context.level)
        yield _strata_table(context, frame, names, granted)
    if several and len(strata.cells) > MOST_STRATA:
        yield context.paragraph("strata.too_many", "note", n=len(strata.cells))


def strata(context: Context) -> Section:
    """Draw the estimate by each covariate."""
    blocks: list[Block] = []
    for group in context.given.groups if context.pictures else ():
        names = () if group.population.strata is None else group.population.strata.names
        for name in names[:MOST_DRAWN]:
            frame = group.population.margin(name, level=context.level)
            if frame["total"].notna().any() and len(frame) <= MOST_LEVELS:
                blocks += strata_figure(context, group.population, name, frame)
    return Section("strata", context.say("heading.strata"), tuple(blocks))


def _strata_table(
    context: Context, frame: pd.DataFrame, names: Sequence[str], granted: Sequence[str]
) -> Table:
    say = context.say

    def shown(row: Any, cell: Cell) -> Cell:
        return Cell(MARK) if row["status"] == SUPPRESSED else cell

    columns = [
        *context.named_columns(names),
        context.figures("registered", from_row("observed", context.observed_cell)),
        context.figures(
            "total_interval",
            lambda row: shown(row, say.span_cell(row["low"], row["high"], row["observed"])),
            level=say.level(context.level),
        ),
        context.figures(
            "total_point",
            lambda row: shown(row, say.count_cell(row["total"], context.grid_of(row))),
        ),
        context.figures(
            "hidden_point",
            lambda row: shown(
                row, say.count_cell(row["hidden"], context.grid_of(row, hidden=True))
            ),
        ),
        context.figures(
            "share_point",
            lambda row: shown(row, say.share_cell(row["coverage"], _shares(say, row))),
        ),
        context.words("grade", lambda row: shown(row, say.grade_cell(row["grade"]))),
        context.status_column(),
    ]
    notes = [
        *(granted if frame["low"].notna().any() else ()),
        *context.rest(frame, MOST_LEVELS),
        *context.marked(suppressed=SUPPRESSED in set(frame["status"])),
    ]
    caption = say("caption.strata", names=say.listed(names))
    return context.table(caption, columns, frame.head(MOST_LEVELS), notes)


def _shares(say: Language, row: Any) -> Grid:
    """Take what a share registered is rounded to, from a row with the interval of the total."""
    known = say.rounds and row["low"] > 0
    return (
        say.share_grid(row["observed"] / row["high"], row["observed"] / row["low"])
        if known
        else EXACT
    )


# Methods side by side -----------------------------------------------------------------------------


def others(context: Context) -> Section:
    """Say how far the methods that were tried on one table lie apart."""
    several = _several(context)
    parts = ((_spread(context, group), ()) for group in several)
    return context.by_table("others", (each.info for each in several), parts)


def comparison(context: Context) -> Section:
    """Put the methods that were tried on one table side by side."""
    several = _several(context)
    parts = ((_blocks(context, group), ()) for group in several)
    return context.by_table("comparison", (each.info for each in several), parts)


def _several(context: Context) -> list[Group]:
    return [group for group in context.given.groups if len(group.estimates) > 1]


def spread_of(estimates: Sequence[Estimated]) -> tuple[float, float] | None:
    """Smallest and largest total, where there are several."""
    totals = [each.population.total for each in estimates if each.is_given]
    return (min(totals), max(totals)) if len(totals) > 1 else None


def _spread(context: Context, group: Group) -> Iterator[Block]:
    say = context.say
    two = any(len(each.population.lists) == 2 for each in group.estimates)
    yield context.paragraph("comparison.intro_two" if two else "comparison.intro")
    spread = spread_of(group.estimates)
    if spread is not None:
        low, high = spread
        factor = say.general(high / low, 2 if high >= 1.1 * low else 3)
        n = sum(each.is_given for each in group.estimates)
        yield context.paragraph(
            "comparison.spread", n=n, span=context.range(low, high), factor=factor
        )
    if context.pictures and any(each.is_given for each in group.estimates):
        yield from methods_figure(context, group)
        if group.population.allowing is not None:
            yield context.paragraph("comparison.first_allows", "note")


def _blocks(context: Context, group: Group) -> Iterator[Block]:
    yield method_table(context, group.estimates)
    if any(each.is_given and each.population.lower_bound for each in group.estimates):
        yield context.paragraph("comparison.bound")
    given = dict.fromkeys(_granted_to_all(context, group))
    if given:
        yield context.paragraph("comparison.granted")
        yield Bullets(tuple(inline(text) for text in given))


def _granted_to_all(context: Context, group: Group) -> Iterator[str]:
    """Say of each kind of interval what it takes for granted."""
    for each in group.estimates:
        said = plain(context.conditions(each.population))
        if said:
            kind = context.kind(each.population, brief=True)
            kind = f"{kind[:1].upper()}{kind[1:]}"
            yield context.say("comparison.granted_by", kind=kind, text=said)


def _fit_cell(context: Context, population: PopulationEstimate) -> Cell:
    """Say in a cell how the model that an estimate names fits."""
    record, say = fit_record(population), context.say
    if record is None:
        return Cell("-")
    if not record["df"]:
        return Cell(say("fit.untested"))
    key = "fit.poor" if fits_poorly(record) else "fit.p"
    return Cell(say(key, p=say.said_p(record["p_value"])), record["p_value"])


def method_table(context: Context, estimates: Sequence[Estimated]) -> Table:
    """Make a table with a row for each estimate, intervals before points."""
    say = context.say

    def named(each: Estimated) -> Cell:
        found = each.population
        name = f"{estimates.index(each) + 1}. {context.short(found)}"
        made = without_seeds(each.estimator) if context.hides else each.estimator
        return Cell(name, made or plain(context.method(found)))

    def ends(each: Estimated) -> Cell:
        low, high = each.population.interval(context.level)
        return say.span_cell(low, high, each.population.observed)

    def point(each: Estimated) -> Cell:
        total = each.population.total
        if math.isnan(total):
            return Cell("-")
        found = each.population
        grid = context.grid(found)
        return context.bounded_cell(found, say.count_cell(total, grid, -found.lower_bound))

    def kind(each: Estimated) -> Cell:
        return Cell(context.kind(each.population), each.population.interval_kind or None)

    columns = [
        context.words("method", named),
        context.figures(
            "total_interval",
            ends,
            level=say.level(context.level),
        ),
        context.figures("point", point),
        context.words("grade", lambda each: say.grade_cell(each.population.grade.letter)),
        context.words("interval_kind", kind),
        context.words("dependence", lambda each: Cell(context.modeled(each.population) or "-")),
        context.words("fit", lambda each: _fit_cell(context, each.population)),
        context.words("status", lambda each: say.status_cell(each.population.status)),
    ]
    return context.table(say("caption.comparison"), columns, estimates)
