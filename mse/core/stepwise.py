"""Forward selection of pairs of lists by the tail probability of their overlap.

For each pair of lists outside the model let m be the observed number of persons on both and X
a Poisson variable with mean the fitted number on both: p = min(P(X <= m), P(X >= m)). Of the pairs
whose addition leaves the model estimable the one with the smallest p below a threshold is
added, ties by position (Chan, Silverman & Vincent 2021, JASA 116, 1297-1306, section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from mse.core._compiled import kernel
from mse.core.exact_check import ExactCheck
from mse.core.existence import FINITE, INDETERMINATE, determined, without_persons
from mse.core.fitting import BOUNDARY, NOT_CONVERGED, NOT_ESTIMABLE, PRUNED, fit_one, penalty_of
from mse.core.lattice import superset_sum
from mse.core.newton import (
    MAX_ITERATIONS,
    Design,
    Workspace,
    factorial_rest,
    make_workspace,
    means_of,
    misfit,
    n_parameters,
)
from mse.core.partly_known import IMPOSSIBLE, complete
from mse.core.partly_known_fit import (
    curvature_at,
    empty_completion,
    fit_from,
    fit_incomplete,
    make_likelihood,
)
from mse.core.search import FAR, SCREENED, SLACK, Search, is_lower, screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.partly_known_fit import Data, IncompleteFit
    from mse.core.search import Rank

#: Terms of a Poisson tail below this share of the sum do not show in a double.
TAIL_PRECISION = 1e-17
#: Above every probability: the pair is in the model, or cannot be added.
TAKEN = 2.0


class Paths(NamedTuple):
    """Ends of the paths of B tables.

    hidden: (B,), persons on no list; NaN where the first model is not estimable
    limits: (B,) int8, where the hidden count goes
    failed: (B,) bool, tables on which a fit failed
    added: (B, T), pairs in the order in which they were added, -1 after the last
    """

    hidden: FloatArray
    limits: np.ndarray[tuple[int], np.dtype[np.int8]]
    failed: BoolArray
    added: IntArray


@kernel
def smaller_tail(m, mean):  # type: ignore[no-untyped-def]
    """Smaller of P(X <= m) and P(X >= m) for a Poisson variable X.

    m: float, a count of persons
    mean: float, mean of X
    """
    if mean <= 0.0:
        return 1.0 if m <= 0.0 else 0.0
    # Loader (2000): no terms of the size of m log m, which would leave no digits for many persons.
    probability = np.exp(-misfit(m, mean) - factorial_rest(m))
    term, tail, k = probability, probability, m
    if m < mean:
        while k > 0.0 and term > TAIL_PRECISION * tail:
            term *= k / mean
            tail += term
            k -= 1.0
    else:
        while term > TAIL_PRECISION * tail:
            k += 1.0
            term *= mean / k
            tail += term
    # The other tail is what remains, and m itself is in both.
    return max(min(tail, 1.0 - tail + probability), 0.0)


@kernel
def overlap_tails(counts, means, pairs, tails):  # type: ignore[no-untyped-def]
    """Smaller tail of each pair's overlap; ``pairs`` holds the cells of the pairs, (T,) int64."""
    for i in range(pairs.size):
        m, mean = 0.0, 0.0
        for c in range(counts.size):
            if c & pairs[i] == pairs[i]:
                m += counts[c]
                mean += means[c]
        tails[i] = smaller_tail(m, mean)


@kernel
def _consider(counts, member, pairs, positions, work, tails):  # type: ignore[no-untyped-def]
    """Tails of the pairs outside the model; `TAKEN` for those in it."""
    means = np.zeros(counts.size)
    for c in range(counts.size):
        means[c] = work.means[c] if work.face[c] else 0.0
    overlap_tails(counts, means, pairs, tails)
    for i in range(pairs.size):
        if member[positions[i]]:
            tails[i] = TAKEN


@kernel
def _forward(counts, member, pairs, positions, threshold, design, work, asked, added):  # type: ignore[no-untyped-def]
    """Follow one path; status, hidden count and limit of its end."""
    cold = np.zeros(0)
    sums = counts.copy()
    superset_sum(sums, design.shape)
    hidden, limits = np.zeros(1), np.zeros(1, dtype=np.int8)
    tails = np.zeros(pairs.size)
    answer, answer_limit, step = np.nan, INDETERMINATE, 0
    trial = -1
    while True:
        status, _, _ = fit_one(
            counts, sums, member, cold, np.inf, MAX_ITERATIONS, design, work, asked, hidden, limits
        )
        if status == NOT_CONVERGED:
            return status, answer, answer_limit
        if trial < 0 or status <= BOUNDARY:
            if trial >= 0:
                added[step] = trial
                step += 1
            answer, answer_limit = hidden[0], limits[0]
            _consider(counts, member, pairs, positions, work, tails)
        else:
            member[positions[trial]] = False
            tails[trial] = TAKEN
        trial = int(np.argmin(tails)) if tails.size > 0 else -1
        if trial < 0 or not tails[trial] < threshold:
            return status, answer, answer_limit
        member[positions[trial]] = True


@kernel
def _forward_many(tables, member, pairs, positions, threshold, design, work, asked, out, codes):  # type: ignore[no-untyped-def]
    for t in range(tables.shape[0]):
        codes[t], out.hidden[t], out.limits[t] = _forward(
            tables[t], member.copy(), pairs, positions, threshold, design, work, asked, out.added[t]
        )


def forward_paths(tables: FloatArray, pairs: IntArray, threshold: float, design: Design) -> Paths:
    """Follow the path of each table from independent lists.

    tables: (B, C), counts of persons over lists alone, 0 on the unobservable cell
    pairs: (T,), cells of the pairs, in the order that decides ties
    threshold: pairs are added for p-values below it
    design: axes and parameters; the pairs among them
    """
    size = tables.shape[0]
    out = Paths(
        np.full(size, np.nan),
        np.full(size, INDETERMINATE, dtype=np.int8),
        np.zeros(size, dtype=np.bool_),
        np.full((size, pairs.size), -1, dtype=np.int64),
    )
    codes = np.zeros(size, dtype=np.int64)
    order = np.argsort(design.cells)
    positions = order[np.searchsorted(design.cells, pairs, sorter=order)]
    member = np.bitwise_count(design.cells) <= 1
    work = make_workspace(design)
    with ExactCheck(design, work) as check:
        _forward_many(
            tables, member, pairs, positions, threshold, design, work, check.asked, out, codes
        )
    out.failed[:] = codes == NOT_CONVERGED
    return out


# Stepwise search by a criterion, for many tables: pairs of lists added, dropped or exchanged ------


class Descent(NamedTuple):
    """Where a search stands: the model, its coefficients, and the best change found so far."""

    member: BoolArray  # (U,)
    b: FloatArray  # (U,) log scale, 0 outside the model
    trial: FloatArray  # (U,) coefficients after the best change
    change: IntArray  # (2,) changed pairs, -1 where there is none
    hidden: FloatArray  # (1,)
    limits: np.ndarray[tuple[int], np.dtype[np.int8]]  # (1,)


@kernel
def _flip(member, positions, i, j):  # type: ignore[no-untyped-def]
    member[positions[i]] = not member[positions[i]]
    if j != i:
        member[positions[j]] = not member[positions[j]]


@kernel
def _try(counts, sums, state, start, value, kind, design, work, asked, i, j):  # type: ignore[no-untyped-def]
    """Fit the current model if it may be better than `value`, and remember it if it is.

    Returns its criterion, or `value` where it is no better; NaN where the fit failed.
    """
    size = 0
    for u in range(state.member.size):
        size += state.member[u]
    penalty = penalty_of(kind, size, sums[0])
    if penalty >= value:
        return value
    answer, limits = np.zeros(1), np.zeros(1, dtype=np.int8)
    ceiling = value - penalty
    status, p, deviance = fit_one(
        counts,
        sums,
        state.member,
        start,
        ceiling,
        MAX_ITERATIONS,
        design,
        work,
        asked,
        answer,
        limits,
    )
    if status == NOT_CONVERGED:
        return np.nan
    if status == PRUNED or status > BOUNDARY or deviance + penalty >= value:
        return value
    state.change[0], state.change[1] = i, j
    state.hidden[0], state.limits[0] = answer[0], limits[0]
    for u in range(state.trial.size):
        state.trial[u] = 0.0
    for k in range(p):
        state.trial[work.chosen[k]] = work.b[k]
    return deviance + penalty


@kernel
def _best_change(counts, sums, state, positions, exchange, value, kind, design, work, asked):  # type: ignore[no-untyped-def]
    """Find the change of one pair, or the exchange of two, that lowers the criterion most."""
    failed = False
    state.change[0] = -1
    for i in range(positions.size):
        for j in range(i, positions.size):
            alike = state.member[positions[i]] == state.member[positions[j]]
            if (i != j) != exchange or (exchange and alike):
                continue
            _flip(state.member, positions, i, j)
            found = _try(counts, sums, state, state.b, value, kind, design, work, asked, i, j)
            _flip(state.member, positions, i, j)
            if np.isnan(found):
                failed = True
            else:
                value = found
    return value, failed


@kernel
def _descend(counts, sums, state, end, positions, kind, design, work, asked):  # type: ignore[no-untyped-def]
    """Follow the best changes from the model of `state`; the criterion at the end.

    A descent that comes to `end`, (U,) bool, is given up: an earlier one found that no change of it is better.
    """
    cold = np.zeros(0)
    failed = False
    value = _try(counts, sums, state, cold, np.inf, kind, design, work, asked, -1, -1)
    if np.isnan(value):
        value, failed = np.inf, True
    state.b[:] = state.trial
    while True:
        best, trouble = _best_change(
            counts, sums, state, positions, False, value, kind, design, work, asked
        )
        failed = failed or trouble
        if state.change[0] < 0:
            best, trouble = _best_change(
                counts, sums, state, positions, True, value, kind, design, work, asked
            )
            failed = failed or trouble
        if state.change[0] < 0:
            return value, failed
        value = best
        _flip(state.member, positions, state.change[0], state.change[1])
        state.b[:] = state.trial
        if np.array_equal(state.member, end):
            return np.inf, failed


@kernel
def _search_many(tables, starts, positions, kind, design, work, asked, out):  # type: ignore[no-untyped-def]
    n_parameters = starts.shape[2]
    for t in range(tables.shape[0]):
        sums = tables[t].copy()
        superset_sum(sums, design.shape)
        best = np.inf
        end = np.zeros(n_parameters, dtype=np.bool_)
        own = starts[t % starts.shape[0]]
        for s in range(own.shape[0]):
            state = Descent(
                own[s].copy(),
                np.zeros(n_parameters),
                np.zeros(n_parameters),
                np.zeros(2, dtype=np.int64),
                np.full(1, np.nan),
                np.full(1, INDETERMINATE, dtype=np.int8),
            )
            value, failed = _descend(
                tables[t], sums, state, end, positions, kind, design, work, asked
            )
            if failed:
                out.failed[t] = True
            if value < best:
                best = value
                end[:] = state.member
                out.hidden[t] = state.hidden[0]
                out.limits[t] = FINITE
                for i in range(positions.size):
                    out.added[t, i] = i if state.member[positions[i]] else -1


def descend(
    tables: FloatArray,
    pairs: IntArray,
    kind: int,
    design: Design,
    near: BoolArray | None = None,
) -> Paths:
    """Search from independent lists and from all pairs, and keep the better end.

    Each step takes the change of one pair that lowers the criterion most; where there is none,
    the best exchange of a pair in the model for one outside.

    tables: (B, C), counts of persons over lists alone, 0 on the unobservable cell
    pairs: (T,), cells of the pairs
    kind: code of the criterion, see `mse.core.fitting.CRITERIA`
    design: axes and parameters; the pairs among them
    near: (B, T) bool, pairs of a model of each table from which to start in place of all pairs
    Returns ``added`` holds the pairs of the chosen model in their order, -1 for those outside
    """
    size = tables.shape[0]
    out = Paths(
        np.full(size, np.nan),
        np.full(size, INDETERMINATE, dtype=np.int8),
        np.zeros(size, dtype=np.bool_),
        np.full((size, pairs.size), -1, dtype=np.int64),
    )
    order = np.argsort(design.cells)
    positions = order[np.searchsorted(design.cells, pairs, sorter=order)]
    main = np.bitwise_count(design.cells) <= 1
    starts = np.stack([main, np.bitwise_count(design.cells) <= 2])[None]
    if near is not None:
        starts = np.repeat(starts, size, axis=0)
        starts[:, 1] = main
        starts[:, 1, positions] = near
    work: Workspace = make_workspace(design)
    with ExactCheck(design, work) as check:
        _search_many(tables, starts, positions, kind, design, work, check.asked, out)
    return out


# Which terms to try when models are searched on counts over sets of cells -------------------------
# A model is a part of the parameters of a scope. Each is fitted from the counts as a neighboring model
# completes them, a step of EM away from its own maximum. Which neighbors are worth a fit is told by
# the observed information over all parameters of the scope (Louis 1982): with it the score statistic of a
# term outside and the Wald statistic of a term inside are those of the observed-data likelihood (Rao 1948;
# Wald 1943). One step of proportional fitting on the completed counts bounds what a term brings from
# below, since EM never lowers the likelihood.

#: Is told of a model on the way of a search, and of those fitted next to it.
Note: TypeAlias = "Callable[[Found, list[Found]], None]"
#: Shares of the information below this tell nothing about a parameter.
UNINFORMED = 1e-9


class Terms(NamedTuple):
    """The terms that a search adds and drops.

    ranges: (T, 6), parameters and cells of each term, see `mse.core.search.search_jointly`
    fixed: (P,) bool, parameters of every model
    below: (T, T) bool, which terms each one needs to be in a model
    own: parameters that criteria count: those before the kinds of records
    """

    ranges: IntArray
    fixed: BoolArray
    below: BoolArray
    own: int


def members(inside: BoolArray, terms: Terms) -> BoolArray:
    """Find the parameters of a model from the terms it has, (P,) bool."""
    found = terms.fixed.copy()
    for first, last in terms.ranges[inside, :2]:
        found[first:last] = True
    return found


def part_of(design: Design, member: BoolArray) -> Design:
    """Restrict a design to some of its parameters."""
    chosen = np.flatnonzero(member)
    if design.starts.size == 0:
        union = np.ascontiguousarray(design.union[np.ix_(chosen, chosen)])
        return design._replace(cells=design.cells[chosen], union=union)
    sizes = np.diff(design.starts)[chosen]
    places = [np.arange(design.starts[u], design.starts[u + 1]) for u in chosen]
    taken = np.concatenate(places)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return design._replace(
        starts=starts, entries=design.entries[taken], weights=design.weights[taken]
    )


def fit_part(data: Data, member: BoolArray, near: IncompleteFit | None = None) -> IncompleteFit:
    """Fit some of the parameters of a scope.

    data: what was seen, and all parameters of the scope
    member: (P,) bool, those of the model
    near: a fit of other parameters from which this one starts; by default it starts from several
        ways of spreading the counts
    Returns positions of parameters are those in the scope; of a fit near another one there is no
        covariance
    """
    part = data._replace(design=part_of(data.design, member))
    if near is None or near.kept.size == 0:
        found = fit_incomplete(part)
    else:
        b = np.zeros(member.size)
        b[near.kept] = near.coefficients
        found = fit_from(part, [near.counts], b[member], covariance=False)
    return placed(found, member)


def placed(found: IncompleteFit, member: BoolArray) -> IncompleteFit:
    """Give the positions of parameters in the scope for those among the members."""
    places = np.flatnonzero(member)
    return found._replace(
        kept=places[found.kept],
        vanishing=places[found.vanishing],
        undetermined=places[found.undetermined],
    )


def promises(data: Data, fit: IncompleteFit, inside: BoolArray, terms: Terms) -> FloatArray:
    """Approximate the change in deviance if a term enters, or leaves, a fitted model.

    data: what was seen, and all parameters of the scope
    fit: a fit of `fit_part`
    inside: (T,) bool, terms of its model
    terms: all terms
    Returns (T,), minus infinity for all where nothing can be said
    """
    nothing = np.full(inside.size, -np.inf)
    if fit.kept.size == 0 or not np.isfinite(fit.value):
        return nothing
    work, p = make_workspace(data.design), fit.kept.size
    work.chosen[:p], work.b[:p], work.face[:] = fit.kept, fit.coefficients, fit.face
    means_of(data.design, work, p)
    problem = make_likelihood(data, fit.face, np.arange(n_parameters(data.design)))
    means = np.where(problem.inside | problem.unseen, work.means, 0.0)
    done = empty_completion(problem)
    complete(means, problem, done)
    score, whole, matrix = curvature_at(problem, means, done)
    found = [
        change
        for full in (matrix, whole)
        if (change := _screened(data, work, p, (score, full), done.counts, (inside, terms)))
        is not None
    ]
    # Where the likelihood is not concave its own information promises too little.
    return np.min(found, axis=0) if found else nothing


def _screened(
    data: Data,
    work: Workspace,
    p: int,
    slopes: tuple[FloatArray, FloatArray],
    counts: FloatArray,
    state: tuple[BoolArray, Terms],
) -> FloatArray | None:
    """Screen with one kind of information; None where it is singular within the model."""
    (score, full), (inside, terms) = slopes, state
    b = np.zeros(score.size)
    b[work.chosen[:p]] = work.b[:p]
    search = Search(
        members(inside, terms), inside, b, b, np.zeros(inside.size), np.tril(full), score
    )
    if not screen(counts, data.design, work, p, terms.ranges, search):
        return None
    return search.change


class Found(NamedTuple):
    """Where a search stands."""

    inside: BoolArray  # (T,) terms of the model
    fit: IncompleteFit
    value: float  # criterion, but for a constant; infinite where not estimable
    criterion: float  # the same of any model that was fitted

    @property
    def rank(self) -> Rank:
        """What makes one model better than another: that it may be chosen, then the criterion."""
        return not np.isfinite(self.value), self.criterion


class Question(NamedTuple):
    """What is searched.

    data: what was seen, and all parameters of the scope
    terms: what a model may add and drop
    kind: code of the criterion, see `mse.core.fitting.CRITERIA`
    """

    data: Data
    terms: Terms
    kind: int


def penalty(question: Question, inside: BoolArray) -> float:
    """Penalty of a model, by the parameters as specified and the persons observed at least."""
    seen, terms = question.data, question.terms
    persons = float(seen.base.sum() + seen.seen.low.sum())
    size = int(members(inside, terms)[: terms.own].sum())
    # The logarithm of nobody would make every model infinitely good.
    return float(penalty_of(question.kind, size, max(persons, 1.0)))


def stand(question: Question, inside: BoolArray, near: IncompleteFit | None) -> Found:
    """Fit a model and judge it."""
    return judged(question, inside, fit_part(question.data, members(inside, question.terms), near))


def excused_strata(data: Data) -> BoolArray:
    """Strata of a level that nobody can have been observed with, see `without_persons`; (S,) bool."""
    possible, seen = data.base.copy(), data.seen
    somebody = np.repeat(seen.high > 0, np.diff(seen.first)) & (seen.boxes != IMPOSSIBLE)
    possible[seen.boxes[somebody]] = 1.0
    return np.asarray(without_persons(possible, data.design.shape, data.design.n_hidden))


def usable(fit: IncompleteFit, excused: BoolArray) -> bool:
    """Whether a fit determines the hidden count of every stratum that is not excused."""
    return bool(fit.status <= NOT_ESTIMABLE and determined(fit.limits, excused))


def judged(question: Question, inside: BoolArray, fit: IncompleteFit) -> Found:
    """Put its criterion to a fit."""
    criterion = np.inf
    if fit.status <= NOT_ESTIMABLE and np.isfinite(fit.value):
        criterion = penalty(question, inside) - 2 * fit.value
    known = usable(fit, excused_strata(question.data))
    return Found(inside, fit, criterion if known else np.inf, criterion)


def improve(question: Question, start: Found, note: Note | None = None) -> Found:
    """Change a model term by term as long as the criterion falls.

    At each step the changes of one term that promise most are fitted, and the best of these fits is taken;
    where none of them is better the others that are near, in the order of their promise, until one is; and
    then the exchanges of a term inside for one outside that promise most. These are the steps of
    `mse.core.search.advance`.

    question: what is searched
    start: model to start from
    note: told of each model on the way and of those fitted next to it
    Returns a model that none of these changes makes better
    """
    current = start
    while True:
        changes = promises(question.data, current.fit, current.inside, question.terms)
        changes = np.where(np.isneginf(changes), 0.0, changes)
        tried: list[Found] = []
        best = _best_single(question, current, changes, tried)
        if best is current:
            best = _best_exchange(question, current, changes, tried)
        if note is not None:
            note(current, tried)
        if best is current:
            return current
        current = best


def _best_single(
    question: Question, current: Found, changes: FloatArray, tried: list[Found]
) -> Found:
    """Find the best change of one term, among the most promising or else among all."""
    flips = [[t] for t in range(len(current.inside))]
    # Nothing says how far a model is off that is not estimable.
    slack, far = (SLACK, FAR) if np.isfinite(current.value) else (np.inf, np.inf)
    best = current
    for number, (change, inside) in enumerate(_ordered(question, current, changes, flips)):
        promising = number < SCREENED and change <= slack
        if not promising and (best is not current or change > far):
            break
        best = _try_observed(question, current, inside, best, tried)
    return best


def _best_exchange(
    question: Question, current: Found, changes: FloatArray, tried: list[Found]
) -> Found:
    """Find the best exchange of a term inside for one outside, among the most promising."""
    flips = [
        [i, j]
        for i in np.flatnonzero(current.inside).tolist()
        for j in np.flatnonzero(~current.inside).tolist()
    ]
    far, best = FAR if np.isfinite(current.value) else np.inf, current
    for change, inside in _ordered(question, current, changes, flips)[:SCREENED]:
        if change > far:
            break
        best = _try_observed(question, current, inside, best, tried)
    return best


def _try_observed(
    question: Question, current: Found, inside: BoolArray, best: Found, tried: list[Found]
) -> Found:
    """Fit a model next to the current one; the better one of it and the best so far."""
    found = stand(question, inside, current.fit)
    better = is_lower(found.rank, best.rank)
    # The arrays over cells are needed of the best one only.
    none = np.zeros(0)
    tried.append(found._replace(fit=found.fit._replace(means=none, counts=none)))
    return found if better else best


def _ordered(
    question: Question, current: Found, changes: FloatArray, flips: list[list[int]]
) -> list[tuple[float, BoolArray]]:
    """Hierarchical models next to the current one, the most promising first, and what they promise."""
    now, needs = penalty(question, current.inside), question.terms.below
    ranked = []
    for flip in flips:
        model = current.inside.copy()
        model[flip] = ~model[flip]
        if (~needs[model] | model).all():
            ranked.append((changes[flip].sum() + penalty(question, model) - now, model))
    return sorted(ranked, key=lambda each: each[0])


def uninformed(data: Data, fit: IncompleteFit, terms: Terms) -> BoolArray:
    """Find terms of which some parameter is not informed about at a fit, (T,) bool.

    Such are the terms of a list with covariates in strata where it did not operate.
    """
    problem = make_likelihood(data, fit.face, np.arange(n_parameters(data.design)))
    means, done = (
        np.where(problem.inside | problem.unseen, fit.means, 0.0),
        empty_completion(problem),
    )
    means = np.nan_to_num(means)
    complete(means, problem, done)
    _, whole, matrix = curvature_at(problem, means, done)
    empty = (np.diag(whole) > 0) & (np.diag(matrix) <= UNINFORMED * np.diag(whole))
    found = [bool(empty[first:last].any()) for first, last in terms.ranges[:, :2]]
    # A scope of one model has no terms: an empty list would be one of floats.
    return np.asarray(found, dtype=np.bool_)
