"""What drives a change made fit to leave: of everybody and of each group, computed of what a monitor shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan, nan
from typing import TYPE_CHECKING

from mse.answer.shown import Section
from mse.disclosure.monitors import NOT_SHOWN, ProtectedMonitor, outward_of, protect_monitor
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.scrubbing import withheld_from
from mse.disclosure.suppression import Protected
from mse.disclosure.typed import released_columns
from mse.driving import Contribution, Drivers
from mse.errors import ModelError
from mse.monitoring.draws import Figure
from mse.monitoring.result import NOTHING
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    import pandas as pd

    from mse.data.table import CaptureTable
    from mse.disclosure.cells import Publication
    from mse.disclosure.rules import AnyRules, Rules
    from mse.monitoring.result import Cell, Monitor


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProtectedDrivers(Drivers, Protected):
    """A change of registered persons by group, as it leaves: computed of what the monitor shows, without registers.

    Attributes
    ----------
    publication : Publication
        Of the monitor.
    """

    publication: Publication

    @property
    def largest(self) -> tuple[Contribution, ...]:
        """Contributions of groups, the largest change, up or down, first; those that are not shown last."""
        return self.contributions[:-1]

    def to_frame(self) -> pd.DataFrame:
        """Show what `Drivers.to_frame` does, as far as it may leave."""
        names = {name for each in self.contributions for name in each.group}
        return released_columns(super().to_frame(), names, self.rules)

    def __repr__(self) -> str:
        return f"<ProtectedDrivers {self.first} to {self.last}>"

    def _sections(self) -> list[Section]:
        return [*super()._sections(), Section("Disclosure control", paragraphs=(self.note,))]


def protect_drivers(
    found: Drivers, rules: AnyRules, *, monitor: Monitor, table: CaptureTable | None = None
) -> ProtectedDrivers:
    """Compute what drives a change anew, of what may be shown of the monitor.

    Parameters
    ----------
    found : Drivers
        What `mse.drivers` found.
    rules : Rules, str or path
        What is to be protected.
    monitor : Monitor
        That it was found of; or what was protected of it already.
    table : CaptureTable, optional
        What the monitor was made from, as of `protect_monitor`.

    Returns
    -------
    ProtectedDrivers
        Registered persons, their change and both parts of it, of everybody and of each group. Registers are left
        out: persons on several count in parts, so that what a register contributes is no count that could be
        checked. Nor are groups of two covariates there, which the monitor does not show.

    Raises
    ------
    ModelError
        If the monitor has not these periods.

    Notes
    -----
    Counts and totals are those of the protected monitor, and the part by size is computed of them as `mse.drivers`
    does, so that both tell nothing more. The ends of its interval are rounded outward as those of changes are;
    the part by share is the rest of the change.
    """
    rules = rules_of(rules)
    safe = monitor
    if not isinstance(safe, ProtectedMonitor):
        safe = protect_monitor(monitor, rules, table=table)
    ends = (found.first, found.last)
    if not set(ends) <= set(safe.levels):
        raise ModelError(
            f"The monitor has no {safe.period} {found.first} and {found.last}: expected the one of these drivers."
        )
    groups = [
        _contribution(
            each, [safe.shown.get((end, tuple(each.group.items()))) for end in ends], rules
        )
        for each in found.contributions
        if not each.register and each.group
    ]
    groups.sort(key=lambda each: (isnan(each.change), -abs(each.change)))
    whole = _contribution(found.of(), [safe.shown[end, ()] for end in ends], rules, groups)
    return ProtectedDrivers(
        contributions=(*groups, whole),
        first=found.first,
        last=found.last,
        level=found.level,
        given=found.given,
        info=safe.population.info,
        publication=safe.publication,
    )


def _contribution(
    each: Contribution,
    cells: list[Cell | None],
    rules: Rules,
    parts: list[Contribution] | None = None,
) -> Contribution:
    """Compute a contribution of two figures of a monitor; of everybody as the sum of the groups."""
    withheld = replace(
        each,
        first=nan,
        last=nan,
        by_size=NOTHING,
        by_share=NOTHING,
        status=SUPPRESSED,
        reason=NOT_SHOWN,
    )
    first, last = cells
    if first is None or last is None or isnan(first.observed) or isnan(last.observed):
        return withheld
    counted = replace(withheld, first=float(first.observed), last=float(last.observed))
    if isnan(each.by_size.point) and each.status != SUPPRESSED:
        return replace(counted, status=each.status, reason=withheld_from(each.reason, rules))
    if parts is None:
        point = (last.total - first.total) * (first.coverage + last.coverage) / 2
    else:
        point = sum(part.by_size.point for part in parts)
    if isnan(point):
        return counted
    point, change = round(point, 6), counted.change
    ends = outward_of(each.by_size, point, rules, rules.base)
    by_size = Figure(point, min(ends.low, point), max(ends.high, point))
    by_share = Figure(*(round(change - end, 6) for end in (point, by_size.high, by_size.low)))
    return replace(counted, by_size=by_size, by_share=by_share, status=each.status, reason="")
