"""Which cells can be fitted above zero, and which hidden counts the data determine.

For design rows x(c) and counts n(c) over the observable cells O, a direction d with
x(c)'d = 0 wherever n(c) > 0 and x(c)'d <= 0 elsewhere never lowers the likelihood. The *facial
set* F is what every such direction leaves alone: the cells with x(c)'d = 0 for all of them. The
extended maximum likelihood estimate has positive means exactly on F (Fienberg & Rinaldo 2012,
Annals of Statistics 40, 996-1023, sections 3 and 4). The hidden count of a stratum with design row x(h)
is finite and unique if and only if x(h) lies in the row space of F. Where it does not, Farkas'
lemma says whether it must grow without bound (-x(h) is a nonnegative combination of the rows
outside F, modulo the rows of F), must vanish (x(h) is one), or can do either.

Everything here is integer arithmetic: the answer is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba as nb
import numpy as np

from mse.core.exact import INSIDE, nonnegative_support, null_space, pivot_on
from mse.core.lattice import subset_sum

if TYPE_CHECKING:
    from mse._typing import Limit

#: Codes of a limit, in the order of `LIMITS`.
FINITE, INFINITE, ZERO, INDETERMINATE = 0, 1, 2, 3
LIMITS: tuple[Limit, ...] = ("finite", "infinite", "zero", "indeterminate")


#: Stands for the limit of a hidden count that has not been looked into.
NOT_ASKED = 9


@nb.njit(cache=True, nogil=True)
def empty_strata(marks, effects, design, full_rank, limits):  # type: ignore[no-untyped-def]
    """Settle hidden cells that contain effects which nobody has, where that takes no algebra.

    An effect w that nobody has may go to minus infinity alone, so such a hidden count can always
    vanish. Two arguments cover all but odd cases:

    * If some list k brings the hidden cell h no further effect that nobody has, x(h) = x(h + k) less
      effects that somebody has. Where the rows of the facial set span those, the count can only vanish:
      h + k is an empty cell outside it.
    * If in h there is a w that every list turns into a further effect t(k), within w and k, that
      nobody has, the direction that raises w and lowers every t(k) more moves no cell of the facial set
      and raises only h: nothing is determined. That is what interactions of lists with an empty level do.

    Parameters
    ----------
    marks : float64 array (C,)
        Number of effects that nobody has in each cell.
    effects : int64 array
        Cells of these effects.
    design : Design
        Axes and parameters.
    full_rank : bool
        Whether the facial set is all cells without such effects, and its rows span all others.
    limits : int8 array (Q,)
        Limits that are `NOT_ASKED` are settled: they receive `ZERO` or `INDETERMINATE`, or stay.

    Returns
    -------
    bool
        Whether some stayed.
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
    left = False
    for h in range(limits.size):
        if limits[h] != NOT_ASKED:
            continue
        stride, clean = marks.size // 2, False
        for _ in range(n_lists):
            off = (h // stride) % 2 == 0
            if off and design.observable[h + stride] and marks[h + stride] == marks[h]:
                clean = True
            stride //= 2
        if strong[h] > 0.0:
            limits[h] = INDETERMINATE
        elif clean and full_rank:
            limits[h] = ZERO
        else:
            left = True
    return left


@nb.njit(cache=True, nogil=True)
def _contains(cell, effect, shape):  # type: ignore[no-untyped-def]
    """Whether a cell contains that of an effect: on every axis at its level, or it at level 0."""
    for axis in range(shape.size - 1, -1, -1):
        wanted = effect % shape[axis]
        if wanted not in (0, cell % shape[axis]):
            return False
        cell //= shape[axis]
        effect //= shape[axis]
    return True


@nb.njit(cache=True, nogil=True)
def _design_rows(positive, design, chosen, like):  # type: ignore[no-untyped-def]
    """Write the design rows of some cells, as integers."""
    p, n_rows = chosen.size, 0
    for c in range(positive.size):
        n_rows += positive[c]
    rows = np.zeros((n_rows, p), dtype=like.dtype)
    i = 0
    for c in range(positive.size):
        if not positive[c]:
            continue
        for j in range(p):
            u = chosen[j]
            if design.starts.size == 0:
                rows[i, j] = int(_contains(c, design.cells[u], design.shape))
                continue
            for e in range(design.starts[u], design.starts[u + 1]):
                if _contains(c, design.cells[design.entries[e]], design.shape):
                    rows[i, j] += design.weights[e]
        i += 1
    return rows


@nb.njit(cache=True, nogil=True)
def _add(slopes, design, u, value):  # type: ignore[no-untyped-def]
    if design.starts.size == 0:
        slopes[design.cells[u]] += value
        return
    for e in range(design.starts[u], design.starts[u + 1]):
        slopes[design.cells[design.entries[e]]] += design.weights[e] * value


@nb.njit(cache=True, nogil=True)
def _null_slopes(basis, rank, denominator, pivots, keep, design, chosen, slopes):  # type: ignore[no-untyped-def]
    # One row for each null direction d of the positive cells: x(c)'d for every cell c.
    k = 0
    for j in range(keep.size):
        if keep[j]:
            continue
        _add(slopes[k], design, chosen[j], denominator)
        for i in range(rank):
            _add(slopes[k], design, chosen[pivots[i]], -basis[i, j])
        subset_sum(slopes[k], design.shape)
        k += 1


@nb.njit(cache=True, nogil=True)
def _equations(tableau, pivoted, verdict, column, answer):  # type: ignore[no-untyped-def]
    """Write the hidden row (or minus it) as a nonnegative combination of the rows outside F."""
    n_rows, n_outside = 0, 0
    for i in range(pivoted.size):
        n_rows += not pivoted[i]
    for j in range(verdict.size):
        n_outside += verdict[j] != INSIDE
    system = np.zeros((n_rows, n_outside + 1), dtype=tableau.dtype)
    row = 0
    for i in range(pivoted.size):
        if pivoted[i]:
            continue
        k = 0
        for j in range(verdict.size):
            if verdict[j] != INSIDE:
                system[row, k] = tableau[i, j]
                k += 1
        system[row, k] = tableau[i, column] if answer == INFINITE else -tableau[i, column]
        row += 1
    return system


@nb.njit(cache=True, nogil=True)
def _hidden_limit(tableau, pivoted, verdict, column, limit):  # type: ignore[no-untyped-def]
    """Limit of one hidden count from the null directions of F; -1 where an entry grew too large."""
    moves = False
    for i in range(tableau.shape[0]):
        moves = moves or (not pivoted[i] and tableau[i, column] != 0)
    if not moves:
        return FINITE
    for answer in (INFINITE, ZERO):
        system = _equations(tableau, pivoted, verdict, column, answer)
        can = np.zeros(system.shape[1], dtype=np.int8)
        if not nonnegative_support(system, can, limit):
            return -1
        if can[can.size - 1] == INSIDE:
            return answer
    return INDETERMINATE


@nb.njit(cache=True, nogil=True)
def _span_of_face(tableau, verdict, pivoted, limit):  # type: ignore[no-untyped-def]
    """Pivot on the cells of F: null directions with a pivot do not survive on F."""
    denominator = 1
    for j in range(verdict.size):
        if verdict[j] != INSIDE:
            continue
        for i in range(tableau.shape[0]):
            if not pivoted[i] and tableau[i, j] != 0:
                denominator = pivot_on(tableau, tableau.shape[0], denominator, i, j, limit)
                if denominator == 0:
                    return False
                pivoted[i] = True
                break
    return True


@nb.njit(cache=True, nogil=True)
def _slopes_at(slopes, positive, face, limits):  # type: ignore[no-untyped-def]
    """Gather the slopes at the empty cells of the likelihood, then at the hidden cells."""
    n_empty, n_hidden = 0, 0
    for c in range(face.size):
        n_empty += face[c] and not positive[c]
    for k in range(limits.size):
        n_hidden += limits[k] == FINITE
    columns = np.zeros(n_empty + n_hidden, dtype=np.int64)
    j = 0
    for c in range(face.size):
        if face[c] and not positive[c]:
            columns[j] = c
            j += 1
    for k in range(limits.size):
        if limits[k] == FINITE:
            columns[j] = k
            j += 1
    tableau = np.zeros((slopes.shape[0], columns.size), dtype=slopes.dtype)
    for i in range(slopes.shape[0]):
        for j in range(columns.size):
            tableau[i, j] = slopes[i, columns[j]]
    return columns, n_empty, tableau


@nb.njit(cache=True, nogil=True)
def facial_set(counts, face, design, chosen, like, limit, keep, limits):  # type: ignore[no-untyped-def]
    """Find the facial set, an independent set of parameters on it, and the hidden limits.

    Parameters
    ----------
    counts : float64 array (C,)
        Persons by cell.
    face : bool array (C,)
        Observable cells not yet known to be outside F, the positive ones among them; receives F.
    design : Design
        Axes and parameters, see `mse.core.newton`.
    chosen : int64 array (p,)
        Positions of the parameters of the model, the constant first.
    like : int64 or object array
        An array of the integers to compute with: int64, or Python integers.
    limit : int
        Largest entry allowed, see `mse.core.exact`.
    keep : bool array (p,)
        Receives a maximal set of parameters that are independent on F.
    limits : int8 array (Q,)
        For the hidden cells 0..Q-1: those that are `FINITE` on entry receive their limit.

    Returns
    -------
    int
        Rank of the design on F, or -1 where an entry outgrew `limit`.
    """
    p = chosen.size
    positive = np.zeros(counts.size, dtype=np.bool_)
    for c in range(counts.size):
        positive[c] = face[c] and counts[c] > 0.0
    rows = _design_rows(positive, design, chosen, like)
    basis = np.zeros((p, p), dtype=like.dtype)
    pivots = np.zeros(p, dtype=np.int64)
    rank, denominator = null_space(rows, basis, pivots, keep, limit)
    if rank < 0 or rank == p:
        return rank
    slopes = np.zeros((p - rank, positive.size), dtype=like.dtype)
    _null_slopes(basis, rank, denominator, pivots, keep, design, chosen, slopes)
    columns, n_empty, tableau = _slopes_at(slopes, positive, face, limits)
    verdict = np.zeros(n_empty, dtype=np.int8)
    if not nonnegative_support(tableau[:, :n_empty].copy(), verdict, limit):
        return -1
    pivoted = np.zeros(p - rank, dtype=np.bool_)
    if not _span_of_face(tableau, verdict, pivoted, limit):
        return -1
    k = 0
    for j in range(p):
        if not keep[j]:
            keep[j] = pivoted[k]
            rank += pivoted[k]
            k += 1
    for j in range(n_empty):
        face[columns[j]] = verdict[j] == INSIDE
    for j in range(n_empty, columns.size):
        answer = _hidden_limit(tableau, pivoted, verdict, j, limit)
        if answer < 0:
            return -1
        limits[columns[j]] = answer
    return rank
