"""The examples of the documentation run, page by page."""

from __future__ import annotations

import re
import tomllib
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
#: All pages run when they are built (`docs/outputs.py`), which `.ci/run` does; the first that people read run here too.
FIRST = [DOCS / "index.md", DOCS / "tutorial.md", DOCS / "decide.md"]


@pytest.mark.parametrize("page", FIRST, ids=[page.stem for page in FIRST])
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


def test_the_gallery_has_every_picture() -> None:
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"mse\.plots\.(\w+)\(", text))
    assert {name for name in mse.plots.__all__ if name != "ENGLISH"} == drawn


def test_the_recipe_for_conda_asks_for_what_the_package_asks_for() -> None:
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    recipe = (DOCS.parent / "packaging" / "meta.yaml").read_text(encoding="utf-8")
    run = recipe.split("  run:\n")[1].split("\n\n")[0].replace("matplotlib-base", "matplotlib")
    asked = {line.strip("- ").replace(" ", "") for line in run.splitlines()}
    assert asked == {*project["dependencies"], f"python{project['requires-python']}"}
    assert f'version: "{mse.__version__}"' in recipe


def test_every_public_name_is_in_the_reference() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^   mse\.([\w.]+)$", text, re.MULTILINE))
    modules = [name for name in mse.__all__ if isinstance(getattr(mse, name), ModuleType)]
    wanted = {name for name in mse.__all__ if name not in modules}
    wanted |= {f"{name}.{each}" for name in modules for each in getattr(mse, name).__all__}
    assert sorted(wanted - named) == []
    assert sorted(named - wanted) == []


def indexed(page: str) -> str:
    """Headings and entries for the index of a page: what a search puts first."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^(?:#+ |```\{index\} )(.+)$", text, re.MULTILINE)).casefold()


@pytest.mark.parametrize(
    ("words", "page"),
    [
        (
            "excel csv stata spss sas parquet sqlite duckdb polars pandas dask encoding",
            "howto/reading.md",
        ),
        ("blank|ja and nee|1 and blank|leading zeros|thousands|totals", "howto/reading.md"),
        ("excel|workbook", "reports.md"),
        ("excel|workbook|monitor.toml|places", "howto/yearly.md"),
        ("stata spss sas duckdb conda offline secured", "install.md"),
    ],
)
def test_the_search_finds_words_that_people_look_for(words: str, page: str) -> None:
    found = indexed(page)
    wanted = words.split("|") if "|" in words else words.split()
    assert [each for each in wanted if each not in found] == []
