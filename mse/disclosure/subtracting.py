"""What two publications leave of a number of persons: their figures, sums and differences as one linear program.

Each figure is known to within what it may have been rounded from, and a suppressed one is not known. Figures add up to
those with fewer covariates; figures of the same persons in both publications are equal; parts are no more than wholes.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from mse.disclosure.suppression import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mse._typing import FloatArray
    from mse.disclosure.nested import Difference, Figure, Pair, Sheet

#: Differences up to which all of them are conditions.
_MOST = 5_000


class Linked:
    """Two publications, and what they say of each other.

    Parameters
    ----------
    pair : Pair
    holds : callable
        Whether a difference is one: figures of the same persons are equal, and others not negative.
    """

    def __init__(self, pair: Pair, holds: Callable[[Difference], bool]) -> None:
        self.pair, self.holds = pair, holds
        self._figures = [
            {each: at for at, each in enumerate(chain.from_iterable(sheet.families.values()))}
            for sheet in (pair.one, pair.other)
        ]
        self._rows: list[dict[int, float]] = []
        self._ends: list[tuple[float, float]] = []
        for second in (False, True):
            self._add_sums(second=second)
        for each in [*pair.differences()][:_MOST]:
            if holds(each):
                self._rows.append(self._weights(each))
                self._ends.append((0.0, 0.0 if each.same else math.inf))
        self._matrix = self._written(self._rows)

    def _place(self, figure: Figure, *, second: bool) -> int:
        return self._figures[second][figure] + (len(self._figures[0]) if second else 0)

    def _weights(self, each: Difference) -> dict[int, float]:
        row: dict[int, float] = {}
        for figures, second, sign in (
            (each.more, each.turned, 1.0),
            (each.less, not each.turned, -1.0),
        ):
            for figure in figures:
                row[self._place(figure, second=second)] = sign
        return row

    def _add_sums(self, *, second: bool) -> None:
        """Note which figures of one publication add up to which."""
        sheet = self.pair.other if second else self.pair.one
        for total, parts in _sums(sheet):
            row = {self._place(each, second=second): -1.0 for each in parts}
            self._rows.append(row | {self._place(total, second=second): 1.0})
            self._ends.append((0.0, 0.0))

    def _written(self, rows: Iterable[dict[int, float]]) -> sparse.csr_array:
        known = [*rows]
        at = [(row, place) for row, each in enumerate(known) for place in each]
        values = [value for each in known for value in each.values()]
        shape = (len(known), sum(map(len, self._figures)))
        places = ([row for row, _ in at], [place for _, place in at])
        return sparse.csr_array((values, places), shape=shape)

    def left(self, weights: dict[int, float]) -> tuple[float, float] | None:
        """Compute between how many persons a weighted sum of figures lies; None if they contradict each other."""
        bounds = [(each.low, each.high) for known in self._figures for each in known]
        low, high = (np.array([each[at] for each in self._ends]) for at in (0, 1))
        equal = low == high
        cost: FloatArray = np.zeros(len(bounds))
        for place, value in weights.items():
            cost[place] = value
        ends = []
        for sign in (1.0, -1.0):
            found = linprog(
                sign * cost,
                A_eq=self._matrix[equal] if equal.any() else None,
                b_eq=low[equal] if equal.any() else None,
                A_ub=-self._matrix[~equal] if not equal.all() else None,
                b_ub=-low[~equal] if not equal.all() else None,
                bounds=bounds,
                method="highs",
                options={"presolve": False},
            )
            if found.status == 0 and found.fun is not None:
                ends.append(sign * float(found.fun))
            elif found.status == 3:
                ends.append(-sign * math.inf)
            else:
                return None
        most = math.floor(ends[1] + WHOLE) if math.isfinite(ends[1]) else math.inf
        return math.ceil(ends[0] - WHOLE), most

    def difference(self, each: Difference) -> tuple[float, float]:
        """Compute what is left of a difference."""
        found = self.left(self._weights(each))
        return each.ends if found is None else (max(found[0], 0.0), max(found[1], 0.0))

    def figure(self, figure: Figure, *, second: bool) -> tuple[float, float]:
        """Compute what is left of a figure of one of the publications."""
        found = self.left({self._place(figure, second=second): 1.0})
        return (figure.low, figure.high) if found is None else found


def _sums(sheet: Sheet) -> Iterator[tuple[Figure, list[Figure]]]:
    """Give figures, and those that add up to them by further covariates or lists."""
    lists = frozenset(sheet.lists or ())
    for names, totals in sheet.families.items():
        for further, family in sheet.families.items():
            if not names < further:
                continue
            parts: dict[tuple[tuple[str, str], ...], list[Figure]] = {}
            for each in family:
                parts.setdefault(tuple(pair for pair in each.at if pair[0] in names), []).append(
                    each
                )
            for total in totals:
                if len(parts.get(total.at, ())) == _wanted(sheet, lists, total, further - names):
                    yield total, parts[total.at]


def _wanted(sheet: Sheet, lists: frozenset[str], total: Figure, further: frozenset[str]) -> int:
    """How many figures there are where all of them are published."""
    size = math.prod(2 if name in lists else len(sheet.levels.get(name, ())) for name in further)
    known = dict(total.at)
    # Who is on no list is in no table.
    if (
        lists
        and lists <= further | known.keys()
        and all(known.get(each, "0") == "0" for each in lists)
    ):
        size -= math.prod(len(sheet.levels[name]) for name in further - lists)
    return size
