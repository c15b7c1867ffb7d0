"""SYNTHETIC worlds with a known truth: registrations and tables to try estimators on.

Nothing that comes from here is about anybody. `netherlands`, `population` and `places` make a world, a frozen
set of settings; its ``draw(seed)`` gives a `Simulation` with person-level registrations, their
truth, and the capture table that an analyst would make of them. `tables` draws capture tables from a
known model.

Examples
--------
>>> import mse
>>> world = mse.simulate.netherlands(dropout=True, missing=0.1)
>>> world.draw(seed=1)
Simulation(SYNTHETIC netherlands, seed 1: 60,692 persons, 12,330 registered, 13,046 registrations)
"""

from __future__ import annotations

from mse.simulate.cells import tables
from mse.simulate.designs import Dropout, Flaws, Late, Linkage, Netherlands, Places, Population
from mse.simulate.worlds import Simulation, World, netherlands, places, population

__all__ = [
    "Dropout",
    "Flaws",
    "Late",
    "Linkage",
    "Netherlands",
    "Places",
    "Population",
    "Simulation",
    "World",
    "netherlands",
    "places",
    "population",
    "tables",
]


def __dir__() -> list[str]:
    return sorted(__all__)
