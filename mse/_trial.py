"""An estimator tried on a table that may not suit it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mse._result import span
from mse._text import kind_of, persons
from mse.errors import InvalidTableError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse.estimators import Estimator
    from mse.population import PopulationEstimate
    from mse.table import CaptureTable

__all__ = [
    "NOT_APPLICABLE",
    "Trial",
    "attempt",
    "attempt_on_other",
    "carried_over",
    "check_estimator",
    "described",
    "skipped",
]

#: Status where the question could not be asked of a table, beside those of an estimate.
NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of an estimator on one table.

    Parameters
    ----------
    population : PopulationEstimate or None
        The answer; None where the estimator could not be asked.
    why_not : str
        Why it could not; empty otherwise.
    """

    population: PopulationEstimate | None
    why_not: str = ""

    @property
    def total(self) -> float:
        """Estimated total, persons; NaN where there is none."""
        return math.nan if self.population is None else self.population.total

    @property
    def status(self) -> str:
        """Status of the estimate, or ``not_applicable``."""
        return NOT_APPLICABLE if self.population is None else self.population.status

    @property
    def reason(self) -> str:
        """Why the status is what it is."""
        return self.why_not if self.population is None else self.population.reason

    def interval(self, level: float) -> tuple[float, float]:
        """Interval of the total, persons; NaN where there is none."""
        return (math.nan, math.nan) if self.population is None else self.population.interval(level)

    def row(self, level: float) -> dict[str, Any]:
        """Columns of a tidy table: estimate, interval, status."""
        low, high = self.interval(level)
        found = self.population
        return {
            "hidden": math.nan if found is None else found.hidden,
            "total": self.total,
            "low": low,
            "high": high,
            "level": level,
            "interval_kind": "" if found is None else found.interval_kind,
            "given": "" if found is None else found.interval_given,
            "model": "" if found is None else found.model,
            "status": self.status,
            "limit": "" if found is None else found.limit,
            "reason": self.reason,
        }

    def cells(self, level: float) -> list[str]:
        """Interval, point and status as text."""
        point = "-" if math.isnan(self.total) else persons(self.total)
        return [span(*self.interval(level)), point, self.status]


def carried_over(
    estimator: Estimator,
    whole: CaptureTable,
    rest: CaptureTable,
    renamed: Mapping[str, str] | None = None,
) -> Estimator:
    """Let an estimator that names lists ask the same of a table that lacks some of them.

    Without this a model that speaks of a list would be said to give no estimate where the list is
    left out, though nobody asked it.

    Parameters
    ----------
    estimator : Estimator
        Any; those with a method ``asked_of`` are asked for what suits the other table.
    whole, rest : CaptureTable
        The table the estimator is written for, and the same with lists left out or made one.
    renamed : mapping of str to str, optional
        New names of lists that were made one.

    Raises
    ------
    ModelError
        If it cannot be asked of the other table.
    """
    asked_of = getattr(estimator, "asked_of", None)
    adapted: Estimator = asked_of(whole, rest, renamed or {}) if callable(asked_of) else estimator
    return adapted


def attempt_on_other(
    estimator: Estimator,
    whole: CaptureTable,
    rest: CaptureTable,
    renamed: Mapping[str, str] | None = None,
) -> Trial:
    """Ask an estimator that is written for one table of the same with other lists; see `carried_over`."""
    try:
        adapted = carried_over(estimator, whole, rest, renamed)
    except (ModelError, InvalidTableError) as error:
        return skipped(str(error))
    return attempt(adapted, rest)


def attempt(estimator: Estimator, table: CaptureTable) -> Trial:
    """Fit, and turn "this cannot be asked of such a table" into a reason."""
    try:
        return Trial(estimator.fit(table).population)
    except (ModelError, InvalidTableError) as error:
        return skipped(str(error))


def described(trial: Trial) -> str:
    """Name the kind of interval and what it takes for granted; empty where there is none."""
    found = trial.population
    if found is None or math.isnan(found.total):
        return ""
    return kind_of(found)


def skipped(reason: str) -> Trial:
    """Say why nothing was tried."""
    return Trial(None, reason)


def check_estimator(estimator: object) -> None:
    """Raise ``ModelError`` for what has no ``fit``, or for a class in place of an object."""
    if isinstance(estimator, type) or not callable(getattr(estimator, "fit", None)):
        raise ModelError(
            f"{estimator!r} is not an estimator; expected an object with a fit method, such as "
            "mse.Chapman() (with the parentheses)."
        )
