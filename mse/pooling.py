"""Estimates over multiply imputed tables or other replicates, combined."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mse._typing import FrozenDict
from mse.answer.intervals import DEFAULT_LEVEL, PooledInterval
from mse.answer.population import PopulationEstimate, Strata, joint_limit
from mse.errors import ModelError
from mse.messages import Message, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Limit, Status
    from mse.answer.protocols import Fit

RUBIN = "Rubin, D. B. (1987). Multiple Imputation for Nonresponse in Surveys. Wiley, New York."
#: Replicates below which it is said that there are few.
FEW = 5


def pool(estimates: Iterable[PopulationEstimate | Fit]) -> PopulationEstimate:
    r"""Combine estimates over multiply imputed tables, or other replicates of what was not known.

    Parameters
    ----------
    estimates : iterable of PopulationEstimate or Fit
        One from each of m replicates, by the same method, with intervals or without; of the same lists and
        covariates. A replicate without an estimate is given as it is, with its status.

    Returns
    -------
    PopulationEstimate
        With the total variance, and with the draws of all replicates where each has some. If replicates have no
        estimate its status is ``boundary``, its reason says how many and why, and they take their share of the
        tails of the interval: an end has no bound as soon as more of them may lie beyond it than the level
        leaves there.

    Raises
    ------
    ModelError
        If there are fewer than two, or they are of different lists or covariates.

    Notes
    -----
    With :math:`q_j` the log of the hidden number in replicate j and :math:`u_j` its variance,
    :math:`\bar q` is the pooled estimate and :math:`T = \bar u + (1 + 1/m) b`, with b the variance of the
    :math:`q_j`, its variance; the interval is that of Student's t with
    :math:`(m - 1)(1 + \bar u / ((1 + 1/m) b))^2` degrees of freedom (Rubin 1987, 3.1.2 to 3.1.6). Where an
    estimate has draws, :math:`u_j` is the variance of their logs; elsewhere it is read off its 95 % interval.
    Where replicates differ in how many persons they observe, the logs are those of the persons beside the fewest
    that one observes: beside the mean of them hardly anybody may be left in some replicate, or nobody. A replicate
    in which nobody is hidden counts as one at the observed number.

    Strata are combined likewise and scaled to the total. Draws, joint over strata, are those of all replicates,
    as many of each, with what differs between replicates stretched so that their variance is T.

    References
    ----------
    Rubin, D. B. (1987). Multiple Imputation for Nonresponse in Surveys. Wiley, New York.

    Examples
    --------
    >>> import mse
    >>> tables = [
    ...     mse.CaptureTable.from_counts({"10": 50, "01": 40, "11": n}, lists=["a", "b"])
    ...     for n in (18, 20, 23)
    ... ]
    >>> p = mse.pool([mse.LincolnPetersen().fit(table) for table in tables])
    >>> round(p.total), [round(end) for end in p.interval()]
    (209, [161, 301])
    """
    given: Any = estimates
    found: list[Any] = [
        each if isinstance(each, PopulationEstimate) else getattr(each, "population", each)
        for each in (given if isinstance(given, Iterable) else [given])
    ]
    wrong = {type(each).__name__ for each in found if not isinstance(each, PopulationEstimate)}
    if wrong:
        raise ModelError(
            f"There is something to pool of type {' and '.join(sorted(wrong))}: expected estimates or fits, one of "
            "each replicate."
        )
    _check(found)
    known = [each for each in found if each.status in ("ok", "boundary")]
    return _none(found) if not known else _pooled(found, known)


def _check(found: Sequence[PopulationEstimate]) -> None:
    if len(found) < 2:
        raise ModelError(
            f"There are {len(found)} estimates to pool; expected two or more, one from each replicate."
        )
    if any(each.status == "suppressed" for each in found):
        raise ModelError("An estimate is suppressed, to protect persons: pool what it was made of.")
    for name, values in (
        ("lists", {each.lists for each in found}),
        (
            "covariates",
            {None if (s := each.strata) is None else tuple(s.levels.items()) for each in found},
        ),
    ):
        if len(values) > 1:
            raise ModelError(
                f"The estimates differ in their {name}; expected replicates of one table. Levels that some "
                "replicates lack are kept if the covariate is a category with all of them."
            )


class _Parts(NamedTuple):
    """What Rubin's rules make of m replicates."""

    hidden: float
    within: float
    between: float
    df: float

    @property
    def total(self) -> float:
        """Variance of the log of the hidden number, times what it was divided by."""
        return self.within + self.between


def _rules(hidden: FloatArray, variances: FloatArray) -> _Parts:
    """Rubin (1987), 3.1.2 to 3.1.6, on the log scale."""
    m, logs = len(hidden), np.log(hidden)
    within = float(np.mean(variances))
    between = (1 + 1 / m) * float(np.var(logs, ddof=1)) if m > 1 else 0.0
    df = (m - 1) * (1 + within / between) ** 2 if between > 0 else math.inf
    return _Parts(math.exp(float(logs.mean())), within, between, df)


def _hidden_of(each: PopulationEstimate, observed: float) -> tuple[float, float]:
    """Hidden persons beside a number observed, and the variance of their log."""
    hidden = each.total - observed
    draws = None if each.draws is None else each.draws - observed
    if draws is not None and len(draws := draws[np.isfinite(draws) & (draws > 0)]) > 1:
        return hidden, float(np.var(np.log(draws), ddof=1))
    low, high = (end - observed for end in each.interval(DEFAULT_LEVEL))
    if not (0 < low <= high < math.inf):
        return hidden, math.nan
    return hidden, (math.log(high / low) / (2 * float(ndtri((1 + DEFAULT_LEVEL) / 2)))) ** 2


def _pooled(
    found: Sequence[PopulationEstimate], known: Sequence[PopulationEstimate]
) -> PopulationEstimate:
    """Combine the replicates with an estimate, and account for the others."""
    alike, observed = (
        [each.alike for each in known],
        round(float(np.mean([e.observed for e in found]))),
    )
    # Where replicates differ in whom they observe: those who are observed in each.
    base = min(each.observed for each in found)
    figures = np.array([_hidden_of(each, base) for each in alike])
    some = figures[:, 0] > 0
    if not some.any():
        nobody = _Parts(0.0, math.nan, math.nan, math.nan)
        return replace(_words(found, _status(found, known), nobody), observed=observed)
    parts = _rules(*figures[some].T)
    lost = Counter(each.limit for each in found if each.status not in ("ok", "boundary"))
    # Of nobody hidden there is no log.
    lost["zero"] += int((~some).sum())
    open_, m = lost["indeterminate"] + lost["finite"], len(found)
    above, below = (lost["infinite"] + open_) / m, (lost["zero"] + open_) / m
    uncertainty = None
    if math.isfinite(parts.within):
        uncertainty = PooledInterval(
            parts.hidden, math.sqrt(parts.total), parts.df, base, above, below, observed
        )
    draws = _draws(alike, base, parts) if not sum(lost.values()) else None
    hidden = max(base + parts.hidden - observed, 0.0)
    strata = _strata(alike, observed, hidden, _lost_strata(found))
    wide = [each.allowing for each in known]
    allowing = None if any(each is None for each in wide) else pool_of(wide, found)
    return replace(
        _words(found, _status(found, known), parts),
        observed=observed,
        hidden=hidden,
        uncertainty=uncertainty,
        strata=strata,
        draws=None if draws is None else draws.sum(axis=1),
        stratum_draws=None if draws is None or strata is None else _framed(draws, strata),
        allowing=allowing,
    )


def pool_of(wide: Sequence[Any], found: Sequence[PopulationEstimate]) -> PopulationEstimate:
    """Combine what allows for people who differ; a replicate without an estimate has none of these either."""
    lost = [each for each in found if each.status not in ("ok", "boundary")]
    return pool([*wide, *lost]) if len(wide) + len(lost) > 1 else wide[0]


def _status(
    found: Sequence[PopulationEstimate], known: Sequence[PopulationEstimate]
) -> tuple[Status, Limit, str]:
    """Status, limit and reason of the whole."""
    lost = [each for each in found if each.status not in ("ok", "boundary")]
    why = joined(*dict.fromkeys(each.reason for each in lost if each.reason))
    if not known:
        limit = joint_limit(
            [each.limit if each.limit != "finite" else "indeterminate" for each in lost]
        )
        return "not_estimable", limit, Message("reason.replicates_none", n=len(lost), why=why)
    own = joined(*dict.fromkeys(each.reason for each in known if each.reason))
    if not lost:
        return ("boundary" if any(e.status == "boundary" for e in known) else "ok"), "finite", own
    said = Message("reason.replicates_some", n=len(lost), of=len(found), why=why)
    return "boundary", "finite", joined(said, own)


def _words(
    found: Sequence[PopulationEstimate],
    status: tuple[Status, Limit, str],
    parts: _Parts | None,
) -> PopulationEstimate:
    """Everything but the figures: what the replicates say, each once."""
    first = found[0]
    warnings = [*dict.fromkeys(text for each in found for text in each.warnings)]
    if len({each.observed for each in found}) > 1:
        warnings.append(Message("remark.pooled_observed"))
    if len(found) < FEW:
        warnings.append(Message("remark.few_replicates_pooled", n=len(found)))
    made: dict[str, Any] = {"replicates": len(found)}
    if parts is not None:
        made |= {"within": parts.within, "between": parts.between, "degrees_of_freedom": parts.df}
    made["statuses"] = dict(Counter(each.status for each in found))
    models = [*dict.fromkeys(each.model for each in found if each.model)]
    return replace(
        first,
        status=status[0],
        limit=status[1],
        reason=status[2],
        hidden=math.nan if parts is None else parts.hidden,
        model=models[0] if len(models) == 1 else "",
        model_range=None,
        assumptions=tuple(dict.fromkeys(text for each in found for text in each.assumptions)),
        warnings=tuple(warnings),
        references=tuple(dict.fromkeys((*(r for each in found for r in each.references), RUBIN))),
        lower_bound=any(each.lower_bound for each in found),
        provenance=FrozenDict(
            {
                **{
                    k: first.provenance[k]
                    for k in ("software", "version", "estimator")
                    if k in first.provenance
                },
                "pooled": made,
            }
        ),
        uncertainty=None,
        strata=None,
        draws=None,
        stratum_draws=None,
        allowing=None,
    )


def _none(found: Sequence[PopulationEstimate]) -> PopulationEstimate:
    """Say that no replicate has an estimate."""
    observed = round(float(np.mean([each.observed for each in found])))
    return replace(_words(found, _status(found, ()), None), observed=observed)


# Strata and draws --------------------------------------------------------------------------------


def _lost_strata(found: Sequence[PopulationEstimate]) -> BoolArray:
    """Find the strata, (S,), that have no estimate in some replicate; all of one that says nothing of strata."""
    known = [
        True
        if (s := each.alike.strata) is None
        else [one not in ("ok", "boundary") for one in s.status]
        for each in found
        if each.status not in ("ok", "boundary")
    ]
    return np.asarray(np.any(np.broadcast_arrays(False, *known), axis=0))


def _strata(
    known: Sequence[PopulationEstimate], observed: int, total: float, lost: BoolArray
) -> Strata | None:
    """Combine strata, scaled to so many hidden in total; their covariance is that of the hidden numbers, in persons.

    lost: strata without an estimate in a replicate beside these, (S,), or of all; they have no interval
    """
    each = [one.strata for one in known]
    first = each[0]
    if first is None:
        return None
    seen = apportioned(np.mean([s.observed for s in each if s is not None], axis=0), observed)
    hidden = np.array([s.observed + s.hidden - seen for s in each if s is not None])
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.where(
            (hidden > 0).all(axis=0), np.exp(np.log(hidden).mean(axis=0)), hidden.mean(axis=0)
        )
    middle = np.maximum(middle, 0.0)
    scale = total / middle.sum() if np.isfinite(middle).all() and middle.sum() > 0 else 1.0
    matrices = [s.covariance.matrix() for s in each if s is not None and s.covariance is not None]
    covariance = None
    if len(matrices) == len(each):
        m = len(each)
        apart = np.atleast_2d(np.cov(hidden.T)) if m > 1 else 0.0
        some = np.broadcast_to(lost, middle.shape)
        covariance = np.mean(matrices, axis=0) + (1 + 1 / m) * apart
        covariance = np.where(some[:, None] | some, np.nan, covariance)
    gone = ~np.isfinite(middle)
    statuses: tuple[Status, ...] = tuple(
        "not_estimable" if each else "boundary" if part else "ok"
        for each, part in np.broadcast(gone, lost)
    )
    limits: tuple[Limit, ...] = tuple("indeterminate" if each else "finite" for each in gone)
    return Strata(first.levels, seen, middle * scale, statuses, limits, covariance)


def apportioned(means: FloatArray, total: int) -> IntArray:
    """Whole numbers that sum to a total and are nearest to means, by the largest remainders."""
    found = np.floor(means).astype(np.int64)
    order = np.argsort(found - means, kind="stable")
    found[order[: max(total - int(found.sum()), 0)]] += 1
    return found


def _draws(known: Sequence[PopulationEstimate], base: int, parts: _Parts) -> FloatArray | None:
    """Draws of totals by stratum, (M, S), or of the total, (M, 1): as many of each replicate.

    A replicate's hidden persons are moved together, on the log scale, so that what differs between
    replicates has the variance of `_rules` and not that of m draws.
    """
    each = [
        None
        if one.draws is None
        else one.draws[:, None]
        if one.stratum_draws is None
        else one.stratum_draws.to_numpy(np.float64)
        for one in known
    ]
    drawn = [one for one in each if one is not None]
    if len(drawn) < len(known):
        return None
    m, size = len(drawn), min(map(len, drawn))
    stretch = math.sqrt((m + 1) / (m - 1)) if m > 1 else 1.0
    moved = []
    for one, estimate in zip(drawn, known, strict=True):
        seen = [estimate.observed] if estimate.stratum_draws is None else estimate.strata.observed  # type: ignore[union-attr]
        middle = estimate.total - base
        factor = (middle / parts.hidden) ** (stretch - 1)
        moved.append(seen + np.maximum(one[:size] - seen, 0) * factor)
    return np.concatenate(moved)


def _framed(draws: FloatArray, strata: Strata) -> pd.DataFrame:
    """Draws with the names of strata."""
    return pd.DataFrame(draws, columns=pd.MultiIndex.from_tuples(strata.cells, names=strata.names))
