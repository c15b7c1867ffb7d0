"""Estimates from persons with covariates under rules: one of them leaves, and persons never do."""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd
import pytest

import mse
from mse.disclosure import check, protect, protect_population, protect_together

#: Persons by group: on the first list alone, on the second alone, on both, on the third alone.
GROUPS = {
    "a": (300, 250, 80, 30),
    "b": (200, 150, 40, 20),
    "c": (90, 70, 4, 15),
    "d": (100, 5, 30, 15),
}
HISTORIES = ((1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1))
ALONE = mse.DoublyRobust(folds=1, pair=("p", "q"))


def persons(lists: int = 3) -> mse.PersonTable:
    rows = [
        (group, *history)
        for group, counts in GROUPS.items()
        for history, n in zip(HISTORIES, counts, strict=True)
        for _ in range(n if any(history[:lists]) else 0)
    ]
    frame = pd.DataFrame(rows, columns=["group", "p", "q", "r"])
    return mse.PersonTable.from_frame(frame, ["p", "q", "r"][:lists], covariates=["group"])


def test_an_overlap_of_a_group_cannot_be_divided_out_of_its_total() -> None:
    # With a category as covariate and one fold each group has the closed form n_p n_q / m.
    found = ALONE.fit(persons()).population
    totals = dict(zip(GROUPS, found.margin("group")["total"], strict=True))
    for group, (one, other, both, _) in GROUPS.items():
        assert totals[group] == pytest.approx((one + both) * (other + both) / both)
    safe = protect_population(found, "cbs")
    shown = safe.margin("group").set_index("group")
    # Four persons of c on both lists, five of d on the second alone.
    assert shown["total"].isna().to_dict() == {"a": False, "b": False, "c": True, "d": True}
    assert shown["low"].isna().equals(shown["total"].isna())
    assert safe.total == pytest.approx(found.total, rel=0.02)


def test_of_two_lists_nothing_leaves_whatever_is_given_for_their_table() -> None:
    table = persons(2)
    found = mse.DoublyRobust().fit(table).population
    for given in (None, table, table.counted("group"), table.counted()):
        safe = protect_population(found, "cbs", table=given)  # type: ignore[arg-type]
        assert safe.status == "suppressed"
        assert safe.margin("group")["total"].isna().all()


def test_of_several_estimates_of_persons_the_first_leaves() -> None:
    # Three pairs of lists and the independent model are more equations than there are histories.
    table = persons()
    asked: list[Any] = [
        mse.HugginsAlho(),
        *(mse.DoublyRobust(folds=1, pair=each) for each in (("p", "q"),)),
    ]
    several = mse.compare(table, asked)
    assert [each.status for each in several.populations] == ["ok", "ok"]
    shown = protect(several, "cbs")
    beside = protect_together([table.counted(), *several.populations], "cbs")[1:]
    for first, other in (shown.populations, beside):
        assert first.status == "ok"
        assert (other.status, other.total != other.total) == ("suppressed", True)
        assert "beside another estimate of the same persons" in other.reason
    assert "p" in shown.fits[0].table.lists
    found = check(several, "cbs").to_frame()
    assert "traces" in set(found["rule"])


def test_several_estimates_without_their_table_are_not_taken_for_one() -> None:
    table = mse.load_dataset("netherlands")
    models = ("main", "all two-way")
    found = [mse.LogLinear(each).fit(table).population for each in models]
    alone = protect_together(found, "cbs")
    assert [each.status for each in alone] == ["ok", "suppressed"]
    # With the table, which need not leave, it is known what they tell together.
    known = protect_together(found, "cbs", table=table)
    assert [each.status for each in known] == ["ok", "boundary"]
    assert known[1].total == protect(found[1], "cbs").total


@pytest.mark.parametrize(
    ("thing", "leaves"),
    [
        (
            persons(),
            r"rows are persons, and never leave.*protect\(fit.population.*table.counted\(\)",
        ),
        (
            mse.CountTable.from_frequencies({1: 90, 2: 20}),
            r"protect\(fit.population, rules, table=table\)",
        ),
        (ALONE.fit(persons()), "Of a fit, protect its population"),
    ],
)
def test_what_is_refused_says_what_can_leave(thing: object, leaves: str) -> None:
    calls = (protect, check, lambda each, rules: protect_together([each], rules))
    for call, rules in product(calls, ("cbs", "none")):
        with pytest.raises(mse.ModelError, match=leaves):
            call(thing, rules)
