"""Averages over the models of a search, and intervals that hold both sources of uncertainty."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from math import exp, inf, nan
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.special import ndtr

from mse.answer.intervals import lognormal_interval
from mse.errors import ConvergenceWarning, ModelError
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import FloatArray
    from mse.core.profile import LikelihoodCurve
    from mse.loglinear.fit import LogLinearFit


AverageKind = Literal["mixture", "buckland"]


#: Models that together have no more than this share of the weight are left out of an average: the
#: tails of a 95 % interval then move by less than a twentieth of themselves.
NEGLIGIBLE_WEIGHT = 1e-3


#: What such an interval takes for granted.
GIVEN_MODELS = Message("given.models")


class Average(NamedTuple):
    """Models of a search with their weights, those of negligible weight left out.

    Attributes
    ----------
    weights : float64 array (M,)
        Sum to 1.
    fits : tuple of LogLinearFit
        The models.
    """

    weights: FloatArray
    fits: tuple[LogLinearFit, ...]

    @property
    def totals(self) -> FloatArray:
        """Totals of the models, persons."""
        return np.asarray([fit.population.total for fit in self.fits])

    @property
    def total(self) -> float:
        """Weighted mean of the totals, persons."""
        return float(self.weights @ self.totals)


def model_weights(values: FloatArray) -> FloatArray:
    """Weights proportional to exp(-value / 2) (Buckland, Burnham & Augustin 1997, equation 2).

    values: (M,), AIC, AICc or BIC of each model; infinite for models without weight
    """
    weights = np.exp(-0.5 * (values - values.min()))
    return np.asarray(weights / weights.sum())


def heaviest(weights: FloatArray) -> list[int]:
    """Models from the heaviest on until the rest is negligible."""
    order = np.argsort(-weights, kind="stable")
    rest = 1 - np.cumsum(weights[order])
    count = int(np.argmax(rest <= NEGLIGIBLE_WEIGHT)) + 1
    return [int(i) for i in order[:count]]


@dataclass(frozen=True, eq=False)
class AverageInterval:
    """Interval of N over several models.

    Parameters
    ----------
    average : Average
        Models and weights.
    form : {"mixture", "buckland"}
        ``"mixture"``: the tail areas of the models' profile likelihoods are averaged (Turek &
        Fletcher 2012, Computational Statistics and Data Analysis 56, 2809-2815; Fletcher & Turek
        2012, JABES 17, 38-51, equation 7). ``"buckland"``: log-normal with the standard error of
        Buckland, Burnham & Augustin (1997, Biometrics 53, 603-618, equation 9).
    observed : int
        Observed persons.

    Notes
    -----
    In simulations (``docs/calibration.md``) 95 % intervals held the truth in 94 to 99 % of the worlds of most
    designs and in 87 to 91 % of those of the hardest sparse ones.
    """

    average: Average = field(repr=False)
    form: AverageKind
    observed: int

    @property
    def kind(self) -> str:
        """The word ``averaged``."""
        return "averaged"

    @property
    def given(self) -> str:
        """What the interval takes for granted."""
        return GIVEN_MODELS

    @property
    def standard_error(self) -> float:
        """Standard error over both sources (Buckland et al. 1997, equation 9), persons."""
        within = np.asarray([fit.standard_error for fit in self.average.fits])
        between = self.average.totals - self.average.total
        return float(self.average.weights @ np.sqrt(within**2 + between**2))

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons.

        Parameters
        ----------
        level : float
            Level of the interval, between 0 and 1.

        Returns
        -------
        tuple of float
            Both NaN, with a `ConvergenceWarning`, where a profile failed.
        """
        if self.form == "buckland":
            hidden = self.average.total - self.observed
            return lognormal_interval(hidden, self.standard_error, level, self.observed)
        try:
            curves = [fit.profile_curve() for fit in self.average.fits]
            tail = (1 - level) / 2
            return (
                _tail_end(curves, self.average.weights, tail),
                _tail_end(curves, self.average.weights, 1 - tail),
            )
        except ArithmeticError as error:
            message = f"There is no averaged interval: {error}. Use interval='buckland'."
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
            return nan, nan


def _tail_end(curves: Sequence[LikelihoodCurve], weights: FloatArray, tail: float) -> float:
    """Find the N at which the averaged tail area is ``tail``, by bisection on log(N - n)."""
    from scipy.optimize import brentq

    def excess(log_hidden: float) -> float:
        roots = np.asarray([curve.signed_root(log_hidden) for curve in curves])
        return float(weights @ ndtr(roots)) - tail

    floor, ceiling = min(curve.floor for curve in curves), max(curve.ceiling for curve in curves)
    low, high = floor, max(curve.mode for curve in curves)
    if excess(low) >= 0:
        return float(curves[0].observed)
    while excess(high) < 0:
        high += 1.0
        if high > ceiling:
            return inf
    # A millionth of the hidden count is beyond what anybody reads off.
    return float(curves[0].observed) + exp(float(brentq(excess, low, high, xtol=1e-6)))


def check_form(form: str) -> None:
    """Raise `ModelError` unless the form of an averaged interval is known."""
    if form not in ("mixture", "buckland"):
        raise ModelError(f"interval={form!r} is not known; expected 'mixture' or 'buckland'.")
