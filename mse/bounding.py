"""What would have to be true: sets of N under bounds on what no data tell, and where a threshold is crossed.

The data say nothing about the interaction of all lists, nor, beyond a model, about how one pair hangs
together among those on no list. `bounds` gives all totals that go with a range of such a quantity, and
`tipping_points` the value of it at which the total passes a threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from mse.answer.intervals import DEFAULT_LEVEL, check_level
from mse.answer.shown import Result, Section, layout, persons, span
from mse.bayes.heterogeneity import HeterogeneousLogLinear
from mse.comparing import default_estimator
from mse.data.datasets import table_from
from mse.errors import ModelError
from mse.messages import Message
from mse.sensitivity import OddsRatios, checked_pair, highest_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mse._typing import Status
    from mse.answer.population import PopulationEstimate
    from mse.data.table import CaptureTable
    from mse.loglinear import LogLinearFit, LogLinearSearchFit
    from mse.sensitivity import Scenario

#: Values between the bounds at which the total is computed.
BETWEEN = 9
#: Odds ratios are looked for up to this one and its inverse.
FARTHEST = 100.0
#: Uncertainty left of a common odds ratio that is set: the prior of `HeterogeneousLogLinear` needs some.
SET = 0.02

#: What is varied, beside the pairs of lists.
HIGHEST, DIFFERING = "highest interaction", "people differ"


# Sets of N under bounds --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bounded:
    """All totals under bounds of one quantity."""

    what: str  # `HIGHEST`, or the pair of lists
    pair: tuple[str, ...]
    least: float  # bounds of the quantity
    most: float
    status: Status
    reason: str
    totals: tuple[float, float] = (math.nan, math.nan)  # the set, persons
    ends: tuple[float, float] = (math.nan, math.nan)  # of an interval that covers the set, persons


@dataclass(frozen=True, eq=False, repr=False)
class Bounds(Result):
    """Totals under bounds on the interaction of all lists, and on the odds ratio of each pair.

    Attributes
    ----------
    population : PopulationEstimate
        The estimate without them, from the model that holds beside them.
    sets : tuple of Bounded
        One for the highest interaction and one for each pair of lists.
    level : float
        Of the intervals that cover the sets.
    """

    references = (
        "Aleshin-Guendel, S., Sadinle, M. and Wakefield, J. (2024). The central role of the identifying assumption in population size estimation. Biometrics 80, ujad028.",
        "Sun, J., Van Baelen, L., Plettinckx, E. and Crawford, F. W. (2020). Partial identification and dependence-robust confidence intervals for capture-recapture surveys. arXiv:2008.00127.",
    )

    population: PopulationEstimate
    sets: tuple[Bounded, ...]
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each quantity.

        Returns
        -------
        DataFrame
            ``quantity``, ``list_a``, ``list_b`` (empty for the highest interaction), ``least``, ``most``
            (bounds of it), ``smallest``, ``largest`` (totals in the set), ``low``, ``high`` (interval that
            covers the set), ``level``, ``status``, ``reason``.
        """
        rows = []
        for each in self.sets:
            names = dict(zip(("list_a", "list_b"), each.pair or ("", ""), strict=True))
            ends = dict(
                zip(("smallest", "largest", "low", "high"), (*each.totals, *each.ends), strict=True)
            )
            rows.append(
                {"quantity": each.what, **names, "least": each.least, "most": each.most, **ends}
                | {"level": self.level, "status": each.status, "reason": each.reason}
            )
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<Bounds: {len(self.sets)} quantities, {self.population.method}>"

    def _sections(self) -> list[Section]:
        head = [
            "what is bounded",
            "from",
            "to",
            "all totals",
            f"{100 * self.level:g}% interval of the set",
        ]
        rows = [
            [
                each.what,
                f"{each.least:.3g}",
                f"{each.most:.3g}",
                span(*each.totals),
                span(*each.ends),
            ]
            for each in self.sets
        ]
        found = self.population
        model = f"{found.method} {found.model}, total {persons(found.total)}."
        return [
            Section("Totals under bounds", paragraphs=(str(Message("sensitivity.bounds")), model)),
            Section("All totals that go with the bounds", verbatim=layout(head, rows)),
        ]


def bounds(
    table: CaptureTable,
    *,
    highest: tuple[float, float] = (0.5, 2.0),
    odds_ratio: tuple[float, float] = (0.5, 2.0),
    pair: tuple[str, str] | None = None,
    model: str | None = None,
    level: float = DEFAULT_LEVEL,
) -> Bounds:
    r"""Find all totals that go with a range of what no data tell, and intervals that cover them.

    Parameters
    ----------
    table : CaptureTable
        Counts of complete histories, of two lists or more.
    highest : pair of float, default (0.5, 2)
        Range of the factor by which the interaction of all lists makes the hidden number other than the model
        has it: 2 means twice as many hidden.
    odds_ratio : pair of float, default (0.5, 2)
        Range of the odds ratio of a pair of lists, among those on no other list.
    pair : pair of str, optional
        Two lists; by default each pair in turn.
    model : str, optional
        What holds beside it, in the notation of `LogLinear`; by default the best one by BIC.
    level : float, default 0.95
        Level at which intervals cover the whole set.

    Returns
    -------
    Bounds

    Raises
    ------
    ModelError
        If a range is not of two positive numbers in order, a list is not known, or the table is not complete.

    Notes
    -----
    With :math:`m_0` the hidden number of the model, the set under a factor :math:`\xi^{-1} \in [a, b]` is
    :math:`n + [a, b]\, m_0` (Aleshin-Guendel, Sadinle & Wakefield 2024). For a pair the model is fitted with
    the odds ratio set to values between the bounds. The interval goes from the low end under the value that
    gives the least to the high end under that which gives the most; since each end is wrong with probability
    of at most half of what is left of the level, the whole set is covered (Sun, Van Baelen, Plettinckx &
    Crawford 2020).

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    >>> frame = mse.bounds(table, model="main").to_frame()
    >>> frame[["quantity", "smallest", "largest"]].round(1).to_numpy().tolist()
    [['highest interaction', 25.0, 40.0], ['a, b', 25.0, 40.0]]
    """
    check_level(level)
    table = table_from(table)
    factors = _range(highest, "highest")
    ratios = _range(odds_ratio, "odds_ratio")
    fit = _model_of(table, model)
    found = highest_order(fit, [1 / factors[1], 1 / factors[0]], level=level)
    sets = [_set(HIGHEST, (), factors, found.scenarios, table.n_observed)]
    for names in _pairs(table, pair):
        curve = OddsRatios.of(table, fit.structure, names)
        scenarios = [curve.at(each, level) for each in np.geomspace(*ratios, BETWEEN)]
        sets.append(_set(", ".join(names), names, ratios, scenarios, table.n_observed))
    return Bounds(fit.population, tuple(sets), level)


def _set(
    what: str,
    pair: tuple[str, ...],
    limits: tuple[float, float],
    scenarios: Sequence[Scenario],
    observed: int,
) -> Bounded:
    """Take the outermost totals and ends; none unless every value between the bounds has an estimate."""
    worst = next((each for each in scenarios if math.isnan(each.hidden)), None)
    if worst is not None:
        return Bounded(what, pair, *limits, worst.status, worst.reason)
    totals = [observed + each.hidden for each in scenarios]
    ends = min(each.ends[0] for each in scenarios), max(each.ends[1] for each in scenarios)
    return Bounded(what, pair, *limits, "ok", "", (min(totals), max(totals)), ends)


def _range(limits: tuple[float, float], name: str) -> tuple[float, float]:
    """Check a range of a factor."""
    least, most = map(float, limits)
    if not 0 < least <= most < math.inf:
        raise ModelError(f"{name}={limits!r}: expected two positive numbers, the smaller first.")
    return least, most


def _model_of(table: CaptureTable, model: str | None) -> LogLinearFit | LogLinearSearchFit:
    return cast(
        "LogLinearFit | LogLinearSearchFit", default_estimator(table, model=model).fit(table)
    )


def _pairs(table: CaptureTable, pair: tuple[str, str] | None) -> list[tuple[str, str]]:
    if pair is None:
        return [*combinations(table.lists, 2)]
    return [checked_pair(table, pair, f"pair={pair!r}; expected two different lists of the table")]


# Tipping points ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tipping:
    """The value of one quantity at which the total passes the threshold."""

    what: str  # `HIGHEST`, `DIFFERING`, or the pair of lists
    pair: tuple[str, ...]
    modeled: float  # value of the quantity in the estimate; NaN where it has none
    point: float  # value at which the point is at the threshold; NaN where none is
    interval: float  # value from which on the interval holds the threshold; NaN where none is


@dataclass(frozen=True, eq=False, repr=False)
class TippingPoints(Result):
    """How wrong an assumption has to be for the total to be on the other side of a threshold.

    Attributes
    ----------
    population : PopulationEstimate
        The estimate.
    threshold : float
        Persons.
    points : tuple of Tipping
        One for the highest interaction, one for how far people differ, and one for each pair of lists.
    level : float
        Of the intervals.
    """

    references = Bounds.references

    population: PopulationEstimate
    threshold: float
    points: tuple[Tipping, ...]
    level: float

    @property
    def above(self) -> bool:
        """Whether the estimate is above the threshold."""
        return self.population.total > self.threshold

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each quantity.

        Returns
        -------
        DataFrame
            ``quantity``, ``list_a``, ``list_b`` (empty where it is no pair), ``threshold``, ``modeled`` (value in
            the estimate), ``tips_at`` (value at which the total is at the threshold), ``interval_from`` (value
            from which on the interval holds the threshold); NaN where there is none between 1/100 and 100.
        """
        rows = []
        for each in self.points:
            names = dict(zip(("list_a", "list_b"), each.pair or ("", ""), strict=True))
            rows.append(
                {
                    "quantity": each.what,
                    **names,
                    "threshold": self.threshold,
                    "modeled": each.modeled,
                }
                | {"tips_at": each.point, "interval_from": each.interval}
            )
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<TippingPoints: {persons(self.threshold)} persons, {len(self.points)} quantities>"

    def said(self) -> Iterator[str]:
        """Say each of them in a sentence."""
        side = "above" if self.above else "below"
        for each in self.points:
            kind = {HIGHEST: "highest", DIFFERING: "differing"}.get(each.what, "pair")
            stays = math.isnan(each.point)
            key = f"tipping.{kind}_never" if stays else f"tipping.{kind}_{side}"
            yield Message(
                key, threshold=self.threshold, at=each.point, modeled=each.modeled, names=each.pair
            )

    def _sections(self) -> list[Section]:
        found = self.population
        model = f"{found.method} {found.model}, total {persons(found.total)}."
        return [
            Section(
                "What would have to be true",
                paragraphs=(str(Message("sensitivity.tipping")), model),
            ),
            Section(
                f"For a total of {persons(self.threshold)}", bullets=tuple(map(str, self.said()))
            ),
        ]


def tipping_points(
    table: CaptureTable,
    threshold: float,
    *,
    pair: tuple[str, str] | None = None,
    model: str | None = None,
    level: float = DEFAULT_LEVEL,
) -> TippingPoints:
    """Find how wrong assumptions have to be for the total to pass a threshold.

    Parameters
    ----------
    table : CaptureTable
        Counts of complete histories, of two lists or more.
    threshold : float
        Persons; more than are registered.
    pair : pair of str, optional
        Two lists; by default each pair in turn.
    model : str, optional
        What holds beside it, in the notation of `LogLinear`; by default the best one by BIC.
    level : float, default 0.95
        Level of the intervals.

    Returns
    -------
    TippingPoints

    Raises
    ------
    ModelError
        If the threshold is not above the registered persons, a list is not known, the model has no estimate, or
        the table is not complete.

    Notes
    -----
    The highest interaction is a factor on the hidden number. The odds ratio of a pair is among those on no
    other list, set in the model as in `mse.sensitivity.odds_ratio`. People who differ make the odds ratios of
    all pairs larger together; the common one is set in `HeterogeneousLogLinear`. Values are looked for between
    1/100 and 100.

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_counts({"10": 50, "01": 100, "11": 50}, lists=["a", "b"])
    >>> found = mse.tipping_points(table, 400, model="main")
    >>> frame = found.to_frame().set_index("quantity")
    >>> frame.loc["a, b", ["modeled", "tips_at"]].round(3).tolist()
    [1.0, 2.0]
    """
    check_level(level)
    table = table_from(table)
    n = table.n_observed
    if not n < threshold < math.inf:
        raise ModelError(
            f"threshold={threshold!r}: expected a number of persons above the {n:,} who are registered."
        )
    fit = _model_of(table, model)
    found = fit.population
    if math.isnan(found.total):
        raise ModelError(f"{found.method} {found.model} has no estimate. {found.reason}".rstrip())

    quantities = [_Quantity(HIGHEST, (), 1.0, _Highest(fit, level))]
    if HeterogeneousLogLinear.suits(table):
        # People who differ make lists have more in common, never less.
        quantities.append(_Quantity(DIFFERING, (), 1.0, _Differing(table, level), least=1.0))
    for names in _pairs(table, pair):
        curve = OddsRatios.of(table, fit.structure, names)
        modeled = min(max(math.exp(_coefficient(fit, names)), 1 / FARTHEST), FARTHEST)
        quantities.append(_Quantity(", ".join(names), names, modeled, _Pair(curve, n, level)))
    points = tuple(_tipping(each, threshold) for each in quantities)
    return TippingPoints(found, float(threshold), points, level)


class _Curve(Protocol):
    """The total and its interval as functions of a quantity."""

    def total(self, value: float) -> float: ...

    def ends(self, value: float) -> tuple[float, float]: ...


class _Highest(NamedTuple):
    fit: LogLinearFit | LogLinearSearchFit
    level: float

    def total(self, value: float) -> float:
        found = self.fit.population
        return found.observed + value * found.hidden

    def ends(self, value: float) -> tuple[float, float]:
        (scenario,) = highest_order(self.fit, [1 / value], level=self.level).scenarios
        return scenario.ends


class _Differing(NamedTuple):
    table: CaptureTable
    level: float

    def _at(self, value: float) -> PopulationEstimate:
        estimator = HeterogeneousLogLinear(mean=math.log(value), sd=SET, draws=1000)
        return estimator.fit(self.table).population

    def total(self, value: float) -> float:
        return self._at(value).total

    def ends(self, value: float) -> tuple[float, float]:
        return self._at(value).interval(self.level)


class _Pair(NamedTuple):
    curve: OddsRatios
    observed: int
    level: float

    def total(self, value: float) -> float:
        return self.observed + self.curve.hidden(value)

    def ends(self, value: float) -> tuple[float, float]:
        return self.curve.at(value, self.level).ends


class _Quantity(NamedTuple):
    """What is varied: its value in the estimate, what it does, and how small it can be."""

    what: str
    pair: tuple[str, ...]
    modeled: float
    curve: _Curve
    least: float = 1 / FARTHEST


def _coefficient(fit: LogLinearFit | LogLinearSearchFit, names: tuple[str, ...]) -> float:
    """Find the log odds ratio of a pair in a model, among those on no other list."""
    values = {frozenset(str(name).split(":")): value for name, value in fit.coefficients.items()}
    return float(values.get(frozenset(names), 0.0))


def _tipping(asked: _Quantity, threshold: float) -> Tipping:
    """Look for the values at which the point, and the end of the interval that is nearer, are at the threshold."""
    curve = asked.curve
    nearer = 0 if curve.total(asked.modeled) > threshold else 1
    point = _crossing(curve.total, threshold, asked)
    near = _crossing(lambda value: curve.ends(value)[nearer], threshold, asked)
    return Tipping(asked.what, asked.pair, asked.modeled, point, near)


def _crossing(figure: Callable[[float], float], threshold: float, asked: _Quantity) -> float:
    """Find the value nearest to that of the estimate at which a figure is at the threshold; NaN where none is."""

    def beyond(log_value: float) -> float:
        return math.log(min(figure(math.exp(log_value)), 1e300) / threshold)

    first = math.log(asked.modeled)
    here = beyond(first)
    if math.isnan(here):
        return math.nan
    # The more lists have in common beyond the model, the more are hidden.
    limits = math.log(asked.least), math.log(FARTHEST)
    for side in limits if here > 0 else limits[::-1]:
        before = first
        for at in first + np.array([0.1, 0.25, 0.5, 0.75, 1.0]) * (side - first):
            there = beyond(float(at))
            if math.isnan(there):
                break
            if (there > 0) != (here > 0):
                return math.exp(brentq(beyond, before, float(at), xtol=1e-6))
            before = float(at)
    return math.nan


# What if: the interval as assumptions are moved ----------------------------------------------------

#: How far people differ, as shares of what the prior expects; and factors of the odds ratio of a pair.
SHARES, FACTORS = (0.0, 0.5, 1.0, 1.5, 2.0), (0.5, 0.7, 1.0, 1.4, 2.0)
#: Pairs of lists of which the odds ratio is moved, those with the most persons in common.
MOST_PAIRS = 4


class Moved(NamedTuple):
    """One quantity moved: its values, and the interval of the total, in persons, at each of them."""

    what: str  # `DIFFERING`, or the pair of lists
    pair: tuple[str, ...]
    steps: tuple[float, ...]  # shares of what the estimate assumes; of a pair factors
    odds: tuple[float, ...]  # odds ratios
    ends: tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False, repr=False)
class WhatIf(Result):
    """Intervals of the total as an assumption is moved, on a grid.

    Attributes
    ----------
    population : PopulationEstimate
        The estimate.
    moved : tuple of Moved
        How far people differ, where the estimate allows for that, and the odds ratios of pairs.
    level : float
        Of the intervals: of the posterior by itself where people differ, which that of the estimate
        holds together with the one that takes people for alike.
    """

    references = Bounds.references

    population: PopulationEstimate
    moved: tuple[Moved, ...]
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Show a row for each value: ``quantity``, ``step``, ``odds_ratio``, ``low``, ``high``, ``level``."""
        rows = [
            {"quantity": each.what, "step": step, "odds_ratio": value, "low": low, "high": high}
            for each in self.moved
            for step, value, (low, high) in zip(each.steps, each.odds, each.ends, strict=True)
        ]
        return pd.DataFrame(rows).assign(level=self.level)

    def __repr__(self) -> str:
        return f"<WhatIf: {len(self.moved)} quantities>"

    def _sections(self) -> list[Section]:
        head = ["what is moved", "odds ratio", f"{100 * self.level:g}% interval"]
        rows = [
            [each.what, f"{value:.3g}", span(*ends)]
            for each in self.moved
            for value, ends in zip(each.odds, each.ends, strict=True)
        ]
        return [Section("The total as assumptions are moved", verbatim=layout(head, rows))]


def what_if(
    fit: LogLinearFit | LogLinearSearchFit,
    population: PopulationEstimate,
    assumed: HeterogeneousLogLinear | None = None,
    *,
    level: float = DEFAULT_LEVEL,
) -> WhatIf:
    """Move what an estimate assumes, one thing at a time, and see where its interval goes.

    Parameters
    ----------
    fit : LogLinearFit or LogLinearSearchFit
        The model beside which the odds ratios of pairs are moved: those of most persons in common.
    population : PopulationEstimate
        The estimate; how far people differ is moved where it allows for that.
    assumed : HeterogeneousLogLinear, optional
        The assumption that it rests on; by default that of `mse.estimate`.
    level : float, default 0.95
        Level of the intervals. Those of a pair take its model, and people for alike, for granted.

    Returns
    -------
    WhatIf

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("korea")
    >>> fit = mse.LogLinear("main").fit(table)
    >>> found = what_if(fit, mse.estimate(table, model="main"))
    >>> [each.what for each in found.moved]
    ['people differ', 'b, c', 'b, d', 'c, d']
    """
    check_level(level)
    table, moved = fit.table, []
    if population.allowing is not None:
        moved.append(
            _differing(population.allowing, assumed or HeterogeneousLogLinear(), table, level)
        )
    if table.is_complete:
        both = table.overlaps().to_numpy(dtype=np.int64)
        at = {name: i for i, name in enumerate(table.lists)}
        pairs = sorted(
            combinations(table.lists, 2), key=lambda pair: -both[at[pair[0]], at[pair[1]]]
        )
        moved += [_pair_moved(fit, names, level) for names in pairs[:MOST_PAIRS]]
    return WhatIf(population, tuple(moved), level)


def _differing(
    found: PopulationEstimate,
    assumed: HeterogeneousLogLinear,
    table: CaptureTable,
    level: float,
) -> Moved:
    """Move how far people are expected to differ; the one in the middle is at hand."""
    means = [share * assumed.mean for share in SHARES]
    others = (replace(assumed, mean=mean) for mean in means)
    each = [
        found if share == 1 else other.fit(table).population
        for share, other in zip(SHARES, others, strict=True)
    ]
    ends = tuple(one.interval(level) for one in each)
    return Moved(DIFFERING, (), SHARES, tuple(map(math.exp, means)), ends)


def _pair_moved(
    fit: LogLinearFit | LogLinearSearchFit, names: tuple[str, str], level: float
) -> Moved:
    modeled = min(max(math.exp(_coefficient(fit, names)), 1 / FARTHEST), FARTHEST)
    curve = OddsRatios.of(fit.table, fit.structure, names)
    values = tuple(factor * modeled for factor in FACTORS)
    ends = tuple(curve.at(value, level).ends for value in values)
    return Moved(", ".join(names), names, FACTORS, values, ends)
