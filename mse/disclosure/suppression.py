"""Which counts to suppress: those that are unsafe, and further ones that keep them from being computed.

The further ones are chosen by an integer program with cuts (Fischetti and Salazar-Gonzalez 2000): the
program proposes what to suppress; every count that would then be known too well is found by a linear
program, the attack, whose prices say which suppressions could have helped; that becomes a condition
of the next proposal.

References
----------
Fischetti, M. and Salazar-Gonzalez, J. J. (2000). Models and algorithms for optimizing cell suppression
in tabular data with linear constraints. Journal of the American Statistical Association 95, 916-928.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from mse.disclosure.demands import Knowledge, demands_on, primary
from mse.disclosure.probing import Probe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mse._typing import BoolArray
    from mse.disclosure.cells import Cells
    from mse.disclosure.probing import Condition
    from mse.disclosure.rules import Rules

__all__ = ["choose"]

#: A proposal within this share of the cheapest one will do: what it costs is convention anyway.
_GAP = 0.05
#: Totals are what readers look for first: suppressing one costs as much as this many parts.
_TOTAL_COST = 3.0
#: Zeros are suppressed only against group disclosure, where nothing else would do.
_ZERO_COST = 50.0
#: Proposals before the search for the cheapest choice is given up for one that is found sooner.
_TURNS = 8


def choose(cells: Cells, rules: Rules) -> BoolArray:
    """Choose the cells to suppress.

    Parameters
    ----------
    cells : Cells
        The counts and their sums.
    rules : Rules
        What is to be protected.

    Returns
    -------
    bool array (N,)
        True where a mark stands in place of the count.

    Examples
    --------
    >>> from mse.disclosure import Rules
    >>> from mse.disclosure.cells import Book
    >>> book = Book()
    >>> for key, count in {"f": 7, "m": 30, "other": 12, "all": 49}.items():
    ...     book.add(key, count)
    >>> book.sum("all", ["f", "m", "other"])
    >>> choose(book.cells(), Rules(threshold=10)).tolist()
    [True, False, True, False]
    """
    unsafe = primary(cells, rules) & cells.shown
    if not rules.secondary or not rules.active:
        return unsafe
    known = Knowledge(cells, rules)
    probe = Probe(cells, known, demands_on(cells, rules, known), unsafe)
    program = _Program(cells, rules)
    proposal, turns = unsafe, 0
    while found := probe.conditions(proposal):
        turns += 1
        program.add(found)
        # What is suppressed stays so once the search has taken long, so that it ends.
        proposal = program.solve(proposal if turns > _TURNS else unsafe)
        if np.array_equal(proposal, program.usable):
            break
    return proposal


class _Program:
    """The cheapest choice that meets all conditions found so far."""

    def __init__(self, cells: Cells, rules: Rules) -> None:
        totals = (cells.sums > 0).sum(axis=0) > 0
        costs = np.log2(2.0 + cells.counts) * np.where(totals, _TOTAL_COST, 1.0)
        costs[cells.counts == 0] *= _ZERO_COST
        # Ties are broken by position, so that the same table is always published the same way.
        self.costs = np.where(cells.shown, costs + 1e-6 * np.arange(len(costs)), 0.0)
        zeros = (cells.counts == 0) & rules.zeros_safe & (rules.group is None)
        self.usable = cells.shown & ~zeros
        self.rows: list[sparse.csr_array] = []
        self.right: list[float] = []
        if rules.base == 1:
            self.add(_bridges(cells, self.usable))

    def add(self, conditions: Iterable[Condition]) -> None:
        """Note conditions ``row @ suppressed >= right``."""
        for row, right in conditions:
            self.rows.append(sparse.csr_array(row.reshape(1, -1)))
            self.right.append(right)

    def solve(self, forced: BoolArray) -> BoolArray:
        """Find the cheapest choice that holds some cells; all usable ones, if none will do."""
        found = milp(
            self.costs,
            constraints=LinearConstraint(sparse.vstack(self.rows), np.array(self.right), np.inf),
            bounds=Bounds(forced.astype(np.float64), self.usable.astype(np.float64)),
            integrality=np.ones(len(self.costs), dtype=np.int64),
            options={"mip_rel_gap": _GAP},
        )
        return self.usable.copy() if found.x is None else np.asarray(found.x > 0.5)


def _bridges(cells: Cells, usable: BoolArray) -> Iterator[Condition]:
    """Where counts are exact: one suppressed count alone in a sum would be known."""
    for start, end in zip(cells.sums.indptr[:-1], cells.sums.indptr[1:], strict=True):
        members = cells.sums.indices[start:end]
        if not np.all(cells.shown[members]):
            continue
        candidates = members[usable[members]]
        for cell in candidates:
            row = np.zeros(len(cells.counts))
            row[candidates] = 1.0
            row[cell] = -1.0
            yield row, 0.0
