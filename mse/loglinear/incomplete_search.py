"""What a search learned from a table of which some is known in part."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from mse.catalogue import catalogue
from mse.core.incomplete import saturated_value
from mse.core.joint_search import first_best, starts_of
from mse.core.observed_search import (
    Question,
    excused_strata,
    fit_part,
    improve,
    stand,
    uninformed,
)
from mse.core.selection import CRITERIA as SELECTION_CRITERIA
from mse.errors import ModelError
from mse.loglinear.criteria import Criteria, criteria_of
from mse.loglinear.incomplete import IncompleteLogLinearFit, histories_apart
from mse.loglinear.incomplete_refitting import (
    CATALOGUE,
    JOINT,
    LISTS,
    MAIN,
    SearchAgain,
    on_completed,
)
from mse.loglinear.incomplete_tried import PartlyTried, Scope, make_scope
from mse.loglinear.incomplete_wording import silent_lists
from mse.loglinear.observing import is_vague
from mse.loglinear.scope import largest_model
from mse.loglinear.search_fit import (
    CatalogueModels,
    ListedModels,
    LogLinearSearchFit,
    ModelSource,
)
from mse.loglinear.steps import steps_of, stepwise_by_criterion
from mse.model import parse_model

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray
    from mse.core.observed_search import Found
    from mse.core.solution import IncompleteFit
    from mse.loglinear.averaging import AverageKind
    from mse.loglinear.search import LogLinearSearch
    from mse.loglinear.steps import Step
    from mse.model import HierarchicalModel
    from mse.population import PopulationEstimate
    from mse.redrawing import PatternDrawing, Resampling
    from mse.table import CaptureTable

BY_OVERLAPS = (
    "criterion='pvalue' reads the persons on each pair of lists off the table, and of this one some is "
    "known only in part. Use criterion='bic'."
)
NO_AVERAGE = (
    "Where counts are known within bounds there is no profile likelihood to average; use "
    "interval='buckland'."
)


def search_catalogue(
    estimator: LogLinearSearch, table: CaptureTable, order: int | None, largest: HierarchicalModel
) -> IncompleteSearchFit:
    """Fit every model of a catalogue.

    Parameters
    ----------
    estimator : LogLinearSearch
        Settings.
    table : CaptureTable
        Lists alone, known in part.
    order : int or None
        Largest interaction, see `mse.catalogue.catalogue`.
    largest : HierarchicalModel
        Contains all of its models.
    """
    main = parse_model("main", table.lists)
    models, tried = catalogue(table.n_lists, order), _tried(estimator, table, (main, largest))
    every = [models.model(i, table.lists) for i in range(len(models))]
    tried.fit(every[:1])
    tried.fit(every, every[0])
    return _finished(estimator, table, tried, CatalogueModels(table.lists, order), ())


def search_paths(
    estimator: LogLinearSearch,
    table: CaptureTable,
    starts: tuple[HierarchicalModel, ...],
    scope: tuple[HierarchicalModel, HierarchicalModel],
) -> IncompleteSearchFit:
    """Search step by step, and keep the better end.

    Parameters
    ----------
    estimator : LogLinearSearch
        Settings.
    table : CaptureTable
        Known in part.
    starts : tuple of HierarchicalModel
        Where paths start; one more starts from all pairs.
    scope : tuple of HierarchicalModel
        Smallest and largest model.
    """
    tried = _tried(estimator, table, scope)
    if table.covariates and (estimator.max_order or 2) == 2:
        kind = SELECTION_CRITERIA.index(estimator.criterion)
        path = _joint_path(tried, kind)
    else:
        pairs = largest_model(scope[0], min(2, estimator.max_order or 2))
        paths = [
            stepwise_by_criterion(tried, start, scope, lambda each: each.values, exchanges=True)
            for start in dict.fromkeys((*starts, pairs))
        ]
        path = min(paths, key=lambda steps: steps[-1].value)
    return _finished(estimator, table, tried, ListedModels(tuple(tried.models)), tuple(path))


def _joint_path(tried: PartlyTried, kind: int) -> list[Step]:
    """Search over lists and covariates by the same steps as replicates do; the best path.

    The starts are those of complete tables, and then what these find on the counts as the best model so far
    completes them, until that is nothing better: replicates go the same way from the model of the table.
    """
    scope = tried.scope
    question = Question(scope.data, scope.terms, kind)
    paths: list[tuple[Found, list[BoolArray]]] = []

    def follow(start: Found) -> None:
        tried.note(start)
        models: list[BoolArray] = []

        def note(current: Found, others: list[Found]) -> None:
            models.append(current.inside)
            for each in others:
                tried.note(each)

        paths.append((improve(question, start, note), models))

    for inside in starts_of(scope.terms.ranges, scope.plain):
        follow(stand(question, inside, None))
    while True:
        best, models = paths[first_best([end.rank for end, _ in paths])]
        begin = _begin_again(scope, question, best)
        if begin is None or any(np.array_equal(begin, each) for _, way in paths for each in way):
            return list(steps_of([tried.model_of(each) for each in models], tried.value_of))
        follow(stand(question, begin, best.fit))


def _begin_again(scope: Scope, question: Question, best: Found) -> BoolArray | None:
    """Find the model that completed counts lead to; None where there are none."""
    if best.fit.counts.size == 0 or not np.isfinite(best.value):
        return None
    counts = best.fit.counts.reshape(-1, scope.n_kinds).sum(axis=1)[None]
    return on_completed(counts, question, scope.plain, open_terms(scope, best.fit, best.inside))


def open_terms(scope: Scope, fit: IncompleteFit, inside: BoolArray) -> BoolArray:
    """Find the terms that a search on completed counts may add, (T,) bool.

    Where a list did not operate the completed counts seem to say what they were told.
    """
    return np.asarray(inside | ~uninformed(scope.data, fit, scope.terms))


def _tried(
    estimator: LogLinearSearch,
    table: CaptureTable,
    scope: tuple[HierarchicalModel, HierarchicalModel],
) -> PartlyTried:
    if estimator.criterion == "pvalue":
        raise ModelError(BY_OVERLAPS)
    return PartlyTried(make_scope(table, *scope, estimator.trend), estimator.criterion)


def _finished(
    estimator: LogLinearSearch,
    table: CaptureTable,
    tried: PartlyTried,
    source: ModelSource,
    path: tuple[Step, ...],
) -> IncompleteSearchFit:
    tried.confirm()
    saturated = saturated_value(tried.scope.data)
    return IncompleteSearchFit(
        estimator,
        table,
        source,
        tried.batch(saturated),
        tried.n_parameters,
        path,
        tried.scope,
        tried.minus_twice,
    )


@dataclass(frozen=True, eq=False, repr=False)
class IncompleteSearchFit(LogLinearSearchFit):
    """What a search learned from a table of which some is known in part.

    Everything that a `LogLinearSearchFit` has. Criteria come from the observed-data likelihood;
    ``deviance`` is NaN where the likelihood of a mean for each observable cell was not found. Whether a
    model is estimable is judged at the maximum that was found, and not exactly: of the chosen model from
    several starts, of the others from the counts as a neighbor completes them.

    Attributes
    ----------
    estimator : LogLinearSearch
        Assumptions and settings.
    table : CaptureTable
        The data.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> df = mse.load_dataset("kosovo").to_frame().astype({"n": str})
    >>> df.loc[df["n"].str.len() == 1, "n"] = "<10"
    >>> table = mse.CaptureTable.from_frame(df, ["EXH", "ABA", "OSCE", "HRW"], count="n")
    >>> fit = mse.LogLinearSearch().fit(table)
    >>> fit.model, fit.n_models, fit.status
    ('[123,14,34]', 113, 'ok')
    """

    _scope: Scope = field(repr=False)
    _minus_twice: FloatArray = field(repr=False)

    @cached_property
    def _criteria(self) -> Criteria:
        persons = max(self.table.n_observed, 1)
        return criteria_of(self._minus_twice, self._n_parameters, persons)

    @property
    def _excused(self) -> BoolArray:
        kinds = excused_strata(self._scope.data).reshape(-1, self._scope.n_kinds)
        return np.asarray(kinds.all(axis=1))

    @property
    def _n_observable(self) -> int:
        return histories_apart(self._scope.seen)

    @property
    def _best(self) -> IncompleteLogLinearFit:
        best = self.best
        if not isinstance(best, IncompleteLogLinearFit):
            raise TypeError(f"{best!r} is no fit to a table known in part.")
        return best

    @property
    def log_likelihood(self) -> float:
        """Observed-data log likelihood of the best model."""
        return self._best.log_likelihood

    def average(
        self,
        criterion: Literal["bic", "aic", "aicc"] | None = None,
        interval: AverageKind = "mixture",
    ) -> PopulationEstimate:
        """Average over the models that were fitted, see `LogLinearSearchFit.average`.

        Raises
        ------
        ModelError
            If counts are known within bounds and ``interval="mixture"``.
        """
        if interval == "mixture" and is_vague(self._scope.seen):
            raise ModelError(NO_AVERAGE)
        found = super().average(criterion, interval)
        silent = silent_lists(self.table, self._scope.seen.operating)
        return replace(found, warnings=(*silent, *found.warnings))

    def refitter(self, candidates: int | None = None) -> SearchAgain:
        """Repeat the search on other counts of the same observations, for the bootstrap."""
        if candidates is not None:
            raise ModelError(
                f"On a table known in part all models are candidates in every replicate; candidates="
                f"{candidates} cannot be asked for."
            )
        best, scope = self._best, self._scope
        records = replace(best.refitter(), data=scope.data)
        kind = SELECTION_CRITERIA.index(self.estimator.criterion)
        inside = scope.inside(self.structure)
        near = fit_part(scope.data, scope.member(self.structure))
        listed = self._source if isinstance(self._source, CatalogueModels) else None
        models = np.zeros((0, inside.size), dtype=np.bool_)
        if listed is not None:
            every = catalogue(len(listed.lists), listed.max_order)
            models = np.stack(
                [scope.inside(every.model(i, listed.lists)) for i in range(len(every))]
            )
        question = Question(scope.data, scope.terms, kind)
        return SearchAgain(
            records,
            question,
            inside,
            self._begin(listed),
            scope.plain,
            open_terms(scope, near, inside),
            models,
        )

    def _begin(self, listed: CatalogueModels | None) -> str:
        if listed is not None:
            return CATALOGUE
        if self.table.covariates:
            return MAIN if (self.estimator.max_order or 2) != 2 else JOINT
        return MAIN if self.estimator.keep or (self.estimator.max_order or 2) != 2 else LISTS

    def drawing(self, resampling: Resampling) -> PatternDrawing:
        """Return what draws records as they are, see `IncompleteLogLinearFit.drawing`."""
        return self._best.drawing(resampling)

    def resampled(self) -> FloatArray:
        """Return persons by pattern, see `IncompleteLogLinearFit.resampled`."""
        return self._best.resampled()
