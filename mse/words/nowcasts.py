"""A nowcast in plain words: what is in, and what is still to come."""

from __future__ import annotations

from math import isnan

from mse.answer.shown import Section, filled, layout, registered, share, span, words_for
from mse.messages import SOURCE, Message
from mse.monitoring.revisions import Revision, Revisions
from mse.nowcasting import Nowcast
from mse.words.catalogue import language_of

_EN = language_of(SOURCE)


@words_for(Nowcast)
def nowcast_sections(found: Nowcast) -> list[Section]:
    """All parts of the summary."""
    periods = tuple(map(str, found.preliminary))
    said = Message("late.as_of", as_of=found.as_of, periods=periods)
    rows = [
        [str(row[found.period]), registered(row["registered"]), registered(row["expected"]), span(row["low"], row["high"])]
        for row in found.registered().to_dict("records")
    ]  # fmt: skip
    in_ = [
        [name, *(share(found.shares[each][name], 0) for each in found.preliminary)]
        for name in found.table.lists
    ]
    if not found.preliminary:
        return [
            Section(
                _EN("late.heading"), paragraphs=(Message("late.nothing_due", as_of=found.as_of),)
            )
        ]
    return filled(
        Section(_EN("late.heading"), paragraphs=(said,)),
        Section(
            "Registered persons",
            verbatim=layout([found.period, "so far", "in the end", "95% interval"], rows),
        ),
        Section("Of the registrations of each list is in", verbatim=layout(["", *periods], in_)),
        Section("Warnings", bullets=found.warnings),
    )


@words_for(Revisions)
def revision_sections(found: Revisions) -> list[Section]:
    """Say how each figure moved."""
    bullets = tuple(_revised(each, found.as_of) for each in found.parts)
    known = [each for each in found.parts if each.inside is not None]
    early = [each for each in known if each.foreseen is not None]
    whole = Message(
        "late.revised_all",
        n=len(known),
        inside=sum(bool(each.inside) for each in known),
        foreseen=sum(bool(each.foreseen) for each in early),
        preliminary=len(early),
    )
    return [Section(_EN("late.revisions"), paragraphs=(whole,), bullets=bullets)]


def _revised(each: Revision, last: str) -> Message:
    """Say how a figure moved, and whether that was to be expected."""
    named = {"period": str(each.period), "as_of": each.as_of}
    if each.inside is None:
        return Message("late.revised_none", **named)
    where = Message(f"late.revised_{'inside' if each.inside else 'outside'}")
    if each.foreseen is not None and not isnan(each.total.point):
        key = "foreseen" if each.foreseen else "missed"
        where = Message(
            f"late.revised_{key}", where=where, low=each.expected.low, high=each.expected.high
        )
    total = each.total
    if isnan(total.point):
        return Message("late.revised_withheld", **named, foreseen=where)
    return Message(
        "late.revised",
        **named,
        low=total.low,
        high=total.high,
        point=total.point,
        later_as_of=last,
        later=each.later,
        revision=100 * each.revision,
        foreseen=where,
    )
