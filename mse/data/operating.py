"""Where lists operated, as users say it, and what that makes of records."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations, groupby
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mse.data.checks import Problems, check_unknown, listed
from mse.data.patterns import Observations, distinct, total
from mse.errors import InvalidTableError, MSEWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import BoolArray, IntArray, Level

    Said = npt.NDArray[np.int8]

#: What users write: a word for all lists, or for each list a word, levels, or several sets of levels.
Operating = str | Mapping[str, Any]

#: The word for a list that operated in every stratum.
EVERYWHERE = "everywhere"
#: Entries of a statement: the list operated, it did not, nothing is said.
DID, DID_NOT, UNSAID = 1, 0, -1
#: A statement holds an entry for each list and stratum: more would be a table that no model can take.
MAX_ENTRIES = 2**26

EXAMPLE = '{"police": {"year": [2014, 2015]}, "care": "everywhere"}'


def read_operating(
    given: object, lists: tuple[str, ...], covariates: Mapping[str, tuple[Level, ...]]
) -> Said | None:
    """Read a statement of where lists operated.

    given: (K, S), or None, for each list that is named: ``"everywhere"``; a mapping from covariates
        to the level or levels with which it operated (all of them must hold); or a list of such
        mappings (one of them must hold)
    lists, covariates: of the table
    Returns (K, S) int8, or None, 1 where the list operated, 0 where it did not, -1 where nothing is
        said; strata in C order
    Raises InvalidTableError: with every problem found in the statement
    """
    if given is None:
        return None
    shape = tuple(len(levels) for levels in covariates.values())
    n_strata = math.prod(shape)
    check_entries(len(lists), n_strata)
    if isinstance(given, np.ndarray):
        return _checked(given, (len(lists), n_strata))
    problems = Problems()
    said = np.full((len(lists), *shape), UNSAID, dtype=np.int8)
    for name, where in _by_list(given, lists, problems).items():
        said[lists.index(name)] = _boxes(name, where, covariates, problems)
    problems.check()
    said = said.reshape(len(lists), n_strata)
    return None if (said == UNSAID).all() else said


def check_entries(n_lists: int, n_strata: int) -> None:
    """Refuse a statement about more lists and strata than can be held."""
    if n_lists * n_strata > MAX_ENTRIES:
        msg = (
            f"Where lists operated would be said of {n_lists} lists in {n_strata:,} strata, more than "
            f"{MAX_ENTRIES:,} entries: collapse covariates first."
        )
        raise InvalidTableError(msg)


def _checked(given: npt.NDArray[Any], shape: tuple[int, int]) -> Said | None:
    wrong = given.dtype.kind not in "iu" or given.shape != shape
    if wrong or not np.isin(given, (DID, DID_NOT, UNSAID)).all():
        msg = (
            f"`operating` is an array of shape {given.shape} and dtype {given.dtype}: expected whole "
            f"numbers of shape {shape}, a row for each list: 1 where it operated, 0 where it did not, -1 "
            f"where nothing is said; or a mapping such as {EXAMPLE}."
        )
        raise InvalidTableError(msg)
    return None if (given == UNSAID).all() else given.astype(np.int8)


def _by_list(given: object, lists: tuple[str, ...], problems: Problems) -> dict[str, object]:
    """Statements by list; those about lists that there are."""
    if isinstance(given, str) and given.strip().lower() == EVERYWHERE:
        return dict.fromkeys(lists, EVERYWHERE)
    if not isinstance(given, Mapping):
        problems.add(
            f"`operating` is {given!r}: expected 'everywhere', or a mapping from lists to where they "
            f"operated, such as {EXAMPLE}."
        )
        return {}
    check_unknown(list(given), lists, "list", problems)
    return {name: where for name, where in given.items() if name in lists}


def _boxes(
    name: str, where: object, covariates: Mapping[str, tuple[Level, ...]], problems: Problems
) -> npt.NDArray[np.int8]:
    """Entries of one list over its strata."""
    shape = tuple(len(levels) for levels in covariates.values())
    if isinstance(where, str) and where.strip().lower() == EVERYWHERE:
        return np.full(shape, DID, dtype=np.int8)
    said = np.full(shape, DID_NOT, dtype=np.int8)
    boxes = [where] if isinstance(where, Mapping) else where
    if isinstance(boxes, str) or not isinstance(boxes, Iterable):
        boxes = ()
    boxes = list(boxes)
    if not boxes or not all(isinstance(box, Mapping) and box for box in boxes):
        problems.add(
            f"Where list {name!r} operated is {where!r}: expected 'everywhere', or levels of covariates, "
            'such as {"year": [2014, 2015]}, or a list of these. Leave a list that operated nowhere out '
            "of the table."
        )
        return said
    for box in boxes:
        check_unknown(list(box), list(covariates), "covariate", problems)
        chosen = [
            positions(axis, levels, box[axis], problems) if axis in box else range(len(levels))
            for axis, levels in covariates.items()
        ]
        said[np.ix_(*chosen)] = DID
    return said


def positions(name: str, levels: tuple[Level, ...], value: object, problems: Problems) -> list[int]:
    """Positions of a level, or of a collection of them, among those of a covariate."""
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    wanted = list(value) if several else [value]  # type: ignore[call-overload]
    wanted = [item.item() if isinstance(item, np.generic) else item for item in wanted]
    if not wanted:
        problems.add(f"No level of {name!r} was chosen: the levels are {listed(levels, 10)}.")
    check_unknown(wanted, levels, f"level of {name!r}", problems)
    return [i for i, level in enumerate(levels) if level in wanted]


def settled(seen: Observations, *, stacklevel: int = 3) -> Observations:
    """Make of records what the lists that operated can have told.

    Membership of a list that did not operate becomes unknown; persons on no other list are set aside.
    Somebody reported each person: one who is known not to be on any list but one is on that one.

    seen: rows differ; what was said about lists is its `operating`
    stacklevel: of warnings, from the caller
    Returns rows differ, in order
    Raises InvalidTableError: if somebody is on lists that, as is said, operated in no stratum
        together
    Warns MSEWarning: with the number of persons who are set aside, or whose membership is
    """
    n_lists, patterns = len(seen.lists), seen.patterns.copy()
    lists = patterns[:, :n_lists]
    reported = (lists == 1).any(axis=1)
    if seen.operating is None and (reported.all() or not (lists < 0).any()):
        return seen
    nowhere = nowhere_of(seen)
    forgotten = (lists == 1) & nowhere
    lists[nowhere] = -1
    keep = (lists == 1).any(axis=1) | ~reported
    keep &= _complete_last(lists, nowhere) | (lists == 1).any(axis=1)
    if seen.operating is not None:
        keep &= _check_possible(seen, patterns, keep)
    _warn(seen, forgotten, keep, stacklevel + 1)
    low, high = seen.low[keep], seen.high[keep]
    patterns = patterns[keep]
    if len(patterns):
        sizes = [2] * n_lists + [len(levels) for levels in seen.covariates.values()]
        group = distinct(list(patterns.T), sizes)
        patterns = patterns[group.first]
        low, high = total(group, low, high)
    return replace(seen, patterns=patterns, low=low, high=high)


def _complete_last(lists: IntArray, nowhere: BoolArray) -> BoolArray:
    """Put persons on the one list that can have reported them, in place; who may be on one at all."""
    candidates = (lists < 0) & ~nowhere
    count = candidates.sum(axis=1)
    last = (count == 1) & ~(lists == 1).any(axis=1)
    lists[candidates & last[:, None]] = 1
    return np.asarray(count > 0)


def spread_out(said: Said, covariates: Mapping[str, tuple[Level, ...]]) -> npt.NDArray[np.int8]:
    """Give a statement an axis for each covariate, behind that of the lists."""
    return said.reshape(len(said), *(len(levels) for levels in covariates.values()))


def nowhere_of(seen: Observations) -> BoolArray:
    """Find lists that, as is said, operated in none of the strata that a record may be in, (R, K)."""
    codes = seen.patterns[:, len(seen.lists) :]
    found = np.zeros((len(codes), len(seen.lists)), dtype=np.bool_)
    if seen.operating is None:
        return found
    for rows, strata in strata_of(codes, seen.covariates):
        found[rows] = (seen.operating[:, strata] == DID_NOT).all(axis=1)
    return found


def strata_of(
    codes: IntArray, covariates: Mapping[str, tuple[Level, ...]]
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield rows with the same levels, (R, D) with -1 where unknown, and the strata they may be in."""
    shape = tuple(len(levels) for levels in covariates.values())
    if not shape:
        yield np.arange(len(codes)), np.zeros(1, dtype=np.int64)
        return
    every = np.arange(math.prod(shape)).reshape(shape)
    which = distinct(list(codes.T), shape).member
    order = np.argsort(which, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(which[order])) + 1):
        if rows.size:
            index = tuple(slice(None) if code < 0 else code for code in codes[rows[0]].tolist())
            yield rows, np.atleast_1d(every[index]).ravel()


def possible_strata(lists: IntArray, operating: BoolArray) -> BoolArray:
    """Find in which strata records can have been made as they are.

    All lists whose membership is known operated there, and one that the person may be on.

    lists: (R, K), memberships, -1 where unknown
    operating: (K, S) bool, whether the list operated
    Returns (R, S) bool
    """
    known = lists >= 0
    conflict = known.astype(np.int64) @ (~operating).astype(np.int64) > 0
    somewhere = (lists != 0).astype(np.int64) @ operating.astype(np.int64) > 0
    return np.asarray(~conflict & somewhere)


def _check_possible(seen: Observations, patterns: IntArray, keep: BoolArray) -> BoolArray:
    """Find who can have been reported in some stratum; lists that are known must have operated there."""
    assert seen.operating is not None
    n_lists, possible = len(seen.lists), keep.copy()
    for rows, strata in strata_of(patterns[:, n_lists:], seen.covariates):
        there = seen.operating[:, strata] != DID_NOT
        possible[rows] &= possible_strata(patterns[rows, :n_lists], there).any(axis=1)
    conflict = keep & ~possible & (patterns[:, :n_lists] == 1).any(axis=1)
    if conflict.any():
        msg = (
            f"{int(seen.low[conflict].sum()):,} persons whose stratum is not known have known memberships "
            "of lists that, as `operating` says, operated in no stratum together. Correct `operating`, or "
            "make these memberships unknown."
        )
        raise InvalidTableError(msg)
    return possible


def _warn(seen: Observations, forgotten: BoolArray, keep: BoolArray, stacklevel: int) -> None:
    """Say whom a statement contradicts."""
    aside, others = int(seen.low[~keep].sum()), int(seen.low[forgotten.any(axis=1) & keep].sum())
    names = [
        name
        for name, some in zip(seen.lists, np.any(forgotten, axis=0).tolist(), strict=True)
        if some
    ]
    parts = []
    if aside:
        parts.append(
            f"{aside:,} persons on no other list than {listed(names)} are set aside where it did not operate."
            if names
            else f"{aside:,} persons whom no list that operated can have reported are set aside."
        )
    if others:
        parts.append(
            f"{others:,} persons are on {listed(names)} where it is said not to have operated, and on "
            "another list: there their membership is taken as unknown."
        )
    if parts:
        warnings.warn(" ".join(parts), MSEWarning, stacklevel=stacklevel)


# Where lists operated: as it was said, and where nothing was said, as records let infer -----------
# A list of which nothing is known in some stratum is taken not to have operated there (Zwane, van der Pal &
# van der Heijden 2004, Statistics in Medicine 23, 2267-2281). What users say is never doubted. Somebody
# reported each person, so lists of which a record is the proof did operate.

#: Covariates whose levels in combination may tell where a list did not operate.
MAX_COMBINED = 3

UNSEEN = (
    "Some persons can have been seen in no stratum, given where lists are said to have operated. Correct "
    "what was said, with `table.with_operating(...)`."
)


class _Recorded(Protocol):
    """A table, as far as what is said and inferred of lists needs it: `mse.CaptureTable` is one."""

    @property
    def lists(self) -> tuple[str, ...]: ...

    @property
    def covariates(self) -> Mapping[str, tuple[Level, ...]]: ...

    @property
    def patterns(self) -> IntArray: ...

    @property
    def low(self) -> IntArray: ...

    @property
    def margins(self) -> object: ...

    @property
    def operating(self) -> Said | None: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def n_lists(self) -> int: ...

    @property
    def n_strata(self) -> int: ...

    @property
    def is_complete(self) -> bool: ...


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


def operating_lists(table: _Recorded) -> BoolArray:
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

    table: any table but one of margins
    Returns (K, S) bool, strata in C order
    Raises InvalidTableError: if what was said leaves persons whom nobody can have seen
    """
    operating = np.ones((table.n_lists, table.n_strata), dtype=np.bool_)
    said = np.zeros_like(operating) if table.operating is None else table.operating != UNSAID
    for k in np.flatnonzero(np.any(table.patterns[:, : table.n_lists] < 0, axis=0)):
        if not said[k].all():
            operating[k] = ~_silent(table.patterns[:, k] < 0, said[k], table)
    if table.operating is not None:
        operating = np.where(table.operating == UNSAID, operating, table.operating == DID)
    return operating if operating.all() else _with_records(operating, table)


def _silent(unknown: BoolArray, said: BoolArray, table: _Recorded) -> BoolArray:
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


def _within(chosen: BoolArray, codes: IntArray, table: _Recorded) -> BoolArray:
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


def _with_records(operating: BoolArray, table: _Recorded) -> BoolArray:
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
    table: _Recorded, operating: BoolArray | None = None
) -> Iterator[tuple[str, list[SilentPlace]]]:
    """Yield the lists that did not operate somewhere, and where.

    table: any table
    operating: (K, S) bool, as of `operating_lists`, which is asked otherwise
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
    table: _Recorded, operating: BoolArray | None = None
) -> Iterator[tuple[str, DoubtedPlaces]]:
    """Yield the lists that operated somewhere for no other reason than that somebody was seen there.

    table: any table
    operating: (K, S) bool, as of `operating_lists`, which is asked otherwise
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


def _places(table: _Recorded, k: int, chosen: BoolArray, *, said: bool) -> Iterator[SilentPlace]:
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

    chosen: (S,) bool, which strata, in C order
    covariates: levels of each covariate

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
