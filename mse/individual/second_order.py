"""What learners get wrong of two chances at once, read off persons alike and taken out of the total.

The one-step estimator of `DoublyRobust` misses the total by

    - sum over the population of (p1 / p1^ - 1) (p2 / p2^ - 1),

the product of both errors. Learners that shrink and smooth err on the same side of both chances wherever they are
small, so that it does not average out: with boosting it was twice the standard error in simulated populations. Among
persons alike in the covariates, whose errors are nearly the same, it can be estimated without bias: of two
*different* persons, one on the second list says what is wrong with p1^, and one on the first list what is wrong with
p2^. That is a U-statistic of second order (Robins, Li, Tchetgen Tchetgen & van der Vaart 2008; Liu, Mukherjee & Robins
2020, who test by it whether an interval that takes learners at their word holds), here over cells of persons
alike. Both persons are of one part of the cross-fitting: their chances were learned from neither.

References
----------
Robins, J., Li, L., Tchetgen Tchetgen, E. and van der Vaart, A. (2008). Higher order influence functions and
    minimax estimation of nonlinear functionals. IMS Collections 2, 335-421.
Liu, L., Mukherjee, R. and Robins, J. M. (2020). On nearly assumption-free tests of nominal confidence interval
    coverage for causal parameters estimated by machine learning. Statistical Science 35, 518-539.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray


class Corrected(NamedTuple):
    """What is added to the parts of the total.

    part: (R,), of each person of a row, persons
    influence: (R,), the same with what each person has to do with it
    loose: (C,), standard error of each cell that comes of the products of two persons alone; the squares of the
        influence hold it twice
    cell: (R,), cell of each row
    """

    part: FloatArray
    influence: FloatArray
    loose: FloatArray
    cell: IntArray


def cells_alike(columns: FloatArray, counts: IntArray, least: int) -> IntArray:
    """Divide rows into cells of persons alike: halved at medians of one covariate after the other.

    columns: (R, Q), covariates
    counts: (R,), persons
    least: persons of a cell at least; a cell of twice as many is halved where a covariate can
    Returns (R,), cells from 0

    Examples
    --------
    >>> cells_alike(np.arange(8.0)[:, None], np.ones(8, dtype=np.int64), 2).tolist()
    [0, 0, 1, 1, 2, 2, 3, 3]
    """
    found = np.zeros(len(columns), dtype=np.int64)
    waiting, n_cells = [(np.arange(len(columns)), 0)], 0
    while waiting:
        rows, first = waiting.pop()
        halves = _halved(columns, counts, rows, first, least)
        if halves is None:
            found[rows] = n_cells
            n_cells += 1
        else:
            low, high, at = halves
            waiting += [(high, at + 1), (low, at + 1)]
    return found


def _halved(
    columns: FloatArray, counts: IntArray, rows: IntArray, first: int, least: int
) -> tuple[IntArray, IntArray, int] | None:
    """Halve rows by the first covariate, from one on, that leaves enough persons on both sides."""
    persons, n_columns = counts[rows], columns.shape[1]
    everybody = persons.sum()
    for step in range(n_columns if everybody >= 2 * least else 0):
        at = (first + step) % n_columns
        values = columns[rows, at]
        order = np.argsort(values, kind="stable")
        middle = values[order[np.searchsorted(np.cumsum(persons[order]), everybody / 2)]]
        for low in (values <= middle, values < middle):
            if min(persons[low].sum(), persons[~low].sum()) >= least:
                return rows[low], rows[~low], at
    return None


def corrected(
    on: FloatArray,
    chances: FloatArray,
    counts: IntArray,
    folds: IntArray,
    units: IntArray,
    cell: IntArray,
) -> Corrected:
    """Estimate what both errors come to in each cell, from pairs of different persons of one fold.

    on: (R, 2), memberships of the pair of lists, 0 or 1
    chances: (R, 2), learned, of being on each list among those on the other
    counts: (R,), persons
    folds: (R,), part of the cross-fitting
    units: (R,), clusters, of which no two persons make a pair; negative where each person is one
    cell: (R,), cell of each row

    Of N persons alike, of whom N q1 q2 are on both lists, products of the misses of two different ones sum to
    N^2 q1 q2 times the product of both errors: divided by the persons on both lists it is N times that product.
    """
    (one, two), (first, second) = on.T, chances.T
    both, misses = one * two, (two * (one / first - 1), one * (two / second - 1))
    n_folds, n_cells = int(folds.max()) + 1, int(cell.max()) + 1
    place = cell * n_folds + folds

    def sums(values: FloatArray) -> FloatArray:
        return np.bincount(place, counts * values, n_cells * n_folds).astype(np.float64)

    def by_cell(values: FloatArray) -> FloatArray:
        return np.asarray(values.reshape(n_cells, n_folds).sum(axis=1))

    # What each person, or cluster, misses by itself: no pair is made of it.
    single = units < 0
    key = place * (int(units.max()) + 2) + np.where(single, 0, units + 1)
    _, at = np.unique(key, return_inverse=True)
    own = [np.where(single, each, np.bincount(at, counts * each)[at]) for each in misses]
    left, right = (sums(each)[place] for each in misses)
    # Pairs are of one fold: of all there are so many times more.
    persons = sums(np.ones(len(counts)))
    more = by_cell(persons) ** 2 / by_cell(persons**2)
    scale = more / (by_cell(sums(both)) + 1)
    found = misses[0] * (right - own[1])
    product = scale * by_cell(sums(found))
    influence = scale[cell] * (found + misses[1] * (left - own[0]))
    influence -= (product / (by_cell(sums(both)) + 1))[cell] * both
    alone = sums(misses[0] * own[0] * own[1] ** 2)
    chance = by_cell(sums(misses[0] * own[0]) * sums(misses[1] * own[1]) - alone)
    part = (product / by_cell(persons))[cell]
    return Corrected(part, influence, scale * np.sqrt(np.maximum(chance, 0.0)), cell)
