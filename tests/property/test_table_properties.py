"""Whatever the data: all ways lead to one table, and tables made from tables agree."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mse.data.columns import UNBOUNDED
from mse.data.table import CaptureTable

pytestmark = pytest.mark.property

YEARS = (2014, 2015, 2016)
SEXES = ("f", "m")


@st.composite
def tables(draw: st.DrawFn, *, unknown: bool = False, intervals: bool = False) -> CaptureTable:
    """Tables of 2 to 4 lists, with up to two covariates, everybody known or not."""
    n_lists = draw(st.integers(2, 4))
    lists = [f"list {'abcd'[i]}" for i in range(n_lists)]
    covariates = dict(
        draw(st.sampled_from([[], [("year", YEARS)], [("year", YEARS), ("sex", SEXES)]]))
    )
    nothing = [None] if unknown else []
    member = st.sampled_from([0, 1, *nothing])
    known = [st.sampled_from([*levels, *nothing]) for levels in covariates.values()]
    drawn = draw(st.lists(st.tuples(*[member] * n_lists, *known), max_size=12, unique=True))
    # Somebody on every list and with a level of every covariate, so that the table is one.
    anchor = (*[1] * n_lists, *(levels[0] for levels in covariates.values()))
    cells = [cell for cell in drawn if 1 in cell[:n_lists] and cell != anchor] + [anchor]
    frame = pd.DataFrame(cells, columns=[*lists, *covariates], dtype=object)
    frame["low"] = [
        *draw(st.lists(st.integers(0, 50), min_size=len(cells) - 1, max_size=len(cells) - 1)),
        3,
    ]
    more = st.sampled_from([0, 0, 4, UNBOUNDED]) if intervals else st.just(0)
    frame["high"] = [
        UNBOUNDED if extra == UNBOUNDED else low + extra
        for low, extra in ((low, draw(more)) for low in frame["low"])
    ]
    frame["high"] = frame["high"].astype(object).where(frame["high"] != UNBOUNDED, None)
    return CaptureTable.from_frame(frame, lists, list(covariates), ("low", "high"), blank="unknown")


def from_own_frame(table: CaptureTable, frame: pd.DataFrame | None = None) -> CaptureTable:
    frame = table.to_frame() if frame is None else frame
    count: Any = "n" if "n" in frame else ("n_low", "n_high")
    covariates = list(table.covariates)
    return CaptureTable.from_frame(frame, table.lists, covariates, count, blank="unknown")


def persons(table: CaptureTable) -> pd.DataFrame:
    frame = table.to_frame()
    return frame.loc[frame.index.repeat(frame["n"])].drop(columns="n").reset_index(drop=True)


any_table = tables(unknown=True, intervals=True)


@given(any_table)
def test_a_table_is_in_canonical_form(table: CaptureTable) -> None:
    rows = [tuple(row) for row in table.patterns.tolist()]
    assert rows == sorted(set(rows))
    assert (table.high > 0).all()
    assert (table.low <= table.high).all()
    assert (table.patterns[:, : table.n_lists] == 1).any(axis=1).all()


@given(any_table)
def test_to_frame_reads_back(table: CaptureTable) -> None:
    assert from_own_frame(table) == table


@given(any_table, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(table: CaptureTable, random: Any) -> None:
    order = list(range(len(table.patterns)))
    random.shuffle(order)
    assert from_own_frame(table, table.to_frame().iloc[order]) == table


@given(any_table)
def test_text_says_the_same(table: CaptureTable) -> None:
    frame = (
        table.to_frame().astype(object).astype("str").replace("<NA>", "unknown").replace("nan", "")
    )
    again = from_own_frame(table, frame)
    assert again.patterns.tolist() == table.patterns.tolist()
    assert again.low.tolist() == table.low.tolist()


@given(any_table)
def test_pickles_and_parts(table: CaptureTable) -> None:
    assert pickle.loads(pickle.dumps(table)) == table  # noqa: S301 - made here
    parts = (table.lists, dict(table.covariates), table.patterns, table.low, table.high)
    assert CaptureTable(*parts) == table


@given(tables())
def test_persons_counts_and_cells_are_one_table(table: CaptureTable) -> None:
    names = list(table.covariates)
    assert CaptureTable.from_frame(persons(table), table.lists, names) == table
    assert CaptureTable.from_array(table.counts, table.lists, table.covariates) == table
    assert table.with_counts(table.counts) == table
    if not names:
        histories = {
            "".join(map(str, row)): int(n)
            for row, n in zip(table.patterns.tolist(), table.low, strict=True)
        }
        assert CaptureTable.from_counts(histories, table.lists) == table


@given(tables(), st.randoms(use_true_random=False))
def test_records_are_the_same_table(table: CaptureTable, random: Any) -> None:
    wide = persons(table).reset_index(names="id")
    long = wide.melt(["id", *table.covariates], var_name="register").query("value == 1")
    order = list(range(len(long)))
    random.shuffle(order)
    counted = CaptureTable.from_records(
        long.iloc[order],
        person="id",
        register="register",
        registers=table.lists,
        period="year" if "year" in table.covariates else None,
        covariates=[name for name in table.covariates if name != "year"],
    )
    assert counted == table


@given(tables())
def test_explicit_zeros_change_nothing(table: CaptureTable) -> None:
    levels = list(table.covariates.values())
    cells = list(np.ndindex(table.shape))
    every = pd.DataFrame(
        [
            [
                *cell[: table.n_lists],
                *(part[i] for part, i in zip(levels, cell[table.n_lists :], strict=True)),
            ]
            for cell in cells
        ],
        columns=list(table.axes),
    )
    every["n"] = table.counts.ravel()
    assert from_own_frame(table, every) == table


@given(any_table, st.permutations(range(4)))
def test_permuted_lists_permute_back(table: CaptureTable, order: list[int]) -> None:
    names = [table.lists[i] for i in order if i < table.n_lists]
    permuted = table.keep_lists(names)
    assert permuted.n_observed == table.n_observed
    assert permuted.keep_lists(table.lists) == table
    assert permuted.overlaps().loc[list(table.lists), list(table.lists)].equals(table.overlaps())


@given(tables(), st.permutations(range(4)))
def test_permuted_lists_transpose_the_cells(table: CaptureTable, order: list[int]) -> None:
    axes = [i for i in order if i < table.n_lists]
    rest = range(table.n_lists, len(table.axes))
    permuted = table.keep_lists([table.lists[i] for i in axes])
    assert np.array_equal(permuted.counts, table.counts.transpose(*axes, *rest))


@given(tables(unknown=True), st.permutations(range(3)))
def test_permuted_levels_permute_the_axis(table: CaptureTable, order: list[int]) -> None:
    frame = table.to_frame()
    for name, levels in table.covariates.items():
        chosen = [levels[i] for i in order if i < len(levels)]
        frame[name] = frame[name].cat.reorder_categories(chosen)
    permuted = from_own_frame(table, frame)
    assert permuted.n_observed == table.n_observed
    dense = permuted.counts
    for axis, (name, levels) in enumerate(table.covariates.items(), start=table.n_lists):
        dense = dense.take([permuted.covariates[name].index(level) for level in levels], axis=axis)
    assert np.array_equal(dense, table.counts)
    if table.covariates:
        assert permuted.collapse(*table.covariates) == table.collapse(*table.covariates)


@given(tables(), st.integers(1, 1000))
def test_scaled_counts_scale(table: CaptureTable, times: int) -> None:
    frame = table.to_frame()
    frame["n"] *= times
    scaled = from_own_frame(table, frame)
    assert scaled == table.with_counts(table.counts * times)
    assert scaled.n_observed == times * table.n_observed


@given(tables())
def test_strata_add_up(table: CaptureTable) -> None:
    for axis, name in enumerate(table.covariates, start=table.n_lists):
        parts = table.by(name)
        stacked = np.stack([part.counts for part in parts.values()], axis=axis)
        assert np.array_equal(stacked, table.counts)
        assert np.array_equal(table.collapse(name).counts, table.counts.sum(axis=axis))
        assert table.where(**{name: table.covariates[name]}) == table


@given(any_table)
def test_collapsing_is_in_any_order(table: CaptureTable) -> None:
    if len(table.covariates) == 2:
        both = table.collapse("year", "sex")
        assert table.collapse("year").collapse("sex") == both
        assert table.collapse("sex").collapse("year") == both
    for name in table.covariates:
        assert table.collapse(name).n_observed == table.n_observed


@given(any_table)
def test_merging_keeps_everybody(table: CaptureTable) -> None:
    if table.n_lists > 2:
        first, second, *others = table.lists
        merged = table.merge_lists({"merged": [second, first]})
        assert merged.lists == ("merged", *others)
        assert merged.n_observed == table.n_observed
        again = merged.merge_lists({"renamed": ["merged"]}) if others else merged
        assert again.n_observed == table.n_observed


@given(tables())
def test_merging_is_any_of(table: CaptureTable) -> None:
    if table.n_lists > 2:
        first, second, *_ = table.lists
        merged = table.merge_lists({"merged": [first, second]}).counts
        assert np.array_equal(merged[0], table.counts[0, 0])
        assert np.array_equal(
            merged[1], table.counts[0, 1] + table.counts[1, 0] + table.counts[1, 1]
        )


@given(tables())
def test_overlaps_are_sums_of_cells(table: CaptureTable) -> None:
    overlaps = table.overlaps().to_numpy(dtype=np.int64)
    for i in range(table.n_lists):
        on_first = np.take(table.counts, [1], axis=i)
        for j in range(table.n_lists):
            both = on_first if i == j else np.take(on_first, [1], axis=j)
            assert overlaps[i, j] == both.sum()


@given(any_table, any_table)
def test_equal_is_equal_content(one: CaptureTable, other: CaptureTable) -> None:
    same = (
        one.lists == other.lists
        and dict(one.covariates) == dict(other.covariates)
        and np.array_equal(one.patterns, other.patterns)
        and np.array_equal(one.low, other.low)
        and np.array_equal(one.high, other.high)
    )
    assert (one == other) == same
    assert (one.fingerprint == other.fingerprint) == same
    assert hash(one) == hash(other) or not same
