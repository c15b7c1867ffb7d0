"""Where lists operated: as it is said, as it is inferred, and what records tell of it."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mse
from mse import CaptureTable, InvalidTableError, MSEWarning
from mse.data.operating import (
    named_strata,
    operating_lists,
    possible_strata,
    read_operating,
    silent_places,
)

LISTS = ["police", "care", "labor"]
YEARS = {"year": (2014, 2015, 2016), "region": ("n", "s")}


def said(operating: Any) -> np.ndarray[Any, Any] | None:
    return read_operating(operating, tuple(LISTS), YEARS)


def problems(operating: Any) -> str:
    with pytest.raises(InvalidTableError) as caught:
        said(operating)
    return str(caught.value)


def seen(rows: list[tuple[Any, ...]], operating: Any = None) -> CaptureTable:
    """Make a table of rows of memberships, a year and a count."""
    frame = pd.DataFrame(rows, columns=["police", "care", "labor", "year", "n"], dtype=object)
    return CaptureTable.from_frame(frame, LISTS, ["year"], count="n", operating=operating)


FULL = [
    (1, 0, 0, 2014, 30),
    (0, 1, 0, 2014, 25),
    (0, 0, 1, 2014, 22),
    (1, 1, 0, 2014, 8),
    (1, 0, 1, 2014, 7),
    (0, 1, 1, 2014, 6),
    (1, 0, 0, 2015, 28),
    (0, 1, 0, 2015, 24),
    (1, 1, 0, 2015, 9),
]


class TestStatement:
    def test_nothing_is_said(self) -> None:
        assert said(None) is None
        assert said({}) is None

    def test_everywhere(self) -> None:
        whole = said("everywhere")
        assert whole is not None
        assert (whole == 1).all()
        one = said({"care": "Everywhere"})
        assert one is not None
        assert one.tolist() == [[-1] * 6, [1] * 6, [-1] * 6]

    def test_levels_must_all_hold(self) -> None:
        found = said({"police": {"year": [2014, 2015], "region": "n"}})
        assert found is not None
        assert found[0].reshape(3, 2).tolist() == [[1, 0], [1, 0], [0, 0]]

    def test_one_of_several_must_hold(self) -> None:
        found = said({"police": [{"year": 2014, "region": "s"}, {"year": range(2015, 2017)}]})
        assert found is not None
        assert found[0].reshape(3, 2).tolist() == [[0, 1], [1, 1], [1, 1]]

    @pytest.mark.parametrize(
        ("operating", "told"),
        [
            ("sometimes", "expected 'everywhere', or a mapping"),
            (["police"], "expected 'everywhere', or a mapping"),
            ({"polcie": "everywhere"}, "Did you mean 'police'"),
            ({"police": "2014"}, "Where list 'police' operated is '2014'"),
            ({"police": {}}, "Leave a list that operated nowhere out"),
            ({"police": []}, "Leave a list that operated nowhere out"),
            ({"police": 2014}, "expected 'everywhere', or levels of covariates"),
            ({"police": {"yaer": 2014}}, "Did you mean 'year'"),
            ({"police": {"year": 2013}}, "no level of 'year' 2013"),
            ({"police": {"year": "2014"}}, "Did you mean 2014"),
            ({"police": {"year": []}}, "No level of 'year' was chosen"),
            (np.zeros((2, 6), dtype=int), "expected whole numbers of shape (3, 6)"),
            (np.full((3, 6), 7), "expected whole numbers of shape (3, 6)"),
        ],
    )
    def test_what_is_wrong_is_told(self, operating: Any, told: str) -> None:
        assert told in problems(operating)

    def test_all_problems_at_once(self) -> None:
        text = problems({"polcie": "everywhere", "care": {"year": 2013}})
        assert "'polcie'" in text
        assert "2013" in text

    def test_levels_need_a_covariate(self) -> None:
        with pytest.raises(InvalidTableError, match=r"no covariate 'year': there are none"):
            CaptureTable.from_array([[0, 5], [41, 3]], ["a", "b"], operating={"a": {"year": 1}})

    def test_too_many_strata_are_refused(self) -> None:
        levels = {"x": tuple(range(10**5)), "y": tuple(range(10**4))}
        with pytest.raises(InvalidTableError, match="collapse covariates"):
            read_operating("everywhere", ("a", "b"), levels)


class TestSaid:
    """What is made of records where it is said that a list did not operate."""

    def test_zeros_become_unknown(self) -> None:
        table = seen(FULL, {"labor": {"year": 2014}})
        assert table == seen(FULL).with_operating({"labor": {"year": 2014}})
        there = table.patterns[:, 3] == 1
        assert (table.patterns[there, 2] == -1).all()
        assert (table.patterns[~there, 2] >= 0).all()
        assert not table.is_complete

    def test_both_ways_of_saying_it_are_one(self) -> None:
        table = seen(FULL)
        other = table.not_operating("labor", year=2015)
        assert np.array_equal(
            table.with_operating({"labor": {"year": 2014}}).patterns, other.patterns
        )
        assert other.operating is not None
        assert other.operating.tolist() == [[-1, -1], [-1, -1], [-1, 0]]
        a = mse.LogLinear("police + care + labor + year").fit(other).population
        b = mse.LogLinear("police + care + labor + year").fit(
            seen(FULL, {"labor": {"year": [2014]}})
        )
        assert a.total == pytest.approx(b.population.total, rel=1e-9)

    def test_contradicting_records_are_set_aside(self) -> None:
        rows = [*FULL, (0, 0, 1, 2015, 4), (1, 0, 1, 2015, 3)]
        with pytest.warns(MSEWarning) as told:
            table = seen(rows, {"labor": {"year": 2014}})
        (message,) = [str(each.message) for each in told]
        assert message == (
            "4 persons on no other list than 'labor' are set aside where it did not operate. 3 persons "
            "are on 'labor' where it is said not to have operated, and on another list: there their "
            "membership is taken as unknown."
        )
        assert told[0].filename == __file__
        assert table.n_observed == seen(rows).n_observed - 4

    def test_nobody_left_on_a_list(self) -> None:
        rows = [(1, 0, 0, 2014, 9), (0, 1, 0, 2014, 5), (0, 1, 1, 2015, 5), (1, 1, 0, 2015, 5)]
        with (
            pytest.warns(MSEWarning),
            pytest.raises(InvalidTableError, match="Nobody is on list 'labor'"),
        ):
            seen(rows, {"labor": {"year": 2014}})

    def test_records_and_arrays(self) -> None:
        frame = pd.DataFrame(
            {
                "id": ["p", "p", "q", "r", "s", "s", "t"],
                "source": ["a", "b", "a", "b", "a", "b", "a"],
                "year": [1, 1, 1, 1, 2, 2, 2],
            }
        )
        with pytest.warns(MSEWarning, match="1 persons are on 'b'"):
            table = CaptureTable.from_records(
                frame, "id", "source", "year", operating={"b": {"year": 1}}
            )
        assert table.patterns.tolist() == [[0, 1, 0], [1, -1, 1], [1, 0, 0], [1, 1, 0]]
        dense = np.zeros((2, 2, 2), dtype=int)
        dense[1, 0], dense[0, 1, 0], dense[1, 1, 0] = (1, 2), 1, 1
        assert table == CaptureTable.from_array(
            dense, ["a", "b"], {"year": [1, 2]}, operating={"b": {"year": 1}}
        )

    def test_a_stratum_where_nobody_was_seen(self) -> None:
        dense = np.zeros((2, 2, 2), dtype=int)
        dense[1, 0, 0], dense[0, 1, 0], dense[1, 1, 0] = 5, 4, 3
        table = CaptureTable.from_array(dense, ["a", "b"], {"x": [1, 2]}, operating={"b": {"x": 1}})
        assert not table.is_complete
        assert operating_lists(table).tolist() == [[True, True], [True, False]]
        assert mse.LogLinear("a + b + x").fit(table).population.status == "not_estimable"

    def test_persons_nobody_can_have_seen(self) -> None:
        rows = [*FULL, (1, 1, 0, None, 4)]
        where = {"police": {"year": 2014}, "care": {"year": 2015}}
        with pytest.raises(InvalidTableError, match="4 persons whose stratum is not known"):
            seen(rows, where)

    def test_it_travels(self) -> None:
        table = seen(FULL, {"labor": {"year": 2014}, "care": "everywhere"})
        again = pickle.loads(pickle.dumps(table))  # noqa: S301 - made here
        assert again == table
        assert np.array_equal(again.operating, table.operating)
        assert not table.operating.flags.writeable  # type: ignore[union-attr]
        assert table.with_info(name="x") == table
        assert table != seen(FULL)
        parts = (table.lists, table.covariates, table.patterns, table.low, table.high)
        assert CaptureTable(*parts, operating=table.operating) == table
        assert (
            CaptureTable(*parts, operating={"labor": {"year": 2014}, "care": "everywhere"}) == table
        )
        assert table.with_operating(None).operating is None

    def test_what_is_said_of_others_stays(self) -> None:
        table = seen(FULL, {"labor": {"year": 2014}}).with_operating({"care": "everywhere"})
        assert table.operating is not None
        assert table.operating.tolist() == [[-1, -1], [1, 1], [1, 0]]

    def test_tables_made_from_it(self) -> None:
        table = seen(FULL, {"labor": {"year": 2014}, "care": "everywhere"})

        def held(other: CaptureTable) -> Any:
            return None if other.operating is None else other.operating.tolist()

        assert held(table.keep_lists(["labor", "police"])) == [[1, 0], [-1, -1]]
        assert held(table.drop_lists(["labor"])) == [[-1, -1], [1, 1]]
        assert held(table.where(year=2015)) == [[-1], [1], [0]]
        assert held(table.where(year=[2014])) == [[-1], [1], [1]]
        assert held(table.collapse("year")) == [[-1], [1], [1]]
        assert held(table.by("year")[2015]) == [[-1], [1], [0]]
        merged = table.merge_lists({"both": ["care", "labor"]})
        assert held(merged) == [[-1, -1], [1, 1]]
        # Nobody was on a list that did not operate: who is not on the other is on neither.
        assert merged.is_complete
        assert merged.where(year=2015) == seen(FULL).where(year=2015).keep_lists(
            ["police", "care"]
        ).merge_lists({"both": ["care"]}).with_operating({"both": "everywhere"})

    def test_other_counts_heed_it(self) -> None:
        table = seen(FULL, {"labor": {"year": 2014}})
        other = table.with_counts(seen(FULL).counts)
        assert other == table
        complete = seen(FULL, "everywhere")
        assert complete.with_counts(complete.counts * 2).operating is not None


class TestInferred:
    def test_it_is_announced_with_its_evidence(self) -> None:
        rows = [*FULL, (1, 1, None, 2016, 2), (1, 0, None, 2016, 1)]
        table = seen(rows)
        found = dict(silent_places(table))
        assert [str(place) for place in found["labor"]] == ["year=2016 (of 3 persons)"]
        assert "not operating labor in year=2016 (of 3 persons), as inferred" in table.describe()
        fit = mse.LogLinear("police + care + labor + year").fit(table)
        search = mse.LogLinearSearch(strategy="stepwise").fit(table)
        for p in (fit.population, search.population):
            told = next(each for each in p.warnings if "membership of labor" in each)
            assert "known in year=2016 (of 3 persons)" in told
            assert "operating={'labor': 'everywhere'}" in told
        averaged = search.average("bic")
        assert any("known in year=2016 (of 3 persons)" in each for each in averaged.warnings)

    def test_what_is_said_is_told_as_such(self) -> None:
        table = seen(FULL, {"labor": {"year": 2014}})
        assert table.describe().splitlines()[-1].split() == [
            "not",
            "operating",
            "labor",
            "in",
            "year=2015",
        ]
        p = mse.LogLinear("police + care + labor + year").fit(table).population
        assert any("labor did not operate in year=2015, as was said" in each for each in p.warnings)
        assert not any("inferred" in each for each in p.warnings)

    def test_nothing_is_told_where_it_operated(self) -> None:
        rows = [*FULL, (1, 1, None, 2016, 2)]
        table = seen(rows, {"labor": "everywhere"})
        assert operating_lists(table).all()
        assert "not operating" not in table.describe()
        p = mse.LogLinear("police + care + labor + year").fit(table).population
        assert not any("labor" in each for each in p.warnings)

    def test_a_list_nobody_is_known_of(self) -> None:
        patterns = np.array([[0, 1, -1], [1, 0, -1], [1, 1, -1]])
        persons = np.array([5, 7, 3])
        table = CaptureTable(("a", "b", "c"), {}, patterns, persons, persons)
        assert "c, as inferred: nobody's membership is known" in table.describe()
        p = mse.LogLinear("a + b + c").fit(table).population
        with pytest.warns(MSEWarning, match="set aside"):
            silent = table.not_operating("a")
        assert mse.LogLinear("a + b + c").fit(silent).population.status == "not_estimable"
        assert any("membership of c is known (of 15 persons)" in each for each in p.warnings)

    def test_who_reported_somebody_did_operate(self) -> None:
        # Two lists of which nothing is known in 2016; a person whom police did not have was on one.
        rows = [*FULL, (1, None, None, 2016, 9), (0, None, None, 2016, 2)]
        assert operating_lists(seen(rows)).all()
        assert (
            "care in year=2016 (of 11 persons), as inferred from 2 persons" in seen(rows).describe()
        )
        assert not operating_lists(seen(rows[:-1])).all()
        # If one is said not to have operated, it was the other.
        table = seen(rows, {"care": {"year": [2014, 2015]}})
        last = table.patterns[:, 3] == 2
        assert sorted(table.patterns[last, :3].tolist()) == [[0, -1, 1], [1, -1, -1]]
        assert operating_lists(table).tolist() == [
            [True, True, True],
            [True, True, False],
            [True, True, True],
        ]

    def test_it_is_announced_where_only_deduction_tells(self) -> None:
        # Somebody wrote NaN for care in 2016, and left the persons in that care alone had reported.
        rows = [*FULL, (1, None, 0, 2016, 20), (0, None, 1, 2016, 9), (0, None, 0, 2016, 5)]
        table = seen(rows)
        assert operating_lists(table).all()
        told = "care in year=2016 (of 29 persons), as inferred from 5 persons"
        assert told in table.describe()
        p = mse.LogLinear("police + care + labor + year").fit(table).population
        (note,) = [each for each in p.warnings if "That is inferred" in each]
        assert "membership of care is known in year=2016 (of 29 persons), but for 5 persons" in note
        with pytest.warns(MSEWarning, match="5 persons on no other list than 'care' are set aside"):
            silent = table.with_operating({"care": {"year": [2014, 2015]}})
        assert silent.n_observed == table.n_observed - 5
        assert not any("inferred" in each for each in silent.describe().splitlines())
        said = table.with_operating({"care": "everywhere"})
        assert "inferred" not in said.describe()
        # Where others are known to be on the list, or not to be, nothing is in doubt.
        known = seen([*rows, (1, 0, 0, 2016, 1)])
        assert "inferred" not in known.describe()

    def test_possible_strata(self) -> None:
        operating = np.array([[True, False], [True, True]])
        lists = np.array([[1, 0], [-1, 1], [0, -1], [-1, 0], [-1, -1]])
        assert possible_strata(lists, operating).tolist() == [
            [True, False],
            [True, True],
            [True, False],
            [True, False],
            [True, True],
        ]

    def test_strata_are_named_whole_levels_first(self) -> None:
        chosen = np.array([True, True, False, True, False, False])
        assert named_strata(chosen, YEARS) == ["year=2014", "(year=2015, region=s)"]


class TestNobodyKnown:
    """Records whose known memberships are all 0."""

    def test_one_unknown_list_is_the_one(self) -> None:
        frame = pd.DataFrame({"a": [1, 1, 0], "b": [0, 1, None], "n": [41, 3, 5]})
        table = CaptureTable.from_frame(frame, ["a", "b"], count="n")
        assert table == CaptureTable.from_counts({"10": 41, "11": 3, "01": 5}, ["a", "b"])
        assert table.is_complete
        patterns = np.array([[0, -1], [0, 1], [1, 0], [1, 1]])
        persons = np.array([2, 3, 41, 3])
        assert CaptureTable(("a", "b"), {}, patterns, persons, persons) == table

    def test_several_unknown_lists_stay(self) -> None:
        rows = [*FULL, (0, None, None, 2014, 4)]
        table = seen(rows)
        assert [0, -1, -1, 0] in table.patterns.tolist()
        assert table.n_observed == seen(FULL).n_observed + 4
        assert "4 on lists that are not known" in table.describe()
        assert CaptureTable.from_frame(table.to_frame(), LISTS, ["year"], count="n") == table

    def test_all_unknown(self) -> None:
        rows = [*FULL, (None, None, None, 2014, 4)]
        assert seen(rows).n_observed == seen(FULL).n_observed + 4

    def test_empty_rows_are_no_persons(self) -> None:
        frame = pd.DataFrame({"a": [1, 0, 1, None], "b": [0, 1, 1, None]})
        with pytest.raises(InvalidTableError, match="Nothing is known in row 3"):
            CaptureTable.from_frame(frame, ["a", "b"])

    def test_lists_left_out_and_merged(self) -> None:
        table = seen([*FULL, (0, None, None, 2014, 4)])
        # On care or labor, and so on one of these two; of police and care nothing is known.
        assert [-1, -1, 0] in table.keep_lists(["care", "labor"]).patterns.tolist()
        assert table.keep_lists(["police", "care"]) == seen(FULL).keep_lists(["police", "care"])
        merged = table.merge_lists({"other": ["care", "labor"]})
        assert merged.is_complete
        assert merged.n_observed == table.n_observed

    def test_a_list_that_did_not_operate_is_not_the_one(self) -> None:
        with pytest.warns(MSEWarning, match=re.escape("set aside")):
            table = seen([*FULL, (0, 0, None, 2015, 4)], {"labor": {"year": 2014}})
        assert table == seen(FULL, {"labor": {"year": 2014}})
