"""How late registrations are, and tables completed by those still to come."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.stats import chi2

from mse.core import late_reports as late
from tests.chance import RARE


def columns(n_periods: int = 3) -> late.Columns:
    return late.two_way_columns(3, n_periods, (2,))


def periods(rng: np.random.Generator, share: float = 0.6) -> list[late.Reported]:
    whole = late.Reported(rng.poisson(30, (8, 2, 1)).astype(float), np.ones((3, 1)), np.ones(1))
    part = late.Reported(
        rng.poisson(4, (8, 2, 4)).astype(float),
        np.linspace(share, 1, 12).reshape(3, 4),
        np.full(4, 0.25),
    )
    return [whole, whole, part]


def test_reporting_shares_are_the_product_limit_looking_back() -> None:
    # Three events five months ago, reported after 0, 1 and 2 months; two of last month, of which the first is in.
    delay = np.array([0.5, 1.5, 2.5, 0.5])
    age = np.array([5.0, 5.0, 5.0, 1.0])
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    found = late.reporting_shares(delay, age, np.zeros(4, dtype=int), np.ones(4), 1, edges)
    # Of the three that came within three months one came in the third; of two within two one in the second.
    assert found[0] == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_reporting_shares_do_not_take_what_is_in_for_all() -> None:
    rng = np.random.default_rng(1)
    event, delay = rng.uniform(0, 24, 60_000), rng.uniform(1, 9, 60_000)
    known = delay < 24 - event
    edges = np.arange(0, 9.5, 0.5)
    found = late.reporting_shares(
        delay[known],
        (24 - event)[known],
        np.zeros(known.sum(), dtype=int),
        np.ones(known.sum()),
        1,
        edges,
    )
    assert found[0] == pytest.approx(np.clip((edges - 1) / 8, 0, 1), abs=0.015)
    # The share of those in that came within three months is larger.
    assert (delay[known] < 3).mean() > found[0, 6] + 0.03


def test_thinning_leaves_the_persons_and_moves_them_to_fewer_lists() -> None:
    rng = np.random.default_rng(2)
    mean, share = rng.uniform(1, 5, (8, 4)), rng.uniform(0, 1, (3, 4))
    found = late.thinned(mean, share)
    assert found.sum(axis=0) == pytest.approx(mean.sum(axis=0))
    on = late.codes_of((2, 2, 2)).astype(bool)
    for k in range(3):
        assert found[on[:, k]].sum(axis=0) == pytest.approx(share[k] * mean[on[:, k]].sum(axis=0))
    by_chance = np.einsum("gah,ha->ga", late._reported_given(share), mean)
    assert found == pytest.approx(by_chance)


def test_gradient_is_that_of_the_log_posterior() -> None:
    rng = np.random.default_rng(3)
    data, design = periods(rng), columns()
    penalty = late._penalty(data, design, 0.3, 0.2)
    at = late._start(data, design, penalty) + rng.normal(0, 0.05, len(penalty))
    off = check_grad(
        lambda x: late._expected(data, design, x, penalty)[0],
        lambda x: late._expected(data, design, x, penalty)[1],
        at,
    )
    assert off < 1e-3 * np.linalg.norm(late._expected(data, design, at, penalty)[1])


def test_where_everything_is_in_the_fit_is_that_of_the_counts() -> None:
    rng = np.random.default_rng(4)
    counts = rng.poisson(40, (8, 2, 1)).astype(float)
    one = late.Reported(counts, np.ones((3, 1)), np.ones(1))
    design = columns(1)
    fitted = late.fit_reported([one], design, 1.0, 0.2)
    mean = late.cell_means(one, design.of_cell[0], fitted.mode)
    # Margins of a list by stratum are fitted, but for the weak priors.
    on = late.codes_of((2, 2, 2)).astype(bool)
    assert mean[on[:, 0]].sum(axis=0) == pytest.approx(counts[on[:, 0]].sum(axis=0), rel=0.01)


@pytest.mark.parametrize("months", [1, 4])
def test_a_list_that_is_not_in_keeps_the_share_of_earlier_periods(months: int) -> None:
    whole = late.Reported(np.full((8, 2, 1), 50.0), np.ones((3, 1)), np.ones(1))
    counts = late.thinned(
        np.full((8, months, 2), 50.0 / months), np.tile([[1.0], [1.0], [0.0]], (1, months))
    )
    now = late.Reported(
        np.moveaxis(counts, 1, 2).copy(),
        np.tile([[1.0], [1.0], [0.0]], (1, months)),
        np.full(months, 1 / months),
    )
    now.counts[0] = 0
    design = columns(2)
    fitted = late.fit_reported([whole, now], design, 0.1, 0.1)
    before, after = fitted.mode[design.drifting[2]]
    assert after == pytest.approx(before, abs=1e-6)
    spread = np.sqrt(np.diag(np.linalg.inv(fitted.root @ fitted.root.T)))[design.drifting[2]]
    # It is known as well as that of the period before, and the drift.
    assert spread[1] == pytest.approx(np.hypot(spread[0], 0.1), rel=0.05)


def test_completed_persons_are_those_in_and_more() -> None:
    rng = np.random.default_rng(5)
    part = periods(rng)[2]
    mean = np.full((8, 2, 4), 5.0)
    mean[0] = 0
    drawn = np.array([late.completed(part, mean, rng) for _ in range(2000)])
    assert (drawn.sum(axis=(1, 2)) >= part.counts[1:].sum()).all()
    assert (drawn[:, 0] == 0).all()
    missing = (mean * late._reported_given(part.share)[0].T[:, None, :]).sum()
    assert drawn.sum(axis=(1, 2)).mean() == pytest.approx(
        part.counts[1:].sum() + missing, abs=4 * np.sqrt(missing / 2000)
    )


def test_completed_tables_of_thinned_ones_are_as_the_whole_ones() -> None:
    rng = np.random.default_rng(6)
    mean = rng.uniform(1, 20, (8, 1, 3))
    mean[0] = 0
    share = np.array([[0.3, 0.7, 1.0], [0.2, 0.6, 0.9], [0.5, 0.8, 1.0]])
    draws = []
    for _ in range(1500):
        whole = rng.poisson(mean)
        now = np.zeros_like(whole)
        for h, _, a in np.argwhere(whole > 0):
            kept = late.codes_of((2, 2, 2))[h] * (rng.random((whole[h, 0, a], 3)) < share[:, a])
            np.add.at(now, (kept @ [4, 2, 1], 0, a), 1)
        now[0] = 0
        draws.append(late.completed(late.Reported(now.astype(float), share, np.ones(3)), mean, rng))
    drawn = np.array(draws)[:, :, 0]
    wanted = mean[:, 0].sum(axis=1)
    assert np.abs(drawn.mean(axis=0) - wanted)[1:] == pytest.approx(
        np.zeros(7), abs=5 * np.sqrt(wanted.max() / 1500)
    )
    # They vary as whole ones do: the variance of a Poisson number is its mean.
    assert drawn.var(axis=0)[1:] / wanted[1:] == pytest.approx(np.ones(7), abs=0.2)


def test_drift_is_found_beyond_chance() -> None:
    rng = np.random.default_rng(7)
    design = late.two_way_columns(3, 6, ())
    still, moving = [], []
    for t in range(6):
        at = np.zeros(design.of_cell.shape[-1])
        at[0:6] = 5.0
        for found, shift in ((still, 0.0), (moving, 0.8)):
            its = at.copy()
            its[design.drifting[:, t]] = shift * rng.standard_normal(3)
            mean = np.exp(design.of_cell[t, :, 0] @ its)
            found.append(
                late.Reported(
                    rng.poisson(mean)[:, None, None].astype(float), np.ones((3, 1)), np.ones(1)
                )
            )
    complete = np.ones(6, dtype=bool)

    def spread(data: list[late.Reported]) -> float:
        squares, worth = late.drift_of(late.fit_reported(data, design, 0.5, 0.1), design, complete)
        return float(np.sqrt(squares / worth))

    # A difference of two such shares has the standard deviation .8 times the root of 2; some ten of them are free.
    low, high = 0.8 * np.sqrt(2 * chi2.ppf([RARE, 1 - RARE], 10) / 10)
    assert spread(still) < 0.15 < low
    assert low < spread(moving) < high


def test_a_stretch_of_delays_is_seen() -> None:
    rng = np.random.default_rng(8)
    edges = np.arange(0, 12.5, 0.5)
    shares = np.clip((edges - 1) / 8, 0, 1)
    age = rng.uniform(0, 12, 800)
    delay = rng.uniform(1, 9, 800) * np.exp(0.25)
    known = delay < age
    drawn = [
        late.drawn_stretch(shares, edges, delay[known], age[known], 0.2, rng) for _ in range(50)
    ]
    assert np.mean(drawn) == pytest.approx(0.25, abs=0.08)
    nothing = [late.drawn_stretch(shares, edges, age[:0], age[:0], 0.2, rng) for _ in range(300)]
    assert np.std(nothing) == pytest.approx(0.2, rel=0.2)
    assert abs(np.mean(nothing)) < 0.06


def test_months_differ_beyond_chance() -> None:
    rng = np.random.default_rng(9)
    even, uneven = np.full((4, 12), 200.0), 200 * np.exp(0.4 * rng.standard_normal((4, 12)))
    assert late.monthly_of(rng.poisson(even)) == late.LEAST_MONTHLY
    assert late.monthly_of(rng.poisson(uneven)) == pytest.approx(0.4, rel=0.35)
