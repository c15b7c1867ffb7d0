"""Data frames with one column per list: individual persons or aggregated counts."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mse.data.checks import (
    Problems,
    Voice,
    as_names,
    check_names,
    check_nobody,
    check_unknown,
    listed,
    rows_text,
)
from mse.data.codings import PLAIN, Entries, word_of
from mse.data.columns import (
    UNBOUNDED,
    Factor,
    check_sum,
    count_column,
    factor,
    list_columns,
    mended,
    read_columns,
    read_count,
)
from mse.data.operating import read_operating, settled
from mse.data.patterns import (
    Group,
    Margins,
    Observations,
    TableInfo,
    distinct,
    rows_of,
    total,
    without_unused_levels,
)
from mse.data.registrations import coded_records, counted, factors_of_units, persons_of, units_of
from mse.errors import InvalidTableError, MSEWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from mse._typing import BoolArray, IntArray, Level


def from_frame(
    frame: Any,
    lists: object,
    covariates: object = (),
    count: object = None,
    operating: object = None,
    *,
    person: str | None = None,
    summed: bool = False,
    drop_unlisted: bool = False,
    entries: Entries = PLAIN,
    voice: Voice | None = None,
) -> Observations:
    """Count the persons of a data frame with one column per list.

    frame: one row per person (`count` is None) or per cell of the table
    lists, covariates: columns
    count: column of counts, or the columns of their lower and upper bounds
    operating: where lists operated, see `mse.data.operating.read_operating`
    person: column of an identifier: rows of one person are one person, on every list of any of them
    summed: whether counts of the same cell are added up
    drop_unlisted: whether rows on none of the lists are left out
    entries, voice: how entries are written, and how problems are told
    Raises InvalidTableError: with every problem found in the data
    """
    problems = Problems(voice)
    names, groups = as_names(lists, "list", problems), as_names(covariates, "covariate", problems)
    counts = _count_names(count, (*names, *groups), problems)
    check_names(names, groups, problems)
    ids = [] if person is None else [person]
    columns = read_columns(frame, [*names, *groups, *counts, *ids], problems)
    members = list_columns({n: columns[n] for n in names if n in columns}, problems, entries)
    factors = {n: factor(columns[n], n, problems, entries) for n in groups if n in columns}
    if person is not None and counts:
        problems.add(
            f"{problems.voice.option('count')} and {problems.voice.option('person')} are both given: rows are "
            "counts or persons, not both. Leave out one."
        )
    if problems:
        # The cells are not known, so nothing can be said about them; the counts may be wrong too.
        _bounds(columns, counts, None, problems, entries)
        problems.check()
    if person is not None:
        members, factors = once_each(columns[person], person, members, factors, problems)
    nowhere = np.all([member == 0 for member in members], axis=0)
    low, high = _bounds(columns, counts, nowhere, problems, entries)
    cells: list[npt.NDArray[Any]] = [*members, *(column.codes for column in factors.values())]
    group = distinct(cells, [2] * len(names) + [len(column.levels) for column in factors.values()])
    if drop_unlisted:
        warn_unlisted(nowhere & (high > 0), problems)
        low, high = np.where(nowhere, 0, low), np.where(nowhere, 0, high)
    _check_nowhere(nowhere & (high > 0), bool(counts), problems)
    if counts and not summed:
        _check_repeats(group, names, factors, problems, cells=cells)
    if not counts:
        _check_empty(np.all([codes < 0 for codes in cells], axis=0), problems)
    check_nobody(names, [bool(np.any(high[on] > 0)) for on in _on_it(members)], problems)
    check_sum(low, high, problems)
    problems.check()
    low, high = total(group, low, high)
    kept = high > 0
    levels = {name: column.levels for name, column in factors.items()}
    patterns = rows_of(cells, group.first[kept])
    return finish(Observations(names, levels, patterns, low[kept], high[kept]), operating)


def warn_unlisted(left_out: BoolArray, problems: Problems) -> None:
    """Warn of those who are on none of the lists, and are left out."""
    if left_out.any():
        warnings.warn(
            f"Left out, since they are on none of the lists: {problems.voice.place(left_out)}.",
            MSEWarning,
            stacklevel=5,
        )


def once_each(
    column: pd.Series[Any],
    name: str,
    members: list[IntArray],
    factors: dict[str, Factor],
    problems: Problems,
) -> tuple[list[IntArray], dict[str, Factor]]:
    """Make one row of the rows of each person: on a list if any row says so, else not known if one is not."""
    units = units_of(persons_of(column, name, problems), None)
    problems.check()
    merged = []
    for member in members:
        row = np.zeros(units.size, dtype=np.int64)
        row[units.of_row[member < 0]] = -1
        row[units.of_row[member == 1]] = 1
        merged.append(row)
    problems.voice = replace(problems.voice, unit="person", numbered=False)
    return merged, factors_of_units(units, factors)


def _on_it(members: list[IntArray]) -> list[BoolArray]:
    """Who is on each list: those who are known to be, or can be on no other one."""
    unknown = np.sum([member < 0 for member in members], axis=0)
    last = (unknown == 1) & ~np.any([member == 1 for member in members], axis=0)
    return [(member == 1) | ((member < 0) & last) for member in members]


def _count_names(count: object, axes: Sequence[str], problems: Problems) -> tuple[str, ...]:
    if count is None:
        return ()
    names = (count,) if isinstance(count, str) else count
    if (
        not isinstance(names, tuple | list)
        or len(names) not in (1, 2)
        or not all(isinstance(name, str) for name in names)
    ):
        problems.add(
            f"`count` is {count!r}: expected the name of a column, a pair of names for the lower and "
            "the upper bound, or None when each row is one person."
        )
        return ()
    for name in names:
        if name in axes:
            problems.add(
                f"Column {name!r} is used both as the count and as a list or covariate: name it once."
            )
    return tuple(names)


def _bounds(
    columns: dict[str, pd.Series[Any]],
    counts: tuple[str, ...],
    nowhere: BoolArray | None,
    problems: Problems,
    entries: Entries,
) -> tuple[IntArray, IntArray]:
    if any(name not in columns for name in counts):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if not counts:
        ones = np.ones(0 if nowhere is None else len(nowhere), dtype=np.int64)
        return ones, ones
    # Printed tables often list the history of persons on no list, without a count.
    low, high = count_column(
        columns[counts[0]], counts[0], problems, optional=nowhere, entries=entries
    )
    if len(counts) == 2:
        _, high = count_column(columns[counts[1]], counts[1], problems, upper=True, entries=entries)
        crossed = high < low
        if crossed.any():
            problems.add(
                f"The upper bound {counts[1]!r} is below the lower bound {counts[0]!r} in "
                f"{problems.voice.place(crossed)}: swap or correct them."
            )
    return low, high


def _check_nowhere(wrong: BoolArray, aggregated: bool, problems: Problems) -> None:
    if wrong.any():
        mend = "Remove the row, or write 0" if aggregated else "Remove these rows, or correct them"
        said = problems.voice.option("drop_unlisted", "True", quoted=False)
        said = said.removesuffix(" True")
        problems.add(
            f"There are persons on no list in {problems.voice.place(wrong)}: nobody can be observed there, "
            f"their number is what is estimated. {mend}; `mse.read` leaves them out with {said}."
            if not problems.voice.command
            else f"There are persons on no list in {problems.voice.place(wrong)}: nobody can be observed "
            f"there, their number is what is estimated. Say {said} to leave them out, or correct them."
        )


def _check_empty(empty: BoolArray, problems: Problems) -> None:
    # With a count they would be persons of whom nothing is known but that some list has them.
    if empty.any():
        problems.add(
            f"Nothing is known in {problems.voice.place(empty)}, on no list and no covariate: expected a person in "
            "each row. Remove empty rows; persons of whom nothing else is known need a column of counts."
        )


def _check_repeats(
    group: Group,
    lists: Sequence[str],
    factors: dict[str, Factor],
    problems: Problems,
    *,
    cells: list[npt.NDArray[Any]],
) -> None:
    repeated = np.ones(len(group.member), dtype=bool)
    repeated[group.first] = False
    if not repeated.any():
        return
    row = int(np.flatnonzero(repeated)[0])
    history = "".join("01?"[int(column[row])] for column in cells[: len(lists)])
    where = [f"history {history}"]
    for (name, column), codes in zip(factors.items(), cells[len(lists) :], strict=True):
        level: Level = column.levels[codes[row]] if codes[row] >= 0 else "unknown"
        where.append(f"{name} {level!r}")
    voice = problems.voice
    by_hand = f"`frame.groupby([{listed([*lists, *factors], 40)}], as_index=False).sum()`"
    problems.add(
        f"The counts have duplicate cells, given again in {voice.place(repeated)} (first: "
        f"{', '.join(where)}). Expected one count per cell. Name the column that tells them apart in "
        f"{voice.option('covariates')}, or add them up with "
        f"{voice.option('summed') if voice.command else by_hand}."
    )


def finish(seen: Observations, operating: object = None) -> Observations:
    """Drop levels without persons; a covariate that is never known is a problem.

    seen: rows differ, in order
    operating: where lists operated, see `mse.data.operating.read_operating`
    """
    problems = Problems()
    seen = without_unused_levels(seen)
    for name, levels in seen.covariates.items():
        if not levels:
            problems.add(
                f"Covariate {name!r} is not known for anybody: expected at least one known value. Leave "
                "it out of `covariates`."
            )
    problems.check()
    said = read_operating(operating, seen.lists, seen.covariates)
    seen = settled(replace(seen, operating=said), stacklevel=5)
    if said is not None:
        check_nobody(
            seen.lists, np.any(seen.patterns[:, : len(seen.lists)] == 1, axis=0).tolist(), problems
        )
        problems.check()
    return seen


# Counts by capture history, dense tables and published margins ------------------------------------

INT64_LIMIT = 2.0**63


def from_counts(counts: object, lists: object) -> Observations:
    """Read counts by capture history.

    counts: history ("100": on the first of three lists only) to persons; "<5" is 0 to 4 persons
    lists: names of the lists, in the order of the characters
    Raises InvalidTableError: with every problem found in the data
    """
    problems = Problems()
    names = as_names(lists, "list", problems)
    check_names(names, (), problems)
    cells: dict[str, tuple[int, int]] = {}
    for given, count in _items(counts, "counts", '{"100": 41, "010": 5}', problems):
        history = _as_history(given)
        if isinstance(history, str) and history and set(history) == {"0"} and word_of(count) == "":
            continue  # printed tables list the history of nobody without a count
        bounds = _read_one(f"history {history!r}", count, problems)
        if _is_history(history, len(names), problems):
            if "1" not in history and bounds[1] > 0:
                problems.add(
                    f"History {history!r} (on no list) has a count of {count!r}: nobody can be observed "
                    "there, their number is what is estimated. Remove it, or write 0."
                )
            if history in cells:
                problems.add(
                    f"The history {history!r} is given twice: expected one count for each."
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


def _shortly(count: Any) -> str:
    """Write what was given as a count, unless it has no end."""
    if isinstance(count, int) and abs(count) >= 10**30:
        return "a number of more than 30 digits"
    text = repr(count)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _read_one(what: str, count: Any, problems: Problems) -> tuple[int, int]:
    bounds = read_count(count)
    if isinstance(bounds, str):
        problems.add(
            f"The count of {what} is {_shortly(count)} ({bounds}): {mended(bounds, problems)}."
        )
        return (0, 0)
    return bounds


def _as_history(given: Any) -> Any:
    """Write the key of a grouped frame, such as (0, True, 1), as a history; leave others as they are."""
    if isinstance(given, tuple) and given:
        words = [word_of(entry) for entry in given]
        if set(words) <= {"0", "1"}:
            return "".join(str(word) for word in words)
    return given


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

    list_totals: persons on each list
    union: persons on at least one list
    Returns the same, checked
    Raises InvalidTableError: when no table can have these margins, and for counts that are none
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


def from_overlaps(
    overlaps: object, lists: object = None
) -> tuple[Observations, TableInfo | None, Margins | None]:
    """Read published overlaps: the cells by inclusion and exclusion if all are there, else margins.

    overlaps: groups of lists to persons on all of these, whatever else they are on
    lists: names of the lists, in order
    Raises InvalidTableError: with every problem found
    """
    problems = Problems()
    given = _items(overlaps, "overlaps", '{"a": 53, "b": 70, "a & b": 12}', problems)
    groups: dict[frozenset[str], int] = {}
    order: dict[str, None] = {}
    for key, count in given:
        names = [n.strip() for n in key.split("&")] if isinstance(key, str) else key
        names = [*names] if isinstance(names, Iterable) else [None]
        if not all(isinstance(name, str) for name in names):
            problems.add(
                "A group of lists is no text and no tuple of names: expected 'a & b' or ('a', 'b')."
            )
            continue
        order |= dict.fromkeys(names)
        if frozenset(names) in groups:
            problems.add(f"The overlap of {listed(names, 8)} is given twice: expected it once.")
        if names:
            groups[frozenset(names)] = _exact(f"the overlap of {listed(names, 8)}", count, problems)
    known = tuple(order) if lists is None else as_names(lists, "list", problems)
    check_names(known, (), problems)
    check_unknown([name for name in order if name not in known], known, "list", problems)
    totals = {name: groups.get(frozenset([name]), -1) for name in known}
    for name in [name for name, count in totals.items() if count < 0]:
        problems.add(f"The total of list {name!r} is missing: expected one for each list.")
    problems.check()
    _check_parts_of(groups, problems)
    problems.check()
    if len(groups) == 2 ** len(known) - 1:
        return _by_inclusion(groups, known), None, None
    pairs = sum(count for group, count in groups.items() if len(group) == 2)
    union = max(*totals.values(), sum(totals.values()) - pairs)
    named = {tuple(n for n in known if n in group): count for group, count in groups.items()}
    none = np.zeros(0, dtype=np.int64)
    seen = Observations(known, {}, none.reshape(0, len(known)), none, none)
    return seen, None, Margins(totals, union, named)


def _check_parts_of(groups: Mapping[frozenset[str], int], problems: Problems) -> None:
    """Note overlaps that are larger than one that they are part of."""
    for group, count in groups.items():
        for name in group:
            around = groups.get(group - {name}, count)
            if count > around:
                problems.add(
                    f"The overlap of {listed(sorted(group), 8)} is {count:,} and that of "
                    f"{listed(sorted(group - {name}), 8)} {around:,}: who is on more lists is counted in both, "
                    "so the first cannot be larger. If these are cells (on these lists only), use `from_counts`."
                )


def _by_inclusion(groups: Mapping[frozenset[str], int], lists: tuple[str, ...]) -> Observations:
    """Count the persons on exactly the lists of each group."""
    cells = {}
    for history in itertools.product((0, 1), repeat=len(lists)):
        on = frozenset(name for name, member in zip(lists, history, strict=True) if member)
        if on:
            cells["".join(map(str, history))] = sum(
                count * (-1) ** (len(group) - len(on))
                for group, count in groups.items()
                if group >= on
            )
    negative = [history for history, count in cells.items() if count < 0]
    if negative:
        msg = (
            f"The overlaps contradict each other: {len(negative)} histories would have fewer than 0 persons "
            f"({listed(negative)}). Check whether they are counts of persons on these lists, whatever else; "
            "those on these lists only are read by `from_counts`."
        )
        raise InvalidTableError(msg)
    return from_counts(cells, lists)


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
        wrong += [v for v in levels if isinstance(v, str) and PLAIN.is_unknown(v)]
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

    counts: (2,)*K + (number of levels of each covariate,), persons in each cell; 0 for those on no
        list
    lists: names of the lists, in the order of the axes
    covariates: levels of each covariate, in the order of the axes that follow
    operating: where lists operated, see `mse.data.operating.read_operating`
    Raises InvalidTableError: with every problem found in the data
    """
    problems = Problems()
    names = as_names(lists, "list", problems)
    levels = check_levels(covariates, problems)
    check_names(names, list(levels), problems)
    problems.check()
    try:
        array = np.asarray(counts)
    except ValueError:
        msg = "The array is ragged: expected rows of one length, an axis of 2 for each list."
        raise InvalidTableError(msg) from None
    if array.dtype.kind == "f" and array.ndim >= len(names) and array.size:
        array = array.copy()
        nobody = (0,) * len(names)
        array[nobody] = np.where(np.isnan(array[nobody]), 0, array[nobody])
    dense = _whole_numbers(array, problems)
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
                f"first at index {first}: {mended(reason, problems)}."
            )
    return array.astype(np.int64) if not problems else np.zeros(array.shape, dtype=np.int64)


def patterns_of(dense: IntArray) -> tuple[IntArray, IntArray]:
    """Find the cells of a dense table that hold persons, in order, and their counts."""
    cells = np.flatnonzero(dense)
    patterns = np.stack(np.unravel_index(cells, dense.shape), axis=1).astype(np.int64, copy=False)
    return patterns, dense.ravel()[cells]


# Long registrations, one row per person and register ---------------------------------------------


def from_records(
    frame: Any,
    person: str,
    register: str,
    *,
    period: str | None = None,
    covariates: object = (),
    registers: object = None,
    operating: object = None,
    entries: Entries = PLAIN,
    voice: Voice | None = None,
) -> Observations:
    """Count units (a person in a period) by the registers that reported them.

    operating: where lists operated, see `mse.data.operating.read_operating`
    and what `coded_records` takes, raises and warns
    """
    coded = coded_records(
        frame,
        person,
        register,
        period=period,
        covariates=covariates,
        registers=registers,
        entries=entries,
        voice=voice,
    )
    return finish(counted(coded), operating)


# The parts of a table checked when they are given directly ----------------------------------------


def check_parts(
    lists: object,
    covariates: Mapping[str, tuple[Level, ...]],
    patterns: Any,
    low: Any,
    high: Any,
    operating: object = None,
) -> Observations:
    """Check patterns and counts, and put the patterns in order.

    lists: names of the K lists
    covariates: levels of the D covariates
    patterns: (R, K + D), row by row 0, 1 or -1 for each list, a level or -1 for each covariate
    low, high: (R,), persons at least and at most
    operating: where lists operated, see `mse.data.operating.read_operating`
    Raises InvalidTableError: with every problem found
    """
    problems = Problems()
    names = as_names(lists, "list", problems)
    levels = check_levels(covariates, problems)
    check_names(names, list(levels), problems)
    sizes = [2] * len(names) + [len(values) for values in levels.values()]
    rows, least, most = (
        _integers(part, name, problems)
        for part, name in ((patterns, "patterns"), (low, "low"), (high, "high"))
    )
    if rows.size == 0:
        rows = rows.reshape(0, len(sizes))
    if (
        rows.ndim != 2
        or rows.shape[1] != len(sizes)
        or not least.shape == most.shape == rows.shape[:1]
    ):
        problems.add(
            f"`patterns`, `low` and `high` have shapes {rows.shape}, {least.shape} and {most.shape}: "
            f"expected (R, {len(sizes)}), (R,) and (R,), a column for each list and covariate."
        )
    problems.check()
    kept = most != 0
    rows, least, most = rows[kept], least[kept], most[kept]
    _check_rows(rows, sizes, len(names), problems)
    wrong = np.logical_or(least < 0, most < least)
    if wrong.any():
        problems.add(f"The bounds of {rows_text(wrong)} are not 0 <= low <= high: correct them.")
    problems.check()
    order = _order(rows, sizes) if len(rows) else np.zeros(0, dtype=np.int64)
    said = read_operating(operating, names, levels)
    seen = Observations(names, levels, rows[order], least[order], most[order], said)
    return settled(seen, stacklevel=5)


def _order(rows: IntArray, sizes: list[int]) -> IntArray:
    group = distinct(list(rows.T), sizes)
    if len(group.first) < len(rows):
        msg = "Rows of `patterns` repeat each other: expected each pattern once. Add them up."
        raise InvalidTableError(msg)
    return group.first


def _integers(part: Any, name: str, problems: Problems) -> IntArray:
    array = np.asarray(part)
    if array.size and array.dtype.kind not in "iu":
        problems.add(f"`{name}` has dtype {array.dtype}: expected whole numbers.")
        return np.zeros(array.shape, dtype=np.int64)
    return np.array(array, dtype=np.int64)


def _check_rows(rows: IntArray, sizes: list[int], n_lists: int, problems: Problems) -> None:
    outside = np.any((rows < -1) | (rows >= np.array(sizes)), axis=1)
    if outside.any():
        problems.add(
            f"`patterns` has entries outside the axes in {rows_text(outside)}: expected 0, 1 or -1 for a "
            "list, a position among the levels or -1 for a covariate."
        )
    nowhere = np.all(rows[:, :n_lists] == 0, axis=1)
    if nowhere.any():
        problems.add(
            f"No list holds the persons in {rows_text(nowhere)} of `patterns`: expected a 1 or an unknown "
            "membership, as persons on no list cannot be observed."
        )
