"""Faults that independent tests found in tables known in part: A13, A14 and A18."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import gammaln

import mse
from mse import CaptureTable
from mse.data.operating import operating_lists

if TYPE_CHECKING:
    from collections.abc import Callable

Row = tuple[tuple[Any, ...], int]


def table_of(rows: list[Row], n_lists: int, covariates: tuple[str, ...] = ()) -> CaptureTable:
    """Make a table of patterns with None where unknown."""
    lists = list("abcd"[:n_lists])
    frame = pd.DataFrame([row for row, _ in rows], columns=[*lists, *covariates], dtype=object)
    frame["n"] = [persons for _, persons in rows]
    return CaptureTable.from_frame(frame, lists, covariates, count="n")


def largest_likelihood(
    rows: list[Row], n_lists: int, levels: int, operating: np.ndarray[Any, Any]
) -> tuple[float, float]:
    """Maximize the likelihood of sums for independent lists and a factor, cell by cell.

    Returns the log likelihood and the number of persons in cells that nobody can see.
    """
    cells = [(*h, x) for h in product((0, 1), repeat=n_lists) for x in range(levels)]
    design = np.array([[1, *c[:-1], *(c[-1] == x for x in range(1, levels))] for c in cells], float)
    seen = np.array([any(c[k] and operating[k, c[-1]] for k in range(n_lists)) for c in cells])
    sums = []
    for row, persons in rows:
        inside = [
            all(
                entry is None or (entry == c[k] and (k == n_lists or operating[k, c[-1]]))
                for k, entry in enumerate(row)
            )
            for c in cells
        ]
        sums.append((np.array(inside) & seen, persons))

    def minus(b: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
        means = np.exp(design @ b)
        value, slope = means[seen].sum(), design[seen].T @ means[seen]
        for inside, persons in sums:
            total = means[inside].sum()
            value -= persons * np.log(total)
            slope = slope - persons * (design[inside].T @ means[inside]) / total
        return value, slope

    start = np.zeros(design.shape[1])
    start[0] = 2.0
    found = minimize(minus, start, jac=True, method="BFGS", options={"gtol": 1e-9})
    return -found.fun, float(np.exp(design @ found.x)[~seen].sum())


# A13: known memberships all 0, the rest unknown ----------------------------------------------------


def test_a13_on_two_lists_the_other_one_has_the_person() -> None:
    rows: list[Row] = [((1, 0), 41), ((1, 1), 3), ((0, None), 5)]
    table = table_of(rows, 2)
    assert table == CaptureTable.from_counts({"10": 41, "11": 3, "01": 5}, ["a", "b"])
    # Lincoln and Petersen: 44 * 8 / 3.
    assert mse.LogLinear("main").fit(table).population.total == pytest.approx(44 * 8 / 3)
    assert mse.LincolnPetersen().fit(table).population.total == pytest.approx(44 * 8 / 3)


THREE: list[Row] = [
    ((1, 0, 0), 40),
    ((0, 1, 0), 30),
    ((0, 0, 1), 20),
    ((1, 1, 0), 12),
    ((1, 0, 1), 9),
    ((0, 1, 1), 7),
    ((1, 1, 1), 4),
]


@pytest.mark.parametrize(
    "more",
    [
        [((0, None, None), 15)],
        [((None, 0, None), 25), ((0, None, None), 5), ((1, None, 0), 6)],
        [((None, None, None), 30)],
        [((0, 0, None), 11), ((0, None, 0), 3)],
    ],
)
def test_a13_the_likelihood_is_that_of_the_observable_cells(more: list[Row]) -> None:
    rows = THREE + more
    table = table_of(rows, 3)
    assert table.n_observed == sum(persons for _, persons in rows)
    value, hidden = largest_likelihood([((*r, 0), n) for r, n in rows], 3, 1, np.ones((3, 1), bool))
    fit = mse.LogLinear("main").fit(table)
    assert fit.status == "ok"
    # BFGS ends where its slope is 1e-9 or its line search rounds: seven digits.
    assert fit.population.hidden == pytest.approx(hidden, rel=1e-6)
    # Complete where every such record can be on one list only; its log likelihood is not asked for here.
    if not table.is_complete:
        kernel = fit.log_likelihood + gammaln(table.low + 1).sum()
        assert value == pytest.approx(kernel, abs=1e-6)


@pytest.mark.parametrize("silent", [(), (2,), (1, 2)])
def test_a13_where_lists_did_not_operate(silent: tuple[int, ...]) -> None:
    operating = np.ones((3, 2), dtype=bool)
    operating[list(silent), 1] = False
    there: list[Row] = [((1, 0, 0), 30), ((0, 1, 0), 22), ((1, 1, 0), 9), ((0, 0, 1), 11)]
    rows: list[Row] = [((*r, 0), n) for r, n in THREE] + [((0, None, None, 0), 13)]
    rows += [((0, None, None, None), 8)]
    for r, n in there:
        row = tuple(None if k in silent else e for k, e in enumerate(r))
        if any(e == 1 for e in row):
            rows.append(((*row, 1), n))
    merged: dict[tuple[Any, ...], int] = {}
    for row, n in rows:
        merged[row] = merged.get(row, 0) + n
    rows = list(merged.items())
    table = table_of(rows, 3, ("x",))
    assert np.array_equal(operating_lists(table), operating)
    _, hidden = largest_likelihood(rows, 3, 2, operating)
    fit = mse.LogLinear("a + b + c + x").fit(table)
    assert fit.status == "ok"
    assert fit.population.hidden == pytest.approx(hidden, rel=1e-5)


def test_a13_a_record_is_proof_that_a_list_operated() -> None:
    # In x = 1 nothing is known of b and c, but of two persons on none of the others.
    rows: list[Row] = [((*r, 0), n) for r, n in THREE]
    rows += [((1, None, None, 1), 20), ((0, None, None, 1), 2)]
    table = table_of(rows, 3, ("x",))
    _, hidden = largest_likelihood(rows, 3, 2, np.ones((3, 2), dtype=bool))
    assert mse.LogLinear("a + b + c + x").fit(table).population.hidden == pytest.approx(
        hidden, rel=1e-5
    )


@pytest.mark.filterwarnings("ignore::mse.errors.ConvergenceWarning")
def test_a13_everywhere_that_such_tables_are_taken() -> None:
    table = table_of([*THREE, ((0, None, None), 15), ((None, 0, None), 9)], 3)
    once = mse.LogLinear("main").fit(table).population
    p = mse.bootstrap(mse.LogLinear("main"), table, 40, seed=1)
    low, high = p.interval(0.95)
    assert p.total == once.total
    assert table.n_observed <= low < p.total < high
    found = mse.estimate(table, replicates=20, seed=1)
    assert found.status in ("ok", "boundary")
    assert found.observed == table.n_observed
    search = mse.LogLinearSearch().fit(table)
    assert search.population.observed == table.n_observed
    assert mse.compare(table, [mse.LogLinear("main")]).to_frame()["observed"].tolist() == [146]
    fit = mse.BayesianLogLinear(draws=500, chains=2, warmup=300).fit(table)
    assert fit.population.observed == table.n_observed


def test_a13_in_a_monitor() -> None:
    rows = [((*r, year), n + 3 * year) for year in (0, 1) for r, n in THREE]
    rows += [((0, None, None, 0), 6), ((0, None, None, None), 5)]
    table = table_of(rows, 3, ("year",))
    report = mse.monitor(table, estimator=mse.LogLinear("a + b + c + year"), replicates=20, seed=1)
    assert report.periods["total"].gt(report.periods["observed"]).all()
    assert report.periods["observed"].sum() == table.n_observed


# A14: a list that two records lack by chance -------------------------------------------------------

LACKING: list[Row] = [
    ((1, 0, "u"), 4),
    ((0, 1, "u"), 3),
    ((1, 1, "u"), 8),
    ((1, None, "v"), 2),
]


def test_a14_two_records_that_lack_a_list() -> None:
    table = table_of(LACKING, 2, ("s",))
    inferred = mse.LogLinear("a + b + s").fit(table).population
    said = mse.LogLinear("a + b + s").fit(table.with_operating("everywhere")).population
    # Independent lists: n(10) n(01) / n(11). With b in operation in v its two persons are on it in
    # proportion, so 4 * 3 / 8; without, n(01) / n(11) of those whom a has is hidden: 6 * 3 / 8.
    assert said.hidden == pytest.approx(1.5)
    assert inferred.hidden == pytest.approx(2.25)
    assert any("b is known in s=v (of 2 persons)" in each for each in inferred.warnings)
    assert not any("operat" in each for each in said.warnings)


@pytest.mark.parametrize("persons", [1, 2, 7, 40])
@pytest.mark.parametrize("cells", [(4, 3, 8), (30, 20, 10), (100, 5, 60)])
def test_a14_at_any_size(cells: tuple[int, int, int], persons: int) -> None:
    a, b, both = cells
    rows: list[Row] = [((1, 0, "u"), a), ((0, 1, "u"), b), ((1, 1, "u"), both)]
    table = table_of([*rows, ((1, None, "v"), persons)], 2, ("s",))
    for operating, hidden in (
        (None, (a + persons) * b / both),
        ({"b": "everywhere"}, a * b / both),
    ):
        p = mse.LogLinear("a + b + s").fit(table.with_operating(operating)).population
        assert p.hidden == pytest.approx(hidden, rel=1e-6)
        assert sum("inferred" in each for each in p.warnings) == (operating is None)


@pytest.mark.filterwarnings("ignore::mse.errors.ConvergenceWarning")
def test_a14_announced_by_every_method_that_takes_such_tables() -> None:
    rows: list[Row] = [((*r, s), n) for s in ("u", "w") for r, n in THREE]
    table = table_of([*rows, ((1, 1, None, "v"), 9), ((1, 0, None, "v"), 12)], 3, ("s",))
    told = "Nobody's membership of c is known in s=v (of 21 persons)"
    answers = [
        mse.LogLinear("a + b + c + s").fit(table).population,
        mse.estimate(table, replicates=10, seed=1),
        mse.bootstrap(mse.LogLinear("a + b + c + s"), table, 10, seed=1),
        mse.BayesianLogLinear(draws=500, chains=2, warmup=300).fit(table).population,
    ]
    for answer in answers:
        assert any(told in each for each in answer.warnings), answer.method
    report = mse.monitor(
        table, "s", estimator=mse.LogLinear("a + b + c + s"), replicates=10, seed=1
    )
    assert any(told in each for each in report.warnings)
    protected = mse.disclosure.protect(answers[0], mse.disclosure.rules("cbs"), table=table)
    assert not any("21" in each for each in protected.warnings)


# A18: two lists, counts within bounds --------------------------------------------------------------


@pytest.mark.parametrize(
    "counts",
    [
        {"10": "5-9", "01": 5, "11": "1-5"},
        {"10": 70, "01": 55, "11": "2-4"},
        {"10": "<5", "01": "<5", "11": 6},
        {"10": 7, "01": 5, "11": "<5"},
        {"10": "<5", "01": "<5", "11": "<5"},
        {"11": "<5", "10": 3, "01": "<3"},
    ],
)
def test_a18_an_estimate_or_a_status(counts: dict[str, Any]) -> None:
    table = CaptureTable.from_counts(counts, ["a", "b"])
    p = mse.estimate(table, replicates=20, seed=1)
    if p.status in ("ok", "boundary"):
        low, high = p.interval(0.95)
        assert low <= p.total <= high
    else:
        assert p.reason
    assert isinstance(mse.LogLinearSearch().fit(table).population.to_json(), str)


def test_a18_value() -> None:
    # Independence with 8 on both: the bounds are as good as exact where they hold one number only.
    exact = CaptureTable.from_counts({"10": 60, "01": 40, "11": 8}, ["a", "b"])
    bounded = CaptureTable.from_counts({"10": 60, "01": 40, "11": "7-9"}, ["a", "b"])
    p, q = (mse.estimate(each, replicates=50, seed=1) for each in (exact, bounded))
    assert p.total == pytest.approx(60 + 40 + 8 + 60 * 40 / 8)
    # The mean of both that makes 7 to 9 likeliest: m with P(6) = P(9), m^3 = 9! / 6!, so 7.958.
    both = (9 * 8 * 7) ** (1 / 3)
    more = q.hidden - 60 * 40 / both
    assert 0 < more < 2
    assert q.total == pytest.approx(100 + 7 + more + 60 * 40 / both)


def test_what_a_world_says_of_lists_survives_suppression() -> None:
    world = mse.simulate.netherlands(
        years=range(2017, 2019), dropout=mse.simulate.Dropout(), suppress=5
    )
    table = world.draw(1).table(dropped="unknown")
    assert table.operating is not None
    assert (table.operating == 0).any()
    assert "not operating" in table.describe()
    assert "inferred" not in table.describe()


def test_a14_a_year_says_nothing_about_other_years() -> None:
    # Care lacks in the second year, by what is known or said; nobody of group g was seen in the first.
    rows: list[Row] = [((*r, 1, x), n) for x in ("f", "h") for r, n in THREE]
    rows += [((1, 1, None, 2, x), 9) for x in ("f", "g", "h")]
    rows += [((1, 0, None, 2, x), 7) for x in ("f", "g", "h")]
    table = table_of(rows, 3, ("year", "x"))
    for each in (table, table.not_operating("c", year=2)):
        operating = operating_lists(each).reshape(3, 2, 3)
        assert operating[:2].all()
        assert operating[2].tolist() == [[True] * 3, [False] * 3]
    # Without a year that explains it, a group does.
    silent = table_of([*rows, ((1, 0, None, 1, "g"), 5)], 3, ("year", "x"))
    assert operating_lists(silent).reshape(3, 2, 3)[2].tolist() == [
        [True, False, True],
        [False] * 3,
    ]


def test_averages_leave_out_models_that_prove_not_estimable() -> None:
    # Of three models within reach one is found not to be estimable once it is fitted by itself.
    counts = {"001": "0-9", "010": "5-9", "011": 62, "100": "5-9", "110": 65, "111": "<5"}
    table = CaptureTable.from_counts(counts, ["a", "b", "c"])
    p = mse.LogLinearSearch().fit(table).average("bic", "buckland")
    assert p.status == "boundary"
    assert p.observed < p.total < 200
    assert any("not estimable would have" in each for each in p.warnings)


def test_a_search_of_which_no_model_converges_has_a_status() -> None:
    patterns = np.array([[0, -1, -1], [0, 0, 1], [0, 1, 0], [1, 0, 0]])
    low, high = np.array([1, 0, 1, 0]), np.array([1, 4, 1, 4])
    table = CaptureTable(("a", "b", "c"), {}, patterns, low, high)
    p = mse.estimate(table, replicates=20, seed=1)
    assert p.status in ("not_estimable", "not_converged")
    assert p.reason
    assert mse.LogLinearSearch().fit(table).models["total"].isna().all()


def _estimated() -> mse.PopulationEstimate:
    return mse.LogLinear("main").fit(mse.load_dataset("korea")).population


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (mse.bounds, "expected a CaptureTable"),
        (lambda p: mse.tipping_points(p, 400), "expected a CaptureTable"),
        (mse.sensitivity.odds_ratio, "expected a CaptureTable"),
        (lambda p: mse.sensitivity.merge(mse.LogLinear("main"), p), "expected a CaptureTable"),
        (
            lambda p: mse.sensitivity.leave_one_out(mse.LogLinear("main"), p),
            "expected a CaptureTable",
        ),
        (mse.diagnostics.overlaps, "expected a CaptureTable"),
        (mse.diagnostics.check, "expected a CaptureTable"),
        (lambda p: mse.diagnostics.check("korea", p), "what fit"),
        (lambda p: mse.drivers(p, "korea", 1, 2), "what mse.monitor gives"),
        (lambda p: mse.pool([p.strata, "korea"]), "expected estimates or fits"),
        (lambda p: p.probability_above("400"), "a number of persons"),
        (lambda _: mse.bounds(mse.load_dataset("irregular_migrants")), "is a CountTable"),
    ],
)
def test_what_is_of_another_kind_is_named(call: Callable[[Any], object], match: str) -> None:
    with pytest.raises(mse.MSEError, match=match):
        call(_estimated())


def test_a_dataset_may_be_named_wherever_a_table_is_taken() -> None:
    table = mse.load_dataset("korea")
    assert mse.bounds("korea").to_frame().equals(mse.bounds(table).to_frame())
    assert [each.passed for each in mse.diagnostics.check("korea")] == [
        each.passed for each in mse.diagnostics.check(table)
    ]
