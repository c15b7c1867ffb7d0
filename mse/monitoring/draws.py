"""One joint set of draws of the totals of all strata, from which every figure is read."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from mse._typing import FrozenDict
from mse.answer.intervals import GIVEN_MODEL, TOO_FEW, holding, order_quantile
from mse.answer.population import Strata, joint_limit, joint_status
from mse.data.checks import Problems, listed, near
from mse.errors import ModelError
from mse.estimating import allowing_for_heterogeneity
from mse.leaning import leaning_on
from mse.pooling import apportioned, pool

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray, Level, Limit, Status
    from mse.answer.population import PopulationEstimate
    from mse.answer.protocols import Estimator
    from mse.bayes.heterogeneity import HeterogeneousLogLinear
    from mse.bayes.pooled import PooledLogLinearFit
    from mse.data.table import CaptureTable


#: Said of each completed table, and not of all together: how few its draws are, and that registered persons differ.
_OF_ONE_TABLE = frozenset({"remark.few_replicates", "remark.pooled_observed"})


class Figure(NamedTuple):
    """A point with its interval; NaN where there is none, infinite where an end has no bound."""

    point: float = nan
    low: float = nan
    high: float = nan


def figure(
    point: float, draws: FloatArray, level: float, least: float = -inf, most: float = inf
) -> Figure:
    """Put an interval of percentiles of draws, (M,), to a point, which is always a part of it.

    Without a point, or from fewer than 20 draws, there is none. Infinite draws count as such, and NaN,
    which may be anything, towards both ends. No end passes the bounds `least` and `most`.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.arange(1.0, 102.0)
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


def holding_both(one: Figure, other: Figure) -> Figure:
    """Widen the interval of a figure to another one of the same."""
    return Figure(one.point, *holding(one.low, one.high, other.low, other.high))


@dataclass(frozen=True, eq=False)
class JointDraws:
    """Totals of all strata in every replicate."""

    population: PopulationEstimate  # of all strata together
    strata: Strata  # its parts
    # (M, S) persons: infinite where the hidden count has no bound, NaN where it is not determined.
    totals: FloatArray
    given: str  # what intervals from the draws take for granted
    alike: JointDraws | None = None  # that take people for alike, where these allow for others
    # (m, S) persons registered in the end, in each of the tables that a nowcast completed.
    registered: FloatArray | None = None
    pooled: bool = False  # whether strata borrow from each other

    def __post_init__(self) -> None:
        self.totals.setflags(write=False)


def joint_draws(
    population: PopulationEstimate,
    estimator: Estimator,
    table: CaptureTable,
    heterogeneity: HeterogeneousLogLinear | None,
) -> JointDraws:
    """Take the draws of all strata together from a bootstrap, allowing for people who differ.

    Where some strata are not estimable, so that there is no total, the others are drawn all the same.
    """
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
    population = replace(population, support=leaning_on(population, table))
    population = allowing_for_heterogeneity(population, table, heterogeneity)
    allowing = population.allowing
    if allowing is None or allowing.stratum_draws is None:
        return replace(alike, population=population)
    wide = allowing.stratum_draws.to_numpy(np.float64)
    return JointDraws(population, strata, wide.copy(), allowing.interval_given, alike)


def merged_draws(found: Sequence[JointDraws], registered: CaptureTable) -> JointDraws:
    """Put the draws of several completed tables together: what differs between these is a part of them.

    found: of each table; registered: the table as it stands, whose persons are the observed ones
    """
    each = [one.strata for one in found]
    totals = np.array([one.observed + one.hidden for one in each])
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # strata that no table determines
        middle = np.exp(np.nanmean(np.log(totals), axis=0))
    observed = strata_counts(registered)
    cells = range(len(middle))
    statuses, limits = zip(*(_of_tables(each, at) for at in cells), strict=True)
    strata = Strata(each[0].levels, observed, middle - observed, statuses, limits)
    size = max(len(one.totals) for one in found)
    drawn = [_lengthened(one.totals, size) for one in found]
    population = _as_registered(_pooled([one.population for one in found]), registered, strata)
    alike = [one.alike for one in found if one.alike is not None]
    first = next((one for one in found if one.alike is not None), found[0])
    in_the_end = np.array([one.observed for one in each], dtype=np.float64)
    if not alike:
        return JointDraws(
            population,
            strata,
            np.concatenate(drawn),
            first.given,
            registered=in_the_end,
            pooled=first.pooled,
        )
    bare = merged_draws([one.alike or one for one in found], registered)
    return JointDraws(population, strata, np.concatenate(drawn), first.given, bare, in_the_end)


def _pooled(found: Sequence[PopulationEstimate]) -> PopulationEstimate:
    """Pool the estimates from completed tables; what several of them say in nearly the same words is said once."""
    pooled = pool(found)
    said = {getattr(each, "key", each): each for each in reversed(pooled.warnings)}
    worst = joint_status([each.status for each in found])
    own = next(each.reason for each in found if each.status == worst)
    reason = own if worst in ("ok", "boundary") else pooled.reason
    warnings_ = tuple(each for each in pooled.warnings if each in said.values())
    return replace(pooled, reason=reason, warnings=warnings_)


def strata_counts(table: CaptureTable) -> IntArray:
    """Persons in each stratum, (S,), in C order; those whose stratum is not known are spread like the others."""
    sizes = [len(levels) for levels in table.covariates.values()]
    codes, persons = table.patterns[:, table.n_lists :], table.high
    known = (codes >= 0).all(axis=1)
    where = np.ravel_multi_index(tuple(codes[known].T), sizes)
    found = np.bincount(where, persons[known], int(np.prod(sizes))).astype(np.float64)
    cells = np.indices(sizes).reshape(len(sizes), -1).T
    for row, number in zip(codes[~known], persons[~known], strict=True):
        alike = ((row < 0) | (cells == row)).all(axis=1)
        share = np.where(alike, found + 1e-9, 0.0)
        found = found + number * share / share.sum()
    return apportioned(found, int(persons.sum()))


def _of_tables(each: Sequence[Strata], at: int) -> tuple[Status, Limit]:
    """Status and limit of a stratum in several tables: estimable if it is in one of them."""
    statuses = [one.status[at] for one in each]
    if all(status == "ok" for status in statuses):
        return "ok", "finite"
    if any(status in ("ok", "boundary") for status in statuses):
        return "boundary", "finite"
    return joint_status(statuses), joint_limit([one.limit[at] for one in each])


def _lengthened(totals: FloatArray, size: int) -> FloatArray:
    """Count draws that there are not as undetermined, so that each table counts alike."""
    missing = np.full((size - len(totals), totals.shape[1]), nan)
    return np.concatenate([totals, missing])


def _as_registered(
    population: PopulationEstimate, registered: CaptureTable, strata: Strata
) -> PopulationEstimate:
    """Tell the total of pooled tables beside the persons who are registered so far."""
    observed = registered.n_observed
    allowing = population.allowing
    return replace(
        population,
        observed=observed,
        hidden=population.total - observed,
        strata=strata,
        provenance=FrozenDict({**population.provenance, "table": registered.fingerprint}),
        allowing=None if allowing is None else _as_registered(allowing, registered, strata),
        warnings=tuple(
            each for each in population.warnings if getattr(each, "key", "") not in _OF_ONE_TABLE
        ),
    )


def posterior_draws(fit: PooledLogLinearFit) -> JointDraws:
    """Take the draws of all strata together from a posterior.

    Points of strata add up to those of their sums; see `mse.bayes.base.at_one_quantile`.
    """
    population = fit.population
    strata, draws = population.strata, population.stratum_draws
    if strata is None or draws is None:
        raise ModelError(
            f"{fit.estimator!r} gives no estimates by place and period. {population.reason}"
        )
    totals = draws.to_numpy(np.float64).copy()
    # A posterior takes its model for granted, as do replicates of one.
    given = population.interval_given or GIVEN_MODEL
    return JointDraws(population, strata, totals, given, pooled=True)


# Inhabitants by period and group, from what the user has ------------------------------------------

#: Rates are per so many inhabitants.
PER = 100_000
COLUMN = "population"

_Levels: TypeAlias = "Mapping[str, Sequence[Level]]"


def _key(level: object) -> str:
    """Write a level so that 2015, "2015" and 2015.0 are one: files differ in how they are read."""
    if isinstance(level, float) and level.is_integer():
        level = int(level)
    return str(level)


class _Source(NamedTuple):
    """Inhabitants by some covariates, the period first."""

    names: tuple[str, ...]
    persons: Mapping[tuple[str, ...], float]

    def total(self, where: Mapping[str, Level], covariates: _Levels) -> float:
        """Sum over what `where` leaves open; NaN unless every level of the table is there."""
        fixed = {at: _key(where[name]) for at, name in enumerate(self.names) if name in where}
        rows = {
            key: number
            for key, number in self.persons.items()
            if all(key[at] == level for at, level in fixed.items())
        }
        complete = all(
            {_key(level) for level in covariates[name]} <= {key[at] for key in rows}
            for at, name in enumerate(self.names)
            if at not in fixed
        )
        return sum(rows.values()) if rows and complete else nan


@dataclass(frozen=True, eq=False)
class Inhabitants:
    """Inhabitants by period, and by group where they are given."""

    covariates: _Levels  # of the table
    sources: tuple[_Source, ...] = ()  # what was given

    def of(self, where: Mapping[str, Level]) -> float:
        """Inhabitants of one cell, summed over what is left open; NaN where they are not given."""
        totals = (
            source.total(where, self.covariates)
            for source in self.sources
            if set(where) <= set(source.names)
        )
        return next(filter(isfinite, totals), nan)


def read_inhabitants(rates: Any, covariates: _Levels, period: str) -> Inhabitants:
    """Read the inhabitants that the user gives.

    They are a mapping by period; or a frame, or several, by period and group, with a column for each
    covariate and ``population``.
    """
    if rates is None:
        return Inhabitants(covariates)
    if isinstance(rates, Mapping):
        persons: dict[tuple[str, ...], Any] = {(_key(k),): n for k, n in rates.items()}
        return Inhabitants(covariates, (_checked((period,), persons),))
    frames = rates if isinstance(rates, list | tuple) else [rates]
    return Inhabitants(covariates, tuple(_read_frame(each, covariates, period) for each in frames))


def _read_frame(frame: Any, covariates: _Levels, period: str) -> _Source:
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
    problems = Problems()
    for *levels, number in zip(*(rows[name].to_list() for name in (*names, COLUMN)), strict=True):
        key = tuple(map(_key, levels))
        if key in persons:
            problems.add(f"`rates` has two rows for {', '.join(key)}: expected one.")
        persons[key] = number
    problems.check()
    return _checked(names, persons)


def _check_columns(columns: Sequence[str], known: Sequence[str], period: str) -> None:
    problems = Problems()
    for name in columns:
        if name not in known:
            problems.add(
                f"`rates` has the column {name!r}, which is no covariate of the table: expected "
                f"{listed(known, 12)}.{near(name, known)}"
            )
    for name in (period, COLUMN):
        if name not in columns:
            problems.add(f"`rates` has no column {name!r}: its columns are {listed(columns, 12)}.")
    problems.check()


def _checked(names: tuple[str, ...], given: Mapping[tuple[str, ...], Any]) -> _Source:
    problems, persons = Problems(), {}
    for key, number in given.items():
        try:
            persons[key] = float(number)
        except (TypeError, ValueError):
            persons[key] = nan
        if not 0 < persons[key] < inf:
            problems.add(
                f"The population of {', '.join(key)} is {number!r}: expected a positive number of "
                "inhabitants; leave out what is not known."
            )
    problems.check()
    return _Source(names, persons)


# Scopes: which part of the population the registers cover in each period --------------------------

#: Pairs of neighboring periods between which the scope changes.
ScopeBreaks = tuple[tuple["Level", "Level"], ...]


def scopes_of(
    table: CaptureTable, period: str, scope: Mapping[Level, str] | str | None
) -> tuple[CaptureTable, dict[Level, str]]:
    """Find the scope of each period.

    It is given from some periods on; or by a covariate, which leaves the table, since it describes a
    period and is no group of persons; or it is that of the whole table.
    """
    periods = table.covariates[period]
    if scope is None:
        return table, dict.fromkeys(periods, table.info.scope)
    if isinstance(scope, str):
        scopes = _scopes_by_covariate(table, period, scope)
        return table.collapse(scope), scopes
    return table, from_then_on(
        scope, periods, f"`scope` names {{}}, which no {period}", table.info.scope
    )


def from_then_on(
    named: Mapping[Level, str], periods: Sequence[Level], what: str, begin: str = ""
) -> dict[Level, str]:
    """Say what holds in each period, where it is named from some periods on."""
    unknown = [each for each in named if each not in periods]
    if unknown:
        raise ModelError(
            f"{what.format(listed(unknown))} in the table is: there are "
            f"{listed(periods, 12)}.{near(unknown[0], periods)}"
        )
    first = next(each for each in periods if each in named) if named else ""
    current = begin or f"before {first}"
    found = {}
    for each in periods:
        current = str(named.get(each, current))
        found[each] = current
    return found


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
    problems = Problems()
    for position, each in enumerate(table.covariates[period]):
        found = np.unique(which[(when == position) & (which >= 0)])
        if found.size > 1:
            names = listed(levels[int(code)] for code in found)
            problems.add(
                f"The {period} {each} holds persons of the scopes {names}: expected one scope in "
                f"each {period}. Choose one with table.where({scope}=...) for those periods."
            )
        scopes[each] = str(levels[int(found[0])]) if found.size else "unknown"
    problems.check()
    return scopes


def breaks_in(scopes: Mapping[Level, str]) -> ScopeBreaks:
    """Pairs of neighboring periods between which the scope changes.

    Examples
    --------
    >>> breaks_in({2014: "older", 2015: "older", 2016: "newer"})
    ((2015, 2016),)
    """
    pairs = itertools.pairwise(scopes)
    return tuple((before, after) for before, after in pairs if scopes[before] != scopes[after])
