"""What a report is made from: the results that were given, sorted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from mse._result import Result
from mse.diagnostics import CheckResult, GoodnessOfFit, Influence, Overlaps, Residuals
from mse.errors import ModelError
from mse.estimators import Comparison
from mse.intervals import StoredIntervals
from mse.monitoring import Monitor
from mse.population import PopulationEstimate
from mse.sensitivity import HighestOrder, LeaveOneOut, MergedLists, NearModels, OddsRatio
from mse.table import CaptureTable
from mse.validation import Validation

if TYPE_CHECKING:
    from mse.estimators import Fit
    from mse.intervals import IntervalMethod
    from mse.table import TableInfo

__all__ = ["Estimated", "Evidence", "Group", "Reportable", "gather"]

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
