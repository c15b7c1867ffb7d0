"""The words in pictures, all of them, and how numbers are written.

A picture in another language is the same call with ``words={"total": "geschat totaal", ...}``, which
may leave out or reorder the fields in braces.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING

from mse.answer.rounding import SHARE_UNIT, Grid
from mse.errors import ModelError
from mse.messages import SOURCE, Message, catalogue_of, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Every word and phrase that a picture may hold.
ENGLISH: Mapping[str, str] = MappingProxyType(catalogue_of(SOURCE).section("plots"))

#: Numbers from here on are written in powers of ten: digits beyond would be taken for knowledge.
_MOST = 1e12


#: What totals without an interval are rounded to, as the text around the picture does it; None if nothing is.
_ROUNDS: ContextVar[Grid | None] = ContextVar("rounds", default=None)


@contextmanager
def rounding(grid: Grid | None) -> Iterator[None]:
    """Draw figures rounded to what their interval bears, those without one to a grid; or as they are."""
    token = _ROUNDS.set(grid)
    try:
        yield
    finally:
        _ROUNDS.reset(token)


def shared_grid() -> Grid:
    """Take what totals without an interval of their own are rounded to."""
    return _ROUNDS.get() or Grid()


def grid_of(low: float, high: float, least: float = 0.0) -> Grid:
    """Take what persons with an interval are rounded to; none falls below ``least``, if that is known."""
    if _ROUNDS.get() is None:
        return Grid()
    return Grid.of(low, high, least=0.0 if math.isnan(least) else least)


def share_grid_of(low: float, high: float) -> Grid:
    """Take what shares with an interval are rounded to."""
    if _ROUNDS.get() is None:
        return Grid()
    return Grid.of(low, high, least=0.0, most=1.0, unit=SHARE_UNIT)


@dataclass(frozen=True)
class Words:
    """English words, some of them replaced by the keys of `ENGLISH`.

    Examples
    --------
    >>> words = Words({"thousands": ".", "range": "{low} tot {high}"})
    >>> words.span(48534.2, 164675.1)
    '48.534 tot 164.675'
    """

    own: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for key, text in (self.own or {}).items():
            if key not in ENGLISH:
                near = get_close_matches(key, ENGLISH, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ModelError(
                    f"words has {key!r}, which no picture holds; expected keys of mse.plots.ENGLISH.{hint}"
                )
            unknown = fields_of(text) - fields_of(ENGLISH[key])
            if unknown:
                raise ModelError(
                    f"words[{key!r}] has the field {{{min(unknown)}}}; the English text is "
                    f"{ENGLISH[key]!r}."
                )

    def __call__(self, key: str, **values: object) -> str:
        """Fill in a phrase."""
        return (self.own or {}).get(key, ENGLISH[key]).format(**values)

    def counted(self, key: str, count: int, **values: object) -> str:
        """Fill in a phrase with the ``{number}`` of something, or that for one of it, ``key_one``."""
        return self(f"{key}_one" if count == 1 else key, number=self.number(count), **values)

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number with thousands marked; infinite ones as words."""
        if math.isinf(value):
            return self("no_upper_bound")
        if abs(value) >= _MOST:
            mantissa, power = f"{value:.1e}".split("e")
            return f"{self._local(mantissa)}e{int(power)}"
        return self._local(f"{value:,.{digits}f}")

    def ratio(self, value: float) -> str:
        """Write a ratio to two or three significant digits."""
        if 0 < abs(value) < 1e-3 or math.isinf(value):
            return self._local(f"{value:.1g}")
        digits = 0 if value >= 100 else 1 if value >= 10 else 2
        return self._local(f"{value:,.{digits}f}")

    def shortest(self, value: float) -> str:
        """Write a number with fractions only where an axis needs them."""
        whole = abs(value - round(value)) < 1e-6 * max(abs(value), 1.0)
        return self.number(value) if whole or abs(value) >= 100 else self.ratio(value)

    def share(self, value: float, digits: int = 0) -> str:
        """Write a share as a percentage."""
        return self("percent", value=self.number(100 * value, digits))

    def level(self, level: float) -> str:
        """Write the level of an interval."""
        return self("percent", value=self._local(f"{100 * level:g}"))

    def span(self, low: float, high: float, grid: Grid | None = None) -> str:
        """Write an interval of numbers of persons, or how far totals without one reach."""
        if math.isnan(low) or math.isnan(high):
            return self("no_interval")
        low, high = (shared_grid() if grid is None else grid).ends(low, high)
        if math.isinf(high):
            return self("at_least", low=self.number(low))
        return self("range", low=self.number(low), high=self.number(high))

    def bounded(self, text: str, *, lower_bound: bool) -> str:
        """Write "at least" before a figure of a lower bound."""
        return self("at_least", low=text) if lower_bound else text

    def status(self, status: str) -> str:
        """Name a status; empty for ``ok``."""
        return "" if status == "ok" else self(f"status_{status}")

    def kind(self, kind: str, level: float) -> str:
        """Name an interval by its level and kind."""
        if not kind:
            return self("no_interval")
        known = self(kind) if kind in ENGLISH else kind
        return self("interval_of_kind", level=self.level(level), kind=known)

    def given(self, given: str) -> str:
        """Say what an interval takes for granted, as an estimate names it."""
        said = Message.known(given)
        # "given.model" of results is "given_model" of pictures.
        key = said.key.replace(".", "_") if isinstance(said, Message) else ""
        return self(key) if key in ENGLISH else given

    def _local(self, text: str) -> str:
        """Put the marks of the language in an English number."""
        marks = {",": self("thousands"), ".": self("decimal")}
        return "".join(marks.get(each, each) for each in text).replace("-", "\N{MINUS SIGN}")
