"""The posterior of latent classes and the moves that leave it as it is, against plain arithmetic."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime, check_grad
from scipy.special import betaln, expit, logsumexp
from scipy.stats import multivariate_normal

from benchmarks.sbc_latent_classes import target_of
from mse.bayes.latent_classes import mixture
from mse.core.latent_classes.chain import (
    Atlas,
    coordinates,
    draw_atlas,
    exchange,
    fit_mixture,
    log_density,
    make_state,
    no_atlas,
    position,
    run,
    scatter,
    travel,
)
from mse.core.latent_classes.density import (
    Priors,
    caught_share,
    evaluate,
    make_workspace,
    missed_share,
    n_parameters,
    slope,
    total_length,
)
from tests.chance import FAR

COUNTS = np.array([0, 5, 3, 4, 6, 0, 2, 7])
OTHER = Priors(shape=0.7, rate=1.3, on=1.5, off=2.0)


def target(counts=COUNTS, classes=3, priors=OTHER):
    counts = np.asarray(counts)
    return target_of(counts.reshape(len(counts), -1), classes, priors)


TWO_STRATA = target(np.stack([COUNTS, COUNTS[::-1].copy()], axis=1) * (np.arange(8) > 0)[:, None])


def value_of(theta, given):
    return sum(evaluate(theta, given, make_workspace(given))[:2])


def slope_of(theta, given):
    work, gradient = make_workspace(given), np.zeros(theta.size)
    length = evaluate(theta, given, work)[2]
    slope(given, work, length, gradient)
    return gradient


def plain_likelihood(theta, counts, given):
    weights, chances = (each[0] for each in mixture(theta[None], given))
    value = 0.0
    for s, column in enumerate(counts.reshape(len(counts), -1).T):
        shares = [
            weights[s] @ np.prod(np.where(np.array(history)[:, None], chances, 1 - chances), axis=0)
            for history in product((0, 1), repeat=len(chances))
        ]
        value += column[1:] @ np.log(shares[1:]) - column[1:].sum() * np.log(1 - shares[0])
    return value


# Density -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [target(), TWO_STRATA], ids=["one stratum", "two"])
def test_likelihood_is_that_of_histories_given_that_a_person_is_seen(given, rng) -> None:
    data = given.histories
    counts = np.zeros((8, data.observed.size))
    for s in range(data.observed.size):
        for r in range(data.bounds[s], data.bounds[s + 1]):
            members = data.lists[data.starts[r] : data.starts[r + 1]]
            counts[sum(4 >> j for j in members), s] = data.counts[r]
    theta = rng.normal(size=n_parameters(given))
    found = evaluate(theta, given, make_workspace(given))[0]
    assert found == pytest.approx(plain_likelihood(theta, counts, given))


def test_prior_of_the_sticks_is_that_of_breaks_with_alpha_integrated_out(rng) -> None:
    """Differences of the log prior, against quadrature over alpha."""
    given = target(classes=3)

    def plain(v):
        breaks = expit(v)
        rest = np.log1p(-breaks).sum()

        def density(alpha):
            prior = (OTHER.shape - 1) * np.log(alpha) - OTHER.rate * alpha
            return np.exp(prior + 2 * np.log(alpha) + (alpha - 1) * rest)

        return np.log(quad(density, 0, np.inf)[0]) + np.log(breaks * (1 - breaks)).sum()

    theta, other = rng.normal(size=(2, n_parameters(given)))
    other[2:] = theta[2:]
    work = make_workspace(given)
    found = evaluate(theta, given, work)[1] - evaluate(other, given, work)[1]
    assert found == pytest.approx(plain(theta[:2]) - plain(other[:2]), abs=1e-6)


def test_prior_of_capture_probabilities_is_beta(rng) -> None:
    given = target()
    theta, other = rng.normal(size=(2, n_parameters(given)))
    other[:2] = theta[:2]

    def plain(logits):
        chances = expit(logits)
        log = OTHER.on * np.log(chances) + OTHER.off * np.log1p(-chances)
        return (log - betaln(OTHER.on, OTHER.off)).sum()

    work = make_workspace(given)
    found = evaluate(theta, given, work)[1] - evaluate(other, given, work)[1]
    assert found == pytest.approx(plain(theta[2:]) - plain(other[2:]))


@pytest.mark.parametrize("given", [target(), TWO_STRATA, target(classes=1)])
def test_gradient_is_that_of_the_density(given, rng) -> None:
    theta = rng.normal(size=n_parameters(given))
    # Differences of the density are exact to the square root of a double's precision.
    assert check_grad(value_of, slope_of, theta, given) < 1e-4


def test_extremes_stay_numbers() -> None:
    given = target()
    for v in (-1e3, 1e3, 1e100):
        theta = np.full(n_parameters(given), 0.5)
        theta[:2] = v
        assert np.isfinite(value_of(theta, given))
        assert np.isfinite(slope_of(theta, given)).all()
    theta[2:] = 40.0
    assert value_of(theta, given) == -np.inf


# Coordinates of jumps ------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [target(), TWO_STRATA], ids=["one stratum", "two"])
@pytest.mark.parametrize("order", [[2, 0], [1, 2, 0]])
def test_coordinates_lead_back_to_the_state(given, order, rng) -> None:
    order = np.array(order)
    n_strata = given.histories.observed.size
    x = np.zeros(n_strata * (order.size - 1) + 3 * order.size)
    theta = rng.normal(size=n_parameters(given))
    coordinates(theta, given, order, x)
    back = theta.copy()
    assert position(x, given, order, back)
    np.testing.assert_allclose(back, theta, atol=1e-9)


@pytest.mark.parametrize("given", [target(), TWO_STRATA], ids=["one stratum", "two"])
def test_density_of_coordinates_has_the_right_jacobian(given, rng) -> None:
    order = np.array([1, 2, 0])
    theta = rng.normal(size=n_parameters(given))

    def x_of(theta):
        x = np.zeros(theta.size)
        return coordinates(theta, given, order, x), x

    jacobian = approx_fprime(theta, lambda theta: x_of(theta)[1], 1e-7)
    assert x_of(theta)[0] == pytest.approx(-np.linalg.slogdet(jacobian)[1], abs=1e-5)


# Mixtures ------------------------------------------------------------------------------------------


def test_mixture_finds_two_groups(rng) -> None:
    low = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.9], [0.9, 1.0]], 600)
    high = rng.multivariate_normal([50.0, -3.0], [[4.0, 0.0], [0.0, 0.01]], 300)
    found = fit_mixture(rng, np.concatenate([low, high]), 2)
    first = int(np.argmin(found.means[:, 0]))
    # A mean over 600 draws of variance 1.
    np.testing.assert_allclose(found.means[first], [0.0, 0.0], atol=FAR / np.sqrt(600))
    lower = np.tril(found.factors[first])
    np.testing.assert_allclose(lower @ lower.T, np.cov(low.T), rtol=0.03)
    shares = np.diff(found.cumulative, prepend=0.0)
    assert sorted(shares) == pytest.approx([1 / 3, 2 / 3])
    x = np.array([0.5, 0.2])
    parts = [
        np.log(shares[c]) + multivariate_normal(found.means[c], lower @ lower.T).logpdf(x)
        for c, lower in enumerate(np.tril(found.factors))
    ]
    assert log_density(x, found) == pytest.approx(logsumexp(parts))


# Moves ---------------------------------------------------------------------------------------------


def test_exchange_leaves_the_mixture_as_it_is(rng) -> None:
    given = TWO_STRATA
    work = make_workspace(given)
    theta = rng.normal(size=n_parameters(given))
    state, moved = make_state(theta, given, work), 0
    for _ in range(50):
        other, changed = exchange(rng, state, given, work)
        assert other.likelihood == pytest.approx(state.likelihood)
        assert other.prior == pytest.approx(value_of(other.theta, given) - other.likelihood)
        moved += changed
    assert moved > 0


def test_trajectories_are_reversible_and_keep_the_energy(rng) -> None:
    given = target()
    work = make_workspace(given)
    state = make_state(rng.normal(size=n_parameters(given)), given, work)
    probabilities = [travel(rng, state, given, work, step, 10)[1] for step in [1e-3] * 20]
    assert min(probabilities) > 0.99


#: Two lists, two classes: five dimensions, of which a grid sees everything.
TINY = np.array([0, 3, 2, 4])


def figures(theta, given):
    """Share of hidden persons, first break and a capture probability of states (M, D)."""
    weights, chances = mixture(theta, given)
    missed = (weights[:, 0] * np.prod(1 - chances, axis=1)).sum(axis=1)
    return np.stack([missed, missed**2, weights[:, 0, 0], chances[:, 0, 1]])


@cache
def posterior_means():
    """Gauss-Legendre quadrature over distribution functions, in which the prior is uniform."""
    given = target(TINY, 2, Priors())
    nodes, parts = np.polynomial.legendre.leggauss(14)
    nodes, parts = (nodes + 1) / 2, parts / 2
    # -log(1 - V) is Lomax once alpha is integrated out; quantiles of log(exp(length) - 1).
    length = Priors().rate * ((1 - nodes) ** (-1 / Priors().shape) - 1)
    v = length + np.log(-np.expm1(-length))
    axes = [v, *[np.log(nodes / (1 - nodes))] * 4]
    theta = np.stack([each.ravel() for each in np.meshgrid(*axes, indexing="ij")], axis=1)
    weights, chances = mixture(theta, given)
    cells = [
        np.prod(np.where(np.array(c)[:, None], chances, 1 - chances), axis=1)
        for c in product((0, 1), repeat=2)
    ]
    shares = np.stack([(weights[:, 0] * cell).sum(axis=1) for cell in cells])
    log = TINY[1:] @ np.log(shares[1:]) - TINY.sum() * np.log(shares[1:].sum(axis=0))
    part = np.prod(np.stack([e.ravel() for e in np.meshgrid(*[parts] * 5, indexing="ij")]), axis=0)
    weight = part * np.exp(log)
    return figures(theta, given) @ weight / weight.sum()


def distance(theta, given):
    """Largest difference between means over states and those by quadrature, in standard errors."""
    from arviz_stats.base import array_stats

    found = figures(theta, given)
    errors = [float(array_stats.mcse(each[None], method="mean")) for each in found]
    return np.max(np.abs(found.mean(axis=1) - posterior_means()) / errors)


@pytest.fixture(scope="module")
def tiny():
    given = target(TINY, 2, Priors())
    rng = np.random.default_rng(4)
    kept, step = run(
        rng, scatter(rng, given), given, no_atlas(), 0.3, n_draws=500, thin=2, adapt=True
    )
    return given, kept.theta, step


def test_chain_without_jumps_agrees_with_quadrature(tiny) -> None:
    given, start, step = tiny
    rng = np.random.default_rng(5)
    kept, _ = run(rng, start[-1].copy(), given, no_atlas(), step, n_draws=10_000, thin=2)
    assert distance(kept.theta, given) < FAR


def test_jumps_agree_with_quadrature_and_misstated_ones_do_not(tiny) -> None:
    given, start, step = tiny
    atlas = draw_atlas(np.random.default_rng(7), start, given)
    # The negative control: proposals where the first list is likely are said to be made more often.
    mix = atlas.mixture
    likely = mix.means[:, -2 * atlas.leading]
    shifted = mix.log_shares + 4.0 * (likely > np.median(likely))
    wrong = Atlas(atlas.leading, mix._replace(log_shares=shifted))
    found = {}
    for name, each in (("right", atlas), ("wrong", wrong)):
        rng = np.random.default_rng(6)
        kept, _ = run(rng, start[-1].copy(), given, each, step, n_draws=20_000, thin=1)
        found[name] = distance(kept.theta, given)
        assert kept.stats[:, 2].mean() > 0.1
    assert found["right"] < FAR
    assert found["wrong"] > 2 * FAR


def test_same_generator_same_chain(tiny) -> None:
    given, start, step = tiny
    runs = [
        run(np.random.default_rng(1), start[0].copy(), given, no_atlas(), step, n_draws=20, thin=1)
        for _ in range(2)
    ]
    assert (runs[0][0].theta == runs[1][0].theta).all()


def test_odds_are_those_of_the_states(tiny) -> None:
    given, start, step = tiny
    rng = np.random.default_rng(1)
    kept, _ = run(rng, start[0].copy(), given, no_atlas(), step, n_draws=5, thin=1)
    for theta, odds, stats in zip(*kept, strict=True):
        work = make_workspace(given)
        assert stats[0] == pytest.approx(evaluate(theta, given, work)[0])
        assert missed_share(work, 0) + caught_share(work, 0) == pytest.approx(1)
        assert odds[0] == pytest.approx(missed_share(work, 0) / caught_share(work, 0))
        # From the logit: one less the break has few digits where the break is near one.
        assert total_length(theta, 1) == pytest.approx(np.logaddexp(0.0, theta[0]))
