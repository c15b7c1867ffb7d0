"""What a search among log-linear models learned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import pandas as pd

from mse._fitted import Fitted
from mse._goodness import fit_warnings, plain_zero
from mse._strata import joint_limit
from mse.catalogue import Catalogue, catalogue
from mse.core.batch import BOUNDARY, NOT_CONVERGED, STATUSES, BatchFit
from mse.core.empty_strata import without_persons
from mse.core.existence import LIMITS
from mse.core.newton import Design, make_design
from mse.core.selection import CRITERIA as SELECTION_CRITERIA
from mse.core.selection import make_candidates
from mse.errors import ModelError
from mse.intervals import ModelRange
from mse.loglinear.averaging import (
    Average,
    AverageInterval,
    AverageKind,
    check_form,
    heaviest,
    model_weights,
)
from mse.loglinear.criteria import Criteria, criteria
from mse.loglinear.refitting import (
    JointRefitter,
    ModelRefitter,
    SelectionRefitter,
    joint_refitter,
    path_refitter,
)
from mse.loglinear.scope import eligible, largest_model, smallest_model, within_reach
from mse.loglinear.single import LogLinear, LogLinearFit, complete_counts, fit_structure
from mse.loglinear.wording import averaged, no_range, none_estimable
from mse.population import PopulationEstimate, provenance
from mse.refitting import GIVEN_MODEL, RESELECTED, Refitter, TableRefitter

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray, Limit, Status
    from mse.loglinear.search import LogLinearSearch
    from mse.loglinear.steps import Step
    from mse.model import HierarchicalModel
    from mse.table import CaptureTable

#: Models this close to the best criterion count as defensible in the range that is reported:
#: a difference of 10 in BIC is "very strong" evidence (Kass & Raftery 1995, JASA 90, 773-795).
RANGE_WITHIN = 10.0
CRITERION_NAMES = {"bic": "BIC", "aic": "AIC", "aicc": "AICc", "pvalue": "BIC"}
#: Share of the weight below which models that are not estimable are not worth a warning.
WORTH_SAYING = 0.01
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
class CatalogueModels:
    """Models of a catalogue."""

    lists: tuple[str, ...]
    max_order: int | None

    def notation(self, i: int) -> str:
        """Write model i."""
        return catalogue(len(self.lists), self.max_order).notation(i)

    def structure(self, i: int) -> HierarchicalModel:
        """Build model i."""
        return catalogue(len(self.lists), self.max_order).model(i, self.lists)


@dataclass(frozen=True)
class ListedModels:
    """Models in a list."""

    models: tuple[HierarchicalModel, ...]

    def notation(self, i: int) -> str:
        """Write model i."""
        return self.models[i].notation()

    def structure(self, i: int) -> HierarchicalModel:
        """Build model i."""
        return self.models[i]


def list_design(models: Catalogue) -> tuple[Design, BoolArray]:
    """Design of a catalogue's models and their parameters, (M, U), the constant first."""
    axis_cells = 1 << np.arange(models.n_lists)[::-1]
    cells = np.asarray([0, *(int(axis_cells[list(term)].sum()) for term in models.terms)])
    design = make_design((2,) * models.n_lists, models.n_lists, cells)
    return design, np.column_stack([np.ones(len(models), dtype=np.bool_), models.members])


@dataclass(frozen=True, eq=False, repr=False)
class LogLinearSearchFit(Fitted):
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
            f"<LogLinearSearchFit: {self.model}, best of {self.n_models:,} "
            f"model{'s' * (self.n_models > 1)}, {self.status}>"
        )

    @property
    def n_models(self) -> int:
        """Number of models tried."""
        return int(self._n_parameters.size)

    @cached_property
    def _criteria(self) -> Criteria:
        return criteria(self._fits.deviance[0], self._n_parameters, complete_counts(self.table))

    @property
    def _n_observable(self) -> int:
        """Histories, by stratum, that can be seen."""
        return self.table.n_cells - (self.table.n_cells >> self.table.n_lists)

    @property
    def _criterion_name(self) -> str:
        return CRITERION_NAMES[self.estimator.criterion]

    @property
    def _values(self) -> FloatArray:
        values: FloatArray = getattr(self._criteria, self._criterion_name.lower())
        return values

    @property
    def _estimable(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.asarray(self._fits.status[0] <= BOUNDARY)

    @property
    def _excused(self) -> BoolArray:
        shape = np.asarray(self.table.shape, dtype=np.int64)
        counts, n_strata = complete_counts(self.table), self._fits.limits.shape[2]
        return np.asarray(without_persons(counts, shape, n_strata))

    @cached_property
    def _eligible(self) -> BoolArray:
        """Models that may be chosen."""
        return eligible(self._fits, self._excused)

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
        usable = np.where(self._eligible, self._values, np.inf)
        return int(np.argmin(usable)) if self._eligible.any() else int(self._order[0])

    @cached_property
    def best(self) -> LogLinearFit:
        """Fit of the best estimable model, or of the best one where none is estimable."""
        return self.fit_of(self._chosen)

    @cached_property
    def models(self) -> pd.DataFrame:
        """Every model tried, best first, one row each.

        Returns
        -------
        DataFrame
            ``model`` (canonical notation), ``n_parameters``, ``deviance``, ``df_residual``,
            ``aic``, ``aicc``, ``bic``, ``total`` (persons; NaN where not estimable), ``status``,
            ``limit``; of a complete table also ``df_adjusted``, the degrees of freedom of a test of fit,
            which leave out cells that the model fits at zero.
        """
        order, fits = self._order, self._fits
        frame = pd.DataFrame(
            {
                "model": [self._source.notation(i) for i in order.tolist()],
                "n_parameters": self._n_parameters[order],
                "deviance": [plain_zero(value) for value in fits.deviance[0, order].tolist()],
                "df_residual": self._n_observable - self._n_parameters[order],
                "aic": self._criteria.aic[order],
                "aicc": self._criteria.aicc[order],
                "bic": self._criteria.bic[order],
                "total": self._totals[order],
                "status": np.asarray(STATUSES)[fits.status[0, order]],
                "limit": [self._limit(i) for i in order.tolist()],
            }
        )
        if not self.table.is_complete:
            return frame
        return frame.assign(df_adjusted=fits.n_face[0, order] - fits.rank[0, order])

    def _limit(self, i: int) -> Limit:
        """Limit of model i: that of the least determined stratum."""
        if self._fits.status[0, i] == NOT_CONVERGED:
            return "indeterminate"
        codes = np.unique(self._fits.limits[0, i])
        return joint_limit([LIMITS[code] for code in codes])

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
        """Totals of the models within 10 of the best criterion; None unless there are two or more.

        One total is no range: what is said in its place stands in the warnings of the answer.
        """
        near = self._near
        totals = self._totals[near & self._estimable]
        if totals.size < 2:
            return None
        return ModelRange(
            low=float(totals.min()),
            high=float(totals.max()),
            n_models=int(totals.size),
            n_not_estimable=int((near & ~self._estimable).sum()),
            criterion=self._criterion_name,
            within=RANGE_WITHIN,
        )

    @cached_property
    def _near(self) -> BoolArray:
        """Models within 10 of the best estimable one, estimable or not; none where none is."""
        if not self._estimable.any():
            return np.zeros(self.n_models, dtype=np.bool_)
        values = np.where(np.isnan(self._values), np.inf, self._values)
        return np.asarray(values <= values[self._estimable].min() + RANGE_WITHIN)

    def _why_no_range(self) -> tuple[str, ...]:
        """Say why there is nothing to compare the one model with; empty where there is something."""
        near, estimable = self._near, self._estimable
        if (near & estimable).sum() != 1:
            return ()
        return (
            no_range(
                tried=self.n_models,
                estimable=int(estimable.sum()),
                failed=int((near & ~estimable).sum()),
                place=f"within {RANGE_WITHIN:g} of the best {self._criterion_name}",
            ),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the search that a reader of its answer must know."""
        found = [*self._why_no_range()]
        # Where no model converged none has a criterion.
        first = int(np.argmin(np.where(np.isnan(self._values), np.inf, self._values)))
        if self._eligible.any() and not self._eligible[first]:
            found.append(
                f"The model with the best {self._criterion_name}, {self._source.notation(first)}, "
                f"is not estimable (limit: {self._limit(first)}); the best "
                "estimable one was chosen."
            )
        if not self._eligible.any():
            found.append(none_estimable(self.n_models, self._source.notation(self._chosen)))
        failed = int((self._fits.status[0] == NOT_CONVERGED).sum())
        if failed:
            found.append(f"{failed:,} of {self.n_models:,} models did not converge.")
        return tuple(found)

    @cached_property
    def population(self) -> PopulationEstimate:
        """The answer of the best model, with the range over models near it."""
        found, made = self.best.population, provenance(self.estimator, self.table)
        method, notes = found.method, found.warnings
        record = found.provenance.get("fit")
        if record is not None:
            made["fit"] = {**record, "selected": self.n_models > 1}
            before = tuple(fit_warnings(record, self.table.n_lists))
            notes = tuple(each for each in notes if each not in before)
            notes = (*notes, *fit_warnings(made["fit"], self.table.n_lists))
        if self.n_models > 1:
            how = "p-value" if self.estimator.criterion == "pvalue" else self._criterion_name
            method = f"log-linear model, chosen by {how} among {self.n_models:,}"
        return replace(
            found,
            method=method,
            model_range=self.model_range,
            warnings=(*self.warnings, *notes),
            provenance=made,
        )

    def average(
        self,
        criterion: Literal["bic", "aic", "aicc"] | None = None,
        interval: AverageKind = "mixture",
    ) -> PopulationEstimate:
        """Average over the models of the search, by the weights of a criterion.

        Parameters
        ----------
        criterion : {"bic", "aic", "aicc"}, optional
            Weights are proportional to exp(-criterion / 2); by default the criterion of the search.
        interval : {"mixture", "buckland"}, default "mixture"
            See `mse.loglinear.averaging.AverageInterval`.

        Returns
        -------
        PopulationEstimate
            The weighted mean of the totals. Models that are not estimable have no weight; a
            warning says how much they would have had.

        Raises
        ------
        ModelError
            If the criterion or interval is not known.

        Examples
        --------
        >>> import mse
        >>> p = mse.LogLinearSearch().fit(mse.load_dataset("kosovo")).average()
        >>> round(p.total, -3), p.interval_kind
        (13000.0, 'averaged')
        """
        check_form(interval)
        name = criterion or self._criterion_name.lower()
        if name not in SELECTION_CRITERIA:
            known = ", ".join(map(repr, SELECTION_CRITERIA))
            raise ModelError(f"criterion={criterion!r} is not known; expected {known}.")
        if not self._estimable.any():
            return self.population
        values: FloatArray = getattr(self._criteria, name)
        average, usable = self._averaged(values)
        if average is None:
            return self.population
        observed = self.table.n_observed
        return replace(
            self.population,
            hidden=average.total - observed,
            status="boundary" if any(f.status == "boundary" for f in average.fits) else "ok",
            limit="finite",
            reason="",
            method=averaged(len(average.fits), CRITERION_NAMES[name]),
            model="",
            uncertainty=AverageInterval(average, interval, observed),
            warnings=(
                *_lost_weight(values, usable, CRITERION_NAMES[name]),
                *fit_warnings(None, self.table.n_lists),
            ),
            provenance=provenance(self.estimator, self.table),
        )

    def _averaged(self, values: FloatArray) -> tuple[Average | None, BoolArray]:
        """Weigh the models that have a total; which those are, as far as that was looked into."""
        usable = np.asarray(self._estimable & np.isfinite(values))
        while usable.any():
            weights = model_weights(np.where(usable, values, np.inf))
            chosen = heaviest(weights)
            fits = tuple(self.fit_of(i) for i in chosen)
            # Fitted by itself a model may prove not to be estimable; nor has every stratum a total.
            lost = [not np.isfinite(fit.population.total) for fit in fits]
            if not any(lost):
                return Average(weights[chosen] / weights[chosen].sum(), fits), usable
            usable[np.asarray(chosen)[lost]] = False
        return None, usable

    def fit_of(self, i: int) -> LogLinearFit:
        """Fit of model number i, in the order in which models were tried."""
        structure = self._source.structure(i)
        model = LogLinear(structure.notation(), self.estimator.interval, self.estimator.trend)
        return fit_structure(model, self.table, structure)

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
        if isinstance(self._source, CatalogueModels):
            return self._selection_refitter(self._source, candidates)
        if candidates is not None:
            raise ModelError(
                f"A stepwise search has no list of candidates; candidates={candidates} goes with "
                "strategy='exhaustive'."
            )
        listed_and_kept = bool(self.estimator.keep) and not self.table.covariates
        if (self.estimator.max_order or 2) != 2 or listed_and_kept:
            return TableRefitter(self.estimator, self.table, RESELECTED)
        by_p_value = self.estimator.criterion == "pvalue"
        kind = None if by_p_value else SELECTION_CRITERIA.index(self.estimator.criterion)
        if self.table.covariates and kind is not None:
            return self._joint_refitter(kind)
        return path_refitter(self.table.n_lists, self.estimator.threshold, kind)

    def _joint_refitter(self, kind: int) -> JointRefitter | ModelRefitter:
        table, how = self.table, self.estimator
        least = smallest_model(table, how.keep)
        most = largest_model(least, 2)
        if how.criterion != "pvalue":
            most = within_reach(table, least, most, how.criterion, how.trend, margin=RANGE_WITHIN)
        return joint_refitter(table, (least, most), how.trend, kind)

    def _selection_refitter(
        self, source: CatalogueModels, candidates: int | None
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
        # Of one candidate nothing is selected: the interval takes it for granted.
        given = RESELECTED if order.size > 1 else GIVEN_MODEL
        return SelectionRefitter(chosen, kind, design, (*steps, int(order.size)), given)

    def _headline(self) -> str:
        columns = ["model", "n_parameters", "bic", "aic", "total", "status"]
        head = self.models[columns].head(10).to_string(index=False)
        return f"Best of {self.n_models:,} model{'s' * (self.n_models > 1)}:\n{head}"


def _lost_weight(values: FloatArray, usable: BoolArray, name: str) -> tuple[str, ...]:
    """Say how much weight the models have that are not estimable, if it is worth a word."""
    everything = model_weights(np.where(np.isnan(values), np.inf, values))
    lost = float(everything[~usable].sum())
    if lost < WORTH_SAYING:
        return ()
    text = (
        f"Models that are not estimable would have {lost:.0%} of the {name} weight; the average "
        "is over the others."
    )
    return (text,)
