"""Notebooks are stored clean; the documentation runs them, from a clean kernel, when it is built."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

pytestmark = pytest.mark.notebook


def test_every_notebook_is_in_the_documentation() -> None:
    listed = (FOLDER / "index.md").read_text(encoding="utf-8").split()
    assert NOTEBOOKS
    assert [page.stem for page in NOTEBOOKS if page.stem not in listed] == []


@pytest.mark.parametrize("page", NOTEBOOKS, ids=[page.stem for page in NOTEBOOKS])
def test_notebook_holds_no_output_and_begins_with_its_title(page: Path) -> None:
    cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[0]["source"]).startswith("# ")
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    for cell in code:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        ast.parse("".join(cell["source"]))
