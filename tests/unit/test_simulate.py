"""Synthetic worlds: truth, margins against the published figures, and what the switches do."""

from __future__ import annotations

import json
import math
import time
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2
from typer.testing import CliRunner

import mse
from mse.cli import app
from mse.errors import InvalidTableError, ModelError
from mse.simulate import Dropout, Linkage, World, netherlands, population, tables
from mse.simulate.cells import Margin, rake
from mse.simulate.worlds import missing_chances
from tests.chance import FAR, RARE, error_of_share, error_of_spread

if TYPE_CHECKING:
    from pathlib import Path

    from mse.simulate import Simulation

CARE = ["residential_care", "regional_coordinators", "others"]
COVARIATES = ["year", "form", "sex", "age", "nationality"]
SEED = 20150


@pytest.fixture(scope="module")
def full() -> Simulation:
    return netherlands().draw(SEED)


@pytest.fixture(scope="module")
def dropped() -> Simulation:
    return netherlands(dropout=True).draw(SEED)


def chance(persons: float) -> float:
    """How far chance may take a Poisson number."""
    return FAR * float(np.sqrt(persons))


def truth_by(simulation: Simulation, *names: str, column: str = "persons") -> pd.Series[Any]:
    return simulation.truth.groupby(list(names), observed=True)[column].sum()


def reports(simulation: Simulation, year: int) -> pd.Series[Any]:
    records = simulation.records
    return records.loc[records["year"] == year, "register"].value_counts()


def odds_ratio(simulation: Simulation, first: str, second: str) -> float:
    """Odds ratio of two lists in the whole population, hidden persons included."""
    overlaps = simulation.table().overlaps()
    both = overlaps.loc[first, second]
    one, two = overlaps.loc[first, first] - both, overlaps.loc[second, second] - both
    return float(both * (simulation.total - one - two - both) / (one * two))


# Truth -------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_draw_and_another_one_does_not(full: Simulation) -> None:
    again, other = netherlands().draw(SEED), netherlands().draw(SEED + 1)
    pd.testing.assert_frame_equal(full.records, again.records)
    pd.testing.assert_frame_equal(full.truth, again.truth)
    assert not full.truth["persons"].equals(other.truth["persons"])
    generator = netherlands().draw(np.random.default_rng(SEED))
    pd.testing.assert_frame_equal(full.records, generator.records)
    assert (full.seed, generator.seed) == (SEED, None)


def test_a_seed_that_was_not_named_is_kept() -> None:
    world = netherlands(years=2015)
    first = world.draw()
    assert first.seed is not None
    pd.testing.assert_frame_equal(first.records, world.draw(first.seed).records)


def test_registered_persons_are_those_with_records(full: Simulation) -> None:
    assert full.records["pseudonym"].nunique() == full.truth["registered"].sum()
    assert full.table().n_observed == full.truth["registered"].sum()
    assert (full.truth["registered"] <= full.truth["persons"]).all()
    assert full.total == full.truth["persons"].sum()
    by_stratum = full.records.drop_duplicates("pseudonym").groupby(COVARIATES, observed=True).size()
    registered = full.truth.set_index(COVARIATES)["registered"]
    assert by_stratum.to_dict() == registered[registered > 0].to_dict()


def test_drawn_persons_vary_around_the_expected_ones() -> None:
    world = netherlands(years=[2014, 2015])
    expected = world.cells.expected
    drawn = [world.draw(seed) for seed in range(40)]
    persons = np.array([simulation.total for simulation in drawn])
    hidden = np.array([s.total - s.table().n_observed for s in drawn])
    for found, mean in ((persons, expected.sum()), (hidden, expected[0].sum())):
        assert abs(found.mean() - mean) < FAR * np.sqrt(mean / 40)
        assert found.std() / np.sqrt(mean) == pytest.approx(1, abs=FAR * error_of_spread(1.0, 40))


def test_flaws_leave_the_persons_alone(full: Simulation) -> None:
    flawed = netherlands(
        dropout=True, missing=0.3, linkage=Linkage(0.2, 0.1), overcoverage={"others": 0.2}
    ).draw(SEED)
    assert flawed.truth["persons"].equals(full.truth["persons"])


def test_a_national_world_is_calibrated_drawn_and_counted_in_no_time() -> None:
    world = netherlands(scale=1.0001)
    start = time.perf_counter()
    assert world.draw(1).table().n_observed > 10_000
    # It takes a tenth of a second, on a machine that does nothing else.
    assert time.perf_counter() - start < 2


def test_the_world_follows_a_model_with_two_way_terms() -> None:
    """Third differences of the log of the cells vanish, those over hidden cells included."""
    cells = netherlands().cells
    shape = (2,) * 6 + tuple(len(levels) for levels in cells.covariates.values())
    logs = np.log(cells.expected).reshape(shape)
    for axes in [(0, 1, 2), (0, 3, 6), (3, 6, 7), (2, 7, 9), (6, 7, 8), (5, 8, 10)]:
        change = logs
        for axis in axes:
            change = np.diff(change, axis=axis)
        np.testing.assert_allclose(change, 0, atol=1e-9)


# Published figures -------------------------------------------------------------------------------


def test_totals_match_the_published_level_and_trend(full: Simulation) -> None:
    yearly = truth_by(full, "year")
    # 5,000 to 7,500 a year, and about 6,250 in 2014 and 2015.
    cells = netherlands().cells
    expected = [cells.expected[:, cells.codes[0] == at].sum() for at in range(10)]
    assert all(5000 < each < 7500 for each in expected)
    assert sum(expected[4:6]) / 2 == pytest.approx(6250, rel=1e-3)
    assert all(abs(yearly - expected) < FAR * np.sqrt(expected))
    # Rise 2010-2012, fall to 2017, rise again; 2019 near the level of 2010 (expected numbers).
    assert all(a < b for a, b in pairwise(expected[:3]))
    assert all(a > b for a, b in pairwise(expected[2:8]))
    assert all(a < b for a, b in pairwise(expected[7:]))
    assert expected[9] == pytest.approx(expected[0], rel=0.05)


def test_composition_matches_the_published_shares(full: Simulation) -> None:
    then = truth_by(full, "year", "form", "age", "sex").loc[[2014, 2015]]
    forms = then.groupby("form", observed=True).sum() / then.sum()
    sd = np.sqrt(0.25 / then.sum())  # of a share, or less
    assert forms["sexual_domestic"] == pytest.approx(0.46, abs=FAR * sd)
    assert forms["sexual_cross_border"] == pytest.approx(0.21, abs=FAR * sd)
    assert forms["labor_criminal"] * 6250 == pytest.approx(1400, abs=FAR * sd * 6250)
    minors = then.xs("minor", level="age").xs("sexual_domestic", level="form")
    assert minors.sum() == pytest.approx(2 * 1320, abs=chance(2 * 1320) + 10)
    male = then.xs("male", level="sex").sum() / then.sum()
    assert male == pytest.approx(1 / 6, abs=FAR * error_of_share(1 / 6, int(then.sum())))


def test_lists_match_the_pooled_table(full: Simulation) -> None:
    pooled, drawn = mse.load_dataset("netherlands"), full.table().where(year=range(2010, 2016))
    assert drawn.lists == pooled.lists
    assert drawn.n_observed == pytest.approx(8234, abs=FAR * np.sqrt(8234))
    published, found = (table.overlaps().to_numpy(dtype=float) for table in (pooled, drawn))
    # Poisson counts around the published ones; where none are published half a person is expected.
    assert (np.abs(found - published) < FAR * np.sqrt(published) + 4).all()
    on = drawn.to_frame().groupby(drawn.to_frame()[list(drawn.lists)].sum(axis=1))["n"].sum()
    assert on[1] / drawn.n_observed == pytest.approx(
        7802 / 8234, abs=FAR * error_of_share(0.05, 8234)
    )
    assert on[2] == pytest.approx(414, abs=FAR * np.sqrt(414))
    assert on[3] == pytest.approx(18, abs=FAR * np.sqrt(18))


@pytest.mark.parametrize(
    ("year", "persons"),
    [
        (2011, 1222),
        (2012, 1711),
        (2014, 1561),
        (2015, 1321),
        (2016, 952),
        (2017, 958),
        (2019, 1334),
    ],
)
def test_registered_persons_match_the_published_years(
    full: Simulation, year: int, persons: int
) -> None:
    found = truth_by(full, "year", column="registered")[year]
    # Calibrated within 4 %, and Poisson.
    assert found == pytest.approx(persons, abs=0.04 * persons + chance(persons))


@pytest.mark.parametrize(
    ("year", "police", "inspectorate", "border_police"),
    [(2016, 462, 38, 12), (2017, 432, 38, 21), (2018, 530, 75, 12), (2019, 952, 46, 10)],
)
def test_investigative_lists_match_the_published_years(
    full: Simulation, year: int, police: int, inspectorate: int, border_police: int
) -> None:
    found = reports(full, year)
    for name, published in [
        ("police", police),
        ("inspectorate", inspectorate),
        ("border_police", border_police),
    ]:
        assert abs(found[name] - published) < FAR * np.sqrt(published)


def test_drop_out_matches_what_happened_in_2018(full: Simulation, dropped: Simulation) -> None:
    assert reports(full, 2018)[CARE].sum() == pytest.approx(555, abs=chance(555))
    assert reports(dropped, 2018)[CARE].sum() == pytest.approx(150, abs=chance(150))
    domestic = truth_by(dropped, "year", "form", column="registered").xs("sexual_domestic", level=1)
    # 132 in 2018, some 60 % fewer than in 2014-15.
    assert domestic[2018] == pytest.approx(132, abs=chance(132) + 5)
    # The remaining share of 0.4 is a ratio of some 130 to some 330 persons in the mean of two years.
    error = 0.4 * np.sqrt(1 / 132 + 1 / 660)
    assert 1 - domestic[2018] / domestic[[2014, 2015]].mean() == pytest.approx(
        0.6, abs=FAR * error + 0.02
    )
    keys = ("year", "form", "age")
    seen = truth_by(dropped, *keys, column="registered") / truth_by(dropped, *keys)
    minors = seen.xs("sexual_domestic", level="form").xs("minor", level="age")
    # Published: 11 % in 2014-15, 2 to 3 % in 2018; a world with two-way terms comes to 4 %.
    persons = truth_by(dropped, *keys).xs("sexual_domestic", level="form").xs("minor", level="age")
    error = error_of_share(0.12, int(persons[[2014, 2015]].sum()))
    assert minors[[2014, 2015]].mean() == pytest.approx(0.11, abs=FAR * error + 0.015)
    assert minors[2018] == pytest.approx(
        0.04, abs=FAR * error_of_share(0.04, int(persons[2018])) + 0.005
    )


def test_the_repeat_study_has_its_own_level_and_composition() -> None:
    repeat = netherlands(study="2021").draw(SEED)
    yearly, by_form = truth_by(repeat, "year"), truth_by(repeat, "form", "year")
    sexual = by_form["sexual_domestic"] + by_form["sexual_cross_border"]
    assert yearly[[2018, 2019]].sum() == pytest.approx(10_000, abs=chance(10_000))
    # The others are 5,600 at most, so that 2012 is more than ten standard deviations away.
    assert sexual[2012] == sexual.max() > 6650 - chance(6650)
    assert (sexual.loc[2016:2019] > 1800 - chance(1800)).all()
    assert (sexual.loc[2016:2019] < 2500 + chance(2500)).all()
    error = error_of_share(0.5, int(yearly[[2018, 2019]].sum()))
    assert (sexual / yearly)[[2018, 2019]].mean() == pytest.approx(0.5, abs=FAR * error + 0.05)
    male = truth_by(repeat, "sex", "year")["male"] / yearly
    assert male[[2018, 2019]].mean() == pytest.approx(0.5, abs=FAR * error + 0.02)


# Switches ----------------------------------------------------------------------------------------


def test_years_and_scale() -> None:
    world = netherlands(years=[2018, 2014], scale=10)
    simulation = world.draw(1)
    assert world.design.years == (2014, 2018)
    assert set(simulation.records["year"]) == {2014, 2018}
    assert simulation.total == pytest.approx(10 * (6400 + 5500), rel=0.02)


@pytest.mark.parametrize("factor", [4.0, 0.25])
def test_dependence_multiplies_the_odds_and_leaves_the_lists(
    full: Simulation, factor: float
) -> None:
    pair = ("police", "others")
    related = netherlands(dependence={":".join(pair): factor}).draw(SEED)
    ratio = odds_ratio(related, *pair) / odds_ratio(full, *pair)
    # Over all strata together a ratio of odds is nearer to 1 than within them, by a fifth at most.
    both = [each.table().overlaps().loc[pair] for each in (full, related)]
    error = np.sqrt(1 / both[0] + 1 / both[1])
    assert abs(np.log(ratio / factor)) < FAR * error + 0.21
    on_list = np.indices((2,) * 6).reshape(6, -1) == 1
    totals = [[each.world.cells.expected[on].sum() for on in on_list] for each in (full, related)]
    np.testing.assert_allclose(*totals, rtol=1e-3)
    registered = [each.world.cells.expected[1:].sum() for each in (full, related)]
    assert (registered[1] < registered[0] - 200) == (factor > 1)


def test_drop_out_takes_reports_of_these_lists_in_that_year_only(
    full: Simulation, dropped: Simulation
) -> None:
    gone = len(full.records) - len(dropped.records)
    assert gone == sum(reports(full, 2018)[CARE]) - sum(reports(dropped, 2018)[CARE]) > 300
    for name in ("police", "inspectorate", "border_police"):
        assert reports(full, 2018)[name] == reports(dropped, 2018)[name]
    for year in (2017, 2019):
        assert reports(full, year).to_dict() == reports(dropped, year).to_dict()
    assert dropped.not_operating == dict.fromkeys(CARE, (2018,))
    assert full.not_operating == {}


def test_a_list_that_dropped_out_can_be_unknown(dropped: Simulation) -> None:
    zeros, unknown = dropped.table(), dropped.table(dropped="unknown")
    at = [unknown.lists.index(name) for name in CARE]
    in_2018 = unknown.patterns[:, 6] == unknown.covariates["year"].index(2018)
    assert (unknown.patterns[in_2018][:, at] == -1).all()
    assert (unknown.patterns[~in_2018] >= 0).all()
    left_out = zeros.n_observed - unknown.n_observed
    investigative = zeros.where(year=2018).keep_lists(["inspectorate", "border_police", "police"])
    assert left_out == zeros.where(year=2018).n_observed - investigative.n_observed > 50
    earlier = range(2010, 2018)
    assert unknown.where(year=earlier) == zeros.where(year=earlier)
    with pytest.raises(ModelError, match="'zeros' or 'unknown'"):
        dropped.table(dropped="none")  # type: ignore[arg-type]


def test_missing_covariates_have_their_rates_and_depend_on_the_list_only() -> None:
    rates = {"form": 0.3, "sex": 0.1}
    complete = netherlands(scale=5).draw(SEED).records
    simulation = netherlands(scale=5, missing=rates).draw(SEED)
    missing = simulation.records.isna()
    assert missing["form"].mean() == pytest.approx(0.3, abs=0.01)
    assert missing["sex"].mean() == pytest.approx(0.1, abs=0.01)
    assert not missing.drop(columns=["form", "sex"]).any(axis=None)
    by_list = missing["form"].groupby(simulation.records["register"]).mean()
    assert by_list["others"] > 1.3 * by_list["police"] > 1.3 * by_list["inspectorate"]
    # Given the list, the form that was left out does not matter: compare with the full records.
    police = complete["register"] == "police"
    left = missing["form"][police].groupby(complete["form"][police], observed=True).mean()
    assert left.max() - left.min() < 0.05
    assert not simulation.table().is_complete


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.45, 0.55, 0.6])
@pytest.mark.parametrize(
    "lists",
    [{"a": 0.5, "b": 0.05, "c": 0.03}, {"a": 0.5, "b": 0.3}, {"a": 0.01, "b": 0.02, "c": 0.5}],
    ids=["first", "two", "last"],
)
def test_the_share_asked_for_is_missing_whatever_lists_hold(lists, rate) -> None:
    sexes = {"sex": {"f": 0.5, "m": 0.5}}
    register = population(lists, 40_000, covariates=sexes).draw(SEED).records["register"]
    codes = pd.Categorical(register, categories=list(lists)).codes.astype(np.int64)
    chances = missing_chances(codes, np.array([rate]), len(lists))[0]
    assert chances.mean() == pytest.approx(rate, rel=1e-12)
    assert chances.max() < 0.97
    own = [chances[codes == k][0] for k in range(len(lists))]
    assert own == sorted(own)
    records = population(lists, 40_000, covariates=sexes, missing=rate).draw(SEED).records
    # Five standard errors of a share of independent registrations.
    error = 5 * np.sqrt(rate * (1 - rate) / len(records))
    assert records["sex"].isna().mean() == pytest.approx(rate, abs=error)


def test_the_share_of_false_links_is_that_of_all_persons() -> None:
    # 200 strata of some five registered persons: one in five has nobody before it in its stratum.
    places = {"place": {str(i): 1 / 200 for i in range(200)}}
    lists = {"a": 0.3, "b": 0.3}
    right = population(lists, 2000, covariates=places).draw(SEED).records["pseudonym"].nunique()
    share = [
        1
        - population(lists, 2000, covariates=places, linkage=Linkage(false=0.3))
        .draw(seed)
        .records["pseudonym"]
        .nunique()
        / population(lists, 2000, covariates=places).draw(seed).records["pseudonym"].nunique()
        for seed in range(20)
    ]
    # Independent over some 20 x 1,000 persons.
    assert np.mean(share) == pytest.approx(0.3, abs=5 * np.sqrt(0.3 * 0.7 / (20 * right)))


def test_more_false_links_than_strata_allow_are_refused() -> None:
    places = {"place": {str(i): 1 / 200 for i in range(200)}}
    world = population({"a": 0.1, "b": 0.1}, 1000, covariates=places, linkage=Linkage(false=0.9))
    with pytest.raises(ModelError, match=r"share of 0.9 .* expected at most 0\.\d+"):
        world.draw(SEED)


def test_one_number_makes_every_covariate_but_the_year_missing() -> None:
    assert set(netherlands(missing=0.1).flaws.missing) == set(COVARIATES) - {"year"}
    assert dict(netherlands(missing=0.0).flaws.missing) == {}


def test_missed_links_split_persons_and_raise_estimates(full: Simulation) -> None:
    missed = netherlands(linkage=0.3).draw(SEED)
    beyond = len(full.records) - full.records["pseudonym"].nunique()
    split = missed.records["pseudonym"].nunique() - full.records["pseudonym"].nunique()
    # A person on three lists has two links, of which either may be missed.
    assert split / beyond == pytest.approx(0.3, abs=FAR * error_of_share(0.3, beyond) + 0.02)
    assert len(missed.records) == len(full.records)
    lists = ["police", "others"]
    estimates = [
        mse.Chapman().fit(simulation.table().collapse(*COVARIATES).keep_lists(lists))
        for simulation in (full, missed)
    ]
    # 1 / 0.7 times as much; of some 240 persons on both a share of 0.7 has a standard error of 0.03.
    assert estimates[1].population.total > estimates[0].population.total / (0.7 + FAR * 0.03)


def test_false_links_merge_persons_of_one_stratum(full: Simulation) -> None:
    wrong = netherlands(linkage=Linkage(false=0.1)).draw(SEED)
    persons = full.records["pseudonym"].nunique()
    error = error_of_share(0.1, persons)
    assert 1 - wrong.records["pseudonym"].nunique() / persons == pytest.approx(0.1, abs=FAR * error)
    # No warning of covariates that disagree: a warning would be an error here.
    assert wrong.table().n_observed == wrong.records["pseudonym"].nunique()
    pairs = [sum(np.triu(s.table().overlaps(), 1).ravel()) for s in (full, wrong)]
    assert pairs[1] > 1.1 * pairs[0]


def test_overcoverage_adds_persons_who_are_not_in_the_truth(full: Simulation) -> None:
    over = netherlands(overcoverage={"border_police": 0.2}).draw(SEED)
    added = len(over.records) - len(full.records)
    on_list = (over.records["register"] == "border_police").sum()
    assert added / on_list == pytest.approx(0.2, abs=0.001)
    assert over.table().n_observed - full.table().n_observed == added
    pd.testing.assert_frame_equal(over.truth, full.truth)


def test_late_registrations_come_in_when_they_should() -> None:
    late = mse.simulate.Late(months=(2, 6), lists={"police": (0, 1)})
    settings: dict[str, Any] = {"years": [2014, 2015]}
    records = netherlands(**settings, late=late).draw(seed=4).records
    assert (records["date"].dt.year == records["year"]).all()
    months = (records["received"] - records["date"]).dt.days / (365.25 / 12)
    police = records["register"] == "police"
    assert months[police].between(-0.04, 1.001).all()
    assert months[~police].between(1.96, 6.001).all()
    assert months[~police].mean() == pytest.approx(4, abs=0.1)
    # A person has one event in a year, and the persons are those of a world without dates.
    assert records.groupby(["pseudonym", "year"])["date"].nunique().max() == 1
    plain = netherlands(**settings).draw(seed=4).records
    pd.testing.assert_frame_equal(records.drop(columns=["date", "received"]), plain)


def test_late_registrations_drift_by_list_and_year() -> None:
    late = mse.simulate.Late(months=(4, 4), drift=0.5)
    world = netherlands(years=[2013, 2014, 2015], late=late)
    assert World.from_json(world.to_json()) == world
    records = world.draw(seed=5).records
    records["days"] = (records["received"] - records["date"]).dt.days
    by_list = records.groupby(["register", "year"])["days"]
    assert by_list.nunique().max() == 1
    spread = np.log(by_list.mean() / (4 * 365.25 / 12)).std()
    # Of nine normal numbers of standard deviation one half.
    assert 0.5 * math.sqrt(chi2.ppf(RARE, 8) / 8) < spread < 0.5 * math.sqrt(chi2.isf(RARE, 8) / 8)


@pytest.mark.parametrize("months", [(3, 1), (-1, 2), "soon", (1, 2, 3)])
def test_months_that_cannot_be_are_refused(months: Any) -> None:
    with pytest.raises(ModelError, match="expected the least and the most months"):
        mse.simulate.Late(months=months)


def test_suppression_hides_small_counts_in_tables_and_frames(full: Simulation) -> None:
    hidden = netherlands(suppress=5).draw(SEED)
    frame, exact = hidden.to_frame(), full.to_frame()
    few = exact["n"] < 5
    assert (frame.loc[few, "n"] == "<5").all()
    assert frame.loc[~few, "n"].astype(int).tolist() == exact.loc[~few, "n"].tolist()
    table = hidden.table()
    assert not table.is_complete
    assert set(table.high[table.low < 5]) == {4}
    assert table == mse.CaptureTable.from_frame(frame, table.lists, list(table.covariates), "n")
    pd.testing.assert_frame_equal(hidden.records, full.records)


# Privacy and labels ------------------------------------------------------------------------------


def test_records_hold_pseudonyms_and_nothing_else_about_a_person(full: Simulation) -> None:
    assert list(full.records) == ["pseudonym", "register", *COVARIATES]
    assert full.records["pseudonym"].str.fullmatch(r"SYN-\d{6}").all()
    one = full.records.drop_duplicates("pseudonym")
    number = one["pseudonym"].str.removeprefix("SYN-").astype(int)
    assert sorted(number) == list(range(len(one)))
    # Numbers are at random: they say nothing about year, list or stratum.
    for column in ["year", "register", "form", "nationality"]:
        codes = one[column].astype("category").cat.codes
        assert abs(np.corrcoef(number, codes)[0, 1]) < FAR / np.sqrt(len(one))


def test_everything_is_labeled_synthetic(full: Simulation) -> None:
    info = full.table().info
    for text in (info.name, info.population, info.scope, info.source, info.notes):
        assert "synthetic" in text.lower() or "made up" in text
    assert all("SYNTHETIC" in text for text in info.list_descriptions.values())
    assert "SYNTHETIC" in repr(full)
    assert json.loads(full.world.to_json())["synthetic"] is True
    for described in (mse.simulate, mse.simulate.Simulation, mse.simulate.netherlands):
        assert "synthetic" in str(described.__doc__).lower()


# Settings ----------------------------------------------------------------------------------------

WORLDS = [
    netherlands(),
    netherlands(
        years=2018,
        study="2021",
        dependence={"police:others": 2.0},
        dropout=Dropout(2018, "others", 0.0),
        missing={"form": 0.2},
        linkage=Linkage(0.1, 0.05),
        overcoverage={"police": 0.1},
        suppress=3,
        scale=0.5,
    ),
    population(
        {"a": 0.3, "b": 0.2}, 500, covariates={"year": {2014: 0.5, 2015: 0.5}, "g": {"x": 1}}
    ),
]


@pytest.mark.parametrize("world", WORLDS)
def test_settings_survive_json(world: World) -> None:
    again = World.from_json(world.to_json())
    assert again == world
    assert hash(again) == hash(world)
    assert repr(again) == repr(world)
    pd.testing.assert_frame_equal(again.draw(2).truth, world.draw(2).truth)


def test_settings_are_frozen_and_shown() -> None:
    world = WORLDS[1]
    with pytest.raises(AttributeError):
        world.flaws.suppress = 1  # type: ignore[misc]
    shown = repr(world)
    for part in ("2018", "police:others", "others", "'form': 0.2", "missed=0.1", "suppress=3"):
        assert part in shown


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"years": 2009}, "no year 2009"),
        ({"years": ()}, "no years"),
        ({"study": "2019"}, "no study '2019'"),
        ({"scale": 0}, "scale is 0: expected a positive number"),
        ({"dependence": {"police:otherz": 2}}, "no list 'otherz'.*Did you mean 'others'"),
        ({"dependence": {"police": 2}}, "not between two lists"),
        ({"dependence": {"police:sex=male": 2}}, "not between two lists"),
        ({"dependence": {"police:others": -1}}, "odds ratio of 'police:others' is -1"),
        ({"dropout": Dropout(lists=("polcie",))}, "no list 'polcie'"),
        ({"missing": {"sexe": 0.1}}, "no covariate that can be missing 'sexe'"),
        ({"missing": {"year": 0.1}}, "no covariate that can be missing 'year'"),
        ({"missing": 0.9}, "expected a share between 0 and 0.6"),
        ({"linkage": 1.5}, "share of missed links is 1.5"),
        ({"overcoverage": {"police": -0.1}}, "share of overcoverage for 'police' is -0.1"),
        ({"suppress": 1}, "`suppress` is 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        netherlands(**settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[1]", "expected an object"),
        ('{"schema": "mse.world/9"}', "schema 'mse.world/9'"),
        ('{"schema": "mse.world/1", "kind": "belgium"}', "no kind of world 'belgium'"),
        ('{"schema": "mse.world/1", "kind": "netherlands"}', "do not follow"),
    ],
)
def test_other_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        World.from_json(text)


# Any population ----------------------------------------------------------------------------------


def test_population_has_the_shares_and_dependence_asked_for() -> None:
    world = population(
        {"police": 0.3, "care": 0.2, "other": 0.1},
        100_000,
        covariates={"sex": {"male": 0.4, "female": 0.6}},
        dependence={"police:care": 3.0, "other:sex=male": 0.5},
    )
    cells = world.cells.expected.reshape(2, 2, 2, 2)
    assert cells.sum() == pytest.approx(100_000)
    assert cells[1].sum() == pytest.approx(30_000)
    assert cells[:, 1].sum() == pytest.approx(20_000)
    assert cells[..., 0].sum() == pytest.approx(40_000)
    pair, group = cells[:, :, 0, 0], cells[0, 0]
    assert pair[1, 1] * pair[0, 0] / (pair[1, 0] * pair[0, 1]) == pytest.approx(3)
    # On the list against not on it, for men against women.
    assert group[1, 0] * group[0, 1] / (group[1, 1] * group[0, 0]) == pytest.approx(0.5)
    drawn = world.draw(1)
    # More than 10,000 persons on both, 60,000 on neither, as many as 10,000 on one of them.
    assert odds_ratio(drawn, "police", "care") == pytest.approx(3, rel=FAR * np.sqrt(4 / 10_000))


def test_lists_in_another_order_are_another_world() -> None:
    one, two = population({"a": 0.3, "b": 0.2}, 100), population({"b": 0.2, "a": 0.3}, 100)
    assert one != two
    assert one.draw(1).table().lists == ("a", "b")
    assert two.draw(1).table().lists == ("b", "a")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": 0.3}, 100), "only one list"),
        (({"a": 0.3, "b": 1.2}, 100), "share on list 'b' is 1.2"),
        (({"a": 0.3, "b": 0.0}, 100), "share on list 'b' is 0.0"),
        (({"a": 0.3, "b": 0.2}, -5), "size is -5"),
        (({"a": 0.3, "b*c": 0.2}, 100), "holds '\\*'"),
    ],
)
def test_populations_that_cannot_be_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        population(*arguments)
    with pytest.raises(ModelError, match="add up to 1"):
        population({"a": 0.3, "b": 0.2}, 100, covariates={"sex": {"m": 0.5, "f": 0.4}})
    with pytest.raises(ModelError, match="no covariate 'year'"):
        population({"a": 0.3, "b": 0.2}, 100, dropout=Dropout(2018, "b"))


def test_nobody_registered_is_an_error_in_the_words_of_tables() -> None:
    with pytest.raises(InvalidTableError, match="no rows"):
        population({"a": 0.001, "b": 0.001}, 1).draw(1).table()


def test_raking_says_when_margins_contradict_each_other() -> None:
    groups = np.zeros(1, dtype=np.int64)
    margins = [Margin((), groups, np.array([1.0])), Margin((0,), groups, np.array([2.0]))]
    with pytest.raises(ModelError, match="cannot hold together"):
        rake(np.ones((4, 1)), margins)


# Tables of a known model -------------------------------------------------------------------------


def test_tables_follow_the_model() -> None:
    model = {"a": -1.0, "b": -0.5, "c": -1.5, "a:b": 0.8}
    drawn = tables(model, N=2000, size=400, seed=1)
    assert len(drawn) == 400
    mean = np.mean([table.counts for table in drawn], axis=0)
    logs = np.zeros((2, 2, 2))
    for i, j, k in np.ndindex(2, 2, 2):
        logs[i, j, k] = -1.0 * i - 0.5 * j - 1.5 * k + 0.8 * i * j
    expected = 2000 * np.exp(logs) / np.exp(logs).sum()
    expected[0, 0, 0] = 0
    np.testing.assert_allclose(mean, expected, atol=FAR * np.sqrt(expected.max() / 400))
    assert drawn[0].lists == ("a", "b", "c")
    assert "True N: 2000" in drawn[0].info.notes
    again = tables(model, N=2000, size=400, seed=1)
    assert again == drawn != tables(model, N=2000, size=400, seed=2)


def test_the_right_model_finds_the_size_of_known_tables() -> None:
    drawn = tables({"a": -1.0, "b": -0.5, "c": -1.0, "a:b": 0.8}, N=5000, size=40, seed=2)
    estimator = mse.LogLinear("[12,3]", interval="lognormal")
    totals = [estimator.fit(table).population.total for table in drawn]
    assert abs(np.mean(totals) - 5000) < FAR * np.std(totals) / np.sqrt(40)


def test_probabilities_give_the_same_tables_as_coefficients() -> None:
    weights = np.exp([[0.0, -2.0], [-1.0, -2.5]])
    by_cells = tables(weights / weights.sum(), N=100, size=3, seed=4, lists=["a", "b"])
    assert by_cells == tables({"a": -1, "b": -2, "a:b": 0.5}, N=100, size=3, seed=4)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ({"a": -1}, {}, "main effect for two or more"),
        ({"a": -1, "b": 800}, {}, "coefficient of 'b' is 800"),
        ({"a": -1, "b": -1, "a:c": 1}, {}, "no list 'c'"),
        ({"a": -1, "b": -1}, {"lists": ["a", "b"]}, "leave `lists` out"),
        (np.full((2, 2), 0.3), {}, "add up to 1.2"),
        (np.full((2, 3), 1 / 6), {}, "have shape"),
        (np.full((2, 2), 0.25), {"lists": ["a"]}, "1 names for 2 lists"),
        (np.full((2, 2), 0.25), {"N": 0}, "`N` is 0"),
        (np.full((2, 2), 0.25), {"size": 2.5}, "`size` is 2.5"),
    ],
)
def test_models_that_cannot_be_are_refused(model: Any, options: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        tables(model, **{"N": 10, **options})


# Command -----------------------------------------------------------------------------------------


def run(*arguments: object, status: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["simulate", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.stdout, result.stderr


def test_command_writes_registrations_and_truth(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    out, err = run("netherlands", "--seed", 3, "--years", "2014-2015,2018", "--truth", path)
    assert "SYNTHETIC" in err
    assert "--seed 3" in err
    frame, truth = pd.read_csv(StringIO(out)), pd.read_csv(path)
    assert list(frame) == ["synthetic", "pseudonym", "register", *COVARIATES]
    assert set(frame["synthetic"]) == set(truth["synthetic"]) == {"yes"}
    simulation = netherlands(years=[2014, 2015, 2018]).draw(3)
    assert truth["persons"].sum() == simulation.total
    table = mse.CaptureTable.from_records(
        frame,
        person="pseudonym",
        register="register",
        period="year",
        covariates=COVARIATES[1:],
        registers=simulation.table().lists,
    )
    assert table == simulation.table()


def test_command_switches_are_those_of_the_function(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    switches = ["--dropout", "--missing", "0.1", "--linkage", "0.1,0.02", "--study", "2021"]
    switches += ["--dependence", "police:others=2", "--overcoverage", "police=0.1"]
    run("netherlands", "--seed", 3, *switches, "--format", "parquet", "--output", path)
    world = netherlands(
        study="2021",
        dependence={"police:others": 2.0},
        dropout=True,
        missing=0.1,
        linkage=Linkage(0.1, 0.02),
        overcoverage={"police": 0.1},
    )
    written = pd.read_parquet(path)
    pd.testing.assert_frame_equal(
        written.drop(columns="synthetic").astype(str), world.draw(3).records.astype(str)
    )
    import pyarrow.parquet as pq

    assert pq.read_schema(path).metadata[b"synthetic"] == b"yes"


def test_command_writes_counts_with_suppression() -> None:
    out, _ = run("netherlands", "--seed", 3, "--years", "2015", "--suppress", "5")
    frame = pd.read_csv(StringIO(out))
    assert "pseudonym" not in frame
    assert (frame["n"] == "<5").any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["belgium"], "no world 'belgium'"),
        (["netherlands", "--years", "now"], "--years is 'now'"),
        (["netherlands", "--linkage", "0.1,0.1,0.1"], "--linkage is '0.1,0.1,0.1'"),
        (["netherlands", "--linkage", "2"], "share of missed links is 2"),
        (["netherlands", "--dependence", "police:others"], "--dependence is 'police:others'"),
        (["netherlands", "--format", "parquet"], "--output"),
        (["netherlands", "--truth", "no/such/place.csv"], "cannot be written"),
    ],
)
def test_command_refuses_what_cannot_be(arguments: list[str], message: str) -> None:
    _, err = run(*arguments, status=2)
    assert message in " ".join(err.split())
