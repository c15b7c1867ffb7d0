"""A table shown: as a data frame, as overlaps, as text."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mse.intake.counts import UNBOUNDED
from mse.intake.inferring import doubted_places, silent_places

if TYPE_CHECKING:
    from mse._typing import IntArray
    from mse.intake.info import Margins
    from mse.table import CaptureTable

__all__ = ["described", "frame_of", "html_of", "overlaps_of"]

SHOWN_PAIRS = SHOWN_PLACES = 6


def frame_of(table: CaptureTable) -> pd.DataFrame:
    """Make one row per pattern; for margins one per list, and one for the union."""
    if table.margins is not None:
        return _margins_frame(table, table.margins)
    columns: dict[str, object] = {
        name: _nullable(table.patterns[:, axis]) for axis, name in enumerate(table.lists)
    }
    for axis, (name, levels) in enumerate(table.covariates.items(), start=table.n_lists):
        categories = pd.Index(list(levels))
        columns[name] = pd.Categorical.from_codes(
            table.patterns[:, axis].tolist(), categories=categories
        )
    if bool(np.all(table.low == table.high)):
        columns["n"] = table.low.copy()
    else:
        columns["n_low"] = table.low.copy()
        columns["n_high"] = _nullable(np.where(table.high == UNBOUNDED, -1, table.high))
    return pd.DataFrame(columns)


def _nullable(values: IntArray) -> pd.arrays.IntegerArray:
    """Replace -1 by NA."""
    return pd.arrays.IntegerArray(values.astype(np.int64), values < 0)


def _margins_frame(table: CaptureTable, margins: Margins) -> pd.DataFrame:
    rows = np.where(np.eye(table.n_lists + 1, table.n_lists, dtype=np.int64) == 1, 1, -1)
    columns: dict[str, object] = {name: _nullable(rows[:, i]) for i, name in enumerate(table.lists)}
    columns["n"] = np.array([*margins.list_totals.values(), margins.union], dtype=np.int64)
    return pd.DataFrame(columns)


def overlaps_of(table: CaptureTable) -> pd.DataFrame:
    """Count the persons known to be on both lists of each pair; NA where only margins are known."""
    if table.margins is not None:
        totals = np.array(list(table.margins.list_totals.values()), dtype=np.int64)
        values, unknown = np.diag(totals), ~np.eye(table.n_lists, dtype=bool)
    else:
        member = (table.patterns[:, : table.n_lists] == 1).astype(np.int64)
        values = member.T @ (member * table.low[:, None])
        unknown = np.zeros(values.shape, dtype=bool)
    columns = {
        name: pd.arrays.IntegerArray(values[:, i].copy(), unknown[:, i].copy())
        for i, name in enumerate(table.lists)
    }
    return pd.DataFrame(columns, index=pd.Index(table.lists))


def described(table: CaptureTable) -> str:
    """Tell what the table holds, in lines of text."""
    info = table.info
    subject = ", ".join(part for part in (info.population, info.period) if part)
    lines = [": ".join(part for part in ("Capture table", info.name) if part)]
    rows = [
        ("population", subject),
        ("scope", info.scope),
        *_contents(table),
        ("source", info.source),
    ]
    lines += [f"  {label:<14}{text}" for label, text in rows if text]
    return "\n".join(lines)


def _contents(table: CaptureTable) -> list[tuple[str, str]]:
    totals = np.diag(overlaps_of(table).to_numpy(dtype=np.int64, na_value=0))
    n = max(table.n_observed, 1)
    named = (f"{name} {k:,} ({k / n:.1%})" for name, k in zip(table.lists, totals, strict=True))
    rows = [
        ("observed", _size(table)),
        ("lists", ", ".join(named)),
    ]
    if table.margins is not None:
        return [*rows, ("overlaps", "not known, only the list totals and their union are")]
    rows += [("persons on", _by_number(table)), ("no overlap", _empty_pairs(table))]
    strata = (
        f"{name} ({', '.join(str(level) for level in levels[:6])}{', ...' if len(levels) > 6 else ''})"
        for name, levels in table.covariates.items()
    )
    return [
        *rows,
        ("covariates", ", ".join(strata)),
        ("known partly", _partly_known(table)),
        ("not operating", _not_operating(table)),
        ("operating", _perhaps_operating(table)),
    ]


def _size(table: CaptureTable) -> str:
    return f"{table.n_observed:,} person{'s' * (table.n_observed != 1)} on {table.n_lists} lists"


def _by_number(table: CaptureTable) -> str:
    number = (table.patterns[:, : table.n_lists] == 1).sum(axis=1)
    persons = np.bincount(number, weights=table.low, minlength=2)
    parts = [f"{int(count):,} on {k}" for k, count in enumerate(persons) if k and count]
    known = ", ".join(parts) + (" of the lists" if parts else "")
    nameless = f"{int(persons[0]):,} on lists that are not known" if persons[0] else ""
    return "; ".join(part for part in (known, nameless) if part)


def _empty_pairs(table: CaptureTable) -> str:
    overlaps = overlaps_of(table).to_numpy(dtype=np.int64)
    rows, columns = np.triu_indices(table.n_lists, k=1)
    empty = np.flatnonzero(overlaps[rows, columns] == 0)
    pairs = [f"{table.lists[rows[i]]} and {table.lists[columns[i]]}" for i in empty[:SHOWN_PAIRS]]
    more = _more(len(empty) - SHOWN_PAIRS)
    return "; ".join(pairs) + more


def _more(pairs: int) -> str:
    return f"; {pairs} pair{'s' * (pairs != 1)} more" if pairs > 0 else ""


def _partly_known(table: CaptureTable) -> str:
    parts = []
    for axis, name in enumerate(table.axes):
        persons = int(table.low[table.patterns[:, axis] < 0].sum())
        if persons:
            parts.append(f"{name} unknown for {persons:,} person{'s' * (persons != 1)}")
    intervals = int((table.low != table.high).sum())
    if intervals:
        parts.append(f"{intervals:,} counts within bounds")
    return "; ".join(parts)


def _not_operating(table: CaptureTable) -> str:
    """Where lists did not operate, and on how many persons that rests where nobody said so."""
    parts = []
    for name, places in silent_places(table):
        said = [place.name or "every stratum" for place in places if place.said]
        guessed = [str(place) for place in places if not place.said]
        if said:
            parts.append(f"{name} in {_first(said)}")
        if guessed:
            parts.append(
                f"{name} in {_first(guessed)}, as inferred: nobody's membership is known there"
                if any(place.name for place in places)
                else f"{name}, as inferred: nobody's membership is known"
            )
    return "; ".join(parts)


def _perhaps_operating(table: CaptureTable) -> str:
    """Where lists are taken to operate, with nobody known to be on them but those who must be."""
    return "; ".join(
        f"{name} {'in ' if doubt.places[0].name else ''}{_first([str(each) for each in doubt.places])}, "
        f"as inferred from {doubt.persons:,} persons whom no list that is known reported"
        for name, doubt in doubted_places(table)
    )


def _first(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_PLACES} more" if len(names) > SHOWN_PLACES else ""
    return ", ".join(names[:SHOWN_PLACES]) + more


def html_of(table: CaptureTable) -> str:
    """Show the description and the first rows of the table in a notebook."""
    shown = frame_of(table).head(20)
    body = shown.to_html(index=False, border=0, na_rep="unknown")
    left = len(table.patterns) - len(shown)
    more = f"<p>and {left:,} row{'s' * (left != 1)} more</p>" if left > 0 else ""
    return f"<pre>{html.escape(described(table))}</pre>{body}{more}"
