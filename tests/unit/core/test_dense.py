"""Dense log-linear fits: existence against another linear program, maxima against an optimizer."""

from __future__ import annotations

from itertools import product
from math import comb, log

import numpy as np
import pytest
from scipy.optimize import minimize

from mse.core.dense import (
    DenseDesign,
    facial_set,
    fit_dense,
    hidden_limit,
    independent_columns,
    log_orderings,
    maximize,
    null_space,
    profile_dense,
)
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, LIMITS
from mse.core.fitting import BOUNDARY, NOT_ESTIMABLE, OK, fit_model
from mse.core.newton import make_design
from mse.core.profile import FunctionCurve, ProfileCurve
from tests.existence_oracle import classify


def independence(n_lists: int) -> DenseDesign:
    """Write out independent lists with a parameter each."""
    head = np.array(list(product([0.0, 1.0], repeat=n_lists)))[1:]
    rows = np.column_stack([np.ones(len(head)), head])
    hidden = np.eye(n_lists + 1)[0]
    return DenseDesign(rows, np.zeros(len(head)), hidden, np.zeros(n_lists + 1, dtype=bool))


def lower_bound(n_lists: int) -> DenseDesign:
    """Write out the lower bound model by the number of lists."""
    k = np.arange(1.0, n_lists + 1)
    bends = np.maximum(k[:, None] - np.arange(2, n_lists), 0)
    rows = np.column_stack([np.ones(n_lists), k, bends])
    sizes = np.log([comb(n_lists, int(each)) for each in k])
    bounded = np.arange(rows.shape[1]) >= 2
    return DenseDesign(rows, sizes, np.eye(rows.shape[1])[0], bounded)


def log_likelihood(counts: np.ndarray, design: DenseDesign, b: np.ndarray) -> float:
    eta = design.log_sizes + design.rows @ b
    return float(counts @ eta - np.exp(eta).sum())


def test_null_space_and_columns() -> None:
    rows = np.array([[1.0, 1, 0, 2], [1, 0, 1, 2], [1, 1, 0, 2]])
    basis = null_space(rows)
    assert basis.shape == (4, 2)
    assert np.abs(rows @ basis).max() < 1e-12
    assert null_space(np.zeros((0, 3))).shape == (3, 3)
    everything = np.ones(4, dtype=bool)
    assert independent_columns(rows, everything).tolist() == [0, 1]
    last = np.array([False, False, False, True])
    assert independent_columns(rows, last).tolist() == [1, 3]


@pytest.mark.parametrize("seed", range(40))
def test_existence_is_that_of_another_linear_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_lists = int(rng.integers(2, 5))
    design = independence(n_lists)
    if seed % 2:
        captures = design.rows[:, 1:].sum(axis=1)
        design = DenseDesign(
            np.column_stack([design.rows, captures**2 / 2]),
            design.log_sizes,
            np.append(design.hidden, 0.0),
            np.append(design.nonnegative, False),
        )
    seen = rng.random(len(design.rows)) < rng.choice([0.2, 0.5, 0.8])
    whole = np.vstack([design.hidden, design.rows])
    face, limits = classify(whole, np.r_[0, seen], 1)
    found = facial_set(seen, design)
    assert (found == face).all()
    assert LIMITS[hidden_limit(found, design)] == limits[0]


@pytest.mark.parametrize(
    ("counts", "status", "limit"),
    [
        ([4, 3, 2, 1], OK, FINITE),
        # Convex and zero at 1 and 4, negative between: the line through 0 rises without end.
        ([4, 0, 0, 1], NOT_ESTIMABLE, INFINITE),
        ([4, 0, 0, 0], NOT_ESTIMABLE, INFINITE),
        # Zero at 4 and negative below: at 0 it may be back above zero, or not.
        ([0, 0, 0, 4], NOT_ESTIMABLE, INDETERMINATE),
        # A bend upward cannot lower the neighbors of the only number seen.
        ([0, 0, 4, 0], OK, FINITE),
        ([0, 0, 0, 0], NOT_ESTIMABLE, INDETERMINATE),
    ],
)
def test_existence_with_bounds(counts, status, limit) -> None:
    fit = fit_dense(np.array(counts, dtype=float), lower_bound(4))
    assert (fit.status, fit.limit) == (status, limit)
    assert np.isnan(fit.hidden) == (status == NOT_ESTIMABLE)


@pytest.mark.parametrize("seed", range(8))
def test_bounded_maximum_is_that_of_a_general_optimizer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    design = lower_bound(5)
    counts = rng.integers(1, 30, size=5).astype(float)
    b, means = maximize(counts, design)
    assert (b[design.nonnegative] >= 0).all()
    bounds = [(0, None) if bounded else (None, None) for bounded in design.nonnegative]

    def minus(x: np.ndarray) -> tuple[float, np.ndarray]:
        expected = np.exp(design.log_sizes + design.rows @ x)
        return -log_likelihood(counts, design, x), -design.rows.T @ (counts - expected)

    best = minimize(minus, np.zeros(b.size), jac=True, bounds=bounds, options={"ftol": 1e-15})
    assert log_likelihood(counts, design, b) >= -best.fun - 1e-9
    assert means == pytest.approx(np.exp(design.log_sizes + design.rows @ b))
    # Conditions of Kuhn and Tucker: no slope where a coefficient is free, none upward at a bound.
    slope = design.rows.T @ (counts - means)
    bound = design.nonnegative & (b == 0)
    assert np.abs(slope[~bound]).max() < 1e-6
    assert (slope[bound] < 1e-6).all()


def test_aliased_columns_are_left_out() -> None:
    design = independence(3)
    twice = DenseDesign(
        np.column_stack([design.rows, design.rows[:, 1]]),
        design.log_sizes,
        np.append(design.hidden, 0.0),
        np.append(design.nonnegative, False),
    )
    counts = np.array([8.0, 5, 3, 6, 2, 4, 1])
    once, aliased = fit_dense(counts, design), fit_dense(counts, twice)
    assert aliased.status == BOUNDARY
    assert np.isnan(aliased.coefficients[-1])
    assert aliased.hidden == pytest.approx(once.hidden)
    assert aliased.variance == pytest.approx(once.variance)


def test_no_maximum_is_an_error() -> None:
    design = independence(2)
    with pytest.raises(ArithmeticError):
        maximize(np.array([3.0, 2.0, 0.0]), design)


def test_profile_is_that_of_the_lattice() -> None:
    counts = np.array([0.0, 8, 5, 3, 6, 2, 4, 1])
    cells = np.array([0, 4, 2, 1])
    lattice = make_design((2, 2, 2), 3, cells)
    reference = fit_model(counts, np.ones(4, dtype=bool), lattice)
    curve = ProfileCurve(counts, reference, lattice, 0.3)
    design = independence(3)
    fit = fit_dense(counts[1:], design)
    assert fit.hidden == pytest.approx(float(reference.hidden.sum()))

    def value(x: float) -> float:
        return profile_dense(counts[1:], design, fit, x)

    differences = [value(log(h)) - curve(log(h)) for h in (0.01, 3.0, 40.0, 1e4)]
    assert differences == pytest.approx([differences[0]] * 4, abs=1e-8)
    expected = ProfileCurve(counts, reference, lattice, 0.3).ends(1.92)
    found = FunctionCurve(value, counts.sum(), fit.hidden, 0.3).ends(1.92)
    assert found == pytest.approx(expected, rel=1e-8)


def test_profile_keeps_its_digits_far_out() -> None:
    # Under M0 with r repeats the likelihood falls like N^-r, whatever N.
    design = lower_bound(3)
    plain = DenseDesign(
        design.rows[:, :2], design.log_sizes, design.hidden[:2], design.nonnegative[:2]
    )
    counts = np.array([7.0, 2.0, 1.0])
    fit = fit_dense(counts, plain)
    far = [profile_dense(counts, plain, fit, x) for x in (20.0, 21.0, 22.0)]
    assert np.diff(far) == pytest.approx([-4.0, -4.0], abs=1e-6)


def test_interval_of_a_known_likelihood() -> None:
    low, high = FunctionCurve(lambda x: -((x - 2.0) ** 2), 10.0, np.exp(1.9), 0.5).ends(1.0)
    assert (low, high) == pytest.approx((10 + np.exp(1.0), 10 + np.exp(3.0)))
    low, high = FunctionCurve(lambda _: 0.0, 10.0, 5.0, 0.5).ends(1.0)
    assert (low, high) == (10.0, np.inf)


@pytest.mark.parametrize("hidden", [0.5, 30.0, 1e5])
def test_log_orderings(hidden: float) -> None:
    terms = np.log(hidden + np.arange(1, 8)).sum()
    assert log_orderings(7.0, hidden) == pytest.approx(terms, rel=1e-10)
