from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from mse.core.existence import dense_block, first_alike, independent_blocks

matrices = st.tuples(st.integers(1, 6), st.integers(1, 8)).flatmap(
    lambda shape: st.lists(
        st.lists(st.sampled_from([0, 0, 0, 1, -2]), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    ).map(lambda rows: np.array(rows, dtype=np.int64))
)


@given(matrices)
def test_blocks_are_the_connected_components_and_hold_all_entries(matrix: np.ndarray) -> None:
    sparse = csr_matrix(matrix)
    starts, places = sparse.indptr.astype(np.int64), sparse.indices.astype(np.int64)
    rows, first_rows, columns, first_columns = independent_blocks(starts, places, matrix.shape[1])
    graph = np.block(
        [
            [np.zeros((len(matrix),) * 2), matrix],
            [matrix.T, np.zeros((matrix.shape[1],) * 2)],
        ]
    )
    touched = int((matrix != 0).any(axis=1).sum() + (matrix != 0).any(axis=0).sum())
    n_alone = sum(matrix.shape) - touched
    assert len(first_rows) - 1 == connected_components(graph, directed=False)[0] - n_alone
    total, position = 0, np.zeros(matrix.shape[1], dtype=np.int64)
    for b in range(len(first_rows) - 1):
        mine = rows[first_rows[b] : first_rows[b + 1]]
        its = columns[first_columns[b] : first_columns[b + 1]]
        assert list(mine) == sorted(mine)
        assert list(its) == sorted(its)
        block = dense_block(starts, places, sparse.data, mine, its, position)
        np.testing.assert_array_equal(block, matrix[np.ix_(mine, its)])
        total += np.count_nonzero(block)
    assert total == np.count_nonzero(matrix)


@given(matrices)
def test_first_alike_is_the_first_equal_column(matrix: np.ndarray) -> None:
    expected = [
        next(k for k in range(j + 1) if (matrix[:, k] == matrix[:, j]).all())
        for j in range(matrix.shape[1])
    ]
    assert first_alike(matrix).tolist() == expected
