"""The command ``mse simulate``: SYNTHETIC registrations for a pipeline, and the truth beside them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mse.cli.options import Output, plain_errors, write
from mse.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from mse.simulate.designs import Linkage
    from mse.simulate.dutch import Study


class FileForm(StrEnum):
    """Forms of the registrations."""

    csv = "csv"
    parquet = "parquet"


class StudyName(StrEnum):
    """Published studies whose population a world can have."""

    first = "2017"
    second = "2021"


_STUDIES: dict[StudyName, Study] = {StudyName.first: "2017", StudyName.second: "2021"}

Seed: TypeAlias = Annotated[
    int | None, typer.Option(help="The same seed gives the same persons and registrations.")
]
Years: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Years, such as 2014-2018 or 2015,2018; all from 2010 to 2019 by default."),
]
StudyOption: TypeAlias = Annotated[
    StudyName, typer.Option(help="Study whose level and composition the population has.")
]
Dropping: TypeAlias = Annotated[
    bool, typer.Option("--dropout", help="Care organizations stop reporting in 2018.")
]
Missing: TypeAlias = Annotated[
    float, typer.Option(help="Share of registrations that lack a covariate.")
]
Linking: TypeAlias = Annotated[
    str,
    typer.Option(help="Share of missed links; or of missed and false links, such as 0.1,0.02."),
]
Dependence: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="Referral (above 1) or avoidance (below 1) beyond the published overlaps, such as "
        "police:others=3; may be repeated."
    ),
]
Overcoverage: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="Share of a list outside the population, such as border_police=0.1; may be repeated."
    ),
]
Suppress: TypeAlias = Annotated[
    int | None,
    typer.Option(
        help="Write counts by cell in place of registrations, those below this number as '<5', if "
        "it is 5."
    ),
]
Late: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--late", help="Registrations with dates, which come in 1 to 9 months after the event."
    ),
]
Truth: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="File for the true number of persons by stratum: .csv or .parquet."),
]


def simulate_command(
    world: Annotated[str, typer.Argument(help="What to simulate: netherlands.", metavar="WORLD")],
    *,
    seed: Seed = None,
    years: Years = None,
    study: StudyOption = StudyName.first,
    dropout: Dropping = False,
    missing: Missing = 0.0,
    linkage: Linking = "0",
    dependence: Dependence = None,
    overcoverage: Overcoverage = None,
    suppress: Suppress = None,
    late: Late = False,
    form: Annotated[FileForm, typer.Option("--format", help="Form of the output.")] = FileForm.csv,
    output: Output = None,
    truth: Truth = None,
) -> None:
    """Make up registrations with a known truth: SYNTHETIC, about nobody."""
    with plain_errors():
        from mse.simulate.cells import check_name
        from mse.simulate.worlds import netherlands

        check_name(world, ["netherlands"], "world")
        if form is FileForm.parquet and output is None:
            msg = "Parquet cannot be written to standard output: name a file with --output."
            raise ModelError(msg)
        simulation = netherlands(
            years=_years(years),
            study=_STUDIES[study],
            dependence=_numbers(dependence, "--dependence"),
            dropout=dropout,
            missing=missing,
            linkage=_linkage(linkage),
            overcoverage=_numbers(overcoverage, "--overcoverage"),
            suppress=suppress,
            late=late,
        ).draw(seed)
        if truth is not None:
            _write(simulation.truth, _form_of(truth), truth)
        frame = simulation.records if suppress is None else simulation.to_frame()
        _write(frame, form, output)
        # Beside the data, so that a draw without --seed can be had again.
        typer.echo(f"mse: SYNTHETIC data, about nobody; --seed {simulation.seed}", err=True)


def _write(frame: pd.DataFrame, form: FileForm, path: Path | None) -> None:
    from mse.simulate.worlds import csv_text, write_parquet

    if form is FileForm.parquet and path is not None:
        write_parquet(frame, path)
    else:
        write(csv_text(frame), path)


def _form_of(path: Path) -> FileForm:
    return FileForm.parquet if path.suffix in (".parquet", ".pq") else FileForm.csv


def _years(text: str | None) -> tuple[int, ...]:
    if text is None:
        from mse.simulate.dutch import YEARS

        return YEARS
    chosen: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            chosen += range(int(first), int(last or first) + 1)
    except ValueError:
        msg = f"--years is {text!r}: expected years such as 2014-2018 or 2015,2018."
        raise ModelError(msg) from None
    return tuple(chosen)


def _linkage(text: str) -> Linkage:
    from mse.simulate.designs import Linkage

    try:
        return Linkage(*map(float, text.split(",")))
    except (TypeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        msg = f"--linkage is {text!r}: expected one share or two, such as 0.1,0.02."
        raise ModelError(msg) from None


def _numbers(items: list[str] | None, option: str) -> dict[str, float]:
    numbers = {}
    for item in items or ():
        name, _, number = item.rpartition("=")
        try:
            numbers[name] = float(number)
        except ValueError:
            msg = f"{option} is {item!r}: expected a name and a number, such as police=0.1."
            raise ModelError(msg) from None
    return numbers
