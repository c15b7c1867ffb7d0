"""One hierarchical log-linear model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import nan, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from mse._fitted import Fitted
from mse._frozen import FrozenDict
from mse._goodness import FitTest, chi_squared_fit, fit_warnings, plain_zero
from mse._strata import Strata, joint_limit
from mse.core.batch import STATUSES, ModelFit, fit_model, log_hidden_covariance
from mse.core.existence import LIMITS
from mse.core.profile import ProfileCurve
from mse.errors import ModelError
from mse.intake.inferring import named_strata
from mse.intervals import IntervalMethod, LognormalInterval
from mse.loglinear.criteria import criteria
from mse.loglinear.designs import TableDesign, frozen_trend, table_design
from mse.loglinear.intervals import ProfileInterval
from mse.loglinear.refitting import ModelRefitter
from mse.loglinear.wording import (
    ALL_JOINT,
    NOT_CONVERGED_REASON,
    boundary_reason,
    not_estimable_reason,
)
from mse.model import HierarchicalModel, parse_model
from mse.population import PopulationEstimate, provenance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray, Limit, Status
    from mse.core.curve import LikelihoodCurve
    from mse.core.newton import Design
    from mse.table import CaptureTable

IntervalKind = Literal["profile", "lognormal"]
_INTERVAL_KINDS = ("profile", "lognormal")


@dataclass(frozen=True)
class LogLinear:
    r"""Estimate N by one hierarchical log-linear model of the dependence between lists.

    Parameters
    ----------
    model : str or HierarchicalModel, default "main"
        ``"main"`` (independent lists), ``"all two-way"``, brackets with the positions of the lists
        (``"[12,13,4]"``) or names (``"police*kmar + other"``). With covariates every one of them
        takes part, for instance ``"police*year + kmar*year"``.
    interval : {"profile", "lognormal"}, default "profile"
        Profile likelihood of N (Cormack 1992), or log-normal Wald (Chao 1987) for comparison. Both
        take the model for granted.
    trend : mapping of str to int, optional
        Covariates that enter by orthogonal polynomials up to this degree instead of by their levels,
        ``{"year": 2}``, in every term that they are part of. Levels that are numbers lie where they
        say, evenly or not; others are evenly spaced.

    Notes
    -----
    The counts of the observable histories are Poisson with log means :math:`x(c)'\theta`; the
    hidden count is :math:`\exp(x(0)'\theta)` (Fienberg 1972, Biometrika 59, 591-603). The
    *extended* maximum likelihood estimate is computed, so pairs of lists without overlap need no
    care; whether the hidden count is determined is decided exactly (Fienberg & Rinaldo 2012).

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea"))
    >>> round(fit.population.total, 2), round(fit.bic, 2), fit.status
    (157.17, 57.14, 'ok')
    """

    model: str | HierarchicalModel = "main"
    interval: IntervalKind = "profile"
    trend: Mapping[str, int] = field(default_factory=FrozenDict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trend", frozen_trend(self.trend))
        if self.interval not in _INTERVAL_KINDS:
            raise ModelError(
                f"interval={self.interval!r} is not known; expected 'profile' or 'lognormal'."
            )

    def fit(self, table: CaptureTable) -> LogLinearFit:
        """Fit the model to a table.

        Parameters
        ----------
        table : CaptureTable
            Any table; with covariates the model must have terms for them. Of a table that is known in
            part (unknown entries, counts within bounds) the observed-data likelihood is maximized,
            see `mse.loglinear.incomplete`.

        Returns
        -------
        LogLinearFit

        Raises
        ------
        ModelError
            If the model does not fit the lists and covariates of the table.
        """
        model = parse_model(self.model, table.lists, tuple(table.covariates))
        return fit_structure(self, table, model)

    def asked_of(
        self, whole: CaptureTable, rest: CaptureTable, renamed: Mapping[str, str]
    ) -> LogLinear:
        """Ask the same of a table with other lists: terms of a list that is left out are dropped.

        Parameters
        ----------
        whole : CaptureTable
            The table that the model is written for.
        rest : CaptureTable
            The same with lists left out or made one.
        renamed : mapping of str to str
            New names of lists that were made one.

        Returns
        -------
        LogLinear
            This one, where its text says the same of both tables or cannot be asked of the first.

        Raises
        ------
        ModelError
            If what is left of the model lets all lists that are left depend on each other together.
        """
        try:
            model = parse_model(self.model, whole.lists, tuple(whole.covariates))
        except ModelError:
            return self
        carried = model.carried_over(rest.lists, tuple(rest.covariates), renamed)
        if not rest.covariates and range(rest.n_lists) in carried:
            # Not a matter of the data: with as many parameters as cells, the hidden one included, none
            # could ever tell.
            raise ModelError(ALL_JOINT)
        if self._reads(rest, carried):
            return self
        return replace(self, model=carried.notation())

    def _reads(self, table: CaptureTable, model: HierarchicalModel) -> bool:
        """Whether the text, read for a table, is this model."""
        try:
            return parse_model(self.model, table.lists, tuple(table.covariates)) == model
        except ModelError:
            return False


def complete_counts(table: CaptureTable) -> FloatArray:
    """Return the counts by cell, (C,) float64, of a table without partly known observations."""
    if not table.is_complete:
        raise ModelError(
            "The table holds observations that are known in part (an unknown list membership or "
            "covariate, a count within bounds, or margins only), which this does not take. Estimate with "
            "LogLinear or LogLinearSearch, or remove or complete them."
        )
    return np.ascontiguousarray(table.counts, dtype=np.float64).ravel()


def fit_structure(
    estimator: LogLinear, table: CaptureTable, model: HierarchicalModel
) -> LogLinearFit:
    """Fit a parsed model."""
    if table.margins is not None:
        from mse.loglinear.margins import fit_margins

        return fit_margins(estimator, table, model)
    if not table.is_complete:
        from mse.loglinear.incomplete import fit_partly_known

        return fit_partly_known(estimator, table, model)
    counts = complete_counts(table)
    layout = table_design(table, model, estimator.trend)
    everything = np.ones(len(layout.terms), dtype=np.bool_)
    fit = fit_model(counts, everything, layout.core)
    return LogLinearFit(estimator, table, model, layout, fit)


@dataclass(frozen=True, eq=False, repr=False)
class LogLinearFit(Fitted):
    """What one log-linear model learned from a table.

    Attributes
    ----------
    estimator : LogLinear
        Assumptions and settings.
    table : CaptureTable
        The data.
    structure : HierarchicalModel
        The model, as terms over the axes of the table.
    """

    estimator: LogLinear
    table: CaptureTable
    structure: HierarchicalModel
    _layout: TableDesign = field(repr=False)
    _fit: ModelFit = field(repr=False)

    def __repr__(self) -> str:
        return f"<LogLinearFit {self.model}: {self.status}, deviance {self.deviance:.2f}>"

    @property
    def _design(self) -> Design:
        return self._layout.core

    @property
    def model(self) -> str:
        """The model in canonical notation, such as ``"[12,13,4]"``."""
        return self.structure.notation()

    @property
    def status(self) -> Status:
        """``ok``, ``boundary``, ``not_estimable`` or ``not_converged``."""
        status: Status = STATUSES[self._fit.status]  # type: ignore[assignment]
        return status

    @property
    def limit(self) -> Limit:
        """Where the hidden count goes as the likelihood approaches its supremum."""
        if self.status == "not_converged":
            return "indeterminate"
        return joint_limit(self._limits)

    @property
    def _limits(self) -> tuple[Limit, ...]:
        return tuple(LIMITS[code] for code in self._fit.limits)

    @property
    def deviance(self) -> float:
        """Deviance over the observable cells, at the supremum of the likelihood."""
        return plain_zero(self._fit.deviance)

    @property
    def n_parameters(self) -> int:
        """Parameters of the model as specified, those at minus infinity included."""
        return len(self._layout.terms)

    @property
    def df_residual(self) -> int:
        """Observable cells minus parameters."""
        return int(self._design.observable.sum()) - self.n_parameters

    @property
    def df_adjusted(self) -> int:
        """Cells of the facial set minus the rank on it; serves tests of fit."""
        return int(self._fit.face.sum()) - int(self._fit.kept.size)

    @cached_property
    def _criteria(self) -> tuple[float, float, float]:
        values = criteria(
            np.asarray([self.deviance]), np.asarray([self.n_parameters]), self._counts
        )
        return float(values.aic[0]), float(values.aicc[0]), float(values.bic[0])

    @property
    def aic(self) -> float:
        """Akaike's criterion of the Poisson model on the observable cells."""
        return self._criteria[0]

    @property
    def aicc(self) -> float:
        """Akaike's criterion, corrected for small samples with n observed persons."""
        return self._criteria[1]

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the log of the number of observed persons."""
        return self._criteria[2]

    @cached_property
    def _counts(self) -> FloatArray:
        return complete_counts(self.table)

    @property
    def fitted(self) -> FloatArray:
        """Fitted means, shape ``table.shape``, persons; hidden cells NaN where not estimable."""
        return self._fit.means.reshape(self.table.shape)

    @cached_property
    def coefficients(self) -> pd.Series[float]:
        """Coefficients, log scale: -inf where nobody has the combination, NaN where aliased.

        Returns
        -------
        Series
            Indexed by the names of the terms, ``"police:care"``; with covariates the level stands
            behind the name, ``"police:year=2015"``, or the degree of a trend, ``"police:year^1"``:
            the coefficient of the orthonormal polynomial of that degree, whose sum over the levels
            is 0, whose sum of squares is 1, and which ends rising. The constant is ``"intercept"``.
        """
        values = self._layout.orthonormal(self._values)
        return pd.Series(values, index=list(self._layout.names), name="coefficient")

    @cached_property
    def _values(self) -> FloatArray:
        """Coefficients of the parameters of the design, as they were fitted."""
        values = np.full(self.n_parameters, nan)
        values[self._fit.kept] = self._fit.coefficients
        values[self._fit.vanishing] = -np.inf
        return values

    @property
    def _vanishing(self) -> list[str]:
        return [self._layout.names[i] for i in self._fit.vanishing]

    @property
    def _aliased(self) -> list[str]:
        names = self._layout.names
        return [name for name, value in zip(names, self._values, strict=True) if np.isnan(value)]

    @cached_property
    def reason(self) -> str:
        """Why the status is not ``ok``; empty where it is."""
        if self.status == "not_converged":
            return NOT_CONVERGED_REASON
        if self.status == "not_estimable":
            return not_estimable_reason(self.limit, self._vanishing, self._lost_strata)
        if self.status == "boundary":
            n_zero = int(self._design.observable.sum() - self._fit.face.sum())
            return boundary_reason(self._vanishing, self._aliased, n_zero)
        return ""

    @property
    def _lost_strata(self) -> list[str]:
        lost = np.asarray([limit != "finite" for limit in self._limits])
        return named_strata(lost, self.table.covariates) if self.table.covariates else []

    @cached_property
    def _covariance(self) -> FloatArray:
        """Covariance of the hidden counts by stratum, persons squared.

        The delta method on the log scale plus the Poisson variance of the counts themselves
        (Cormack & Jupp 1991, Biometrika 78, 911-916).
        """
        hidden = self._fit.hidden
        covariance = log_hidden_covariance(self._fit, self._design)
        return np.asarray(np.outer(hidden, hidden) * covariance + np.diag(hidden))

    @property
    def standard_error(self) -> float:
        """Standard error of the total, persons; NaN where it is not estimable."""
        if self.status not in ("ok", "boundary"):
            return nan
        return sqrt(float(self._covariance.sum()))

    def _uncertainty(self) -> IntervalMethod | None:
        hidden = float(self._fit.hidden.sum())
        if self.status not in ("ok", "boundary") or not hidden > 0:
            return None
        if self.estimator.interval == "lognormal":
            return LognormalInterval(hidden, self.standard_error, self.table.n_observed)
        spread = self.standard_error / hidden
        return ProfileInterval(self._counts, self._fit, self._design, spread)

    def _strata(self) -> Strata | None:
        if not self.table.covariates or self.status == "not_converged":
            return None
        finite = "boundary" if self.status != "ok" else "ok"
        status: list[Status] = [
            finite if limit == "finite" else "not_estimable"  # type: ignore[misc]
            for limit in self._limits
        ]
        return Strata(
            levels=self.table.covariates,
            observed=self.table.counts.reshape(-1, self._design.n_hidden).sum(axis=0),
            hidden=self._fit.hidden,
            status=tuple(status),
            limit=self._limits,
            covariance=self._covariance,
        )

    @property
    def _fit_test(self) -> FitTest | None:
        """Test of the fit, on the cells that the model can fill."""
        means = self._fit.means[self._design.observable]
        return chi_squared_fit(self.deviance, self.df_adjusted, self.df_residual, means)

    @cached_property
    def population(self) -> PopulationEstimate:
        """The answer: observed, hidden and total persons, with an interval given the model."""
        estimable = self.status in ("ok", "boundary")
        test = self._fit_test
        record = None if test is None else test.record()
        boundary = (self.reason,) if self.status == "boundary" else ()
        made = provenance(self.estimator, self.table)
        return PopulationEstimate(
            observed=self.table.n_observed,
            hidden=float(self._fit.hidden.sum()) if estimable else nan,
            status=self.status,
            limit=self.limit,
            reason=self.reason,
            method="log-linear model",
            uncertainty=self._uncertainty(),
            strata=self._strata(),
            model=self.model,
            warnings=(*boundary, *fit_warnings(record, self.table.n_lists)),
            lists=self.table.lists,
            info=self.table.info,
            provenance=made if record is None else {**made, "fit": record},
        )

    def profile_curve(self) -> LikelihoodCurve:
        """Profile log likelihood of N (Cormack 1992); only of an estimable fit."""
        spread = self.standard_error / float(self._fit.hidden.sum())
        return ProfileCurve(self._counts, self._fit, self._design, spread)

    def refitter(self, candidates: int | None = None) -> ModelRefitter:
        """Repeat this model on other counts, for the bootstrap; see `mse.refitting`."""
        if candidates is not None:
            raise ModelError(
                f"A single model has no candidates; candidates={candidates} goes with a search."
            )
        return ModelRefitter(self._design, np.ones(self.n_parameters, dtype=np.bool_))

    def _headline(self) -> str:
        return (
            f"{self.model}: {self.n_parameters} parameters, deviance {self.deviance:.2f} on "
            f"{self.df_adjusted} df, AIC {self.aic:.2f}, BIC {self.bic:.2f}"
        )
