"""How to cite: the data, the estimate, the software, and the publications behind the methods."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mse.reporting.content import Block, Bullets, Facts, Paragraph, Section, Text, inline
from mse.reporting.parts.account import release
from mse.reporting.sentences import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.reporting.content import Inline
    from mse.reporting.context import Context

__all__ = ["citation"]


def citation(context: Context, title: Inline, date: str) -> Section:
    """Say what to cite when a figure of this report is used."""
    say, info = context.say, context.given.info
    release_of = release("multiple-systems")
    software = say("cite.software_text", version=release_of)
    rows = [(say("cite.report"), say.rich("cite.report_text", title=title, date=date))]
    if info is not None and info.source:
        rows.append((say("cite.data"), inline(context.described(info.source, info))))
    rows.append((say("cite.software"), inline(software)))
    blocks: list[Block] = [Paragraph(inline(say("cite.intro"))), Facts(tuple(rows))]
    language = "" if say.code == SOURCE else SOURCE
    found = dict.fromkeys(_publications(context))
    publications = tuple(inline(Text(text, language)) for text in found)
    if publications:
        blocks.append(Paragraph(inline(say("cite.methods"))))
        blocks.append(Bullets(publications))
    return Section("citation", say("heading.citation"), tuple(blocks))


@cache
def _references() -> tuple[dict[str, Any], ...]:
    text = files("mse.reporting").joinpath("references.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["reference"])


def _publications(context: Context) -> Iterator[str]:
    """Find the publications behind what was done."""
    given = context.given
    estimators = " ".join(each.estimator for each in given.estimates)
    kinds = {each.interval_kind for each in given.populations}
    results = {type(each).__name__ for each in (*given.sensitivities, *given.validations)}
    for each in _references():
        called = (
            any(word in estimators for word in each.get("estimators", ())),
            not kinds.isdisjoint(each.get("intervals", ())),
            not results.isdisjoint(each.get("results", ())),
        )
        if any(called):
            yield each["text"]
