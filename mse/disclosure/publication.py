"""What is published of some cells, and nothing else: all that a reader, or an attacker, has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mse.disclosure.cells import REST

if TYPE_CHECKING:
    from scipy import sparse

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.disclosure.cells import Cells, Key
    from mse.disclosure.rules import Rules

__all__ = ["Publication", "known_bounds", "label", "published", "round_counts"]


@dataclass(frozen=True, eq=False)
class Publication:
    """Cells as they leave: rounded, suppressed, or not shown at all.

    Attributes
    ----------
    keys : tuple
        Names of the cells.
    counts : int64 array (N,), persons
        As they are printed, rounded; -1 where nothing is.
    shown, suppressed : bool arrays (N,)
        Which cells have a place in the output, and in which of those stands a mark.
    sums : sparse array (M, N)
        As of `Cells`.
    groups : int64 array (G, 2)
        As of `Cells`.
    rules : Rules
        What the reader knows of how it was made.
    """

    keys: tuple[Key, ...]
    counts: IntArray
    shown: BoolArray
    suppressed: BoolArray
    sums: sparse.csr_array
    groups: IntArray
    rules: Rules

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the cells as text."""
        return tuple(map(label, self.keys))

    @cached_property
    def places(self) -> dict[Key, int]:
        """Positions of the cells by name."""
        return {key: position for position, key in enumerate(self.keys)}

    def value(self, key: Key) -> int | None:
        """Look up a published count; None where a mark stands."""
        position = self.places[key]
        return None if self.counts[position] < 0 else int(self.counts[position])

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Compute what each cell may hold by itself: two arrays (N,), persons."""
        low, high = known_bounds(self.counts, self.rules)
        # Where no zero is ever suppressed, a mark says that there is somebody.
        floor = 1.0 if self.rules.zeros_safe and self.rules.group is None else 0.0
        low[self.suppressed], high[self.suppressed] = floor, np.inf
        low[~self.shown], high[~self.shown] = 0.0, np.inf
        return low, high


def known_bounds(values: IntArray, rules: Rules) -> tuple[FloatArray, FloatArray]:
    """Compute which counts lead to published values.

    Parameters
    ----------
    values : int64 array (N,), persons
        Rounded counts.
    rules : Rules
        A reader knows them: nothing from 1 to below the threshold is ever shown.

    Returns
    -------
    tuple of float64 arrays (N,), persons
        Smallest and largest count.

    Examples
    --------
    >>> import numpy as np
    >>> from mse.disclosure import rules
    >>> low, high = known_bounds(np.array([0, 10, 15]), rules("cbs"))
    >>> low.tolist(), high.tolist()
    ([0.0, 10.0, 13.0], [0.0, 12.0, 17.0])
    """
    low = np.maximum(values - rules.base // 2, 0).astype(np.float64)
    high = (values + (rules.base - 1) // 2).astype(np.float64)
    least = float(max(rules.threshold, 1))
    somebody = (values > 0) | rules.unsafe(0)
    # A printed zero stands for nobody, unless a count from the threshold on would round to it.
    nobody = ~somebody & (high < least)
    raised = np.maximum(low, least)
    # What was printed against the rules is known as well as anything else.
    return np.where(somebody & (raised <= high), raised, low), np.where(nobody, 0.0, high)


def published(cells: Cells, suppressed: BoolArray, rules: Rules) -> Publication:
    """Publish cells, those that are suppressed without their counts."""
    values = round_counts(cells.counts, rules)
    values[suppressed | ~cells.shown] = -1
    return Publication(cells.keys, values, cells.shown, suppressed, cells.sums, cells.groups, rules)


def round_counts(counts: IntArray, rules: Rules) -> IntArray:
    """Round counts of persons, half up, to the base."""
    return (counts + rules.base // 2) // rules.base * rules.base


def label(key: Key) -> str:
    """Write the name of a cell, a tuple of pairs of a name and a level, as text.

    Examples
    --------
    >>> label((("year", 2015), ("sex", "f"))), label(())
    ('year 2015, sex f', 'total')
    """
    if key and key[0] == REST:
        return f"persons in {label(key[1])} but in none of its parts"
    return ", ".join(f"{name} {level}" for name, level in key) or "total"
