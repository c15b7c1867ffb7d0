"""Markov chain for strata around common values: No-U-Turn trajectories, interwoven with draws of the spreads.

A trajectory (Hoffman & Gelman 2014, JMLR 15, 1593-1623, with multinomial weights and the criterion of
Betancourt 2017, arXiv:1701.02434) moves all coordinates of `mse.core.pooled.log_posterior` at once. There the
effects of strata are, all but some, standardized, and the spread of effects that the data determine well
moves slowly. So after each trajectory every spread is drawn anew with the effects themselves held, which
costs nothing, since the likelihood does not change (ancillarity-sufficiency interweaving, Yu & Meng 2011,
Journal of Computational and Graphical Statistics 20, 531-570). The spread of all lists together and those of
single lists are drawn with their parts of the effects summed out, and the parts anew after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core.newton import LARGEST_LOG
from mse.core.pooled import (
    LEAST_SCALE,
    effects_of,
    log_means,
    log_posterior,
    log_width,
    make_cells,
    make_effects,
    parameters,
)

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray

#: Most doublings of a trajectory.
MAX_DEPTH = 10
#: Loss of energy from which a trajectory has diverged.
DIVERGED = 1000.0
#: Width of the first slice of a log spread.
SLICE = 0.5
#: Steps by which a slice is widened, at most.
MOST_STEPS = 50
#: Constants of dual averaging (Hoffman & Gelman 2014, section 3.2.1).
SHRINK, DELAY, FORGET = 0.05, 10.0, 0.75
#: Draws between two looks at the metric, at first; each window is twice as long as the one before.
FIRST_WINDOW = 30
#: Share of the warm-up after which the metric stays as it is.
SETTLED = 0.8


class Moves(NamedTuple):
    """What a chain has drawn, or how it moves.

    x: (D,), where it is
    inverse: (D,), diagonal of the inverse metric: about the posterior variances
    step: (5,), log step size, its average, the mean error of acceptance, steps so far, and the log step
        size that it is shrunk towards
    """

    x: FloatArray
    inverse: FloatArray
    step: FloatArray


# Trajectories -----------------------------------------------------------------------------------------


@kernel(error_model="numpy")
def _turning(inverse, n, left, right, total):  # type: ignore[no-untyped-def]
    """Whether a trajectory with these momenta at its ends, and this sum of all, turns back in the first n."""
    at_left, at_right = 0.0, 0.0
    for i in range(n):
        middle = inverse[i] * (total[i] - 0.5 * (left[i] + right[i]))
        at_left += left[i] * middle
        at_right += right[i] * middle
    return at_left <= 0.0 or at_right <= 0.0


@kernel(error_model="numpy")
def _kinetic(inverse, momentum):  # type: ignore[no-untyped-def]
    value = 0.0
    for i in range(inverse.size):
        value += inverse[i] * momentum[i] * momentum[i]
    return 0.5 * value


@kernel(error_model="numpy")
def _leap(x, momentum, slope, inverse, step, prior, data):  # type: ignore[no-untyped-def]
    """One leapfrog step, in place; returns the log density."""
    for i in range(x.size):
        momentum[i] += 0.5 * step * slope[i]
        x[i] += step * inverse[i] * momentum[i]
    value = log_posterior(x, prior, data, slope)
    for i in range(x.size):
        momentum[i] += 0.5 * step * slope[i]
    return value


@kernel(error_model="numpy")
def _log_add(a, b):  # type: ignore[no-untyped-def]
    top = max(a, b)
    return top if top == -np.inf else top + np.log(np.exp(a - top) + np.exp(b - top))


@kernel(error_model="numpy")
def _checkpoints(leaf):  # type: ignore[no-untyped-def]
    """First and last kept state that closes a subtree with this leaf; see Phan et al. 2019, NumPyro."""
    last, rest = 0, leaf >> 1
    while rest > 0:
        last += rest & 1
        rest >>= 1
    ones = 0
    while leaf & 1:
        ones += 1
        leaf >>= 1
    return last - ones + 1, last


@kernel(error_model="numpy")
def _subtree(rng, x, p, g, doublings, step, energy, moves, prior, data, out, rho):  # type: ignore[no-untyped-def]
    """Follow a trajectory on from an end, in place, and pick one of its states by weight.

    out: (D,), receives the state; rho: (D,) zeros, the sum of momenta
    Returns log weight, whether it turned, whether it diverged, the sum of acceptances and states tried
    """
    inverse, watched = moves.inverse, prior.cuts[1] + data.cells.size
    kept, sums = np.empty((doublings + 1, x.size)), np.empty((doublings + 1, x.size))
    weight, accepted, n_leaves = -np.inf, 0.0, 2**doublings
    for leaf in range(n_leaves):
        value = _leap(x, p, g, inverse, step, prior, data)
        gain = value - _kinetic(inverse, p) - energy
        if not gain > -DIVERGED:
            return weight, False, True, accepted, leaf + 1
        accepted += min(1.0, np.exp(gain))
        weight = _log_add(weight, gain)
        if np.log(rng.random()) < gain - weight:
            out[:] = x
        rho += p
        first, last = _checkpoints(leaf)
        if leaf % 2 == 0:
            kept[last], sums[last] = p, rho
        else:
            for at in range(last, first - 1, -1):
                if _turning(inverse, watched, kept[at], p, rho - sums[at] + kept[at]):
                    return weight, True, False, accepted, leaf + 1
    return weight, False, False, accepted, n_leaves


@kernel(error_model="numpy")
def _trajectory(rng, moves, step, prior, data):  # type: ignore[no-untyped-def]
    """Move `moves.x` along one trajectory; returns its mean acceptance, states tried and if it diverged."""
    x, inverse, watched = moves.x, moves.inverse, prior.cuts[1] + data.cells.size
    size = x.size
    g = np.zeros(size)
    value = log_posterior(x, prior, data, g)
    p = np.zeros(size)
    for i in range(size):
        p[i] = rng.standard_normal() / np.sqrt(inverse[i])
    energy = value - _kinetic(inverse, p)
    # Ends of the trajectory: position, momentum, slope.
    ends = np.zeros((2, 3, size))
    for side in range(2):
        ends[side, 0], ends[side, 1], ends[side, 2] = x, p, g
    total, weight, accepted, tried = p.copy(), 0.0, 0.0, 0
    out = x.copy()
    for j in range(MAX_DEPTH):
        side = 1 if rng.random() < 0.5 else 0
        way = step if side == 1 else -step
        end, rho = ends[side], np.zeros(size)
        found, turned, diverged, sum_accepted, n = _subtree(
            rng, end[0], end[1], end[2], j, way, energy, moves, prior, data, out, rho
        )
        accepted, tried = accepted + sum_accepted, tried + n
        if turned or diverged:
            return accepted / tried, tried, diverged
        if np.log(rng.random()) < found - weight:
            x[:] = out
        weight = _log_add(weight, found)
        total += rho
        if _turning(inverse, watched, ends[0, 1], ends[1, 1], total):
            break
    return accepted / tried, tried, False


# Interweaving -------------------------------------------------------------------------------------------


@kernel(error_model="numpy")
def _log_scales_density(logs, at, value, products, n, priors):  # type: ignore[no-untyped-def]
    """Log density of log spreads of all lists together (first) and of each, given sums of products.

    The effects are n independent rows, normal with covariance sigma_0^2 11' + diag(sigma_k^2); products is
    the sum of their outer products. With one log spread, its effects have that alone.
    """
    found, n_lists = 0.0, logs.size - 1
    for k in range(logs.size):
        each = value if k == at else logs[k]
        if not np.log(LEAST_SCALE) < each < LARGEST_LOG:
            return -np.inf
        found += each - 0.5 * np.exp(2.0 * (each - np.log(priors[k])))
    if n_lists == 0:
        each = value if at == 0 else logs[0]
        return found - n * each - 0.5 * products[0, 0] * np.exp(-2.0 * each)
    # Woodbury: with a = sum 1/s_k^2, |Sigma| = prod s_k^2 (1 + s_0^2 a).
    precision, trace, cross = 0.0, 0.0, 0.0
    for k in range(n_lists):
        own = np.exp(-2.0 * (value if k + 1 == at else logs[k + 1]))
        precision += own
        trace += own * products[k, k]
        found += 0.5 * n * np.log(own)
        for m in range(n_lists):
            cross += own * products[k, m] * np.exp(-2.0 * (value if m + 1 == at else logs[m + 1]))
    shared = np.exp(2.0 * (value if at == 0 else logs[0]))
    found -= 0.5 * n * np.log1p(shared * precision)
    return found - 0.5 * (trace - shared / (1.0 + shared * precision) * cross)


@kernel(error_model="numpy")
def _slice(rng, logs, at, products, n, priors):  # type: ignore[no-untyped-def]
    """Draw one log spread by a slice, in place (Neal 2003, Annals of Statistics 31, 705-767)."""
    start = logs[at]
    floor = _log_scales_density(logs, at, start, products, n, priors) + np.log(rng.random())
    if not floor > -np.inf:
        return
    low = start - SLICE * rng.random()
    high = low + SLICE
    # The steps are shared out at random beforehand, so that the bound on them does not bias.
    below = int(rng.random() * MOST_STEPS)
    above = MOST_STEPS - 1 - below
    while below > 0 and _log_scales_density(logs, at, low, products, n, priors) > floor:
        low, below = low - SLICE, below - 1
    while above > 0 and _log_scales_density(logs, at, high, products, n, priors) > floor:
        high, above = high + SLICE, above - 1
    while True:
        found = low + rng.random() * (high - low)
        if _log_scales_density(logs, at, found, products, n, priors) > floor:
            logs[at] = found
            return
        if found < start:
            low = found
        else:
            high = found
        if not high - low > 1e-12:
            return


@kernel(error_model="numpy")
def _one_scale(rng, log_scale, squares, n, prior):  # type: ignore[no-untyped-def]
    """Draw the log spread of n effects with this sum of squares."""
    logs, products, priors = np.zeros(1), np.zeros((1, 1)), np.zeros(1)
    logs[0], products[0, 0], priors[0] = log_scale, squares, prior
    if log_scale > np.log(LEAST_SCALE):
        _slice(rng, logs, 0, products, float(n), priors)
    return logs[0]


@kernel(error_model="numpy")
def _list_scales(rng, z, logs, priors, projected):  # type: ignore[no-untyped-def]
    """Draw spreads of all lists together and of each with the effects held, then the parts of the effects.

    z: (n, 1 + K), standard normal coordinates, all lists together first; changed in place
    logs: (1 + K,), log spreads, changed in place
    projected: whether only differences from the mean over rows are effects
    """
    n, n_lists = z.shape[0], z.shape[1] - 1
    if logs.min() <= np.log(LEAST_SCALE):
        return
    mean = np.zeros(n_lists + 1)
    if projected:
        for k in range(n_lists + 1):
            mean[k] = z[:, k].mean()
    effects, products = _effects_of_lists(z, logs, mean)
    free = float(n - 1 if projected else n)
    for at in range(n_lists + 1):
        _slice(rng, logs, at, products, free, priors)
    _parts_anew(rng, z, logs, mean, effects, projected)


@kernel(error_model="numpy")
def _effects_of_lists(z, logs, mean):  # type: ignore[no-untyped-def]
    """Sum the parts of the effects of lists, (n, K), and the outer products of the rows, (K, K)."""
    n, n_lists = z.shape[0], z.shape[1] - 1
    effects, products = np.zeros((n, n_lists)), np.zeros((n_lists, n_lists))
    for i in range(n):
        together = np.exp(logs[0]) * (z[i, 0] - mean[0])
        for k in range(n_lists):
            effects[i, k] = together + np.exp(logs[k + 1]) * (z[i, k + 1] - mean[k + 1])
        for k in range(n_lists):
            for m in range(n_lists):
                products[k, m] += effects[i, k] * effects[i, m]
    return effects, products


@kernel(error_model="numpy")
def _parts_anew(rng, z, logs, mean, effects, projected):  # type: ignore[no-untyped-def]
    """Draw the part of the effects that all lists have in common given their sums; the rest is each list's own."""
    n, n_lists = effects.shape
    precision, shared = 1.0, np.exp(logs[0])
    for k in range(n_lists):
        precision += np.exp(2.0 * (logs[0] - logs[k + 1]))
    noise = np.zeros(n)
    for i in range(n):
        noise[i] = rng.standard_normal()
    if projected:
        noise -= noise.mean()
    for i in range(n):
        told = 0.0
        for k in range(n_lists):
            told += shared * effects[i, k] * np.exp(-2.0 * logs[k + 1])
        common = told / precision + noise[i] / np.sqrt(precision)
        z[i, 0] = mean[0] + common
        for k in range(n_lists):
            z[i, k + 1] = mean[k + 1] + (effects[i, k] - shared * common) / np.exp(logs[k + 1])


@kernel(error_model="numpy")
def _interweave_block(rng, x, prior, data, b, z_at, scale_at):  # type: ignore[no-untyped-def]
    """Draw the spreads of the effects of the levels of a covariate, those held; returns their sizes in x."""
    cuts, n_lists = prior.cuts, data.shape.size
    start = 1 if data.sized[b] else 0
    n = data.first[b + 1] - data.first[b]
    width, n_scales = start + 1 + data.cells.size, start + 2 + n_lists
    walk = data.steps[data.first[b]] >= 0.0
    logs = x[cuts[0] + scale_at : cuts[0] + scale_at + n_scales]
    priors = prior.scales[scale_at : scale_at + n_scales]
    z = x[cuts[1] + z_at : cuts[1] + z_at + n * width].reshape((n, width))
    # The first level of a walk has no step: its coordinates are of nothing.
    rows = z[1:] if walk else z
    free = n - 1
    if data.sized[b]:
        _size_scale(rng, x, prior, z_at, width, n, walk, scale_at)
    part = rows[:, start : start + 1 + n_lists].copy()
    _list_scales(rng, part, logs[start : start + 1 + n_lists], priors[start:], not walk)
    rows[:, start : start + 1 + n_lists] = part
    pairs, squares = rows[:, start + 1 + n_lists :], 0.0
    for q in range(pairs.shape[1]):
        mean = 0.0 if walk else pairs[:, q].mean()
        squares += ((pairs[:, q] - mean) ** 2).sum()
    if pairs.shape[1] > 0 and free > 0:
        old = logs[n_scales - 1]
        new = _one_scale(
            rng,
            old,
            squares * np.exp(2.0 * old),
            free * pairs.shape[1],
            priors[n_scales - 1],
        )
        logs[n_scales - 1] = new
        for q in range(pairs.shape[1]):
            mean = 0.0 if walk else pairs[:, q].mean()
            for i in range(pairs.shape[0]):
                pairs[i, q] = mean + (pairs[i, q] - mean) * np.exp(old - new)
    return n * width, n_scales


@kernel(error_model="numpy")
def _size_scale(rng, x, prior, z_at, width, n, walk, scale_at):  # type: ignore[no-untyped-def]
    """Draw the spread of the sizes of levels, their effects held; their coordinates may be half centered."""
    cuts = prior.cuts
    begin, at = (1 if walk else 0), cuts[0] + scale_at
    z = np.zeros(n)
    for i in range(n):
        coordinate = z_at + i * width
        z[i] = x[cuts[1] + coordinate] * np.exp(-log_width(x, prior, coordinate))
    mean = 0.0 if walk else z.mean()
    squares, old = ((z[begin:] - mean) ** 2).sum(), x[at]
    if n < 2:
        return
    new = _one_scale(rng, old, squares * np.exp(2.0 * old), n - 1, prior.scales[scale_at])
    x[at] = new
    for i in range(n):
        coordinate = z_at + i * width
        own = z[i] if i < begin else mean + (z[i] - mean) * np.exp(old - new)
        x[cuts[1] + coordinate] = own * np.exp(log_width(x, prior, coordinate))


@kernel(error_model="numpy")
def _interweave_sizes(rng, x, prior, data):  # type: ignore[no-untyped-def]
    """Draw the spread of the sizes of strata with those held."""
    point = parameters(x, prior)
    effects, cells = make_effects(data), make_cells(data)
    effects_of(point, data, effects)
    usual = log_means(point, data, effects, cells)
    squares, n = 0.0, cells.u.size
    for s in range(n):
        location = point.level[0] - usual + effects.size[s]
        squares += (cells.u[s] - cells.coverage[s] - location) ** 2
    old = x[prior.cuts[0]]
    new = _one_scale(rng, old, squares, n, prior.scales[0])
    x[prior.cuts[0]] = new
    for s in range(n):
        if not data.width[s] > 0.0:
            x[prior.cuts[2] + s] *= np.exp(old - new)


@kernel(error_model="numpy")
def interweave(rng, x, prior, data):  # type: ignore[no-untyped-def]
    """Draw every spread anew with the effects held, in place; the likelihood stays what it is.

    rng: randomness
    x: (D,), as of `mse.core.pooled.log_posterior`
    prior: Prior, of `mse.core.pooled`
    data: Pooled, how strata hang together
    """
    cuts, n_lists, n_effects = prior.cuts, data.shape.size, data.cells.size
    if n_effects > n_lists:
        pairs = x[cuts[1] + n_lists : cuts[1] + n_effects]
        old = x[cuts[0] + 1]
        # Coordinates are reflected, which leaves the sum of squares.
        squares = (pairs**2).sum() * np.exp(2.0 * old)
        x[cuts[0] + 1] = _one_scale(rng, old, squares, pairs.size, prior.scales[1])
        pairs *= np.exp(old - x[cuts[0] + 1])
    z_at, scale_at = n_effects, 2
    for b in range(data.sized.size):
        n_z, n_scales = _interweave_block(rng, x, prior, data, b, z_at, scale_at)
        z_at, scale_at = z_at + n_z, scale_at + n_scales
    if data.deviating[0]:
        n = data.counts.shape[0]
        begin = cuts[1] + z_at
        z = x[begin : begin + n * (n_lists + 1)].reshape((n, n_lists + 1))
        logs = x[cuts[0] + scale_at : cuts[0] + scale_at + n_lists + 1]
        _list_scales(rng, z, logs, prior.scales[scale_at:], False)
    _interweave_sizes(rng, x, prior, data)


# The chain ------------------------------------------------------------------------------------------------


@kernel(error_model="numpy")
def _adapt(step, acceptance, target):  # type: ignore[no-untyped-def]
    """Dual averaging of the log step size, in place (Hoffman & Gelman 2014, algorithm 6)."""
    step[3] += 1.0
    count = step[3]
    share = 1.0 / (count + DELAY)
    step[2] = (1.0 - share) * step[2] + share * (target - acceptance)
    step[0] = step[4] - np.sqrt(count) / SHRINK * step[2]
    weight = count**-FORGET
    step[1] = weight * step[0] + (1.0 - weight) * step[1]


@kernel(error_model="numpy")
def _restart(step, log_step):  # type: ignore[no-untyped-def]
    step[0], step[1], step[2], step[3] = log_step, log_step, 0.0, 0.0
    step[4] = log_step + np.log(10.0)


@kernel(error_model="numpy")
def _first_step(rng, moves, prior, data):  # type: ignore[no-untyped-def]
    """Find a step that about half of all proposals of one step are accepted with (algorithm 4 there)."""
    step, way = 0.1, 0.0
    for _ in range(60):
        x, g = moves.x.copy(), np.zeros(moves.x.size)
        value = log_posterior(x, prior, data, g)
        p = np.zeros(x.size)
        for i in range(x.size):
            p[i] = rng.standard_normal() / np.sqrt(moves.inverse[i])
        energy = value - _kinetic(moves.inverse, p)
        gain = (
            _leap(x, p, g, moves.inverse, step, prior, data) - _kinetic(moves.inverse, p) - energy
        )
        direction = 1.0 if gain > np.log(0.8) else -1.0
        if way == 0.0:
            way = direction
        if direction != way:
            break
        step *= 2.0**way
    return np.log(step)


@kernel(error_model="numpy")
def advance(rng, moves, tuning, window, prior, data, target, draws, stats):  # type: ignore[no-untyped-def]
    """Move a chain on by some draws, in place.

    rng: numpy.random.Generator, of this chain
    moves: Moves, where it is and how it moves
    tuning: (4,) int64, draws of the warm-up done, all of it, the end of the present window, its start
    window: (5, D), number, mean and squares of draws and slopes in the window
    prior, data: Prior and Pooled, the posterior
    target: float, acceptance that the step size is adapted to
    draws: (M, D), receives the draws
    stats: (M, 2), receives whether a trajectory diverged, and its steps
    """
    slope = np.zeros(moves.x.size)
    for m in range(draws.shape[0]):
        warming = tuning[0] < tuning[1]
        if tuning[0] == 0 and moves.step[3] == 0.0:
            _restart(moves.step, _first_step(rng, moves, prior, data))
        step = np.exp(moves.step[0] if warming else moves.step[1])
        acceptance, tried, diverged = _trajectory(rng, moves, step, prior, data)
        interweave(rng, moves.x, prior, data)
        draws[m] = moves.x
        stats[m, 0], stats[m, 1] = (1.0 if diverged else 0.0), tried
        if not warming:
            continue
        tuning[0] += 1
        _adapt(moves.step, acceptance, target)
        if tuning[0] <= tuning[2]:
            log_posterior(moves.x, prior, data, slope)
            _note(window, moves.x, slope)
            if tuning[0] >= tuning[2]:
                _new_metric(moves, window, tuning)
                _restart(moves.step, _first_step(rng, moves, prior, data))


@kernel(error_model="numpy")
def _note(window, x, slope):  # type: ignore[no-untyped-def]
    """Add a draw to the means and sums of squares of draws and slopes (Welford)."""
    for i in range(x.size):
        window[0, i] += 1.0
        for row, value in ((1, x[i]), (3, slope[i])):
            away = value - window[row, i]
            window[row, i] += away / window[0, i]
            window[row + 1, i] += away * (value - window[row, i])


@kernel(error_model="numpy")
def _new_metric(moves, window, tuning):  # type: ignore[no-untyped-def]
    """Set the inverse metric to the root of variances of draws over those of slopes; begin a new window.

    For a normal posterior with independent coordinates either tells the variances, and the root of their ratio from
    fewer draws; nutpie adapts so.
    """
    for i in range(moves.x.size):
        spread, steep = window[2, i], window[4, i]
        if spread > 0.0 and steep > 0.0:
            moves.inverse[i] = min(max(np.sqrt(spread / steep), 1e-8), 1e8)
    window[:] = 0.0
    length = 2 * (tuning[2] - tuning[3])
    tuning[3] = tuning[2]
    tuning[2] += length
    # A next window that would end after the warm-up is joined to this one.
    if tuning[2] + 2 * length > SETTLED * tuning[1]:
        tuning[2] = int(SETTLED * tuning[1])


def begin(x: FloatArray, tune: int) -> tuple[Moves, IntArray, FloatArray]:
    """Put a chain where it starts: its moves, its warm-up and the window of that.

    x: (D,), the start
    tune: draws of the warm-up
    """
    moves = Moves(x.copy(), np.ones(x.size), np.zeros(5))
    tuning = np.asarray([0, tune, min(FIRST_WINDOW, int(SETTLED * tune)), 0], dtype=np.int64)
    return moves, tuning, np.zeros((5, x.size))
