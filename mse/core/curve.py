"""Curves of the log likelihood of the population size, and the intervals that are read off them."""

from __future__ import annotations

from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Ends of an interval are found to this accuracy of the log hidden count.
END_TOLERANCE = 1e-10
#: Fewest hidden persons that are told from none: the likelihood is flat below.
FEWEST_HIDDEN = 1e-3
#: Beyond this many hidden persons (log scale) the upper end is reported as infinite: e^30 is a
#: hundred times the people that ever lived, and beyond it the terms of the likelihood cancel to
#: less than the digits of a double resolve.
LOG_MOST_HIDDEN = 30.0


class LikelihoodCurve:
    """Profile log likelihood of N, as a function of the log hidden count.

    A kind of curve defines ``__call__`` and then initializes this class.

    Parameters
    ----------
    observed : float
        Observed persons n.
    hidden : float
        Estimated hidden persons, positive; the search for the maximum starts there.
    spread : float
        A guess of the standard error of the log hidden count.

    Attributes
    ----------
    observed : float
        Observed persons.
    mode : float
        Log hidden count at the maximum.
    peak : float
        The maximum.
    stride : float
        First step of a search away from the mode.
    floor : float
        Log of the fewest hidden persons that are told from none.
    """

    def __init__(self, observed: float, hidden: float, spread: float) -> None:
        from scipy.optimize import minimize_scalar

        self.observed = observed
        self.stride = min(max(spread, 1e-3), 2.0)
        bounds = (log(hidden) - self.stride, log(hidden) + self.stride)
        best = minimize_scalar(lambda x: -self(x), bounds=bounds, method="bounded")
        self.mode = float(best.x)
        self.peak = self(self.mode)
        self.floor = min(log(FEWEST_HIDDEN), self.mode - 1.0)

    def __call__(self, log_hidden: float) -> float:
        """Log likelihood at N = n + exp(log_hidden), maximized over the model.

        Raises
        ------
        ArithmeticError
            Where the inner fit did not converge.
        """
        raise NotImplementedError

    def signed_root(self, log_hidden: float) -> float:
        """Signed root of the likelihood ratio: standard normal, to first order."""
        root = sqrt(max(2 * (self.peak - self(log_hidden)), 0.0))
        return root if log_hidden > self.mode else -root

    def ends(self, drop: float) -> tuple[float, float]:
        """Find the ends of the set of N whose log likelihood is within `drop` of its maximum.

        Parameters
        ----------
        drop : float
            Half the chi-squared quantile of the level wanted.

        Returns
        -------
        low, high : float
            Persons, n <= low <= high; `high` is infinite where the curve stays above the cut.

        Raises
        ------
        ArithmeticError
            Where an inner fit did not converge.
        """
        low = self._crossing(self.peak - drop, -1.0, self.floor)
        high = self._crossing(self.peak - drop, 1.0, LOG_MOST_HIDDEN)
        return (
            self.observed if low is None else self.observed + exp(low),
            inf if high is None else self.observed + exp(high),
        )

    def _crossing(self, cut: float, sign: float, bound: float) -> float | None:
        """Find where the curve falls through the cut on one side; None if it does not in bounds."""
        from scipy.optimize import brentq

        reach, stride = abs(bound - self.mode), self.stride
        while True:
            outside = self.mode + sign * min(stride, reach)
            if self(outside) < cut:
                return float(
                    brentq(lambda x: self(x) - cut, self.mode, outside, xtol=END_TOLERANCE)
                )
            if stride >= reach:
                return None
            stride *= 2


class FunctionCurve(LikelihoodCurve):
    """The curve of a function of the log hidden count.

    Parameters
    ----------
    value : callable
        Log likelihood of N, maximized over the model.
    observed, hidden, spread : float
        See `LikelihoodCurve`.
    """

    def __init__(
        self, value: Callable[[float], float], observed: float, hidden: float, spread: float
    ) -> None:
        self._value = value
        super().__init__(observed, hidden, spread)

    def __call__(self, log_hidden: float) -> float:
        """Log likelihood at N = n + exp(log_hidden)."""
        return self._value(log_hidden)
