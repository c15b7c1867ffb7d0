"""Removal models: how many are left when first captures fall off from occasion to occasion.

Each occasion catches a share p = 1 - q of those not caught before, so the expected numbers of first
captures are ``m q^(j-1)`` on the occasions j = 1, ..., J, and ``m q^J / (1 - q)`` are never caught
(Zippin 1956, Biometrics 12, 163-189). Their number n and the sum s of the occasions of first capture are
sufficient.
"""

from __future__ import annotations

from math import exp, expm1, log, nan
from typing import NamedTuple

import numpy as np
from scipy.special import xlog1py, xlogy

from mse.core.dense_profile import log_orderings
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO

#: Refits to the correction at the refit before.
MOST_REFITS = 200


class Removal(NamedTuple):
    """First captures on J occasions.

    Attributes
    ----------
    caught : float
        Persons caught, n.
    summed : float
        Sum over them of the occasion of first capture, from 1 to J.
    occasions : int
        Number of occasions J.
    before : float, default 0
        Persons caught before, on an occasion with a probability of its own.
    """

    caught: float
    summed: float
    occasions: int
    before: float = 0.0


def removal_limit(data: Removal) -> int:
    """Where the number never caught goes: a code of `mse.core.existence.LIMITS`.

    The mean occasion of first capture is that of a geometric variable truncated at J. It is 1 only
    for q = 0, and (J + 1) / 2 or more only for q >= 1 (Otis et al. 1978, Wildlife Monographs 62,
    section on removal models).
    """
    if data.occasions < 2 or data.caught <= 0:
        return INDETERMINATE
    if data.summed <= data.caught:
        return ZERO
    return FINITE if 2 * data.summed < data.caught * (data.occasions + 1) else INFINITE


def log_passing(data: Removal) -> float:
    """Maximum likelihood estimate of log q, for a finite limit."""
    from scipy.optimize import brentq

    later = np.arange(data.occasions, dtype=np.float64)
    wanted = (data.summed - data.caught) / data.caught

    def excess(b: float) -> float:
        weights = np.exp(b * later)
        return float(later @ weights / weights.sum()) - wanted

    # The mean of j - 1 is at most 1 / (1 - q) - 1, hence at q = wanted / 2 it is too small.
    low = log(min(wanted / 2, 0.1))
    return float(brentq(excess, low, 0.0, xtol=1e-15, rtol=1e-14))


def removal_hidden(data: Removal, b: float) -> float:
    """Persons never caught, for log q = b."""
    return data.caught / expm1(-data.occasions * b)


def removal_variance(data: Removal, b: float) -> float:
    """Variance of the total, persons squared, by the delta method.

    Poisson information in (log m, log q), plus the Poisson variance of the hidden count itself
    (Cormack & Jupp 1991, Biometrika 78, 911-916).
    """
    later = np.arange(data.occasions, dtype=np.float64)
    weights = np.exp(b * later)
    means = data.caught * weights / weights.sum()
    rows = np.column_stack([np.ones_like(later), later])
    hidden = removal_hidden(data, b)
    slope = hidden * np.asarray([1.0, data.occasions + 1 / expm1(-b)])
    return float(hidden + slope @ np.linalg.solve(rows.T @ (rows * means[:, None]), slope))


def removal_correction(data: Removal, b: float) -> float:
    r"""By how much to lower the sum of the occasions for a hidden count without first-order bias.

    Given n, the hidden count is n r(b) with :math:`r = q^J / (1 - q^J)`, and b solves m(b) = s / n - 1
    with m the mean of the truncated geometric distribution, whose variance is m'(b). To second order
    in s its bias is that of a sum raised by

    .. math:: c = \frac12 \left(\frac{r''}{r'} - \frac{m''}{m'}\right)
        = \frac12 \left(J (1 + 2 r) - \frac{\kappa_3}{\kappa_2}\right),

    :math:`\kappa` the second and third cumulants of that distribution.

    Parameters
    ----------
    data : Removal
        First captures.
    b : float
        Log q.
    """
    later = np.arange(data.occasions, dtype=np.float64)
    shares = np.exp(b * later)
    shares /= shares.sum()
    away = later - later @ shares
    skewness = float((away**3) @ shares) / float((away**2) @ shares)
    ratio = removal_hidden(data, b) / data.caught
    return 0.5 * (data.occasions * (1 + 2 * ratio) - skewness)


def removal_bias(data: Removal, b: float) -> float:
    """First-order bias of the hidden count, persons, for log q = b."""
    later = np.arange(data.occasions, dtype=np.float64)
    shares = np.exp(b * later)
    shares /= shares.sum()
    spread = float((later - later @ shares) ** 2 @ shares)
    ratio = removal_hidden(data, b) / data.caught
    return removal_correction(data, b) * data.occasions * ratio * (1 + ratio) / spread


def unbiased_log_passing(data: Removal) -> float:
    """Log q for which the hidden count has no first-order bias; NaN where no first captures are left."""
    b = log_passing(data)
    for _ in range(MOST_REFITS):
        modified = data._replace(summed=data.summed - removal_correction(data, b))
        if removal_limit(modified) != FINITE:
            return nan
        before, b = b, log_passing(modified)
        if abs(b - before) <= 1e-10 * abs(b):
            return b
    return nan


def profile_removal(data: Removal, log_hidden: float) -> float:
    """Profile log likelihood of N (Cormack 1992, Biometrics 48, 567-576) for a removal model.

    Parameters
    ----------
    data : Removal
        First captures.
    log_hidden : float
        Log of the number of persons never caught.
    """
    hidden = exp(log_hidden)
    remaining = data.caught + hidden
    total = remaining + data.before
    # Each person is tried until caught; those never caught on all occasions.
    trials = data.summed + data.occasions * hidden
    value = log_orderings(data.caught + data.before, hidden)
    value += float(xlogy(data.caught, data.caught / trials))
    value += float(xlog1py(trials - data.caught, -data.caught / trials))
    value += float(xlogy(data.before, data.before / total))
    return value + float(xlog1py(remaining, -data.before / total))
