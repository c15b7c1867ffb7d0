"""Figures of a report: what is drawn, and what can be seen in it said in words."""

from __future__ import annotations

import io
import math
from dataclasses import fields, is_dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from mse.answer.population import PopulationEstimate
from mse.bounding import DIFFERING, HIGHEST, Bounds, TippingPoints
from mse.data.table import CaptureTable
from mse.loglinear import LogLinearFit, LogLinearSearchFit
from mse.messages import MARK
from mse.monitoring.places import TOP
from mse.monitoring.result import columns
from mse.sensitivity import HighestOrder, LeaveOneOut, MergedLists, OddsRatio, model_range
from mse.words.catalogue import SOURCE
from mse.words.content import Block, Cell, Column, Figure, Table
from mse.words.monitors import SUPPRESSED, period_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from mse._typing import IntArray, Level
    from mse.classical.single_register import SingleRegisterFit
    from mse.data.count_table import CountTable
    from mse.data.patterns import TableInfo
    from mse.driving import Drivers
    from mse.monitoring import Monitor
    from mse.monitoring.draws import Figure as Estimated
    from mse.monitoring.places import Places
    from mse.reaching import Reach
    from mse.reporting.context import Context, Counts, Group


# Pictures by `mse.plots`, as text of an SVG file, in the language of the report -------------------


def drawn(
    context: Context, draw: Callable[..., Any], result: object, **options: Any
) -> tuple[str, str]:
    """Draw a result by a function of `mse.plots`, in the language of the report: SVG, and words for the caption.

    The same bytes come out whenever it is drawn of the same result.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    from mse.plots._canvas import captioned
    from mse.plots.words import rounding

    grid = context.grid() if context.say.rounds else None
    words = None if context.say.code == SOURCE else context.say.section("plots")
    # Identifiers inside are drawn at random without a salt; no window opens for a report.
    salted = mpl.rc_context({"svg.hashsalt": "mse"})
    with salted, plt.ioff(), rounding(grid), captioned() as said:
        ax = draw(said_in(context, result), words=words, **options)
        text = io.StringIO()
        try:
            ax.figure.savefig(text, format="svg", metadata={"Date": None})
        finally:
            plt.close(ax.figure)
    return text.getvalue(), "; ".join(said)


def said_in(context: Context, result: Any) -> Any:
    """Put what a result says of itself into the language of the report: subject and method."""
    say = context.say
    if say.code == SOURCE:
        return result
    match result:
        case CaptureTable():
            return result.with_info(**vars(_info(context, result.info)))
        case PopulationEstimate():
            return replace(
                result,
                method=say.said(result.method).text,
                reason=say.said(result.reason).text,
                info=_info(context, result.info),
            )
        case tuple() if type(result) is tuple:
            return tuple(said_in(context, each) for each in result)
        case dict():
            return {name: said_in(context, each) for name, each in result.items()}
        case _ if is_dataclass(result):
            return _within(context, result)
    return result


def _within(context: Context, result: Any) -> Any:
    """Look for tables and estimates in the parts of a result."""
    parts = [each.name for each in fields(result) if each.init and not each.name.startswith("_")]
    values = {name: getattr(result, name) for name in parts}
    said = {name: said_in(context, value) for name, value in values.items()}
    changes = {name: value for name, value in said.items() if value is not values[name]}
    return replace(result, **changes) if changes else result


def _info(context: Context, info: TableInfo) -> TableInfo:
    said = [
        context.described(text, info).text for text in (info.population, info.period, info.scope)
    ]
    return replace(info, population=said[0], period=said[1], scope=said[2])


# Figures of a report: what is drawn, and what can be seen in it said in words ---------------------

#: Histories drawn, and lists beyond which a picture would be too small to read.
MOST_HISTORIES, MOST_LISTS = 12, 14
#: Columns behind pictures of models, and of scenarios as far as they have them.
_OF_PAIRS = ("list_a", "list_b", "both", "expected", "odds_ratio", "low", "high")
_OF_MODELS = ("model", "difference", "total", "status")
_OF_SCENARIOS = (
    *("left_out", "list_a", "list_b", "quantity", "xi", "odds_ratio", "least", "most", "smallest"),
    *("largest", "modeled", "tips_at", "interval_from", "total", "low", "high", "status"),
)
#: Things named in the words of a figure.
MOST_NAMED = 8


def _figure(
    context: Context,
    key: str,
    picture: tuple[str, str],
    data: Iterable[Mapping[str, Any]],
    alt: str = "",
    **fields: Any,
) -> Figure:
    """Make a figure of a picture and the figures behind it; ``name`` is a field of the caption too."""
    svg, said = picture
    caption = ". ".join(filter(None, (context.say(f"figure.{key}", **fields), said)))
    behind = _behind(context.say(f"figure.{key}", **fields), [*data])
    return Figure(caption, alt or context.say(f"alt.{key}", **fields), svg, behind)


def _behind(caption: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Make a table of figures, under the names that frames of results have for them."""
    columns = tuple(Column(name) for name in (rows[0] if rows else ()))
    cells = tuple(tuple(Cell(str(each), _plain(each)) for each in row.values()) for row in rows)
    return Table(caption, columns, cells)


def _plain(value: Any) -> Any:
    """Take a number out of an array; nothing where there is none."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int | str | None) else str(value)


def _row(name: str, population: PopulationEstimate, context: Context) -> dict[str, Any]:
    low, high = population.interval(context.level)
    return {"name": name, "total": population.total, "low": low, "high": high}


def _columns(frame: pd.DataFrame, *names: str) -> list[Any]:
    """Take rows of a frame, as far as it has the columns."""
    return frame[[name for name in names if name in frame]].to_dict("records")


# Tables ------------------------------------------------------------------------------------------


def histories_figure(context: Context, counts: Counts) -> Iterator[Block]:
    """Draw the most frequent combinations of lists."""
    from mse.plots import upset

    if counts.table is None:
        yield context.left_out("figure.histories")
    elif counts.table.margins is None and len(counts.lists) <= MOST_LISTS:
        picture = drawn(context, upset, counts.table, most=MOST_HISTORIES)
        patterns, persons = _by_history(counts.table)
        rows = [
            {**dict(zip(counts.lists, pattern, strict=True)), "persons": n}
            for pattern, n in zip(patterns.tolist(), persons, strict=True)
        ]
        said = _histories_said(context, counts.table)
        yield _figure(context, "histories", picture, rows, said)


def _by_history(table: CaptureTable) -> tuple[IntArray, IntArray]:
    """Histories (H, K), -1 where membership is not known, and the persons with each."""
    patterns, at = np.unique(table.patterns[:, : table.n_lists], axis=0, return_inverse=True)
    return patterns, np.bincount(at.ravel(), table.low, len(patterns)).astype(np.int64)


def _histories_said(context: Context, table: CaptureTable) -> str:
    say = context.say
    patterns, persons = _by_history(table)
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
    said = say("alt.histories", n=len(order), largest="; ".join(parts))
    rest = order[MOST_NAMED:]
    if not rest.size:
        return said
    return f"{said} {say('alt.histories_rest', n=rest.size, persons=persons[rest].sum())}"


def overlaps_figure(context: Context, counts: Counts) -> Iterator[Block]:
    """Draw the overlaps of pairs of lists."""
    from mse.plots import overlap_heatmap

    if counts.table is None:
        yield context.left_out("figure.overlaps")
    elif counts.overlaps is not None and len(counts.lists) <= MOST_LISTS:
        for found in [each for each in context.given.overlaps if each.table == counts.table][:1]:
            picture = drawn(context, overlap_heatmap, found)
            rows = _columns(found.to_frame(), *_OF_PAIRS)
            yield _figure(context, "overlaps", picture, rows, _overlaps_said(context, counts))


def _overlaps_said(context: Context, counts: Counts) -> str:
    say = context.say
    pairs = [(counts.both(*pair), say.listed(pair)) for pair in combinations(counts.lists, 2)]
    pairs.sort(key=lambda pair: -pair[0])
    largest = "; ".join(f"{names} {say.number(n)}" for n, names in pairs[:MOST_NAMED] if n)
    said = say("alt.overlaps", largest=largest)
    empty = "; ".join([names for n, names in pairs if n == 0][:MOST_NAMED])
    return f"{said} {say('alt.overlaps_none', pairs=empty)}" if empty else said


# Estimates ---------------------------------------------------------------------------------------


def _span_said(context: Context, population: PopulationEstimate) -> str:
    """Interval and point of a total in words."""
    low, high = population.interval(context.level)
    n, bound = population.observed, population.lower_bound
    return _said(context, low, high, population.total, n, lower_bound=bound)


def _said(
    context: Context,
    low: float,
    high: float,
    point: float,
    least: float = 0.0,
    *,
    lower_bound: bool = False,
) -> str:
    say = context.say
    if math.isnan(point):
        return say("status.not_estimable")
    value = say.number(say.grid(low, high, least).point(point, -lower_bound))
    value = say("number.least", value=value) if lower_bound else value
    return f"{say.span(low, high, least)} ({say('number.point', value=value)})"


def population_figure(context: Context, population: PopulationEstimate) -> Iterator[Block]:
    """Draw the registered and the hidden part of an estimate."""
    from mse.plots import estimate

    say, n = context.say, population.observed
    low, high = population.interval(context.level)
    svg, _ = drawn(context, estimate, population, level=context.level)
    yield _figure(
        context,
        "estimate",
        # What its caption would say stands above it in the answer.
        (svg, ""),
        _parts(context, population),
        observed=say.number(n),
        hidden=_said(
            context, low - n, high - n, population.hidden, lower_bound=population.lower_bound
        ),
        total=_span_said(context, population),
        level=say.level(context.level),
    )


def _parts(context: Context, population: PopulationEstimate) -> list[dict[str, Any]]:
    """Rows of the registered, the estimate, and what else stands in its picture."""
    found = [_row("total", population, context)]
    if population.allowing is not None:
        found.append(_row("total if people were alike", population.alike, context))
    spread = population.model_range
    if spread is not None:
        low, high = map(context.persons, (spread.low, spread.high))
        found.append({"name": "models near the best", "total": None, "low": low, "high": high})
    return [*found, {"name": "registered", "total": population.observed, "low": None, "high": None}]


def draws_figure(context: Context, population: PopulationEstimate) -> Iterator[Block]:
    """Draw the draws of a total."""
    from mse.plots import density

    draws = population.drawn()
    known = np.zeros(0) if draws is None else draws[~np.isnan(draws)]
    if not known.size:
        return
    middle = [float(q) for q in np.quantile(known, (0.25, 0.75), method="inverted_cdf")]
    yield _figure(
        context,
        "draws",
        drawn(context, density, population, level=context.level),
        [{"total": each} for each in np.sort(known).tolist()],
        n=known.size,
        middle=context.range(*map(context.persons, middle)),
        level=context.say.level(context.level),
        total=_span_said(context, population),
    )


def graph_figure(context: Context, group: Group) -> Iterator[Block]:
    """Draw which lists depend on each other in the model."""
    from mse.plots import dependence_graph

    fit, lists = group.fit, group.population.lists
    if not isinstance(fit, LogLinearFit | LogLinearSearchFit) or not 2 < len(lists) <= MOST_LISTS:
        return
    if not group.first.is_given:
        return
    say, said, rows = context.say, [], []
    for name, value in fit.coefficients.items():
        pair = str(name).split(":")
        if len(pair) == 2 and set(pair) <= set(lists):
            ratio = say.general(math.exp(value))
            said.append(say("alt.odds", names=say.listed(pair), ratio=ratio))
            rows.append({"list_a": pair[0], "list_b": pair[1], "odds_ratio": math.exp(value)})
    pairs = "; ".join(said) or say("alt.none")
    yield _figure(context, "graph", drawn(context, dependence_graph, fit), rows, pairs=pairs)


def models_figure(context: Context, group: Group) -> Iterator[Block]:
    """Draw the models of a search: how good, and which total."""
    from mse.plots import model_uncertainty

    fit, spread, say = group.fit, group.population.model_range, context.say
    if fit is None or spread is None or not hasattr(fit, "models"):
        return
    yield _figure(
        context,
        "models",
        drawn(context, model_uncertainty, fit, level=context.level),
        _columns(model_range(fit, 2 * spread.within).to_frame(), *_OF_MODELS),
        n=spread.n_models,
        near=say("models.near", within=spread.within, criterion=spread.criterion),
        span=context.range(spread.low, spread.high),
        best=say.number(context.grid().point(group.population.total)),
    )


def strata_figure(
    context: Context, population: PopulationEstimate, name: str, frame: pd.DataFrame
) -> Iterator[Block]:
    """Draw the estimates by one covariate."""
    from mse.plots import strata

    if (frame["status"] == SUPPRESSED).any():
        yield context.left_out("figure.strata", name=name)
        return
    said = [
        f"{row[name]} {_said(context, row['low'], row['high'], row['total'], row['observed'])}"
        for row in frame.to_dict("records")
    ]
    svg = drawn(context, strata, population, by=name, level=context.level)
    rows = _columns(frame, name, "observed", "total", "low", "high", "status")
    yield _figure(context, "strata", svg, rows, name=name, rows=_joined(context, said))


def _joined(context: Context, said: Sequence[str], most: int = MOST_NAMED) -> str:
    """Put the first rows together, and count the rest."""
    rest = len(said) - most
    return "; ".join([*said[:most], *([context.say("alt.more", n=rest)] if rest > 0 else [])])


def methods_figure(context: Context, group: Group) -> Iterator[Block]:
    """Draw the estimates of all methods below each other."""
    from mse.plots import forest

    populations = [each.population for each in group.estimates]
    estimates = {f"{i}. {context.short(each)}": each for i, each in enumerate(populations, start=1)}
    rows = [f"{name} {_span_said(context, each)}" for name, each in estimates.items()]
    svg = drawn(context, forest, estimates, level=context.level)
    data = [_row(name, each, context) for name, each in estimates.items()]
    yield _figure(context, "methods", svg, data, rows=_joined(context, rows, 12))


# Monitor -----------------------------------------------------------------------------------------


def group_figure(context: Context, monitor: Monitor, name: str) -> Iterator[Block]:
    """Draw the estimated total of each level of a group, by period."""
    from mse.plots import trend

    last, levels = monitor.levels[-1], monitor.joint.strata.levels[name]
    cells = {
        (day, each): monitor.cells[day, ((name, each),)]
        for each in levels
        for day in monitor.levels
    }
    data = [
        {name: each, **_period(monitor, day, cell.figures["total"])}
        for (day, each), cell in cells.items()
    ]
    said = []
    for each in levels:
        found = cells[last, each].figures["total"]
        said.append(f"{each} {last} {_said(context, found.low, found.high, found.point)}")
    if monitor.has_estimate and len(said) <= MOST_NAMED:
        svg, level = drawn(context, trend, monitor, group=name), context.say.level(monitor.level)
        yield _figure(context, "group", svg, data, name=name, level=level, rows="; ".join(said))


def _period(monitor: Monitor, period: Level, figure: Estimated) -> dict[str, Any]:
    return {monitor.period: period, "point": figure.point, "low": figure.low, "high": figure.high}


def by_period_figure(
    context: Context, monitor: Monitor, key: str, quantity: str
) -> Iterator[Block]:
    """Draw the estimated total, or the registered share, by period."""
    from mse.plots import trend

    if not monitor.has_estimate:
        return
    say = context.say
    span = say.share_span if quantity == "coverage" else say.span
    said = []
    data = [
        _period(monitor, each, monitor.cells[each, ()].figures[quantity]) for each in monitor.levels
    ]
    for each in monitor.levels:
        point, low, high = monitor.cells[each, ()].figures[quantity]
        text = say("status.not_estimable") if math.isnan(point) else span(low, high)
        said.append(f"{period_name(say, monitor, each)} {text}")
    # The last periods are named; those before them are counted.
    shown = said[-2 * MOST_NAMED :]
    rows = _joined(context, [*shown, *said[: -len(shown)]], len(shown))
    svg = drawn(context, trend, monitor, quantity=quantity)
    yield _figure(context, key, svg, data, level=say.level(monitor.level), rows=rows)


def drivers_figure(context: Context, found: Drivers) -> Iterator[Block]:
    """Draw the largest contributions to a change."""
    from mse.plots import drivers

    data = [
        {
            "where": each.label,
            "change": each.change,
            **columns("by_size", each.by_size),
            **columns("by_share", each.by_share),
        }
        for each in found.largest[:MOST_NAMED]
    ]
    rows = [
        f"{each.label} {MARK if math.isnan(each.change) else context.say.signed(each.change)}"
        for each in found.largest[:MOST_NAMED]
    ]
    svg = drawn(context, drivers, found)
    yield _figure(
        context, "drivers", svg, data, rows="; ".join(rows), first=found.first, last=found.last
    )


def reach_figure(context: Context, found: Reach) -> Iterator[Block]:
    """Draw how soon a known group was reached."""
    from mse.plots import reach

    say = context.say
    data: list[Any] = found.curves[[*found.key, "days", "share", "low", "high"]].to_dict("records")
    rows = [
        f"{' '.join(str(row[name]) for name in found.key)} {say.percent(row['share'])}".strip()
        for row in found.to_frame().to_dict("records")
    ]
    svg = drawn(context, reach, found)
    days = say.general(found.within, 6)
    yield _figure(context, "reach", svg, data, days=days, rows="; ".join(rows[:MOST_NAMED]))


def counts_figure(context: Context, fit: SingleRegisterFit) -> Iterator[Block]:
    """Draw how often persons were seen, counted and expected."""
    from mse.plots import counts

    say = context.say
    data: list[Any] = fit.fitted.to_dict("records")
    rows = [
        f"{row['times']}: {say.number(row['observed'])}, {say.number(row['fitted'], 1)}"
        for row in data[:MOST_NAMED]
    ]
    yield _figure(context, "counts", drawn(context, counts, fit), data, rows="; ".join(rows))


def ratios_figure(context: Context, table: CountTable) -> Iterator[Block]:
    """Draw the ratios of neighboring counts."""
    from mse.plots import ratios

    found = table.frequencies
    data = [
        {"times": y, "ratio": (y + 1) * found[y + 1] / found[y]} for y in found if y + 1 in found
    ]
    rows = [f"{each['times']}: {context.say.general(each['ratio'])}" for each in data[:MOST_NAMED]]
    yield _figure(context, "ratios", drawn(context, ratios, table), data, rows="; ".join(rows))


def places_figure(context: Context, places: Places) -> Block:
    """Draw the ranks of the places with most persons."""
    from mse.plots import ranks

    frame = places.ranking().rename(columns={places.name: "place"})
    behind: list[Any] = frame.to_dict(orient="records")
    names = context.say.listed(map(str, places.candidates()), MOST_NAMED)
    svg = drawn(context, ranks, places)
    return _figure(context, "ranks", svg, behind, top=TOP, names=names)


# Sensitivity -------------------------------------------------------------------------------------


def sensitivity_figure(context: Context, found: Any) -> Iterator[Block]:
    """Draw the scenarios, where there is a picture of such a result that may be shown."""
    from mse import plots

    drawings: dict[type, tuple[str, Any]] = {
        LeaveOneOut: ("left_out", plots.leave_one_out),
        MergedLists: ("merged", plots.merged_lists),
        HighestOrder: ("highest_order", plots.highest_order),
        OddsRatio: ("odds_ratio", plots.odds_ratio),
        Bounds: ("bounds", plots.bounds),
        TippingPoints: ("tipping", plots.tipping_points),
    }
    # The pictures write estimates to the person, which rules that round do not allow.
    if type(found) not in drawings or context.rules.active:
        return
    name, draw = drawings[type(found)]
    frame, told = found.to_frame(), {}
    figure = next(each for each in ("total", "largest", "tips_at") if each in frame)
    if not frame[figure].notna().any():
        return
    if isinstance(found, TippingPoints):
        told = {"threshold": context.say.number(found.threshold)}
    said = [
        f"{_scenario(context, name, row)} {_ends_said(context, name, row)}"
        for row in frame.to_dict("records")
    ]
    rows = _joined(context, said, 2 * MOST_NAMED)
    data = _columns(frame, *_OF_SCENARIOS)
    yield _figure(context, name, drawn(context, draw, found), data, rows=rows, **told)


def _ends_said(context: Context, name: str, row: Any) -> str:
    if name == "tipping":
        return context.say.general(row["tips_at"]) if row["tips_at"] == row["tips_at"] else "-"
    if name == "bounds":
        return context.say.span(row["low"], row["high"])
    return _said(context, row["low"], row["high"], row["total"])


def _scenario(context: Context, name: str, row: Any) -> str:
    say = context.say
    if name == "left_out":
        return row["left_out"] or say("sensitivity.no_list")
    if name == "highest_order":
        return f"xi {say.general(row['xi'])}"
    pair = [each for each in (row["list_a"], row["list_b"]) if each]
    if name in ("bounds", "tipping"):
        known = {HIGHEST: "sensitivity.highest", DIFFERING: "plots.differing"}
        return say.listed(pair) or say(known[row["quantity"]])
    names = say.listed(pair) or say("sensitivity.no_pair")
    return names if name == "merged" else f"{names} {say.general(row['odds_ratio'])}"
