"""Estimates made fit to leave: what rests on few persons is not shown, and the rest is rounded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from mse._typing import FrozenDict
from mse.answer.intervals import DEFAULT_LEVEL, STORED_LEVELS, ModelRange, StoredIntervals
from mse.answer.population import PopulationEstimate, Strata
from mse.answer.rounding import nearest, outward
from mse.answer.shown import Section, as_html, as_text, in_words
from mse.comparing import Comparison
from mse.data.checks import listed
from mse.data.count_table import CountTable
from mse.data.persons import PersonTable
from mse.data.table import CaptureTable
from mse.disclosure.cells import Book
from mse.disclosure.count_tables import (
    default_margins,
    refuse_identifiers,
)
from mse.disclosure.gate import Gate, coarsened, gates_of, table_of_counts
from mse.disclosure.jointly import Raw, system_of
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.scrubbing import info_shown, withheld_from, without_seeds
from mse.disclosure.suppression import Protected, publish
from mse.disclosure.typed import release, released_columns
from mse.errors import ModelError
from mse.leaning import Leaning
from mse.loglinear import LogLinear
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse._typing import Level, Limit, Status
    from mse.answer.population import Given
    from mse.answer.protocols import Fit
    from mse.disclosure.cells import Key, Publication
    from mse.disclosure.rules import AnyRules, Rules

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
    rules: AnyRules,
    *,
    table: CaptureTable | CountTable | None = None,
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
    rules : Rules, str or path
        What is to be protected.
    table : CaptureTable or CountTable, optional
        What it was estimated from. Estimates from two lists give away the overlap, and those from one register how
        many were seen how often, so without a table that shows that these are large enough they are not shown.
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
    rules = rules_of(rules)
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
    table: CaptureTable | CountTable | None = None,
    margins: Sequence[tuple[str, ...]] = (),
    levels: Sequence[float] = STORED_LEVELS,
    gate: Gate | None = None,
) -> ProtectedPopulation:
    """Protect an estimate whose counts are published already; ``gate`` is what was decided of it before."""
    rules, total = publication.rules, publication.value(())
    table = table_of_counts(table, estimate)
    held, wide = (
        gates_of(estimate, publication, table, margins, levels) if gate is None else (gate, None)
    )
    withheld = held.why.get((), "")
    frames = {
        (names, level): _frame(estimate, (held, wide), names, level)
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
        reason = held.reason((), _FEW)
        return ProtectedPopulation(hidden=math.nan, status="suppressed", reason=reason, **shared)
    return ProtectedPopulation(
        hidden=_hidden(estimate, held, total),
        status=estimate.status,
        reason=withheld_from(estimate.reason, rules),
        uncertainty=_intervals(estimate.alike, held, levels, total),
        **_with_and_without(estimate, (held, wide), margins, levels),
        model_range=_range(estimate, held, table),
        warnings=told(estimate.warnings, rules),
        **shared,
    )


def _with_and_without(
    estimate: PopulationEstimate,
    gates: tuple[Gate, Gate | None],
    margins: Sequence[tuple[str, ...]],
    levels: Sequence[float],
) -> dict[str, Any]:
    """Protect what allows for people who differ, and the same without it, each as its gate says."""
    held, wide = gates
    if estimate.allowing is None or wide is None:
        return {}
    shared: dict[str, Any] = {"margins": margins, "levels": levels}
    alike = protect_with(estimate.alike, held.publication, gate=held, **shared)
    allowing = protect_with(estimate.allowing, wide.publication, gate=wide, **shared)
    if alike.uncertainty is None and estimate.uncertainty is not None:
        # The headline holds both: without one of them it would be too narrow.
        allowing = replace(allowing, uncertainty=None)
    return {"allowing": allowing, "conditional": alike}


def _provenance(known: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Keep how an estimate can be made again from the data, and nothing that was found in them."""
    if not rules.active:
        return dict(known)
    kept = {key: known[key] for key in _SETTINGS if key in known}
    if "estimator" in kept:
        kept["estimator"] = without_seeds(str(kept["estimator"]))
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
        step = rules.step_of_ends(low, high, gate.step(()))
        ends[level] = outward(low, high, step, observed) if rules.active else (low, high)
    if rules.suppresses and any(math.isinf(high) for _, high in ends.values()):
        # At which level there is no bound says how small the overlap is.
        return None
    return StoredIntervals(estimate.interval_kind, estimate.interval_given, FrozenDict(ends))


def _range(
    estimate: PopulationEstimate, gate: Gate, table: CaptureTable | CountTable | None
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
    estimate: PopulationEstimate,
    gates: tuple[Gate, Gate | None],
    names: tuple[str, ...],
    level: float,
) -> pd.DataFrame:
    """Estimates by some covariates, as far as they may be shown."""
    rows, gate = [], gates[0]
    for row in estimate.margin(*names, level=level).to_dict(orient="records"):
        key = tuple((name, row[name]) for name in names)
        count = gate.publication.value(key)
        gone = count is None or key in gate.why
        shown = _suppressed_row(count) if gone else _row(row, cast("int", count), gates, key)
        rows.append({name: row[name] for name in names} | shown)
    frame = pd.DataFrame(rows, columns=[*names, *_FIGURES])
    return frame.assign(observed=pd.array([row["observed"] for row in rows], dtype="Int64"))


def _suppressed_row(count: int | None) -> dict[str, Any]:
    figures = dict.fromkeys(("hidden", "total", "coverage", "low", "high"), math.nan)
    return {"observed": count, **figures, "status": "suppressed", "limit": None}


def _row(
    row: Mapping[Any, Any], count: int, gates: tuple[Gate, Gate | None], key: Key
) -> dict[str, Any]:
    gate, wide = gates
    rules = gate.publication.rules
    if not rules.active:
        return {name: row[name] for name in _FIGURES}
    step = gate.step(key)
    total = max(nearest(row["total"], step), count) if row["total"] == row["total"] else math.nan
    apart = rules.step_of_ends(
        row["low"], row["high"], step if wide is None else max(step, wide.step(key))
    )
    low, high = outward(row["low"], row["high"], apart, count)
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
        frame = released_columns(super().to_frame(level), (), self.rules)
        return frame.rename(index=without_seeds) if self.rules.active else frame

    def __repr__(self) -> str:
        return without_seeds(super().__repr__())

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
    rules: AnyRules,
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
    rules = rules_of(rules)
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
    table: Any = comparison.table
    # Of persons with their covariates the histories are what estimates lean on.
    table = table.counted() if isinstance(table, PersonTable) else table
    blank = without_counts(table, publication.rules)
    fits: list[Fit] = []
    for fit in comparison.fits:
        population = protect_with(
            fit.population,
            publication,
            table=table,
            margins=margins if fit.population.strata is not None else (),
            levels=levels,
        )
        fits.append(ProtectedFit(_without_seed(fit.estimator), population, blank))
    return ProtectedComparison(table=blank, fits=tuple(fits), publication=publication)


def _without_seed(estimator: Any) -> Any:
    """Give an estimator the seed that all of its kind have: the one of its draws, of a secret key perhaps, stays inside."""
    known = fields(estimator) if is_dataclass(estimator) else ()
    usual = [each.default for each in known if each.name == "seed"]
    return replace(cast("Any", estimator), seed=usual[0]) if usual else estimator


def without_counts(table: Any, rules: Rules) -> Any:
    """Keep lists, covariates and description of a table, and nobody in it."""
    if isinstance(table, CountTable):
        one = np.ones(1, dtype=np.int64)
        return CountTable(table.register, one, 0 * one, info=info_shown(table.info, rules))
    table = table.counted() if isinstance(table, PersonTable) else table
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


def told(texts: Iterable[str], rules: Rules) -> tuple[str, ...]:
    """Keep what may be said of some texts."""
    return tuple(filter(None, (withheld_from(each, rules) for each in texts)))
