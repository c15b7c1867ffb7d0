"""Which figures of an estimate may leave, and how far they are rounded: decided once for all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import reduce
from math import nan
from operator import add
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from mse._typing import FrozenDict
from mse.answer.intervals import DEFAULT_LEVEL
from mse.answer.rounding import nearest, outward
from mse.data.count_table import CountTable
from mse.disclosure.cells import known_bounds
from mse.disclosure.jointly import Raw, members_of, system_of
from mse.errors import ModelError
from mse.leaning import Leaning
from mse.messages import Message, joined
from mse.monitoring.draws import Figure
from mse.monitoring.result import NOTHING, Late, LatePeriod
from mse.registry import ESTIMATORS
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import Level
    from mse.answer.population import PopulationEstimate
    from mse.data.table import CaptureTable
    from mse.disclosure.cells import Key, Publication
    from mse.disclosure.jointly import System
    from mse.disclosure.rules import Rules
    from mse.monitoring.result import Monitor

_TWO_LISTS = Message("withheld.two_lists")
_ONE_REGISTER = Message("withheld.one_register")
_BESIDE = Message("withheld.beside")
_MARGIN = Message("withheld.margin")
_COMPLEMENT = Message("withheld.complement")
TOGETHER = Message("withheld.together")
#: Shares of registrations that are in are told to so much: further digits would tell of single registrations.
IN_STEP = 0.05
#: How many times coarser a figure is made at most before it is withheld; at 20 the grid is as wide as the interval.
_COARSER = (2, 4, 10, 20)


def leaning_of(estimate: PopulationEstimate, table: CaptureTable | CountTable | None) -> Leaning:
    """Find what the intervals of an estimate lean on, those that allow for people who differ where there are such.

    Where nobody knows how these move with the counts, what takes people for alike tells: a prior leans on less.
    """
    wide = None if estimate.allowing is None else Leaning(estimate.allowing, table)
    if wide is None or wide.moves() is None:
        return Leaning(estimate.alike, table)
    return wide


def why_withheld(
    estimate: PopulationEstimate,
    rules: Rules,
    table: CaptureTable | CountTable | None,
    leaning: Leaning | None = None,
) -> str:
    """Say why no estimate may be shown whatever its counts; empty if it may.

    leaning: on what it leans, where that was looked into before
    """
    if not rules.suppresses or math.isnan(estimate.hidden):
        return ""
    if len(estimate.lists) == 1 and not isinstance(table, CountTable):
        return _ONE_REGISTER
    if len(estimate.lists) == 2 and (table is None or table.margins is not None):
        return _TWO_LISTS
    few = (leaning or leaning_of(estimate, table)).persons() < rules.threshold
    return (_TWO_LISTS if len(estimate.lists) == 2 else _MARGIN) if few else ""


def table_of_counts(table: Any, estimate: PopulationEstimate) -> Any:
    """Give a table whose counts tell what a figure leans on; None where it was estimated from persons with covariates."""
    name = str(estimate.provenance.get("estimator", "")).partition("(")[0]
    return None if ESTIMATORS.get(name, "").startswith("mse.individual") else table


@dataclass
class _Company:
    """Estimators whose figures leave with a publication, and the one of which nobody knows how they move with counts."""

    leave: set[str] = field(default_factory=set)
    unknown: str = ""


_COMPANY: WeakKeyDictionary[Publication, _Company] = WeakKeyDictionary()


def _beside(estimate: PopulationEstimate, publication: Publication, *, known: bool = False) -> str:
    """Say that an estimate stands beside another one, and nobody knows what both tell; empty if not, and it is noted.

    known: whether it is known how its figures move with the counts
    """
    text = str(estimate.provenance.get("estimator", estimate.method))
    company = _COMPANY.setdefault(publication, _Company())
    if company.unknown not in ("", text) or not (known or company.leave <= {text}):
        return _BESIDE
    company.leave.add(text)
    company.unknown = company.unknown if known else text
    return ""


@dataclass(frozen=True, eq=False)
class Gate:
    """What was decided of an estimate, once for its total, its parts, and all levels of its intervals.

    Attributes
    ----------
    publication : Publication
        The counts as they leave.
    why : mapping
        Of each figure that is withheld although its count is published, by key: why.
    steps : mapping
        By key: persons to whose multiples figures are rounded.
    """

    publication: Publication
    why: Mapping[Key, str]
    steps: Mapping[Key, float]

    def step(self, key: Key) -> float:
        """Persons to whose multiples the figures of a key are rounded."""
        return self.steps.get(key, float(self.publication.rules.base))

    def reason(self, key: Key, otherwise: str) -> str:
        """Say why no estimate of a key is shown, and how many there are at least, where its count is.

        The bound is that of the printed count, which rounding may have raised, rounded down: it tells nothing that is
        not printed.
        """
        count = self.publication.value(key)
        if count is None or key not in self.why:
            return otherwise
        rules = self.publication.rules
        fewest = int(known_bounds(np.array([count]), rules)[0][0])
        least = fewest // rules.base * rules.base
        return joined(self.why[key], Message("withheld.at_least", n=least) if least else "")


def gates_of(
    estimate: PopulationEstimate,
    publication: Publication,
    table: CaptureTable | CountTable | None,
    margins: Sequence[tuple[str, ...]],
    levels: Sequence[float] = (DEFAULT_LEVEL,),
) -> tuple[Gate, Gate | None]:
    """Decide of a total with the intervals that take people for alike, and of those that allow for more, if there are such.

    Each has the grid of its own width: on that of the wider one, of two lists, nothing would be left of the total. A
    total leaves with both or not at all: beside the narrower one alone it would look better known than it is.
    """
    held = gate_of(estimate.alike, publication, table, margins, levels)
    if estimate.allowing is None:
        return held, None
    wide = gate_of(estimate, publication, table, margins, levels, allowing=True, withheld=held.why)
    return _joined(held, wide, _rows_of(estimate.alike, margins))


def _joined(held: Gate, wide: Gate, rows: Mapping[Key, Mapping[Any, Any]]) -> tuple[Gate, Gate]:
    """Withhold in both what is withheld in one of them."""
    why = _with_complements({**wide.why, **held.why}, rows, held.publication)
    return replace(held, why=why), replace(wide, why=why)


def gate_of(
    estimate: PopulationEstimate,
    publication: Publication,
    table: CaptureTable | CountTable | None,
    margins: Sequence[tuple[str, ...]],
    levels: Sequence[float] = (DEFAULT_LEVEL,),
    *,
    allowing: bool = False,
    withheld: Mapping[Key, str] = FrozenDict(),
) -> Gate:
    """Decide which figures of an estimate are withheld, and how far the others are rounded.

    A figure is withheld where it leans on fewer persons than may be shown; where sums of the others
    would give away one that is; and where everything that leaves with the publication would tell a small
    count, however far it is rounded. Where nobody knows what several estimates tell together, one leaves.

    allowing: whether of what allows for people who differ, and not of what takes them for alike
    withheld: what does not leave already, and why
    """
    rules = publication.rules
    shown = estimate.allowing if allowing and estimate.allowing is not None else estimate.alike
    leaning = leaning_of(estimate if allowing else shown, table)
    rows = _rows_of(shown, margins)
    steps = {key: rules.step(row["high"] - row["low"], row["hidden"]) for key, row in rows.items()}
    reason = why_withheld(leaning.estimate, rules, table, leaning)
    alone = table is None or (system_of(publication, table) is None and rules.secondary)
    if alone and rules.suppresses and not reason and not math.isnan(shown.hidden):
        # What allows for people who differ was asked for with the estimate that it stands beside.
        reason = "" if allowing else _beside(shown, publication)
    if not rules.suppresses or reason in (_BESIDE, _ONE_REGISTER, _TWO_LISTS):
        return Gate(publication, dict.fromkeys(rows, reason) if reason else {}, steps)
    why = {**withheld, **({(): reason} if reason else {})}
    system = system_of(publication, table) if leaning.estimate is shown else None
    own = rows if leaning.estimate is shown else _rows_of(leaning.estimate, margins)
    for key, row in own.items():
        known = key and publication.value(key) is not None and not math.isnan(row["hidden"])
        if known and leaning.persons(members_of(leaning.estimate, key), row) < rules.threshold:
            why[key] = _MARGIN
    why = _with_complements(why, rows, publication)
    given = [key for key in steps if key not in why and publication.value(key) is not None]
    if system is not None and given:
        raw = _raw(shown, margins, levels)
        given.sort(key=len)
        left = {key: raw[key] for key in given}
        coarser, told = coarsened(leaning, system, left, steps, allowing=allowing)
        steps |= coarser
        why = _with_complements({**why, **told}, rows, publication)
    return Gate(publication, why, steps)


def _rows_of(
    estimate: PopulationEstimate, margins: Sequence[tuple[str, ...]]
) -> dict[Key, Mapping[Any, Any]]:
    """Figures of the total and of everything by the margins, by key."""
    try:
        low, high = estimate.interval(DEFAULT_LEVEL)
    except ModelError:
        low = high = nan
    rows: dict[Key, Mapping[Any, Any]] = {
        (): {"hidden": estimate.hidden, "low": low, "high": high, "observed": estimate.observed}
    }
    for names in margins:
        for row in estimate.margin(*names).to_dict(orient="records"):
            rows[tuple((name, row[name]) for name in names)] = row
    return rows


def _raw(
    estimate: PopulationEstimate, margins: Sequence[tuple[str, ...]], levels: Sequence[float]
) -> dict[Key, Raw]:
    """Totals and ends of intervals that are to be published, by key, before they are rounded."""
    ends: dict[Key, list[tuple[float, float]]] = {(): []}
    totals: dict[Key, float] = {(): estimate.total}
    for level in levels:
        try:
            ends[()].append(estimate.alike.interval(level))
        except ModelError:
            continue
        for names in margins:
            for row in estimate.margin(*names, level=level).to_dict(orient="records"):
                key = tuple((name, row[name]) for name in names)
                totals[key] = row["total"]
                ends.setdefault(key, []).append((row["low"], row["high"]))
    return {key: Raw(totals[key], tuple(ends[key])) for key in ends}


def coarsened(
    leaning: Leaning,
    system: System,
    raw: Mapping[Key, Raw],
    steps: Mapping[Key, float],
    *,
    allowing: bool = False,
) -> tuple[dict[Key, float], dict[Key, str]]:
    """Round each figure as little as keeps all that leaves from telling a small count; if nothing does, withhold it.

    allowing: whether of what allows for people who differ, which leaves with the estimate that it stands beside
    """
    written = system.written(leaning, raw)
    hidden = {key: raw[key].total - system.observed(key) for key in written}
    found: dict[Key, float] = {}
    why: dict[Key, str] = {}
    if system.strict:
        why = {key: TOGETHER for key in raw if key not in written}
    elif (
        not allowing
        # What has no number is no equation.
        and any(math.isfinite(each.total) for each in raw.values())
        and (written or leaning.computed)
        and _beside(leaning.estimate, system.publication, known=bool(written))
    ):
        return found, dict.fromkeys(raw, _BESIDE)

    def note(keys: Sequence[Key]) -> None:
        """Note figures in their order: all of them, if together they tell nothing."""
        if system.tells(reduce(add, (written[key](steps[key]) for key in keys))) is None:
            found.update({key: steps[key] for key in keys})
        elif len(keys) > 1:
            half = len(keys) // 2
            note(keys[:half])
            note(keys[half:])
        else:
            key = keys[0]
            for step in (steps[key] * each for each in _COARSER):
                # A grid coarser than the hidden number would say that there are none, or twice as many.
                if step <= hidden[key] and system.tells(written[key](step)) is None:
                    found[key] = step
                    return
            why[key] = TOGETHER

    if written:
        note([*written])
    return found, why


def _with_complements(
    why: Mapping[Key, str], rows: Mapping[Key, Mapping[Any, Any]], publication: Publication
) -> dict[Key, str]:
    """Withhold further figures, so that none that is withheld is a total less what is shown."""
    found, keys = dict(why), publication.keys
    gone = publication.suppressed | ~publication.shown
    sums = [
        [keys[at] for at in publication.sums[[row]].indices]
        for row in range(publication.sums.shape[0])
    ]
    changed = True
    while changed:
        changed = False
        for members in sums:
            # Those in no part are unknown, but they are few: the others still tell too much.
            known = [key for key in members if key in rows]
            lost = [key for key in known if key in found or gone[publication.places[key]]]
            left = [key for key in known if key not in lost]
            if len(lost) == 1 and lost[0] in found and left and len(known) > 1:
                parts = [key for key in left if key != ()] or left
                found[min(parts, key=lambda key: rows[key]["hidden"])] = _COMPLEMENT
                changed = True
    return found


def gates_of_monitor(
    monitor: Monitor, publication: Publication, table: CaptureTable | None
) -> tuple[Gate, Gate]:
    """Decide of a monitor whose intervals allow for people who differ, without and with that, as `gates_of`."""
    held = gate_of_monitor(monitor.alike, publication, table)
    wide = gate_of_monitor(monitor, publication, table, withheld=held.why)
    return _joined(held, wide, _cells_of(monitor.alike))


def _cells_of(monitor: Monitor) -> dict[Key, dict[str, float]]:
    """Figures of all periods and groups, by key."""
    rows: dict[Key, dict[str, float]] = {}
    for (period, group), cell in monitor.cells.items():
        total = cell.figures["total"]
        row = {"hidden": cell.total - cell.observed, "observed": cell.observed}
        rows[key_of(monitor, period, group)] = row | {"low": total.low, "high": total.high}
    return rows


def gate_of_monitor(
    monitor: Monitor,
    publication: Publication,
    table: CaptureTable | None,
    *,
    withheld: Mapping[Key, str] = FrozenDict(),
) -> Gate:
    """Decide of all periods and groups of a monitor; ``withheld`` is what does not leave already, and why."""
    rules, leaning = publication.rules, leaning_of(monitor.population, table)
    estimate, rows = leaning.estimate, _cells_of(monitor)
    steps = {key: rules.step(row["high"] - row["low"], row["hidden"]) for key, row in rows.items()}
    if not rules.suppresses:
        return Gate(publication, {}, steps)
    system = system_of(publication, table)
    reason = why_withheld(estimate, rules, table, leaning)
    if reason and len(estimate.lists) == 2:
        # With two lists the estimates of all periods are withheld where that of all persons is.
        return Gate(publication, dict.fromkeys(rows, reason), steps)
    why = dict(withheld)
    for key, row in rows.items():
        if publication.value(key) is None or math.isnan(row["hidden"]):
            continue
        members = members_of(estimate, key) if estimate.strata is not None else None
        if leaning.persons(members, row) < rules.threshold:
            why[key] = _MARGIN
    why = _with_complements(why, rows, publication)
    if system is not None:
        raw = {
            # The total leaves with the intervals that take people for alike.
            key_of(monitor, *at): Raw(
                cell.total, (cell.figures["total"][1:],), point=not leaning.parallel
            )
            for at, cell in monitor.cells.items()
        }
        given = {key: each for key, each in raw.items() if key not in why}
        allowing = leaning.estimate is monitor.population.allowing
        coarser, told = coarsened(leaning, system, given, steps, allowing=allowing)
        steps |= coarser
        why = _with_complements({**why, **told}, rows, publication)
    return Gate(publication, why, steps)


def key_of(
    monitor: Monitor, period: Level, group: tuple[tuple[str, Level], ...]
) -> tuple[Any, ...]:
    """Name the cell of a period and a group."""
    return (*(() if period is None else ((monitor.period, period),)), *group)


def late_shown(late: Late | None, cells: Mapping[Any, Any], rules: Rules) -> Late | None:
    """Round what is still to come of preliminary periods, or leave it out where the period is.

    cells: figures by period and group, as they leave
    """
    if late is None:
        return None
    periods = {}
    for period, each in late.periods.items():
        cell = cells[period, ()]
        gone = cell.status == SUPPRESSED
        expected, later = (
            NOTHING if gone else _forecast(found, cell.observed, rules)
            for found in (each.expected, each.later)
        )
        shares = {k: nan if gone else nearest(v, IN_STEP) for k, v in each.shares.items()}
        told = {name: round(share, 2) for name, share in shares.items()}
        periods[period] = LatePeriod(cell.observed, expected, later, FrozenDict(told), each.not_in)
    return Late(late.as_of, FrozenDict(periods))


def _forecast(found: Figure, count: int, rules: Rules) -> Figure:
    """Round a forecast of a number of persons, its interval outward and not below those who are counted."""
    if math.isnan(found.point):
        return NOTHING
    step = rules.step(found.high - found.low, found.point - count)
    low, high = outward(found.low, found.high, step, count)
    return Figure(max(nearest(found.point, step), count), low, high)
