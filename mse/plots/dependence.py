"""Graph of dependences between lists: circles are lists, lines interactions of pairs of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from mse.bayes.base import BayesianFit
from mse.errors import ModelError
from mse.loglinear import LogLinearFit, LogLinearSearchFit
from mse.models.terms import HierarchicalModel
from mse.plots import _canvas as draw
from mse.plots._canvas import BLUE, GRAY, PALE, RED, SMALL, Head, Look, inches, ink, width_of
from mse.plots.sizes import method_of
from mse.plots.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

Strength: TypeAlias = Literal["coefficient", "share"]
_Term: TypeAlias = tuple[int, ...]
_Place: TypeAlias = tuple[float, float]

#: Inches from the middle to a circle in a figure of our own; letters in a line of a name.
_RADIUS, _NAME = 2.1, 18
#: Lines and areas that are labeled at most: the strongest.
_LABELED = 24
#: Coefficients from here on have the widest line, points; shares of 1 too.
_STRONG, _WIDEST, _THINNEST = 3.0, 6.5, 1.0
#: Where along a line its label may stand, the preferred place first.
_PLACES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73)
#: Shares below this are left out.
_LEAST_SHARE = 0.05


class _Graph(NamedTuple):
    """Lists, and how strongly each set of two or more of them hangs together."""

    lists: tuple[str, ...]
    # By positions of lists: shares; or on the log scale, -inf where nobody has the combination, NaN where
    # it is not known.
    terms: Mapping[_Term, float]
    sizes: tuple[int, ...] = ()  # persons on each list, where they are known
    head: Head = Head("")


def dependence_graph(
    source: LogLinearFit
    | LogLinearSearchFit
    | BayesianFit
    | HierarchicalModel
    | Mapping[Any, float],
    *,
    ax: Axes | None = None,
    lists: Sequence[str] | None = None,
    strength: Strength | None = None,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw which lists depend on each other: a line for each pair, an area for three or more.

    Of a log-linear fit, lines are as wide as their coefficient is large, solid where being on both
    is more likely than under independence and dashed where it is less; they are labeled with the
    odds ratio. Of shares, such as posterior probabilities that an interaction is there, lines are as
    wide as the share.

    Parameters
    ----------
    source : LogLinearFit, LogLinearSearchFit, DecomposableGraphs fit, HierarchicalModel or mapping
        A fit, of a search the best one; a model; or a mapping (or Series) from pairs or larger sets of
        lists to their strength, ``{("police", "care"): 0.9}`` or ``{"police:care": 0.9}``.
    ax : Axes, optional
        Where to draw; a new figure by default.
    lists : sequence of str, optional
        The lists of a mapping and their order around the circle; by default those that occur.
    strength : {"share", "coefficient"}, optional
        What the numbers of a mapping are: shares by default, or coefficients on the log scale.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If the source is of another kind, or names a list that is not among ``lists``.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea"))
    >>> ax = mse.plots.dependence_graph(fit)
    >>> sum(line.get_gid() == "pair" for line in ax.lines)
    2
    """
    text = Words(words)
    if isinstance(source, Mapping) or hasattr(source, "items"):
        graph, strength = _graph_of_mapping(source, lists), strength or "share"
    elif isinstance(source, BayesianFit) and hasattr(source, "edges"):
        shares = _graph_of_mapping(source.edges["probability"].dropna(), source.table.lists)
        graph, strength = _graph_of_fit(source, source.table.lists, shares.terms), "share"
    else:
        graph, strength = _graph_of(source, text), "coefficient"
    lines = (*graph.head.lines, *_notes(graph, strength, text))
    head = graph.head._replace(title=text("title_graph"), lines=lines)
    names = [draw.wrapped(name, _NAME) for name in graph.lists]
    if graph.sizes:
        names = [f"{names[i]}\n{text.number(size)}" for i, size in enumerate(graph.sizes)]
    side = 2 * (_RADIUS + 0.55)
    wide = side + 2 * width_of(names)
    if draw.is_captioned():
        side, wide = side - max(wide - draw.NARROW, 0.0), min(wide, draw.NARROW)
    size = (wide, side + draw.height_of(head, text, wide - 0.3))
    with draw.canvas(ax, size, 0.3) as (drawn, room):
        places = _circle(drawn, names, (room, side) if ax is None else inches(drawn))
        _draw_areas(drawn, graph, places)
        _draw_lines(drawn, graph, places, strength)
        _label_terms(drawn, graph, places, strength, text)
        _draw_lists(drawn, places, names)
        draw.headed(drawn, head, text, room)
    return drawn


# What to draw --------------------------------------------------------------------------------------


def _graph_of(source: Any, words: Words) -> _Graph:
    """Read the interactions of a fit or a model."""
    if isinstance(source, HierarchicalModel):
        names, terms = source.axes[: source.n_lists], dict.fromkeys(_among(source), math.nan)
        return _Graph(names, terms, head=Head("", (str(source),)))
    fit = source.best if isinstance(source, LogLinearSearchFit) else source
    if not isinstance(fit, LogLinearFit):
        raise ModelError(
            f"{source!r} has no interactions to draw; expected a log-linear fit, a model, or a mapping "
            "from pairs of lists to numbers."
        )
    model, values = fit.structure, fit.coefficients
    terms = {term: float(values.get(model.term_name(term), math.nan)) for term in _among(model)}
    more = words("graph_covariates") if fit.table.covariates else ""
    return _graph_of_fit(fit, fit.table.lists, terms, more)


def _graph_of_fit(
    fit: Any, lists: tuple[str, ...], terms: Mapping[_Term, float], more: str = ""
) -> _Graph:
    """Put to the interactions what a fit says of itself, and the persons on each list."""
    totals = np.diag(fit.table.overlaps().to_numpy(dtype=np.float64, na_value=0.0))
    head = Head("", (method_of(fit.population), more), fit.table.info, fit.status)
    return _Graph(lists, terms, tuple(map(int, totals)), head)


def _among(model: HierarchicalModel) -> Iterator[_Term]:
    """Interactions of lists alone."""
    for term in model.terms:
        if len(term) > 1 and max(term) < model.n_lists:
            yield term


def _graph_of_mapping(source: Any, lists: Sequence[str] | None) -> _Graph:
    named = {
        tuple(key.split(":")) if isinstance(key, str) else tuple(key): float(value)
        for key, value in source.items()
    }
    found = tuple(dict.fromkeys(name for key in named for name in key))
    names = found if lists is None else tuple(lists)
    unknown = [name for name in found if name not in names]
    short = [key for key in named if len(set(key)) < 2]
    if unknown or short or not names:
        wrong = f"the list {unknown[0]!r}" if unknown else f"{short[0] if short else 'nothing'!r}"
        raise ModelError(
            f"The mapping has {wrong}; expected sets of two or more of the lists {', '.join(names)}."
        )
    terms = {
        tuple(sorted(names.index(name) for name in key)): value
        for key, value in named.items()
        if not abs(value) < _LEAST_SHARE
    }
    return _Graph(names, terms)


def _notes(graph: _Graph, strength: Strength, words: Words) -> Iterator[str]:
    """Explain lines, areas and labels."""
    yield words("graph_shares" if strength == "share" else "graph_odds")
    if any(len(term) > 2 for term in graph.terms):
        yield words("graph_areas")
    if len(graph.terms) > _LABELED:
        number, of = words.number(_LABELED), words.number(len(graph.terms))
        yield words("graph_labeled", number=number, of=of)


# Drawing -------------------------------------------------------------------------------------------


def _circle(ax: Axes, names: Sequence[str], extent: tuple[float, float]) -> list[_Place]:
    """Set the axes so that the names have room around a circle of radius 1; places on it."""
    width, height = extent
    room = min(width / 2 - width_of(names) - 0.3, height / 2 - 0.55)
    unit = max(room, 0.2 * min(width, height))
    ax.set_axis_off()
    # At the top of its place: layouts take the room for the title from there.
    ax.set_aspect("equal", anchor="N")
    x, y = width / 2 / unit, height / 2 / unit
    ax.set(xlim=(-x, x), ylim=(-y, y))
    angles = [math.pi / 2 - 2 * math.pi * i / len(names) for i in range(len(names))]
    return [(math.cos(angle), math.sin(angle)) for angle in angles]


def _draw_lists(ax: Axes, places: Sequence[_Place], names: Sequence[str]) -> None:
    for (x, y), name in zip(places, names, strict=True):
        ax.plot(x, y, "o", ms=13, mfc=ax.get_facecolor(), mec=ink(), mew=1.4, zorder=4, gid="list")
        if abs(x) < 0.2:
            offset, ha, va = (0.0, math.copysign(11, y)), "center", "bottom" if y > 0 else "top"
        else:
            offset, ha, va = (math.copysign(11, x), 0.0), "left" if x > 0 else "right", "center"
        look: Look = {"fontsize": draw.FONT, "zorder": 5, "gid": "name"}
        draw.said_at(ax, name, (x, y), offset, ha=ha, va=va, **look)


def _draw_areas(ax: Axes, graph: _Graph, places: Sequence[_Place]) -> None:
    from matplotlib.patches import Polygon

    hatches = cycle(("//", "\\\\", "..", "xx", "--", "||"))
    look: Look = {"facecolor": PALE, "edgecolor": GRAY, "lw": 0.8, "zorder": 1, "gid": "area"}
    for term in graph.terms:
        if len(term) > 2:
            ax.add_patch(Polygon([places[at] for at in term], hatch=next(hatches), **look))


def _draw_lines(ax: Axes, graph: _Graph, places: Sequence[_Place], strength: Strength) -> None:
    # The weakest first, and faint, so that they do not hide the others.
    for term in sorted(graph.terms, key=lambda each: _size(graph.terms[each])):
        if len(term) == 2:
            value = graph.terms[term]
            color, style, width = _look(value, strength)
            faint = 0.25 + 0.75 * min(abs(value), 1.0) if strength == "share" else 1.0
            (x1, y1), (x2, y2) = (places[at] for at in term)
            look: Look = {"color": color, "ls": style, "lw": width, "alpha": faint, "gid": "pair"}
            ax.plot([x1, x2], [y1, y2], zorder=2, **look)


def _look(value: float, strength: Strength) -> tuple[str, str, float]:
    """Color, style and width of a line."""
    if not math.isfinite(value):
        return GRAY, ":", 1.6
    strong = 1.0 if strength == "share" else _STRONG
    width = _THINNEST + (_WIDEST - _THINNEST) * min(abs(value) / strong, 1.0)
    return (BLUE, "-", width) if value >= 0 or strength == "share" else (RED, "--", width)


def _label_terms(
    ax: Axes, graph: _Graph, places: Sequence[_Place], strength: Strength, words: Words
) -> None:
    """Label the strongest terms where their labels do not meet."""
    box: Look = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.8, "alpha": 0.9}
    look: Look = {"ha": "center", "va": "center", "fontsize": SMALL, "color": ink(), "bbox": box}
    unit = inches(ax)[0] / (ax.get_xlim()[1] - ax.get_xlim()[0])
    taken: list[tuple[float, float, float]] = []
    order = sorted(graph.terms, key=lambda term: (len(term) == 2, -_size(graph.terms[term])))
    for term in order[:_LABELED]:
        said = _said(graph.terms[term], strength, words)
        if not said:
            continue
        half = width_of([said], SMALL) / 2 / unit + 0.03
        x, y = _free_place([places[at] for at in term], half, 0.09 / unit, taken)
        taken.append((x, y, half))
        ax.text(x, y, said, zorder=3, gid="strength", **look)


def _size(value: float) -> float:
    return math.inf if math.isinf(value) else 0.0 if math.isnan(value) else abs(value)


def _said(value: float, strength: Strength, words: Words) -> str:
    if math.isnan(value):
        return ""
    if strength == "share":
        return words.share(value)
    return f"\N{MULTIPLICATION SIGN}{words.ratio(math.exp(value)) if value > -math.inf else 0}"


def _free_place(
    corners: Sequence[_Place], half: float, tall: float, taken: Sequence[tuple[float, float, float]]
) -> _Place:
    """Find a place on a line, or in an area, for a label that meets no other one."""
    if len(corners) > 2:
        across, up = (float(part) for part in np.mean(corners, axis=0))
        options = [
            (across + shift * (x - across), up + shift * (y - up))
            for shift in (0.0, 0.25, 0.45)
            for x, y in corners
        ]
    else:
        (x1, y1), (x2, y2) = corners
        options = [(x1 + at * (x2 - x1), y1 + at * (y2 - y1)) for at in _PLACES]
    for x, y in options:
        if all(abs(x - a) > half + b or abs(y - c) > 2 * tall for a, c, b in taken):
            return x, y
    return options[0]
