"""Prior sensitivity: the same estimator under other priors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from mse._result import Result, layout
from mse._text import Section
from mse._trial import Trial, attempt
from mse.intervals import DEFAULT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse.estimators import Estimator
    from mse.table import CaptureTable

__all__ = ["PriorSensitivity", "under_priors"]


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

    Parameters
    ----------
    table : CaptureTable
        The table.
    estimators : mapping of str to Estimator
        The estimator with each prior, by what was changed in words; the first as asked for.

    Returns
    -------
    PriorSensitivity
    """
    trials = tuple(attempt(estimator, table) for estimator in estimators.values())
    return PriorSensitivity(table, tuple(estimators), tuple(estimators.values()), trials)
