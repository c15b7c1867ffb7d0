"""What every part of a report needs: the results, the language, the rules of disclosure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mse._text import drew_registered_only
from mse.reporting.content import Cell, Inline, Text, inline

if TYPE_CHECKING:
    from mse.disclosure import Rules
    from mse.population import PopulationEstimate
    from mse.reporting.counts import Counts
    from mse.reporting.evidence import Evidence
    from mse.reporting.language import Language
    from mse.reporting.sentences import Sentences
    from mse.table import TableInfo

__all__ = ["Context"]


@dataclass(frozen=True, eq=False)
class Context:
    """Results and how to speak of them.

    Attributes
    ----------
    given : Evidence
        The results, protected.
    counts : tuple of Counts
        What may be shown of the tables, in the order of ``given.tables``.
    say : Language
        Messages and numbers.
    sentences : Sentences
        What the layers below say, in this language.
    rules : Rules
        Of disclosure; `given` follows them where it can.
    level : float
        Level of the intervals.
    pictures : bool
        Whether figures are drawn.
    """

    given: Evidence
    counts: tuple[Counts, ...]
    say: Language
    sentences: Sentences
    rules: Rules
    level: float
    pictures: bool = True

    @property
    def hides(self) -> bool:
        """Whether counts are suppressed or rounded, so that nothing may leave that gives them away."""
        return self.rules.active

    @property
    def interval_heading(self) -> str:
        """Heading of a column of intervals of the total."""
        return self.say("column.total_interval", level=self.say.level(self.level))

    # Numbers of persons that the layers below did not protect --------------------------------------

    def persons(self, value: float) -> float:
        """Round an estimated number of persons as the rules ask."""
        return self.rules.rounded(value) if self.rules.base > 1 else value

    def counted(self, value: float) -> str:
        """Write a count, with a mark where it is suppressed."""
        return self.say("disclosure.mark") if math.isnan(value) else self.say.number(value)

    def observed_cell(self, value: float) -> Cell:
        """Make a cell with a count, with a mark where it is suppressed."""
        if math.isnan(value):
            return Cell(self.say("disclosure.mark"))
        return self.say.count_cell(int(value))

    def span_cell(self, low: float, high: float) -> Cell:
        """Make a cell with an interval of persons, rounded."""
        return self.say.span_cell(self.persons(low), self.persons(high))

    def count_cell(self, value: float) -> Cell:
        """Make a cell with an estimated number of persons, rounded."""
        return self.say.count_cell(self.persons(value))

    # Words ------------------------------------------------------------------------------------------

    def translated(self, text: str) -> Inline:
        """Say a text of the layers below in the language of the report, or mark it."""
        return inline(self.sentences.say(text))

    def cell_of(self, text: str) -> Cell:
        """Make a cell of a text of the layers below."""
        said = self.sentences.say(text)
        return Cell(said.text, text or None, said.language)

    def described(self, text: str, info: TableInfo) -> Text:
        """Give what somebody wrote about a table; texts of bundled tables are English."""
        from mse.datasets import list_datasets

        said = self.sentences.name(text)
        if not any(each.isalpha() for each in text):
            return Text(text)
        ours = info.name.endswith("(synthetic)") or info.name in set(list_datasets()["name"])
        if said.text == text and ours:
            return self.sentences.say(text)
        return said

    def subject(self, info: TableInfo) -> Inline:
        """Name the population and the period."""
        subject: str | Text = self.say("question.anybody")
        if info.population:
            subject = self.described(info.population, info)
        if not info.period:
            return inline(subject)
        return inline(subject, ", ", self.described(info.period, info))

    def method_name(self, population: PopulationEstimate) -> str:
        """Name the method where no language can be marked: with its code, if it is another one."""
        return self.named(population.method)

    def named(self, text: str) -> str:
        """Say a text where no language can be marked: with its code, if it is another one."""
        said = self.sentences.say(text)
        return f"{said.text} [{said.language}]" if said.language else said.text

    def method(self, population: PopulationEstimate) -> Inline:
        """Name the method, and the model where there is one."""
        said = self.sentences.say(population.method)
        return inline(said, f" {population.model}" if population.model else "")

    def kind(self, population: PopulationEstimate, *, brief: bool = False) -> str:
        """Name the kind of interval, and unless it is to be brief what it takes for granted."""
        kind = population.interval_kind
        if not kind:
            return self.say("number.no_interval")
        return self.kind_named(kind, "" if brief else population.interval_given)

    def kind_named(self, kind: str, given: str) -> str:
        """Write a kind of interval, and what it takes for granted where that is to be said."""
        parts = [self.say(f"kind.{kind}") if self.say.has(f"kind.{kind}") else kind]
        return ", ".join([*parts, self.given_named(given)] if given else parts)

    def given_named(self, given: str) -> str:
        """Say in short what an interval takes for granted."""
        key = f"given_short.{_key(given)}"
        return self.say(key) if self.say.has(key) else given

    def conditions(self, population: PopulationEstimate) -> Inline:
        """Say what the interval takes for granted."""
        given = population.interval_given
        if math.isnan(population.interval(self.level)[0]):
            return ()
        if not given:
            credible = population.interval_kind == "credible"
            return inline(self.say("given.posterior")) if credible else ()
        key = f"given.{_key(given)}"
        if self.say.has(key):
            fixed = f" {self.say('given.n_fixed')}" if drew_registered_only(population) else ""
            return inline(self.say(key) + fixed)
        return self.say.rich("given.other", given=self.sentences.say(given))

    def status(self, population: PopulationEstimate) -> str:
        """Name the status."""
        return self.say(f"status.{population.status}")


def _key(given: str) -> str:
    """Key of what an interval takes for granted."""
    return given.replace(" ", "_")
