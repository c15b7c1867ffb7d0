"""Several things about the same persons made fit to leave together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.disclosure.cells import Book
from mse.disclosure.comparisons import comparison_with, margins_of_comparison, note_comparison
from mse.disclosure.monitors import monitor_with, note_monitor
from mse.disclosure.populations import margins_of, note_population, protect_with
from mse.disclosure.protected import publish
from mse.disclosure.tables import PARTS, checked_margins, note_table, table_with
from mse.errors import ModelError
from mse.estimators import Comparison
from mse.intervals import STORED_LEVELS
from mse.monitoring import Monitor
from mse.population import PopulationEstimate
from mse.table import CaptureTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse.disclosure.protected import Protected
    from mse.disclosure.publication import Publication
    from mse.disclosure.rules import Rules

__all__ = ["note", "parts_beside_estimates", "protect_together"]

#: With so few lists a handful of estimates says as much as the histories they come from.
FEW_LISTS = 4


def protect_together(
    things: Sequence[object],
    rules: Rules,
    *,
    levels: Iterable[float] = STORED_LEVELS,
) -> tuple[Protected, ...]:
    """Make several things fit to leave in one publication.

    Protected one by one, what one of them shows could give away what another one hides. Here the same
    counts are suppressed in all of them. Beside estimates from at most four lists, histories and
    overlaps are left out where any of them would have to be suppressed: each estimate is an equation
    between them.

    Parameters
    ----------
    things : sequence of CaptureTable, PopulationEstimate, Comparison and Monitor
        All about the same persons.
    rules : Rules
        What is to be protected.
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
    tables = [each for each in things if isinstance(each, CaptureTable)]
    table = tables[0] if tables else None
    parts: Sequence[str] = PARTS
    if table is not None and len(things) > len(tables):
        parts = parts_beside_estimates(table, rules)
    book = Book()
    for thing in things:
        note(book, thing, rules, parts)
    publication = publish(book.cells(), rules)
    known = tuple(dict.fromkeys(float(level) for level in levels))
    return tuple(_with(thing, publication, table, known) for thing in things)


def parts_beside_estimates(table: CaptureTable, rules: Rules) -> tuple[str, ...]:
    """Which parts of a table may stand beside estimates from it."""
    if table.n_lists > FEW_LISTS or table.margins is not None:
        return PARTS
    book = Book()
    note_table(book, table, rules, (), PARTS)
    alone = publish(book.cells(), rules)
    return tuple(
        part for part in PARTS if part in ("lists", "strata") or not alone.suppressed.any()
    )


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
            raise ModelError(
                f"{type(thing).__name__} holds no counts that are known here: expected a CaptureTable, "
                "PopulationEstimate, Comparison or Monitor. Of a fit, take its population."
            )


def _with(
    thing: object, publication: Publication, table: CaptureTable | None, levels: Sequence[float]
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
