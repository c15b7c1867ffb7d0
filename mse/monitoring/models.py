"""The models that a monitor chooses among, if it is not told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.estimators import default_estimator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse.estimators import Criterion, Estimator
    from mse.table import CaptureTable


def default_search(
    table: CaptureTable,
    period: str,
    criterion: Criterion = "bic",
    trend: Mapping[str, int] | None = None,
) -> Estimator:
    """Search for a model in which every list may reach another share of the population in each period.

    How many persons a list reports in a year is their number times the share that it reaches. A criterion
    that leaves the share constant, since a change of it is too small to pay for its parameters, takes all
    change for one of the number, and is sure of it (``docs/dropout.md``). So the terms of list and period
    are in every model.

    Parameters
    ----------
    table : CaptureTable
        The data. A list that did not operate in some period has no such term: nobody could see its change.
    period : str
        Covariate that is the period.
    criterion : {"bic", "aic", "aicc", "pvalue"}, default "bic"
        What makes a model good. By p-value there is no search over covariates: fitting says so.
    trend : mapping of str to int, optional
        Covariates that enter by polynomials.

    Returns
    -------
    Estimator
    """
    from mse.loglinear import LogLinearSearch

    if table.margins is not None:
        return default_estimator(table)
    keep = () if criterion == "pvalue" else _reporting(table, period)
    return LogLinearSearch(
        criterion=criterion,
        strategy="stepwise",
        trend=trend or {},
        keep=tuple(f"{name}*{period}" for name in keep),
    )


def _reporting(table: CaptureTable, period: str) -> tuple[str, ...]:
    """Find the lists of which something is known in every period with records."""
    periods = table.patterns[:, table.axes.index(period)]
    return tuple(
        name
        for k, name in enumerate(table.lists)
        if all(
            (table.patterns[periods == level, k] >= 0).any()
            for level in set(periods.tolist()) - {-1}
        )
    )
