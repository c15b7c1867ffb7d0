r"""Marginal likelihoods of decomposable graphs under the hyper-Dirichlet prior.

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

from math import lgamma, log, log1p
from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np
from scipy.special import gammaln

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import FloatArray, IntArray

__all__ = [
    "Problem",
    "accumulate",
    "base_row",
    "curvatures",
    "ends",
    "log_gamma_ratio",
    "score",
    "set_constant",
    "set_rows",
    "set_tables",
    "sums_over_terms",
]

#: A term that is smaller than the sum by exp(-45) changes no bit of it.
_LOST = -45.0


class Problem(NamedTuple):
    """Histories and priors: all that scores depend on, but for the graph.

    Attributes
    ----------
    n_lists : int
        Number of lists, K.
    histories : int64 array (R,)
        Observed histories as sets of lists, bit k for list k.
    counts : float64 array (R,)
        Persons with each of them.
    delta : float
        Of each cell of the full table.
    log_prior : function
        Log prior of N, up to a constant, at a float64 array of totals.
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


@nb.njit(cache=True, nogil=True)
def _stirling(x):  # type: ignore[no-untyped-def]
    """Tail of Stirling's series of lgamma; below 1e-16 off from 32 on."""
    y = 1.0 / (x * x)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x


@nb.njit(cache=True, nogil=True)
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

    Parameters
    ----------
    problem : Problem
        Histories and prior.
    members : int
        The set of lists A; not empty.

    Returns
    -------
    constant : float
        All of log M_A that does not depend on h.
    shape : float
        ``m_A + d_A``.
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


@nb.njit(cache=True, nogil=True)
def set_rows(constants, shapes, total, hidden):  # type: ignore[no-untyped-def]
    """Scores of sets of lists at some hidden counts, (U, G); of the first, the empty set, 0."""
    rows = np.zeros((constants.size, hidden.size))
    for u in range(1, constants.size):
        for g in range(hidden.size):
            rows[u, g] = constants[u] + log_gamma_ratio(hidden[g], shapes[u], total)
    return rows


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
def score(terms, rows, base, prior, out):  # type: ignore[no-untyped-def]
    """Write the log score of a graph at each hidden count into ``out``; return the largest.

    Parameters
    ----------
    terms : int32 array (J,)
        Cliques, minus separators, zeros: positions in ``rows``.
    rows : float64 array (U, G)
        Scores of the sets of lists.
    base : float64 array (G,)
        What all graphs share.
    prior : float
        Log prior of the graph.
    out : float64 array (G,)
        Receives the scores.
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


@nb.njit(cache=True, nogil=True)
def accumulate(terms, priors, rows, base, weights, log_mass, log_density):  # type: ignore[no-untyped-def]
    """Add some hidden counts to the posterior masses of graphs, and find the density there.

    Parameters
    ----------
    terms : int32 array (M, J)
        Graphs, as of `score`.
    priors : float64 array (M,)
        Log priors of the graphs.
    rows, base : float64 arrays (U, G) and (G,)
        As of `score`.
    weights : float64 array (G,)
        How many integers each node stands for.
    log_mass : float64 array (M,)
        Log posterior mass of each graph so far; changed in place.
    log_density : float64 array (G,)
        Receives the log of the sum over graphs.
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


@nb.njit(cache=True, nogil=True)
def _bend(values, g):  # type: ignore[no-untyped-def]
    """Second difference at a node, negated; 0 at the ends and where it bends up."""
    if g == 0 or g == values.size - 1:
        return 0.0
    return max(2 * values[g] - values[g - 1] - values[g + 1], 0.0)


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
def ends(terms, priors, rows, base, widths, step):  # type: ignore[no-untyped-def]
    """Bounds of the posterior masses of graphs from a coarse grid, equidistant in log(1 + h).

    Where a score peaks with curvature -B it is 1 / sqrt(B) wide.

    Parameters
    ----------
    terms, priors, rows, base : arrays
        As of `accumulate`.
    widths : float64 array (G,)
        Log of the integers per unit of log(1 + h) at each node.
    step : float
        Distance of nodes.

    Returns
    -------
    lower, upper : float64 arrays (M,)
        Log of the bounds.
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


@nb.njit(cache=True, nogil=True)
def curvatures(terms, priors, rows, base, widths, least):  # type: ignore[no-untyped-def]
    """Largest second difference, negated, of the scores at the nodes of a coarse grid: (G,).

    Parameters
    ----------
    terms, priors, rows, base, widths : arrays
        As of `ends`.
    least : float
        Log mass per unit of log(1 + h) below which the shape of a score does not matter.
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


@nb.njit(cache=True, nogil=True)
def sums_over_terms(terms, values):  # type: ignore[no-untyped-def]
    """Sum a value of sets of lists over cliques minus separators: (M,) float64."""
    found = np.zeros(len(terms))
    for i in range(len(terms)):
        for term in terms[i]:
            if term == 0:
                break
            found[i] += values[term] if term > 0 else -values[-term]
    return found
