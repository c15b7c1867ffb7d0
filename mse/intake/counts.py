"""Counts of persons, exact or within bounds, as users write them."""

from __future__ import annotations

import decimal
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mse.intake.columns import UNKNOWN_WORDS, bare, factorize
from mse.intake.problems import Problems, listed, rows_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import BoolArray, IntArray

__all__ = ["REASONS", "UNBOUNDED", "check_sum", "count_column", "read_count"]

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
    "truth value": "expected a whole number. Leave `count` out if each row is one person",
}


def count_column(
    column: pd.Series[Any],
    name: str,
    problems: Problems,
    *,
    upper: bool = False,
    optional: BoolArray | None = None,
) -> tuple[IntArray, IntArray]:
    """Bounds of the number of persons in each row.

    Parameters
    ----------
    column : pandas.Series, shape (R,)
        Whole numbers of persons, or strings: "12", "<5" (0 to 4), "<=4", "5-9".
    name : str
        Name of the column.
    problems : Problems
        Receives a problem for each kind of entry that is no count.
    upper : bool
        Whether these are upper bounds, of which a missing or infinite one is none at all
        (`UNBOUNDED`). Without it a missing count is a problem.
    optional : bool array, shape (R,), optional
        Rows whose count may be missing and is then 0.

    Returns
    -------
    low, high : int64 arrays, shape (R,)
        Persons at least and at most; equal where the count is exact. Rows with a problem have 1,
        so that they raise no further ones.
    """
    codes, uniques = factorize(column, name, problems)
    read = [read_count(value) for value in uniques] + ["missing"]
    if upper:
        endless = [*(isinstance(value, float) and value == math.inf for value in uniques), False]
        read = [
            (0, UNBOUNDED) if entry == "missing" or no_end else entry
            for entry, no_end in zip(read, endless, strict=True)
        ]
    for reason, mend in REASONS.items():
        wrong = np.array([entry == reason for entry in read])[codes]
        if reason == "missing" and optional is not None:
            nothing, wrong = wrong & optional, wrong & ~optional
        if wrong.any():
            held = [uniques[code] for code in dict.fromkeys(codes[wrong].tolist()) if code >= 0]
            found = f"{listed(bare(held))} ({reason})" if held else "no count"
            problems.add(f"Column {name!r} holds {found} in {rows_text(wrong)}: {mend}.")
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
    >>> from mse.intake.counts import read_count
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
    return _read_number(value)


def _read_number(value: int | float | decimal.Decimal) -> tuple[int, int] | str:
    if value != value:
        return "missing"
    if math.isinf(value):
        return "negative" if value < 0 else "overflow"
    if value < 0:
        return "negative"
    if value != int(value):
        return "fractional"
    return (int(value), int(value)) if int(value) < UNBOUNDED else "overflow"


def _read_text(text: str) -> tuple[int, int] | str:
    if text.lower() in (*UNKNOWN_WORDS, "nan", "na", "none"):
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
