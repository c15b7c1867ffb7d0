"""Which terms to try when models are searched on counts over sets of cells.

A model is a part of the parameters of a scope. Each is fitted from the counts as a neighboring model
completes them, a step of EM away from its own maximum. Which neighbors are worth a fit is told by
the observed information over all parameters of the scope (Louis 1982): with it the score statistic of a
term outside and the Wald statistic of a term inside are those of the observed-data likelihood (Rao 1948;
Wald 1943). One step of proportional fitting on the completed counts bounds what a term brings from
below, since EM never lowers the likelihood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core.ascent import curvature_at, empty_completion, make_likelihood
from mse.core.batch import NOT_ESTIMABLE
from mse.core.empty_strata import determined, without_persons
from mse.core.incomplete import fit_from, fit_incomplete
from mse.core.joint_search import SCREENED, SLACK, Search, screen
from mse.core.newton import Design, make_workspace, means_of, n_parameters
from mse.core.observed import IMPOSSIBLE, complete
from mse.core.selection import penalty_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.ascent import Data
    from mse.core.newton import Workspace
    from mse.core.solution import IncompleteFit

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
    exchanges : bool
        Whether a term may be exchanged for another where no single change helps.
    """

    data: Data
    terms: Terms
    kind: int
    exchanges: bool


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
    if not usable(fit, excused_strata(question.data)):
        return Found(inside, fit, np.inf)
    return Found(inside, fit, penalty(question, inside) - 2 * fit.value)


def improve(question: Question, start: Found) -> Found:
    """Change a model term by term as long as the criterion falls.

    At each step the changes that promise most are fitted, and the best of these fits is taken.

    Parameters
    ----------
    question : Question
        What is searched.
    start : Found
        Model to start from.

    Returns
    -------
    Found
        A model that none of the changes tried makes better.
    """
    current = start
    while True:
        changes = promises(question.data, current.fit, current.inside, question.terms)
        for exchanges in (False, True)[: 1 + question.exchanges]:
            models = _most_promising(question, current, changes, exchanges=exchanges)
            tried = [stand(question, inside, current.fit) for inside in models]
            best = min(tried, key=lambda found: found.value, default=current)
            if best.value < current.value:
                break
        else:
            return current
        current = best


def _most_promising(
    question: Question, current: Found, changes: FloatArray, *, exchanges: bool
) -> Iterator[BoolArray]:
    """Models next to the current one that are worth a fit, the most promising first."""
    inside, now = current.inside, penalty(question, current.inside)
    needed, needs = question.terms.below[inside].any(axis=0), question.terms.below
    free = np.where(inside, ~needed, (inside | ~needs).all(axis=1))
    flips = [[t] for t in np.flatnonzero(free).tolist()]
    if exchanges:
        flips = [
            [i, j]
            for i in np.flatnonzero(inside).tolist()
            for j in np.flatnonzero(~inside).tolist()
        ]
    ranked = []
    for flip in flips:
        model = inside.copy()
        model[flip] = ~model[flip]
        ranked.append((changes[flip].sum() + penalty(question, model) - now, model))
    ranked.sort(key=lambda each: each[0])
    # Nothing says how far a model is off that is not estimable.
    slack = SLACK if np.isfinite(current.value) else np.inf
    for change, model in ranked[:SCREENED]:
        if change <= slack:
            yield model


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
