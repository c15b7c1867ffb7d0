"""How a report speaks: the catalogue of its language, with words that keep their strength or language."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from mse.answer.goodness import short_p
from mse.messages import SOURCE, Catalogue, catalogue_of, fields_of, languages, template
from mse.words.content import Cell, Inline, Text, inline

if TYPE_CHECKING:
    from mse.answer.grades import Grade

__all__ = ["SOURCE", "Language", "fields_of", "language_of", "languages"]


class Language(Catalogue):
    """One language of reports.

    Examples
    --------
    >>> language_of("nl").said("Words that nobody expected.").language
    'en'
    """

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

    # Cells -------------------------------------------------------------------------------------

    def count_cell(self, value: float) -> Cell:
        """Make a cell with a number of persons, estimated or counted."""
        return Cell(self.number(value), finite(value))

    def decimal_cell(self, value: float, digits: int = 2) -> Cell:
        """Make a cell with a number that has decimals."""
        return Cell(self.number(value, digits), finite(value))

    def share_cell(self, value: float, digits: int = 1) -> Cell:
        """Make a cell with a share."""
        return Cell(self.percent(value, digits), finite(value))

    def span_cell(self, low: float, high: float) -> Cell:
        """Make a cell with an interval of persons."""
        return Cell(self.span(low, high), (finite(low), finite(high)))

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
