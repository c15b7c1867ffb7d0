"""Grades of figures by stated rules: each with what keeps it from a better one, in words.

What is stated here is all there is: `RULES` are the thresholds with their reasons, the grade of a figure is the worst of its
marks, and a criterion of which nothing is known is left out of account. ``docs/grades.md`` says how far figures of each grade
were from the truth in populations of known size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from mse._typing import FrozenDict
from mse.answer.intervals import DEFAULT_LEVEL
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mse._typing import FloatArray, IntArray

#: From the best to the worst.
LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True)
class Rule:
    """What a mark for one criterion asks.

    Attributes
    ----------
    name : str
        Of the criterion.
    bounds : tuple of float
        For A, B and C; what is beyond the last is D.
    at_least : bool
        Whether a value must be at least the bound; at most, otherwise.
    why : str
        Where the bounds are from.
    """

    name: str
    bounds: tuple[float, float, float]
    at_least: bool
    why: str

    def marks(self, values: Any) -> IntArray:
        """Mark values, 0 for A to 3 for D, and -1 where there is none (NaN)."""
        known = np.asarray(values, dtype=np.float64)
        bounds = np.asarray(self.bounds)[:, None]
        beyond = known.ravel() < bounds if self.at_least else known.ravel() > bounds
        return np.where(np.isnan(known), -1, beyond.sum(axis=0).reshape(known.shape))


#: The rules, as data.
RULES: Mapping[str, Rule] = FrozenDict(
    {
        rule.name: rule
        for rule in (
            Rule(
                "width",
                (2.0, 4.0, 10.0),
                at_least=False,
                why="Upper end of the 95 % interval of the total over the lower one, or of the ratio of two totals. "
                "Set: what a reader can act on; beyond ten the interval spans more than an order of magnitude.",
            ),
            Rule(
                "persons",
                (100.0, 100.0, 10.0),
                at_least=True,
                why="Persons in the smallest part of the overlaps that moves the hidden number at least half as much as it "
                "changes itself. Chosen on simulated populations, beside the next one.",
            ),
            Rule(
                "models",
                (1.25, 1.5, 3.0),
                at_least=False,
                why="Largest over smallest total of the models near the best one and of the model in which people differ. "
                "Chosen on simulated populations, so that nine of ten totals are within a factor 1.25, 1.5 and 2.25.",
            ),
            Rule(
                "allowance",
                (0.0, 0.0, 1.0),
                at_least=False,
                why="1 where the interval takes people for alike, or the figure is a lower bound. Set: such intervals missed "
                "the truth in one of four simulated populations, and oftenest where they are narrow.",
            ),
            Rule(
                "preliminary",
                (0.0, 1.0, 1.0),
                at_least=False,
                why="1 where reports are still to come. Set: the figure will be revised.",
            ),
        )
    }
)


class Known(NamedTuple):
    """What is known of a figure beside its interval; NaN for what is not.

    Attributes
    ----------
    persons : float
        That the hidden number leans on.
    models : float
        Ratio of the largest to the smallest total of other models and its own.
    allowance : float
        0 where the interval allows for people who differ, 1 where it takes them for alike.
    preliminary : float
        1 where reports are still to come, 0 where they are not.
    bound : bool
        Whether the figure is a lower bound.
    """

    persons: float = math.nan
    models: float = math.nan
    allowance: float = math.nan
    preliminary: float = 0.0
    bound: bool = False

    def without_counts(self) -> Known:
        """Leave out what was found in the data: what may leave is settings, and released figures."""
        return self._replace(persons=math.nan, models=math.nan)


#: Nothing but the interval.
NOT_KNOWN = Known()


def worse(one: Known, other: Known) -> Known:
    """Put together what is known of two figures that a third one is made of."""
    return Known(
        float(np.fmin(one.persons, other.persons)),
        float(np.fmax(one.models, other.models)),
        float(np.fmax(one.allowance, other.allowance)),
        max(one.preliminary, other.preliminary),
        one.bound or other.bound,
    )


def apart(totals: Iterable[float]) -> float:
    """Ratio of the largest to the smallest of some totals; NaN unless there are two."""
    known = [each for each in totals if each > 0]
    return max(known) / min(known) if len(known) > 1 else math.nan


@dataclass(frozen=True)
class Grade:
    """How far a figure carries, by the stated rules.

    Attributes
    ----------
    letter : str
        ``"A"`` to ``"D"``; empty where there is no figure.
    marks : mapping of str to str
        Of each criterion of which something is known; the worst is the grade.
    reasons : tuple of str
        What keeps it from a better grade.
    """

    letter: str = ""
    marks: Mapping[str, str] = field(default_factory=FrozenDict)
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((f"{self.letter}.", *self.reasons)) if self.letter else ""

    def to_dict(self) -> dict[str, Any] | None:
        """Write it for JSON; None where there is no figure."""
        if not self.letter:
            return None
        marks = [{"criterion": name, "grade": mark} for name, mark in self.marks.items()]
        return {"grade": self.letter, "marks": marks, "reasons": list(self.reasons)}


def widths(low: Any, high: Any, level: float = DEFAULT_LEVEL) -> FloatArray:
    """Ratios of the ends of 95 % intervals, from those at another level as if they were log-normal; NaN where there is none.

    Examples
    --------
    >>> widths([10.0, 10.0, 0.0], [20.0, float("inf"), 5.0])
    array([ 2., inf, inf])
    """
    first, last = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(first > 0, last / np.where(first > 0, first, 1.0), np.inf)
        scale = ndtri((1 + DEFAULT_LEVEL) / 2) / ndtri((1 + level) / 2)
        ratios = ratios if scale == 1 else np.exp(np.log(ratios) * scale)
    # Nobody at all is a figure without uncertainty.
    ratios = np.where((first == 0) & (last == 0), 1.0, ratios)
    return np.where(np.isnan(first) | np.isnan(last), np.nan, ratios)


def letters(points: Any, ratios: Any, known: Sequence[Known]) -> list[str]:
    """Grade many figures: the worst mark of each; empty where there is no figure.

    points: figures, (n,), NaN where there is none
    ratios: of the ends of their 95 % intervals, (n,)
    known: what else is known of each
    """
    marks = [_width_marks(ratios)]
    for at, name in enumerate(("persons", "models", "allowance", "preliminary")):
        marks.append(RULES[name].marks([each[at] for each in known]))
    worst = np.max(marks, axis=0) if known else np.zeros(0, dtype=np.int64)
    given = ~np.isnan(np.asarray(points, dtype=np.float64))
    return [LETTERS[mark] if there else "" for mark, there in zip(worst, given, strict=True)]


def _width_marks(ratios: Any) -> IntArray:
    """Mark widths: a figure without an interval is of the last grade."""
    marks = RULES["width"].marks(ratios)
    return np.where(marks < 0, len(LETTERS) - 1, marks)


def grade(point: float, ratio: float, known: Known) -> Grade:
    """Grade a figure.

    point: NaN where there is none
    ratio: of the ends of its 95 % interval; NaN where there is none
    known: what else is known of it

    Examples
    --------
    >>> print(grade(1_200.0, 3.2, Known(persons=400, allowance=0)))
    B. The upper end of the 95% interval is 3.2 times the lower one.
    """
    if math.isnan(point):
        return Grade()
    marks = {"width": int(_width_marks([ratio])[0])}
    for name in ("persons", "models", "allowance", "preliminary"):
        marks[name] = int(RULES[name].marks([getattr(known, name)])[0])
    worst = max(marks.values())
    said = tuple(_reasons(marks, worst, ratio, known)) if worst else ()
    shown = {name: LETTERS[mark] for name, mark in marks.items() if mark >= 0}
    return Grade(LETTERS[worst], FrozenDict(shown), said)


def _reasons(marks: Mapping[str, int], worst: int, ratio: float, known: Known) -> Iterator[str]:
    """Say what is no better than the grade."""
    if marks["width"] == worst:
        if math.isnan(ratio):
            yield Message("grade.no_interval")
        elif math.isinf(ratio):
            yield Message("grade.unbounded")
        else:
            yield Message("grade.width", ratio=ratio)
    if marks["persons"] == worst:
        yield Message("grade.persons", n=int(known.persons))
    if marks["models"] == worst:
        unlike = math.isinf(known.models)
        yield (
            Message("grade.models_unbounded")
            if unlike
            else Message("grade.models", ratio=known.models)
        )
    if marks["allowance"] == worst:
        yield Message("grade.bound" if known.bound else "grade.alike")
    if marks["preliminary"] == worst:
        yield Message("grade.preliminary")
