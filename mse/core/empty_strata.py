"""Hidden counts of strata in which effects are empty: what settles them without all parameters.

Such an effect is at minus infinity and leaves the fit, and the observable cells that contain it are at
zero; the hidden cell need not follow.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from mse.core.existence import FINITE, INDETERMINATE, INFINITE, NOT_ASKED, ZERO
from mse.core.lattice import subset_sum


@nb.njit(cache=True, nogil=True)
def empty_strata(marks, effects, design, limits, partner):  # type: ignore[no-untyped-def]
    """Settle hidden cells that contain effects which nobody has, or find what settles them.

    An effect w that nobody has may go to minus infinity alone, so such a hidden count can always
    vanish. Whether it can also grow takes the algebra of all parameters only in odd cases:

    * If in the hidden cell h there is a w that every list turns into a further effect t(k), within w
      and k, that nobody has, the direction that raises w and lowers every t(k) more moves no cell of the
      facial set and raises only h: nothing is determined. Interactions of lists with a level that
      nobody has do that.
    * If some list k brings h no further effect that nobody has, every direction that raises h raises
      the empty cell h + k by as much and by its slope along x(h + k) - x(h). This is made of effects
      that somebody has; where no direction lowers it, h cannot grow and its limit is zero.

    Parameters
    ----------
    marks : float64 array (C,)
        Number of effects that nobody has in each cell.
    effects : int64 array
        Cells of these effects.
    design : Design
        Axes and parameters.
    limits : int8 array (Q,)
        Limits that are `NOT_ASKED` become `INDETERMINATE` in the first case.
    partner : int64 array (Q,)
        Receives the cell h + k of the second case, -1 where there is none.
    """
    strong = np.zeros(marks.size)
    n_lists, stride = 0, marks.size // 2
    while stride >= design.n_hidden:
        n_lists, stride = n_lists + 1, stride // 2
    for w in effects:
        stride, every = marks.size // 2, True
        for _ in range(n_lists):
            off = (w // stride) % 2 == 0
            every = every and off and marks[w + stride] > marks[w]
            stride //= 2
        strong[w] += every
    subset_sum(strong, design.shape)
    for h in range(limits.size):
        partner[h] = -1
        if limits[h] != NOT_ASKED:
            continue
        stride = marks.size // 2
        for _ in range(n_lists):
            off = (h // stride) % 2 == 0
            if off and design.observable[h + stride] and marks[h + stride] == marks[h]:
                partner[h] = h + stride
            stride //= 2
        if strong[h] > 0.0:
            limits[h] = INDETERMINATE


@nb.njit(cache=True, nogil=True)
def ask_partners(limits, partner):  # type: ignore[no-untyped-def]
    """Ask about x(partner) - x(h) in place of x(h), where that is open and there is a partner."""
    for h in range(limits.size):
        if limits[h] == NOT_ASKED and partner[h] >= 0:
            limits[h] = FINITE
        else:
            partner[h] = -1


@nb.njit(cache=True, nogil=True)
def hear_partners(limits, partner):  # type: ignore[no-untyped-def]
    """Read the limits of hidden cells off the answers about their partners."""
    for h in range(limits.size):
        if partner[h] >= 0:
            limits[h] = ZERO if limits[h] in (FINITE, INFINITE) else NOT_ASKED


@nb.njit(cache=True, nogil=True)
def without_persons(counts, shape, n_hidden):  # type: ignore[no-untyped-def]
    """Find the strata of which a covariate has a level that nobody was observed with.

    Parameters
    ----------
    counts : float64 array (C,)
        Persons by cell.
    shape : int64 array (d,)
        Levels of each axis, the lists first.
    n_hidden : int
        Number of strata Q.

    Returns
    -------
    bool array (Q,)
        None of them where nobody was observed at all.
    """
    found = np.zeros(n_hidden, dtype=np.bool_)
    axis, stride = shape.size - 1, 1
    while stride < n_hidden:
        seen = np.zeros(shape[axis], dtype=np.bool_)
        for c in range(counts.size):
            if counts[c] > 0.0:
                seen[(c // stride) % shape[axis]] = True
        for h in range(n_hidden):
            if not seen[(h // stride) % shape[axis]]:
                found[h] = True
        stride *= shape[axis]
        axis -= 1
    if np.all(found):
        found[:] = False
    return found


@nb.njit(cache=True, nogil=True)
def determined(limits, excused):  # type: ignore[no-untyped-def]
    """Whether the hidden counts of all strata but those excused are finite."""
    for h in range(limits.size):  # noqa: SIM110 (numba compiles the loop, not the generator)
        if limits[h] != FINITE and not excused[h]:
            return False
    return True
