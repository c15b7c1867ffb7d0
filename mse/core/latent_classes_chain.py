"""Chains over latent class models: starts far apart, warm-up, draws."""

from __future__ import annotations

from math import exp, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.latent_classes import (
    FAST,
    LARGEST_LOGIT,
    caught_share,
    evaluate,
    make_workspace,
    missed_share,
    n_parameters,
)
from mse.core.latent_classes_jumps import jump
from mse.core.latent_classes_moves import MAX_STEPS, exchange, make_state, regroup, travel

if TYPE_CHECKING:
    from mse._typing import FloatArray
    from mse.core.latent_classes import Target
    from mse.core.latent_classes_jumps import Atlas

#: Share of trajectories to accept (Beskos et al. 2013, Bernoulli 19, 1501-1534), and the mean length
#: of one in logits: about what the broadest directions of an occupied class measure.
TARGET_ACCEPTANCE, LENGTH = 0.75, 1.0
#: Constants of dual averaging as recommended by Hoffman & Gelman (2014, JMLR 15, 1593-1623).
_GAMMA, _OFFSET, _DECAY = 0.05, 10.0, 0.75
#: First leapfrog step.
FIRST_STEP = 0.05
#: Tries to jump in a sweep.
JUMPS = 5


class Draws(NamedTuple):
    """What a chain kept.

    Attributes
    ----------
    theta : float64 array (M, D)
        States.
    odds : float64 array (M, S)
        Hidden over observed persons by stratum in expectation, p(s, 0) / (1 - p(s, 0)).
    stats : float64 array (M, 3)
        Log likelihood; mean probability of acceptance of the trajectories, and share of the jumps
        accepted, since the draw before.
    """

    theta: FloatArray
    odds: FloatArray
    stats: FloatArray


def scatter(rng: np.random.Generator, target: Target) -> FloatArray:
    """Draw a start: more dispersed than a posterior, in the sizes of the classes and of N.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of this chain.
    target : Target
        The posterior.

    Returns
    -------
    float64 array (D,)
    """
    theta = np.zeros(n_parameters(target))
    n_sticks = target.histories.observed.size * (target.n_classes - 1)
    theta[:n_sticks] = rng.normal(rng.normal(0.0, 1.0), 1.0, n_sticks)
    # Powers of uniform probabilities: from lists that catch half of all to such that catch few.
    uniform = rng.uniform(size=theta.size - n_sticks)
    chances = uniform ** np.exp(rng.uniform(0.0, 1.5))
    logits = np.log(chances / (1.0 - chances))
    theta[n_sticks:] = np.clip(logits, -LARGEST_LOGIT / 2, LARGEST_LOGIT / 2)
    return theta


class Pace(NamedTuple):
    """How a chain runs: first leapfrog step, whether it is adapted, sweeps for each draw kept."""

    step: float
    adapt: bool
    thin: int


@nb.njit(**FAST)
def _run(rng, theta, target, atlas, pace, kept):  # type: ignore[no-untyped-def]
    """Run a chain; writes what it keeps, returns the adapted step."""
    work = make_workspace(target)
    state = make_state(theta, target, work)
    log_step = averaged = log(pace.step)
    anchor, slack, t = log(10.0 * pace.step), 0.0, 0.0
    n_tries = JUMPS if atlas.leading > 0 else 0
    for m in range(kept.theta.shape[0]):
        for _ in range(pace.thin):
            state = regroup(rng, state, target, work)
            state, _ = exchange(rng, state, target, work)
            # Steps of different size and number: no trajectory closes upon itself.
            step = exp(log_step)
            size = step * (0.8 + 0.4 * rng.random())
            n_steps = min(max(int(2.0 * LENGTH * rng.random() / step), 1), MAX_STEPS)
            state, probability = travel(rng, state, target, work, size, n_steps)
            kept.stats[m, 1] += probability / pace.thin
            if n_tries > 0:
                state, accepted = jump(rng, state, target, work, atlas, n_tries)
                kept.stats[m, 2] += accepted / (pace.thin * n_tries)
            if pace.adapt:
                t += 1.0
                slack += (TARGET_ACCEPTANCE - probability - slack) / (t + _OFFSET)
                log_step = anchor - sqrt(t) / _GAMMA * slack
                averaged += t**-_DECAY * (log_step - averaged)
        kept.stats[m, 0] = state.likelihood
        evaluate(state.theta, target, work)
        for d in range(theta.size):
            kept.theta[m, d] = state.theta[d]
        for s in range(kept.odds.shape[1]):
            kept.odds[m, s] = missed_share(work, s) / caught_share(work, s)
    return exp(averaged)


def run(
    rng: np.random.Generator,
    theta: FloatArray,
    target: Target,
    atlas: Atlas,
    step: float,
    *,
    n_draws: int,
    thin: int,
    adapt: bool = False,
) -> tuple[Draws, float]:
    """Run a chain.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of this chain; it moves on.
    theta : float64 array (D,)
        First state.
    target : Target
        The posterior.
    atlas : Atlas
        Where to jump to.
    step : float
        Leapfrog step.
    n_draws, thin : int
        Draws to keep, and sweeps for each of them.
    adapt : bool, default False
        Whether to adapt the step. Adapted chains are warm-up, their draws are not of the posterior.

    Returns
    -------
    draws : Draws
        What was kept.
    step : float
        The step, adapted or as it was.
    """
    n_strata = target.histories.observed.size
    odds, stats = np.zeros((n_draws, n_strata)), np.zeros((n_draws, 3))
    kept = Draws(np.zeros((n_draws, theta.size)), odds, stats)
    return kept, float(_run(rng, theta, target, atlas, Pace(step, adapt, thin), kept))
