"""The words of reports: one catalogue a language, and how numbers are written in it.

A further language is one file in ``mse/reporting/messages``: the same keys, the same fields in braces.
"""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from string import Formatter
from typing import TYPE_CHECKING, Any

from mse._typing import FrozenDict
from mse.answer.goodness import short_p
from mse.answer.shown import MARK
from mse.errors import ModelError
from mse.words.content import Cell, Inline, Text, inline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_FORMATTER = Formatter()


@dataclass(frozen=True)
class Language:
    """One language: its messages and its numbers.

    Parameters
    ----------
    code : str
        Such as ``"nl"``.
    messages : mapping of str to str
        Texts by dotted key.

    Examples
    --------
    >>> language_of("nl").span(48534.4, 164675.1)
    '48.534 tot 164.675'
    """

    code: str
    messages: Mapping[str, str] = field(repr=False)

    def __call__(self, key: str, **values: object) -> str:
        """Fill in a message."""
        return self.messages[key].format(**values)

    def has(self, key: str) -> bool:
        """Tell whether there is a message of this key."""
        return key in self.messages

    def rich(self, key: str, **values: str | Text | Inline) -> Inline:
        """Fill in a message with words that keep their strength, language or link."""
        parts: list[str | Text | Inline] = []
        for literal, name, _, _ in _FORMATTER.parse(self.messages[key]):
            parts.append(literal)
            if name:
                parts.append(values[name])
        return inline(*parts)

    def counted(self, key: str, number: int, **values: object) -> str:
        """Fill in a message for one or for several: ``key.one`` or ``key.other``, with ``{n}``."""
        form = "one" if number == 1 else "other"
        return self(f"{key}.{form}", n=self.number(number), **values)

    def section(self, name: str) -> dict[str, str]:
        """Take the messages below a key, by the rest of their keys."""
        start = f"{name}."
        return {
            key.removeprefix(start): text
            for key, text in self.messages.items()
            if key.startswith(start)
        }

    # Numbers -----------------------------------------------------------------------------------

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number, thousands marked; ``-`` where there is none."""
        if math.isnan(value):
            return "-"
        if math.isinf(value):
            return self("number.unbounded")
        # Adding zero makes a negative zero a plain one.
        return self.localized(f"{round(value, digits) + 0.0:,.{digits}f}")

    def general(self, value: float, digits: int = 3) -> str:
        """Write a number to some significant digits."""
        return "-" if math.isnan(value) else self.localized(f"{value:.{digits}g}")

    def signed(self, value: float, digits: int = 0) -> str:
        """Write a number with its sign."""
        return "-" if math.isnan(value) else self.localized(f"{value:+,.{digits}f}")

    def percent(self, value: float, digits: int = 1) -> str:
        """Write a share as a percentage."""
        if math.isnan(value):
            return "-"
        return self("number.percent", value=self.localized(f"{100 * value:.{digits}f}"))

    def level(self, level: float) -> str:
        """Write the level of an interval."""
        return self("number.percent", value=self.localized(f"{100 * level:g}"))

    def probability(self, value: float) -> str:
        """Write a probability in whole percents, without pretending to know its tails."""
        if math.isnan(value):
            return "-"
        if value > 0.99:
            return self("number.over", value=self("number.percent", value="99"))
        if value < 0.01:
            return self("number.under", value=self("number.percent", value="1"))
        return self.percent(value, 0)

    def p_value(self, value: float, least: float = 0.0) -> str:
        """Write a p-value; one at its floor ``least``, such as 1 / (1 + B), as no smaller than that."""
        return self.localized(short_p(value, least).removeprefix("= "))

    def span(self, low: float, high: float) -> str:
        """Write an interval of numbers of persons."""
        return self._span(low, high, self.number)

    def share_span(self, low: float, high: float) -> str:
        """Write an interval of shares."""
        return self._span(low, high, self.percent)

    def decimal_span(self, low: float, high: float, digits: int = 1) -> str:
        """Write an interval with decimals."""
        return self._span(low, high, lambda value: self.number(value, digits))

    def _span(self, low: float, high: float, write: Any) -> str:
        if math.isnan(low) or math.isnan(high):
            return self("number.no_interval")
        if math.isinf(high):
            return self("number.at_least", low=write(low))
        return self("number.span", low=write(low), high=write(high))

    def localized(self, text: str) -> str:
        """Put the marks of the language into a number written the English way."""
        marks = {",": self("number.thousands"), ".": self("number.decimal")}
        return "".join(marks.get(each, each) for each in text)

    def listed(self, names: Iterable[str], most: int = 12) -> str:
        """Write names in a sentence, the rest counted."""
        known = list(names)
        shown = known[:most]
        if len(known) > most:
            return self("list.more", names=", ".join(shown), n=self.number(len(known) - most))
        if len(shown) < 2:
            return "".join(shown)
        return self("list.and", names=", ".join(shown[:-1]), last=shown[-1])

    # Cells -------------------------------------------------------------------------------------

    def count_cell(self, value: float) -> Cell:
        """Make a cell with a number of persons, estimated or counted."""
        return Cell(self.number(value), _finite(value))

    def decimal_cell(self, value: float, digits: int = 2) -> Cell:
        """Make a cell with a number that has decimals."""
        return Cell(self.number(value, digits), _finite(value))

    def share_cell(self, value: float, digits: int = 1) -> Cell:
        """Make a cell with a share."""
        return Cell(self.percent(value, digits), _finite(value))

    def span_cell(self, low: float, high: float) -> Cell:
        """Make a cell with an interval of persons."""
        return Cell(self.span(low, high), (_finite(low), _finite(high)))

    def share_span_cell(self, low: float, high: float) -> Cell:
        """Make a cell with an interval of shares."""
        return Cell(self.share_span(low, high), (_finite(low), _finite(high)))

    def status_cell(self, status: str) -> Cell:
        """Make a cell with the status of an estimate."""
        key = f"status.{status}"
        return Cell(self(key) if self.has(key) else status.replace("_", " "), status)


def _finite(value: float | int) -> float | int | None:
    """Give a number as JSON can hold it."""
    number = float(value)
    if not math.isfinite(number):
        return None
    return number if isinstance(value, float) else int(number)


def fields_of(text: str) -> frozenset[str]:
    """Name the fields in braces of a message."""
    return frozenset(name for _, name, _, _ in _FORMATTER.parse(text) if name)


def languages() -> tuple[str, ...]:
    """Codes of the languages that there are catalogues of.

    Examples
    --------
    >>> languages()
    ('en', 'nl')
    """
    folder = files("mse.reporting").joinpath("messages")
    names = (each.name for each in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def language_of(code: str) -> Language:
    """Load the catalogue of a language.

    Raises
    ------
    ModelError
        If there is none.
    """
    known = languages()
    if code not in known:
        raise ModelError(
            f"language={code!r}: there is no catalogue of it; expected one of "
            f"{', '.join(map(repr, known))}."
        )
    text = files("mse.reporting").joinpath(f"messages/{code}.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    if code == "en":
        # Written down once, where the pictures are.
        from mse.plots import ENGLISH

        data["plots"] = dict(ENGLISH)
    return Language(code, FrozenDict(dict(_flat(data, ""))))


def _flat(data: Mapping[str, Any], start: str) -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{start}{key}.")
        else:
            # Long texts are broken over lines in the file.
            yield f"{start}{key}", re.sub(r"\s*\n\s*", " ", value).strip()


def lines(texts: Sequence[str]) -> tuple[Inline, ...]:
    """Make one line of text of each."""
    return tuple(inline(text) for text in texts)


# Sentences that results bring along in English, said in the language of the report ----------------
# Assumptions, reasons and warnings are made where the estimates are made, in English. The catalogue
# lists them under ``[sentences]`` as templates, each under a key, and a language gives its own text for
# the same key. A text is cut into known sentences; if that does not work out it stays English and is
# marked as such, so that no mixture goes unremarked.

#: Language of the layers below.
SOURCE = "en"
#: Fields of a template, by what stands behind the colon: a number written the English way or the mark
#: of one that is not shown, words in
#: which fragments are translated too, or (nothing) names that stay as they are.
_FIELDS = {"n": rf"(?:[+-]?\d(?:[\d,]*\d)?(?:\.\d+)?%?|{MARK})", "w": r".+?", "": r".+?"}


#: Numbers of persons in a text, written the English way.
_THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w])")


@dataclass(frozen=True)
class _Template:
    """A sentence with fields, to be found in a text."""

    key: str
    pattern: re.Pattern[str]
    kinds: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, key: str, text: str, end: str) -> _Template:
        parts, kinds = [], []
        for literal, name, kind, _ in Formatter().parse(text):
            parts.append(re.escape(literal))
            if name:
                parts.append(f"(?P<{name}>{_FIELDS[kind or '']})")
                kinds.append((name, kind or ""))
        return cls(key, re.compile("".join(parts) + end, re.DOTALL), tuple(kinds))


@cache
def _templates(section: str, end: str) -> tuple[_Template, ...]:
    """All templates of a section of the English catalogue, the most definite first."""
    found = [
        _Template.of(f"{section}.{key}", text, end)
        for key, text in language_of(SOURCE).section(section).items()
    ]
    return tuple(sorted(found, key=lambda each: -len(each.pattern.pattern)))


@dataclass(frozen=True)
class Sentences:
    """Says in one language what the layers below say in English.

    Parameters
    ----------
    language : Language
        The language of the report.

    Examples
    --------
    >>> said = Sentences(language_of("nl")).say(
    ...     "In 1,204 of 2,000 replicates the hidden count has no upper bound."
    ... )
    >>> said.language, "1.204" in said.text
    ('', True)
    >>> Sentences(language_of("nl")).say("Words that nobody expected.").language
    'en'
    """

    language: Language

    @cached_property
    def _said(self) -> dict[str, Text]:
        return {}

    def say(self, text: str) -> Text:
        """Translate a text, or mark it as English where it is not known."""
        if self.language.code == SOURCE or not text.strip():
            return Text(text)
        if text not in self._said:
            found = next(self._cut(" ".join(text.split()), 0), None)
            self._said[text] = Text(text, SOURCE) if found is None else Text(" ".join(found))
        return self._said[text]

    def name(self, text: str) -> Text:
        """Translate a description that may be anybody's: what is not known stays unmarked."""
        said = self.say(text)
        return Text(text) if said.language else said

    def knows(self, text: str) -> bool:
        """Tell whether the catalogue has all sentences of a text."""
        return next(self._cut(" ".join(text.split()), 0), None) is not None

    def _cut(self, text: str, start: int) -> Iterator[tuple[str, ...]]:
        """All ways to read the rest of a text as sentences of the catalogue, said anew."""
        if start >= len(text):
            yield ()
            return
        for template in _templates("sentences", r"(?=\s|$)"):
            match = template.pattern.match(text, start)
            # A field may have swallowed too little: then the longest reading is tried as well.
            if match is None:
                continue
            for rest in self._cut(text, match.end() + 1):
                yield (self._fill(template, match), *rest)

    def _fill(self, template: _Template, match: re.Match[str]) -> str:
        values = {}
        for name, kind in template.kinds:
            found = match[name]
            if kind == "n":
                found = self._number(found)
            elif kind == "w":
                found = self._fragments(found)
            values[name] = found
        return _unkinded(self.language.messages[template.key]).format(**values)

    def _number(self, text: str) -> str:
        if text.endswith("%"):
            return self.language("number.percent", value=self.language.localized(text[:-1]))
        return self.language.localized(text)

    def _fragments(self, text: str) -> str:
        for template in _templates("fragments", ""):
            text = template.pattern.sub(lambda match, t=template: self._fill(t, match), text)  # type: ignore[misc]
        return _THOUSANDS.sub(lambda match: self._number(match[0]), text)


@cache
def _unkinded(text: str) -> str:
    """Drop what stands behind the colons of a template."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", text)
