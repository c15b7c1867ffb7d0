"""The README's examples run, in Python and on the command line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from mse.cli import app

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
PERSONS = pd.DataFrame(
    {"police": [1, 0, 0, 1, 1], "care": [0, 1, 0, 1, 0], "border": [0, 0, 1, 0, 1]}
).assign(n=[41, 28, 17, 12, 6])
RECORDS = pd.DataFrame(
    {
        "pseudonym": ["p", "p", "q", "r"],
        "source": ["police", "care", "police", "care"],
        "year": [2014, 2014, 2014, 2015],
        "sex": ["f", "f", "m", "f"],
    }
)


def blocks(language: str) -> list[str]:
    """Find the fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def test_python_examples_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"frame": PERSONS, "records": RECORDS}
    for block in blocks("python"):
        exec(block, namespace)  # noqa: S102
    printed = capsys.readouterr().out
    assert "8,234" in printed
    assert namespace["low"] < namespace["high"]  # type: ignore[operator]


COMMANDS = [line for line in "".join(blocks("sh")).splitlines() if line.startswith("mse ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_line_examples_run(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    PERSONS.to_csv("persons.csv", index=False)
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output
    assert done.stdout


def test_there_are_command_line_examples() -> None:
    assert len(COMMANDS) >= 3
