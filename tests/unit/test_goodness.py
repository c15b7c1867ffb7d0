"""What an answer says about the fit of the model it names, and where nothing is left to compare."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

import mse
from mse.answer.goodness import (
    MISFIT,
    NOTHING_LEFT,
    TWO_LISTS,
    chi_squared_fit,
    fit_in_words,
    fit_warnings,
    short_p,
)
from mse.reporting.building import build_report
from mse.reporting.usual import usual_results
from mse.reporting.writing import as_form
from mse.words.catalogue import language_of
from mse.words.content import Table
from tests.chance import FAR, error_of_share
from tests.json_schemas import validator

NL = language_of("nl")
TWO = mse.CaptureTable.from_counts({"11": 45, "10": 747, "01": 308}, lists=["a", "b"])
POOR = "does not fit. Deviance 171.4 on 10 degrees of freedom, p < 0.001 (chi-squared)"


def flat(text: str) -> str:
    return " ".join(text.split())


# The test ----------------------------------------------------------------------------------------


def test_the_p_value_is_that_of_chi_squared() -> None:
    found = chi_squared_fit(18.5, 3, 4, np.full(7, 20.0))
    assert found is not None
    assert found.p_value == pytest.approx(stats.chi2.sf(18.5, 3))
    assert (found.df, found.df_residual, found.sparse) == (3, 4, False)


@pytest.mark.parametrize(
    ("means", "sparse"),
    [
        ([6, 6, 6, 6, 6], False),
        ([4, 6, 6, 6, 6], False),
        ([4, 4, 6, 6, 6], True),
        ([0.9, 60], True),
    ],
)
def test_sparse_as_of_cochran(means: list[float], sparse: bool) -> None:
    found = chi_squared_fit(1.0, 1, 1, np.asarray(means, dtype=np.float64))
    assert found is not None
    assert found.sparse is sparse


def test_nothing_to_test_and_nothing_computed() -> None:
    assert chi_squared_fit(math.nan, 3, 3, np.ones(3)) is None
    found = chi_squared_fit(-1e-13, 0, 0, np.full(3, 9.0))
    assert found is not None
    assert (found.deviance, found.df, math.isnan(found.p_value)) == (0.0, 0, True)
    assert found.record()["p_value"] is None
    assert fit_in_words(found.record()) == NOTHING_LEFT


@pytest.mark.parametrize(
    ("value", "least", "text"),
    [
        (0.02345, 0.0, "= 0.023"),
        (1e-9, 0.0, "< 0.001"),
        (0.001, 0.001, "<= 0.001"),
        (0.002, 0.001, "= 0.002"),
        (0.01, 0.01, "<= 0.010"),
        (0.0001, 0.0001, "<= 0.0001"),
        (0.0002, 0.0001, "< 0.001"),
        (math.nan, 0.001, "-"),
    ],
)
def test_a_p_value_at_its_floor_is_no_more_than_that(value: float, least: float, text: str) -> None:
    assert short_p(value, least) == text


def test_a_small_p_value_is_right_on_sparse_tables_too() -> None:
    # 500 tables of 150 persons on six independent lists: fewer rejections than the level says. A
    # sparse table with p < 0.05 is a misfit; that is why the warning needs no bootstrap.
    rng = np.random.default_rng(4)
    shares = np.asarray([0.2, 0.15, 0.2, 0.1, 0.15, 0.1])
    rejected = 0
    for _ in range(500):
        member = rng.random((150, 6)) < shares
        counts = np.zeros((2,) * 6, dtype=np.int64)
        np.add.at(counts, tuple(member.T.astype(int)), 1)
        counts[(0,) * 6] = 0
        table = mse.CaptureTable.from_array(counts, lists=list("abcdef"))
        record = mse.LogLinear("main").fit(table).population.provenance["fit"]
        assert record["sparse"]
        rejected += record["p_value"] < 0.05
    assert rejected <= 500 * (0.05 + FAR * error_of_share(0.05, 500))


# Lack of fit wherever a model is named -----------------------------------------------------------


@pytest.mark.parametrize("model", ["main", "[1,2,3,4]"])
def test_lack_of_fit_stands_in_text_and_json(model: str) -> None:
    table = mse.load_dataset("australia")
    p = mse.estimate(table, model=model)
    assert any(POOR in warning and MISFIT in warning for warning in p.warnings)
    assert POOR in flat(p.summary())
    data = json.loads(p.to_json())
    validator("population").validate(data)
    fit = data["provenance"]["fit"]
    assert fit["deviance"] == pytest.approx(171.364, abs=1e-3)
    assert (fit["df"], fit["test"], fit["selected"]) == (10, "chi-squared", False)
    assert fit["p_value"] < 1e-20
    # An estimate that was read again says the same.
    assert mse.PopulationEstimate.from_json(p.to_json()).summary() == p.summary()


def test_a_bootstrap_keeps_what_the_fit_says() -> None:
    table = mse.load_dataset("australia")
    p = mse.bootstrap(mse.LogLinear("main"), table, 50, seed=1)
    assert POOR in flat(p.summary())


def test_a_chosen_model_is_tested_as_such() -> None:
    p = mse.LogLinearSearch().fit(mse.load_dataset("diabetes")).population
    assert p.provenance["fit"]["selected"] is True
    assert "Deviance 22.0 on 7 degrees of freedom, p = 0.003 (chi-squared, too kind after" in flat(
        p.summary()
    )
    # Said once: the words of the model on its own are gone.
    assert sum("does not fit" in warning for warning in p.warnings) == 1


def test_a_good_fit_reassures_nobody() -> None:
    p = mse.LogLinearSearch().fit(mse.load_dataset("kosovo")).population
    assert not any("fit" in warning for warning in p.warnings)
    text = flat(p.summary())
    assert "p = 0.054 (chi-squared, too kind after selection)" in text
    assert "No test of fit sees those on no list." in text
    assert "no check of such a table can show" in text
    sparse = mse.LogLinearSearch().fit(mse.load_dataset("western_us")).population
    assert "a large p-value says next to nothing" in flat(sparse.summary())


def test_lack_of_fit_stands_in_comparisons() -> None:
    table = mse.load_dataset("australia")
    found = mse.compare(table, [mse.LogLinear("main"), mse.ClosedPopulation("M0")])
    assert POOR in flat(found.summary())
    assert found.summary().count("poor, p < 0.001") == 2
    assert found.to_dict()["estimates"][0]["population"]["provenance"]["fit"]["df"] == 10


def test_an_average_is_not_tested_as_one_of_its_models() -> None:
    average = mse.LogLinearSearch().fit(mse.load_dataset("diabetes")).average()
    assert "fit" not in average.provenance
    assert not any("does not fit" in warning for warning in average.warnings)


@pytest.mark.parametrize("name", ["kosovo", "snowshoe_hare", "hepatitis_a"])
def test_independent_lists_are_tested_alike_by_either_name(name: str) -> None:
    table = mse.load_dataset(name)
    one = mse.LogLinear("main").fit(table).population.provenance["fit"]
    other = mse.ClosedPopulation("Mt").fit(table).population.provenance["fit"]
    assert other["deviance"] == pytest.approx(one["deviance"])
    assert (other["df"], other["sparse"]) == (one["df"], one["sparse"])


def test_partly_known_tables_are_tested_too() -> None:
    kosovo = mse.load_dataset("kosovo").to_frame()
    kosovo["n"] = kosovo["n"].astype(object)
    kosovo.loc[kosovo["n"].idxmin(), "n"] = "<40"
    table = mse.CaptureTable.from_frame(kosovo, list(mse.load_dataset("kosovo").lists), [], "n")
    p = mse.LogLinear("main").fit(table).population
    assert p.provenance["fit"]["p_value"] < 1e-6
    assert any(MISFIT in warning for warning in p.warnings)


def test_one_number_of_degrees_of_freedom() -> None:
    table = mse.load_dataset("netherlands")
    search = mse.LogLinearSearch(max_order=2).fit(table)
    tested = mse.diagnostics.goodness_of_fit(search, replicates=0)
    assert (search.df_adjusted, search.df_residual) == (27, 49)
    assert search.population.provenance["fit"]["df"] == tested.df == 27
    assert search.models["df_adjusted"].iloc[0] == 27
    assert "on 27 df" in search.best.summary()
    assert "they would be 49 (df_residual)" in flat(tested.summary())
    report = build_report(search, figures=False)
    account = next(part for part in report.sections if part.id == "account")
    models = next(block for block in account.walk() if isinstance(block, Table))
    column = [each.heading for each in models.columns].index("Degrees of freedom")
    assert models.rows[0][column].text == "27"
    assert "on 27 degrees of freedom" in as_form(report, "md")


# Nothing left to compare -------------------------------------------------------------------------


def test_two_lists_have_no_range_of_models() -> None:
    p = mse.estimate(TWO, replicates=50, seed=1)
    assert p.model_range is None
    assert json.loads(p.to_json())["model_range"] is None
    assert "defensible" not in p.summary()
    assert {NOTHING_LEFT, TWO_LISTS} < set(p.warnings)
    assert p.method == "log-linear model"
    # Of one model nothing is selected in the replicates.
    assert p.alike.interval_given == "given the model"


def saturated_only() -> mse.CaptureTable:
    # Each pair of lists goes together: no model without all three pairs comes near.
    return mse.CaptureTable.from_counts(
        {"100": 400, "010": 310, "001": 220, "110": 290, "101": 300, "011": 200, "111": 900},
        lists=["a", "b", "c"],
    )


def test_a_model_with_no_rival_near_it_has_no_range() -> None:
    fit = mse.LogLinearSearch().fit(saturated_only())
    p = fit.population
    near = mse.sensitivity.model_range(fit)
    assert near.n_models == 1
    assert fit.model_range is p.model_range is near.range is None
    assert p.model == "[12,13,23]"
    assert NOTHING_LEFT in p.warnings
    assert any("no range of totals" in warning for warning in p.warnings)
    assert "there is no range" in flat(near.summary())
    assert " to try" not in flat(p.summary())


def test_a_range_takes_two_totals() -> None:
    rng = np.random.default_rng(7)
    seen = set()
    apart = mse.CaptureTable.from_counts({"100": 9, "010": 8, "001": 7}, lists=list("abc"))
    tables = [apart, saturated_only(), mse.load_dataset("korea")]
    for _ in range(60):
        counts = rng.poisson(rng.choice([0.3, 3.0, 30.0], size=(2, 2, 2)))
        counts[0, 0, 0] = 0
        if all(counts.take(1, axis=axis).any() for axis in range(3)):
            tables.append(mse.CaptureTable.from_array(counts, lists=list("abc")))
    for table in tables:
        found = mse.LogLinearSearch().fit(table)
        near = mse.sensitivity.model_range(found)
        assert near.range == found.model_range == found.population.model_range
        assert (found.model_range is None) is (near.n_models < 2)
        said = [text for text in found.warnings if "no range of totals" in text]
        assert len(said) == (near.n_models == 1)
        assert all(NL.knows(text) for text in found.warnings)
        seen.add(min(near.n_models, 2))
    assert seen == {0, 1, 2}


@pytest.mark.parametrize("language", ["en", "nl"])
def test_the_report_of_two_lists_compares_nothing(language: str) -> None:
    report = build_report(
        usual_results(TWO, replicates=50, seed=1), language=language, figures=True
    )
    text = as_form(report, "md")
    said = language_of(language)
    for sentence in (NOTHING_LEFT, TWO_LISTS):
        assert said.said(sentence).text in text
    for wrong in ("6,213 to 6,213", "6.213 tot 6.213"):
        assert wrong not in text
    ids = [section.id for part in report.sections for section in (part, *part.sections)]
    assert "models-1" not in ids


def test_everything_said_about_fit_is_known_in_dutch() -> None:
    records = [
        chi_squared_fit(value, df, df, means).record(selected=selected)  # type: ignore[union-attr]
        for value in (0.5, 1234.5)
        for df in (0, 1, 7)
        for means in (np.full(9, 20.0), np.full(9, 0.5))
        for selected in (False, True)
    ]
    for record in records:
        assert NL.knows(fit_in_words(record))
        assert all(NL.knows(text) for text in fit_warnings(record, 2))
    assert (
        "Deviantie 1.234,5 bij 7 vrijheidsgraden, p < 0,001 (chi-kwadraat)"
        in NL.said(fit_in_words(records[-4])).text
    )
