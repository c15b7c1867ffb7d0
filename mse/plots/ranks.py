"""Ranks of places: the interval of each, and who can be among those with most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse._drawing import draws
from mse.monitoring.places import TOP, By, Places
from mse.plots._canvas import BLUE, GRAY, Head
from mse.plots._rows import Row, Rows, draw_rows
from mse.plots.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mse._typing import Level

#: Places that are drawn, those of the best ranks.
_MOST = 25


@draws(Places)
def ranks(
    places: Places,
    *,
    ax: Axes | None = None,
    period: Level = None,
    by: By = "estimated",
    top: int = TOP,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the ranks of the places with most persons, with their intervals.

    Candidates for the first places are blue, others gray; a mark is the rank by registered persons.

    Parameters
    ----------
    places : Places
        Of a monitor.
    ax : Axes, optional
        Where to draw; a new figure by default.
    period : level, optional
        By default all of them together.
    by : {"estimated", "registered", "rate"}, default "estimated"
        As of `Places.ranking`.
    top : int, default 10
        The same.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> world = mse.simulate.places({"a": 0.4, "b": 0.3, "c": 0.3}, places=15, years=[2024])
    >>> quick = mse.PooledLogLinear(draws=50, tune=100, chains=2)
    >>> monitor = mse.monitor(world.draw(seed=1).table(), place="place", estimator=quick)
    >>> ax = mse.plots.ranks(monitor.places, top=3)
    >>> ax.get_xlabel()
    'rank, 1 has most'
    """
    text = Words(words)
    frame = places.ranking(period, by, top)
    known = places.ranking(period, "registered", top).set_index(places.name)["rank"]
    shown = frame[frame["rank"].notna()].head(max(_MOST, int(frame["candidate"].sum())))
    rows = []
    for each in shown.to_dict(orient="records"):
        point, low, high = (float(each[name]) for name in ("rank", "rank_low", "rank_high"))
        name, style = each[places.name], (BLUE if each["candidate"] else GRAY, "o")
        # Draws do not tell how close to certainty a probability is.
        near = text.share(min(max(each["top"], 0.01), 0.99))
        if each["top"] > 0.99:
            chance = text("among_first_sure", share=near)
        elif each["top"] < 0.01:
            chance = text("among_first_never", share=near)
        else:
            chance = text("among_first", share=near)
        rows.append(Row(str(name), point, low, high, "ok", float(known[name]), style, more=chance))
    named = places.monitor.period
    span = text("all_periods", period=named) if period is None else f"{named} {period}"
    lines = (span, text("ranks_drawn", top=top))
    head = Head(text("title_ranks", place=places.name), lines, places.monitor.population.info)
    guide, level = {"x": top + 0.5}, places.monitor.level
    return draw_rows(ax, rows, Rows(text, level, "linear", unit="rank", guide=guide), head)
