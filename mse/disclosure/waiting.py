"""Strata that wait: published as they were, until they differ by enough persons from their last publication."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from mse.messages import Message, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import BoolArray, IntArray
    from mse.data.table import CaptureTable

_WAITS = Message("withheld.waits")


def noted(table: CaptureTable) -> dict[str, Any]:
    """Write a table down as JSON, so that a later one can be compared with it."""
    return {
        "lists": list(table.lists),
        "levels": {name: [*map(str, levels)] for name, levels in table.covariates.items()},
        "patterns": table.patterns.tolist(),
        "low": table.low.tolist(),
        "high": table.high.tolist(),
    }


def waiting(
    runs: Sequence[Mapping[str, Any]], table: CaptureTable, threshold: int
) -> tuple[CaptureTable, tuple[str, ...]]:
    """Take strata that changed by fewer persons than the threshold as they were in the last run of such a table.

    A stratum changed by those who came, or by those who went if these are more, and its number of persons by
    their difference: neither may be small. Gives the table, and the strata that wait by the labels of their levels.
    """
    # Said whether or not something waits: that it does is a small count.
    table = table.with_info(notes=joined(table.info.notes, _WAITS))
    asked = (list(table.lists), list(table.covariates))
    alike = (run for run in reversed(runs) if (run.get("lists"), [*run.get("levels", ())]) == asked)
    before = next(alike, None)
    if before is None or before["low"] != before["high"]:
        return table, ()
    was, there = _counts(before, table)
    now = table.counts.reshape(was.shape)
    came, went = (now - was).clip(0).sum(axis=0), (was - now).clip(0).sum(axis=0)
    changed, net = np.maximum(came, went), np.abs(came - went)
    waits = there & (_few(changed, threshold) | _few(net, threshold))
    if not waits.any():
        return table, ()
    cells = product(*table.covariates.values())
    names = [", ".join(map(str, cell)) for cell, yes in zip(cells, waits, strict=True) if yes]
    counts = np.where(waits, was, now).reshape(table.shape)
    return table.with_counts(counts), tuple(names)


def _few(persons: IntArray, threshold: int) -> BoolArray:
    return (persons > 0) & (persons < threshold)


def _counts(run: Mapping[str, Any], table: CaptureTable) -> tuple[IntArray, BoolArray]:
    """Put the counts of a run on the axes of a table, (2**K, S), and tell which of its strata the run had, (S,)."""
    n, sizes = table.n_lists, table.shape[table.n_lists :]
    places = [
        np.array(
            [{str(each): at for at, each in enumerate(levels)}.get(each, -1) for each in before]
        )
        for levels, before in zip(table.covariates.values(), run["levels"].values(), strict=True)
    ]
    patterns = np.array(run["patterns"], dtype=np.int64).reshape(-1, n + len(sizes))
    own = [place[patterns[:, n + at]] for at, place in enumerate(places)]
    kept = np.all([each >= 0 for each in own], axis=0) if own else np.ones(len(patterns), np.bool_)
    axes = [patterns[kept, at] for at in range(n)] + [each[kept] for each in own]
    counts = np.zeros(table.shape, dtype=np.int64)
    np.add.at(counts, tuple(axes), np.array(run["low"], dtype=np.int64)[kept])
    there = np.zeros(sizes, dtype=np.bool_)
    there[np.ix_(*[place[place >= 0] for place in places])] = True
    return counts.reshape(2**n, math.prod(sizes)), there.ravel()
