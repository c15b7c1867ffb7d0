"""Memory that is free, and an error that says so before work starts that needs more."""

from __future__ import annotations

from pathlib import Path

from mse.errors import ModelError

_MEMORY = Path("/proc/meminfo")
#: Limit and use of the control group of the process, of version 2 and 1.
_GROUPS = tuple(
    tuple(Path("/sys/fs/cgroup") / name for name in names)
    for names in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    )
)


def free_memory() -> float:
    """Bytes that can still be had: of the machine, or of the control group; infinite if nothing tells."""
    free = float("inf")
    try:
        for line in _MEMORY.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = 1024.0 * int(line.split()[1])
    except (OSError, ValueError):
        return free
    for limit, used in _GROUPS:
        try:
            left = int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        free = min(free, max(float(left), 0.0))
    return free


def demand(size: float, what: str, mend: str) -> None:
    """Raise `ModelError` if so many bytes cannot be had.

    size: bytes that the work will take at least
    what: what takes them, the subject of a sentence
    mend: what to do instead, for the end of a sentence
    """
    free = free_memory()
    if size > free:
        raise ModelError(
            f"{what} would take some {_shown(size)} of memory, and {_shown(free)} are free: {mend}."
        )


def _shown(size: float) -> str:
    """Write bytes in a unit that suits them."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
