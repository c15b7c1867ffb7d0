"""The likelihood of counts over sets of cells.

The persons of cell c are Poisson with mean mu(c), independent over cells. An observation is a
number of persons, exact or within bounds, in a set S of observable cells; each observed person is
in one observation, and which entries of a record are unknown says nothing about them given what is
known (missing at random). With mu(S) the sum of the means over S, the log likelihood is

    sum over exact observations of   n log mu(S)
  + sum over counts within bounds of log sum of mu(S)^k / k! over low <= k <= high
  - sum of mu(c) over all observable cells.

A fully known record is the case of one cell. A partly known one has no mean of its own to subtract:
its persons come from the same cells as the fully known ones. A count within bounds contributes
log P(low <= Poisson(mu(S)) <= high) once its mean is taken out of the last sum; both ways of writing are
the same, and low = high gives the exact count again.

Given the counts, the persons of an observation are spread over S in proportion to the means (the
E step of Dempster, Laird & Rubin 1977, JRSS B 39, 1-38), and an uncertain count has the moments
of a Poisson variable between its bounds. The information about the parameters is that of the completed
counts less their variance given the data (Louis 1982, JRSS B 44, 226-233).
"""

from __future__ import annotations

from math import lgamma
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core.lattice import superset_sum
from mse.core.newton import gather, information

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design

#: Marks a cell of a pattern that cannot hold its persons.
IMPOSSIBLE = -1
#: Terms of a series this small a part of the sum do not change its rounded value.
NEGLIGIBLE = 1e-20
#: Standard deviations from the mean beyond which a Poisson variable has no digits left: e^-800.
FAR = 40.0


class Observations(NamedTuple):
    """Counts over sets of cells that are boxes: all cells that agree with a pattern.

    patterns: (R, d), level on each axis; -1 where it is unknown
    first: (R + 1,), where the cells of each pattern start in `boxes`
    boxes: cells of the patterns in C order over their unknown axes; `IMPOSSIBLE` in place of cells
        that cannot hold their persons
    low, high: (R,), persons at least and at most, equal where the count is exact
    """

    patterns: IntArray
    first: IntArray
    boxes: IntArray
    low: IntArray
    high: IntArray


class Likelihood(NamedTuple):
    """What one likelihood is made of.

    base: (C,), persons of fully known histories with exact counts
    seen: the others
    inside: (C,) bool, cells whose means are subtracted: observable ones that are not fitted as zero
    unseen: (C,) bool, cells that cannot be seen
    hidden: persons known to be somewhere in the unseen cells: 0, except along a profile, where the
        unseen cells are `inside` too
    design: axes and parameters
    kept: (p,), positions of the parameters in the fit
    levels: (U, d), levels of the effects of the design on each axis
    """

    base: FloatArray
    seen: Observations
    inside: BoolArray
    unseen: BoolArray
    hidden: float
    design: Design
    kept: IntArray
    levels: IntArray


class Completion(NamedTuple):
    """The counts completed at some means, and their uncertainty."""

    counts: FloatArray  # (C,) expected persons by cell
    expected: FloatArray  # (R,) expected persons of each observation
    variance: FloatArray  # (R,) their variance, 0 where exact


def make_observations(
    patterns: IntArray, low: IntArray, high: IntArray, shape: tuple[int, ...]
) -> Observations:
    """List the cells of each pattern.

    patterns: (R, d), levels, -1 where unknown
    low, high: (R,), persons
    shape: levels of each axis
    """
    axes = np.asarray(shape, dtype=np.int64)
    sizes = np.where(patterns < 0, axes, 1).prod(axis=1).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    boxes = np.zeros(first[-1], dtype=np.int64)
    _list_cells(patterns, first, axes, boxes)
    return Observations(patterns, first, boxes, low, high)


@kernel
def _list_cells(patterns, first, shape, boxes):  # type: ignore[no-untyped-def]
    for o in range(patterns.shape[0]):
        for k in range(first[o], first[o + 1]):
            rest, cell, stride = k - first[o], 0, 1
            for axis in range(shape.size - 1, -1, -1):
                level = patterns[o, axis]
                if level < 0:
                    level = rest % shape[axis]
                    rest //= shape[axis]
                cell += level * stride
                stride *= shape[axis]
            boxes[k] = cell


def restricted(seen: Observations, possible: BoolArray) -> Observations:
    """Leave the cells that are not possible, (C,) bool, out of every observation."""
    inside = (seen.boxes >= 0) & possible[seen.boxes]
    return seen._replace(boxes=np.where(inside, seen.boxes, IMPOSSIBLE))


def box_means(means: FloatArray, seen: Observations) -> FloatArray:
    """Sum means over the possible cells of each observation, (R,); cells without a mean count nothing."""
    of_cells = np.where(seen.boxes >= 0, np.nan_to_num(means)[seen.boxes], 0.0)
    return np.asarray(np.add.reduceat(of_cells, seen.first[:-1])) if of_cells.size else of_cells


@kernel
def truncated_poisson(mean, low, high):  # type: ignore[no-untyped-def]
    """Log of the sum of mean^k / k!, and mean and variance of a Poisson variable between bounds.

    The terms are summed outwards from the largest one, so that nothing overflows.
    """
    reach = FAR * np.sqrt(mean) + FAR
    if mean - low > reach and high - mean > reach:
        return mean, mean, mean
    mode = np.int64(min(max(np.floor(mean), float(low)), float(high)))
    if mean <= 0.0:
        return 0.0 if low == 0 else -np.inf, float(low), 0.0
    total, once, twice = 1.0, 0.0, 0.0
    term, k = 1.0, mode
    while k < high:
        k += 1
        term *= mean / k
        away = float(k - mode)
        total, once, twice = total + term, once + away * term, twice + away * away * term
        if away * away * term < NEGLIGIBLE * total:
            break
    term, k = 1.0, mode
    while k > low:
        term *= k / mean
        k -= 1
        away = float(mode - k)
        total, once, twice = total + term, once - away * term, twice + away * away * term
        if away * away * term < NEGLIGIBLE * total:
            break
    shift = once / total
    log_sum = mode * np.log(mean) - lgamma(mode + 1.0) + np.log(total)
    return log_sum, mode + shift, max(twice / total - shift * shift, 0.0)


@kernel
def _complete_known(means, problem, done):  # type: ignore[no-untyped-def]
    """Start from the fully known counts; their log likelihood with all the means, and the unseen mean."""
    value, unseen = 0.0, 0.0
    for c in range(means.size):
        done.counts[c] = problem.base[c]
        if problem.inside[c]:
            value -= means[c]
            if problem.base[c] > 0.0:
                value += problem.base[c] * np.log(means[c])
        if problem.unseen[c]:
            unseen += means[c]
    return value, unseen


@kernel
def _complete_observation(means, seen, o, done):  # type: ignore[no-untyped-def]
    """Spread one observation over its cells; its log likelihood but for the mean."""
    total = 0.0
    for k in range(seen.first[o], seen.first[o + 1]):
        if seen.boxes[k] >= 0:
            total += means[seen.boxes[k]]
    if seen.low[o] == seen.high[o]:
        persons, spread = float(seen.low[o]), 0.0
        gain = persons * np.log(total) if persons > 0.0 else 0.0
    else:
        gain, persons, spread = truncated_poisson(total, seen.low[o], seen.high[o])
    done.expected[o], done.variance[o] = persons, spread
    share = persons / total if total > 0.0 else 0.0
    for k in range(seen.first[o], seen.first[o + 1]):
        if seen.boxes[k] >= 0:
            done.counts[seen.boxes[k]] += share * means[seen.boxes[k]]
    return gain


@kernel
def complete(means, problem, done):  # type: ignore[no-untyped-def]
    """Complete the counts at some means; the log likelihood there, without constants.

    means: (C,) float64, persons
    problem: Likelihood, what was seen
    done: Completion, receives the completed counts
    Returns float, the log likelihood but for the factorials of exact counts
    """
    value, unseen = _complete_known(means, problem, done)
    for o in range(problem.seen.low.size):
        value += _complete_observation(means, problem.seen, o, done)
    if problem.hidden > 0.0:
        value += problem.hidden * np.log(unseen)
        for c in range(means.size):
            if problem.unseen[c]:
                done.counts[c] += problem.hidden * means[c] / unseen
    return value


@kernel
def _average_rows(problem, o, share, total, row):  # type: ignore[no-untyped-def]
    """Average the design rows of a pattern's cells, weights `share` in C order over its unknown axes.

    The weights are summed over supersets within the box; an effect that asks another level than the
    pattern has on a known axis is in none of its cells.
    """
    pattern, shape = problem.seen.patterns[o], problem.design.shape
    effects = np.zeros(problem.levels.shape[0])
    n_unknown = 0
    sizes = np.zeros(shape.size, dtype=np.int64)
    for axis in range(shape.size):
        if pattern[axis] < 0:
            sizes[n_unknown] = shape[axis]
            n_unknown += 1
    superset_sum(share, sizes[:n_unknown])
    for j in range(effects.size):
        place, stride, meets = 0, 1, True
        for axis in range(shape.size - 1, -1, -1):
            level = problem.levels[j, axis]
            if pattern[axis] < 0:
                place += level * stride
                stride *= shape[axis]
            elif level != 0 and level != pattern[axis]:
                meets = False
                break
        effects[j] = share[place] / total if meets else 0.0
    _combine(effects, problem, row)


@kernel
def _combine(effects, problem, row):  # type: ignore[no-untyped-def]
    """Turn sums by effect into sums by parameter."""
    design = problem.design
    for i in range(row.size):
        u = problem.kept[i]
        if design.starts.size == 0:
            row[i] = effects[u]
        else:
            row[i] = 0.0
            for e in range(design.starts[u], design.starts[u + 1]):
                row[i] += design.weights[e] * effects[design.entries[e]]


@kernel
def _add_square(row, factor, matrix):  # type: ignore[no-untyped-def]
    """Add factor times the outer square of a row, mostly zeros, to the lower triangle."""
    filled = np.flatnonzero(row)
    for a in range(filled.size):
        scaled = factor * row[filled[a]]
        for b in range(a + 1):
            matrix[filled[a], filled[b]] += scaled * row[filled[b]]


@kernel
def _shares(means, seen, o, share):  # type: ignore[no-untyped-def]
    """Write the means of a pattern's cells; their sum."""
    total = 0.0
    for k in range(seen.first[o], seen.first[o + 1]):
        mean = means[seen.boxes[k]] if seen.boxes[k] >= 0 else 0.0
        share[k - seen.first[o]] = mean
        total += mean
    return total


@kernel
def curvature(means, problem, done, score, complete_matrix, matrix):  # type: ignore[no-untyped-def]
    """Compute score and information of the observed data (Louis 1982) and that of the complete data.

    means, problem, done: as of `complete`, which must have been called at these means
    score: (p,) float64, receives the gradient
    complete_matrix, matrix: (p, p) float64, receive X' diag(mu) X and minus the matrix of second
        derivatives, symmetric
    """
    design, p = problem.design, problem.kept.size
    weights, gaps = np.zeros(means.size), np.zeros(means.size)
    known = np.zeros(means.size)
    for c in range(means.size):
        if problem.inside[c]:
            known[c] = means[c]
        gaps[c] = done.counts[c] - known[c]
        weights[c] = known[c] - (done.counts[c] - problem.base[c])
    superset_sum(weights, design.shape)
    superset_sum(gaps, design.shape)
    superset_sum(known, design.shape)
    for i in range(p):
        score[i] = gather(gaps, design, problem.kept[i])
    information(weights, design, problem.kept, p, matrix)
    information(known, design, problem.kept, p, complete_matrix)
    _add_observations(means, problem, done, matrix)
    for i in range(p):
        for j in range(i):
            matrix[j, i] = matrix[i, j]
            complete_matrix[j, i] = complete_matrix[i, j]


@kernel
def _add_observations(means, problem, done, matrix):  # type: ignore[no-untyped-def]
    seen, row = problem.seen, np.zeros(problem.kept.size)
    largest = 0
    for o in range(seen.low.size):
        largest = max(largest, seen.first[o + 1] - seen.first[o])
    share = np.zeros(largest)
    for o in range(seen.low.size):
        size = seen.first[o + 1] - seen.first[o]
        total = _shares(means, seen, o, share)
        if done.expected[o] <= 0.0 or total <= 0.0:
            continue
        _average_rows(problem, o, share[:size], total, row)
        _add_square(row, done.expected[o] - done.variance[o], matrix)
    if problem.hidden > 0.0:
        everywhere = np.where(problem.unseen, means, 0.0)
        superset_sum(everywhere, problem.design.shape)
        for i in range(row.size):
            row[i] = gather(everywhere, problem.design, problem.kept[i]) / everywhere[0]
        _add_square(row, problem.hidden, matrix)


@kernel
def _design_row(problem, cell, row):  # type: ignore[no-untyped-def]
    """Write the design row of a cell."""
    shape = problem.design.shape
    effects = np.ones(problem.levels.shape[0])
    for axis in range(shape.size - 1, -1, -1):
        found = cell % shape[axis]
        cell //= shape[axis]
        for j in range(effects.size):
            wanted = problem.levels[j, axis]
            if wanted != 0 and wanted != found:
                effects[j] = 0.0
    _combine(effects, problem, row)


@kernel
def stratum_totals(means, problem, done, gradient, spread):  # type: ignore[no-untyped-def]
    """Sum the expected persons of each stratum, seen or not, with gradient and spread given the data.

    means, problem, done: as of `complete`; without hidden persons
    gradient: (S, p) float64, receives the derivatives of the totals by the parameters
    spread: (S, S) float64, receives the covariance of the totals given the data and the parameters:
        Poisson for the unseen cells, multinomial for the persons of an observation over the strata
        it may belong to
    Returns (S,) float64, expected persons in the unseen cells, plus those of counts within bounds
        beyond their lower ones
    """
    n_strata = gradient.shape[0]
    hidden, row = np.zeros(n_strata), np.zeros(problem.kept.size)
    gradient[:], spread[:] = 0.0, 0.0
    for c in range(means.size):
        if problem.unseen[c]:
            hidden[c % n_strata] += means[c]
            spread[c % n_strata, c % n_strata] += means[c]
            _design_row(problem, c, row)
            gradient[c % n_strata] += means[c] * row
    for o in range(problem.seen.low.size):
        if done.expected[o] > 0.0:
            _add_observation(means, problem, done, o, (hidden, gradient, spread))
    return hidden


@kernel
def _add_observation(means, problem, done, o, sums):  # type: ignore[no-untyped-def]
    hidden, gradient, spread = sums
    seen, n_strata = problem.seen, hidden.size
    size = seen.first[o + 1] - seen.first[o]
    share = np.zeros(size)
    total = _shares(means, seen, o, share)
    chance = np.zeros(n_strata)
    for k in range(size):
        if share[k] > 0.0:
            chance[seen.boxes[seen.first[o] + k] % n_strata] += share[k] / total
    persons, variance = done.expected[o], done.variance[o]
    whole, row = np.zeros(problem.kept.size), np.zeros(problem.kept.size)
    _average_rows(problem, o, share.copy(), total, whole)
    strata = np.flatnonzero(chance)
    for s in strata:
        hidden[s] += (persons - seen.low[o]) * chance[s]
        gradient[s] += (variance - persons) * chance[s] * whole
        spread[s, s] += persons * chance[s]
        for other in strata:
            spread[s, other] += (variance - persons) * chance[s] * chance[other]
        here = share.copy()
        for k in range(size):
            cell = seen.boxes[seen.first[o] + k]
            if cell < 0 or cell % n_strata != s:
                here[k] = 0.0
        _average_rows(problem, o, here, total, row)
        gradient[s] += persons * row


@kernel
def dual_gap(means, problem, done):  # type: ignore[no-untyped-def]
    """Bound how far the likelihood of free means, one for each cell, is below its supremum.

    For exact counts the dual problem is to maximize sum n log(1 / y) over y with sum of y <= 1 over the
    observations of each cell; y = n / mu(S) is feasible once divided, for each observation, by the
    largest such sum in its cells (at least 1).

    means, problem, done: as of `complete`, which must have been called at these means; they add up
        to the persons
    """
    gap, seen = 0.0, problem.seen
    for c in range(means.size):
        if problem.base[c] > 0.0:
            gap += problem.base[c] * np.log(max(done.counts[c] / means[c], 1.0))
    for o in range(seen.low.size):
        largest = 1.0
        for k in range(seen.first[o], seen.first[o + 1]):
            c = seen.boxes[k]
            if c >= 0 and means[c] > 0.0:
                largest = max(largest, done.counts[c] / means[c])
        gap += seen.low[o] * np.log(largest)
    return gap
