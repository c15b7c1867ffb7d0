"""The command line: ``mse``, or ``python -m mse``."""

from __future__ import annotations

from mse.cli.commands import app, main

__all__ = ["app", "main"]
