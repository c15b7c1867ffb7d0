"""What every part of a report needs: the results, the language, the rules of disclosure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mse.answer.intervals import StoredIntervals
from mse.answer.population import PopulationEstimate
from mse.answer.shown import Result
from mse.comparing import Comparison
from mse.data.table import CaptureTable
from mse.diagnostics import CheckResult, GoodnessOfFit, Influence, Overlaps, Residuals
from mse.errors import ModelError
from mse.monitoring import Monitor
from mse.sensitivity import HighestOrder, LeaveOneOut, MergedLists, NearModels, OddsRatio
from mse.validation import Validation
from mse.words.content import Cell, Inline, Text, inline
from mse.words.estimates import drew_registered_only

if TYPE_CHECKING:
    from mse._typing import FloatArray, Level
    from mse.answer.intervals import IntervalMethod
    from mse.answer.protocols import Fit
    from mse.data.patterns import TableInfo
    from mse.disclosure import Rules
    from mse.words.catalogue import Language, Sentences


@dataclass(frozen=True, eq=False)
class Context:
    """Results and how to speak of them.

    Attributes
    ----------
    given : Evidence
        The results, protected.
    counts : tuple of Counts
        What may be shown of the tables, in the order of ``given.tables``.
    say : Language
        Messages and numbers.
    sentences : Sentences
        What the layers below say, in this language.
    rules : Rules
        Of disclosure; `given` follows them where it can.
    level : float
        Level of the intervals.
    pictures : bool
        Whether figures are drawn.
    """

    given: Evidence
    counts: tuple[Counts, ...]
    say: Language
    sentences: Sentences
    rules: Rules
    level: float
    pictures: bool = True

    @property
    def hides(self) -> bool:
        """Whether counts are suppressed or rounded, so that nothing may leave that gives them away."""
        return self.rules.active

    @property
    def interval_heading(self) -> str:
        """Heading of a column of intervals of the total."""
        return self.say("column.total_interval", level=self.say.level(self.level))

    # Numbers of persons that the layers below did not protect --------------------------------------

    def persons(self, value: float) -> float:
        """Round an estimated number of persons as the rules ask."""
        return self.rules.rounded(value) if self.rules.base > 1 else value

    def counted(self, value: float) -> str:
        """Write a count, with a mark where it is suppressed."""
        return self.say("disclosure.mark") if math.isnan(value) else self.say.number(value)

    def observed_cell(self, value: float) -> Cell:
        """Make a cell with a count, with a mark where it is suppressed."""
        if math.isnan(value):
            return Cell(self.say("disclosure.mark"))
        return self.say.count_cell(int(value))

    def span_cell(self, low: float, high: float) -> Cell:
        """Make a cell with an interval of persons, rounded."""
        return self.say.span_cell(self.persons(low), self.persons(high))

    def count_cell(self, value: float) -> Cell:
        """Make a cell with an estimated number of persons, rounded."""
        return self.say.count_cell(self.persons(value))

    # Words ------------------------------------------------------------------------------------------

    def translated(self, text: str) -> Inline:
        """Say a text of the layers below in the language of the report, or mark it."""
        return inline(self.sentences.say(text))

    def bounded(self, population: PopulationEstimate, text: str, *, most: bool = False) -> str:
        """Write "at least" before a figure of a lower bound, "at most" before one that falls as it rises."""
        key = "number.most" if most else "number.least"
        return self.say(key, value=text) if population.lower_bound else text

    def bounded_cell(
        self, population: PopulationEstimate, cell: Cell, *, most: bool = False
    ) -> Cell:
        """Write the same into a cell; its value for machines stays."""
        return replace(cell, text=self.bounded(population, cell.text, most=most))

    def cell_of(self, text: str) -> Cell:
        """Make a cell of a text of the layers below."""
        said = self.sentences.say(text)
        return Cell(said.text, text or None, said.language)

    def described(self, text: str, info: TableInfo) -> Text:
        """Give what somebody wrote about a table; texts of bundled tables are English."""
        from mse.data.datasets import list_datasets

        said = self.sentences.name(text)
        if not any(each.isalpha() for each in text):
            return Text(text)
        ours = info.name.endswith("(synthetic)") or info.name in set(list_datasets()["name"])
        if said.text == text and ours:
            return self.sentences.say(text)
        return said

    def subject(self, info: TableInfo) -> Inline:
        """Name the population and the period."""
        subject: str | Text = self.say("question.anybody")
        if info.population:
            subject = self.described(info.population, info)
        if not info.period:
            return inline(subject)
        return inline(subject, ", ", self.described(info.period, info))

    def method_name(self, population: PopulationEstimate) -> str:
        """Name the method where no language can be marked: with its code, if it is another one."""
        return self.named(population.method)

    def named(self, text: str) -> str:
        """Say a text where no language can be marked: with its code, if it is another one."""
        said = self.sentences.say(text)
        return f"{said.text} [{said.language}]" if said.language else said.text

    def method(self, population: PopulationEstimate) -> Inline:
        """Name the method, and the model where there is one."""
        said = self.sentences.say(population.method)
        return inline(said, f" {population.model}" if population.model else "")

    def kind(self, population: PopulationEstimate, *, brief: bool = False) -> str:
        """Name the kind of interval, and unless it is to be brief what it takes for granted."""
        kind = population.interval_kind
        if not kind:
            return self.say("number.no_interval")
        return self.kind_named(kind, "" if brief else population.interval_given)

    def kind_named(self, kind: str, given: str) -> str:
        """Write a kind of interval, and what it takes for granted where that is to be said."""
        parts = [self.say(f"kind.{kind}") if self.say.has(f"kind.{kind}") else kind]
        return ", ".join([*parts, self.given_named(given)] if given else parts)

    def given_named(self, given: str) -> str:
        """Say in short what an interval takes for granted."""
        key = f"given_short.{_key(given)}"
        return self.say(key) if self.say.has(key) else given

    def conditions(self, population: PopulationEstimate) -> Inline:
        """Say what the interval takes for granted."""
        given = population.interval_given
        if math.isnan(population.interval(self.level)[0]):
            return ()
        if not given:
            credible = population.interval_kind == "credible"
            return inline(self.say("given.posterior")) if credible else ()
        key = f"given.{_key(given)}"
        if self.say.has(key):
            fixed = f" {self.say('given.n_fixed')}" if drew_registered_only(population) else ""
            return inline(self.say(key) + fixed)
        return self.say.rich("given.other", given=self.sentences.say(given))

    def status(self, population: PopulationEstimate) -> str:
        """Name the status."""
        return self.say(f"status.{population.status}")


def _key(given: str) -> str:
    """Key of what an interval takes for granted."""
    return given.replace(" ", "_")


# Counts of a table as a report shows them: suppressed ones are NaN --------------------------------


@dataclass(frozen=True, eq=False)
class Counts:
    """What may be shown of a table.

    Attributes
    ----------
    lists : tuple of str
        Names of the lists.
    covariates : mapping of str to tuple
        Levels of the covariates.
    info : TableInfo
        What the table is about.
    observed : float
        Persons on at least one list.
    sizes : mapping of str to float
        Persons on each list; NaN where suppressed.
    overlaps : float64 array (K, K) or None
        Persons on both lists of each pair, NaN where suppressed; None where they are not known.
    alone : mapping of str to float
        Persons on each list and no other; empty where they are not known or may not be shown.
    by_number : mapping of int to int
        Persons by the number of lists they are on; empty as `alone`.
    n_cells : int
        Cells of the table.
    is_complete : bool
        Whether everything is exactly known.
    fingerprint : str
        Of the counts; empty where it may not be shown.
    table : CaptureTable or None
        The table, for figures; None where its counts may not be shown.
    suppressed, shown : int
        How many counts are not shown, of how many there is a place for.
    """

    lists: tuple[str, ...]
    covariates: Mapping[str, tuple[Level, ...]]
    info: TableInfo
    observed: float
    sizes: Mapping[str, float]
    overlaps: FloatArray | None
    alone: Mapping[str, float]
    by_number: Mapping[int, int]
    n_cells: int
    is_complete: bool
    fingerprint: str
    table: CaptureTable | None
    suppressed: int = 0
    shown: int = 0

    def both(self, first: str, second: str) -> float:
        """Persons on both of two lists; NaN where suppressed."""
        if self.overlaps is None:
            return math.nan
        return float(self.overlaps[self.lists.index(first), self.lists.index(second)])


def counts_of(table: CaptureTable) -> Counts:
    """Take the counts of a table, all of them."""
    overlaps = table.overlaps().to_numpy(dtype=np.float64, na_value=np.nan)
    on = table.patterns[:, : table.n_lists] == 1
    number = on.sum(axis=1)
    alone: dict[str, float] = {}
    by_number: dict[int, int] = {}
    if table.is_complete:
        persons = np.bincount(number, weights=table.low, minlength=table.n_lists + 1)
        by_number = {i: int(count) for i, count in enumerate(persons) if i}
        single = on[number == 1].T @ table.low[number == 1]
        alone = dict(zip(table.lists, single.astype(float).tolist(), strict=True))
    return Counts(
        lists=table.lists,
        covariates=table.covariates,
        info=table.info,
        observed=float(table.n_observed),
        sizes=dict(zip(table.lists, np.diag(overlaps).tolist(), strict=True)),
        overlaps=None if table.margins is not None else overlaps,
        alone=alone,
        by_number=by_number,
        n_cells=table.n_cells,
        is_complete=table.is_complete,
        fingerprint=table.fingerprint,
        table=table,
    )


# What a report is made from: the results that were given, sorted ----------------------------------

_DIAGNOSTICS = (GoodnessOfFit, Residuals, Influence)
_SENSITIVITIES = (LeaveOneOut, MergedLists, HighestOrder, OddsRatio, NearModels)

#: What `write_report` takes: a result, or an iterable or mapping of them.
Reportable: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class Estimated:
    """An estimate, and the fit that it came from where that is known."""

    population: PopulationEstimate
    fit: Fit | None = None

    @property
    def table(self) -> CaptureTable | None:
        """The table, where the fit is known."""
        return None if self.fit is None else self.fit.table

    @property
    def estimator(self) -> str:
        """The estimator with its settings, as text."""
        if self.fit is not None:
            return repr(self.fit.estimator)
        return str(self.population.provenance.get("estimator", ""))

    @property
    def fingerprint(self) -> str:
        """What tells tables apart; empty where nothing is known of the table."""
        if self.fit is not None:
            return self.fit.table.fingerprint
        return str(self.population.provenance.get("table", ""))

    @property
    def is_given(self) -> bool:
        """Whether there is a number."""
        return self.population.status in ("ok", "boundary")


@dataclass(frozen=True, eq=False)
class Remembered:
    """Intervals that are computed once: a report asks for the same one many times.

    Attributes
    ----------
    method : IntervalMethod
        What computes them.
    """

    method: IntervalMethod
    _known: dict[float, tuple[float, float]] = field(default_factory=dict, repr=False)

    @property
    def kind(self) -> str:
        """As of the method."""
        return self.method.kind

    @property
    def given(self) -> str:
        """As of the method."""
        return self.method.given

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the ends, or recall them."""
        if level not in self._known:
            self._known[level] = self.method.interval(level)
        return self._known[level]


def _remembering(each: Estimated) -> Estimated:
    population = each.population
    # Stored intervals are known already, and those that were protected are of a kind of their own.
    if population.uncertainty is None or isinstance(population.uncertainty, StoredIntervals):
        return each
    return Estimated(replace(population, uncertainty=Remembered(population.uncertainty)), each.fit)


@dataclass(frozen=True, eq=False)
class Group:
    """Estimates from one table; the first is the one reported, the others stand beside it."""

    estimates: tuple[Estimated, ...]
    table: CaptureTable | None = None

    @property
    def first(self) -> Estimated:
        """The estimate that is reported."""
        return self.estimates[0]

    @property
    def population(self) -> PopulationEstimate:
        """The answer that is reported."""
        return self.first.population

    @property
    def info(self) -> TableInfo:
        """What the table is about."""
        return self.population.info

    @property
    def fit(self) -> Fit | None:
        """The fit of the estimate that is reported, or of the same estimator without a bootstrap."""
        if self.first.fit is not None:
            return self.first.fit
        fits = (each.fit for each in self.estimates[1:] if each.estimator == self.first.estimator)
        return next((fit for fit in fits if fit is not None), None)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Results by kind, each kind in the order in which it was given."""

    groups: tuple[Group, ...] = ()
    tables: tuple[CaptureTable, ...] = ()
    monitors: tuple[Monitor, ...] = ()
    validations: tuple[Validation, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    overlaps: tuple[Overlaps, ...] = ()
    diagnostics: tuple[Result, ...] = ()
    sensitivities: tuple[Result, ...] = ()
    others: tuple[Result, ...] = ()

    @property
    def estimates(self) -> tuple[Estimated, ...]:
        """All estimates, those behind a monitor last."""
        joint = (Estimated(each.population) for each in self.monitors)
        return (*(each for group in self.groups for each in group.estimates), *joint)

    @property
    def populations(self) -> tuple[PopulationEstimate, ...]:
        """All answers."""
        return tuple(each.population for each in self.estimates)

    @property
    def info(self) -> TableInfo | None:
        """What the report is about: the table of the first result."""
        infos = [each.info for each in self.populations] + [each.info for each in self.tables]
        return infos[0] if infos else None

    @property
    def lists(self) -> tuple[str, ...]:
        """Names of the lists of the first result."""
        named = [each.lists for each in self.populations] + [each.lists for each in self.tables]
        return named[0] if named else ()


@dataclass
class _Found:
    """Results while they are being sorted."""

    estimates: list[Estimated] = field(default_factory=list)
    tables: list[CaptureTable] = field(default_factory=list)
    monitors: list[Monitor] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    overlaps: list[Overlaps] = field(default_factory=list)
    diagnostics: list[Result] = field(default_factory=list)
    sensitivities: list[Result] = field(default_factory=list)
    others: list[Result] = field(default_factory=list)

    def add(self, result: object) -> None:
        """Put a result where it belongs."""
        match result:
            case PopulationEstimate():
                self.estimates.append(Estimated(result))
            case CaptureTable():
                self.tables.append(result)
            case Comparison():
                self.estimates += [Estimated(fit.population, fit) for fit in result.fits]
            case Monitor():
                self.monitors.append(result)
            case Validation():
                self.validations.append(result)
                self.tables.append(result.table)
            case CheckResult():
                self.checks.append(result)
            case _:
                self._add_further(result)

    def _add_further(self, result: object) -> None:
        if _is_fit(result):
            self.estimates.append(Estimated(result.population, result))  # type: ignore[attr-defined,arg-type]
        elif isinstance(result, Overlaps):
            self.overlaps.append(result)
            self.tables.append(result.table)
        elif isinstance(result, _DIAGNOSTICS):
            self.diagnostics.append(result)
        elif isinstance(result, _SENSITIVITIES):
            self.sensitivities.append(result)
        elif isinstance(result, Result):
            self.others.append(result)
        else:
            self._add_all(result)

    def _add_all(self, results: object) -> None:
        if isinstance(results, Mapping):
            results = results.values()
        if isinstance(results, str | bytes) or not isinstance(results, Iterable):
            raise ModelError(
                f"A report cannot be made from {results!r}; expected a fit, a PopulationEstimate, a "
                "Comparison, a Monitor, a Validation, results of mse.sensitivity or mse.diagnostics, "
                "a CaptureTable, or several of these in a list."
            )
        for each in results:
            self.add(each)


def _is_fit(result: object) -> bool:
    """Whether it has what all fits have; asked of the class, so that nothing is computed."""
    names = {*dir(type(result)), *getattr(result, "__dataclass_fields__", ())}
    return {"estimator", "table", "population", "status"} <= names


def gather(results: Reportable) -> Evidence:
    """Sort what a report is to be made from.

    Parameters
    ----------
    results : result, or iterable or mapping of results
        Nested as they come, such as the tuple that `mse.diagnostics.check` gives.

    Raises
    ------
    ModelError
        If one of them is nothing that a report can hold, or there is none.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("main").fit(mse.load_dataset("korea"))
    >>> len(gather([fit, mse.sensitivity.highest_order(fit)]).sensitivities)
    1
    """
    found = _Found()
    found.add(results)
    estimates = _distinct(found.estimates)
    tables = [each.table for each in estimates if each.table is not None]
    evidence = Evidence(
        groups=_grouped(estimates, [*tables, *found.tables]),
        tables=tuple(dict.fromkeys([*tables, *found.tables])),
        monitors=tuple(found.monitors),
        validations=tuple(found.validations),
        checks=tuple(found.checks),
        overlaps=tuple(found.overlaps),
        diagnostics=tuple(found.diagnostics),
        sensitivities=tuple(found.sensitivities),
        others=tuple(found.others),
    )
    if not any(getattr(evidence, name) for name in evidence.__dataclass_fields__):
        raise ModelError("There is nothing to report: no result was given.")
    return evidence


def _distinct(estimates: Iterable[Estimated]) -> list[Estimated]:
    """Drop what was given twice, a fit by itself and in a comparison for instance."""
    seen: dict[int, Estimated] = {}
    for each in estimates:
        seen.setdefault(id(each.population if each.fit is None else each.fit), each)
    return list(seen.values())


def _grouped(estimates: Iterable[Estimated], tables: Iterable[CaptureTable]) -> tuple[Group, ...]:
    """Put together the estimates from one table."""
    known = {each.fingerprint: each for each in reversed(list(tables))}
    groups: dict[Any, list[Estimated]] = {}
    for each in estimates:
        # Nothing may be known of the table of an estimate that was read from JSON.
        groups.setdefault(
            each.fingerprint or (each.population.info, each.population.observed), []
        ).append(each)
    return tuple(
        Group(tuple(map(_remembering, members)), known.get(key) if isinstance(key, str) else None)
        for key, members in groups.items()
    )
