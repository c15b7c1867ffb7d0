"""Chains over log-linear models: starts, warm-up, what they learn from each other, draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse._progress import track
from mse.core.bayes_loglinear_chain import (
    Run,
    make_catalog,
    met,
    scout,
    start_run,
    take_draws,
    warm_up,
    with_catalog,
)
from mse.core.bayes_loglinear_evidence import laplace
from mse.core.bayes_loglinear_maps import WHOLE, Maps
from mse.core.bayes_loglinear_terms import ADDING, DROPPING, may_change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.bayes.log_linear_models import Enumerated
    from mse.core.bayes_loglinear import Scope, Target

#: Share of the moves between models that go to a model whose probability is roughly known. More is better as long
#: as such moves are accepted; the others reach models that are not. Where fewer than one in ten are accepted the
#: share is lower in proportion, but not below the last one.
JUMPS, JUMPS_AMONG_ALL, ACCEPTED, FEWEST_JUMPS = 0.6, 0.9, 0.1, 0.1
#: Temperature of the first half of a warm-up by reversible jump, which only scouts: differences of four units of log
#: probability then look like one, so that chains pass through models between modes.
HOT = 4.0
#: Models met in the warm-up to which chains jump later: so many, and so near the best in log probability.
MOST_MODELS, REACH = 4096, 14.0
#: Models one term away from those that are within this distance of the best are looked at as well: those of so many
#: models at a time, between so many, and as many as so many operations of a Newton step allow.
WINDOW, AT_ONCE, NEIGHBORS, OPERATIONS = 9.0, 64, (500, 6000), 6e7
#: Iterations of all chains for each neighbor that is looked at: preparing should not take longer than sampling.
PREPARED = 5
#: Cells from which on chains go into threads.
THREADED = 24
#: Draws between two looks at whether the user wants to stop.
CHUNK = 500


class Sampled(NamedTuple):
    """Draws of all chains.

    Attributes
    ----------
    members : bool array (chains, draws, T)
        Terms of the models.
    coefficients : float64 array (chains, draws, U)
        Log scale, 0 where the model has none.
    moves : int64 array (chains, 3, 2)
        Proposed and accepted moves: term by term, within a model, to a known model.
    """

    members: BoolArray
    coefficients: FloatArray
    moves: IntArray


def sample_models(
    target: Target,
    enumerated: Enumerated | None,
    schedule: tuple[int, int, int],
    seeds: Sequence[np.random.SeedSequence],
) -> Sampled:
    """Draw models and coefficients from their posterior.

    Parameters
    ----------
    target : Target
        The posterior.
    enumerated : Enumerated, optional
        Probabilities of all models, to propose models by; else chains find out by reversible jump.
    schedule : tuple of int
        Iterations of the warm-up, iterations to a draw, draws of each chain.
    seeds : sequence of SeedSequence
        One for each chain.
    """
    warmup, thin, draws = schedule
    runs = _starts(target, draws, seeds)
    if enumerated is None:
        _all(runs, lambda run: scout(run, warmup // 2, HOT))
        runs = _shared(runs, 0)
        _all(runs, lambda run: warm_up(run, warmup // 4))
        runs = _shared(runs, _affordable(target, len(runs) * (warmup + thin * draws)))
        _forget_moves(runs)
        _all(runs, lambda run: warm_up(run, warmup - warmup // 2 - warmup // 4))
        _suit_jumps(runs)
    else:
        known = np.flatnonzero(enumerated.probability > 0)
        catalog = make_catalog(
            enumerated.members[known], np.log(enumerated.probability[known]), JUMPS_AMONG_ALL
        )
        runs = [with_catalog(run, catalog) for run in runs]
        _all(runs, lambda run: warm_up(run, warmup))
    _forget_moves(runs)
    for start in track(range(0, draws, CHUNK), -(-draws // CHUNK), "Sampling models"):
        count = min(CHUNK, draws - start)
        _all(runs, lambda run, first=start, n=count: take_draws(run, thin, first, n))  # type: ignore[misc]
    return Sampled(
        np.stack([run.parts.record.members for run in runs]),
        np.stack([run.parts.record.coefficients for run in runs]),
        np.stack([run.parts.state.tally for run in runs]),
    )


def _starts(target: Target, draws: int, seeds: Sequence[np.random.SeedSequence]) -> list[Run]:
    """Start chains at the smallest model, the largest one, and random ones in between."""
    runs = []
    for chain, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        chance = {0: 0.0, 1: 1.0}.get(chain, 0.5)
        runs.append(start_run(target, _random_model(target.scope, chance, rng), draws, rng))
    return runs


def _random_model(scope: Scope, chance: float, rng: np.random.Generator) -> BoolArray:
    """Add each term that may be added with the same chance, lower ones first."""
    members = ~scope.free
    for t in np.flatnonzero(scope.free):
        needed = scope.facets[t][scope.facets[t] >= 0]
        members[t] = members[needed].all() and rng.random() < chance
    return np.asarray(members)


def _all(runs: Sequence[Run], work: Callable[[Run], None]) -> None:
    """Do the same to all chains, each in a thread: kernels do not hold the interpreter."""
    from joblib import Parallel, delayed

    # Chains are changed in place, so that workers must share their memory. Small tables take less time
    # than handing them to a thread does.
    n_jobs = -1 if runs[0].parts.room.means.size >= THREADED else 1
    Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(work)(run) for run in runs)


def _forget_moves(runs: Sequence[Run]) -> None:
    for run in runs:
        run.parts.state.tally[:] = 0


def _suit_jumps(runs: Sequence[Run]) -> None:
    """Jump less where jumps are seldom accepted, as they are when no list of models holds most of the posterior."""
    proposed, accepted = sum(run.parts.state.tally[2] for run in runs)
    for run in runs:
        share = run.parts.catalog.share
        if proposed:
            share[0] = np.clip(JUMPS * accepted / proposed / ACCEPTED, FEWEST_JUMPS, JUMPS)


def _affordable(target: Target, iterations: int) -> int:
    """Neighbors to look at: fewer where a model takes more operations, or where chains are short."""
    design, size = target.likelihood.design, target.penalty.shape[0]
    operations = target.start.size * design.shape.size + size**3 / 3
    most = int(np.clip(OPERATIONS / operations, *NEIGHBORS))
    return min(most, iterations // PREPARED)


def _shared(runs: Sequence[Run], n_neighbors: int) -> list[Run]:
    """Tell all chains which models any of them has met, and of how many of their neighbors they should know."""
    known = [met(run) for run in runs]
    pooled = Maps._make(np.concatenate(parts) for parts in zip(*known, strict=True))
    # Of several chains' maps of a model one that was worked out in full.
    full_first = np.argsort(-pooled.level, kind="stable")
    _, first = np.unique(pooled.members[full_first], axis=0, return_index=True)
    rows = full_first[first]
    value = np.where(pooled.level == WHOLE, pooled.evidence, pooled.rough)[rows]
    if not np.isfinite(value).any():
        return list(runs)
    maps = Maps._make(each[rows[_nearest(value)]] for each in pooled)
    members, value = _with_neighbors(runs[0].parts.target, pooled.members[rows], value, n_neighbors)
    near = _nearest(value)
    catalog = make_catalog(members[near], value[near], JUMPS)
    return [with_catalog(run, catalog, maps) for run in runs]


def _nearest(value: FloatArray) -> IntArray:
    """Positions of the values that are near the best, the best first; ties in the order given."""
    order = np.argsort(-value, kind="stable")
    return np.asarray(order[value[order] >= value.max() - REACH][:MOST_MODELS])


def _with_neighbors(
    target: Target, members: BoolArray, value: FloatArray, budget: int
) -> tuple[BoolArray, FloatArray]:
    """Add so many models that are one term away, those of the best models first."""
    found = {row.tobytes(): float(v) for row, v in zip(members, value, strict=True)}
    looked_at: set[bytes] = set()
    while budget > 0:
        best = max(found.values())
        near = [key for key, v in found.items() if v >= best - WINDOW and key not in looked_at]
        chosen = sorted(near, key=lambda key: (-found[key], key))[:AT_ONCE]
        looked_at.update(chosen)
        fresh = {key for each in chosen for key in _neighbors(target.scope, each)} - found.keys()
        if not chosen:
            break
        keys = sorted(fresh)[:budget]
        budget -= len(keys)
        if keys:
            rows = np.frombuffer(b"".join(keys), dtype=np.bool_).reshape(len(keys), -1)
            found.update(zip(keys, laplace(target, rows.copy()).tolist(), strict=True))
    keys = sorted(found)
    rows = np.frombuffer(b"".join(keys), dtype=np.bool_).reshape(len(keys), -1)
    return rows, np.asarray([found[key] for key in keys])


def _neighbors(scope: Scope, model: bytes) -> list[bytes]:
    """Models with one term more or less."""
    members = np.frombuffer(model, dtype=np.bool_).copy()
    found = []
    for t in np.flatnonzero(scope.free):
        if may_change(members, scope, int(t), ADDING + DROPPING):
            members[t] = not members[t]
            found.append(members.tobytes())
            members[t] = not members[t]
    return found
