"""Decomposable graphs: enumeration against brute force, moves, and files of them."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mse.core.decomposable import graphs as module
from mse.core.decomposable.graphs import (
    N_GRAPHS,
    adjacency,
    cache_directory,
    decomposable_graphs,
    eliminate,
    list_pairs,
    may_flip,
    neighbors,
    pair_probabilities,
    read_graphs,
    write_graphs,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Give an empty cache directory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    decomposable_graphs.cache_clear()
    yield tmp_path / "mse"
    decomposable_graphs.cache_clear()


def complete(members: tuple[int, ...], near) -> bool:
    return all(near[i] >> j & 1 for i, j in combinations(members, 2))


def has_chordless_cycle(near, n_lists: int) -> bool:
    """Look for a connected set of four or more with two neighbors each: a cycle without short cut."""
    for size in range(4, n_lists + 1):
        for members in combinations(range(n_lists), size):
            inside = sum(1 << v for v in members)
            if any((int(near[v]) & inside).bit_count() != 2 for v in members):
                continue
            reached = {members[0]}
            for _ in members:
                reached |= {v for v in members for u in reached if near[u] >> v & 1}
            if len(reached) == size:
                return True
    return False


@pytest.mark.parametrize("n_lists", [2, 3, 4, 5])
def test_graphs_are_those_without_chordless_cycles(n_lists) -> None:
    every = range(1 << comb(n_lists, 2))
    expected = [e for e in every if not has_chordless_cycle(adjacency(e, n_lists), n_lists)]
    assert decomposable_graphs(n_lists).edges.tolist() == expected
    assert len(expected) == N_GRAPHS[n_lists]


@pytest.mark.parametrize("n_lists", [4, 5])
def test_cliques_and_separators_count_every_complete_set_once(n_lists) -> None:
    found = decomposable_graphs(n_lists)
    lists = range(n_lists)
    sets = [s for size in range(1, n_lists + 1) for s in combinations(lists, size)]
    for edges, terms in zip(found.edges, found.terms, strict=True):
        near = adjacency(edges, n_lists)
        cliques = [int(term) for term in terms if term > 0]
        for members in sets:
            inside = sum(1 << v for v in members)
            times = sum(np.sign(t) for t in terms if t and abs(t) & inside == inside)
            assert times == complete(members, near)
        assert not any(a != b and a & b == a for a in cliques for b in cliques)
        assert (neighbors(terms, np.arange(1 << n_lists), n_lists) == near).all()


@pytest.mark.parametrize("n_lists", [3, 4, 5])
def test_moves_are_those_that_stay_decomposable(n_lists) -> None:
    edges = decomposable_graphs(n_lists).edges.tolist()
    known = set(edges)
    for graph in edges:
        near = adjacency(graph, n_lists)
        for bit, (i, j) in enumerate(list_pairs(n_lists)):
            assert may_flip(near, i, j) == may_flip(near, j, i) == (graph ^ 1 << bit in known)


def test_elimination_leaves_complete_neighborhoods_and_finds_cycles() -> None:
    order, separators = np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64)
    path = np.asarray([0b0010, 0b0101, 0b1010, 0b0100])
    assert eliminate(path, order, separators)
    assert sorted(order) == [0, 1, 2, 3]
    cycle = np.asarray([0b1010, 0b0101, 0b1010, 0b0101])
    assert not eliminate(cycle, order, separators)


def test_pairs_of_lists_joined_in_equally_likely_graphs() -> None:
    graphs = decomposable_graphs(4)
    joined = pair_probabilities(graphs.terms, np.arange(16), np.full(61, 1 / 61), 4)
    expected = np.mean(
        [[n >> v & 1 for n in adjacency(e, 4) for v in range(4)] for e in graphs.edges], axis=0
    )
    assert joined.ravel() == pytest.approx(expected)


# Files --------------------------------------------------------------------------------------------


def test_six_lists_are_written_once_and_read_afterwards(cache, monkeypatch) -> None:
    first = decomposable_graphs(6)
    assert len(list(cache.iterdir())) == 1
    decomposable_graphs.cache_clear()
    monkeypatch.setattr(module, "_enumerate", lambda *_: pytest.fail("enumerated again"))
    second = decomposable_graphs(6)
    assert first.edges.size == N_GRAPHS[6]
    assert (first.edges == second.edges).all()
    assert (first.terms == second.terms).all()
    assert not second.terms.flags.writeable


@pytest.mark.parametrize("damage", ["cut", "zeros", "empty", "text", "other", "fewer"])
def test_damaged_files_are_made_again(cache, damage) -> None:
    good = decomposable_graphs(6)
    file = next(cache.iterdir())
    content = file.read_bytes()
    middle = len(content) // 2
    damaged = {
        "cut": content[:middle],
        "zeros": content[:middle] + bytes(200) + content[middle + 200 :],
        "empty": b"",
        "text": b"not an archive",
    }
    if damage in damaged:
        file.write_bytes(damaged[damage])
    elif damage == "other":
        write_graphs(6, good.edges[::-1], good.terms)
    else:
        write_graphs(6, good.edges[:-1], good.terms[:-1])
    decomposable_graphs.cache_clear()
    assert (decomposable_graphs(6).edges == good.edges).all()
    stored = read_graphs(6)
    assert stored is not None
    assert (stored[0] == good.edges).all()


def test_a_checksum_that_does_not_fit_is_noticed(cache, monkeypatch) -> None:
    good = decomposable_graphs(6)
    monkeypatch.setattr(module, "_checksum", lambda *_: 1)
    write_graphs(6, good.edges, good.terms)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    assert read_graphs(6) is None


def test_without_a_place_to_write_the_graphs_are_enumerated(cache, monkeypatch) -> None:
    cache.parent.joinpath("mse").write_text("a file where the directory should be")
    assert decomposable_graphs(6).edges.size == N_GRAPHS[6]
    monkeypatch.setattr(module, "cache_directory", nobody_home)
    decomposable_graphs.cache_clear()
    assert decomposable_graphs(6).edges.size == N_GRAPHS[6]


def nobody_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_disk_that_fills_up_leaves_nothing_behind(cache, monkeypatch) -> None:
    def full(*_args, **_named) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    assert decomposable_graphs(6).edges.size == N_GRAPHS[6]
    assert list(cache.iterdir()) == []


def test_many_writers_at_once_leave_one_sound_file(cache) -> None:
    good = decomposable_graphs(6)
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda _: write_graphs(6, good.edges, good.terms), range(16)))
    assert all(written)
    assert len(list(cache.iterdir())) == 1
    assert (read_graphs(6)[0] == good.edges).all()


@pytest.mark.parametrize(
    ("platform", "ending"),
    [("linux", ".cache/mse"), ("darwin", "Library/Caches/mse"), ("win32", "AppData/Local/mse")],
)
def test_cache_directory_follows_the_platform(monkeypatch, platform, ending) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert cache_directory().as_posix().endswith(ending)
