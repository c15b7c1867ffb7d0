"""What drives a change of registered persons: its largest contributions, by size and by share registered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mse._drawing import draws
from mse.driving import Drivers
from mse.errors import ModelError
from mse.plots import _canvas as draw
from mse.plots._canvas import BLUE, RED, Head, ink
from mse.plots.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mse.driving import Contribution

_SIZE, _ROW = 7.0, 0.42
#: An interval that goes further than so many times the largest change has an arrow.
_FAR = 2.5


@draws(Drivers)
def drivers(
    found: Drivers,
    *,
    ax: Axes | None = None,
    most: int = 10,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the largest contributions to a change, each with its parts by size and by share registered.

    Parameters
    ----------
    found : Drivers
        What `mse.drivers` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    most : int, default 10
        Contributions of a group at a register that are drawn, the largest ones.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If ``most`` is not 1 or more.

    Examples
    --------
    >>> import mse
    >>> table = mse.simulate.netherlands(years=[2014, 2015]).draw(1).table()
    >>> table = table.collapse("age", "form", "sex")
    >>> report = mse.monitor(table, groups=["nationality"], replicates=50, seed=1)
    >>> ax = mse.plots.drivers(mse.drivers(report, table, 2014, 2015), most=4)
    >>> len(ax.get_yticklabels())
    4
    """
    if most < 1:
        raise ModelError(f"most={most!r}: expected 1 or more contributions to draw.")
    text = Words(words)
    shown = found.largest[:most]
    far = _FAR * max((abs(each.change) for each in shown), default=1.0) or 1.0
    lines = (text("drivers_explained"), text("interval", level=text.share(found.level)))
    head = Head(text("title_drivers", first=found.first, last=found.last), lines, found.info)
    with draw.canvas(ax, (_SIZE, 1.7 + _ROW * len(shown)), 2.2) as (drawn, room):
        drawn.axvline(0, color=ink(), lw=0.8)
        for row, each in enumerate(shown):
            _draw(drawn, row, each, far)
        drawn.set_ylim(len(shown) - 0.4, -0.6)
        drawn.set_xlim(*_limits(shown, far))
        drawn.set_yticks(range(len(shown)), [draw.wrapped(each.label, 30) for each in shown])
        draw.number_axis(drawn.xaxis, text)
        drawn.set_xlabel(text("change_registered"), color=ink())
        draw.headed(drawn, head, text, room)
    return drawn


def _limits(shown: tuple[Contribution, ...], far: float) -> tuple[float, float]:
    """Room for changes and for the ends of their parts, as far as these are drawn."""
    ends = [each.change for each in shown]
    ends += [end for each in shown for part in (each.by_size, each.by_share) for end in part]
    near = [max(-far, min(far, end)) for end in ends if not math.isnan(end)]
    return draw.limits_of([0.0, *near], log=False)


def _draw(ax: Axes, row: int, each: Contribution, far: float) -> None:
    """Draw the two parts of a contribution, one under the other, and the whole of it."""
    for part, at, color, mark, stroke in (
        (each.by_size, row - 0.14, BLUE, "o", "-"),
        (each.by_share, row + 0.14, RED, "s", "--"),
    ):
        if math.isnan(part.point):
            continue
        if not math.isnan(part.low):
            ends = max(part.low, -far), min(part.high, far)
            ax.plot(ends, (at, at), color=color, ls=stroke, lw=1.4, gid="interval")
            for end, bound, arrow in ((part.low, -far, "<"), (part.high, far, ">")):
                if abs(end) > far:
                    ax.plot(bound, at, arrow, ms=5, color=color, clip_on=False, gid="unbounded")
        point = max(-far, min(far, part.point))
        ax.plot(point, at, mark, ms=4.5, color=color, mec="white", mew=0.6, gid="point")
    ax.plot(each.change, row, "|", ms=16, mew=2.0, color=ink(), gid="change")
