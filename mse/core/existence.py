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

import numpy as np

from mse.core._compiled import kernel
from mse.core.exact import (
    INSIDE,
    OUTSIDE,
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


# Sparse integer rows that fall apart into blocks: no row of one has an entry in a column of -------
# Rows are held one after the other: row i has its entries ``values[starts[i] : starts[i + 1]]`` in the
# columns ``places[starts[i] : starts[i + 1]]``.

#: Multiplier and modulus of the key of a column; products stay below 2**51.
MULTIPLIER, MODULUS = 1000003, 2147483647


@kernel
def longer(values):  # type: ignore[no-untyped-def]
    """Copy an array into one of twice its length."""
    found = np.zeros(2 * values.size, dtype=values.dtype)
    found[: values.size] = values
    return found


@kernel
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _number(parent, moved):  # type: ignore[no-untyped-def]
    """Give each set of columns a number; -1 for columns without an entry."""
    of_root = np.full(parent.size, -1, dtype=np.int64)
    block = np.full(parent.size, -1, dtype=np.int64)
    n = 0
    for j in range(parent.size):
        if not moved[j]:
            continue
        root = _root(parent, j)
        if of_root[root] < 0:
            of_root[root] = n
            n += 1
        block[j] = of_root[root]
    return block, n


@kernel
def _grouped(block, n):  # type: ignore[no-untyped-def]
    order = np.argsort(block, kind="mergesort")  # stable: members of a block stay in order
    return order, np.searchsorted(block[order], np.arange(n + 1))


@kernel
def independent_blocks(starts, places, n_columns):  # type: ignore[no-untyped-def]
    """Group rows and columns into blocks that have nothing to do with each other.

    starts, places: (r + 1,), (entries,) int64, sparse rows
    n_columns: int, number of columns
    Returns rows, first_rows: (r,), (n + 1,) int64, ``rows[first_rows[b] : first_rows[b + 1]]`` are
        the rows of block b, in order. Rows without entries are in no block.
    Returns columns, first_columns: (n_columns,), (n + 1,) int64, likewise
    """
    parent = np.arange(n_columns)
    moved = np.zeros(n_columns, dtype=np.bool_)
    for i in range(starts.size - 1):
        for e in range(starts[i], starts[i + 1]):
            moved[places[e]] = True
            parent[_root(parent, places[e])] = _root(parent, places[starts[i]])
    of_column, n = _number(parent, moved)
    of_row = np.full(starts.size - 1, -1, dtype=np.int64)
    for i in range(starts.size - 1):
        if starts[i] < starts[i + 1]:
            of_row[i] = of_column[places[starts[i]]]
    rows, first_rows = _grouped(of_row, n)
    columns, first_columns = _grouped(of_column, n)
    return rows, first_rows, columns, first_columns


@kernel
def dense_block(starts, places, values, rows, columns, position):  # type: ignore[no-untyped-def]
    """Write the rows of a block in full, in its own columns.

    starts, places, values: arrays, sparse rows
    rows, columns: int64 arrays, the block
    position: (n_columns,) int64, work space, overwritten in the columns of the block
    """
    block = np.zeros((rows.size, columns.size), dtype=values.dtype)
    for j in range(columns.size):
        position[columns[j]] = j
    for i in range(rows.size):
        for e in range(starts[rows[i]], starts[rows[i] + 1]):
            block[i, position[places[e]]] = values[e]
    return block


@kernel
def _keys(block):  # type: ignore[no-untyped-def]
    keys = np.zeros(block.shape[1], dtype=np.int64)
    for j in range(block.shape[1]):
        key = 0
        for i in range(block.shape[0]):
            key = (key * MULTIPLIER + int(block[i, j])) % MODULUS
        keys[j] = key
    return keys


@kernel
def _same(block, j, k):  # type: ignore[no-untyped-def]
    for i in range(block.shape[0]):  # noqa: SIM110 (numba compiles the loop, not the generator)
        if block[i, j] != block[i, k]:
            return False
    return True


@kernel
def first_alike(block):  # type: ignore[no-untyped-def]
    """Find the first of the equal columns of a block, for each of its columns."""
    keys = _keys(block)
    order = np.argsort(keys, kind="mergesort")  # stable: the first of equals comes first
    first = np.arange(keys.size)
    for at in range(order.size):
        j, back = order[at], at - 1
        while back >= 0 and keys[order[back]] == keys[j]:
            other = order[back]
            if first[other] == other and _same(block, j, other):
                first[j] = other
                break
            back -= 1
    return first


# Which cells can be fitted above zero, and which hidden counts the data determine -----------------

#: Codes of a limit, in the order of `LIMITS`.
FINITE, INFINITE, ZERO, INDETERMINATE = 0, 1, 2, 3
LIMITS: tuple[Limit, ...] = ("finite", "infinite", "zero", "indeterminate")
#: Stands for the limit of a hidden count that has not been looked into.
NOT_ASKED = 9


@kernel
def _contains(cell, effect, shape):  # type: ignore[no-untyped-def]
    """Whether a cell contains that of an effect: on every axis at its level, or it at level 0."""
    for axis in range(shape.size - 1, -1, -1):
        wanted = effect % shape[axis]
        if wanted not in (0, cell % shape[axis]):
            return False
        cell //= shape[axis]
        effect //= shape[axis]
    return True


@kernel
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


@kernel
def null_direction(basis, rank, pivots, free, direction, limit):  # type: ignore[no-untyped-def]
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


@kernel
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


@kernel
def _sparse_slopes(basis, rank, pivots, keep, design, chosen, columns, others, limit):  # type: ignore[no-untyped-def]
    """Slopes of all null directions in some cells, or between them and others, the nonzero ones.

    A column -1 - j stands for the bound of parameter j, as a cell with minus its indicator for a row.
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
        if not null_direction(basis, rank, pivots, j, direction, limit):
            return starts[:0], places, slopes
        _slopes_of(direction, design, chosen, everywhere)
        if too_large(everywhere, limit):
            return starts[:0], places, slopes
        for i in range(columns.size):
            slope = -direction[-1 - columns[i]] if columns[i] < 0 else everywhere[columns[i]]
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


@kernel
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


@kernel
def _hidden_limit(tableau, pivoted, verdict, column, limit):  # type: ignore[no-untyped-def]
    """Limit of one hidden count from the null directions of F; -1 where an entry grew too large."""
    moves = False
    for i in range(tableau.shape[0]):
        moves = moves or (not pivoted[i] and tableau[i, column] != 0)
    if not moves:
        return FINITE
    found = INDETERMINATE
    for answer in (INFINITE, ZERO):
        system = _equations(tableau, pivoted, verdict, column, answer)
        can = np.zeros(system.shape[1], dtype=np.int8)
        if not nonnegative_support(system, can, limit):
            return -1
        if can[can.size - 1] == INSIDE:
            # Where bounds of coefficients keep it from going either way it is free between them.
            found = answer if found == INDETERMINATE else INDETERMINATE
    return found


@kernel
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


@kernel
def _settle_block(block, n_cells, n_empty, limit, pivoted, answers):  # type: ignore[no-untyped-def]
    """Decide the empty cells (the first columns) and the hidden cells of a block; False on overflow.

    Cells that move alike have one answer, which is found once.

    block: (r, q) int64, slopes of the null directions in the cells of the block
    n_cells, n_empty: int, columns that are empty cells, and those with the bounds behind them
    limit: int, largest entry allowed
    pivoted: (r,) bool, receives the directions that do not survive on F
    answers: (q,) int8, receives `INSIDE` or `OUTSIDE` for the empty cells, limits for the hidden
        cells
    """
    first_empty, first_hidden = first_alike(block[:, :n_empty]), first_alike(block[:, n_empty:])
    empty = np.flatnonzero(first_empty == np.arange(first_empty.size))
    hidden = np.flatnonzero(first_hidden == np.arange(first_hidden.size))
    tableau = block[:, np.append(empty, n_empty + hidden)]
    verdict = np.zeros(empty.size, dtype=np.int8)
    if not nonnegative_support(tableau[:, : empty.size].copy(), verdict, limit):
        return False
    # A bound that no direction leaves is none of the rows of F, but a direction may still not cross it.
    within = verdict.copy()
    within[empty >= n_cells] = OUTSIDE
    if not _span_of_face(tableau, within, pivoted, limit):
        return False
    limits = np.zeros(hidden.size, dtype=np.int8)
    for k in range(hidden.size):
        answer = _hidden_limit(tableau, pivoted, within, empty.size + k, limit)
        if answer < 0:
            return False
        limits[k] = answer
    answers[:n_empty] = verdict[np.searchsorted(empty, first_empty)]
    answers[n_empty:] = limits[np.searchsorted(hidden, first_hidden)]
    return True


@kernel
def settle(starts, places, slopes, n_cells, n_empty, limit, pivoted, answers):  # type: ignore[no-untyped-def]
    """Decide empty cells and hidden cells from how the null directions of the positive cells move them.

    The directions and the cells fall apart into blocks, one for each thin stratum say, which are
    settled one by one.

    starts, places, slopes: arrays, sparse rows, one a direction: which cells it moves, and how far
    n_cells, n_empty: int, cells that are empty, and those with the bounds behind them; the others are hidden
    limit: int, largest entry allowed
    pivoted: (directions,) bool, receives those that do not survive on F
    answers: (cells,) int8, receives `INSIDE` or `OUTSIDE` of empty cells, limits of hidden ones;
        those that nothing moves stay
    Returns bool, False where an entry outgrew `limit`
    """
    rows, first_row, cells, first_cell = independent_blocks(starts, places, answers.size)
    position = np.zeros(answers.size, dtype=np.int64)
    for b in range(first_row.size - 1):
        directions = rows[first_row[b] : first_row[b + 1]]
        moved = cells[first_cell[b] : first_cell[b + 1]]
        block = dense_block(starts, places, slopes, directions, moved, position)
        m, n = np.searchsorted(moved, n_cells), np.searchsorted(moved, n_empty)
        own = np.zeros(directions.size, dtype=np.bool_)
        found = np.zeros(moved.size, dtype=np.int8)
        if not _settle_block(block, m, n, limit, own, found):
            return False
        pivoted[directions] = own
        answers[moved] = found
    return True


@kernel
def _asked(positive, face, limits, partner, bounded):  # type: ignore[no-untyped-def]
    """List the empty cells of the likelihood, the bounds, and the hidden cells in question; and their partners."""
    columns = np.zeros(face.size + bounded.size + limits.size, dtype=np.int64)
    others = np.full(columns.size, -1, dtype=np.int64)
    n = 0
    for c in range(face.size):
        if face[c] and not positive[c]:
            columns[n] = c
            n += 1
    n_cells = n
    for j in bounded:
        columns[n] = -1 - j
        n += 1
    n_empty = n
    for k in range(limits.size):
        if limits[k] == FINITE:
            columns[n] = k
            if partner.size > 0:
                others[n] = partner[k]
            n += 1
    return columns[:n], others[:n], n_cells, n_empty


@kernel
def facial_set(counts, face, design, chosen, like, limit, keep, limits, partner, bounded):  # type: ignore[no-untyped-def]
    """Find the facial set, an independent set of parameters on it, and the hidden limits.

    A coefficient that is not below zero lets only directions through that do not lower it: a bound is as one
    more empty cell, with minus the indicator of the coefficient for its row, that is in no likelihood.

    counts: (C,) float64, persons by cell
    face: (C,) bool, observable cells not yet known to be outside F, the positive ones among them;
        receives F
    design: Design, axes and parameters, see `mse.core.newton`
    chosen: (p,) int64, positions of the parameters of the model, the constant first
    like: int64 or object array, an array of the integers to compute with: int64, or Python integers
    limit: int, largest entry allowed, see `mse.core.exact`
    keep: (p,) bool, receives a maximal set of parameters that are independent on F
    limits: (Q,) int8, for the hidden cells 0..Q-1: those that are `FINITE` on entry receive their
        limit
    partner: (Q,) or (0,) int64, where it is not negative, the limit is that of x(partner) - x(h) in
        place of x(h)
    bounded: int64 array, positions in `chosen` of coefficients that are not below zero
    Returns int, rank of the design on F, or -1 where an entry outgrew `limit`
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
    columns, others, n_cells, n_empty = _asked(positive, face, limits, partner, bounded)
    starts, places, slopes = _sparse_slopes(
        basis, rank, pivots, keep, design, chosen, columns, others, limit
    )
    if starts.size == 0:
        return -1
    pivoted = np.zeros(starts.size - 1, dtype=np.bool_)
    answers = np.zeros(columns.size, dtype=np.int8)
    answers[:n_empty] = INSIDE
    if not settle(starts, places, slopes, n_cells, n_empty, limit, pivoted, answers):
        return -1
    keep[np.flatnonzero(~keep)] = pivoted
    face[columns[:n_cells]] = answers[:n_cells] == INSIDE
    limits[columns[n_empty:]] = answers[n_empty:]
    return rank + pivoted.sum()


# Hidden counts of strata in which effects are empty: what settles them without all parameters -----
# Such an effect is at minus infinity and leaves the fit, and the observable cells that contain it are at
# zero; the hidden cell need not follow.


@kernel
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

    marks: (C,) float64, number of effects that nobody has in each cell
    effects: int64 array, cells of these effects
    design: Design, axes and parameters
    limits: (Q,) int8, limits that are `NOT_ASKED` become `INDETERMINATE` in the first case
    partner: (Q,) int64, receives the cell h + k of the second case, -1 where there is none
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


@kernel
def ask_partners(limits, partner):  # type: ignore[no-untyped-def]
    """Ask about x(partner) - x(h) in place of x(h), where that is open and there is a partner."""
    for h in range(limits.size):
        if limits[h] == NOT_ASKED and partner[h] >= 0:
            limits[h] = FINITE
        else:
            partner[h] = -1


@kernel
def hear_partners(limits, partner):  # type: ignore[no-untyped-def]
    """Read the limits of hidden cells off the answers about their partners."""
    for h in range(limits.size):
        if partner[h] >= 0:
            limits[h] = ZERO if limits[h] in (FINITE, INFINITE) else NOT_ASKED


@kernel
def without_persons(counts, shape, n_hidden):  # type: ignore[no-untyped-def]
    """Find the strata of which a covariate has a level that nobody was observed with.

    counts: (C,) float64, persons by cell
    shape: (d,) int64, levels of each axis, the lists first
    n_hidden: int, number of strata Q
    Returns (Q,) bool, None of them where nobody was observed at all
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


@kernel
def determined(limits, excused):  # type: ignore[no-untyped-def]
    """Whether the hidden counts of all strata but those excused are finite."""
    for h in range(limits.size):  # noqa: SIM110 (numba compiles the loop, not the generator)
        if limits[h] != FINITE and not excused[h]:
            return False
    return True
