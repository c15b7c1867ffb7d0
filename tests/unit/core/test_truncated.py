"""Counts without zeros: densities, derivatives, maxima and edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from mse.core.truncated import (
    INFLATED,
    SHAPES,
    Seen,
    chances,
    climb,
    hidden_each,
)
from mse.core.truncated import _evaluate as evaluate
from mse.core.truncated_fit import fitted, hidden_persons, independent

ONE = np.ones((1, 1))
MOST = 400


def theta(mean: float, dispersion: float, share: float) -> np.ndarray:
    log_a = np.log(dispersion) if dispersion > 0 else -np.inf
    return np.array([np.log(mean), log_a, np.log(share / (1 - share))])


def law(mean: float, dispersion: float, most: int = MOST) -> np.ndarray:
    """Probabilities of 0, 1, ..., by scipy."""
    y = np.arange(most + 1)
    if dispersion == 0:
        return poisson.pmf(y, mean)
    return nbinom.pmf(y, 1 / dispersion, 1 / (1 + dispersion * mean))


def whole(shape: str, f: np.ndarray, p: float) -> np.ndarray:
    """Probabilities of 0, 1, ... of everybody, as the shape has them in words."""
    g = f.copy()
    if shape == "before":
        g = (1 - p) * f
        g[1] += p
    elif shape == "after":
        g[1:] = (1 - p) * f[1:]
        g[1] += p * (1 - f[0])
    elif shape == "hurdle_before":
        g = (1 - p) * f / (1 - f[1])
        g[1] = p
    elif shape == "hurdle_after":
        # Those never seen are as many as if nobody were seen once.
        nobody = f[0] / (1 - f[1])
        g = (1 - nobody) * (1 - p) * f / (1 - f[0] - f[1])
        g[0], g[1] = nobody, (1 - nobody) * p
    return g


@pytest.mark.parametrize("dispersion", [0.0, 0.3, 1.0, 7.0])
@pytest.mark.parametrize("shape", ["truncated", *INFLATED])
def test_chances_and_hidden_are_those_of_the_shape_in_words(shape: str, dispersion: float) -> None:
    at, share = theta(0.8, dispersion, 0.3), 0.3
    g = whole(shape, law(0.8, dispersion, 20_000), share)
    found = chances(ONE, at, shape, 30)[0]
    assert found == pytest.approx(g[1:31] / (1 - g[0]), rel=1e-9)
    each, _ = hidden_each(ONE, at, shape)
    assert each[0] == pytest.approx(g[0] / (1 - g[0]), rel=1e-9)


def test_shapes_that_look_at_some_counts() -> None:
    f = law(0.8, 0.0)
    at = np.array([np.log(0.4), -np.inf, 0.0])  # of log(mean / 2)
    assert chances(ONE, at, "chao", 4)[0] == pytest.approx([f[1], f[2], 0, 0] / (f[1] + f[2]))
    assert hidden_each(ONE, at, "chao")[0][0] == pytest.approx(f[0] / (f[1] + f[2]))
    assert hidden_each(ONE, at, "zelterman")[0][0] == pytest.approx(f[0] / (1 - f[0]))
    at = theta(0.8, 0.0, 0.5)
    assert chances(ONE, at, "zero_one", 3)[0] == pytest.approx([0, f[2], f[3]] / (1 - f[0] - f[1]))


@pytest.mark.parametrize("log_a", [-3.0, 0.2, 4.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_are_those_of_the_likelihood(shape: str, log_a: float) -> None:
    rng = np.random.default_rng(3)
    design = np.column_stack([np.ones(40), rng.normal(size=40)])
    low, high = {"zero_one": (2, 9), "chao": (1, 3), "zelterman": (1, 3)}.get(shape, (1, 9))
    times = rng.integers(low, high, 40)
    at, free = np.array([-0.4, 0.3, log_a, 0.4]), np.ones(4, bool)
    code, weights = SHAPES.index(shape), rng.random(40)

    def value(point: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        total = evaluate(design, times, weights, point, code, free, gradient, hessian)
        return total, gradient, np.tril(hessian) + np.tril(hessian, -1).T

    _, gradient, hessian = value(at)
    steps = 1e-5 * np.eye(4)
    ups, downs = [value(at + step) for step in steps], [value(at - step) for step in steps]
    numeric = [(up[0] - down[0]) / 2e-5 for up, down in zip(ups, downs, strict=True)]
    assert gradient == pytest.approx(numeric, abs=2e-6)
    bends = np.array([(up[1] - down[1]) / 2e-5 for up, down in zip(ups, downs, strict=True)])
    assert hessian == pytest.approx(bends, abs=2e-6)


def test_a_negative_binomial_without_dispersion_is_a_poisson() -> None:
    for shape in ("truncated", *INFLATED):
        near, exact = theta(0.7, 1e-9, 0.2), theta(0.7, 0.0, 0.2)
        assert chances(ONE, near, shape, 9) == pytest.approx(
            chances(ONE, exact, shape, 9), rel=1e-6
        )


def counted(frequencies: dict[int, float], design: np.ndarray | None = None) -> Seen:
    times = np.array([*frequencies])
    matrix = np.ones((len(times), 1)) if design is None else design
    return Seen(matrix, times, np.array([*frequencies.values()], dtype=float))


@pytest.mark.parametrize("log_a", [-np.inf, 0.0, None])
@pytest.mark.parametrize("shape", ["truncated", *INFLATED, "zero_one"])
def test_the_truth_is_found_in_expected_counts(shape: str, log_a: float | None) -> None:
    dispersion = {None: 0.5}.get(log_a, 0.0 if log_a == -np.inf else 1.0)
    at = theta(0.9, dispersion, 0.25)
    expected = 1e6 * chances(ONE, at, shape, 60)[0]
    seen = counted({y: each for y, each in enumerate(expected, 1) if each > 0})
    ended = fitted(seen, shape, log_a)
    assert (ended.limit, ended.edge, ended.converged) == ("finite", "", True)
    assert ended.theta[0] == pytest.approx(at[0], abs=1e-5)
    if log_a is None:
        assert ended.theta[1] == pytest.approx(at[1], abs=1e-4)
    if shape in INFLATED:
        assert ended.theta[2] == pytest.approx(at[2], abs=1e-4)


def test_the_scale_of_counts_does_not_matter() -> None:
    found = {1: 1645.0, 2: 183.0, 3: 37.0, 4: 13.0, 5: 1.0, 6: 1.0}
    for shape in ("truncated", "before", "after", "chao"):
        one, ten = (
            fitted(counted({y: k * n for y, n in found.items()}), shape, -np.inf) for k in (1, 10)
        )
        assert one.theta[0] == pytest.approx(ten.theta[0], abs=1e-7)


@pytest.mark.parametrize(
    ("frequencies", "shape", "log_a", "limit", "edge"),
    [
        ({1: 50}, "truncated", -np.inf, "infinite", "seldom"),
        ({1: 50}, "before", None, "infinite", "seldom"),
        ({1: 50, 2: 9}, "zero_one", 0.0, "infinite", "seldom"),
        ({1: 50}, "chao", -np.inf, "infinite", "seldom"),
        # Twos alone beside a hurdle at one: their mean goes to zero.
        ({1: 50, 2: 9}, "hurdle_before", -np.inf, "infinite", "seldom"),
        ({1: 1645, 2: 183, 3: 37, 4: 13, 5: 1, 6: 1}, "truncated", None, "infinite", "log_series"),
        # Fewer differ than the Poisson has it.
        ({1: 30, 2: 60, 3: 30}, "truncated", None, "finite", "poisson"),
        ({1: 10, 2: 60, 3: 80, 4: 60, 5: 20}, "after", -np.inf, "finite", "no_inflation"),
        ({2: 60, 3: 80, 4: 60}, "hurdle_before", -np.inf, "finite", "no_inflation"),
    ],
)
def test_edges(frequencies, shape, log_a, limit, edge) -> None:  # type: ignore[no-untyped-def]
    ended = fitted(counted(frequencies), shape, log_a)
    assert (ended.limit, ended.edge) == (limit, edge)
    assert np.isnan(ended.theta).all() == (limit != "finite")


def test_no_inflation_is_the_model_without_it() -> None:
    seen = counted({1: 10, 2: 60, 3: 80, 4: 60, 5: 20})
    inflated, plain = (fitted(seen, shape, -np.inf) for shape in ("before", "truncated"))
    groups = np.zeros(5, np.int64)
    one, other = (
        hidden_persons(seen, e, s, groups, 1)
        for e, s in ((inflated, "before"), (plain, "truncated"))
    )
    assert one.persons == pytest.approx(other.persons, rel=1e-8)
    assert one.fitted == pytest.approx(other.fitted, rel=1e-6)


#: Two levels, of which the second has nobody seen more than once.
LEVELS = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])


@pytest.mark.parametrize("shape", ["truncated", "chao", "zelterman"])
def test_a_level_seen_once_only_has_no_bound(shape: str) -> None:
    seen = Seen(LEVELS, np.array([1, 2, 1]), np.array([40.0, 12.0, 7.0]))
    ended = fitted(seen, shape, -np.inf)
    assert (ended.limit, ended.edge) == ("infinite", "separated")


def test_a_level_seen_twice_only_hides_nobody_in_chao() -> None:
    seen = Seen(LEVELS, np.array([1, 2, 2]), np.array([40.0, 12.0, 7.0]))
    ended = fitted(seen, "chao", -np.inf)
    assert (ended.limit, ended.edge) == ("finite", "certain")
    found = hidden_persons(seen, ended, "chao", np.array([0, 0, 1]), 2)
    assert found.persons == pytest.approx([40**2 / 24, 0], abs=1e-6)


def test_a_number_can_part_those_seen_once_from_the_others() -> None:
    # Nobody above 3 is seen twice, nobody below once: in chao no maximum; a slope alone cannot part the first.
    x = np.arange(8.0)
    design = np.column_stack([np.ones(8), x])
    parted = np.where(x > 3, 2, 1)
    assert fitted(Seen(design, parted, np.ones(8)), "chao", -np.inf).edge == "separated"
    mixed = np.where(x % 2 > 0, 2, 1)
    assert fitted(Seen(design, mixed, np.ones(8)), "chao", -np.inf).edge == ""


def test_who_is_like_nobody_in_the_likelihood_is_not_determined() -> None:
    seen = Seen(LEVELS, np.array([1, 2, 3]), np.array([40.0, 12.0, 7.0]))
    assert fitted(seen, "zelterman", -np.inf).limit == "indeterminate"


def test_a_start_far_away_ends_at_the_same_maximum() -> None:
    seen = counted({1: 1645, 2: 183, 3: 37, 4: 13, 5: 1, 6: 1})
    for start in (-9.0, 4.0):
        found = climb(
            seen, np.array([start, -np.inf, 0.0]), np.array([True, False, False]), "truncated"
        )
        assert found.converged
        assert found.theta[0] == pytest.approx(-1.1756479, abs=1e-6)


def test_dependent_columns_are_left_out() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 30))
    design = np.column_stack([np.ones(30), a, 2 * a - 3, b, np.zeros(30)])
    assert independent(design).tolist() == [0, 1, 3]
