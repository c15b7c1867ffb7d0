"""One register: how often persons were seen, the families of counts side by side, and what those seen once decide."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from mse.answer.goodness import deviance_in_words, how_tested, short_p
from mse.classical.register_search import SingleRegisterSearchFit
from mse.classical.single_register import (
    PARTIAL,
    SingleRegisterFit,
    singletons,
    singletons_in_words,
)
from mse.messages import Message
from mse.reporting.context import from_row
from mse.reporting.figures import counts_figure, ratios_figure
from mse.words.catalogue import finite
from mse.words.content import Block, Cell, Column, Section, Table, inline
from mse.words.content import Paragraph as Words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.reporting.context import Context, Group

#: Counts beyond are one row.
MOST_TIMES = 12


def seen(context: Context) -> Section:
    """Show how many persons were seen once, twice, and so on, beside what the family expects."""
    parts = [(group, _chosen(group)) for group in _groups(context)]
    made = ((_first(context, fit, chosen=_is_chosen(group)), ()) for group, fit in parts)
    return context.by_table("seen", (group.info for group, _ in parts), made)


def families(context: Context) -> Section:
    """Compare the families by criteria and tests, draw the ratios, and say what those seen once decide."""
    groups = _groups(context)
    made = ((_further(context, group), ()) for group in groups)
    return context.by_table("families", (group.info for group in groups), made)


def _groups(context: Context) -> list[Group]:
    """Take the estimates from counts of one register, of which a fit is at hand."""
    return [group for group in context.given.groups if any(_fits(group))]


def _fits(group: Group) -> list[SingleRegisterFit]:
    """Take all fits to the counts of one register, each once, those that a search tried among them."""
    found: dict[str, SingleRegisterFit] = {}
    for each in group.estimates:
        fit: Any = each.fit
        for one in fit.fits if isinstance(fit, SingleRegisterSearchFit) else (fit,):
            if isinstance(one, SingleRegisterFit):
                found.setdefault(repr(one.estimator), one)
    return [*found.values()]


def _chosen(group: Group) -> SingleRegisterFit:
    """Find the fit behind the estimate that is reported; of others the first."""
    fits = _fits(group)
    known = group.population.provenance
    names = [str(known.get(name, "")) for name in ("chosen", "estimator")]
    return next((fit for fit in fits if repr(fit.estimator) in names), fits[0])


def _is_chosen(group: Group) -> bool:
    return "chosen" in group.population.provenance


def _first(context: Context, fit: SingleRegisterFit, *, chosen: bool) -> Iterator[Block]:
    if context.hides:
        # Some were seen so often that they are few, and what is expected tells the others.
        yield context.left_out("heading.seen")
        return
    say, found = context.say, fit.table.frequencies
    once, everybody = say.number(found.get(1, 0)), say.number(fit.table.n_observed)
    yield context.paragraph("seen.intro", once=once, seen=everybody)
    yield _counts(context, fit, chosen=chosen)
    if context.pictures:
        yield from counts_figure(context, fit)


def _counts(context: Context, fit: SingleRegisterFit, *, chosen: bool) -> Table:
    """Make a table of how many were seen how often, counted and expected.

    chosen: whether the family was chosen by these counts
    """
    say, frame = context.say, fit.fitted
    last = min(len(frame), MOST_TIMES)
    frame = frame.assign(times=frame["times"].clip(upper=last))
    rows = frame.groupby("times", as_index=False).sum(min_count=1)
    test = fit.fit_test

    def times(value: int) -> Cell:
        more = value == last < len(fit.fitted)
        return Cell(say("seen.rest", n=value) if more else say.number(value), int(value))

    columns = [
        context.figures("times", from_row("times", times)),
        context.figures("registered", from_row("observed", say.count_cell)),
        context.figures("expected_counts", from_row("fitted", partial(say.decimal_cell, digits=1))),
    ]
    note = say("seen.fit_none")
    if test is not None and test.df:
        how = how_tested(selected=chosen)
        tested = deviance_in_words(test.deviance, test.df, short_p(test.p_value), how)
        note = f"{say.said(tested).text} {say('seen.joined')}"
    caption = say("caption.seen", family=context.named(fit.estimator.method.name))
    return context.table(caption, columns, rows, [] if test is None else [note])


def _further(context: Context, group: Group) -> Iterator[Block]:
    if context.hides:
        # Likelihoods are measures that any table could be tried out against.
        yield context.left_out("heading.families")
        return
    fits = _fits(group)
    whole = [each for each in fits if each.estimator.family not in PARTIAL]
    whole = [each for each in whole if each.estimator.inflation != "zero_one"]
    yield context.paragraph("seen.families")
    yield _criteria(context, whole)
    if len(whole) < len(fits):
        yield context.paragraph("seen.families_left", "note")
    table = fits[0].table
    if context.pictures and {1, 2} <= {*table.frequencies}:
        yield from ratios_figure(context, table)
        yield context.paragraph("seen.ratios")
    found = singletons(table)
    if found is None:
        yield Words(inline(context.say.said(Message("found.no_bounds"))))
    elif found.decide:
        yield Words(inline(context.say.said(singletons_in_words(found))), "warning")
        yield context.paragraph("seen.decide")
    else:
        agree = Message("found.bounds_agree", chao=found.chao, inflated=found.inflated)
        yield Words(inline(context.say.said(agree)))


def _criteria(context: Context, fits: list[SingleRegisterFit]) -> Table:
    """Make a table of families, the best by BIC first; those without an estimate last."""
    say = context.say
    fits = sorted(fits, key=lambda each: (math.isnan(each.population.total), each.bic))

    def family(each: SingleRegisterFit) -> Cell:
        settings = each.estimator
        parts = [Message(f"method.register_{settings.family}")]
        if settings.inflation:
            parts.append(Message(f"method.ones_{settings.inflation}"))
        return Cell(", ".join(say.said(part).text for part in parts), repr(settings))

    def number(name: str, digits: int) -> Any:
        return lambda each: say.decimal_cell(getattr(each, name), digits)

    def tested(each: SingleRegisterFit) -> Cell:
        test = each.fit_test
        if test is None or not test.df:
            return Cell("-")
        text = f"{say.number(test.deviance, 1)} ({test.df}), {say.p_value(test.p_value)}"
        return Cell(text, finite(test.p_value))

    columns = [
        context.words("family", family),
        context.figures("parameters", lambda each: say.count_cell(each.n_parameters)),
        context.figures("log_likelihood", number("log_likelihood", 1)),
        (Column("AIC", figures=True), number("aic", 1)),
        (Column("BIC", figures=True), number("bic", 1)),
        (Column(say("seen.test"), figures=True), tested),
        context.figures("point", lambda each: say.count_cell(each.population.total)),
        context.words("status", lambda each: say.status_cell(each.population.status)),
    ]
    return context.table(say("caption.families"), columns, fits)
