"""Pictures of the appendix, one after the other: what is told in tables further on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.reporting.figures import (
    draws_figure,
    graph_figure,
    group_figure,
    models_figure,
    overlaps_figure,
    sensitivity_figure,
)
from mse.sensitivity import LeaveOneOut
from mse.words.content import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.reporting.context import Context, Group
    from mse.words.content import Block


def pictures(context: Context) -> Section:
    """Draw what is not drawn on the first pages."""
    blocks = tuple(_pictures(context)) if context.pictures else ()
    return Section("pictures", context.say("heading.pictures"), blocks)


def _pictures(context: Context) -> Iterator[Block]:
    for counts in context.counts:
        yield from overlaps_figure(context, counts)
    for group in context.given.groups:
        yield from _of_group(context, group)
    for monitor in context.given.monitors:
        for name in monitor.group_names:
            yield from group_figure(context, monitor, name)
    for found in context.given.sensitivities:
        if not isinstance(found, LeaveOneOut):
            yield from sensitivity_figure(context, found)


def _of_group(context: Context, group: Group) -> Iterator[Block]:
    if not group.first.is_given:
        return
    yield from draws_figure(context, group.population)
    spread = group.population.model_range
    if not context.hides:
        # They show odds ratios, sizes of lists and totals to the person.
        yield from graph_figure(context, group)
        if spread is not None and spread.n_models > 1:
            yield from models_figure(context, group)
