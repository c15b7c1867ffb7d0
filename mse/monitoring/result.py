"""The answer of the monitor: every figure read from one joint set of draws."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, product
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from mse._typing import FrozenDict
from mse.answer.grades import NOT_KNOWN, Grade, Known, apart, grade, widths, worse
from mse.answer.intervals import DEFAULT_LEVEL, GIVEN_PRIOR
from mse.answer.population import joint_limit, joint_status, jsonable
from mse.answer.shown import Result, in_words
from mse.data.checks import listed, near
from mse.errors import ModelError
from mse.messages import Message, encode_messages
from mse.monitoring.draws import PER, Figure, breaks_in, figure, holding_both
from mse.monitoring.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, Level, Limit
    from mse.answer.population import PopulationEstimate, Strata
    from mse.answer.shown import Section
    from mse.data.placing import PlacedRecords
    from mse.monitoring.draws import Inhabitants, JointDraws, ScopeBreaks


# Changes between two periods, from draws of both together -----------------------------------------

#: Status of a figure that would mix scopes.
ACROSS_SCOPES = "across_scopes"
#: In place of a figure that there is not.
NOTHING = Figure()


@dataclass(frozen=True)
class Change:
    """Change of an estimated total, and of the share of it that is registered, between two periods.

    Draws that do not determine it are undetermined. Where both totals have no bound their difference may
    be anything, so it counts towards both ends of the interval; a draw in which a total is not determined
    says nothing and does not count.
    """

    first: Level
    last: Level
    where: Mapping[str, Level]  # the group; empty for everybody
    totals: tuple[float, float]  # estimated totals of the periods, persons
    difference: Figure = NOTHING  # the last total less the first one, persons
    ratio: Figure = NOTHING  # the last total over the first one
    rise: float = nan  # share of the draws in which the last total is larger; ties count half
    coverage_difference: Figure = NOTHING  # the last registered share less the first one
    undetermined: int = 0
    status: str = "ok"  # or "boundary"; as of a period; "across_scopes" where the scopes differ
    reason: str = ""  # why there are no figures; or which scopes they go across
    level: float = DEFAULT_LEVEL  # of the intervals
    known: Known = NOT_KNOWN  # what grades look at beside the interval

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", FrozenDict(self.where))

    @property
    def grade(self) -> Grade:
        """How far the ratio carries, by the rules of `mse.answer.grades`."""
        ratio = self.ratio
        return grade(ratio.point, widths(ratio.low, ratio.high, self.level).item(), self.known)

    def to_row(self) -> dict[str, Any]:
        """Figures as one row of a frame; the ends of intervals have names with ``_low``, ``_high``."""
        row: dict[str, Any] = {"total_first": self.totals[0], "total_last": self.totals[1]}
        for name in ("difference", "ratio", "coverage_difference"):
            row |= columns(name, getattr(self, name))
        row |= {"rise": self.rise, "undetermined": self.undetermined}
        return row | {"status": self.status, "reason": self.reason} | grade_columns(self.grade)


def without_figures(first: Cell, last: Cell, status: str, reason: str) -> Change:
    """Put a group in two periods beside each other, and say why there are no figures of its change."""
    totals = first.total, last.total
    known = worse(first.known, last.known)
    ratios = (
        each[1] / each[0] if each[0] > 0 else nan for each in (totals, _differing(first, last))
    )
    known = known._replace(models=apart(ratios))
    named = first.period, last.period, first.where
    return Change(*named, totals, status=status, reason=reason, level=first.level, known=known)


def _differing(first: Cell, last: Cell) -> tuple[float, float]:
    """Totals of two cells by the model in which people differ."""
    return first.differing, last.differing


def change_between(first: Cell, last: Cell, level: float, note: str = "") -> Change:
    """Compare one group in two periods, with draws of the same replicates; with a note for the reader."""
    for cell in (first, last):
        if np.isnan(cell.total):
            return without_figures(first, last, cell.status, cell.reason)
    both = first.determined & last.determined
    # inf - inf and inf / inf are not determined, nor is 0 / 0.
    with np.errstate(invalid="ignore", divide="ignore"):
        differences: FloatArray = (last.draws - first.draws)[both]
        ratios: FloatArray = (last.draws / first.draws)[both]
        ratio = np.float64(last.total) / np.float64(first.total)
    shares = (last.coverage_draws - first.coverage_draws)[both]
    share = figure(last.coverage - first.coverage, shares, level, -1.0, 1.0)
    return replace(
        without_figures(first, last, first.status if first.status != "ok" else last.status, note),
        difference=figure(last.total - first.total, differences, level),
        ratio=figure(float(ratio), ratios, level, least=0.0),
        rise=probability_of_rise(differences),
        # Who is registered so far is not to be held against who is registered.
        coverage_difference=NOTHING if first.preliminary or last.preliminary else share,
        undetermined=int(np.isnan(differences).sum() + (~both).sum()),
    )


def probability_of_rise(differences: FloatArray) -> float:
    """Share of the differences above zero; ties and undetermined ones say as much for either side."""
    if differences.size == 0:
        return nan
    neither = np.isnan(differences) | (differences == 0)
    return float((differences > 0).mean() + 0.5 * neither.mean())


# Figures of one period, one group, or one group in one period -------------------------------------


def ends_of(quantity: str) -> tuple[str, str]:
    """Name the columns with the ends of the interval of a quantity."""
    return ("low", "high") if quantity == "total" else (f"{quantity}_low", f"{quantity}_high")


def columns(quantity: str, each: Figure) -> dict[str, float]:
    """Put a figure in columns of a frame."""
    low, high = ends_of(quantity)
    return {low: each.low, high: each.high, quantity: each.point}


def grade_columns(found: Grade) -> dict[str, str]:
    """Put a grade in columns of a frame."""
    return {"grade": found.letter, "grade_reason": " ".join(found.reasons)}


_QUANTITIES = ("total", "hidden", "coverage", "rate")
#: What a frame says of a cell after its figures, and before its grade.
_ENDING = ("infinite", "undetermined", "status", "limit", "reason")
#: Columns of a cell: nothing else in a frame may bear these names.
FIGURES = {
    "scope",
    "observed",
    "population",
    *_QUANTITIES,
    *_ENDING,
    *grade_columns(Grade()),
}.union(*(ends_of(each) for each in _QUANTITIES))


@dataclass(frozen=True, eq=False)
class Cell:
    """Estimate of some strata together."""

    _words: ClassVar[str] = "mse.words.monitors"

    period: Level  # None for all of them
    where: Mapping[str, Level]  # the group; empty for everybody
    scope: str  # of the registers
    observed: int
    total: float  # estimated, persons; NaN where it is not estimable
    draws: FloatArray = field(repr=False)  # (M,) of the total
    inhabitants: float  # that the group is part of; NaN where it is not given
    status: str
    limit: str
    reason: str  # why it is not estimable
    level: float  # of the intervals
    alike: Cell | None = field(default=None, repr=False)  # that takes people for alike
    preliminary: bool = False  # whether registrations are still to come
    expected: FloatArray | None = field(
        default=None, repr=False
    )  # (m,) persons registered in the end
    known: Known = NOT_KNOWN  # what grades look at beside the interval
    differing: float = nan  # the total by the model in which people differ, where there is one

    @property
    def grade(self) -> Grade:
        """How far the total carries, by the rules of `mse.answer.grades`."""
        total = self.figures["total"]
        known = self.known._replace(models=apart((self.total, self.differing)))
        return grade(total.point, widths(total.low, total.high, self.level).item(), known)

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
        n, known, least = float(self.observed), self.determined, float(self.observed)
        if self.expected is not None:
            # Nor does the total lie below those who will be registered.
            least = max(n, float(np.quantile(self.expected, (1 - self.level) / 2)))
        total = figure(self.total, self.draws[known], self.level, least=least)
        rate = NOTHING
        if isfinite(self.inhabitants):
            rate = Figure(*(PER * each / self.inhabitants for each in total))
        found = {
            "total": total,
            "hidden": Figure(*(each - n for each in total)),
            "coverage": figure(self.coverage, self.coverage_draws[known], self.level, 0.0, 1.0),
            "rate": rate,
        }
        if self.alike is None:
            return found
        # What allows for people who differ holds what takes them for alike.
        return {name: holding_both(each, self.alike.figures[name]) for name, each in found.items()}

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
        row: dict[str, Any] = {"scope": self.scope, "observed": self.observed}
        for name, each in self.figures.items():
            if name == "rate" and rates:
                row["population"] = self.inhabitants
            if name != "rate" or rates:
                row |= columns(name, each)
        row |= {name: getattr(self, name) for name in _ENDING}
        return row | grade_columns(self.grade)


def _reason(strata: Strata, members: Sequence[int], limit: Limit) -> str:
    """Say why a sum is not estimable, and which of its parts are not."""
    if len(members) == 1:
        return Message(f"reason.cell.{limit}")
    lost = [each for each in members if strata.status[each] not in ("ok", "boundary")]
    names = [
        ", ".join(f"{n}={level}" for n, level in zip(strata.names, strata.cells[each], strict=True))
        for each in lost[:2]
    ]
    shown = Message("joined.series", parts=names)
    if len(lost) > 2:
        shown = Message("joined.more_strata", names=names, n=len(lost) - 2)
    return Message(f"reason.strata_lost.{limit}", n=len(lost), of=len(members), names=shown)


# The answer of the monitor: every figure read from one joint set of draws -------------------------

MONITOR_SCHEMA = "mse.monitor/2"


@dataclass(frozen=True)
class GroupRule:
    """How persons of one group are registered in each period: a change is a break for the group."""

    name: str  # the covariate; empty for everybody
    level: Level
    of: Mapping[Level, str]  # the rule in each period, in words

    def holds_in(self, where: Mapping[str, Any]) -> bool:
        """Whether a part of the population, by levels of covariates, has persons of the group."""
        return self.name not in where or self.level in _several(where[self.name])


class LatePeriod(NamedTuple):
    """What is in of a preliminary period, and what may become of its figures."""

    registered: int  # persons so far
    expected: Figure  # persons registered in the end
    later: Figure  # the estimate, taking people for alike, from the table as it will be
    shares: Mapping[str, float]  # of the registrations of each list that are in
    not_in: tuple[str, ...]  # lists of which nothing is in


@dataclass(frozen=True)
class Late:
    """Registrations that are still to come, at a date."""

    as_of: str
    periods: Mapping[Level, LatePeriod]  # that are preliminary

    def to_dict(self) -> dict[str, Any]:
        """Write it for JSON."""
        periods = [
            {
                "period": period,
                "observed": each.registered,
                "expected": _encode(each.expected),
                "later": _encode(each.later),
                "in": [{"list": name, "share": share} for name, share in each.shares.items()],
                "not_in": each.not_in,
            }
            for period, each in self.periods.items()
        ]
        return {"as_of": self.as_of, "periods": periods}


#: One level of one covariate; nothing for everybody.
_Group: TypeAlias = "tuple[tuple[str, Level], ...]"


@dataclass(frozen=True, eq=False, repr=False)
class Monitor(Result):
    """Observed, estimated and registered share by period and group, and how they change.

    All figures come from one joint set of draws, so that the intervals of differences and ratios
    hold what the periods have in common.
    """

    _words: ClassVar[str] = "mse.words.monitors"

    period: str  # covariate that is the period
    group_names: tuple[str, ...]  # covariates that are groups, each by itself
    scopes: Mapping[Level, str]  # of the registers in each period
    level: float  # of the intervals
    across_scopes: bool  # whether periods of different scope are compared and summed
    joint: JointDraws  # totals of all strata in every replicate
    inhabitants: Inhabitants  # what rates are per
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what every model has that was searched, and what was summed over
    group_rules: tuple[GroupRule, ...] = ()  # of registration in single groups, where they changed
    place: str | None = None  # covariate that holds the places, if it was named
    regions: Mapping[Level, str] = FrozenDict()  # of each place
    placed: PlacedRecords | None = None  # how persons in several places count
    late: Late | None = None  # what is still to come, where that was asked

    # Figures -----------------------------------------------------------------------------------

    @property
    def alike(self) -> Monitor:
        """The same with intervals that take people for alike, apart from what is modeled."""
        return self if self.joint.alike is None else replace(self, joint=self.joint.alike)

    @cached_property
    def places(self) -> Places | None:
        """Figures and ranks by place; None unless places were asked for."""
        return None if self.place is None else Places(self, self.place, self.regions, self.placed)

    @property
    def population(self) -> PopulationEstimate:
        """The estimate of all periods and groups together."""
        return self.joint.population

    @property
    def replicates(self) -> int:
        """Number of draws."""
        return len(self.joint.totals)

    @property
    def preliminary(self) -> tuple[Level, ...]:
        """Periods of which registrations are still to come."""
        return () if self.late is None else tuple(self.late.periods)

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
        keys = [(each, group) for group in self._groups for each in self.levels]
        keys += [(None, group) for group in self._groups if group]
        return {(each, group): self._cell(each, group) for each, group in keys}

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
        if self.period in where:
            raise ModelError(
                f"Give the {self.period} as the first argument, and nothing else as it."
            )
        asked = [] if period is None else [(self.period, period)]
        asked += [(name, each) for name, levels in where.items() for each in _several(levels)]
        for name, each in asked:
            self._check(name, each, self.joint.strata.names)
        return self._cell(period, tuple((n, _one_or_tuple(each)) for n, each in where.items()))

    def _cell(self, period: Level, group: tuple[tuple[str, Any], ...]) -> Cell:
        """Sum some strata."""
        strata, where = self.joint.strata, dict(group)
        fixed = where if period is None else {**where, self.period: period}
        levels = [(strata.names.index(name), _several(each)) for name, each in fixed.items()]
        members = [
            at
            for at, stratum in enumerate(strata.cells)
            if all(stratum[position] in known for position, known in levels)
        ]
        observed = int(strata.observed[members].sum())
        total = float(observed + strata.hidden[members].sum())
        limit = joint_limit([strata.limit[each] for each in members])
        status: str = joint_status([strata.status[each] for each in members])
        reason = "" if status in ("ok", "boundary") else _reason(strata, members, limit)
        spans = self.levels if period is None else (period,)
        scope = "; ".join(dict.fromkeys(self.scopes[each] for each in spans))
        scopes = self.crossing((each, where) for each in spans)
        if scopes and not self.across_scopes:
            total, status = nan, ACROSS_SCOPES
            reason = Message("reason.scope_sum", period=self.period, scopes=scopes)
        # A rate over several periods is per inhabitant and period.
        parts = product(*(_several(each) for each in where.values()))
        inhabitants = sum(
            self.inhabitants.of({**dict(zip(where, part, strict=True)), self.period: each})
            for part, each in product(parts, spans)
        )
        figures = observed, total, self.joint.totals[:, members].sum(axis=1), inhabitants
        alike = None if self.alike is self else self.alike._cell(period, group)
        told = status, limit, reason, self.level
        late = any(each in self.preliminary for each in spans)
        expected = self.joint.registered
        if expected is not None:
            expected = expected[:, members].sum(axis=1)
        known = self._known(fixed, spans), self._differing(members, observed)
        cell = Cell(period, FrozenDict(where), scope, *figures, *told, alike=alike)
        return replace(
            cell, preliminary=late, expected=expected, known=known[0], differing=known[1]
        )

    def _known(self, fixed: Mapping[str, Any], spans: Sequence[Level]) -> Known:
        """Say what grades look at of some strata."""
        strata, support = self.joint.strata, self.population.support
        names = tuple(name for name in strata.names if name in fixed)
        levels = [strata.levels[name] for name in names]
        one = all(len(_several(fixed[name])) == 1 for name in names)
        persons = nan
        if one and names in support:
            at = [
                known.index(_several(fixed[name])[0])
                for name, known in zip(names, levels, strict=True)
            ]
            sizes = tuple(map(len, levels))
            persons = support[names][int(np.ravel_multi_index(at, sizes)) if names else 0]
        allows = self.joint.given == GIVEN_PRIOR
        bound = self.population.lower_bound
        return Known(
            persons,
            allowance=float(bound or not allows),
            preliminary=float(any(each in self.preliminary for each in spans)),
            bound=bound,
        )

    def _differing(self, members: Sequence[int], observed: int) -> float:
        """Total of some strata by the model in which people differ; NaN where figures are not of it."""
        wide = self.population.allowing
        if self.joint.alike is None or wide is None or wide.strata is None:
            return nan
        return float(observed + wide.strata.hidden[members].sum())

    @property
    def periods(self) -> pd.DataFrame:
        """Figures by period: one row each.

        Columns: the period; ``scope``; ``observed``; ``low``, ``high`` and ``total``, estimated; the
        same of ``hidden``, ``coverage`` (observed / total) and, where inhabitants are given, ``rate``
        per 100,000 of the ``population``; ``infinite`` and ``undetermined``, draws in which the total
        has no bound or is not determined; ``status``, ``limit``, ``reason``, ``grade``, ``grade_reason``; of a
        nowcast ``preliminary``, whether registrations are still to come.
        """
        return self._frame((each, ()) for each in self.levels)

    @property
    def groups(self) -> dict[str, pd.DataFrame]:
        """Figures by each of the groups, summed over the periods; columns as of `periods`.

        A person counts once in each period.
        """
        return {name: self._frame(product([None], self._of(name))) for name in self.group_names}

    @property
    def by_period(self) -> dict[str, pd.DataFrame]:
        """Figures by period and each of the groups; columns as of `periods`."""
        return {
            name: self._frame(product(self.levels, self._of(name))) for name in self.group_names
        }

    def _of(self, name: str) -> list[_Group]:
        return [((name, each),) for each in self.joint.strata.levels[name]]

    @property
    def _groups(self) -> list[_Group]:
        """Everybody, and each level of each group."""
        return [(), *(group for name in self.group_names for group in self._of(name))]

    def _row(self, cell: Cell) -> dict[str, Any]:
        """Put the figures of a cell in a row, with whether they are preliminary where that was asked."""
        row = cell.to_row(rates=self.has_rates)
        return row if self.late is None else row | {"preliminary": cell.preliminary}

    def _frame(self, keys: Iterable[tuple[Level, _Group]]) -> pd.DataFrame:
        rows = []
        for period, group in keys:
            head = {} if period is None else {self.period: period}
            rows.append(head | dict(group) | self._row(self.cells[period, group]))
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
        reason = self._refusal(first, last, where)
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
        alone = all(each == _several(each)[0] for each in where.values())
        return group if named and alone else None

    def _check(self, name: str, each: Level, known: Iterable[str]) -> None:
        if name not in known:
            raise ModelError(
                f"The monitor has no group {name!r}: there are {listed(known)}.{near(name, list(known))}"
            )
        levels = self.joint.strata.levels[name]
        if each not in levels:
            raise ModelError(f"{name} has no level {each!r}: there are {listed(levels, 12)}.")

    def crossing(
        self, parts: Iterable[tuple[Level, Mapping[str, Level | Collection[Level]]]]
    ) -> tuple[str, ...]:
        """Find scopes, or rules of one group, that differ between parts of the population.

        Parameters
        ----------
        parts : iterable of tuple
            The period of each, and its group, ``(2015, {"sex": "female"})``.

        Returns
        -------
        tuple of str
            Those that differ; empty where all parts may be compared and added.
        """
        parts = list(parts)
        everybody = GroupRule("", None, self.scopes)
        for rule in (everybody, *self.group_rules):
            found = dict.fromkeys(rule.of[when] for when, where in parts if rule.holds_in(where))
            if len(found) > 1:
                return tuple(found)
        return ()

    def _refusal(self, first: Level, last: Level, where: Mapping[str, Any]) -> str:
        """Why a group in two periods may not be compared; empty if it may."""
        scopes = self.crossing([(first, where), (last, where)])
        if self.across_scopes or not scopes:
            return ""
        ends = {"first": str(first), "last": str(last)}
        return Message("reason.scopes_differ", period=self.period, **ends, scopes=scopes)

    def compare(self, first: Level, last: Level, group: _Group = ()) -> Change:
        """Compare two periods as `change` does, with a status in place of an error across scopes."""
        return self._between(self.cells[first, group], self.cells[last, group])

    def _between(self, first: Cell, last: Cell) -> Change:
        reason = self._refusal(first.period, last.period, first.where)
        if reason:
            return without_figures(first, last, ACROSS_SCOPES, reason)
        scopes = self.crossing((each.period, first.where) for each in (first, last))
        note = Message("reason.scopes_crossed", scopes=scopes) if scopes else ""
        change = change_between(first, last, self.level, note)
        if first.alike is None or last.alike is None:
            return change
        alike = change_between(first.alike, last.alike, self.level, note)
        return replace(
            change,
            difference=holding_both(change.difference, alike.difference),
            ratio=holding_both(change.ratio, alike.ratio),
            coverage_difference=holding_both(change.coverage_difference, alike.coverage_difference),
        )

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
            ``undetermined`` (draws), ``status`` (``across_scopes`` where the scopes differ), ``reason``,
            ``grade`` (of the ratio), ``grade_reason``.
        """
        if group is not None:
            levels = self.joint.strata.levels.get(group, (None,))
            self._check(group, levels[0], self.group_names)
        rows = [
            {"first": each.first, "last": each.last} | dict(each.where) | each.to_row()
            for each in self._changes([()] if group is None else self._of(group))
        ]
        return pd.DataFrame(rows)

    def all_changes(self) -> pd.DataFrame:
        """List the changes of everybody, then of each group, in columns ``group`` and ``group_level``.

        Returns
        -------
        DataFrame
            Rows and columns as of `changes`.
        """
        frames = [self.changes().assign(group=None, group_level=None)]
        for name in self.group_names:
            frame = self.changes(name)
            frames.append(frame.assign(group=name).rename(columns={name: "group_level"}))
        columns = ["first", "last", "group", "group_level"]
        rows = [row for frame in frames for row in frame.to_dict(orient="records")]
        rest = [name for name in frames[0] if name not in columns]
        return pd.DataFrame(rows, columns=[*columns, *rest])

    def _changes(self, groups: Iterable[_Group]) -> list[Change]:
        levels = self.levels
        pairs = [*pairwise(levels), *([(levels[0], levels[-1])] if len(levels) > 2 else [])]
        return [self.compare(*pair, group) for group, pair in product(groups, pairs)]

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
            rows.append(head | self._row(cell))
        frame = pd.DataFrame(rows)
        for name in ("period", "group", "group_level"):
            # As objects: a year beside a missing one would become a fraction.
            frame[name] = pd.Series([row[name] for row in rows], dtype=object)
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Write all figures as a dictionary for JSON, schema ``mse.monitor/2``; never NaN."""
        population, levels = self.population, self.joint.strata.levels
        data = {
            "schema": MONITOR_SCHEMA,
            "info": vars(population.info),
            "lists": population.lists,
            "period": self.period,
            "periods": [{"period": each, "scope": scope} for each, scope in self.scopes.items()],
            "groups": [{"name": name, "levels": levels[name]} for name in self.group_names],
            "breaks": self.breaks,
            "group_rules": [
                {"name": each.name, "level": each.level, "rules": [*each.of.values()]}
                for each in self.group_rules
            ],
            "across_scopes": self.across_scopes,
            "level": self.level,
            "replicates": self.replicates,
            **_parts(population, "method", "model", "status", "limit", "reason"),
            **self._figures(),
            "alike": None if self.alike is self else self.alike._figures(),
            "notes": self.notes,
            "assumptions": population.assumptions,
            "warnings": self.warnings,
            "provenance": population.provenance,
        }
        if self.late is not None:
            data["late"] = self.late.to_dict()
        if self.places is not None:
            data["places"] = self.places.to_dict()
        data["messages"] = encode_messages(data)
        encoded: dict[str, Any] = jsonable(data)
        return encoded

    def _figures(self) -> dict[str, Any]:
        """Encode the figures with what their intervals take for granted."""
        return {
            "given": self.joint.given,
            "cells": [
                _encode_cell(cell)
                | ({} if self.late is None else {"preliminary": cell.preliminary})
                for cell in self.cells.values()
            ],
            "changes": [_encode_change(each) for each in self._changes(self._groups)],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """Write all figures as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

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


def _parts(thing: Any, *names: str) -> dict[str, Any]:
    """Encode parts of something, figures with the words for their missing ends."""
    return {name: _encode(getattr(thing, name)) for name in names}


def _encode(value: Any) -> Any:
    if not isinstance(value, Figure):
        return value
    bounds = {"unbounded": value.high == np.inf, "unbounded_below": value.low == -np.inf}
    return value._asdict() | bounds


def _encode_group(where: Mapping[str, Level]) -> dict[str, Any] | None:
    return next(({"name": name, "level": each} for name, each in where.items()), None)


def _encode_cell(cell: Cell) -> dict[str, Any]:
    row = {"period": cell.period, "group": _encode_group(cell.where)}
    row |= _parts(cell, "scope", "observed") | {"population": cell.inhabitants}
    row |= _parts(cell, *_ENDING) | {"grade": cell.grade.to_dict()}
    return row | {name: _encode(each) for name, each in cell.figures.items()}


def _encode_change(change: Change) -> dict[str, Any]:
    row = _parts(change, "first", "last") | {"group": _encode_group(change.where)}
    row |= _parts(change, "difference", "ratio", "coverage_difference")
    row |= _parts(change, "rise", "undetermined", "status", "reason")
    return row | {"grade": change.grade.to_dict()}
