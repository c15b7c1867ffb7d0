"""Jumps of a chain over latent class models to wherever chains have been before.

A posterior of latent classes may have several modes, with narrow curved ridges between them: of the
same size, but of classes that mean something else. Tempering does not help a chain across, since
what keeps it is not the height of a barrier but how few ways lead over it. So a mixture of normal
distributions is fitted to draws of the warm-up of all chains, and proposals from it are accepted or
rejected as usual (an independence sampler: Holden, Hauge & Holden 2009, Ann. Appl. Probab. 19,
395-413). It is not changed after the warm-up, hence the posterior is left as it is whatever was fitted.

Only the leading classes jump, those with most observed persons. Their coordinates, the classes in the
order of those persons: the logs of the observed shares relative to the first class, stratum by
stratum, and the logits of the capture probabilities. The other classes and the total weight of the
leading ones stay. A proposal that changes the order or the leading classes is rejected.
"""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.latent_classes import FAST, LARGEST_LOGIT, caught_share, evaluate, make_workspace
from mse.core.latent_classes_mixture import (
    Mixture,
    blank,
    draw_point,
    fit_mixture,
    log_density,
    log_sum,
)
from mse.core.latent_classes_moves import log_weights, make_state, set_weights

if TYPE_CHECKING:
    from mse._typing import FloatArray
    from mse.core.latent_classes import Target

#: Components of the mixture at most, and points for each coordinate of a component at least.
MAX_COMPONENTS, POINTS_PER_COORDINATE = 16, 5
#: Coordinates at most: in more of them normal distributions hardly ever hit a ridge.
MAX_COORDINATES = 21
#: A class with no more observed persons than this comes and goes.
FEW_PERSONS = 3.0
#: Coordinates beyond this, in logs, belong to classes that nobody is in.
FARTHEST = 50.0


class Atlas(NamedTuple):
    """Where chains have been.

    Attributes
    ----------
    leading : int
        Number of leading classes; 0 for no jumps.
    mixture : Mixture
        Of their coordinates.
    """

    leading: int
    mixture: Mixture


def no_atlas() -> Atlas:
    """Nothing known yet: no jumps."""
    return Atlas(0, blank(0, 0))


# Coordinates ---------------------------------------------------------------------------------------


@nb.njit(**FAST)
def observed_by_class(target, work, out):  # type: ignore[no-untyped-def]
    """Write the observed persons of each class in expectation, (H,), after an evaluation."""
    for i in range(out.size):
        out[i] = 0.0
    for s in range(target.histories.observed.size):
        scale = target.histories.observed[s] / caught_share(work, s)
        for i in range(out.size):
            out[i] += scale * work.weights[s, i] * work.caught[i]


@nb.njit(**FAST)
def _lead(target, work, order, persons):  # type: ignore[no-untyped-def]
    """Write the leading classes, that with most observed persons first."""
    observed_by_class(target, work, persons)
    for k in range(order.size):
        best = -1
        for i in range(persons.size):
            if persons[i] >= 0.0 and (best < 0 or persons[i] > persons[best]):
                best = i
        order[k] = best
        persons[best] = -1.0


@nb.njit(**FAST)
def _log_caught(theta, start, h, n_lists, i):  # type: ignore[no-untyped-def]
    """Log probability that a member of a class is on some list."""
    caught = 0.0
    for j in range(n_lists):
        caught += (1.0 - caught) / (1.0 + exp(-theta[start + j * h + i]))
    return log(caught)


@nb.njit(**FAST)
def coordinates(theta, target, order, x):  # type: ignore[no-untyped-def]
    """Write the coordinates of the leading classes; log of their density over that of the state.

    Parameters
    ----------
    theta : float64 array (D,)
        The state.
    target : Target
        The posterior.
    order : int64 array (k,)
        The leading classes.
    x : float64 array (d,)
        Receives the coordinates.
    """
    h, n_lists = target.n_classes, target.histories.n_lists
    n_strata, k = target.histories.observed.size, order.size
    start = n_strata * (h - 1)
    weights = np.empty(h)
    change = 0.0
    for s in range(n_strata):
        change -= log_weights(theta, s, weights)
        for a in range(k):
            change += weights[order[a]]
            seen = weights[order[a]] + _log_caught(theta, start, h, n_lists, order[a])
            if a == 0:
                first = seen
            else:
                x[s * (k - 1) + a - 1] = seen - first
    for a in range(k):
        for j in range(n_lists):
            x[n_strata * (k - 1) + a * n_lists + j] = theta[start + j * h + order[a]]
    return change


@nb.njit(**FAST)
def position(x, target, order, theta):  # type: ignore[no-untyped-def]
    """Move the leading classes of a state, in place, to coordinates; whether that is possible."""
    h, n_lists = target.n_classes, target.histories.n_lists
    n_strata, k = target.histories.observed.size, order.size
    start = n_strata * (h - 1)
    for a in range(k):
        for j in range(n_lists):
            logit = x[n_strata * (k - 1) + a * n_lists + j]
            if not abs(logit) <= LARGEST_LOGIT:
                return False
            theta[start + j * h + order[a]] = logit
    weights, shares = np.empty(h), np.empty(k)
    for s in range(n_strata):
        log_weights(theta, s, weights)
        before, after = -np.inf, -np.inf
        for a in range(k):
            shares[a] = -_log_caught(theta, start, h, n_lists, order[a])
            if a > 0:
                shares[a] += x[s * (k - 1) + a - 1]
            before = log_sum(weights[order[a]], before)
            after = log_sum(shares[a], after)
        for a in range(k):
            weights[order[a]] = shares[a] + before - after
        set_weights(theta, s, weights)
    finite = True
    for d in range(start):
        finite &= np.isfinite(theta[d])
    return finite


@nb.njit(**FAST)
def jump(rng, state, target, work, atlas, n_tries):  # type: ignore[no-untyped-def]
    """Try to jump, several times.

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
    atlas : Atlas
        The mixture to propose from.
    n_tries : int
        Number of proposals.

    Returns
    -------
    state : State
        The new state.
    accepted : int
        Number of proposals that were accepted.
    """
    order, other = np.empty(atlas.leading, np.int64), np.empty(atlas.leading, np.int64)
    persons = np.empty(target.n_classes)
    x, proposed = np.empty(atlas.mixture.means.shape[1]), np.empty(atlas.mixture.means.shape[1])
    evaluate(state.theta, target, work)
    _lead(target, work, order, persons)
    change = coordinates(state.theta, target, order, x)
    weight = state.likelihood + state.prior + change - log_density(x, atlas.mixture)
    accepted = 0
    for _ in range(n_tries):
        draw_point(rng, atlas.mixture, proposed)
        threshold = log(rng.random())
        theta = state.theta.copy()
        if not position(proposed, target, order, theta):
            continue
        new = make_state(theta, target, work)
        if not new.likelihood > -np.inf:
            continue
        change = coordinates(theta, target, order, x)
        ratio = new.likelihood + new.prior + change - log_density(proposed, atlas.mixture)
        if not threshold < ratio - weight:
            continue
        _lead(target, work, other, persons)
        same = True
        for a in range(order.size):
            same &= other[a] == order[a]
        if same:
            state, weight = new, ratio
            accepted += 1
    return state, accepted


@nb.njit(**FAST)
def _survey(draws, target, work, leading, out):  # type: ignore[no-untyped-def]
    """Write the coordinates of the leading classes of states (M, d)."""
    order, persons = np.empty(leading, np.int64), np.empty(target.n_classes)
    theta = np.empty(draws.shape[1])
    for m in range(draws.shape[0]):
        for d in range(theta.size):
            theta[d] = draws[m, d]
        evaluate(theta, target, work)
        _lead(target, work, order, persons)
        coordinates(theta, target, order, out[m])


def draw_atlas(rng: np.random.Generator, draws: FloatArray, target: Target) -> Atlas:
    """Fit a mixture to states that chains have been in.

    Parameters
    ----------
    rng : numpy.random.Generator
        For the starts of the fit.
    draws : float64 array (M, D)
        The states.
    target : Target
        The posterior.

    Returns
    -------
    Atlas
        Without jumps if there are too few states.
    """
    n_strata, n_lists = target.histories.observed.size, target.histories.n_lists
    room = max((MAX_COORDINATES + n_strata) // (n_strata + n_lists), 1)
    leading = min(_count_leading(draws, target), room)
    d = n_strata * (leading - 1) + leading * n_lists
    points = np.zeros((len(draws), d))
    _survey(draws, target, make_workspace(target), leading, points)
    # Where a leading class has next to nobody its coordinates go anywhere.
    points = points[(np.abs(points) < FARTHEST).all(axis=1)]
    n_components = min(MAX_COMPONENTS, len(points) // (POINTS_PER_COORDINATE * d))
    if n_components == 0:
        return no_atlas()
    return Atlas(leading, fit_mixture(rng, points, n_components))


def _count_leading(draws: FloatArray, target: Target) -> int:
    """Classes with more than a few persons in most of the states."""
    work, persons = make_workspace(target), np.zeros(target.n_classes)
    active = np.zeros(len(draws))
    for m, theta in enumerate(draws):
        evaluate(theta, target, work)
        observed_by_class(target, work, persons)
        active[m] = (persons > FEW_PERSONS).sum()
    return max(int(np.median(active)), 1)
