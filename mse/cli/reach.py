"""The command ``mse reach``: how many of a known group a register reaches, how soon, and how far they get."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from mse.answer.shown import csv_text
from mse.cli.options import (
    DisclosureOption,
    Form,
    Level,
    Output,
    OutputFormat,
    json_text,
    names_in,
    plain_errors,
    released,
    rules_asked,
    write,
)
from mse.errors import ModelError

if TYPE_CHECKING:
    from mse.disclosure import Rules
    from mse.reaching import Missed, Reach

Group: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="File of the group, a row for each person, with its columns of the person and the start: CSV and other "
        "text, Excel, Parquet, Arrow, Stata, SPSS, SAS, SQLite or DuckDB; or - for standard input.",
        metavar="GROUP",
    ),
]
Register: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="File of the register, a row for each registration, with columns of the person and the date.",
        metavar="REGISTER",
    ),
]
Within: TypeAlias = Annotated[
    str, typer.Option(help="Time within which somebody counts as reached: 180D, 26W, or days.")
]
By: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Columns of the group by which shares are given, separated by commas."),
]
Stages: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Stages in their order, suspected,prosecuted,convicted, as the register has them: who is at a later one "
        "has reached the earlier ones by then."
    ),
]
Since: TypeAlias = Annotated[
    Literal["start", "previous"],
    typer.Option(
        help="Whether a stage is a share of the group, since its start, or of those who reached the stage before, "
        "since then."
    ),
]
MissedOption: TypeAlias = Annotated[
    str,
    typer.Option(
        help="Share of the persons whose registrations are not recognized as theirs, 0.04; or links that were missed "
        "and looked for, 12/300, whose chance the intervals then hold."
    ),
]
Until: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Date until which registrations are known, or a column of the group with it; by default the last date "
        "of the register."
    ),
]
Person: TypeAlias = Annotated[str, typer.Option(help="Column of the person, in both files.")]
Start: TypeAlias = Annotated[str, typer.Option(help="Column of the start, in the group.")]
Date: TypeAlias = Annotated[str, typer.Option(help="Column of the date, in the register.")]
Stage: TypeAlias = Annotated[str, typer.Option(help="Column of the stage, in the register.")]
Earlier: TypeAlias = Annotated[
    Literal["ignored", "counted"],
    typer.Option(help="What registrations before the start are: nothing, or reached at once."),
]
Curve: TypeAlias = Annotated[
    bool, typer.Option("--curve", help="With --format csv: shares at every time, not at the end.")
]
PlotFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--plot", help="File for a picture of the curves: .png, .svg or .pdf."),
]
ReportFile: TypeAlias = Annotated[
    Path | None, typer.Option("--report", help="File for a report: .html, .md, .json or .xlsx.")
]
LanguageOption: TypeAlias = Annotated[str, typer.Option(help="Language of the report: en or nl.")]
Title: TypeAlias = Annotated[str | None, typer.Option(help="Title of the report.")]

_PICTURES = (".png", ".svg", ".pdf")


def reach_command(
    group: Group,
    register: Register,
    *,
    within: Within = "180D",
    by: By = None,
    stages: Stages = None,
    since: Since = "start",
    missed: MissedOption = "0",
    until: Until = None,
    person: Person = "person",
    start: Start = "start",
    date: Date = "date",
    stage: Stage = "stage",
    earlier: Earlier = "ignored",
    level: Level = 0.95,
    form: OutputFormat = Form.text,
    curve: Curve = False,
    plot: PlotFile = None,
    report: ReportFile = None,
    language: LanguageOption = "en",
    title: Title = None,
    disclosure: DisclosureOption = None,
    output: Output = None,
) -> None:
    """Show which share of a known group was reached within a time, by group, and how far they got.

    Under --disclosure the shares are of the persons who were followed for all of the time, at its end alone.
    """
    with plain_errors(disclosure):
        from mse.data.reading import frame_of
        from mse.reaching import reach

        rules = rules_asked(disclosure)
        _check_files(plot, report, language, rules, curve=curve)
        if group == register == "-":
            raise ModelError("Standard input holds one file: name a file for the other.")
        found = reach(
            frame_of(group, command=True),
            frame_of(register, command=True),
            within,
            by=names_in(by),
            stages=names_in(stages),
            since=since,
            missed=_missed(missed),
            until=until,
            person=person,
            start=start,
            date=date,
            stage=stage,
            earlier=earlier,
            level=level,
        )
        shown = released(found, rules)
        write(_text(shown, form, curve=curve), output)
        _write_files(shown, plot, report, (language, title), rules)


def _check_files(
    plot: Path | None, report: Path | None, language: str, rules: Rules | None, *, curve: bool
) -> None:
    """Refuse what cannot be written, before anything is read."""
    from mse.reporting.writing import form_of
    from mse.words.catalogue import language_of

    language_of(language)
    if report is not None:
        form_of(report)
    if plot is not None and plot.suffix.lower() not in _PICTURES:
        raise ModelError(f"--plot {plot.name!r}: expected a file ending in {', '.join(_PICTURES)}.")
    if (plot is not None or curve) and rules is not None and rules.active:
        raise ModelError(
            f"{'--plot' if plot is not None else '--curve'} shows shares by time, and each step of a curve is a "
            "person: under rules of disclosure only the shares at the end leave. Leave out one of the two options."
        )


def _missed(text: str) -> Missed:
    """Read a share, or links that were missed and looked for."""
    parts = [part.strip() for part in text.split("/")]
    try:
        if len(parts) == 2:
            return int(parts[0]), int(parts[1])
        return float(text)
    except ValueError:
        raise ModelError(
            f"--missed {text!r} is not understood; expected a share of the links, 0.04, or the numbers of links that "
            "were missed and looked for, 12/300."
        ) from None


def _text(found: Reach, form: Form, *, curve: bool) -> str:
    if form is Form.json:
        return json_text(found.to_dict())
    if form is Form.csv:
        kept = [*found.key, "days", "share", "low", "high"]
        return csv_text(found.curves[kept] if curve else found.to_frame())
    return found.summary()


def _write_files(
    found: Reach,
    plot: Path | None,
    report: Path | None,
    said: tuple[str, str | None],
    rules: Rules | None,
) -> None:
    """Write the picture and the report that were asked for."""
    if plot is not None:
        import matplotlib.pyplot as plt

        with plt.ioff():
            figure = found.plot().figure
        try:
            figure.savefig(plot, bbox_inches="tight")
        except OSError as error:
            raise ModelError(f"{plot} cannot be written: {error}. Choose another file.") from error
        finally:
            plt.close(figure)
        typer.echo(f"mse: the picture is in {plot}", err=True)
    if report is not None:
        from mse.reporting.writing import write_report

        language, title = said
        write_report(
            found,
            report,
            language=language,
            title=title,
            disclosure="none" if rules is None else rules,
        )
        typer.echo(f"mse: the report is in {report}", err=True)
