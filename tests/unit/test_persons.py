"""Persons with covariates: the table, both estimators, clusters, comparison."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mse
from tests.estimators import load, persons

LISTS = ["police", "care", "border"]


def table(frame: pd.DataFrame, *covariates: str, **options: str) -> mse.PersonTable:
    lists = [name for name in ("a", "b", "c") if name in frame]
    return mse.PersonTable.from_frame(frame, lists, covariates, **options)


def two_lists(both: int = 40, first: int = 60, second: int = 80) -> pd.DataFrame:
    rows = [[1, 1]] * both + [[1, 0]] * first + [[0, 1]] * second
    frame = pd.DataFrame(rows, columns=["a", "b"])
    # Unrelated to the lists, and without the outliers that move doubly robust totals in few draws of so few persons.
    return frame.assign(x=np.sin(2.4 * np.arange(len(frame))).round(3))


# The table ---------------------------------------------------------------------------------------


def test_order_of_rows_and_kind_of_frame_change_nothing() -> None:
    frame = persons()
    pl = pytest.importorskip("polars")
    for other in (frame.sample(frac=1, random_state=1), pl.DataFrame(frame.to_dict("list"))):
        again = mse.PersonTable.from_frame(other, LISTS, ["severity", "age"])
        assert again == load("persons")
        assert hash(again) == hash(load("persons"))
    assert pickle.loads(pickle.dumps(again)) == again  # noqa: S301


def test_missing_values_are_refused_with_a_count_and_without_rows() -> None:
    frame = two_lists().astype({"a": float}).assign(sex="f", case=7.0)
    frame.loc[[3, 5], "a"] = np.nan
    frame.loc[[1, 2, 60], "x"] = np.nan
    frame.loc[8:11, "sex"] = None
    frame.loc[9, "case"] = np.nan
    with pytest.raises(mse.InvalidTableError) as caught:
        table(frame, "x", "sex", cluster="case")
    told = caught.value.problems
    assert [each.split(" of 180")[0] for each in told] == [
        "Whether 2",
        "Covariate 'x' is missing of 3",
        "Covariate 'sex' is missing of 4",
        "The cluster 'case' is missing of 1",
    ]
    assert all("mse.pool" in each for each in told[:3])


def test_nobody_on_a_list_and_unknown_columns() -> None:
    frame = pd.concat([two_lists(), pd.DataFrame({"a": [0], "b": [0], "x": [0.0]})])
    with pytest.raises(mse.InvalidTableError, match="1 of 181 persons are on no list"):
        table(frame)
    with pytest.raises(mse.InvalidTableError, match="'agee'"):
        table(frame, "agee")


def test_what_it_shows_has_no_rows() -> None:
    secret = 0.123456
    frame = two_lists().assign(x=secret, case=[f"case-{n}" for n in range(180)])
    held = table(frame, "x", cluster="case")
    assert repr(held) == "PersonTable(lists: a, b; x; 180 observed; 180 clusters by case)"
    fit = mse.DoublyRobust("1").fit(held)
    said = [
        repr(held),
        repr(fit),
        fit.summary(),
        fit._repr_html_(),
        fit.population.to_json(draws=True),
    ]
    assert not any("0.123" in each or "case-" in each for each in said)


def test_counted_and_fewer_lists() -> None:
    held = load("persons")
    assert held.counted("age").collapse("age") == held.counted()
    assert held.keep_lists(["border", "care"]).counted() == held.counted().keep_lists(
        ["border", "care"]
    )
    with pytest.raises(mse.InvalidTableError, match="severity"):
        held.counted("severity")


# Huggins-Alho ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "word"),
    [
        ("age +", "cannot be read"),
        ("agee", "names agee"),
        ("severity - 1", "intercept"),
        ("a ~ b", "several parts"),
    ],
)
def test_formulas_that_cannot_be(formula: str, word: str) -> None:
    for estimator in (mse.HugginsAlho(formula), mse.DoublyRobust(formula)):
        with pytest.raises(mse.ModelError, match=word):
            estimator.fit(load("persons"))


def test_units_and_order_of_lists_change_nothing() -> None:
    frame = persons().assign(scaled=lambda each: 1e6 - 1e4 * each["severity"])
    held = mse.PersonTable.from_frame(frame, LISTS[::-1], ["scaled", "age"])
    for slopes in ("common", "by list"):
        known = mse.HugginsAlho("severity + age", slopes).fit(load("persons"))
        other = mse.HugginsAlho("scaled + age", slopes).fit(held)
        assert other.population.total == pytest.approx(known.population.total, rel=1e-7)
        assert other.variance == pytest.approx(known.variance, rel=1e-5)
        slope = other.coefficients.query("term == 'scaled'")["estimate"].to_numpy()[::-1]
        before = known.coefficients.query("term == 'severity'")["estimate"].to_numpy()
        assert slope * -1e4 == pytest.approx(before, rel=1e-6)


def test_without_overlap_there_is_no_estimate() -> None:
    fit = mse.HugginsAlho("x").fit(table(two_lists(both=0), "x"))
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")
    assert np.isnan(fit.population.total)
    assert fit.reason


def test_overlap_on_one_side_of_a_covariate_only() -> None:
    # Persons with x above 0 are on both lists or the first, the others on one list only: how many others
    # there are the lists do not tell, whatever the slope.
    frame = two_lists()
    apart = np.where((frame["a"] + frame["b"] == 2), 1.0, -1.0) * (0.5 + np.abs(frame["x"]))
    fit = mse.HugginsAlho("x", "by list").fit(table(frame.assign(x=apart), "x"))
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")


def test_columns_that_repeat_each_other_leave_the_total() -> None:
    frame = two_lists().assign(y=lambda each: 2 * each["x"] + 1)
    once = mse.HugginsAlho("x").fit(table(frame, "x", "y"))
    twice = mse.HugginsAlho("x + y").fit(table(frame, "x", "y"))
    assert (once.status, twice.status) == ("ok", "boundary")
    assert twice.population.total == pytest.approx(once.population.total, rel=1e-9)
    assert "x (all)" in twice.reason


def test_a_level_that_is_on_a_list_never_is_on_the_boundary() -> None:
    # Minors are on b and c only: their chance of a is 0, and their number rests on b and c.
    rng = np.random.default_rng(5)
    on = rng.random((3000, 3)) < [0.4, 0.5, 0.3]
    minor = rng.random(3000) < 0.3
    on[minor, 0] = False
    frame = pd.DataFrame(on.astype(int), columns=["a", "b", "c"])
    frame["age"] = np.where(minor, "minor", "adult")
    frame = frame[on.any(axis=1)]
    fit = mse.HugginsAlho("age", "by list").fit(table(frame, "age"))
    assert fit.status == "boundary"
    alone = frame[frame["age"] == "minor"].drop(columns="a")
    known = mse.LincolnPetersen().fit(table(alone).counted()).population.hidden
    assert fit.population.by.set_index("age")["hidden"]["minor"] == pytest.approx(known, rel=1e-8)


# Doubly robust -----------------------------------------------------------------------------------


def test_pairs_are_all_shown_and_one_is_named() -> None:
    fit = mse.DoublyRobust(pair=("care", "police")).fit(load("persons"))
    assert len(fit.pairs) == 3
    assert fit.pair == ("care", "police")
    assert fit.population.total == pytest.approx(fit.pairs["total"][0])
    assert "care and police" in fit.population.warnings[0]
    with pytest.raises(mse.ModelError, match="two of the lists"):
        mse.DoublyRobust(pair=("care", "navy")).fit(load("persons"))


def test_dependence_moves_the_hidden_in_proportion() -> None:
    fit = mse.DoublyRobust().fit(table(two_lists(), "x"))
    shown = fit.dependence([0.5, 1, 2]).set_index("odds_ratio")
    assert shown["total"][1] == pytest.approx(fit.population.total)
    assert (shown["low"][1], shown["high"][1]) == pytest.approx(fit.population.interval())
    hidden = shown["total"] - 180
    assert hidden[2] / hidden[1] == pytest.approx(2)
    with pytest.raises(mse.ModelError, match="positive"):
        fit.dependence([-1])


def test_a_pair_without_overlap_or_with_next_to_none_has_no_estimate() -> None:
    apart = mse.DoublyRobust().fit(table(two_lists(both=0), "x"))
    assert (apart.status, apart.limit) == ("not_estimable", "infinite")
    frame = two_lists()
    side = np.where((frame["a"] + frame["b"] == 2) | (np.arange(180) % 2 == 0), "f", "m")
    nobody_of_m = table(frame.assign(sex=side), "sex")
    fit = mse.DoublyRobust().fit(nobody_of_m)
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")
    assert "hardly seen on both" in fit.reason
    assert np.isnan(fit.dependence()["total"]).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"learner": "bosting"},
        {"folds": 0},
        {"floor": 0},
        {"learner": ("logistic",)},
        {"learner": object()},
        {"alike": 3},
        {"alike": -1},
        {"alike": 50.5},
        {"alike": None},
        {"folds": math.nan},
        {"folds": "5"},
        {"floor": "low"},
        {"seed": -1},
        {"seed": "x"},
        {"learner": Ellipsis.__class__},
    ],
)
def test_settings_that_cannot_be(settings: dict) -> None:
    with pytest.raises(mse.ModelError, match="expected"):
        mse.DoublyRobust(**settings)


@pytest.mark.parametrize("estimator", [mse.DoublyRobust(3), mse.HugginsAlho(3)])
def test_a_formula_is_text(estimator: Any) -> None:
    with pytest.raises(mse.ModelError, match="expected text such as"):
        estimator.fit(table(two_lists(), "x"))


def test_a_level_of_one_person_leaves_an_interval() -> None:
    # In the part that is learned without that person its column is zero.
    level = np.where(np.arange(180) == 3, "z", "f")
    fit = mse.DoublyRobust("sex").fit(table(two_lists().assign(sex=level), "sex"))
    assert fit.status == "ok"
    assert np.isfinite(fit.population.interval()).all()


@pytest.mark.parametrize("folds", [2, 5, 50])
@pytest.mark.parametrize("size", [12, 20, 40])
def test_few_persons_are_learned_from_without_certainty(size: int, folds: int) -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(size)
    on = rng.random((4 * size, 2)) < 0.5
    frame = pd.DataFrame(on[on.any(axis=1)][:size] * 1, columns=["a", "b"])
    frame["x"] = rng.normal(size=size)
    fit = mse.DoublyRobust(learner="boosting", folds=folds, alike=10).fit(table(frame, "x"))
    if fit.status == "ok":
        low, high = fit.population.interval()
        # In each part the persons of the pair are seen by chance: never is the number known.
        assert high - low > 1


def test_a_learner_of_scikit_learn_gives_what_the_own_one_gives() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    learner = linear.LogisticRegression(C=1e8, tol=1e-10, max_iter=1000)
    own, other = (
        mse.DoublyRobust(learner=each, alike=0).fit(load("persons"))
        for each in ("logistic", learner)
    )
    assert other.population.total == pytest.approx(own.population.total, rel=1e-4)


class Flat:
    """A learner that learns nothing but the mean."""

    def fit(self, columns: np.ndarray, yes: np.ndarray) -> Flat:  # noqa: ARG002
        self.mean = float(yes.mean())
        return self

    def predict_proba(self, columns: np.ndarray) -> np.ndarray:
        return np.tile([1 - self.mean, self.mean], (len(columns), 1))


def bent(seed: int, size: int = 8000) -> mse.PersonTable:
    """Two lists whose chances differ alike between two groups that a flat learner does not tell apart."""
    rng = np.random.default_rng(seed)
    group = rng.random(size) < 0.5
    on = rng.random((size, 2)) < np.where(group[:, None], [0.6, 0.5], [0.2, 0.15])
    frame = pd.DataFrame(on * 1, columns=["a", "b"]).assign(x=group * 1.0)
    return mse.PersonTable.from_frame(frame[on.any(axis=1)], ["a", "b"], ["x"])


def test_what_both_learners_get_wrong_is_taken_out() -> None:
    found = [mse.DoublyRobust(learner=Flat()).fit(bent(seed)) for seed in range(6)]
    plain = [mse.DoublyRobust(learner=Flat(), alike=0).fit(bent(seed)) for seed in range(6)]
    assert all(each.population.interval()[1] < 8000 for each in plain)
    means = [np.mean([each.population.total for each in fits]) for fits in (plain, found)]
    errors = [math.sqrt(np.mean([each.variance for each in fits]) / 6) for fits in (plain, found)]
    assert means[0] < 8000 - 5 * errors[0]
    assert abs(means[1] - 8000) < 3 * errors[1]
    assert found[0].moved == pytest.approx(found[0].population.total - plain[0].population.total)
    assert plain[0].moved == 0
    # With the groups as cells it is the sum of Lincoln-Petersen over them, but for pairs of one person.
    table = bent(0)
    by_group = mse.DoublyRobust("C(x)", folds=1).fit(table).population.total
    assert found[0].population.total == pytest.approx(by_group, rel=0.01)
    assert any("both lists at once" in text for text in found[0].population.warnings)


def test_pairs_of_different_persons_are_summed() -> None:
    from mse.individual.second_order import corrected

    rng = np.random.default_rng(4)
    on = rng.random((40, 2)) < 0.6
    on[~on.any(axis=1), 0] = True
    chances, counts = rng.uniform(0.3, 0.9, (40, 2)), rng.integers(1, 4, 40)
    folds, units = rng.integers(0, 2, 40), rng.integers(0, 15, 40)
    cell = rng.integers(0, 3, 40)
    each = np.repeat(np.arange(40), counts)
    a, b = on[each].T.astype(float)
    p, q = chances[each].T
    left, right = b * (a / p - 1), a * (b / q - 1)
    for clusters in (np.full(40, -1), units):
        found = corrected(on.astype(float), chances, counts, folds, clusters, cell)
        who = np.arange(len(each)) if clusters[0] < 0 else clusters[each]
        pair = (
            (who[:, None] != who)
            & (folds[each][:, None] == folds[each])
            & (cell[each][:, None] == cell[each])
        )
        for at in range(3):
            inside = cell[each] == at
            wrong = (np.outer(left, right) * (pair & inside)).sum()
            sizes = np.bincount(folds[each][inside])
            more = inside.sum() ** 2 / (sizes**2).sum()
            product = wrong * more / ((a * b)[inside].sum() + 1)
            assert (counts * found.part)[cell == at].sum() == pytest.approx(product)
            if clusters[0] < 0:
                squares = (np.outer(left**2, right**2) * (pair & inside)).sum()
                loose = math.sqrt(squares) * more / ((a * b)[inside].sum() + 1)
                assert found.loose[at] == pytest.approx(loose)
            # Each product is of two persons, and there are more of them by one who is on both lists.
            both = (a * b)[inside].sum()
            known = 2 * product - product * both / (both + 1)
            assert (counts * found.influence)[cell == at].sum() == pytest.approx(known)


def test_cells_hold_persons_alike_and_enough_of_them() -> None:
    from mse.individual.second_order import cells_alike

    rng = np.random.default_rng(2)
    columns = np.column_stack([np.ones(500), rng.integers(0, 2, 500), rng.normal(size=500)])
    counts = rng.integers(1, 3, 500)
    cell = cells_alike(columns, counts, 40)
    sizes = np.bincount(cell, counts)
    assert sizes.min() >= 40
    assert sizes.max() < 2 * 40 + 2
    # The levels of a covariate of two are told apart.
    assert all(len({*columns[cell == each, 1]}) == 1 for each in range(len(sizes)))
    assert cells_alike(np.ones((30, 1)), np.ones(30, dtype=int), 10).max() == 0


def test_the_correction_is_shared_among_strata() -> None:
    rng = np.random.default_rng(3)
    table = bent(1)
    frame = table.frame.assign(a=table.on[:, 0] * 1, b=table.on[:, 1] * 1)
    frame = frame.loc[np.repeat(np.arange(len(frame)), table.counts)]
    frame["sex"] = rng.choice(["f", "m"], len(frame))
    fit = mse.DoublyRobust("x", learner=Flat()).fit(
        mse.PersonTable.from_frame(frame, ["a", "b"], ["x", "sex"])
    )
    covariance = fit.population.strata.covariance
    assert np.sum(covariance) == pytest.approx(fit.variance)
    assert (fit.pairs["low"][0], fit.pairs["high"][0]) == pytest.approx(fit.population.interval())
    assert fit.dependence([1])["high"][0] == pytest.approx(fit.population.interval()[1])


def test_boosting_without_scikit_learn_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.ensemble", None)
    with pytest.raises(mse.MissingDependencyError, match=r"multiple-systems\[learners\]"):
        mse.DoublyRobust(learner="boosting").fit(table(two_lists(), "x"))


# Clusters ----------------------------------------------------------------------------------------


def test_clusters_of_one_are_no_clusters() -> None:
    frame = two_lists().assign(case=range(180))
    free, single = table(frame, "x"), table(frame, "x", cluster="case")
    robust = mse.DoublyRobust(folds=1)
    assert robust.fit(single).variance == pytest.approx(robust.fit(free).variance)
    # The variance by scores and the one by the information agree in expectation only.
    widths = [mse.HugginsAlho("x").fit(each).variance for each in (free, single)]
    assert widths[1] == pytest.approx(widths[0], rel=0.3)


def test_persons_who_come_in_threes_count_as_one() -> None:
    frame = two_lists()
    thrice = frame.loc[frame.index.repeat(3)].assign(case=np.repeat(np.arange(180), 3))
    once, whole = table(frame), table(thrice, cluster="case")
    known = mse.DoublyRobust(folds=1).fit(once)
    fit = mse.DoublyRobust(folds=1).fit(whole)
    assert fit.population.total == pytest.approx(3 * known.population.total)
    assert fit.variance == pytest.approx(9 * known.variance)
    estimates = [mse.bootstrap(mse.HugginsAlho(), each, 300, seed=2) for each in (once, whole)]
    spread = [np.std(np.log(each.draws - each.observed)) for each in estimates]
    assert spread[1] == pytest.approx(spread[0], rel=0.2)
    apart = mse.bootstrap(mse.HugginsAlho(), whole.clustered_by(None), 100, seed=2)
    assert apart.draws.std() < 0.75 * estimates[1].draws.std()


def test_cluster_of_a_bootstrap_is_a_covariate() -> None:
    frame = two_lists().assign(case=[f"c{n // 3}" for n in range(180)])
    by_name = mse.bootstrap(mse.HugginsAlho(), table(frame, "case"), 20, cluster="case", seed=1)
    made = mse.bootstrap(
        mse.HugginsAlho(), table(frame, cluster="case"), 20, cluster="case", seed=1
    )
    assert by_name.draws.std() > 0
    assert made.draws.std() > 0
    with pytest.raises(mse.ModelError, match="counts"):
        mse.bootstrap(mse.LincolnPetersen(), table(frame).counted(), 20, cluster="case")


@pytest.mark.parametrize("resampling", ["population", "multinomial"])
def test_bootstrap_has_the_width_of_the_formula(resampling: str) -> None:
    p = mse.HugginsAlho("severity").fit(load("persons"))
    drawn = mse.bootstrap(p.estimator, p.table, 150, resampling, seed=4)
    assert drawn.draws.std() == pytest.approx(np.sqrt(p.variance), rel=0.35)
    assert drawn.stratum_draws.shape == (150, 2)
    with pytest.raises(mse.ModelError, match="population"):
        mse.bootstrap(p.estimator, p.table, 20, "parametric")


# Side by side ------------------------------------------------------------------------------------


def test_compare_shows_others_the_lists_alone() -> None:
    found = mse.compare(
        load("persons"), [mse.LogLinear("main"), "HugginsAlho()", mse.DoublyRobust()]
    )
    totals = found.to_frame()["total"]
    assert totals.iloc[0] == pytest.approx(totals.iloc[1], rel=1e-7)
    assert json.loads(json.dumps(found.to_dict()))
    assert "Huggins-Alho" in found.summary()


def test_estimators_of_persons_say_what_they_take() -> None:
    for estimator in (mse.HugginsAlho(), mse.DoublyRobust()):
        with pytest.raises(mse.ModelError, match="PersonTable"):
            estimator.fit(mse.load_dataset("kosovo"))
        one = load("persons").keep_lists(["care"])
        with pytest.raises(mse.ModelError, match="two or more"):
            estimator.fit(one)


def test_no_learner_is_the_usual_one() -> None:
    assert mse.DoublyRobust(learner=None) == mse.DoublyRobust()
