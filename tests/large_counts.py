"""Random tables whose counts span many orders of magnitude, with random hierarchical models."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core.exact import UNLIMITED
from mse.core.exact_check import interpreted
from mse.core.existence import FINITE, facial_set
from mse.core.newton import make_design

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import BoolArray, FloatArray
    from mse.core.newton import Design


class Case(NamedTuple):
    """One table over lists alone, and one model on it."""

    counts: FloatArray  # (C,)
    member: BoolArray  # (C,) parameters of the model among all effects of the lists
    design: Design


@cache
def saturated_design(n_lists: int) -> Design:
    """Describe lists with every effect, the one of all lists included."""
    return make_design((2,) * n_lists, n_lists, np.arange(2**n_lists))


def random_model(n_lists: int, rng: np.random.Generator) -> BoolArray:
    """Draw a hierarchical model that has every list: interactions by a random chance, closed downwards."""
    cells = np.arange(2**n_lists)
    size = np.bitwise_count(cells)
    drawn = (size >= 2) & (rng.random(cells.size) < rng.random() ** size)
    inside = (cells[:, None] & cells[None]) == cells[:, None]
    return np.asarray((size <= 1) | (inside & drawn[None]).any(axis=1))


def random_case(largest: float, rng: np.random.Generator) -> Case:
    """Draw a table of 2 to 5 lists, counts from 1 to `largest` log-uniform or zero, and a model."""
    n_lists = int(rng.integers(2, 6))
    counts = np.floor(np.exp(rng.random(2**n_lists) * np.log(largest)))
    counts[rng.random(counts.size) < rng.choice([0.0, 0.2, 0.5])] = 0.0
    counts[0] = 0.0
    if not counts.any():
        counts[-1] = 1.0
    return Case(counts, random_model(n_lists, rng), saturated_design(n_lists))


def random_cases(n: int, largest: float, seed: int) -> Iterator[Case]:
    """Draw many cases."""
    rng = np.random.default_rng(seed)
    return (random_case(largest, rng) for _ in range(n))


def exact_answer(case: Case) -> tuple[int, BoolArray, int]:
    """Rank on the facial set, that set, and the limit, in Python integers alone."""
    chosen = np.flatnonzero(case.member)
    face, keep = case.design.observable.copy(), np.zeros(chosen.size, dtype=np.bool_)
    limits, nobody = np.full(1, FINITE, dtype=np.int8), np.zeros(0, dtype=np.int64)
    like = np.zeros(0, dtype=np.object_)
    arguments = (
        case.counts,
        face,
        case.design,
        chosen,
        like,
        UNLIMITED,
        keep,
        limits,
        nobody,
        nobody,
    )
    rank = interpreted(facial_set)(*arguments)
    return int(rank), face, int(limits[0])
