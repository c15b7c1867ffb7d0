"""Stepwise search by a criterion, for many tables: pairs of lists added, dropped or exchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.batch import BOUNDARY, NOT_CONVERGED, PRUNED, fit_one
from mse.core.exact_check import ExactCheck
from mse.core.existence import FINITE, INDETERMINATE
from mse.core.lattice import superset_sum
from mse.core.newton import Design, Workspace, make_workspace
from mse.core.selection import penalty_of
from mse.core.stepwise import Paths

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray


class Descent(NamedTuple):
    """Where a search stands: the model, its coefficients, and the best change found so far."""

    member: BoolArray  # (U,)
    b: FloatArray  # (U,) log scale, 0 outside the model
    trial: FloatArray  # (U,) coefficients after the best change
    change: IntArray  # (2,) changed pairs, -1 where there is none
    hidden: FloatArray  # (1,)
    limits: np.ndarray[tuple[int], np.dtype[np.int8]]  # (1,)


@nb.njit(cache=True, nogil=True)
def _flip(member, positions, i, j):  # type: ignore[no-untyped-def]
    member[positions[i]] = not member[positions[i]]
    if j != i:
        member[positions[j]] = not member[positions[j]]


@nb.njit(cache=True, nogil=True)
def _try(counts, sums, state, start, value, kind, design, work, asked, i, j):  # type: ignore[no-untyped-def]
    """Fit the current model if it may be better than `value`, and remember it if it is.

    Returns its criterion, or `value` where it is no better; NaN where the fit failed.
    """
    size = 0
    for u in range(state.member.size):
        size += state.member[u]
    penalty = penalty_of(kind, size, sums[0])
    if penalty >= value:
        return value
    answer, limits = np.zeros(1), np.zeros(1, dtype=np.int8)
    ceiling = value - penalty
    status, p, deviance = fit_one(
        counts, sums, state.member, start, ceiling, design, work, asked, answer, limits
    )
    if status == NOT_CONVERGED:
        return np.nan
    if status == PRUNED or status > BOUNDARY or deviance + penalty >= value:
        return value
    state.change[0], state.change[1] = i, j
    state.hidden[0], state.limits[0] = answer[0], limits[0]
    for u in range(state.trial.size):
        state.trial[u] = 0.0
    for k in range(p):
        state.trial[work.chosen[k]] = work.b[k]
    return deviance + penalty


@nb.njit(cache=True, nogil=True)
def _best_change(counts, sums, state, positions, exchange, value, kind, design, work, asked):  # type: ignore[no-untyped-def]
    """Find the change of one pair, or the exchange of two, that lowers the criterion most."""
    failed = False
    state.change[0] = -1
    for i in range(positions.size):
        for j in range(i, positions.size):
            alike = state.member[positions[i]] == state.member[positions[j]]
            if (i != j) != exchange or (exchange and alike):
                continue
            _flip(state.member, positions, i, j)
            found = _try(counts, sums, state, state.b, value, kind, design, work, asked, i, j)
            _flip(state.member, positions, i, j)
            if np.isnan(found):
                failed = True
            else:
                value = found
    return value, failed


@nb.njit(cache=True, nogil=True)
def _descend(counts, sums, state, positions, kind, design, work, asked):  # type: ignore[no-untyped-def]
    """Follow the best changes from the model of `state`; the criterion at the end."""
    cold = np.zeros(0)
    failed = False
    value = _try(counts, sums, state, cold, np.inf, kind, design, work, asked, -1, -1)
    if np.isnan(value):
        value, failed = np.inf, True
    state.b[:] = state.trial
    while True:
        best, trouble = _best_change(
            counts, sums, state, positions, False, value, kind, design, work, asked
        )
        failed = failed or trouble
        if state.change[0] < 0:
            best, trouble = _best_change(
                counts, sums, state, positions, True, value, kind, design, work, asked
            )
            failed = failed or trouble
        if state.change[0] < 0:
            return value, failed
        value = best
        _flip(state.member, positions, state.change[0], state.change[1])
        state.b[:] = state.trial


@nb.njit(cache=True, nogil=True)
def _search_many(tables, starts, positions, kind, design, work, asked, out):  # type: ignore[no-untyped-def]
    n_parameters = starts.shape[1]
    for t in range(tables.shape[0]):
        sums = tables[t].copy()
        superset_sum(sums, design.shape)
        best = np.inf
        for s in range(starts.shape[0]):
            state = Descent(
                starts[s].copy(),
                np.zeros(n_parameters),
                np.zeros(n_parameters),
                np.zeros(2, dtype=np.int64),
                np.full(1, np.nan),
                np.full(1, INDETERMINATE, dtype=np.int8),
            )
            value, failed = _descend(tables[t], sums, state, positions, kind, design, work, asked)
            if failed:
                out.failed[t] = True
            if value < best:
                best = value
                out.hidden[t] = state.hidden[0]
                out.limits[t] = FINITE
                for i in range(positions.size):
                    out.added[t, i] = i if state.member[positions[i]] else -1


def descend(tables: FloatArray, pairs: IntArray, kind: int, design: Design) -> Paths:
    """Search from independent lists and from all pairs, and keep the better end.

    Each step takes the change of one pair that lowers the criterion most; where there is none,
    the best exchange of a pair in the model for one outside.

    Parameters
    ----------
    tables : float64 array (B, C)
        Counts of persons over lists alone, 0 on the unobservable cell.
    pairs : int64 array (T,)
        Cells of the pairs.
    kind : int
        Code of the criterion, see `mse.core.selection.CRITERIA`.
    design : Design
        Axes and parameters; the pairs among them.

    Returns
    -------
    Paths
        ``added`` holds the pairs of the chosen model in their order, -1 for those outside.
    """
    size = tables.shape[0]
    out = Paths(
        np.full(size, np.nan),
        np.full(size, INDETERMINATE, dtype=np.int8),
        np.zeros(size, dtype=np.bool_),
        np.full((size, pairs.size), -1, dtype=np.int64),
    )
    order = np.argsort(design.cells)
    positions = order[np.searchsorted(design.cells, pairs, sorter=order)]
    main = np.bitwise_count(design.cells) <= 1
    starts = np.stack([main, np.bitwise_count(design.cells) <= 2])
    work: Workspace = make_workspace(design)
    with ExactCheck(design, work) as check:
        _search_many(tables, starts, positions, kind, design, work, check.asked, out)
    return out
