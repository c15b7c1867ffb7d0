"""Results shown: as text, as HTML, and drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mse._drawing import Drawn
from mse._text import Section, as_html, as_text, persons

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Result", "layout", "share", "span"]


class Result(Drawn):
    """What all results of an analysis can do; a class gives its ``_sections``."""

    def _sections(self) -> list[Section]:
        raise NotImplementedError

    def summary(self) -> str:
        """Put the result in words, intervals before points."""
        return as_text(self._sections())

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return as_html(self._sections())


# Figures in tables of text -----------------------------------------------------------------------


def span(low: float, high: float) -> str:
    """Write an interval of numbers of persons."""
    if math.isnan(low):
        return "-"
    return f"{persons(low)} to {'no bound' if math.isinf(high) else persons(high)}"


def share(value: float, digits: int = 1) -> str:
    """Write a share as a percentage."""
    return "-" if math.isnan(value) else f"{100 * value:.{digits}f}%"


def layout(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay cells out in columns of fixed width.

    Examples
    --------
    >>> print(layout(["list", "total"], [["police", "1,204"], ["care", "-"]]))
    list    total
    police  1,204
    care    -
    """
    body = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[at]) for row in body) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in body
    )
