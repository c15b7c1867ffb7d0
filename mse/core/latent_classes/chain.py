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

from math import exp, lgamma, log, log1p, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core.latent_classes.density import (
    FAST,
    LARGEST_LOGIT,
    caught_share,
    evaluate,
    make_workspace,
    missed_share,
    n_parameters,
    slope,
    softplus,
    total_length,
)

if TYPE_CHECKING:
    from mse._typing import FloatArray
    from mse.core.latent_classes.density import Target

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

    theta: (D,), the state, as `mse.core.latent_classes.density` lays it out
    likelihood, prior: log likelihood and log prior, but for constants
    """

    theta: FloatArray
    likelihood: float
    prior: float


@kernel(**FAST)
def make_state(theta, target, work):  # type: ignore[no-untyped-def]
    """Evaluate a position."""
    likelihood, prior, _ = evaluate(theta, target, work)
    return State(theta, likelihood, prior)


@kernel(**FAST)
def travel(rng, state, target, work, step, n_steps):  # type: ignore[no-untyped-def]
    """Follow a trajectory of Hamiltonian dynamics and accept where it ends, or not.

    rng: numpy.random.Generator, of this chain
    state: State, where the chain is
    target: Target, the posterior
    work: Workspace, is overwritten
    step: float, leapfrog step, in logits
    n_steps: int, number of steps
    Returns state: State, the new state
    Returns probability: float, with which it was accepted
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


@kernel(**FAST)
def log_gamma_variate(rng, shape):  # type: ignore[no-untyped-def]
    """Logarithm of a Gamma(shape, 1) variate; G(a) = G(a + 1) U^(1/a) where a is small."""
    if shape >= SMALL_SHAPE:
        return log(max(rng.standard_gamma(shape), 1e-300))
    return log(rng.standard_gamma(shape + 1.0)) - rng.standard_exponential() / shape


@kernel(**FAST)
def _hidden_persons(rng, target, work, s):  # type: ignore[no-untyped-def]
    """Draw the hidden persons of a stratum, negative binomial as p(N) is proportional to 1/N."""
    seen = target.histories.observed[s]
    if seen == 0.0:
        return 0.0
    mean = rng.standard_gamma(seen) * missed_share(work, s) / caught_share(work, s)
    return float(rng.poisson(mean)) if mean < LARGEST_COUNT else mean


@kernel(**FAST)
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


@kernel(**FAST)
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


@kernel(**FAST)
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


@kernel(**FAST)
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


@kernel(**FAST)
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


@kernel(**FAST)
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


@kernel(**FAST)
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


@kernel(**FAST)
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


# Mixtures of normal distributions: fitted by EM, drawn from, and their density --------------------
# The fit starts from points far apart, each with the points that are nearest to it, over coordinates
# that are standardized. It is meant for proposals: near the optimum is enough.

#: Iterations of EM.
ITERATIONS = 20
#: Share of the correlations that a component with few points gives up, and the least variance of
#: any direction relative to the spread of all points.
SHRINKAGE, RIDGE = 0.01, 1e-7
#: Responsibilities below this are not added up.
NEGLIGIBLE = 1e-6


class Mixture(NamedTuple):
    """A mixture of C normal distributions in d coordinates.

    log_shares: (C,), log of the shares of the components, less their log determinants of the
        factors
    cumulative: (C,), shares of the components, added up
    means: (C, d), means
    factors: (C, d, d), lower Cholesky factors of the covariances; what is above the diagonal is not
        read
    """

    log_shares: FloatArray
    cumulative: FloatArray
    means: FloatArray
    factors: FloatArray


def blank(n_components: int, d: int) -> Mixture:
    """Allocate a mixture."""
    return Mixture(
        np.zeros(n_components),
        np.zeros(n_components),
        np.zeros((n_components, d)),
        np.zeros((n_components, d, d)),
    )


@kernel(**FAST)
def log_sum(a, b):  # type: ignore[no-untyped-def]
    """Compute log(exp(a) + exp(b)) for a or b finite."""
    return max(a, b) + log1p(exp(-abs(a - b)))


@kernel(**FAST)
def _log_component(x, c, mixture, z):  # type: ignore[no-untyped-def]
    """Log density of a component, but for its share and determinant; z is overwritten."""
    total = 0.0
    for i in range(x.size):
        value = x[i] - mixture.means[c, i]
        for j in range(i):
            value -= mixture.factors[c, i, j] * z[j]
        z[i] = value / mixture.factors[c, i, i]
        total += z[i] * z[i]
    return -0.5 * (total + x.size * log(2.0 * pi))


@kernel(**FAST)
def log_density(x, mixture):  # type: ignore[no-untyped-def]
    """Log density of the mixture."""
    z = np.empty(x.size)
    value = -np.inf
    for c in range(mixture.cumulative.size):
        one = _log_component(x, c, mixture, z)
        value = log_sum(mixture.log_shares[c] + one, value)
    return value


@kernel(**FAST)
def draw_point(rng, mixture, x):  # type: ignore[no-untyped-def]
    """Draw from the mixture."""
    c, u = 0, rng.random()
    while c < mixture.cumulative.size - 1 and u > mixture.cumulative[c]:
        c += 1
    z = np.empty(x.size)
    for i in range(x.size):
        z[i] = rng.standard_normal()
        x[i] = mixture.means[c, i]
        for j in range(i + 1):
            x[i] += mixture.factors[c, i, j] * z[j]


@kernel(**FAST)
def _expect(points, mixture, parts):  # type: ignore[no-untyped-def]
    """Write the responsibilities of the components (M, C)."""
    x, z = np.empty(points.shape[1]), np.empty(points.shape[1])
    for m in range(points.shape[0]):
        for i in range(x.size):
            x[i] = points[m, i]
        total = -np.inf
        for c in range(parts.shape[1]):
            parts[m, c] = mixture.log_shares[c] + _log_component(x, c, mixture, z)
            total = log_sum(parts[m, c], total)
        for c in range(parts.shape[1]):
            parts[m, c] = exp(parts[m, c] - total)


@kernel(**FAST)
def _factor(factors, c):  # type: ignore[no-untyped-def]
    """Cholesky factor of a covariance, lower triangle in place; half its log determinant."""
    value = 0.0
    for i in range(factors.shape[1]):
        for j in range(i + 1):
            total = factors[c, i, j]
            for k in range(j):
                total -= factors[c, i, k] * factors[c, j, k]
            # Coordinates are standardized: what is below the ridge is rounding.
            factors[c, i, j] = sqrt(max(total, RIDGE)) if i == j else total / factors[c, j, j]
        value += log(factors[c, i, i])
    return value


@kernel(**FAST)
def _add_spread(points, m, part, mean, covariance):  # type: ignore[no-untyped-def]
    """Add a point to the lower triangle of a covariance."""
    for i in range(mean.size):
        first = part * (points[m, i] - mean[i])
        for j in range(i + 1):
            covariance[i, j] += first * (points[m, j] - mean[j])


@kernel(**FAST)
def _maximize(points, parts, mixture):  # type: ignore[no-untyped-def]
    """Write the mixture given the responsibilities; shares are not added up yet."""
    n_points, d = points.shape
    means, factors = mixture.means, mixture.factors
    for c in range(parts.shape[1]):
        size = 1e-9
        mean, covariance = np.zeros(d), np.zeros((d, d))
        for m in range(n_points):
            if parts[m, c] > NEGLIGIBLE:
                size += parts[m, c]
                for i in range(d):
                    mean[i] += parts[m, c] * points[m, i]
        for i in range(d):
            mean[i] /= size
        for m in range(n_points):
            if parts[m, c] > NEGLIGIBLE:
                _add_spread(points, m, parts[m, c], mean, covariance)
        keep = 1.0 - SHRINKAGE * d / (size + d)
        for i in range(d):
            means[c, i] = mean[i]
            for j in range(i):
                factors[c, i, j] = covariance[i, j] * keep / size
            factors[c, i, i] = covariance[i, i] / size + RIDGE
        mixture.cumulative[c] = size / n_points
        mixture.log_shares[c] = log(size / n_points) - _factor(factors, c)


@kernel(**FAST)
def _scatter(rng, points, parts):  # type: ignore[no-untyped-def]
    """Start from points far apart (Arthur & Vassilvitskii 2007); each goes to the nearest of them."""
    n_points = points.shape[0]
    nearest, home = np.full(n_points, np.inf), np.zeros(n_points, np.int64)
    at = int(rng.random() * n_points)
    for c in range(parts.shape[1]):
        total = 0.0
        for m in range(n_points):
            distance = 0.0
            for i in range(points.shape[1]):
                distance += (points[m, i] - points[at, i]) ** 2
            if distance < nearest[m]:
                nearest[m], home[m] = distance, c
            total += nearest[m]
        left, at = rng.random() * total, 0
        while at < n_points - 1 and left > nearest[at]:
            left -= nearest[at]
            at += 1
    for m in range(n_points):
        for c in range(parts.shape[1]):
            parts[m, c] = 1.0 if home[m] == c else 0.0


@kernel(**FAST)
def _fit(rng, points, parts, mixture):  # type: ignore[no-untyped-def]
    """EM from scattered starts, over standardized points; writes responsibilities and mixture."""
    _scatter(rng, points, parts)
    _maximize(points, parts, mixture)
    for _ in range(ITERATIONS):
        _expect(points, mixture, parts)
        _maximize(points, parts, mixture)


def fit_mixture(rng: np.random.Generator, points: FloatArray, n_components: int) -> Mixture:
    """Fit a mixture to points.

    rng: for the start
    points: (M, d), the points
    n_components: number of components C
    """
    center, scale = points.mean(axis=0), points.std(axis=0) + np.finfo(np.float64).tiny
    found = blank(n_components, points.shape[1])
    _fit(rng, (points - center) / scale, np.zeros((len(points), n_components)), found)
    return Mixture(
        found.log_shares - np.log(scale).sum(),
        np.cumsum(found.cumulative),
        found.means * scale + center,
        found.factors * scale[:, None],
    )


# Jumps of a chain over latent class models to wherever chains have been before --------------------
# A posterior of latent classes may have several modes, with narrow curved ridges between them: of the
# same size, but of classes that mean something else. Tempering does not help a chain across, since
# what keeps it is not the height of a barrier but how few ways lead over it. So a mixture of normal
# distributions is fitted to draws of the warm-up of all chains, and proposals from it are accepted or
# rejected as usual (an independence sampler: Holden, Hauge & Holden 2009, Ann. Appl. Probab. 19,
# 395-413). It is not changed after the warm-up, hence the posterior is left as it is whatever was fitted.
#
# Only the leading classes jump, those with most observed persons. Their coordinates, the classes in the
# order of those persons: the logs of the observed shares relative to the first class, stratum by
# stratum, and the logits of the capture probabilities. The other classes and the total weight of the
# leading ones stay. A proposal that changes the order or the leading classes is rejected.

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

    leading: number of leading classes; 0 for no jumps
    mixture: of their coordinates
    """

    leading: int
    mixture: Mixture


def no_atlas() -> Atlas:
    """Nothing known yet: no jumps."""
    return Atlas(0, blank(0, 0))


# Coordinates ---------------------------------------------------------------------------------------


@kernel(**FAST)
def observed_by_class(target, work, out):  # type: ignore[no-untyped-def]
    """Write the observed persons of each class in expectation, (H,), after an evaluation."""
    for i in range(out.size):
        out[i] = 0.0
    for s in range(target.histories.observed.size):
        scale = target.histories.observed[s] / caught_share(work, s)
        for i in range(out.size):
            out[i] += scale * work.weights[s, i] * work.caught[i]


@kernel(**FAST)
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


@kernel(**FAST)
def _log_caught(theta, start, h, n_lists, i):  # type: ignore[no-untyped-def]
    """Log probability that a member of a class is on some list."""
    caught = 0.0
    for j in range(n_lists):
        caught += (1.0 - caught) / (1.0 + exp(-theta[start + j * h + i]))
    return log(caught)


@kernel(**FAST)
def coordinates(theta, target, order, x):  # type: ignore[no-untyped-def]
    """Write the coordinates of the leading classes; log of their density over that of the state.

    theta: (D,) float64, the state
    target: Target, the posterior
    order: (k,) int64, the leading classes
    x: (d,) float64, receives the coordinates
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


@kernel(**FAST)
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


@kernel(**FAST)
def jump(rng, state, target, work, atlas, n_tries):  # type: ignore[no-untyped-def]
    """Try to jump, several times.

    rng: numpy.random.Generator, of this chain
    state: State, where the chain is
    target: Target, the posterior
    work: Workspace, is overwritten
    atlas: Atlas, the mixture to propose from
    n_tries: int, number of proposals
    Returns state: State, the new state
    Returns accepted: int, number of proposals that were accepted
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


@kernel(**FAST)
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

    rng: for the starts of the fit
    draws: (M, D), the states
    target: the posterior
    Returns without jumps if there are too few states
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


# Chains over latent class models: starts far apart, warm-up, draws --------------------------------

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

    theta: (M, D), states
    odds: (M, S), hidden over observed persons by stratum in expectation, p(s, 0) / (1 - p(s, 0))
    stats: (M, 3), log likelihood; mean probability of acceptance of the trajectories, and share of
        the jumps accepted, since the draw before
    """

    theta: FloatArray
    odds: FloatArray
    stats: FloatArray


def scatter(rng: np.random.Generator, target: Target) -> FloatArray:
    """Draw a start: more dispersed than a posterior, in the sizes of the classes and of N.

    rng: of this chain
    target: the posterior
    Returns (D,)
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


@kernel(**FAST)
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

    rng: of this chain; it moves on
    theta: (D,), first state
    target: the posterior
    atlas: where to jump to
    step: leapfrog step
    n_draws, thin: draws to keep, and sweeps for each of them
    adapt: Whether to adapt the step. Adapted chains are warm-up, their draws are not of the
        posterior.
    Returns draws: what was kept
    Returns step: the step, adapted or as it was
    """
    n_strata = target.histories.observed.size
    odds, stats = np.zeros((n_draws, n_strata)), np.zeros((n_draws, 3))
    kept = Draws(np.zeros((n_draws, theta.size)), odds, stats)
    return kept, float(_run(rng, theta, target, atlas, Pace(step, adapt, thin), kept))
