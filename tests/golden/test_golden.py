"""No number changes unseen: everything in `tests/golden/values`, computed again."""

from __future__ import annotations

import copy
import json
from math import nextafter
from typing import Any

import pytest

from tests.golden.__main__ import VALUES, stored
from tests.golden.comparing import EXACT, LOOSE, differences, same_text
from tests.golden.encoding import as_text, encode
from tests.golden.groups import GROUPS, compute

#: Differences that are shown of a group.
MOST_SHOWN = 20


@pytest.mark.fixed_seed
@pytest.mark.parametrize("group", GROUPS)
def test_values_are_those_that_were_kept(group: str) -> None:
    found = [str(each) for each in differences(stored(group), compute(group), group)]
    shown = "\n".join(found[:MOST_SHOWN])
    assert not found, f"{len(found)} values differ:\n{shown}"


def test_every_file_belongs_to_a_group() -> None:
    assert {path.stem for path in VALUES.glob("*.json")} == set(GROUPS)


# What compares -----------------------------------------------------------------------------------


def told(old: Any, new: Any) -> list[str]:
    return [str(each) for each in differences(old, new, "record")]


@pytest.fixture
def record() -> dict[str, Any]:
    return copy.deepcopy(stored("searches-kosovo"))


def search_of(record: dict[str, Any]) -> dict[str, Any]:
    return next(each for label, each in record.items() if "'bic'" in label and "exh" in label)


def test_what_is_as_it_was_does_not_differ(record) -> None:
    assert not told(record, stored("searches-kosovo"))


def test_a_number_changed_in_the_eighth_digit_is_caught(record) -> None:
    search = search_of(record)
    assert search["condition"] < 1e8
    search["hidden"] *= 1 + 1e-8
    (found,) = told(stored("searches-kosovo"), record)
    assert "/hidden: was " in found
    assert "(relative difference 1e-08)" in found


def test_a_number_changed_by_rounding_is_the_same(record) -> None:
    search_of(record)["hidden"] *= 1 + EXACT / 10
    assert not told(stored("searches-kosovo"), record)


def test_an_ill_conditioned_record_is_compared_loosely() -> None:
    for condition, tolerance in ((1e7, EXACT), ("not computed", EXACT), (1e9, LOOSE)):
        old, new = ({"condition": condition, "fit": {"hidden": each}} for each in (100.0, 0.0))
        new["fit"]["hidden"] = 100 * (1 + tolerance / 2)
        assert not told(old, new)
        new["fit"]["hidden"] = 100 * (1 + tolerance * 2)
        assert told(old, new)


def test_whole_numbers_texts_infinities_and_nothing_are_compared_exactly() -> None:
    kept = encode({"n": 10**12, "low": float("-inf"), "high": float("inf"), "no": float("nan")})
    assert kept == {"n": 10**12, "low": "-inf", "high": "inf", "no": "nan"}
    assert not told(kept, dict(kept))
    for name, other in (
        ("n", 10**12 + 1),
        ("low", "inf"),
        ("high", 1e300),
        ("no", None),
        ("n", True),
    ):
        assert len(told(kept, {**kept, name: other})) == 1
    assert told({"a": True}, {"a": 1})
    assert told({"a": 1.0}, {"b": 1.0})
    assert told([1.0], [1.0, 2.0])


def test_zero_but_for_rounding_is_zero() -> None:
    assert not told({"deviance": 0.0}, {"deviance": 3e-13})
    assert not told({"deviance": 3.72e-5}, {"deviance": 3.72e-5 + 5e-12})
    assert told({"deviance": 0.0}, {"deviance": 3e-8})


def test_words_of_a_text_are_compared_exactly_and_its_numbers_as_numbers() -> None:
    old = "Estimated 10,356.5 persons (7 models), p = 0.0535213159"
    assert same_text(old, old.replace("0.0535213159", "0.05352131590000001"))
    for changed in (
        ("356", "357"),
        ("persons", "people"),
        ("(7", "(8"),
        ("159", "160"),
        (" p", "p"),
    ):
        assert not same_text(old, old.replace(*changed))


def test_exchanged_choices_are_caught(record) -> None:
    ranking = search_of(record)["ranking"]
    (first, best), (second, next_best) = ranking[:2]
    assert next_best - best > 1e-8
    ranking[0], ranking[1] = [second, best], [first, next_best]
    assert len(told(stored("searches-kosovo"), record)) == 2
    assert all("/ranking[" in each for each in told(stored("searches-kosovo"), record))


def test_another_model_in_place_of_one_is_caught(record) -> None:
    search = search_of(record)
    search["ranking"][3][0] = "[1,2,3,4]"
    assert told(stored("searches-kosovo"), record)


def test_models_that_are_equally_good_may_change_places() -> None:
    old = {"ranking": [["a", 1.0], ["b", 5.0], ["c", 5.0 + 1e-12], ["d", 6.0]]}
    new = {"ranking": [["a", 1.0], ["c", 5.0], ["b", 5.0 + 1e-12], ["d", 6.0]]}
    assert not told(old, new)
    # Beyond the last one that was kept there may be others as good.
    assert not told(old, {"ranking": [*new["ranking"][:3], ["e", 6.0]]})
    assert told(old, {"ranking": [["b", 1.0], *new["ranking"][1:]]})


def test_another_choice_is_the_same_only_if_it_is_as_good() -> None:
    old = {"model": "[12,3]", "as_good": ["[13,2]"], "hidden": 10.0}
    assert not told(old, {"model": "[13,2]", "as_good": ["[12,3]"], "hidden": 11.0})
    assert told(old, {"model": "[23,1]", "as_good": [], "hidden": 11.0})
    assert told(old, {"model": "[12,3]", "as_good": ["[13,2]"], "hidden": 11.0})


def test_chains_agree_within_their_monte_carlo_error() -> None:
    old = {"chain": {"total/mean": {"mean": 5.0, "error": 0.01}}}
    near, far = copy.deepcopy(old), copy.deepcopy(old)
    near["chain"]["total/mean"]["mean"] = 5.05
    far["chain"]["total/mean"]["mean"] = 5.1
    assert not told(old, near)
    assert told(old, far)


def test_what_is_written_can_be_read_back_to_the_last_digit() -> None:
    kept = {"b": {"x": [0.1 + 0.2, nextafter(1, 2)]}, "a": {"text": ["one line" * 9, "two" * 30]}}
    assert json.loads(as_text(kept)) == kept
    assert as_text(kept).index('"a"') < as_text(kept).index('"b"')


def test_draws_agree_exactly_if_they_are_drawn_from_the_same_digits() -> None:
    old = stored("bootstrap-kosovo")
    new = copy.deepcopy(old)
    label = next(each for each in old if "exhaustive" in each and each.endswith(" population"))
    new[label]["draws"][3] *= 1 + 1e-8
    assert len(told(old, new)) == 1
    new[label]["drawn_from"] = "other digits"
    assert not told(old, new)
    new[label]["draws"] = [each * 1.5 for each in old[label]["draws"]]
    assert told(old, new)
    other = next(each for each in old if each.endswith(" multinomial"))
    assert "drawn_from" not in old[other]


def test_points_of_a_bootstrap_are_compared_exactly_whatever_it_is_drawn_from() -> None:
    old = stored("bootstrap-spina_bifida")
    new = copy.deepcopy(old)
    label = next(each for each in old if each.endswith(" population"))
    new[label]["drawn_from"] = "other digits"
    new[label]["strata"]["ethnicity"]["low"][0] *= 1.01
    assert not told(old, new)
    new[label]["strata"]["ethnicity"]["hidden"][0] *= 1 + 1e-8
    assert len(told(old, new)) == 1
