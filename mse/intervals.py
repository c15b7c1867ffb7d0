"""Intervals of a total: what they promise, the log-normal one, and stored ones.

Each method that yields an interval hands over a small object with ``kind``, ``given`` and
``interval(level)``. It is asked when somebody wants an interval, so that a costly one (a profile
likelihood) is computed only then.

References
----------
Chao, A. (1987). Estimating the population size for capture-recapture data with unequal
catchability. Biometrics 43, 783-791.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from scipy.special import ndtri

from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DEFAULT_LEVEL",
    "STORED_LEVELS",
    "IntervalMethod",
    "LognormalInterval",
    "ModelRange",
    "StoredIntervals",
    "check_level",
    "lognormal_interval",
]

#: Level of an interval where nobody names one.
DEFAULT_LEVEL = 0.95
#: Levels whose intervals are written into JSON.
STORED_LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


@runtime_checkable
class IntervalMethod(Protocol):
    """What an estimator says about its uncertainty."""

    @property
    def kind(self) -> str:
        """One of profile, lognormal, percentile, basic, bca, averaged, credible."""
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
    if not 0 < level < 1:
        msg = (
            f"The level of an interval is {level!r}; expected a number between 0 and 1, "
            "such as 0.95 for a 95% interval."
        )
        raise ModelError(msg)


def lognormal_interval(
    hidden: float, se: float, level: float, observed: int
) -> tuple[float, float]:
    r"""Log-normal Wald interval of a total.

    Parameters
    ----------
    hidden : float
        Estimated number of hidden persons.
    se : float
        Standard error of it, in persons.
    level : float
        Level of the interval, between 0 and 1.
    observed : int
        Number of observed persons.

    Returns
    -------
    tuple of float
        Low and high end of the total, in persons; both NaN where there is no such interval
        (``hidden`` or ``se`` is not finite, or ``hidden`` is 0 with a positive ``se``).

    Notes
    -----
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
