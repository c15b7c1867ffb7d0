from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

from mse.core.exact import INSIDE, SAFE, UNLIMITED, nonnegative_support, null_space
from mse.core.exact_check import interpreted

matrices = st.tuples(st.integers(1, 5), st.integers(1, 7)).flatmap(
    lambda size: arrays(np.int64, size, elements=st.integers(-2, 2))
)


def run_null_space(rows: np.ndarray, *, exact: bool) -> tuple[int, np.ndarray, np.ndarray]:
    rows = rows.astype(object) if exact else rows.copy()
    p = rows.shape[1]
    basis = np.zeros((p, p), dtype=rows.dtype)
    pivots, keep = np.zeros(p, dtype=np.int64), np.zeros(p, dtype=bool)
    kernel = interpreted(null_space) if exact else null_space
    rank = kernel(rows, basis, pivots, keep, UNLIMITED if exact else SAFE)
    return rank, basis[:rank], pivots[:rank]


@given(matrices)
def test_null_space_is_reduced_and_spans_the_rows(rows: np.ndarray) -> None:
    rank, basis, pivots = run_null_space(rows, exact=False)
    assert rank == np.linalg.matrix_rank(rows)
    at_pivots = basis[:, pivots]
    assert (np.diag(at_pivots) > 0).all()
    np.testing.assert_array_equal(at_pivots, np.diag(np.diag(at_pivots)))
    np.testing.assert_array_equal(np.gcd.reduce(basis, axis=1), np.ones(rank))
    if rank:
        assert np.linalg.matrix_rank(np.vstack([rows, basis])) == rank
    again = run_null_space(rows, exact=True)
    assert again[0] == rank
    np.testing.assert_array_equal(again[1].astype(np.int64), basis)


@given(matrices)
def test_support_agrees_with_linear_programs(equations: np.ndarray) -> None:
    verdict = np.zeros(equations.shape[1], dtype=np.int8)
    assert nonnegative_support(equations.copy(), verdict, SAFE)
    for j in range(equations.shape[1]):
        objective = np.zeros(equations.shape[1])
        objective[j] = -1
        answer = linprog(objective, A_eq=equations, b_eq=np.zeros(len(equations)), bounds=(0, 1))
        assert (verdict[j] == INSIDE) == (answer.fun < -1e-9)
    big = np.zeros(equations.shape[1], dtype=np.int8)
    assert interpreted(nonnegative_support)(equations.astype(object), big, UNLIMITED)
    np.testing.assert_array_equal(big, verdict)


def test_numbers_too_large_for_int64_are_noticed_and_then_exact() -> None:
    rng = np.random.default_rng(3)
    rows = rng.integers(-1000, 1000, size=(12, 12))
    assert run_null_space(rows, exact=False)[0] == -1
    # One column less than rows: the null space of the rest is spanned by the cofactors.
    rank, basis, pivots = run_null_space(rows[:11], exact=True)
    assert rank == 11
    assert pivots.tolist() == list(range(11))
    direction = np.append(-basis[:, 11] / np.diag(basis[:, :11]), 1).astype(float)
    np.testing.assert_allclose(rows[:11] @ direction, 0, atol=1e-6)
