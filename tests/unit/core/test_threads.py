"""One thread for small matrices."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info

from mse.core._threads import one_thread


def blas_threads() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_the_limit_holds_inside_and_is_lifted_outside() -> None:
    np.linalg.inv(np.eye(2))
    before = blas_threads()
    with one_thread:
        assert blas_threads() == {1}
        with one_thread:
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_it_is_lifted_after_an_error() -> None:
    before = blas_threads()

    @one_thread
    def fails() -> None:
        raise ArithmeticError

    try:
        fails()
    except ArithmeticError:
        assert blas_threads() == before
