"""Checked: the usual worries, how well the model fits, validation, and scenarios."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from mse.answer.intervals import GIVEN_MODEL, RESELECTED
from mse.bounding import SHARES, Bounds, Moved, TippingPoints, WhatIf
from mse.diagnostics import GoodnessOfFit, Influence, Residuals
from mse.disclosure.jointly import magnitude
from mse.reporting.context import from_row, label
from mse.reporting.figures import sensitivity_figure
from mse.reporting.parts.estimates import range_paragraph
from mse.sensitivity import HighestOrder, LeaveOneOut, MergedLists, NearModels, OddsRatio
from mse.words.catalogue import finite
from mse.words.content import Block, Bullets, Cell, Column, Facts, Paragraph, Section, Table, inline
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import Any

    from mse.answer.shown import Result
    from mse.diagnostics import CheckResult
    from mse.reporting.context import Context, Row, Shown
    from mse.validation import Validation

#: Histories shown of residuals and influence, the most telling ones.
MOST_HISTORIES = 12
#: What is shown of chains, with so many decimals.
_CHAINS = {"r_hat": 3, "ess_bulk": 0, "ess_tail": 0, "mcse_median": 3}
#: The step of the estimate itself.
MIDDLE = len(SHARES) // 2
_VERDICTS = {True: "fine", False: "worry", None: "open"}


def diagnostics(context: Context) -> Section:
    """Say which worries there are reasons for, and how the model fits."""
    given = context.given
    blocks: list[Block] = []
    if given.checks:
        blocks.append(_checks(context, given.checks))
        if context.hides:
            blocks.append(context.paragraph("disclosure.checks", "note"))
    blocks += _convergence(context)
    for each in given.diagnostics:
        blocks += _of(context, each)
    return Section("diagnostics", context.say("heading.diagnostics"), tuple(blocks))


def worries(context: Context) -> Section:
    """Name the checks that give reason to worry."""
    worrying = [each for each in context.given.checks if each.passed is False]
    said = [context.say.said(each.name) for each in worrying]
    found = [context.say.said(each.text) for each in worrying]
    items = tuple(
        # The words of a check name counts of single histories.
        inline(name) if context.hides else inline(name, ": ", text)
        for name, text in zip(said, found, strict=True)
    )
    blocks = (context.paragraph("diagnostics.intro"), Bullets(items)) if items else ()
    return Section("worries", context.say("heading.worries"), blocks)


def _convergence(context: Context) -> Iterator[Block]:
    """Say of each fit that sampled whether its chains agree."""
    say = context.say
    for each in context.given.estimates:
        frame = getattr(each.fit, "diagnostics", None)
        if not isinstance(frame, pd.DataFrame) or frame.empty or "r_hat" not in frame:
            continue
        names = [name for name in _CHAINS if name in frame]
        if context.hides:
            # Their digits are those of the draws, against which tables could be tried out.
            names = [name for name in names if name != "mcse_median"]
            frame = frame[names].assign(
                **{
                    name: frame[name].round(2) if name == "r_hat" else frame[name].map(magnitude)
                    for name in names
                }
            )
        columns = [context.words("quantity", from_row("quantity"))]
        columns += [
            context.figures(name, from_row(name, partial(say.decimal_cell, digits=_CHAINS[name])))
            for name in names
        ]
        caption = say("caption.convergence", method=context.named(each.population.method))
        rows = frame.rename_axis("quantity").reset_index()
        yield context.table(caption, columns, rows, (say("convergence.note"),))


def _checks(context: Context, checks: tuple[CheckResult, ...]) -> Table:
    say = context.say

    def verdict(each: CheckResult) -> Cell:
        name = _VERDICTS[each.passed]
        return Cell(say(f"verdict.{name}"), name)

    columns = [
        context.words("check", lambda each: context.cell_of(each.name)),
        context.words("verdict", verdict),
    ]
    if not context.hides:
        # The words of a check name counts of single histories.
        columns.append(context.words("found", lambda each: context.cell_of(each.text)))
    return context.table(say("caption.checks"), columns, checks)


def _of(context: Context, found: Result) -> Iterator[Block]:
    say = context.say
    match found:
        case GoodnessOfFit() if context.hides:
            # Any table could be tried out against measures of fit.
            yield context.left_out("caption.fit", model=found.model)
        case GoodnessOfFit():
            yield _fit(context, found)
            yield context.paragraph("fit.words")
        case Residuals():
            yield (
                context.left_out("caption.residuals")
                if context.hides
                else _residuals(context, found.to_frame())
            )
        case Influence() if context.hides:
            yield context.left_out("caption.influence")
        case Influence():
            how = say("influence.repeated" if found.reselected else "influence.kept")
            total = say("influence.total", total=say.number(context.persons(found.total)))
            yield Paragraph(inline(how, " ", total))
            yield _influence(context, found.to_frame())


def _fit(context: Context, found: GoodnessOfFit) -> Table:
    say = context.say

    def statistic(row: Row) -> Cell:
        name = str(row["statistic"])
        return Cell(say(f"fit.{name.lower()}"), name)

    def p_value(name: str, least: float = 0.0) -> Callable[[Row], Cell]:
        return lambda row: Cell(say.p_value(row[name], least), finite(row[name]))

    columns = [
        context.words("statistic", statistic),
        context.figures("value", from_row("value", say.decimal_cell)),
        context.figures("df", from_row("df", say.count_cell)),
        context.figures("p_chi", p_value("p_chi_squared")),
        context.figures("p_bootstrap", p_value("p_bootstrap", found.least_p)),
    ]
    notes = {
        "fit.sparse": found.n_small if found.sparse else None,
        "fit.df": found.df_residual if found.df != found.df_residual else None,
        "fit.replicates": found.replicates or None,
        "fit.seed": found.seed,
    }
    said = [say(key, n=n) for key, n in notes.items() if n is not None]
    return context.table(say("caption.fit", model=found.model), columns, found.to_frame(), said)


def _histories(
    context: Context, frame: pd.DataFrame, by: str, *shown: Shown
) -> tuple[list[Shown], pd.DataFrame]:
    """Columns that say which history and stratum, then others; and the rows, the most telling first."""
    names = [str(name) for name in frame.columns]
    names = names[: names.index("observed")]
    columns = context.named_columns(names)
    if "history" in names:
        at = names.index("history")
        columns[at] = context.words("history", columns[at][1])
    order = frame[by].abs().sort_values(ascending=False, kind="stable").index
    registered = context.figures("registered", from_row("observed", context.say.count_cell))
    return [*columns, registered, *shown], frame.loc[order[:MOST_HISTORIES]]


def _residuals(context: Context, frame: pd.DataFrame) -> Table:
    say = context.say
    kinds = (
        context.figures(kind, from_row(kind, say.decimal_cell))
        for kind in ("pearson", "deviance", "freeman_tukey")
    )
    fitted = context.figures("fitted", from_row("fitted", partial(say.decimal_cell, digits=1)))
    columns, rows = _histories(context, frame, "deviance", fitted, *kinds)
    notes = (say("residuals.note"), *context.rest(frame, MOST_HISTORIES))
    return context.table(say("caption.residuals"), columns, rows, notes)


def _influence(context: Context, frame: pd.DataFrame) -> Table:
    say = context.say

    def change(row: Row) -> Cell:
        value = float(row["change"])
        unbounded = math.isinf(value)
        return Cell(
            say("number.without_bound") if unbounded else say.signed(value, 1), finite(value)
        )

    columns, rows = _histories(
        context,
        frame,
        "change",
        context.figures("total_without", from_row("total", say.count_cell)),
        context.figures("change", change),
        context.status_column(),
    )
    notes = context.rest(frame, MOST_HISTORIES)
    return context.table(say("caption.influence"), columns, rows, notes)


# Validation: the lists as populations of known size -----------------------------------------------

#: Rows beyond this many are left out, and said to be.
MOST_ROWS = 60


def validation(context: Context) -> Section:
    """Say how well the methods find populations of known size."""
    blocks: list[Block] = []
    for each in context.given.validations:
        if context.has_small_overlaps:
            # Each list is estimated from the overlaps of the others with it.
            blocks.append(context.left_out("caption.validation"))
        else:
            blocks += _share_of(context, each)
    return Section("validation", context.say("heading.validation"), tuple(blocks))


def _share_of(context: Context, found: Validation) -> Iterator[Block]:
    say = context.say
    yield context.paragraph("validation.intro")
    names = {repr(each): i for i, each in enumerate(found.estimators, start=1)}
    yield Facts(
        tuple(
            (
                say("validation.method", n=i),
                inline(say("validation.bound", method=n) if found.is_bound(i - 1) else n),
            )
            for n, i in names.items()
        )
    )

    def count(name: str) -> Callable[[Row], Cell]:
        return lambda row: say.count_cell(int(row[name]))

    def covered(row: Row) -> Cell:
        text = say("validation.of", n=row["n_covered"], of=row["n_intervals"])
        return Cell(text, int(row["n_covered"]))

    def bias(row: Row) -> Cell:
        value = float(row["mean_log_bias"])
        if context.hides and math.isfinite(value):
            # It is an equation between the overlaps, in the digits that the factor has.
            value = math.log(context.factor(math.exp(value)))
        return Cell(say.signed(value, 2), finite(round(value, 2)))

    method = context.words(
        "method", lambda row: Cell(str(names[row["estimator"]]), row["estimator"])
    )
    columns = [
        method,
        context.words("lists", count("n_lists")),
        context.figures("estimated", count("n_estimated")),
        context.figures("log_bias", bias),
        context.figures("covered", covered),
        context.figures("too_low", count("n_under")),
        context.figures("too_high", count("n_over")),
    ]
    yield context.table(say("caption.validation"), columns, found.by_estimator().reset_index())
    yield _lists(context, found, method)


def _lists(context: Context, found: Validation, method: Shown) -> Block:
    say = context.say
    if context.hides:
        return context.left_out("caption.validation_lists")

    def verdict(row: Row) -> Cell:
        miss = row["miss"] or ("held" if row["covered"] is True else "")
        return Cell(say(f"validation.{miss}"), miss) if miss else say.status_cell(row["status"])

    columns = [
        method,
        context.words("list", from_row("list")),
        context.figures("truth", from_row("truth", say.count_cell)),
        context.intervals("interval", found.level),
        context.figures("point", lambda row: _estimated(context, row)),
        context.words("verdict", verdict),
    ]
    frame = found.to_frame()
    notes = context.rest(frame, MOST_ROWS)
    return context.table(say("caption.validation_lists"), columns, frame.head(MOST_ROWS), notes)


def _estimated(context: Context, row: Row) -> Cell:
    cell = context.say.count_cell(row["estimate"], context.grid_of(row), -bool(row["lower_bound"]))
    if not row["lower_bound"]:
        return cell
    return replace(cell, text=context.say("number.least", value=cell.text))


# What if: the interval as an assumption is moved --------------------------------------------------


def what_if(context: Context) -> Section:
    """Let the reader move how far people differ, and the odds ratio of a pair of lists."""
    heading = context.say("heading.what_if")
    # From a grid of intervals suppressed counts could be computed.
    shown = () if context.hides else context.given.what_ifs
    blocks = [block for found in shown for block in _moved(context, found)]
    for found in context.given.sensitivities if context.pictures else ():
        if isinstance(found, LeaveOneOut):
            drawn = [*sensitivity_figure(context, found)]
            if drawn and takes_for_alike(context, {*found.to_frame(context.level)["given"]}):
                drawn.append(context.paragraph("sensitivity.given_alike", "note"))
            blocks += drawn
    return Section("what-if", heading, tuple(blocks))


def _moved(context: Context, found: WhatIf) -> Iterator[Block]:
    yield context.paragraph("what_if.intro")
    pairs = [each for each in found.moved if each.pair]
    alone = [each for each in found.moved if not each.pair]
    if alone:
        yield _steps(context, found, alone, "differing")
    if pairs:
        yield _steps(context, found, pairs, "pairs")


def _steps(context: Context, found: WhatIf, rows: list[Moved], name: str) -> Table:
    """Make a table of what is moved, a column for each step."""
    say = context.say

    def what(row: Moved) -> Cell:
        if not row.pair:
            return Cell(say("what_if.total"))
        return Cell(say("what_if.pair", names=say.listed(row.pair), ratio=row.odds[MIDDLE]))

    def step(at: int) -> str:
        first = rows[0]
        value = first.steps[at] if first.pair else first.odds[at]
        return say(f"what_if.{name}_{'estimate' if at == MIDDLE else 'step'}", value=value)

    def ends(at: int, row: Moved) -> Cell:
        return context.span_cell(*row.ends[at])

    columns: list[Shown] = [context.words("moved", what)]
    columns += [
        (Column(step(at), figures=True), partial(ends, at)) for at in range(len(rows[0].steps))
    ]
    level = say.level(found.level)
    made = context.table(
        say(f"caption.moved_{name}", level=level), columns, rows, [say(f"what_if.{name}_note")]
    )
    return replace(made, steps=True)


# Sensitivity: the estimate under other lists, other assumptions and other models ------------------

#: Rows beyond this many are left out, and said to be.
MOST_VARIED = 40


def sensitivity(context: Context) -> Section:
    """Show how the estimate moves when what cannot be known is varied."""
    say = context.say
    parts = []
    for i, found in enumerate(context.given.sensitivities, start=1):
        name, builder = _BUILDERS[type(found)]
        blocks: list[Block] = [context.paragraph(f"sensitivity.{name}")]
        if context.hides and _gives_away(context, found):
            blocks.append(context.left_out(f"heading.{name}"))
        else:
            blocks += builder(context, found)
        parts.append(Section(f"sensitivity-{i}", say(f"heading.{name}"), tuple(blocks)))
    return Section("sensitivity", say("heading.sensitivity"), sections=tuple(parts))


def _gives_away(context: Context, found: Result) -> bool:
    """Whether scenarios could not be shown even as factors: suppressed counts follow from them."""
    if any(each.status == SUPPRESSED for each in context.given.populations):
        return True
    if isinstance(found, NearModels | Bounds | TippingPoints) or context.has_small_overlaps:
        return True
    lists = len(context.given.lists)
    # From two lists the overlap can be computed, whatever is done with the estimate.
    fewest = lists - isinstance(found, LeaveOneOut | MergedLists)
    return fewest <= 2


def _left_out(context: Context, found: LeaveOneOut) -> Iterator[Block]:
    frame = found.to_frame(context.level)

    def name(row: Row) -> Cell:
        left_out = row["left_out"]
        return label(left_out) if left_out else Cell(context.say("sensitivity.no_list"), "")

    head = [context.words("left_out", name)]
    if not context.hides:
        only = context.figures("only_there", from_row("only_there", context.say.count_cell))
        head.append(only)
        yield from _extent(context, frame, "sensitivity.extent_lists")
    yield _scenarios(context, frame, "left_out", head, found.whole.total)


def _merged(context: Context, found: MergedLists) -> Iterator[Block]:
    frame = found.to_frame(context.level)
    if not context.hides:
        yield from _extent(context, frame, "sensitivity.extent_pairs")
    head = [context.words("merged", lambda row: _pair(context, row))]
    yield _scenarios(context, frame, "merged", head, found.whole.total)


def _order(context: Context, found: HighestOrder) -> Iterator[Block]:
    head = [(Column("xi"), lambda row: Cell(context.say.general(row["xi"]), row["xi"]))]
    yield _scenarios(context, found.to_frame(), "highest_order", head, found.population.total)


def _odds(context: Context, found: OddsRatio) -> Iterator[Block]:
    def ratio(row: Row) -> Cell:
        return Cell(context.say.general(row["odds_ratio"]), row["odds_ratio"])

    head = [
        context.words("lists", lambda row: _pair(context, row)),
        context.figures("odds", ratio),
    ]
    base = next((each.hidden for each in found.scenarios if each.value == 1), math.nan)
    total = found.table.n_observed + base
    yield _scenarios(context, found.to_frame(), "odds_ratio", head, total)


def _near(context: Context, found: NearModels) -> Iterator[Block]:
    say, frame = context.say, found.to_frame()
    yield range_paragraph(context, found)
    yield context.paragraph("models.alike")

    def model(row: Row) -> Cell:
        populations = context.given.populations
        named = context.modeled(populations[0], row["model"]) if populations else row["model"]
        return Cell(named, row["model"])

    columns = [context.words("model", model)]
    if not context.hides:
        difference = context.figures(
            "difference",
            from_row("difference", say.decimal_cell),
            criterion=found.criterion,
        )
        columns.append(difference)
    # They have no intervals of their own here: that of the answer says what they bear.
    grid = context.grid()
    columns.append(context.figures("point", lambda row: context.count_cell(row["total"], grid)))
    columns.append(context.status_column())
    notes = context.rest(frame, MOST_VARIED)
    yield context.table(say("caption.near"), columns, frame.head(MOST_VARIED), notes)


def _bounds(context: Context, found: Bounds) -> Iterator[Block]:
    say = context.say

    def name(row: Row) -> Cell:
        return _pair(context, row) if row["list_a"] else Cell(say("sensitivity.highest"))

    def factor(key: str) -> Callable[[Row], Cell]:
        return lambda row: Cell(say.general(row[key]), row[key])

    columns = [
        context.words("bounded", name),
        context.figures("least", factor("least")),
        context.figures("most", factor("most")),
        context.figures("set", lambda row: say.span_cell(row["smallest"], row["largest"])),
        context.figures(
            "set_interval",
            lambda row: say.span_cell(row["low"], row["high"]),
            level=say.level(found.level),
        ),
        context.status_column(),
    ]
    if not context.hides:
        yield context.table(say("caption.bounds"), columns, found.to_frame())


def _tipping(context: Context, found: TippingPoints) -> Iterator[Block]:
    if not context.hides:
        yield Bullets(tuple(inline(context.say.said(each)) for each in found.said()))


_BUILDERS: dict[type[Result], tuple[str, Callable[[Context, Any], Iterator[Block]]]] = {
    LeaveOneOut: ("left_out", _left_out),
    MergedLists: ("merged", _merged),
    HighestOrder: ("highest_order", _order),
    OddsRatio: ("odds_ratio", _odds),
    NearModels: ("near", _near),
    Bounds: ("bounds", _bounds),
    TippingPoints: ("tipping", _tipping),
}


def _scenarios(
    context: Context, frame: pd.DataFrame, name: str, head: list[Shown], base: float
) -> Table:
    """Make a table of scenarios: what was varied, then interval, point, factor and status."""
    say = context.say

    def kind(row: Row) -> Cell:
        found = str(row["interval_kind"])
        if not found or math.isnan(row["low"]):
            return Cell("-")
        return Cell(context.kind_named(found, str(row.get("given", ""))), found)

    estimated = [
        context.intervals(),
        context.figures(
            "point", lambda row: context.count_cell(row["total"], context.grid_of(row))
        ),
        context.words("interval_kind", kind),
    ]
    columns = [
        *head,
        *([] if context.hides else estimated),
        context.figures(
            "factor", lambda row: say.decimal_cell(context.factor(row["total"] / base))
        ),
        context.status_column(),
    ]
    notes = [
        *context.rest(frame, MOST_VARIED),
        *([say("disclosure.factors")] if context.hides else _granted(context, frame)),
    ]
    return context.table(say(f"caption.{name}"), columns, frame.head(MOST_VARIED), notes)


def _granted(context: Context, frame: pd.DataFrame) -> Iterator[str]:
    """Say where the intervals of a table take more for granted than the one of the answer."""
    if frame["low"].isna().all():
        return
    given = {*frame["given"]} if "given" in frame else {GIVEN_MODEL}
    if "given" not in frame:
        yield context.say("sensitivity.given_value")
    elif GIVEN_MODEL in given and RESELECTED in _chosen(context):
        yield context.say("sensitivity.given_model")
    if takes_for_alike(context, given):
        yield context.say("sensitivity.given_alike")


def _chosen(context: Context) -> set[str]:
    """Find what the intervals of the answer take for granted, both where there are two."""
    first = context.given.populations[:1]
    return {given for each in first for given in (each.interval_given, each.alike.interval_given)}


def takes_for_alike(context: Context, given: Collection[str]) -> bool:
    """Whether intervals take people for alike and that of the answer does not."""
    allows = any(each.allowing is not None for each in context.given.populations[:1])
    return allows and not {GIVEN_MODEL, RESELECTED}.isdisjoint(given)


def _pair(context: Context, row: Row) -> Cell:
    if not row["list_a"]:
        return Cell(context.say("sensitivity.no_pair"), "")
    return Cell(context.say.listed([row["list_a"], row["list_b"]]))


def _extent(context: Context, frame: pd.DataFrame, key: str) -> Iterator[Block]:
    """Say how far apart the totals are; the first row is that of the whole table."""
    totals = [float(total) for total in frame["total"].iloc[1:] if not math.isnan(total)]
    if totals:
        span = context.range(context.persons(min(totals)), context.persons(max(totals)))
        yield context.paragraph(key, span=span)
