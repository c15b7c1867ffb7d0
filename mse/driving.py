"""What drives a change of registered persons: which groups and registers, by size and by share registered."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mse._typing import FrozenDict
from mse.answer.intervals import TOO_FEW
from mse.answer.shown import Result, Section, layout, registered
from mse.data.datasets import table_from
from mse.data.patterns import TableInfo
from mse.errors import ModelError
from mse.messages import MARK, Message
from mse.monitoring.draws import Figure, figure, holding_both
from mse.monitoring.result import ACROSS_SCOPES, NOTHING, Monitor, columns
from mse.simulate.cells import member_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mse._typing import FloatArray, Level
    from mse.data.table import CaptureTable
    from mse.monitoring.draws import JointDraws


@dataclass(frozen=True)
class Contribution:
    """What a group, at a register, contributes to a change of the registered persons.

    Attributes
    ----------
    group : mapping of str to level
        Empty for everybody.
    register : str
        One of the lists; empty for all of them.
    first, last : float
        Registered persons in the two periods; of one register its part, each person divided equally over the
        lists that he or she is on.
    by_size, by_share : Figure
        Of the change, persons: since there are more or fewer persons in the group, and since the register
        has another share of them. They add up to the change.
    status, reason : str
        As of a `Change`.
    """

    group: Mapping[str, Level]
    register: str
    first: float
    last: float
    by_size: Figure = NOTHING
    by_share: Figure = NOTHING
    status: str = "ok"
    reason: str = ""

    @property
    def change(self) -> float:
        """Registered persons more in the last period than in the first."""
        return self.last - self.first

    @property
    def label(self) -> str:
        """The group and the register in words."""
        names = [f"{name} {level}" for name, level in self.group.items()]
        return ", ".join([*names, *([self.register] if self.register else [])]) or "everybody"


@dataclass(frozen=True, eq=False, repr=False)
class Drivers(Result):
    """A change of registered persons, by group and register, by size and by share registered.

    Attributes
    ----------
    contributions : tuple of Contribution
        Each group at each register; then each group, each register, and all.
    first, last : level
        The periods.
    level : float
        Of the intervals.
    given : str
        What they take for granted.
    info : TableInfo
        What the table is about.
    """

    references = (
        "Kitagawa, E. M. (1955). Components of a difference between two rates. Journal of the American Statistical Association 50, 1168-1194.",
    )

    contributions: tuple[Contribution, ...]
    first: Level
    last: Level
    level: float
    given: str
    info: TableInfo = field(default_factory=TableInfo)

    @property
    def largest(self) -> tuple[Contribution, ...]:
        """Contributions of a group at a register, the largest change, up or down, first."""
        registers = len({each.register for each in self.contributions} - {""})
        groups = len(self.contributions) // (registers + 1) - 1
        return self.contributions[: groups * registers]

    @property
    def leading(self) -> Contribution:
        """The group at a register of which the registered persons changed most, up or down."""
        return self.contributions[0]

    def of(self, register: str = "", **group: Level) -> Contribution:
        """Look up a contribution: of a register, a group, both, or of everybody."""
        for each in self.contributions:
            if each.register == register and each.group == group:
                return each
        asked = Contribution(group, register, 0, 0).label
        raise ModelError(f"There is no contribution of {asked}: to_frame() shows those there are.")

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each contribution, those of a group at a register first, the largest before all.

        Returns
        -------
        DataFrame
            A column for each covariate of the groups and ``register``, missing where it is all of them;
            ``first``, ``last``, ``change``; ``by_size`` and ``by_share`` with their ends; ``status``, ``reason``.
        """
        names = dict.fromkeys(name for each in self.contributions for name in each.group)
        rows = []
        for each in self.contributions:
            head = {name: each.group.get(name) for name in names} | {
                "register": each.register or None
            }
            row = {"first": each.first, "last": each.last, "change": each.change}
            row |= columns("by_size", each.by_size) | columns("by_share", each.by_share)
            rows.append(head | row | {"status": each.status, "reason": str(each.reason)})
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<Drivers {self.first} to {self.last}: {self.of().change:+,.0f} registered persons>"

    def _sections(self) -> list[Section]:
        whole, most = self.of(), self.leading
        said = (
            f"{registered(whole.last)} persons were registered in {self.last} and {registered(whole.first)} in "
            f"{self.first}: {_signed(whole.change)}. Nowhere was the change larger than for {most.label}: "
            f"{_signed(most.change)}."
        )
        head = ["", "change", "by size", "by share registered"]
        rows = [
            [
                each.label,
                _signed(each.change),
                _said(each, each.by_size),
                _said(each, each.by_share),
            ]
            for each in self.contributions
        ]
        told = (
            "A person on several registers counts for each in equal parts. By size: the persons of the group who "
            "are more or fewer, at the mean of the shares registered; by share: the change of that share, at "
            f"the mean size. {100 * self.level:g}% intervals, from draws of all groups together; they take "
            f"for granted: {self.given}. Registered persons are counted, not estimated."
        )
        return [
            Section(f"What drives the change from {self.first} to {self.last}", paragraphs=(said,)),
            Section("Contributions", verbatim=layout(head, rows)),
            Section("How to read them", paragraphs=(told,)),
        ]


def _signed(change: float) -> str:
    return MARK if math.isnan(change) else f"{change:+,.0f}"


def _said(found: Contribution, part: Figure) -> str:
    if found.status == "suppressed":
        return MARK
    if math.isnan(part.point):
        return "across scopes" if found.status == ACROSS_SCOPES else "not estimable"
    ends = (f"{each:+,.0f}" if math.isfinite(each) else "no bound" for each in part[1:])
    return f"{' to '.join(ends)} ({part.point:+,.0f})"


def drivers(
    report: Monitor,
    table: CaptureTable,
    first: Level,
    last: Level,
    by: str | Sequence[str] | None = None,
) -> Drivers:
    r"""Find out which groups at which registers a change of registered persons is due to.

    Parameters
    ----------
    report : Monitor
        Of `mse.monitor`, with draws.
    table : CaptureTable
        That it was made of: it has the registers of each group.
    first, last : level
        The periods.
    by : str or sequence of str, optional
        Covariates of the groups, all combinations of their levels; by default the groups of the monitor.

    Returns
    -------
    Drivers
        Groups of which the scope or the rules of registration changed have their counts, and a status in place of
        what is estimated, unless the monitor was made with ``across_scopes=True``; and so has what they
        are part of.

    Raises
    ------
    ModelError
        If the monitor has no draws or no groups, or is not of the table.

    Notes
    -----
    Of :math:`n = \sum_{gr} m_{gr}` registered persons, a person on k registers counts 1/k for each. With
    :math:`N_g` persons in the group, :math:`m_{gr} = N_g c_{gr}`, and between two periods

    .. math::
        \Delta m_{gr} = \Delta N_g \, \bar c_{gr} + \bar N_g \, \Delta c_{gr},

    with the means of both periods (Kitagawa 1955): by size, and by share registered. Both add up over groups and
    registers. The counts are known; the intervals are those of :math:`N_g` in both periods, from the draws of the
    monitor, in which all groups are drawn together. Its model should let a register reach another share of
    each group in each period, where that is what one wants to find: ``"police*year*form"`` (see the page on
    drivers).

    Examples
    --------
    >>> import numpy as np, mse
    >>> counts = np.zeros((2, 2, 2, 2), dtype=int)
    >>> counts[1, 0], counts[0, 1], counts[1, 1] = 60, 40, 20
    >>> counts[1, 0, 1, 1] = 200
    >>> axes = {"year": [2014, 2015], "sex": ["f", "m"]}
    >>> table = mse.CaptureTable.from_array(counts, ["police", "care"], axes)
    >>> model = mse.LogLinear("police*year*sex + care*year*sex")
    >>> report = mse.monitor(table, groups=["sex"], estimator=model, replicates=100, seed=1)
    >>> found = mse.drivers(report, table, 2014, 2015)
    >>> found.leading.label, found.leading.change
    ('sex m, police', 140.0)
    """
    if not isinstance(report, Monitor):
        raise ModelError(
            f"The report is of type {type(report).__name__}: expected what mse.monitor gives."
        )
    table = table_from(table)
    names = _names(report, by)
    counts = _by_register(report, table)
    missing = [each for each in (first, last) if each not in report.levels]
    if missing:
        raise ModelError(f"The monitor has no {report.period} {missing[0]!r}.")
    if first == last:
        raise ModelError(f"first and last are both {first!r}: expected two periods.")
    early = [str(each) for each in (first, last) if each in report.preliminary]
    if early:
        raise ModelError(
            f"{report.period} {early[0]} is preliminary: a change of the persons registered so far is one of how much "
            "is in. Compare periods that are complete."
        )
    levels = report.joint.strata.levels
    groups = [dict(zip(names, each, strict=True)) for each in product(*(levels[n] for n in names))]
    cells = [_Group.of(report, counts, each, (first, last)) for each in groups]
    kinds = [report.joint, *([] if report.joint.alike is None else [report.joint.alike])]
    found = [_contributions(report, cells, each, table.lists) for each in kinds]
    whole = found[0] if len(found) == 1 else tuple(map(_holding, *found))
    info = report.population.info
    return Drivers(whole, first, last, report.level, report.joint.given, info)


def _names(report: Monitor, by: str | Sequence[str] | None) -> tuple[str, ...]:
    """Name the covariates of the groups."""
    names = report.group_names if by is None else (by,) if isinstance(by, str) else tuple(by)
    if report.joint.totals.shape[1] == 0 or report.replicates < TOO_FEW:
        raise ModelError(
            f"The monitor has no draws: expected one with {TOO_FEW} replicates or more, not protected."
        )
    known = [name for name in report.joint.strata.names if name != report.period]
    if not names or not set(names) <= set(known) or len(set(names)) < len(names):
        raise ModelError(
            f"by={by!r}: expected groups of the monitor's table, each once, of {', '.join(known)}."
        )
    return names


def _by_register(report: Monitor, table: CaptureTable) -> FloatArray:
    """Count the registered persons of each stratum by list, (S, K), each divided over the lists."""
    strata = report.joint.strata
    further = [name for name in table.covariates if name not in strata.levels]
    table = table.collapse(*further) if further else table
    same = {name: tuple(each) for name, each in table.covariates.items()} == dict(strata.levels)
    same = same and table.lists == report.population.lists
    if not table.is_complete or not same or not np.array_equal(_observed(table), strata.observed):
        raise ModelError(
            "The table is not the one of the monitor, or not all of it is known: expected the complete "
            "table that mse.monitor was given."
        )
    on = member_of(table.n_lists).astype(np.float64)
    counts = table.counts.reshape(len(on), -1)[1:]
    return np.asarray(counts.T @ (on[1:] / on[1:].sum(axis=1, keepdims=True)))


def _observed(table: CaptureTable) -> FloatArray:
    return np.asarray(table.counts.reshape(2**table.n_lists, -1)[1:].sum(axis=0))


@dataclass(frozen=True, eq=False)
class _Group:
    """A group in the two periods."""

    where: Mapping[str, Level]
    members: tuple[Sequence[int], Sequence[int]]  # its strata
    registered: FloatArray  # (2, K) by list
    status: str
    reason: str

    @classmethod
    def of(
        cls,
        report: Monitor,
        counts: FloatArray,
        where: Mapping[str, Level],
        ends: Collection[Level],
    ) -> _Group:
        strata = report.joint.strata
        members = [
            [
                at
                for at, cell in enumerate(strata.cells)
                if where.items() | {report.period: when}.items()
                <= dict(zip(strata.names, cell, strict=True)).items()
            ]
            for when in ends
        ]
        first, last = ends
        change = report.at(first, **where), report.at(last, **where)
        status, reason = next(
            ((each.status, each.reason) for each in change if math.isnan(each.total)), ("ok", "")
        )
        scopes = report.crossing((each, where) for each in ends)
        if scopes and not report.across_scopes:
            named = {"period": report.period, "first": str(first), "last": str(last)}
            status, reason = ACROSS_SCOPES, Message("reason.scopes_differ", **named, scopes=scopes)
        registered = np.stack([counts[each].sum(axis=0) for each in members])
        return cls(FrozenDict(where), (members[0], members[1]), registered, status, reason)

    def by_size(self, sizes: FloatArray) -> FloatArray:
        """Split off what the size contributes, (..., K), from the sizes of the two periods, (..., 2)."""
        if self.status not in ("ok", "boundary"):
            return np.full((*sizes.shape[:-1], self.registered.shape[1]), math.nan)
        sizes = np.maximum(sizes, self.registered.sum(axis=1))[..., None]
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(self.registered > 0, self.registered / sizes, 0.0).mean(axis=-2)
            return np.asarray((sizes[..., 1, :] - sizes[..., 0, :]) * shares)


def _contributions(
    report: Monitor, cells: Sequence[_Group], joint: JointDraws, lists: Sequence[str]
) -> tuple[Contribution, ...]:
    """Put together contributions of groups at registers, and their sums."""
    totals = joint.strata.observed + joint.strata.hidden
    points, draws = (
        np.stack(
            [
                each.by_size(np.stack([of[..., at].sum(axis=-1) for at in each.members], axis=-1))
                for each in cells
            ]
        )
        for of in (totals, joint.totals)
    )  # (G, K), (G, M, K)
    registered = np.stack([each.registered for each in cells])  # (G, 2, K)
    every, registers = range(len(cells)), range(len(lists))
    asked = [
        *(([g], [k]) for g, k in product(every, registers)),
        *(([g], registers) for g in every),
        *((every, [k]) for k in registers),
        (every, registers),
    ]
    found = []
    for groups, on in asked:
        first, last = registered[groups][:, :, on].sum(axis=(0, 2))
        size = float(points[groups][:, on].sum())
        drawn = draws[groups][:, :, on].sum(axis=(0, 2))
        stated = next((cells[g] for g in groups if cells[g].status not in ("ok", "boundary")), None)
        by_size = figure(size, drawn, report.level)
        by_share = figure(last - first - size, last - first - drawn, report.level)
        found.append(
            Contribution(
                cells[groups[0]].where if len(groups) == 1 and len(cells) > 1 else FrozenDict(),
                lists[on[0]] if len(on) == 1 else "",
                float(first),
                float(last),
                by_size,
                by_share,
                *(("ok", "") if stated is None else (stated.status, stated.reason)),
            )
        )
    inner = len(cells) * len(lists)
    largest = sorted(found[:inner], key=lambda each: -abs(each.change))
    return (*largest, *found[inner:])


def _holding(one: Contribution, other: Contribution) -> Contribution:
    return replace(
        one,
        by_size=holding_both(one.by_size, other.by_size),
        by_share=holding_both(one.by_share, other.by_share),
    )
