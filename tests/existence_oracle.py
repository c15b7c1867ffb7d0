"""Existence and estimability by linear programs on an explicit design matrix: slow, independent."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.optimize import linprog


def design_matrix(shape: tuple[int, ...], terms: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Build the indicator columns of every term and nonreference level, one row a cell in C order."""
    cells = list(product(*(range(levels) for levels in shape)))
    columns = []
    for term in terms:
        for levels in product(*(range(1, shape[axis]) for axis in term)):
            wanted = list(zip(term, levels, strict=True))
            columns.append([all(cell[axis] == level for axis, level in wanted) for cell in cells])
    return np.array(columns, dtype=float).T


def classify(
    design: np.ndarray, counts: np.ndarray, n_hidden: int, bounded: tuple[int, ...] = ()
) -> tuple[np.ndarray, list[str]]:
    """Facial set over the observable cells, and the limit of each hidden cell.

    One linear program finds the direction that leaves most cells: maximize the number of empty
    cells with a negative slope, none positive, and none at all where somebody was seen. Coefficients that
    are `bounded` are not below zero, and no direction lowers them. Where the cells in which somebody was seen
    leave no direction, or none that moves a hidden cell, there is no program to solve.
    """
    hidden, observable = design[:n_hidden], design[n_hidden:]
    seen = counts[n_hidden:] > 0
    positive, empty = observable[seen], observable[~seen]
    p, q = design.shape[1], len(empty)
    rank = np.linalg.matrix_rank(positive)
    if rank == p:
        return np.ones(len(observable), dtype=bool), ["finite"] * n_hidden
    cone = {
        "A_eq": np.hstack([positive, np.zeros((len(positive), q))]),
        "b_eq": np.zeros(len(positive)),
        "A_ub": np.hstack([empty, np.eye(q)]),
        "b_ub": np.zeros(q),
    }
    least = [0 if j in bounded else None for j in range(p)]
    bounds = [(low, None) for low in least] + [(0, 1)] * q
    answer = linprog(-np.r_[np.zeros(p), np.ones(q)], bounds=bounds, method="highs", **cone)
    assert answer.status == 0
    face = np.ones(len(observable), dtype=bool)
    face[~seen] = answer.x[p:] < 0.5
    limits = []
    for row in hidden:
        if np.linalg.matrix_rank(np.vstack([positive, row])) == rank:
            limits.append("finite")
            continue
        slopes = []
        for sign in (1.0, -1.0):
            extreme = linprog(
                -sign * row,
                A_eq=positive,
                b_eq=np.zeros(len(positive)),
                A_ub=empty if q else None,
                b_ub=np.zeros(q) if q else None,
                bounds=[(-1 if low is None else 0, 1) for low in least],
                method="highs",
            )
            assert extreme.status == 0
            slopes.append(-extreme.fun > 1e-7)
        # Two bounds may keep a direction from going either way, and still it is free between them.
        on_face = observable[face]
        if not any(slopes) and np.linalg.matrix_rank(np.vstack([on_face, row])) > (
            np.linalg.matrix_rank(on_face)
        ):
            slopes = [True, True]
        limits.append(
            {
                (False, False): "finite",
                (True, False): "infinite",
                (False, True): "zero",
                (True, True): "indeterminate",
            }[tuple(slopes)]
        )
    return face, limits
