"""`CaptureTable`: what it holds, what it refuses, and the tables made from it."""

from __future__ import annotations

import dataclasses
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

from mse.data.columns import UNBOUNDED
from mse.data.patterns import Margins, TableInfo
from mse.data.table import CaptureTable
from mse.errors import InvalidTableError, MSEError, MSEWarning

LISTS = ["a", "b", "c"]


@pytest.fixture
def plain() -> CaptureTable:
    return CaptureTable.from_counts({"100": 41, "010": 5, "110": 3, "001": 7}, LISTS)


@pytest.fixture
def stratified() -> CaptureTable:
    frame = pd.DataFrame(
        {
            "a": [1, 1, 0, 1, 0, 1],
            "b": [0, 1, 1, 0, 1, 1],
            "c": [0, 0, 1, 1, 0, 1],
            "year": [2014, 2014, 2014, 2015, 2015, 2016],
            "sex": ["f", "m", "f", "f", "m", "m"],
            "n": [10, 4, 3, 6, 8, 2],
        }
    )
    return CaptureTable.from_frame(frame, LISTS, ["year", "sex"], "n")


@pytest.fixture
def partial() -> CaptureTable:
    frame = pd.DataFrame(
        {
            "a": [1, 1, 0, 1],
            "b": [0, None, 1, 1],
            "c": [0, 1, 1, None],
            "year": [2014, 2014, None, 2015],
            "n": ["12", "<5", "7", "2"],
        }
    )
    return CaptureTable.from_frame(frame, LISTS, ["year"], "n")


class TestContents:
    def test_shape_and_counts(self, plain: CaptureTable) -> None:
        assert plain.lists == ("a", "b", "c")
        assert plain.shape == (2, 2, 2)
        assert (plain.n_lists, plain.n_cells, plain.n_strata) == (3, 8, 1)
        assert plain.counts.tolist() == [[[0, 7], [5, 0]], [[41, 0], [3, 0]]]
        assert plain.counts.dtype == np.int64
        assert plain.n_observed == 56
        assert plain.is_complete

    def test_history_is_the_index_of_the_cell(self, plain: CaptureTable) -> None:
        assert plain.counts.ravel()[0b100] == 41
        assert plain.counts.ravel()[0b010] == 5

    def test_covariates_are_the_last_axes(self, stratified: CaptureTable) -> None:
        assert dict(stratified.covariates) == {"year": (2014, 2015, 2016), "sex": ("f", "m")}
        assert stratified.shape == (2, 2, 2, 3, 2)
        assert stratified.axes == ("a", "b", "c", "year", "sex")
        assert stratified.n_strata == 6
        assert stratified.counts[1, 0, 1, 1, 0] == 6

    def test_patterns_are_sorted_and_differ(self, stratified: CaptureTable) -> None:
        rows = [tuple(row) for row in stratified.patterns.tolist()]
        assert rows == sorted(set(rows))

    def test_partial_knowledge_is_held(self, partial: CaptureTable) -> None:
        assert not partial.is_complete
        assert partial.n_observed == 21
        held = {
            tuple(pattern): (low, high)
            for pattern, low, high in zip(
                partial.patterns.tolist(), partial.low.tolist(), partial.high.tolist(), strict=True
            )
        }
        assert held == {
            (1, 0, 0, 0): (12, 12),
            (1, -1, 1, 0): (0, 4),
            (0, 1, 1, -1): (7, 7),
            (1, 1, -1, 1): (2, 2),
        }
        # Only what is exact and fully known has a cell.
        assert partial.counts.sum() == 12

    def test_levels_are_plain_scalars(self, stratified: CaptureTable) -> None:
        assert {type(level) for level in stratified.covariates["year"]} == {int}

    def test_large_dense_tables_are_refused_with_their_size(self) -> None:
        lists = [f"l{i}" for i in range(28)]
        table = CaptureTable.from_counts(
            {"1" * 28: 3, **{"0" * i + "1" + "0" * (27 - i): 1 for i in range(28)}}, lists
        )
        assert table.n_cells == 2**28
        with pytest.raises(InvalidTableError, match="268,435,456 cells"):
            _ = table.counts

    def test_margins_hold_totals_only(self) -> None:
        table = CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
        assert table.margins == Margins({"a": 53, "b": 70}, 110)
        assert table.n_observed == 110
        assert table.patterns.shape == (0, 2)
        assert not table.is_complete
        with pytest.raises(InvalidTableError, match="only its list totals"):
            _ = table.counts


class TestImmutability:
    def test_fields_cannot_be_set(self, plain: CaptureTable) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            plain.lists = ("x", "y")  # type: ignore[misc]

    @pytest.mark.parametrize("name", ["patterns", "low", "high", "counts"])
    def test_arrays_are_read_only(self, plain: CaptureTable, name: str) -> None:
        array = getattr(plain, name)
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1

    def test_covariates_are_read_only(self, stratified: CaptureTable) -> None:
        with pytest.raises(TypeError):
            stratified.covariates["year"] = (1,)  # type: ignore[index]

    def test_input_is_not_touched_and_not_shared(self) -> None:
        counts = np.array([[0, 5], [41, 3]])
        table = CaptureTable.from_array(counts, ["a", "b"])
        counts[1, 1] = 99
        assert table.counts[1, 1] == 3
        assert counts.flags.writeable

    def test_survives_pickling(self, partial: CaptureTable) -> None:
        described = partial.with_info(name="pilot", list_descriptions={"a": "police"})
        again = pickle.loads(pickle.dumps(described))  # noqa: S301 - made here
        assert again == described
        assert again.info == described.info
        assert not again.low.flags.writeable


class TestIdentity:
    def test_equal_data_are_equal_tables(self, plain: CaptureTable) -> None:
        again = CaptureTable.from_array(plain.counts, LISTS)
        assert again == plain
        assert hash(again) == hash(plain)
        assert again.fingerprint == plain.fingerprint
        assert len(plain.fingerprint) == 64

    def test_info_does_not_matter(self, plain: CaptureTable) -> None:
        assert plain.with_info(name="other") == plain

    def test_different_data_differ(self, plain: CaptureTable) -> None:
        more = CaptureTable.from_counts({"100": 42, "010": 5, "110": 3, "001": 7}, LISTS)
        renamed = CaptureTable.from_array(plain.counts, ["a", "b", "d"])
        assert plain != more
        assert plain != renamed
        assert plain != "a table"
        assert CaptureTable.from_margins({"a": 5, "b": 7}, 9) != CaptureTable.from_margins(
            {"a": 5, "b": 7}, 10
        )

    def test_levels_of_another_type_differ(self) -> None:
        counts = np.zeros((2, 2, 2), dtype=int)
        counts[1, 1] = 4
        numbers = CaptureTable.from_array(counts, ["a", "b"], {"year": [2014, 2015]})
        words = CaptureTable.from_array(counts, ["a", "b"], {"year": ["2014", "2015"]})
        assert numbers != words


class TestDirectConstruction:
    def test_sorts_patterns_and_drops_zeros(self) -> None:
        table = CaptureTable(
            lists=("a", "b"),
            covariates={},
            patterns=np.array([[1, 1], [1, 0], [0, 1]]),
            low=np.array([3, 41, 0]),
            high=np.array([3, 41, 0]),
        )
        assert table.low.tolist() == [41, 3]
        assert table.patterns.tolist() == [[1, 0], [1, 1]]

    @pytest.mark.parametrize(
        ("patterns", "low", "high", "found"),
        [
            ([[1, 2]], [1], [1], "outside the axes"),
            ([[0, 0]], [1], [1], "No list holds"),
            ([[1, 0]], [3], [2], "0 <= low <= high"),
            ([[1, 0]], [-1], [2], "0 <= low <= high"),
            ([[1, 0], [1, 0]], [1, 1], [1, 1], "repeat each other"),
            ([[1, 0, 1]], [1], [1], "shapes"),
            ([[1, 0]], [1, 2], [1, 2], "shapes"),
            ([[1.5, 0]], [1], [1], "whole numbers"),
        ],
    )
    def test_refuses_impossible_parts(
        self, patterns: object, low: object, high: object, found: str
    ) -> None:
        with pytest.raises(InvalidTableError, match=found):
            CaptureTable(("a", "b"), {}, np.array(patterns), np.array(low), np.array(high))

    def test_replace_keeps_the_data(self, plain: CaptureTable) -> None:
        named = dataclasses.replace(plain, info=TableInfo(name="x"))
        assert named == plain
        assert named.info.name == "x"


class TestFrames:
    def test_one_row_per_pattern(self, stratified: CaptureTable) -> None:
        frame = stratified.to_frame()
        assert list(frame.columns) == ["a", "b", "c", "year", "sex", "n"]
        assert len(frame) == 6
        assert frame["year"].cat.categories.tolist() == [2014, 2015, 2016]

    def test_reads_back(self, stratified: CaptureTable, partial: CaptureTable) -> None:
        again = CaptureTable.from_frame(stratified.to_frame(), LISTS, ["year", "sex"], "n")
        assert again == stratified
        again = CaptureTable.from_frame(partial.to_frame(), LISTS, ["year"], ("n_low", "n_high"))
        assert again == partial

    def test_unknown_is_missing(self, partial: CaptureTable) -> None:
        frame = partial.to_frame()
        assert frame["b"].isna().sum() == 1
        assert frame["year"].isna().sum() == 1
        assert frame["n_high"].tolist() == [7, 4, 12, 2]

    def test_no_upper_bound_is_missing(self) -> None:
        table = CaptureTable(
            ("a", "b"), {}, np.array([[1, 1]]), np.array([3]), np.array([UNBOUNDED])
        )
        assert table.to_frame()["n_high"].isna().all()
        assert (
            CaptureTable.from_frame(table.to_frame(), ["a", "b"], (), ("n_low", "n_high")) == table
        )

    def test_changes_to_the_frame_stay_outside(self, plain: CaptureTable) -> None:
        frame = plain.to_frame()
        frame.loc[0, "n"] = 1000
        assert plain.n_observed == 56

    def test_margins(self) -> None:
        frame = CaptureTable.from_margins({"a": 53, "b": 70}, union=110).to_frame()
        assert frame["n"].tolist() == [53, 70, 110]
        assert frame["a"].isna().tolist() == [False, True, True]

    def test_overlaps(self, stratified: CaptureTable) -> None:
        overlaps = stratified.overlaps()
        assert overlaps.loc["a", "a"] == 22
        assert overlaps.loc["a", "b"] == overlaps.loc["b", "a"] == 6
        assert overlaps.loc["b", "c"] == 5

    def test_overlaps_of_margins_are_missing(self) -> None:
        overlaps = CaptureTable.from_margins({"a": 53, "b": 70}, union=110).overlaps()
        assert overlaps.loc["b", "b"] == 70
        assert overlaps.loc["a", "b"] is pd.NA


class TestLists:
    def test_keep_drops_persons_on_no_other_list(self, plain: CaptureTable) -> None:
        kept = plain.keep_lists(["a", "b"])
        assert kept.counts.tolist() == [[0, 5], [41, 3]]
        assert kept.info.scope == "persons on a, b"

    def test_keep_takes_the_order_given(self, plain: CaptureTable) -> None:
        assert plain.keep_lists(["c", "b", "a"]).counts.tolist() == plain.counts.T.tolist()
        assert plain.keep_lists(["c", "b", "a"]).info.scope == ""

    def test_drop_is_the_complement(self, stratified: CaptureTable) -> None:
        assert stratified.drop_lists(["b"]) == stratified.keep_lists(["a", "c"])
        assert stratified.drop_lists("b") == stratified.drop_lists(["b"])

    def test_drop_with_unknown_membership(self, partial: CaptureTable) -> None:
        kept = partial.keep_lists(["b", "c"])
        # On c for certain, whether on b or not; not those on a alone.
        assert kept.patterns.tolist() == [[-1, 1, 0], [1, -1, 1], [1, 1, -1]]

    def test_merge_is_any_of(self, plain: CaptureTable) -> None:
        merged = plain.merge_lists({"ab": ["b", "a"]})
        assert merged.lists == ("ab", "c")
        assert merged.counts.tolist() == [[0, 7], [49, 0]]

    def test_merge_stands_at_the_first(self, plain: CaptureTable) -> None:
        assert plain.merge_lists({"bc": ["c", "b"]}).lists == ("a", "bc")

    def test_merge_of_one_list_renames_it(self, plain: CaptureTable) -> None:
        assert plain.merge_lists({"police": ["a"]}).lists == ("police", "b", "c")
        assert plain.merge_lists({"a": ["a", "b"]}).lists == ("a", "c")

    def test_merge_with_unknown_membership(self, partial: CaptureTable) -> None:
        merged = partial.merge_lists({"bc": ["b", "c"]})
        assert merged.patterns.tolist() == [[0, 1, -1], [1, 0, 0], [1, 1, 0], [1, 1, 1]]

    def test_merge_joins_descriptions(self, plain: CaptureTable) -> None:
        told = plain.with_info(list_descriptions={"a": "police", "b": "care", "c": "others"})
        merged = told.merge_lists({"ab": ["a", "b"]})
        assert dict(merged.info.list_descriptions) == {"ab": "police; care", "c": "others"}
        assert dict(told.keep_lists(["a", "c"]).info.list_descriptions) == {
            "a": "police",
            "c": "others",
        }

    @pytest.mark.parametrize(
        ("groups", "found"),
        [
            ({"x": ["a", "dd"]}, "no list 'dd'"),
            ({"c": ["a", "b"]}, "that of a list outside its group"),
            ({"x": ["a", "b"], "y": ["b", "c"]}, "merged twice"),
            ({"x": ["a", "b", "c"]}, "only one list"),
            ({"x": []}, "names no lists"),
            ({"x*y": ["a", "b"]}, r"'\*'"),
            ({}, "expected a mapping"),
            (["a", "b"], "expected a mapping"),
        ],
    )
    def test_impossible_merges(self, plain: CaptureTable, groups: object, found: str) -> None:
        with pytest.raises(InvalidTableError, match=found):
            plain.merge_lists(groups)  # type: ignore[arg-type]

    def test_merged_name_of_a_covariate(self, stratified: CaptureTable) -> None:
        with pytest.raises(InvalidTableError, match="both as a list and as a covariate"):
            stratified.merge_lists({"year": ["a", "b"]})

    def test_unknown_and_too_few_lists(self, plain: CaptureTable) -> None:
        with pytest.raises(InvalidTableError, match="no list 'd'") as caught:
            plain.keep_lists(["a", "d"])
        assert isinstance(caught.value, MSEError)
        with pytest.raises(InvalidTableError, match="at least two"):
            plain.keep_lists(["a"])
        with pytest.raises(InvalidTableError, match="at least two"):
            plain.drop_lists(["a", "b"])
        with pytest.raises(InvalidTableError, match="occur twice"):
            plain.keep_lists(["a", "a", "b"])

    def test_margins_cannot_be_cut(self) -> None:
        table = CaptureTable.from_margins({"a": 53, "b": 70, "c": 20}, union=110)
        with pytest.raises(InvalidTableError, match="from_margins"):
            table.keep_lists(["a", "b"])
        with pytest.raises(InvalidTableError, match="from_margins"):
            table.merge_lists({"ab": ["a", "b"]})


class TestStrata:
    def test_one_level_drops_the_covariate(self, stratified: CaptureTable) -> None:
        chosen = stratified.where(year=2014)
        assert list(chosen.covariates) == ["sex"]
        assert chosen.n_observed == 17
        assert chosen.info.scope == "year = 2014"

    def test_a_collection_keeps_it(self, stratified: CaptureTable) -> None:
        chosen = stratified.where(year=[2016, 2014])
        assert chosen.covariates["year"] == (2014, 2016)
        assert chosen.n_observed == 19
        for same in ({2014, 2016}, range(2014, 2017, 2), np.array([2014, 2016]), (2014, 2016)):
            assert stratified.where(year=same) == chosen
        assert stratified.where(year=[2015]).covariates["year"] == (2015,)

    def test_several_conditions(self, stratified: CaptureTable) -> None:
        chosen = stratified.where(year=np.int64(2014), sex="f")
        assert chosen.n_observed == 13
        assert not chosen.covariates

    def test_derived_tables_may_have_empty_lists(self, stratified: CaptureTable) -> None:
        chosen = stratified.where(year=2015, sex="m")
        assert chosen.overlaps().loc["a", "a"] == 0

    def test_nobody_at_all(self, stratified: CaptureTable) -> None:
        chosen = stratified.where(year=2016, sex="f")
        assert chosen.n_observed == 0
        assert chosen.counts.sum() == 0
        assert chosen.to_frame().empty
        assert chosen.is_complete

    def test_by_is_where_for_each_level(self, stratified: CaptureTable) -> None:
        tables = stratified.by("year")
        assert list(tables) == [2014, 2015, 2016]
        assert tables[2015] == stratified.where(year=2015)
        assert tables[2015].info.scope == "year = 2015"
        assert sum(table.n_observed for table in tables.values()) == stratified.n_observed

    def test_unknown_levels_are_left_out_with_a_warning(self, partial: CaptureTable) -> None:
        with pytest.warns(MSEWarning, match="7 persons whose 'year' is not known"):
            chosen = partial.where(year=2014)
        assert chosen.n_observed == 12
        with pytest.warns(MSEWarning, match="7 persons") as caught:
            tables = partial.by("year")
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert [table.n_observed for table in tables.values()] == [12, 2]

    def test_a_list_that_did_not_operate(self, stratified: CaptureTable) -> None:
        name, (covariate, levels) = stratified.lists[0], next(iter(stratified.covariates.items()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = stratified.not_operating(name, **{covariate: levels[:1]})
            everywhere = stratified.not_operating(name)
        there = table.patterns[:, table.axes.index(covariate)] == 0
        assert (table.patterns[there, 0] == -1).all()
        assert (table.patterns[~there, 0] >= 0).all()
        assert (everywhere.patterns[:, 0] == -1).all()
        alone = (stratified.patterns[:, : stratified.n_lists].sum(axis=1) == 1) & (
            stratified.patterns[:, 0] == 1
        )
        aside = alone & (stratified.patterns[:, stratified.axes.index(covariate)] == 0)
        assert table.n_observed == stratified.n_observed - stratified.low[aside].sum()
        with pytest.raises(InvalidTableError, match="nowhere"):
            stratified.not_operating("nowhere")
        with pytest.raises(InvalidTableError, match="no level"):
            stratified.not_operating(name, **{covariate: "no level"})

    def test_collapse_sums(self, stratified: CaptureTable) -> None:
        summed = stratified.collapse("year", "sex")
        assert summed.counts.tolist() == stratified.counts.sum(axis=(3, 4)).tolist()
        assert summed.info == stratified.info
        one = stratified.collapse("year")
        assert one.counts.tolist() == stratified.counts.sum(axis=3).tolist()

    def test_collapse_forgets_what_was_unknown(self, partial: CaptureTable) -> None:
        summed = partial.collapse("year")
        assert summed.n_observed == partial.n_observed
        assert not summed.covariates

    def test_collapse_adds_bounds(self) -> None:
        frame = pd.DataFrame({"a": 1, "b": 1, "sex": ["f", "m"], "n": ["<5", "3"]})
        table = CaptureTable.from_frame(frame, ["a", "b"], ["sex"], "n").collapse("sex")
        assert (table.low.tolist(), table.high.tolist()) == ([3], [7])

    def test_collapse_without_upper_bound(self) -> None:
        frame = pd.DataFrame({"a": 1, "b": 1, "sex": ["f", "m"], "low": [2, 3], "high": [None, 3]})
        table = CaptureTable.from_frame(frame, ["a", "b"], ["sex"], ("low", "high")).collapse("sex")
        assert (table.low.tolist(), table.high.tolist()) == ([5], [UNBOUNDED])

    @pytest.mark.parametrize(
        ("ask", "found"),
        [
            (lambda t: t.where(years=2014), "Did you mean 'year'"),
            (lambda t: t.where(year=2013), "level of 'year' 2013"),
            (lambda t: t.where(year="2014"), "Did you mean 2014"),
            (lambda t: t.where(year=[]), "No level of 'year'"),
            (lambda t: t.by("form"), "no covariate 'form'"),
            (lambda t: t.collapse("form"), "no covariate 'form'"),
            (lambda t: t.collapse(), "No covariate to sum over"),
        ],
    )
    def test_what_is_not_there(self, stratified: CaptureTable, ask: object, found: str) -> None:
        with pytest.raises(InvalidTableError, match=found):
            ask(stratified)  # type: ignore[operator]


class TestWithCounts:
    def test_is_the_table_of_these_counts(self, stratified: CaptureTable) -> None:
        table = stratified.with_counts(stratified.counts * 2)
        assert table.n_observed == 2 * stratified.n_observed
        assert table.counts.tolist() == (stratified.counts * 2).tolist()
        assert table.with_counts(stratified.counts) == stratified
        assert not table.counts.flags.writeable

    def test_lists_may_be_empty(self, plain: CaptureTable) -> None:
        assert plain.with_counts(np.zeros((2, 2, 2), dtype=int)).n_observed == 0

    @pytest.mark.parametrize(
        "counts",
        [np.ones((2, 2), dtype=int), np.ones((2, 2, 2), dtype=int), np.zeros((2, 2, 2))],
        ids=["shape", "hidden cell", "floats"],
    )
    def test_what_it_refuses(self, plain: CaptureTable, counts: np.ndarray) -> None:  # type: ignore[type-arg]
        with pytest.raises(InvalidTableError, match="expected integers of shape"):
            plain.with_counts(counts)


class TestInfo:
    def test_changes(self, plain: CaptureTable) -> None:
        table = plain.with_info(name="pilot", population="victims")
        assert (table.info.name, table.info.population) == ("pilot", "victims")
        assert plain.info == TableInfo()

    def test_unknown_field(self, plain: CaptureTable) -> None:
        with pytest.raises(InvalidTableError, match="Did you mean 'source'"):
            plain.with_info(sources="x")

    def test_is_hashable(self) -> None:
        assert hash(TableInfo(list_descriptions={"a": "police"})) == hash(
            TableInfo(list_descriptions={"a": "police"})
        )

    def test_scopes_add_up(self, stratified: CaptureTable) -> None:
        chosen = stratified.with_info(scope="adults").where(year=[2014, 2015], sex="f")
        assert chosen.info.scope == "adults; year = 2014, 2015; sex = f"


class TestText:
    def test_repr_is_short(self, stratified: CaptureTable) -> None:
        assert repr(stratified) == "CaptureTable(lists: a, b, c; year (3), sex (2); 33 observed)"
        many = CaptureTable.from_counts({"1" * 9: 4}, [f"l{i}" for i in range(9)])
        assert repr(many) == "CaptureTable(9 lists; 4 observed)"

    def test_description(self, partial: CaptureTable) -> None:
        text = partial.with_info(name="pilot", population="victims", period="2014").describe()
        assert "Capture table: pilot" in text
        assert "victims, 2014" in text
        assert "21 persons on 3 lists" in text
        assert "year unknown for 7 persons" in text
        assert "1 counts within bounds" in text
        assert partial.summary() == partial.describe()

    def test_pairs_without_overlap_are_named(self, plain: CaptureTable) -> None:
        assert "a and c; b and c" in plain.describe()

    def test_margins(self) -> None:
        text = CaptureTable.from_margins({"a": 53, "b": 70}, union=110).describe()
        assert "110 persons" in text
        assert "only the list totals" in text

    def test_empty(self, plain: CaptureTable) -> None:
        assert "0 persons" in plain.with_counts(np.zeros((2, 2, 2), dtype=int)).describe()

    def test_html_escapes_names(self) -> None:
        table = CaptureTable.from_counts({"10": 3, "01": 2}, ["<b>", "c&d"])
        shown = table._repr_html_()
        assert "<b>" not in shown
        assert "&lt;b&gt;" in shown
