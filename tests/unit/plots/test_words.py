"""Words of pictures: replaced, checked, and numbers as a language writes them."""

from __future__ import annotations

import math

import pytest

from mse.errors import ModelError
from mse.plots.words import Words

INF, NAN = math.inf, math.nan


def test_numbers_have_the_marks_of_the_language() -> None:
    english, dutch = Words(), Words({"thousands": ".", "decimal": ","})
    assert english.number(1234567.8) == "1,234,568"
    assert dutch.number(1234567.8) == "1.234.568"
    assert dutch.ratio(0.126) == "0,13"
    assert english.number(-3.0) == "\N{MINUS SIGN}3"
    assert english.number(INF) == "no upper bound"
    assert english.number(2.5e13) == "2.5e13"
    assert [english.ratio(each) for each in (0.0001, 0.5, 12.34, 1234.0)] == [
        "0.0001",
        "0.50",
        "12.3",
        "1,234",
    ]
    assert english.share(0.256) == "26%"
    assert dutch.share(0.0256, 1) == "2,6%"


def test_intervals_in_words() -> None:
    words = Words()
    assert words.span(10.0, 1200.0) == "10 to 1,200"
    assert words.span(10.0, INF) == "at least 10"
    assert words.span(NAN, NAN) == "no interval"
    assert words.kind("bca", 0.95) == "95% BCa bootstrap interval"
    assert words.kind("profile, scaled", 0.9) == "90% profile, scaled interval"
    assert words.kind("", 0.9) == "no interval"
    assert words.given("given the model") == "given the model"
    assert words.given("something new") == "something new"


def test_statuses_in_words() -> None:
    words = Words({"status_not_estimable": "onbekend"})
    assert words.status("ok") == ""
    assert words.status("not_estimable") == "onbekend"
    assert words.status("across_scopes") == "scopes not comparable"


def test_unknown_keys_and_fields_are_errors() -> None:
    with pytest.raises(ModelError, match=r"has 'totaal'.*Did you mean 'total'"):
        Words({"totaal": "geschat totaal"})
    with pytest.raises(ModelError, match=r"words\['range'\] has the field \{lo\}"):
        Words({"range": "{lo} tot {high}"})
    assert Words({"range": "tot {high}"}).span(1.0, 2.0) == "tot 2"
