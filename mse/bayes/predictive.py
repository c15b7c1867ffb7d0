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

from mse._histories import history_frame
from mse._result import Result, layout, span
from mse._text import Section, persons

if TYPE_CHECKING:
    import pandas as pd

    from mse._typing import FloatArray, IntArray
    from mse.table import CaptureTable

__all__ = ["PredictiveCheck", "check_histories"]

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

    Parameters
    ----------
    table : CaptureTable
        A complete table.
    replicated : int64 array (M, C)
        Counts by cell in C order; hidden cells are not looked at.

    Returns
    -------
    PredictiveCheck
    """
    n_strata = table.n_strata
    cells = np.arange(n_strata, table.n_cells)
    tables = np.asarray(replicated)[:, n_strata:]
    expected = tables.mean(axis=0)
    # Half the scale of counts on which a variance is constant (Freeman & Tukey 1950).
    distance = ((np.sqrt(tables) - np.sqrt(expected)) ** 2).sum(axis=1)
    observed = ((np.sqrt(table.counts.ravel()[n_strata:]) - np.sqrt(expected)) ** 2).sum()
    return PredictiveCheck(table, cells, tables, expected, float((distance >= observed).mean()))
