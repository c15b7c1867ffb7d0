"""Profile likelihood of the population size.

With N persons of whom n were seen, the multinomial log likelihood of a log-linear model is

    lgamma(N + 1) - lgamma(N - n + 1) + sum n(c) log p(c) + (N - n) log p(hidden)

(Cormack 1992, Biometrics 48, 567-576), where p(hidden) is the probability of all unobservable
cells together. For a given N its maximum over the model is that of a Poisson fit to the counts
with N - n persons spread over the hidden cells in the proportions of the fit itself.
"""

from __future__ import annotations

from math import exp, expm1, inf, lgamma, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import xlog1py, xlogy

from mse.core._compiled import kernel
from mse.core._threads import one_thread
from mse.core.existence import FINITE, INFINITE, ZERO
from mse.core.explicit_fit import (
    MOST_ENTRIES,
    ROUNDED_SUM,
    Changes,
    changes_with_total,
    damping,
    explicit_rows,
    fit_rows,
    rise_of_deviance,
)
from mse.core.hidden_variance import hidden_covariance
from mse.core.large_factor import Values, factor_of, spread_over_cells
from mse.core.large_fit import fit_large_with_hidden, question_of
from mse.core.lattice import superset_sum
from mse.core.newton import (
    CERTIFIED,
    EXHAUSTED,
    LARGEST_LOG,
    MAX_ITERATIONS,
    STEP_TOLERANCE,
    Design,
    Workspace,
    cholesky,
    cholesky_solve,
    factorial_rest,
    gather,
    information,
    make_workspace,
    means_of,
    misfit,
    n_parameters,
    newton_step,
    rounds_well,
    spread,
    step_range,
    with_unions,
)
from mse.core.partly_known_fit import FINISHED, climb, make_likelihood

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.explicit_fit import Rows
    from mse.core.fitting import ModelFit
    from mse.core.large_factor import Factor
    from mse.core.partly_known_fit import Data, IncompleteFit


# Curves of the log likelihood of the population size, and the intervals that are read off ---------

#: Ends of an interval are found to this accuracy of the log hidden count.
END_TOLERANCE = 1e-10
#: Fewest hidden persons that are told from none: the likelihood changes by about as much below, and an
#: end of an interval with it.
FEWEST_HIDDEN = 1e-6
#: Share of the drop at an end by which two evaluations at the mode may differ: the end is then known to
#: some hundredths of the standard error at worst.
ROUNDED_SHARE = 0.05
#: Beyond this many hidden persons (log scale) the upper end is reported as infinite: e^30 is a
#: hundred times the people that ever lived. An estimate near it or beyond moves the bound up.
LOG_MOST_HIDDEN, BEYOND_MODE = 30.0, 10.0


def orderings(observed: float, hidden: float) -> float:
    """Return what the profile log likelihood of N has beyond minus half a deviance, less a constant.

    With p(c) = mu(c) / N in ``lgamma(N + 1) - lgamma(N - n + 1) + sum n(c) log p(c) + (N - n) log p(0)``
    (Cormack 1992) and means that add up to N, the sums are those of the saturated model less half
    the deviance of the table completed by its N - n hidden persons. Terms of the size of N log N,
    whose rounding would drown differences of one for large counts, are not formed.

    observed, hidden: persons, n and N - n
    """
    return float(factorial_rest(observed + hidden) - factorial_rest(hidden))


class LikelihoodCurve:
    """Profile log likelihood of N, as a function of the log hidden count.

    A kind of curve defines ``__call__`` and then initializes this class.

    observed: observed persons n
    hidden: estimated hidden persons, positive; the search for the maximum starts there
    spread: a guess of the standard error of the log hidden count
    observed: observed persons
    mode: log hidden count at the maximum
    peak: the maximum
    stride: first step of a search away from the mode
    floor: log of the fewest hidden persons that are told from none
    ceiling: log of the most hidden persons that are told from infinitely many
    """

    def __init__(self, observed: float, hidden: float, spread: float) -> None:
        self.observed = observed
        self.stride = min(max(spread, 1e-3), 2.0)
        self.mode, self.peak = self._highest(log(hidden))
        self.floor = min(log(FEWEST_HIDDEN), self.mode - 1.0)
        self.ceiling = max(LOG_MOST_HIDDEN, self.mode + BEYOND_MODE)

    def _highest(self, start: float) -> tuple[float, float]:
        """Find the maximum and its place by walking uphill from a start to where both sides fall.

        The Poisson estimate is not the maximum of this curve, and for few persons it may be far
        from it: then the highest point lies where hardly anybody is hidden.
        """
        from scipy.optimize import minimize_scalar

        values = {start: self(start)}
        self._walk(values, start, -1.0, min(log(FEWEST_HIDDEN), start))
        self._walk(values, start, 1.0, max(LOG_MOST_HIDDEN, start + BEYOND_MODE))
        place = max(values, key=lambda x: values[x])
        low = max((x for x in values if x < place), default=place)
        high = min((x for x in values if x > place), default=place)
        if low < high:
            found = minimize_scalar(lambda x: -self(x), bounds=(low, high), method="bounded")
            if -float(found.fun) > values[place]:
                place = float(found.x)
        return place, self(place)

    def _walk(self, values: dict[float, float], place: float, sign: float, bound: float) -> None:
        """Evaluate the curve in ever longer strides to one side for as long as that is uphill."""
        stride = self.stride
        while place != bound and values[place] >= max(values.values()):
            place = sign * min(sign * place + stride, sign * bound)
            values[place] = self(place)
            stride *= 2

    def __call__(self, log_hidden: float) -> float:
        """Log likelihood at N = n + exp(log_hidden), maximized over the model.

        Raises ArithmeticError: where the inner fit did not converge
        """
        raise NotImplementedError

    def signed_root(self, log_hidden: float) -> float:
        """Signed root of the likelihood ratio: standard normal, to first order."""
        root = sqrt(max(2 * (self.peak - self(log_hidden)), 0.0))
        return root if log_hidden > self.mode else -root

    def ends(self, drop: float) -> tuple[float, float]:
        """Find the ends of the set of N whose log likelihood is within `drop` of its maximum.

        drop: half the chi-squared quantile of the level wanted
        Returns low, high: persons, n <= low <= high; `high` is infinite where the curve stays above
            the cut
        Raises ArithmeticError: where an inner fit did not converge, or the counts are so large that
            rounding of the likelihood hides the drop
        """
        if not abs(self(self.mode) - self.peak) <= ROUNDED_SHARE * drop:
            raise ArithmeticError("counts this large leave too few digits to their likelihood")
        low = self._crossing(self.peak - drop, -1.0, self.floor)
        high = self._crossing(self.peak - drop, 1.0, self.ceiling)
        return (
            self.observed if low is None else self.observed + exp(low),
            inf if high is None else self.observed + exp(high),
        )

    def _crossing(self, cut: float, sign: float, bound: float) -> float | None:
        """Find where the curve falls through the cut on one side; None if it does not in bounds."""
        reach, stride = abs(bound - self.mode), self.stride
        while True:
            outside = self.mode + sign * min(stride, reach)
            beyond = self(outside)
            if beyond < cut:
                return self._crossed(cut, outside, beyond)
            if stride >= reach:
                return None
            stride *= 2

    def _crossed(self, cut: float, outside: float, beyond: float) -> float:
        """Find where the curve falls through the cut between its mode and a place beyond."""
        from scipy.optimize import brentq

        # A fit depends a little on the one before it. At huge counts that is enough to turn the sign of an end
        # that is computed once more.
        known = {self.mode: self.peak - cut, outside: beyond - cut}
        excess = lambda x: known[x] if x in known else self(x) - cut  # noqa: E731
        return float(brentq(excess, self.mode, outside, xtol=END_TOLERANCE))


class FunctionCurve(LikelihoodCurve):
    """The curve of a function of the log hidden count.

    value: log likelihood of N, maximized over the model
    observed, hidden, spread: see `LikelihoodCurve`
    """

    def __init__(
        self, value: Callable[[float], float], observed: float, hidden: float, spread: float
    ) -> None:
        self._value = value
        super().__init__(observed, hidden, spread)

    def __call__(self, log_hidden: float) -> float:
        """Log likelihood at N = n + exp(log_hidden)."""
        return self._value(log_hidden)


# Profile likelihood of the population size --------------------------------------------------------


@kernel
def _half_deviance(counts, hidden, design, work):  # type: ignore[no-untyped-def]
    """Half the deviance with the hidden total as one more count, from terms that are not negative."""
    unseen, total = 0.0, 0.0
    for c in range(counts.size):
        if c < design.n_hidden:
            unseen += work.means[c]
        elif work.face[c]:
            total += misfit(counts[c], work.means[c])
    return total + misfit(hidden, unseen)


@kernel
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


@kernel
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


@kernel
def fit_with_hidden(counts, hidden, design, work, p):  # type: ignore[no-untyped-def]
    """Maximize the likelihood with `hidden` persons somewhere in the unobservable cells.

    counts: (C,) float64, persons by cell
    hidden: float, persons on no list, all strata together, positive
    design, work: Design, Workspace, see `mse.core.newton`; the work space holds the start and
        receives the fit
    p: int, number of parameters
    Returns int, `CERTIFIED` or `EXHAUSTED`
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

    counts: (C,), persons by cell
    fit: an estimable fit
    design: axes and parameters
    spread: a guess of the standard error of the log hidden count
    """

    def __init__(self, counts: FloatArray, fit: ModelFit, design: Design, spread: float) -> None:
        self._counts, self._fit, self._design = counts, fit, with_unions(design)
        self._work = _workspace_at(fit, design)
        self._means = Changes(fit.means[fit.face], fit.hidden)
        self._at = self._nowhere = Changes(*(np.zeros(each.size) for each in self._means))
        self._rows: Rows | None = None
        if not _is_well_conditioned(counts, fit, design):
            self._write_out()
        super().__init__(float(counts.sum()), float(fit.hidden.sum()), spread)

    def __call__(self, log_hidden: float) -> float:
        """Profile log likelihood at N = n + exp(log_hidden), less a constant.

        Raises ArithmeticError: where the inner fit did not converge
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


class LargeProfileCurve(ProfileCurve):
    """The same of a model with a factor of many levels.

    counts, fit, design, spread: as of `ProfileCurve`
    factor: parameters by the levels of the factor
    """

    def __init__(
        self, counts: FloatArray, fit: ModelFit, design: Design, factor: Factor, spread: float
    ) -> None:
        self._question = question = question_of(counts, fit.face, fit.kept, design, factor)
        b = np.zeros(n_parameters(design))
        b[fit.kept] = fit.coefficients
        self._b = self._first = Values(b[factor.local], b[factor.shared])
        means = np.exp(spread_over_cells(self._first, factor))
        self._means = Changes(means[question.face], means[question.hidden])
        LikelihoodCurve.__init__(self, float(counts.sum()), float(fit.hidden.sum()), spread)

    def _changes(self, hidden: float) -> Changes:
        """Log means of the fit with so many hidden persons, less those of the fit."""
        found = fit_large_with_hidden(self._question, hidden, self._b)
        if found is None:
            self._b = self._first
            raise ArithmeticError(f"no fit with {hidden:g} hidden persons was found")
        self._b, first = found, self._first
        moved = Values(found.local - first.local, found.shared - first.shared)
        step = spread_over_cells(moved, self._question.factor)
        return Changes(step[self._question.face], step[self._question.hidden])


def profile_curve(counts: FloatArray, fit: ModelFit, design: Design, spread: float) -> ProfileCurve:
    """Profile log likelihood of N of an estimable fit; parameters as of `ProfileCurve`."""
    factor = factor_of(design)
    if factor is None:
        return ProfileCurve(counts, fit, design, spread)
    return LargeProfileCurve(counts, fit, design, factor, spread)


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


# Independent lists from their totals and their union ----------------------------------------------
# Under independence the list totals n_j and the union n are sufficient. The maximum likelihood
# estimate solves
#
#     n = N (1 - prod over j of (1 - n_j / N))
#
# (Darroch 1958, Biometrika 45, 343-359): the fitted union is the observed one. It is finite if and only if
# some list overlaps another (n < sum n_j) and no list holds everybody (n_j < n); those are the facets
# of the cone of the sufficient statistics.

#: Smallest hidden number that is bracketed, in persons.
LEAST = 1e-12


def independent_lists(totals: IntArray, union: int) -> tuple[float, int]:
    """Estimate the hidden number of persons.

    totals: (K,), persons on each list, positive
    union: persons on at least one list
    Returns hidden: persons; NaN where the limit is not finite
    Returns limit: code of `mse.core.existence.LIMITS`
    """
    from scipy.optimize import brentq

    overlap = int(totals.sum()) - union
    if overlap <= 0:
        return float("nan"), INFINITE
    if totals.max() >= union:
        return float("nan"), ZERO
    pairs = (float(totals.sum()) ** 2 - float((totals.astype(np.float64) ** 2).sum())) / 2
    # The fitted union is at least sum n_j - pairs / N (Bonferroni), so N is at most pairs / overlap.
    most = log(max(pairs / overlap - union, 1.0) * 2)
    least = log(LEAST)
    while _excess(least, totals, union) >= 0:
        least *= 2
    return exp(float(brentq(_excess, least, most, args=(totals, union), xtol=1e-14))), FINITE


def _excess(log_hidden: float, totals: IntArray, union: int) -> float:
    """Hidden persons beyond those that N implies; the union beyond the fitted one is the same."""
    hidden = exp(log_hidden)
    log_missed = float(np.log1p(-totals / (union + hidden)).sum())
    if hidden < union:
        return hidden - (union + hidden) * exp(log_missed)
    # The digits of a union that is small beside N are in the chance of being on some list.
    return -(union + hidden) * expm1(log_missed) - union


def hidden_variance(totals: IntArray, union: int, hidden: float) -> float:
    """Variance of the total, persons squared, by the delta method plus Poisson variance.

    As of `LogLinear`: the information of the full table depends on fitted pairs only.
    """
    size = union + hidden
    information = np.empty((totals.size + 1, totals.size + 1))
    information[1:, 1:] = np.outer(totals, totals) / size
    np.fill_diagonal(information[1:, 1:], totals)
    information[0, 0] = union
    information[0, 1:] = information[1:, 0] = totals
    unit = np.zeros(totals.size + 1)
    unit[0] = 1.0
    return float(hidden**2 * np.linalg.solve(information, unit)[0] + hidden)


def coefficients(totals: IntArray, union: int, hidden: float) -> FloatArray:
    """Coefficients of the log-linear model: the log hidden number, then the log odds of each list."""
    odds = np.log(totals) - np.log(union + hidden - totals)
    return np.concatenate([[log(hidden)], odds])


class MarginsProfile(LikelihoodCurve):
    """Profile log likelihood of N under independence, as a function of the log hidden count.

    totals: (K,), persons on each list
    union: persons on at least one list
    hidden: estimated hidden number
    spread: a guess of the standard error of the log hidden count
    """

    def __init__(self, totals: IntArray, union: int, hidden: float, spread: float) -> None:
        self._totals = totals
        super().__init__(float(union), hidden, spread)

    def __call__(self, log_hidden: float) -> float:
        """Profile log likelihood at N = n + exp(log_hidden): every list has probability n_j / N."""
        hidden = exp(log_hidden)
        size = self.observed + hidden
        share = self._totals / size
        lists = xlogy(self._totals, share) + xlog1py(size - self._totals, -share)
        return lgamma(size + 1) - lgamma(hidden + 1) + float(lists.sum())


# Profile likelihood of the population size when records are known in part -------------------------
# As in `mse.core.profile`, N - n persons in the unseen cells are one more observation, over the set of
# those cells; partly known records enter with the probabilities of their sets (Cormack 1992, Biometrics
# 48, 567-576, with sums of cells in place of cells). Counts must be exact: within bounds, n itself is not
# known.


class ObservedProfile(LikelihoodCurve):
    """Profile log likelihood of N, as a function of the log hidden count.

    It follows the maximum that the fit found; each evaluation starts from the one before.

    data: what was seen, counts exact
    fit: an estimable fit
    spread: a guess of the standard error of the log hidden count
    """

    def __init__(self, data: Data, fit: IncompleteFit, spread: float) -> None:
        self._data, self._found, self._b = data, fit, fit.coefficients
        observed = float(data.base.sum() + data.seen.low.sum())
        super().__init__(observed, float(fit.hidden.sum()), spread)

    def __call__(self, log_hidden: float) -> float:
        """Profile log likelihood at N = n + exp(log_hidden).

        Raises ArithmeticError: where the inner fit did not converge
        """
        hidden = exp(log_hidden)
        problem = make_likelihood(self._data, self._found.face, self._found.kept, hidden)
        with one_thread:
            end = climb(problem, self._b, may_recede=False)
        if end.code != FINISHED:
            self._b = self._found.coefficients
            raise ArithmeticError(f"no fit with {hidden:g} hidden persons was found")
        self._b = end.b
        total = self.observed + hidden
        gain = lgamma(total + 1) - lgamma(hidden + 1)
        return float(gain + end.value + total - total * log(total))


# Log-linear fits with an offset: means exp(x(c)'b + o(c)) with o(c) known -------------------------
# An offset fixes what the data cannot tell: an interaction at a chosen value, or a factor between a
# hidden cell and its prediction. It multiplies the means by positive constants, so whether the
# estimate exists, and which hidden counts the data determine, is as without it: those are questions about
# the counts and the design alone (Fienberg & Rinaldo 2012, Annals of Statistics 40, 996-1023,
# section 3). Fits here start from an estimable fit without the offset.

#: Cells times parameters up to which a table is written out, where no sizes of counts do harm.
FEW_ENTRIES = 200_000


class OffsetFit(NamedTuple):
    """A fit with an offset.

    coefficients: (p,), coefficients of the parameters that were kept, log scale
    means: (C,), means of all cells, hidden ones included; 0 outside the face
    """

    coefficients: FloatArray
    means: FloatArray


class _Problem(NamedTuple):
    counts: FloatArray  # (C,)
    offset: FloatArray  # (C,)
    inside: BoolArray  # (C,) cells in the likelihood
    kept: IntArray  # (p,) positions of the parameters
    design: Design
    rows: Rows | None  # of the cells in the likelihood, where the table is not too large for them


def _problem(
    counts: FloatArray, offset: FloatArray, inside: BoolArray, fit: ModelFit, design: Design
) -> _Problem:
    cells, design = np.flatnonzero(inside), with_unions(design)
    rows = None
    if cells.size * fit.kept.size <= FEW_ENTRIES:
        rows = explicit_rows(design, fit.kept, cells, offset=offset[cells])
    return _Problem(counts, offset, inside, fit.kept, design, rows)


def _predictor(b: FloatArray, problem: _Problem) -> FloatArray:
    predictor = np.zeros(problem.counts.size)
    spread(b, problem.design, problem.kept, b.size, predictor)
    return predictor


def _information(weights: FloatArray, problem: _Problem) -> FloatArray:
    sums, p = weights.copy(), problem.kept.size
    superset_sum(sums, problem.design.shape)
    matrix = np.zeros((p, p))
    information(sums, problem.design, problem.kept, p, matrix)
    return np.asarray(matrix + np.tril(matrix, -1).T)


def _maximize(b: FloatArray, problem: _Problem) -> tuple[FloatArray, FloatArray]:
    """Maximize the likelihood by Newton's method: coefficients, log means of all cells."""
    if problem.rows is not None:
        b = fit_rows(problem.counts[problem.inside], problem.rows, b).coefficients
        return b, _predictor(b, problem) + problem.offset
    eta = _predictor(b, problem) + problem.offset
    for _ in range(MAX_ITERATIONS):
        mu = np.where(problem.inside, np.exp(np.minimum(eta, LARGEST_LOG)), 0.0)
        residual = np.where(problem.inside, problem.counts, 0.0) - mu
        score = _transposed(residual, problem)
        try:
            step = cho_solve(cho_factor(_information(mu, problem)), score)
        except LinAlgError as error:
            raise ArithmeticError(f"the information matrix is singular: {error}") from error
        slope = _predictor(step, problem)
        if np.abs(slope).max() <= STEP_TOLERANCE:
            return b + step, eta + slope
        inside = np.where(problem.inside, slope, 0.0)
        share = damping(mu, inside, float(score @ step))
        b, eta = b + share * step, eta + share * slope
    raise ArithmeticError("no fit with this offset was found")


def _transposed(weights: FloatArray, problem: _Problem) -> FloatArray:
    """X'w over the parameters of the problem."""
    sums = weights.copy()
    superset_sum(sums, problem.design.shape)
    return np.asarray([gather(sums, problem.design, u) for u in problem.kept])


def fit_with_offset(
    counts: FloatArray, offset: FloatArray, fit: ModelFit, design: Design
) -> OffsetFit:
    """Maximize the Poisson likelihood of a model with an offset.

    counts: (C,), persons by cell, 0 on unobservable cells
    offset: (C,), known part of each log mean
    fit: an estimable fit of the same model to the same counts without the offset
    design: axes and parameters
    Raises ArithmeticError: where Newton's method did not end
    """
    problem = _problem(counts, offset, fit.face, fit, design)
    b, eta = _maximize(fit.coefficients, problem)
    hidden = np.arange(counts.size) < design.n_hidden
    return OffsetFit(b, np.where(fit.face | hidden, np.exp(eta), 0.0))


def hidden_variance_given_offset(found: OffsetFit, fit: ModelFit, design: Design) -> float:
    """Variance of the hidden total, persons squared.

    The delta method on the log scale plus the Poisson variance of the counts themselves (Cormack & Jupp
    1991, Biometrika 78, 911-916).
    """
    hidden = found.means[: design.n_hidden]
    # The gradient of the log hidden counts, weighted by them, is that of the hidden total.
    covariance = hidden_covariance(fit, design, found.means)
    together = np.zeros(hidden.size, dtype=np.int64)
    return float(covariance.of_sums(hidden, together, 1)[0] + hidden.sum())


def offset_profile_interval(
    counts: FloatArray, offset: FloatArray, fit: ModelFit, design: Design, drop: float
) -> tuple[float, float]:
    """Find the profile likelihood interval of N under an offset, for a table without strata.

    With one hidden cell the multinomial likelihood of N is that of a Poisson fit to the counts
    with N - n persons in that cell (Cormack 1992, Biometrics 48, 567-576).

    counts, offset, fit, design: as of `fit_with_offset`; one hidden cell
    drop: half the chi-squared quantile of the level wanted
    Returns low, high: persons, n <= low <= high; `high` is infinite where the likelihood stays
        above the cut
    Raises ArithmeticError: where an inner fit did not end
    """
    found = fit_with_offset(counts, offset, fit, design)
    spread_of_log = hidden_variance_given_offset(found, fit, design) ** 0.5 / found.means[0]
    inside = fit.face.copy()
    inside[0] = True
    n, completed = float(counts.sum()), counts.copy()
    problem = _problem(completed, offset, inside, fit, design)
    b = found.coefficients

    first = b
    means, change = found.means[fit.face], np.zeros(counts.size)

    def value(log_hidden: float) -> float:
        nonlocal b
        completed[0] = hidden = exp(log_hidden)
        b, _ = _maximize(b, problem)
        change[:] = _predictor(b - first, problem)
        unseen = found.means[0] * exp(change[0])
        rise = rise_of_deviance(means, change[fit.face])
        return orderings(n, hidden) - rise - float(misfit(hidden, unseen))

    return FunctionCurve(value, n, float(found.means[0]), spread_of_log).ends(drop)
