"""One hierarchical log-linear model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, log, nan, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import gammaln

from mse._typing import FrozenDict
from mse.answer.goodness import FitTest, chi_squared_fit, fit_warnings, plain_zero
from mse.answer.intervals import (
    CHAO_1987,
    GIVEN_MODEL,
    IntervalMethod,
    LognormalInterval,
    ProfileInterval,
)
from mse.answer.method import LOWER_BOUND, Method
from mse.answer.population import (
    KnownCovariance,
    PopulationEstimate,
    Strata,
    StrataCovariance,
    answer,
    joint_limit,
)
from mse.answer.protocols import Fitted, Refits, Sparing
from mse.answer.reasons import (
    ALL_JOINT,
    NOT_CONVERGED_REASON,
    boundary_reason,
    not_estimable_reason,
)
from mse.core._threads import one_thread
from mse.core.bounded import BoundedFit, bounded_curve, fit_bounded
from mse.core.existence import INDETERMINATE, LIMITS
from mse.core.fitting import BOUNDARY, NOT_ESTIMABLE, OK, STATUSES, ModelFit, fit_model
from mse.core.hidden_variance import HiddenCovariance, hidden_covariance
from mse.core.newton import has_many_levels, make_design
from mse.core.partly_known import box_means
from mse.core.partly_known_fit import SPLIT_COUNT, deviance_from, fit_incomplete, saturated_value
from mse.core.profile import (
    MarginsProfile,
    ObservedProfile,
    coefficients,
    hidden_variance,
    independent_lists,
    profile_curve,
)
from mse.data.operating import SilentPlace, doubted_places, named_strata, silent_places
from mse.errors import ModelError
from mse.loglinear.design import TableDesign, criteria, frozen_trend, table_design
from mse.loglinear.partly_known import (
    Seen,
    expected_by_stratum,
    folded,
    is_vague,
    look_at,
    make_data,
    whole_persons,
)
from mse.loglinear.refit import BoundedRefitter, ModelRefitter, ObservationRefitter
from mse.messages import Field, Message, joined, named
from mse.models.heterogeneity import (
    DARROCH_1993,
    RIVEST_2007,
    Heterogeneity,
    check_within,
    read_heterogeneity,
    with_form,
)
from mse.models.terms import HierarchicalModel, parse_model
from mse.redrawing import MarginsDrawing, PatternDrawing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Limit, Status
    from mse.core.newton import Design
    from mse.core.partly_known_fit import Data, IncompleteFit
    from mse.core.profile import LikelihoodCurve
    from mse.data.table import CaptureTable
    from mse.redrawing import Resampling


# One hierarchical log-linear model ----------------------------------------------------------------


class DeltaCovariance(NamedTuple):
    """Covariance of hidden counts: the delta method on the log scale plus their own Poisson variance.

    See Cormack & Jupp (1991, Biometrika 78, 911-916).
    """

    hidden: FloatArray
    of_logs: HiddenCovariance

    def of_sums(self, groups: IntArray, n_groups: int) -> FloatArray:
        """Variances of sums of strata, see `mse.answer.population.StrataCovariance`."""
        own = np.bincount(groups, self.hidden, n_groups)
        return self.of_logs.of_sums(self.hidden, groups, n_groups) + own

    def matrix(self) -> FloatArray:
        """Covariance, (S, S), persons squared."""
        outer = np.outer(self.hidden, self.hidden)
        return np.asarray(outer * self.of_logs.matrix() + np.diag(self.hidden))


IntervalKind = Literal["profile", "lognormal"]
_INTERVAL_KINDS = ("profile", "lognormal")
#: Behind the forms of heterogeneity, beside Rivest & Baillargeon.
_FORM_SOURCES = {"chao": CHAO_1987, "darroch": DARROCH_1993}
DIFFERING = Message("assumption.differing")


@dataclass(frozen=True, repr=False)
class LogLinear(Sparing):
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
    heterogeneity : {"none", "chao", "poisson", "darroch", "gamma"}, optional
        How persons differ in their chances of being on lists, beside what the model says about pairs of
        lists: the columns of M_th, see `ClosedPopulation`. With the names of covariates behind it,
        ``"darroch*sex"``, its strength is another at each of their levels, and the interactions of every
        list with them are in the model.
    nonnegative : bool, default False
        Take a strength of heterogeneity below zero, which no mixture of persons has (Darroch et al. 1993), for
        zero. Without it such an estimate stands and a warning says so. Chao's bound is always so.

    Notes
    -----
    The counts of the observable histories are Poisson with log means :math:`x(c)'\theta`; the
    hidden count is :math:`\exp(x(0)'\theta)` (Fienberg 1972, Biometrika 59, 591-603). The
    *extended* maximum likelihood estimate is computed, so pairs of lists without overlap need no
    care; whether the hidden count is determined is decided exactly (Fienberg & Rinaldo 2012).

    With heterogeneity the log mean of a history with k lists has :math:`\gamma g(k)` beside them, g convex
    and zero at 0, so the hidden count is that of its other terms. A strength at a bound of zero is no
    parameter. What the data cannot tell is said: with three lists all of whose pairs interact nothing is
    left for a strength, and Darroch's column lies in the pairs of any number of lists. A prior on the strength
    is `HeterogeneousLogLinear`.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea"))
    >>> round(fit.population.total, 2), round(fit.bic, 2), fit.status
    (157.17, 57.14, 'ok')
    >>> fit = mse.LogLinear("[13,24,34]", heterogeneity="darroch").fit(mse.load_dataset("diabetes"))
    >>> fit.model, round(fit.population.total), round(float(fit.coefficients["darroch"]), 3)
    ('[13,24,34] + darroch', 2752, 0.356)
    """

    _plain: ClassVar[Method] = Method(
        "log-linear model",
        references=(
            "Fienberg, S. E. (1972). The multiple recapture census for closed populations and incomplete 2^k contingency tables. Biometrika 59, 591-603.",
            "Fienberg, S. E. and Rinaldo, A. (2012). Maximum likelihood estimation in log-linear models. Annals of Statistics 40, 996-1023.",
        ),
    )

    model: str | HierarchicalModel = "main"
    interval: IntervalKind = "profile"
    trend: Mapping[str, int] = field(default_factory=FrozenDict)
    heterogeneity: str | None = field(default=None, repr=False)
    nonnegative: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trend", frozen_trend(self.trend))
        if self.heterogeneity == "none":
            object.__setattr__(self, "heterogeneity", None)
        read_heterogeneity(self.heterogeneity, nonnegative=self.nonnegative)
        if self.interval not in _INTERVAL_KINDS:
            raise ModelError(
                f"interval={self.interval!r} is not known; expected 'profile' or 'lognormal'."
            )

    @property
    def differing(self) -> Heterogeneity | None:
        """How persons differ."""
        return read_heterogeneity(self.heterogeneity, nonnegative=self.nonnegative)

    @property
    def method(self) -> Method:
        """Name, assumptions and sources; with Chao's form it is a lower bound."""
        asked = self.differing
        if asked is None:
            return self._plain
        further = (_FORM_SOURCES.get(asked.form, ""), RIVEST_2007)
        return replace(
            self._plain,
            dependence=DIFFERING,
            references=(*self._plain.references, *filter(None, further)),
            lower_bound=LOWER_BOUND if asked.form == "chao" else "",
        )

    def fit(self, table: CaptureTable) -> LogLinearFit:
        """Fit the model to a table.

        Parameters
        ----------
        table : CaptureTable
            Any table; with covariates the model must have terms for them. Of a table that is known in
            part (unknown entries, counts within bounds) the observed-data likelihood is maximized,
            see `mse.loglinear.fit`.

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


@one_thread
def fit_structure(
    estimator: LogLinear, table: CaptureTable, model: HierarchicalModel
) -> LogLinearFit:
    """Fit a parsed model."""
    asked = estimator.differing
    if asked is not None:
        check_within(asked, table.covariates, estimator.trend)
        model = asked.implied(model)
    if table.margins is not None:
        return fit_margins(estimator, table, model)
    if not table.is_complete:
        return fit_partly_known(estimator, table, model)
    if needs_no_cells(table, model):
        return fit_margins(estimator, table, model)
    counts = complete_counts(table)
    layout = table_design(table, model, estimator.trend, asked)
    if layout.bounded.size:
        found = fit_bounded(counts, layout.bounded, layout.core)
        return LogLinearFit(estimator, table, model, layout, found.fit, _bounds=found)
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
    _bounds: BoundedFit | None = field(default=None, repr=False, kw_only=True)

    def __repr__(self) -> str:
        return f"<LogLinearFit {self.model}: {self.status}, deviance {self.deviance:.2f}>"

    @property
    def _design(self) -> Design:
        return self._layout.core

    @property
    def model(self) -> str:
        """The model in canonical notation, such as ``"[12,13,4]"``, or ``"[12,3] + darroch"``."""
        asked = self.estimator.differing
        return with_form(self.structure.notation(), None if asked is None else asked.notation())

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
        """Parameters of the model as specified, those at minus infinity included; not those at a bound of zero."""
        return len(self._layout.terms) - int(self._at_zero.sum())

    @property
    def _at_zero(self) -> BoolArray:
        """Which parameters are at a bound of zero, (P,) bool."""
        if self._bounds is None:
            return np.zeros(len(self._layout.terms), dtype=np.bool_)
        return self._bounds.at_zero

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
        values = np.where(self._at_zero, 0.0, nan)
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
            said = not_estimable_reason(self.limit, self._vanishing, self._lost_strata)
            return joined(said, self._confounded())
        if self.status == "boundary":
            n_zero = int(self._design.observable.sum() - self._fit.face.sum())
            return boundary_reason(self._vanishing, self._aliased, n_zero)
        return ""

    def _confounded(self) -> str:
        """Say so where the total would be determined if persons did not differ."""
        if not self._layout.strengths.any() or not self.table.is_complete:
            return ""
        without = fit_model(self._counts, ~self._layout.strengths, self._design)
        return Message("reason.confounded") if without.status in (OK, BOUNDARY) else ""

    def _strength_notes(self) -> Iterator[str]:
        """Say what a strength of heterogeneity below zero, or at a bound of zero, means."""
        asked = self.estimator.differing
        if asked is None or self.status not in ("ok", "boundary"):
            return
        for name, value in self.coefficients[self._layout.strengths].items():
            if value < 0:
                key = "remark.heterogeneity_of" if asked.within else "remark.heterogeneity"
                yield Message(key, name=name, coefficient=value)
            elif value == 0 and asked.form != "chao":
                yield Message("remark.no_heterogeneity", name=name)

    @property
    def _lost_strata(self) -> list[str]:
        lost = np.asarray([limit != "finite" for limit in self._limits])
        return named_strata(lost, self.table.covariates) if self.table.covariates else []

    @cached_property
    def _covariance(self) -> StrataCovariance:
        """Covariance of the hidden counts by stratum."""
        return DeltaCovariance(self._fit.hidden, hidden_covariance(self._fit, self._design))

    @property
    def standard_error(self) -> float:
        """Standard error of the total, persons; NaN where it is not estimable."""
        if self.status not in ("ok", "boundary"):
            return nan
        together = np.zeros(self._fit.hidden.size, dtype=np.int64)
        return sqrt(float(self._covariance.of_sums(together, 1)[0]))

    def _uncertainty(self) -> IntervalMethod | None:
        hidden = float(self._fit.hidden.sum())
        if self.status not in ("ok", "boundary") or not hidden > 0:
            return None
        if self.estimator.interval == "lognormal":
            return LognormalInterval(hidden, self.standard_error, self.table.n_observed)
        return ProfileInterval(self.profile_curve)

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
        test = self._fit_test
        record = None if test is None else test.record()
        return answer(
            self.estimator,
            self.table,
            float(self._fit.hidden.sum()),
            self.status,
            self.limit,
            self.reason,
            test=test,
            uncertainty=self._uncertainty(),
            strata=self._strata(),
            model=self.model,
            warnings=(*self._strength_notes(), *fit_warnings(record, self.table.n_lists)),
        )

    def profile_curve(self) -> LikelihoodCurve:
        """Profile log likelihood of N (Cormack 1992); only of an estimable fit."""
        spread = self.standard_error / float(self._fit.hidden.sum())
        if self._bounds is not None:
            bounded = self._layout.bounded
            return bounded_curve(self._counts, bounded, self._bounds, self._design, spread)
        return profile_curve(self._counts, self._fit, self._design, spread)

    def refitter(self, candidates: int | None = None) -> ModelRefitter | BoundedRefitter:
        """Repeat this model on other counts, for the bootstrap; see `mse.answer.protocols`."""
        if candidates is not None:
            raise ModelError(
                f"A single model has no candidates; candidates={candidates} goes with a search."
            )
        if self._bounds is not None:
            return BoundedRefitter(self._design, self._layout.bounded)
        everything = np.ones(self.n_parameters, dtype=np.bool_)
        if not has_many_levels(self._design):
            return ModelRefitter(self._design, everything)
        start = np.where(np.isfinite(self._values), self._values, 0.0)
        return ModelRefitter(self._design, everything, start)

    def _headline(self) -> str:
        return (
            f"{self.model}: {self.n_parameters} parameters, deviance {self.deviance:.2f} on "
            f"{self.df_adjusted} df, AIC {self.aic:.2f}, BIC {self.bic:.2f}"
        )


# Log-linear models of list totals and their union -------------------------------------------------

#: Most cells of a table of fitted means: 512 MB.
MAX_CELLS = 2**26

RICHER = Message("reason.margins_richer")
UNCHECKED = Message("remark.margins_unchecked")


#: Of more cells a fit of independent lists takes the list totals and the observed histories in their place.
MANY_CELLS = 2**20


def needs_no_cells(table: CaptureTable, model: HierarchicalModel) -> bool:
    """Whether a model of a complete table is independence of so many lists that cells would fill the memory."""
    if table.n_cells <= MANY_CELLS or table.covariates or len(model.terms) > table.n_lists + 1:
        return False
    return bool(_figures(table)[0].all())


def fit_margins(
    estimator: LogLinear, table: CaptureTable, model: HierarchicalModel
) -> MarginsLogLinearFit:
    """Fit a parsed model to a table of margins, or independence to one of many lists."""
    totals, union = _figures(table)
    p = len(model.terms) + (estimator.heterogeneity is not None)
    nothing = np.zeros(0, dtype=np.int64)
    hidden, limit = (nan, INDETERMINATE)
    if p == table.n_lists + 1 and _union_known(table):
        hidden, limit = independent_lists(totals, union)
    estimable = hidden == hidden
    seen = table.margins is None
    fit = ModelFit(
        deviance=_deviance(table, totals, union + hidden) if seen and estimable else nan,
        hidden=np.asarray([hidden]),
        limits=np.asarray([limit], dtype=np.int8),
        status=OK if estimable else NOT_ESTIMABLE,
        means=np.zeros(0),
        face=np.zeros(0, dtype=np.bool_),
        kept=np.arange(p) if estimable else nothing,
        coefficients=coefficients(totals, union, hidden) if estimable else np.zeros(0),
        vanishing=nothing,
    )
    kind = ManyListsFit if seen else MarginsLogLinearFit
    return kind(estimator, table, model, _layout(model, estimator.heterogeneity), fit)


def _union_known(table: CaptureTable) -> bool:
    """Whether the union is known, and not some of the overlaps in its place."""
    return table.margins is None or table.margins.overlaps is None


def _deviance(table: CaptureTable, totals: IntArray, size: float) -> float:
    """Deviance of independent lists: 2 sum n log(n / m), since the means add up to the persons observed."""
    persons = table.low.astype(np.float64)
    shares = np.log(np.stack([1 - totals / size, totals / size]))
    log_means = log(size) + shares[table.patterns, np.arange(totals.size)].sum(axis=1)
    return float(2 * (persons * (np.log(persons) - log_means)).sum())


def _figures(table: CaptureTable) -> tuple[IntArray, int]:
    """Persons on each list, and on at least one."""
    if table.margins is None:
        return (table.patterns * table.low[:, None]).sum(axis=0), table.n_observed
    totals = np.asarray(list(table.margins.list_totals.values()), dtype=np.int64)
    return totals, table.margins.union


def _layout(model: HierarchicalModel, form: str | None) -> TableDesign:
    """Name the parameters; there are no cells to lay them out on."""
    names = tuple(
        ":".join(model.axes[axis] for axis in term) or "intercept" for term in model.terms
    )
    parts = tuple(tuple((axis, 1) for axis in term) for term in model.terms)
    core, terms = make_design((2,), 1, np.zeros(1, np.int64)), model.terms
    if form is not None:
        terms, parts, names = (*terms, (-1,)), (*parts, ((-1, 0),)), (*names, form)
    return TableDesign(core, terms, parts, names)


@dataclass(frozen=True, eq=False, repr=False)
class MarginsLogLinearFit(LogLinearFit):
    """What a log-linear model learned from list totals and their union.

    Everything that a `LogLinearFit` has; deviance and criteria are NaN, since they depend on the
    cells, and only independence is estimable.

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
    >>> round(mse.LogLinear("main").fit(table).population.total, 1)
    285.4
    >>> mse.LogLinear("a*b").fit(table).status
    'not_estimable'
    """

    @property
    def df_residual(self) -> int:
        """Published totals minus parameters."""
        return self.table.n_lists + 1 - self.n_parameters

    @property
    def df_adjusted(self) -> int:
        """The same."""
        return self.df_residual

    @property
    def _fit_test(self) -> None:
        """There is none: the published totals are as many as the parameters."""

    @cached_property
    def _criteria(self) -> tuple[float, float, float]:
        return nan, nan, nan

    @property
    def fitted(self) -> FloatArray:
        """Fitted means, shape ``table.shape``, persons; NaN where not estimable."""
        if self.table.n_cells > MAX_CELLS:
            raise ModelError(
                f"{self.table.n_cells:,} fitted means do not fit in memory; `coefficients` determine them."
            )
        if self.status != "ok":
            return np.full(self.table.shape, nan)
        totals, union = _figures(self.table)
        size = union + float(self._fit.hidden[0])
        means = np.asarray(size)
        for share in totals / size:
            means = np.multiply.outer(means, np.asarray([1 - share, share]))
        return np.asarray(means)

    @cached_property
    def reason(self) -> str:
        """Why the status is not ``ok``; empty where it is."""
        if not _union_known(self.table):
            return Message("reason.overlaps_only", n=self.table.n_observed)
        if self.status != "ok" and self.n_parameters > self.table.n_lists + 1:
            return RICHER
        return super().reason

    @property
    def _covariance(self) -> StrataCovariance:
        totals, union = _figures(self.table)
        return KnownCovariance(
            np.asarray([[hidden_variance(totals, union, float(self._fit.hidden[0]))]])
        )

    def _uncertainty(self) -> IntervalMethod | None:
        if self.status != "ok":
            return None
        if self.estimator.interval == "lognormal":
            hidden = float(self._fit.hidden[0])
            return LognormalInterval(hidden, self.standard_error, self.table.n_observed)
        return ProfileInterval(self.profile_curve)

    @cached_property
    def population(self) -> PopulationEstimate:
        """The answer: observed, hidden and total persons, with an interval given the model."""
        found = super().population
        return (
            replace(found, warnings=(*found.warnings, UNCHECKED)) if self.status == "ok" else found
        )

    def profile_curve(self) -> MarginsProfile:
        """Profile log likelihood of N; only of an estimable fit."""
        hidden, (totals, union) = float(self._fit.hidden[0]), _figures(self.table)
        return MarginsProfile(totals, union, hidden, self.standard_error / hidden)

    def refitter(self, candidates: int | None = None) -> MarginsRefitter:  # type: ignore[override]
        """Repeat the fit on other totals and unions, for the bootstrap."""
        if candidates is not None:
            super().refitter(candidates)
        return MarginsRefitter()

    def drawing(self, resampling: Resampling) -> MarginsDrawing:
        """Return what draws persons from the fitted independent lists, and publishes their margins."""
        totals, union = _figures(self.table)
        return MarginsDrawing(
            totals, union, float(self._fit.hidden[0]), registered_only=resampling == "multinomial"
        )


class ManyListsFit(MarginsLogLinearFit):
    """What independence of many lists learned from the observed histories, without laying out cells.

    Everything that a `LogLinearFit` has but a test of fit, which nearly as many cells as there are would fail.

    Examples
    --------
    >>> import mse
    >>> lists = [f"list{i}" for i in range(24)]
    >>> pairs = {"11" + "0" * 22: 2, **{format(1 << i, "024b"): 5 for i in range(24)}}
    >>> fit = mse.LogLinear("main").fit(mse.CaptureTable.from_counts(pairs, lists=lists))
    >>> fit.status, fit.df_residual
    ('ok', 16777190)
    """

    @property
    def df_residual(self) -> int:
        """Observable cells minus parameters."""
        return self.table.n_cells - 1 - self.n_parameters

    @cached_property
    def _counts(self) -> FloatArray:
        """Persons by history; those that nobody has add nothing to a likelihood."""
        return self.table.low.astype(np.float64)

    _criteria = LogLinearFit._criteria
    population = LogLinearFit.population


@dataclass(frozen=True)
class MarginsRefitter:
    """Estimates the hidden number from other list totals and unions."""

    given: str = GIVEN_MODEL
    releases_gil: bool = False
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, K + 1): list totals, then the union."""
        figures = np.rint(counts).astype(np.int64)
        found = [independent_lists(row[:-1], int(row[-1])) for row in figures]
        hidden = np.asarray([[each] for each, _ in found])
        limits = np.asarray([[limit] for _, limit in found], dtype=np.int8)
        size = len(counts)
        none = np.zeros((size, 0))
        return Refits(hidden, limits, np.zeros(size, np.bool_), np.full(size, -1, np.int64), none)


# What a fit to a table that is known in part says about itself, in words --------------------------

#: Ends the reason of every status, and stands alone among the warnings where all is well.
NOT_EXACT = Message("reason.not_exact")
SILENT_TERMS = Message("reason.silent_terms")
NO_MAXIMUM = Message("reason.no_maximum")
MISSING_AT_RANDOM = Message("assumption.missing_at_random")
NO_PROFILE = Message("remark.no_profile")


def recorded_boundary_reason(
    vanishing: Sequence[str], open_terms: Sequence[str], n_zero: int
) -> str:
    """Say what is at minus infinity, left open by the data, or zero in an estimable fit.

    vanishing: terms at minus infinity because nobody has their combination
    open_terms: terms that the data do not determine, although they do the total
    n_zero: observable cells with fitted mean zero
    """
    return joined(
        Message("nobody.minus_infinity", names=named(vanishing)) if vanishing else "",
        Message("reason.open_terms", names=named(open_terms)) if open_terms else "",
        Message("reason.fitted_zero", n=n_zero) if n_zero else "",
    )


def silent_lists(table: CaptureTable, operating: BoolArray | None = None) -> Iterator[str]:
    """Say where lists did not operate, or may not have, as was said or inferred; list by list.

    table: any table
    operating: (K, S) bool, as of `mse.data.operating.operating_lists`, which is asked otherwise
    """
    for name, found in silent_places(table, operating):
        said = [place.name for place in found if place.said]
        if any(said):
            yield Message("remark.not_operating_in", name=name, places=named(said))
        elif said:
            yield Message("remark.not_operating", name=name)
        inferred = [place for place in found if not place.said]
        if inferred:
            where = _where(inferred)
            yield Message("nobody.membership", name=name, places=where, quoted=repr(name))
    for name, doubt in doubted_places(table, operating):
        yield Message(
            "nobody.membership_doubted",
            name=name,
            places=_where(doubt.places),
            persons=doubt.persons,
            quoted=repr(name),
        )


def _where(places: Sequence[SilentPlace]) -> Field:
    """Name places, with the persons known to be there."""
    if not places[0].name:
        return named([Message("place.unnamed", n=each.persons) for each in places])
    names = [Message("place.named", name=each.name, n=each.persons) for each in places]
    return Message("place.in", places=named(names))


def within_bounds(count: int, more: float) -> str:
    """Say how many counts are known within bounds, and what is expected in them beyond the lower ones."""
    return Message("remark.within_bounds", n=count, more=more)


def incomplete_notes(
    seen: Seen, found: IncompleteFit, table: CaptureTable, *, kinds: bool
) -> Iterator[str]:
    """Say what the reader of the result should know.

    seen: the table as the likelihood takes it
    found: the fit
    table: the table
    kinds: whether missing entries were given a model
    """
    yield from silent_lists(table, seen.operating)
    low, high = seen.observations.low, seen.observations.high
    vague = low != high
    if vague.any():
        yield within_bounds(int(vague.sum()), float((found.expected - low)[vague].sum()))
    if kinds:
        yield Message("remark.completely_at_random")
    if (seen.observations.patterns[:, table.n_lists :] < 0).any():
        yield Message("remark.allotted")
    if found.others.size:
        totals = [Message("number.persons", n=total) for total in found.others[:3]]
        yield Message("remark.other_maxima", totals=totals)


# A log-linear model of a table of which some is known in part -------------------------------------
# Three kinds of observations enter one likelihood, that of `mse.core.partly_known`:
#
# * a fully known record with an exact count adds n log mu(c) for its cell c;
# * a record that lacks entries adds n log of the sum of mu over the cells that agree with it: an unknown
#   covariate (van der Heijden, Whittaker, Cruyff, Bakker & van der Vliet 2012, Annals of Applied
#   Statistics 6, 831-852; van der Heijden, Smith, Cruyff & Bakker 2018, Journal of Official Statistics 34,
#   239-263), or a list that did not operate (Zwane, van der Pal & van der Heijden 2004, Statistics in
#   Medicine 23, 2267-2281);
# * a count within bounds adds log P(low <= X <= high) for a Poisson X with the mean of its cells: a
#   suppressed or rounded count, or an upper bound where a list holds people outside the population
#   (Overstall, King, Bird, Hutchinson & Hay 2014, Statistics in Medicine 33, 1564-1579).
#
# The means of all cells of persons on a list that operated are subtracted once, so each person is in one
# observation and the counts of the cells that nobody is in are zero.


class _Parts(NamedTuple):
    """A fit with what it was fitted to."""

    seen: Seen
    data: Data
    n_kinds: int
    raw: IncompleteFit  # with the axis of kinds
    found: IncompleteFit  # summed over it


def fit_partly_known(
    estimator: LogLinear, table: CaptureTable, model: HierarchicalModel
) -> IncompleteLogLinearFit:
    """Fit a parsed model to a table with unknown entries or counts within bounds.

    estimator: settings
    table: any table but one of margins
    model: terms over the axes of the table
    """
    seen = look_at(table)
    layout = table_design(table, model, estimator.trend, estimator.differing)
    check_complete(layout)
    layout = replace(layout, core=layout.core._replace(observable=seen.observable))
    data, n_kinds = make_data(seen, layout.core)
    raw = fit_incomplete(data)
    found = folded(raw, len(layout.terms), n_kinds)
    settled = ~np.isin(found.kept, found.undetermined)
    fit = ModelFit(
        nan,
        found.hidden,
        found.limits,
        found.status,
        found.means,
        found.face,
        found.kept[settled],
        found.coefficients[settled],
        found.vanishing,
    )
    parts = _Parts(seen, data, n_kinds, raw, found)
    return IncompleteLogLinearFit(estimator, table, model, layout, fit, parts)


def check_complete(layout: TableDesign) -> None:
    """Raise ``ModelError`` for coefficients that are not found where some is known in part."""
    if layout.bounded.size and layout.heterogeneity is not None:
        raise ModelError(
            f"heterogeneity={layout.heterogeneity.notation()!r} has coefficients that are not below zero, "
            "which are found on complete tables only; in this one some is known in part. Use 'poisson', "
            "'darroch' or 'gamma' without nonnegative=True."
        )


def histories_apart(seen: Seen) -> int:
    """Count the histories, by stratum, that can be told apart by the lists that operated there."""
    return int((2 ** seen.operating.sum(axis=0) - 1).sum())


@dataclass(frozen=True, eq=False, repr=False)
class IncompleteLogLinearFit(LogLinearFit):
    """What one log-linear model learned from a table of which some is known in part.

    Everything that a `LogLinearFit` has, with these differences:

    * the existence of the estimate is judged at the maximum that was found, not exactly;
    * the hidden number is that of the persons on no list that operated, and of persons in counts within
      bounds beyond their lower ones;
    * the interval is the profile likelihood's where all counts are exact and log-normal from the
      observed information otherwise.

    Attributes
    ----------
    estimator : LogLinear
        Assumptions and settings.
    table : CaptureTable
        The data.
    structure : HierarchicalModel
        The model, as terms over the axes of the table.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> df = pd.DataFrame(
    ...     {
    ...         "police": [1, 0, 1, 1, 0, 1, 1],
    ...         "care": [0, 1, 1, 0, 1, 1, 0],
    ...         "sex": ["f", "f", "f", "m", "m", "m", None],
    ...         "n": ["30", "24", "21", "19", "8", "<5", "5"],
    ...     }
    ... )
    >>> table = mse.CaptureTable.from_frame(df, ["police", "care"], ["sex"], "n")
    >>> fit = mse.LogLinear("main").fit(table)
    >>> fit.status, fit.population.observed, round(fit.population.total)
    ('ok', 107, 181)
    """

    _parts: _Parts = field(repr=False)

    def __repr__(self) -> str:
        value = self.log_likelihood
        return f"<IncompleteLogLinearFit {self.model}: {self.status}, log likelihood {value:.2f}>"

    @cached_property
    def log_likelihood(self) -> float:
        """Observed-data log likelihood at its supremum, the factorials of exact counts included."""
        low, high = self._parts.data.seen.low, self._parts.data.seen.high
        exact = np.concatenate([self._parts.data.base, low[low == high]])
        return float(self._parts.found.value - gammaln(exact + 1).sum())

    @cached_property
    def deviance(self) -> float:
        """Twice the log likelihood that is lost beside a model with a mean for each observable cell."""
        return deviance_from(saturated_value(self._parts.data), self._parts.found.value)

    @property
    def df_residual(self) -> int:
        """Histories that can be told apart by the lists that operated, minus parameters."""
        return histories_apart(self._parts.seen) - self.n_parameters

    @property
    def df_adjusted(self) -> int:
        """Such histories with a positive mean, minus directions the data inform about."""
        n_strata = self._design.n_hidden
        cells = np.flatnonzero(self._fit.face)
        history, stratum = cells // n_strata, cells % n_strata
        n_lists = self.table.n_lists
        bits = (history[:, None] >> np.arange(n_lists - 1, -1, -1)) & 1
        told = bits * self._parts.seen.operating.T[stratum]
        apart = np.unique(np.column_stack([told, stratum]), axis=0)
        return len(apart) - self._parts.found.rank

    @cached_property
    def _criteria(self) -> tuple[float, float, float]:
        n, p = max(self.table.n_observed, 1), self.n_parameters
        minus_twice = -2 * self.log_likelihood
        aic, spare = minus_twice + 2 * p, n - p - 1
        correction = 2 * p * (p + 1) / spare if spare > 0 else inf
        return aic, aic + correction, minus_twice + p * log(n)

    @cached_property
    def reason(self) -> str:
        """Why the status is not ``ok``; empty where it is."""
        if self.status == "not_converged":
            return NO_MAXIMUM
        if self.status == "boundary":
            n_zero = int(self._design.observable.sum() - self._fit.face.sum())
            said = recorded_boundary_reason(self._vanishing, self._aliased, n_zero)
            return joined(said, NOT_EXACT)
        said = super().reason
        silent = SILENT_TERMS if not self._parts.seen.operating.all() else ""
        return joined(said, silent, NOT_EXACT) if said else ""

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What to know about the result: lists that did not operate, counts within bounds, maxima."""
        parts = self._parts
        notes = incomplete_notes(parts.seen, parts.found, self.table, kinds=parts.n_kinds > 1)
        return (*notes, *([] if self.reason else [NOT_EXACT]))

    @property
    def _covariance(self) -> StrataCovariance:
        return KnownCovariance(self._parts.found.covariance)

    @property
    def _known(self) -> BoolArray:
        exact = self.table.low == self.table.high
        return np.asarray(exact & np.all(self.table.patterns >= 0, axis=1))

    def _uncertainty(self) -> IntervalMethod | None:
        hidden = float(self._fit.hidden.sum())
        if self.status not in ("ok", "boundary") or not hidden > 0:
            return None
        if self.estimator.interval == "lognormal" or is_vague(self._parts.seen):
            return LognormalInterval(hidden, self.standard_error, self.table.n_observed)
        return ProfileInterval(self.profile_curve)

    def _strata(self) -> Strata | None:
        if not self.table.covariates or self.status == "not_converged":
            return None
        expected = expected_by_stratum(
            self._parts.data, self._parts.raw.means, self._fit.limits.size
        )
        finite = "boundary" if self.status != "ok" else "ok"
        return Strata(
            levels=self.table.covariates,
            observed=whole_persons(expected),
            hidden=self._fit.hidden,
            status=tuple(
                finite if limit == "finite" else "not_estimable"  # type: ignore[misc]
                for limit in self._limits
            ),
            limit=self._limits,
            covariance=self._covariance,
        )

    @cached_property
    def population(self) -> PopulationEstimate:
        """The answer: observed, hidden and total persons, with an interval given the model."""
        found = super().population
        notes = [*found.warnings, *self.notes]
        if found.interval_kind == "lognormal" and self.estimator.interval == "profile":
            notes.append(NO_PROFILE)
        assumptions = found.assumptions
        if np.any(self.table.patterns < 0):
            assumptions = (*assumptions, MISSING_AT_RANDOM)
        return replace(found, warnings=tuple(notes), assumptions=assumptions)

    def profile_curve(self) -> ObservedProfile:
        """Profile log likelihood of N (Cormack 1992); only of an estimable fit to exact counts."""
        if is_vague(self._parts.seen):
            raise ModelError(
                "There is no profile likelihood of N where counts are known within bounds; use "
                "interval='lognormal'."
            )
        spread = self.standard_error / float(self._fit.hidden.sum())
        return ObservedProfile(self._parts.data, self._parts.found, spread)

    def refitter(self, candidates: int | None = None) -> ObservationRefitter:  # type: ignore[override]
        """Repeat this model on other counts of the same observations, for the bootstrap."""
        super().refitter(candidates)
        parts, known = self._parts, self._known
        cells = np.ravel_multi_index(tuple(self.table.patterns[known].T), self.table.shape)
        # Cells that are empty here need not be so in another draw.
        means = np.nan_to_num(parts.raw.means) + SPLIT_COUNT
        places = cells.astype(np.int64) * parts.n_kinds
        return ObservationRefitter(parts.data, means, known, places, parts.n_kinds)

    def drawing(self, resampling: Resampling) -> PatternDrawing:
        """Return what draws records as they are, with the hidden persons of each stratum."""
        if resampling == "parametric":
            raise ModelError(
                "The table is known in part, and fitted means do not tell which records would lack which "
                "entries; use resampling='population'."
            )
        seen, n_strata = self._parts.data.seen, self._design.n_hidden
        vague = np.flatnonzero(seen.low != seen.high)
        unseen = np.where(self._design.observable, 0.0, np.nan_to_num(self._fit.means))
        return PatternDrawing(
            persons=self.resampled(),
            hidden=unseen.reshape(-1, n_strata).sum(axis=0)[
                : n_strata * (resampling == "population")
            ],
            vague=np.flatnonzero(~self._known)[vague],
            means=box_means(self._parts.raw.means, seen)[vague],
            low=seen.low[vague],
            high=seen.high[vague],
            n_strata=n_strata,
        )

    def resampled(self) -> FloatArray:
        """Return persons by pattern, padded to whole rows of strata.

        A count within bounds has its expected number of persons.
        """
        persons = self.table.low.astype(np.float64)
        persons[~self._known] = self._parts.found.expected
        return np.pad(persons, (0, -persons.size % self._design.n_hidden))
