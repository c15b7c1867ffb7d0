"""UpSet plots of histories, and heat maps of pairs of lists."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mse
from mse import plots
from mse.errors import ModelError
from tests.unit.plots.artists import marked, said, subtitle

pytestmark = pytest.mark.plot


def partly_known() -> mse.CaptureTable:
    frame = pd.DataFrame(
        {
            "police": [1, 0, 1, 1, 0],
            "care": [0, 1, 1, None, 1],
            "other": [0, 0, 1, 1, 1],
            "sex": ["f", "f", "m", "m", "m"],
            "n_low": [30, 20, 1, 5, 3],
            "n_high": [30, 20, 4, 5, None],
        }
    )
    lists = ["police", "care", "other"]
    return mse.CaptureTable.from_frame(frame, lists, ["sex"], ("n_low", "n_high"))


def test_bars_are_the_counts_of_histories_and_dots_their_lists() -> None:
    table = mse.load_dataset("kosovo")
    matrix, counts, totals = plots.upset(table).child_axes
    frame = table.to_frame().sort_values("n", ascending=False, kind="stable")
    assert [bar.get_height() for bar in marked(counts, "low")] == frame["n"].tolist()
    assert said(counts, "count") == [f"{n:,}" for n in frame["n"]]
    (dots,) = marked(matrix, "on")
    drawn = set(zip(dots.get_xdata(), dots.get_ydata(), strict=True))
    members = frame[list(table.lists)].to_numpy(dtype=np.int64)
    assert drawn == set(zip(*np.nonzero(members), strict=True))
    joined = [line.get_ydata() for line in marked(matrix, "joined")]
    assert len(joined) == int((members.sum(axis=1) > 1).sum())
    assert said(totals, "total") == [f"{n:,}" for n in np.diag(table.overlaps())]


def test_histories_left_out_are_counted() -> None:
    table = mse.load_dataset("kosovo")
    ax = plots.upset(table, most=5)
    top = sorted(table.to_frame()["n"], reverse=True)
    assert [bar.get_height() for bar in marked(ax.child_axes[1], "low")] == top[:5]
    assert f"not drawn: 10 rarer histories, {sum(top[5:])} persons" in subtitle(ax)


def test_histories_in_order_of_the_number_of_lists() -> None:
    ax = plots.upset(mse.load_dataset("korea"), order="lists")
    heights = [bar.get_height() for bar in marked(ax.child_axes[1], "low")]
    assert heights == [41, 5, 5, 54, 6, 12]
    with pytest.raises(ModelError, match="order='rank'"):
        plots.upset(mse.load_dataset("korea"), order="rank")  # type: ignore[arg-type]


def test_what_is_known_in_part_is_marked() -> None:
    ax = plots.upset(partly_known())
    matrix, counts, _ = ax.child_axes
    assert said(matrix, "unknown") == ["?"]
    assert said(counts, "count") == ["30", "20", "5", "at least 3", "1 to 4"]
    (hatched,) = marked(counts, "high")
    assert (hatched.get_y(), hatched.get_height()) == (1.0, 3.0)
    assert "4 of 7 possible histories; 1 known in part (?)" in subtitle(ax)
    assert "summed over sex" in subtitle(ax)


def test_margins_have_list_totals_only() -> None:
    ax = plots.upset(mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110))
    _, counts, totals = ax.child_axes
    assert list(counts.patches) == []
    assert said(totals, "total") == ["53", "70"]
    assert "only the totals of lists are known" in subtitle(ax)


def test_cells_are_overlaps_and_odds_ratios_with_their_intervals() -> None:
    table = mse.load_dataset("netherlands")
    found = mse.diagnostics.overlaps(table)
    ax = plots.overlap_heatmap(table)
    assert len(marked(ax, "value")) == table.n_lists**2
    words = plots.words.Words()
    both = table.overlaps().to_numpy()
    shown = iter(said(ax, "value"))
    ratios = {(row.list_a, row.list_b): row for row in found.to_frame().itertuples()}
    for i, first in enumerate(table.lists):
        for j, second in enumerate(table.lists):
            text = next(shown)
            if i < j:
                assert text == words.ratio(ratios[first, second].odds_ratio)
            else:
                assert text == f"{both[i, j]:,}"
    spans = [text for text in said(ax, "span") if " to " in text]
    assert spans == [
        f"{words.ratio(row.low)} to {words.ratio(row.high)}" for row in ratios.values()
    ]
    hatched = [patch for patch in ax.patches if patch.get_hatch()]
    assert len(hatched) == int((both[np.tril_indices(len(both), -1)] == 0).sum()) == 2


def test_a_table_known_in_part_has_overlaps_and_no_odds_ratios() -> None:
    ax = plots.overlap_heatmap(partly_known())
    assert len(marked(ax, "value")) == 6
    assert "odds ratio of being on both" not in subtitle(ax)
    margins = plots.overlap_heatmap(mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110))
    assert said(margins, "value") == ["53", "?", "70"]


def test_the_level_of_overlaps_found_before_is_kept() -> None:
    ax = mse.diagnostics.overlaps(mse.load_dataset("korea"), level=0.8).plot()
    assert "with 80% interval" in subtitle(ax)
