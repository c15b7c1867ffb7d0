"""One person left out of each history."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest

import mse
from mse.diagnostics import influence

TWO = mse.CaptureTable.from_counts({"10": 86, "01": 73, "11": 49}, lists=["P", "Q"])
KOSOVO = mse.load_dataset("kosovo")


@pytest.mark.parametrize("estimator", [mse.LincolnPetersen(), mse.LogLinear("main")])
def test_two_lists_are_the_closed_form(estimator: object) -> None:
    frame = influence(estimator.fit(TWO)).to_frame().set_index("history")
    n = {"10": 86, "01": 73, "11": 49}
    total = 208 + 86 * 73 / 49
    for history, persons in n.items():
        fewer = {**n, history: persons - 1}
        expected = 207 + fewer["10"] * fewer["01"] / fewer["11"]
        assert frame.loc[history, "total"] == pytest.approx(expected, rel=1e-9)
        assert frame.loc[history, "change"] == pytest.approx(expected - total, abs=1e-6)
        assert frame.loc[history, "relative"] == pytest.approx((expected - total) / total, abs=1e-9)


def test_changes_add_up_to_the_total() -> None:
    # N is homogeneous of degree 1 in the counts, so by Euler sum n dN/dn = N.
    table = KOSOVO.with_counts(1000 * KOSOVO.counts)
    found = influence(mse.LogLinear("all two-way").fit(table))
    frame = found.to_frame()
    assert -(frame["observed"] * frame["change"]).sum() == pytest.approx(found.total, rel=1e-3)


def test_the_model_is_kept_or_selected_anew() -> None:
    fit = mse.LogLinearSearch().fit(KOSOVO)
    kept, again = influence(fit), influence(fit, reselect=True)
    assert (kept.reselected, again.reselected) == (False, True)
    one = mse.LogLinear(fit.model).fit(KOSOVO)
    np.testing.assert_allclose(
        kept.to_frame()["total"], influence(one).to_frame()["total"], rtol=1e-9
    )
    # One person less in 0101 (of 31) makes another model the best.
    assert kept.to_frame()["relative"].abs().max() < 0.05
    worst = again.to_frame().set_index("history")["relative"]
    assert worst.idxmax() == "0101"
    assert worst.max() > 0.5
    fewer = KOSOVO.counts.copy()
    fewer[0, 1, 0, 1] -= 1
    expected = mse.LogLinearSearch().fit(KOSOVO.with_counts(fewer)).population.total
    assert again.to_frame().set_index("history").loc["0101", "total"] == pytest.approx(expected)


def test_empty_histories_have_no_row_and_strata_have_their_own() -> None:
    table = mse.load_dataset("spina_bifida").where(ethnicity=["caucasian", "afro-american"])
    frame = influence(mse.LogLinear("all two-way").fit(table)).to_frame()
    assert len(frame) == (table.counts > 0).sum()
    assert frame["observed"].sum() == table.n_observed
    assert set(frame["ethnicity"]) == {"caucasian", "afro-american"}


def test_an_estimate_that_ceases_to_exist_goes_to_its_limit() -> None:
    table = mse.CaptureTable.from_counts({"10": 5, "01": 1, "11": 1}, lists=["a", "b"])
    frame = influence(mse.LincolnPetersen().fit(table)).to_frame().set_index("history")
    assert frame.loc["11", "change"] == math.inf
    assert frame.loc["11", "status"] == "not_estimable"
    assert math.isnan(frame.loc["11", "total"])
    # Nobody hidden is left: six persons in place of seven observed and five hidden.
    assert (frame.loc["01", "limit"], frame.loc["01", "change"]) == ("zero", 6 - 12)
    found = influence(mse.LincolnPetersen().fit(table))
    assert "without bound" in found.summary()


def test_partly_known_tables_are_refused() -> None:
    class Fit:
        table = mse.CaptureTable.from_margins({"a": 9, "b": 8}, union=14)

    with pytest.raises(mse.ModelError, match="known in part"):
        influence(Fit())


def test_result_shows_itself() -> None:
    found = influence(mse.LogLinear("main").fit(TWO))
    assert "the model kept" in found.summary()
    again = influence(mse.LincolnPetersen().fit(TWO))
    assert "the whole method repeated" in again.summary()
    assert again._repr_html_().startswith("<div>")
    assert repr(again) == "<Influence on LincolnPetersen(): 3 histories>"


@pytest.mark.parametrize("name", ["kosovo", "korea", "artificial_3"])
@pytest.mark.parametrize("criterion", ["bic", "aic"])
def test_a_repeated_search_answers_as_a_search_of_the_other_table(
    name: str, criterion: Literal["bic", "aic"]
) -> None:
    table = mse.load_dataset(name)
    search = mse.LogLinearSearch(criterion)
    fit = search.fit(table)
    for cell in np.flatnonzero(table.counts):
        counts = table.counts.copy()
        counts.ravel()[cell] = 0
        other = table.with_counts(counts)
        expected, found = search.fit(other).population, fit.repeated(other)
        assert (found.status, found.limit, found.model) == (
            expected.status,
            expected.limit,
            expected.model,
        )
        assert found.total == pytest.approx(expected.total, rel=1e-9, nan_ok=True)
