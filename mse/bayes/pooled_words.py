"""What a fit of `PooledLogLinear` says about itself, in words."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from mse.loglinear.wording import enumerate_terms

if TYPE_CHECKING:
    from mse._typing import BoolArray, IntArray
    from mse.table import CaptureTable

__all__ = ["diverging_words", "empty_words", "no_overlap_words", "stratum_names"]


def stratum_names(table: CaptureTable) -> list[str]:
    """Name the strata by their levels, in C order."""
    names = list(table.covariates)
    return [
        ", ".join(f"{name}={level}" for name, level in zip(names, cell, strict=True))
        for cell in product(*table.covariates.values())
    ]


def no_overlap_words(table: CaptureTable) -> str:
    """Say that nobody is on two lists."""
    return (
        f"Nobody is known to be on two of the {table.n_lists} lists, in any stratum: what share of the "
        "population they hold would be the prior's word alone."
    )


def diverging_words(diverging: BoolArray) -> str:
    """Say how many trajectories diverged; empty if none did."""
    n = int(diverging.sum())
    if n == 0:
        return ""
    return (
        f"{n:,} of {diverging.size:,} trajectories of the sampler diverged: it may not have seen all of the "
        "posterior. Raise target_accept (0.95, 0.99), or ask for less variation between strata."
    )


def empty_words(table: CaptureTable, observed: IntArray) -> str:
    """Say that strata have nobody registered; empty if none does."""
    cells = zip(stratum_names(table), observed, strict=True)
    empty = [name for name, persons in cells if persons == 0]
    if not empty:
        return ""
    return (
        f"Nobody is registered in {len(empty):,} of {table.n_strata:,} strata "
        f"({enumerate_terms(empty, 3)}). Their hidden persons are what the other strata say of such "
        "a stratum."
    )
