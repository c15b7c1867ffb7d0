"""Transforms on the lattice of cells.

A table over ``d`` axes (lists with two levels, covariates with their number of levels) is a
tensor of that shape, flattened in C order. Level 0 of every axis is the reference, so a
parameter "term S at levels l >= 1" has a cell of its own: the one with levels l on S and 0
elsewhere. The same index therefore addresses cells and parameters, and

* the linear predictor is the *subset sum* of the coefficients,
* the sufficient statistics are the *superset sum* of the counts,
* entry (s, t) of the information matrix is the superset sum of the fitted means read at the
  union of the cells s and t, and 0 where s and t ask different levels of one axis,

each in O(cells x axes), without a design matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mse.core._compiled import kernel

if TYPE_CHECKING:
    from mse._typing import BoolArray, IntArray

#: Marks two cells that ask different levels of one axis: no cell contains both.
CONFLICT = -1


@kernel
def subset_sum(x, shape):  # type: ignore[no-untyped-def]
    """Replace ``x`` by its subset sums: out[0] = x[0], out[l] = x[0] + x[l] along each axis.

    x: (C,), coefficients by cell; changed in place
    shape: (d,) int64, number of levels of each axis; their product is C
    """
    # Indices without a sign cannot count from the end, so that the loops become vector instructions.
    inner, size = np.uint64(1), np.uint64(x.size)
    for axis in range(shape.size - 1, -1, -1):
        block = inner * np.uint64(shape[axis])
        for start in range(np.uint64(0), size, block):
            for offset in range(start + inner, start + block, inner):
                for i in range(inner):
                    x[offset + i] += x[start + i]
        inner = block


@kernel
def superset_sum(x, shape):  # type: ignore[no-untyped-def]
    """Replace ``x`` by its superset sums: out[0] = sum over levels, out[l] = x[l] along each axis.

    x: (C,), weights by cell; changed in place
    shape: (d,) int64, number of levels of each axis; their product is C
    """
    inner, size = np.uint64(1), np.uint64(x.size)
    for axis in range(shape.size - 1, -1, -1):
        block = inner * np.uint64(shape[axis])
        for start in range(np.uint64(0), size, block):
            for offset in range(start + inner, start + block, inner):
                for i in range(inner):
                    x[start + i] += x[offset + i]
        inner = block


def levels_of(cells: IntArray, shape: IntArray) -> IntArray:
    """Levels of each cell, shape ``cells.shape + (d,)``, int64."""
    return np.stack(np.unravel_index(cells, tuple(shape)), axis=-1).astype(np.int64)


@kernel
def _unions(levels, shape, result):  # type: ignore[no-untyped-def]
    for i in range(levels.shape[0]):
        for j in range(i + 1):
            cell = 0
            for axis in range(shape.size):
                left, right = levels[i, axis], levels[j, axis]
                if left != right and left != 0 and right != 0:
                    cell = CONFLICT
                    break
                cell = cell * shape[axis] + max(left, right)
            result[i, j] = result[j, i] = cell


def unions(cells: IntArray, shape: IntArray) -> IntArray:
    """Smallest cell that contains each pair of cells, or `CONFLICT`.

    cells: (U,), flat cell indices
    shape: (d,), number of levels of each axis
    Returns (U, U)
    """
    result = np.zeros((cells.size, cells.size), dtype=np.int64)
    _unions(levels_of(cells, shape), shape, result)
    return result


def observable_cells(shape: IntArray, n_lists: int) -> BoolArray:
    """Cells of persons on at least one list: all but the first block of the tensor, (C,) bool."""
    mask = np.ones(int(np.prod(shape)), dtype=np.bool_)
    mask[: mask.size >> n_lists] = False
    return mask
