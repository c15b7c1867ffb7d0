"""Figures of one period, one group, or one group in one period."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from mse._frozen import FrozenDict
from mse._strata import joint_limit, joint_status
from mse.monitoring.changes import ACROSS_SCOPES
from mse.monitoring.draws import Figure, figure
from mse.monitoring.rates import PER
from mse.monitoring.wording import cell_sentences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._strata import Strata
    from mse._typing import BoolArray, FloatArray, Level, Limit
    from mse.monitoring.draws import JointDraws

__all__ = ["FIGURES", "Cell", "cell_of"]

#: Columns of a cell: nothing else in a frame may bear these names.
FIGURES = (
    "scope",
    "observed",
    "low",
    "high",
    "total",
    "hidden_low",
    "hidden_high",
    "hidden",
    "coverage_low",
    "coverage_high",
    "coverage",
    "population",
    "rate_low",
    "rate_high",
    "rate",
    "infinite",
    "undetermined",
    "status",
    "limit",
    "reason",
)

_WHY: dict[Limit, str] = {
    "infinite": "the data set no upper limit to the hidden number",
    "zero": "the hidden number runs to zero, an artifact of empty cells",
    "indeterminate": "the data do not determine the hidden number",
    "finite": "the computation failed",
}


@dataclass(frozen=True, eq=False)
class Cell:
    """Estimate of some strata together.

    Attributes
    ----------
    period : level or None
        The period; None for all of them.
    where : mapping of str to level
        The group; empty for everybody.
    scope : str
        Scope of the registers.
    observed : int
        Observed persons.
    total : float
        Estimated total, persons; NaN where it is not estimable.
    draws : float64 array (M,)
        Draws of the total.
    inhabitants : float
        Population that the group is part of, persons; NaN where it is not given.
    status, limit, reason : str
        Whether it is estimable, and why not.
    level : float
        Level of the intervals.
    """

    period: Level
    where: Mapping[str, Level]
    scope: str
    observed: int
    total: float
    draws: FloatArray = field(repr=False)
    inhabitants: float
    status: str
    limit: str
    reason: str
    level: float

    @property
    def coverage(self) -> float:
        """Observed persons as a share of the estimated total."""
        return self.observed / self.total if self.total > 0 else nan

    @property
    def determined(self) -> BoolArray:
        """Draws that determine the total, (M,)."""
        return np.asarray(~np.isnan(self.draws))

    @property
    def coverage_draws(self) -> FloatArray:
        """Draws of the coverage n / N; a replicate may have a total below the observed number."""
        if self.observed == 0:
            return np.full(self.draws.shape, nan)
        # The maximum of NaN and a number is NaN: what is not determined stays so.
        return np.asarray(self.observed / np.maximum(self.draws, self.observed))

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Total, hidden, coverage and rate, with their intervals."""
        n, known = float(self.observed), self.determined
        total = figure(self.total, self.draws[known], self.level, least=n)
        rate = Figure()
        if isfinite(self.inhabitants):
            rate = Figure(*(PER * each / self.inhabitants for each in total))
        return {
            "total": total,
            "hidden": Figure(*(each - n for each in total)),
            "coverage": figure(self.coverage, self.coverage_draws[known], self.level, 0.0, 1.0),
            "rate": rate,
        }

    def __str__(self) -> str:
        """Say in words what share is registered, and how many there are."""
        return cell_sentences(self)

    @property
    def infinite(self) -> int:
        """Draws in which the total has no bound."""
        return int(np.isinf(self.draws).sum())

    @property
    def undetermined(self) -> int:
        """Draws that do not determine the total."""
        return int(np.isnan(self.draws).sum())

    def to_row(self, *, rates: bool) -> dict[str, Any]:
        """Figures as one row of a frame."""
        total, hidden, coverage, rate = self.figures.values()
        values = (
            self.scope,
            self.observed,
            *(total.low, total.high, total.point),
            *(hidden.low, hidden.high, hidden.point),
            *(coverage.low, coverage.high, coverage.point),
            self.inhabitants,
            *(rate.low, rate.high, rate.point),
            self.infinite,
            self.undetermined,
            *(self.status, self.limit, self.reason),
        )
        row = dict(zip(FIGURES, values, strict=True))
        dropped = () if rates else ("population", "rate_low", "rate_high", "rate")
        return {name: value for name, value in row.items() if name not in dropped}


def cell_of(
    joint: JointDraws,
    members: Sequence[int],
    *,
    period: Level,
    where: Mapping[str, Level],
    scope: str,
    inhabitants: float,
    level: float,
    mixed: str = "",
) -> Cell:
    """Sum some strata.

    Parameters
    ----------
    joint : JointDraws
        All strata.
    members : sequence of int
        Which ones.
    period, where, scope, inhabitants, level
        As of `Cell`.
    mixed : str
        Why the sum is not given though its parts are; empty if it is.
    """
    strata, chosen = joint.strata, list(members)
    total = float(strata.observed[chosen].sum() + strata.hidden[chosen].sum())
    limit = joint_limit([strata.limit[each] for each in chosen])
    status: str = joint_status([strata.status[each] for each in chosen])
    reason = "" if status in ("ok", "boundary") else _reason(strata, chosen, limit)
    if mixed:
        total, status, reason = nan, ACROSS_SCOPES, mixed
    return Cell(
        period=period,
        where=FrozenDict(where),
        scope=scope,
        observed=int(strata.observed[chosen].sum()),
        total=total,
        draws=joint.totals[:, chosen].sum(axis=1),
        inhabitants=inhabitants,
        status=status,
        limit=limit,
        reason=reason,
        level=level,
    )


def _reason(strata: Strata, members: Sequence[int], limit: Limit) -> str:
    """Say why a sum is not estimable, and which of its parts are not."""
    why = _WHY[limit]
    lost = [each for each in members if strata.status[each] not in ("ok", "boundary")]
    if len(members) == 1:
        return f"{why[0].upper()}{why[1:]}."
    names = [
        ", ".join(f"{n}={level}" for n, level in zip(strata.names, strata.cells[each], strict=True))
        for each in lost[:2]
    ]
    more = f" and {len(lost) - 2} more" if len(lost) > 2 else ""
    return f"In {len(lost)} of {len(members)} strata ({'; '.join(names)}{more}) {why}."
