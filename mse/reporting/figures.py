"""Figures of a report: what is drawn, and what can be seen in it said in words."""

from __future__ import annotations

import io
import math
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mse.answer.population import PopulationEstimate
from mse.data.patterns import TableInfo
from mse.data.table import CaptureTable
from mse.loglinear import LogLinearFit, LogLinearSearchFit
from mse.sensitivity import HighestOrder, LeaveOneOut, MergedLists, OddsRatio
from mse.words.catalogue import SOURCE
from mse.words.content import Block, Figure, Paragraph, inline
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from mse.answer.shown import Result
    from mse.monitoring import Monitor
    from mse.reporting.context import Context, Counts, Group


# Pictures by `mse.plots`, as text of an SVG file, in the language of the report -------------------

_Result = TypeVar("_Result")


def drawn(context: Context, draw: Callable[..., Any], result: object, **options: Any) -> str:
    """Draw a result, its words in the language of the report.

    Parameters
    ----------
    context : Context
        With the language.
    draw : callable
        A function of `mse.plots`.
    result : object
        What it draws.
    **options
        Of the function.

    Returns
    -------
    str
        The picture, the same bytes whenever it is drawn of the same result.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    words = None if context.say.code == SOURCE else context.say.section("plots")
    # Identifiers inside are drawn at random without a salt; no window opens for a report.
    with mpl.rc_context({"svg.hashsalt": "mse"}), plt.ioff():
        ax = draw(said_in(context, result), words=words, **options)
        text = io.StringIO()
        try:
            ax.figure.savefig(text, format="svg", metadata={"Date": None})
        finally:
            plt.close(ax.figure)
    return text.getvalue()


def said_in(context: Context, result: _Result) -> _Result:
    """Put what a result says of itself into the language of the report: subject and method."""
    found: Any = result
    if context.say.code == SOURCE:
        return result
    match result:
        case CaptureTable():
            changes = {
                part.name: getattr(_info(context, result.info), part.name)
                for part in fields(TableInfo)
            }
            found = result.with_info(**changes)
        case PopulationEstimate():
            found = replace(
                result,
                method=context.sentences.say(result.method).text,
                reason=context.sentences.say(result.reason).text,
                info=_info(context, result.info),
            )
        case tuple():
            found = tuple(said_in(context, each) for each in result)
        case dict():
            found = {name: said_in(context, each) for name, each in result.items()}
        case _ if is_dataclass(result):
            found = _within(context, result)
    return found  # type: ignore[no-any-return]


def _within(context: Context, result: Any) -> Any:
    """Look for tables and estimates in the parts of a result."""
    changes = {}
    for part in fields(result):
        value = getattr(result, part.name)
        if part.init and not part.name.startswith("_"):
            said = said_in(context, value)
            if said is not value:
                changes[part.name] = said
    return replace(result, **changes) if changes else result


def _info(context: Context, info: TableInfo) -> TableInfo:
    population, period, scope = (
        context.described(text, info).text for text in (info.population, info.period, info.scope)
    )
    return replace(info, population=population, period=period, scope=scope)


# Figures of a report: what is drawn, and what can be seen in it said in words ---------------------

#: Histories drawn, and lists beyond which a picture would be too small to read.
MOST_HISTORIES, MOST_LISTS = 25, 14
#: Things named in the words of a figure.
MOST_NAMED = 8


def _figure(context: Context, name: str, alt: str, svg: str) -> Figure:
    return Figure(context.say(f"figure.{name}"), alt, svg)


# Tables ------------------------------------------------------------------------------------------


def histories_figure(context: Context, counts: Counts) -> Iterator[Block]:
    """Draw the most frequent combinations of lists."""
    from mse.plots import upset

    if counts.table is None:
        yield _withheld(context, "histories")
    elif counts.table.margins is None and len(counts.lists) <= MOST_LISTS:
        svg = drawn(context, upset, counts.table, most=MOST_HISTORIES)
        yield _figure(context, "histories", _histories_said(context, counts.table), svg)


def _withheld(context: Context, name: str) -> Block:
    """Say that a picture is left out, since it would show suppressed counts."""
    what = context.say(f"figure.{name}")
    return Paragraph(inline(context.say("disclosure.left_out", what=what)), "note")


def _histories_said(context: Context, table: CaptureTable) -> str:
    say = context.say
    patterns, at = np.unique(table.patterns[:, : table.n_lists], axis=0, return_inverse=True)
    persons = np.bincount(at.ravel(), table.low, len(patterns))
    order = np.argsort(-persons, kind="stable")
    parts = []
    for i in order[:MOST_NAMED].tolist():
        # With a question mark where membership is not known.
        on = [
            f"{name}{'?' if one < 0 else ''}"
            for name, one in zip(table.lists, patterns[i], strict=True)
            if one != 0
        ]
        who = say("alt.only", names=say.listed(on)) if len(on) < table.n_lists else say.listed(on)
        parts.append(f"{who} {say.number(persons[i])}")
    rest = max(len(order) - MOST_NAMED, 0)
    said = say("alt.histories", n=say.number(len(order)), largest="; ".join(parts))
    if not rest:
        return said
    left = persons[order[MOST_NAMED:]].sum()
    return f"{said} {say.counted('alt.histories_rest', rest, persons=say.number(left))}"


def overlaps_figure(context: Context, counts: Counts) -> Iterator[Block]:
    """Draw the overlaps of pairs of lists."""
    from mse.plots import overlap_heatmap

    if counts.table is None:
        yield _withheld(context, "overlaps")
        return
    if counts.overlaps is None or len(counts.lists) > MOST_LISTS:
        return
    given = [each for each in context.given.overlaps if each.table == counts.table]
    if not given and len(context.given.overlaps):
        return
    if given:
        svg = drawn(context, overlap_heatmap, given[0])
        yield _figure(context, "overlaps", _overlaps_said(context, counts), svg)


def _overlaps_said(context: Context, counts: Counts) -> str:
    say = context.say
    pairs = [
        (counts.both(first, second), say.listed([first, second]))
        for i, first in enumerate(counts.lists)
        for second in counts.lists[i + 1 :]
    ]
    pairs.sort(key=lambda pair: -pair[0])
    largest = "; ".join(f"{names} {say.number(n)}" for n, names in pairs[:MOST_NAMED] if n)
    said = say("alt.overlaps", largest=largest)
    empty = [names for n, names in pairs if n == 0]
    if not empty:
        return said
    return f"{said} {say('alt.overlaps_none', pairs='; '.join(empty[:MOST_NAMED]))}"


# Estimates ---------------------------------------------------------------------------------------


def _span_said(context: Context, population: PopulationEstimate) -> str:
    """Interval and point of a total in words."""
    low, high = population.interval(context.level)
    return _said(context, low, high, population.total, lower_bound=population.lower_bound)


def _said(
    context: Context, low: float, high: float, point: float, *, lower_bound: bool = False
) -> str:
    say = context.say
    if math.isnan(point):
        return say("status.not_estimable")
    value = say.number(point)
    value = say("number.least", value=value) if lower_bound else value
    return f"{say.span(low, high)} ({say('number.point', value=value)})"


def population_figure(context: Context, population: PopulationEstimate) -> Iterator[Block]:
    """Draw the registered and the hidden part of an estimate."""
    from mse.plots import estimate

    say, n = context.say, population.observed
    low, high = population.interval(context.level)
    alt = say(
        "alt.estimate",
        observed=say.number(n),
        hidden=_said(
            context, low - n, high - n, population.hidden, lower_bound=population.lower_bound
        ),
        total=_span_said(context, population),
        level=say.level(context.level),
    )
    svg = drawn(context, estimate, population, level=context.level)
    yield _figure(context, "estimate", alt, svg)


def draws_figure(context: Context, population: PopulationEstimate) -> Iterator[Block]:
    """Draw the draws of a total."""
    from mse.plots import density

    draws = np.zeros(0) if population.draws is None else population.draws
    known = draws[~np.isnan(draws)]
    if not known.size:
        return
    say = context.say
    middle = [float(q) for q in np.quantile(known, (0.25, 0.75), method="inverted_cdf")]
    alt = say(
        "alt.draws",
        n=say.number(known.size),
        middle=say.span(*map(context.persons, middle)),
        level=say.level(context.level),
        total=_span_said(context, population),
    )
    yield _figure(context, "draws", alt, drawn(context, density, population, level=context.level))


def graph_figure(context: Context, group: Group) -> Iterator[Block]:
    """Draw which lists depend on each other in the model."""
    from mse.plots import dependence_graph

    fit, lists = group.fit, group.population.lists
    if not isinstance(fit, LogLinearFit | LogLinearSearchFit) or not 2 < len(lists) <= MOST_LISTS:
        return
    if not group.first.is_given:
        return
    say, said = context.say, []
    for name, value in fit.coefficients.items():
        pair = str(name).split(":")
        if len(pair) == 2 and set(pair) <= set(lists):
            ratio = say.general(math.exp(value))
            said.append(say("alt.odds", names=say.listed(pair), ratio=ratio))
    alt = say("alt.graph", pairs="; ".join(said) or say("alt.none"))
    yield _figure(context, "graph", alt, drawn(context, dependence_graph, fit))


def models_figure(context: Context, group: Group) -> Iterator[Block]:
    """Draw the models of a search: how good, and which total."""
    from mse.plots import model_uncertainty

    fit, spread = group.fit, group.population.model_range
    if fit is None or spread is None or not hasattr(fit, "models"):
        return
    say = context.say
    alt = say(
        "alt.models",
        n=say.number(spread.n_models),
        near=say("models.near", within=say.general(spread.within), criterion=spread.criterion),
        span=say.span(spread.low, spread.high),
        best=say.number(group.population.total),
    )
    svg = drawn(context, model_uncertainty, fit, level=context.level)
    yield _figure(context, "models", alt, svg)


def strata_figure(
    context: Context, population: PopulationEstimate, name: str, frame: pd.DataFrame
) -> Iterator[Block]:
    """Draw the estimates by one covariate."""
    from mse.plots import strata

    say = context.say
    if (frame["status"] == SUPPRESSED).any():
        yield Paragraph(
            inline(say("disclosure.left_out", what=say("figure.strata", name=name))), "note"
        )
        return
    rows = frame.to_dict("records")
    said = [
        f"{row[name]} {_said(context, row['low'], row['high'], row['total'])}"
        for row in rows[:MOST_NAMED]
    ]
    alt = say("alt.strata", name=name, rows=_joined(context, said, len(rows)))
    svg = drawn(context, strata, population, by=name, level=context.level)
    yield Figure(say("figure.strata", name=name), alt, svg)


def _joined(context: Context, said: Sequence[str], of: int) -> str:
    rest = of - len(said)
    more = f"; {context.say('alt.more', n=context.say.number(rest))}" if rest > 0 else ""
    return "; ".join(said) + more


def methods_figure(context: Context, group: Group) -> Iterator[Block]:
    """Draw the estimates of all methods below each other."""
    from mse.plots import forest

    say = context.say
    estimates = {
        f"{i}. {context.method_name(each.population)} {each.population.model}".rstrip(): each.population
        for i, each in enumerate(group.estimates, start=1)
    }
    said = [f"{name} {_span_said(context, each)}" for name, each in list(estimates.items())[:12]]
    alt = say("alt.methods", rows=_joined(context, said, len(estimates)))
    svg = drawn(context, forest, estimates, level=context.level)
    yield _figure(context, "methods", alt, svg)


# Monitor -----------------------------------------------------------------------------------------


def trend_figure(context: Context, monitor: Monitor) -> Iterator[Block]:
    """Draw the estimated total by period."""
    yield from _by_period(context, monitor, "trend", "total")


def coverage_figure(context: Context, monitor: Monitor) -> Iterator[Block]:
    """Draw the registered share by period."""
    yield from _by_period(context, monitor, "coverage", "coverage")


def group_figure(context: Context, monitor: Monitor, name: str) -> Iterator[Block]:
    """Draw the estimated total of each level of a group, by period."""
    from mse.plots import trend

    say = context.say
    last = monitor.levels[-1]
    said = []
    for each in monitor.joint.strata.levels[name]:
        found = monitor.cells[last, ((name, each),)].figures["total"]
        said.append(f"{each} {last} {_said(context, found.low, found.high, found.point)}")
    if not monitor.has_estimate or len(said) > MOST_NAMED:
        return
    alt = say("alt.group", name=name, level=say.level(monitor.level), rows="; ".join(said))
    svg = drawn(context, trend, monitor, group=name)
    yield Figure(say("figure.group", name=name), alt, svg)


def _by_period(context: Context, monitor: Monitor, name: str, quantity: str) -> Iterator[Block]:
    from mse.plots import trend

    if not monitor.has_estimate:
        return
    say = context.say
    said = []
    for each in monitor.levels:
        found = monitor.cells[each, ()].figures[quantity]
        if math.isnan(found.point):
            text = say("status.not_estimable")
        elif quantity == "coverage":
            text = say.share_span(found.low, found.high)
        else:
            text = say.span(found.low, found.high)
        said.append(f"{each} {text}")
    shown = said[-2 * MOST_NAMED :]
    alt = say(
        f"alt.{name}", level=say.level(monitor.level), rows=_joined(context, shown, len(said))
    )
    yield _figure(context, name, alt, drawn(context, trend, monitor, quantity=quantity))


# Sensitivity -------------------------------------------------------------------------------------


def sensitivity_figure(context: Context, found: Result) -> Iterator[Block]:
    """Draw the scenarios, where there is a picture of such a result that may be shown."""
    from mse import plots

    drawings: dict[type, tuple[str, Any]] = {
        LeaveOneOut: ("left_out", plots.leave_one_out),
        MergedLists: ("merged", plots.merged_lists),
        HighestOrder: ("highest_order", plots.highest_order),
        OddsRatio: ("odds_ratio", plots.odds_ratio),
    }
    # The pictures write estimates to the person, which rules that round do not allow.
    if type(found) not in drawings or context.rules.active:
        return
    name, draw = drawings[type(found)]
    frame = found.to_frame()  # type: ignore[attr-defined]
    if not frame["total"].notna().any():
        return
    rows = frame.to_dict("records")
    said = [
        f"{_scenario(context, name, row)} {_said(context, row['low'], row['high'], row['total'])}"
        for row in rows[: 2 * MOST_NAMED]
    ]
    alt = context.say(f"alt.{name}", rows=_joined(context, said, len(rows)))
    yield _figure(context, name, alt, drawn(context, draw, found))


def _scenario(context: Context, name: str, row: Any) -> str:
    say = context.say
    if name == "left_out":
        return row["left_out"] or say("sensitivity.no_list")
    if name == "highest_order":
        return f"xi {say.general(row['xi'])}"
    pair = [each for each in (row["list_a"], row["list_b"]) if each]
    names = say.listed(pair) or say("sensitivity.no_pair")
    return names if name == "merged" else f"{names} {say.general(row['odds_ratio'])}"
