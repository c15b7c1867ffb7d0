"""The answer that allows for people who differ, as it leaves: not narrower than it was, and near what it was."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

import mse
from mse.answer.intervals import STORED_LEVELS
from mse.disclosure import attack, check, protect_population, protect_together
from mse.leaning import Leaning, cell_counts

RULES = mse.disclosure.rules("cbs")


def of_counts(counts: dict[str, int]) -> mse.CaptureTable:
    return mse.CaptureTable.from_counts(counts, lists=list("abcdef"[: len(next(iter(counts)))]))


TABLES = {
    "two lists": {"10": 1500, "01": 1400, "11": 178},
    "three": {"100": 307, "010": 151, "110": 44, "001": 203, "101": 41, "011": 23, "111": 13},
    "small overlaps": {
        "1000": 400,
        "0100": 300,
        "0010": 500,
        "0001": 250,
        "1100": 60,
        "1010": 80,
        "0110": 50,
        "1001": 3,
        "0101": 2,
        "0011": 40,
        "1110": 12,
        "1111": 1,
    },
}


@pytest.fixture(scope="module", params=TABLES)
def left(request: pytest.FixtureRequest) -> tuple[mse.CaptureTable, mse.PopulationEstimate, object]:
    table = of_counts(TABLES[request.param])
    given = mse.estimate(table, seed=2**100 + 7, replicates=100)
    assert given.allowing is not None
    return table, given, protect_population(given, RULES, table=table)


def test_the_total_leaves_near_what_it_was(left):
    _, given, safe = left
    assert abs(safe.total / given.total - 1) <= 0.02


@pytest.mark.parametrize("kind", [None, "alike"])
def test_no_interval_is_shorter(left, kind):
    _, given, safe = left
    for level in STORED_LEVELS:
        (low, high), (first, last) = given.interval(level, kind), safe.interval(level, kind)
        assert first <= max(low, safe.observed)
        assert last >= high


def test_far_ends_are_no_finer_than_their_own_interval_bears(left):
    _, given, safe = left
    for level in STORED_LEVELS:
        low, high = given.allowing.interval(level)
        step = RULES.step_of_ends(low, high, safe.allowing.rounded_to)
        last = safe.allowing.interval(level)[1]
        assert last % step == 0
        assert step > (high - low) / 60


def test_a_stranger_takes_it_for_no_closed_form(left, tmp_path):
    table, _, safe = left
    (tmp_path / "a.json").write_text(safe.to_json(), encoding="utf-8")
    (tmp_path / "a.txt").write_text(safe.summary(), encoding="utf-8")
    (tmp_path / "a.csv").write_text(safe.to_frame().to_csv(), encoding="utf-8")
    for each in sorted(tmp_path.iterdir()):
        found = attack([each], RULES)
        assert not found["exposed"].any()
        # The overlap that a stranger finds, if any, is one that agrees with the table.
        if table.n_lists == 2 and len(found):
            row = found.iloc[0]
            assert row["low"] <= 178 <= row["high"]


def test_a_person_moves_the_posterior_as_it_says():
    table = of_counts(TABLES["three"])
    estimator = mse.HeterogeneousLogLinear()
    leaning = Leaning(estimator.fit(table).population, table)
    moves, before = leaning.moves(), estimator.fit(table).moves[1]
    assert moves is not None
    assert leaning.parallel
    for at, history in enumerate(["".join(each) for each in product("01", repeat=3)][1:]):
        more = {key: n + (key == history) for key, n in TABLES["three"].items()}
        after = estimator.fit(of_counts(more)).moves[1]
        assert math.log(after[0] / before[0]) == pytest.approx(moves[at], rel=0.06, abs=2e-5)


def test_what_a_person_moves_is_what_the_posterior_leans_on():
    table = of_counts(TABLES["small overlaps"])
    leaning = Leaning(mse.HeterogeneousLogLinear().fit(table).population, table)
    most = np.abs(leaning.moves())[cell_counts(table) > 0].max()
    assert leaning.persons() == pytest.approx(1 / most)
    assert math.isnan(leaning.known())


def test_a_total_leaves_with_both_intervals_or_not_at_all():
    shown = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 60, 7)
        table = of_counts(
            dict(
                zip(["001", "010", "011", "100", "101", "110", "111"], sizes.tolist(), strict=True)
            )
        )
        given = mse.estimate(table, seed=2**100 + seed, replicates=60)
        safe = protect_population(given, RULES, table=table)
        if safe.status == "suppressed":
            assert math.isnan(safe.total)
            assert math.isnan(safe.interval()[0])
        elif not math.isinf(given.interval(max(STORED_LEVELS))[1]):
            shown += 1
            assert not math.isnan(safe.interval()[0])
            assert not math.isnan(safe.interval(given="alike")[0])
    assert shown >= 3


def test_parts_of_the_table_give_way_to_the_first_estimate():
    # On all five lists there are few persons, on which the posterior leans more than on any others.
    rng = np.random.default_rng(500014)
    on = rng.random((3_000, 5)) < [0.25, 0.3, 0.35, 0.2, 0.3]
    codes, counts = np.unique(on[on.any(axis=1)].astype(int), axis=0, return_counts=True)
    text = {"".join(map(str, code)): int(n) for code, n in zip(codes, counts, strict=True)}
    table = of_counts(text)
    given = mse.estimate(table, seed=2**100 + 1, replicates=60)
    alone = protect_population(given, RULES, table=table)
    _, beside = protect_together([table, given], RULES)
    assert alone.status == beside.status == "ok"


def test_one_seed_is_of_all_chance():
    table = of_counts(TABLES["two lists"])
    drawn = [mse.estimate(table, seed=seed, replicates=60).allowing for seed in (1, 2**100, 2**100)]
    seeds = [str(each.provenance["estimator"]).partition("seed=")[2] for each in drawn]
    assert seeds == ["1)", f"{2**100})", f"{2**100})"]
    named = mse.HeterogeneousLogLinear(seed=5)
    own = mse.estimate(table, seed=2**100, replicates=60, heterogeneity=named).allowing
    assert "seed=5" in own.provenance["estimator"]
    said = {
        each.kind
        for each in check(mse.estimate(table, seed=2**100, replicates=60), RULES).violations
        if each.where == "seed"
    }
    guessed = check(mse.estimate(table, seed=2**100, replicates=60, heterogeneity=named), RULES)
    assert not said
    assert any(each.where == "seed" for each in guessed.violations)
