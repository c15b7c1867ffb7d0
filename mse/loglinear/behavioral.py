"""Behavioral closed-population models Mb and Mbh: being caught changes the chance of recapture."""

from __future__ import annotations

from functools import partial
from math import exp, expm1, inf, isnan, nan, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import xlogy

from mse._goodness import FitTest, chi_squared_fit
from mse.core.batch import BOUNDARY, OK
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO
from mse.core.removal import (
    Removal,
    log_passing,
    profile_removal,
    removal_bias,
    removal_hidden,
    removal_limit,
    removal_variance,
    unbiased_log_passing,
)
from mse.loglinear.closed_results import (
    LEVERAGES,
    MOST_TESTED,
    NOTHING_LEFT,
    ClosedResult,
    Correction,
    Histories,
    LikelihoodInterval,
    limit_of,
    status_of,
)

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray

#: By how much the bias correction lowers the sum of the occasions of first capture.
CORRECTION = 3
#: The correction changes first captures on this many occasions.
CORRECTED_OCCASIONS = 3

_TOO_FEW_TO_CORRECT = (
    "The correction of the bias changes first captures on three occasions with the same "
    "probability of first capture, and there are only two."
)


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
    r"""Fit Mb or Mbh.

    Parameters
    ----------
    histories : Histories
        The data; lists in order of time.
    first_differs : bool
        Whether the first occasion has a probability of its own (Mbh).
    bias_corrected : bool or {"leverages"}
        Whether and how to correct the bias of the total.

    Notes
    -----
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
    `mse.core.removal.removal_correction`.
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
        value = partial(profile_removal, data)
        spread = sqrt(variance) / hidden
        uncertainty = LikelihoodInterval(value, histories.observed, hidden, spread)
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
        fit_test=_fit_test(histories, deviance, len(coefficients) + 1) if code == OK else None,
    )
    return result if limit == FINITE else result.without_estimate(limit, reason)


def _fit_test(histories: Histories, deviance: float, n_parameters: int) -> FitTest | None:
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
        reasons.append("Nobody caught once was caught again.")
    if captures.recapture_rate == 1:
        reasons.append("Everyone caught once was caught on every later occasion.")
    if first_differs and data.before == 0:
        reasons.append("Nobody was caught on the first occasion.")
    return (BOUNDARY if reasons else OK), " ".join(reasons)


def _removal_reason(data: Removal, limit: int) -> str:
    """Say why first captures determine no total."""
    if limit == FINITE:
        return ""
    if limit == ZERO:
        return (
            "All first captures fell on one occasion and none later. That nobody is left would be "
            "an artifact of empty cells, so no estimate is given."
        )
    if limit == INFINITE:
        middle, mean = (data.occasions + 1) / 2, data.summed / data.caught
        reason = (
            "First captures do not fall off from occasion to occasion, so nothing shows how many "
            f"are left: their mean occasion is {mean:.2f} of {data.occasions} and must be below "
            f"{middle:g}."
        )
        if mean > middle:
            reason += " The formula would put the total below the observed number."
        return reason
    return (
        "The model needs first captures on at least two occasions with the same probability of "
        "first capture, and somebody caught on them."
    )


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
