"""Profile likelihood of the population size when records are known in part.

As in `mse.core.profile`, N - n persons in the unseen cells are one more observation, over the set of
those cells; partly known records enter with the probabilities of their sets (Cormack 1992, Biometrics
48, 567-576, with sums of cells in place of cells). Counts must be exact: within bounds, n itself is not
known.
"""

from __future__ import annotations

from math import exp, lgamma, log
from typing import TYPE_CHECKING

from mse.core._threads import one_thread
from mse.core.ascent import FINISHED, climb, make_likelihood
from mse.core.curve import LikelihoodCurve

if TYPE_CHECKING:
    from mse.core.ascent import Data
    from mse.core.solution import IncompleteFit


class ObservedProfile(LikelihoodCurve):
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
        observed = float(data.base.sum() + data.seen.low.sum())
        super().__init__(observed, float(fit.hidden.sum()), spread)

    def __call__(self, log_hidden: float) -> float:
        """Profile log likelihood at N = n + exp(log_hidden).

        Raises
        ------
        ArithmeticError
            Where the inner fit did not converge.
        """
        hidden = exp(log_hidden)
        problem = make_likelihood(self._data, self._found.face, self._found.kept, hidden)
        with one_thread:
            end = climb(problem, self._b, may_recede=False)
        if end.code != FINISHED:
            self._b = self._found.coefficients
            raise ArithmeticError(f"no fit with {hidden:g} hidden persons was found")
        self._b = end.b
        total = self.observed + hidden
        gain = lgamma(total + 1) - lgamma(hidden + 1)
        return float(gain + end.value + total - total * log(total))
