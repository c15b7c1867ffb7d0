"""Lazy frames counted where the data live: what comes over is one row for each pattern, never a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import narwhals as nw
import pandas as pd

from mse.data.checks import MAX_LISTS, Problems, Voice
from mse.data.codings import UNKNOWN_WORDS, Entries
from mse.data.registrations import check_exchanged, check_spelling, warn_disagreement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Of the columns that are made on the way.
_MADE = "_mse_"
COUNT = f"{_MADE}n"
#: From so many rows on persons are counted in so many parts, one after the other.
PART, PARTS = 2_000_000, 4
#: Levels of a covariate that become numbers on the way.
FEW_LEVELS = 60


def grouped(frame: Any, columns: Sequence[str], counts: Sequence[str]) -> pd.DataFrame:
    """Add up rows that have the same entries in some columns.

    frame: narwhals lazy frame
    columns: by which rows are grouped
    counts: columns of counts, which stay by themselves; without any rows are counted, as `COUNT`
    """
    if counts:
        return _collected(frame.select(*columns, *counts))
    return _collected(frame.group_by(*columns).agg(nw.len().alias(COUNT)))


def units(
    frame: Any,
    roles: Mapping[str, str],
    covariates: Sequence[str],
    entries: Entries,
    voice: Voice,
    registers: Sequence[str] = (),
) -> pd.DataFrame:
    """Count persons in periods by the registers that reported them, and by what is known of them.

    frame: narwhals lazy frame, a row for each registration
    roles: columns of person and register, and of the period if there is one
    covariates: columns; of those of a unit that are known all must agree, or they are unknown
    entries: further words for what is not known
    registers: those there may be
    Returns A column of 0 and 1 for each register, the period, the covariates, and `COUNT`
    Raises InvalidTableError: where a role is missing in a row, or persons and registers are exchanged
    Warns InconsistentRecordsWarning: as `mse.data.readers.from_records`
    """
    problems = Problems(voice)
    person, register, period = roles["person"], roles["register"], roles.get("period")
    schema = frame.collect_schema()
    _check_roles_known(frame, roles, schema, entries, problems)
    problems.check()
    found = _collected(frame.group_by(register).agg(nw.len().alias(COUNT)))[register].tolist()
    _check_registers(found, registers, register, problems)
    problems.check()
    flags = {f"{_MADE}{i}": nw.col(register) == value for i, value in enumerate(found)}
    known, levels = {}, {}
    for name in covariates:
        known[name], levels[name] = _coded(frame, name, _known(name, schema[name], entries))
    keys = [person] if period is None else [person, period]
    made = frame.select(
        *keys,
        *(flag.cast(nw.Int8).alias(name) for name, flag in flags.items()),
        *(value.alias(name) for name, value in known.items()),
    )
    least = {name: f"{_MADE}least_{name}" for name in covariates}
    most = {name: f"{_MADE}most_{name}" for name in covariates}
    aggregates = [
        *(nw.col(name).max() for name in flags),
        *(nw.col(name).min().alias(alias) for name, alias in least.items()),
        *(nw.col(name).max().alias(alias) for name, alias in most.items()),
    ]
    patterns = [*([period] if period else []), *flags, *least.values(), *most.values()]
    parts = pd.concat(
        _collected(
            part.group_by(*keys).agg(*aggregates).group_by(*patterns).agg(nw.len().alias(COUNT))
        )
        for part in _parts(made, person, schema[person])
    )
    if len(found) > 2 and parts[COUNT].sum() < PART:  # where there are more, they are not registers
        persons = _collected(frame.select(nw.col(person).n_unique().alias(COUNT)))
        check_exchanged(len(found), int(persons[COUNT].iloc[0]), problems)
        problems.check()
    counted = parts.groupby(patterns, dropna=False, sort=False)[COUNT].sum().reset_index()
    return _settled(counted, dict(zip(flags, map(str, found), strict=True)), least, most, levels)


def _parts(made: Any, person: str, kind: Any) -> list[Any]:
    """Parts of the rows that hold whole persons, so that few of them are in memory at a time."""
    rows = int(_collected(made.select(nw.len().alias(COUNT)))[COUNT].iloc[0])
    if rows < PART or not (kind.is_integer() or kind == nw.String):
        return [made]
    last = nw.col(person) % PARTS if kind.is_integer() else nw.col(person).str.slice(-1)
    # Ends of some identifiers, in parts; the last part has those that were not among them, too.
    ends = _collected(made.head(max(PART // 20, 1_000)).select(last.alias(COUNT)).unique())[
        COUNT
    ].tolist()
    groups = [ends[i::PARTS] for i in range(min(PARTS, len(ends)))][:-1]
    rest = [end for group in groups for end in group]
    return [*(made.filter(last.is_in(group)) for group in groups), made.filter(~last.is_in(rest))]


def _coded(frame: Any, name: str, known: Any) -> tuple[Any, list[Any] | None]:
    """Replace few levels by whole numbers, which take less room; say which level each stands for."""
    held = _collected(frame.select(known.alias(name)).unique())[name]
    levels = held.dropna().tolist()
    if not 0 < len(levels) <= FEW_LEVELS:
        return known, None
    # Whole numbers of pandas, which are those of Dask, cannot be missing.
    kind = nw.Float32 if frame.implementation.is_dask() else nw.Int8
    code: Any = nw.when(nw.col(name) == levels[0]).then(nw.lit(0, kind))
    for i, level in enumerate(levels[1:], start=1):
        code = nw.when(nw.col(name) == level).then(nw.lit(i, kind)).otherwise(code)
    return code, levels


def _settled(
    counted: pd.DataFrame,
    names: Mapping[str, str],
    least: Mapping[str, str],
    most: Mapping[str, str],
    levels: Mapping[str, list[Any] | None],
) -> pd.DataFrame:
    """Keep the value of each covariate where all rows of a unit agree."""
    disagree = {}
    for name, column in least.items():
        low, high = counted[column], counted[most[name]]
        differ = low.notna() & (low != high)
        disagree[name] = int(counted.loc[differ, COUNT].sum())
        agreed, named = (low.notna() & ~differ).tolist(), levels[name]
        values = low.tolist()
        counted[name] = pd.Series(
            [
                None if not ok else value if named is None else named[int(value)]
                for ok, value in zip(agreed, values, strict=True)
            ],
            index=counted.index,
            dtype=object,
        )
    warn_disagreement(disagree, int(counted[COUNT].sum()))
    dropped = [*least.values(), *most.values()]
    return counted.drop(columns=dropped).rename(columns=dict(names))


def _check_roles_known(
    frame: Any, roles: Mapping[str, str], schema: Any, entries: Entries, problems: Problems
) -> None:
    """Note roles that are missing in some rows."""
    missing = {
        role: _known(name, schema[name], entries).is_null().cast(nw.Int64).sum().alias(role)
        for role, name in roles.items()
    }
    found = _collected(frame.select(*missing.values()))
    for role, name in roles.items():
        if rows := int(found[role].iloc[0] or 0):
            problems.add(
                f"Column {name!r} names no {role} in {rows:,} rows: expected one in every row, since "
                "registrations are linked by it. Leave these rows out in the query, or complete them."
            )
    kind = schema[roles["person"]]
    if kind in (nw.Float64, nw.Float32):
        largest = _collected(frame.select(nw.col(roles["person"]).abs().max().alias(COUNT)))
        if largest[COUNT].iloc[0] >= 2**53:
            problems.add(
                f"Column {roles['person']!r} holds identifiers as floating-point numbers of 2**53 and more, "
                "where different identifiers become one: read them as text."
            )


def _check_registers(
    found: Sequence[Any], registers: Sequence[str], name: str, problems: Problems
) -> None:
    if len(found) > MAX_LISTS:
        problems.add(
            f"Column {name!r} holds {len(found):,} different registers: at most {MAX_LISTS} are possible. "
            "Perhaps it is another column."
        )
    else:
        check_spelling([str(value) for value in found], name, problems)
    others = [value for value in found if registers and str(value) not in registers]
    if others:
        problems.add(
            f"Column {name!r} holds {len(others):,} registers that {problems.voice.option('lists')} does not "
            "name: add them, or leave these rows out in the query."
        )


def _known(name: str, kind: Any, entries: Entries) -> Any:
    """Give a column without the words for what is not known."""
    column = nw.col(name)
    if kind in (nw.Categorical, nw.Enum):
        column = column.cast(nw.String)
    elif kind in (nw.Float32, nw.Float64):
        return nw.when(~column.is_nan()).then(column)
    elif kind != nw.String:
        return column
    words = [*UNKNOWN_WORDS, *map(str.lower, entries.unknown)]
    return nw.when(~column.str.strip_chars().str.to_lowercase().is_in(words)).then(column)


def _collected(frame: Any) -> pd.DataFrame:
    """Bring the rows of a lazy frame here."""
    return cast("pd.DataFrame", frame.collect().to_pandas())
