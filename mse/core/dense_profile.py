"""Profile likelihood of the population size under the models of `mse.core.dense`, and its ends."""

from __future__ import annotations

from math import exp, log, log1p
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaln, gammaln

from mse.core.curve import FunctionCurve
from mse.core.dense import DenseDesign, DenseFit, maximize, restricted

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import FloatArray


def log_orderings(observed: float, hidden: float) -> float:
    """Compute ``lgamma(N + 1) - lgamma(N - n + 1)`` without losing the difference of large numbers."""
    return float(gammaln(observed) - betaln(hidden + 1, observed))


def profile_dense(
    counts: FloatArray, design: DenseDesign, fit: DenseFit, log_hidden: float
) -> float:
    """Compute the profile log likelihood of N (Cormack 1992, Biometrics 48, 567-576).

    Parameters
    ----------
    counts : float64 array (R,)
        Persons.
    design : DenseDesign
        The model.
    fit : DenseFit
        An estimable fit; each evaluation starts there.
    log_hidden : float
        Log of the number of persons on no list.

    Raises
    ------
    ArithmeticError
        Where the inner fit did not converge.
    """
    hidden = exp(log_hidden)
    part = restricted(design, fit.face, fit.kept)
    known = np.append(counts[fit.face], hidden)
    full = DenseDesign(
        np.vstack([part.rows, part.hidden]),
        np.append(part.log_sizes, 0.0),
        part.hidden,
        part.nonnegative,
    )
    _, means = maximize(known, full, fit.coefficients[fit.kept])
    total = float(known.sum())
    # The logs of shares include the sizes of the classes, which are the same for every N. The
    # means add up to N, so a large hidden share is 1 less the others, which keeps its digits; a small
    # one would drown in the rounding of the others.
    shares = means[:-1] / total
    seen = known[:-1] > 0
    none = log(means[-1] / total) if 2 * hidden < total else log1p(-float(shares.sum()))
    kernel = float(known[:-1][seen] @ np.log(shares[seen])) + hidden * none
    # Not the total less the hidden ones, which far out are all of it.
    return log_orderings(float(known[:-1].sum()), hidden) + kernel


def likelihood_interval(
    value: Callable[[float], float], observed: float, hidden: float, spread: float, drop: float
) -> tuple[float, float]:
    """Find the ends of the set of N whose profile log likelihood is within `drop` of its maximum.

    Parameters
    ----------
    value : callable
        Profile log likelihood of N as a function of the log hidden count.
    observed, hidden : float
        Persons seen, and the estimate of those not seen.
    spread : float
        A guess of the standard error of the log hidden count; sets the first strides.
    drop : float
        Half the chi-squared quantile of the level wanted.

    Returns
    -------
    low, high : float
        Persons; `high` is infinite where the likelihood stays above the cut.
    """
    return FunctionCurve(value, observed, hidden, spread).ends(drop)
