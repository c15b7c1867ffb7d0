"""Settings that must stand before anything else is imported, and small tables."""

from __future__ import annotations

import os

# Threads of BLAS and Numba compete with the test workers; they read this when they are loaded.
for _variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# A shared machine makes single examples slow by chance (compilation, other workers), so time
# says nothing about an example; `derandomize` gives everyone the same examples.
settings.register_profile(
    "mse",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("mse")


@pytest.fixture
def rng() -> np.random.Generator:
    """Give a generator with a fixed seed."""
    return np.random.default_rng(20150)
