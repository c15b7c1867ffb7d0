"""Real populations of known size: the members of each list of a table, as the other lists see them.

The members of one list are a population whose size is known; the histories of its members on the other
lists are a table that some of them are not in (Binette & Steorts 2022, JRSS A 185, 640-676).
"""

from __future__ import annotations

import numpy as np

import mse
from benchmarks.truth.worlds import World

#: Tables of persons; those that are parts of another table here, or not of persons, are left out.
TABLES = (
    "uk", "netherlands", "new_orleans", "western_us", "australia", "kosovo", "korea", "hiv_rome",
    "diabetes", "spina_bifida", "congenital", "hepatitis_a",
)  # fmt: skip
#: Members of a list that are known to the others, at the least, and persons on two of these.
FEWEST_SEEN, FEWEST_TWICE = 10, 1


def real_worlds() -> list[World]:
    """Make a world of each list of each table that leaves two lists or more with enough of its members."""
    found: list[World] = []
    for name in TABLES:
        table = mse.load_dataset(name)
        if not table.is_complete or table.covariates:
            table = table.collapse(*table.covariates) if table.covariates else table
        if not table.is_complete or table.n_lists < 3:
            continue
        for k in range(table.n_lists):
            world = _members_of(name, table, k, len(found))
            if world is not None:
                found.append(world)
    return found


def _members_of(name: str, table: mse.CaptureTable, k: int, number: int) -> World | None:
    member = table.patterns[:, k] == 1
    others = np.delete(table.patterns[member], k, axis=1) == 1
    on = np.repeat(others, table.low[member], axis=0)
    seen = on[on.any(axis=1)]
    # Lists that know none of them are no lists of this population.
    seen = seen[:, seen.any(axis=0)] if len(seen) else seen
    if len(seen) < FEWEST_SEEN or seen.shape[1] < 2:
        return None
    if (seen.sum(axis=1) > 1).sum() < FEWEST_TWICE:
        return None
    return World(f"{name}: {table.lists[k]}", number, len(on), seen, None)
