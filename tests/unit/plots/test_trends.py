"""Figures of a monitor by period, shares by group, changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import mse
from mse import plots
from mse.errors import ModelError
from tests.unit.plots.artists import marked, rows, said, spans, subtitle, title, xs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mse.monitoring import Monitor

pytestmark = pytest.mark.plot
YEARS = (2013, 2014, 2015, 2016)
#: On the first list only, on the second only, on both: in one year next to nobody, in one nobody.
SEEN = ((60, 40, 20), (90, 70, 2), (80, 50, 0), (85, 60, 30))


@pytest.fixture(scope="module")
def uneven() -> Monitor:
    counts = np.zeros((2, 2, len(YEARS)), dtype=np.int64)
    for at, (first, second, both) in enumerate(SEEN):
        counts[1, 0, at], counts[0, 1, at], counts[1, 1, at] = first, second, both
    table = mse.CaptureTable.from_array(counts, ["a", "b"], {"year": YEARS})
    model = mse.LogLinear("a*year + b*year")
    return mse.monitor(table, estimator=model, replicates=200, seed=1)


@pytest.fixture(scope="module")
def grouped() -> Monitor:
    table = mse.simulate.netherlands(years=range(2013, 2017)).draw(seed=1).table()
    table = table.collapse("form", "nationality", "age")
    model = mse.LogLinear("all two-way")
    rates = dict.fromkeys(range(2013, 2017), 17_000_000)
    scope = {2016: "newer scope"}
    return mse.monitor(
        table, groups=["sex"], estimator=model, replicates=50, seed=1, rates=rates, scope=scope
    )


def uprights(ax: Axes) -> list[tuple[float, float, float]]:
    """Place and ends of the intervals of a trend."""
    return [(line.get_xdata()[0], *map(float, line.get_ydata())) for line in marked(ax, "interval")]


def test_intervals_are_those_of_the_frame_as_far_as_the_axis_goes(uneven: Monitor) -> None:
    frame, ax = uneven.periods, plots.trend(uneven)
    end = ax.get_ylim()[1]
    known = frame[frame["total"].notna()]
    assert uprights(ax) == [
        (place, row["low"], min(row["high"], end)) for place, row in known.iterrows()
    ]
    assert [line.get_ydata().tolist() for line in marked(ax, "observed")] == [
        frame["observed"].tolist()
    ]
    assert np.isinf(frame["high"][1])
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in marked(ax, "unbounded")] == [
        (1, end)
    ]


def test_a_period_without_estimate_is_a_word_and_breaks_the_line(uneven: Monitor) -> None:
    ax = plots.trend(uneven)
    assert said(ax, "status") == ["not estimable"]
    assert marked(ax, "status")[0].get_position()[0] == 2
    assert [line.get_xdata().tolist() for line in marked(ax, "line")] == [[0, 1], [3]]
    assert len(marked(ax, "band")) == 2


def test_the_line_breaks_where_the_scope_changes(grouped: Monitor) -> None:
    ax = grouped.plot()
    assert [line.get_xdata().tolist() for line in marked(ax, "line")] == [[0, 1, 2], [3]]
    assert xs(ax, "break") == [2.5, 2.5]
    assert "between 2015 and 2016 the scope changes: newer scope" in subtitle(ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2013", "2014", "2015", "2016"]


@pytest.mark.parametrize("quantity", ["total", "hidden", "coverage"])
def test_each_level_of_a_group_has_a_panel_of_one_scale(grouped: Monitor, quantity: str) -> None:
    ax = plots.trend(grouped, quantity=quantity, group="sex")  # type: ignore[arg-type]
    frame = grouped.by_period["sex"]
    low, high = ("low", "high") if quantity == "total" else (f"{quantity}_low", f"{quantity}_high")
    assert [panel.get_title(loc="left") for panel in ax.child_axes] == ["female", "male"]
    for panel, level in zip(ax.child_axes, ("female", "male"), strict=True):
        own = frame[frame["sex"] == level]
        end = panel.get_ylim()[1]
        assert [span[1:] for span in uprights(panel)] == list(
            zip(own[low], own[high].clip(upper=end), strict=True)
        )
        assert bool(marked(panel, "observed")) == (quantity == "total")
    assert len({panel.get_ylim() for panel in ax.child_axes}) == 1


def test_rates_are_drawn_where_there_are_inhabitants(grouped: Monitor) -> None:
    frame, ax = grouped.periods, plots.trend(grouped, quantity="rate")
    end = ax.get_ylim()[1]
    assert [span[1:] for span in uprights(ax)] == list(
        zip(frame["rate_low"], frame["rate_high"].clip(upper=end), strict=True)
    )
    assert ax.get_ylabel() == "estimated per 100,000 inhabitants"
    # Inhabitants were given for everybody, not for men and women.
    panel, _ = plots.trend(grouped, quantity="rate", group="sex").child_axes
    assert said(panel, "status") == ["not known"] * 4


def test_shares_by_group_are_of_one_period_where_scopes_differ(grouped: Monitor) -> None:
    ax = plots.coverage(grouped)
    frame = grouped.by_period["sex"]
    last = frame[frame["year"] == 2016]
    assert spans(ax) == list(zip(last["coverage_low"], last["coverage_high"], strict=True))
    assert rows(ax) == ["sex: female", "sex: male"]
    assert "year 2016" in subtitle(ax)
    first = plots.coverage(grouped, group="sex", period=2013)
    assert spans(first)[0] == tuple(
        frame.loc[frame["year"] == 2013, ["coverage_low", "coverage_high"]].iloc[0]
    )


def test_shares_without_groups_are_by_period(uneven: Monitor) -> None:
    ax = plots.coverage(uneven)
    assert rows(ax) == ["2013", "2014", "2015", "2016"]
    assert said(ax, "status") == ["not estimable"]
    assert len(spans(ax)) == 3


def test_changes_are_ratios_with_the_probability_of_a_rise(grouped: Monitor) -> None:
    ax = plots.changes(grouped, group="sex")
    frame = grouped.changes("sex")
    known = frame.dropna(subset="ratio")
    assert spans(ax) == list(zip(known["ratio_low"], known["ratio_high"], strict=True))
    assert said(ax, "status") == ["scopes not comparable"] * int(frame["ratio"].isna().sum())
    assert rows(ax)[0] == "female: 2013 to 2014"
    figures = [text for text in said(ax, "figures") if text]
    assert [
        text.endswith(f"rise {rise:.0%}") for text, rise in zip(figures, known["rise"], strict=True)
    ]
    assert title(ax).startswith("SYNTHETIC DATA")


def test_what_the_monitor_does_not_have_is_an_error(uneven: Monitor, grouped: Monitor) -> None:
    with pytest.raises(ModelError, match="no group 'sex'; it has none"):
        plots.trend(uneven, group="sex")
    with pytest.raises(ModelError, match="has no rates"):
        plots.trend(uneven, quantity="rate")
    with pytest.raises(ModelError, match="quantity='sum'"):
        plots.trend(uneven, quantity="sum")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no year 1999"):
        plots.coverage(grouped, period=1999)


def test_one_period_has_no_change() -> None:
    table = mse.CaptureTable.from_array([[[0], [9]], [[8], [4]]], ["a", "b"], {"year": [2015]})
    model = mse.LogLinear("a*year + b*year")
    monitor = mse.monitor(table, estimator=model, replicates=20, seed=1)
    with pytest.raises(ModelError, match="one period only"):
        plots.changes(monitor)
    assert len(uprights(plots.trend(monitor))) == 1
