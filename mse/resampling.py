"""Bootstrap of any estimator: the interval that includes the choice of model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from mse._progress import track
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO
from mse.errors import ConvergenceWarning, ModelError
from mse.intervals import check_level
from mse.refitting import Refits, Refittable, Refitter, TableRefitter, persons_drawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import FloatArray, Seed
    from mse.estimators import Estimator, Fit
    from mse.population import PopulationEstimate
    from mse.table import CaptureTable

__all__ = ["BootstrapInterval", "bootstrap"]

Resampling = Literal["multinomial", "parametric"]
IntervalKind = Literal["bca", "percentile", "basic"]

#: Replicates in one task. It does not depend on the number of workers, and nor do the answers.
CHUNK = 25
#: Rounds in which replicates without any answer are drawn again before they are left out.
MAX_ROUNDS = 20
#: Histories of which a person is left out for the acceleration of BCa; of more a sample is taken, so
#: that this does not take longer than the replicates.
MOST_LEFT_OUT = 1000
#: Share of replicates drawn again beyond which the interval describes a selected part of them.
MANY_REDRAWN = 0.05


@dataclass(frozen=True, eq=False)
class BootstrapInterval:
    """Interval from bootstrap replicates of a total.

    Parameters
    ----------
    kind : {"bca", "percentile", "basic"}
        How ends are read from the draws.
    given : str
        What the interval takes for granted.
    estimate : float
        Total on the original table, persons.
    observed : int
        Observed persons; no end lies below.
    draws : float64 array (M,)
        Totals of the replicates, infinite ones included.
    acceleration : float
        Acceleration constant of BCa, from the jackknife over persons.
    n_infinite, n_zero : int
        Replicates whose hidden count has no bound, or none but zero; they are among the draws, as
        infinity and as the observed number.
    n_redrawn : int
        Replicates that determined nothing (indeterminate, or failed) and were drawn again.
    settling_draws : float64 array (M, J)
        Totals when the model is chosen among the best 1, 2, 5, ... candidates.
    checkpoints : tuple of int, length J
        Those numbers of candidates.

    References
    ----------
    Efron, B. (1987). Better bootstrap confidence intervals. JASA 82, 171-185.
    """

    kind: str
    given: str
    estimate: float
    observed: int
    draws: FloatArray = field(repr=False)
    acceleration: float = 0.0
    n_infinite: int = 0
    n_zero: int = 0
    n_redrawn: int = 0
    settling_draws: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    checkpoints: tuple[int, ...] = ()

    @property
    def bias_correction(self) -> float:
        """Median bias of the draws in normal units, z0 of Efron (1987), equation 2.8."""
        return bias_correction(self.draws, self.estimate)

    def interval(self, level: float) -> tuple[float, float]:
        """Read off the ends of the interval of the total, in persons; the upper one may be infinite."""
        check_level(level)
        return self._ends(self.draws, level)

    def _ends(self, draws: FloatArray, level: float) -> tuple[float, float]:
        if draws.size == 0:
            return nan, nan
        tails = np.asarray([(1 - level) / 2, (1 + level) / 2])
        if self.kind == "bca":
            z0 = bias_correction(draws, self.estimate)
            tails = bca_levels(tails, z0, self.acceleration)
        low, high = (order_quantile(draws, float(tail)) for tail in tails)
        if self.kind == "basic":
            low, high = 2 * self.estimate - high, 2 * self.estimate - low
        return max(low, float(self.observed)), max(high, float(self.observed))

    def settling(self, level: float = 0.95) -> pd.DataFrame:
        """How the interval settles as more models are candidates.

        Parameters
        ----------
        level : float, default 0.95
            Level of the intervals.

        Returns
        -------
        DataFrame
            ``candidates``, ``low``, ``high``: persons. Empty where no list of models was searched.
        """
        check_level(level)
        rows = []
        for j, count in enumerate(self.checkpoints):
            draws = self.settling_draws[:, j]
            rows.append((count, *self._ends(draws[~np.isnan(draws)], level)))
        return pd.DataFrame(rows, columns=["candidates", "low", "high"])


def bias_correction(draws: FloatArray, estimate: float) -> float:
    """z0 of Efron (1987), equation 2.8; half of the ties count as below.

    Where no draw lies on one side the share is taken as half a draw, since the correction would
    be infinite.
    """
    below = float((draws < estimate).mean() + 0.5 * (draws == estimate).mean())
    half = 0.5 / draws.size
    return float(ndtri(min(max(below, half), 1 - half)))


def bca_levels(tails: FloatArray, z0: float, acceleration: float) -> FloatArray:
    """Levels of the draws to read for tail levels, Efron (1987), equation 3.9."""
    z = z0 + ndtri(tails)
    shrink = 1 - acceleration * z
    # Beyond the pole of the transformation the level is that of the end it runs to.
    safe = np.where(shrink > 0, shrink, 1.0)
    return np.asarray(np.where(shrink > 0, ndtr(z0 + z / safe), (z > 0).astype(np.float64)))


def order_quantile(draws: FloatArray, level: float) -> float:
    """Quantile by linear interpolation; infinite as soon as an infinite draw takes part in it."""
    ordered = np.sort(draws)
    position = level * (ordered.size - 1)
    below = int(np.floor(position))
    above = min(below + 1, ordered.size - 1)
    weight = position - below
    if weight == 0 or ordered[below] == ordered[above]:
        return float(ordered[below])
    if ordered[above] == inf:
        return inf
    return float((1 - weight) * ordered[below] + weight * ordered[above])


def acceleration(totals: FloatArray, weights: FloatArray) -> float:
    """Acceleration constant from the jackknife over persons, Efron (1987), equation 6.6.

    Parameters
    ----------
    totals : float64 array (R,)
        Total without one person of each nonempty history.
    weights : float64 array (R,)
        Persons with that history.

    Returns
    -------
    float
        NaN where a total is not finite; 0 where leaving out a person changes nothing.
    """
    if not np.isfinite(totals).all():
        return nan
    deviations = np.average(totals, weights=weights) - totals
    spread = float(weights @ deviations**2)
    return float(weights @ deviations**3) / (6 * spread**1.5) if spread > 0 else 0.0


class _Replicates(NamedTuple):
    """Outcomes of the replicates that determined something, infinite ones included."""

    strata: FloatArray  # (M, S) totals
    limits: np.ndarray[tuple[int], np.dtype[np.int8]]  # (M,) joint limits
    settling: FloatArray  # (M, J) totals
    n_redrawn: int
    n_missing: int


def _run(
    refitter: Refitter, counts: FloatArray, n_jobs: int | None, progress: bool | None, what: str
) -> tuple[Refits, int]:
    """Refit in chunks, in parallel; the refits and the number of tables that were finished."""
    from joblib import Parallel, delayed

    chunks = [counts[i : i + CHUNK] for i in range(0, len(counts), CHUNK)]
    prefer = "threads" if refitter.releases_gil else "processes"
    parallel = Parallel(n_jobs=n_jobs, prefer=prefer, return_as="generator")
    done: list[Refits] = []
    try:
        work: Iterator[Refits] = parallel(delayed(refitter)(chunk) for chunk in chunks)
        done.extend(track(work, len(chunks), what, progress=progress))
    except KeyboardInterrupt:
        if not done:
            raise
    finished = sum(len(part.failed) for part in done)
    return Refits(*(np.concatenate(parts) for parts in zip(*done, strict=True))), finished


def _replicates(
    sample: _Sampler, refitter: Refitter, size: int, n_jobs: int | None, progress: bool | None
) -> _Replicates:
    """Draw and refit until every replicate has determined something."""
    parts: list[tuple[FloatArray, np.ndarray, FloatArray]] = []
    missing, redrawn = size, 0
    for _ in range(MAX_ROUNDS):
        counts = sample(missing)
        refits, finished = _run(refitter, counts, n_jobs, progress, "Bootstrap")
        counts = counts[:finished]
        joint = joint_limits(refits.limits)
        keep = joint != INDETERMINATE
        n_cells, n_strata = counts.shape[1], refits.hidden.shape[1]
        observed = counts.reshape(finished, n_cells // n_strata, n_strata).sum(axis=1)
        hidden = refits.hidden.copy()
        hidden[refits.limits == INFINITE] = inf
        hidden[refits.limits == ZERO] = 0.0
        settling = refits.settling + observed.sum(axis=1, keepdims=True)
        parts.append(((observed + hidden)[keep], joint[keep], settling[keep]))
        interrupted = finished < missing
        redrawn += int((~keep).sum())
        missing -= int(keep.sum())
        if missing == 0 or interrupted:
            break
    strata, limits, settling = (np.concatenate(each) for each in zip(*parts, strict=True))
    return _Replicates(strata, limits, settling, redrawn, missing)


def joint_limits(
    limits: np.ndarray[tuple[int, int], np.dtype[np.int8]],
) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Limit of a sum of strata: infinite if one is, indeterminate if one is, else finite.

    A stratum that goes to zero adds its observed persons and nothing else; with no other strata
    the sum goes to zero.
    """
    joint = np.full(len(limits), FINITE, dtype=np.int8)
    joint[(limits == ZERO).all(axis=1)] = ZERO
    joint[(limits == INFINITE).any(axis=1)] = INFINITE
    joint[(limits == INDETERMINATE).any(axis=1)] = INDETERMINATE
    return joint


@dataclass(frozen=True, eq=False)
class _Sampler:
    """Draws tables of counts, (B, C), from cell probabilities."""

    rng: np.random.Generator
    persons: int
    probabilities: FloatArray
    n_hidden: int

    def __call__(self, size: int) -> FloatArray:
        counts = self.rng.multinomial(self.persons, self.probabilities, size=size)
        counts[:, : self.n_hidden] = 0
        return counts.astype(np.float64)


def _sampler(fit: Fit, table: CaptureTable, resampling: str, seed: Seed) -> _Sampler:
    rng = np.random.default_rng(seed)
    if resampling == "multinomial":
        counts, n_hidden = persons_drawn(fit, table)
        return _Sampler(rng, round(float(counts.sum())), counts / counts.sum(), n_hidden)
    if not table.is_complete:
        raise ModelError(
            "The table is known in part, and fitted means do not tell which records would lack which "
            "entries; use resampling='multinomial'."
        )
    n_hidden = table.n_cells >> table.n_lists
    fitted = getattr(fit, "fitted", None)
    if fitted is None:
        raise ModelError(
            f"{fit.estimator!r} has no fitted means, from which resampling='parametric' draws; use "
            "resampling='multinomial'."
        )
    means = np.asarray(fitted, dtype=np.float64).ravel()
    return _Sampler(rng, round(float(means.sum())), means / means.sum(), n_hidden)


def _jackknife(
    fit: Fit, table: CaptureTable, refitter: Refitter, n_jobs: int | None, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Totals without one person of each nonempty history, and how many persons it stands for."""
    counts, _ = persons_drawn(fit, table)
    left_out = np.flatnonzero(counts)
    weights = counts[left_out]
    if left_out.size > MOST_LEFT_OUT:
        persons = rng.choice(left_out, size=MOST_LEFT_OUT, p=weights / weights.sum())
        left_out, drawn = np.unique(persons, return_counts=True)
        weights = drawn * (counts.sum() / MOST_LEFT_OUT)
    tables = np.repeat(counts[None], left_out.size, axis=0)
    tables[np.arange(left_out.size), left_out] -= 1
    refits, _ = _run(refitter, tables, n_jobs, False, "Jackknife")
    totals = refits.hidden.sum(axis=1) + tables.sum(axis=1)
    return totals, weights


def bootstrap(
    estimator: Estimator,
    table: CaptureTable,
    replicates: int = 1000,
    resampling: Resampling = "multinomial",
    interval: IntervalKind = "bca",
    seed: Seed = None,
    *,
    candidates: int | None = None,
    n_jobs: int | None = None,
    progress: bool | None = None,
) -> PopulationEstimate:
    """Estimate N with an interval from repeating the whole method on resampled persons.

    Parameters
    ----------
    estimator : Estimator
        Any estimator. A search chooses its model again in every replicate.
    table : CaptureTable
        A table that the estimator takes; records that are known in part are drawn as they are.
    replicates : int, default 1000
        Number of bootstrap replicates M.
    resampling : {"multinomial", "parametric"}, default "multinomial"
        Draw the observed persons again (their number is kept), or draw a population of the
        estimated size from the fitted means and hide those on no list.
    interval : {"bca", "percentile", "basic"}, default "bca"
        Bias-corrected and accelerated (Efron 1987), or the plain forms.
    seed : int or numpy.random.Generator, optional
        The same seed gives the same answer whatever the number of workers.
    candidates : int, optional
        Choose only among the models that are best on the original table, as
        Silverman, Chan & Vincent (2024) do; by default among all.
    n_jobs : int, optional
        Workers, as in joblib; `joblib.parallel_config` sets other backends.
    progress : bool, optional
        Show a bar; by default in terminals and notebooks.

    Returns
    -------
    PopulationEstimate
        The estimate with ``draws``, and ``uncertainty`` a `BootstrapInterval`. Where the table
        itself determines no estimate it is returned as it is.

    Raises
    ------
    ModelError
        If an option is not known, or does not go with the estimator.

    Notes
    -----
    A replicate whose hidden count has no bound counts as infinity and one that goes to zero as the
    observed number; one that determines nothing is drawn again and counted. An upper end among
    infinite draws is infinite. With strata, each stratum follows the same rules.

    The acceleration of BCa is that of the jackknife over persons. Of tables with more than 1,000
    different histories by stratum 1,000 persons are drawn for it.

    An interrupt keeps the replicates that are finished, with a `ConvergenceWarning`.

    In simulations (``docs/calibration.md``) 95 % BCa intervals with the model re-selected held the truth
    in 94 to 99 % of the worlds wherever the truth was among the models searched, and in 1 to 3 %
    where people differed in ways that no list or covariate shows: nothing in the table reveals that.

    References
    ----------
    Chan, L., Silverman, B. W. & Vincent, K. (2021). Multiple systems estimation for sparse capture
    data. JASA 116, 1297-1306.

    Examples
    --------
    >>> import mse
    >>> p = mse.bootstrap(mse.LogLinearSearch(), mse.load_dataset("korea"), 200, seed=1)
    >>> low, high = p.interval(0.95)
    >>> 123 <= low < p.total < high, p.interval_kind, len(p.draws)
    (True, 'bca', 200)
    """
    _check_options(replicates, resampling, interval, candidates)
    # An unnamed seed is drawn and kept, so that every interval can be had again.
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    fit = estimator.fit(table)
    population = fit.population
    if population.status not in ("ok", "boundary"):
        return population
    refitter = _refitter(fit, estimator, table, candidates)
    sample = _sampler(fit, table, resampling, seed)
    found = _replicates(sample, refitter, replicates, n_jobs, progress)
    skew = 0.0
    notes = list(_notes(found, replicates))
    if interval == "bca":
        skew = acceleration(*_jackknife(fit, table, refitter, n_jobs, sample.rng))
        if not isfinite(skew):
            skew = 0.0
            notes.append(
                "Leaving out one person of some history leaves no finite estimate, so the "
                "acceleration of the BCa interval is taken as 0."
            )
    draws = found.strata.sum(axis=1)
    uncertainty = BootstrapInterval(
        kind=interval,
        given=refitter.given,
        estimate=population.total,
        observed=population.observed,
        draws=draws,
        acceleration=skew,
        n_infinite=int((found.limits == INFINITE).sum()),
        n_zero=int((found.limits == ZERO).sum()),
        n_redrawn=found.n_redrawn,
        settling_draws=found.settling,
        checkpoints=refitter.checkpoints,
    )
    return replace(
        population,
        uncertainty=uncertainty,
        draws=draws,
        stratum_draws=_stratum_frame(population, found.strata),
        warnings=(*population.warnings, *notes),
        provenance={
            **population.provenance,
            "bootstrap": {
                "replicates": int(draws.size),
                "resampling": resampling,
                "interval": interval,
                "seed": seed if isinstance(seed, int) else None,
                "candidates": candidates,
                "infinite": uncertainty.n_infinite,
                "zero": uncertainty.n_zero,
                "redrawn": uncertainty.n_redrawn,
            },
        },
    )


def _refitter(
    fit: Fit, estimator: Estimator, table: CaptureTable, candidates: int | None
) -> Refitter:
    if isinstance(fit, Refittable):
        return fit.refitter(candidates)
    if candidates is not None:
        raise ModelError(
            f"{estimator!r} does not choose among models, so candidates={candidates} cannot be asked "
            "of it. Leave candidates out."
        )
    return TableRefitter(estimator, table)


def _check_options(replicates: int, resampling: str, interval: str, candidates: int | None) -> None:
    if replicates < 1:
        raise ModelError(f"replicates={replicates!r}; expected 1 or more, 1000 for instance.")
    if resampling not in ("multinomial", "parametric"):
        raise ModelError(
            f"resampling={resampling!r} is not known; expected 'multinomial' or 'parametric'."
        )
    if interval not in ("bca", "percentile", "basic"):
        raise ModelError(
            f"interval={interval!r} is not known; expected 'bca', 'percentile' or 'basic'."
        )
    if candidates is not None and candidates < 1:
        raise ModelError(f"candidates={candidates!r}; expected 1 or more.")


def _notes(found: _Replicates, asked: int) -> Iterator[str]:
    """Sentences about replicates that went another way."""
    done = len(found.limits)
    unbounded = int((found.limits == INFINITE).sum())
    if unbounded:
        yield f"In {unbounded:,} of {done:,} replicates the hidden count has no upper bound."
    empty = int((found.limits == ZERO).sum())
    if empty:
        yield f"In {empty:,} of {done:,} replicates the hidden count goes to zero."
    if found.n_redrawn:
        text = f"{found.n_redrawn:,} replicates determined nothing and were drawn again."
        if found.n_redrawn > MANY_REDRAWN * max(done, 1):
            text += " That is many: the interval describes only samples with an answer."
        yield text
    if found.n_missing:
        text = f"{done:,} of {asked:,} bootstrap replicates were finished; the interval rests on these."
        warnings.warn(text, ConvergenceWarning, stacklevel=3)
        yield text


def _stratum_frame(population: PopulationEstimate, totals: FloatArray) -> pd.DataFrame | None:
    if population.strata is None:
        return None
    cells = population.strata.cells
    names = list(population.strata.levels)
    return pd.DataFrame(totals, columns=pd.MultiIndex.from_tuples(cells, names=names))
