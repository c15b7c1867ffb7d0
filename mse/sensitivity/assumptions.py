"""Assumptions that no data can test, varied: the highest interaction, and a pair's odds ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import chdtri

from mse.answer.intervals import DEFAULT_LEVEL, check_level, lognormal_interval
from mse.answer.population import PopulationEstimate
from mse.answer.shown import Result, Section, layout, persons, share, span
from mse.core.fitting import ModelFit, fit_model
from mse.core.lattice import levels_of
from mse.core.newton import Design, make_design
from mse.core.profile import fit_with_offset, hidden_variance_given_offset, offset_profile_interval
from mse.errors import ModelError
from mse.loglinear import LogLinear, LogLinearFit, LogLinearSearchFit
from mse.loglinear.fit import complete_counts
from mse.models.terms import HierarchicalModel, parse_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse._typing import FloatArray, Limit, Status
    from mse.answer.protocols import Fit
    from mse.data.table import CaptureTable

__all__ = ["HighestOrder", "OddsRatio", "Scenario", "highest_order", "odds_ratio"]

DEFAULT_XI = (0.5, 2 / 3, 1.0, 1.5, 2.0)
_NO_ENDS = (math.nan, math.nan)
DEFAULT_RATIOS = (0.25, 0.5, 2 / 3, 1.0, 1.5, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """The estimate under one value of an assumption.

    Parameters
    ----------
    value : float
        The value: xi, or an odds ratio.
    hidden : float
        Hidden persons; NaN where not estimable.
    ends : tuple of float
        Low and high end of the interval of the total, persons.
    interval_kind : str
        How the ends were computed; empty where there are none.
    status, limit : str
        As of an estimate.
    reason : str
        Why the status is not ``ok``.
    pair : tuple of str
        The two lists concerned; empty for the highest interaction.
    model : str
        The model, in canonical notation.
    """

    value: float
    hidden: float
    ends: tuple[float, float]
    interval_kind: str
    status: Status
    limit: Limit
    reason: str
    pair: tuple[str, ...] = ()
    model: str = ""

    def row(self, observed: int) -> dict[str, Any]:
        """Columns of a tidy table."""
        total = observed + self.hidden
        return {
            "observed": observed,
            "hidden": self.hidden,
            "total": total,
            "coverage": observed / total if total > 0 else math.nan,
            "low": self.ends[0],
            "high": self.ends[1],
        }

    def cells(self, observed: int) -> list[str]:
        """Interval, point and coverage as text."""
        total = observed + self.hidden
        if math.isnan(total):
            return ["-", self.status, "-"]
        return [span(*self.ends), persons(total), share(observed / total)]


@dataclass(frozen=True)
class _Prepared:
    """A fitted model, and what fits with an offset need of it."""

    counts: FloatArray
    design: Design
    fit: ModelFit

    @classmethod
    def of(cls, table: CaptureTable, model: HierarchicalModel) -> _Prepared:
        counts = complete_counts(table)
        design = make_design(table.shape, table.n_lists, model.parameters(table.shape))
        everything = np.ones(design.cells.size, dtype=np.bool_)
        return cls(counts, design, fit_model(counts, everything, design))

    def estimate(self, offset: FloatArray, level: float) -> tuple[float, tuple[float, float], str]:
        """Hidden persons, interval of the total and its kind: log-normal where there are strata."""
        found = fit_with_offset(self.counts, offset, self.fit, self.design)
        hidden = float(found.means[: self.design.n_hidden].sum())
        if self.design.n_hidden == 1:
            drop = float(chdtri(1, 1 - level)) / 2
            ends = offset_profile_interval(self.counts, offset, self.fit, self.design, drop)
            return hidden, ends, "profile"
        se = math.sqrt(hidden_variance_given_offset(found, self.fit, self.design))
        return hidden, lognormal_interval(hidden, se, level, int(self.counts.sum())), "lognormal"

    def under(self, offset: FloatArray, level: float, scenario: Scenario) -> Scenario:
        """Fill in the estimate under an offset, or the status of one that was not found."""
        try:
            hidden, ends, kind = self.estimate(offset, level)
        except ArithmeticError as error:
            reason = f"The fit under this assumption was not found: {error}."
            return replace(scenario, status="not_converged", limit="indeterminate", reason=reason)
        return replace(scenario, hidden=hidden, ends=ends, interval_kind=kind)


# The highest interaction -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class HighestOrder(Result):
    """An estimate as the assumption on the interaction of all lists is relaxed.

    Attributes
    ----------
    population : PopulationEstimate
        The estimate under the assumption, xi = 1.
    scenarios : tuple of Scenario
        One for each value of xi.
    level : float
        Level of the intervals.
    """

    references = (
        "Aleshin-Guendel, S., Sadinle, M. and Wakefield, J. (2024). The central role of the identifying assumption in population size estimation. Biometrics 80, ujad028.",
    )

    population: PopulationEstimate
    scenarios: tuple[Scenario, ...]
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each xi: ``hidden``, ``total``, ``coverage``, ``low``, ``high``, ``status``."""
        n = self.population.observed
        rows = [
            {"xi": each.value, **each.row(n), **_ending(each, self.level)}
            for each in self.scenarios
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        values = ", ".join(f"{each.value:.3g}" for each in self.scenarios)
        return f"<HighestOrder: {self.population.method}, xi {values}>"

    def _sections(self) -> list[Section]:
        n = self.population.observed
        rows = [[f"{each.value:.3g}", *each.cells(n)] for each in self.scenarios]
        head = ["xi", f"total, {100 * self.level:g}% interval", "point", "share registered"]
        text = (
            (
                "That the lists have no interaction of the highest order cannot be tested: the data "
                "hold nothing about persons on no list. xi is the factor by which it is wrong; with "
                "xi below 1 more persons are hidden than the model says, with xi above 1 fewer."
            ),
            (
                f"{self.population.method} {self.population.model}, {n:,} persons registered. Intervals "
                "take the model and xi for granted."
            ),
        )
        return [
            Section("No highest-order interaction, relaxed", paragraphs=text),
            Section("Estimated total by xi", verbatim=layout(head, rows)),
        ]


def highest_order(
    fit: Fit | PopulationEstimate,
    xi: Sequence[float] = DEFAULT_XI,
    *,
    level: float = DEFAULT_LEVEL,
) -> HighestOrder:
    r"""Relax the assumption that all lists together have no interaction, by a factor xi.

    The estimand is N, observed and hidden persons together.

    Parameters
    ----------
    fit : Fit or PopulationEstimate
        Any fit, or its answer.
    xi : sequence of float, default (1/2, 2/3, 1, 3/2, 2)
        Positive factors; 1 is the assumption itself.
    level : float, default 0.95
        Level of the intervals.

    Returns
    -------
    HighestOrder

    Raises
    ------
    ModelError
        If a factor is not positive and finite.

    Notes
    -----
    With expected counts :math:`m(c)` over the histories, models of this family set
    :math:`m(0) = \prod_{odd} m(c) / \prod_{even} m(c)`, over histories with an odd and with a
    positive even number of lists. The relaxed assumption divides the right side by
    :math:`\xi` (Aleshin-Guendel, Sadinle & Wakefield 2024), so for any model of the observed
    counts :math:`m_\xi(0) = m_1(0) / \xi`. For estimators outside the family (latent classes,
    lower bounds) xi is a factor on their own prediction of the hidden count.

    Intervals take the model and xi for granted. For log-linear models without covariates with
    a profile interval they are profile likelihood intervals under the offset
    :math:`-\log \xi` on the hidden cell; others are those of the fit with their hidden part
    divided by xi (``"..., scaled"``), which scales the chance in the hidden count as well.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("all three-way").fit(mse.load_dataset("kosovo"))
    >>> mse.sensitivity.highest_order(fit).to_frame()["total"].round(1).tolist()
    [29483.8, 23212.8, 16941.9, 12761.3, 10670.9]
    """
    check_level(level)
    values = _positive(xi, "xi")
    found = fit if isinstance(fit, PopulationEstimate) else fit.population
    prepared = None
    if (
        isinstance(fit, LogLinearFit | LogLinearSearchFit)
        and found.interval_kind == "profile"
        and not fit.table.covariates
        and fit.table.is_complete
    ):
        prepared = _Prepared.of(fit.table, fit.structure)
    scenarios = tuple(_relaxed(found, prepared, value, level) for value in values)
    return HighestOrder(found, scenarios, level)


def _relaxed(
    found: PopulationEstimate, prepared: _Prepared | None, xi: float, level: float
) -> Scenario:
    n, kind = found.observed, found.interval_kind
    blank = Scenario(
        xi, math.nan, _NO_ENDS, "", found.status, found.limit, found.reason, model=found.model
    )
    if prepared is not None:
        offset = np.zeros(prepared.counts.size)
        offset[: prepared.design.n_hidden] = -math.log(xi)
        return prepared.under(offset, level, blank)
    low, high = found.interval(level)
    return replace(
        blank,
        hidden=found.hidden / xi,
        ends=(n + (low - n) / xi, n + (high - n) / xi),
        interval_kind=f"{kind}, scaled" if kind and xi != 1 else kind,
    )


# The odds ratio of a pair ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class OddsRatio(Result):
    """Estimates as the odds ratio of a pair of lists is set to other values than the model's.

    Attributes
    ----------
    table : CaptureTable
        The table.
    scenarios : tuple of Scenario
        One for each pair and odds ratio.
    level : float
        Level of the intervals.
    """

    references = (
        "Gerritse, S. C., van der Heijden, P. G. M. and Bakker, B. F. M. (2015). Sensitivity of population size estimation for violating parametric assumptions in log-linear models. Journal of Official Statistics 31, 357-379.",
    )

    table: CaptureTable
    scenarios: tuple[Scenario, ...]
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each pair and odds ratio.

        Returns
        -------
        DataFrame
            ``list_a``, ``list_b``, ``odds_ratio``, ``observed``, ``hidden``, ``total``,
            ``coverage`` (registered share), ``coverage_NAME`` for each list (its implied share of
            the total), ``low``, ``high``, ``level``, ``interval_kind``, ``model``, ``status``,
            ``limit``, ``reason``.
        """
        n, sizes = self.table.n_observed, self._sizes
        rows = []
        for each in self.scenarios:
            total = n + each.hidden
            implied = {f"coverage_{name}": size / total for name, size in sizes.items()}
            first, second = each.pair
            rows.append(
                {"list_a": first, "list_b": second, "odds_ratio": each.value}
                | each.row(n)
                | implied
                | _ending(each, self.level)
            )
        return pd.DataFrame(rows)

    @property
    def _sizes(self) -> dict[str, int]:
        totals = np.diag(self.table.overlaps().to_numpy(dtype=np.int64))
        return dict(zip(self.table.lists, totals.tolist(), strict=True))

    def __repr__(self) -> str:
        pairs = len({each.pair for each in self.scenarios})
        return f"<OddsRatio: {pairs} pairs of lists, {len(self.scenarios)} scenarios>"

    def _sections(self) -> list[Section]:
        n, sizes = self.table.n_observed, self._sizes
        rows = []
        for each in self.scenarios:
            total = n + each.hidden
            implied = [share(sizes[name] / total) for name in each.pair]
            rows.append(
                [" and ".join(each.pair), f"{each.value:.3g}", *each.cells(n), ", ".join(implied)]
            )
        interval = f"total, {100 * self.level:g}% interval"
        head = ["lists", "odds ratio", interval, "point", "share registered", "share on each"]
        text = (
            (
                "The odds ratio tells how being on one list goes with being on the other, among "
                "persons on no other list: 1 is independence, above 1 the lists find the same "
                "persons, below 1 they avoid each other's. It is set here, not estimated."
            ),
            (
                "The share on each list is what the scenario implies: a share that cannot be true "
                "rules its odds ratio out."
            ),
        )
        return [
            Section("Odds ratio of two lists, set to other values", paragraphs=text),
            Section("Estimated total by odds ratio", verbatim=layout(head, rows)),
        ]


def odds_ratio(
    table: CaptureTable,
    ratios: Sequence[float] = DEFAULT_RATIOS,
    *,
    pair: tuple[str, str] | None = None,
    model: str | HierarchicalModel = "main",
    level: float = DEFAULT_LEVEL,
) -> OddsRatio:
    r"""Estimate N with the odds ratio of two lists set to chosen values.

    Parameters
    ----------
    table : CaptureTable
        Counts of complete histories.
    ratios : sequence of float
        Positive odds ratios; 1 is independence.
    pair : pair of str, optional
        Two lists; by default each pair in turn.
    model : str or HierarchicalModel, default "main"
        Dependence among the other pairs, as of :class:`mse.LogLinear`. Its terms with both
        lists of the pair, if any, give way to the value that is set.
    level : float, default 0.95
        Level of the intervals: profile likelihood, or log-normal with covariates; given the
        model and the odds ratio.

    Returns
    -------
    OddsRatio

    Raises
    ------
    ModelError
        If a ratio is not positive and finite, a list is unknown, or the model does not fit.

    Notes
    -----
    For two lists :math:`\hat m_{00} = \theta\, n_{10} n_{01} / n_{11}` under the odds ratio
    :math:`\theta` (Gerritse, van der Heijden & Bakker 2015). With more lists, or covariates, a
    log-linear model gets the offset :math:`\log \theta` on the histories with both lists; in
    each stratum the ratio is the same, and conditional on being on no list that interacts with
    them.

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    >>> found = mse.sensitivity.odds_ratio(table, ratios=(0.5, 1, 2)).to_frame()
    >>> found["hidden"].round(6).tolist(), found["coverage_a"].round(2).tolist()
    ([5.0, 10.0, 20.0], [0.4, 0.33, 0.25])
    """
    check_level(level)
    values = _positive(ratios, "ratios")
    structure = parse_model(model, table.lists, tuple(table.covariates))
    pairs = list(combinations(range(table.n_lists), 2)) if pair is None else [_axes(table, pair)]
    scenarios = tuple(
        scenario for each in pairs for scenario in _varied(table, structure, each, values, level)
    )
    return OddsRatio(table, scenarios, level)


def _varied(
    table: CaptureTable,
    structure: HierarchicalModel,
    pair: tuple[int, int],
    ratios: tuple[float, ...],
    level: float,
) -> Iterable[Scenario]:
    """Fit the model without the pair's terms under each odds ratio of the pair."""
    rest = structure.without_term(pair)
    fit = LogLinear(rest).fit(table)
    names = (table.lists[pair[0]], table.lists[pair[1]])
    estimable = fit.status in ("ok", "boundary")
    prepared = _Prepared.of(table, rest)
    levels = levels_of(np.arange(table.n_cells), prepared.design.shape)
    both = ((levels[:, pair[0]] == 1) & (levels[:, pair[1]] == 1)).astype(np.float64)
    for ratio in ratios:
        blank = Scenario(
            ratio, math.nan, _NO_ENDS, "", fit.status, fit.limit, fit.reason, names, fit.model
        )
        yield prepared.under(math.log(ratio) * both, level, blank) if estimable else blank


def _ending(each: Scenario, level: float) -> dict[str, Any]:
    return {
        "level": level,
        "interval_kind": each.interval_kind,
        "model": each.model,
        "status": each.status,
        "limit": each.limit,
        "reason": each.reason,
    }


def _positive(values: Sequence[float], name: str) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    wrong = [value for value in numbers if not (value > 0 and math.isfinite(value))]
    if wrong or not numbers:
        raise ModelError(
            f"{name} has {wrong[0] if wrong else 'no values'}; expected positive, finite numbers, "
            "such as (0.5, 1, 2)."
        )
    return numbers


def _axes(table: CaptureTable, pair: tuple[str, str]) -> tuple[int, int]:
    names = tuple(pair)
    if len(names) != 2 or len(set(names)) != 2 or not set(names) <= set(table.lists):
        raise ModelError(
            f"pair={pair!r}; expected two different lists of the table: {', '.join(table.lists)}."
        )
    first, second = sorted(table.lists.index(name) for name in names)
    return first, second
