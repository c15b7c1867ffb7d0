"""Plans made fit to leave: what last year's table gives away through what is expected of the next one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING

from mse.answer.rounding import nearest, outward
from mse.answer.shown import Section
from mse.disclosure.estimates import protect_population, without_counts
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.scrubbing import without_seeds
from mse.disclosure.suppression import Protected
from mse.disclosure.typed import released_columns
from mse.errors import ModelError
from mse.planning import MORE, PLANNED, Outlook, Plan, expected_of

if TYPE_CHECKING:
    import pandas as pd

    from mse.disclosure.cells import Publication
    from mse.disclosure.estimates import ProtectedPopulation
    from mse.disclosure.rules import AnyRules

#: Chances, and widths on the log scale, are given to so much.
_CHANCE = 0.05


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProtectedPlan(Plan, Protected):
    """What a study like last year's may be expected to find, as far as the estimate of that year may leave.

    Attributes
    ----------
    publication : Publication
        The counts of the table as they leave.
    reason : str
        Why nothing is shown; empty where something is.
    """

    publication: Publication
    reason: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Show what `Plan.to_frame` does, as far as it may leave."""
        return released_columns(super().to_frame(), (), self.rules)

    def __repr__(self) -> str:
        return f"<ProtectedPlan: {self.outlooks[0].lists} lists, {len(self.outlooks)} scenarios>"

    def _sections(self) -> list[Section]:
        shown = [Section("Plan", paragraphs=(self.reason,))] if self.reason else super()._sections()
        return [*shown, Section("Disclosure control", paragraphs=(self.note,))]


def protect_plan(found: Plan, rules: AnyRules) -> ProtectedPlan:
    """Suppress and round the figures of a plan that was made of a table.

    Such a plan is an estimate of the table in other words: its size is the estimated total, and what is expected are
    the fitted counts. So it leaves where that estimate may.

    Parameters
    ----------
    found : Plan
        Of a table; of a design of shares nothing is protected, since it holds nobody.
    rules : Rules, str or path
        What is to be protected.

    Returns
    -------
    ProtectedPlan
        Numbers of persons on the grid of the estimate, ends of intervals outward, chances to 5 %. How many are
        expected on two lists or more, and on lists that reach more, is left out: these are sums of overlaps.

    Raises
    ------
    ModelError
        If the plan was made of a design of shares.

    Examples
    --------
    >>> import mse
    >>> found = mse.plan(mse.load_dataset("netherlands"), tables=40, seed=1)
    >>> protect_plan(found, "cbs").N % 5
    0.0
    """
    rules = rules_of(rules)
    if found.table is None:
        raise ModelError(
            "The plan was made of shares of a population, and holds no counts of persons: it may leave as it is."
        )
    estimate = expected_of(found.table)
    safe = protect_population(estimate, rules, table=found.table, levels=(found.level,))
    gone = safe.status == "suppressed"
    stated = not math.isclose(found.N, estimate.total)
    return ProtectedPlan(
        outlooks=tuple(
            Outlook(each.scenario, each.lists, nan, nan, nan) if gone else _outlook(each, safe)
            for each in found.outlooks
        ),
        N=found.N if stated else safe.total,
        level=found.level,
        estimator=without_seeds(found.estimator),
        tables=found.tables,
        table=without_counts(found.table, rules),
        publication=safe.publication,
        reason=safe.reason if gone else "",
    )


def _outlook(each: Outlook, safe: ProtectedPopulation) -> Outlook:
    """Round what may be expected in a scenario."""
    rules, known = safe.rules, {PLANNED: float(safe.observed)}
    step = max(safe.rounded_to, rules.step(each.high - each.low, each.total))
    low, high = outward(each.low, each.high, step, safe.observed)
    # With one list more the persons on a list follow from the total and from those there are.
    known[MORE] = nearest(each.registered, step)
    return replace(
        each,
        registered=known.get(each.scenario, nan),
        overlapping=nan,
        total=nearest(each.total, step),
        low=low,
        high=high,
        no_estimate=_coarse(each.no_estimate),
        unbounded=_coarse(each.unbounded),
        width=_coarse(each.width),
        covered=_coarse(each.covered),
    )


def _coarse(value: float) -> float:
    """Round a chance, or a width on the log scale."""
    return round(nearest(value, _CHANCE), 2)
