"""Estimates by stratum, and their sums over covariates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mse._frozen import FrozenDict
from mse.errors import ModelError
from mse.intervals import check_level, lognormal_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import FloatArray, IntArray, Level, Limit, Status
    from mse.intervals import PartIntervals

__all__ = ["Strata", "joint_limit", "joint_status", "strata_frame"]

_STATUSES: tuple[Status, ...] = ("not_converged", "not_estimable", "boundary", "ok")
_LIMITS: tuple[Limit, ...] = ("indeterminate", "infinite", "zero", "finite")


@dataclass(frozen=True, eq=False)
class Strata:
    """What is estimated in each stratum: every combination of covariate levels, in C order.

    Parameters
    ----------
    levels : mapping of str to tuple
        Levels of each covariate, in the order of the table.
    observed : ndarray of int64, shape (S,)
        Observed persons.
    hidden : ndarray of float64, shape (S,)
        Estimated hidden persons; NaN where they are not estimable.
    status : tuple of str, length S
        Status of each stratum.
    limit : tuple of str, length S
        Where the hidden number of each stratum goes.
    covariance : ndarray of float64, shape (S, S), optional
        Covariance of ``hidden``, in persons squared.
    intervals : PartIntervals, optional
        What computes intervals of sums of strata; without it they are quantiles of the draws of the
        estimate or, without draws, log-normal from the covariance.

    Raises
    ------
    ModelError
        If a part has another length than the covariates have combinations of levels.

    Examples
    --------
    >>> import numpy as np
    >>> strata = Strata(
    ...     {"sex": ("f", "m")},
    ...     np.array([3, 4]),
    ...     np.array([5.0, 6.0]),
    ...     ("ok", "ok"),
    ...     ("finite", "finite"),
    ... )
    >>> strata.cells
    (('f',), ('m',))
    """

    levels: Mapping[str, tuple[Level, ...]]
    observed: IntArray
    hidden: FloatArray
    status: tuple[Status, ...]
    limit: tuple[Limit, ...]
    covariance: FloatArray | None = None
    intervals: PartIntervals | None = None

    def __post_init__(self) -> None:
        observed = np.array(self.observed, dtype=np.int64)
        hidden = np.array(self.hidden, dtype=np.float64)
        covariance = None if self.covariance is None else np.array(self.covariance, np.float64)
        size = math.prod(len(levels) for levels in self.levels.values())
        lengths = {observed.size, hidden.size, len(self.status), len(self.limit)}
        if lengths != {size} or (covariance is not None and covariance.shape != (size, size)):
            msg = f"The covariates have {size} strata; the parts of Strata have other lengths."
            raise ModelError(msg)
        object.__setattr__(self, "levels", FrozenDict(self.levels))
        for name, value in (("observed", observed), ("hidden", hidden), ("covariance", covariance)):
            if value is not None:
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the covariates."""
        return tuple(self.levels)

    @property
    def cells(self) -> tuple[tuple[Level, ...], ...]:
        """The combinations of levels, in C order."""
        return tuple(product(*self.levels.values()))


def joint_status(statuses: Sequence[Status]) -> Status:
    """Status of a sum: the worst of its parts."""
    return next(status for status in _STATUSES if status in statuses)


def joint_limit(limits: Sequence[Limit]) -> Limit:
    """Limit of a sum: the least determined of its parts."""
    return next(limit for limit in _LIMITS if limit in limits)


def strata_frame(
    strata: Strata, names: Sequence[str], level: float, draws: FloatArray | None = None
) -> pd.DataFrame:
    """Estimates by the covariates in ``names``, summed over the others.

    Parameters
    ----------
    strata : Strata
        Estimates by stratum.
    names : sequence of str
        Covariates to keep, in the order of the columns.
    level : float
        Level of the intervals.
    draws : ndarray of float64, shape (M, S), optional
        Draws of the totals by stratum; without them intervals are log-normal, from the
        covariance.

    Returns
    -------
    DataFrame
        One row per combination of levels: the covariates, then ``observed``, ``hidden``,
        ``total``, ``coverage``, ``low``, ``high``, ``status``, ``limit``. The numbers that a
        stratum that is not estimable would enter are NaN.
    """
    check_level(level)
    _check_names(strata, names)
    positions = [strata.names.index(name) for name in names]
    groups: dict[tuple[Level, ...], list[int]] = {
        key: [] for key in product(*(strata.levels[name] for name in names))
    }
    for index, cell in enumerate(strata.cells):
        groups[tuple(cell[position] for position in positions)].append(index)
    rows = [
        dict(zip(names, key, strict=True)) | _sum_over(strata, members, level, draws)
        for key, members in groups.items()
    ]
    return pd.DataFrame(rows)


def _check_names(strata: Strata, names: Sequence[str]) -> None:
    for name in names:
        if name not in strata.names:
            near = get_close_matches(str(name), strata.names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            msg = f"No covariate {name!r}: the estimate has {', '.join(strata.names)}{hint}"
            raise ModelError(msg)
    if len(set(names)) < len(names):
        msg = f"A covariate is named twice in {', '.join(map(repr, names))}; name each once."
        raise ModelError(msg)


def _sum_over(
    strata: Strata, members: list[int], level: float, draws: FloatArray | None
) -> dict[str, Any]:
    """Observed, hidden, total and interval of the sum of some strata."""
    observed = int(strata.observed[members].sum())
    hidden = float(strata.hidden[members].sum())
    total = observed + hidden
    low = high = math.nan
    if math.isfinite(hidden):
        low, high = _interval(strata, members, level, draws)
    return {
        "observed": observed,
        "hidden": hidden,
        "total": total,
        "coverage": observed / total if total > 0 else math.nan,
        "low": low,
        "high": high,
        "status": joint_status([strata.status[member] for member in members]),
        "limit": joint_limit([strata.limit[member] for member in members]),
    }


def _interval(
    strata: Strata, members: list[int], level: float, draws: FloatArray | None
) -> tuple[float, float]:
    observed = int(strata.observed[members].sum())
    if strata.intervals is not None:
        return strata.intervals.of_sum(members, level)
    if draws is not None:
        # Order statistics rather than interpolated quantiles: a draw may be infinite.
        ends = np.quantile(
            draws[:, members].sum(axis=1),
            [(1 - level) / 2, (1 + level) / 2],
            method="inverted_cdf",
        )
        # Fewer than were seen there cannot be.
        return max(float(ends[0]), observed), max(float(ends[1]), observed)
    if strata.covariance is None:
        return math.nan, math.nan
    # Rounding can leave a variance of a sum slightly below zero.
    variance = max(float(strata.covariance[np.ix_(members, members)].sum()), 0.0)
    return lognormal_interval(
        float(strata.hidden[members].sum()), math.sqrt(variance), level, observed
    )
