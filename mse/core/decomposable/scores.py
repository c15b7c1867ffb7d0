"""Marginal likelihoods of decomposable graphs under the hyper-Dirichlet prior.

Let x be the counts of the 2**K histories, the hidden ones h among them, N their sum. Under a
decomposable graph with cliques C and separators S and a hyper-Dirichlet prior with ``delta`` for each
cell of the full table, the parameters integrate out (Dawid & Lauritzen 1993, section 6; Madigan &
York 1997):

    p(x | N, G) = N! / prod x! * prod_C M_C / prod_S M_S,
    M_A = Gamma(a) / Gamma(a + N) * prod_i Gamma(x_A(i) + d_A) / Gamma(d_A),

i over the cells of the table of the lists in A alone, ``d_A = 2**(K - |A|) delta`` and
``a = 2**K delta``. The hidden count is in one cell of each margin, that of persons on no list of A.
With ``m_A`` observed persons there and n observed persons in all,

    log M_A = constant_A + lgamma(h + m_A + d_A) - lgamma(h + n + a):

one function of h for each set of lists. The score of a graph is a sum of at most 2K - 1 of them.

References
----------
Dawid, A. P. and Lauritzen, S. L. (1993). Hyper Markov laws in the statistical analysis of
decomposable graphical models. Annals of Statistics 21, 1272-1317.
Madigan, D. and York, J. C. (1997). Bayesian methods for estimation of the size of a closed
population. Biometrika 84, 19-31.
"""

from __future__ import annotations

from functools import lru_cache
from math import lgamma, log, log1p
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.polynomial import legendre
from scipy.special import gammaln

from mse.core._compiled import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import FloatArray, IntArray

#: A term that is smaller than the sum by exp(-45) changes no bit of it.
_LOST = -45.0


class Problem(NamedTuple):
    """Histories and priors: all that scores depend on, but for the graph.

    n_lists: number of lists, K
    histories: (R,), observed histories as sets of lists, bit k for list k
    counts: (R,), persons with each of them
    delta: of each cell of the full table
    log_prior: log prior of N, up to a constant, at a float64 array of totals
    """

    n_lists: int
    histories: IntArray
    counts: FloatArray
    delta: float
    log_prior: Callable[[FloatArray], FloatArray]

    @property
    def n_observed(self) -> float:
        """Observed persons, n."""
        return float(self.counts.sum())

    @property
    def total(self) -> float:
        """What is added to h in the denominator of each set of lists: n + a."""
        return self.n_observed + 2.0**self.n_lists * self.delta


@kernel
def _stirling(x):  # type: ignore[no-untyped-def]
    """Tail of Stirling's series of lgamma; below 1e-16 off from 32 on."""
    y = 1.0 / (x * x)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x


@kernel
def log_gamma_ratio(x, a, b):  # type: ignore[no-untyped-def]
    """Return lgamma(x + a) - lgamma(x + b), without the loss of digits for large x."""
    p = x + a
    q = x + b
    if p < 32.0 or q < 32.0:
        return lgamma(p) - lgamma(q)
    change = (p - 0.5) * log1p((a - b) / q) + (a - b) * (log(q) - 1.0)
    return change + _stirling(p) - _stirling(q)


def set_constant(problem: Problem, members: int) -> tuple[float, float]:
    """Score of a set of lists: its constant, and what is added to h in its numerator.

    problem: histories and prior
    members: the set of lists A; not empty
    Returns constant: all of log M_A that does not depend on h
    Returns shape: ``m_A + d_A``
    """
    within, group = np.unique(problem.histories & members, return_inverse=True)
    counts = np.bincount(group, weights=problem.counts, minlength=within.size)
    cell = 2.0 ** (problem.n_lists - members.bit_count()) * problem.delta
    seen = within != 0
    absent = float(counts[~seen].sum())
    known = (gammaln(counts[seen] + cell) - gammaln(cell)).sum()
    constant = gammaln(2.0**problem.n_lists * problem.delta) - gammaln(cell) + known
    return float(constant), absent + cell


def set_tables(problem: Problem, sets: IntArray) -> tuple[FloatArray, FloatArray]:
    """Constants and shapes of sets of lists, (U,) each; the first is the empty set, with zeros."""
    found = [set_constant(problem, int(members)) for members in sets[1:]]
    constants, shapes = np.asarray([(0.0, 0.0), *found]).T
    return np.ascontiguousarray(constants), np.ascontiguousarray(shapes)


@kernel
def set_rows(constants, shapes, total, hidden):  # type: ignore[no-untyped-def]
    """Scores of sets of lists at some hidden counts, (U, G); of the first, the empty set, 0."""
    rows = np.zeros((constants.size, hidden.size))
    for u in range(1, constants.size):
        for g in range(hidden.size):
            rows[u, g] = constants[u] + log_gamma_ratio(hidden[g], shapes[u], total)
    return rows


@kernel
def _arrangements(observed, hidden):  # type: ignore[no-untyped-def]
    """Log of N! / h!, the part of the multinomial coefficient that depends on h: (G,)."""
    found = np.empty(hidden.size)
    for g in range(hidden.size):
        found[g] = log_gamma_ratio(hidden[g], observed + 1.0, 1.0)
    return found


def base_row(problem: Problem, hidden: FloatArray) -> FloatArray:
    """Scores that all graphs share: prior of N and multinomial coefficient, (G,)."""
    prior = problem.log_prior(problem.n_observed + hidden)
    return np.asarray(prior + _arrangements(problem.n_observed, hidden))


@kernel
def score(terms, rows, base, prior, out):  # type: ignore[no-untyped-def]
    """Write the log score of a graph at each hidden count into ``out``; return the largest.

    terms: (J,) int32, cliques, minus separators, zeros: positions in ``rows``
    rows: (U, G) float64, scores of the sets of lists
    base: (G,) float64, what all graphs share
    prior: float, log prior of the graph
    out: (G,) float64, receives the scores
    """
    for g in range(out.size):
        out[g] = base[g] + prior
    for term in terms:
        if term == 0:
            break
        row = rows[abs(term)]
        if term > 0:
            for g in range(out.size):
                out[g] += row[g]
        else:
            for g in range(out.size):
                out[g] -= row[g]
    peak = -np.inf
    for g in range(out.size):
        peak = max(peak, out[g])
    return peak


@kernel
def accumulate(terms, priors, rows, base, weights, log_mass, log_density):  # type: ignore[no-untyped-def]
    """Add some hidden counts to the posterior masses of graphs, and find the density there.

    terms: (M, J) int32, graphs, as of `score`
    priors: (M,) float64, log priors of the graphs
    rows, base: (U, G) and (G,) float64, as of `score`
    weights: (G,) float64, how many integers each node stands for
    log_mass: (M,) float64, log posterior mass of each graph so far; changed in place
    log_density: (G,) float64, receives the log of the sum over graphs
    """
    out = np.empty(base.size)
    sums = np.zeros(base.size)
    scale = -np.inf
    heaviest = np.log(weights.max()) + np.log(weights.size)
    for i in range(priors.size):
        peak = score(terms[i], rows, base, priors[i], out)
        adds_mass = peak + heaviest - log_mass[i] > _LOST
        if not (adds_mass or peak - scale > _LOST):
            continue
        if peak > scale:
            sums *= np.exp(scale - peak)
            scale = peak
        share = np.exp(peak - scale)
        mass = 0.0
        for g in range(out.size):
            if out[g] - peak > _LOST:
                density = np.exp(out[g] - peak)
                sums[g] += share * density
                mass += weights[g] * density
        fresh = peak + np.log(mass)
        high = max(fresh, log_mass[i])
        log_mass[i] = high + np.log(np.exp(fresh - high) + np.exp(log_mass[i] - high))
    for g in range(out.size):
        log_density[g] = scale + np.log(sums[g]) if sums[g] > 0 else -np.inf


@kernel
def _bend(values, g):  # type: ignore[no-untyped-def]
    """Second difference at a node, negated; 0 at the ends and where it bends up."""
    if g == 0 or g == values.size - 1:
        return 0.0
    return max(2 * values[g] - values[g - 1] - values[g + 1], 0.0)


@kernel
def _between(values, g):  # type: ignore[no-untyped-def]
    """Bound of a function between nodes g and g + 1.

    With a second difference of -B at most it rises above the ends by B / 8; where it is concave it
    stays below the lines through the two nodes on either side.
    """
    high = max(values[g], values[g + 1])
    left, right = np.inf, np.inf
    if g > 0:
        left = max(high, 2 * values[g] - values[g - 1])
    if g + 2 < values.size:
        right = max(high, 2 * values[g + 1] - values[g + 2])
    return min(high + max(_bend(values, g), _bend(values, g + 1)) / 8, left, right)


@kernel
def ends(terms, priors, rows, base, widths, step):  # type: ignore[no-untyped-def]
    """Bounds of the posterior masses of graphs from a coarse grid, equidistant in log(1 + h).

    Where a score peaks with curvature -B it is 1 / sqrt(B) wide.

    terms, priors, rows, base: arrays, as of `accumulate`
    widths: (G,) float64, log of the integers per unit of log(1 + h) at each node
    step: float, distance of nodes
    Returns lower, upper: (M,) float64, log of the bounds
    """
    lower = np.empty(priors.size)
    upper = np.empty(priors.size)
    out = np.empty(base.size)
    for i in range(priors.size):
        score(terms[i], rows, base, priors[i], out)
        low = -np.inf
        high = -np.inf
        for g in range(out.size):
            low = max(low, out[g] + widths[g] - 0.5 * np.log1p(_bend(out, g)))
            if g + 1 < out.size:
                high = max(high, _between(out, g) + widths[g + 1])
        lower[i] = low + np.log(step)
        upper[i] = high + np.log(step * out.size)
    return lower, upper


@kernel
def curvatures(terms, priors, rows, base, widths, least):  # type: ignore[no-untyped-def]
    """Largest second difference, negated, of the scores at the nodes of a coarse grid: (G,).

    terms, priors, rows, base, widths: arrays, as of `ends`
    least: float, log mass per unit of log(1 + h) below which the shape of a score does not matter
    """
    largest = np.zeros(base.size)
    out = np.empty(base.size)
    for i in range(priors.size):
        score(terms[i], rows, base, priors[i], out)
        for g in range(1, out.size - 1):
            if max(_between(out, g - 1) + widths[g], _between(out, g) + widths[g + 1]) > least:
                largest[g] = max(largest[g], _bend(out, g))
    largest[0], largest[-1] = largest[1], largest[-2]
    return largest


@kernel
def sums_over_terms(terms, values):  # type: ignore[no-untyped-def]
    """Sum a value of sets of lists over cliques minus separators: (M,) float64."""
    found = np.zeros(len(terms))
    for i in range(len(terms)):
        for term in terms[i]:
            if term == 0:
                break
            found[i] += values[term] if term > 0 else -values[-term]
    return found


# Sums over hidden counts: every integer where there are few, panels of nodes where there are ------
# A posterior of the hidden count h is a smooth function on a wide range of integers. The range is cut
# into panels. In a short panel every integer is a node with weight 1. In a long one the sum over its
# integers a, ..., b is
#
#     sum_h f(h) = sum_j W_j f(x_j),    W_j = w_j sum_k (2k + 1) / 2 P_k(x_j) S_k,
#
# with the 16 nodes and weights (x_j, w_j) of Gauss and Legendre on [a - 1/2, b + 1/2], Legendre
# polynomials P_k, and S_k the sum of P_k over the integers. It is exact for polynomials of degree 15,
# and up to the (tiny) difference between a sum and an integral for those of degree 31.

#: Nodes of a long panel.
ORDER = 16
#: Panels up to this length have every integer as a node: below it the integers are so far apart,
#: measured in panels, that a sum differs visibly from an integral.
SHORT = 64
#: Up to this length polynomials are summed over a panel one integer at a time.
_SUMMED = 2048
#: Integers per panel where all integers are nodes.
_BLOCK = 1024
#: Integers of a panel that are told apart in a distribution; a bin of a longer panel is 1/1000
#: of a standard deviation of the posterior or less.
_BINS = 4096
#: A panel with less than this share of the probability is left as one bin.
_NEGLIGIBLE = 1e-13


class HiddenGrid(NamedTuple):
    """Panels of hidden counts with nodes and weights.

    first, last: (Q,), first and last integer of each panel; panels follow each other without gaps
    start: (Q + 1,), position of the first node of each panel
    nodes: (G,), hidden counts, integers in short panels
    weights: (G,), how many integers each node stands for
    """

    first: IntArray
    last: IntArray
    start: IntArray
    nodes: FloatArray
    weights: FloatArray


class Distribution(NamedTuple):
    """Probability by bins of consecutive hidden counts, mostly single ones.

    first, last: (Z,), first and last integer of each bin
    mass: (Z,), probability of each bin
    """

    first: IntArray
    last: IntArray
    mass: FloatArray


def integer_grid(first: int, last: int) -> HiddenGrid:
    """Make every integer from first to last a node."""
    starts = np.arange(first, last + 1, _BLOCK, dtype=np.int64)
    ends = np.minimum(starts + _BLOCK - 1, last)
    nodes = np.arange(first, last + 1, dtype=np.float64)
    offsets = np.append(starts, last + 1) - first
    return HiddenGrid(starts, ends, offsets, nodes, np.ones(nodes.size))


def panel_grid(first: int, last: int, length: Callable[[int], float]) -> HiddenGrid:
    """Cut a range of hidden counts into panels.

    first, last: the range, both ends included
    length: wanted length of the panel that starts at a hidden count; at least `SHORT` is taken
    """
    starts, ends, nodes, weights = [], [], [], []
    while first <= last:
        end = min(first + max(int(length(first)), SHORT) - 1, last)
        starts.append(first)
        ends.append(end)
        where, weight = _panel(first, end)
        nodes.append(where)
        weights.append(weight)
        first = end + 1
    offsets = np.cumsum([0, *(part.size for part in nodes)])
    return HiddenGrid(
        np.asarray(starts, dtype=np.int64),
        np.asarray(ends, dtype=np.int64),
        offsets.astype(np.int64),
        np.concatenate(nodes),
        np.concatenate(weights),
    )


def _panel(first: int, last: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of one panel."""
    count = last - first + 1
    if count <= SHORT:
        return np.arange(first, last + 1, dtype=np.float64), np.ones(count)
    at, _ = _gauss()
    return (first + last) / 2 + count / 2 * at, _weights(count)


@lru_cache(maxsize=1)
def _gauss() -> tuple[FloatArray, FloatArray]:
    at, weights = legendre.leggauss(ORDER)
    return np.asarray(at), np.asarray(weights)


@lru_cache(maxsize=1)
def to_coefficients() -> FloatArray:
    """Values at the nodes to coefficients of Legendre polynomials, (ORDER, ORDER)."""
    at, weights = _gauss()
    degrees = np.arange(ORDER) + 0.5
    return np.asarray((legendre.legvander(at, ORDER - 1) * weights[:, None] * degrees).T)


@lru_cache(maxsize=4096)
def _weights(count: int) -> FloatArray:
    """Weights that sum a polynomial over ``count`` equally spaced integers."""
    if count <= _SUMMED:
        middle = (2 * np.arange(count) - (count - 1)) / count
        sums = legendre.legvander(middle, ORDER - 1).sum(axis=0)
    else:
        # Sum minus integral by Euler and Maclaurin (midpoint form), of even degree k: -h/24 times
        # the change of the slope, and 7 h^3/5760 times that of the third derivative; what follows
        # is below 1e-10 from here on.
        k, h = np.arange(ORDER), 2 / count
        slope = k * (k + 1) / 2
        bend = (k - 2) * (k - 1) * k * (k + 1) * (k + 2) * (k + 3) / 48
        sums = -h / 12 * slope + 7 * h**3 / 2880 * bend
        sums[1::2] = 0.0
        sums[0] = count
    return np.asarray(sums @ to_coefficients())


def panel_sums(grid: HiddenGrid, values: FloatArray) -> FloatArray:
    """Sum a function, given at the nodes, over the integers of each panel: (Q,)."""
    return np.add.reduceat(grid.weights * values, grid.start[:-1])


def distribution(grid: HiddenGrid, log_density: FloatArray) -> Distribution:
    """Spell out a distribution that is known at the nodes.

    grid: where
    log_density: (G,), log probability of a single hidden count at each node, up to a constant
    Returns Sums to 1. Single integers, but for panels of next to no probability and for panels of
        more than 4096 integers.
    """
    sums = _shares(grid, log_density)
    parts = [_bins(grid, i, log_density, float(total)) for i, total in enumerate(sums)]
    first, last, mass = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Distribution(first, last, mass)


def quantile(grid: HiddenGrid, log_density: FloatArray, probability: float) -> int:
    """Find the smallest hidden count whose distribution function reaches a probability.

    grid, log_density: as of `distribution`
    probability: between 0 and 1
    """
    return int(
        quantiles(grid, to_coefficients(), log_density[None], np.asarray([probability]))[0, 0]
    )


@kernel
def quantiles(grid, to_series, log_densities, probabilities):  # type: ignore[no-untyped-def]
    """Find quantiles of several densities.

    grid: HiddenGrid, where
    to_series: (16, 16) float64, as of `to_coefficients`
    log_densities: (M, G) float64, at the nodes, each up to a constant
    probabilities: (P,) float64, between 0 and 1
    Returns (M, P) int64
    """
    n_panels = grid.first.size
    found = np.zeros((len(log_densities), probabilities.size), dtype=np.int64)
    cumulative = np.zeros(n_panels + 1)
    for m in range(len(log_densities)):
        density = np.exp(log_densities[m] - log_densities[m].max())
        for i in range(n_panels):
            part = slice(grid.start[i], grid.start[i + 1])
            cumulative[i + 1] = cumulative[i] + (grid.weights[part] * density[part]).sum()
        for k in range(probabilities.size):
            wanted = probabilities[k] * cumulative[-1]
            i = min(np.searchsorted(cumulative[1:], wanted), n_panels - 1)
            values = density[grid.start[i] : grid.start[i + 1]]
            count = grid.last[i] - grid.first[i] + 1
            missing = wanted - cumulative[i]
            found[m, k] = grid.first[i] + _reaching(values, count, missing, to_series)
    return found


@kernel
def _reaching(values, count, wanted, to_series):  # type: ignore[no-untyped-def]
    """Find the integer of a panel, from 0, at which the sum of a density reaches a value."""
    if values.size == count:
        total = 0.0
        for at in range(count - 1):
            total += values[at]
            if total >= wanted:
                return at
        return count - 1
    series = to_series @ values
    low, high = np.int64(0), np.int64(count - 1)
    while low < high:
        middle = (low + high) // 2
        if _partial_sum(series, count, middle + 1) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def _partial_sum(series, count, n):  # type: ignore[no-untyped-def]
    """Sum of a Legendre series over the first n of ``count`` integers of a panel.

    The integral to half a step behind, with Euler and Maclaurin's first correction:
    sum = integral / h - h/24 (change of slope).
    """
    h = 2.0 / count
    y = n * h - 1.0
    # P_k and its slope by recurrence; the integral of P_k is (P_k+1 - P_k-1) / (2k + 1).
    before, now, slope_before, slope = 1.0, y, 0.0, 1.0
    integral = series[0] * (y + 1.0)
    change = 0.0
    for k in range(1, series.size):
        after = ((2 * k + 1) * y * now - k * before) / (k + 1)
        integral += series[k] * (after - before) / (2 * k + 1)
        # At -1 the slope is k (k + 1) / 2 with the sign of -(-1)^k.
        change += series[k] * (slope + (k * (k + 1) / 2 if k % 2 == 0 else -k * (k + 1) / 2))
        slope_before, slope = slope, slope_before + (2 * k + 1) * now
        before, now = now, after
    return integral / h - h / 24.0 * change


def _shares(grid: HiddenGrid, log_density: FloatArray) -> FloatArray:
    """Probability of each panel."""
    sums = panel_sums(grid, np.exp(log_density - log_density.max()))
    return np.asarray(sums / sums.sum())


def _bins(
    grid: HiddenGrid, i: int, log_density: FloatArray, total: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Bins of panel i of a given probability: first integer, last integer, probability."""
    first, last = int(grid.first[i]), int(grid.last[i])
    values = log_density[grid.start[i] : grid.start[i + 1]]
    count = last - first + 1
    if total < _NEGLIGIBLE:
        return np.asarray([first]), np.asarray([last]), np.asarray([total])
    edges = first + np.arange(min(count, _BINS) + 1, dtype=np.int64) * count // min(count, _BINS)
    if values.size < count:
        middle = (edges[:-1] + edges[1:] - 1) / 2
        at = (2 * middle - (first + last)) / count
        values = np.asarray(legendre.legval(at, to_coefficients() @ values), dtype=np.float64)
    mass = np.exp(values - values.max()) * np.diff(edges)
    return edges[:-1], edges[1:] - 1, mass * (total / mass.sum())
