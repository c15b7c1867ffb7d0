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

from math import lgamma
from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.decomposable import Problem, base_row, log_gamma_ratio
from mse.core.graph_draws import draw_hidden
from mse.core.graphs import decompose, may_flip
from mse.core.hidden_grid import HiddenGrid, to_coefficients

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray

__all__ = ["GraphChain", "Walk", "walk_graphs"]

#: Numbers kept of the scores of sets of lists, 32 MB a chain.
_KEPT_SCORES = 1 << 22
#: Masses of graphs that are kept, by a hash of the graph.
_KEPT_MASSES = 1 << 16
_LOST = -45.0


class Walk(NamedTuple):
    """How a chain walks.

    Attributes
    ----------
    powers : float64 array (T,)
        Powers of the masses, decreasing from 1.
    log_odds : float
        Prior log odds of a pair to be joined.
    complete : bool
        Whether the graph with all pairs joined may be visited.
    sweep : int
        Moves tried by each copy between two exchanges.
    """

    powers: FloatArray
    log_odds: float
    complete: bool
    sweep: int


class GraphChain(NamedTuple):
    """What a chain saw.

    Attributes
    ----------
    near : int64 array (D, K)
        Neighbors of each list in each graph.
    hidden : int64 array (D,)
        A hidden count of each.
    log_mass : float64 array (D,)
        Log posterior mass of each graph, up to a constant.
    density : float64 array (G,)
        Posterior probability of a hidden count at the nodes, averaged over the graphs.
    accepted : float
        Share of the moves of the chain itself that were made.
    exchanged : float64 array (T - 1,)
        Share of the exchanges between neighboring copies that were made.
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


@nb.njit(cache=True, nogil=True)
def _constant(data, members):  # type: ignore[no-untyped-def]
    """Constant and shape of a set of lists, as `mse.core.decomposable.set_constant`."""
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


@nb.njit(cache=True, nogil=True)
def _size(members):  # type: ignore[no-untyped-def]
    """Count the lists of a set."""
    count = 0
    while members:
        members &= members - 1
        count += 1
    return count


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
def _replay(data, copy, flips, row):  # type: ignore[no-untyped-def]
    """Change the scores as the flips from the graph to its trial do."""
    copy.trial[:] = copy.near
    for f in range(len(flips)):
        _flip(data, copy.trial, flips[f, 0], flips[f, 1], row)


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
def _exchange(rng, copies, at, powers, made):  # type: ignore[no-untyped-def]
    """Let copies of neighboring powers exchange their graphs; ``at`` says which holds which."""
    for t in range(powers.size - 1):
        gain = (powers[t] - powers[t + 1]) * (copies.mass[at[t + 1], 0] - copies.mass[at[t], 0])
        if np.log(rng.random()) < gain:
            at[t], at[t + 1] = at[t + 1], at[t]
            made[t] += 1


@nb.njit(cache=True, nogil=True)
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

    Parameters
    ----------
    problem : Problem
        Histories and prior.
    grid : HiddenGrid
        Support of the hidden count.
    walk : Walk
        How to walk.
    n_draws : int
        Graphs to keep, one after each exchange, after half as many that are not kept.
    rng : numpy.random.Generator
        Changed by use.
    start : float, default 0
        From 0, no lists joined at first, to 1, nearly all of them.
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
