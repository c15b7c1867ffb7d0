"""The facial set of a table with a factor of many levels, found level by level in whole numbers.

The design rows of the positive cells of one level are zero but for the parameters of that level and the
shared ones. So each level is reduced by itself, its own parameters first; what is left over are rows in
the shared parameters alone, which are reduced together. That gives the null directions of all
positive cells: those of one level, which move cells of that level only, and those with a shared part. How
they move the empty and the hidden cells is settled as in `mse.core.existence`. Levels with the same
positive cells are reduced once.
"""

from __future__ import annotations

from hashlib import sha256
from math import lcm
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mse.core.exact import INSIDE, SAFE, UNLIMITED, null_space
from mse.core.exact_check import compiled_pays, interpreted, on_python_integers
from mse.core.existence import FINITE, null_direction, settle
from mse.core.explicit_fit import MOST_ENTRIES
from mse.core.large_factor import Active, design_rows, placed

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.exact_check import Limits
    from mse.core.large_factor import Factor


#: Answers that are remembered: a search asks twice of each model, for its way and for its list.
REMEMBERED = 64


class LargeAnswer(NamedTuple):
    """What a facial set is found to be: cells (R, L), independent parameters on it, limits (Q,)."""

    face: BoolArray
    keep: Active
    limits: Limits


_ANSWERS: dict[bytes, LargeAnswer] = {}


class _Numbers(NamedTuple):
    """Integers to compute with, and the kernels for them."""

    kind: Any
    limit: Any
    null_space: Any
    null_direction: Any
    settle: Any


_SMALL = _Numbers(np.int64, SAFE, null_space, null_direction, settle)


def _unlimited() -> _Numbers:
    kernels = (interpreted(each) for each in (null_space, null_direction, settle))
    return _Numbers(np.object_, UNLIMITED, *kernels)


class _Reduced(NamedTuple):
    """Reduced rows: the parameters of a level first (those at `own`), then the shared ones."""

    own: IntArray
    basis: Any
    pivots: IntArray
    rank: int
    keep: BoolArray


class _Rows(NamedTuple):
    """Design rows of the cells of the other axes: (R, q) of the parameters of a level, (R, g) shared."""

    local: IntArray
    shared: IntArray


class _Directions(NamedTuple):
    """Null directions as sparse rows: direction, column, slope; and the free parameter of each."""

    rows: list[IntArray]
    places: list[IntArray]
    slopes: list[Any]
    free: list[tuple[int, int]]  # kind and level; the level is -1 for a shared one


def face_of_levels(
    counts: FloatArray,
    face: BoolArray,
    factor: Factor,
    active: Active,
    limits: Limits,
    partner: IntArray,
) -> LargeAnswer:
    """Find the facial set, an independent set of parameters on it, and the hidden limits.

    counts: (R, L), persons by cell
    face: (R, L) bool, observable cells not yet known to be outside F, the positive ones among them
    factor: parameters
    active: those of the model
    limits, partner: (Q,) int8, as of `mse.core.existence.facial_set`, by hidden cell of the table
    Raises ArithmeticError: where directions with a shared part tie so many levels together that
        they cannot be settled
    """
    asked = (face & (counts > 0), face, factor, active, limits, partner)
    parts = (
        *asked[:2],
        *factor[:4],
        factor.cells,
        *active,
        limits,
        partner,
        *(factor.weights or ()),
    )
    question = sha256(b"".join(np.asarray(part).tobytes() for part in parts)).digest()
    if question in _ANSWERS:
        return _ANSWERS[question]
    small = max(
        (np.abs(each).sum(axis=0).max(initial=0) for each in factor.weights or ()), default=0
    )
    pays = small <= SAFE and compiled_pays(active.local.size * len(counts))
    found = _find(_SMALL, *asked) if pays else None
    if found is None:
        with on_python_integers():
            found = _find(_unlimited(), *asked)
    if found is None:
        raise ArithmeticError("there is no integer too large for Python")
    if len(_ANSWERS) >= REMEMBERED:
        del _ANSWERS[next(iter(_ANSWERS))]
    _ANSWERS[question] = found
    return found


def _find(
    numbers: _Numbers,
    positive: BoolArray,
    face: BoolArray,
    factor: Factor,
    active: Active,
    limits: Limits,
    partner: IntArray,
) -> LargeAnswer | None:
    """Find it with one kind of integers; None where one outgrew them."""
    rows = _Rows(*design_rows(factor))
    levels = _reduce_levels(numbers, positive, rows, active)
    if levels is None:
        return None
    reduced, of_level = levels
    together = _reduce_shared(numbers, reduced, active.shared)
    if together is None:
        return None
    keep = _kept(reduced, of_level, together, active)
    columns, others, n_empty = _asked(positive, face, factor, limits, partner)
    found = _slopes(numbers, rows, reduced, of_level, together, active, columns, others)
    if found is None:
        return None
    answers = np.zeros(columns.shape[1], dtype=np.int8)
    answers[:n_empty] = INSIDE
    pivoted = np.zeros(len(found.free), dtype=np.bool_)
    if found.free and not _settled(numbers, found, n_empty, pivoted, answers):
        return None
    for again, (kind, level) in zip(pivoted, found.free, strict=True):
        if again and level < 0:
            keep.shared[kind] = True
        elif again:
            keep.local[kind, level - 1] = True
    face, limits = face.copy(), limits.copy()
    empty = columns[:, :n_empty]
    face[empty[0], empty[1]] = answers[:n_empty] == INSIDE
    limits[np.flatnonzero(limits == FINITE)] = answers[n_empty:]
    return LargeAnswer(face, keep, limits)


def _reduce_levels(
    numbers: _Numbers, positive: BoolArray, rows: _Rows, active: Active
) -> tuple[list[_Reduced], IntArray] | None:
    """Reduce each different level: its positive cells and active parameters; and which one each is."""
    q = len(active.local)
    own = np.column_stack([np.zeros(q, dtype=np.bool_), active.local])
    bits = np.packbits(np.concatenate([positive, own]), axis=0)
    _, first, of_level = np.unique(bits, axis=1, return_index=True, return_inverse=True)
    reduced = []
    for level in first:
        chosen = np.flatnonzero(own[:, level])
        inside = positive[:, level]
        whole = np.column_stack([rows.local[inside][:, chosen], rows.shared[inside]])
        whole[:, chosen.size :][:, ~active.shared] = 0
        each = _reduce(numbers, whole, chosen)
        if each is None:
            return None
        reduced.append(each)
    return reduced, of_level.ravel()


def _reduce(numbers: _Numbers, rows: Any, own: IntArray) -> _Reduced | None:
    p = rows.shape[1]
    basis, pivots = np.zeros((p, p), dtype=numbers.kind), np.zeros(p, dtype=np.int64)
    keep = np.zeros(p, dtype=np.bool_)
    whole = np.ascontiguousarray(rows.astype(numbers.kind))
    rank = int(numbers.null_space(whole, basis, pivots, keep, numbers.limit))
    return None if rank < 0 else _Reduced(own, basis, pivots[:rank], rank, keep)


def _reduce_shared(
    numbers: _Numbers, reduced: list[_Reduced], active: BoolArray
) -> _Reduced | None:
    """Reduce what is left over of all levels, rows in the shared parameters alone."""
    rest = [
        each.basis[: each.rank][each.pivots >= each.own.size, each.own.size :] for each in reduced
    ]
    return _reduce(numbers, np.concatenate(rest).reshape(-1, active.size), np.zeros(0, np.int64))


def _kept(
    reduced: list[_Reduced], of_level: IntArray, together: _Reduced, active: Active
) -> Active:
    """Parameters with a pivot."""
    keep = np.zeros((len(active.local), len(reduced)), dtype=np.bool_)
    for i, each in enumerate(reduced):
        keep[each.own[each.keep[: each.own.size]], i] = True
    return Active(keep[:, of_level[1:]], together.keep.copy())


def _asked(
    positive: BoolArray, face: BoolArray, factor: Factor, limits: Limits, partner: IntArray
) -> tuple[IntArray, IntArray, int]:
    """Cells (2, n) in question, empty ones first; for each its partner among R, -1 for none."""
    empty = np.stack(np.nonzero(face & ~positive))
    hidden = np.flatnonzero(limits == FINITE)
    columns = np.concatenate([empty, placed(hidden, factor)], axis=1)
    others = np.full(columns.shape[1], -1, dtype=np.int64)
    if partner.size:
        of = partner[hidden]
        others[empty.shape[1] :] = np.where(of >= 0, placed(of, factor)[0], -1)
    return columns, others, empty.shape[1]


def _slopes(
    numbers: _Numbers,
    rows: _Rows,
    reduced: list[_Reduced],
    of_level: IntArray,
    together: _Reduced,
    active: Active,
    columns: IntArray,
    others: IntArray,
) -> _Directions | None:
    """How all null directions move the cells in question."""
    found = _Directions([], [], [], [])
    own = [_own_slopes(numbers, rows, each) for each in reduced]
    order = np.argsort(columns[1], kind="stable")
    at = np.searchsorted(columns[1][order], np.arange(of_level.size + 1))

    def add(slopes: Any, level: int, kinds: list[tuple[int, int]], first: int) -> bool:
        """Write the slopes (n, R) of some directions in the cells of one level."""
        here = order[at[level] : at[level + 1]]
        moved, beside = slopes[:, columns[0, here]], others[here] >= 0
        moved[:, beside] = slopes[:, others[here][beside]] - moved[:, beside]
        if numbers.limit != UNLIMITED and np.any(np.abs(moved) > numbers.limit):
            return False
        row, place = np.nonzero(moved)
        found.rows.append(first + row)
        found.places.append(here[place])
        found.slopes.append(moved[row, place])
        found.free.extend(kinds)
        return True

    for level in range(1, of_level.size):
        free, slopes = own[of_level[level]]
        if slopes is None:
            return None
        kinds = [(int(kind), level) for kind in free]
        if len(free) and not add(slopes, level, kinds, len(found.free)):
            return None
    for kind in np.flatnonzero(active.shared & ~together.keep):
        moves, first = _shared_slopes(numbers, rows, reduced, together, int(kind)), len(found.free)
        found.free.append((int(kind), -1))
        for level in range(of_level.size):
            if not add(moves[of_level[level]][None], level, [], first):
                return None
    return found


def _own_slopes(numbers: _Numbers, rows: _Rows, level: _Reduced) -> tuple[IntArray, Any]:
    """Free parameters of a level, and how their directions move its cells, (n, R); None on overflow."""
    free = np.flatnonzero(~level.keep[: level.own.size])
    found = np.zeros((free.size, level.keep.size), dtype=numbers.kind)
    for direction, each in zip(found, free, strict=True):
        if not numbers.null_direction(
            level.basis, level.rank, level.pivots, each, direction, numbers.limit
        ):
            return free, None
    matrix = rows.local[:, level.own].astype(numbers.kind)
    return level.own[free], found[:, : level.own.size] @ matrix.T


def _shared_slopes(
    numbers: _Numbers, rows: _Rows, reduced: list[_Reduced], together: _Reduced, free: int
) -> list[Any]:
    """How the direction with one free shared parameter moves the cells of each different level."""
    scale = lcm(*(int(together.basis[i, p]) for i, p in enumerate(together.pivots)))
    shared = np.zeros(together.keep.size, dtype=np.object_)
    shared[free] = scale
    for i, p in enumerate(together.pivots):
        shared[p] = -int(together.basis[i, free]) * (scale // int(together.basis[i, p]))
    # What the parameters of the levels do to make up for it, in the smallest common unit.
    parts = []
    for each in reduced:
        n, rest = each.own.size, np.flatnonzero(each.pivots < each.own.size)
        pulls = each.basis[rest, n:].astype(np.object_) @ shared
        units = [int(each.basis[i, each.pivots[i]]) for i in rest]
        parts.append((each.pivots[rest], pulls, units))
    unit = lcm(*(u for _, _, units in parts for u in units))
    moves = []
    for each, (pivots, pulls, units) in zip(reduced, parts, strict=True):
        local = np.zeros(each.own.size, dtype=np.object_)
        local[pivots] = [-int(pull) * (unit // u) for pull, u in zip(pulls, units, strict=True)]
        move = rows.local[:, each.own].astype(np.object_) @ local + rows.shared @ (unit * shared)
        fits = numbers.limit == UNLIMITED or not np.any(np.abs(move) > numbers.limit)
        # Beyond the limit any number will do: the check of it refuses.
        moves.append((move if fits else np.full(move.size, 2 * SAFE)).astype(numbers.kind))
    return moves


def _settled(
    numbers: _Numbers, found: _Directions, n_empty: int, pivoted: BoolArray, answers: Limits
) -> bool:
    """Settle the cells; False on overflow."""
    rows = np.concatenate(found.rows)
    tied = any(level < 0 for _, level in found.free)
    if tied and len(found.free) * np.unique(np.concatenate(found.places)).size > MOST_ENTRIES:
        raise ArithmeticError("too many levels are tied together")
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[order], np.arange(len(found.free) + 1))
    places = np.concatenate(found.places)[order]
    slopes = np.concatenate(found.slopes)[order].astype(numbers.kind)
    return bool(
        numbers.settle(starts, places, slopes, n_empty, n_empty, numbers.limit, pivoted, answers)
    )
