"""Reports: what was asked, found and assumed, for people who act on it.

`write_report` writes one file. `build_report` makes its content, sections of paragraphs, tables and
figures (`mse.words.content`), from which HTML, Markdown and JSON are laid out.
"""

from __future__ import annotations

from mse.reporting.building import build_report, quality_account
from mse.reporting.writing import write_report
from mse.words.content import Report

__all__ = ["Report", "build_report", "quality_account", "write_report"]
