"""Moves of a Markov chain over latent class models that leave the posterior as it is.

Each takes a state and returns a new one. Hamiltonian Monte Carlo on the density with the hidden
persons integrated out moves thousands of persons at a time (Neal 2011, in Brooks et al., Handbook of
Markov Chain Monte Carlo, chapter 5). A Gibbs sweep puts the persons into classes, the hidden ones
included, and draws everything else given that: it renews classes that nobody is in, and steps far out
into the tails of the sticks (Manrique-Vallier 2016, Biometrics 72, 1246-1254). Two classes exchange
their places on the stick, which the order of the classes otherwise forbids (Papaspiliopoulos & Roberts
2008, Biometrika 95, 169-186).
"""

from __future__ import annotations

from math import exp, lgamma, log
from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.latent_classes import (
    FAST,
    LARGEST_LOGIT,
    caught_share,
    evaluate,
    missed_share,
    slope,
    softplus,
    total_length,
)

if TYPE_CHECKING:
    from mse._typing import FloatArray

#: Most leapfrog steps of one trajectory.
MAX_STEPS = 40
#: Hidden persons beyond this are taken at their expectation: doubles and 64-bit integers end.
LARGEST_COUNT = 1e15
#: Below this a Gamma variate is computed on the log scale, where it cannot be rounded to zero.
SMALL_SHAPE = 0.1
#: Width of the first slice of log alpha, whose prior standard deviation is about 4.
ALPHA_WIDTH = 4.0
#: One class alone has all persons long before; its inverse stays within the range of a double.
SMALLEST_ALPHA = 1e-100


class State(NamedTuple):
    """Where a chain is.

    Attributes
    ----------
    theta : float64 array (D,)
        The state, as `mse.core.latent_classes` lays it out.
    likelihood, prior : float
        Log likelihood and log prior, but for constants.
    """

    theta: FloatArray
    likelihood: float
    prior: float


@nb.njit(**FAST)
def make_state(theta, target, work):  # type: ignore[no-untyped-def]
    """Evaluate a position."""
    likelihood, prior, _ = evaluate(theta, target, work)
    return State(theta, likelihood, prior)


@nb.njit(**FAST)
def travel(rng, state, target, work, step, n_steps):  # type: ignore[no-untyped-def]
    """Follow a trajectory of Hamiltonian dynamics and accept where it ends, or not.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of this chain.
    state : State
        Where the chain is.
    target : Target
        The posterior.
    work : Workspace
        Is overwritten.
    step : float
        Leapfrog step, in logits.
    n_steps : int
        Number of steps.

    Returns
    -------
    state : State
        The new state.
    probability : float
        With which it was accepted.
    """
    theta = state.theta.copy()
    gradient = np.zeros(theta.size)
    likelihood, prior, length = evaluate(theta, target, work)
    slope(target, work, length, gradient)
    momentum = np.empty(theta.size)
    energy = state.likelihood + state.prior
    for d in range(theta.size):
        momentum[d] = rng.standard_normal()
        energy -= 0.5 * momentum[d] * momentum[d]
    for _ in range(n_steps):
        for d in range(theta.size):
            momentum[d] += 0.5 * step * gradient[d]
            theta[d] += step * momentum[d]
        likelihood, prior, length = evaluate(theta, target, work)
        if not likelihood > -np.inf:
            return state, 0.0
        slope(target, work, length, gradient)
        for d in range(theta.size):
            momentum[d] += 0.5 * step * gradient[d]
    change = likelihood + prior - energy
    for d in range(theta.size):
        change -= 0.5 * momentum[d] * momentum[d]
    # A trajectory that left the range of a double is rejected: NaN compares as false.
    probability = exp(min(change, 0.0)) if change > -np.inf else 0.0
    if rng.random() < probability:
        return State(theta, likelihood, prior), probability
    return state, probability


@nb.njit(**FAST)
def log_gamma_variate(rng, shape):  # type: ignore[no-untyped-def]
    """Logarithm of a Gamma(shape, 1) variate; G(a) = G(a + 1) U^(1/a) where a is small."""
    if shape >= SMALL_SHAPE:
        return log(max(rng.standard_gamma(shape), 1e-300))
    return log(rng.standard_gamma(shape + 1.0)) - rng.standard_exponential() / shape


@nb.njit(**FAST)
def _hidden_persons(rng, target, work, s):  # type: ignore[no-untyped-def]
    """Draw the hidden persons of a stratum, negative binomial as p(N) is proportional to 1/N."""
    seen = target.histories.observed[s]
    if seen == 0.0:
        return 0.0
    mean = rng.standard_gamma(seen) * missed_share(work, s) / caught_share(work, s)
    return float(rng.poisson(mean)) if mean < LARGEST_COUNT else mean


@nb.njit(**FAST)
def _allot(rng, persons, shares, members):  # type: ignore[no-untyped-def]
    """Put persons into classes in proportion to their shares; members receives how many."""
    total, largest = 0.0, 0
    for i in range(shares.size):
        total += shares[i]
        largest = i if shares[i] > shares[largest] else largest
    left = persons
    for i in range(shares.size):
        if left <= 0.0 or shares[i] <= 0.0:
            some = 0.0
        elif shares[i] >= total:
            some = left
        elif left > LARGEST_COUNT:
            some = left * (shares[i] / total)
        else:
            some = float(rng.binomial(int(left), shares[i] / total))
        members[i] = some
        left -= some
        total -= shares[i]
    # Rounding of the total can leave somebody over.
    members[largest] += max(left, 0.0)


@nb.njit(**FAST)
def _fill_classes(rng, target, work, members, on):  # type: ignore[no-untyped-def]
    """Put all persons into classes; members (S, H) by stratum, on (K, H) by list."""
    data, h = target.histories, target.n_classes
    some, shares = np.empty(h), np.empty(h)
    for s in range(data.observed.size):
        for i in range(h):
            shares[i] = work.weights[s, i] * work.missed[i]
        _allot(rng, _hidden_persons(rng, target, work, s), shares, some)
        for i in range(h):
            members[s, i] += some[i]
        for r in range(data.bounds[s], data.bounds[s + 1]):
            for i in range(h):
                shares[i] = work.shares[r, i]
            _allot(rng, data.counts[r], shares, some)
            for i in range(h):
                members[s, i] += some[i]
            for k in range(data.starts[r], data.starts[r + 1]):
                for i in range(h):
                    on[data.lists[k], i] += some[i]


@nb.njit(**FAST)
def _log_density_of_alpha(x, members, priors):  # type: ignore[no-untyped-def]
    """Log density of log alpha given the persons in the classes, the sticks integrated out."""
    alpha = exp(x)
    value = priors.shape * x - priors.rate * alpha
    for s in range(members.shape[0]):
        tail = members[s, members.shape[1] - 1]
        for i in range(members.shape[1] - 2, -1, -1):
            # A stick that nobody comes to says nothing.
            if members[s, i] + tail > 0.0:
                value += x + lgamma(alpha + tail) - lgamma(alpha + tail + members[s, i] + 1.0)
            tail += members[s, i]
    return value


@nb.njit(**FAST)
def _draw_alpha(rng, alpha, members, priors):  # type: ignore[no-untyped-def]
    """Slice sampling of log alpha given the persons in the classes (Neal 2003, Ann. Stat. 31)."""
    x = log(alpha)
    level = _log_density_of_alpha(x, members, priors) - rng.standard_exponential()
    low = x - ALPHA_WIDTH * rng.random()
    high = low + ALPHA_WIDTH
    while _log_density_of_alpha(low, members, priors) > level:
        low -= ALPHA_WIDTH
    while _log_density_of_alpha(high, members, priors) > level:
        high += ALPHA_WIDTH
    while high - low > 1e-12:
        proposed = low + (high - low) * rng.random()
        if _log_density_of_alpha(proposed, members, priors) > level:
            return exp(proposed)
        if proposed < x:
            low = proposed
        else:
            high = proposed
    return alpha


@nb.njit(**FAST)
def regroup(rng, state, target, work):  # type: ignore[no-untyped-def]
    """Put the persons into classes, and draw sticks and capture probabilities given that.

    Parameters and result as of `travel`, without its probability.
    """
    h, data, priors = target.n_classes, target.histories, target.priors
    n_strata = data.observed.size
    n_sticks = n_strata * (h - 1)
    evaluate(state.theta, target, work)
    members, on = np.zeros((n_strata, h)), np.zeros((data.n_lists, h))
    _fill_classes(rng, target, work, members, on)
    theta = np.empty(state.theta.size)
    scale = priors.rate + total_length(state.theta, n_sticks)
    alpha = max(rng.standard_gamma(priors.shape + n_sticks) / scale, SMALLEST_ALPHA)
    alpha = max(_draw_alpha(rng, alpha, members, priors), SMALLEST_ALPHA)
    for s in range(n_strata):
        tail = members[s, h - 1]
        for i in range(h - 2, -1, -1):
            first = log_gamma_variate(rng, 1.0 + members[s, i])
            theta[s * (h - 1) + i] = first - log_gamma_variate(rng, alpha + tail)
            tail += members[s, i]
    for i in range(h):
        whole = 0.0
        for s in range(n_strata):
            whole += members[s, i]
        for j in range(data.n_lists):
            caught = log_gamma_variate(rng, priors.on + on[j, i])
            logit = caught - log_gamma_variate(rng, priors.off + max(whole - on[j, i], 0.0))
            theta[n_sticks + j * h + i] = min(max(logit, -LARGEST_LOGIT), LARGEST_LOGIT)
    return make_state(theta, target, work)


@nb.njit(**FAST)
def log_weights(theta, s, weights):  # type: ignore[no-untyped-def]
    """Write the log weights of a stratum; log Jacobian of the weights but the last in the sticks."""
    last = weights.size - 1
    rest, jacobian = 0.0, 0.0
    for i in range(last):
        v = theta[s * last + i]
        past = softplus(v)
        weights[i] = rest + v - past
        rest -= past
        jacobian += weights[i] - past
    weights[last] = rest
    return jacobian


@nb.njit(**FAST)
def set_weights(theta, s, weights):  # type: ignore[no-untyped-def]
    """Write the sticks that break into these log weights; log Jacobian as of `log_weights`."""
    last = weights.size - 1
    tail, jacobian = weights[last], 0.0
    for i in range(last - 1, -1, -1):
        v = weights[i] - tail
        theta[s * last + i] = v
        past = softplus(v)
        jacobian += weights[i] - past
        tail += past
    return jacobian


@nb.njit(**FAST)
def exchange(rng, state, target, work):  # type: ignore[no-untyped-def]
    """Let two classes exchange their places, which changes nothing but the prior of the sticks.

    Parameters as of `travel`; returns the new state and whether it is another one.
    """
    h, n_lists = target.n_classes, target.histories.n_lists
    n_strata = target.histories.observed.size
    first = int(rng.random() * h)
    second = (first + 1 + int(rng.random() * (h - 1))) % h
    theta = state.theta.copy()
    weights = np.empty(h)
    change = 0.0
    for s in range(n_strata):
        change += log_weights(theta, s, weights)
        weights[first], weights[second] = weights[second], weights[first]
        change -= set_weights(theta, s, weights)
    start = n_strata * (h - 1)
    for j in range(n_lists):
        a, b = start + j * h + first, start + j * h + second
        theta[a], theta[b] = theta[b], theta[a]
    # A weight of zero has no logarithm.
    for d in range(start):
        if not np.isfinite(theta[d]):
            return state, False
    proposed = make_state(theta, target, work)
    # The likelihood is the same but for rounding: only what is proportional to the prior counts.
    if log(rng.random()) < proposed.prior - state.prior + change:
        return proposed, True
    return state, False
