"""What a closed-population model finds in a table; the log-linear ones M0, Mt, Mh and Mth."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf, nan, sqrt
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.special import chdtri

from mse._goodness import FitTest, chi_squared_fit
from mse.core.batch import BOUNDARY, NOT_CONVERGED, NOT_ESTIMABLE, OK, STATUSES
from mse.core.dense import DenseFit, fit_dense, refit_dense
from mse.core.dense_bias import bias_of, refit_unbiased
from mse.core.dense_profile import likelihood_interval, profile_dense
from mse.core.existence import INDETERMINATE, LIMITS, ZERO
from mse.errors import ConvergenceWarning
from mse.intervals import IntervalMethod, LognormalInterval
from mse.loglinear.closed_designs import (
    ClosedDesign,
    by_list,
    corrected_counts,
    exchangeable,
    moment_estimate,
    within_classes,
)
from mse.loglinear.wording import NOT_CONVERGED_REASON, boundary_reason, not_estimable_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import FloatArray, IntArray, Limit, Status

_LOWER_BOUND = (
    "The total is a lower bound: it is aimed at what the population has at least, whatever the "
    "differences between persons, and not at the population itself."
)
#: Histories of which the fitted means are looked at one by one.
MOST_TESTED = 2**20
_PAST_RANGE = (
    "The published correction of the bias holds where lists hold few of the persons. At the chances "
    "fitted here the total without it is off by about {bias:+,.1f} persons to first order, and the "
    "correction changes it by {change:+,.1f}: it adds to the bias. bias_corrected='leverages' corrects it "
    "at the fitted chances."
)
#: Corrections of the bias: none, the published one, or with the leverages of the fit.
Correction: TypeAlias = "bool | Literal['leverages']"
LEVERAGES = "leverages"
NOTHING_LEFT = (
    "The correction of the bias changes the frequencies by up to a few persons, and with these few "
    "observed ones nothing is left to estimate from."
)


@dataclass(frozen=True, eq=False)
class LikelihoodInterval:
    """Profile likelihood interval of N given a model (Cormack 1992, Biometrics 48, 567-576).

    Parameters
    ----------
    value : callable
        Profile log likelihood of N as a function of the log hidden count.
    observed : int
        Persons seen.
    hidden, spread : float
        Estimate of the persons not seen, and the standard error of its log.
    """

    value: Callable[[float], float] = field(repr=False)
    observed: int
    hidden: float
    spread: float

    @property
    def kind(self) -> str:
        """The word ``profile``."""
        return "profile"

    @property
    def given(self) -> str:
        """What the interval takes for granted."""
        return "given the model"

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons; NaN where a fit failed."""
        drop = float(chdtri(1, 1 - level)) / 2
        try:
            return likelihood_interval(self.value, self.observed, self.hidden, self.spread, drop)
        except ArithmeticError as error:
            message = f"There is no profile likelihood interval: {error}."
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
            return nan, nan


class Histories(NamedTuple):
    """The histories of a complete table.

    Attributes
    ----------
    lists : tuple of str
        Names of the K lists.
    patterns : int64 array (R, K)
        Histories with somebody.
    counts : float64 array (R,)
        Persons with each.
    """

    lists: tuple[str, ...]
    patterns: IntArray
    counts: FloatArray

    @property
    def observed(self) -> int:
        """Persons seen."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class ClosedResult:
    """What was found.

    Attributes
    ----------
    status, limit, reason : str
        As of a fit.
    hidden, variance : float
        Persons on no list and the variance of the total; NaN where not estimable.
    deviance : float
        Over all observable cells, of the maximum likelihood fit.
    n_parameters : int
        Parameters, those at a bound of zero left out.
    coefficients : tuple of (str, float)
        Maximum likelihood estimates with their names.
    uncertainty : IntervalMethod or None
        What computes intervals.
    notes : tuple of str
        Warnings that do not change the status.
    fit_test : FitTest or None
        How the model describes the histories; None where there are too many to look at each.
    """

    status: Status
    limit: Limit
    reason: str
    hidden: float
    variance: float
    deviance: float
    n_parameters: int
    coefficients: tuple[tuple[str, float], ...]
    uncertainty: IntervalMethod | None = None
    notes: tuple[str, ...] = ()
    fit_test: FitTest | None = None

    def without_estimate(self, limit: int, reason: str) -> ClosedResult:
        """Give up the estimate and keep the fit."""
        return replace(
            self,
            status=status_of(NOT_ESTIMABLE),
            limit=limit_of(limit),
            reason=reason,
            hidden=nan,
            variance=nan,
            uncertainty=None,
            notes=(),
        )

    def corrected(self, hidden: float, variance: float, observed: int) -> ClosedResult:
        """Replace the estimate and put a log-normal interval around it."""
        interval = LognormalInterval(hidden=hidden, se=sqrt(variance), observed=observed)
        return replace(self, hidden=hidden, variance=variance, uncertainty=interval)

    def checked(self, bias: float, change: float) -> ClosedResult:
        """Say so if a correction leaves more of the first-order bias than there was."""
        if abs(bias + change) <= abs(bias):
            return self
        note = _PAST_RANGE.format(bias=bias, change=change)
        return replace(self, notes=(*self.notes, note))


def status_of(code: int) -> Status:
    """Name of a status code."""
    return STATUSES[code]  # type: ignore[return-value]


def limit_of(code: int) -> Limit:
    """Name of a limit code."""
    return LIMITS[code]


# Log-linear models: M0, Mt, Mh, Mth --------------------------------------------------------------


def loglinear_result(
    histories: Histories, form: str | None, *, lists_differ: bool, bias_corrected: Correction
) -> ClosedResult:
    """Fit M0, Mt, Mh or Mth.

    Parameters
    ----------
    histories : Histories
        The data.
    form : str or None
        Heterogeneity.
    lists_differ : bool
        Whether every list has its own parameter.
    bias_corrected : bool or {"leverages"}
        Whether and how to correct the bias of the total.
    """
    _, patterns, counts = histories
    if lists_differ:
        closed, within = by_list(patterns, counts, form, histories.lists), 0.0
    else:
        closed, within = exchangeable(patterns, counts, form), within_classes(patterns, counts)
    fit = fit_dense(closed.counts, closed.design)
    result = _described(histories, closed, fit, within, form)
    if not bias_corrected or result.status not in ("ok", "boundary"):
        return result
    try:
        hidden, variance = _without_bias(closed, fit, form, bias_corrected)
    except ArithmeticError:
        return result.without_estimate(INDETERMINATE, NOTHING_LEFT)
    if not hidden > 0:
        return result.without_estimate(ZERO, NOTHING_LEFT)
    found = result.corrected(hidden, variance, histories.observed)
    # The moment estimate is corrected whatever the chances are.
    if bias_corrected == LEVERAGES or _has_moments(closed, form):
        return found
    return found.checked(bias_of(closed.design, fit), hidden - fit.hidden)


def _has_moments(closed: ClosedDesign, form: str | None) -> bool:
    return form == "chao" and not closed.own_parameters


def _without_bias(
    closed: ClosedDesign, fit: DenseFit, form: str | None, how: Correction
) -> tuple[float, float]:
    """Hidden persons with their bias corrected, and the variance of the total."""
    if how == LEVERAGES:
        hidden, variance = refit_unbiased(closed.counts, closed.design, fit)
    elif _has_moments(closed, form):
        return moment_estimate(closed.counts)
    else:
        hidden, variance = refit_dense(corrected_counts(closed, form), closed.design, fit)
    return hidden, hidden + hidden**2 * variance


def _described(
    histories: Histories, closed: ClosedDesign, fit: DenseFit, within: float, form: str | None
) -> ClosedResult:
    bounded = closed.design.nonnegative & (fit.coefficients == 0)
    uncertainty = None
    variance = nan
    if fit.status in (OK, BOUNDARY):
        # Delta method on the log scale plus the Poisson variance of the hidden count itself
        # (Cormack & Jupp 1991, Biometrika 78, 911-916).
        variance = fit.hidden + fit.hidden**2 * fit.variance
        value = partial(profile_dense, closed.counts, closed.design, fit)
        spread = sqrt(fit.variance)
        uncertainty = LikelihoodInterval(value, histories.observed, fit.hidden, spread)
    return ClosedResult(
        status_of(fit.status),
        limit_of(fit.limit),
        _reason(histories, closed, fit),
        fit.hidden,
        variance,
        fit.deviance + within,
        len(closed.names) - int(bounded.sum()),
        _coefficients(histories, closed, fit),
        uncertainty,
        _notes(fit, form),
        _fit_test(closed, fit, within),
    )


def _fit_test(closed: ClosedDesign, fit: DenseFit, within: float) -> FitTest | None:
    """Test the fit over all histories that the model can fill."""
    sizes = np.exp(closed.design.log_sizes)
    if sizes.sum() > MOST_TESTED or np.isnan(fit.deviance):
        return None
    sizes = np.rint(sizes).astype(np.int64)
    bounded = closed.design.nonnegative & (fit.coefficients == 0)
    rank = fit.kept.size - int(bounded[fit.kept].sum())
    means = np.repeat(np.where(fit.face, fit.means / sizes, 0.0), sizes)
    residual = int(sizes.sum()) - (len(closed.names) - int(bounded.sum()))
    return chi_squared_fit(
        fit.deviance + within, int(sizes[fit.face].sum()) - rank, residual, means
    )


def _coefficients(
    histories: Histories, closed: ClosedDesign, fit: DenseFit
) -> tuple[tuple[str, float], ...]:
    values = fit.coefficients.copy()
    if closed.own_parameters:
        # The parameters of the lists follow the intercept.
        empty = np.flatnonzero(histories.counts @ histories.patterns == 0)
        values[empty + 1] = -inf
    return tuple(zip(closed.names, map(float, values), strict=True))


def _reason(histories: Histories, closed: ClosedDesign, fit: DenseFit) -> str:
    if fit.status == OK:
        return ""
    if fit.status == NOT_CONVERGED:
        return NOT_CONVERGED_REASON
    values = _coefficients(histories, closed, fit)
    vanishing = [name for name, value in values if value == -inf]
    if fit.status == NOT_ESTIMABLE:
        reason = not_estimable_reason(limit_of(fit.limit), vanishing, [])
        if not (closed.counts[closed.captures > 1] > 0).any():
            reason += " Nobody is on more than one list."
        return reason
    aliased = [name for name, value in values if np.isnan(value)]
    sizes = np.exp(closed.design.log_sizes[~fit.face])
    return boundary_reason(vanishing, aliased, round(float(sizes.sum())))


def _notes(fit: DenseFit, form: str | None) -> tuple[str, ...]:
    if form == "chao":
        return (_LOWER_BOUND,)
    if form is not None and fit.coefficients[-1] < 0:
        note = (
            f"The coefficient of heterogeneity is {fit.coefficients[-1]:.3g}. Unequal chances of "
            "being on lists make it positive; below zero the model describes lists that avoid "
            "each other's persons, and lowers the total."
        )
        return (note,)
    return ()
