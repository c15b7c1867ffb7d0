"""Which persons an estimate depends on: one left out, history by history."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mse._histories import history_frame
from mse._result import Result, layout
from mse._text import Section, persons
from mse._trial import Trial, attempt
from mse.diagnostics.fit import chosen
from mse.errors import ModelError
from mse.loglinear import LogLinearFit, LogLinearSearchFit

if TYPE_CHECKING:
    import pandas as pd

    from mse.estimators import Estimator, Fit

__all__ = ["Influence", "influence"]

_SHOWN = 12


@dataclass(frozen=True, eq=False, repr=False)
class Influence(Result):
    """How the estimated total changes when one person of a history is left out.

    Attributes
    ----------
    estimator : Estimator
        What was fitted again for each history.
    total : float
        Estimate from everybody, persons.
    reselected : bool
        Whether the whole method was repeated, or the chosen model kept.
    """

    estimator: Estimator
    total: float
    reselected: bool
    _frame: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each history (and stratum) with somebody in it.

        Returns
        -------
        DataFrame
            ``history``, a column for each covariate, ``observed`` (persons with it), ``total``
            (the estimate with one of them left out), ``change`` (from the estimate with everybody;
            infinite, or minus the hidden count, where the estimate ceases to exist with such a
            limit), ``relative`` (the change over the total), ``status``, ``limit``.
        """
        return self._frame.copy()

    def __repr__(self) -> str:
        return f"<Influence on {self.estimator!r}: {len(self._frame)} histories>"

    def _sections(self) -> list[Section]:
        order = self._frame["change"].abs().sort_values(ascending=False, kind="stable").index
        shown = self._frame.loc[order[:_SHOWN]]
        names = list(shown.columns[: shown.columns.get_loc("observed")])
        rows = [
            [
                *(str(row[name]) for name in names),
                f"{row['observed']:,}",
                "-" if math.isnan(row["total"]) else persons(row["total"]),
                _signed(row["change"]),
                row["status"],
            ]
            for row in shown.to_dict("records")
        ]
        head = [*names, "observed", "total without one", "change", "status"]
        how = "the whole method repeated" if self.reselected else "the model kept"
        text = (
            (
                f"One person of a history is left out, {how}. The estimated total with everybody is "
                f"{persons(self.total)}."
            ),
        )
        return [
            Section("Influence of single persons", paragraphs=text),
            Section("The most influential histories", verbatim=layout(head, rows)),
        ]


def _signed(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "without bound" if math.isinf(value) else f"{value:+,.1f}"


def influence(fit: Fit, *, reselect: bool = False) -> Influence:
    """Leave one person out of each history in turn, and estimate again.

    Parameters
    ----------
    fit : Fit
        Any fit of a table whose observations are fully known.
    reselect : bool, default False
        Repeat the whole method, selection included, rather than keep the model of a log-linear
        fit. Estimators of other kinds are always repeated as a whole.

    Returns
    -------
    Influence
        Each refit is exact. A person left out is not observed either: with nothing else changed
        the total falls by 1.

    Raises
    ------
    ModelError
        If observations are known in part.

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    >>> found = mse.diagnostics.influence(mse.LincolnPetersen().fit(table))
    >>> found.to_frame()[["history", "observed", "total", "change"]]
      history  observed  total  change
    0      01        10   28.0    -2.0
    1      10         5   27.0    -3.0
    2      11         5   31.5     1.5
    """
    table = fit.table
    if not table.is_complete:
        raise ModelError(
            "The table holds observations that are known in part, or only as margins: there is no "
            "single history from which to leave a person out. Ask of a table of fully known records, and "
            "look at sensitivity.leave_one_out for lists."
        )
    kept = not reselect and isinstance(fit, LogLinearFit | LogLinearSearchFit)
    estimator = chosen(fit).estimator if kept else fit.estimator  # type: ignore[arg-type]
    counts = table.counts.ravel()
    cells = np.flatnonzero(counts)
    trials = []
    for cell in cells:
        fewer = counts.copy()
        fewer[cell] -= 1
        trials.append(attempt(estimator, table.with_counts(fewer.reshape(table.shape))))
    total, n = fit.population.total, table.n_observed
    changes = np.asarray([_change(trial, total, n) for trial in trials])
    frame = history_frame(table, cells).assign(
        observed=counts[cells],
        total=[trial.total for trial in trials],
        change=changes,
        relative=changes / total,
        status=[trial.status for trial in trials],
        limit=["" if t.population is None else t.population.limit for t in trials],
    )
    reselected = not isinstance(fit, LogLinearFit) and not kept
    return Influence(estimator, total, reselected, frame)


def _change(trial: Trial, total: float, n: int) -> float:
    """Change of the total; an estimate that ceases to exist has gone to its limit."""
    limit = None if trial.population is None else trial.population.limit
    if limit == "infinite":
        return math.inf - total
    if limit == "zero":
        return n - 1 - total
    return trial.total - total
