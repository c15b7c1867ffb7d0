"""Sensitivity analyses, validation and diagnostics drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mse
from mse import plots
from mse.bayes.checks import PredictiveCheck, under_priors
from tests.unit.plots.artists import marked, rows, said, spans, subtitle, xs

pytestmark = pytest.mark.plot
MAIN = mse.LogLinear("main")
STEPS = mse.LogLinearSearch(criterion="pvalue", strategy="stepwise")


def test_each_list_left_out_is_a_row_beside_the_whole() -> None:
    found = mse.sensitivity.leave_one_out(STEPS, mse.load_dataset("netherlands_5"))
    frame, ax = found.to_frame(0.8), found.plot(level=0.8)
    assert spans(ax) == list(zip(frame["low"], frame["high"], strict=True))
    assert xs(ax, "point") == frame["total"].tolist()
    assert xs(ax, "observed") == frame["observed"].tolist()
    assert rows(ax)[:2] == ["all lists", "without inspectorate_residential"]
    assert ax.get_xscale() == "log"


def test_a_model_that_names_the_list_is_not_applicable() -> None:
    # Of the lists that depend on each other alone nothing is asked; without one of them the rest is.
    found = mse.sensitivity.leave_one_out(mse.LogLinear("[12,3]"), mse.load_dataset("korea"))
    assert said(found.plot(), "status") == ["not applicable"]


def test_merged_pairs_are_rows_beside_the_lists_apart() -> None:
    found = mse.sensitivity.merge(MAIN, mse.load_dataset("korea"), [("b", "d")])
    frame, ax = found.to_frame(), found.plot()
    assert spans(ax) == list(zip(frame["low"], frame["high"], strict=True))
    assert rows(ax) == ["all lists apart", "b or d"]


def test_priors_are_rows() -> None:
    found = under_priors(mse.load_dataset("korea"), {"as asked for": MAIN, "other": STEPS})
    frame, ax = found.to_frame(), found.plot()
    assert spans(ax) == list(zip(frame["low"], frame["high"], strict=True))
    assert rows(ax) == ["as asked for", "other"]


def test_an_assumption_is_a_curve_with_its_intervals() -> None:
    found = mse.sensitivity.highest_order(mse.LogLinear("[12,23]").fit(mse.load_dataset("korea")))
    frame, ax = found.to_frame(), found.plot()
    (bars,) = marked(ax, "interval")
    assert [tuple(segment.ravel()) for segment in bars.get_segments()] == [
        (row.xi, row.low, row.xi, row.high) for row in frame.itertuples()
    ]
    (points,) = marked(ax, "point")
    assert points.get_ydata().tolist() == frame["total"].tolist()
    assert xs(ax, "assumption") == [1.0, 1.0]


def test_odds_ratios_have_a_panel_for_each_pair() -> None:
    found = mse.sensitivity.odds_ratio(mse.load_dataset("korea"), [0.1, 1, 40])
    frame, ax = found.to_frame(), found.plot()
    panels = ax.child_axes
    assert len(panels) == 3
    for panel, (_, own) in zip(panels, frame.groupby(["list_a", "list_b"]), strict=True):
        (points,) = marked(panel, "point")
        assert points.get_ydata().tolist() == own["total"].tolist()
    assert len({panel.get_ylim() for panel in panels}) == 1


def test_intervals_beyond_the_axis_have_an_arrow_and_lost_pairs_a_word() -> None:
    table = mse.CaptureTable.from_counts({"100": 9, "010": 8, "001": 7}, lists=["a", "b", "c"])
    ax = mse.sensitivity.odds_ratio(table).plot()
    words = [text for panel in ax.child_axes for text in said(panel, "status")]
    assert words == ["not estimable"] * 3
    pair = mse.CaptureTable.from_counts({"10": 90, "01": 80, "11": 1}, lists=["a", "b"])
    (panel,) = mse.sensitivity.odds_ratio(pair).plot().child_axes
    assert marked(panel, "unbounded")
    end = panel.get_ylim()[1]
    (bars,) = marked(panel, "interval")
    assert max(segment[1][1] for segment in bars.get_segments()) == end


def test_validated_lists_are_ratios_to_their_known_size() -> None:
    found = mse.validate(mse.load_dataset("kosovo"), [MAIN, mse.SampleCoverage()])
    frame = found.to_frame().sort_values(
        "list", key=lambda s: s.map(found.table.lists.index), kind="stable"
    )
    ax = found.plot()
    expected = zip(frame["low"] / frame["truth"], frame["high"] / frame["truth"], strict=True)
    assert spans(ax) == [pytest.approx(each) for each in expected]
    assert rows(ax)[:3] == ["EXH (1,910) · 1", "EXH (1,910) · 2", "ABA (1,528) · 1"]
    verdicts = {"under": "too low", "over": "too high", "": ")"}
    assert all(
        text.endswith(verdicts[miss])
        for text, miss in zip(said(ax, "figures"), frame["miss"], strict=True)
    )
    assert "1: LogLinear(model='main'" in subtitle(ax)
    assert "1: independence" in subtitle(found.plot(labels=["independence", "coverage"]))


def test_a_list_that_cannot_be_validated_is_not_applicable() -> None:
    ax = mse.validate(mse.load_dataset("artificial_3"), [MAIN], min_observed=10_000).plot()
    assert said(ax, "status") == ["not applicable"] * 3


def test_residuals_are_bars_from_the_worst_on() -> None:
    fit = mse.LogLinear("[12,16,25,34,36,45,46]").fit(mse.load_dataset("netherlands"))
    found = mse.diagnostics.residuals(fit)
    frame = found.to_frame().dropna(subset="deviance")
    ax = found.plot(most=5)
    worst = frame.loc[frame["deviance"].abs().sort_values(ascending=False).index[:5]]
    assert [bar.get_width() for bar in marked(ax, "bar")] == worst["deviance"].tolist()
    assert rows(ax) == worst["history"].tolist()
    assert f"5 of {len(frame)} histories" in subtitle(ax)
    assert f"{63 - len(frame)} histories, in which the model expects nobody" in subtitle(ax)


def test_influence_without_bound_is_an_arrow_and_without_estimate_a_word() -> None:
    table = mse.CaptureTable.from_counts({"10": 9, "01": 8, "11": 1}, lists=["a", "b"])
    found = mse.diagnostics.influence(mse.LincolnPetersen().fit(table))
    ax = found.plot()
    change = found.to_frame()["change"]
    assert sum(map(math.isinf, change)) == len(marked(ax, "unbounded")) == 1
    finite = [bar.get_width() for bar in marked(ax, "bar")][1:]
    assert finite == sorted(change[np.isfinite(change)], key=abs, reverse=True)
    assert said(ax, "figures")[0] == "no upper bound (1 observed)"
    lost = mse.LogLinear("[12,3]").fit(mse.load_dataset("artificial_3"))
    assert set(said(mse.diagnostics.influence(lost).plot(), "status")) == {"not estimable"}


def test_predicted_histories_have_their_intervals_and_observed_counts() -> None:
    table = mse.load_dataset("korea")
    cells = np.arange(1, table.n_cells)
    replicated = np.random.default_rng(1).poisson(
        table.counts.ravel()[cells] + 2, (400, cells.size)
    )
    found = PredictiveCheck(table, cells, replicated, replicated.mean(axis=0), 0.031)
    frame = found.to_frame().sort_values("p_value", kind="stable").head(4)
    ax = found.plot(most=4)
    assert spans(ax) == list(zip(frame["low"], frame["high"], strict=True))
    assert xs(ax, "observed") == frame["observed"].tolist()
    assert "p = 0.03" in subtitle(ax)


def test_scenarios_in_one_panel_of_a_pair() -> None:
    found = mse.sensitivity.odds_ratio(mse.load_dataset("korea"), pair=("b", "d"))
    assert len(plots.odds_ratio(found, scale="log").child_axes) == 1
    assert plots.odds_ratio(found, scale="log").child_axes[0].get_yscale() == "log"
