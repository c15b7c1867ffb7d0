"""Which terms to try when models are searched on counts over sets of cells.

A model is a part of the parameters of a scope. Each is fitted from the counts as a neighboring model
completes them, a step of EM away from its own maximum. Which neighbors are worth a fit is told by
the observed information over all parameters of the scope (Louis 1982): with it the score statistic of a
term outside and the Wald statistic of a term inside are those of the observed-data likelihood (Rao 1948;
Wald 1943). One step of proportional fitting on the completed counts bounds what a term brings from
below, since EM never lowers the likelihood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from mse.core.ascent import curvature_at, empty_completion, make_likelihood
from mse.core.batch import NOT_ESTIMABLE
from mse.core.empty_strata import determined, without_persons
from mse.core.incomplete import fit_from, fit_incomplete
from mse.core.joint_search import FAR, SCREENED, SLACK, Search, is_lower, screen
from mse.core.newton import Design, make_workspace, means_of, n_parameters
from mse.core.observed import IMPOSSIBLE, complete
from mse.core.selection import penalty_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.ascent import Data
    from mse.core.joint_search import Rank
    from mse.core.newton import Workspace
    from mse.core.solution import IncompleteFit

#: Is told of a model on the way of a search, and of those fitted next to it.
Note: TypeAlias = "Callable[[Found, list[Found]], None]"
#: Shares of the information below this tell nothing about a parameter.
UNINFORMED = 1e-9


class Terms(NamedTuple):
    """The terms that a search adds and drops.

    Attributes
    ----------
    ranges : int64 array (T, 6)
        Parameters and cells of each term, see `mse.core.joint_search.search_jointly`.
    fixed : bool array (P,)
        Parameters of every model.
    below : bool array (T, T)
        Which terms each one needs to be in a model.
    own : int
        Parameters that criteria count: those before the kinds of records.
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

    Parameters
    ----------
    data : Data
        What was seen, and all parameters of the scope.
    member : bool array (P,)
        Those of the model.
    near : IncompleteFit, optional
        A fit of other parameters from which this one starts; by default it starts from several ways
        of spreading the counts.

    Returns
    -------
    IncompleteFit
        Positions of parameters are those in the scope; of a fit near another one there is no covariance.
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

    Parameters
    ----------
    data : Data
        What was seen, and all parameters of the scope.
    fit : IncompleteFit
        A fit of `fit_part`.
    inside : bool array (T,)
        Terms of its model.
    terms : Terms
        All terms.

    Returns
    -------
    float64 array (T,)
        Minus infinity for all where nothing can be said.
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

    Attributes
    ----------
    data : Data
        What was seen, and all parameters of the scope.
    terms : Terms
        What a model may add and drop.
    kind : int
        Code of the criterion, see `mse.core.selection.CRITERIA`.
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
    `mse.core.joint_search.advance`.

    Parameters
    ----------
    question : Question
        What is searched.
    start : Found
        Model to start from.
    note : callable, optional
        Told of each model on the way and of those fitted next to it.

    Returns
    -------
    Found
        A model that none of these changes makes better.
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
        best = _try(question, current, inside, best, tried)
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
        best = _try(question, current, inside, best, tried)
    return best


def _try(
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
