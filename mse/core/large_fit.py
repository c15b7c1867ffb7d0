"""Fits of models with a factor of many levels: existence, means, hidden counts and their covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._threads import one_thread
from mse.core.existence import (
    FINITE,
    INDETERMINATE,
    NOT_ASKED,
    ask_partners,
    empty_strata,
    hear_partners,
)
from mse.core.explicit_fit import (
    MOST_ENTRIES,
    ROUNDED_SUM,
    deviance_of,
    explicit_rows,
    fit_rows,
)
from mse.core.large_exact import face_of_levels
from mse.core.large_factor import (
    Active,
    Factor,
    Found,
    Question,
    Values,
    active_part,
    eliminate,
    information_of,
    laid_out,
    least_squares_start,
    means_of,
    newton,
    only,
    product,
    put_back,
    restricted,
    solve,
    spread_over_cells,
    transposed,
)
from mse.core.newton import (
    CERTIFIED,
    MAX_ITERATIONS,
    STEP_TOLERANCE,
    SURPASSED,
    UNDECIDED,
    first_cells,
    misfit,
    n_parameters,
)

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.exact_check import Limits
    from mse.core.newton import Design

#: Iterations after which a receding fit is asked about rather than followed.
PATIENCE = 4.0


class LargeFit(NamedTuple):
    """One model on one table, cells laid out as (R, L).

    code: `CERTIFIED`, `SURPASSED` where the deviance is above the ceiling, otherwise no fit was
        found
    question: the counts, the facial set, and the parameters that were fitted
    b: coefficients
    means: (R, L), means of all cells
    limits: (Q,) int8, codes of `mse.core.existence.LIMITS`, by hidden cell of the table
    vanishing: positions of the parameters at minus infinity because nobody has their combination
    boundary: whether some cells or parameters are not in the fit
    """

    code: int
    question: Question
    b: Values
    means: FloatArray
    limits: Limits
    vanishing: IntArray
    boundary: bool

    @property
    def deviance(self) -> float:
        """Deviance over the facial set; NaN where there is no fit."""
        if self.code != CERTIFIED:
            return float("nan")
        face = self.question.face
        return deviance_of(self.question.counts[face], self.means[face])

    @property
    def hidden(self) -> FloatArray:
        """Persons on no list by stratum, (Q,); NaN where not estimable."""
        whole = put_back(self.means, self.question.factor)[: self.limits.size]
        estimable = (self.limits == FINITE) & (self.code == CERTIFIED)
        return np.where(estimable, whole, np.nan)

    @property
    def rank(self) -> int:
        """Parameters that were fitted."""
        return int(sum(each.sum() for each in self.question.active))

    def in_order(self, values: Values, size: int, rest: float = 0.0) -> FloatArray:
        """Write numbers by parameter in the order of the design, (P,); `rest` for those not fitted."""
        factor, active, found = self.question.factor, self.question.active, np.full(size, rest)
        found[factor.local[active.local]] = values.local[active.local]
        found[factor.shared[active.shared]] = values.shared[active.shared]
        return found


@one_thread
def fit_large(
    counts: FloatArray,
    member: BoolArray,
    design: Design,
    factor: Factor,
    start: FloatArray | None = None,
    ceiling: float = np.inf,
) -> LargeFit:
    """Fit one model to one table, as `mse.core.fitting.fit_one` does.

    counts: (C,), persons by cell; 0 on unobservable cells
    member: (P,) bool, parameters of the model
    design, factor: axes and parameters
    start: (P,), coefficients to start from; by default it starts from the data
    ceiling: give up once the deviance is certain to end above this
    """
    inside = Active(member[factor.local], member[factor.shared])
    kinds = np.asarray(inside.local.any(axis=1))
    factor = restricted(factor, kinds, inside.shared)
    inside = Active(inside.local[kinds], np.ones(factor.shared.size, dtype=np.bool_))
    question, marks, vanishing = _chosen(laid_out(counts, factor), inside, design, factor)
    limits, partner = _asked(marks, vanishing, design, factor)
    b = None if start is None else Values(start[factor.local], start[factor.shared])
    found = _attempt(question, b, PATIENCE, ceiling)
    try:
        if found.code not in (CERTIFIED, SURPASSED):
            face, keep, limits = face_of_levels(
                question.counts, question.face, factor, question.active, limits, partner
            )
            # The answer is remembered, and so must not be written to.
            question, limits = question._replace(face=face, active=keep), limits.copy()
            # On its face it exists, however long it takes.
            found = _attempt(question, None, np.inf, np.inf)
            if found.code != CERTIFIED:
                found = _written_out(question, design)
        if found.code == CERTIFIED and partner.size:
            hear_partners(limits, partner)
            limits = _rest(question, inside, design, limits)
    except ArithmeticError:
        found = found._replace(code=UNDECIDED)
    if found.code != CERTIFIED:
        limits = np.full_like(limits, INDETERMINATE)
    everything = all(np.array_equal(*each) for each in zip(question.active, inside, strict=True))
    boundary = not everything or int(question.face.sum()) < int(design.observable.sum())
    return LargeFit(found.code, question, found.b, found.means, limits, vanishing, boundary)


def _chosen(
    counts: FloatArray, inside: Active, design: Design, factor: Factor
) -> tuple[Question, FloatArray | None, IntArray]:
    """Choose the parameters that somebody has; cells that contain another one cannot be seen.

    Returns the question, the number of the others in each cell (None where there are none), and these.
    """
    sums = transposed(counts.copy(), factor)
    single = [np.ones(len(each), np.bool_) for each in sums]
    if factor.weights is not None:
        single = [
            (np.abs(each).sum(axis=0) == 1) & (each.max(axis=0, initial=0) == 1)
            for each in factor.weights
        ]
    gone = Values(
        (inside.local & single[0][:, None] & (sums.local <= 0)).astype(np.float64),
        (inside.shared & single[1] & (sums.shared <= 0)).astype(np.float64),
    )
    active = Active(inside.local & (gone.local == 0), inside.shared & (gone.shared == 0))
    face = laid_out(design.observable, factor)
    hidden = np.zeros(design.observable.size, dtype=np.bool_)
    hidden[: design.n_hidden] = True
    vanishing = np.sort(
        np.concatenate([factor.local[gone.local > 0], factor.shared[gone.shared > 0]])
    )
    marks = None
    if vanishing.size:
        marks = spread_over_cells(gone, factor)
        face = face & (marks == 0)
    return Question(counts, face, laid_out(hidden, factor), factor, active), marks, vanishing


def _asked(
    marks: FloatArray | None, vanishing: IntArray, design: Design, factor: Factor
) -> tuple[Limits, IntArray]:
    """Ask for all hidden limits, for cells with a vanishing parameter through partners if they have some."""
    limits = np.full(design.n_hidden, FINITE, dtype=np.int8)
    partner = np.zeros(0, dtype=np.int64)
    if marks is not None:
        flat = put_back(marks, factor)
        limits[flat[: design.n_hidden] > 0] = NOT_ASKED
        if np.any(limits == NOT_ASKED):
            partner = np.zeros(design.n_hidden, dtype=np.int64)
            empty_strata(flat, first_cells(design)[vanishing], design, limits, partner)
            ask_partners(limits, partner)
    return limits, partner


def _attempt(question: Question, start: Values | None, patience: float, ceiling: float) -> Found:
    """Fit on all cells of the face."""
    b = least_squares_start(question) if start is None else start
    if b is None:
        none = Values(*(np.zeros(each.shape) for each in question.active))
        return Found(UNDECIDED, none, question.counts)
    return newton(question, b, patience, ceiling)


def _written_out(question: Question, design: Design) -> Found:
    """Fit on a face on which the estimate exists, in coordinates that suit the counts, if it is small."""
    factor, active = question.factor, question.active
    local, shared = factor.local[active.local], factor.shared[active.shared]
    inside = np.flatnonzero(put_back(question.face, factor))
    hidden = np.arange(design.n_hidden)
    lost = Found(UNDECIDED, Values(*(np.zeros(each.shape) for each in active)), question.counts)
    if (inside.size + hidden.size) * (local.size + shared.size) > MOST_ENTRIES:
        return lost
    rows = explicit_rows(design, np.concatenate([local, shared]), inside, hidden)
    try:
        fit = fit_rows(put_back(question.counts, factor)[inside], rows)
    except ArithmeticError:
        return lost
    lost.b.local[active.local] = fit.coefficients[: local.size]
    lost.b.shared[active.shared] = fit.coefficients[local.size :]
    means = np.zeros(design.observable.size)
    means[inside], means[hidden] = np.exp(fit.log_means), np.exp(fit.log_hidden)
    return Found(CERTIFIED, lost.b, laid_out(means, factor))


def _rest(question: Question, inside: Active, design: Design, limits: Limits) -> Limits:
    """Settle the hidden cells that are left by all parameters."""
    left = limits == NOT_ASKED
    if not left.any():
        return limits
    asked = np.where(left, FINITE, NOT_ASKED).astype(np.int8)
    face, nobody = laid_out(design.observable, question.factor), np.zeros(0, dtype=np.int64)
    found = face_of_levels(question.counts, face, question.factor, inside, asked, nobody)
    return np.where(left, found.limits, limits).astype(np.int8)


# Fits with a number of hidden persons, for the profile likelihood ----------------------------------


def question_of(
    counts: FloatArray, face: BoolArray, kept: IntArray, design: Design, factor: Factor
) -> Question:
    """Lay out the face and the parameters of a fit."""
    fitted = np.zeros(n_parameters(design), dtype=np.bool_)
    fitted[kept] = True
    hidden = np.arange(counts.size) < design.n_hidden
    active = Active(fitted[factor.local], fitted[factor.shared])
    cells = laid_out(counts, factor), laid_out(face, factor), laid_out(hidden, factor)
    return Question(*cells, factor, active)


@one_thread
def fit_large_with_hidden(question: Question, hidden: float, start: Values) -> Values | None:
    """Maximize the likelihood with so many persons in the hidden cells, see `mse.core.profile.fit_with_hidden`.

    Returns coefficients; None where Newton's method did not end
    """
    b, means = start, means_of(start, question.factor)
    value = _half_deviance(question, means, hidden)
    for _ in range(MAX_ITERATIONS):
        h = _ascent(question, means, hidden) if value < np.inf else None
        if h is None:
            return None
        step = spread_over_cells(h, question.factor)
        change = float(np.abs(step).max(initial=0.0, where=question.face | question.hidden))
        t = 1.0
        while True:
            moved = Values(b.local + t * h.local, b.shared + t * h.shared)
            means = means_of(moved, question.factor)
            new = _half_deviance(question, means, hidden)
            if new <= value * (1.0 + ROUNDED_SUM) or change * t <= STEP_TOLERANCE:
                break
            t *= 0.5
        b, value = moved, new
        if change <= STEP_TOLERANCE:
            return b
    return None


def _half_deviance(question: Question, means: FloatArray, hidden: float) -> float:
    """Half the deviance with the hidden total as one more count."""
    face, unseen = question.face, float(means[question.hidden].sum())
    seen = deviance_of(question.counts[face], means[face])
    return 0.5 * seen + float(misfit(hidden, unseen))


def _ascent(question: Question, means: FloatArray, hidden: float) -> Values | None:
    """Newton step for the likelihood with a hidden total; EM's step where that is no ascent.

    The information about a sum of cells is that of the completed data less the variance of the split
    (Louis 1982, JRSS B 44, 226-233): a matrix of blocks, and one of rank one beside it.
    """
    factor, active = question.factor, question.active
    known = np.where(question.face | question.hidden, means, 0.0)
    share = np.where(question.hidden, means, 0.0)
    share /= share.sum()
    residual = np.where(question.face, question.counts, 0.0) + hidden * share - known
    score = active_part(transposed(residual, factor), active)
    root = eliminate(only(information_of(known - hidden * share, factor), active))
    if root is None:
        root = eliminate(only(information_of(known, factor), active))
        return None if root is None else solve(root, score)
    split = active_part(transposed(share, factor), active)
    x, y = solve(root, score), solve(root, split)
    part = hidden * product(split, x) / (1.0 + hidden * product(split, y))
    return Values(x.local - part * y.local, x.shared - part * y.shared)
