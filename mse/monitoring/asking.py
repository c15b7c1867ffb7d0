"""Monitoring a table: checks, one joint bootstrap, the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mse._frozen import FrozenDict
from mse.errors import ModelError
from mse.intervals import DEFAULT_LEVEL, check_level
from mse.monitoring.draws import joint_draws
from mse.monitoring.models import Choice, default_choice, said_of_models
from mse.monitoring.rates import read_inhabitants
from mse.monitoring.result import Monitor, check_names
from mse.monitoring.scopes import breaks_in, scopes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse._typing import Level, Seed
    from mse.estimators import Criterion, Estimator
    from mse.redrawing import Resampling
    from mse.table import CaptureTable

__all__ = ["monitor"]


def monitor(
    table: CaptureTable,
    period: str = "year",
    groups: Sequence[str] = (),
    estimator: Estimator | None = None,
    replicates: int = 1000,
    seed: Seed = None,
    *,
    criterion: Criterion = "bic",
    trend: Mapping[str, int] | None = None,
    rates: Any = None,
    level: float = DEFAULT_LEVEL,
    scope: Mapping[Level, str] | str | None = None,
    across_scopes: bool = False,
    resampling: Resampling = "population",
    n_jobs: int | None = None,
    progress: bool | None = None,
) -> Monitor:
    """Size of the population by period and group, its changes, and the share that is registered.

    The estimand is N in each period and group: all persons, on a list or on none. A person counts
    once in each period.

    Parameters
    ----------
    table : CaptureTable
        With the period among its covariates. Covariates that are neither the period nor a group are
        modeled all the same and summed over.
    period : str, default "year"
        The covariate that is the period; its levels are in order of time.
    groups : sequence of str
        Covariates by which to report, each by itself and by period.
    estimator : Estimator, optional
        Of lists and covariates together. By default a stepwise search by BIC among models that have all
        pairs of lists, where there are four lists or more, and in which every list may reach another
        share of the population in each period, see the notes.
    replicates : int, default 1000
        Bootstrap replicates. A search chooses its model again in each of them.
    seed : int or numpy.random.Generator, optional
        The same seed gives the same figures.
    criterion : {"bic", "aic", "aicc", "pvalue"}, default "bic"
        Criterion of the default search.
    trend : mapping of str to int, optional
        Covariates that enter the models of the default search by polynomials, ``{"year": 2}``.
    rates : mapping or data frame, optional
        Inhabitants, to report per 100,000: by period, ``{2015: 16_900_000}``, or a frame (or several)
        with columns for the period, groups and ``population``.
    level : float, default 0.95
        Level of the intervals.
    scope : mapping or str, optional
        Scope of the registers from each period on, ``{2010: "older", 2016: "newer"}``; or the
        covariate that holds the scope, of which each period has one. By default ``table.info.scope``
        for all periods.
    across_scopes : bool, default False
        Compare and sum periods of different scope. Otherwise that is refused.
    resampling : {"population", "multinomial", "parametric"}, default "population"
        As of `mse.bootstrap`: each period and group is drawn with its own estimated size.
    n_jobs : int, optional
        Workers, as in joblib.
    progress : bool, optional
        Show a bar; by default in terminals and notebooks.

    Returns
    -------
    Monitor
        Where some strata are not estimable their figures, and sums with them, are NaN with a status
        and a reason, and the others are given.

    Raises
    ------
    ModelError
        If a name is not known, or the estimator gives no estimates by stratum.
    InvalidTableError
        If the inhabitants or scopes do not fit the table.

    Notes
    -----
    Intervals are percentiles of the draws, and of their differences and ratios; a point is always inside
    its own. A draw is a total, registered and hidden persons of a replicate, and no end of a total lies
    below the persons who were registered. The hidden number is the total less those, the registered
    share those over the total. A draw whose hidden count has no bound is infinite; an end among those is
    infinite. A difference of two infinite draws is not determined: it counts towards both ends, and half
    in the probability of a rise. A replicate that does not determine a stratum does not count for figures
    with that stratum in them.

    The probability of a rise is the share of the replicates in which the total rose. It holds the
    chance in who came onto the lists and, with a search, the choice of the model, not a change in
    how the lists depend on one another that the models searched do not contain.

    What a list reports in a period is the number of persons times the share of them that it reaches. A
    search that may leave the share constant takes a change of it for one of the number. In worlds like the
    Dutch one (``docs/dropout.md``) it doubled the total over ten years in which the truth hardly moved. So by
    default the terms of list and period are in every model (``LogLinearSearch(..., keep=[...])``), but for
    lists that did not operate in some period, whose change nobody could see. So are all pairs of lists,
    where there are four or more: that lists avoid each other shows in few persons, a criterion leaves it
    out, and the total is then up to four times too high (``docs/monitor_worlds.md``). Where the model that
    has them all leaves more strata without an estimate than the one without them, pairs are searched
    like other terms. ``notes`` says which it was, and what was summed over.

    Examples
    --------
    >>> import numpy as np, mse
    >>> counts = np.zeros((2, 2, 2), dtype=int)
    >>> counts[1, 0], counts[0, 1], counts[1, 1] = (60, 90), (40, 70), (20, 30)
    >>> table = mse.CaptureTable.from_array(counts, ["police", "care"], {"year": [2014, 2015]})
    >>> report = mse.monitor(
    ...     table, estimator=mse.LogLinear("police*year + care*year"), replicates=200, seed=1
    ... )
    >>> report.periods[["year", "observed", "total"]].round().to_numpy().tolist()
    [[2014.0, 120.0, 240.0], [2015.0, 190.0, 400.0]]
    >>> change = report.change(2014, 2015)
    >>> round(change.difference.point), change.rise > 0.9
    (160, True)
    """
    check_level(level)
    names = (groups,) if isinstance(groups, str) else tuple(groups)
    check_names(period, names, table.covariates)
    if isinstance(scope, str) and scope in names:
        raise ModelError(
            f"{scope!r} is a group and the scope: expected one of them. A scope describes a {period}, "
            "not a group of persons."
        )
    inhabitants = read_inhabitants(rates, table.covariates, period)
    table, scopes = scopes_of(table, period, scope)
    chosen = _choice(table, period, estimator, criterion, trend)
    joint = joint_draws(
        chosen.estimator,
        table,
        replicates=replicates,
        resampling=resampling,
        seed=seed,
        n_jobs=n_jobs,
        progress=progress,
    )
    warnings = _warnings(chosen.estimator, period, scopes, across_scopes)
    return Monitor(
        period,
        names,
        FrozenDict(scopes),
        level,
        across_scopes,
        joint,
        inhabitants,
        (*joint.population.warnings, *warnings),
        (*said_of_models(table, chosen, period), *_summed(table, (period, *names))),
    )


def _choice(
    table: CaptureTable,
    period: str,
    estimator: Estimator | None,
    criterion: Criterion,
    trend: Mapping[str, int] | None,
) -> Choice:
    """Take the estimator that was given, or the default one."""
    if estimator is None:
        return default_choice(table, period, criterion, trend)
    if criterion != "bic" or trend:
        raise ModelError(
            f"estimator={estimator!r} is given, and criterion or trend of the default search as well; leave "
            "them out, or set them in the estimator."
        )
    return Choice(estimator)


def _summed(table: CaptureTable, reported: tuple[str, ...]) -> Iterator[str]:
    """Say which covariates are in the models and not in the figures."""
    rest = [name for name in table.covariates if name not in reported]
    if rest:
        yield f"Summed over, after estimation: {', '.join(rest)}."


def _warnings(
    estimator: Estimator, period: str, scopes: Mapping[Level, str], across: bool
) -> Iterator[str]:
    """Sentences about breaks of the scope."""
    breaks = breaks_in(scopes)
    if not breaks:
        return
    where = ", ".join(f"{before} and {after}" for before, after in breaks)
    if across:
        yield (
            f"The scope changes between {where}. Changes across it were asked for: they hold what the "
            "registers cover as well as what happened."
        )
    trend = getattr(estimator, "trend", {})
    if isinstance(trend, Mapping) and period in trend:
        yield (
            f"The {period} enters as a smooth trend, which runs across the change of scope between "
            f"{where}: the estimates on either side lean on each other. Leave the trend out, or "
            f"estimate each scope by itself with table.where({period}=[...])."
        )
