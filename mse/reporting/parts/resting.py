"""The assumptions, in plain language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.reporting.content import Block, Bullets, Paragraph, Section, inline

if TYPE_CHECKING:
    from mse.reporting.context import Context

__all__ = ["assumptions"]


def assumptions(context: Context) -> Section:
    """Say what the estimates rest on, each assumption once."""
    say = context.say
    populations = context.given.populations
    if not populations:
        return Section("assumptions", say("heading.assumptions"))
    own = tuple(dict.fromkeys(populations[0].assumptions))
    further = dict.fromkeys(
        text for each in populations[1:] for text in each.assumptions if text not in own
    )
    blocks: list[Block] = [
        Paragraph(inline(say("assumptions.intro"))),
        Bullets(tuple(context.translated(text) for text in own)),
    ]
    if further:
        blocks.append(Paragraph(inline(say("assumptions.further"))))
        blocks.append(Bullets(tuple(context.translated(text) for text in further)))
    return Section("assumptions", say("heading.assumptions"), tuple(blocks))
