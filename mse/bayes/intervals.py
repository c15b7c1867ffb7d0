"""Credible intervals: from draws, or from a distribution over a grid of totals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mse.intervals import check_level, holding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import FloatArray
    from mse.intervals import IntervalMethod

__all__ = ["CredibleInterval", "CredibleParts", "GridInterval", "grid_quantile"]


@dataclass(frozen=True, eq=False)
class CredibleInterval:
    """Equal-tailed credible interval from draws of a total.

    Parameters
    ----------
    draws : float64 array (M,)
        Draws of the total, persons.
    given : str, default ""
        What the interval takes for granted, beside the model and the prior.

    Examples
    --------
    >>> import numpy as np
    >>> CredibleInterval(np.arange(101.0)).interval(0.5)
    (25.0, 75.0)
    """

    draws: FloatArray = field(repr=False)
    given: str = ""

    @property
    def kind(self) -> str:
        """The word ``credible``."""
        return "credible"

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons."""
        check_level(level)
        low, high = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


@dataclass(frozen=True, eq=False)
class CredibleParts:
    """Equal-tailed credible intervals of sums of strata, from the draws of the total.

    Parameters
    ----------
    draws : float64 array (M, S)
        Draws of the totals, persons; NaN in strata that the data leave to the prior.
    points : float64 array (S,)
        Point estimates of the totals. Draws are whole persons, and the mean of a rare event may lie above
        nearly all of them: an interval reaches to its point.
    whole : IntervalMethod, optional
        What computes the interval of the sum of all strata.
    """

    draws: FloatArray = field(repr=False)
    points: FloatArray = field(repr=False)
    whole: IntervalMethod | None = None

    @property
    def kind(self) -> str:
        """The word ``credible``."""
        return "credible"

    def of_sum(self, members: Sequence[int], level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total of some strata, in persons."""
        places = list(members)
        if len(places) == self.points.size and self.whole is not None:
            return self.whole.interval(level)
        ends = CredibleInterval(self.draws[:, places].sum(axis=1)).interval(level)
        return holding(*ends, float(self.points[places].sum()))


@dataclass(frozen=True, eq=False)
class GridInterval:
    """Equal-tailed credible interval from a distribution over increasing totals.

    Parameters
    ----------
    totals : float64 array (G,)
        Support, increasing, persons.
    cumulative : float64 array (G,)
        Distribution function at the support.
    given : str, default ""
        What the interval takes for granted, beside the model and the prior.

    Examples
    --------
    >>> import numpy as np
    >>> GridInterval(np.arange(4.0), np.array([0.02, 0.5, 0.98, 1.0])).interval(0.95)
    (1.0, 2.0)
    """

    totals: FloatArray = field(repr=False)
    cumulative: FloatArray = field(repr=False)
    given: str = ""

    @property
    def kind(self) -> str:
        """The word ``credible``."""
        return "credible"

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons."""
        check_level(level)
        ends = [(1 - level) / 2, (1 + level) / 2]
        low, high = (grid_quantile(self.totals, self.cumulative, p) for p in ends)
        return low, high


def grid_quantile(totals: FloatArray, cumulative: FloatArray, probability: float) -> float:
    """Find the smallest total whose distribution function reaches a probability."""
    at = int(np.searchsorted(cumulative, probability))
    return float(totals[min(at, totals.size - 1)])
