"""Two tables of the same persons as sums of the same cells: all that was printed of both is one system then.

A cell is a history on the lists of either table and a level that both groupings tell apart. Lists that are several lists
together follow from those; who is in one table alone, since a level or a list is missing in the other or since they came
between, has cells of their own.
"""

from __future__ import annotations

import math
from itertools import chain, product
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linprog

from mse.disclosure.suppression import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse._typing import FloatArray, IntArray
    from mse.disclosure.jointly import Known
    from mse.disclosure.kept import Kept
    from mse.disclosure.nested import Pair

#: Cells up to which two tables are one system.
MOST_CELLS = 1_200


class Common:
    """The cells of two tables.

    Parameters
    ----------
    pair : Pair
        How they are related.
    tables : pair of Kept
    apart : bool
        Whether persons may have come or gone between them.
    """

    def __init__(self, pair: Pair, tables: tuple[Kept, Kept], *, apart: bool) -> None:
        self.pair, self.tables = pair, tables
        merged = {
            name for name in pair.parts if all(self._known(each) for each in pair.parts[name])
        }
        lists = dict.fromkeys(chain.from_iterable(each.lists for each in tables))
        self._lists = [name for name in lists if name not in merged]
        self._axes: dict[Any, list[Any]] = {name: [0, 1] for name in self._lists}
        for name in pair.covariates:
            atoms = chain.from_iterable(
                chain.from_iterable(side[name].values()) for side in pair.atoms
            )
            self._axes[0, name] = [*dict.fromkeys(atoms)]
        for at, table in enumerate(tables):
            shared = pair.covariates.keys() if at == 0 else set(pair.covariates.values())
            for name in (each for each in table.levels if each not in shared):
                self._axes[1 + at, name] = [*table.sheet.levels[name]]
        self._axes["in"] = [(True, True), (True, False), (False, True)] if apart else [(True, True)]
        self.size = math.prod(map(len, self._axes.values()))
        if self.size <= MOST_CELLS:
            self._cells = [*product(*self._axes.values())]

    def _known(self, name: str) -> bool:
        return any(name in each.lists for each in self.tables)

    def _column(self, name: Any) -> list[Any]:
        at = [*self._axes].index(name)
        return [cell[at] for cell in self._cells]

    def _on(self, name: str) -> IntArray:
        """Whether each cell is on a list, or on any of those that it is made of."""
        parts = [name] if name in self._lists else sorted(self.pair.parts[name])
        found = np.array([self._column(each) for each in parts], dtype=np.int64)
        on: IntArray = found.max(axis=0)
        return on

    def spread(self, second: bool) -> FloatArray:
        """Tell which cell of a table each common one is a part of, (O, J): as a table of that shape in C order."""
        table = self.tables[second]
        codes = [self._on(name) for name in table.lists]
        names = {there: name for name, there in self.pair.covariates.items()}
        for name, levels in table.levels.items():
            own = names.get(name) if second else (name if name in self.pair.covariates else None)
            if own is None:
                place: dict[object, int] = {level: at for at, level in enumerate(levels)}
                values = self._column((1 + second, name))
            else:
                grouping = self.pair.atoms[second][own]
                place = {atom: at for at, level in enumerate(levels) for atom in grouping[level]}
                values = self._column((0, own))
            codes.append(np.array([place.get(each, -1) for each in values], dtype=np.int64))
        there = np.array([each[second] for each in self._column("in")])
        there &= np.any(codes[: len(table.lists)], axis=0) & np.all(
            [each >= 0 for each in codes], axis=0
        )
        shape = (*(2,) * len(table.lists), *map(len, table.levels.values()))
        strata = math.prod(shape[len(table.lists) :])
        found = np.zeros((math.prod(shape) - strata, len(self._cells)))
        at = np.ravel_multi_index([each[there] for each in codes], shape)
        found[at - strata, np.flatnonzero(there)] = 1.0
        return found


def weights_of(table: Kept, at: Iterable[tuple[str, str]]) -> FloatArray:
    """Which cells of a table have some levels: (O,), in C order."""
    shape = (*(2,) * len(table.lists), *map(len, table.levels.values()))
    places = np.stack(np.unravel_index(np.arange(math.prod(shape)), shape))
    places = places[:, math.prod(shape[len(table.lists) :]) :]
    axes = [*table.lists, *table.levels]
    found = np.ones(places.shape[1])
    for name, level in at:
        known: Sequence[str] = ("0", "1") if name in table.lists else table.levels[name]
        found *= places[axes.index(name)] == (known.index(level) if level in known else -1)
    return found


def left(weights: FloatArray, known: Known) -> tuple[float, float]:
    """Compute the fewest and the most persons of some cells that agree with what is known."""
    lower, upper = np.isfinite(known.low), np.isfinite(known.high)
    ends = []
    for sign in (1.0, -1.0):
        found = linprog(
            sign * weights,
            A_ub=np.vstack([known.weights[upper], -known.weights[lower]]),
            b_ub=np.concatenate([known.high[upper] + WHOLE, WHOLE - known.low[lower]]),
            method="highs",
        )
        # Figures that agree with no table tell nothing.
        value = found.fun if found.status == 0 else None
        nothing = 0.0 if sign > 0 else math.inf
        ends.append(nothing if value is None else sign * float(value))
    return math.ceil(ends[0] - 1e-3), math.floor(ends[1] + 1e-3) if ends[1] < math.inf else math.inf
