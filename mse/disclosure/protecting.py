"""Whatever may leave made fit to: one function for all kinds of things, and for several together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from mse.answer.intervals import STORED_LEVELS
from mse.answer.population import PopulationEstimate
from mse.comparing import Comparison
from mse.data.count_table import CountTable
from mse.data.persons import PersonTable
from mse.data.table import CaptureTable
from mse.disclosure.cells import Book
from mse.disclosure.changes import protect_drivers
from mse.disclosure.count_tables import (
    PARTS,
    ProtectedCounts,
    ProtectedTable,
    checked_margins,
    note_table,
    protect_counts,
    protect_table,
    table_with,
)
from mse.disclosure.estimates import (
    comparison_with,
    margins_of,
    margins_of_comparison,
    note_comparison,
    note_population,
    protect_comparison,
    protect_population,
    protect_with,
)
from mse.disclosure.gate import TOGETHER, gates_of
from mse.disclosure.monitors import by_place, monitor_with, note_monitor, protect_monitor
from mse.disclosure.nowcasts import protect_nowcast, protect_revisions
from mse.disclosure.plans import protect_plan
from mse.disclosure.reached import protect_reach
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.suppression import Protected, publish
from mse.driving import Drivers
from mse.errors import ModelError
from mse.monitoring.places import Places
from mse.monitoring.result import Monitor
from mse.monitoring.revisions import Revisions
from mse.nowcasting import Nowcast
from mse.planning import Plan
from mse.reaching import Reach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mse.disclosure.cells import Publication
    from mse.disclosure.changes import ProtectedDrivers
    from mse.disclosure.monitors import ProtectedMonitor
    from mse.disclosure.rules import AnyRules, Rules


@overload
def protect(thing: CaptureTable, rules: AnyRules, **options: Any) -> ProtectedTable: ...
@overload
def protect(thing: pd.DataFrame, rules: AnyRules, **options: Any) -> ProtectedCounts: ...
@overload
def protect(thing: PopulationEstimate, rules: AnyRules, **options: Any) -> PopulationEstimate: ...
@overload
def protect(thing: Comparison, rules: AnyRules, **options: Any) -> Comparison: ...
@overload
def protect(thing: Monitor | Places, rules: AnyRules, **options: Any) -> Monitor: ...
@overload
def protect(thing: Reach, rules: AnyRules, **options: Any) -> Reach: ...
@overload
def protect(thing: Nowcast, rules: AnyRules, **options: Any) -> Nowcast: ...
@overload
def protect(thing: Revisions, rules: AnyRules, **options: Any) -> Revisions: ...
@overload
def protect(thing: Drivers, rules: AnyRules, **options: Any) -> Drivers: ...
@overload
def protect(thing: Plan, rules: AnyRules, **options: Any) -> Plan: ...
def protect(thing: object, rules: AnyRules, **options: Any) -> object:
    """Make something fit to leave.

    Parameters
    ----------
    thing : CaptureTable, PopulationEstimate, Comparison, Monitor, Places, Reach, Nowcast, Revisions, Drivers, Plan or DataFrame of counts
        What is to leave. Of places a monitor by place leaves, without ranks and regions; of a known group the
        shares at the end of the time, of those who were followed for all of it; of drivers the groups, of what
        their ``monitor=`` shows; of revisions whether figures held; of a plan what follows from the estimate.
    rules : Rules, str or path
        What is to be protected.
    **options
        Of `protect_table`, `protect_population`, `protect_comparison`, `protect_monitor`, `protect_drivers` or
        `protect_counts`.

    Returns
    -------
    Protected
        What those functions give. An estimate, comparison or monitor is given back as it is if the
        rules ask for nothing, and whatever is protected by the same rules already.

    Raises
    ------
    ModelError
        If it is something else, or was protected under other rules: what those took away cannot be protected again.

    Examples
    --------
    >>> import mse
    >>> p = mse.LogLinear("main").fit(mse.load_dataset("korea")).population
    >>> mse.disclosure.protect(p, mse.disclosure.rules("cbs")).observed
    125
    """
    rules = rules_of(rules)
    if isinstance(thing, Protected):
        return _protected_already(thing, rules)
    for kind, protector in (_ALWAYS | _WHERE_ASKED).items():
        if isinstance(thing, kind):
            as_it_is = kind in _WHERE_ASKED and not rules.active
            return thing if as_it_is else protector(thing, rules, **options)
    raise _refused(thing)


def _refused(thing: object) -> ModelError:
    """Say that something does not leave, and what of it can."""
    kind, asked = type(thing).__name__, "Of a fit, protect its population."
    if isinstance(thing, PersonTable):
        asked = (
            "Its rows are persons, and never leave. What can leave is the population of a fit to it, protect(fit.population, "
            "rules), and how many persons have each capture history, protect(table.counted(), rules)."
        )
    elif isinstance(thing, CountTable):
        asked = (
            "How many persons were seen how often is what its estimates tell. What can leave is the population of a "
            "fit to it, protect(fit.population, rules, table=table)."
        )
    return ModelError(
        f"{kind} cannot be protected: expected a CaptureTable, PopulationEstimate, "
        f"Comparison, Monitor, its places or drivers, a Reach, Nowcast, Revisions, Plan or a DataFrame of counts. {asked}"
    )


def _protected_already(thing: Protected, rules: Rules) -> Protected:
    """Give back what was protected by the same rules, or where nothing is asked for."""
    if rules.active and thing.rules != rules:
        raise ModelError(
            f"This was protected under the disclosure rules {thing.rules.name}, and is to leave under {rules.name}: "
            f"protect what it was made from under {rules.name}."
        )
    return thing


def _places(thing: Places, rules: Rules, **options: Any) -> ProtectedMonitor:
    return protect_monitor(by_place(thing), rules, **options)


def _drivers(thing: Drivers, rules: Rules, **options: Any) -> ProtectedDrivers:
    if "monitor" not in options:
        raise ModelError(
            "What drives a change is computed of what its monitor shows: give the monitor, and the table that it was made "
            "from, protect(drivers, rules, monitor=monitor, table=table)."
        )
    return protect_drivers(thing, rules, **options)


def _plan(thing: Plan, rules: Rules) -> Plan:
    # Of a design of shares a plan holds nobody.
    return thing if thing.table is None else protect_plan(thing, rules)


#: What protects which kind of thing: these under all rules, the others where rules ask for anything.
_ALWAYS: dict[type, Callable[..., object]] = {
    CaptureTable: protect_table,
    pd.DataFrame: protect_counts,
}
_WHERE_ASKED: dict[type, Callable[..., object]] = {
    PopulationEstimate: protect_population,
    Comparison: protect_comparison,
    Monitor: protect_monitor,
    Places: _places,
    Reach: protect_reach,
    Nowcast: protect_nowcast,
    Revisions: protect_revisions,
    Drivers: _drivers,
    Plan: _plan,
}


# Several things about the same persons made fit to leave together ---------------------------------

#: With so few lists a handful of estimates says as much as the histories they come from.
FEW_LISTS = 4


def protect_together(
    things: Sequence[object],
    rules: AnyRules,
    *,
    table: CaptureTable | CountTable | None = None,
    levels: Iterable[float] = STORED_LEVELS,
) -> tuple[Protected, ...]:
    """Make several things fit to leave in one publication.

    Protected one by one, what one of them shows could give away what another one hides. Here the same
    counts are suppressed in all of them. Beside estimates from at most four lists histories are left out
    where any of them would have to be suppressed, and overlaps where they would: each estimate is an
    equation between them.

    Parameters
    ----------
    things : sequence of CaptureTable, PopulationEstimate, Comparison and Monitor
        All about the same persons.
    rules : Rules, str or path
        What is to be protected.
    table : CaptureTable or CountTable, optional
        What the estimates were made from, if it is not among the things and is not to leave. Without a table only one
        estimate leaves: nobody knows what several tell together.
    levels : iterable of float
        Levels of the intervals that are published.

    Returns
    -------
    tuple of Protected
        In the order of ``things``.

    Raises
    ------
    ModelError
        If there is something else among them.
    InvalidTableError
        If they are not about the same persons.

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("korea")
    >>> estimate = mse.LogLinear("main").fit(table).population
    >>> strict = mse.disclosure.rules("cbs")
    >>> safe, answer = mse.disclosure.protect_together([table, estimate], strict)
    >>> len(safe.histories), answer.total
    (0, 140.0)
    """
    rules = rules_of(rules)
    tables = [each for each in things if isinstance(each, CaptureTable)]
    known_from = tables[0] if tables else table
    parts: Sequence[str] = PARTS
    known = tuple(dict.fromkeys(float(level) for level in levels))
    if tables and len(things) > len(tables):
        monitored = any(isinstance(each, Monitor) for each in things)
        parts = parts_beside_estimates(
            tables[0], rules, _first_of(things), known, monitored=monitored
        )
    book = Book()
    for thing in things:
        note(book, thing, rules, parts)
    publication = publish(book.cells(), rules)
    return tuple(_with(thing, publication, known_from, known) for thing in things)


def _first_of(things: Iterable[object]) -> PopulationEstimate | None:
    """Find the first estimate among some things, or in a comparison among them."""
    for thing in things:
        if isinstance(thing, PopulationEstimate):
            return thing
        if isinstance(thing, Comparison) and thing.populations:
            return thing.populations[0]
    return None


def parts_beside_estimates(
    table: CaptureTable,
    rules: Rules,
    first: PopulationEstimate | None = None,
    levels: Sequence[float] = STORED_LEVELS,
    *,
    monitored: bool = False,
) -> tuple[str, ...]:
    """Which parts of a table may stand beside estimates from it.

    Of few lists as many as need no suppression: where histories would be suppressed they are left out, and overlaps
    only if they would be as well; beside a monitor or estimates of strata, whose figures are many, histories likewise, of any
    number of lists. Of any number as many as let the first estimate leave, if that can leave at all.

    first: the estimate that leaves rather than these parts, with its levels
    monitored: whether a monitor of the table leaves with them
    """
    few = table.n_lists <= FEW_LISTS
    many = monitored or (first is not None and first.strata is not None)
    if table.margins is not None:
        return PARTS
    choices = [PARTS, ("lists", "overlaps", "strata"), ("lists", "strata")]
    allowed = []
    for parts in choices:
        book = Book()
        note_table(book, table, rules, (), parts)
        told = few or (many and parts is PARTS)
        last = parts is choices[-1]
        if last or not told or not publish(book.cells(), rules).suppressed.any():
            allowed.append(parts)
    if first is None or not rules.suppresses or not table.is_complete:
        return allowed[0]
    return next(
        (parts for parts in allowed if _leaves(first, table, rules, parts, levels)), allowed[0]
    )


def _leaves(
    estimate: PopulationEstimate,
    table: CaptureTable,
    rules: Rules,
    parts: Sequence[str],
    levels: Sequence[float],
) -> bool:
    """Whether an estimate may leave beside parts of its table, or would be withheld for another reason."""
    book = Book()
    note_table(book, table, rules, checked_margins(table), parts)
    note_population(book, estimate, margins_of(estimate))
    # The total alone: strata are asked for once, beside what is left.
    held, _ = gates_of(estimate, publish(book.cells(), rules), table, (), levels)
    return held.why.get(()) != TOGETHER


def note(book: Book, thing: object, rules: Rules, parts: Sequence[str] = PARTS) -> None:
    """Note the counts of something, whatever it is."""
    match thing:
        case CaptureTable():
            note_table(book, thing, rules, checked_margins(thing), parts)
        case PopulationEstimate():
            note_population(book, thing, margins_of(thing))
        case Comparison():
            note_comparison(book, thing, margins_of_comparison(thing))
        case Monitor():
            note_monitor(book, thing)
        case _:
            raise _refused(thing)


def _with(
    thing: object, publication: Publication, table: Any, levels: Sequence[float]
) -> Protected:
    match thing:
        case CaptureTable():
            return table_with(thing, publication, checked_margins(thing))
        case PopulationEstimate():
            margins = margins_of(thing)
            return protect_with(thing, publication, table=table, margins=margins, levels=levels)
        case Comparison():
            margins = margins_of_comparison(thing)
            return comparison_with(thing, publication, margins=margins, levels=levels)
        case Monitor():
            return monitor_with(thing, publication, table=table)
    raise AssertionError(thing)
