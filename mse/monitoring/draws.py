"""One joint set of draws of the totals of all strata, from which every figure is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core.existence import INDETERMINATE, INFINITE, ZERO
from mse.errors import ModelError
from mse.refitting import Refittable, Refitter, TableRefitter, persons_drawn
from mse.resampling import bootstrap

if TYPE_CHECKING:
    from mse._strata import Strata
    from mse._typing import FloatArray, Seed
    from mse.estimators import Estimator
    from mse.population import PopulationEstimate
    from mse.resampling import Resampling
    from mse.table import CaptureTable

__all__ = ["Figure", "JointDraws", "figure", "joint_draws"]

#: Replicates in one task. It does not depend on the number of workers, and nor do the answers.
CHUNK = 25


class Figure(NamedTuple):
    """A point with its interval; NaN where there is none, infinite where an end has no bound."""

    point: float = nan
    low: float = nan
    high: float = nan


def figure(
    point: float, draws: FloatArray, level: float, least: float = -inf, most: float = inf
) -> Figure:
    """Put an interval of percentiles to a point.

    Parameters
    ----------
    point : float
        The figure; without it (NaN) there is no interval.
    draws : float64 array (M,)
        Its draws: infinite ones count as such, and NaN, which may be anything, towards both ends.
    level : float
        Level of the interval.
    least, most : float, optional
        Bounds that the figure cannot pass.

    Examples
    --------
    >>> import numpy as np
    >>> figure(2.0, np.array([1.0, 2.0, 3.0, np.inf]), 0.5)
    Figure(point=2.0, low=1.0, high=3.0)
    >>> figure(2.0, np.array([1.0, 2.0, 3.0, np.nan]), 0.9, least=0)
    Figure(point=2.0, low=0.0, high=inf)
    """
    if np.isnan(point) or draws.size == 0:
        return Figure(float(point))
    unknown = np.isnan(draws)
    # Order statistics, not interpolated: a draw may be infinite. `PopulationEstimate.margin` does
    # the same, so that both show the same interval.
    low = np.quantile(np.where(unknown, -inf, draws), (1 - level) / 2, method="inverted_cdf")
    high = np.quantile(np.where(unknown, inf, draws), (1 + level) / 2, method="inverted_cdf")
    return Figure(float(point), max(float(low), float(least)), min(float(high), float(most)))


@dataclass(frozen=True, eq=False)
class JointDraws:
    """Totals of all strata in every replicate.

    Attributes
    ----------
    population : PopulationEstimate
        The estimate of all strata together.
    strata : Strata
        Its parts.
    totals : float64 array (M, S)
        Totals of the replicates, persons: infinite where the hidden count has no bound, NaN where
        the replicate does not determine it.
    given : str
        What intervals from the draws take for granted.
    """

    population: PopulationEstimate
    strata: Strata
    totals: FloatArray
    given: str

    def __post_init__(self) -> None:
        self.totals.setflags(write=False)


def joint_draws(
    estimator: Estimator,
    table: CaptureTable,
    *,
    replicates: int,
    resampling: Resampling,
    seed: Seed,
    n_jobs: int | None,
    progress: bool | None,
) -> JointDraws:
    """Draw the totals of all strata together, by `mse.bootstrap`.

    Where some strata are not estimable, so that there is no total to bootstrap, the others are drawn all
    the same, from the observed persons.

    Raises
    ------
    ModelError
        If the estimator knows no strata.
    """
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    population = bootstrap(
        estimator,
        table,
        replicates,
        resampling,
        "percentile",
        seed,
        n_jobs=n_jobs,
        progress=progress,
    )
    strata = population.strata
    if strata is None:
        reason = f" {population.reason}" if population.reason else ""
        raise ModelError(
            f"{estimator!r} gives no estimates by period and group.{reason} Use an estimator of "
            "lists and covariates together, such as mse.LogLinearSearch(strategy='stepwise')."
        )
    if population.stratum_draws is not None:
        totals = population.stratum_draws.to_numpy(np.float64).copy()
        return JointDraws(population, strata, totals, population.interval_given)
    if not np.isfinite(strata.hidden).any():
        return JointDraws(population, strata, np.zeros((0, len(strata.cells))), "")
    fit = estimator.fit(table)
    refitter = fit.refitter() if isinstance(fit, Refittable) else TableRefitter(estimator, table)
    counts, _ = persons_drawn(fit, table)
    totals = _partial_draws(refitter, counts, replicates, np.random.default_rng(seed), n_jobs)
    return JointDraws(population, strata, totals, refitter.given)


def _partial_draws(
    refitter: Refitter,
    counts: FloatArray,
    replicates: int,
    rng: np.random.Generator,
    n_jobs: int | None,
) -> FloatArray:
    """Draw the observed persons again, and keep what each replicate determines by stratum."""
    from joblib import Parallel, delayed

    drawn = rng.multinomial(round(float(counts.sum())), counts / counts.sum(), size=replicates)
    chunks = [drawn[i : i + CHUNK].astype(np.float64) for i in range(0, replicates, CHUNK)]
    prefer = "threads" if refitter.releases_gil else "processes"
    parts = Parallel(n_jobs=n_jobs, prefer=prefer)(delayed(refitter)(chunk) for chunk in chunks)
    hidden = np.concatenate([part.hidden for part in parts]).copy()
    limits = np.concatenate([part.limits for part in parts])
    hidden[limits == INFINITE] = inf
    hidden[limits == ZERO] = 0.0
    hidden[limits == INDETERMINATE] = nan
    n_strata = hidden.shape[1]
    observed = drawn.reshape(replicates, -1, n_strata).sum(axis=1)
    return np.asarray(observed + hidden, dtype=np.float64)
