"""Long registrations, one row per person and register: linked to units and counted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mse.errors import InconsistentRecordsWarning
from mse.intake.columns import UNKNOWN_WORDS, Factor, factor, factorize, read_columns
from mse.intake.frame import check_nobody, finish
from mse.intake.names import as_names, check_names, check_unknown
from mse.intake.observations import Observations, distinct, rows_of
from mse.intake.problems import Problems, listed, rows_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import BoolArray, IntArray

__all__ = ["from_records"]

# A table of flags for every person in every period is faster than a hash while it is no more than
# some times the size of the data.
DENSE_FACTOR = 16


@dataclass(frozen=True, slots=True)
class Units:
    """Persons in periods.

    Attributes
    ----------
    of_row : int64 array, shape (rows,)
        Unit of each registration.
    size : int
        Number of units.
    """

    of_row: IntArray
    size: int


def from_records(
    frame: Any,
    person: str,
    register: str,
    *,
    period: str | None = None,
    covariates: object = (),
    registers: object = None,
    operating: object = None,
) -> Observations:
    """Count units (a person in a period) by the registers that reported them.

    Parameters
    ----------
    frame : pandas, polars or pyarrow data frame
        One row per registration.
    person, register, period : str
        Columns.
    covariates : sequence of str
        Columns. A missing value next to a known one of the same unit is the known one; values that
        disagree become unknown.
    registers : sequence of str, optional
        Names of all registers, in the order wanted.
    operating : "everywhere" or mapping, optional
        Where lists operated, see `mse.intake.operating.read_operating`.

    Raises
    ------
    InvalidTableError
        With every problem found in the data.

    Warns
    -----
    InconsistentRecordsWarning
        When covariates disagree within units, with the number of these units.
    """
    problems = Problems()
    groups = as_names(covariates, "covariate", problems)
    roles = {"person": person, "register": register} | (
        {} if period is None else {"period": period}
    )
    _check_roles(roles, groups, problems)
    columns = read_columns(frame, [*roles.values(), *groups], problems)
    problems.check()
    persons = _persons(columns[person], person, problems)
    lists, sources = _sources(columns[register], register, registers, problems)
    axes = [name for name in (period, *groups) if name is not None]
    factors = {name: factor(columns[name], name, problems) for name in axes}
    if period is not None:
        _check_missing(factors[period].codes < 0, period, "period", problems)
    check_names(lists, axes, problems)
    somebody = np.bincount(sources[sources >= 0], minlength=len(lists)) > 0
    check_nobody(lists, somebody.tolist(), problems)
    problems.check()
    units = _units(persons, factors[period] if period is not None else None)
    coded = _columns_of_units(units, len(lists), sources, factors)
    group = distinct(coded, [2] * len(lists) + [len(column.levels) for column in factors.values()])
    counts = np.bincount(group.member).astype(np.int64)
    levels = {name: column.levels for name, column in factors.items()}
    return finish(
        Observations(lists, levels, rows_of(coded, group.first), counts, counts), operating
    )


def _check_roles(roles: dict[str, str], covariates: Sequence[str], problems: Problems) -> None:
    used: dict[str, str] = {}
    for role, name in (*roles.items(), *(("covariates", name) for name in covariates)):
        if not isinstance(name, str):
            problems.add(f"`{role}` is {name!r}: expected the name of a column.")
        elif name in used:
            problems.add(
                f"Column {name!r} is named as `{used[name]}` and as `{role}`: name each column once."
            )
        else:
            used[name] = role


def _persons(column: pd.Series[Any], name: str, problems: Problems) -> IntArray:
    codes, uniques = factorize(column, name, problems)
    missing = codes < 0
    blank = _blank(uniques)
    if blank.any():
        # All persons without an identifier would otherwise be one person on every register.
        missing |= blank[codes]
    _check_missing(missing, name, "person", problems)
    return codes


def _blank(uniques: Sequence[Any]) -> BoolArray:
    spelled = {form(word) for word in UNKNOWN_WORDS for form in (str, str.upper, str.title)} | {" "}
    return np.asarray(pd.Index(uniques).isin(list(spelled)), dtype=np.bool_)


def _check_missing(missing: BoolArray, name: str, role: str, problems: Problems) -> None:
    if missing.any():
        problems.add(
            f"Column {name!r} names no {role} in {rows_text(missing)}: expected one in every row, since "
            f"registrations are linked by it. Leave these rows out with `frame[frame[{name!r}].notna()]` "
            "or complete them."
        )


def _sources(
    column: pd.Series[Any], name: str, registers: object, problems: Problems
) -> tuple[tuple[str, ...], IntArray]:
    """Find the names of the lists, and for each row the position of its register."""
    found = factor(column, name, problems)
    _check_missing(found.codes < 0, name, "register", problems)
    values = tuple(str(level) for level in found.levels)
    if registers is None:
        return values, found.codes
    lists = as_names(registers, "register", problems)
    strangers = [value for value in values if value not in lists]
    check_unknown(strangers, lists, "register", problems)
    if strangers:
        rows = np.isin(found.codes, [values.index(value) for value in strangers])
        problems.add(
            f"Column {name!r} holds {listed(strangers)} in {rows_text(rows)}, which `registers` does not "
            "name: add them to `registers`, or leave these rows out."
        )
    position = [lists.index(value) if value in lists else -1 for value in values] + [-1]
    return lists, np.array(position, dtype=np.int64)[found.codes]


def _units(persons: IntArray, period: Factor | None) -> Units:
    """Give every person in every period a number."""
    if period is None:
        key, possible = persons, int(persons.max()) + 1
    else:
        key = persons * len(period.levels) + period.codes
        possible = (int(persons.max()) + 1) * len(period.levels)
    if possible > DENSE_FACTOR * len(key):
        codes, uniques = pd.factorize(key)
        return Units(codes.astype(np.int64, copy=False), len(uniques))
    seen = np.zeros(possible, dtype=bool)
    seen[key] = True
    number = np.cumsum(seen)
    return Units(number[key] - 1, int(number[-1]))


def _columns_of_units(
    units: Units, n_lists: int, sources: IntArray, factors: dict[str, Factor]
) -> list[npt.NDArray[Any]]:
    """Make a column per list (on it or not) and per covariate (level or -1), over the units."""
    member = np.zeros((n_lists, units.size), dtype=bool)
    member.ravel()[sources * units.size + units.of_row] = True
    coded: list[npt.NDArray[Any]] = list(member)
    disagree: dict[str, int] = {}
    for name, column in factors.items():
        values, disagree[name] = _settled(units, column.codes)
        coded.append(values)
    if any(disagree.values()):
        counted = ", ".join(f"{name!r} in {n:,}" for name, n in disagree.items() if n)
        warnings.warn(
            f"Covariates disagree within units and were set to unknown there: {counted} of "
            f"{units.size:,} units. Correct the records, or leave these covariates out.",
            InconsistentRecordsWarning,
            stacklevel=4,
        )
    return coded


def _settled(units: Units, codes: IntArray) -> tuple[IntArray, int]:
    """Find the one known value of each unit, and count the units with more than one."""
    of_row = units.of_row
    known = codes >= 0
    if not known.all():
        of_row, codes = of_row[known], codes[known]
    values = np.full(units.size, -1, dtype=np.int64)
    values[of_row] = codes
    # Each unit has now the value of one of its rows: if they disagree, some row differs from it.
    differing = np.unique(of_row[codes != values[of_row]])
    values[differing] = -1
    return values, len(differing)
