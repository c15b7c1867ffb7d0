"""The command ``mse read``: what is understood of a file, before anything is estimated."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from mse.cli.options import BAD_INPUT, Source, plain_errors, takes_table, understand, write

if TYPE_CHECKING:
    from mse.data.reading import Reading

Output: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="File for the options (TOML), - for none; by default the name of the source with .toml.",
    ),
]


@takes_table
def read_command(source: Source, *, reading: Mapping[str, Any], output: Output = None) -> None:
    """Show what is understood of a file: its columns and their roles, the coding, rows left out and why.

    Nothing is estimated. The options go into a file that every command takes.
    """
    with plain_errors():
        found = understand(source, reading)
        typer.echo(found.summary())
        target = _target(source, output, found)
        if target is not None:
            write(_options_text(source, found, target), target)
            typer.echo(f"\nthe options are in {target}")
        command = f"mse report {shlex.quote(source)}"
        command += f" --options {shlex.quote(str(target))}" if target is not None else ""
        typer.echo("\n".join(["", *_offers(found, command)]))
    if found.questions:
        raise typer.Exit(BAD_INPUT)


def _target(source: str, output: str | None, found: Reading) -> Path | None:
    """Where to write the options; nowhere if there is nothing to say, or that is asked for."""
    if output == "-" or (output is None and source.lower().endswith(".toml")):
        return None
    if output is None and not found.options.to_toml():
        return None
    stem = "mse" if source == "-" else Path(source).name.partition(".")[0]
    return Path(output) if output is not None else Path(f"{stem}.toml")


def _options_text(source: str, found: Reading, target: Path) -> str:
    """Write the options as a file, which names the source, from where the file stands."""
    named = source if source == "-" else os.path.relpath(source, target.parent)
    text = "# Written by mse read: every command takes it, as SOURCE or with --options.\n"
    return f"{text}source = {json.dumps(named)}\n{found.options.to_toml()}"


def _offers(found: Reading, command: str) -> list[str]:
    """Commands that come next: a report, with what has to be said where it is not yet."""
    if not found.questions:
        return ["A report of this table:", f"  {command}"]
    if all("--blank" in question for question in found.questions):
        return [
            "If an empty cell means not on the list:",
            f"  {command} --blank 0",
            "If it means not known:",
            f"  {command} --blank unknown",
        ]
    return ["With the answer to that, a report:", f"  {command} ..."]
