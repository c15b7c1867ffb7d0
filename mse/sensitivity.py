"""Sensitivity of an estimate: to what no data can tell, to each list, to the choice of model.

`highest_order` and `odds_ratio` vary an assumption that cannot be tested, `leave_one_out` and
`merge` vary the lists, `model_range` the model. Each returns a frozen result with ``to_frame()``
(tidy, one row a scenario), ``summary()`` and, once drawings are registered, ``plot(ax=None)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import chdtri

from mse.answer.intervals import DEFAULT_LEVEL, ModelRange, check_level, lognormal_interval
from mse.answer.method import ALIKE
from mse.answer.population import PopulationEstimate
from mse.answer.shown import Result, Section, persons, share, span, with_table
from mse.comparing import Trial, attempt, attempt_on_other, check_estimator, described
from mse.core.fitting import ModelFit, fit_model
from mse.core.lattice import levels_of
from mse.core.newton import Design, n_parameters
from mse.core.profile import fit_with_offset, hidden_variance_given_offset, offset_profile_interval
from mse.data.datasets import table_from
from mse.errors import ModelError
from mse.loglinear import LogLinear, LogLinearFit, LogLinearSearchFit
from mse.loglinear.design import table_design
from mse.loglinear.fit import complete_counts
from mse.messages import Message
from mse.models.heterogeneity import read_heterogeneity
from mse.models.terms import HierarchicalModel, parse_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse._typing import FloatArray, Limit, Status
    from mse.answer.protocols import Estimator, Fit
    from mse.data.table import CaptureTable

__all__ = [
    "HighestOrder",
    "LeaveOneOut",
    "MergedLists",
    "NearModels",
    "OddsRatio",
    "highest_order",
    "leave_one_out",
    "merge",
    "model_range",
    "odds_ratio",
]


def __dir__() -> list[str]:
    return sorted(__all__)


DEFAULT_XI = (0.5, 2 / 3, 1.0, 1.5, 2.0)
DEFAULT_RATIOS = (0.25, 0.5, 2 / 3, 1.0, 1.5, 2.0, 4.0)
#: What a frame of scenarios says of each beside its figures.
_BASIS = ("interval_kind", "model", "status", "limit", "reason")


# Assumptions that no data can test, varied --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scenario:
    """The estimate under one value of an assumption, with statuses as of an estimate."""

    value: float  # xi, or an odds ratio
    status: Status
    limit: Limit
    reason: str
    model: str
    pair: tuple[str, ...] = ()  # the lists concerned; empty for the highest interaction
    hidden: float = math.nan
    ends: tuple[float, float] = (math.nan, math.nan)  # of the interval of the total, persons
    interval_kind: str = ""

    def row(self, observed: int, level: float, **more: float) -> dict[str, Any]:
        """Columns of a tidy table, with more columns beside the coverage."""
        total = observed + self.hidden
        return {
            "observed": observed,
            "hidden": self.hidden,
            "total": total,
            "coverage": observed / total if total > 0 else math.nan,
            "low": self.ends[0],
            "high": self.ends[1],
            **more,
            "level": level,
            **{name: getattr(self, name) for name in _BASIS},
        }

    def cells(self, observed: int) -> list[str]:
        """Interval, point and coverage as text."""
        total = observed + self.hidden
        if math.isnan(total):
            return ["-", self.status, "-"]
        return [span(*self.ends), persons(total), share(observed / total)]


class _Prepared(NamedTuple):
    """A fitted model, and what fits with an offset need of it."""

    counts: FloatArray
    design: Design
    fit: ModelFit

    @classmethod
    def of(
        cls, table: CaptureTable, model: HierarchicalModel, form: str | None = None
    ) -> _Prepared:
        asked = read_heterogeneity(form, nonnegative=False)
        counts, design = complete_counts(table), table_design(table, model, {}, asked).core
        everything = np.ones(n_parameters(design), dtype=np.bool_)
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
            reason = Message("reason.not_found", error=str(error))
            return replace(scenario, status="not_converged", limit="indeterminate", reason=reason)
        return replace(scenario, hidden=hidden, ends=ends, interval_kind=kind)


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
        return pd.DataFrame(
            [{"xi": each.value, **each.row(n, self.level)} for each in self.scenarios]
        )

    def __repr__(self) -> str:
        values = ", ".join(f"{each.value:.3g}" for each in self.scenarios)
        return f"<HighestOrder: {self.population.method}, xi {values}>"

    def _sections(self) -> list[Section]:
        n = self.population.observed
        rows = [[f"{each.value:.3g}", *each.cells(n)] for each in self.scenarios]
        head = ["xi", f"total, {100 * self.level:g}% interval", "point", "share registered"]
        return with_table(
            ("No highest-order interaction, relaxed", "Estimated total by xi"),
            head,
            rows,
            "That the lists have no interaction of the highest order cannot be tested: the data hold "
            "nothing about persons on no list. xi is the factor by which it is wrong; with xi below 1 "
            "more persons are hidden than the model says, with xi above 1 fewer.",
            f"{self.population.method} {self.population.model}, {n:,} persons registered. Intervals take "
            "the model and xi for granted.",
        )


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
        asked = (fit.best if isinstance(fit, LogLinearSearchFit) else fit).estimator.differing
        if asked is None or not asked.nonnegative:
            form = None if asked is None else asked.form
            prepared = _Prepared.of(fit.table, fit.structure, form)
    scenarios = tuple(_relaxed(found, prepared, value, level) for value in values)
    return HighestOrder(found, scenarios, level)


def _relaxed(
    found: PopulationEstimate, prepared: _Prepared | None, xi: float, level: float
) -> Scenario:
    n, kind = found.observed, found.interval_kind
    blank = Scenario(xi, found.status, found.limit, found.reason, found.model)
    if prepared is not None:
        offset = np.zeros(prepared.counts.size)
        offset[: prepared.design.n_hidden] = -math.log(xi)
        return prepared.under(offset, level, blank)
    low, high = (n + (end - n) / xi for end in found.interval(level))
    kind = f"{kind}, scaled" if kind and xi != 1 else kind
    return replace(blank, hidden=found.hidden / xi, ends=(low, high), interval_kind=kind)


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
            shares = {f"coverage_{name}": size / (n + each.hidden) for name, size in sizes.items()}
            what = dict(zip(("list_a", "list_b"), each.pair, strict=True))
            rows.append(what | {"odds_ratio": each.value} | each.row(n, self.level, **shares))
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
            implied = ", ".join(share(sizes[name] / (n + each.hidden)) for name in each.pair)
            rows.append([" and ".join(each.pair), f"{each.value:.3g}", *each.cells(n), implied])
        interval = f"total, {100 * self.level:g}% interval"
        head = ["lists", "odds ratio", interval, "point", "share registered", "share on each"]
        return with_table(
            ("Odds ratio of two lists, set to other values", "Estimated total by odds ratio"),
            head,
            rows,
            "The odds ratio tells how being on one list goes with being on the other, among persons on no "
            "other list: 1 is independence, above 1 the lists find the same persons, below 1 they avoid "
            "each other's. It is set here, not estimated.",
            "The share on each list is what the scenario implies: a share that cannot be true rules its "
            "odds ratio out.",
        )


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
    table, values = table_from(table), _positive(ratios, "ratios")
    structure = parse_model(model, table.lists, tuple(table.covariates))
    asked = f"pair={pair!r}; expected two different lists of the table"
    pairs = combinations(table.lists, 2) if pair is None else [checked_pair(table, pair, asked)]
    curves = (OddsRatios.of(table, structure, each) for each in pairs)
    scenarios = [curve.at(value, level) for curve in curves for value in values]
    return OddsRatio(table, tuple(scenarios), level)


class OddsRatios(NamedTuple):
    """A model without the terms of a pair of lists, to be fitted with the odds ratio of the pair set."""

    fit: LogLinearFit
    prepared: _Prepared
    names: tuple[str, ...]
    both: FloatArray  # 1 in the cells with both lists, else 0

    @classmethod
    def of(
        cls, table: CaptureTable, structure: HierarchicalModel, pair: tuple[str, str]
    ) -> OddsRatios:
        """Take the terms of the pair out of a model."""
        axes = sorted(table.lists.index(name) for name in pair)
        rest = structure.without_term(axes)
        prepared = _Prepared.of(table, rest)
        levels = levels_of(np.arange(table.n_cells), prepared.design.shape)
        both = (levels[:, axes] == 1).all(axis=1).astype(np.float64)
        names = tuple(table.lists[axis] for axis in axes)
        return cls(LogLinear(rest).fit(table), prepared, names, both)

    def hidden(self, ratio: float) -> float:
        """Hidden persons under one odds ratio; NaN where there is no estimate."""
        if self.fit.status not in ("ok", "boundary"):
            return math.nan
        counts, design, fit = self.prepared
        try:
            found = fit_with_offset(counts, math.log(ratio) * self.both, fit, design)
        except ArithmeticError:
            return math.nan
        return float(found.means[: design.n_hidden].sum())

    def at(self, ratio: float, level: float) -> Scenario:
        """Fit with one odds ratio."""
        fit = self.fit
        blank = Scenario(ratio, fit.status, fit.limit, fit.reason, fit.model, self.names)
        estimable = fit.status in ("ok", "boundary")
        return (
            self.prepared.under(math.log(ratio) * self.both, level, blank) if estimable else blank
        )


def _positive(values: Sequence[float], name: str) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    wrong = [value for value in numbers if not (value > 0 and math.isfinite(value))]
    if wrong or not numbers:
        raise ModelError(
            f"{name} has {wrong[0] if wrong else 'no values'}; expected positive, finite numbers, "
            "such as (0.5, 1, 2)."
        )
    return numbers


def checked_pair(table: CaptureTable, names: Sequence[str], asked: str) -> tuple[str, str]:
    """Check that names are those of two lists."""
    if len(names) != 2 or len(set(names)) != 2 or not set(names) <= set(table.lists):
        raise ModelError(f"{asked}: {', '.join(table.lists)}.")
    first, second = names
    return first, second


# The lists varied: each left out in turn, and pairs of them merged --------------------------------


@dataclass(frozen=True, slots=True)
class Variant:
    """An estimator on the table with other lists."""

    lists: tuple[str, ...]  # left out, or merged
    observed: int  # persons in the changed table
    trial: Trial


@dataclass(frozen=True, eq=False, repr=False)
class _OtherLists(Result):
    """An estimator on the table as it is, and on the table with other lists."""

    estimator: Estimator
    table: CaptureTable
    whole: Trial
    variants: tuple[Variant, ...]

    def _frame(self, level: float) -> pd.DataFrame:
        """Columns that a tidy table of the whole, and then of each variant, has of either kind."""
        check_level(level)
        whole = Variant((), self.table.n_observed, self.whole)
        rows = [{"observed": v.observed, **v.trial.row(level)} for v in (whole, *self.variants)]
        frame = pd.DataFrame(rows)
        frame.insert(1, "factor", frame["total"] / self.whole.total)
        return frame

    def _told(
        self, titles: tuple[str, str], text: str, doing: str, head: list[str], rows: list[list[str]]
    ) -> list[Section]:
        """Sections of titles, with what is done in words and the first cells of the rows of a table."""
        trials = [self.whole, *(each.trial for each in self.variants)]
        for row, trial in zip(rows, trials, strict=True):
            factor = trial.total / self.whole.total
            known = "-" if math.isnan(factor) else f"{factor:.2f}"
            row += [*trial.cells(DEFAULT_LEVEL), "1" if trial is self.whole else known]
        head = [*head, "total, 95% interval", "point", "status", "factor"]
        kinds = "; ".join(filter(None, dict.fromkeys(map(described, trials))))
        totals = [trial.total for trial in trials[1:] if not math.isnan(trial.total)]
        said = [text, f"Intervals: {kinds}."] if kinds else [text]
        if totals:
            low, high = persons(min(totals)), persons(max(totals))
            said.append(f"The estimated total after {doing} lies between {low} and {high}.")
        failed = [
            f"{' and '.join(each.lists)}: {each.trial.reason}"
            for each in self.variants
            if math.isnan(each.trial.total)
        ]
        sections = with_table(titles, head, rows, *said)
        return [*sections, Section("Not estimated", bullets=tuple(failed))] if failed else sections


@dataclass(frozen=True, eq=False, repr=False)
class LeaveOneOut(_OtherLists):
    """An estimator on the whole table, and without each list in turn.

    Attributes
    ----------
    estimator : Estimator
        What was fitted, anew each time.
    table : CaptureTable
        The whole table.
    whole : Trial
        The estimate from all lists.
    variants : tuple of Variant
        One for each list left out.
    """

    def to_frame(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show one row for the whole table, ``left_out`` empty, and one for each list left out.

        Returns
        -------
        DataFrame
            ``left_out``; ``only_there``, persons on no other list, who leave the table;
            ``observed`` in the table that is left; ``total``, comparable over all rows, and
            ``factor``, its ratio to that of the whole table; ``hidden``, on none of the lists
            left, and ``hidden_from_all``, the total less everyone observed in the whole table
            (negative where the total is impossible); ``low``, ``high``, ``level``,
            ``interval_kind``, ``given`` (what the interval takes for granted), ``model``, ``status``,
            ``limit``, ``reason``.
        """
        n, frame = self.table.n_observed, self._frame(level)
        frame.insert(0, "left_out", ["", *(each.lists[0] for each in self.variants)])
        frame.insert(1, "only_there", n - frame["observed"])
        frame.insert(4, "hidden_from_all", frame["total"] - n)
        return frame

    def __repr__(self) -> str:
        return f"<LeaveOneOut: {self.estimator!r}, {len(self.variants)} lists>"

    def _sections(self) -> list[Section]:
        n = self.table.n_observed
        text = (
            "Each list is left out in turn and the whole method repeated; a model that names the list "
            "loses the terms with it. Persons on that list alone leave the table and count as hidden, so "
            "the totals estimate the same population and can be compared."
        )
        return self._told(
            ("One list left out", "Estimated total by list left out"),
            text,
            "leaving out one list",
            ["left out", "only there"],
            [["no list", "-"], *([v.lists[0], persons(n - v.observed)] for v in self.variants)],
        )


@dataclass(frozen=True, eq=False, repr=False)
class MergedLists(_OtherLists):
    """An estimator on the table, and with pairs of lists merged.

    Attributes
    ----------
    estimator : Estimator
        What was fitted, anew each time.
    table : CaptureTable
        The table with all lists apart.
    whole : Trial
        The estimate from it.
    variants : tuple of Variant
        One for each pair merged.
    """

    def to_frame(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show one row for the lists apart, ``list_a`` and ``list_b`` empty, and one for each pair.

        Returns
        -------
        DataFrame
            ``list_a``, ``list_b``, ``observed`` (merging changes nothing in it), ``factor`` (total
            as a ratio to that with the lists apart), ``hidden``, ``total``, ``low``, ``high``,
            ``level``, ``interval_kind``, ``given`` (what the interval takes for granted), ``model``,
            ``status``, ``limit``, ``reason``.
        """
        frame = self._frame(level)
        for at, name in enumerate(("list_a", "list_b")):
            frame.insert(at, name, ["", *(each.lists[at] for each in self.variants)])
        return frame

    def __repr__(self) -> str:
        return f"<MergedLists: {self.estimator!r}, {len(self.variants)} pairs>"

    def _sections(self) -> list[Section]:
        text = (
            "Each pair of lists is made one list, of the persons on either, and the whole method "
            "repeated. A merged pair needs no assumption on how its lists depend on each other."
        )
        return self._told(
            ("Pairs of lists merged", "Estimated total by pair merged"),
            text,
            "merging one pair",
            ["merged"],
            [["none"], *([" and ".join(each.lists)] for each in self.variants)],
        )


def leave_one_out(estimator: Estimator, table: CaptureTable) -> LeaveOneOut:
    """Leave each list out in turn, and repeat the whole method, selection included.

    Persons on that list alone leave the table: the number observed changes, and they count among the
    hidden. So each total estimates the same N as that of all lists.

    Parameters
    ----------
    estimator : Estimator
        Any. A model that names the list loses the terms with it. One that cannot be asked of fewer lists
        gives rows with the status ``not_applicable`` and the reason. Intervals are those of the estimator:
        of a search given the model that it chose. For intervals that include the choice, as those of
        `mse.estimate` do, give ``mse.comparing.Bootstrapped(estimator)``.
    table : CaptureTable
        At least three lists.

    Returns
    -------
    LeaveOneOut

    Raises
    ------
    ModelError
        If there are fewer than three lists, or the estimator is none.

    Examples
    --------
    >>> import mse
    >>> search = mse.LogLinearSearch(criterion="pvalue", strategy="stepwise")
    >>> found = mse.sensitivity.leave_one_out(search, mse.load_dataset("netherlands_5"))
    >>> found.to_frame()[["left_out", "observed", "total"]].round(0)
                       left_out  observed     total
    0                                8234  121522.0
    1  inspectorate_residential      7478  156860.0
    2             border_police      6935   47166.0
    3                    police      3768  479249.0
    4     regional_coordinators      7584  120195.0
    5                    others      7602   47982.0
    """
    check_estimator(estimator)
    table = table_from(table)
    _check_lists(table, "leaving one out", "leave out")
    variants = []
    for name in table.lists:
        rest = table.drop_lists([name])
        variants.append(Variant((name,), rest.n_observed, attempt_on_other(estimator, table, rest)))
    return LeaveOneOut(estimator, table, attempt(estimator, table), tuple(variants))


def merge(
    estimator: Estimator,
    table: CaptureTable,
    pairs: Iterable[Sequence[str]] | None = None,
) -> MergedLists:
    """Merge lists pairwise, and repeat the whole method on each table.

    Parameters
    ----------
    estimator : Estimator
        Any. In a model that names one of the two lists the merged one takes its place. One that cannot be
        asked of the merged lists gives rows with the status ``not_applicable`` and the reason. Intervals
        are those of the estimator, see `leave_one_out`.
    table : CaptureTable
        At least three lists.
    pairs : iterable of pairs of str, optional
        The lists to merge; by default each pair in turn.

    Returns
    -------
    MergedLists

    Raises
    ------
    ModelError
        If there are fewer than three lists, a pair is none, or the estimator is none.

    Examples
    --------
    >>> import mse
    >>> found = mse.sensitivity.merge(mse.LogLinear("main"), mse.load_dataset("korea"))
    >>> found.to_frame()[["list_a", "list_b", "observed", "total"]].round(0)
      list_a list_b  observed  total
    0                     123  142.0
    1      b      c       123  269.0
    2      b      d       123  127.0
    3      c      d       123  126.0
    """
    check_estimator(estimator)
    table = table_from(table)
    _check_lists(table, "merging two", "merge")
    variants = []
    for each in combinations(table.lists, 2) if pairs is None else pairs:
        asked = f"pairs has {each!r}; expected pairs of different lists of the table"
        pair = checked_pair(table, (each,) if isinstance(each, str) else each, asked)
        one = " or ".join(pair)
        merged = table.merge_lists({one: pair})
        trial = attempt_on_other(estimator, table, merged, dict.fromkeys(pair, one))
        variants.append(Variant(pair, merged.n_observed, trial))
    return MergedLists(estimator, table, attempt(estimator, table), tuple(variants))


def _check_lists(table: CaptureTable, doing: str, verb: str) -> None:
    if table.margins is not None:
        raise ModelError(
            f"The table holds list totals and their union only; {doing} of its lists needs to know "
            "who is on which lists."
        )
    if table.n_lists < 3:
        raise ModelError(
            f"The table has {table.n_lists} lists; {doing} would leave fewer than two. There is "
            f"nothing to {verb}; sensitivity.odds_ratio varies what two lists cannot tell."
        )


# The model varied: every model of a search close to the best one ----------------------------------

#: So many models stand in a summary; all of them in the frame.
_SHOWN = 12


@dataclass(frozen=True, eq=False, repr=False)
class NearModels(Result):
    """Totals of all models of a search close to the best one.

    Attributes
    ----------
    criterion : str
        In words, ``"BIC"``.
    within : float
        Distance from the best estimable model, in units of the criterion.
    low, high : float
        Smallest and largest total, persons; NaN where no model is estimable.
    n_models, n_not_estimable : int
        Models as near that determine a total, and that determine none.
    """

    criterion: str
    within: float
    low: float
    high: float
    n_models: int
    n_not_estimable: int
    _frame: pd.DataFrame = field(repr=False)

    @property
    def range(self) -> ModelRange | None:
        """The same as part of a `PopulationEstimate`; None unless two models determine a total."""
        ends = self.low, self.high, self.n_models, self.n_not_estimable, self.criterion, self.within
        return ModelRange(*ends) if self.n_models > 1 else None

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each model, best first: the columns of ``fit.models`` and ``difference``.

        ``difference`` is the criterion less that of the best estimable model: negative for a
        better one that determines no total.
        """
        return self._frame.copy()

    def __repr__(self) -> str:
        return f"<NearModels: {self.n_models} within {self.within:g} of the best {self.criterion}>"

    def _sections(self) -> list[Section]:
        shown = self._frame[["model", "difference", "total", "status"]].head(_SHOWN)
        rows = [
            [model, f"{difference:.2f}", "-" if math.isnan(total) else persons(total), status]
            for model, difference, total, status in shown.itertuples(index=False)
        ]
        head = ["model", f"{self.criterion} less the best", "estimated total", "status"]
        titles = "Models close to the best one", f"The first {len(rows):,}, best first"
        return with_table(titles, head, rows, self._words(), ALIKE)

    def _words(self) -> str:
        near = f"within {self.within:g} of the best {self.criterion}"
        failed = f"{self.n_not_estimable:,} determine{'s' * (self.n_not_estimable == 1)} none"
        if not self.n_models:
            return f"No model {near} determines a total."
        low, high = persons(self.low), persons(self.high)
        if self.n_models == 1:
            more = f" As near, {failed}." if self.n_not_estimable else ""
            return f"Only one model {near} determines a total, {low}: there is no range.{more}"
        more = f"; as near, {failed}" if self.n_not_estimable else ""
        return f"The {self.n_models:,} models {near} put the total between {low} and {high}{more}."


def model_range(fit: Any, within: float = 10.0) -> NearModels:
    """Totals of all models of a search close to the best by its criterion.

    Parameters
    ----------
    fit : LogLinearSearchFit
        Or any fit with a frame ``models`` (``model``, the criterion, ``total``, ``status``) and an
        estimator with a ``criterion``.
    within : float, default 10
        How close, in units of the criterion; 10 in BIC is very strong evidence against the worse model
        (Kass & Raftery 1995, JASA 90, 773-795).

    Returns
    -------
    NearModels

    Raises
    ------
    ModelError
        If the fit is not of a search, or ``within`` is negative.

    Notes
    -----
    A search by p-value has no criterion of its own: its models are compared by BIC. A stepwise
    search knows only the models it tried.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    >>> near = mse.sensitivity.model_range(fit, within=2)
    >>> near.n_models, round(near.low, 1), round(near.high, 1)
    (3, 10356.5, 18393.3)
    """
    models = getattr(fit, "models", None)
    criterion = getattr(getattr(fit, "estimator", None), "criterion", None)
    if not isinstance(models, pd.DataFrame) or not isinstance(criterion, str):
        raise ModelError(
            f"{fit!r} knows one model only; expected the fit of a search, such as "
            "mse.LogLinearSearch().fit(table)."
        )
    if not within >= 0:
        raise ModelError(f"within={within!r}; expected a number of at least 0.")
    name = "bic" if criterion == "pvalue" else criterion
    difference = models[name] - models.loc[models["total"].notna(), name].min()
    near = models.assign(difference=difference)[difference <= within]
    near = near.sort_values("difference", kind="stable", ignore_index=True)
    totals = near["total"].dropna()
    return NearModels(
        criterion={"aic": "AIC", "aicc": "AICc", "bic": "BIC"}.get(name, name),
        within=float(within),
        low=float(totals.min()),
        high=float(totals.max()),
        n_models=len(totals),
        n_not_estimable=len(near) - len(totals),
        _frame=near,
    )
