"""Sentences as data: what results say is a key with fields, and a language is one catalogue of texts.

A further language is one file beside this one, with the same keys and fields: see ``en.toml``.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, Self, TypeAlias, cast

from mse._typing import FrozenDict
from mse.errors import ModelError

__all__ = ["MARK", "Catalogue", "Message", "catalogue_of", "joined", "languages"]

#: Language in which results are made.
SOURCE = "en"
#: What stands in place of a figure that is not shown, to protect persons.
MARK = "x"
_SEVERAL = "joined.sentences"
#: Sections of the catalogue whose texts results hold; the others are words around them.
SPOKEN = (
    *("assumption", "check", "described", "found", "given", "grade", "late", "method", "model"),
    *("modeled", "nobody", "reason", "remark", "withheld"),
)

#: What a field holds: a name or words as they stand, a number, another message, several of these, or None
#: for what is withheld.
Field: TypeAlias = "str | int | float | Message | tuple[Field, ...] | None"


class Message(str):
    """A sentence that knows what it says: text in English, with the key and the fields it was made of.

    It is a string, equal to its text. Another language says it from the key and the fields, and a count in
    it is withheld as a field; joined to other text it becomes plain text.

    Parameters
    ----------
    key : str
        Of the catalogue, ``"remark.redrawn"``; where it has a form for one and one for several, the
        field ``n`` decides.
    **fields
        Names, numbers, other messages, or tuples of these; None where a figure is withheld.

    Examples
    --------
    >>> said = Message("remark.unbounded", n=52, of=1000)
    >>> said
    'In 52 of 1,000 replicates the hidden count has no upper bound.'
    >>> said.key, said.fields
    ('remark.unbounded', {'n': 52, 'of': 1000})
    >>> catalogue_of("nl").translated(said)
    'In 52 van de 1.000 herhalingen heeft het verborgen aantal geen bovengrens.'
    """

    __slots__ = ("fields", "key")

    key: str
    fields: Mapping[str, Field]

    def __new__(cls, key: str, /, **fields: Any) -> Message:
        """Write the sentence in English."""
        plain = {name: _plain(value) for name, value in fields.items()}
        return cls.stored(catalogue_of(SOURCE)(key, **plain), key, plain)

    @classmethod
    def stored(cls, text: str, key: str, fields: Mapping[str, Field]) -> Message:
        """Take a text as it was written, with what it was made of."""
        made = super().__new__(cls, text)
        made.key, made.fields = key, FrozenDict(fields)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).stored, (str(self), self.key, dict(self.fields))

    @classmethod
    def known(cls, text: str) -> str:
        """Find the message that a text without fields is, such as an assumption; else give the text."""
        if isinstance(text, cls) or text not in (spoken := _spoken()):
            return text
        return cls.stored(text, spoken[text], {})

    def parts(self) -> Iterator[Message]:
        """Go through this message and those in its fields."""
        yield self
        for value in self.fields.values():
            for each in value if isinstance(value, tuple) else (value,):
                if isinstance(each, Message):
                    yield from each.parts()

    def to_dict(self) -> dict[str, Any]:
        """Write key and fields as JSON can hold them."""
        return {
            "key": self.key,
            "fields": {name: _encoded(each) for name, each in self.fields.items()},
        }


def joined(*parts: str) -> str:
    """Put sentences one after another, empty ones left out; one by itself stays what it is."""
    said = [sentence for part in parts if part for sentence in sentences_of(part)]
    return said[0] if len(said) == 1 else Message(_SEVERAL, parts=said) if said else ""


def sentences_of(text: str) -> list[str]:
    """Take sentences that were put one after another apart."""
    said = Message.known(text)
    if isinstance(said, Message) and said.key == _SEVERAL:
        return [*cast("tuple[str, ...]", said.fields["parts"])]
    return [said]


def named(names: Sequence[str], most: int = 6) -> Field:
    """Name some things in a sentence, the rest counted.

    Examples
    --------
    >>> named(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    if len(names) <= most:
        return tuple(names)
    return Message("joined.more", names=tuple(names[:most]), n=len(names) - most)


def _plain(value: Any) -> Field:
    """Take numbers out of arrays, and lists as tuples."""
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    found: Field = value.item() if hasattr(value, "item") else value
    return found


# JSON: texts stay texts, and what they were made of stands in a list beside them -------------------


def _encoded(value: Field) -> Any:
    if isinstance(value, Message):
        return value.to_dict()
    return [*map(_encoded, value)] if isinstance(value, tuple) else value


def encode_messages(data: object) -> list[dict[str, Any]]:
    """List the messages that stand in some data, each text once, with their keys and fields."""
    found = {str(each): each.to_dict() for each in _messages(data)}
    return [{"text": text, **made} for text, made in found.items()]


def _messages(data: object) -> Iterator[Message]:
    if isinstance(data, str):
        said = Message.known(data)
        if isinstance(said, Message):
            yield said
    elif isinstance(data, Mapping):
        for each in data.values():
            yield from _messages(each)
    elif isinstance(data, list | tuple):
        for each in data:
            yield from _messages(each)


@dataclass(frozen=True)
class Reader:
    """Makes messages of texts that were stored; a text of which nothing is known stays a text.

    Parameters
    ----------
    stored : sequence of mapping
        What `encode_messages` wrote; empty in files that are older than messages.
    """

    stored: Sequence[Mapping[str, Any]]

    def __call__(self, text: str) -> str:
        """Read a text."""
        for each in self.stored:
            if each["text"] == text:
                return Message.stored(text, each["key"], _decoded(each["fields"]))
        return Message.known(text)


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_decoded, value))
    if not isinstance(value, Mapping):
        return value
    if set(value) != {"key", "fields"}:
        return {name: _decoded(each) for name, each in value.items()}
    found = Message.stored(value["key"], value["key"], _decoded(value["fields"]))
    # What this version has no text for is shown as its key.
    return Message(found.key, **found.fields) if catalogue_of(SOURCE).knows(found) else found


# Catalogues ---------------------------------------------------------------------------------------

_FORMATTER = Formatter()
#: Plain parts, names of fields, and what stands behind their colons.
_Template: TypeAlias = "tuple[tuple[str, str | None, str], ...]"


@dataclass(frozen=True)
class Catalogue:
    """One language: its texts, and how numbers are written in it.

    Parameters
    ----------
    code : str
        Such as ``"nl"``.
    messages : mapping of str to str
        Texts by dotted key.

    Examples
    --------
    >>> catalogue_of("nl").span(48534.4, 164675.1)
    '48.534 tot 164.675'
    """

    code: str
    messages: Mapping[str, str] = field(repr=False)
    #: Keys whose texts are others than those that results speak.
    own: frozenset[str] = field(default=frozenset(), repr=False)

    def about(self, section: str) -> Self:
        """Speak of a subject that has texts of its own in place of some, in a section with their keys."""
        texts = self.section(section)
        return replace(self, messages=FrozenDict({**self.messages, **texts}), own=frozenset(texts))

    def __call__(self, key: str, /, **fields: Any) -> str:
        """Fill in a text; of one for one and one for several the field ``n`` decides."""
        return "".join(
            literal + ("" if name is None else self._filled(fields[name], spec))
            for literal, name, spec in template(self.messages[self._form(key, fields)])
        )

    def _form(self, key: str, fields: Mapping[str, Any]) -> str:
        if key in self.messages:
            return key
        # What is withheld is not said to be one.
        return f"{key}.one" if fields.get("n") == 1 else f"{key}.other"

    def _filled(self, value: Field, spec: str) -> str:
        """Write a field: a number as its text says, parts with between them what it says."""
        if value is None:
            return MARK
        if isinstance(value, str):
            said = self.translated(value) if isinstance(value, Message) else None
            return value if said is None else said
        if isinstance(value, tuple):
            return (spec or ", ").join(self._filled(each, "") for each in value)
        return self.written(value, spec)

    def has(self, key: str) -> bool:
        """Tell whether there is a text of this key."""
        return key in self.messages

    def translated(self, text: str) -> str | None:
        """Say what a result says; None where there is no text for it in this language."""
        said = Message.known(text)
        if not text.strip() or (self.code == SOURCE and getattr(said, "key", "") not in self.own):
            return text
        return self(said.key, **said.fields) if self.knows(said) else None  # type: ignore[attr-defined]

    def knows(self, text: str) -> bool:
        """Tell whether there is a text for a message and all that it is made of."""
        return all(
            isinstance(said, Message) and all(self._has_all(each) for each in said.parts())
            for said in sentences_of(text)
        )

    def _has_all(self, said: Message) -> bool:
        """Whether a message, perhaps of another version, has the fields of the text there is for it."""
        text = self.messages.get(self._form(said.key, said.fields))
        return text is not None and fields_of(text) <= set(said.fields)

    def section(self, name: str) -> dict[str, str]:
        """Take the texts below a key, by the rest of their keys."""
        start = f"{name}."
        return {
            key.removeprefix(start): text
            for key, text in self.messages.items()
            if key.startswith(start)
        }

    # Numbers -----------------------------------------------------------------------------------

    def written(self, value: float, spec: str) -> str:
        """Write a number as a format says, with the marks of the language."""
        text = format(value, spec)
        if spec.endswith("%"):
            return self("number.percent", value=self.localized(text[:-1]))
        return self.localized(text) if spec else text

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number, thousands marked; ``-`` where there is none."""
        if math.isnan(value):
            return "-"
        if math.isinf(value):
            return self("number.unbounded")
        # Adding zero makes a negative zero a plain one.
        return self.written(round(value, digits) + 0.0, f",.{digits}f")

    def general(self, value: float, digits: int = 3) -> str:
        """Write a number to some significant digits."""
        return "-" if math.isnan(value) else self.written(value, f".{digits}g")

    def signed(self, value: float, digits: int = 0) -> str:
        """Write a number with its sign."""
        return "-" if math.isnan(value) else self.written(value, f"+,.{digits}f")

    def percent(self, value: float, digits: int = 1) -> str:
        """Write a share as a percentage."""
        return "-" if math.isnan(value) else self.written(value, f".{digits}%")

    def kind(self, kind: str) -> str:
        """Name a kind of interval."""
        return self(f"kind.{kind}") if self.has(f"kind.{kind}") else kind

    def level(self, level: float) -> str:
        """Write the level of an interval."""
        return self("number.percent", value=self.written(100 * level, "g"))

    def probability(self, value: float) -> str:
        """Write a probability in whole percents, without pretending to know its tails."""
        if math.isnan(value):
            return "-"
        if value > 0.99:
            return self("number.over", value=self.percent(0.99, 0))
        return (
            self("number.under", value=self.percent(0.01, 0))
            if value < 0.01
            else self.percent(value, 0)
        )

    def span(self, low: float, high: float, least: float = 0.0) -> str:
        """Write an interval of numbers of persons, of whom ``least`` are known."""
        del least
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
        marks = {",": self.messages["number.thousands"], ".": self.messages["number.decimal"]}
        return "".join(marks.get(each, each) for each in text)

    def listed(self, names: Any, most: int = 12) -> str:
        """Write names in a sentence, the rest counted."""
        known = list(names)
        shown = known[:most]
        if len(known) > most:
            return self("list.more", names=", ".join(shown), n=self.number(len(known) - most))
        if len(shown) < 2:
            return "".join(shown)
        return self("list.and", names=", ".join(shown[:-1]), last=shown[-1])


@cache
def template(text: str) -> _Template:
    """Cut a text at its fields."""
    return tuple((literal, name, spec or "") for literal, name, spec, _ in _FORMATTER.parse(text))


def fields_of(text: str) -> frozenset[str]:
    """Name the fields in braces of a text."""
    return frozenset(name for _, name, _ in template(text) if name)


def languages() -> tuple[str, ...]:
    """Codes of the languages that there are catalogues of.

    Examples
    --------
    >>> languages()
    ('en', 'nl')
    """
    names = (each.name for each in files("mse.messages").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def catalogue_of(code: str) -> Catalogue:
    """Load the catalogue of a language.

    Raises ModelError: if there is none
    """
    known = languages()
    if code not in known:
        raise ModelError(
            f"language={code!r}: there is no catalogue of it; expected one of "
            f"{', '.join(map(repr, known))}."
        )
    text = files("mse.messages").joinpath(f"{code}.toml").read_text(encoding="utf-8")
    return Catalogue(code, FrozenDict(dict(_flat(tomllib.loads(text), ""))))


def _flat(data: Mapping[str, Any], start: str) -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{start}{key}.")
        else:
            # Long texts are broken over lines in the file.
            yield f"{start}{key}", re.sub(r"\s*\n\s*", " ", value).strip()


@cache
def _spoken() -> Mapping[str, str]:
    """Keys of the English texts without fields that results hold."""
    texts = catalogue_of(SOURCE).messages
    return {
        text: key
        for key, text in texts.items()
        if key.partition(".")[0] in SPOKEN and not fields_of(text)
    }
