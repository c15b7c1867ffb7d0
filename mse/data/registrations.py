"""Registrations, a row for each person and register: linked to units, and counted."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from mse.data.checks import (
    MAX_LISTS,
    Problems,
    Voice,
    as_names,
    check_names,
    check_nobody,
    check_unknown,
    near,
)
from mse.data.codings import PLAIN, Entries, word_of
from mse.data.columns import (
    Factor,
    factor,
    factorize,
    read_columns,
)
from mse.data.patterns import (
    Observations,
    distinct,
    rows_of,
)
from mse.errors import InconsistentRecordsWarning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import BoolArray, IntArray, Level

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


class Coded(NamedTuple):
    """Registrations as codes of units, a person in a period, and of lists."""

    lists: tuple[str, ...]
    levels: dict[str, tuple[Level, ...]]
    columns: list[
        npt.NDArray[Any]
    ]  # (units,) on each list or not, then the level of each covariate or -1
    of_row: IntArray  # (R,) unit of each registration
    register: IntArray  # (R,) its list


def counted(coded: Coded) -> Observations:
    """Count units that are alike."""
    sizes = [2] * len(coded.lists) + [len(each) for each in coded.levels.values()]
    group = distinct(coded.columns, sizes)
    counts = np.bincount(group.member).astype(np.int64)
    patterns = rows_of(coded.columns, group.first)
    return Observations(coded.lists, coded.levels, patterns, counts, counts)


def coded_records(
    frame: Any,
    person: str,
    register: str,
    *,
    period: str | None = None,
    covariates: object = (),
    registers: object = None,
    entries: Entries = PLAIN,
    voice: Voice | None = None,
) -> Coded:
    """Put registrations in codes, unit by unit.

    frame: one row per registration
    person, register, period: columns
    covariates: Columns. A missing value next to a known one of the same unit is the known one;
        values that disagree become unknown.
    registers: names of all registers, in the order wanted
    entries, voice: how entries are written, and how problems are told
    Raises InvalidTableError: with every problem found in the data
    Warns InconsistentRecordsWarning: when covariates disagree within units, with the number of
        these units
    """
    problems = Problems(voice)
    groups = as_names(covariates, "covariate", problems)
    roles = {"person": person, "register": register} | (
        {} if period is None else {"period": period}
    )
    _check_roles(roles, groups, problems)
    columns = read_columns(frame, [*roles.values(), *groups], problems)
    problems.check()
    persons = persons_of(columns[person], person, problems)
    sources = factor(columns[register], register, problems, entries)
    _check_missing(sources.codes < 0, register, "register", problems)
    # Registers that are named are not taken for persons.
    exchanged = registers is None and check_exchanged(
        len(sources.levels), int(np.max(persons, initial=-1)) + 1, problems
    )
    lists, codes = _sources(sources, register, registers, problems)
    axes = [name for name in (period, *groups) if name is not None]
    factors = {name: factor(columns[name], name, problems, entries) for name in axes}
    if period is not None:
        _check_missing(factors[period].codes < 0, period, "period", problems)
    if not exchanged:
        check_names(lists, axes, problems)
    somebody = np.bincount(codes[codes >= 0], minlength=len(lists)) > 0
    if registers is not None:
        check_nobody(lists, somebody.tolist(), problems)
    problems.check()
    units = units_of(persons, factors[period] if period is not None else None)
    member = np.zeros((len(lists), units.size), dtype=bool)
    member.ravel()[codes * units.size + units.of_row] = True
    settled_codes = (column.codes for column in factors_of_units(units, factors).values())
    levels = {name: column.levels for name, column in factors.items()}
    return Coded(lists, levels, [*member, *settled_codes], units.of_row, codes)


def check_exchanged(registers: int, persons: int, problems: Problems) -> bool:
    """Note that persons and registers seem to be exchanged; the names of registers may then be persons."""
    exchanged = registers > max(persons, 2)
    if exchanged:
        problems.add(
            f"The column of {problems.voice.option('register')} holds {registers:,} different values and that of "
            f"{problems.voice.option('person')} {persons:,}: expected more persons than "
            f"registers, and at most {MAX_LISTS} of these. Perhaps the two columns are exchanged; if not, name the "
            f"registers with {problems.voice.option('registers')}."
        )
    return exchanged


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


def persons_of(column: pd.Series[Any], name: str, problems: Problems) -> IntArray:
    """Put persons in codes; none of them may be missing."""
    codes, uniques = factorize(column, name, problems)
    large = [float(value) for value in uniques if isinstance(value, float | np.floating)]
    blank = np.array([_nobody(value) for value in uniques] + [True])
    # All persons without an identifier would otherwise be one person on every register.
    _check_missing(blank[codes], name, "person", problems)
    if any(abs(value) >= 2.0**53 for value in large):
        problems.add(
            f"Column {name!r} holds identifiers as floating-point numbers of 2**53 and more, where different "
            "identifiers become one: read them as text."
        )
    return codes


def _nobody(value: Any) -> bool:
    """Whether an identifier is none."""
    return word_of(value) == "" if not isinstance(value, str) else PLAIN.is_unknown(value)


def _check_missing(missing: BoolArray, name: str, role: str, problems: Problems) -> None:
    if missing.any():
        advice = (
            "Complete these rows in the file, or delete them"
            if problems.voice.command
            else f"Leave these rows out with `frame[frame[{name!r}].notna()]` or complete them"
        )
        problems.add(
            f"Column {name!r} names no {role} in {problems.voice.place(missing)}: expected one in every row, "
            f"since registrations are linked by it. {advice}."
        )


def check_spelling(values: Sequence[str], name: str, problems: Problems) -> None:
    """Note registers that are written in several ways, or several in one entry."""
    alike = len(values) - len({" ".join(value.split()).casefold() for value in values})
    if alike:
        problems.add(
            f"Column {name!r} names {alike:,} register{'s' * (alike > 1)} in several ways that differ only in capitals or "
            "spaces: write each register one way, or it counts as several lists."
        )
    parts = [re.split(r"\s*[,;/+&|]\s*", value) for value in values]
    several = sum(len(each) > 1 and set(each) <= set(values) for each in parts)
    if several:
        problems.add(
            f"Column {name!r} has {several:,} kind{'s' * (several > 1)} of entry that name several registers at once: write one row for "
            "each register."
        )


def _sources(
    found: Factor, name: str, registers: object, problems: Problems
) -> tuple[tuple[str, ...], IntArray]:
    """Find the names of the lists, and for each row the position of its register."""
    values = tuple(str(level) for level in found.levels)
    check_spelling(values, name, problems)
    if registers is None:
        check_no_identifier(values, len(found.codes), name, "register", problems)
        return values, found.codes
    lists = as_names(registers, "register", problems)
    strangers = [value for value in values if value not in lists]
    if strangers:
        # What looks like a register that was named is a misspelled one; others may be persons.
        check_unknown(
            [value for value in strangers if near(value, lists)], lists, "register", problems
        )
        rows = np.isin(found.codes, [values.index(value) for value in strangers])
        named = problems.voice.option("lists" if problems.voice.command else "registers")
        problems.add(
            f"Column {name!r} holds {len(strangers):,} other value{'s' * (len(strangers) != 1)} in "
            f"{problems.voice.place(rows)}, which {named} does not name: add them to {named}, or leave these "
            "rows out."
        )
    position = [lists.index(value) if value in lists else -1 for value in values] + [-1]
    return lists, np.array(position, dtype=np.int64)[found.codes]


#: Values in a column from which, and share of its rows, it is taken for an identifier of persons.
_IDENTIFIERS = 5, 0.8


def check_no_identifier(
    values: Sequence[object], rows: int, name: str, role: str, problems: Problems
) -> None:
    """Refuse a column with nearly as many values as rows: it names persons, and its values would be printed."""
    least, share = _IDENTIFIERS
    if len(values) >= max(least, share * rows):
        problems.add(
            f"Column {name!r} has {len(values):,} different values in {rows:,} rows, as an identifier of persons has "
            f"and a {role} has not. Name the column of the {role}; perhaps person and register are exchanged."
        )
        problems.check()


def units_of(persons: IntArray, period: Factor | None) -> Units:
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


def factors_of_units(units: Units, factors: dict[str, Factor]) -> dict[str, Factor]:
    """Give each unit the known values of its rows; where they disagree they become unknown, with a warning."""
    found: dict[str, Factor] = {}
    disagree: dict[str, int] = {}
    for name, column in factors.items():
        values, disagree[name] = _settled(units, column.codes)
        found[name] = Factor(values, column.levels)
    warn_disagreement(disagree, units.size)
    return found


def warn_disagreement(disagree: Mapping[str, int], units: int) -> None:
    """Tell of how many units the rows disagree, by covariate."""
    if any(disagree.values()):
        counted = ", ".join(f"{name!r} in {n:,}" for name, n in disagree.items() if n)
        warnings.warn(
            f"Covariates disagree within units and were set to unknown there: {counted} of "
            f"{units:,} units. Correct the records, or leave these covariates out.",
            InconsistentRecordsWarning,
            stacklevel=6,
        )


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
