"""Sparse integer rows that fall apart into blocks: no row of one has an entry in a column of another.

Rows are held one after the other: row i has its entries ``values[starts[i] : starts[i + 1]]`` in the
columns ``places[starts[i] : starts[i + 1]]``.
"""

from __future__ import annotations

import numba as nb
import numpy as np

#: Multiplier and modulus of the key of a column; products stay below 2**51.
MULTIPLIER, MODULUS = 1000003, 2147483647


@nb.njit(cache=True, nogil=True)
def longer(values):  # type: ignore[no-untyped-def]
    """Copy an array into one of twice its length."""
    found = np.zeros(2 * values.size, dtype=values.dtype)
    found[: values.size] = values
    return found


@nb.njit(cache=True, nogil=True)
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
def _grouped(block, n):  # type: ignore[no-untyped-def]
    order = np.argsort(block, kind="mergesort")  # stable: members of a block stay in order
    return order, np.searchsorted(block[order], np.arange(n + 1))


@nb.njit(cache=True, nogil=True)
def independent_blocks(starts, places, n_columns):  # type: ignore[no-untyped-def]
    """Group rows and columns into blocks that have nothing to do with each other.

    Parameters
    ----------
    starts, places : int64 arrays (r + 1,), (entries,)
        Sparse rows.
    n_columns : int
        Number of columns.

    Returns
    -------
    rows, first_rows : int64 arrays (r,), (n + 1,)
        ``rows[first_rows[b] : first_rows[b + 1]]`` are the rows of block b, in order. Rows without
        entries are in no block.
    columns, first_columns : int64 arrays (n_columns,), (n + 1,)
        Likewise.
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


@nb.njit(cache=True, nogil=True)
def dense_block(starts, places, values, rows, columns, position):  # type: ignore[no-untyped-def]
    """Write the rows of a block in full, in its own columns.

    Parameters
    ----------
    starts, places, values : arrays
        Sparse rows.
    rows, columns : int64 arrays
        The block.
    position : int64 array (n_columns,)
        Work space, overwritten in the columns of the block.
    """
    block = np.zeros((rows.size, columns.size), dtype=values.dtype)
    for j in range(columns.size):
        position[columns[j]] = j
    for i in range(rows.size):
        for e in range(starts[rows[i]], starts[rows[i] + 1]):
            block[i, position[places[e]]] = values[e]
    return block


@nb.njit(cache=True, nogil=True)
def _keys(block):  # type: ignore[no-untyped-def]
    keys = np.zeros(block.shape[1], dtype=np.int64)
    for j in range(block.shape[1]):
        key = 0
        for i in range(block.shape[0]):
            key = (key * MULTIPLIER + int(block[i, j])) % MODULUS
        keys[j] = key
    return keys


@nb.njit(cache=True, nogil=True)
def _same(block, j, k):  # type: ignore[no-untyped-def]
    for i in range(block.shape[0]):  # noqa: SIM110 (numba compiles the loop, not the generator)
        if block[i, j] != block[i, k]:
            return False
    return True


@nb.njit(cache=True, nogil=True)
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
