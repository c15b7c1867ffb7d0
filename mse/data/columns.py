"""Columns of a data frame as integer codes: levels and list membership."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd

from mse.data.checks import Problems, check_unknown, listed, values_told
from mse.data.codings import (
    BAD,
    PLAIN,
    UNKNOWN,
    Entries,
    advice,
    kinds,
    membership,
    plain_numbers,
    word_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Level

IMPOSSIBLE = object()
#: Whole numbers below are exact as floats.
EXACT = 2.0**53


@dataclass(frozen=True)
class Factor:
    """A column as codes into its sorted levels.

    Attributes
    ----------
    codes : int64 array, shape (R,)
        Position of the level of each row; -1 where it is not known.
    levels : tuple
        Plain Python scalars: in declared order for an ordered type, otherwise sorted.
    """

    codes: IntArray
    levels: tuple[Level, ...]


def read_columns(frame: Any, names: Sequence[str], problems: Problems) -> dict[str, pd.Series[Any]]:
    """Take columns out of a pandas, polars or pyarrow frame.

    frame: Any eager frame that narwhals knows. It is not changed.
    names: the columns that are needed
    problems: receives a problem when this is no frame, it is empty, or a column is missing
    Returns The columns that exist. Categories whose order says nothing are turned into plain
        values.
    """
    try:
        wrapped = nw.from_native(frame, eager_only=True)
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        problems.add(_not_a_frame(frame, error))
        return {}
    names = [name for name in names if type(name) is str]
    available = [str(name) for name in wrapped.columns]
    check_unknown(list(dict.fromkeys(names)), available, "column", problems)
    if not len(wrapped):
        problems.add("The frame has no rows: expected at least one row of data.")
    known = [name for name in dict.fromkeys(names) if name in wrapped.columns]
    if not known:
        return {}
    chosen = wrapped.select(known)
    # One by one: of a whole Arrow table pandas makes its index again, and these columns are gone.
    columns = {name: chosen[name].to_pandas().rename(name) for name in known}
    # Only pandas categories and Enum types declare an order; polars and arrow number their
    # categories as they happen to appear.
    keep = isinstance(frame, pd.DataFrame)
    return {
        name: columns[name]
        if keep or chosen.schema[name] == nw.Enum
        else _without_order(columns[name])
        for name in known
    }


def _not_a_frame(frame: Any, error: Exception) -> str:
    kind = f"{type(frame).__module__.split('.')[0]}.{type(frame).__qualname__}"
    if hasattr(frame, "collect"):
        return (
            f"The data are a lazy frame ({kind}): call `.collect()` on it first, or let `mse.read` count "
            "it where it lives."
        )
    if isinstance(frame, pd.DataFrame):
        return f"The columns of the frame cannot be told apart: {str(error).strip()} Rename them."
    return (
        f"The data are of type {kind}: expected a pandas, polars or pyarrow data frame. "
        "Try `pandas.DataFrame(data)` first."
    )


def _without_order(column: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        whole = column.cat.categories.dtype.kind in "iub" and column.hasnans
        return column.astype(object if whole else column.cat.categories.dtype)
    return column


def factor(
    column: pd.Series[Any], name: str, problems: Problems, entries: Entries = PLAIN
) -> Factor:
    """Code a categorical column; unknown entries become -1.

    column: values; NaN, None, "" and "unknown" (any case, in four languages) are unknown
    name: name of the column, for the messages
    problems: receives a problem when a value cannot be a level
    entries: further words for what is not known
    """
    if pd.api.types.is_float_dtype(column) or pd.api.types.is_integer_dtype(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=math.nan)
        if np.abs(numbers[~np.isnan(numbers)]).max(initial=0.0) < EXACT:
            return _of_numbers(numbers)
    codes, uniques = factorize(column, name, problems)
    declared = isinstance(column.dtype, pd.CategoricalDtype)
    used = np.ones(len(uniques), dtype=bool)
    if declared:
        used = np.bincount(codes[codes >= 0], minlength=len(uniques)) > 0
    plain: list[Level] = [
        _plain(value, entries) if use else None for value, use in zip(uniques, used, strict=True)
    ]
    bad = [
        value
        for value, level, use in zip(uniques, plain, used, strict=True)
        if use and level is IMPOSSIBLE
    ]
    if bad:
        problems.add(
            f"Column {name!r} holds {values_told(bad)} ({type(bad[0]).__name__}): expected strings, whole "
            "numbers or dates. Convert the column to strings."
        )
    levels = list(
        dict.fromkeys(level for level in plain if level is not None and level is not IMPOSSIBLE)
    )
    levels = _whole(levels) if declared else _sorted(_whole(levels))
    position: dict[Level, int] = {level: i for i, level in enumerate(levels)}
    # One more entry for the code -1, which reads the last one.
    remap = np.array([position.get(level, UNKNOWN) for level in plain] + [UNKNOWN], dtype=np.int64)
    return Factor(remap[codes], tuple(levels))


def _of_numbers(numbers: FloatArray) -> Factor:
    """Code a column of numbers, (R,), all exact as floats; NaN becomes -1."""
    codes = np.full(numbers.size, UNKNOWN, dtype=np.int64)
    known = ~np.isnan(numbers)
    levels, codes[known] = np.unique(numbers[known], return_inverse=True)
    return Factor(codes, tuple(_whole(levels.tolist())))


def factorize(column: pd.Series[Any], name: str, problems: Problems) -> tuple[IntArray, Any]:
    """Find the codes and distinct values of a column, in order of appearance or of the categories."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64), column.cat.categories.tolist()
    try:
        codes, uniques = pd.factorize(column)
    except (TypeError, ArithmeticError, UnicodeError):
        problems.add(
            f"Column {name!r} holds values that cannot be compared, such as lists: expected one plain "
            "value in each row. Split or convert the column."
        )
        return np.full(len(column), UNKNOWN, dtype=np.int64), []
    return codes.astype(np.int64, copy=False), uniques


def _plain(value: Any, entries: Entries) -> Level:
    """Turn a level into a Python scalar that JSON can hold; None if unknown, else IMPOSSIBLE."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            return IMPOSSIBLE
        return None if entries.is_unknown(value) else str(value)
    if isinstance(value, bool | int):
        return value
    if isinstance(value, decimal.Decimal) and value.is_nan():
        return None
    if isinstance(value, float | decimal.Decimal):
        return float(value) if math.isfinite(value) else IMPOSSIBLE
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, pd.Interval | pd.Period):
        return str(value)
    return IMPOSSIBLE


def _whole(levels: list[Level]) -> list[Level]:
    """Years that became floats because one was missing are years again."""
    floats = [level for level in levels if isinstance(level, float)]
    if not all(level.is_integer() for level in floats):
        return levels
    return list(
        dict.fromkeys(int(level) if isinstance(level, float) else level for level in levels)
    )


def _sorted(levels: Iterable[Level]) -> list[Level]:
    levels = list(levels)
    numbers = all(isinstance(level, int | float) for level in levels)
    return sorted(levels, key=None if numbers else str)  # type: ignore[arg-type, type-var]


def list_columns(
    columns: Mapping[str, pd.Series[Any]], problems: Problems, entries: Entries = PLAIN
) -> list[IntArray]:
    """Membership of each list: 1 on it, 0 not on it, -1 not known.

    columns: by list; 0/1, yes/no in four languages, True/False, or unknown (NaN, None, "", "unknown")
    problems: receives a problem for any other value, with the number of rows that hold it, and where
        empty cells may mean two things
    entries: how they are written, where that was said
    """
    coded = {name: factorize(column, name, problems) for name, column in columns.items()}
    words = {
        word
        for _, uniques in coded.values()
        for value in uniques
        if isinstance(value, str | int | float | np.generic) and (word := word_of(value))
    }
    members, doubts, blank = [], [], []
    for name, (codes, uniques) in coded.items():
        found, doubt = membership(uniques, entries, words, name)
        nothing = 0 if entries.blank == "0" else UNKNOWN
        member = np.array([*found, nothing], dtype=np.int64)[codes]
        if doubt == "one-two":
            doubts.append(name)
        elif doubt or (member == BAD).any():
            _tell_bad(codes, uniques, name, member == BAD, doubt, problems)
        elif entries.blank is None and not (member == 0).any() and (member == 1).any():
            empty = np.array([word_of(value) == "" for value in uniques] + [True])[codes]
            blank += [(name, empty)] if empty.any() else []
        members.append(np.where(member == BAD, 0, member))
    if doubts:
        problems.add(
            f"In {_columns(doubts)} only 1 and 2 stand: expected 1 (on the list) and 0 (not on it)."
            f"{advice('', (), 'one-two', problems.voice)}"
        )
    if blank:
        _ask_blank(blank, problems)
    return members


def _columns(names: Sequence[str]) -> str:
    return f"list column{'s' * (len(names) > 1)} {listed(names, 12)}"


def _tell_bad(
    codes: IntArray,
    uniques: Sequence[Any],
    name: str,
    wrong: BoolArray,
    doubt: str,
    problems: Problems,
) -> None:
    """Note entries of a list column that say neither yes nor no, by their number and type."""
    held = [uniques[code] for code in dict.fromkeys(codes[wrong].tolist())]
    options = advice(name, [str(word_of(each)) for each in held], doubt, problems.voice)
    problems.add(
        f"List column {name!r} holds {kinds(held)} in {problems.voice.place(wrong)}: expected 1 (on the "
        f"list), 0 (not on it), yes, no, or nothing where it is not known.{options}"
    )


def _ask_blank(blank: Sequence[tuple[str, BoolArray]], problems: Problems) -> None:
    """Ask what empty cells mean in list columns that hold no 0."""
    voice = problems.voice
    some = np.any([empty for _, empty in blank], axis=0)
    each, have = ("holds", "has") if len(blank) == 1 else ("hold", "have")
    text = _columns([name for name, _ in blank])
    problems.add(
        f"{text[0].upper()}{text[1:]} {each} no 0, and {have} empty cells in {voice.place(some)}: an empty cell "
        f"may mean not on the list, or not known. Say {voice.option('blank', '0')} if it means not on the "
        f"list, {voice.option('blank', 'unknown')} if it is not known."
    )


def bare(values: Iterable[Any]) -> list[Any]:
    """Values as Python scalars, so that messages do not speak of numpy."""
    return [value.item() if isinstance(value, np.generic) else value for value in values]


# Counts of persons, exact or within bounds, as users write them -----------------------------------

#: Upper bound of a count that has none.
UNBOUNDED = int(np.iinfo(np.int64).max)

NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
BELOW = re.compile(r"<\s*(\d+)")
AT_MOST = re.compile(r"(?:<=|≤)\s*(\d+)")
BETWEEN = re.compile(r"(\d+)\s*[-–]\s*(\d+)")  # noqa: RUF001 - the dash that printed tables use

#: Reasons why an entry is no count, and how to mend it.
REASONS: Mapping[str, str] = {
    "negative": "counts are numbers of persons, 0 or more. Correct or remove the row",
    "fractional": "counts are whole numbers of persons. Round weights or rates back to persons",
    "missing": "every row needs a count. Write 0, or an interval such as '<5' for a suppressed count",
    "overflow": "counts must stay below 2**63. Correct the column",
    "unreadable": "expected a whole number, or an interval such as '<5' or '10-14'. Correct the column",
    "truth value": "expected a whole number. Leave {count} out if each row is one person",
    "ambiguous": "a mark may stand for thousands or before decimals. Say {dot} or {comma} for thousands, "
    "{decimal} for decimals",
}


def mended(reason: str, problems: Problems) -> str:
    """Say how an entry that is no count is mended, with the options as the reader gives them."""
    voice = problems.voice
    return REASONS[reason].format(
        dot=voice.option("thousands", "."),
        comma=voice.option("thousands", ","),
        decimal=voice.option("decimal", "."),
        count=voice.option("count"),
    )


def count_column(
    column: pd.Series[Any],
    name: str,
    problems: Problems,
    *,
    upper: bool = False,
    optional: BoolArray | None = None,
    entries: Entries = PLAIN,
) -> tuple[IntArray, IntArray]:
    """Bounds of the number of persons in each row.

    column: whole numbers of persons, or strings: "12", "<5" (0 to 4), "<=4", "5-9"
    name: name of the column
    problems: receives a problem for each kind of entry that is no count
    upper: Whether these are upper bounds, of which a missing or infinite one is none at all
        (`UNBOUNDED`). Without it a missing count is a problem.
    optional: (R,) bool, rows whose count may be missing and is then 0
    entries: how numbers are written, where that was said
    Returns low, high: (R,), Persons at least and at most; equal where the count is exact. Rows with
        a problem have 1, so that they raise no further ones.
    """
    codes, uniques = factorize(column, name, problems)
    marked = plain_numbers([value for value in uniques if isinstance(value, str)], entries)
    plain = [marked.get(value, value) if isinstance(value, str) else value for value in uniques]
    read = [read_count(value) for value in plain] + ["missing"]
    if upper:
        endless = [*(isinstance(value, float) and value == math.inf for value in uniques), False]
        read = [
            (0, UNBOUNDED) if entry == "missing" or no_end else entry
            for entry, no_end in zip(read, endless, strict=True)
        ]
    for reason in REASONS:
        wrong = np.array([entry == reason for entry in read])[codes]
        if reason == "missing" and optional is not None:
            nothing, wrong = wrong & optional, wrong & ~optional
        if wrong.any():
            held = [uniques[code] for code in dict.fromkeys(codes[wrong].tolist()) if code >= 0]
            tellable = reason in ("negative", "fractional") and held
            found = listed(bare(held)) if tellable else kinds(held)
            found = f"{found} ({reason})" if held else "no count"
            place = problems.voice.place(wrong)
            problems.add(f"Column {name!r} holds {found} in {place}: {mended(reason, problems)}.")
    bounds = np.array(
        [(1, 1) if isinstance(entry, str) else entry for entry in read], dtype=np.int64
    )
    rows = bounds[codes]
    if optional is not None:
        rows[nothing] = 0
    return rows[:, 0], rows[:, 1]


def check_sum(low: IntArray, high: IntArray, problems: Problems) -> None:
    """Note a problem when the persons of the table are more than 64 bits hold."""
    bounded = high[high < UNBOUNDED]
    # Halves of 32 bits are summed apart, since the sum itself is what may overflow.
    total = max(
        (int((part >> 32).sum()) << 32) + int((part & 0xFFFFFFFF).sum()) for part in (low, bounded)
    )
    if total >= UNBOUNDED:
        problems.add(
            f"The counts add up to {total:,} persons: the total must stay below 2**63. Correct the "
            "counts that are too large."
        )


def read_count(value: Any) -> tuple[int, int] | str:
    """Bounds that one entry stands for, or the reason why it is no count (a key of `REASONS`).

    Examples
    --------
    >>> from mse.data.columns import read_count
    >>> read_count(12), read_count("<5"), read_count(-1)
    ((12, 12), (0, 4), 'negative')
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return _read_text(value.strip())
    if isinstance(value, bool):
        return "truth value"
    if value is None or value is pd.NA or value is pd.NaT:
        return "missing"
    if not isinstance(value, int | float | decimal.Decimal):
        return "unreadable"
    if isinstance(value, decimal.Decimal) and value.is_nan():
        return "missing"
    return _read_number(value)


def _read_number(value: int | float | decimal.Decimal) -> tuple[int, int] | str:
    if value != value:
        return "missing"
    if not isinstance(value, int) and math.isinf(value):
        return "negative" if value < 0 else "overflow"
    if value < 0:
        return "negative"
    if value != int(value):
        return "fractional"
    return (int(value), int(value)) if int(value) < UNBOUNDED else "overflow"


def _read_text(text: str) -> tuple[int, int] | str:
    if text == "ambiguous":
        return text
    if word_of(text) == "" or PLAIN.is_unknown(text):
        return "missing"
    if NUMBER.fullmatch(text):
        return _read_number(decimal.Decimal(text))
    if match := BELOW.fullmatch(text):
        low, high = 0, int(match[1]) - 1
    elif match := AT_MOST.fullmatch(text):
        low, high = 0, int(match[1])
    elif match := BETWEEN.fullmatch(text):
        low, high = int(match[1]), int(match[2])
    else:
        return "unreadable"
    if high >= UNBOUNDED:
        return "overflow"
    return (low, high) if low <= high else "unreadable"
