"""From results to a report: which parts it has, in which order."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

from mse.disclosure import rules as rules_of
from mse.intervals import DEFAULT_LEVEL, check_level
from mse.reporting.content import Inline, Report, inline
from mse.reporting.context import Context
from mse.reporting.evidence import gather
from mse.reporting.language import language_of
from mse.reporting.parts.account import account
from mse.reporting.parts.checked import diagnostics
from mse.reporting.parts.cited import citation
from mse.reporting.parts.comparing import comparison
from mse.reporting.parts.estimates import estimates
from mse.reporting.parts.further import further
from mse.reporting.parts.lists import lists, overlaps
from mse.reporting.parts.missing import missing
from mse.reporting.parts.monitored import monitored
from mse.reporting.parts.opening import answer, question
from mse.reporting.parts.resting import assumptions
from mse.reporting.parts.validated import validation
from mse.reporting.parts.varied import sensitivity
from mse.reporting.sentences import Sentences
from mse.reporting.shielding import shielded

if TYPE_CHECKING:
    from pathlib import Path

    from mse.disclosure import Rules
    from mse.reporting.content import Section
    from mse.reporting.evidence import Reportable

__all__ = ["build_report"]

_SYNTHETIC = "SYNTHETIC: "


def build_report(
    results: Reportable,
    *,
    language: str = "en",
    disclosure: str | Path | Rules = "none",
    title: str | None = None,
    level: float = DEFAULT_LEVEL,
    date: dt.date | None = None,
    figures: bool = True,
) -> Report:
    """Make the content of a report from results; parameters as of `mse.write_report`.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("main").fit(mse.load_dataset("korea"))
    >>> report = build_report(fit, figures=False)
    >>> [section.id for section in report.sections][:4]
    ['answer', 'question', 'lists', 'overlaps']
    """
    check_level(level)
    say = language_of(language)
    rules = rules_of(disclosure)
    evidence = gather(results)
    evidence, counts = shielded(evidence, rules, level)
    context = Context(evidence, counts, say, Sentences(say), rules, level, pictures=figures)
    named = inline(title) if title else _title(context)
    day = (date or dt.date.today()).isoformat()
    return Report(
        title=named,
        subtitle=say("document.subtitle"),
        language=language,
        date=day,
        disclosure=rules.name,
        sections=tuple(_sections(context, named, day)),
    )


def _title(context: Context) -> Inline:
    info = context.given.info
    if info is None or not info.population:
        lists = context.say.listed(context.given.lists, 6)
        return inline(context.say("document.plain_title", lists=lists))
    if info.population.startswith(_SYNTHETIC):
        # The label stands before the whole title, and not once more within.
        info = replace(info, population=info.population.removeprefix(_SYNTHETIC))
        return context.say.rich("document.synthetic_title", subject=context.subject(info))
    return context.say.rich("document.default_title", subject=context.subject(info))


def _sections(context: Context, title: Inline, date: str) -> list[Section]:
    """All parts that there is something to read in, in the order in which they are read."""
    builders = (
        answer,
        question,
        lists,
        overlaps,
        estimates,
        comparison,
        monitored,
        assumptions,
        diagnostics,
        sensitivity,
        validation,
        missing,
        further,
        account,
    )
    parts = [build(context) for build in builders]
    parts.append(citation(context, title, date))
    return [part for part in parts if not part.is_empty]
