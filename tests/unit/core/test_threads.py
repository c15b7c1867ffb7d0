"""One thread for small matrices."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import scipy.linalg  # noqa: F401, loads a BLAS of its own
from threadpoolctl import threadpool_info, threadpool_limits

import mse
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


@pytest.mark.parametrize(
    "place", ["mse.loglinear.fit.fit_model", "mse.core.profile.rise_of_deviance"]
)
def test_a_fit_and_its_interval_keep_to_one_thread(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    module, name = place.rsplit(".", 1)
    work, seen = getattr(import_module(module), name), set()

    def watched(*arguments: object) -> object:
        seen.update(blas_threads())
        return work(*arguments)

    monkeypatch.setattr(place, watched)
    with threadpool_limits(2, user_api="blas"):
        mse.LogLinear("main").fit(mse.load_dataset("korea")).population.interval(0.95)
        assert blas_threads() == {2}
    assert seen == {1}
