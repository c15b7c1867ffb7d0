"""Counts of which zeros are never seen: densities of how often persons are seen once they are, and their maxima.

Behind each count y stands a negative binomial with mean l = exp(x'b) and variance l + A l^2, of which the
Poisson (A = 0) and the geometric (A = 1) are members:

    log f(y) = sum_{j<y} log(1 + A j) - log y! + y log l - y log(1 + A l) - T,   T = log(1 + A l) / A = -log f(0)

What is seen of it is one of the `SHAPES`. With w the log odds of a share p:

    truncated       f(y) / (1 - f0)                                              y = 1, 2, ...
    before          g(y) / (1 - g0), g = p at one and (1 - p) f                   ones added, then zeros lost
    after           p at one and (1 - p) f(y) / (1 - f0)                          zeros lost, then ones added
    hurdle_before   g(y) / (1 - g0), g(1) = p, g(y) = (1 - p) f(y) / (1 - f1)     y = 0, 2, 3, ...
    hurdle_after    p at one and (1 - p) f(y) / (1 - f0 - f1)                     y = 2, 3, ...
    zero_one        f(y) / (1 - f0 - f1)                                         persons seen twice or more
    chao            f(y) / (f1 + f2)                                             persons seen once or twice
    zelterman       as chao; who is hidden is read off f0 / (1 - f0)

(Boehning & Friedl 2021 for the two orders of inflation and truncation; Boehning et al. 2013 for covariates in
chao and zelterman, whose coefficients are those of log(l / 2).) Each person in the shape stands for q / (1 - q)
hidden ones, q the chance to be hidden; in chao for f0 / (f1 + f2), in zero_one for f0 / (1 - f0 - f1).

Everything is computed with first and second derivatives in the three predictors (log l, log A, w), carried
along as a tuple of ten numbers: value, gradient, and the upper triangle of the Hessian. So a further shape is
a line of formulas, and its derivatives are exact.
"""

from __future__ import annotations

from math import exp, expm1, inf, log, log1p
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core.newton import cholesky, cholesky_solve

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray

#: What is seen of a count, in the order of their codes.
SHAPES = (
    "truncated",
    "before",
    "after",
    "hurdle_before",
    "hurdle_after",
    "zero_one",
    "chao",
    "zelterman",
)
_TRUNCATED, _BEFORE, _AFTER, _HURDLE_BEFORE, _HURDLE_AFTER, _ZERO_ONE, _CHAO, _ZELTERMAN = range(8)
#: Counts that are in the likelihood of a shape, from and up to.
SUPPORT = {"zero_one": (2, inf), "chao": (1, 2), "zelterman": (1, 2)}
#: Shapes with a share of ones.
INFLATED = ("before", "after", "hurdle_before", "hurdle_after")

#: Squared Newton decrement at which a fit ends: one more step would change the log likelihood by half of it.
DECREMENT = 1e-11
MOST_STEPS = 200
#: A step of Newton's method moves no predictor by more: exponentials stay finite.
LONGEST_STEP = 5.0
_LOG2 = log(2.0)
_NONE = (0.0,) * 10


class Seen(NamedTuple):
    """Persons seen, in rows that share their covariates and their count.

    design: (R, P), covariates of the mean, each column scaled to 1 at most
    times: (R,), how often; 1 or more
    persons: (R,), persons of each row; fractions and zeros are fine
    """

    design: FloatArray
    times: IntArray
    persons: FloatArray


class Climbed(NamedTuple):
    """End of a climb on the log likelihood.

    theta: (P + 2,), coefficients of log l, then log A and w; -inf and inf where they are fixed there
    log_likelihood: its value
    information: (P + 2, P + 2), minus its second derivatives
    converged: whether it ended where the gradient vanishes and the curvature is negative
    """

    theta: FloatArray
    log_likelihood: float
    information: FloatArray
    converged: bool


# Numbers with their derivatives in three predictors ----------------------------------------------


@kernel(error_model="numpy")
def _chain(j, value, first, second):  # type: ignore[no-untyped-def]
    """Apply a function to a number with derivatives, given its value and derivatives there."""
    return (
        value,
        first * j[1],
        first * j[2],
        first * j[3],
        first * j[4] + second * j[1] * j[1],
        first * j[5] + second * j[1] * j[2],
        first * j[6] + second * j[1] * j[3],
        first * j[7] + second * j[2] * j[2],
        first * j[8] + second * j[2] * j[3],
        first * j[9] + second * j[3] * j[3],
    )


@kernel(error_model="numpy")
def _plus(i, j, scale):  # type: ignore[no-untyped-def]
    """Add a multiple of a number to another."""
    return (
        i[0] + scale * j[0],
        i[1] + scale * j[1],
        i[2] + scale * j[2],
        i[3] + scale * j[3],
        i[4] + scale * j[4],
        i[5] + scale * j[5],
        i[6] + scale * j[6],
        i[7] + scale * j[7],
        i[8] + scale * j[8],
        i[9] + scale * j[9],
    )


@kernel(error_model="numpy")
def _softplus(j, sign):  # type: ignore[no-untyped-def]
    """log(1 + exp(sign * j)), stable."""
    x = sign * j[0]
    small = exp(-abs(x))
    p = 1.0 / (1.0 + small) if x >= 0 else small / (1.0 + small)
    return _chain(j, max(x, 0.0) + log1p(small), sign * p, small / (1.0 + small) ** 2)


@kernel(error_model="numpy")
def _log_rest(j):  # type: ignore[no-untyped-def]
    """log(1 - exp(j)) for j < 0: the log of what a probability leaves."""
    x = -j[0]
    if not x > 0.0:
        return _chain(j, -np.inf, np.nan, np.nan)
    value = log(-expm1(-x)) if x < _LOG2 else log1p(-exp(-x))
    odds = exp(-x) / -expm1(-x)
    return _chain(j, value, -odds, -odds * (1.0 + odds))


@kernel(error_model="numpy")
def _mean_part(eta, log_a):  # type: ignore[no-untyped-def]
    """log(1 + A l) and T = -log f(0), with derivatives in log l and log A."""
    mean = exp(eta)
    s = mean * exp(log_a)
    share = s / (1.0 + s)
    bend = share / (1.0 + s)
    spread = (log1p(s), share, share, 0.0, bend, bend, 0.0, bend, 0.0, 0.0)
    t = mean * (log1p(s) / s if s > 0.0 else 1.0)
    slope = mean / (1.0 + s)
    curve = slope * share
    nobody = (t, slope, slope - t, 0.0, slope / (1.0 + s), -curve, 0.0, t - slope - curve, 0.0, 0.0)
    return spread, nobody


@kernel(error_model="numpy")
def _shares(w):  # type: ignore[no-untyped-def]
    """Log of a share and of what it leaves, from its log odds."""
    third = (w, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    return (
        third,
        _plus(_NONE, _softplus(third, -1.0), -1.0),
        _plus(_NONE, _softplus(third, 1.0), -1.0),
    )


@kernel(error_model="numpy")
def _with_ones(one, nobody, w, shape):  # type: ignore[no-untyped-def]
    """Give what `_densities` does of the shapes with a share of ones."""
    third, share, others = _shares(w)
    if shape == _AFTER:
        rest = _plus(others, _log_rest(_plus(_NONE, nobody, -1.0)), -1.0)
        ones = _plus(_plus(_plus(one, rest, 1.0), others, -1.0), third, -1.0)
        hidden = _plus(_plus(rest, others, -1.0), nobody, -1.0)
        return _plus(share, _softplus(ones, 1.0), 1.0), rest, hidden
    if shape == _BEFORE:
        ones = _plus(share, _softplus(_plus(one, third, -1.0), 1.0), 1.0)
        lost = _log_rest(_plus(others, nobody, -1.0))
        rest = _plus(others, lost, -1.0)
        return _plus(ones, lost, -1.0), rest, _plus(rest, nobody, -1.0)
    if shape == _HURDLE_BEFORE:
        not_one = _plus(others, _log_rest(one), -1.0)
        lost = _log_rest(_plus(not_one, nobody, -1.0))
        rest = _plus(not_one, lost, -1.0)
        return _plus(share, lost, -1.0), rest, _plus(rest, nobody, -1.0)
    more = _log_more(one, nobody)
    return share, _plus(others, more, -1.0), _plus(_plus(_NONE, nobody, -1.0), more, -1.0)


@kernel(error_model="numpy")
def _log_more(one, nobody):  # type: ignore[no-untyped-def]
    """log(1 - f0 - f1), where f0 + f1 is f0 (1 + f1 / f0)."""
    return _log_rest(_plus(_softplus(_plus(one, nobody, 1.0), 1.0), nobody, -1.0))


@kernel(error_model="numpy")
def _densities(eta, log_a, w, shape):  # type: ignore[no-untyped-def]
    """Compute what the rows with one predictor share, each part with derivatives.

    Returns log(1 + A l), T, the log chance of a one, what is added to log f(y) for more than one, and the log
    of the hidden persons that each person in the shape stands for.
    """
    spread, nobody = _mean_part(eta, log_a)
    first = (eta, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    one = _plus(_plus(first, spread, -1.0), nobody, -1.0)
    if _BEFORE <= shape <= _HURDLE_AFTER:
        once, rest, hidden = _with_ones(one, nobody, w, shape)
        return spread, nobody, once, rest, hidden
    if shape == _ZERO_ONE:
        rest = _plus(_NONE, _log_more(one, nobody), -1.0)
        return spread, nobody, _NONE, rest, _plus(rest, nobody, -1.0)
    rest = _plus(_NONE, _log_rest(_plus(_NONE, nobody, -1.0)), -1.0)
    hidden = _plus(rest, nobody, -1.0)
    if shape == _TRUNCATED:
        return spread, nobody, _plus(one, rest, 1.0), rest, hidden
    odds = (eta - _LOG2, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    once = _plus(_NONE, _softplus(odds, 1.0), -1.0)
    if shape == _CHAO:
        hidden = _plus(once, first, -1.0)
    return spread, nobody, once, _plus(once, one, -1.0), hidden


@kernel(error_model="numpy")
def _row(y, eta, log_a, w, shape, table):  # type: ignore[no-untyped-def]
    """Log likelihood of one person seen y times, with derivatives."""
    spread, nobody, once, rest, _ = _densities(eta, log_a, w, shape)
    if y == 1:
        return once
    first = (
        table[0, y] + y * eta, float(y), table[1, y], 0.0, 0.0, 0.0, 0.0, table[2, y], 0.0, 0.0,
    )  # fmt: skip
    return _plus(_plus(_plus(first, spread, -float(y)), nobody, -1.0), rest, 1.0)


@kernel(error_model="numpy")
def _constants(log_a, most):  # type: ignore[no-untyped-def]
    """Sum over j < y of log(1 + A j) less log y!, and its first two derivatives in log A: (3, most + 1)."""
    table = np.zeros((3, most + 1))
    for y in range(1, most + 1):
        s = exp(log_a) * (y - 1)
        table[0, y] = table[0, y - 1] + log1p(s) - log(y)
        table[1, y] = table[1, y - 1] + s / (1.0 + s)
        table[2, y] = table[2, y - 1] + s / (1.0 + s) ** 2
    return table


@kernel(error_model="numpy")
def _predictor(row, theta, shape):  # type: ignore[no-untyped-def]
    eta = _LOG2 if shape >= _CHAO else 0.0
    for k in range(row.size):
        eta += row[k] * theta[k]
    return eta


@kernel(error_model="numpy")
def _evaluate(design, times, persons, theta, shape, free, gradient, hessian):  # type: ignore[no-untyped-def]
    """Log likelihood; its gradient and Hessian are put into arrays, the latter in its lower triangle."""
    p = design.shape[1]
    table = _constants(theta[p], times.max())
    gradient[:], hessian[:] = 0.0, 0.0
    total = 0.0
    for i in range(times.size):
        weight = persons[i]
        if weight == 0.0:
            continue
        x = design[i]
        j = _row(times[i], _predictor(x, theta, shape), theta[p], theta[p + 1], shape, table)
        total += weight * j[0]
        for k in range(p):
            gradient[k] += weight * j[1] * x[k]
            bend = weight * j[4] * x[k]
            for m in range(k + 1):
                hessian[k, m] += bend * x[m]
        if free[p]:
            gradient[p] += weight * j[2]
            hessian[p, p] += weight * j[7]
            for k in range(p):
                hessian[p, k] += weight * j[5] * x[k]
        if free[p + 1]:
            gradient[p + 1] += weight * j[3]
            hessian[p + 1, p + 1] += weight * j[9]
            hessian[p + 1, p] += weight * j[8]
            for k in range(p):
                hessian[p + 1, k] += weight * j[6] * x[k]
    return total


@kernel(error_model="numpy")
def _direction(gradient, hessian, chosen, step):  # type: ignore[no-untyped-def]
    """Solve for Newton's step over the free parameters; a ridge where the likelihood is not concave.

    Returns the squared decrement, and whether there was no ridge.
    """
    q = chosen.size
    ridge, largest = 0.0, 1e-8
    for i in range(q):
        largest = max(largest, abs(hessian[chosen[i], chosen[i]]))
    matrix, solved = np.empty((q, q)), np.empty(q)
    for _ in range(60):
        for i in range(q):
            solved[i] = gradient[chosen[i]]
            for j in range(i + 1):
                high, low = max(chosen[i], chosen[j]), min(chosen[i], chosen[j])
                matrix[i, j] = -hessian[high, low]
            matrix[i, i] += ridge
        if cholesky(matrix, q):
            cholesky_solve(matrix, q, solved)
            break
        ridge = 1e-4 * largest if ridge == 0.0 else 4.0 * ridge
    squared = 0.0
    step[:] = 0.0
    for i in range(q):
        step[chosen[i]] = solved[i]
        squared += solved[i] * gradient[chosen[i]]
    return squared, ridge == 0.0


@kernel(error_model="numpy")
def _longest(design, persons, step):  # type: ignore[no-untyped-def]
    """Largest change of a predictor by a step."""
    p = design.shape[1]
    most = max(abs(step[p]), abs(step[p + 1]))
    for i in range(persons.size):
        if persons[i] != 0.0:
            moved = 0.0
            for k in range(p):
                moved += design[i, k] * step[k]
            most = max(most, abs(moved))
    return most


@kernel(error_model="numpy")
def _climb(design, times, persons, theta, shape, free):  # type: ignore[no-untyped-def]
    """Climb from theta, in place, by Newton's method with step halving."""
    size = theta.size
    chosen = np.flatnonzero(free)
    gradient, hessian, step = np.empty(size), np.empty((size, size)), np.empty(size)
    value = _evaluate(design, times, persons, theta, shape, free, gradient, hessian)
    for _ in range(MOST_STEPS):
        if not np.isfinite(value):
            break
        squared, concave = _direction(gradient, hessian, chosen, step)
        if concave and squared < DECREMENT:
            return value, hessian, True
        t = min(1.0, LONGEST_STEP / max(_longest(design, persons, step), 1e-300))
        before = theta.copy()
        for _ in range(40):
            theta[:] = before + t * step
            moved = _evaluate(design, times, persons, theta, shape, free, gradient, hessian)
            if moved >= value - 1e-13 * abs(value):
                break
            t *= 0.5
        else:
            theta[:] = before
            _evaluate(design, times, persons, theta, shape, free, gradient, hessian)
            # Rounding of a sum: no step is uphill any more.
            return value, hessian, concave and squared < 1e-6
        value = moved
    return value, hessian, False


@kernel(error_model="numpy")
def _hidden(design, theta, shape, log_odds, slopes):  # type: ignore[no-untyped-def]
    p = design.shape[1]
    for i in range(design.shape[0]):
        eta = _predictor(design[i], theta, shape)
        j = _densities(eta, theta[p], theta[p + 1], shape)[4]
        log_odds[i] = j[0]
        for k in range(3):
            slopes[i, k] = j[k + 1]


@kernel(error_model="numpy")
def _chances(design, theta, shape, most, found):  # type: ignore[no-untyped-def]
    """Chances of those seen to be seen 1, ..., most times: (R, most)."""
    p = design.shape[1]
    table = _constants(theta[p], most)
    for i in range(design.shape[0]):
        eta = _predictor(design[i], theta, shape)
        for y in range(1, most + 1):
            found[i, y - 1] = exp(_row(y, eta, theta[p], theta[p + 1], shape, table)[0])


# What Python calls -------------------------------------------------------------------------------


def climb(seen: Seen, theta: FloatArray, free: BoolArray, shape: str) -> Climbed:
    """Find a maximum of the log likelihood of a shape by Newton's method.

    seen: rows; those outside the support of the shape are left out
    theta: (P + 2,), where the climb starts; what is not free stays there
    free: (P + 2,), parameters that move
    shape: one of `SHAPES`
    """
    found = np.array(theta, dtype=np.float64)
    inside = in_likelihood(shape, seen.times)
    persons = np.where(inside, seen.persons, 0.0)
    value, hessian, converged = _climb(
        seen.design, seen.times, persons, found, SHAPES.index(shape), free
    )
    lower = np.tril(hessian)
    whole = lower + np.tril(lower, -1).T
    return Climbed(found, float(value), -whole, bool(converged))


def in_likelihood(shape: str, times: IntArray) -> BoolArray:
    """Which counts are in the likelihood of a shape."""
    low, high = SUPPORT.get(shape, (1, inf))
    return np.asarray((times >= low) & (times <= high))


def stands_for(shape: str, times: IntArray) -> BoolArray:
    """Which persons stand for hidden ones: those in the likelihood; with zelterman all."""
    return (
        np.ones(times.size, dtype=np.bool_) if shape == "zelterman" else in_likelihood(shape, times)
    )


def hidden_each(design: FloatArray, theta: FloatArray, shape: str) -> tuple[FloatArray, FloatArray]:
    """Hidden persons that one person with each row of covariates stands for, and log derivatives.

    design: (R, P), covariates
    theta: (P + 2,), parameters
    Returns (R,), persons; and (R, P + 2), derivatives of their logs in the parameters
    """
    log_odds, slopes = np.empty(len(design)), np.empty((len(design), 3))
    _hidden(design, theta, SHAPES.index(shape), log_odds, slopes)
    return np.exp(log_odds), np.hstack([slopes[:, :1] * design, slopes[:, 1:]])


def chances(design: FloatArray, theta: FloatArray, shape: str, most: int) -> FloatArray:
    """Chances of the persons of a shape to be seen 1, 2, ... times: (R, most).

    design: (R, P), covariates
    theta: (P + 2,), parameters
    most: the largest count asked for
    """
    found = np.empty((len(design), most))
    _chances(np.ascontiguousarray(design), theta, SHAPES.index(shape), most, found)
    low, high = SUPPORT.get(shape, (1, inf))
    found[:, : low - 1] = 0.0
    found[:, int(min(high, most)) :] = 0.0
    return found
