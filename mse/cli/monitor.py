"""The command ``mse monitor``: from a table or from registrations to figures by period and group."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mse.cli.options import (
    NOT_ESTIMABLE,
    Count,
    CriterionName,
    DisclosureOption,
    Form,
    Level,
    Lists,
    Model,
    NotOperating,
    OneCriterion,
    Operating,
    Output,
    OutputFormat,
    Private,
    Replicates,
    SeedOption,
    Source,
    Workers,
    bundle_for,
    csv_text,
    dataset_names,
    labeled,
    lists_missing,
    names_in,
    operated,
    plain_errors,
    read_frame,
    read_table,
    reason_of,
    released,
    rules_asked,
    table_of,
    write,
)
from mse.errors import InvalidTableError, ModelError

if TYPE_CHECKING:
    import pandas as pd

    from mse.answer.protocols import Estimator
    from mse.data.table import CaptureTable
    from mse.monitoring import Monitor

Period: TypeAlias = Annotated[str, typer.Option(help="Column of the period, such as the year.")]
Groups: TypeAlias = Annotated[
    str | None, typer.Option(help="Columns to report by, each by itself, separated by commas.")
]
Further: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Further covariates to model and sum over, separated by commas."),
]
Person: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Column of the identifier of the person, where every row is one registration; with "
        "--register. Identifiers are not kept."
    ),
]
Register: TypeAlias = Annotated[
    str | None, typer.Option(help="Column of the register that the registration is in.")
]
Trend: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="Let a covariate enter as a polynomial, year=2 for instance; may be repeated."
    ),
]
ScopeBreak: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="First period of another scope, 2016 or '2016=newer scope'; may be repeated. Periods "
        "before and after are not compared."
    ),
]
ScopeColumn: TypeAlias = Annotated[
    str | None, typer.Option(help="Column of the scope, one in each period; not a group.")
]
AcrossScopes: TypeAlias = Annotated[
    bool, typer.Option("--across-scopes", help="Compare and add periods of different scope.")
]
Population: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="CSV or Parquet file with columns for the period, groups if known, and population; "
        "for rates per 100,000."
    ),
]
ShowChanges: TypeAlias = Annotated[
    bool, typer.Option("--changes", help="With --format csv: the changes, not the figures.")
]


def monitor_command(
    source: Source = "-",
    *,
    lists: Lists = None,
    period: Period = "year",
    groups: Groups = None,
    covariates: Further = None,
    count: Count = None,
    person: Person = None,
    register: Register = None,
    population: Population = None,
    model: Model = None,
    criterion: OneCriterion = CriterionName.bic,
    trend: Trend = None,
    operating: Operating = None,
    not_operating: NotOperating = None,
    scope_break: ScopeBreak = None,
    scope_column: ScopeColumn = None,
    across_scopes: AcrossScopes = False,
    replicates: Replicates = 1000,
    workers: Workers = -1,
    level: Level = 0.95,
    form: OutputFormat = Form.text,
    changes: ShowChanges = False,
    disclosure: DisclosureOption = None,
    private: Private = None,
    output: Output = None,
    seed: SeedOption = None,
) -> None:
    """Report by period and group: observed, estimated, registered share, and what changed.

    Without SOURCE it reads standard input: mse simulate netherlands | mse monitor
    """
    with plain_errors():
        from mse.monitoring import monitor

        if scope_break and scope_column:
            msg = "--scope-break and --scope-column both say where scopes change; leave out one."
            raise ModelError(msg)
        rules = rules_asked(disclosure)
        bundle = bundle_for(rules, private)
        named = names_in(groups)
        further = [*names_in(covariates), *([scope_column] if scope_column else [])]
        axes = list(dict.fromkeys([period, *named, *further]))
        trends = _trends(trend)
        table, unused = _read(source, (lists, count, person, register), axes)
        table = operated(table, operating, not_operating, period)
        found = monitor(
            table,
            period,
            named,
            _model(model, criterion, trends),
            replicates,
            seed if bundle is None else bundle.seed(seed),
            rates=None if population is None else read_frame(population),
            level=level,
            scope=_scope(table, period, scope_break) if scope_column is None else scope_column,
            across_scopes=across_scopes,
            n_jobs=workers,
            criterion=criterion.value,
            trend=trends if model is None else None,
        )
        found = replace(found, notes=(*found.notes, *_not_named(unused)))
        shown = released(found, rules, table=table)
        if bundle is not None and rules is not None:
            bundle.with_run(shown.to_dict(), rules, table, seed)
        write(_text(shown, form, changes=changes), output)
    if not found.has_estimate:
        typer.echo(
            f"mse: nothing is estimable. {reason_of(found.population, shown.population)}".rstrip(),
            err=True,
        )
        raise typer.Exit(NOT_ESTIMABLE)


def _read(
    source: str,
    columns: tuple[str | None, str | None, str | None, str | None],
    axes: Sequence[str],
) -> tuple[CaptureTable, list[str]]:
    """Read a table, or registrations; those of `mse simulate` need no word about their columns.

    source: as given to the command
    columns: lists, count, person and register, as given
    axes: the period, and the other covariates
    Returns unused: what is known of the persons and was not asked for
    """
    from mse.data.datasets import load_dataset
    from mse.simulate.worlds import PERSON, REGISTER

    lists, count, person, register = columns
    if source != "-" and source in dataset_names() and person is None and register is None:
        table = read_table(source, lists, ",".join(axes), count)
        return table, [each for each in load_dataset(source).covariates if each not in axes]
    if source == "-" and not any(columns) and sys.stdin.isatty():
        msg = (
            "There is nothing to read: name a dataset or a file, or pipe one in, as in "
            "mse simulate netherlands | mse monitor."
        )
        raise InvalidTableError(msg)
    frame = read_frame(source)
    if not any(columns) and {"synthetic", PERSON, REGISTER} <= set(frame.columns):
        person, register = PERSON, REGISTER
    if person is None and register is None:
        if lists is None:
            raise lists_missing(source, frame)
        table = table_of(frame, lists, ",".join(axes), count)
    else:
        table = _read_records(frame, person, register, axes, lists, count)
    used = {*table.axes, *names_in(count), person, register, *axes, "synthetic"}
    return table, [str(each) for each in frame.columns if each not in used]


def _not_named(unused: Sequence[str]) -> Iterator[str]:
    """Say what was summed over since nobody named it."""
    if unused:
        from mse.messages import Message, named

        yield Message("modeled.summed_before", names=named([*map(repr, unused)], 12))


def _read_records(
    frame: pd.DataFrame,
    person: str | None,
    register: str | None,
    axes: Sequence[str],
    lists: str | None,
    count: str | None,
) -> CaptureTable:
    """Count registrations, one row each."""
    if person is None or register is None:
        missing, other = (
            ("--person", "--register") if person is None else ("--register", "--person")
        )
        msg = f"{other} is given without {missing}: registrations need both columns."
        raise InvalidTableError(msg)
    if count is not None:
        msg = "--count is for tables of counts; with --person and --register every row is one."
        raise InvalidTableError(msg)
    from mse.data.table import CaptureTable

    table = CaptureTable.from_records(
        frame,
        person=person,
        register=register,
        period=axes[0],
        covariates=list(axes[1:]),
        registers=names_in(lists) or None,
    )
    return labeled(table, frame)


def _trends(given: Sequence[str] | None) -> dict[str, int]:
    trends = {}
    for each in given or ():
        name, _, degree = each.partition("=")
        if not degree.strip().isdigit():
            msg = f"--trend {each!r} is not understood; expected a covariate and a degree, year=2."
            raise ModelError(msg)
        trends[name.strip()] = int(degree)
    return trends


def _model(
    model: str | None, criterion: CriterionName, trend: Mapping[str, int]
) -> Estimator | None:
    """Build the model that was named; None for the default search."""
    from mse.loglinear import LogLinear

    if model is None:
        return None
    if criterion is not CriterionName.bic:
        msg = f"The model {model!r} is named and a search is asked for as well; leave out one."
        raise ModelError(msg)
    return LogLinear(model, trend=trend)


def _scope(
    table: CaptureTable, period: str, given: Sequence[str] | None
) -> dict[object, str] | None:
    """Scopes from each break on, by the levels of the table."""
    if not given:
        return None
    levels = {str(each): each for each in table.covariates.get(period, ())}
    scopes: dict[object, str] = {}
    for each in given:
        first, _, name = (part.strip() for part in each.partition("="))
        if first not in levels:
            from mse.data.checks import listed

            msg = f"--scope-break {first!r} is no {period} in the table: there are {listed(levels, 12)}."
            raise ModelError(msg)
        scopes[levels[first]] = name or f"from {first}"
    return scopes


def _text(found: Monitor, form: Form, *, changes: bool) -> str:
    if form is Form.json:
        return found.to_json()
    if form is Form.csv:
        return csv_text(_all_changes(found) if changes else found.to_frame())
    return found.summary()


def _all_changes(found: Monitor) -> pd.DataFrame:
    """List changes of everybody, then of each group."""
    import pandas as pd

    frames = [found.changes().assign(group=None, group_level=None)]
    for name in found.group_names:
        frame = found.changes(name)
        frames.append(frame.assign(group=name).rename(columns={name: "group_level"}))
    columns = ["first", "last", "group", "group_level"]
    rows = [row for frame in frames for row in frame.to_dict(orient="records")]
    rest = [name for name in frames[0] if name not in columns]
    return pd.DataFrame(rows, columns=[*columns, *rest])
