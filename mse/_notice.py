"""A line on standard error, or in a notebook, that says what is going on."""

from __future__ import annotations

import sys
from html import escape
from multiprocessing import current_process
from shutil import get_terminal_size
from typing import Any


def in_notebook() -> bool:
    """Tell whether the code runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class ChangingLine:
    """A line on standard error that changes as work goes on, and goes when it is done.

    In a terminal or notebook. Elsewhere what is going on is said once, in a plain line. Worker processes
    say nothing.
    """

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._handle: Any = None

    def show(self, purpose: str, progress: str) -> None:
        """Say what is going on, and how far it is where somebody watches."""
        text = f"{purpose}: {progress}"
        if in_notebook() and current_process().name == "MainProcess":
            if self._handle is None:
                self._handle = displayed(html(escape(text)))
            else:
                self._handle.update(html(escape(text)))
        elif sys.stderr.isatty() and current_process().name == "MainProcess":
            # A longer line would wrap, and a return goes to the start of its last part.
            sys.stderr.write(f"\r\x1b[K{text[: get_terminal_size().columns - 1]}")
            sys.stderr.flush()
        else:
            self.remark(f"{purpose}.")

    def remark(self, text: str) -> None:
        """Say a sentence that stays, once."""
        if text not in self._said and current_process().name == "MainProcess":
            self.clear()
            self._said.add(text)
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._handle is not None:
            self._handle.update(html(""))
        elif sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def html(text: str) -> Any:
    """Return what a notebook shows."""
    from IPython.display import HTML

    return HTML(text)


def displayed(shown: Any) -> Any:
    """Show something in a notebook; return what changes it."""
    from IPython.display import display

    return display(shown, display_id=True)
