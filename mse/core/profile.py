"""Profile likelihood of the population size.

With N persons of whom n were seen, the multinomial log likelihood of a log-linear model is

    lgamma(N + 1) - lgamma(N - n + 1) + sum n(c) log p(c) + (N - n) log p(hidden)

(Cormack 1992, Biometrics 48, 567-576), where p(hidden) is the probability of all unobservable
cells together. For a given N its maximum over the model is that of a Poisson fit to the counts
with N - n persons spread over the hidden cells in the proportions of the fit itself.
"""

from __future__ import annotations

from math import exp, lgamma, log
from typing import TYPE_CHECKING

import numba as nb
import numpy as np

from mse.core.curve import LikelihoodCurve
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
    spread,
    step_range,
)

if TYPE_CHECKING:
    from mse._typing import FloatArray
    from mse.core.batch import ModelFit


@nb.njit(cache=True, nogil=True)
def _log_likelihood(counts, hidden, design, work):  # type: ignore[no-untyped-def]
    # The Poisson kernel with the hidden total; the means are those of the current coefficients.
    unseen, total = 0.0, 0.0
    for c in range(counts.size):
        if c < design.n_hidden:
            unseen += work.means[c]
        elif work.face[c]:
            total -= work.means[c]
            if counts[c] > 0.0:
                total += counts[c] * np.log(work.means[c])
    return total - unseen + hidden * np.log(unseen)


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
    """Take the step, halved until the likelihood does not fall; its new value."""
    t = 1.0
    while True:
        for i in range(p):
            work.b[i] = start[i] + t * work.h[i]
        means_of(design, work, p)
        moved = _log_likelihood(counts, hidden, design, work)
        if moved >= value or change * t <= STEP_TOLERANCE:
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
    code : int
        `CERTIFIED` or `EXHAUSTED`.
    value : float
        Maximum of ``sum n(c) log mu(c) + hidden log mu(hidden) - sum mu``.
    """
    means_of(design, work, p)
    value = _log_likelihood(counts, hidden, design, work)
    start = np.zeros(p)
    for _ in range(MAX_ITERATIONS):
        exact = _ascent(counts, hidden, design, work, p, True)
        if not exact and not _ascent(counts, hidden, design, work, p, False):
            return EXHAUSTED, value
        smallest, largest, among_hidden = step_range(design, work)
        change = max(largest, -smallest, among_hidden)
        for i in range(p):
            start[i] = work.b[i]
        value = _move(counts, hidden, design, work, p, start, value, change)
        if change <= STEP_TOLERANCE:
            return CERTIFIED, value
    return EXHAUSTED, value


class ProfileCurve(LikelihoodCurve):
    """Profile log likelihood of N under a log-linear model.

    Each evaluation starts from the fit of the one before.

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
        super().__init__(float(counts.sum()), float(fit.hidden.sum()), spread)

    def __call__(self, log_hidden: float) -> float:
        """Profile log likelihood at N = n + exp(log_hidden).

        Raises
        ------
        ArithmeticError
            Where the inner fit did not converge.
        """
        hidden, p = exp(log_hidden), self._fit.kept.size
        code, kernel = fit_with_hidden(self._counts, hidden, self._design, self._work, p)
        if code != CERTIFIED:
            self._work.b[:p] = self._fit.coefficients
            raise ArithmeticError(f"no fit with {hidden:g} hidden persons was found")
        # kernel = sum n log mu + hidden log mu0 - N, and p = mu / N.
        total = self.observed + hidden
        gain = lgamma(total + 1) - lgamma(hidden + 1)
        return float(gain + kernel + total - total * log(total))


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
