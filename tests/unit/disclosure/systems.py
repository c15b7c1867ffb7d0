"""Random cells with totals, for attacks: cross tables, tables with some margins, capture tables."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np

import mse
from mse.disclosure.cells import Book
from mse.disclosure.count_tables import checked_margins, note_table

if TYPE_CHECKING:
    from collections.abc import Collection

    from mse.disclosure import Rules
    from mse.disclosure.cells import Cells


def cross(counts: np.ndarray[Any, Any], sizes: Collection[int] | None = None) -> Cells:
    """Note a table of any number of dimensions with its margins: all, or those by so many of them."""
    axes = range(counts.ndim)
    kept = [
        each
        for size in range(counts.ndim, -1, -1)
        for each in combinations(axes, size)
        if sizes is None or size in sizes
    ]
    book = Book()
    for fixed in kept:
        summed = counts.sum(axis=tuple(axis for axis in axes if axis not in fixed))
        for index in np.ndindex(*summed.shape):
            book.add(tuple(zip(fixed, index, strict=True)), int(summed[index]))
    for fixed, more in product(kept, kept):
        if set(fixed) < set(more):
            for index in product(*(range(counts.shape[axis]) for axis in fixed)):
                where = dict(zip(fixed, index, strict=True))
                parts = [
                    tuple(zip(more, each, strict=True))
                    for each in product(*(range(counts.shape[axis]) for axis in more))
                    if all(where.get(axis, at) == at for axis, at in zip(more, each, strict=True))
                ]
                one = len(more) == len(fixed) + 1
                book.sum(tuple(where.items()), parts, group=one)
    return book.cells()


def sparse_counts(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Draw counts as registers have them: many small ones and zeros beside a few large ones."""
    return rng.poisson(rng.gamma(0.5, float(rng.choice([6, 20, 60])), shape))


def capture(rng: np.random.Generator, most: int = 3) -> mse.CaptureTable:
    """Draw a table of two or more lists, sometimes by year and sex."""
    n_lists = int(rng.integers(2, most + 1))
    levels = {"year": (2014, 2015), "sex": ("f", "m", "x")} if rng.random() < 0.4 else {}
    shape = (2,) * n_lists + tuple(len(each) for each in levels.values())
    counts = sparse_counts(rng, shape)
    counts[(0,) * n_lists] = 0
    counts[(1,) * n_lists] += 1
    return mse.CaptureTable.from_array(counts, [f"list {i}" for i in range(n_lists)], levels)


def capture_cells(table: mse.CaptureTable, rules: Rules) -> Cells:
    """Note everything that is published of a capture table."""
    book = Book()
    note_table(book, table, rules, checked_margins(table))
    return book.cells()
