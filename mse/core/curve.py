"""Curves of the log likelihood of the population size, and the intervals that are read off them."""

from __future__ import annotations

from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING

from mse.core.newton import factorial_rest

if TYPE_CHECKING:
    from collections.abc import Callable

#: Ends of an interval are found to this accuracy of the log hidden count.
END_TOLERANCE = 1e-10
#: Fewest hidden persons that are told from none: the likelihood changes by about as much below, and an
#: end of an interval with it.
FEWEST_HIDDEN = 1e-6
#: Share of the drop at an end by which two evaluations at the mode may differ: the end is then known to
#: some hundredths of the standard error at worst.
ROUNDED_SHARE = 0.05
#: Beyond this many hidden persons (log scale) the upper end is reported as infinite: e^30 is a
#: hundred times the people that ever lived. An estimate near it or beyond moves the bound up.
LOG_MOST_HIDDEN, BEYOND_MODE = 30.0, 10.0


def orderings(observed: float, hidden: float) -> float:
    """Return what the profile log likelihood of N has beyond minus half a deviance, less a constant.

    With p(c) = mu(c) / N in ``lgamma(N + 1) - lgamma(N - n + 1) + sum n(c) log p(c) + (N - n) log p(0)``
    (Cormack 1992) and means that add up to N, the sums are those of the saturated model less half
    the deviance of the table completed by its N - n hidden persons. Terms of the size of N log N,
    whose rounding would drown differences of one for large counts, are not formed.

    Parameters
    ----------
    observed, hidden : float
        Persons, n and N - n.
    """
    return float(factorial_rest(observed + hidden) - factorial_rest(hidden))


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
    ceiling : float
        Log of the most hidden persons that are told from infinitely many.
    """

    def __init__(self, observed: float, hidden: float, spread: float) -> None:
        self.observed = observed
        self.stride = min(max(spread, 1e-3), 2.0)
        self.mode, self.peak = self._highest(log(hidden))
        self.floor = min(log(FEWEST_HIDDEN), self.mode - 1.0)
        self.ceiling = max(LOG_MOST_HIDDEN, self.mode + BEYOND_MODE)

    def _highest(self, start: float) -> tuple[float, float]:
        """Find the maximum and its place by walking uphill from a start to where both sides fall.

        The Poisson estimate is not the maximum of this curve, and for few persons it may be far
        from it: then the highest point lies where hardly anybody is hidden.
        """
        from scipy.optimize import minimize_scalar

        values = {start: self(start)}
        self._walk(values, start, -1.0, min(log(FEWEST_HIDDEN), start))
        self._walk(values, start, 1.0, max(LOG_MOST_HIDDEN, start + BEYOND_MODE))
        place = max(values, key=lambda x: values[x])
        low = max((x for x in values if x < place), default=place)
        high = min((x for x in values if x > place), default=place)
        if low < high:
            found = minimize_scalar(lambda x: -self(x), bounds=(low, high), method="bounded")
            if -float(found.fun) > values[place]:
                place = float(found.x)
        return place, self(place)

    def _walk(self, values: dict[float, float], place: float, sign: float, bound: float) -> None:
        """Evaluate the curve in ever longer strides to one side for as long as that is uphill."""
        stride = self.stride
        while place != bound and values[place] >= max(values.values()):
            place = sign * min(sign * place + stride, sign * bound)
            values[place] = self(place)
            stride *= 2

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
            Where an inner fit did not converge, or the counts are so large that rounding of the
            likelihood hides the drop.
        """
        if not abs(self(self.mode) - self.peak) <= ROUNDED_SHARE * drop:
            raise ArithmeticError("counts this large leave too few digits to their likelihood")
        low = self._crossing(self.peak - drop, -1.0, self.floor)
        high = self._crossing(self.peak - drop, 1.0, self.ceiling)
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
