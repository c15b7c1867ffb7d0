"""Disclosure control: what may leave, suppressed and rounded so that it cannot be computed back.

>>> import mse
>>> strict = mse.disclosure.rules("cbs")  # or "none", or the path of a TOML or JSON file
>>> strict.threshold, strict.base
(10, 5)

=====================================  ===========================================================
``rules(name_or_path)``                a `Rules` object; ``Rules.active`` is False for ``"none"``
``check(thing, rules)``                `DisclosureCheck`: every violation by name, for those inside
``protect(thing, rules)``              the same kind of thing, fit to leave; goes to one of the next
``protect_counts(frame, rules)``       `ProtectedCounts`: a frame of counts, with or without totals
``protect_table(table, rules)``        `ProtectedTable`: histories, list totals, overlaps, strata
``protect_population(p, rules)``       `ProtectedPopulation`, a `PopulationEstimate` all the same
``protect_comparison(c, rules)``       `ProtectedComparison`, a `Comparison` all the same
``protect_monitor(m, rules)``          `ProtectedMonitor`, a `Monitor` all the same
``protect_reach(r, rules)``            `ProtectedReach`, a `Reach` all the same
``protect_nowcast(n, rules)``          `ProtectedNowcast`, a `Nowcast` all the same, without its tables
``protect_revisions(r, rules)``        `ProtectedRevisions`: whether figures held, and none of them
``protect_drivers(d, rules, ...)``     `ProtectedDrivers`, of what the monitor shows, by group
``protect_plan(p, rules)``             `ProtectedPlan`, where the estimate of its table may leave
``protect_together(things, rules)``    several things about the same persons, in one publication
``attack(published, rules)``           what a reader can compute of what is suppressed: a DataFrame
``release(figures, messages, rules)``  the gate: figures without a declared type do not leave
``suppressions(thing, rules)``         why each count is suppressed, for those who may see it
``acro_outcome(files, rules, folder)`` what an attack leaves, in the form that checkers read with `acro`
``Bundle.at(path)``                    what stays inside: key of the draws, table, what was published
=====================================  ===========================================================

Everything protected has ``rules``, ``note`` (a sentence for the reader, empty if nothing was changed)
and ``suppressed`` (labels of the suppressed cells). A suppressed figure is missing (NA, NaN, None)
in frames and JSON and ``MARK`` in text; no suppressed count stays in a protected object.
"""

from __future__ import annotations

from mse.disclosure.attack import DisclosureCheck, attack, check
from mse.disclosure.bundle import Bundle
from mse.disclosure.changes import ProtectedDrivers, protect_drivers
from mse.disclosure.count_tables import (
    ProtectedCounts,
    ProtectedTable,
    protect_counts,
    protect_table,
)
from mse.disclosure.estimates import (
    ProtectedComparison,
    ProtectedPopulation,
    protect_comparison,
    protect_population,
)
from mse.disclosure.monitors import ProtectedMonitor, protect_monitor
from mse.disclosure.nowcasts import (
    ProtectedNowcast,
    ProtectedRevisions,
    protect_nowcast,
    protect_revisions,
)
from mse.disclosure.outcome import acro_outcome, suppressions
from mse.disclosure.plans import ProtectedPlan, protect_plan
from mse.disclosure.protecting import protect, protect_together
from mse.disclosure.reached import ProtectedReach, protect_reach
from mse.disclosure.rules import MARK, Rules, rules
from mse.disclosure.suppression import Protected
from mse.disclosure.typed import Released, release

__all__ = [
    "MARK",
    "Bundle",
    "DisclosureCheck",
    "Protected",
    "ProtectedComparison",
    "ProtectedCounts",
    "ProtectedDrivers",
    "ProtectedMonitor",
    "ProtectedNowcast",
    "ProtectedPlan",
    "ProtectedPopulation",
    "ProtectedReach",
    "ProtectedRevisions",
    "ProtectedTable",
    "Released",
    "Rules",
    "acro_outcome",
    "attack",
    "check",
    "protect",
    "protect_comparison",
    "protect_counts",
    "protect_drivers",
    "protect_monitor",
    "protect_nowcast",
    "protect_plan",
    "protect_population",
    "protect_reach",
    "protect_revisions",
    "protect_table",
    "protect_together",
    "release",
    "rules",
    "suppressions",
]


def __dir__() -> list[str]:
    return sorted(__all__)
