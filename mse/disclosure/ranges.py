"""What can be computed of a count from the sums that it is part of, by linear and integer programs."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from mse.errors import ModelError

if TYPE_CHECKING:
    from scipy import sparse

    from mse._typing import FloatArray

__all__ = ["WHOLE", "Extreme", "least", "least_unpriced", "least_whole", "range_of"]

#: HiGHS holds constraints to 1e-7 of a person; counts are whole, so this tells them apart with ease.
WHOLE = 1e-5
#: Up to so many cells an integer program costs less than preparing a linear one.
_FEW = 60
#: Statuses of `linprog` and `milp`.
_DONE, _UNBOUNDED = 0, 3


@dataclass(frozen=True, eq=False)
class Extreme:
    """Smallest value of a sum of counts that agrees with everything known.

    Attributes
    ----------
    value : float
        Persons; -inf where there is no bound.
    counts : float64 array (N,) or None
        Counts that attain it; None where there is no bound.
    low_price, high_price : float64 arrays (N,)
        How much the value would fall if the lower bound of a cell were one person lower, or its upper
        bound one higher; 0 or more. Of the linear program.
    """

    value: float
    counts: FloatArray | None
    low_price: FloatArray
    high_price: FloatArray

    @property
    def whole(self) -> bool:
        """Whether whole counts attain the value."""
        return self.counts is not None and bool(
            np.all(np.abs(self.counts - np.round(self.counts)) < WHOLE)
        )


def least(
    weights: FloatArray, sums: sparse.csr_array, low: FloatArray, high: FloatArray
) -> Extreme:
    """Minimize ``weights @ counts`` over counts within bounds whose sums are right.

    Parameters
    ----------
    weights : float64 array (N,)
        What is minimized.
    sums : sparse array (M, N)
        As of `Cells`: ``sums @ counts == 0``.
    low, high : float64 arrays (N,), persons
        Bounds of each count.

    Returns
    -------
    Extreme
        Of the linear program, whose counts need not be whole.

    Raises
    ------
    ModelError
        If no counts agree with what is known.
    """
    # The types of SciPy know neither sparse matrices nor arrays of bounds here; its code does.
    found = linprog(  # type: ignore[call-overload]
        weights,
        A_eq=sums,
        b_eq=np.zeros(sums.shape[0]),
        bounds=np.column_stack([low, high]),
        method="highs",
        # Without presolving, a program that has no end says so rather than "infeasible or unbounded".
        options={"presolve": False},
    )
    if found.status == _UNBOUNDED:
        nothing = np.zeros(len(weights))
        return Extreme(-inf, None, nothing, nothing)
    if found.status != _DONE:
        raise ModelError(
            f"No counts agree with what was published ({found.message.strip()}): the totals are not "
            "those of the parts, or something was changed after it was protected."
        )
    return Extreme(
        float(found.fun),
        np.asarray(found.x, dtype=np.float64),
        np.maximum(found.lower.marginals, 0.0),
        np.maximum(-found.upper.marginals, 0.0),
    )


def least_whole(
    weights: FloatArray, sums: sparse.csr_array, low: FloatArray, high: FloatArray
) -> Extreme:
    """Minimize as `least`, over whole counts; there are no prices then."""
    nothing = np.zeros(len(weights))
    found = milp(
        weights,
        constraints=LinearConstraint(sums, 0.0, 0.0),
        bounds=Bounds(low, high),
        integrality=np.ones(len(weights), dtype=np.int64),
    )
    if found.x is not None:
        counts = np.round(found.x)
        return Extreme(float(weights @ counts), counts, nothing, nothing)
    # No bound, or no counts: the linear program tells which.
    least(weights, sums, low, high)
    return Extreme(-inf, None, nothing, nothing)


def least_unpriced(
    weights: FloatArray, sums: sparse.csr_array, low: FloatArray, high: FloatArray
) -> Extreme:
    """Minimize as `least`, where prices are not asked for: over whole counts if that is quick."""
    quick = len(weights) <= _FEW
    return least_whole(weights, sums, low, high) if quick else least(weights, sums, low, high)


def range_of(
    cell: int, sums: sparse.csr_array, low: FloatArray, high: FloatArray
) -> tuple[float, float]:
    """Compute the smallest and largest whole count that one cell may have.

    Parameters
    ----------
    cell : int
        Position of the cell.
    sums, low, high
        As of `least`.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> sums = sparse.csr_array([[-1.0, -1.0, 1.0]])  # two parts, and their total of 9
    >>> range_of(0, sums, np.array([1.0, 1.0, 9.0]), np.array([np.inf, np.inf, 9.0]))
    (1.0, 8.0)
    """
    weights = np.zeros(len(low))
    ends = []
    for sign in (1.0, -1.0):
        weights[cell] = sign
        found = least_unpriced(weights, sums, low, high)
        if found.counts is not None and not found.whole:
            found = least_whole(weights, sums, low, high)
        ends.append(sign * found.value)
    return float(np.round(ends[0])), float(np.round(ends[1]))
