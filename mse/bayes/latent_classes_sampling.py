"""Chains over latent class models, side by side: scouts, warm-up, draws.

In the first half of the warm-up each chain sends out scouts, short runs from starts far apart, so that
places that can be jumped to are known even where a chain would need long to find them by itself. In
the second half chains jump to places learned from the scouts of all chains; what they find there, and
some of what the scouts found, makes the proposals that are then kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse._progress import track
from mse.core.latent_classes_chain import FIRST_STEP, Draws, run, scatter
from mse.core.latent_classes_jumps import draw_atlas, no_atlas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import FloatArray
    from mse.core.latent_classes import Target
    from mse.core.latent_classes_jumps import Atlas

#: Scouts of each chain.
SCOUTS = 8
#: Share of a run that is left out when it is learned from: the way from its start.
WAY = 0.5
#: States of chains and of scouts from which is learned; more make no better proposals.
MAX_STATES, MAX_SCOUTED = 3000, 1000
#: Below this share of accepted jumps they cost more than they bring.
WORTHWHILE = 0.002
#: Histories times classes times sweeps of a chain from which chains run in parallel.
THREADED = 1_000_000
#: Expected hidden persons beyond this are not drawn: 64-bit integers end.
LARGEST_COUNT = 1e18


class Length(NamedTuple):
    """How long chains run.

    Attributes
    ----------
    chains, draws : int
        Chains, and draws kept of each.
    thin, warmup : int
        Sweeps for each draw, and before the first one.
    """

    chains: int
    draws: int
    thin: int
    warmup: int


class Sampled(NamedTuple):
    """What the chains found.

    Attributes
    ----------
    theta : float64 array (chains, M, D)
        States.
    hidden : float64 array (chains, M, S)
        Hidden persons by stratum.
    stats : float64 array (chains, M, 3)
        As of `mse.core.latent_classes_chain.Draws`.
    """

    theta: FloatArray
    hidden: FloatArray
    stats: FloatArray


class _Walker(NamedTuple):
    """A chain between two runs."""

    rng: np.random.Generator
    theta: FloatArray
    step: float


def sample(target: Target, length: Length, seed: int, *, progress: bool | None) -> Sampled:
    """Draw from the posterior of a latent class model with several chains.

    Parameters
    ----------
    target : Target
        The posterior.
    length : Length
        How long.
    seed : int
        The same seed gives the same draws, whatever the number of workers.
    progress : bool or None
        Show a bar; None shows it in a terminal or notebook.

    Returns
    -------
    Sampled
    """
    *seeds, own = np.random.SeedSequence(seed).spawn(length.chains + 1)
    rng = np.random.default_rng(own)
    walkers = [_Walker(np.random.default_rng(child), np.zeros(0), FIRST_STEP) for child in seeds]
    atlas, scouted = no_atlas(), np.zeros((0, 0))
    half = length.warmup // 2
    for part in track(("scouts", "warm-up", "draws"), 3, "Sampling", progress=progress):
        if part == "scouts":
            walkers, drawn = _advance(walkers, target, atlas, half // SCOUTS, 1, scouts=SCOUTS)
            scouted = _states(drawn, MAX_STATES)
            atlas = draw_atlas(rng, scouted, target)
        elif part == "warm-up":
            walkers, drawn = _advance(walkers, target, atlas, half, 1)
            seen = np.concatenate([_states(drawn, MAX_STATES), _some(scouted, MAX_SCOUTED)])
            known = _share_of_jumps(drawn) >= WORTHWHILE
            atlas = draw_atlas(rng, seen, target) if known else no_atlas()
        else:
            walkers, drawn = _advance(
                walkers, target, atlas, length.draws, length.thin, adapt=False
            )
    observed = target.histories.observed
    pairs = zip(walkers, drawn, strict=True)
    hidden = [_hidden(walker.rng, each.odds, observed) for walker, (each,) in pairs]
    return Sampled(
        np.stack([each.theta for (each,) in drawn]),
        np.stack(hidden),
        np.stack([each.stats for (each,) in drawn]),
    )


def _advance(
    walkers: Sequence[_Walker],
    target: Target,
    atlas: Atlas,
    n_draws: int,
    thin: int,
    *,
    scouts: int = 0,
    adapt: bool = True,
) -> tuple[list[_Walker], list[list[Draws]]]:
    """Let all chains run for a while, or send out scouts."""
    from joblib import Parallel, delayed

    work = target.histories.counts.size * target.n_classes * n_draws * thin * max(scouts, 1)
    # Below some tenths of a second a chain, handing it to a thread takes longer than it does.
    parallel = Parallel(n_jobs=-1 if work > THREADED else 1, prefer="threads")
    tasks = (
        delayed(_walk)(walker, target, atlas, n_draws, thin, scouts=scouts, adapt=adapt)
        for walker in walkers
    )
    found = parallel(tasks)
    return [walker for walker, _ in found], [drawn for _, drawn in found]


def _walk(
    walker: _Walker,
    target: Target,
    atlas: Atlas,
    n_draws: int,
    thin: int,
    *,
    scouts: int,
    adapt: bool,
) -> tuple[_Walker, list[Draws]]:
    """Let one chain run for a while, or send out its scouts; it goes on from the last of them."""
    rng, theta, step = walker
    runs = []
    for _ in range(max(scouts, 1)):
        if scouts:
            theta, step = scatter(rng, target), FIRST_STEP
        drawn, step = run(rng, theta, target, atlas, step, n_draws=n_draws, thin=thin, adapt=adapt)
        runs.append(drawn)
    # The generator has moved on, in another process if need be: it comes back with the chain.
    return _Walker(rng, runs[-1].theta[-1].copy(), step), runs


def _share_of_jumps(drawn: Sequence[Sequence[Draws]]) -> float:
    return float(np.mean([each.stats[:, 2].mean() for runs in drawn for each in runs]))


def _states(drawn: Sequence[Sequence[Draws]], most: int) -> FloatArray:
    """States of all runs to learn from, (M, D)."""
    runs = [each.theta[int(WAY * len(each.theta)) :] for runs in drawn for each in runs]
    return _some(np.concatenate(runs), most)


def _some(states: FloatArray, most: int) -> FloatArray:
    """Every so many of the states."""
    return np.ascontiguousarray(states[:: max(-(-len(states) // most), 1)])


def _hidden(rng: np.random.Generator, odds: FloatArray, observed: FloatArray) -> FloatArray:
    """Draw hidden persons: negative binomial given the odds, as p(N) is proportional to 1/N."""
    mean = rng.standard_gamma(observed, size=odds.shape) * odds
    large = mean > LARGEST_COUNT
    return np.where(large, mean, rng.poisson(np.where(large, 0.0, mean)))
