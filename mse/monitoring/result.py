"""The answer of the monitor: every figure read from one joint set of draws."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from mse._json import jsonable
from mse._result import Result
from mse.errors import ModelError
from mse.intake.problems import listed, near
from mse.monitoring.cells import FIGURES, Cell, cell_of
from mse.monitoring.changes import Change, change_between, refused
from mse.monitoring.scopes import breaks_in, mixed
from mse.monitoring.wording import monitor_sections
from mse.table import TableInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mse._text import Section
    from mse._typing import Level
    from mse.monitoring.draws import Figure, JointDraws
    from mse.monitoring.rates import Inhabitants
    from mse.monitoring.scopes import ScopeBreaks
    from mse.population import PopulationEstimate

__all__ = ["MONITOR_SCHEMA", "Monitor"]

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
        return monitor_sections(self)


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
