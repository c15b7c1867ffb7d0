"""What entries of a table mean: who is on a list, what is not known, and how numbers are written."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from mse.data.checks import Voice

#: Entries that say that a thing is not known, in English, Dutch, French and German, whatever their case.
UNKNOWN_WORDS = (
    *("", "unknown", "onbekend", "inconnu", "inconnue", "unbekannt", "?"),
    *("not known", "niet bekend", "pas connu", "nicht bekannt"),
)
#: Entries that programs write where there is none. In text columns a label may read so: see `Entries`.
MISSING_WORDS = ("na", "n/a", "#n/a", "nan", "<na>", "null", "none", ".")
#: Words for on the list and not on it, in English, Dutch, French and German.
YES_WORDS = ("1", "true", "yes", "y", "ja", "j", "oui", "vrai", "waar", "wahr", "✓", "✔", "☑")
NO_WORDS = ("0", "false", "no", "n", "nee", "nein", "non", "faux", "onwaar", "falsch")

WHOLE = re.compile(r"([+-]?\d+)[.,]0+")

UNKNOWN, BAD = -1, -2
#: A word that stands for every number above 0, for columns that count registrations.
POSITIVE = ">0"
#: A word that stands for every entry that is not empty and has no other meaning, such as dates of registration.
ANY = "*"


@dataclass(frozen=True)
class Entries:
    """How the entries of a table are written; what is not said is found out, or asked.

    Attributes
    ----------
    yes, no, unknown : tuple of str
        Words for on the list, not on it, and not known, besides the usual ones. `yes` may be ">0", for numbers, or
        "*", for every entry that says nothing else.
    blank : "0", "unknown" or None
        What an empty cell in a list column means.
    decimal, thousands : str or None
        Marks in numbers.
    delimiter : str
        That of the file the numbers stand in, which tells about marks.
    """

    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    blank: Literal["0", "unknown"] | None = None
    decimal: str | None = None
    thousands: str | None = None
    delimiter: str = ""

    def is_unknown(self, text: str) -> bool:
        """Whether a text says that a thing is not known."""
        word = text.strip().casefold()
        return word in UNKNOWN_WORDS or word in map(str.casefold, self.unknown)


PLAIN = Entries()


def word_of(value: Any) -> str | None:
    """Write an entry as a word to look up, "" where there is none; None if it can be no word.

    >>> [word_of(value) for value in (1.0, True, " Ja ", None, "1,0", "NA")]
    ['1', '1', 'ja', '', '1', '']
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        word = value.strip().casefold()
        word = match[1] if (match := WHOLE.fullmatch(word)) else word
        return "" if word in MISSING_WORDS else word
    if isinstance(value, int):
        return str(int(value)) if -(10**18) < value < 10**18 else "huge"
    if isinstance(value, Decimal) and value.is_nan():
        return ""
    if value is None or value != value or str(value) in ("<NA>", "NaT"):
        return ""
    if isinstance(value, float | Decimal):
        return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    return None


def membership(
    values: Sequence[Any], entries: Entries, beside: Iterable[str] = (), name: str = ""
) -> tuple[list[int], str]:
    """Say what each distinct entry of a list column means.

    values: distinct entries, without those that pandas takes for missing
    entries: how they are written
    beside: words of the other list columns, which may tell what t, f, o and x are
    name: of the column: where nothing else stands in it, it means yes, as forms export ticks
    Returns codes: 1, 0, `UNKNOWN`, or `BAD` for each
    Returns doubt: "" or the reason why the column is in doubt: "one-two", "x"
    """
    words = [_safe_word(value) for value in values]
    held = {word for word in words if word} - set(UNKNOWN_WORDS)
    known = _table(held | set(beside), entries)
    if held == {_said(name)} and name:
        known = {_said(name): 1} | known
    doubt = ""
    if ANY in entries.yes:
        pass
    elif held == {"1", "2"} or (held == {"2"} and set(beside) <= {"1", "2"}):
        doubt = "" if {"1", "2"} & {*entries.yes, *entries.no} else "one-two"
    elif "x" in held and held & set(YES_WORDS) and "x" not in known:
        doubt = "x"
    return [_code(word, known, entries) for word in words], doubt


def _safe_word(value: Any) -> str | None:
    try:
        return word_of(value)
    except (TypeError, ValueError, ArithmeticError):
        return None


def _table(held: set[str], entries: Entries) -> dict[str, int]:
    """Say what words mean where these are held."""
    table = dict.fromkeys(YES_WORDS, 1) | dict.fromkeys(NO_WORDS, 0)
    table |= dict.fromkeys((*UNKNOWN_WORDS[1:], *map(str.casefold, entries.unknown)), UNKNOWN)
    if "t" in held and not held & {"1", "0"}:
        table |= {"t": 1, "f": 0}  # by itself f may be female
    if "o" in held and held & {"n", "non"}:
        table["o"] = 1  # by itself it may be a zero
    if "x" in held and not held & set(YES_WORDS):
        table["x"] = 1
    said_yes = [word for word in map(_said, entries.yes) if word not in (POSITIVE, ANY)]
    return table | dict.fromkeys(said_yes, 1) | dict.fromkeys(map(_said, entries.no), 0)


def _said(word: str) -> str:
    return word_of(word) or word.strip().casefold()


def _code(word: str | None, known: Mapping[str, int], entries: Entries) -> int:
    if word is None:
        return BAD
    if not word:
        return 0 if entries.blank == "0" else UNKNOWN
    if word in known:
        return known[word]
    if ANY in entries.yes:
        return 1
    if POSITIVE in entries.yes:
        number = _number(word)
        return BAD if number is None or number < 0 else int(number > 0)
    return BAD


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def advice(name: str, words: Collection[str], doubt: str, voice: Voice) -> str:
    """Say which options read a list column that holds these words; no word of the column is told.

    name: of the column
    words: those that are not understood
    doubt: as `membership` found
    """
    yes, no = voice.option("yes", "1"), voice.option("no", "2")
    if doubt == "one-two":
        return (
            f" If 1 is yes and 2 is no, as in SPSS, say {yes} and {no}; the other way "
            f"round {voice.option('yes', '2')} and {voice.option('no', '1')}."
        )
    numbers = [_number(word) for word in words]
    if numbers and all(number is not None and number > 0 for number in numbers):
        said = voice.option("yes", POSITIVE)
        by_hand = "" if voice.command else f" (or make it so: `(frame[{name!r}] > 0).astype(int)`)"
        return (
            f" If it counts registrations, say {said}{by_hand}; if they are codes for not known, name them "
            f"with {voice.option('unknown')}."
        )
    return (
        f" Say which words mean on the list with {voice.option('yes')}, not on it with "
        f"{voice.option('no')}, and not known with {voice.option('unknown')}; {voice.option('yes', ANY)} takes "
        "every entry, such as a date of registration, for yes."
    )


def kinds(values: Iterable[Any]) -> str:
    """Give number and type of values, which may be identifiers and are never told themselves."""
    texts = [value for value in values if isinstance(value, str)]
    others = [value for value in values if not isinstance(value, str)]
    parts = [f"{len(texts):,} other text{'s' * (len(texts) != 1)}"] if texts else []
    if others:
        names = sorted({type(_bare(value)).__name__ for value in others})
        parts.append(f"{len(others):,} other value{'s' * (len(others) != 1)} ({', '.join(names)})")
    return " and ".join(parts)


def _bare(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


# Marks in numbers ---------------------------------------------------------------------------------

#: Marks of thousands that no decimal can be.
_ONLY_THOUSANDS = " '\u00a0\u2009\u202f\u2019"
_GROUPED = re.compile(
    rf"[+-]?[1-9]\d{{0,2}}(?:([.,{_ONLY_THOUSANDS}])\d{{3}})(?:\1\d{{3}})*([.,]0+)?"
)
_ANY_DIGITS = re.compile(r"[+-]?\d+")


def plain_numbers(texts: Sequence[str], entries: Entries) -> dict[str, str]:
    """Whole numbers without marks, for the texts of one column that have some.

    A dot or comma may stand for thousands or before decimals. It stands for thousands where numbers below
    1,000 stand beside them without one, unless the file is one whose decimals are written so (a dot in a
    file with commas, a comma in one with semicolons). Where both readings are possible the text becomes
    "ambiguous".

    texts: distinct entries of a column
    Returns Texts that change, by what they were

    Examples
    --------
    >>> plain_numbers(["2.000", "731", "1.204"], Entries(delimiter=";"))
    {'2.000': '2000', '1.204': '1204'}
    >>> plain_numbers(["2.000", "1.000"], Entries())["1.000"]
    'ambiguous'
    """
    stripped = {text: text.strip() for text in texts}
    if entries.decimal or entries.thousands:
        return {text: _by_option(number, entries) for text, number in stripped.items()}
    grouped = {
        text: match for text, number in stripped.items() if (match := _GROUPED.fullmatch(number))
    }
    found = {
        text: f"{match[1]}"
        for text, number in stripped.items()
        if text not in grouped and (match := WHOLE.fullmatch(number))
    }
    digits = [
        number
        for text, number in stripped.items()
        if text not in grouped and _ANY_DIGITS.fullmatch(number)
    ]
    marks = {match[1] for match in grouped.values()}
    certain = len(marks) == 1 and (
        marks <= set(_ONLY_THOUSANDS)
        or any(match[2] or match[0].count(match[1]) > 1 for match in grouped.values())
        or (
            bool(digits)
            and not found
            and all(abs(int(number)) < 1000 for number in digits)
            and (entries.delimiter, *marks) not in ((",", "."), (";", ","))
        )
    )
    for text, match in grouped.items():
        number = match[0].removesuffix(match[2] or "")
        found[text] = number.replace(match[1], "") if certain else "ambiguous"
    return found


def _by_option(number: str, entries: Entries) -> str:
    """Write a number plainly, by the marks that were named."""
    if entries.thousands:
        grouped = re.fullmatch(
            rf"[+-]?\d{{1,3}}(?:{re.escape(entries.thousands)}\d{{3}})+.*", number
        )
        number = number.replace(entries.thousands, "") if grouped else number
    if entries.decimal and entries.decimal != ".":
        number = number.replace(entries.decimal, ".")
    return number


#: Numbers by the mark before their decimals; the other one may group thousands. What begins with a zero, 0363, is a
#: code.
_BY_MARK = {
    mark: re.compile(
        rf"[+-]?(?:0|[1-9]\d*|[1-9]\d{{0,2}}(?:[{re.escape(other)}{_ONLY_THOUSANDS}]\d{{3}})+)(?:{re.escape(mark)}\d+)?"
        r"(?:[eE][+-]?\d+)?"
    )
    for mark, other in ((".", ","), (",", "."))
}


def decimal_numbers(texts: Sequence[str], entries: Entries) -> dict[str, float] | str:
    """Numbers with decimals, for the texts of one column; those that are not known become NaN.

    The mark before decimals is that with which every text is a number. If both would do and say different
    things, it is the one that goes with the delimiter of the file: a dot where commas part columns, a comma where
    semicolons do.

    texts: distinct entries of a column
    Returns Numbers by text; "words" where fewer than half are numbers, "mixed" where some are not, "ambiguous"

    Examples
    --------
    >>> decimal_numbers(["17,5", "22", "onbekend"], Entries())
    {'17,5': 17.5, '22': 22.0, 'onbekend': nan}
    >>> (
    ...     decimal_numbers(["1.250", "2.500"], Entries(delimiter=",")),
    ...     decimal_numbers(["f", "m"], Entries()),
    ... )
    ({'1.250': 1.25, '2.500': 2.5}, 'words')
    >>> decimal_numbers(["1.250", "2.500"], Entries(delimiter=";"))
    'ambiguous'
    """
    known = [text for text in texts if word_of(text) != "" and not entries.is_unknown(text)]
    marks = [entries.decimal] if entries.decimal else ["." if entries.thousands == "," else ","]
    if not entries.decimal and not entries.thousands:
        marks = [*_BY_MARK]
    readings = {
        mark: {text: _with_dot(text.strip(), mark) for text in known}
        for mark in marks
        if mark in _BY_MARK and all(_BY_MARK[mark].fullmatch(text.strip()) for text in known)
    }
    if not known or not readings:
        numbers = sum(
            any(each.fullmatch(text.strip()) for each in _BY_MARK.values()) for text in known
        )
        return "mixed" if 2 * numbers >= len(known) > 0 else "words"
    found = {
        mark: {text: float(number) for text, number in each.items()}
        for mark, each in readings.items()
    }
    chosen, *other = found.values()
    if other and chosen != other[0]:
        mark = next((text.strip()[-4] for text in known if chosen[text] != other[0][text]), "")
        if (entries.delimiter, mark) not in ((",", "."), (";", ",")):
            return "ambiguous"
        chosen = found[mark]
    return chosen | {text: math.nan for text in texts if text not in chosen}


def _with_dot(number: str, mark: str) -> str:
    """Write a number with a dot before its decimals and nothing between thousands."""
    whole, _, decimals = number.partition(mark)
    whole = re.sub(rf"[.,{_ONLY_THOUSANDS}]", "", whole)
    return f"{whole}.{decimals}" if decimals else whole
