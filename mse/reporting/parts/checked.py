"""Diagnostics: the usual worries, and how well the model fits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from mse.answer.intervals import GIVEN_MODEL, RESELECTED
from mse.diagnostics import GoodnessOfFit, Influence, Residuals
from mse.reporting.figures import sensitivity_figure
from mse.sensitivity import HighestOrder, LeaveOneOut, MergedLists, NearModels, OddsRatio
from mse.words.content import Block, Cell, Column, Facts, Paragraph, Section, Table, inline
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping
    from typing import Any, TypeAlias

    from mse.answer.shown import Result
    from mse.diagnostics import CheckResult
    from mse.reporting.context import Context
    from mse.validation import Validation

    Row: TypeAlias = Mapping[Hashable, Any]

#: Histories shown of residuals and influence, the most telling ones.
MOST_HISTORIES = 12
#: What is shown of chains, with so many decimals.
_CHAINS = {"r_hat": 3, "ess_bulk": 0, "ess_tail": 0, "mcse_median": 3}


def diagnostics(context: Context) -> Section:
    """Say which worries there are reasons for, and how the model fits."""
    say, given = context.say, context.given
    blocks: list[Block] = []
    if given.checks:
        blocks.append(Paragraph(inline(say("diagnostics.intro"))))
        blocks.append(_checks(context, given.checks))
        if context.hides:
            blocks.append(Paragraph(inline(say("disclosure.checks")), "note"))
    blocks += _convergence(context)
    for each in given.diagnostics:
        blocks += _of(context, each)
    return Section("diagnostics", say("heading.diagnostics"), tuple(blocks))


def _convergence(context: Context) -> Iterator[Block]:
    """Say of each fit that sampled whether its chains agree."""
    say = context.say
    for each in context.given.estimates:
        frame = getattr(each.fit, "diagnostics", None)
        if not isinstance(frame, pd.DataFrame) or frame.empty or "r_hat" not in frame:
            continue
        known = [name for name in _CHAINS if name in frame]
        columns = (
            Column(say("column.quantity")),
            *(Column(say(f"column.{name}"), figures=True) for name in known),
        )
        rows = tuple(
            (
                Cell(str(index), str(index)),
                *(say.decimal_cell(float(row[name]), _CHAINS[name]) for name in known),
            )
            for index, row in frame.iterrows()
        )
        caption = say("caption.convergence", method=context.method_name(each.population))
        yield Table(caption, columns, rows, (say("convergence.note"),))


def _checks(context: Context, checks: tuple[CheckResult, ...]) -> Table:
    say = context.say
    columns = [Column(say("column.check")), Column(say("column.verdict"))]
    if not context.hides:
        # The words of a check name counts of single histories.
        columns.append(Column(say("column.found")))
    rows = []
    for each in checks:
        verdict = {True: "fine", False: "worry", None: "open"}[each.passed]
        row = [context.cell_of(each.name), Cell(say(f"verdict.{verdict}"), verdict)]
        if not context.hides:
            row.append(context.cell_of(each.text))
        rows.append(tuple(row))
    return Table(say("caption.checks"), tuple(columns), tuple(rows))


def _of(context: Context, found: Result) -> Iterator[Block]:
    say = context.say
    match found:
        case GoodnessOfFit():
            yield _fit(context, found)
            yield Paragraph(inline(say("fit.words")))
        case Residuals() | Influence() if context.hides:
            what = say("caption.residuals" if isinstance(found, Residuals) else "caption.influence")
            yield Paragraph(inline(say("disclosure.left_out", what=what)), "note")
        case Residuals():
            yield _residuals(context, found.to_frame())
        case Influence():
            yield Paragraph(
                inline(
                    say("influence.repeated" if found.reselected else "influence.kept"),
                    " ",
                    say("influence.total", total=say.number(context.persons(found.total))),
                )
            )
            yield _influence(context, found.to_frame())


def _fit(context: Context, found: GoodnessOfFit) -> Table:
    say = context.say
    columns = (
        Column(say("column.statistic")),
        Column(say("column.value"), figures=True),
        Column(say("column.df"), figures=True),
        Column(say("column.p_chi"), figures=True),
        Column(say("column.p_bootstrap"), figures=True),
    )
    rows = tuple(
        (
            Cell(say(f"fit.{str(row['statistic']).lower()}"), str(row["statistic"])),
            say.decimal_cell(row["value"]),
            say.count_cell(int(row["df"])),
            Cell(say.p_value(row["p_chi_squared"]), _number(row["p_chi_squared"])),
            Cell(say.p_value(row["p_bootstrap"], found.least_p), _number(row["p_bootstrap"])),
        )
        for row in found.to_frame().to_dict("records")
    )
    notes = []
    if found.sparse:
        notes.append(say.counted("fit.sparse", found.n_small))
    if found.df != found.df_residual:
        notes.append(say("fit.df", n=say.number(found.df_residual)))
    if found.replicates:
        notes.append(say("fit.replicates", n=say.number(found.replicates)))
    if found.seed is not None:
        notes.append(say("fit.seed", seed=found.seed))
    return Table(say("caption.fit", model=found.model), columns, rows, tuple(notes))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _names(frame: pd.DataFrame) -> list[str]:
    """Columns that say which history, and which stratum."""
    columns = [str(name) for name in frame.columns]
    return columns[: columns.index("observed")]


def _residuals(context: Context, frame: pd.DataFrame) -> Table:
    say = context.say
    order = frame["deviance"].abs().sort_values(ascending=False, kind="stable").index
    names = _names(frame)
    kinds = ("pearson", "deviance", "freeman_tukey")
    columns = (
        *_history_columns(context, names),
        Column(say("column.registered"), figures=True),
        Column(say("column.fitted"), figures=True),
        *(Column(say(f"column.{kind}"), figures=True) for kind in kinds),
    )
    rows = tuple(
        (
            *(Cell(str(row[name]), str(row[name])) for name in names),
            say.count_cell(int(row["observed"])),
            say.decimal_cell(row["fitted"], 1),
            *(say.decimal_cell(row[kind]) for kind in kinds),
        )
        for row in frame.loc[order[:MOST_HISTORIES]].to_dict("records")
    )
    notes = (say("residuals.note"), *_rest(context, frame))
    return Table(say("caption.residuals"), columns, rows, notes)


def _influence(context: Context, frame: pd.DataFrame) -> Table:
    say = context.say
    order = frame["change"].abs().sort_values(ascending=False, kind="stable").index
    names = _names(frame)
    columns = (
        *_history_columns(context, names),
        Column(say("column.registered"), figures=True),
        Column(say("column.total_without"), figures=True),
        Column(say("column.change"), figures=True),
        Column(say("column.status")),
    )
    rows = tuple(
        (
            *(Cell(str(row[name]), str(row[name])) for name in names),
            say.count_cell(int(row["observed"])),
            say.count_cell(row["total"]),
            Cell(_change(context, row), _finite(row["change"])),
            say.status_cell(row["status"]),
        )
        for row in frame.loc[order[:MOST_HISTORIES]].to_dict("records")
    )
    return Table(say("caption.influence"), columns, rows, _rest(context, frame))


def _change(context: Context, row: Mapping[Hashable, Any]) -> str:
    change = float(row["change"])
    if math.isinf(change):
        return context.say("number.without_bound")
    return context.say.signed(change, 1)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _history_columns(context: Context, names: list[str]) -> Iterator[Column]:
    for name in names:
        yield Column(context.say("column.history") if name == "history" else name)


def _rest(context: Context, frame: pd.DataFrame) -> tuple[str, ...]:
    rest = len(frame) - MOST_HISTORIES
    return (context.say.counted("table.more_rows", rest),) if rest > 0 else ()


# Validation: the lists as populations of known size -----------------------------------------------

#: Rows beyond this many are left out, and said to be.
MOST_ROWS = 60


def validation(context: Context) -> Section:
    """Say how well the methods find populations of known size."""
    say = context.say
    blocks: list[Block] = []
    for each in context.given.validations:
        blocks += _share_of(context, each)
    return Section("validation", say("heading.validation"), tuple(blocks))


def _share_of(context: Context, found: Validation) -> Iterator[Block]:
    say = context.say
    yield Paragraph(inline(say("validation.intro")))
    names = {repr(each): i for i, each in enumerate(found.estimators, start=1)}
    yield Facts(
        tuple(
            (
                say("validation.method", n=str(i)),
                inline(say("validation.bound", method=n) if found.is_bound(i - 1) else n),
            )
            for n, i in names.items()
        )
    )
    summed = found.by_estimator().reset_index().to_dict("records")
    columns = (
        Column(say("column.method")),
        Column(say("column.lists")),
        Column(say("column.estimated"), figures=True),
        Column(say("column.log_bias"), figures=True),
        Column(say("column.covered"), figures=True),
        Column(say("column.too_low"), figures=True),
        Column(say("column.too_high"), figures=True),
    )
    rows = tuple(_summed_row(context, row, names) for row in summed)
    yield Table(say("caption.validation"), columns, rows)
    yield _lists(context, found, names)


def _summed_row(
    context: Context, row: Mapping[Hashable, Any], names: Mapping[str, int]
) -> tuple[Cell, ...]:
    say = context.say
    covered = say(
        "validation.of", n=say.number(row["n_covered"]), of=say.number(row["n_intervals"])
    )
    bias = row["mean_log_bias"]
    return (
        Cell(str(names[row["estimator"]]), row["estimator"]),
        say.count_cell(int(row["n_lists"])),
        say.count_cell(int(row["n_estimated"])),
        Cell(say.signed(bias, 2), None if math.isnan(bias) else bias),
        Cell(covered, int(row["n_covered"])),
        say.count_cell(int(row["n_under"])),
        say.count_cell(int(row["n_over"])),
    )


def _lists(context: Context, found: Validation, names: Mapping[str, int]) -> Block:
    say = context.say
    if context.hides:
        what = say("caption.validation_lists")
        return Paragraph(inline(say("disclosure.left_out", what=what)), "note")
    columns = (
        Column(say("column.method")),
        Column(say("column.list")),
        Column(say("column.truth"), figures=True),
        Column(say("column.interval", level=say.level(found.level)), figures=True),
        Column(say("column.point"), figures=True),
        Column(say("column.verdict")),
    )
    frame = found.to_frame()
    rows = []
    for row in frame.head(MOST_ROWS).to_dict("records"):
        miss = row["miss"] or ("held" if row["covered"] is True else "")
        verdict = say(f"validation.{miss}") if miss else say.status_cell(row["status"]).text
        rows.append(
            (
                Cell(str(names[row["estimator"]]), row["estimator"]),
                Cell(row["list"], row["list"]),
                say.count_cell(int(row["truth"])),
                say.span_cell(row["low"], row["high"]),
                _estimated(context, row),
                Cell(verdict, miss or row["status"]),
            )
        )
    rest = len(frame) - MOST_ROWS
    notes = (say.counted("table.more_rows", rest),) if rest > 0 else ()
    return Table(say("caption.validation_lists"), columns, tuple(rows), notes)


def _estimated(context: Context, row: Mapping[Hashable, Any]) -> Cell:
    cell = context.say.count_cell(row["estimate"])
    if not row["lower_bound"]:
        return cell
    return replace(cell, text=context.say("number.least", value=cell.text))


# Sensitivity: the estimate under other lists, other assumptions and other models ------------------

#: Rows beyond this many are left out, and said to be.
MOST_VARIED = 40


def sensitivity(context: Context) -> Section:
    """Show how the estimate moves when what cannot be known is varied."""
    say = context.say
    parts = []
    for i, found in enumerate(context.given.sensitivities, start=1):
        name, builder = _BUILDERS[type(found)]
        blocks: list[Block] = [Paragraph(inline(say(f"sensitivity.{name}")))]
        if context.hides and _gives_away(context, found):
            what = say(f"heading.{name}")
            blocks.append(Paragraph(inline(say("disclosure.left_out", what=what)), "note"))
        else:
            blocks += builder(context, found)
        if context.pictures:
            blocks += sensitivity_figure(context, found)
        parts.append(Section(f"sensitivity-{i}", say(f"heading.{name}"), tuple(blocks)))
    return Section("sensitivity", say("heading.sensitivity"), sections=tuple(parts))


def _gives_away(context: Context, found: Result) -> bool:
    """Whether scenarios could not be shown even as factors: suppressed counts follow from them."""
    if any(each.status == SUPPRESSED for each in context.given.populations):
        return True
    if isinstance(found, NearModels):
        return True
    lists = len(context.given.lists)
    # From two lists the overlap can be computed, whatever is done with the estimate.
    fewest = lists - isinstance(found, LeaveOneOut | MergedLists)
    return fewest <= 2


def _left_out(context: Context, found: LeaveOneOut) -> Iterator[Block]:
    say = context.say
    frame = found.to_frame(context.level)
    head = [(say("column.left_out"), lambda row: _name(context, row["left_out"]))]
    if not context.hides:
        head.append((say("column.only_there"), lambda row: say.count_cell(int(row["only_there"]))))
    if not context.hides:
        yield from _extent(context, frame, "sensitivity.extent_lists")
    yield _table(context, frame, say("caption.left_out"), head, found.whole.total)


def _merged(context: Context, found: MergedLists) -> Iterator[Block]:
    say = context.say
    frame = found.to_frame(context.level)
    head = [(say("column.merged"), lambda row: _pair(context, row))]
    if not context.hides:
        yield from _extent(context, frame, "sensitivity.extent_pairs")
    yield _table(context, frame, say("caption.merged"), head, found.whole.total)


def _order(context: Context, found: HighestOrder) -> Iterator[Block]:
    say = context.say
    head = [("xi", lambda row: Cell(say.general(row["xi"]), row["xi"]))]
    total = found.population.total
    yield _table(context, found.to_frame(), say("caption.highest_order"), head, total)


def _odds(context: Context, found: OddsRatio) -> Iterator[Block]:
    say = context.say
    head = [
        (say("column.lists"), lambda row: _pair(context, row)),
        (say("column.odds"), lambda row: Cell(say.general(row["odds_ratio"]), row["odds_ratio"])),
    ]
    base = next((each.hidden for each in found.scenarios if each.value == 1), math.nan)
    total = found.table.n_observed + base
    yield _table(context, found.to_frame(), say("caption.odds_ratio"), head, total)


def _near(context: Context, found: NearModels) -> Iterator[Block]:
    say = context.say
    frame = found.to_frame()
    near = say("models.near", within=say.general(found.within), criterion=found.criterion)
    low, high = context.persons(found.low), context.persons(found.high)
    if found.n_models == 1:
        text = say("models.one", near=near, total=say.number(low))
    elif found.n_models:
        n = say.number(found.n_models)
        text = say("models.range", n=n, near=near, span=say.span(low, high))
    else:
        text = say("models.none", near=near)
    if found.n_not_estimable:
        text += " " + say.counted("models.failed", found.n_not_estimable)
    yield Paragraph(inline(text))
    yield Paragraph(inline(say("models.alike")))
    columns = [Column(say("column.model"))]
    if not context.hides:
        columns.append(Column(say("column.difference", criterion=found.criterion), figures=True))
    columns += [Column(say("column.point"), figures=True), Column(say("column.status"))]
    rows = []
    for row in frame.head(MOST_VARIED).to_dict("records"):
        cells = [Cell(str(row["model"]), str(row["model"]))]
        if not context.hides:
            cells.append(say.decimal_cell(row["difference"]))
        cells += [context.count_cell(row["total"]), say.status_cell(row["status"])]
        rows.append(tuple(cells))
    yield Table(say("caption.near"), tuple(columns), tuple(rows), _rest_of_rows(context, frame))


_BUILDERS: dict[type[Result], tuple[str, Callable[[Context, Any], Iterator[Block]]]] = {
    LeaveOneOut: ("left_out", _left_out),
    MergedLists: ("merged", _merged),
    HighestOrder: ("highest_order", _order),
    OddsRatio: ("odds_ratio", _odds),
    NearModels: ("near", _near),
}


def _table(
    context: Context,
    frame: pd.DataFrame,
    caption: str,
    head: list[tuple[str, Callable[[Row], Cell]]],
    base: float,
) -> Table:
    """Make a table of scenarios: what was varied, then interval, point, factor and status."""
    say = context.say
    columns = [Column(name, figures=i > 0) for i, (name, _) in enumerate(head)]
    if not context.hides:
        columns.append(Column(context.interval_heading, figures=True))
        columns.append(Column(say("column.point"), figures=True))
        columns.append(Column(say("column.interval_kind")))
    columns += [Column(say("column.factor"), figures=True), Column(say("column.status"))]
    rows = []
    for row in frame.head(MOST_VARIED).to_dict("records"):
        cells = [make(row) for _, make in head]
        if not context.hides:
            cells.append(context.span_cell(row["low"], row["high"]))
            cells.append(context.count_cell(row["total"]))
            cells.append(_kind(context, row))
        cells += [say.decimal_cell(round(row["total"] / base, 2)), say.status_cell(row["status"])]
        rows.append(tuple(cells))
    notes = (*_rest_of_rows(context, frame), *_granted(context, frame))
    if context.hides:
        notes = (*notes, say("disclosure.factors"))
    return Table(caption, tuple(columns), tuple(rows), notes)


def _kind(context: Context, row: Row) -> Cell:
    """Name the kind of interval of a row and what it takes for granted."""
    kind = str(row["interval_kind"])
    if not kind or math.isnan(row["low"]):
        return Cell("-")
    return Cell(context.kind_named(kind, str(row.get("given", ""))), kind)


def _granted(context: Context, frame: pd.DataFrame) -> Iterator[str]:
    """Say where the intervals of a table take more for granted than the one of the answer."""
    if context.hides or frame["low"].isna().all():
        return
    if "given" not in frame:
        yield context.say("sensitivity.given_value")
        return
    chosen = {each.interval_given for each in context.given.populations[:1]}
    if GIVEN_MODEL in set(frame["given"]) and RESELECTED in chosen:
        yield context.say("sensitivity.given_model")


def _rest_of_rows(context: Context, frame: pd.DataFrame) -> tuple[str, ...]:
    rest = len(frame) - MOST_VARIED
    return (context.say.counted("table.more_rows", rest),) if rest > 0 else ()


def _name(context: Context, name: str) -> Cell:
    return Cell(name, name) if name else Cell(context.say("sensitivity.no_list"), "")


def _pair(context: Context, row: Row) -> Cell:
    if not row["list_a"]:
        return Cell(context.say("sensitivity.no_pair"), "")
    return Cell(context.say.listed([row["list_a"], row["list_b"]]))


def _extent(context: Context, frame: pd.DataFrame, key: str) -> Iterator[Block]:
    """Say how far apart the totals are; the first row is that of the whole table."""
    totals = [float(total) for total in frame["total"].iloc[1:] if not math.isnan(total)]
    if totals:
        span = context.say.span(context.persons(min(totals)), context.persons(max(totals)))
        yield Paragraph(inline(context.say(key, span=span)))
