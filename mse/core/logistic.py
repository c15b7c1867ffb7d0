"""Logistic regression by Newton's method."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._threads import one_thread

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray

#: Where some persons are told apart completely, chances run to 0 and 1: after so many steps they are there.
STEPS = 40
#: Logits are not beyond this.
MOST = 36.0


class Logistic(NamedTuple):
    """A logistic regression.

    Attributes
    ----------
    coefficients : float64 array (Q,)
        On the logit scale.
    inverse : float64 array (Q, Q)
        Inverse of the information; that of its range where columns repeat each other.
    """

    coefficients: FloatArray
    inverse: FloatArray

    def chances(self, columns: FloatArray) -> FloatArray:
        """Chances of yes at rows (M, Q)."""
        return np.asarray(1 / (1 + np.exp(-np.clip(columns @ self.coefficients, -MOST, MOST))))


@one_thread
def logistic_fit(columns: FloatArray, yes: BoolArray) -> Logistic:
    """Regress yes or no on columns (R, Q).

    Examples
    --------
    >>> columns = np.ones((4, 1))
    >>> logistic_fit(columns, np.array([True, False, True, True])).chances(columns[:1]).round(6)
    array([0.75])
    """
    largest = np.abs(columns).max(axis=0, initial=0)
    # Of a column of zeros nothing is learned: its coefficient is 0.
    scale = np.where(largest > 0, largest, 1.0)
    scaled, values = columns / scale, np.zeros(columns.shape[1])
    for _ in range(STEPS):
        p = Logistic(values, scaled).chances(scaled)
        information = scaled.T @ ((p * (1 - p))[:, None] * scaled)
        inverse = np.linalg.pinv(information, rcond=1e-12, hermitian=True)
        step = inverse @ (scaled.T @ (yes - p))
        # A step of 4 logits at most: beyond it the quadratic says nothing.
        reach = float(np.abs(scaled @ step).max(initial=0))
        values = values + step * min(1.0, 4 / max(reach, 1e-300))
        if reach < 1e-10:
            break
    return Logistic(values / scale, inverse / np.outer(scale, scale))
