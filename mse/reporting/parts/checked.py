"""Diagnostics: the usual worries, and how well the model fits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from mse.diagnostics import GoodnessOfFit, Influence, Residuals
from mse.reporting.content import Block, Cell, Column, Paragraph, Section, Table, inline

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping
    from typing import Any

    from mse._result import Result
    from mse.diagnostics import CheckResult
    from mse.reporting.context import Context

__all__ = ["diagnostics"]

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
