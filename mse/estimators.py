"""How estimators look, the default one, and many of them side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import pandas as pd

from mse._drawing import Drawn
from mse._text import as_html, as_text, comparison_sections
from mse.errors import ModelError
from mse.intervals import DEFAULT_LEVEL, STORED_LEVELS, check_level

if TYPE_CHECKING:
    from mse._typing import Limit, Seed, Status
    from mse.population import PopulationEstimate
    from mse.table import CaptureTable

__all__ = [
    "COMPARISON_SCHEMA",
    "Comparison",
    "Criterion",
    "Estimator",
    "Fit",
    "Strategy",
    "compare",
    "default_estimator",
    "estimate",
    "usual_estimators",
]

Criterion: TypeAlias = Literal["aic", "aicc", "bic", "pvalue"]
Strategy: TypeAlias = Literal["exhaustive", "stepwise"]

IntervalName: TypeAlias = Literal["bca", "percentile", "basic", "profile", "lognormal"]
_BOOTSTRAP_INTERVALS = ("bca", "percentile", "basic")

COMPARISON_SCHEMA = "mse.comparison/1"

#: Tables of more lists than this have too many models to try them all.
_MAX_EXHAUSTIVE_LISTS = 6
#: The same of tables known in part, of which a fit takes a hundred times as long.
_MAX_EXHAUSTIVE_IN_PART = 4


@runtime_checkable
class Fit(Protocol):
    """What an estimator learned from a table, immutable."""

    @property
    def estimator(self) -> Any:
        """What was fitted."""
        ...

    @property
    def table(self) -> CaptureTable:
        """The table it was fitted to."""
        ...

    @property
    def status(self) -> Status:
        """Whether the data determine the hidden number."""
        ...

    @property
    def limit(self) -> Limit:
        """Where the hidden number goes as the likelihood approaches its supremum."""
        ...

    @property
    def reason(self) -> str:
        """Why the status is not ``ok``, in words."""
        ...

    @property
    def population(self) -> PopulationEstimate:
        """The answer."""
        ...


@runtime_checkable
class Estimator(Protocol):
    """Assumptions and settings, without data: an immutable object with a ``fit`` method.

    Its ``repr`` shows all settings, and equal settings make equal, hashable estimators.
    """

    def fit(self, table: CaptureTable, /) -> Fit:
        """Fit to a table. Data that determine nothing give a status, never an exception."""
        ...


def default_estimator(
    table: CaptureTable,
    *,
    model: str | None = None,
    criterion: Criterion = "bic",
    strategy: Strategy | None = None,
    max_order: int | None = None,
    interval: Literal["profile", "lognormal"] = "profile",
) -> Estimator:
    """Choose the estimator that :func:`estimate` uses for a table; parameters as there.

    Returns
    -------
    Estimator
        A log-linear model, or a search for one.

    Raises
    ------
    ModelError
        If the table has no default: it consists of margins, and no model is named.
    """
    from mse.loglinear import LogLinear, LogLinearSearch

    if model is not None:
        if criterion != "bic" or strategy is not None or max_order is not None:
            msg = (
                f"The model {model!r} is named and a search is asked for as well (criterion, "
                "strategy or max_order); leave out one of them."
            )
            raise ModelError(msg)
        return LogLinear(model, interval)
    _check_searchable(table)
    if strategy is None:
        most = _MAX_EXHAUSTIVE_LISTS if table.is_complete else _MAX_EXHAUSTIVE_IN_PART
        large = table.n_lists > most or bool(table.covariates)
        strategy = "stepwise" if large or criterion == "pvalue" else "exhaustive"
    return LogLinearSearch(
        criterion=criterion, strategy=strategy, max_order=max_order, interval=interval
    )


def usual_estimators(
    table: CaptureTable, *, strategy: Strategy | None = None, max_order: int | None = None
) -> list[Estimator]:
    """Choose the estimators that are usually put side by side; options of the searches among them.

    Returns
    -------
    list of Estimator
        Of two lists the classical ones and a log-linear model; of more lists the two extremes,
        independence and all pairs, and searches by several criteria.
    """
    from mse.classical import Chapman, LincolnPetersen

    if table.n_lists == 2:
        return [LincolnPetersen(), Chapman(), default_estimator(table, model="main")]
    chosen = [default_estimator(table, model=model) for model in ("main", "all two-way")]
    criteria: list[Criterion] = ["bic", "aic"] if table.covariates else ["bic", "aic", "pvalue"]
    for criterion in criteria:
        # A search by p-value is defined step by step only; the option is for the others.
        steps = None if criterion == "pvalue" else strategy
        chosen.append(
            default_estimator(table, criterion=criterion, strategy=steps, max_order=max_order)
        )
    return chosen


def _check_searchable(table: CaptureTable) -> None:
    """Raise ``ModelError`` for a table on which no search is defined, with the ways out."""
    if table.margins is not None:
        msg = (
            "The table holds list totals and their union only. They say nothing about dependence "
            'between lists; if you accept independence, ask for it: LogLinear("main").'
        )
        raise ModelError(msg)


def estimate(
    table: CaptureTable,
    *,
    model: str | None = None,
    criterion: Criterion = "bic",
    strategy: Strategy | None = None,
    max_order: int | None = None,
    interval: IntervalName | None = None,
    replicates: int = 1000,
    seed: Seed = None,
    n_jobs: int | None = None,
    progress: bool | None = None,
) -> PopulationEstimate:
    """Size of the population behind a table of overlapping lists, by the default method.

    The estimand is N, all persons of the population, on a list or on none. Hierarchical log-linear
    models of the dependence between lists are compared by a criterion, and the best one gives the
    total. The interval repeats the whole search in every bootstrap replicate, so it includes the
    choice of model; ``model_range`` tells how far the models near the best one lie apart.

    Parameters
    ----------
    table : CaptureTable
        Counts of histories, with or without covariates, complete or known in part.
    model : str, optional
        One model in the notation of :class:`LogLinear`, ``"[12,3]"`` for instance, in place of a
        search.
    criterion : {"bic", "aic", "aicc", "pvalue"}, default "bic"
        How models are compared.
    strategy : {"exhaustive", "stepwise"}, optional
        Try all models, or search step by step; by default as in the table of the notes.
    max_order : int, optional
        Largest number of lists in one interaction.
    interval : {"percentile", "bca", "basic", "profile", "lognormal"}, optional
        Of a search percentiles of the bootstrap by default (:func:`bootstrap`), of one model the profile
        likelihood interval. ``"profile"`` and ``"lognormal"`` take the model for granted.
    replicates : int, default 1000
        Bootstrap replicates.
    seed : int or numpy.random.Generator, optional
        The same seed gives the same interval.
    n_jobs : int, optional
        Workers, as in joblib.
    progress : bool, optional
        Show a bar; by default in terminals and notebooks.

    Returns
    -------
    PopulationEstimate

    Raises
    ------
    ModelError
        If the table consists of margins and no model is named.

    Notes
    -----
    ===============  ===============================================================
    lists            search
    ===============  ===============================================================
    2 to 5           all hierarchical models but the saturated one
    6                all models with interactions of pairs
    7 or more        step by step over pairs: from independent lists and from all
                     pairs, by adding, dropping and exchanging pairs; the better end
                     counts
    with covariates  step by step, from the main effects up to all two-way terms of
                     lists and covariates
    ===============  ===============================================================

    A search by ``"pvalue"`` is always step by step. On a table known in part (unknown memberships or
    covariates, counts within bounds) all models are tried for up to 4 lists, step by step otherwise, by
    the observed-data likelihood.

    Examples
    --------
    >>> import mse
    >>> p = mse.estimate(mse.load_dataset("kosovo"), seed=1)
    >>> round(p.total, 1), p.interval_kind
    (10356.5, 'percentile')
    """
    bootstrapped = interval in _BOOTSTRAP_INTERVALS or (interval is None and model is None)
    single: Literal["profile", "lognormal"] = "lognormal" if interval == "lognormal" else "profile"
    estimator = default_estimator(
        table,
        model=model,
        criterion=criterion,
        strategy=strategy,
        max_order=max_order,
        interval=single,
    )
    if interval is not None and not bootstrapped and interval != single:
        known = ", ".join(map(repr, (*_BOOTSTRAP_INTERVALS, "profile", "lognormal")))
        msg = f"interval={interval!r} is not known; expected one of {known}."
        raise ModelError(msg)
    if not bootstrapped:
        return estimator.fit(table).population
    from mse.resampling import bootstrap

    return bootstrap(
        estimator,
        table,
        replicates,
        interval=interval or "percentile",  # type: ignore[arg-type]
        seed=seed,
        n_jobs=n_jobs,
        progress=progress,
    )


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Drawn):
    """Several estimators fitted to one table, side by side.

    Attributes
    ----------
    table : CaptureTable
        The table.
    fits : tuple of Fit
        One fit an estimator, in the order in which they were given.
    """

    table: CaptureTable
    fits: tuple[Fit, ...]

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
            Indexed by the estimators' ``repr``; columns ``method``, ``model``, ``observed``,
            ``hidden``, ``total``, ``low``, ``high``, ``interval_kind``, ``given``, ``status``,
            ``limit``, ``reason``, then ``n_parameters``, ``deviance``, ``aic`` and ``bic`` of the
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
        ]
        frame = pd.concat([each.to_frame(level) for each in self.populations])
        frame.index = pd.Index([repr(fit.estimator) for fit in self.fits], name="estimator")
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
        return as_text(comparison_sections(self, level))

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        names = ", ".join(repr(fit.estimator) for fit in self.fits)
        return f"<Comparison of {len(self.fits)} estimators: {names}>"

    def _repr_html_(self) -> str:
        return as_html(comparison_sections(self, DEFAULT_LEVEL))


def compare(table: CaptureTable, estimators: Iterable[Estimator]) -> Comparison:
    """Fit several estimators to one table.

    Parameters
    ----------
    table : CaptureTable
        The table.
    estimators : iterable of Estimator
        At least one. What the data do not determine is a row with a status; an estimator that is
        not meant for such a table is an error.

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
    >>> c = mse.compare(table, [mse.LincolnPetersen(), mse.Chapman()])
    >>> c.to_frame()["total"].round(1).tolist()
    [30.0, 28.3]
    """
    chosen = _check_estimators(estimators)
    fits = []
    for estimator in chosen:
        try:
            fits.append(estimator.fit(table))
        except ModelError as error:
            msg = f"{estimator!r} cannot be asked of this table. {error}"
            raise ModelError(msg) from error
    return Comparison(table, tuple(fits))


def _check_estimators(estimators: object) -> tuple[Estimator, ...]:
    if not isinstance(estimators, Iterable):
        msg = f"Expected a list of estimators, got {estimators!r}."
        raise ModelError(msg)
    chosen = tuple(estimators)
    wrong = [each for each in chosen if isinstance(each, type) or not isinstance(each, Estimator)]
    if wrong:
        msg = (
            f"{wrong[0]!r} is not an estimator; expected objects with a fit method, such as "
            "mse.Chapman() (with the parentheses)."
        )
        raise ModelError(msg)
    if not chosen:
        msg = 'There is nothing to compare: give at least one estimator, LogLinear("main") say.'
        raise ModelError(msg)
    return chosen
