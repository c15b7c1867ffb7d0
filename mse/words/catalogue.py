"""How a report speaks: the catalogue of its language, with words that keep their strength or language."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from mse.answer.goodness import short_p
from mse.answer.rounding import SHARE_UNIT, Grid
from mse.messages import SOURCE, Catalogue, catalogue_of, fields_of, languages, template
from mse.words.content import Cell, Inline, Text, inline

if TYPE_CHECKING:
    from mse.answer.grades import Grade

__all__ = ["SOURCE", "Language", "fields_of", "language_of", "languages"]


#: Figures are written as they are.
EXACT = Grid()


@dataclass(frozen=True)
class Language(Catalogue):
    """One language of reports.

    Parameters
    ----------
    rounds : bool, default False
        Write figures rounded to what their interval bears; what they are for machines stays.

    Examples
    --------
    >>> language_of("nl").said("Words that nobody expected.").language
    'en'
    """

    rounds: bool = False

    def said(self, text: str) -> Text:
        """Say what a result says, or mark it as English where that is not known."""
        found = self.translated(text)
        return Text(text, SOURCE) if found is None else Text(found)

    def rich(self, key: str, **values: str | Text | Inline) -> Inline:
        """Fill in a text with words that keep their strength, language or link."""
        parts: list[str | Text | Inline] = []
        for literal, name, _ in template(self.messages[key]):
            parts.append(literal)
            if name:
                parts.append(values[name])
        return inline(*parts)

    def p_value(self, value: float, least: float = 0.0) -> str:
        """Write a p-value; one at its floor ``least``, such as 1 / (1 + B), as no smaller than that."""
        return self.said_p(value, least).removeprefix("= ")

    def said_p(self, value: float, least: float = 0.0) -> str:
        """Write a p-value with its sign, ``= 0.023``."""
        found = short_p(value, least)
        return found if found == "-" else self.said(found).text

    # Figures rounded to what their interval bears ----------------------------------------------

    def grid(self, low: float, high: float, least: float = 0.0, unit: float = 1.0) -> Grid:
        """Take what figures of an interval are rounded to; none of them falls below ``least``."""
        return Grid.of(low, high, least=least, unit=unit) if self.rounds else EXACT

    def share_grid(self, low: float, high: float) -> Grid:
        """Take what shares with an interval are rounded to."""
        return Grid.of(low, high, least=0.0, most=1.0, unit=SHARE_UNIT) if self.rounds else EXACT

    def span(self, low: float, high: float, least: float = 0.0) -> str:
        """Write an interval of numbers of persons, of whom so many are known at the least."""
        return super().span(*self.grid(low, high, least).ends(low, high))

    def share_span(self, low: float, high: float) -> str:
        """Write an interval of shares."""
        grid = self.share_grid(low, high)
        return self._span(
            *grid.ends(low, high), lambda value: self.percent(value, share_digits(grid, value))
        )

    def rate_span_cell(self, low: float, high: float) -> Cell:
        """Make a cell with an interval of rates, which have one decimal at the most."""
        grid = self.grid(low, high, unit=0.1)
        shown = self._span(*grid.ends(low, high), lambda value: self._rate(value, grid))
        return Cell(shown, (finite(low), finite(high)))

    def rate_cell(self, value: float, low: float, high: float) -> Cell:
        """Make a cell with a rate."""
        grid = self.grid(low, high, unit=0.1)
        return Cell(self._rate(grid.point(value), grid), finite(value))

    def _rate(self, value: float, grid: Grid) -> str:
        return self.number(value, 0 if grid.step_at(value) >= 1 else 1)

    def share(self, value: float, grid: Grid, toward: int = 0) -> str:
        """Write a share as its interval bears it."""
        return self.percent(grid.point(value, toward), share_digits(grid, value))

    # Cells -------------------------------------------------------------------------------------

    def count_cell(self, value: float, grid: Grid = EXACT, toward: int = 0) -> Cell:
        """Make a cell with a number of persons, estimated or counted."""
        return Cell(self.number(grid.point(value, toward)), finite(value))

    def decimal_cell(self, value: float, digits: int = 2) -> Cell:
        """Make a cell with a number that has decimals."""
        return Cell(self.number(value, digits), finite(value))

    def share_cell(self, value: float, grid: Grid = EXACT, toward: int = 0) -> Cell:
        """Make a cell with a share."""
        return Cell(self.share(value, grid, toward), finite(value))

    def span_cell(self, low: float, high: float, least: float = 0.0) -> Cell:
        """Make a cell with an interval of persons."""
        return Cell(self.span(low, high, least), (finite(low), finite(high)))

    def share_span_cell(self, low: float, high: float) -> Cell:
        """Make a cell with an interval of shares."""
        return Cell(self.share_span(low, high), (finite(low), finite(high)))

    def decimal_span_cell(self, low: float, high: float, digits: int = 1) -> Cell:
        """Make a cell with an interval that has decimals."""
        return Cell(self.decimal_span(low, high, digits), (finite(low), finite(high)))

    def status_cell(self, status: str) -> Cell:
        """Make a cell with the status of an estimate."""
        key = f"status.{status}"
        return Cell(self(key) if self.has(key) else status.replace("_", " "), status)

    def grade_cell(self, letter: str) -> Cell:
        """Make a cell with a grade; a dash where there is none."""
        return Cell(letter or "-", letter or None)

    def graded(self, found: Grade) -> str:
        """Say a grade, and what keeps it from a better one."""
        head = f"{found.letter}, {self(f'grade_word.{found.letter}')}."
        return " ".join((head, *(self.said(each).text for each in found.reasons)))


def share_digits(grid: Grid, value: float) -> int:
    """Count the decimals of a percentage that a grid leaves."""
    return 0 if grid.step_at(value) >= 0.01 else 1


def finite(value: float | int) -> float | int | None:
    """Give a number as JSON can hold it."""
    number = float(value)
    if not math.isfinite(number):
        return None
    return number if isinstance(value, float) else int(number)


@cache
def language_of(code: str) -> Language:
    """Load the catalogue of a language; ``ModelError`` if there is none."""
    return Language(code, catalogue_of(code).messages)
