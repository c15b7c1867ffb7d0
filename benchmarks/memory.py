"""Memory of this process, read without loading anything that takes some."""

from __future__ import annotations

from pathlib import Path


def memory_of_process(field: str) -> float:
    """Read ``VmRSS`` or ``VmHWM`` (the peak) of this process, in MB; Linux only.

    Not `resource.getrusage`: its peak is inherited from the process that started this one.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return float(line.split()[1]) / 1024
    raise LookupError(f"/proc/self/status has no line {field}.")
