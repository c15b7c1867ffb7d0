"""Sentences about what is wrong with the data, gathered and raised together."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mse.errors import InvalidTableError

if TYPE_CHECKING:
    from mse._typing import BoolArray, IntArray

SHOWN = 5


@dataclass(frozen=True, eq=False)
class Voice:
    """How problems are told to who reads them: where rows are numbered, and how options are given.

    Attributes
    ----------
    command : bool
        Whether the reader is at the command line, not in Python.
    rows : int64 array, shape (R,), optional
        Number of each row as the reader sees it; without it they count from 0.
    unit : str
        What the numbers count: "row" or "line".
    numbered : bool
        Whether rows have numbers at all; those that a database added up have none.
    """

    command: bool = False
    rows: IntArray | None = None
    unit: str = "row"
    numbered: bool = True

    def option(self, name: str, value: str = "", *, quoted: bool = True) -> str:
        """Write an option as the reader gives it: ``blank='0'`` or ``--blank 0``."""
        if self.command:
            return f"--{name.replace('_', '-')} {shlex.quote(value) if value else ''}".rstrip()
        return (
            f"`{name}`" if not value else f"`{name}={value!r}`" if quoted else f"`{name}={value}`"
        )

    def names(self, name: str, values: Sequence[str]) -> str:
        """Write an option that takes names: ``lists=['a', 'b']`` or ``--lists a,b``."""
        return self.option(
            name, ",".join(values) if self.command else repr([*values]), quoted=False
        )

    def place(self, mask: BoolArray) -> str:
        """Name the rows that a mask marks."""
        if not self.numbered:
            return f"{(n := int(mask.sum())):,} {self.unit}{'s' * (n != 1)}"
        return rows_text(mask, self.rows, self.unit)


class Problems:
    """The problems found so far in one input.

    Examples
    --------
    >>> from mse.data.checks import Problems
    >>> problems = Problems()
    >>> problems.add("The frame has no rows: expected at least one.")
    >>> bool(problems)
    True
    """

    def __init__(self, voice: Voice | None = None) -> None:
        self.found: list[str] = []
        self.voice = voice or Voice()

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, problem: str) -> None:
        """Note one problem, once."""
        if problem not in self.found:
            self.found.append(problem)

    def check(self) -> None:
        """Raise everything found so far, if anything was."""
        if self.found:
            raise InvalidTableError(self.found)


def listed(values: Iterable[object], limit: int = SHOWN) -> str:
    """Write values as text, the first few of them when there are many.

    Examples
    --------
    >>> from mse.data.checks import listed
    >>> listed(["a", "b", "c"])
    "'a', 'b', 'c'"
    >>> listed(range(9), limit=2)
    '0, 1 and 7 more'
    """
    items = [repr(value) for value in values]
    if len(items) <= limit + 1:
        return ", ".join(items)
    return f"{', '.join(items[:limit])} and {len(items) - limit} more"


def values_told(values: Iterable[object], limit: int = SHOWN) -> str:
    """Write what a column holds: a few values by name, many by their number and type, since they may name persons.

    Examples
    --------
    >>> from mse.data.checks import values_told
    >>> values_told(["yes", "no"])
    "'yes', 'no'"
    >>> values_told(f"P{n}" for n in range(300))
    '300 different values (str)'
    """
    known = list(values)
    if len(known) <= limit + 1:
        return listed(known, limit)
    kinds = dict.fromkeys(type(value).__name__ for value in known)
    return f"{len(known):,} different values ({', '.join(kinds)})"


def near(name: object, options: Sequence[object]) -> str:
    """Ask whether an option that looks like `name` was meant; empty if none does.

    Examples
    --------
    >>> from mse.data.checks import near
    >>> near("polcie", ["police", "care"])
    " Did you mean 'police'?"
    """
    spelled = {str(option).lower(): option for option in reversed(options)}
    matches = difflib.get_close_matches(str(name).strip().lower(), list(spelled), n=3, cutoff=0.6)
    if not matches:
        return ""
    return f" Did you mean {' or '.join(repr(spelled[match]) for match in matches)}?"


def rows_text(mask: BoolArray, numbers: IntArray | None = None, unit: str = "row") -> str:
    """Name the rows that a mask marks, by the numbers given or counted from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from mse.data.checks import rows_text
    >>> rows_text(np.array([False, True, False]))
    'row 1'
    >>> rows_text(np.ones(20, dtype=bool))
    '20 rows (0, 1, 2, 3, 4, ...)'
    """
    rows = np.flatnonzero(mask) if numbers is None else numbers[mask]
    if len(rows) == 1:
        return f"{unit} {rows[0]}"
    shown = ", ".join(str(row) for row in rows[:SHOWN])
    more = ", ..." if len(rows) > SHOWN else ""
    return f"{len(rows):,} {unit}s ({shown}{more})"


# Checks of the names of lists and covariates ------------------------------------------------------

#: Thirty lists are a thousand million capture histories; beyond that codes overflow in no use we know.
MAX_LISTS = 30

# These build model formulas ("police*care + other", "[12,3]"), so no name may hold one.
FORBIDDEN = "*+:[],"
# The columns that tables of counts carry next to the lists and covariates.
RESERVED = ("n", "n_low", "n_high")


def as_names(names: object, what: str, problems: Problems) -> tuple[str, ...]:
    """Names given by the user as a tuple of strings.

    names: one name may be given without a list around it
    what: what is named, for the messages: "list" or "covariate"
    problems: receives a problem for each name that is not a string
    """
    if isinstance(names, str):
        return (names,)
    if isinstance(names, set | frozenset):
        problems.add(
            f"`{what}s` is a set, whose order changes from run to run: expected a list, such as "
            '["police", "care"].'
        )
        return ()
    if not isinstance(names, Iterable):
        problems.add(
            f"`{what}s` is {names!r} ({type(names).__name__}): expected the names of the {what}s, "
            f'such as ["police", "care"].'
        )
        return ()
    given = tuple(names)
    wrong = [name for name in given if not isinstance(name, str)]
    if wrong:
        problems.add(
            f"The {what} names {listed(wrong)} are not strings: rename them to strings, "
            f"such as {str(wrong[0])!r}."
        )
    return tuple(str(name) for name in given)


def check_names(lists: Sequence[str], covariates: Sequence[str], problems: Problems) -> None:
    """Check the names of the lists and covariates of one table.

    lists, covariates: names of the axes, in order
    problems: receives what is wrong: too few or too many lists, doubles, names that a model could
        not mention
    """
    if len(lists) < 2:
        found = f"only one list, {lists[0]!r}" if lists else "no list"
        problems.add(
            f"There is {found}: expected at least two, because the overlap between lists is what "
            "tells how many persons are on none."
        )
    if len(lists) > MAX_LISTS:
        problems.add(
            f"There are {len(lists)} lists: at most {MAX_LISTS} are possible, since {len(lists)} lists "
            f"have 2**{len(lists)} capture histories. Merge related lists into one column (on any of "
            "them) or leave out the smallest."
        )
    if len(lists) > MAX_LISTS:
        lists = ()  # so many may be persons, who are not named
    for what, names in (("list", lists), ("covariate", covariates)):
        doubles = sorted({name for name in names if list(names).count(name) > 1})
        if doubles:
            problems.add(
                f"The {what} names {listed(doubles)} occur twice: give each {what} its own name."
            )
        for name in names:
            _check_one(name, what, problems)
    both = [name for name in lists if name in covariates]
    if both:
        problems.add(f"{listed(both)} is used both as a list and as a covariate: name it once.")


def _check_one(name: str, what: str, problems: Problems) -> None:
    held = [character for character in FORBIDDEN if character in name]
    if held:
        problems.add(
            f"The {what} name {name!r} holds {listed(held)}, which have a meaning in model formulas: "
            f"rename it, for example to {_cleaned(name)!r}."
        )
    elif any("\ud800" <= character <= "\udfff" for character in name):
        problems.add(
            f"A {what} name holds half of a character (a lone surrogate), as a file read with the wrong "
            "encoding leaves behind: rename it."
        )
    elif not name.strip():
        problems.add(f"The {what} name {name!r} is blank: give it a name of letters and digits.")
    elif name != name.strip():
        problems.add(
            f"The {what} name {name!r} begins or ends with a space, so no model could mention it: "
            f"rename it to {name.strip()!r}."
        )
    elif name in RESERVED:
        problems.add(f"The {what} name {name!r} is the name of a column of counts: choose another.")


def _cleaned(name: str) -> str:
    for character in FORBIDDEN:
        name = name.replace(character, "_")
    return name.strip() or "list_1"


def find_unknown(names: Sequence[object], options: Sequence[object]) -> list[object]:
    """Names that are not among the options, in order."""
    return [name for name in names if name not in options]


def check_unknown(
    names: Sequence[object], options: Sequence[object], what: str, problems: Problems
) -> None:
    """Note every name that is not among the options, with what it might have been meant to be."""
    for name in find_unknown(names, options):
        some = f"there are {listed(options, 10)}" if options else "there are none"
        problems.add(f"There is no {what} {name!r}: {some}.{near(name, options)}")


def check_nobody(lists: Sequence[str], somebody: Sequence[bool], problems: Problems) -> None:
    """Note the lists that hold nobody."""
    empty = [name for name, some in zip(lists, somebody, strict=True) if not some]
    if empty and len(empty) == len(lists):
        problems.add("The table holds no persons: every count is 0. Expected at least one person.")
        return
    for name in empty:
        problems.add(
            f"Nobody is on list {name!r}: expected at least one person, as an empty list tells nothing "
            "about the others. Leave it out, or mark it unknown where it did not exist."
        )
