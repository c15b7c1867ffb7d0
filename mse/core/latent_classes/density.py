"""Posterior density of a latent class model of capture histories, with its gradient.

Each person belongs to one of H classes; within a class the lists are independent. In stratum s class
h has weight w(s, h) and list j catches its members with probability l(j, h), the same in all strata:

    p(s, c) = sum over h of  w(s, h) * product over j of  l(j, h)^c(j) (1 - l(j, h))^(1 - c(j))

The weights break a stick, w(h) = V(h) (1 - V(1)) ... (1 - V(h-1)), V(h) ~ Beta(1, alpha) but for
V(H) = 1, and alpha ~ Gamma (Manrique-Vallier 2016, Biometrics 72, 1246-1254). Two things are
integrated out. With p(N) proportional to 1/N the hidden persons: those seen are multinomial with the
probabilities p(s, c) / (1 - p(s, 0)), and their number says nothing about the rest. And alpha: with
L the sum of -log(1 - V) over all sticks and m their number it leaves (rate + L)^-(m + shape).

The state is unconstrained: the logits of all V, stratum by stratum, then those of all l, list by
list with the classes side by side.
"""

from __future__ import annotations

from math import exp, log, log1p
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray

#: Logits of capture probabilities end here. A uniform probability is beyond it once in 10^13 times,
#: and products of odds stay within the range of a double.
LARGEST_LOGIT = 30.0

#: Compiler options: sums may be added up in any order, for speed; NaN and infinity keep their meaning.
FAST = {
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz"},
}


class Histories(NamedTuple):
    """Distinct observed capture histories.

    counts: (R,), persons with each history, positive; stratum by stratum
    bounds: (S + 1,), where the histories of each stratum start
    starts: (R + 1,), where the lists of each history start in `lists`
    lists: the lists that the persons are on, history by history
    observed: (S,), persons by stratum
    n_lists: number of lists K
    """

    counts: FloatArray
    bounds: IntArray
    starts: IntArray
    lists: IntArray
    observed: FloatArray
    n_lists: int


class Priors(NamedTuple):
    """Prior distributions: alpha ~ Gamma(shape, rate), capture probabilities ~ Beta(on, off)."""

    shape: float = 0.25
    rate: float = 0.25
    on: float = 1.0
    off: float = 1.0


class Target(NamedTuple):
    """A posterior to draw from.

    histories: the data
    priors: the prior distributions
    n_classes: number of classes H, two or more
    """

    histories: Histories
    priors: Priors
    n_classes: int


class Workspace(NamedTuple):
    """What an evaluation leaves behind.

    breaks, weights: (S, H), V and w
    odds, chances: (K, H), capture probabilities, as odds and as probabilities
    caught, missed: (H,), probability of being on some list, and on none
    shares: (R, H), observed persons by history and class, in expectation
    members: (H,), persons by class in one stratum, hidden ones included, in expectation
    sums: (K, H), observed persons by list and class, in expectation
    """

    breaks: FloatArray
    weights: FloatArray
    odds: FloatArray
    chances: FloatArray
    caught: FloatArray
    missed: FloatArray
    shares: FloatArray
    members: FloatArray
    sums: FloatArray


def make_target(
    members: IntArray,
    counts: IntArray,
    strata: IntArray,
    n_strata: int,
    priors: Priors,
    n_classes: int,
) -> Target:
    """Put a posterior together.

    members: (R, K), distinct histories: 1 where the persons are on a list; every row has a 1
    counts: (R,), persons with each history
    strata: (R,), stratum of each history
    n_strata: number of strata S
    priors: the prior distributions
    n_classes: number of classes, two or more
    """
    order = np.argsort(strata, kind="stable")
    order = order[counts[order] > 0]
    seen = members[order] > 0
    sizes = np.bincount(strata[order], minlength=n_strata)
    histories = Histories(
        counts=counts[order].astype(np.float64),
        bounds=np.concatenate([[0], sizes.cumsum()]).astype(np.int64),
        starts=np.concatenate([[0], seen.sum(axis=1).cumsum()]).astype(np.int64),
        lists=np.nonzero(seen)[1].astype(np.int64),
        observed=np.bincount(strata, counts, n_strata).astype(np.float64),
        n_lists=members.shape[1],
    )
    return Target(histories, priors, n_classes)


def n_parameters(target: Target) -> int:
    """Length of a state."""
    sticks = target.histories.observed.size * (target.n_classes - 1)
    return int(sticks + target.histories.n_lists * target.n_classes)


@kernel(**FAST)
def make_workspace(target):  # type: ignore[no-untyped-def]
    """Allocate the arrays that evaluations of a target write into."""
    data, h = target.histories, target.n_classes
    n_strata, n_lists = data.observed.size, data.n_lists
    return Workspace(
        np.zeros((n_strata, h)),
        np.zeros((n_strata, h)),
        np.zeros((n_lists, h)),
        np.zeros((n_lists, h)),
        np.zeros(h),
        np.zeros(h),
        np.zeros((data.counts.size, h)),
        np.zeros(h),
        np.zeros((n_lists, h)),
    )


@kernel(**FAST)
def softplus(x):  # type: ignore[no-untyped-def]
    """Compute log(1 + exp(x)) without overflow."""
    return x + log1p(exp(-x)) if x > 0 else log1p(exp(x))


@kernel(**FAST)
def total_length(theta, n_sticks):  # type: ignore[no-untyped-def]
    """Sum of -log(1 - V) over all sticks: all that alpha depends on."""
    total = 0.0
    for i in range(n_sticks):
        total += softplus(theta[i])
    return total


@kernel(**FAST)
def _break_sticks(theta, target, work):  # type: ignore[no-untyped-def]
    """Write breaks and weights; the log prior of the sticks, their Jacobian included."""
    h = target.n_classes
    n_strata = work.weights.shape[0]
    value, length = 0.0, 0.0
    for s in range(n_strata):
        rest = 1.0
        for i in range(h - 1):
            v = theta[s * (h - 1) + i]
            # exp never overflows: the larger of V and 1 - V is computed first.
            e = exp(-abs(v))
            large, small = 1.0 / (1.0 + e), e / (1.0 + e)
            part = large if v > 0 else small
            work.breaks[s, i] = part
            work.weights[s, i] = rest * part
            rest *= small if v > 0 else large
            past = log1p(e) + max(v, 0.0)
            length += past
            value += v - past
        work.weights[s, h - 1] = rest
    n_sticks = n_strata * (h - 1)
    return value - (n_sticks + target.priors.shape) * log(target.priors.rate + length), length


@kernel(**FAST)
def _set_odds(theta, target, work):  # type: ignore[no-untyped-def]
    """Write odds and probabilities; the log prior, -inf outside the range of the logits."""
    h, n_lists, priors = target.n_classes, target.histories.n_lists, target.priors
    start = work.weights.shape[0] * (h - 1)
    value = 0.0
    for i in range(h):
        caught, missed, summed = 0.0, 1.0, 0.0
        for j in range(n_lists):
            x = theta[start + j * h + i]
            if not abs(x) <= LARGEST_LOGIT:
                return -np.inf
            e = exp(x)
            work.odds[j, i] = e
            work.chances[j, i] = e / (1.0 + e)
            # Not 1 minus the product: classes that are next to never seen keep all digits.
            caught += (1.0 - caught) * work.chances[j, i]
            missed /= 1.0 + e
            summed += x
        work.caught[i], work.missed[i] = caught, missed
        value += priors.on * summed + (priors.on + priors.off) * log(missed)
    return value


@kernel(**FAST)
def _share_out(target, work):  # type: ignore[no-untyped-def]
    """Write the expected shares of the classes in each history; the log likelihood."""
    data, h, shares = target.histories, target.n_classes, work.shares
    value = 0.0
    for s in range(data.observed.size):
        if data.observed[s] > 0:
            value -= data.observed[s] * log(caught_share(work, s))
        for r in range(data.bounds[s], data.bounds[s + 1]):
            for i in range(h):
                shares[r, i] = work.weights[s, i] * work.missed[i]
            for k in range(data.starts[r], data.starts[r + 1]):
                j = data.lists[k]
                for i in range(h):
                    shares[r, i] *= work.odds[j, i]
            total = 0.0
            for i in range(h):
                total += shares[r, i]
            if not total > 0.0:
                return -np.inf
            value += data.counts[r] * log(total)
            scale = data.counts[r] / total
            for i in range(h):
                shares[r, i] *= scale
    return value


@kernel(**FAST)
def caught_share(work, s):  # type: ignore[no-untyped-def]
    """Probability of a person in a stratum to be on some list, 1 - p(s, 0)."""
    total = 0.0
    for i in range(work.caught.size):
        total += work.weights[s, i] * work.caught[i]
    return total


@kernel(**FAST)
def missed_share(work, s):  # type: ignore[no-untyped-def]
    """Probability of a person in a stratum to be on no list, p(s, 0)."""
    total = 0.0
    for i in range(work.caught.size):
        total += work.weights[s, i] * work.missed[i]
    return total


@kernel(**FAST)
def evaluate(theta, target, work):  # type: ignore[no-untyped-def]
    """Log likelihood and log prior of a state, but for constants.

    theta: (D,) float64, the state
    target: Target, the posterior
    work: Workspace, receives weights, probabilities and expected shares
    Returns likelihood, prior, length: float, both -inf outside the support; `length` is the sum of
        -log(1 - V)
    """
    prior, length = _break_sticks(theta, target, work)
    more = _set_odds(theta, target, work)
    if not more > -np.inf:
        return -np.inf, -np.inf, length
    likelihood = _share_out(target, work)
    if not likelihood > -np.inf:
        return -np.inf, -np.inf, length
    return likelihood, prior + more, length


@kernel(**FAST)
def _add_up(target, work, s):  # type: ignore[no-untyped-def]
    """Write the persons of a stratum by class; add the observed ones to the sums by list."""
    data, h, members = target.histories, target.n_classes, work.members
    hidden = data.observed[s] / caught_share(work, s)
    for i in range(h):
        members[i] = hidden * work.weights[s, i] * work.missed[i]
    for r in range(data.bounds[s], data.bounds[s + 1]):
        for i in range(h):
            members[i] += work.shares[r, i]
        for k in range(data.starts[r], data.starts[r + 1]):
            j = data.lists[k]
            for i in range(h):
                work.sums[j, i] += work.shares[r, i]


@kernel(**FAST)
def slope(target, work, length, gradient):  # type: ignore[no-untyped-def]
    """Gradient of log likelihood plus log prior at the state that was evaluated last.

    target: Target, the posterior
    work: Workspace, as `evaluate` left it
    length: float, as `evaluate` returned it
    gradient: (D,) float64, receives the gradient
    """
    data, priors, h = target.histories, target.priors, target.n_classes
    n_strata = data.observed.size
    start = n_strata * (h - 1)
    pull = (start + priors.shape) / (priors.rate + length)
    members, sums = work.members, work.sums
    for j in range(data.n_lists):
        for i in range(h):
            sums[j, i] = 0.0
            both = (priors.on + priors.off) * work.chances[j, i]
            gradient[start + j * h + i] = priors.on - both
    for s in range(n_strata):
        _add_up(target, work, s)
        tail = members[h - 1]
        for i in range(h - 2, -1, -1):
            part = work.breaks[s, i]
            at = s * (h - 1) + i
            gradient[at] = (1.0 - part) * (members[i] + 1.0) - part * (tail + pull)
            tail += members[i]
        for j in range(data.n_lists):
            for i in range(h):
                gradient[start + j * h + i] -= work.chances[j, i] * members[i]
    for j in range(data.n_lists):
        for i in range(h):
            gradient[start + j * h + i] += sums[j, i]
