"""On how few persons an estimate leans, and what is withheld and rounded for it: cases E1 to E5 as they leave now."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pandas as pd
import pytest

import mse
from mse.disclosure import Rules, attack, protect, rules
from mse.leaning import Leaning, leaned_on

CBS = rules("cbs")
LISTS = ["a", "b", "c"]
E1 = {"100": 900, "010": 760, "110": 310, "001": 640, "101": 3, "011": 1}


def table_of(counts: dict[str, int], lists: list[str] | None = None) -> mse.CaptureTable:
    return mse.CaptureTable.from_counts(counts, lists=lists or LISTS)


def overlap(m: int) -> mse.CaptureTable:
    return table_of({"100": 300, "010": 260, "110": 110, "001": 140, "101": m})


def exposed(thing: object, held: Rules = CBS) -> pd.DataFrame:
    found = attack(thing, held)  # type: ignore[arg-type]
    return found[found["exposed"].astype(bool)]


# The closed form says on how many persons an estimate leans.
@pytest.mark.parametrize(
    ("model", "persons"),
    [("[12,3]", 4), ("[12,23]", 3), ("[13,23]", 310), ("[13,2]", 311)],
)
def test_closed_forms_lean_on_their_smallest_margin(model: str, persons: int) -> None:
    table = table_of(E1)
    assert Leaning(mse.LogLinear(model).fit(table).population, table).persons() == persons


@pytest.mark.parametrize("lists", [4, 5])
def test_closed_forms_of_more_lists_are_caught(lists: int) -> None:
    random = np.random.default_rng(lists)
    counts = {}
    for history in product("01", repeat=lists):
        alone = history[-1] == "0" or "1" not in history[:-1]
        counts["".join(history)] = int(random.integers(40, 90)) if alone else 0
    counts.pop("0" * lists)
    counts["1" + "0" * (lists - 2) + "1"] = 6
    names = list("abcde"[:lists])
    table = table_of({key: n for key, n in counts.items() if n}, names)
    model = f"[{''.join(str(at + 1) for at in range(lists - 1))},{lists}]"
    p = mse.LogLinear(model).fit(table).population
    assert Leaning(p, table).persons() == 6
    assert math.isnan(protect(p, CBS, table=table).total)


def test_sensitivities_are_derivatives() -> None:
    table = mse.load_dataset("kosovo")
    p = mse.LogLinear("[123,14,34]").fit(table).population
    moves, _, counts = Leaning(p, table)._model  # type: ignore[misc]
    for at in (0, 3, 8):
        more = {
            "".join(map(str, row)): int(n) for row, n in zip(table.patterns, table.low, strict=True)
        }
        history = format(at + 1, "04b")
        changed = []
        for sign in (1, -1):
            again = table_of({**more, history: more[history] + sign}, list(table.lists))
            changed.append(math.log(mse.LogLinear("[123,14,34]").fit(again).population.hidden))
        assert (changed[0] - changed[1]) / 2 == pytest.approx(moves[at, 0], abs=2e-3 / counts[at])


def test_sets_of_cells() -> None:
    assert leaned_on(np.array([-0.1, -0.1, 0.001]), np.array([4.0, 3.0, 500.0])) == 7
    assert leaned_on(np.array([-0.01, 0.001]), np.array([4.0, 200.0])) == math.inf
    assert leaned_on(np.zeros(0), np.zeros(0)) == math.inf


# Cases E1 to E5 under the rules, as they leave now.
def test_e1_is_withheld_and_its_neighbor_is_not() -> None:
    table = table_of(E1)
    safe = protect(mse.LogLinear("[12,3]").fit(table).population, CBS, table=table)
    assert safe.status == "suppressed"
    assert "fewer persons" in safe.reason
    assert exposed(safe.to_dict()).empty
    assert exposed(safe.summary()).empty
    other = protect(mse.LogLinear("[13,2]").fit(table).population, CBS, table=table)
    assert other.status == "ok"
    assert exposed(other.to_dict()).empty


def test_e2_has_no_seed_and_agrees_with_many_tables() -> None:
    table = table_of({"100": 44, "010": 41, "110": 32, "001": 43, "101": 13, "011": 12, "111": 14})
    p = mse.bootstrap(mse.LogLinearSearch(), table, 100, seed=20260101)
    data = protect(p, Rules(threshold=15), table=table).to_dict()
    assert "seed" not in json.dumps(data["provenance"])
    assert "fingerprint" not in json.dumps(data)


@pytest.mark.parametrize("m", [1, 2, 3, 5, 9])
def test_e3_flags_do_not_leave(m: int) -> None:
    p = mse.bootstrap(mse.LogLinear("[12,3]"), overlap(m), 100, seed=1)
    data = protect(p, CBS, table=overlap(m)).to_dict()
    assert data["total"] is None
    assert data["interval"] is None
    assert data["warnings"] == []
    assert exposed(data).empty


def test_e4_two_lists_with_few_on_one() -> None:
    table = table_of({"10": 3, "01": 4000, "11": 120}, ["a", "b"])
    for estimator in (mse.LogLinear("main"), mse.Chapman(), mse.LincolnPetersen()):
        safe = protect(estimator.fit(table).population, CBS, table=table)
        assert safe.status == "suppressed"
        assert exposed(safe.to_dict()).empty


@pytest.mark.parametrize("together", [True, False])
def test_e5_periods_that_lean_on_few(together: bool) -> None:
    rows = [
        {**{name: int(on) for name, on in zip(LISTS, history, strict=True)}, "year": year, "n": n}
        for year, m in {2014: 2, 2015: 60, 2016: 80}.items()
        for history, n in {"100": 300, "010": 260, "110": 110, "001": 140, "101": m}.items()
    ]
    frame = pd.DataFrame(rows)
    table = mse.CaptureTable.from_frame(frame, lists=LISTS, covariates=["year"], count="n")
    model = mse.LogLinear("a*b*year + c*year")
    if together:
        shown = protect(
            mse.monitor(table, estimator=model, replicates=50, seed=1), CBS, table=table
        )
        data = shown.to_dict()
        lost = {cell["period"] for cell in data["cells"] if cell["status"] == "suppressed"}
    else:
        shown = protect(model.fit(table).population, CBS, table=table)
        data = shown.to_dict()
        lost = {
            cell["levels"][0] for cell in data["strata"]["cells"] if cell["status"] == "suppressed"
        }
    # The total leans on the two persons of 2014 most of all, and what is lost is no difference either.
    assert 2014 in lost
    assert exposed(data).empty


def test_a_total_less_the_rest_is_not_given() -> None:
    rows = [
        {**{name: int(on) for name, on in zip(LISTS, history, strict=True)}, "year": year, "n": n}
        for year, m in {2014: 8, 2015: 60, 2016: 80}.items()
        for history, n in {"100": 30, "010": 26, "110": 11, "001": 14, "101": m}.items()
    ]
    rows = [{**row, "n": row["n"] * (1 if row["year"] == 2014 else 20)} for row in rows]
    frame = pd.DataFrame(rows)
    table = mse.CaptureTable.from_frame(frame, lists=LISTS, covariates=["year"], count="n")
    safe = protect(mse.LogLinear("a*b*year + c*year").fit(table).population, CBS, table=table)
    assert safe.status == "ok"
    assert safe.by is not None
    assert safe.by["total"].isna().sum() == 2


# Negative controls: what leans on many persons is published, close to what it was.
@pytest.mark.parametrize("estimator", [mse.LogLinear("[12,3]"), mse.LogLinear("main")])
def test_estimates_on_large_overlaps_are_published(estimator: mse.LogLinear) -> None:
    table = overlap(45)
    p = estimator.fit(table).population
    safe = protect(p, CBS, table=table)
    assert safe.status == "ok"
    low, high = p.interval(0.95)
    assert abs(safe.total / p.total - 1) < 0.02
    assert safe.interval(0.95)[0] <= low
    assert safe.interval(0.95)[1] >= high
    assert exposed(safe.to_dict()).empty


def test_why_no_interval_allows_for_differences_is_withheld_as_a_sentence_of_its_own() -> None:
    from mse.estimating import _noted

    p = mse.LogLinear("main").fit(overlap(45)).population
    noted = _noted(p, "Only 37 of the persons could be used.")
    assert noted.warnings[-1].endswith("can be given. Only 37 of the persons could be used.")
    safe = protect(noted, CBS, table=overlap(45))
    assert "37" not in safe.warnings[-1]
    assert "can be given." in safe.warnings[-1]
