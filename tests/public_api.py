"""Write the public names with their signatures, one a line: `python tests/public_api.py`."""

from __future__ import annotations

import inspect
from pathlib import Path

SNAPSHOT = Path(__file__).with_name("public_api.txt")


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

    lines = []
    for name in sorted(mse.__all__):
        value = getattr(mse, name)
        if inspect.isclass(value):
            own_init = value.__init__ is not Exception.__init__
            own = value.__module__.startswith("mse.") and "__init__" in vars(value) and own_init
            lines.append(f"class {name}{signature(value) if own else ''}")
            lines += [f"    {line}" for line in members(value)]
        else:
            lines.append(f"def {name}{signature(value)}" if callable(value) else name)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(public_api(), encoding="utf-8")
