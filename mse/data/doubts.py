"""What in a column may be read in two ways: questions that files as people have them give reason for."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from mse.data.codings import NO_WORDS, WHOLE, YES_WORDS, membership, word_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from mse.data.checks import Voice
    from mse.data.codings import Entries
    from mse.data.table import CaptureTable

#: Numbers that questionnaires and statistical packages write for what is not known.
_CODES_OF_NONE = re.compile(r"-\d+|[789]|[79]7|[89]8|99+|77+|88+")
#: Identifiers that forms hold where there is none: every digit 0 or 9, dashes, crosses, digits in their order.
_PLACEHOLDER = re.compile(r"0+|9{3,}|[xX]+|[-.*]+|12345(6(7(89?)?)?)?")
#: Rows that an identifier has to stand in, and how often more than any other, to be taken for a placeholder.
_PLACED, _TIMES = 5, 3
#: Persons, and the share of them, of whom others have the same identifier but for letters in upper or lower case.
_CASES, _CASE_SHARE = 3, 0.01
#: Words for totals, in English, Dutch, French and German.
TOTALS = frozenset(
    (
        *(
            "total",
            "totals",
            "subtotal",
            "all",
            "sum",
            "both",
            "totaal",
            "subtotaal",
            "alle",
            "allen",
            "som",
            "beide",
        ),
        *("gesamt", "insgesamt", "ensemble"),
    )
)
#: Cells up to which a table is looked at for totals.
_MOST_CELLS = 10**6
#: How far the sum of shares may be from 1, or 100, by rounding.
_OFF = 0.02
#: A date, and a year at the end or the beginning of a name.
_DAY = re.compile(r"(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})(\D|$)")
_YEAR = re.compile(r"[\s_.-]*(?:19|20)\d\d$|^(?:19|20)\d\d[\s_.-]*")
_SHARE = re.compile(r"\s*(\d+(?:[.,]\d+)?)\s*(%?)\s*")


def of_third_words(name: str, values: Sequence[Any], entries: Entries, voice: Voice) -> str:
    """Ask about a column of yes and no in which something else stands: empty where there is no reason to.

    A number that stands for not known is one; other numbers are those of a characteristic.
    """
    codes, _ = membership(values, entries, (), name)
    words = [word_of(value) or "" for value in values]
    others = [word for word, code in zip(words, codes, strict=True) if code == -2]
    known = {word for word, code in zip(words, codes, strict=True) if code in (0, 1)}
    if not others or not (known & {*YES_WORDS} and known & {*NO_WORDS}):
        return ""
    if known <= {"0", "1"} and not all(map(_CODES_OF_NONE.fullmatch, others)):
        return ""
    unlike = len(others)
    kinds = f"{unlike} other text{'s' * (unlike > 1)}"
    option = voice.option("unknown", "...")
    return (
        f"Column {name!r} holds yes and no, and {kinds}: if it is a list, correct these entries, or name all lists with "
        f"{voice.option('lists')} and the other words with {option} if they mean not known; if it is none, say "
        f"{voice.option('ignore', name)}."
    )


def of_persons(column: pd.Series[Any], name: str, most: int, voice: Voice) -> Iterator[str]:
    """Ask about identifiers that may not be those of persons, or be two of the same; none of them is named.

    most: rows that a person has at the most where each register reports once
    """
    texts = column.dropna().astype(str).str.strip()
    counts = texts[texts != ""].value_counts()
    often = counts[counts >= max(_PLACED, most + 1)]
    placed = often[[bool(_PLACEHOLDER.fullmatch(WHOLE.sub(r"\1", each))) for each in often.index]]
    usual = int(counts.drop(placed.index).max()) if len(placed) < len(counts) else 0
    if len(placed) and placed.iloc[0] > _TIMES * usual:
        yield (
            f"Column {name!r} has an entry that looks like one for nobody (such as 0 or 999), in {int(placed.iloc[0]):,} "
            f"rows: these would be taken for one person. Leave the {voice.unit}s out, or give each an identifier of its own."
        )
    same = int(folded(counts.index.to_series()).duplicated(keep=False).sum())
    if same >= _CASES and same >= _CASE_SHARE * len(counts):
        yield (
            f"Column {name!r} has {same:,} identifiers that are those of others but for upper and lower case, or for .0 behind "
            "them, and would be taken for different persons: write each in one way, or if they differ, number the persons."
        )


def folded(persons: pd.Series[Any]) -> pd.Series[Any]:
    """Write identifiers without what files add to them: spaces, upper case, and .0 behind whole numbers."""
    texts = persons.astype(str).str.strip().str.casefold()
    return texts.str.replace(rf"^{WHOLE.pattern}$", r"\1", regex=True)


def of_shares(columns: Mapping[str, Sequence[Any]], voice: Voice) -> Iterator[str]:
    """Ask about columns of shares in a table of different rows without counts."""
    for name, values in columns.items():
        found = [_SHARE.fullmatch(str(value)) for value in values]
        if not found or not all(found):
            continue
        numbers = np.array([float(each[1].replace(",", ".")) for each in found if each])
        total, whole = float(numbers.sum()), np.all(numbers == np.round(numbers))
        percent = any(each[2] for each in found if each)
        if percent or (not whole and min(abs(total - 1), abs(total / 100 - 1)) < _OFF):
            yield (
                f"Column {name!r} holds shares, and every row is another combination, as in a table of numbers: counts of "
                f"persons are needed. Multiply the shares by their total and name the column with "
                f"{voice.option('count')}, or say {voice.option('ignore', name)} if every row is one person."
            )


def of_many(name: str, values: Sequence[Any], voice: Voice) -> str:
    """Ask about a column of 0, 1 and more in rows of persons: it may be a list that says how often."""
    words = {word_of(value) or "" for value in values} - {""}
    if not {"0", "1"} < words or not all(word.isdecimal() for word in words):
        return ""
    return (
        f"Column {name!r} holds 0, 1 and more: if it is a list that says how often a person was reported, name all lists with "
        f"{voice.option('lists')} and say {voice.option('yes', '>0')}; if it is none, say {voice.option('ignore', name)}."
    )


def of_gaps(name: str, column: pd.Series[Any], voice: Voice) -> str:
    """Ask about a column that names each level once, at the head of its rows, as merged cells are exported."""
    texts = column.astype("object").where(column.notna(), "").astype(str).str.strip()
    named = texts[texts != ""]
    blocks = len(named) > 1 and not named.duplicated().any() and bool(texts.iloc[0])
    if not blocks or 2 * len(named) > len(texts):
        return ""
    return (
        f"Column {name!r} names each level once and is empty in the {voice.unit}s below, as where cells were merged: fill each "
        "level down to all its rows."
    )


def of_days(name: str, values: Sequence[Any], voice: Voice) -> str:
    """Ask about a period that is a date: persons would count once in each day."""
    texts = [str(value) for value in values]
    if len(texts) < 2 or not all(map(_DAY.match, texts)):
        return ""
    return (
        f"Column {name!r} holds dates, and each person would count once on every day: name a column of years, or other periods, "
        f"with {voice.option('period')}, and this one with {voice.option('date', name)}."
    )


def of_years(lists: Sequence[str], voice: Voice) -> str:
    """Ask about lists that are one list in several years, as in a table that is wide."""
    stems: dict[str, list[str]] = {}
    for name in lists:
        stem = _YEAR.sub("", name)
        if stem != name:
            stems.setdefault(stem, []).append(name)
    several = next((names for names in stems.values() if len(names) > 1), None)
    if several is None:
        return ""
    return (
        f"Columns {', '.join(map(repr, several))} look like one list in several years, and would be taken for lists of their "
        "own: write a row for each person and year, with a column for the year, or say which are lists, as in "
        f"{voice.names('lists', list(lists))}."
    )


def of_twins(columns: Mapping[str, pd.Series[Any]], voice: Voice) -> str:
    """Ask about two lists that are the same in every row."""
    for one, other in combinations(columns, 2):
        if columns[one].equals(columns[other]):
            return (
                f"Columns {one!r} and {other!r} are the same in every {voice.unit}: leave one of them out, with "
                f"{voice.option('ignore', other)}."
            )
    return ""


def of_sums(table: CaptureTable) -> Iterator[str]:
    """Ask about levels that have, in every cell, as many persons as all others together: totals under another name."""
    if not table.covariates or not table.is_complete or table.n_cells > _MOST_CELLS:
        return
    shape = (2,) * table.n_lists + tuple(map(len, table.covariates.values()))
    counts = table.counts.reshape(shape)
    for axis, (name, levels) in enumerate(table.covariates.items(), start=table.n_lists):
        if len(levels) < 3:
            continue
        by_level = np.moveaxis(counts, axis, 0).reshape(len(levels), -1)
        sums = by_level.sum(axis=0)
        cells = int(np.count_nonzero(sums))
        for level, each in zip(levels, by_level, strict=True):
            if cells > 2 and np.array_equal(2 * each, sums):
                yield (
                    f"In {name!r} the level {level!r} has in every cell as many persons as all others together, as a total has: "
                    "leave its rows out of the file, so that nobody counts twice."
                )


def of_filled(columns: Sequence[str], voice: Voice) -> str:
    """Say how columns are read in which any entry means on the list."""
    if len(columns) < 2:
        return ""
    return (
        f" If any entry in {', '.join(map(repr, columns[:6]))} means that a person is on that list, and an empty cell that it is "
        f"not, say {voice.names('lists', list(columns))}, {voice.option('yes', '*')} and {voice.option('blank', '0')}."
    )


def of_short_histories(name: str, values: Sequence[Any], lists: int) -> str:
    """Ask about histories of which zeros at the front are gone; empty where there is no reason to."""
    words = [str(value) for value in values]
    lengths = {len(word) for word in words}
    if len(words) < 2 or any(set(word) - {"0", "1"} for word in words):
        return ""
    if max(lengths) != lists or len(lengths) == 1:
        return ""
    return (
        f"Column {name!r} holds histories of which zeros at the front are gone: write each with {lists} digits, as text, such "
        f"as {'1'.zfill(lists)!r}."
    )


def of_overlaps(columns: Mapping[str, Sequence[Any]], voice: Voice) -> str:
    """Say how published overlaps are read, where columns look like pairs of lists; else empty."""
    texts = {
        name: {str(value) for value in values}
        for name, values in columns.items()
        if values and all(isinstance(value, str) and not value.isdigit() for value in values)
    }
    square = any(len(held & set(columns)) > 1 and held <= set(columns) for held in texts.values())
    named = [*texts.values()]
    paired = len(named) == 2 and len(named[0] | named[1]) < len(named[0]) + len(named[1])
    if not (square or paired):
        return ""
    return (
        " If these are published overlaps of lists, write a row for each combination, 1 in the columns of its lists and "
        f"nothing in the others, and say {voice.option('shape', 'overlaps')}."
    )
