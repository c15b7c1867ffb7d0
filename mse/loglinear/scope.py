"""Which terms a search over lists and covariates needs to try, and which models it may choose."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np

from mse.core.batch import NOT_ESTIMABLE
from mse.core.existence import FINITE
from mse.loglinear.criteria import criteria_of
from mse.loglinear.designs import check_trend
from mse.loglinear.single import LogLinear, fit_structure
from mse.model import parse_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import BoolArray
    from mse.core.batch import BatchFit
    from mse.model import HierarchicalModel
    from mse.table import CaptureTable

#: Scopes with fewer parameters are searched as they are: their fits cost next to nothing.
MANY_PARAMETERS = 1000


def smallest_model(table: CaptureTable, keep: Sequence[str]) -> HierarchicalModel:
    """Put the main effects of lists and covariates together with the terms that every model has."""
    axes = (*table.lists, *table.covariates)
    return parse_model(" + ".join([*keep, *axes]), table.lists, tuple(table.covariates))


def largest_model(smallest: HierarchicalModel, order: int) -> HierarchicalModel:
    """All terms of up to `order` axes, but for the interaction of all lists.

    With that one nothing can be said about the hidden cells.
    """
    model = smallest
    for size in range(2, order + 1):
        for term in model.additions(size):
            if not set(range(model.n_lists)).issubset(term):
                model = model.with_term(term)
    return model


def within_reach(
    table: CaptureTable,
    smallest: HierarchicalModel,
    scope: HierarchicalModel,
    criterion: Literal["aic", "aicc", "bic"],
    trend: Mapping[str, int],
    *,
    margin: float,
) -> HierarchicalModel:
    """Leave out of a large scope the terms that no criterion can want.

    Along a path on which the criterion falls from the smallest model on the deviance is never above
    that of it, and no term lowers it by more than all of it. A term whose penalty is more than that, as
    that of the interaction of 350 places with 12 months where few persons were seen, is never added.

    Parameters
    ----------
    table : CaptureTable
        Complete, or known in part: then the deviance is that of the observed-data likelihood.
    smallest, scope : HierarchicalModel
        Smallest and largest model.
    criterion : {"aic", "aicc", "bic"}
        What is lowered.
    trend : mapping of str to int
        Covariates that enter by polynomials.
    margin : float
        Terms that lead no further than this above the best model stay too, to be listed.

    Returns
    -------
    HierarchicalModel
        The scope itself, if it has fewer than `MANY_PARAMETERS` parameters.
    """
    degrees = check_trend(trend, table)
    sizes = [degrees.get(axis, levels - 1) for axis, levels in enumerate(table.shape)]
    if sum(prod(sizes[axis] for axis in term) for term in scope.terms) < MANY_PARAMETERS:
        return scope
    fit = fit_structure(LogLinear(smallest, trend=trend), table, smallest)
    deviance, n_least = fit.deviance, fit.n_parameters
    for term in scope.terms:
        if term in smallest or term not in scope:
            continue
        both = np.asarray([n_least, n_least + prod(sizes[axis] for axis in term)])
        penalties = criteria_of(np.zeros(2), both, float(max(table.n_observed, 1)))
        before, after = getattr(penalties, criterion)
        if after - before > deviance + margin:
            scope = scope.without_term(term)
    return scope


def eligible(fits: BatchFit, excused: BoolArray) -> BoolArray:
    """Which models determine the hidden count of every stratum that any model could, (M,) bool.

    Of a level that nobody was observed with no model can say how many are hidden. That is no reason to
    prefer one model to another, or to give up the search for all other strata.

    Parameters
    ----------
    fits : BatchFit
        Fits of M models to one table.
    excused : bool array (Q,)
        Strata of such a level, see `mse.core.empty_strata.without_persons`.
    """
    known = ((fits.limits[0] == FINITE) | excused).all(axis=1)
    return np.asarray(known & (fits.status[0] <= NOT_ESTIMABLE))
