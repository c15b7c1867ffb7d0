"""Intervals and repetitions of fits to tables that are known in part."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri

from mse.core.batch import NOT_CONVERGED
from mse.core.existence import INDETERMINATE
from mse.core.incomplete import fit_incomplete
from mse.core.newton import n_parameters
from mse.core.observed_profile import ObservedProfile
from mse.errors import ConvergenceWarning
from mse.loglinear.folding import expected_by_stratum, folded
from mse.refitting import GIVEN_MODEL, Refits

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.ascent import Data
    from mse.core.incomplete import IncompleteFit


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


@dataclass(frozen=True, eq=False)
class ObservationRefitter:
    """Fits one model to other counts of the same observations.

    What belongs to the design of the data stays as it was: which lists operated where, and how
    counts were coarsened. A count that was known within bounds is so again if the new one is within
    the same bounds, and exact otherwise.

    Parameters
    ----------
    data : Data
        What was seen.
    means : float64 array (C,)
        Means by which each new fit first spreads its persons.
    known : bool array (R,)
        Patterns of the table that are one cell and exact; the others are the observations, in order.
    cells : int64 array
        Those cells, in the cells of the data.
    n_kinds : int
        Levels of the axis of kinds of records, see `mse.loglinear.observing.make_data`.
    """

    data: Data = field(repr=False)
    means: FloatArray = field(repr=False)
    known: BoolArray = field(repr=False)
    cells: IntArray = field(repr=False)
    n_kinds: int = 1
    given: str = GIVEN_MODEL
    releases_gil: bool = False
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, W): persons by pattern, padded to whole rows of S strata.

        Persons of a pattern may be in several strata. Hidden counts are given such that with the
        counts laid out in rows of S and summed they make the totals of the strata.
        """
        n_strata, size = self.data.design.n_hidden // self.n_kinds, len(counts)
        hidden = np.zeros((size, n_strata))
        limits = np.zeros((size, n_strata), dtype=np.int8)
        failed = np.zeros(size, dtype=np.bool_)
        for i, row in enumerate(counts):
            found, totals = self._refit(np.maximum(np.rint(row[: self.known.size]), 0))
            hidden[i] = totals - row.reshape(-1, n_strata).sum(axis=0)
            limits[i], failed[i] = found.limits, found.status == NOT_CONVERGED
        limits[failed] = INDETERMINATE
        return Refits(hidden, limits, failed, np.full(size, -1, np.int64), np.zeros((size, 0)))

    def _refit(self, row: FloatArray) -> tuple[IncompleteFit, FloatArray]:
        base = np.zeros(self.data.base.size)
        base[self.cells] = row[self.known]
        persons, seen = row[~self.known].astype(np.int64), self.data.seen
        again = (seen.low <= persons) & (persons <= seen.high)
        low, high = np.where(again, seen.low, persons), np.where(again, seen.high, persons)
        data = self.data._replace(base=base, seen=seen._replace(low=low, high=high))
        raw = fit_incomplete(data, [self.means])
        found = folded(raw, n_parameters(data.design) - self.n_kinds + 1, self.n_kinds)
        expected = expected_by_stratum(data, raw.means, found.limits.size)
        return found, found.hidden + expected
