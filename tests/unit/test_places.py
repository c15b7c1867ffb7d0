"""Places of a monitor: figures, ranks, candidates, regions, and persons in several of them."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mse
from mse.bayes.base import at_one_quantile
from mse.data.placing import PlacedRecords
from mse.monitoring.places import _among_first, _rank
from mse.plots.maps import place_map
from mse.reporting import build_report
from tests.json_schemas import validator

LISTS = {"police": 0.3, "care": 0.2, "other": 0.15}
QUICK = mse.PooledLogLinear(time="year", draws=100, tune=250, chains=2)


def quickly(*args, **options):
    with warnings.catch_warnings():
        # So few draws have not settled, and some diverge.
        warnings.simplefilter("ignore", mse.ConvergenceWarning)
        return mse.monitor(*args, **options)


@pytest.fixture(scope="module")
def table():
    world = mse.simulate.places(LISTS, places=14, years=(2022, 2023), persons=20.0, seed=4)
    return world.draw(seed=1).table()


@pytest.fixture(scope="module")
def regions(table):
    return {name: ("north", "south")[i % 2] for i, name in enumerate(table.covariates["place"])}


@pytest.fixture(scope="module")
def monitor(table, regions):
    rows = [
        {"place": place, "year": year, "population": 1000 * (i + 1)}
        for i, place in enumerate(table.covariates["place"])
        for year in table.covariates["year"]
    ]
    options = {"estimator": QUICK, "regions": regions, "rates": pd.DataFrame(rows)}
    return quickly(table, place="place", **options)


@pytest.fixture(scope="module")
def places(monitor):
    return monitor.places


# Figures -----------------------------------------------------------------------------------------


def test_places_add_up_to_regions_and_to_all(monitor, places) -> None:
    frame, regions = places.to_frame(), places.by_region()
    for year in monitor.levels:
        here = frame[frame["year"] == year]
        whole = monitor.periods.set_index("year").loc[year]
        for column, total in (("registered", "observed"), ("total", "total")):
            assert here[column].sum() == pytest.approx(whole[total])
            assert regions[regions["year"] == year][column].sum() == pytest.approx(whole[total])
    whole = frame[frame["year"].isna()]
    assert whole["total"].sum() == pytest.approx(monitor.periods["total"].sum())
    assert whole["registered"].sum() == monitor.population.observed


def test_intervals_of_a_region_are_of_the_sum(monitor, places) -> None:
    cell = places.region("north", 2023)
    inside = [each for each, name in places.regions.items() if name == "north"]
    draws = sum(monitor.at(2023, place=each).draws for each in inside)
    np.testing.assert_allclose(cell.draws, draws)
    assert cell.figures["total"].low <= cell.total <= cell.figures["total"].high


def test_rates_are_per_inhabitant(places) -> None:
    row = places.to_frame().iloc[0]
    assert row["rate"] == pytest.approx(row["total"] / row["population"] * 100_000)


def test_a_place_with_few_registered_persons_has_a_wide_answer(places) -> None:
    frame = places.to_frame()
    frame = frame[frame["year"].notna()]
    few = frame[(frame["registered"] > 0) & (frame["registered"] <= 3)]
    assert len(few)
    assert (few["low"] >= few["registered"]).all()
    assert np.isfinite(few["high"]).all()
    many = frame[frame["registered"] > 20]
    assert (few["high"] / few["low"]).median() > (many["high"] / many["low"]).median()


# Ranks -------------------------------------------------------------------------------------------


def test_ranks_hold_their_points_and_probabilities_add_up(places) -> None:
    frame = places.ranking(top=3)
    assert frame["rank"].tolist() == sorted(frame["rank"])
    assert (frame["rank_low"] <= frame["rank_high"]).all()
    # Three places are among the first in every draw; more where persons are equal.
    assert frame["top"].sum() >= 3 - 1e-9
    assert frame.loc[frame["rank"] == 1, "candidate"].all()


def test_ranks_by_registered_persons_are_known(places) -> None:
    frame = places.ranking(by="registered", top=3)
    assert (frame["rank_low"] == frame["rank_high"]).all()
    assert (frame["rank"] == frame["rank_low"]).all()
    assert set(frame["top"]) <= {0.0, 1.0}
    assert frame["registered"].is_monotonic_decreasing


def test_ranks_by_rate_need_inhabitants(monitor, places) -> None:
    frame = places.ranking(by="rate")
    assert frame["rate"].is_monotonic_decreasing
    without = replace(monitor, inhabitants=replace(monitor.inhabitants, sources=()))
    with pytest.raises(mse.ModelError, match="no inhabitants to rank"):
        without.places.ranking(by="rate")


def test_candidates_hold_the_first_ones_in_the_share_of_draws_asked_for(places) -> None:
    drawn = np.stack([places.at(each, 2023).draws for each in places.levels], axis=1)
    for level in (0.5, 0.9):
        named = [places.levels.index(each) for each in places.candidates(2023, top=4, level=level)]
        least = np.sort(drawn, axis=1)[:, -4][:, None]
        missing = np.delete(drawn >= least, named, axis=1).any(axis=1)
        assert (~missing).mean() >= level - 1e-9
    few, many = (places.candidates(2023, top=4, level=each) for each in (0.5, 0.99))
    assert set(few) <= set(many)


def test_who_is_among_the_first_by_hand() -> None:
    drawn = np.array([[9.0, 5.0, 1.0], [9.0, 1.0, 5.0], [9.0, 5.0, 1.0], [9.0, 5.0, 5.0]])
    ranks = _rank(drawn)
    assert ranks.tolist() == [[1, 2, 3], [1, 3, 2], [1, 2, 3], [1, 2, 2]]
    chance, chosen = _among_first((ranks, ranks), 2, 0.5)
    assert chance.tolist() == [1.0, 0.75, 0.5]
    assert chosen.tolist() == [True, True, False]
    assert _among_first((ranks, ranks), 2, 0.95)[1].all()


def test_a_place_that_is_not_determined_may_have_any_rank(monitor) -> None:
    joint = monitor.joint
    totals = joint.totals.copy()
    names = list(joint.strata.names)
    first = [
        i
        for i, cell in enumerate(joint.strata.cells)
        if cell[names.index("place")] == monitor.places.levels[0]
    ]
    totals[:, first] = np.nan
    hidden = joint.strata.hidden.copy()
    hidden[first] = np.nan
    status = tuple("not_estimable" if i in first else s for i, s in enumerate(joint.strata.status))
    limit = tuple("infinite" if i in first else s for i, s in enumerate(joint.strata.limit))
    strata = replace(joint.strata, hidden=hidden, status=status, limit=limit)
    lost = replace(monitor, joint=replace(joint, strata=strata, totals=totals)).places
    frame = lost.ranking(top=3).set_index("place")
    row = frame.loc[lost.levels[0]]
    assert pd.isna(row["rank"])
    assert (row["rank_low"], row["rank_high"], row["top"]) == (1, len(frame), 0.5)
    assert row["candidate"]
    assert "not estimated" in lost.summary()


def test_across_scopes_there_are_no_ranks_of_sums(monitor) -> None:
    broken = replace(monitor, scopes={2022: "older", 2023: "newer"})
    frame = broken.places.ranking(top=3)
    assert frame["rank"].isna().all()
    assert frame["candidate"].all()
    assert broken.places.ranking(2023, top=3)["rank"].notna().all()
    text = " ".join(broken.places.summary().split())
    assert "older" in text
    assert "they are among these" not in text


def test_points_at_one_quantile_add_up_and_lie_among_their_draws(rng) -> None:
    hidden = rng.poisson(rng.gamma(1.0, 3.0, 40), (500, 40)).astype(float)
    total = float(np.median(hidden.sum(axis=1)))
    points = at_one_quantile(total, hidden)
    assert points.sum() == pytest.approx(total)
    shares = np.stack([(hidden < points).mean(axis=0), (hidden <= points).mean(axis=0)])
    # One level lies between the shares of draws below and up to every point.
    assert shares[0].max() <= shares[1].min() + 2 / 500
    others = [points + step for step in rng.normal(0, 0.3, (50, 40)) if True]
    loss = np.abs(hidden - points).mean()
    for each in others:
        moved = each + (total - each.sum()) / each.size
        assert np.abs(hidden - moved).mean() >= loss - 1e-9
    endless = np.column_stack([hidden, np.where(np.arange(500) < 10, np.inf, 1.0)])
    assert np.isfinite(at_one_quantile(total + 1, endless)).all()


# What is asked -----------------------------------------------------------------------------------


def test_thin_places_are_pooled_and_others_are_not(table) -> None:
    from mse.monitoring.monitor_table import _choice, is_thin

    assert is_thin(table)
    found = _choice(table, "year", "place", None, "bic", None, 7).estimator
    assert found == mse.PooledLogLinear(time="year", seed=7)
    joint = _choice(table, "year", "place", "joint", "bic", None, 7).estimator
    assert isinstance(joint, mse.LogLinearSearch)
    assert isinstance(
        _choice(table, "year", None, None, "bic", None, 7).estimator, mse.LogLinearSearch
    )
    thick = mse.CaptureTable.from_array(table.counts * 50, table.lists, table.covariates)
    assert not is_thin(thick)


def test_the_joint_model_gives_places_too(table) -> None:
    model = mse.LogLinear("police*year + care*year + other*year + place")
    found = mse.monitor(table, place="place", estimator=model, replicates=40, seed=1)
    frame = found.places.to_frame()
    assert frame[frame["year"] == 2023]["total"].sum() == pytest.approx(
        found.periods["total"].iloc[-1]
    )
    assert not found.places.pooled
    assert found.places.ranking()["rank_low"].min() == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"place": "town"}, "no covariate 'town'"),
        ({"place": "year"}, "twice"),
        ({"regions": {"a": "b"}}, "`regions` and `placed` are of places"),
        ({"place": "place", "regions": {"place 01": "north"}}, "no region of the place 'place 02'"),
        ({"place": "place", "regions": pd.DataFrame({"place": ["x"]})}, "no column 'region'"),
        ({"place": "place", "regions": 7}, "`regions` is a int"),
        ({"place": "place", "estimator": "pooling"}, "expected 'joint', 'pooled'"),
        (
            {"place": "place", "estimator": "pooled", "heterogeneity": True},
            "leave out `heterogeneity`",
        ),
        ({"place": "place", "estimator": "pooled", "criterion": "aic"}, "leave"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(table, options, words) -> None:
    with pytest.raises((mse.ModelError, mse.InvalidTableError), match=words):
        mse.monitor(table, **options)


def test_what_places_do_not_have_is_refused_in_words(places) -> None:
    for asked, words in (
        (lambda: places.region("west"), "no region 'west'"),
        (lambda: places.ranking(by="size"), "by='size'"),
        (lambda: places.ranking(top=0), "top=0"),
    ):
        with pytest.raises(mse.ModelError, match=words):
            asked()


# Other shapes ------------------------------------------------------------------------------------


def test_places_in_words_and_as_json(monitor, places) -> None:
    text = " ".join(places.summary().split())
    assert "can be" not in text
    assert "most registered persons" in text
    assert "may have been moved to the next" in text
    data = monitor.to_dict()
    validator("monitor").validate(json.loads(json.dumps(data)))
    assert len(data["places"]["ranking"]) == len(places.levels)
    assert data["places"]["figures"][0]["place"] == places.levels[0]
    json.dumps(data, allow_nan=False)


@pytest.mark.parametrize("language", ["en", "nl"])
def test_reports_have_places(monitor, tmp_path, language) -> None:
    path = tmp_path / "report.md"
    mse.write_report(monitor, path, language=language)
    text = path.read_text(encoding="utf-8")
    assert {"en": "By place", "nl": "Per plaats"}[language] in text
    assert {"en": "Rank by registered", "nl": "Rang naar geregistreerden"}[language] in text


def test_ranks_are_drawn(places) -> None:
    ax = mse.plots.ranks(places, top=3)
    assert (
        next(label.get_text() for label in ax.get_yticklabels())
        == places.ranking()["place"].iloc[0]
    )
    assert places.plot() is not None


class Areas(pd.DataFrame):
    """A stand-in for a GeoDataFrame: what is read, and what is asked to be drawn."""

    asked: dict[str, object] = {}  # noqa: RUF012

    @property
    def _constructor(self):
        return Areas

    def plot(self, **options):
        Areas.asked = {**options, "values": dict(zip(self["name"], self["mse_value"], strict=True))}


def test_a_map_joins_places_to_boundaries_by_name(places) -> None:
    """GeoPandas is not here: the joining is tested, and not what it draws."""
    areas = Areas({"name": [*map(str, places.levels), "a lake"]})
    ax = place_map(places, areas, column="name", quantity="rate", period=2023)
    frame = places.to_frame()
    here = frame[frame["year"] == 2023].set_index("place")["rate"]
    assert Areas.asked["ax"] is ax
    assert math.isnan(Areas.asked["values"].pop("a lake"))
    assert Areas.asked["values"] == here.to_dict()
    place_map(places, areas, column="name")
    assert Areas.asked["values"][places.levels[0]] == places.at(places.levels[0]).total


def test_a_map_says_what_is_missing(places, monkeypatch) -> None:
    areas = Areas({"name": list(map(str, places.levels[1:]))})
    for options, words in (
        ({"column": "name"}, "no area for 'place 01'"),
        ({"column": "names"}, "no column 'names'"),
        ({"column": "name", "quantity": "persons"}, "quantity='persons'"),
        ({"column": "name", "period": 1999}, "no year 1999"),
    ):
        with pytest.raises(mse.ModelError, match=words):
            place_map(places, areas, **options)
    monkeypatch.setitem(__import__("sys").modules, "geopandas", None)
    with pytest.raises(mse.MissingDependencyError, match=r"multiple-systems\[maps\]"):
        place_map(places, "municipalities.gpkg", column="name")


# Rules of disclosure -----------------------------------------------------------------------------


def test_under_rules_places_leave_as_groups_and_ranks_do_not(table, monitor, places) -> None:
    rules = mse.disclosure.rules("cbs")
    whole = mse.disclosure.protect(monitor, rules, table=table)
    assert whole.places is None
    assert "places" not in whole.to_dict()
    safe = mse.disclosure.protect(places, rules, table=table)
    assert safe.places is None
    frame = safe.to_frame()
    small = frame[(frame["group"] == "place") & frame["observed"].notna()]
    assert (small["observed"] >= rules.threshold).all() or (small["observed"] == 0).any()
    assert "Ranks of places are not shown" in " ".join(safe.summary().split())
    # Empty strata are not named: one of them may be suppressed for the sake of others.
    assert not any(
        "place=" in str(each) for each in safe.warnings if "Nobody is registered" in str(each)
    )
    for language in ("en", "nl"):
        build_report(monitor, language=language, disclosure="cbs")


# Persons in several places -----------------------------------------------------------------------


@pytest.fixture
def records():
    rows = [
        ("p", "police", "Elst", 2022, 3),
        ("p", "care", "Epe", 2022, 1),
        ("p", "care", "Elst", 2022, 4),
        ("p", "care", "Elst", 2023, 9),
        ("q", "police", "Epe", 2022, 2),
        ("q", "care", None, 2022, 5),
        ("r", "care", "Oss", 2022, 2),
        ("s", "care", None, 2022, 2),
    ]
    return pd.DataFrame(rows, columns=["id", "source", "town", "year", "day"])


def table_of(placed):
    known = placed.records.dropna(subset="town")
    return mse.CaptureTable.from_records(known, "id", "source", "year", ["town"])


def test_a_person_has_the_first_place_or_the_main_one(records) -> None:
    first = mse.place_records(records, "id", "town", period="year", date="day")
    of = first.records[first.records["year"] == 2022].groupby("id")["town"].first()
    assert of.to_dict()["p"] == "Epe"
    assert (first.persons, first.several) == (4, 1)
    main = mse.place_records(records, "id", "town", "main", period="year", date="day")
    assert main.records[main.records["id"] == "p"]["town"].unique().tolist() == ["Elst"]
    assert len(first.records) == len(main.records) == len(records)
    # Registrations without a place take that of the person.
    assert main.records[main.records["id"] == "q"]["town"].tolist() == ["Epe", "Epe"]
    assert main.records[main.records["id"] == "s"]["town"].isna().all()
    # In one place, the history is of all registrations.
    assert table_of(main).where(town="Elst", year=2022).overlaps().to_numpy().tolist() == [
        [1, 1],
        [1, 1],
    ]
    assert "p" not in repr(first).replace("persons", "").replace("Placed", "").split("=")


def test_in_each_place_weights_count_persons_once(records) -> None:
    each = mse.place_records(records, "id", "town", "each", period="year", date="day")
    assert each.weights["Elst", 2022] == 0.5
    assert each.weights["Epe", 2022] == 0.75
    assert each.weights["Oss", 2022] == 1.0
    counted = each.records.dropna(subset="town").groupby(["town", "year"])["id"].nunique()
    once = sum(each.weights[key] * n for key, n in counted.items())
    assert once == pytest.approx(each.persons)


def test_moves_count_persons_by_place_and_the_next(records) -> None:
    moves = mse.place_records(records, "id", "town", period="year", date="day").moves
    assert moves.loc["Epe", "Elst"] == 1
    assert int(moves.to_numpy().sum()) == 1
    # Without dates rows are in order.
    moves = mse.place_records(records, "id", "town", period="year").moves
    assert (moves.loc["Elst", "Epe"], moves.loc["Epe", "Elst"]) == (1, 1)
    still = mse.place_records(records.assign(town="Elst"), "id", "town").moves
    assert still.to_numpy().tolist() == [[0]]


def test_unknown_columns_and_rules_are_refused(records) -> None:
    with pytest.raises(mse.ModelError, match="rule='last'"):
        mse.place_records(records, "id", "town", "last")
    with pytest.raises(mse.InvalidTableError, match="no column 'city'"):
        mse.place_records(records, "id", "city")


def test_figures_by_weight_add_up_to_persons(table, monitor) -> None:
    weights = {(p, y): 0.5 for p in table.covariates["place"] for y in table.covariates["year"]}
    placed = PlacedRecords(pd.DataFrame(), "each", 100, 40, pd.DataFrame(), weights)
    found = replace(monitor, placed=placed).places
    frame = found.to_frame()
    np.testing.assert_allclose(frame["weighted"], frame["total"] / 2)
    np.testing.assert_allclose(frame["registered_weighted"], frame["registered"] / 2)
    text = " ".join(found.summary().split())
    assert "40 of 100 registered persons are registered in several places" in text
    assert "count some persons more than once" in text
    assert not math.isnan(frame["weighted"].sum())
