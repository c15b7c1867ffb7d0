"""What an interval bears: figures written to a step of its width, ends rounded outward."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

#: Share of the width of an interval that the step of its figures is at most.
GRAIN = 0.05
#: Steps by which shares are written at the finest: a tenth of a percent.
SHARE_UNIT = 0.001
#: What is lost when a number is divided by its step is no reason to round it a step further.
_NOISE = 1e-9


def step_of(width: float, unit: float = 1.0, grain: float = GRAIN) -> float:
    """Choose the largest of 1, 2 and 5 times a power of ten of a unit that is no more than a share of a width.

    Examples
    --------
    >>> step_of(5_663.0), step_of(120.0), step_of(12.0), step_of(0.2, SHARE_UNIT)
    (200.0, 5.0, 1.0, 0.01)
    """
    most = grain * width / unit
    if not math.isfinite(most) or most <= 1:
        return float(unit)
    power = 10.0 ** math.floor(math.log10(most))
    return float(unit * power * max(each for each in (1, 2, 5) if each * power <= most))


def nearest(value: float, step: float) -> float:
    """Round half up to a multiple of a step; what is not finite stays."""
    return math.floor(value / step + 0.5) * step if math.isfinite(value) else value


def outward(low: float, high: float, step: float, least: float = -math.inf) -> tuple[float, float]:
    """Round the ends of an interval to multiples of a step, never inward.

    Examples
    --------
    >>> outward(123.0, 177.0, 20.0), outward(123.0, 177.0, 20.0, least=121.0)
    ((120.0, 180.0), (121.0, 180.0))
    """
    if math.isfinite(low):
        low = max(math.floor(low / step) * step, least)
    return low, math.ceil(high / step) * step if math.isfinite(high) else high


@dataclass(frozen=True, slots=True)
class Grid:
    """What figures with one interval are rounded to; without a step they stay as they are.

    The step of each is a share of the width of the interval, and of the figure itself: the lower end of an
    interval that reaches far up would be lost otherwise.

    Parameters
    ----------
    step : float, default 0
        The coarsest: persons, or shares; infinite where the interval has no end.
    unit : float, default 1
        The finest.
    least, most : float
        What no figure passes: the persons registered, a share of 1.

    Examples
    --------
    >>> grid = Grid.of(4_210.0, 9_873.0, least=3_700.0)
    >>> grid.ends(4_210.0, 9_873.0), grid.point(5_836.0)
    ((4200.0, 10000.0), 5800.0)
    >>> Grid.of(34_228.0, 282_792.0).ends(34_228.0, 282_792.0)
    (34000.0, 290000.0)
    """

    step: float = 0.0
    unit: float = 1.0
    least: float = -math.inf
    most: float = math.inf

    @classmethod
    def of(
        cls,
        low: float,
        high: float,
        *,
        least: float = -math.inf,
        most: float = math.inf,
        unit: float = 1.0,
    ) -> Self:
        """Take the step from the width of an interval; of one without an end, from how far a figure is above the least."""
        if math.isnan(low) or math.isnan(high) or not math.isfinite(low):
            return cls()
        step = step_of(high - low, unit) if math.isfinite(high) else math.inf
        # Nothing is written below what it may not pass, unless the figures themselves are.
        return cls(step, unit, min(least, low), most)

    def step_at(self, value: float) -> float:
        """Choose the step of one figure."""
        if not self.step:
            return 0.0
        step = self.step
        if math.isinf(step):
            step = step_of(value - max(self.least, 0.0), self.unit)
        return min(step, step_of(abs(value), self.unit))

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """Round both ends outward."""
        low = self.point(low, -1)
        return low, max(self.point(high, 1), low)

    def point(self, value: float, toward: int = 0) -> float:
        """Round a figure to the nearest step; an end, or a bound, downward with ``toward=-1``, upward with 1."""
        if not self.step or not math.isfinite(value):
            return value
        step = self.step_at(value)
        if toward:
            lift = toward * _NOISE * step
            found = outward(value - lift, value - lift, step)[toward > 0]
        else:
            found = nearest(value, step)
        return min(max(found, self.least), self.most)
