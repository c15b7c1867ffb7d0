"""One joint set of draws of the totals of all strata, from which every figure is read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from mse.answer.intervals import TOO_FEW, holding, order_quantile
from mse.data.checks import listed, near
from mse.errors import InvalidTableError, ModelError
from mse.estimating import allowing_for_heterogeneity
from mse.resampling import bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mse._typing import FloatArray, Level, Seed
    from mse.answer.population import PopulationEstimate, Strata
    from mse.answer.protocols import Estimator
    from mse.bayes.heterogeneity import HeterogeneousLogLinear
    from mse.data.table import CaptureTable
    from mse.redrawing import Resampling


class Figure(NamedTuple):
    """A point with its interval; NaN where there is none, infinite where an end has no bound."""

    point: float = nan
    low: float = nan
    high: float = nan


def figure(
    point: float, draws: FloatArray, level: float, least: float = -inf, most: float = inf
) -> Figure:
    """Put an interval of percentiles to a point, of which the point is always a part.

    Parameters
    ----------
    point : float
        The figure; without it (NaN) there is no interval, nor is there one from fewer than 20 draws.
    draws : float64 array (M,)
        Its draws: infinite ones count as such, and NaN, which may be anything, towards both ends.
    level : float
        Level of the interval.
    least, most : float, optional
        Bounds that the figure cannot pass.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.arange(1.0, 102.0)
    >>> figure(50.0, draws, 0.5)
    Figure(point=50.0, low=26.0, high=76.0)
    >>> figure(50.0, np.append(draws, [np.nan] * 9), 0.9, least=0)
    Figure(point=50.0, low=0.0, high=inf)
    """
    if np.isnan(point) or draws.size < TOO_FEW:
        return Figure(float(point))
    unknown = np.isnan(draws)
    low = order_quantile(np.where(unknown, -inf, draws), (1 - level) / 2)
    high = order_quantile(np.where(unknown, inf, draws), (1 + level) / 2)
    low, high = holding(low, high, float(point))
    return Figure(float(point), max(low, float(least)), min(high, float(most)))


@dataclass(frozen=True, eq=False)
class JointDraws:
    """Totals of all strata in every replicate.

    Attributes
    ----------
    population : PopulationEstimate
        The estimate of all strata together.
    strata : Strata
        Its parts.
    totals : float64 array (M, S)
        Totals of the replicates, persons: infinite where the hidden count has no bound, NaN where
        the replicate does not determine it.
    given : str
        What intervals from the draws take for granted.
    alike : JointDraws, optional
        Draws that take people for alike, where these allow for people who differ.
    """

    population: PopulationEstimate
    strata: Strata
    totals: FloatArray
    given: str
    alike: JointDraws | None = None

    def __post_init__(self) -> None:
        self.totals.setflags(write=False)


def joint_draws(
    estimator: Estimator,
    table: CaptureTable,
    *,
    replicates: int,
    resampling: Resampling,
    seed: Seed,
    n_jobs: int | None,
    progress: bool | None,
    heterogeneity: HeterogeneousLogLinear | bool,
) -> JointDraws:
    """Draw the totals of all strata together, by `mse.bootstrap` and allowing for people who differ.

    Where some strata are not estimable, so that there is no total, the others are drawn all the same.

    Raises
    ------
    ModelError
        If the estimator knows no strata.
    """
    population = bootstrap(
        estimator,
        table,
        replicates,
        resampling,
        "percentile",
        seed,
        n_jobs=n_jobs,
        progress=progress,
    )
    strata = population.strata
    if strata is None:
        reason = f" {population.reason}" if population.reason else ""
        raise ModelError(
            f"{estimator!r} gives no estimates by period and group.{reason} Use an estimator of "
            "lists and covariates together, such as mse.LogLinearSearch(strategy='stepwise')."
        )
    draws = population.stratum_draws
    totals = np.zeros((0, len(strata.cells))) if draws is None else draws.to_numpy(np.float64)
    # Of the strata: where one has no estimate, the total has no interval that could tell.
    given = getattr(strata.intervals, "given", population.interval_given)
    alike = JointDraws(population, strata, totals.copy(), given)
    population = allowing_for_heterogeneity(population, table, heterogeneity)
    allowing = population.allowing
    if allowing is None or allowing.stratum_draws is None:
        return replace(alike, population=population)
    wide = allowing.stratum_draws.to_numpy(np.float64)
    return JointDraws(population, strata, wide.copy(), allowing.interval_given, alike)


# Inhabitants by period and group, from what the user has ------------------------------------------

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


# Scopes: which part of the population the registers cover in each period --------------------------

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
