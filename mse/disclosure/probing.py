"""Probing a choice of what to suppress: which demands it does not meet, and what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from mse.disclosure.ranges import WHOLE, least, least_unpriced, least_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import BoolArray, FloatArray
    from mse.disclosure.cells import Cells
    from mse.disclosure.demands import Demand, Form, Knowledge
    from mse.disclosure.ranges import Extreme

__all__ = ["Condition", "Probe"]

#: A row and a number: ``row @ suppressed >= number`` must hold.
Condition: TypeAlias = "tuple[FloatArray, float]"

#: Prices below this are rounding errors of the linear program.
_NO_PRICE = 1e-9
#: Persons asked for beyond a demand where fractions of persons meet it and whole ones do not.
_MOST_EXTRA = 64


class Probe:
    """Looks for demands that a choice of cells to suppress does not meet.

    Parameters
    ----------
    cells : Cells
        Counts and sums.
    known : Knowledge
        What a reader knows.
    demands : sequence of Demand
        What must stay possible.
    forced : bool array (N,)
        Cells that are suppressed in every choice.
    """

    def __init__(
        self, cells: Cells, known: Knowledge, demands: Sequence[Demand], forced: BoolArray
    ) -> None:
        self.cells, self.known, self.demands, self.forced = cells, known, demands, forced
        self.size = len(cells.counts)
        self.extra = np.zeros(len(demands))
        forms = [form for demand in demands for form in demand.forms]
        self.first = np.cumsum([0, *(len(demand.forms) for demand in demands)])
        rows = sparse.lil_array((len(forms), self.size))
        for row, form in enumerate(forms):
            rows[row, form.at] = form.weights
        self.rows = rows.tocsr()
        # Counts that some choice made possible: the cells they need suppressed, or shown; their forms.
        self.used = np.zeros((0, self.size), dtype=np.bool_)
        self.barred = np.zeros((0, self.size), dtype=np.bool_)
        self.values = np.zeros((0, len(forms)))

    def conditions(self, suppressed: BoolArray) -> list[Condition]:
        """Find conditions that this choice breaks; none if it meets all demands."""
        self.suppressed = suppressed
        self.bounds = self.known.when(suppressed)
        self._settle()
        unmet = self._unmet()
        # What is suppressed to protect others may not be suppressed next time: that comes last.
        always = [number for number in unmet if self.demands[number].when < 0]
        found = [each for number in always for each in self._probe(number)]
        if not found:
            found = [each for number in unmet for each in self._probe(number)]
        return found

    def _unmet(self) -> list[int]:
        """Find the demands of which it is not known that they are met."""
        return [number for number in range(len(self.demands)) if not self._met(number)]

    def _met(self, number: int) -> bool:
        demand = self.demands[number]
        if demand.when >= 0 and not self.suppressed[demand.when]:
            return True
        if not len(self.values):
            return False
        rows = slice(self.first[number], self.first[number + 1])
        against = np.where(self.suppressed, self.barred, self.used)
        possible = ~np.any(against, axis=1)
        if not possible.any():
            return False
        return bool(self.values[possible, rows].min(axis=0).sum() <= demand.need + WHOLE)

    def _remember(self, found: Extreme) -> None:
        if found.counts is not None and found.whole:
            self.used = np.vstack([self.used, self.known.used(found.counts)])
            # A mark may say that there is somebody where a rounded count of 0 does not.
            barred = self.known.shown & (found.counts < self.known.floor - WHOLE)
            self.barred = np.vstack([self.barred, barred])
            self.values = np.vstack([self.values, np.asarray(self.rows @ found.counts)])

    def _settle(self) -> None:
        """Meet many demands at once where that can be done, downward and upward."""
        for sign in (1.0, -1.0):
            left = len(self.demands) + 1
            while True:
                unmet = self._unmet()
                if not unmet or len(unmet) >= left:
                    break
                left = len(unmet)
                low, high = self.bounds
                weights = np.zeros(self.size)
                for form in (form for number in unmet for form in self.demands[number].forms):
                    if len(form.at) == 1 and form.weights[0] == sign:
                        low, high = form.capped(low, high)
                        weights[form.at] = sign
                self._remember(least_unpriced(weights, self.cells.sums, low, high))

    def _probe(self, number: int) -> list[Condition]:
        """Attack one demand: what the choice lacks, or counts that show that it lacks nothing."""
        demand = self.demands[number]
        if self._met(number):
            return []
        while self.extra[number] <= _MOST_EXTRA:
            extra = self.extra[number]
            found = [self._least(form, extra) for form in demand.forms]
            if sum(each.value for each in found) > demand.need - extra + WHOLE:
                row, right = self._priced(demand, demand.need - extra, found)
                if row.max() > 0:
                    return [(row, right)]
                break
            if self._whole(demand, found):
                return []
            # Whole counts lack something that prices do not tell: ask fractions for more.
            self.extra[number] = 2 * extra + 1
        return [(np.where(self.suppressed | ~self.known.shown, 0.0, 1.0), 1.0)]

    def _least(self, form: Form, extra: float) -> Extreme:
        bounds = form.capped(*self.bounds, extra)
        return least(form.dense(self.size), self.cells.sums, *bounds)

    def _whole(self, demand: Demand, found: Sequence[Extreme]) -> bool:
        """Whether whole counts meet the demand as well."""
        value = 0.0
        for form, each in zip(demand.forms, found, strict=True):
            best = each
            if each.counts is not None and not each.whole:
                bounds = form.capped(*self.bounds)
                best = least_whole(form.dense(self.size), self.cells.sums, *bounds)
            self._remember(best)
            value += best.value
        return value <= demand.need + WHOLE

    def _priced(self, demand: Demand, need: float, found: Sequence[Extreme]) -> Condition:
        """Turn the prices of the attack into a condition on what is suppressed.

        The prices bound the value from below whatever is suppressed: it falls by at most the price
        times what the bound of a cell gives way. So the cells that give way must make up for what is
        missing, ``lack``.
        """
        known, shown = self.known, self.known.shown
        low_price = np.sum([each.low_price for each in found], axis=0)
        high_price = np.sum([each.high_price for each in found], axis=0)
        gain = np.where(shown, low_price * (known.low - known.floor), 0.0)
        gain[shown & (high_price > _NO_PRICE)] = np.inf
        value = low_price @ np.where(shown, known.low, known.floor)
        value -= high_price @ np.where(shown, known.high, 0.0)
        certain = self.forced.copy()
        if demand.when >= 0:
            certain[demand.when] = True
        lack = value - need - gain[certain].sum()
        gain[certain | (np.abs(gain) < _NO_PRICE)] = 0.0
        # Of a count that is shown as 0 a mark tells more: that there is somebody.
        loss = -gain[gain < 0].sum()
        row = np.minimum(gain, lack + loss)
        if demand.when < 0:
            return row, lack
        row[demand.when] = -(lack + loss)
        return row, -loss
