"""Models of a table of which some is known in part, fitted once each as a search goes.

The likelihood is that of the sums (`mse.core.observed`), and criteria come from it. Each model is fitted
from the counts as a neighbor completes them, which takes some milliseconds; of large tables only the
changes that promise most are fitted (`mse.core.observed_search`). The model that is chosen is fitted
again from several starts; where that shows that it is not estimable after all, the next best one is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import gammaln

from mse.core.batch import BatchFit
from mse.core.incomplete import deviance_from
from mse.core.observed_search import Terms, excused_strata, fit_part, promises, usable
from mse.loglinear.criteria import criteria_of
from mse.loglinear.designs import table_design
from mse.loglinear.folding import folded_strata
from mse.loglinear.observing import look_at, make_data
from mse.model import HierarchicalModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.ascent import Data
    from mse.core.newton import Design
    from mse.core.observed_search import Found
    from mse.core.solution import IncompleteFit
    from mse.loglinear.designs import TableDesign
    from mse.loglinear.observing import Seen
    from mse.loglinear.steps import Change
    from mse.notation import Term
    from mse.table import CaptureTable

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
) -> Scope:
    """Put a table and all models between two together."""
    seen = look_at(table)
    layout = table_design(table, most, trend)
    data, n_kinds = make_data(seen, layout.core)
    own = len(layout.terms)
    changing = tuple(term for term in dict.fromkeys(layout.terms) if term not in least)
    fixed = np.ones(own + n_kinds - 1, dtype=np.bool_)
    fixed[:own] = [term in least for term in layout.terms]
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
        self, models: list[HierarchicalModel], near: HierarchicalModel | None = None
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
