"""What is written down about the code by the code itself: `python -m tests.snapshots`.

Writes the public names with their signatures to `tests/public_api.txt`, where they live to
`mse/__init__.pyi` for type checkers, and the table of modules in `ARCHITECTURE.md`: in the order of the
layers of `pyproject.toml`, with the first line of each docstring. The tests of the house compare all
three with the code.
"""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
SNAPSHOT = ROOT / "tests" / "public_api.txt"
STUB = ROOT / "mse" / "__init__.pyi"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
INVENTORY = re.compile(r"(?<=<!-- modules -->\n)(.*?)(?=<!-- end of modules -->)", re.DOTALL)


def signature(value: object) -> str:
    """Show how something is called."""
    try:
        return str(inspect.signature(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"


def members(cls: type) -> list[str]:
    """List the public methods and properties that the library itself defines for a class."""
    owners = [owner for owner in cls.__mro__ if owner.__module__.startswith("mse.")]
    lines = {}
    for name, value in ((n, v) for owner in reversed(owners) for n, v in vars(owner).items()):
        if name.startswith("_"):
            continue
        function = getattr(value, "__func__", value)
        lines[name] = f".{name}{signature(function)}" if callable(function) else f".{name}"
    return [lines[name] for name in sorted(lines)]


def public_api() -> str:
    """Write the whole public interface as text."""
    import mse

    return "\n".join(names_of(mse)) + "\n"


def names_of(module: ModuleType) -> list[str]:
    """List the public names of a module, and those of its public modules below them."""
    lines = []
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if inspect.ismodule(value):
            lines.append(f"module {name}")
            lines += [f"    {line}" for line in names_of(value)]
        elif inspect.isclass(value):
            own_init = value.__init__ is not Exception.__init__
            own = value.__module__.startswith("mse.") and "__init__" in vars(value) and own_init
            lines.append(f"class {name}{signature(value) if own else ''}")
            lines += [f"    {line}" for line in members(value)]
        else:
            lines.append(f"def {name}{signature(value)}" if callable(value) else name)
    return lines


def stub() -> str:
    """Write where each public name lives, for type checkers."""
    import mse

    imports = [f"from mse import {name} as {name}" for name in mse._MODULES]
    homes = sorted(
        mse._HOMES.items(), key=lambda item: (item[1], item[0].islower(), item[0].lower(), item[0])
    )
    imports += [f"from {home} import {name} as {name}" for name, home in homes]
    head = '"""Where the public names live, for type checkers; written by `python -m tests.snapshots`."""'
    return "\n".join([head, "", *imports, "", "__version__: str", "__all__: list[str]", ""])


def layers() -> list[str]:
    """List the names of the layers, from the top."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    # Parentheses mark layers that may be absent.
    return [name.strip("()") for row in rows for name in re.split(r"\s*[|:]\s*", row)]


def inventory() -> str:
    """Write the table of modules."""
    order = {name: i for i, name in enumerate(layers())}
    rows = []
    for path in (ROOT / "mse").rglob("*.py"):
        module = path.relative_to(ROOT)
        layer = order.get(module.with_suffix("").parts[1], -1)
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        rows.append((layer, module.as_posix(), text.split("\n")[0].rstrip(".").replace("``", "`")))
    lines = [f"| `{module}` | {purpose} |" for _, module, purpose in sorted(rows)]
    return "\n".join(["", "| module | what it is for |", "|---|---|", *lines, "", ""])


def write() -> None:
    """Write all snapshots."""
    STUB.write_text(stub(), encoding="utf-8")
    SNAPSHOT.write_text(public_api(), encoding="utf-8")
    text = ARCHITECTURE.read_text(encoding="utf-8")
    ARCHITECTURE.write_text(INVENTORY.sub(lambda _: inventory(), text), encoding="utf-8")


if __name__ == "__main__":
    write()
