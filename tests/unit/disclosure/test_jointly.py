"""What all that leaves tells together: each further figure is one more equation between the counts."""

from __future__ import annotations

import json
import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import mse
from benchmarks import disclosure_others
from mse.answer.rounding import outward
from mse.disclosure import Rules, attack, protect_comparison, protect_together, rules
from mse.disclosure.cells import Book, label, published
from mse.disclosure.count_tables import note_table
from mse.disclosure.jointly import Known, Raw, RegisterSystem, System, figures_of, system_of
from mse.leaning import Leaning
from mse.reporting import build_report

CBS, TEN = rules("cbs"), Rules(threshold=10)
#: 94 are on b and c, with or without a, and 275 on c; three on a and c and not on b.
COUNTS = {"100": 298, "010": 192, "110": 98, "001": 178, "101": 3, "011": 80, "111": 14}
SHOWN = ["total", "list c", "on both b and c", "history 011", "history 111"]


@pytest.fixture
def table() -> mse.CaptureTable:
    return mse.CaptureTable.from_counts(COUNTS, lists=list("abc"))


def system_without(table: mse.CaptureTable, shown: list[str]) -> System:
    book = Book()
    note_table(book, table, TEN, ())
    cells = book.cells()
    hidden = np.array([label(key) not in shown for key in cells.keys])
    return System(published(cells, hidden, TEN), table)


def figures(table: mse.CaptureTable, model: str, step: float) -> Known:
    estimate = mse.LogLinear(model).fit(table).population
    moves = Leaning(estimate, table).moves()
    assert moves is not None
    size = len(moves)
    raw = Raw(estimate.total, (estimate.interval(0.95),))
    counts = np.array([COUNTS[f"{at + 1:03b}"] for at in range(size)], dtype=float)
    return figures_of(moves, np.ones(size), counts, raw, step)


def test_a_total_beside_the_counts_tells_a_suppressed_one(table: mse.CaptureTable) -> None:
    # By the closed form 97 are on c and another list: three of them on a and c only.
    told = system_without(table, SHOWN).tells(figures(table, "[12,3]", 1.0))
    assert told == (("history", "101"),)
    assert system_without(table, SHOWN).tells(figures(table, "[12,3]", 1_000.0)) is None


def test_several_totals_tell_what_each_by_itself_does_not(table: mse.CaptureTable) -> None:
    models = ["[12,3]", "[13,2]", "[23,1]", "main", "[12,13]", "[12,23]"]
    shown = ["total", "list a", "list b", "list c"]
    alone = [system_without(table, shown).tells(figures(table, each, 5.0)) for each in models]
    together = system_without(table, shown)
    assert None in alone
    assert any(together.tells(figures(table, each, 5.0)) for each in models)
    low, high = together.left((("history", "101"),))
    assert low <= 3 <= high


def test_what_a_comparison_leaves_of_each_small_count(table: mse.CaptureTable) -> None:
    models = ["[12,3]", "[13,2]", "[23,1]", "main", "[12,13]", "[12,23]"]
    comparison = mse.compare(table, [mse.LogLinear(each) for each in models])
    safe, shown = protect_together([table, comparison], CBS)
    system = system_of(safe.publication, table)
    assert system is not None
    assert (("history", "101"),) in system.targets
    for key in system.targets:
        assert system.left(key) == pytest.approx(system.limits(key), abs=1e-6)
    assert np.isfinite([each.total for each in shown.populations]).any()
    assert not attack(safe)["exposed"].any()


def test_small_counts_in_a_stratum_are_guarded_though_nothing_prints_them() -> None:
    counts = np.zeros((2, 2, 2, 2))
    counts[..., 0] = [[[0, 90], [120, 60]], [[80, 40], [50, 30]]]
    counts[..., 1] = [[[0, 70], [110, 40]], [[2, 0], [1, 1]]]
    table = mse.CaptureTable.from_array(counts.astype(int), list("abc"), {"year": [2014, 2015]})
    book = Book()
    note_table(book, table, TEN, [("year",)])
    cells = book.cells()
    hidden = np.array([label(key).startswith("history") for key in cells.keys])
    system = System(published(cells, hidden, TEN), table)
    # Four on a in 2015; of a as a whole there are many, in both years together.
    few = ("year", 2015), ("list", "a")
    assert few in system.targets
    assert (("list", "a"),) not in system.targets
    weights = system.targets[few]
    figure = Known.of([(2.5 * weights, 9.5, 10.5)], len(weights))
    assert system.tells(figure) == few
    assert system.tells(Known.of([(2.5 * weights, 0.0, 40.0)], len(weights))) is None
    low, high = system.left(few)
    assert low <= 1
    assert high >= 10


def test_the_same_comparison_is_rounded_in_the_same_way(table: mse.CaptureTable) -> None:
    comparison = mse.compare(table, [mse.LogLinear(each) for each in ("[12,3]", "main")])
    first, again = (protect_comparison(comparison, CBS).to_dict() for _ in range(2))
    assert json.dumps(first) == json.dumps(again)


def test_without_a_complete_table_there_is_no_system(table: mse.CaptureTable) -> None:
    book = Book()
    note_table(book, table, TEN, ())
    publication = published(book.cells(), np.zeros(len(book.cells().keys), dtype=bool), TEN)
    assert system_of(publication, None) is None


@pytest.mark.parametrize(("first", "last"), [*combinations((0.0, 3.0, 7.0, 120.0), 2)])
def test_ends_are_rounded_outward(first: float, last: float) -> None:
    low, high = outward(first, last, 5.0)
    assert low <= first
    assert high >= last


# One register: persons by how often they were seen -----------------------------------------------


@pytest.fixture(scope="module")
def seen() -> mse.CountTable:
    return mse.CountTable.from_frequencies({1: 1204, 2: 307, 3: 55, 4: 4, 5: 2})


def told(system: Any) -> list[Any]:
    """Small counts of which less is left than the limits ask."""
    return [key for key in system.targets if system.left(key) != pytest.approx(system.limits(key))]


def test_estimates_of_one_register_together_leave_those_who_were_seen_often(
    seen: mse.CountTable,
) -> None:
    compared = mse.compare(seen, "all")
    safe = mse.disclosure.protect(compared, TEN)
    system = system_of(safe.publication, seen)
    assert isinstance(system, RegisterSystem)
    assert {(("times seen", 4),), (("times seen", 5),)} <= {*system.targets}
    assert told(system) == []
    # Some still leave, the first one among them.
    shown = [each.total for each in safe.populations]
    assert not math.isnan(shown[0])
    assert sum(not math.isnan(each) for each in shown) >= 2


def test_all_of_them_rounded_to_the_base_would_tell_how_many_they_are(seen: mse.CountTable) -> None:
    compared = mse.compare(seen, "all")
    system = RegisterSystem(mse.disclosure.protect(compared, TEN).publication, seen)
    for each in compared.populations:
        if each.status == "ok":
            raw = {(): Raw(each.total, (each.interval(0.95),))}
            for written in system.written(Leaning(each, seen), raw).values():
                system.note(written(TEN.base))
    assert {(("times seen", 4),), (("times seen", 5),)} <= {*told(system)}


def test_a_report_on_one_register_withholds_as_much_as_a_comparison(seen: mse.CountTable) -> None:
    compared = mse.compare(seen, "all")
    report = build_report(compared, disclosure=TEN, figures=False)
    safe = mse.disclosure.protect(compared, TEN)
    statuses = [each.status for each in report.protected]
    assert statuses == [each.status for each in safe.populations]
    assert "suppressed" in statuses


def test_what_is_asked_of_one_register_moves_as_the_closed_form_does(seen: mse.CountTable) -> None:
    # Chao: the hidden number is f1^2 / 2 f2.
    chao = mse.SingleRegister("chao").fit(seen).population
    system = RegisterSystem(mse.disclosure.protect(chao, TEN, table=seen).publication, seen)
    written = system.written(Leaning(chao, seen), {(): Raw(chao.total, ())})[()]
    moved = written(TEN.base).weights[0] - 1.0
    expected = [1205**2 / 2 / 307, 1204**2 / 2 / 308, *[chao.hidden] * 3]
    # The fit ends where a step is below 1e-8.
    assert moved == pytest.approx(
        chao.hidden * np.log(np.array(expected) / chao.hidden), rel=1e-5, abs=1e-3
    )


@pytest.mark.parametrize(
    "found",
    [
        {1: 5679, 2: 2487, 3: 746, 4: 163, 5: 33, 6: 4, 7: 3},
        {1: 466, 2: 339, 3: 188, 4: 61, 5: 23, 6: 1, 7: 2},
    ],
)
def test_who_knows_by_how_many_persons_each_figure_moves_learns_no_count(
    found: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of few persons one more moves a figure by a good part of itself: shares and persons are not the same.
    monkeypatch.setattr(disclosure_others, "seen", lambda _: found)
    tally = disclosure_others.Found()
    disclosure_others.register(1, CBS, tally)
    assert tally.insider["looked"] >= 2
    assert tally.insider["told"] == 0
    assert tally.published >= 2
