"""What every part of a report needs: the results, the language, the rules of disclosure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from mse.answer.intervals import StoredIntervals
from mse.answer.population import PopulationEstimate
from mse.answer.shown import Result
from mse.bounding import Bounds, TippingPoints, WhatIf
from mse.comparing import Comparison
from mse.data.count_table import CountTable
from mse.data.datasets import list_datasets
from mse.data.persons import PersonTable
from mse.data.table import CaptureTable
from mse.diagnostics import CheckResult, GoodnessOfFit, Influence, Overlaps, Residuals
from mse.disclosure.jointly import magnitude
from mse.driving import Drivers
from mse.errors import ModelError
from mse.leaning import smallest_overlap
from mse.messages import MARK, Message
from mse.monitoring import Monitor
from mse.reaching import Reach
from mse.sensitivity import HighestOrder, LeaveOneOut, MergedLists, NearModels, OddsRatio
from mse.since import Since
from mse.validation import Validation
from mse.words.catalogue import EXACT
from mse.words.content import (
    Block,
    Cell,
    Column,
    Inline,
    Paragraph,
    Section,
    Table,
    Text,
    inline,
)
from mse.words.estimates import at_length, dependence_in_words, drew_registered_only

if TYPE_CHECKING:
    from mse._typing import FloatArray, Level
    from mse.answer.intervals import IntervalMethod
    from mse.answer.protocols import Fit
    from mse.answer.rounding import Grid
    from mse.data.patterns import TableInfo
    from mse.disclosure import Rules
    from mse.words.catalogue import Language
    from mse.words.content import Role

#: A row of a frame of results.
Row: TypeAlias = Mapping[Any, Any]
#: A column of a table, and what makes a cell of it from a row.
Shown: TypeAlias = "tuple[Column, Callable[[Any], Cell]]"


@dataclass(frozen=True, eq=False)
class Context:
    """Results and how to speak of them: `given` is protected, as far as the rules can be followed there."""

    given: Evidence
    #: What may be shown of the tables, in the order of ``given.tables``.
    counts: tuple[Counts, ...]
    say: Language
    rules: Rules
    #: Level of the intervals.
    level: float
    #: Whether figures are drawn.
    pictures: bool = True

    @property
    def hides(self) -> bool:
        """Whether counts are suppressed or rounded, so that nothing may leave that gives them away."""
        return self.rules.active

    @cached_property
    def has_small_overlaps(self) -> bool:
        """Whether scenarios and tests may lean on fewer persons than may be shown."""
        tables = [*self.given.tables, *(group.table for group in self.given.groups)]
        known = [each for each in tables if each is not None]
        return self.rules.suppresses and not (
            known and all(smallest_overlap(each) >= self.rules.threshold for each in known)
        )

    def factor(self, factor: float) -> float:
        """Round a factor: to an order of magnitude where each further one would be an equation between counts."""
        return magnitude(factor) if self.rules.suppresses else round(factor, 2)

    # Blocks ---------------------------------------------------------------------------------------

    def paragraph(self, key: str, role: Role = "", **fields: Any) -> Paragraph:
        """Make a paragraph of one text."""
        return Paragraph(inline(self.say(key, **fields)), role)

    def left_out(self, key: str, **fields: Any) -> Block:
        """Say that something is left out under the rules of disclosure."""
        return self.paragraph("disclosure.left_out", "note", what=self.say(key, **fields))

    def figures(self, key: str, cell: Callable[[Any], Cell], **fields: Any) -> Shown:
        """Make a column of figures."""
        return Column(self.say(f"column.{key}", **fields), figures=True), cell

    def words(self, key: str, cell: Callable[[Any], Cell], **fields: Any) -> Shown:
        """Make a column of words."""
        return Column(self.say(f"column.{key}", **fields)), cell

    def named_columns(self, names: Iterable[object]) -> list[Shown]:
        """Make columns of the parts of a row that name it, such as levels of covariates."""
        return [(Column(str(name)), from_row(name)) for name in names]

    def intervals(self, key: str = "total_interval", level: float | None = None) -> Shown:
        """Make a column of intervals of the total, from rows with ``low`` and ``high``."""
        said = self.say.level(self.level if level is None else level)
        return self.figures(key, self._row_span, level=said)

    def status_column(self) -> Shown:
        """Make a column of the status, from rows that have it."""
        return self.words("status", lambda row: self.say.status_cell(row["status"]))

    def by_table(
        self,
        name: str,
        infos: Iterable[TableInfo],
        parts: Iterable[tuple[Iterable[Block], Iterable[Section]]],
        more: tuple[Block, ...] = (),
    ) -> Section:
        """Make a section with a part for each table; of one table the part is the section."""
        heading = self.say(f"heading.{name}")
        made = [
            Section(f"{name}-{i}", self.name_of(info, i), tuple(blocks), tuple(sections))
            for i, (info, (blocks, sections)) in enumerate(zip(infos, parts, strict=True), start=1)
        ]
        if len(made) == 1:
            return Section(name, heading, (*made[0].blocks, *more), made[0].sections)
        return Section(name, heading, more, tuple(made))

    def table(
        self,
        caption: str,
        columns: Iterable[Shown],
        rows: pd.DataFrame | Iterable[Any],
        notes: Iterable[str] = (),
    ) -> Table:
        """Make a table, a cell of each row for each column."""
        made = tuple(columns)
        each = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else rows
        cells = tuple(tuple(cell(row) for _, cell in made) for row in each)
        return Table(caption, tuple(column for column, _ in made), cells, tuple(notes))

    def rest(self, rows: Any, most: int, key: str = "table.more_rows") -> tuple[str, ...]:
        """Say how many rows are not shown, if there are more than are."""
        return (self.say(key, n=len(rows) - most),) if len(rows) > most else ()

    def marked(self, *, suppressed: bool) -> tuple[str, ...]:
        """Say what the mark of a suppressed figure means, where there is one."""
        return (self.say("disclosure.marked"),) if suppressed else ()

    # Numbers of persons that the layers below did not protect --------------------------------------

    def persons(self, value: float) -> float:
        """Round an estimated number of persons as the rules ask."""
        return self.rules.rounded(value) if self.rules.base > 1 else value

    def counted(self, value: float) -> str:
        """Write a count, with a mark where it is suppressed."""
        return MARK if math.isnan(value) else self.say.number(value)

    def observed_cell(self, value: Any) -> Cell:
        """Make a cell with a count, with a mark where it is suppressed."""
        return Cell(MARK) if pd.isna(value) else self.say.count_cell(int(value))

    def span_cell(self, low: float, high: float) -> Cell:
        """Make a cell with an interval of persons, rounded."""
        return self.say.span_cell(self.persons(low), self.persons(high))

    def _row_span(self, row: Row) -> Cell:
        ends = self.persons(row["low"]), self.persons(row["high"])
        return self.say.span_cell(*ends, row.get("observed", 0.0))

    def count_cell(self, value: float, grid: Grid = EXACT) -> Cell:
        """Make a cell with an estimated number of persons, rounded."""
        return self.say.count_cell(self.persons(value), grid)

    def grid(self, population: PopulationEstimate | None = None) -> Grid:
        """Take what totals are rounded to by the interval of an estimate, by default the first one."""
        found = next(iter(self.given.populations), None) if population is None else population
        if found is None or not self.say.rounds:
            return EXACT
        return self.say.grid(*found.interval(self.level), found.observed)

    def grid_of(self, row: Row, *, hidden: bool = False) -> Grid:
        """Take the same from a row with ``low``, ``high`` and perhaps ``observed``."""
        if not self.say.rounds:
            # Under rules a row may hold none of them.
            return EXACT
        least = row.get("observed", 0.0)
        if pd.isna(least):
            return EXACT
        if hidden:
            return self.say.grid(row["low"] - least, row["high"] - least)
        return self.say.grid(row["low"], row["high"], least)

    def range(self, low: float, high: float) -> str:
        """Write how far totals without intervals reach, by what the interval of the answer bears."""
        low, high = self.grid().ends(low, high)
        return self.say("number.span", low=self.say.number(low), high=self.say.number(high))

    # Words ------------------------------------------------------------------------------------------

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
        """Make a cell of what a result says."""
        said = self.say.said(text)
        return Cell(said.text, text or None, said.language)

    def described(self, text: str, info: TableInfo) -> Text:
        """Give what somebody wrote about a table; only texts of bundled tables are known to be English."""
        said = self.say.said(text)
        ours = info.name.endswith("(synthetic)") or info.name in set(list_datasets()["name"])
        known = not said.language or (ours and any(each.isalpha() for each in text))
        return said if known else Text(text)

    def subject(self, info: TableInfo) -> Inline:
        """Name the population and the period."""
        subject: str | Text = self.say("question.anybody")
        if info.population:
            subject = self.described(info.population, info)
        if not info.period:
            return inline(subject)
        return inline(subject, ", ", self.described(info.period, info))

    def name_of(self, info: TableInfo, i: int) -> str:
        """Tell one of several tables from the others."""
        return info.scope or info.name or self.say("question.table", n=i)

    def named(self, text: str) -> str:
        """Say a text where no language can be marked: with its code, if it is another one."""
        said = self.say.said(text)
        return f"{said.text} [{said.language}]" if said.language else said.text

    def method(self, population: PopulationEstimate) -> Inline:
        """Name the method, and the model where there is one."""
        model = f" {population.model}" if population.model else ""
        return inline(self.say.said(population.method), model)

    def short(self, population: PopulationEstimate) -> str:
        """Name the method in a few words."""
        said = Message.known(population.method)
        name = said.key.partition(".")[2] if isinstance(said, Message) else ""
        if name == "log_linear":
            name = _kind_of_model(population.model, len(population.lists))
        if not self.say.has(f"short.{name}"):
            return self.named(population.method)
        fields = said.fields if isinstance(said, Message) else {}
        return self.say(f"short.{name}", **{**fields, "model": population.model})

    def modeled(self, population: PopulationEstimate, model: str | None = None) -> str:
        """Say which lists a model lets depend on each other, by their names."""
        model = population.model if model is None else model
        if _kind_of_model(model, len(population.lists)) == "all_pairs":
            return self.say("short.all_pairs")
        return self.say.said(dependence_in_words(model, population.lists)).text or model

    def kind(self, population: PopulationEstimate, *, brief: bool = False) -> str:
        """Name the kind of interval, and unless it is to be brief what it takes for granted."""
        kind = population.interval_kind
        if not kind:
            return self.say("number.no_interval")
        return self.kind_named(kind, "" if brief else population.interval_given)

    def kind_named(self, kind: str, given: str) -> str:
        """Write a kind of interval, and what it takes for granted where that is to be said."""
        said = self.say.kind(kind)
        if not given:
            return said
        short = at_length(given).replace("conditions.", "given_short.")
        granted = self.say(short) if self.say.has(short) else self.say.said(given).text
        return f"{said}, {granted}"

    def conditions(self, population: PopulationEstimate) -> Inline:
        """Say what the interval takes for granted, or both of them."""
        said = self._conditions_of(population)
        if population.allowing is None or not said:
            return said
        return (
            *said,
            *inline(f" {self.say('conditions.alike')} "),
            *self._conditions_of(population.alike),
        )

    def _conditions_of(self, population: PopulationEstimate) -> Inline:
        given = population.interval_given
        if math.isnan(population.interval(self.level)[0]):
            return ()
        if not given:
            credible = population.interval_kind == "credible"
            return inline(self.say("conditions.posterior")) if credible else ()
        key = at_length(given)
        if self.say.has(key):
            fixed = f" {self.say('conditions.n_fixed')}" if drew_registered_only(population) else ""
            return inline(self.say(key) + fixed)
        return self.say.rich("conditions.other", given=self.say.said(given))


def _kind_of_model(model: str, n_lists: int) -> str:
    """Tell independence, all pairs and other models in bracket notation apart."""
    parts = model.strip("[]").split(",")
    if set(map(len, parts)) == {1}:
        return "independent"
    pairs = n_lists * (n_lists - 1) // 2
    return "all_pairs" if n_lists > 2 and [*map(len, parts)] == [2] * pairs else "log_linear"


def label(value: object) -> Cell:
    """Make a cell of a name or a level."""
    return Cell(str(value), str(value))


def from_row(name: Any, make: Callable[[Any], Cell] = label) -> Callable[[Any], Cell]:
    """Make cells of what rows hold under a name."""
    return lambda row: make(row[name])


# Counts of a table as a report shows them: suppressed ones are NaN --------------------------------


@dataclass(frozen=True, eq=False)
class Counts:
    """What may be shown of a table: counts that are suppressed are NaN, those not known are missing."""

    lists: tuple[str, ...]
    covariates: Mapping[str, tuple[Level, ...]]
    info: TableInfo
    #: Persons on at least one list, and on each of them.
    observed: float
    sizes: Mapping[str, float]
    #: Persons on both lists of each pair, (K, K).
    overlaps: FloatArray | None
    #: Persons on each list and no other, and by the number of lists they are on.
    alone: Mapping[str, float]
    by_number: Mapping[int, int]
    n_cells: int
    is_complete: bool
    #: Empty where it may not be shown.
    fingerprint: str
    #: For figures; None where its counts may not be shown.
    table: CaptureTable | None
    #: How many counts are not shown, of how many there is a place for.
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

#: Where results of a kind belong, in `Evidence`.
_PLACES: dict[str, tuple[type, ...]] = {
    "monitors": (Monitor,),
    "since": (Since,),
    "drivers": (Drivers,),
    "reached": (Reach,),
    "validations": (Validation,),
    "checks": (CheckResult,),
    "overlaps": (Overlaps,),
    "diagnostics": (GoodnessOfFit, Residuals, Influence),
    "sensitivities": (
        LeaveOneOut,
        MergedLists,
        HighestOrder,
        OddsRatio,
        NearModels,
        Bounds,
        TippingPoints,
    ),
    "what_ifs": (WhatIf,),
    "others": (Result,),
}

#: What `write_report` takes: a result, or an iterable or mapping of them.
Reportable: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class Estimated:
    """An estimate, and the fit that it came from where that is known."""

    population: PopulationEstimate
    fit: Fit | None = None

    @cached_property
    def table(self) -> CaptureTable | None:
        """The table, where the fit is known; of persons with covariates of their own their lists."""
        table: Any = None if self.fit is None else self.fit.table
        return table.counted() if isinstance(table, PersonTable) else table

    @property
    def estimator(self) -> str:
        """The estimator with its settings, as text."""
        if self.fit is not None:
            return repr(self.fit.estimator)
        return str(self.population.provenance.get("estimator", ""))

    @property
    def fingerprint(self) -> str:
        """What tells tables apart; empty where nothing is known of the table."""
        if self.table is not None:
            return self.table.fingerprint
        return str(self.population.provenance.get("table", ""))

    @property
    def is_given(self) -> bool:
        """Whether there is a number."""
        return self.population.status in ("ok", "boundary")


@dataclass(frozen=True, eq=False)
class Remembered:
    """Intervals that are computed once: a report asks for the same one many times."""

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
    #: Of one register, what rules of disclosure need: nothing of it is shown.
    counts: CountTable | None = None

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
    since: tuple[Since, ...] = ()
    drivers: tuple[Drivers, ...] = ()
    reached: tuple[Reach, ...] = ()
    what_ifs: tuple[WhatIf, ...] = ()
    others: tuple[Result, ...] = ()

    @property
    def estimates(self) -> tuple[Estimated, ...]:
        """All estimates, those behind a monitor last."""
        joint = (Estimated(each.population) for each in self.monitors)
        return (*(each for group in self.groups for each in group.estimates), *joint)

    @property
    def answers(self) -> tuple[PopulationEstimate | Monitor, ...]:
        """All results that have estimates."""
        return (
            *(each.population for group in self.groups for each in group.estimates),
            *self.monitors,
        )

    @property
    def populations(self) -> tuple[PopulationEstimate, ...]:
        """All estimates, without their fits."""
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


def _sort(result: Any, found: dict[str, list[Any]]) -> None:
    """Put a result where it belongs, several one by one."""
    place = next((name for name, kinds in _PLACES.items() if isinstance(result, kinds)), "")
    if place:
        found[place].append(result)
        if place in ("validations", "overlaps"):
            found["tables"].append(result.table)
    elif isinstance(result, PopulationEstimate):
        found["estimates"].append(Estimated(result))
    elif isinstance(result, CaptureTable):
        found["tables"].append(result)
    elif isinstance(result, Comparison):
        found["estimates"] += [Estimated(fit.population, fit) for fit in result.fits]
    elif _is_fit(result):
        found["estimates"].append(Estimated(result.population, result))
    else:
        _sort_all(result, found)


def _sort_all(results: Any, found: dict[str, list[Any]]) -> None:
    if isinstance(results, Mapping):
        results = results.values()
    if isinstance(results, str | bytes) or not isinstance(results, Iterable):
        raise ModelError(
            f"A report cannot be made from {results!r}; expected a fit, a PopulationEstimate, a "
            "Comparison, a Monitor, a Validation, results of mse.sensitivity or mse.diagnostics, "
            "a CaptureTable, or several of these in a list."
        )
    for each in results:
        _sort(each, found)


def _is_fit(result: object) -> bool:
    """Whether it has what all fits have; asked of the class, so that nothing is computed."""
    names = {*dir(type(result)), *getattr(result, "__dataclass_fields__", ())}
    return {"estimator", "table", "population", "status"} <= names


def gather(results: Reportable) -> Evidence:
    """Sort what a report is to be made from, results nested as they come.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("main").fit(mse.load_dataset("korea"))
    >>> len(gather([fit, mse.sensitivity.highest_order(fit)]).sensitivities)
    1
    """
    found: dict[str, list[Any]] = defaultdict(list)
    _sort(results, found)
    estimates = _distinct(found["estimates"])
    # What a report shows of tables are lists and overlaps; of one register its estimates are all.
    held = [*(each.table for each in estimates), *found["tables"]]
    tables = [each for each in held if isinstance(each, CaptureTable)]
    evidence = Evidence(
        groups=_grouped(estimates, held),
        tables=tuple(dict.fromkeys(tables)),
        **{name: tuple(found[name]) for name in _PLACES},
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


def _grouped(estimates: Iterable[Estimated], tables: Iterable[Any]) -> tuple[Group, ...]:
    """Put together the estimates from one table."""
    known = {
        each.fingerprint: each
        for each in reversed(list(tables))
        if isinstance(each, CaptureTable | CountTable)
    }
    groups: dict[Any, list[Estimated]] = {}
    for each in estimates:
        # Nothing may be known of the table of an estimate that was read from JSON.
        groups.setdefault(
            each.fingerprint or (each.population.info, each.population.observed), []
        ).append(each)
    found = []
    for key, members in groups.items():
        table = known.get(key) if isinstance(key, str) else None
        counts = table if isinstance(table, CountTable) else None
        seen = table if isinstance(table, CaptureTable) else None
        found.append(Group(tuple(map(_remembering, members)), seen, counts))
    return tuple(found)
