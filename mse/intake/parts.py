"""The parts of a table checked when they are given directly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mse.errors import InvalidTableError
from mse.intake.histories import check_levels
from mse.intake.names import as_names, check_names
from mse.intake.observations import Observations, distinct
from mse.intake.operating import read_operating, settled
from mse.intake.problems import Problems, rows_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import IntArray, Level

__all__ = ["check_parts"]


def check_parts(
    lists: object,
    covariates: Mapping[str, tuple[Level, ...]],
    patterns: Any,
    low: Any,
    high: Any,
    operating: object = None,
) -> Observations:
    """Check patterns and counts, and put the patterns in order.

    Parameters
    ----------
    lists : sequence of str
        Names of the K lists.
    covariates : mapping of str to tuple
        Levels of the D covariates.
    patterns : int array, shape (R, K + D)
        Row by row 0, 1 or -1 for each list, a level or -1 for each covariate.
    low, high : int arrays, shape (R,)
        Persons at least and at most.
    operating : object
        Where lists operated, see `mse.intake.operating.read_operating`.

    Raises
    ------
    InvalidTableError
        With every problem found.
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
