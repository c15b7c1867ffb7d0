"""The attack: what a reader can compute of the counts that were suppressed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from mse.answer.population import PopulationEstimate
from mse.answer.shown import Result, Section
from mse.comparing import Comparison
from mse.disclosure.cells import Book, label
from mse.disclosure.count_tables import cells_of_frame, has_marks, printed, stacked
from mse.disclosure.gate import table_of_counts, why_withheld
from mse.disclosure.inversion import Range, inverted
from mse.disclosure.printed import Printed, read_printed
from mse.disclosure.protecting import note
from mse.disclosure.reached import note_reach
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.suppression import WHOLE, Protected, least, range_of, told_width
from mse.errors import ModelError
from mse.monitoring import Monitor
from mse.reaching import Reach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mse.data.table import CaptureTable
    from mse.disclosure.cells import Cells, Publication
    from mse.disclosure.rules import AnyRules, Rules

#: Bits of the longest seeds that can be tried out; those of a bundle have 128.
_GUESSED = 64
COLUMNS = ("cell", "what", "low", "high", "exposed", "why")


def attack(
    published: Protected | pd.DataFrame | Mapping[str, Any] | str | Path | Sequence[Any],
    rules: AnyRules | None = None,
    *,
    by: Sequence[str] | None = None,
    count: str = "n",
    total: str = "total",
) -> pd.DataFrame:
    """Compute from a publication alone what can be known of each count that is not shown.

    For each of them two programs find the smallest and the largest number of persons that agree with
    everything that is shown: the other counts, within what they may have been rounded from; the sums
    among them; that persons are counted in whole numbers; and the rules themselves. Linear programs
    where their solution is whole, integer programs where it is not.

    Parameters
    ----------
    published : Protected or DataFrame
        Something that `protect` made; or a frame of counts as it was printed, whoever made it, with
        marks (``x``, ``.``, ``*``, ``-``) or gaps in place of what was suppressed.
    rules : Rules, str or path, optional
        Of a frame: what it is to be held against.
    by, count, total
        Of a frame: as of `protect_counts`.

    Returns
    -------
    DataFrame
        One row for each suppressed count, each count that has no place in the output but follows from
        sums, each small count where rounding is all that protects it, and each share that says too
        much: ``cell``; ``what`` (``suppressed``, ``implied``, ``rounded``, ``share``; of estimates
        ``closed form``, ``seed``, ``sentence``, ``difference``, ``measure``); ``low`` and ``high``,
        persons, or the smallest share and 1; ``exposed``, whether that is within the protection
        limits; ``why``.

    Raises
    ------
    ModelError
        If it is given something else, or something whose sums do not hold.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> frame = pd.DataFrame({"f": [3, 30, 33], "m": [40, 25, 65], "total": [43, 55, 98]})
    >>> frame.index = ["2014", "2015", "total"]
    >>> once = mse.disclosure.Rules(threshold=10, secondary=False)
    >>> found = mse.disclosure.attack(mse.disclosure.protect_counts(frame, once))
    >>> found[["low", "high", "exposed"]].to_numpy().tolist()
    [[3.0, 3.0, True]]
    >>> both = mse.disclosure.Rules(threshold=10)
    >>> mse.disclosure.attack(mse.disclosure.protect_counts(frame, both))["exposed"].any()
    np.False_
    """
    if isinstance(published, Protected):
        return attack_publication(published.publication)
    if rules is None:
        raise ModelError("What was printed tells no rules: give those it is to be held against.")
    held = rules_of(rules)
    if isinstance(published, pd.DataFrame):
        return attack_publication(printed(published, held, by=by, count=count, total=total))
    things = published if isinstance(published, list | tuple) else [published]
    found = sum((read_printed(each).apart(at) for at, each in enumerate(things)), Printed())
    rows = [(*each[:4], _told(each, held), each.why) for each in inverted(found, held)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _told(left: Range, rules: Rules) -> bool:
    """Whether what is left of a count is too little."""
    if left.what == "measure":
        return rules.suppresses
    if left.what == "sentence" and left.low == left.high and left.low % rules.base:
        return True
    return left.low >= (1 if rules.zeros_safe else 0) and left.high < rules.protection[1]


def attack_publication(known: Publication) -> pd.DataFrame:
    """Attack as `attack`."""
    rows = [*_counts(known), *_rounded(known), *_shares(known)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _counts(known: Publication) -> Iterator[tuple[Any, ...]]:
    low, high = known.bounds()
    lower, upper = known.rules.protection
    labels = known.labels
    for cell in np.flatnonzero(known.suppressed | ~known.shown):
        ends = range_of(int(cell), known.sums, low, high)
        if known.suppressed[cell]:
            why = suppressed_too_well(*ends, upper, max(upper - lower, 1))
            yield labels[cell], "suppressed", *ends, bool(why), why
        else:
            # That there is nobody, or perhaps nobody, gives nobody away.
            small = ends[0] >= 1 and ends[1] < upper
            why = f"it must be below {upper}, and somebody" if small else ""
            yield labels[cell], "implied", *ends, small, why


def suppressed_too_well(low: float, high: float, upper: int, width: int) -> str:
    """Say why a suppressed count is known too well; empty if it is not."""
    if low == high:
        return "it can be computed"
    if high < upper:
        return f"it must be below {upper}"
    return f"it is known to within {high - low:g}" if high - low < width else ""


def _rounded(known: Publication) -> Iterator[tuple[Any, ...]]:
    """Where rounding alone protects small counts: which of them are told apart all the same."""
    rules = known.rules
    if rules.threshold > 1 or rules.base == 1:
        return
    low, high = known.bounds()
    small = known.shown & ~known.suppressed & (known.counts <= rules.base)
    for cell in np.flatnonzero(small):
        ends = range_of(int(cell), known.sums, low, high)
        # That there is nobody, or perhaps nobody, gives nobody away.
        told = ends[0] >= 1 and ends[1] - ends[0] < told_width(rules)
        why = f"sums tell it to within {ends[1] - ends[0]:g}" if told else ""
        yield known.labels[cell], "rounded", *ends, bool(told), why


def _shares(known: Publication) -> Iterator[tuple[Any, ...]]:
    """Shares of a total that must be larger than the rules allow."""
    share = known.rules.group
    if share is None:
        return
    low, high = known.bounds()
    for part, total in known.groups:
        if high[part] <= share * low[total]:
            continue
        weights = np.zeros(len(low))
        weights[part], weights[total] = 1.0, -share
        if least(weights, known.sums, low, high).value > WHOLE:
            name = f"{known.labels[part]} of {known.labels[total]}"
            yield name, "share", share, 1.0, True, f"it must be more than {share:.0%}"


# The check: what would give persons away if it left as it is, each violation by name --------------

#: More violations than this are left to `to_frame()`.
_MOST_SHOWN = 30


class Violation(NamedTuple):
    """One thing that would give persons away.

    Attributes
    ----------
    rule : str
        ``threshold``, ``group``, ``dominance``, ``difference``, ``rounding``, ``derived``,
        ``traces`` or ``attack``.
    where : str
        The count, or what it is about.
    what : str
        What was found, what was expected.
    """

    rule: str
    where: str
    what: str


@dataclass(frozen=True, eq=False, repr=False)
class DisclosureCheck(Result):
    """What a check found. It names counts, so it is for those who may see them.

    Attributes
    ----------
    rules : Rules
        What was checked.
    violations : tuple of Violation
        What would give persons away.
    """

    rules: Rules
    violations: tuple[Violation, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.violations

    def to_frame(self) -> pd.DataFrame:
        """Show the violations, one row each: ``rule``, ``where``, ``what``."""
        return pd.DataFrame(list(self.violations), columns=list(Violation._fields))

    def __repr__(self) -> str:
        return (
            f"<DisclosureCheck: {len(self.violations):,} violations of the rules {self.rules.name}>"
        )

    def _sections(self) -> list[Section]:
        if self.passed:
            found: tuple[str, ...] = ("None.",)
        else:
            found = tuple(
                f"{each.rule}: {each.where}: {each.what}" for each in self.violations[:_MOST_SHOWN]
            )
        left = len(self.violations) - _MOST_SHOWN
        more = (f"and {left:,} more: see to_frame().",) if left > 0 else ()
        return [
            Section("Rules", paragraphs=(self.rules.sentence(),)),
            Section("Violations", bullets=found, paragraphs=more),
        ]


def check(thing: object, rules: AnyRules, **options: Any) -> DisclosureCheck:
    """Name everything in something that would give persons away if it left as it is.

    Parameters
    ----------
    thing : CaptureTable, PopulationEstimate, Comparison, Monitor, Reach, DataFrame of counts, or Protected
        What is to leave. What was protected, here or by hand in a frame with marks or gaps, is attacked.
    rules : Rules, str or path
        What is to be protected.
    **options
        Of a frame ``by``, ``count``, ``total`` and ``largest``, as of `protect_counts`; of an estimate
        ``table``, as of `protect_population`.

    Returns
    -------
    DisclosureCheck

    Raises
    ------
    ModelError
        If it is something else.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> frame = pd.DataFrame({"n": [3, 40, 43]}, index=["f", "m", "total"])
    >>> found = mse.disclosure.check(frame.T, mse.disclosure.rules("cbs"))
    >>> found.to_frame()[["rule", "where"]].to_numpy().tolist()[:2]
    [['threshold', 'row n, column f'], ['group', 'row n, column m of row n']]
    """
    rules = rules_of(rules)
    return DisclosureCheck(rules, tuple(_violations(thing, rules, options)))


def _violations(thing: object, rules: Rules, options: dict[str, Any]) -> Iterator[Violation]:
    if isinstance(thing, Protected):
        yield from _exposed(attack_publication(thing.publication))
        return
    if isinstance(thing, pd.DataFrame):
        yield from _frame(thing, rules, **options)
        return
    book = Book()
    if isinstance(thing, Reach):
        note_reach(book, thing, rules, sizes=True)
    else:
        note(book, thing, rules)
    cells = book.cells()
    yield from _printed_counts(cells, rules)
    match thing:
        case PopulationEstimate():
            yield from _estimates([thing], cells, rules, options.get("table"))
        case Comparison():
            yield from _estimates(thing.populations, cells, rules, thing.table)
            yield from _measures(rules)
        case Monitor():
            yield from _estimates([thing.population], cells, rules, options.get("table"))


def _frame(
    frame: pd.DataFrame,
    rules: Rules,
    *,
    by: list[str] | None = None,
    count: str = "n",
    total: str = "total",
    largest: str | None = None,
) -> Iterator[Violation]:
    """Check a frame as it is; if counts are marked already, whether they can be computed."""
    if has_marks(frame, by, count):
        publication = printed(frame, rules, by=by, count=count, total=total)
        for name, number in zip(publication.labels, publication.counts.tolist(), strict=True):
            if number >= 0 and rules.unsafe(number):
                text = f"{number} persons; expected at least {rules.threshold}."
                yield Violation("threshold", name, text)
        yield from _exposed(attack_publication(publication))
    elif by is None:
        cells = cells_of_frame(stacked(frame), rules, ["row", "column"], "n", total)[0]
        yield from _printed_counts(cells, rules)
    else:
        yield from _printed_counts(
            cells_of_frame(frame, rules, by, count, total, largest)[0], rules
        )


def _exposed(found: pd.DataFrame) -> Iterator[Violation]:
    for row in found[found["exposed"].astype(bool)].to_dict(orient="records"):
        yield Violation("attack", row["cell"], f"{row['low']:g} to {row['high']:g}: {row['why']}.")


def _printed_counts(cells: Cells, rules: Rules) -> Iterator[Violation]:
    """Find what is wrong with the counts by themselves."""
    for key, count, shown, never in zip(
        cells.keys, cells.counts.tolist(), cells.shown, cells.unsafe, strict=True
    ):
        if shown and rules.unsafe(count):
            text = f"{count} persons; expected at least {rules.threshold}."
            yield Violation("threshold", label(key), text)
        elif not shown and rules.unsafe(count) and count:
            text = f"{count} persons, by difference; expected at least {rules.threshold}."
            yield Violation("difference", label(key), text)
        if never and shown:
            text = (
                "one contributor has too large a part of it, or the count is known within bounds."
            )
            yield Violation("dominance", label(key), text)
    if rules.group is not None:
        yield from _groups(cells, rules.group)
    odd = cells.shown & (cells.counts % rules.base != 0)
    if odd.any():
        text = f"{int(odd.sum()):,} counts are not multiples of {rules.base}."
        yield Violation("rounding", "counts", text)


def _groups(cells: Cells, share: float) -> Iterator[Violation]:
    for part, total in cells.groups:
        if cells.counts[part] > share * cells.counts[total]:
            found = cells.counts[part] / cells.counts[total]
            where = f"{label(cells.keys[part])} of {label(cells.keys[total])}"
            text = f"{found:.1%} of the persons; expected at most {share:.0%}."
            yield Violation("group", where, text)


def _estimates(
    populations: Any, cells: Cells, rules: Rules, table: CaptureTable | None
) -> Iterator[Violation]:
    """Find what estimates say of counts that may not be shown."""
    if not rules.active:
        return
    small = cells.shown & np.array([rules.unsafe(count) for count in cells.counts.tolist()])
    if small.any():
        text = (
            "counts that may not be shown are the total less the hidden number, and the coverage times "
            f"the total; there are {int(small.sum()):,} of them."
        )
        yield Violation("derived", "total, hidden and coverage", text)
    for population in populations:
        reason = why_withheld(population.alike, rules, table_of_counts(table, population))
        if reason:
            yield Violation("derived", population.method, reason)
    if any("table" in population.provenance for population in populations):
        text = "counts can be tried out against the fingerprint of the table."
        yield Violation("traces", "provenance", text)
    if rules.suppresses and any(map(_guessable, populations)):
        text = "tables can be tried out with seeds that people use: draw with the seed of a Bundle."
        yield Violation("traces", "seed", text)
    yield from _unrounded(populations, rules)


def _guessable(population: PopulationEstimate) -> bool:
    """Whether draws were made with a seed that can be guessed: of fewer bits than a secret key has."""
    known = (population, *([] if population.allowing is None else [population.allowing]))
    seeds = [(each.provenance.get("bootstrap") or {}).get("seed") for each in known]
    written = (re.search(r"\bseed=(\d+)", str(each.provenance.get("estimator"))) for each in known)
    seeds += [int(each[1]) for each in written if each]
    return any(isinstance(each, int) and each.bit_length() <= _GUESSED for each in seeds)


def _unrounded(populations: Any, rules: Rules) -> Iterator[Violation]:
    figures = [population.total for population in populations]
    odd = [each for each in figures if not math.isnan(each) and each != rules.rounded(each)]
    if odd:
        text = f"estimates are not multiples of {rules.base}: their decimals tell which counts they come from."
        yield Violation("rounding", "estimates", text)


def _measures(rules: Rules) -> Iterator[Violation]:
    if rules.suppresses:
        text = "counts that may not be shown can be tried out against how well models fit."
        yield Violation("traces", "deviance, AIC and BIC", text)
