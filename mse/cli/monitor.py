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
    bundle_for,
    held,
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
    from mse.data.reading import Reading
    from mse.data.table import CaptureTable
    from mse.disclosure import Bundle, Rules
    from mse.monitoring import Monitor, Revisions
    from mse.nowcasting import Nowcast

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
AsOf: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--as-of",
        help="Complete the last periods by what is still to come after this date, from registrations with --date and "
        "--received; may be repeated, to see how figures moved up to the last date.",
    ),
]
StillToCome: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--not-in", help="With --as-of: a list that is not in yet, care=2015; may be repeated."
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
GroupRules: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--group-rule",
        help="A group of which the rules of registration changed, from which period on, and the rule: "
        "'nationality=other:2019=narrower protection scheme'; may be repeated.",
    ),
]
DriversOf: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--drivers",
        help="What drives the change of registered persons between two periods, 2014:2015: which groups and "
        "registers, by size and by share registered. Needs --groups. Under rules of disclosure of groups alone.",
    ),
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
    as_of: AsOf = None,
    not_in: StillToCome = None,
    group_rule: GroupRules = None,
    drivers: DriversOf = None,
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
        from mse.nowcasting import Nowcast

        if scope_break and scope_column:
            msg = "--scope-break and --scope-column both say where scopes change; leave out one."
            raise ModelError(msg)
        rules = rules_asked(disclosure)
        bundle = bundle_for(rules, private)
        named = names_in(groups)
        further = [*names_in(covariates), *filter(None, (scope_column, place))]
        trends = _trends(trend)
        _check_drivers(drivers, named, form, changes=changes)
        if show_places and (place is None or rules is not None):
            raise ModelError(_NO_PLACES)
        period = _period(period, reading)
        axes = [each for each in dict.fromkeys([*named, *further]) if each != period]
        read = understand(source, reading, period=period, covariates=axes)
        table = operated(_of_lists(read, source, rules), operating, not_operating, period)
        rates, within = (each and frame_of(each, command=True) for each in (inhabitants, regions))
        its_seed = seed if bundle is None else bundle.seed(seed)
        _check_dates(as_of, not_in, [*(operating or ()), *(not_operating or ())])
        monitors, table = [], table if as_of else held(bundle, rules, table)
        for each in _as_it_stood(read, table, as_of, not_in, its_seed):
            if isinstance(each, Nowcast):
                table = each.table
                _check_waiting(bundle, rules, table)
            found = monitor(
                each,
                period,
                named,
                _model(model, criterion, trends) or estimator,
                replicates,
                its_seed,
                rates=rates,
                level=level,
                place=place,
                regions=within,
                scope=_scope(table, period, scope_break) if scope_column is None else scope_column,
                group_rules=_group_rules(table, period, group_rule),
                across_scopes=across_scopes,
                n_jobs=workers,
                criterion=criterion.value,
                trend=trends if model is None else None,
                heterogeneity=heterogeneity,
            )
            monitors.append(found)
        found = replace(found, notes=(*found.notes, *_not_named(read.unused)))
        shown = released(found, rules, table=table)
        if bundle is not None and rules is not None:
            bundle.with_run(shown.to_dict(), rules, table, seed, [shown])
        text = _text(shown, form, _moved(monitors, rules), changes=changes, places=show_places)
        write(text if drivers is None else _driven(found, table, drivers, form, shown), output)
    if not found.has_estimate:
        typer.echo(
            f"mse: nothing is estimable. {reason_of(found.population, shown.population)}".rstrip(),
            err=True,
        )
        raise typer.Exit(NOT_ESTIMABLE)


def _of_lists(read: Reading, source: str, rules: Rules | None) -> CaptureTable:
    """Take the table of a reading, which has to be one of lists."""
    from mse.data.datasets import table_from

    return table_from(table_in(read, source, rules=rules))


def _check_dates(
    as_of: Sequence[str] | None,
    not_in: Sequence[str] | None,
    operating: Sequence[str],
) -> None:
    """Refuse options about dates that do not go together."""
    if not_in and not as_of:
        raise ModelError("--not-in says what is still to come after a date: name it with --as-of.")
    if as_of and operating:
        raise ModelError(
            "--as-of completes registrations, and --operating and --not-operating say where there were none: leave "
            "one of them out. A list that is still to come is --not-in."
        )


def _check_waiting(bundle: Bundle | None, rules: Rules | None, table: CaptureTable) -> None:
    """Refuse a table of which strata would have to wait: what is to come of them was drawn from what came."""
    if held(bundle, rules, table) != table:
        raise ModelError(
            "Since this was last published fewer persons came or went than may be shown, and a nowcast cannot leave them "
            "out: wait until the difference is larger, or leave out --as-of."
        )


def _as_it_stood(
    read: Reading,
    table: CaptureTable,
    as_of: Sequence[str] | None,
    not_in: Sequence[str] | None,
    seed: Any,
) -> Iterator[CaptureTable | Nowcast]:
    """Complete the registrations of each date, the last one last; without dates the table is all there is."""
    import pandas as pd

    from mse.data.reading import day_of
    from mse.nowcasting import nowcast

    if not as_of:
        yield table
        return
    levels = {str(each): each for each in table.covariates[str(read.options.period)]}
    absent: dict[str, list[Any]] = {}
    for each in not_in or ():
        name, _, when = (part.strip() for part in each.partition("="))
        absent.setdefault(name, []).extend(levels.get(one, one) for one in names_in(when))
    # In the order of time, however they are written; what is no date is refused where it is read.
    dates = sorted(dict.fromkeys(as_of), key=lambda each: day_of(each) or pd.Timestamp.min)
    for date in dates:
        yield nowcast(read, date, not_in=absent if date == dates[-1] else None, seed=seed)


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


def _check_drivers(asked: str | None, groups: Sequence[str], form: Form, *, changes: bool) -> None:
    """Refuse what drivers cannot be told with, before anything is estimated."""
    if asked is None:
        return
    if not groups or changes or form is Form.json:
        what = "--changes" if changes else "--format json" if groups else "no --groups"
        raise ModelError(
            f"--drivers is asked for with {what}: it needs --groups, and is text or --format csv."
        )
    if asked.count(":") != 1:
        raise ModelError(f"--drivers {asked!r} is not understood; expected two periods, 2014:2015.")


def _driven(found: Monitor, table: CaptureTable, asked: str, form: Form, shown: Monitor) -> str:
    """Tell what drives a change between two periods; under rules of what is shown of the monitor."""
    from mse.driving import drivers

    known = {str(each): each for each in found.levels}
    ends = [each.strip() for each in asked.split(":")]
    first, last = (known.get(each, each) for each in ends)
    told = drivers(found, table, first, last)
    if shown is not found:
        from mse.disclosure import ProtectedMonitor, protect_drivers

        assert isinstance(shown, ProtectedMonitor)
        told = protect_drivers(told, shown.rules, monitor=shown)
    return csv_text(told.to_frame()) if form is Form.csv else told.summary()


def _moved(monitors: Sequence[Monitor], rules: Rules | None) -> Revisions | None:
    """Tell how figures moved where there are several dates; under rules whether they held."""
    from mse.monitoring import revisions

    if len(monitors) < 2:
        return None
    found = revisions(monitors)
    if rules is not None and rules.active:
        from mse.disclosure import protect_revisions

        return protect_revisions(found, rules)
    return found


def _group_rules(
    table: CaptureTable, period: str, given: Sequence[str] | None
) -> dict[str, dict[Any, str]]:
    """Read groups of which the rules changed; `mse.monitor` checks their names."""
    levels = {str(each): each for each in table.covariates.get(period, ())}
    found: dict[str, dict[Any, str]] = {}
    for each in given or ():
        group, _, rest = each.partition(":")
        when, _, rule = (part.strip() for part in rest.partition("="))
        if not (when and rule):
            raise ModelError(
                f"--group-rule {each!r} is not understood; expected a group, a period and the rule from then on: "
                "'nationality=other:2019=narrower protection scheme'."
            )
        found.setdefault(group.strip(), {})[levels.get(when, when)] = rule
    return found


def _text(
    found: Monitor, form: Form, moved: Revisions | None, *, changes: bool, places: bool
) -> str:
    """Write a monitor, and how figures moved if it was made after several dates."""
    if form is Form.json:
        return found.to_json()
    if form is Form.csv and places and found.places is not None:
        return csv_text(found.places.to_frame())
    if form is Form.csv:
        return csv_text(found.all_changes() if changes else found.to_frame())
    parts = [each.summary() for each in (found, found.places, moved) if each is not None]
    return "\n\n".join(each.rstrip() for each in parts) + "\n"
