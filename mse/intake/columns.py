"""Columns of a data frame as integer codes: levels and list membership."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd

from mse.intake.names import check_unknown
from mse.intake.problems import Problems, listed, rows_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mse._typing import IntArray, Level

__all__ = ["UNKNOWN_WORDS", "Factor", "bare", "factor", "factorize", "list_column", "read_columns"]

#: Entries that mean "not known", whatever their case; so do NaN, None and NA.
UNKNOWN_WORDS = ("", "unknown")

UNKNOWN = -1
BAD = -2
IMPOSSIBLE = object()


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

    Parameters
    ----------
    frame : data frame
        Any eager frame that narwhals knows. It is not changed.
    names : sequence of str
        The columns that are needed.
    problems : Problems
        Receives a problem when this is no frame, it is empty, or a column is missing.

    Returns
    -------
    dict of str to pandas.Series
        The columns that exist. Categories whose order says nothing are turned into plain values.
    """
    try:
        wrapped = nw.from_native(frame, eager_only=True)
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        problems.add(_not_a_frame(frame, error))
        return {}
    available = [str(name) for name in wrapped.columns]
    check_unknown(list(dict.fromkeys(names)), available, "column", problems)
    if not len(wrapped):
        problems.add("The frame has no rows: expected at least one row of data.")
    known = [name for name in dict.fromkeys(names) if name in wrapped.columns]
    if not known:
        return {}
    chosen = wrapped.select(known)
    columns = chosen.to_pandas()
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
        return f"The data are a lazy frame ({kind}): call `.collect()` on it first."
    if isinstance(frame, pd.DataFrame):
        return f"The columns of the frame cannot be told apart: {str(error).strip()} Rename them."
    return (
        f"The data are of type {kind}: expected a pandas, polars or pyarrow data frame. "
        "Try `pandas.DataFrame(data)` first."
    )


def _without_order(column: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype)
    return column


def factor(column: pd.Series[Any], name: str, problems: Problems) -> Factor:
    """Code a categorical column; unknown entries become -1.

    Parameters
    ----------
    column : pandas.Series, shape (R,)
        Values; NaN, None, "" and "unknown" (any case) are unknown.
    name : str
        Name of the column, for the messages.
    problems : Problems
        Receives a problem when a value cannot be a level.
    """
    codes, uniques = factorize(column, name, problems)
    declared = isinstance(column.dtype, pd.CategoricalDtype)
    used = np.ones(len(uniques), dtype=bool)
    if declared:
        used = np.bincount(codes[codes >= 0], minlength=len(uniques)) > 0
    plain: list[Level] = [
        _plain(value) if use else None for value, use in zip(uniques, used, strict=True)
    ]
    bad = [
        value
        for value, level, use in zip(uniques, plain, used, strict=True)
        if use and level is IMPOSSIBLE
    ]
    if bad:
        problems.add(
            f"Column {name!r} holds {listed(bad)} ({type(bad[0]).__name__}): expected strings, whole "
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


def factorize(column: pd.Series[Any], name: str, problems: Problems) -> tuple[IntArray, Any]:
    """Find the codes and distinct values of a column, in order of appearance or of the categories."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64), column.cat.categories.tolist()
    try:
        codes, uniques = pd.factorize(column)
    except TypeError:
        problems.add(
            f"Column {name!r} holds values that cannot be compared, such as lists: expected one plain "
            "value in each row. Split or convert the column."
        )
        return np.full(len(column), UNKNOWN, dtype=np.int64), []
    return codes.astype(np.int64, copy=False), uniques


def _plain(value: Any) -> Level:
    """Turn a level into a Python scalar that JSON can hold; None if unknown, else IMPOSSIBLE."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return None if value.strip().lower() in UNKNOWN_WORDS else str(value)
    if isinstance(value, bool | int):
        return value
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


# Numbers, truth values and strings that a list column may hold. True == 1 == 1.0 as keys.
MEMBERSHIP: Mapping[object, int] = {0: 0, 1: 1, "0": 0, "1": 1}


def list_column(column: pd.Series[Any], name: str, problems: Problems) -> IntArray:
    """Membership of one list: 1 on it, 0 not on it, -1 not known.

    Parameters
    ----------
    column : pandas.Series, shape (R,)
        Holds 0/1, True/False, "0"/"1", or unknown (NaN, None, "", "unknown").
    name : str
        Name of the list.
    problems : Problems
        Receives a problem for any other value, with the number of rows that hold it.
    """
    codes, uniques = factorize(column, name, problems)
    meaning = np.array([_member(value) for value in uniques] + [UNKNOWN], dtype=np.int64)
    members = meaning[codes]
    wrong = members == BAD
    if wrong.any():
        held = [uniques[code] for code in dict.fromkeys(codes[wrong].tolist())]
        advice = (
            f" If it counts registrations, use `(frame[{name!r}] > 0).astype(int)`."
            if all(isinstance(value, int | float | np.number) and value > 0 for value in held)
            else ""
        )
        problems.add(
            f"List column {name!r} holds {listed(bare(held))} in {rows_text(wrong)}: expected 1 (on the "
            f"list), 0 (not on it), True, False, or nothing where it is not known.{advice}"
        )
        members = np.where(wrong, 0, members)
    return members


def _member(value: Any) -> int:
    if isinstance(value, str):
        value = value.strip()
        if value.lower() in UNKNOWN_WORDS:
            return UNKNOWN
    try:
        return MEMBERSHIP.get(value, BAD)
    except TypeError:
        return BAD


def bare(values: Iterable[Any]) -> list[Any]:
    """Values as Python scalars, so that messages do not speak of numpy."""
    return [value.item() if isinstance(value, np.generic) else value for value in values]
