"""Densities, maps, marginal likelihoods and chains of `mse.core.model_average.density*`, against plain NumPy."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.special import gammaln, logsumexp
from scipy.stats import chi2, multivariate_t, norm, poisson

import mse
from benchmarks.sbc_bayesian_loglinear import contrasts
from mse.bayes.model_average_posterior import all_models, make_scope, make_setting
from mse.core.model_average.chain import (
    make_catalog,
    propose_terms,
    start_run,
    take_draws,
    warm_up,
    with_catalog,
)
from mse.core.model_average.density import choose_effects, log_density, log_prior, make_room
from mse.core.model_average.maps import (
    HEAVY_DF,
    HEAVY_SHARE,
    _log_mixture,
    laplace,
    log_weight,
    make_maps,
    sample_weights,
    work_out,
)
from mse.models.catalogue import catalogue
from tests.chance import FAR, RARE, error_of_mean

UNIT = np.asarray([1.0, 0.0, 0.0])
HYPER = np.asarray([0.0, 3.0, 2.0])


def partly_vague(dataset: str) -> mse.CaptureTable:
    """Make the cells of persons on the last list only upper bounds."""
    table = mse.load_dataset(dataset)
    lists = table.patterns[:, : table.n_lists]
    last = (lists.sum(axis=1) == 1) & (lists[:, -1] == 1)
    return replace(table, low=np.where(last, 0, table.low))


TABLES = {
    "lists": lambda: mse.load_dataset("kosovo"),
    "three levels": lambda: mse.load_dataset("spina_bifida"),
    "bounds": lambda: partly_vague("spina_bifida"),
}


@pytest.fixture(params=list(TABLES))
def table(request) -> mse.CaptureTable:
    return TABLES[request.param]()


def plain_density(
    table: mse.CaptureTable, terms, log_means: np.ndarray, prior: np.ndarray
) -> float:
    """Compute the log posterior density by its definition, in sum-to-zero contrasts."""
    n_strata = table.n_strata
    value = -np.exp(log_means[n_strata:]).sum()
    cells = np.ravel_multi_index(tuple(table.patterns.T), table.shape)
    for cell, low, high in zip(cells, table.low, table.high, strict=True):
        mean = np.exp(log_means[cell])
        if low == high:
            value += low * log_means[cell]
        else:
            value += mean + np.log(poisson.cdf(high, mean) - poisson.cdf(low - 1, mean))
    design = np.hstack([contrasts(table.shape, term) for term in terms])
    beta = design.T @ log_means / len(design)
    if prior[0] > 0:
        return value + norm.logpdf(beta, scale=np.sqrt(prior[0])).sum()
    shape, rate = prior[1:]
    spread = rate / shape * np.eye(beta.size)
    return value + multivariate_t.logpdf(beta, shape=spread, df=shape)


@pytest.mark.parametrize("prior", [UNIT, HYPER], ids=["unit", "hyper"])
def test_density_is_that_of_sum_to_zero_contrasts(table, prior) -> None:
    setting = make_setting(table, 2, prior)
    rng = np.random.default_rng(1)
    found = []
    for members in all_models(setting.target.scope)[[0, 5, 40, -1]]:
        room = make_room(setting.target)
        p, log_volume = choose_effects(members, setting.target.scope, room.chosen)
        b = np.append(3.0, 0.5 * rng.standard_normal(p - 1))
        value = log_density(b, setting.target, room.chosen, p, log_volume, room)
        terms = [t for t, inside in zip(setting.largest.terms[1:], members, strict=True) if inside]
        plain = plain_density(table, terms, np.log(room.means), prior)
        # The Jacobian between codings: contrasts have mean square 1, differences from level 0 do not.
        matrix = np.hstack([contrasts(table.shape, term) for term in terms])
        effects = setting.layout.core.cells[room.chosen[1:p]]
        coding = np.stack([indicator(table.shape, cell) for cell in effects], axis=1)
        jacobian = np.linalg.slogdet(matrix.T @ coding / len(matrix))[1]
        found.append(value - plain - jacobian)
    # What is left is the factorials of exact counts, the same for all models: none are in either.
    np.testing.assert_allclose(found, 0.0, atol=1e-8)


def indicator(shape, cell) -> np.ndarray:
    """Which cells have the levels of an effect."""
    levels = np.unravel_index(cell, shape)
    inside = np.ones(shape, dtype=bool)
    for axis, level in enumerate(levels):
        if level:
            grid = np.arange(shape[axis]).reshape(
                [-1 if a == axis else 1 for a in range(len(shape))]
            )
            inside &= grid == level
    return inside.ravel().astype(float)


def test_prior_of_the_variance_is_integrated_out() -> None:
    p, square, shape, rate = 4, 2.5, 3.0, 2.0
    value = log_prior(square, p, 0.0, np.asarray([0.0, shape, rate]))
    grid = np.exp(np.linspace(-12, 12, 20_001))
    log_inverse_gamma = (
        shape / 2 * np.log(rate / 2)
        - gammaln(shape / 2)
        - (shape / 2 + 1) * np.log(grid)
        - rate / 2 / grid
    )
    log_normal = -p / 2 * np.log(2 * np.pi * grid) - square / 2 / grid
    integral = np.trapezoid(np.exp(log_inverse_gamma + log_normal), grid)
    assert value == pytest.approx(np.log(integral), abs=1e-5)


@pytest.mark.parametrize("prior", [UNIT, HYPER], ids=["unit", "hyper"])
def test_marginal_likelihood_of_two_lists_is_the_integral(prior) -> None:
    counts = {"11": 2, "10": 9, "01": 4}
    table = mse.CaptureTable.from_counts(counts, ["a", "b"])
    target = make_setting(table, 2, prior).target
    signs = np.asarray([[1, 1], [1, -1], [-1, 1]])
    n = np.asarray(list(counts.values()))

    def integrand(second: float, first: float) -> float:
        logs = signs @ [first, second]
        value = n @ logs - n.sum() * np.log(np.exp(logs).sum()) + gammaln(n.sum())
        return float(np.exp(value + log_prior(first**2 + second**2, 2, 0.0, prior) + 10.0))

    exact = np.log(dblquad(integrand, -8, 8, -8, 8, epsabs=0, epsrel=1e-8)[0]) - 10.0
    model = np.ones((1, 2), dtype=bool)
    draws = np.asarray([20_000])
    sums, scale = sample_weights(target, model, draws, np.random.default_rng(1))
    mean, square = sums[0] / draws[0]
    error = np.sqrt((square / mean**2 - 1) / draws[0])
    assert np.log(mean) + scale[0] == pytest.approx(exact, abs=FAR * error)
    assert error < 0.01
    # Approximations are for proposals and for models that hardly matter.
    assert scale[0] == pytest.approx(exact, abs=0.1)
    assert laplace(target, model)[0] == pytest.approx(exact, abs=0.2)


@pytest.mark.mcmc
def test_draws_reach_the_tails_of_a_posterior_that_has_heavy_ones() -> None:
    n = np.asarray([0, 3, 1])
    table = mse.CaptureTable.from_array([[0, 3], [3, 1]], ["a", "b"])
    table = table.with_counts(np.asarray([[0, n[2]], [n[1], n[0]]]))
    target = make_setting(table, 2, HYPER).target
    grid = np.linspace(-12, 12, 601)
    first, second = np.meshgrid(grid, grid, indexing="ij")
    logs = np.stack([first + second, first - second, second - first])
    value = np.tensordot(n, logs, 1) - n.sum() * np.log(np.exp(logs).sum(axis=0))
    shape, rate = HYPER[1:]
    value -= (shape + 2) / 2 * np.log(rate + first**2 + second**2)
    weight = np.exp(value - value.max())
    weight /= weight.sum()
    # Above 2 a list catches e^4 times as many as it misses, or the other way round.
    exact = [weight[np.abs(axis) > 2].sum() for axis in (first, second)]
    run = start_run(target, np.ones(2, dtype=bool), 30_000, np.random.default_rng(8))
    warm_up(run, 500)
    take_draws(run, 4, 0, 30_000)
    # Differences between levels are twice the contrasts.
    found = (np.abs(run.parts.record.coefficients[:, 1:]) > 4).mean(axis=0)
    # A fifth of the draws are as good as independent.
    p = np.asarray(exact)
    assert (np.abs(found - p) <= FAR * np.sqrt(p * (1 - p) / 6000)).all()


def test_weights_are_all_but_constant_where_the_posterior_is_normal() -> None:
    table = mse.load_dataset("kosovo")
    setting = make_setting(table.with_counts(table.counts * 1000), 2, UNIT)
    members = ~setting.target.scope.free
    maps, room = make_maps(setting.target, 1), make_room(setting.target)
    work_out(setting.target, members[None], maps, 0, room)
    rng = np.random.default_rng(2)
    weights = [
        log_weight(rng.standard_normal(room.b.size), setting.target, maps, 0, room)
        for _ in range(200)
    ]
    assert np.std(weights) < 0.01
    assert np.mean(weights) == pytest.approx(maps.evidence[0], abs=0.01)


def test_draws_far_out_do_not_outweigh_all_others() -> None:
    # Cut off at a power that a double holds, the density made one draw weigh e^500 times too much.
    for p in (3, 8, 20):
        for square in (0.1, 10.0, 500.0, 1190.0, 1300.0, 1e5, 1e9):
            at = np.append(np.sqrt(square), np.zeros(p - 1))
            log_t = float(multivariate_t.logpdf(at, shape=np.eye(p), df=HEAVY_DF))
            normal = -0.5 * square - 0.5 * p * np.log(2 * np.pi)
            parts = [np.log1p(-HEAVY_SHARE), np.log(HEAVY_SHARE) + log_t - normal]
            found = _log_mixture(square, p)
            assert found == pytest.approx(logsumexp(parts), rel=1e-9)
    # With these seeds a draw of one model of 64 went so far.
    for name in ("three levels", "bounds"):
        target = make_setting(TABLES[name](), 2, UNIT).target
        models = all_models(target.scope)
        sums, scale = sample_weights(
            target, models, np.full(len(models), 4000), np.random.default_rng([3, 5])
        )
        average = np.log(sums[:, 0] / 4000)
        assert (average > -1).all()
        # Weights have a mean of about one, so their average exceeds x with a probability of 1 / x at most
        # (Markov), however heavy their tail: of models that hardly matter one draw may weigh 10^4.
        assert (average < np.log(2 * 64 / RARE)).all()
        assert np.isfinite(scale).all()


def test_models_are_those_of_the_catalogue() -> None:
    for n_lists, order in ((3, 2), (4, 3), (5, 2)):
        known = catalogue(n_lists, order)
        scope = make_scope(known.terms, (2,) * n_lists)
        assert {row.tobytes() for row in all_models(scope)} == {
            row.tobytes() for row in known.members
        }


def test_log_volumes_are_determinants() -> None:
    shape = (2, 3, 4)
    terms = [t for size in (1, 2, 3) for t in combinations(range(3), size)]
    scope = make_scope(terms, shape)
    for t, term in enumerate(terms):
        matrix = contrasts(shape, term)
        cells = [
            np.ravel_multi_index(levels, shape)
            for levels in np.ndindex(*shape)
            if {axis for axis, level in enumerate(levels) if level} == set(term)
        ]
        coding = np.stack([indicator(shape, cell) for cell in cells], axis=1)
        expected = np.linalg.slogdet(matrix.T @ coding / len(matrix))[1]
        assert scope.log_volume[t] == pytest.approx(expected, abs=1e-12)


def test_proposals_alone_visit_all_models_alike() -> None:
    known = [(0,), (1,), (2,), *combinations(range(3), 2), (0, 1, 2)]
    scope = make_scope(known, (2,) * 3)
    rng = np.random.default_rng(3)
    members, proposed = ~scope.free, scope.free.copy()
    models = [row.tobytes() for row in all_models(scope)]
    visits = np.zeros(len(models))
    accepted = 0
    n, thin = 3000, 15
    for i in range(n * thin):
        ratio = propose_terms(members, scope, proposed, rng)
        if np.log(rng.random()) < ratio:
            members[:] = proposed
            accepted += 1
        if i % thin == 0:
            visits[models.index(members.tobytes())] += 1
    statistic = ((visits - n / len(models)) ** 2 / (n / len(models))).sum()
    assert chi2.sf(statistic, len(models) - 1) > RARE
    assert accepted > n


def visits(target, models, draws, *, known: bool) -> np.ndarray:
    """In which model a chain is."""
    rng = np.random.default_rng(4)
    run = start_run(target, models[0], draws, rng)
    warm_up(run, 500)
    if known:
        run = with_catalog(run, make_catalog(models, laplace(target, models), 0.6))
    take_draws(run, 5, 0, draws)
    places = {row.tobytes(): i for i, row in enumerate(models)}
    return np.asarray([places[row.tobytes()] for row in run.parts.record.members])


@pytest.mark.mcmc
@pytest.mark.parametrize("name", ["three levels", "bounds"])
def test_reversible_jump_agrees_with_marginal_likelihoods(name) -> None:
    target = make_setting(TABLES[name](), 2, UNIT).target
    models = all_models(target.scope)
    sums, scale = sample_weights(
        target, models, np.full(len(models), 4000), np.random.default_rng(5)
    )
    evidence = np.log(sums[:, 0] / 4000) + scale
    p = np.exp(evidence - evidence.max())
    p /= p.sum()
    variance = np.maximum(4000 * sums[:, 1] / sums[:, 0] ** 2 - 1, 0.0) / 4000
    exact = p**2 * ((1 - 2 * p) * variance + p**2 @ variance)
    for known in (False, True):
        at = visits(target, models, 6000, known=known)
        for m in np.flatnonzero(p > 0.005):
            error = np.hypot(error_of_mean((at == m)[None]), np.sqrt(exact[m]))
            assert abs((at == m).mean() - p[m]) <= FAR * error
        seldom = np.isin(at, np.flatnonzero(p <= 0.005))
        rest = float(p[p <= 0.005].sum())
        assert abs(seldom.mean() - rest) <= FAR * (error_of_mean(seldom[None]) + 0.1 * rest)


@pytest.mark.mcmc
def test_maps_that_are_forgotten_are_worked_out_again(monkeypatch) -> None:
    import mse.core.model_average.chain as memory

    target = make_setting(mse.load_dataset("spina_bifida"), 2, UNIT).target
    members = ~target.scope.free

    def drawn() -> np.ndarray:
        run = start_run(target, members, 200, np.random.default_rng(6))
        take_draws(run, 2, 0, 200)
        return run.parts.record.coefficients

    plenty = drawn()
    monkeypatch.setattr(memory, "CACHE_MODELS", 3)
    np.testing.assert_array_equal(drawn(), plenty)
