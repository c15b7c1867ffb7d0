"""Progress of long work, shown where somebody watches."""

from __future__ import annotations

import sys
from html import escape
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from mse._notice import displayed, html, in_notebook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

_SECONDS_BETWEEN = 0.2


def track(
    work: Iterable[T], total: int, description: str, *, progress: bool | None = None
) -> Iterator[T]:
    """Pass items through, with a bar on standard error.

    work: the items
    total: how many there are
    description: what the bar says
    progress: show the bar; by default in a terminal or notebook, not in scripts and pipelines
    """
    shown = (sys.stderr.isatty() or in_notebook()) if progress is None else progress
    if not shown:
        yield from work
        return
    if in_notebook():
        yield from _track_in_notebook(work, total, description)
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(
        work, description=description, total=total, console=Console(stderr=True), transient=True
    )


def _track_in_notebook(work: Iterable[T], total: int, description: str) -> Iterator[T]:
    """Show an HTML bar that goes when the work is done; rich would ask for ipywidgets."""

    def bar(done: int) -> Any:
        return html(f"{escape(description)} <progress max='{total}' value='{done}'></progress>")

    handle = displayed(bar(0))
    shown = 0.0
    try:
        for done, item in enumerate(work):
            # Every item would be a message to the browser; a few a second are enough.
            if handle is not None and monotonic() - shown > _SECONDS_BETWEEN:
                handle.update(bar(done))
                shown = monotonic()
            yield item
    finally:
        if handle is not None:
            handle.update(html(""))
