"""Search among hierarchical log-linear models."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import pandas as pd

from mse.catalogue import Catalogue, catalogue
from mse.core.batch import BOUNDARY, NOT_CONVERGED, STATUSES, BatchFit, fit_models
from mse.core.existence import LIMITS
from mse.core.newton import Design, make_design
from mse.core.selection import CRITERIA as SELECTION_CRITERIA
from mse.core.selection import make_candidates
from mse.errors import ModelError
from mse.intervals import ModelRange
from mse.loglinear.criteria import Criteria, criteria
from mse.loglinear.refitting import PathRefitter, SelectionRefitter
from mse.loglinear.single import (
    IntervalKind,
    LogLinear,
    LogLinearFit,
    complete_counts,
    fit_structure,
)
from mse.loglinear.steps import Step, TriedModels, stepwise_by_criterion, stepwise_by_p_value
from mse.model import HierarchicalModel, parse_model
from mse.population import PopulationEstimate, provenance
from mse.refitting import Refitter, TableRefitter

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray, Limit, Status
    from mse.table import CaptureTable

Criterion = Literal["bic", "aic", "aicc", "pvalue"]
Strategy = Literal["exhaustive", "stepwise"]

#: Models this close to the best criterion count as defensible in the range that is reported:
#: a difference of 10 in BIC is "very strong" evidence (Kass & Raftery 1995, JASA 90, 773-795).
RANGE_WITHIN = 10.0
_NAMES = {"bic": "BIC", "aic": "AIC", "aicc": "AICc", "pvalue": "BIC"}
#: Up to this many lists all hierarchical models are tried, and up to pairs for one more.
_ALL_ORDERS_LISTS = 5
#: Numbers of candidates at which a bootstrap notes the choice so far.
CHECKPOINTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)


class ModelSource(Protocol):
    """Models by number, written or built when somebody asks."""

    def notation(self, i: int) -> str:
        """Write model i."""
        ...

    def structure(self, i: int) -> HierarchicalModel:
        """Build model i."""
        ...


@dataclass(frozen=True)
class _CatalogueModels:
    lists: tuple[str, ...]
    max_order: int | None

    def notation(self, i: int) -> str:
        return catalogue(len(self.lists), self.max_order).notation(i)

    def structure(self, i: int) -> HierarchicalModel:
        return catalogue(len(self.lists), self.max_order).model(i, self.lists)


@dataclass(frozen=True)
class _ListedModels:
    models: tuple[HierarchicalModel, ...]

    def notation(self, i: int) -> str:
        return self.models[i].notation()

    def structure(self, i: int) -> HierarchicalModel:
        return self.models[i]


@dataclass(frozen=True)
class LogLinearSearch:
    """Estimate N by the best of many hierarchical log-linear models.

    Parameters
    ----------
    criterion : {"bic", "aic", "aicc", "pvalue"}, default "bic"
        What makes a model good. ``"pvalue"`` adds pairs of lists by the tail probability of their
        overlap (Chan, Silverman & Vincent 2021) and needs ``strategy="stepwise"``.
    strategy : {"exhaustive", "stepwise"}, default "exhaustive"
        Fit every model, or add and drop one term at a time, from the main effects and from all
        two-way terms, and keep the better end.
    max_order : int, optional
        Largest interaction. Exhaustive: all orders up to K - 1 for at most 5 lists and pairs for
        6; stepwise: pairs.
    threshold : float, default 0.02
        For ``"pvalue"``: pairs are added for p-values below it.
    interval : {"profile", "lognormal"}, default "profile"
        Interval of the chosen model, which takes that model for granted.

    Notes
    -----
    Models whose hidden count the data do not determine are fitted and listed, but never chosen.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    >>> fit.model, round(fit.population.total, 1)
    ('[123,14,34]', 10356.5)
    >>> fit.models[["model", "bic", "total"]].head(2).round(1).to_numpy().tolist()
    [['[123,14,34]', 203.0, 10356.5], ['[123,134]', 203.1, 12741.0]]
    """

    criterion: Criterion = "bic"
    strategy: Strategy = "exhaustive"
    max_order: int | None = None
    threshold: float = 0.02
    interval: IntervalKind = "profile"

    def __post_init__(self) -> None:
        if self.criterion not in _NAMES:
            raise ModelError(
                f"criterion={self.criterion!r} is not known; expected {', '.join(map(repr, _NAMES))}."
            )
        if self.strategy not in ("exhaustive", "stepwise"):
            raise ModelError(
                f"strategy={self.strategy!r} is not known; expected 'exhaustive' or 'stepwise'."
            )
        if self.criterion == "pvalue" and self.strategy == "exhaustive":
            raise ModelError(
                "criterion='pvalue' compares a model with the next one of a path; ask for it with "
                "strategy='stepwise'."
            )
        if self.criterion == "pvalue" and self.max_order not in (None, 2):
            raise ModelError(
                f"criterion='pvalue' adds pairs of lists; max_order={self.max_order} cannot be asked "
                "of it. Leave max_order out."
            )
        if not 0 < self.threshold < 1:
            raise ModelError(f"threshold={self.threshold!r}; expected a number between 0 and 1.")
        if self.max_order is not None and self.max_order < 1:
            raise ModelError(f"max_order={self.max_order!r}; expected 1 or more.")
        LogLinear("main", self.interval)

    def fit(self, table: CaptureTable) -> LogLinearSearchFit:
        """Search among the models of a table.

        Parameters
        ----------
        table : CaptureTable
            Counts of complete histories, without covariates.

        Returns
        -------
        LogLinearSearchFit

        Raises
        ------
        ModelError
            If the table has covariates, or more lists than can be searched exhaustively.
        """
        counts = complete_counts(table)
        parse_model("main", table.lists, ())
        if table.covariates:
            first = next(iter(table.covariates))
            raise ModelError(
                f"The table has covariates ({', '.join(table.covariates)}), over which there is no "
                f"search. Search within levels with table.by({first!r}), sum over a covariate with "
                f"table.collapse({first!r}), or name a model: LogLinear('all two-way')."
            )
        if self.strategy == "exhaustive":
            return self._fit_all(table, counts)
        return self._fit_stepwise(table, counts)

    def _fit_all(self, table: CaptureTable, counts: FloatArray) -> LogLinearSearchFit:
        order = self._exhaustive_order(table.n_lists)
        models = catalogue(table.n_lists, order)
        design, members = list_design(models)
        fits = fit_models(counts[None], members, design)
        source = _CatalogueModels(table.lists, order)
        return LogLinearSearchFit(self, table, source, fits, models.n_parameters, ())

    def _exhaustive_order(self, n_lists: int) -> int | None:
        if self.max_order is not None or n_lists <= _ALL_ORDERS_LISTS:
            return self.max_order
        if n_lists == _ALL_ORDERS_LISTS + 1:
            return 2
        raise ModelError(
            f"{n_lists} lists have too many models to fit them all; expected at most "
            f"{_ALL_ORDERS_LISTS + 1}. Use strategy='stepwise', name a max_order, or merge lists "
            "with table.merge_lists({...})."
        )

    def _fit_stepwise(self, table: CaptureTable, counts: FloatArray) -> LogLinearSearchFit:
        main = parse_model("main", table.lists)
        scope = _all_terms(main, min(self.max_order or 2, max(table.n_lists - 1, 1)))
        tried = TriedModels(counts, scope, table.shape)
        if self.criterion == "pvalue":
            path = stepwise_by_p_value(tried, main, self.threshold)
        else:
            starts = (main, _all_terms(main, min(2, scope_order(scope))))
            paths = [stepwise_by_criterion(tried, each, scope, self._values) for each in starts]
            path = min(paths, key=lambda steps: steps[-1].value)
        source = _ListedModels(tuple(tried.models))
        n_parameters = np.asarray([m.n_parameters(table.shape) for m in tried.models])
        return LogLinearSearchFit(self, table, source, tried.fits, n_parameters, tuple(path))

    def _values(self, tried: TriedModels) -> FloatArray:
        n_parameters = np.asarray([m.n_parameters(tried.shape) for m in tried.models])
        fits = tried.fits
        values: FloatArray = getattr(
            criteria(fits.deviance[0], n_parameters, tried.counts), self.criterion
        )
        return np.where(fits.status[0] <= BOUNDARY, values, np.inf)


def list_design(models: Catalogue) -> tuple[Design, BoolArray]:
    """Design of a catalogue's models and their parameters, (M, U), the constant first."""
    axis_cells = 1 << np.arange(models.n_lists)[::-1]
    cells = np.asarray([0, *(int(axis_cells[list(term)].sum()) for term in models.terms)])
    design = make_design((2,) * models.n_lists, models.n_lists, cells)
    return design, np.column_stack([np.ones(len(models), dtype=np.bool_), models.members])


def _path_refitter(n_lists: int, threshold: float) -> PathRefitter:
    axis_cells = 1 << np.arange(n_lists)[::-1]
    pairs = np.asarray([int(axis_cells[list(p)].sum()) for p in combinations(range(n_lists), 2)])
    cells = np.concatenate([[0], axis_cells, pairs])
    return PathRefitter(make_design((2,) * n_lists, n_lists, cells), pairs, threshold)


def scope_order(model: HierarchicalModel) -> int:
    """Largest interaction of a model."""
    return max(len(generator) for generator in model.generators)


def _all_terms(main: HierarchicalModel, order: int) -> HierarchicalModel:
    model = main
    for size in range(2, order + 1):
        for term in model.additions(size):
            model = model.with_term(term)
    return model


@dataclass(frozen=True, eq=False, repr=False)
class LogLinearSearchFit:
    """What a search learned: every model tried, and the best one.

    Everything that a `LogLinearFit` has is that of the best estimable model.

    Attributes
    ----------
    estimator : LogLinearSearch
        Assumptions and settings.
    table : CaptureTable
        The data.
    """

    estimator: LogLinearSearch
    table: CaptureTable
    _source: ModelSource = field(repr=False)
    _fits: BatchFit = field(repr=False)
    _n_parameters: IntArray = field(repr=False)
    _path: tuple[Step, ...] = field(repr=False)

    def __repr__(self) -> str:
        return (
            f"<LogLinearSearchFit: {self.model}, best of {self.n_models:,} models, {self.status}>"
        )

    @property
    def n_models(self) -> int:
        """Number of models tried."""
        return int(self._n_parameters.size)

    @cached_property
    def _criteria(self) -> Criteria:
        return criteria(self._fits.deviance[0], self._n_parameters, complete_counts(self.table))

    @property
    def _criterion_name(self) -> str:
        return _NAMES[self.estimator.criterion]

    @property
    def _values(self) -> FloatArray:
        values: FloatArray = getattr(self._criteria, self._criterion_name.lower())
        return values

    @property
    def _estimable(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.asarray(self._fits.status[0] <= BOUNDARY)

    @cached_property
    def _order(self) -> IntArray:
        """Models from best to worst; the end of a p-value path counts as best."""
        values = np.where(np.isnan(self._values), np.inf, self._values)
        order = np.argsort(values, kind="stable")
        if self.estimator.criterion == "pvalue":
            chosen = self._chosen
            order = np.concatenate([[chosen], order[order != chosen]])
        return order

    @cached_property
    def _chosen(self) -> int:
        if self.estimator.criterion == "pvalue":
            end = self._path[-1].model
            return next(i for i in range(self.n_models) if self._source.structure(i) == end)
        usable = np.where(self._estimable, self._values, np.inf)
        return int(np.argmin(usable)) if self._estimable.any() else int(self._order[0])

    @cached_property
    def best(self) -> LogLinearFit:
        """Fit of the best estimable model, or of the best one where none is estimable."""
        structure = self._source.structure(self._chosen)
        model = LogLinear(structure.notation(), self.estimator.interval)
        return fit_structure(model, self.table, structure)

    @cached_property
    def models(self) -> pd.DataFrame:
        """Every model tried, best first, one row each.

        Returns
        -------
        DataFrame
            ``model`` (canonical notation), ``n_parameters``, ``deviance``, ``df_residual``,
            ``aic``, ``aicc``, ``bic``, ``total`` (persons; NaN where not estimable), ``status``,
            ``limit``.
        """
        order, fits = self._order, self._fits
        observable = int(np.prod(self.table.shape)) * (1 - 0.5**self.table.n_lists)
        frame = pd.DataFrame(
            {
                "model": [self._source.notation(i) for i in order.tolist()],
                "n_parameters": self._n_parameters[order],
                "deviance": fits.deviance[0, order],
                "df_residual": int(observable) - self._n_parameters[order],
                "aic": self._criteria.aic[order],
                "aicc": self._criteria.aicc[order],
                "bic": self._criteria.bic[order],
                "total": self._totals[order],
                "status": np.asarray(STATUSES)[fits.status[0, order]],
                "limit": np.asarray(LIMITS)[fits.limits[0, order, 0]],
            }
        )
        frame.loc[frame["status"] == "not_converged", "limit"] = "indeterminate"
        return frame

    @property
    def _totals(self) -> FloatArray:
        total = self._fits.hidden[0].sum(axis=1) + self.table.n_observed
        return np.where(self._estimable, total, np.nan)

    @property
    def path(self) -> pd.DataFrame:
        """Steps of a stepwise search: change, model, criterion or p-value, and total.

        Empty for an exhaustive search.
        """
        totals = {self._source.notation(i): self._totals[i] for i in range(self.n_models)}
        rows = [(s.change, s.model.notation(), s.value) for s in self._path]
        frame = pd.DataFrame(rows, columns=["change", "model", "value"])
        frame["total"] = frame["model"].map(totals)
        return frame

    @cached_property
    def model_range(self) -> ModelRange | None:
        """Totals of the models within 10 of the best criterion; None where none is estimable."""
        if not self._estimable.any():
            return None
        values = np.where(np.isnan(self._values), np.inf, self._values)
        near = values <= values[self._estimable].min() + RANGE_WITHIN
        totals = self._totals[near & self._estimable]
        return ModelRange(
            low=float(totals.min()),
            high=float(totals.max()),
            n_models=int(totals.size),
            n_not_estimable=int((near & ~self._estimable).sum()),
            criterion=self._criterion_name,
            within=RANGE_WITHIN,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the search that a reader of its answer must know."""
        found = []
        first = int(np.nanargmin(self._values))
        if self._estimable.any() and not self._estimable[first]:
            found.append(
                f"The model with the best {self._criterion_name}, {self._source.notation(first)}, "
                f"is not estimable (limit: {LIMITS[self._fits.limits[0, first, 0]]}); the best "
                "estimable one was chosen."
            )
        failed = int((self._fits.status[0] == NOT_CONVERGED).sum())
        if failed:
            found.append(f"{failed:,} of {self.n_models:,} models did not converge.")
        return tuple(found)

    @cached_property
    def population(self) -> PopulationEstimate:
        """The answer of the best model, with the range over models near it."""
        how = "p-value" if self.estimator.criterion == "pvalue" else self._criterion_name
        found = self.best.population
        return replace(
            found,
            method=f"log-linear model, chosen by {how} among {self.n_models:,}",
            model_range=self.model_range,
            warnings=(*self.warnings, *found.warnings),
            provenance=provenance(self.estimator, self.table),
        )

    # The best model's own figures -----------------------------------------------------------------

    @property
    def model(self) -> str:
        """The best model in canonical notation."""
        return self.best.model

    @property
    def structure(self) -> HierarchicalModel:
        """The best model as terms."""
        return self.best.structure

    @property
    def status(self) -> Status:
        """Status of the best model."""
        return self.best.status

    @property
    def limit(self) -> Limit:
        """Limit of the best model."""
        return self.best.limit

    @property
    def reason(self) -> str:
        """Why the status is not ``ok``."""
        return self.best.reason

    @property
    def coefficients(self) -> pd.Series[float]:
        """Coefficients of the best model."""
        return self.best.coefficients

    @property
    def deviance(self) -> float:
        """Deviance of the best model."""
        return self.best.deviance

    @property
    def aic(self) -> float:
        """AIC of the best model."""
        return self.best.aic

    @property
    def aicc(self) -> float:
        """AICc of the best model."""
        return self.best.aicc

    @property
    def bic(self) -> float:
        """BIC of the best model."""
        return self.best.bic

    @property
    def n_parameters(self) -> int:
        """Parameters of the best model."""
        return self.best.n_parameters

    @property
    def df_residual(self) -> int:
        """Residual degrees of freedom of the best model."""
        return self.best.df_residual

    @property
    def df_adjusted(self) -> int:
        """Degrees of freedom of the best model on its facial set."""
        return self.best.df_adjusted

    @property
    def fitted(self) -> FloatArray:
        """Fitted means of the best model, shape ``table.shape``."""
        return self.best.fitted

    def refitter(self, candidates: int | None = None) -> Refitter:
        """Repeat the search on other counts, for the bootstrap; see `mse.refitting`."""
        if isinstance(self._source, _CatalogueModels):
            return self._selection_refitter(self._source, candidates)
        if candidates is not None:
            raise ModelError(
                f"A stepwise search has no list of candidates; candidates={candidates} goes with "
                "strategy='exhaustive'."
            )
        if self.estimator.criterion != "pvalue":
            return TableRefitter(self.estimator, self.table)
        return _path_refitter(self.table.n_lists, self.estimator.threshold)

    def _selection_refitter(
        self, source: _CatalogueModels, candidates: int | None
    ) -> SelectionRefitter:
        design, members = list_design(catalogue(self.table.n_lists, source.max_order))
        # Those not estimable here may be so on other counts: they come last, not never.
        rank = np.where(self._estimable, self._values, np.inf)
        order = np.argsort(rank, kind="stable")
        if candidates is not None:
            order = order[: min(candidates, int(self._estimable.sum()))]
        starts = self._fits.coefficients[0, order]
        counts = complete_counts(self.table)
        chosen = make_candidates(counts, members[order], starts, design)
        steps = [count for count in CHECKPOINTS if count < order.size]
        kind = SELECTION_CRITERIA.index(self.estimator.criterion)
        return SelectionRefitter(chosen, kind, design, (*steps, int(order.size)))

    def summary(self) -> str:
        """Describe the best models and the answer, in words."""
        columns = ["model", "n_parameters", "bic", "aic", "total", "status"]
        head = self.models[columns].head(10).to_string(index=False)
        return f"Best of {self.n_models:,} models:\n{head}\n\n{self.population.summary()}"
