"""Deviance to likelihood to criteria, in one convention.

The likelihood is Poisson over the observable cells. With p parameters of the model as
specified (those at minus infinity included) and n observed persons,

* AIC = -2 log L + 2 p (Akaike 1974, IEEE Trans. Automatic Control 19, 716-723),
* AICc = AIC + 2 p (p + 1) / (n - p - 1) (Hurvich & Tsai 1989, Biometrika 76, 297-307),
* BIC = -2 log L + p log n (Schwarz 1978, Annals of Statistics 6, 461-464).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import gammaln, xlogy

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray


class Criteria(NamedTuple):
    """AIC, AICc and BIC of some models, each of the shape of their deviances."""

    aic: FloatArray
    aicc: FloatArray
    bic: FloatArray


def saturated_log_likelihood(counts: FloatArray) -> float:
    """Poisson log likelihood of the counts under means equal to them."""
    return float(np.sum(xlogy(counts, counts) - counts - gammaln(counts + 1)))


def criteria(deviance: FloatArray, n_parameters: IntArray, counts: FloatArray) -> Criteria:
    """AIC, AICc and BIC from deviances.

    Parameters
    ----------
    deviance : float64 array (...)
        Deviances over the observable cells.
    n_parameters : int64 array (...)
        Parameters of each model as specified.
    counts : float64 array (C,)
        Persons by cell, 0 on unobservable cells.
    """
    minus_twice = deviance - 2 * saturated_log_likelihood(counts)
    return criteria_of(minus_twice, n_parameters, float(counts.sum()))


def criteria_of(minus_twice: FloatArray, n_parameters: IntArray, persons: float) -> Criteria:
    """AIC, AICc and BIC from log likelihoods.

    Parameters
    ----------
    minus_twice : float64 array (...)
        Minus twice the log likelihoods.
    n_parameters : int64 array (...)
        Parameters of each model as specified.
    persons : float
        Observed persons n; nobody counts as one, since where counts are within bounds it may be that
        nobody was observed.
    """
    n, p = persons, n_parameters.astype(np.float64)
    aic = minus_twice + 2 * p
    spare = n - p - 1
    # With as many parameters as persons the correction has no meaning: such a model is never best.
    correction = np.full(p.shape, np.inf)
    np.divide(2 * p * (p + 1), spare, out=correction, where=spare > 0)
    return Criteria(aic, aic + correction, minus_twice + p * np.log(max(n, 1)))
