"""``python -m mse`` is the command ``mse``."""

from __future__ import annotations

from mse.cli import main

main()
