"""Tables known in part, against closed forms, brute force and published figures.

Tolerances: maxima of the log likelihood 1e-8, fitted means 1e-6, as of a quasi-Newton search with exact
gradients that stops at a gradient of 1e-7.
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import poisson

import mse

pytestmark = pytest.mark.reference


def design_matrix(table: mse.CaptureTable, terms: list[tuple[int, ...]]) -> np.ndarray:
    """Dummies of every cell for the closure of some terms, the constant first."""
    cells = np.array(list(product(*(range(size) for size in table.shape))))
    closure = {
        subset for term in terms for n in range(len(term) + 1) for subset in combinations(term, n)
    }
    columns = [
        np.all(cells[:, list(term)] == levels, axis=1)
        for term in sorted(closure, key=lambda term: (len(term), term))
        for levels in product(*(range(1, table.shape[axis]) for axis in term))
    ]
    return np.array(columns, dtype=float).T


class BruteForce:
    """Minus the log likelihood of a table, observation by observation, from its definition."""

    def __init__(self, table: mse.CaptureTable, terms: list[tuple[int, ...]], unseen: np.ndarray):
        cells = np.array(list(product(*(range(size) for size in table.shape))))
        self.matrix = design_matrix(table, terms)
        self.sets = [np.all((p == -1) | (cells == p), axis=1) for p in table.patterns]
        self.low, self.high, self.seen = table.low, table.high, ~unseen

    def __call__(self, b: np.ndarray) -> tuple[float, np.ndarray]:
        mu = np.exp(np.clip(self.matrix @ b, -300, 50))
        expected, value = np.zeros(mu.size), -mu[self.seen].sum()
        for cells, low, high in zip(self.sets, self.low, self.high, strict=True):
            total = mu[cells].sum()
            if low == high:
                persons = float(low)
                value += low * np.log(total)
            else:
                k = np.arange(low, high + 1)
                logs = poisson.logpmf(k, total)
                persons = np.exp(logs - logsumexp(logs)) @ k
                value += logsumexp(logs) + total
            expected[cells] += persons * mu[cells] / total
        gradient = self.matrix.T @ (expected - np.where(self.seen, mu, 0))
        return -value, -gradient

    def maximize(self) -> tuple[float, np.ndarray]:
        start = np.zeros(self.matrix.shape[1])
        start[0] = np.log(self.low.sum() / self.seen.sum())
        best = minimize(
            self, start, jac=True, method="BFGS", options={"gtol": 1e-7, "maxiter": 5000}
        )
        return -best.fun, np.exp(self.matrix @ best.x)


def on_no_list(table: mse.CaptureTable) -> np.ndarray:
    return np.arange(table.n_cells) < table.n_strata


def pairs(size: int) -> list[tuple[int, ...]]:
    return list(combinations(range(size), 2))


def value_of(fit) -> float:
    return fit._parts.found.value


def test_netherlands_by_its_margins() -> None:
    """Figure computed elsewhere from the list totals and the union alone."""
    table = mse.load_dataset("netherlands")
    totals = dict(zip(table.lists, np.diag(table.overlaps()).tolist(), strict=True))
    margins = mse.CaptureTable.from_margins(totals, table.n_observed)
    fit, full = (mse.LogLinear("main").fit(each) for each in (margins, table))
    assert fit.population.total == pytest.approx(52823.4639331113, rel=1e-8)
    assert fit.population.total == pytest.approx(full.population.total, rel=1e-11)
    assert fit.population.interval() == pytest.approx(full.population.interval(), rel=1e-8)
    assert mse.LogLinear("all two-way").fit(margins).status == "not_estimable"


def test_covariates_that_only_one_register_holds() -> None:
    """Two registers, one covariate each: the closed form of van der Heijden et al. (2012), section 4.

    Under [A x2][B x1][x1 x2] the persons on both registers tell how the unknown covariate spreads
    over those on one, and the hidden ones follow cell by cell.
    """
    both = np.array([[259.0, 539, 13], [110, 177, 21]])
    only_a, only_b = np.array([9000.0, 4200]), np.array([91.0, 164, 12])
    rows = [(1, 1, i, j, int(both[i, j])) for i in range(2) for j in range(3)]
    rows += [(1, 0, i, None, int(only_a[i])) for i in range(2)]
    rows += [(0, 1, None, j, int(only_b[j])) for j in range(3)]
    frame = pd.DataFrame(rows, columns=["A", "B", "x1", "x2", "n"])
    table = mse.CaptureTable.from_frame(frame, ["A", "B"], ["x1", "x2"], "n")
    fit = mse.LogLinear("A*x2 + B*x1 + x1*x2").fit(table)
    a = only_a[:, None] * both / both.sum(axis=1, keepdims=True)
    b = only_b * both / both.sum(axis=0)
    assert fit.status == "ok"
    assert fit.fitted[1, 1] == pytest.approx(both, rel=1e-8)
    assert fit.fitted[1, 0] == pytest.approx(a, rel=1e-8)
    assert fit.fitted[0, 1] == pytest.approx(b, rel=1e-8)
    assert fit.fitted[0, 0] == pytest.approx(a * b / both, rel=1e-8)
    assert fit.deviance == pytest.approx(0, abs=5e-5)


def test_a_register_that_starts_late() -> None:
    """Independence with a list that did not operate in the first period: the periods taken alone."""
    late = {"100": 40, "010": 30, "001": 25, "110": 18, "101": 12, "011": 9, "111": 6}
    rows = [(*map(int, h[:2]), None, 1, n) for h, n in {"10": 60, "01": 45, "11": 30}.items()]
    rows += [(*map(int, h), 2, n) for h, n in late.items()]
    frame = pd.DataFrame(rows, columns=["a", "b", "c", "period", "n"])
    table = mse.CaptureTable.from_frame(frame, ["a", "b", "c"], ["period"], "n")
    fit = mse.LogLinear("a*period + b*period + c*period").fit(table)
    alone = mse.LogLinear("main").fit(mse.CaptureTable.from_counts(late, ["a", "b", "c"]))
    assert fit.population.by["total"].tolist() == pytest.approx(
        [75 * 90 / 30, alone.population.total], rel=1e-8
    )


def missing_ethnicity() -> mse.CaptureTable:
    """Spina bifida, the ethnicity of four in ten persons on one list forgotten."""
    large = mse.load_dataset("spina_bifida").where(ethnicity=["caucasian", "afro-american"])
    frame = large.to_frame()
    frame["ethnicity"] = frame["ethnicity"].astype(object)
    alone = frame[["S1", "S2", "S3"]].sum(axis=1) == 1
    lost = frame[alone].assign(n=(frame["n"] * 0.4).astype(int), ethnicity=None)
    frame.loc[alone, "n"] -= lost["n"]
    lost = lost.groupby(["S1", "S2", "S3"], as_index=False)["n"].sum().assign(ethnicity=None)
    both = pd.concat([frame[frame["n"] > 0], lost])
    return mse.CaptureTable.from_frame(both, ["S1", "S2", "S3"], ["ethnicity"], "n")


@pytest.mark.parametrize(
    ("model", "terms"),
    [
        ("S1 + S2 + S3 + ethnicity", [(0,), (1,), (2,), (3,)]),
        ("S1*ethnicity + S2*S3", [(0, 3), (1, 2)]),
    ],
)
def test_missing_covariate_by_brute_force(model: str, terms) -> None:
    table = missing_ethnicity()
    assert not table.is_complete
    fit = mse.LogLinear(model).fit(table)
    value, means = BruteForce(table, terms, on_no_list(table)).maximize()
    assert value_of(fit) == pytest.approx(value, abs=1e-8)
    assert fit.fitted.ravel() == pytest.approx(means, rel=1e-6)


def scotland() -> mse.CaptureTable:
    frame = mse.load_dataset("scotland_pwid").to_frame()
    alone = frame[["S1", "S2", "S3"]].sum(axis=1) == 0
    frame["low"], frame["high"] = np.where(alone, 0, frame["n"]), frame["n"]
    return mse.CaptureTable.from_frame(
        frame, ["S1", "S2", "S3", "S4"], ["region", "sex", "age"], ("low", "high")
    )


@pytest.mark.parametrize(
    ("model", "terms"),
    [
        ("main", [(i,) for i in range(7)]),
        ("main + S2*S3 + S1*age + region*age", [*((i,) for i in range(7)), (1, 2), (0, 6), (4, 6)]),
        ("all two-way", pairs(7)),
    ],
)
def test_scottish_upper_bounds_by_brute_force(model: str, terms) -> None:
    """Persons only on S4, who may not belong to the population: at most so many (Overstall et al. 2014)."""
    table = scotland()
    fit = mse.LogLinear(model).fit(table)
    value, means = BruteForce(table, terms, on_no_list(table)).maximize()
    assert fit.status == "ok"
    assert value_of(fit) == pytest.approx(value, abs=1e-8)
    assert fit.fitted.ravel() == pytest.approx(means, rel=1e-5)
    exact = mse.LogLinear(model).fit(mse.load_dataset("scotland_pwid"))
    assert fit.population.total < exact.population.total


def test_a_silent_list_and_missing_covariates_by_brute_force() -> None:
    rng = np.random.default_rng(4)
    shape = (2, 2, 2, 3)
    cells = np.array(list(product(*(range(size) for size in shape))))
    counts = rng.poisson(np.exp(3.2 + cells @ [-0.4, -0.8, -0.6, 0.2]))
    rows: dict[tuple[int, ...], int] = {}
    for cell, n in zip(cells, counts, strict=True):
        known, lost = cell.copy(), rng.binomial(n, 0.25)
        if cell[3] == 2:
            known[2] = -1
        if not (known[:3] == 1).any():
            continue
        rows[tuple(known)] = rows.get(tuple(known), 0) + n - lost
        if cell[3] < 2:
            known[3] = -1
        rows[tuple(known)] = rows.get(tuple(known), 0) + lost
    patterns, n = np.array(list(rows)), np.array(list(rows.values()))
    table = mse.CaptureTable(("a", "b", "c"), {"year": (1, 2, 3)}, patterns, n, n)
    fit = mse.LogLinear("a*b + a*year + c").fit(table)
    unseen = (cells[:, :3] == 0).all(axis=1)
    unseen |= (cells[:, :2] == 0).all(axis=1) & (cells[:, 3] == 2)
    # A known membership of c rules the third year out.
    brute = BruteForce(table, [(0, 1), (0, 3), (2,)], unseen)
    early = cells[:, 3] < 2
    brute.sets = [
        cells_of & early if pattern[2] >= 0 else cells_of
        for pattern, cells_of in zip(table.patterns, brute.sets, strict=True)
    ]
    value, means = brute.maximize()
    assert value_of(fit) == pytest.approx(value, abs=1e-8)
    assert fit.fitted.ravel() == pytest.approx(means, rel=1e-6)
    assert fit.population.hidden == pytest.approx(means[unseen].sum(), rel=1e-6)
