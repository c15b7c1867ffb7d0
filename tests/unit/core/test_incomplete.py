"""Counts over sets of cells: the likelihood, its derivatives and its maximum."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp

from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO
from mse.core.fitting import NOT_ESTIMABLE, OK, fit_model
from mse.core.lattice import levels_of
from mse.core.newton import Design, make_design, with_contrasts
from mse.core.partly_known import (
    complete,
    dual_gap,
    make_observations,
    restricted,
    stratum_totals,
    truncated_poisson,
)
from mse.core.partly_known_fit import (
    FINISHED,
    Data,
    ascend,
    basis_at,
    climb,
    curvature_at,
    empty_completion,
    fit_incomplete,
    make_likelihood,
    means_at,
    saturated_value,
    spread_over,
)
from mse.models.terms import parse_model

UNBOUNDED = np.iinfo(np.int64).max
SHAPE = (2, 2, 2, 3, 2)
MODEL = "a*b + c*y + a*s + y*s"


def design_of(model: str, lists: str = "abc", covariates: str = "ys", shape=SHAPE) -> Design:
    parsed = parse_model(model, list(lists), list(covariates))
    return make_design(shape, len(lists), parsed.parameters(shape))


def matrix_of(design: Design) -> np.ndarray:
    """Give the design matrix by its definition."""
    cells = levels_of(np.arange(design.observable.size), design.shape)
    terms = levels_of(design.cells, design.shape)
    return np.array([[np.all((t == 0) | (t == c)) for t in terms] for c in cells], dtype=float)


class Direct(NamedTuple):
    """The likelihood written down from its definition, with loops over the cells of patterns."""

    data: Data
    matrix: np.ndarray
    sets: list[np.ndarray]

    def __call__(self, b: np.ndarray) -> float:
        mu = np.exp(np.minimum(self.matrix @ b, 200))
        base, seen = self.data.base, self.data.seen
        value = base[base > 0] @ np.log(mu[base > 0]) - mu[self.data.design.observable].sum()
        for cells, low, high in zip(self.sets, seen.low, seen.high, strict=True):
            total = mu[cells].sum()
            if low == high:
                value += low * np.log(total)
            else:
                k = np.arange(low, min(high, low + 5000) + 1)
                value += logsumexp(k * np.log(total) - gammaln(k + 1))
        return -value


def direct(data: Data, possible: np.ndarray | None = None) -> Direct:
    design = data.design
    cells = levels_of(np.arange(design.observable.size), design.shape)
    sets = [np.all((p == -1) | (cells == p), axis=1) for p in data.seen.patterns]
    if possible is not None:
        sets = [s & possible for s in sets]
    return Direct(data, matrix_of(design), sets)


def coarsened(design: Design, rng: np.random.Generator, *, bounds: bool = False) -> Data:
    """Simulate a table and forget entries of three in ten records."""
    b = rng.normal(0, 0.4, design.cells.size)
    b[0] = 3
    base = rng.poisson(np.exp(matrix_of(design) @ b)) * design.observable.astype(float)
    levels = levels_of(np.arange(base.size), design.shape)
    found: dict[tuple[int, ...], int] = {}
    for cell in np.flatnonzero(base):
        for _ in range(rng.binomial(int(base[cell]), 0.3)):
            row = levels[cell].copy()
            row[rng.random(row.size) < [0.1, 0.1, 0.3, 0.4, 0.5]] = -1
            if not (row[:3] == 1).any() or (row >= 0).all():
                continue
            base[cell] -= 1
            found[tuple(row)] = found.get(tuple(row), 0) + 1
    low = np.array(list(found.values()))
    high = low.copy()
    if bounds:
        vague = rng.random(low.size) < 0.3
        low, high = np.where(vague, np.maximum(low - 3, 0), low), np.where(vague, high + 2, high)
    return Data(base, make_observations(np.array(list(found)), low, high, SHAPE), design)


@pytest.fixture(params=[False, True], ids=["exact", "bounds"])
def data(request: pytest.FixtureRequest, rng: np.random.Generator) -> Data:
    return coarsened(design_of(MODEL), rng, bounds=request.param)


def no_observations(shape: tuple[int, ...]):
    none = np.zeros(0, dtype=np.int64)
    return make_observations(none.reshape(0, len(shape)), none, none, shape)


@pytest.mark.parametrize(
    ("mean", "low", "high"),
    [(0.3, 0, 4), (7.5, 1, 4), (2.0, 3, 3 + 40), (1e-8, 2, 5), (900.0, 0, 12), (40.0, 30, 31)],
)
def test_moments_between_bounds_are_those_of_the_sum(mean: float, low: int, high: int) -> None:
    k = np.arange(low, high + 1)
    logs = k * np.log(mean) - gammaln(k + 1)
    weights = np.exp(logs - logsumexp(logs))
    average = weights @ k
    found = truncated_poisson(mean, low, high)
    expected = (logsumexp(logs), average, weights @ (k - average) ** 2)
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-13)


def test_moments_without_an_upper_bound() -> None:
    k = np.arange(5, 200)
    logs = k * np.log(3.0) - gammaln(k + 1)
    weights = np.exp(logs - logsumexp(logs))
    found = truncated_poisson(3.0, 5, UNBOUNDED)
    assert found[:2] == pytest.approx((logsumexp(logs), weights @ k), rel=1e-12)
    # Far above the bound nothing is left of it.
    assert truncated_poisson(1e6, 5, UNBOUNDED) == (1e6, 1e6, 1e6)
    assert truncated_poisson(0.0, 0, 4) == (0.0, 0.0, 0.0)


def test_boxes_are_the_cells_that_agree_with_the_pattern() -> None:
    patterns = np.array([[1, -1, 0, -1, 1], [0, 1, 1, 2, 0]])
    seen = make_observations(patterns, np.array([3, 4]), np.array([3, 4]), SHAPE)
    cells = levels_of(np.arange(48), np.array(SHAPE))
    for row, (start, stop) in enumerate(zip(seen.first[:-1], seen.first[1:], strict=True)):
        agree = np.all((patterns[row] == -1) | (cells == patterns[row]), axis=1)
        assert seen.boxes[start:stop].tolist() == np.flatnonzero(agree).tolist()


def test_likelihood_is_its_definition(data: Data, rng: np.random.Generator) -> None:
    b = rng.normal(0, 0.3, data.design.cells.size)
    problem = make_likelihood(data, data.design.observable, np.arange(b.size))
    done = empty_completion(problem)
    assert complete(means_at(b, problem), problem, done) == pytest.approx(-direct(data)(b))
    assert done.counts.sum() == pytest.approx(data.base.sum() + done.expected.sum())


def test_derivatives_are_those_of_differences(data: Data, rng: np.random.Generator) -> None:
    b = rng.normal(0, 0.3, data.design.cells.size)
    b[0] = 2.5
    problem = make_likelihood(data, data.design.observable, np.arange(b.size))
    gradient, spread = np.zeros((6, b.size)), np.zeros((6, 6))

    def at(point):
        means, done = means_at(point, problem), empty_completion(problem)
        value = complete(means, problem, done)
        score, _, matrix = curvature_at(problem, means, done)
        persons = np.where(data.design.observable, done.counts, means)
        return value, score, persons.reshape(-1, 6).sum(axis=0), matrix, means, done

    _, score, totals, matrix, means, done = at(b)
    hidden = stratum_totals(means, problem, done, gradient, spread)
    below_bounds = (totals - hidden).sum()
    assert below_bounds == pytest.approx(data.base.sum() + data.seen.low.sum())
    h = 1e-5
    ends = [(at(b + h * row), at(b - h * row)) for row in np.eye(b.size)]
    slopes = [np.array([(u[i] - v[i]) / (2 * h) for u, v in ends]) for i in range(3)]
    assert slopes[0] == pytest.approx(score, rel=1e-6, abs=1e-5)
    assert -slopes[1] == pytest.approx(matrix, rel=1e-6, abs=1e-5)
    assert pytest.approx(gradient, rel=1e-6, abs=1e-5) == slopes[2].T


def test_maximum_is_that_of_direct_maximization(data: Data) -> None:
    found = fit_incomplete(data)
    assert found.status == OK
    value = direct(data)
    start = np.zeros(data.design.cells.size)
    start[0] = 2
    other = minimize(value, start, method="BFGS", options={"gtol": 1e-6})
    assert found.value == pytest.approx(-other.fun, abs=1e-7)
    assert found.coefficients == pytest.approx(other.x, abs=2e-5)
    polished = minimize(value, found.coefficients, method="Nelder-Mead", options={"maxfev": 400})
    assert polished.fun >= -found.value - 1e-9


def test_slow_expectation_maximization_ends_at_the_same_point(data: Data) -> None:
    found = fit_incomplete(data)
    everything = np.ones(data.design.cells.size, dtype=bool)
    counts = data.base + spread_over(
        np.ones(data.base.size), (data.seen.low + data.seen.high) / 2, data.seen
    )
    for _ in range(300):
        fit = fit_model(counts, everything, data.design)
        problem = make_likelihood(data, fit.face, fit.kept)
        done = empty_completion(problem)
        complete(means_at(fit.coefficients, problem), problem, done)
        counts = done.counts
    assert fit.means == pytest.approx(found.means, rel=1e-6)


def test_score_is_zero_at_the_solution(data: Data) -> None:
    found = fit_incomplete(data)
    problem = make_likelihood(data, found.face, found.kept)
    done = empty_completion(problem)
    means = means_at(found.coefficients, problem)
    complete(means, problem, done)
    score, whole, _ = curvature_at(problem, means, done)
    assert np.abs(score / np.sqrt(np.diag(whole))).max() < 1e-9


@pytest.mark.parametrize("model", ["a + b + c + y + s", MODEL, "all two-way", "a*b*y + c*s"])
def test_complete_counts_give_the_complete_fit(model: str, rng: np.random.Generator) -> None:
    design = design_of(model)
    base = rng.poisson(4.0, design.observable.size) * design.observable.astype(float)
    everything = np.ones(design.cells.size, dtype=bool)
    expected = fit_model(base, everything, design)
    found = fit_incomplete(Data(base, no_observations(SHAPE), design))
    assert found.means == pytest.approx(expected.means, rel=1e-12)
    assert found.hidden == pytest.approx(expected.hidden, rel=1e-12)
    # The same counts as observations of one cell each.
    patterns = levels_of(np.flatnonzero(base), design.shape)
    counts = base[base > 0].astype(np.int64)
    seen = make_observations(patterns, counts, counts, SHAPE)
    again = fit_incomplete(Data(np.zeros(base.size), seen, design))
    assert again.means == pytest.approx(expected.means, rel=1e-12)
    assert again.value == pytest.approx(found.value, rel=1e-14)


def test_boundary_and_limits_of_complete_counts_are_the_exact_ones() -> None:
    """All models of three lists with every pattern of zeros."""
    for text, zeros in product(["a + b + c", "a*b + c", "a*b + b*c"], product([0, 1], repeat=7)):
        if not any(zeros):
            continue
        design = design_of(text, covariates="", shape=(2, 2, 2))
        base = np.array([0, 5, 7, 3, 11, 2, 4, 6]) * np.array([0, *zeros], dtype=float)
        fit = fit_model(base, np.ones(design.cells.size, dtype=bool), design)
        found = fit_incomplete(Data(base, no_observations((2, 2, 2)), design))
        assert (found.status, found.limits[0]) == (fit.status, fit.limits[0])
        assert found.hidden == pytest.approx(fit.hidden, rel=1e-9, nan_ok=True)


def test_cells_that_lose_their_persons_are_set_to_zero() -> None:
    """Records with list b unknown; those with it known are all outside b."""
    design = design_of("a*b + c", covariates="", shape=(2, 2, 2))
    base = np.array([0, 30, 0, 0, 20, 10, 0, 0], dtype=float)
    patterns = np.array([[1, -1, 0], [1, -1, 1], [0, 1, -1]])
    n = np.array([4, 2, 9])
    data = Data(base, make_observations(patterns, n, n, (2, 2, 2)), design)
    found = fit_incomplete(data)
    value = direct(data)
    start = np.zeros(design.cells.size)
    other = minimize(value, start, method="BFGS", options={"gtol": 1e-9})
    # The supremum is at infinity: direct search comes near it from below.
    assert -other.fun <= found.value + 1e-9
    assert found.value == pytest.approx(-other.fun, abs=1e-3)
    assert not found.face[6]
    assert not found.face[7]


def test_a_list_that_says_nothing_leaves_its_parameters_open_and_the_total_known() -> None:
    """List c is unknown for everybody: hidden persons are those on neither a nor b."""
    design = design_of("a + b + c", covariates="", shape=(2, 2, 2))
    observable = design.observable.copy()
    observable[1] = False
    design = design._replace(observable=observable)
    patterns = np.array([[0, 1, -1], [1, 0, -1], [1, 1, -1]])
    n = np.array([30, 40, 20])
    found = fit_incomplete(Data(np.zeros(8), make_observations(patterns, n, n, (2, 2, 2)), design))
    assert found.limits[0] == FINITE
    assert found.hidden[0] == pytest.approx(30 * 40 / 20, rel=1e-9)
    assert design.cells[found.undetermined].tolist() == [0, 1]


def test_what_the_data_do_not_determine_is_no_number() -> None:
    """A covariate that is never known: its split, and with it every stratum, is open."""
    design = design_of("a*y + b", lists="ab", covariates="y", shape=(2, 2, 2))
    patterns = np.array([[0, 1, -1], [1, 0, -1], [1, 1, -1]])
    n = np.array([30, 40, 20])
    found = fit_incomplete(Data(np.zeros(8), make_observations(patterns, n, n, (2, 2, 2)), design))
    assert found.status == NOT_ESTIMABLE
    assert set(found.limits.tolist()) == {INDETERMINATE}
    assert np.isnan(found.hidden).all()
    assert np.isnan(found.covariance).all()


def test_only_zero_lower_bounds_go_to_zero() -> None:
    design = design_of("a + b", lists="ab", covariates="", shape=(2, 2))
    patterns = np.array([[0, 1], [1, 0], [1, 1]])
    low, high = np.zeros(3, dtype=np.int64), np.full(3, 4)
    found = fit_incomplete(
        Data(np.zeros(4), make_observations(patterns, low, high, (2, 2)), design)
    )
    assert (found.status, found.limits.tolist()) == (NOT_ESTIMABLE, [ZERO])


def test_a_count_without_an_upper_bound_in_a_cell_of_its_own_determines_nothing() -> None:
    design = design_of("a + b", lists="ab", covariates="", shape=(2, 2))
    patterns = np.array([[1, 1]])
    seen = make_observations(patterns, np.array([5]), np.array([UNBOUNDED]), (2, 2))
    found = fit_incomplete(Data(np.array([0.0, 20, 30, 0]), seen, design))
    assert found.status == NOT_ESTIMABLE
    assert np.isnan(found.hidden).all()


def test_no_overlap_but_in_unknown_memberships_has_no_bound() -> None:
    design = design_of("a + b + c", covariates="", shape=(2, 2, 2))
    base = np.array([0, 20, 30, 0, 40, 0, 0, 0], dtype=float)
    found = fit_incomplete(Data(base, no_observations((2, 2, 2)), design))
    assert (found.status, found.limits.tolist()) == (NOT_ESTIMABLE, [INFINITE])


def test_saturated_likelihood_of_exact_counts() -> None:
    design = design_of("a + b", lists="ab", covariates="", shape=(2, 2))
    base = np.array([0, 5, 7, 3], dtype=float)
    n = base[1:]
    value = saturated_value(Data(base, no_observations((2, 2)), design))
    assert value == pytest.approx(n @ np.log(n) - n.sum())


def test_saturated_likelihood_is_above_every_model(rng: np.random.Generator) -> None:
    data = coarsened(design_of(MODEL), rng)
    highest = saturated_value(data)
    assert highest >= fit_incomplete(data).value
    problem = make_likelihood(data, data.design.observable, np.zeros(1, dtype=np.int64))
    done = empty_completion(problem)
    for _ in range(20):
        means = rng.exponential(10, data.base.size) * data.design.observable
        means *= (data.base.sum() + data.seen.low.sum()) / means.sum()
        value = complete(means, problem, done)
        assert value < highest <= value + dual_gap(means, problem, done) + 1e-4


@pytest.mark.parametrize(
    ("low", "high", "mean"), [(0, 4, 0.0), (3, UNBOUNDED, np.inf), (1, 4, None), (7, 9, None)]
)
def test_saturated_likelihood_of_a_count_within_bounds(low: int, high: int, mean) -> None:
    design = design_of("a + b", lists="ab", covariates="", shape=(2, 2))
    seen = make_observations(np.array([[1, 1]]), np.array([low]), np.array([high]), (2, 2))
    value = saturated_value(Data(np.zeros(4), seen, design))
    grid = np.linspace(0.01, 30, 3000)
    best = max(truncated_poisson(x, low, high)[0] - x for x in grid)
    assert value == pytest.approx(0 if mean is not None else best, abs=1e-4)


def test_saddle_points_are_left() -> None:
    """Two levels that are known for nobody start as twins; the likelihood is higher apart."""
    design = design_of("a*x + b*x + c*x", covariates="x", shape=(2, 2, 2, 2))
    rows = [row for row in product([0, 1], repeat=3) if any(row)]
    n = np.array([60, 60, 8, 60, 8, 8, 70])
    seen = make_observations(np.array([[*row, -1] for row in rows]), n, n, (2, 2, 2, 2))
    data = Data(np.zeros(16), seen, design)
    even = ascend(data, spread_over(np.ones(16), n.astype(float), seen))
    assert even is not None
    fit, end = even
    assert end.code == FINISHED
    problem = make_likelihood(data, fit.face, fit.kept)
    shares = basis_at(problem, end.means, end.done).shares
    assert shares.min() > -1e-6


def test_impossible_cells_take_no_part(data: Data, rng: np.random.Generator) -> None:
    seen = data.seen
    # The first cell of each pattern stays possible.
    possible = rng.random(data.base.size) < 0.5
    possible[seen.boxes[seen.first[:-1]]] = True
    limited = data._replace(seen=restricted(seen, possible))
    b = rng.normal(0, 0.3, data.design.cells.size)
    problem = make_likelihood(limited, data.design.observable, np.arange(b.size))
    value = complete(means_at(b, problem), problem, empty_completion(problem))
    assert value == pytest.approx(-direct(limited, possible)(b))


def test_trends_are_fitted_as_by_direct_maximization(rng: np.random.Generator) -> None:
    """Years 0, 1, 2 by their distance, in the main effect and in the interaction with a."""
    effects = design_of("a*y + b + c + s")
    where = {int(cell): u for u, cell in enumerate(effects.cells)}
    year, crossed = {where[2]: 1, where[4]: 2}, {where[26]: 1, where[28]: 2}
    columns = [{u: 1} for u in range(effects.cells.size) if u not in {**year, **crossed}]
    columns += [year, crossed]
    data = coarsened(effects, rng)
    found = fit_incomplete(data._replace(design=with_contrasts(effects, columns)))
    assert found.status == OK
    weights = np.zeros((effects.cells.size, len(columns)))
    for i, column in enumerate(columns):
        for u, weight in column.items():
            weights[u, i] = weight
    full = direct(data)
    value = full._replace(matrix=full.matrix @ weights)
    start = np.zeros(len(columns))
    start[0] = 2
    other = minimize(value, start, method="BFGS", options={"gtol": 1e-6})
    assert found.value == pytest.approx(-other.fun, abs=1e-7)
    assert found.coefficients == pytest.approx(other.x, abs=2e-5)


def test_climb_reaches_the_maximum_from_afar(data: Data) -> None:
    found = fit_incomplete(data)
    problem = make_likelihood(data, found.face, found.kept)
    b = np.zeros(found.coefficients.size)
    end = climb(problem, b)
    assert end.code == FINISHED
    assert end.value == pytest.approx(found.value, abs=1e-8)
