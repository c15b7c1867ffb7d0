"""Tables that are known in part: what could be seen, fits, words."""

from __future__ import annotations

import json
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import mse
from mse.data.columns import UNBOUNDED
from mse.data.operating import operating_lists
from mse.errors import InvalidTableError, ModelError
from mse.loglinear.fit import IncompleteLogLinearFit, fit_partly_known
from mse.loglinear.partly_known import look_at, make_data, observable_cells, whole_persons
from mse.models.terms import parse_model
from mse.redrawing import drawing_of
from tests.chance import FAR, RARE, error_of_spread

LISTS = ["police", "kmar", "care"]
ASSOCIATED = "police*sex + kmar*sex + care*sex + year"


def people(rng: np.random.Generator, size: int = 6000) -> pd.DataFrame:
    """Simulate persons over years and sexes, all known, those on no list too."""
    frame = pd.DataFrame(
        {"year": rng.choice([2016, 2017, 2018], size), "sex": rng.choice(["f", "m"], size)}
    )
    chances = {"police": 0.25, "kmar": 0.15, "care": 0.3}
    for name, chance in chances.items():
        on = rng.random(size) < chance * np.where(frame["sex"] == "f", 1.5, 1)
        frame[name] = on.astype(object)
    return frame


def seen_by(frame: pd.DataFrame) -> mse.CaptureTable:
    on = frame[LISTS].eq(True).any(axis=1)
    return mse.CaptureTable.from_frame(frame[on], LISTS, ["year", "sex"])


@pytest.fixture
def incomplete(rng: np.random.Generator) -> mse.CaptureTable:
    """Care is silent in 2018, and a fifth of the persons lack their sex."""
    frame = people(rng)
    frame.loc[frame["year"] == 2018, "care"] = None
    frame.loc[rng.random(len(frame)) < 0.2, "sex"] = None
    return seen_by(frame)


def suppressed(table: mse.CaptureTable) -> mse.CaptureTable:
    frame = table.to_frame()
    frame["n"] = [str(n) if n >= 40 else "<40" for n in frame["n"]]
    return mse.CaptureTable.from_frame(frame, list(table.lists), list(table.covariates), "n")


def bounded_scotland() -> mse.CaptureTable:
    frame = mse.load_dataset("scotland_pwid").to_frame()
    alone = frame[["S1", "S2", "S3"]].sum(axis=1) == 0
    frame["n_low"], frame["n_high"] = np.where(alone, 0, frame["n"]), frame["n"]
    return mse.CaptureTable.from_frame(
        frame, ["S1", "S2", "S3", "S4"], ["region", "sex", "age"], ("n_low", "n_high")
    )


# What could be seen -----------------------------------------------------------------------------


def test_a_list_unknown_for_everybody_of_a_year_did_not_operate(incomplete) -> None:
    operating = operating_lists(incomplete)
    assert operating[:2].all()
    assert operating[2].tolist() == [True] * 4 + [False] * 2
    seen = look_at(incomplete)
    hidden = np.flatnonzero(~seen.observable) // 6
    # On no list everywhere; on care only in 2018.
    assert np.bincount(hidden, minlength=8).tolist() == [6, 2, 0, 0, 0, 0, 0, 0]


def test_a_year_of_which_one_sex_was_not_seen_is_silent_too(rng) -> None:
    frame = people(rng)
    frame.loc[frame["year"] == 2018, "care"] = None
    table = seen_by(frame[(frame["year"] != 2018) | (frame["sex"] == "f")])
    assert operating_lists(table)[2].tolist() == [True] * 4 + [False] * 2


def test_a_list_silent_for_one_sex_in_one_year(rng) -> None:
    frame = people(rng)
    frame.loc[(frame["year"] == 2018) & (frame["sex"] == "m"), "care"] = None
    assert operating_lists(seen_by(frame))[2].tolist() == [True] * 5 + [False]


def test_memberships_missing_at_random_silence_no_rare_stratum(rng) -> None:
    frame = people(rng)
    frame.loc[rng.random(len(frame)) < 0.3, "care"] = None
    rare = frame[(frame["year"] == 2018) & (frame["sex"] == "m") & frame["police"].eq(True)]
    frame = frame[(frame["year"] != 2018) | (frame["sex"] != "m")]
    one = rare.iloc[[0]].assign(care=None)
    table = seen_by(pd.concat([frame, one]))
    assert operating_lists(table).all()


def test_records_with_a_known_membership_are_in_no_stratum_without_the_list(rng) -> None:
    frame = people(rng)
    frame.loc[frame["year"] == 2018, "care"] = None
    known = frame["care"].notna() & (rng.random(len(frame)) < 0.3)
    frame["year"] = frame["year"].astype(object)
    frame.loc[known, "year"] = None
    seen = look_at(seen_by(frame))
    boxes = seen.observations
    for o, pattern in enumerate(boxes.patterns):
        cells = boxes.boxes[boxes.first[o] : boxes.first[o + 1]]
        years = set((cells[cells >= 0] % 6 // 2).tolist())
        if pattern[3] < 0:
            assert years == ({0, 1} if pattern[2] >= 0 else {0, 1, 2})


def test_a_list_is_taken_to_operate_where_records_say_so_after_all() -> None:
    """Every year lacks care, and a record of an unknown year has it."""
    table = mse.CaptureTable(
        ("police", "care"),
        {"year": (1, 2)},
        np.array([[1, -1, 0], [1, -1, 1], [1, 1, -1], [0, 1, -1]]),
        np.array([5, 6, 2, 3]),
        np.array([5, 6, 2, 3]),
    )
    assert look_at(table).operating.all()


def test_observable_cells_follow_from_the_lists_that_operate() -> None:
    operating = np.array([[True, True], [True, False]])
    assert observable_cells(operating, 2).reshape(4, 2).tolist() == [
        [False, False],
        [True, False],
        [True, True],
        [True, True],
    ]


def test_patterns_of_too_many_cells_are_refused() -> None:
    lists = tuple(f"l{i}" for i in range(14))
    covariates = {name: tuple(range(60)) for name in "xyz"}
    patterns = np.full((1, 17), -1)
    patterns[0, 0] = 1
    table = mse.CaptureTable(lists, covariates, patterns, np.array([3]), np.array([3]))
    with pytest.raises(ModelError, match="stand for"):
        look_at(table)


def test_the_kind_of_record_is_a_factor_only_beside_counts_within_bounds(incomplete) -> None:
    design = mse.LogLinear(ASSOCIATED).fit(incomplete)._layout.core
    assert make_data(look_at(incomplete), design)[1] == 1
    assert make_data(look_at(suppressed(incomplete)), design)[1] == 2
    assert make_data(look_at(bounded_scotland()), design)[1] == 1


# Fits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "model"),
    [
        ("kosovo", "[123,14,34]"),
        ("korea", "[12,23]"),
        ("scotland_pwid", "all two-way"),
        ("spina_bifida", "S1*S2 + S3 + ethnicity"),
        ("artificial_3", "[12,3]"),
    ],
)
def test_incompleteness_switched_off_is_the_complete_fit(dataset: str, model: str) -> None:
    table, estimator = mse.load_dataset(dataset), mse.LogLinear(model)
    fit = estimator.fit(table)
    assert type(fit).__name__ == "LogLinearFit"
    structure = parse_model(model, table.lists, tuple(table.covariates))
    other = fit_partly_known(estimator, table, structure)
    assert (other.status, other.limit) == (fit.status, fit.limit)
    assert (other.df_residual, other.df_adjusted) == (fit.df_residual, fit.df_adjusted)
    assert other.fitted == pytest.approx(fit.fitted, rel=1e-12, nan_ok=True)
    for name in ("deviance", "aic", "aicc", "bic"):
        assert getattr(other, name) == pytest.approx(getattr(fit, name), abs=1e-9)
    if fit.status == "ok":
        assert other.coefficients.to_numpy() == pytest.approx(fit.coefficients, abs=1e-12)
        assert other.standard_error == pytest.approx(fit.standard_error, rel=1e-10)
        assert other.population.interval() == pytest.approx(fit.population.interval(), rel=1e-8)
        if fit.population.by is not None:
            numbers = ["observed", "hidden", "low", "high"]
            assert np.allclose(other.population.by[numbers], fit.population.by[numbers], rtol=1e-9)


def test_no_row_of_a_known_table_is_partly_known_is_bitwise_the_same(rng) -> None:
    table = seen_by(people(rng))
    again = mse.CaptureTable(
        table.lists, table.covariates, table.patterns, table.low, table.high.copy()
    )
    one, two = (mse.LogLinear(ASSOCIATED).fit(each) for each in (table, again))
    assert (one.fitted == two.fitted).all()


def test_missing_sex_and_a_silent_list_are_no_loss_of_the_truth(incomplete) -> None:
    fit = mse.LogLinear(ASSOCIATED).fit(incomplete)
    assert isinstance(fit, IncompleteLogLinearFit)
    assert fit.status == "ok"
    p = fit.population
    low, high = p.interval(1 - RARE)
    assert low < 6000 < high
    assert p.interval_kind == "profile"
    assert p.by["observed"].sum() == p.observed == incomplete.n_observed
    assert p.by["hidden"].sum() == pytest.approx(p.hidden)
    assert p.by["total"].sum() == pytest.approx(p.total)
    # Read as zeros the missing memberships halve the third year's overlap, and a quarter of it is lost.
    frame = incomplete.to_frame()
    frame["care"] = frame["care"].fillna(0)
    zeros = mse.CaptureTable.from_frame(frame, LISTS, ["year", "sex"], "n")
    wrong = mse.LogLinear(ASSOCIATED).fit(zeros).population
    third = p.margin("year").loc[2]
    spread = np.log(third["high"] / third["low"]) / 3.92
    assert abs(np.log(third["total"] / 2000)) < FAR * spread
    assert wrong.margin("year")["total"][2] < 0.85 * third["total"]


def test_fitted_means_coefficients_and_criteria_belong_together(incomplete) -> None:
    fit = mse.LogLinear(ASSOCIATED).fit(incomplete)
    b = fit.coefficients
    assert fit.fitted[0, 0, 0, 0, 0] == pytest.approx(np.exp(b["intercept"]))
    eta = b["intercept"] + b["police"] + b["sex=m"] + b["police:sex=m"] + b["year=2018"]
    assert fit.fitted[1, 0, 0, 2, 1] == pytest.approx(np.exp(eta))
    p = fit.n_parameters
    assert fit.aic == pytest.approx(2 * p - 2 * fit.log_likelihood)
    assert fit.bic - fit.aic == pytest.approx(p * (np.log(incomplete.n_observed) - 2))
    assert fit.aicc > fit.aic
    # Three lists in four strata, two in the last two.
    assert fit.df_residual == 4 * 7 + 2 * 3 - p
    assert fit.df_adjusted == fit.df_residual
    assert 0 < fit.deviance < 100
    assert "deviance" in fit.summary()


def test_total_of_the_unseen_is_the_sum_of_their_means(incomplete) -> None:
    fit = mse.LogLinear("main").fit(incomplete)
    unseen = ~look_at(incomplete).observable.reshape(incomplete.shape)
    assert fit.fitted[unseen].sum() == pytest.approx(fit.population.hidden)
    assert fit.fitted[~unseen].sum() == pytest.approx(incomplete.n_observed)


def test_standard_error_is_that_of_the_curvature_of_the_profile(incomplete) -> None:
    fit = mse.LogLinear("main").fit(incomplete)
    curve = fit.profile_curve()
    spread = fit.standard_error / fit.population.hidden
    h = 0.1 * spread
    second = (curve(curve.mode + h) + curve(curve.mode - h) - 2 * curve.peak) / h**2
    assert second == pytest.approx(-1 / spread**2, rel=0.02)


def test_lognormal_interval_can_be_asked_for(incomplete) -> None:
    p = mse.LogLinear("main", interval="lognormal").fit(incomplete).population
    q = mse.LogLinear("main").fit(incomplete).population
    assert p.interval_kind == "lognormal"
    assert p.interval() == pytest.approx(q.interval(), rel=0.01)


def test_suppressed_counts_come_out_near_the_true_ones(incomplete) -> None:
    fit = mse.LogLinear(ASSOCIATED).fit(suppressed(incomplete))
    assert fit.status == "ok"
    exact = mse.LogLinear(ASSOCIATED).fit(incomplete)
    assert fit.fitted.sum() == pytest.approx(fit.population.total)
    # The difference between an efficient estimate and another one has the difference of their variances
    # (Hausman 1978); both are estimated, so a tenth of the larger is added.
    ours, theirs = fit.population.strata, exact.population.strata
    larger, smaller = (np.diag(each.covariance.matrix()) for each in (ours, theirs))
    spread = np.sqrt(np.maximum(larger - smaller, 0.0) + 0.1 * larger)
    # Persons of a count within bounds are among the hidden ones as far as they exceed the lower bound.
    away = ours.observed + ours.hidden - theirs.observed - theirs.hidden
    assert (np.abs(away) <= FAR * spread).all()
    assert fit.population.interval_kind == "lognormal"
    assert any("no profile likelihood" in note for note in fit.population.warnings)
    assert any("completely at random" in note for note in fit.notes)
    with pytest.raises(ModelError, match="within bounds"):
        fit.profile_curve()


def test_narrow_bounds_tend_to_the_exact_counts() -> None:
    table = mse.load_dataset("kosovo")
    exact = mse.LogLinear("[123,14,34]").fit(table)
    frame = table.to_frame()
    for width, accuracy in ((8, 0.02), (1, 0.002)):
        bounds = frame.drop(columns="n").assign(
            low=(frame["n"] - width).clip(lower=0), high=frame["n"] + width
        )
        vague = mse.CaptureTable.from_frame(bounds, list(table.lists), count=("low", "high"))
        found = mse.LogLinear("[123,14,34]").fit(vague)
        assert found.population.total == pytest.approx(exact.population.total, rel=accuracy)


@pytest.mark.parametrize("base", [3, 5])
def test_rounding_widens_the_interval(base: int) -> None:
    table = mse.load_dataset("spina_bifida")
    frame = table.to_frame()
    near = ((frame["n"] / base).round() * base).astype(int)
    frame["low"], frame["high"] = (near - base // 2).clip(lower=1), near + base // 2
    vague = mse.CaptureTable.from_frame(frame, list(table.lists), ["ethnicity"], ("low", "high"))
    model = "S1 + S2*S3 + ethnicity"
    exact = mse.LogLinear(model, interval="lognormal").fit(table)
    found = mse.LogLinear(model).fit(vague)
    assert found.population.total == pytest.approx(exact.population.total, rel=0.02)
    assert found.standard_error > exact.standard_error


def test_upper_bounds_take_persons_out() -> None:
    fit = mse.LogLinear("main").fit(bounded_scotland())
    exact = mse.LogLinear("main").fit(mse.load_dataset("scotland_pwid"))
    assert fit.status == "ok"
    assert fit.population.observed == 4986
    assert 0 < fit.population.total < exact.population.total
    assert fit.population.by["total"].sum() == pytest.approx(fit.population.total)


def test_trends_in_an_incomplete_table(incomplete) -> None:
    model = "police*year + kmar + care + sex"
    line = mse.LogLinear(model, trend={"year": 1}).fit(incomplete)
    full = mse.LogLinear(model, trend={"year": 2}).fit(incomplete)
    factor = mse.LogLinear(model).fit(incomplete)
    assert full.population.total == pytest.approx(factor.population.total, rel=1e-8)
    assert full.log_likelihood == pytest.approx(factor.log_likelihood, abs=1e-8)
    assert line.n_parameters == factor.n_parameters - 2
    assert line.log_likelihood < factor.log_likelihood
    vague = mse.LogLinear(model, trend={"year": 2}).fit(suppressed(incomplete))
    same = mse.LogLinear(model).fit(suppressed(incomplete))
    assert vague.population.total == pytest.approx(same.population.total, rel=1e-6)


def test_order_of_lists_and_levels_makes_no_difference(incomplete) -> None:
    frame = incomplete.to_frame()
    frame["year"] = pd.Categorical(frame["year"], [2018, 2016, 2017], ordered=True)
    turned = mse.CaptureTable.from_frame(frame, LISTS[::-1], ["sex", "year"], "n")
    one, two = (mse.LogLinear(ASSOCIATED).fit(each) for each in (incomplete, turned))
    assert one.population.total == pytest.approx(two.population.total, rel=1e-9)
    assert one.deviance == pytest.approx(two.deviance, abs=1e-5)


def test_a_table_times_ten_scales_the_estimate_by_ten(incomplete) -> None:
    tenfold = mse.CaptureTable(
        incomplete.lists,
        incomplete.covariates,
        incomplete.patterns,
        incomplete.low * 10,
        incomplete.high * 10,
    )
    one, ten = (mse.LogLinear(ASSOCIATED).fit(each) for each in (incomplete, tenfold))
    assert ten.population.total == pytest.approx(10 * one.population.total, rel=1e-9)


# What the data do not determine -----------------------------------------------------------------


def test_a_list_operating_nowhere_leaves_the_others(incomplete) -> None:
    last = incomplete.by("year")[2018]
    fit = mse.LogLinear("main").fit(last)
    assert (fit.status, fit.limit) == ("boundary", "finite")
    assert "Not determined, though the total is: intercept, care" in fit.reason
    assert np.isnan(fit.coefficients["care"])
    without = last.to_frame().drop(columns="care")
    known = mse.CaptureTable.from_frame(without, LISTS[:2], ["sex"], "n")
    assert fit.population.total == pytest.approx(
        mse.LogLinear("main").fit(known).population.total, rel=1e-9
    )
    assert any("Nobody's membership of care is known" in note for note in fit.notes)


def test_interactions_with_a_list_that_says_nothing(incomplete) -> None:
    fit = mse.LogLinear("police*kmar + police*care + kmar*care + sex").fit(
        incomplete.by("year")[2018]
    )
    assert fit.status == "not_estimable"
    assert np.isnan(fit.population.total)
    assert np.isnan(fit.population.interval()).all()
    assert "not exactly" in fit.reason


def test_a_term_of_a_list_with_the_years_it_did_not_operate(incomplete) -> None:
    fit = mse.LogLinear("police*kmar*care + care*year + sex").fit(incomplete)
    by_year = fit.population.margin("year")
    assert fit.status == "not_estimable"
    assert by_year["status"].tolist()[2] == "not_estimable"
    assert "leave such terms out" in fit.reason


def test_strata_that_are_determined_keep_their_numbers(rng) -> None:
    frame = people(rng)
    frame.loc[frame["year"] == 2018, ["kmar", "care"]] = None
    fit = mse.LogLinear("police*year + kmar*year + care*year + sex").fit(seen_by(frame))
    by_year = fit.population.margin("year")
    assert by_year["status"].tolist() == ["boundary", "boundary", "not_estimable"] or by_year[
        "status"
    ].tolist() == ["ok", "ok", "not_estimable"]
    assert by_year["total"][:2].notna().all()
    assert np.isnan(fit.population.total)


def test_a_level_that_nobody_has_is_not_estimable() -> None:
    table = mse.CaptureTable(
        ("a", "b"),
        {"x": ("u", "v", "w")},
        np.array([[0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1], [1, 0, -1]]),
        np.array([3, 4, 5, 6, 7, 8, 2]),
        np.array([3, 4, 5, 6, 7, 8, 2]),
    )
    fit = mse.LogLinear("main").fit(table)
    assert fit.status == "not_estimable"
    assert fit.population.by["status"].tolist() == ["boundary", "boundary", "not_estimable"]
    assert "x=w" in fit.reason
    assert fit.population.to_dict()["total"] is None


def test_counts_that_may_all_be_zero_are_no_estimate() -> None:
    table = mse.CaptureTable.from_counts({"10": "<5", "01": "<5", "11": "<5"}, ["a", "b"])
    fit = mse.LogLinear("main").fit(table)
    assert (fit.status, fit.limit) == ("not_estimable", "zero")
    assert fit.population.observed == 0
    assert fit.deviance == pytest.approx(0)


def test_a_count_without_an_upper_bound_alone_determines_nothing() -> None:
    table = mse.CaptureTable(
        ("a", "b"),
        {},
        np.array([[0, 1], [1, 0], [1, 1]]),
        np.array([20, 30, 5]),
        np.array([20, 30, UNBOUNDED]),
    )
    assert mse.LogLinear("main").fit(table).status == "not_estimable"


def test_contradictory_bounds_are_an_error() -> None:
    frame = pd.DataFrame({"a": [1, 1], "b": [0, 1], "low": [5, 2], "high": [3, 2]})
    with pytest.raises(InvalidTableError, match="below the lower bound"):
        mse.CaptureTable.from_frame(frame, ["a", "b"], count=("low", "high"))


def test_a_covariate_known_for_nobody_is_refused_or_not_estimable() -> None:
    table = mse.CaptureTable(
        ("a", "b"),
        {"x": ("u", "v")},
        np.array([[0, 1, -1], [1, 0, -1], [1, 1, -1]]),
        np.array([30, 40, 20]),
        np.array([30, 40, 20]),
    )
    fit = mse.LogLinear("a + b + x").fit(table)
    assert (fit.status, fit.limit) == ("not_estimable", "indeterminate")
    assert "Not estimable in x=u, x=v" in fit.reason


# Words and shapes -------------------------------------------------------------------------------


def test_the_result_says_what_it_rests_on(incomplete) -> None:
    fit = mse.LogLinear(ASSOCIATED).fit(incomplete)
    text = fit.population.summary()
    words = " ".join(text.split())
    assert "Nobody's membership of care is known in year=2018" in words
    assert "not exactly" in words
    assert "missing at random" in words
    assert fit.reason == ""
    assert repr(fit).startswith("<IncompleteLogLinearFit")


def test_silent_strata_are_named(rng) -> None:
    frame = people(rng)
    frame.loc[(frame["year"] == 2018) & (frame["sex"] == "m"), "care"] = None
    table = seen_by(frame)
    notes = mse.LogLinear("main").fit(table).notes
    there = table.where(year=2018, sex="m").n_observed
    assert f"known in (year=2018, sex=m) (of {there} persons): the list" in notes[0]


def test_json_and_pickle(incomplete) -> None:
    fit = mse.LogLinear(ASSOCIATED).fit(incomplete)
    back = mse.PopulationEstimate.from_json(fit.population.to_json())
    assert back.total == fit.population.total
    assert json.loads(back.to_json()) == json.loads(fit.population.to_json())
    again = pickle.loads(pickle.dumps(fit))  # noqa: S301
    assert again.population.interval() == fit.population.interval()


def test_refits_of_the_same_counts_are_the_fit(incomplete) -> None:
    fit = mse.LogLinear(ASSOCIATED).fit(incomplete)
    counts = fit.resampled()
    found = fit.refitter()(counts[None])
    observed = counts.reshape(-1, 6).sum(axis=0)
    totals = found.hidden[0] + observed
    assert totals.sum() == pytest.approx(fit.population.total, rel=1e-9)
    assert totals == pytest.approx(fit.population.by["total"].to_numpy(), abs=1)
    assert not found.failed.any()
    with pytest.raises(ModelError, match="no candidates"):
        fit.refitter(candidates=3)


@pytest.mark.parametrize("coarsen", [lambda table: table, suppressed])
def test_bootstrap_draws_records_as_they_are(incomplete, coarsen) -> None:
    estimator, table = mse.LogLinear(ASSOCIATED), coarsen(incomplete)
    p = mse.bootstrap(estimator, table, 60, seed=1)
    q = estimator.fit(table).population
    assert p.total == q.total
    assert p.draws.mean() == pytest.approx(q.total, rel=0.02)
    wide = q.interval()[1] - q.interval()[0]
    assert p.draws.std() * 3.92 == pytest.approx(wide, rel=FAR * error_of_spread(1.0, 60) + 0.05)
    assert p.stratum_draws.sum(axis=1).to_numpy() == pytest.approx(p.draws)
    assert p.stratum_draws.mean().to_numpy() == pytest.approx(q.by["total"], rel=0.05)
    again = mse.bootstrap(estimator, table, 60, seed=1, n_jobs=2)
    assert (again.draws == p.draws).all()
    with pytest.raises(ModelError, match="known in part"):
        mse.bootstrap(estimator, table, 5, resampling="parametric")


def test_refits_of_suppressed_counts_are_the_fit(incomplete) -> None:
    table = suppressed(incomplete)
    fit = mse.LogLinear(ASSOCIATED).fit(table)
    counts = fit.resampled()
    found = fit.refitter()(counts[None])
    assert found.hidden.sum() + counts.sum() == pytest.approx(fit.population.total, rel=1e-9)


def test_persons_of_other_fits_are_drawn_from_complete_tables_only(incomplete) -> None:
    with pytest.raises(ModelError, match="does not say how to draw"):
        drawing_of(object(), incomplete, "population")


def test_whole_persons_add_up(rng) -> None:
    numbers = rng.dirichlet(np.ones(7)) * 53
    rounded = whole_persons(numbers)
    assert rounded.sum() == 53
    assert np.abs(rounded - numbers).max() < 1


# Margins ----------------------------------------------------------------------------------------


def margins_of(table: mse.CaptureTable) -> mse.CaptureTable:
    totals = np.diag(table.overlaps().to_numpy())
    return mse.CaptureTable.from_margins(
        dict(zip(table.lists, totals.tolist(), strict=True)), table.n_observed
    )


@pytest.mark.parametrize("dataset", ["kosovo", "korea", "uk", "netherlands_5", "hepatitis_a"])
@pytest.mark.parametrize("interval", ["profile", "lognormal"])
def test_independence_from_margins_is_that_of_the_full_table(dataset: str, interval) -> None:
    table = mse.load_dataset(dataset)
    fit, full = (mse.LogLinear("main", interval).fit(t) for t in (margins_of(table), table))
    assert (fit.status, fit.model) == ("ok", full.model)
    assert fit.population.total == pytest.approx(full.population.total, rel=1e-10)
    assert fit.standard_error == pytest.approx(full.standard_error, rel=1e-9)
    assert fit.coefficients.to_numpy() == pytest.approx(full.coefficients.to_numpy(), abs=1e-9)
    assert fit.fitted == pytest.approx(full.fitted, rel=1e-9)
    assert fit.population.interval() == pytest.approx(full.population.interval(), rel=1e-7)
    assert np.isnan([fit.deviance, fit.aic, fit.aicc, fit.bic]).all()
    assert (fit.n_parameters, fit.df_residual, fit.df_adjusted) == (table.n_lists + 1, 0, 0)


def test_richer_models_of_margins_are_not_estimable() -> None:
    table = margins_of(mse.load_dataset("kosovo"))
    for model in ("[12,3,4]", "all two-way"):
        fit = mse.LogLinear(model).fit(table)
        assert (fit.status, fit.limit) == ("not_estimable", "indeterminate")
        assert "interactions" in fit.reason
        assert np.isnan(fit.population.total)
        assert np.isnan(fit.coefficients).all()
        assert np.isnan(fit.fitted).all()
        assert fit.population.interval_kind == ""


def test_margins_without_overlap_or_with_a_list_of_everybody() -> None:
    apart = mse.LogLinear("main").fit(mse.CaptureTable.from_margins({"a": 5, "b": 7}, 12))
    assert (apart.status, apart.limit) == ("not_estimable", "infinite")
    all_on_one = mse.LogLinear("main").fit(mse.CaptureTable.from_margins({"a": 12, "b": 7}, 12))
    assert (all_on_one.status, all_on_one.limit) == ("not_estimable", "zero")
    assert all_on_one.reason


def test_two_lists_by_margins_are_lincoln_and_petersen() -> None:
    fit = mse.LogLinear("main").fit(mse.CaptureTable.from_margins({"a": 53, "b": 70}, 110))
    assert fit.population.total == pytest.approx(53 * 70 / 13, rel=1e-12)
    assert fit.profile_curve().mode == pytest.approx(np.log(fit.population.hidden), abs=0.05)


def test_nearly_no_overlap_by_margins() -> None:
    fit = mse.LogLinear("main").fit(mse.CaptureTable.from_margins({"a": 9999, "b": 9999}, 19997))
    assert fit.population.total == pytest.approx(9999.0**2, rel=1e-9)


def test_refits_of_the_same_margins_are_the_fit() -> None:
    fit = mse.LogLinear("main").fit(mse.CaptureTable.from_margins({"a": 53, "b": 70}, 110))
    tables = np.asarray([[53.0, 70, 110], [53, 57, 110], [53, 110, 110]])
    found = fit.refitter()(tables)
    assert found.hidden[0, 0] + 110 == pytest.approx(fit.population.total, rel=1e-12)
    assert found.limits[:, 0].tolist() == [0, 1, 2]
    with pytest.raises(ModelError, match="no candidates"):
        fit.refitter(candidates=2)


def test_means_of_many_lists_are_not_laid_out() -> None:
    totals = {f"l{i}": 10 + i for i in range(28)}
    fit = mse.LogLinear("main").fit(mse.CaptureTable.from_margins(totals, 500))
    assert fit.status == "ok"
    with pytest.raises(ModelError, match="do not fit in memory"):
        _ = fit.fitted


def test_unknown_memberships_without_covariates() -> None:
    counts = {(1, 0): 40, (0, 1): 30, (1, 1): 14, (1, None): 9}
    frame = pd.DataFrame([(*row, n) for row, n in counts.items()], columns=["a", "b", "n"])
    table = mse.CaptureTable.from_frame(frame, lists=["a", "b"], count="n")
    fit = mse.LogLinear("main").fit(table)
    # The nine are shared out as the fit says; then the formula of two lists holds.
    share = 9 * 14 / 54
    assert fit.population.total == pytest.approx((40 + 14 + 9) * (44 + share) / (14 + share))


@pytest.mark.fixed_seed  # a world in which 2018 alone has this limit
def test_putting_everybody_on_a_list_that_did_not_report_is_no_limit_of_nobody_hidden() -> None:
    world = mse.simulate.netherlands(years=range(2016, 2020), dropout=mse.simulate.Dropout())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = world.draw(2).table(dropped="unknown").collapse("sex", "age", "nationality")
    fit = mse.LogLinear("all two-way", interval="lognormal").fit(table)
    by_year = fit.population.by.groupby("year")["limit"].agg(set)
    # On no list at all is nobody, on lists that did not report everybody: that does not say how many.
    assert by_year.to_dict() == {
        2016: {"finite"},
        2017: {"finite"},
        2018: {"indeterminate"},
        2019: {"finite"},
    }
