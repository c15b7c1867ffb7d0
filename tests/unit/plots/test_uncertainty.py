"""Models against their totals, profile likelihoods, draws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import mse
from mse import plots
from mse.answer.population import PopulationEstimate
from mse.bayes.base import BayesianFit
from mse.comparing import Bootstrapped
from mse.core.profile import FunctionCurve
from mse.errors import ModelError
from mse.loglinear import LogLinearFit
from mse.resampling import BootstrapInterval
from tests.unit.plots.artists import marked, said, spans, subtitle, title, xs

pytestmark = pytest.mark.plot
INF, NAN = math.inf, math.nan


# Models ------------------------------------------------------------------------------------------


def test_points_are_the_models_and_lines_their_own_intervals() -> None:
    fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    models = fit.models.assign(difference=fit.models["bic"] - fit.models["bic"].min())
    near = models[models["difference"] <= 20]
    ax = plots.model_uncertainty(fit)
    (points,) = marked(ax, "models")
    offsets = points.get_offsets()
    assert offsets[:, 0].tolist() == near["total"].tolist()
    assert offsets[:, 1].tolist() == pytest.approx(near["difference"].tolist())
    weights = np.exp(-near["difference"] / 2)
    assert np.argmax(points.get_sizes()) == 0
    heavy = near["model"][weights / weights.sum() >= 0.01]
    refits = [mse.LogLinear(model).fit(fit.table).population.interval() for model in heavy]
    assert spans(ax) == refits
    assert [text.split()[0] for text in said(ax, "name")] == heavy.tolist()


def test_the_range_of_near_models_is_shaded_and_said() -> None:
    fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    found = fit.model_range
    assert found is not None
    ax = plots.model_uncertainty(fit)
    lines = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "range"]
    assert lines == [found.low, found.high]
    assert "totals of the 6 models within 10 of the best BIC, 9,824 to 19,233" in subtitle(ax)


def test_models_that_are_not_estimable_are_crosses_beside_the_axis_and_counted() -> None:
    table = mse.load_dataset("artificial_3")
    ax = mse.LogLinearSearch().fit(table).plot(within=50)
    (crosses,) = marked(ax, "not_estimable")
    n_missing = len(crosses.get_ydata())
    assert n_missing >= 1
    assert f"{n_missing} models that are not estimable" in subtitle(ax)
    (points,) = marked(ax, "models")
    assert np.isfinite(points.get_offsets()).all()


def test_near_models_are_drawn_without_intervals_that_nobody_knows() -> None:
    fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    near = mse.sensitivity.model_range(fit, within=5)
    ax = near.plot()
    (points,) = marked(ax, "models")
    assert len(points.get_offsets()) == near.n_models == 3
    assert spans(ax) == []
    with pytest.raises(ModelError, match="knows one model only"):
        plots.model_uncertainty(mse.LogLinear("main").fit(fit.table))


def test_long_names_of_models_are_their_place_among_the_models() -> None:
    table = mse.load_dataset("kosovo")
    names = [f"a list with a long name {name}" for name in table.lists]
    crossed = mse.CaptureTable.from_array(
        np.stack([table.counts, table.counts], axis=-1), names, {"sex": ["f", "m"]}
    )
    ax = mse.LogLinearSearch(strategy="stepwise").fit(crossed).plot()
    assert said(ax, "name")[0].startswith("model 1 ")


# Likelihood --------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_the_interval_is_where_the_curve_falls_through_the_cut(level: float) -> None:
    fit = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea"))
    ax = plots.profile_likelihood(fit, level=level)
    low, high = fit.population.interval(level)
    assert spans(ax) == [(low, high)]
    (curve,) = marked(ax, "curve")
    x, y = curve.get_xdata(), curve.get_ydata()
    (line,) = marked(ax, "interval")
    cut = line.get_ydata()[0]
    assert np.interp([low, high], x, y) == pytest.approx(cut, abs=1e-6)
    assert y.max() <= 1e-9
    assert x[0] < low < high < x[-1]


def test_a_likelihood_that_does_not_fall_has_an_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    def value(x: float) -> float:
        return -((x - 3) ** 2) / 2 if x < 3 else math.exp(3 - x) / 2 - 0.5

    curve = FunctionCurve(value, observed=100.0, hidden=math.exp(3), spread=1.0)
    monkeypatch.setattr(LogLinearFit, "profile_curve", lambda _: curve)
    ax = plots.profile_likelihood(mse.LogLinear("main").fit(mse.load_dataset("korea")))
    end = ax.get_xlim()[1]
    assert spans(ax) == [(pytest.approx(100 + math.exp(3 - 1.96), abs=1e-2), end)]
    assert xs(ax, "unbounded") == [end]
    assert "at least" in subtitle(ax)


def test_a_search_is_drawn_as_its_best_model_and_margins_as_any() -> None:
    fit = mse.LogLinearSearch().fit(mse.load_dataset("korea"))
    assert spans(plots.profile_likelihood(fit)) == [fit.best.population.interval()]
    margins = mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
    found = mse.LogLinear("main").fit(margins)
    assert spans(found.plot())[0] == pytest.approx(found.population.interval())
    with pytest.raises(ModelError, match="no profile likelihood"):
        plots.profile_likelihood(mse.SampleCoverage().fit(fit.table))  # type: ignore[arg-type]


def test_a_likelihood_without_maximum_is_a_word() -> None:
    fit = mse.LogLinear("[12,3]").fit(mse.load_dataset("artificial_3"))
    ax = fit.plot()
    assert said(ax, "status") == ["not estimable"]
    assert marked(ax, "curve") == []
    assert title(ax).endswith("(not estimable)")
    assert fit.reason.split(".")[0] in subtitle(ax)


# Draws -------------------------------------------------------------------------------------------


def drawn(draws: np.ndarray, total: float = 200.0) -> PopulationEstimate:
    ends = BootstrapInterval("percentile", "", total, 100, draws)
    return PopulationEstimate(
        100, total - 100, "ok", "finite", "", "some method", ends, draws=draws
    )


def test_bars_are_shares_of_all_draws_and_the_interval_lies_below() -> None:
    values = np.random.default_rng(1).gamma(8, 20, 2000) + 100
    found = drawn(values)
    ax = plots.density(found)
    heights = [bar.get_height() for bar in marked(ax, "draws")]
    beyond = subtitle(ax)
    assert sum(heights) == pytest.approx(1 - 12 / 2000)
    assert "12 of 2,000 draws lie outside" in beyond
    assert spans(ax) == [found.interval()]
    assert xs(ax, "point") == [200.0]
    assert xs(ax, "observed") == [100.0] * 2
    assert marked(ax, "interval")[0].get_ydata()[0] < 0


def test_draws_without_bound_are_counted_and_leave_an_arrow() -> None:
    values = np.append(np.linspace(150, 300, 90), np.full(10, INF))
    ax = plots.density(drawn(values))
    assert "10 of 100 draws have no upper bound" in subtitle(ax)
    assert sum(bar.get_height() for bar in marked(ax, "draws")) == pytest.approx(0.88, abs=0.02)
    assert xs(ax, "unbounded") == [ax.get_xlim()[1]]
    nothing = plots.density(drawn(np.full(10, INF)))
    assert marked(nothing, "draws") == []


def test_long_tails_are_drawn_on_a_logarithmic_axis() -> None:
    values = 100 + np.exp(np.random.default_rng(1).normal(6, 2, 3000))
    assert plots.density(drawn(values)).get_xscale() == "log"
    assert plots.density(drawn(values), scale="linear").get_xscale() == "linear"
    few = plots.density(drawn(np.full(50, 120.0)))
    assert [bar.get_width() for bar in marked(few, "draws")] == [1.0]


def test_an_estimate_without_draws_is_an_error_and_one_not_estimable_a_word() -> None:
    fit = mse.LogLinear("main").fit(mse.load_dataset("korea"))
    with pytest.raises(ModelError, match="has no draws"):
        plots.density(fit)
    missing = replace(
        drawn(np.ones(5)), hidden=NAN, status="not_converged", limit="indeterminate", reason="Why."
    )
    ax = plots.density(missing)
    assert said(ax, "status") == ["the computation failed"]
    assert "Why." in subtitle(ax)


def test_fits_with_draws_are_drawn_as_such() -> None:
    class Fit(BayesianFit):
        population = drawn(np.linspace(120, 300, 200))  # type: ignore[assignment]

        chains = None  # type: ignore[assignment]
        _predict = _other_priors = None  # type: ignore[assignment]

    found = Fit()
    assert spans(found.plot()) == [found.population.interval()]
    search = Bootstrapped(mse.LogLinear("main"), replicates=40).fit(mse.load_dataset("korea"))
    assert spans(search.plot()) == [search.population.interval()]
