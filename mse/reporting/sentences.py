"""Sentences that results bring along in English, said in the language of the report.

Assumptions, reasons and warnings are made where the estimates are made, in English. The catalogue
lists them under ``[sentences]`` as templates, each under a key, and a language gives its own text for
the same key. A text is cut into known sentences; if that does not work out it stays English and is
marked as such, so that no mixture goes unremarked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from string import Formatter
from typing import TYPE_CHECKING

from mse._text import MARK
from mse.reporting.content import Text
from mse.reporting.language import Language, language_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SOURCE", "Sentences"]

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
