from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

import mse
from mse.redrawing import (
    CellDrawing,
    MarginsDrawing,
    PatternDrawing,
    drawing_of,
    truncated_poisson,
    whole,
)
from tests.chance import FAR, error_of_end, error_of_spread

NOBODY = np.zeros(0, dtype=np.int64)


def drawn_by(drawing, rng, size: int) -> np.ndarray:
    """All batches together."""
    return np.concatenate(list(drawing.batches(rng, size)))


def test_batches_are_the_draws_of_one_batch(monkeypatch) -> None:
    observed = np.asarray([[0.0, 30, 20, 10], [0, 1, 2, 3]])
    persons = observed.copy()
    persons[:, 0] = 40.3, 6.6
    seeds = (np.random.default_rng(4) for _ in range(4))
    drawings = (CellDrawing(observed, persons, apart=True), CellDrawing(observed, observed))
    whole_ones = [drawn_by(each, next(seeds), 7) for each in drawings]
    monkeypatch.setattr("mse.redrawing.MOST_NUMBERS", 17)
    for drawing, expected in zip(drawings, whole_ones, strict=True):
        batches = list(drawing.batches(next(seeds), 7))
        assert [len(batch) for batch in batches] == [2, 2, 2, 1]
        np.testing.assert_array_equal(np.concatenate(batches), expected)
    monkeypatch.setattr("mse.redrawing.MOST_NUMBERS", 1)
    assert [len(batch) for batch in drawings[0].batches(np.random.default_rng(4), 3)] == [1, 1, 1]


def test_a_fraction_of_a_person_is_rounded_at_random(rng) -> None:
    drawn = whole(np.asarray([3.0, 2.25]), 4000, rng)
    assert set(drawn[:, 0]) == {3}
    assert set(drawn[:, 1]) == {2, 3}
    # A share of a quarter.
    assert drawn[:, 1].mean() == pytest.approx(2.25, abs=FAR * np.sqrt(0.1875 / 4000))


def test_each_stratum_is_drawn_with_its_own_size(rng) -> None:
    observed = np.asarray([[0.0, 30, 20, 10], [0, 1, 2, 3]])
    persons = observed.copy()
    persons[:, 0] = 40, 6
    drawing = CellDrawing(observed, persons, apart=True)
    counts = drawn_by(drawing, rng, 3000)
    assert counts.shape == (3000, 8)
    assert (counts.reshape(-1, 4, 2)[:, 0] == 0).all()
    registered = drawing.registered(counts)
    assert (registered <= [100, 12]).all()
    # Registered persons are binomial in each stratum by itself.
    for s, (size, seen) in enumerate(((100, 0.6), (12, 0.5))):
        error = np.sqrt(size * seen * (1 - seen) / 3000)
        assert registered[:, s].mean() == pytest.approx(size * seen, abs=5 * error)
    assert abs(np.corrcoef(registered.T)[0, 1]) < 5 / np.sqrt(3000)


def test_n_fixed_draws_the_registered_persons_alone(rng) -> None:
    table = mse.load_dataset("spina_bifida")
    fit = mse.LogLinear("main").fit(table)
    drawing = drawing_of(fit, table, "multinomial")
    assert (drawn_by(drawing, rng, 20).sum(axis=1) == table.n_observed).all()
    anew = drawn_by(drawing_of(fit, table, "population"), rng, 2000).sum(axis=1)
    p = fit.population
    spread = np.sqrt(p.total * p.coverage * (1 - p.coverage))
    # The standard error of a standard deviation of 2,000 normal draws is 1.6 %.
    assert anew.std() == pytest.approx(spread, rel=0.08)


def test_nobody_in_a_stratum_is_no_error(rng) -> None:
    observed = np.zeros((2, 4))
    observed[0] = 0, 3, 4, 5
    counts = drawn_by(CellDrawing(observed, observed, apart=True), rng, 5)
    assert (counts.reshape(5, 4, 2)[:, :, 1] == 0).all()


def test_a_draw_of_records_known_in_part_has_hidden_persons_in_it(rng) -> None:
    drawing = PatternDrawing(
        persons=np.asarray([50.0, 30, 20, 0]),
        hidden=np.asarray([60.0, 40.0]),
        vague=np.asarray([2]),
        means=np.asarray([20.0]),
        low=np.asarray([15]),
        high=np.asarray([30]),
        n_strata=2,
    )
    counts = drawn_by(drawing, rng, 4000)
    assert counts.shape == (4000, 4)
    assert (counts[:, 3] == 0).all()
    # Of 80 and the imputed persons beside 100 hidden ones as many are registered in expectation.
    k = np.arange(15, 31)
    weights = poisson.pmf(k, 20.0) / poisson.pmf(k, 20.0).sum()
    mean = 80 + k @ weights
    given = weights @ ((80 + k) * 100 / (180 + k))
    spread = np.sqrt(given + weights @ (80 + k - mean) ** 2)
    assert counts.sum(axis=1).mean() == pytest.approx(mean, abs=FAR * spread / np.sqrt(4000))
    error = error_of_spread(spread, 4000)
    assert counts.sum(axis=1).std() == pytest.approx(spread, abs=FAR * error)
    left_out = drawing.left_out(rng)
    tables = left_out.tables(0, len(left_out.columns))
    assert left_out.weights.tolist() == [50, 30, 20]
    assert (tables.sum(axis=1) == 99).all()


def test_counts_are_imputed_between_their_bounds(rng) -> None:
    means, low, high = np.asarray([3.0, 50.0, 0.1]), np.asarray([1, 1, 20]), np.asarray([4, 4, 40])
    drawn = truncated_poisson(means, low, high, 3000, rng)
    assert ((drawn >= low) & (drawn <= high)).all()
    # Poisson(3) between 1 and 4 by hand: weights 3, 4.5, 4.5, 3.375.
    weights = np.asarray([3, 4.5, 4.5, 3.375])
    assert drawn[:, 0].mean() == pytest.approx(np.average([1, 2, 3, 4], weights=weights), abs=0.1)
    assert (drawn[:, 1] == 4).mean() > 0.8
    assert (drawn[:, 2] == 20).all()


def test_margins_are_those_of_persons_on_independent_lists(rng) -> None:
    totals, union, hidden = np.asarray([53, 70, 40]), 110, 60.0
    drawing = MarginsDrawing(totals, union, hidden)
    counts = drawn_by(drawing, rng, 20000)
    chances = totals / 170
    np.testing.assert_allclose(counts[:, :3].mean(axis=0), totals, atol=0.25)
    seen = 170 * (1 - np.prod(1 - chances))
    assert counts[:, 3].mean() == pytest.approx(seen, abs=0.25)
    assert (counts[:, 3] <= counts[:, :3].sum(axis=1)).all()
    assert (counts[:, 3] >= counts[:, :3].max(axis=1)).all()
    fixed = drawn_by(MarginsDrawing(totals, union, hidden, registered_only=True), rng, 20000)
    assert (fixed[:, 3] == union).all()
    np.testing.assert_allclose(
        fixed[:, :3].mean(axis=0), union * chances / (1 - np.prod(1 - chances)), atol=0.25
    )


def test_bootstrap_of_margins() -> None:
    table = mse.CaptureTable.from_margins({"a": 530, "b": 700}, union=1100)
    p = mse.bootstrap(mse.LogLinear("main"), table, 500, seed=1)
    profile = mse.LogLinear("main").fit(table).population
    assert p.total == profile.total
    spread = np.log(p.draws).std()
    np.testing.assert_allclose(
        p.interval(), profile.interval(), rtol=FAR * error_of_end(spread, 500) + 0.005
    )
    bca = mse.bootstrap(mse.LogLinear("main"), table, 500, interval="bca", seed=1)
    # The correction for bias, by a share of the draws, shifts both ends by as much as a median is uncertain.
    error = np.hypot(error_of_end(spread, 500), error_of_end(spread, 500, 0.5))
    np.testing.assert_allclose(bca.interval(), profile.interval(), rtol=FAR * error + 0.005)
