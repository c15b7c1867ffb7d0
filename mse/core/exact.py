"""Exact integer linear algebra: null spaces and the supports of nonnegative kernels.

All pivoting is fraction-free (Bareiss 1968, Math. Comp. 22, 565-578; Edmonds 1967, J. Res. NBS
71B, 241-245): matrices hold integers with one common denominator, every division is exact,
so signs and zeros are facts and not tolerances. The compiled versions work in int64 and say
when an entry outgrows them; the same source then runs on Python integers (`object` arrays).
"""

from __future__ import annotations

import numba as nb
import numpy as np

#: Largest entry that int64 pivoting may hold: products of two stay below 2**61.
SAFE = np.int64(2**30)
#: What is known of a variable: nothing, that it can be positive, that it cannot.
UNKNOWN, INSIDE, OUTSIDE = 0, 1, 2
#: Stands for "no bound": the source runs on Python integers, which do not overflow.
UNLIMITED = 0


@nb.njit(cache=True, nogil=True)
def _too_large(row, limit):  # type: ignore[no-untyped-def]
    if limit == 0:
        return False
    for j in range(row.size):  # noqa: SIM110 (numba compiles the loop, not the generator)
        if row[j] > limit or row[j] < -limit:
            return True
    return False


@nb.njit(cache=True, nogil=True)
def _first_nonzero(row):  # type: ignore[no-untyped-def]
    for j in range(row.size):
        if row[j] != 0:
            return j
    return -1


@nb.njit(cache=True, nogil=True)
def _reduce(row, basis, pivots, rank, denominator, reduced):  # type: ignore[no-untyped-def]
    for j in range(row.size):
        reduced[j] = row[j] * denominator
    for i in range(rank):
        factor = row[pivots[i]]
        if factor != 0:
            for j in range(row.size):
                reduced[j] -= factor * basis[i, j]


@nb.njit(cache=True, nogil=True)
def null_space(rows, basis, pivots, keep, limit):  # type: ignore[no-untyped-def]
    """Reduce integer rows to a fraction-free Gauss-Jordan basis of their span.

    Parameters
    ----------
    rows : int64 array (m, p)
        Rows whose span is wanted; destroyed.
    basis : int64 array (p, p)
        Receives the reduced rows: ``basis[i, pivots[k]] == denominator * (i == k)``.
    pivots : int64 array (p,)
        Receives the pivot column of each basis row.
    keep : bool array (p,)
        Receives True for the columns with a pivot.
    limit : int
        Largest absolute entry allowed, `UNLIMITED` on Python integers.

    Returns
    -------
    rank : int
        Number of basis rows, or -1 where an entry outgrew `limit`.
    denominator : int
        The common denominator, positive or negative.
    """
    rank, denominator = 0, basis[0, 0] * 0 + 1
    p = rows.shape[1]
    for j in range(p):
        keep[j] = False
    for k in range(rows.shape[0]):
        if rank == p:
            break
        reduced = basis[rank]
        _reduce(rows[k], basis, pivots, rank, denominator, reduced)
        column = _first_nonzero(reduced)
        if column < 0:
            continue
        if _too_large(reduced, limit):
            return -1, denominator
        pivot = reduced[column]
        for i in range(rank):
            factor = basis[i, column]
            for j in range(p):
                basis[i, j] = (basis[i, j] * pivot - factor * reduced[j]) // denominator
            if _too_large(basis[i], limit):
                return -1, denominator
        pivots[rank] = column
        keep[column] = True
        denominator = pivot
        rank += 1
    return rank, denominator


@nb.njit(cache=True, nogil=True)
def pivot_on(tableau, n_rows, denominator, row, column, limit):  # type: ignore[no-untyped-def]
    """One fraction-free Gauss-Jordan pivot in the first `n_rows` rows; the new denominator is positive.

    Returns 0 where an entry outgrew `limit`.
    """
    pivot = tableau[row, column]
    n_columns = tableau.shape[1]
    if pivot < 0:
        for j in range(n_columns):
            tableau[row, j] = -tableau[row, j]
        pivot = -pivot
    for i in range(n_rows):
        if i == row:
            continue
        factor = tableau[i, column]
        if factor == 0 and pivot == denominator:
            continue
        for j in range(n_columns):
            tableau[i, j] = (tableau[i, j] * pivot - factor * tableau[row, j]) // denominator
        if _too_large(tableau[i], limit):
            return pivot * 0
    return pivot


@nb.njit(cache=True, nogil=True)
def _drop_row(tableau, basic, n_rows, row):  # type: ignore[no-untyped-def]
    last = n_rows - 1
    for j in range(tableau.shape[1]):
        tableau[row, j] = tableau[last, j]
    basic[row] = basic[last]
    return last


@nb.njit(cache=True, nogil=True)
def _leaving_row(tableau, basic, n_rows, column):  # type: ignore[no-untyped-def]
    # Bland's rule (1977): every ratio is zero here, so the smallest index decides.
    best = -1
    for i in range(n_rows):
        if tableau[i, column] > 0 and (best < 0 or basic[i] < basic[best]):
            best = i
    return best


@nb.njit(cache=True, nogil=True)
def _mark_ray(tableau, basic, n_rows, column, verdict):  # type: ignore[no-untyped-def]
    # The column has no positive entry: raising its variable raises these basics and none falls.
    verdict[column] = INSIDE
    for i in range(n_rows):
        if tableau[i, column] < 0:
            verdict[basic[i]] = INSIDE


@nb.njit(cache=True, nogil=True)
def _mark_equation(tableau, row, verdict):  # type: ignore[no-untyped-def]
    # All coefficients of variables that may be positive have one sign, so all of them are zero.
    for j in range(tableau.shape[1]):
        if tableau[row, j] != 0:
            verdict[j] = OUTSIDE


@nb.njit(cache=True, nogil=True)
def _any_basis(tableau, basic, limit):  # type: ignore[no-untyped-def]
    """Pivot to some basis (any is feasible, every right-hand side being zero).

    Returns the number of independent equations, and the common denominator, 0 on overflow.
    """
    n_rows, row, denominator = tableau.shape[0], 0, 1
    while row < n_rows:
        column = _first_nonzero(tableau[row])
        if column < 0:
            n_rows = _drop_row(tableau, basic, n_rows, row)
            continue
        denominator = pivot_on(tableau, n_rows, denominator, row, column, limit)
        if denominator == 0:
            return n_rows, denominator
        basic[row] = column
        row += 1
    return n_rows, denominator


@nb.njit(cache=True, nogil=True)
def _row_of(basic, n_rows, variable):  # type: ignore[no-untyped-def]
    for i in range(n_rows):
        if basic[i] == variable:
            return i
    return -1


@nb.njit(cache=True, nogil=True)
def _entering_column(tableau, row, verdict):  # type: ignore[no-untyped-def]
    # To maximize the basic variable of a row, enter one with which its equation lets it rise.
    for j in range(tableau.shape[1]):
        if verdict[j] != OUTSIDE and tableau[row, j] < 0:
            return j
    return -1


@nb.njit(cache=True, nogil=True)
def nonnegative_support(tableau, verdict, limit):  # type: ignore[no-untyped-def]
    """Find which variables can be positive in ``tableau @ y = 0, y >= 0``.

    The answer is the largest support of such a y. For each undecided variable the simplex
    method with Bland's rule maximizes it from a degenerate basis; it ends with a ray, which
    shows variables that can be positive, or with an equation whose coefficients are all
    nonnegative, which shows variables that cannot.

    Parameters
    ----------
    tableau : int64 array (r, q)
        Integer equations; destroyed.
    verdict : int8 array (q,)
        Receives `INSIDE` or `OUTSIDE`.
    limit : int
        Largest absolute entry allowed, `UNLIMITED` on Python integers.

    Returns
    -------
    bool
        False where an entry outgrew `limit`.
    """
    q = tableau.shape[1]
    for j in range(q):
        verdict[j] = UNKNOWN
    basic = np.zeros(tableau.shape[0], dtype=np.int64)
    n_rows, denominator = _any_basis(tableau, basic, limit)
    if denominator == 0:
        return False
    for target in range(q):
        while verdict[target] == UNKNOWN:
            row = _row_of(basic, n_rows, target)
            column = target if row < 0 else _entering_column(tableau, row, verdict)
            if column < 0:
                _mark_equation(tableau, row, verdict)
                n_rows = _drop_row(tableau, basic, n_rows, row)
                break
            leaving = _leaving_row(tableau, basic, n_rows, column)
            if leaving < 0:
                _mark_ray(tableau, basic, n_rows, column, verdict)
                break
            denominator = pivot_on(tableau, n_rows, denominator, leaving, column, limit)
            if denominator == 0:
                return False
            basic[leaving] = column
    return True
