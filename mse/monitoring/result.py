"""The answer of the monitor: every figure read from one joint set of draws."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise, product
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import pandas as pd

from mse._typing import FrozenDict
from mse.answer.population import joint_limit, joint_status, jsonable
from mse.answer.shown import Result, in_words
from mse.data.checks import listed, near
from mse.data.patterns import TableInfo
from mse.errors import ModelError
from mse.monitoring.draws import PER, Figure, breaks_in, figure, mixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, Level, Limit
    from mse.answer.population import PopulationEstimate, Strata
    from mse.answer.shown import Section
    from mse.monitoring.draws import Inhabitants, JointDraws, ScopeBreaks


# Changes between two periods, from draws of both together -----------------------------------------

#: Status of a figure that would mix scopes.
ACROSS_SCOPES = "across_scopes"


@dataclass(frozen=True)
class Change:
    """Change of an estimated total, and of the share of it that is registered, between two periods.

    Attributes
    ----------
    first, last : level
        The periods.
    where : mapping of str to level
        The group; empty for everybody.
    totals : tuple of float
        Estimated totals of the periods, persons.
    difference : Figure
        Point, low and high of the last total less the first one, persons.
    ratio : Figure
        Of the last total over the first one.
    rise : float
        Probability of a rise: share of the draws in which the last total is larger. Draws in which
        they are equal or both have no bound count half.
    coverage_difference : Figure
        Of the registered share in the last period less that in the first one.
    undetermined : int
        Draws that do not determine the change. Where both totals have no bound their difference may be
        anything, so it counts towards both ends of the interval; a draw in which a total is not
        determined says nothing and does not count.
    status : str
        ``ok`` or ``boundary``; ``not_estimable`` or ``not_converged``, of a period; or
        ``across_scopes``, where the change was not computed because the scopes differ.
    reason : str
        Why there are no figures; or which scopes they go across.
    """

    first: Level
    last: Level
    where: Mapping[str, Level]
    totals: tuple[float, float]
    difference: Figure
    ratio: Figure
    rise: float
    coverage_difference: Figure
    undetermined: int
    status: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", FrozenDict(self.where))

    def to_row(self) -> dict[str, Any]:
        """Figures as one row of a frame; the ends of intervals have names with ``_low``, ``_high``."""
        row: dict[str, Any] = {"total_first": self.totals[0], "total_last": self.totals[1]}
        for name in ("difference", "ratio", "coverage_difference"):
            each: Figure = getattr(self, name)
            row |= {f"{name}_low": each.low, f"{name}_high": each.high, name: each.point}
        row["rise"] = self.rise
        row["undetermined"] = self.undetermined
        return row | {"status": self.status, "reason": self.reason}


def change_between(first: Cell, last: Cell, level: float, note: str = "") -> Change:
    """Compare one group in two periods.

    Parameters
    ----------
    first, last : Cell
        The group in the periods, with draws of the same replicates.
    level : float
        Level of the intervals.
    note : str, optional
        What a reader has to know of the comparison.
    """
    missing = [each for each in (first, last) if np.isnan(each.total)]
    if missing:
        return _without(first, last, missing[0].status, missing[0].reason)
    both = first.determined & last.determined
    # inf - inf and inf / inf are not determined, nor is 0 / 0.
    with np.errstate(invalid="ignore", divide="ignore"):
        differences: FloatArray = (last.draws - first.draws)[both]
        ratios: FloatArray = (last.draws / first.draws)[both]
        ratio = np.float64(last.total) / np.float64(first.total)
    difference = figure(last.total - first.total, differences, level)
    shares = (last.coverage_draws - first.coverage_draws)[both]
    return Change(
        first.period,
        last.period,
        first.where,
        (first.total, last.total),
        difference,
        figure(float(ratio), ratios, level, least=0.0),
        probability_of_rise(differences),
        figure(last.coverage - first.coverage, shares, level, -1.0, 1.0),
        int(np.isnan(differences).sum() + (~both).sum()),
        first.status if first.status != "ok" else last.status,
        note,
    )


def probability_of_rise(differences: FloatArray) -> float:
    """Share of the differences above zero; ties and undetermined ones say as much for either side.

    Examples
    --------
    >>> import numpy as np
    >>> probability_of_rise(np.array([2.0, np.inf, -1.0, np.nan]))
    0.625
    """
    if differences.size == 0:
        return nan
    neither = np.isnan(differences) | (differences == 0)
    return float((differences > 0).mean() + 0.5 * neither.mean())


def refused(first: Cell, last: Cell, reason: str) -> Change:
    """Say that two periods are not compared."""
    return _without(first, last, ACROSS_SCOPES, reason)


def _without(first: Cell, last: Cell, status: str, reason: str) -> Change:
    totals = (first.total, last.total)
    return Change(
        first.period,
        last.period,
        first.where,
        totals,
        Figure(),
        Figure(),
        nan,
        Figure(),
        0,
        status,
        reason,
    )


# Figures of one period, one group, or one group in one period -------------------------------------

#: Columns of a cell: nothing else in a frame may bear these names.
FIGURES = (
    "scope",
    "observed",
    "low",
    "high",
    "total",
    "hidden_low",
    "hidden_high",
    "hidden",
    "coverage_low",
    "coverage_high",
    "coverage",
    "population",
    "rate_low",
    "rate_high",
    "rate",
    "infinite",
    "undetermined",
    "status",
    "limit",
    "reason",
)

_WHY: dict[Limit, str] = {
    "infinite": "the data set no upper limit to the hidden number",
    "zero": "the hidden number runs to zero, an artifact of empty cells",
    "indeterminate": "the data do not determine the hidden number",
    "finite": "the computation failed",
}


@dataclass(frozen=True, eq=False)
class Cell:
    """Estimate of some strata together.

    Attributes
    ----------
    period : level or None
        The period; None for all of them.
    where : mapping of str to level
        The group; empty for everybody.
    scope : str
        Scope of the registers.
    observed : int
        Observed persons.
    total : float
        Estimated total, persons; NaN where it is not estimable.
    draws : float64 array (M,)
        Draws of the total.
    inhabitants : float
        Population that the group is part of, persons; NaN where it is not given.
    status, limit, reason : str
        Whether it is estimable, and why not.
    level : float
        Level of the intervals.
    """

    _words: ClassVar[str] = "mse.words.monitors"

    period: Level
    where: Mapping[str, Level]
    scope: str
    observed: int
    total: float
    draws: FloatArray = field(repr=False)
    inhabitants: float
    status: str
    limit: str
    reason: str
    level: float

    @property
    def coverage(self) -> float:
        """Observed persons as a share of the estimated total."""
        return self.observed / self.total if self.total > 0 else nan

    @property
    def determined(self) -> BoolArray:
        """Draws that determine the total, (M,)."""
        return np.asarray(~np.isnan(self.draws))

    @property
    def coverage_draws(self) -> FloatArray:
        """Draws of the coverage n / N; a replicate may have a total below the observed number."""
        if self.observed == 0:
            return np.full(self.draws.shape, nan)
        # The maximum of NaN and a number is NaN: what is not determined stays so.
        return np.asarray(self.observed / np.maximum(self.draws, self.observed))

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Total, hidden, coverage and rate, with their intervals."""
        n, known = float(self.observed), self.determined
        total = figure(self.total, self.draws[known], self.level, least=n)
        rate = Figure()
        if isfinite(self.inhabitants):
            rate = Figure(*(PER * each / self.inhabitants for each in total))
        return {
            "total": total,
            "hidden": Figure(*(each - n for each in total)),
            "coverage": figure(self.coverage, self.coverage_draws[known], self.level, 0.0, 1.0),
            "rate": rate,
        }

    def __str__(self) -> str:
        """Say in words what share is registered, and how many there are."""
        return str(in_words(self))

    @property
    def infinite(self) -> int:
        """Draws in which the total has no bound."""
        return int(np.isinf(self.draws).sum())

    @property
    def undetermined(self) -> int:
        """Draws that do not determine the total."""
        return int(np.isnan(self.draws).sum())

    def to_row(self, *, rates: bool) -> dict[str, Any]:
        """Figures as one row of a frame."""
        total, hidden, coverage, rate = self.figures.values()
        values = (
            self.scope,
            self.observed,
            *(total.low, total.high, total.point),
            *(hidden.low, hidden.high, hidden.point),
            *(coverage.low, coverage.high, coverage.point),
            self.inhabitants,
            *(rate.low, rate.high, rate.point),
            self.infinite,
            self.undetermined,
            *(self.status, self.limit, self.reason),
        )
        row = dict(zip(FIGURES, values, strict=True))
        dropped = () if rates else ("population", "rate_low", "rate_high", "rate")
        return {name: value for name, value in row.items() if name not in dropped}


def cell_of(
    joint: JointDraws,
    members: Sequence[int],
    *,
    period: Level,
    where: Mapping[str, Level],
    scope: str,
    inhabitants: float,
    level: float,
    mixed: str = "",
) -> Cell:
    """Sum some strata.

    Parameters
    ----------
    joint : JointDraws
        All strata.
    members : sequence of int
        Which ones.
    period, where, scope, inhabitants, level
        As of `Cell`.
    mixed : str
        Why the sum is not given though its parts are; empty if it is.
    """
    strata, chosen = joint.strata, list(members)
    total = float(strata.observed[chosen].sum() + strata.hidden[chosen].sum())
    limit = joint_limit([strata.limit[each] for each in chosen])
    status: str = joint_status([strata.status[each] for each in chosen])
    reason = "" if status in ("ok", "boundary") else _reason(strata, chosen, limit)
    if mixed:
        total, status, reason = nan, ACROSS_SCOPES, mixed
    return Cell(
        period=period,
        where=FrozenDict(where),
        scope=scope,
        observed=int(strata.observed[chosen].sum()),
        total=total,
        draws=joint.totals[:, chosen].sum(axis=1),
        inhabitants=inhabitants,
        status=status,
        limit=limit,
        reason=reason,
        level=level,
    )


def _reason(strata: Strata, members: Sequence[int], limit: Limit) -> str:
    """Say why a sum is not estimable, and which of its parts are not."""
    why = _WHY[limit]
    lost = [each for each in members if strata.status[each] not in ("ok", "boundary")]
    if len(members) == 1:
        return f"{why[0].upper()}{why[1:]}."
    names = [
        ", ".join(f"{n}={level}" for n, level in zip(strata.names, strata.cells[each], strict=True))
        for each in lost[:2]
    ]
    more = f" and {len(lost) - 2} more" if len(lost) > 2 else ""
    return f"In {len(lost)} of {len(members)} strata ({'; '.join(names)}{more}) {why}."


# The answer of the monitor: every figure read from one joint set of draws -------------------------

MONITOR_SCHEMA = "mse.monitor/1"

#: One level of one covariate; nothing for everybody.
_Group: TypeAlias = "tuple[tuple[str, Level], ...]"


@dataclass(frozen=True, eq=False, repr=False)
class Monitor(Result):
    """Observed, estimated and registered share by period and group, and how they change.

    All figures come from one joint set of draws, so that the intervals of differences and ratios
    hold what the periods have in common.

    Attributes
    ----------
    period : str
        Covariate that is the period.
    group_names : tuple of str
        Covariates that are groups, each by itself.
    scopes : mapping of level to str
        Scope of the registers in each period.
    level : float
        Level of the intervals.
    across_scopes : bool
        Whether periods of different scope are compared and summed.
    joint : JointDraws
        Totals of all strata in every replicate.
    inhabitants : Inhabitants
        What rates are per.
    warnings : tuple of str
        Sentences for the reader.
    notes : tuple of str
        What every model has that was searched, and what was summed over.
    """

    _words: ClassVar[str] = "mse.words.monitors"

    period: str
    group_names: tuple[str, ...]
    scopes: Mapping[Level, str]
    level: float
    across_scopes: bool
    joint: JointDraws
    inhabitants: Inhabitants
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    # Figures -----------------------------------------------------------------------------------

    @property
    def alike(self) -> Monitor:
        """The same with intervals that take people for alike, apart from what is modeled."""
        return self if self.joint.alike is None else replace(self, joint=self.joint.alike)

    @property
    def population(self) -> PopulationEstimate:
        """The estimate of all periods and groups together."""
        return self.joint.population

    @property
    def replicates(self) -> int:
        """Number of draws."""
        return len(self.joint.totals)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The periods, in order."""
        return tuple(self.scopes)

    @property
    def breaks(self) -> ScopeBreaks:
        """Pairs of neighboring periods between which the scope changes."""
        return breaks_in(self.scopes)

    @property
    def has_rates(self) -> bool:
        """Whether the user gave numbers of inhabitants."""
        return bool(self.inhabitants.sources)

    @property
    def has_estimate(self) -> bool:
        """Whether anything at all is estimable."""
        return any(not np.isnan(cell.total) for cell in self.cells.values())

    @cached_property
    def cells(self) -> dict[tuple[Level, _Group], Cell]:
        """Figures by period (None for all periods) and group: ``(("sex", "female"),)`` or empty."""
        groups: list[_Group] = [()]
        groups += [
            ((name, each),) for name in self.group_names for each in self.joint.strata.levels[name]
        ]
        cells = {(each, group): self._cell(each, group) for group in groups for each in self.levels}
        return cells | {(None, group): self._cell(None, group) for group in groups if group}

    def at(self, period: Level = None, **where: Level | Collection[Level]) -> Cell:
        """Look at any part of the population: how many, and what share of them is registered.

        Parameters
        ----------
        period : level, optional
            The period; by default all of them together.
        **where : level or collection of levels
            Levels of covariates of the table, groups or not, and several at once:
            ``age="minor", form=["sexual_domestic", "sexual_cross_border"]``.

        Returns
        -------
        Cell
            Its ``figures`` are total, hidden, coverage and rate, with intervals; printed, a sentence.

        Raises
        ------
        ModelError
            If there is no such covariate or level.

        Examples
        --------
        >>> import numpy as np, mse
        >>> counts = np.zeros((2, 2, 2, 2), dtype=int)
        >>> counts[1, 0], counts[0, 1], counts[1, 1] = 60, 40, 20
        >>> table = mse.CaptureTable.from_array(
        ...     counts, ["police", "care"], {"year": [2014, 2015], "sex": ["f", "m"]}
        ... )
        >>> model = mse.LogLinear("police + care + year*sex")
        >>> report = mse.monitor(table, estimator=model, replicates=200, seed=1)
        >>> print(report.at(2015, sex="f"))
        2015, sex f: between 40.4% and 59.3% of the estimated total was registered, estimated 50.0%. \
Registered: 120 persons. Estimated in total: between 202 and 297 persons, point 240.
        """
        for name, each in () if period is None else ((self.period, period),):
            self._check(name, each, self.joint.strata.names)
        if self.period in where:
            raise ModelError(
                f"Give the {self.period} as the first argument, and nothing else as it."
            )
        for name, levels in where.items():
            for each in _several(levels):
                self._check(name, each, self.joint.strata.names)
        return self._cell(period, tuple((n, _one_or_tuple(each)) for n, each in where.items()))

    def _cell(self, period: Level, group: tuple[tuple[str, Any], ...]) -> Cell:
        strata = self.joint.strata
        where = dict(group) | ({} if period is None else {self.period: period})
        fixed = [(strata.names.index(name), _several(each)) for name, each in where.items()]
        members = [
            at
            for at, stratum in enumerate(strata.cells)
            if all(stratum[position] in levels for position, levels in fixed)
        ]
        scopes = dict.fromkeys(self.scopes.values() if period is None else [self.scopes[period]])
        note = ""
        if len(scopes) > 1 and not self.across_scopes:
            note = f"A sum over every {self.period} mixes scopes: {'; '.join(scopes)}."
        # A rate over several periods is per inhabitant and period.
        spans = self.levels if period is None else (period,)
        parts = [
            dict(zip(where, way, strict=True)) for way in product(*map(_several, where.values()))
        ]
        inhabitants = sum(
            self.inhabitants.of({**part, self.period: each}) for each in spans for part in parts
        )
        return cell_of(
            self.joint,
            members,
            period=period,
            where=dict(group),
            scope="; ".join(scopes),
            inhabitants=inhabitants,
            level=self.level,
            mixed=note,
        )

    @property
    def periods(self) -> pd.DataFrame:
        """Figures by period: one row each.

        Columns: the period; ``scope``; ``observed``; ``low``, ``high`` and ``total``, estimated; the
        same of ``hidden``, ``coverage`` (observed / total) and, where inhabitants are given, ``rate``
        per 100,000 of the ``population``; ``infinite`` and ``undetermined``, draws in which the total
        has no bound or is not determined; ``status``, ``limit``, ``reason``.
        """
        return self._frame((each, ()) for each in self.levels)

    @property
    def groups(self) -> dict[str, pd.DataFrame]:
        """Figures by each of the groups, summed over the periods; columns as of `periods`.

        A person counts once in each period.
        """
        return {
            name: self._frame((None, group) for group in self._of(name))
            for name in self.group_names
        }

    @property
    def by_period(self) -> dict[str, pd.DataFrame]:
        """Figures by period and each of the groups; columns as of `periods`."""
        return {
            name: self._frame((each, group) for each in self.levels for group in self._of(name))
            for name in self.group_names
        }

    def _of(self, name: str) -> list[_Group]:
        return [((name, each),) for each in self.joint.strata.levels[name]]

    def _frame(self, keys: Iterable[tuple[Level, _Group]]) -> pd.DataFrame:
        rows = []
        for period, group in keys:
            head = {} if period is None else {self.period: period}
            row = self.cells[period, group].to_row(rates=self.has_rates)
            rows.append(head | dict(group) | row)
        return pd.DataFrame(rows)

    # Changes -----------------------------------------------------------------------------------

    def change(self, first: Level, last: Level, **where: Level | Collection[Level]) -> Change:
        """Compare two periods.

        Parameters
        ----------
        first, last : level
            The periods.
        **where : level or collection of levels
            A group, such as ``sex="female"``, or any part of the population, as in `at`; everybody by
            default.

        Returns
        -------
        Change
            Difference, ratio, probability of a rise, and the difference of the registered shares.

        Raises
        ------
        ModelError
            If there is no such period or group, or the periods are of different scope and
            ``across_scopes=True`` was not asked for.
        """
        pair = self.at(first, **where), self.at(last, **where)
        reason = self._refusal(first, last)
        if reason:
            raise ModelError(
                f"{reason} Compare periods of one scope, or ask for it with across_scopes=True."
            )
        group = self._group_of(where)
        return self._between(*pair) if group is None else self.compare(first, last, group)

    def _group_of(self, where: Mapping[str, Any]) -> _Group | None:
        """Name a group that there are cells of; None for another part of the population."""
        group: _Group = tuple(where.items())
        named = len(group) <= 1 and set(where) <= set(self.group_names)
        return (
            group if named and all(each == _several(each)[0] for each in where.values()) else None
        )

    def _check(self, name: str, each: Level, known: Iterable[str]) -> None:
        if name not in known:
            raise ModelError(
                f"The monitor has no group {name!r}: there are {listed(known)}.{near(name, list(known))}"
            )
        levels = self.joint.strata.levels[name]
        if each not in levels:
            raise ModelError(f"{name} has no level {each!r}: there are {listed(levels, 12)}.")

    def _refusal(self, first: Level, last: Level) -> str:
        """Why two periods may not be compared; empty if they may."""
        if self.across_scopes or not self._across(first, last):
            return ""
        return (
            f"{self.period} {first} and {last} are of different scope ({self.scopes[first]}; "
            f"{self.scopes[last]}), so a change between them would not be one of the population."
        )

    def _across(self, first: Level, last: Level) -> bool:
        return mixed(self.scopes, (first, last))

    def compare(self, first: Level, last: Level, group: _Group = ()) -> Change:
        """Compare two periods as `change` does, with a status in place of an error across scopes."""
        return self._between(self.cells[first, group], self.cells[last, group])

    def _between(self, first: Cell, last: Cell) -> Change:
        reason = self._refusal(first.period, last.period)
        if reason:
            return refused(first, last, reason)
        note = ""
        if self._across(first.period, last.period):
            note = f"Across scopes: {self.scopes[first.period]}; {self.scopes[last.period]}."
        return change_between(first, last, self.level, note)

    def changes(self, group: str | None = None) -> pd.DataFrame:
        """Compare successive periods, and the first one with the last.

        Parameters
        ----------
        group : str, optional
            One of the groups, each level by itself; everybody by default.

        Returns
        -------
        DataFrame
            ``first``, ``last``, the group, ``total_first``, ``total_last``, then ``difference``,
            ``ratio`` and ``coverage_difference`` with their intervals, ``rise`` (probability),
            ``undetermined`` (draws), ``status`` (``across_scopes`` where the scopes differ), ``reason``.
        """
        if group is not None:
            levels = self.joint.strata.levels.get(group, (None,))
            self._check(group, levels[0], self.group_names)
        return pd.DataFrame(
            [
                {"first": each.first, "last": each.last} | dict(each.where) | each.to_row()
                for each in self._changes([()] if group is None else self._of(group))
            ]
        )

    def _changes(self, groups: Iterable[_Group]) -> Iterator[Change]:
        levels = self.levels
        pairs = list(pairwise(levels))
        if len(levels) > 2:
            pairs.append((levels[0], levels[-1]))
        for group, (first, last) in product(groups, pairs):
            yield self.compare(first, last, group)

    # Other shapes ------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Show all figures, one row each.

        Returns
        -------
        DataFrame
            ``period`` (missing for all periods), ``group`` and ``group_level`` (missing for everybody),
            then the columns of `periods`.
        """
        rows = []
        for (period, group), cell in self.cells.items():
            name, each = group[0] if group else (None, None)
            head = {"period": period, "group": name, "group_level": each}
            rows.append(head | cell.to_row(rates=self.has_rates))
        frame = pd.DataFrame(rows)
        for name in ("period", "group", "group_level"):
            # As objects: a year beside a missing one would become a fraction.
            frame[name] = pd.Series([row[name] for row in rows], dtype=object)
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Write all figures as a dictionary for JSON, schema ``mse.monitor/1``; never NaN."""
        population, strata = self.population, self.joint.strata
        groups = [(), *(group for name in self.group_names for group in self._of(name))]
        data = {
            "schema": MONITOR_SCHEMA,
            "info": {part.name: getattr(population.info, part.name) for part in fields(TableInfo)},
            "lists": population.lists,
            "period": self.period,
            "periods": [{"period": each, "scope": scope} for each, scope in self.scopes.items()],
            "groups": [{"name": n, "levels": strata.levels[n]} for n in self.group_names],
            "breaks": self.breaks,
            "across_scopes": self.across_scopes,
            "level": self.level,
            "replicates": self.replicates,
            "given": self.joint.given,
            "method": population.method,
            "model": population.model,
            "status": population.status,
            "limit": population.limit,
            "reason": population.reason,
            "cells": [self._encode_cell(cell) for cell in self.cells.values()],
            "changes": [self._encode_change(each) for each in self._changes(groups)],
            "notes": self.notes,
            "assumptions": population.assumptions,
            "warnings": self.warnings,
            "provenance": population.provenance,
        }
        encoded: dict[str, Any] = jsonable(data)
        return encoded

    def to_json(self, *, indent: int | None = 2) -> str:
        """Write all figures as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def _encode_cell(self, cell: Cell) -> dict[str, Any]:
        row = {
            "period": cell.period,
            "group": _encode_group(cell.where),
            "scope": cell.scope,
            "observed": cell.observed,
            "population": cell.inhabitants,
            "infinite": cell.infinite,
            "undetermined": cell.undetermined,
            "status": cell.status,
            "limit": cell.limit,
            "reason": cell.reason,
        }
        return row | {name: _encode_figure(each) for name, each in cell.figures.items()}

    def _encode_change(self, change: Change) -> dict[str, Any]:
        return {
            "first": change.first,
            "last": change.last,
            "group": _encode_group(change.where),
            "difference": _encode_figure(change.difference),
            "ratio": _encode_figure(change.ratio),
            "coverage_difference": _encode_figure(change.coverage_difference),
            "rise": change.rise,
            "undetermined": change.undetermined,
            "status": change.status,
            "reason": change.reason,
        }

    def __repr__(self) -> str:
        groups = f", groups {', '.join(self.group_names)}" if self.group_names else ""
        return (
            f"<Monitor: {len(self.levels)} levels of {self.period}{groups}, "
            f"{self.population.observed:,} observed, {self.replicates:,} draws>"
        )

    def _sections(self) -> list[Section]:
        return list(in_words(self))


def check_names(period: str, groups: tuple[str, ...], covariates: Mapping[str, Any]) -> None:
    """Raise ``ModelError`` for a period or groups that the table does not have."""
    named = listed(covariates, 12) if covariates else "none"
    for what, name in (("period", period), *(("group", each) for each in groups)):
        if name not in covariates:
            raise ModelError(
                f"The table has no covariate {name!r} to be the {what}: there are {named}."
                f"{near(name, list(covariates))}"
            )
        if name in FIGURES:
            raise ModelError(
                f"The covariate {name!r} has the name of a column of the results: rename it."
            )
    if period in groups or len(set(groups)) < len(groups):
        raise ModelError(
            f"period={period!r} and groups={list(groups)!r} name a covariate twice: expected each once."
        )


def _several(levels: Any) -> tuple[Any, ...]:
    """Levels as a tuple, where one of them or a collection is given."""
    many = isinstance(levels, Collection) and not isinstance(levels, str | bytes)
    return tuple(levels) if many else (levels,)


def _one_or_tuple(levels: Any) -> Any:
    many = _several(levels)
    return many[0] if len(many) == 1 else many


def _encode_group(where: Mapping[str, Level]) -> dict[str, Any] | None:
    return next(({"name": name, "level": each} for name, each in where.items()), None)


def _encode_figure(each: Figure) -> dict[str, Any]:
    return each._asdict() | {
        "unbounded": each.high == np.inf,
        "unbounded_below": each.low == -np.inf,
    }
