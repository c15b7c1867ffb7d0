"""The examples of the documentation run, page by page."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

import mse

DOCS = Path(__file__).resolve().parents[1] / "docs"


def examples(page: Path) -> list[str]:
    """Find the Python blocks of a page, also those inside a list."""
    found = re.findall(
        r"^( *)```python\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


PAGES = [
    page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts and examples(page)
]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(DOCS)) for page in PAGES])
def test_examples_of_a_page_run_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for block in examples(page):
        exec(compile(block, str(page), "exec"), namespace)  # noqa: S102


def test_every_method_page_has_an_example() -> None:
    methods = [page for page in (DOCS / "methods").glob("*.md") if page.stem != "index"]
    assert methods
    assert all(page in PAGES for page in methods)


def test_every_public_name_is_in_the_reference() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^   mse\.([\w.]+)$", text, re.MULTILINE))
    modules = [name for name in mse.__all__ if isinstance(getattr(mse, name), ModuleType)]
    wanted = {name for name in mse.__all__ if name not in modules}
    wanted |= {f"{name}.{each}" for name in modules for each in getattr(mse, name).__all__}
    assert sorted(wanted - named) == []
    assert sorted(named - wanted) == []
