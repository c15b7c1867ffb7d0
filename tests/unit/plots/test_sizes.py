"""Estimates with their hidden part, methods side by side, strata."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import mse
from mse import plots
from mse.answer.intervals import StoredIntervals
from mse.answer.population import PopulationEstimate, Strata
from mse.errors import ModelError
from tests.unit.plots.artists import collisions, marked, rows, said, spans, subtitle, title, xs

pytestmark = pytest.mark.plot
INF, NAN = math.inf, math.nan


def estimated(
    total: float, low: float, high: float, observed: int = 100, **more: object
) -> PopulationEstimate:
    limit = "finite" if math.isfinite(total) else "infinite"
    status = "ok" if math.isfinite(total) else "not_estimable"
    ends = StoredIntervals("bca", "given the model", {0.95: (low, high)})
    facts = {"reason": "", "method": "some method", "uncertainty": ends} | more
    return PopulationEstimate(observed, total - observed, status, limit, **facts)  # type: ignore[arg-type]


def test_an_estimate_is_drawn_with_its_interval_and_its_hidden_part_from_the_observed_on() -> None:
    fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    found = fit.population
    ax = plots.estimate(fit)
    low, high = found.interval()
    near = found.model_range
    assert near is not None
    assert spans(ax) == [(low, high), (near.low, near.high)]
    assert (
        xs(ax, "point") == [found.total] * 3
    )  # in the bar, both ends of a stroke; in its interval
    (registered,) = marked(ax, "observed")
    assert registered.get_width() == found.observed
    sure, unsure = marked(ax, "hidden")
    assert (sure.get_x(), sure.get_x() + sure.get_width()) == (found.observed, low)
    assert unsure.get_x() == low
    assert unsure.get_x() + unsure.get_width() == pytest.approx(high)
    assert sure.get_hatch() != unsure.get_hatch()
    assert said(ax, "figures")[1:3] == ["4,594 to 7,710 (5,957)", "8,994 to 12,110 (10,357)"]
    assert "given the model" in subtitle(ax)


def test_an_interval_without_bound_ends_in_an_arrow() -> None:
    ax = plots.estimate(estimated(400.0, 200.0, INF))
    end = ax.get_xlim()[1]
    assert spans(ax) == [(200.0, end)]
    assert xs(ax, "unbounded") == [end]
    assert said(ax, "figures")[2] == "at least 200 (400)"
    far = plots.estimate(estimated(400.0, 200.0, 1e9))
    assert far.get_xlim()[1] == 1200.0
    assert xs(far, "unbounded") == [1200.0]
    assert said(far, "figures")[2] == "200 to 1,000,000,000 (400)"


def test_what_is_not_estimable_is_a_word_and_no_mark() -> None:
    ax = plots.estimate(estimated(NAN, NAN, NAN, reason="Nobody was on two lists."))
    assert said(ax, "status") == ["not estimable", "not estimable"]
    assert marked(ax, "hidden") == marked(ax, "interval") == marked(ax, "point") == []
    assert title(ax).endswith("(not estimable)")
    assert "Nobody was on two lists." in subtitle(ax)


def test_a_point_without_interval_is_hollow_and_says_so() -> None:
    ax = plots.estimate(estimated(400.0, NAN, NAN, uncertainty=None))
    (point,) = marked(ax, "point")
    assert point.get_markerfacecolor() == "none"
    assert marked(ax, "hidden") == []
    assert said(ax, "figures")[1:] == ["no interval (300)", "no interval (400)"]


def test_a_forest_has_the_intervals_of_the_comparison() -> None:
    table = mse.load_dataset("artificial_3")
    models = ["main", "[12,3]", "[12,23]", "[13,23]"]
    found = mse.compare(table, [mse.LogLinear(model) for model in models])
    frame = found.to_frame()
    ax = found.plot()
    known = frame.dropna(subset="total")
    assert spans(ax) == list(zip(known["low"], known["high"], strict=True))
    assert xs(ax, "point") == known["total"].tolist()
    assert len(said(ax, "status")) == int(frame["total"].isna().sum()) == 2
    assert xs(ax, "observed") == [table.n_observed] * 2
    assert said(ax, "figures")[-1].endswith("\N{DEGREE SIGN}")
    assert "\N{DEGREE SIGN} on the boundary of the model" in subtitle(ax)


def test_a_forest_takes_names_and_a_scale() -> None:
    two = {"one": estimated(400.0, 200.0, 900.0), "two": estimated(500.0, 150.0, INF, 120)}
    ax = plots.forest(two, scale="log")
    assert rows(ax) == ["one", "two"]
    assert ax.get_xscale() == "log"
    assert marked(ax, "observed") == []  # not the same for both
    assert rows(plots.forest(two, labels=["a", "b"])) == ["a", "b"]
    wide = {"one": estimated(400.0, 200.0, 900.0), "two": estimated(5e4, 4e4, 6e4)}
    assert plots.forest(wide).get_xscale() == "log"
    assert plots.forest(wide, scale="linear").get_xscale() == "linear"


def test_a_forest_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(ModelError, match="1 names for 2 estimates"):
        plots.forest({"a": estimated(4e2, 2e2, 9e2), "b": estimated(4e2, 2e2, 9e2)}, labels=["a"])
    with pytest.raises(ModelError, match="nothing to draw"):
        plots.forest({})
    with pytest.raises(ModelError, match="no estimate to draw"):
        plots.forest({"a": 400.0})  # type: ignore[dict-item]
    with pytest.raises(ModelError, match="scale='cubic'"):
        plots.forest({"a": estimated(4e2, 2e2, 9e2)}, scale="cubic")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="level of an interval"):
        plots.forest({"a": estimated(4e2, 2e2, 9e2)}, level=95)


def by_year(n_years: int) -> PopulationEstimate:
    rng = np.random.default_rng(1)
    levels = {"year": tuple(range(1990, 1990 + n_years)), "form": ("labor", "sexual, domestic")}
    size = 2 * n_years
    hidden = rng.uniform(10, 5000, size)
    hidden[3] = NAN
    status = ["not_estimable" if math.isnan(each) else "ok" for each in hidden]
    limit = ["infinite" if math.isnan(each) else "finite" for each in hidden]
    parts = Strata(
        levels, np.arange(size) + 5, hidden, tuple(status), tuple(limit), np.diag(hidden**1.5)
    )
    return estimated(NAN, NAN, NAN, strata=parts, reason="One stratum is not.")


def test_strata_have_the_intervals_of_the_margin() -> None:
    found = by_year(30)
    frame = found.margin("year", "form")
    ax = plots.strata(found)
    known = frame.dropna(subset="total")
    assert spans(ax) == list(zip(known["low"], known["high"], strict=True))
    assert xs(ax, "observed") == frame["observed"].tolist()
    assert said(ax, "status") == ["not estimable"]
    assert rows(ax)[:3] == ["1990 · labor", "1990 · sexual, domestic", "1991 · labor"]
    assert len(rows(ax)) == 60
    assert collisions(ax) == []


def test_strata_by_one_covariate() -> None:
    ax = plots.strata(by_year(3), by="form")
    assert rows(ax) == ["labor", "sexual, domestic"]
    assert "year" not in title(ax)
    assert len(spans(ax)) == 1
    with pytest.raises(ModelError, match="no strata"):
        plots.strata(estimated(400.0, 200.0, 900.0))


def test_the_boundary_is_said_once_where_it_is_true_of_all() -> None:
    one, two = (replace(estimated(each, 2e2, 9e2), status="boundary") for each in (4e2, 5e2))
    ax = plots.forest({"one": one, "two": two})
    assert "all on the boundary of their model" in subtitle(ax)
    assert not any("\N{DEGREE SIGN}" in text for text in said(ax, "figures"))
