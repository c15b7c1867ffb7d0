"""Names that are layout or formulas elsewhere: they stay names in Markdown, HTML and CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import mse
from mse.answer.shown import csv_text
from mse.cli import app
from mse.reporting import build_report
from mse.reporting.writing import as_form

if TYPE_CHECKING:
    from pathlib import Path

BAD = ["a <script>x<script>", "b | c |\n# Heading", "=HYPERLINK(1)"]


@pytest.fixture(scope="module")
def markdown() -> str:
    table = mse.CaptureTable.from_counts(
        {"110": 40, "101": 30, "011": 25, "100": 90, "010": 80, "001": 60}, BAD
    )
    table = table.with_info(
        population="P\n# Not a heading", source="```\n<b>", notes="[a](javascript:1)"
    )
    fit = mse.LogLinear("main").fit(table)
    return as_form(build_report([fit, mse.diagnostics.goodness_of_fit(fit)], figures=False), "md")


def test_markdown_has_the_headings_of_the_report_and_no_others(markdown: str) -> None:
    lines = markdown.splitlines()
    assert not [line for line in lines if re.match(r"#+ (Not a|Heading)", line)]
    assert "<script>" not in markdown.replace("\\<script\\>", "")
    assert not re.search(r"(?<!\\)\]\(javascript", markdown)


def test_tables_keep_their_columns(markdown: str) -> None:
    blocks = re.findall(r"(?m)(?:^\|.*\n)+", markdown)
    assert blocks
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_captions_are_escaped(markdown: str) -> None:
    assert "**Goodness of fit of \\[1,2,3\\]**" in markdown


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1"])
def test_csv_has_no_formula(cell: str) -> None:
    import pandas as pd

    text = csv_text(pd.DataFrame({cell: [cell, "plain"], "n": [-1, 2]}))
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0][0] == rows[1][0] == f"'{cell}".replace("\r", " ")
    assert [row[1] for row in rows[1:]] == ["-1", "2"]


def test_commands_write_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "a,b,group,n\n1,0,=1+1,40\n0,1,=1+1,50\n1,1,=1+1,30\n1,0,x,40\n0,1,x,50\n1,1,x,30\n"
    )
    options = ["--lists", "a,b", "--period", "group", "--count", "n", "--format", "csv"]
    model = ["--model", "a*group + b*group", "--replicates", "100", "--workers", "1"]
    found = CliRunner().invoke(app, ["monitor", str(path), *options, *model])
    assert found.exit_code == 0, found.output
    assert "'=1+1" in found.stdout
    assert not re.search(r"(^|,)=", found.stdout, flags=re.MULTILINE)
