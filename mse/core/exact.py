"""Exact integer linear algebra: null spaces and the supports of nonnegative kernels.

Every row holds integers without a common divisor; a pivot combines two rows with the smallest
multipliers and divides by what they share, so that signs and zeros are facts and not tolerances, and
sparse rows stay sparse and small. The compiled versions work in int64 and say when an entry outgrows
them; the same source then runs on Python integers (`object` arrays).
"""

from __future__ import annotations

import numpy as np

from mse.core._compiled import kernel

#: Largest entry that int64 pivoting may hold: products of two stay below 2**61.
SAFE = np.int64(2**30)
#: What is known of a variable: nothing, that it can be positive, that it cannot.
UNKNOWN, INSIDE, OUTSIDE = 0, 1, 2
#: Right-hand sides are numbers below this, different enough that steps seldom tie.
SPREAD = 97
#: Stands for "no bound": the source runs on Python integers, which do not overflow.
UNLIMITED = 0


@kernel
def divisor(a, b):  # type: ignore[no-untyped-def]
    """Greatest common divisor of two integers, one of them positive."""
    while b != 0:
        a, b = b, a % b
    return a if a > 0 else -a


@kernel
def too_large(row, limit):  # type: ignore[no-untyped-def]
    """Whether an entry is beyond a limit; never if that is `UNLIMITED`."""
    if limit == 0:
        return False
    for j in range(row.size):  # noqa: SIM110 (numba compiles the loop, not the generator)
        if row[j] > limit or row[j] < -limit:
            return True
    return False


@kernel
def _first_nonzero(row):  # type: ignore[no-untyped-def]
    for j in range(row.size):
        if row[j] != 0:
            return j
    return -1


@kernel
def _shorten(row):  # type: ignore[no-untyped-def]
    """Divide a row by what its entries have in common."""
    common = row[0] * 0
    for j in range(row.size):
        if row[j] != 0:
            common = divisor(row[j], common)
            if common == 1:
                return
    if common > 1:
        for j in range(row.size):
            row[j] //= common


@kernel
def _eliminate(row, other, column, limit):  # type: ignore[no-untyped-def]
    """Clear a column of a row with another row, whose entry there is positive; False on overflow."""
    common = divisor(row[column], other[column])
    scale, factor = other[column] // common, row[column] // common
    for j in range(row.size):
        row[j] = row[j] * scale - other[j] * factor
    _shorten(row)
    return not too_large(row, limit)


@kernel
def _make_positive(row, column):  # type: ignore[no-untyped-def]
    if row[column] < 0:
        for j in range(row.size):
            row[j] = -row[j]


@kernel
def _reduce(row, basis, pivots, rank, limit):  # type: ignore[no-untyped-def]
    """Clear the pivot columns of a row; its first other entry, -1 if none, -2 on overflow."""
    for i in range(rank):
        if row[pivots[i]] != 0 and not _eliminate(row, basis[i], pivots[i], limit):
            return -2
    _shorten(row)
    column = _first_nonzero(row)
    if column >= 0:
        _make_positive(row, column)
    return -2 if too_large(row, limit) else column


@kernel
def null_space(rows, basis, pivots, keep, limit):  # type: ignore[no-untyped-def]
    """Reduce integer rows to a Gauss-Jordan basis of their span.

    rows: (m, p) int64, rows whose span is wanted
    basis: (p, p) int64, receives the reduced rows: ``basis[i, pivots[k]]`` is positive for i = k
        and otherwise zero
    pivots: (p,) int64, receives the pivot column of each basis row
    keep: (p,) bool, receives True for the columns with a pivot
    limit: int, largest absolute entry allowed, `UNLIMITED` on Python integers
    Returns int, number of basis rows, or -1 where an entry outgrew `limit`
    """
    rank = 0
    keep[:] = False
    for k in range(rows.shape[0]):
        if rank == keep.size:
            break
        reduced = basis[rank]
        reduced[:] = rows[k]
        column = _reduce(reduced, basis, pivots, rank, limit)
        if column == -2:
            return -1
        if column == -1:
            continue
        for i in range(rank):
            if basis[i, column] != 0 and not _eliminate(basis[i], reduced, column, limit):
                return -1
        pivots[rank] = column
        keep[column] = True
        rank += 1
    return rank


@kernel
def pivot_on(tableau, n_rows, row, column, limit):  # type: ignore[no-untyped-def]
    """Clear a column of the first `n_rows` rows but one, whose entry becomes positive.

    Rows are multiplied by positive numbers only. Returns False where an entry outgrew `limit`.
    """
    _make_positive(tableau[row], column)
    for i in range(n_rows):
        if i != row and tableau[i, column] != 0:  # noqa: SIM102
            if not _eliminate(tableau[i], tableau[row], column, limit):
                return False
    return True


@kernel
def _drop_row(tableau, basic, n_rows, row):  # type: ignore[no-untyped-def]
    last = n_rows - 1
    for j in range(tableau.shape[1]):
        tableau[row, j] = tableau[last, j]
    basic[row] = basic[last]
    return last


@kernel
def _leaving_row(tableau, basic, n_rows, column):  # type: ignore[no-untyped-def]
    """Row whose basic variable is the first to reach zero; ties by index, as Bland (1977)."""
    best, last = -1, tableau.shape[1] - 1
    for i in range(n_rows):
        if tableau[i, column] <= 0:
            continue
        if best >= 0:
            left = tableau[i, last] * tableau[best, column]
            right = tableau[best, last] * tableau[i, column]
            if left > right or (left == right and basic[i] > basic[best]):
                continue
        best = i
    return best


@kernel
def _mark_ray(tableau, basic, n_rows, column, verdict):  # type: ignore[no-untyped-def]
    # The column has no positive entry: raising its variable raises these basics and none falls.
    verdict[column] = INSIDE
    for i in range(n_rows):
        if tableau[i, column] < 0:
            verdict[basic[i]] = INSIDE


@kernel
def _mark_equation(tableau, row, verdict):  # type: ignore[no-untyped-def]
    # All coefficients of variables that may be positive have one sign, so all of them are zero.
    for j in range(verdict.size):
        if tableau[row, j] != 0:
            verdict[j] = OUTSIDE


@kernel
def _any_basis(tableau, basic, limit):  # type: ignore[no-untyped-def]
    """Pivot to some basis (any is feasible, every right-hand side being zero).

    Returns the number of independent equations, -1 on overflow.
    """
    n_rows, row = tableau.shape[0], 0
    while row < n_rows:
        column = _first_nonzero(tableau[row])
        if column < 0:
            n_rows = _drop_row(tableau, basic, n_rows, row)
            continue
        if not pivot_on(tableau, n_rows, row, column, limit):
            return -1
        basic[row] = column
        row += 1
    return n_rows


@kernel
def _row_of(basic, n_rows, variable):  # type: ignore[no-untyped-def]
    for i in range(n_rows):
        if basic[i] == variable:
            return i
    return -1


@kernel
def _entering_column(tableau, row, verdict, stuck):  # type: ignore[no-untyped-def]
    # To maximize the basic variable of a row, enter the one with which its equation lets it rise most;
    # after a step that gained nothing the first of them, with which no basis returns (Bland 1977).
    best = -1
    for j in range(verdict.size):
        if verdict[j] == OUTSIDE or tableau[row, j] >= 0:
            continue
        if stuck:
            return j
        if best < 0 or tableau[row, j] < tableau[row, best]:
            best = j
    return best


@kernel
def _with_column(tableau):  # type: ignore[no-untyped-def]
    """Copy equations, with a column for their right-hand sides."""
    extended = np.zeros((tableau.shape[0], tableau.shape[1] + 1), dtype=tableau.dtype)
    extended[:, : tableau.shape[1]] = tableau
    return extended


@kernel
def nonnegative_support(tableau, verdict, limit):  # type: ignore[no-untyped-def]
    """Find which variables can be positive in ``tableau @ y = 0, y >= 0``.

    The answer is the largest support of such a y. For each undecided variable the simplex method
    maximizes it; it ends with a ray, which shows variables that can be positive, or with an equation
    whose coefficients are all nonnegative, which shows variables that cannot. Right-hand sides of zero
    would make every step a guess, and so they are replaced by positive numbers: the rays of the
    polyhedron are the same whatever they are, and nearly every step makes progress.

    tableau: (r, q) int64, integer equations
    verdict: (q,) int8, receives `INSIDE` or `OUTSIDE`
    limit: int, largest absolute entry allowed, `UNLIMITED` on Python integers
    Returns bool, False where an entry outgrew `limit`
    """
    verdict[:] = UNKNOWN
    extended, basic = _with_column(tableau), np.zeros(tableau.shape[0], dtype=np.int64)
    n_rows = _any_basis(extended, basic, limit)
    if n_rows < 0:
        return False
    for i in range(n_rows):
        extended[i, -1] = 1 + (7919 * i + 104729 * i * i) % SPREAD
    stuck = False
    for target in range(verdict.size):
        while verdict[target] == UNKNOWN:
            row = _row_of(basic, n_rows, target)
            column = target if row < 0 else _entering_column(extended, row, verdict, stuck)
            if column < 0:
                _mark_equation(extended, row, verdict)
                n_rows = _drop_row(extended, basic, n_rows, row)
                break
            leaving = _leaving_row(extended, basic, n_rows, column)
            if leaving < 0:
                _mark_ray(extended, basic, n_rows, column, verdict)
                break
            stuck = extended[leaving, -1] == 0
            if not pivot_on(extended, n_rows, leaving, column, limit):
                return False
            basic[leaving] = column
    return True
