"""The commands of a year in one file: `mse init`, `run`, `verify`, `bundle` and `compare-runs`."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from mse.answer.shown import csv_text
from mse.cli.options import (
    BAD_INPUT,
    Form,
    Output,
    OutputFormat,
    Source,
    json_text,
    names_in,
    plain_errors,
    takes_table,
    understand,
    write,
)
from mse.errors import ModelError

#: Exit status where a run does not come out the same.
NOT_THE_SAME = 5
#: Seeds are drawn below it: short enough to be typed.
_MOST = 10**6

Folder: TypeAlias = Annotated[
    Path, typer.Argument(help="Folder of a run, that `mse run` wrote.", metavar="RUN")
]


def _say(text: str) -> None:
    typer.echo(f"mse: {text}", err=True)


@takes_table
def init_command(
    source: Source,
    *,
    reading: Mapping[str, Any],
    groups: Annotated[
        str | None, typer.Option(help="Columns to report by, each by itself, separated by commas.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File for the configuration.")
    ] = Path("monitor.toml"),
) -> None:
    """Write a configuration for a source: one readable file, to be run every year."""
    with plain_errors():
        from mse.running.configuration import template

        if output.exists():
            raise ModelError(f"{output} exists: name another file with --output.")
        named_groups = names_in(groups)
        found = understand(source, reading)
        # As `mse monitor` does: the year is the period, if nothing else is said.
        period = found.options.period or ("year" if "year" in found.unused else None)
        axes = [each for each in named_groups if each != period]
        said: dict[str, Any] = {"period": period} if period else {}
        if axes:
            said["covariates"] = list(dict.fromkeys([*(found.options.covariates or ()), *axes]))
        found = understand(source, reading, **said) if said else found
        beside = os.path.exists(source)
        named = os.path.relpath(source, output.parent) if beside else source
        text = template(named, found.options, tuple(named_groups), secrets.randbelow(_MOST))
        write(text, output)
        typer.echo(found.summary())
        if found.questions:
            typer.echo('\nTo be said in [data] before it runs (--blank 0 is blank = "0" there):')
            typer.echo("\n".join(f"  - {each}" for each in found.questions))
        typer.echo(
            f"\nthe configuration is in {output}; when it says what you want:\n  mse run {output}"
        )
    if found.questions:
        raise typer.Exit(BAD_INPUT)


def run_command(
    configuration: Annotated[
        Path, typer.Argument(help="Configuration (TOML), that `mse init` wrote.", metavar="FILE")
    ],
    *,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute everything anew, whatever was computed before.")
    ] = False,
) -> None:
    """Run a configuration: read, estimate, write; what did not change is not computed again."""
    with plain_errors():
        from mse.running import run
        from mse.running.configuration import Configuration

        # What is warned of may be counts, of a run that leaves under rules.
        with plain_errors(Configuration.read(configuration).rules_named):
            folder = run(configuration, fresh=fresh, announce=_say, command=True)
        typer.echo(f"the results are in {folder}")


def verify_command(
    folder: Folder, *, form: OutputFormat = Form.text, output: Output = None
) -> None:
    """Make a run again from what it kept, offline, and compare; exit status 5 where it differs."""
    with plain_errors():
        from mse.running.folder import inputs_of, record_of
        from mse.running.verifying import verify

        record_of(folder)
        with plain_errors(inputs_of(folder).rules):
            found = verify(folder, _say)
        write(_text(found, form), output)
    if not found.passes:
        raise typer.Exit(NOT_THE_SAME)


def bundle_command(
    folder: Folder,
    *,
    for_review: Annotated[
        bool,
        typer.Option(
            "--for-review",
            help="For the office that checks outputs: what leaves, the account of methods, the attack's "
            "report, verification; nothing that stays inside. Without it the whole run, to be verified "
            "elsewhere by those inside.",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder to make; by default RUN-review or RUN-bundle."),
    ] = None,
) -> None:
    """Put a run into one folder, for review or to be verified elsewhere."""
    with plain_errors():
        from mse.running.folder import INSIDE, inputs_of, made_private, record_of
        from mse.running.verifying import review

        kind = "review" if for_review else "bundle"
        target = output or folder.resolve().with_name(f"{folder.resolve().name}-{kind}")
        if target.exists():
            raise ModelError(f"{target} exists: name another folder with --output.")
        record = record_of(folder)
        passes = True
        if for_review:
            with plain_errors(inputs_of(folder).rules):
                passes = review(folder, target, _say).passes
        else:
            made_private(target)
            for name in record["outputs"]:
                shutil.copy2(folder / name, target / name)
            shutil.copytree(folder / INSIDE, made_private(target / INSIDE), dirs_exist_ok=True)
        typer.echo(f"the {kind} is in {target}")
    if not passes:
        raise typer.Exit(NOT_THE_SAME)


def compare_runs_command(
    old: Annotated[Path, typer.Argument(help="Folder of the earlier run.", metavar="OLD")],
    new: Annotated[Path, typer.Argument(help="Folder of the later run.", metavar="NEW")],
    *,
    form: OutputFormat = Form.text,
    output: Output = None,
) -> None:
    """Say what changed between two runs, and why: data, scope, method, disclosure, software."""
    with plain_errors():
        from mse.running.anew import compared_runs

        write(_text(compared_runs(old, new), form), output)


def _text(found: Any, form: Form) -> str:
    if form is Form.csv:
        return csv_text(found.to_frame())
    if form is Form.json:
        known = hasattr(found, "to_dict")
        return json_text(found.to_dict() if known else found.to_frame().to_dict(orient="records"))
    return str(found.summary())
