"""How soon a known group is reached: a curve with its band for each stage and group."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from mse._drawing import draws
from mse.errors import ModelError
from mse.plots import _canvas as draw
from mse.plots._canvas import BLUE, GRAY, GREEN, RED, Head, ink
from mse.plots.words import Words
from mse.reaching import Reach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

_SIZE, _PANEL = (7.0, 4.0), (2.8, 2.2)
#: Colors and strokes of curves in one panel: nothing is told by color alone.
_LOOKS = ((BLUE, "-"), (RED, "--"), (GREEN, "-."), (GRAY, ":"))


@draws(Reach)
def reach(
    reached: Reach, *, ax: Axes | None = None, words: Mapping[str, str] | None = None
) -> Axes:
    """Draw the share that is reached by time, with intervals; a panel for each group.

    Parameters
    ----------
    reached : Reach
        What `mse.reach` found.
    ax : Axes, optional
        Where to draw; a new figure by default. With groups it is divided into panels.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Raises
    ------
    ModelError
        If there are no shares by time, since they were protected.

    Returns
    -------
    Axes
        With groups its ``child_axes`` are the panels.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> group = pd.DataFrame({"person": ["p", "q", "r"], "start": ["2020-01-01"] * 3})
    >>> register = pd.DataFrame({"person": ["p", "r"], "date": ["2020-02-01", "2021-01-01"]})
    >>> ax = mse.plots.reach(mse.reach(group, register, "180D"))
    >>> bool(ax.get_xlim()[1] >= 180)
    True
    """
    text = Words(words)
    if reached.curves["days"].nunique() < 2:
        raise ModelError(
            "Under rules of disclosure there are shares at the end alone, and no curve to draw: each of its steps is a "
            "person. They are in to_frame()."
        )
    groups = [((), reached.curves)]
    if reached.by:
        groups = [*reached.curves.groupby([*reached.by], observed=True, sort=False)]
    titles, columns = [", ".join(map(str, key)) for key, _ in groups], min(len(groups), 3)
    rows = -(-len(groups) // columns)
    size = (columns * _PANEL[0] + 1.0, rows * _PANEL[1] + 1.6) if reached.by else _SIZE
    lines = [text(f"line_since_{reached.since}"), text("interval", level=text.share(reached.level))]
    with draw.canvas(ax, size, 0.5) as (drawn, room):
        places = draw.panels(drawn, titles, columns, left=0.85) if reached.by else [drawn]
        top = min(1.05 * float(reached.curves["high"].max()), 1.0)
        for place, (_, frame) in zip(places, groups, strict=True):
            place.set_xlim(0, reached.within)
            place.set_ylim(0, top if top > 0 else 1.0)
            for (stage, curve), look in zip(
                frame.groupby("stage", sort=False), cycle(_LOOKS), strict=False
            ):
                color, stroke = look
                days = curve["days"].to_numpy()
                place.fill_between(days, curve["low"], curve["high"], color=color, alpha=0.2, lw=0)
                place.plot(days, curve["share"], color=color, ls=stroke, lw=1.6, label=str(stage))
            draw.number_axis(place.yaxis, text, kind="share")
            draw.number_axis(place.xaxis, text)
        places[0].set_ylabel(text("share_reached"), color=ink())
        places[-1].set_xlabel(text("days_since"))
        if reached.stages != ("",):
            places[-1].legend(frameon=False, fontsize="small")
        draw.headed(
            drawn, Head(text("title_reach", days=text.number(reached.within)), lines), text, room
        )
    return drawn
