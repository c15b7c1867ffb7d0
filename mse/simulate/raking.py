"""Expected persons by cell with given margins: iterative proportional scaling."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray

__all__ = ["Margin", "rake"]

#: Figures are calibrated to whole persons; of 10,000 this is a thousandth of one.
TOLERANCE = 1e-7
MAX_CYCLES = 2000


@dataclass(frozen=True, eq=False)
class Margin:
    """Expected persons who are on some lists, by group of strata.

    Attributes
    ----------
    lists : tuple of int
        They are on all of these, whatever other lists they are on; without any, everybody counts.
    groups : int64 array, shape (S,)
        Group of each stratum.
    target : float64 array, shape (G,), persons
        Expected number in each group.
    within : bool array, shape (S,), optional
        Strata that the target is about. The others follow: they get the same factor.
    """

    lists: tuple[int, ...]
    groups: IntArray
    target: FloatArray
    within: BoolArray | None = None


def rake(start: FloatArray, margins: Sequence[Margin]) -> FloatArray:
    """Scale cells until the margins hold.

    Parameters
    ----------
    start : float64 array, shape (2**K, S), persons
        Expected persons by capture history and stratum, everywhere positive.
    margins : sequence of Margin
        Those of the same lists stand together.

    Returns
    -------
    float64 array, shape (2**K, S), persons
        Of the cells with these margins the nearest to `start`. Its logarithm differs from that of
        `start` by one term for each margin: from a constant start the result is the log-linear
        model with these margins as sufficient statistics.

    Raises
    ------
    ModelError
        If the margins contradict each other.

    References
    ----------
    Darroch, J. N. and Ratcliff, D. (1972). Generalized iterative scaling for log-linear models.
    Annals of Mathematical Statistics 43, 1470-1480.
    """
    cells = start.copy()
    blocks = [(lists, list(part)) for lists, part in groupby(margins, key=lambda m: m.lists)]
    for _ in range(MAX_CYCLES):
        worst = max((_scale(cells, lists, part) for lists, part in blocks), default=0.0)
        if worst < TOLERANCE:
            return cells
    msg = (
        f"The margins of the world cannot hold together: after {MAX_CYCLES} rounds one is still off "
        f"by {worst:.2%}. Ask for less extreme shares or dependence."
    )
    raise ModelError(msg)


def _scale(cells: FloatArray, lists: tuple[int, ...], margins: Iterable[Margin]) -> float:
    """Scale the persons on some lists, in place; returns how far off the worst margin was."""
    n_lists, strata = int(cells.shape[0]).bit_length() - 1, cells.shape[1]
    chosen = tuple(1 if axis in lists else slice(None) for axis in range(n_lists))
    block = cells.reshape((2,) * n_lists + (strata,))[chosen]
    seen = block.reshape(-1, strata).sum(axis=0)
    factor, worst = np.ones(strata), 0.0
    for margin in margins:
        current = seen * factor
        if margin.within is not None:
            current = current * margin.within
        ratio = margin.target / np.bincount(margin.groups, current, minlength=margin.target.size)
        worst = max(worst, float(np.abs(ratio - 1).max()))
        factor *= ratio[margin.groups]
    block *= factor
    return worst
