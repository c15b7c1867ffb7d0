"""Estimates made fit to leave: what rests on few persons is not shown, and the rest is rounded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations
from math import nan
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
import pandas as pd

from mse._typing import FrozenDict
from mse.answer.intervals import DEFAULT_LEVEL, STORED_LEVELS, ModelRange, StoredIntervals
from mse.answer.population import PopulationEstimate, Strata
from mse.answer.shown import Section, as_html, as_text, in_words
from mse.comparing import Comparison
from mse.data.checks import listed
from mse.data.count_table import CountTable
from mse.data.table import CaptureTable
from mse.disclosure.cells import Book
from mse.disclosure.count_tables import (
    PARTS,
    ProtectedCounts,
    ProtectedTable,
    checked_margins,
    default_margins,
    note_table,
    protect_counts,
    protect_table,
    refuse_identifiers,
    table_with,
)
from mse.disclosure.gate import Gate, coarsened, gate_of, gate_of_monitor, key_of, late_shown
from mse.disclosure.jointly import Raw, nearest, outward, system_of
from mse.disclosure.scrubbing import info_shown, withheld_from
from mse.disclosure.suppression import Protected, publish
from mse.disclosure.typed import release, released_columns
from mse.errors import ModelError
from mse.leaning import Leaning
from mse.loglinear import LogLinear
from mse.messages import Message
from mse.monitoring.draws import PER, Figure, JointDraws
from mse.monitoring.places import Places
from mse.monitoring.result import Cell, Monitor
from mse.words.monitors import SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from mse._typing import Level, Limit, Status
    from mse.answer.population import Given
    from mse.answer.protocols import Fit
    from mse.disclosure.cells import Key, Publication
    from mse.disclosure.rules import Rules
    from mse.monitoring.result import Change

_FIGURES = ("observed", "hidden", "total", "coverage", "low", "high", "status", "limit")
_FEW = Message("withheld.few")
#: What is kept of the provenance: settings. What was found says how many persons it was found of.
_SETTINGS = ("software", "version", "estimator")
_DRAWN = ("replicates", "resampling", "interval", "candidates")
#: Shares are published to this many decimals.
SHARE_DIGITS = 3


@dataclass(frozen=True, eq=False)
class ProtectedStrata(Strata):
    """Names and levels of strata, with what may be shown of them: NaN where nothing may."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", FrozenDict(self.levels))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProtectedPopulation(PopulationEstimate, Protected):
    """An estimate fit to leave, for whatever shows estimates.

    What is suppressed is NaN, with the status ``suppressed``. There are no draws, and nothing by
    which counts could be tried out: no fingerprint of the table, no covariance.

    Attributes
    ----------
    publication : Publication
        The counts as they leave.
    frames : mapping
        Estimates by covariates and level of the intervals, as far as they are published.
    conditional : ProtectedPopulation, optional
        The same with the intervals that take people for alike, where others are the headline.
    rounded_to : float
        Persons to whose multiples the total and the ends of its intervals are rounded.
    """

    publication: Publication
    frames: Mapping[tuple[tuple[str, ...], float], pd.DataFrame] = field(default_factory=FrozenDict)
    conditional: ProtectedPopulation | None = None
    rounded_to: float = 1.0

    def __post_init__(self) -> None:
        if not math.isnan(self.observed):
            super().__post_init__()

    @property
    def alike(self) -> ProtectedPopulation:
        """The same with the intervals that take people for alike."""
        return self if self.conditional is None else self.conditional

    @property
    def by(self) -> pd.DataFrame | None:
        """Estimates by stratum, as published; None if they are not."""
        names = () if self.strata is None else self.strata.names
        known = any(published == names for published, _ in self.frames)
        return self.margin(*names) if known else None

    def margin(
        self, *names: str, level: float = DEFAULT_LEVEL, given: Given | None = None
    ) -> pd.DataFrame:
        """Estimates by some covariates, as published; columns as of `PopulationEstimate.margin`.

        Raises
        ------
        ModelError
            If they are not published, by these covariates or at this level: what was not protected
            together with the rest could give it away.
        """
        if given == "alike" and self.conditional is not None:
            return self.conditional.margin(*names, level=level)
        for (known, at), frame in self.frames.items():
            if known == names and math.isclose(at, level, abs_tol=1e-9):
                wide = None if self.allowing is None else self.allowing.margin(*names, level=level)
                return self._graded(names, frame, level, wide)
        published = dict.fromkeys(" and ".join(known) for known, _ in self.frames)
        levels = dict.fromkeys(f"{at:g}" for _, at in self.frames)
        raise ModelError(
            f"Estimates by {' and '.join(names) or 'nothing'} at level {level:g} are not published: there "
            f"are those by {listed(published, 12)} at {', '.join(levels) or 'no level'}. Name margins=[...] "
            "and levels=[...] when the estimate is protected."
        )

    def to_dict(
        self, *, levels: Iterable[float] = STORED_LEVELS, draws: bool = False
    ) -> dict[str, Any]:
        """Write the estimate as `PopulationEstimate.to_dict`, with what was done to it."""
        known = self.uncertainty.ends if isinstance(self.uncertainty, StoredIntervals) else {}
        data = super().to_dict(levels=[level for level in levels if level in known], draws=draws)
        data |= {"disclosure": {**described(self), "rounded_to": self.rounded_to}}
        return release(data, (), self.rules).figures

    def to_frame(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show the estimate as `PopulationEstimate.to_frame`, as far as it may leave."""
        names = () if self.strata is None else self.strata.names
        return released_columns(super().to_frame(level), names, self.rules)

    def summary(self, level: float = DEFAULT_LEVEL) -> str:
        """Put the estimate in words, with a mark for what is not shown."""
        return as_text(self._sections(level))

    def _repr_html_(self) -> str:
        return as_html(self._sections(DEFAULT_LEVEL))

    def __repr__(self) -> str:
        return f"<ProtectedPopulation: {self.method}, {len(self.suppressed):,} counts suppressed>"

    def _sections(self, level: float) -> list[Section]:
        sections = in_words(self, level=level)
        return [*sections, Section("Disclosure control", paragraphs=(self.note,))]


def described(protected: Protected) -> dict[str, Any]:
    """Say in a dictionary for JSON what was done."""
    rules = protected.rules
    return {
        "rules": rules.name,
        "threshold": rules.threshold,
        "base": rules.base,
        "note": protected.note,
        "suppressed": list(protected.suppressed),
    }


def protect_population(
    estimate: PopulationEstimate,
    rules: Rules,
    *,
    table: CaptureTable | None = None,
    margins: Iterable[Sequence[str]] | None = None,
    levels: Iterable[float] = STORED_LEVELS,
) -> ProtectedPopulation:
    """Suppress and round an estimate.

    Where the observed persons of a stratum may not be shown, nor is any figure of it; what is not
    shown cannot be computed from other strata, since totals and hidden numbers are then missing in
    the same places. Everywhere else numbers of persons are rounded, and hidden numbers and shares
    are computed from what was rounded.

    Parameters
    ----------
    estimate : PopulationEstimate
        The estimate.
    rules : Rules
        What is to be protected.
    table : CaptureTable, optional
        What it was estimated from. Estimates from two lists give away the overlap, so without a table
        that shows that it is large enough they are not shown.
    margins : iterable of sequence of str, optional
        By which covariates estimates are published; by default each by itself, and all together.
    levels : iterable of float
        Levels of the intervals that are published.

    Returns
    -------
    ProtectedPopulation

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("scotland_pwid").collapse("sex", "age")
    >>> p = mse.LogLinear("S1*region + S2*region + S3*region + S4*region").fit(table).population
    >>> safe = mse.disclosure.protect_population(p, mse.disclosure.rules("cbs"))
    >>> safe.margin("region")[["region", "observed", "total"]].to_numpy().tolist()
    [['GGC', 1500, 9100.0], ['Rest', 4170, 13600.0]]
    """
    chosen = margins_of(estimate, margins)
    book = Book()
    note_population(book, estimate, chosen)
    publication = publish(book.cells(), rules)
    known = tuple(dict.fromkeys(float(level) for level in levels))
    return protect_with(estimate, publication, table=table, margins=chosen, levels=known)


def margins_of(
    estimate: PopulationEstimate, margins: Iterable[Sequence[str]] | None = None
) -> tuple[tuple[str, ...], ...]:
    """By which covariates estimates are published."""
    if estimate.strata is None:
        return ()
    if margins is None:
        return default_margins(estimate.strata.levels)
    return tuple((names,) if isinstance(names, str) else tuple(names) for names in margins)


def note_population(
    book: Book, estimate: PopulationEstimate, margins: Sequence[tuple[str, ...]]
) -> None:
    """Note the observed persons by the margins, and the sums among them."""
    refuse_identifiers({} if estimate.strata is None else estimate.strata.levels, estimate.observed)
    book.add((), estimate.observed)
    for names in sorted(margins, key=len):
        frame = estimate.margin(*names)
        levels = frame[list(names)].itertuples(index=False, name=None)
        keys = [tuple(zip(names, cell, strict=True)) for cell in levels]
        for key, count in zip(keys, frame["observed"], strict=True):
            book.add(key, int(count))
        if book.holds((), keys):
            book.sum((), keys, group=len(names) == 1)
        for fewer in margins:
            if set(fewer) < set(names):
                _note_parts(book, keys, fewer, group=len(names) == len(fewer) + 1)


def _note_parts(book: Book, keys: Sequence[Key], fewer: Sequence[str], *, group: bool) -> None:
    """Note that cells by some covariates are sums of those by more."""
    parts: dict[Key, list[Key]] = {}
    for key in keys:
        pairs = dict(key)
        parts.setdefault(tuple((name, pairs[name]) for name in fewer), []).append(key)
    for total, members in parts.items():
        book.sum(total, members, group=group)


def protect_with(
    estimate: PopulationEstimate,
    publication: Publication,
    *,
    table: CaptureTable | None = None,
    margins: Sequence[tuple[str, ...]] = (),
    levels: Sequence[float] = STORED_LEVELS,
    gate: Gate | None = None,
) -> ProtectedPopulation:
    """Protect an estimate whose counts are published already; ``gate`` is what was decided of it before."""
    rules, total = publication.rules, publication.value(())
    held = gate_of(estimate, publication, table, margins, levels) if gate is None else gate
    withheld = held.why.get((), "")
    frames = {
        (names, level): _frame(estimate, held, names, level)
        for names in margins
        for level in levels
    }
    shared: dict[str, Any] = {
        # Nothing is left of a count that may not be shown, not even that it is a whole number.
        "observed": math.nan if total is None else total,
        "limit": estimate.limit,
        "method": estimate.method,
        "strata": _strata(estimate, frames),
        "model": estimate.model,
        "assumptions": estimate.assumptions,
        "lists": estimate.lists,
        "info": info_shown(estimate.info, rules),
        "provenance": _provenance(estimate.provenance, rules),
        "references": estimate.references,
        "lower_bound": estimate.lower_bound,
        "publication": publication,
        "frames": FrozenDict(frames),
        "rounded_to": held.steps.get((), float(rules.base)),
    }
    if total is None or withheld:
        reason = withheld or _FEW
        return ProtectedPopulation(hidden=math.nan, status="suppressed", reason=reason, **shared)
    return ProtectedPopulation(
        hidden=_hidden(estimate, held, total),
        status=estimate.status,
        reason=withheld_from(estimate.reason, rules),
        uncertainty=_intervals(estimate.alike, held, levels, total),
        **_with_and_without(estimate, held, table, margins, levels),
        model_range=_range(estimate, held, table),
        warnings=_told(estimate.warnings, rules),
        **shared,
    )


def _with_and_without(
    estimate: PopulationEstimate,
    gate: Gate,
    table: CaptureTable | None,
    margins: Sequence[tuple[str, ...]],
    levels: Sequence[float],
) -> dict[str, Any]:
    """Protect what allows for people who differ, and the same without it on the same grid."""
    if estimate.allowing is None:
        return {}
    options: dict[str, Any] = {"table": table, "margins": margins, "levels": levels}
    allowing = protect_with(estimate.allowing, gate.publication, **options)
    if allowing.status == "suppressed":
        return {}
    alike = protect_with(estimate.alike, gate.publication, gate=gate, **options)
    return {"allowing": allowing, "conditional": alike}


def _provenance(known: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Keep how an estimate can be made again from the data, and nothing that was found in them."""
    if not rules.active:
        return dict(known)
    kept = {key: known[key] for key in _SETTINGS if key in known}
    if "estimator" in kept:
        kept["estimator"] = re.sub(r"(, )?\b\w*seed=[^,)]*", "", str(kept["estimator"]))
    if isinstance(known.get("bootstrap"), Mapping):
        drawn = known["bootstrap"]
        kept["bootstrap"] = {key: drawn[key] for key in _DRAWN if key in drawn}
    return kept


def _hidden(estimate: PopulationEstimate, gate: Gate, observed: int) -> float:
    """Hidden number as the difference of what is published, so that it tells nothing more."""
    if math.isnan(estimate.hidden) or not gate.publication.rules.active:
        return estimate.hidden
    return max(nearest(estimate.total, gate.step(())) - observed, 0.0)


def _intervals(
    estimate: PopulationEstimate, gate: Gate, levels: Sequence[float], observed: int
) -> StoredIntervals | None:
    """Intervals at the levels that are published, on one grid, and never below the observed number."""
    if estimate.uncertainty is None:
        return None
    rules, ends = gate.publication.rules, {}
    for level in levels:
        try:
            low, high = estimate.interval(level)
        except ModelError:
            # An estimate that was read from JSON knows some levels only.
            continue
        ends[level] = outward(low, high, gate.step(()), observed) if rules.active else (low, high)
    if rules.suppresses and any(math.isinf(high) for _, high in ends.values()):
        # At which level there is no bound says how small the overlap is.
        return None
    return StoredIntervals(estimate.interval_kind, estimate.interval_given, FrozenDict(ends))


def _range(
    estimate: PopulationEstimate, gate: Gate, table: CaptureTable | None
) -> ModelRange | None:
    """Round the range of totals outward; it is of models that may lean on any overlap."""
    spread, rules = estimate.model_range, gate.publication.rules
    if spread is None or not rules.active:
        return spread
    if rules.suppresses and Leaning(estimate, table).smallest_overlap() < rules.threshold:
        return None
    step = max(gate.step(()), rules.step(spread.high - spread.low, spread.high))
    low, high = outward(spread.low, spread.high, step)
    return replace(spread, low=low, high=high)


# Strata ------------------------------------------------------------------------------------------


def _frame(
    estimate: PopulationEstimate, gate: Gate, names: tuple[str, ...], level: float
) -> pd.DataFrame:
    """Estimates by some covariates, as far as they may be shown."""
    rows = []
    for row in estimate.margin(*names, level=level).to_dict(orient="records"):
        key = tuple((name, row[name]) for name in names)
        count = gate.publication.value(key)
        gone = count is None or key in gate.why
        shown = _suppressed_row(count) if gone else _row(row, cast("int", count), gate, key)
        rows.append({name: row[name] for name in names} | shown)
    frame = pd.DataFrame(rows, columns=[*names, *_FIGURES])
    return frame.assign(observed=pd.array([row["observed"] for row in rows], dtype="Int64"))


def _suppressed_row(count: int | None) -> dict[str, Any]:
    figures = dict.fromkeys(("hidden", "total", "coverage", "low", "high"), math.nan)
    return {"observed": count, **figures, "status": "suppressed", "limit": None}


def _row(row: Mapping[Any, Any], count: int, gate: Gate, key: Key) -> dict[str, Any]:
    rules = gate.publication.rules
    if not rules.active:
        return {name: row[name] for name in _FIGURES}
    step = gate.step(key)
    total = max(nearest(row["total"], step), count) if row["total"] == row["total"] else math.nan
    low, high = outward(row["low"], row["high"], step, count)
    if rules.suppresses and math.isinf(high):
        low = high = nan
    return {
        "observed": count,
        "hidden": total - count,
        "total": total,
        "coverage": round(count / total, SHARE_DIGITS) if total > 0 else math.nan,
        "low": low,
        "high": high,
        "status": row["status"],
        "limit": row["limit"],
    }


def _strata(
    estimate: PopulationEstimate,
    frames: Mapping[tuple[tuple[str, ...], float], pd.DataFrame],
) -> ProtectedStrata | None:
    """Say which strata there are, and what is published of them."""
    strata = estimate.strata
    if strata is None:
        return None
    blank = pd.DataFrame([_suppressed_row(None)] * len(strata.cells))
    found = next((frame for (names, _), frame in frames.items() if names == strata.names), blank)
    levels: Mapping[str, tuple[Level, ...]] = strata.levels
    return ProtectedStrata(
        levels,
        found["observed"].astype("Float64").to_numpy(np.float64, na_value=np.nan),  # type: ignore[arg-type]
        found["hidden"].to_numpy(np.float64),
        tuple(cast("list[Status]", found["status"].tolist())),
        tuple(cast("list[Limit]", found["limit"].tolist())),
    )


# Comparisons made fit to leave: every estimate in them, and no measure that counts can be ---------


@dataclass(frozen=True, eq=False)
class ProtectedFit:
    """What leaves of a fit: the estimator and the answer.

    Attributes
    ----------
    estimator : object
        What was fitted.
    population : ProtectedPopulation
        The answer.
    table : CaptureTable
        The lists and covariates, and nobody on them.
    """

    estimator: Any
    population: ProtectedPopulation
    table: CaptureTable

    @property
    def status(self) -> Status:
        """The status of the answer."""
        return self.population.status

    @property
    def limit(self) -> Limit:
        """The limit of the answer."""
        return self.population.limit

    @property
    def reason(self) -> str:
        """Why there is no figure."""
        return self.population.reason


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProtectedComparison(Comparison, Protected):
    """A comparison fit to leave, for whatever shows comparisons.

    Attributes
    ----------
    publication : Publication
        The counts as they leave.
    """

    publication: Publication

    def to_frame(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show the answers as `Comparison.to_frame`, without measures of fit."""
        return released_columns(super().to_frame(level), (), self.rules)

    def to_dict(self, *, levels: Iterable[float] = STORED_LEVELS) -> dict[str, Any]:
        """Write the comparison as `Comparison.to_dict`, with what was done to it."""
        data = super().to_dict(levels=levels) | {"disclosure": described(self)}
        return release(data, (), self.rules).figures

    def summary(self, level: float = DEFAULT_LEVEL) -> str:
        """Put the comparison in words, with a mark for what is not shown."""
        return as_text(self._sections(level))

    def _repr_html_(self) -> str:
        return as_html(self._sections(DEFAULT_LEVEL))

    def _sections(self, level: float) -> list[Section]:
        sections = in_words(self, level=level)
        return [*sections, Section("Disclosure control", paragraphs=(self.note,))]


def protect_comparison(
    comparison: Comparison,
    rules: Rules,
    *,
    margins: Iterable[Sequence[str]] | None = None,
    levels: Iterable[float] = STORED_LEVELS,
) -> ProtectedComparison:
    """Suppress and round the estimates of a comparison; parameters as of `protect_population`.

    Raises
    ------
    InvalidTableError
        If the estimates are of different persons.

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("kosovo")
    >>> c = mse.compare(table, [mse.LogLinear("main"), mse.LogLinear("all two-way")])
    >>> safe = mse.disclosure.protect_comparison(c, mse.disclosure.rules("cbs"))
    >>> safe.to_frame()["total"].tolist()
    [7400.0, 14400.0]
    """
    chosen = margins_of_comparison(comparison, margins)
    book = Book()
    note_comparison(book, comparison, chosen)
    known = tuple(levels)
    return comparison_with(comparison, publish(book.cells(), rules), margins=chosen, levels=known)


def margins_of_comparison(
    comparison: Comparison, margins: Iterable[Sequence[str]] | None = None
) -> tuple[tuple[str, ...], ...]:
    """By which covariates estimates are published: those of the first estimate that has strata."""
    with_strata = [each for each in comparison.populations if each.strata is not None]
    return margins_of(with_strata[0], margins) if with_strata else ()


def note_comparison(book: Book, comparison: Comparison, margins: Sequence[tuple[str, ...]]) -> None:
    """Note the observed persons of all estimates, which are those of the table."""
    for population in comparison.populations:
        note_population(book, population, margins if population.strata is not None else ())


def comparison_with(
    comparison: Comparison,
    publication: Publication,
    *,
    margins: Sequence[tuple[str, ...]],
    levels: Sequence[float] = STORED_LEVELS,
) -> ProtectedComparison:
    """Protect a comparison whose counts are published already."""
    blank = _without_counts(comparison.table, publication.rules)
    fits: list[Fit] = []
    for fit in comparison.fits:
        population = protect_with(
            fit.population,
            publication,
            table=comparison.table,
            margins=margins if fit.population.strata is not None else (),
            levels=levels,
        )
        fits.append(ProtectedFit(fit.estimator, population, blank))
    return ProtectedComparison(table=blank, fits=tuple(fits), publication=publication)


def _without_counts(table: Any, rules: Rules) -> Any:
    """Keep lists, covariates and description of a table, and nobody in it."""
    if isinstance(table, CountTable):
        one = np.ones(1, dtype=np.int64)
        return CountTable(table.register, one, 0 * one, info=info_shown(table.info, rules))
    nobody = np.zeros(0, dtype=np.int64)
    patterns = nobody.reshape(0, len(table.axes))
    info = info_shown(table.info, rules)
    return CaptureTable(table.lists, table.covariates, patterns, nobody, nobody, info=info)


def models_shown(
    frame: pd.DataFrame, table: CaptureTable | None, publication: Publication
) -> pd.DataFrame:
    """Keep the models of a search whose totals may be shown, rounded, in an order that no criterion gave.

    frame: ``model`` and ``n_parameters`` of each, as in the table of models of a search
    table: what was searched; without it there is none
    publication: what leaves with them
    """
    rows, system, rules = [], system_of(publication, table), publication.rules
    for row in frame.to_dict(orient="records") if table is not None and table.is_complete else ():
        try:
            population = LogLinear(str(row["model"])).fit(cast("CaptureTable", table)).population
            low, high = population.interval(DEFAULT_LEVEL)
        except ModelError:
            continue
        leaning = Leaning(population, table)
        steps = {(): rules.step(high - low, population.hidden)}
        if leaning.persons() < rules.threshold:
            continue
        if system is not None:
            coarser, told = coarsened(leaning, system, {(): Raw(population.total, ())}, steps)
            steps |= coarser
            if told:
                continue
        total = max(nearest(population.total, steps[()]), rules.rounded(population.observed))
        kept = {"model": row["model"], "n_parameters": row["n_parameters"]}
        rows.append({**kept, "total": total, "status": population.status})
    shown = pd.DataFrame(rows, columns=["model", "n_parameters", "total", "status"])
    return shown.sort_values(["n_parameters", "model"], kind="stable")


# Monitors made fit to leave: figures by period and group, and their changes -----------------------

NOT_SHOWN = Message("withheld.shown")


@dataclass(frozen=True, eq=False, kw_only=True)
class ProtectedCell(Cell):
    """Figures of one period and group, as they leave: NaN where they are suppressed.

    Attributes
    ----------
    published : mapping of str to Figure
        Total, hidden, coverage and rate, rounded.
    lost : pair of int, or of None
        Draws in which the total has no bound, and that determine none; None where that is not shown.
    """

    published: Mapping[str, Figure]
    lost: tuple[int | None, int | None]

    @property
    def figures(self) -> dict[str, Figure]:
        """Total, hidden, coverage and rate, with their intervals."""
        return dict(self.published)

    @property
    def infinite(self) -> int:
        """Draws in which the total has no bound; None where figures are suppressed."""
        return cast("int", self.lost[0])

    @property
    def undetermined(self) -> int:
        """Draws that do not determine the total; None where figures are suppressed."""
        return cast("int", self.lost[1])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProtectedMonitor(Monitor, Protected):
    """A monitor fit to leave, for whatever shows monitors.

    It has no draws: figures of its cells and its changes are those that were published.

    Attributes
    ----------
    publication : Publication
        The counts as they leave.
    shown : mapping
        Cells by period and group.
    between : mapping
        Changes by first period, last period and group.
    conditional : ProtectedMonitor, optional
        The same with the intervals that take people for alike, where others are the headline.
    """

    publication: Publication
    shown: Mapping[Any, Cell] = field(default_factory=FrozenDict)
    between: Mapping[Any, Change] = field(default_factory=FrozenDict)
    conditional: ProtectedMonitor | None = None

    @property
    def alike(self) -> ProtectedMonitor:
        """The same with the intervals that take people for alike."""
        return self if self.conditional is None else self.conditional

    @property
    def cells(self) -> dict[Any, Cell]:
        """Figures by period and group, as they leave."""
        return dict(self.shown)

    def at(self, period: Level = None, **where: Level | Collection[Level]) -> Cell:
        """Look up a period, a group, or a group in a period.

        Raises
        ------
        ModelError
            If figures of that part of the population were not published.
        """
        group = self._group_of(where)
        if group is None or (period, group) not in self.shown:
            raise ModelError(
                "A protected monitor holds the figures that were published and nothing else: by "
                f"{self.period} and each of {listed(self.group_names) if self.group_names else 'no groups'}. "
                "For others make one covariate of them and name it in groups=[...]."
            )
        return self.shown[period, group]

    def compare(self, first: Level, last: Level, group: Any = ()) -> Change:
        """Look up the change between two periods."""
        return self.between[first, last, group]

    def _frame(self, keys: Any) -> pd.DataFrame:
        return self._released(super()._frame(keys))

    def to_frame(self) -> pd.DataFrame:
        """Show all figures as `Monitor.to_frame`; what is suppressed is missing."""
        return self._released(super().to_frame())

    def _released(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Keep the columns that may leave, counts as whole numbers."""
        return released_columns(_whole(frame), (self.period, *self.group_names), self.rules)

    def to_dict(self) -> dict[str, Any]:
        """Write all figures as `Monitor.to_dict`, with what was done to them."""
        return release(super().to_dict() | {"disclosure": described(self)}, (), self.rules).figures

    def __repr__(self) -> str:
        groups = f", groups {', '.join(self.group_names)}" if self.group_names else ""
        return (
            f"<ProtectedMonitor: {len(self.levels)} levels of {self.period}{groups}, "
            f"{len(self.suppressed):,} counts suppressed>"
        )

    def _sections(self) -> list[Section]:
        return [*super()._sections(), Section("Disclosure control", paragraphs=(self.note,))]


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Write counts as whole numbers beside missing ones."""
    counts = dict.fromkeys(("observed", "infinite", "undetermined"), "Int64")
    return frame.astype(counts)


def protect_monitor(
    monitor: Monitor, rules: Rules, *, table: CaptureTable | None = None
) -> ProtectedMonitor:
    """Suppress and round the figures of a monitor.

    Where the observed persons of a period, of a group, or of a group in a period may not be shown, nor
    is any figure of them, nor any change from or to them.

    Parameters
    ----------
    monitor : Monitor
        The monitor.
    rules : Rules
        What is to be protected.
    table : CaptureTable, optional
        What it was made from; needed with two lists, as in `protect_population`.

    Returns
    -------
    ProtectedMonitor

    Examples
    --------
    >>> import numpy as np, mse
    >>> counts = np.zeros((2, 2, 2, 2), dtype=int)
    >>> counts[1, 0], counts[0, 1], counts[1, 1] = [[60, 3], [70, 41]], [[44, 2], [52, 40]], 15
    >>> axes = {"year": [2014, 2015], "sex": ["f", "m"]}
    >>> table = mse.CaptureTable.from_array(counts, ["police", "care"], axes)
    >>> model = mse.LogLinear("police*year + police*sex + care*year + care*sex + year*sex")
    >>> report = mse.monitor(table, groups=["sex"], estimator=model, replicates=50, seed=1)
    >>> safe = mse.disclosure.protect_monitor(report, mse.disclosure.rules("cbs"), table=table)
    >>> safe.periods[["year", "observed"]].to_numpy().tolist()
    [[2014, 140], [2015, 235]]
    """
    book = Book()
    note_monitor(book, monitor)
    return monitor_with(monitor, publish(book.cells(), rules), table=table)


def by_place(places: Places) -> Monitor:
    """Make a monitor of which the places are a group, and nothing else is reported, as rules protect it.

    Ranks do not leave: they follow from the counts of all places, those that may not be shown among them. Nor do
    figures of regions, which with those of their places would tell a place that is not shown.
    """
    monitor, note = cast("Monitor", places.monitor), Message("places.withheld")
    notes = (*monitor.notes, note)
    return replace(
        monitor,
        group_names=(places.name,),
        place=None,
        regions=FrozenDict(),
        placed=None,
        notes=notes,
    )


def monitor_with(
    monitor: Monitor, publication: Publication, *, table: CaptureTable | None = None
) -> ProtectedMonitor:
    """Protect a monitor whose counts are published already."""
    population = protect_with(monitor.population, publication, table=table)
    gate = gate_of_monitor(monitor, publication, table)
    alone = monitor.alike is monitor
    conditional = None if alone else monitor_with(monitor.alike, publication, table=table)
    # The wider interval has the coarser grid: the point is the one that leaves beside the other interval.
    points = (
        {} if conditional is None else {at: each.total for at, each in conditional.shown.items()}
    )
    cells = {
        (period, group): _cell(
            cell, gate, key_of(monitor, period, group), points.get((period, group), nan)
        )
        for (period, group), cell in monitor.cells.items()
    }
    return ProtectedMonitor(
        period=monitor.period,
        group_names=monitor.group_names,
        scopes=monitor.scopes,
        group_rules=monitor.group_rules,
        level=monitor.level,
        across_scopes=monitor.across_scopes,
        # The number of draws is known, and nothing of them.
        joint=JointDraws(
            population,
            _names_only(monitor.joint.strata),
            np.zeros((monitor.replicates, 0)),
            monitor.joint.given,
        ),
        inhabitants=monitor.inhabitants,
        warnings=_told(monitor.warnings, publication.rules),
        notes=_told((*monitor.notes, *_without_places(monitor)), publication.rules),
        late=late_shown(monitor.late, cells, publication.rules),
        publication=publication,
        shown=FrozenDict(cells),
        between=FrozenDict(_changes(monitor, cells, publication.rules)),
        conditional=conditional,
    )


def _without_places(monitor: Monitor) -> tuple[Message, ...]:
    """Say that figures of places do not leave with those of everybody."""
    return () if monitor.place is None else (Message("places.left_out"),)


def _told(texts: Iterable[str], rules: Rules) -> tuple[str, ...]:
    return tuple(filter(None, (withheld_from(each, rules) for each in texts)))


def _changes(
    monitor: Monitor, cells: Mapping[Any, ProtectedCell], rules: Rules
) -> dict[Any, Change]:
    """Protect the changes between all periods, of everybody and of each group."""
    return {
        (first, last, group): _change(
            monitor.compare(first, last, group), (cells[first, group], cells[last, group]), rules
        )
        for group in dict.fromkeys(group for _, group in monitor.cells)
        for first, last in permutations(monitor.levels, 2)
    }


def note_monitor(book: Book, monitor: Monitor) -> None:
    """Note the observed persons of all cells, and the sums over periods and over groups."""
    refuse_identifiers(monitor.joint.strata.levels, monitor.population.observed)
    book.add((), monitor.population.observed)
    for (period, group), cell in monitor.cells.items():
        book.add(key_of(monitor, period, group), cell.observed)
    sums = [(None, ()), *((period, ()) for period in monitor.levels)]
    for period, group in sums:
        if period is None:
            _sum(book, (), [key_of(monitor, each, group) for each in monitor.levels])
        for name in monitor.group_names:
            levels = monitor.joint.strata.levels[name]
            parts = [key_of(monitor, period, ((name, each),)) for each in levels]
            _sum(book, key_of(monitor, period, group), parts)
    for _, group in monitor.cells:
        if group:
            parts = [key_of(monitor, each, group) for each in monitor.levels]
            _sum(book, key_of(monitor, None, group), parts)


def _sum(book: Book, total: tuple[Any, ...], parts: list[tuple[Any, ...]]) -> None:
    """Note a sum, unless persons who are known in part make the parts more than the total."""
    if book.holds(total, parts):
        book.sum(total, parts, group=True)


def _names_only(strata: Strata) -> Strata:
    """Keep names and levels of strata, and no count."""
    size = len(strata.cells)
    statuses: list[Status] = [SUPPRESSED] * size
    limits: list[Limit] = ["indeterminate"] * size
    return Strata(
        strata.levels,
        np.zeros(size, dtype=np.int64),
        np.full(size, nan),
        tuple(statuses),
        tuple(limits),
    )


def _cell(cell: Cell, gate: Gate, key: Key, leaves: float) -> ProtectedCell:
    """Round the figures of a cell, or leave them out.

    leaves: its total as it leaves elsewhere, NaN if it does not
    """
    rules, count = gate.publication.rules, gate.publication.value(key)
    gone = count is None or key in gate.why
    observed = cast("int", nan if count is None else count)
    figures = dict.fromkeys(cell.figures, Figure())
    if not rules.active:
        figures = cell.figures
    elif not gone and count is not None:
        figures = _figures(
            cell.figures["total"], count, cell.inhabitants, gate.step(key), rules, leaves
        )
    return ProtectedCell(
        period=cell.period,
        where=cell.where,
        scope=cell.scope,
        observed=observed,
        total=figures["total"].point,
        draws=np.zeros(0),
        inhabitants=cell.inhabitants,
        status=SUPPRESSED if gone else cell.status,
        limit=cast("str", None) if gone else cell.limit,
        reason=gate.why.get(key, NOT_SHOWN) if gone else withheld_from(cell.reason, rules),
        level=cell.level,
        preliminary=cell.preliminary,
        published=FrozenDict(figures),
        # A grade is computed of what leaves: one that knew counts, or totals that are not shown, would tell of them.
        known=cell.known.without_counts(),
        # How often chance leaves no overlap says how small it is.
        lost=(None, None) if gone or rules.suppresses else (cell.infinite, cell.undetermined),
    )


def _figures(
    total: Figure, count: int, inhabitants: float, step: float, rules: Rules, leaves: float
) -> dict[str, Figure]:
    """Round the total, its interval outward, and compute the other figures from what was rounded."""
    point = max(nearest(total.point, step), count) if total.point == total.point else nan
    low, high = outward(total.low, total.high, step, count)
    if leaves == leaves:
        point = min(max(leaves, low), high) if low == low else leaves
    if rules.suppresses and math.isinf(high):
        low = high = nan
    rounded = Figure(point, low, high)
    hidden = Figure(*(each - count for each in rounded))
    shares = [round(count / each, SHARE_DIGITS) if each > 0 else nan for each in rounded]
    rate = Figure()
    if np.isfinite(inhabitants):
        rate = Figure(*(PER * each / inhabitants for each in rounded))
    coverage = Figure(shares[0], shares[2], shares[1])
    return {"total": rounded, "hidden": hidden, "coverage": coverage, "rate": rate}


def _change(change: Change, cells: tuple[Cell, Cell], rules: Rules) -> Change:
    """Round a change, or leave it out."""
    first, last = cells
    totals = (first.total, last.total)
    change = replace(change, known=change.known.without_counts() if rules.active else change.known)
    if SUPPRESSED in (first.status, last.status):
        return _refused(change, totals)
    if not rules.active or change.difference.point != change.difference.point:
        return replace(change, totals=totals)
    ratio = last.total / first.total if first.total else nan
    difference = _outward(change.difference, last.total - first.total, rules, rules.base)
    return replace(
        change,
        totals=totals,
        difference=difference,
        ratio=_outward(change.ratio, round(ratio, SHARE_DIGITS), rules, 10**-SHARE_DIGITS),
        coverage_difference=_outward(
            change.coverage_difference,
            round(last.coverage - first.coverage, SHARE_DIGITS),
            rules,
            10**-SHARE_DIGITS,
        ),
        rise=round(nearest(change.rise, 0.05), 2)
        if rules.suppresses
        else round(change.rise, SHARE_DIGITS),
        undetermined=cast("int", None) if rules.suppresses else change.undetermined,
    )


def _outward(given: Figure, point: float, rules: Rules, base: float) -> Figure:
    """Round the ends of a figure outward, in units of ``base``; its point was computed from what is shown."""
    low, high = given.low / base, given.high / base
    if not math.isfinite(high) or low != low:
        return Figure(point) if rules.suppresses else Figure(point, given.low, given.high)
    step = replace(rules, base=1).step(high - low, 0.0)
    ends = outward(low, high, step)
    return Figure(point, *(round(each * base, 6) for each in ends))


def _refused(change: Change, totals: tuple[float, float]) -> Change:
    return replace(
        change,
        totals=totals,
        difference=Figure(),
        ratio=Figure(),
        coverage_difference=Figure(),
        rise=nan,
        undetermined=cast("int", None),
        status=SUPPRESSED,
        reason=NOT_SHOWN,
    )


def _shares(each: Figure, point: float) -> Figure:
    return Figure(*(round(value, SHARE_DIGITS) for value in (point, *each[1:])))


# Protection of whatever may leave: one function for all kinds of things ---------------------------


@overload
def protect(thing: CaptureTable, rules: Rules, **options: Any) -> ProtectedTable: ...
@overload
def protect(thing: pd.DataFrame, rules: Rules, **options: Any) -> ProtectedCounts: ...
@overload
def protect(thing: PopulationEstimate, rules: Rules, **options: Any) -> PopulationEstimate: ...
@overload
def protect(thing: Comparison, rules: Rules, **options: Any) -> Comparison: ...
@overload
def protect(thing: Monitor | Places, rules: Rules, **options: Any) -> Monitor: ...
def protect(thing: object, rules: Rules, **options: Any) -> object:
    """Make something fit to leave.

    Parameters
    ----------
    thing : CaptureTable, PopulationEstimate, Comparison, Monitor, Places or DataFrame of counts
        What is to leave. Of places a monitor by place leaves, without ranks and regions.
    rules : Rules
        What is to be protected.
    **options
        Of `protect_table`, `protect_population`, `protect_comparison`, `protect_monitor` or
        `protect_counts`.

    Returns
    -------
    Protected
        What those functions give. An estimate, comparison or monitor is given back as it is if the
        rules ask for nothing, and whatever is protected already.

    Raises
    ------
    ModelError
        If it is something else.

    Examples
    --------
    >>> import mse
    >>> p = mse.LogLinear("main").fit(mse.load_dataset("korea")).population
    >>> mse.disclosure.protect(p, mse.disclosure.rules("cbs")).observed
    125
    """
    if isinstance(thing, Protected):
        return thing
    match thing:
        case CaptureTable():
            return protect_table(thing, rules, **options)
        case pd.DataFrame():
            return protect_counts(thing, rules, **options)
        case PopulationEstimate():
            return protect_population(thing, rules, **options) if rules.active else thing
        case Comparison():
            return protect_comparison(thing, rules, **options) if rules.active else thing
        case Monitor():
            return protect_monitor(thing, rules, **options) if rules.active else thing
        case Places():
            return protect_monitor(by_place(thing), rules, **options) if rules.active else thing
    raise ModelError(
        f"{type(thing).__name__} cannot be protected: expected a CaptureTable, PopulationEstimate, "
        "Comparison, Monitor, its places or a DataFrame of counts. Of a fit, protect its population."
    )


# Several things about the same persons made fit to leave together ---------------------------------

#: With so few lists a handful of estimates says as much as the histories they come from.
FEW_LISTS = 4


def protect_together(
    things: Sequence[object],
    rules: Rules,
    *,
    levels: Iterable[float] = STORED_LEVELS,
) -> tuple[Protected, ...]:
    """Make several things fit to leave in one publication.

    Protected one by one, what one of them shows could give away what another one hides. Here the same
    counts are suppressed in all of them. Beside estimates from at most four lists histories are left out
    where any of them would have to be suppressed, and overlaps where they would: each estimate is an
    equation between them.

    Parameters
    ----------
    things : sequence of CaptureTable, PopulationEstimate, Comparison and Monitor
        All about the same persons.
    rules : Rules
        What is to be protected.
    levels : iterable of float
        Levels of the intervals that are published.

    Returns
    -------
    tuple of Protected
        In the order of ``things``.

    Raises
    ------
    ModelError
        If there is something else among them.
    InvalidTableError
        If they are not about the same persons.

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("korea")
    >>> estimate = mse.LogLinear("main").fit(table).population
    >>> strict = mse.disclosure.rules("cbs")
    >>> safe, answer = mse.disclosure.protect_together([table, estimate], strict)
    >>> len(safe.histories), answer.total
    (0, 140.0)
    """
    tables = [each for each in things if isinstance(each, CaptureTable)]
    table = tables[0] if tables else None
    parts: Sequence[str] = PARTS
    if table is not None and len(things) > len(tables):
        parts = parts_beside_estimates(table, rules)
    book = Book()
    for thing in things:
        note(book, thing, rules, parts)
    publication = publish(book.cells(), rules)
    known = tuple(dict.fromkeys(float(level) for level in levels))
    return tuple(_with(thing, publication, table, known) for thing in things)


def parts_beside_estimates(table: CaptureTable, rules: Rules) -> tuple[str, ...]:
    """Which parts of a table may stand beside estimates from it: as many as need no suppression.

    Where histories would be suppressed they are left out, and overlaps only if they would be as well.
    """
    if table.n_lists > FEW_LISTS or table.margins is not None:
        return PARTS
    for parts in (PARTS, ("lists", "overlaps", "strata")):
        book = Book()
        note_table(book, table, rules, (), parts)
        if not publish(book.cells(), rules).suppressed.any():
            return parts
    return ("lists", "strata")


def note(book: Book, thing: object, rules: Rules, parts: Sequence[str] = PARTS) -> None:
    """Note the counts of something, whatever it is."""
    match thing:
        case CaptureTable():
            note_table(book, thing, rules, checked_margins(thing), parts)
        case PopulationEstimate():
            note_population(book, thing, margins_of(thing))
        case Comparison():
            note_comparison(book, thing, margins_of_comparison(thing))
        case Monitor():
            note_monitor(book, thing)
        case _:
            raise ModelError(
                f"{type(thing).__name__} holds no counts that are known here: expected a CaptureTable, "
                "PopulationEstimate, Comparison or Monitor. Of a fit, take its population."
            )


def _with(
    thing: object, publication: Publication, table: CaptureTable | None, levels: Sequence[float]
) -> Protected:
    match thing:
        case CaptureTable():
            return table_with(thing, publication, checked_margins(thing))
        case PopulationEstimate():
            margins = margins_of(thing)
            return protect_with(thing, publication, table=table, margins=margins, levels=levels)
        case Comparison():
            margins = margins_of_comparison(thing)
            return comparison_with(thing, publication, margins=margins, levels=levels)
        case Monitor():
            return monitor_with(thing, publication, table=table)
    raise AssertionError(thing)
