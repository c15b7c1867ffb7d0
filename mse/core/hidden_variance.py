"""Variances of hidden counts and of their sums over strata, without a matrix of strata by strata."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from mse.core._threads import one_thread
from mse.core.existence import FINITE
from mse.core.explicit_fit import MOST_ENTRIES, explicit_rows, half_covariance_of
from mse.core.large_factor import (
    Active,
    design_rows,
    eliminate,
    factor_of,
    forward,
    information_of,
    laid_out,
    only,
    placed,
)
from mse.core.lattice import superset_sum
from mse.core.newton import (
    cholesky,
    first_cells,
    information,
    n_parameters,
    smallest_pivot,
    spread,
    with_unions,
)

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray
    from mse.core.fitting import ModelFit
    from mse.core.large_factor import Factor
    from mse.core.newton import Design

#: Smallest ratio of a squared Cholesky pivot to its diagonal at which an inverse is taken as it is: it
#: keeps the digits that a standard error needs.
CLEAR_PIVOT = 1e-6
#: Eigenvalues below this share of the largest are rounding.
LEAST_EIGENVALUE = 1e-15


class HiddenCovariance(NamedTuple):
    """Covariance of the log hidden counts, by columns whose products it is.

    The covariance of strata s and t is the product of their columns of ``together`` and, where they have
    the same level of a factor whose levels were eliminated, of those of ``apart``.

    together: (g, Q), NaN for strata that are not estimable
    apart: (q, Q), q is 0 where no factor was eliminated
    level: (Q,), level of each stratum
    """

    together: FloatArray
    apart: FloatArray
    level: IntArray

    def of_sums(self, weights: FloatArray, groups: IntArray, n_groups: int) -> FloatArray:
        """Variances of weighted sums of log hidden counts.

        weights: (Q,), weight of each stratum in its sum
        groups: (Q,), sum that each stratum is in
        n_groups: number of sums
        Returns (n_groups,), NaN for sums over strata that are not estimable
        """
        found = np.zeros(n_groups)
        for row in self.together:
            found += np.bincount(groups, row * weights, n_groups) ** 2
        if len(self.apart):
            n_levels = int(self.level.max()) + 1
            pairs, place = np.unique(groups * n_levels + self.level, return_inverse=True)
            for row in self.apart:
                each = np.bincount(place, row * weights, pairs.size)
                found += np.bincount(pairs // n_levels, each**2, n_groups)
        return found

    def matrix(self) -> FloatArray:
        """Covariance of the log hidden counts, (Q, Q); NaN where they are not estimable."""
        same = self.level[:, None] == self.level
        return np.asarray(self.together.T @ self.together + same * (self.apart.T @ self.apart))


@one_thread
def hidden_covariance(
    fit: ModelFit, design: Design, means: FloatArray | None = None
) -> HiddenCovariance:
    """Covariance of the log hidden counts by the inverse information on the face.

    fit: a fit whose hidden counts are estimable, at least in part
    design: axes and parameters
    means: (C,), other means to take the information at; by default those of the fit
    """
    weights = np.where(fit.face, fit.means if means is None else means, 0.0)
    finite = np.flatnonzero(np.asarray(fit.limits) == FINITE)
    factor = factor_of(design)
    found = None if factor is None else _by_levels(weights, fit, design, factor)
    level = np.zeros(design.n_hidden, dtype=np.int64)
    if found is None:
        half = _half(weights, finite, fit, with_unions(design))
        together = np.full((len(half), design.n_hidden), np.nan)
        together[:, finite] = half
        return HiddenCovariance(together, np.zeros((0, design.n_hidden)), level)
    lost = np.asarray(fit.limits) != FINITE
    found.together[:, lost] = np.nan
    return found


def _half(weights: FloatArray, finite: IntArray, fit: ModelFit, design: Design) -> FloatArray:
    """Columns (p, finite strata) from a matrix over all parameters."""
    p, sums = fit.kept.size, weights.copy()
    matrix = np.zeros((p, p))
    superset_sum(sums, design.shape)
    information(sums, design, fit.kept, p, matrix)
    # Pivots this small lose half the digits of the answer.
    factor = matrix.copy()
    clear = cholesky(factor, p) and smallest_pivot(factor, p) > CLEAR_PIVOT
    if not clear and int(fit.face.sum() + finite.size) * p <= MOST_ENTRIES:
        cells = np.flatnonzero(fit.face)
        rows_of = explicit_rows(design, fit.kept, cells, finite)
        return half_covariance_of(rows_of, np.log(weights[cells]))
    rows = np.zeros((p, finite.size))
    column, one = np.zeros(design.observable.size), np.ones(1)
    for j in np.flatnonzero(first_cells(design)[fit.kept] < design.n_hidden):
        spread(one, design, fit.kept[j : j + 1], 1, column)
        rows[j] = column[: design.n_hidden][finite]
    if clear:
        return np.asarray(solve_triangular(np.tril(factor), rows, lower=True, overwrite_b=True))
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(values, LEAST_EIGENVALUE * values[-1])
    return np.asarray((vectors.T @ rows) / np.sqrt(values)[:, None])


def _by_levels(
    weights: FloatArray, fit: ModelFit, design: Design, factor: Factor
) -> HiddenCovariance | None:
    """Columns from the levels of a factor, eliminated; None where a level is singular to rounding."""
    kept = np.zeros(n_parameters(design), dtype=np.bool_)
    kept[fit.kept] = True
    active = Active(kept[factor.local], kept[factor.shared])
    root = eliminate(only(information_of(laid_out(weights, factor).copy(), factor), active))
    if root is None:
        return None
    row, level = placed(np.arange(design.n_hidden), factor)
    local, shared = design_rows(factor)
    apart = np.zeros((len(factor.local), row.size))
    together = np.where(active.shared, shared[row], 0.0).T
    inside = np.flatnonzero(level > 0)
    at = level[inside] - 1
    own = np.where(active.local[:, at], local[row[inside]].T, 0.0)
    apart[:, inside] = forward(root.local[:, :, at], own)
    for i, half in enumerate(root.border):
        together[:, inside] -= half[:, at] * apart[i, inside]
    together = solve_triangular(root.shared, together, lower=True, overwrite_b=True)
    return HiddenCovariance(np.ascontiguousarray(together), apart, level)
