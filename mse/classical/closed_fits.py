"""Closed-population models as log-linear designs: columns, cells, bias corrections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb, exp, expm1, inf, isnan, lgamma, nan, sqrt
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.special import xlogy

from mse.answer.goodness import FitTest, chi_squared_fit
from mse.answer.intervals import IntervalMethod, LognormalInterval, ProfileInterval
from mse.answer.reasons import NOT_CONVERGED_REASON, boundary_reason, not_estimable_reason
from mse.core.dense import (
    DenseDesign,
    DenseFit,
    Removal,
    bias_of,
    fit_dense,
    log_passing,
    profile_dense,
    profile_removal,
    refit_dense,
    refit_unbiased,
    removal_bias,
    removal_hidden,
    removal_limit,
    removal_variance,
    unbiased_log_passing,
)
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, LIMITS, ZERO
from mse.core.fitting import BOUNDARY, NOT_CONVERGED, NOT_ESTIMABLE, OK, STATUSES
from mse.core.profile import FunctionCurve
from mse.errors import ModelError
from mse.messages import Message, joined
from mse.models.heterogeneity import COLUMNS, column_names, heterogeneity_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import FloatArray, IntArray, Limit, Status

#: Models in which every list has its own parameter need all 2^K - 1 cells; beyond this many lists
#: the design does not fit into memory at a reasonable size.
MOST_LISTS = 16


class ClosedDesign(NamedTuple):
    """A closed-population model written out for a table, a row for each cell or number of lists."""

    names: tuple[str, ...]
    #: Persons, and lists that a person of the row is on, (R,).
    counts: FloatArray
    design: DenseDesign
    captures: IntArray
    #: Whether every list has a parameter of its own, following the intercept.
    own_parameters: bool


def _written_out(
    head: FloatArray, captures: IntArray, form: str | None, n_lists: int, log_sizes: FloatArray
) -> DenseDesign:
    """Design with the intercept, the columns of `head` and those for heterogeneity."""
    extra = heterogeneity_columns(form, captures.astype(np.float64), n_lists)
    rows = np.column_stack([np.ones(len(head)), head, extra])
    bounded = np.zeros(rows.shape[1], dtype=np.bool_)
    bounded[rows.shape[1] - extra.shape[1] :] = form == "chao"
    # Every column but the intercept is zero for a person on no list.
    hidden = np.zeros(rows.shape[1])
    hidden[0] = 1.0
    return DenseDesign(rows, log_sizes, hidden, bounded)


def exchangeable(patterns: IntArray, counts: FloatArray, form: str | None) -> ClosedDesign:
    """Models M0 and Mh of histories (R, K): the number of lists that a person is on suffices."""
    n_lists = patterns.shape[1]
    captures = np.arange(1, n_lists + 1)
    on = patterns.sum(axis=1)
    totals = np.bincount(on, counts, minlength=n_lists + 1)[1:].astype(np.float64)
    sizes = np.asarray([log_choose(n_lists, k) for k in captures])
    head = captures[:, None].astype(np.float64)
    design = _written_out(head, captures, form, n_lists, sizes)
    names = ("intercept", "captures", *column_names(form, n_lists))
    return ClosedDesign(names, totals, design, captures, own_parameters=False)


def by_list(
    patterns: IntArray, counts: FloatArray, form: str | None, lists: Sequence[str]
) -> ClosedDesign:
    """Models Mt and Mth: every list has its own parameter, every observable cell its row."""
    n_lists = patterns.shape[1]
    if n_lists > MOST_LISTS:
        msg = (
            f"Models Mt and Mth write out all histories, and the table has {n_lists} lists; "
            f"expected at most {MOST_LISTS}. Models M0 and Mh take any number of lists, and "
            'LogLinear("main") is Mt without writing it out.'
        )
        raise ModelError(msg)
    weights = 1 << np.arange(n_lists - 1, -1, -1)
    cells = np.zeros(1 << n_lists)
    cells[patterns @ weights] = counts
    head = (np.arange(1, 1 << n_lists)[:, None] & weights) > 0
    captures = head.sum(axis=1)
    design = _written_out(head.astype(np.float64), captures, form, n_lists, np.zeros(captures.size))
    names = ("intercept", *lists, *column_names(form, n_lists))
    return ClosedDesign(names, cells[1:], design, captures, own_parameters=True)


def log_choose(n: int, k: int) -> float:
    """Log of the number of histories with k of n lists."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def within_classes(patterns: IntArray, counts: FloatArray) -> float:
    """Deviance of histories from equal shares among those on as many lists.

    Added to the deviance over the numbers of lists it gives the deviance over all cells.
    """
    n_lists = patterns.shape[1]
    captures = patterns.sum(axis=1)
    totals = np.bincount(captures, counts)[captures]
    shares = np.asarray([log_choose(n_lists, int(k)) for k in captures])
    # Rounding may leave a sum that is zero just below it.
    return max(float(2 * counts @ (np.log(counts / totals) + shares)), 0.0)


def corrections(form: str | None, n_lists: int, *, by_list: bool) -> FloatArray:
    r"""Persons to add by number of lists, (K,), so that the total is nearly unbiased.

    They are spread evenly over the histories of each number; ``by_list`` is for Mt and Mth.

    Frequencies are modified as Rivest & Levesque (2001, Canadian Journal of Statistics 29, 555-572)
    propose. The first-order bias of the coefficients of a Poisson model with leverages h is
    :math:`-I^{-1} X'h / 2` (Cordeiro & McCullagh 1991, JRSS B 53, 629-643), and the hidden count, the
    exponential of the intercept, adds :math:`v/2` with v the variance of the intercept. Both
    vanish if the persons a that are added have
    :math:`X'a = X'h/2 - e_0/2`. As capture probabilities go to zero, the persons on 1, 2, ..., m
    lists, as many as there are columns in k, carry all information: each class has leverage 1,
    singles leverage K where every list has a parameter. The solution is then free of parameters,

    .. math:: a_k = (L_k - w_k) / 2, \quad k = 1, \dots, m,

    where L is the leverage and w the weights that extrapolate the columns from 1, ..., m to 0. For
    Mt it is :math:`(K - 2) / 2` on one list and 1 on two, which is the correction of Chapman (1951) for
    K = 2. The lower bound rests on persons on one and two lists and takes the same.
    """
    shape = None if form == "chao" else form
    m = 2 if shape is None else 3
    added = np.zeros(max(n_lists, m))
    k = np.arange(1, m + 1, dtype=np.float64)
    columns = [np.ones(m), k, *([COLUMNS[shape](k)] if shape else [])]
    weights = np.linalg.solve(np.asarray(columns), np.eye(m)[0])
    leverage = np.ones(m)
    leverage[0] = n_lists if by_list else 1
    added[:m] = (leverage - weights) / 2
    return added[:n_lists]


def corrected_counts(closed: ClosedDesign, form: str | None) -> FloatArray:
    """Modify the counts by `corrections`."""
    n_lists = int(closed.captures.max())
    added = corrections(form, n_lists, by_list=closed.own_parameters)
    if closed.own_parameters:
        added /= [comb(n_lists, k) for k in range(1, n_lists + 1)]
    return closed.counts + added[closed.captures - 1]


def moment_estimate(counts: FloatArray) -> tuple[float, float]:
    r"""Bias-corrected lower bound on the hidden count under Mh, from persons on 1, ..., K lists.

    :math:`\frac{K-1}{2K} f_1 (f_1 - 1) / (f_2 + 1)` (Chao 1987, Biometrics 43, 783-791; for K lists and
    bias corrected: Rivest & Baillargeon 2007, Biometrics 63, 999-1006), and the variance of the total by
    the delta method.
    """
    n_lists = counts.size
    once, twice = float(counts[0]), float(counts[1])
    factor = (n_lists - 1) / (2 * n_lists)
    hidden = factor * once * (once - 1) / (twice + 1)
    by_once = factor * (2 * once - 1) / (twice + 1)
    by_twice = hidden / (twice + 1)
    return hidden, hidden + by_once**2 * once + by_twice**2 * twice


# What a closed-population model finds in a table; the log-linear ones M0, Mt, Mh and Mth ----------

#: Histories of which the fitted means are looked at one by one.
MOST_TESTED = 2**20
#: Corrections of the bias: none, the published one, or with the leverages of the fit.
Correction: TypeAlias = "bool | Literal['leverages']"
LEVERAGES = "leverages"
NOTHING_LEFT = Message("reason.frequencies_used_up")


class Histories(NamedTuple):
    """The histories of a complete table that somebody has, (R, K), and the persons with each, (R,)."""

    lists: tuple[str, ...]
    patterns: IntArray
    counts: FloatArray

    @property
    def observed(self) -> int:
        """Persons seen."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class ClosedResult:
    """What was found; deviance and coefficients are those of the maximum likelihood fit."""

    status: Status
    limit: Limit
    reason: str
    #: Persons on no list, and the variance of the total; NaN where not estimable.
    hidden: float
    variance: float
    deviance: float
    #: Those at a bound of zero left out.
    n_parameters: int
    coefficients: tuple[tuple[str, float], ...]
    uncertainty: IntervalMethod | None = None
    #: Warnings that do not change the status.
    notes: tuple[str, ...] = ()
    #: None where there are too many histories to look at each.
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
        note = Message("remark.correction_adds", bias=bias, change=change)
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
    """Fit M0, Mt, Mh or Mth."""
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


@dataclass(frozen=True, eq=False)
class _Curve:
    """Makes the profile log likelihood of N; as data, so that it can be saved."""

    observed: int
    hidden: float
    spread: float
    #: First arguments of the log likelihood: counts, design and fit, or the captures of a removal model.
    asked: tuple[FloatArray, DenseDesign, DenseFit] | Removal

    def __call__(self) -> FunctionCurve:
        return FunctionCurve(self._value, self.observed, self.hidden, self.spread)

    def _value(self, log_hidden: float) -> float:
        if isinstance(self.asked, Removal):
            return profile_removal(self.asked, log_hidden)
        return profile_dense(*self.asked, log_hidden)


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
        asked = closed.counts, closed.design, fit
        curve = _Curve(histories.observed, fit.hidden, sqrt(fit.variance), asked)
        uncertainty = ProfileInterval(curve, remedy="")
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
        apart = not (closed.counts[closed.captures > 1] > 0).any()
        reason = not_estimable_reason(limit_of(fit.limit), vanishing, [])
        return joined(reason, Message("nobody.several") if apart else "")
    aliased = [name for name, value in values if np.isnan(value)]
    sizes = np.exp(closed.design.log_sizes[~fit.face])
    return boundary_reason(vanishing, aliased, round(float(sizes.sum())))


def _notes(fit: DenseFit, form: str | None) -> tuple[str, ...]:
    if form not in (None, "chao") and fit.coefficients[-1] < 0:
        return (Message("remark.heterogeneity", coefficient=fit.coefficients[-1]),)
    return ()


# Behavioral closed-population models Mb and Mbh: being caught changes the chance of recapture -----

#: By how much the bias correction lowers the sum of the occasions of first capture.
CORRECTION = 3
#: The correction changes first captures on this many occasions.
CORRECTED_OCCASIONS = 3

_TOO_FEW_TO_CORRECT = Message("reason.few_occasions")


class _Captures(NamedTuple):
    """Captures by history: occasion of the first, number of the others and chances for them."""

    counts: FloatArray
    first: IntArray
    recaptures: IntArray
    chances: IntArray

    @property
    def recapture_rate(self) -> float:
        """Share of the chances for a recapture that were one; NaN without chances."""
        total = float(self.counts @ self.chances)
        return float(self.counts @ self.recaptures) / total if total else nan


def _captures(histories: Histories) -> _Captures:
    n_lists = len(histories.lists)
    first = histories.patterns.argmax(axis=1) + 1
    recaptures = histories.patterns.sum(axis=1) - 1
    return _Captures(histories.counts, first, recaptures, n_lists - first)


def _removal(captures: _Captures, n_lists: int, *, first_differs: bool) -> Removal:
    if not first_differs:
        caught = float(captures.counts.sum())
        return Removal(caught, float(captures.counts @ captures.first), n_lists)
    later = captures.first > 1
    counts, first = captures.counts[later], captures.first[later] - 1
    before = float(captures.counts[~later].sum())
    return Removal(float(counts.sum()), float(counts @ first), n_lists - 1, before)


def behavioral_result(
    histories: Histories, *, first_differs: bool, bias_corrected: Correction
) -> ClosedResult:
    r"""Fit Mb, or Mbh where the first occasion has a probability of its own; lists in order of time.

    A history with first capture on occasion j and r recaptures has the mean
    :math:`N p q^{j-1} c^r (1-c)^{K-j-r}` with :math:`q = 1 - p` (Otis et al. 1978; its log is linear
    in 1, j and r: Cormack 1989, Biometrics 45, 395-413). N depends on first captures alone. Under
    Mbh those of the first occasion have a mean of their own and the others follow the removal model
    (Pollock & Otto 1983, Biometrics 39, 1035-1049).

    The bias correction lowers the sum of the occasions of first capture by 3, as if 2 persons were
    added to the first occasion and 1 taken from the second and from the third: a modification of
    frequencies in the manner of Rivest & Levesque (2001, Canadian Journal of Statistics 29,
    555-572). No constant removes the first-order bias for every p here; with p about 0.3 it would
    be about 3. ``"leverages"`` takes what removes it at the fit, see
    `mse.core.dense.removal_correction`.
    """
    captures = _captures(histories)
    data = _removal(captures, len(histories.lists), first_differs=first_differs)
    result = _fitted(histories, captures, data, first_differs=first_differs)
    if not bias_corrected or result.status == "not_estimable":
        return result
    if bias_corrected == LEVERAGES:
        b = unbiased_log_passing(data)
        modified = data
    elif data.occasions < CORRECTED_OCCASIONS:
        return result.without_estimate(INDETERMINATE, _TOO_FEW_TO_CORRECT)
    else:
        modified = data._replace(summed=data.summed - CORRECTION)
        b = log_passing(modified) if removal_limit(modified) == FINITE else nan
    if isnan(b):
        return result.without_estimate(ZERO, NOTHING_LEFT)
    hidden, variance = removal_hidden(modified, b), removal_variance(modified, b)
    found = result.corrected(hidden, variance, histories.observed)
    if bias_corrected == LEVERAGES:
        return found
    return found.checked(removal_bias(data, log_passing(data)), hidden - result.hidden)


def _fitted(
    histories: Histories, captures: _Captures, data: Removal, *, first_differs: bool
) -> ClosedResult:
    """Fit by maximum likelihood."""
    limit = removal_limit(data)
    # Outside the open interval the supremum lies at q = 0 or at q = 1.
    b = log_passing(data) if limit == FINITE else (-inf if limit == ZERO else 0.0)
    hidden, variance, uncertainty = nan, nan, None
    code, reason = OK, _removal_reason(data, limit)
    if limit == FINITE:
        hidden, variance = removal_hidden(data, b), removal_variance(data, b)
        code, reason = _boundary(captures, data, first_differs=first_differs)
        curve = _Curve(histories.observed, hidden, sqrt(variance) / hidden, data)
        uncertainty = ProfileInterval(curve, remedy="")
    coefficients = [("first capture", -expm1(b)), ("recapture", captures.recapture_rate)]
    if first_differs:
        coefficients.append(("first occasion", data.before / (histories.observed + hidden)))
    deviance = _deviance(captures, data, b, first_differs=first_differs)
    result = ClosedResult(
        status_of(code),
        limit_of(limit),
        reason,
        hidden,
        variance,
        deviance,
        len(coefficients) + 1,
        tuple(coefficients),
        uncertainty,
        fit_test=_behavioral_fit_test(histories, deviance, len(coefficients) + 1)
        if code == OK
        else None,
    )
    return result if limit == FINITE else result.without_estimate(limit, reason)


def _behavioral_fit_test(
    histories: Histories, deviance: float, n_parameters: int
) -> FitTest | None:
    """Test the fit, by the average number of persons with a history for whether the table is sparse."""
    number = (1 << len(histories.lists)) - 1
    if number > MOST_TESTED:
        return None
    df = number - n_parameters
    return chi_squared_fit(deviance, df, df, np.full(number, histories.observed / number))


def _boundary(captures: _Captures, data: Removal, *, first_differs: bool) -> tuple[int, str]:
    """Parameters that are not part of the total, at the edge of what is possible."""
    reasons = []
    if captures.recapture_rate == 0:
        reasons.append(Message("nobody.recaptured"))
    if captures.recapture_rate == 1:
        reasons.append(Message("reason.everyone_recaptured"))
    if first_differs and data.before == 0:
        reasons.append(Message("nobody.first_occasion"))
    return (BOUNDARY if reasons else OK), joined(*reasons)


def _removal_reason(data: Removal, limit: int) -> str:
    """Say why first captures determine no total."""
    if limit == FINITE:
        return ""
    if limit == ZERO:
        return Message("nobody.first_captures")
    if limit == INFINITE:
        middle, mean = (data.occasions + 1) / 2, data.summed / data.caught
        below = Message("reason.below_all_observed") if mean > middle else ""
        reason = Message("reason.no_falling_off", mean=mean, of=data.occasions, middle=middle)
        return joined(reason, below)
    return Message("reason.two_occasions")


def _deviance(captures: _Captures, data: Removal, b: float, *, first_differs: bool) -> float:
    """Deviance over all observable cells, for log q = b; the means add up to the observed persons."""
    counts, first, recaptures, chances = captures
    later = np.arange(data.occasions, dtype=np.float64)
    # 0 ** 0 is 1: with q = 0 all are caught on the first occasion.
    shares = exp(b) ** later
    means = data.caught * shares / shares.sum()
    if first_differs:
        means = np.append(data.before, means)
    rate = captures.recapture_rate
    if np.isnan(rate):
        rate = 0.0
    logs = (
        np.log(means[first - 1]) + xlogy(recaptures, rate) + xlogy(chances - recaptures, 1 - rate)
    )
    # Rounding may leave a difference of sums just below zero.
    return max(float(2 * counts @ (np.log(counts) - logs)), 0.0)
