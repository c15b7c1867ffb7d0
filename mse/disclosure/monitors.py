"""Monitors made fit to leave: figures by period and group, and their changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import permutations
from math import nan
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mse._frozen import FrozenDict
from mse._strata import Strata
from mse._text import Section
from mse.disclosure.cells import Book
from mse.disclosure.populations import (
    SHARE_DIGITS,
    described,
    levels_of,
    protect_with,
    scrubbed,
)
from mse.disclosure.protected import Protected, publish
from mse.errors import ModelError
from mse.intake.problems import listed
from mse.monitoring.cells import Cell
from mse.monitoring.draws import Figure, JointDraws
from mse.monitoring.rates import PER
from mse.monitoring.result import Monitor
from mse.monitoring.wording import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd

    from mse._typing import Level, Limit, Status
    from mse.disclosure.publication import Publication
    from mse.disclosure.rules import Rules
    from mse.monitoring.changes import Change
    from mse.table import CaptureTable

__all__ = ["ProtectedCell", "ProtectedMonitor", "monitor_with", "note_monitor", "protect_monitor"]

NOT_SHOWN = "Not shown, to protect persons."


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
    """

    publication: Publication
    shown: Mapping[Any, Cell] = field(default_factory=FrozenDict)
    between: Mapping[Any, Change] = field(default_factory=FrozenDict)

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
        return _whole(super()._frame(keys))

    def to_frame(self) -> pd.DataFrame:
        """Show all figures as `Monitor.to_frame`; what is suppressed is missing."""
        return _whole(super().to_frame())

    def to_dict(self) -> dict[str, Any]:
        """Write all figures as `Monitor.to_dict`, with what was done to them."""
        return super().to_dict() | {"disclosure": described(self)}

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
    monitor: Monitor, rules: Rules, *, table: CaptureTable | None = None
) -> ProtectedMonitor:
    """Suppress and round the figures of a monitor.

    Where the observed persons of a period, of a group, or of a group in a period may not be shown, nor
    is any figure of them, nor any change from or to them.

    Parameters
    ----------
    monitor : Monitor
        The monitor.
    rules : Rules
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
    book = Book()
    note_monitor(book, monitor)
    return monitor_with(monitor, publish(book.cells(), rules), table=table)


def monitor_with(
    monitor: Monitor, publication: Publication, *, table: CaptureTable | None = None
) -> ProtectedMonitor:
    """Protect a monitor whose counts are published already."""
    population = protect_with(monitor.population, publication, table=table)
    # With two lists the estimates of all periods are withheld where that of all persons is.
    withheld = population.status == SUPPRESSED
    cells = {
        (period, group): _cell(cell, publication, _key(monitor, period, group), withheld=withheld)
        for (period, group), cell in monitor.cells.items()
    }
    levels = levels_of(monitor.population)
    return ProtectedMonitor(
        period=monitor.period,
        group_names=monitor.group_names,
        scopes=monitor.scopes,
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
        warnings=tuple(scrubbed(each, publication, levels) for each in monitor.warnings),
        notes=tuple(scrubbed(each, publication, levels) for each in monitor.notes),
        publication=publication,
        shown=FrozenDict(cells),
        between=FrozenDict(_changes(monitor, cells, publication.rules)),
    )


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


def _key(monitor: Monitor, period: Level, group: tuple[tuple[str, Level], ...]) -> tuple[Any, ...]:
    return (*(() if period is None else ((monitor.period, period),)), *group)


def note_monitor(book: Book, monitor: Monitor) -> None:
    """Note the observed persons of all cells, and the sums over periods and over groups."""
    book.add((), monitor.population.observed)
    for (period, group), cell in monitor.cells.items():
        book.add(_key(monitor, period, group), cell.observed)
    sums = [(None, ()), *((period, ()) for period in monitor.levels)]
    for period, group in sums:
        if period is None:
            _sum(book, (), [_key(monitor, each, group) for each in monitor.levels])
        for name in monitor.group_names:
            levels = monitor.joint.strata.levels[name]
            parts = [_key(monitor, period, ((name, each),)) for each in levels]
            _sum(book, _key(monitor, period, group), parts)
    for _, group in monitor.cells:
        if group:
            parts = [_key(monitor, each, group) for each in monitor.levels]
            _sum(book, _key(monitor, None, group), parts)


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


def _cell(
    cell: Cell, publication: Publication, key: tuple[Any, ...], *, withheld: bool
) -> ProtectedCell:
    """Round the figures of a cell, or leave them out."""
    rules, count = publication.rules, publication.value(key)
    gone = count is None or withheld
    observed = cast("int", nan if count is None else count)
    blank = dict.fromkeys(cell.figures, Figure())
    total = cell.figures["total"]
    if not rules.active:
        figures = cell.figures
    elif gone or count is None:
        figures = blank
    else:
        figures = _figures(total, count, cell.inhabitants, rules)
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
        reason=NOT_SHOWN if gone else cell.reason,
        level=cell.level,
        published=FrozenDict(figures),
        # How often chance leaves no overlap says how small it is.
        lost=(None, None) if gone or rules.suppresses else (cell.infinite, cell.undetermined),
    )


def _figures(total: Figure, count: int, inhabitants: float, rules: Rules) -> dict[str, Figure]:
    """Round the total, and compute the other figures from what was rounded."""
    rounded = Figure(*(max(rules.rounded(each), count) if each == each else nan for each in total))
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
    if SUPPRESSED in (first.status, last.status):
        return _refused(change, totals)
    if not rules.active or change.difference.point != change.difference.point:
        return replace(change, totals=totals)
    low, high = (rules.rounded(each) for each in change.difference[1:])
    ratio = last.total / first.total if first.total else nan
    return replace(
        change,
        totals=totals,
        difference=Figure(last.total - first.total, low, high),
        ratio=Figure(*(round(each, SHARE_DIGITS) for each in (ratio, *change.ratio[1:]))),
        coverage_difference=_shares(change.coverage_difference, last.coverage - first.coverage),
        rise=round(change.rise, SHARE_DIGITS),
        undetermined=cast("int", None) if rules.suppresses else change.undetermined,
    )


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
