"""Results of kinds that the report knows nothing of: their own summaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.reporting.content import (
    Block,
    Bullets,
    Facts,
    Paragraph,
    Section,
    Verbatim,
    inline,
)
from mse.reporting.sentences import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._text import Section as Summarized
    from mse.reporting.context import Context

__all__ = ["further"]


def further(context: Context) -> Section:
    """Give the summaries of further results as they are."""
    say = context.say
    parts: list[Section] = []
    if context.hides and context.given.others:
        # Nobody can tell which counts stand in a text.
        names = say.listed(type(each).__name__ for each in context.given.others)
        note = Paragraph(inline(say("disclosure.left_out", what=names)), "note")
        return Section("further", say("heading.further"), (note,))
    for i, result in enumerate(context.given.others, start=1):
        for j, part in enumerate(result._sections(), start=1):
            heading = context.named(part.heading)
            parts.append(Section(f"further-{i}-{j}", heading, tuple(_blocks(context, part))))
    return Section("further", say("heading.further"), sections=tuple(parts))


def _blocks(context: Context, part: Summarized) -> Iterator[Block]:
    language = "" if context.say.code == SOURCE else SOURCE
    if part.rows:
        yield Facts(tuple((name, context.translated(text)) for name, text in part.rows))
    yield from (Paragraph(context.translated(text)) for text in part.paragraphs)
    if part.bullets:
        yield Bullets(tuple(context.translated(text) for text in part.bullets))
    if part.verbatim:
        yield Verbatim(part.verbatim, language)
