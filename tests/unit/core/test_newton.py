from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.core.fitting import choose
from mse.core.newton import (
    MANY_PARAMETERS,
    arrange,
    cholesky,
    cholesky_solve,
    make_workspace,
    restore,
)
from mse.loglinear.design import table_design
from mse.models.terms import parse_model


def places(rng: np.random.Generator, n: int) -> mse.CaptureTable:
    """Return a table of three lists over n places and two sexes, thin in places."""
    counts = rng.poisson(1.5, size=(2, 2, 2, n, 2))
    counts += (np.arange(8).reshape(2, 2, 2, 1, 1) > 3) * rng.poisson(2.0, size=counts.shape)
    counts[0, 0, 0] = 0
    levels = {"place": list(range(n)), "sex": ["f", "m"]}
    return mse.CaptureTable.from_array(counts, lists=["a", "b", "c"], covariates=levels)


def test_zeros_at_the_start_of_rows_change_no_factor(rng) -> None:
    matrix = np.zeros((9, 9))
    for block in (slice(0, 3), slice(3, 5), slice(5, 6), slice(6, 9)):
        size = block.stop - block.start
        matrix[block, block] = rng.normal(size=(size, size))
    matrix[6:] = rng.normal(size=(3, 9))
    matrix = matrix @ matrix.T
    matrix[:6][:, :6] *= np.abs(matrix[:6][:, :6]) > 1e-12
    factor, x = np.tril(matrix), np.arange(9.0)
    assert cholesky(factor, 9)
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(matrix), rtol=1e-10, atol=1e-12)
    cholesky_solve(factor, 9, x)
    np.testing.assert_allclose(matrix @ x, np.arange(9.0), atol=1e-9)


@pytest.mark.parametrize("trend", [{}, {"sex": 1}])
def test_parameters_are_arranged_level_by_level_and_put_back(rng, trend) -> None:
    table = places(rng, 90)
    layout = table_design(
        table, parse_model("a*place + b*sex + c", table.lists, ("place", "sex")), trend
    )
    design = layout.core
    work, sums = make_workspace(design), np.ones(table.n_cells)
    p, _ = choose(sums, np.ones(len(layout.terms), dtype=bool), design, work)
    assert p > MANY_PARAMETERS
    before = work.chosen[:p].copy()
    work.b[:p] = before
    arrange(design, work, p)
    of_place = [
        [name for name in layout.names[u].split(":") if "place" in name] for u in work.chosen[:p]
    ]
    with_place = [found[0] for found in of_place if found]
    assert of_place[: len(with_place)] == [[name] for name in with_place]
    assert with_place == [f"place={i}" for i in range(1, 90) for _ in range(2)]
    np.testing.assert_array_equal(work.b[:p], work.chosen[:p])
    restore(work, p)
    np.testing.assert_array_equal(work.chosen[:p], before)
    np.testing.assert_array_equal(work.b[:p], before)


def test_many_parameters_give_the_fits_of_the_places_by_themselves(rng) -> None:
    table = places(rng, 40)
    joint = mse.LogLinear("a*place + b*place + c*place + sex*place").fit(table)
    assert joint.n_parameters > MANY_PARAMETERS
    alone = [mse.LogLinear("a + b + c + sex").fit(each) for each in table.by("place").values()]
    hidden = np.concatenate([fit.population.by["hidden"] for fit in alone])
    np.testing.assert_allclose(joint.population.by["hidden"], hidden, rtol=1e-9)
    assert joint.deviance == pytest.approx(sum(fit.deviance for fit in alone), rel=1e-10)
    errors = [fit.standard_error for fit in alone]
    assert joint.standard_error == pytest.approx(float(np.linalg.norm(errors)), rel=1e-8)


def test_margins_of_many_parameters_are_fitted(rng) -> None:
    table = places(rng, 90)
    fit = mse.LogLinear("a*place + b*sex + c*sex + place*sex").fit(table)
    assert fit.n_parameters > 2 * MANY_PARAMETERS
    seen = fit.fitted.copy()
    seen[0, 0, 0] = 0.0
    for kept in ((0, 3), (1, 4), (2, 4), (3, 4)):
        rest = tuple(set(range(5)) - set(kept))
        np.testing.assert_allclose(seen.sum(axis=rest), table.counts.sum(axis=rest), atol=1e-7)
