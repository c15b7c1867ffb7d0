"""Graph of dependences between lists."""

from __future__ import annotations

import math

import pandas as pd
import pytest

import mse
from mse import plots
from mse.errors import ModelError
from tests.unit.plots.artists import marked, said, subtitle

pytestmark = pytest.mark.plot


def test_lines_are_the_pairs_of_the_model_and_areas_its_larger_terms() -> None:
    fit = mse.LogLinear("[123,14]").fit(mse.load_dataset("kosovo"))
    ax = plots.dependence_graph(fit)
    assert len(marked(ax, "pair")) == 4
    (area,) = marked(ax, "area")
    places = [(line.get_xdata()[0], line.get_ydata()[0]) for line in marked(ax, "list")]
    assert [tuple(corner) for corner in area.get_xy()[:-1]] == [
        pytest.approx(p) for p in places[:3]
    ]
    assert said(ax, "name")[0] == "EXH\n1,910"
    terms = ["EXH:ABA", "EXH:OSCE", "ABA:OSCE", "EXH:HRW", "EXH:ABA:OSCE"]
    labels = {f"\N{MULTIPLICATION SIGN}{math.exp(fit.coefficients[term]):.2f}" for term in terms}
    assert set(said(ax, "strength")) == labels


def test_lines_are_dashed_below_one_and_dotted_where_nobody_is_on_both() -> None:
    fit = mse.LogLinear("[12,16,25,34,36,45,46]").fit(mse.load_dataset("netherlands"))
    ax = plots.dependence_graph(fit)
    values = fit.coefficients[[":" in name for name in fit.coefficients.index]]
    styles = [line.get_linestyle() for line in marked(ax, "pair")]
    assert styles.count(":") == int((values == -math.inf).sum()) == 2
    assert styles.count("-") == int((values > 0).sum())
    assert styles.count("--") == int(((values < 0) & (values > -math.inf)).sum())
    assert said(ax, "strength").count("\N{MULTIPLICATION SIGN}0") == 2
    widths = {round(line.get_linewidth(), 6) for line in marked(ax, "pair")}
    assert len(widths) > 3


@pytest.mark.parametrize("named", [{("a", "b"): 0.9, ("b", "c"): 0.3}, {"a:b": 0.9, "b:c": 0.3}])
def test_shares_of_a_mapping_are_widths(named: dict[object, float]) -> None:
    for source in (named, pd.Series(named)):
        ax = plots.dependence_graph(source, lists=["a", "b", "c", "d"])  # type: ignore[arg-type]
        weak, strong = marked(ax, "pair")
        assert weak.get_linewidth() < strong.get_linewidth()
        assert sorted(said(ax, "strength")) == ["30%", "90%"]
        assert said(ax, "name") == ["a", "b", "c", "d"]


def test_posterior_probabilities_of_graphs_are_shares() -> None:
    fit = mse.DecomposableGraphs().fit(mse.load_dataset("korea"))
    ax = plots.dependence_graph(fit)
    shares = fit.edges["probability"]
    assert sorted(said(ax, "strength")) == sorted(f"{p:.0%}" for p in shares[shares >= 0.05])
    assert said(ax, "name") == ["b\n77", "c\n71", "d\n59"]
    assert "average over decomposable graphs" in subtitle(ax)


def test_shares_next_to_nothing_are_left_out_and_many_labels_counted() -> None:
    ax = plots.dependence_graph({("a", "b"): 0.9, ("a", "c"): 0.01})
    assert len(marked(ax, "pair")) == 1
    names = list("abcdefghij")
    pairs = {(a, b): 0.5 for i, a in enumerate(names) for b in names[i + 1 :]}
    many = plots.dependence_graph(pairs)
    assert len(marked(many, "pair")) == 45
    assert len(said(many, "strength")) == 24
    assert "the 24 strongest of 45" in subtitle(many)


def test_coefficients_of_a_mapping_and_larger_sets() -> None:
    ax = plots.dependence_graph({"a:b": -1.0, "a:b:c": 0.5}, strength="coefficient")
    assert [line.get_linestyle() for line in marked(ax, "pair")] == ["--"]
    assert sorted(said(ax, "strength")) == [
        "\N{MULTIPLICATION SIGN}0.37",
        "\N{MULTIPLICATION SIGN}1.65",
    ]
    assert len(marked(ax, "area")) == 1


def test_a_model_has_lines_without_strength() -> None:
    model = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea")).structure
    ax = plots.dependence_graph(model)
    assert len(marked(ax, "pair")) == 2
    assert said(ax, "strength") == []


def test_interactions_with_covariates_are_left_out_and_said_to_be() -> None:
    table = mse.CaptureTable.from_array(
        [[[0, 0], [9, 5]], [[8, 7], [4, 3]]], ["a", "b"], {"sex": ["f", "m"]}
    )
    ax = plots.dependence_graph(mse.LogLinear("a*sex + b*sex").fit(table))
    assert marked(ax, "pair") == []
    assert "interactions with covariates are not drawn" in subtitle(ax)


def test_what_has_no_interactions_is_an_error() -> None:
    with pytest.raises(ModelError, match="no interactions to draw"):
        plots.dependence_graph(mse.SampleCoverage().fit(mse.load_dataset("korea")))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="the list 'z'"):
        plots.dependence_graph({("a", "z"): 0.5}, lists=["a", "b"])
    with pytest.raises(ModelError, match="two or more"):
        plots.dependence_graph({("a",): 0.5})
