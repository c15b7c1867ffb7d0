from __future__ import annotations

import numpy as np
import pytest

from mse.core.exact_check import interpreted
from mse.core.lattice import CONFLICT, observable_cells, subset_sum, superset_sum, unions
from tests.existence_oracle import design_matrix

SHAPES = [(2, 2, 2), (2, 2, 3), (2, 2, 3, 4), (2, 2, 1, 2)]


def every_term(n_axes: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(i for i in range(n_axes) if m >> i & 1) for m in range(2**n_axes))


def full_design(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """All columns of the saturated design, and the cell of each column's parameter."""
    design = design_matrix(shape, every_term(len(shape)))
    # A parameter's cell is the first in C order that contains it.
    return design, design.argmax(axis=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("run", [lambda f: f, interpreted], ids=["compiled", "interpreted"])
def test_transforms_are_products_with_the_design(shape, run) -> None:
    design, cells = full_design(shape)
    x = np.random.default_rng(0).normal(size=cells.size)
    axes = np.array(shape, dtype=np.int64)
    predictor = np.zeros(x.size)
    predictor[cells] = x
    run(subset_sum)(predictor, axes)
    np.testing.assert_allclose(predictor, design @ x, atol=1e-12)
    sums = x.copy()
    run(superset_sum)(sums, axes)
    np.testing.assert_allclose(sums[cells], design.T @ x, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_unions_give_the_information_matrix(shape) -> None:
    design, cells = full_design(shape)
    weights = np.random.default_rng(1).uniform(size=len(design))
    axes = np.array(shape, dtype=np.int64)
    sums = weights.copy()
    superset_sum(sums, axes)
    union = unions(cells, axes)
    matrix = np.where(union == CONFLICT, 0.0, sums[union])
    np.testing.assert_allclose(matrix, design.T @ (weights[:, None] * design), atol=1e-12)


def test_hidden_cells_come_first() -> None:
    mask = observable_cells(np.array([2, 2, 3]), 2)
    assert mask.tolist() == [False] * 3 + [True] * 9
