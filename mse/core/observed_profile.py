"""Profile likelihood of the population size when records are known in part.

As in `mse.core.profile`, N - n persons in the unseen cells are one more observation, over the set of
those cells; partly known records enter with the probabilities of their sets (Cormack 1992, Biometrics
48, 567-576, with sums of cells in place of cells). Counts must be exact: within bounds, n itself is not
known.
"""

from __future__ import annotations

from math import exp, inf, lgamma, log
from typing import TYPE_CHECKING

from scipy.optimize import brentq, minimize_scalar

from mse.core.ascent import FINISHED, climb, make_likelihood
from mse.core.profile import (
    END_TOLERANCE,
    FEWEST_HIDDEN,
    LOG_MOST_HIDDEN,
    ProfileCurve,
    first_below,
)

if TYPE_CHECKING:
    from mse.core.ascent import Data
    from mse.core.incomplete import IncompleteFit


class ObservedProfile(ProfileCurve):
    """Profile log likelihood of N, as a function of the log hidden count.

    It follows the maximum that the fit found; each evaluation starts from the one before.

    Parameters
    ----------
    data : Data
        What was seen, counts exact.
    fit : IncompleteFit
        An estimable fit.
    spread : float
        A guess of the standard error of the log hidden count.
    """

    def __init__(self, data: Data, fit: IncompleteFit, spread: float) -> None:
        self._data, self._found, self._b = data, fit, fit.coefficients
        self.observed = float(data.base.sum() + data.seen.low.sum())
        center = log(float(fit.hidden.sum()))
        self.stride = min(max(spread, 1e-3), 2.0)
        bounds = (center - self.stride, center + self.stride)
        best = minimize_scalar(lambda x: -self(x), bounds=bounds, method="bounded")
        self.mode = float(best.x)
        self.peak = self(self.mode)
        self.floor = min(log(FEWEST_HIDDEN), self.mode - 1.0)

    def __call__(self, log_hidden: float) -> float:
        """Profile log likelihood at N = n + exp(log_hidden).

        Raises
        ------
        ArithmeticError
            Where the inner fit did not converge.
        """
        hidden = exp(log_hidden)
        problem = make_likelihood(self._data, self._found.face, self._found.kept, hidden)
        end = climb(problem, self._b, may_recede=False)
        if end.code != FINISHED:
            self._b = self._found.coefficients
            raise ArithmeticError(f"no fit with {hidden:g} hidden persons was found")
        self._b = end.b
        total = self.observed + hidden
        gain = lgamma(total + 1) - lgamma(hidden + 1)
        return float(gain + end.value + total - total * log(total))


def observed_profile_interval(curve: ProfileCurve, drop: float) -> tuple[float, float]:
    """Find the ends of the set of N whose profile log likelihood is within `drop` of its maximum.

    Parameters
    ----------
    curve : ProfileCurve
        The profile.
    drop : float
        Half the chi-squared quantile of the level wanted.

    Returns
    -------
    low, high : float
        Persons, n <= low <= high; `high` is infinite where the likelihood stays above the cut.

    Raises
    ------
    ArithmeticError
        Where an inner fit did not converge.
    """
    cut = curve.peak - drop
    ends = []
    for bound, sign, beyond in ((curve.floor, -1.0, curve.observed), (LOG_MOST_HIDDEN, 1.0, inf)):
        outside = first_below(curve, cut, curve.mode, sign * curve.stride, bound)
        if outside == inf:
            ends.append(beyond)
            continue
        end = brentq(lambda x: curve(x) - cut, curve.mode, outside, xtol=END_TOLERANCE)
        ends.append(curve.observed + exp(float(end)))
    return ends[0], ends[1]
