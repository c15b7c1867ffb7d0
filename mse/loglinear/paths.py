"""Stepwise paths through hierarchical models, over arrays."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from scipy.special import gammaln

from mse.core.existence import FINITE
from mse.core.fitting import (
    BIC,
    BOUNDARY,
    NO_RULE,
    NOT_ESTIMABLE,
    PRUNED,
    BatchFit,
    ModelFit,
    fit_model,
    near_the_best,
    penalty_of,
)
from mse.core.large_search import walker_of
from mse.core.partly_known_fit import deviance_from
from mse.core.search import best_walk
from mse.core.stepwise import Terms, excused_strata, fit_part, overlap_tails, promises, usable
from mse.loglinear.design import check_trend, criteria_of, table_design
from mse.loglinear.fit import LogLinear, check_complete, fit_structure
from mse.loglinear.partly_known import folded_strata, look_at, make_data
from mse.models.terms import HierarchicalModel, parse_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design
    from mse.core.partly_known_fit import Data, IncompleteFit
    from mse.core.stepwise import Found
    from mse.data.table import CaptureTable
    from mse.loglinear.design import TableDesign
    from mse.loglinear.partly_known import Seen
    from mse.models.heterogeneity import Heterogeneity
    from mse.models.terms import Term

#: What changes, in words, and the model that comes of it.
Change: TypeAlias = "tuple[str, HierarchicalModel]"


@dataclass(frozen=True)
class Step:
    """One step of a path: what was added (or dropped), the criterion or p-value behind it, and the form."""

    change: str
    model: HierarchicalModel
    value: float
    form: str | None = None


class Tried(Protocol):
    """Models tried so far, as a path by a criterion needs them."""

    def worth_a_fit(
        self, changes: list[Change], near: HierarchicalModel, *, exchanges: bool
    ) -> list[Change]:
        """Which changes of a tried model to fit, and what comes of them."""
        ...

    def fit(
        self,
        models: list[HierarchicalModel],
        near: HierarchicalModel | None = None,
        best: float = np.inf,
    ) -> IntArray:
        """Fit the models that are new, starting from a tried one near them; the row of each model.

        It is -1 of a model whose criterion is sure to be far above the best one.
        """
        ...


T = TypeVar("T", bound=Tried)

#: Tables with no more cells have every model fitted that a search comes by.
SMALL_TABLE = 2**8
#: Of larger ones none is fitted to the end, nor listed, that is sure to be further above the best one so far: in
#: an average it has a weight below exp(-10) of that of the best.
FAR_FROM_BEST = 20.0


class TriedModels:
    """Models fitted to one table so far, each once.

    Parameters
    ----------
    counts : float64 array (C,)
        Persons by cell.
    layout : TableDesign
        Parameters of every model that will be tried.
    kind : int, optional
        Code of a criterion by which models far from the best one are given up.
    """

    def __init__(self, counts: FloatArray, layout: TableDesign, kind: int = BIC) -> None:
        self.counts = counts
        self.layout = layout
        self.models: list[HierarchicalModel] = []
        self._kind = kind
        self._row: dict[HierarchicalModel, int] = {}
        self._fits: list[BatchFit] = []
        self._sizes: list[int] = []

    @property
    def design(self) -> Design:
        """Axes and parameters."""
        return self.layout.core

    @property
    def n_parameters(self) -> IntArray:
        """Parameters of each model tried."""
        return np.asarray(self._sizes, dtype=np.int64)

    def fit(
        self,
        models: list[HierarchicalModel],
        near: HierarchicalModel | None = None,
        best: float = np.inf,
    ) -> IntArray:
        """Fit the models that are new, starting from a tried one near them; the row of each model.

        It is -1 of a model that is sure to be more than `FAR_FROM_BEST` above the best one.
        """
        new = [model for model in dict.fromkeys(models) if model not in self._row]
        if new:
            members = np.stack([self.layout.member(model) for model in new])
            start = None if near is None else self._coefficients_of(near)
            sizes = members.sum(axis=1, dtype=np.int64)
            rule = NO_RULE
            if self.counts.size > SMALL_TABLE and best < np.inf:
                rule = near_the_best(self._kind, sizes, best, FAR_FROM_BEST)
            fits, at_zero = self.layout.fits_of(self.counts, members, start, rule)
            kept = np.flatnonzero(fits.status[0] != PRUNED)
            self._fits.append(BatchFit._make(part[:, kept] for part in fits))
            self._sizes += (sizes - at_zero)[kept].tolist()
            for i in kept.tolist():
                self._row[new[i]] = len(self.models)
                self.models.append(new[i])
        return np.asarray([self._row.get(model, -1) for model in models], dtype=np.int64)

    def worth_a_fit(
        self,
        changes: list[Change],
        near: HierarchicalModel,  # noqa: ARG002 (others ask it)
        *,
        exchanges: bool,  # noqa: ARG002
    ) -> list[Change]:
        """All of them: a fit is fast."""
        return changes

    def _coefficients_of(self, model: HierarchicalModel) -> FloatArray:
        row = self._row[model]
        for fits in self._fits:
            if row < fits.deviance.shape[1]:
                return np.asarray(fits.coefficients[0, row])
            row -= fits.deviance.shape[1]
        raise KeyError(model)

    def fit_one(self, model: HierarchicalModel) -> ModelFit:
        """Fit one model, with its means."""
        return fit_model(self.counts, self.layout.member(model), self.design)

    @property
    def fits(self) -> BatchFit:
        """All fits in the order of `models`."""
        return BatchFit(*(np.concatenate(parts, axis=1) for parts in zip(*self._fits, strict=True)))


def stepwise_by_criterion(
    tried: T,
    start: HierarchicalModel,
    scope: tuple[HierarchicalModel, HierarchicalModel],
    value: Callable[[T], FloatArray],
    *,
    exchanges: bool,
) -> list[Step]:
    """Take the change of one term that lowers the criterion most, until none does.

    tried: receives every model that is fitted, and says which changes are worth it
    start: first model
    scope: smallest and largest model
    value: criterion of each tried model; infinite where not estimable, so that it is never chosen
    exchanges: where no single change helps, exchange a term in the model for one outside
    Returns the path, the start first
    """

    def values_of(
        models: list[HierarchicalModel], near: HierarchicalModel | None = None
    ) -> FloatArray:
        rows = tried.fit(models, near, best)
        return np.where(rows < 0, np.inf, value(tried)[rows])

    best = np.inf
    current, best = start, float(values_of([start])[0])
    path = [Step("start", start, best)]
    while True:
        for changes in (_single_changes, _exchanges)[: 2 if exchanges else 1]:
            found = tried.worth_a_fit(
                changes(current, scope), current, exchanges=changes is _exchanges
            )
            if not found:
                continue
            values = values_of([model for _, model in found], current)
            i = int(np.argmin(values))
            if values[i] < best:
                break
        else:
            return path
        best, current = float(values[i]), found[i][1]
        path.append(Step(found[i][0], current, best))


def _droppable(model: HierarchicalModel, smallest: HierarchicalModel) -> list[Term]:
    return [term for term in model.deletions() if term not in smallest]


def _single_changes(
    model: HierarchicalModel, scope: tuple[HierarchicalModel, HierarchicalModel]
) -> list[Change]:
    """Terms that can be added or dropped, and what comes of it."""
    smallest, largest = scope
    added = [
        (f"+ {model.term_name(t)}", model.with_term(t)) for t in model.additions(None, largest)
    ]
    dropped = [
        (f"- {model.term_name(t)}", model.without_term(t)) for t in _droppable(model, smallest)
    ]
    return added + dropped


def _exchanges(
    model: HierarchicalModel, scope: tuple[HierarchicalModel, HierarchicalModel]
) -> list[Change]:
    """Terms that can be dropped for another one, and what comes of it."""
    found = []
    smallest, largest = scope
    for out in _droppable(model, smallest):
        rest = model.without_term(out)
        for term in rest.additions(None, largest):
            if term != out:
                name = f"- {model.term_name(out)} + {model.term_name(term)}"
                found.append((name, rest.with_term(term)))
    return found


def joint_path(tried: TriedModels, least: HierarchicalModel, kind: int) -> list[Step]:
    """Search over lists and covariates by the same steps as its replicates do.

    tried: receives every model that is fitted; its layout has those of all two-way terms
    least: smallest model
    kind: code of the criterion, see `mse.core.fitting.CRITERIA`
    Returns The best of the paths, the start first. Empty where every path ended in a fit that
        failed.
    """
    layout = tried.layout
    terms, fixed, ranges = layout.changing(least)

    def model_of(inside: BoolArray) -> HierarchicalModel:
        added = [term for term, present in zip(terms, inside, strict=True) if present]
        return HierarchicalModel(least.axes, least.n_lists, (*least.generators, *added))

    walks = walker_of(fixed, ranges, kind, layout.core).walks(tried.counts)
    for found in walks:
        for current, others in zip(found.models, found.tried, strict=True):
            tried.fit([model_of(current)])
            tried.fit([model_of(each) for each in others], model_of(current))
    best = best_walk(walks)
    if best.failed:
        return []
    persons = float(tried.counts.sum())

    def value_of(model: HierarchicalModel) -> float:
        row = tried.fit([model])[0]
        size = int(tried.n_parameters[row])
        return float(tried.fits.deviance[0, row] + penalty_of(kind, size, persons))

    return list(steps_of([model_of(each) for each in best.models], value_of))


def steps_of(
    path: list[HierarchicalModel], value_of: Callable[[HierarchicalModel], float]
) -> Iterator[Step]:
    """Say what each model of a path changed, and its criterion."""
    for number, model in enumerate(path):
        before = path[max(number - 1, 0)]
        gone = [f"- {model.term_name(t)}" for t in before.terms if t not in model]
        new = [f"+ {model.term_name(t)}" for t in model.terms if t not in before]
        yield Step(" ".join([*gone, *new]) or "start", model, value_of(model))


def stepwise_by_p_value(
    tried: TriedModels, start: HierarchicalModel, threshold: float
) -> list[Step]:
    """Add the pair of lists whose overlap is least expected, until none is below the threshold.

    Of the pairs below the threshold whose addition leaves the model estimable the one with the
    smallest p-value is added, ties by position (Chan, Silverman & Vincent 2021, section 4).

    tried: receives every model that is fitted
    start: first model
    threshold: terms are added for p-values below it
    Returns the path, the start first
    """
    axis_cells = 1 << np.arange(start.n_lists)[::-1]
    tried.fit([start])
    path = [Step("start", start, np.nan)]
    pairs = [p for p in combinations(range(start.n_lists), 2) if p not in start]
    while pairs:
        current = path[-1].model
        means = tried.fit_one(current).means
        seen = np.where(tried.design.observable, means, 0.0)
        p_values = np.zeros(len(pairs))
        overlap_tails(tried.counts, seen, axis_cells[np.asarray(pairs)].sum(axis=1), p_values)
        for i in np.argsort(p_values, kind="stable"):
            if not p_values[i] < threshold:
                return path
            candidate = current.with_term(pairs[i])
            row = tried.fit([candidate])[0]
            if tried.fits.status[0, row] <= BOUNDARY:
                name = current.term_name(pairs[i])
                path.append(Step(f"+ {name}", candidate, float(p_values[i])))
                del pairs[i]
                break
        else:
            return path
    return path


# Models of a table of which some is known in part, fitted once each as a search goes --------------
# The likelihood is that of the sums (`mse.core.partly_known`), and criteria come from it. Each model is fitted
# from the counts as a neighbor completes them, which takes some milliseconds; of large tables only the
# changes that promise most are fitted (`mse.core.stepwise`). The model that is chosen is fitted
# again from several starts; where that shows that it is not estimable after all, the next best one is.

#: Where all changes of a model together have at most so many cells all of them are fitted.
ALL_FITTED = 2**16
#: Otherwise so many are, the most promising ones.
SCREENED = 10


class Scope(NamedTuple):
    """A table that is known in part, and the parameters of all models that are searched.

    Attributes
    ----------
    seen : Seen
        The table.
    layout : TableDesign
        Parameters of the largest model.
    data : Data
        Both, for the core; the kinds of records may be an axis behind the others.
    n_kinds : int
        Levels of that axis.
    least : HierarchicalModel
        The smallest model.
    changing : tuple of tuple of int
        Terms that models may have or not.
    terms : Terms
        The same for the core.
    """

    seen: Seen
    layout: TableDesign
    data: Data
    n_kinds: int
    least: HierarchicalModel
    changing: tuple[Term, ...]
    terms: Terms

    @property
    def plain(self) -> Design:
        """Axes and parameters without the kinds of records."""
        return self.layout.core._replace(observable=self.seen.observable)

    def inside(self, model: HierarchicalModel) -> BoolArray:
        """Which of the changing terms a model has."""
        present = set(model.terms)
        return np.asarray([term in present for term in self.changing], dtype=np.bool_)

    def member(self, model: HierarchicalModel) -> BoolArray:
        """Parameters of a model, those of the kinds of records included."""
        own = self.layout.member(model)
        return np.concatenate([own, np.ones(self.terms.fixed.size - own.size, dtype=np.bool_)])


def make_scope(
    table: CaptureTable,
    least: HierarchicalModel,
    most: HierarchicalModel,
    trend: Mapping[str, int],
    asked: Heterogeneity | None,
) -> Scope:
    """Put a table and all models between two together."""
    seen = look_at(table)
    layout = table_design(table, most, trend, asked)
    check_complete(layout)
    data, n_kinds = make_data(seen, layout.core)
    own = len(layout.terms)
    changing = layout.outside(least)
    fixed = np.ones(own + n_kinds - 1, dtype=np.bool_)
    fixed[:own] = layout.changing(least)[1]
    below = np.asarray(
        [[set(part) < set(term) for part in changing] for term in changing], dtype=np.bool_
    ).reshape(len(changing), len(changing))
    terms = Terms(layout.ranges(changing), fixed, below, own)
    return Scope(seen, layout, data, n_kinds, least, changing, terms)


class PartlyTried:
    """Models fitted to one table that is known in part so far, each once.

    Parameters
    ----------
    scope : Scope
        The table and all models.
    criterion : {"bic", "aic", "aicc"}
        What makes a model good.
    """

    def __init__(self, scope: Scope, criterion: str) -> None:
        self.scope = scope
        self.criterion = criterion
        self.models: list[HierarchicalModel] = []
        self._row: dict[HierarchicalModel, int] = {}
        self._fits: list[IncompleteFit] = []
        self._confirmed: set[int] = set()
        self._excused = excused_strata(scope.data)

    def fit(
        self,
        models: list[HierarchicalModel],
        near: HierarchicalModel | None = None,
        best: float = np.inf,  # noqa: ARG002 (others ask it)
    ) -> IntArray:
        """Fit the models that are new, starting from a tried one near them; the row of each model."""
        start = None if near is None else self._fit_of(near)
        if near is not None:
            self._forget(self._row[near])
        for model in dict.fromkeys(models):
            if model not in self._row:
                self._row[model] = len(self.models)
                self.models.append(model)
                self._fits.append(self._fitted(model, start))
        return np.asarray([self._row[model] for model in models], dtype=np.int64)

    def model_of(self, inside: BoolArray) -> HierarchicalModel:
        """Model of the changing terms inside."""
        least = self.scope.least
        added = [each for each, has in zip(self.scope.changing, inside, strict=True) if has]
        return HierarchicalModel(least.axes, least.n_lists, (*least.generators, *added))

    def note(self, found: Found) -> None:
        """Keep a model that was fitted elsewhere, unless it is known."""
        model = self.model_of(found.inside)
        if model not in self._row:
            self._row[model] = len(self.models)
            self.models.append(model)
            none = np.zeros(0)
            self._fits.append(
                found.fit._replace(covariance=np.zeros((0, 0)), means=none, counts=none)
            )

    def value_of(self, model: HierarchicalModel) -> float:
        """Criterion of a tried model, infinite where it is not estimable."""
        return float(self.values[self._row[model]])

    def _fitted(self, model: HierarchicalModel, near: IncompleteFit | None = None) -> IncompleteFit:
        found = fit_part(self.scope.data, self.scope.member(model), near)
        # Of thousands of models the covariances would fill the memory.
        return found._replace(covariance=np.zeros((0, 0)))

    def _fit_of(self, model: HierarchicalModel) -> IncompleteFit:
        """Fit of a tried model, with its completed counts."""
        row = self._row[model]
        if self._fits[row].counts.size == 0:
            self._fits[row] = self._fitted(model)
        return self._fits[row]

    def _forget(self, but: int) -> None:
        """Let go of the arrays over cells of all models but one."""
        none = np.zeros(0)
        for row, fit in enumerate(self._fits):
            if row != but and fit.counts.size:
                self._fits[row] = fit._replace(means=none, counts=none)

    def confirm(self) -> None:
        """Fit the best model from several starts, and the next one where it is not estimable."""
        while True:
            values = self.values
            best = int(np.argmin(values))
            if best in self._confirmed or not np.isfinite(values[best]):
                return
            self._fits[best] = self._fitted(self.models[best])
            self._confirmed.add(best)

    def worth_a_fit(
        self,
        changes: list[Change],
        near: HierarchicalModel,
        *,
        exchanges: bool,  # noqa: ARG002 (others ask it)
    ) -> list[Change]:
        """Find the most promising changes of a large table, or all of a small one."""
        scope = self.scope
        if len(changes) * scope.data.base.size <= ALL_FITTED:
            return changes
        fit = self._fit_of(near)
        inside = scope.inside(near)
        promised = promises(scope.data, fit, inside, scope.terms)
        factor = 2.0 if self.criterion != "bic" else float(np.log(self.persons))
        sizes = scope.terms.ranges[:, 1] - scope.terms.ranges[:, 0]
        judged = promised + factor * np.where(inside, -sizes, sizes)
        order = sorted(changes, key=lambda change: judged[inside != scope.inside(change[1])].sum())
        return order[:SCREENED]

    @property
    def persons(self) -> int:
        """Persons observed at least."""
        return int(self.scope.data.base.sum() + self.scope.data.seen.low.sum())

    @property
    def n_parameters(self) -> IntArray:
        """Parameters of each model tried."""
        return np.asarray([self.scope.layout.n_parameters(model) for model in self.models])

    @property
    def minus_twice(self) -> FloatArray:
        """Minus twice the log likelihood of each model tried, the factorials of exact counts included."""
        seen = self.scope.data.seen
        exact = np.concatenate([self.scope.data.base, seen.low[seen.low == seen.high]])
        values = np.asarray([fit.value for fit in self._fits])
        return np.asarray(-2 * (values - gammaln(exact + 1).sum()))

    @property
    def values(self) -> FloatArray:
        """Criterion of each model tried, infinite where it is not estimable."""
        found = criteria_of(self.minus_twice, self.n_parameters, self.persons)
        estimable = np.asarray([usable(fit, self._excused) for fit in self._fits])
        values: FloatArray = getattr(found, self.criterion)
        return np.where(estimable, values, np.inf)

    def batch(self, saturated: float) -> BatchFit:
        """All fits in the order of `models`, as a search keeps them.

        Parameters
        ----------
        saturated : float
            Log likelihood of a mean for each observable cell; NaN where it is not known.
        """
        fits, n_kinds = self._fits, self.scope.n_kinds
        strata = [folded_strata(fit.limits, fit.hidden, n_kinds) for fit in fits]
        return BatchFit(
            deviance=np.asarray([[deviance_from(saturated, fit.value) for fit in fits]]),
            hidden=np.asarray([[hidden for _, hidden in strata]]),
            limits=np.asarray([[limits for limits, _ in strata]]),
            status=np.asarray([[fit.status for fit in fits]], dtype=np.int8),
            rank=np.asarray([[fit.rank for fit in fits]], dtype=np.int64),
            n_face=np.asarray([[fit.face.sum() for fit in fits]], dtype=np.int64),
            coefficients=np.zeros((1, len(fits), 0)),
        )


# Which terms a search over lists and covariates needs to try, and which models it may choose ------

#: Scopes with fewer parameters are searched as they are: their fits cost next to nothing.
MANY_PARAMETERS = 1000


def smallest_model(table: CaptureTable, keep: Sequence[str]) -> HierarchicalModel:
    """Put the main effects of lists and covariates together with the terms that every model has."""
    axes = (*table.lists, *table.covariates)
    return parse_model(" + ".join([*keep, *axes]), table.lists, tuple(table.covariates))


def largest_model(smallest: HierarchicalModel, order: int) -> HierarchicalModel:
    """All terms of up to `order` axes, but for the interaction of all lists.

    With that one nothing can be said about the hidden cells.
    """
    model = smallest
    for size in range(2, order + 1):
        for term in model.additions(size):
            if not set(range(model.n_lists)).issubset(term):
                model = model.with_term(term)
    return model


def within_reach(
    table: CaptureTable,
    smallest: HierarchicalModel,
    scope: HierarchicalModel,
    criterion: Literal["aic", "aicc", "bic"],
    trend: Mapping[str, int],
    *,
    margin: float,
) -> HierarchicalModel:
    """Leave out of a large scope the terms that no criterion can want.

    Along a path on which the criterion falls from the smallest model on the deviance is never above
    that of it, and no term lowers it by more than all of it. A term whose penalty is more than that, as
    that of the interaction of 350 places with 12 months where few persons were seen, is never added.

    table: complete, or known in part: then the deviance is that of the observed-data likelihood
    smallest, scope: smallest and largest model
    criterion: {"aic", "aicc", "bic"}, what is lowered
    trend: covariates that enter by polynomials
    margin: terms that lead no further than this above the best model stay too, to be listed
    Returns the scope itself, if it has fewer than `MANY_PARAMETERS` parameters
    """
    degrees = check_trend(trend, table)
    sizes = [degrees.get(axis, levels - 1) for axis, levels in enumerate(table.shape)]
    if sum(prod(sizes[axis] for axis in term) for term in scope.terms) < MANY_PARAMETERS:
        return scope
    fit = fit_structure(LogLinear(smallest, trend=trend), table, smallest)
    deviance, n_least = fit.deviance, fit.n_parameters
    for term in scope.terms:
        if term in smallest or term not in scope:
            continue
        both = np.asarray([n_least, n_least + prod(sizes[axis] for axis in term)])
        penalties = criteria_of(np.zeros(2), both, float(max(table.n_observed, 1)))
        before, after = getattr(penalties, criterion)
        if after - before > deviance + margin:
            scope = scope.without_term(term)
    return scope


def eligible(fits: BatchFit, excused: BoolArray) -> BoolArray:
    """Which models determine the hidden count of every stratum that any model could, (M,) bool.

    Of a level that nobody was observed with no model can say how many are hidden. That is no reason to
    prefer one model to another, or to give up the search for all other strata.

    fits: fits of M models to one table
    excused: (Q,) bool, strata of such a level, see `mse.core.existence.without_persons`
    """
    known = ((fits.limits[0] == FINITE) | excused).all(axis=1)
    return np.asarray(known & (fits.status[0] <= NOT_ESTIMABLE))
