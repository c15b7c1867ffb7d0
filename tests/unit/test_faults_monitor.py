"""The monitor's default against worlds with a known truth, and the search behind it.

Cases of faults A16, A17 and B8: points up to four times the truth, a search that stops in a trap, points
outside their own intervals, covariates summed away without a word.
"""

from __future__ import annotations

import json
import math
import warnings
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app
from mse.core.fitting import CRITERIA
from mse.core.search import Walker
from mse.errors import ModelError
from mse.loglinear.design import table_design
from mse.loglinear.paths import largest_model, smallest_model
from mse.monitoring.monitor_table import default_choice
from tests.chance import FAR
from tests.json_schemas import validator

if TYPE_CHECKING:
    import pandas as pd

FIVE = range(2014, 2019)


@cache
def whole_world(
    seed: int, years: range = FIVE, **flaws: bool
) -> tuple[mse.CaptureTable, pd.Series]:
    """Registrations by every covariate, and the true totals by year."""
    drawn = mse.simulate.netherlands(years=years, **flaws).draw(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = drawn.table(dropped="unknown") if flaws else drawn.table()
    return table, drawn.truth.groupby("year")["persons"].sum()


@cache
def world(
    seed: int, *kept: str, years: range = FIVE, **flaws: bool
) -> tuple[mse.CaptureTable, int]:
    """Registrations by the covariates kept, and the true total."""
    table, truth = whole_world(seed, years, **flaws)
    return table.collapse(*(name for name in table.covariates if name not in kept)), truth.sum()


def by_period(table: mse.CaptureTable) -> list[str]:
    return [f"{name}*year" for name in table.lists]


def pairs(table: mse.CaptureTable) -> list[str]:
    return [f"{a}*{b}" for a, b in combinations(table.lists, 2)]


# The default finds the truth ---------------------------------------------------------------------


@pytest.mark.fixed_seed  # worlds in which a search of pairs went wrong
@pytest.mark.parametrize("kept", [("year",), ("year", "form"), ("year", "form", "age")])
def test_no_world_is_far_off(kept: tuple[str, ...]) -> None:
    folds = []
    for seed in (1, 2, 7, 12, 44):  # with pairs searched 2.9, 1.0, 4.1, 2.8 and 3.8 by form
        table, truth = world(seed, *kept)
        total = default_choice(table, "year", "bic").estimator.fit(table).population.total
        folds.append(math.exp(abs(math.log(total / truth))))
    assert max(folds) < 1.8
    assert np.median(folds) < 1.45


def test_every_model_has_all_pairs_and_each_list_by_period() -> None:
    table, _ = world(3, "year", "form", years=range(2014, 2016))
    estimator = default_choice(table, "year", "bic").estimator
    assert isinstance(estimator, mse.LogLinearSearch)
    least = smallest_model(table, estimator.keep)
    fit = estimator.fit(table)
    assert set(pairs(table)) | set(by_period(table)) == set(estimator.keep)
    assert all(least <= fit._source.structure(i) for i in range(fit.n_models))
    report = mse.monitor(table, groups=["form"], replicates=20, seed=1, n_jobs=1)
    assert report.notes[0] == "Every model that was searched has all pairs of lists."
    assert set(pairs(table)) <= set(report.population.model.split(" + "))


def test_yearly_totals_and_changes_are_held() -> None:
    away = []
    for seed in range(1, 9):
        _, truth = whole_world(seed)
        report = mse.monitor(world(seed, "year")[0], replicates=200, seed=seed, n_jobs=1)
        for year in FIVE:
            cell = report.cells[year, ()]
            draws = np.log(cell.draws[np.isfinite(cell.draws)])
            away.append((np.log(cell.total / truth[year])) / draws.std())
        for row in report.changes().itertuples():
            draws = [np.log(report.cells[y, ()].draws) for y in (row.first, row.last)]
            change = np.log(truth[row.last] / truth[row.first])
            spread = np.ma.masked_invalid(draws[1] - draws[0]).std()
            away.append((np.log(row.ratio) - change) / spread)
    # Shares that are held, 95 % and 92 % in 40 worlds, go up and down with the world: its figures hang together.
    assert np.max(np.abs(away)) < FAR


# Falling back ------------------------------------------------------------------------------------


def test_three_lists_have_pairs_only_where_the_criterion_asks() -> None:
    table = world(1, "year")[0].keep_lists(["police", "others", "regional_coordinators"])
    choice = default_choice(table, "year", "bic")
    assert choice.estimator == mse.LogLinearSearch(strategy="stepwise", keep=by_period(table))
    report = mse.monitor(table, replicates=20, seed=1, n_jobs=1)
    assert "asks for them: all of them are kept where there are 4 lists or more" in report.notes[0]
    assert "Pairs of lists are in a model only where BIC" in " ".join(str(report).split())


def test_pairs_that_leave_nothing_determined_are_not_kept() -> None:
    # Nobody is on three lists, so with all pairs the hidden number runs to zero or without bound.
    counts = np.zeros((2, 2, 2, 2, 2), dtype=np.int64)
    for k in range(4):
        counts[(*(int(j == k) for j in range(4)), slice(None))] = 40 + 10 * k
    for first, second in combinations(range(4), 2):
        counts[(*(int(j in (first, second)) for j in range(4)), slice(None))] = 4
    table = mse.CaptureTable.from_array(counts, list("abcd"), {"year": [2014, 2015]})
    assert mse.LogLinear("all two-way").fit(table).status == "not_estimable"
    choice = default_choice(table, "year", "bic")
    assert choice.estimator == mse.LogLinearSearch(strategy="stepwise", keep=by_period(table))
    report = mse.monitor(table, replicates=20, seed=1, n_jobs=1)
    assert report.has_estimate
    assert "the data would not determine the hidden number" in report.notes[0]


def test_two_lists_have_no_pair_to_speak_of() -> None:
    table = world(1, "year")[0].keep_lists(["police", "others"])
    report = mse.monitor(table, replicates=20, seed=1, n_jobs=1)
    assert not any("airs of lists" in note for note in report.notes)


def test_a_given_estimator_is_not_said_to_keep_what_it_does_not() -> None:
    table = world(1, "year")[0]
    free = mse.LogLinearSearch(strategy="stepwise")
    assert mse.monitor(table, estimator=free, replicates=20, seed=1, n_jobs=1).notes == ()
    own = mse.LogLinearSearch(strategy="stepwise", keep=pairs(table))
    notes = mse.monitor(table, estimator=own, replicates=20, seed=1, n_jobs=1).notes
    assert notes == ("Every model that was searched has all pairs of lists.",)


def test_settings_of_the_default_go_with_the_default() -> None:
    table = world(1, "year")[0]
    report = mse.monitor(table, criterion="aic", trend={"year": 1}, replicates=20, seed=1, n_jobs=1)
    settings = report.population.provenance["estimator"]
    assert "aic" in str(settings)
    with pytest.raises(ModelError, match="criterion or trend of the default search as well"):
        mse.monitor(table, estimator=mse.LogLinear("main"), criterion="aic", replicates=20)


def test_where_nothing_is_left_to_choose_nothing_is_said_to_be_chosen() -> None:
    report = mse.monitor(world(1, "year")[0], replicates=20, seed=1, n_jobs=1)
    assert report.population.method == "log-linear model"
    assert report.alike.joint.given == "given the model"


# What was summed over ----------------------------------------------------------------------------


def test_covariates_that_are_not_reported_are_named() -> None:
    table = world(1, "year", "form", "age")[0]
    report = mse.monitor(table, groups=["age"], replicates=20, seed=1, n_jobs=1)
    assert report.notes[-1] == "Summed over, after estimation: form."
    assert report.to_dict()["notes"] == list(report.notes)


@pytest.mark.fixed_seed  # worlds in which a search of pairs went wrong
def test_the_piped_command_finds_the_truth_and_says_what_it_summed_over() -> None:
    run, held = CliRunner(), []
    for seed in (1, 15):  # a search of pairs is 2.8 and 3.4 times the truth
        made = run.invoke(app, ["simulate", "netherlands", "--seed", str(seed)])
        options = ["--replicates", "100", "--seed", "1", "--workers", "1"]
        told = run.invoke(app, ["monitor", *options, "--format", "json"], input=made.stdout)
        data = json.loads(told.stdout)
        validator("monitor").validate(data)
        assert data["notes"][-1].startswith(
            "Summed over before estimation, and in no model: 'form', 'sex', 'age', 'nationality'."
        )
        truth = mse.simulate.netherlands().draw(seed).truth.groupby("year")["persons"].sum()
        totals = {cell["period"]: cell["total"] for cell in data["cells"]}
        held.append(sum(totals[y]["low"] <= truth[y] <= totals[y]["high"] for y in truth.index))
        assert sum(each["point"] for each in totals.values()) < 1.6 * truth.sum()
    assert min(held) >= 8
    said = " ".join(run.invoke(app, ["monitor", *options], input=made.stdout).stdout.split())
    assert "Summed over before estimation" in said


def test_named_columns_are_not_said_to_be_summed_away() -> None:
    run = CliRunner()
    made = run.invoke(app, ["simulate", "netherlands", "--seed", "1", "--years", "2014,2015"])
    options = ["--replicates", "100", "--seed", "1", "--workers", "1", "--covariates", "form,sex"]
    told = run.invoke(
        app, ["monitor", *options, "--groups", "age", "--format", "json"], input=made.stdout
    )
    assert json.loads(told.stdout)["notes"][-2:] == [
        "Summed over, after estimation: form, sex.",
        (
            "Summed over before estimation, and in no model: 'nationality'. With --covariates the models "
            "hold differences between their levels, with --groups the figures too."
        ),
    ]


# The search over covariates ----------------------------------------------------------------------


@pytest.mark.fixed_seed  # the world in which it was caught
def test_the_search_of_seed_1_is_not_caught_where_it_was() -> None:
    table, truth = world(1, "year", "form")
    fit = mse.LogLinearSearch(strategy="stepwise", keep=by_period(table)).fit(table)
    # It stopped at 1809.1 with 2.86 times the truth; 1790.8 was known to be there.
    assert fit.bic < 1788.5
    assert fit.population.total < 1.2 * truth


# Of 40 other worlds and criteria one has such a trap, 7 units deep.
@pytest.mark.fixed_seed
@pytest.mark.parametrize("criterion", ["bic", "aic"])
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_no_random_start_finds_a_better_model(seed: int, criterion: str) -> None:
    table = world(seed, "year", "form")[0]
    least = smallest_model(table, by_period(table))
    layout = table_design(table, largest_model(least, 2), {})
    _, fixed, ranges = layout.changing(least)
    walker = Walker(fixed, ranges, CRITERIA.index(criterion), layout.core)
    counts = table.counts.ravel().astype(np.float64)
    best = min(each.verdict[1] for each in walker.walks(counts) if each.verdict[0])
    rng = np.random.default_rng(seed)
    walker.starts = rng.random((10, len(ranges))) < rng.random((10, 1))
    others = [each.verdict[1] for each in walker.walks(counts) if each.verdict[0]]
    # Here and there one is better by a fraction; a trap is several units deep.
    assert best < min(others) + 0.5


@pytest.mark.parametrize("criterion", ["bic", "aic", "aicc"])
@pytest.mark.parametrize("trend", [{}, {"year": 2}], ids=["factor", "trend"])
def test_a_table_and_a_replicate_with_its_counts_choose_alike(criterion, trend) -> None:
    table = world(1, "year", "form", years=range(2015, 2019))[0]
    search = mse.LogLinearSearch(criterion, "stepwise", keep=["police*year"], trend=trend)
    refitter = search.fit(table).refitter()
    shares = table.counts.ravel() / table.n_observed
    drawn = np.random.default_rng(5).multinomial(table.n_observed, shares, size=3)
    found = refitter(drawn.astype(np.float64))
    for counts, hidden in zip(drawn, found.hidden, strict=True):
        alone = search.fit(table.with_counts(counts.reshape(table.shape)))
        np.testing.assert_allclose(hidden.sum(), alone.population.hidden, rtol=1e-7)


def test_a_table_known_in_part_and_a_replicate_with_its_records_choose_alike() -> None:
    for seed in (1, 2):
        table = world(seed, "year", "form", years=range(2017, 2019), dropout=True)[0]
        fit = mse.LogLinearSearch(strategy="stepwise", keep=["police*year"]).fit(table)
        rows = fit.resampled()[None]
        found = fit.refitter()(rows)
        registered = rows.reshape(1, -1, found.hidden.shape[1]).sum(axis=1)
        total = (found.hidden + registered).sum()
        np.testing.assert_allclose(total, fit.population.total, rtol=1e-4)


def test_a_search_goes_through_models_that_are_not_estimable() -> None:
    # With all pairs of lists and of list and period nothing is determined; half way down it is.
    counts = np.zeros((2, 2, 2, 2), dtype=np.int64)
    counts[1, 0, 0], counts[0, 1, 0], counts[0, 0, 1] = (50, 20), (40, 30), (60, 20)
    counts[1, 1, 0], counts[1, 0, 1] = (12, 0), (9, 7)
    table = mse.CaptureTable.from_array(counts, list("abc"), {"year": [2014, 2015]})
    assert mse.LogLinear("all two-way").fit(table).status == "not_estimable"
    fit = mse.LogLinearSearch(strategy="stepwise").fit(table)
    assert fit.status in ("ok", "boundary")
    usable = fit.models[fit.models["status"].isin(["ok", "boundary"])]
    assert fit.bic == pytest.approx(usable["bic"].min())


# Points and their intervals ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_no_point_lies_outside_its_own_interval(seed: int) -> None:
    table = world(seed, "year", "form", years=range(2016, 2019), dropout=True)[0]
    report = mse.monitor(table, groups=["form"], replicates=60, seed=seed, n_jobs=1)
    frame = report.to_frame().dropna(subset=["total"])
    assert len(frame) > 5
    assert ((frame["low"] <= frame["total"]) & (frame["total"] <= frame["high"])).all()
    changes = report.changes().dropna(subset=["difference_low"])
    assert (changes["difference_low"] <= changes["difference"]).all()
    assert (changes["difference"] <= changes["difference_high"]).all()
