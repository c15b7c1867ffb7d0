"""What holds for every picture: signature, style, state, words, labels that do not meet."""

from __future__ import annotations

import inspect
import logging
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import mse
from mse import plots
from mse.bayes.checks import PredictiveCheck, under_priors
from tests.unit.plots.artists import collisions, title

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.plot

DRAWINGS = sorted(set(plots.__all__) - {"ENGLISH"})
MAIN = mse.LogLinear("main")
LONG = (
    "police",
    "border_police",
    "labor inspectorate",
    "regional coordinators",
    "residential care",
    "youth care organizations",
    "immigration service",
    "hospitals and general practitioners",
    "helpline",
    "others_not_elsewhere_classified",
)


#: Other words for everything.
STRANGE = {
    key: "§" + " ".join(re.findall(r"\{\w+\}", text)) for key, text in plots.ENGLISH.items()
} | {"thousands": "'", "decimal": ";"}


def ten_lists() -> mse.CaptureTable:
    rng = np.random.default_rng(3)
    effects = {
        name: float(value) for name, value in zip(LONG, rng.uniform(-4, -2, 10), strict=True)
    }
    effects |= {"police:regional coordinators": 1.5, "helpline:residential care": -0.7}
    return mse.simulate.tables(effects, N=20_000, seed=4)[0]


def reached() -> Any:
    group = pd.DataFrame({"person": range(40), "start": "2020-01-01", "sex": ["f", "m"] * 20})
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(0, 400, 10), "D")
    register = pd.DataFrame(
        {"person": range(40), "date": when, "stage": ["reported", "heard"] * 20}
    )
    return mse.reach(group, register, by=["sex"], stages=["reported", "heard"])


@pytest.fixture(scope="module")
def world() -> SimpleNamespace:
    """Give something to draw for each picture: of few lists, and of ten with long names."""
    kosovo, korea, ten = mse.load_dataset("kosovo"), mse.load_dataset("korea"), ten_lists()
    table = mse.simulate.netherlands(years=range(2013, 2017)).draw(seed=1).table()
    table = table.collapse("form", "nationality")
    monitor = mse.monitor(
        table, groups=["sex", "age"], replicates=25, seed=1, scope={2016: "newer scope"}
    )
    search = mse.LogLinearSearch().fit(kosovo)
    cells = np.arange(1, korea.n_cells)
    replicated = np.random.default_rng(1).poisson(korea.counts.ravel()[cells], (200, cells.size))
    check = PredictiveCheck(korea, cells, replicated, replicated.mean(axis=0), 0.4)
    pairs = {pair: 0.02 * i for i, pair in enumerate(combinations(LONG, 2))}
    boot = mse.bootstrap(MAIN, kosovo, 100, seed=1)
    sensitivity, diagnostics = mse.sensitivity, mse.diagnostics
    few: dict[str, Any] = {
        "changes": monitor,
        "coverage": monitor,
        "counts": mse.SingleRegister("geometric").fit(mse.load_dataset("irregular_migrants")),
        "density": boot,
        "dependence_graph": search,
        "drivers": mse.drivers(monitor, table, 2013, 2015, by="sex"),
        "estimate": search,
        "forest": mse.compare(korea, [MAIN, mse.LogLinear("[12,23]"), mse.SampleCoverage()]),
        "highest_order": sensitivity.highest_order(search),
        "influence": diagnostics.influence(MAIN.fit(korea)),
        "leave_one_out": sensitivity.leave_one_out(MAIN, korea),
        "merged_lists": sensitivity.merge(MAIN, korea),
        "model_uncertainty": search,
        "odds_ratio": sensitivity.odds_ratio(korea),
        "bounds": mse.bounds(korea, model="main"),
        "contrast": mse.contrast(monitor, "[year=2014] / [year=2013] < 1"),
        "plan": mse.plan({"a": 0.2, "b": 0.1, "c": 0.1}, 400, missed=0.1, tables=40, seed=1),
        "tipping_points": mse.tipping_points(korea, 200, model="main"),
        "overlap_heatmap": korea,
        "predictive_check": check,
        "prior_sensitivity": under_priors(korea, {"as asked for": MAIN, "another one": MAIN}),
        "profile_likelihood": search,
        "ranks": replace(monitor, place="age", across_scopes=True).places,
        "ratios": mse.load_dataset("irregular_migrants"),
        "reach": reached(),
        "residuals": diagnostics.residuals(search),
        "strata": monitor.population,
        "trend": monitor,
        "upset": korea,
        "validation": mse.validate(kosovo, [MAIN, mse.SampleCoverage()]),
    }
    many: dict[str, Any] = {
        "dependence_graph": pairs,
        "estimate": MAIN.fit(ten),
        "leave_one_out": sensitivity.leave_one_out(MAIN, ten),
        "merged_lists": sensitivity.merge(MAIN, ten, list(combinations(LONG, 2))[::4]),
        "odds_ratio": sensitivity.odds_ratio(ten, [0.5, 1, 2], pair=("police", LONG[-1])),
        "overlap_heatmap": ten,
        "residuals": diagnostics.residuals(MAIN.fit(ten)),
        "upset": ten,
        "validation": mse.validate(ten, [MAIN]),
    }
    return SimpleNamespace(few=few, many=many)


def drawing(name: str) -> Callable[..., Axes]:
    return getattr(plots, name)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", DRAWINGS)
def test_signature_is_what_is_drawn_then_keywords(name: str) -> None:
    first, *others = inspect.signature(drawing(name)).parameters.values()
    assert first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {each.kind for each in others} == {inspect.Parameter.KEYWORD_ONLY}
    assert all(each.default is not inspect.Parameter.empty for each in others)
    assert {"ax", "words"} <= {each.name for each in others}


@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_on_the_axes_given_and_leaves_nothing_behind(
    name: str, world: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    figure = Figure(figsize=(9, 6), layout="constrained")
    ax = figure.add_subplot()
    before = dict(mpl.rcParams)
    with caplog.at_level(logging.WARNING):
        assert drawing(name)(world.few[name], ax=ax, words=STRANGE) is ax
        figure.draw_without_rendering()
    # Every word of it is one of the words given.
    assert title(ax).startswith("§")
    assert {axis.label.get_text()[:1] for axis in (ax.xaxis, ax.yaxis)} <= {"", "§"}
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []
    assert figure.axes == [ax]
    assert caplog.records == []


@pytest.mark.parametrize("name", DRAWINGS)
def test_labels_in_a_figure_of_its_own_do_not_meet(name: str, world: SimpleNamespace) -> None:
    ax = drawing(name)(world.few[name])
    assert plt.get_fignums() != []
    assert collisions(ax) == []


@pytest.mark.parametrize(
    "name",
    [
        "dependence_graph",
        "estimate",
        "leave_one_out",
        "merged_lists",
        "odds_ratio",
        "overlap_heatmap",
        "residuals",
        "upset",
        "validation",
    ],
)
def test_labels_of_ten_lists_with_long_names_do_not_meet(name: str, world: SimpleNamespace) -> None:
    ax = drawing(name)(world.many[name])
    assert collisions(ax) == []


def test_the_title_says_that_data_are_synthetic(world: SimpleNamespace) -> None:
    for name in ("trend", "changes", "coverage", "strata", "drivers"):
        assert title(drawing(name)(world.few[name])).startswith("SYNTHETIC DATA: ")
    for name in ("upset", "overlap_heatmap", "leave_one_out", "validation", "estimate"):
        assert title(drawing(name)(world.many[name])).startswith("SYNTHETIC DATA: ")
        assert "SYNTHETIC" not in title(drawing(name)(world.few[name]))
        plt.close("all")


def test_results_have_their_picture_as_plot(world: SimpleNamespace) -> None:
    others = {"dependence_graph", "overlap_heatmap", "strata", "changes", "coverage"}
    for name, thing in world.few.items():
        if name not in others:
            assert isinstance(thing.plot(), Axes)
            plt.close("all")
    assert mse.LincolnPetersen().fit(mse.load_dataset("korea").drop_lists(["d"])).plot()
    assert mse.diagnostics.overlaps(mse.load_dataset("korea")).plot()
    assert not hasattr(mse.diagnostics.goodness_of_fit(world.few["estimate"], replicates=0), "plot")


def test_every_word_is_in_some_picture() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in Path(plots.__file__).parent.glob("*.py")
    )
    composed = ("status_", "title_", "miss_", "given_", "line_since_", "plan_")
    unused = [
        key
        for key in plots.ENGLISH
        if not re.search(rf"""["']{key}["']""", source)
        and not key.startswith(composed)
        # The phrase for one of something, beside that for several.
        and f'counted("{key.removesuffix("_one")}"' not in source
        # Kinds of intervals come from the estimates.
        if key not in ("profile", "percentile", "basic", "bca", "averaged", "credible")
    ]
    assert unused == []


def test_texts_that_meet_are_found() -> None:
    figure = Figure(figsize=(4, 3))
    ax = figure.add_subplot()
    ax.set_axis_off()
    ax.text(0.1, 0.5, "one text")
    ax.text(0.15, 0.5, "another")
    ax.text(0.1, 3.0, "far away")
    assert collisions(ax) == [("far away", "the edge"), ("one text", "another")]
