"""Which figures of an estimate may leave, and how far they are rounded: decided once for all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from mse.answer.intervals import DEFAULT_LEVEL
from mse.disclosure.inversion import halves, overlaps_left
from mse.disclosure.leaning import Leaning
from mse.disclosure.printed import Seen
from mse.disclosure.suppression import range_of
from mse.errors import ModelError
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import Level
    from mse.answer.population import PopulationEstimate
    from mse.data.table import CaptureTable
    from mse.disclosure.cells import Key, Publication
    from mse.disclosure.rules import Rules
    from mse.monitoring.result import Monitor

_TWO_LISTS = Message("withheld.two_lists")
_MARGIN = Message("withheld.margin")
_COMPLEMENT = Message("withheld.complement")


def why_withheld(estimate: PopulationEstimate, rules: Rules, table: CaptureTable | None) -> str:
    """Say why no estimate may be shown whatever its counts; empty if it may."""
    if not rules.suppresses or math.isnan(estimate.hidden):
        return ""
    if len(estimate.lists) == 2 and (table is None or table.margins is not None):
        return _TWO_LISTS
    few = Leaning(estimate, table).persons() < rules.threshold
    return (_TWO_LISTS if len(estimate.lists) == 2 else _MARGIN) if few else ""


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


def gate_of(
    estimate: PopulationEstimate,
    publication: Publication,
    table: CaptureTable | None,
    margins: Sequence[tuple[str, ...]],
) -> Gate:
    """Decide which figures of an estimate are withheld, and how far the others are rounded.

    A figure is withheld where it leans on fewer persons than may be shown; and where sums of the others
    would give away one that is.
    """
    rules = publication.rules
    rows: dict[Key, Any] = {}
    for names in margins:
        for row in estimate.margin(*names).to_dict(orient="records"):
            rows[tuple((name, row[name]) for name in names)] = row
    whole = _row_of(estimate)
    steps = {key: rules.step(row["high"] - row["low"], row["hidden"]) for key, row in rows.items()}
    steps[()] = rules.step(whole["high"] - whole["low"], whole["hidden"])
    reason = why_withheld(estimate, rules, table)
    if not rules.suppresses or (reason and len(estimate.lists) == 2):
        return Gate(publication, dict.fromkeys([(), *rows], reason) if reason else {}, steps)
    why: dict[Key, str] = {(): reason} if reason else {}
    leaning = Leaning(estimate, table)
    for key, row in rows.items():
        known = publication.value(key) is not None and not math.isnan(row["hidden"])
        if known and leaning.persons(members_of(estimate, key), row) < rules.threshold:
            why[key] = _MARGIN
    if () not in why and told_by(estimate, publication, steps[()]):
        why[()] = _COMPLEMENT
    return Gate(publication, _with_complements(why, {**rows, (): whole}, publication), steps)


def told_by(estimate: PopulationEstimate, publication: Publication, step: float) -> bool:
    """Whether a rounded total, by the closed form of two groups of lists, tells a suppressed count beside the others.

    The attack before it leaves: the overlap of the groups, within what the total says of it, is one more sum.
    """
    split, rules = halves(estimate.lists, estimate.model or ""), publication.rules
    histories = {
        str(key[0][1]): at
        for at, key in enumerate(publication.keys)
        if key and key[0][0] == "history"
    }
    observed = publication.value(())
    if split is None or not histories or observed is None or math.isnan(estimate.total):
        return False
    total = nearest(estimate.total, step)
    seen = Seen(
        "", estimate.lists, estimate.model or "", "", "", float(observed), total, {}, {}, step
    )
    keys = [(("list", group[0]),) for group in split if len(group) == 1]
    sizes = [publication.value(key) for key in keys if key in publication.places]
    left = overlaps_left(seen, rules.base, [float(size) for size in sizes if size is not None])
    if not left:
        return False
    size = len(publication.keys)
    row = np.zeros((1, size + 1))
    row[0, size] = 1.0
    groups = [[estimate.lists.index(name) for name in group] for group in split]
    for history, at in histories.items():
        if all(any(history[place] == "1" for place in group) for group in groups):
            row[0, at] = -1.0
    others = publication.sums.toarray()
    sums = sparse.csr_array(np.vstack([np.hstack([others, np.zeros((len(others), 1))]), row]))
    low, high = publication.bounds()
    bounds = np.append(low, left[0][0]), np.append(high, left[-1][0])
    lower, upper = rules.protection
    for cell in np.flatnonzero(publication.suppressed | ~publication.shown):
        ends = range_of(int(cell), sums, *bounds)
        if max(lower, 1) <= ends[0] and ends[1] < upper:
            return True
    return False


def _row_of(estimate: PopulationEstimate) -> dict[str, float]:
    """Figures of the total, as in a row of a margin."""
    try:
        low, high = estimate.interval(DEFAULT_LEVEL)
    except ModelError:
        low = high = nan
    return {"hidden": estimate.hidden, "low": low, "high": high}


def members_of(estimate: PopulationEstimate, key: Key) -> list[int]:
    """Find the strata that a key sums over."""
    assert estimate.strata is not None
    names = estimate.strata.names
    wanted = [(names.index(name), level) for name, level in key]
    return [
        at
        for at, cell in enumerate(estimate.strata.cells)
        if all(cell[place] == level for place, level in wanted)
    ]


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


def gate_of_monitor(monitor: Monitor, publication: Publication, table: CaptureTable | None) -> Gate:
    """Decide of all periods and groups of a monitor."""
    estimate, rules = monitor.population, publication.rules
    rows: dict[Key, dict[str, float]] = {}
    for (period, group), cell in monitor.cells.items():
        total = cell.figures["total"]
        row = {"hidden": cell.total - cell.observed, "observed": cell.observed}
        rows[key_of(monitor, period, group)] = row | {"low": total.low, "high": total.high}
    steps = {key: rules.step(row["high"] - row["low"], row["hidden"]) for key, row in rows.items()}
    if not rules.suppresses:
        return Gate(publication, {}, steps)
    if (reason := why_withheld(estimate, rules, table)) and len(estimate.lists) == 2:
        # With two lists the estimates of all periods are withheld where that of all persons is.
        return Gate(publication, dict.fromkeys(rows, reason), steps)
    why: dict[Key, str] = {}
    leaning = Leaning(estimate, table)
    for key, row in rows.items():
        if publication.value(key) is None or math.isnan(row["hidden"]):
            continue
        members = members_of(estimate, key) if estimate.strata is not None else None
        if leaning.persons(members, row) < rules.threshold:
            why[key] = _MARGIN
    return Gate(publication, _with_complements(why, rows, publication), steps)


def key_of(
    monitor: Monitor, period: Level, group: tuple[tuple[str, Level], ...]
) -> tuple[Any, ...]:
    """Name the cell of a period and a group."""
    return (*(() if period is None else ((monitor.period, period),)), *group)


def nearest(value: float, step: float) -> float:
    """Round half up to a multiple of a step; what is not finite stays."""
    return math.floor(value / step + 0.5) * step if math.isfinite(value) else value


def outward(low: float, high: float, step: float, least: float = -math.inf) -> tuple[float, float]:
    """Round the ends of an interval to multiples of a step, never inward.

    Examples
    --------
    >>> outward(123.0, 177.0, 20.0), outward(123.0, 177.0, 20.0, least=121.0)
    ((120.0, 180.0), (121.0, 180.0))
    """
    if math.isfinite(low):
        low = max(math.floor(low / step) * step, least)
    return low, math.ceil(high / step) * step if math.isfinite(high) else high
