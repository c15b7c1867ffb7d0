"""Chains over log-linear models: where they start, what they learn from each other, how often they jump."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.bayes.model_average_posterior import (
    _affordable,
    _neighbors,
    _shared,
    _starts,
    _suit_jumps,
    all_models,
    make_setting,
    sample_models,
)
from mse.core.model_average.chain import scout, warm_up
from mse.core.model_average.maps import laplace

UNIT = np.asarray([1.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def target():
    return make_setting(mse.load_dataset("spina_bifida"), 2, UNIT).target


def started(target, chains: int = 3):
    return _starts(target, 50, np.random.SeedSequence(1).spawn(chains))


def test_chains_start_at_the_smallest_and_at_the_largest_model(target) -> None:
    smallest, largest, other = (run.parts.state.members for run in started(target))
    assert not smallest[target.scope.free].any()
    assert largest.all()
    assert other[~target.scope.free].all()


def test_neighbors_are_the_hierarchical_models_with_one_term_more_or_less() -> None:
    scope = make_setting(mse.load_dataset("kosovo"), 3, UNIT).target.scope
    models = all_models(scope)
    for members in models[[0, 20, -1]]:
        one_off = models[(models != members).sum(axis=1) == 1]
        assert set(_neighbors(scope, members.tobytes())) == {row.tobytes() for row in one_off}


def test_chains_share_the_models_they_met_and_neighbors_of_the_best(target) -> None:
    runs = started(target)
    for run in runs:
        scout(run, 40, 4.0)
    few, many = (_shared(runs, budget)[0].parts.catalog for budget in (0, 1000))
    assert len(few.members) <= len(many.members)
    models = all_models(target.scope)
    value = laplace(target, models)
    near = models[value >= value.max() - 10]
    known = {row.tobytes() for row in many.members}
    assert {row.tobytes() for row in near} <= known
    assert many.cumulative[-1] == pytest.approx(1.0)


def test_scouts_move_the_model_and_leave_the_rest_to_a_fresh_start(target) -> None:
    run = started(target)[0]
    scout(run, 60, 4.0)
    state = run.parts.state
    assert int(state.at[0]) == 60
    assert state.members.any()
    assert state.numbers[2] == 1.0
    # A move within the model comes first, and its coordinates are taken whatever they are.
    before = state.tally[1].copy()
    warm_up(run, 1)
    assert state.tally[1, 1] > before[1]
    assert np.isfinite(state.numbers[0])


@pytest.mark.parametrize(("accepted", "share"), [(900, 0.6), (50, 0.3), (1, 0.1)])
def test_jumps_are_as_frequent_as_they_are_worth(target, accepted, share) -> None:
    runs = started(target)
    for run in runs:
        scout(run, 20, 4.0)
    runs = _shared(runs, 0)
    for run in runs:
        run.parts.state.tally[2] = 1000, accepted
    _suit_jumps(runs)
    for run in runs:
        assert run.parts.catalog.share[0] == pytest.approx(share)


def test_short_chains_look_at_few_neighbors(target) -> None:
    assert _affordable(target, 10) == 2
    assert _affordable(target, 10**6) == 6000


@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_hardly_any_warm_up_is_allowed(target, warmup) -> None:
    seeds = np.random.SeedSequence(2).spawn(2)
    found = sample_models(target, None, (warmup, 1, 100), seeds)
    assert found.members.shape == (2, 100, 9 + 1)
    assert np.isfinite(found.coefficients).all()
