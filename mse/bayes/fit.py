"""What Bayesian fits have in common: draws, an answer read off them, and checks of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from math import nan
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from mse._fitted import Fitted
from mse._strata import Strata
from mse.bayes.arviz_bridge import to_arviz
from mse.bayes.chains import Chains, concern, diagnose, disagreement, warn_of
from mse.bayes.intervals import CredibleInterval
from mse.bayes.predictive import PredictiveCheck, check_histories
from mse.bayes.prior_sensitivity import PriorSensitivity, under_priors
from mse.loglinear.incomplete_wording import silent_lists
from mse.population import STANDARD_ASSUMPTIONS, PopulationEstimate, provenance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray, IntArray, Limit, Seed, Status
    from mse.estimators import Estimator
    from mse.intervals import IntervalMethod
    from mse.table import CaptureTable

__all__ = ["BayesianFit", "Undetermined", "announce"]


class Undetermined(NamedTuple):
    """Why the data leave the hidden number to the prior.

    Attributes
    ----------
    limit : {"infinite", "zero", "indeterminate"}
        Where the hidden number would go.
    reason : str
        Why, in words.
    """

    limit: Limit
    reason: str


class BayesianFit(Fitted, ABC):
    """What a Bayesian estimator learned from a table.

    A fit is a frozen dataclass with the fields ``estimator`` and ``table`` that gives ``chains``,
    ``method``, and how to predict tables and which other priors to try.

    Attributes
    ----------
    method : str
        The method, in words.
    """

    method: ClassVar[str]
    estimator: Any
    table: CaptureTable

    # What a kind of fit gives ------------------------------------------------------------------

    @property
    @abstractmethod
    def chains(self) -> Chains:
        """Draws of the posterior; ``"N"`` and ``"hidden"`` (by stratum) are among them."""

    @abstractmethod
    def _predict(self, size: int, rng: np.random.Generator) -> IntArray:
        """Draw ``size`` tables from the posterior predictive distribution: (size, C), persons."""

    @abstractmethod
    def _other_priors(self) -> Mapping[str, Estimator]:
        """Estimators with other priors, by what is changed in words."""

    @property
    def _undetermined(self) -> Undetermined | None:
        """Why the data determine nothing; None if they determine the hidden number."""
        return None

    @property
    def _remarks(self) -> tuple[str, ...]:
        """Warnings beside those about convergence."""
        return ()

    @property
    def _model(self) -> str:
        """The model in the notation of the library, if there is one."""
        return ""

    @property
    def _assumptions(self) -> tuple[str, ...]:
        return STANDARD_ASSUMPTIONS

    @property
    def _uncertainty(self) -> IntervalMethod:
        return CredibleInterval(self.chains.flat("N"))

    @property
    def _median_hidden(self) -> float:
        """Posterior median of the hidden persons; the mean may be infinite."""
        return float(np.median(self.chains.flat("N"))) - self.table.n_observed

    @property
    def _observed_by_stratum(self) -> IntArray:
        """Observed persons by stratum, (S,) int64; of a table known in part as they were allotted."""
        return observed_by_stratum(self.table)

    # What follows ------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.status}>"

    @cached_property
    def diagnostics(self) -> pd.DataFrame:
        """R-hat, effective sample sizes and Monte Carlo error of log N and of other figures.

        Returns
        -------
        DataFrame
            Columns ``r_hat``, ``ess_bulk``, ``ess_tail``, ``mcse_median``; a row for ``log N``.
            Empty where the draws are independent.
        """
        return diagnose(self.chains, [] if self.chains.independent else ["log N"])

    @property
    def status(self) -> Status:
        """``ok``, ``not_estimable`` or ``not_converged``."""
        if self._undetermined is not None:
            return "not_estimable"
        return "not_converged" if disagreement(self.diagnostics) else "ok"

    @property
    def limit(self) -> Limit:
        """Where the hidden number goes; ``finite`` where the data determine it."""
        if self._undetermined is not None:
            return self._undetermined.limit
        return "finite" if self.status == "ok" else "indeterminate"

    @property
    def reason(self) -> str:
        """Why the status is not ``ok``; empty where it is."""
        if self._undetermined is not None:
            return self._undetermined.reason
        return disagreement(self.diagnostics)

    @cached_property
    def population(self) -> PopulationEstimate:
        """The answer: the posterior median, credible intervals and draws."""
        known = self.status == "ok"
        warnings = (*((concern(self.diagnostics),) if known else ()), *self._remarks)
        warnings = (*silent_lists(self.table), *warnings)
        return PopulationEstimate(
            observed=self.table.n_observed,
            hidden=self._median_hidden if known else nan,
            status=self.status,
            limit=self.limit,
            reason=self.reason,
            method=self.method,
            uncertainty=self._uncertainty if known else None,
            strata=self._strata(),
            draws=self.chains.flat("N") if known else None,
            stratum_draws=self._stratum_draws() if known else None,
            model=self._model,
            assumptions=self._assumptions,
            warnings=tuple(each for each in warnings if each),
            lists=self.table.lists,
            info=self.table.info,
            provenance=provenance(self.estimator, self.table),
        )

    def _strata(self) -> Strata | None:
        if not self.table.covariates or self.status != "ok":
            return None
        status: list[Status] = ["ok"] * self.table.n_strata
        limit: list[Limit] = ["finite"] * self.table.n_strata
        return Strata(
            levels=self.table.covariates,
            observed=self._observed_by_stratum,
            hidden=shared_out(self._median_hidden, self.chains.flat("hidden")),
            status=tuple(status),
            limit=tuple(limit),
        )

    def _stratum_draws(self) -> pd.DataFrame | None:
        if not self.table.covariates:
            return None
        totals = self.chains.flat("hidden") + self._observed_by_stratum
        names = [*self.table.covariates]
        labels = pd.MultiIndex.from_product([*self.table.covariates.values()], names=names)
        return pd.DataFrame(totals, columns=labels)

    def posterior_predictive(self, draws: int = 1000, seed: Seed = 1) -> PredictiveCheck:
        """Compare the observed histories with those of tables drawn from the posterior.

        Parameters
        ----------
        draws : int, default 1000
            Tables to draw.
        seed : int or numpy.random.Generator, default 1
            The same seed gives the same tables.

        Returns
        -------
        PredictiveCheck
        """
        return check_histories(self.table, self._predict(draws, np.random.default_rng(seed)))

    def prior_sensitivity(self, priors: Mapping[str, Estimator] | None = None) -> PriorSensitivity:
        """Fit the same table under other priors.

        Parameters
        ----------
        priors : mapping of str to Estimator, optional
            Estimators to compare with, by name; by default the usual alternatives to each prior.

        Returns
        -------
        PriorSensitivity
            Its ``to_frame()`` has one row a prior, the one that was asked for first.
        """
        others = self._other_priors() if priors is None else priors
        return under_priors(self.table, {"as asked for": self.estimator, **others})

    def to_arviz(self) -> Any:
        """Return the draws as ``InferenceData`` (ArviZ < 1) or ``DataTree`` (ArviZ >= 1).

        Returns
        -------
        arviz.InferenceData or xarray.DataTree
            Groups ``posterior``, ``observed_data`` and, where the sampler kept any,
            ``sample_stats``.
        """
        notes = {name: str(value) for name, value in self.population.provenance.items()}
        return to_arviz(self.chains, {"counts": self.table.counts}, {}, notes)


def announce(fit: BayesianFit) -> BayesianFit:
    """Warn if the chains of a fit have not settled; every ``fit`` method ends with it."""
    warn_of(disagreement(fit.diagnostics) or concern(fit.diagnostics))
    return fit


def observed_by_stratum(table: CaptureTable) -> IntArray:
    """Observed persons by stratum, (S,) int64."""
    return np.asarray(table.counts.reshape(-1, table.n_strata).sum(axis=0))


def shared_out(total: float, hidden: FloatArray) -> FloatArray:
    """Points of the strata that add up to the median of their sum.

    Medians do not add up. Those of the strata are scaled by one factor, so that the tables of a
    report do; the intervals are quantiles of the draws and are left as they are.

    Parameters
    ----------
    total : float
        Median of the hidden persons of all strata together.
    hidden : float64 array (M, S)
        Draws by stratum, persons.

    Returns
    -------
    float64 array (S,)

    Examples
    --------
    >>> import numpy as np
    >>> shared_out(12.0, np.array([[2.0, 8.0], [2.0, 8.0], [2.0, 8.0]]))
    array([2.4, 9.6])
    """
    medians = np.median(hidden, axis=0)
    if medians.sum() > 0:
        return np.asarray(medians * (total / medians.sum()))
    # All medians at zero and yet a positive sum: share it out evenly rather than lose it.
    return np.full(medians.size, total / medians.size)
