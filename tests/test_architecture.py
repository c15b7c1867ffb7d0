"""The house: what imports what, what stands where, and what the outside may rely on."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import numpy as np
import pytest

import mse
from tests.snapshots import (
    ARCHITECTURE,
    INVENTORY,
    ROOT,
    SNAPSHOT,
    STUB,
    inventory,
    layers,
    public_api,
    stub,
)

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = ROOT / "mse"
HEAVY = ["arviz", "matplotlib", "numba", "nutpie", "pandas", "pymc", "rich", "scipy", "typer"]


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def python_files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts]


def tracked_files() -> list[Path]:
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def readme_commands() -> dict[str, str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"<!-- command: (\w+) -->\n```\w*\n(.*?)\n```", text, flags=re.DOTALL)
    return dict(found)


def test_import_is_light() -> None:
    loaded = run_python(
        "import sys, time; start = time.perf_counter(); import mse\n"
        "print(time.perf_counter() - start); print(*sys.modules)"
    )
    seconds, modules = loaded.splitlines()
    # Nothing but the standard library is loaded, which takes a hundredth of this.
    assert float(seconds) < 1.0
    assert {name.split(".")[0] for name in modules.split()}.isdisjoint([*HEAVY, "numpy"])


def test_public_names_load_no_sampler_and_no_plots() -> None:
    modules = run_python(
        "import sys, mse\nfor name in mse.__all__: getattr(mse, name)\nprint(*sys.modules)"
    )
    roots = {name.split(".")[0] for name in modules.split()}
    assert roots.isdisjoint(["arviz", "matplotlib", "nutpie", "pymc", "rich", "typer"])


def test_core_loads_without_pandas() -> None:
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (PACKAGE / "core").rglob("*.py")
        if path.name != "__init__.py"
    )
    modules = run_python(
        "import sys, importlib\n"
        "sys.modules['pandas'] = None\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print(*(name for name in sys.modules if name.startswith('mse.')))"
    )
    allowed = re.compile(r"mse\.(core(\..*)?|_notice|_typing|errors|registry)")
    assert [name for name in modules.split() if not allowed.fullmatch(name)] == []


def test_type_checkers_find_the_lazy_names_where_they_live() -> None:
    assert stub() == STUB.read_text(encoding="utf-8"), "run `python -m tests.snapshots`"
    assert set(mse.__all__) == {*mse._HOMES, *mse._MODULES}


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'LogLinaer'"):
        mse.LogLinaer  # noqa: B018


def test_public_api_is_the_snapshot() -> None:
    assert public_api() == SNAPSHOT.read_text(encoding="utf-8"), (
        "The public names or signatures changed. If that is meant, run "
        "`python -m tests.snapshots` and say so in CHANGELOG.md."
    )


def test_no_module_shares_a_name_with_a_public_function_or_class() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    assert modules.isdisjoint(mse._HOMES)
    assert modules.issuperset(mse._MODULES)


def test_inventory_is_true() -> None:
    written = INVENTORY.search(ARCHITECTURE.read_text(encoding="utf-8"))
    assert written is not None
    assert written[0] == inventory(), (
        "The table of modules in ARCHITECTURE.md differs from the files, their docstrings or the "
        "layers in pyproject.toml: run `python -m tests.snapshots`."
    )


def test_paths_that_are_named_exist() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8") + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = {
        path
        for path in re.findall(r"\b(?:mse|tests)/[\w/.-]*\w/?", text)
        if "zelterman" not in path
    }
    assert len(named) > 100
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_picture_of_the_layers_is_that_of_the_rule() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    picture = re.search(r"## Layers\n.*?```\n(.*?)```", text, flags=re.DOTALL)
    assert picture is not None
    drawn = [re.split(r"\s{2,}", line.strip())[0].split(" | ") for line in picture[1].splitlines()]
    assert [name for row in drawn for name in row] == layers()[1:]


def test_modules_are_small() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in python_files()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 1200
    }
    assert long == {}


def lines_of(function: ast.FunctionDef) -> int:
    """Count the lines of a function's body, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_functions_are_short() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in python_files()}
    lengths = {
        f"{path.relative_to(ROOT)}: {node.name}": lines_of(node)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > 60} == {}
    assert np.mean([lines <= 30 for lines in lengths.values()]) >= 0.98


def imported_by(path: Path, modules: set[str]) -> set[str]:
    """Find the modules of the library that a file imports, for types and inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (whole & modules) or {node.module}
    return found & modules


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("depth", [2, 9], ids=["folders", "modules"])
def test_no_imports_go_in_circles(depth: int) -> None:
    # Imports for type checkers count: who reads one file should not need the one that uses it.
    files = {module_of(path): path for path in python_files()}
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        # The package itself holds only where the public names are, loaded when they are used.
        if name == "mse":
            continue
        unit = ".".join(name.split(".")[:depth])
        units = {".".join(each.split(".")[:depth]) for each in imported_by(path, set(files))}
        graph.setdefault(unit, set()).update(units - {unit, "mse"})
    assert len(graph) > 20
    tuple(TopologicalSorter(graph).static_order())  # raises a CycleError that names the circle


def test_version_is_stated_once() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {mse.__version__}\n" in citation
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" in project["dynamic"]


def test_readme_commands_are_single_lines_that_ci_runs() -> None:
    commands = readme_commands()
    assert set(commands) == {"estimate", "test"}
    for command in commands.values():
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q ")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in commands:
        assert re.search(rf"^readme {name} ", script, flags=re.MULTILINE)


def test_no_tracked_file_names_a_place_on_someones_machine() -> None:
    place = re.compile(r"(?<![\w./:~-])/(?:home|root|Users|work|opt|tmp)/\w")
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in place.finditer(text)]
    assert found == []
