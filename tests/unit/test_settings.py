"""Settings of another kind than asked for are refused in words, before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mse
from mse._settings import check_positive, check_seed, check_whole, is_whole

SAMPLERS = [
    mse.PooledLogLinear,
    mse.DecomposableGraphs,
    mse.ThresholdedLogLinear,
    mse.HeterogeneousLogLinear,
    mse.LatentClasses,
    mse.BayesianLogLinear,
]


@pytest.mark.parametrize("estimator", SAMPLERS)
@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": "x"}, {"draws": "many"}, {"draws": None}])
def test_samplers(estimator: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(mse.ModelError, match="expected a whole number"):
        estimator(**wrong)


@pytest.mark.parametrize("rate", [3, ("a", 2), (1,), (1, 2, 3), (1, -1)])
def test_a_mean_and_a_deviation(rate: Any) -> None:
    with pytest.raises(mse.ModelError, match="a mean and a positive"):
        mse.PooledLogLinear(rate=rate)


@pytest.mark.parametrize("wrong", [{"seed": "x"}, {"seed": -1}, {"replicates": 2.5}])
def test_bootstrap(wrong: dict[str, Any]) -> None:
    with pytest.raises(mse.ModelError, match="expected a whole number"):
        mse.bootstrap(mse.LogLinear("main"), mse.load_dataset("korea"), **wrong)


def test_numbers_of_numpy_are_numbers_and_true_is_none() -> None:
    assert is_whole(np.int64(3))
    check_whole("draws", np.int32(100), 100)
    check_positive("sd", np.float32(0.5))
    for seed in (None, 0, np.uint8(3), np.random.default_rng(1)):
        check_seed(seed)
    for wrong in (True, 99, 100.0, "100", None):
        with pytest.raises(mse.ModelError, match="expected a whole number, 100 or more"):
            check_whole("draws", wrong, 100)
    for wrong in (True, 0, -1, float("nan"), float("inf"), "1", None):
        with pytest.raises(mse.ModelError, match="expected a positive number"):
            check_positive("sd", wrong)
