"""Messages: sentences with their key and fields."""

from __future__ import annotations

import ast
import copy
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import mse
from mse.disclosure import Rules, protect_population
from mse.disclosure.scrubbing import withheld_from
from mse.messages import (
    MARK,
    SPOKEN,
    Message,
    Reader,
    catalogue_of,
    encode_messages,
    fields_of,
    joined,
    named,
)

EN, NL = catalogue_of("en"), catalogue_of("nl")
TOLD = joined(
    Message("remark.redrawn", n=1204),
    Message("reason.strata", names=named([f"year={year}" for year in range(2010, 2018)])),
)
STRICT = Rules(threshold=10, base=5)


def sent(message: Message) -> object:
    """Send to another process and back."""
    return pickle.loads(pickle.dumps(message))  # noqa: S301


def test_a_message_is_its_text() -> None:
    said = Message("remark.redrawn", n=np.int64(2))
    assert said == "2 replicates determined nothing and were drawn again."
    assert {said: 1}[str(said)] == 1
    assert type(said.fields["n"]) is int
    assert (said.key, dict(said.fields)) == ("remark.redrawn", {"n": 2})


def test_one_and_several() -> None:
    assert Message("remark.redrawn", n=1).startswith("1 replicate determined")
    # What is withheld is not said to be one.
    assert Message("remark.redrawn", n=None).startswith(f"{MARK} replicates")


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, sent])
def test_it_can_be_copied_and_sent(again: object) -> None:
    back = again(TOLD)  # type: ignore[operator]
    assert (back, back.key, back.fields) == (TOLD, TOLD.key, TOLD.fields)  # type: ignore[union-attr]
    assert NL.translated(back) == NL.translated(TOLD)


def test_it_can_be_stored() -> None:
    stored = json.loads(json.dumps(encode_messages({"warnings": [TOLD, "Anything."], "n": 3})))
    assert [each["text"] for each in stored] == [TOLD]
    back = Reader(stored)(str(TOLD))
    assert isinstance(back, Message)
    assert NL.translated(back) == NL.translated(TOLD)
    assert "en nog 2" in str(NL.translated(back))
    assert Reader(stored)("Anything.") == "Anything."


def test_what_another_version_said_keeps_its_words() -> None:
    stored = [{"text": "Of old.", "key": "remark.gone", "fields": {"n": 3}}]
    back = Reader(stored)("Of old.")
    assert isinstance(back, Message)
    assert (back, NL.translated(back)) == ("Of old.", None)
    other = Message.stored("Of 3.", "remark.unbounded", {"m": 3})
    assert NL.translated(other) is None
    assert withheld_from(other, STRICT) == ""
    unknown = Message.stored("Of 3.", "remark.no_profile_yet", {"m": 3})
    assert withheld_from(unknown, STRICT) == Message("withheld.remark")


def test_an_estimate_comes_back_with_its_messages() -> None:
    p = mse.LogLinearSearch().fit(mse.load_dataset("kosovo")).population
    back = mse.PopulationEstimate.from_json(p.to_json())
    for name in ("method", "reason", "interval_given"):
        assert getattr(back, name) == getattr(p, name)
    assert NL.translated(back.method) == NL.translated(p.method)
    assert NL.translated(back.method) != p.method
    assert [NL.translated(each) for each in back.warnings + back.assumptions] == [
        NL.translated(each) for each in p.warnings + p.assumptions
    ]


def test_an_old_file_is_read_as_text() -> None:
    data = mse.LogLinear("main").fit(mse.load_dataset("korea")).population.to_dict()
    del data["messages"]
    data["warnings"] = [Message("remark.redrawn", n=3) + ""]
    back = mse.PopulationEstimate.from_dict(json.loads(json.dumps(data)))
    # A text without fields is known by itself; one with numbers in it stays what it was.
    assert NL.translated(back.assumptions[0]) != back.assumptions[0]
    assert (type(back.warnings[0]), NL.translated(back.warnings[0])) == (str, None)


# Disclosure ---------------------------------------------------------------------------------------


def test_counts_are_withheld_as_fields() -> None:
    said = withheld_from(Message("nobody.pairs", n=3, of=10, names=named(["a1", "b 2"])), STRICT)
    assert said.startswith("Nobody is on both lists of x of x pairs (a1, b 2).")
    few = Message("remark.no_interval", n=7, least=20, usual=1000)
    assert withheld_from(few, STRICT) == (
        "x replicates give no interval; 20 are the least, and 1,000 are usual."
    )
    assert NL.translated(withheld_from(few, STRICT)) == (
        "x herhalingen geven geen interval; 20 is het minste, en 1.000 is gebruikelijk."
    )


def test_what_is_inside_is_withheld_too() -> None:
    moves = Message("history.moves", history="a", n=2, effect=Message("history.change", change=0.3))
    said = withheld_from(joined(Message("remark.unseen"), moves), STRICT)
    assert said == "No test of fit sees those on no list. a (x): x"


def test_words_of_others_are_not_said() -> None:
    said = withheld_from(joined(Message("remark.unseen"), "There were 3 of them."), STRICT)
    assert "3" not in said
    assert said.startswith("No test of fit sees those on no list.")
    assert withheld_from("", STRICT) == ""
    assert withheld_from("There were 3.", Rules()) == "There were 3."


def test_where_zeros_are_not_safe_empty_cells_are_not_named() -> None:
    rules = Rules(threshold=10, base=5, zeros_safe=False)
    whole = joined(Message("reason.indeterminate"), Message("nobody.with", names=("a:b",)))
    assert withheld_from(whole, rules) == Message("withheld.empty")
    assert "a:b" in withheld_from(whole, STRICT)


def test_a_protected_estimate_stores_no_count_in_its_messages() -> None:
    p = mse.bootstrap(mse.LogLinear("main"), mse.load_dataset("kosovo"), 50, seed=1)
    safe = protect_population(p, STRICT).to_dict()
    told = [each for each in safe["messages"] if each["key"] == "remark.few_replicates"]
    assert told[0]["fields"]["n"] is None
    assert told[0]["fields"]["usual"] == 1000


# Catalogues ---------------------------------------------------------------------------------------


def written() -> set[str]:
    """Keys that messages are made of in the code, where they are written out."""
    found = set()
    for path in Path(mse.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Message":
                key = node.args[0] if node.args else None
                if isinstance(key, ast.Constant):
                    found.add(str(key.value))
    return found


def test_every_message_that_is_made_is_in_the_catalogue() -> None:
    known = {re.sub(r"\.(one|other)$", "", key) for key in EN.messages} | set(EN.messages)
    assert len(written()) > 100
    assert written() <= known


def test_both_forms_have_the_field_that_decides() -> None:
    for key in EN.messages:
        if key.endswith((".one", ".other")) and key.partition(".")[0] in SPOKEN:
            other = re.sub(r"\.(one|other)$", ".other", key)
            assert "n" in fields_of(EN.messages[other]), key


def test_no_two_texts_without_fields_are_alike() -> None:
    own = [
        text
        for key, text in EN.messages.items()
        if key.partition(".")[0] in SPOKEN and not fields_of(text)
    ]
    assert len(own) == len(set(own))
