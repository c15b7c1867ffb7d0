from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp

import mse
from mse.core.fitting import fit_model
from mse.core.newton import make_design
from mse.core.profile import ProfileCurve
from tests.unit.core.test_batch import all_two_way, random_table


def direct_profile(total: float, counts: np.ndarray, matrix: np.ndarray, n_hidden: int) -> float:
    """Multinomial log likelihood of N, maximized over the model by a general optimizer."""
    n = counts.sum()

    def minus(b: np.ndarray) -> float:
        log_p = matrix[:, 1:] @ b
        log_p -= logsumexp(log_p)
        seen = counts > 0
        return -float(counts[seen] @ log_p[seen] + (total - n) * logsumexp(log_p[:n_hidden]))

    best = minimize(minus, np.zeros(matrix.shape[1] - 1), method="BFGS", options={"gtol": 1e-8})
    return float(gammaln(total + 1) - gammaln(total - n + 1) - best.fun)


@pytest.mark.parametrize(("shape", "n_lists"), [((2, 2, 2), 3), ((2, 2, 2, 3), 3), ((2, 2, 2), 2)])
def test_profile_is_the_maximum_over_the_model(shape, n_lists) -> None:
    # Without the interaction of the two lists themselves: it is not identified.
    terms = all_two_way(len(shape)) if n_lists > 2 else ((), (0,), (1,), (2,), (0, 2))
    counts, matrix, cells = random_table(shape, n_lists, terms, 40.0, 2)
    design = make_design(shape, n_lists, cells)
    fit = fit_model(counts, np.ones(cells.size, dtype=bool), design)
    value = ProfileCurve(counts, fit, design, 0.3)
    hidden = np.array([0.5, 1.0, 3.0]) * fit.hidden.sum()
    expected = [direct_profile(counts.sum() + h, counts, matrix, design.n_hidden) for h in hidden]
    found = [value(np.log(h)) for h in hidden]
    # BFGS stops at a gradient of 1e-8 or at rounding, some 1e-6 below the maximum.
    np.testing.assert_allclose(np.diff(found), np.diff(expected), atol=1e-5)


def test_ends_lie_on_the_cut_and_widen_with_the_level() -> None:
    counts, _, cells = random_table((2, 2, 2, 2), 4, all_two_way(4), 40.0, 3)
    design = make_design((2, 2, 2, 2), 4, cells)
    fit = fit_model(counts, np.ones(cells.size, dtype=bool), design)
    value = ProfileCurve(counts, fit, design, 0.3)
    n = counts.sum()
    narrow = ProfileCurve(counts, fit, design, 0.3).ends(0.5)
    wide = ProfileCurve(counts, fit, design, 0.3).ends(1.92)
    assert n < wide[0] < narrow[0] < n + fit.hidden.sum() < narrow[1] < wide[1]
    ends = [value(np.log(end - n)) for end in wide]
    assert ends[0] == pytest.approx(ends[1], abs=1e-6)


def test_low_end_is_the_observed_number_where_nobody_may_be_hidden() -> None:
    counts = np.array([0, 1, 1, 12, 1, 12, 12, 30], dtype=float)
    design = make_design((2, 2, 2), 3, np.array([0, 1, 2, 4]))
    fit = fit_model(counts, np.ones(4, dtype=bool), design)
    low, high = ProfileCurve(counts, fit, design, 1.0).ends(1.92)
    assert low == counts.sum()
    assert counts.sum() < high < counts.sum() + 10


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("shape", "n_lists"), [((2, 2, 2), 3), ((2, 2, 2, 3), 3)])
def test_explicit_rows_give_the_curve_of_the_lattice(shape, n_lists, seed, monkeypatch) -> None:
    for again in range(0, 40, 4):
        drawn = random_table(shape, n_lists, all_two_way(len(shape)), 30.0, seed + again)
        counts, _, cells = drawn
        design = make_design(shape, n_lists, cells)
        fit = fit_model(counts, np.ones(cells.size, dtype=bool), design)
        if np.isfinite(fit.hidden).all():
            break
    curve = ProfileCurve(counts, fit, design, 0.3)
    monkeypatch.setattr("mse.core.profile._is_well_conditioned", lambda *_: False)
    explicit = ProfileCurve(counts, fit, design, 0.3)
    assert curve._rows is None
    assert explicit._rows is not None
    for factor in (1e-4, 0.3, 1.0, 5.0, 1e4):
        x = np.log(factor * fit.hidden.sum())
        assert explicit(x) == pytest.approx(curve(x), rel=1e-9, abs=1e-9)
    assert explicit.ends(1.92) == pytest.approx(curve.ends(1.92), rel=1e-9)


@pytest.mark.parametrize("largest", [1e4, 1e9, 1e12])
def test_strata_with_counts_of_all_sizes_have_an_interval(largest, recwarn) -> None:
    rng = np.random.default_rng(3)
    for _ in range(6):
        counts = np.floor(np.exp(rng.random((2, 2, 2, 3)) * np.log(largest)))
        counts[0, 0, 0] = 0
        table = mse.CaptureTable.from_array(
            counts.astype(int), lists=["a", "b", "c"], covariates={"s": ["u", "v", "w"]}
        )
        for model in ("main", "a*s + b*s + c*s", "a*b + c*s", "all two-way"):
            found = mse.LogLinear(model).fit(table).population
            recwarn.clear()
            low, high = found.interval(0.95)
            # Ten million times the observed persons hidden: likelihoods of such numbers have no digits left.
            if found.total > 1e7 * table.n_observed and np.isnan(low):
                assert "no profile likelihood" in str(recwarn.pop(mse.ConvergenceWarning).message)
            else:
                assert table.n_observed <= low < high < np.inf
                assert not recwarn
