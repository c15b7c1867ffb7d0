"""The models that a monitor chooses among, if it is not told."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from mse.estimators import default_estimator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mse.estimators import Criterion, Estimator
    from mse.loglinear import LogLinearSearch
    from mse.table import CaptureTable

#: Lists from which on all pairs of them are in every model. With three lists that is the saturated model,
#: which rests on the few persons who are on all three, and against which nothing can be tested.
KEPT_PAIRS_LISTS = 4


class Choice(NamedTuple):
    """What a monitor searches among.

    Attributes
    ----------
    estimator : Estimator
        The search.
    without_pairs : str
        Why not every model has all pairs of lists; empty where every model has them.
    """

    estimator: Estimator
    without_pairs: str = ""


def default_search(
    table: CaptureTable,
    period: str,
    criterion: Criterion = "bic",
    trend: Mapping[str, int] | None = None,
) -> Estimator:
    """Search among models that let every list reach another share in each period, see `default_choice`.

    Parameters
    ----------
    table, period, criterion, trend
        As of `default_choice`.
    """
    return default_choice(table, period, criterion, trend).estimator


def default_choice(
    table: CaptureTable,
    period: str,
    criterion: Criterion = "bic",
    trend: Mapping[str, int] | None = None,
) -> Choice:
    """Choose the search of a monitor: what every model has, and what a criterion may add.

    How many persons a list reports in a year is their number times the share that it reaches. A criterion
    that leaves the share constant, since a change of it is too small to pay for its parameters, takes all
    change for one of the number, and is sure of it (``docs/dropout.md``). So the terms of list and period
    are in every model. So are all pairs of lists, where there are four lists or more and that determines
    as many strata as without: a criterion leaves out that lists avoid each other where few persons show
    it, and the total may then be three times too high (``docs/monitor_worlds.md``).

    Parameters
    ----------
    table : CaptureTable
        The data. A list that did not operate in some period has no term with it: nobody could see its
        change.
    period : str
        Covariate that is the period.
    criterion : {"bic", "aic", "aicc", "pvalue"}, default "bic"
        What makes a model good. By p-value there is no search over covariates: fitting says so.
    trend : mapping of str to int, optional
        Covariates that enter by polynomials.

    Returns
    -------
    Choice
    """
    from mse.loglinear import LogLinearSearch

    if table.margins is not None:
        return Choice(default_estimator(table))
    search = LogLinearSearch(criterion=criterion, strategy="stepwise", trend=trend or {})
    if criterion == "pvalue":
        return Choice(search)
    search = replace(search, keep=tuple(f"{name}*{period}" for name in _reporting(table, period)))
    if table.n_lists < KEPT_PAIRS_LISTS:
        # Of two lists no model could have the pair.
        few = f"all of them are kept where there are {KEPT_PAIRS_LISTS} lists or more"
        return Choice(search, few if table.n_lists > 2 else "")
    paired = replace(search, keep=(*search.keep, *_pairs(table.lists)))
    if _determined(table, search) <= _determined(table, paired):
        return Choice(paired)
    return Choice(
        search, "with all of them in every model the data would not determine the hidden number"
    )


def said_of_models(table: CaptureTable, choice: Choice, period: str) -> Iterator[str]:
    """Sentences about what every model of a default search has, and why it has no more."""
    from mse.loglinear import LogLinearSearch
    from mse.loglinear.search_fit import CRITERION_NAMES

    search = choice.estimator
    if not isinstance(search, LogLinearSearch) or not search.keep:
        return
    changing = [name for name in table.lists if f"{name}*{period}" in search.keep]
    constant = [name for name in table.lists if name not in changing]
    asked = CRITERION_NAMES[search.criterion]
    if {*_pairs(table.lists)} <= {*search.keep}:
        yield "Every model that was searched has all pairs of lists."
    if choice.without_pairs:
        yield (
            f"Pairs of lists are in a model only where {asked} asks for them: {choice.without_pairs}."
        )
    if changing:
        who = f"each of {', '.join(changing)}" if constant else "each list"
        yield (
            f"In every model that was searched {who} may reach another share of the population in each "
            f"{period}."
        )
    if changing and constant:
        yield (
            f"There is a {period} in which nothing is known of {', '.join(constant)}: the share reached is "
            f"taken to be the same in each {period} unless {asked} asks for a change."
        )


def _pairs(lists: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{one}*{other}" for one, other in combinations(lists, 2))


def _determined(table: CaptureTable, search: LogLinearSearch) -> frozenset[int]:
    """Find the strata whose hidden number the smallest model of a search determines."""
    from mse.loglinear import LogLinear

    model = " + ".join([*search.keep, *table.axes])
    strata = LogLinear(model, trend=search.trend).fit(table).population.strata
    limits = () if strata is None else strata.limit
    return frozenset(at for at, limit in enumerate(limits) if limit == "finite")


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
