"""Scopes: which part of the population the registers cover in each period."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from mse.errors import InvalidTableError, ModelError
from mse.intake.problems import listed, near

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mse._typing import Level
    from mse.table import CaptureTable

__all__ = ["ScopeBreaks", "breaks_in", "mixed", "scopes_of"]

#: Pairs of neighboring periods between which the scope changes.
ScopeBreaks = tuple[tuple["Level", "Level"], ...]


def scopes_of(
    table: CaptureTable, period: str, scope: Mapping[Level, str] | str | None
) -> tuple[CaptureTable, dict[Level, str]]:
    """Find the scope of each period.

    Parameters
    ----------
    table : CaptureTable
        With the period among its covariates.
    period : str
        Name of that covariate.
    scope : mapping, str or None
        Scope from each period on; or the covariate that holds it; or that of the whole table.

    Returns
    -------
    table : CaptureTable
        Without the covariate that holds the scope: it describes a period, and is no group of persons.
    scopes : dict
        Name of the scope by period.

    Raises
    ------
    ModelError
        If a period or the covariate is not in the table.
    InvalidTableError
        If persons of one period are of several scopes.
    """
    periods = table.covariates[period]
    if scope is None:
        return table, dict.fromkeys(periods, table.info.scope)
    if isinstance(scope, str):
        scopes = _scopes_by_covariate(table, period, scope)
        return table.collapse(scope), scopes
    unknown = [each for each in scope if each not in periods]
    if unknown:
        raise ModelError(
            f"`scope` names {listed(unknown)}, which no {period} in the table is: there are "
            f"{listed(periods, 12)}.{near(unknown[0], periods)}"
        )
    first = next(each for each in periods if each in scope) if scope else ""
    current = table.info.scope or f"before {first}"
    scopes = {}
    for each in periods:
        current = str(scope.get(each, current))
        scopes[each] = current
    return table, scopes


def _scopes_by_covariate(table: CaptureTable, period: str, scope: str) -> dict[Level, str]:
    if scope == period or scope not in table.covariates:
        others = [name for name in table.covariates if name != period]
        raise ModelError(
            f"scope={scope!r} is no covariate beside the {period}: there are {listed(others, 12)}."
            f"{near(scope, others)} Name one, or give the scopes: scope={{2016: 'newer scope'}}."
        )
    levels = table.covariates[scope]
    when = table.patterns[:, table.axes.index(period)]
    which = table.patterns[:, table.axes.index(scope)]
    scopes: dict[Level, str] = {}
    problems = []
    for position, each in enumerate(table.covariates[period]):
        found = np.unique(which[(when == position) & (which >= 0)])
        if found.size > 1:
            names = listed(levels[int(code)] for code in found)
            problems.append(
                f"The {period} {each} holds persons of the scopes {names}: expected one scope in "
                f"each {period}. Choose one with table.where({scope}=...) for those periods."
            )
        scopes[each] = str(levels[int(found[0])]) if found.size else "unknown"
    if problems:
        raise InvalidTableError(problems)
    return scopes


def breaks_in(scopes: Mapping[Level, str]) -> ScopeBreaks:
    """Pairs of neighboring periods between which the scope changes.

    Examples
    --------
    >>> breaks_in({2014: "older", 2015: "older", 2016: "newer"})
    ((2015, 2016),)
    """
    periods = list(scopes)
    return tuple(
        (before, after)
        for before, after in itertools.pairwise(periods)
        if scopes[before] != scopes[after]
    )


def mixed(scopes: Mapping[Level, str], periods: Iterable[Level]) -> bool:
    """Whether periods are of several scopes."""
    return len({scopes[each] for each in periods}) > 1
