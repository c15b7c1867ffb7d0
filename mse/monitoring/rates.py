"""Inhabitants by period and group, from what the user has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, TypeAlias

from mse.errors import InvalidTableError, ModelError
from mse.intake.problems import listed, near

if TYPE_CHECKING:
    from mse._typing import Level

__all__ = ["PER", "Inhabitants", "read_inhabitants"]

#: Rates are per so many inhabitants.
PER = 100_000
COLUMN = "population"

_Where: TypeAlias = "Mapping[str, Level]"


def _key(level: object) -> str:
    """Write a level so that 2015, "2015" and 2015.0 are one: files differ in how they are read."""
    if isinstance(level, float) and level.is_integer():
        level = int(level)
    return str(level)


@dataclass(frozen=True, eq=False)
class _Source:
    """Inhabitants by some covariates, the period first."""

    names: tuple[str, ...]
    persons: Mapping[tuple[str, ...], float]

    def total(self, where: _Where, covariates: Mapping[str, Sequence[Level]]) -> float:
        """Sum over what `where` leaves open; NaN unless every level of the table is there."""
        fixed = {name: _key(level) for name, level in where.items()}
        rows = {
            key: persons
            for key, persons in self.persons.items()
            if all(
                fixed.get(name, part) == part for name, part in zip(self.names, key, strict=True)
            )
        }
        for at, name in enumerate(self.names):
            wanted = {fixed[name]} if name in fixed else {_key(each) for each in covariates[name]}
            if not wanted <= {key[at] for key in rows}:
                return nan
        return sum(rows.values())


@dataclass(frozen=True, eq=False)
class Inhabitants:
    """Inhabitants by period, and by group where they are given.

    Attributes
    ----------
    covariates : mapping
        Levels of the covariates of the table.
    sources : tuple
        What was given.
    """

    covariates: Mapping[str, Sequence[Level]]
    sources: tuple[_Source, ...] = ()

    def of(self, where: _Where) -> float:
        """Inhabitants of one cell, summed over what is left open; NaN where they are not given."""
        for source in self.sources:
            if set(where) <= set(source.names):
                total = source.total(where, self.covariates)
                if isfinite(total):
                    return total
        return nan


def read_inhabitants(
    rates: Any, covariates: Mapping[str, Sequence[Level]], period: str
) -> Inhabitants:
    """Read the inhabitants that the user gives.

    Parameters
    ----------
    rates : mapping, data frame or sequence of data frames
        Inhabitants by period; or by period and group, with a column for each covariate and
        ``population``.
    covariates : mapping
        Levels of the covariates of the table.
    period : str
        Name of the period.

    Raises
    ------
    InvalidTableError
        With all problems found.
    """
    if rates is None:
        return Inhabitants(covariates)
    if isinstance(rates, Mapping):
        persons: dict[tuple[str, ...], Any] = {(_key(k),): n for k, n in rates.items()}
        return Inhabitants(covariates, (_checked((period,), persons),))
    frames = rates if isinstance(rates, list | tuple) else [rates]
    return Inhabitants(covariates, tuple(_read_frame(each, covariates, period) for each in frames))


def _read_frame(frame: Any, covariates: Mapping[str, Sequence[Level]], period: str) -> _Source:
    import narwhals as nw

    try:
        rows = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise ModelError(
            f"`rates` holds a {type(frame).__name__}: expected a mapping such as {{2015: 17_000_000}}, "
            f"or a data frame with the columns {period!r} and {COLUMN!r}."
        ) from None
    _check_columns(rows.columns, [*covariates, COLUMN], period)
    names = (period, *(name for name in rows.columns if name not in (period, COLUMN)))
    persons: dict[tuple[str, ...], Any] = {}
    problems = []
    for *levels, number in zip(*(rows[name].to_list() for name in (*names, COLUMN)), strict=True):
        key = tuple(map(_key, levels))
        if key in persons:
            problems.append(f"`rates` has two rows for {', '.join(key)}: expected one.")
        persons[key] = number
    if problems:
        raise InvalidTableError(problems)
    return _checked(names, persons)


def _check_columns(columns: Sequence[str], known: Sequence[str], period: str) -> None:
    problems = [
        f"`rates` has the column {name!r}, which is no covariate of the table: expected "
        f"{listed(known, 12)}.{near(name, known)}"
        for name in columns
        if name not in known
    ]
    problems += [
        f"`rates` has no column {name!r}: its columns are {listed(columns, 12)}."
        for name in (period, COLUMN)
        if name not in columns
    ]
    if problems:
        raise InvalidTableError(problems)


def _checked(names: tuple[str, ...], persons: Mapping[tuple[str, ...], Any]) -> _Source:
    problems = []
    for key, number in persons.items():
        try:
            value = float(number)
        except (TypeError, ValueError):
            value = nan
        if not (isfinite(value) and value > 0):
            problems.append(
                f"The population of {', '.join(key)} is {number!r}: expected a positive number of "
                "inhabitants; leave out what is not known."
            )
    if problems:
        raise InvalidTableError(problems)
    return _Source(names, {key: float(number) for key, number in persons.items()})
