"""Decomposable graphs over lists: all of them, and one of them changed by an edge.

A graph is an integer: bit e says that the pair of lists number e is joined, pairs in the order
(0, 1), (0, 2), ..., (1, 2), ... A set of lists is an integer too: bit k stands for list k. A graph
is decomposable if and only if its vertices can be taken away one after the other, each with its
remaining neighbors all joined to each other (a perfect elimination; Lauritzen 1996, section 2.1.3).

References
----------
Lauritzen, S. L. (1996). Graphical Models. Oxford: Clarendon Press.
Giudici, P. and Green, P. J. (1999). Decomposable graphical Gaussian model determination. Biometrika
86, 785-801.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zlib
from contextlib import suppress
from functools import lru_cache
from itertools import combinations
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from mse.core._compiled import kernel

if TYPE_CHECKING:
    from mse._typing import IntArray


# Enumerated graphs on disk: read where an earlier run left them, written for the next one ---------
# The file is a convenience. Whatever is wrong with it (it is not there, it is damaged, another
# process is writing it, the directory cannot be written to), the graphs are enumerated instead.

#: Goes up with every change of what the arrays mean.
_FORMAT = 1


def cache_directory() -> Path:
    """Return the directory for files that can be made again, by the custom of the platform."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mse"


def _file(n_lists: int) -> Path:
    return cache_directory() / f"decomposable-{n_lists}-v{_FORMAT}.npz"


def _checksum(edges: IntArray, terms: npt.NDArray[np.int32]) -> int:
    return zlib.crc32(terms.tobytes(), zlib.crc32(edges.tobytes()))


def read_graphs(n_lists: int) -> tuple[IntArray, npt.NDArray[np.int32]] | None:
    """Read the graphs of K lists, or None if there is no sound file of them."""
    try:
        # Opened here: np.load leaves a file that is no archive open.
        with _file(n_lists).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            edges = stored["edges"].astype(np.int64)
            terms = stored["terms"].astype(np.int32)
            expected = int(stored["checksum"])
    # A damaged archive fails in whichever layer meets the damage first: zip, deflate, or header.
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, zlib.error, BadZipFile):
        return None
    return (edges, terms) if _checksum(edges, terms) == expected else None


def write_graphs(n_lists: int, edges: IntArray, terms: npt.NDArray[np.int32]) -> bool:
    """Write the graphs of K lists, and tell whether that was possible.

    The file appears whole or not at all: it is written under another name and then renamed, so
    processes that do this at the same time replace each other's equal files.
    """
    try:
        file = _file(n_lists)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".part")
    # Path.home() raises RuntimeError for a user without a home.
    except (OSError, RuntimeError):
        return False
    try:
        with os.fdopen(handle, "wb") as out:
            np.savez_compressed(out, edges=edges, terms=terms, checksum=_checksum(edges, terms))
        Path(name).replace(file)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        return False
    return True


# Decomposable graphs over lists: all of them, and one of them changed by an edge ------------------

#: Numbers of labeled decomposable (chordal) graphs by number of lists (OEIS A058862).
N_GRAPHS = {2: 2, 3: 8, 4: 61, 5: 822, 6: 18_154, 7: 617_675}
#: Eight lists have 30,888,596 graphs, too many to average over in a minute.
MAX_ENUMERATED = 7
#: Below this many lists the enumeration takes no longer than reading a file.
_SMALLEST_STORED = 6


class GraphSet(NamedTuple):
    """Decomposable graphs of K lists.

    n_lists: K
    edges: (M,), each graph as an integer, increasing: from no edge to all of them
    terms: (M, 2K - 1) int32, cliques of each graph as sets of lists, then minus its separators,
        each as often as it separates and the empty one left out; then zeros
    """

    n_lists: int
    edges: IntArray
    terms: npt.NDArray[np.int32]


def list_pairs(n_lists: int) -> tuple[tuple[int, int], ...]:
    """Pairs of lists, in the order of the bits of a graph.

    Examples
    --------
    >>> list_pairs(3)
    ((0, 1), (0, 2), (1, 2))
    """
    return tuple(combinations(range(n_lists), 2))


@kernel
def adjacency(edges, n_lists):  # type: ignore[no-untyped-def]
    """Neighbors of each list as a set, (K,) int64, from a graph as an integer."""
    near = np.zeros(n_lists, dtype=np.int64)
    bit = 0
    for i in range(n_lists):
        for j in range(i + 1, n_lists):
            if edges >> bit & 1:
                near[i] |= 1 << j
                near[j] |= 1 << i
            bit += 1
    return near


@kernel
def _is_complete(members, near):  # type: ignore[no-untyped-def]
    """Tell whether all lists of a set are joined to each other."""
    complete = True
    for u in range(near.size):
        complete &= not members >> u & 1 or members & ~near[u] == 1 << u
    return complete


@kernel
def eliminate(near, order, separators):  # type: ignore[no-untyped-def]
    """Take lists away one by one, each with its remaining neighbors joined; False if that fails.

    near: (K,) int64, neighbors of each list
    order: (K,) int64, receives the lists in the order in which they go
    separators: (K,) int64, receives the remaining neighbors of each list as it goes
    """
    n_lists = near.size
    remaining = (1 << n_lists) - 1
    for step in range(n_lists):
        found = -1
        for v in range(n_lists):
            if remaining >> v & 1 and _is_complete(near[v] & remaining, near):
                found = v
                break
        if found < 0:
            return False
        order[step] = found
        separators[step] = near[found] & remaining
        remaining ^= 1 << found
    return True


@kernel
def decompose(near, terms):  # type: ignore[no-untyped-def]
    """Find the cliques and separators of a graph; False if it is not decomposable.

    near: (K,) int64, neighbors of each list
    terms: (2K,) int64, receives cliques, then minus the separators that are not empty, then zeros

    In a perfect elimination, the sets "a list and its remaining neighbors" minus the sets "its
    remaining neighbors", as a formal sum, are the cliques minus the separators: both count each
    complete set once. So what cancels is taken away and the rest is the answer.
    """
    n_lists = near.size
    order = np.zeros(n_lists, dtype=np.int64)
    separators = np.zeros(n_lists, dtype=np.int64)
    if not eliminate(near, order, separators):
        return False
    families = separators | (1 << order)
    for i in range(n_lists):
        for j in range(n_lists):
            if separators[i] != 0 and families[j] == separators[i]:
                families[j] = 0
                separators[i] = 0
    terms[:] = 0
    used = 0
    for sign, sets in ((1, families), (-1, separators)):
        for members in sets:
            if members != 0:
                terms[used] = sign * members
                used += 1
    return True


@kernel
def neighbors(terms, sets, n_lists):  # type: ignore[no-untyped-def]
    """Neighbors of each list, (K,) int64, from the cliques of a graph: positions among sets."""
    near = np.zeros(n_lists, dtype=np.int64)
    for term in terms:
        if term <= 0:
            break
        members = sets[term]
        for v in range(n_lists):
            if members >> v & 1:
                near[v] |= members & ~(1 << v)
    return near


@kernel
def pair_probabilities(terms, sets, probability, n_lists):  # type: ignore[no-untyped-def]
    """Probability that two lists are joined, (K, K), from probabilities of graphs."""
    joined = np.zeros((n_lists, n_lists))
    for g in range(len(terms)):
        near = neighbors(terms[g], sets, n_lists)
        for i in range(n_lists):
            for j in range(n_lists):
                if near[i] >> j & 1:
                    joined[i, j] += probability[g]
    return joined


@kernel
def may_flip(near, i, j):  # type: ignore[no-untyped-def]
    """Tell whether a decomposable graph stays one when two lists are joined or parted.

    Joined lists can be parted if all their common neighbors are joined to each other, that is if
    they share one clique only; others can be joined if their common neighbors separate them
    (Giudici & Green 1999, section 3).
    """
    common = near[i] & near[j]
    if near[i] >> j & 1:
        return _is_complete(common, near)
    reached = 1 << i
    grown = near[i] & ~common
    while grown & ~reached:
        reached |= grown
        if reached >> j & 1:
            return False
        grown = np.int64(0)
        for v in range(near.size):
            if reached >> v & 1:
                grown |= near[v]
        grown &= ~common
    return True


@kernel
def _enumerate(n_lists, edges, terms):  # type: ignore[no-untyped-def]
    """Fill in the decomposable graphs among all graphs; return how many there are."""
    found = 0
    work = np.zeros(2 * n_lists, dtype=np.int64)
    for graph in range(1 << (n_lists * (n_lists - 1) // 2)):
        if decompose(adjacency(graph, n_lists), work):
            edges[found] = graph
            for j in range(terms.shape[1]):
                terms[found, j] = work[j]
            found += 1
    return found


@lru_cache(maxsize=8)
def decomposable_graphs(n_lists: int) -> GraphSet:
    """List every decomposable graph of K lists, 2 <= K <= 7.

    From six lists on they are read from the user's cache directory where an earlier run has left
    them (`mse.core.decomposable.graphs`), and left there otherwise.

    n_lists: number of lists, K
    Returns 8 graphs for 3 lists, 61 for 4, 822 for 5, 18,154 for 6, 617,675 for 7. Read-only.

    Examples
    --------
    >>> graphs = decomposable_graphs(3)
    >>> graphs.edges.tolist()
    [0, 1, 2, 3, 4, 5, 6, 7]
    >>> graphs.terms[5].tolist()  # 12 and 23, separated by 2
    [3, 6, -2, 0, 0]
    """
    stored = read_graphs(n_lists) if n_lists >= _SMALLEST_STORED else None
    if stored is not None and _plausible(n_lists, *stored):
        edges, terms = stored
    else:
        edges = np.zeros(N_GRAPHS[n_lists], dtype=np.int64)
        terms = np.zeros((edges.size, 2 * n_lists - 1), dtype=np.int32)
        _enumerate(n_lists, edges, terms)
        if n_lists >= _SMALLEST_STORED:
            write_graphs(n_lists, edges, terms)
    edges.setflags(write=False)
    terms.setflags(write=False)
    return GraphSet(n_lists, edges, terms)


def _plausible(n_lists: int, edges: IntArray, terms: npt.NDArray[np.int32]) -> bool:
    """Tell whether stored graphs have the shape and the ends that they must have."""
    return (
        edges.shape == (N_GRAPHS[n_lists],)
        and terms.shape == (edges.size, 2 * n_lists - 1)
        and int(edges[0]) == 0
        and int(edges[-1]) == (1 << comb(n_lists, 2)) - 1
        and bool((np.diff(edges) > 0).all())
    )
