"""The command `mse check`: what files that were published, or are to be, give away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mse.answer.shown import csv_text
from mse.cli.options import Form, Output, OutputFormat, json_text, plain_errors, write

#: Exit status where a count is given away.
EXPOSED = 4

Files: TypeAlias = Annotated[
    list[Path],
    typer.Argument(
        help="JSON, CSV, text, HTML or Markdown files; several are read together, as a stranger would.",
        metavar="FILE...",
    ),
]
RulesOption: TypeAlias = Annotated[
    str, typer.Option("--disclosure", help="Rules that the files are held against.")
]


Acro: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Folder for output checkers: the files, and the attack in the form that acro reads."
    ),
]


def check_command(
    files: Files,
    *,
    disclosure: RulesOption = "cbs",
    acro: Acro = None,
    form: OutputFormat = Form.text,
    output: Output = None,
) -> None:
    """Compute from published files what is left of each count behind them; exit status 4 where it is too little."""
    with plain_errors():
        from mse.disclosure import acro_outcome, attack, rules

        found = attack(list(files), rules(disclosure))
        if acro is not None:
            acro_outcome(files, rules(disclosure), acro)
        exposed = found["exposed"].astype(bool)
        if form is Form.json:
            text = json_text(found.to_dict(orient="records"))
        elif form is Form.csv:
            text = csv_text(found)
        elif found.empty:
            text = "Nothing could be computed back from what was printed."
        else:
            rows = [
                f"{'EXPOSED' if told else 'safe   '}  {cell}: {_left(low, high)} ({why})"
                for cell, _, low, high, told, why in found.itertuples(index=False)
            ]
            text = "\n".join([*rows, "", f"{int(exposed.sum())} of {len(found)} exposed."])
        write(text, output)
    if exposed.any():
        raise typer.Exit(EXPOSED)


def _left(low: float, high: float) -> str:
    """Write what is left of a count."""
    if low != low:
        return "by trying"
    return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
