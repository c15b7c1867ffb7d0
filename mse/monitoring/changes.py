"""Changes between two periods, from draws of both together."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from mse._frozen import FrozenDict
from mse.monitoring.draws import Figure, figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray, Level
    from mse.monitoring.cells import Cell

__all__ = ["ACROSS_SCOPES", "Change", "change_between", "refused"]

#: Status of a figure that would mix scopes.
ACROSS_SCOPES = "across_scopes"


@dataclass(frozen=True)
class Change:
    """Change of an estimated total, and of the share of it that is registered, between two periods.

    Attributes
    ----------
    first, last : level
        The periods.
    where : mapping of str to level
        The group; empty for everybody.
    totals : tuple of float
        Estimated totals of the periods, persons.
    difference : Figure
        Point, low and high of the last total less the first one, persons.
    ratio : Figure
        Of the last total over the first one.
    rise : float
        Probability of a rise: share of the draws in which the last total is larger. Draws in which
        they are equal or both have no bound count half.
    coverage_difference : Figure
        Of the registered share in the last period less that in the first one.
    undetermined : int
        Draws that do not determine the change. Where both totals have no bound their difference may be
        anything, so it counts towards both ends of the interval; a draw in which a total is not
        determined says nothing and does not count.
    status : str
        ``ok`` or ``boundary``; ``not_estimable`` or ``not_converged``, of a period; or
        ``across_scopes``, where the change was not computed because the scopes differ.
    reason : str
        Why there are no figures; or which scopes they go across.
    """

    first: Level
    last: Level
    where: Mapping[str, Level]
    totals: tuple[float, float]
    difference: Figure
    ratio: Figure
    rise: float
    coverage_difference: Figure
    undetermined: int
    status: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", FrozenDict(self.where))

    def to_row(self) -> dict[str, Any]:
        """Figures as one row of a frame; the ends of intervals have names with ``_low``, ``_high``."""
        row: dict[str, Any] = {"total_first": self.totals[0], "total_last": self.totals[1]}
        for name in ("difference", "ratio", "coverage_difference"):
            each: Figure = getattr(self, name)
            row |= {f"{name}_low": each.low, f"{name}_high": each.high, name: each.point}
        row["rise"] = self.rise
        row["undetermined"] = self.undetermined
        return row | {"status": self.status, "reason": self.reason}


def change_between(first: Cell, last: Cell, level: float, note: str = "") -> Change:
    """Compare one group in two periods.

    Parameters
    ----------
    first, last : Cell
        The group in the periods, with draws of the same replicates.
    level : float
        Level of the intervals.
    note : str, optional
        What a reader has to know of the comparison.
    """
    missing = [each for each in (first, last) if np.isnan(each.total)]
    if missing:
        return _without(first, last, missing[0].status, missing[0].reason)
    both = first.determined & last.determined
    # inf - inf and inf / inf are not determined, nor is 0 / 0.
    with np.errstate(invalid="ignore", divide="ignore"):
        differences: FloatArray = (last.draws - first.draws)[both]
        ratios: FloatArray = (last.draws / first.draws)[both]
        ratio = np.float64(last.total) / np.float64(first.total)
    difference = figure(last.total - first.total, differences, level)
    shares = (last.coverage_draws - first.coverage_draws)[both]
    return Change(
        first.period,
        last.period,
        first.where,
        (first.total, last.total),
        difference,
        figure(float(ratio), ratios, level, least=0.0),
        probability_of_rise(differences),
        figure(last.coverage - first.coverage, shares, level, -1.0, 1.0),
        int(np.isnan(differences).sum() + (~both).sum()),
        first.status if first.status != "ok" else last.status,
        note,
    )


def probability_of_rise(differences: FloatArray) -> float:
    """Share of the differences above zero; ties and undetermined ones say as much for either side.

    Examples
    --------
    >>> import numpy as np
    >>> probability_of_rise(np.array([2.0, np.inf, -1.0, np.nan]))
    0.625
    """
    if differences.size == 0:
        return nan
    neither = np.isnan(differences) | (differences == 0)
    return float((differences > 0).mean() + 0.5 * neither.mean())


def refused(first: Cell, last: Cell, reason: str) -> Change:
    """Say that two periods are not compared."""
    return _without(first, last, ACROSS_SCOPES, reason)


def _without(first: Cell, last: Cell, status: str, reason: str) -> Change:
    totals = (first.total, last.total)
    return Change(
        first.period,
        last.period,
        first.where,
        totals,
        Figure(),
        Figure(),
        nan,
        Figure(),
        0,
        status,
        reason,
    )
