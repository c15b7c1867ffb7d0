"""The command ``mse report``: from a table to a report that people can act on."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mse.cli.options import (
    NOT_ESTIMABLE,
    Count,
    Covariates,
    Estimators,
    Level,
    Lists,
    NotOperating,
    Operating,
    Private,
    Replicates,
    SeedOption,
    Source,
    Workers,
    bundle_for,
    dataset_names,
    names_in,
    operated,
    plain_errors,
    read_frame,
    read_table,
    table_of,
    write,
)
from mse.errors import InvalidTableError

if TYPE_CHECKING:
    import pandas as pd

    from mse.data.table import CaptureTable


class ReportForm(StrEnum):
    """Forms of a report."""

    html = "html"
    md = "md"
    json = "json"


Output: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="File to write to, - for standard output; by default the name of the source with "
        "-report.html.",
    ),
]
FormOption: TypeAlias = Annotated[
    ReportForm | None,
    typer.Option("--format", help="Form of the report; by default the suffix of the file says."),
]
LanguageOption: TypeAlias = Annotated[str, typer.Option(help="Language of the report: en or nl.")]
Disclosure: TypeAlias = Annotated[
    str,
    typer.Option(help="Rules of disclosure: none, cbs, or a TOML or JSON file with your own."),
]
Title: TypeAlias = Annotated[str | None, typer.Option(help="Title of the report.")]
About: TypeAlias = Annotated[
    str | None, typer.Option(help="Whom the lists are about, such as 'homeless people, Utrecht'.")
]
When: TypeAlias = Annotated[str | None, typer.Option(help="When, such as '2024'.")]
Which: TypeAlias = Annotated[str | None, typer.Option(help="Which part of them, by which rules.")]
Where: TypeAlias = Annotated[str | None, typer.Option(help="Where the data come from.")]
Figures: TypeAlias = Annotated[bool, typer.Option("--figures/--no-figures", help="Draw figures.")]

#: Names of the column of counts that are taken for what they say.
_COUNTS = ("n", "count")
_FLAGS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
_UNKNOWN = {"", "nan", "none", "unknown", "<na>"}


def report_command(
    source: Source,
    *,
    lists: Lists = None,
    covariates: Covariates = None,
    count: Count = None,
    operating: Operating = None,
    not_operating: NotOperating = None,
    output: Output = None,
    form: FormOption = None,
    language: LanguageOption = "en",
    disclosure: Disclosure = "none",
    private: Private = None,
    title: Title = None,
    population: About = None,
    period: When = None,
    scope: Which = None,
    data_source: Where = None,
    estimator: Estimators = None,
    replicates: Replicates = 1000,
    workers: Workers = -1,
    level: Level = 0.95,
    figures: Figures = True,
    seed: SeedOption = None,
) -> None:
    """Write a report: the answer first, then everything that it rests on."""
    with plain_errors():
        from mse.answer.intervals import check_level
        from mse.disclosure import rules
        from mse.reporting import build_report
        from mse.reporting.usual import usual_results
        from mse.reporting.writing import as_form
        from mse.words.catalogue import language_of

        # Everything that can be wrong is found out before the work starts.
        check_level(level)
        language_of(language)
        shown = rules(disclosure)
        bundle = bundle_for(shown, private)
        target, chosen = _target(source, output, form)
        about = {"population": population, "period": period, "scope": scope, "source": data_source}
        table = _read(source, lists, covariates, count)
        table = operated(table, operating, not_operating)
        table = table.with_info(**{name: text for name, text in about.items() if text is not None})
        found = usual_results(
            table,
            replicates=replicates,
            seed=seed if bundle is None else bundle.seed(seed),
            n_jobs=workers,
            announce=_say,
            estimators=estimator or (),
        )
        _say("writing the report")
        report = build_report(
            found, language=language, disclosure=shown, title=title, level=level, figures=figures
        )
        write(as_form(report, chosen.value), target)
    if target is not None:
        typer.echo(f"the report is in {target}")
    if found[0].status not in ("ok", "boundary"):
        reason = "" if shown.active else found[0].reason
        typer.echo(f"mse: nothing is estimable. {reason}".rstrip(), err=True)
        raise typer.Exit(NOT_ESTIMABLE)


def _say(text: str) -> None:
    typer.echo(f"mse: {text}", err=True)


def _target(
    source: str, output: str | None, form: ReportForm | None
) -> tuple[Path | None, ReportForm]:
    """Where to write, None for standard output, and in which form."""
    from mse.reporting.writing import form_of

    if output == "-":
        return None, form or ReportForm.html
    if output is not None:
        return Path(output), form or ReportForm(form_of(Path(output)))
    chosen = form or ReportForm.html
    stem = "mse" if source == "-" else Path(source).stem
    return Path(f"{stem}-report.{chosen.value}"), chosen


# Reading -----------------------------------------------------------------------------------------


def _read(
    source: str, lists: str | None, covariates: str | None, count: str | None
) -> CaptureTable:
    """Read the table; of a file without --lists find out which columns are lists."""
    if lists is not None or source in dataset_names():
        return read_table(source, lists, covariates, count)
    frame = read_frame(source)
    named = names_in(covariates)
    counts = names_in(count) or _count_column(frame)
    found, odd = _list_columns(frame, {*named, *counts})
    if len(found) < 2:
        columns = ", ".join(map(str, frame.columns))
        raise InvalidTableError(
            f"{source} has {len(found)} columns that hold 0 and 1 throughout, and at least two lists "
            f"are needed. Name the list columns with --lists; the columns are: {columns}."
        )
    rest = [name for name in map(str, frame.columns) if name not in {*found, *named, *counts}]
    rest = [name for name in rest if name != "synthetic"]
    _check_counted(frame, found, counts, rest)
    _say(f"lists: {', '.join(found)} (the columns of 0 and 1; name others with --lists)")
    _say(
        f"persons: the column {', '.join(counts)}"
        if counts
        else "persons: one row each (no --count)"
    )
    if rest:
        constant = f"; {', '.join(odd)} the same in every row" if odd else ""
        _say(f"not used: {', '.join(rest)} (name covariates with --covariates){constant}")
        frame = _summed(frame, [*found, *named], counts)
    return table_of(frame, ",".join(found), covariates, ",".join(counts) or None)


def _summed(frame: pd.DataFrame, kept: list[str], counts: list[str]) -> pd.DataFrame:
    """Add counts up over the columns that are not used, where they are plain numbers."""
    if len(counts) != 1 or frame[counts[0]].dtype.kind not in "iu":
        return frame
    label = [name for name in ("synthetic",) if name in frame]
    return frame.groupby([*kept, *label], as_index=False, dropna=False, sort=False)[counts].sum()


def _count_column(frame: pd.DataFrame) -> list[str]:
    """Find the column of counts, if one bears a name that says so."""
    named = [name for name in map(str, frame.columns) if name.strip().lower() in _COUNTS]
    return named if len(named) == 1 else []


def _list_columns(frame: pd.DataFrame, taken: set[str]) -> tuple[list[str], list[str]]:
    """Columns that hold 0 and 1, and those that hold only one of them."""
    found: list[str] = []
    constant: list[str] = []
    for name in map(str, frame.columns):
        if name in taken or name == "synthetic":
            continue
        values = {str(value).strip().lower() for value in frame[name].unique()} - _UNKNOWN
        if values and values <= set(_FLAGS):
            both = len({_FLAGS[value] for value in values}) == 2
            (found if both else constant).append(name)
    return found, constant


def _check_counted(
    frame: pd.DataFrame, found: list[str], counts: list[str], rest: list[str]
) -> None:
    """Refuse a table that looks as if it were counted, with no column named that holds the counts."""
    if counts or frame.duplicated([*found]).any():
        return
    numbers = [name for name in rest if frame[name].dtype.kind in "iu" and frame[name].max() > 1]
    if numbers:
        raise InvalidTableError(
            f"Every row has another combination of lists, as in a table of counts, and no column is "
            f"named n or count. If {numbers[0]} holds the number of persons, say --count {numbers[0]}."
        )
