"""Monitors made fit to leave: figures by period and group, and their changes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import permutations
from math import nan
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mse._typing import FrozenDict
from mse.answer.population import Strata
from mse.answer.rounding import nearest, outward
from mse.answer.shown import Section
from mse.data.checks import listed
from mse.disclosure.cells import Book
from mse.disclosure.count_tables import (
    refuse_identifiers,
)
from mse.disclosure.estimates import SHARE_DIGITS, described, protect_with, told
from mse.disclosure.gate import Gate, gate_of_monitor, gates_of_monitor, key_of, late_shown
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.scrubbing import withheld_from
from mse.disclosure.suppression import Protected, publish
from mse.disclosure.typed import release, released_columns
from mse.errors import ModelError
from mse.messages import Message
from mse.monitoring.draws import PER, Figure, JointDraws
from mse.monitoring.result import Cell, Monitor
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd

    from mse._typing import Level, Limit, Status
    from mse.data.table import CaptureTable
    from mse.disclosure.cells import Key, Publication
    from mse.disclosure.rules import AnyRules, Rules
    from mse.monitoring.places import Places
    from mse.monitoring.result import Change

NOT_SHOWN = Message("withheld.shown")


@dataclass(frozen=True, eq=False, kw_only=True)
class ProtectedCell(Cell):
    """Figures of one period and group, as they leave: NaN where they are suppressed.

    Attributes
    ----------
    published : mapping of str to Figure
        Total, hidden, coverage and rate, rounded.
    lost : pair of int, or of None
        Draws in which the total has no bound, and that determine none; None where that is not shown.
    """

    published: Mapping[str, Figure]
    lost: tuple[int | None, int | None]

    @property
    def figures(self) -> dict[str, Figure]:
        """Total, hidden, coverage and rate, with their intervals."""
        return dict(self.published)

    @property
    def infinite(self) -> int:
        """Draws in which the total has no bound; None where figures are suppressed."""
        return cast("int", self.lost[0])

    @property
    def undetermined(self) -> int:
        """Draws that do not determine the total; None where figures are suppressed."""
        return cast("int", self.lost[1])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProtectedMonitor(Monitor, Protected):
    """A monitor fit to leave, for whatever shows monitors.

    It has no draws: figures of its cells and its changes are those that were published.

    Attributes
    ----------
    publication : Publication
        The counts as they leave.
    shown : mapping
        Cells by period and group.
    between : mapping
        Changes by first period, last period and group.
    conditional : ProtectedMonitor, optional
        The same with the intervals that take people for alike, where others are the headline.
    """

    publication: Publication
    shown: Mapping[Any, Cell] = field(default_factory=FrozenDict)
    between: Mapping[Any, Change] = field(default_factory=FrozenDict)
    conditional: ProtectedMonitor | None = None

    @property
    def alike(self) -> ProtectedMonitor:
        """The same with the intervals that take people for alike."""
        return self if self.conditional is None else self.conditional

    @property
    def cells(self) -> dict[Any, Cell]:
        """Figures by period and group, as they leave."""
        return dict(self.shown)

    def at(self, period: Level = None, **where: Level | Collection[Level]) -> Cell:
        """Look up a period, a group, or a group in a period.

        Raises
        ------
        ModelError
            If figures of that part of the population were not published.
        """
        group = self._group_of(where)
        if group is None or (period, group) not in self.shown:
            raise ModelError(
                "A protected monitor holds the figures that were published and nothing else: by "
                f"{self.period} and each of {listed(self.group_names) if self.group_names else 'no groups'}. "
                "For others make one covariate of them and name it in groups=[...]."
            )
        return self.shown[period, group]

    def compare(self, first: Level, last: Level, group: Any = ()) -> Change:
        """Look up the change between two periods."""
        return self.between[first, last, group]

    def _frame(self, keys: Any) -> pd.DataFrame:
        return self._released(super()._frame(keys))

    def to_frame(self) -> pd.DataFrame:
        """Show all figures as `Monitor.to_frame`; what is suppressed is missing."""
        return self._released(super().to_frame())

    def _released(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Keep the columns that may leave, counts as whole numbers."""
        return released_columns(_whole(frame), (self.period, *self.group_names), self.rules)

    def to_dict(self) -> dict[str, Any]:
        """Write all figures as `Monitor.to_dict`, with what was done to them."""
        return release(super().to_dict() | {"disclosure": described(self)}, (), self.rules).figures

    def __repr__(self) -> str:
        groups = f", groups {', '.join(self.group_names)}" if self.group_names else ""
        return (
            f"<ProtectedMonitor: {len(self.levels)} levels of {self.period}{groups}, "
            f"{len(self.suppressed):,} counts suppressed>"
        )

    def _sections(self) -> list[Section]:
        return [*super()._sections(), Section("Disclosure control", paragraphs=(self.note,))]


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Write counts as whole numbers beside missing ones."""
    counts = dict.fromkeys(("observed", "infinite", "undetermined"), "Int64")
    return frame.astype(counts)


def protect_monitor(
    monitor: Monitor, rules: AnyRules, *, table: CaptureTable | None = None
) -> ProtectedMonitor:
    """Suppress and round the figures of a monitor.

    Where the observed persons of a period, of a group, or of a group in a period may not be shown, nor
    is any figure of them, nor any change from or to them.

    Parameters
    ----------
    monitor : Monitor
        The monitor.
    rules : Rules, str or path
        What is to be protected.
    table : CaptureTable, optional
        What it was made from; needed with two lists, as in `protect_population`.

    Returns
    -------
    ProtectedMonitor

    Examples
    --------
    >>> import numpy as np, mse
    >>> counts = np.zeros((2, 2, 2, 2), dtype=int)
    >>> counts[1, 0], counts[0, 1], counts[1, 1] = [[60, 3], [70, 41]], [[44, 2], [52, 40]], 15
    >>> axes = {"year": [2014, 2015], "sex": ["f", "m"]}
    >>> table = mse.CaptureTable.from_array(counts, ["police", "care"], axes)
    >>> model = mse.LogLinear("police*year + police*sex + care*year + care*sex + year*sex")
    >>> report = mse.monitor(table, groups=["sex"], estimator=model, replicates=50, seed=1)
    >>> safe = mse.disclosure.protect_monitor(report, mse.disclosure.rules("cbs"), table=table)
    >>> safe.periods[["year", "observed"]].to_numpy().tolist()
    [[2014, 140], [2015, 235]]
    """
    rules = rules_of(rules)
    book = Book()
    note_monitor(book, monitor)
    return monitor_with(monitor, publish(book.cells(), rules), table=table)


def by_place(places: Places) -> Monitor:
    """Make a monitor of which the places are a group, and nothing else is reported, as rules protect it.

    Ranks do not leave: they follow from the counts of all places, those that may not be shown among them. Nor do
    figures of regions, which with those of their places would tell a place that is not shown.
    """
    monitor, note = cast("Monitor", places.monitor), Message("places.withheld")
    notes = (*monitor.notes, note)
    return replace(
        monitor,
        group_names=(places.name,),
        place=None,
        regions=FrozenDict(),
        placed=None,
        notes=notes,
    )


def monitor_with(
    monitor: Monitor,
    publication: Publication,
    *,
    table: CaptureTable | None = None,
    gate: Gate | None = None,
) -> ProtectedMonitor:
    """Protect a monitor whose counts are published already; ``gate`` is what was decided of it before."""
    population = protect_with(monitor.population, publication, table=table)
    conditional = None
    if monitor.alike is not monitor:
        held, gate = gates_of_monitor(monitor, publication, table)
        conditional = monitor_with(monitor.alike, publication, table=table, gate=held)
    elif gate is None:
        gate = gate_of_monitor(monitor, publication, table)
    # The wider interval has the coarser grid: the point is the one that leaves beside the other interval.
    points = (
        {} if conditional is None else {at: each.total for at, each in conditional.shown.items()}
    )
    cells = {
        (period, group): _cell(
            cell, gate, key_of(monitor, period, group), points.get((period, group), nan)
        )
        for (period, group), cell in monitor.cells.items()
    }
    return ProtectedMonitor(
        period=monitor.period,
        group_names=monitor.group_names,
        scopes=monitor.scopes,
        group_rules=monitor.group_rules,
        level=monitor.level,
        across_scopes=monitor.across_scopes,
        # The number of draws is known, and nothing of them.
        joint=JointDraws(
            population,
            _names_only(monitor.joint.strata),
            np.zeros((monitor.replicates, 0)),
            monitor.joint.given,
        ),
        inhabitants=monitor.inhabitants,
        warnings=told(monitor.warnings, publication.rules),
        notes=told((*monitor.notes, *_without_places(monitor)), publication.rules),
        late=late_shown(monitor.late, cells, publication.rules),
        publication=publication,
        shown=FrozenDict(cells),
        between=FrozenDict(_changes(monitor, cells, publication.rules)),
        conditional=conditional,
    )


def _without_places(monitor: Monitor) -> tuple[Message, ...]:
    """Say that figures of places do not leave with those of everybody."""
    return () if monitor.place is None else (Message("places.left_out"),)


def _changes(
    monitor: Monitor, cells: Mapping[Any, ProtectedCell], rules: Rules
) -> dict[Any, Change]:
    """Protect the changes between all periods, of everybody and of each group."""
    return {
        (first, last, group): _change(
            monitor.compare(first, last, group), (cells[first, group], cells[last, group]), rules
        )
        for group in dict.fromkeys(group for _, group in monitor.cells)
        for first, last in permutations(monitor.levels, 2)
    }


def note_monitor(book: Book, monitor: Monitor) -> None:
    """Note the observed persons of all cells, and the sums over periods and over groups."""
    refuse_identifiers(monitor.joint.strata.levels, monitor.population.observed)
    book.add((), monitor.population.observed)
    for (period, group), cell in monitor.cells.items():
        book.add(key_of(monitor, period, group), cell.observed)
    sums = [(None, ()), *((period, ()) for period in monitor.levels)]
    for period, group in sums:
        if period is None:
            _sum(book, (), [key_of(monitor, each, group) for each in monitor.levels])
        for name in monitor.group_names:
            levels = monitor.joint.strata.levels[name]
            parts = [key_of(monitor, period, ((name, each),)) for each in levels]
            _sum(book, key_of(monitor, period, group), parts)
    for _, group in monitor.cells:
        if group:
            parts = [key_of(monitor, each, group) for each in monitor.levels]
            _sum(book, key_of(monitor, None, group), parts)


def _sum(book: Book, total: tuple[Any, ...], parts: list[tuple[Any, ...]]) -> None:
    """Note a sum, unless persons who are known in part make the parts more than the total."""
    if book.holds(total, parts):
        book.sum(total, parts, group=True)


def _names_only(strata: Strata) -> Strata:
    """Keep names and levels of strata, and no count."""
    size = len(strata.cells)
    statuses: list[Status] = [SUPPRESSED] * size
    limits: list[Limit] = ["indeterminate"] * size
    return Strata(
        strata.levels,
        np.zeros(size, dtype=np.int64),
        np.full(size, nan),
        tuple(statuses),
        tuple(limits),
    )


def _cell(cell: Cell, gate: Gate, key: Key, leaves: float) -> ProtectedCell:
    """Round the figures of a cell, or leave them out.

    leaves: its total as it leaves elsewhere, NaN if it does not
    """
    rules, count = gate.publication.rules, gate.publication.value(key)
    gone = count is None or key in gate.why
    observed = cast("int", nan if count is None else count)
    figures = dict.fromkeys(cell.figures, Figure())
    if not rules.active:
        figures = cell.figures
    elif not gone and count is not None:
        figures = _figures(
            cell.figures["total"], count, cell.inhabitants, gate.step(key), rules, leaves
        )
    return ProtectedCell(
        period=cell.period,
        where=cell.where,
        scope=cell.scope,
        observed=observed,
        total=figures["total"].point,
        draws=np.zeros(0),
        inhabitants=cell.inhabitants,
        status=SUPPRESSED if gone else cell.status,
        limit=cast("str", None) if gone else cell.limit,
        reason=gate.reason(key, NOT_SHOWN) if gone else withheld_from(cell.reason, rules),
        level=cell.level,
        preliminary=cell.preliminary,
        published=FrozenDict(figures),
        # A grade is computed of what leaves: one that knew counts, or totals that are not shown, would tell of them.
        known=cell.known.without_counts(),
        # How often chance leaves no overlap says how small it is.
        lost=(None, None) if gone or rules.suppresses else (cell.infinite, cell.undetermined),
    )


def _figures(
    total: Figure, count: int, inhabitants: float, step: float, rules: Rules, leaves: float
) -> dict[str, Figure]:
    """Round the total, its interval outward, and compute the other figures from what was rounded."""
    point = max(nearest(total.point, step), count) if total.point == total.point else nan
    low, high = outward(total.low, total.high, step, count)
    if leaves == leaves:
        point = min(max(leaves, low), high) if low == low else leaves
    if rules.suppresses and math.isinf(high):
        low = high = nan
    rounded = Figure(point, low, high)
    hidden = Figure(*(each - count for each in rounded))
    shares = [round(count / each, SHARE_DIGITS) if each > 0 else nan for each in rounded]
    rate = Figure()
    if np.isfinite(inhabitants):
        rate = Figure(*(PER * each / inhabitants for each in rounded))
    coverage = Figure(shares[0], shares[2], shares[1])
    return {"total": rounded, "hidden": hidden, "coverage": coverage, "rate": rate}


def _change(change: Change, cells: tuple[Cell, Cell], rules: Rules) -> Change:
    """Round a change, or leave it out."""
    first, last = cells
    totals = (first.total, last.total)
    change = replace(change, known=change.known.without_counts() if rules.active else change.known)
    if SUPPRESSED in (first.status, last.status):
        return _refused(change, totals)
    if not rules.active or change.difference.point != change.difference.point:
        return replace(change, totals=totals)
    ratio = last.total / first.total if first.total else nan
    difference = outward_of(change.difference, last.total - first.total, rules, rules.base)
    return replace(
        change,
        totals=totals,
        difference=difference,
        ratio=outward_of(change.ratio, round(ratio, SHARE_DIGITS), rules, 10**-SHARE_DIGITS),
        coverage_difference=outward_of(
            change.coverage_difference,
            round(last.coverage - first.coverage, SHARE_DIGITS),
            rules,
            10**-SHARE_DIGITS,
        ),
        rise=round(nearest(change.rise, 0.05), 2)
        if rules.suppresses
        else round(change.rise, SHARE_DIGITS),
        undetermined=cast("int", None) if rules.suppresses else change.undetermined,
    )


def outward_of(given: Figure, point: float, rules: Rules, base: float) -> Figure:
    """Round the ends of a figure outward, in units of ``base``; its point was computed from what is shown."""
    low, high = given.low / base, given.high / base
    if not math.isfinite(high) or low != low:
        return Figure(point) if rules.suppresses else Figure(point, given.low, given.high)
    step = replace(rules, base=1).step(high - low, 0.0)
    ends = outward(low, high, step)
    return Figure(point, *(round(each * base, 6) for each in ends))


def _refused(change: Change, totals: tuple[float, float]) -> Change:
    return replace(
        change,
        totals=totals,
        difference=Figure(),
        ratio=Figure(),
        coverage_difference=Figure(),
        rise=nan,
        undetermined=cast("int", None),
        status=SUPPRESSED,
        reason=NOT_SHOWN,
    )


def _shares(each: Figure, point: float) -> Figure:
    return Figure(*(round(value, SHARE_DIGITS) for value in (point, *each[1:])))
