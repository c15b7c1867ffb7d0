"""Sizes of populations: the observed and hidden parts, methods side by side, strata."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from mse._drawing import draws
from mse.answer.intervals import DEFAULT_LEVEL, check_level
from mse.answer.population import PopulationEstimate
from mse.answer.protocols import Fitted
from mse.comparing import Comparison
from mse.errors import ModelError
from mse.plots._canvas import BLUE, GRAY, RED, Head, Look, ink
from mse.plots._rows import Row, Rows, draw_rows
from mse.plots.words import Words, grid_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from mse.answer.protocols import Fit
    from mse.plots._canvas import Scale

#: An upper end so many times the point is drawn as an arrow: it would leave no room for the rest.
_FAR = 8.0
#: Letters of a model beyond which a picture does not name it.
_LONG = 60
#: Hatching of what is hidden for certain as far as the interval goes, and of what may be.
_SURE, _UNSURE = "/////", "..."


def population_of(thing: PopulationEstimate | Fit) -> PopulationEstimate:
    """Take the estimate of a fit, or the estimate itself."""
    found = getattr(thing, "population", thing)
    if not isinstance(found, PopulationEstimate):
        raise ModelError(
            f"{thing!r} has no estimate to draw; expected a PopulationEstimate or a fit."
        )
    return found


@draws(PopulationEstimate, Fitted)
def estimate(
    population: PopulationEstimate | Fit,
    *,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw an estimate: the observed part, the hidden part as far as it is known, and the total.

    The hidden part is hatched, densely up to the low end of the interval and lightly from there to
    its high end. The totals of the models near the best one stand below, where there are any.

    Parameters
    ----------
    population : PopulationEstimate or Fit
        Any estimate.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the interval.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea"))
    >>> ax = mse.plots.estimate(fit)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['registered', 'hidden, estimated', 'estimated total']
    """
    text, found = Words(words), population_of(population)
    far = found.interval(level)[1] > _FAR * found.total
    how = Rows(
        text,
        level,
        "linear",
        marks=(0.0, float(found.observed)),
        unit="persons",
        most=3 * found.total if far else math.inf,
    )
    reason = found.reason if math.isnan(found.total) else ""
    lines = ("; ".join(filter(None, _basis(found, level, text))), reason)
    head = Head(text("title_estimate"), lines, found.info, found.status)
    rows = _parts(found, level, text)
    return draw_rows(ax, rows, how, head, lambda drawn: _draw_parts(drawn, found, level))


def _basis(found: PopulationEstimate, level: float, words: Words) -> list[str]:
    """Name the method, what its interval is, and what that takes for granted."""
    if math.isnan(found.total):
        return [method_of(found)]
    kind = words.kind(found.interval_kind, level)
    return [method_of(found), kind, words.given(found.interval_given)]


def method_of(found: PopulationEstimate) -> str:
    """Name the method and its model, unless that is a long one."""
    model = found.model if len(found.model) <= _LONG else ""
    return " ".join(filter(None, (found.method, model)))


def _parts(found: PopulationEstimate, level: float, words: Words) -> list[Row]:
    """Rows of the observed, the hidden, the total, and the totals of models near the best one."""
    n, (low, high), bound = found.observed, found.interval(level), found.lower_bound
    hidden = Row(words("hidden"), found.hidden, low - n, high - n, lower_bound=bound)
    said, grid = Rows(words).said(hidden), grid_of(low, high, n)
    rows = [
        Row(words("observed"), status="", said=words.number(n)),
        # The bar takes the place of the interval, which would start at the wrong place.
        Row(hidden.label, status="" if said else found.status, said=said),
        Row(words("total"), found.total, low, high, found.status, lower_bound=bound, grid=grid),
    ]
    if found.allowing is not None:
        low, high = found.interval(level, "alike")
        alike = grid_of(low, high, n)
        rows.append(
            Row(words("total_alike"), found.total, low, high, style=(GRAY, "o"), grid=alike)
        )
    spread = found.model_range
    if spread is not None and spread.n_models > 1:
        label = words(
            "near_models",
            number=words.number(spread.n_models),
            within=f"{spread.within:g}",
            criterion=spread.criterion,
        )
        rows.append(Row(label, low=spread.low, high=spread.high, style=(RED, "o"), grid=grid))
    return rows


def _draw_parts(ax: Axes, found: PopulationEstimate, level: float) -> None:
    """Draw the bars of the observed and the hidden."""
    n, (low, high), end = found.observed, found.interval(level), ax.get_xlim()[1]
    ax.barh(0, n, height=0.56, color=BLUE, gid="observed")
    if math.isnan(low):
        return
    look: Look = {"facecolor": "none", "edgecolor": GRAY, "lw": 0.6, "gid": "hidden"}
    for start, stop, hatch in ((n, low, _SURE), (max(low, n), min(high, end), _UNSURE)):
        ax.barh(1, max(stop - start, 0.0), left=start, height=0.56, hatch=hatch, **look)
    if math.isfinite(found.hidden) and found.total <= end:
        ax.plot([found.total] * 2, [0.72, 1.28], color=ink(), lw=1.4, gid="point")


# Estimates side by side --------------------------------------------------------------------------


@draws(Comparison)
def forest(
    estimates: Comparison | Mapping[str, PopulationEstimate | Fit],
    *,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    scale: Scale = "auto",
    labels: Sequence[str] | None = None,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw estimates side by side, a row each with its interval.

    Parameters
    ----------
    estimates : Comparison, or mapping of str to PopulationEstimate or Fit
        The estimates, with their names in a mapping.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the intervals.
    scale : {"auto", "linear", "log"}, default "auto"
        Of the axis; by default logarithmic where the figures differ many times.
    labels : sequence of str, optional
        Names of the rows, in place of method, model and kind of interval.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If there are not as many labels as estimates, or nothing to draw.

    Examples
    --------
    >>> import mse
    >>> models = [mse.LogLinear("main"), mse.LogLinear("[12,23]")]
    >>> ax = mse.plots.forest(mse.compare(mse.load_dataset("korea"), models))
    >>> len(ax.get_yticklabels())
    2
    """
    text = Words(words)
    check_level(level)
    named = _named(estimates, level, labels, text)
    rows = [_named_row(label, found, level) for label, found in named]
    first, said, guide = named[0][1], "", {}
    if {found.observed for _, found in named} == {first.observed}:
        said = text("line_observed", number=text.number(first.observed))
        guide = {"x": float(first.observed), "lw": 1, "gid": "observed"}
    head = Head(text("title_methods"), (said,), first.info)
    return draw_rows(ax, rows, Rows(text, level, scale, guide=guide), head)


def _named_row(label: str, found: PopulationEstimate, level: float) -> Row:
    ends, bound = found.interval(level), found.lower_bound
    grid = grid_of(*ends, found.observed)
    return Row(label, found.total, *ends, found.status, lower_bound=bound, grid=grid)


def _named(
    estimates: Comparison | Mapping[str, PopulationEstimate | Fit],
    level: float,
    labels: Sequence[str] | None,
    words: Words,
) -> list[tuple[str, PopulationEstimate]]:
    """Pair estimates with the names of their rows."""
    if isinstance(estimates, Comparison):
        populations = list(estimates.populations)
        names = ["\n".join(_basis(each, level, words)[:2]) for each in populations]
    else:
        populations = [population_of(each) for each in estimates.values()]
        names = [str(name) for name in estimates]
    if not populations:
        raise ModelError("There is nothing to draw: expected at least one estimate.")
    names = names if labels is None else [str(label) for label in labels]
    if len(names) != len(populations):
        raise ModelError(
            f"labels has {len(names)} names for {len(populations)} estimates; expected one for each."
        )
    return list(zip(names, populations, strict=True))


def strata(
    population: PopulationEstimate | Fit,
    *,
    by: str | Sequence[str] | None = None,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    scale: Scale = "auto",
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw an estimate by stratum: a row each, with the registered persons and the interval.

    Parameters
    ----------
    population : PopulationEstimate or Fit
        An estimate with strata.
    by : str or sequence of str, optional
        Covariates; the others are summed over. By default all.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the intervals.
    scale : {"auto", "linear", "log"}, default "auto"
        Of the axis; by default logarithmic where the figures differ many times.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If the estimate has no strata, or not the named covariates.

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_array(
    ...     [[[0, 0], [9, 5]], [[8, 7], [4, 3]]], ["police", "care"], {"sex": ["f", "m"]}
    ... )
    >>> ax = mse.plots.strata(mse.LogLinear("police*sex + care*sex").fit(table))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['f', 'm']
    """
    text, found = Words(words), population_of(population)
    names = (by,) if isinstance(by, str) else tuple(by or ())
    if by is None and found.strata is not None:
        names = found.strata.names
    frame, bound = found.margin(*names, level=level), found.lower_bound
    rows = [
        replace(Row.of(" · ".join(str(row[name]) for name in names), row), lower_bound=bound)
        for row in frame.to_dict("records")
    ]
    kind = text.kind("lognormal" if found.stratum_draws is None else "quantiles", level)
    lines = (f"{method_of(found)}; {kind}", text("mark_observed"))
    head = Head(text("title_strata", names=" · ".join(names)), lines, found.info, found.status)
    # A line where the level of the first covariate changes.
    first = frame[names[0]].tolist() if len(names) > 1 else []
    cuts = [place for place in range(1, len(first)) if first[place] != first[place - 1]]
    return draw_rows(ax, rows, Rows(text, level, scale, cuts=cuts), head)
