"""The lists varied: each left out in turn, and pairs of them merged."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from mse.answer.intervals import DEFAULT_LEVEL, check_level
from mse.answer.method import ALIKE
from mse.answer.shown import Result, Section, layout, persons
from mse.comparing import Trial, attempt, attempt_on_other, check_estimator, described
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse.answer.intervals import ModelRange
    from mse.answer.protocols import Estimator
    from mse.data.table import CaptureTable


@dataclass(frozen=True, slots=True)
class Variant:
    """An estimator on the table with other lists.

    Parameters
    ----------
    lists : tuple of str
        The lists left out or merged.
    observed : int
        Persons observed in the changed table.
    trial : Trial
        What came of it.
    """

    lists: tuple[str, ...]
    observed: int
    trial: Trial


@dataclass(frozen=True, eq=False, repr=False)
class LeaveOneOut(Result):
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

    estimator: Estimator
    table: CaptureTable
    whole: Trial
    variants: tuple[Variant, ...]

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
        check_level(level)
        n = self.table.n_observed
        rows = [
            {
                "left_out": "".join(each.lists),
                "only_there": n - each.observed,
                "observed": each.observed,
                "factor": each.trial.total / self.whole.total,
                "hidden_from_all": each.trial.total - n,
                **each.trial.row(level),
            }
            for each in (Variant((), n, self.whole), *self.variants)
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<LeaveOneOut: {self.estimator!r}, {len(self.variants)} lists>"

    def _sections(self) -> list[Section]:
        rows = [["no list", "-", *self.whole.cells(DEFAULT_LEVEL), "1"]]
        for each in self.variants:
            left = persons(self.table.n_observed - each.observed)
            factor = _factor(each.trial.total / self.whole.total)
            rows.append([each.lists[0], left, *each.trial.cells(DEFAULT_LEVEL), factor])
        head = ["left out", "only there", "total, 95% interval", "point", "status", "factor"]
        text = (
            (
                "Each list is left out in turn and the whole method repeated; a model that names the list "
                "loses the terms with it. Persons on that list "
                "alone leave the table and count as hidden, so the totals estimate the same "
                "population and can be compared."
            ),
            *_intervals(self.whole, self.variants),
            *_extent([each.trial.total for each in self.variants], "leaving out one list"),
        )
        return [
            Section("One list left out", paragraphs=text),
            Section("Estimated total by list left out", verbatim=layout(head, rows)),
            *_failures(self.variants),
        ]


@dataclass(frozen=True, eq=False, repr=False)
class MergedLists(Result):
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

    estimator: Estimator
    table: CaptureTable
    whole: Trial
    variants: tuple[Variant, ...]

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
        check_level(level)
        whole = Variant(("", ""), self.table.n_observed, self.whole)
        rows = [
            {
                "list_a": each.lists[0],
                "list_b": each.lists[1],
                "observed": each.observed,
                "factor": each.trial.total / self.whole.total,
                **each.trial.row(level),
            }
            for each in (whole, *self.variants)
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<MergedLists: {self.estimator!r}, {len(self.variants)} pairs>"

    def _sections(self) -> list[Section]:
        rows = [["none", *self.whole.cells(DEFAULT_LEVEL), "1"]]
        for each in self.variants:
            factor = _factor(each.trial.total / self.whole.total)
            rows.append([" and ".join(each.lists), *each.trial.cells(DEFAULT_LEVEL), factor])
        head = ["merged", "total, 95% interval", "point", "status", "factor"]
        text = (
            (
                "Each pair of lists is made one list, of the persons on either, and the whole method "
                "repeated. A merged pair needs no assumption on how its lists depend on each other."
            ),
            *_intervals(self.whole, self.variants),
            *_extent([each.trial.total for each in self.variants], "merging one pair"),
        )
        return [
            Section("Pairs of lists merged", paragraphs=text),
            Section("Estimated total by pair merged", verbatim=layout(head, rows)),
            *_failures(self.variants),
        ]


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
    _check_lists(table, "leaving one out", "leave out")
    variants = []
    for name in table.lists:
        rest = table.drop_lists([name])
        trial = attempt_on_other(estimator, table, rest)
        variants.append(Variant((name,), rest.n_observed, trial))
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
    _check_lists(table, "merging two", "merge")
    chosen = combinations(table.lists, 2) if pairs is None else [_pair(table, p) for p in pairs]
    variants = []
    for first, second in chosen:
        one = f"{first} or {second}"
        merged = table.merge_lists({one: [first, second]})
        renamed = dict.fromkeys((first, second), one)
        trial = attempt_on_other(estimator, table, merged, renamed)
        variants.append(Variant((first, second), merged.n_observed, trial))
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


def _pair(table: CaptureTable, pair: Sequence[str]) -> tuple[str, str]:
    names = (pair,) if isinstance(pair, str) else tuple(pair)
    if len(names) != 2 or len(set(names)) != 2 or not set(names) <= set(table.lists):
        raise ModelError(
            f"pairs has {pair!r}; expected pairs of different lists of the table: "
            f"{', '.join(table.lists)}."
        )
    return names[0], names[1]


def _factor(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _intervals(whole: Trial, variants: Sequence[Variant]) -> tuple[str, ...]:
    """Say what the intervals are, and what they take for granted."""
    kinds = dict.fromkeys(described(each) for each in (whole, *(v.trial for v in variants)))
    known = [kind for kind in kinds if kind]
    return (f"Intervals: {'; '.join(known)}.",) if known else ()


def _extent(totals: Sequence[float], doing: str) -> tuple[str, ...]:
    known = [total for total in totals if not math.isnan(total)]
    if not known:
        return ()
    low, high = persons(min(known)), persons(max(known))
    return (f"The estimated total after {doing} lies between {low} and {high}.",)


def _failures(variants: Sequence[Variant]) -> tuple[Section, ...]:
    """Say for which lists there is no estimate, where there are any."""
    found = tuple(
        f"{' and '.join(each.lists)}: {each.trial.reason}"
        for each in variants
        if math.isnan(each.trial.total)
    )
    return (Section("Not estimated", bullets=found),) if found else ()


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
        from mse.answer.intervals import ModelRange

        if self.n_models < 2:
            return None
        return ModelRange(
            self.low, self.high, self.n_models, self.n_not_estimable, self.criterion, self.within
        )

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each model, best first: the columns of ``fit.models`` and ``difference``.

        ``difference`` is the criterion less that of the best estimable model: negative for a
        better one that determines no total.
        """
        return self._frame.copy()

    def __repr__(self) -> str:
        return f"<NearModels: {self.n_models} within {self.within:g} of the best {self.criterion}>"

    def _sections(self) -> list[Section]:
        shown = self._frame.head(_SHOWN)
        rows = [
            [model, f"{difference:.2f}", "-" if math.isnan(total) else persons(total), status]
            for model, difference, total, status in zip(
                shown["model"], shown["difference"], shown["total"], shown["status"], strict=True
            )
        ]
        head = ["model", f"{self.criterion} less the best", "estimated total", "status"]
        return [
            Section("Models close to the best one", paragraphs=(*self._words(), ALIKE)),
            Section(f"The first {len(rows):,}, best first", verbatim=layout(head, rows)),
        ]

    def _words(self) -> tuple[str, ...]:
        near = f"within {self.within:g} of the best {self.criterion}"
        failed = f"{self.n_not_estimable:,} determine{'s' * (self.n_not_estimable == 1)} none"
        if not self.n_models:
            return (f"No model {near} determines a total.",)
        if self.n_models == 1:
            more = f" As near, {failed}." if self.n_not_estimable else ""
            text = f"Only one model {near} determines a total, {persons(self.low)}: there is no range.{more}"
            return (text,)
        low, high = persons(self.low), persons(self.high)
        more = f"; as near, {failed}" if self.n_not_estimable else ""
        return (
            f"The {self.n_models:,} models {near} put the total between {low} and {high}{more}.",
        )


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
    estimable = models["total"].notna()
    best = models.loc[estimable, name].min()
    difference = models[name] - best
    near = models.assign(difference=difference)[difference <= within].sort_values(
        "difference", kind="stable", ignore_index=True
    )
    totals = near["total"].dropna()
    return NearModels(
        criterion={"aic": "AIC", "aicc": "AICc", "bic": "BIC"}.get(name, name),
        within=float(within),
        low=float(totals.min()) if len(totals) else math.nan,
        high=float(totals.max()) if len(totals) else math.nan,
        n_models=len(totals),
        n_not_estimable=int(near["total"].isna().sum()),
        _frame=near,
    )
