"""Posterior of the hidden count and of decomposable graphs, by summing over all of them.

First a coarse grid, equidistant in log(1 + h), bounds the mass of every graph and finds how sharply
the scores bend. Graphs that cannot hold more than exp(-80) of the best one stop there. For the others
the range is cut into panels so short that a score is next to a parabola in each
(`mse.core.decomposable.scores`), and sums over panels are good to ten digits; or every integer is summed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import exp, expm1, inf, log, log1p, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import logsumexp

from mse.core.decomposable.scores import (
    SHORT,
    HiddenGrid,
    Problem,
    accumulate,
    base_row,
    curvatures,
    ends,
    integer_grid,
    panel_grid,
    panel_sums,
    score,
    set_rows,
    set_tables,
    sums_over_terms,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from mse._typing import FloatArray, IntArray

#: Hidden counts are summed up to here, 1.1e12, and by their rate of decrease from there on.
FARTHEST = 1 << 40
#: The support ends where no more probability than this is left.
REMAINDER = 1e-9
#: Distance of the nodes of the coarse grid in log(1 + h).
STEP = 0.25
#: Log of the share of the best graph below which a graph is not looked at closely.
NEGLIGIBLE = -80.0
#: Length of a panel in standard deviations of the sharpest graph: exp(-2 y^2) on [-1, 1], which 16
#: nodes integrate to twelve digits.
_SPREAD = 4.0
#: Longest panel in log(1 + h): a power of h on [a, 3a] takes 16 nodes for twelve digits.
_LONGEST = 1.0
#: Graphs times integers up to which every integer is summed where the support is given.
_EVERY_INTEGER = 2e8
#: Hidden counts worked on together: the scores of 128 sets of lists then fit the fast memory.
_TILE = 256


class Tail(NamedTuple):
    """How the scores of graphs end.

    surprises: (M,), For each observed person, the number of connected parts of the graph between
        the lists the person is on, less one; summed. Where it is 0 the likelihood does not fall as
        h grows.
    decay: (M,), P(hidden > h | graph) falls as h to the power of minus this; nothing is proper at 0
        or less
    """

    surprises: IntArray
    decay: FloatArray


@dataclass(frozen=True, eq=False)
class Scores:
    """Graphs to be compared on a table, with what their scores are made of.

    problem: histories and prior
    sets: (U,), sets of lists, the empty one first
    terms: (M, J) int32, cliques of each graph, minus its separators, zeros: positions in `sets`
    priors: (M,), log priors of the graphs
    """

    problem: Problem
    sets: IntArray
    terms: npt.NDArray[np.int32]
    priors: FloatArray

    @cached_property
    def tables(self) -> tuple[FloatArray, FloatArray]:
        """Constants and shapes of the sets of lists."""
        return set_tables(self.problem, self.sets)

    def at(self, hidden: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Scores of the sets of lists, (U, G), and what all graphs share, (G,)."""
        rows = set_rows(*self.tables, self.problem.total, hidden)
        return rows, base_row(self.problem, hidden)

    def chosen(self, which: npt.NDArray[np.intp]) -> Scores:
        """Take some of the graphs."""
        terms = np.ascontiguousarray(self.terms[which])
        return replace(self, terms=terms, priors=np.ascontiguousarray(self.priors[which]))

    def densities(self, which: IntArray, hidden: FloatArray) -> FloatArray:
        """Log scores of some graphs at some hidden counts, (len(which), G)."""
        found = np.empty((len(which), hidden.size))
        rows, base = self.at(hidden)
        for i, graph in enumerate(which):
            score(self.terms[graph], rows, base, self.priors[graph], found[i])
        return found

    def sums(self, grid: HiddenGrid) -> tuple[FloatArray, FloatArray]:
        """Log mass of each graph on a grid, (M,), and log density over all at its nodes, (G,)."""
        log_mass = np.full(self.priors.size, -inf)
        log_density = np.empty(grid.nodes.size)
        for start in range(0, grid.nodes.size, _TILE):
            part = slice(start, start + _TILE)
            rows, base = self.at(grid.nodes[part])
            weights, density = grid.weights[part], log_density[part]
            accumulate(self.terms, self.priors, rows, base, weights, log_mass, density)
        return log_mass, log_density


def tail(scores: Scores, prior_decay: float) -> Tail:
    """Find how the scores of graphs end, exactly.

    scores: graphs and data
    prior_decay: the prior of N falls as N to the power of minus this

    From Stirling's formula log M_A = (m_A + d_A - n - a) log h + O(1), so that the score of a graph is
    (sum_C - sum_S (m + d) - a) log h and the log prior of N, the empty separators included. The m
    count for each person the cliques minus separators without the lists of the person: 1 minus the
    number of connected parts of the graph between those lists.
    """
    problem, sets = scores.problem, scores.sets
    absent = [problem.counts[(problem.histories & members) == 0].sum() for members in sets]
    missed = np.asarray(absent) - problem.n_observed
    surprises = -sums_over_terms(scores.terms, missed) - problem.n_observed
    # One person with each history stands for the prior, delta each, beside the hidden cell.
    full = 2.0**problem.n_lists - 1
    cells = 2.0 ** (problem.n_lists - np.bitwise_count(sets)) - 1
    spread = -sums_over_terms(scores.terms, cells - full) - full
    decay = surprises + problem.delta * (spread + full) - 1 + prior_decay
    return Tail(np.rint(surprises).astype(np.int64), decay)


class _Coarse(NamedTuple):
    """What the coarse grid tells."""

    at: FloatArray  # hidden counts
    bends: FloatArray  # largest curvature of any graph that matters there
    relevant: npt.NDArray[np.intp]  # graphs that matter
    log_mass: FloatArray  # (M,) rough


def _coarse(scores: Scores, first: int, last: int) -> _Coarse:
    low, high = log1p(first), log1p(last)
    log_at, step = np.linspace(low, high, max(round((high - low) / STEP), 2) + 1, retstep=True)
    at = np.expm1(log_at)
    at[0], at[-1] = first, last
    rows, base = scores.at(at)
    lower, upper = ends(scores.terms, scores.priors, rows, base, log_at, step)
    least = lower.max() + NEGLIGIBLE
    relevant = np.flatnonzero(upper > least)
    chosen = scores.chosen(relevant)
    bends = curvatures(chosen.terms, chosen.priors, rows, base, log_at, least)
    return _Coarse(at, bends / step**2, relevant, lower)


def panel_length(at: FloatArray, bends: FloatArray, first: int) -> float:
    """Length of a panel, in hidden counts, in which no score bends much.

    at, bends: (G,), curvature of the scores in log(1 + h) at some hidden counts
    first: start of the panel
    """
    # The curvature changes over a factor of e in h or so: the nodes within reach of the panel.
    i = int(np.searchsorted(at, first))
    near = bends[max(i - 1, 0) : i + round(_LONGEST / STEP) + 1].max(initial=0.0)
    return (1 + first) * expm1(min(_SPREAD / sqrt(near), _LONGEST) if near > 0 else _LONGEST)


class GraphPosterior(NamedTuple):
    """Posterior over graphs and hidden counts.

    probability: (M,), of each graph
    grid: panels of the support
    log_density: (G,), log posterior probability of the hidden count at the nodes, up to a constant
    panels: the support again, where `grid` holds every integer, in panels of few nodes
    beyond: probability of larger ones if nothing kept them out; 1 if they have infinite mass
    """

    probability: FloatArray
    grid: HiddenGrid
    log_density: FloatArray
    panels: HiddenGrid
    beyond: float


class _Part(NamedTuple):
    """Sums over a part of the range of hidden counts."""

    log_mass: FloatArray  # (M,)
    grid: HiddenGrid
    log_density: FloatArray  # (G,)
    panels: HiddenGrid


def _summed(scores: Scores, first: int, last: int, *, every: bool) -> _Part:
    """Sum over hidden counts from first to last, over every integer if wanted and affordable."""
    if last - first < SHORT:
        grid = integer_grid(first, last)
        log_mass, log_density = scores.sums(grid)
        return _Part(log_mass, grid, log_density, grid)
    coarse = _coarse(scores, first, last)
    chosen = scores.chosen(coarse.relevant)
    panels = panel_grid(first, last, lambda start: panel_length(coarse.at, coarse.bends, start))
    affordable = chosen.priors.size * float(last - first + 1) <= _EVERY_INTEGER
    grid = integer_grid(first, last) if every and affordable else panels
    log_mass = coarse.log_mass.copy()
    log_mass[coarse.relevant], log_density = chosen.sums(grid)
    return _Part(log_mass, grid, log_density, panels)


def average(
    scores: Scores, decay: FloatArray, first: int = 0, last: int | None = None
) -> GraphPosterior:
    """Average over graphs.

    scores: graphs and data
    decay: (M,), as of `tail`
    first: smallest hidden count of the support
    last: largest one, at most `FARTHEST`; where the remaining probability is below 1e-9 if left out
    """
    part = _summed(scores, first, FARTHEST if last is None else last, every=last is not None)
    grid, log_density, panels = part.grid, part.log_density, part.panels
    inside = logsumexp(part.log_mass)
    outside = mass_beyond(scores, decay, FARTHEST if last is None else last)
    beyond = share(float(logsumexp(outside)), inside)
    if last is None:
        grid, log_density, beyond = cut(grid, log_density, beyond)
        panels = grid
    return GraphPosterior(np.exp(part.log_mass - inside), grid, log_density, panels, beyond)


def mass_beyond(scores: Scores, decay: FloatArray, last: int) -> FloatArray:
    """Log mass of each graph beyond a hidden count, (M,); infinite where the sum diverges.

    Sums to the farthest count, and c h**(-decay) / decay, the sum of c h**(-1 - decay), beyond it.
    """
    rows, base = scores.at(np.asarray([float(FARTHEST)]))
    final = sums_over_terms(scores.terms, rows[:, 0]) + base[0] + scores.priors
    proper = decay > 0
    farther = final + log(FARTHEST) - np.log(np.where(proper, decay, 1.0))
    farther[~proper] = inf
    if last >= FARTHEST:
        return np.asarray(farther)
    nearer = _summed(scores, last + 1, FARTHEST, every=False).log_mass
    return np.asarray(np.logaddexp(nearer, farther))


def share(log_part: float, log_rest: float) -> float:
    """Share of a part in the whole, from logs; 1 if the part is infinite."""
    return 1 / (1 + exp(min(log_rest - log_part, 700.0))) if log_part < inf else 1.0


def cut(
    grid: HiddenGrid, log_density: FloatArray, beyond: float
) -> tuple[HiddenGrid, FloatArray, float]:
    """Leave out panels at the end, and say how much probability is then missing.

    grid, log_density: as of `mse.core.decomposable.scores.distribution`
    beyond: probability beyond the grid
    """
    if beyond > REMAINDER:
        return grid, log_density, beyond
    sums = panel_sums(grid, np.exp(log_density - log_density.max()))
    sums *= (1 - beyond) / sums.sum()
    left = np.append(np.cumsum(sums[::-1])[::-1][1:], 0.0) + beyond
    kept = int(np.argmax(left <= REMAINDER)) + 1
    size = int(grid.start[kept])
    shorter = HiddenGrid(
        grid.first[:kept],
        grid.last[:kept],
        grid.start[: kept + 1],
        grid.nodes[:size],
        grid.weights[:size],
    )
    return shorter, log_density[:size], float(left[kept - 1])
