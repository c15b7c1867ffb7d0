"""The command ``mse monitor``: from a table or from registrations to figures by period and group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from mse.answer.shown import csv_text
from mse.cli.options import (
    NOT_ESTIMABLE,
    CriterionName,
    DisclosureOption,
    Form,
    Heterogeneity,
    Level,
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
    allowed,
    bundle_for,
    names_in,
    operated,
    plain_errors,
    reason_of,
    released,
    rules_asked,
    table_in,
    takes_table,
    understand,
    write,
)
from mse.errors import ModelError

if TYPE_CHECKING:
    from mse.answer.protocols import Estimator
    from mse.data.table import CaptureTable
    from mse.monitoring import Monitor

Period: TypeAlias = Annotated[
    str | None, typer.Option(help="Column of the period; year by default.")
]
Groups: TypeAlias = Annotated[
    str | None, typer.Option(help="Columns to report by, each by itself, separated by commas.")
]
Further: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Further covariates to model and sum over, separated by commas."),
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
Inhabitants: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="CSV or Parquet file with columns for the period, groups if known, and population; "
        "for rates per 100,000."
    ),
]
Place: TypeAlias = Annotated[
    str | None, typer.Option(help="Column of the place: figures, ranks and candidates of each.")
]
Regions: TypeAlias = Annotated[
    str | None,
    typer.Option(help="CSV or Parquet file with columns for the place and its region."),
]
Estimated: TypeAlias = Annotated[
    Literal["pooled", "joint"] | None,
    typer.Option(
        help="Places borrow from each other, or one search over all; by default as thin as they are."
    ),
]
ShowPlaces: TypeAlias = Annotated[
    bool, typer.Option("--places", help="With --format csv: the places, not the figures.")
]
ShowChanges: TypeAlias = Annotated[
    bool, typer.Option("--changes", help="With --format csv: the changes, not the figures.")
]


_NO_PLACES = (
    "--places shows the places: expected --place COLUMN, and no --disclosure. Under rules name the column in "
    "--groups, by which figures are protected."
)


@takes_table
def monitor_command(
    source: Source = "-",
    *,
    reading: Mapping[str, Any],
    period: Period = None,
    groups: Groups = None,
    place: Place = None,
    regions: Regions = None,
    estimator: Estimated = None,
    covariates: Further = None,
    inhabitants: Inhabitants = None,
    model: Model = None,
    criterion: OneCriterion = CriterionName.bic,
    trend: Trend = None,
    operating: Operating = None,
    not_operating: NotOperating = None,
    scope_break: ScopeBreak = None,
    scope_column: ScopeColumn = None,
    across_scopes: AcrossScopes = False,
    heterogeneity: Heterogeneity = None,
    replicates: Replicates = 1000,
    workers: Workers = -1,
    level: Level = 0.95,
    form: OutputFormat = Form.text,
    changes: ShowChanges = False,
    show_places: ShowPlaces = False,
    disclosure: DisclosureOption = None,
    private: Private = None,
    output: Output = None,
    seed: SeedOption = None,
) -> None:
    """Report by period and group: observed, estimated, registered share, and what changed.

    Without SOURCE it reads standard input: mse simulate netherlands | mse monitor
    """
    with plain_errors(disclosure):
        from mse.data.reading import frame_of
        from mse.monitoring import monitor

        if scope_break and scope_column:
            msg = "--scope-break and --scope-column both say where scopes change; leave out one."
            raise ModelError(msg)
        rules = rules_asked(disclosure)
        bundle = bundle_for(rules, private)
        named = names_in(groups)
        further = [*names_in(covariates), *filter(None, (scope_column, place))]
        trends = _trends(trend)
        period = _period(period, reading)
        axes = [each for each in dict.fromkeys([*named, *further]) if each != period]
        read = understand(source, reading, period=period, covariates=axes)
        table = operated(table_in(read, source), operating, not_operating, period)
        found = monitor(
            table,
            period,
            named,
            _model(model, criterion, trends) or estimator,
            replicates,
            seed if bundle is None else bundle.seed(seed),
            rates=None if inhabitants is None else frame_of(inhabitants, command=True),
            level=level,
            place=place,
            regions=None if regions is None else frame_of(regions, command=True),
            scope=_scope(table, period, scope_break) if scope_column is None else scope_column,
            across_scopes=across_scopes,
            n_jobs=workers,
            criterion=criterion.value,
            trend=trends if model is None else None,
            heterogeneity=allowed(heterogeneity),
        )
        found = replace(found, notes=(*found.notes, *_not_named(read.unused)))
        shown = released(found, rules, table=table)
        if bundle is not None and rules is not None:
            bundle.with_run(shown.to_dict(), rules, table, seed)
        if show_places and (place is None or rules is not None):
            raise ModelError(_NO_PLACES)
        write(_text(shown, form, changes=changes, places=show_places), output)
    if not found.has_estimate:
        typer.echo(
            f"mse: nothing is estimable. {reason_of(found.population, shown.population)}".rstrip(),
            err=True,
        )
        raise typer.Exit(NOT_ESTIMABLE)


def _period(period: str | None, reading: Mapping[str, Any]) -> str:
    """Take the period that was named, here or in the file of options; year by default."""
    from mse.data.read_options import ReadOptions

    path = reading.get("options")
    said = None if path is None else ReadOptions.from_toml(path)[0].period
    return period or said or "year"


def _not_named(unused: Sequence[str]) -> Iterator[str]:
    """Say what was summed over since nobody named it."""
    if unused:
        from mse.messages import Message, named

        yield Message("modeled.summed_before", names=named([*map(repr, unused)], 12))


def _trends(given: Sequence[str] | None) -> dict[str, int]:
    trends = {}
    for each in given or ():
        name, _, degree = each.partition("=")
        if not degree.strip().isdecimal():
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


def _text(found: Monitor, form: Form, *, changes: bool, places: bool) -> str:
    if form is Form.json:
        return found.to_json()
    if form is Form.csv and places and found.places is not None:
        return csv_text(found.places.to_frame())
    if form is Form.csv:
        return csv_text(found.all_changes() if changes else found.to_frame())
    return "\n\n".join(each.summary() for each in (found, found.places) if each is not None)
