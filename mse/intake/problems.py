"""Sentences about what is wrong with the data, gathered and raised together."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import numpy as np

from mse.errors import InvalidTableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse._typing import BoolArray

__all__ = ["Problems", "listed", "near", "rows_text"]

SHOWN = 5


class Problems:
    """The problems found so far in one input.

    Examples
    --------
    >>> from mse.intake.problems import Problems
    >>> problems = Problems()
    >>> problems.add("The frame has no rows: expected at least one.")
    >>> bool(problems)
    True
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, problem: str) -> None:
        """Note one problem, once."""
        if problem not in self.found:
            self.found.append(problem)

    def check(self) -> None:
        """Raise everything found so far, if anything was."""
        if self.found:
            raise InvalidTableError(self.found)


def listed(values: Iterable[object], limit: int = SHOWN) -> str:
    """Write values as text, the first few of them when there are many.

    Examples
    --------
    >>> from mse.intake.problems import listed
    >>> listed(["a", "b", "c"])
    "'a', 'b', 'c'"
    >>> listed(range(9), limit=2)
    '0, 1 and 7 more'
    """
    items = [repr(value) for value in values]
    if len(items) <= limit + 1:
        return ", ".join(items)
    return f"{', '.join(items[:limit])} and {len(items) - limit} more"


def near(name: object, options: Sequence[object]) -> str:
    """Ask whether an option that looks like `name` was meant; empty if none does.

    Examples
    --------
    >>> from mse.intake.problems import near
    >>> near("polcie", ["police", "care"])
    " Did you mean 'police'?"
    """
    spelled = {str(option).lower(): option for option in reversed(options)}
    matches = difflib.get_close_matches(str(name).strip().lower(), list(spelled), n=3, cutoff=0.6)
    if not matches:
        return ""
    return f" Did you mean {' or '.join(repr(spelled[match]) for match in matches)}?"


def rows_text(mask: BoolArray) -> str:
    """Name the rows that a mask marks, counted from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from mse.intake.problems import rows_text
    >>> rows_text(np.array([False, True, False]))
    'row 1'
    >>> rows_text(np.ones(20, dtype=bool))
    '20 rows (0, 1, 2, 3, 4, ...)'
    """
    rows = np.flatnonzero(mask)
    if len(rows) == 1:
        return f"row {rows[0]}"
    shown = ", ".join(str(row) for row in rows[:SHOWN])
    more = ", ..." if len(rows) > SHOWN else ""
    return f"{len(rows):,} rows ({shown}{more})"
