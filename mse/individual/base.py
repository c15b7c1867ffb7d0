"""What estimators of persons have in common: totals that are sums over persons, and their variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mse.answer.intervals import LognormalInterval
from mse.answer.population import Strata, answer
from mse.answer.protocols import Answered

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, Limit, Status
    from mse.answer.population import PopulationEstimate
    from mse.data.persons import PersonTable


@dataclass(frozen=True, eq=False, repr=False)
class PersonsAnswered(Answered):
    """A fit to a `PersonTable`."""

    table: PersonTable  # type: ignore[assignment]


def by_stratum(table: PersonTable, values: FloatArray) -> FloatArray:
    """Sum values (R, ...) by stratum, each row as often as it counts, (S, ...)."""
    sums = np.zeros((table.n_strata, *values.shape[1:]))
    weighted = values * table.counts.reshape(-1, *[1] * (values.ndim - 1))
    np.add.at(sums, table.strata, weighted)
    return sums


def covariance_of_sums(table: PersonTable, influence: FloatArray, totals: FloatArray) -> FloatArray:
    """Covariance (S, S) of estimated totals that are sums of an influence (R, S) over persons.

    A population of fixed size N adds, for each unit, the square of its sum less the square of what it
    holds. Units are persons, or clusters, of which those that nobody saw are taken to be as large as the
    others: their squares sum to the totals times the mean number of persons seen of one.
    """
    units, place = np.unique(table.units, return_inverse=True)
    if table.clusters is None:
        square = influence.T @ (table.counts[:, None] * influence)
    else:
        sums = np.zeros((len(units), influence.shape[1]))
        np.add.at(sums, place, table.counts[:, None] * influence)
        square = sums.T @ sums
    size = 1.0 if table.clusters is None else table.n_observed / len(units)
    return np.asarray(square - np.diag(totals * size))


def answer_of_persons(
    estimator: Any,
    table: PersonTable,
    hidden: FloatArray,
    covariance: FloatArray,
    status: Status,
    limit: Limit,
    reason: str,
    lost: BoolArray | None = None,
    **further: Any,
) -> PopulationEstimate:
    """Put hidden persons by stratum (S,) and their covariance into an estimate, with a log-normal interval.

    lost: strata (S,) without an estimate where the total has none; all of them by default
    """
    known = status in ("ok", "boundary")
    total, variance = float(hidden.sum()), float(covariance.sum())
    given = further.pop("given", "given the model")
    uncertainty = None
    # Of so few persons that the variance comes out at nothing, nothing is known of it.
    if known and variance > 0:
        uncertainty = LognormalInterval(total, math.sqrt(variance), table.n_observed, given)
    strata = None
    if table.levels:
        gone = np.full(len(hidden), not known) if known or lost is None else lost
        matrix: Any = None if gone.any() else covariance
        strata = Strata(
            table.levels,
            by_stratum(table, np.ones(len(table.counts))).astype(np.int64),
            np.where(gone, math.nan, hidden),
            tuple(status if each or known else "ok" for each in gone),
            tuple(limit if each else "finite" for each in gone),
            matrix,
        )
    return answer(
        *(estimator, table, total, status, limit, reason),  # type: ignore[arg-type]
        uncertainty=uncertainty,
        strata=strata,
        **further,
    )
