"""Grades: how far each figure carries by the stated rules, what keeps it from a better one, and the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.answer.grades import LETTERS, RULES
from mse.words.content import Block, Bullets, Cell, Column, Section, Text, inline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.answer.grades import Grade, Rule
    from mse.reporting.context import Context
    from mse.words.content import Inline, Table

__all__ = ["graded", "graded_in"]


def graded(context: Context) -> Section:
    """Give the grades of totals and periods with their reasons, and the rules."""
    lines = tuple(_lines(context))
    blocks: tuple[Block, ...] = ()
    if lines:
        # What is not shown no grade may tell of.
        hidden = [context.paragraph("grading.hidden", "note")] * context.hides
        blocks = (context.paragraph("grading.intro"), Bullets(lines), _rules(context), *hidden)
    return Section("grades", context.say("heading.grades"), blocks)


def graded_in(context: Context, found: Grade) -> Inline:
    """Say a grade and why it is no better, with where the rules are."""
    link = Text(context.say("grading.link"), link="grades")
    return inline(context.say.graded(found), " ", link)


def _lines(context: Context) -> Iterator[Inline]:
    """Say the grade of each total and period, and why it is no better."""
    given, say = context.given, context.say
    for monitor in given.monitors:
        for each in monitor.levels:
            found = monitor.cells[each, ()].grade
            if found.letter:
                yield inline(f"{each}: {say.graded(found)}")
    for group in given.groups:
        for each in group.estimates:
            if each.population.grade.letter:
                name = context.short(each.population)
                yield inline(f"{name}: {say.graded(each.population.grade)}")


def _rules(context: Context) -> Table:
    """Lay the rules out: what each criterion asks for each grade."""
    say = context.say

    def asked(rule: Rule, at: int) -> Cell:
        if rule.bounds[-1] == 1:
            # What is so or not: a bound of 1 allows it.
            return Cell(say("grading.free" if rule.bounds[at] < 1 else "grading.any"))
        bound = say.decimal_cell(rule.bounds[at], 0 if rule.at_least else 2)
        return Cell(say(f"grading.{'least' if rule.at_least else 'most'}", bound=bound.text))

    columns = [
        (Column(say("column.criterion")), lambda rule: Cell(say(f"grading.{rule.name}"))),
        *(
            (
                Column(f"{letter}, {say(f'grade_word.{letter}')}"),
                lambda rule, at=at: asked(rule, at),
            )
            for at, letter in enumerate(LETTERS[:-1])
        ),
    ]
    notes = (say("grading.beyond", letter=f"{LETTERS[-1]}, {say(f'grade_word.{LETTERS[-1]}')}"),)
    return context.table(say("caption.grades"), columns, RULES.values(), notes)
