"""Shares of a known group that was reached, made fit to leave: of persons who were all followed for long enough."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from mse.disclosure.cells import Book
from mse.disclosure.count_tables import refuse_identifiers
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.suppression import Protected, publish
from mse.errors import ModelError
from mse.reaching import Reach, share_of

if TYPE_CHECKING:
    from mse.answer.shown import Section
    from mse.disclosure.cells import Key, Publication
    from mse.disclosure.rules import AnyRules, Rules
    from mse.reaching import Missed

#: What the parts of a group are called in the names of cells.
_PART = "part"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProtectedReach(Reach, Protected):
    """Shares of a known group that was reached, as they leave: at the end of the time alone.

    They are of the persons who were followed for all of the time, computed from counts that were suppressed and
    rounded, and from nothing else. A suppressed share is NaN, and so are its persons.

    Attributes
    ----------
    publication : Publication
        The counts as they leave, and what a reader knows of them.
    """

    publication: Publication

    _of_followed: ClassVar[bool] = True

    def _sections(self) -> list[Section]:
        first, *rest = super()._sections()
        return [replace(first, paragraphs=(self.note,)), *rest]

    def to_dict(self) -> dict[str, Any]:
        """Write as `Reach` does, with the rules under which it leaves.

        Returns
        -------
        dict
            Of the schema ``mse.reach/1``; what is suppressed is None.
        """
        disclosure = {
            "rules": self.rules.name,
            "threshold": self.rules.threshold,
            "base": self.rules.base,
            "note": self.note,
        }
        return {**super().to_dict(), "curves": [], "disclosure": disclosure}


def protect_reach(found: Reach, rules: AnyRules) -> ProtectedReach:
    """Let shares of a known group leave whose counts and the counts of the others may be shown.

    Parameters
    ----------
    found : Reach
        What `mse.reach` found.
    rules : Rules, str or path
        What is to be protected.

    Returns
    -------
    ProtectedReach

    Raises
    ------
    ModelError
        If links that were looked for by hand are so few that they may not be shown.

    Notes
    -----
    A share is of persons who were all followed for long enough, so that it is a quotient of two counts; with who
    was followed for less, its digits would tell when single persons were last seen. Both counts, that of persons
    who were not reached, and those who stop at each stage are suppressed together, and rounded; shares and the
    ends of their intervals are computed from what is left of the two, the ends as far out as the rounding
    leaves them. So a share tells no more than its counts. There is no curve: each of its steps is a person.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> group = pd.DataFrame({"person": range(200), "start": "2020-01-01"})
    >>> register = pd.DataFrame({"person": range(60), "date": "2020-02-01"})
    >>> found = mse.reach(group, register, "180D", until="2021-01-01")
    >>> protect_reach(found, mse.disclosure.rules("cbs")).to_frame()["share"].tolist()
    [0.3]
    """
    rules = rules_of(rules)
    everybody = int(found.sizes.loc[found.sizes["stage"] == found.stages[0], "observed"].sum())
    refuse_identifiers({name: [*found.cohort[name].unique()] for name in found.by}, everybody)
    book, rows = Book(), found.cohort.to_dict("records")
    note_reach(book, found, rules)
    publication = publish(book.cells(), rules)
    missed = _missed_shown(found.missed, rules)
    curves, sizes, cohort = [], [], []
    for row in rows:
        key = {name: row[name] for name in ("stage", *found.by)}
        n, inside = (publication.value(_key(found, row, part)) for part in ("", "reached"))
        later = found.since == "previous" and row["stage"] != found.stages[0]
        ends = (math.nan,) * 3
        if n and inside is not None:
            slack = rules.base // 2, (rules.base - 1) // 2
            ends = share_of(min(inside, n), n, 0.0 if later else missed, found.level, slack)
        shown = math.nan if n is None or inside is None else n
        curves.append({**key, "days": found.within, **dict(zip(_ENDS, ends, strict=True))})
        sizes.append({**key, "observed": shown, "followed": shown})
        cohort.append(
            {**key, "persons": shown, "reached": math.nan if math.isnan(shown) else inside}
        )
    frames = (pd.DataFrame(each) for each in (curves, sizes, cohort))
    made = dict(zip(("curves", "sizes", "cohort"), frames, strict=True))
    asked = {name: getattr(found, name) for name in ("within", "stages", "since", "by", "level")}
    settings: dict[str, Any] = {**made, **asked, "missed": missed}
    return ProtectedReach(**settings, publication=publication)


_ENDS = ("share", "low", "high")


def note_reach(book: Book, found: Reach, rules: Rules, *, sizes: bool = False) -> None:
    """Note the counts that shares are made of, and if asked those of everybody, however long they were followed."""
    rows = found.cohort.to_dict("records")
    for row in found.sizes.to_dict("records") if sizes else ():
        for name in ("observed", "followed"):
            book.add(_key(found, row, name), int(row[name]))
    for place, row in enumerate(rows):
        _note(book, found, row, rows[place - len(rows) // len(found.stages)], rules.group)


def _note(
    book: Book, found: Reach, row: dict[Any, Any], before: dict[Any, Any], most: float | None
) -> None:
    """Note one group at one stage: all of them, who was reached, and who was not.

    before: the same group at the stage before; of the first stage whatever it is
    most: share of a group that no part may exceed. Who is in the group is known, so that of nearly all of it not
        being reached tells about persons as well
    """
    whole, inside, others = (_key(found, row, part) for part in ("", "reached", "not reached"))
    n, reached = int(row["persons"]), int(row["reached"])
    book.add(whole, n)
    book.add(inside, reached, unsafe=most is not None and max(reached, n - reached) > most * n)
    book.add(others, n - reached, shown=False)
    book.sum(whole, [inside, others], group=True)
    if found.since == "start" and row["stage"] != found.stages[0]:
        # Who stops at the stage before can be computed from the two shares.
        stopped = _key(found, before, "no further")
        book.add(stopped, int(before["reached"]) - reached, shown=False)
        book.sum(_key(found, before, "reached"), [inside, stopped])
        book.sum(others, [_key(found, before, "not reached"), stopped])


def _key(found: Reach, row: dict[Any, Any], part: str) -> Key:
    """Name a cell: a group; all of it, or a part at one stage."""
    named = [(name, row[name]) for name in found.by]
    if part or found.since == "previous":
        named += [("stage", row["stage"])] * (found.stages != ("",))
    return (*named, *([(_PART, part)] if part else []))


def _missed_shown(missed: Missed, rules: Rules) -> Missed:
    """Round links that were looked for as all counts are."""
    if not isinstance(missed, tuple) or not rules.active:
        return missed
    lost, looked = missed
    if rules.unsafe(lost) or rules.unsafe(looked - lost):
        raise ModelError(
            "Of the links that were looked for so few were missed, or so few were not, that the rules of disclosure "
            "let neither number leave, and the intervals would tell them: state the share, missed=0.04."
        )
    return int(rules.rounded(lost)), int(rules.rounded(looked))
