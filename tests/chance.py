"""How far chance may take a figure that is read off random draws.

Bounds are `FAR` standard errors: for a normal error chance exceeds them in 6 of 10 million tests. Where the error is
itself estimated, its own uncertainty is small (effective draws in the hundreds), or the test says what it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

if TYPE_CHECKING:
    from mse.bayes.base import Chains

#: Standard errors that a difference may have.
FAR = 5.0
#: Probability below which a p-value is no longer chance.
RARE = 1e-6


def error_of_quantile(draws: np.ndarray, probability: float = 0.5) -> float:
    """Monte Carlo standard error of a quantile of chains, (chains, draws), by their effective draws."""
    from arviz_stats.base import array_stats

    return float(array_stats.mcse(draws, method="quantile", prob=probability))


def error_of_mean(draws: np.ndarray) -> float:
    """Monte Carlo standard error of the mean of chains, (chains, draws)."""
    from arviz_stats.base import array_stats

    return float(array_stats.mcse(np.asarray(draws, dtype=float), method="mean"))


def same_median(one: Chains, other: Chains, name: str = "N") -> bool:
    """Whether the medians of a positive quantity are equal but for Monte Carlo error."""
    a, b = np.log(one.draws[name]), np.log(other.draws[name])
    error = np.hypot(error_of_quantile(a), error_of_quantile(b))
    return bool(abs(np.median(a) - np.median(b)) <= FAR * error)


def error_of_share(probability: float, size: int) -> float:
    """Compute the standard error of a share of independent events; of at least one event's weight."""
    return float(np.sqrt(max(probability * (1 - probability), 1 / size) / size))


def error_of_spread(spread: float, size: int, kurtosis: float = 3.0) -> float:
    """Compute the standard error of a standard deviation of independent draws."""
    return float(spread * np.sqrt((kurtosis - 1) / (4 * size)))


def error_of_end(spread: float, size: int, probability: float = 0.025) -> float:
    """Compute the standard error of a quantile of independent draws that are about normal."""
    density = norm.pdf(norm.ppf(probability))
    return float(spread * np.sqrt(probability * (1 - probability) / size) / density)


def within_chance(z: float) -> bool:
    """Whether a standard normal variable may be so large."""
    return bool(2 * norm.sf(abs(z)) > RARE)
