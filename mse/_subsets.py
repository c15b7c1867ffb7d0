"""Tables made from tables: fewer lists, merged lists, selected or summed strata."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mse._frozen import FrozenDict
from mse.errors import InvalidTableError, MSEWarning
from mse.intake.names import as_names, check_names, check_unknown
from mse.intake.observations import Observations, distinct, total
from mse.intake.operating import (
    check_entries,
    nowhere_of,
    positions,
    read_operating,
    settled,
    spread_out,
)
from mse.intake.problems import Problems, listed

if TYPE_CHECKING:
    from mse._typing import BoolArray, IntArray, Level
    from mse.intake.info import TableInfo
    from mse.intake.operating import Said
    from mse.table import CaptureTable

__all__ = [
    "checked_counts",
    "collapsed",
    "dense_counts",
    "kept_lists",
    "merged_lists",
    "observations",
    "said_again",
    "selected",
    "silenced",
    "split",
    "without_lists",
]

# 2**26 cells of 8 bytes are 512 MB; models of tables that large are out of reach anyway.
MAX_CELLS = 2**26


def kept_lists(table: CaptureTable, names: object) -> tuple[Observations, TableInfo]:
    """Keep the persons on at least one of the named lists, seen by these lists only."""
    problems = Problems()
    lists = as_names(names, "list", problems)
    check_unknown(lists, table.lists, "list", problems)
    check_names(lists, (), problems)
    problems.check()
    _check_cells_known(table, "keep_lists")
    axes = [table.lists.index(name) for name in lists]
    others = np.delete(table.patterns[:, : table.n_lists], axes, axis=1)
    # Who is known to be on none of the other lists is on one of these.
    seen = (table.patterns[:, axes] == 1).any(axis=1) | (others == 0).all(axis=1)
    columns = [*axes, *range(table.n_lists, len(table.axes))]
    patterns = table.patterns[seen][:, columns]
    info = _narrowed(table.info, lists)
    if not seen.all():
        info = _scoped(info, f"persons on {', '.join(lists)}")
    said = None if table.operating is None else table.operating[axes]
    return _counted(table, lists, table.covariates, patterns, seen, said=said), info


def without_lists(table: CaptureTable, names: object) -> tuple[Observations, TableInfo]:
    """Leave lists out, and the persons on no other list."""
    problems = Problems()
    lists = as_names(names, "list", problems)
    check_unknown(lists, table.lists, "list", problems)
    problems.check()
    return kept_lists(table, [name for name in table.lists if name not in lists])


def merged_lists(
    table: CaptureTable, groups: Mapping[str, Sequence[str]]
) -> tuple[Observations, TableInfo]:
    """Replace each group of lists by one list of the persons on any of them."""
    problems = Problems()
    old = _merge_groups(table, groups, problems)
    problems.check()
    _check_cells_known(table, "merge_lists")
    new_of = {name: new for new, names in old.items() for name in names}
    lists = tuple(dict.fromkeys(new_of.get(name, name) for name in table.lists))
    check_names(lists, list(table.covariates), problems)
    problems.check()
    columns, said, nowhere = [], [], nowhere_of(observations(table))
    for name in lists:
        axes = [table.lists.index(part) for part in old.get(name, (name,))]
        # Nobody was on a part that did not operate, where another did.
        absent = nowhere[:, axes] & ~nowhere[:, axes].all(axis=1, keepdims=True)
        parts = np.where(absent, 0, table.patterns[:, axes])
        # On any: known if one is known to hold the person, or all are known not to.
        columns.append(np.where((parts == 1).any(1), 1, np.where((parts < 0).any(1), -1, 0)))
        if table.operating is not None:
            said.append(somewhere(table.operating[axes]))
    patterns = np.column_stack([*columns, table.patterns[:, table.n_lists :]]).astype(np.int64)
    told = table.info.list_descriptions
    words = {
        name: "; ".join(told[part] for part in old.get(name, (name,)) if part in told)
        for name in lists
    }
    info = replace(
        table.info, list_descriptions={name: text for name, text in words.items() if text}
    )
    every = np.ones(len(patterns), dtype=bool)
    held = np.stack(said) if said else None
    return _counted(table, lists, table.covariates, patterns, every, said=held), info


def _merge_groups(
    table: CaptureTable, groups: object, problems: Problems
) -> dict[str, tuple[str, ...]]:
    if not isinstance(groups, Mapping) or not groups:
        problems.add(
            f"`merge_lists` was given {groups!r}: expected a mapping from new names to lists, such as "
            f'{{"merged": {list(table.lists[:2])!r}}}.'
        )
        return {}
    old = {str(new): as_names(names, "list", problems) for new, names in groups.items()}
    mentioned = [name for names in old.values() for name in names]
    check_unknown(list(dict.fromkeys(mentioned)), table.lists, "list", problems)
    twice = sorted({name for name in mentioned if mentioned.count(name) > 1})
    if twice:
        problems.add(f"{listed(twice)} would be merged twice: name each list in one group.")
    for new, names in old.items():
        if not names:
            problems.add(f"The group {new!r} names no lists: name the lists to merge.")
        if new in table.lists and new not in names:
            problems.add(
                f"The new name {new!r} is that of a list outside its group: choose another name, or add "
                f"{new!r} to the group."
            )
    return old


def selected(
    table: CaptureTable, chosen: Mapping[str, object], *, quiet: bool = False
) -> tuple[Observations, TableInfo]:
    """Keep the persons with the chosen levels; a covariate of which one is chosen is dropped."""
    problems = Problems()
    check_unknown(list(chosen), list(table.covariates), "covariate", problems)
    problems.check()
    positions_of = {
        name: positions(name, table.covariates[name], value, problems)
        for name, value in chosen.items()
    }
    problems.check()
    rows = np.ones(len(table.patterns), dtype=bool)
    patterns = table.patterns.copy()
    covariates = dict(table.covariates)
    for name, wanted in positions_of.items():
        axis = table.axes.index(name)
        remap = np.full(len(covariates[name]) + 1, -1)
        remap[wanted] = np.arange(len(wanted))
        patterns[:, axis] = remap[table.patterns[:, axis]]
        if not quiet:
            _warn_left_out(table, name, rows & (table.patterns[:, axis] < 0))
        rows &= patterns[:, axis] >= 0
        covariates[name] = tuple(covariates[name][i] for i in wanted)
    dropped = [name for name, value in chosen.items() if not _is_collection(value)]
    kept = [axis for axis, name in enumerate(table.axes) if name not in dropped]
    info = table.info
    for name in positions_of:
        info = _scoped(info, f"{name} = {', '.join(str(level) for level in covariates[name])}")
    left = {name: levels for name, levels in covariates.items() if name not in dropped}
    return _counted(
        table, table.lists, left, patterns[rows][:, kept], rows, said=_said_of(table, positions_of)
    ), info


def _said_of(table: CaptureTable, wanted: Mapping[str, list[int]]) -> Said | None:
    """Select what was said about the strata with the chosen levels."""
    if table.operating is None:
        return None
    said = spread_out(table.operating, table.covariates)
    for axis, name in enumerate(table.covariates, start=1):
        if name in wanted:
            said = said.take(wanted[name], axis=axis)
    return said.reshape(table.n_lists, -1)


def _is_collection(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str | bytes)


def _warn_left_out(table: CaptureTable, name: str, rows: BoolArray) -> None:
    persons = int(table.low[rows].sum())
    if persons:
        warnings.warn(
            f"{persons:,} persons whose {name!r} is not known are left out of the selection. Estimates "
            "from the whole table use them.",
            MSEWarning,
            stacklevel=4,
        )


def split(table: CaptureTable, name: str) -> dict[Level, tuple[Observations, TableInfo]]:
    """Select each level of a covariate in turn."""
    problems = Problems()
    check_unknown([name], list(table.covariates), "covariate", problems)
    problems.check()
    _warn_left_out(table, name, table.patterns[:, table.axes.index(name)] < 0)
    levels = table.covariates[name]
    return {level: selected(table, {name: level}, quiet=True) for level in levels}


def silenced(table: CaptureTable, name: str, chosen: Mapping[str, object]) -> Observations:
    """Turn membership of a list into unknown for the persons with the chosen levels."""
    problems = Problems()
    check_unknown([name], table.lists, "list", problems)
    check_unknown(list(chosen), list(table.covariates), "covariate", problems)
    problems.check()
    _check_cells_known(table, "not_operating")
    chosen_levels = [
        positions(axis, levels, chosen[axis], problems) if axis in chosen else range(len(levels))
        for axis, levels in table.covariates.items()
    ]
    problems.check()
    check_entries(table.n_lists, table.n_strata)
    said = np.full((table.n_lists, table.n_strata), -1, dtype=np.int8)
    if table.operating is not None:
        said[:] = table.operating
    # With the dots it is a view also where there is no covariate.
    spread_out(said, table.covariates)[table.lists.index(name), ...][np.ix_(*chosen_levels)] = 0
    return settled(replace(observations(table), operating=said), stacklevel=4)


def said_again(table: CaptureTable, operating: object) -> Observations:
    """Say where lists operated; what was said of others stays."""
    _check_cells_known(table, "with_operating")
    said = read_operating(operating, table.lists, table.covariates)
    if said is not None and table.operating is not None:
        named = np.any(said >= 0, axis=1)
        said = np.where(named[:, None], said, table.operating)
    return settled(replace(observations(table), operating=said), stacklevel=4)


def observations(table: CaptureTable) -> Observations:
    """Take what a table holds, but for margins and its description."""
    covariates = dict(table.covariates)
    return Observations(
        table.lists, covariates, table.patterns, table.low, table.high, table.operating
    )


def collapsed(table: CaptureTable, names: Sequence[str]) -> tuple[Observations, TableInfo]:
    """Sum over covariates."""
    problems = Problems()
    if not names:
        problems.add(f"No covariate to sum over: name one or more of {listed(table.covariates)}.")
    check_unknown(names, list(table.covariates), "covariate", problems)
    problems.check()
    kept = [axis for axis, name in enumerate(table.axes) if name not in names]
    covariates = {name: levels for name, levels in table.covariates.items() if name not in names}
    every = np.ones(len(table.patterns), dtype=bool)
    said = table.operating
    if said is not None:
        axes = tuple(i for i, name in enumerate(table.covariates, start=1) if name in names)
        whole = np.moveaxis(spread_out(said, table.covariates), axes, range(len(axes)))
        said = somewhere(whole.reshape(-1, *whole.shape[len(axes) :])).reshape(table.n_lists, -1)
    patterns = table.patterns[:, kept]
    return _counted(table, table.lists, covariates, patterns, every, said=said), table.info


def somewhere(said: Said) -> Said:
    """Sum over the first axis: a list operated that did so in one part, and did not if it did in none."""
    unsaid = np.where((said < 0).any(axis=0), -1, 0)
    return np.where((said > 0).any(axis=0), 1, unsaid).astype(np.int8)


def _counted(
    table: CaptureTable,
    lists: tuple[str, ...],
    covariates: Mapping[str, tuple[Level, ...]],
    patterns: IntArray,
    rows: BoolArray,
    *,
    said: Said | None,
) -> Observations:
    """Add up patterns that became equal."""
    low, high = table.low[rows], table.high[rows]
    if len(patterns):
        sizes = [2] * len(lists) + [len(levels) for levels in covariates.values()]
        group = distinct(list(patterns.T), sizes)
        patterns = patterns[group.first]
        low, high = total(group, low, high)
    if said is not None and (said < 0).all():
        said = None
    return settled(Observations(lists, dict(covariates), patterns, low, high, said), stacklevel=5)


def _check_cells_known(table: CaptureTable, method: str) -> None:
    if table.margins is not None:
        msg = (
            f"`{method}` needs to know which persons are on which lists, and this table holds only the "
            "list totals and their union. Build a new table with `from_margins` from the figures of the "
            "lists you want."
        )
        raise InvalidTableError(msg)


def _scoped(info: TableInfo, words: str) -> TableInfo:
    """Note in the description which persons a derived table is about."""
    return replace(info, scope="; ".join(part for part in (info.scope, words) if part))


def _narrowed(info: TableInfo, lists: Sequence[str]) -> TableInfo:
    told = info.list_descriptions
    return replace(info, list_descriptions=FrozenDict({n: told[n] for n in lists if n in told}))


def dense_counts(table: CaptureTable) -> IntArray:
    """Lay out the exact counts of fully known patterns as a tensor, read only."""
    if table.margins is not None:
        msg = "The counts of this table are not known, only its list totals and their union are."
        raise InvalidTableError(msg)
    if table.n_cells > MAX_CELLS:
        msg = (
            f"The dense table would have {table.n_cells:,} cells, more than {MAX_CELLS:,}: leave out or "
            "merge lists, collapse covariates, or work with `patterns`, `low` and `high`."
        )
        raise InvalidTableError(msg)
    known = (table.patterns >= 0).all(axis=1) & (table.low == table.high)
    dense = np.zeros(table.shape, dtype=np.int64)
    dense[tuple(table.patterns[known].T)] = table.low[known]
    dense.flags.writeable = False
    return dense


def checked_counts(table: CaptureTable, counts: IntArray) -> IntArray:
    """Copy a tensor of counts for the lists and covariates of a table, read only."""
    dense = np.array(counts)
    fits = dense.shape == table.shape and dense.dtype.kind in "iu"
    if not fits or dense[(0,) * table.n_lists].any():
        msg = (
            f"The counts have shape {dense.shape} and dtype {dense.dtype}: expected integers of shape "
            f"{table.shape}, with 0 for the persons on no list."
        )
        raise InvalidTableError(msg)
    dense = dense.astype(np.int64, copy=False)
    dense.flags.writeable = False
    return dense
