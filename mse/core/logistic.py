"""Logistic regression by Newton's method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mse.core._threads import one_thread

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray

#: Where some persons are told apart completely, chances run to 0 and 1: after so many steps they are there.
STEPS = 40


@one_thread
def logistic_chances(columns: FloatArray, yes: BoolArray, others: FloatArray) -> FloatArray:
    """Chances of yes at other rows (M, Q), from a regression on columns (R, Q).

    Examples
    --------
    >>> columns = np.ones((4, 1))
    >>> logistic_chances(columns, np.array([True, False, True, True]), columns[:1]).round(6)
    array([0.75])
    """
    scale = np.maximum(np.abs(columns).max(axis=0, initial=0), np.finfo(float).tiny)
    scaled, values = columns / scale, np.zeros(columns.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(scaled @ values, -36, 36)))
        weight = p * (1 - p)
        information = scaled.T @ (weight[:, None] * scaled)
        step = np.linalg.pinv(information, rcond=1e-12, hermitian=True) @ (scaled.T @ (yes - p))
        # A step of 4 logits at most: beyond it the quadratic says nothing.
        reach = float(np.abs(scaled @ step).max(initial=0))
        values = values + step * min(1.0, 4 / max(reach, 1e-300))
        if reach < 1e-10:
            break
    return np.asarray(1 / (1 + np.exp(-np.clip(others / scale @ values, -36, 36))))
