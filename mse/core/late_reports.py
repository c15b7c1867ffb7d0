"""Registrations that are still to come: how late they are, and tables completed by those expected."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import BoolArray, FloatArray, IntArray

#: A list borrows from all lists together as much as so many registrations of its own would say.
BORROWED = 5.0
#: Precision of the prior of a coefficient of two lists or of a covariate: standard deviations of 3 and 5, on the
#: log scale, keep those finite that a pair without overlap would send to minus infinity.
PAIR_PRECISION, OTHER_PRECISION = 1 / 9, 1 / 25
#: How far the share that a list reaches moves from one period to the next, before anything is seen (log scale), and
#: how many differences that is worth.
DRIFT, DRIFT_WORTH = 0.25, 2.0
#: Standard deviation, log scale, of how delays are stretched in a period, before anything is seen, and its worth.
STRETCH, STRETCH_WORTH = 0.1, 2.0
#: Stretches that are tried: so many on a grid, as far as so many standard deviations.
TRIED, FAR = 61, 4.0
#: A share of the delays may be anything: one that was never seen so long does not rule out that all are longer.
ANY_DELAY = 0.01
#: Least spread of the numbers of neighboring months, log scale.
LEAST_MONTHLY = 0.1
#: Fisher scoring ends when a step promises less of the log posterior, or after so many steps.
STEPS, HALVINGS, GAIN = 60, 30, 1e-5


# How late registrations are -----------------------------------------------------------------------


def reporting_shares(
    delay: FloatArray,
    age: FloatArray,
    register: IntArray,
    weight: FloatArray,
    n_lists: int,
    edges: FloatArray,
) -> FloatArray:
    """Find the share of the registrations of each list that is in after some times, (K, E).

    delay, age: (R,) months from the event until the registration came in, and until now: ``delay < age``
    register, weight: (R,) list of each, and how often it counts
    edges: (E,) times in months, from 0 up to the one after which nothing more comes

    What came in was not later than now, so delays are truncated on the right. Looking back in time they are not:
    of those that came before a time, the share that came in the last stretch before it is estimated from events at
    least so long ago, and F is the product of one less those shares (Kalbfleisch & Lawless 1991; Lawless 1994). A
    list with few registrations borrows from all of them.
    """
    stretches = len(edges) - 1
    place = np.searchsorted(edges, delay, side="right") - 1
    came, within = np.zeros((2, n_lists, stretches))
    for d in range(stretches):
        known = (age >= edges[d + 1]) & (place <= d)
        within[:, d] = np.bincount(register[known], weight[known], n_lists)
        now = known & (place == d)
        came[:, d] = np.bincount(register[now], weight[now], n_lists)
    of_all = came.sum(axis=0) / np.maximum(within.sum(axis=0), 1e-12)
    hazard = (came + BORROWED * of_all) / (within + BORROWED)
    shares = np.ones((n_lists, stretches + 1))
    for d in range(stretches - 1, -1, -1):
        shares[:, d] = shares[:, d + 1] * (1 - hazard[:, d])
    shares[:, 0] = 0.0
    return shares


def stretch_of(mean: FloatArray, variance: FloatArray) -> tuple[float, float]:
    """Find how far periods differ in how late lists report: the sum of squares that is no chance, and its worth.

    mean, variance: (K, T) log of the mean delay of each list in complete periods, and its variance; NaN where there
        are too few registrations
    """
    total, number = STRETCH_WORTH * STRETCH**2, STRETCH_WORTH
    for each, chance in zip(mean, variance, strict=True):
        known = np.isfinite(each)
        if known.sum() < 2:
            continue
        worth = (known.sum() - 1) * STRETCH**2 / (STRETCH**2 + chance[known].mean())
        total += worth * max(np.var(each[known], ddof=1) - chance[known].mean(), 0.0)
        number += worth
    return float(total), float(number)


def drawn_stretch(
    shares: FloatArray,
    edges: FloatArray,
    delay: FloatArray,
    age: FloatArray,
    spread: float,
    rng: np.random.Generator,
) -> float:
    """Draw how far the delays of one list are stretched in a period, log scale, given those that are in.

    shares: (E,) in after the times `edges`, in all periods
    delay, age: (R,) of the period, ``delay < age``; spread: standard deviation before these are seen
    """
    standard = np.linspace(-FAR, FAR, TRIED)
    weight = -0.5 * standard**2
    slopes = np.append(np.diff(shares) / np.diff(edges), 0.0)
    even = 1 / edges[-1]
    for at, each in enumerate(standard * spread):
        x, most = delay * np.exp(-each), age * np.exp(-each)
        density = (1 - ANY_DELAY) * slopes[np.searchsorted(edges, x, side="right") - 1]
        reached = (1 - ANY_DELAY) * np.interp(most, edges, shares)
        reached = reached + ANY_DELAY * np.minimum(most * even, 1.0)
        weight[at] += np.log(density + ANY_DELAY * even).sum() - each * len(x)
        weight[at] -= np.log(reached).sum()
    chance = np.exp(weight - weight.max())
    return float(rng.choice(standard * spread, p=chance / chance.sum()))


# Who is on which list in the end, where some registrations are still to come ---------------------------


class Reported(NamedTuple):
    """What is in of one period: persons by the lists that reported them, stratum and month of the event."""

    counts: FloatArray  # (H, S, A) with H = 2**K histories; A is 1 where months make no difference
    share: FloatArray  # (K, A) of the registrations of each list that is in
    even: FloatArray  # (A,) share of the events expected in each month


class Columns(NamedTuple):
    """Parameters of the log-linear model of who is on which list in the end."""

    of_cell: FloatArray  # (T, H, S, P) columns of the cells in each period
    precision: FloatArray  # (P,) of their prior
    drifting: IntArray  # (K, T) parameters of list and period


def two_way_columns(n_lists: int, n_periods: int, levels: tuple[int, ...]) -> Columns:
    """Make the columns of all two-way terms of lists, period and covariates.

    levels: of the covariates beside the period; their product is S
    """
    lists, strata = codes_of((2,) * n_lists), codes_of(levels)
    n_strata = strata.shape[0]
    dummies: list[list[FloatArray]] = [
        [np.eye(n_periods)[:, [t]][:, None, None, :] for t in range(n_periods)]
    ]
    dummies += [[lists[None, :, None, [k]].astype(float)] for k in range(n_lists)]
    dummies += [
        [(strata[:, [d]] == level)[None, None].astype(float) for level in range(1, size)]
        for d, size in enumerate(levels)
    ]
    shape = (n_periods, 2**n_lists, n_strata, 1)
    found, precision, drifting = [], [], np.zeros((n_lists, n_periods), dtype=np.int64)
    for one, each in enumerate(dummies):
        if one == 0 or one > n_lists:
            found += [np.broadcast_to(column, shape) for column in each]
            precision += [1e-6 if one == 0 else OTHER_PRECISION] * len(each)
        for other in range(one + 1, len(dummies)):
            pair = one >= 1 and other <= n_lists
            for a, first in enumerate(each):
                for second in dummies[other]:
                    if one == 0 and other <= n_lists:
                        drifting[other - 1, a] = len(found)
                    found.append(np.broadcast_to(first * second, shape))
                    precision.append(PAIR_PRECISION if pair else OTHER_PRECISION)
    weights = np.array(precision)
    weights[drifting] = 1e-6
    return Columns(np.concatenate(found, axis=-1), weights, drifting)


def codes_of(sizes: tuple[int, ...]) -> IntArray:
    """Codes of the cells of a tensor, (cells, axes)."""
    return (
        np.indices(sizes).reshape(len(sizes), -1).T if sizes else np.zeros((1, 0), dtype=np.int64)
    )


def thinned(means: FloatArray, share: FloatArray) -> FloatArray:
    """Expect who is in, where a list has reported a share: (H, A, ...) from histories in the end to those now.

    means: (H, A, ...) expected persons; share: (K, A)
    """
    n_lists, months = share.shape
    rest = means.shape[2:]
    found = means.reshape(*(2,) * n_lists, months, *rest)
    for k in range(n_lists):
        off, on = np.moveaxis(found, k, 0)
        part = share[k].reshape(months, *(1,) * len(rest))
        found = np.stack([off + (1 - part) * on, part * on], axis=k)
    return found.reshape(means.shape)


class Fitted(NamedTuple):
    """Posterior of the parameters, as a normal one around its mode."""

    mode: FloatArray  # (P,)
    root: FloatArray  # lower triangle L of the precision L L'


def fit_reported(
    periods: list[Reported],
    columns: Columns,
    drift: float,
    monthly: float,
    start: FloatArray | None = None,
) -> Fitted:
    """Fit who is on which list in the end to what is in, by Fisher scoring.

    drift, monthly: standard deviations, log scale, of the share that a list reaches between neighboring periods, and
        of the number of events in a month around the expected one
    The months of a period, where it has several, have parameters of their own, after those of `columns`.
    """
    penalty = _penalty(periods, columns, drift, monthly)
    at = _start(periods, columns, penalty) if start is None else start
    value, score, information = _expected(periods, columns, at, penalty)
    for _ in range(STEPS):
        step = np.linalg.solve(information + penalty, score)
        gain = float(score @ step)
        if gain < GAIN:
            break
        for _ in range(HALVINGS):
            reached, its_score, its_information = _expected(periods, columns, at + step, penalty)
            if reached >= value:
                break
            step = step / 2
        else:
            break
        at, value, score, information = at + step, reached, its_score, its_information
    return Fitted(at, np.asarray(np.linalg.cholesky(information + penalty)))


def months_of(periods: list[Reported]) -> Iterator[tuple[int, slice]]:
    """Find the parameters of the months of each period that has several."""
    begin = 0
    for t, each in enumerate(periods):
        months = len(each.even)
        if months > 1:
            yield t, slice(begin, begin + months)
            begin += months


def _penalty(periods: list[Reported], columns: Columns, drift: float, monthly: float) -> FloatArray:
    """Precision of the prior: coefficients near zero, lists that drift from period to period, months."""
    extra = sum(where.stop - where.start for _, where in months_of(periods))
    found = np.diag(np.concatenate([columns.precision, np.full(extra, monthly**-2)]))
    for each in columns.drifting:
        for first, last in pairwise(each):
            found[np.ix_([first, last], [first, last])] += np.array([[1, -1], [-1, 1]]) / drift**2
    return found


def _start(periods: list[Reported], columns: Columns, penalty: FloatArray) -> FloatArray:
    """Begin with weighted least squares on the logs of what is in, as if that were all."""
    p = len(columns.precision)
    information, score = penalty[:p, :p].copy(), np.zeros(p)
    for t, each in enumerate(periods):
        counts = each.counts.sum(axis=2)[1:].ravel() + 0.1
        x = columns.of_cell[t, 1:].reshape(-1, p)
        information += (x * counts[:, None]).T @ x
        score += x.T @ (counts * np.log(counts))
    return np.concatenate([np.linalg.solve(information, score), np.zeros(len(penalty) - p)])


def _expected(
    periods: list[Reported], columns: Columns, at: FloatArray, penalty: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Log posterior, its gradient and the expected information of the data."""
    p = len(columns.precision)
    value, score, information = 0.0, np.zeros(len(at)), np.zeros((len(at), len(at)))
    months = dict(months_of(periods))
    for t, each in enumerate(periods):
        where, everything = months.get(t), bool((each.share == 1).all())
        mean = cell_means(
            each, columns.of_cell[t], at[:p], None if where is None else at[p:][where]
        )
        used = np.arange(p) if where is None else np.r_[0:p, p + where.start : p + where.stop]
        for s in range(mean.shape[1]):
            fitted, slopes = mean[:, s], mean[:, s, :, None] * columns.of_cell[t, :, s][:, None, :]
            if where is not None:
                of_months = fitted[..., None] * np.eye(len(each.even))
                slopes = np.concatenate([slopes, of_months], axis=2)
            if not everything:
                fitted, slopes = thinned(fitted, each.share), thinned(slopes, each.share)
            mu, n = fitted[1:].ravel(), each.counts[1:, s].ravel()
            d = slopes[1:].reshape(len(mu), -1)
            seen = mu > 0
            mu, n, d = mu[seen], n[seen], d[seen]
            value += float(n @ np.log(mu) - mu.sum())
            score[used] += d.T @ (n / mu - 1)
            information[np.ix_(used, used)] += (d / mu[:, None]).T @ d
    bent = penalty @ at
    finite = np.isfinite(value) and np.isfinite(information).all()
    return (value - float(at @ bent) / 2 if finite else -np.inf), score - bent, information


def cell_means(
    reported: Reported, columns: FloatArray, at: FloatArray, months: FloatArray | None = None
) -> FloatArray:
    """Expect persons by history in the end, stratum and month, (H, S, A); nobody is on no list."""
    with np.errstate(over="ignore"):
        mean = np.exp(np.minimum(columns @ at, 500.0))[..., None] * reported.even
        if months is not None:
            mean = mean * np.exp(np.minimum(months, 500.0))
    mean[0] = 0.0
    return np.asarray(mean)


def drift_of(fitted: Fitted, columns: Columns, complete: BoolArray) -> tuple[float, float]:
    """Find how far lists drift between complete periods: the sum of squares that is no chance, and its worth.

    complete: (T,) periods of which everything is in
    """
    covariance = np.linalg.inv(fitted.root @ fitted.root.T)
    total, number = DRIFT_WORTH * DRIFT**2, DRIFT_WORTH
    for each in columns.drifting:
        for first, last, known in zip(
            each[:-1], each[1:], complete[:-1] & complete[1:], strict=True
        ):
            if not known:
                continue
            chance = covariance[first, first] + covariance[last, last] - 2 * covariance[first, last]
            moved = (fitted.mode[last] - fitted.mode[first]) ** 2
            # A difference that the data hardly tell says as little of the drift.
            worth = DRIFT**2 / (DRIFT**2 + max(chance, 0.0))
            total += worth * max(moved - max(chance, 0.0), 0.0)
            number += worth
    return total, number


def monthly_of(counts: FloatArray) -> float:
    """Find how far the numbers of events of complete months lie apart beyond chance, log scale.

    counts: (T, A) persons by period and month
    """
    mean = counts.mean(axis=1, keepdims=True)
    if counts.shape[0] == 0 or counts.shape[1] < 2 or not (mean > 0).all():
        return 0.3
    apart = ((counts / mean - 1) ** 2).sum(axis=1) / (counts.shape[1] - 1) - 1 / mean[:, 0]
    return float(max(np.sqrt(max(apart.mean(), 0.0)), LEAST_MONTHLY))


def completed(reported: Reported, mean: FloatArray, rng: np.random.Generator) -> IntArray:
    """Draw who is on which list in the end, given who is in, (H, S) persons.

    mean: (H, S, A) expected persons by history in the end
    """
    found = np.zeros(mean.shape[:2], dtype=np.int64)
    chance = _reported_given(reported.share)
    missing = rng.poisson(mean * chance[0].T[:, None, :])
    found += missing.sum(axis=2)
    for now, s, a in np.argwhere(reported.counts[1:] > 0):
        weights = mean[:, s, a] * chance[now + 1, a]
        total = weights.sum()
        number = int(reported.counts[now + 1, s, a])
        if total > 0:
            found[:, s] += rng.multinomial(number, weights / total)
        else:
            found[now + 1, s] += number
    return found


def _reported_given(share: FloatArray) -> FloatArray:
    """Chance of the lists that are in, given those in the end: (H now, A, H in the end)."""
    n_lists, months = share.shape
    chance = np.ones((1, months, 1))
    for k in range(n_lists):
        one = np.zeros((2, months, 2))
        one[0, :, 0] = 1.0
        one[0, :, 1], one[1, :, 1] = 1 - share[k], share[k]
        chance = np.einsum("gah,iaj->giahj", chance, one).reshape(
            2 * chance.shape[0], months, 2 * chance.shape[2]
        )
    return chance
