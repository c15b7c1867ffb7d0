"""The check: what would give persons away if it left as it is, each violation by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from mse._result import Result
from mse._text import Section
from mse.disclosure.attacking import attack_publication
from mse.disclosure.cells import Book
from mse.disclosure.counts import cells_of_frame, has_marks, printed, stacked
from mse.disclosure.populations import why_withheld
from mse.disclosure.protected import Protected
from mse.disclosure.publication import label
from mse.disclosure.together import note
from mse.estimators import Comparison
from mse.monitoring import Monitor
from mse.population import PopulationEstimate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.disclosure.cells import Cells
    from mse.disclosure.rules import Rules
    from mse.table import CaptureTable

__all__ = ["DisclosureCheck", "Violation", "check"]

#: More violations than this are left to `to_frame()`.
_MOST_SHOWN = 30


class Violation(NamedTuple):
    """One thing that would give persons away.

    Attributes
    ----------
    rule : str
        ``threshold``, ``group``, ``dominance``, ``difference``, ``rounding``, ``derived``,
        ``traces`` or ``attack``.
    where : str
        The count, or what it is about.
    what : str
        What was found, what was expected.
    """

    rule: str
    where: str
    what: str


@dataclass(frozen=True, eq=False, repr=False)
class DisclosureCheck(Result):
    """What a check found. It names counts, so it is for those who may see them.

    Attributes
    ----------
    rules : Rules
        What was checked.
    violations : tuple of Violation
        What would give persons away.
    """

    rules: Rules
    violations: tuple[Violation, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.violations

    def to_frame(self) -> pd.DataFrame:
        """Show the violations, one row each: ``rule``, ``where``, ``what``."""
        return pd.DataFrame(list(self.violations), columns=list(Violation._fields))

    def __repr__(self) -> str:
        return (
            f"<DisclosureCheck: {len(self.violations):,} violations of the rules {self.rules.name}>"
        )

    def _sections(self) -> list[Section]:
        if self.passed:
            found: tuple[str, ...] = ("None.",)
        else:
            found = tuple(
                f"{each.rule}: {each.where}: {each.what}" for each in self.violations[:_MOST_SHOWN]
            )
        left = len(self.violations) - _MOST_SHOWN
        more = (f"and {left:,} more: see to_frame().",) if left > 0 else ()
        return [
            Section("Rules", paragraphs=(self.rules.sentence(),)),
            Section("Violations", bullets=found, paragraphs=more),
        ]


def check(thing: object, rules: Rules, **options: Any) -> DisclosureCheck:
    """Name everything in something that would give persons away if it left as it is.

    Parameters
    ----------
    thing : CaptureTable, PopulationEstimate, Comparison, Monitor, DataFrame of counts, or Protected
        What is to leave. What was protected, here or by hand in a frame with marks or gaps, is attacked.
    rules : Rules
        What is to be protected.
    **options
        Of a frame ``by``, ``count``, ``total`` and ``largest``, as of `protect_counts`; of an estimate
        ``table``, as of `protect_population`.

    Returns
    -------
    DisclosureCheck

    Raises
    ------
    ModelError
        If it is something else.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> frame = pd.DataFrame({"n": [3, 40, 43]}, index=["f", "m", "total"])
    >>> found = mse.disclosure.check(frame.T, mse.disclosure.rules("cbs"))
    >>> found.to_frame()[["rule", "where"]].to_numpy().tolist()[:2]
    [['threshold', 'row n, column f'], ['group', 'row n, column m of row n']]
    """
    return DisclosureCheck(rules, tuple(_violations(thing, rules, options)))


def _violations(thing: object, rules: Rules, options: dict[str, Any]) -> Iterator[Violation]:
    if isinstance(thing, Protected):
        yield from _exposed(attack_publication(thing.publication))
        return
    if isinstance(thing, pd.DataFrame):
        yield from _frame(thing, rules, **options)
        return
    book = Book()
    note(book, thing, rules)
    cells = book.cells()
    yield from _counts(cells, rules)
    match thing:
        case PopulationEstimate():
            yield from _estimates([thing], cells, rules, options.get("table"))
        case Comparison():
            yield from _estimates(thing.populations, cells, rules, thing.table)
            yield from _measures(rules)
        case Monitor():
            yield from _estimates([thing.population], cells, rules, options.get("table"))


def _frame(
    frame: pd.DataFrame,
    rules: Rules,
    *,
    by: list[str] | None = None,
    count: str = "n",
    total: str = "total",
    largest: str | None = None,
) -> Iterator[Violation]:
    """Check a frame as it is; if counts are marked already, whether they can be computed."""
    if has_marks(frame, by, count):
        publication = printed(frame, rules, by=by, count=count, total=total)
        for name, number in zip(publication.labels, publication.counts.tolist(), strict=True):
            if number >= 0 and rules.unsafe(number):
                text = f"{number} persons; expected at least {rules.threshold}."
                yield Violation("threshold", name, text)
        yield from _exposed(attack_publication(publication))
    elif by is None:
        cells = cells_of_frame(stacked(frame), rules, ["row", "column"], "n", total)[0]
        yield from _counts(cells, rules)
    else:
        yield from _counts(cells_of_frame(frame, rules, by, count, total, largest)[0], rules)


def _exposed(found: pd.DataFrame) -> Iterator[Violation]:
    for row in found[found["exposed"].astype(bool)].to_dict(orient="records"):
        yield Violation("attack", row["cell"], f"{row['low']:g} to {row['high']:g}: {row['why']}.")


def _counts(cells: Cells, rules: Rules) -> Iterator[Violation]:
    """Find what is wrong with the counts by themselves."""
    for key, count, shown, never in zip(
        cells.keys, cells.counts.tolist(), cells.shown, cells.unsafe, strict=True
    ):
        if shown and rules.unsafe(count):
            text = f"{count} persons; expected at least {rules.threshold}."
            yield Violation("threshold", label(key), text)
        elif not shown and rules.unsafe(count) and count:
            text = f"{count} persons, by difference; expected at least {rules.threshold}."
            yield Violation("difference", label(key), text)
        if never and shown:
            text = (
                "one contributor has too large a part of it, or the count is known within bounds."
            )
            yield Violation("dominance", label(key), text)
    if rules.group is not None:
        yield from _groups(cells, rules.group)
    odd = cells.shown & (cells.counts % rules.base != 0)
    if odd.any():
        text = f"{int(odd.sum()):,} counts are not multiples of {rules.base}."
        yield Violation("rounding", "counts", text)


def _groups(cells: Cells, share: float) -> Iterator[Violation]:
    for part, total in cells.groups:
        if cells.counts[part] > share * cells.counts[total]:
            found = cells.counts[part] / cells.counts[total]
            where = f"{label(cells.keys[part])} of {label(cells.keys[total])}"
            text = f"{found:.1%} of the persons; expected at most {share:.0%}."
            yield Violation("group", where, text)


def _estimates(
    populations: Any, cells: Cells, rules: Rules, table: CaptureTable | None
) -> Iterator[Violation]:
    """Find what estimates say of counts that may not be shown."""
    if not rules.active:
        return
    small = cells.shown & np.array([rules.unsafe(count) for count in cells.counts.tolist()])
    if small.any():
        text = (
            "counts that may not be shown are the total less the hidden number, and the coverage times "
            f"the total; there are {int(small.sum()):,} of them."
        )
        yield Violation("derived", "total, hidden and coverage", text)
    for population in populations:
        reason = why_withheld(population, rules, table)
        if reason:
            yield Violation("derived", population.method, reason)
    if any("table" in population.provenance for population in populations):
        text = "counts can be tried out against the fingerprint of the table."
        yield Violation("traces", "provenance", text)
    yield from _unrounded(populations, rules)


def _unrounded(populations: Any, rules: Rules) -> Iterator[Violation]:
    figures = [population.total for population in populations]
    odd = [each for each in figures if not math.isnan(each) and each != rules.rounded(each)]
    if odd:
        text = f"estimates are not multiples of {rules.base}: their decimals tell which counts they come from."
        yield Violation("rounding", "estimates", text)


def _measures(rules: Rules) -> Iterator[Violation]:
    if rules.suppresses:
        text = "counts that may not be shown can be tried out against how well models fit."
        yield Violation("traces", "deviance, AIC and BIC", text)
