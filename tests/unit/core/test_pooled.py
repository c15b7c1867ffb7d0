"""The pooled model: gradients against differences, its density against the definition, draws."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chisquare, norm, poisson

from mse.core.pooled import (
    KIND_SCALE,
    Parameters,
    Pooled,
    Prior,
    _truncated_draw,
    cell_means,
    common_coefficients,
    density,
    log_posterior,
    populations,
    prior_points,
    rotate,
    vary,
    vary_transposed,
)
from tests.chance import FAR, RARE

#: Central differences with steps of 1e-5 keep six digits of slopes of some hundreds.
SLOPE_TOLERANCE = 1e-4


def integers(values):
    return np.asarray(values, dtype=np.int64)


def make_data(rng, *, covariates=((4, True), (3, False)), partly=True, kinds=1) -> Pooled:
    """Three lists and strata of all combinations; covariates are (levels, whether a random walk)."""
    n_lists, sizes = 3, [size for size, _ in covariates]
    n_strata = int(np.prod(sizes))
    counts = rng.poisson(2.0, (n_strata, 8)).astype(float)
    counts[:, 0] = 0
    counts[-2:] = 0
    observable = np.ones((n_strata, 8), dtype=np.bool_)
    observable[:, 0] = False
    observable[0, 1] = False
    counts[0, 1] = 0
    seen = counts.sum(axis=1)
    steps = [
        np.r_[0.0, np.sqrt(np.arange(1, n))] if walk else -np.ones(n) for n, walk in covariates
    ]
    bits = [4, 2, 1]
    cells = integers([*bits, *(a + b for a, b in combinations(bits, 2))])
    boxes, first, low, high, kind = [], [0], [], [], []
    if partly:
        # A record in one of two histories, one in one of two strata, a suppressed and a lower bound.
        boxes, first = [3, 5, 9, 17, -1, 13, 22], [0, 2, 5, 6, 7]
        low, high = [4, 2, 0, 3], [4, 2, 4, np.iinfo(np.int64).max]
        kind = [0, kinds - 1, 0, kinds - 1]
    return Pooled(
        shape=integers([2] * n_lists),
        counts=counts,
        observable=observable,
        anchor=np.log(seen + 0.5),
        width=np.where(seen >= 3, 1 / np.sqrt(seen + 1), 0.0),
        place=integers(np.unravel_index(np.arange(n_strata), sizes)).reshape(len(sizes), n_strata),
        first=integers([0, *np.cumsum(sizes)]),
        steps=np.concatenate(steps),
        sized=np.asarray([len(sizes) > 1 or walk for _, walk in covariates]),
        deviating=np.asarray([len(sizes) > 1]),
        cells=cells,
        rate_prior=np.array([-1.5, 0.8]),
        first_box=integers(first),
        boxes=integers(boxes),
        low=integers(low),
        high=integers(high),
        kind=integers(kind),
        n_kinds=integers([kinds]),
        sums=counts @ ((np.arange(8)[:, None] & cells) == cells).astype(float),
    )


def make_prior(data: Pooled) -> Prior:
    n_scales = 2 + int((5 + data.sized).sum()) + 4 * int(data.deviating[0])
    n_z = 6 + int((np.diff(data.first) * (7 + data.sized)).sum()) + int(data.n_kinds[0]) - 1
    n_z += 4 * len(data.counts) * int(data.deviating[0])
    scales = np.linspace(0.3, 0.8, n_scales)
    cuts = integers(np.cumsum([1, n_scales, n_z]))
    # Some coordinates in each form; the density does not know which scale is whose.
    owner = integers(np.arange(n_z) % n_scales)
    degree = np.tile([0.0, 1.0, 0.4], n_z)[:n_z]
    degree[n_z - int(data.n_kinds[0]) + 1 :] = 0
    return Prior(np.array([2.0, 0.7]), scales, cuts, owner, degree, np.log(scales / 2))


WORLDS = {
    "walk and exchangeable, records known in part": {"kinds": 2},
    "one exchangeable covariate": {"covariates": ((5, False),), "partly": False},
    "one random walk": {"covariates": ((5, True),)},
}


@pytest.fixture(params=list(WORLDS.values()), ids=list(WORLDS))
def case(request, rng):
    data = make_data(rng, **request.param)
    return data, make_prior(data)


def value_at(x, prior, data):
    return log_posterior(x, prior, data, np.zeros(x.size))


def test_gradient_is_that_of_the_density(case, rng) -> None:
    data, prior = case
    x = 0.5 * rng.standard_normal(int(prior.cuts[2]) + len(data.counts))
    gradient = np.zeros(x.size)
    log_posterior(x, prior, data, gradient)
    steps = 1e-5 * np.eye(x.size)
    found = [(value_at(x + h, prior, data) - value_at(x - h, prior, data)) / 2e-5 for h in steps]
    np.testing.assert_allclose(gradient, found, atol=SLOPE_TOLERANCE)


def by_definition(x, prior, data) -> float:
    """Log posterior from distributions of scipy and the means, up to what does not depend on x."""
    means = cell_means(x[None], prior, data)[0]
    n_kinds = int(data.n_kinds[0])
    odds = np.r_[0.0, KIND_SCALE * x[prior.cuts[2] - n_kinds + 1 : prior.cuts[2]]]
    shares = np.exp(odds - logsumexp(odds))
    value = -means[data.observable].sum()
    known = data.counts > 0
    value += (data.counts[known] * np.log(means[known] * shares[0])).sum()
    flat = means.ravel()
    for o, (low, high) in enumerate(zip(data.low, data.high, strict=True)):
        box = data.boxes[data.first_box[o] : data.first_box[o + 1]]
        mean = flat[box[box >= 0]].sum() * shares[data.kind[o]]
        k = np.arange(low, min(high, low + 400) + 1)
        logs = poisson.logpmf(k, mean)
        # The mean itself is among those that were subtracted; an exact count has no factorial here.
        value += low * np.log(mean) if low == high else logsumexp(logs) + mean
    scales = np.exp(x[prior.cuts[0] : prior.cuts[1]])
    z = x[prior.cuts[1] : prior.cuts[2]]
    widths = (scales / np.exp(prior.usual))[prior.owner] ** prior.degree
    value += norm.logpdf(x[0], *prior.level) + norm.logpdf(z, 0, widths).sum()
    value += norm.logpdf(scales, 0, prior.scales).sum() + np.log(scales).sum()
    return value


def test_density_is_that_of_the_definition(case, rng) -> None:
    """With sizes measured from their prior, that is standard normal; differences of two points."""
    data, prior = case
    data = data._replace(width=np.zeros_like(data.width))
    points = 0.4 * rng.standard_normal((2, int(prior.cuts[2]) + len(data.counts)))
    r = points[:, prior.cuts[2] :]
    expected = [
        by_definition(x, prior, data) + norm.logpdf(own).sum()
        for x, own in zip(points, r, strict=True)
    ]
    found = [value_at(x, prior, data) for x in points]
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0], rel=1e-9)


def test_both_ways_of_measuring_sizes_are_one_density(case, rng) -> None:
    """Sizes u = anchor + width r and u = location + log pi + tau r: the densities differ by the Jacobian."""
    data, prior = case
    bare = data._replace(width=np.zeros_like(data.width))
    found = []
    for _ in range(2):
        x = 0.4 * rng.standard_normal(int(prior.cuts[2]) + len(data.counts))
        at = int(prior.cuts[2])
        means = cell_means(x[None], prior, bare)[0]
        u = np.log((means * data.observable).sum(axis=1))
        moved = x.copy()
        centered = data.width > 0
        moved[at:][centered] = (u - data.anchor)[centered] / data.width[centered]
        log_tau = x[prior.cuts[0]]
        jacobian = -log_tau * centered.sum()
        found.append(value_at(x, prior, bare) - value_at(moved, prior, data) + jacobian)
    assert found[0] == pytest.approx(found[1], abs=1e-9)


def test_coordinates_of_effects_are_a_matter_of_the_sampler_alone(case, rng) -> None:
    """The same effects in other coordinates: the densities differ by the Jacobian, and figures agree."""
    data, prior = case
    bare = prior._replace(degree=np.zeros_like(prior.degree))
    found = []
    for _ in range(2):
        x = 0.4 * rng.standard_normal(int(prior.cuts[2]) + len(data.counts))
        moved = x.copy()
        log_widths = prior.degree * (x[prior.cuts[0] : prior.cuts[1]] - prior.usual)[prior.owner]
        moved[prior.cuts[1] : prior.cuts[2]] *= np.exp(log_widths)
        found.append(value_at(x, bare, data) - value_at(moved, prior, data) - log_widths.sum())
        means = [cell_means(p[None], q, data) for p, q in ((x, bare), (moved, prior))]
        np.testing.assert_allclose(means[0], means[1])
    assert found[0] == pytest.approx(found[1], abs=1e-9)


def test_rotation_is_its_own_inverse_and_starts_with_the_mean(rng) -> None:
    x = rng.standard_normal(5)
    turned = x.copy()
    rotate(turned)
    assert turned @ turned == pytest.approx(x @ x)
    rotate(turned)
    np.testing.assert_allclose(turned, x)
    first = np.eye(5)[0].copy()
    rotate(first)
    np.testing.assert_allclose(first, 1 / np.sqrt(5))


@pytest.mark.parametrize("steps", [-np.ones(6), np.r_[0.0, 1, 1, np.sqrt(2), 1, 1]])
def test_effects_of_levels_sum_to_zero_and_transpose(steps, rng) -> None:
    z, g = rng.standard_normal((6, 2)), rng.standard_normal((6, 2))
    effects, back = z.copy(), g.copy()
    vary(effects, steps)
    vary_transposed(back, steps)
    np.testing.assert_allclose(effects.sum(axis=0), 0, atol=1e-12)
    assert (effects * g).sum() == pytest.approx((z * back).sum())


def test_exchangeable_effects_have_variance_one() -> None:
    matrix = np.eye(4)
    vary(matrix, -np.ones(4))
    np.testing.assert_allclose((matrix @ matrix.T).diagonal(), 1.0)


def test_populations_hold_everybody_who_was_seen(rng) -> None:
    data = make_data(rng, kinds=2)
    prior = make_prior(data)
    points = prior_points(rng, 200, prior, len(data.counts))
    drawn, exact = populations(rng, points, prior, data), data.counts.sum(axis=1)
    allotted = drawn.observed - exact
    # The same registered persons in every draw, wherever they are.
    assert (allotted.sum(axis=1) == data.low.sum()).all()
    assert drawn.expected.sum() == pytest.approx(exact.sum() + data.low.sum())
    # Four persons are in stratum 0, two in stratum 1 or 2, three in stratum 2: see `make_data`.
    assert (allotted[:, 0] == 4).all()
    assert set(allotted[:, 1]) == {0, 1, 2}
    assert (allotted[:, 1] + allotted[:, 2] == 2 + 3).all()
    # A mean of 200 draws of at most two persons, whose spread is at most 1.
    np.testing.assert_allclose(
        allotted.mean(axis=0), drawn.expected - exact, atol=FAR / np.sqrt(200)
    )


def test_hidden_persons_are_those_on_no_list_and_those_beyond_lower_bounds(rng) -> None:
    data = make_data(rng)
    # Nobody can be unseen: what is left are the persons of the count of 0 to 4 in stratum 1.
    high = np.where(data.high > 4, data.low, data.high)
    data = data._replace(observable=np.ones_like(data.observable), high=high)
    prior = make_prior(data)
    drawn = populations(rng, prior_points(rng, 200, prior, len(data.counts)), prior, data)
    assert set(drawn.hidden[:, 1]) <= {0, 1, 2, 3, 4}
    assert drawn.hidden[:, 1].max() > 0
    assert (np.delete(drawn.hidden, 1, axis=1) == 0).all()


def test_many_points_at_once_are_points_one_by_one(case, rng) -> None:
    data, prior = case
    data = data._replace(width=np.zeros_like(data.width))
    points = prior_points(rng, 5, prior, len(data.counts))
    alone = [cell_means(point[None], prior, data)[0] for point in points]
    np.testing.assert_allclose(cell_means(points, prior, data), alone)


def test_common_effects_have_their_prior(rng) -> None:
    data = make_data(rng)
    prior = make_prior(data)
    points = prior_points(rng, 4000, prior, len(data.counts))
    common = common_coefficients(points, prior, data)
    np.testing.assert_allclose(common[:, :3].mean(axis=0), -1.5, atol=FAR * 0.8 / np.sqrt(4000))
    np.testing.assert_allclose(common[:, :3].std(axis=0), 0.8, rtol=FAR / np.sqrt(8000))


@pytest.mark.parametrize(("mean", "low", "high"), [(3.0, 0, 4), (0.2, 3, 9), (40.0, 20, 35)])
def test_numbers_between_bounds_are_poisson_there(mean, low, high, rng) -> None:
    drawn = [_truncated_draw(rng, mean, low, high) for _ in range(4000)]
    k = np.arange(low, high + 1)
    weights = poisson.pmf(k, mean)
    expected = 4000 * weights / weights.sum()
    common = expected > 5
    found = np.bincount(np.asarray(drawn, dtype=np.int64) - low, minlength=k.size)
    assert found.sum() == 4000
    observed = np.r_[found[common], found[~common].sum()]
    wanted = np.r_[expected[common], expected[~common].sum()]
    if wanted[-1] < 1:
        observed, wanted = observed[:-1], wanted[:-1] * observed[:-1].sum() / wanted[:-1].sum()
    assert chisquare(observed, wanted).pvalue > RARE


def test_points_out_of_range_are_no_error(rng) -> None:
    """A sampler that strays gets a number that is not finite, never an exception."""
    data = make_data(rng)
    prior = make_prior(data)
    for size in (-1e4, 1e4):
        x = np.full(int(prior.cuts[2]) + len(data.counts), size)
        assert not np.isfinite(value_at(x, prior, data))


def test_density_leaves_priors_out(rng) -> None:
    data = make_data(rng, partly=False)
    prior = make_prior(data)
    prior = prior._replace(degree=np.zeros_like(prior.degree))
    x = 0.3 * rng.standard_normal(int(prior.cuts[2]) + len(data.counts))
    a, b, c = prior.cuts
    parts = Parameters(x[:a], np.exp(x[a:b]), x[b:c].copy(), x[c:].copy())
    found = density(parts, data, Parameters(*(np.zeros_like(each) for each in parts)))
    rest = value_at(x, prior, data) - found
    expected = norm.logpdf(x[b:c]).sum() + 0.5 * np.log(2 * np.pi) * (c - b)
    expected += x[a:b].sum() - (np.exp(2 * x[a:b]) / prior.scales**2).sum() / 2
    expected -= ((x[0] - 2.0) / 0.7) ** 2 / 2
    assert rest == pytest.approx(expected)
