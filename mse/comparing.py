"""How estimators look, the default one, and many of them side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import pandas as pd

from mse._drawing import Drawn
from mse._saving import Saved
from mse._typing import FrozenDict
from mse.answer.intervals import DEFAULT_LEVEL, STORED_LEVELS, check_level
from mse.answer.population import kind_of
from mse.answer.protocols import Answered, Estimator, label_of, suited, takes
from mse.answer.shown import as_html, as_text, bounded, in_words, persons, span
from mse.data.count_table import CountTable
from mse.data.datasets import data_from
from mse.data.persons import PersonTable
from mse.errors import InvalidTableError, ModelError
from mse.messages import Message
from mse.registry import ESTIMATORS, estimator_of
from mse.resampling import bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse.answer.population import PopulationEstimate
    from mse.answer.protocols import Fit
    from mse.data.table import CaptureTable
    from mse.redrawing import Resampling
    from mse.resampling import IntervalKind

Criterion: TypeAlias = Literal["aic", "aicc", "bic", "pvalue"]
Strategy: TypeAlias = Literal["exhaustive", "stepwise"]

IntervalName: TypeAlias = Literal["bca", "percentile", "basic", "profile", "lognormal"]
_BOOTSTRAP_INTERVALS = ("bca", "percentile", "basic")
_OWN_INTERVALS = ("profile", "lognormal")

COMPARISON_SCHEMA = "mse.comparison/1"

#: Tables of more lists than this have too many models to try them all.
_MAX_EXHAUSTIVE_LISTS = 6
#: The same of tables known in part, of which a fit takes a hundred times as long.
_MAX_EXHAUSTIVE_IN_PART = 4


def default_estimator(
    table: CaptureTable,
    *,
    model: str | None = None,
    criterion: Criterion = "bic",
    strategy: Strategy | None = None,
    max_order: int | None = None,
    interval: Literal["profile", "lognormal"] = "profile",
) -> Estimator:
    """Choose the log-linear model, or search for one, that `estimate` uses; parameters as there.

    Of one register the families of counts, with all covariates; `model` is a formula of them then.
    """
    from mse.loglinear import LogLinear, LogLinearSearch

    if isinstance(table, CountTable):
        return _search_of_counts(table, model, criterion, strategy, max_order)
    if isinstance(table, PersonTable):
        formula = covariates_of(table)
        raise ModelError(
            "Persons are kept one by one here, and no estimator is usual for them: name one, "
            f"HugginsAlho({formula!r}) or DoublyRobust({formula!r}). Counted by their lists they are a table for "
            "the usual estimate."
        )
    if model is not None:
        if criterion != "bic" or strategy is not None or max_order is not None:
            msg = (
                f"The model {model!r} is named and a search is asked for as well (criterion, "
                "strategy or max_order); leave out one of them."
            )
            raise ModelError(msg)
        return LogLinear(model, interval)
    if table.margins is not None and table.margins.overlaps is not None:
        return LogLinear("main", interval)  # which says why there is no estimate
    _check_searchable(table)
    if strategy is None:
        most = _MAX_EXHAUSTIVE_LISTS if table.is_complete else _MAX_EXHAUSTIVE_IN_PART
        large = table.n_lists > most or bool(table.covariates)
        strategy = "stepwise" if large or criterion == "pvalue" else "exhaustive"
    return LogLinearSearch(
        criterion=criterion, strategy=strategy, max_order=max_order, interval=interval
    )


def _search_of_counts(
    table: CountTable, formula: str | None, criterion: str, *unsuited: object
) -> Any:
    """Choose among families of counts; options of searches among log-linear models do not suit them."""
    from mse.classical.register_search import SingleRegisterSearch

    if criterion not in ("bic", "aic") or unsuited != (None, None):
        raise ModelError(
            "criterion='aicc' and 'pvalue', strategy and max_order are for log-linear models of several lists; "
            "families of counts of one register are compared by 'bic' or 'aic'."
        )
    return SingleRegisterSearch(formula=formula or covariates_of(table), criterion=criterion)  # type: ignore[arg-type]


def covariates_of(table: CountTable | PersonTable) -> str:
    """Write the formula of all covariates of a table, without interactions."""
    names = table.columns if isinstance(table, CountTable) else table.covariates
    return " + ".join(name if name.isidentifier() else f"`{name}`" for name in names) or "1"


def _usual_of_counts(table: CountTable) -> list[Any]:
    """Choose the families of counts, and the bounds that hold however persons differ."""
    from mse.classical.single_register import DISPERSION, SingleRegister

    formula = covariates_of(table)
    full = [SingleRegister(family, formula) for family in DISPERSION]  # type: ignore[arg-type]
    ones = [
        SingleRegister("poisson", formula, "before"),
        SingleRegister("geometric", formula, "before"),
    ]
    return [
        *full,
        *ones,
        SingleRegister("zelterman", formula),
        SingleRegister("chao", formula),
        SingleRegister("one_inflated_chao"),
    ]


def _usual_of_persons(table: PersonTable) -> list[Any]:
    """Choose the estimators of persons, with all covariates."""
    from mse.individual import DoublyRobust, HugginsAlho

    formula = covariates_of(table)
    if formula == "1":
        return []
    return [HugginsAlho(formula), HugginsAlho(formula, "by list"), DoublyRobust(formula)]


def usual_estimators(
    table: CaptureTable, *, strategy: Strategy | None = None, max_order: int | None = None
) -> list[Estimator]:
    """Choose the estimators that are usually put side by side; options of the searches among them.

    Of two lists the classical ones and a log-linear model; of more lists the two extremes, independence
    and all pairs, and searches by several criteria. All of these take people for alike, apart from what is
    modeled; one that allows for people who differ stands last.
    """
    from mse.classical.two_lists import Chapman, LincolnPetersen

    if isinstance(table, CountTable):
        return _usual_of_counts(table)
    if isinstance(table, PersonTable):
        of_lists = usual_estimators(table.counted(), strategy=strategy, max_order=max_order)
        return [*of_lists, *_usual_of_persons(table)]
    allowing: Any = estimator_of("HeterogeneousLogLinear()")
    differ: list[Estimator] = [allowing] * allowing.suits(table)
    if table.n_lists == 2:
        return [LincolnPetersen(), Chapman(), default_estimator(table, model="main"), *differ]
    chosen = [default_estimator(table, model=model) for model in ("main", "all two-way")]
    criteria: list[Criterion] = ["bic", "aic"] if table.covariates else ["bic", "aic", "pvalue"]
    for criterion in criteria:
        # A search by p-value is defined step by step only; the option is for the others.
        steps = None if criterion == "pvalue" else strategy
        chosen.append(
            default_estimator(table, criterion=criterion, strategy=steps, max_order=max_order)
        )
    return [*chosen, *differ]


def every_estimator(table: CaptureTable) -> list[Estimator]:
    """Choose the usual estimators, and every other kind with the settings it has by itself.

    Not all of them need suit the table: that is found out when they are fitted.
    """
    if isinstance(table, CountTable):
        return _usual_of_counts(table)
    persons = isinstance(table, PersonTable)
    usual = [] if not persons and table.margins is not None else usual_estimators(table)
    kinds = {type(each).__name__ for each in usual}
    further = (estimator_of(name) for name in ESTIMATORS if name not in kinds)
    return [
        *usual,
        *(
            each
            for each in further
            if takes(each) == "lists" or (persons and takes(each) == "persons")
        ),
    ]


def _check_searchable(table: CaptureTable) -> None:
    """Raise ``ModelError`` for a table on which no search is defined, with the ways out."""
    if table.margins is not None:
        msg = (
            "The table holds list totals and their union only. They say nothing about dependence "
            'between lists; if you accept independence, ask for it: LogLinear("main").'
        )
        raise ModelError(msg)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Drawn, Saved):
    """Several estimators fitted to one table, side by side.

    Attributes
    ----------
    table : CaptureTable
        The table.
    fits : tuple of Fit
        One fit an estimator, in the order in which they were given.
    left_out : mapping of str to str
        Why estimators of ``"all"`` do not suit the table, by their ``repr``.
    """

    _words: ClassVar[str] = "mse.words.estimates"

    table: CaptureTable
    fits: tuple[Fit, ...]
    left_out: Mapping[str, str] = FrozenDict()

    @property
    def populations(self) -> tuple[PopulationEstimate, ...]:
        """The answers, in the order of ``fits``."""
        return tuple(fit.population for fit in self.fits)

    def to_frame(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show the answers as a DataFrame, one row an estimator.

        Parameters
        ----------
        level : float, default 0.95
            Level of the intervals.

        Returns
        -------
        DataFrame
            Indexed by the estimators, with their models and the settings that are not default; columns ``method``, ``model``, ``observed``,
            ``hidden``, ``total``, ``low``, ``high``, ``interval_kind``, ``given``, ``status``,
            ``limit``, ``reason``, ``lower_bound``, where there is a headline ``low_alike`` and ``high_alike``,
            the interval that takes people for alike; then ``n_parameters``, ``deviance``, ``aic`` and ``bic`` of the
            methods that have them. What is not estimable, or not there, is NaN.
        """
        check_level(level)
        columns = [
            "method",
            "model",
            "observed",
            "hidden",
            "total",
            "low",
            "high",
            "interval_kind",
            "given",
            "status",
            "limit",
            "reason",
            "lower_bound",
        ]
        frame = pd.concat([each.to_frame(level) for each in self.populations])
        if any(each.allowing is not None for each in self.populations):
            columns += ["low_alike", "high_alike"]
        frame.index = pd.Index([label_of(fit.estimator) for fit in self.fits], name="estimator")
        measures = {
            name: [float(getattr(fit, name, math.nan)) for fit in self.fits]
            for name in ("n_parameters", "deviance", "aic", "bic")
        }
        return frame[columns].assign(**measures)

    def to_dict(self, *, levels: Iterable[float] = STORED_LEVELS) -> dict[str, Any]:
        """Write the comparison as a dictionary for JSON, schema ``mse.comparison/1``."""
        known = tuple(levels)
        return {
            "schema": COMPARISON_SCHEMA,
            "estimates": [
                {
                    "estimator": repr(fit.estimator),
                    "population": fit.population.to_dict(levels=known),
                }
                for fit in self.fits
            ],
        }

    def summary(self, level: float = DEFAULT_LEVEL) -> str:
        """Put the comparison in words: intervals, points, how far apart, what was not estimable."""
        return as_text(in_words(self, level=level))

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        names = ", ".join(repr(fit.estimator) for fit in self.fits)
        return f"<Comparison of {len(self.fits)} estimators: {names}>"

    def _repr_html_(self) -> str:
        return as_html(in_words(self, level=DEFAULT_LEVEL))


def seeded(estimators: Iterable[Estimator | str], table: Any, seed: int) -> list[Estimator]:
    """Make estimators that draw do so from a seed, whatever theirs is: where draws are not to be drawn again.

    estimators: or their texts; "all" is every one that suits the table
    table: what they are to be asked of
    """
    found: list[Any] = []
    for each in estimators:
        if isinstance(each, str) and each == "all":
            found += [fit.estimator for fit in compare(table, "all").fits]
        else:
            found.append(estimator_of(each) if isinstance(each, str) else each)
    return [replace(each, seed=seed) if hasattr(each, "seed") else each for each in found]


def compare(table: CaptureTable, estimators: Iterable[Estimator | str] | str) -> Comparison:
    """Fit several estimators to one table.

    Parameters
    ----------
    table : CaptureTable or PersonTable
        The table. Of persons, estimators that are not meant for them see who is on which lists, and no
        covariates.
    estimators : iterable of Estimator or str, or "all"
        At least one, or its text, ``"LogLinear('[12,3]')"``. What the data do not determine is a row with a
        status; an estimator that is not meant for such a table is an error. ``"all"`` is every one that
        suits the table.

    Returns
    -------
    Comparison

    Raises
    ------
    ModelError
        If there is no estimator, one of them is none, or one of them is not meant for this table.

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    >>> c = mse.compare(table, [mse.LincolnPetersen(), "Chapman()"])
    >>> c.to_frame()["total"].round(1).tolist()
    [30.0, 28.3]
    """
    given = data_from(table)
    fits, left_out = [], {}
    for estimator, required in _asked(given, estimators):
        try:
            fits.append(estimator.fit(suited(estimator, given)))
        except ModelError as error:
            if required:
                msg = f"{estimator!r} cannot be asked of this table. {error}"
                raise ModelError(msg) from error
            left_out[repr(estimator)] = str(error)
    return Comparison(given, tuple(fits), FrozenDict(left_out))


def _asked(table: CaptureTable, estimators: object) -> list[tuple[Estimator, bool]]:
    """Name the estimators that are asked for, each with whether it has to suit the table."""
    if not isinstance(estimators, Iterable):
        msg = f"Expected a list of estimators, got {estimators!r}."
        raise ModelError(msg)
    chosen: list[tuple[Estimator, bool]] = []
    for each in [estimators] if isinstance(estimators, str) else estimators:
        if isinstance(each, str) and each == "all":
            chosen += [(one, False) for one in every_estimator(table)]
        else:
            chosen.append((_made(each), True))
    if not chosen:
        msg = 'There is nothing to compare: give at least one estimator, LogLinear("main") say.'
        raise ModelError(msg)
    return chosen


def _made(estimator: Any) -> Estimator:
    """Take an estimator, or make it from its text."""
    found: Estimator = estimator_of(estimator) if isinstance(estimator, str) else estimator
    check_estimator(found)
    return found


# An estimator tried on a table that may not suit it -----------------------------------------------

#: Status where the question could not be asked of a table, beside those of an estimate.
NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of an estimator on one table: its answer, or why it could not be asked."""

    population: PopulationEstimate | None
    why_not: str = ""

    @property
    def total(self) -> float:
        """Estimated total, persons; NaN where there is none."""
        return math.nan if self.population is None else self.population.total

    @property
    def status(self) -> str:
        """Status of the estimate, or ``not_applicable``."""
        return NOT_APPLICABLE if self.population is None else self.population.status

    @property
    def reason(self) -> str:
        """Why the status is what it is."""
        return self.why_not if self.population is None else self.population.reason

    @property
    def lower_bound(self) -> bool:
        """Whether the total is a lower bound."""
        return self.population is not None and self.population.lower_bound

    @property
    def point(self) -> str:
        """The total as text, "at least" before a lower bound; a dash where there is none."""
        if math.isnan(self.total):
            return "-"
        return bounded(persons(self.total), lower_bound=self.lower_bound)

    def interval(self, level: float) -> tuple[float, float]:
        """Interval of the total, persons; NaN where there is none."""
        return (math.nan, math.nan) if self.population is None else self.population.interval(level)

    def row(self, level: float) -> dict[str, Any]:
        """Columns of a tidy table: estimate, interval, status."""
        low, high = self.interval(level)
        found = self.population
        return {
            "hidden": math.nan if found is None else found.hidden,
            "total": self.total,
            "low": low,
            "high": high,
            "level": level,
            "interval_kind": "" if found is None else found.interval_kind,
            "given": "" if found is None else found.interval_given,
            "model": "" if found is None else found.model,
            "status": self.status,
            "limit": "" if found is None else found.limit,
            "reason": self.reason,
        }

    def cells(self, level: float) -> list[str]:
        """Interval, point and status as text."""
        return [span(*self.interval(level)), self.point, self.status]


def carried_over(
    estimator: Estimator,
    whole: CaptureTable,
    rest: CaptureTable | PersonTable,
    renamed: Mapping[str, str] | None = None,
) -> Estimator:
    """Let an estimator that names lists ask the same of a table with lists left out, or made one.

    Without this a model that speaks of a list would be said to give no estimate where the list is
    left out, though nobody asked it. Those with a method ``asked_of`` say what suits the other table.
    """
    asked_of = getattr(estimator, "asked_of", None)
    adapted: Estimator = asked_of(whole, rest, renamed or {}) if callable(asked_of) else estimator
    return adapted


def attempt_on_other(
    estimator: Estimator,
    whole: CaptureTable,
    rest: CaptureTable | PersonTable,
    renamed: Mapping[str, str] | None = None,
) -> Trial:
    """Ask an estimator that is written for one table of the same with other lists; see `carried_over`."""
    try:
        adapted = carried_over(estimator, whole, rest, renamed)
    except (ModelError, InvalidTableError) as error:
        return skipped(str(error))
    return attempt(adapted, rest)


def attempt(estimator: Estimator, table: CaptureTable | PersonTable) -> Trial:
    """Fit, and turn "this cannot be asked of such a table" into a reason."""
    try:
        return Trial(estimator.fit(suited(estimator, table)).population)
    except (ModelError, InvalidTableError) as error:
        return skipped(str(error))


def described(trial: Trial) -> str:
    """Name the kind of interval and what it takes for granted; empty where there is none."""
    found = trial.population
    if found is None or math.isnan(found.total):
        return ""
    return kind_of(found)


def skipped(reason: str) -> Trial:
    """Say why nothing was tried."""
    return Trial(None, Message.known(reason))


def check_estimator(estimator: object) -> None:
    """Raise ``ModelError`` for what has no ``fit``, or for a class in place of an object."""
    if isinstance(estimator, type) or not callable(getattr(estimator, "fit", None)):
        raise ModelError(
            f"{estimator!r} is not an estimator; expected an object with a fit method, such as "
            "mse.Chapman() (with the parentheses)."
        )


# An estimator whose intervals come from the bootstrap, for whatever takes estimators --------------


@dataclass(frozen=True)
class Bootstrapped:
    """Another estimator, with intervals from repeating it on persons drawn anew.

    `mse.bootstrap` answers for one table; this is the same as a setting, so that comparisons,
    validation and sensitivity analyses can ask for the interval that includes the choice of model.

    Parameters
    ----------
    estimator : Estimator
        Any estimator; a search chooses its model again in every replicate.
    replicates : int, default 1000
        Bootstrap replicates of each fit.
    interval : {"percentile", "bca", "basic"}, default "percentile"
        Kind of interval.
    resampling : {"population", "multinomial", "parametric"}, default "population"
        As of `mse.bootstrap`.
    seed : int, default 1
        Of each fit, so that equal settings give equal answers.

    Examples
    --------
    >>> import mse
    >>> from mse.comparing import Bootstrapped
    >>> table = mse.load_dataset("kosovo")
    >>> fit = Bootstrapped(mse.LogLinearSearch(), replicates=100).fit(table)
    >>> fit.population.interval_given
    'the model re-selected in every replicate'
    """

    estimator: Estimator
    replicates: int = 1000
    interval: IntervalKind = "percentile"
    resampling: Resampling = "population"
    seed: int = 1

    def fit(self, table: CaptureTable) -> BootstrappedFit:
        """Fit the estimator, and repeat it on resampled tables.

        Parameters
        ----------
        table : CaptureTable
            A table that the estimator takes.

        Returns
        -------
        BootstrappedFit

        Raises
        ------
        ModelError
            If the estimator cannot be asked of the table, or an option is not known.
        """
        population = bootstrap(
            self.estimator,
            table,
            self.replicates,
            self.resampling,
            self.interval,
            self.seed,
            n_jobs=1,
            progress=False,
        )
        return BootstrappedFit(self, table, population)

    def asked_of(
        self, whole: CaptureTable, rest: CaptureTable, renamed: Mapping[str, str]
    ) -> Bootstrapped:
        """Ask the same of a table with other lists, as the estimator within does.

        Parameters
        ----------
        whole : CaptureTable
            The table that the estimator is written for.
        rest : CaptureTable
            The same with lists left out or made one.
        renamed : mapping of str to str
            New names of lists that were made one.

        Returns
        -------
        Bootstrapped
        """
        return replace(self, estimator=carried_over(self.estimator, whole, rest, renamed))


class BootstrappedFit(Answered):
    """Answer of a `Bootstrapped` estimator, with draws."""
