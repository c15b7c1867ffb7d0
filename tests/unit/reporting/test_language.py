"""Catalogues of messages, and numbers in each language."""

from __future__ import annotations

import math
import re

import pytest

from mse.errors import ModelError
from mse.plots import ENGLISH
from mse.plots.words import Words
from mse.words.catalogue import fields_of, language_of, languages
from mse.words.content import Text, inline, plain

EN, NL = language_of("en"), language_of("nl")


@pytest.mark.parametrize("code", languages())
def test_catalogues_have_the_same_keys_and_fields(code: str) -> None:
    other = language_of(code).messages
    assert set(other) == set(EN.messages)
    for key, text in EN.messages.items():
        assert fields_of(other[key]) == fields_of(text), key
        assert other[key].strip(), key


@pytest.mark.parametrize("code", languages())
def test_every_language_has_all_words_of_pictures(code: str) -> None:
    own = language_of(code).section("plots")
    assert set(own) == set(ENGLISH)
    Words(own)


def test_dutch_is_dutch() -> None:
    same = [
        key
        for key, text in EN.messages.items()
        if NL.messages[key] == text and len(re.findall(r"[^\W\d_]{4,}", text)) > 3
    ]
    # What is the same in both holds names only.
    assert same == []


def test_numbers_by_language() -> None:
    assert (EN.number(8234), NL.number(8234)) == ("8,234", "8.234")
    assert (EN.percent(0.123), NL.percent(0.123)) == ("12.3%", "12,3%")
    assert NL.span(48534.4, 164675.1) == "48.534 tot 164.675"
    assert NL.decimal_span(0.5, 1234.5, 2) == "0,50 tot 1.234,50"
    assert NL.signed(-1234.5, 1) == "-1.234,5"
    assert NL.general(0.66667) == "0,667"
    assert EN.number(1.5, 2) == "1.50"


def test_what_is_no_number_is_said() -> None:
    assert EN.number(math.nan) == "-"
    assert EN.number(math.inf) == "no upper bound"
    assert EN.span(10, math.inf) == "at least 10, no upper bound"
    assert EN.span(math.nan, math.nan) == "no interval"
    assert NL.span(10, math.inf) == "ten minste 10, geen bovengrens"


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "50%"), (0.999, "over 99%"), (0.001, "under 1%"), (math.nan, "-")]
)
def test_probabilities_do_not_pretend(value: float, text: str) -> None:
    assert EN.probability(value) == text


def test_p_values() -> None:
    assert [NL.p_value(p) for p in (0.0004, 0.25, math.nan)] == ["< 0,001", "0,250", "-"]
    assert (NL.p_value(0.001, 0.001), EN.p_value(0.01, 0.01)) == ("<= 0,001", "<= 0.010")


def test_a_number_that_rounds_to_zero_has_no_sign() -> None:
    assert EN.number(-1e-13, 2) == "0.00"
    assert NL.number(-0.004, 2) == "0,00"


def test_one_and_several() -> None:
    assert EN("count.models", n=1) == "1 model"
    assert NL("count.models", n=1200) == "1.200 modellen"


def test_lists_of_names() -> None:
    assert EN.listed([]) == ""
    assert EN.listed(["a"]) == "a"
    assert NL.listed(["a", "b", "c"]) == "a, b en c"
    assert EN.listed("abcde", most=3) == "a, b, c and 2 more"


def test_rich_messages_keep_what_words_are() -> None:
    runs = EN.rich("answer.rests", method=Text("method", "nl"), assumptions=Text("x", link="y"))
    assert plain(runs).startswith("It rests on the overlap of the lists (method) and on x that")
    assert [(run.language, run.link) for run in runs if run.language or run.link] == [
        ("nl", ""),
        ("", "y"),
    ]
    assert inline("", "a", (Text("b"),)) == (Text("a"), Text("b"))


def test_cells_hold_the_figure_too() -> None:
    assert EN.count_cell(8234).value == 8234
    assert EN.count_cell(math.inf).value is None
    assert EN.span_cell(1.5, math.inf).value == (1.5, None)
    assert EN.status_cell("boundary").value == "boundary"
    assert EN.status_cell("never heard of").text == "never heard of"


def test_unknown_language_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match="'en', 'nl'"):
        language_of("xx")
