"""Maps of places, on boundaries that the user has; GeoPandas reads and draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mse.data.checks import listed, near
from mse.errors import MissingDependencyError, ModelError
from mse.plots import _canvas as draw
from mse.plots._canvas import GRAY, Head
from mse.plots.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

    from mse._typing import Level
    from mse.monitoring.places import Places

#: What places are colored by.
Shown: TypeAlias = Literal["total", "registered", "rate", "coverage"]
_UNITS: Mapping[str, str] = {
    "total": "total_persons",
    "registered": "observed",
    "rate": "rate",
    "coverage": "coverage",
}
_SIZE = (6.5, 6.5)


def place_map(
    places: Places,
    boundaries: str | Path | Any,
    *,
    column: str,
    quantity: Shown = "total",
    period: Level = None,
    ax: Axes | None = None,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Color places on a map by their points; the map shows no interval.

    Parameters
    ----------
    places : Places
        Of a monitor.
    boundaries : str, Path or GeoDataFrame
        Any file that GeoPandas reads, or what it has read. Areas that are no place of the monitor are gray.
    column : str
        Column of the boundaries with the names of the places.
    quantity : {"total", "registered", "rate", "coverage"}, default "total"
        What the colors say.
    period : level, optional
        By default all of them together.
    ax : Axes, optional
        Where to draw; a new figure by default.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Raises
    ------
    MissingDependencyError
        Without GeoPandas: it comes with ``multiple-systems[maps]``.
    ModelError
        If the boundaries lack the column, or a place of the monitor.
    """
    text = Words(words)
    if quantity not in _UNITS:
        raise ModelError(f"quantity={quantity!r} is not known: expected one of {listed(_UNITS)}.")
    if quantity == "rate" and not places.monitor.has_rates:
        raise ModelError("The monitor has no rates: give it the numbers of inhabitants, rates=...")
    areas = _read(boundaries)
    if column not in areas.columns:
        known = [str(each) for each in areas.columns]
        raise ModelError(
            f"The boundaries have no column {column!r}: there are {listed(known, 12)}.{near(column, known)}"
        )
    frame = places.to_frame()
    # Without a period all of them, of which the row has none; or the only one.
    chosen = places.spans[-1] if period is None else period
    here = frame[[each == chosen for each in frame[places.monitor.period]]]
    if here.empty:
        raise ModelError(
            f"There is no {places.monitor.period} {period!r}: there are {listed(places.monitor.levels, 12)}."
        )
    values = dict(zip(map(str, here[places.name]), here[quantity].astype(float), strict=True))
    names = [str(each) for each in areas[column]]
    lost = [each for each in values if each not in set(names)]
    if lost:
        raise ModelError(
            f"The boundaries have no area for {listed(lost, 6)}: expected one for every place. Names must be equal, and "
            f"of the same year.{near(lost[0], names)}"
        )
    head = Head(
        text("title_map", place=places.name),
        (text(_UNITS[quantity]),),
        places.monitor.population.info,
    )
    with draw.canvas(ax, _SIZE, 0.2) as (drawn, room):
        colored = areas.assign(mse_value=[values.get(each, float("nan")) for each in names])
        colored.plot(column="mse_value", ax=drawn, legend=True, missing_kwds={"color": GRAY})
        drawn.set_axis_off()
        draw.headed(drawn, head, text, room)
    return drawn


def _read(boundaries: Any) -> Any:
    """Read boundaries, unless they are read."""
    if hasattr(boundaries, "columns"):
        return boundaries
    try:
        from geopandas import read_file
    except ImportError as error:
        msg = "Maps need GeoPandas, which is not installed: pip install 'multiple-systems[maps]'."
        raise MissingDependencyError(msg) from error
    return read_file(boundaries)
