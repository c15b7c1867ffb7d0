"""What a reader must not be able to tell of counts, as demands on what stays possible."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from mse.disclosure.publication import known_bounds, round_counts
from mse.disclosure.ranges import WHOLE, least

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.disclosure.cells import Cells
    from mse.disclosure.rules import Rules

__all__ = ["Demand", "Form", "Knowledge", "demands_on", "primary", "told_width"]


@dataclass(frozen=True, eq=False)
class Form:
    """A weighted sum of counts.

    Attributes
    ----------
    at, weights : int64 and float64 arrays
        Its cells.
    enough : float
        How small it need become at most; looking further is of no use.
    """

    at: IntArray
    weights: FloatArray
    enough: float = -inf

    def dense(self, size: int) -> FloatArray:
        """Write the weights out for all cells: float64 array (size,)."""
        weights = np.zeros(size)
        weights[self.at] = self.weights
        return weights

    def capped(
        self, low: FloatArray, high: FloatArray, extra: float = 0.0
    ) -> tuple[FloatArray, FloatArray]:
        """Tighten bounds so that a form of one cell ends where it is small enough, less ``extra``."""
        if len(self.at) > 1:
            return low, high
        cell, low, high = int(self.at[0]), low.copy(), high.copy()
        if self.weights[0] > 0:
            low[cell] = max(low[cell], self.enough - extra)
        else:
            high[cell] = min(high[cell], extra - self.enough)
        return low, high


@dataclass(frozen=True, eq=False)
class Demand:
    """The smallest values of some forms must add up to ``need`` at most, for all a reader knows.

    Attributes
    ----------
    forms : tuple of Form
        One: a count, less or more of it, or a share. Two: how far its range reaches, down and up.
    need : float
        Persons.
    when : int
        Cell that the demand is about: it holds only if that one is suppressed; -1: always.
    """

    forms: tuple[Form, ...]
    need: float
    when: int = -1


class Knowledge:
    """What a reader knows of each count if it is shown, and if it is not.

    Attributes
    ----------
    low, high : float64 arrays (N,), persons
        Bounds of counts that are shown.
    floor : float64 array (N,), persons
        Lower bounds of those that are not; there is no upper one.
    shown : bool array (N,)
        Cells that have a place in the output at all.
    """

    def __init__(self, cells: Cells, rules: Rules) -> None:
        self.low, self.high = known_bounds(round_counts(cells.counts, rules), rules)
        # One who knew which marks hide nobody would know more than any reader: to be safe.
        floor = 1.0 if rules.zeros_safe else 0.0
        self.floor = np.where(cells.shown & (cells.counts > 0), floor, 0.0)
        self.shown = cells.shown

    def when(self, suppressed: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Bounds if these cells are suppressed: two float64 arrays (N,)."""
        hidden = suppressed | ~self.shown
        return np.where(hidden, self.floor, self.low), np.where(hidden, np.inf, self.high)

    def used(self, counts: FloatArray) -> BoolArray:
        """Find the cells that must be suppressed for a reader to think these counts possible."""
        return self.shown & ((counts < self.low - WHOLE) | (counts > self.high + WHOLE))


def primary(cells: Cells, rules: Rules) -> BoolArray:
    """Find the cells that may not be shown for their own sake: bool array (N,)."""
    return _small(cells, rules) | cells.unsafe


def _small(cells: Cells, rules: Rules) -> BoolArray:
    small = cells.counts < rules.threshold
    return small & (cells.counts > 0) if rules.zeros_safe else small


def demands_on(cells: Cells, rules: Rules, known: Knowledge) -> list[Demand]:
    """List everything that a reader must not be able to tell, what always holds first."""
    found = [*_limits(cells, rules, known), *_shares(cells, rules, known)]
    if rules.threshold <= 1 and rules.base > 1:
        found += _roundings(cells, rules)
    return [*found, *_widths(cells, rules)]


def _down(cell: int, enough: float) -> Form:
    return Form(np.array([cell]), np.array([1.0]), enough)


def _up(cell: int, enough: float) -> Form:
    return Form(np.array([cell]), np.array([-1.0]), -enough)


def _limits(cells: Cells, rules: Rules, known: Knowledge) -> Iterator[Demand]:
    """Of a count below the threshold nothing within the protection limits can be ruled out."""
    lower, upper = rules.protection
    bounds = known.when(np.ones(len(cells.counts), dtype=np.bool_))
    totals = (cells.sums > 0).sum(axis=0) > 0
    for cell in np.flatnonzero(_small(cells, rules)):
        count = float(cells.counts[cell])
        down = _down(int(cell), min(float(lower), count))
        if totals[cell]:
            # Each mark hides somebody, so a total of three marks cannot be less than three.
            weights = down.dense(len(cells.counts))
            fewest = least(weights, cells.sums, *bounds).value
            down = _down(int(cell), max(down.enough, fewest))
        up = _up(int(cell), max(float(upper), count))
        yield Demand((down,), down.enough)
        yield Demand((up,), up.enough)


def _widths(cells: Cells, rules: Rules) -> Iterator[Demand]:
    """No suppressed count can be told to within the width of the protection limits, or to be small."""
    lower, upper = rules.protection
    width = max(upper - lower, 1)
    for cell in np.flatnonzero(cells.shown & ~_small(cells, rules)):
        count = float(cells.counts[cell])
        forms = _down(int(cell), count - width), _up(int(cell), count + width)
        yield Demand(forms, -float(width), int(cell))
        if count < upper:
            up = _up(int(cell), float(upper))
            yield Demand((up,), up.enough, int(cell))


def _shares(cells: Cells, rules: Rules, known: Knowledge) -> Iterator[Demand]:
    """No part holds nearly all of a total, as far as a reader can tell; where that can be had."""
    if rules.group is None:
        return
    bounds = known.when(np.ones(len(cells.counts), dtype=np.bool_))
    for part, total in cells.groups:
        if cells.counts[part] > rules.group * cells.counts[total]:
            form = Form(np.array([part, total]), np.array([1.0, -rules.group]))
            # A part that is the total by its very meaning cannot be kept from being it.
            if least(form.dense(len(cells.counts)), cells.sums, *bounds).value <= WHOLE:
                yield Demand((form,), 0.0)


def _roundings(cells: Cells, rules: Rules) -> Iterator[Demand]:
    """Where rounding alone protects small counts: sums do not tell them all the same."""
    width = told_width(rules)
    rounded = round_counts(cells.counts, rules)
    for cell in np.flatnonzero(cells.shown & (rounded <= rules.base) & (cells.counts > 0)):
        count = float(cells.counts[cell])
        forms = _down(int(cell), count - width), _up(int(cell), count + width)
        yield Demand(forms, -float(width))


def told_width(rules: Rules) -> int:
    """How many persons apart the ends of what a small rounded count may be have to stay."""
    return max(rules.base // 2, 1)
