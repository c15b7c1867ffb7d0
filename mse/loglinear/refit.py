"""Fast ways to repeat a log-linear model, or the search for one, on other counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from mse.answer.intervals import GIVEN_MODEL, RESELECTED
from mse.answer.protocols import Refits
from mse.core.bounded import fit_bounded
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO
from mse.core.fitting import (
    BOUNDARY,
    NOT_CONVERGED,
    ModelFit,
    fit_model,
    fit_models,
    penalty_of,
    refit_model,
)
from mse.core.large_search import search_tables
from mse.core.newton import make_design, n_parameters
from mse.core.partly_known_fit import fit_from, starts_of
from mse.core.search import Candidates, Selection, first_best, select
from mse.core.stepwise import (
    Found,
    Question,
    descend,
    forward_paths,
    improve,
    judged,
    members,
    part_of,
    placed,
    stand,
)
from mse.loglinear.design import table_design
from mse.loglinear.partly_known import expected_by_stratum, folded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design
    from mse.core.partly_known_fit import Data, IncompleteFit
    from mse.data.table import CaptureTable
    from mse.models.heterogeneity import Heterogeneity
    from mse.models.terms import HierarchicalModel


@dataclass(frozen=True, eq=False)
class ModelRefitter:
    """Fits one model to other counts.

    Parameters
    ----------
    design : Design
        Axes and parameters.
    member : bool array (U,)
        Parameters of the model.
    start : float64 array (U,), optional
        Coefficients to start from; by default each fit starts from its counts.
    """

    design: Design = field(repr=False)
    member: BoolArray = field(repr=False)
    start: FloatArray | None = field(default=None, repr=False)
    given: str = GIVEN_MODEL
    releases_gil: bool = True
    checkpoints: tuple[int, ...] = ()

    def fitted(self, counts: FloatArray) -> ModelFit:
        """Fit to counts of shape (C,), persons by cell."""
        return fit_model(counts, self.member, self.design)

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        hidden, limits, failed = refit_model(counts, self.member, self.design, self.start)
        limits[failed] = INDETERMINATE
        size = len(counts)
        return Refits(hidden, limits, failed, np.full(size, -1, np.int64), np.zeros((size, 0)))


@dataclass(frozen=True, eq=False)
class BoundedRefitter:
    """Fits one model of which some coefficients are not below zero to other counts.

    Parameters
    ----------
    design : Design
        Axes and parameters.
    bounded : int64 array
        Parameters that are not below zero.
    """

    design: Design = field(repr=False)
    bounded: IntArray = field(repr=False)
    given: str = GIVEN_MODEL
    releases_gil: bool = False
    checkpoints: tuple[int, ...] = ()

    def fitted(self, counts: FloatArray) -> ModelFit:
        """Fit to counts of shape (C,), persons by cell."""
        return fit_bounded(counts, self.bounded, self.design).fit

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        fits = [self.fitted(each) for each in counts]
        size = len(counts)
        failed = np.asarray([each.status == NOT_CONVERGED for each in fits], dtype=np.bool_)
        return Refits(
            np.stack([each.hidden for each in fits]),
            np.stack([each.limits for each in fits]),
            failed,
            np.full(size, -1, np.int64),
            np.zeros((size, 0)),
        )


@dataclass(frozen=True, eq=False)
class SelectionRefitter:
    """Chooses the best model again for other counts.

    Parameters
    ----------
    candidates : Candidates
        Models to choose from, best first on the original table.
    design : Design
        Axes and parameters.
    checkpoints : tuple of int
        Numbers of candidates at which the choice so far is kept; the last is all of them.
    """

    candidates: Candidates = field(repr=False)
    design: Design = field(repr=False)
    checkpoints: tuple[int, ...] = ()
    given: str = RESELECTED
    releases_gil: bool = True

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        stops: IntArray = np.asarray(self.checkpoints, dtype=np.int64)
        found = select(counts, self.candidates, stops, self.design)
        limits = found.limits[:, -1:].copy()
        limits[(found.chosen[:, -1] < 0) & found.failed] = INDETERMINATE
        return Refits(
            found.hidden[:, -1:],
            limits,
            found.failed & (found.chosen[:, -1] < 0),
            found.chosen[:, -1],
            _settled(found),
        )


def _settled(found: Selection) -> FloatArray:
    """Hidden counts at every checkpoint, the limits written as numbers."""
    hidden = found.hidden.copy()
    hidden[found.limits == INFINITE] = np.inf
    hidden[found.limits == ZERO] = 0.0
    return hidden


@dataclass(frozen=True, eq=False)
class PathRefitter:
    """Searches step by step again for other counts.

    Parameters
    ----------
    design : Design
        Axes and parameters: the main effects and all pairs of lists.
    pairs : int64 array (T,)
        Cells of the pairs, in the order that decides ties.
    threshold : float
        For a search by p-value: pairs are added below it.
    kind : int, optional
        Code of the criterion, see `mse.core.search`; by p-value where left out.
    """

    design: Design = field(repr=False)
    pairs: IntArray = field(repr=False)
    threshold: float
    kind: int | None = None
    given: str = RESELECTED
    releases_gil: bool = True
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        return self.searched(counts)[0]

    def searched(
        self, counts: FloatArray, near: BoolArray | None = None
    ) -> tuple[Refits, BoolArray]:
        """Refit, and say which pairs each model has, (B, T).

        near: pairs of a model of each table that a search by a criterion starts from, in place of all pairs
        """
        if self.kind is None:
            paths = forward_paths(counts, self.pairs, self.threshold, self.design)
        else:
            paths = descend(counts, self.pairs, self.kind, self.design, near)
        failed = paths.failed & np.isnan(paths.hidden)
        limits = paths.limits.copy()
        limits[failed] = INDETERMINATE
        hidden = np.where(limits == FINITE, paths.hidden, np.nan)
        size = len(counts)
        refits = Refits(
            hidden[:, None],
            limits[:, None],
            failed,
            np.full(size, -1, np.int64),
            np.zeros((size, 0)),
        )
        # By a criterion a pair stands in its place, by p-value in the order in which it was added.
        return refits, (paths.added[:, :, None] == np.arange(self.pairs.size)).any(axis=1)


@dataclass(frozen=True, eq=False)
class JointRefitter:
    """Searches over lists and covariates again for other counts.

    Parameters
    ----------
    design : Design
        Axes and parameters of all two-way terms.
    main : bool array (P,)
        Parameters of every model: the constant, the main effects, terms that are kept.
    ranges : int64 array (T, 6)
        Parameters and cells of each other two-way term, see
        `mse.loglinear.design.TableDesign.ranges`.
    kind : int
        Code of the criterion, see `mse.core.search`.
    """

    design: Design = field(repr=False)
    main: BoolArray = field(repr=False)
    ranges: IntArray = field(repr=False)
    kind: int
    given: str = RESELECTED
    releases_gil: bool = True
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        found = search_tables(counts, self.main, self.ranges, self.kind, self.design)
        limits = found.limits.copy()
        limits[found.failed] = INDETERMINATE
        size = len(counts)
        return Refits(
            found.hidden, limits, found.failed, np.full(size, -1, np.int64), np.zeros((size, 0))
        )


def path_refitter(n_lists: int, threshold: float, kind: int | None) -> PathRefitter:
    """Repeat a stepwise search over pairs of lists."""
    axis_cells = 1 << np.arange(n_lists)[::-1]
    pairs = np.asarray([int(axis_cells[list(p)].sum()) for p in combinations(range(n_lists), 2)])
    cells = np.concatenate([[0], axis_cells, pairs])
    return PathRefitter(make_design((2,) * n_lists, n_lists, cells), pairs, threshold, kind)


def joint_refitter(
    table: CaptureTable,
    scope: tuple[HierarchicalModel, HierarchicalModel],
    trend: Mapping[str, int],
    kind: int,
    asked: Heterogeneity | None,
) -> JointRefitter | ModelRefitter:
    """Repeat a stepwise search over lists and covariates, by the two-way terms between two models.

    Where there is none between them there is nothing to choose, and the one model is fitted again.
    """
    least, most = scope
    layout = table_design(table, most, trend, asked)
    terms, kept, ranges = layout.changing(least)
    if not terms:
        return ModelRefitter(layout.core, kept)
    return JointRefitter(layout.core, kept, ranges, kind)


# Models, and searches for one, repeated on other counts of the same partly known records ----------

#: Where a search begins: in all models of a catalogue, on the path over lists and covariates or over
#: pairs of lists that the completed counts lead to, or at the main effects.
CATALOGUE, JOINT, LISTS, MAIN = "catalogue", "joint", "lists", "main"
#: Models of a catalogue that are fitted, those that are best on the completed counts.
SHORTLIST = 10
#: Times that the counts are completed again by the best model so far.
MAX_ROUNDS = 5


@dataclass(frozen=True, eq=False)
class ObservationRefitter:
    """Fits one model to other counts of the same observations.

    What belongs to the design of the data stays as it was: which lists operated where, and how
    counts were coarsened. A count that was known within bounds is so again if the new one is within
    the same bounds, and exact otherwise.

    Parameters
    ----------
    data : Data
        What was seen.
    means : float64 array (C,)
        Means by which each new fit first spreads its persons.
    known : bool array (R,)
        Patterns of the table that are one cell and exact; the others are the observations, in order.
    cells : int64 array
        Those cells, in the cells of the data.
    n_kinds : int
        Levels of the axis of kinds of records, see `mse.loglinear.partly_known.make_data`.
    """

    data: Data = field(repr=False)
    means: FloatArray = field(repr=False)
    known: BoolArray = field(repr=False)
    cells: IntArray = field(repr=False)
    n_kinds: int = 1
    given: str = GIVEN_MODEL
    releases_gil: bool = False
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, W): persons by pattern, padded to whole rows of S strata.

        Persons of a pattern may be in several strata. Hidden counts are given such that with the
        counts laid out in rows of S and summed they make the totals of the strata.
        """
        return _each(self, counts)

    def again(self, row: FloatArray) -> Data:
        """Put other persons by pattern in the place of those of the table."""
        row = np.maximum(np.rint(row[: self.known.size]), 0)
        base = np.zeros(self.data.base.size)
        base[self.cells] = row[self.known]
        persons, seen = row[~self.known].astype(np.int64), self.data.seen
        within = (seen.low <= persons) & (persons <= seen.high)
        low, high = np.where(within, seen.low, persons), np.where(within, seen.high, persons)
        return self.data._replace(base=base, seen=seen._replace(low=low, high=high))

    def refit(self, data: Data) -> IncompleteFit:
        """Fit the model again."""
        return fit_from(data, starts_of(data, [self.means]), covariance=False)


def _each(refitter: ObservationRefitter | SearchAgain, counts: FloatArray) -> Refits:
    """Repeat on one table after another."""
    of = refitter.records if isinstance(refitter, SearchAgain) else refitter
    n_strata, size = of.data.design.n_hidden // of.n_kinds, len(counts)
    hidden = np.zeros((size, n_strata))
    limits = np.zeros((size, n_strata), dtype=np.int8)
    failed = np.zeros(size, dtype=np.bool_)
    for i, row in enumerate(counts):
        data = of.again(row)
        raw = refitter.refit(data)
        found = folded(raw, n_parameters(data.design) - of.n_kinds + 1, of.n_kinds)
        totals = found.hidden + expected_by_stratum(data, raw.means, n_strata)
        hidden[i] = totals - row.reshape(-1, n_strata).sum(axis=0)
        limits[i], failed[i] = found.limits, found.status == NOT_CONVERGED
    limits[failed] = INDETERMINATE
    return Refits(hidden, limits, failed, np.full(size, -1, np.int64), np.zeros((size, 0)))


@dataclass(frozen=True, eq=False)
class SearchAgain:
    """Searches for a model again on other counts of the same observations.

    The model of the table completes the counts of a replicate. On the completed counts the search is
    that of complete tables, in compiled code, and leads near the best model of the replicate; from
    there models are compared by the observed-data likelihood. A search that only sees completed counts
    takes persons for known whose entries are not; the second part corrects that, and what is chosen
    is at least as good as all its neighbors that promise to be better.

    Parameters
    ----------
    records : ObservationRefitter
        What is drawn again; its data have all parameters of the scope.
    question : Question
        What is searched; its data are those of the table.
    inside : bool array (T,)
        Terms of the model chosen on the table.
    begin : {"catalogue", "joint", "lists", "main"}
        Where to begin.
    plain : Design
        Axes and parameters without the kinds of records.
    open : bool array (T,)
        Terms that the search on the completed counts may add.
    models : bool array (M, T)
        Terms of the models of a catalogue.
    """

    records: ObservationRefitter = field(repr=False)
    question: Question = field(repr=False)
    inside: BoolArray = field(repr=False)
    begin: str
    plain: Design = field(repr=False)
    open: BoolArray = field(repr=False)
    models: BoolArray = field(repr=False)
    given: str = RESELECTED
    releases_gil: bool = False
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Search again for counts of shape (B, W), see `ObservationRefitter`."""
        return _each(self, counts)

    def refit(self, data: Data) -> IncompleteFit:
        """Search again."""
        question = self.question._replace(data=data)
        first = self._model_again(question)
        if self.begin == CATALOGUE:
            return self._shortlisted(question, first).fit
        starts = [np.zeros_like(self.inside)]
        if self.begin != MAIN:
            starts = [self._on_completed(first.fit.counts)]
        # The model of the table is a start as well, so that on its own counts it is found again.
        ends = [improve(question, first)]
        for each in starts:
            if not np.array_equal(each, ends[0].inside):
                ends.append(improve(question, stand(question, each, first.fit)))
        if not any(np.isfinite(each.value) for each in ends):
            # The completed counts led to where nothing is estimable.
            ends.append(improve(question, stand(question, np.zeros_like(self.inside), first.fit)))
        return ends[first_best([each.rank for each in ends])].fit

    def _model_again(self, question: Question) -> Found:
        """Fit the model of the table."""
        member = members(self.inside, question.terms)
        part = question.data._replace(design=part_of(question.data.design, member))
        fit = fit_from(part, starts_of(question.data, [self.records.means]), covariance=False)
        return judged(question, self.inside, placed(fit, member))

    def _persons(self, counts: FloatArray) -> FloatArray:
        """Completed counts without the kinds of records."""
        return np.asarray(counts.reshape(-1, self.records.n_kinds).sum(axis=1))

    def _on_completed(self, counts: FloatArray) -> BoolArray:
        """Terms of the model that the search of complete tables finds."""
        tables, terms = self._persons(counts)[None], self.question.terms
        if self.begin == JOINT:
            return on_completed(tables, self.question, self.plain, self.open)
        pairs = self.plain.cells[terms.ranges[:, 0]]
        return np.asarray(descend(tables, pairs, self.question.kind, self.plain).added[0] >= 0)

    def _shortlisted(self, question: Question, first: Found) -> Found:
        """Fit the models that are best on the counts as completed by the best one so far."""
        best = first
        tried = {first.inside.tobytes()}
        for _ in range(MAX_ROUNDS):
            order = self._order(question, best.fit.counts)
            new = [inside for inside in self.models[order] if inside.tobytes() not in tried]
            tried.update(inside.tobytes() for inside in new)
            found = [stand(question, inside, best.fit) for inside in new]
            better = min(found, key=lambda each: each.value, default=best)
            if not better.value < best.value:
                return best
            best = better
        return best

    def _order(self, question: Question, counts: FloatArray) -> IntArray:
        """Find the best models on completed counts."""
        terms = question.terms
        tables = self._persons(counts)[None]
        chosen = np.stack([members(inside, terms)[: terms.own] for inside in self.models])
        fits = fit_models(tables, chosen, self.plain)
        persons = max(float(tables.sum()), 1.0)
        penalties = [penalty_of(question.kind, int(n), persons) for n in chosen.sum(axis=1)]
        values = np.where(fits.status[0] <= BOUNDARY, fits.deviance[0] + penalties, np.inf)
        order = np.argsort(values, kind="stable")[:SHORTLIST]
        return np.asarray(order[np.isfinite(values[order])])


def on_completed(
    tables: FloatArray, question: Question, plain: Design, open_terms: BoolArray
) -> BoolArray:
    """Search completed counts over lists and covariates as if they had been seen.

    tables: (1, C), completed counts without the kinds of records
    question: what is searched
    plain: axes and parameters without the kinds of records
    open_terms: (T,) bool, terms that may be added
    Returns (T,) bool, terms of the model that was found
    """
    terms = question.terms
    inside = np.zeros(len(terms.ranges), dtype=np.bool_)
    own = terms.fixed[: terms.own]
    found = search_tables(tables, own, terms.ranges[open_terms], question.kind, plain)
    inside[open_terms] = found.members[0]
    return inside
