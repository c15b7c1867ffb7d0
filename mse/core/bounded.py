"""Log-linear models of which some coefficients are not below zero: existence, fits, profiles.

Whether the estimate exists is decided in whole numbers, with the bounds (`mse.core.existence.facial_set`). On
the facial set the likelihood is concave with one maximum, at which some coefficients are at their bound
(`mse.core.dense`); it is then that of the model without those.
"""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core.dense import (
    MAX_ITERATIONS,
    STEP_TOLERANCE,
    DenseDesign,
    log_orderings,
    maximize,
    newton_step,
)
from mse.core.exact_check import find_face
from mse.core.existence import FINITE, INDETERMINATE
from mse.core.explicit_fit import LARGE_STEP, ROUNDED_SUM, design_rows
from mse.core.fitting import (
    BOUNDARY,
    NOT_CONVERGED,
    NOT_ESTIMABLE,
    OK,
    ModelFit,
    fit_model,
    fit_models,
)
from mse.core.lattice import superset_sum
from mse.core.newton import (
    LARGEST_LOG,
    first_cells,
    n_parameters,
    single_effects,
    with_unions,
)
from mse.core.profile import FunctionCurve
from mse.core.stepwise import part_of

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.exact_check import Answer
    from mse.core.fitting import BatchFit
    from mse.core.newton import Design


class BoundedFit(NamedTuple):
    """A fit under bounds.

    fit: Without the coefficients at their bounds; a bounded one that is neither among these nor kept is
        not determined.
    at_zero: (P,) bool, coefficients at their bounds
    keep: (P,) bool, independent parameters on the facial set
    """

    fit: ModelFit
    at_zero: BoolArray
    keep: BoolArray


def fit_bounded(counts: FloatArray, bounded: IntArray, design: Design) -> BoundedFit:
    """Fit a model of which some coefficients are not below zero to one table.

    counts: (C,), persons by cell, 0 on unobservable cells
    bounded: parameters that are not below zero
    design: axes and parameters
    """
    design, size = with_unions(design), n_parameters(design)
    every, at_zero = np.ones(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
    free = fit_model(counts, every, design)
    if free.status == OK and (free.coefficients[bounded] >= 0).all():
        return BoundedFit(free, at_zero, every)
    asked = np.full(design.n_hidden, FINITE, dtype=np.int8)
    nobody = np.full(design.n_hidden, -1, dtype=np.int64)
    exact = find_face(counts, design.observable, design, np.arange(size), asked, nobody, bounded)
    kept, cells = np.flatnonzero(exact.keep), np.flatnonzero(exact.face)
    rows, known = design_rows(design, kept, cells), np.zeros(cells.size)
    try:
        found, _ = maximize(
            counts[cells], DenseDesign(rows, known, known[:0], np.isin(kept, bounded))
        )
    except ArithmeticError:
        limits = np.full(design.n_hidden, INDETERMINATE, dtype=np.int8)
        return BoundedFit(free._replace(status=NOT_CONVERGED, limits=limits), at_zero, every)
    at_zero[kept] = np.isin(kept, bounded) & (found == 0)
    on_face = design._replace(observable=exact.face)
    fit = fit_model(counts, exact.keep & ~at_zero, on_face)
    return BoundedFit(_under_bounds(fit, counts, bounded, exact, design), at_zero, exact.keep)


def _under_bounds(
    fit: ModelFit, counts: FloatArray, bounded: IntArray, exact: Answer, design: Design
) -> ModelFit:
    """Say of a fit on the facial set what it is on the whole table."""
    if fit.status == NOT_CONVERGED:
        return fit
    sums = counts.copy()
    superset_sum(sums, design.shape)
    gone = single_effects(design) & (sums[first_cells(design)] <= 0.0)
    gone[bounded] = False
    whole = (exact.face == design.observable).all() and exact.keep.all()
    known = bool((exact.limits == FINITE).all())
    # One that is zero at the maximum, and not held there, may come out below it by rounding.
    below = np.isin(fit.kept, bounded) & (fit.coefficients < 0)
    return fit._replace(
        coefficients=np.where(below, 0.0, fit.coefficients),
        limits=exact.limits,
        hidden=np.where(exact.limits == FINITE, fit.hidden, np.nan),
        status=(OK if whole else BOUNDARY) if known else NOT_ESTIMABLE,
        vanishing=np.flatnonzero(gone),
    )


def fit_models_bounded(
    counts: FloatArray, members: BoolArray, bounded: IntArray, design: Design
) -> tuple[BatchFit, IntArray]:
    """Fit models of which some coefficients are not below zero to one table.

    counts, bounded, design: as of `fit_bounded`
    members: (M, P) bool, parameters of each model
    Returns fits: of one table
    Returns at_zero: (M,), number of coefficients at their bounds
    """
    out, at_zero = fit_models(counts[None], members, design), np.zeros(len(members), dtype=np.int64)
    for m, member in enumerate(members):
        own = bounded[member[bounded]]
        if out.status[0, m] == OK and (out.coefficients[0, m, own] >= 0).all():
            continue
        part, positions = part_of(design, member), np.flatnonzero(member)
        found = fit_bounded(counts, np.searchsorted(positions, own), part)
        fit, at_zero[m] = found.fit, int(found.at_zero.sum())
        out.status[0, m], out.rank[0, m], out.n_face[0, m] = (
            fit.status,
            fit.kept.size,
            fit.face.sum(),
        )
        out.deviance[0, m], out.hidden[0, m], out.limits[0, m] = (
            fit.deviance,
            fit.hidden,
            fit.limits,
        )
        out.coefficients[0, m] = 0.0
        out.coefficients[0, m, positions[fit.kept]] = fit.coefficients
    return out, at_zero


class BoundedProfile:
    """Profile log likelihood of N with some coefficients not below zero (Cormack 1992, Biometrics 48, 567-576).

    counts: (C,), persons by cell
    bounded: parameters that are not below zero
    found: an estimable fit
    design: axes and parameters
    """

    def __init__(
        self, counts: FloatArray, bounded: IntArray, found: BoundedFit, design: Design
    ) -> None:
        fit, design = found.fit, with_unions(design)
        kept = np.flatnonzero(found.keep)
        cells = np.append(np.flatnonzero(fit.face), np.arange(fit.hidden.size))
        rows = design_rows(design, kept, cells)
        size = np.exp2(np.rint(np.log2(np.abs(rows).max(axis=0))))
        self._rows, self._bounded = rows / size, np.isin(kept, bounded)
        self._seen = counts[fit.face]
        values = np.zeros(n_parameters(design))
        values[fit.kept] = fit.coefficients
        self._b = values[kept] * size

    def __call__(self, log_hidden: float) -> float:
        """Profile log likelihood at N = n + exp(log_hidden), less a constant.

        Raises ArithmeticError: where the inner fit did not converge
        """
        n, hidden = float(self._seen.sum()), exp(log_hidden)
        self._b = self._maximum(hidden)
        logs = self._rows @ self._b
        unseen = float(np.exp(logs[self._seen.size :]).sum())
        # The means add up to N; their sum is closer to it than what rounding leaves of N is to each.
        kernel = float(self._seen @ (logs[: self._seen.size] - log(n + hidden)))
        return log_orderings(n, hidden) + kernel + hidden * log(unseen / (n + hidden))

    def _maximum(self, hidden: float) -> FloatArray:
        """Coefficients with so many hidden persons, by Newton's method."""
        b: FloatArray = self._b
        value = self._height(b, hidden)
        for _ in range(MAX_ITERATIONS):
            step = self._step(b, hidden)
            change = float(np.abs(self._rows @ step).max())
            t = min(1.0, LARGE_STEP / change) if change > 0 else 1.0
            while True:
                moved = self._height(b + t * step, hidden)
                if moved >= value - ROUNDED_SUM * abs(value) or t * change <= STEP_TOLERANCE:
                    break
                t /= 2
            b, value = b + t * step, moved
            if change <= STEP_TOLERANCE:
                return b
        raise ArithmeticError(f"no fit with {hidden:g} hidden persons was found")

    def _height(self, b: FloatArray, hidden: float) -> float:
        """Poisson log likelihood with the hidden total as one more count."""
        logs = self._rows @ b
        means, size = np.exp(np.minimum(logs, LARGEST_LOG)), self._seen.size
        known = float(self._seen @ logs[:size])
        return known + hidden * log(float(means[size:].sum())) - float(means.sum())

    def _step(self, b: FloatArray, hidden: float) -> FloatArray:
        """Newton step within the bounds; the information is as of `mse.core.explicit_fit`, or EM's."""
        size, rows = self._seen.size, self._rows
        means = np.exp(np.minimum(rows @ b, LARGEST_LOG))
        share = means[size:] / means[size:].sum()
        score = rows.T @ (np.append(self._seen, hidden * share) - means)
        complete = rows.T @ (rows * means[:, None])
        among = rows[size:] - share @ rows[size:]
        lost = hidden * (among.T @ (among * share[:, None]))
        for information in (complete - lost, complete):
            try:
                np.linalg.cholesky(information)
                return newton_step(information, score, b, self._bounded)
            except (np.linalg.LinAlgError, RuntimeError):
                continue
        raise ArithmeticError("the information matrix is singular")


def bounded_curve(
    counts: FloatArray, bounded: IntArray, found: BoundedFit, design: Design, spread: float
) -> FunctionCurve:
    """Profile log likelihood of N of an estimable fit under bounds.

    counts, bounded, found, design: as of `BoundedProfile`
    spread: a guess of the standard error of the log hidden count
    """
    value = BoundedProfile(counts, bounded, found, design)
    return FunctionCurve(value, float(counts.sum()), float(found.fit.hidden.sum()), spread)
