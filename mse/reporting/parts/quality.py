"""An account of quality in the headings of others: GATHER, and the European quality reports.

What is known of a result stands under the heading that asks for it; what only the author knows is visibly empty.

The headings are those of Stevens, G. A. and others (2016), Guidelines for Accurate and Transparent Health Estimates
Reporting: the GATHER statement, Lancet 388, e19-e23; and of the Single Integrated Metadata Structure (SIMS 2.0, Eurostat),
as far as a quality report (ESQRS) asks for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from mse._typing import FrozenDict
from mse.errors import ModelError
from mse.reporting.parts.account import account
from mse.reporting.parts.changed import changed
from mse.reporting.parts.checked import diagnostics, sensitivity, validation, worries
from mse.reporting.parts.driven import driven
from mse.reporting.parts.estimates import comparison, estimates, others, range_paragraph
from mse.reporting.parts.graded import graded
from mse.reporting.parts.lists import lists, overlaps
from mse.reporting.parts.monitored import monitored, monitored_further
from mse.reporting.parts.opening import assumptions, further_assumptions, missing, question
from mse.words.content import Block, Bullets, Facts, Paragraph, Section, inline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mse.reporting.context import Context

#: What makes a part of a report.
Part: TypeAlias = "Callable[[Context], Section]"


def intervals(context: Context) -> Section:
    """Say which intervals there are, and what each holds."""
    said = {}
    for each in context.given.populations:
        conditions = context.conditions(each)
        if conditions:
            said[context.kind(each)] = conditions
    items = tuple(inline(f"{kind}: ", text) for kind, text in said.items())
    return Section("intervals", "", (Bullets(items),) if items else ())


def chosen(context: Context) -> Section:
    """Say how the model of each answer was found, and how far those near it lie apart."""
    say = context.say
    blocks: list[Block] = []
    for each in dict.fromkeys(context.given.populations):
        rows = [(say("fact.method"), inline(say.said(each.method)))]
        if each.model:
            rows.append((say("fact.model"), inline(each.model)))
        blocks.append(Facts(tuple(rows)))
        if each.model_range is not None and each.model_range.n_models > 1:
            blocks.append(range_paragraph(context, each.model_range))
    return Section("chosen", "", tuple(blocks))


def unit(context: Context) -> Section:
    """Say what is counted."""
    return Section("unit", "", (context.paragraph("quality.unit"),))


def steps(context: Context) -> Section:
    """Say in a few steps how the lists become an estimate."""
    said = [context.say(f"quality.step_{name}") for name in ("lists", "model", "interval", "rest")]
    return Section("steps", "", (Bullets(tuple(map(inline, said))),))


def preliminary(context: Context) -> Section:
    """Say which periods are preliminary."""
    late = [str(each) for monitor in context.given.monitors for each in monitor.preliminary]
    text = context.say("quality.preliminary", periods=context.say.listed(late))
    return Section("preliminary", "", (Paragraph(inline(text)),) if late else ())


def of_account(*starts: str) -> Part:
    """Take sections of the methodological account, by how their names begin."""

    def part(context: Context) -> Section:
        found = account(context)
        kept = tuple(each for each in found.sections if each.id.startswith(starts))
        return Section(f"of-{'-'.join(starts)}", "", sections=kept)

    return part


#: The methodological account in pieces, made once so that each has one place.
DATA, METHODS = of_account("account-data"), of_account("account-method")
MODELS, SOFTWARE = (
    of_account("account-models"),
    of_account("account-software", "account-conventions"),
)
PROTECTION = of_account("account-disclosure")


@dataclass(frozen=True)
class Item:
    """A heading of a scheme: its number, what fills it, and whether the author has to write there."""

    number: str
    parts: tuple[Part, ...] = ()
    author: bool = True


#: Headings by scheme, in their order.
SCHEMES: Mapping[str, tuple[Item, ...]] = FrozenDict(
    {
        "gather": (
            Item("1", (question,), author=False),
            Item("2"),
            Item("3"),
            Item("4"),
            Item("5", (lists, DATA)),
            Item("6", (overlaps,)),
            Item("7"),
            Item("8"),
            Item("9", (steps,), author=False),
            Item("10", (METHODS,)),
            Item("11", (chosen, MODELS, comparison), author=False),
            Item("12", (worries, diagnostics, sensitivity, validation), author=False),
            Item("13", (intervals,), author=False),
            Item("14", (SOFTWARE,)),
            Item("15", (monitored, driven)),
            Item("16", (estimates, monitored_further, graded), author=False),
            Item("17", (changed, preliminary)),
            Item("18", (assumptions, further_assumptions, missing)),
        ),
        "sims": (
            Item("1"),
            Item("2"),
            Item("3.1", (question,), author=False),
            Item("3.4"),
            Item("3.5", (unit,)),
            Item("3.6", (question,)),
            Item("3.7", (question,)),
            Item("3.8", (question,)),
            Item("4", (unit,), author=False),
            Item("5", (question,)),
            Item("6"),
            Item("7", (PROTECTION,)),
            Item("8"),
            Item("9"),
            Item("10"),
            Item("11", (graded,)),
            Item("12"),
            Item("13.1", (estimates, monitored), author=False),
            Item("13.2", (intervals,), author=False),
            Item("13.3.1", (missing,)),
            Item("13.3.5", (assumptions, further_assumptions, sensitivity), author=False),
            Item("14", (preliminary,)),
            Item("15.2", (monitored_further, driven)),
            Item("15.3", (validation,)),
            Item("15.4", (others, comparison), author=False),
            Item("16"),
            Item("17", (changed,)),
            Item("18.1", (lists, overlaps, DATA)),
            Item("18.4", (worries, diagnostics)),
            Item("18.5", (steps, chosen, METHODS, MODELS, SOFTWARE), author=False),
            Item("18.6"),
            Item("19"),
        ),
    }
)


def quality_sections(context: Context, scheme: str) -> list[Section]:
    """Make a section of each heading of a scheme, those that only the author can write visibly empty."""
    if scheme not in SCHEMES:
        raise ModelError(
            f"scheme={scheme!r} is not known; expected {', '.join(map(repr, SCHEMES))}."
        )
    placed: dict[Part, str] = {}
    return [_section(context, scheme, item, placed) for item in SCHEMES[scheme]]


def _section(context: Context, scheme: str, item: Item, placed: dict[Part, str]) -> Section:
    say, name = context.say, item.number.replace(".", "_")
    blocks: list[Block] = []
    if say.has(f"{scheme}_asks.{name}"):
        asked = say(f"{scheme}_asks.{name}")
        blocks.append(context.paragraph("quality.asks", "note", text=asked))
    empty, sections = True, []
    for part in item.parts:
        if part in placed:
            blocks.append(context.paragraph("quality.see", number=placed[part]))
            empty = False
            continue
        found = part(context)
        if found.is_empty:
            continue
        placed[part], empty = item.number, False
        # A part with a name of its own stands under it where the heading has several.
        if found.heading and len(item.parts) > 1:
            sections.append(replace(found, appendix=False))
        else:
            blocks += found.blocks
            sections += found.sections
    blocks += _to_be_written(context, item, empty=empty)
    heading = f"{item.number}. {say(f'{scheme}.{name}')}"
    return Section(f"{scheme}-{name.replace('_', '-')}", heading, tuple(blocks), tuple(sections))


def _to_be_written(context: Context, item: Item, *, empty: bool) -> Iterator[Block]:
    """Leave a place that nobody can overlook for what the author knows."""
    if empty:
        yield context.paragraph("quality.write", "warning")
    elif item.author:
        yield context.paragraph("quality.add", "warning")
