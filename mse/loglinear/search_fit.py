"""Search among hierarchical log-linear models."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mse._typing import FrozenDict
from mse.answer.goodness import fit_warnings, plain_zero
from mse.answer.intervals import CHAN_2021, GIVEN_MODEL, RESELECTED, ModelRange
from mse.answer.population import PopulationEstimate, joint_limit, provenance
from mse.answer.protocols import Fitted, Refitter, Sparing, TableRefitter
from mse.answer.reasons import averaged, no_range, none_estimable
from mse.core.existence import LIMITS, without_persons
from mse.core.fitting import BIC, BOUNDARY, NOT_CONVERGED, STATUSES, BatchFit
from mse.core.fitting import CRITERIA as SELECTION_CRITERIA
from mse.core.partly_known_fit import saturated_value
from mse.core.search import first_best, make_candidates, starts_of
from mse.core.stepwise import Question, excused_strata, fit_part, improve, stand, uninformed
from mse.errors import ModelError
from mse.loglinear.averaging import (
    Average,
    AverageInterval,
    AverageKind,
    check_form,
    heaviest,
    model_weights,
)
from mse.loglinear.design import Criteria, criteria, criteria_of, frozen_trend, table_design
from mse.loglinear.fit import (
    DIFFERING,
    IncompleteLogLinearFit,
    IntervalKind,
    LogLinear,
    LogLinearFit,
    complete_counts,
    fit_structure,
    histories_apart,
    silent_lists,
)
from mse.loglinear.partly_known import is_vague
from mse.loglinear.paths import (
    PartlyTried,
    Scope,
    TriedModels,
    eligible,
    joint_path,
    largest_model,
    make_scope,
    smallest_model,
    steps_of,
    stepwise_by_criterion,
    stepwise_by_p_value,
    within_reach,
)
from mse.loglinear.refit import (
    CATALOGUE,
    JOINT,
    LISTS,
    MAIN,
    JointRefitter,
    ModelRefitter,
    SearchAgain,
    SelectionRefitter,
    joint_refitter,
    on_completed,
    path_refitter,
)
from mse.loglinear.sources import (
    CatalogueModels,
    JoinedModels,
    ListedModels,
    differing_design,
    fits_of_catalogue,
    joined_fits,
    list_design,
)
from mse.messages import Message
from mse.models.catalogue import Catalogue, catalogue
from mse.models.heterogeneity import check_within, read_heterogeneity, with_form
from mse.models.terms import HierarchicalModel, parse_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Limit, Status
    from mse.answer.method import Method
    from mse.core.partly_known_fit import IncompleteFit
    from mse.core.stepwise import Found
    from mse.data.table import CaptureTable
    from mse.loglinear.paths import Step
    from mse.loglinear.sources import ModelSource
    from mse.models.heterogeneity import Heterogeneity
    from mse.redrawing import PatternDrawing, Resampling


# What a search among log-linear models learned ----------------------------------------------------

#: Models this close to the best criterion count as defensible in the range that is reported:
#: a difference of 10 in BIC is "very strong" evidence (Kass & Raftery 1995, JASA 90, 773-795).
RANGE_WITHIN = 10.0
CRITERION_NAMES = {"bic": "BIC", "aic": "AIC", "aicc": "AICc", "pvalue": "BIC"}
#: Share of the weight below which models that are not estimable are not worth a warning.
WORTH_SAYING = 0.01
#: Numbers of candidates at which a bootstrap notes the choice so far.
CHECKPOINTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)


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
                "limit": self._limits_of(order),
            }
        )
        if not self.table.is_complete:
            return frame
        return frame.assign(df_adjusted=fits.n_face[0, order] - fits.rank[0, order])

    def _limits_of(self, models: IntArray) -> list[Limit]:
        """Limits of models: of each that of its least determined stratum."""
        kinds, at = np.unique(self._fits.limits[0, models], axis=0, return_inverse=True)
        known = [joint_limit([LIMITS[code] for code in row]) for row in kinds]
        failed = self._fits.status[0, models] == NOT_CONVERGED
        found = zip(at.ravel().tolist(), failed.tolist(), strict=True)
        return ["indeterminate" if none else known[kind] for kind, none in found]

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
        rows = [(s.change, with_form(s.model.notation(), s.form), s.value) for s in self._path]
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
                within=RANGE_WITHIN,
                criterion=self._criterion_name,
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
                Message(
                    "remark.best_not_estimable",
                    criterion=self._criterion_name,
                    model=self._source.notation(first),
                    limit=Message(f"limit_word.{self._limits_of(np.asarray([first]))[0]}"),
                )
            )
        if not self._eligible.any():
            found.append(none_estimable(self.n_models, self._source.notation(self._chosen)))
        failed = int((self._fits.status[0] == NOT_CONVERGED).sum())
        if failed:
            found.append(Message("remark.failed_models", n=failed, of=self.n_models))
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
            by_p_value = self.estimator.criterion == "pvalue"
            how = Message("test.p_value") if by_p_value else self._criterion_name
            method = Message("method.search", criterion=how, n=self.n_models)
        return replace(
            found,
            method=method,
            model_range=self.model_range,
            warnings=(*self.warnings, *notes),
            provenance=made,
            references=self.estimator.method.references,
            assumptions=(
                found.assumptions
                if len(self.estimator.forms) == 1
                else self.estimator.method.assumptions
            ),
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
            See `mse.loglinear.search_fit.AverageInterval`.

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
        return fit_structure(self._asking(structure, self._source.form(i)), self.table, structure)

    def _asking(self, structure: HierarchicalModel, form: str | None) -> LogLinear:
        """Ask for one model with the settings of the search."""
        how = self.estimator
        nonnegative = form is not None and how.nonnegative
        return LogLinear(structure.notation(), how.interval, how.trend, form, nonnegative)

    def fit_named(self, name: str) -> LogLinearFit:
        """Fit of the model that the table of models calls so."""
        found = (i for i in self._order.tolist() if self._source.notation(i) == name)
        return self.fit_of(next(found))

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
        """Repeat the search on other counts, for the bootstrap; see `mse.answer.protocols`."""
        asked = self.estimator.forms[0]
        simple = isinstance(self._source, CatalogueModels | ListedModels) and (
            asked is None or not asked.nonnegative
        )
        if isinstance(self._source, CatalogueModels) and simple:
            return self._selection_refitter(self._source, self._candidates(candidates))
        if candidates is not None:
            raise ModelError(
                f"A stepwise search has no list of candidates; candidates={candidates} goes with "
                "strategy='exhaustive'."
            )
        listed_and_kept = bool(self.estimator.keep or asked) and not self.table.covariates
        if not simple or (self.estimator.max_order or 2) != 2 or listed_and_kept:
            return TableRefitter(self.estimator, self.table, RESELECTED)
        by_p_value = self.estimator.criterion == "pvalue"
        kind = None if by_p_value else SELECTION_CRITERIA.index(self.estimator.criterion)
        if self.table.covariates and kind is not None:
            return self._joint_refitter(kind)
        return path_refitter(self.table.n_lists, self.estimator.threshold, kind)

    def repeated(self, table: CaptureTable) -> PopulationEstimate:
        """Repeat the search on another table of the same lists, of which only the chosen model is kept.

        Of a catalogue most models are ruled out unfitted, see `mse.core.search`.
        """
        asked = self.estimator.forms[0]
        simple = asked is None or not asked.nonnegative
        if isinstance(self._source, CatalogueModels) and simple and table.is_complete:
            order, refitter = self._selecting
            chosen = int(refitter(complete_counts(table)[None]).chosen[0])
            if chosen >= 0:
                structure = self._source.structure(int(order[chosen]))
                form = self._source.form(int(order[chosen]))
                return fit_structure(self._asking(structure, form), table, structure).population
        return self.estimator.fit(table).population

    def _joint_refitter(self, kind: int) -> JointRefitter | ModelRefitter:
        table, how = self.table, self.estimator
        least = how._smallest(table)
        most = largest_model(least, 2)
        if how.criterion != "pvalue":
            most = within_reach(table, least, most, how.criterion, how.trend, margin=RANGE_WITHIN)
        return joint_refitter(table, (least, most), how.trend, kind, how.forms[0])

    def _candidates(self, most: int | None) -> IntArray:
        """Models to choose from on other counts, best first on these."""
        # Those not estimable here may be so on other counts: they come last, not never.
        order = np.argsort(np.where(self._estimable, self._values, np.inf), kind="stable")
        return order if most is None else order[: min(most, int(self._estimable.sum()))]

    @cached_property
    def _selecting(self) -> tuple[IntArray, Refitter]:
        """All models, best first, and what chooses among them again."""
        return self._candidates(None), self.refitter()

    def _selection_refitter(self, source: CatalogueModels, order: IntArray) -> SelectionRefitter:
        every, asked = catalogue(self.table.n_lists, source.max_order), self.estimator.forms[0]
        if asked is None:
            design, members = list_design(every)
        else:
            layout, members = differing_design(every, self.table, asked)
            design = layout.core
        starts = self._fits.coefficients[0, order]
        counts = complete_counts(self.table)
        kind = SELECTION_CRITERIA.index(self.estimator.criterion)
        chosen = make_candidates(counts, members[order], starts, kind, design)
        steps = [count for count in CHECKPOINTS if count < order.size]
        # Of one candidate nothing is selected: the interval takes it for granted.
        given = RESELECTED if order.size > 1 else GIVEN_MODEL
        return SelectionRefitter(chosen, design, (*steps, int(order.size)), given)

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
    return (Message("remark.lost_weight", share=lost, criterion=name),)


# Search among hierarchical log-linear models ------------------------------------------------------

Criterion = Literal["bic", "aic", "aicc", "pvalue"]
Strategy = Literal["exhaustive", "stepwise"]

MARGINS_ONLY = (
    "The table holds list totals and their union only, with which no model but that of independent lists "
    "is determined: there is nothing to search. If you accept independence, ask for LogLinear('main')."
)

#: Up to this many lists all hierarchical models are tried, and up to pairs for one more.
_ALL_ORDERS_LISTS = 5


@dataclass(frozen=True, repr=False)
class LogLinearSearch(Sparing):
    """Estimate N by the best of many hierarchical log-linear models.

    Parameters
    ----------
    criterion : {"bic", "aic", "aicc", "pvalue"}, default "bic"
        What makes a model good. ``"pvalue"`` adds pairs of lists by the tail probability of their
        overlap (Chan, Silverman & Vincent 2021) and needs ``strategy="stepwise"``.
    strategy : {"exhaustive", "stepwise"}, default "exhaustive"
        Fit every model, or add, drop or exchange one term at a time, from the main effects and
        from all two-way terms, and keep the better end.
    max_order : int, optional
        Largest interaction. Exhaustive: all orders up to K - 1 for at most 5 lists and pairs for
        6; stepwise: pairs, of lists and of covariates.
    threshold : float, default 0.02
        For ``"pvalue"``: pairs are added for p-values below it.
    interval : {"profile", "lognormal"}, default "profile"
        Interval of the chosen model, which takes that model for granted: in simulations of sparse
        tables (``docs/calibration.md``) such 95 % intervals held the truth in 78 to 85 % of the
        worlds. `mse.bootstrap` gives one that includes the choice.
    trend : mapping of str to int, optional
        Covariates that enter by a polynomial of this degree, see `LogLinear`.
    keep : sequence of str, optional
        Terms that every model has, beyond the main effects: ``("police*year", "care*year")``. A
        criterion drops what it cannot tell from nothing; what the answer rests on should not depend on
        that. Needs ``strategy="stepwise"`` and a criterion other than ``"pvalue"``.
    heterogeneity : str or sequence of str or None, optional
        How persons differ in every model, see `LogLinear`; or several forms that are searched over, as
        ``(None, "darroch", "gamma")``: the models with each are compared with all others.
    nonnegative : bool, default False
        Take strengths of heterogeneity below zero for zero.

    Notes
    -----
    Models whose hidden count the data do not determine are fitted and listed, but never chosen. Levels of
    a covariate that nobody was observed with count against no model: the others are estimated by the best
    one all the same.

    With covariates the search is stepwise, between the main effects of lists and covariates and all their
    two-way terms (or ``max_order``). The published ones go up from the main effects (Cruyff, van Dijk & van
    der Heijden 2017), and may end in a trap: so this one starts from all two-way terms, and from all but the
    pairs of lists, as well. At each step the five changes that promise most by their score and Wald statistics
    are fitted; where none is better the others that come near are, and then exchanges of two terms. A table and its
    bootstrap replicates are searched by the same steps. Where the two-way terms have 1,000 parameters or more,
    as with hundreds of places, terms whose penalty outweighs the whole deviance of the main effects are left out:
    they could not be chosen; and where those left have more than 1,000, only the first start is taken.

    On a table that is known in part the criteria come from the observed-data likelihood, and whether a
    model is estimable is judged at the maximum that was found, not exactly; of the chosen model from
    several starts. The steps over covariates are the same, by the score and Wald statistics of the
    observed-data likelihood; and the search starts once more from the model that the counts lead to as the
    best one completes them. ``criterion="pvalue"`` needs a complete table.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    >>> fit.model, round(fit.population.total, 1)
    ('[123,14,34]', 10356.5)
    >>> fit.models[["model", "bic", "total"]].head(2).round(1).to_numpy().tolist()
    [['[123,14,34]', 203.0, 10356.5], ['[123,134]', 203.1, 12741.0]]
    >>> search = mse.LogLinearSearch(heterogeneity=(None, "darroch"))
    >>> fit = search.fit(mse.load_dataset("diabetes"))
    >>> fit.model, fit.n_models
    ('[13,24,34] + darroch', 226)
    """

    criterion: Criterion = "bic"
    strategy: Strategy = "exhaustive"
    max_order: int | None = None
    threshold: float = 0.02
    interval: IntervalKind = "profile"
    trend: Mapping[str, int] = field(default_factory=FrozenDict)
    keep: Sequence[str] = ()
    heterogeneity: str | Sequence[str | None] | None = field(default=None, repr=False)
    nonnegative: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trend", frozen_trend(self.trend))
        asked = self.heterogeneity
        if not isinstance(asked, str | None):
            asked = tuple(None if each == "none" else each for each in asked)
        object.__setattr__(self, "heterogeneity", None if asked == "none" else asked)
        if any(self.forms) and self.criterion == "pvalue":
            raise ModelError(
                f"heterogeneity={self.heterogeneity!r} goes with a criterion: expected 'bic', 'aic' or 'aicc'."
            )
        keep = (self.keep,) if isinstance(self.keep, str) else tuple(self.keep)
        object.__setattr__(self, "keep", keep)
        if keep and (self.strategy == "exhaustive" or self.criterion == "pvalue"):
            raise ModelError(
                f"keep={keep!r} goes with a search step by step by a criterion: expected "
                "strategy='stepwise' and criterion 'bic', 'aic' or 'aicc'."
            )
        if self.criterion not in CRITERION_NAMES:
            raise ModelError(
                f"criterion={self.criterion!r} is not known; expected {', '.join(map(repr, CRITERION_NAMES))}."
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
        LogLinear("main", self.interval, self.trend)

    @property
    def forms(self) -> tuple[Heterogeneity | None, ...]:
        """How persons differ, in the models of one search after the other."""
        asked = self.heterogeneity
        names = (asked,) if isinstance(asked, str | None) else asked
        if not names or len(set(names)) < len(names):
            raise ModelError(f"heterogeneity={asked!r}: expected forms, each once; None for none.")
        nonnegative = self.nonnegative
        if nonnegative and not any(names):
            read_heterogeneity(None, nonnegative=True)
        return tuple(
            read_heterogeneity(name, nonnegative=nonnegative and name is not None) for name in names
        )

    @property
    def method(self) -> Method:
        """Name, assumptions and sources: those of the models that are searched, and of the steps."""
        steps = (CHAN_2021,) if self.criterion == "pvalue" else ()
        names = [None if each is None else each.notation() for each in self.forms]
        models = [LogLinear("main", heterogeneity=name).method for name in names]
        sources = dict.fromkeys(chain(*(each.references for each in models), steps))
        found = replace(models[0], references=tuple(sources))
        return found if len(names) == 1 else replace(found, dependence=DIFFERING, lower_bound="")

    def _smallest(self, table: CaptureTable) -> HierarchicalModel:
        """Build the model that all models contain."""
        least, asked = smallest_model(table, self.keep), self.forms[0]
        if asked is None:
            return least
        check_within(asked, table.covariates, self.trend)
        return asked.implied(least)

    def fit(self, table: CaptureTable) -> LogLinearSearchFit:
        """Search among the models of a table.

        Parameters
        ----------
        table : CaptureTable
            With covariates the search is stepwise. Of a table that is known in part (unknown entries,
            counts within bounds) the observed-data likelihood is searched, see the notes.

        Returns
        -------
        LogLinearSearchFit

        Raises
        ------
        ModelError
            If the table has covariates or more lists than can be searched exhaustively, or consists of
            margins.
        """
        if table.margins is not None:
            raise ModelError(MARGINS_ONLY)
        if table.covariates and (self.strategy, self.criterion == "pvalue") != ("stepwise", False):
            first = next(iter(table.covariates))
            raise ModelError(
                f"The table has covariates ({', '.join(table.covariates)}), over which models are "
                "searched step by step: LogLinearSearch(criterion='bic', strategy='stepwise'). Or "
                f"search within levels with table.by({first!r}), or sum over a covariate with "
                f"table.collapse({first!r})."
            )
        if len(self.forms) > 1:
            return self._fit_forms(table)
        if self.strategy == "exhaustive":
            return self._fit_all(table)
        return self._fit_stepwise(table)

    def _fit_forms(self, table: CaptureTable) -> LogLinearSearchFit:
        """Search with one form after the other."""
        if not table.is_complete:
            raise ModelError(
                f"heterogeneity={self.heterogeneity!r} are several forms, which are compared on complete tables; "
                "in this one some is known in part. Name one form."
            )
        names: Any = self.heterogeneity
        parts = [
            replace(
                self, heterogeneity=name, nonnegative=self.nonnegative and name is not None
            ).fit(table)
            for name in names
        ]
        sizes = [part.n_models for part in parts]
        source = JoinedModels(
            tuple(part._source for part in parts), tuple(accumulate(sizes[:-1], initial=0))
        )
        joined = joined_fits([part._fits for part in parts])
        n_parameters = np.concatenate([part._n_parameters for part in parts])
        best = min(parts, key=lambda part: getattr(part, self.criterion))
        return LogLinearSearchFit(self, table, source, joined, n_parameters, best._path)

    def asked_of(
        self, whole: CaptureTable, rest: CaptureTable, renamed: Mapping[str, str]
    ) -> LogLinearSearch:
        """Ask the same of a table with other lists: kept terms lose the lists that are left out.

        Parameters
        ----------
        whole : CaptureTable
            The table that the search is written for.
        rest : CaptureTable
            The same with lists left out or made one.
        renamed : mapping of str to str
            New names of lists that were made one.

        Returns
        -------
        LogLinearSearch
        """
        if not self.keep:
            return self
        kept = smallest_model(whole, self.keep)
        carried = kept.carried_over(rest.lists, tuple(rest.covariates), renamed)
        terms = [term for term in carried.generators if len(term) > 1]
        names = ("*".join(carried.axes[i] for i in term) for term in terms)
        return replace(self, keep=tuple(names))

    def _fit_all(self, table: CaptureTable) -> LogLinearSearchFit:
        order = self._exhaustive_order(table.n_lists)
        if not table.is_complete:
            main = parse_model("main", table.lists)
            return search_catalogue(
                self, table, order, largest_model(main, order or table.n_lists - 1)
            )
        asked = self.forms[0]
        if asked is not None:
            return self._fit_differing(table, catalogue(table.n_lists, order), order, asked)
        fits = fits_of_catalogue(complete_counts(table).tobytes(), table.n_lists, order)
        source = CatalogueModels(table.lists, order)
        n_parameters = catalogue(table.n_lists, order).n_parameters
        return LogLinearSearchFit(self, table, source, fits, n_parameters, ())

    def _fit_differing(
        self, table: CaptureTable, models: Catalogue, order: int | None, asked: Heterogeneity
    ) -> LogLinearSearchFit:
        """Fit every model of a catalogue with heterogeneity in each."""
        layout, members = differing_design(models, table, asked)
        fits, at_zero = layout.fits_of(complete_counts(table), members)
        source = CatalogueModels(table.lists, order, asked.notation())
        n_parameters = members.sum(axis=1, dtype=np.int64) - at_zero
        return LogLinearSearchFit(self, table, source, fits, n_parameters, ())

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

    def _fit_stepwise(self, table: CaptureTable) -> LogLinearSearchFit:
        order, asked = self.max_order or 2, self.forms[0]
        least = self._smallest(table)
        most = largest_model(least, order)
        starts = (least, largest_model(least, min(2, order)))
        if self.criterion != "pvalue":
            most = within_reach(table, least, most, self.criterion, self.trend, margin=RANGE_WITHIN)
        if not table.is_complete:
            return search_paths(self, table, starts, (least, most))
        layout = table_design(table, most, self.trend, asked)
        by_p_value = self.criterion == "pvalue"
        kind = BIC if by_p_value else SELECTION_CRITERIA.index(self.criterion)
        tried = TriedModels(complete_counts(table), layout, kind)
        path: list[Step] = []
        if by_p_value:
            path = stepwise_by_p_value(tried, least, self.threshold)
        elif table.covariates and order == 2 and not layout.bounded.size:
            path = joint_path(tried, least, kind)
        if not path:
            paths = [
                stepwise_by_criterion(tried, each, (least, most), self._values, exchanges=True)
                for each in starts
            ]
            path = min(paths, key=lambda steps: steps[-1].value)
        form = None if asked is None else asked.notation()
        path = [replace(step, form=form) for step in path]
        source = ListedModels(tuple(tried.models), form)
        return LogLinearSearchFit(self, table, source, tried.fits, tried.n_parameters, tuple(path))

    def _values(self, tried: TriedModels) -> FloatArray:
        fits = tried.fits
        values: FloatArray = getattr(
            criteria(fits.deviance[0], tried.n_parameters, tried.counts), self.criterion
        )
        design = tried.design
        excused = without_persons(tried.counts, design.shape, design.n_hidden)
        return np.where(eligible(fits, excused), values, np.inf)


# What a search learned from a table of which some is known in part --------------------------------

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

    estimator: settings
    table: lists alone, known in part
    order: largest interaction, see `mse.models.catalogue.catalogue`
    largest: contains all of its models
    """
    main = parse_model("main", table.lists)
    models, tried = catalogue(table.n_lists, order), _tried(estimator, table, (main, largest))
    every = [models.model(i, table.lists) for i in range(len(models))]
    tried.fit(every[:1])
    tried.fit(every, every[0])
    form = estimator.forms[0]
    source = CatalogueModels(table.lists, order, None if form is None else form.notation())
    return _finished(estimator, table, tried, source, ())


def search_paths(
    estimator: LogLinearSearch,
    table: CaptureTable,
    starts: tuple[HierarchicalModel, ...],
    scope: tuple[HierarchicalModel, HierarchicalModel],
) -> IncompleteSearchFit:
    """Search step by step, and keep the better end.

    estimator: settings
    table: known in part
    starts: where paths start; one more starts from all pairs
    scope: smallest and largest model
    """
    tried = _tried(estimator, table, scope)
    if table.covariates and (estimator.max_order or 2) == 2:
        kind = SELECTION_CRITERIA.index(estimator.criterion)
        path = _joint_path(tried, kind)
    else:
        pairs = largest_model(scope[0], min(2, estimator.max_order or 2))
        paths = [
            stepwise_by_criterion(tried, start, scope, attrgetter("values"), exchanges=True)
            for start in dict.fromkeys((*starts, pairs))
        ]
        path = min(paths, key=lambda steps: steps[-1].value)
    asked = estimator.forms[0]
    form = None if asked is None else asked.notation()
    path = [replace(step, form=form) for step in path]
    return _finished(estimator, table, tried, ListedModels(tuple(tried.models), form), tuple(path))


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
    whole = make_scope(table, *scope, estimator.trend, estimator.forms[0])
    return PartlyTried(whole, estimator.criterion)


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
        plain = not self.estimator.keep and self.estimator.heterogeneity is None
        return MAIN if not plain or (self.estimator.max_order or 2) != 2 else LISTS

    def drawing(self, resampling: Resampling) -> PatternDrawing:
        """Return what draws records as they are, see `IncompleteLogLinearFit.drawing`."""
        return self._best.drawing(resampling)

    def resampled(self) -> FloatArray:
        """Return persons by pattern, see `IncompleteLogLinearFit.resampled`."""
        return self._best.resampled()
