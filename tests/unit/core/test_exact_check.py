"""Statuses and figures for counts of very different sizes; what compiled loops leave to Python."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mse.core import exact_check
from mse.core.exact_check import ExactCheck
from mse.core.existence import FINITE, LIMITS
from mse.core.explicit_fit import design_rows
from mse.core.fitting import BOUNDARY, NOT_CONVERGED, STATUSES, fit_model, fit_models
from mse.core.newton import make_design, make_workspace
from tests.large_counts import Case, exact_answer, random_cases, saturated_design
from tests.precise_fit import log_mean, precise_fit


def case(counts: list[float], order: int) -> Case:
    """Return a table in the order of its cells, with all interactions up to an order."""
    n_lists = len(counts).bit_length() - 1
    member = np.bitwise_count(np.arange(len(counts))) <= order
    return Case(np.asarray(counts, dtype=float), member, saturated_design(n_lists))


def fitted(each: Case):
    return fit_model(each.counts, each.member, each.design)


def check_figures(each: Case) -> None:
    """Compare a fit with one in decimal arithmetic."""
    fit = fitted(each)
    inside = np.flatnonzero(fit.face)
    rows = design_rows(each.design, fit.kept, inside).astype(int)
    b = precise_fit(each.counts[inside], rows, fit.coefficients)
    expected = [log_mean(row, b) for row in rows]
    # Six digits are printed at most.
    np.testing.assert_allclose(np.log(fit.means[inside]), expected, atol=1e-7)
    hidden = design_rows(each.design, fit.kept, np.arange(1)).astype(int)[0]
    assert np.log(fit.hidden[0]) == pytest.approx(log_mean(hidden, b), abs=1e-6)
    assert fit.deviance >= 0


# More parameters than cells, and counts a million times as large as others (fault A6).
NOT_DETERMINED = [
    case([0, 990096, 1143588, 1], 2),
    case([0, 51364, 423575, 4784, 5810709, 222618, 7593139, 9], 3),
    case([0, 1, 10**9, 1], 2),
    case([0, 10**12, 1, 10**12], 2),
    case([0, *(10**k for k in range(15))], 4),
    case([0, 1, 1, 10**8, 1, 10**9, 10**9, 2], 3),
]


@pytest.mark.parametrize("each", NOT_DETERMINED)
def test_rounding_certifies_no_rank(each: Case) -> None:
    fit = fitted(each)
    assert STATUSES[fit.status] == "not_estimable"
    assert np.isnan(fit.hidden[0])
    rank, face, limit = exact_answer(each)
    assert (fit.kept.size, LIMITS[fit.limits[0]]) == (rank, LIMITS[limit])
    np.testing.assert_array_equal(fit.face, face)


# Counts of half a million and more beside ones (fault A7).
ESTIMABLE = [
    case([0, 0, 0, 1, 5, 1520958, 266986, 0], 1),
    case([0, 0, 1, 1, 381, 0, 163, 1, 0, 519201, 0, 1, 1, 0, 136, 4], 2),
    case([0, 1, 10**9, 1, 10**9, 1, 1, 10**9], 1),
    case([0, 10**9, 1, 10**5, 1, 10**7, 3, 10**9], 2),
    case([0, *(3**k for k in range(31))], 2),
    case([0, *(10 ** (k % 13) for k in range(15))], 3),
]


@pytest.mark.parametrize("each", ESTIMABLE)
def test_estimates_beside_large_counts(each: Case) -> None:
    assert exact_answer(each)[2] == FINITE
    assert fitted(each).status <= BOUNDARY
    check_figures(each)


def agrees(each: Case) -> str:
    """Compare a fit with the exact check; its status."""
    fit, (rank, face, limit) = fitted(each), exact_answer(each)
    if fit.status != NOT_CONVERGED:
        assert fit.kept.size == rank
        np.testing.assert_array_equal(fit.face, face)
        assert LIMITS[fit.limits[0]] == LIMITS[limit]
        assert np.isnan(fit.hidden[0]) == (limit != FINITE)
        np.testing.assert_allclose(
            design_rows(each.design, fit.kept, np.flatnonzero(face)).T @ fit.means[face],
            design_rows(each.design, fit.kept, np.flatnonzero(face)).T @ each.counts[face],
            rtol=1e-9,
        )
    return STATUSES[fit.status]


@pytest.mark.parametrize("largest", [1e3, 1e6, 1e9, 1e12, 1e15])
def test_random_tables_agree_with_the_exact_check(largest: float) -> None:
    found = Counter(agrees(each) for each in random_cases(400, largest, 11))
    assert found["not_converged"] == 0
    assert min(found["ok"], found["boundary"], found["not_estimable"]) > 5


@pytest.mark.slow
@pytest.mark.parametrize(("largest", "n", "allowed"), [(1e9, 100_000, 9), (1e12, 20_000, 199)])
def test_many_random_tables_agree_with_the_exact_check(
    largest: float, n: int, allowed: int
) -> None:
    found = Counter(agrees(each) for each in random_cases(n, largest, 1))
    assert found["not_converged"] <= allowed


@pytest.mark.parametrize("largest", [1e6, 1e9, 1e15])
def test_figures_of_random_tables(largest: float) -> None:
    good = [each for each in random_cases(60, largest, 5) if exact_answer(each)[2] == FINITE]
    assert len(good) > 20
    for each in good[:15]:
        check_figures(each)


def test_catalogs_have_the_statuses_of_single_fits() -> None:
    cases = list(random_cases(40, 1e9, 3))
    members = np.array([each.member for each in cases if each.member.size == 16])
    for each in [each for each in cases if each.member.size == 16][:4]:
        many = fit_models(each.counts[None], members, each.design)
        for m, member in enumerate(members):
            one = fit_model(each.counts, member, each.design)
            assert many.status[0, m] == one.status
            np.testing.assert_array_equal(many.hidden[0, m], one.hidden)


def test_answers_are_remembered_by_model_and_zero_pattern(monkeypatch) -> None:
    monkeypatch.setattr(exact_check, "_MEMORY", exact_check._Memory())
    each = NOT_DETERMINED[0]
    first = fitted(each)
    known = dict(exact_check._MEMORY.answers)
    assert len(known) == 1
    fitted(each._replace(counts=each.counts * 3))
    assert exact_check._MEMORY.answers == known
    fitted(each._replace(counts=np.array([0.0, 5, 7, 0])))
    assert len(exact_check._MEMORY.answers) == 2
    again = fitted(each)
    np.testing.assert_array_equal(again.face, first.face)
    assert again.status == first.status


def test_compiled_twin_gives_the_same_answers(monkeypatch) -> None:
    cases = list(random_cases(60, 1e9, 8))
    expected = [fitted(each) for each in cases]
    monkeypatch.setattr(exact_check, "_MEMORY", exact_check._Memory())
    monkeypatch.setattr(exact_check, "PATIENCE_SECONDS", -1.0)
    for each, fit in zip(cases, map(fitted, cases), strict=True):
        other = expected.pop(0)
        assert (fit.status, fit.limits[0]) == (other.status, other.limits[0]), each
        np.testing.assert_array_equal(fit.kept, other.kept)
        np.testing.assert_array_equal(fit.hidden, other.hidden)


@pytest.mark.parametrize("error", [ValueError("here"), KeyboardInterrupt()])
def test_errors_come_out_of_compiled_loops(monkeypatch, error: BaseException) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(exact_check, "find_face", fail)
    with pytest.raises(type(error)):
        fitted(NOT_DETERMINED[0])


def test_large_explicit_tables_are_left_undecided(monkeypatch) -> None:
    monkeypatch.setattr(exact_check, "MOST_ENTRIES", 3)
    design = make_design((2, 2), 2, np.arange(3))
    work = make_workspace(design)
    with ExactCheck(design, work) as check:
        assert check._fit(3) == exact_check.UNDECIDED
