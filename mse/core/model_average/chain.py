"""Reversible jump over hierarchical log-linear models, in coordinates that suit every model.

The state is a model and its standard coordinates z (`mse.core.model_average.maps`). Adding, dropping or
exchanging terms keeps the coordinates that two models share and draws those of the new term from the standard
normal distribution; the move is accepted with the ratio of the weights (Green 1995, Biometrika 82, 711-732;
coordinates that several models share are an idea of Brooks, Giudici & Roberts 2003, JRSS B 65, 3-39). Were
the maps exact, the weights would be the marginal likelihoods and nothing else. Within a model z moves to
sqrt(1 - s^2) z + s times a fresh normal vector, which leaves the standard normal distribution as it is, so that
the same ratio decides; such moves seldom find the tails of a posterior that has heavier ones, which moves to c z, with
c log-normal, do. Most moves to other models are refused for good reason, so these are first decided by
Laplace's approximation alone, and what passes by the ratio that is left (Christen & Fox 2005, Journal of
Computational and Graphical Statistics 14, 795-810).

Once approximate probabilities of some models are known (of all of them, or of those that were met in the
warm-up), models are also proposed from these with fresh coordinates: an independence sampler over models
and coefficients, which crosses between modes of the posterior that no single term connects.
The compiled loop stops at a model whose map is not in memory: what finds modes is compiled once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core.model_average.density import Room, Target, make_room
from mse.core.model_average.maps import (
    ROUGH,
    WHOLE,
    Maps,
    find_centers,
    log_weight,
    make_maps,
    work_out,
)

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray


# What a chain over log-linear models remembers: maps of the models that it has met, in a ----------

#: Bytes that the maps of one chain may take, and the most models it remembers at once.
CACHE_BYTES, CACHE_MODELS = 2**25, 8192


class Memory(NamedTuple):
    """Maps of the models that a chain has met, found by the terms of the model.

    maps: the maps
    table: (H,), slots by hash, -1 where there is none; H is a power of two
    keys: (T,), random number of each term; the hash of a model combines those of its terms
    used: (1,), number of slots in use
    number: (slots,), number of the model in the catalogue, -1 if it is not there
    """

    maps: Maps
    table: IntArray
    keys: IntArray
    used: IntArray
    number: IntArray


def make_memory(target: Target) -> Memory:
    """Allocate an empty memory for a chain."""
    n_effects, n_terms = target.penalty.shape[0], target.scope.free.size
    slots = int(max(min(CACHE_BYTES // (8 * n_effects**2), CACHE_MODELS), 2))
    keys = np.random.default_rng(0).integers(1, 2**62, size=n_terms)
    table = np.full(4 << (slots - 1).bit_length(), -1, dtype=np.int64)
    used, number = np.zeros(1, dtype=np.int64), np.full(slots, -1, dtype=np.int64)
    return Memory(make_maps(target, slots), table, keys, used, number)


def free_slot(memory: Memory) -> int:
    """Take the next slot; where there is none, forget everything."""
    if memory.used[0] == memory.maps.size.size:
        memory.table[:] = -1
        memory.used[0] = 0
    memory.used[0] += 1
    return int(memory.used[0]) - 1


@kernel
def place_of(members, memory):  # type: ignore[no-untyped-def]
    """Find the place of a model in the hash table: that of its slot, or where it should go."""
    place = np.int64(0)
    for t in range(members.size):
        if members[t]:
            place ^= memory.keys[t]
    place &= memory.table.size - 1
    while memory.table[place] >= 0:
        slot, same = memory.table[place], True
        for t in range(members.size):
            same &= memory.maps.members[slot, t] == members[t]
        if same:
            break
        place = (place + 1) & (memory.table.size - 1)
    return place


@kernel
def find(members, memory):  # type: ignore[no-untyped-def]
    """Slot of a model, -1 if it is not in memory."""
    return memory.table[place_of(members, memory)]


@kernel
def remember(first, count, memory):  # type: ignore[no-untyped-def]
    """Enter so many slots from this one on into the hash table."""
    for slot in range(first, first + count):
        memory.table[place_of(memory.maps.members[slot], memory)] = slot


# Changes of hierarchical models: terms added, dropped and exchanged -------------------------------

#: Share of the moves between models that exchange two terms.
EXCHANGES = 0.3
#: Kinds of changes of a model, to be added up.
ADDING, DROPPING = 1, 2


@kernel
def may_change(members, scope, t, kinds):  # type: ignore[no-untyped-def]
    """Whether a model stays hierarchical when term t is added or dropped, if that is among the kinds."""
    if members[t]:
        if kinds & DROPPING == 0 or not scope.free[t]:
            return False
        for other in range(t + 1, members.size):
            for f in range(scope.facets.shape[1]):
                if members[other] and scope.facets[other, f] == t:
                    return False
        return True
    if kinds & ADDING == 0:
        return False
    for f in range(scope.facets.shape[1]):
        if scope.facets[t, f] >= 0 and not members[scope.facets[t, f]]:
            return False
    return True


@kernel
def _change(members, scope, kinds, kinds_back, skipped, rng):  # type: ignore[no-untyped-def]
    """Add or drop a random term but for one; the number of choices, the term, and the choices back."""
    n, found, back = 0, -1, 0
    for t in range(members.size):
        if t != skipped and may_change(members, scope, t, kinds):
            n += 1
            # Each choice replaces the last with probability 1/n: all are equally likely in the end.
            if rng.random() * n < 1.0:
                found = t
    if found >= 0:
        members[found] = not members[found]
        for t in range(members.size):
            back += may_change(members, scope, t, kinds_back)
    return n, found, back


@kernel
def propose_terms(members, scope, proposed, rng):  # type: ignore[no-untyped-def]
    """Propose to add, drop or exchange terms.

    members: (T,) bool, the model
    scope: Scope, the terms
    proposed: (T,) bool, receives another model, or the same where there is nothing to do
    rng: numpy.random.Generator, draws
    Returns float, log of the probability of the way back over that of the way there
    """
    for t in range(members.size):
        proposed[t] = members[t]
    exchange = rng.random() < EXCHANGES
    # Numbers that are computed: for each constant the code would be compiled again.
    kinds = ADDING + DROPPING - exchange
    n, changed, back = _change(proposed, scope, kinds, kinds, members.size, rng)
    if n == 0:
        return 0.0
    if exchange:
        # What was dropped could be added again, on the way there as on the way back.
        others, _, back = _change(proposed, scope, kinds - DROPPING + ADDING, kinds, changed, rng)
        if others == 0:
            proposed[changed] = True
            return 0.0
    return np.log(n / back)


# Reversible jump over hierarchical log-linear models, in coordinates that suit every model --------

#: Step sizes s within a model, one picked at random: everything new, half of it, a little.
STEPS = np.asarray([1.0, 0.6, 0.25])
#: Share of the moves within a model to c z, and the standard deviation of log c.
STRETCHES, STRETCH = 0.4, 0.5
#: Phases of an iteration.
BETWEEN, WITHIN, RECORD = 0, 1, 2


class State(NamedTuple):
    """Where a chain is.

    members: (T,) bool, terms of the model
    z: (U,), coordinates by effect
    proposed: (T,) bool, the model of the proposal
    trial: (U,), its coordinates
    numbers: (4,), log weight of the coordinates; log of what else is in the ratio of the proposal;
        inverse temperature, 1 but while scouting; Laplace's approximation of the model
    at: (4,), iteration, phase, what a proposal waits for (0 if there is none), and the number of
        the model in the catalogue
    tally: (3, 2), proposed and accepted moves: term by term, within a model, to a model of the
        catalogue
    kind: (1,), which of them the proposal is
    """

    members: BoolArray
    z: FloatArray
    proposed: BoolArray
    trial: FloatArray
    numbers: FloatArray
    at: IntArray
    tally: IntArray
    kind: IntArray


class Catalog(NamedTuple):
    """Models to propose.

    members: (M, T) bool, terms of each model
    log_probability: (M,), with which they are proposed
    cumulative: (M,), their distribution function
    share: (1,), of the moves between models that go to a model of the catalogue
    """

    members: BoolArray
    log_probability: FloatArray
    cumulative: FloatArray
    share: FloatArray


class Record(NamedTuple):
    """Draws of one chain.

    members: (draws, T) bool, terms of the model
    coefficients: (draws, U), effects, log scale; 0 for those that the model lacks
    """

    members: BoolArray
    coefficients: FloatArray


class Parts(NamedTuple):
    """What the compiled loop reads and writes."""

    target: Target
    memory: Memory
    catalog: Catalog
    state: State
    room: Room
    record: Record


class Run(NamedTuple):
    """A chain with all that it needs.

    The generator stands apart: with it inside, the compiler would look at every part anew in each call.
    """

    parts: Parts
    rng: np.random.Generator


def make_catalog(members: BoolArray, log_probability: FloatArray, share: float) -> Catalog:
    """Propose models with some probabilities.

    members: (M, T) bool, terms of each model; no rows for moves term by term alone
    log_probability: (M,), finite, but for a constant
    share: of the moves between models that go to a model of the catalogue
    """
    weight = np.exp(log_probability - log_probability.max(initial=-np.inf))
    weight /= max(weight.sum(), 1e-300)
    return Catalog(members.copy(), np.log(weight), np.cumsum(weight), np.full(1, float(share)))


def start_run(target: Target, members: BoolArray, draws: int, rng: np.random.Generator) -> Run:
    """Put a chain at random coordinates of a model.

    target: the posterior
    members: (T,) bool, terms of the first model
    draws: draws to record
    rng: the only source of chance in the chain
    """
    n_effects, n_terms = target.penalty.shape[0], members.size
    z = rng.standard_normal(size=(n_effects,))
    state = State(
        members.copy(),
        z,
        members.copy(),
        z.copy(),
        np.asarray([-np.inf, 0.0, 1.0, -np.inf]),
        np.asarray([0, WITHIN, 0, -1], dtype=np.int64),
        np.zeros((3, 2), dtype=np.int64),
        np.zeros(1, dtype=np.int64),
    )
    record = Record(np.zeros((draws, n_terms), dtype=np.bool_), np.zeros((draws, n_effects)))
    nothing = make_catalog(np.zeros((0, n_terms), dtype=np.bool_), np.zeros(0), 0.0)
    return Run(Parts(target, make_memory(target), nothing, state, make_room(target), record), rng)


def with_catalog(run: Run, catalog: Catalog, maps: Maps | None = None) -> Run:
    """Let a chain propose models of a catalogue from now on.

    run: the chain
    catalog: the models
    maps: maps of the first of them, to replace what the chain remembers
    """
    memory, state, numbers = run.parts.memory, run.parts.state, _numbers(catalog)
    if maps is not None:
        # A quarter is left for models that are not in the catalogue.
        count = min(maps.size.size, max(3 * memory.maps.size.size // 4, 1))
        for own, other in zip(memory.maps, maps, strict=True):
            own[:count] = other[:count]
        memory.table[:] = -1
        memory.used[0] = count
        remember(0, count, memory)
    for slot in range(int(memory.used[0])):
        memory.number[slot] = numbers.get(memory.maps.members[slot].tobytes(), -1)
    state.at[3] = numbers.get(state.members.tobytes(), -1)
    return run._replace(parts=run.parts._replace(catalog=catalog))


def met(run: Run) -> Maps:
    """Return the maps of the models that a chain has in memory."""
    used = int(run.parts.memory.used[0])
    return Maps._make(each[:used] for each in run.parts.memory.maps)


def warm_up(run: Run, iterations: int) -> None:
    """Advance a chain without recording anything.

    run: the chain; changed in place
    iterations: how many
    """
    stop = int(run.parts.state.at[0]) + iterations
    _advance(run, np.asarray([stop, 1, stop], dtype=np.int64))


def scout(run: Run, iterations: int, temperature: float) -> None:
    """Meet models of low probability as well, by Laplace's approximation alone.

    run: The chain; changed in place. Its coordinates stay as they are, and it is the model that
        moves.
    iterations: how many
    temperature: above 1: differences of so many units of log probability look like one
    """
    state = run.parts.state
    state.numbers[2] = 1.0 / temperature
    state.at[1] = BETWEEN
    warm_up(run, iterations)
    # Nothing is known of the coordinates in this model: a move within it comes first, and is taken.
    state.numbers[0], state.numbers[2] = -np.inf, 1.0
    state.at[1], state.at[2] = WITHIN, 0


def take_draws(run: Run, thin: int, start: int, draws: int) -> None:
    """Advance a chain and record draws.

    run: the chain; changed in place
    thin: iterations to a draw
    start, draws: number of the first draw, and how many
    """
    now = int(run.parts.state.at[0])
    _advance(run, np.asarray([now - thin * start, thin, now + thin * draws], dtype=np.int64))


def _numbers(catalog: Catalog) -> dict[bytes, int]:
    return {row.tobytes(): i for i, row in enumerate(catalog.members)}


def _advance(run: Run, schedule: IntArray) -> None:
    parts, numbers = run.parts, _numbers(run.parts.catalog)
    memory, state = parts.memory, parts.state
    while not advance(parts, schedule, run.rng):
        slot = int(find(state.proposed, memory))
        if slot < 0:
            slot = free_slot(memory)
            memory.maps.members[slot] = state.proposed
            memory.number[slot] = numbers.get(state.proposed.tobytes(), -1)
            remember(slot, 1, memory)
        if state.at[2] == ROUGH:
            find_centers(parts.target, state.proposed[None], memory.maps, slot, 0, parts.room)
        else:
            work_out(parts.target, state.proposed[None], memory.maps, slot, parts.room)


@kernel
def _jump(catalog, state, rng):  # type: ignore[no-untyped-def]
    """Propose a model of the catalogue; log of the probability of the way back over there."""
    u, low, high = rng.random(), 0, catalog.cumulative.size - 1
    while low < high:
        middle = (low + high) // 2
        if catalog.cumulative[middle] < u:
            low = middle + 1
        else:
            high = middle
    for t in range(state.members.size):
        state.proposed[t] = catalog.members[low, t]
    if state.at[3] < 0:
        # There is no way back to a model that is not in the catalogue.
        return -np.inf
    return catalog.log_probability[state.at[3]] - catalog.log_probability[low]


@kernel
def _stretched(scope, factor, state):  # type: ignore[no-untyped-def]
    """Log of the normal density at the stretched coordinates over that at the present ones, and of the Jacobian."""
    p, square = 1, state.z[0] ** 2
    for t in range(state.members.size):
        if state.members[t]:
            for u in range(scope.starts[t], scope.starts[t + 1]):
                p += 1
                square += state.z[u] ** 2
    return p * np.log(factor) - 0.5 * (factor * factor - 1.0) * square


@kernel
def _propose(target, catalog, state, rng):  # type: ignore[no-untyped-def]
    """Propose a model and coordinates, according to the phase."""
    step, kept = 0.0, 1.0
    state.numbers[1] = 0.0
    if state.at[1] == WITHIN:
        state.kind[0] = 1
        if rng.random() < STRETCHES:
            kept = np.exp(STRETCH * rng.standard_normal())
            state.numbers[1] = _stretched(target.scope, kept, state)
        else:
            step = STEPS[int(rng.random() * STEPS.size)]
            kept = np.sqrt(1.0 - step * step)
        for t in range(state.members.size):
            state.proposed[t] = state.members[t]
    elif catalog.cumulative.size > 0 and rng.random() < catalog.share[0]:
        state.kind[0] = 2
        step, kept = 1.0, 0.0
        state.numbers[1] = _jump(catalog, state, rng)
    else:
        state.kind[0] = 0
        state.numbers[1] = propose_terms(state.members, target.scope, state.proposed, rng)
    state.trial[0] = kept * state.z[0] + (step * rng.standard_normal() if step > 0.0 else 0.0)
    for t in range(state.members.size):
        new = state.proposed[t] and not state.members[t]
        for u in range(target.scope.starts[t], target.scope.starts[t + 1]):
            fresh = rng.standard_normal() if new or step > 0.0 else 0.0
            state.trial[u] = fresh if new else kept * state.z[u] + step * fresh


@kernel
def _go_there(state):  # type: ignore[no-untyped-def]
    for t in range(state.members.size):
        state.members[t] = state.proposed[t]
    for u in range(state.z.size):
        state.z[u] = state.trial[u]


@kernel
def _screen(rough, state, rng):  # type: ignore[no-untyped-def]
    """Decide a move term by term by Laplace's approximation; whether the other decision is to follow."""
    gain = state.numbers[2] * (rough - state.numbers[3])
    passed = np.log(rng.random()) < gain + state.numbers[1]
    scouts = state.numbers[2] < 1.0
    if passed and scouts:
        state.numbers[3] = rough
        _go_there(state)
    if scouts or not passed:
        state.at[0] += scouts
        state.at[1] += not scouts
        state.at[2] = 0
        return False
    # What has been counted is taken out of the ratio.
    state.numbers[1], state.at[2] = -gain, WHOLE
    return True


@kernel
def _decide(value, number, state, rng):  # type: ignore[no-untyped-def]
    """Go to the proposal with the probability of Metropolis and Hastings."""
    gain = state.numbers[2] * (value - state.numbers[0]) + state.numbers[1]
    if not np.log(rng.random()) < gain:
        return
    state.tally[state.kind[0], 1] += 1
    state.numbers[0] = value
    state.at[3] = number
    _go_there(state)


@kernel
def _write(run, slot, m):  # type: ignore[no-untyped-def]
    """Record the present state, whose coefficients are in the room."""
    for t in range(run.state.members.size):
        run.record.members[m, t] = run.state.members[t]
    for i in range(run.memory.maps.size[slot]):
        run.record.coefficients[m, run.memory.maps.chosen[slot, i]] = run.room.b[i]


@kernel
def _prepare(run, rng):  # type: ignore[no-untyped-def]
    """Propose something unless a proposal waits; the level of the map that is needed."""
    state = run.state
    if state.at[1] == RECORD:
        for t in range(state.members.size):
            state.proposed[t] = state.members[t]
        return WHOLE
    if state.at[2] == 0:
        _propose(run.target, run.catalog, state, rng)
        state.tally[state.kind[0], 0] += 1
        return ROUGH if state.at[1] == BETWEEN and state.kind[0] == 0 else WHOLE
    return state.at[2]


@kernel
def advance(run, schedule, rng):  # type: ignore[no-untyped-def]
    """Iterate, a move between models and one within, until all is done or a map is missing.

    run: Parts, the chain; changed in place
    schedule: (3,) int64, iterations of the warm-up, iterations to a draw, and the iteration to stop
        at
    rng: numpy.random.Generator, draws
    Returns bool, False where the map of ``run.state.proposed`` is needed to go on, to the level in
        ``run.state.at[2]``
    """
    state, memory, maps = run.state, run.memory, run.memory.maps
    while state.at[0] < schedule[2]:
        after = state.at[0] + 1 - schedule[0]
        if state.at[1] == RECORD and (after <= 0 or after % schedule[1] != 0):
            state.at[0], state.at[1] = state.at[0] + 1, BETWEEN
            continue
        state.at[2] = _prepare(run, rng)
        slot = memory.table[place_of(state.proposed, memory)]
        if slot < 0 or maps.level[slot] < state.at[2]:
            return False
        if state.at[2] == ROUGH:
            if not _screen(maps.rough[slot], state, rng):
                continue
            if maps.level[slot] < WHOLE:
                return False
        z = state.z if state.at[1] == RECORD else state.trial
        value = log_weight(z, run.target, maps, slot, run.room)
        state.at[2] = 0
        if state.at[1] == RECORD:
            _write(run, slot, after // schedule[1] - 1)
            state.at[0], state.at[1] = state.at[0] + 1, BETWEEN
            continue
        if state.at[1] == WITHIN:
            state.numbers[3] = maps.rough[slot]
        _decide(value, memory.number[slot], state, rng)
        state.at[1] += 1
    return True
