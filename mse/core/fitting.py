"""Fits of many models to many tables: existence, means, deviance and hidden counts in one loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core._threads import in_threads, one_thread
from mse.core.exact_check import FACE, FIT, LIMITS_OF_MODEL, ExactCheck, ask
from mse.core.existence import (
    FINITE,
    INDETERMINATE,
    NOT_ASKED,
    ask_partners,
    empty_strata,
    hear_partners,
)
from mse.core.large_factor import factor_of, put_back
from mse.core.large_fit import PATIENCE, fit_large
from mse.core.lattice import subset_sum, superset_sum
from mse.core.newton import (
    CERTIFIED,
    MAX_ITERATIONS,
    SURPASSED,
    UNDECIDED,
    Design,
    arrange,
    deviance_of,
    first_cell,
    first_cells,
    is_effect,
    least_squares_start,
    make_workspace,
    n_parameters,
    newton,
    restore,
    single_effects,
    with_unions,
)

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.large_factor import Factor
    from mse.core.large_fit import LargeFit

#: Codes of a status, in the order of `STATUSES`. One more is for callers in this package: the fit
#: was given up since its deviance is too high.
OK, BOUNDARY, NOT_ESTIMABLE, NOT_CONVERGED, PRUNED = 0, 1, 2, 3, 4
STATUSES = ("ok", "boundary", "not_estimable", "not_converged")


class BatchFit(NamedTuple):
    """Fits of M models to B tables with Q hidden cells.

    deviance: (B, M), of the extended maximum likelihood estimate; NaN where not converged
    hidden: (B, M, Q), persons on no list, by stratum; NaN where not estimable
    limits: (B, M, Q) int8, codes of `mse.core.existence.LIMITS`
    status: (B, M) int8, codes of `STATUSES`
    rank: (B, M), rank of the design on the facial set
    n_face: (B, M), number of cells in the facial set
    coefficients: (B, M, U), log scale; 0 for parameters that were not fitted
    """

    deviance: FloatArray
    hidden: FloatArray
    limits: np.ndarray[tuple[int, int, int], np.dtype[np.int8]]
    status: np.ndarray[tuple[int, int], np.dtype[np.int8]]
    rank: IntArray
    n_face: IntArray
    coefficients: FloatArray


class ModelFit(NamedTuple):
    """One model on one table.

    deviance: of the extended maximum likelihood estimate
    hidden: (Q,), persons on no list, by stratum; NaN where not estimable
    limits: (Q,) int8, codes of `mse.core.existence.LIMITS`
    status: code of `STATUSES`
    means: (C,), extended maximum likelihood means; 0 outside the facial set, hidden ones included
    face: (C,) bool, the facial set
    kept: (rank,), positions in `Design.cells` of the parameters that were fitted
    coefficients: (rank,), their values, log scale
    vanishing: positions of the parameters at minus infinity because nobody has their combination
    """

    deviance: float
    hidden: FloatArray
    limits: np.ndarray[tuple[int], np.dtype[np.int8]]
    status: int
    means: FloatArray
    face: BoolArray
    kept: IntArray
    coefficients: FloatArray
    vanishing: IntArray


@kernel
def choose(sums, member, design, work):  # type: ignore[no-untyped-def]
    """Choose the parameters that somebody has; cells that contain another one cannot be seen.

    Returns the number of parameters; the face is then the observable cells that stay.
    """
    p, n_vanishing = 0, 0
    plain, cells = design.starts.size == 0, design.cells
    for c in range(work.face.size):
        work.step[c] = 0.0
        work.face[c] = design.observable[c]
    for u in range(member.size):
        if not member[u]:
            continue
        first = cells[u] if plain else first_cell(design, u)
        if (plain or is_effect(design, u)) and sums[first] <= 0.0:
            work.step[first] = 1.0
            n_vanishing += 1
        else:
            work.chosen[p] = u
            p += 1
    if n_vanishing > 0:
        subset_sum(work.step, design.shape)
        for c in range(work.face.size):
            if work.step[c] > 0.0:
                work.face[c] = False
    return p, n_vanishing


@kernel
def _ask(design, work, n_vanishing, hidden, limits):  # type: ignore[no-untyped-def]
    """Ask for all hidden limits, later for cells with a vanishing parameter; whether there are such."""
    some = False
    for k in range(design.n_hidden):
        hidden[k] = np.nan
        later = n_vanishing > 0 and work.step[k] > 0.0
        limits[k] = NOT_ASKED if later else FINITE
        some = some or later
    return some


@kernel
def _look_at_empty(sums, member, design, limits, partner):  # type: ignore[no-untyped-def]
    """Look into hidden cells that contain a vanishing parameter, see `empty_strata`."""
    marks = np.zeros(sums.size)
    effects = np.zeros(member.size, dtype=np.int64)
    n_effects = 0
    for u in range(member.size):
        if member[u] and is_effect(design, u) and sums[first_cell(design, u)] <= 0.0:
            effects[n_effects] = first_cell(design, u)
            marks[effects[n_effects]] = 1.0
            n_effects += 1
    subset_sum(marks, design.shape)
    empty_strata(marks, effects[:n_effects], design, limits, partner)
    ask_partners(limits, partner)


@kernel
def _rest_of_empty(counts, member, asked, limits):  # type: ignore[no-untyped-def]
    """Settle the hidden cells that are left by all parameters; False where that failed."""
    some = False
    for k in range(limits.size):
        some = some or limits[k] == NOT_ASKED
        asked.limits[k] = FINITE if limits[k] == NOT_ASKED else NOT_ASKED
    if not some:
        return True
    for c in range(counts.size):
        asked.counts[c] = counts[c]
    for u in range(member.size):
        asked.member[u] = member[u]
    if ask(asked, LIMITS_OF_MODEL, 0) < 0:
        return False
    for k in range(limits.size):
        if limits[k] == NOT_ASKED:
            limits[k] = asked.limits[k]
    return True


@kernel
def _restrict(counts, p, asked, limits, partner):  # type: ignore[no-untyped-def]
    """Restrict the fit to its facial set; the number of parameters left, -1 where that failed."""
    for c in range(counts.size):
        asked.counts[c] = counts[c]
    for k in range(limits.size):
        asked.limits[k] = limits[k]
        asked.partner[k] = partner[k] if partner.size > 0 else -1
    rank = ask(asked, FACE, p)
    for k in range(limits.size):
        limits[k] = asked.limits[k]
    return rank


@kernel
def _attempt(counts, design, work, p, start, patience, ceiling, steps):  # type: ignore[no-untyped-def]
    """Fit on all cells of the face, from coefficients of all parameters or, without them, from the data."""
    arrange(design, work, p)
    code, below = UNDECIDED, 0.0
    if start.size > 0:
        for i in range(p):
            work.b[i] = start[work.chosen[i]]
    if start.size > 0 or least_squares_start(counts, design, work, p):
        code, below = newton(counts, design, work, p, patience, ceiling, steps)
    restore(work, p)
    return code, below


@kernel
def _read_off(counts, design, work, n_vanishing, hidden, limits):  # type: ignore[no-untyped-def]
    """Read the hidden counts off a finished fit; its status."""
    status = BOUNDARY if n_vanishing > 0 else OK
    for c in range(counts.size):
        if work.face[c] != design.observable[c]:
            status = BOUNDARY
    for k in range(design.n_hidden):
        if limits[k] == FINITE:
            hidden[k] = work.means[k]
        else:
            status = NOT_ESTIMABLE
    return status


@kernel
def fit_one(counts, sums, member, start, ceiling, steps, design, work, asked, hidden, limits):  # type: ignore[no-untyped-def]
    """Fit one model to one table: face, means, hidden counts.

    counts: (C,) float64, persons by cell; 0 on unobservable cells
    sums: (C,) float64, superset sums of the counts
    member: (U,) bool, parameters of the model
    start: (U,) or (0,) float64, coefficients to start from; empty for a start from the data
    ceiling: float, give up once the deviance is certain to end above this
    steps: int, `MAX_ITERATIONS`, or the few Newton steps after which it is given up for a bound
    design, work: Design, Workspace, see `mse.core.newton`
    asked: Asked, who settles what cannot be certified here, see `mse.core.exact_check.ExactCheck`
    hidden: (Q,) float64, receives the hidden counts
    limits: (Q,) int8, receives their limits
    Returns p: int, number of fitted parameters, the rank on the face
    Returns deviance: float, of a model that was given up, a bound from below
    """
    p, n_vanishing = choose(sums, member, design, work)
    empty = _ask(design, work, n_vanishing, hidden, limits)
    # In the hope that the estimate exists on all cells that are left.
    code, below = _attempt(counts, design, work, p, start, PATIENCE, ceiling, steps)
    if code == SURPASSED or steps < MAX_ITERATIONS:
        return PRUNED, p, below
    partner = np.zeros(design.n_hidden if empty else 0, dtype=np.int64)
    if empty:
        _look_at_empty(sums, member, design, limits, partner)
    if code != CERTIFIED:
        rank = _restrict(counts, p, asked, limits, partner)
        if rank >= 0:
            n_vanishing += p - rank
            p = rank
            # On its face it exists, however long it takes.
            code, _ = _attempt(counts, design, work, p, start[:0], np.inf, np.inf, steps)
            if code != CERTIFIED:
                code = ask(asked, FIT, p)
    if code == CERTIFIED and empty:
        hear_partners(limits, partner)
        if not _rest_of_empty(counts, member, asked, limits):
            code = UNDECIDED
    if code != CERTIFIED:
        for k in range(design.n_hidden):
            limits[k] = INDETERMINATE
        return NOT_CONVERGED, p, np.nan
    return (
        _read_off(counts, design, work, n_vanishing, hidden, limits),
        p,
        deviance_of(counts, work),
    )


# One loop for catalogues of models, for single models, and for selection again in every replicate -

#: Codes of the criteria, as positions in `CRITERIA`.
CRITERIA = ("bic", "aic", "aicc")
BIC, AIC, AICC = 0, 1, 2

#: Newton steps spent on a bound: from a warm start a third one costs more than it saves.
BOUND_STEPS = 2


class Rule(NamedTuple):
    """Which of G + M models need not be fitted: those that are sure not to be the best of a table.

    A model has a deviance at least that of every model that contains it. A Newton step bounds the deviance it leads
    to from below (`mse.core.newton.deviance_below`); so each model that is fitted, or given up on the way, rules out
    models within it. The first G are there for nothing else.

    kind: code of the criterion, see `CRITERIA`
    sizes: (G + M,), parameters of each model
    lacks: (G + M,), interactions that a model lacks, each a bit. Without any, no model is ruled out by another one.
    n_bounds: G
    values: (G + M,), receives the criterion of each model that was fitted
    known, bounds: (G + M,), room for what models lacked that were fitted to a table, and for what their deviances are
        certain to end above
    best: the lowest criterion known before
    slack: models are fitted that may be above the best one by no more
    """

    kind: int
    sizes: IntArray
    lacks: IntArray
    n_bounds: int
    values: FloatArray
    known: IntArray
    bounds: FloatArray
    best: float = np.inf
    slack: float = 0.0


#: Every model is fitted.
_NOTHING = np.zeros(0, dtype=np.int64)
NO_RULE = Rule(BIC, _NOTHING, _NOTHING, 0, np.zeros(0), _NOTHING, np.zeros(0))


def near_the_best(kind: int, sizes: IntArray, best: float, slack: float) -> Rule:
    """Fit models that may be the best one, or that far above it, by their deviances alone.

    kind, best, slack: as of `Rule`
    sizes: (M,), parameters of each model
    """
    values = np.zeros(sizes.size)
    return NO_RULE._replace(kind=kind, sizes=sizes, values=values, best=float(best), slack=slack)


@kernel
def penalty_of(kind, p, n):  # type: ignore[no-untyped-def]
    """Penalty of p parameters for n observed persons, see `mse.loglinear.design`."""
    if kind == BIC:
        return p * np.log(max(n, 1.0))
    if kind == AIC:
        return 2.0 * p
    return 2.0 * p + 2.0 * p * (p + 1) / (n - p - 1) if n - p - 1 > 0 else np.inf


@kernel
def _ruled_out(lacks, n_known, rule, ceiling):  # type: ignore[no-untyped-def]
    """Whether a model that contains one is certain to end above a deviance; that one is asked first from then on."""
    for i in range(n_known - 1, -1, -1):
        known, bound = rule.known[i], rule.bounds[i]
        if bound >= ceiling and lacks & known == known:
            for j in range(i, n_known - 1):
                rule.known[j], rule.bounds[j] = rule.known[j + 1], rule.bounds[j + 1]
            rule.known[n_known - 1], rule.bounds[n_known - 1] = known, bound
            return True
    return False


@kernel
def fit_each(tables, members, starts, rule, design, work, asked, out):  # type: ignore[no-untyped-def]  # noqa: C901
    """Fit one model after the other to each table, unless the rule says that it is not the best."""
    sums, penalties = np.zeros(tables.shape[1]), np.zeros(members.shape[1] + 1)
    for t in range(tables.shape[0]):
        for c in range(sums.size):
            sums[c] = tables[t, c]
        superset_sum(sums, design.shape)
        for p in range(penalties.size):
            penalties[p] = penalty_of(rule.kind, p, sums[0])
        best, n_known = rule.best, 0
        for m in range(members.shape[0]):
            penalty, ceiling, steps = 0.0, np.inf, MAX_ITERATIONS
            if m < rule.n_bounds:
                steps = BOUND_STEPS
            elif rule.sizes.size > 0:
                penalty, limit = penalties[rule.sizes[m]], best + rule.slack
                ceiling = limit - penalty
                if not penalty < limit or (
                    n_known > 0 and _ruled_out(rule.lacks[m], n_known, rule, ceiling)
                ):
                    out.status[t, m] = PRUNED
                    continue
            status, p, deviance = fit_one(
                tables[t],
                sums,
                members[m],
                starts[m],
                ceiling,
                steps,
                design,
                work,
                asked,
                out.hidden[t, m],
                out.limits[t, m],
            )
            if m >= rule.n_bounds and rule.sizes.size > 0:
                rule.values[m] = deviance + penalty
                if status <= BOUNDARY:
                    best = min(best, rule.values[m])
            if rule.lacks.size > 0 and deviance > 0.0:
                rule.known[n_known], rule.bounds[n_known] = rule.lacks[m], deviance
                n_known += 1
            out.status[t, m], out.rank[t, m], out.deviance[t, m] = status, p, deviance
            out.n_face[t, m] = work.face.sum()
            for i in range(min(p, out.coefficients.shape[2])):
                out.coefficients[t, m, work.chosen[i]] = work.b[i]


#: Models that are worth a thread.
MODELS_FOR_A_THREAD = 1000


def nothing_fitted(n_tables: int, n_models: int, design: Design, n_coefficients: int) -> BatchFit:
    """Make room for fits; with 0 coefficients these are not kept."""
    size = (n_tables, n_models)
    return BatchFit(
        np.full(size, np.nan),
        np.full((*size, design.n_hidden), np.nan),
        np.zeros((*size, design.n_hidden), dtype=np.int8),
        np.zeros(size, dtype=np.int8),
        np.zeros(size, dtype=np.int64),
        np.zeros(size, dtype=np.int64),
        np.zeros((*size, n_coefficients)),
    )


def fit_models(
    tables: FloatArray,
    members: BoolArray,
    design: Design,
    start: FloatArray | None = None,
    rule: Rule = NO_RULE,
) -> BatchFit:
    """Fit every model to every table, unless a rule says that it need not be.

    tables: (B, C), counts of persons, 0 on unobservable cells
    members: (M, U) bool, parameters of each model among those of the design; the constant in each
    design: axes and parameters
    start: (U,), coefficients to start every fit from; by default each starts from the data
    rule: which models have the status `PRUNED` in place of a fit; none with a factor of many levels
    """
    out = nothing_fitted(len(tables), len(members), design, n_parameters(design))
    factor = factor_of(design)
    if factor is not None:
        _fit_large_models(tables, members, design, factor, start, out)
        return out
    design, first = with_unions(design), np.zeros(0) if start is None else start
    starts = np.repeat(first[None], len(members), axis=0)

    def fit_some(models: slice) -> None:
        work = make_workspace(design)
        part = BatchFit(*(each[:, models] for each in out))  # type: ignore[arg-type]
        with ExactCheck(design, work) as check:
            fit_each(tables, members[models], starts[models], rule, design, work, check.asked, part)

    # What a rule rules out hangs on what was fitted before.
    free = rule is NO_RULE and len(tables) == 1
    in_threads(fit_some, len(members), MODELS_FOR_A_THREAD if free else len(members))
    return out


def fit_model(
    counts: FloatArray, member: BoolArray, design: Design, start: FloatArray | None = None
) -> ModelFit:
    """Fit one model to one table and keep everything that describes the fit.

    counts: (C,), persons by cell, 0 on unobservable cells
    member: (U,) bool, parameters of the model
    design: axes and parameters
    start: (U,), coefficients to start from; by default it starts from the data
    """
    factor = factor_of(design)
    if factor is not None:
        return _large_model_fit(fit_large(counts, member, design, factor, start), design)
    design, sums = with_unions(design), counts.copy()
    work = make_workspace(design)
    superset_sum(sums, design.shape)
    out = nothing_fitted(1, 1, design, 0)
    first = np.zeros(0) if start is None else start
    with ExactCheck(design, work) as check:
        fit_each(counts[None], member[None], first[None], NO_RULE, design, work, check.asked, out)
    p = int(out.rank[0, 0])
    # The work space is this fit's own, so its arrays become the answer.
    work.means[~work.face] = 0.0
    work.means[: design.n_hidden] = out.hidden[0, 0]
    return ModelFit(
        float(out.deviance[0, 0]),
        out.hidden[0, 0],
        out.limits[0, 0],
        int(out.status[0, 0]),
        work.means,
        work.face,
        work.chosen[:p].copy(),
        work.b[:p].copy(),
        np.flatnonzero(member & single_effects(design) & (sums[first_cells(design)] <= 0.0)),
    )


def refit_model(
    tables: FloatArray, member: BoolArray, design: Design, start: FloatArray | None = None
) -> tuple[FloatArray, np.ndarray[tuple[int, int], np.dtype[np.int8]], BoolArray]:
    """Fit one model to many tables, for its hidden counts alone.

    tables, design, start: as of `fit_models`
    member: (U,) bool, parameters of the model
    Returns hidden: (B, Q)
    Returns limits: (B, Q) int8
    Returns failed: (B,) bool, tables on which the fit did not converge
    """
    factor = factor_of(design)
    if factor is None:
        fits = fit_models(tables, member[None], design, start)
        return fits.hidden[:, 0], fits.limits[:, 0], fits.status[:, 0] == NOT_CONVERGED
    with one_thread:
        found = [fit_large(counts, member, design, factor, start) for counts in tables]
    return (
        np.stack([each.hidden for each in found]),
        np.reshape([each.limits for each in found], (len(found), design.n_hidden)).astype(np.int8),
        np.asarray([each.code != CERTIFIED for each in found], dtype=np.bool_),
    )


@one_thread
def _fit_large_models(
    tables: FloatArray,
    members: BoolArray,
    design: Design,
    factor: Factor,
    start: FloatArray | None,
    out: BatchFit,
) -> None:
    """Fit models with a factor of many levels one by one."""
    for t, counts in enumerate(tables):
        for m, member in enumerate(members):
            found = fit_large(counts, member, design, factor, start)
            out.hidden[t, m], out.limits[t, m] = found.hidden, found.limits
            out.status[t, m], out.rank[t, m] = _status_of(found), found.rank
            out.deviance[t, m], out.n_face[t, m] = found.deviance, found.question.face.sum()
            out.coefficients[t, m] = found.in_order(found.b, member.size)


def _status_of(found: LargeFit) -> int:
    """Code of the status of a fit with a factor of many levels."""
    if found.code != CERTIFIED:
        return NOT_CONVERGED
    if np.any(found.limits != FINITE):
        return NOT_ESTIMABLE
    return BOUNDARY if found.boundary else OK


def _large_model_fit(found: LargeFit, design: Design) -> ModelFit:
    """Write a fit with a factor of many levels in the order of the table."""
    factor, size = found.question.factor, n_parameters(design)
    face, hidden = put_back(found.question.face, factor), found.hidden
    means = np.where(face, put_back(found.means, factor), 0.0)
    means[: design.n_hidden] = hidden
    values = found.in_order(found.b, size, np.nan)
    kept = np.flatnonzero(~np.isnan(values))
    return ModelFit(
        found.deviance,
        hidden,
        found.limits,
        _status_of(found),
        means,
        face,
        kept,
        values[kept],
        found.vanishing,
    )
