"""Independent lists from their totals and their union.

Under independence the list totals n_j and the union n are sufficient. The maximum likelihood
estimate solves

    n = N (1 - prod over j of (1 - n_j / N))

(Darroch 1958, Biometrika 45, 343-359): the fitted union is the observed one. It is finite if and only if
some list overlaps another (n < sum n_j) and no list holds everybody (n_j < n); those are the facets
of the cone of the sufficient statistics.
"""

from __future__ import annotations

from math import exp, expm1, lgamma, log
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlog1py, xlogy

from mse.core.curve import LikelihoodCurve
from mse.core.existence import FINITE, INFINITE, ZERO

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray

#: Smallest hidden number that is bracketed, in persons.
LEAST = 1e-12


def independent_lists(totals: IntArray, union: int) -> tuple[float, int]:
    """Estimate the hidden number of persons.

    Parameters
    ----------
    totals : int64 array (K,)
        Persons on each list, positive.
    union : int
        Persons on at least one list.

    Returns
    -------
    hidden : float
        Persons; NaN where the limit is not finite.
    limit : int
        Code of `mse.core.existence.LIMITS`.
    """
    from scipy.optimize import brentq

    overlap = int(totals.sum()) - union
    if overlap <= 0:
        return float("nan"), INFINITE
    if totals.max() >= union:
        return float("nan"), ZERO
    pairs = (float(totals.sum()) ** 2 - float((totals.astype(np.float64) ** 2).sum())) / 2
    # The fitted union is at least sum n_j - pairs / N (Bonferroni), so N is at most pairs / overlap.
    most = log(max(pairs / overlap - union, 1.0) * 2)
    least = log(LEAST)
    while _excess(least, totals, union) >= 0:
        least *= 2
    return exp(float(brentq(_excess, least, most, args=(totals, union), xtol=1e-14))), FINITE


def _excess(log_hidden: float, totals: IntArray, union: int) -> float:
    """Hidden persons beyond those that N implies; the union beyond the fitted one is the same."""
    hidden = exp(log_hidden)
    log_missed = float(np.log1p(-totals / (union + hidden)).sum())
    if hidden < union:
        return hidden - (union + hidden) * exp(log_missed)
    # The digits of a union that is small beside N are in the chance of being on some list.
    return -(union + hidden) * expm1(log_missed) - union


def hidden_variance(totals: IntArray, union: int, hidden: float) -> float:
    """Variance of the total, persons squared, by the delta method plus Poisson variance.

    As of `LogLinear`: the information of the full table depends on fitted pairs only.
    """
    size = union + hidden
    information = np.empty((totals.size + 1, totals.size + 1))
    information[1:, 1:] = np.outer(totals, totals) / size
    np.fill_diagonal(information[1:, 1:], totals)
    information[0, 0] = union
    information[0, 1:] = information[1:, 0] = totals
    unit = np.zeros(totals.size + 1)
    unit[0] = 1.0
    return float(hidden**2 * np.linalg.solve(information, unit)[0] + hidden)


def coefficients(totals: IntArray, union: int, hidden: float) -> FloatArray:
    """Coefficients of the log-linear model: the log hidden number, then the log odds of each list."""
    odds = np.log(totals) - np.log(union + hidden - totals)
    return np.concatenate([[log(hidden)], odds])


class MarginsProfile(LikelihoodCurve):
    """Profile log likelihood of N under independence, as a function of the log hidden count.

    Parameters
    ----------
    totals : int64 array (K,)
        Persons on each list.
    union : int
        Persons on at least one list.
    hidden : float
        Estimated hidden number.
    spread : float
        A guess of the standard error of the log hidden count.
    """

    def __init__(self, totals: IntArray, union: int, hidden: float, spread: float) -> None:
        self._totals = totals
        super().__init__(float(union), hidden, spread)

    def __call__(self, log_hidden: float) -> float:
        """Profile log likelihood at N = n + exp(log_hidden): every list has probability n_j / N."""
        hidden = exp(log_hidden)
        size = self.observed + hidden
        share = self._totals / size
        lists = xlogy(self._totals, share) + xlog1py(size - self._totals, -share)
        return lgamma(size + 1) - lgamma(hidden + 1) + float(lists.sum())
