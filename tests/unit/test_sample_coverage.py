"""Sample coverage: published figures, formulas written out, and the cases without an answer."""

from __future__ import annotations

from math import isnan, sqrt

import numpy as np
import pytest
from scipy.stats import kurtosis

import mse
from mse.classical.sample_coverage import _gradient, _statistics, _total
from tests.chance import FAR, error_of_spread


def table(*counts: int) -> mse.CaptureTable:
    """Make a table of three lists from persons on 001, 010, 011, 100, 101, 110 and 111."""
    everything = mse.CaptureTable.from_counts({"111": 1}, lists=["a", "b", "c"])
    return everything.with_counts(np.array([0, *counts]).reshape(2, 2, 2))


HEPATITIS = (63, 55, 18, 69, 17, 21, 28)


def test_three_lists_as_printed() -> None:
    # Chao, Tsay, Lin, Shau & Chao (2001), equations for three lists, with Z as there.
    z = dict(zip(("001", "010", "011", "100", "101", "110", "111"), HEPATITIS, strict=True))
    n1, n2, n3 = 135, 122, 126
    c = 1 - (z["100"] / n1 + z["010"] / n2 + z["001"] / n3) / 3
    d = 271 - (z["100"] + z["010"] + z["001"]) / 3
    z11, z1_1, z_11 = z["110"] + z["111"], z["101"] + z["111"], z["011"] + z["111"]
    a12 = (z["100"] + z["110"]) + (z["010"] + z["110"])
    a13 = (z["100"] + z["101"]) + (z["001"] + z["101"])
    a23 = (z["010"] + z["011"]) + (z["001"] + z["011"])
    inner = a12 * z11 / (n1 * n2) + a13 * z1_1 / (n1 * n3) + a23 * z_11 / (n2 * n3)
    high = (z11 + z1_1 + z_11) / (3 * c) / (1 - inner / (3 * c))
    fit = mse.SampleCoverage("high").fit(table(*HEPATITIS))
    assert fit.sample_coverage == pytest.approx(c)
    assert fit.estimates["independent"] == pytest.approx(d / c)
    assert fit.estimates["high"] == pytest.approx(high)
    assert fit.population.total == pytest.approx(high)

    def once(total: float) -> float:
        g12, g13 = total * z11 / (n1 * n2) - 1, total * z1_1 / (n1 * n3) - 1
        g23 = total * z_11 / (n2 * n3) - 1
        return d / c + (a12 * g12 + a13 * g13 + a23 * g23) / (3 * c)

    assert fit.estimates["low"] == pytest.approx(once(once(d / c)))
    # The total for high coverage is where a further step changes nothing.
    assert once(high) == pytest.approx(high)


def test_variant_follows_the_coverage() -> None:
    low = mse.SampleCoverage().fit(mse.load_dataset("hepatitis_a"))
    assert (low.variant, low.population.method) == ("low", "sample coverage, one step")
    assert "lower bound" in low.population.warnings[0]
    high = mse.SampleCoverage().fit(mse.load_dataset("diabetes"))
    assert (high.variant, high.population.warnings) == ("high", ())
    forced = mse.SampleCoverage("high").fit(mse.load_dataset("hepatitis_a"))
    assert "below 55%" in forced.population.warnings[0]
    assert "not so far" not in forced.summary()
    assert low.summary().startswith(
        "Sample coverage 51.3%; totals: independent 407, high 971, low 508; used: low"
    )


def test_coefficients_of_covariation() -> None:
    fit = mse.SampleCoverage("independent").fit(table(*HEPATITIS))
    total = fit.population.total
    values = fit.covariation
    assert values.loc["a", "b"] == pytest.approx(total * 49 / (135 * 122) - 1)
    assert (values.to_numpy() == values.to_numpy().T)[~np.eye(3, dtype=bool)].all()
    assert isnan(values.loc["a", "a"])


@pytest.mark.parametrize("variant", ["independent", "high", "low"])
@pytest.mark.parametrize("dataset", ["hepatitis_a", "kosovo", "diabetes"])
def test_gradient_is_that_of_differences(variant: str, dataset: str) -> None:
    data = mse.load_dataset(dataset)
    n_lists, counts = data.n_lists, data.low.astype(float)
    statistics = _statistics(data.patterns, counts)
    gradient = _gradient(statistics, n_lists, variant)
    total = _total(counts @ statistics.design, n_lists, variant)
    # The total grows with the counts in proportion, so Euler's identity holds.
    assert gradient @ counts == pytest.approx(total)
    for i in range(len(counts)):
        ends = [counts + sign * 1e-4 * np.eye(len(counts))[i] for sign in (1, -1)]
        up, down = (_total(end @ statistics.design, n_lists, variant) for end in ends)
        assert gradient[i] == pytest.approx((up - down) / 2e-4, rel=1e-4, abs=1e-4)


def test_standard_error_is_that_of_resampling() -> None:
    fit = mse.SampleCoverage("low").fit(table(*HEPATITIS))
    rng = np.random.default_rng(5)
    total = fit.population.total
    shares = np.r_[np.array(HEPATITIS), total - 271] / total
    statistics = _statistics(fit.table.patterns, fit.table.low.astype(float))
    draws = rng.multinomial(round(total), shares, size=6000)[:, :-1]
    totals = [_total(row @ statistics.design, 3, "low") for row in draws.astype(float)]
    spread = np.std(totals)
    error = error_of_spread(1.0, 6000, float(kurtosis(totals, fisher=False)))
    # The standard error is of first order: the spread is two or three percent more.
    assert fit.standard_error == pytest.approx(spread, rel=FAR * error + 0.03)
    low, high = fit.population.interval()
    assert 271 < low < total < high


@pytest.mark.parametrize(
    ("counts", "variant", "limit", "reason"),
    [
        ((9, 8, 0, 7, 0, 0, 0), "high", "infinite", "Nobody is on more than one list."),
        ((9, 8, 3, 0, 0, 0, 0), "high", "indeterminate", "Nobody is on a"),
        ((0, 0, 0, 0, 0, 0, 0), "low", "indeterminate", "Nobody is on any list."),
        ((0, 0, 4, 0, 5, 6, 7), "high", "zero", "Nobody is on one list alone."),
        ((40, 40, 1, 40, 1, 1, 12), "high", "infinite", "no positive solution"),
        ((1, 1, 40, 1, 40, 40, 1), "high", "zero", "below the 124 observed"),
    ],
)
def test_cases_without_an_answer(counts, variant, limit, reason) -> None:
    fit = mse.SampleCoverage(variant).fit(table(*counts))
    assert (fit.status, fit.limit) == ("not_estimable", limit)
    assert reason in fit.reason
    assert isnan(fit.population.total)
    assert isnan(fit.standard_error)
    assert fit.population.uncertainty is None
    assert fit.covariation.isna().all().all()


def test_lists_apart_are_a_status() -> None:
    fit = mse.SampleCoverage("low").fit(table(20, 20, 0, 20, 6, 5, 0))
    assert fit.status == "boundary"
    assert "Nobody is on both b and c" in fit.reason
    assert fit.covariation.loc["b", "c"] == -1
    assert fit.population.warnings[0] == fit.reason
    alone = mse.SampleCoverage("independent").fit(table(20, 20, 0, 20, 6, 5, 0))
    assert (alone.status, alone.reason) == ("ok", "")


def test_other_tables_are_errors() -> None:
    with pytest.raises(mse.ModelError, match=r"three lists or more.*Chapman\(\)"):
        mse.SampleCoverage().fit(mse.load_dataset("kosovo").keep_lists(["EXH", "OSCE"]))
    with pytest.raises(mse.ModelError, match="no covariates"):
        mse.SampleCoverage().fit(mse.load_dataset("spina_bifida"))
    with pytest.raises(mse.ModelError, match="known in part"):
        mse.SampleCoverage().fit(mse.CaptureTable.from_margins({"a": 5, "b": 6, "c": 4}, union=12))
    with pytest.raises(mse.ModelError, match="'N1' is not known"):
        mse.SampleCoverage("N1")


def test_square_root_of_the_variance() -> None:
    fit = mse.SampleCoverage("independent").fit(table(*HEPATITIS))
    gradient = _gradient(
        _statistics(fit.table.patterns, fit.table.low.astype(float)), 3, "independent"
    )
    counts, total = np.array(HEPATITIS), fit.population.total
    variance = (gradient**2 * counts).sum() - total
    assert fit.standard_error == pytest.approx(sqrt(variance))


def three(**histories: int) -> mse.CaptureTable:
    named = {name[1:]: n for name, n in histories.items()}
    return mse.CaptureTable.from_counts(named, lists=["a", "b", "c"])


@pytest.mark.parametrize("variant", ["automatic", "independent", "high", "low"])
def test_a_total_at_the_observed_number_is_no_estimate(variant) -> None:
    # Everybody is on a: in exact arithmetic the total is the 31 observed, in doubles 4e-15 above.
    fit = mse.SampleCoverage(variant).fit(three(h100=3, h101=26, h110=2))
    assert (fit.status, fit.limit) == ("not_estimable", "zero")
    assert fit.reason == "The formula puts the total at the 31 observed and nobody hidden."
    assert isnan(fit.standard_error)
    assert all(map(isnan, fit.population.interval()))


@pytest.mark.parametrize("variant", ["independent", "high", "low"])
def test_totals_a_hair_above_the_observed_number_have_a_standard_error(variant) -> None:
    # Counts of 10^13 beside ones: hidden persons are few, and the variance is not negative.
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(300):
        # Nearly everybody is on a, so that the others find nearly nobody whom a does not hold.
        sizes = np.where(rng.random(7) < 0.5, 10 ** rng.uniform(3, 13, 7), rng.integers(0, 4, 7))
        counts = sizes.astype(np.int64)
        counts[:3] = rng.integers(0, 3, 3)
        fit = mse.SampleCoverage(variant).fit(table(*counts))
        if fit.status == "not_estimable":
            continue
        found += 1
        hidden = fit.population.hidden
        assert hidden > 0
        assert fit.standard_error >= sqrt(hidden)
        low, high = fit.population.interval()
        assert counts.sum() <= low <= high
    assert found > 20


def test_the_standard_error_is_that_of_the_multinomial_distribution() -> None:
    fit = mse.SampleCoverage("high").fit(table(*HEPATITIS))
    gradient = _gradient(fit._statistics, 3, "high")
    counts, total = fit._statistics.counts, fit.population.total
    printed = gradient**2 @ counts - (gradient @ counts) ** 2 / total
    assert fit.standard_error == pytest.approx(sqrt(printed), rel=1e-9)
