"""What a chain over log-linear models remembers: maps of the models that it has met, in a hash table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.bayes_loglinear_maps import Maps, make_maps

if TYPE_CHECKING:
    from mse._typing import IntArray
    from mse.core.bayes_loglinear import Target

#: Bytes that the maps of one chain may take, and the most models it remembers at once.
CACHE_BYTES, CACHE_MODELS = 2**25, 8192


class Memory(NamedTuple):
    """Maps of the models that a chain has met, found by the terms of the model.

    Attributes
    ----------
    maps : Maps
        The maps.
    table : int64 array (H,)
        Slots by hash, -1 where there is none; H is a power of two.
    keys : int64 array (T,)
        Random number of each term; the hash of a model combines those of its terms.
    used : int64 array (1,)
        Number of slots in use.
    number : int64 array (slots,)
        Number of the model in the catalogue, -1 if it is not there.
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


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
def find(members, memory):  # type: ignore[no-untyped-def]
    """Slot of a model, -1 if it is not in memory."""
    return memory.table[place_of(members, memory)]


@nb.njit(cache=True, nogil=True)
def remember(first, count, memory):  # type: ignore[no-untyped-def]
    """Enter so many slots from this one on into the hash table."""
    for slot in range(first, first + count):
        memory.table[place_of(memory.maps.members[slot], memory)] = slot
