"""Data frames with one column per list: individual persons or aggregated counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mse.intake.columns import Factor, factor, list_column, read_columns
from mse.intake.counts import check_sum, count_column
from mse.intake.names import as_names, check_names
from mse.intake.observations import (
    Group,
    Observations,
    distinct,
    rows_of,
    total,
    without_unused_levels,
)
from mse.intake.operating import read_operating, settled
from mse.intake.problems import Problems, listed, rows_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from mse._typing import BoolArray, IntArray, Level

__all__ = ["check_nobody", "finish", "from_frame"]


def from_frame(
    frame: Any,
    lists: object,
    covariates: object = (),
    count: object = None,
    operating: object = None,
) -> Observations:
    """Count the persons of a data frame with one column per list.

    Parameters
    ----------
    frame : pandas, polars or pyarrow data frame
        One row per person (`count` is None) or per cell of the table.
    lists, covariates : sequence of str
        Columns.
    count : str or pair of str, optional
        Column of counts, or the columns of their lower and upper bounds.
    operating : "everywhere" or mapping, optional
        Where lists operated, see `mse.intake.operating.read_operating`.

    Raises
    ------
    InvalidTableError
        With every problem found in the data.
    """
    problems = Problems()
    names, groups = as_names(lists, "list", problems), as_names(covariates, "covariate", problems)
    counts = _count_names(count, (*names, *groups), problems)
    check_names(names, groups, problems)
    columns = read_columns(frame, [*names, *groups, *counts], problems)
    members = [list_column(columns[name], name, problems) for name in names if name in columns]
    factors = {name: factor(columns[name], name, problems) for name in groups if name in columns}
    if problems:
        # The cells are not known, so nothing can be said about them; the counts may be wrong too.
        _bounds(columns, counts, None, problems)
        problems.check()
    nowhere = np.all([member == 0 for member in members], axis=0)
    low, high = _bounds(columns, counts, nowhere, problems)
    cells: list[npt.NDArray[Any]] = [*members, *(column.codes for column in factors.values())]
    group = distinct(cells, [2] * len(names) + [len(column.levels) for column in factors.values()])
    _check_nowhere(nowhere & (high > 0), bool(counts), problems)
    if counts:
        _check_repeats(group, names, factors, problems, cells=cells)
    else:
        _check_empty(np.all([codes < 0 for codes in cells], axis=0), problems)
    check_nobody(names, [bool(np.any(high[on] > 0)) for on in _on_it(members)], problems)
    check_sum(low, high, problems)
    problems.check()
    low, high = total(group, low, high)
    kept = high > 0
    levels = {name: column.levels for name, column in factors.items()}
    patterns = rows_of(cells, group.first[kept])
    return finish(Observations(names, levels, patterns, low[kept], high[kept]), operating)


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
) -> tuple[IntArray, IntArray]:
    if any(name not in columns for name in counts):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if not counts:
        ones = np.ones(0 if nowhere is None else len(nowhere), dtype=np.int64)
        return ones, ones
    # Printed tables often list the history of persons on no list, without a count.
    low, high = count_column(columns[counts[0]], counts[0], problems, optional=nowhere)
    if len(counts) == 2:
        _, high = count_column(columns[counts[1]], counts[1], problems, upper=True)
        crossed = high < low
        if crossed.any():
            problems.add(
                f"The upper bound {counts[1]!r} is below the lower bound {counts[0]!r} in "
                f"{rows_text(crossed)}: swap or correct them."
            )
    return low, high


def _check_nowhere(wrong: BoolArray, aggregated: bool, problems: Problems) -> None:
    if wrong.any():
        mend = "Remove the row, or write 0" if aggregated else "Remove these rows, or correct them"
        problems.add(
            f"There are persons on no list in {rows_text(wrong)}: nobody can be observed there, their "
            f"number is what is estimated. {mend}."
        )


def _check_empty(empty: BoolArray, problems: Problems) -> None:
    # With a count they would be persons of whom nothing is known but that some list has them.
    if empty.any():
        problems.add(
            f"Nothing is known in {rows_text(empty)}, on no list and no covariate: expected a person in "
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
    keys = listed([*lists, *factors], 40)
    problems.add(
        f"The counts have duplicate cells, given again in {rows_text(repeated)} (first: "
        f"{', '.join(where)}). Expected one count per cell. Name the column that tells them apart in "
        f"`covariates`, or add them up with `frame.groupby([{keys}], as_index=False).sum()`."
    )


def check_nobody(lists: Sequence[str], somebody: Sequence[bool], problems: Problems) -> None:
    """Note the lists that hold nobody."""
    empty = [name for name, some in zip(lists, somebody, strict=True) if not some]
    if empty and len(empty) == len(lists):
        problems.add("The table holds no persons: every count is 0. Expected at least one person.")
        return
    for name in empty:
        problems.add(
            f"Nobody is on list {name!r}: expected at least one person, as an empty list tells nothing "
            "about the others. Leave it out, or mark it unknown where it did not exist."
        )


def finish(seen: Observations, operating: object = None) -> Observations:
    """Drop levels without persons; a covariate that is never known is a problem.

    Parameters
    ----------
    seen : Observations
        Rows differ, in order.
    operating : "everywhere" or mapping, optional
        Where lists operated, see `mse.intake.operating.read_operating`.
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
