"""Estimates made fit to leave: what rests on few persons is not shown, and the rest is rounded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from mse._frozen import FrozenDict
from mse._strata import Strata
from mse._text import MARK, Section, as_html, as_text, population_sections
from mse.disclosure.cells import Book
from mse.disclosure.protected import Protected, publish
from mse.disclosure.tables import default_margins
from mse.errors import ModelError
from mse.intake.problems import listed
from mse.intervals import DEFAULT_LEVEL, STORED_LEVELS, ModelRange, StoredIntervals
from mse.population import PopulationEstimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mse._typing import Level, Limit, Status
    from mse.disclosure.cells import Key
    from mse.disclosure.publication import Publication
    from mse.disclosure.rules import Rules
    from mse.table import CaptureTable

__all__ = [
    "ProtectedPopulation",
    "described",
    "levels_of",
    "margins_of",
    "note_population",
    "protect_population",
    "protect_with",
    "scrubbed",
    "why_withheld",
]

_FIGURES = ("observed", "hidden", "total", "coverage", "low", "high", "status", "limit")
_TWO_LISTS = (
    "With two lists the estimate and its interval give away how many persons are on both, and those "
    "are fewer than may be shown, or not known here."
)
_FEW = "The figures rest on fewer persons than may be shown, or would give such a number away."
#: What is kept of the provenance: settings. What was found says how many persons it was found of.
_SETTINGS = ("software", "version", "estimator", "seed")
_DRAWN = ("replicates", "resampling", "interval", "seed", "candidates")
#: A number that stands by itself in a sentence.
_NUMBER = re.compile(r"(?<![\w=\[(,.'-])\d+(?:[,.]\d+)*%?(?![\w\])=])")
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
    """

    publication: Publication
    frames: Mapping[tuple[tuple[str, ...], float], pd.DataFrame] = field(default_factory=FrozenDict)

    def __post_init__(self) -> None:
        if not math.isnan(self.observed):
            super().__post_init__()

    @property
    def by(self) -> pd.DataFrame | None:
        """Estimates by stratum, as published; None if they are not."""
        names = () if self.strata is None else self.strata.names
        known = any(published == names for published, _ in self.frames)
        return self.margin(*names) if known else None

    def margin(self, *names: str, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Estimates by some covariates, as published; columns as of `PopulationEstimate.margin`.

        Raises
        ------
        ModelError
            If they are not published, by these covariates or at this level: what was not protected
            together with the rest could give it away.
        """
        for (known, at), frame in self.frames.items():
            if known == names and math.isclose(at, level, abs_tol=1e-9):
                return frame.copy()
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
        return data | {"disclosure": described(self)}

    def summary(self, level: float = DEFAULT_LEVEL) -> str:
        """Put the estimate in words, with a mark for what is not shown."""
        return as_text(self._sections(level))

    def _repr_html_(self) -> str:
        return as_html(self._sections(DEFAULT_LEVEL))

    def __repr__(self) -> str:
        return f"<ProtectedPopulation: {self.method}, {len(self.suppressed):,} counts suppressed>"

    def _sections(self, level: float) -> list[Section]:
        sections = population_sections(self, level)
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
    [['GGC', 1500, 9145.0], ['Rest', 4170, 13645.0]]
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
) -> ProtectedPopulation:
    """Protect an estimate whose counts are published already."""
    rules, total = publication.rules, publication.value(())
    withheld = why_withheld(estimate, rules, table)
    frames = {
        (names, level): _frame(estimate, publication, names, level, withheld=bool(withheld))
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
        "info": estimate.info,
        "provenance": _provenance(estimate.provenance, rules),
        "publication": publication,
        "frames": FrozenDict(frames),
    }
    if total is None or withheld:
        reason = withheld or _FEW
        return ProtectedPopulation(hidden=math.nan, status="suppressed", reason=reason, **shared)
    return ProtectedPopulation(
        hidden=_hidden(estimate, rules, total),
        status=estimate.status,
        reason=scrubbed(estimate.reason, publication, levels_of(estimate)),
        uncertainty=_intervals(estimate, rules, levels, total),
        model_range=_range(estimate.model_range, rules),
        warnings=tuple(
            scrubbed(each, publication, levels_of(estimate)) for each in estimate.warnings
        ),
        **shared,
    )


def _provenance(known: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Keep how an estimate can be made again from the data, and nothing that was found in them."""
    if not rules.active:
        return dict(known)
    kept = {key: known[key] for key in _SETTINGS if key in known}
    if isinstance(known.get("bootstrap"), Mapping):
        drawn = known["bootstrap"]
        kept["bootstrap"] = {key: drawn[key] for key in _DRAWN if key in drawn}
    return kept


def levels_of(estimate: PopulationEstimate) -> frozenset[str]:
    """Levels of covariates as they stand in sentences."""
    levels = {} if estimate.strata is None else estimate.strata.levels
    return frozenset(str(each) for known in levels.values() for each in known)


def why_withheld(estimate: PopulationEstimate, rules: Rules, table: CaptureTable | None) -> str:
    """Say why no estimate may be shown whatever its counts; empty if it may."""
    if len(estimate.lists) != 2 or not rules.suppresses:
        return ""
    if table is None or table.margins is not None:
        return _TWO_LISTS
    both = np.all(table.patterns[:, :2] == 1, axis=1)
    overlaps = [int(table.low[both].sum())]
    if estimate.strata is not None:
        strata = np.zeros(table.shape[2:], dtype=np.int64)
        known = both & np.all(table.patterns[:, 2:] >= 0, axis=1)
        np.add.at(strata, tuple(table.patterns[known, 2:].T), table.low[known])
        overlaps += strata.ravel().tolist()
    return _TWO_LISTS if any(rules.unsafe(each) for each in overlaps) else ""


def _hidden(estimate: PopulationEstimate, rules: Rules, total: int | None) -> float:
    """Hidden number as the difference of what is published, so that it tells nothing more."""
    if total is None or math.isnan(estimate.hidden) or not rules.active:
        return estimate.hidden
    return max(rules.rounded(estimate.total) - total, 0.0)


def _intervals(
    estimate: PopulationEstimate, rules: Rules, levels: Sequence[float], total: int
) -> StoredIntervals | None:
    """Intervals at the levels that are published, rounded, and never below the observed number."""
    if estimate.uncertainty is None:
        return None
    ends = {}
    for level in levels:
        try:
            low, high = estimate.interval(level)
        except ModelError:
            # An estimate that was read from JSON knows some levels only.
            continue
        ends[level] = max(rules.rounded(low), total) if low == low else low, rules.rounded(high)
    return StoredIntervals(estimate.interval_kind, estimate.interval_given, FrozenDict(ends))


def _range(spread: ModelRange | None, rules: Rules) -> ModelRange | None:
    if spread is None:
        return None
    low, high = rules.rounded(spread.low), rules.rounded(spread.high)
    return ModelRange(
        low, high, spread.n_models, spread.n_not_estimable, spread.criterion, spread.within
    )


def scrubbed(text: str, publication: Publication, levels: frozenset[str] = frozenset()) -> str:
    """Write a sentence without numbers found in the data; where zeros are not safe, without those either.

    Numbers stay that are levels of covariates, or parts of names, models and settings.

    Examples
    --------
    >>> import mse
    >>> safe = mse.disclosure.protect_table(mse.load_dataset("korea"), mse.disclosure.rules("cbs"))
    >>> scrubbed("In 52 of 1,000 replicates of [12,3] in 2015, year=2014: none.", safe.publication)
    'In x of x replicates of [12,3] in x, year=2014: none.'
    """
    if not publication.rules.active:
        return text
    if publication.rules.unsafe(0) and re.search(r"[Nn]obody", text):
        return "Some combinations are empty; which ones is not shown."
    return _NUMBER.sub(lambda found: found[0] if found[0] in levels else MARK, text)


# Strata ------------------------------------------------------------------------------------------


def _frame(
    estimate: PopulationEstimate,
    publication: Publication,
    names: tuple[str, ...],
    level: float,
    *,
    withheld: bool,
) -> pd.DataFrame:
    """Estimates by some covariates, as far as they may be shown."""
    rows = []
    for row in estimate.margin(*names, level=level).to_dict(orient="records"):
        count = publication.value(tuple((name, row[name]) for name in names))
        shown = (
            _suppressed_row(count) if count is None or withheld else _row(row, count, publication)
        )
        rows.append({name: row[name] for name in names} | shown)
    frame = pd.DataFrame(rows, columns=[*names, *_FIGURES])
    return frame.assign(observed=pd.array([row["observed"] for row in rows], dtype="Int64"))


def _suppressed_row(count: int | None) -> dict[str, Any]:
    figures = dict.fromkeys(("hidden", "total", "coverage", "low", "high"), math.nan)
    return {"observed": count, **figures, "status": "suppressed", "limit": None}


def _row(row: Mapping[Any, Any], count: int, publication: Publication) -> dict[str, Any]:
    rules = publication.rules
    if not rules.active:
        return {name: row[name] for name in _FIGURES}
    total = max(rules.rounded(row["total"]), count) if row["total"] == row["total"] else math.nan
    low = max(rules.rounded(row["low"]), count) if row["low"] == row["low"] else math.nan
    return {
        "observed": count,
        "hidden": total - count,
        "total": total,
        "coverage": round(count / total, SHARE_DIGITS) if total > 0 else math.nan,
        "low": low,
        "high": rules.rounded(row["high"]),
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
