"""The best of a catalogue of models, for many tables: selection repeated in every replicate.

The answer is that of fitting every model. Most are ruled out before: a model that lacks two
terms has a deviance at least that of the largest model that lacks them, and a Newton step
bounds the deviance it leads to from below (`mse.core.newton.deviance_below`). Branch and bound
with the first bound is that of Furnival & Wilson (1974, Technometrics 16, 499-511).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba as nb
import numpy as np

from mse.core.batch import (
    BOUNDARY,
    NOT_CONVERGED,
    PRUNED,
    choose,
    fit_models,
    fit_one,
)
from mse.core.exact_check import ExactCheck
from mse.core.existence import FINITE, INDETERMINATE
from mse.core.lattice import superset_sum
from mse.core.newton import (
    Design,
    damping,
    deviance_below,
    make_workspace,
    means_of,
    newton_step,
    step_range,
)

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray

#: Codes of the criteria, as positions in `CRITERIA`.
CRITERIA = ("bic", "aic", "aicc")
BIC, AIC, AICC = 0, 1, 2

#: Newton steps spent on a bound; from a warm start two or three bring it within a fraction of 1.
BOUND_STEPS = 3


class Candidates(NamedTuple):
    """Models to choose from, best first on the original table.

    Attributes
    ----------
    members : bool array (M, U)
        Parameters of each model.
    starts : float64 array (M, U)
        Their coefficients on the original table.
    sizes : int64 array (M,)
        Parameters of each model.
    lacking : int64 array (M, T)
        Positions of the interactions that a model lacks, -1 after the last.
    bound_members, bound_starts : arrays (G, U)
        The largest models without one or two interactions.
    bound_row : int64 array (T, T)
        Row in `bound_members` of the largest model without interactions i and j.
    """

    members: BoolArray
    starts: FloatArray
    sizes: IntArray
    lacking: IntArray
    bound_members: BoolArray
    bound_starts: FloatArray
    bound_row: IntArray


class Selection(NamedTuple):
    """The chosen models of B tables, among the first candidates up to each of J checkpoints.

    Attributes
    ----------
    chosen : int64 array (B, J)
        Row of the chosen model, -1 where none is estimable.
    hidden : float64 array (B, J)
        Its hidden persons; NaN where none is estimable.
    limits : int8 array (B, J)
        `FINITE`, or the limit of the best model where none is estimable.
    failed : bool array (B,)
        Tables on which a fit did not converge.
    """

    chosen: IntArray
    hidden: FloatArray
    limits: np.ndarray[tuple[int, int], np.dtype[np.int8]]
    failed: BoolArray


def make_candidates(
    counts: FloatArray, members: BoolArray, starts: FloatArray, design: Design
) -> Candidates:
    """Prepare models for repeated selection.

    Parameters
    ----------
    counts : float64 array (C,)
        The original table.
    members : bool array (M, U)
        Parameters of each model, best model first.
    starts : float64 array (M, U)
        Their coefficients on that table.
    design : Design
        Axes and parameters; every axis a list, and the parameters together the largest model.
    """
    full = np.ones(design.cells.size, dtype=np.bool_)
    size = np.bitwise_count(design.cells)
    terms = np.flatnonzero(size > 1)
    above = (design.cells[:, None] & design.cells[terms][None]) == design.cells[terms][None]
    pairs = [(i, j) for i in range(terms.size) for j in range(i, terms.size)]
    bound_members = np.asarray([full & ~above[:, i] & ~above[:, j] for i, j in pairs])
    if not pairs:
        bound_members = full[None]
    bound_members, rows = np.unique(bound_members, axis=0, return_inverse=True)
    bound_row = np.zeros((terms.size, terms.size), dtype=np.int64)
    for (i, j), row in zip(pairs, rows.ravel(), strict=False):
        bound_row[i, j] = bound_row[j, i] = row
    lacks = ~members[:, terms]
    lacking = np.full((len(members), terms.size + 1), -1, dtype=np.int64)
    for m, row in enumerate(lacks):
        found = np.flatnonzero(row)
        lacking[m, : found.size] = found
    return Candidates(
        members,
        starts,
        members.sum(axis=1, dtype=np.int64),
        lacking,
        bound_members,
        fit_models(counts[None], bound_members, design).coefficients[0],
        bound_row,
    )


@nb.njit(cache=True, nogil=True)
def penalty_of(kind, p, n):  # type: ignore[no-untyped-def]
    """Penalty of p parameters for n observed persons, see `mse.loglinear.criteria`."""
    if kind == BIC:
        return p * np.log(max(n, 1.0))
    if kind == AIC:
        return 2.0 * p
    return 2.0 * p + 2.0 * p * (p + 1) / (n - p - 1) if n - p - 1 > 0 else np.inf


@nb.njit(cache=True, nogil=True)
def _deviance_bound(counts, sums, member, start, design, work):  # type: ignore[no-untyped-def]
    """Lower bound on the deviance of a model, from a few Newton steps."""
    p, _ = choose(sums, member, design, work)
    for i in range(p):
        work.b[i] = start[work.chosen[i]]
    means_of(design, work, p)
    best = 0.0
    for _ in range(BOUND_STEPS):
        decrement = newton_step(counts, design, work, p)
        if np.isnan(decrement):
            break
        best = max(best, deviance_below(counts, work))
        _, largest, _ = step_range(design, work)
        t = damping(work, decrement, largest)
        for c in range(counts.size):
            work.means[c] *= np.exp(t * work.step[c])
    return best


@nb.njit(cache=True, nogil=True)
def _floor(lacking, bounds, bound_row):  # type: ignore[no-untyped-def]
    """Largest bound among the models that contain this one."""
    floor = 0.0
    i = 0
    while lacking[i] >= 0:
        row = bound_row[lacking[i]]
        j = i
        while lacking[j] >= 0:
            floor = max(floor, bounds[row[lacking[j]]])
            j += 1
        i += 1
    return floor


@nb.njit(cache=True, nogil=True)
def _select_one(  # type: ignore[no-untyped-def]
    counts, candidates, kind, stops, design, work, asked, bounds, chosen, hidden, limits
):
    """Select for one table; whether a fit did not converge."""
    sums = counts.copy()
    superset_sum(sums, design.shape)
    answer, answer_limits = np.zeros(1), np.zeros(1, dtype=np.int8)
    for g in range(bounds.size):
        bounds[g] = _deviance_bound(
            counts,
            sums,
            candidates.bound_members[g],
            candidates.bound_starts[g],
            design,
            work,
        )
    best, best_hidden, best_row = np.inf, np.nan, -1
    lost, lost_limit = np.inf, INDETERMINATE
    failed, j = False, 0
    for m in range(candidates.sizes.size):
        penalty = penalty_of(kind, candidates.sizes[m], sums[0])
        if penalty + _floor(candidates.lacking[m], bounds, candidates.bound_row) < best:
            status, _, deviance = fit_one(
                counts,
                sums,
                candidates.members[m],
                candidates.starts[m],
                best - penalty,
                design,
                work,
                asked,
                answer,
                answer_limits,
            )
            value = deviance + penalty
            if status == NOT_CONVERGED:
                failed = True
            elif status <= BOUNDARY and value < best:
                best, best_hidden, best_row = value, answer[0], m
            elif status != PRUNED and status > BOUNDARY and value < lost:
                lost, lost_limit = value, answer_limits[0]
        if m + 1 == stops[j]:
            chosen[j] = best_row
            hidden[j] = best_hidden
            limits[j] = FINITE if best_row >= 0 else lost_limit
            j += 1
    return failed


def select(
    tables: FloatArray, candidates: Candidates, kind: int, checkpoints: IntArray, design: Design
) -> Selection:
    """Choose the best estimable model for each table.

    Parameters
    ----------
    tables : float64 array (B, C)
        Counts of persons over lists alone, 0 on the unobservable cell.
    candidates : Candidates
        Models to choose from.
    kind : int
        `BIC`, `AIC` or `AICC`.
    checkpoints : int64 array (J,)
        Numbers of candidates, rising, after each of which the choice so far is recorded.
    design : Design
        Axes and parameters.

    Returns
    -------
    Selection
    """
    size = (tables.shape[0], checkpoints.size)
    out = Selection(
        np.full(size, -1, dtype=np.int64),
        np.full(size, np.nan),
        np.full(size, INDETERMINATE, dtype=np.int8),
        np.zeros(size[0], dtype=np.bool_),
    )
    # One checkpoint more, never reached, spares the loop a comparison of lengths.
    stops = np.append(checkpoints, np.iinfo(np.int64).max)
    work, bounds = make_workspace(design), np.zeros(len(candidates.bound_members))
    with ExactCheck(design, work) as check:
        for t, counts in enumerate(tables):
            answer = (out.chosen[t], out.hidden[t], out.limits[t])
            out.failed[t] = _select_one(
                counts, candidates, kind, stops, design, work, check.asked, bounds, *answer
            )
    return out
