"""From results to a report: which parts it has, in which order."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mse.answer.intervals import DEFAULT_LEVEL, STORED_LEVELS, check_level
from mse.disclosure import protect, protect_drivers, protect_monitor
from mse.disclosure import rules as rules_of
from mse.disclosure.cells import Book
from mse.disclosure.count_tables import PARTS, checked_margins, note_table, table_with
from mse.disclosure.estimates import margins_of, note_population, protect_with
from mse.disclosure.monitors import monitor_with, note_monitor
from mse.disclosure.protecting import parts_beside_estimates
from mse.disclosure.scrubbing import info_shown
from mse.disclosure.suppression import publish
from mse.errors import ModelError
from mse.messages import Message
from mse.reporting.context import Context, Counts, Estimated, Evidence, Group, counts_of, gather
from mse.reporting.parts.account import account as methods
from mse.reporting.parts.account import citation
from mse.reporting.parts.changed import changed
from mse.reporting.parts.checked import diagnostics, sensitivity, validation, what_if, worries
from mse.reporting.parts.driven import driven
from mse.reporting.parts.estimates import comparison, estimates, others, strata
from mse.reporting.parts.graded import graded
from mse.reporting.parts.lists import lists, overlaps
from mse.reporting.parts.monitored import monitored, monitored_further
from mse.reporting.parts.opening import (
    answer,
    assumptions,
    further,
    further_assumptions,
    missing,
    question,
)
from mse.reporting.parts.pictures import pictures
from mse.reporting.parts.placed import placed, placed_further
from mse.reporting.parts.quality import SCHEMES, quality_sections
from mse.reporting.parts.reached import reached
from mse.reporting.parts.registers import families, seen
from mse.words.catalogue import language_of
from mse.words.content import Inline, Report, inline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mse.answer.shown import Result
    from mse.data.table import CaptureTable
    from mse.diagnostics import CheckResult
    from mse.disclosure import ProtectedTable, Rules
    from mse.driving import Drivers
    from mse.monitoring import Monitor
    from mse.reporting.context import Reportable
    from mse.words.content import Section


# Disclosure control of a report: everything in it protected before a word is written --------------


def shielded(evidence: Evidence, rules: Rules, level: float) -> tuple[Evidence, tuple[Counts, ...]]:
    """Protect estimates and monitors, and take what may be shown of the tables, in their order.

    All counts of a table and of the estimates from it are suppressed together, so that one part of the
    report does not give away what another hides.
    """
    if not rules.active:
        return evidence, tuple(counts_of(table) for table in evidence.tables)
    safe = {table.fingerprint: _table(table, evidence, rules) for table in evidence.tables}
    levels = tuple(dict.fromkeys((level, *STORED_LEVELS)))
    groups = tuple(
        _group(group, rules, levels, safe, monitored=_all_monitored(group, evidence))
        for group in evidence.groups
    )
    monitors = tuple(_monitor(each, evidence, rules, safe) for each in evidence.monitors)
    reached = tuple(protect(each, rules) for each in evidence.reached)
    counts = tuple(_counts(table, safe[table.fingerprint], rules) for table in evidence.tables)
    drivers = tuple(_driven(each, monitors, rules) for each in evidence.drivers)
    others = tuple(_other(each, rules) for each in evidence.others)
    checks = tuple(each for each in evidence.checks if not (rules.suppresses and _of_few(each)))
    evidence = replace(evidence, groups=groups, monitors=monitors, reached=reached, checks=checks)
    return replace(evidence, drivers=drivers, others=others), counts


def _driven(found: Drivers, monitors: Iterable[Monitor], rules: Rules) -> Drivers:
    """Compute what drives a change of a protected monitor of the same groups; as it is where there is none.

    What is not protected is not shown: its section says so.
    """
    names = {name for each in found.contributions for name in each.group}
    for monitor in monitors:
        if {found.first, found.last} <= {*monitor.levels} and names <= {*monitor.group_names}:
            return protect_drivers(found, rules, monitor=monitor)
    return found


def _other(result: Result, rules: Rules) -> Result:
    """Protect what a report shows in its own words, if it can be; what is not protected is not shown."""
    try:
        return cast("Result", protect(cast("Any", result), rules))
    except ModelError:
        return result


def _of_few(check: CheckResult) -> bool:
    """Whether a check looks for histories of one or two persons, so that its verdict rules small counts out."""
    named = Message.known(check.name)
    return isinstance(named, Message) and named.key in ("check.small", "check.person")


def _monitors(evidence: Evidence, table: CaptureTable | None) -> list[Monitor]:
    """Find the monitors that were made from a table."""
    return [
        each
        for each in evidence.monitors
        if table is not None and _table_of(evidence, each) == table
    ]


def _all_monitored(group: Group, evidence: Evidence) -> bool:
    """Whether a monitor of the table shows everything by which there are strata."""
    strata = group.population.strata
    names = set(() if strata is None else strata.names)
    shown = [{each.period, *each.group_names} for each in _monitors(evidence, group.table)]
    return any(names <= each for each in shown)


def _table(table: CaptureTable, evidence: Evidence, rules: Rules) -> ProtectedTable:
    """Protect a table together with the monitors that were made from it, beside the estimates from it."""
    groups = [group for group in evidence.groups if group.table == table]
    monitors = _monitors(evidence, table)
    margins = checked_margins(table)
    first = groups[0].population if groups else None
    parts: tuple[str, ...] = PARTS
    if groups or monitors:
        parts = parts_beside_estimates(table, rules, first, monitored=bool(monitors))
    book = Book()
    note_table(book, table, rules, margins, parts)
    for each in monitors if table.is_complete else ():
        note_monitor(book, each)
    return table_with(table, publish(book.cells(), rules), margins)


def _table_of(evidence: Evidence, monitor: Monitor) -> CaptureTable | None:
    """Find the table of a monitor among those given; it holds none itself."""
    fingerprint = monitor.population.provenance.get("table")
    return next((table for table in evidence.tables if table.fingerprint == fingerprint), None)


def _monitor(
    monitor: Monitor, evidence: Evidence, rules: Rules, safe: dict[str, ProtectedTable]
) -> Monitor:
    table = _table_of(evidence, monitor)
    if table is None or not table.is_complete:
        return protect_monitor(monitor, rules, table=table)
    return monitor_with(monitor, safe[table.fingerprint].publication, table=table)


def _group(
    group: Group,
    rules: Rules,
    levels: tuple[float, ...],
    safe: dict[str, ProtectedTable],
    *,
    monitored: bool = False,
) -> Group:
    """Protect the estimates from one table, by what was suppressed in the table.

    monitored: whether a monitor of the table shows all periods and groups, which then are not shown a second time
    """
    first = group.population
    margins = () if monitored else margins_of(first)
    if group.table is not None and group.table.is_complete:
        publication = safe[group.table.fingerprint].publication
    else:
        # Persons who are known in part are allotted to strata: the counts are not those of the table.
        book = Book()
        note_population(book, first, margins)
        publication = publish(book.cells(), rules)
    members = []
    known = group.counts if group.table is None else group.table
    for i, each in enumerate(group.estimates):
        population = protect_with(
            each.population,
            publication,
            table=known,
            # Of the others only totals are shown.
            margins=() if i else margins,
            levels=levels,
        )
        if monitored:
            population = replace(population, strata=None)
        members.append(Estimated(population, each.fit))
    return Group(tuple(members), group.table)


def _counts(table: CaptureTable, safe: ProtectedTable, rules: Rules) -> Counts:
    overlaps = safe.overlaps.to_numpy(dtype=np.float64, na_value=np.nan)
    sizes = safe.list_totals.to_numpy(dtype=np.float64, na_value=np.nan)
    # Beside estimates from few lists overlaps may have no place at all.
    missing = 0
    apart = overlaps[~np.eye(len(overlaps), dtype=np.bool_)]
    if table.margins is None and len(safe.histories) == 0 and np.isnan(apart).all():
        missing = table.n_lists * (table.n_lists - 1) // 2
    return replace(
        counts_of(table),
        observed=np.nan if safe.observed is None else float(safe.observed),
        sizes=dict(zip(table.lists, sizes.tolist(), strict=True)),
        overlaps=None if table.margins is not None else overlaps,
        alone=dict(_alone(safe)) if table.is_complete and len(safe.histories) else {},
        by_number={},
        fingerprint="" if rules.active else table.fingerprint,
        info=info_shown(table.info, rules),
        table=None,
        suppressed=len(safe.suppressed) + missing,
        shown=int(safe.publication.shown.sum()) + missing,
    )


def _alone(safe: ProtectedTable) -> Iterator[tuple[str, float]]:
    """Persons on one list only, by list; those without a row are nobody."""
    lists = list(safe.overlaps.columns)
    frame = safe.histories
    on = frame[lists].to_numpy(dtype=np.float64, na_value=np.nan)
    persons = frame["n"].to_numpy(dtype=np.float64, na_value=np.nan)
    single = on.sum(axis=1) == 1
    for position, name in enumerate(lists):
        found = persons[single & (on[:, position] == 1)]
        yield str(name), float(found[0]) if len(found) else 0.0


# From results to a report: which parts it has, in which order -------------------------------------

_SYNTHETIC = "SYNTHETIC: "
#: What is read, in at most six pages, and what is looked up.
_FRONT = (
    answer,
    monitored,
    placed,
    driven,
    reached,
    changed,
    question,
    lists,
    seen,
    strata,
    what_if,
    assumptions,
    worries,
    others,
)
_APPENDIX = (
    pictures,
    overlaps,
    estimates,
    graded,
    comparison,
    families,
    monitored_further,
    placed_further,
    further_assumptions,
    diagnostics,
    sensitivity,
    validation,
    missing,
    further,
    methods,
)


def build_report(
    results: Reportable,
    *,
    language: str = "en",
    disclosure: str | Path | Rules = "none",
    title: str | None = None,
    level: float = DEFAULT_LEVEL,
    date: dt.date | None = None,
    figures: bool = True,
    account: str | None = None,
) -> Report:
    """Make the content of a report from results; parameters as of `mse.write_report`.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("main").fit(mse.load_dataset("korea"))
    >>> report = build_report(fit, figures=False)
    >>> [section.id for section in report.sections][:4]
    ['answer', 'question', 'lists', 'assumptions']
    """
    check_level(level)
    say = language_of(language)
    rules = rules_of(disclosure)
    evidence = gather(results)
    one = len(evidence.lists) == 1
    say = say.about("one_register") if one else say
    # What the rules round is round already.
    say = replace(say, rounds=not rules.active)
    evidence, counts = shielded(evidence, rules, level)
    context = Context(evidence, counts, say, rules, level, pictures=figures)
    named = inline(title) if title else _title(context)
    if account is not None and not title:
        named = (
            inline(named, f": {say(f'quality.title_{account}')}") if account in SCHEMES else named
        )
    day = (date or dt.date.today()).isoformat()
    return Report(
        title=named,
        subtitle=say(f"document.subtitle{_kind(evidence)}"),
        language=language,
        date=day,
        disclosure=rules.name,
        sections=tuple(
            _sections(context, named, day)
            if account is None
            else quality_sections(context, account)
        ),
        protected=evidence.answers if rules.active else (),
    )


def quality_account(
    results: Reportable,
    scheme: str = "gather",
    *,
    language: str = "en",
    disclosure: str | Path | Rules = "none",
    title: str | None = None,
    level: float = DEFAULT_LEVEL,
    date: dt.date | None = None,
) -> Report:
    """Account for results in the headings of GATHER or of the European quality reports.

    Under each heading stands what is known of the results; where only the author can write it says so. It is content,
    ``.to_dict()`` for JSON; `mse.write_report` with ``account="gather"`` writes it as HTML, Markdown or JSON.

    Parameters
    ----------
    results : result, or iterable or mapping of results
        As of `mse.write_report`; the more is given (table, checks, validation, sensitivity), the less is left to write.
    scheme : {"gather", "sims"}, default "gather"
        The 18 items of GATHER (Stevens and others 2016), or concepts of the Single Integrated Metadata Structure,
        SIMS 2.0, that a quality report asks for.
    language : str, default "en"
        ``"en"`` or ``"nl"``.
    disclosure : str, Path or Rules, default "none"
        Rules that everything in it goes through, as in a report.
    title : str, optional
        Title; by default it names the population and the scheme.
    level : float, default 0.95
        Level of the intervals.
    date : datetime.date, optional
        Date; today by default.

    Returns
    -------
    Report

    Raises
    ------
    ModelError
        If the scheme, the language or the rules are not known, or a result cannot be reported.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("main").fit(mse.load_dataset("korea"))
    >>> found = mse.quality_account(fit)
    >>> [section.heading for section in found.sections][:2]
    ['1. Indicator, populations and periods', '2. Funding']
    """
    return build_report(
        results,
        language=language,
        disclosure=disclosure,
        title=title,
        level=level,
        date=date,
        figures=False,
        account=scheme,
    )


def _kind(evidence: Evidence) -> str:
    """Tell reports on one register, on a known group and on lists apart."""
    if evidence.reached and not evidence.lists:
        return "_reach"
    return "_register" * (len(evidence.lists) == 1)


def _title(context: Context) -> Inline:
    info = context.given.info
    if not context.given.lists and context.given.reached:
        return inline(context.say("document.reach_title"))
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
    front = [build(context) for build in _FRONT]
    appendix = [build(context) for build in _APPENDIX]
    appendix.append(citation(context, title, date))
    parts = [*front, *(replace(part, appendix=True) for part in appendix)]
    return [part for part in parts if not part.is_empty]
