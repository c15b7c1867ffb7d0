"""Fits of counts without zeros: whether the likelihood has a maximum, where, and what is hidden there.

A likelihood that rises towards an edge of its parameters has no maximum inside. The edges are fitted as well,
as models of their own, and the highest of all is what the data say:

* A at zero: the Poisson. An estimate, at the boundary.
* A without bound, A l fixed: the logarithmic series, in which the hidden are infinitely many. No estimate.
* no inflation: the model without it. An estimate, at the boundary.

In the coefficients a direction d along which the likelihood never falls tells that there is no maximum: with
x'd = 0 for whoever was seen more than the smallest number of times and x'd <= 0 for the others (Albert &
Anderson 1984, Biometrika 71, 1-10, for logistic models; the same argument holds wherever the smallest count
becomes certain as the mean vanishes). It takes means to zero, and the hidden beyond all bounds. Where the
log likelihood is concave a linear program decides; it is asked only where a fit went so far that its means
are next to nothing, since a climb along such a direction does not end before.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.linalg import qr
from scipy.optimize import linprog

from mse.core._threads import one_thread
from mse.core.truncated import (
    INFLATED,
    Climbed,
    Seen,
    climb,
    hidden_each,
    in_likelihood,
    stands_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import BoolArray, FloatArray, IntArray, Limit

#: Edges at which a likelihood may be highest, and what is wrong where there is no estimate.
Edge: TypeAlias = Literal[
    "", "poisson", "log_series", "no_inflation", "separated", "seldom", "unspanned", "certain"
]
#: A mean of e^-15 or less: a climb along a direction without a maximum ends beyond, see `DECREMENT`.
EXTREME = 15.0
#: A log likelihood that is higher by less is not higher.
TIE = 1e-6
#: The logarithmic series, in all digits, and no inflation.
LARGE_A, NO_SHARE = 30.0, -35.0
#: Singular values and coefficients of scaled columns below this are rounding.
RANK_TOLERANCE = 1e-9
#: The linear program is solved to 1e-7.
MOVED = 1e-6


class Ended(NamedTuple):
    """What came of a fit.

    theta: (P + 2,), as of `Climbed`
    log_likelihood: at theta
    free: (P + 2,), parameters that the fit determined; the others are at an edge, or fixed
    information: (P + 2, P + 2)
    limit: where the hidden number goes
    edge: at which edge the fit is, or why there is none
    converged: whether the computation came to its end
    """

    theta: FloatArray
    log_likelihood: float
    free: BoolArray
    information: FloatArray
    limit: Limit
    edge: Edge
    converged: bool


class Hidden(NamedTuple):
    """Hidden persons by group, and how sure.

    persons: (G,)
    fitted: (G, G), covariance that comes of the parameters
    sampled: (G,), variance that is chance in who was seen
    """

    persons: FloatArray
    fitted: FloatArray
    sampled: FloatArray


class _Face(NamedTuple):
    """One edge, or the inside: where log A and w are fixed, None where they are free."""

    log_a: float | None
    w: float | None

    def free(self, size: int) -> BoolArray:
        return np.append(np.ones(size, dtype=np.bool_), [self.log_a is None, self.w is None])


def independent(design: FloatArray) -> IntArray:
    """Columns of a design that are not combinations of those before them, by their places."""
    kept: list[int] = []
    basis = np.zeros((len(design), 0))
    for j, column in enumerate(design.T):
        left = column - basis @ (basis.T @ column)
        left -= basis @ (basis.T @ left)
        size = float(np.linalg.norm(left))
        if size > RANK_TOLERANCE * max(float(np.linalg.norm(column)), 1e-300):
            kept.append(j)
            basis = np.column_stack([basis, left / size])
    return np.asarray(kept, dtype=np.int64)


@one_thread
def fitted(seen: Seen, shape: str, log_a: float | None, start: FloatArray | None = None) -> Ended:
    """Fit a shape of counts by maximum likelihood; say where there is no maximum.

    seen: rows, whose columns are independent
    shape: one of `mse.core.truncated.SHAPES`
    log_a: log A where it is known, -inf for a Poisson and 0 for a geometric; None where it is fitted
    start: (P + 2,), the fit to similar counts; without it several starts are tried
    """
    problem = _Problem(seen, shape)
    if not problem.informative:
        return problem.none("infinite", "seldom")
    # Inside, then its edges: the highest counts, and of equals the one with the fewest parameters.
    best = (_Face(log_a, 0.0), problem.nothing)
    for face in _faces(shape, log_a):
        climbed = problem.climb(face, start)
        ahead = climbed.log_likelihood - best[1].log_likelihood
        if np.isnan(best[1].log_likelihood) or ahead >= -TIE:
            best = face, climbed
    face, climbed = best
    return problem.judged(face, climbed, log_a)


def _faces(shape: str, log_a: float | None) -> Iterator[_Face]:
    """Go through the inside first, then edges with fewer and fewer free parameters."""
    spreads = (log_a,) if log_a is not None else (None, LARGE_A, -np.inf)
    shares = (0.0,)
    if shape in INFLATED:
        shares = (None, NO_SHARE) if shape in ("before", "after") else (None,)  # type: ignore[assignment]
    for share in shares:
        for spread in spreads:
            yield _Face(spread, share)


class _Problem:
    """The rows of one fit, and climbs on its likelihood."""

    def __init__(self, seen: Seen, shape: str) -> None:
        self.seen, self.shape = seen, shape
        self.size = seen.design.shape[1]
        # Where ones have a share of their own, only those seen more often tell of the mean.
        self.telling = in_likelihood(shape, seen.times) & (seen.persons > 0)
        if shape == "hurdle_after":
            self.telling = self.telling & (seen.times > 1)
        self.lowest = 2 if shape in ("zero_one", "hurdle_after") else 1
        self.informative = bool((self.telling & (seen.times > self.lowest)).any())
        size = self.size + 2
        self.nothing = Climbed(np.full(size, np.nan), np.nan, np.zeros((size, size)), False)

    def none(self, limit: Limit, edge: Edge) -> Ended:
        theta, value, information, _ = self.nothing
        return Ended(theta, value, np.zeros(theta.size, np.bool_), information, limit, edge, True)

    def climb(self, face: _Face, start: FloatArray | None) -> Climbed:
        """Climb from the given start, or from several, and take the highest end."""
        free = face.free(self.size)
        starts = [start] if start is not None else [*self._starts(face)]
        ends = [climb(self.seen, self._on(face, each), free, self.shape) for each in starts]
        if start is not None and not ends[0].converged:
            ends += [
                climb(self.seen, self._on(face, each), free, self.shape)
                for each in self._starts(face)
            ]
        return max(ends, key=lambda each: np.nan_to_num(each.log_likelihood, nan=-np.inf))

    def _on(self, face: _Face, theta: FloatArray) -> FloatArray:
        """Put fixed parameters where they are; what is free starts inside."""
        moved = theta.copy()
        for place, fixed, usual in ((-2, face.log_a, 0.0), (-1, face.w, -1.0)):
            inside = abs(moved[place]) < EXTREME
            moved[place] = (moved[place] if inside else usual) if fixed is None else fixed
        return moved

    def _starts(self, face: _Face) -> Iterator[FloatArray]:
        """Without inflation, and, where it is free, with the means of those seen more than once."""
        flat = self._flat
        spreads = (0.0, -3.0, 3.0) if face.log_a is None else (face.log_a,)
        for spread in spreads:
            beta = np.append(flat, [spread, -1.0])
            yield beta
            if face.w is None:
                zero_one = climb(self.seen, beta, _Face(spread, 0.0).free(self.size), "zero_one")
                if zero_one.converged:
                    for w in (0.0, 2.0):
                        yield np.append(zero_one.theta[:-2], [spread, w])

    @cached_property
    def _flat(self) -> FloatArray:
        """Coefficients that give everybody about the mean that the counts have."""
        weights = np.where(self.telling, self.seen.persons, 0.0)
        mean = float(weights @ self.seen.times / weights.sum()) - self.lowest
        level = np.log(max(2.0 * mean, 0.05)) - (
            np.log(2.0) if self.shape in ("chao", "zelterman") else 0.0
        )
        root = np.sqrt(weights)
        found = np.linalg.lstsq(root[:, None] * self.seen.design, root * level, rcond=None)[0]
        return np.asarray(found, dtype=np.float64)

    def judged(self, face: _Face, climbed: Climbed, log_a: float | None) -> Ended:
        """Say whether an end is a maximum, at which edge, or that there is none."""
        theta, value, information, converged = climbed
        free = face.free(self.size)
        edge: Edge = ""
        if log_a is None and theta[-2] > EXTREME:
            return self.none("infinite", "log_series")
        if log_a is None and theta[-2] < -EXTREME:
            edge, free[-2] = "poisson", False
        if self.shape in INFLATED and theta[-1] < -EXTREME:
            edge, free[-1] = "no_inflation", False
        if self.shape in INFLATED and theta[-1] > EXTREME:
            return self.none("infinite", "seldom")
        predictor = self.seen.design @ theta[:-2]
        far = self.telling & (np.abs(predictor) > EXTREME)
        if not converged or far.any():
            found = self._without_maximum(predictor)
            if found is not None:
                limit, edge = found
                if limit == "indeterminate":
                    return self.none(limit, edge)
                if limit == "infinite" and self.size == 1:
                    return self.none(limit, "seldom")
                return Ended(theta, value, free, information, limit, edge, converged=True)
        if not self._spanned():
            return self.none("indeterminate", "unspanned")
        return Ended(theta, value, free, information, "finite", edge, converged)

    def _spanned(self) -> bool:
        """Whether the likelihood tells the mean of everybody who stands for hidden persons."""
        others = stands_for(self.shape, self.seen.times) & (self.seen.persons > 0) & ~self.telling
        if not others.any():
            return True
        null = _null_space(self.seen.design[self.telling])
        return bool((np.abs(self.seen.design[others] @ null) < MOVED).all())

    def _without_maximum(self, predictor: FloatArray) -> tuple[Limit, Edge] | None:
        """Where the likelihood has no maximum in the coefficients, and why; None where it has one."""
        rows, times = self.seen.design[self.telling], self.seen.times[self.telling]
        null = _null_space(rows)
        if null.size:
            return "indeterminate", "unspanned"
        if self.shape in ("chao", "zelterman"):
            return _separated(rows, times)
        low = times == self.lowest
        if self.shape in ("truncated", "zero_one", "hurdle_after"):
            ways = _null_space(rows[~low])
            return ("infinite", "separated") if _falls(rows[low] @ ways) else None
        # Not concave: there may be a maximum, and the climb would have found it.
        return ("infinite", "separated") if (predictor[self.telling] < -EXTREME).any() else None


def _null_space(rows: FloatArray) -> FloatArray:
    """Directions, in columns, that no row sees."""
    size = rows.shape[1]
    if not len(rows):
        return np.eye(size)
    triangle = qr(rows, mode="r")[0][:size]
    _, values, directions = np.linalg.svd(triangle)
    rank = int((values > RANK_TOLERANCE * max(values.max(initial=0.0), 1e-300)).sum())
    return np.asarray(directions[rank:].T)


def _falls(rows: FloatArray) -> bool:
    """Whether some direction d has rows @ d <= 0 and not all of it zero."""
    if not rows.size:
        return False
    return _most_moved(-rows.sum(axis=0), rows) > MOVED


def _most_moved(gain: FloatArray, rows: FloatArray) -> float:
    """Find the largest gain'd over directions with -1 <= rows @ d <= 0."""
    rows = np.unique(rows, axis=0)
    bounds = np.concatenate([np.zeros(len(rows)), np.ones(len(rows))])
    solved = linprog(-gain, A_ub=np.vstack([rows, -rows]), b_ub=bounds, bounds=(None, None))
    return float(np.dot(gain, np.asarray(solved.x))) if solved.status == 0 else np.inf


def _separated(rows: FloatArray, times: IntArray) -> tuple[Limit, Edge] | None:
    """Whether covariates tell who is seen once and who twice, for some or for all."""
    signed = np.where(times[:, None] == 1, rows, -rows)
    if _most_moved(-rows[times == 1].sum(axis=0), signed) > MOVED:
        return "infinite", "separated"
    if _most_moved(rows[times == 2].sum(axis=0), signed) > MOVED:
        return "finite", "certain"
    return None


# Who is hidden -----------------------------------------------------------------------------------


@one_thread
def hidden_persons(seen: Seen, ended: Ended, shape: str, groups: IntArray, n_groups: int) -> Hidden:
    """Hidden persons by group of rows, with the covariance of the estimates.

    groups: (R,), the group of each row

    A person of the shape stands for r hidden ones, so N-hat is n plus the sum of r. Its variance has two
    parts: that of the parameters, by the delta method from the observed information, and that of who was
    seen, sum r (1 + r), since with q the chance to be hidden r (1 + r) = q / (1 - q)^2 (van der Heijden et al.
    2003, Statistical Modelling 3, 305-322, section 4). Where some of those seen stand for nobody, in chao and
    zero_one, it is the sum of (1 - p) (1 + r)^2, p the chance to be among the others (Boehning et al. 2013).
    """
    persons = np.where(stands_for(shape, seen.times), seen.persons, 0.0)
    each, slopes = hidden_each(seen.design, ended.theta, shape)
    hidden = persons * each
    jacobian = np.zeros((n_groups, slopes.shape[1]))
    np.add.at(jacobian, groups, hidden[:, None] * slopes)
    free = ended.free
    part = jacobian[:, free]
    inner = ended.information[np.ix_(free, free)]
    # Along a direction without a maximum the information vanishes, and so does what it says of other groups.
    flat = ended.edge in ("separated", "certain")
    solved = (
        np.linalg.pinv(inner, hermitian=True) @ part.T if flat else np.linalg.solve(inner, part.T)
    )
    covariance = part @ solved
    spread = persons * each * (1 + each)
    if shape in ("chao", "zero_one"):
        inside = inside_chance(seen.design, ended.theta, shape)
        spread = persons * (1 - inside) * (1 + each) ** 2
    return Hidden(_sums(groups, hidden, n_groups), covariance, _sums(groups, spread, n_groups))


def _sums(groups: IntArray, values: FloatArray, n_groups: int) -> FloatArray:
    return np.bincount(groups, values, n_groups).astype(np.float64)


def inside_chance(design: FloatArray, theta: FloatArray, shape: str) -> FloatArray:
    """Chance of a person, hidden ones included, to be among those that a shape looks at: (R,)."""
    if shape == "chao":
        mean = 2.0 * np.exp(design @ theta[:-2])
        return np.asarray(np.exp(-mean) * (mean + mean**2 / 2))
    plain = hidden_each(design, theta, "truncated")[0]
    each = hidden_each(design, theta, "zero_one")[0]
    # Where the mean is so large that nobody is hidden, everybody is among them.
    found = np.divide(plain / (1 + plain), each, out=np.ones_like(each), where=each > 0)
    return np.asarray(found)


def one_inflated_chao(twice: float, thrice: float, *, corrected: bool) -> tuple[float, float]:
    """Hidden persons from those seen twice and three times, and the variance of their number.

    Where ones may be inflated, Chao's bound is read off the next two counts, f0 = (2/9) f2^3 / f3^2; corrected
    for bias, (2/9) f2 (f2 - 1) (f2 - 2) / ((f3 + 1) (f3 + 2)) (Boehning, Kaskasamkul & van der Heijden 2019).
    The variance is that of the delta method with f0, f1, ... a multinomial of the N persons, as Chao (1987)
    has it for her own bound: sum f_j g_j^2 - (sum f_j g_j)^2 / N, g_j = 1 + d f0 / d f_j.
    """
    if corrected:
        hidden = 2 / 9 * twice * (twice - 1) * (twice - 2) / ((thrice + 1) * (thrice + 2))
        by_twice = 2 / 9 * (3 * twice**2 - 6 * twice + 2) / ((thrice + 1) * (thrice + 2))
        by_thrice = -hidden * (1 / (thrice + 1) + 1 / (thrice + 2))
    else:
        hidden = 2 / 9 * twice**3 / thrice**2
        by_twice, by_thrice = 3 * hidden / twice, -2 * hidden / thrice
    # With N persons of whom `hidden` are not seen the sums come to this, but for a square over N, which vanishes.
    # Where nobody was seen three times it might have been one: of zero the chance would be left out.
    return hidden, twice * by_twice**2 + max(thrice, 1.0) * by_thrice**2 + hidden
