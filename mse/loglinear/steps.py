"""Stepwise paths through hierarchical models, over arrays."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import numpy as np

from mse.core.batch import BOUNDARY, BatchFit, ModelFit, fit_model, fit_models
from mse.core.joint_search import Walker, best_walk
from mse.core.selection import penalty_of
from mse.core.stepwise import overlap_tails
from mse.model import HierarchicalModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design
    from mse.loglinear.designs import TableDesign
    from mse.notation import Term


#: What changes, in words, and the model that comes of it.
Change: TypeAlias = "tuple[str, HierarchicalModel]"


@dataclass(frozen=True)
class Step:
    """One step of a path: what was added (or dropped), and the criterion or p-value behind it."""

    change: str
    model: HierarchicalModel
    value: float


class Tried(Protocol):
    """Models tried so far, as a path by a criterion needs them."""

    def worth_a_fit(
        self, changes: list[Change], near: HierarchicalModel, *, exchanges: bool
    ) -> list[Change]:
        """Which changes of a tried model to fit, and what comes of them."""
        ...

    def fit(
        self, models: list[HierarchicalModel], near: HierarchicalModel | None = None
    ) -> IntArray:
        """Fit the models that are new, starting from a tried one near them; the row of each model."""
        ...


T = TypeVar("T", bound=Tried)


class TriedModels:
    """Models fitted to one table so far, each once.

    Parameters
    ----------
    counts : float64 array (C,)
        Persons by cell.
    layout : TableDesign
        Parameters of every model that will be tried.
    """

    def __init__(self, counts: FloatArray, layout: TableDesign) -> None:
        self.counts = counts
        self.layout = layout
        self.models: list[HierarchicalModel] = []
        self._row: dict[HierarchicalModel, int] = {}
        self._fits: list[BatchFit] = []

    @property
    def design(self) -> Design:
        """Axes and parameters."""
        return self.layout.core

    @property
    def n_parameters(self) -> IntArray:
        """Parameters of each model tried."""
        return np.asarray([self.layout.n_parameters(model) for model in self.models])

    def fit(
        self, models: list[HierarchicalModel], near: HierarchicalModel | None = None
    ) -> IntArray:
        """Fit the models that are new, starting from a tried one near them; the row of each model."""
        new = [model for model in dict.fromkeys(models) if model not in self._row]
        if new:
            members = np.stack([self.layout.member(model) for model in new])
            start = None if near is None else self._coefficients_of(near)
            self._fits.append(fit_models(self.counts[None], members, self.design, start))
            for model in new:
                self._row[model] = len(self.models)
                self.models.append(model)
        return np.asarray([self._row[model] for model in models], dtype=np.int64)

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

    Parameters
    ----------
    tried : Tried
        Receives every model that is fitted, and says which changes are worth it.
    start : HierarchicalModel
        First model.
    scope : tuple of HierarchicalModel
        Smallest and largest model.
    value : callable
        Criterion of each tried model; infinite where not estimable, so that it is never chosen.
    exchanges : bool
        Where no single change helps, exchange a term in the model for one outside.

    Returns
    -------
    list of Step
        The path, the start first.
    """

    def values_of(
        models: list[HierarchicalModel], near: HierarchicalModel | None = None
    ) -> FloatArray:
        rows = tried.fit(models, near)
        return value(tried)[rows]

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

    Parameters
    ----------
    tried : TriedModels
        Receives every model that is fitted; its layout has those of all two-way terms.
    least : HierarchicalModel
        Smallest model.
    kind : int
        Code of the criterion, see `mse.core.selection.CRITERIA`.

    Returns
    -------
    list of Step
        The best of the paths, the start first. Empty where every path ended in a fit that failed.
    """
    layout = tried.layout
    terms, fixed, ranges = layout.changing(least)

    def model_of(inside: BoolArray) -> HierarchicalModel:
        added = [term for term, present in zip(terms, inside, strict=True) if present]
        return HierarchicalModel(least.axes, least.n_lists, (*least.generators, *added))

    walks = Walker(fixed, ranges, kind, layout.core).walks(tried.counts)
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

    Parameters
    ----------
    tried : TriedModels
        Receives every model that is fitted.
    start : HierarchicalModel
        First model.
    threshold : float
        Terms are added for p-values below it.

    Returns
    -------
    list of Step
        The path, the start first.
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
