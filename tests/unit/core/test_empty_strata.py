"""Hidden counts of strata in which effects are empty, settled without algebra where possible."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mse.core.exact import SAFE, UNLIMITED
from mse.core.exact_check import interpreted
from mse.core.existence import INDETERMINATE, ZERO, facial_set
from mse.core.fitting import fit_model
from mse.data.table import CaptureTable
from mse.loglinear.design import table_design
from mse.models.terms import parse_model

if TYPE_CHECKING:
    from mse.core.newton import Design

MODELS = (
    "main",
    "all two-way",
    "all three-way",
    "a + b + c + x*y",
    "a*x + b*x + c + y",
    "a*x + b*y + c",
    "a*x*y + b*x*y + c*x*y",
)


def exact_limits(counts: np.ndarray, design: Design) -> np.ndarray:
    """Limits of all hidden cells by linear programs in whole numbers over all parameters."""
    everything = np.arange(design.cells.size)
    whole = np.zeros(0, dtype=np.int64)
    for like, bound in ((whole, SAFE), (whole.astype(object), UNLIMITED)):
        limits = np.zeros(design.n_hidden, dtype=np.int8)
        face, keep = design.observable.copy(), np.zeros(everything.size, dtype=bool)
        kernel = facial_set if bound == SAFE else interpreted(facial_set)
        nobody = np.zeros(0, dtype=np.int64)
        if kernel(counts, face, design, everything, like, bound, keep, limits, nobody, nobody) >= 0:
            return limits
    raise AssertionError


@pytest.mark.property
def test_limits_are_the_exact_ones_of_all_parameters(rng) -> None:
    lists, found = "abc", set()
    for model, size, mean, gap in product(MODELS, (2, 3), (0.2, 0.6, 2.0), (False, True)):
        shape = (2, 2, 2, size, 3)
        counts = rng.poisson(mean, size=shape)
        counts[0, 0, 0] = 0
        if gap:
            counts[..., rng.integers(size), :] = 0
        if not counts.any():
            continue
        patterns = np.argwhere(counts)
        persons = counts[tuple(patterns.T)]
        levels = {"x": tuple(range(size)), "y": (0, 1, 2)}
        table = CaptureTable(tuple(lists), levels, patterns, persons, persons)
        layout = table_design(table, parse_model(model, table.lists, ("x", "y")), {})
        flat = counts.ravel().astype(float)
        fit = fit_model(flat, np.ones(len(layout.terms), dtype=bool), layout.core)
        np.testing.assert_array_equal(fit.limits, exact_limits(flat, layout.core))
        found |= set(fit.limits.tolist())
    assert {ZERO, INDETERMINATE} <= found
