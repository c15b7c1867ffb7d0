"""One register: the estimator, its answers, and persons drawn anew."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app
from mse.comparing import Bootstrapped
from mse.errors import ModelError
from tests.estimators import load

if TYPE_CHECKING:
    from pathlib import Path

MIGRANTS = mse.load_dataset("irregular_migrants")
PLAIN = mse.CountTable.from_frequencies({1: 1645, 2: 183, 3: 37, 4: 13, 5: 1, 6: 1})


def drawn(size: int, seed: int, *, mean: float = 0.9, per_cluster: int = 1) -> pd.DataFrame:
    """Persons seen, of whom half have twice the rate; with the same count within clusters."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, size)
    times = rng.poisson(mean * (1 + sex))
    frame = pd.DataFrame(
        {"times": times, "sex": np.where(sex, "m", "f"), "age": rng.normal(30, 8, size)}
    )
    frame = frame.loc[frame.index.repeat(per_cluster)].assign(
        case=np.repeat(np.arange(size), per_cluster)
    )
    return frame[frame["times"] > 0]


def test_strata_and_margins_add_up() -> None:
    p = mse.SingleRegister("poisson", "gender + age + nation").fit(MIGRANTS).population
    assert p.strata is not None
    assert p.strata.names == ("gender", "age", "nation")
    for names in (("gender",), ("nation", "age")):
        found = p.margin(*names)
        assert found["total"].sum() == pytest.approx(p.total)
        assert (found["low"] < found["total"]).all()
    # The parts share coefficients: their variances do not add up to that of the sum.
    whole = p.strata.covariance.of_sums(np.zeros(24, np.int64), 1)  # type: ignore[union-attr]
    assert whole[0] == pytest.approx(
        mse.SingleRegister("poisson", "gender + age + nation").fit(MIGRANTS).variance
    )


def test_a_saturated_category_is_each_level_by_itself() -> None:
    together = mse.SingleRegister("geometric", "gender").fit(MIGRANTS).population.by
    assert together is not None
    for level, table in MIGRANTS.by("gender").items():
        alone = mse.SingleRegister("geometric").fit(table)
        row = together.set_index("gender").loc[level]
        assert row["total"] == pytest.approx(alone.population.total, rel=1e-7)
        assert (row["low"], row["high"]) == pytest.approx(alone.population.interval(), rel=1e-6)


def test_covariates_that_are_not_in_the_formula_do_not_matter() -> None:
    for family in ("poisson", "chao", "one_inflated_chao"):
        one, other = (mse.SingleRegister(family).fit(table) for table in (MIGRANTS, PLAIN))  # type: ignore[arg-type]
        assert one.population.total == pytest.approx(other.population.total)
        assert one.population.strata is None


def test_a_level_without_repeats_leaves_the_others_their_numbers() -> None:
    frame = pd.DataFrame({"times": [1, 2, 3, 1], "n": [60, 20, 5, 9], "place": list("aaab")})
    table = mse.CountTable.from_frame(frame, "times", ["place"], persons="n")
    p = mse.SingleRegister("poisson", "place").fit(table).population
    assert (p.status, p.limit) == ("not_estimable", "infinite")
    assert math.isnan(p.total)
    by = p.by.set_index("place")  # type: ignore[union-attr]
    assert by["status"].tolist() == ["ok", "not_estimable"]
    alone = mse.SingleRegister("poisson").fit(table.where(place="a")).population
    assert by.loc["a", "total"] == pytest.approx(alone.total, rel=1e-6)
    assert (by.loc["a", "low"], by.loc["a", "high"]) == pytest.approx(alone.interval(), rel=1e-4)


def test_dependent_covariates_are_said() -> None:
    frame = drawn(400, 1).assign(twin=lambda f: 2 * f["age"])
    table = mse.CountTable.from_frame(frame, "times", ["age", "twin"])
    fit = mse.SingleRegister("poisson", "age + twin").fit(table)
    assert fit.status == "boundary"
    assert "twin" in fit.reason
    assert math.isnan(fit.coefficients.loc["twin", "estimate"])
    assert fit.population.total == pytest.approx(
        mse.SingleRegister("poisson", "age").fit(table).population.total
    )


def test_units_of_a_covariate_do_not_matter() -> None:
    frame = drawn(800, 2)
    fits = []
    for scale in (1, 1e6):
        table = mse.CountTable.from_frame(frame.assign(age=frame["age"] * scale), "times", ["age"])
        fits.append(mse.SingleRegister("geometric", "age").fit(table))
    one, other = fits
    assert one.population.interval() == pytest.approx(other.population.interval(), rel=1e-8)
    assert one.coefficients.loc["age"].tolist() == pytest.approx(
        (other.coefficients.loc["age"] * 1e6).tolist(), rel=1e-5
    )


def test_those_seen_once_decide_and_that_is_said() -> None:
    said = mse.SingleRegister("poisson").fit(PLAIN).population.warnings
    assert any("9,274" in each and "2,784" in each for each in said)
    # Not where both bounds agree.
    even = mse.CountTable.from_frequencies({1: 1000, 2: 500, 3: 167, 4: 42})
    assert not mse.SingleRegister("poisson").fit(even).population.warnings


def test_what_a_repeated_contact_is_stands_in_every_answer() -> None:
    for each in (
        mse.SingleRegister(),
        mse.SingleRegister("one_inflated_chao"),
        mse.SingleRegisterSearch(),
    ):
        assert any("repeated contact" in text for text in each.fit(PLAIN).population.assumptions)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"family": "binomial"}, "family='binomial' is not known"),
        ({"inflation": "between"}, "inflation='between' is not known"),
        ({"interval": "profile"}, "interval='profile' is not known"),
        ({"formula": " "}, "expected covariates such as"),
        ({"family": "chao", "inflation": "before"}, "one_inflated_chao"),
        ({"family": "one_inflated_chao", "formula": "sex"}, "takes no covariates"),
    ],
)
def test_settings_that_are_not_known_are_refused(settings, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ModelError, match=message):
        mse.SingleRegister(**settings)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("genda", "Did you mean 'gender'"),
        ("gender +", "cannot be read"),
        ("times ~ gender", "several parts"),
        ("__import__('os')", "cannot be read"),
        ("gender.upper()", "cannot be read|which no covariate"),
        ("log(nation)", "cannot be computed"),
    ],
)
def test_formulas_that_cannot_be_read_are_refused(formula: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        mse.SingleRegister("poisson", formula).fit(MIGRANTS)


def test_kinds_of_tables_are_not_mixed_up() -> None:
    korea = mse.load_dataset("korea")
    with pytest.raises(ModelError, match="how often persons were seen in one register"):
        mse.SingleRegister().fit(korea)
    with pytest.raises(ModelError, match="given a CountTable"):
        mse.compare(PLAIN, [mse.LogLinear("main")])
    with pytest.raises(ModelError, match="given a CountTable"):
        mse.bootstrap(mse.LogLinear("main"), PLAIN)
    with pytest.raises(ModelError, match="is a CountTable"):
        mse.validate(PLAIN, [mse.SingleRegister()])


def test_a_search_takes_the_best_that_is_estimable() -> None:
    fit = mse.SingleRegisterSearch(inflations=(None, "after")).fit(PLAIN)
    models = fit.models
    estimable = models["status"] == "ok"
    assert models["bic"][estimable].is_monotonic_increasing
    assert estimable.tolist() == sorted(estimable, reverse=True)
    assert fit.population.total == models["total"][0]
    for bad in (
        {"families": ("chao",)},
        {"inflations": ("zero_one",)},
        {"criterion": "pvalue"},
        {"families": ("x",)},
    ):
        with pytest.raises(ModelError):
            mse.SingleRegisterSearch(**bad)  # type: ignore[arg-type]


def test_estimate_and_compare_take_counts() -> None:
    p = mse.estimate(PLAIN, replicates=40, seed=1)
    assert p.interval_given == "the model re-selected in every replicate"
    shown = mse.compare("irregular_migrants", "all").to_frame()
    assert len(shown) >= 6
    assert shown["lower_bound"].sum() == 2
    boot = Bootstrapped(mse.SingleRegister("chao"), 20)
    assert mse.compare(PLAIN, [boot]).populations[0].interval_kind == "percentile"


# Persons drawn anew ------------------------------------------------------------------------------


@pytest.mark.parametrize("resampling", ["population", "multinomial", "parametric"])
def test_a_bootstrap_agrees_with_the_analytic_error(resampling: str) -> None:
    frame = drawn(1500, 3)
    table = mse.CountTable.from_frame(frame, "times", ["sex"])
    estimator = mse.SingleRegister("poisson", "sex")
    fit = estimator.fit(table)
    p = mse.bootstrap(estimator, table, 400, resampling, seed=1, n_jobs=1)  # type: ignore[arg-type]
    # The last part of the variance is the chance in how many are seen.
    each = np.asarray(p.draws) - (table.n_observed if resampling == "multinomial" else 0)
    error = np.std(each)
    if resampling == "multinomial":
        assert error < math.sqrt(fit.variance)
    else:
        assert error == pytest.approx(math.sqrt(fit.variance), rel=0.12)
    assert p.by["total"].sum() == pytest.approx(p.total)  # type: ignore[index]
    assert np.median(p.draws) == pytest.approx(p.total, rel=0.03)  # type: ignore[arg-type]


def test_clusters_are_drawn_as_a_whole() -> None:
    frame = drawn(300, 4, per_cluster=4)
    estimator = mse.SingleRegister("poisson")
    spread = {}
    for cluster in (None, "case"):
        table = mse.CountTable.from_frame(frame, "times", cluster=cluster)
        p = mse.bootstrap(estimator, table, 300, seed=2, n_jobs=1)
        spread[cluster] = float(np.std(p.draws))  # type: ignore[arg-type]
        assert any("clusters" in each for each in p.warnings) == (cluster is not None)
    # Four persons of one count each tell as much as one: the error is twice as large.
    assert spread["case"] == pytest.approx(2 * spread[None], rel=0.2)


def test_bca_of_persons_and_of_models() -> None:
    for resampling in ("population", "parametric"):
        p = mse.bootstrap(
            mse.SingleRegister("geometric"), PLAIN, 100, resampling, "bca", seed=1, n_jobs=1
        )  # type: ignore[arg-type]
        low, high = p.interval()
        assert low < p.total < high


def test_models_of_some_counts_draw_no_counts() -> None:
    for family in ("chao", "zelterman", "one_inflated_chao"):
        with pytest.raises(ModelError, match="resampling='population'"):
            mse.bootstrap(mse.SingleRegister(family), PLAIN, 20, "parametric")  # type: ignore[arg-type]


def test_a_replicate_chooses_the_family_again() -> None:
    search, chosen = mse.SingleRegisterSearch(), []
    for seed in (6, 7, 8, 9):
        rng = np.random.default_rng(seed)
        times = rng.poisson(rng.gamma(2.0, 0.5, 900))
        table = mse.CountTable.from_frame(pd.DataFrame({"times": times[times > 0]}), "times")
        fit = search.fit(table)
        drawn = next(fit.drawing("population").batches(np.random.default_rng(1), 60))
        chosen.append(len(set(fit.refitter()(drawn).chosen.tolist())))
    # Of some tables every replicate chooses the same one.
    assert max(chosen) > 1
    assert (
        mse.bootstrap(search, table, 40, candidates=1, seed=1, n_jobs=1).interval_kind
        == "percentile"
    )


def test_an_estimate_of_counts_leaves_protected() -> None:
    p = mse.SingleRegister("geometric", "gender").fit(MIGRANTS).population
    shown = mse.disclosure.protect(p, mse.disclosure.rules("cbs"), table=MIGRANTS)
    assert shown.total % 5 == 0
    assert abs(shown.total / p.total - 1) < 0.02
    low, high = shown.interval(0.95)
    assert low <= p.interval(0.95)[0]
    assert high >= p.interval(0.95)[1]
    assert "1,880" in shown.summary()
    both = mse.compare(MIGRANTS, [mse.SingleRegister("chao"), mse.SingleRegister("zelterman")])
    assert len(mse.disclosure.protect(both, mse.disclosure.rules("cbs")).to_frame()) == 2


def test_who_takes_it_for_lists_is_told_so() -> None:
    persons = load("persons")
    wrong = (
        lambda: mse.LogLinear("main").fit(MIGRANTS),
        lambda: mse.LogLinear("main").fit(persons),
        lambda: mse.bounds(persons),
        lambda: mse.sensitivity.leave_one_out(mse.SingleRegister(), MIGRANTS),
        lambda: mse.diagnostics.overlaps(MIGRANTS),
    )
    for each in wrong:
        with pytest.raises(ModelError, match="a CaptureTable of overlapping lists is expected"):
            each()
    assert not hasattr(MIGRANTS, "shape")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        MIGRANTS.nothing  # noqa: B018


def test_a_run_on_counts_is_noted_in_the_private_bundle(tmp_path: Path) -> None:
    options = ("--disclosure", "cbs", "--private", str(tmp_path / "kept.json"))
    found = CliRunner().invoke(
        app, ["compare", "irregular_migrants", "--covariates", "gender", *options]
    )
    assert found.exit_code == 0, found.output
    by_gender = MIGRANTS.collapse("age", "reason", "nation")
    assert by_gender.fingerprint in (tmp_path / "kept.json").read_text(encoding="utf-8")


# What cannot be meant -----------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_nobody_is_hidden_where_means_are_huge(family: str) -> None:
    table = mse.CountTable.from_frequencies({1: 5, 1000: 1})
    population = mse.SingleRegister(family, inflation="zero_one").fit(table).population  # type: ignore[arg-type]
    assert population.total == 6
    assert population.interval() == (6, 6)


def test_a_bound_without_anybody_seen_three_times_is_not_sure() -> None:
    population = (
        mse.SingleRegister("one_inflated_chao")
        .fit(mse.CountTable.from_frequencies({1: 50, 2: 30}))
        .population
    )
    assert population.status == "boundary"
    low, high = population.interval()
    # Had one been seen three times the figure would be a third: both are within.
    third = 80 + (population.total - 80) / 3
    assert low < third < population.total < high
    assert high > 5 * population.total


def test_covariates_are_left_out() -> None:
    whole = mse.load_dataset("irregular_migrants")
    table = whole.collapse("reason", "nation")
    assert [*table.covariates] == ["gender", "age"]
    assert table.frequencies == whole.frequencies
    estimator = mse.SingleRegister("poisson", "gender + age")
    assert estimator.fit(table).population.total == pytest.approx(
        estimator.fit(whole).population.total
    )
    with pytest.raises(mse.InvalidTableError, match="nothing"):
        whole.collapse("nothing")
