"""Two lists: published examples, closed forms, and the cases without an answer.

Sources of the figures:

- textbook: 10 marked, 15 caught, 5 of them marked; 30 by Lincoln-Petersen, 28 by Chapman.
- hepatitis A in Taiwan, three pairs of lists: Chao, Tsay, Lin, Shau & Chao (2001), Statistics in
  Medicine 20, 3123-3157, print Petersen's estimates of the pairs as 336 (standard error 29), 378
  (36) and 334 (30), with Seber's (1982, p. 60) standard error of Chapman's estimate.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mse.answer.protocols import Estimator, Fit
from mse.classical.two_lists import Chapman, LincolnPetersen
from mse.data.table import CaptureTable
from mse.errors import ModelError

BOTH = [LincolnPetersen(), Chapman()]


def two_lists(first: int, second: int, both: int) -> CaptureTable:
    """Make a table by persons on the first list only, on the second only, and on both."""
    counts = np.array([[0, second], [first, both]])
    return CaptureTable.from_counts({"11": 1, "10": 1, "01": 1}, lists=["a", "b"]).with_counts(
        counts
    )


HEPATITIS = {
    # Persons on both lists, on the first, on the second; published estimate and standard error.
    "PQ": (49, 135, 122, 336, 29),
    "PE": (45, 135, 126, 378, 36),
    "QE": (46, 122, 126, 334, 30),
}


@pytest.mark.parametrize("pair", HEPATITIS)
def test_hepatitis_a_as_published(pair: str) -> None:
    m, n1, n2, petersen, error = HEPATITIS[pair]
    table = two_lists(n1 - m, n2 - m, m)
    assert round(LincolnPetersen().fit(table).population.total) == petersen
    assert round(math.sqrt(Chapman().fit(table).variance)) == error


def test_textbook_example() -> None:
    table = two_lists(5, 10, 5)
    assert LincolnPetersen().fit(table).population.total == 30.0
    assert round(Chapman().fit(table).population.total) == 28


@pytest.mark.parametrize(("m", "n1", "n2"), [(5, 10, 15), (49, 135, 122), (1, 400, 300)])
def test_closed_forms(m: int, n1: int, n2: int) -> None:
    table = two_lists(n1 - m, n2 - m, m)
    petersen, chapman = LincolnPetersen().fit(table), Chapman().fit(table)
    assert petersen.population.total == pytest.approx(n1 * n2 / m, rel=1e-14)
    assert petersen.variance == pytest.approx(n1 * n2 * (n1 - m) * (n2 - m) / m**3, rel=1e-14)
    total = (n1 + 1) * (n2 + 1) / (m + 1) - 1
    assert chapman.population.total == pytest.approx(total, rel=1e-14)
    variance = (n1 + 1) * (n2 + 1) * (n1 - m) * (n2 - m) / ((m + 1) ** 2 * (m + 2))
    assert chapman.variance == pytest.approx(variance, rel=1e-14)


def test_chapman_interval() -> None:
    # The log-normal interval of the program CARE-1 (Chao & Hsieh) for the pair P, Q.
    p = Chapman().fit(two_lists(86, 73, 49)).population
    n, hidden = 208, p.total - 208
    factor = math.exp(
        1.959963984540054 * math.sqrt(math.log(1 + 28.699714284292103**2 / hidden**2))
    )
    np.testing.assert_allclose(p.interval(), (n + hidden / factor, n + hidden * factor), rtol=1e-12)
    assert (p.interval_kind, p.interval_given) == ("lognormal", "given the model")


def test_chapman_is_unbiased_where_every_sample_overlaps() -> None:
    # Chapman (1951): exactly unbiased for fixed n1, n2 with n1 + n2 >= N, over the hypergeometric
    # number on both lists.
    size, n1, n2 = 20, 12, 11
    expected = 0.0
    for m in range(n1 + n2 - size, min(n1, n2) + 1):
        weight = math.comb(n1, m) * math.comb(size - n1, n2 - m) / math.comb(size, n2)
        expected += weight * ((n1 + 1) * (n2 + 1) / (m + 1) - 1)
    assert expected == pytest.approx(size, rel=1e-12)
    fit = Chapman().fit(two_lists(n1 - 7, n2 - 7, 7))
    assert fit.population.total == pytest.approx((n1 + 1) * (n2 + 1) / 8 - 1, rel=1e-12)


def test_petersen_scales_with_the_table() -> None:
    once, ten = two_lists(86, 73, 49), two_lists(860, 730, 490)
    total = LincolnPetersen().fit(once).population.total
    assert LincolnPetersen().fit(ten).population.total == pytest.approx(10 * total, rel=1e-12)


@pytest.mark.parametrize("estimator", BOTH)
def test_order_of_lists_changes_nothing(estimator: LincolnPetersen | Chapman) -> None:
    here = estimator.fit(two_lists(86, 73, 49)).population
    there = estimator.fit(two_lists(73, 86, 49)).population
    assert here.total == pytest.approx(there.total, rel=1e-14)
    np.testing.assert_allclose(here.interval(), there.interval(), rtol=1e-14)


# Without an answer -------------------------------------------------------------------------------


def test_no_overlap() -> None:
    table = two_lists(1348, 742, 0)
    fit = LincolnPetersen().fit(table)
    assert (fit.status, fit.limit) == ("not_estimable", "infinite")
    assert "both lists" in fit.reason
    assert math.isnan(fit.population.total)
    # Border police and regional coordinators of the Netherlands: Chapman says about a million.
    chapman = Chapman().fit(table)
    assert chapman.population.total == 1349 * 743 - 1
    assert chapman.status == "boundary"
    assert "correction alone" in chapman.reason
    assert "correction alone" in chapman.population.warnings[0]


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize(
    ("first", "second", "both", "limit", "reason"),
    [
        (0, 5, 0, "indeterminate", "list a"),
        (5, 0, 0, "indeterminate", "list b"),
        (0, 0, 0, "indeterminate", "either list"),
        (0, 5, 3, "zero", "list a alone"),
        (5, 0, 3, "zero", "list b alone"),
        (0, 0, 3, "zero", "list a alone"),
    ],
)
def test_empty_lists_and_lists_within_lists(
    estimator: LincolnPetersen | Chapman,
    first: int,
    second: int,
    both: int,
    limit: str,
    reason: str,
) -> None:
    fit = estimator.fit(two_lists(first, second, both))
    assert (fit.status, fit.limit) == ("not_estimable", limit)
    assert reason in fit.reason
    assert math.isnan(fit.population.hidden)
    assert fit.population.uncertainty is None
    assert fit.population.observed == first + second + both


@pytest.mark.parametrize("estimator", BOTH)
def test_other_tables_are_refused(estimator: LincolnPetersen | Chapman) -> None:
    three = CaptureTable.from_counts({"110": 1, "101": 2, "011": 3}, lists=["a", "b", "c"])
    with pytest.raises(ModelError, match=r"two lists.*3: a, b, c.*keep_lists"):
        estimator.fit(three)
    counts = np.ones((2, 2, 2), dtype=np.int64)
    counts[0, 0] = 0
    split = CaptureTable.from_array(counts, lists=["a", "b"], covariates={"sex": ("f", "m")})
    with pytest.raises(ModelError, match=r"no covariates.*sex.*by"):
        estimator.fit(split)
    margins = CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
    with pytest.raises(ModelError, match="margins"):
        estimator.fit(margins)


# Contract ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", BOTH)
def test_follows_the_protocols(estimator: LincolnPetersen | Chapman) -> None:
    table = two_lists(86, 73, 49)
    fit = estimator.fit(table)
    assert isinstance(estimator, Estimator)
    assert isinstance(fit, Fit)
    assert fit.estimator is estimator
    assert fit.table is table
    assert fit.status == fit.population.status == "ok"
    assert fit.population.provenance["estimator"] == repr(estimator)
    assert "Independent lists" in fit.population.summary()
    assert "TwoListFit" in repr(fit)


def test_estimators_are_values() -> None:
    assert LincolnPetersen() == LincolnPetersen()
    assert hash(Chapman()) == hash(Chapman())
    assert repr(Chapman()) == "Chapman()"
    fit = Chapman().fit(two_lists(86, 73, 49))
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.variance = 1.0  # type: ignore[misc]
