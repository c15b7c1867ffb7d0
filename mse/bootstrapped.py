"""An estimator whose intervals come from the bootstrap, for whatever takes estimators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mse._fitted import Fitted
from mse._trial import carried_over
from mse.resampling import bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import Limit, Status
    from mse.estimators import Estimator
    from mse.population import PopulationEstimate
    from mse.redrawing import Resampling
    from mse.resampling import IntervalKind
    from mse.table import CaptureTable

__all__ = ["Bootstrapped", "BootstrappedFit"]


@dataclass(frozen=True)
class Bootstrapped:
    """Another estimator, with intervals from repeating it on persons drawn anew.

    `mse.bootstrap` answers for one table; this is the same as a setting, so that comparisons,
    validation and sensitivity analyses can ask for the interval that includes the choice of model.

    Parameters
    ----------
    estimator : Estimator
        Any estimator; a search chooses its model again in every replicate.
    replicates : int, default 1000
        Bootstrap replicates of each fit.
    interval : {"percentile", "bca", "basic"}, default "percentile"
        Kind of interval.
    resampling : {"population", "multinomial", "parametric"}, default "population"
        As of `mse.bootstrap`.
    seed : int, default 1
        Of each fit, so that equal settings give equal answers.

    Examples
    --------
    >>> import mse
    >>> from mse.bootstrapped import Bootstrapped
    >>> table = mse.load_dataset("kosovo")
    >>> fit = Bootstrapped(mse.LogLinearSearch(), replicates=100).fit(table)
    >>> fit.population.interval_given
    'the model re-selected in every replicate'
    """

    estimator: Estimator
    replicates: int = 1000
    interval: IntervalKind = "percentile"
    resampling: Resampling = "population"
    seed: int = 1

    def fit(self, table: CaptureTable) -> BootstrappedFit:
        """Fit the estimator, and repeat it on resampled tables.

        Parameters
        ----------
        table : CaptureTable
            A table that the estimator takes.

        Returns
        -------
        BootstrappedFit

        Raises
        ------
        ModelError
            If the estimator cannot be asked of the table, or an option is not known.
        """
        population = bootstrap(
            self.estimator,
            table,
            self.replicates,
            self.resampling,
            self.interval,
            self.seed,
            n_jobs=1,
            progress=False,
        )
        return BootstrappedFit(self, table, population)

    def asked_of(
        self, whole: CaptureTable, rest: CaptureTable, renamed: Mapping[str, str]
    ) -> Bootstrapped:
        """Ask the same of a table with other lists, as the estimator within does.

        Parameters
        ----------
        whole : CaptureTable
            The table that the estimator is written for.
        rest : CaptureTable
            The same with lists left out or made one.
        renamed : mapping of str to str
            New names of lists that were made one.

        Returns
        -------
        Bootstrapped
        """
        return replace(self, estimator=carried_over(self.estimator, whole, rest, renamed))


@dataclass(frozen=True, eq=False)
class BootstrappedFit(Fitted):
    """Answer of a `Bootstrapped` estimator.

    Attributes
    ----------
    estimator : Bootstrapped
        What was fitted.
    table : CaptureTable
        To what.
    population : PopulationEstimate
        The answer, with draws.
    """

    estimator: Bootstrapped
    table: CaptureTable
    population: PopulationEstimate

    @property
    def status(self) -> Status:
        """Whether the data determine the total."""
        return self.population.status

    @property
    def limit(self) -> Limit:
        """Where the hidden number goes as the likelihood approaches its supremum."""
        return self.population.limit

    @property
    def reason(self) -> str:
        """Why the status is not ``ok``, in words."""
        return self.population.reason
