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

from mse.core.blocks import dense_block, first_alike, independent_blocks, longer
from mse.core.exact import (
    INSIDE,
    UNLIMITED,
    divisor,
    nonnegative_support,
    null_space,
    pivot_on,
    too_large,
)
from mse.core.lattice import subset_sum

if TYPE_CHECKING:
    from mse._typing import Limit

#: Codes of a limit, in the order of `LIMITS`.
FINITE, INFINITE, ZERO, INDETERMINATE = 0, 1, 2, 3
LIMITS: tuple[Limit, ...] = ("finite", "infinite", "zero", "indeterminate")
#: Stands for the limit of a hidden count that has not been looked into.
NOT_ASKED = 9


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
                    # An integer of NumPy among Python's would overflow unnoticed.
                    rows[i, j] += int(design.weights[e])
        i += 1
    return rows


@nb.njit(cache=True, nogil=True)
def _null_direction(basis, rank, pivots, free, direction, limit):  # type: ignore[no-untyped-def]
    """Write the null direction of the positive cells with one free parameter; False on overflow."""
    for j in range(direction.size):
        direction[j] *= 0
    scale = basis[0, 0] * 0 + 1
    for i in range(rank):
        if basis[i, free] != 0:
            pivot = basis[i, pivots[i]]
            scale *= pivot // divisor(pivot, scale)
            if limit != UNLIMITED and scale > limit:
                return False
    direction[free] = scale
    for i in range(rank):
        if basis[i, free] != 0:
            direction[pivots[i]] = -basis[i, free] * (scale // basis[i, pivots[i]])
    return not too_large(direction, limit)


@nb.njit(cache=True, nogil=True)
def _slopes_of(direction, design, chosen, slopes):  # type: ignore[no-untyped-def]
    """Slope x(c)'d of a direction in every cell."""
    for c in range(slopes.size):
        slopes[c] *= 0
    for j in range(direction.size):
        if direction[j] == 0:
            continue
        u = chosen[j]
        if design.starts.size == 0:
            slopes[design.cells[u]] += direction[j]
            continue
        for e in range(design.starts[u], design.starts[u + 1]):
            slopes[design.cells[design.entries[e]]] += int(design.weights[e]) * direction[j]
    subset_sum(slopes, design.shape)


@nb.njit(cache=True, nogil=True)
def _sparse_slopes(basis, rank, pivots, keep, design, chosen, columns, others, limit):  # type: ignore[no-untyped-def]
    """Slopes of all null directions in some cells, or between them and others, the nonzero ones.

    Returns where each direction starts, the positions of the cells, and the slopes; no starts at all
    on overflow.
    """
    starts = np.zeros(keep.size - rank + 1, dtype=np.int64)
    places, slopes = np.zeros(64, dtype=np.int64), np.zeros(64, dtype=basis.dtype)
    direction = np.zeros(keep.size, dtype=basis.dtype)
    everywhere = np.zeros(design.observable.size, dtype=basis.dtype)
    k, size = 0, 0
    for j in range(keep.size):
        if keep[j]:
            continue
        if not _null_direction(basis, rank, pivots, j, direction, limit):
            return starts[:0], places, slopes
        _slopes_of(direction, design, chosen, everywhere)
        if too_large(everywhere, limit):
            return starts[:0], places, slopes
        for i in range(columns.size):
            slope = everywhere[columns[i]]
            if others[i] >= 0:
                slope = everywhere[others[i]] - slope
            if slope != 0:
                if size == places.size:
                    places, slopes = longer(places), longer(slopes)
                places[size], slopes[size] = i, slope
                size += 1
        k += 1
        starts[k] = size
    return starts, places, slopes


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
    for j in range(verdict.size):
        if verdict[j] != INSIDE:
            continue
        for i in range(tableau.shape[0]):
            if not pivoted[i] and tableau[i, j] != 0:
                if not pivot_on(tableau, tableau.shape[0], i, j, limit):
                    return False
                pivoted[i] = True
                break
    return True


@nb.njit(cache=True, nogil=True)
def _settle_block(block, n_empty, limit, pivoted, answers):  # type: ignore[no-untyped-def]
    """Decide the empty cells (the first columns) and the hidden cells of a block; False on overflow.

    Cells that move alike have one answer, which is found once.

    Parameters
    ----------
    block : int64 array (r, q)
        Slopes of the null directions in the cells of the block.
    n_empty : int
        Columns that are empty cells.
    limit : int
        Largest entry allowed.
    pivoted : bool array (r,)
        Receives the directions that do not survive on F.
    answers : int8 array (q,)
        Receives `INSIDE` or `OUTSIDE` for the empty cells, limits for the hidden cells.
    """
    first_empty, first_hidden = first_alike(block[:, :n_empty]), first_alike(block[:, n_empty:])
    empty = np.flatnonzero(first_empty == np.arange(first_empty.size))
    hidden = np.flatnonzero(first_hidden == np.arange(first_hidden.size))
    tableau = block[:, np.append(empty, n_empty + hidden)]
    verdict = np.zeros(empty.size, dtype=np.int8)
    if not nonnegative_support(tableau[:, : empty.size].copy(), verdict, limit):
        return False
    if not _span_of_face(tableau, verdict, pivoted, limit):
        return False
    limits = np.zeros(hidden.size, dtype=np.int8)
    for k in range(hidden.size):
        answer = _hidden_limit(tableau, pivoted, verdict, empty.size + k, limit)
        if answer < 0:
            return False
        limits[k] = answer
    answers[:n_empty] = verdict[np.searchsorted(empty, first_empty)]
    answers[n_empty:] = limits[np.searchsorted(hidden, first_hidden)]
    return True


@nb.njit(cache=True, nogil=True)
def _asked(positive, face, limits, partner):  # type: ignore[no-untyped-def]
    """List the empty cells of the likelihood, then the hidden cells in question; and their partners."""
    columns = np.zeros(face.size + limits.size, dtype=np.int64)
    others = np.full(columns.size, -1, dtype=np.int64)
    n = 0
    for c in range(face.size):
        if face[c] and not positive[c]:
            columns[n] = c
            n += 1
    n_empty = n
    for k in range(limits.size):
        if limits[k] == FINITE:
            columns[n] = k
            if partner.size > 0:
                others[n] = partner[k]
            n += 1
    return columns[:n], others[:n], n_empty


@nb.njit(cache=True, nogil=True)
def facial_set(counts, face, design, chosen, like, limit, keep, limits, partner):  # type: ignore[no-untyped-def]
    """Find the facial set, an independent set of parameters on it, and the hidden limits.

    The null directions of the positive cells and the cells that they move fall apart into blocks, one
    for each thin stratum say, which are settled one by one.

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
    partner : int64 array (Q,) or (0,)
        Where it is not negative, the limit is that of x(partner) - x(h) in place of x(h).

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
    rank = null_space(rows, basis, pivots, keep, limit)
    if rank < 0 or rank == p:
        return rank
    columns, others, n_empty = _asked(positive, face, limits, partner)
    starts, places, slopes = _sparse_slopes(
        basis, rank, pivots, keep, design, chosen, columns, others, limit
    )
    if starts.size == 0:
        return -1
    free = np.flatnonzero(~keep)
    rows, first_row, cells, first_cell = independent_blocks(starts, places, columns.size)
    position = np.zeros(columns.size, dtype=np.int64)
    for b in range(first_row.size - 1):
        directions = rows[first_row[b] : first_row[b + 1]]
        moved = cells[first_cell[b] : first_cell[b + 1]]
        block = dense_block(starts, places, slopes, directions, moved, position)
        n = np.searchsorted(moved, n_empty)
        pivoted = np.zeros(directions.size, dtype=np.bool_)
        answers = np.zeros(moved.size, dtype=np.int8)
        if not _settle_block(block, n, limit, pivoted, answers):
            return -1
        keep[free[directions]] = pivoted
        rank += pivoted.sum()
        face[columns[moved[:n]]] = answers[:n] == INSIDE
        limits[columns[moved[n:]]] = answers[n:]
    return rank
