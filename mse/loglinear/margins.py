"""Log-linear models of list totals and their union."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri

from mse.core.batch import NOT_ESTIMABLE, OK, ModelFit
from mse.core.existence import INDETERMINATE
from mse.core.margins import MarginsProfile, coefficients, hidden_variance, independent_lists
from mse.core.newton import make_design
from mse.errors import ModelError
from mse.intervals import IntervalMethod, LognormalInterval
from mse.loglinear.designs import TableDesign
from mse.loglinear.single import LogLinear, LogLinearFit
from mse.redrawing import MarginsDrawing
from mse.refitting import GIVEN_MODEL, Refits

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray
    from mse.model import HierarchicalModel
    from mse.population import PopulationEstimate
    from mse.redrawing import Resampling
    from mse.table import CaptureTable

#: Most cells of a table of fitted means: 512 MB.
MAX_CELLS = 2**26

RICHER = (
    "List totals and their union say how many persons are on each list and on any, and nothing about "
    "which lists go together, so a model with interactions is not determined by them. Ask for "
    "'main', or use a table of capture histories."
)
UNCHECKED = (
    "The estimate rests on list totals and their union only: that the lists are independent cannot be "
    "checked with them."
)


def fit_margins(
    estimator: LogLinear, table: CaptureTable, model: HierarchicalModel
) -> MarginsLogLinearFit:
    """Fit a parsed model to a table of margins."""
    totals, union = _figures(table)
    p = len(model.terms)
    nothing = np.zeros(0, dtype=np.int64)
    hidden, limit = (nan, INDETERMINATE)
    if p == table.n_lists + 1:
        hidden, limit = independent_lists(totals, union)
    estimable = hidden == hidden
    fit = ModelFit(
        deviance=nan,
        hidden=np.asarray([hidden]),
        limits=np.asarray([limit], dtype=np.int8),
        status=OK if estimable else NOT_ESTIMABLE,
        means=np.zeros(0),
        face=np.zeros(0, dtype=np.bool_),
        kept=np.arange(p) if estimable else nothing,
        coefficients=coefficients(totals, union, hidden) if estimable else np.zeros(0),
        vanishing=nothing,
    )
    return MarginsLogLinearFit(estimator, table, model, _layout(model), fit)


def _figures(table: CaptureTable) -> tuple[IntArray, int]:
    if table.margins is None:
        raise ModelError("The table holds capture histories, not margins.")
    totals = np.asarray(list(table.margins.list_totals.values()), dtype=np.int64)
    return totals, table.margins.union


def _layout(model: HierarchicalModel) -> TableDesign:
    """Name the parameters; there are no cells to lay them out on."""
    names = tuple(
        ":".join(model.axes[axis] for axis in term) or "intercept" for term in model.terms
    )
    parts = tuple(tuple((axis, 1) for axis in term) for term in model.terms)
    return TableDesign(make_design((2,), 1, np.zeros(1, np.int64)), model.terms, parts, names)


@dataclass(frozen=True, eq=False)
class MarginsInterval:
    """Profile likelihood interval of N under independence, from list totals and their union.

    The likelihood depends on the full table through these alone, so the interval is that of the full
    table (Cormack 1992, Biometrics 48, 567-576).
    """

    totals: IntArray
    union: int
    hidden: float
    spread: float

    @property
    def kind(self) -> str:
        """The word ``profile``."""
        return "profile"

    @property
    def given(self) -> str:
        """What the interval takes for granted."""
        return GIVEN_MODEL

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends of the interval of the total, in persons; the upper may be infinite."""
        curve = MarginsProfile(self.totals, self.union, self.hidden, self.spread)
        return curve.ends(float(chdtri(1, 1 - level)) / 2)


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
        if self.status != "ok" and self.n_parameters > self.table.n_lists + 1:
            return RICHER
        return super().reason

    @property
    def _covariance(self) -> FloatArray:
        totals, union = _figures(self.table)
        return np.asarray([[hidden_variance(totals, union, float(self._fit.hidden[0]))]])

    def _uncertainty(self) -> IntervalMethod | None:
        if self.status != "ok":
            return None
        hidden, (totals, union) = float(self._fit.hidden[0]), _figures(self.table)
        if self.estimator.interval == "lognormal":
            return LognormalInterval(hidden, self.standard_error, union)
        return MarginsInterval(totals, union, hidden, self.standard_error / hidden)

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
