"""Orthogonal polynomials over the levels of a covariate, for trends.

The polynomials come from Forsythe's recurrence (1957, Journal of the Society for Industrial and Applied
Mathematics 5, 74-88) in whole numbers and fractions, so nothing is lost at years such as 2010 to 2019, and
levels may be spaced unevenly. Two scalings are used: whole numbers without a common divisor, in which
the existence of an estimate is decided exactly, and sums of squares of one, in which coefficients are
reported.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import FloatArray, Level

__all__ = ["Polynomials", "orthogonal_polynomials", "positions"]

#: Whole numbers of this size leave room for their products, and for sums of these, in 64 bits.
LARGEST = 2**24


class Polynomials(NamedTuple):
    """Orthogonal polynomials over some levels.

    Attributes
    ----------
    steps : tuple of tuple of int
        For each degree from 1 on the polynomial at every level less that at the first one, in whole
        numbers without a common divisor.
    sizes : tuple of float
        Length of each polynomial in the unit of its steps: `steps` are `sizes` times the orthonormal
        polynomial, less `starts`.
    starts : tuple of float
        Each polynomial at the first level, in the unit of its steps.
    """

    steps: tuple[tuple[int, ...], ...]
    sizes: tuple[float, ...]
    starts: tuple[float, ...]

    def values(self) -> FloatArray:
        """Return the orthonormal polynomials at the levels, shape (degrees, levels)."""
        steps = np.asarray(self.steps, dtype=np.float64)
        starts, sizes = np.asarray(self.starts), np.asarray(self.sizes)
        return np.asarray((steps + starts[:, None]) / sizes[:, None])


def positions(levels: Sequence[Level]) -> list[Fraction]:
    """Where levels lie: at their numbers, or at 0, 1, 2 ... where some level is not a number.

    Examples
    --------
    >>> positions([2010, 2012, 2013.5]) == [2010, 2012, Fraction(4027, 2)]
    True
    >>> positions(["2010", "2012"]) == [2010, 2012]
    True
    >>> positions(["early", "late"]) == [0, 1]
    True
    """
    try:
        numbers = [Fraction(str(int(each) if isinstance(each, bool) else each)) for each in levels]
    except ValueError:
        numbers = []
    if len(set(numbers)) < len(levels):
        return [Fraction(each) for each in range(len(levels))]
    return numbers


def orthogonal_polynomials(levels: Sequence[Level], degree: int) -> Polynomials | None:
    """Build the orthogonal polynomials of degree 1 to `degree` over some levels.

    Parameters
    ----------
    levels : sequence
        Levels; numbers, or labels in their order.
    degree : int
        Below the number of levels.

    Returns
    -------
    Polynomials or None
        None where the levels are spaced so unevenly that the whole numbers would be too large.

    Examples
    --------
    >>> orthogonal_polynomials(range(2010, 2015), 2).steps
    ((0, 1, 2, 3, 4), (0, -3, -4, -3, 0))
    >>> orthogonal_polynomials(range(2010, 2015), 2).values().round(3).tolist()[0]
    [-0.632, -0.316, 0.0, 0.316, 0.632]
    """
    places = positions(levels)
    steps, sizes, starts = [], [], []
    for row in map(_whole, _recurrence(places, degree)):
        moved = [value - row[0] for value in row]
        divisor = gcd(*moved)
        steps.append(tuple(value // divisor for value in moved))
        sizes.append(sqrt(sum(value**2 for value in row)) / divisor)
        starts.append(row[0] / divisor)
    if max(abs(value) for row in steps for value in row) > LARGEST:
        return None
    return Polynomials(tuple(steps), tuple(sizes), tuple(starts))


def _recurrence(places: list[Fraction], degree: int) -> list[list[Fraction]]:
    """Compute the polynomials with leading coefficient 1, by three terms each."""
    before, last = [Fraction(0)] * len(places), [Fraction(1)] * len(places)
    length, shorter = Fraction(len(places)), Fraction(1)
    found: list[list[Fraction]] = []
    for _ in range(degree):
        center = sum((x * p * p for x, p in zip(places, last, strict=True)), Fraction(0)) / length
        share = length / shorter if found else Fraction(0)
        new = [(x - center) * p - share * q for x, p, q in zip(places, last, before, strict=True)]
        before, last, shorter = last, new, length
        length = sum((p * p for p in last), Fraction(0))
        found.append(last)
    return found


def _whole(values: list[Fraction]) -> list[int]:
    """Scale to whole numbers without a common divisor."""
    scale = lcm(*(each.denominator for each in values))
    numbers = [int(each * scale) for each in values]
    divisor = gcd(*numbers)
    return [each // divisor for each in numbers]
