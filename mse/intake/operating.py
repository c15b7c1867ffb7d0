"""Where lists operated, as users say it, and what that makes of records."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mse.errors import InvalidTableError, MSEWarning
from mse.intake.names import check_unknown
from mse.intake.observations import Observations, distinct, total
from mse.intake.problems import Problems, listed

if TYPE_CHECKING:
    from mse._typing import BoolArray, IntArray, Level

    Said = npt.NDArray[np.int8]

__all__ = [
    "EVERYWHERE",
    "Operating",
    "check_entries",
    "nowhere_of",
    "positions",
    "possible_strata",
    "read_operating",
    "settled",
    "spread_out",
    "strata_of",
]

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

    Parameters
    ----------
    given : "everywhere", mapping, int array (K, S) or None
        For each list that is named: ``"everywhere"``; a mapping from covariates to the level or levels with
        which it operated (all of them must hold); or a list of such mappings (one of them must hold).
    lists, covariates
        Of the table.

    Returns
    -------
    int8 array (K, S) or None
        1 where the list operated, 0 where it did not, -1 where nothing is said; strata in C order.

    Raises
    ------
    InvalidTableError
        With every problem found in the statement.
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

    Parameters
    ----------
    seen : Observations
        Rows differ; what was said about lists is its `operating`.
    stacklevel : int
        Of warnings, from the caller.

    Returns
    -------
    Observations
        Rows differ, in order.

    Raises
    ------
    InvalidTableError
        If somebody is on lists that, as is said, operated in no stratum together.

    Warns
    -----
    MSEWarning
        With the number of persons who are set aside, or whose membership is.
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

    Parameters
    ----------
    lists : int64 array (R, K)
        Memberships, -1 where unknown.
    operating : bool array (K, S)
        Whether the list operated.

    Returns
    -------
    bool array (R, S)
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
