"""Search among hierarchical log-linear models."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from mse._frozen import FrozenDict
from mse.catalogue import catalogue
from mse.core.batch import fit_models
from mse.core.empty_strata import without_persons
from mse.core.selection import CRITERIA as SELECTION_CRITERIA
from mse.errors import ModelError
from mse.loglinear.criteria import criteria
from mse.loglinear.designs import frozen_trend, table_design
from mse.loglinear.scope import eligible, largest_model, smallest_model, within_reach
from mse.loglinear.search_fit import (
    CRITERION_NAMES,
    RANGE_WITHIN,
    CatalogueModels,
    ListedModels,
    LogLinearSearchFit,
    list_design,
)
from mse.loglinear.single import IntervalKind, LogLinear, complete_counts
from mse.loglinear.steps import (
    TriedModels,
    joint_path,
    stepwise_by_criterion,
    stepwise_by_p_value,
)
from mse.model import parse_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import FloatArray
    from mse.loglinear.steps import Step
    from mse.table import CaptureTable

Criterion = Literal["bic", "aic", "aicc", "pvalue"]
Strategy = Literal["exhaustive", "stepwise"]

MARGINS_ONLY = (
    "The table holds list totals and their union only, with which no model but that of independent lists "
    "is determined: there is nothing to search. If you accept independence, ask for LogLinear('main')."
)

#: Up to this many lists all hierarchical models are tried, and up to pairs for one more.
_ALL_ORDERS_LISTS = 5


@dataclass(frozen=True)
class LogLinearSearch:
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
    """

    criterion: Criterion = "bic"
    strategy: Strategy = "exhaustive"
    max_order: int | None = None
    threshold: float = 0.02
    interval: IntervalKind = "profile"
    trend: Mapping[str, int] = field(default_factory=FrozenDict)
    keep: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "trend", frozen_trend(self.trend))
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
        if self.strategy == "exhaustive":
            return self._fit_all(table)
        return self._fit_stepwise(table)

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
            from mse.loglinear.incomplete_search import search_catalogue

            main = parse_model("main", table.lists)
            return search_catalogue(
                self, table, order, largest_model(main, order or table.n_lists - 1)
            )
        models, counts = catalogue(table.n_lists, order), complete_counts(table)
        design, members = list_design(models)
        fits = fit_models(counts[None], members, design)
        source = CatalogueModels(table.lists, order)
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

    def _fit_stepwise(self, table: CaptureTable) -> LogLinearSearchFit:
        order = self.max_order or 2
        least = smallest_model(table, self.keep)
        most = largest_model(least, order)
        starts = (least, largest_model(least, min(2, order)))
        if self.criterion != "pvalue":
            most = within_reach(table, least, most, self.criterion, self.trend, margin=RANGE_WITHIN)
        if not table.is_complete:
            from mse.loglinear.incomplete_search import search_paths

            return search_paths(self, table, starts, (least, most))
        layout = table_design(table, most, self.trend)
        tried = TriedModels(complete_counts(table), layout)
        path: list[Step] = []
        if self.criterion == "pvalue":
            path = stepwise_by_p_value(tried, least, self.threshold)
        elif table.covariates and order == 2:
            path = joint_path(tried, least, SELECTION_CRITERIA.index(self.criterion))
        if not path:
            paths = [
                stepwise_by_criterion(tried, each, (least, most), self._values, exchanges=True)
                for each in starts
            ]
            path = min(paths, key=lambda steps: steps[-1].value)
        source = ListedModels(tuple(tried.models))
        return LogLinearSearchFit(self, table, source, tried.fits, tried.n_parameters, tuple(path))

    def _values(self, tried: TriedModels) -> FloatArray:
        fits = tried.fits
        values: FloatArray = getattr(
            criteria(fits.deviance[0], tried.n_parameters, tried.counts), self.criterion
        )
        design = tried.design
        excused = without_persons(tried.counts, design.shape, design.n_hidden)
        return np.where(eligible(fits, excused), values, np.inf)
