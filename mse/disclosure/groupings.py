"""Two groupings of one covariate, read by the names of their levels: which levels are parts of which.

A level is a set of atoms, that two levels share or do not: of ages and years those between the bounds of either
grouping, of other names the names themselves, of "north and south" two of them, and of "other" all but those that
its own grouping names.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: What two levels may share.
Atoms: TypeAlias = frozenset[object]
#: The atoms of each level of a grouping.
Grouping: TypeAlias = "dict[str, Atoms]"

#: What stands for everybody who has none of the other levels.
_REST = frozenset(("other", "others", "rest", "remaining", "else", "overig", "overige", "andere"))
#: What stands for a level that is not known; it is like no other.
_UNKNOWN = frozenset(("unknown", "onbekend", "niet bekend", "not known", "missing"))
#: Levels that any covariate may have.
_ANY = frozenset(("yes", "no", "ja", "nee", "true", "false", "0", "1", "a", "b"))
#: Everybody whom neither grouping names.
_ELSE = "nobody's"
#: What stands between names that were put together.
JOINED = re.compile(r"\s*(?:[,;&+/|]|\band\b|\bor\b|\ben\b|\bof\b)\s*")
_NUMBER = r"(\d+(?:\.\d+)?)"
_BETWEEN = re.compile(rf"{_NUMBER}\s*(?:-|\u2013|\u2014|to|t/m|tot en met|through)\s*{_NUMBER}")
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_QUARTER = re.compile(r"(\d{4})[ -]?[qk]([1-4])")
_HALF_OPEN = re.compile(rf"([\[(])\s*{_NUMBER}\s*,\s*{_NUMBER}\s*([\])])")
_FROM = re.compile(
    rf"(?:>=|\u2265|from|vanaf)?\s*{_NUMBER}\s*(?:\+|and older|and over|or older|or more|and more|en ouder|of ouder|of meer|"
    r"en meer|plus)"
)
_AT_LEAST = re.compile(rf"(?:>=|\u2265|from|vanaf)\s*{_NUMBER}")
_ABOVE = re.compile(rf"(?:>|over|older than|ouder dan|more than|meer dan)\s*{_NUMBER}")
_BELOW = re.compile(rf"(?:<|under|below|younger than|jonger dan|less than|minder dan)\s*{_NUMBER}")
_AT_MOST = re.compile(rf"(?:<=|\u2264|up to|at most|tot en met|hoogstens)\s*{_NUMBER}")


def span_of(level: str) -> tuple[float, float] | None:
    """Read a level as a range of ages, years, quarters or months: from, and up to but without.

    Examples
    --------
    >>> [span_of(each) for each in ("0-17", "18+", "under 18", "2014", "2014-02", "women")]
    [(0.0, 18.0), (18.0, inf), (-inf, 18.0), (2014.0, 2015.0), (2014.083333, 2014.166667), None]
    """
    text = re.sub(r"\s*(?:years?|jaar|yrs?)\b", "", level.strip().casefold()).strip()
    if month := _MONTH.fullmatch(text):
        return _twelfths(month[1], int(month[2]) - 1, 1)
    if quarter := _QUARTER.fullmatch(text):
        return _twelfths(quarter[1], 3 * int(quarter[2]) - 3, 3)
    if between := _BETWEEN.fullmatch(text):
        low, high = float(between[1]), float(between[2])
        return (low, high + 1.0) if low <= high else None
    if bracket := _HALF_OPEN.fullmatch(text):
        return float(bracket[2]) + (bracket[1] == "("), float(bracket[3]) + (bracket[4] == "]")
    for pattern, above, more in (
        (_FROM, True, 0.0),
        (_AT_LEAST, True, 0.0),
        (_ABOVE, True, 1.0),
        (_AT_MOST, False, 1.0),
        (_BELOW, False, 0.0),
    ):
        if found := pattern.fullmatch(text):
            end = float(found[1]) + more
            return (end, math.inf) if above else (-math.inf, end)
    if re.fullmatch(r"\d+", text):
        return float(text), float(text) + 1.0
    return None


def _twelfths(year: str, first: int, months: int) -> tuple[float, float]:
    ends = (float(year) + at / 12 for at in (first, first + months))
    low, high = (round(end, 6) for end in ends)
    return low, high


def atoms_of(one: Sequence[str], other: Sequence[str]) -> tuple[Grouping, Grouping]:
    """Write the levels of two groupings as sets of atoms.

    Examples
    --------
    >>> one, other = atoms_of(["0-17", "18+"], ["0-19", "20+"])
    >>> one["0-17"] < other["0-19"], other["20+"] < one["18+"], one["18+"] & other["0-19"] == set()
    (True, True, False)
    >>> one, other = atoms_of(["Dutch", "other"], ["Dutch", "Polish", "other"])
    >>> other["Polish"] | other["other"] == one["other"], one["Dutch"] == other["Dutch"]
    (True, True)
    """
    spans = {each: span_of(each) for each in (*one, *other) if not _special(each)}
    if spans and all(each is not None for each in spans.values()):
        own = _between({name: each for name, each in spans.items() if each is not None})
    else:
        own = _named([*spans], one, other)
    everything = {_ELSE, *(atom for atoms in own.values() for atom in atoms)}
    return _with_rest(one, own, everything), _with_rest(other, own, everything)


def is_rest(level: str) -> bool:
    """Whether a level stands for everybody who has none of the others."""
    return re.split(r"\W+", level.strip().casefold())[0] in _REST


def _special(level: str) -> bool:
    return level.strip().casefold() in _UNKNOWN or is_rest(level)


def _between(spans: Mapping[str, tuple[float, float]]) -> Grouping:
    """Cut ranges at the bounds of all of them."""
    cuts = sorted({end for span in spans.values() for end in span})
    pieces = [*pairwise(cuts)]
    return {
        name: frozenset(piece for piece in pieces if low <= piece[0] and piece[1] <= high)
        for name, (low, high) in spans.items()
    }


def _named(levels: Iterable[str], one: Iterable[str], other: Iterable[str]) -> Grouping:
    """Take names apart where all of their parts are levels of the other grouping."""
    known = {each.strip().casefold() for each in (*one, *other)}
    found: Grouping = {}
    for level in levels:
        text = level.strip().casefold()
        parts = [part for part in JOINED.split(text) if part]
        apart = len(parts) > 1 and known.issuperset(parts)
        found[level] = frozenset(parts if apart else [text])
    return found


def _with_rest(levels: Sequence[str], own: Grouping, everything: set[object]) -> Grouping:
    """Give those of no other level all atoms that their own grouping does not name, and the unknown one its own."""
    named = {atom for each in levels for atom in own.get(each, ())}
    found: Grouping = {}
    for each in levels:
        if each in own:
            found[each] = own[each]
        elif each.strip().casefold() in _UNKNOWN:
            found[each] = frozenset([_UNKNOWN])
        else:
            found[each] = frozenset(everything - named)
    return found


def matched(one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Find which covariate of one table is which of another: of the same name, or of the same levels.

    Examples
    --------
    >>> matched(
    ...     {"sex": ["f", "m"], "age": ["0-17", "18+"]},
    ...     {"age": ["0-19", "20+"], "geslacht": ["f", "m"]},
    ... )
    {'age': 'age', 'sex': 'geslacht'}
    """
    found = {name: name for name in one if name in other}
    for name in (each for each in one if each not in found):
        free = [each for each in other if each not in found.values()]
        alike = next((each for each in free if _alike(one[name], other[each])), None)
        if alike is not None:
            found[name] = alike
    return found


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two covariates have half of their levels, or of the bounds of their ranges, in common."""
    spans = [[span_of(each) for each in levels if not _special(each)] for levels in (one, other)]
    kinds: list[set[object]] = [{each.casefold() for each in levels} for levels in (one, other)]
    if all(len(each) > 1 and None not in each for each in spans):
        kinds = [
            {end for span in each for end in span or () if math.isfinite(end)} for each in spans
        ]
    common = kinds[0] & kinds[1]
    return 2 * len(common) >= min(map(len, kinds)) > 0 and not common <= _ANY
