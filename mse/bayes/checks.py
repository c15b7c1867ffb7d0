"""Posterior predictive checks of capture histories: would the model have produced such a table.

References
----------
Gelman, A., Meng, X.-L. and Stern, H. (1996). Posterior predictive assessment of model fitness via
realized discrepancies. Statistica Sinica 6, 733-807.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mse.answer.intervals import DEFAULT_LEVEL
from mse.answer.shown import Result, Section, layout, persons, span
from mse.comparing import Trial, attempt
from mse.data.histories import history_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray, IntArray
    from mse.answer.protocols import Estimator
    from mse.data.table import CaptureTable

#: Histories shown in a summary: those that the model predicts worst.
_SHOWN = 8


@dataclass(frozen=True, eq=False, repr=False)
class PredictiveCheck(Result):
    """Observed counts of the histories beside those that the posterior predicts.

    Attributes
    ----------
    table : CaptureTable
        The data.
    cells : int64 array (O,)
        Observable cells of the table, positions in C order.
    replicated : int64 array (M, O)
        Counts of replicated tables, persons.
    expected : float64 array (O,)
        Their mean, persons.
    p_value : float
        Share of replicated tables at least as far from expectation as the observed one, by the
        Freeman-Tukey statistic. Near 0: the model does not produce such tables.
    """

    table: CaptureTable
    cells: IntArray
    replicated: IntArray
    expected: FloatArray
    p_value: float

    def __repr__(self) -> str:
        return f"<PredictiveCheck of {self.cells.size} histories: p = {self.p_value:.3f}>"

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Show the histories as a DataFrame.

        Parameters
        ----------
        level : float, default 0.95
            Level of the predictive intervals.

        Returns
        -------
        DataFrame
            ``history`` and covariates; ``observed``; ``expected``, ``low`` and ``high`` of the
            replicated tables; ``p_value``, the two-sided tail probability of the observed count.
        """
        observed = self.table.counts.ravel()[self.cells]
        low, high = np.quantile(self.replicated, [(1 - level) / 2, (1 + level) / 2], axis=0)
        below = (self.replicated <= observed).mean(axis=0)
        above = (self.replicated >= observed).mean(axis=0)
        return history_frame(self.table, self.cells).assign(
            observed=observed,
            expected=self.expected,
            low=low,
            high=high,
            p_value=np.minimum(1.0, 2 * np.minimum(below, above)),
        )

    def _sections(self) -> list[Section]:
        frame = self.to_frame().sort_values("p_value").head(_SHOWN)
        rows = [
            (
                " ".join(str(row[name]) for name in ("history", *self.table.covariates)),
                span(row["low"], row["high"]),
                persons(row["observed"]),
                f"{row['p_value']:.3f}",
            )
            for row in frame.to_dict(orient="records")
        ]
        verdict = (
            "Tables drawn from the posterior look like the observed one."
            if self.p_value > 0.05
            else "Tables drawn from the posterior seldom look like the observed one (fewer than 1 "
            "in 20): the model misses something, and its total with it."
        )
        return [
            Section(
                "Posterior predictive check",
                paragraphs=(f"{verdict} Posterior predictive p-value {self.p_value:.3f}.",),
            ),
            Section(
                "Histories predicted worst",
                verbatim=layout(["history", "predicted, 95%", "observed", "p"], rows),
            ),
        ]


def check_histories(table: CaptureTable, replicated: IntArray) -> PredictiveCheck:
    """Compare a table with tables drawn from a posterior.

    table: a complete table
    replicated: (M, C), counts by cell in C order; hidden cells are not looked at
    """
    n_strata = table.n_strata
    cells = np.arange(n_strata, table.n_cells)
    tables = np.asarray(replicated)[:, n_strata:]
    expected = tables.mean(axis=0)
    # Half the scale of counts on which a variance is constant (Freeman & Tukey 1950).
    distance = ((np.sqrt(tables) - np.sqrt(expected)) ** 2).sum(axis=1)
    observed = ((np.sqrt(table.counts.ravel()[n_strata:]) - np.sqrt(expected)) ** 2).sum()
    return PredictiveCheck(table, cells, tables, expected, float((distance >= observed).mean()))


# Prior sensitivity: the same estimator under other priors -----------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class PriorSensitivity(Result):
    """Answers under other priors, beside the one that was given.

    Attributes
    ----------
    table : CaptureTable
        The data.
    priors : tuple of str
        What was changed, in words; the first is the prior as asked for.
    estimators : tuple of Estimator
        The estimator with each prior.
    trials : tuple of Trial
        What came of each.
    """

    table: CaptureTable
    priors: tuple[str, ...]
    estimators: tuple[Estimator, ...]
    trials: tuple[Trial, ...]

    def __repr__(self) -> str:
        return f"<PriorSensitivity over {len(self.priors)} priors>"

    def to_frame(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show the answers as a DataFrame, indexed by prior.

        Parameters
        ----------
        level : float, default 0.95
            Level of the intervals.

        Returns
        -------
        DataFrame
            Columns ``total``, ``low``, ``high``, ``status`` and others of an estimate.
        """
        rows = [trial.row(level) for trial in self.trials]
        return pd.DataFrame(rows, index=pd.Index(self.priors, name="prior"))

    def _sections(self) -> list[Section]:
        rows = [
            [prior, *trial.cells(DEFAULT_LEVEL)]
            for prior, trial in zip(self.priors, self.trials, strict=True)
        ]
        return [
            Section(
                "Estimated total under other priors",
                verbatim=layout(["prior", "95% interval", "point", "status"], rows),
            )
        ]


def under_priors(table: CaptureTable, estimators: Mapping[str, Estimator]) -> PriorSensitivity:
    """Fit an estimator under several priors.

    table: the table
    estimators: the estimator with each prior, by what was changed in words; the first as asked for
    """
    trials = tuple(attempt(estimator, table) for estimator in estimators.values())
    return PriorSensitivity(table, tuple(estimators), tuple(estimators.values()), trials)
