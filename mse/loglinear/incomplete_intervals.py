"""Profile likelihood intervals of fits to tables that are known in part."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING

from scipy.special import chdtri

from mse.core.observed_profile import ObservedProfile
from mse.errors import ConvergenceWarning
from mse.refitting import GIVEN_MODEL

if TYPE_CHECKING:
    from mse.core.ascent import Data
    from mse.core.solution import IncompleteFit


@dataclass(frozen=True, eq=False)
class ObservedProfileInterval:
    """Profile likelihood interval of N given a model, from records that are known in part.

    Parameters
    ----------
    data : Data
        What was seen, counts exact.
    found : IncompleteFit
        An estimable fit.
    spread : float
        Standard error of the log hidden count, for the first strides of the search.
    """

    data: Data = field(repr=False)
    found: IncompleteFit = field(repr=False)
    spread: float

    @property
    def kind(self) -> str:
        """The word ``profile``."""
        return "profile"

    @property
    def given(self) -> str:
        """What the interval takes for granted."""
        return GIVEN_MODEL

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons.

        Parameters
        ----------
        level : float
            Level of the interval, between 0 and 1.

        Returns
        -------
        tuple of float
            The N whose log likelihood is within half the chi-squared quantile (one degree of
            freedom) of its maximum; NaN, with a `ConvergenceWarning`, where a fit failed.
        """
        try:
            curve = ObservedProfile(self.data, self.found, self.spread)
            return curve.ends(float(chdtri(1, 1 - level)) / 2)
        except ArithmeticError as error:
            message = f"There is no profile likelihood interval: {error}. Use interval='lognormal'."
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
            return nan, nan
