"""Estimates of which nobody knows what they tell together: one of them leaves, and none beside others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import mse
from mse.answer.intervals import STORED_LEVELS
from mse.disclosure import protect, protect_comparison, rules
from mse.disclosure.jointly import Raw, System, figures_of

CBS = rules("cbs")
PATTERNS = [f"{at:03b}" for at in range(1, 8)]
#: Of three lists; 5 persons are on all of them.
COUNTS = (770, 309, 30, 187, 38, 66, 5)
PLAIN = ("main", "[12,3]", "[13,2]", "[23,1]", "[12,13]", "[12,23]", "[13,23]")


def of(counts: Any) -> mse.CaptureTable:
    rows = {each: int(n) for each, n in zip(PATTERNS, counts, strict=True) if n}
    return mse.CaptureTable.from_counts(rows, lists=list("abc"))


def by_sex(*, unknown: int = 0, years: int = 1) -> mse.CaptureTable:
    """Half of them women; of so many persons it is not known."""
    rows = []
    for pattern, n in zip(PATTERNS, COUNTS, strict=True):
        lists = dict(zip("abc", map(int, pattern), strict=True))
        for year in range(2014, 2014 + years):
            parts = {"f": n // 2, "m": n - n // 2}
            rows += [{**lists, "year": year, "sex": sex, "n": each} for sex, each in parts.items()]
    rows[0]["n"] -= unknown
    if unknown:
        rows.append({**rows[0], "sex": None, "n": unknown})
    covariates = ["year", "sex"] if years > 1 else ["sex"]
    frame = pd.DataFrame(rows)[[*"abc", *covariates, "n"]]
    return mse.CaptureTable.from_frame(frame, list("abc"), covariates, "n")


def left_of_all_three(
    table: mse.CaptureTable, comparison: mse.disclosure.ProtectedComparison
) -> tuple[float, float]:
    """Solve what was printed for those on all lists, each figure moved as one person more moves it."""
    system = System(comparison.publication, table)
    for fit in comparison.fits:
        safe = fit.population
        if not math.isfinite(safe.total):
            continue
        found = fit.estimator.fit(table).population
        hidden = [found.hidden]
        for at in range(len(COUNTS)):
            more = np.array(COUNTS) + (np.arange(len(COUNTS)) == at)
            hidden.append(fit.estimator.fit(of(more)).population.hidden)
        moves = np.log(hidden[1:]) - np.log(hidden[0])
        ends = tuple(found.interval(level) for level in STORED_LEVELS)
        raw = Raw(found.total, ends)
        everybody = np.ones(len(COUNTS))
        step = safe.rounded_to
        system.note(figures_of(moves, everybody, system.counts, raw, step, rules=CBS))
    known = system.known
    weights = system.targets[(("history", "111"),)]
    rows, bounds = np.vstack([known.weights, -known.weights]), np.r_[known.high, -known.low]
    there = np.isfinite(bounds)
    solved = [
        linprog(sign * weights, A_ub=rows[there], b_ub=bounds[there] + 1e-6) for sign in (1, -1)
    ]
    return solved[0].fun, -solved[1].fun


@pytest.mark.parametrize("form", ["darroch", "gamma"])
def test_a_model_with_a_form_of_heterogeneity_is_asked_what_it_leans_on(form: str) -> None:
    # Its total is one of the few on all lists, in another unit.
    population = mse.LogLinear("main", heterogeneity=form).fit(of(COUNTS)).population
    assert protect(population, CBS, table=of(COUNTS)).status == "suppressed"


def test_models_with_a_form_beside_plain_ones_tell_no_history() -> None:
    table = of(COUNTS)
    forms = [mse.LogLinear("main", heterogeneity=each) for each in ("darroch", "gamma", "poisson")]
    forms += [mse.LogLinear(each, heterogeneity="darroch") for each in PLAIN[1:4]]
    comparison = mse.compare(table, [*map(mse.LogLinear, PLAIN), *forms])
    low, high = left_of_all_three(table, protect_comparison(comparison, CBS))
    assert low < 1.0
    assert high > 9.0


def shown(table: mse.CaptureTable, *estimators: Any) -> list[bool]:
    safe = protect_comparison(mse.compare(table, estimators), CBS)
    return [math.isfinite(each.total) for each in safe.populations]


def test_of_a_table_known_in_part_one_estimate_leaves() -> None:
    models = [mse.LogLinear(each) for each in ("a + b + c + sex", "a*b + c + sex", "a*c + b + sex")]
    assert shown(by_sex(), *models) == [True] * 3
    assert shown(by_sex(unknown=1), *models) == [True, False, False]


def test_of_more_cells_than_are_solved_one_estimate_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [mse.LogLinear(each) for each in ("a + b + c + sex", "a*b + c + sex")]
    monkeypatch.setattr("mse.disclosure.jointly._MOST_CELLS", 8)
    assert shown(by_sex(), *models) == [True, False]


def test_a_model_with_a_trend_leaves_alone() -> None:
    table = by_sex(years=4)
    plain = mse.LogLinear("a + b + c + year + sex")
    model = "a*year + b*year + c + sex"
    smooth, smoother = (mse.LogLinear(model, trend={"year": each}) for each in (2, 1))
    assert shown(table, plain, smooth) == [True, False]
    assert shown(table, smooth, smoother, plain) == [True, False, False]
