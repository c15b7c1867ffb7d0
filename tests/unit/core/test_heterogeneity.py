"""The posterior with heterogeneity and dependence against independent computations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, multivariate_t

from mse.core.heterogeneity import (
    FLAT,
    Columns,
    Records,
    Scales,
    draw_coefficients,
    hidden_of,
    interactions,
    means_of,
    posterior,
)
from tests.chance import FAR

NOBODY = np.zeros(0, dtype=np.int64)


def columns_of(n_lists: int, n_strata: int = 1) -> Columns:
    together, order = interactions(n_lists)
    histories = (np.arange(2**n_lists)[:, None] >> np.arange(n_lists)[::-1]) & 1
    rows = np.repeat(np.column_stack([histories, together]), n_strata, axis=0).astype(float)
    flat = np.concatenate([np.full(n_lists, FLAT), np.zeros(order.size)])
    return Columns(rows, flat, np.concatenate([np.zeros(n_lists, dtype=np.int64), order]))


def records_of(counts: np.ndarray, n_strata: int = 1) -> Records:
    observable = np.arange(counts.size) >= n_strata
    return Records(counts.astype(float), NOBODY, NOBODY, np.zeros(0), observable, n_strata)


SCALES = Scales(0.4, 0.42, 0.35, np.asarray([0.5]), 2.0)
COUNTS = np.asarray([0, 60, 51, 19, 34, 12, 9, 7])


def log_density(b: np.ndarray, scales: Scales = SCALES) -> np.ndarray:
    """Evaluate the log posterior for three lists, up to a constant, written anew: b is (..., 8)."""
    histories = (np.arange(8)[:, None] >> np.arange(3)[::-1]) & 1
    pairs = np.column_stack(
        [histories[:, i] * histories[:, j] for i, j in ((0, 1), (0, 2), (1, 2))]
    )
    rows = np.column_stack([np.ones(8), histories, pairs, histories.prod(axis=1)])
    log_means = b @ rows.T
    value = (COUNTS * log_means - np.exp(log_means))[..., 1:].sum(axis=-1)
    omega = scales.spreads[0]
    spread = np.full((3, 3), scales.sd**2) + omega**2 * np.eye(3)
    value -= b[..., 0] ** 2 / (2 * (FLAT**2 + scales.sizes**2))
    value -= (b[..., 1:4] ** 2).sum(axis=-1) / (2 * FLAT**2)
    value += multivariate_normal(np.full(3, scales.mean), spread).logpdf(b[..., 4:7])
    return value - b[..., 7] ** 2 / (2 * (scales.triples**2 + omega**2))


def test_mode_and_curvature_are_those_of_the_density() -> None:
    found = posterior(records_of(COUNTS), columns_of(3), SCALES)
    assert found is not None
    assert found.converged
    best = minimize(
        lambda b: -log_density(b), found.modes[0], method="BFGS", options={"gtol": 1e-9}
    )
    assert best.x == pytest.approx(found.modes[0], abs=1e-5)
    step = 1e-4 * np.eye(8)
    curvature = np.asarray(
        [
            [
                log_density(found.modes[0] + one + two)
                - log_density(found.modes[0] + one - two)
                - log_density(found.modes[0] - one + two)
                + log_density(found.modes[0] - one - two)
                for two in step
            ]
            for one in step
        ]
    )
    numeric = -curvature / (4 * 1e-8)
    assert found.factors[0] @ found.factors[0].T == pytest.approx(numeric, rel=1e-3, abs=0.02)


def test_draws_agree_with_importance_sampling() -> None:
    # What the normal approximation leaves out is small: ends of the interval within a fifth on the log scale.
    found = posterior(records_of(COUNTS), columns_of(3), SCALES)
    assert found is not None
    rng = np.random.default_rng(1)
    drawn = draw_coefficients(found, 40_000, rng)[:, 0]
    covariance = np.linalg.inv(found.factors[0] @ found.factors[0].T)
    proposal = multivariate_t(found.modes[0], 1.5 * covariance, df=5, seed=rng)
    tried = proposal.rvs(200_000)
    weights = log_density(tried) - proposal.logpdf(tried)
    weights = np.exp(weights - logsumexp(weights))
    order = np.argsort(tried[:, 0])
    cumulative = np.cumsum(weights[order])
    for probability in (0.025, 0.5, 0.975):
        exact = tried[order, 0][np.searchsorted(cumulative, probability)]
        assert np.quantile(drawn, probability) == pytest.approx(exact, abs=0.2)


def test_evidence_weighs_the_spread_of_single_interactions() -> None:
    # One pair that stands out asks for a large spread, pairs alike for a small one.
    scales = SCALES._replace(spreads=np.asarray([0.05, 1.5]))
    alike = posterior(
        records_of(np.asarray([0, 400, 400, 160, 400, 160, 160, 100])), columns_of(3), scales
    )
    apart = posterior(
        records_of(np.asarray([0, 400, 400, 10, 400, 600, 10, 20])), columns_of(3), scales
    )
    assert alike is not None
    assert apart is not None
    assert alike.weights[0] > 0.7
    assert apart.weights[1] > 0.99


def test_evidence_is_the_integral_where_it_can_be_computed() -> None:
    # Two lists, effects all but fixed by a tight prior, leave one dimension to integrate over.
    counts = np.asarray([0, 30, 20, 10])
    base = columns_of(2)
    values = []
    for sd in (0.2, 1.0):
        scales = Scales(0.3, sd, 0.35, np.asarray([0.1]), 2.0)
        found = posterior(records_of(counts), base, scales)
        assert found is not None
        grid = np.linspace(-4, 5, 181)
        size = FLAT**2 + 2.0**2
        logs = []
        for u in grid:
            # Given the interaction, integrate the three flat effects by the same method.
            moved = counts * np.asarray([1, 1, 1, 1])
            b = np.zeros(3)
            rows = np.asarray([[1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]], dtype=float)[1:]
            offset = np.asarray([0, 0, u])
            b[0] = np.log(20)
            prior = np.diag([1 / size, 1 / FLAT**2, 1 / FLAT**2])
            for _ in range(100):
                means = np.exp(rows @ b + offset)
                hessian = rows.T @ (rows * means[:, None]) + prior
                step = np.linalg.solve(hessian, rows.T @ (moved[1:] - means) - prior @ b)
                b = b + step * min(1.0, 1.0 / np.abs(step).max())
            means = np.exp(rows @ b + offset)
            value = (moved[1:] * np.log(means) - means).sum() - b @ prior @ b / 2
            value -= np.linalg.slogdet(hessian)[1] / 2
            logs.append(value - (u - 0.3) ** 2 / (2 * (sd**2 + 0.01)) - np.log(sd**2 + 0.01) / 2)
        values.append((logsumexp(logs), found))
    # The ratio of evidences under the two priors, against that of the grid.
    both = posterior(
        records_of(counts), base, Scales(0.3, 1e-6, 0.35, np.sqrt([0.2**2 + 0.01, 1.01]), 2.0)
    )
    assert both is not None
    assert np.log(both.weights[1] / both.weights[0]) == pytest.approx(
        values[1][0] - values[0][0], abs=0.05
    )


def test_strata_apart_from_sizes_are_one_table() -> None:
    # Two strata with the same shares say the same of dependence as their sum.
    twice = np.repeat(COUNTS, 2)
    one = posterior(records_of(2 * COUNTS), columns_of(3), SCALES)
    two = posterior(records_of(twice, 2), columns_of(3, 2), SCALES)
    assert one is not None
    assert two is not None
    assert two.modes[0][2:] == pytest.approx(one.modes[0][1:], abs=0.01)
    rng = np.random.default_rng(1)
    columns, records = columns_of(3, 2), records_of(twice, 2)
    hidden = hidden_of(draw_coefficients(two, 20_000, rng), records, columns, rng)
    error = hidden.std(axis=0).mean() / np.sqrt(len(hidden))
    assert abs(hidden[:, 0].mean() - hidden[:, 1].mean()) < FAR * 2 * error


def test_counts_over_one_cell_are_known_counts() -> None:
    columns = columns_of(3)
    known = posterior(records_of(COUNTS), columns, SCALES)
    moved = COUNTS.astype(float)
    moved[[1, 6]] = 0
    vague = Records(
        moved, np.asarray([0, 1]), np.asarray([1, 6]), COUNTS[[1, 6]].astype(float), COUNTS >= 0, 1
    )
    vague = vague._replace(observable=np.arange(8) > 0)
    other = posterior(vague, columns, SCALES)
    assert known is not None
    assert other is not None
    assert other.modes[0] == pytest.approx(known.modes[0], abs=1e-8)
    assert other.factors[0] == pytest.approx(known.factors[0], abs=1e-6)
    assert other.completed == pytest.approx(COUNTS.astype(float))


def test_counts_over_several_cells_lose_information() -> None:
    columns = columns_of(3)
    merged = COUNTS.astype(float)
    persons = np.asarray([merged[3] + merged[2]])
    merged[[2, 3]] = 0
    records = Records(merged, np.asarray([0, 0]), np.asarray([2, 3]), persons, np.arange(8) > 0, 1)
    less = posterior(records, columns, SCALES)
    more = posterior(records_of(COUNTS), columns, SCALES)
    assert less is not None
    assert more is not None
    spread = [
        np.linalg.inv(each.factors[0] @ each.factors[0].T).diagonal() for each in (less, more)
    ]
    assert (spread[0] >= spread[1] - 1e-9).mean() > 0.8
    assert less.completed.sum() == pytest.approx(COUNTS.sum())


def test_means_are_those_of_the_model() -> None:
    columns = columns_of(3)
    found = posterior(records_of(COUNTS), columns, SCALES)
    assert found is not None
    means = means_of(found.modes, columns, 1)[0]
    # The likelihood equations of flat effects: fitted list totals are the observed ones.
    for k in range(3):
        on = (np.arange(8) >> (2 - k)) & 1 == 1
        assert means[on].sum() == pytest.approx(COUNTS[on].sum(), rel=0.01)
