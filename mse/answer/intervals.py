"""Intervals of a total: what they promise, the log-normal one, and stored ones.

Each method that yields an interval hands over a small object with ``kind``, ``given`` and
``interval(level)``. It is asked when somebody wants an interval, so that a costly one (a profile
likelihood) is computed only then. Intervals of sums of strata are asked in the same way, so that one
answer has one kind of interval throughout.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from scipy.special import chdtri, ndtr, ndtri, stdtrit

from mse.core._threads import one_thread
from mse.errors import ConvergenceWarning, ModelError
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mse._typing import FloatArray, IntArray
    from mse.core.profile import LikelihoodCurve

CHAO_1987 = "Chao, A. (1987). Estimating the population size for capture-recapture data with unequal catchability. Biometrics 43, 783-791."
CHAN_2021 = "Chan, L., Silverman, B. W. and Vincent, K. (2021). Multiple systems estimation for sparse capture data: inferential challenges when there are nonoverlapping lists. Journal of the American Statistical Association 116, 1297-1306."
_REPEATED = (
    CHAN_2021,
    "Silverman, B. W., Chan, L. and Vincent, K. (2024). Bootstrapping multiple systems estimates to account for model selection. Statistics and Computing 34.",
)
#: Publications behind the kinds of intervals.
REFERENCES: dict[str, tuple[str, ...]] = {
    "profile": (
        "Cormack, R. M. (1992). Interval estimation for mark-recapture studies of closed populations. Biometrics 48, 567-576.",
    ),
    "lognormal": (CHAO_1987,),
    "averaged": (
        "Buckland, S. T., Burnham, K. P. and Augustin, N. H. (1997). Model selection: an integral part of inference. Biometrics 53, 603-618.",
    ),
    "percentile": _REPEATED,
    "basic": _REPEATED,
    "bca": (
        *_REPEATED,
        "Efron, B. (1987). Better bootstrap confidence intervals. Journal of the American Statistical Association 82, 171-185.",
    ),
}

#: What an interval takes for granted: one model, or that whatever was done was done in every replicate.
GIVEN_MODEL = Message("given.model")
RESELECTED = Message("given.reselected")
#: The same for an estimator that may or may not choose anything from the data.
REPEATED = Message("given.repeated")
#: A prior on how people differ and how lists depend, as far as no table shows.
GIVEN_PRIOR = Message("given.prior")
#: Replicates of what was not known, multiple imputations for instance.
GIVEN_REPLICATES = Message("given.pooled")

#: Level of an interval where nobody names one.
DEFAULT_LEVEL = 0.95
#: Totals this close, relatively, are ties: Newton's method stops within some 1e-10 of the maximum.
TIE = 1e-9
#: Draws below which there is no interval: the outermost ones would be its 95 % ends.
TOO_FEW = 20
#: Levels whose intervals are written into JSON.
STORED_LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


@runtime_checkable
class IntervalMethod(Protocol):
    """What an estimator says about its uncertainty."""

    @property
    def kind(self) -> str:
        """One of profile, lognormal, normal, percentile, basic, bca, averaged, credible."""
        ...

    @property
    def given(self) -> str:
        """What the interval takes for granted.

        One of "given the model", "the model re-selected in every replicate", and "".
        """
        ...

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons; infinite where it has no bound."""
        ...


class PartIntervals(Protocol):
    """What an estimator says about the uncertainty of sums of strata."""

    @property
    def kind(self) -> str:
        """As of `IntervalMethod`: that of the total."""
        ...

    def of_sum(self, members: Sequence[int], level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total of some strata, in persons."""
        ...


@dataclass(frozen=True, slots=True)
class ModelRange:
    """How far the totals of models near the best one lie apart.

    Parameters
    ----------
    low, high : float
        Smallest and largest total, in persons, of the models in the range.
    n_models : int
        Models whose criterion is at most ``within`` above the best one and that determine a
        total.
    n_not_estimable : int
        Models as near as those that determine none.
    criterion : str
        The criterion in words, ``"BIC"``.
    within : float
        Distance from the best model, in units of the criterion.
    """

    low: float
    high: float
    n_models: int
    n_not_estimable: int
    criterion: str
    within: float


def check_level(level: float) -> None:
    """Raise ``ModelError`` unless ``level`` lies strictly between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, Real) or not 0 < level < 1:
        msg = (
            f"The level of an interval is {level!r}; expected a number between 0 and 1, "
            "such as 0.95 for a 95% interval."
        )
        raise ModelError(msg)


def lognormal_interval(
    hidden: float, se: float, level: float, observed: int
) -> tuple[float, float]:
    r"""Log-normal Wald interval of a total.

    hidden: estimated number of hidden persons
    se: standard error of it, in persons
    level: level of the interval, between 0 and 1
    observed: number of observed persons
    Returns low and high end of the total, in persons; both NaN where there is no such interval
        (``hidden`` or ``se`` is not finite, or ``hidden`` is 0 with a positive ``se``)

    :math:`(n + h / C,\; n + h C)` with :math:`C = \exp(z \sqrt{\log(1 + se^2 / h^2)})`, hence
    never below the observed number (Chao 1987).

    Examples
    --------
    >>> low, high = lognormal_interval(hidden=126.0, se=29.0, level=0.95, observed=208)
    >>> round(low, 1), round(high, 1)
    (288.7, 404.7)
    """
    check_level(level)
    if not (math.isfinite(hidden) and math.isfinite(se)):
        return math.nan, math.nan
    if se == 0:
        return observed + hidden, observed + hidden
    if hidden <= 0:
        return math.nan, math.nan
    z = float(ndtri((1 + level) / 2))
    # In logs where the square would overflow, at a fitted number next to nothing; the 1 in
    # log(1 + x^2) is then far below rounding.
    ratio = math.log(se) - math.log(hidden)
    variance = 2 * ratio if ratio > 20 else math.log1p(math.exp(2 * ratio))
    factor = math.exp(z * math.sqrt(variance))
    return observed + hidden / factor, observed + hidden * factor


@dataclass(frozen=True, slots=True)
class LognormalInterval:
    """Log-normal Wald interval of a total, from the estimate and its standard error.

    Parameters
    ----------
    hidden : float
        Estimated number of hidden persons.
    se : float
        Standard error of it, in persons.
    observed : int
        Number of observed persons.
    given : str, default "given the model"
        What the interval takes for granted.

    Examples
    --------
    >>> LognormalInterval(hidden=100.0, se=20.0, observed=50).interval(0.95)[0] > 50
    True
    """

    hidden: float
    se: float
    observed: int
    given: str = "given the model"

    @property
    def kind(self) -> str:
        """The word ``lognormal``."""
        return "lognormal"

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons."""
        return lognormal_interval(self.hidden, self.se, level, self.observed)


@dataclass(frozen=True, slots=True)
class NormalInterval(LognormalInterval):
    """Normal Wald interval of a total; parameters as of `LognormalInterval`.

    Examples
    --------
    >>> [round(end, 1) for end in NormalInterval(hidden=100.0, se=20.0, observed=50).interval(0.95)]
    [110.8, 189.2]
    """

    @property
    def kind(self) -> str:
        """The word ``normal``."""
        return "normal"

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons; not below those observed."""
        check_level(level)
        total, off = self.observed + self.hidden, float(ndtri((1 + level) / 2)) * self.se
        return max(total - off, float(self.observed)), total + off


@dataclass(frozen=True, slots=True)
class PooledInterval:
    """Interval of a total from replicates of the data, on the scale of the log of the hidden number.

    Parameters
    ----------
    hidden : float
        Hidden persons, pooled.
    se : float
        Standard error of the log of the hidden number, of all that is not known (Rubin 1987, 3.1.5).
    df : float
        Degrees of freedom of Student's t; infinite where replicates do not differ.
    observed : int
        Number of persons who are observed in every replicate; hidden are those beside them.
    above, below : float
        Shares of the replicates whose total may lie beyond any number, or at the observed number.
    least : int
        What no end lies below: the persons observed on average, where replicates differ in them.

    Examples
    --------
    >>> low, high = PooledInterval(100.0, 0.2, 40.0, 50).interval(0.95)
    >>> round(low), round(high)
    (117, 200)
    """

    hidden: float
    se: float
    df: float
    observed: int
    above: float = 0.0
    below: float = 0.0
    least: int = 0

    @property
    def kind(self) -> str:
        """The word ``lognormal``."""
        return "lognormal"

    @property
    def given(self) -> str:
        """What the interval takes for granted."""
        return GIVEN_REPLICATES

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons."""
        check_level(level)
        tail, rest = (1 - level) / 2, 1 - self.above - self.below
        low = high = math.nan
        if rest > 0:
            # Replicates without an estimate take their share of the tails.
            low = self._hidden(max(tail - self.below, 0.0) / rest)
            high = self._hidden(1 - max(tail - self.above, 0.0) / rest)
        return self._total(low), self._total(high)

    def _total(self, hidden: float) -> float:
        total = self.observed + hidden
        return total if math.isnan(total) else max(total, float(self.least))

    def _hidden(self, share: float) -> float:
        """Quantile of the hidden number."""
        if share in (0.0, 1.0):
            # So many replicates are beyond any number, or at the observed one.
            return math.inf if share else 0.0
        return float(self.hidden * math.exp(self.se * stdtrit(self.df, share)))


@dataclass(frozen=True, eq=False)
class ProfileInterval:
    """Profile likelihood interval of N given a model (Cormack 1992, Biometrics 48, 567-576).

    Parameters
    ----------
    curve : callable
        Makes the profile log likelihood of N, a `mse.core.profile.LikelihoodCurve`.
    remedy : str
        What to do where there is no such interval.
    """

    curve: Callable[[], LikelihoodCurve] = field(repr=False)
    remedy: str = " Use interval='lognormal'."

    @property
    def kind(self) -> str:
        """The word ``profile``."""
        return "profile"

    @property
    def given(self) -> str:
        """What the interval takes for granted."""
        return GIVEN_MODEL

    @one_thread
    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons.

        Parameters
        ----------
        level : float
            Level of the interval, between 0 and 1.

        Returns
        -------
        tuple of float
            The N whose log likelihood is within half the chi-squared quantile (one degree of
            freedom) of its maximum; NaN, with a `ConvergenceWarning`, where a fit failed.
        """
        try:
            return self.curve().ends(float(chdtri(1, 1 - level)) / 2)
        except ArithmeticError as error:
            message = f"There is no profile likelihood interval: {error}.{self.remedy}"
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
            return math.nan, math.nan


@dataclass(frozen=True, slots=True)
class StoredIntervals:
    """Intervals read back from JSON, at the levels that were written and no other.

    Parameters
    ----------
    kind, given : str
        As of the method that computed them.
    ends : mapping of float to tuple of float
        Low and high end of the total, in persons, by level.
    """

    kind: str
    given: str
    ends: Mapping[float, tuple[float, float]]

    def interval(self, level: float) -> tuple[float, float]:
        """Look up the stored interval at ``level``; ``ModelError`` if it was not stored."""
        check_level(level)
        for stored, ends in self.ends.items():
            # Levels travel as decimal text: compare them as written, not to the last bit.
            if math.isclose(stored, level, rel_tol=0, abs_tol=1e-9):
                return ends
        known = ", ".join(f"{stored:g}" for stored in sorted(self.ends))
        msg = (
            f"No interval at level {level:g} is stored in this estimate; it has {known or 'none'}. "
            "Fit the estimator again for another level."
        )
        raise ModelError(msg)


@dataclass(frozen=True)
class StoredParts:
    """Intervals of strata read back from JSON, at one level; of no other sums than were written.

    Parameters
    ----------
    kind : str
        As of the method that computed them.
    level : float
        The level.
    ends : tuple of tuple of float, length S
        Low and high end of each stratum, in persons.
    total : StoredIntervals, optional
        Intervals of the sum of all strata.
    """

    kind: str
    level: float
    ends: tuple[tuple[float, float], ...]
    total: StoredIntervals | None = None

    def of_sum(self, members: Sequence[int], level: float) -> tuple[float, float]:
        """Look the interval up; NaN where it was not written."""
        if len(members) == 1 and math.isclose(self.level, level, rel_tol=0, abs_tol=1e-9):
            return self.ends[members[0]]
        if len(members) == len(self.ends) and self.total is not None:
            return self.total.interval(level)
        return math.nan, math.nan


# Intervals read off draws ------------------------------------------------------------------------


def holding(low: float, high: float, *points: float) -> tuple[float, float]:
    """Widen an interval to points, if draws of a biased estimator leave out its own say; NaN is none.

    Examples
    --------
    >>> holding(100.0, 200.0, 90.0, math.nan)
    (90.0, 200.0)
    """
    known = [each for each in points if not math.isnan(each)]
    return min([low, *known]), max([high, *known])


def order_quantile(draws: FloatArray, level: float) -> float:
    """Quantile by linear interpolation; infinite as soon as an infinite draw takes part in it."""
    ordered = np.sort(draws)
    position = level * (ordered.size - 1)
    below = int(np.floor(position))
    above = min(below + 1, ordered.size - 1)
    weight = position - below
    if weight == 0 or ordered[below] == ordered[above]:
        return float(ordered[below])
    if ordered[above] == math.inf:
        return math.inf
    return float((1 - weight) * ordered[below] + weight * ordered[above])


def bias_correction(draws: FloatArray, estimate: float) -> float:
    """z0 of Efron (1987), equation 2.8; half of the ties count as below.

    Fits of the same persons end within the tolerance of Newton's method of each other, so totals that
    agree to `TIE` are ties. Where no draw lies on one side the share is taken as half a draw, since the
    correction would be infinite.
    """
    ties = np.abs(draws - estimate) <= TIE * abs(estimate)
    below = float(((draws < estimate) & ~ties).mean() + 0.5 * ties.mean())
    half = 0.5 / draws.size
    return float(ndtri(min(max(below, half), 1 - half)))


def bca_levels(tails: FloatArray, z0: float, acceleration: float) -> FloatArray:
    """Levels of the draws to read for tail levels, Efron (1987), equation 3.9."""
    z = z0 + ndtri(tails)
    shrink = 1 - acceleration * z
    # Beyond the pole of the transformation the level is that of the end it runs to.
    safe = np.where(shrink > 0, shrink, 1.0)
    return np.asarray(np.where(shrink > 0, ndtr(z0 + z / safe), (z > 0).astype(np.float64)))


def acceleration(totals: FloatArray, weights: FloatArray) -> float:
    """Acceleration constant from the jackknife over registered persons, Efron (1987), equation 6.6.

    totals: (R,), total without one person of each nonempty history
    weights: (R,), persons with that history
    Returns NaN where a total is not finite; 0 where leaving out a person changes nothing
    """
    if not np.isfinite(totals).all():
        return math.nan
    deviations = np.average(totals, weights=weights) - totals
    spread = float(weights @ deviations**2)
    return float(weights @ deviations**3) / (6 * spread**1.5) if spread > 0 else 0.0


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
        Totals of the replicates that determine one, infinite ones included.
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
    least_draws : int
        Draws below which there is no interval.

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
    least_draws: int = 1

    @property
    def bias_correction(self) -> float:
        """Median bias of the draws in normal units, z0 of Efron (1987), equation 2.8."""
        return bias_correction(self.draws, self.estimate)

    def interval(self, level: float) -> tuple[float, float]:
        """Read off the ends of the interval of the total, in persons; the upper one may be infinite."""
        check_level(level)
        return self._ends(self.draws, level)

    def tails(self, level: float) -> tuple[float, float]:
        """Levels of the draws at which the ends are read; of a basic interval before its reflection."""
        ends = np.asarray([(1 - level) / 2, (1 + level) / 2])
        if self.kind == "bca":
            ends = bca_levels(ends, self.bias_correction, self.acceleration)
        return float(ends[0]), float(ends[1])

    def beyond(self, level: float) -> tuple[float, float]:
        """Shares of the draws that lie below and above the interval."""
        low, high = self.interval(level)
        return float((self.draws < low).mean()), float((self.draws > high).mean())

    def monte_carlo_error(self, level: float) -> tuple[float, float]:
        """Compute the standard errors of the ends that come from the number of draws, in persons.

        Half the distance between the draws one binomial standard deviation of the rank below and above
        the end (David & Nagaraja 2003, Order Statistics, section 7.1); infinite among infinite draws.
        """
        errors = []
        for tail in self.tails(level):
            off = math.sqrt(tail * (1 - tail) / self.draws.size)
            around = (max(tail - off, 0.0), min(tail + off, 1.0))
            low, high = (order_quantile(self.draws, each) for each in around)
            errors.append(math.inf if math.isinf(high) else (high - low) / 2)
        return errors[0], errors[1]

    def _ends(self, draws: FloatArray, level: float) -> tuple[float, float]:
        if draws.size < max(self.least_draws, 1):
            return math.nan, math.nan
        low, high = (
            order_quantile(draws, tail) for tail in replace(self, draws=draws).tails(level)
        )
        if self.kind == "basic":
            low, high = 2 * self.estimate - high, 2 * self.estimate - low
        low, high = holding(low, high, self.estimate)
        return max(low, float(self.observed)), max(high, float(self.observed))

    def settling(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
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


@dataclass(frozen=True, eq=False)
class ReplicatedParts:
    """Intervals of sums of strata from joint replicates, of the kind of that of the total.

    Parameters
    ----------
    kind, given : str
        As of `BootstrapInterval`.
    estimates : float64 array (S,)
        Totals on the original table, persons; NaN where there is no estimate.
    observed : int64 array (S,)
        Observed persons; no end of a sum lies below their sum.
    draws : float64 array (M, S)
        Totals of the replicates: infinite without a bound, NaN where a replicate determines none.
    left_out : float64 array (R, S)
        Totals without one registered person of each history, for BCa.
    weights : float64 array (R,)
        Persons that each of them stands for.
    least_draws : int
        Draws below which there is no interval.
    """

    kind: str
    given: str
    estimates: FloatArray = field(repr=False)
    observed: IntArray = field(repr=False)
    draws: FloatArray = field(repr=False)
    left_out: FloatArray = field(repr=False)
    weights: FloatArray = field(repr=False)
    least_draws: int = 1

    def method(self, members: Sequence[int]) -> BootstrapInterval:
        """Intervals of the sum of some strata, from the replicates that determine it."""
        places, skew = list(members), 0.0
        draws = self.draws[:, places].sum(axis=1)
        if self.weights.size:
            skew = acceleration(self.left_out[:, places].sum(axis=1), self.weights)
        return BootstrapInterval(
            kind=self.kind,
            given=self.given,
            estimate=float(self.estimates[places].sum()),
            observed=int(self.observed[places].sum()),
            draws=draws[~np.isnan(draws)],
            acceleration=skew if math.isfinite(skew) else 0.0,
            least_draws=self.least_draws,
        )

    def of_sum(self, members: Sequence[int], level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total of some strata, in persons."""
        return self.method(members).interval(level)
