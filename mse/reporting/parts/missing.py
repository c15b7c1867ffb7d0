"""What could not be estimated, and why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mse.monitoring.changes import ACROSS_SCOPES
from mse.monitoring.wording import SUPPRESSED
from mse.reporting.content import Bullets, Paragraph, Section, inline, plain
from mse.sensitivity import LeaveOneOut, MergedLists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.monitoring import Monitor
    from mse.population import PopulationEstimate
    from mse.reporting.content import Inline
    from mse.reporting.context import Context

__all__ = ["missing"]

#: Strata named in one line.
MOST_NAMED = 12
#: Lines beyond this many are counted.
MOST_LINES = 30


def missing(context: Context) -> Section:
    """List what the data do not determine: methods, strata, models, scenarios."""
    say = context.say
    lines = {plain(line): line for line in _lines(context)}
    items = list(lines.values())
    if not items:
        hidden = any(each.status == SUPPRESSED for each in context.given.populations)
        key = "missing.suppressed" if hidden else "missing.nothing"
        text = say(key) if context.given.estimates else ""
        said = (Paragraph(inline(text)),) if text else ()
        return Section("missing", say("heading.missing"), said)
    rest = len(items) - MOST_LINES
    shown = items[:MOST_LINES]
    if rest > 0:
        shown.append(inline(say("missing.more", n=say.number(rest))))
    blocks = (Paragraph(inline(say("missing.intro"))), Bullets(tuple(shown)))
    return Section("missing", say("heading.missing"), blocks)


def _lines(context: Context) -> Iterator[Inline]:
    for group in context.given.groups:
        for each in group.estimates:
            if not each.is_given:
                reason = context.sentences.say(each.population.reason)
                yield context.say.rich(
                    "missing.method", method=context.method(each.population), reason=reason
                )
        yield from _strata(context, group.population)
        yield from _models(context, group.population)
    for monitor in context.given.monitors:
        yield from _monitored(context, monitor)
    yield from _scenarios(context)
    for found in context.given.validations:
        for row in found.to_frame().to_dict("records"):
            if math.isnan(row["estimate"]) and not context.hides:
                reason = context.sentences.say(row["reason"])
                yield context.say.rich("missing.validation", list=row["list"], reason=reason)


def _strata(context: Context, population: PopulationEstimate) -> Iterator[Inline]:
    """Name the strata that are not estimable, by where the hidden number goes."""
    strata = population.strata
    if strata is None:
        return
    say = context.say
    lost: dict[str, list[str]] = {}
    for cell, status, limit in zip(strata.cells, strata.status, strata.limit, strict=True):
        if status not in ("ok", "boundary", SUPPRESSED):
            name = " ".join(map(str, cell))
            lost.setdefault(
                f"status.{status}" if limit == "finite" else f"limit.{limit}", []
            ).append(name)
    for key, names in lost.items():
        yield inline(
            say.counted(
                "missing.strata", len(names), names=say.listed(names, MOST_NAMED), reason=say(key)
            )
        )


def _models(context: Context, population: PopulationEstimate) -> Iterator[Inline]:
    spread = population.model_range
    if spread is not None and spread.n_not_estimable:
        say = context.say
        near = say("models.near", within=say.general(spread.within), criterion=spread.criterion)
        text = say.counted("missing.models", spread.n_not_estimable, near=near)
        yield inline(text)


def _monitored(context: Context, monitor: Monitor) -> Iterator[Inline]:
    for cell in monitor.cells.values():
        if math.isnan(cell.total) and cell.status not in (ACROSS_SCOPES, SUPPRESSED):
            labels = [f"{name} {each}" for name, each in cell.where.items()]
            labels += [] if cell.period is None else [f"{monitor.period} {cell.period}"]
            reason = context.sentences.say(cell.reason)
            yield context.say.rich("missing.cell", cell=", ".join(labels), reason=reason)


def _scenarios(context: Context) -> Iterator[Inline]:
    for found in context.given.sensitivities:
        if not isinstance(found, LeaveOneOut | MergedLists):
            continue
        key = "missing.left_out" if isinstance(found, LeaveOneOut) else "missing.merged"
        for variant in found.variants:
            if math.isnan(variant.trial.total):
                reason = context.sentences.say(variant.trial.reason)
                lists = context.say.listed(variant.lists)
                yield context.say.rich(key, lists=lists, reason=reason)
