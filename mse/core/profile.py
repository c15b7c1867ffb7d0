"""Profile likelihood of the population size.

With N persons of whom n were seen, the multinomial log likelihood of a log-linear model is

    lgamma(N + 1) - lgamma(N - n + 1) + sum n(c) log p(c) + (N - n) log p(hidden)

(Cormack 1992, Biometrics 48, 567-576), where p(hidden) is the probability of all unobservable
cells together. For a given N its maximum over the model is that of a Poisson fit to the counts
with N - n persons spread over the hidden cells in the proportions of the fit itself.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import numba as nb
import numpy as np

from mse.core.curve import LikelihoodCurve, orderings
from mse.core.explicit_fit import (
    MOST_ENTRIES,
    ROUNDED_SUM,
    Changes,
    changes_with_total,
    explicit_rows,
    rise_of_deviance,
)
from mse.core.lattice import superset_sum
from mse.core.newton import (
    CERTIFIED,
    EXHAUSTED,
    MAX_ITERATIONS,
    STEP_TOLERANCE,
    Design,
    Workspace,
    cholesky,
    cholesky_solve,
    gather,
    information,
    make_workspace,
    means_of,
    misfit,
    newton_step,
    rounds_well,
    spread,
    step_range,
)

if TYPE_CHECKING:
    from mse._typing import FloatArray
    from mse.core.batch import ModelFit
    from mse.core.explicit_fit import Rows


@nb.njit(cache=True, nogil=True)
def _half_deviance(counts, hidden, design, work):  # type: ignore[no-untyped-def]
    """Half the deviance with the hidden total as one more count, from terms that are not negative."""
    unseen, total = 0.0, 0.0
    for c in range(counts.size):
        if c < design.n_hidden:
            unseen += work.means[c]
        elif work.face[c]:
            total += misfit(counts[c], work.means[c])
    return total + misfit(hidden, unseen)


@nb.njit(cache=True, nogil=True)
def _ascent(counts, hidden, design, work, p, exact):  # type: ignore[no-untyped-def]
    """Newton step for the likelihood with a hidden total; EM's step unless `exact`.

    The information about a sum of cells is that of the completed data less the variance of
    the split (Louis 1982, JRSS B 44, 226-233).
    """
    unseen = 0.0
    for c in range(design.n_hidden):
        unseen += work.means[c]
    share = np.zeros(counts.size)
    for c in range(counts.size):
        known = work.face[c] or c < design.n_hidden
        work.sums[c] = work.means[c] if known else 0.0
        work.step[c] = counts[c] - work.means[c] if work.face[c] else 0.0
        if c < design.n_hidden:
            share[c] = work.means[c] / unseen
            work.step[c] = hidden * share[c] - work.means[c]
            if exact:
                work.sums[c] -= hidden * share[c]
    superset_sum(work.sums, design.shape)
    superset_sum(work.step, design.shape)
    superset_sum(share, design.shape)
    information(work.sums, design, work.chosen, p, work.matrix)
    for i in range(p):
        work.h[i] = gather(work.step, design, work.chosen[i])
        work.score[i] = gather(share, design, work.chosen[i])
        if exact:
            for j in range(i + 1):
                work.matrix[i, j] += hidden * work.score[i] * work.score[j]
    if not cholesky(work.matrix, p):
        return False
    cholesky_solve(work.matrix, p, work.h)
    spread(work.h, design, work.chosen, p, work.step)
    return True


@nb.njit(cache=True, nogil=True)
def _move(counts, hidden, design, work, p, start, value, change):  # type: ignore[no-untyped-def]
    """Take the step, halved until the deviance does not rise; half its new value."""
    t = 1.0
    while True:
        for i in range(p):
            work.b[i] = start[i] + t * work.h[i]
        means_of(design, work, p)
        moved = _half_deviance(counts, hidden, design, work)
        if moved <= value * (1.0 + ROUNDED_SUM) or change * t <= STEP_TOLERANCE:
            return moved
        t *= 0.5


@nb.njit(cache=True, nogil=True)
def fit_with_hidden(counts, hidden, design, work, p):  # type: ignore[no-untyped-def]
    """Maximize the likelihood with `hidden` persons somewhere in the unobservable cells.

    Parameters
    ----------
    counts : float64 array (C,)
        Persons by cell.
    hidden : float
        Persons on no list, all strata together, positive.
    design, work : Design, Workspace
        See `mse.core.newton`; the work space holds the start and receives the fit.
    p : int
        Number of parameters.

    Returns
    -------
    int
        `CERTIFIED` or `EXHAUSTED`.
    """
    means_of(design, work, p)
    value = _half_deviance(counts, hidden, design, work)
    start = np.zeros(p)
    for _ in range(MAX_ITERATIONS):
        if not value < np.inf:
            break
        exact = _ascent(counts, hidden, design, work, p, True)
        if not exact and not _ascent(counts, hidden, design, work, p, False):
            return EXHAUSTED
        smallest, largest, among_hidden = step_range(design, work)
        change = max(largest, -smallest, among_hidden)
        for i in range(p):
            start[i] = work.b[i]
        value = _move(counts, hidden, design, work, p, start, value, change)
        if change <= STEP_TOLERANCE:
            return CERTIFIED
    return EXHAUSTED


class ProfileCurve(LikelihoodCurve):
    """Profile log likelihood of N under a log-linear model, up to a constant.

    Each evaluation starts from the fit of the one before. It is a fit of explicit rows where the
    estimate itself needed that, or where the fit on the lattice fails.

    Parameters
    ----------
    counts : float64 array (C,)
        Persons by cell.
    fit : ModelFit
        An estimable fit.
    design : Design
        Axes and parameters.
    spread : float
        A guess of the standard error of the log hidden count.
    """

    def __init__(self, counts: FloatArray, fit: ModelFit, design: Design, spread: float) -> None:
        self._counts, self._fit, self._design = counts, fit, design
        self._work = _workspace_at(fit, design)
        self._means = Changes(fit.means[fit.face], fit.hidden)
        self._at = self._nowhere = Changes(*(np.zeros(each.size) for each in self._means))
        self._rows: Rows | None = None
        if not _is_well_conditioned(counts, fit, design):
            self._write_out()
        super().__init__(float(counts.sum()), float(fit.hidden.sum()), spread)

    def __call__(self, log_hidden: float) -> float:
        """Profile log likelihood at N = n + exp(log_hidden), less a constant.

        Raises
        ------
        ArithmeticError
            Where the inner fit did not converge.
        """
        hidden = exp(log_hidden)
        at = self._changes(hidden)
        unseen = float(self._means.hidden @ np.exp(at.hidden))
        rise = rise_of_deviance(self._means.seen, at.seen)
        return orderings(self.observed, hidden) - rise - float(misfit(hidden, unseen))

    def _changes(self, hidden: float) -> Changes:
        """Log means of the fit with so many hidden persons, less those of the fit."""
        fit, design, work = self._fit, self._design, self._work
        p = fit.kept.size
        if self._rows is None:
            if fit_with_hidden(self._counts, hidden, design, work, p) == CERTIFIED:
                spread(work.b[:p] - fit.coefficients, design, fit.kept, p, work.step)
                return Changes(work.step[fit.face], work.step[: design.n_hidden])
            work.b[:p] = fit.coefficients
            self._write_out()
        if self._rows is None:
            raise ArithmeticError(f"no fit with {hidden:g} hidden persons was found")
        start, self._at = self._at, self._nowhere
        self._at = changes_with_total(self._means, self._rows, hidden, start)
        return self._at

    def _write_out(self) -> None:
        """Write the rows out, unless there are too many entries."""
        seen, hidden = np.flatnonzero(self._fit.face), np.arange(self._design.n_hidden)
        if (seen.size + hidden.size) * self._fit.kept.size <= MOST_ENTRIES:
            self._rows = explicit_rows(self._design, self._fit.kept, seen, hidden)


def _is_well_conditioned(counts: FloatArray, fit: ModelFit, design: Design) -> bool:
    """Whether a Newton step at the fit keeps its digits."""
    work, p = _workspace_at(fit, design), fit.kept.size
    means_of(design, work, p)
    if np.isnan(newton_step(counts, design, work, p)):
        return False
    return bool(rounds_well(counts, design, work, p))


def _workspace_at(fit: ModelFit, design: Design) -> Workspace:
    work = make_workspace(design)
    work.chosen[: fit.kept.size] = fit.kept
    work.b[: fit.kept.size] = fit.coefficients
    work.face[:] = fit.face
    return work


def profile_interval(
    counts: FloatArray, fit: ModelFit, design: Design, drop: float, spread: float
) -> tuple[float, float]:
    """Find the ends of the set of N whose profile log likelihood is within `drop` of its maximum.

    Parameters
    ----------
    counts : float64 array (C,)
        Persons by cell.
    fit : ModelFit
        An estimable fit.
    design : Design
        Axes and parameters.
    drop : float
        Half the chi-squared quantile of the level wanted.
    spread : float
        A guess of the standard error of the log hidden count; sets the first strides.

    Returns
    -------
    low, high : float
        Persons, n <= low <= high; `high` is infinite where the likelihood stays above the cut.

    Raises
    ------
    ArithmeticError
        Where an inner fit did not converge.
    """
    return ProfileCurve(counts, fit, design, spread).ends(drop)
