"""Closed-population models: options, closed forms, statuses, what a fit holds."""

from __future__ import annotations

from functools import partial
from itertools import product
from math import comb, exp, inf, isnan, log, sqrt

import numpy as np
import pytest
from scipy.optimize import root
from scipy.special import gammaln

import mse
from mse.classical.closed_fits import COLUMNS, by_list, corrections, exchangeable
from mse.core.dense import (
    Removal,
    fit_dense,
    log_passing,
    refit_unbiased,
    removal_bias,
    removal_correction,
    removal_hidden,
)
from mse.core.profile import FunctionCurve
from tests.chance import FAR

HARE = "snowshoe_hare"


def table(**counts: int) -> mse.CaptureTable:
    """Make a table from histories written as ``h011=3``."""
    histories = {name[1:]: n for name, n in counts.items()}
    n_lists = len(next(iter(histories)))
    lists = "abcdefgh"[:n_lists]
    everything = mse.CaptureTable.from_counts(dict.fromkeys(["1" * n_lists], 1), lists=list(lists))
    dense = np.zeros((2,) * n_lists, dtype=np.int64)
    for history, n in histories.items():
        dense[tuple(map(int, history))] = n
    return everything.with_counts(dense)


def by_number(*numbers: int) -> mse.CaptureTable:
    """Make a table with so many persons on 1, 2, ... lists."""
    n_lists = len(numbers)
    histories = ["h" + "1" * k + "0" * (n_lists - k) for k in range(1, n_lists + 1)]
    return table(**dict(zip(histories, numbers, strict=True)))


# Options -----------------------------------------------------------------------------------------


def test_heterogeneity_is_chao_where_it_is_not_named() -> None:
    assert mse.ClosedPopulation("Mth") == mse.ClosedPopulation("Mth", heterogeneity="chao")
    assert mse.ClosedPopulation().name == "Mth Chao"
    assert mse.ClosedPopulation("Mh", "gamma").name == "Mh Gamma"
    assert mse.ClosedPopulation("Mt").name == "Mt"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "Mtb"}, "'Mtb' is not known; expected one of M0, Mt"),
        ({"heterogeneity": "normal"}, "'normal' is not known; expected one of 'chao'"),
        ({"model": "Mt", "heterogeneity": "chao"}, "goes with Mh and Mth"),
        ({"model": "Mb"}, "depends on the order of the lists.*ordered=True"),
        ({"model": "Mbh"}, "registers that run side by side have no order"),
    ],
)
def test_options_that_cannot_be(options, message) -> None:
    with pytest.raises(mse.ModelError, match=message):
        mse.ClosedPopulation(**options)


def test_all_models() -> None:
    names = [each.name for each in mse.ClosedPopulation.all(ordered=True)]
    assert names[:3] == ["M0", "Mt", "Mh Chao"]
    assert names[-2:] == ["Mb", "Mbh"]
    assert len(names) == 12
    assert len(mse.ClosedPopulation.all()) == 10
    assert all(each.bias_corrected for each in mse.ClosedPopulation.all(bias_corrected=True))


def test_all_models_side_by_side() -> None:
    frame = mse.compare(mse.load_dataset(HARE), mse.ClosedPopulation.all(ordered=True)).to_frame()
    assert frame["model"].tolist()[6:] == [
        "Mth Chao",
        "Mth Poisson",
        "Mth Darroch",
        "Mth Gamma",
        "Mb",
        "Mbh",
    ]
    assert (frame["low"] <= frame["total"]).all()
    assert (frame["total"] <= frame["high"]).all()


def test_other_tables_are_errors() -> None:
    estimator = mse.ClosedPopulation("M0")
    with pytest.raises(mse.ModelError, match=r"no covariates.*table\.by"):
        estimator.fit(mse.load_dataset("spina_bifida"))
    with pytest.raises(mse.ModelError, match="known in part"):
        estimator.fit(mse.CaptureTable.from_margins({"a": 5, "b": 6}, union=9))


def test_too_many_lists_to_write_out() -> None:
    lists = [f"l{i}" for i in range(17)]
    histories = {"1" + "0" * 16: 9, "01" + "0" * 15: 8, "11" + "0" * 15: 4, "0" * 16 + "1": 2}
    many = mse.CaptureTable.from_counts(
        histories | {"0" * i + "11" + "0" * (15 - i): 1 for i in range(1, 16)}, lists=lists
    )
    with pytest.raises(mse.ModelError, match=r'17 lists; expected at most 16.*LogLinear\("main"\)'):
        mse.ClosedPopulation("Mt").fit(many)
    fit = mse.ClosedPopulation("Mh").fit(many)
    assert fit.status == "ok"
    assert fit.df_residual == 2**17 - 1 - fit.n_parameters


# Log-linear models -------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["kosovo", "korea", HARE, "uk_5"])
def test_mt_is_the_log_linear_model_of_independence(dataset: str) -> None:
    data = mse.load_dataset(dataset)
    fit, main = mse.ClosedPopulation("Mt").fit(data), mse.LogLinear("main").fit(data)
    assert fit.population.total == pytest.approx(main.population.total, rel=1e-9)
    assert fit.deviance == pytest.approx(main.deviance)
    assert fit.standard_error == pytest.approx(main.standard_error)
    assert fit.population.interval() == pytest.approx(main.population.interval(), rel=1e-6)
    assert fit.coefficients.to_numpy() == pytest.approx(main.coefficients.to_numpy())
    assert (fit.aicc, fit.n_parameters) == (pytest.approx(main.aicc), main.n_parameters)


def test_chaos_bound_is_his_moment_estimator() -> None:
    # (K - 1) / (2 K) f1^2 / f2 while f3 / f2 and so on are as large as convexity asks.
    data = by_number(40, 30, 25, 20)
    fit = mse.ClosedPopulation("Mh").fit(data)
    assert fit.population.hidden == pytest.approx(3 / 8 * 40**2 / 30)
    # Chao (1987): variance of the lower bound, with (K - 1) / K for finitely many lists.
    variance = fit.standard_error**2
    h = fit.population.hidden
    assert variance == pytest.approx(h + h**2 * (4 / 40 + 1 / 30))


def test_bends_below_zero_are_set_to_zero_and_do_not_count() -> None:
    fit = mse.ClosedPopulation("Mh").fit(mse.load_dataset("kosovo"))
    assert fit.coefficients["eta4"] == 0
    assert fit.coefficients["eta3"] > 0
    assert fit.n_parameters == 3
    assert mse.ClosedPopulation("M0").fit(mse.load_dataset("kosovo")).n_parameters == 2


def test_hidden_count_is_the_intercept() -> None:
    for estimator in mse.ClosedPopulation.all():
        fit = estimator.fit(mse.load_dataset(HARE))
        assert fit.population.hidden == pytest.approx(exp(fit.coefficients["intercept"]))


def test_lists_may_be_called_what_they_like() -> None:
    data = mse.CaptureTable.from_counts(
        {"100": 9, "010": 8, "001": 7, "110": 4, "011": 3, "101": 2, "111": 1},
        lists=["intercept", "darroch", "captures"],
    )
    fit = mse.ClosedPopulation("Mth", "darroch").fit(data)
    assert list(fit.coefficients.index) == [
        "intercept",
        "intercept",
        "darroch",
        "captures",
        "darroch",
    ]


def test_a_lower_bound_says_so() -> None:
    p = mse.ClosedPopulation("Mth").fit(mse.load_dataset(HARE)).population
    assert "lower bound" in p.warnings[0]
    assert "lower bound" in p.summary()


def test_heterogeneity_below_zero_is_a_warning() -> None:
    fit = mse.ClosedPopulation("Mh", "darroch").fit(by_number(10, 40, 30, 4))
    assert fit.coefficients["darroch"] < 0
    assert "coefficient of heterogeneity is -" in fit.population.warnings[0]


def test_a_list_with_nobody() -> None:
    data = table(h100=9, h010=7, h110=4)
    fit = mse.ClosedPopulation("Mt").fit(data)
    assert fit.status == "boundary"
    assert fit.coefficients["c"] == -inf
    assert "At minus infinity, since nobody was observed with it: c." in fit.reason
    assert fit.population.total == pytest.approx(13 * 11 / 4)
    assert fit.population.warnings[0] == fit.reason


# Statuses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", mse.ClosedPopulation.all(), ids=lambda each: each.name)
@pytest.mark.parametrize("corrected", [False, True])
def test_no_overlap_is_no_estimate(estimator, corrected) -> None:
    again = mse.ClosedPopulation(estimator.model, estimator.heterogeneity, corrected)
    fit = again.fit(table(h1000=9, h0100=7, h0010=4, h0001=3))
    assert fit.status == "not_estimable"
    assert "Nobody is on more than one list." in fit.reason
    assert isnan(fit.population.total)
    assert isnan(fit.standard_error)
    assert all(map(isnan, fit.population.interval()))
    assert fit.population.to_dict()["total"] is None


def test_more_parameters_than_numbers_of_lists() -> None:
    fit = mse.ClosedPopulation("Mh", "poisson").fit(by_number(9, 4))
    assert (fit.status, fit.limit) == ("not_estimable", "indeterminate")
    assert mse.ClosedPopulation("Mh").fit(by_number(9, 4)).status == "ok"


def test_nobody_at_all() -> None:
    for estimator in mse.ClosedPopulation.all(ordered=True):
        fit = estimator.fit(table(h111=0))
        assert (fit.status, fit.limit) == ("not_estimable", "indeterminate")
        assert fit.deviance == 0


def test_nobody_on_one_list_alone_leaves_no_correction() -> None:
    data = by_number(0, 9, 6, 3)
    assert mse.ClosedPopulation("Mh").fit(data).status == "ok"
    fit = mse.ClosedPopulation("Mh", bias_corrected=True).fit(data)
    assert (fit.status, fit.limit) == ("not_estimable", "zero")
    assert "nothing is left to estimate from" in fit.reason


# Bias correction ---------------------------------------------------------------------------------


def test_correction_of_two_lists_is_chapmans() -> None:
    data = table(h10=12, h01=7, h11=3)
    fit = mse.ClosedPopulation("Mt", bias_corrected=True).fit(data)
    chapman = mse.Chapman().fit(data)
    assert fit.population.total == pytest.approx(chapman.population.total)
    assert fit.population.method == "closed-population model, bias corrected"


def test_correction_leaves_the_fit_alone() -> None:
    data = mse.load_dataset(HARE)
    for plain, corrected in zip(
        mse.ClosedPopulation.all(ordered=True),
        mse.ClosedPopulation.all(ordered=True, bias_corrected=True),
        strict=True,
    ):
        a, b = plain.fit(data), corrected.fit(data)
        assert (a.deviance, a.aic, a.n_parameters) == (b.deviance, b.aic, b.n_parameters)
        assert a.population.total != b.population.total
        assert (a.population.interval_kind, b.population.interval_kind) == ("profile", "lognormal")


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("form", [None, *COLUMNS])
def test_corrections_are_those_of_first_order_theory(form, own) -> None:
    # X'a = X'h / 2 - e0 / 2 with the leverages h of rare captures, computed here at p = 0.001.
    n_lists, p = 4, 1e-3
    cells = np.array(list(np.ndindex((2,) * n_lists)))[1:].astype(float)
    k = cells.sum(axis=1)
    head = cells if own else k[:, None]
    extra = np.zeros((len(k), 0)) if form is None else COLUMNS[form](k)[:, None]
    rows = np.column_stack([np.ones(len(k)), head, extra])
    # Rows sorted by size keep the orthogonal factor exact although weights span many orders.
    weighted = (np.sqrt(p**k)[:, None] * rows)[np.argsort(k)]
    leverage = (np.linalg.qr(weighted)[0] ** 2).sum(axis=1)
    wanted = rows[np.argsort(k)].T @ leverage / 2
    wanted[0] -= 0.5
    sizes = np.array([4.0, 6.0, 4.0, 1.0])
    added = corrections(form, n_lists, by_list=own) / sizes
    assert rows.T @ added[k.astype(int) - 1] == pytest.approx(wanted, abs=0.03)


def test_correction_lowers_the_bias() -> None:
    plain, corrected, _ = errors_of_totals("Mt", 3, 0.25, 150, 400).T
    # Of the same worlds, so that what they have in common drops out: one person, give or take 0.06.
    lowered = plain - corrected
    assert np.mean(lowered) > FAR * np.std(lowered) / sqrt(len(lowered))
    # No more than the bias is taken off; at this size a person and a half is left of three.
    assert np.mean(corrected) > -FAR * np.std(corrected) / sqrt(len(corrected))


def test_leverages_of_two_lists_give_chapman() -> None:
    for n in ((12, 7, 3), (1, 1, 1), (400, 30, 1)):
        data = table(**dict(zip(("h10", "h01", "h11"), n, strict=True)))
        fit = mse.ClosedPopulation("Mt", bias_corrected="leverages").fit(data)
        assert fit.population.total == pytest.approx(mse.Chapman().fit(data).population.total)


@pytest.mark.parametrize("form", [None, *COLUMNS])
@pytest.mark.parametrize("own", [False, True])
def test_leverages_solve_the_adjusted_score_equation(form, own) -> None:
    data = mse.load_dataset(HARE)
    counts, patterns = data.low.astype(float), data.patterns
    closed = (
        by_list(patterns, counts, form, data.lists) if own else exchangeable(patterns, counts, form)
    )
    fit = fit_dense(closed.counts, closed.design)
    hidden, _ = refit_unbiased(closed.counts, closed.design, fit)
    # By Newton's method on the equation as it stands in Firth (1993), with numerical slopes.
    rows, sizes = closed.design.rows, np.exp(closed.design.log_sizes)

    def score(b: np.ndarray) -> np.ndarray:
        means = sizes * np.exp(rows @ b)
        weighted = rows * np.sqrt(means)[:, None]
        leverage = np.einsum(
            "rp,pq,rq->r", weighted, np.linalg.inv(weighted.T @ weighted), weighted
        )
        return rows.T @ (closed.counts - means + leverage / 2) - closed.design.hidden / 2

    found = root(score, fit.coefficients, tol=1e-12)
    assert hidden == pytest.approx(exp(found.x[0]), rel=1e-6)


def errors_of_totals(model, n_lists: int, p: float, n: int, worlds: int) -> np.ndarray:
    """Errors of the totals (none, published, leverages), less what is linear in the counts.

    The linear part has mean zero exactly and most of the variance; without it a few hundred worlds tell
    biases of a person.
    """
    cells = np.array(list(np.ndindex((2,) * n_lists)))[1:]
    means = n * p ** cells.sum(axis=1) * (1 - p) ** (n_lists - cells.sum(axis=1))
    rows = np.column_stack([np.ones(len(cells)), cells])
    slope = np.linalg.solve(rows.T @ (rows * means[:, None]), np.eye(n_lists + 1)[0])
    linear = 1 + n * (1 - p) ** n_lists * (rows @ slope)
    rng = np.random.default_rng(7)
    template = table(**{"h" + "1" * n_lists: 1})
    errors = []
    for _ in range(worlds):
        counts = rng.multinomial(n, np.append(1 - means.sum() / n, means / n))
        data = template.with_counts(np.append(0, counts[1:]).reshape((2,) * n_lists))
        totals = [
            mse.ClosedPopulation(model, bias_corrected=how).fit(data).population.total
            for how in (False, True, "leverages")
        ]
        errors.append(np.array(totals) - n - linear @ (counts[1:] - means))
    return np.asarray(errors)


@pytest.mark.parametrize(
    ("n_lists", "p", "n", "worlds"), [(4, 0.2, 200, 1000), (5, 0.2, 150, 1000), (8, 0.1, 300, 600)]
)
def test_published_correction_adds_bias_where_it_says_so_and_leverages_remove_it(
    n_lists, p, n, worlds
) -> None:
    errors = errors_of_totals("Mt", n_lists, p, n, worlds)
    none, published, leverages = errors.mean(axis=0)
    chance = FAR * errors.std(axis=0) / sqrt(len(errors))
    assert none > chance[0]
    assert published - none > FAR * np.std(errors[:, 1] - errors[:, 0]) / sqrt(len(errors))
    assert abs(leverages) < none / 2 + chance[2]


def test_leverages_of_m0_by_exact_expectation() -> None:
    # Every outcome of 20 persons by number of lists, with its probability; no chance is left.
    n, n_lists, p = 20, 3, 0.45
    shares = np.array([comb(n_lists, k) * p**k * (1 - p) ** (n_lists - k) for k in range(4)])
    bias, seen = np.zeros(2), 0.0
    for f in product(range(n + 1), repeat=3):
        if sum(f) > n or f[1] + f[2] == 0:
            continue
        counts = np.array([n - sum(f), *f])
        weight = exp(gammaln(n + 1) - gammaln(counts + 1).sum() + counts @ np.log(shares))
        if weight < 1e-6:
            continue
        data = by_number(*f)
        fits = [
            mse.ClosedPopulation("M0", bias_corrected=how).fit(data) for how in (False, "leverages")
        ]
        totals = np.array([fit.population.total for fit in fits])
        if np.isfinite(totals).all():
            bias += weight * (totals - n)
            seen += weight
    assert seen > 0.99
    assert abs(bias[1] / seen) < 0.25 * abs(bias[0] / seen)


def test_the_published_correction_says_where_it_adds_to_the_bias() -> None:
    hares = mse.load_dataset(HARE)
    p = mse.ClosedPopulation("Mt", bias_corrected=True).fit(hares).population
    assert any("adds to the bias" in each for each in p.warnings)
    # Few are on any list: within its range.
    rare = table(h1000=40, h0100=35, h0010=44, h0001=38, h1100=2, h0110=3, h0011=2, h1001=1)
    p = mse.ClosedPopulation("Mt", bias_corrected=True).fit(rare).population
    assert not any("adds to the bias" in each for each in p.warnings)
    p = mse.ClosedPopulation("Mt", bias_corrected="leverages").fit(hares).population
    assert not any("adds to the bias" in each for each in p.warnings)
    with pytest.raises(mse.ModelError, match="bias_corrected='firth' is not known"):
        mse.ClosedPopulation("Mt", bias_corrected="firth")  # type: ignore[arg-type]


@pytest.mark.parametrize(("p", "occasions", "wanted"), [(0.3, 3, 2.89), (0.5, 3, 21 / 13)])
def test_correction_of_a_removal_model_by_hand(p, occasions, wanted) -> None:
    data = Removal(100.0, 150.0, occasions)
    assert removal_correction(data, log(1 - p)) == pytest.approx(wanted, abs=0.02)
    # The same from second differences of the hidden count as a function of the sum.
    b = log(1 - p)
    later = np.arange(occasions)
    weights = np.exp(b * later)
    mean = float(later @ weights / weights.sum())
    at = data._replace(summed=data.caught * (1 + mean))
    step = 0.05

    def hidden(shift: float) -> float:
        moved = at._replace(summed=at.summed + shift)
        return removal_hidden(moved, log_passing(moved))

    first = (hidden(step) - hidden(-step)) / (2 * step)
    second = (hidden(step) - 2 * hidden(0) + hidden(-step)) / step**2
    spread = at.caught * float((later - mean) ** 2 @ weights / weights.sum())
    assert removal_correction(at, b) == pytest.approx(second * spread / 2 / first, rel=1e-3)
    assert removal_bias(at, b) == pytest.approx(second * spread / 2, rel=1e-3)


@pytest.mark.parametrize("model", ["Mb", "Mbh"])
def test_leverages_of_behavioral_models(model) -> None:
    data = table(h100=60, h110=14, h010=29, h011=8, h001=19)
    plain, published, fitted = (
        mse.ClosedPopulation(model, bias_corrected=how, ordered=True).fit(data)
        for how in (False, True, "leverages")
    )
    assert fitted.status == "ok"
    assert data.n_observed < fitted.population.total < plain.population.total
    assert fitted.population.interval_kind == "lognormal"
    assert published.population.total != fitted.population.total


# Behavioral models -------------------------------------------------------------------------------


def test_behavioral_models_by_hand() -> None:
    data = table(h100=16, h110=4, h010=9, h011=3, h001=6)
    fit = mse.ClosedPopulation("Mb", ordered=True).fit(data)
    u = np.array([20.0, 12.0, 6.0])
    q = 1 - fit.coefficients["first capture"]
    # Score of the truncated geometric distribution.
    shares = q ** np.arange(3) / (q ** np.arange(3)).sum()
    assert shares @ np.arange(3) == pytest.approx(u @ np.arange(3) / u.sum())
    assert fit.coefficients["recapture"] == pytest.approx(7 / (20 * 2 + 12))
    assert fit.population.total == pytest.approx(38 / (1 - q**3))
    c = 7 / 52
    means = (
        38
        * np.r_[
            shares[0] * np.array([(1 - c) ** 2, c * (1 - c), c * (1 - c), c**2]),
            shares[1] * np.array([1 - c, c]),
            shares[2],
        ]
    )
    counts = np.array([16, 4, 0, 0, 9, 3, 6])
    seen = counts > 0
    deviance = 2 * (counts[seen] * np.log(counts[seen] / means[seen])).sum()
    assert means.sum() == pytest.approx(38)
    assert fit.deviance == pytest.approx(deviance)
    assert fit.df_residual == 4


def test_the_first_occasion_may_differ() -> None:
    data = table(h100=16, h110=4, h010=9, h011=3, h001=6)
    fit = mse.ClosedPopulation("Mbh", ordered=True).fit(data)
    assert fit.population.total == pytest.approx(20 + 12**2 / (12 - 6))
    assert fit.coefficients["first occasion"] == pytest.approx(20 / fit.population.total)
    assert fit.n_parameters == 4


def test_first_captures_that_do_not_fall_off() -> None:
    fit = mse.ClosedPopulation("Mb", ordered=True).fit(table(h100=5, h010=8, h001=9, h110=3))
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")
    assert "do not fall off" in fit.reason
    assert "below the observed number" in fit.reason
    assert isnan(fit.population.total)
    level = mse.ClosedPopulation("Mb", ordered=True).fit(table(h100=5, h010=5, h001=5))
    assert level.limit == "infinite"
    assert "below the observed number" not in level.reason


def test_first_captures_on_one_occasion() -> None:
    fit = mse.ClosedPopulation("Mb", ordered=True).fit(table(h100=5, h110=8, h111=2))
    assert (fit.status, fit.limit) == ("not_estimable", "zero")
    two = mse.ClosedPopulation("Mbh", ordered=True).fit(table(h10=5, h01=8, h11=2))
    assert (two.status, two.limit) == ("not_estimable", "indeterminate")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (table(h100=9, h010=6, h001=3), "Nobody caught once was caught again."),
        (table(h111=9, h011=6, h001=3), "Everyone caught once was caught on every later occasion."),
    ],
)
def test_recapture_at_its_edge(data, reason) -> None:
    fit = mse.ClosedPopulation("Mb", ordered=True).fit(data)
    assert (fit.status, fit.reason) == ("boundary", reason)
    assert fit.population.total > 18
    assert fit.deviance == pytest.approx(0.2, abs=0.3)


def test_correction_of_too_few_occasions() -> None:
    data = table(h10=15, h01=8, h11=2)
    assert mse.ClosedPopulation("Mb", ordered=True).fit(data).status == "ok"
    fit = mse.ClosedPopulation("Mb", bias_corrected=True, ordered=True).fit(data)
    assert (fit.status, fit.limit) == ("not_estimable", "indeterminate")
    assert "three occasions" in fit.reason
    few = mse.ClosedPopulation("Mb", bias_corrected=True, ordered=True).fit(
        table(h100=3, h010=1, h001=1)
    )
    assert (few.status, few.limit) == ("not_estimable", "zero")


def test_order_matters_for_behavioral_models_only() -> None:
    data = mse.load_dataset(HARE)
    turned = data.keep_lists(data.lists).to_frame()
    turned = mse.CaptureTable.from_frame(turned, lists=data.lists[::-1], count="n")
    mb = mse.ClosedPopulation("Mb", ordered=True)
    assert mb.fit(data).population.total != pytest.approx(mb.fit(turned).population.total, rel=0.01)


# The fit -----------------------------------------------------------------------------------------


def test_words_and_provenance() -> None:
    fit = mse.ClosedPopulation("Mb", ordered=True).fit(mse.load_dataset(HARE))
    assert repr(fit) == "<ClosedPopulationFit Mb: ok, deviance 67.03>"
    assert fit.summary().startswith("Mb: 3 parameters, deviance 67.03 on 60 df, AIC 155.22")
    assert fit.population.model == "Mb"
    assert any("order given" in each for each in fit.population.assumptions)
    assert "ordered=True" in fit.population.provenance["estimator"]


def test_interval_that_fails_is_a_warning() -> None:
    fit = mse.ClosedPopulation("M0").fit(mse.load_dataset(HARE))

    def fail(_: float) -> float:
        raise ArithmeticError("no fit was found")

    broken = type(fit.population.uncertainty)(partial(FunctionCurve, fail, 68, 7.0, 0.3))
    with pytest.warns(mse.ConvergenceWarning, match="no fit was found"):
        low, high = broken.interval(0.95)
    assert isnan(low)
    assert isnan(high)


def test_a_failed_fit_is_a_status(monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise ArithmeticError("no maximum")

    monkeypatch.setattr("mse.core.dense.maximize", fail)
    fit = mse.ClosedPopulation("M0").fit(mse.load_dataset(HARE))
    assert (fit.status, fit.limit) == ("not_converged", "indeterminate")
    assert isnan(fit.population.total)
    assert isnan(fit.deviance)
