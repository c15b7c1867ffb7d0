"""The chain behind `PooledLogLinear`: what its moves leave as it is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import mse
from mse.bayes.pooled_posterior import lay_out
from mse.core.pooled import LEAST_SCALE, cell_means, log_posterior, prior_points
from mse.core.pooled_chain import advance, begin, interweave
from tests.chance import RARE

SHAPES = {
    "places and years": ({"place": 6, "year": 3}, "year"),
    "places alone": ({"place": 7}, None),
    "years alone": ({"year": 5}, "year"),
}


def table(rng, levels):
    sizes = tuple(levels.values())
    counts = rng.poisson(4.0, (2, 2, 2, *sizes))
    counts[0, 0, 0] = 0
    return mse.CaptureTable.from_array(
        counts, list("abc"), {n: list(range(k)) for n, k in levels.items()}
    )


@pytest.fixture(params=list(SHAPES.values()), ids=list(SHAPES))
def layout(request, rng):
    levels, time = request.param
    return lay_out(mse.PooledLogLinear(time=time), table(rng, levels))


def test_spreads_are_drawn_with_the_effects_held(layout, rng):
    """Every cell keeps its mean, and nearly every spread is another one."""
    for data in (layout.data, layout.uncentered):
        points = prior_points(rng, 20, layout.prior, len(data.counts))
        before = cell_means(points, layout.prior, data)
        spreads = points[:, layout.prior.cuts[0] : layout.prior.cuts[1]].copy()
        moved = spreads.min(axis=1) > np.log(LEAST_SCALE)
        for point in points:
            interweave(rng, point, layout.prior, data)
        after = cell_means(points, layout.prior, data)
        # Effects are divided by spreads and multiplied by others.
        np.testing.assert_allclose(after[moved], before[moved], rtol=1e-6)
        now = points[:, layout.prior.cuts[0] : layout.prior.cuts[1]]
        assert (now != spreads)[moved].mean() > 0.9


def test_the_prior_stays_as_it_is(layout, rng):
    """Points of the prior are points of the prior after the spreads are drawn anew, coordinates included."""
    prior, data = layout.prior, layout.uncentered
    points = prior_points(rng, 1500, prior, len(data.counts))
    for point in points:
        interweave(rng, point, prior, data)
    spreads = np.exp(points[:, prior.cuts[0] : prior.cuts[1]])
    for spread, scale in zip(spreads.T, prior.scales, strict=True):
        assert (
            stats.kstest(spread, stats.halfnorm(scale=scale).cdf).pvalue > RARE / spreads.shape[1]
        )
    free = np.flatnonzero(prior.degree == 0)
    z = points[:, prior.cuts[1] + free]
    p = np.array([stats.kstest(each, "norm").pvalue for each in z.T])
    assert p.min() > RARE / p.size


def test_a_wrong_number_of_effects_would_show(layout, rng):
    """The negative control: had the spread of pairs one effect more, its distribution would be another."""
    from mse.core.pooled_chain import _one_scale

    prior, n = layout.prior, 3
    drawn = np.empty(10_000)
    for m in range(drawn.size):
        spread = abs(rng.standard_normal()) * prior.scales[1]
        squares = ((spread * rng.standard_normal(n)) ** 2).sum()
        drawn[m] = np.exp(_one_scale(rng, np.log(spread), squares, n + 1, prior.scales[1]))
    assert stats.kstest(drawn, stats.halfnorm(scale=prior.scales[1]).cdf).pvalue < RARE


def test_without_partly_known_counts_the_density_is_the_same(rng):
    """The shorter way for complete data against the general one, which a single count is put through."""
    layout = lay_out(mse.PooledLogLinear(time="year"), table(rng, {"place": 6, "year": 3}))
    data = layout.data
    at = np.argwhere(data.counts > 0)[0]
    n, counts = int(data.counts[tuple(at)]), data.counts.copy()
    counts[tuple(at)] = 0
    cell = int(at[0]) * counts.shape[1] + int(at[1])
    ints = [np.asarray(each, dtype=np.int64) for each in ([0, 1], [cell], [n], [n], [0])]
    names = ("first_box", "boxes", "low", "high", "kind")
    general = data._replace(counts=counts, **dict(zip(names, ints, strict=True)))
    for _ in range(5):
        x = layout.start + rng.uniform(-1, 1, layout.dimension)
        slopes = np.zeros((2, layout.dimension))
        found = [
            log_posterior(x, layout.prior, each, slope)
            for each, slope in zip((data, general), slopes, strict=True)
        ]
        # Sums of some hundred terms in another order.
        assert found[0] == pytest.approx(found[1], rel=1e-11)
        np.testing.assert_allclose(
            slopes[0], slopes[1], rtol=1e-9, atol=1e-9 * np.abs(slopes).max()
        )


def test_a_chain_goes_on_from_where_it_is(layout):
    """In one go or in several, with one stream of random numbers the draws are the same."""

    def run(*rounds):
        rng = np.random.default_rng(5)
        state = begin(layout.start.copy(), 60)
        draws, stats_ = np.zeros((100, layout.dimension)), np.zeros((100, 2))
        for first, last in rounds:
            advance(
                rng, *state, layout.prior, layout.data, 0.8, draws[first:last], stats_[first:last]
            )
        return draws

    np.testing.assert_array_equal(run((0, 100)), run((0, 30), (30, 77), (77, 100)))


def test_a_chain_comes_back_from_where_spreads_are_as_good_as_none(layout, rng):
    """There the density loses its digits; a chain that was thrown there on its way did not come back."""
    first, last = layout.prior.cuts[0], layout.prior.cuts[1]
    for at in range(first, last):
        x = layout.start + rng.uniform(-1, 1, layout.dimension)
        x[at] = -20.0
        state = begin(x, 100)
        draws, noted = np.zeros((200, layout.dimension)), np.zeros((200, 2))
        advance(rng, *state, layout.prior, layout.data, 0.8, draws, noted)
        assert (draws[100:, at] > np.log(LEAST_SCALE) - 1).all()
        assert noted[100:, 1].mean() < 500
