"""What is usually reported of a table: the default estimate, others beside it, checks, sensitivity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mse.bounding import what_if
from mse.comparing import compare, default_estimator, usual_estimators
from mse.data.count_table import CountTable
from mse.data.persons import PersonTable
from mse.data.table import CaptureTable
from mse.diagnostics import check, overlaps
from mse.diagnostics.checks import checks_beside
from mse.diagnostics.fit import DEFAULT_SEED
from mse.errors import MSEError
from mse.estimating import assumed, estimate
from mse.loglinear import LogLinearFit, LogLinearSearchFit
from mse.sensitivity import LeaveOneOut, highest_order, leave_one_out, model_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mse._typing import Seed
    from mse.answer.population import PopulationEstimate
    from mse.answer.protocols import Estimator, Fit
    from mse.bayes.heterogeneity import HeterogeneousLogLinear
    from mse.bounding import WhatIf
    from mse.diagnostics import CheckResult

__all__ = ["usual_results"]

#: With up to so many histories somebody is in, the search is repeated without a person of each.
MOST_RESELECTED = 64
#: With up to so many, the chosen model is.
MOST_KEPT = 400
#: Cells of a table from which searches are not repeated without a list.
MOST_CELLS = 4096


def usual_results(
    table: CaptureTable | PersonTable,
    *,
    replicates: int = 1000,
    seed: Seed = None,
    n_jobs: int | None = None,
    progress: bool | None = None,
    announce: Callable[[str], None] = lambda _: None,
    estimators: Sequence[Estimator | str] = (),
    heterogeneity: HeterogeneousLogLinear | str | bool | None = None,
) -> list[Any]:
    """Estimate, compare, check and vary, as far as the table and the time allow.

    Options are those of `mse.estimate`, for the intervals; ``announce`` is told in English what is done next;
    ``estimators`` are put beside the usual ones, as in `mse.compare`.

    Examples
    --------
    >>> import mse
    >>> found = usual_results(mse.load_dataset("korea"), replicates=50, seed=1)
    >>> found[0].observed
    123
    """
    whole: Any = table
    if isinstance(table, PersonTable):
        # The answer allows for differences that nobody recorded; estimators of persons stand beside it.
        table = table.counted()
    # Whether they suit the table is found out before the long work.
    asked = compare(whole, estimators).fits if estimators else ()
    announce("estimating, with the choice of the model repeated in every replicate")
    options = {"replicates": replicates, "seed": seed, "n_jobs": n_jobs, "progress": progress}
    # Totals of lists say nothing about dependence: independence is all that can be asked.
    asked_of: dict[str, Any] = options if table.margins is None else {"model": "main"}
    population = estimate(table, heterogeneity=heterogeneity, **asked_of)
    announce("other methods")
    fits = list(_compared(whole))
    fits += [fit for fit in asked if fit.estimator not in [each.estimator for each in fits]]
    chosen = _chosen(population, fits)
    if isinstance(table, CountTable):
        # The other checks, and the variations, are of lists.
        return [population, *fits, *check(table, chosen)]
    announce("checks of the data and the model")
    # The seed of the estimate, drawn where none was named, so that the checks can be had again too.
    drawn = population.provenance.get("bootstrap", {}).get("seed", seed)
    varied = [*_sensitivity(table, chosen)]
    left_out = next((each for each in varied if isinstance(each, LeaveOneOut)), None)
    checks = _checks(table, chosen, left_out, DEFAULT_SEED if drawn is None else drawn)
    announce("sensitivity")
    varied += [*_what_if(table, chosen, population, heterogeneity)]
    return [population, *fits, *checks, *varied, *_overlaps(table)]


def _compared(table: Any) -> Iterator[Fit]:
    """Fit the usual estimators, those that can be asked of such a table."""
    if isinstance(table, CaptureTable) and table.margins is not None:
        return
    for estimator in usual_estimators(table):
        try:
            yield from compare(table, [estimator]).fits
        except MSEError:
            continue


def _chosen(population: PopulationEstimate, fits: list[Fit]) -> Fit | None:
    """Find the fit behind the estimate that is reported."""
    names = {str(population.provenance.get(name, "")) for name in ("estimator", "chosen")}
    return next((fit for fit in fits if repr(fit.estimator) in names), None)


def _checks(
    table: CaptureTable, chosen: Fit | None, left_out: LeaveOneOut | None, seed: Seed
) -> Iterable[CheckResult]:
    if not table.is_complete:
        return ()
    size = int(np.count_nonzero(table.counts))
    if chosen is None or size > MOST_KEPT:
        return check(table)
    repeated = size <= MOST_RESELECTED and not table.covariates
    if isinstance(chosen, LogLinearSearchFit) and not repeated:
        return check(table, chosen.best, seed=seed)
    return checks_beside(table, chosen, left_out, seed=seed)


def _sensitivity(table: CaptureTable, chosen: Fit | None) -> Iterator[Any]:
    if chosen is None or chosen.status not in ("ok", "boundary"):
        return
    if table.n_lists > 2 and table.n_cells <= MOST_CELLS:
        yield leave_one_out(default_estimator(table), table)
    yield highest_order(chosen)
    if isinstance(chosen, LogLinearSearchFit) and chosen.n_models > 1:
        yield model_range(chosen)


def _what_if(
    table: CaptureTable, chosen: Fit | None, population: PopulationEstimate, heterogeneity: object
) -> Iterator[WhatIf]:
    """Move what the estimate assumes, on tables small enough."""
    if table.margins is not None or table.n_cells > MOST_CELLS:
        return
    fit = default_estimator(table).fit(table) if chosen is None else chosen
    if isinstance(fit, LogLinearFit | LogLinearSearchFit) and fit.status in ("ok", "boundary"):
        yield what_if(fit, population, assumed(heterogeneity))


def _overlaps(table: CaptureTable) -> Iterator[Any]:
    if table.is_complete:
        yield overlaps(table)
