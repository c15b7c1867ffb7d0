"""Where lists operated: as it was said, and where nothing was said, as records let infer.

A list of which nothing is known in some stratum is taken not to have operated there (Zwane, van der Pal &
van der Heijden 2004, Statistics in Medicine 23, 2267-2281). What users say is never doubted. Somebody
reported each person, so lists of which a record is the proof did operate.
"""

from __future__ import annotations

from itertools import combinations, groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.errors import InvalidTableError
from mse.intake.operating import DID, MAX_ENTRIES, UNSAID, possible_strata, strata_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mse._typing import BoolArray, IntArray, Level
    from mse.table import CaptureTable

__all__ = [
    "DoubtedPlaces",
    "SilentPlace",
    "doubted_places",
    "named_strata",
    "operating_lists",
    "silent_places",
]

#: Covariates whose levels in combination may tell where a list did not operate.
MAX_COMBINED = 3

UNSEEN = (
    "Some persons can have been seen in no stratum, given where lists are said to have operated. Correct "
    "what was said, with `table.with_operating(...)`."
)


class SilentPlace(NamedTuple):
    """Strata in which a list did not operate.

    Attributes
    ----------
    name : str
        The stratum, or the level that all of them have; empty where the list operated nowhere.
    persons : int
        Persons known to be there, at least; all lack the list.
    said : bool
        Whether that was said, and not inferred.
    """

    name: str
    persons: int
    said: bool

    def __str__(self) -> str:
        persons = "1 person" if self.persons == 1 else f"{self.persons:,} persons"
        return f"{self.name} (of {persons})".lstrip()


def operating_lists(table: CaptureTable) -> BoolArray:
    """Find which lists operated in which strata.

    What was said stands. Of other lists: a list did not operate in the strata with some level of a
    covariate if persons with that level are known and the list's membership is unknown for all of them.
    Where nobody's membership is unknown beside others of the same stratum whose membership is known, the
    same holds of combinations of levels: memberships then lack by design only. Persons who lack the list
    since it did not operate in their year say nothing about it in other years: levels are taken by the
    persons they explain, fewer levels first, and only those that explain somebody more. A list that is
    unknown for everybody operated nowhere.

    Where that leaves a record without a stratum it can be from, the lists that it knows did operate
    there after all; and if it is not known to be on any list, so did those that it lacks, since
    somebody reported it and nothing tells who.

    Parameters
    ----------
    table : CaptureTable
        Any table but one of margins.

    Returns
    -------
    bool array (K, S)
        Strata in C order.

    Raises
    ------
    InvalidTableError
        If what was said leaves persons whom nobody can have seen.
    """
    operating = np.ones((table.n_lists, table.n_strata), dtype=np.bool_)
    said = np.zeros_like(operating) if table.operating is None else table.operating != UNSAID
    for k in np.flatnonzero(np.any(table.patterns[:, : table.n_lists] < 0, axis=0)):
        if not said[k].all():
            operating[k] = ~_silent(table.patterns[:, k] < 0, said[k], table)
    if table.operating is not None:
        operating = np.where(table.operating == UNSAID, operating, table.operating == DID)
    return operating if operating.all() else _with_records(operating, table)


def _silent(unknown: BoolArray, said: BoolArray, table: CaptureTable) -> BoolArray:
    """Strata in which a list did not operate, from the records that lack it; not those that are said."""
    sizes = np.asarray(table.shape[table.n_lists :], dtype=np.int64)
    known = table.patterns[:, table.n_lists :]
    silent = np.zeros(table.n_strata, dtype=np.bool_)
    rows = ~_within(said, known, table)
    if not rows.any():
        return silent
    if unknown[rows].all():
        return ~said
    if not sizes.size:
        return silent
    strata = np.stack(np.unravel_index(np.arange(table.n_strata), tuple(sizes)), axis=1)
    for size in range(1, min(sizes.size, MAX_COMBINED) + 1):
        rows = ~_within(said | silent, known, table)
        blocks = [
            block
            for axes in combinations(range(sizes.size), size)
            for block in _silent_blocks(unknown[rows], known[rows], list(axes), sizes)
        ]
        for axes, levels in _explaining(blocks, known[rows], table.low[rows]):
            silent |= (strata[:, axes] == levels).all(axis=1)
        if size == 1 and _mixed(unknown, known, silent | said, sizes):
            break
    return silent & ~said


def _explaining(
    blocks: list[tuple[list[int], IntArray]], known: IntArray, persons: IntArray
) -> Iterator[tuple[list[int], IntArray]]:
    """Yield blocks of levels that explain somebody whom none with more persons does."""
    inside = [(known[:, axes] == levels).all(axis=1) for axes, levels in blocks]
    weights = [int(np.maximum(persons[rows], 1).sum()) for rows in inside]
    explained = np.zeros(len(known), dtype=np.bool_)
    for _, tied in groupby(np.argsort(weights)[::-1].tolist(), key=lambda i: weights[i]):
        chosen = [i for i in tied if (inside[i] & ~explained).any()]
        for i in chosen:
            explained |= inside[i]
            yield blocks[i]


def _within(chosen: BoolArray, codes: IntArray, table: CaptureTable) -> BoolArray:
    """Find records all of whose possible strata are among those chosen, (R,) bool."""
    found = np.zeros(len(codes), dtype=np.bool_)
    if not chosen.any():
        return found
    if not codes.shape[1]:
        return np.full(len(codes), bool(chosen.all()))
    whole = np.flatnonzero((codes >= 0).all(axis=1))
    found[whole] = chosen[np.ravel_multi_index(tuple(codes[whole].T), table.shape[table.n_lists :])]
    part = np.flatnonzero((codes < 0).any(axis=1))
    for rows, strata in strata_of(codes[part], table.covariates):
        found[part[rows]] = chosen[strata].all()
    return found


def _silent_blocks(
    unknown: BoolArray, known: IntArray, axes: list[int], sizes: IntArray
) -> Iterator[tuple[list[int], IntArray]]:
    """Yield levels on some axes that records have, all of them without the list."""
    rows = np.all(known[:, axes] >= 0, axis=1)
    shape = tuple(sizes[axes])
    block = np.ravel_multi_index(tuple(known[rows][:, axes].T), shape)
    n_blocks = int(np.prod(shape))
    silent = np.bincount(block, minlength=n_blocks) > 0
    silent &= np.bincount(block, weights=~unknown[rows], minlength=n_blocks) == 0
    for i in np.flatnonzero(silent):
        yield axes, np.asarray(np.unravel_index(i, shape), dtype=np.int64)


def _mixed(unknown: BoolArray, known: IntArray, silent: BoolArray, sizes: IntArray) -> bool:
    """Whether a stratum has records with the list known and records with it unknown."""
    rows = np.all(known >= 0, axis=1)
    stratum = np.ravel_multi_index(tuple(known[rows].T), tuple(sizes))
    without = np.bincount(stratum, weights=unknown[rows], minlength=silent.size) > 0
    having = np.bincount(stratum, weights=~unknown[rows], minlength=silent.size) > 0
    return bool((without & having & ~silent).any())


def _with_records(operating: BoolArray, table: CaptureTable) -> BoolArray:
    """Let the lists operate that have reported somebody, or may be the only ones that have."""
    lists, codes = table.patterns[:, : table.n_lists], table.patterns[:, table.n_lists :]
    free = np.ones_like(operating) if table.operating is None else table.operating == UNSAID
    while True:
        before, lost = operating.copy(), False
        for rows, strata in strata_of(codes, table.covariates):
            possible = possible_strata(lists[rows], before[:, strata]).any(axis=1)
            for row in rows[~possible]:
                lost = True
                reported = bool((lists[row] == 1).any())
                block = np.ix_(lists[row] >= (0 if reported else -1), strata)
                operating[block] |= free[block]
        if not lost:
            return operating
        if np.array_equal(before, operating):
            raise InvalidTableError(UNSEEN)


def silent_places(
    table: CaptureTable, operating: BoolArray | None = None
) -> Iterator[tuple[str, list[SilentPlace]]]:
    """Yield the lists that did not operate somewhere, and where.

    Parameters
    ----------
    table : CaptureTable
        Any table.
    operating : bool array (K, S), optional
        As of `operating_lists`, which is asked otherwise.
    """
    if table.margins is not None or table.is_complete:
        return
    if table.n_lists * table.n_strata > MAX_ENTRIES:
        # No model takes a table so large.
        return
    operating = operating_lists(table) if operating is None else operating
    for k, name in enumerate(table.lists):
        said = np.zeros(table.n_strata, dtype=np.bool_)
        if table.operating is not None:
            said = table.operating[k] != UNSAID
        found = [
            place
            for chosen, by_word in ((~operating[k] & said, True), (~operating[k] & ~said, False))
            if chosen.any()
            for place in _places(table, k, chosen, said=by_word)
        ]
        if found:
            yield name, found


class DoubtedPlaces(NamedTuple):
    """Strata in which a list is taken to operate, though nothing is known of it but what must be so.

    Attributes
    ----------
    places : list of SilentPlace
        Where, with the persons who lack the list.
    persons : int
        Persons whom nobody else can have reported, or of whom nothing tells who did.
    """

    places: list[SilentPlace]
    persons: int


def doubted_places(
    table: CaptureTable, operating: BoolArray | None = None
) -> Iterator[tuple[str, DoubtedPlaces]]:
    """Yield the lists that operated somewhere for no other reason than that somebody was seen there.

    Parameters
    ----------
    table : CaptureTable
        Any table.
    operating : bool array (K, S), optional
        As of `operating_lists`, which is asked otherwise.
    """
    if table.margins is not None or not np.any(table.patterns[:, : table.n_lists] < 0):
        return
    if table.n_lists * table.n_strata > MAX_ENTRIES:
        return
    operating = operating_lists(table) if operating is None else operating
    lists, codes = table.patterns[:, : table.n_lists], table.patterns[:, table.n_lists :]
    for k, name in enumerate(table.lists):
        unknown = lists[:, k] < 0
        said = np.zeros(table.n_strata, dtype=np.bool_)
        if table.operating is not None:
            said = table.operating[k] != UNSAID
        if said.all() or not unknown.any():
            continue
        proof = unknown & ~(lists == 1).any(axis=1)
        proof |= (lists[:, k] == 1) & (np.delete(lists, k, axis=1) == 0).all(axis=1)
        chosen = _silent(unknown | proof, said, table) | _silent(unknown, said, table)
        chosen &= operating[k]
        if not chosen.any():
            continue
        places = [place for place in _places(table, k, chosen, said=False) if place.persons]
        if places:
            there = proof & _within(chosen, codes, table)
            yield name, DoubtedPlaces(places, int(table.low[there].sum()))


def _places(table: CaptureTable, k: int, chosen: BoolArray, *, said: bool) -> Iterator[SilentPlace]:
    """Name strata, and count the persons known to be there who lack a list."""
    lacking = table.patterns[:, k] < 0
    codes = table.patterns[:, table.n_lists :]
    if chosen.all():
        yield SilentPlace("", int(table.low[lacking].sum()), said)
        return
    for name, levels in _whole_levels(chosen, table.covariates):
        there = lacking.copy()
        for axis, level in levels.items():
            there &= codes[:, axis] == level
        yield SilentPlace(name, int(table.low[there].sum()), said)


def named_strata(chosen: BoolArray, covariates: Mapping[str, Sequence[Level]]) -> list[str]:
    """Name strata, whole levels of a covariate first.

    Parameters
    ----------
    chosen : bool array (S,)
        Which strata, in C order.
    covariates : mapping of str to sequence
        Levels of each covariate.

    Examples
    --------
    >>> import numpy as np
    >>> named_strata(np.array([1, 1, 0, 1]) == 1, {"year": (2017, 2018), "sex": ("f", "m")})
    ['year=2017', 'sex=m']
    >>> named_strata(np.array([0, 1, 0, 0]) == 1, {"year": (2017, 2018), "sex": ("f", "m")})
    ['(year=2017, sex=m)']
    """
    return [name for name, _ in _whole_levels(chosen, covariates)]


def _whole_levels(
    chosen: BoolArray, covariates: Mapping[str, Sequence[Level]]
) -> Iterator[tuple[str, dict[int, int]]]:
    """Names of strata with the positions of their levels by axis, those of fewest levels first."""
    whole = chosen.reshape([len(levels) for levels in covariates.values()])
    left, names = whole.copy(), list(covariates.items())
    for size in range(1, whole.ndim + 1):
        for axes in combinations(range(whole.ndim), size):
            others = tuple(axis for axis in range(whole.ndim) if axis not in axes)
            for block in np.argwhere(whole.all(axis=others) & left.any(axis=others)).tolist():
                index: list[slice | int] = [slice(None)] * whole.ndim
                for axis, level in zip(axes, block, strict=True):
                    index[axis] = level
                if not left[tuple(index)].any():
                    continue
                left[tuple(index)] = False
                words = (
                    f"{names[axis][0]}={names[axis][1][level]}"
                    for axis, level in zip(axes, block, strict=True)
                )
                text = ", ".join(words)
                yield (text if size == 1 else f"({text})"), dict(zip(axes, block, strict=True))
