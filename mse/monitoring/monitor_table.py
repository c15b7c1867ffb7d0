"""Monitoring a table: checks, one joint bootstrap, the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from mse._typing import FrozenDict
from mse.answer.intervals import DEFAULT_LEVEL, TOO_FEW, check_level
from mse.bayes.base import observed_by_stratum
from mse.bayes.pooled import PooledLogLinear
from mse.comparing import default_estimator
from mse.data.checks import near
from mse.data.datasets import table_from
from mse.errors import ModelError
from mse.estimating import assumed
from mse.messages import Message
from mse.monitoring.draws import (
    Figure,
    breaks_in,
    from_then_on,
    joint_draws,
    merged_draws,
    posterior_draws,
    read_inhabitants,
    scopes_of,
)
from mse.monitoring.places import read_regions
from mse.monitoring.result import GroupRule, Late, LatePeriod, Monitor, check_names
from mse.nowcasting import Nowcast, foreseen
from mse.resampling import bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mse._typing import Level, Seed
    from mse.answer.population import PopulationEstimate
    from mse.answer.protocols import Estimator
    from mse.bayes.heterogeneity import HeterogeneousLogLinear
    from mse.comparing import Criterion
    from mse.data.placing import PlacedRecords
    from mse.data.table import CaptureTable
    from mse.loglinear import LogLinearSearch
    from mse.monitoring.draws import JointDraws
    from mse.redrawing import Resampling


#: Registered persons of a stratum below which it is thin.
THIN = 50
#: Lists from which on all pairs of them are in every model. With three lists that is the saturated model,
#: which rests on the few persons who are on all three, and against which nothing can be tested.
KEPT_PAIRS_LISTS = 4


class Choice(NamedTuple):
    """What a monitor searches among, and the key of why not every model has all pairs; empty if all do."""

    estimator: Estimator
    without_pairs: str = ""


def default_choice(
    table: CaptureTable, period: str, criterion: Criterion, trend: Mapping[str, int] | None = None
) -> Choice:
    """Choose the search of a monitor: what every model has, and what a criterion may add.

    How many persons a list reports in a year is their number times the share that it reaches. A criterion
    that leaves the share constant, since a change of it is too small to pay for its parameters, takes all
    change for one of the number, and is sure of it (``docs/dropout.md``). So the terms of list and period
    are in every model. So are all pairs of lists, where there are four lists or more and that determines
    as many strata as without: a criterion leaves out that lists avoid each other where few persons show
    it, and the total may then be three times too high (``docs/monitor_worlds.md``). A list that did not
    operate in some period has no term with it: nobody could see its change. By p-value there is no search
    over covariates: fitting says so.
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
        return Choice(search, "modeled.pairs_from" if table.n_lists > 2 else "")
    paired = replace(search, keep=(*search.keep, *_pairs(table.lists)))
    if _determined(table, search) <= _determined(table, paired):
        return Choice(paired)
    return Choice(search, "modeled.pairs_not_estimable")


def said_of_models(table: CaptureTable, choice: Choice, period: str) -> Iterator[str]:
    """Sentences about what every model of a default search has, and why it has no more."""
    from mse.loglinear.search_fit import CRITERION_NAMES, LogLinearSearch

    search = choice.estimator
    if isinstance(search, PooledLogLinear):
        yield Message("places.pooled")
        yield Message("places.alike")
    if not isinstance(search, LogLinearSearch) or not search.keep:
        return
    changing = [name for name in table.lists if f"{name}*{period}" in search.keep]
    constant = [name for name in table.lists if name not in changing]
    asked = CRITERION_NAMES[search.criterion]
    if {*_pairs(table.lists)} <= {*search.keep}:
        yield Message("modeled.kept_pairs")
    if choice.without_pairs:
        yield Message(choice.without_pairs, criterion=asked, least=KEPT_PAIRS_LISTS)
    if changing and not constant:
        yield Message("modeled.kept_period", period=period)
    elif changing:
        yield Message("modeled.kept_period_some", names=changing, period=period)
        yield Message("modeled.constant_lists", period=period, names=constant, criterion=asked)


def _pairs(lists: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{one}*{other}" for one, other in combinations(lists, 2))


def _determined(table: CaptureTable, search: LogLinearSearch) -> frozenset[int]:
    """Find the strata whose hidden number the smallest model of a search determines."""
    from mse.loglinear import LogLinear

    model = " + ".join([*search.keep, *table.axes])
    asked = search.forms[0]
    form = None if asked is None else asked.notation()
    strata = LogLinear(model, trend=search.trend, heterogeneity=form).fit(table).population.strata
    limits = () if strata is None else strata.limit
    return frozenset(at for at, limit in enumerate(limits) if limit == "finite")


def _reporting(table: CaptureTable, period: str) -> tuple[str, ...]:
    """Find the lists of which something is known in every period with records."""
    periods = table.patterns[:, table.axes.index(period)]
    levels = set(periods.tolist()) - {-1}
    known = [(table.patterns[periods == level] >= 0).any(axis=0) for level in levels]
    return tuple(name for k, name in enumerate(table.lists) if all(each[k] for each in known))


def monitor(
    table: CaptureTable | Nowcast,
    period: str = "year",
    groups: Sequence[str] = (),
    estimator: Estimator | Literal["pooled", "joint"] | None = None,
    replicates: int = 1000,
    seed: Seed = None,
    *,
    place: str | None = None,
    regions: Any = None,
    placed: PlacedRecords | None = None,
    criterion: Criterion = "bic",
    trend: Mapping[str, int] | None = None,
    rates: Any = None,
    level: float = DEFAULT_LEVEL,
    scope: Mapping[Level, str] | str | None = None,
    group_rules: Mapping[str, Mapping[Level, str]] | None = None,
    across_scopes: bool = False,
    resampling: Resampling = "population",
    n_jobs: int | None = None,
    progress: bool | None = None,
    heterogeneity: HeterogeneousLogLinear | str | bool | None = None,
    checkpoint: str | Path | None = None,
) -> Monitor:
    """Size of the population by period and group, its changes, and the share that is registered.

    The estimand is N in each period and group: all persons, on a list or on none. A person counts
    once in each period.

    Parameters
    ----------
    table : CaptureTable or Nowcast
        With the period among its covariates. Covariates that are neither the period nor a group are
        modeled all the same and summed over. A `Nowcast` stands for the tables that it completed, each of which is
        estimated; its last periods are marked preliminary.
    period : str, default "year"
        The covariate that is the period; its levels are in order of time.
    groups : sequence of str
        Covariates by which to report, each by itself and by period.
    estimator : Estimator or {"joint", "pooled"}, optional
        Of lists and covariates together. By default ``"joint"``, a stepwise search by BIC among models that have
        all pairs of lists, where there are four lists or more, and in which every list may reach another share of
        the population in each period, see the notes. With places of which half have fewer than 50 registered
        persons in a period ``"pooled"``, `PooledLogLinear`: every place borrows from the others.
    replicates : int, default 1000
        Bootstrap replicates. A search chooses its model again in each of them. Of `PooledLogLinear` the draws of
        its posterior are taken, and nothing is repeated.
    seed : int or numpy.random.Generator, optional
        The same seed gives the same figures.
    place : str, optional
        The covariate that holds the places. ``.places`` then has figures, rates and ranks of each, with candidates
        for those that have most.
    regions : mapping or data frame, optional
        The region of each place, ``{"Utrecht": "Midden"}``, or a frame with columns for the place and ``region``.
    placed : PlacedRecords, optional
        What `mse.place_records` made of persons registered in several places: places then say how those count.
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
    group_rules : mapping of str to mapping, optional
        Groups of which the rules of registration changed, and the rule from each period on:
        ``{"nationality=other": {2019: "narrower protection scheme"}}``. It is a break as one of the scope is,
        for the group and for all that it is part of.
    across_scopes : bool, default False
        Compare and sum periods of different scope, or rules. Otherwise that is refused.
    resampling : {"population", "multinomial", "parametric"}, default "population"
        As of `mse.bootstrap`: each period and group is drawn with its own estimated size.
    n_jobs : int, optional
        Workers, as in joblib.
    progress : bool, optional
        Show a bar; by default in terminals and notebooks.
    heterogeneity : HeterogeneousLogLinear, str or bool, optional
        Whether the intervals allow for people who differ and lists that depend, and by which assumption; by
        default they do, unless an estimator is named. ``.alike`` then has those that take people for
        alike, apart from what is modeled.
    checkpoint : str or Path, optional
        Folder that keeps finished replicates, as of `mse.bootstrap`.

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
    nowcast = table if isinstance(table, Nowcast) else None
    table = table_from(table) if nowcast is None else nowcast.table
    if nowcast is not None and nowcast.period != period:
        raise ModelError(
            f"The nowcast is by {nowcast.period}, and period={period!r}: expected the same."
        )
    names = (groups,) if isinstance(groups, str) else tuple(groups)
    check_names(period, (*names, *(() if place is None else (place,))), table.covariates)
    if isinstance(scope, str) and scope in (*names, place):
        raise ModelError(
            f"{scope!r} is a group and the scope: expected one of them. A scope describes a {period}, "
            "not a group of persons."
        )
    inhabitants = read_inhabitants(rates, table.covariates, period)
    ruled = tuple(_rules(table, period, group_rules or {}))
    completed = () if nowcast is None else nowcast.completed
    scopes = scopes_of(table, period, scope)[1]
    table, *tables = (scopes_of(each, period, scope)[0] for each in (table, *completed))
    tables = tables or [table]
    if place is None and (regions is not None or placed is not None):
        raise ModelError(
            "`regions` and `placed` are of places: name the covariate that holds them, place='municipality'."
        )
    within = {} if place is None else read_regions(regions, table.covariates[place], place)
    choice = _choice(tables[0], period, place, estimator, criterion, trend, seed)
    chosen, told = choice.estimator, () if nowcast is None else nowcast.warnings
    usual = estimator in (None, "joint") and not isinstance(chosen, PooledLogLinear)
    allowed = assumed(usual if heterogeneity is None else heterogeneity, seed)
    # Of one table all replicates are drawn, of several a part from each.
    size = max(math.ceil(replicates / len(tables)), TOO_FEW if len(tables) > 1 else 0)
    run = partial(
        bootstrap, replicates=size, resampling=resampling, n_jobs=n_jobs, progress=progress
    )
    joints = [
        _drawn(each, chosen, allowed, partial(run, seed=its, checkpoint=where))
        for each, its, where in _tasks(tables, seed, checkpoint)
    ]
    joint = joints[0] if len(joints) == 1 else merged_draws(joints, table)
    reported = (period, *names, *(() if place is None else (place,)))
    return Monitor(
        period,
        names,
        FrozenDict(scopes),
        level,
        across_scopes,
        joint,
        inhabitants,
        (
            *joint.population.warnings,
            *told,
            *_warnings(chosen, period, scopes, across_scopes, ruled),
        ),
        (*said_of_models(tables[0], choice, period), *_summed(table, reported)),
        ruled,
        place,
        FrozenDict(within),
        placed,
        late=None if nowcast is None else late_of(nowcast, joints, level),
    )


def _drawn(
    table: CaptureTable,
    chosen: Estimator,
    allowed: HeterogeneousLogLinear | None,
    run: Callable[..., PopulationEstimate],
) -> JointDraws:
    """Draw the totals of all strata of a table together: anew, or from the posterior of a pooled model."""
    if not isinstance(chosen, PooledLogLinear):
        return joint_draws(run(chosen, table), chosen, table, allowed)
    if allowed is not None:
        raise ModelError(
            "PooledLogLinear has no intervals that allow for people who differ within a place: leave out "
            "`heterogeneity`, or take estimator='joint'."
        )
    return posterior_draws(chosen.fit(table))


def _tasks(
    tables: Sequence[CaptureTable], seed: Seed, checkpoint: str | Path | None
) -> Iterator[tuple[CaptureTable, Seed, str | Path | None]]:
    """Give each of several tables a seed and a folder of its own; one alone has those that were given."""
    if len(tables) == 1:
        yield tables[0], seed, checkpoint
        return
    if checkpoint is not None:
        raise ModelError(
            f"checkpoint={str(checkpoint)!r} is of the draws of one table, and a nowcast has {len(tables)} that it "
            "completed: leave it out."
        )
    for table, rng in zip(tables, np.random.default_rng(seed).spawn(len(tables)), strict=True):
        yield table, rng, None


def late_of(nowcast: Nowcast, joints: Sequence[JointDraws], level: float) -> Late:
    """Say of each preliminary period what is in, and what may become of its figures."""
    registered = nowcast.registered(level).to_dict("records")
    periods = {}
    for each, row in zip(nowcast.preliminary, registered, strict=True):
        expected = Figure(*(float(row[name]) for name in ("expected", "low", "high")))
        missing = tuple(name for name, when in nowcast.not_in.items() if each in when)
        periods[each] = LatePeriod(
            int(row["registered"]),
            expected,
            _later(nowcast, joints, each, level),
            nowcast.shares[each],
            missing,
        )
    return Late(nowcast.as_of, FrozenDict(periods))


def _later(nowcast: Nowcast, joints: Sequence[JointDraws], period: Level, level: float) -> Figure:
    """Foresee the estimate from the table as it will be, by those from tables that it may be."""
    place = joints[0].strata.names.index(nowcast.period)
    here = [cell[place] == period for cell in joints[0].strata.cells]
    bare = [one.alike or one for one in joints]
    totals = [(one.strata.observed + one.strata.hidden)[here].sum() for one in bare]
    return Figure(*foreseen(np.array(totals), level))


def _choice(
    table: CaptureTable,
    period: str,
    place: str | None,
    estimator: Estimator | str | None,
    criterion: Criterion,
    trend: Mapping[str, int] | None,
    seed: Seed,
) -> Choice:
    """Choose what estimates: what was named, or the usual one for such a table."""
    asked = criterion != "bic" or trend
    if estimator is None:
        estimator = "pooled" if place is not None and not asked and is_thin(table) else "joint"
    if estimator == "joint":
        return default_choice(table, period, criterion, trend)
    if asked:
        raise ModelError(
            f"estimator={estimator!r} is given, and criterion or trend of the default search as well; leave "
            "them out, or set them in the estimator."
        )
    if estimator == "pooled":
        drawn = np.random.default_rng(seed).integers(2**31)
        return Choice(
            PooledLogLinear(time=period, seed=seed if isinstance(seed, int) else int(drawn))
        )
    if isinstance(estimator, str):
        raise ModelError(
            f"estimator={estimator!r} is not known: expected 'joint', 'pooled' or an estimator."
        )
    return Choice(estimator)


def is_thin(table: CaptureTable) -> bool:
    """Whether half of the strata have too few registered persons for effects of their own."""
    if table.margins is not None:
        return False
    if not table.is_complete:
        # Where persons are known in part they are in no one stratum.
        return table.n_observed < THIN * table.n_strata
    return bool(np.median(observed_by_stratum(table)) < THIN)


def _rules(
    table: CaptureTable, period: str, rules: Mapping[str, Mapping[Level, str]]
) -> Iterator[GroupRule]:
    """Read groups of which the rules changed."""
    groups = {
        f"{name}={level}": (name, level)
        for name, levels in table.covariates.items()
        for level in levels
        if name != period
    }
    for key, named in rules.items():
        if key not in groups:
            raise ModelError(
                f"`group_rules` names {key!r}, which is no group of the table: expected a covariate and one of its "
                f"levels, such as {next(iter(groups), 'sex=female')!r}.{near(key, list(groups))}"
            )
        told = from_then_on(
            named, table.covariates[period], f"`group_rules` of {key} name {{}}, which no {period}"
        )
        yield GroupRule(*groups[key], {when: f"{key}: {each}" for when, each in told.items()})


def _changed(rule: GroupRule) -> Message:
    """Say that the rules of one group changed."""
    return Message("remark.rules_changed", rules=tuple(dict.fromkeys(rule.of.values())))


def _summed(table: CaptureTable, reported: tuple[str, ...]) -> Iterator[str]:
    """Say which covariates are in the models and not in the figures."""
    rest = [name for name in table.covariates if name not in reported]
    if rest:
        yield Message("modeled.summed_after", names=rest)


def _warnings(
    estimator: Estimator,
    period: str,
    scopes: Mapping[Level, str],
    across: bool,
    rules: Sequence[GroupRule],
) -> Iterator[str]:
    """Sentences about breaks of the scope, and of rules of one group."""
    if breaks := breaks_in(scopes):
        where = [Message("joined.and", parts=tuple(map(str, pair))) for pair in breaks]
        if across:
            yield Message("remark.scope_across", where=where)
        trend = getattr(estimator, "trend", {})
        if isinstance(trend, Mapping) and period in trend:
            yield Message("remark.trend_across", period=period, where=where)
    for each in rules:
        yield Message("remark.rules_changed", rules=tuple(dict.fromkeys(each.of.values())))
