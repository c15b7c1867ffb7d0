"""Markov chain over decomposable graphs, the hidden count summed out.

The state is a graph; its weight is the posterior mass of the graph over all hidden counts of a grid,
so that the chain moves among graphs as such and never waits for the hidden count. A move joins or parts
two lists, or two pairs of lists one after the other, where the graph stays decomposable (Giudici &
Green 1999, section 3); the change of the score depends on four sets of lists only:

    join i and j with common neighbors S:  g(S + ij) + g(S) - g(S + i) - g(S + j).

Copies of the chain whose masses are raised to a power below 1 exchange states with it (parallel
tempering; Geyer 1991), which carries it over the valleys between graphs that explain the data alike.

References
----------
Geyer, C. J. (1991). Markov chain Monte Carlo maximum likelihood. In Computing Science and Statistics:
Proceedings of the 23rd Symposium on the Interface, 156-163.
Giudici, P. and Green, P. J. (1999). Decomposable graphical Gaussian model determination. Biometrika
86, 785-801.
"""

from __future__ import annotations

from math import lgamma, log1p
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import logsumexp

from mse.core._compiled import kernel
from mse.core.decomposable.graphs import decompose, eliminate, may_flip
from mse.core.decomposable.posterior import STEP, GraphPosterior, Scores, panel_length, share
from mse.core.decomposable.scores import (
    HiddenGrid,
    Problem,
    base_row,
    log_gamma_ratio,
    panel_grid,
    to_coefficients,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import FloatArray, IntArray


# Draws under decomposable graphs: hidden counts, and whole tables ---------------------------------

#: Log of how far a density may rise between two nodes of a panel, or beside the outermost: nodes
#: are at most a fifth of a standard deviation apart, which allows for 0.005, and 0.02 in the tail.
_SLACK = 0.05


@kernel
def _series(coefficients, y):  # type: ignore[no-untyped-def]
    """Sum of Legendre polynomials at y, by Clenshaw's recurrence."""
    later = 0.0
    latest = 0.0
    for k in range(coefficients.size - 1, 0, -1):
        factor = (2 * k + 1) / (k + 1)
        later, latest = (
            coefficients[k] + factor * y * later - (k + 1) / (k + 2) * latest,
            later,
        )
    return coefficients[0] + y * later - 0.5 * latest


@kernel
def _within(rng, first, last, values, to_series):  # type: ignore[no-untyped-def]
    """Draw an integer of one panel from log densities at its nodes."""
    count = last - first + 1
    peak = values.max()
    if values.size == count:
        left = rng.random() * np.exp(values - peak).sum()
        for k in range(count):
            left -= np.exp(values[k] - peak)
            if left < 0:
                return first + k
        return last
    coefficients = to_series @ values
    while True:
        at = first + np.int64(rng.random() * count)
        y = (2.0 * at - (first + last)) / count
        if np.log(rng.random()) < _series(coefficients, y) - peak - _SLACK:
            return at


@kernel
def draw_hidden(rng, grid, to_series, log_density, out):  # type: ignore[no-untyped-def]
    """Draw hidden counts from a density that is known at the nodes of a grid.

    rng: numpy.random.Generator, changed by use
    grid: HiddenGrid, panels
    to_series: (16, 16) float64, as of `mse.core.decomposable.scores.to_coefficients`
    log_density: (G,) float64, at the nodes
    out: (M,) int64, receives the draws
    """
    n_panels = grid.first.size
    peak = log_density.max()
    cumulative = np.zeros(n_panels)
    total = 0.0
    for i in range(n_panels):
        for g in range(grid.start[i], grid.start[i + 1]):
            total += grid.weights[g] * np.exp(log_density[g] - peak)
        cumulative[i] = total
    for m in range(out.size):
        i = min(np.searchsorted(cumulative, rng.random() * total, side="right"), n_panels - 1)
        values = log_density[grid.start[i] : grid.start[i + 1]]
        out[m] = _within(rng, grid.first[i], grid.last[i], values, to_series)


@kernel
def cell_probabilities(rng, near, counts, delta, out):  # type: ignore[no-untyped-def]
    """Draw the probabilities of all cells from their posterior under a graph.

    rng: numpy.random.Generator, changed by use
    near: (K,) int64, neighbors of each list
    counts: (2**K,) float64, persons by history, as sets of lists; the hidden ones first
    delta: float, of each cell
    out: (2**K,) float64, receives the probabilities

    In the reverse of a perfect elimination each list depends on the neighbors that came before it
    only, with a beta distribution for each combination of those (Dawid & Lauritzen 1993, section 6.2:
    the hyper-Dirichlet law is strong hyper-Markov, also in a posterior).
    """
    n_lists = near.size
    order = np.zeros(n_lists, dtype=np.int64)
    separators = np.zeros(n_lists, dtype=np.int64)
    eliminate(near, order, separators)
    out[:] = 1.0
    for step in range(n_lists):
        own = 1 << order[step]
        family = separators[step] | own
        margin = np.zeros(counts.size)
        for cell in range(counts.size):
            margin[cell & family] += counts[cell] + delta
        share = np.zeros(counts.size)
        for cell in range(counts.size):
            if cell & family == cell and not cell & own:
                share[cell] = rng.beta(margin[cell | own], margin[cell])
        for cell in range(counts.size):
            on = share[cell & separators[step]]
            out[cell] *= on if cell & own else 1.0 - on


def draw_pairs(
    scores: Scores,
    probability: FloatArray,
    panels: HiddenGrid,
    size: int,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray]:
    """Draw graphs and hidden counts together.

    scores: graphs and data
    probability: (M,), of the graphs
    panels: support of the hidden count
    size: number of draws
    rng: changed by use
    Returns graphs, hidden: (size,), position of each graph, and persons
    """
    cumulative = np.cumsum(probability)
    graphs = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
    graphs = np.minimum(graphs, probability.size - 1).astype(np.int64)
    hidden = np.empty(size, dtype=np.int64)
    distinct, which, times = np.unique(graphs, return_inverse=True, return_counts=True)
    densities = scores.densities(distinct, panels.nodes)
    for i, count in enumerate(times):
        own = np.empty(count, dtype=np.int64)
        draw_hidden(rng, panels, to_coefficients(), densities[i], own)
        hidden[which == i] = own
    return graphs, hidden


def predicted_tables(
    problem: Problem, near: IntArray, hidden: IntArray, rng: np.random.Generator
) -> IntArray:
    """Draw tables from the posterior predictive distribution.

    problem: histories and prior
    near: (M, K), neighbors of each list in the graph of each table
    hidden: (M,), hidden persons of each
    rng: changed by use
    Returns (M, C), persons by cell in C order
    """
    counts = np.zeros(1 << problem.n_lists)
    counts[problem.histories] = problem.counts
    chances = np.empty((len(near), counts.size))
    for own, graph, count in zip(chances, near, hidden, strict=True):
        counts[0] = count
        cell_probabilities(rng, graph, counts, problem.delta, own)
    chances /= chances.sum(axis=1, keepdims=True)
    tables = rng.multinomial(hidden + round(problem.n_observed), chances)
    return np.asarray(tables[:, reverse_bits(problem.n_lists)], dtype=np.int64)


def reverse_bits(n_bits: int) -> IntArray:
    """Position among sets of lists of each cell in C order, (2**K,).

    Examples
    --------
    >>> reverse_bits(2).tolist()
    [0, 2, 1, 3]
    """
    cells = np.arange(1 << n_bits)
    bits = cells[:, None] >> np.arange(n_bits) & 1
    return np.asarray(bits @ (1 << np.arange(n_bits)[::-1]), dtype=np.int64)


# Markov chain over decomposable graphs, the hidden count summed out -------------------------------

#: Numbers kept of the scores of sets of lists, 32 MB a chain.
_KEPT_SCORES = 1 << 22
#: Masses of graphs that are kept, by a hash of the graph.
_KEPT_MASSES = 1 << 16
_LOST = -45.0


class Walk(NamedTuple):
    """How a chain walks.

    powers: (T,), powers of the masses, decreasing from 1
    log_odds: prior log odds of a pair to be joined
    complete: whether the graph with all pairs joined may be visited
    sweep: moves tried by each copy between two exchanges
    """

    powers: FloatArray
    log_odds: float
    complete: bool
    sweep: int


class GraphChain(NamedTuple):
    """What a chain saw.

    near: (D, K), neighbors of each list in each graph
    hidden: (D,), a hidden count of each
    log_mass: (D,), log posterior mass of each graph, up to a constant
    density: (G,), posterior probability of a hidden count at the nodes, averaged over the graphs
    accepted: share of the moves of the chain itself that were made
    exchanged: (T - 1,), share of the exchanges between neighboring copies that were made
    """

    near: IntArray
    hidden: IntArray
    log_mass: FloatArray
    density: FloatArray
    accepted: float
    exchanged: FloatArray


class _Data(NamedTuple):
    """What scores are made of, and those that are kept."""

    histories: IntArray
    counts: FloatArray
    n_lists: int
    delta: float
    total: float
    nodes: FloatArray
    weights: FloatArray
    base: FloatArray
    tags: IntArray  # set of lists whose scores stand in each slot
    rows: FloatArray  # (slots, G)
    keys: IntArray  # hash of the graph whose mass stands in each slot
    masses: FloatArray


@kernel
def _constant(data, members):  # type: ignore[no-untyped-def]
    """Constant and shape of a set of lists, as `mse.core.decomposable.scores.set_constant`."""
    codes = data.histories & members
    cell = data.delta * 2.0 ** (data.n_lists - _size(members))
    known = lgamma(data.delta * 2.0**data.n_lists) - lgamma(cell)
    absent = 0.0
    order = np.argsort(codes)
    i = 0
    while i < codes.size:
        code = codes[order[i]]
        persons = 0.0
        while i < codes.size and codes[order[i]] == code:
            persons += data.counts[order[i]]
            i += 1
        if code == 0:
            absent = persons
        else:
            known += lgamma(persons + cell) - lgamma(cell)
    return known, absent + cell


@kernel
def _size(members):  # type: ignore[no-untyped-def]
    """Count the lists of a set."""
    count = 0
    while members:
        members &= members - 1
        count += 1
    return count


@kernel
def _add(data, members, sign, row):  # type: ignore[no-untyped-def]
    """Add or subtract the scores of a set of lists."""
    if members == 0:
        return
    # Fibonacci hashing; with as many slots as sets it would do no harm, but is not needed.
    slots = data.tags.size
    slot = members if slots >> data.n_lists else (members * 0x9E3779B1 >> 7) & (slots - 1)
    if data.tags[slot] != members:
        constant, shape = _constant(data, members)
        for g in range(row.size):
            data.rows[slot, g] = constant + log_gamma_ratio(data.nodes[g], shape, data.total)
        data.tags[slot] = members
    for g in range(row.size):
        row[g] += sign * data.rows[slot, g]


@kernel
def _flip(data, near, i, j, row):  # type: ignore[no-untyped-def]
    """Join or part two lists, and change the scores accordingly."""
    common = near[i] & near[j]
    sign = -1.0 if near[i] >> j & 1 else 1.0
    _add(data, common | 1 << i | 1 << j, sign, row)
    _add(data, common, sign, row)
    _add(data, common | 1 << i, -sign, row)
    _add(data, common | 1 << j, -sign, row)
    near[i] ^= 1 << j
    near[j] ^= 1 << i


@kernel
def _mass(data, key, row):  # type: ignore[no-untyped-def]
    """Log of the sum of the posterior over the grid."""
    slot = key & (data.keys.size - 1)
    if data.keys[slot] == key:
        return data.masses[slot]
    peak = row.max()
    total = 0.0
    for g in range(row.size):
        if row[g] - peak > _LOST:
            total += data.weights[g] * np.exp(row[g] - peak)
    data.keys[slot] = key
    data.masses[slot] = peak + np.log(total)
    return data.masses[slot]


class _Copy(NamedTuple):
    """One copy of the chain, and room for a trial; all copies together with an axis in front."""

    near: IntArray  # (K,)
    row: FloatArray  # (G,) scores of its graph
    trial: IntArray  # (K,)
    trial_row: FloatArray  # (G,)
    state: IntArray  # (2,) hash of the graph, number of its edges
    mass: FloatArray  # (1,)


@kernel
def _one(copies, t):  # type: ignore[no-untyped-def]
    """Copy number t."""
    return _Copy(
        copies.near[t],
        copies.row[t],
        copies.trial[t],
        copies.trial_row[t],
        copies.state[t],
        copies.mass[t],
    )


@kernel
def _try_move(rng, data, walk, copy, power, codes, moves):  # type: ignore[no-untyped-def]
    """Try to change one pair of lists, or two."""
    n_lists = data.n_lists
    flips = np.empty((1 + (rng.random() < 0.5), 2), dtype=np.int64)
    copy.trial[:] = copy.near
    key, edges = copy.state[0], copy.state[1]
    moves[1] += 1
    for f in range(len(flips)):
        i = np.int64(rng.random() * n_lists)
        j = np.int64(rng.random() * (n_lists - 1))
        j += j >= i
        if not may_flip(copy.trial, i, j):
            return
        edges += -1 if copy.trial[i] >> j & 1 else 1
        copy.trial[i] ^= 1 << j
        copy.trial[j] ^= 1 << i
        key ^= codes[min(i, j), max(i, j)]
        flips[f] = i, j
    if not walk.complete and 2 * edges == n_lists * (n_lists - 1):
        return
    known = data.keys[key & (data.keys.size - 1)] == key
    if not known:
        copy.trial_row[:] = copy.row
        _replay(data, copy, flips, copy.trial_row)
    mass = _mass(data, key, copy.trial_row)
    gain = power * (mass - copy.mass[0]) + walk.log_odds * (edges - copy.state[1])
    if np.log(rng.random()) < gain:
        if known:
            _replay(data, copy, flips, copy.row)
        else:
            copy.row[:] = copy.trial_row
        copy.near[:] = copy.trial
        copy.state[0], copy.state[1] = key, edges
        moves[0] += 1
        copy.mass[0] = mass


@kernel
def _replay(data, copy, flips, row):  # type: ignore[no-untyped-def]
    """Change the scores as the flips from the graph to its trial do."""
    copy.trial[:] = copy.near
    for f in range(len(flips)):
        _flip(data, copy.trial, flips[f, 0], flips[f, 1], row)


@kernel
def _start(data, copy, codes, order, width):  # type: ignore[no-untyped-def]
    """Begin with the lists in some order, each joined to those just before it."""
    copy.near[:] = 0
    copy.state[:] = 0
    copy.state[0] = 1
    for a in range(data.n_lists):
        for b in range(max(a - width, 0), a):
            i, j = order[a], order[b]
            copy.near[i] |= 1 << j
            copy.near[j] |= 1 << i
            copy.state[0] ^= codes[min(i, j), max(i, j)]
            copy.state[1] += 1
    terms = np.zeros(2 * data.n_lists, dtype=np.int64)
    decompose(copy.near, terms)
    copy.row[:] = data.base
    for term in terms:
        _add(data, abs(term), 1.0 if term > 0 else -1.0, copy.row)
    copy.mass[0] = _mass(data, copy.state[0], copy.row)


@kernel
def _exchange(rng, copies, at, powers, made):  # type: ignore[no-untyped-def]
    """Let copies of neighboring powers exchange their graphs; ``at`` says which holds which."""
    for t in range(powers.size - 1):
        gain = (powers[t] - powers[t + 1]) * (copies.mass[at[t + 1], 0] - copies.mass[at[t], 0])
        if np.log(rng.random()) < gain:
            at[t], at[t + 1] = at[t + 1], at[t]
            made[t] += 1


@kernel
def _walk(rng, data, walk, copies, codes, orders, width, grid, to_series, n_warmup, out):  # type: ignore[no-untyped-def]
    """Run a chain, and write what it sees into ``out``."""
    n_powers = walk.powers.size
    at = np.arange(n_powers)
    for t in range(n_powers):
        _start(data, _one(copies, t), codes, orders[t], width)
    for sweep in range(n_warmup + len(out.near)):
        if sweep == n_warmup:
            out.moves[:] = 0
            out.exchanged[:] = 0
        for t in range(n_powers):
            copy = _one(copies, at[t])
            for _ in range(walk.sweep):
                _try_move(rng, data, walk, copy, walk.powers[t], codes, out.moves[t])
        _exchange(rng, copies, at, walk.powers, out.exchanged)
        if sweep >= n_warmup:
            copy, d = _one(copies, at[0]), sweep - n_warmup
            out.near[d] = copy.near
            out.log_mass[d] = copy.mass[0]
            draw_hidden(rng, grid, to_series, copy.row, out.hidden[d : d + 1])
            for g in range(copy.row.size):
                out.density[g] += np.exp(copy.row[g] - copy.mass[0])


class _Out(NamedTuple):
    """Room for what a chain sees; as of `GraphChain`."""

    near: IntArray
    hidden: IntArray
    log_mass: FloatArray
    density: FloatArray
    moves: IntArray  # (T, 2) made and tried
    exchanged: FloatArray


def walk_graphs(
    problem: Problem,
    grid: HiddenGrid,
    walk: Walk,
    n_draws: int,
    rng: np.random.Generator,
    *,
    start: float = 0.0,
) -> GraphChain:
    """Run one chain.

    problem: histories and prior
    grid: support of the hidden count
    walk: how to walk
    n_draws: graphs to keep, one after each exchange, after half as many that are not kept
    rng: changed by use
    start: from 0, no lists joined at first, to 1, nearly all of them
    """
    n_lists, size = problem.n_lists, grid.nodes.size
    data = _data(problem, grid)
    copies = _copies(walk.powers.size, n_lists, size)
    codes = rng.integers(2, 1 << 62, size=(n_lists, n_lists))
    out = _Out(
        np.zeros((n_draws, n_lists), dtype=np.int64),
        np.zeros(n_draws, dtype=np.int64),
        np.zeros(n_draws),
        np.zeros(size),
        np.zeros((walk.powers.size, 2), dtype=np.int64),
        np.zeros(walk.powers.size - 1),
    )
    width = round(start * (n_lists - 2 + walk.complete))
    series = to_coefficients()
    # Random orders: numba takes ten seconds to compile a permutation.
    orders = rng.permuted(np.tile(np.arange(n_lists), (walk.powers.size, 1)), axis=1)
    _walk(rng, data, walk, copies, codes, orders, width, grid, series, n_draws // 2, out)
    made, tried = out.moves[0]
    return GraphChain(
        out.near,
        out.hidden,
        out.log_mass,
        out.density / n_draws,
        int(made) / max(int(tried), 1),
        out.exchanged / n_draws,
    )


def _data(problem: Problem, grid: HiddenGrid) -> _Data:
    size = grid.nodes.size
    slots = 1 << min(problem.n_lists, int(_KEPT_SCORES / size).bit_length() - 1)
    return _Data(
        problem.histories,
        problem.counts,
        problem.n_lists,
        problem.delta,
        problem.total,
        grid.nodes,
        grid.weights,
        base_row(problem, grid.nodes),
        np.zeros(slots, dtype=np.int64),
        np.zeros((slots, size)),
        np.full(_KEPT_MASSES, -1, dtype=np.int64),
        np.zeros(_KEPT_MASSES),
    )


def _copies(n_copies: int, n_lists: int, size: int) -> _Copy:
    return _Copy(
        np.zeros((n_copies, n_lists), dtype=np.int64),
        np.zeros((n_copies, size)),
        np.zeros((n_copies, n_lists), dtype=np.int64),
        np.zeros((n_copies, size)),
        np.zeros((n_copies, 2), dtype=np.int64),
        np.zeros((n_copies, 1)),
    )


# Posterior of graphs and of the hidden count from chains over graphs ------------------------------

#: A log prior this far below its maximum ends what can have any probability.
_OUTRUN = 1e4


def chain_grid(problem: Problem, first: int, last: int) -> HiddenGrid:
    """Panels that are short enough for the scores of any graph.

    A score is a sum of c_j log(h + j). In u = log h each term bends by h j / (h + j)^2 at most, a
    quarter or less, and those with a negative c_j come from the windows between the persons off a
    clique and off its separator: one for each list but a first one, no longer than the list.
    """
    persons = [
        problem.counts[problem.histories >> k & 1 == 1].sum() for k in range(problem.n_lists)
    ]
    n, windows = problem.n_observed, sum(persons) - max(persons)
    log_at = np.arange(log1p(first), log1p(last) + 1, STEP)
    at = np.expm1(log_at)
    bends = windows * np.where(at < n, 0.25, at * n / (at + n) ** 2)
    prior = np.stack([problem.log_prior(n + np.expm1(log_at + d)) for d in (-STEP, 0, STEP)])
    # Where a prior has fallen so far nothing makes up for it.
    matters = prior[1] > prior[1].max() - _OUTRUN
    bends += np.where(matters, np.maximum(2 * prior[1] - prior[0] - prior[2], 0), 0) / STEP**2
    return panel_grid(first, last, lambda start: panel_length(at, bends, start))


def pooled(
    chains: Sequence[GraphChain], problem: Problem, log_odds: float
) -> tuple[Scores, IntArray, FloatArray]:
    """Put the graphs of several chains together.

    chains: of equal length
    problem: histories and prior
    log_odds: prior log odds of a pair to be joined
    Returns scores: the distinct graphs
    Returns which: (chains, D), position of the graph of each draw
    Returns log_density: (G,), of the hidden count, averaged over all draws
    """
    near = np.concatenate([chain.near for chain in chains])
    distinct, which = np.unique(near, axis=0, return_inverse=True)
    members = np.zeros((len(distinct), 2 * problem.n_lists), dtype=np.int64)
    for graph, terms in zip(distinct, members, strict=True):
        decompose(graph, terms)
    sets, places = np.unique(np.append(0, np.abs(members)), return_inverse=True)
    terms = np.sign(members) * places[1:].reshape(members.shape)
    priors = log_odds * np.bitwise_count(distinct).sum(axis=1) / 2
    with np.errstate(divide="ignore"):
        log_density = np.log(np.mean([chain.density for chain in chains], axis=0))
    scores = Scores(problem, sets, np.asarray(terms, dtype=np.int32), priors)
    return scores, which.reshape(len(chains), -1).astype(np.int64), log_density


def frequencies(
    scores: Scores, which: IntArray, log_density: FloatArray, grid: HiddenGrid, outside: FloatArray
) -> GraphPosterior:
    """Posterior from the frequencies of graphs in chains.

    scores, which, log_density: as of `pooled`
    grid: support of the chains
    outside: (M,), log mass of each graph beyond it, as of
        `mse.core.decomposable.posterior.mass_beyond`
    """
    probability = np.bincount(which.ravel(), minlength=len(scores.terms)) / which.size
    log_odds = outside - scores.sums(grid)[0]
    beyond = share(float(logsumexp(log_odds, b=probability)), 0.0)
    return GraphPosterior(probability, grid, log_density, grid, beyond)
