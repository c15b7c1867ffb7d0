"""Figures of one register under rules: no closed form of them tells few persons, by trying all counts."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

import mse
from mse.answer.rounding import nearest, outward
from mse.disclosure import protect_comparison, protect_population, rules
from mse.disclosure.jointly import system_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mse.answer.population import PopulationEstimate

CBS = rules("cbs")
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


class Shown(NamedTuple):
    """What an attacker reads of one family."""

    family: str
    total: float
    step: float
    ends: dict[float, tuple[float, float]]


def shown_of(family: str, safe: PopulationEstimate) -> Shown:
    ends = {level: safe.interval(level) for level in LEVELS}
    return Shown(family, safe.total, safe.rounded_to, ends)  # type: ignore[attr-defined]


@cache
def answered(family: str, once: int, twice: int, more: int) -> tuple[float, float]:
    """Hidden persons, and the standard error of their number, if so many were seen once, twice and three times."""
    frequencies = {times: n for times, n in ((1, once), (2, twice), (3, more)) if n}
    table = mse.CountTable.from_frequencies(frequencies)
    fit = mse.SingleRegister(family).fit(table)  # type: ignore[arg-type]
    return fit.population.hidden, math.sqrt(fit.variance)


def agrees(shown: Shown, counts: tuple[int, int, int], observed: float) -> bool:
    """Whether such counts would have been printed so."""
    hidden, error = answered(shown.family, *counts)
    n = sum(counts)
    if nearest(n + hidden, shown.step) != shown.total:
        return False
    spread = math.sqrt(math.log1p((error / hidden) ** 2))
    factors = [math.exp(ndtri((1 + level) / 2) * spread) for level in shown.ends]
    return all(
        np.allclose(printed(n + hidden / by, n + hidden * by, shown.step, observed), ends)
        for ends, by in zip(shown.ends.values(), factors, strict=True)
    )


def printed(low: float, high: float, step: float, observed: float) -> tuple[float, float]:
    """Round the ends of an interval as they are printed."""
    return outward(low, high, CBS.step_of_ends(low, high, step), observed)


def tried(shown: list[Shown], observed: float, twice: range, more: range) -> Iterator[int]:
    """Try all counts that add up to what is printed: those seen three times or more that agree."""
    for some in more:
        for two in twice:
            for n in range(int(observed) - 2, int(observed) + 3):
                counts = (n - two - some, two, some)
                if all(agrees(each, counts, observed) for each in shown):
                    yield some


@pytest.mark.parametrize("family", ["chao", "zelterman"])
def test_who_was_seen_often_cannot_be_computed_from_the_total_and_its_intervals(
    family: str,
) -> None:
    # Rounded as far as its width alone asks, Chao's bound tells that exactly three were.
    table = mse.CountTable.from_frequencies({1: 100, 2: 30, 3: 3})
    found = mse.SingleRegister(family).fit(table).population  # type: ignore[arg-type]
    finest = CBS.step(np.diff(found.interval(0.95))[0], found.hidden)
    before = Shown(
        family,
        nearest(found.total, finest),
        finest,
        {level: printed(*found.interval(level), finest, 135) for level in LEVELS},
    )
    some, twice = range(13), range(26, 35)
    told = set(tried([before], 135, twice, some))
    assert 3 in told
    assert max(told) < 10
    safe = protect_population(found, CBS, table=table)
    assert safe.observed == 135
    left = set(tried([shown_of(family, safe)], 135, range(23, 34), some))
    assert min(left) <= 1
    assert max(left) >= 10


def test_families_that_leave_together_are_one_system() -> None:
    table = mse.CountTable.from_frequencies({1: 1000, 2: 200, 3: 5})
    asked = ("chao", "zelterman", "poisson")
    estimators = [mse.SingleRegister(each) for each in asked]  # type: ignore[arg-type]
    safe = protect_comparison(mse.compare(table, estimators), CBS)
    leave = {
        family: each
        for family, each in zip(asked, safe.populations, strict=True)
        if each.status != "suppressed"
    }
    assert "chao" in leave
    # Beside Chao's bound each of the others tells that five were seen three times.
    assert len(leave) < len(asked)
    shown = [shown_of(*each) for each in leave.items()]
    left = set(tried(shown, safe.populations[0].observed, range(192, 204), range(0, 14, 13)))
    assert left == {0, 13}
    alone = protect_population(
        mse.SingleRegister("zelterman").fit(table).population, CBS, table=table
    )
    assert alone.status == "ok"


def test_where_nobody_is_alone_nothing_is_lost() -> None:
    table = mse.CountTable.from_frequencies({1: 1645, 2: 183, 3: 37, 4: 30})
    found = mse.SingleRegister("poisson").fit(table).population
    safe = protect_population(found, CBS, table=table)
    assert safe.status == "ok"
    assert abs(safe.total / found.total - 1) < 0.02


def test_without_its_counts_nothing_of_a_register_leaves() -> None:
    table = mse.CountTable.from_frequencies({1: 1645, 2: 183, 3: 37, 4: 30})
    found = mse.SingleRegister("poisson").fit(table).population
    safe = protect_population(found, CBS)
    assert safe.status == "suppressed"
    assert "protect it with its table" in safe.reason


def test_strata_of_a_register_are_in_the_system_of_its_total() -> None:
    rows = [
        (sex, times, n)
        for sex, seen in (("f", (200, 60, 12)), ("m", (400, 90, 4)))
        for times, n in enumerate(seen, start=1)
    ]
    frame = pd.DataFrame(rows, columns=["sex", "times", "n"])
    table = mse.CountTable.from_frame(frame, "times", ["sex"], persons="n")
    found = mse.SingleRegister("chao", formula="sex").fit(table).population
    safe = protect_population(found, CBS, table=table)
    system = system_of(safe.publication, table)
    assert system is not None
    small = {key for key in system.targets if ("times seen", 3) in key}
    assert (("sex", "m"), ("times seen", 3)) in small
    for key in small:
        low, high = system.left(key)
        assert low <= 1
        assert high >= 10
    shown = safe.margin("sex")
    assert shown["total"].notna().any()


@pytest.mark.parametrize("form", ["md", "html"])
def test_reports_have_the_figures_that_may_leave(tmp_path: Path, form: str) -> None:
    table = mse.CountTable.from_frequencies({1: 100, 2: 30, 3: 3})
    fit = mse.SingleRegister("chao").fit(table)
    safe = protect_population(fit.population, CBS, table=table)
    drawn = mse.bootstrap(mse.SingleRegister("chao"), table, 100, seed=1)
    for results in (fit, [drawn, fit]):
        path = tmp_path / f"report.{form}"
        mse.write_report(results, path, disclosure="cbs")
        text = path.read_text(encoding="utf-8")
        assert "protect it with its table" not in text
        assert "300" in text
    assert safe.total == 300
