"""Nowcasts and revisions made fit to leave: persons registered so far and in the end, and how often a figure held."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from mse._typing import FrozenDict
from mse.answer.intervals import DEFAULT_LEVEL
from mse.answer.shown import Section
from mse.disclosure.cells import Book
from mse.disclosure.count_tables import refuse_identifiers
from mse.disclosure.estimates import told, without_counts
from mse.disclosure.gate import late_shown
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.suppression import Protected, publish
from mse.disclosure.typed import released_columns
from mse.errors import ModelError
from mse.messages import Message
from mse.monitoring.draws import Figure
from mse.monitoring.result import NOTHING, Late, LatePeriod
from mse.monitoring.revisions import Revision, Revisions
from mse.nowcasting import Nowcast
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from mse._typing import Level
    from mse.disclosure.cells import Publication
    from mse.disclosure.rules import AnyRules


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProtectedNowcast(Nowcast, Protected):
    """What is in at a date and what is still to come, as it leaves: without the tables.

    Attributes
    ----------
    publication : Publication
        The counts as they leave.
    late : Late
        What is still to come of each preliminary period.
    """

    publication: Publication
    late: Late

    def registered(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show the registered persons of the preliminary periods as `Nowcast.registered`.

        Raises
        ------
        ModelError
            If intervals of another level are asked for: those of 95 % are published.
        """
        if level != DEFAULT_LEVEL:
            raise ModelError(
                f"Intervals at level {level:g} are not published: there are those at {DEFAULT_LEVEL:g}."
            )
        rows = [
            {
                self.period: period,
                "registered": each.registered,
                "expected": each.expected.point,
                "low": each.expected.low,
                "high": each.expected.high,
            }
            for period, each in self.late.periods.items()
        ]
        return pd.DataFrame(rows, columns=[self.period, "registered", "expected", "low", "high"])

    def to_frame(self) -> pd.DataFrame:
        """Show what `Nowcast.to_frame` does, as far as it may leave."""
        names = [self.period, *(f"in: {name}" for name in self.table.lists)]
        return released_columns(super().to_frame(), names, self.rules)

    def __repr__(self) -> str:
        return f"<ProtectedNowcast as of {self.as_of}, {len(self.suppressed):,} counts suppressed>"

    def _sections(self) -> list[Section]:
        return [*super()._sections(), Section("Disclosure control", paragraphs=(self.note,))]


class _Counted(NamedTuple):
    """Persons of a period as they leave, and whether they do."""

    observed: float
    status: str


def protect_nowcast(found: Nowcast, rules: AnyRules) -> ProtectedNowcast:
    """Suppress and round what is in and what is still to come.

    Where the persons registered so far in a period may not be shown, nor is any figure of it. Shares of the
    registrations that are in are given to 5 %.

    Parameters
    ----------
    found : Nowcast
        What `mse.nowcast` found.
    rules : Rules, str or path
        What is to be protected.

    Returns
    -------
    ProtectedNowcast
        Without tables: protect the monitor that was made of the nowcast for estimates.

    Examples
    --------
    >>> import mse
    >>> world = mse.simulate.netherlands(years=range(2012, 2016), late=True)
    >>> records = world.draw(seed=1).records
    >>> found = mse.nowcast(records, "2015-12-31", person="pseudonym", imputations=5, seed=1)
    >>> bool(protect_nowcast(found, "cbs").registered()["registered"][0] % 5)
    False
    """
    rules, period = rules_of(rules), found.period
    refuse_identifiers(found.table.covariates, found.table.n_observed)
    frame, book = found.registered(), Book()
    for row in frame.to_dict("records"):
        book.add(((period, row[period]),), int(row["registered"]))
    publication = publish(book.cells(), rules)
    counts: dict[Any, Any] = {}
    periods: dict[Level, LatePeriod] = {}
    for row in frame.to_dict("records"):
        each = row[period]
        count = publication.value(((period, each),))
        counts[each, ()] = _Counted(
            nan if count is None else count, SUPPRESSED if count is None else "ok"
        )
        expected = Figure(row["expected"], row["low"], row["high"])
        lists = tuple(name for name, when in found.not_in.items() if each in when)
        periods[each] = LatePeriod(row["registered"], expected, NOTHING, found.shares[each], lists)
    late = late_shown(Late(found.as_of, FrozenDict(periods)), counts, rules)
    assert late is not None
    return ProtectedNowcast(
        as_of=found.as_of,
        period=period,
        table=without_counts(found.table, rules),
        completed=(),
        preliminary=found.preliminary,
        shares=FrozenDict({each: late.periods[each].shares for each in found.preliminary}),
        not_in=found.not_in,
        warnings=told(found.warnings, rules),
        publication=publication,
        late=late,
    )


# How figures moved: whether they held, and none of them -------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ProtectedRevision(Revision):
    """A period then and later, of which is told whether the figure of then held.

    Attributes
    ----------
    held : pair of bool, or of None
        `inside` and `foreseen`.
    """

    held: tuple[bool | None, bool | None] = (None, None)

    @property
    def inside(self) -> bool | None:
        """Whether the later figure is in the interval of then."""
        return self.held[0]

    @property
    def foreseen(self) -> bool | None:
        """Whether the later figure is where it was expected."""
        return self.held[1]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProtectedRevisions(Revisions, Protected):
    """How often a figure of an earlier date held, without the figures.

    Attributes
    ----------
    publication : Publication
        Counts of then and later, none of which is shown.
    """

    publication: Publication

    def to_frame(self) -> pd.DataFrame:
        """Show what `Revisions.to_frame` does, as far as it may leave: no number of persons is."""
        frame = super().to_frame()
        kept = ["period", "as_of", "preliminary", "inside", "foreseen"]
        return released_columns(frame[kept], (), self.rules)

    @property
    def note(self) -> str:
        """Say for the reader what was done."""
        return f"{self.rules.sentence()} {_MOVED}"

    def __repr__(self) -> str:
        return f"<ProtectedRevisions: {len(self.parts)} earlier estimates, beside those of {self.as_of}>"

    def _sections(self) -> list[Section]:
        said = (self.rules.sentence(), _MOVED)
        return [*super()._sections(), Section("Disclosure control", paragraphs=said)]


_MOVED = Message("late.moved_withheld")
_NOBODY: dict[str, Any] = {"registered": nan, "registered_later": nan}


def protect_revisions(found: Revisions, rules: AnyRules) -> ProtectedRevisions:
    """Let leave whether figures of earlier dates held, and no figure.

    The tables of two dates differ by few persons: from both figures of a period could be computed how many came
    in between. Of a period of which so few are registered that they may not be counted nothing is told.

    Parameters
    ----------
    found : Revisions
        What `mse.revisions` found.
    rules : Rules, str or path
        What is to be protected.

    Returns
    -------
    ProtectedRevisions
        ``inside`` and ``foreseen`` of each period and date, and how many they are.
    """
    rules, book, parts = rules_of(rules), Book(), []
    for each in found.parts:
        counts = (each.registered, each.registered_later)
        for date, count in zip((each.as_of, found.as_of), counts, strict=True):
            book.add((("period", each.period), ("as of", date)), count, shown=False)
        held = (None, None) if any(map(rules.unsafe, counts)) else (each.inside, each.foreseen)
        shown = replace(each, total=Figure(), expected=Figure(), later=nan, **_NOBODY)
        parts.append(ProtectedRevision(**vars(shown), held=held))
    return ProtectedRevisions(
        parts=tuple(parts),
        as_of=found.as_of,
        level=found.level,
        publication=publish(book.cells(), rules),
    )
