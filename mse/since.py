"""What changed since the last run, and why: data, scope, method, disclosure, software."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from mse.answer.shown import Result, Section, filled, layout
from mse.messages import MARK, SOURCE, catalogue_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What a difference between runs can come from, in the order in which it is told.
CAUSES = ("data", "scope", "method", "disclosure", "software")
#: Name of a difference of which it is not said what it was.
COUNTS = "counts"


class Difference(NamedTuple):
    """Something that two runs have not in common, as text; a dash where one of them lacks it."""

    cause: str
    what: str
    before: str
    after: str

    def told(self, say: Any) -> str:
        """Say it in a language; of counts only that they are others."""
        text: str = say(
            "changed.counts" if self.what == COUNTS else "changed.difference", **self._asdict()
        )
        return text


class Known(NamedTuple):
    """One figure as it was published, in persons; NaN where it is suppressed or not estimable."""

    observed: float
    low: float
    high: float
    total: float


class Moved(NamedTuple):
    """One figure in two runs; None where a run does not have it."""

    where: str
    before: Known | None
    after: Known | None

    def cells(self, say: Any) -> list[str]:
        """Write it in columns, see `COLUMNS`; a dash where there is nothing, a mark where it is not shown."""
        found = [self.where]
        for each in (self.before, self.after):
            if each is None:
                found += ["-", "-"]
            else:
                found.append(MARK if math.isnan(each.observed) else say.number(each.observed))
                found.append(
                    "-" if math.isnan(each.low) else say.span(each.low, each.high, each.observed)
                )
        return found


class Step(NamedTuple):
    """The estimated total of the periods that two runs have in common, on the way from one to the other."""

    what: str
    total: float


@dataclass(frozen=True, eq=False, repr=False)
class Since(Result):
    """Two runs beside each other, from what they published.

    Attributes
    ----------
    before, after : str
        Days of the runs.
    differences : tuple of Difference
        What they have not in common, by cause.
    figures : tuple of Moved
        Figures that either has.
    steps : tuple of Step
        The total before, that of the earlier data by the method and software of now, and the total now; empty
        where one cause is enough, or earlier data are not at hand or may not be shown.
    """

    before: str
    after: str
    differences: tuple[Difference, ...]
    figures: tuple[Moved, ...]
    steps: tuple[Step, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        """Causes of which there is a difference."""
        found = {each.cause for each in self.differences}
        return tuple(each for each in CAUSES if each in found)

    def to_frame(self) -> pd.DataFrame:
        """Show the figures as a DataFrame, one row each."""
        blank = Known(*[math.nan] * 4)
        rows = []
        for each in self.figures:
            row = {"where": each.where}
            for name, known in (("before", each.before), ("after", each.after)):
                row |= {
                    f"{part}_{name}": value for part, value in (known or blank)._asdict().items()
                }
            rows.append(row)
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Write everything as a dictionary for JSON, schema ``mse.since/1``."""
        from mse.answer.population import jsonable

        parts = {"differences": self.differences, "figures": self.figures, "steps": self.steps}
        rows = {name: [_as_dict(each) for each in some] for name, some in parts.items()}
        head = {"schema": "mse.since/1", "before": self.before, "after": self.after}
        found: dict[str, Any] = jsonable({**head, "causes": self.causes, **rows})
        return found

    def __repr__(self) -> str:
        return f"<Since {self.before}: changes of {', '.join(self.causes) or 'nothing'}>"

    def _sections(self) -> list[Section]:
        say = catalogue_of(SOURCE)
        parts = [Section(say("heading.changed"), paragraphs=tuple(self.told(say)))]
        for cause in self.causes:
            bullets = tuple(each.told(say) for each in self.of(cause))
            parts.append(Section(say(f"changed.cause_{cause}"), bullets=bullets))
        rows = [each.cells(say) for each in self.figures]
        head = [say(f"changed.column_{name}") for name in COLUMNS]
        parts.append(Section(say("changed.figures"), verbatim=layout(head, rows) if rows else ""))
        steps = tuple(
            f"{say(f'changed.step_{each.what}')}: {say.number(each.total)}" for each in self.steps
        )
        return filled(*parts, Section(say("changed.steps"), bullets=steps))

    def of(self, cause: str) -> Iterator[Difference]:
        """Go through the differences of one cause."""
        return (each for each in self.differences if each.cause == cause)

    def told(self, say: Any) -> Iterator[str]:
        """Say which causes there are, and what can be said of them, in a language."""
        causes = [say(f"changed.cause_{each}").lower() for each in self.causes]
        if not causes:
            yield say("changed.nothing", before=self.before)
        elif len(causes) == 1:
            yield say("changed.one", before=self.before, cause=causes[0])
        else:
            yield say("changed.several", before=self.before, causes=tuple(causes))
            yield say("changed.apart" if self.steps else "changed.not_apart")


#: Columns of the table of figures, in words of the catalogue.
COLUMNS = ("where", "observed_before", "interval_before", "observed", "interval")


def _as_dict(row: Any) -> Any:
    """Write a small result as a dictionary, with those in it."""
    return {k: _as_dict(v) for k, v in row._asdict().items()} if hasattr(row, "_asdict") else row


# Two records put beside each other ----------------------------------------------------------------

#: What a section of a configuration is a cause of; the others are captions, or say where things go.
_CAUSE_OF = {"data": "data", "scope": "scope", "method": "method", "disclosure": "disclosure"}


def since(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    results: tuple[Mapping[str, Any], Mapping[str, Any]],
    steps: tuple[Step, ...] = (),
) -> Since:
    """Put two runs beside each other.

    before, after: records of the runs: ``date``, ``configuration``, ``data``, ``method``, ``software``
    results: what they published, as dictionaries of JSON of a monitor or an estimate
    steps: as of `Since`
    """
    found = [*_of_configurations(before["configuration"], after["configuration"])]
    if before["table"] != after["table"]:
        # The fingerprint stays inside: whoever knows nearly all counts could try it on the others.
        found.append(Difference("data", COUNTS, "", ""))
    for part, cause in (("data", "data"), ("method", "method"), ("software", "software")):
        found += _of(cause, "", before[part], after[part])
    old, new = (_figures(each) for each in results)
    moved = (Moved(each, old.get(each), new.get(each)) for each in dict.fromkeys([*old, *new]))
    ordered = sorted(found, key=lambda each: CAUSES.index(each.cause))
    return Since(before["date"], after["date"], tuple(dict.fromkeys(ordered)), tuple(moved), steps)


def _of_configurations(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for section, cause in _CAUSE_OF.items():
        parts = ({**each.get(section, {}), "private": None} for each in (old, new))
        yield from _of(cause, f"[{section}] ", *parts)
    # Whom it is about is a caption, and part of the scope: it says whether the same was counted.
    whom = [{"population": each.get("about", {}).get("population")} for each in (old, new)]
    yield from _of("scope", "[about] ", *whom)


def _of(
    cause: str, start: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Difference]:
    """Find what differs between two mappings."""
    for name in dict.fromkeys([*old, *new]):
        one, other = (_text(each.get(name)) for each in (old, new))
        if one != other:
            yield Difference(cause, f"{start}{name}", one, other)


def _text(value: Any) -> str:
    if value is None or value in ("", [], {}, ()):
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _figures(result: Mapping[str, Any]) -> dict[str, Known]:
    """Find observed persons, interval and total in published JSON, by what they are of."""
    if "cells" in result:
        return {_where(each): _row(each["observed"], each["total"]) for each in result["cells"]}
    intervals = result["interval"] or {"levels": []}
    ends: Mapping[str, Any] = next(
        (each for each in intervals["levels"] if each["level"] == 0.95), {}
    )
    return {"": _row(result["observed"], {**ends, "point": result["total"]})}


def _where(cell: Mapping[str, Any]) -> str:
    group = cell["group"]
    parts = [cell["period"], group and f"{group['name']} {group['level']}"]
    return ", ".join(str(each) for each in parts if each is not None)


def _row(observed: Any, total: Mapping[str, Any]) -> Known:
    ends = (_number(observed), _number(total.get("low")), _number(total.get("high")))
    high = math.inf if total.get("unbounded") else ends[2]
    return Known(ends[0], ends[1], high, _number(total.get("point")))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
