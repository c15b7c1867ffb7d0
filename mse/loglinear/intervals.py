"""Profile likelihood interval of one log-linear model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING

from scipy.special import chdtri

from mse.core.profile import profile_interval
from mse.errors import ConvergenceWarning

if TYPE_CHECKING:
    from mse._typing import FloatArray
    from mse.core.batch import ModelFit
    from mse.core.newton import Design


@dataclass(frozen=True, eq=False)
class ProfileInterval:
    """Profile likelihood interval of N given a model (Cormack 1992, Biometrics 48, 567-576).

    Parameters
    ----------
    counts : float64 array (C,)
        Persons by cell.
    fit : ModelFit
        An estimable fit to them.
    design : Design
        Axes and parameters.
    spread : float
        Standard error of the log hidden count, for the first strides of the search.
    """

    counts: FloatArray = field(repr=False)
    fit: ModelFit = field(repr=False)
    design: Design = field(repr=False)
    spread: float

    @property
    def kind(self) -> str:
        """The word ``profile``."""
        return "profile"

    @property
    def given(self) -> str:
        """What the interval takes for granted."""
        return "given the model"

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
        drop = float(chdtri(1, 1 - level)) / 2
        try:
            return profile_interval(self.counts, self.fit, self.design, drop, self.spread)
        except ArithmeticError as error:
            message = f"There is no profile likelihood interval: {error}. Use interval='lognormal'."
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
            return nan, nan
