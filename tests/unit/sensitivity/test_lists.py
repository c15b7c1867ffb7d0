"""Lists left out and merged."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.comparing import Bootstrapped
from mse.sensitivity import leave_one_out, merge

THREE = mse.CaptureTable.from_counts(
    {"100": 69, "010": 55, "001": 63, "110": 21, "101": 17, "011": 18, "111": 28},
    lists=["P", "Q", "E"],
)


def test_leaving_one_of_three_out_is_lincoln_petersen() -> None:
    frame = leave_one_out(mse.LincolnPetersen(), THREE).to_frame().set_index("left_out")
    # Without E: P only 69 + 17, Q only 55 + 18, both 21 + 28.
    assert frame.loc["E", "total"] == pytest.approx((86 + 49) * (73 + 49) / 49)
    assert frame.loc["E", "observed"] == 86 + 73 + 49
    assert frame.loc["E", "only_there"] == 63
    assert frame.loc["E", "hidden_from_all"] == pytest.approx(frame.loc["E", "total"] - 271)


def test_all_lists_stand_first_and_may_be_not_applicable() -> None:
    found = leave_one_out(mse.LincolnPetersen(), THREE)
    first = found.to_frame().iloc[0]
    assert (first["left_out"], first["status"], first["only_there"]) == ("", "not_applicable", 0)
    assert "two lists" in first["reason"]
    assert found.to_frame()["factor"].isna().all()


def test_totals_are_comparable() -> None:
    # Independent lists in exact proportions: every choice of lists tells the same N.
    p = np.array([0.5, 0.25, 0.5, 0.125])
    counts = np.full((2,) * 4, 6400.0)
    for axis, share in enumerate(p):
        counts *= np.array([1 - share, share]).reshape([2 if i == axis else 1 for i in range(4)])
    counts[0, 0, 0, 0] = 0
    table = mse.CaptureTable.from_array(counts.astype(int), lists=list("abcd"))
    for found in (leave_one_out, merge):
        totals = found(mse.LogLinear("main"), table).to_frame()["total"]
        if found is leave_one_out:
            np.testing.assert_allclose(totals, 6400, rtol=1e-9)
        else:
            # Merging independent lists keeps them independent of the others.
            np.testing.assert_allclose(totals, 6400, rtol=1e-9)


@pytest.mark.parametrize("model", ["P*Q + E", "[12,3]"])
def test_a_model_loses_the_terms_of_a_list_left_out(model: str) -> None:
    found = leave_one_out(mse.LogLinear(model), THREE)
    frame = found.to_frame().set_index("left_out")
    assert frame["status"].tolist() == ["ok", "ok", "ok", "not_applicable"]
    for name in ("P", "Q"):
        other = mse.LogLinear("main").fit(THREE.drop_lists([name])).population
        assert frame.loc[name, "total"] == pytest.approx(other.total)
        assert frame.loc[name, "model"] == "[1,2]"
    # Two lists that depend on each other determine nothing, whoever is on them: they are not asked.
    assert "all lists that are left" in frame.loc["E", "reason"]
    assert "NOT ESTIMATED" in found.summary()


def test_positions_in_a_model_are_those_of_the_whole_table() -> None:
    kosovo = mse.load_dataset("kosovo")
    frame = leave_one_out(mse.LogLinear("[12,34]"), kosovo).to_frame().set_index("left_out")
    assert frame["model"].tolist() == ["[12,34]", "[23,1]", "[23,1]", "[12,3]", "[12,3]"]
    rest = mse.LogLinear("OSCE*HRW + ABA").fit(kosovo.drop_lists(["EXH"])).population
    assert frame.loc["EXH", "total"] == pytest.approx(rest.total)


def test_a_merged_list_takes_the_place_of_both() -> None:
    kosovo = mse.load_dataset("kosovo")
    frame = merge(mse.LogLinear("[12,3,4]"), kosovo, pairs=[("ABA", "OSCE")]).to_frame()
    merged = kosovo.merge_lists({"both": ["ABA", "OSCE"]})
    expected = mse.LogLinear("EXH*both + HRW").fit(merged).population
    assert frame["total"][1] == pytest.approx(expected.total)


def test_kept_terms_lose_the_list_too() -> None:
    table = mse.load_dataset("spina_bifida")
    first = table.lists[0]
    search = mse.LogLinearSearch(strategy="stepwise", keep=[f"{first}*ethnicity"])
    frame = leave_one_out(search, table).to_frame()
    assert "not_applicable" not in set(frame["status"])


def test_intervals_say_what_they_are() -> None:
    search = mse.LogLinearSearch()
    plain = leave_one_out(search, THREE)
    assert set(plain.to_frame()["given"]) == {"given the model"}
    assert "profile likelihood, given the model" in " ".join(plain.summary().split())
    repeated = leave_one_out(Bootstrapped(search, replicates=50), mse.load_dataset("kosovo"))
    given = set(repeated.to_frame()["given"])
    assert given == {"the model re-selected in every replicate"}


def test_order_of_lists_changes_only_the_order_of_rows() -> None:
    one = leave_one_out(mse.LogLinear("main"), THREE).to_frame()
    other = leave_one_out(mse.LogLinear("main"), THREE.keep_lists(["E", "P", "Q"])).to_frame()
    both = one.merge(other, on="left_out")
    assert len(both) == 4
    np.testing.assert_allclose(both["total_x"], both["total_y"], rtol=1e-9)


def test_merging_two_of_three_is_lincoln_petersen() -> None:
    frame = merge(mse.LincolnPetersen(), THREE, pairs=[("Q", "E")]).to_frame()
    row = frame.iloc[1]
    # On Q or E but not P: 55 + 63 + 18; on P and one of them: 21 + 17 + 28.
    assert row["total"] == pytest.approx((69 + 66) * (136 + 66) / 66)
    assert (row["list_a"], row["list_b"], row["observed"]) == ("Q", "E", 271)


def test_every_pair_is_merged_by_default() -> None:
    frame = merge(mse.LogLinear("main"), mse.load_dataset("kosovo")).to_frame()
    assert len(frame) == 1 + 6
    assert set(frame["observed"]) == {4400}
    whole = mse.LogLinear("main").fit(mse.load_dataset("kosovo")).population
    assert frame["total"][0] == pytest.approx(whole.total)
    assert (frame["low"][0], frame["high"][0]) == pytest.approx(whole.interval())
    assert frame["factor"][0] == 1


def test_levels() -> None:
    found = leave_one_out(mse.LogLinear("main"), THREE)
    wide, narrow = found.to_frame(0.99), found.to_frame(0.5)
    assert (wide["low"] < narrow["low"]).all()
    assert set(narrow["level"]) == {0.5}
    with pytest.raises(mse.ModelError, match="level"):
        found.to_frame(95)


@pytest.mark.parametrize("vary", [leave_one_out, merge])
def test_two_lists_are_too_few(vary: object) -> None:
    table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    with pytest.raises(mse.ModelError, match="fewer than two"):
        vary(mse.Chapman(), table)
    margins = mse.CaptureTable.from_margins({"a": 9, "b": 8, "c": 7}, union=20)
    with pytest.raises(mse.ModelError, match="who is on which lists"):
        vary(mse.LogLinear("main"), margins)
    with pytest.raises(mse.ModelError, match="not an estimator"):
        vary(mse.Chapman, THREE)


@pytest.mark.parametrize("pair", [("P",), ("P", "P"), ("P", "X"), "PQ"])
def test_pairs_are_two_lists(pair: object) -> None:
    with pytest.raises(mse.ModelError, match="pairs of different lists"):
        merge(mse.LogLinear("main"), THREE, pairs=[pair])


def test_results_show_themselves() -> None:
    for found in (leave_one_out(mse.LogLinear("main"), THREE), merge(mse.LogLinear("main"), THREE)):
        assert "lies between" in found.summary()
        assert found._repr_html_().startswith("<div>")
        assert repr(found).startswith("<")
        with pytest.raises(AttributeError):
            found.table = None
