"""What answers are worth: how often they hold the truth, on which side they miss, how wide they are."""

from __future__ import annotations

from math import log, sqrt
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.truth.worlds import World


class Answered(NamedTuple):
    """An answer about a world: None for no total, no interval, or no upper end."""

    world: World
    total: float | None
    low: float | None
    high: float | None
    seconds: float

    @property
    def held(self) -> bool:
        """Whether the interval holds the truth; no interval holds nothing."""
        if self.low is None:
            return False
        # Ends are written with the digits of a person.
        return self.low - 0.5 <= self.world.total <= (self.high or float("inf")) + 0.5

    @property
    def ratio(self) -> float:
        """Ratio of the ends; infinite without an upper one, or without an interval."""
        if self.low is None or self.high is None:
            return float("inf")
        return self.high / max(self.low, 1.0)


class Judgement(NamedTuple):
    """Figures of a method on worlds of one kind."""

    worlds: int
    coverage: float
    error: float  # Monte Carlo standard error of the coverage
    too_low: int
    too_high: int
    none: int  # without an interval
    unbounded: int
    bias: float  # median of log(total / truth)
    off: float  # median of |log(total / truth)|
    ratio: float  # median ratio of the ends
    seconds: float  # median


def judge(answers: Sequence[Answered]) -> Judgement:
    """Judge a method's answers about worlds of one kind."""
    n = len(answers)
    held = sum(each.held for each in answers)
    given = [each for each in answers if each.low is not None]
    errors = [log(each.total / each.world.total) for each in answers if each.total]
    share = held / n
    return Judgement(
        n,
        share,
        sqrt(max(share * (1 - share), 1 / n) / n),
        sum(not each.held and (each.high or float("inf")) < each.world.total for each in given),
        sum(not each.held and each.low > each.world.total for each in given),  # type: ignore[operator]
        n - len(given),
        sum(each.high is None for each in given),
        median(errors) if errors else float("nan"),
        median(map(abs, errors)) if errors else float("nan"),
        median(each.ratio for each in answers),
        median(each.seconds for each in answers),
    )


def table_of(judged: Iterable[tuple[str, str, Judgement]]) -> str:
    """Write method x kind as a table in Markdown."""
    lines = [
        (
            "| method | kind | worlds | coverage | too low / too high / none | median log error "
            "(its size) | ratio of ends | seconds |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, kind, found in judged:
        lines.append(
            f"| {method} | {kind} | {found.worlds} | {100 * found.coverage:.0f} % "
            f"(±{100 * found.error:.0f}) | {found.too_low} / {found.too_high} / {found.none} | "
            f"{found.bias:+.2f} ({found.off:.2f}) | {found.ratio:.1f} | {found.seconds:.2g} |"
        )
    return "\n".join(lines) + "\n"
