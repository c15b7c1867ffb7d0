"""The best of a catalogue of models, for many tables: selection repeated in every replicate.

The answer is that of fitting every model. Most are ruled out before: a model has a deviance at least that
of any model that contains it, and a Newton step bounds the deviance it leads to from below
(`mse.core.newton.deviance_below`). So the largest models without one or two interactions are bounded first, and
whatever is fitted or given up on the way rules out what it contains. Branch and bound with the first bound is that
of Furnival & Wilson (1974, Technometrics 16, 499-511).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np

from mse.core._compiled import kernel
from mse.core.exact_check import ExactCheck
from mse.core.existence import FINITE, INDETERMINATE, determined, without_persons
from mse.core.fitting import (
    BOUNDARY,
    NOT_CONVERGED,
    NOT_ESTIMABLE,
    PRUNED,
    Rule,
    fit_each,
    fit_models,
    fit_one,
    nothing_fitted,
    penalty_of,
)
from mse.core.lattice import subset_sum, superset_sum
from mse.core.newton import (
    MAX_ITERATIONS,
    PIVOT_TOLERANCE,
    Design,
    cholesky,
    first_cell,
    first_cells,
    gather,
    information,
    make_workspace,
    n_parameters,
    single_effects,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.exact_check import Asked
    from mse.core.fitting import BatchFit


#: Models from which on it is worth while to bound others first.
MANY_MODELS = 1000


class Candidates(NamedTuple):
    """Models to choose from, best first on the original table, behind those that bound their deviances.

    members: (G + M, U) bool, parameters of the largest models without one or two interactions, then
        of each model
    starts: (G + M, U), their coefficients on the original table
    rule: what rules models out
    """

    members: BoolArray
    starts: FloatArray
    rule: Rule


class Selection(NamedTuple):
    """The chosen models of B tables, among the first candidates up to each of J checkpoints.

    chosen: (B, J), row of the chosen model, -1 where none is estimable
    hidden: (B, J), its hidden persons; NaN where none is estimable
    limits: (B, J) int8, `FINITE`, or the limit of the best model where none is estimable
    failed: (B,) bool, tables on which a fit did not converge
    """

    chosen: IntArray
    hidden: FloatArray
    limits: np.ndarray[tuple[int, int], np.dtype[np.int8]]
    failed: BoolArray


def make_candidates(
    counts: FloatArray, members: BoolArray, starts: FloatArray, kind: int, design: Design
) -> Candidates:
    """Prepare models for repeated selection.

    counts: (C,), the original table
    members: (M, U) bool, parameters of each model, best model first
    starts: (M, U), their coefficients on that table
    kind: `BIC`, `AIC` or `AICC`
    design: axes and parameters; every axis a list, and the parameters together the largest model. Those that
        are sums of effects are in each model.
    """
    full = np.ones(n_parameters(design), dtype=np.bool_)
    cells, single = first_cells(design), single_effects(design)
    terms = np.flatnonzero((np.bitwise_count(cells) > 1) & single)
    above = (cells[:, None] & cells[terms][None]) == cells[terms][None]
    above[~single] = False
    pairs = [(i, j) for i in range(terms.size) for j in range(i, terms.size)]
    bounding = np.asarray([full & ~above[:, i] & ~above[:, j] for i, j in pairs] or [full])
    bounding = np.unique(bounding[: 0 if len(members) < MANY_MODELS else None], axis=0)
    fits = fit_models(counts[None], bounding, design)
    # What does not outweigh a parameter here hardly ever rules anything out in tables like this one.
    strong = np.flatnonzero(fits.deviance[0] >= penalty_of(kind, 1, float(counts.sum())))
    near, bounding = fits.coefficients[0, strong], bounding[strong]
    everything = np.concatenate([bounding, members])
    lacks = ~everything[:, terms] @ (1 << np.arange(terms.size))
    sizes = everything.sum(axis=1, dtype=np.int64)
    none = np.zeros(0)
    rule = Rule(kind, sizes, lacks.astype(np.int64), len(bounding), none, lacks[:0], none)
    return Candidates(everything, np.concatenate([near, starts]), rule)


def select(
    tables: FloatArray, candidates: Candidates, checkpoints: IntArray, design: Design
) -> Selection:
    """Choose the best estimable model for each table.

    tables: (B, C), counts of persons over lists alone, 0 on the unobservable cell
    candidates: models to choose from
    checkpoints: (J,), numbers of candidates, rising, after each of which the choice so far is
        recorded
    design: axes and parameters
    """
    size = (tables.shape[0], checkpoints.size)
    out = Selection(
        np.full(size, -1, dtype=np.int64),
        np.full(size, np.nan),
        np.full(size, INDETERMINATE, dtype=np.int8),
        np.zeros(size[0], dtype=np.bool_),
    )
    n = len(candidates.members)
    rule = candidates.rule._replace(
        values=np.zeros(n), known=np.zeros(n, dtype=np.int64), bounds=np.zeros(n)
    )
    fits = nothing_fitted(1, len(candidates.members), design, 0)
    work = make_workspace(design)
    with ExactCheck(design, work) as check:
        for t in range(size[0]):
            fit_each(
                tables[t : t + 1],
                candidates.members,
                candidates.starts,
                rule,
                design,
                work,
                check.asked,
                fits,
            )
            _record(out, t, fits, rule, checkpoints)
    return out


def _record(out: Selection, t: int, fits: BatchFit, rule: Rule, checkpoints: IntArray) -> None:
    """Record the best of the models that were fitted to a table, up to each checkpoint."""
    first = rule.n_bounds
    fitted = np.flatnonzero(fits.status[0, first:] != PRUNED)
    status, values = fits.status[0, first:][fitted], rule.values[first:][fitted]
    ends = np.searchsorted(fitted, checkpoints)
    chosen = _first_best(np.where(status <= BOUNDARY, values, np.inf), ends)
    lost = _first_best(np.where(status == NOT_ESTIMABLE, values, np.inf), ends)
    some, none = chosen >= 0, (chosen < 0) & (lost >= 0)
    out.chosen[t, some] = fitted[chosen[some]]
    out.hidden[t, some] = fits.hidden[0, first:, 0][out.chosen[t, some]]
    out.limits[t, some] = FINITE
    out.limits[t, none] = fits.limits[0, first:, 0][fitted[lost[none]]]
    out.failed[t] = (status == NOT_CONVERGED).any()


def _first_best(values: FloatArray, ends: IntArray) -> IntArray:
    """Position of the first of the smallest finite values before each end, -1 where there is none."""
    least = np.minimum.accumulate(np.append(np.inf, values))
    leads = np.flatnonzero(least[1:] < least[:-1])
    return np.append(leads, -1)[np.searchsorted(leads, ends) - 1]


# Stepwise search over lists and covariates: two-way terms added, dropped and exchanged ------------
# The search of every replicate would fit some fifty models at each of some twenty steps. Here one
# information matrix over all parameters gives the score statistic of every term outside the model
# (Rao 1948; the fall in deviance to second order) and the Wald statistic of every term inside (the
# rise). Only the few terms with the best approximate criterion are fitted, and the best of these
# fits is taken. Where none of them is better the others are fitted that are anywhere near, and where none of
# those is either, the most promising exchanges of a term in the model for one outside. Since a search may
# end in a trap all the same, it goes from several models.
#
# A table is searched by the same steps as its replicates, those of `Walker`: what is chosen there is what a
# replicate with the same counts would choose.

#: Whether a model may not be chosen, and its criterion: the lower one is better.
Rank: TypeAlias = "tuple[bool, float]"
#: Terms that are fitted at a step, and exchanges of two.
SCREENED = 5
#: Largest argument of the exponential in a rise of the deviance: beyond it no term would leave.
LARGEST_LOSS = 30.0
#: By how much a diagonal is raised where rounding hides that its matrix is positive definite.
LIFT = 100 * PIVOT_TOLERANCE
#: Parameters of all terms together beyond which no search starts from the model that has them all: one
#: of its fits takes as long as the whole search from the other side.
MOST_AT_START = 1000
#: Criteria this close, relative to their size, are the same: fits are rounded, and a search must end.
SAME = 1e-9
#: A statistic approximates a change in deviance; terms whose approximate criterion is worse than
#: that of the current model by more than this are not fitted.
SLACK = 4.0
#: Before a search ends, changes that promise to be worse by no more than this are fitted all the same. In
#: 4,556 steps of searches of six lists by year and form two such fits were better, of terms 7th and 8th by
#: their promise.
FAR = 10.0


class JointPaths(NamedTuple):
    """Ends of the searches of B tables with Q strata.

    hidden: (B, Q), persons on no list; NaN where not estimable
    limits: (B, Q) int8, where the hidden counts go
    failed: (B,) bool, tables on which a fit of the chosen path failed
    members: (B, T) bool, terms of the chosen models
    """

    hidden: FloatArray
    limits: np.ndarray[tuple[int, int], np.dtype[np.int8]]
    failed: BoolArray
    members: BoolArray


class Search(NamedTuple):
    """Arrays of one search: the model, and what the next step knows of it."""

    member: BoolArray  # (P,)
    inside: BoolArray  # (T,) terms in the model
    b: FloatArray  # (P,) coefficients, 0 outside
    trial: FloatArray  # (P,)
    change: FloatArray  # (T,) approximate change in deviance if the term is flipped
    full: FloatArray  # (P, P) information over all parameters
    score: FloatArray  # (P,)


class Problem(NamedTuple):
    """What is searched.

    counts, sums: (C,), persons by cell, and their superset sums
    main: (P,) bool, parameters of every model: the constant, the main effects, terms that are kept
    ranges: (T, 6), parameters and cells of each other two-way term, see
        `mse.loglinear.design.TableDesign.ranges`
    kind: code of the criterion, see `mse.core.fitting.CRITERIA`
    design: axes and parameters of all terms
    excused: (Q,) bool, strata of a level that nobody has: no model can say anything of them, so
        none is worse for it
    """

    counts: FloatArray
    sums: FloatArray
    main: BoolArray
    ranges: IntArray
    kind: int
    design: Design
    excused: BoolArray


class Trial(NamedTuple):
    """Models fitted at a step.

    inside: (R, T) bool, terms of each; R is as many as one step may fit
    size: (1,), how many there are
    hidden: (Q,), hidden counts of the one fitted last
    limits: (Q,) int8, their limits
    """

    inside: BoolArray
    size: IntArray
    hidden: FloatArray
    limits: np.ndarray[tuple[int], np.dtype[np.int8]]


@kernel
def _remember(work, p, into):  # type: ignore[no-untyped-def]
    for u in range(into.size):
        into[u] = 0.0
    for k in range(p):
        into[work.chosen[k]] = work.b[k]


@kernel
def _forward_solve(factor, p, x):  # type: ignore[no-untyped-def]
    for i in range(p):
        total = x[i]
        for k in range(i):
            total -= factor[i, k] * x[k]
        x[i] = total / factor[i, i]


@kernel
def _quadratic(matrix, d, x):  # type: ignore[no-untyped-def]
    """Return x'M^-1 x over the directions in which M is not singular."""
    total = 0.0
    used = np.ones(d, dtype=np.bool_)
    for i in range(d):
        diagonal = matrix[i, i]
        for j in range(i + 1):
            if not used[j]:
                matrix[i, j] = 0.0
                continue
            value = matrix[i, j]
            for k in range(j):
                value -= matrix[i, k] * matrix[j, k]
            if i == j:
                if value <= PIVOT_TOLERANCE * diagonal:
                    used[i] = False
                    break
                matrix[i, i] = np.sqrt(value)
            else:
                matrix[i, j] = value / matrix[j, j]
        if not used[i]:
            continue
        for k in range(i):
            x[i] -= matrix[i, k] * x[k]
        x[i] /= matrix[i, i]
        total += x[i] * x[i]
    return total


@kernel
def _gain_of_one(score, information):  # type: ignore[no-untyped-def]
    """Fall in deviance if one parameter enters, as of a Poisson count with that score and variance.

    To second order it is score^2 / information, which is far too much for a strong positive
    interaction and too little for a pair of lists that share nobody.
    """
    after = max(information + score, 0.0)
    return 2.0 * ((after * np.log(after / information) if after > 0.0 else 0.0) - score)


@kernel
def _loss_of_one(b, information):  # type: ignore[no-untyped-def]
    """Rise in deviance if one parameter of value b leaves, likewise; b^2 information to second order."""
    return 2.0 * information * (b - 1.0 + np.exp(min(-b, LARGEST_LOSS)))


@kernel
def _entering(state, work, p, first, last):  # type: ignore[no-untyped-def]
    """Approximate the fall in deviance if the parameters first..last-1 enter the model."""
    d = last - first
    columns = np.zeros((d, p))
    block, score = np.zeros((d, d)), np.zeros(d)
    for i in range(d):
        u = first + i
        for k in range(p):
            v = work.chosen[k]
            columns[i, k] = state.full[max(u, v), min(u, v)]
        _forward_solve(work.matrix, p, columns[i])
        score[i] = state.score[u]
        for j in range(i + 1):
            total = state.full[u, first + j]
            for k in range(p):
                total -= columns[i, k] * columns[j, k]
            block[i, j] = total
    plain, bent = 0.0, 0.0
    for i in range(d):
        if block[i, i] > PIVOT_TOLERANCE * state.full[first + i, first + i]:
            plain += score[i] ** 2 / block[i, i]
            bent += _gain_of_one(score[i], block[i, i])
    # One by one the parameters tell how far the quadratic form of all is from the deviance.
    return _quadratic(block, d, score) * (bent / plain if plain > 0.0 else 1.0)


@kernel
def _leaving(state, work, p, inverse, first, last):  # type: ignore[no-untyped-def]
    """Approximate the rise in deviance if the parameters first..last-1 leave the model."""
    d = 0
    rows = np.zeros(last - first, dtype=np.int64)
    for k in range(p):
        if first <= work.chosen[k] < last:
            rows[d] = k
            d += 1
    block, b = np.zeros((d, d)), np.zeros(d)
    plain, bent = 0.0, 0.0
    for i in range(d):
        b[i] = state.b[work.chosen[rows[i]]]
        for j in range(i + 1):
            total = 0.0
            for k in range(p):
                total += inverse[rows[i], k] * inverse[rows[j], k]
            block[i, j] = total
        plain += b[i] ** 2 / block[i, i]
        bent += _loss_of_one(b[i], 1.0 / block[i, i])
    return _quadratic(block, d, b) * (bent / plain if plain > 0.0 else 1.0)


@kernel
def _relative(observed, expected):  # type: ignore[no-untyped-def]
    if observed <= 0.0:
        return expected
    return observed * np.log(observed / expected) - observed + expected if expected > 0.0 else 0.0


@kernel
def _gain_of_margin(seen, fitted, term):  # type: ignore[no-untyped-def]
    """Fall in deviance from scaling the means to the observed margin of a pair of axes.

    It is one step of iterative proportional fitting, so a bound from below on what the term brings.

    seen, fitted: (C,) float64, superset sums of the counts, and of the means
    term: (6,) int64, a row of `ranges`, see `search_jointly`
    """
    left, right, n_left, n_right = term[2], term[3], term[4], term[5]
    total, rest, rest_fitted = 0.0, seen[0], fitted[0]
    for j in range(1, n_right + 1):
        column, column_fitted = seen[j * right], fitted[j * right]
        for i in range(1, n_left + 1):
            column -= seen[i * left + j * right]
            column_fitted -= fitted[i * left + j * right]
        total += _relative(column, column_fitted)
        rest -= column
        rest_fitted -= column_fitted
    for i in range(1, n_left + 1):
        row, row_fitted = seen[i * left], fitted[i * left]
        rest -= row
        rest_fitted -= row_fitted
        for j in range(1, n_right + 1):
            cell, cell_fitted = seen[i * left + j * right], fitted[i * left + j * right]
            total += _relative(cell, cell_fitted)
            row -= cell
            row_fitted -= cell_fitted
        total += _relative(row, row_fitted)
    return 2.0 * (total + _relative(rest, rest_fitted))


@kernel
def _missing_effects(design, work, p, state, first, last, marks):  # type: ignore[no-untyped-def]
    """Count, for every cell, the parameters first..last-1 of the model in it that are not fitted."""
    fitted = np.zeros(last - first, dtype=np.bool_)
    for k in range(p):
        if first <= work.chosen[k] < last:
            fitted[work.chosen[k] - first] = True
    for c in range(marks.size):
        marks[c] = 0.0
    any_missing = False
    for u in range(first, last):
        if state.member[u] and not fitted[u - first]:
            marks[first_cell(design, u)] += 1.0
            any_missing = True
    if any_missing:
        subset_sum(marks, design.shape)
    return any_missing


@kernel
def _return_of_cells(design, work, p, state, ranges):  # type: ignore[no-untyped-def]
    """Add the rise in deviance from cells that are at zero because of one term alone.

    Their counts are zero, and without the term their means would be about those that the other
    parameters give them.
    """
    everything, marks = np.zeros(work.means.size), np.zeros(work.means.size)
    if not _missing_effects(design, work, p, state, 0, state.member.size, everything):
        return
    for t in range(ranges.shape[0]):
        first, last = ranges[t, 0], ranges[t, 1]
        if not state.inside[t]:
            continue
        if _missing_effects(design, work, p, state, first, last, marks):
            for c in range(marks.size):
                if marks[c] > 0.0 and marks[c] == everything[c] and design.observable[c]:
                    state.change[t] += 2.0 * work.means[c]


@kernel
def _factor(work, p, state):  # type: ignore[no-untyped-def]
    """Factor the information of the parameters of a fit, which is positive definite.

    Where rounding hides that, as it does for counts of very different sizes, the diagonal is raised:
    the statistics only say which terms are worth fitting.
    """
    for lift in (0.0, LIFT):
        for i in range(p):
            for j in range(i + 1):
                u, v = work.chosen[i], work.chosen[j]
                work.matrix[i, j] = state.full[max(u, v), min(u, v)]
            work.matrix[i, i] *= 1.0 + lift
        if cholesky(work.matrix, p):
            return True
    return False


@kernel
def screen(counts, design, work, p, ranges, state):  # type: ignore[no-untyped-def]
    """Approximate the change in deviance for every term; False where the information is singular.

    counts: (C,) float64, persons by cell
    design, work, p: a fit, see `mse.core.newton`: ``means`` of all cells, ``face``, ``chosen``
    ranges: (T, 6) int64, see `search_jointly`
    state: Search, ``b``, and ``full`` and ``score`` over all parameters; receives ``change``
    """
    if not _factor(work, p, state):
        return False
    inverse = np.zeros((p, p))  # row i is column i of L^-1, so that products of rows give H^-1
    for i in range(p):
        inverse[i, i] = 1.0
        _forward_solve(work.matrix, p, inverse[i])
    seen, fitted = counts.copy(), np.where(work.face, work.means, 0.0)
    superset_sum(seen, design.shape)
    superset_sum(fitted, design.shape)
    for t in range(ranges.shape[0]):
        first, last = ranges[t, 0], ranges[t, 1]
        if state.inside[t]:
            state.change[t] = _leaving(state, work, p, inverse, first, last)
        else:
            gain = _entering(state, work, p, first, last)
            if ranges[t, 2] > 0:
                gain = max(gain, _gain_of_margin(seen, fitted, ranges[t]))
            state.change[t] = -gain
    _return_of_cells(design, work, p, state, ranges)
    return True


@kernel
def _slopes(counts, design, work, state):  # type: ignore[no-untyped-def]
    """Score and information over all parameters at a fit."""
    sums, residual = work.sums, work.step
    for c in range(counts.size):
        sums[c] = work.means[c] if work.face[c] else 0.0
        residual[c] = counts[c] - work.means[c] if work.face[c] else 0.0
    superset_sum(sums, design.shape)
    superset_sum(residual, design.shape)
    size = state.score.size
    information(sums, design, np.arange(size), size, state.full)
    for u in range(size):
        state.score[u] = gather(residual, design, u)


@kernel
def _set_members(state, problem):  # type: ignore[no-untyped-def]
    """Put the parameters to the terms inside; their number."""
    size = 0
    for u in range(problem.main.size):
        state.member[u] = problem.main[u]
        size += problem.main[u]
    for t in range(problem.ranges.shape[0]):
        if state.inside[t]:
            for u in range(problem.ranges[t, 0], problem.ranges[t, 1]):
                state.member[u] = True
            size += problem.ranges[t, 1] - problem.ranges[t, 0]
    return size


@kernel
def _fit(problem, state, start, best, work, asked, hidden, limits):  # type: ignore[no-untyped-def]
    """Fit the model of the terms inside, unless it is sure to be no better than the best one.

    best: tuple of bool and float, whether the best model so far may be chosen, and its criterion
    Returns verdict: tuple of bool and float, whether this one may be chosen, and its criterion;
        infinite where it was given up
    """
    size = _set_members(state, problem)
    penalty = penalty_of(problem.kind, size, problem.sums[0])
    # A model that may be chosen is better than any that may not, however high its criterion.
    ceiling = best[1] - penalty if best[0] else np.inf
    if ceiling <= 0.0:
        return PRUNED, 0, (False, np.inf)
    status, p, deviance = fit_one(
        problem.counts,
        problem.sums,
        state.member,
        start,
        ceiling,
        MAX_ITERATIONS,
        problem.design,
        work,
        asked,
        hidden,
        limits,
    )
    if status > NOT_ESTIMABLE:
        return status, p, (False, np.inf)
    return status, p, (determined(limits, problem.excused), deviance + penalty)


@kernel
def _better(one, other):  # type: ignore[no-untyped-def]
    """Whether a model is better: it may be chosen and the other not, or its criterion is lower."""
    if one[0] != other[0]:
        return one[0]
    return one[1] < other[1] - SAME * (1.0 + abs(other[1])) or (
        np.isinf(other[1]) and np.isfinite(one[1])
    )


@kernel
def _try(problem, state, i, j, best, work, asked, trial):  # type: ignore[no-untyped-def]
    """Flip a term, or two, fit, and flip back; the better verdict and whether it is this one's."""
    state.inside[i] = not state.inside[i]
    if j != i:
        state.inside[j] = not state.inside[j]
    _, p, verdict = _fit(problem, state, state.b, best, work, asked, trial.hidden, trial.limits)
    trial.inside[trial.size[0]] = state.inside
    trial.size[0] += 1
    state.inside[i] = not state.inside[i]
    if j != i:
        state.inside[j] = not state.inside[j]
    if not _better(verdict, best):
        return best, False
    _remember(work, p, state.trial)
    return verdict, True


@kernel
def _best_single(problem, state, current, work, asked, trial):  # type: ignore[no-untyped-def]
    """Find the best change of one term, among the most promising or else the others; -1 if none helps."""
    best, chosen = current, -1
    # Nothing says how far a model is off that is not estimable.
    slack = SLACK if current[0] else np.inf
    order = np.argsort(state.change)
    for k in range(order.size):
        t = order[k]
        promising = k < SCREENED and state.change[t] <= slack
        if not promising and (chosen >= 0 or (current[0] and state.change[t] > FAR)):
            break
        best, found = _try(problem, state, t, t, best, work, asked, trial)
        if found:
            chosen = t
    return best, chosen


@kernel
def _best_exchange(problem, state, current, work, asked, trial):  # type: ignore[no-untyped-def]
    """Find the best exchange of a term inside for one outside, among the most promising."""
    best, chosen = current, (-1, -1)
    inside, outside = np.flatnonzero(state.inside), np.flatnonzero(~state.inside)
    promise = np.zeros(inside.size * outside.size)
    for a in range(inside.size):
        for b in range(outside.size):
            promise[a * outside.size + b] = state.change[inside[a]] + state.change[outside[b]]
    order = np.argsort(promise)
    for k in range(min(SCREENED, order.size)):
        if current[0] and promise[order[k]] > FAR:
            break
        i, j = inside[order[k] // outside.size], outside[order[k] % outside.size]
        best, found = _try(problem, state, i, j, best, work, asked, trial)
        if found:
            chosen = (i, j)
    return best, chosen


@kernel
def _penalized(problem, state):  # type: ignore[no-untyped-def]
    """Turn changes in deviance into changes in the criterion."""
    size = _set_members(state, problem)
    now = penalty_of(problem.kind, size, problem.sums[0])
    for t in range(problem.ranges.shape[0]):
        width = problem.ranges[t, 1] - problem.ranges[t, 0]
        after = size - width if state.inside[t] else size + width
        change = penalty_of(problem.kind, after, problem.sums[0]) - now
        state.change[t] += change if np.isfinite(change) else np.inf


@kernel
def advance(problem, state, start, work, asked, hidden, limits, trial):  # type: ignore[no-untyped-def]
    """Fit the model of a search and change it to the best one next to it.

    problem: Problem, what is searched
    state: Search, ``inside`` is the model, and becomes the next one; ``b`` receives coefficients
        near those of that
    start: (P,) or (0,) float64, coefficients near those of the model; empty for a start from the
        data
    work: Workspace, see `mse.core.newton`
    asked: Asked, see `mse.core.exact_check`
    hidden, limits: (Q,) float64, receive the hidden counts of the model and their limits
    trial: Trial, receives the models that were fitted
    Returns status: int, of the fit of the model
    Returns verdict: tuple of bool and float, whether it may be chosen, and its criterion
    Returns moved: bool, whether there is a next one
    """
    trial.size[0] = 0
    status, p, verdict = _fit(problem, state, start, (False, np.inf), work, asked, hidden, limits)
    if status > NOT_ESTIMABLE:
        return status, verdict, False
    _remember(work, p, state.b)
    _slopes(problem.counts, problem.design, work, state)
    if not screen(problem.counts, problem.design, work, p, problem.ranges, state):
        # Nothing is known of any change: all are tried.
        state.change[:] = 0.0
    _penalized(problem, state)
    _, i = _best_single(problem, state, verdict, work, asked, trial)
    j = i
    if i < 0:
        _, (i, j) = _best_exchange(problem, state, verdict, work, asked, trial)
    if i < 0:
        return status, verdict, False
    state.inside[i] = not state.inside[i]
    if j != i:
        state.inside[j] = not state.inside[j]
    state.b[:] = state.trial
    return status, verdict, True


def _make_state(main: BoolArray, n_terms: int) -> Search:
    size = main.size
    return Search(
        main.copy(),
        np.zeros(n_terms, dtype=np.bool_),
        np.zeros(size),
        np.zeros(size),
        np.zeros(n_terms),
        np.zeros((size, size)),
        np.zeros(size),
    )


def _make_trial(n_terms: int, n_hidden: int) -> Trial:
    return Trial(
        np.zeros((n_terms + SCREENED, n_terms), dtype=np.bool_),
        np.zeros(1, dtype=np.int64),
        np.zeros(n_hidden),
        np.zeros(n_hidden, dtype=np.int8),
    )


def starts_of(ranges: IntArray, design: Design) -> BoolArray:
    """Choose the models from which to search.

    They are the one without any of the terms, the one with all of them, and the one with all but the pairs
    of lists. From the first, and from the last, dependence of lists is added where differences between
    groups leave some, or before these are known; from the second it is dropped. Where all terms have very many
    parameters there is the first alone.

    ranges: (T, 6), parameters of each term
    design: axes and parameters of all terms
    Returns (S, T) bool
    """
    none = np.zeros(len(ranges), dtype=np.bool_)
    if n_parameters(design) > MOST_AT_START:
        return none[None]
    of_lists = first_cells(design)[ranges[:, 0]] % design.n_hidden == 0
    several = dict.fromkeys(each.tobytes() for each in (none, ~none, ~of_lists))
    return np.stack([np.frombuffer(each, dtype=np.bool_) for each in several])


class Walk(NamedTuple):
    """One start of a search on one table, as far as it went.

    models: (T,), the models of the path, the start first
    tried: (R, T), what was fitted next to each
    verdict: whether the last model may be chosen, and its criterion
    failed: whether its fit failed
    hidden: (Q,), its hidden counts; NaN where not estimable
    limits: (Q,) int8, their limits
    """

    models: list[BoolArray]
    tried: list[BoolArray]
    verdict: tuple[bool, float]
    failed: bool
    hidden: FloatArray
    limits: np.ndarray[tuple[int], np.dtype[np.int8]]

    @property
    def rank(self) -> Rank:
        """What makes one end better than another."""
        return self.failed or not self.verdict[0], self.verdict[1]


def is_lower(one: Rank, other: Rank) -> bool:
    """Whether a model is better than another by more than rounding.

    A rank is whether the model may not be chosen, and its criterion.
    """
    if one[0] != other[0]:
        return other[0]
    if np.isinf(other[1]):
        return one[1] < other[1]
    return one[1] < other[1] - SAME * (1.0 + abs(other[1]))


def without_rounding(values: FloatArray) -> FloatArray:
    """Give values that rounding alone tells apart the lowest of them, (M,): sorted stably, place decides then.

    Models of the same columns under other names have the same criterion but for the last digits, which differ
    between processors.

    Examples
    --------
    >>> without_rounding(np.array([3.0, 2.0 + 1e-13, 2.0, np.inf])).tolist()
    [3.0, 2.0, 2.0, inf]
    """
    order = np.argsort(values, kind="stable")
    lowest = values[order]
    apart = np.zeros(len(values), dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        apart[1:] = np.diff(lowest) > SAME * (1.0 + np.abs(lowest[:-1]))
    first = np.maximum.accumulate(np.where(apart, np.arange(len(values)), 0))
    found = np.empty_like(values)
    found[order] = lowest[first]
    return found


def first_best(ranks: Sequence[Rank]) -> int:
    """Find the best of several ends; the first of those that rounding alone tells apart."""
    best = 0
    for number, rank in enumerate(ranks):
        if is_lower(rank, ranks[best]):
            best = number
    return best


class Walker:
    """Searches one table from one start after another.

    main: (P,) bool, parameters of every model: the constant, the main effects, terms that are kept
    ranges: (T, 6), parameters and cells of each other two-way term, see
        `mse.loglinear.design.TableDesign.ranges`
    kind: code of the criterion, see `mse.core.fitting.CRITERIA`
    design: axes and parameters of all terms
    """

    def __init__(self, main: BoolArray, ranges: IntArray, kind: int, design: Design) -> None:
        self.starts = starts_of(ranges, design)
        self._asked = main, ranges, kind, design
        self._state = _make_state(main, len(ranges))
        self._trial = _make_trial(len(ranges), design.n_hidden)
        self._work = make_workspace(design)

    def walks(self, counts: FloatArray) -> list[Walk]:
        """Search a table, (C,) persons by cell, from every start."""
        main, ranges, kind, design = self._asked
        sums = counts.copy()
        superset_sum(sums, design.shape)
        excused = without_persons(counts, design.shape, design.n_hidden)
        problem = Problem(counts, sums, main, ranges, kind, design, excused)
        with ExactCheck(design, self._work) as check:
            return [self._walk(problem, start, check.asked) for start in self.starts]

    def _walk(self, problem: Problem, start: BoolArray, asked: Asked) -> Walk:
        state, trial, near = self._state, self._trial, np.zeros(0)
        hidden = np.full(problem.excused.size, np.nan)
        limits = np.full(problem.excused.size, INDETERMINATE, dtype=np.int8)
        state.inside[:] = start
        models, tried, moved = [start.copy()], [], True
        while moved:
            status, verdict, moved = advance(
                problem, state, near, self._work, asked, hidden, limits, trial
            )
            tried.append(trial.inside[: trial.size[0]].copy())
            near = state.b
            if moved:
                models.append(state.inside.copy())
        return Walk(models, tried, verdict, bool(status > NOT_ESTIMABLE), hidden, limits)


def best_walk(walks: list[Walk]) -> Walk:
    """Choose the walk with the best end."""
    return walks[first_best([each.rank for each in walks])]


def search_jointly(
    tables: FloatArray, main: BoolArray, ranges: IntArray, kind: int, design: Design
) -> JointPaths:
    """Search every table from several models, see `starts_of`, and keep the best end.

    tables: (B, C), counts of persons, 0 on unobservable cells
    main, ranges, kind, design: as of `Walker`
    """
    walker = Walker(main, ranges, kind, design)
    return ends_of(walker, tables, design.n_hidden, len(ranges))


class Walks(Protocol):
    """What searches a table, (C,) persons by cell, from several starts."""

    def walks(self, counts: FloatArray) -> list[Walk]:
        """Search a table from every start."""
        ...


def ends_of(walker: Walks, tables: FloatArray, n_hidden: int, n_terms: int) -> JointPaths:
    """Search every table and keep the best end."""
    ends = [best_walk(walker.walks(counts)) for counts in tables]
    return JointPaths(
        np.reshape([each.hidden for each in ends], (len(tables), n_hidden)),
        np.reshape([each.limits for each in ends], (len(tables), n_hidden)).astype(np.int8),
        np.asarray([each.failed for each in ends], dtype=np.bool_),
        np.reshape([each.models[-1] for each in ends], (len(tables), n_terms)).astype(np.bool_),
    )
