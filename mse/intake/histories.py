"""Counts by capture history, dense tables and published margins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mse.intake.columns import UNKNOWN_WORDS
from mse.intake.counts import REASONS, UNBOUNDED, check_sum, read_count
from mse.intake.frame import check_nobody
from mse.intake.names import as_names, check_names
from mse.intake.observations import Observations
from mse.intake.operating import read_operating, settled
from mse.intake.problems import Problems, listed

if TYPE_CHECKING:
    from mse._typing import IntArray, Level

__all__ = ["check_levels", "from_array", "from_counts", "from_margins", "patterns_of"]

INT64_LIMIT = 2.0**63


def from_counts(counts: object, lists: object) -> Observations:
    """Read counts by capture history.

    Parameters
    ----------
    counts : mapping of str to int
        History ("100": on the first of three lists only) to persons; "<5" is 0 to 4 persons.
    lists : sequence of str
        Names of the lists, in the order of the characters.

    Raises
    ------
    InvalidTableError
        With every problem found in the data.
    """
    problems = Problems()
    names = as_names(lists, "list", problems)
    check_names(names, (), problems)
    cells: dict[str, tuple[int, int]] = {}
    for history, count in _items(counts, "counts", '{"100": 41, "010": 5}', problems):
        bounds = _read_one(f"history {history!r}", count, problems)
        if _is_history(history, len(names), problems):
            if "1" not in history and bounds[1] > 0:
                problems.add(
                    f"History {history!r} (on no list) has a count of {count!r}: nobody can be observed "
                    "there, their number is what is estimated. Remove it, or write 0."
                )
            cells[history] = bounds
    rows = sorted((history, bounds) for history, bounds in cells.items() if bounds[1] > 0)
    patterns = np.array([[int(c) for c in history] for history, _ in rows], dtype=np.int64)
    low = np.array([bounds[0] for _, bounds in rows], dtype=np.int64)
    high = np.array([bounds[1] for _, bounds in rows], dtype=np.int64)
    check_sum(low, high, problems)
    if not problems:
        patterns = patterns.reshape(-1, len(names))
        check_nobody(names, (patterns == 1).any(axis=0).tolist(), problems)
    problems.check()
    return Observations(names, {}, patterns, low, high)


def _items(data: object, what: str, example: str, problems: Problems) -> list[tuple[Any, Any]]:
    if not isinstance(data, Mapping):
        problems.add(
            f"The {what} are of type {type(data).__qualname__}: expected a mapping such as {example}."
        )
        return []
    if not data:
        problems.add(f"The {what} are empty: expected a mapping such as {example}.")
    return list(data.items())


def _read_one(what: str, count: Any, problems: Problems) -> tuple[int, int]:
    bounds = read_count(count)
    if isinstance(bounds, str):
        problems.add(f"The count of {what} is {count!r} ({bounds}): {REASONS[bounds]}.")
        return (0, 0)
    return bounds


def _is_history(history: object, n_lists: int, problems: Problems) -> bool:
    if not isinstance(history, str):
        problems.add(
            f"The history {history!r} is not a string: write {str(history).zfill(n_lists)!r}, one "
            "character per list."
        )
        return False
    if set(history) - {"0", "1"}:
        problems.add(
            f"The history {history!r} holds {listed(sorted(set(history) - {'0', '1'}))}: expected only 1 "
            "(on the list) and 0 (not on it), one character per list."
        )
        return False
    if len(history) != n_lists:
        problems.add(
            f"The history {history!r} has {len(history)} characters and there are {n_lists} lists: expected "
            "one character per list, the first for the first list."
        )
        return False
    return True


def from_margins(list_totals: object, union: object) -> tuple[dict[str, int], int]:
    """Read published list totals and the number of persons on any list.

    Parameters
    ----------
    list_totals : mapping of str to int
        Persons on each list.
    union : int
        Persons on at least one list.

    Returns
    -------
    dict of str to int, int
        The same, checked.

    Raises
    ------
    InvalidTableError
        When no table can have these margins, and for counts that are none.
    """
    problems = Problems()
    given = _items(list_totals, "list totals", '{"a": 53, "b": 70}', problems)
    names = as_names([name for name, _ in given], "list", problems)
    check_names(names, (), problems)
    totals = {name: _exact(f"list {name!r}", count, problems) for name, count in given}
    n_observed = _exact("the union", union, problems)
    problems.check()
    check_nobody(names, [count > 0 for count in totals.values()], problems)
    for name, count in totals.items():
        if count > n_observed:
            problems.add(
                f"List {name!r} has {count:,} persons and the union {n_observed:,}: a list cannot have more "
                "persons than all lists together. Check both figures."
            )
    if sum(totals.values()) < n_observed:
        problems.add(
            f"The list totals add up to {sum(totals.values()):,} and the union is {n_observed:,}: the union "
            "cannot be larger than their sum. Check whether a list is left out."
        )
    problems.check()
    return totals, n_observed


def _exact(what: str, count: Any, problems: Problems) -> int:
    low, high = _read_one(what, count, problems)
    if low != high:
        problems.add(f"The count of {what} is {count!r}: expected an exact number for margins.")
    return low


def check_levels(covariates: object, problems: Problems) -> dict[str, tuple[Level, ...]]:
    """Levels given by name, checked: plain values, each once, none of them "unknown"."""
    if not isinstance(covariates, Mapping):
        problems.add(
            f"`covariates` is {covariates!r}: expected a mapping from names to levels, such as "
            '{"year": [2014, 2015]}.'
        )
        return {}
    checked: dict[str, tuple[Level, ...]] = {}
    for name, given in covariates.items():
        if isinstance(given, str) or not isinstance(given, Iterable):
            problems.add(f"The levels of {name!r} are {given!r}: expected a sequence of levels.")
            continue
        levels = tuple(v.item() if isinstance(v, np.generic) else v for v in given)
        wrong = [v for v in levels if not isinstance(v, str | int | float) or v != v]
        wrong += [v for v in levels if isinstance(v, str) and v.strip().lower() in UNKNOWN_WORDS]
        if wrong:
            problems.add(
                f"The levels of {name!r} hold {listed(wrong)}: expected known strings or numbers. Unknown "
                "entries are no level."
            )
        elif not levels or len(set(levels)) < len(levels):
            problems.add(
                f"The levels of {name!r} are {levels!r}: expected at least one, each once."
            )
        checked[str(name)] = levels
    return checked


def from_array(
    counts: npt.ArrayLike, lists: object, covariates: object, operating: object = None
) -> Observations:
    """Read a dense table.

    Parameters
    ----------
    counts : array, shape (2,)*K + (number of levels of each covariate,)
        Persons in each cell; 0 for those on no list.
    lists : sequence of str
        Names of the lists, in the order of the axes.
    covariates : mapping of str to sequence
        Levels of each covariate, in the order of the axes that follow.
    operating : "everywhere" or mapping, optional
        Where lists operated, see `mse.intake.operating.read_operating`.

    Raises
    ------
    InvalidTableError
        With every problem found in the data.
    """
    problems = Problems()
    names = as_names(lists, "list", problems)
    levels = check_levels(covariates, problems)
    check_names(names, list(levels), problems)
    problems.check()
    dense = _whole_numbers(np.asarray(counts), problems)
    expected = (2,) * len(names) + tuple(len(values) for values in levels.values())
    if dense.shape != expected:
        problems.add(
            f"The array has shape {dense.shape}: expected {expected}, an axis of 2 for each of the "
            f"{len(names)} lists and then one for each covariate."
        )
    problems.check()
    hidden = dense[(0,) * len(names)]
    if np.any(hidden):
        problems.add(
            f"The cells of persons on no list hold {int(hidden.sum()):,}: nobody can be observed there, "
            "their number is what is estimated. Set them to 0."
        )
    patterns, persons = patterns_of(dense)
    check_sum(persons, persons, problems)
    somebody = [bool((patterns[:, axis] == 1).any()) for axis in range(len(names))]
    check_nobody(names, somebody, problems)
    problems.check()
    said = read_operating(operating, names, levels)
    return settled(Observations(names, levels, patterns, persons, persons, said), stacklevel=4)


def _whole_numbers(array: npt.NDArray[Any], problems: Problems) -> IntArray:
    if array.dtype.kind not in "iuf":
        problems.add(
            f"The array has dtype {array.dtype}: expected whole numbers that fit in 64 bits. Convert it "
            "with `.astype(int)` after correcting what is no number."
        )
        return np.zeros(array.shape, dtype=np.int64)
    wrong = {
        "missing": np.isnan(array),
        "negative": array < 0,
        "overflow": array >= (UNBOUNDED if array.dtype.kind in "iu" else INT64_LIMIT),
        "fractional": np.isfinite(array) & (array != np.floor(array)),
    }
    for reason, cells in wrong.items():
        if np.any(cells):
            first = tuple(int(i) for i in np.argwhere(cells)[0])
            problems.add(
                f"The array holds {array[cells][0].item()!r} ({reason}) in {int(np.sum(cells)):,} cells, "
                f"first at index {first}: {REASONS[reason]}."
            )
    return array.astype(np.int64) if not problems else np.zeros(array.shape, dtype=np.int64)


def patterns_of(dense: IntArray) -> tuple[IntArray, IntArray]:
    """Find the cells of a dense table that hold persons, in order, and their counts."""
    cells = np.flatnonzero(dense)
    patterns = np.stack(np.unravel_index(cells, dense.shape), axis=1).astype(np.int64, copy=False)
    return patterns, dense.ravel()[cells]
