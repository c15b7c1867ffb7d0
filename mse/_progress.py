"""Progress of long work, shown where somebody watches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


def in_notebook() -> bool:
    """Tell whether the code runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def track(
    work: Iterable[T], total: int, description: str, *, progress: bool | None = None
) -> Iterator[T]:
    """Pass items through, with a bar on standard error.

    Parameters
    ----------
    work : iterable
        The items.
    total : int
        How many there are.
    description : str
        What the bar says.
    progress : bool, optional
        Show the bar; by default in a terminal or notebook, not in scripts and pipelines.
    """
    shown = (sys.stderr.isatty() or in_notebook()) if progress is None else progress
    if not shown:
        yield from work
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(
        work, description=description, total=total, console=Console(stderr=True), transient=True
    )
