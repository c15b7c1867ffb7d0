"""A log-linear model of a table of which some is known in part.

Three kinds of observations enter one likelihood, that of `mse.core.observed`:

* a fully known record with an exact count adds n log mu(c) for its cell c;
* a record that lacks entries adds n log of the sum of mu over the cells that agree with it: an unknown
  covariate (van der Heijden, Whittaker, Cruyff, Bakker & van der Vliet 2012, Annals of Applied
  Statistics 6, 831-852; van der Heijden, Smith, Cruyff & Bakker 2018, Journal of Official Statistics 34,
  239-263), or a list that did not operate (Zwane, van der Pal & van der Heijden 2004, Statistics in
  Medicine 23, 2267-2281);
* a count within bounds adds log P(low <= X <= high) for a Poisson X with the mean of its cells: a
  suppressed or rounded count, or an upper bound where a list holds people outside the population
  (Overstall, King, Bird, Hutchinson & Hay 2014, Statistics in Medicine 33, 1564-1579).

The means of all cells of persons on a list that operated are subtracted once, so each person is in one
observation and the counts of the cells that nobody is in are zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, log, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import gammaln

from mse._strata import Strata
from mse.core.batch import ModelFit
from mse.core.incomplete import SPLIT_COUNT, deviance_from, fit_incomplete, saturated_value
from mse.core.observed import box_means
from mse.core.observed_profile import ObservedProfile
from mse.errors import ModelError
from mse.intervals import IntervalMethod, LognormalInterval
from mse.loglinear.designs import table_design
from mse.loglinear.folding import expected_by_stratum, folded, whole_persons
from mse.loglinear.incomplete_intervals import ObservedProfileInterval
from mse.loglinear.incomplete_refitting import ObservationRefitter
from mse.loglinear.incomplete_wording import (
    MISSING_AT_RANDOM,
    NO_MAXIMUM,
    NO_PROFILE,
    NOT_EXACT,
    SILENT_TERMS,
    boundary_reason,
    incomplete_notes,
)
from mse.loglinear.observing import Seen, is_vague, look_at, make_data
from mse.loglinear.single import LogLinear, LogLinearFit
from mse.redrawing import PatternDrawing

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray
    from mse.core.ascent import Data
    from mse.core.solution import IncompleteFit
    from mse.model import HierarchicalModel
    from mse.population import PopulationEstimate
    from mse.redrawing import Resampling
    from mse.table import CaptureTable


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

    Parameters
    ----------
    estimator : LogLinear
        Settings.
    table : CaptureTable
        Any table but one of margins.
    model : HierarchicalModel
        Terms over the axes of the table.
    """
    seen = look_at(table)
    layout = table_design(table, model, estimator.trend)
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
            return f"{boundary_reason(self._vanishing, self._aliased, n_zero)} {NOT_EXACT}"
        said = super().reason
        if said and not self._parts.seen.operating.all():
            said = f"{said} {SILENT_TERMS}"
        return f"{said} {NOT_EXACT}" if said else ""

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What to know about the result: lists that did not operate, counts within bounds, maxima."""
        parts = self._parts
        notes = incomplete_notes(parts.seen, parts.found, self.table, kinds=parts.n_kinds > 1)
        return (*notes, *([] if self.reason else [NOT_EXACT]))

    @property
    def _covariance(self) -> FloatArray:
        return self._parts.found.covariance

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
        spread = self.standard_error / hidden
        return ObservedProfileInterval(self._parts.data, self._parts.found, spread)

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
